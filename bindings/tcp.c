/* win.tcp: the TCP tables of both families, whether a port can be bound, and ending connections. */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "address.h"
#include "endpoints.h"
#include "luax.h"
#include "subjects.h"
#include "winapi.h"
#include "winsock.h"

/* ---- Tables ---- */

/* A table of `row_type` in `table_type`; IPv4 and IPv6 name their columns differently. */
#define TCP_COLUMNS(row_type, table_type, local_field, remote_field)                                        \
  .header = offsetof(table_type, table), .row = sizeof(row_type), .local = offsetof(row_type, local_field), \
  .local_port = offsetof(row_type, dwLocalPort), .pid = offsetof(row_type, dwOwningPid),                    \
  .remote = offsetof(row_type, remote_field), .remote_port = offsetof(row_type, dwRemotePort),              \
  .state = offsetof(row_type, dwState)

static DWORD read_tcp(void *table, ULONG *size, ULONG family, const endpoint_filter *filter) {
  static const TCP_TABLE_CLASS classes[2][2] = {{TCP_TABLE_OWNER_PID_ALL, TCP_TABLE_OWNER_PID_LISTENER},
                                                {TCP_TABLE_OWNER_MODULE_ALL, TCP_TABLE_OWNER_MODULE_LISTENER}};
  TCP_TABLE_CLASS class = classes[filter->module][filter->state == MIB_TCP_STATE_LISTEN];
  return win32.GetExtendedTcpTable(table, size, FALSE, family, class, 0);
}

/* https://learn.microsoft.com/windows/win32/api/tcpmib/ns-tcpmib-mib_tcprow_owner_module and its neighbours */
static const endpoint_kind tcp_kind = {
    "TCP table",
    {{{TCP_COLUMNS(MIB_TCPROW_OWNER_PID, MIB_TCPTABLE_OWNER_PID, dwLocalAddr, dwRemoteAddr),
       .created = ENDPOINT_NONE},
      {TCP_COLUMNS(MIB_TCP6ROW_OWNER_PID, MIB_TCP6TABLE_OWNER_PID, ucLocalAddr, ucRemoteAddr),
       .created = ENDPOINT_NONE}},
     {{TCP_COLUMNS(MIB_TCPROW_OWNER_MODULE, MIB_TCPTABLE_OWNER_MODULE, dwLocalAddr, dwRemoteAddr),
       .created = offsetof(MIB_TCPROW_OWNER_MODULE, liCreateTimestamp)},
      {TCP_COLUMNS(MIB_TCP6ROW_OWNER_MODULE, MIB_TCP6TABLE_OWNER_MODULE, ucLocalAddr, ucRemoteAddr),
       .created = offsetof(MIB_TCP6ROW_OWNER_MODULE, liCreateTimestamp)}}},
    {"GetOwnerModuleFromTcpEntry", "GetOwnerModuleFromTcp6Entry"},
    read_tcp};

static_assert(offsetof(MIB_TCP6ROW_OWNER_PID, dwLocalScopeId) == offsetof(MIB_TCP6ROW_OWNER_PID, ucLocalAddr) + 16 &&
                  offsetof(MIB_TCP6ROW_OWNER_PID, dwRemoteScopeId) ==
                      offsetof(MIB_TCP6ROW_OWNER_PID, ucRemoteAddr) + 16,
              "a scope id follows its address");

/* tcp.list([{family=4|6, port=, state=, module=true}]) -> rows: one call of Windows for each family.
 * https://learn.microsoft.com/windows/win32/api/iphlpapi/nf-iphlpapi-getextendedtcptable */
static int tcp_list(lua_State *L) {
  static const char *const known[] = {"family", "port", "state", "module", NULL};
  luax_arguments(L, 0, 1);
  endpoint_filter filter = endpoint_options(L, 1, known);
  int state = lua_isnil(L, 1) ? 0 : luax_field(L, 1, "state");
  if (state && !lua_isnil(L, state))
    filter.state = 1 + (DWORD)luax_checkword(L, state, "state", endpoint_states + 1, -1);
  endpoint_push(L, &tcp_kind, &filter);
  return 1;
}

static int tcp_listeners(lua_State *L) { return endpoint_listeners(L, &tcp_kind, MIB_TCP_STATE_LISTEN); }

/* ---- Probing ---- */

/* What happened when a port was tried: the step that failed and Winsock's code, 0 when all went well. */
typedef struct attempt {
  const char *step;
  DWORD code;
} attempt;

/* Binds `port` on all addresses of the family, for p80 alone if `exclusive`, and gives it back when the function
 * returns. Nothing is sent and nothing listens. Before Vista IPv6 sockets never served IPv4, and the option for it
 * does not exist. */
