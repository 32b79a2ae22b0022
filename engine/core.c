#include "core.h"

#include <lauxlib.h>
#include <lfs.h>
#include <lualib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "admit.h"
#include "alloc.h"
#include "bundle.h"
#include "console.h"
#include "host.h"
#include "inflate.h"
#include "luax.h"
#include "model.h"
#include "searcher.h"
#include "service.h"
#include "sign.h"
#include "store.h"
#include "win.h"
#include "winapi.h"

static const cli *options;
static const core_script *script;
static const char *folder; /* of the runs; NULL: the default */
static lua_State *core;
static const char core_key;

static const win_host raw_host = {bundle_push_win, NULL, NULL, NULL};
static const win_host modelled_host = {bundle_push_win, NULL, NULL, model_push_double};

void core_configure(const cli *given_options, const core_script *given_script) {
  options = given_options;
  script = given_script;
}

void core_set_folder(const char *given_folder) { folder = given_folder; }

int core_is_open(void) { return core != NULL; }

void core_push_function(lua_State *L, const char *field) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &core_key);
  lua_getfield(L, -1, field);
  lua_remove(L, -2);
}

/* host.now() -> ISO 8601 UTC text. */
static int host_now(lua_State *L) {
  FILETIME now;
  GetSystemTimeAsFileTime(&now);
  luax_pushtime(L, (ULONGLONG)now.dwHighDateTime << 32 | now.dwLowDateTime);
  return 1;
}

/* host.chunk(name) -> the core's file of that name as a function. */
static int host_chunk(lua_State *L) {
  bundle_push(L, "core", luaL_checkstring(L, 1));
  return 1;
}

