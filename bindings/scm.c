/* win.scm: services and drivers through the Service Control Manager. Waiting's error texts are in scm.lua; deadlines,
 * dependents and everything else that is policy in engine/core/scm.lua. */
#include "luax.h"
#include "winapi.h"

#include <stdlib.h>
#include <string.h>

#include "wtf8.h"

enum {
  LONGEST_NAME = 256,         /* units of a service's name and of a display name */
  PAGE = 65536,               /* bytes of an enumeration's buffer: what Windows Server 2003 takes at most */
  LARGEST_PAGE = 1024 * PAGE, /* the same for a system that hands out everything or nothing */
  MOST_ARGUMENTS = 255,
  FIRST_PAUSE = 15, /* ms between two looks at a pending service: at first, and how far that may grow */
  LEAST_PAUSE = 100,
  LONGEST_PAUSE = 10000,
  DEAD_TIME = 2000, /* ms that the SCM has to notice the end of a process */
  WAIT_TIMEOUT_MS = 30000,
  DELAYED_START = 3, /* SERVICE_CONFIG_DELAYED_AUTO_START_INFO */
};

/* ---- Words ---- */

typedef struct word {
  DWORD value;
  const char *text;
} word;

static const word states[] = {{SERVICE_STOPPED, "stopped"},
                              {SERVICE_START_PENDING, "start_pending"},
                              {SERVICE_STOP_PENDING, "stop_pending"},
                              {SERVICE_RUNNING, "running"},
                              {SERVICE_CONTINUE_PENDING, "continue_pending"},
                              {SERVICE_PAUSE_PENDING, "pause_pending"},
                              {SERVICE_PAUSED, "paused"},
                              {0, NULL}};

/* Without the flags "interactive" (0x100) and "instance of a user service" (0x80). */
static const word types[] = {{SERVICE_KERNEL_DRIVER, "kernel_driver"},
                             {SERVICE_FILE_SYSTEM_DRIVER, "file_system_driver"},
                             {SERVICE_ADAPTER, "adapter"},
                             {SERVICE_RECOGNIZER_DRIVER, "recognizer_driver"},
                             {SERVICE_WIN32_OWN_PROCESS, "own_process"},
                             {SERVICE_WIN32_SHARE_PROCESS, "share_process"},
                             {0x50, "user_own_process"},
                             {0x60, "user_share_process"},
                             {0, NULL}};

static const word accepted[] = {{SERVICE_ACCEPT_STOP, "stop"},
                                {SERVICE_ACCEPT_PAUSE_CONTINUE, "pause"},
                                {SERVICE_ACCEPT_SHUTDOWN, "shutdown"},
                                {SERVICE_ACCEPT_PARAMCHANGE, "param_change"},
                                {SERVICE_ACCEPT_NETBINDCHANGE, "net_bind_change"},
                                {SERVICE_ACCEPT_HARDWAREPROFILECHANGE, "hardware_profile_change"},
                                {SERVICE_ACCEPT_POWEREVENT, "power_event"},
                                {SERVICE_ACCEPT_SESSIONCHANGE, "session_change"},
                                {0x100, "preshutdown"},
                                {0x200, "time_change"},
                                {0x400, "trigger_event"},
                                {0x800, "user_logoff"},
                                {0, NULL}};

/* In the order of SERVICE_BOOT_START (0) to SERVICE_DISABLED (4). */
static const char *const start_words[] = {"boot", "system", "auto", "demand", "disabled", NULL};

static const char *find_word(const word *words, DWORD value) {
  while (words->text && words->value != value) words++;
  return words->text ? words->text : "unknown";
}

static DWORD find_value(const word *words, const char *text) {
  while (words->text && strcmp(words->text, text) != 0) words++;
  return words->value;
}

/* ---- Opening ---- */

static void close_service(UINT_PTR handle) { win32.CloseServiceHandle((SC_HANDLE)handle); }

