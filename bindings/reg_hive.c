#include "privilege.h"
#include "reg_parts.h"

/* The file at `index` by its absolute path (+ some slots). */
static const wchar_t *check_file(lua_State *L, int index) {
  luax_pushfullpath(L, index, "file");
  return luax_checkwide(L, -1, "file", NULL);
}

/* A key that a hive can be loaded as: right below HKLM or HKU. */
static reg_key check_mount(lua_State *L, int index) {
  lua_pushnil(L);
  reg_key name = reg_check_key(L, index, lua_gettop(L));
  reg_check_below_hive(L, index, &name);
  const char *path = reg_path_of(name.text);
  int in_hive = name.is_remote || name.hive == HKEY_LOCAL_MACHINE || name.hive == HKEY_USERS;
  while (*path && *path != '\\') path++;
  if (!in_hive || *path) luax_badvalue(L, index, "key", "a key right below HKLM or HKU");
  privilege_enable(L, L"SeBackupPrivilege");
  privilege_enable(L, L"SeRestorePrivilege");
  return name;
}

/* win.reg.save(key, file [, {view=}])
 *   Writes a key and all below it into a new hive file. Raises ERROR_FILE_NOT_FOUND when the key is absent,
 *   ERROR_ALREADY_EXISTS when the file is there.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regsavekeyexw */
int reg_save(lua_State *L) {
  static const char *const options[] = {"view", NULL};
  enum { LATEST_FORMAT = 2 };
  luax_arguments(L, 2, 3);
  luax_options(L, 3, options);
  reg_key name = reg_check_key(L, 1, 3);
  const wchar_t *file = check_file(L, 2);
  privilege_enable(L, L"SeBackupPrivilege");
  HKEY key = reg_open_key(L, &name, 0, KEY_READ);
  if (key == NULL) luax_fail(L, name.text, ERROR_FILE_NOT_FOUND);
  if (GetFileAttributesW(file) != INVALID_FILE_ATTRIBUTES) luax_failwide(L, file, ERROR_ALREADY_EXISTS);
  LSTATUS status = win32.RegSaveKeyExW(key, file, NULL, LATEST_FORMAT);
  if (status != ERROR_SUCCESS) luax_failwide(L, file, (DWORD)status);
  return 0;
}

/* win.reg.load(key, file)
 *   Loads a hive file as the key, which must not exist.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regloadkeyw */
int reg_load(lua_State *L) {
  luax_arguments(L, 2, 2);
  const wchar_t *file = check_file(L, 2);
  reg_key name = check_mount(L, 1);
  LSTATUS status = win32.RegLoadKeyW(name.hive, name.path, file);
  if (status != ERROR_SUCCESS) luax_fail(L, name.text, (DWORD)status);
  return 0;
}

/* win.reg.unload(key)
 *   Unloads the hive that was loaded as the key; nobody may have a key in it open.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regunloadkeyw */
int reg_unload(lua_State *L) {
  luax_arguments(L, 1, 1);
  reg_key name = check_mount(L, 1);
  LSTATUS status = win32.RegUnLoadKeyW(name.hive, name.path);
  if (status == ERROR_ACCESS_DENIED)
    luax_failhint(L, name.text, (DWORD)status, "it is no loaded hive, or a program has a key in it open");
  reg_check_status(L, name.text, status);
  return 0;
}
