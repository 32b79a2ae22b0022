#include "runner.h"

#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <winternl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "luax.h"

#define PROCESS "test.process"
#define SOCKET_HANDLE "test.socket"

/* ---- Options ---- */

/* options[key] as UTF-16, or NULL; stays on the stack (+2). */
static const wchar_t *wide_option(lua_State *L, const char *key) {
  lua_getfield(L, 1, key);
  return luax_optwide(L, lua_gettop(L), key);
}

static lua_Integer integer_option(lua_State *L, const char *key, lua_Integer missing) {
  lua_getfield(L, 1, key);
  lua_Integer value = luaL_optinteger(L, -1, missing);
  lua_pop(L, 1);
  return value;
}

static int boolean_option(lua_State *L, const char *key) {
  lua_getfield(L, 1, key);
  int value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* ---- Processes ---- */

/* What a thread reads from a pipe until it breaks. */
typedef struct stream {
  HANDLE pipe;
  HANDLE thread;
  char *bytes;
  size_t size;
  CRITICAL_SECTION lock;
} stream;

typedef struct process {
  HANDLE process; /* NULL: closed */
  HANDLE job;
  HANDLE input;
  DWORD pid;
  stream output;
  stream errors;
} process;

static DWORD WINAPI read_stream(LPVOID context) {
  stream *s = context;
  char chunk[4096];
  DWORD n;
  while (ReadFile(s->pipe, chunk, sizeof chunk, &n, NULL)) {
    EnterCriticalSection(&s->lock);
    char *grown = realloc(s->bytes, s->size + n);
    if (grown) {
      memcpy(grown + s->size, chunk, n);
      s->bytes = grown;
      s->size += n;
    }
    LeaveCriticalSection(&s->lock);
  }
  return 0;
}

/* A pipe of which the child inherits one end, `ours` not. Its size bounds what :write takes without a reader. */
static void make_pipe(lua_State *L, HANDLE *reading, HANDLE *writing, HANDLE *ours) {
  SECURITY_ATTRIBUTES inherit = {sizeof inherit, NULL, TRUE};
  if (!CreatePipe(reading, writing, &inherit, 1 << 20)) luax_fail(L, "pipe", GetLastError());
  SetHandleInformation(*ours, HANDLE_FLAG_INHERIT, 0);
}

static void open_stream(lua_State *L, stream *s, HANDLE *theirs) {
  InitializeCriticalSection(&s->lock);
  make_pipe(L, &s->pipe, theirs, &s->pipe);
}

/* Waits a while for the reader: a grandchild may hold the pipe open. */
static void finish_stream(stream *s) {
  if (s->thread) {
    if (WaitForSingleObject(s->thread, 2000) == WAIT_TIMEOUT) TerminateThread(s->thread, 0);
    CloseHandle(s->thread);
    s->thread = NULL;
  }
  if (s->pipe) CloseHandle(s->pipe);
  s->pipe = NULL;
}

static void push_stream(lua_State *L, stream *s) {
  EnterCriticalSection(&s->lock);
  lua_pushlstring(L, s->bytes ? s->bytes : "", s->size);
  LeaveCriticalSection(&s->lock);
}

static void close_handle(HANDLE *handle) {
  if (*handle) CloseHandle(*handle);
  *handle = NULL;
}

static process *check_process(lua_State *L) { return luaL_checkudata(L, 1, PROCESS); }

static int process_close(lua_State *L) {
  process *p = check_process(L);
  if (p->process == NULL) return 0;
  TerminateJobObject(p->job, 1);
  WaitForSingleObject(p->process, 5000);
  close_handle(&p->input);
  finish_stream(&p->output);
  finish_stream(&p->errors);
  free(p->output.bytes);
  free(p->errors.bytes);
  p->output.bytes = p->errors.bytes = NULL;
  p->output.size = p->errors.size = 0;
  DeleteCriticalSection(&p->output.lock);
  DeleteCriticalSection(&p->errors.lock);
  close_handle(&p->job);
  close_handle(&p->process);
  return 0;
}

/* Appends one argument so that the C run-time finds it again:
 * https://learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments */
static void add_argument(luaL_Buffer *b, const char *text) {
  int quote = *text == 0 || strpbrk(text, " \t\n\v\"") != NULL;
  if (quote) luaL_addchar(b, '"');
  for (; *text; text++) {
    size_t slashes = strspn(text, "\\");
    int doubled = text[slashes] == '"' || (text[slashes] == 0 && quote);
    for (size_t i = 0; i < (doubled ? 2 * slashes : slashes); i++) luaL_addchar(b, '\\');
    text += slashes;
    if (*text == 0) break;
    if (*text == '"') luaL_addchar(b, '\\');
    luaL_addchar(b, *text);
  }
  if (quote) luaL_addchar(b, '"');
}

/* Pushes the command line for options.path and options.args as UTF-16 (+2). */
static wchar_t *command_line(lua_State *L) {
  luaL_Buffer b;
  lua_getfield(L, 1, "path");
  const char *path = luaL_checkstring(L, -1);
  lua_getfield(L, 1, "args");
  int args = lua_gettop(L);
  lua_Integer n = lua_isnil(L, args) ? 0 : luaL_len(L, args);
  luaL_checkstack(L, (int)n + 10, NULL);
  for (lua_Integer i = 1; i <= n; i++) lua_geti(L, args, i);
  int first = args + 1;
  luaL_buffinit(L, &b);
  add_argument(&b, path);
  for (lua_Integer i = 0; i < n; i++) {
    luaL_addchar(&b, ' ');
    add_argument(&b, luaL_checkstring(L, first + (int)i));
  }
  luaL_pushresult(&b);
  return (wchar_t *)luax_checkwide(L, lua_gettop(L), "command line", NULL);
}

static int get_environment(lua_State *L) {
  const wchar_t *name = luax_checkwide(L, 1, "name", NULL);
  DWORD size = GetEnvironmentVariableW(name, NULL, 0);
  if (size == 0) return 0;
  wchar_t *text = luax_buffer(L, size * sizeof *text);
  luax_pushwide(L, text, GetEnvironmentVariableW(name, text, size));
  return 1;
}

/* test.setenv(name, text|nil|false): for this process and those that it starts */
static int set_environment(lua_State *L) {
  lua_settop(L, 2);
  if (!lua_toboolean(L, 2)) lua_pushnil(L), lua_replace(L, 2);
  const wchar_t *name = luax_checkwide(L, 1, "name", NULL);
  SetEnvironmentVariableW(name, luax_optwide(L, 2, "text"));
  return 0;
}

/* Adds this process's environment variables to the table on top. */
static void add_environment(lua_State *L) {
  wchar_t *all = GetEnvironmentStringsW();
  for (wchar_t *entry = all; *entry; entry += wcslen(entry) + 1) {
    const wchar_t *equals = wcschr(entry + 1, L'='); /* names such as "=C:" begin with one */
    if (equals == NULL) continue;
    luax_pushwide(L, entry, (size_t)(equals - entry));
    luax_pushwidez(L, equals + 1);
    lua_rawset(L, -3);
  }
  FreeEnvironmentStringsW(all);
}

/* Pushes the environment block for a child: this process's with the variables of the table at `changes`, where false
 * removes one. This process's own stays as it is: its shims read it. */
static const wchar_t *environment_block(lua_State *L, int changes) {
  if (!lua_istable(L, changes)) return NULL;
  lua_newtable(L);
  int all = lua_gettop(L);
  add_environment(L);
  for (lua_pushnil(L); lua_next(L, changes);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    if (!lua_toboolean(L, -1)) lua_pushnil(L), lua_replace(L, -2);
    lua_rawset(L, all);
  }
  lua_newtable(L);
  int entries = lua_gettop(L);
  lua_Integer n = 0;
  for (lua_pushnil(L); lua_next(L, all);) {
    lua_pushfstring(L, "%s=%s", lua_tostring(L, -2), lua_tostring(L, -1));
    lua_rawseti(L, entries, ++n);
    lua_pop(L, 1);
  }
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, entries, i);
    luaL_addvalue(&b);
    luaL_addchar(&b, 0);
  }
  luaL_addchar(&b, 0);
  luaL_pushresult(&b);
  return luax_checkwidebytes(L, lua_gettop(L), "env", NULL);
}

