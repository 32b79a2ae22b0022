#include "kit.h"

#include <lauxlib.h>
#include <string.h>

#include "bundle.h"
#include "gate.h"
#include "luax.h"
#include "model.h"
#include "searcher.h"
#include "win.h"

static const cli *own; /* what the command line says */

/* Reads the command line at `index`, an array of words, which must stay there; without one it is p80's own. */
static cli read_words(lua_State *L, int index) {
  cli read = *own;
  if (lua_isnil(L, index)) return read;
  read.model = NULL;
  int count = (int)luaL_len(L, index);
  const char **words = luax_buffer(L, ((size_t)count + 2) * sizeof *words);
  words[0] = "p80";
  for (int i = 1; i <= count; i++) {
    lua_geti(L, index, i);
    words[i] = luaL_checkstring(L, -1);
    lua_pop(L, 1);
  }
  cli_parse(&read, count + 1, words);
  return read;
}

/* kit.run(machine, words or nil, check or nil, seconds) -> {exit=, timed_out=, output=, errors=, record=, machine=}
 */
static int kit_run(lua_State *L) {
  lua_settop(L, 4);
  luaL_checktype(L, 1, LUA_TTABLE);
  double seconds = luaL_checknumber(L, 4);
  cli given = read_words(L, 2);
  if (!lua_isnil(L, 3)) given.check = lua_toboolean(L, 3);
  if (given.command == CLI_REPL || given.command == CLI_STDIN || given.command == CLI_USAGE ||
      given.command == CLI_VERSION)
    return luaL_error(L, "a modelled machine takes a script, -e or a command");
  model_run(L, 1, &given, seconds);
  return 1;
}

/* kit.grant(grant): what the user's own command implies. */
static int kit_grant(lua_State *L) {
  lua_settop(L, 1);
  return gate_call(L, "grant", 1);
}

/* kit.chunk(name) -> the core's file of that name as a function. */
static int kit_chunk(lua_State *L) {
  bundle_push(L, "core", luaL_checkstring(L, 1));
  return 1;
}

/* kit.folder(path): where `require` looks for modules that are not bundled. */
static int kit_folder(lua_State *L) {
  searcher_add_folder(L, luaL_checkstring(L, 1));
  return 0;
}

/* kit.absolute(path) */
static int kit_absolute(lua_State *L) {
  luax_pushfullpath(L, 1, "path");
  return 1;
}

void kit_push(lua_State *L, const cli *options, const win_host *machine) {
  static const luaL_Reg functions[] = {{"run", kit_run},       {"grant", kit_grant},       {"chunk", kit_chunk},
                                       {"folder", kit_folder}, {"absolute", kit_absolute}, {NULL, NULL}};
  own = options;
  luaL_newlib(L, functions);
  win_push_library(L, machine);
  lua_setfield(L, -2, "x");
  luax_settext(L, "model", options->model);
  luax_settext(L, "name", options->script ? options->script : options->name);
  luax_setboolean(L, "check", options->check);
  luax_setboolean(L, "json", options->json);
  luax_setboolean(L, "quiet", options->quiet);
  luax_setboolean(L, "verbose", options->verbose);
}
