/* win.reg: the registry.
 *
 * A key is one string, "HKLM\SOFTWARE\Contoso": a hive (short or long name, any case) and names that a backslash
 * separates. On 64-bit Windows the 64-bit view is the default, for a 32-bit p80 too, and view=32 asks for the
 * other; a 32-bit Windows has one view, which both name.
 *
 * Registry links are followed on the way to a key, as Windows does, but nothing that goes through a tree follows
 * one: tree, info, delete and create open with REG_OPTION_OPEN_LINK and walk from handle to handle. Keys are
 * deleted with NtDeleteKey on the handle that was looked at, because RegDeleteKey fails for a link
 * (https://learn.microsoft.com/openspecs/windows_protocols/ms-rrp/d5ce9dcc-1f90-4f5a-b076-cc1d2c9b4195) and
 * RegDeleteTree goes through it. */
#include <stdint.h>
#include <string.h>

#include "luax.h"
#include "near.h"
#include "winapi.h"
#include "wtf8.h"

/* https://learn.microsoft.com/windows/win32/sysinfo/registry-element-size-limits */
enum {
  LONGEST_KEY_NAME = 255,
  LONGEST_VALUE_NAME = 16383,
  NAME_ROOM = LONGEST_VALUE_NAME + 1,
  LONGEST_PATH = 32000, /* a UNICODE_STRING holds 32767 units, with the hive's kernel name in front */
  DEEPEST = 512,
  LARGEST_TREE = 64 << 20,
  ITEM_COST = 64, /* what a name and its place count in LARGEST_TREE, apart from its text */
};

#define LINK_VALUE L"SymbolicLinkValue"

/* ---- Keys ---- */

/* A key as an argument named it. */
typedef struct key_name {
  HKEY hive;
  const wchar_t *path; /* below the hive; "" is the hive itself */
  const char *text;
  REGSAM view;
} key_name;

static const char *const hive_names[] = {
    "HKLM", "HKEY_LOCAL_MACHINE", "HKCU", "HKEY_CURRENT_USER",   "HKCR", "HKEY_CLASSES_ROOT",
    "HKU",  "HKEY_USERS",         "HKCC", "HKEY_CURRENT_CONFIG", NULL,
};
static const HKEY hives[] = {HKEY_LOCAL_MACHINE, HKEY_CURRENT_USER, HKEY_CLASSES_ROOT, HKEY_USERS,
                             HKEY_CURRENT_CONFIG};

/* Raises about the key at `index`, suggesting the hive that was probably meant. */
P80_NORETURN static void bad_hive(lua_State *L, int index) {
  char word[32];
  const char *text = lua_tostring(L, index);
  size_t n = strcspn(text, "\\/:");
  if (n >= sizeof word) n = sizeof word - 1;
  for (size_t i = 0; i < n; i++) word[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 'a' + 'A' : text[i]);
  word[n] = 0;
  const char *meant = nearest_word(word, hive_names);
  const char *hint = meant ? lua_pushfstring(L, "did you mean '%s\\...'?", meant) : NULL;
  luax_badvaluehint(L, index, "key", "a key such as HKLM\\SOFTWARE\\Contoso", hint);
}

/* The hive named by the first `n` letters of `text`, or NULL. */
static HKEY find_hive(const char *text, size_t n) {
  for (size_t i = 0; hive_names[i]; i++)
    if (strlen(hive_names[i]) == n && _strnicmp(hive_names[i], text, n) == 0) return hives[i / 2];
  return NULL;
}

/* Raises unless every part of the path of the key at `index` can be the name of a key. */
static void check_path(lua_State *L, int index, const wchar_t *path) {
  size_t total = 0, part = 0;
  for (;; total++) {
    if (path[total] != L'\\' && path[total] != 0) {
      if (++part > LONGEST_KEY_NAME) luax_badvalue(L, index, "key", "a key whose names have at most 255 characters");
      continue;
    }
    if (part == 0) luax_badvalue(L, index, "key", "a key without a doubled or trailing backslash");
    part = 0;
    if (path[total] == 0) break;
  }
  if (total > LONGEST_PATH) luax_badvalue(L, index, "key", "a key of at most 32000 characters");
}

/* The options' field `view` as access flags. */
static REGSAM check_view(lua_State *L, int options) {
  BOOL wow64 = FALSE;
  int view = luax_field(L, options, "view");
  lua_Integer bits = lua_isnil(L, view) ? 64 : luax_checkinteger(L, view, "view", 32, 64);
  if (bits != 32 && bits != 64) luax_badvalue(L, view, "view", "32 or 64");
  lua_pop(L, 1);
  if (sizeof(void *) == 4 && !(IsWow64Process(GetCurrentProcess(), &wow64) && wow64)) return 0;
  return bits == 32 ? KEY_WOW64_32KEY : KEY_WOW64_64KEY;
}

/* The key at `index`, with the view that the table of options at `options` names (+1). */
static key_name check_key(lua_State *L, int index, int options) {
  key_name name = {.text = luax_checktext(L, index, "key")};
  name.view = check_view(L, options);
  const wchar_t *wide = luax_checkwide(L, index, "key", NULL);
  size_t n = strcspn(name.text, "\\");
  name.hive = find_hive(name.text, n);
  if (name.hive == NULL) bad_hive(L, index);
  name.path = wide + n; /* a hive's name has as many units as bytes */
  if (*name.path) check_path(L, index, ++name.path);
  winapi_load(L, "advapi32");
  return name;
}

