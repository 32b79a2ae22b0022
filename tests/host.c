/* p80-test.exe SCRIPT [ARGS]: runs Lua with all of `win` raw (reads and writes, no gate) and the module `test`
 * (tests/lib/test.lua and runner.c). Unit tests and the drivers of system tests run in it, as luaunit suites: when
 * the script ends and luaunit was required, the suite is run and the exit code says whether it passed. */
#include <lauxlib.h>
#include <lfs.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc.h"
#include "bundle.h"
#include "inflate.h"
#include "luax.h"
#include "runner.h"
#include "sign.h"
#include "win.h"
#ifdef P80_TEST_SHIM
#include "shims/shim.h"
#endif

static const win_host raw = {bundle_push_win, NULL, NULL, NULL};

/* test.bundled(folder, name) -> the bundled file as a function */
static int bundled(lua_State *L) {
  bundle_push(L, luaL_checkstring(L, 1), luaL_checkstring(L, 2));
  return 1;
}

#ifdef P80_PAGE_HEAP
/* test.fail_allocation(n): the n-th allocation from now fails; 0: none */
static int fail_allocation(lua_State *L) {
  alloc_fail_at((size_t)luaL_checkinteger(L, 1));
  return 0;
}

/* test.allocations() -> how many there have been */
static int allocations(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)alloc_count());
  return 1;
}

static void open_memory(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"fail_allocation", fail_allocation}, {"allocations", allocations}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
#else
static void open_memory(lua_State *L) { (void)L; }
#endif

#ifdef P80_TEST_SHIM
/* test.calls() -> {[name] = how often p80 called it} since the last wish of the shims changed */
static int calls(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; i < SHIM_FUNCTIONS; i++) {
    long n;
    const char *name = shim_calls(i, &n);
    if (n > 0) luax_setinteger(L, name, n);
  }
  return 1;
}

static void open_shims(lua_State *L) {
  lua_pushcfunction(L, calls);
  lua_setfield(L, -2, "calls");
}
#else
static void open_shims(lua_State *L) { (void)L; }
#endif

static int traceback(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

/* Loads and calls a file as chunk(...) with what is above it on the stack. */
static void run_file(lua_State *L, const char *path, int arguments) {
  if (luaL_loadfile(L, path) != LUA_OK) lua_error(L);
  lua_insert(L, -arguments - 1);
  lua_call(L, arguments, 0);
}

static void open_modules(lua_State *L) {
  luaL_openlibs(L);
  luaL_requiref(L, "lfs", luaopen_lfs, 1);
  win_open(L, &raw);
  lua_setglobal(L, "win");
  runner_open(L);
  lua_pushcfunction(L, bundled);
  lua_setfield(L, -2, "bundled");
  open_memory(L);
  open_shims(L);
  win_push_library(L, &raw);
  lua_setfield(L, -2, "x");
  win_push_writes(L);
  lua_setfield(L, -2, "writes");
  lua_pushcfunction(L, inflate_call);
  lua_setfield(L, -2, "inflate");
  sign_push(L);
  lua_setfield(L, -2, "sign");
  luax_settext(L, "build", P80_TEST_BUILD);
  luax_settext(L, "path", P80_TEST_PATH);
  luax_settext(L, "folder", P80_TEST_FOLDER);
  lua_pushvalue(L, -1);
  lua_setglobal(L, "test");
  run_file(L, P80_TEST_FOLDER "/lib/test.lua", 1);
}

/* main(script): runs protected; returns the exit code. */
static int run(lua_State *L) {
  const char *script = lua_tostring(L, 1);
  lua_setglobal(L, "arg");
  open_modules(L);
  run_file(L, script, 0);
  lua_getglobal(L, "test");
  lua_getfield(L, -1, "finish");
  lua_call(L, 0, 1);
  return 1;
}

int wmain(int argc, wchar_t **argv) {
  if (argc < 2) {
    fputs("usage: p80-test SCRIPT [ARGS]\n", stderr);
    return 2;
  }
  lua_State *L = alloc_newstate();
  if (L == NULL) return EXIT_FAILURE;
  lua_pushcfunction(L, traceback);
  lua_pushcfunction(L, run);
  luax_pushwidez(L, argv[1]);
  lua_createtable(L, argc - 1, 0);
  for (int i = 1; i < argc; i++) {
    luax_pushwidez(L, argv[i]);
    lua_rawseti(L, -2, i - 1);
  }
  int failed = lua_pcall(L, 2, 1, 1) != LUA_OK;
  if (failed) fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  int code = failed ? EXIT_FAILURE : (int)lua_tointeger(L, -1);
  lua_close(L);
  if (alloc_live_blocks() != 0) {
    fprintf(stderr, "%lu blocks of memory left behind\n", (unsigned long)alloc_live_blocks());
    return EXIT_FAILURE;
  }
  return code;
}
