/* What changes services. */
#include <string.h>

#include "scm_parts.h"

enum {
  MOST_ARGUMENTS = 255,
  MOST_ITEMS = 1024,         /* of a list of names */
  SERVICE_CONTROL_OWN = 128, /* from here on controls are the service's own */
  CONTROL_TIMEOUT = 30000,   /* ms that a service has to answer */
};

/* ---- Orders: calls that last until the service answers ---- */

/* A start or a control. Windows gives a service 30 seconds or more to answer, during which nothing reaches the thread
 * that waits; so that is another one. It owns its handle and its arguments, and may be left alone. */
typedef struct order {
  SC_HANDLE service;
  DWORD control; /* 0: start */
  DWORD count;
  const wchar_t **arguments;
  HANDLE taken; /* set once the thread needs nothing of this any more */
} order;

/* A copy of the arguments of an order, in one piece of memory; NULL when there are none, or no memory. */
static const wchar_t **copy_arguments(const order *o) {
  size_t size = o->count * sizeof(wchar_t *);
  for (DWORD i = 0; i < o->count; i++) size += (wcslen(o->arguments[i]) + 1) * sizeof(wchar_t);
  const wchar_t **copy = o->count ? (const wchar_t **)LocalAlloc(LMEM_FIXED, size) : NULL;
  if (copy == NULL) return NULL;
  wchar_t *text = (wchar_t *)(copy + o->count);
  for (DWORD i = 0; i < o->count; i++) {
    copy[i] = wcscpy(text, o->arguments[i]);
    text += wcslen(text) + 1;
  }
  return copy;
}

/* The thread; its exit code is Windows' error. */
static DWORD WINAPI obey(void *argument) {
  order own = *(const order *)argument;
  own.arguments = copy_arguments(&own);
  SetEvent(own.taken);
  SERVICE_STATUS status;
  BOOL done = own.control
                  ? win32.ControlService(own.service, own.control, &status)
                  : (own.arguments || own.count == 0) && win32.StartServiceW(own.service, own.count, own.arguments);
  DWORD code = done ? NO_ERROR : GetLastError();
  if (own.arguments) LocalFree((HLOCAL)own.arguments);
  win32.CloseServiceHandle(own.service);
  return code;
}

/* Gives the order to the service `name`, and waits until it is answered: at most `timeout` ms, or until Ctrl-C. */
static void give_order(lua_State *L, const wchar_t *name, DWORD rights, order o, DWORD timeout) {
  luax_handle *service = luax_newhandle(L, scm_close), *taken = luax_newhandle(L, luax_closekernel);
  luax_handle *thread = luax_newhandle(L, luax_closekernel);
  DWORD code = scm_try_open(L, service, name, rights);
  if (code) scm_fail(L, name, code);
  o.service = (SC_HANDLE)service->value;
  o.taken = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (o.taken == NULL) luax_failwide(L, name, GetLastError());
  taken->value = (UINT_PTR)o.taken;
  thread->value = (UINT_PTR)CreateThread(NULL, 0, obey, &o, 0, NULL);
  if (thread->value == 0) luax_failwide(L, name, GetLastError());
  service->value = 0; /* it is the thread's */
  WaitForSingleObject(o.taken, INFINITE);
  luax_pushwidez(L, name);
  if (!luax_wait(L, (HANDLE)thread->value, timeout))
    luax_failhint(L, lua_tostring(L, -1), ERROR_TIMEOUT,
                  "the service does not answer; it may still do what it was told");
  GetExitCodeThread((HANDLE)thread->value, &code);
  if (code) luax_fail(L, lua_tostring(L, -1), code);
}

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

/* Raw win.scm.start(name [, args [, timeout]]): asks for the start and does not wait for it. `args` is an array of
 * texts for the service's ServiceMain, `timeout` how long its process may take to come up.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-startservicew */
int scm_start(lua_State *L) {
  order o = {.control = 0};
  luax_arguments(L, 1, 3);
  const wchar_t *name = scm_checkname(L, 1);
  o.arguments = check_arguments(L, 2, &o.count);
  give_order(L, name, SERVICE_START, o, luax_optseconds(L, 3, "timeout", CONTROL_TIMEOUT));
  return 0;
}

/* Raw win.scm.stop(name [, timeout]), pause, continue: send the control and do not wait for what comes of it. They
 * return when the service's handler has.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-controlservice */