/* The connection of this Lua state to the SCM: opened when it is first needed, kept until the state closes. */
typedef struct connection {
  SC_HANDLE manager; /* NULL: none */
  int may_list;
} connection;

static void disconnect(connection *c) {
  SC_HANDLE manager = c->manager;
  c->manager = NULL;
  if (manager) win32.CloseServiceHandle(manager);
}

static int connection_gc(lua_State *L) {
  disconnect(lua_touserdata(L, 1));
  return 0;
}

static connection *find_connection(lua_State *L) {
  static const char key;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TNIL) {
    lua_pop(L, 1);
    connection *c = lua_newuserdatauv(L, sizeof *c, 0);
    *c = (connection){NULL, 0};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, connection_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
  }
  connection *c = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return c;
}

/* The SCM of this machine, with the right to list services where p80 has it.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-openscmanagerw */
static SC_HANDLE manager_of(lua_State *L) {
  connection *c = find_connection(L);
  if (c->manager) return c->manager;
  winapi_load(L, "advapi32");
  c->manager = win32.OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT | SC_MANAGER_ENUMERATE_SERVICE);
  c->may_list = c->manager != NULL;
  if (c->manager == NULL && GetLastError() == ERROR_ACCESS_DENIED)
    c->manager = win32.OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
  if (c->manager == NULL) luax_fail(L, "service manager", GetLastError());
  return c->manager;
}

/* Whether `code` says that the connection has broken: then it is closed, and another attempt may do. */
static int has_lost_connection(lua_State *L, DWORD code) {
  if (code != ERROR_INVALID_HANDLE && code != RPC_S_SERVER_UNAVAILABLE && code != RPC_S_CALL_FAILED &&
      code != RPC_S_CALL_FAILED_DNE && code != RPC_X_SS_IN_NULL_CONTEXT)
    return 0;
  disconnect(find_connection(L));
  return 1;
}

/* A service's name (+1): 1 to 256 units. */
static const wchar_t *check_name(lua_State *L, int index) {
  size_t length;
  const wchar_t *name = luax_checkwide(L, index, "name", &length);
  if (length < 1 || length > LONGEST_NAME)
    luax_badvalue(L, index, "name", "the name of a service (1 to 256 characters)");
  return name;
}

/* Writes the name of the service whose display name this is; returns whether there is one.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-getservicekeynamew */
static int find_by_display_name(lua_State *L, const wchar_t *display, wchar_t name[LONGEST_NAME + 1]) {
  DWORD units = LONGEST_NAME + 1;
  SC_HANDLE manager = manager_of(L); /* only from here on are the functions loaded */
  return win32.GetServiceKeyNameW(manager, display, name, &units) != 0;
}

/* Pushes (+1) a hint when `name`, which no service has, is a display name; otherwise nil. */
static const char *push_name_hint(lua_State *L, const wchar_t *name) {
  wchar_t real[LONGEST_NAME + 1];
  if (!find_by_display_name(L, name, real)) {
    lua_pushnil(L);
    return NULL;
  }
  luax_pushwidez(L, real);
  lua_pushfstring(L, "the service with this display name is '%s'", lua_tostring(L, -1));
  lua_remove(L, -2);
  return lua_tostring(L, -1);
}

P80_NORETURN static void fail_service(lua_State *L, const wchar_t *name, DWORD code) {
  int unknown = code == ERROR_SERVICE_DOES_NOT_EXIST || code == ERROR_INVALID_NAME;
  const char *hint = unknown ? push_name_hint(L, name) : NULL;
  luax_pushwidez(L, name);
  luax_failhint(L, lua_tostring(L, -1), code, hint);
}

/* Opens a service into a slot; returns the error code. A connection that has broken is made anew.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-openservicew */
static DWORD try_open(lua_State *L, luax_handle *slot, const wchar_t *name, DWORD rights) {
  for (int attempt = 0;; attempt++) {
    SC_HANDLE manager = manager_of(L); /* only from here on are the functions loaded */
    slot->value = (UINT_PTR)win32.OpenServiceW(manager, name, rights);
    if (slot->value) return 0;
    DWORD code = GetLastError();
    if (attempt > 0 || !has_lost_connection(L, code)) return code;
  }
}

