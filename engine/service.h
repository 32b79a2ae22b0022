/* p80 as a Windows service, and as the run that such a service has started. */
#ifndef P80_SERVICE_H
#define P80_SERVICE_H

#include <lua.h>

/* Pushes the library `service` for the core: begin, wait, finish. */
void service_push(lua_State *L);

/* Calls `stop` from another thread once the event with this handle, which the process has inherited, is set. */
void service_follow(const char *handle, void (*stop)(void));

#endif
