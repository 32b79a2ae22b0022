/* The module `test`: what drivers of system tests need of Windows to set a scene and watch p80 in it. */
#ifndef P80_RUNNER_H
#define P80_RUNNER_H

#include <lua.h>

/* Pushes the module. */
void runner_open(lua_State *L);

#endif
