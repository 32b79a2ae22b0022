#include "interrupt.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "console.h"
#include "luax.h"

static DWORD runner;                             /* the thread in which all states run */
static CRITICAL_SECTION lock;                    /* guards what follows against the threads that interrupt */
static lua_State *running;                       /* the state or coroutine that runs */
static lua_State *outermost;                     /* the main coroutine of the first state */
static volatile enum { NONE, CTRL_C, BUSY } why; /* what has not reached that yet */

static double limit;        /* seconds of processor time; 0: none */
static volatile LONG steps; /* other than waits */

/* ---- Raising ---- */

static void raise_busy(lua_State *L) {
  char message[96];
  snprintf(message, sizeof message, "It has computed for %g seconds without waiting or changing anything.", limit);
  luax_pusherror(L, NULL, NULL, ERROR_TIMEOUT, message,
                 "it may be in a loop without end; --cpu-limit SECONDS allows more, 0 any time");
  lua_error(L);
}

/* The error ends a coroutine alone; so it is raised again in what resumed it, up to the outermost. A script that has
 * forgotten Ctrl-C meanwhile (lua_interrupted in console.c) goes on. */
static void on_hook(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  int cause = why, is_forgotten = WaitForSingleObject(luax_interrupt, 0) != WAIT_OBJECT_0;
  if (L == outermost || (cause != BUSY && is_forgotten)) why = NONE;
  if (cause == BUSY) raise_busy(L);
  if (is_forgotten) return;
  luax_pusherror(L, NULL, NULL, ERROR_OPERATION_ABORTED, "Interrupted.", NULL);
  lua_error(L);
}

/* A wait may have raised the error before: then the script has some time to clean up. */
static void on_first_hook(lua_State *L, lua_Debug *ar) {
  enum { GRACE = 100000 }; /* instructions */
  if (why == CTRL_C && luax_interrupt_told) lua_sethook(L, on_hook, LUA_MASKCOUNT, GRACE);
  else on_hook(L, ar);
}

