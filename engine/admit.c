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
static const char *place_of(lua_State *L, const wchar_t *path) { return is_elevated(L) ? protect_place(L, path) : ""; }

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

/* Reads, judges and compiles an open file, whose absolute path is `full`. */
static int load_open(lua_State *L, const char *path, const wchar_t *full, HANDLE file, const char *role) {
  size_t size;
  const char *text = read_all(L, path, file, &size);
  judge(L, full, file, role);
  int status = compile(L, path, text, size);
  if (status != LUA_OK && size >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0))
    lua_pushfstring(L, "%s: this is UTF-16 text; save it as UTF-8", path); /* as old Notepad's "Unicode" */
  return status;
}

int admit_load(lua_State *L, const char *path, const char *role) {
  int top = lua_gettop(L), status = LUA_ERRFILE;
  lua_pushstring(L, path);
  luax_pushfullpath(L, -1, "path");
  const wchar_t *full = luax_checkwide(L, -1, "path", NULL);
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  HANDLE file = CreateFileW(full, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                            OPEN_EXISTING, 0, NULL);
  if (file == INVALID_HANDLE_VALUE) {
    luax_pusherror(L, NULL, path, GetLastError(), NULL, NULL);
    lua_pushfstring(L, "cannot open %s", luaL_tolstring(L, -1, NULL));
  } else {
    slot->value = (UINT_PTR)file;
    status = load_open(L, path, full, file, role);
  }
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
