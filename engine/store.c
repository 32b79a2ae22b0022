#include "store.h"

#include <lauxlib.h>
#include <string.h>

#include "luax.h"
#include "winapi.h"
#include "wtf8.h"

/* Every function has two upvalues: its name, and the folder as --state gave it (or nil). */

/* SYSTEM and Administrators only, inherited by what is inside. */
static const wchar_t folder_security[] = L"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";

static const wchar_t lock_name[] = L"Global\\p80-one-changing-run";

enum { LONGEST_JOURNAL = 256 * 1024 * 1024 };

/* Pushes the default state folder, p80 in the common application data (+1). */
static void push_default_folder(lua_State *L) {
  wchar_t common[MAX_PATH];
  winapi_load(L, "shell32");
  HRESULT found = win32.SHGetFolderPathW(NULL, CSIDL_COMMON_APPDATA, NULL, SHGFP_TYPE_CURRENT, common);
  if (FAILED(found))
    luax_failhint(L, "common application data", (DWORD)found & 0xFFFF, "name a folder with --state");
  luax_pushwidez(L, common);
  lua_pushliteral(L, "\\p80");
  lua_concat(L, 2);
}

/* Pushes the folder of the runs without making it: "<state>\runs", as UTF-16 (+1). */
static const wchar_t *runs_folder(lua_State *L) {
  if (lua_isnoneornil(L, lua_upvalueindex(2))) push_default_folder(L);
  else lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushliteral(L, "\\runs");
  lua_concat(L, 2);
  const wchar_t *folder = luax_checkwide(L, -1, "--state", NULL);
  lua_remove(L, -2);
  return folder;
}

/* Pushes the path of a file of the runs folder (+1). */
static const wchar_t *run_file(lua_State *L, const char *name) {
  luax_pushwidez(L, runs_folder(L));
  lua_pushfstring(L, "%s\\%s", lua_tostring(L, -1), name);
  const wchar_t *path = luax_checkwide(L, -1, "file", NULL);
  lua_replace(L, -4);
  lua_pop(L, 2);
  return path;
}

static void free_local(UINT_PTR memory) { LocalFree((HLOCAL)memory); }

