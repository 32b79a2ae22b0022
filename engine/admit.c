#include "admit.h"

#include <lauxlib.h>
#include <string.h>

#include "gate.h"
#include "luax.h"
#include "model.h"
#include "protect.h"
#include "store.h"
#include "token.h"
#include "winapi.h"

enum { LARGEST = 64 << 20, PIECE = 64 << 10 };

/* Reads an open file to its end (+1). */
static const char *read_all(lua_State *L, const char *path, HANDLE file, size_t *size) {
  luaL_Buffer text;
  DWORD got;
  luaL_buffinit(L, &text);
  do {
    char *room = luaL_prepbuffsize(&text, PIECE);
    if (!ReadFile(file, room, PIECE, &got, NULL) && GetLastError() != ERROR_BROKEN_PIPE)
      luax_fail(L, path, GetLastError());
    luaL_addsize(&text, got);
    if (luaL_bufflen(&text) > LARGEST) luax_fail(L, path, ERROR_FILE_TOO_LARGE);
  } while (got > 0);
  luaL_pushresult(&text);
  return lua_tolstring(L, -1, size);
}

/* Whether the process is elevated; it stays so. */
static int is_elevated(lua_State *L) {
  static int known = -1;
  if (known < 0) {
    winapi_load(L, "advapi32");
    known = token_is_elevated(L);
  }
  return known;
}

/* Where an elevated run finds what no access list protects: protect_place; else "". */
static const char *place_of(lua_State *L, const wchar_t *path) {
  return is_elevated(L) ? protect_place(L, path) : "";
}

/* admit(path, bytes, role, where it is) in the core. */
static int ask_core(lua_State *L) { return gate_call(L, "admit", lua_gettop(L)); }

/* Judges what was read, which is on top: who could have written it, and what the policy says of it. On a modelled
 * machine it can change nothing. */
static void judge(lua_State *L, const wchar_t *path, HANDLE file, const char *role) {
  if (model_is_on()) return;
  const char *place = place_of(L, path);
  if (is_elevated(L) && !*place) protect_check_file(L, path, file);
  if (!*place && !store_has_policy(L)) return;
  lua_pushcfunction(L, ask_core);
  luax_pushwidez(L, path);
  lua_pushvalue(L, -3);
  lua_pushstring(L, role);
  lua_pushstring(L, place);
  lua_call(L, 4, 0);
}

/* Opens a file into a slot (+1); returns a Win32 code. */
static DWORD open_file(lua_State *L, const wchar_t *path, HANDLE *file) {
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  *file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
                      0, NULL);
  if (*file == INVALID_HANDLE_VALUE) return GetLastError();
  slot->value = (UINT_PTR)*file;
  return NO_ERROR;
}

/* Protected: reads and judges the file at an absolute path. Arguments: the path, the role. */
static int read_judged(lua_State *L) {
  HANDLE file;
  size_t size;
  const wchar_t *path = luax_checkwide(L, 1, "path", NULL);
  DWORD code = open_file(L, path, &file);
  if (code != NO_ERROR) luax_fail(L, lua_tostring(L, 1), code);
  read_all(L, lua_tostring(L, 1), file, &size);
  judge(L, path, file, lua_tostring(L, 2));
  return 1;
}

/* ---- What is kept of an installed playbook ---- */

static const char kept_key; /* in the registry: [1] the folder with a backslash, [path] a text or an error; folded */

static int ends_with_lua(const char *path) {
  size_t n = strlen(path);
  return n > 4 && _stricmp(path + n - 4, ".lua") == 0;
}

/* Pushes what is kept of the file at an absolute path: its text, an error, or nil when it was not there. Returns
 * whether such files are kept. */
static int push_kept(lua_State *L, const char *path) {
  int top = lua_gettop(L), is_kept = 0;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &kept_key) == LUA_TNIL) return 0;
  lua_pushstring(L, path);
  const char *folded = luax_pushfolded(L, -1);
  lua_rawgeti(L, top + 1, 1);
  is_kept = strncmp(folded, lua_tostring(L, -1), (size_t)lua_rawlen(L, -1)) == 0 && ends_with_lua(path);
  lua_getfield(L, top + 1, folded);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return is_kept;
}

/* Keeps the file at `path` in the table on top. */
static void keep_file(lua_State *L, const char *path, const char *role) {
  lua_pushstring(L, path);
  luax_pushfolded(L, -1);
  lua_pushcfunction(L, read_judged);
  lua_pushstring(L, path);
  lua_pushstring(L, role);
  if (lua_pcall(L, 2, 1, 0) != LUA_OK && !luax_iserror(L, -1)) lua_error(L); /* others are for who loads it */
  lua_settable(L, -4);
  lua_pop(L, 1);
}

static void close_search(UINT_PTR value) { FindClose((HANDLE)value); }

