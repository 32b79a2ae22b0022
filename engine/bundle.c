#include "bundle.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "luax.h"
#include "winapi.h"

enum { LONGEST_NAME = 64 };

/* Resource names and types are looked up in upper case; they are plain ASCII here. */
static int to_resource_name(const char *name, wchar_t out[LONGEST_NAME]) {
  size_t i = 0;
  for (; name[i] && i < LONGEST_NAME - 1; i++) {
    if ((unsigned char)name[i] >= 0x80) return 0;
    out[i] = (wchar_t)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
  }
  out[i] = 0;
  return name[i] == 0 && i > 0;
}

static HRSRC find(const char *folder, const char *name) {
  wchar_t type[LONGEST_NAME], id[LONGEST_NAME];
  if (!to_resource_name(folder, type) || !to_resource_name(name, id)) return NULL;
  return FindResourceW(NULL, id, type);
}

int bundle_has(const char *folder, const char *name) { return find(folder, name) != NULL; }

/* https://learn.microsoft.com/windows-hardware/drivers/ddi/ntifs/nf-ntifs-rtldecompressbuffer */
const char *bundle_text(lua_State *L, const char *folder, const char *name, size_t *size) {
  HRSRC found = find(folder, name);
  HGLOBAL loaded = found ? LoadResource(NULL, found) : NULL;
  ULONG length, packed, got = 0;
  if (loaded == NULL) return NULL;
  winapi_load(L, "ntdll");
  const BYTE *bytes = LockResource(loaded);
  memcpy(&length, bytes, sizeof length);
  packed = SizeofResource(NULL, found) - (ULONG)sizeof length;
  char *text = luax_buffer(L, length);
  NTSTATUS status = win32.RtlDecompressBuffer(COMPRESSION_FORMAT_LZNT1, (PUCHAR)text, length,
                                              (PUCHAR)(bytes + sizeof length), packed, &got);
  if (status < 0 || got != length) luaL_error(L, "p80.exe is damaged: %s/%s.lua", folder, name);
  *size = length;
  return text;
}

void bundle_push(lua_State *L, const char *folder, const char *name) {
  size_t size;
  int top = lua_gettop(L);
  const char *text = bundle_text(L, folder, name, &size);
  if (text == NULL) luaL_error(L, "p80.exe lacks its bundled %s/%s.lua", folder, name);
  lua_pushfstring(L, "@p80:%s/%s.lua", folder, name);
  if (luaL_loadbufferx(L, text, size, lua_tostring(L, -1), "t") != LUA_OK) lua_error(L);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
}

void bundle_push_win(lua_State *L, const char *name) { bundle_push(L, "win", name); }

typedef struct name_list {
  char names[64][LONGEST_NAME];
  int count;
} name_list;

static BOOL CALLBACK collect_name(HMODULE module, LPCWSTR type, LPWSTR name, LONG_PTR context) {
  name_list *list = (name_list *)context;
  (void)module;
  (void)type;
  if (IS_INTRESOURCE(name) || list->count == 64) return TRUE;
  char *out = list->names[list->count++];
  size_t i = 0;
  for (; name[i] && i < LONGEST_NAME - 1; i++)
    out[i] = (char)(name[i] >= L'A' && name[i] <= L'Z' ? name[i] + 32 : name[i]);
  out[i] = 0;
  return TRUE;
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

void bundle_names(lua_State *L, const char *folder) {
  wchar_t type[LONGEST_NAME];
  name_list list = {.count = 0};
  if (to_resource_name(folder, type)) EnumResourceNamesW(NULL, type, collect_name, (LONG_PTR)&list);
  qsort(list.names, (size_t)list.count, sizeof list.names[0], by_name);
  lua_createtable(L, list.count, 0);
  for (int i = 0; i < list.count; i++) {
    lua_pushstring(L, list.names[i]);
    lua_rawseti(L, -2, i + 1);
  }
}
