/* The connection to the Service Control Manager, and services opened through it. */
#include <stdlib.h>

#include "scm_parts.h"

void scm_close(UINT_PTR handle) { win32.CloseServiceHandle((SC_HANDLE)handle); }

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
SC_HANDLE scm_manager(lua_State *L) {
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

int scm_may_list(lua_State *L) { return find_connection(L)->may_list; }

int scm_has_lost(lua_State *L, DWORD code) {
  if (code != ERROR_INVALID_HANDLE && code != RPC_S_SERVER_UNAVAILABLE && code != RPC_S_CALL_FAILED &&
      code != RPC_S_CALL_FAILED_DNE && code != RPC_X_SS_IN_NULL_CONTEXT)
    return 0;
  disconnect(find_connection(L));
  return 1;
}

/* A service's name (+1): 1 to 256 units. */
const wchar_t *scm_checkname(lua_State *L, int index) {
  size_t length;
  const wchar_t *name = luax_checkwide(L, index, "name", &length);
  if (length < 1 || length > SCM_LONGEST_NAME)
    luax_badvalue(L, index, "name", "the name of a service (1 to 256 characters)");
  return name;
}

/* Writes the name of the service whose display name this is; returns whether there is one.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-getservicekeynamew */
int scm_find_by_display_name(lua_State *L, const wchar_t *display, wchar_t name[SCM_LONGEST_NAME + 1]) {
  DWORD units = SCM_LONGEST_NAME + 1;
  SC_HANDLE manager = scm_manager(L); /* only from here on are the functions loaded */
  return win32.GetServiceKeyNameW(manager, display, name, &units) != 0;
}

/* Pushes (+1) a hint when `name`, which no service has, is a display name; otherwise nil. */
static const char *push_name_hint(lua_State *L, const wchar_t *name) {
  wchar_t real[SCM_LONGEST_NAME + 1];
  if (!scm_find_by_display_name(L, name, real)) {
    lua_pushnil(L);
    return NULL;
  }
  luax_pushwidez(L, real);
  lua_pushfstring(L, "the service with this display name is '%s'", lua_tostring(L, -1));
  lua_remove(L, -2);
  return lua_tostring(L, -1);
}

void scm_fail(lua_State *L, const wchar_t *name, DWORD code) {
  int unknown = code == ERROR_SERVICE_DOES_NOT_EXIST || code == ERROR_INVALID_NAME;
  const char *hint = unknown ? push_name_hint(L, name) : NULL;
  luax_pushwidez(L, name);
  luax_failhint(L, lua_tostring(L, -1), code, hint);
}

/* Opens a service into a slot; returns the error code. A connection that has broken is made anew.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-openservicew */
DWORD scm_try_open(lua_State *L, luax_handle *slot, const wchar_t *name, DWORD rights) {
  for (int attempt = 0;; attempt++) {
    SC_HANDLE manager = scm_manager(L); /* only from here on are the functions loaded */
    slot->value = (UINT_PTR)win32.OpenServiceW(manager, name, rights);
    if (slot->value) return 0;
    DWORD code = GetLastError();
    if (attempt > 0 || !scm_has_lost(L, code)) return code;
  }
}

/* Opens a service (+1, the slot that closes it). */
SC_HANDLE scm_open(lua_State *L, const wchar_t *name, DWORD rights) {
  luax_handle *slot = luax_newhandle(L, scm_close);
  DWORD code = scm_try_open(L, slot, name, rights);
  if (code) scm_fail(L, name, code);
  return (SC_HANDLE)slot->value;
}

/* nil, and a hint when `name` is the display name of a service. */
int scm_push_nothing(lua_State *L, const wchar_t *name) {
  lua_pushnil(L);
  push_name_hint(L, name);
  return 2;
}