/* Opens a service (+1, the slot that closes it). */
static SC_HANDLE open_service(lua_State *L, const wchar_t *name, DWORD rights) {
  luax_handle *slot = luax_newhandle(L, close_service);
  DWORD code = try_open(L, slot, name, rights);
  if (code) fail_service(L, name, code);
  return (SC_HANDLE)slot->value;
}

/* ---- Status ---- */

/* list = array of the controls that a service accepts, for the table on top. */
static void set_accepted(lua_State *L, DWORD controls) {
  lua_Integer n = 0;
  lua_newtable(L);
  for (const word *w = accepted; w->text; w++) {
    if ((controls & w->value) == 0) continue;
    lua_pushstring(L, w->text);
    lua_seti(L, -2, ++n);
  }
  lua_setfield(L, -2, "accepts");
}

/* The fields of a status for the table on top.
 * https://learn.microsoft.com/windows/win32/api/winsvc/ns-winsvc-service_status_process */
static void set_status(lua_State *L, const SERVICE_STATUS_PROCESS *s) {
  luax_settext(L, "type", find_word(types, s->dwServiceType & 0x7F));
  luax_settext(L, "state", find_word(states, s->dwCurrentState));
  if (s->dwProcessId) luax_setinteger(L, "pid", s->dwProcessId);
  luax_setinteger(L, "exit_code", s->dwWin32ExitCode);
  luax_setinteger(L, "service_exit_code", s->dwServiceSpecificExitCode);
  luax_setinteger(L, "checkpoint", s->dwCheckPoint);
  lua_pushnumber(L, s->dwWaitHint / 1000.0);
  lua_setfield(L, -2, "wait_hint");
  set_accepted(L, s->dwControlsAccepted);
}

/* https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-queryservicestatusex */
static SERVICE_STATUS_PROCESS query_status(lua_State *L, SC_HANDLE service, const wchar_t *name) {
  SERVICE_STATUS_PROCESS status = {0};
  DWORD size;
  if (!win32.QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)&status, sizeof status, &size))
    luax_failwide(L, name, GetLastError());
  return status;
}

/* ---- Enumerating ---- */

typedef struct service_page {
  ENUM_SERVICE_STATUS_PROCESSW *rows;
  DWORD count;
  DWORD resume; /* 0: begin at the beginning */
  DWORD size;   /* of the buffer, which is on top of the stack */
  DWORD needed; /* for the rest */
  int attempts; /* to connect again */
} service_page;

/* Fetches the next page into the buffer on top of the stack; returns whether more follow. Wine hands out no row when
 * not all of them fit, and says how much it takes.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-enumservicesstatusexw */
static int fetch_page(lua_State *L, DWORD type, DWORD state, service_page *page) {
  for (;;) {
    page->rows = lua_touserdata(L, -1);
    page->count = 0;
    SC_HANDLE manager = manager_of(L); /* only from here on are the functions loaded */
    if (win32.EnumServicesStatusExW(manager, SC_ENUM_PROCESS_INFO, type, state, (BYTE *)page->rows, page->size,
                                    &page->needed, &page->count, &page->resume, NULL))
      return 0;
    DWORD code = GetLastError();
    if (page->resume == 0 && page->attempts++ == 0 && has_lost_connection(L, code)) continue;
    if (code != ERROR_MORE_DATA) luax_fail(L, "services", code);
    if (page->count > 0) return 1;
    if (page->size >= LARGEST_PAGE) luax_fail(L, "services", code);
    page->size = page->needed > page->size && page->needed < LARGEST_PAGE - PAGE ? page->needed + PAGE : LARGEST_PAGE;
    lua_pop(L, 1);
    luax_buffer(L, page->size);
  }
}