static attempt try_bind(lua_State *L, int family, unsigned short port, int exclusive) {
  luax_handle *slot = winsock_newsocket(L);
  SOCKET s = win32.socket(family == ENDPOINT_IPV4 ? AF_INET : AF_INET6, SOCK_STREAM, IPPROTO_TCP);
  if (s == INVALID_SOCKET) return (attempt){"socket", (DWORD)win32.WSAGetLastError()};
  slot->value = (UINT_PTR)s;
  SetHandleInformation((HANDLE)s, HANDLE_FLAG_INHERIT, 0);
  const DWORD yes = 1;
  if (exclusive && win32.setsockopt(s, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (const char *)&yes, sizeof yes) != 0)
    return (attempt){"exclusive", (DWORD)win32.WSAGetLastError()};
  struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = winsock_port(port)};
  struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = winsock_port(port)};
  int failed;
  if (family == ENDPOINT_IPV4) {
    failed = win32.bind(s, (const struct sockaddr *)&ipv4, sizeof ipv4);
  } else {
    win32.setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, (const char *)&yes, sizeof yes);
    failed = win32.bind(s, (const struct sockaddr *)&ipv6, sizeof ipv6);
  }
  DWORD code = failed ? (DWORD)win32.WSAGetLastError() : 0;
  luax_closehandle(slot);
  return (attempt){"bind", code};
}

/* tcp.probe(port [, {exclusive=true, used=nil}]) -> {ipv4={step=, code=}, ipv6={step=, code=}}, used; the Lua half
 * says what the codes mean.
 * https://learn.microsoft.com/windows/win32/winsock/using-so-reuseaddr-and-so-exclusiveaddruse */
static int tcp_probe(lua_State *L) {
  static const char *const known[] = {"exclusive", "used", NULL};
  luax_arguments(L, 1, 2);
  unsigned short port = luax_checkport(L, 1, "port");
  int exclusive = 1, used = 0;
  if (luax_options(L, 2, known)) {
    exclusive = luax_optboolean(L, luax_field(L, 2, "exclusive"), "exclusive", 1);
    used = luax_optboolean(L, luax_field(L, 2, "used"), "used", 0);
  }
  winsock_start(L);
  attempt attempts[ENDPOINT_FAMILIES];
  for (int family = 0; family < ENDPOINT_FAMILIES; family++) attempts[family] = try_bind(L, family, port, exclusive);
  lua_createtable(L, 0, ENDPOINT_FAMILIES);
  for (int family = 0; family < ENDPOINT_FAMILIES; family++) {
    lua_createtable(L, 0, 4);
    luax_settext(L, "step", attempts[family].step);
    luax_setinteger(L, "code", attempts[family].code);
    lua_setfield(L, -2, family == ENDPOINT_IPV4 ? "ipv4" : "ipv6");
  }
  if (used) lua_pushboolean(L, 1);
  else lua_pushnil(L);
  return 2;
}

/* ---- Ending a connection ---- */

/* One end of the connection at index 1: its fields address and port. */
static void check_end(lua_State *L, const char *address_key, const char *port_key, DWORD *address, DWORD *port) {
  ip_address read;
  int index = luax_field(L, 1, address_key);
  if (!address_read(luax_checktext(L, index, address_key), &read) || read.family != 4)
    luax_badvalue(L, index, address_key, "an IPv4 address");
  memcpy(address, read.bytes, sizeof *address);
  *port = winsock_port(luax_checkport(L, luax_field(L, 1, port_key), port_key));
}

/* tcp.close{local_address=, local_port=, remote_address=, remote_port=}
 * Windows reports success before it has looked, so that whoever calls this reads the table again.
 * https://learn.microsoft.com/windows/win32/api/iphlpapi/nf-iphlpapi-settcpentry */
static int tcp_close(lua_State *L) {
  static const char *const known[] = {"local_address", "local_port", "remote_address", "remote_port", NULL};
  MIB_TCPROW row = {.dwState = MIB_TCP_STATE_DELETE_TCB};
  luax_arguments(L, 1, 1);
  luax_options(L, 1, known);
  check_end(L, "local_address", "local_port", &row.dwLocalAddr, &row.dwLocalPort);
  check_end(L, "remote_address", "remote_port", &row.dwRemoteAddr, &row.dwRemotePort);
  winapi_load(L, "iphlpapi");
  DWORD code = win32.SetTcpEntry(&row);
  if (code != NO_ERROR) luax_fail(L, lua_tostring(L, luax_field(L, 1, "remote_address")), code);
  return 0;
}

static const luaL_Reg reads[] = {
    {"list", tcp_list}, {"listeners", tcp_listeners}, {"probe", tcp_probe}, {NULL, NULL}};
static const luaL_Reg writes[] = {{"close", tcp_close}, {NULL, NULL}};

const luax_subject tcp_subject = {"tcp", reads, writes, "endpoints tcp"};
