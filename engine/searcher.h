/* `require`: bundled modules, then beside the script; never DLLs, the current folder or the environment. */
#ifndef P80_SEARCHER_H
#define P80_SEARCHER_H

#include <lua.h>

/* Replaces what `package` searches by bundled modules; `with_core` makes the core's own files found as "core.<name>".
 */
void searcher_install(lua_State *L, int with_core);

/* Has modules searched in `folder` (UTF-8) too, which is the script's own. */
void searcher_add_folder(lua_State *L, const char *folder);

#endif