/* The name of a value at `index` as UTF-16 (+1); nil is the unnamed one. */
static const wchar_t *check_value_name(lua_State *L, int index) {
  if (lua_isnil(L, index)) {
    lua_pushnil(L);
    return L"";
  }
  size_t n;
  const wchar_t *wide = luax_checkwide(L, index, "name", &n);
  if (n > LONGEST_VALUE_NAME) luax_badvalue(L, index, "name", "a name of at most 16383 characters");
  return wide;
}

static void close_key(UINT_PTR value) { win32.RegCloseKey((HKEY)value); }

static void close_local(UINT_PTR value) { LocalFree((HLOCAL)value); }

static int is_absent(LSTATUS status) { return status == ERROR_FILE_NOT_FOUND || status == ERROR_PATH_NOT_FOUND; }

static void check_status(lua_State *L, const char *target, LSTATUS status) {
  if (status != ERROR_SUCCESS) luax_fail(L, target, (DWORD)status);
}

/* Opens `path` below `parent` in a new slot (+1); NULL when there is no such key. */
static HKEY open_below(lua_State *L, HKEY parent, const wchar_t *path, DWORD options, REGSAM access,
                       const char *target) {
  luax_handle *slot = luax_newhandle(L, close_key);
  HKEY key = NULL;
  LSTATUS status = win32.RegOpenKeyExW(parent, path, options, access, &key);
  if (is_absent(status)) return NULL;
  check_status(L, target, status);
  slot->value = (UINT_PTR)key;
  return key;
}

static HKEY open_key(lua_State *L, const key_name *name, DWORD options, REGSAM access) {
  return open_below(L, name->hive, name->path, options, access | name->view, name->text);
}

/* ---- Values: from bytes to Lua ---- */

static const char *const type_words[] = {
    "none",
    "sz",
    "expand_sz",
    "binary",
    "dword",
    "dword_big_endian",
    "link",
    "multi_sz",
    "resource_list",
    "full_resource_descriptor",
    "resource_requirements_list",
    "qword",
    NULL,
};
enum { KNOWN_TYPES = sizeof type_words / sizeof *type_words - 1 };

static void push_type(lua_State *L, DWORD type) {
  if (type < KNOWN_TYPES) lua_pushstring(L, type_words[type]);
  else lua_pushfstring(L, "type_%I", (LUAI_UACINT)type);
}

static int has_nul(const wchar_t *text, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (text[i] == 0) return 1;
  return 0;
}

/* Pushes text of whole units, without its one terminator when it is to have one; returns whether it was well
 * formed. */
static int push_text(lua_State *L, const wchar_t *text, DWORD size, int has_terminator) {
  size_t n = size / sizeof *text;
  int terminated = has_terminator && n > 0 && text[n - 1] == 0;
  if (terminated) n--;
  luax_pushwide(L, text, n);
  return size % sizeof *text == 0 && terminated == has_terminator && !has_nul(text, n);
}

/* Pushes the strings of a REG_MULTI_SZ; empty ones at the end are its terminators. Returns whether it was as `set`
 * would write it. */
static int push_multi(lua_State *L, const wchar_t *text, DWORD size) {
  size_t n = size / sizeof *text, end = n;
  while (end > 0 && text[end - 1] == 0) end--;
  lua_newtable(L);
  int formed = size % sizeof *text == 0 && n - end == (end > 0 ? 2U : 1U);
  lua_Integer count = 0;
  for (size_t start = 0; start < end;) {
    size_t stop = start;
    while (stop < end && text[stop] != 0) stop++;
    if (stop == start) formed = 0;
    luax_pushwide(L, text + start, stop - start);
    lua_rawseti(L, -2, ++count);
    start = stop + 1;
  }
  return formed;
}

static int push_bytes(lua_State *L, const BYTE *data, DWORD size) {
  lua_pushlstring(L, (const char *)data, size);
  return 1;
}

/* Pushes a whole number of `wanted` bytes; the bytes as they are when there are more or fewer. */
static int push_number(lua_State *L, const BYTE *data, DWORD size, DWORD wanted, int big_endian) {
  if (size != wanted) {
    push_bytes(L, data, size);
    return 0;
  }
  ULONGLONG number = 0;
  for (DWORD i = 0; i < size; i++) number = number << 8 | data[big_endian ? i : size - 1 - i];
  lua_pushinteger(L, (lua_Integer)number);
  return 1;
}

/* Pushes a value; returns whether its bytes were what `set` would write for it. `data` is aligned. */
static int push_value(lua_State *L, DWORD type, const BYTE *data, DWORD size) {
  const wchar_t *text = (const wchar_t *)(const void *)data;
  switch (type) {
    case REG_SZ:
    case REG_EXPAND_SZ:
      return push_text(L, text, size, 1);
    case REG_LINK:
      return push_text(L, text, size, 0);
    case REG_MULTI_SZ:
      return push_multi(L, text, size);
    case REG_DWORD:
    case REG_DWORD_BIG_ENDIAN:
      return push_number(L, data, size, sizeof(DWORD), type == REG_DWORD_BIG_ENDIAN);
    case REG_QWORD:
      return push_number(L, data, size, sizeof(ULONGLONG), 0);
    default:
      return push_bytes(L, data, size);
  }
}

/* ---- Reading ---- */

