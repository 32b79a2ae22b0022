/* What answers on a TCP port of this machine: a request that no server could serve is sent, and the beginning of the
 * reply is read. HTTP.SYS answers such a request itself, in the kernel, whatever program the port is registered for.
 * Reading the reply is the job of http.lua. */
#include <string.h>

#include "address.h"
#include "http_parts.h"
#include "luax.h"
#include "winapi.h"
#include "winsock.h"

enum { MOST_BYTES = 4096, TIMEOUT_MS = 1000 };

typedef union socket_address {
  struct sockaddr any;
  struct sockaddr_in ipv4;
  struct sockaddr_in6 ipv6;
} socket_address;

/* Puts the address of a server into `out`; returns its size. */
static int read_address(lua_State *L, int index, unsigned short port, socket_address *out) {
  ip_address address;
  const char *text = lua_isnil(L, index) ? "127.0.0.1" : luax_checktext(L, index, "address");
  if (!address_read(text, &address)) luax_badvalue(L, index, "address", "an IP address");
  memset(out, 0, sizeof *out);
  if (address.family == 4) {
    out->ipv4.sin_family = AF_INET;
    out->ipv4.sin_port = winsock_port(port);
    memcpy(&out->ipv4.sin_addr, address.bytes, sizeof out->ipv4.sin_addr);
    return sizeof out->ipv4;
  }
  out->ipv6.sin6_family = AF_INET6;
  out->ipv6.sin6_port = winsock_port(port);
  out->ipv6.sin6_scope_id = address.zone;
  memcpy(&out->ipv6.sin6_addr, address.bytes, sizeof out->ipv6.sin6_addr);
  return sizeof out->ipv6;
}

typedef struct conversation {
  SOCKET socket;
  HANDLE event; /* what happens on the socket */
  ULONGLONG deadline;
} conversation;

/* Waits until something happens on the socket; returns what, 0 when it is too late. `failed` may be NULL. */
static long await(lua_State *L, const conversation *c, int *failed) {
  WSANETWORKEVENTS events;
  ULONGLONG now = luax_clock();
  if (!luax_wait(L, c->event, now < c->deadline ? (DWORD)(c->deadline - now) : 0)) return 0;
  if (win32.WSAEnumNetworkEvents(c->socket, c->event, &events) != 0)
    luax_fail(L, "Winsock", (DWORD)win32.WSAGetLastError());
  if (failed) *failed = events.iErrorCode[FD_CONNECT_BIT];
  return events.lNetworkEvents;
}

/* Raises what Winsock says of the last call, unless that is the other side's answer: there is nobody, or no more. */
static void expect_absence(lua_State *L) {
  int code = win32.WSAGetLastError();
  switch (code) {
    case WSAEAFNOSUPPORT:
    case WSAEADDRNOTAVAIL:
    case WSAENETUNREACH:
    case WSAEHOSTUNREACH:
    case WSAECONNREFUSED:
    case WSAECONNRESET:
    case WSAECONNABORTED:
    case WSAETIMEDOUT:
      return;
    default:
      luax_fail(L, "Winsock", (DWORD)code);
  }
}

/* Opens the socket. It will be closed hard: p80 must not leave a connection in TIME_WAIT on the port that it looks
 * at. Returns 0 when this machine does not have the address's family.
 * https://learn.microsoft.com/windows/win32/api/winsock2/nf-winsock2-wsaeventselect */
static int open_conversation(lua_State *L, conversation *c, int family) {
  static const struct linger hard = {1, 0};
  luax_handle *event = luax_newhandle(L, luax_closekernel), *slot = winsock_newsocket(L);
  c->event = CreateEventW(NULL, FALSE, FALSE, NULL);
  if (c->event == NULL) luax_fail(L, "Winsock", GetLastError());
  event->value = (UINT_PTR)c->event;
  c->socket = win32.socket(family, SOCK_STREAM, IPPROTO_TCP);
  if (c->socket == INVALID_SOCKET) return expect_absence(L), 0;
  slot->value = (UINT_PTR)c->socket;
  SetHandleInformation((HANDLE)c->socket, HANDLE_FLAG_INHERIT, 0);
  if (win32.setsockopt(c->socket, SOL_SOCKET, SO_LINGER, (const char *)&hard, sizeof hard) != 0 ||
      win32.WSAEventSelect(c->socket, c->event, FD_CONNECT | FD_READ | FD_CLOSE) != 0)
    luax_fail(L, "Winsock", (DWORD)win32.WSAGetLastError());
  return 1;
}

/* Connects; returns whether somebody accepted in time. */
static int connect_to(lua_State *L, const conversation *c, const socket_address *address, int size) {
  if (win32.connect(c->socket, &address->any, size) == 0) return 1;
  if (win32.WSAGetLastError() != WSAEWOULDBLOCK) return expect_absence(L), 0;
  for (;;) {
    int failed = 0;
    long events = await(L, c, &failed);
    if (events == 0 || (events & FD_CONNECT)) return events != 0 && !failed;
  }
}

/* Pushes what comes until the end of the connection, MOST_BYTES or the deadline. */
static void push_reply(lua_State *L, const conversation *c) {
  char reply[MOST_BYTES];
  int size = 0;
  while (size < MOST_BYTES) {
    int n = win32.recv(c->socket, reply + size, MOST_BYTES - size, 0);
    if (n > 0) {
      size += n;
      continue;
    }
    if (n == 0) break;
    if (win32.WSAGetLastError() != WSAEWOULDBLOCK) {
      expect_absence(L);
      break;
    }
    if (!await(L, c, NULL)) break;
  }
  lua_pushlstring(L, reply, (size_t)size);
}

/* Raw http.server(port [, {address="127.0.0.1", timeout=1}]) -> the first 4 KiB of the reply to a request that is
 * none
 * ("?" is no verb); nil when nobody accepts the connection. Never takes longer than `timeout` seconds. */
int http_server(lua_State *L) {
  static const char request[] = "? / HTTP/1.1\r\n\r\n";
  static const char *const known[] = {"address", "timeout", NULL};
  conversation c;
  socket_address address;
  luax_arguments(L, 1, 2);
  unsigned short port = luax_checkport(L, 1, "port");
  luax_options(L, 2, known);
  int size = read_address(L, luax_field(L, 2, "address"), port, &address);
  c.deadline = luax_clock() + luax_optseconds(L, luax_field(L, 2, "timeout"), "timeout", TIMEOUT_MS);
  winsock_start(L);
  if (!open_conversation(L, &c, address.any.sa_family) || !connect_to(L, &c, &address, size)) return 0;
  if (win32.send(c.socket, request, sizeof request - 1, 0) < 0) return expect_absence(L), 0;
  push_reply(L, &c);
  return 1;
}