/* CreateProcess within the job, so that its children end with it, too. */
static DWORD create(process *p, wchar_t *command, const wchar_t *variables, const wchar_t *folder, HANDLE in,
                    HANDLE out, HANDLE err) {
  const DWORD flags = CREATE_SUSPENDED | CREATE_NEW_PROCESS_GROUP | CREATE_UNICODE_ENVIRONMENT;
  STARTUPINFOW start = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES};
  PROCESS_INFORMATION made;
  start.hStdInput = in;
  start.hStdOutput = out;
  start.hStdError = err;
  if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, flags, (void *)variables, folder, &start, &made))
    return GetLastError();
  p->process = made.hProcess;
  p->pid = made.dwProcessId;
  AssignProcessToJobObject(p->job, p->process);
  ResumeThread(made.hThread);
  CloseHandle(made.hThread);
  return 0;
}

/* test.start{path=, args={}, env={NAME=text|false}, cwd=} -> process, or raises.
 * The process runs in a job of its own; `:close()`, garbage collection and `:kill()` end the whole job. */
static int start(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  wchar_t *command = command_line(L);
  const wchar_t *folder = wide_option(L, "cwd");
  lua_getfield(L, 1, "env");
  const wchar_t *variables = environment_block(L, lua_gettop(L));
  process *p = luax_buffer(L, sizeof *p);
  int self = lua_gettop(L);
  HANDLE in, out, err;
  make_pipe(L, &in, &p->input, &p->input);
  open_stream(L, &p->output, &out);
  open_stream(L, &p->errors, &err);
  p->job = CreateJobObjectW(NULL, NULL);
  DWORD failed = create(p, command, variables, folder, in, out, err);
  CloseHandle(in);
  CloseHandle(out);
  CloseHandle(err);
  lua_getfield(L, 1, "path");
  if (failed) luax_fail(L, lua_tostring(L, -1), failed);
  p->output.thread = CreateThread(NULL, 0, read_stream, &p->output, 0, NULL);
  p->errors.thread = CreateThread(NULL, 0, read_stream, &p->errors, 0, NULL);
  lua_pushvalue(L, self);
  luaL_setmetatable(L, PROCESS);
  return 1;
}

