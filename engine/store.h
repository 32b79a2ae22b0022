/* The state folder: where runs are recorded, and the lock that lets one run at a time change the machine. */
#ifndef P80_STORE_H
#define P80_STORE_H

#include <lua.h>

/* Pushes the library `store` for the core: list, prepare, create, append, read, close, lock, busy, home, policy,
 * make_policy. `folder` is --state's,
 * or NULL for the default. */
void store_push(lua_State *L, const char *folder);

/* Whether this machine has a policy (policy.json in the default state folder), right or wrong. */
int store_has_policy(lua_State *L);

#endif