/* Pushes the buffer of a first page. */
static service_page begin_pages(lua_State *L) {
  luax_buffer(L, PAGE);
  return (service_page){.size = PAGE};
}

/* Pushes (+1) the table of the names that were seen: as somebody wrote them -> as the SCM's database has them. */
static int push_names(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, "p80.services");
  return lua_gettop(L);
}

/* Pushes a row and keeps the name in the table at `names`. */
static void push_row(lua_State *L, const ENUM_SERVICE_STATUS_PROCESSW *row, int names) {
  lua_createtable(L, 0, 10);
  luax_pushwidez(L, row->lpServiceName);
  lua_pushvalue(L, -1);
  lua_pushvalue(L, -1);
  lua_rawset(L, names);
  lua_setfield(L, -2, "name");
  luax_setwide(L, "display_name", row->lpDisplayName);
  set_status(L, &row->ServiceStatusProcess);
}

/* win.scm.list([{type="service"|"driver"|"all", state="active"|"inactive"|"all"}]) -> rows {name=, display_name=,
 * type=, state=, pid=, exit_code=, service_exit_code=, checkpoint=, wait_hint=, accepts=}. Default are the services
 * (no drivers) in all states. `pid` is absent when no process runs it; `wait_hint` is in seconds. Services that p80
 * may not look at are left out by Windows.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-enumservicesstatusexw */
static int scm_list(lua_State *L) {
  static const char *const known[] = {"type", "state", NULL};
  static const char *const type_words[] = {"service", "driver", "all", NULL};
  static const char *const state_words[] = {"active", "inactive", "all", NULL};
  static const DWORD type_masks[] = {SERVICE_WIN32, SERVICE_DRIVER, SERVICE_WIN32 | SERVICE_DRIVER};
  luax_arguments(L, 0, 1);
  luax_options(L, 1, known);
  DWORD type = type_masks[luax_checkword(L, luax_field(L, 1, "type"), "type", type_words, 0)];
  int state = luax_checkword(L, luax_field(L, 1, "state"), "state", state_words, 2);
  lua_newtable(L);
  int result = lua_gettop(L), names = push_names(L), more;
  lua_Integer n = 0;
  service_page page = begin_pages(L);
  do {
    more = fetch_page(L, type, (DWORD)state + SERVICE_ACTIVE, &page);
    for (DWORD i = 0; i < page.count; i++) {
      push_row(L, &page.rows[i], names);
      lua_seti(L, result, ++n);
    }
  } while (more);
  lua_pushvalue(L, result);
  return 1;
}

/* ---- One service ---- */

/* Whether two service names are the same to the SCM, which does not look at case. */
static int same_name(const wchar_t *a, const wchar_t *b) {
  wchar_t upper_a[LONGEST_NAME + 1], upper_b[LONGEST_NAME + 1];
  return LCMapStringW(LOCALE_INVARIANT, LCMAP_UPPERCASE, a, -1, upper_a, LONGEST_NAME + 1) > 0 &&
         LCMapStringW(LOCALE_INVARIANT, LCMAP_UPPERCASE, b, -1, upper_b, LONGEST_NAME + 1) > 0 &&
         wcscmp(upper_a, upper_b) == 0;
}

/* Pushes the listed name that is `name` but for its case, or nil. */
static void push_listed_name(lua_State *L, const wchar_t *name) {
  service_page page = begin_pages(L);
  int more = find_connection(L)->may_list;
  while (more) {
    more = fetch_page(L, SERVICE_WIN32 | SERVICE_DRIVER, SERVICE_STATE_ALL, &page);
    for (DWORD i = 0; i < page.count; i++) {
      if (!same_name(page.rows[i].lpServiceName, name)) continue;
      luax_pushwidez(L, page.rows[i].lpServiceName);
      return;
    }
  }
  lua_pushnil(L);
}