/* process:wait(seconds) -> {code=, stdout=, stderr=}, or nil when it still runs then. */
static int process_wait(lua_State *L) {
  process *p = check_process(L);
  luaL_argcheck(L, p->process, 1, "closed process");
  if (WaitForSingleObject(p->process, luax_optseconds(L, 2, "seconds", 60000)) != WAIT_OBJECT_0) return 0;
  close_handle(&p->input);
  finish_stream(&p->output);
  finish_stream(&p->errors);
  DWORD code = 0;
  GetExitCodeProcess(p->process, &code);
  lua_newtable(L);
  luax_setinteger(L, "code", code);
  push_stream(L, &p->output);
  lua_setfield(L, -2, "stdout");
  push_stream(L, &p->errors);
  lua_setfield(L, -2, "stderr");
  return 1;
}

/* process:output() -> standard output so far, standard error so far */
static int process_output(lua_State *L) {
  process *p = check_process(L);
  luaL_argcheck(L, p->process, 1, "closed process");
  push_stream(L, &p->output);
  push_stream(L, &p->errors);
  return 2;
}

/* process:write(text) to its standard input; process:write() closes that. */
static int process_write(lua_State *L) {
  process *p = check_process(L);
  size_t size;
  const char *text = luaL_optlstring(L, 2, NULL, &size);
  if (text == NULL) {
    close_handle(&p->input);
    return 0;
  }
  DWORD written;
  lua_pushboolean(L, WriteFile(p->input, text, (DWORD)size, &written, NULL) && written == size);
  return 1;
}

