#include "store.h"

#include <lauxlib.h>
#include <string.h>

#include "interrupt.h"
#include "luax.h"
#include "protect.h"
#include "token.h"
#include "winapi.h"
#include "wtf8.h"

/* Every function has two upvalues: its name, and the folder as --state gave it (or nil). */

/* SYSTEM and Administrators only, inherited by what is inside. The owner is named for folders of the machine alone.
 */
static const wchar_t folder_security[] = L"O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";
/* Every user may read the policy, for it holds for all. */
static const wchar_t policy_security[] = L"O:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FR;;;BU)";

enum { LONGEST_JOURNAL = 256 * 1024 * 1024 };

/* What ZwQueryValueKey tells of a value.
 * https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/ns-wdm-_key_value_partial_information */
typedef struct partial_information {
  ULONG title, type, length;
  wchar_t text[MAX_PATH];
} partial_information;

static UNICODE_STRING unicode(const wchar_t *text) {
  USHORT size = (USHORT)(wcslen(text) * sizeof *text);
  return (UNICODE_STRING){size, size, (wchar_t *)text};
}

/* Reads the path of the common application data, where Windows notes it, through ntdll, which is there: advapi32
 * takes a tenth of the start of a script to load, and shell32 as long as all of it.
 * https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-zwopenkey */
static int read_common(lua_State *L, wchar_t common[MAX_PATH]) {
  enum { PARTIAL = 2, LONGEST = MAX_PATH - 8 };
  UNICODE_STRING path = unicode(
      L"\\Registry\\Machine\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion"
      L"\\Explorer\\Shell Folders");
  UNICODE_STRING name = unicode(L"Common AppData");
  OBJECT_ATTRIBUTES which = {.Length = sizeof which, .ObjectName = &path, .Attributes = 0x40}; /* in any case */
  partial_information value = {0};
  ULONG size;
  HANDLE key;
  winapi_load(L, "ntdll");
  if (win32.NtOpenKey(&key, KEY_QUERY_VALUE | KEY_WOW64_64KEY, &which) < 0) return 0;
  NTSTATUS status = win32.NtQueryValueKey(key, &name, PARTIAL, &value, sizeof value, &size);
  CloseHandle(key);
  size_t units = value.length / sizeof *common;
  if (status < 0 || value.type != REG_SZ || units < 3 || units > LONGEST || value.text[1] != L':') return 0;
  memcpy(common, value.text, value.length);
  common[units] = 0;
  return 1;
}

/* https://learn.microsoft.com/windows/win32/api/shlobj_core/nf-shlobj_core-shgetfolderpathw */
static void ask_shell(lua_State *L, wchar_t common[MAX_PATH]) {
  winapi_load(L, "shell32");
  HRESULT found = win32.SHGetFolderPathW(NULL, CSIDL_COMMON_APPDATA, NULL, SHGFP_TYPE_CURRENT, common);
  if (FAILED(found)) luax_failhint(L, "common application data", (DWORD)found & 0xFFFF, "name a folder with --state");
}

/* Pushes the state folder of this machine, as UTF-16 (+1). */
static const wchar_t *default_folder(lua_State *L) {
  wchar_t *folder = luax_buffer(L, (MAX_PATH + 8) * sizeof *folder);
  if (!read_common(L, folder)) ask_shell(L, folder);
  return wcscat(folder, L"\\p80");
}

void store_push_home(lua_State *L) {
  luax_pushwidez(L, default_folder(L));
  lua_remove(L, -2);
}

static int is_default(lua_State *L) { return lua_isnoneornil(L, lua_upvalueindex(2)); }

/* Pushes <state folder>\<name> (+1); the state folder is the one that --state names, if there is one. */
static const wchar_t *state_path(lua_State *L, const char *name) {
  int top = lua_gettop(L);
  if (is_default(L)) luax_pushwidez(L, default_folder(L));
  else lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushfstring(L, "%s\\%s", lua_tostring(L, -1), name);
  luax_checkwide(L, -1, "--state", NULL);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return lua_touserdata(L, -1);
}

