/* Who may change a file: an elevated p80 runs only what administrators alone could have written, and believes only
 * such a state folder and policy. */
#ifndef P80_PROTECT_H
#define P80_PROTECT_H

#include <lua.h>
#include <windows.h>

/* Where a path lies that no access list protects: "network" (there is the word of another machine alone) or
 * "removable" (whoever had the disk could write what he likes); else "". Raises P80_UNPROTECTED for paths that do not
 * begin with a drive's letter or as a share, and for drives that stand for a folder or that nothing is known of. */
const char *protect_place(lua_State *L, const wchar_t *path);

/* Raises P80_UNPROTECTED, which names the place, the account and the way out, unless SYSTEM, the administrators,
 * TrustedInstaller and p80's own user are the only ones who may change the open `file` or its folder, or put another
 * in the place of one of them. `path` is absolute. */
void protect_check_file(lua_State *L, const wchar_t *path, HANDLE file);

/* The same for a folder and those above it. */
void protect_check_folder(lua_State *L, const wchar_t *path);

#endif