/* Whether p80 runs as this user. */
static int is_own_user(PSID sid) {
  union {
    TOKEN_USER user;
    BYTE bytes[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
  } own;
  HANDLE token;
  DWORD size;
  if (!win32.OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) return 0;
  BOOL known = win32.GetTokenInformation(token, TokenUser, &own, sizeof own, &size);
  CloseHandle(token);
  return known && win32.EqualSid(own.user.User.Sid, sid);
}

/* Raises unless SYSTEM, the user or one of the user's groups (Administrators) owns the folder: every user may
 * make folders in the common application data, and `p80 undo` does what it finds there. A folder that --state
 * names is the user's own choice. */
static void check_owner(lua_State *L, const wchar_t *path) {
  if (!lua_isnoneornil(L, lua_upvalueindex(2))) return;
  luax_handle *memory = luax_newhandle(L, free_local);
  PSECURITY_DESCRIPTOR descriptor = NULL;
  PSID owner = NULL;
  BYTE system[SECURITY_MAX_SID_SIZE];
  DWORD size = sizeof system;
  DWORD code = win32.GetNamedSecurityInfoW((wchar_t *)path, SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION, &owner, NULL,
                                           NULL, NULL, &descriptor);
  if (code != ERROR_SUCCESS) luax_failwide(L, path, code);
  memory->value = (UINT_PTR)descriptor;
  BOOL mine = FALSE;
  if (is_own_user(owner) || (win32.CheckTokenMembership(NULL, owner, &mine) && mine)) return;
  if (win32.CreateWellKnownSid(WinLocalSystemSid, NULL, system, &size) && win32.EqualSid(owner, system)) return;
  luax_pushwidez(L, path);
  luax_failhint(L, lua_tostring(L, -1), ERROR_INVALID_OWNER,
                "another user made this folder; look at it and remove it");
}

/* Makes one folder with the security of the state folder; one that exists stays as it is. */
static void make_folder(lua_State *L, const wchar_t *path) {
  winapi_load(L, "advapi32");
  luax_handle *memory = luax_newhandle(L, free_local);
  PSECURITY_DESCRIPTOR descriptor = NULL;
  if (!win32.ConvertStringSecurityDescriptorToSecurityDescriptorW(folder_security, SDDL_REVISION_1, &descriptor,
                                                                  NULL))
    luax_failwide(L, path, GetLastError());
  memory->value = (UINT_PTR)descriptor;
  SECURITY_ATTRIBUTES attributes = {sizeof attributes, descriptor, FALSE};
  if (CreateDirectoryW(path, &attributes)) return;
  DWORD code = GetLastError();
  if (code != ERROR_ALREADY_EXISTS) luax_failwide(L, path, code);
  if (!(GetFileAttributesW(path) & FILE_ATTRIBUTE_DIRECTORY)) luax_failwide(L, path, ERROR_DIRECTORY);
  check_owner(L, path);
}

/* store.prepare(): makes the state folder and its `runs`. */
static int store_prepare(lua_State *L) {
  const wchar_t *runs = runs_folder(L);
  size_t length = wcslen(runs) - wcslen(L"\\runs");
  wchar_t *state = luax_buffer(L, (length + 1) * sizeof *state);
  memcpy(state, runs, length * sizeof *state);
  make_folder(L, state);
  make_folder(L, runs);
  return 0;
}

/* store.home([name]) -> the default state folder, whatever --state says; or its folder of that name, which is made. */
static int store_home(lua_State *L) {
  lua_settop(L, 1);
  push_default_folder(L);
  if (lua_isnil(L, 1)) return 1;
  make_folder(L, luax_checkwide(L, 2, "folder", NULL));
  lua_settop(L, 2);
  lua_pushfstring(L, "%s\\%s", lua_tostring(L, 2), luax_checktext(L, 1, "name"));
  make_folder(L, luax_checkwide(L, 3, "folder", NULL));
  lua_settop(L, 3);
  return 1;
}

static void close_search(UINT_PTR value) { FindClose((HANDLE)value); }

/* store.list() -> the names of the files in the runs folder; empty when there is no folder yet. */
static int store_list(lua_State *L) {
  luax_handle *search = luax_newhandle(L, close_search);
  const wchar_t *pattern = run_file(L, "*");
  lua_newtable(L);
  WIN32_FIND_DATAW found;
  HANDLE handle = FindFirstFileW(pattern, &found);
  if (handle == INVALID_HANDLE_VALUE) {
    DWORD code = GetLastError();
    if (code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND) return 1;
    luax_failwide(L, pattern, code);
  }
  search->value = (UINT_PTR)handle;
  lua_Integer n = 0;
  do {
    if (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) continue;
    luax_pushwidez(L, found.cFileName);
    lua_rawseti(L, -2, ++n);
  } while (FindNextFileW(handle, &found));
  return 1;
}

/* store.create(name) -> a handle to a new file; it must not exist. */
static int store_create(lua_State *L) {
  const wchar_t *path = run_file(L, luax_checktext(L, 1, "name"));
  HANDLE file = CreateFileW(path, GENERIC_WRITE, FILE_SHARE_READ, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
  if (file == INVALID_HANDLE_VALUE) luax_failwide(L, path, GetLastError());
  lua_pushlightuserdata(L, file);
  return 1;
}

/* store.append(handle, text): writes all of it and has it on the disk before it returns. */
static int store_append(lua_State *L) {
  HANDLE file = lua_touserdata(L, 1);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  if (length > LONGEST_JOURNAL) luax_failhint(L, "journal", ERROR_FILE_TOO_LARGE, "change less at a time");
  DWORD written = 0;
  if (!WriteFile(file, text, (DWORD)length, &written, NULL)) luax_fail(L, "journal", GetLastError());
  if (written != length) luax_fail(L, "journal", ERROR_DISK_FULL);
  if (!FlushFileBuffers(file)) luax_fail(L, "journal", GetLastError());
  return 0;
}

static int store_close(lua_State *L) {
  CloseHandle(lua_touserdata(L, 1));
  return 0;
}

/* store.read(name) -> all of a file, nil when there is none. */
static int store_read(lua_State *L) {
  luax_handle *file = luax_newhandle(L, luax_closekernel);
  const wchar_t *path = run_file(L, luax_checktext(L, 1, "name"));
  HANDLE opened = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
  if (opened == INVALID_HANDLE_VALUE) {
    DWORD code = GetLastError();
    if (code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND) return 0;
    luax_failwide(L, path, code);
  }
  file->value = (UINT_PTR)opened;
  LARGE_INTEGER size;
  if (!GetFileSizeEx(opened, &size)) luax_failwide(L, path, GetLastError());
  if (size.QuadPart > LONGEST_JOURNAL) luax_failwide(L, path, ERROR_FILE_TOO_LARGE);
  luaL_Buffer b;
  char *text = luaL_buffinitsize(L, &b, (size_t)size.QuadPart);
  DWORD length = 0;
  if (!ReadFile(opened, text, (DWORD)size.QuadPart, &length, NULL)) luax_failwide(L, path, GetLastError());
  luaL_pushresultsize(&b, length);
  return 1;
}

/* store.lock(seconds) -> whether this process may change the machine now. The lock ends with the process. */
static int store_lock(lua_State *L) {
  DWORD timeout = luax_optseconds(L, 1, "seconds", 0);
  HANDLE mutex = CreateMutexW(NULL, FALSE, lock_name);
  if (mutex == NULL) luax_failwide(L, lock_name, GetLastError());
  HANDLE events[2] = {mutex, luax_interrupt};
  DWORD waited = WaitForMultipleObjects(luax_interrupt ? 2 : 1, events, FALSE, timeout);
  if (waited == WAIT_OBJECT_0 + 1) luax_fail(L, NULL, ERROR_OPERATION_ABORTED);
  lua_pushboolean(L, waited == WAIT_OBJECT_0 || waited == WAIT_ABANDONED_0);
  return 1;
}

/* store.busy() -> whether another process holds the lock. */
static int store_busy(lua_State *L) {
  HANDLE mutex = CreateMutexW(NULL, FALSE, lock_name);
  if (mutex == NULL) luax_failwide(L, lock_name, GetLastError());
  int mine = WaitForSingleObject(mutex, 0) != WAIT_TIMEOUT;
  if (mine) ReleaseMutex(mutex);
  CloseHandle(mutex);
  lua_pushboolean(L, !mine);
  return 1;
}

void store_push(lua_State *L, const char *folder) {
  static const luaL_Reg functions[] = {
      {"prepare", store_prepare}, {"list", store_list}, {"create", store_create}, {"append", store_append},
      {"close", store_close},     {"read", store_read}, {"lock", store_lock},     {"busy", store_busy},       {NULL, NULL}};
  lua_newtable(L);
  for (const luaL_Reg *f = functions; f->name; f++) {
    lua_pushfstring(L, "journal.%s", f->name);
    lua_pushstring(L, folder);
    lua_pushcclosure(L, f->func, 2);
    lua_setfield(L, -2, f->name);
  }
  static const luaL_Reg home[] = {{"home", store_home}, {NULL, NULL}}; /* without --state's folder */
  luax_setfunctions(L, "state", home);
}
