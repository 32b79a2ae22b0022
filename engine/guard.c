#include "guard.h"

#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "admit.h"
#include "gate.h"
#include "luax.h"

/* Asks the core for a grant; raises P80_REFUSED without it. Returns whether --check wants it only planned. `shown` is
 * what the report of the run says was done. */
static int ask_shown(lua_State *L, const char *kind, const char *label, const char *shown) {
  lua_pushliteral(L, "p80.ask");
  lua_pushstring(L, kind);
  lua_pushstring(L, label);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushstring(L, shown);
  gate_call(L, "call", 5);
  int plan = strcmp(lua_tostring(L, -1), "plan") == 0;
  lua_pop(L, 1);
  return plan;
}

static int ask(lua_State *L, const char *kind, const char *label) { return ask_shown(L, kind, label, label); }

/* Asks for the file that the argument at `index` means. The path that the core found, with all links followed, takes
 * the argument's place: so a finalizer may change the current folder meanwhile. */
static int ask_path(lua_State *L, int index) {
  lua_pushliteral(L, "p80.ask_file");
  lua_pushstring(L, luaL_checkstring(L, index)); /* it may be a number */
  lua_pushvalue(L, lua_upvalueindex(1));
  gate_call(L, "call", 3);
  lua_replace(L, index);
  int plan = strcmp(lua_tostring(L, -1), "plan") == 0;
  lua_pop(L, 1);
  return plan;
}

