/* `require`: bundled modules, then beside the script; never DLLs, the current folder or the environment. */
#ifndef P80_SEARCHER_H
#define P80_SEARCHER_H

#include <lua.h>

/* Replaces what `package` searches by bundled modules; `with_core` makes the core's own files found as "core.<name>".
 */
void searcher_install(lua_State *L, int with_core);

/* Has modules searched in `folder` (UTF-8) too, which is the script's own. */
void searcher_add_folder(lua_State *L, const char *folder);

/* Has modules searched in the table at index `files`, texts by path ("a/b.lua", in small letters), instead. */
void searcher_add_texts(lua_State *L, int files);

/* Pushes the text of `path` in that table as a compiled chunk; returns 0, with nil pushed, when there is none. */
int searcher_load_text(lua_State *L, int files, const char *path);

#endif
