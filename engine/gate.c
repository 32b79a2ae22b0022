#include "gate.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "core.h"
#include "luax.h"

enum { DEEPEST = 100, MOST_BYTES = 256 * 1024 * 1024, MOST_VALUES = 4 * 1024 * 1024 };

typedef struct copy {
  lua_State *from, *to;
  int first, count;  /* the values in `from` */
  const char *field; /* the core's function, when the copy goes there */
  size_t bytes;
  int values;
  const char *fault; /* why something could not be copied */
} copy;

static int has_metatable(lua_State *L, int index) {
  int found = lua_getmetatable(L, index);
  lua_pop(L, found);
  return found;
}

static int fail_copy(copy *c, const char *fault) {
  c->fault = fault;
  return 0;
}

static int copy_value(copy *c, int index, int depth);

/* Gives the table on top of `to` the metatable of error objects. */
static void mark_error_object(lua_State *to) {
  luax_pusherror(to, NULL, NULL, 0, "", NULL);
  lua_getmetatable(to, -1);
  lua_setmetatable(to, -3);
  lua_pop(to, 1);
}

/* Copies the table at `index` of `from`; pushes it on `to`. */
static int copy_table(copy *c, int index, int depth) {
  int is_error = luax_iserror(c->from, index);
  if (!is_error && has_metatable(c->from, index)) return fail_copy(c, "a table with a metatable");
  if (depth >= DEEPEST) return fail_copy(c, "a table nested too deeply (or in itself)");
  lua_newtable(c->to);
  lua_pushnil(c->from);
  while (lua_next(c->from, index)) {
    int value = lua_gettop(c->from), key = value - 1;
    if (lua_istable(c->from, key)) return fail_copy(c, "a table with a table as key");
    if (!copy_value(c, key, depth + 1) || !copy_value(c, value, depth + 1)) return 0;
    lua_rawset(c->to, -3);
    lua_pop(c->from, 1);
  }
  if (is_error) mark_error_object(c->to);
  return 1;
}

/* Copies the value at `index` of `from`; pushes it on `to`. Raises in `to` alone, for want of memory. Returns 0 with
 * `fault` set for what is no plain data. */
static int copy_value(copy *c, int index, int depth) {
  luaL_checkstack(c->to, 8, "too much data for one call");
  if (!lua_checkstack(c->from, 8)) return fail_copy(c, "too much data");
  if (++c->values > MOST_VALUES) return fail_copy(c, "more than 4 million values");
  switch (lua_type(c->from, index)) {
    case LUA_TNIL:
      lua_pushnil(c->to);
      return 1;
    case LUA_TBOOLEAN:
      lua_pushboolean(c->to, lua_toboolean(c->from, index));
      return 1;
    case LUA_TNUMBER:
      if (lua_isinteger(c->from, index)) lua_pushinteger(c->to, lua_tointeger(c->from, index));
      else lua_pushnumber(c->to, lua_tonumber(c->from, index));
      return 1;
    case LUA_TSTRING: {
      size_t length;
      const char *text = lua_tolstring(c->from, index, &length);
      c->bytes += length;
      if (c->bytes > MOST_BYTES) return fail_copy(c, "more than 256 MiB");
      lua_pushlstring(c->to, text, length);
      return 1;
    }
    case LUA_TTABLE:
      return copy_table(c, index, depth);
    case LUA_TFUNCTION:
      return fail_copy(c, "a function");
    case LUA_TTHREAD:
      return fail_copy(c, "a coroutine");
    default:
      return fail_copy(c, "a userdata");
  }
}

/* Copies all values and leaves `from` as it was. */
static int copy_values(copy *c) {
  int top = lua_gettop(c->from), ok = 1;
  for (int i = 0; ok && i < c->count; i++) ok = copy_value(c, c->first + i, 0);
  lua_settop(c->from, top);
  return ok;
}

/* Runs in the core, protected: copies the arguments and calls core.<field>. */
static int enter_core(lua_State *core) {
  copy *c = lua_touserdata(core, 1);
  core_push_function(core, c->field);
  if (!copy_values(c)) return 0;
  lua_call(core, c->count, LUA_MULTRET);
  return lua_gettop(core) - 1;
}

/* Runs in the playbook's state, protected: copies the results. */
static int leave_core(lua_State *L) {
  copy *c = lua_touserdata(L, 1);
  if (!copy_values(c)) return luaL_error(L, "p80: the core returned %s", c->fault);
  return c->count;
}

/* An error inside the core that is no error object is a fault of p80 itself: it keeps its traceback. */
static int core_traceback(lua_State *core) {
  if (luax_iserror(core, 1)) return 1;
  luaL_traceback(core, core, luaL_tolstring(core, 1, NULL), 1);
  return 1;
}

static int is_shut;

void gate_shut(void) { is_shut = 1; }
void gate_open(void) { is_shut = 0; }
int gate_is_shut(void) { return is_shut; }

int gate_call(lua_State *L, const char *field, int count) {
  if (is_shut && strcmp(field, "call") == 0) return luaL_error(L, "the run has ended");
  lua_State *core = core_state();
  int core_top = lua_gettop(core), top = lua_gettop(L) - count;
  if (!lua_checkstack(core, 16)) return luaL_error(L, "p80: calls into the core are nested too deeply");
  copy in = {.from = L, .to = core, .first = top + 1, .count = count, .field = field};
  lua_pushcfunction(core, core_traceback);
  lua_pushcfunction(core, enter_core);
  lua_pushlightuserdata(core, &in);
  int status = lua_pcall(core, 1, LUA_MULTRET, core_top + 1);
  if (in.fault) {
    lua_settop(core, core_top);
    const char *op = count > 0 && lua_type(L, top + 1) == LUA_TSTRING ? lua_tostring(L, top + 1) : field;
    luax_pusherror(L, op, "arguments", ERROR_INVALID_PARAMETER,
                   lua_pushfstring(L, "Plain data expected, got %s.", in.fault), NULL);
    return lua_error(L);
  }
  copy out = {.from = core, .to = L, .first = core_top + 2, .count = lua_gettop(core) - core_top - 1};
  lua_settop(L, top);
  lua_pushcfunction(L, leave_core);
  lua_pushlightuserdata(L, &out);
  int copied = lua_pcall(L, 1, LUA_MULTRET, 0);
  lua_settop(core, core_top);
  if (status != LUA_OK || copied != LUA_OK) return lua_error(L);
  return lua_gettop(L) - top;
}

/* The upvalues are the name and the core's function. */
static int crossing(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  return gate_call(L, lua_tostring(L, lua_upvalueindex(2)), lua_gettop(L));
}

static void push_crossing(lua_State *L, const char *name, const char *field) {
  lua_pushstring(L, name);
  lua_pushstring(L, field);
  lua_pushcclosure(L, crossing, 2);
}

void gate_push_crossing(lua_State *L, const char *name) { push_crossing(L, name, "call"); }
void gate_push_reads(lua_State *L, const char *subject) {
  lua_pushstring(L, subject);
  gate_call(L, "reads", 1);
}

void gate_push_raw_crossing(lua_State *L, const char *name) { push_crossing(L, name, "raw"); }

void gate_copy(lua_State *from, int index, lua_State *to) {
  copy c = {.from = from, .to = to, .first = lua_absindex(from, index), .count = 1};
  if (!copy_values(&c)) luaL_error(to, "plain data expected, got %s", c.fault);
}