static int process_pid(lua_State *L) {
  lua_pushinteger(L, check_process(L)->pid);
  return 1;
}

/* process:kill([code]) ends it and its children at once. */
static int process_kill(lua_State *L) {
  TerminateJobObject(check_process(L)->job, (UINT)luaL_optinteger(L, 2, 1));
  return 0;
}

/* SystemExtendedHandleInformation; Wine knows no GetProcessHandleCount. */
typedef struct system_handles {
  ULONG_PTR count;
  ULONG_PTR reserved;
  struct {
    PVOID object;
    ULONG_PTR pid;
    ULONG_PTR handle;
    ULONG access;
    USHORT trace, type;
    ULONG attributes, unused;
  } rows[];
} system_handles;

/* test.processor_time() -> the seconds that processors worked for this process */
static int processor_time(lua_State *L) {
  FILETIME created, ended, kernel, user;
  if (!GetProcessTimes(GetCurrentProcess(), &created, &ended, &kernel, &user)) return 0;
  ULARGE_INTEGER spent = {.LowPart = kernel.dwLowDateTime, .HighPart = kernel.dwHighDateTime};
  ULARGE_INTEGER more = {.LowPart = user.dwLowDateTime, .HighPart = user.dwHighDateTime};
  lua_pushnumber(L, (lua_Number)(spent.QuadPart + more.QuadPart) / 1e7);
  return 1;
}

/* How often `text` stands in `size` bytes at `at` as UTF-16. */
static lua_Integer count_wide(const char *at, size_t size, const char *text, size_t n) {
  lua_Integer count = 0;
  for (size_t i = 0; i + 2 * n <= size; i += 2) {
    size_t same = 0;
    while (same < n && at[i + 2 * same] == text[same] && at[i + 2 * same + 1] == 0) same++;
    count += same == n;
  }
  return count;
}

/* test.wide_copies(text) -> how often an ASCII text is in this process's memory as UTF-16 */
static int wide_copies(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n), *at = NULL;
  lua_Integer count = 0;
  MEMORY_BASIC_INFORMATION part;
  for (; VirtualQuery(at, &part, sizeof part); at = (const char *)part.BaseAddress + part.RegionSize)
    if (part.State == MEM_COMMIT && part.Protect == PAGE_READWRITE)
      count += count_wide(part.BaseAddress, part.RegionSize, text, n);
  lua_pushinteger(L, count);
  return 1;
}

/* test.handle_count([pid]) -> how many handles a process (this one) has open */
static int handle_count(lua_State *L) {
  ULONG_PTR pid = (ULONG_PTR)luaL_optinteger(L, 1, GetCurrentProcessId());
  ULONG size = 1 << 20;
  system_handles *all = luax_buffer(L, size);
  while (NtQuerySystemInformation((SYSTEM_INFORMATION_CLASS)64, all, size, NULL) < 0) {
    size *= 2;
    if (size > 1 << 28) luax_fail(L, "handles", ERROR_NOT_ENOUGH_MEMORY);
    all = luax_buffer(L, size);
  }
  lua_Integer count = 0;
  for (ULONG_PTR i = 0; i < all->count; i++) count += all->rows[i].pid == pid;
  lua_pushinteger(L, count);
  return 1;
}

/* test.kill(pid) ends a process that the test did not start itself. */
static int kill_pid(lua_State *L) {
  HANDLE opened = OpenProcess(PROCESS_TERMINATE, FALSE, (DWORD)luaL_checkinteger(L, 1));
  lua_pushboolean(L, opened && TerminateProcess(opened, 1));
  if (opened) CloseHandle(opened);
  return 1;
}