/* lua_sethook may be called at any time, as in the handler of a signal: while the state's own thread stands still. */
static void hook(lua_State *L) {
  if (L && why && lua_gethook(L) != on_hook) /* which has its count already */
    lua_sethook(L, on_first_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/* Hooks what runs. A thread that is told to stand still may do so some time later, but at the latest when it is asked
 * where it stands.
 * https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-suspendthread */
static void hook_running(void) {
  CONTEXT context = {.ContextFlags = CONTEXT_CONTROL};
  HANDLE thread = OpenThread(THREAD_SUSPEND_RESUME | THREAD_GET_CONTEXT, FALSE, runner);
  SuspendThread(thread);
  GetThreadContext(thread, &context);
  hook(running);
  ResumeThread(thread);
  if (thread) CloseHandle(thread);
}

/* When nothing runs, the process may be about to end: its last thread must not stand still, for by then nobody would
 * be left who lets it go on. */
static void interrupt(int cause) {
  EnterCriticalSection(&lock);
  why = cause;
  if (running) hook_running();
  LeaveCriticalSection(&lock);
}

static lua_State *run(lua_State *L) {
  EnterCriticalSection(&lock);
  lua_State *before = running;
  running = L;
  hook(L);
  LeaveCriticalSection(&lock);
  return before;
}

lua_State *interrupt_enter(lua_State *L) {
  if (outermost == NULL) outermost = L;
  return run(L);
}

void interrupt_leave(lua_State *before) {
  lua_State *left = run(before);
  if (left) lua_sethook(left, NULL, 0, 0);
}

/* ---- Coroutines ---- */

/* Calls the original (upvalue 1) with the arguments as they came while `co` runs. */
static int call_within(lua_State *L, lua_State *co) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_State *before = run(co);
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  run(before);
  return status;
}

/* coroutine.resume(co, ...), coroutine.close(co) */
static int within_argument(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTHREAD);
  return call_within(L, lua_tothread(L, 1)) == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* What coroutine.wrap returns; upvalue 2 is the coroutine. As in Lua's own, text says who called. */
static int within_upvalue(lua_State *L) {
  int status = call_within(L, lua_tothread(L, lua_upvalueindex(2)));
  if (status == LUA_OK) return lua_gettop(L);
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

/* coroutine.wrap(f) */
static int wrap(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  if (lua_getupvalue(L, -1, 1) == NULL || !lua_isthread(L, -1))
    return luaL_error(L, "coroutine.wrap has no coroutine");
  lua_pushcclosure(L, within_upvalue, 2);
  return 1;
}

void interrupt_install(lua_State *L) {
  static const luaL_Reg replaced[] = {
      {"resume", within_argument}, {"close", within_argument}, {"wrap", wrap}, {NULL, NULL}};
  lua_getglobal(L, LUA_COLIBNAME);
  for (const luaL_Reg *r = replaced; r->name; r++) {
    lua_getfield(L, -1, r->name);
    lua_pushcclosure(L, r->func, 1);
    lua_setfield(L, -2, r->name);
  }
  lua_pop(L, 1);
}

/* ---- Ctrl-C ---- */

/* Runs in a thread of its own. The first Ctrl-C ends waits and the script in an orderly way; a second one ends the
 * process: the journal then lets `p80 undo` take back what was done. */
static BOOL WINAPI on_console_event(DWORD event) {
  if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT) return FALSE;
  if (WaitForSingleObject(luax_interrupt, 0) == WAIT_OBJECT_0) return FALSE;
  SetEvent(luax_interrupt);
  interrupt(CTRL_C);
  return TRUE;
}

void interrupt_catch(void) {
  runner = GetCurrentThreadId();
  InitializeCriticalSection(&lock);
  luax_interrupt = CreateEventW(NULL, TRUE, FALSE, NULL);
  SetConsoleCtrlHandler(on_console_event, TRUE);
}

static void CALLBACK on_event(void *unused, BOOLEAN timed_out) {
  (void)unused, (void)timed_out;
  on_console_event(CTRL_C_EVENT);
}

void interrupt_follow(const char *handle) {
  HANDLE event = (HANDLE)(INT_PTR)strtoll(handle, NULL, 10), ignored;
  RegisterWaitForSingleObject(&ignored, event, on_event, NULL, INFINITE, WT_EXECUTEONLYONCE);
}

/* ---- The limit ---- */

static double processor_time(void) {
  FILETIME created, ended, kernel, user;
  if (!GetProcessTimes(GetCurrentProcess(), &created, &ended, &kernel, &user)) return 0;
  ULONGLONG ticks = ((ULONGLONG)kernel.dwHighDateTime << 32) + kernel.dwLowDateTime;
  ticks += ((ULONGLONG)user.dwHighDateTime << 32) + user.dwLowDateTime;
  return (double)ticks / 1e7;
}

/* No error can be raised within a C function, such as a string.find that takes years: the process ends. */
static void give_up(void) {
  console_print(stderr,
                "p80: the script computes without end and cannot be interrupted; "
                "`p80 runs` shows whether it has changed anything\n");
  fflush(stderr);
  TerminateProcess(GetCurrentProcess(), 6);
}

static DWORD WINAPI watch_over(void *unused) {
  double patience = limit < 10 ? limit : 10; /* for cleaning up after the error */
  DWORD look_every = limit < 4 ? (DWORD)(limit * 250) : 1000;
  (void)unused;
  double begun = processor_time();
  int is_interrupted = 0;
  for (LONG seen = -1; WaitForSingleObject(GetCurrentProcess(), look_every) == WAIT_TIMEOUT;) {
    LONG now = steps + luax_waits;
    double spent = processor_time() - begun;
    if (now != seen) {
      seen = now;
      begun += spent;
      is_interrupted = 0;
    } else if (limit <= 0) {
      begun += spent;
    } else if (is_interrupted && spent > limit + patience) {
      give_up();
    } else if (!is_interrupted && spent > limit) {
      is_interrupted = 1;
      interrupt(BUSY);
    }
  }
  return 0;
}

void interrupt_step(void) { steps++; }

double interrupt_limit(double seconds) {
  enum { STACK = 64 * 1024 };
  static HANDLE watcher;
  double before = limit;
  interrupt_step();
  limit = seconds;
  if (limit > 0 && watcher == NULL) watcher = CreateThread(NULL, STACK, watch_over, NULL, 0, NULL);
  return before;
}