/* The buffers that a function uses for all it reads; they live in its stack slots. */
typedef struct reader {
  lua_State *L;
  REGSAM view;
  wchar_t *name; /* NAME_ROOM units */
  BYTE *data;
  DWORD room; /* of data, in bytes */
  int data_slot;
  int in_tree; /* whether what is read must be fit to be put back */
  size_t left; /* bytes that may still be read */
} reader;

/* Opens a reader (+2). */
static reader new_reader(lua_State *L, REGSAM view) {
  enum { FIRST_ROOM = 1024 };
  reader r = {.L = L, .view = view, .room = FIRST_ROOM, .left = SIZE_MAX};
  r.name = lua_newuserdatauv(L, NAME_ROOM * sizeof *r.name, 0);
  r.data = lua_newuserdatauv(L, r.room, 0);
  r.data_slot = lua_gettop(L);
  return r;
}

/* Makes room for `size` bytes after Windows said that the present room was too small. Values may grow between two
 * calls, so that this may have to be done again. */
static void make_room(reader *r, DWORD size, const char *target) {
  enum { LARGEST = 0x7FFFFFFF };
  if (size <= r->room || size > LARGEST) luax_fail(r->L, target, ERROR_MORE_DATA);
  r->data = lua_newuserdatauv(r->L, size, 0);
  lua_replace(r->L, r->data_slot);
  r->room = size;
}

/* Reads the value `name` of `key`; returns 0 when there is none. */
static int fetch(reader *r, HKEY key, const wchar_t *name, DWORD *type, DWORD *size, const char *target) {
  for (;;) {
    *size = r->room;
    LSTATUS status = win32.RegQueryValueExW(key, name, NULL, type, r->data, size);
    if (is_absent(status)) return 0;
    if (status != ERROR_MORE_DATA) {
      check_status(r->L, target, status);
      return 1;
    }
    make_room(r, *size, target);
  }
}

/* Reads value number `i` of `key`, its name into r->name; returns 0 after the last. */
static int fetch_next(reader *r, HKEY key, DWORD i, DWORD *length, DWORD *type, DWORD *size, const char *target) {
  for (;;) {
    *length = NAME_ROOM;
    *size = r->room;
    LSTATUS status = win32.RegEnumValueW(key, i, r->name, length, NULL, type, r->data, size);
    if (status == ERROR_NO_MORE_ITEMS) return 0;
    if (status != ERROR_MORE_DATA) {
      check_status(r->L, target, status);
      return 1;
    }
    make_room(r, *size, target);
  }
}

typedef struct key_info {
  DWORD keys, values, largest; /* bytes */
  FILETIME written;
} key_info;

static key_info query_info(lua_State *L, HKEY key, const char *target) {
  key_info info = {0};
  check_status(L, target,
               win32.RegQueryInfoKeyW(key, NULL, NULL, NULL, &info.keys, NULL, NULL, &info.values, NULL,
                                      &info.largest, NULL, &info.written));
  return info;
}

/* An array size to begin with; Windows' count is a hint. */
static int room_for(DWORD count) { return count < 1 << 20 ? (int)count : 1 << 20; }

/* Counts what a tree takes; raises when it is too much to be kept. */
static void charge(reader *r, size_t bytes, const char *target) {
  if (bytes + ITEM_COST > r->left) {
    const char *op = lua_tostring(r->L, lua_upvalueindex(1));
    luax_pusherror(r->L, op, target, ERROR_FILE_TOO_LARGE, "The tree of keys is larger than 64 MiB.",
                   "take its subkeys one by one");
    lua_error(r->L);
  }
  r->left -= bytes + ITEM_COST;
}

/* Pushes "parent\name" for the name in r->name; raises when Win32 cannot name it, so that it could neither be
 * entered nor be put back. */
static const char *push_path(reader *r, const char *parent, DWORD length) {
  lua_State *L = r->L;
  int named = !has_nul(r->name, length);
  for (DWORD i = 0; !named && i < length; i++)
    if (r->name[i] == 0) r->name[i] = 0x2400; /* the symbol for NUL */
  lua_pushfstring(L, "%s\\", parent);
  luax_pushwide(L, r->name, length);
  lua_concat(L, 2);
  if (named) return lua_tostring(L, -1);
  luax_failhint(L, lua_tostring(L, -1), ERROR_INVALID_NAME,
                "this name has a NUL in it, so that Windows' own tools cannot open it either");
}

/* Pushes the rows of all values of `key`. */
static void push_rows(reader *r, HKEY key, const key_info *info, const char *target) {
  lua_State *L = r->L;
  DWORD length, type, size;
  if (info->largest > r->room) make_room(r, info->largest, target);
  lua_createtable(L, room_for(info->values), 0);
  for (DWORD i = 0; fetch_next(r, key, i, &length, &type, &size, target); i++) {
    if (r->in_tree && has_nul(r->name, length)) push_path(r, target, length);
    lua_createtable(L, 0, 3);
    luax_pushwide(L, r->name, length);
    lua_setfield(L, -2, "name");
    push_type(L, type);
    lua_setfield(L, -2, "type");
    int formed = push_value(L, type, r->data, size);
    lua_setfield(L, -2, "value");
    if (!formed) {
      push_bytes(L, r->data, size);
      lua_setfield(L, -2, "raw");
    }
    lua_rawseti(L, -2, (lua_Integer)i + 1);
    charge(r, size + 2 * (size_t)length, target);
  }
}

