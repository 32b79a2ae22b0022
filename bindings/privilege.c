#include "privilege.h"

#include "luax.h"
#include "winapi.h"

/* A privilege that was enabled, and how it was before. */
typedef struct enabled_privilege {
  HANDLE token;
  TOKEN_PRIVILEGES before;
} enabled_privilege;

static void restore(UINT_PTR value) {
  enabled_privilege *enabled = (enabled_privilege *)value;
  win32.AdjustTokenPrivileges(enabled->token, FALSE, &enabled->before, 0, NULL, NULL);
  CloseHandle(enabled->token);
}

/* Returns whether the privilege is enabled now and was not before. */
static int enable(enabled_privilege *enabled, const wchar_t *name) {
  TOKEN_PRIVILEGES wanted = {1, {{{0, 0}, SE_PRIVILEGE_ENABLED}}};
  DWORD size = sizeof enabled->before;
  return win32.LookupPrivilegeValueW(NULL, name, &wanted.Privileges[0].Luid) &&
         win32.AdjustTokenPrivileges(enabled->token, FALSE, &wanted, size, &enabled->before, &size) &&
         GetLastError() == ERROR_SUCCESS && enabled->before.PrivilegeCount == 1;
}

void privilege_enable(lua_State *L, const wchar_t *name) {
  winapi_load(L, "advapi32");
  enabled_privilege *enabled = luax_buffer(L, sizeof *enabled);
  luax_handle *slot = luax_newhandle(L, restore);
  if (!win32.OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &enabled->token)) return;
  if (enable(enabled, name)) slot->value = (UINT_PTR)enabled;
  else CloseHandle(enabled->token);
}

void privilege_enable_debug(lua_State *L) { privilege_enable(L, L"SeDebugPrivilege"); }