static const wchar_t *runs_folder(lua_State *L) { return state_path(L, "runs"); }

/* Pushes the path of a file of the runs folder (+1). */
static const wchar_t *run_file(lua_State *L, const char *name) {
  luax_pushwidez(L, runs_folder(L));
  lua_pushfstring(L, "%s\\%s", lua_tostring(L, -1), name);
  const wchar_t *path = luax_checkwide(L, -1, "file", NULL);
  lua_replace(L, -4);
  lua_pop(L, 2);
  return path;
}

/* Pushes a security descriptor (+2). */
static PSECURITY_DESCRIPTOR push_descriptor(lua_State *L, const wchar_t *sddl) {
  winapi_load(L, "advapi32");
  luax_handle *memory = luax_newhandle(L, luax_freelocal);
  PSECURITY_DESCRIPTOR descriptor = NULL;
  if (!win32.ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, SDDL_REVISION_1, &descriptor, NULL))
    luax_failwide(L, sddl, GetLastError());
  memory->value = (UINT_PTR)descriptor;
  return descriptor;
}

/* Makes one folder with the security of the state folder; returns a Win32 code. One that exists stays as it is. Every
 * user may make folders in the common application data, and `p80 undo` does what it finds there, so the default
 * folder must belong to the administrators and be theirs alone to write, and so must one that --state names be where
 * p80 is elevated; otherwise it is the user's own choice. */
static DWORD make_folder(lua_State *L, const wchar_t *path, int of_machine) {
  SECURITY_ATTRIBUTES attributes = {sizeof attributes, push_descriptor(L, folder_security + (of_machine ? 0 : 4)),
                                    FALSE};
  if (CreateDirectoryW(path, &attributes)) return NO_ERROR;
  DWORD code = GetLastError();
  if (code != ERROR_ALREADY_EXISTS) return code;
  if (!(GetFileAttributesW(path) & FILE_ATTRIBUTE_DIRECTORY)) return ERROR_DIRECTORY;
  if (of_machine || token_is_elevated(L)) protect_check_folder(L, path);
  return NO_ERROR;
}

static void need_folder(lua_State *L, const wchar_t *path, int of_machine) {
  DWORD code = make_folder(L, path, of_machine);
  if (code != NO_ERROR) luax_failwide(L, path, code);
}

/* store.prepare(): makes the state folder and its `runs`. */
static int store_prepare(lua_State *L) {
  const wchar_t *runs = runs_folder(L);
  size_t length = wcslen(runs) - wcslen(L"\\runs");
  wchar_t *state = luax_buffer(L, (length + 1) * sizeof *state);
  memcpy(state, runs, length * sizeof *state);
  need_folder(L, state, is_default(L));
  need_folder(L, runs, is_default(L));
  return 0;
}

/* store.home([name]) -> the default state folder, whatever --state says; or its folder of that name, which is made.
 */
static int store_home(lua_State *L) {
  lua_settop(L, 1);
  luax_pushwidez(L, default_folder(L));
  lua_replace(L, 2);
  if (lua_isnil(L, 1)) return 1;
  need_folder(L, luax_checkwide(L, 2, "folder", NULL), 1);
  lua_settop(L, 2);
  lua_pushfstring(L, "%s\\%s", lua_tostring(L, 2), luax_checktext(L, 1, "name"));
  need_folder(L, luax_checkwide(L, 3, "folder", NULL), 1);
  lua_settop(L, 3);
  return 1;
}

/* store.move(from, to): renames a file or folder; what is at `to` stays, and it fails. */
static int store_move(lua_State *L) {
  luax_arguments(L, 2, 2);
  const wchar_t *from = luax_checkwide(L, 1, "from", NULL), *to = luax_checkwide(L, 2, "to", NULL);
  if (!MoveFileExW(from, to, MOVEFILE_WRITE_THROUGH)) luax_fail(L, lua_tostring(L, 1), GetLastError());
  return 0;
}

