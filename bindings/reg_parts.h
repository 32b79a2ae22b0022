/* What the files of win.reg share; reg.c registers the functions. */
#ifndef P80_REG_PARTS_H
#define P80_REG_PARTS_H

#include "luax.h"
#include "winapi.h"

/* https://learn.microsoft.com/windows/win32/sysinfo/registry-element-size-limits */
enum {
  LONGEST_KEY_NAME = 255,
  LONGEST_VALUE_NAME = 16383,
  NAME_ROOM = LONGEST_VALUE_NAME + 1,
  LONGEST_PATH = 32000, /* a UNICODE_STRING holds 32767 units, with the hive's kernel name in front */
  DEEPEST = 512,
};

#define LINK_VALUE L"SymbolicLinkValue"

/* ---- Keys: reg_key.c ---- */

/* A key as an argument named it. */
typedef struct reg_key {
  HKEY hive; /* of another machine: open until the running function ends */
  int is_remote;
  const wchar_t *path; /* below the hive; "" is the hive itself */
  const char *text;
  REGSAM view;
} reg_key;

/* The key at `index`, with the view that the table of options at `options` names (+ some slots, the wide text on
 * top). */
reg_key reg_check_key(lua_State *L, int index, int options);
/* Raises about the key at `index` when it is a hive. */
void reg_check_below_hive(lua_State *L, int index, const reg_key *key);
/* The part of a key's text below its hive. */
const char *reg_path_of(const char *text);
/* The name of a value at `index` as UTF-16 (+1); nil is the unnamed one. */
const wchar_t *reg_check_value_name(lua_State *L, int index);

void reg_close_key(UINT_PTR value);   /* a luax_closer */
void reg_close_local(UINT_PTR value); /* the same for LocalFree */
int reg_is_absent(LSTATUS status);
void reg_check_status(lua_State *L, const char *target, LSTATUS status);

/* Opens `path` below `parent` in a new slot (+1); NULL when there is no such key. */
HKEY reg_open_below(lua_State *L, HKEY parent, const wchar_t *path, DWORD options, REGSAM access, const char *target);
HKEY reg_open_key(lua_State *L, const reg_key *key, DWORD options, REGSAM access);
/* Opens the key for a read that is called as f(key [, {view=}]); NULL when it is absent. */
HKEY reg_open_argument(lua_State *L, reg_key *key, DWORD options, REGSAM access);

/* ---- Values: reg_value.c ---- */

int reg_has_nul(const wchar_t *text, size_t n);
void reg_push_type(lua_State *L, DWORD type);
/* Pushes a value; returns whether its bytes were what `set` would write for it. `data` is aligned. */
int reg_push_value(lua_State *L, DWORD type, const BYTE *data, DWORD size);
/* The number of the type whose word is at `index`. */
DWORD reg_check_type(lua_State *L, int index);
/* The bytes for the Lua value at `index` as `type` (+ some slots). */
const BYTE *reg_encode(lua_State *L, int index, DWORD type, size_t *size);
/* Writes a value of `key`: the Lua value at `index` as `type`, or the bytes at `raw` when there are some. */
void reg_store(lua_State *L, HKEY key, const wchar_t *name, DWORD type, int index, int raw, const char *target);

/* ---- Reading: reg_read.c ---- */

/* The buffers that a function uses for all it reads; they live in its stack slots. */
typedef struct reg_reader {
  lua_State *L;
  REGSAM view;
  wchar_t *name; /* NAME_ROOM units */
  BYTE *data;
  DWORD room; /* of data, in bytes */
  int data_slot;
  int in_tree; /* whether what is read must be fit to be put back */
  size_t left; /* bytes that may still be read */
} reg_reader;

typedef struct reg_key_info {
  DWORD keys, values, largest; /* bytes */
  FILETIME written;
} reg_key_info;

/* Opens a reader (+2). */
reg_reader reg_new_reader(lua_State *L, REGSAM view);
/* Makes room for `size` bytes after Windows said that the present room was too small. Values may grow between two
 * calls, so that this may have to be done again. */
void reg_make_room(reg_reader *r, DWORD size, const char *target);
/* Whether `key` is no key at all: Perflib\009 and the like open as the names of performance counters, which cannot be
 * enumerated, but for those who go through a tree they are just empty.
 * https://learn.microsoft.com/windows/win32/perfctrs/retrieving-counter-names-and-help-text */
int reg_is_performance(HKEY key);
reg_key_info reg_query_info(lua_State *L, HKEY key, const char *target);
/* Pushes {keys=, values=, written=}. */
void reg_push_info(lua_State *L, const reg_key_info *info);
/* Counts what a tree takes; raises when it is too much to be kept. */
void reg_charge(reg_reader *r, size_t bytes, const char *target);
/* Reads the name of subkey number `i` into r->name; returns its length, 0 after the last. */
DWORD reg_fetch_key_name(reg_reader *r, HKEY key, DWORD i, const char *target);
/* Pushes "parent\name" for the name in r->name; raises when Win32 cannot name it, so that it could neither be
 * entered nor be put back. */
const char *reg_push_path(reg_reader *r, const char *parent, DWORD length);
/* Pushes the rows of all values of `key`. */
void reg_push_rows(reg_reader *r, HKEY key, const reg_key_info *info, const char *target);
/* Pushes the target when `key`, opened with REG_OPTION_OPEN_LINK, is a link: it has one value, no subkeys. */
int reg_push_link(reg_reader *r, HKEY key, const reg_key_info *info, const char *target);
/* On the way down a tree: Ctrl-C, and room on the stack. */
void reg_enter(reg_reader *r, const char *target, int depth);
/* What a read returns for a thing that is absent. */
int reg_push_nil(lua_State *L);

/* ---- Security: reg_security.c ---- */

/* node.security = the key's own access list as SDDL, for the node on top; nothing when it is all inherited. */
void reg_add_security(reg_reader *r, HKEY key, const char *target);
/* Gives `key` the parts of security that the SDDL at `index` has. */
void reg_restore_security(lua_State *L, HKEY key, int index, const char *target);

/* ---- The functions ---- */

int reg_get(lua_State *L), reg_values(lua_State *L), reg_keys(lua_State *L), reg_exists(lua_State *L),
    reg_info(lua_State *L), reg_tree(lua_State *L), reg_security(lua_State *L), reg_watch(lua_State *L);
int reg_set(lua_State *L), reg_delete(lua_State *L), reg_create(lua_State *L), reg_set_security(lua_State *L),
    reg_save(lua_State *L), reg_load(lua_State *L), reg_unload(lua_State *L);

#endif
