/* The Lua files inside the executable: packed (cmake/bundle.py), each line where it is in its file, so that
 * tracebacks match. */
#ifndef P80_BUNDLE_H
#define P80_BUNDLE_H

#include <lua.h>
#include <stddef.h>

/* Whether there is a bundled file `name` ("free80") of `folder` ("script", "lib", "api", "core" or "win"). */
int bundle_has(const char *folder, const char *name);

/* Its text, not terminated, which stays as long as the program; NULL when there is none. */
const char *bundle_text(lua_State *L, const char *folder, const char *name, size_t *size);

/* Pushes it as a compiled chunk; its name in tracebacks is "p80:<folder>/<name>.lua". It must exist. */
void bundle_push(lua_State *L, const char *folder, const char *name);

/* Pushes an array with the names of all files of `folder`, sorted. */
void bundle_names(lua_State *L, const char *folder);

/* bundle_push for the Lua half of a subject of `win`. */
void bundle_push_win(lua_State *L, const char *name);

#endif