/* store.make_folder(path): with the security of the folder that it is in. */
static int store_make_folder(lua_State *L) {
  luax_arguments(L, 1, 1);
  if (!CreateDirectoryW(luax_checkwide(L, 1, "path", NULL), NULL)) luax_fail(L, lua_tostring(L, 1), GetLastError());
  return 0;
}

/* store.remove_folder(path): an empty one, or a link. */
static int store_remove_folder(lua_State *L) {
  luax_arguments(L, 1, 1);
  if (!RemoveDirectoryW(luax_checkwide(L, 1, "path", NULL))) luax_fail(L, lua_tostring(L, 1), GetLastError());
  return 0;
}

/* store.identity(path) -> what tells a file or folder from all others, whatever it is called; nil when it is not
 * there. */
static int store_identity(lua_State *L) {
  BY_HANDLE_FILE_INFORMATION is;
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  HANDLE file =
      CreateFileW(luax_checkwide(L, 1, "path", NULL), 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                  OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
  if (file == INVALID_HANDLE_VALUE) return 0;
  slot->value = (UINT_PTR)file;
  if (!GetFileInformationByHandle(file, &is)) return 0;
  lua_pushfstring(L, "%I %I", (LUAI_UACINT)is.dwVolumeSerialNumber,
                  (LUAI_UACINT)((ULONGLONG)is.nFileIndexHigh << 32 | is.nFileIndexLow));
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
  interrupt_step();
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
  winapi_load(L, "advapi32");
  if (token_is_elevated(L)) protect_check_file(L, path, opened); /* `p80 undo` does what it says */
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

/* ---- One changing run at a time ---- */

/* Pushes the path of the lock: every elevated p80 takes the one of the machine, whatever --state says. It lies where
 * only administrators may write, so that nobody else can hold it. */
static const wchar_t *lock_path(lua_State *L, int make) {
  winapi_load(L, "advapi32");
  if (is_default(L) || !token_is_elevated(L)) return state_path(L, "lock");
  const wchar_t *folder = default_folder(L);
  if (make && make_folder(L, folder, 1) != NO_ERROR)
    return state_path(L, "lock"); /* on a disk that is not written to */
  wchar_t *path = luax_buffer(L, (wcslen(folder) + 6) * sizeof *path);
  return wcscat(wcscpy(path, folder), L"\\lock");
}

static int is_absent(DWORD code) { return code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND; }

/* Opens the lock file into `slot`; returns whether that could be done, which it cannot without its folder. */
static int open_lock(lua_State *L, luax_handle *slot, DWORD creation) {
  const wchar_t *path = lock_path(L, creation == OPEN_ALWAYS);
  HANDLE file = CreateFileW(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, creation,
                            FILE_ATTRIBUTE_NORMAL, NULL);
  if (file == INVALID_HANDLE_VALUE) {
    DWORD code = GetLastError();
    if (creation == OPEN_EXISTING && is_absent(code)) return 0;
    luax_failwide(L, path, code);
  }
  slot->value = (UINT_PTR)file;
  return 1;
}

/* Whether the lock is this process's now.
 * https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-lockfileex */
static int take_lock(lua_State *L, const luax_handle *slot) {
  OVERLAPPED start = {0};
  DWORD flags = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
  if (LockFileEx((HANDLE)slot->value, flags, 0, 1, 0, &start)) return 1;
  DWORD code = GetLastError();
  if (code != ERROR_LOCK_VIOLATION && code != ERROR_IO_PENDING) luax_fail(L, "lock", code);
  return 0;
}

/* store.lock(seconds) -> whether this process may change the machine now. The lock ends with the process. */
static int store_lock(lua_State *L) {
  ULONGLONG deadline = luax_clock() + luax_optseconds(L, 1, "seconds", 0);
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  open_lock(L, slot, OPEN_ALWAYS);
  int mine = take_lock(L, slot);
  while (!mine && luax_clock() < deadline) {
    luax_sleep(L, 50);
    mine = take_lock(L, slot);
  }
  if (mine) slot->value = 0; /* held until the process ends */
  lua_pushboolean(L, mine);
  return 1;
}

/* store.busy() -> whether another process holds the lock. */
static int store_busy(lua_State *L) {
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  lua_pushboolean(L, open_lock(L, slot, OPEN_EXISTING) && !take_lock(L, slot));
  return 1;
}

/* ---- The policy ---- */

/* Pushes the path of the policy (+1). */
static const wchar_t *policy_path(lua_State *L) {
  int top = lua_gettop(L);
  const wchar_t *folder = default_folder(L);
  wchar_t *path = luax_buffer(L, (wcslen(folder) + 16) * sizeof *path);
  wcscat(wcscpy(path, folder), L"\\policy.json");
  lua_replace(L, top + 1);
  return path;
}

int store_has_policy(lua_State *L) {
  static int known = -1;
  if (known >= 0) return known;
  DWORD attributes = GetFileAttributesW(policy_path(L)), code = GetLastError();
  lua_pop(L, 1);
  known = attributes != INVALID_FILE_ATTRIBUTES || (!is_absent(code));
  return known;
}

/* store.policy() -> the text of the policy, or nil when there is none, and its path. Raises when somebody else could
 * have written it. */
static int store_policy(lua_State *L) {
  enum { LARGEST = 1 << 20 };
  const wchar_t *path = policy_path(L);
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  luax_pushwidez(L, path);
  lua_pushnil(L);
  lua_insert(L, -2);
  HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
  if (file == INVALID_HANDLE_VALUE) {
    DWORD code = GetLastError();
    if (is_absent(code)) return 2;
    luax_failwide(L, path, code);
  }
  slot->value = (UINT_PTR)file;
  protect_check_file(L, path, file);
  luaL_Buffer text;
  DWORD size;
  char *room = luaL_buffinitsize(L, &text, LARGEST);
  if (!ReadFile(file, room, LARGEST, &size, NULL)) luax_failwide(L, path, GetLastError());
  luaL_pushresultsize(&text, size);
  lua_insert(L, -2);
  return 2;
}

/* store.make_policy() -> its path. Makes the file, empty, if there is none: who may write and read it is then right.
 */
static int store_make_policy(lua_State *L) {
  need_folder(L, default_folder(L), 1);
  const wchar_t *path = policy_path(L);
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  SECURITY_ATTRIBUTES attributes = {sizeof attributes, push_descriptor(L, policy_security), FALSE};
  HANDLE file =
      CreateFileW(path, GENERIC_WRITE, FILE_SHARE_READ, &attributes, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
  if (file != INVALID_HANDLE_VALUE) slot->value = (UINT_PTR)file;
  else if (GetLastError() != ERROR_FILE_EXISTS) luax_failwide(L, path, GetLastError());
  luax_pushwidez(L, path);
  return 1;
}

void store_push(lua_State *L, const char *folder) {
  static const luaL_Reg functions[] = {{"prepare", store_prepare},
                                       {"list", store_list},
                                       {"create", store_create},
                                       {"append", store_append},
                                       {"close", store_close},
                                       {"read", store_read},
                                       {"lock", store_lock},
                                       {"busy", store_busy},
                                       {"policy", store_policy},
                                       {"make_policy", store_make_policy},
                                       {NULL, NULL}};
  lua_newtable(L);
  for (const luaL_Reg *f = functions; f->name; f++) {
    lua_pushfstring(L, "journal.%s", f->name);
    lua_pushstring(L, folder);
    lua_pushcclosure(L, f->func, 2);
    lua_setfield(L, -2, f->name);
  }
  static const luaL_Reg home[] = {{"home", store_home},
                                  {"move", store_move},
                                  {"make_folder", store_make_folder},
                                  {"remove_folder", store_remove_folder},
                                  {"identity", store_identity},
                                  {NULL, NULL}}; /* without --state's folder */
  luax_setfunctions(L, "state", home);
}
