/* The state folder: where runs are recorded, and the lock that lets one run at a time change the machine. */
#ifndef P80_STORE_H
#define P80_STORE_H

#include <lua.h>

/* Pushes the library `store` for the core: list, prepare, create, append, read, close, lock, busy, policy,
 * make_policy, and home, move, make_folder, remove_folder, identity. `folder` is --state's, or NULL for the
 * default. */
void store_push(lua_State *L, const char *folder);

/* Pushes the path of the default state folder, p80 in the common application data (+1). */
void store_push_home(lua_State *L);

/* Whether this machine has a policy (policy.json in the default state folder), right or wrong. */
int store_has_policy(lua_State *L);

#endif
