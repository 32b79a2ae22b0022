#include "codepage.h"

#include <limits.h>
#include <wchar.h>

#include "luax.h"
#include "winapi.h"

static void close_key(UINT_PTR key) { win32.RegCloseKey((HKEY)key); }

UINT codepage_find(lua_State *L, const wchar_t *name) {
  static const wchar_t path[] = L"SYSTEM\\CurrentControlSet\\Control\\Nls\\CodePage";
  wchar_t text[16] = {0};
  DWORD size = sizeof text - sizeof *text, type, code = ERROR_SUCCESS;
  winapi_load(L, "advapi32");
  luax_handle *slot = luax_newhandle(L, close_key);
  HKEY key;
  if (win32.RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_QUERY_VALUE, &key) == ERROR_SUCCESS) {
    slot->value = (UINT_PTR)key;
    code = (DWORD)win32.RegQueryValueExW(key, name, NULL, &type, (BYTE *)text, &size);
  }
  unsigned long page = slot->value && code == ERROR_SUCCESS && type == REG_SZ ? wcstoul(text, NULL, 10) : 0;
  lua_pop(L, 1);
  if (page != 0 && IsValidCodePage(page)) return (UINT)page;
  return wcscmp(name, L"OEMCP") == 0 ? CP_OEMCP : CP_ACP;
}

void codepage_decode(lua_State *L, UINT page, const char *bytes, size_t n) {
  if (n > INT_MAX) luaL_error(L, "too much text");
  int units = n ? MultiByteToWideChar(page, 0, bytes, (int)n, NULL, 0) : 0;
  wchar_t *wide = luax_buffer(L, ((size_t)units + 1) * sizeof *wide);
  if (units) MultiByteToWideChar(page, 0, bytes, (int)n, wide, units);
  luax_pushwide(L, wide, (size_t)units);
  lua_remove(L, -2);
}

void codepage_encode(lua_State *L, UINT page, const wchar_t *text, size_t units) {
  BOOL lost = FALSE, *lost_of = page == CP_UTF8 ? NULL : &lost; /* UTF-8 lacks nothing, and must not be asked */
  if (units > INT_MAX) luaL_error(L, "too much text");
  int n = units ? WideCharToMultiByte(page, 0, text, (int)units, NULL, 0, NULL, lost_of) : 0;
  luaL_Buffer b;
  char *bytes = luaL_buffinitsize(L, &b, (size_t)n);
  if (n) WideCharToMultiByte(page, 0, text, (int)units, bytes, n, NULL, lost_of);
  luaL_pushresultsize(&b, (size_t)n);
  if (!lost && (n > 0 || units == 0)) return;
  lua_pop(L, 1);
  lua_pushnil(L);
}