static int send_control(lua_State *L, DWORD control, DWORD rights) {
  luax_arguments(L, 1, 2);
  const wchar_t *name = scm_checkname(L, 1);
  give_order(L, name, rights, (order){.control = control}, luax_optseconds(L, 2, "timeout", CONTROL_TIMEOUT));
  return 0;
}

int scm_stop(lua_State *L) { return send_control(L, SERVICE_CONTROL_STOP, SERVICE_STOP); }
int scm_pause(lua_State *L) { return send_control(L, SERVICE_CONTROL_PAUSE, SERVICE_PAUSE_CONTINUE); }
int scm_continue(lua_State *L) { return send_control(L, SERVICE_CONTROL_CONTINUE, SERVICE_PAUSE_CONTINUE); }

/* The right that a control takes. */
static DWORD right_for(DWORD control) {
  if (control == SERVICE_CONTROL_INTERROGATE) return SERVICE_INTERROGATE;
  return control < SERVICE_CONTROL_OWN ? SERVICE_PAUSE_CONTINUE : SERVICE_USER_DEFINED_CONTROL;
}

/* Raw win.scm.control(name, number [, timeout]): "interrogate" (4), "param_change" (6), the network's (7 to 10), or
 * the service's own (128 to 255). */
int scm_control(lua_State *L) {
  luax_arguments(L, 2, 3);
  const wchar_t *name = scm_checkname(L, 1);
  DWORD control = (DWORD)luax_checkinteger(L, 2, "control", SERVICE_CONTROL_INTERROGATE, 255);
  give_order(L, name, right_for(control), (order){.control = control},
             luax_optseconds(L, 3, "timeout", CONTROL_TIMEOUT));
  return 0;
}

/* ---- Settings ---- */

/* The field `key` of the settings as UTF-16 (+2); NULL when it is absent. */
static const wchar_t *opt_setting(lua_State *L, const char *key) {
  return luax_optwide(L, luax_field(L, 2, key), key);
}

const wchar_t *scm_optlist(lua_State *L, int index, const char *key) {
  int list = luax_field(L, index, key);
  if (lua_isnil(L, list)) {
    lua_pushnil(L);
    return NULL;
  }
  if (!lua_istable(L, list) || lua_rawlen(L, list) > MOST_ITEMS) luax_badvalue(L, list, key, "an array of texts");
  luaL_Buffer all;
  luaL_buffinit(L, &all);
  for (lua_Unsigned i = 1; i <= lua_rawlen(L, list); i++) {
    lua_rawgeti(L, list, (lua_Integer)i);
    if (*luax_checktext(L, -1, key) == 0) luax_badvalue(L, -1, key, "text that is not empty");
    luaL_addvalue(&all);
    luaL_addchar(&all, 0);
  }
  luaL_addchar(&all, 0);
  luaL_pushresult(&all);
  const wchar_t *wide = luax_checkwidebytes(L, -1, key, NULL);
  lua_remove(L, -2);
  return wide;
}

/* The field `key`, one of `words` by its number; `missing` when it is absent (+1). */
static DWORD opt_word(lua_State *L, const char *key, const char *const words[], DWORD missing) {
  int field = luax_field(L, 2, key);
  return lua_isnil(L, field) ? missing : (DWORD)luax_checkword(L, field, key, words, -1);
}

/* What CreateServiceW and ChangeServiceConfigW take. */
typedef struct settings {
  DWORD type, start, error_control;
  const wchar_t *path, *group, *dependencies, *account, *display_name, *password;
} settings;

/* The number of a service's type, `missing` without one. */
static DWORD opt_type(lua_State *L, DWORD missing) {
  int field = luax_field(L, 2, "type");
  if (lua_isnil(L, field)) return missing;
  DWORD type = scm_type_value(luax_checktext(L, field, "type"));
  if (type == 0) luax_badvalue(L, field, "type", "the type of a service such as own_process or kernel_driver");
  return luax_optboolean(L, luax_field(L, 2, "interactive"), "interactive", 0) ? type | SERVICE_INTERACTIVE_PROCESS
                                                                               : type;
}

