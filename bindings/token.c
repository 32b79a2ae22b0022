#include "token.h"

#include "luax.h"
#include "winapi.h"

/* Whether the token is a full one. Windows before Vista, which knows no other, knows no such question. */
static int is_full_token(lua_State *L) {
  HANDLE token;
  TOKEN_ELEVATION elevation;
  DWORD size;
  if (!win32.OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) luax_fail(L, "token", GetLastError());
  BOOL known = win32.GetTokenInformation(token, TokenElevation, &elevation, sizeof elevation, &size);
  DWORD code = GetLastError();
  CloseHandle(token);
  if (!known && code != ERROR_INVALID_PARAMETER) luax_fail(L, "token", code);
  return !known || elevation.TokenIsElevated != 0;
}

int token_is_elevated(lua_State *L) {
  BYTE sid[SECURITY_MAX_SID_SIZE];
  DWORD size = sizeof sid;
  BOOL member = FALSE;
  if (!win32.CreateWellKnownSid(WinBuiltinAdministratorsSid, NULL, sid, &size) ||
      !win32.CheckTokenMembership(NULL, sid, &member))
    luax_fail(L, "token", GetLastError());
  return member && is_full_token(L);
}

PSID token_user(lua_State *L, token_room *room) {
  DWORD size;
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  HANDLE token;
  if (!win32.OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) luax_fail(L, "token", GetLastError());
  slot->value = (UINT_PTR)token;
  if (!win32.GetTokenInformation(token, TokenUser, room, sizeof *room, &size)) luax_fail(L, "token", GetLastError());
  luax_closehandle(slot);
  lua_pop(L, 1);
  return room->user.User.Sid;
}
