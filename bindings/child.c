#include "child.h"

#include <stdio.h>
#include <string.h>
#include <tlhelp32.h>

#include "luax.h"
#include "winapi.h"

/* https://learn.microsoft.com/windows/win32/winprog64/file-system-redirector */
void child_begin_view(child_view *view) { view->is_off = Wow64DisableWow64FsRedirection(&view->before); }

void child_end_view(child_view *view) {
  if (view->is_off) Wow64RevertWow64FsRedirection(view->before);
}

/* ---- The tree of processes ----
 * A job holds what the program starts. Before Windows 8 a process that is in a job already (p80 may run in one) can
 * get into another only by leaving the first, which that must allow; without, the tree is found by its parents.
 * https://learn.microsoft.com/windows/win32/procthread/nested-jobs */

typedef struct tree {
  HANDLE process, thread, job;
  DWORD pid;
  int is_released; /* the program has ended by itself */
} tree;

static ULONGLONG created_at(HANDLE process) {
  FILETIME created, ended, kernel, user;
  if (!GetProcessTimes(process, &created, &ended, &kernel, &user)) return 0;
  return (ULONGLONG)created.dwHighDateTime << 32 | created.dwLowDateTime;
}

enum { MOST_PROCESSES = 512 };

static int is_in(DWORD pid, const DWORD *pids, int n) {
  for (int i = 0; i < n; i++)
    if (pids[i] == pid) return 1;
  return 0;
}

/* Adds to the `n` pids those whose parent is among them, as long as there are any; returns how many there are then.
 */
static int find_descendants(DWORD pids[MOST_PROCESSES], int n) {
  HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
  if (snapshot == INVALID_HANDLE_VALUE) return n;
  for (int before = 0; before < n;) {
    PROCESSENTRY32W entry = {.dwSize = sizeof entry};
    before = n;
    for (BOOL found = Process32FirstW(snapshot, &entry); found; found = Process32NextW(snapshot, &entry)) {
      DWORD pid = entry.th32ProcessID;
      if (pid && n < MOST_PROCESSES && is_in(entry.th32ParentProcessID, pids, n) && !is_in(pid, pids, n))
        pids[n++] = pid;
    }
  }
  CloseHandle(snapshot);
  return n;
}

/* Ends the program and its descendants; none is older than it, or its parent's id was another's before. */
static void end_descendants(const tree *t) {
  DWORD pids[MOST_PROCESSES] = {t->pid};
  ULONGLONG since = created_at(t->process);
  int n = find_descendants(pids, 1);
  for (int i = 1; i < n; i++) {
    HANDLE process = OpenProcess(PROCESS_TERMINATE | PROCESS_QUERY_INFORMATION, FALSE, pids[i]);
    if (process && created_at(process) >= since) TerminateProcess(process, 1);
    if (process) CloseHandle(process);
  }
  TerminateProcess(t->process, 1);
}

static void close_started(tree *t) {
  if (t->thread) CloseHandle(t->thread);
  if (t->process) CloseHandle(t->process);
  t->thread = t->process = NULL;
}

static void end_tree(tree *t) {
  enum { GRACE_MS = 5000 };
  if (t->job) TerminateJobObject(t->job, 1);
  else end_descendants(t);
  WaitForSingleObject(t->process, GRACE_MS);
}

static void close_tree(UINT_PTR value) {
  tree *t = (tree *)value;
  if (t->process && !t->is_released) end_tree(t);
  close_started(t);
  if (t->job) CloseHandle(t->job);
}

static BOOL set_limits(HANDLE job, DWORD flags) {
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {.BasicLimitInformation = {.LimitFlags = flags}};
  return SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
}

/* A job that ends with p80. */
static HANDLE new_job(void) {
  HANDLE job = CreateJobObjectW(NULL, NULL);
  if (job && set_limits(job, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE)) return job;
  if (job) CloseHandle(job);
  return NULL;
}

/* The program has ended: what it started may go on. */
static void release(tree *t) {
  t->is_released = 1;
  if (t->job) set_limits(t->job, 0);
}

/* https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-createprocessw */
static DWORD create(const child_spec *spec, STARTUPINFOW *startup, DWORD flags, tree *t) {
  PROCESS_INFORMATION started;
  child_view view;
  child_begin_view(&view);
  BOOL ok = CreateProcessW(spec->path, spec->line, NULL, NULL, TRUE,
                           CREATE_NO_WINDOW | CREATE_SUSPENDED | CREATE_UNICODE_ENVIRONMENT | flags,
                           (void *)spec->environment, spec->folder, startup, &started);
  DWORD code = ok ? 0 : GetLastError();
  child_end_view(&view);
  if (!ok) return code;
  t->process = started.hProcess;
  t->thread = started.hThread;
  t->pid = started.dwProcessId;
  return 0;
}