/* host.lib(name) -> a bundled library. */
static int host_lib(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

/* host.progress([what]): shows that something takes its time, until it is called without. */
static int host_progress(lua_State *L) {
  const char *what = luaL_optstring(L, 1, NULL);
  if (what) console_progress_begin(what);
  else console_progress_end();
  return 0;
}

/* host.attended() -> whether somebody sits before this session: services, and tasks that run whether somebody is
 * logged on or not, have a window station that is not shown.
 * https://learn.microsoft.com/windows/win32/winstation/window-stations */
static int host_attended(lua_State *L) {
  USEROBJECTFLAGS station;
  DWORD size;
  winapi_load(L, "user32");
  lua_pushboolean(L, win32.GetUserObjectInformationW(win32.GetProcessWindowStation(), UOI_FLAGS, &station,
                                                     sizeof station, &size) &&
                         station.dwFlags & WSF_VISIBLE);
  return 1;
}

/* host.log(text [, plain]): a line of diagnostics; p80's own begin with its name. */
static int host_log(lua_State *L) {
  const char *format = lua_toboolean(L, 2) ? "%s\n" : "p80: %s\n";
  console_print(stderr, lua_pushfstring(L, format, luaL_checkstring(L, 1)));
  fflush(stderr);
  return 0;
}

/* host.names(folder) -> the names of the bundled files of "script" or "api". */
static int host_names(lua_State *L) {
  bundle_names(L, luaL_checkstring(L, 1));
  return 1;
}

/* host.source(folder, name) -> the text of a bundled file, or nil. */
static int host_source(lua_State *L) {
  size_t size;
  const char *text = bundle_text(L, luaL_checkstring(L, 1), luaL_checkstring(L, 2), &size);
  if (text) lua_pushlstring(L, text, size);
  else lua_pushnil(L);
  return 1;
}

/* host.full_path(path) -> the path from the root. */
static int host_full_path(lua_State *L) {
  luax_pushfullpath(L, 1, "path");
  return 1;
}

/* host.load_manifest(script[, texts]) -> 0, or the code of its error and why: runs a script, which can change
 * nothing, as far as its manifest. With `texts` it is one of these, by its path, and so are its modules. */
static int host_load_manifest(lua_State *L) {
  char problem[512] = "";
  int failed = host_run_for_manifest(luaL_checkstring(L, 1), L, lua_istable(L, 2) ? 2 : 0, problem, sizeof problem);
  lua_pushinteger(L, failed);
  lua_pushstring(L, problem);
  return 2;
}

/* t[key] = value for the table on top, unless the option was not given. */
static void set_limit(lua_State *L, const char *key, double value) {
  if (value < 0) return;
  lua_pushnumber(L, value);
  lua_setfield(L, -2, key);
}

static void push_options(lua_State *L) {
  lua_newtable(L);
  luax_setboolean(L, "check", options->check);
  luax_setboolean(L, "json", options->json);
  luax_setboolean(L, "quiet", options->quiet);
  luax_setboolean(L, "verbose", options->verbose);
  luax_setboolean(L, "force", options->force);
  luax_settext(L, "state", folder);
  luax_settext(L, "report", options->report);
  luax_settext(L, "model", options->model);
  set_limit(L, "timeout", options->timeout);
  set_limit(L, "cpu_limit", options->cpu_limit);
  set_limit(L, "memory_limit", options->memory_limit);
  lua_newtable(L);
  for (int i = 0; i < options->allow_count; i++) {
    lua_pushstring(L, options->allow[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "allow");
}

static void push_script(lua_State *L) {
  lua_newtable(L);
  luax_settext(L, "name", script->name);
  luax_settext(L, "path", script->path);
  luax_settext(L, "kind", script->kind);
  lua_newtable(L);
  for (int i = 0; i < options->word_count; i++) {
    lua_pushstring(L, options->words[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "words");
}

/* The words that the command line knows, for completion and so that no playbook is called like a command. */
static void push_words(lua_State *L) {
  lua_newtable(L);
  for (lua_Integer i = 0; cli_command_name((size_t)i); i++) {
    lua_pushstring(L, cli_command_name((size_t)i));
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "commands");
  lua_newtable(L);
  for (lua_Integer i = 0; cli_options[i]; i++) {
    lua_pushstring(L, cli_options[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "option_words");
}

/* Pushes the path of p80.exe. */
static void push_program(lua_State *L) {
  wchar_t path[4 * MAX_PATH];
  DWORD n = GetModuleFileNameW(NULL, path, sizeof path / sizeof *path);
  luax_pushwide(L, path, n);
}

static void push_host(lua_State *L) {
  static const luaL_Reg functions[] = {{"now", host_now},
                                       {"chunk", host_chunk},
                                       {"lib", host_lib},
                                       {"names", host_names},
                                       {"source", host_source},
                                       {"load_manifest", host_load_manifest},
                                       {"full_path", host_full_path},
                                       {"progress", host_progress},
                                       {"log", host_log},
                                       {"attended", host_attended},
                                       {"read_secret", console_read_secret},
                                       {"ask", console_ask},
                                       {"inflate", inflate_call},
                                       {"place", admit_place},
                                       {NULL, NULL}};
  const win_host *machine = model_is_on() ? &modelled_host : &raw_host;
  luaL_newlib(L, functions);
  if (model_is_on()) model_lend(L);
  win_open(L, machine);
  lua_setfield(L, -2, "win");
  win_push_library(L, machine);
  lua_setfield(L, -2, "x");
  win_push_writes(L);
  lua_setfield(L, -2, "writes");
  push_program(L);
  lua_setfield(L, -2, "program");
  console_open(L);
  lua_setfield(L, -2, "console");
  store_push(L, folder);
  lua_setfield(L, -2, "store");
  sign_push(L);
  lua_setfield(L, -2, "sign");
  service_push(L);
  lua_setfield(L, -2, "service");
  luax_setboolean(L, "default_state", folder == NULL);
  push_options(L);
  lua_setfield(L, -2, "options");
  push_script(L);
  lua_setfield(L, -2, "script");
  push_words(L);
  lua_pushnumber(L, console_is_terminal(stdout) ? console_width(stdout) : HUGE_VAL); /* what is piped is not cut */
  lua_setfield(L, -2, "width");
  luax_settext(L, "version", P80_VERSION);
  luax_setinteger(L, "pid", (lua_Integer)GetCurrentProcessId());
}

/* Runs protected: opens the libraries and runs core/init.lua. */
static int open_core(lua_State *L) {
  lua_pushboolean(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  luaL_openlibs(L);
  luaL_requiref(L, "lfs", luaopen_lfs, 1);
  lua_pop(L, 1);
  searcher_install(L, 1);
  bundle_push(L, "core", "init");
  push_host(L);
  lua_call(L, 1, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &core_key);
  return 0;
}

lua_State *core_state(void) {
  if (core) return core;
  core = alloc_newstate();
  if (core) {
    lua_pushcfunction(core, open_core);
    if (lua_pcall(core, 0, 0, 0) == LUA_OK) return core;
  }
  const char *text = core ? luaL_tolstring(core, -1, NULL) : "not enough memory";
  model_give_up();
  console_print(stderr, "p80: ");
  console_print(stderr, text);
  console_print(stderr, "\n");
  exit(EXIT_FAILURE);
}

core_run core_suspend(void) {
  core_run run = {options, script, folder, core};
  folder = NULL;
  core = NULL;
  return run;
}

void core_resume(core_run run) {
  if (core) lua_close(core);
  options = run.options;
  script = run.script;
  folder = run.folder;
  core = run.core;
}
