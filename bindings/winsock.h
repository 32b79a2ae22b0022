/* Sockets that are closed when the running function ends. */
#ifndef P80_WINSOCK_H
#define P80_WINSOCK_H

#include "luax.h"

/* Loads Winsock and starts it, once for the process. */
void winsock_start(lua_State *L);
/* An empty slot for a socket (+1). */
luax_handle *winsock_newsocket(lua_State *L);
/* A port in network order. */
unsigned short winsock_port(unsigned short port);

#endif
