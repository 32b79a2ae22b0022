/* p80 as a Windows service. engine/core/service_host.lua decides what is done and when; here is what it must call
 * Windows for. Its Lua state stays in the main thread; the control dispatcher has a thread of its own, and Windows
 * makes one more for service_main.
 *
 * Every run of the playbook is a process of its own, not a fresh pair of Lua states in this one: a run that crashes
 * or hangs in a call of Windows can be ended with all that it has started, what it has leaked goes with it, and it
 * keeps the playbook and the modules that it began with when their files are replaced. It costs some 30 ms.
 *
 * When Windows asks the service to stop, the event `stopping` is set. The service's own waits end at once; the run
 * has inherited the event (--stop-event) and ends in an orderly way, as at Ctrl-C. One that has not ended after
 * GRACE is ended with its tree: then the next start finds a run that was cut off.
 * https://learn.microsoft.com/windows/win32/services/service-programs */
#include "service.h"

#include <lauxlib.h>

#include "luax.h"
#include "winapi.h"

enum {
  GRACE = 1000, /* ms that a run has to end */
  STEP = 200,   /* ms between two checkpoints */
  WAIT_HINT = 3000,
  ACCEPT_PRESHUTDOWN = 0x100, /* Windows Vista */
  CONTROL_PRESHUTDOWN = 0xF,
};

static HANDLE begun, stopping, ended; /* events */
static HANDLE dispatcher;             /* the thread */
static DWORD problem;                 /* why the service could not begin */
static DWORD exit_code;
static DWORD accepted = SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN;

static SERVICE_STATUS_HANDLE service; /* NULL: p80 runs in a console */
static CRITICAL_SECTION reporting;
static DWORD reported; /* the last state */
static DWORD checkpoint;

/* Tells Windows the state; what comes after STOPPED is not told. */
static void report(DWORD state) {
  if (service == NULL) return;
  EnterCriticalSection(&reporting);
  int is_pending = state == SERVICE_STOP_PENDING;
  SERVICE_STATUS status = {.dwServiceType = SERVICE_WIN32_OWN_PROCESS,
                           .dwCurrentState = state,
                           .dwControlsAccepted = state == SERVICE_RUNNING ? accepted : 0,
                           .dwCheckPoint = is_pending ? ++checkpoint : 0,
                           .dwWaitHint = is_pending ? WAIT_HINT : 0};
  if (state == SERVICE_STOPPED && exit_code) {
    status.dwWin32ExitCode = ERROR_SERVICE_SPECIFIC_ERROR;
    status.dwServiceSpecificExitCode = exit_code;
  }
  if (reported != SERVICE_STOPPED) win32.SetServiceStatus(service, &status);
  reported = state;
  LeaveCriticalSection(&reporting);
}

/* https://learn.microsoft.com/windows/win32/api/winsvc/nc-winsvc-lphandler_function_ex */
static DWORD WINAPI on_control(DWORD control, DWORD type, void *data, void *context) {
  (void)type, (void)data, (void)context;
  switch (control) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_SHUTDOWN:
    case CONTROL_PRESHUTDOWN:
      report(SERVICE_STOP_PENDING);
      SetEvent(stopping);
      return NO_ERROR;
    case SERVICE_CONTROL_INTERROGATE:
      return NO_ERROR;
    default:
      return ERROR_CALL_NOT_IMPLEMENTED;
  }
}

static BOOL WINAPI on_console(DWORD event) {
  if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT) return FALSE;
  return SetEvent(stopping);
}

/* Sees to it that the main thread has ended in time once it is asked to. */
static void attend(void) {
  HANDLE either[2] = {ended, stopping};
  if (WaitForMultipleObjects(2, either, FALSE, INFINITE) == WAIT_OBJECT_0) return;
  for (DWORD waited = STEP; WaitForSingleObject(ended, STEP) == WAIT_TIMEOUT; waited += STEP) {
    report(SERVICE_STOP_PENDING);
    if (waited >= GRACE) SetEvent(luax_interrupt);
  }
}

static void WINAPI service_main(DWORD count, wchar_t **words) {
  service = win32.RegisterServiceCtrlHandlerExW(count > 0 ? words[0] : L"", on_control, NULL);
  if (service == NULL) problem = GetLastError();
  report(SERVICE_RUNNING);
  SetEvent(begun);
  attend();
  report(SERVICE_STOPPED);
}

/* Windows says ERROR_FAILED_SERVICE_CONTROLLER_CONNECT when it is not the SCM that has started this process (Wine
 * does so after ten seconds).
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-startservicectrldispatcherw */
static DWORD WINAPI dispatch(void *by_hand) {
  static wchar_t name[] = L"";
  static const SERVICE_TABLE_ENTRYW table[] = {{name, service_main}, {NULL, NULL}};
  if (by_hand == NULL && win32.StartServiceCtrlDispatcherW(table)) return 0;
  DWORD code = by_hand ? ERROR_FAILED_SERVICE_CONTROLLER_CONNECT : GetLastError();
  if (code != ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) problem = code;
  else SetConsoleCtrlHandler(on_console, TRUE);
  SetEvent(begun);
  if (problem == 0) attend();
  return 0;
}

static HANDLE new_event(lua_State *L, BOOL inherit) {
  SECURITY_ATTRIBUTES attributes = {sizeof attributes, NULL, inherit};
  HANDLE event = CreateEventW(&attributes, TRUE, FALSE, NULL);
  if (event == NULL) luax_fail(L, "service", GetLastError());
  return event;
}

/* service.begin(by_hand, accepts_preshutdown) -> whether it is the SCM that has started p80, which is not asked when
 * it is known to be somebody else, and the handle for --stop-event. From here on the service runs; without the SCM
 * Ctrl-C is what stops it. */
static int service_begin(lua_State *L) {
  static int yes;
  winapi_load(L, "advapi32");
  if (lua_toboolean(L, 2)) accepted |= ACCEPT_PRESHUTDOWN;
  InitializeCriticalSection(&reporting);
  begun = new_event(L, FALSE);
  stopping = new_event(L, TRUE);
  ended = new_event(L, FALSE);
  dispatcher = CreateThread(NULL, 0, dispatch, lua_toboolean(L, 1) ? &yes : NULL, 0, NULL);
  if (dispatcher == NULL) luax_fail(L, "service", GetLastError());
  WaitForSingleObject(begun, INFINITE);
  if (problem) luax_fail(L, "service", problem);
  lua_pushboolean(L, service != NULL);
  lua_pushinteger(L, (lua_Integer)(INT_PTR)stopping);
  return 2;
}

/* service.wait(seconds) -> whether the service is to stop, perhaps before so much time has passed. */
static int service_wait(lua_State *L) {
  lua_pushboolean(L, luax_wait(L, stopping, luax_optseconds(L, 1, "seconds", 0)));
  return 1;
}

/* service.finish(code): the service has stopped; a code other than 0 is its own error. */
static int service_finish(lua_State *L) {
  exit_code = (DWORD)luaL_checkinteger(L, 1);
  SetEvent(ended);
  if (dispatcher) WaitForSingleObject(dispatcher, GRACE);
  return 0;
}

void service_push(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"begin", service_begin}, {"wait", service_wait}, {"finish", service_finish}, {NULL, NULL}};
  lua_newtable(L);
  luax_setfunctions(L, "service", functions);
}
