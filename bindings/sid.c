#include "sid.h"

#include <stdio.h>

#include "luax.h"
#include "winapi.h"

/* https://learn.microsoft.com/windows/win32/api/sddl/nf-sddl-convertsidtostringsidw */
void sid_push(lua_State *L, PSID sid) {
  wchar_t *text, copy[192]; /* 15 subauthorities of 10 digits need no more */
  if (!win32.ConvertSidToStringSidW(sid, &text)) {
    lua_pushnil(L);
    return;
  }
  int n = _snwprintf(copy, 192, L"%ls", text);
  LocalFree(text);
  luax_pushwide(L, copy, n > 0 ? (size_t)n : 0);
}
