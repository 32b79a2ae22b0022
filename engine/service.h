/* p80 as a Windows service. */
#ifndef P80_SERVICE_H
#define P80_SERVICE_H

#include <lua.h>

/* Pushes the library `service` for the core: begin, wait, finish. */
void service_push(lua_State *L);

#endif
