/* What `netsh http show servicestate` prints. HTTP.SYS has no documented call that lists registered URLs; this is the
 * only way that Windows itself offers, from Vista on. Reading the text is the job of http.lua. */
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "codepage.h"
#include "http_parts.h"
#include "luax.h"
#include "winapi.h"

enum { PATH_ROOM = MAX_PATH + 32 };

/* path = folder \ name; returns whether there is such a file. */
static int find_file(wchar_t path[PATH_ROOM], const wchar_t *folder, const wchar_t *name) {
  _snwprintf(path, PATH_ROOM, L"%ls\\%ls", folder, name);
  path[PATH_ROOM - 1] = 0;
  DWORD attributes = GetFileAttributesW(path);
  return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) == 0;
}

/* The full path of netsh.exe in System32; 0 when it or its helper for HTTP is not there. Sysnative is how a 32-bit
 * program sees the System32 of a 64-bit Windows, and is nothing to others.
 * https://learn.microsoft.com/windows/win32/winprog64/file-system-redirector */
static int find_netsh(wchar_t path[PATH_ROOM]) {
  static const wchar_t tool[] = L"netsh.exe", helper[] = L"nshhttp.dll";
  wchar_t folder[PATH_ROOM];
  UINT n = GetSystemWindowsDirectoryW(folder, MAX_PATH);
  if (n == 0 || n >= MAX_PATH) return 0;
  wcscpy(folder + n, L"\\Sysnative");
  if (find_file(path, folder, helper)) return find_file(path, folder, tool);
  n = GetSystemDirectoryW(folder, MAX_PATH);
  return n > 0 && n < MAX_PATH && find_file(path, folder, helper) && find_file(path, folder, tool);
}

/* ---- Running it ---- */

/* Ends a process that still runs. */
static void close_process(UINT_PTR value) {
  HANDLE process = (HANDLE)value;
  if (WaitForSingleObject(process, 0) == WAIT_TIMEOUT) TerminateProcess(process, 1);
  CloseHandle(process);
}

/* The handles of a child that runs without input and whose output comes through a pipe. */
typedef struct child {
  luax_handle *process, *output, *their_output, *their_input;
} child;

static void open_streams(lua_State *L, child *c) {
  SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
  HANDLE ours, theirs;
  c->output = luax_newhandle(L, luax_closekernel);
  c->their_output = luax_newhandle(L, luax_closekernel);
  c->their_input = luax_newhandle(L, luax_closekernel);
  c->process = luax_newhandle(L, close_process);
  if (!CreatePipe(&ours, &theirs, &inherited, 1 << 16)) luax_fail(L, "netsh.exe", GetLastError());
  c->output->value = (UINT_PTR)ours;
  c->their_output->value = (UINT_PTR)theirs;
  SetHandleInformation(ours, HANDLE_FLAG_INHERIT, 0);
  HANDLE nul =
      CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0, NULL);
  if (nul == INVALID_HANDLE_VALUE) luax_fail(L, "NUL", GetLastError());
  c->their_input->value = (UINT_PTR)nul;
}

/* Starts the program without a shell and without a window.
 * https://learn.microsoft.com/windows/win32/procthread/creating-a-child-process-with-redirected-input-and-output */
static void start_child(lua_State *L, child *c, const wchar_t *path, const wchar_t *arguments) {
  wchar_t line[PATH_ROOM + 128], folder[PATH_ROOM];
  STARTUPINFOW startup = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES};
  PROCESS_INFORMATION started;
  open_streams(L, c);
  startup.hStdInput = (HANDLE)c->their_input->value;
  startup.hStdOutput = startup.hStdError = (HANDLE)c->their_output->value;
  _snwprintf(line, sizeof line / sizeof *line, L"\"%ls\" %ls", path, arguments);
  line[sizeof line / sizeof *line - 1] = 0;
  UINT n = GetSystemWindowsDirectoryW(folder, MAX_PATH);
  if (n == 0 || n >= MAX_PATH) luax_failwide(L, path, ERROR_PATH_NOT_FOUND);
  if (!CreateProcessW(path, line, NULL, NULL, TRUE, CREATE_NO_WINDOW, NULL, folder, &startup, &started))
    luax_failwide(L, path, GetLastError());
  CloseHandle(started.hThread);
  c->process->value = (UINT_PTR)started.hProcess;
  luax_closehandle(c->their_output);
  luax_closehandle(c->their_input);
}

/* Bytes that can be read now; -1 when there will be no more. */
static int available(const child *c) {
  int ended = WaitForSingleObject((HANDLE)c->process->value, 0) == WAIT_OBJECT_0;
  DWORD n = 0;
  if (!PeekNamedPipe((HANDLE)c->output->value, NULL, 0, NULL, &n, NULL)) return -1;
  return n == 0 && ended ? -1 : (int)(n < 65536 ? n : 65536);
}

/* Pushes all that the child prints within `timeout` ms; returns 0 when it takes longer or prints without end. */
static int read_child(lua_State *L, const child *c, DWORD timeout) {
  enum { MOST_BYTES = 16 << 20, TICK_MS = 10 };
  ULONGLONG deadline = luax_clock() + timeout;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (int n; (n = available(c)) >= 0;) {
    if (luax_clock() > deadline || luaL_bufflen(&b) > MOST_BYTES) return 0;
    DWORD got = 0;
    if (n == 0) luax_sleep(L, TICK_MS);
    else if (!ReadFile((HANDLE)c->output->value, luaL_prepbuffsize(&b, (size_t)n), (DWORD)n, &got, NULL)) break;
    luaL_addsize(&b, got);
  }
  luaL_pushresult(&b);
  return 1;
}

/* http.servicestate([timeout [, view]]) -> text of `netsh http show servicestate view=requestq` (or session), or nil
 * and the reason ("missing": this Windows has no netsh for HTTP; "timeout": it took longer than `timeout` seconds,
 * 20, and was ended). It starts a stopped HTTP service: http.lua asks the SCM first.
 * https://learn.microsoft.com/windows-server/administration/windows-commands/netsh-http */
int http_servicestate(lua_State *L) {
  static const char *const views[] = {"requestq", "session", NULL};
  static const wchar_t *const arguments[] = {L"http show servicestate view=requestq",
                                             L"http show servicestate view=session"};
  wchar_t path[PATH_ROOM];
  child c;
  luax_arguments(L, 0, 2);
  DWORD timeout = luax_optseconds(L, 1, "timeout", 20000);
  int view = luax_checkword(L, 2, "view", views, 0);
  if (!find_netsh(path)) {
    lua_pushnil(L);
    lua_pushliteral(L, "missing");
    return 2;
  }
  start_child(L, &c, path, arguments[view]);
  if (!read_child(L, &c, timeout)) {
    lua_pushnil(L);
    lua_pushliteral(L, "timeout");
    return 2;
  }
  size_t n;
  const char *bytes = lua_tolstring(L, -1, &n);
  codepage_decode(L, codepage_find(L, L"OEMCP"), bytes, n);
  return 1;
}
