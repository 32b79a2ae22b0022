/* The state folder: where runs are recorded, and the lock that lets one run at a time change the machine. */
#ifndef P80_STORE_H
#define P80_STORE_H

#include <lua.h>

/* Pushes the library `store` for the core: list, prepare, create, append, read, close, lock, busy, home. `folder` is --state's,
 * or NULL for the default. */
void store_push(lua_State *L, const char *folder);

#endif