/* Pushes the service's name as it is written in the SCM's database: a caller may have written it in another case.
 * `display` may be NULL. Finding out may take a list of all services, so what was found is kept. */
static void push_real_name(lua_State *L, const wchar_t *name, const wchar_t *display) {
  wchar_t real[LONGEST_NAME + 1];
  int names = push_names(L);
  luax_pushwidez(L, name);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, names) != LUA_TNIL) return;
  if (display && find_by_display_name(L, display, real) && same_name(real, name)) luax_pushwidez(L, real);
  else push_listed_name(L, name);
  if (lua_isnil(L, -1)) luax_pushwidez(L, name);
  lua_pushvalue(L, names + 1);
  lua_pushvalue(L, -2);
  lua_rawset(L, names);
}

static void set_name(lua_State *L, int record, const wchar_t *name, const wchar_t *display) {
  push_real_name(L, name, display);
  lua_setfield(L, record, "name");
}

/* Opens a service (+1, its slot) with as many of the rights that reading takes as p80 has, and tells which; NULL when
 * there is no such service. */
static SC_HANDLE open_readable(lua_State *L, const wchar_t *name, DWORD *rights) {
  static const DWORD tries[] = {SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG | SERVICE_ENUMERATE_DEPENDENTS,
                                SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG,
                                SERVICE_QUERY_STATUS | SERVICE_ENUMERATE_DEPENDENTS, SERVICE_QUERY_STATUS,
                                SERVICE_QUERY_CONFIG};
  luax_handle *slot = luax_newhandle(L, close_service);
  DWORD code = ERROR_ACCESS_DENIED;
  for (size_t i = 0; i < sizeof tries / sizeof *tries && code == ERROR_ACCESS_DENIED; i++) {
    *rights = tries[i];
    code = try_open(L, slot, name, tries[i]);
  }
  if (code && code != ERROR_SERVICE_DOES_NOT_EXIST) fail_service(L, name, code);
  return (SC_HANDLE)slot->value;
}

/* https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-queryserviceconfigw */
static const QUERY_SERVICE_CONFIGW *query_config(lua_State *L, SC_HANDLE service, const wchar_t *name) {
  for (DWORD size = 2048, needed;; size = needed) {
    QUERY_SERVICE_CONFIGW *config = luax_buffer(L, size);
    if (win32.QueryServiceConfigW(service, config, size, &needed)) return config;
    DWORD code = GetLastError();
    if (code != ERROR_INSUFFICIENT_BUFFER || needed <= size) luax_failwide(L, name, code);
    lua_pop(L, 1);
  }
}

/* delayed = whether an automatic start waits for the others, for the table at `record`; absent where the system does
 * not know it. https://learn.microsoft.com/windows/win32/api/winsvc/ns-winsvc-service_delayed_auto_start_info */
static void set_delayed(lua_State *L, int record, SC_HANDLE service) {
  BOOL delayed = FALSE;
  DWORD needed;
  if (!win32.QueryServiceConfig2W(service, DELAYED_START, (BYTE *)&delayed, sizeof delayed, &needed)) return;
  lua_pushboolean(L, delayed);
  lua_setfield(L, record, "delayed");
}

/* Pushes a list of texts, each ended by a NUL and all by another, as an array; NULL is the empty one. */
static void push_list(lua_State *L, const wchar_t *list) {
  lua_newtable(L);
  for (lua_Integer i = 1; list && *list; i++) {
    size_t length = wcslen(list);
    luax_pushwide(L, list, length);
    lua_seti(L, -2, i);
    list += length + 1;
  }
}

/* The fields of a configuration for the table on top. */
static void set_config(lua_State *L, const QUERY_SERVICE_CONFIGW *config) {
  luax_settext(L, "type", find_word(types, config->dwServiceType & 0x7F));
  luax_settext(L, "start", config->dwStartType <= SERVICE_DISABLED ? start_words[config->dwStartType] : "unknown");
  luax_setwide(L, "path", config->lpBinaryPathName);
  luax_setwide(L, "display_name", config->lpDisplayName);
  if (config->lpServiceStartName && *config->lpServiceStartName)
    luax_setwide(L, "account", config->lpServiceStartName);
  push_list(L, config->lpDependencies);
  lua_setfield(L, -2, "dependencies");
}

