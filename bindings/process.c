/* win.process: what runs, its images, and ending it. What else it tells is in process_*.c and process.lua.
 *
 * Looking into other users' processes needs SeDebugPrivilege, which administrators hold: it is enabled for the length
 * of one call. What cannot be read of a process is left out of its row. */
#include "luax.h"
#include "privilege.h"
#include "process_parts.h"
#include "winapi.h"

#include <stdlib.h>
#include <tlhelp32.h>
#include <wchar.h>

enum { PATH_UNITS = 32768, STOP_TIMEOUT = 30000 };

/* ---- Paths ---- */

/* The drive letter whose device is the start of `path` (L"\\Device\\HarddiskVolume1\\x"), and the length of that
 * start; 0 when there is none. https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-querydosdevicew */
static wchar_t find_drive(const wchar_t *path, size_t *length) {
  DWORD drives = GetLogicalDrives();
  for (wchar_t drive = L'A'; drive <= L'Z'; drive++) {
    wchar_t name[] = {drive, L':', 0}, device[512];
    if ((drives & 1u << (drive - L'A')) == 0 || !QueryDosDeviceW(name, device, 512)) continue;
    *length = wcslen(device);
    if (_wcsnicmp(path, device, *length) == 0 && path[*length] == L'\\') return drive;
  }
  return 0;
}

void process_push_drive_path(lua_State *L, const wchar_t *path, size_t n) {
  size_t length;
  wchar_t drive = find_drive(path, &length);
  if (drive == 0 || length > n) {
    luax_pushwide(L, path, n);
    return;
  }
  lua_pushfstring(L, "%c:", (int)drive);
  luax_pushwide(L, path + length, n - length);
  lua_concat(L, 2);
}

/* Pushes the full path of the process's image, or nil (the kernel's own processes have none). `buffer` holds
 * PATH_UNITS.
 * https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-queryfullprocessimagenamew
 * https://learn.microsoft.com/windows/win32/api/psapi/nf-psapi-getprocessimagefilenamew */
static void push_path(lua_State *L, HANDLE process, wchar_t *buffer) {
  DWORD n = PATH_UNITS;
  if (win32.QueryFullProcessImageNameW) {
    if (win32.QueryFullProcessImageNameW(process, 0, buffer, &n) && wcschr(buffer, L'\\'))
      luax_pushwide(L, buffer, n);
    else lua_pushnil(L);
  } else if (win32.GetProcessImageFileNameW(process, buffer, n) && wcschr(buffer, L'\\')) {
    process_push_drive_path(L, buffer, wcslen(buffer));
  } else {
    lua_pushnil(L);
  }
}

/* ---- Rows ---- */

/* What reading a process's path and times takes: since Windows Vista a right that protected processes grant, too.
 * https://learn.microsoft.com/windows/win32/procthread/process-security-and-access-rights */
static DWORD query_right(void) {
  return win32.QueryFullProcessImageNameW ? PROCESS_QUERY_LIMITED_INFORMATION : PROCESS_QUERY_INFORMATION;
}

/* When the process started, as a FILETIME; 0 when that cannot be read. */
static ULONGLONG created_at(HANDLE process) {
  FILETIME created, ended, kernel, user;
  if (!GetProcessTimes(process, &created, &ended, &kernel, &user)) return 0;
  return (ULONGLONG)created.dwHighDateTime << 32 | created.dwLowDateTime;
}

/* What making rows takes: a snapshot, a slot for the handle of one process at a time, PROCESS_ROOM bytes, and what
 * the options ask for: the command line, and the index of a table with the names of users, 0 for neither. */
typedef struct process_scan {
  HANDLE snapshot;
  luax_handle *process;
  void *buffer;
  int command_line, users;
  PROCESSENTRY32W entry;
} process_scan;

/* Starts a scan, whose parts stay on the stack.
 * https://learn.microsoft.com/windows/win32/toolhelp/taking-a-snapshot-and-viewing-processes */
static void begin_scan(lua_State *L, process_scan *scan) {
  winapi_load(L, "kernel32");
  if (win32.QueryFullProcessImageNameW == NULL) winapi_load(L, "psapi");
  luax_handle *snapshot = luax_newhandle(L, luax_closekernel);
  scan->snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
  if (scan->snapshot == INVALID_HANDLE_VALUE) luax_fail(L, "processes", GetLastError());
  snapshot->value = (UINT_PTR)scan->snapshot;
  scan->process = luax_newhandle(L, luax_closekernel);
  scan->buffer = luax_buffer(L, PROCESS_ROOM);
  scan->command_line = scan->users = 0;
  scan->entry.dwSize = 0;
}

