#include <string.h>

#include "near.h"
#include "reg_parts.h"

static const char *const hive_names[] = {
    "HKLM", "HKEY_LOCAL_MACHINE", "HKCU", "HKEY_CURRENT_USER",   "HKCR", "HKEY_CLASSES_ROOT",
    "HKU",  "HKEY_USERS",         "HKCC", "HKEY_CURRENT_CONFIG", NULL,
};
static const HKEY hives[] = {HKEY_LOCAL_MACHINE, HKEY_CURRENT_USER, HKEY_CLASSES_ROOT, HKEY_USERS,
                             HKEY_CURRENT_CONFIG};

/* Raises about the key at `index`, whose hive stands at `text`, suggesting the one that was probably meant. */
P80_NORETURN static void bad_hive(lua_State *L, int index, const char *text) {
  char word[32];
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
  lua_Integer bits = lua_isnil(L, view) ? 64 : lua_type(L, view) == LUA_TNUMBER ? lua_tointeger(L, view) : 0;
  if (bits != 32 && bits != 64) luax_badvalue(L, view, "view", "32 or 64");
  lua_pop(L, 1);
  if (sizeof(void *) == 4 && !(IsWow64Process(GetCurrentProcess(), &wow64) && wow64)) return 0;
  return bits == 32 ? KEY_WOW64_32KEY : KEY_WOW64_64KEY;
}

/* The text of a key behind the machine that it begins with ("\\SERVER\HKLM"). */
static const char *skip_machine(const char *text) {
  if (strncmp(text, "\\\\", 2) != 0) return text;
  const char *end = strchr(text + 2, '\\');
  return end ? end + 1 : text;
}

const char *reg_path_of(const char *text) {
  text = skip_machine(text);
  text += strcspn(text, "\\");
  return *text ? text + 1 : text;
}

/* The hive of another machine in a new slot (+1); `wide` is cut behind the machine meanwhile.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regconnectregistryw */
static HKEY connect_hive(lua_State *L, wchar_t *wide, HKEY hive, const char *text) {
  luax_handle *slot = luax_newhandle(L, reg_close_key);
  wchar_t *end = wcschr(wide + 2, L'\\');
  HKEY root = NULL;
  *end = 0;
  LSTATUS status = win32.RegConnectRegistryW(wide, hive, &root);
  *end = L'\\';
  if (status == ERROR_ACCESS_DENIED) luax_failhint(L, text, (DWORD)status, "administrators of that machine may");
  if (status != ERROR_SUCCESS)
    luax_failhint(L, text, (DWORD)status, "its name must be right, and the service RemoteRegistry run there");
  slot->value = (UINT_PTR)root;
  return root;
}

reg_key reg_check_key(lua_State *L, int index, int options) {
  reg_key name = {.text = luax_checktext(L, index, "key")};
  name.view = check_view(L, options);
  const char *hive = skip_machine(name.text);
  name.is_remote = hive != name.text;
  wchar_t *wide = (wchar_t *)luax_checkwide(L, index, "key", NULL);
  size_t n = strcspn(hive, "\\");
  name.hive = find_hive(hive, n);
  if (name.hive == NULL) bad_hive(L, index, hive);
  name.path = (name.is_remote ? wcschr(wide + 2, L'\\') + 1 : wide) + n; /* a hive has as many units as bytes */
  if (*name.path) check_path(L, index, ++name.path);
  winapi_load(L, "advapi32");
  if (!name.is_remote) return name;
  if (name.hive != HKEY_LOCAL_MACHINE && name.hive != HKEY_USERS)
    luax_badvalue(L, index, "key", "a key in HKLM or HKU of another machine");
  name.hive = connect_hive(L, wide, name.hive, name.text);
  lua_pushvalue(L, -2);
  return name;
}

void reg_check_below_hive(lua_State *L, int index, const reg_key *name) {
  if (*name->path == 0) luax_badvalue(L, index, "key", "a key below a hive");
}

const wchar_t *reg_check_value_name(lua_State *L, int index) {
  if (lua_isnil(L, index)) {
    lua_pushnil(L);
    return L"";
  }
  size_t n;
  const wchar_t *wide = luax_checkwide(L, index, "name", &n);
  if (n > LONGEST_VALUE_NAME) luax_badvalue(L, index, "name", "a name of at most 16383 characters");
  return wide;
}

void reg_close_key(UINT_PTR value) { win32.RegCloseKey((HKEY)value); }

void reg_close_local(UINT_PTR value) { LocalFree((HLOCAL)value); }

int reg_is_absent(LSTATUS status) { return status == ERROR_FILE_NOT_FOUND || status == ERROR_PATH_NOT_FOUND; }

void reg_check_status(lua_State *L, const char *target, LSTATUS status) {
  if (status != ERROR_SUCCESS) luax_fail(L, target, (DWORD)status);
}

HKEY reg_open_below(lua_State *L, HKEY parent, const wchar_t *path, DWORD options, REGSAM access,
                    const char *target) {
  luax_handle *slot = luax_newhandle(L, reg_close_key);
  HKEY key = NULL;
  LSTATUS status = win32.RegOpenKeyExW(parent, path, options, access, &key);
  if (reg_is_absent(status)) return NULL;
  reg_check_status(L, target, status);
  slot->value = (UINT_PTR)key;
  return key;
}

HKEY reg_open_key(lua_State *L, const reg_key *name, DWORD options, REGSAM access) {
  return reg_open_below(L, name->hive, name->path, options, access | name->view, name->text);
}
