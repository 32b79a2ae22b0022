/* Admission: a script or module is read once, what was read is judged, and the same bytes are compiled. */
#ifndef P80_ADMIT_H
#define P80_ADMIT_H

#include <lua.h>
#include <windows.h>

/* What a file is to the run; the policy asks signatures of all of them. */
#define ADMIT_SCRIPT "script"
#define ADMIT_MODULE "module" /* and what loadfile and dofile load */

/* Loads a file as luaL_loadfilex does, text only: pushes the chunk and returns LUA_OK, or pushes what is wrong with
 * the file. Raises P80_UNPROTECTED, P80_BAD_SIGNATURE, P80_REFUSED or P80_BAD_POLICY when it may not run here. */
int admit_load(lua_State *L, const char *path, const char *role);

/* Reads and judges all scripts in the folder of an installed playbook; from then on admit_load and admit_has know
 * what was there, whatever is put in its place while it runs. Data files are not kept. Returns a Win32 code: the
 * folder may just be being replaced. */
DWORD admit_keep(lua_State *L, const char *folder, const char *script);

/* Whether there is such a file. */
int admit_has(lua_State *L, const char *path);

/* place(path) -> where it lies: "network", "removable" or "" (protect.h). Raises P80_UNPROTECTED when somebody else
 * than administrators could have written what an elevated run is to believe. */
int admit_place(lua_State *L);

/* Raises when the policy does not let what is typed run: -e, -i, standard input. */
void admit_typed(lua_State *L, const char *what);

#endif
