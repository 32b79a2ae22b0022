/* What ends a playbook from outside: Ctrl-C, and a limit to how long it may compute without waiting or changing
 * anything. Both raise an error in whatever Lua code runs, in a coroutine, too. */
#ifndef P80_INTERRUPT_H
#define P80_INTERRUPT_H

#include <lua.h>

/* Lets Ctrl-C end waits and scripts from now on. */
void interrupt_catch(void);

/* Lets the event with this handle, which the process has inherited, do what Ctrl-C does. */
void interrupt_follow(const char *handle);

/* Makes the coroutines of a state known when they run. */
void interrupt_install(lua_State *L);

/* From now on the state `L` is what runs; returns what ran before, for interrupt_leave. */
lua_State *interrupt_enter(lua_State *L);
void interrupt_leave(lua_State *before);

/* From now on at most `seconds` of processor time may pass between two steps (interrupt_step, or a wait); 0: any.
 * Returns the limit that was. */
double interrupt_limit(double seconds);
void interrupt_step(void);

#endif
