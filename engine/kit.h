/* What the chunks of the core that run tests and modelled machines are lent; they run in a playbook's state. */
#ifndef P80_KIT_H
#define P80_KIT_H

#include <lua.h>

#include "cli.h"
#include "win.h"

/* Pushes the table. */
void kit_push(lua_State *L, const cli *options, const win_host *machine);

#endif