/* Starts the program in its job, from out of p80's job, or without one. */
static DWORD start(const child_spec *spec, STARTUPINFOW *startup, tree *t) {
  t->job = new_job();
  for (DWORD flags = 0; t->job; flags = CREATE_BREAKAWAY_FROM_JOB) {
    DWORD code = create(spec, startup, flags, t);
    if (code && !(flags && code == ERROR_ACCESS_DENIED)) return code;
    if (code == 0 && AssignProcessToJobObject(t->job, t->process)) return 0;
    if (code == 0) TerminateProcess(t->process, 1);
    close_started(t);
    if (flags == 0) continue;
    CloseHandle(t->job);
    t->job = NULL;
  }
  return create(spec, startup, 0, t);
}

/* ---- Its streams ----
 * Named pipes, since only those can be read without waiting.
 * https://learn.microsoft.com/windows/win32/ipc/synchronous-and-overlapped-pipe-i-o */

enum { CHUNK = 1 << 15 };

typedef struct stream {
  HANDLE pipe;
  OVERLAPPED io; /* its event is set when something is to be done */
  int is_open;
  luax_handle *theirs;
  int slot; /* the stack index of the userdata `bytes` */
  char *bytes;
  size_t size, room;
  char chunk[CHUNK];
} stream;

/* Nothing may write into the stream's memory any more when this returns. */
static void close_stream(UINT_PTR value) {
  stream *s = (stream *)value;
  DWORD ignored;
  if (s->is_open) {
    CancelIo(s->pipe);
    GetOverlappedResult(s->pipe, &s->io, &ignored, TRUE);
  }
  s->is_open = 0;
  if (s->pipe) CloseHandle(s->pipe);
  s->pipe = NULL;
  if (s->io.hEvent) CloseHandle(s->io.hEvent);
  s->io.hEvent = NULL;
}

static HANDLE new_pipe(wchar_t name[64], DWORD direction) {
  static LONG made;
  _snwprintf(name, 64, L"\\\\.\\pipe\\p80-%lu-%ld", GetCurrentProcessId(), InterlockedIncrement(&made));
  HANDLE pipe = CreateNamedPipeW(name, direction | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
                                 PIPE_TYPE_BYTE | PIPE_WAIT, 1, CHUNK, CHUNK, 0, NULL);
  return pipe == INVALID_HANDLE_VALUE ? NULL : pipe;
}

/* A pipe in a slot of the running function (+4); `direction` is p80's. */
static stream *new_stream(lua_State *L, DWORD direction) {
  wchar_t name[64];
  SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
  stream *s = luax_buffer(L, sizeof *s);
  luax_handle *slot = luax_newhandle(L, close_stream);
  slot->value = (UINT_PTR)s;
  s->theirs = luax_newhandle(L, luax_closekernel);
  lua_pushnil(L);
  s->slot = lua_gettop(L);
  s->io.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (s->io.hEvent == NULL) luax_fail(L, "pipe", GetLastError());
  s->pipe = new_pipe(name, direction);
  if (s->pipe == NULL) luax_fail(L, "pipe", GetLastError());
  DWORD access = direction == PIPE_ACCESS_INBOUND ? GENERIC_WRITE | FILE_READ_ATTRIBUTES : GENERIC_READ;
  HANDLE theirs = CreateFileW(name, access, 0, &inherited, OPEN_EXISTING, 0, NULL);
  if (theirs == INVALID_HANDLE_VALUE) luax_fail(L, "pipe", GetLastError());
  s->theirs->value = (UINT_PTR)theirs;
  return s;
}

/* Whether reading or writing has begun; otherwise the other end is gone. */
static int has_begun(BOOL ok) { return ok || GetLastError() == ERROR_IO_PENDING; }

static void begin_read(stream *s) { s->is_open = has_begun(ReadFile(s->pipe, s->chunk, CHUNK, NULL, &s->io)); }

static void append(lua_State *L, stream *s, size_t n) {
  if (s->size + n > s->room) {
    size_t room = (s->size + n) * 2;
    char *bytes = lua_newuserdatauv(L, room, 0);
    if (s->size) memcpy(bytes, s->bytes, s->size);
    lua_replace(L, s->slot);
    s->bytes = bytes;
    s->room = room;
  }
  if (n) memcpy(s->bytes + s->size, s->chunk, n);
  s->size += n;
}

/* Takes what has come and asks for more. */
static void pump(lua_State *L, stream *s) {
  DWORD n;
  if (!s->is_open) return;
  if (GetOverlappedResult(s->pipe, &s->io, &n, FALSE)) {
    s->is_open = 0;
    append(L, s, n);
    begin_read(s);
  } else if (GetLastError() != ERROR_IO_INCOMPLETE) {
    s->is_open = 0;
  }
}

/* ---- Running ---- */