/* Moves to the next process; returns whether there is one. Some systems end with an odd second row of pid 0. */
static int next_process(lua_State *L, process_scan *scan) {
  int first = scan->entry.dwSize == 0;
  scan->entry.dwSize = sizeof scan->entry;
  BOOL found = first ? Process32FirstW(scan->snapshot, &scan->entry) : Process32NextW(scan->snapshot, &scan->entry);
  if (found) return first || scan->entry.th32ProcessID != 0 || next_process(L, scan);
  DWORD code = GetLastError();
  if (code != ERROR_NO_MORE_FILES) luax_fail(L, "processes", code);
  return 0;
}

/* Opens the scan's process; returns NULL when p80 may not. */
static HANDLE open_scanned(process_scan *scan, DWORD rights) {
  luax_closehandle(scan->process);
  HANDLE process = OpenProcess(rights, FALSE, scan->entry.th32ProcessID);
  scan->process->value = (UINT_PTR)process;
  return process;
}

/* Adds what needs a handle of the process to the row on top. */
static void add_details(lua_State *L, process_scan *scan) {
  HANDLE process = open_scanned(scan, query_right());
  if (process == NULL) return;
  push_path(L, process, scan->buffer);
  lua_setfield(L, -2, "path");
  ULONGLONG created = created_at(process);
  if (created) {
    luax_setinteger(L, "created", (lua_Integer)created);
    luax_pushtime(L, created);
    lua_setfield(L, -2, "started");
  }
  if (scan->users) process_add_user(L, process, scan->users);
  if (scan->command_line) {
    process = open_scanned(scan, process_detail_rights());
    if (process && process_push_command_line(L, process, scan->buffer) == 0) lua_setfield(L, -2, "command_line");
  }
  luax_closehandle(scan->process);
}

/* Pushes the row of the scan's process. */
static void push_row(lua_State *L, process_scan *scan) {
  DWORD session;
  lua_createtable(L, 0, 8);
  luax_setinteger(L, "pid", scan->entry.th32ProcessID);
  luax_setinteger(L, "parent", scan->entry.th32ParentProcessID);
  luax_setwide(L, "name", scan->entry.szExeFile);
  luax_setinteger(L, "threads", scan->entry.cntThreads);
  if (ProcessIdToSessionId(scan->entry.th32ProcessID, &session)) luax_setinteger(L, "session", session);
  if (scan->entry.th32ProcessID != 0) add_details(L, scan);
}

/* The options that process.lua answers are in the list, so that a misspelt one is found in one place. */
static void read_options(lua_State *L, int index, process_scan *scan) {
  static const char *const known[] = {"command_line", "user",    "usage",  "session_name",
                                      "services",     "modules", "window", NULL};
  luax_options(L, index, known);
  for (int i = 0; known[i]; i++) {
    int wanted = luax_optboolean(L, luax_field(L, index, known[i]), known[i], 0);
    if (i == 0) scan->command_line = wanted;
    if (i == 1) scan->users = wanted;
  }
}

/* Starts a scan that adds to its rows what the options at `index` ask for. */
static void begin_detailed_scan(lua_State *L, int index, process_scan *scan) {
  process_scan wanted = {0};
  read_options(L, index, &wanted);
  privilege_enable_debug(L);
  begin_scan(L, scan);
  scan->command_line = wanted.command_line;
  if (scan->command_line) winapi_load(L, "ntdll");
  if (wanted.users) {
    lua_newtable(L);
    scan->users = lua_gettop(L);
  }
}

/* Raw win.process.list([options]) -> rows, without what process.lua adds.
 * https://learn.microsoft.com/windows/win32/toolhelp/process-walking */
static int process_list(lua_State *L) {
  process_scan scan;
  luax_arguments(L, 0, 1);
  begin_detailed_scan(L, 1, &scan);
  lua_newtable(L);
  for (lua_Integer i = 1; next_process(L, &scan); i++) {
    push_row(L, &scan);
    lua_seti(L, -2, i);
  }
  return 1;
}

static DWORD check_pid(lua_State *L, int index) { return (DWORD)luax_checkinteger(L, index, "pid", 0, 0xFFFFFFFF); }