static int own_pid(lua_State *L) {
  lua_pushinteger(L, GetCurrentProcessId());
  return 1;
}

/* ---- Time ---- */

static int sleep_seconds(lua_State *L) {
  Sleep(luax_optseconds(L, 1, "seconds", 0));
  return 0;
}

/* test.clock() -> seconds, with the finest resolution there is */
static int clock_seconds(lua_State *L) {
  LARGE_INTEGER now, frequency;
  QueryPerformanceCounter(&now);
  QueryPerformanceFrequency(&frequency);
  lua_pushnumber(L, (lua_Number)now.QuadPart / (lua_Number)frequency.QuadPart);
  return 1;
}

/* ---- Services ---- */

/* Pushes the double-NUL-terminated UTF-16 text for an array of names, or nil for NULL. */
static const wchar_t *multi_option(lua_State *L, const char *key) {
  lua_getfield(L, 1, key);
  int list = lua_gettop(L);
  if (lua_isnil(L, list)) return NULL;
  luaL_Buffer b;
  lua_Integer n = luaL_len(L, list);
  luaL_buffinit(L, &b);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, list, i);
    luaL_addvalue(&b);
    luaL_addchar(&b, 0);
  }
  luaL_addchar(&b, 0);
  luaL_pushresult(&b);
  return luax_checkwidebytes(L, lua_gettop(L), key, NULL);
}

/* test.service_create{name=, path=, display_name=, start=2|3|4, type=1|2|16, dependencies={}}: path is the command line;
 * types 1 and 2 are drivers. */
static int service_create(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  const wchar_t *name = wide_option(L, "name");
  const wchar_t *shown = wide_option(L, "display_name");
  const wchar_t *path = wide_option(L, "path");
  const wchar_t *needs = multi_option(L, "dependencies");
  DWORD when = (DWORD)integer_option(L, "start", SERVICE_DEMAND_START);
  DWORD type = (DWORD)integer_option(L, "type", SERVICE_WIN32_OWN_PROCESS);
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CREATE_SERVICE);
  SC_HANDLE service = CreateServiceW(manager, name, shown, SERVICE_ALL_ACCESS, type, when, SERVICE_ERROR_NORMAL, path,
                                     NULL, NULL, needs, NULL, NULL);
  DWORD failed = service ? 0 : GetLastError();
  if (service) CloseServiceHandle(service);
  if (manager) CloseServiceHandle(manager);
  if (failed) luax_failwide(L, name, failed);
  return 0;
}

/* Opens the service named by argument 1 with `access`, calls `act` and pushes true, or false and Windows' error. */
static int with_service(lua_State *L, DWORD access, BOOL(WINAPI *act)(SC_HANDLE)) {
  const wchar_t *name = luax_checkwide(L, 1, "name", NULL);
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
  SC_HANDLE service = OpenServiceW(manager, name, access);
  BOOL done = service && act(service);
  DWORD failed = GetLastError();
  if (service) CloseServiceHandle(service);
  if (manager) CloseServiceHandle(manager);
  lua_pushboolean(L, done);
  lua_pushinteger(L, done ? 0 : failed);
  return 2;
}

static BOOL WINAPI start_it(SC_HANDLE service) { return StartServiceW(service, 0, NULL); }
static BOOL WINAPI stop_it(SC_HANDLE service) {
  SERVICE_STATUS status;
  return ControlService(service, SERVICE_CONTROL_STOP, &status);
}

/* test.service_delete|start|stop(name) -> true, or false and Windows' error */
static int service_delete(lua_State *L) { return with_service(L, DELETE, DeleteService); }
static int service_start(lua_State *L) { return with_service(L, SERVICE_START, start_it); }
static int service_stop(lua_State *L) { return with_service(L, SERVICE_STOP, stop_it); }

