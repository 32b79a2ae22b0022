/* The crossing between a playbook's Lua state and the core's: plain data only. */
#ifndef P80_GATE_H
#define P80_GATE_H

#include <lua.h>

/* Pushes a function that calls the core's public function `name` ("scm.stop") with copies of its arguments and
 * returns copies of the results. Errors come back as error objects of the calling state. */
void gate_push_crossing(lua_State *L, const char *name);

/* Pushes an array of the names of the core's reads in a subject. */
void gate_push_reads(lua_State *L, const char *subject);

/* The same for what a modelled machine has in place of C's own function `name` ("scm.list"). */
void gate_push_raw_crossing(lua_State *L, const char *name);

/* Pushes on `to` a copy of the value at `index` of `from`. Raises in `to` for what is no plain data. */
void gate_copy(lua_State *from, int index, lua_State *to);

/* Calls the core's function `field` ("call", "finish", "command") with copies of the top `count` values of `L`, which
 * it pops; pushes copies of the results and returns their number. Raises in `L`. */
int gate_call(lua_State *L, const char *field, int count);

/* Ends the run for the playbook: from now on "call" raises, so that no finalizer changes what nobody tells. */
void gate_shut(void);
int gate_is_shut(void);
void gate_open(void); /* for the run within which another one has ended */

#endif
