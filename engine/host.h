/* The host: makes a playbook's Lua state, runs what the command line asks for, and ends the run. */
#ifndef P80_HOST_H
#define P80_HOST_H

#include <lua.h>
#include <stddef.h>

#include "cli.h"

/* Does what the command line says; returns the exit code. */
int host_main(const cli *options);

/* Does within this process what another command line says: in Lua states of its own, for at most `seconds`. Calls
 * finished(context) while its core is still there. Returns the exit code. */
int host_run_within(const cli *given, double seconds, int *timed_out, void (*finished)(void *), void *context);

/* Runs a script in a state of its own until it declares its manifest: the file or playbook that `script` names or,
 * when `files` is no 0, that path in the table of texts at this index of the core's state. Returns 0, or the code of
 * its error, which is put into `problem`. */
int host_run_for_manifest(const char *script, lua_State *core, int files, char *problem, size_t size);

#endif
