/* Who p80 runs as. The caller has loaded advapi32. */
#ifndef P80_TOKEN_H
#define P80_TOKEN_H

#include <lua.h>
#include <windows.h>

/* Whether p80 runs with the full rights of an administrator. */
int token_is_elevated(lua_State *L);
/* Whether p80 runs as this user. */
int token_is_user(PSID sid);

#endif
