/* SIDs as text. */
#ifndef P80_SID_H
#define P80_SID_H

#include <lua.h>
#include <windows.h>

/* Pushes "S-1-...", or nil, with the reason in GetLastError, for what is no SID; advapi32 must be loaded. */
void sid_push(lua_State *L, PSID sid);

#endif
