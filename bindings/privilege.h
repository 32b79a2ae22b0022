/* Privileges that p80 holds but has not enabled. */
#ifndef P80_PRIVILEGE_H
#define P80_PRIVILEGE_H

#include <lua.h>

/* Enables SeDebugPrivilege (other users' processes may be opened) until the running C function ends, when p80 holds
 * it and it is not enabled already; otherwise nothing happens (+1, a slot that must stay).
 * https://learn.microsoft.com/windows/win32/secauthz/enabling-and-disabling-privileges-in-c-- */
void privilege_enable_debug(lua_State *L);

#endif