/* Reads the settings at index 2; `missing` stands for numbers that are absent. */
static settings read_settings(lua_State *L, DWORD missing) {
  settings s = {.type = opt_type(L, missing)};
  s.start = opt_word(L, "start", scm_start_words, missing);
  s.error_control = opt_word(L, "error_control", scm_error_words, missing);
  s.path = opt_setting(L, "path");
  s.group = opt_setting(L, "group");
  s.dependencies = scm_optlist(L, 2, "dependencies");
  s.account = opt_setting(L, "account");
  s.display_name = opt_setting(L, "display_name");
  s.password = luax_optsecret(L, luax_field(L, 2, "password"), "password");
  return s;
}

static int is_empty(const settings *s) {
  return s->type == SERVICE_NO_CHANGE && s->start == SERVICE_NO_CHANGE && s->error_control == SERVICE_NO_CHANGE &&
         !s->path && !s->group && !s->dependencies && !s->account && !s->display_name && !s->password;
}

#define SETTINGS                                                                                               \
  "type", "interactive", "start", "error_control", "path", "group", "dependencies", "account", "display_name", \
      "password"

/* Raw win.scm.config(name, settings): changes the settings that are given; see scripts/api/scm.lua for them.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-changeserviceconfigw */
int scm_config(lua_State *L) {
  static const char *const known[] = {SETTINGS, SCM_DETAILS, NULL};
  luax_arguments(L, 2, 2);
  luaL_checkstack(L, 60, NULL);
  const wchar_t *name = scm_checkname(L, 1);
  if (!luax_options(L, 2, known)) luax_badvalue(L, 2, "settings", "a table of settings");
  settings s = read_settings(L, SERVICE_NO_CHANGE);
  DWORD rights = SERVICE_CHANGE_CONFIG | (scm_has_restart(L, 2) ? SERVICE_START : 0);
  SC_HANDLE service = scm_open(L, name, rights);
  BOOL changed =
      is_empty(&s) || win32.ChangeServiceConfigW(service, s.type, s.start, s.error_control, s.path, s.group, NULL,
                                                 s.dependencies, s.account, s.password, s.display_name);
  if (!changed) luax_failwide(L, name, GetLastError());
  scm_change_details(L, service, name, 2);
  return 0;
}

/* Raw win.scm.create(name, settings): makes a service; only `path` must be given. What is not a setting of
 * CreateServiceW is raw win.scm.config's.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-createservicew */
int scm_create(lua_State *L) {
  static const char *const known[] = {SETTINGS, NULL};
  luax_arguments(L, 2, 2);
  luaL_checkstack(L, 60, NULL);
  const wchar_t *name = scm_checkname(L, 1);
  if (!luax_options(L, 2, known)) luax_badvalue(L, 2, "settings", "a table of settings");
  settings s = read_settings(L, SERVICE_NO_CHANGE);
  if (s.display_name == NULL) s.display_name = name; /* as Windows does */
  if (s.type == SERVICE_NO_CHANGE) s.type = SERVICE_WIN32_OWN_PROCESS;
  if (s.start == SERVICE_NO_CHANGE) s.start = SERVICE_DEMAND_START;
  if (s.error_control == SERVICE_NO_CHANGE) s.error_control = SERVICE_ERROR_NORMAL;
  luax_handle *manager = luax_newhandle(L, scm_close), *slot = luax_newhandle(L, scm_close);
  winapi_load(L, "advapi32");
  manager->value = (UINT_PTR)win32.OpenSCManagerW(NULL, NULL, SC_MANAGER_CREATE_SERVICE);
  if (manager->value)
    slot->value = (UINT_PTR)win32.CreateServiceW((SC_HANDLE)manager->value, name, s.display_name,
                                                 SERVICE_QUERY_STATUS, s.type, s.start, s.error_control, s.path,
                                                 s.group, NULL, s.dependencies, s.account, s.password);
  if (slot->value == 0) luax_failwide(L, name, GetLastError());
  return 0;
}

/* Raw win.scm.delete(name): marks a service for deletion; it goes when it has stopped and nobody has it open any
 * more. https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-deleteservice */
int scm_delete(lua_State *L) {
  luax_arguments(L, 1, 1);
  const wchar_t *name = scm_checkname(L, 1);
  SC_HANDLE service = scm_open(L, name, DELETE);
  if (!win32.DeleteService(service)) luax_failwide(L, name, GetLastError());
  return 0;
}
