/* The `win` module. */
#ifndef P80_WIN_H
#define P80_WIN_H

#include <lua.h>

/* What the engine lends to the module. */
typedef struct win_host {
  /* Pushes the bundled chunk `name` ("win/http.lua") as a function. */
  void (*push_chunk)(lua_State *L, const char *name);
  /* Pushes the function that stands in a playbook's state for the core's `name` ("scm.stop"); NULL in the core
   * itself, which has the raw writes. */
  void (*push_crossing)(lua_State *L, const char *name);
  /* Pushes an array of the names of the core's reads in a subject, to which the playbook's reads then cross, too: in
   * --check they show the planned state. NULL: its reads are its own. */
  void (*push_reads)(lua_State *L, const char *subject);
  /* Pushes what stands on a modelled machine for the C function on top, `name` ("scm.list", "x.sleep"); NULL on a
   * real one. */
  void (*push_double)(lua_State *L, const char *name);
} win_host;

/* Pushes the module. Its subjects open themselves when they are first used. `host` must outlive `L`. */
void win_open(lua_State *L, const win_host *host);

/* Pushes the library `x` that the Lua halves get: fail, sleep, clock, nearest, and bindings/check.lua's check,
 * checks. */
void win_push_library(lua_State *L, const win_host *host);

/* Lets the bundled chunk on top see the globals as they were when the module was pushed. */
void win_set_globals(lua_State *L);

/* Pushes an array with the names of all writes ("scm.stop"). */
void win_push_writes(lua_State *L);

#endif
