/* win.process.modules: the images in a process. */
#include "luax.h"
#include "privilege.h"
#include "process_parts.h"
#include "winapi.h"

#include <tlhelp32.h>

/* The flag for 32-bit modules of a process on 64-bit Windows changes nothing elsewhere. The list may change while it
 * is taken: then Windows says ERROR_BAD_LENGTH, and wants to be asked again.
 * https://learn.microsoft.com/windows/win32/api/tlhelp32/nf-tlhelp32-createtoolhelp32snapshot */
static DWORD take_snapshot(luax_handle *slot, DWORD pid) {
  enum { TRIES = 20, PAUSE_MS = 5 };
  for (int i = 0;; i++) {
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPMODULE | TH32CS_SNAPMODULE32, pid);
    if (snapshot != INVALID_HANDLE_VALUE) {
      slot->value = (UINT_PTR)snapshot;
      return 0;
    }
    DWORD code = GetLastError();
    if (code != ERROR_BAD_LENGTH || i == TRIES) return code;
    Sleep(PAUSE_MS);
  }
}

static void push_module(lua_State *L, const MODULEENTRY32W *entry) {
  lua_createtable(L, 0, 4);
  luax_setwide(L, "name", entry->szModule);
  luax_setwide(L, "path", entry->szExePath);
  luax_setinteger(L, "base", (lua_Integer)(UINT_PTR)entry->modBaseAddr);
  luax_setinteger(L, "size", entry->modBaseSize);
}

P80_NORETURN static void fail_modules(lua_State *L, DWORD pid, DWORD code) {
  if (pid == 0 || pid == 4) {
    const char *target = lua_pushfstring(L, "%I", (lua_Integer)pid);
    luax_failhint(L, target, ERROR_ACCESS_DENIED, "win.driver.list() has the kernel's");
  }
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  HANDLE process = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, pid);
  slot->value = (UINT_PTR)process;
  process_fail_detail(L, pid, process, code);
}

int process_modules(lua_State *L) {
  luax_arguments(L, 1, 1);
  DWORD pid = (DWORD)luax_checkinteger(L, 1, "pid", 0, 0xFFFFFFFF);
  MODULEENTRY32W entry = {.dwSize = sizeof entry};
  privilege_enable_debug(L);
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  DWORD code = pid == 0 ? ERROR_ACCESS_DENIED : take_snapshot(slot, pid); /* 0 would be p80 itself */
  if (code == ERROR_INVALID_PARAMETER && pid != 4) return 0;
  if (code) fail_modules(L, pid, code);
  lua_newtable(L);
  BOOL found = Module32FirstW((HANDLE)slot->value, &entry);
  for (lua_Integer i = 1; found; found = Module32NextW((HANDLE)slot->value, &entry)) {
    push_module(L, &entry);
    lua_rawseti(L, -2, i++);
  }
  code = GetLastError();
  if (code != ERROR_NO_MORE_FILES) fail_modules(L, pid, code);
  return 1;
}
