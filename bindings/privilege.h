/* Privileges that p80 holds but has not enabled. */
#ifndef P80_PRIVILEGE_H
#define P80_PRIVILEGE_H

#include <lua.h>
#include <wchar.h>

/* Enables a privilege ("SeBackupPrivilege") until the running C function ends, when p80 holds it and it is not
 * enabled already; otherwise nothing happens (+2, slots that must stay).
 * https://learn.microsoft.com/windows/win32/secauthz/enabling-and-disabling-privileges-in-c-- */
void privilege_enable(lua_State *L, const wchar_t *name);
/* SeDebugPrivilege: other users' processes may be opened (+2). */
void privilege_enable_debug(lua_State *L);

#endif