/* Moves the scan to the process `pid`; returns whether it is there. */
static int find_process(lua_State *L, process_scan *scan, DWORD pid) {
  while (next_process(L, scan))
    if (scan->entry.th32ProcessID == pid) return 1;
  return 0;
}

/* Raw win.process.get(pid [, options]) -> a row as in win.process.list, or nil when there is no such process. */
static int process_get(lua_State *L) {
  process_scan scan;
  luax_arguments(L, 1, 2);
  DWORD pid = check_pid(L, 1);
  begin_detailed_scan(L, 2, &scan);
  if (find_process(L, &scan, pid)) push_row(L, &scan);
  else lua_pushnil(L);
  return 1;
}

/* Unlike process.get without a look at all processes. */
static int process_image(lua_State *L) {
  luax_arguments(L, 1, 1);
  DWORD pid = check_pid(L, 1);
  winapi_load(L, "kernel32");
  if (win32.QueryFullProcessImageNameW == NULL) winapi_load(L, "psapi");
  privilege_enable_debug(L);
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  HANDLE process = pid == 0 ? NULL : OpenProcess(query_right(), FALSE, pid);
  if (process == NULL) return 0;
  slot->value = (UINT_PTR)process;
  push_path(L, process, luax_buffer(L, PROCESS_ROOM));
  return 1;
}

void process_fail_detail(lua_State *L, DWORD pid, HANDLE process, DWORD code) {
  const char *target = lua_pushfstring(L, "%I", (lua_Integer)pid);
  if (process && process_is_beyond(process))
    luax_failhint(L, target, ERROR_PARTIAL_COPY, "it is a 64-bit process: use the 64-bit p80");
  luax_fail(L, target, code);
}

static int process_command_line(lua_State *L) {
  luax_arguments(L, 1, 1);
  DWORD pid = check_pid(L, 1);
  winapi_load(L, "ntdll");
  privilege_enable_debug(L);
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  HANDLE process = OpenProcess(process_detail_rights(), FALSE, pid);
  DWORD code = process ? 0 : GetLastError();
  if (code == ERROR_INVALID_PARAMETER) return 0;
  slot->value = (UINT_PTR)process;
  void *buffer = luax_buffer(L, PROCESS_ROOM);
  if (code == 0) code = process_push_command_line(L, process, buffer);
  if (code) process_fail_detail(L, pid, process, code);
  return 1;
}

/* Raw win.process.services(pid) -> the pid, checked; process.lua finds the services. */
static int process_services(lua_State *L) {
  luax_arguments(L, 1, 1);
  lua_pushinteger(L, check_pid(L, 1));
  return 1;
}

/* ---- Ending a process ---- */

P80_NORETURN static void fail_stop(lua_State *L, const char *label, DWORD code, const char *message,
                                   const char *hint) {
  luax_pusherror(L, lua_tostring(L, lua_upvalueindex(1)), label, code, message, hint);
  lua_error(L);
  abort();
}

/* Pushes "1234 (name.exe)" for messages, the number alone when there is no such process. */
static const char *push_label(lua_State *L, DWORD pid) {
  process_scan scan;
  const char *number = lua_pushfstring(L, "%I", (lua_Integer)pid);
  begin_scan(L, &scan);
  if (!find_process(L, &scan, pid)) return number;
  luax_pushwidez(L, scan.entry.szExeFile);
  return lua_pushfstring(L, "%s (%s)", number, lua_tostring(L, -1));
}

/* Whether Windows stops with a blue screen when the process ends. A process that cannot be asked is taken for none
 * only where the question itself is unknown (Windows has known it since XP, Wine does not).
 * https://learn.microsoft.com/windows/win32/api/winternl/nf-winternl-ntqueryinformationprocess */
static int is_critical(lua_State *L, HANDLE process, const char *label) {
  enum { BREAK_ON_TERMINATION = 29 };
  static const NTSTATUS invalid_info_class = (NTSTATUS)0xC0000003, not_implemented = (NTSTATUS)0xC0000002;
  ULONG critical = 0;
  NTSTATUS status = win32.NtQueryInformationProcess(process, (PROCESSINFOCLASS)BREAK_ON_TERMINATION, &critical,
                                                    sizeof critical, NULL);
  if (status < 0 && status != invalid_info_class && status != not_implemented)
    fail_stop(L, label, win32.RtlNtStatusToDosError(status), NULL,
              "nobody can tell whether Windows itself would stop when this process ends");
  return status >= 0 && critical != 0;
}

