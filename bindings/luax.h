/* What every binding shares: checked arguments, wide strings and buffers owned by Lua, handles with one close
 * path, error objects, waits that Ctrl-C ends.
 *
 * Each function of `win` is registered as a closure whose first upvalue is its name ("scm.stop"); the
 * functions below take the `op` of an error from there. Unless noted they leave the stack as it was and raise
 * an error object when something is wrong.
 *
 * An error object is a table with the fields op, target, code, name, message, hint (see errors.c) and prints as
 *   scm.stop 'W3SVC': Access is denied. (5 ERROR_ACCESS_DENIED); run p80 elevated */
#ifndef P80_LUAX_H
#define P80_LUAX_H

#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>
#include <windows.h>

#include "compiler.h"

/* ---- Error objects ---- */

#define LUAX_ERROR "p80.error" /* the metatable of error objects in the registry, and their __name */

/* p80's own codes have the bit that Windows reserves for applications (SetLastError's page). */
#define P80_NOT_TAKEN 0x20000001     /* a write reported success, but reading back shows otherwise */
#define P80_REFUSED 0x20000004       /* no grant for it */
#define P80_OTHER_RUN 0x20000006     /* another p80 is changing this machine */
#define P80_CONFLICT 0x20000007      /* undo found a thing that somebody else has changed since */
#define P80_NO_UNDO 0x20000008       /* this kind of change cannot be taken back */
#define P80_BAD_JOURNAL 0x20000009   /* a journal line that cannot be read */
#define P80_BAD_MANIFEST 0x2000000A  /* a playbook's manifest */
#define P80_BAD_PACKAGE 0x20000010   /* what `p80 install` was given */
#define P80_BAD_ARGUMENTS 0x2000000B /* what a playbook was given as arguments */
#define P80_TOO_OLD 0x2000000C       /* p80 or Windows is older than a playbook needs */
#define P80_BAD_SIGNATURE 0x2000000D /* a signature that is missing, wrong or of a key that nobody trusts */
#define P80_UNPROTECTED 0x2000000E   /* a file or folder that others may change, and p80 runs elevated */
#define P80_BAD_POLICY 0x2000000F    /* policy.json */

/* Raises an error object for `code` about `target` (UTF-8; NULL for none). Message and hint come from errors.c
 * and Windows. */
P80_NORETURN void luax_fail(lua_State *L, const char *target, DWORD code);
/* The same with the target as UTF-16. */
P80_NORETURN void luax_failwide(lua_State *L, const wchar_t *target, DWORD code);
/* The same with a hint of its own. */
P80_NORETURN void luax_failhint(lua_State *L, const char *target, DWORD code, const char *hint);
/* Raises ERROR_INVALID_PARAMETER about argument or field `name`: "<expected> expected, got <value>". */
P80_NORETURN void luax_badvalue(lua_State *L, int index, const char *name, const char *expected);
/* The same with a hint, which may be NULL. */
P80_NORETURN void luax_badvaluehint(lua_State *L, int index, const char *name, const char *expected,
                                    const char *hint);

/* Pushes an error object without raising it. `op`, `target`, `message` and `hint` may be NULL; a NULL message
 * is Windows' text for `code`, a NULL hint what errors.c knows. */
void luax_pusherror(lua_State *L, const char *op, const char *target, DWORD code, const char *message,
                    const char *hint);
/* Whether the value at `index` is an error object. */
int luax_iserror(lua_State *L, int index);
/* The symbolic name of a Win32 code ("ERROR_ACCESS_DENIED"), or NULL. */
const char *luax_codename(DWORD code);

/* ---- Arguments ---- */

/* `L` must have been called with `least` to `most` arguments (trailing nils count); fills up with nil to
 * `most`, so that fixed indices may be used afterwards. */
void luax_arguments(lua_State *L, int least, int most);

/* A string without embedded NUL. */
const char *luax_checktext(lua_State *L, int index, const char *name);
/* The same as UTF-16, kept in a userdata that is pushed on the stack (+1). `length` may be NULL. */
const wchar_t *luax_checkwide(lua_State *L, int index, const char *name, size_t *length);
/* Pushes the absolute path of the one at `index`. */
const char *luax_pushfullpath(lua_State *L, int index, const char *name);
/* Pushes the text at `index` in lower case, in every script: what names that differ only in case have in common. What
 * is no UTF-8 stays as it is. */
const char *luax_pushfolded(lua_State *L, int index);
/* luax_checkwide that lets nil through as NULL (and pushes nil). */
const wchar_t *luax_optwide(lua_State *L, int index, const char *name);
/* The same for a password (+2, itself and its slot): it is wiped when the function returns or fails, and no message
 * shows it. */
