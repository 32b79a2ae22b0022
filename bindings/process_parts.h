/* The functions of win.process, one job a file; process.c registers them and makes the rows. */
#ifndef P80_PROCESS_PARTS_H
#define P80_PROCESS_PARTS_H

#include <lua.h>
#include <windows.h>

#include "compiler.h"

enum { PROCESS_ROOM = 65536 + 64 }; /* bytes: the longest path or command line that Windows knows, and a header */

/* Pushes a path in the kernel's form (L"\\Device\\HarddiskVolume1\\x") as one with a drive letter; as it is when no
 * drive has it. */
void process_push_drive_path(lua_State *L, const wchar_t *path, size_t n);

/* Pushes the command line of a process opened with process_detail_rights(), using PROCESS_ROOM bytes at `buffer`;
 * returns 0, or the Win32 code why there is none (+0). */
DWORD process_push_command_line(lua_State *L, HANDLE process, void *buffer);
DWORD process_detail_rights(void);

/* Whether p80 has 32 bits and the process 64, so that it cannot look into it; the handle needs only a right to query.
 */
int process_is_beyond(HANDLE process);
/* Raises for something of a process that cannot be read. */
P80_NORETURN void process_fail_detail(lua_State *L, DWORD pid, HANDLE process, DWORD code);

/* Adds `sid` and `user` to the row on top; `names` is the index of a table that remembers names by SID. */
void process_add_user(lua_State *L, HANDLE process, int names);

int process_modules(lua_State *L); /* process_modules.c */
int process_windows(lua_State *L); /* process_details.c */
int process_usage(lua_State *L);
int process_sessions(lua_State *L);
int process_handles(lua_State *L); /* process_handles.c */
int process_file_name(lua_State *L);
int process_run(lua_State *L);     /* process_run.c */
int process_find(lua_State *L);
int process_environment(lua_State *L);

#endif
