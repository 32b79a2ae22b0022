/* win.process: what runs, its images, and ending it. Services of a process are in process.lua.
 *
 * Paths and start times of other users' processes need SeDebugPrivilege, which administrators hold: it is enabled for
 * the length of one call. What cannot be read of a process is left out of its row. */
#include "luax.h"
#include "privilege.h"
#include "winapi.h"

#include <stdlib.h>
#include <tlhelp32.h>
#include <wchar.h>

enum { PATH_UNITS = 32768, STOP_TIMEOUT = 30000 };

/* ---- Paths ---- */

/* The drive letter whose device is the start of `path` (L"\\Device\\HarddiskVolume1\\x"), and the length of that
 * start; 0 when there is none. https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-querydosdevicew */
static wchar_t find_drive(const wchar_t *path, size_t *length) {
  for (wchar_t drive = L'A'; drive <= L'Z'; drive++) {
    wchar_t name[] = {drive, L':', 0}, device[512];
    if ((GetLogicalDrives() & 1u << (drive - L'A')) == 0 || !QueryDosDeviceW(name, device, 512)) continue;
    *length = wcslen(device);
    if (_wcsnicmp(path, device, *length) == 0 && path[*length] == L'\\') return drive;
  }
  return 0;
}

/* Pushes a path in the kernel's form as one with a drive letter; as it is when no drive has it. */
static void push_drive_path(lua_State *L, const wchar_t *path) {
  size_t length;
  wchar_t drive = find_drive(path, &length);
  if (drive == 0) {
    luax_pushwidez(L, path);
    return;
  }
  lua_pushfstring(L, "%c:", (int)drive);
  luax_pushwidez(L, path + length);
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
    push_drive_path(L, buffer);
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

/* What making rows takes: a snapshot, a slot for the handle of one process at a time, room for a path. */
typedef struct process_scan {
  HANDLE snapshot;
  luax_handle *process;
  wchar_t *path;
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
  scan->path = luax_buffer(L, PATH_UNITS * sizeof *scan->path);
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

/* Adds what needs a handle of the process to the row on top. */
static void add_details(lua_State *L, process_scan *scan) {
  HANDLE process = OpenProcess(query_right(), FALSE, scan->entry.th32ProcessID);
  scan->process->value = (UINT_PTR)process;
  if (process == NULL) return;
  push_path(L, process, scan->path);
  lua_setfield(L, -2, "path");
  ULONGLONG created = created_at(process);
  if (created) {
    luax_setinteger(L, "created", (lua_Integer)created);
    luax_pushtime(L, created);
    lua_setfield(L, -2, "started");
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

/* win.process.list() -> rows {pid=, parent=, name=, threads=, session=, path=, started=, created=}. `name` is the
 * image's file name; `started` ISO 8601 text in UTC; `created` the same as an integer of 100 ns since 1601, which
 * with the pid names one process for ever. The last four are absent where p80 may not read them.
 * https://learn.microsoft.com/windows/win32/toolhelp/process-walking */
static int process_list(lua_State *L) {
  process_scan scan;
  luax_arguments(L, 0, 0);
  privilege_enable_debug(L);
  begin_scan(L, &scan);
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

/* win.process.get(pid) -> a row as in win.process.list, or nil when there is no such process. */
static int process_get(lua_State *L) {
  process_scan scan;
  luax_arguments(L, 1, 1);
  DWORD pid = check_pid(L, 1);
  privilege_enable_debug(L);
  begin_scan(L, &scan);
  if (find_process(L, &scan, pid)) push_row(L, &scan);
  else lua_pushnil(L);
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

/* Whether Windows stops with a blue screen when the process ends.
 * https://learn.microsoft.com/windows/win32/api/winternl/nf-winternl-ntqueryinformationprocess */
static int is_critical(HANDLE process) {
  enum { BREAK_ON_TERMINATION = 29 };
  ULONG critical = 0;
  NTSTATUS status = win32.NtQueryInformationProcess(process, (PROCESSINFOCLASS)BREAK_ON_TERMINATION, &critical,
                                                    sizeof critical, NULL);
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
  if (created != found)
    fail_stop(L, label, ERROR_NOT_FOUND, "The process has ended; another has its id now.", NULL);
  if (is_critical(process))
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

static const luaL_Reg reads[] = {
    {"list", process_list}, {"get", process_get}, {"services", process_services}, {NULL, NULL}};
static const luaL_Reg writes[] = {{"stop", process_stop}, {NULL, NULL}};

const luax_subject process_subject = {"process", reads, writes, "process"};