/* Keeps the scripts in a folder and below in the table on top, but for `script`, which is there. */
static void keep_folder(lua_State *L, const char *folder, const char *script, int depth) {
  WIN32_FIND_DATAW found;
  int kept = lua_gettop(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  luax_handle *search = luax_newhandle(L, close_search);
  lua_pushfstring(L, "%s\\*", folder);
  HANDLE handle = FindFirstFileW(luax_checkwide(L, -1, "folder", NULL), &found);
  if (handle == INVALID_HANDLE_VALUE) luax_fail(L, folder, GetLastError());
  search->value = (UINT_PTR)handle;
  do {
    luax_pushwidez(L, found.cFileName);
    const char *path = lua_pushfstring(L, "%s\\%s", folder, lua_tostring(L, -1));
    int is_folder = found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY;
    int is_away = *found.cFileName == L'.' || found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT;
    lua_pushvalue(L, kept);
    if (!is_folder && ends_with_lua(path) && _stricmp(path, script) != 0) keep_file(L, path, ADMIT_MODULE);
    if (is_folder && !is_away && depth > 0) keep_folder(L, path, script, depth - 1);
    lua_settop(L, kept + 2);
  } while (FindNextFileW(handle, &found));
  lua_settop(L, kept);
}

DWORD admit_keep(lua_State *L, const char *folder, const char *script) {
  enum { DEEPEST = 8 }; /* as engine/core/package.lua has it */
  int top = lua_gettop(L);
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  lua_pushstring(L, folder);
  HANDLE held =
      CreateFileW(luax_checkwide(L, -1, "folder", NULL), FILE_LIST_DIRECTORY, FILE_SHARE_READ | FILE_SHARE_WRITE,
                  NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
  if (held == INVALID_HANDLE_VALUE) return GetLastError();
  slot->value = (UINT_PTR)held;
  lua_newtable(L);
  lua_pushfstring(L, "%s\\", folder);
  luax_pushfolded(L, -1);
  lua_rawseti(L, -3, 1);
  lua_pop(L, 1);
  keep_file(L, script, ADMIT_SCRIPT); /* first: modules are judged by who signed it */
  keep_folder(L, folder, script, DEEPEST);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kept_key);
  luax_closehandle(slot);
  lua_settop(L, top);
  return NO_ERROR;
}

int admit_has(lua_State *L, const char *path) {
  int top = lua_gettop(L), has = push_kept(L, path);
  if (has) {
    has = !lua_isnil(L, -1);
  } else {
    lua_pushstring(L, path);
    DWORD attributes = GetFileAttributesW(luax_checkwide(L, -1, "path", NULL));
    has = attributes != INVALID_FILE_ATTRIBUTES && !(attributes & FILE_ATTRIBUTE_DIRECTORY);
  }
  lua_settop(L, top);
  return has;
}

/* ---- Loading ---- */

/* A file's text as luaL_loadfilex takes it: without UTF-8's mark, and with an empty line for one that begins with
 * '#'. */
static int compile(lua_State *L, const char *path, const char *text, size_t size) {
  if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3, size -= 3;
  if (size > 0 && *text == '#') {
    const char *end = memchr(text, '\n', size);
    size -= end ? (size_t)(end - text) : size;
    text = end ? end : "";
  }
  return luaL_loadbufferx(L, text, size, lua_pushfstring(L, "@%s", path), "t");
}

/* Compiles the text on top. */
static int load_text(lua_State *L, const char *path) {
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  int status = compile(L, path, text, size);
  if (status != LUA_OK && size >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0))
    lua_pushfstring(L, "%s: this is UTF-16 text; save it as UTF-8", path); /* as old Notepad's "Unicode" */
  return status;
}

/* Pushes the text of the file at the absolute path `full`, or why it cannot be opened, and returns a Win32 code. */
static DWORD push_text(lua_State *L, const char *path, const char *full, const char *role) {
  HANDLE file;
  size_t size;
  DWORD code = ERROR_FILE_NOT_FOUND;
  if (push_kept(L, full)) {
    if (lua_istable(L, -1)) lua_error(L);
    if (lua_isstring(L, -1)) return NO_ERROR;
  } else {
    lua_pushstring(L, full);
    const wchar_t *wide = luax_checkwide(L, -1, "path", NULL);
    code = open_file(L, wide, &file);
    if (code == NO_ERROR) {
      read_all(L, path, file, &size);
      judge(L, wide, file, role);
      return NO_ERROR;
    }
  }
  luax_pusherror(L, NULL, path, code, NULL, NULL);
  lua_pushfstring(L, "cannot open %s", luaL_tolstring(L, -1, NULL));
  return code;
}

int admit_load(lua_State *L, const char *path, const char *role) {
  int top = lua_gettop(L), status = LUA_ERRFILE;
  lua_pushstring(L, path);
  const char *full = luax_pushfullpath(L, -1, "path");
  if (push_text(L, path, full, role) == NO_ERROR) status = load_text(L, path);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return status;
}

int admit_place(lua_State *L) {
  luax_pushfullpath(L, 1, "path");
  const wchar_t *path = luax_checkwide(L, -1, "path", NULL);
  const char *place = place_of(L, path);
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  if (is_elevated(L) && !*place) {
    HANDLE file = CreateFileW(path, READ_CONTROL, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                              OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE) luax_fail(L, lua_tostring(L, 1), GetLastError());
    slot->value = (UINT_PTR)file;
    protect_check_file(L, path, file);
  }
  lua_pushstring(L, place);
  return 1;
}

void admit_typed(lua_State *L, const char *what) {
  if (model_is_on() || !store_has_policy(L)) return;
  lua_pushcfunction(L, ask_core);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushstring(L, what);
  lua_call(L, 3, 0);
}