const wchar_t *luax_optsecret(lua_State *L, int index, const char *name);
/* A string with any bytes as UTF-16 (+1); embedded NULs stay. */
const wchar_t *luax_checkwidebytes(lua_State *L, int index, const char *name, size_t *length);
/* A number with an integer value between `least` and `most`. */
lua_Integer luax_checkinteger(lua_State *L, int index, const char *name, lua_Integer least, lua_Integer most);
/* A TCP or UDP port, 1 to 65535. */
unsigned short luax_checkport(lua_State *L, int index, const char *name);
/* Seconds (fractions allowed) as milliseconds; nil is `missing`. */
DWORD luax_optseconds(lua_State *L, int index, const char *name, DWORD missing);
/* A boolean; nil is `missing`. */
int luax_optboolean(lua_State *L, int index, const char *name, int missing);
/* One of the words in the NULL-terminated `words`; returns its position; nil is `missing` (-1: required). */
int luax_checkword(lua_State *L, int index, const char *name, const char *const words[], int missing);
/* nil or an options table whose keys are all in the NULL-terminated `known`; otherwise the error suggests the
 * nearest. Returns whether there is a table. */
int luax_options(lua_State *L, int index, const char *const known[]);
/* Pushes the field `key` of the options table at `index`, or nil when that is nil (+1); returns its index. */
int luax_field(lua_State *L, int index, const char *key);

/* ---- Results ---- */

/* Pushes `n` UTF-16 units as a Lua string; luax_pushwidez takes a terminated one (NULL becomes nil). */
void luax_pushwide(lua_State *L, const wchar_t *text, size_t n);
void luax_pushwidez(lua_State *L, const wchar_t *text);
/* Pushes a FILETIME (100 ns since 1601, UTC) as ISO 8601 text with seconds: "2026-11-22T12:00:00Z". */
void luax_pushtime(lua_State *L, ULONGLONG filetime);
/* t[key] = value for the table on top. */
void luax_setinteger(lua_State *L, const char *key, lua_Integer value);
void luax_setboolean(lua_State *L, const char *key, int value);
void luax_settext(lua_State *L, const char *key, const char *value); /* NULL: no field */
void luax_setwide(lua_State *L, const char *key, const wchar_t *value);

/* ---- Memory and handles ---- */

/* `size` bytes that Lua owns (+1). Zero-filled. */
void *luax_buffer(lua_State *L, size_t size);

/* An OS resource in a to-be-closed slot of the running C function (+1): made closed, then opened by storing
 * into `value`. It is closed when the function returns or fails. The slot must stay on the stack until then. */
typedef void (*luax_closer)(UINT_PTR value);
typedef struct luax_handle {
  UINT_PTR value; /* 0: closed */
  luax_closer close;
} luax_handle;
luax_handle *luax_newhandle(lua_State *L, luax_closer close);
void luax_closehandle(luax_handle *handle); /* idempotent */
void luax_closekernel(UINT_PTR value);      /* CloseHandle as a luax_closer */
void luax_freelocal(UINT_PTR value);        /* LocalFree as a luax_closer */
/* A slot for zero-filled pages of memory (+1), and pages in it, for which those that were there are freed; `what`
 * names them in an error. */
luax_handle *luax_newpages(lua_State *L);
void *luax_setpages(lua_State *L, luax_handle *slot, size_t size, const char *what);

/* ---- Waiting ---- */

/* The event that Ctrl-C sets; the engine makes it. */
extern HANDLE luax_interrupt;
/* Whether an error has told the script that it is set: there is one for each Ctrl-C, so that what cleans up after the
 * first is not ended by a second. */
extern int luax_interrupt_told;
/* Called again and again during waits, to show progress; it may raise what ends the wait. The engine sets it. NULL:
 * not called. */
extern void (*luax_waiting)(lua_State *L);
/* How often something waited, for who watches over a script. */
extern volatile long luax_waits;
/* Waits `ms`; raises ERROR_OPERATION_ABORTED at once when Ctrl-C comes. */
void luax_sleep(lua_State *L, DWORD ms);
/* Waits at most `ms` for `handle`; returns whether it was set. Ctrl-C as in luax_sleep. */
int luax_wait(lua_State *L, HANDLE handle, DWORD ms);
/* Milliseconds since some moment, never running backwards, of 64 bits on every Windows. */
ULONGLONG luax_clock(void);

/* ---- Registration ---- */

/* One subject or sub-subject ("scm", "http.iplisten"). Reads go into every Lua state, writes into the core's
 * alone; a write without a function is one that the core composes from others (`scm.restart`). `lua` names
 * the bundled chunks (with blanks between) of the half of the subject that is written in Lua, or NULL. */
typedef struct luax_subject {
  const char *name;
  const luaL_Reg *reads;
  const luaL_Reg *writes; /* may be NULL */
  const char *lua;
} luax_subject;
/* Sets `functions` in the table on top as closures named "<subject>.<function>". */
void luax_setfunctions(lua_State *L, const char *subject, const luaL_Reg *functions);

#endif