/* Fetches the services that depend on this one, directly or not, in the order in which they are to be stopped. The
 * buffer is pushed (+1). A system that is like Windows Server 2003 says ERROR_FILE_NOT_FOUND when there are none.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-enumdependentservicesw */
static const ENUM_SERVICE_STATUSW *query_dependents(lua_State *L, SC_HANDLE service, const wchar_t *name,
                                                    DWORD *count) {
  for (DWORD size = 4096, needed;; size = needed) {
    ENUM_SERVICE_STATUSW *rows = luax_buffer(L, size);
    if (win32.EnumDependentServicesW(service, SERVICE_STATE_ALL, rows, size, &needed, count)) return rows;
    DWORD code = GetLastError();
    *count = 0;
    if (code == ERROR_FILE_NOT_FOUND) return rows;
    if (code != ERROR_MORE_DATA || needed <= size) luax_failwide(L, name, code);
    lua_pop(L, 1);
  }
}

/* dependents = array of names for the table at `record`. */
static void set_dependents(lua_State *L, int record, SC_HANDLE service, const wchar_t *name) {
  DWORD count;
  const ENUM_SERVICE_STATUSW *rows = query_dependents(L, service, name, &count);
  lua_createtable(L, (int)count, 0);
  for (DWORD i = 0; i < count; i++) {
    luax_pushwidez(L, rows[i].lpServiceName);
    lua_seti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, record, "dependents");
}

/* nil, and a hint when `name` is the display name of a service. */
static int push_nothing(lua_State *L, const wchar_t *name) {
  lua_pushnil(L);
  push_name_hint(L, name);
  return 2;
}

/* https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-queryservicestatusex */
static int scm_status(lua_State *L) {
  luax_arguments(L, 1, 1);
  const wchar_t *name = check_name(L, 1);
  luax_handle *slot = luax_newhandle(L, close_service);
  DWORD code = try_open(L, slot, name, SERVICE_QUERY_STATUS);
  if (code == ERROR_SERVICE_DOES_NOT_EXIST) return push_nothing(L, name);
  if (code) fail_service(L, name, code);
  SERVICE_STATUS_PROCESS status = query_status(L, (SC_HANDLE)slot->value, name);
  lua_createtable(L, 0, 8);
  set_status(L, &status);
  return 1;
}

/* win.scm.get(name) -> {name=, display_name=, type=, state=, pid=, exit_code=, service_exit_code=, checkpoint=,
 * wait_hint=, accepts=, start=, delayed=, account=, path=, dependencies=, dependents=}; for a name that no service
 * has, nil and, when it is the display name of one, a hint. `dependencies` are the names of what it needs itself
 * (load order groups begin with "+"), `dependents` of all that need it, directly or not, in the order in which they
 * are to be stopped. Fields that p80 may not read, and `delayed` before Windows Vista, are absent;
 * ERROR_ACCESS_DENIED is raised when it may read none.
 * https://learn.microsoft.com/windows/win32/services/service-configuration-programs */
static int scm_get(lua_State *L) {
  DWORD rights;
  const QUERY_SERVICE_CONFIGW *config = NULL;
  luax_arguments(L, 1, 1);
  const wchar_t *name = check_name(L, 1);
  SC_HANDLE service = open_readable(L, name, &rights);
  if (service == NULL) return push_nothing(L, name);
  if (rights & SERVICE_QUERY_CONFIG) config = query_config(L, service, name);
  lua_createtable(L, 0, 16);
  int record = lua_gettop(L);
  if (config) set_config(L, config);
  if (rights & SERVICE_QUERY_STATUS) {
    SERVICE_STATUS_PROCESS status = query_status(L, service, name);
    set_status(L, &status);
  }
  if (config) set_delayed(L, record, service);
  if (rights & SERVICE_ENUMERATE_DEPENDENTS) set_dependents(L, record, service, name);
  set_name(L, record, name, config ? config->lpDisplayName : NULL);
  lua_pushvalue(L, record);
  return 1;
}

