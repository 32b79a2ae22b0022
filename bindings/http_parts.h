/* The functions of win.http, one job a file; http.c registers them. */
#ifndef P80_HTTP_PARTS_H
#define P80_HTTP_PARTS_H

#include <lua.h>

int http_servicestate(lua_State *L); /* http_netsh.c */
int http_server(lua_State *L);       /* http_server.c */

#endif
