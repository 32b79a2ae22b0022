/* The core: the Lua state that alone can change something. It is opened when it is first needed, so that a script
 * which only reads starts as fast as plain Lua. */
#ifndef P80_CORE_H
#define P80_CORE_H

#include <lua.h>

#include "cli.h"

typedef struct core_script {
  const char *name; /* what people call it */
  const char *path; /* its file, or NULL */
  const char *kind; /* "file", "bundled", "installed", "code", "stdin", "repl", "command", "none" */
} core_script;

/* What the core will be opened with; both must stay valid. */
void core_configure(const cli *options, const core_script *script);

/* The folder of the runs that --state names, as an absolute path, since a script may change the current folder
 * before the core is opened. It must stay valid. */
void core_set_folder(const char *folder);

/* The core's state, opened now if it was not. It stays until the process ends: closing what Windows closes then takes
 * time that everybody would wait. */
lua_State *core_state(void);
int core_is_open(void);

/* What a run within this one must not touch: core_suspend lets the next core_state open another core. */
typedef struct core_run {
  const cli *options;
  const core_script *script;
  const char *folder;
  lua_State *core;
} core_run;
core_run core_suspend(void);
void core_resume(core_run run);

/* Pushes core.<field> on the core's stack. */
void core_push_function(lua_State *core, const char *field);

#endif
