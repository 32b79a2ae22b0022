#include "bundle.h"

#include <lauxlib.h>
#include <string.h>
#include <windows.h>

#include "inflate.h"

/* One type of files, as cmake/bundle.py packed it; looked for when it is first meant. */
typedef struct pack {
  const char *name;
  const wchar_t *resource;
  const BYTE *index, *packed; /* NULL: not looked for yet */
  DWORD files, text_size, packed_size;
  char *text; /* of all files, which stays once it is unpacked; NULL before */
} pack;

static pack packs[] = {{.name = "core", .resource = L"CORE"},
                       {.name = "win", .resource = L"WIN"},
                       {.name = "lib", .resource = L"LIB"},
                       {.name = "script", .resource = L"SCRIPT"},
                       {.name = "api", .resource = L"API"},
                       {.name = "template", .resource = L"TEMPLATE"}};

static DWORD number_at(const BYTE *bytes) {
  DWORD number;
  memcpy(&number, bytes, sizeof number);
  return number;
}

/* The name in the entry of the index at `entry`; the next entry begins behind it. */
static const char *name_at(const BYTE *entry) { return (const char *)entry + sizeof(DWORD); }

static const BYTE *next_entry(const BYTE *entry) { return entry + sizeof(DWORD) + strlen(name_at(entry)) + 1; }

static int locate(pack *p) {
  HRSRC found = FindResourceW(NULL, p->resource, L"BUNDLE");
  HGLOBAL loaded = found ? LoadResource(NULL, found) : NULL;
  if (loaded == NULL) return 0;
  const BYTE *bytes = LockResource(loaded), *entry = bytes + 2 * sizeof(DWORD);
  p->text_size = number_at(bytes);
  p->files = number_at(bytes + sizeof(DWORD));
  p->index = entry;
  for (DWORD i = 0; i < p->files; i++) entry = next_entry(entry);
  p->packed = entry;
  p->packed_size = SizeofResource(NULL, found) - (DWORD)(entry - bytes);
  return 1;
}

static pack *find_pack(const char *name) {
  for (size_t i = 0; i < sizeof packs / sizeof *packs; i++)
    if (strcmp(packs[i].name, name) == 0 && (packs[i].index || locate(&packs[i]))) return &packs[i];
  return NULL;
}

/* The entry of a file and where its text begins; NULL when there is none. */
static const BYTE *find_file(const pack *p, const char *name, size_t *start) {
  const BYTE *entry = p ? p->index : NULL;
  *start = 0;
  for (DWORD i = 0; p && i < p->files; i++, entry = next_entry(entry)) {
    if (_stricmp(name_at(entry), name) == 0) return entry;
    *start += number_at(entry);
  }
  return NULL;
}

int bundle_has(const char *folder, const char *name) {
  size_t start;
  return find_file(find_pack(folder), name, &start) != NULL;
}

const char *bundle_text(lua_State *L, const char *folder, const char *name, size_t *size) {
  size_t start;
  pack *p = find_pack(folder);
  const BYTE *entry = find_file(p, name, &start);
  if (entry == NULL) return NULL;
  if (p->text == NULL) {
    char *text = VirtualAlloc(NULL, p->text_size, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    if (text == NULL) luaL_error(L, "not enough memory");
    if (!inflate_all(p->packed, p->packed_size, text, p->text_size))
      luaL_error(L, "p80.exe is damaged: its Lua files of type '%s' cannot be unpacked", p->name);
    p->text = text;
  }
  *size = number_at(entry);
  return p->text + start;
}

void bundle_push(lua_State *L, const char *folder, const char *name) {
  size_t size;
  const char *text = bundle_text(L, folder, name, &size);
  if (text == NULL) luaL_error(L, "p80.exe lacks its bundled %s/%s.lua", folder, name);
  lua_pushfstring(L, "@p80:%s/%s.lua", folder, name);
  if (luaL_loadbufferx(L, text, size, lua_tostring(L, -1), "t") != LUA_OK) lua_error(L);
  lua_remove(L, -2);
}

void bundle_push_win(lua_State *L, const char *name) { bundle_push(L, "win", name); }

void bundle_names(lua_State *L, const char *folder) {
  const pack *p = find_pack(folder);
  const BYTE *entry = p ? p->index : NULL;
  lua_newtable(L);
  for (DWORD i = 0; p && i < p->files; i++, entry = next_entry(entry)) {
    lua_pushstring(L, name_at(entry));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}