/* Calls the original function (upvalue 2) with the arguments as they came. */
static int call_original(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static int is_read_mode(const char *mode) { return mode[0] == 'r' && strchr(mode, '+') == NULL; }

/* io.open(path [, mode]): modes that write need file.write; in --check what is written goes nowhere. */
static int guarded_open(lua_State *L) {
  luaL_checkstring(L, 1);
  luax_checktext(L, 1, "path");
  if (!is_read_mode(luaL_optstring(L, 2, "r")) && ask_path(L, 1)) {
    lua_pushliteral(L, "NUL");
    lua_replace(L, 1);
  }
  return call_original(L);
}

/* io.output([file or path]): a path, which may be a number, is opened for writing. */
static int guarded_output(lua_State *L) {
  if (lua_tostring(L, 1) && ask_path(L, 1)) {
    lua_pushliteral(L, "NUL");
    lua_replace(L, 1);
  }
  return call_original(L);
}

/* Functions whose first argument names what they change: os.remove, lfs.mkdir, lfs.rmdir, lfs.touch. */
static int guarded_path(lua_State *L) {
  luaL_checkstring(L, 1);
  if (!ask_path(L, 1)) return call_original(L);
  lua_pushboolean(L, 1);
  return 1;
}

/* lfs.lock_dir(path) makes a file in a folder. */
static int guarded_lock_dir(lua_State *L) {
  static const char file[] = "\\lockfile.lfs";
  lua_pushfstring(L, "%s%s", luaL_checkstring(L, 1), file);
  int at = lua_gettop(L);
  if (ask_path(L, at)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushlstring(L, lua_tostring(L, at), (size_t)lua_rawlen(L, at) - strlen(file));
  lua_replace(L, 1);
  lua_settop(L, at - 1);
  return call_original(L);
}

/* lfs.lock(file, mode): others cannot use what is locked, and a file that is open does not say where it is. */
static int guarded_lock(lua_State *L) {
  if (!ask(L, "file.write", "(locked file)")) return call_original(L);
  lua_pushboolean(L, 1);
  return 1;
}

/* os.rename(old, new) and lfs.link(old, new) change both. */
static int guarded_pair(lua_State *L) {
  luaL_checkstring(L, 1);
  luaL_checkstring(L, 2);
  int plan = ask_path(L, 1);
  if (!(ask_path(L, 2) | plan)) return call_original(L);
  lua_pushboolean(L, 1);
  return 1;
}

/* lfs.link(old, new [, symbolic]): what is written through a symbolic link goes where no path tells, so that one
 * needs a grant for more than paths. */
static int guarded_link(lua_State *L) {
  if (!lua_toboolean(L, 3)) return guarded_pair(L);
  luaL_checkstring(L, 1);
  luaL_checkstring(L, 2);
  int plan = ask(L, "file.write", "(symbolic link)");
  if (!(ask_path(L, 2) | plan)) return call_original(L);
  lua_pushboolean(L, 1);
  return 1;
}

static int ask_temporary(lua_State *L) { return ask(L, "file.write", "(temporary file)"); }

/* io.tmpfile() makes a file in the temporary folder that is gone when it is closed. */
static int guarded_tmpfile(lua_State *L) {
  ask_temporary(L);
  return call_original(L);
}

/* os.tmpname() makes a file in the temporary folder; in --check it does not stay there. */
static int guarded_tmpname(lua_State *L) {
  int plan = ask_temporary(L), results = call_original(L);
  if (plan) DeleteFileW(luax_checkwide(L, -1, "path", NULL));
  lua_settop(L, results);
  return results;
}

/* Asks for the shell that runs a command line: what that does, a pattern of paths could not tell. */
static int ask_shell(lua_State *L, const char *command) {
  wchar_t shell[MAX_PATH + 16];
  int top = lua_gettop(L);
  UINT n = GetSystemDirectoryW(shell, MAX_PATH);
  if (n == 0 || n >= MAX_PATH) luax_fail(L, "System32", n ? ERROR_FILENAME_EXCED_RANGE : GetLastError());
  wcscpy(shell + n, L"\\cmd.exe");
  luax_pushwidez(L, shell);
  int plan = ask_shown(L, "process.run", lua_tostring(L, -1), command);
  lua_settop(L, top);
  return plan;
}

/* os.execute([command]): without a command it only says whether there is a shell. */
static int guarded_execute(lua_State *L) {
  const char *command = luaL_optstring(L, 1, NULL);
  if (command == NULL || !ask_shell(L, command)) return call_original(L);
  lua_pushboolean(L, 1);
  lua_pushliteral(L, "exit");
  lua_pushinteger(L, 0);
  return 3;
}

/* io.popen(command [, mode]): in --check an empty stream stands for the program. */
static int guarded_popen(lua_State *L) {
  if (!ask_shell(L, luaL_checkstring(L, 1))) return call_original(L);
  lua_getglobal(L, LUA_IOLIBNAME);
  lua_getfield(L, -1, "open");
  lua_pushliteral(L, "NUL");
  lua_call(L, 1, 1);
  return 1;
}

/* load, loadfile and dofile take text only: binary chunks can crash the interpreter. */
static int text_load(lua_State *L) {
  int has_env = lua_gettop(L) >= 4;
  lua_settop(L, 4);
  lua_pushliteral(L, "t");
  lua_replace(L, 3);
  if (!has_env) lua_settop(L, 3);
  return call_original(L);
}

/* Loads a file as a script's module is loaded, standard input without a path. */
static int load_file(lua_State *L, const char *path) {
  return path ? admit_load(L, path, ADMIT_MODULE) : luaL_loadfilex(L, NULL, "t");
}

static int text_loadfile(lua_State *L) {
  int has_env = lua_gettop(L) >= 3;
  lua_settop(L, 3);
  if (load_file(L, luaL_optstring(L, 1, NULL)) != LUA_OK) {
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  if (!has_env) return 1;
  lua_pushvalue(L, 3);
  if (lua_setupvalue(L, -2, 1) == NULL) lua_pop(L, 1);
  return 1;
}

static int text_dofile(lua_State *L) {
  const char *path = luaL_optstring(L, 1, NULL);
  lua_settop(L, 1);
  if (load_file(L, path) != LUA_OK) return lua_error(L);
  lua_call(L, 0, LUA_MULTRET);
  return lua_gettop(L) - 1;
}

/* debug.getinfo([thread,] f [, what]) without the function itself: a message handler or finalizer that runs within a
 * guarded function would find the original there. */
static int guarded_getinfo(lua_State *L) {
  int f = lua_isthread(L, 1) ? 2 : 1, here = f == 1 || lua_tothread(L, 1) == L;
  if (here && lua_isinteger(L, f)) { /* a level, from which this function is one step more */
    lua_pushinteger(L, lua_tointeger(L, f) + 1);
    lua_replace(L, f);
  }
  int results = call_original(L);
  if (!lua_istable(L, -1)) return results;
  lua_pushnil(L);
  lua_setfield(L, -2, "func");
  return results;
}

/* os.setlocale([locale [, category]]): it would change how the whole process reads numbers; only asking is left. */
static int query_setlocale(lua_State *L) {
  if (lua_isnoneornil(L, 1)) return call_original(L);
  lua_pushnil(L);
  return 1;
}

/* os.exit([code [, close]]): ends the run as its last line would. */
static int finishing_exit(lua_State *L) {
  void (*finish)(lua_State *, int) = NULL;
  memcpy(&finish, lua_touserdata(L, lua_upvalueindex(2)), sizeof finish);
  lua_Integer code = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : luaL_optinteger(L, 1, 0);
  luaL_argcheck(L, code > INT_MIN && code <= UINT_MAX, 1, "an exit code of Windows has 32 bits");
  finish(L, (int)code);
  return 0;
}

typedef struct replacement {
  const char *library;
  const char *name;
  lua_CFunction function; /* NULL: the original is removed */
} replacement;

static const replacement replacements[] = {
    {LUA_GNAME, "load", text_load},
    {LUA_GNAME, "loadfile", text_loadfile},
    {LUA_GNAME, "dofile", text_dofile},
    {LUA_IOLIBNAME, "open", guarded_open},
    {LUA_IOLIBNAME, "output", guarded_output},
    {LUA_IOLIBNAME, "popen", guarded_popen},
    {LUA_IOLIBNAME, "tmpfile", guarded_tmpfile},
    {LUA_OSLIBNAME, "execute", guarded_execute},
    {LUA_OSLIBNAME, "remove", guarded_path},
    {LUA_OSLIBNAME, "rename", guarded_pair},
    {LUA_OSLIBNAME, "tmpname", guarded_tmpname},
    {LUA_OSLIBNAME, "setlocale", query_setlocale},
    {LUA_STRLIBNAME, "dump", NULL},
    {LUA_DBLIBNAME, "debug", NULL},
    {LUA_DBLIBNAME, "getinfo", guarded_getinfo},
    {LUA_DBLIBNAME, "gethook", NULL},
    {LUA_DBLIBNAME, "sethook", NULL},
    {LUA_DBLIBNAME, "getlocal", NULL},
    {LUA_DBLIBNAME, "setlocal", NULL},
    {LUA_DBLIBNAME, "getmetatable", NULL},
    {LUA_DBLIBNAME, "setmetatable", NULL},
    {LUA_DBLIBNAME, "getregistry", NULL},
    {LUA_DBLIBNAME, "getupvalue", NULL},
    {LUA_DBLIBNAME, "setupvalue", NULL},
    {LUA_DBLIBNAME, "upvalueid", NULL},
    {LUA_DBLIBNAME, "upvaluejoin", NULL},
    {LUA_DBLIBNAME, "getuservalue", NULL},
    {LUA_DBLIBNAME, "setuservalue", NULL},
    {LUA_DBLIBNAME, "setcstacklimit", NULL},
    {"lfs", "mkdir", guarded_path},
    {"lfs", "rmdir", guarded_path},
    {"lfs", "touch", guarded_path},
    {"lfs", "lock_dir", guarded_lock_dir},
    {"lfs", "lock", guarded_lock},
    {"lfs", "link", guarded_link},
};

/* library[name] = replacement with the upvalues (name, original). */
static void replace(lua_State *L, const replacement *r) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, r->library);
  if (r->function) {
    if (strcmp(r->library, LUA_GNAME) == 0) lua_pushstring(L, r->name);
    else lua_pushfstring(L, "%s.%s", r->library, r->name);
    lua_getfield(L, -2, r->name);
    lua_pushcclosure(L, r->function, 2);
  } else {
    lua_pushnil(L);
  }
  lua_setfield(L, -2, r->name);
  lua_pop(L, 2);
}

void guard_install(lua_State *L, void (*finish)(lua_State *L, int code)) {
  for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) replace(L, &replacements[i]);
  lua_getglobal(L, LUA_OSLIBNAME);
  lua_pushliteral(L, "os.exit");
  memcpy(lua_newuserdatauv(L, sizeof finish, 0), &finish, sizeof finish);
  lua_pushcclosure(L, finishing_exit, 2);
  lua_setfield(L, -2, "exit");
  lua_pop(L, 1);
}
