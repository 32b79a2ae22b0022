/* Modelled machines: a Lua table stands for Windows below the Lua halves of the bindings. The core of a run that has
 * one keeps it (engine/core/model.lua); in the playbook's state every function of C crosses to it. */
#ifndef P80_MODEL_H
#define P80_MODEL_H

#include <lua.h>

#include "cli.h"

/* Whether the running run has a modelled machine. */
int model_is_on(void);

/* For the core: sets the fields `machine` (a copy) and `model` of the host table on top. */
void model_lend(lua_State *core);

/* win_host.push_double of the core. */
void model_push_double(lua_State *core, const char *name);

/* For the playbook's state: its time is the machine's. */
void model_open_playbook(lua_State *L);

/* Gives standard error back, for the last word before the process ends. */
void model_give_up(void);

/* Runs p80 as `options` say on the machine at `index` of `kit`, for at most `seconds`, with its output kept away from
 * the real one. Pushes what came of it: {exit=, output=, errors=, record=, machine=}. */
void model_run(lua_State *kit, int index, const cli *options, double seconds);

#endif
