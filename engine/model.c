#define P80_CRT_UTF8_IMPLEMENTATION /* without what it makes of the C library */
#include "crt_utf8.h"

#include "model.h"

#include <lauxlib.h>

#include "bundle.h"
#include "console.h"
#include "core.h"
#include "gate.h"
#include "host.h"
#include "luax.h"

#define MODEL "p80.model" /* engine/core/model.lua's table in the core's registry */

/* The run on a modelled machine that there is now. */
static lua_State *kit; /* where its machine is; NULL: there is none */
static int place;

int model_is_on(void) { return kit != NULL; }

void model_lend(lua_State *core) {
  int host = lua_gettop(core);
  gate_copy(kit, place, core);
  lua_setfield(core, host, "machine");
  bundle_push(core, "core", "model");
  lua_pushvalue(core, host);
  lua_call(core, 1, 1);
  lua_pushvalue(core, -1);
  lua_setfield(core, LUA_REGISTRYINDEX, MODEL);
  lua_setfield(core, host, "model");
}

void model_push_double(lua_State *core, const char *name) {
  lua_getfield(core, LUA_REGISTRYINDEX, MODEL);
  lua_getfield(core, -1, "choose");
  lua_replace(core, -2);
  lua_pushstring(core, name);
  lua_pushvalue(core, -3);
  lua_call(core, 2, 1);
}

void model_open_playbook(lua_State *L) {
  bundle_push(L, "core", "model_playbook");
  gate_push_raw_crossing(L, "x.time");
  gate_push_raw_crossing(L, "x.clock");
  lua_call(L, 2, 0);
}

/* ---- Output ---- */

/* One of the standard streams, kept away in a file that goes with it. */
typedef struct diversion {
  FILE *stream, *file;
  int real; /* -1: not diverted */
} diversion;

static diversion output, errors;

static diversion divert(FILE *stream) {
  diversion d = {stream, p80_tmpfile(), -1};
  fflush(stream);
  if (d.file) d.real = _dup(_fileno(stream));
  if (d.real >= 0) _dup2(_fileno(d.file), _fileno(stream));
  return d;
}

static void give_back(diversion *d) {
  if (d->stream) fflush(d->stream);
  if (d->real >= 0) _dup2(d->real, _fileno(d->stream));
}

/* Gives the stream back; pushes what was written meanwhile. */
static void bring_back(lua_State *L, diversion *d) {
  luaL_Buffer text;
  size_t n;
  give_back(d);
  if (d->real >= 0) _close(d->real);
  luaL_buffinit(L, &text);
  if (d->file) {
    rewind(d->file);
    while ((n = fread(luaL_prepbuffer(&text), 1, LUAL_BUFFERSIZE, d->file)) > 0) luaL_addsize(&text, n);
    fclose(d->file);
  }
  luaL_pushresult(&text);
}

void model_give_up(void) {
  if (kit) give_back(&errors);
}

/* ---- Runs ---- */

/* Runs protected in the core: what remains of the run -> record, machine. */
static int remains(lua_State *core) {
  core_push_function(core, "remains");
  lua_call(core, 0, 2);
  return 2;
}

/* Runs protected in the kit's state: copies the two values on top of the core's stack. */
static int fetch(lua_State *L) {
  lua_State *core = core_state();
  for (int i = -2; i < 0; i++) gate_copy(core, i, L);
  return 2;
}

/* Pushes the record and the machine; in their places nil and an error's text. */
static void collect(void *context) {
  lua_State *L = context, *core = core_state();
  lua_pushcfunction(core, remains);
  if (lua_pcall(core, 0, 2, 0) != LUA_OK) {
    lua_pushnil(L);
    lua_pushstring(L, luaL_tolstring(core, -1, NULL));
    return;
  }
  lua_pushcfunction(L, fetch);
  if (lua_pcall(L, 0, 2, 0) == LUA_OK) return;
  lua_pushnil(L);
  lua_insert(L, -2);
}

void model_run(lua_State *L, int index, const cli *options, double seconds) {
  int timed_out, top = lua_gettop(L);
  luaL_checkstack(L, 8, NULL);
  kit = L;
  place = lua_absindex(L, index);
  output = divert(stdout);
  errors = divert(stderr);
  console_forget();
  int code = host_run_within(options, seconds, &timed_out, collect, L);
  kit = NULL;
  if (lua_gettop(L) == top) lua_settop(L, top + 2);
  bring_back(L, &errors);
  bring_back(L, &output);
  console_forget();
  if (luax_interrupt && WaitForSingleObject(luax_interrupt, 0) == WAIT_OBJECT_0)
    luax_fail(L, NULL, ERROR_OPERATION_ABORTED);
  lua_createtable(L, 0, 6);
  luax_setinteger(L, "exit", code);
  luax_setboolean(L, "timed_out", timed_out);
  static const char *const fields[] = {"record", "machine", "errors", "output"};
  for (int i = 0; i < 4; i++) {
    lua_pushvalue(L, top + 1 + i);
    lua_setfield(L, -2, fields[i]);
  }
}
