#include "winsock.h"

#include "winapi.h"

static void close_socket(UINT_PTR value) { win32.closesocket((SOCKET)value); }

void winsock_start(lua_State *L) {
  static int is_started;
  WSADATA data;
  winapi_load(L, "ws2_32");
  int code = is_started ? 0 : win32.WSAStartup(MAKEWORD(2, 2), &data);
  if (code != 0) luax_fail(L, "Winsock", (DWORD)code);
  is_started = 1;
}

luax_handle *winsock_newsocket(lua_State *L) { return luax_newhandle(L, close_socket); }

unsigned short winsock_port(unsigned short port) { return (unsigned short)(port << 8 | port >> 8); }
