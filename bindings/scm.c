/* win.scm: services and drivers through the Service Control Manager. What one waits for is in scm_wait.c, what
 * changes something in scm_write.c; error texts of waits are in scm.lua; deadlines, dependents and everything else
 * that is policy in engine/core/scm.lua. */
#include <string.h>

#include "scm_parts.h"

enum {
  FIRST_PAGE = 8192,          /* bytes of an enumeration's first buffer: where it is enough, less is carried over */
  PAGE = 65536,               /* of the next ones: what Windows Server 2003 takes at most */
  LARGEST_PAGE = 1024 * PAGE, /* the same for a system that hands out everything or nothing */
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
const char *const scm_start_words[] = {"boot", "system", "auto", "demand", "disabled", NULL};
/* In the order of SERVICE_ERROR_IGNORE (0) to SERVICE_ERROR_CRITICAL (3). */
const char *const scm_error_words[] = {"ignore", "normal", "severe", "critical", NULL};

static const char *find_word(const word *words, DWORD value) {
  while (words->text && words->value != value) words++;
  return words->text ? words->text : "unknown";
}

static DWORD find_value(const word *words, const char *text) {
  while (words->text && strcmp(words->text, text) != 0) words++;
  return words->value;
}

DWORD scm_type_value(const char *text) { return find_value(types, text); }
DWORD scm_state_value(const char *text) { return find_value(states, text); }

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
void scm_set_status(lua_State *L, const SERVICE_STATUS_PROCESS *s) {
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
SERVICE_STATUS_PROCESS scm_query_status(lua_State *L, SC_HANDLE service, const wchar_t *name) {
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

static void enlarge_page(lua_State *L, service_page *page, DWORD size) {
  lua_pop(L, 1);
  luax_buffer(L, size);
  page->size = size;
}

/* Fetches the next page into the buffer on top of the stack; returns whether more follow. Wine hands out no row when
 * not all of them fit, and says how much it takes.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-enumservicesstatusexw */
static int fetch_page(lua_State *L, DWORD type, DWORD state, service_page *page) {
  if (page->resume != 0 && page->size < PAGE) enlarge_page(L, page, PAGE);
  for (;;) {
    page->rows = lua_touserdata(L, -1);
    page->count = 0;
    SC_HANDLE manager = scm_manager(L); /* only from here on are the functions loaded */
    if (win32.EnumServicesStatusExW(manager, SC_ENUM_PROCESS_INFO, type, state, (BYTE *)page->rows, page->size,
                                    &page->needed, &page->count, &page->resume, NULL))
      return 0;
    DWORD code = GetLastError();
    if (page->resume == 0 && page->attempts++ == 0 && scm_has_lost(L, code)) continue;
    if (code != ERROR_MORE_DATA) luax_fail(L, "services", code);
    if (page->count > 0) return 1;
    if (page->size >= LARGEST_PAGE) luax_fail(L, "services", code);
    int is_known = page->needed > page->size && page->needed < LARGEST_PAGE - PAGE;
    enlarge_page(L, page, is_known ? page->needed + PAGE : LARGEST_PAGE);
  }
}

/* Pushes the buffer of a first page. */
static service_page begin_pages(lua_State *L) {
  luax_buffer(L, FIRST_PAGE);
  return (service_page){.size = FIRST_PAGE};
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
  scm_set_status(L, &row->ServiceStatusProcess);
}

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
  wchar_t upper_a[SCM_LONGEST_NAME + 1], upper_b[SCM_LONGEST_NAME + 1];
  return LCMapStringW(LOCALE_INVARIANT, LCMAP_UPPERCASE, a, -1, upper_a, SCM_LONGEST_NAME + 1) > 0 &&
         LCMapStringW(LOCALE_INVARIANT, LCMAP_UPPERCASE, b, -1, upper_b, SCM_LONGEST_NAME + 1) > 0 &&
         wcscmp(upper_a, upper_b) == 0;
}

/* Pushes the listed name that is `name` but for its case, or nil. */
static void push_listed_name(lua_State *L, const wchar_t *name) {
  service_page page = begin_pages(L);
  int more = scm_may_list(L);
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
  wchar_t real[SCM_LONGEST_NAME + 1];
  int names = push_names(L);
  luax_pushwidez(L, name);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, names) != LUA_TNIL) return;
  if (display && scm_find_by_display_name(L, display, real) && same_name(real, name)) luax_pushwidez(L, real);
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
  luax_handle *slot = luax_newhandle(L, scm_close);
  DWORD code = ERROR_ACCESS_DENIED;
  for (size_t i = 0; i < sizeof tries / sizeof *tries && code == ERROR_ACCESS_DENIED; i++) {
    *rights = tries[i];
    code = scm_try_open(L, slot, name, tries[i]);
  }
  if (code && code != ERROR_SERVICE_DOES_NOT_EXIST) scm_fail(L, name, code);
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
  luax_settext(L, "start",
               config->dwStartType <= SERVICE_DISABLED ? scm_start_words[config->dwStartType] : "unknown");
  luax_setwide(L, "path", config->lpBinaryPathName);
  luax_setwide(L, "display_name", config->lpDisplayName);
  if (config->lpServiceStartName && *config->lpServiceStartName)
    luax_setwide(L, "account", config->lpServiceStartName);
  luax_settext(L, "error_control", config->dwErrorControl < 4 ? scm_error_words[config->dwErrorControl] : "unknown");
  if (config->dwServiceType & SERVICE_INTERACTIVE_PROCESS) luax_setboolean(L, "interactive", 1);
  if (config->lpLoadOrderGroup && *config->lpLoadOrderGroup) luax_setwide(L, "group", config->lpLoadOrderGroup);
  if (config->dwTagId) luax_setinteger(L, "tag", config->dwTagId);
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

/* https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-queryservicestatusex */
static int scm_status(lua_State *L) {
  luax_arguments(L, 1, 1);
  const wchar_t *name = scm_checkname(L, 1);
  luax_handle *slot = luax_newhandle(L, scm_close);
  DWORD code = scm_try_open(L, slot, name, SERVICE_QUERY_STATUS);
  if (code == ERROR_SERVICE_DOES_NOT_EXIST) return scm_push_nothing(L, name);
  if (code) scm_fail(L, name, code);
  SERVICE_STATUS_PROCESS status = scm_query_status(L, (SC_HANDLE)slot->value, name);
  lua_createtable(L, 0, 8);
  scm_set_status(L, &status);
  return 1;
}

static int scm_get(lua_State *L) {
  DWORD rights;
  const QUERY_SERVICE_CONFIGW *config = NULL;
  luax_arguments(L, 1, 1);
  const wchar_t *name = scm_checkname(L, 1);
  SC_HANDLE service = open_readable(L, name, &rights);
  if (service == NULL) return scm_push_nothing(L, name);
  if (rights & SERVICE_QUERY_CONFIG) config = query_config(L, service, name);
  lua_createtable(L, 0, 16);
  int record = lua_gettop(L);
  if (rights & SERVICE_QUERY_STATUS) {
    SERVICE_STATUS_PROCESS status = scm_query_status(L, service, name);
    scm_set_status(L, &status);
  }
  if (config) set_config(L, config); /* whose type counts: what runs may still be of another */
  if (config) scm_set_delayed(L, record, service, name);
  if (rights & SERVICE_ENUMERATE_DEPENDENTS) set_dependents(L, record, service, name);
  set_name(L, record, name, config ? config->lpDisplayName : NULL);
  lua_pushvalue(L, record);
  return 1;
}

/* win.scm.upper(text) -> in capitals, as UTF-16 bytes: what the SID of a service is made of. */
static int scm_upper(lua_State *L) {
  size_t units;
  luax_arguments(L, 1, 1);
  const wchar_t *name = luax_checkwide(L, 1, "name", &units);
  wchar_t *upper = luax_buffer(L, (units + 1) * sizeof *upper);
  int length = LCMapStringW(LOCALE_INVARIANT, LCMAP_UPPERCASE, name, (int)units, upper, (int)units);
  lua_pushlstring(L, (const char *)upper, (size_t)length * sizeof *upper);
  return 1;
}

/* win.scm.name_of(display_name). */
static int scm_name_of(lua_State *L) {
  wchar_t name[SCM_LONGEST_NAME + 1];
  luax_arguments(L, 1, 1);
  const wchar_t *display = luax_checkwide(L, 1, "display_name", NULL);
  luax_pushwidez(L, scm_find_by_display_name(L, display, name) ? name : NULL);
  return 1;
}

static const luaL_Reg reads[] = {{"list", scm_list},
                                 {"get", scm_get},
                                 {"status", scm_status},
                                 {"details", scm_details},
                                 {"security", scm_security},
                                 {"name_of", scm_name_of},
                                 {"upper", scm_upper},
                                 {"wait", scm_wait},
                                 {"await_change", scm_await_change},
                                 {NULL, NULL}};
static const luaL_Reg writes[] = {{"start", scm_start},
                                  {"stop", scm_stop},
                                  {"pause", scm_pause},
                                  {"continue", scm_continue},
                                  {"restart", NULL},
                                  {"control", scm_control},
                                  {"config", scm_config},
                                  {"create", scm_create},
                                  {"delete", scm_delete},
                                  {"set_security", scm_set_security},
                                  {NULL, NULL}};

const luax_subject scm_subject = {"scm", reads, writes, "scm"};
