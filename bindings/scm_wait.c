/* Waiting until a service is in a state. */
#include "scm_parts.h"

enum {
  FIRST_PAUSE = 15, /* ms between two looks at a pending service: at first, and how far that may grow */
  LEAST_PAUSE = 100,
  LONGEST_PAUSE = 10000,
  DEAD_TIME = 2000, /* ms that the SCM has to notice the end of a process */
  WAIT_TIMEOUT_MS = 30000,
};

/* A wait: what for, and what has been seen so far. */
typedef struct service_wait {
  DWORD wanted;
  DWORD timeout;   /* ms */
  int on_the_way;  /* the service has been seen, or told, to change its state */
  ULONGLONG begun; /* luax_clock */
  ULONGLONG moved; /* when it last showed progress */
  ULONGLONG died;  /* when its process was seen to have ended; 0: not yet */
  DWORD pause;     /* ms */
  SERVICE_STATUS_PROCESS status;
  luax_handle *process; /* of the process that is starting or stopping it; closed when there is none to look at */
  DWORD pid;            /* of that process */
} service_wait;

enum { WAIT_ON, WAIT_DONE, WAIT_TIMED_OUT, WAIT_STOPPED, WAIT_DIED };

static int is_starting(DWORD state) {
  return state == SERVICE_START_PENDING || state == SERVICE_CONTINUE_PENDING || state == SERVICE_PAUSE_PENDING;
}

static int is_pending(DWORD state) { return is_starting(state) || state == SERVICE_STOP_PENDING; }

/* Whether the process of a pending service has ended, and the SCM, which sees that at once, has had time to say so:
 * Wine's never does. Where p80 may not look at the process (Windows Server 2003), the SCM is trusted. */
static int has_died(service_wait *w, ULONGLONG now) {
  if (!is_pending(w->status.dwCurrentState)) return 0;
  if (w->status.dwProcessId && w->status.dwProcessId != w->pid) { /* somebody has started it again meanwhile */
    luax_closehandle(w->process);
    w->pid = w->status.dwProcessId;
    w->died = 0;
  }
  if (w->process->value == 0 && w->status.dwProcessId)
    w->process->value =
        (UINT_PTR)OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, w->status.dwProcessId);
  if (w->process->value == 0 || WaitForSingleObject((HANDLE)w->process->value, 0) != WAIT_OBJECT_0) return 0;
  if (w->died == 0) w->died = now;
  return now - w->died >= DEAD_TIME;
}

/* Takes note of a status; returns how the wait stands. */
static int look(service_wait *w, SERVICE_STATUS_PROCESS status) {
  ULONGLONG now = luax_clock();
  if (status.dwCurrentState != w->status.dwCurrentState || status.dwCheckPoint != w->status.dwCheckPoint)
    w->moved = now;
  w->status = status;
  if (status.dwCurrentState == w->wanted) return WAIT_DONE;
  if (status.dwCurrentState == SERVICE_STOPPED && w->on_the_way) return WAIT_STOPPED;
  if (is_starting(status.dwCurrentState)) w->on_the_way = 1;
  if (has_died(w, now)) return WAIT_DIED;
  return now - w->begun >= w->timeout ? WAIT_TIMED_OUT : WAIT_ON;
}

/* How long to sleep until the next look: short at first, then up to a tenth of the service's own wait hint, and never
 * beyond the deadline. */
static DWORD next_pause(service_wait *w) {
  DWORD limit = w->status.dwWaitHint / 10;
  if (limit < LEAST_PAUSE) limit = LEAST_PAUSE;
  if (limit > LONGEST_PAUSE) limit = LONGEST_PAUSE;
  w->pause += w->pause / 2;
  if (w->pause > limit) w->pause = limit;
  ULONGLONG gone = luax_clock() - w->begun;
  ULONGLONG left = gone < w->timeout ? w->timeout - gone : 0;
  return left < w->pause ? (DWORD)left : w->pause;
}

/* Pushes what came of a wait that failed. */
static int push_failure(lua_State *L, const service_wait *w, int outcome) {
  static const char *const outcomes[] = {NULL, NULL, "timeout", "stopped", "died"};
  DWORD exit_code;
  lua_pushnil(L);
  lua_pushstring(L, outcomes[outcome]);
  lua_newtable(L);
  scm_set_status(L, &w->status);
  lua_pushnumber(L, (lua_Number)(luax_clock() - w->moved) / 1000);
  if (w->process->value && GetExitCodeProcess((HANDLE)w->process->value, &exit_code) && exit_code != STILL_ACTIVE)
    lua_pushinteger(L, exit_code);
  else lua_pushnil(L);
  return 5;
}

/* Raw win.scm.wait(name, "running"|"stopped"|"paused" [, {timeout=30, requested=false}]) -> true; or nil, how it
 * failed
 * ("timeout", "stopped", "died"), the last status, the seconds for which it has shown no progress, and the exit code
 * of a process that has ended; scm.lua makes errors of them. `requested` says that the state has just been asked for:
 * a service that is, or gets, stopped instead has failed. So has one that was seen to start.
 * https://learn.microsoft.com/windows/win32/services/starting-a-service
 * https://learn.microsoft.com/windows/win32/services/stopping-a-service */
