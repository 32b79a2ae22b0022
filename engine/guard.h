/* A playbook's io, os, lfs and base library: what writes or runs something asks for a grant, what could reach around
 * the gate is gone. */
#ifndef P80_GUARD_H
#define P80_GUARD_H

#include <lua.h>

/* Changes the standard libraries that are open in `L`. `finish` is what os.exit calls with the exit code; it does not
 * return. */
void guard_install(lua_State *L, void (*finish)(lua_State *L, int code));

#endif
