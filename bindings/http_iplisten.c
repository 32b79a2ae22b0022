/* win.http.iplisten: the addresses on which HTTP.SYS listens, for every port; none in the list means all addresses.
 * https://learn.microsoft.com/windows/win32/http/ip-listen-list */
#include <stddef.h>

#include "address.h"
#include "http_config.h"
#include "luax.h"
#include "subjects.h"
#include "winapi.h"

/* http.iplisten.list() -> array of addresses. iplisten.lua calls it when the HTTP service runs; it would start it.
 * https://learn.microsoft.com/windows/win32/api/http/ns-http-http_service_config_ip_listen_query */
static int iplisten_list(lua_State *L) {
  ULONG size;
  char text[ADDRESS_ROOM];
  luax_arguments(L, 0, 0);
  http_config_open(L);
  const listen_list *list = http_config_query(L, HTTP_IPLISTEN, NULL, 0, &size);
  lua_newtable(L);
  if (list == NULL || size < offsetof(listen_list, addresses)) return 1;
  if (list->count > (size - offsetof(listen_list, addresses)) / sizeof *list->addresses)
    luax_fail(L, "IP listen list", ERROR_INVALID_DATA);
  lua_Integer n = 0;
  for (ULONG i = 0; i < list->count; i++) {
    size_t length = http_address_text(&list->addresses[i], text);
    if (length == 0) continue;
    lua_pushlstring(L, text, length);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

static void check_address(lua_State *L, ip_address *out) {
  if (!address_read(luax_checktext(L, 1, "address"), out))
    luax_badvalue(L, 1, "address", "an IP address such as 127.0.0.1, ::1, 0.0.0.0 or ::");
}

/* http.iplisten.normalize(address) -> address as Windows compares it: "::0001" is "::1" */
static int iplisten_normalize(lua_State *L) {
  ip_address address;
  char text[ADDRESS_ROOM];
  luax_arguments(L, 1, 1);
  check_address(L, &address);
  lua_pushlstring(L, text, address_write(&address, text));
  return 1;
}

/* http.iplisten.is_local(address) -> whether this machine has the address; nil when that cannot be found out. A
 * socket can be bound to an address of this machine only. */
static int iplisten_is_local(lua_State *L) {
  ip_address address;
  struct sockaddr_storage name;
  WSADATA data;
  luax_arguments(L, 1, 1);
  check_address(L, &address);
  winapi_load(L, "ws2_32");
  int length = http_address_socket(&address, 0, &name);
  if (win32.WSAStartup(MAKEWORD(2, 2), &data) != 0) return 0;
  SOCKET s = win32.socket(name.ss_family, SOCK_STREAM, 0);
  int failed = s == INVALID_SOCKET || win32.bind(s, (struct sockaddr *)&name, length) != 0;
  int code = failed ? win32.WSAGetLastError() : 0;
  if (s != INVALID_SOCKET) win32.closesocket(s);
  win32.WSACleanup();
  if (failed && code != WSAEADDRNOTAVAIL) return 0;
  lua_pushboolean(L, !failed);
  return 1;
}

/* Calls `change` with the record for the address at index 1; returns its code. The port must be 0. */
static DWORD change_address(lua_State *L, DWORD (*change)(http_record, void *, ULONG)) {
  ip_address address;
  struct sockaddr_storage name;
  luax_arguments(L, 1, 1);
  check_address(L, &address);
  listen_param param = {http_address_socket(&address, 0, &name), (struct sockaddr *)&name};
  http_config_open(L);
  return change(HTTP_IPLISTEN, &param, sizeof param);
}

/* http.iplisten.add(address): puts it into the list, if it is not there.
 * https://learn.microsoft.com/windows/win32/http/add-iplisten */
static int iplisten_add(lua_State *L) {
  DWORD code = change_address(L, http_config_set);
  if (code != NO_ERROR && code != ERROR_ALREADY_EXISTS) luax_fail(L, lua_tostring(L, 1), code);
  return 0;
}

/* http.iplisten.delete(address): takes it out of the list, if it is there.
 * https://learn.microsoft.com/windows/win32/http/delete-iplisten */
static int iplisten_delete(lua_State *L) {
  DWORD code = change_address(L, http_config_delete);
  if (code != NO_ERROR && code != ERROR_FILE_NOT_FOUND) luax_fail(L, lua_tostring(L, 1), code);
  return 0;
}

static const luaL_Reg reads[] = {
    {"list", iplisten_list}, {"normalize", iplisten_normalize}, {"is_local", iplisten_is_local}, {NULL, NULL}};
static const luaL_Reg writes[] = {{"add", iplisten_add}, {"delete", iplisten_delete}, {NULL, NULL}};

const luax_subject iplisten_subject = {"http.iplisten", reads, writes, "iplisten"};
