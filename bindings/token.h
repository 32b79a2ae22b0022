/* Who p80 runs as. The caller has loaded advapi32. */
#ifndef P80_TOKEN_H
#define P80_TOKEN_H

#include <lua.h>
#include <windows.h>

/* Whether p80 runs with the full rights of an administrator. */
int token_is_elevated(lua_State *L);
/* The user that p80 runs as; `room` holds it. */
typedef union token_room {
  TOKEN_USER user;
  BYTE bytes[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
} token_room;
PSID token_user(lua_State *L, token_room *room);

#endif
