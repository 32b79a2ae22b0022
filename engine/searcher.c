#include "searcher.h"

#include <ctype.h>
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>
#include <windows.h>

#include "admit.h"
#include "bundle.h"
#include "luax.h"
#include "win.h"

/* searcher(name): a bundled module of scripts/lib, or of the core when upvalue 1 is true. */
static int search_bundle(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *folder = "lib";
  if (lua_toboolean(L, lua_upvalueindex(1)) && strncmp(name, "core.", 5) == 0) {
    folder = "core";
    name += 5;
  }
  if (!bundle_has(folder, name)) {
    lua_pushfstring(L, "no bundled module '%s'", name);
    return 1;
  }
  bundle_push(L, folder, name);
  win_set_globals(L);
  lua_pushfstring(L, "p80:%s/%s.lua", folder, name);
  return 2;
}

/* Whether `name` is letters, digits, '_' and '-' in parts joined by single dots, so that it stays in its folder. */
static int is_module_name(const char *name) {
  int part = 0;
  for (; *name; name++) {
    unsigned char c = (unsigned char)*name;
    if (c == '.' ? !part : !(isalnum(c) || c == '_' || c == '-' || c >= 0x80)) return 0;
    part = c != '.';
  }
  return part;
}

/* searcher(name): <folder>\a\b.lua or <folder>\a\b\init.lua for "a.b"; upvalue 1 is the folder. */
static int search_folder(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *folder = lua_tostring(L, lua_upvalueindex(1));
  if (!is_module_name(name)) {
    lua_pushfstring(L, "'%s' is no name of a module", name);
    return 1;
  }
  const char *file = luaL_gsub(L, name, ".", "\\");
  static const char *const formats[] = {"%s\\%s.lua", "%s\\%s\\init.lua"};
  for (int i = 0; i < 2; i++) {
    const char *path = lua_pushfstring(L, formats[i], folder, file);
    if (!admit_has(L, path)) continue;
    if (admit_load(L, path, ADMIT_MODULE) != LUA_OK)
      return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, path, lua_tostring(L, -1));
    lua_pushstring(L, path);
    return 2;
  }
  lua_pushfstring(L, "no file '%s\\%s.lua'", folder, file);
  return 1;
}

int searcher_load_text(lua_State *L, int files, const char *path) {
  size_t size;
  if (lua_getfield(L, files, path) == LUA_TNIL) return 0;
  const char *text = lua_tolstring(L, -1, &size);
  if (luaL_loadbufferx(L, text, size, lua_pushfstring(L, "@%s", path), "t") != LUA_OK) lua_error(L);
  lua_replace(L, -3);
  lua_pop(L, 1);
  return 1;
}

/* searcher(name): the same among texts in memory, whose paths are in small letters; upvalue 1 is the table of them.
 */
static int search_texts(lua_State *L) {
  static const char *const formats[] = {"%s.lua", "%s/init.lua"};
  const char *name = luaL_checkstring(L, 1);
  const char *file = luaL_gsub(L, name, ".", "/");
  file = _strlwr(strcpy(luax_buffer(L, strlen(file) + 1), file));
  for (int i = 0; i < 2 && is_module_name(name); i++) {
    const char *path = lua_pushfstring(L, formats[i], file);
    if (!searcher_load_text(L, lua_upvalueindex(1), path)) continue;
    lua_pushstring(L, path);
    return 2;
  }
  lua_pushfstring(L, "no file '%s.lua'", file);
  return 1;
}

/* Sets the closure on top as the searcher behind the bundled modules. */
static void set_searcher(lua_State *L) {
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_getfield(L, -1, "searchers");
  lua_rotate(L, -3, -1);
  lua_seti(L, -2, 3);
  lua_pop(L, 2);
}

void searcher_add_texts(lua_State *L, int files) {
  lua_pushvalue(L, files);
  lua_pushcclosure(L, search_texts, 1);
  set_searcher(L);
}

void searcher_add_folder(lua_State *L, const char *folder) {
  lua_pushstring(L, folder);
  luax_pushfullpath(L, -1, "folder"); /* a script may change the current one */
  lua_pushcclosure(L, search_folder, 1);
  set_searcher(L);
  lua_pop(L, 1);
}

void searcher_install(lua_State *L, int with_core) {
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = luaL_len(L, -1); i > 1; i--) { /* the first is package.preload */
    lua_pushnil(L);
    lua_seti(L, -2, i);
  }
  lua_pushboolean(L, with_core);
  lua_pushcclosure(L, search_bundle, 1);
  lua_seti(L, -2, 2);
  lua_pop(L, 1);
  static const char *const unwanted[] = {"loadlib", "cpath", "path", "searchpath", "config"};
  for (size_t i = 0; i < sizeof unwanted / sizeof *unwanted; i++) {
    lua_pushnil(L);
    lua_setfield(L, -2, unwanted[i]);
  }
  lua_pop(L, 1);
}