/* test.service_state(name) -> Windows' number of its state (1 stopped, 3 stop pending, 4 running), pid; or nil */
static int service_state(lua_State *L) {
  const wchar_t *name = luax_checkwide(L, 1, "name", NULL);
  SERVICE_STATUS_PROCESS status;
  DWORD needed;
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
  SC_HANDLE service = OpenServiceW(manager, name, SERVICE_QUERY_STATUS);
  BOOL got =
      service && QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)&status, sizeof status, &needed);
  if (service) CloseServiceHandle(service);
  if (manager) CloseServiceHandle(manager);
  if (!got) return 0;
  lua_pushinteger(L, status.dwCurrentState);
  lua_pushinteger(L, status.dwProcessId);
  return 2;
}

/* ---- Sockets ---- */

static socklen_t any_address(struct sockaddr_storage *storage, int family, unsigned short port, int loopback) {
  memset(storage, 0, sizeof *storage);
  if (family == 6) {
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)storage;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    six->sin6_addr.s6_addr[15] = (unsigned char)loopback;
    return sizeof *six;
  }
  struct sockaddr_in *four = (struct sockaddr_in *)storage;
  four->sin_family = AF_INET;
  four->sin_port = htons(port);
  four->sin_addr.s_addr = htonl(loopback ? INADDR_LOOPBACK : INADDR_ANY);
  return sizeof *four;
}

static SOCKET *check_socket(lua_State *L) { return luaL_checkudata(L, 1, SOCKET_HANDLE); }

static int socket_close(lua_State *L) {
  SOCKET *s = check_socket(L);
  if (*s != INVALID_SOCKET) closesocket(*s);
  *s = INVALID_SOCKET;
  return 0;
}

static SOCKET *new_socket(lua_State *L, int family, int type) {
  SOCKET *s = lua_newuserdatauv(L, sizeof *s, 0);
  *s = socket(family == 6 ? AF_INET6 : AF_INET, type, 0);
  luaL_setmetatable(L, SOCKET_HANDLE);
  return s;
}

static int socket_failed(lua_State *L) {
  int code = WSAGetLastError();
  lua_pushnil(L);
  lua_pushinteger(L, code);
  return 2;
}

static void switch_on(SOCKET s, int level, int option) {
  DWORD on = 1;
  setsockopt(s, level, option, (const char *)&on, sizeof on);
}

/* test.listen{port=, family=4|6, address="any"|"loopback", reuse=, exclusive=, udp=} -> socket with :close(),
 * or nil and Winsock's error */
static int listen_on(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int family = (int)integer_option(L, "family", 4);
  lua_getfield(L, 1, "address");
  int loopback = strcmp(luaL_optstring(L, -1, "any"), "loopback") == 0;
  struct sockaddr_storage address;
  socklen_t size = any_address(&address, family, (unsigned short)integer_option(L, "port", 0), loopback);
  int udp = boolean_option(L, "udp");
  SOCKET *s = new_socket(L, family, udp ? SOCK_DGRAM : SOCK_STREAM);
  if (boolean_option(L, "exclusive")) switch_on(*s, SOL_SOCKET, SO_EXCLUSIVEADDRUSE);
  if (boolean_option(L, "reuse")) switch_on(*s, SOL_SOCKET, SO_REUSEADDR);
  if (family == 6) switch_on(*s, IPPROTO_IPV6, IPV6_V6ONLY);
  if (bind(*s, (struct sockaddr *)&address, size) || (!udp && listen(*s, 5))) return socket_failed(L);
  switch_on(*s, SOL_SOCKET, udp ? SO_BROADCAST : SO_KEEPALIVE); /* makes Wine show the owner's pid for IPv4 */
  return 1;
}

/* test.connect(port [, family]) -> a connected socket with :close(), or nil and Winsock's error */
static int connect_to(lua_State *L) {
  struct sockaddr_storage address;
  int family = (int)luaL_optinteger(L, 2, 4);
  socklen_t size = any_address(&address, family, (unsigned short)luaL_checkinteger(L, 1), 1);
  SOCKET *s = new_socket(L, family, SOCK_STREAM);
  return connect(*s, (struct sockaddr *)&address, size) ? socket_failed(L) : 1;
}

