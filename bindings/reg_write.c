#include <stdlib.h>

#include "reg_parts.h"

/* win.reg.set(key, name, value, {type= [, view=] [, raw=]})
 *   Writes a value of a key that exists. Values as `get` returns them; `raw` are bytes to store instead.
 *   Raises ERROR_FILE_NOT_FOUND when the key is absent, ERROR_INVALID_PARAMETER when the value does not fit its
 *   type: text with NUL, an empty string in a multi_sz, numbers out of range.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regsetvalueexw */
int reg_set(lua_State *L) {
  static const char *const options[] = {"type", "view", "raw", NULL};
  luax_arguments(L, 4, 4);
  luax_options(L, 4, options);
  DWORD type = reg_check_type(L, luax_field(L, 4, "type"));
  int raw = luax_field(L, 4, "raw");
  reg_key name = reg_check_key(L, 1, 4);
  const wchar_t *value = reg_check_value_name(L, 2);
  HKEY key = reg_open_key(L, &name, 0, KEY_SET_VALUE);
  if (key == NULL) luax_fail(L, name.text, ERROR_FILE_NOT_FOUND);
  reg_store(L, key, value, type, 3, raw, name.text);
  return 0;
}

P80_NORETURN static void fail_not_empty(lua_State *L, const char *target) {
  const char *op = lua_tostring(L, lua_upvalueindex(1));
  luax_pusherror(L, op, target, ERROR_DIR_NOT_EMPTY, "The key is not empty.", "pass {tree=true} to delete all of it");
  lua_error(L);
  abort();
}

/* Deletes the key that `key` is open for. One of another machine, whose handle is none of the kernel's, goes by its
 * name. */
static void delete_key(lua_State *L, const reg_key *name, HKEY key, const char *target) {
  static const NTSTATUS cannot_delete = (NTSTATUS)0xC0000121; /* STATUS_CANNOT_DELETE: there are subkeys */
  if (name->is_remote) {
    int top = lua_gettop(L);
    lua_pushstring(L, reg_path_of(target));
    const wchar_t *path = luax_checkwide(L, -1, "key", NULL);
    reg_check_status(L, target, win32.RegDeleteKeyExW(name->hive, path, name->view, 0));
    lua_settop(L, top);
    return;
  }
  NTSTATUS status = win32.NtDeleteKey(key);
  if (status == cannot_delete) fail_not_empty(L, target);
  if (status < 0) luax_fail(L, target, win32.RtlNtStatusToDosError(status));
}

/* Deletes what is below `key`, then `key`. */
static void delete_below(reg_reader *r, const reg_key *name, HKEY key, const char *target, int depth) {
  lua_State *L = r->L;
  DWORD i = reg_query_info(L, key, target).keys, length;
  reg_enter(r, target, depth);
  while (i > 0) { /* from the last, so that the numbers of the others stay */
    length = reg_fetch_key_name(r, key, --i, target);
    if (length == 0) continue;
    int top = lua_gettop(L);
    const char *path = reg_push_path(r, target, length);
    HKEY child = reg_open_below(L, key, r->name, REG_OPTION_OPEN_LINK, DELETE | KEY_READ | r->view, path);
    if (child) delete_below(r, name, child, path, depth + 1);
    lua_settop(L, top);
  }
  delete_key(L, name, key, target);
}

/* win.reg.delete(key, name [, {view=}])        deletes a value
 * win.reg.delete(key [, nil, {tree=, view=}])  deletes a key: an empty one or a link, with tree=true all below it
 *   Does nothing when it is absent. A registry link is deleted itself, never its target. Raises
 *   ERROR_DIR_NOT_EMPTY for a key with subkeys or values without tree=true.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regdeletevaluew
 * https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-zwdeletekey */
