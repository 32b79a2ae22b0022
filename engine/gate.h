/* The crossing between a playbook's Lua state and the core's: plain data only. */
#ifndef P80_GATE_H
#define P80_GATE_H

#include <lua.h>

/* Pushes a function that calls the core's public function `name` ("scm.stop") with copies of its arguments and
 * returns copies of the results. Errors come back as error objects of the calling state. */
void gate_push_crossing(lua_State *L, const char *name);

/* Calls the core's function `field` ("call", "finish", "command") with copies of the top `count` values of `L`, which
 * it pops; pushes copies of the results and returns their number. Raises in `L`. */
int gate_call(lua_State *L, const char *field, int count);

/* Ends the run for the playbook: from now on "call" raises, so that no finalizer changes what nobody tells. */
void gate_shut(void);
int gate_is_shut(void);

#endif