/* Whether `text` is a whole HTTP answer, by its Content-Length: Wine's http.sys does not close the connection. */
static int is_whole(const char *text, size_t size) {
  const char *body = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length:");
  return body && length && length < body && text + size >= body + 4 + atoi(length + 15);
}

/* test.http_get(port [, path [, family]]) -> the whole answer as text, or nil and Winsock's error.
 * The Host header names the port: without it Wine's http.sys crashes. */
static int http_get(lua_State *L) {
  lua_settop(L, 3);
  lua_Integer port = luaL_checkinteger(L, 1);
  const char *path = luaL_optstring(L, 2, "/");
  int family = (int)luaL_optinteger(L, 3, 4);
  struct sockaddr_storage address;
  socklen_t length = any_address(&address, family, (unsigned short)port, 1);
  SOCKET *s = new_socket(L, family, SOCK_STREAM);
  DWORD patience = 10000;
  setsockopt(*s, SOL_SOCKET, SO_RCVTIMEO, (const char *)&patience, sizeof patience);
  if (connect(*s, (struct sockaddr *)&address, length)) return socket_failed(L);
  const char *request = lua_pushfstring(L, "GET %s HTTP/1.1\r\nHost: localhost:%I\r\n\r\n", path, port);
  if (send(*s, request, (int)strlen(request), 0) < 0) return socket_failed(L);
  char answer[4096] = "";
  size_t size = 0;
  while (size < sizeof answer - 1 && !is_whole(answer, size)) {
    int n = recv(*s, answer + size, (int)(sizeof answer - 1 - size), 0);
    if (n <= 0) break;
    size += (size_t)n;
    answer[size] = 0;
  }
  closesocket(*s);
  *s = INVALID_SOCKET;
  lua_pushlstring(L, answer, size);
  return 1;
}

/* ---- The module ---- */

/* test.bin = the folder of this program. */
static void set_folder(lua_State *L) {
  wchar_t path[1024];
  DWORD n = GetModuleFileNameW(NULL, path, 1024);
  while (n > 0 && path[n - 1] != L'\\') n--;
  luax_pushwide(L, path, n);
  lua_setfield(L, -2, "bin");
}

static void new_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close) {
  luaL_newmetatable(L, name);
  lua_pushcfunction(L, close);
  lua_setfield(L, -2, "__gc");
  lua_newtable(L);
  luax_setfunctions(L, name, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

void runner_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"start", start},
                                       {"handle_count", handle_count},
                                       {"wide_copies", wide_copies},
                                       {"processor_time", processor_time},
                                       {"kill", kill_pid},
                                       {"pid", own_pid},
                                       {"getenv", get_environment},
                                       {"setenv", set_environment},
                                       {"sleep", sleep_seconds},
                                       {"clock", clock_seconds},
                                       {"service_create", service_create},
                                       {"service_delete", service_delete},
                                       {"service_start", service_start},
                                       {"service_stop", service_stop},
                                       {"service_state", service_state},
                                       {"listen", listen_on},
                                       {"connect", connect_to},
                                       {"http_get", http_get},
                                       {NULL, NULL}};
  static const luaL_Reg of_process[] = {{"wait", process_wait},
                                        {"output", process_output},
                                        {"write", process_write},
                                        {"pid", process_pid},
                                        {"kill", process_kill},
                                        {"close", process_close},
                                        {NULL, NULL}};
  static const luaL_Reg of_socket[] = {{"close", socket_close}, {NULL, NULL}};
  WSADATA ignored;
  WSAStartup(MAKEWORD(2, 2), &ignored);
  new_class(L, PROCESS, of_process, process_close);
  new_class(L, SOCKET_HANDLE, of_socket, socket_close);
  lua_newtable(L);
  luax_setfunctions(L, "test", functions);
  set_folder(L);
  luax_settext(L, "arch", sizeof(void *) == 8 ? "x64" : "x86");
}