/* Reads the name of subkey number `i` into r->name; returns its length, 0 after the last. */
static DWORD fetch_key_name(reader *r, HKEY key, DWORD i, const char *target) {
  DWORD length = NAME_ROOM;
  LSTATUS status = win32.RegEnumKeyExW(key, i, r->name, &length, NULL, NULL, NULL, NULL);
  if (status == ERROR_NO_MORE_ITEMS) return 0;
  check_status(r->L, target, status);
  return length;
}

/* Opens the key for a read that is called as f(key [, {view=}]); NULL when it is absent. */
static HKEY open_argument(lua_State *L, key_name *name, DWORD options, REGSAM access) {
  static const char *const known[] = {"view", NULL};
  luax_arguments(L, 1, 2);
  luax_options(L, 2, known);
  *name = check_key(L, 1, 2);
  return open_key(L, name, options, access);
}

/* What a read returns for a thing that is absent. */
static int push_nil(lua_State *L) {
  lua_pushnil(L);
  return 1;
}

/* win.reg.get(key, name [, {view=}]) -> value, type [, raw]
 *   The value `name` of `key`; nil or "" is the unnamed one. nil when the key or the value is absent. By type:
 *   sz, expand_sz, link: text (expand_sz as it is stored); multi_sz: array of text; dword, dword_big_endian:
 *   integer 0..2^32-1; qword: 64-bit integer (from 2^63 on negative, as Lua has it); binary, none, resource_list,
 *   full_resource_descriptor, resource_requirements_list and type_<number>: bytes.
 *   `raw` is there only when the stored bytes are not what `set` would write for the value (text without its
 *   terminator or with embedded NULs, which stay in the value; an odd number of bytes, whose last the value lacks;
 *   empty strings in a multi_sz; numbers of a wrong size, whose value is the bytes): it has them as they are.
 * Errors: ERROR_ACCESS_DENIED.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regqueryvalueexw
 * https://learn.microsoft.com/windows/win32/sysinfo/registry-value-types */
static int reg_get(lua_State *L) {
  static const char *const options[] = {"view", NULL};
  luax_arguments(L, 1, 3);
  luax_options(L, 3, options);
  key_name name = check_key(L, 1, 3);
  const wchar_t *value = check_value_name(L, 2);
  HKEY key = open_key(L, &name, 0, KEY_QUERY_VALUE);
  if (key == NULL) return push_nil(L);
  reader r = new_reader(L, name.view);
  DWORD type, size;
  if (!fetch(&r, key, value, &type, &size, name.text)) return push_nil(L);
  int formed = push_value(L, type, r.data, size);
  push_type(L, type);
  if (!formed) push_bytes(L, r.data, size);
  return formed ? 2 : 3;
}

/* win.reg.values(key [, {view=}]) -> {{name=, type=, value= [, raw=]}, ...} or nil
 *   All values in Windows' order, as `get` returns them; the unnamed one has the name "". nil when the key is
 *   absent.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regenumvaluew */
static int reg_values(lua_State *L) {
  key_name name;
  HKEY key = open_argument(L, &name, 0, KEY_QUERY_VALUE);
  if (key == NULL) return push_nil(L);
  key_info info = query_info(L, key, name.text);
  reader r = new_reader(L, name.view);
  push_rows(&r, key, &info, name.text);
  return 1;
}

/* win.reg.keys(key [, {view=}]) -> {name, ...} or nil
 *   The names of the subkeys in Windows' order; nil when the key is absent.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regenumkeyexw */
