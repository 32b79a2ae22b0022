#include "bundle.h"

#include <lauxlib.h>
#include <string.h>
#include <windows.h>

#include "inflate.h"

/* Files of one type, as cmake/bundle.py packed them; looked for when they are first meant. */
typedef struct pack {
  const char *folder;
  const wchar_t *resource;
  const BYTE *index, *packed; /* NULL: not looked for yet */
  DWORD files, text_size, packed_size;
  char *text; /* of all files, which stays once it is unpacked; NULL before */
} pack;

static pack packs[] = {{.folder = "core", .resource = L"CORE"},        {.folder = "core", .resource = L"CORE_REST"},
                       {.folder = "win", .resource = L"WIN"},          {.folder = "win", .resource = L"WIN_REST"},
                       {.folder = "lib", .resource = L"LIB"},          {.folder = "lib", .resource = L"LIB_REST"},
                       {.folder = "script", .resource = L"SCRIPT"},    {.folder = "api", .resource = L"API"},
                       {.folder = "template", .resource = L"TEMPLATE"}};
enum { PACKS = sizeof packs / sizeof *packs };

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

static int is_of(pack *p, const char *folder) { return strcmp(p->folder, folder) == 0 && (p->index || locate(p)); }

/* The entry of a file and where its text begins; NULL when there is none. */
static const BYTE *find_in(const pack *p, const char *name, size_t *start) {
  const BYTE *entry = p->index;
  *start = 0;
  for (DWORD i = 0; i < p->files; i++, entry = next_entry(entry)) {
    if (_stricmp(name_at(entry), name) == 0) return entry;
    *start += number_at(entry);
  }
  return NULL;
}

static const BYTE *find_file(const char *folder, const char *name, pack **p, size_t *start) {
  const BYTE *entry = NULL;
  for (int i = 0; i < PACKS && entry == NULL; i++) {
    *p = &packs[i];
    if (is_of(*p, folder)) entry = find_in(*p, name, start);
  }
  return entry;
}

int bundle_has(const char *folder, const char *name) {
  pack *p;
  size_t start;
  return find_file(folder, name, &p, &start) != NULL;
}

static void unpack(lua_State *L, pack *p) {
  char *text = VirtualAlloc(NULL, p->text_size, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
  if (text == NULL) luaL_error(L, "not enough memory");
  if (!inflate_all(p->packed, p->packed_size, text, p->text_size))
    luaL_error(L, "p80.exe is damaged: its Lua files of type '%s' cannot be unpacked", p->folder);
  p->text = text;
}

const char *bundle_text(lua_State *L, const char *folder, const char *name, size_t *size) {
  pack *p;
  size_t start;
  const BYTE *entry = find_file(folder, name, &p, &start);
  if (entry == NULL) return NULL;
  if (p->text == NULL) unpack(L, p);
  *size = number_at(entry);
  return p->text + start;
}

void bundle_push(lua_State *L, const char *folder, const char *name) {
  size_t size;
  const char *text = bundle_text(L, folder, name, &size);
  if (text == NULL) luaL_error(L, "p80.exe lacks its bundled %s/%s.lua", folder, name);
  lua_pushfstring(L, "@p80:%s/%s.lua", folder, name);
  if (luaL_loadbufferx(L, text, size, lua_tostring(L, -1), NULL) != LUA_OK) lua_error(L);
  lua_remove(L, -2);
}

void bundle_push_win(lua_State *L, const char *name) { bundle_push(L, "win", name); }

void bundle_names(lua_State *L, const char *folder) {
  lua_Integer n = 0;
  lua_newtable(L);
  for (int i = 0; i < PACKS; i++) {
    if (!is_of(&packs[i], folder)) continue;
    const BYTE *entry = packs[i].index;
    for (DWORD file = 0; file < packs[i].files; file++, entry = next_entry(entry)) {
      lua_pushstring(L, name_at(entry));
      lua_rawseti(L, -2, ++n);
    }
  }
}