static void open_child(lua_State *L, child *c, const child_spec *spec) {
  STARTUPINFOW startup = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES};
  c->input = new_stream(L, PIPE_ACCESS_OUTBOUND);
  c->output = new_stream(L, PIPE_ACCESS_INBOUND);
  c->errors = new_stream(L, PIPE_ACCESS_INBOUND);
  c->tree = luax_buffer(L, sizeof *c->tree);
  luax_newhandle(L, close_tree)->value = (UINT_PTR)c->tree;
  startup.hStdInput = (HANDLE)c->input->theirs->value;
  startup.hStdOutput = (HANDLE)c->output->theirs->value;
  startup.hStdError = (HANDLE)c->errors->theirs->value;
  DWORD code = start(spec, &startup, c->tree);
  if (code) luax_failwide(L, spec->path, code);
  luax_closehandle(c->input->theirs);
  luax_closehandle(c->output->theirs);
  luax_closehandle(c->errors->theirs);
}

static void begin_streams(const child *c, const child_spec *spec) {
  stream *in = c->input;
  begin_read(c->output);
  begin_read(c->errors);
  in->is_open =
      spec->input_size > 0 && has_begun(WriteFile(in->pipe, spec->input, (DWORD)spec->input_size, NULL, &in->io));
  if (!in->is_open) close_stream((UINT_PTR)in);
}

/* What WaitForMultipleObjects is told: Ctrl-C, the streams that are open, and the process while it runs. */
static DWORD collect(const child *c, int is_running, HANDLE handles[5]) {
  DWORD n = 0;
  if (luax_interrupt) handles[n++] = luax_interrupt;
  if (c->output->is_open) handles[n++] = c->output->io.hEvent;
  if (c->errors->is_open) handles[n++] = c->errors->io.hEvent;
  if (c->input->is_open) handles[n++] = c->input->io.hEvent;
  if (is_running) handles[n++] = c->tree->process;
  return n;
}

/* Waits at most `ms` until something is to be done, and does it; returns whether there was anything. */
static int step(lua_State *L, child *c, int is_running, DWORD ms) {
  HANDLE handles[5];
  DWORD n = collect(c, is_running, handles);
  DWORD found = WaitForMultipleObjects(n, handles, FALSE, ms);
  if (found == WAIT_TIMEOUT) return 0;
  if (found >= WAIT_OBJECT_0 + n) luax_fail(L, "process", GetLastError());
  if (handles[found] == luax_interrupt) luax_fail(L, NULL, ERROR_OPERATION_ABORTED);
  pump(L, c->output);
  pump(L, c->errors);
  if (c->input->is_open && WaitForSingleObject(c->input->io.hEvent, 0) == WAIT_OBJECT_0)
    close_stream((UINT_PTR)c->input); /* the program sees the end of its input */
  return 1;
}

static int is_flooded(const child *c, size_t most) { return c->output->size > most || c->errors->size > most; }

/* Serves the program until it has ended. */
static child_end serve(lua_State *L, child *c, const child_spec *spec) {
  enum { SLICE_MS = 200 };
  ULONGLONG deadline = luax_clock() + spec->timeout;
  while (WaitForSingleObject(c->tree->process, 0) == WAIT_TIMEOUT) {
    ULONGLONG now = luax_clock();
    if (now >= deadline) return CHILD_TIMED_OUT;
    if (is_flooded(c, spec->most)) return CHILD_FLOODED;
    ULONGLONG left = deadline - now;
    step(L, c, 1, luax_waiting && left > SLICE_MS ? SLICE_MS : (DWORD)left);
    if (luax_waiting) luax_waiting(L);
  }
  return CHILD_ENDED;
}

/* Takes what it had printed before it ended. What it started may hold the pipes open, and is not waited for. */
static child_end drain(lua_State *L, child *c, size_t most) {
  enum { QUIET_MS = 100, MOST_STEPS = 1 << 16 };
  for (int i = 0; i < MOST_STEPS && (c->output->is_open || c->errors->is_open); i++) {
    if (is_flooded(c, most)) return CHILD_FLOODED;
    if (!step(L, c, 0, QUIET_MS)) break;
  }
  return is_flooded(c, most) ? CHILD_FLOODED : CHILD_ENDED;
}

void child_start(lua_State *L, child *c, const child_spec *spec) {
  open_child(L, c, spec);
  begin_streams(c, spec);
  if (ResumeThread(c->tree->thread) == (DWORD)-1) luax_failwide(L, spec->path, GetLastError());
}

child_end child_finish(lua_State *L, child *c, const child_spec *spec, DWORD *code) {
  child_end end = serve(L, c, spec);
  if (end == CHILD_ENDED) {
    if (!GetExitCodeProcess(c->tree->process, code)) luax_failwide(L, spec->path, GetLastError());
    end = drain(L, c, spec->most);
  }
  if (end == CHILD_ENDED) release(c->tree);
  else end_tree(c->tree);
  lua_pushlstring(L, c->output->bytes ? c->output->bytes : "", c->output->size);
  lua_pushlstring(L, c->errors->bytes ? c->errors->bytes : "", c->errors->size);
  return end;
}