static int reg_keys(lua_State *L) {
  key_name name;
  HKEY key = open_argument(L, &name, 0, KEY_QUERY_VALUE | KEY_ENUMERATE_SUB_KEYS);
  if (key == NULL) return push_nil(L);
  key_info info = query_info(L, key, name.text);
  reader r = new_reader(L, name.view);
  lua_createtable(L, room_for(info.keys), 0);
  DWORD length;
  for (DWORD i = 0; (length = fetch_key_name(&r, key, i, name.text)) > 0; i++) {
    luax_pushwide(L, r.name, length);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* win.reg.exists(key [, {view=}]) -> boolean
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regopenkeyexw */
static int reg_exists(lua_State *L) {
  key_name name;
  lua_pushboolean(L, open_argument(L, &name, 0, KEY_QUERY_VALUE) != NULL);
  return 1;
}

/* Pushes the target when `key`, opened with REG_OPTION_OPEN_LINK, is a link: it has one value, no subkeys. */
static int push_link(reader *r, HKEY key, const key_info *info, const char *target) {
  DWORD type, size;
  if (info->keys != 0 || info->values != 1) return 0;
  if (!fetch(r, key, LINK_VALUE, &type, &size, target) || type != REG_LINK) return 0;
  push_value(r->L, type, r->data, size);
  return 1;
}

/* win.reg.info(key [, {view=}]) -> {keys=, values=, written= [, link=]} or nil
 *   How many subkeys and values there are and when the key was last written (ISO 8601, UTC). Of a registry link
 *   it tells about the link itself, with `link` as the kernel's name of its target.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regqueryinfokeyw */
static int reg_info(lua_State *L) {
  key_name name;
  HKEY key = open_argument(L, &name, REG_OPTION_OPEN_LINK, KEY_QUERY_VALUE);
  if (key == NULL) return push_nil(L);
  key_info info = query_info(L, key, name.text);
  reader r = new_reader(L, name.view);
  lua_createtable(L, 0, 4);
  luax_setinteger(L, "keys", info.keys);
  luax_setinteger(L, "values", info.values);
  luax_pushtime(L, (ULONGLONG)info.written.dwHighDateTime << 32 | info.written.dwLowDateTime);
  lua_setfield(L, -2, "written");
  if (push_link(&r, key, &info, name.text)) lua_setfield(L, -2, "link");
  return 1;
}

/* ---- Trees ---- */

/* Whether a list of access rights says more than what the parent hands down. */
static int is_explicit(PSECURITY_DESCRIPTOR descriptor) {
  SECURITY_DESCRIPTOR_CONTROL control;
  DWORD revision;
  BOOL present = FALSE, defaulted;
  PACL list = NULL;
  if (!win32.GetSecurityDescriptorControl(descriptor, &control, &revision)) return 0;
  if (!win32.GetSecurityDescriptorDacl(descriptor, &present, &list, &defaulted) || !present) return 0;
  if (list == NULL || (control & SE_DACL_PROTECTED) != 0) return 1;
  for (DWORD i = 0; i < list->AceCount; i++) {
    void *entry;
    if (win32.GetAce(list, i, &entry) && (((ACE_HEADER *)entry)->AceFlags & INHERITED_ACE) == 0) return 1;
  }
  return 0;
}

/* node.security = the key's own access list as SDDL, for the node on top; nothing when it is all inherited. */
static void set_security(reader *r, HKEY key, const char *target) {
  lua_State *L = r->L;
  for (;;) {
    DWORD size = r->room;
    LSTATUS status = win32.RegGetKeySecurity(key, DACL_SECURITY_INFORMATION, r->data, &size);
    if (status == ERROR_SUCCESS) break;
    if (status != ERROR_INSUFFICIENT_BUFFER) check_status(L, target, status);
    make_room(r, size, target);
  }
  if (!is_explicit(r->data)) return;
  luax_handle *slot = luax_newhandle(L, close_local);
  LPWSTR text = NULL;
  if (!win32.ConvertSecurityDescriptorToStringSecurityDescriptorW(r->data, SDDL_REVISION_1, DACL_SECURITY_INFORMATION,
                                                                  &text, NULL))
    luax_fail(L, target, GetLastError());
  slot->value = (UINT_PTR)text;
  luax_pushwidez(L, text);
  lua_setfield(L, -3, "security");
  lua_pop(L, 1);
}

static void enter(reader *r, const char *target, int depth) {
  if (depth > DEEPEST) luax_fail(r->L, target, ERROR_FILENAME_EXCED_RANGE);
  luaL_checkstack(r->L, 16, "registry tree");
  luax_sleep(r->L, 0); /* Ctrl-C */
}

static void push_node(reader *r, HKEY key, const char *target, int depth);

/* node.keys[name] = its node, for the subkey whose name is in r->name and the `keys` on top. */
static void add_subkey(reader *r, HKEY key, DWORD length, const char *target, int depth) {
  lua_State *L = r->L;
  int top = lua_gettop(L);
  const char *path = push_path(r, target, length);
  luax_pushwide(L, r->name, length);
  charge(r, 2 * (size_t)length, path);
  HKEY child = open_below(L, key, r->name, REG_OPTION_OPEN_LINK, KEY_READ | r->view, path);
  if (child) { /* otherwise somebody has just deleted it */
    push_node(r, child, path, depth + 1);
    lua_pushvalue(L, top + 2);
    lua_insert(L, -2);
    lua_rawset(L, top);
  }
  lua_settop(L, top); /* closes the child */
}

/* Pushes {keys={name = node}, values={row, ...}, security=, link=} for `key`. */
static void push_node(reader *r, HKEY key, const char *target, int depth) {
  lua_State *L = r->L;
  enter(r, target, depth);
  key_info info = query_info(L, key, target);
  lua_createtable(L, 0, 3);
  set_security(r, key, target);
  int is_link = push_link(r, key, &info, target);
  if (is_link) lua_setfield(L, -2, "link");
  lua_newtable(L);
  DWORD length;
  for (DWORD i = 0; !is_link && (length = fetch_key_name(r, key, i, target)) > 0; i++)
    add_subkey(r, key, length, target, depth);
  lua_setfield(L, -2, "keys");
  if (is_link) lua_newtable(L);
  else push_rows(r, key, &info, target);
  lua_setfield(L, -2, "values");
}

/* win.reg.tree(key [, {view=}]) -> {keys={name = subtree}, values={row, ...} [, security=] [, link=]} or nil
 *   Everything below a key; rows as in `values`. `security` is the key's access list as SDDL where it is more than
 *   what it inherits. A registry link, also `key` itself, is not followed: its node has the kernel's name of the
 *   target as `link`, no keys and no values. Raises ERROR_FILE_TOO_LARGE when the tree takes more than 64 MiB,
 *   ERROR_INVALID_NAME when a key or value in it has a NUL in its name.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regenumkeyexw */
static int reg_tree(lua_State *L) {
  key_name name;
  HKEY key = open_argument(L, &name, REG_OPTION_OPEN_LINK, KEY_READ);
  if (key == NULL) return push_nil(L);
  reader r = new_reader(L, name.view);
  r.in_tree = 1;
  r.left = LARGEST_TREE;
  push_node(&r, key, name.text, 1);
  return 1;
}

/* ---- Values: from Lua to bytes ---- */

/* The number of the type whose word is at `index`. */
static DWORD check_type(lua_State *L, int index) {
  const char *word = luax_checktext(L, index, "type");
  for (DWORD i = 0; i < KNOWN_TYPES; i++)
    if (strcmp(word, type_words[i]) == 0) return i;
  ULONGLONG number = 0;
  const char *digit = strncmp(word, "type_", 5) == 0 && word[5] != '0' ? word + 5 : "";
  for (; *digit >= '0' && *digit <= '9' && number <= MAXDWORD; digit++)
    number = number * 10 + (ULONGLONG)(*digit - '0');
  if (*digit == 0 && number >= KNOWN_TYPES && number <= MAXDWORD) return (DWORD)number;
  const char *meant = nearest_word(word, type_words);
  const char *hint = meant ? lua_pushfstring(L, "did you mean '%s'?", meant) : NULL;
  luax_badvaluehint(L, index, "type", "a type such as sz, expand_sz, multi_sz, dword, qword, binary", hint);
}

/* The bytes of a value in a userdata (+1). Two bytes that are not zero follow them: Windows takes zero bytes right
 * behind an unterminated text for its terminator. */
static BYTE *new_bytes(lua_State *L, size_t size, const void *from) {
  BYTE *bytes = lua_newuserdatauv(L, size + 2, 0);
  if (from) memcpy(bytes, from, size);
  memset(bytes + size, 0xFF, 2);
  return bytes;
}

static const BYTE *number_bytes(lua_State *L, ULONGLONG number, DWORD size, int big_endian) {
  BYTE *bytes = new_bytes(L, size, NULL);
  for (DWORD i = 0; i < size; i++, number >>= 8) bytes[big_endian ? size - 1 - i : i] = (BYTE)number;
  return bytes;
}

/* The array of text at `index`, joined and ended as REG_MULTI_SZ asks, as UTF-16 (+1). */
static const wchar_t *multi_text(lua_State *L, int index, size_t *length) {
  if (!lua_istable(L, index)) luax_badvalue(L, index, "value", "an array of text");
  lua_Integer n = (lua_Integer)lua_rawlen(L, index), fields = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) fields++;
  if (fields != n) luax_badvalue(L, index, "value", "an array of text without gaps");
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, index, i);
    const char *name = lua_pushfstring(L, "value[%I]", (LUAI_UACINT)i);
    const char *text = luax_checktext(L, -2, name);
    if (*text == 0) luax_badvalue(L, -2, name, "text that is not empty (a multi_sz ends at the first empty one)");
    if (wtf8_wide_length(text, strlen(text)) == WTF8_INVALID) luax_badvalue(L, -2, name, "valid UTF-8");
    lua_pop(L, 1);
    luaL_addvalue(&b);
    luaL_addchar(&b, 0);
  }
  luaL_addchar(&b, 0);
  luaL_pushresult(&b);
  return luax_checkwidebytes(L, lua_gettop(L), "value", length);
}