int scm_wait(lua_State *L) {
  static const char *const known[] = {"timeout", "requested", NULL};
  static const char *const words[] = {"running", "stopped", "paused", NULL};
  luax_arguments(L, 2, 3);
  const wchar_t *name = scm_checkname(L, 1);
  service_wait w = {.wanted = scm_state_value(words[luax_checkword(L, 2, "state", words, -1)])};
  luax_options(L, 3, known);
  w.timeout = luax_optseconds(L, luax_field(L, 3, "timeout"), "timeout", WAIT_TIMEOUT_MS);
  w.on_the_way = luax_optboolean(L, luax_field(L, 3, "requested"), "requested", 0);
  SC_HANDLE service = scm_open(L, name, SERVICE_QUERY_STATUS);
  w.process = luax_newhandle(L, luax_closekernel);
  w.begun = w.moved = luax_clock();
  w.pause = FIRST_PAUSE;
  int outcome;
  while ((outcome = look(&w, scm_query_status(L, service, name))) == WAIT_ON) luax_sleep(L, next_pause(&w));
  if (outcome != WAIT_DONE) return push_failure(L, &w, outcome);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- Watching ---- */

/* SERVICE_NOTIFY_2W, and the bits of its mask: one for each state, and the end.
 * https://learn.microsoft.com/windows/win32/api/winsvc/ns-winsvc-service_notify_2w */
typedef struct service_notify {
  DWORD version;
  void(CALLBACK *callback)(void *);
  void *context;
  DWORD status;
  SERVICE_STATUS_PROCESS service;
  DWORD triggered;
  wchar_t *names;
} service_notify;

_Static_assert(sizeof(service_notify) == (sizeof(void *) == 8 ? 80 : 60), "SERVICE_NOTIFY_2W");

enum {
  LOOK = 250, /* ms between two looks where Windows does not notify */
  NOTIFY_VERSION = 2,
  NOTIFY_STATES = 0x7F,
  NOTIFY_DELETE_PENDING = 0x200,
};

/* What Windows writes into; static, for a notification may still be on its way when nobody waits for it any more. */
static service_notify notify;

static void CALLBACK on_change(void *ignored) { (void)ignored; }

/* Asks Windows to wake this thread when the service is in another state; returns whether it will. It does not before
 * Windows Vista.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-notifyservicestatuschangew */
static int subscribe(SC_HANDLE service, DWORD state) {
  if (win32.NotifyServiceStatusChangeW == NULL) return 0;
  notify = (service_notify){.version = NOTIFY_VERSION, .callback = on_change};
  DWORD mask = (NOTIFY_STATES & ~(1u << (state - 1))) | NOTIFY_DELETE_PENDING;
  return win32.NotifyServiceStatusChangeW(service, mask, &notify) == NO_ERROR;
}

/* Waits at most `ms`, or until a notification or Ctrl-C comes. */
static void doze(lua_State *L, DWORD ms) {
  enum { SLICE = 200 };
  for (DWORD which = WAIT_TIMEOUT, slice; ms > 0 && which == WAIT_TIMEOUT; ms -= slice) {
    slice = luax_waiting && ms > SLICE ? SLICE : ms;
    if (luax_waiting) luax_waiting(L);
    if (luax_interrupt == NULL) which = SleepEx(slice, TRUE) == 0 ? WAIT_TIMEOUT : WAIT_IO_COMPLETION;
    else which = WaitForSingleObjectEx(luax_interrupt, slice, TRUE);
    if (which == WAIT_OBJECT_0) luax_fail(L, NULL, ERROR_OPERATION_ABORTED);
  }
}

/* win.scm.await_change(name, state, pid, timeout) -> the status of the service once it has another state, or runs in
 * another process, than these; false when there is no such service, nil when nothing has changed for so many seconds.
 * While it waits for a notification it holds the service open, which is let go when somebody deletes it. */
int scm_await_change(lua_State *L) {
  luax_arguments(L, 4, 4);
  const wchar_t *name = scm_checkname(L, 1);
  DWORD state = scm_state_value(luax_checktext(L, 2, "state"));
  if (state == 0) luax_badvalue(L, 2, "state", "the state of a service");
  DWORD pid = (DWORD)luax_checkinteger(L, 3, "pid", 0, 0xFFFFFFFF), left = luax_optseconds(L, 4, "timeout", 0);
  ULONGLONG end = luax_clock() + left;
  luax_handle *slot = luax_newhandle(L, scm_close);
  for (int polls = 0;; luax_closehandle(slot)) {
    DWORD code = scm_try_open(L, slot, name, SERVICE_QUERY_STATUS);
    if (code == ERROR_SERVICE_DOES_NOT_EXIST) {
      lua_pushboolean(L, 0);
      return 1;
    }
    if (code) scm_fail(L, name, code);
    SERVICE_STATUS_PROCESS now = scm_query_status(L, (SC_HANDLE)slot->value, name);
    if (now.dwCurrentState != state || now.dwProcessId != pid) {
      lua_newtable(L);
      scm_set_status(L, &now);
      return 1;
    }
    ULONGLONG clock = luax_clock();
    if (clock >= end) return 0;
    left = (DWORD)(end - clock);
    polls = polls || !subscribe((SC_HANDLE)slot->value, state);
    if (polls) luax_closehandle(slot);
    doze(L, polls && left > LOOK ? LOOK : left);
    polls = polls || (notify.triggered & NOTIFY_DELETE_PENDING);
  }
}