/* Raises for the processes that are never ended. */
static void refuse_system(lua_State *L, DWORD pid, const char *label) {
  if (pid == 0 || pid == 4) fail_stop(L, label, ERROR_ACCESS_DENIED, NULL, "this is Windows itself");
  if (pid == GetCurrentProcessId()) fail_stop(L, label, ERROR_ACCESS_DENIED, NULL, "this is p80 itself");
}

/* Opens the process so that it can be ended; raises when it is not the one that was meant. */
static HANDLE open_for_stop(lua_State *L, DWORD pid, ULONGLONG created, const char *label) {
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  HANDLE process = OpenProcess(PROCESS_TERMINATE | PROCESS_QUERY_INFORMATION | SYNCHRONIZE, FALSE, pid);
  DWORD code = GetLastError();
  if (process == NULL && code == ERROR_INVALID_PARAMETER)
    fail_stop(L, label, ERROR_NOT_FOUND, "There is no such process.", NULL);
  if (process == NULL) luax_fail(L, label, code);
  slot->value = (UINT_PTR)process;
  ULONGLONG found = created ? created_at(process) : 0;
  if (created && found == 0) luax_fail(L, label, GetLastError());
  if (created != found) fail_stop(L, label, ERROR_NOT_FOUND, "The process has ended; another has its id now.", NULL);
  if (is_critical(L, process, label))
    fail_stop(L, label, ERROR_ACCESS_DENIED, NULL, "Windows itself would stop when this process ends");
  return process;
}

/* Waits until the process has ended; raises after `ms` and at Ctrl-C. */
static void await_end(lua_State *L, HANDLE process, DWORD ms, const char *label) {
  HANDLE handles[2] = {process, luax_interrupt};
  DWORD found = WaitForMultipleObjects(luax_interrupt ? 2 : 1, handles, FALSE, ms);
  if (found == WAIT_OBJECT_0 + 1) luax_fail(L, label, ERROR_OPERATION_ABORTED);
  if (found == WAIT_TIMEOUT) fail_stop(L, label, ERROR_TIMEOUT, NULL, "it was told to end, but has not yet");
  if (found != WAIT_OBJECT_0) luax_fail(L, label, GetLastError());
}

/* Raw win.process.stop(pid [, {timeout=30, created=}]): ends the process and waits until it is gone. With `created`
 * only the process that started then, so that a pid which another has got since is left alone. Never pid 0, 4, p80
 * itself or a process that Windows marks as critical.
 * https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-terminateprocess */
static int process_stop(lua_State *L) {
  static const char *const known[] = {"timeout", "created", NULL};
  luax_arguments(L, 1, 2);
  DWORD pid = check_pid(L, 1);
  luax_options(L, 2, known);
  DWORD ms = luax_optseconds(L, luax_field(L, 2, "timeout"), "timeout", STOP_TIMEOUT);
  int field = luax_field(L, 2, "created");
  ULONGLONG created = lua_isnil(L, field) ? 0 : (ULONGLONG)luax_checkinteger(L, field, "created", 1, LUA_MAXINTEGER);
  winapi_load(L, "ntdll");
  privilege_enable_debug(L);
  const char *label = push_label(L, pid);
  refuse_system(L, pid, label);
  HANDLE process = open_for_stop(L, pid, created, label);
  if (!TerminateProcess(process, 1)) {
    DWORD code = GetLastError(); /* ERROR_ACCESS_DENIED: it is ending already */
    if (code != ERROR_ACCESS_DENIED) luax_fail(L, label, code);
  }
  await_end(L, process, ms, label);
  return 0;
}

static const luaL_Reg reads[] = {{"list", process_list},
                                 {"get", process_get},
                                 {"image", process_image},
                                 {"command_line", process_command_line},
                                 {"services", process_services},
                                 {"modules", process_modules},
                                 {"handles", process_handles},
                                 {"file_name", process_file_name},
                                 {"find", process_find},
                                 {"environment", process_environment},
                                 {"windows", process_windows},
                                 {"usage", process_usage},
                                 {"sessions", process_sessions},
                                 {NULL, NULL}};
static const luaL_Reg writes[] = {{"stop", process_stop}, {"run", process_run}, {NULL, NULL}};

const luax_subject process_subject = {"process", reads, writes, "process"};