/* The bytes for the Lua value at `index` as `type` (+ some slots). */
static const BYTE *encode(lua_State *L, int index, DWORD type, size_t *size) {
  size_t units;
  const void *text;
  switch (type) {
    case REG_SZ:
    case REG_EXPAND_SZ:
    case REG_LINK:
      text = luax_checkwide(L, index, "value", &units);
      *size = (units + (type != REG_LINK)) * sizeof(wchar_t);
      return new_bytes(L, *size, text);
    case REG_MULTI_SZ:
      text = multi_text(L, index, &units);
      *size = units * sizeof(wchar_t);
      return new_bytes(L, *size, text);
    case REG_DWORD:
    case REG_DWORD_BIG_ENDIAN:
      *size = sizeof(DWORD);
      return number_bytes(L, (ULONGLONG)luax_checkinteger(L, index, "value", 0, MAXDWORD), sizeof(DWORD),
                          type == REG_DWORD_BIG_ENDIAN);
    case REG_QWORD:
      *size = sizeof(ULONGLONG);
      return number_bytes(L, (ULONGLONG)luax_checkinteger(L, index, "value", LUA_MININTEGER, LUA_MAXINTEGER),
                          sizeof(ULONGLONG), 0);
    default:
      if (lua_type(L, index) != LUA_TSTRING) luax_badvalue(L, index, "value", "bytes (a string)");
      text = lua_tolstring(L, index, size);
      return new_bytes(L, *size, text);
  }
}

/* Writes a value of `key`: the Lua value at `index` as `type`, or the bytes at `raw` when there are some. */
static void store(lua_State *L, HKEY key, const wchar_t *name, DWORD type, int index, int raw, const char *target) {
  size_t size;
  const BYTE *bytes = encode(L, lua_isnil(L, raw) ? index : raw, lua_isnil(L, raw) ? type : REG_BINARY, &size);
  if (size > 0x7FFFFFFF) luax_fail(L, target, ERROR_FILE_TOO_LARGE);
  check_status(L, target, win32.RegSetValueExW(key, name, 0, type, bytes, (DWORD)size));
}

/* ---- Writes (in the core only) ---- */

/* win.reg.set(key, name, value, {type= [, view=] [, raw=]})
 *   Writes a value of a key that exists. Values as `get` returns them; `raw` are bytes to store instead.
 *   Raises ERROR_FILE_NOT_FOUND when the key is absent, ERROR_INVALID_PARAMETER when the value does not fit its
 *   type: text with NUL, an empty string in a multi_sz, numbers out of range.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regsetvalueexw */