/* ---- Waiting ---- */

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
  set_status(L, &w->status);
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
static int scm_wait(lua_State *L) {
  static const char *const known[] = {"timeout", "requested", NULL};
  static const char *const words[] = {"running", "stopped", "paused", NULL};
  luax_arguments(L, 2, 3);
  const wchar_t *name = check_name(L, 1);
  service_wait w = {.wanted = find_value(states, words[luax_checkword(L, 2, "state", words, -1)])};
  luax_options(L, 3, known);
  w.timeout = luax_optseconds(L, luax_field(L, 3, "timeout"), "timeout", WAIT_TIMEOUT_MS);
  w.on_the_way = luax_optboolean(L, luax_field(L, 3, "requested"), "requested", 0);
  SC_HANDLE service = open_service(L, name, SERVICE_QUERY_STATUS);
  w.process = luax_newhandle(L, luax_closekernel);
  w.begun = w.moved = luax_clock();
  w.pause = FIRST_PAUSE;
  int outcome;
  while ((outcome = look(&w, query_status(L, service, name))) == WAIT_ON) luax_sleep(L, next_pause(&w));
  if (outcome != WAIT_DONE) return push_failure(L, &w, outcome);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- Writes ---- */

/* An array of texts as UTF-16 (+1 and one for each); nil is the empty one. */
static const wchar_t **check_arguments(lua_State *L, int index, DWORD *count) {
  *count = 0;
  if (lua_isnoneornil(L, index)) return NULL;
  lua_Unsigned n = lua_istable(L, index) ? lua_rawlen(L, index) : MOST_ARGUMENTS + 1;
  if (n > MOST_ARGUMENTS) luax_badvalue(L, index, "args", "an array of at most 255 texts");
  luaL_checkstack(L, 2 * (int)n + 8, NULL);
  const wchar_t **arguments = luax_buffer(L, ((size_t)n + 1) * sizeof *arguments);
  for (lua_Unsigned i = 0; i < n; i++) {
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    arguments[i] = luax_checkwide(L, -1, "args", NULL);
  }
  *count = (DWORD)n;
  return arguments;
}

/* Raw win.scm.start(name [, args]): asks for the start and does not wait for it. `args` is an array of texts for the
 * service's ServiceMain. https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-startservicew */
static int scm_start(lua_State *L) {
  DWORD count;
  luax_arguments(L, 1, 2);
  const wchar_t *name = check_name(L, 1);
  const wchar_t **arguments = check_arguments(L, 2, &count);
  SC_HANDLE service = open_service(L, name, SERVICE_START);
  if (!win32.StartServiceW(service, count, arguments)) luax_failwide(L, name, GetLastError());
  return 0;
}

/* Raw win.scm.stop(name [, "stop"|"pause"|"continue"]): sends the control and does not wait for what comes of it. It
 * returns when the service's handler has, or after the 30 s that Windows gives it.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-controlservice */
static int scm_stop(lua_State *L) {
  static const char *const words[] = {"stop", "pause", "continue", NULL};
  static const DWORD controls[] = {SERVICE_CONTROL_STOP, SERVICE_CONTROL_PAUSE, SERVICE_CONTROL_CONTINUE};
  SERVICE_STATUS status;
  luax_arguments(L, 1, 2);
  const wchar_t *name = check_name(L, 1);
  int control = luax_checkword(L, 2, "control", words, 0);
  SC_HANDLE service = open_service(L, name, control == 0 ? SERVICE_STOP : SERVICE_PAUSE_CONTINUE);
  if (!win32.ControlService(service, controls[control], &status)) luax_failwide(L, name, GetLastError());
  return 0;
}

/* The field `key` of the settings as UTF-16 (+2); NULL when it is absent. */
static const wchar_t *opt_setting(lua_State *L, const char *key) {
  return luax_optwide(L, luax_field(L, 2, key), key);
}

/* The field `password` in memory that the caller wipes (+2); NULL when it is absent. No message shows it. */
static wchar_t *opt_password(lua_State *L, size_t *bytes) {
  size_t n;
  *bytes = 0;
  int field = luax_field(L, 2, "password");
  if (lua_isnil(L, field)) return NULL;
  const char *text = lua_type(L, field) == LUA_TSTRING ? lua_tolstring(L, field, &n) : NULL;
  size_t units = text && strlen(text) == n ? wtf8_wide_length(text, n) : WTF8_INVALID;
  if (units == WTF8_INVALID) {
    lua_pushliteral(L, "something else (not shown)");
    luax_badvalue(L, -1, "password", "text without NUL in valid UTF-8");
  }
  *bytes = (units + 1) * sizeof(wchar_t);
  wchar_t *wide = luax_buffer(L, *bytes);
  wtf8_to_wide(text, n, wide);
  return wide;
}

/* Sets whether an automatic start is delayed.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-changeserviceconfig2w */
static void change_delayed(lua_State *L, SC_HANDLE service, const wchar_t *name, BOOL delayed) {
  if (win32.ChangeServiceConfig2W(service, DELAYED_START, &delayed)) return;
  DWORD code = GetLastError();
  luax_pushwidez(L, name);
  if (code != ERROR_INVALID_LEVEL) luax_fail(L, lua_tostring(L, -1), code);
  luax_failhint(L, lua_tostring(L, -1), ERROR_CALL_NOT_IMPLEMENTED,
                "this Windows knows no delayed start; Windows Vista brought it");
}

/* Raw win.scm.config(name, {start=, delayed=, account=, password=, path=, display_name=}): changes the fields that
 * are given. https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-changeserviceconfigw */
static int scm_config(lua_State *L) {
  static const char *const known[] = {"start", "delayed", "account", "password", "path", "display_name", NULL};
  size_t secret;
  luax_arguments(L, 2, 2);
  luaL_checkstack(L, 40, NULL);
  const wchar_t *name = check_name(L, 1);
  if (!luax_options(L, 2, known)) luax_badvalue(L, 2, "settings", "a table of settings");
  int field = luax_field(L, 2, "start");
  DWORD start = lua_isnil(L, field) ? SERVICE_NO_CHANGE : (DWORD)luax_checkword(L, field, "start", start_words, -1);
  int delayed = luax_optboolean(L, luax_field(L, 2, "delayed"), "delayed", -1);
  const wchar_t *account = opt_setting(L, "account"), *path = opt_setting(L, "path");
  const wchar_t *display = opt_setting(L, "display_name");
  wchar_t *password = opt_password(L, &secret);
  SC_HANDLE service = open_service(L, name, SERVICE_CHANGE_CONFIG);
  BOOL changed = win32.ChangeServiceConfigW(service, SERVICE_NO_CHANGE, start, SERVICE_NO_CHANGE, path, NULL, NULL,
                                            NULL, account, password, display);
  DWORD code = GetLastError();
  if (password) SecureZeroMemory(password, secret);
  if (!changed) luax_failwide(L, name, code);
  if (delayed >= 0) change_delayed(L, service, name, delayed);
  return 0;
}

static const luaL_Reg reads[] = {
    {"list", scm_list}, {"get", scm_get}, {"status", scm_status}, {"wait", scm_wait}, {NULL, NULL}};
static const luaL_Reg writes[] = {
    {"start", scm_start}, {"stop", scm_stop}, {"restart", NULL}, {"config", scm_config}, {NULL, NULL}};

const luax_subject scm_subject = {"scm", reads, writes, "scm"};