int reg_delete(lua_State *L) {
  static const char *const options[] = {"tree", "view", NULL};
  luax_arguments(L, 1, 3);
  luax_options(L, 3, options);
  int tree = luax_optboolean(L, luax_field(L, 3, "tree"), "tree", 0);
  reg_key name = reg_check_key(L, 1, 3);
  if (!lua_isnil(L, 2)) {
    const wchar_t *value = reg_check_value_name(L, 2);
    if (tree) luax_badvalue(L, 2, "name", "no name with tree=true");
    HKEY key = reg_open_key(L, &name, 0, KEY_SET_VALUE);
    LSTATUS status = key ? win32.RegDeleteValueW(key, value) : ERROR_SUCCESS;
    if (!reg_is_absent(status)) reg_check_status(L, name.text, status);
    return 0;
  }
  reg_check_below_hive(L, 1, &name);
  if (tree && name.hive == HKEY_CLASSES_ROOT)
    luax_failhint(L, name.text, ERROR_NOT_SUPPORTED,
                  "HKCR is two trees in one; name HKLM\\SOFTWARE\\Classes or HKCU\\Software\\Classes instead");
  winapi_load(L, "ntdll");
  HKEY key = reg_open_key(L, &name, REG_OPTION_OPEN_LINK, DELETE | KEY_READ);
  if (key == NULL) return 0;
  reg_reader r = reg_new_reader(L, name.view);
  reg_key_info info = reg_query_info(L, key, name.text);
  if (!tree && info.keys + info.values > 0 && !reg_push_link(&r, key, &info, name.text)) fail_not_empty(L, name.text);
  if (tree) delete_below(&r, &name, key, name.text, 1);
  else delete_key(L, &name, key, name.text);
  return 0;
}

/* Writes the rows at `rows` (as `values` returns them) into `key`. */
static void restore_values(lua_State *L, HKEY key, int rows, const char *target) {
  luaL_checktype(L, rows, LUA_TTABLE);
  int top = lua_gettop(L);
  for (lua_Integer i = 1; lua_rawgeti(L, rows, i) == LUA_TTABLE; i++) {
    int row = top + 1;
    const wchar_t *name = reg_check_value_name(L, luax_field(L, row, "name"));
    DWORD type = reg_check_type(L, luax_field(L, row, "type"));
    int value = luax_field(L, row, "value"), raw = luax_field(L, row, "raw");
    reg_store(L, key, name, type, value, raw, target);
    lua_settop(L, top);
  }
  lua_settop(L, top);
}

static void write_link(lua_State *L, HKEY key, int index, const char *target) {
  size_t size;
  const BYTE *bytes = reg_encode(L, index, REG_LINK, &size);
  LSTATUS status = win32.RegSetValueExW(key, LINK_VALUE, 0, REG_LINK, bytes, (DWORD)size);
  if (status == ERROR_SUCCESS) return;
  win32.NtDeleteKey(key); /* a link without a target would be in everybody's way */
  luax_fail(L, target, (DWORD)status);
}

/* Creates the key `name` below `parent` in a new slot (+1). With `fresh` it must not be there yet. */
static HKEY create_below(lua_State *L, HKEY parent, const wchar_t *name, DWORD options, REGSAM access, int fresh,
                         const char *target) {
  luax_handle *slot = luax_newhandle(L, reg_close_key);
  HKEY key = NULL;
  DWORD disposition = 0;
  reg_check_status(L, target,
                   win32.RegCreateKeyExW(parent, name, 0, NULL, options, access, NULL, &key, &disposition));
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
  if (is_secured) reg_restore_security(L, key, security, target); /* last: it may keep us out */
  lua_settop(L, top);
}

/* win.reg.create(key [, {view=, tree=}])
 *   Creates one key; the one above it must exist. Does nothing when it exists. With `tree` (as `tree` returns it)
 *   the key must be new and gets all that is in there.
 *   Raises ERROR_FILE_NOT_FOUND when the key above is absent.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regcreatekeyexw */
int reg_create(lua_State *L) {
  static const char *const options[] = {"view", "tree", NULL};
  luax_arguments(L, 1, 2);
  luax_options(L, 2, options);
  int tree = luax_field(L, 2, "tree");
  reg_key name = reg_check_key(L, 1, 2);
  wchar_t *path = lua_touserdata(L, -1); /* cut into the path above and the last name */
  reg_check_below_hive(L, 1, &name);
  wchar_t *last = path + wcslen(path);
  while (last[-1] != L'\\') last--;
  last[-1] = 0;
  reg_key above = name;
  if (name.path == last) above.path = L"";
  HKEY parent = reg_open_key(L, &above, 0, KEY_CREATE_SUB_KEY);
  if (parent == NULL) luax_failhint(L, name.text, ERROR_FILE_NOT_FOUND, "the key above it does not exist");
  winapi_load(L, "ntdll");
  if (lua_isnil(L, tree))
    create_below(L, parent, last, REG_OPTION_NON_VOLATILE, KEY_QUERY_VALUE | name.view, 0, name.text);
  else restore(L, name.view, parent, last, tree, name.text, 1);
  return 0;
}