static int reg_set(lua_State *L) {
  static const char *const options[] = {"type", "view", "raw", NULL};
  luax_arguments(L, 4, 4);
  luax_options(L, 4, options);
  DWORD type = check_type(L, luax_field(L, 4, "type"));
  int raw = luax_field(L, 4, "raw");
  key_name name = check_key(L, 1, 4);
  const wchar_t *value = check_value_name(L, 2);
  HKEY key = open_key(L, &name, 0, KEY_SET_VALUE);
  if (key == NULL) luax_fail(L, name.text, ERROR_FILE_NOT_FOUND);
  store(L, key, value, type, 3, raw, name.text);
  return 0;
}

/* Raises about the key at `index` when it is a hive. */
static void check_below_hive(lua_State *L, int index, const key_name *name) {
  if (*name->path == 0) luax_badvalue(L, index, "key", "a key below a hive");
}

P80_NORETURN static void fail_not_empty(lua_State *L, const char *target) {
  const char *op = lua_tostring(L, lua_upvalueindex(1));
  luax_pusherror(L, op, target, ERROR_DIR_NOT_EMPTY, "The key is not empty.", "pass {tree=true} to delete all of it");
  lua_error(L);
  abort();
}

static void delete_key(lua_State *L, HKEY key, const char *target) {
  static const NTSTATUS cannot_delete = (NTSTATUS)0xC0000121; /* STATUS_CANNOT_DELETE: there are subkeys */
  NTSTATUS status = win32.NtDeleteKey(key);
  if (status == cannot_delete) fail_not_empty(L, target);
  if (status < 0) luax_fail(L, target, win32.RtlNtStatusToDosError(status));
}

/* Deletes what is below `key`, then `key`. */
static void delete_below(reader *r, HKEY key, const char *target, int depth) {
  lua_State *L = r->L;
  DWORD i = query_info(L, key, target).keys, length;
  enter(r, target, depth);
  while (i > 0) { /* from the last, so that the numbers of the others stay */
    length = fetch_key_name(r, key, --i, target);
    if (length == 0) continue;
    int top = lua_gettop(L);
    const char *path = push_path(r, target, length);
    HKEY child = open_below(L, key, r->name, REG_OPTION_OPEN_LINK, DELETE | KEY_READ | r->view, path);
    if (child) delete_below(r, child, path, depth + 1);
    lua_settop(L, top);
  }
  delete_key(L, key, target);
}

/* win.reg.delete(key, name [, {view=}])        deletes a value
 * win.reg.delete(key [, nil, {tree=, view=}])  deletes a key: an empty one or a link, with tree=true all below it
 *   Does nothing when it is absent. A registry link is deleted itself, never its target. Raises
 *   ERROR_DIR_NOT_EMPTY for a key with subkeys or values without tree=true.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regdeletevaluew
 * https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-zwdeletekey */
static int reg_delete(lua_State *L) {
  static const char *const options[] = {"tree", "view", NULL};
  luax_arguments(L, 1, 3);
  luax_options(L, 3, options);
  int tree = luax_optboolean(L, luax_field(L, 3, "tree"), "tree", 0);
  key_name name = check_key(L, 1, 3);
  if (!lua_isnil(L, 2)) {
    const wchar_t *value = check_value_name(L, 2);
    if (tree) luax_badvalue(L, 2, "name", "no name with tree=true");
    HKEY key = open_key(L, &name, 0, KEY_SET_VALUE);
    LSTATUS status = key ? win32.RegDeleteValueW(key, value) : ERROR_SUCCESS;
    if (!is_absent(status)) check_status(L, name.text, status);
    return 0;
  }
  check_below_hive(L, 1, &name);
  if (tree && name.hive == HKEY_CLASSES_ROOT)
    luax_failhint(L, name.text, ERROR_NOT_SUPPORTED,
                  "HKCR is two trees in one; name HKLM\\SOFTWARE\\Classes or HKCU\\Software\\Classes instead");
  winapi_load(L, "ntdll");
  HKEY key = open_key(L, &name, REG_OPTION_OPEN_LINK, DELETE | KEY_READ);
  if (key == NULL) return 0;
  reader r = new_reader(L, name.view);
  key_info info = query_info(L, key, name.text);
  if (!tree && info.keys + info.values > 0 && !push_link(&r, key, &info, name.text)) fail_not_empty(L, name.text);
  if (tree) delete_below(&r, key, name.text, 1);
  else delete_key(L, key, name.text);
  return 0;
}

/* Gives `key` the access list that is the SDDL at `index`. */
static void restore_security(lua_State *L, HKEY key, int index, const char *target) {
  const wchar_t *text = luax_checkwide(L, index, "security", NULL);
  luax_handle *slot = luax_newhandle(L, close_local);
  PSECURITY_DESCRIPTOR descriptor = NULL;
  if (!win32.ConvertStringSecurityDescriptorToSecurityDescriptorW(text, SDDL_REVISION_1, &descriptor, NULL))
    luax_fail(L, target, GetLastError());
  slot->value = (UINT_PTR)descriptor;
  check_status(L, target, win32.RegSetKeySecurity(key, DACL_SECURITY_INFORMATION, descriptor));
}

