#include "privilege.h"

#include "luax.h"
#include "winapi.h"

static BOOL set_debug(HANDLE token, DWORD attributes, TOKEN_PRIVILEGES *before) {
  TOKEN_PRIVILEGES wanted = {1, {{{0, 0}, attributes}}};
  DWORD size = sizeof *before;
  return win32.LookupPrivilegeValueW(NULL, L"SeDebugPrivilege", &wanted.Privileges[0].Luid) &&
         win32.AdjustTokenPrivileges(token, FALSE, &wanted, sizeof *before, before, &size) &&
         GetLastError() == ERROR_SUCCESS;
}

static void disable_debug(UINT_PTR token) {
  TOKEN_PRIVILEGES before;
  set_debug((HANDLE)token, 0, &before);
  CloseHandle((HANDLE)token);
}

void privilege_enable_debug(lua_State *L) {
  HANDLE token;
  TOKEN_PRIVILEGES before;
  winapi_load(L, "advapi32");
  luax_handle *enabled = luax_newhandle(L, disable_debug);
  if (!win32.OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &token)) return;
  if (set_debug(token, SE_PRIVILEGE_ENABLED, &before) && before.PrivilegeCount == 1) enabled->value = (UINT_PTR)token;
  else CloseHandle(token);
}