/* Writes the rows at `rows` (as `values` returns them) into `key`. */
static void restore_values(lua_State *L, HKEY key, int rows, const char *target) {
  luaL_checktype(L, rows, LUA_TTABLE);
  int top = lua_gettop(L);
  for (lua_Integer i = 1; lua_rawgeti(L, rows, i) == LUA_TTABLE; i++) {
    int row = top + 1;
    const wchar_t *name = check_value_name(L, luax_field(L, row, "name"));
    DWORD type = check_type(L, luax_field(L, row, "type"));
    int value = luax_field(L, row, "value"), raw = luax_field(L, row, "raw");
    store(L, key, name, type, value, raw, target);
    lua_settop(L, top);
  }
  lua_settop(L, top);
}

static void write_link(lua_State *L, HKEY key, int index, const char *target) {
  size_t size;
  const BYTE *bytes = encode(L, index, REG_LINK, &size);
  LSTATUS status = win32.RegSetValueExW(key, LINK_VALUE, 0, REG_LINK, bytes, (DWORD)size);
  if (status == ERROR_SUCCESS) return;
  win32.NtDeleteKey(key); /* a link without a target would be in everybody's way */
  luax_fail(L, target, (DWORD)status);
}

/* Creates the key `name` below `parent` in a new slot (+1). With `fresh` it must not be there yet. */
static HKEY create_below(lua_State *L, HKEY parent, const wchar_t *name, DWORD options, REGSAM access, int fresh,
                         const char *target) {
  luax_handle *slot = luax_newhandle(L, close_key);
  HKEY key = NULL;
  DWORD disposition = 0;
  check_status(L, target, win32.RegCreateKeyExW(parent, name, 0, NULL, options, access, NULL, &key, &disposition));
  slot->value = (UINT_PTR)key;
  if (fresh && disposition != REG_CREATED_NEW_KEY) luax_fail(L, target, ERROR_ALREADY_EXISTS);
  return key;
}

/* Creates the key `name` below `parent` with all that the node at `node` (as `tree` returns it) has. */
static void restore(lua_State *L, REGSAM view, HKEY parent, const wchar_t *name, int node, const char *target,
                    int depth) {
  if (depth > DEEPEST) luax_fail(L, target, ERROR_FILENAME_EXCED_RANGE);
  luaL_checkstack(L, 24, "registry tree");
  int top = lua_gettop(L), link = luax_field(L, node, "link"), security = luax_field(L, node, "security");
  int is_link = !lua_isnil(L, link), is_secured = !lua_isnil(L, security);
  HKEY key = create_below(
      L, parent, name, is_link ? REG_OPTION_CREATE_LINK : REG_OPTION_NON_VOLATILE,
      KEY_READ | KEY_WRITE | (is_link ? KEY_CREATE_LINK | DELETE : 0U) | (is_secured ? WRITE_DAC : 0U) | view, 1,
      target);
  if (is_link) write_link(L, key, link, target);
  restore_values(L, key, luax_field(L, node, "values"), target);
  int keys = luax_field(L, node, "keys");
  luaL_checktype(L, keys, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, keys); lua_settop(L, keys + 1)) {
    const wchar_t *child = luax_checkwide(L, keys + 1, "key", NULL);
    const char *path = lua_pushfstring(L, "%s\\%s", target, lua_tostring(L, keys + 1));
    restore(L, view, key, child, keys + 2, path, depth + 1);
  }
  if (is_secured) restore_security(L, key, security, target); /* last: it may keep us out */
  lua_settop(L, top);
}

/* win.reg.create(key [, {view=, tree=}])
 *   Creates one key; the one above it must exist. Does nothing when it exists. With `tree` (as `tree` returns it)
 *   the key must be new and gets all that is in there.
 *   Raises ERROR_FILE_NOT_FOUND when the key above is absent.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regcreatekeyexw */
static int reg_create(lua_State *L) {
  static const char *const options[] = {"view", "tree", NULL};
  luax_arguments(L, 1, 2);
  luax_options(L, 2, options);
  int tree = luax_field(L, 2, "tree");
  key_name name = check_key(L, 1, 2);
  wchar_t *path = lua_touserdata(L, -1); /* cut into the path above and the last name */
  check_below_hive(L, 1, &name);
  wchar_t *last = path + wcslen(path);
  while (last[-1] != L'\\') last--;
  last[-1] = 0;
  key_name above = name;
  if (name.path == last) above.path = L"";
  HKEY parent = open_key(L, &above, 0, KEY_CREATE_SUB_KEY);
  if (parent == NULL) luax_failhint(L, name.text, ERROR_FILE_NOT_FOUND, "the key above it does not exist");
  winapi_load(L, "ntdll");
  if (lua_isnil(L, tree))
    create_below(L, parent, last, REG_OPTION_NON_VOLATILE, KEY_QUERY_VALUE | name.view, 0, name.text);
  else restore(L, name.view, parent, last, tree, name.text, 1);
  return 0;
}

static const luaL_Reg reads[] = {
    {"get", reg_get},   {"values", reg_values}, {"keys", reg_keys}, {"exists", reg_exists},
    {"info", reg_info}, {"tree", reg_tree},     {NULL, NULL},
};
static const luaL_Reg writes[] = {{"set", reg_set}, {"delete", reg_delete}, {"create", reg_create},
                                   {"import", NULL}, {"copy", NULL},     {NULL, NULL}};

const luax_subject reg_subject = {"reg", reads, writes, "reg"};
