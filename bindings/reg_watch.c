#include "reg_parts.h"

/* What win.reg.watch holds while its iterator is in use. */
typedef struct key_watch {
  HKEY key; /* NULL: closed */
  HANDLE event;
  DWORD timeout;
  BOOL tree;
} key_watch;

static int close_watch(lua_State *L) {
  key_watch *watch = lua_touserdata(L, 1);
  HKEY key = watch->key;
  HANDLE event = watch->event;
  watch->key = NULL;
  watch->event = NULL;
  if (key) win32.RegCloseKey(key); /* which sets the event */
  if (event) CloseHandle(event);
  return 0;
}

/* A closed watch (+1). */
static key_watch *new_watch(lua_State *L) {
  key_watch *watch = luax_buffer(L, sizeof *watch);
  if (luaL_newmetatable(L, "p80.reg.watch")) {
    lua_pushcfunction(L, close_watch);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, close_watch);
    lua_setfield(L, -2, "__close");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
  }
  lua_setmetatable(L, -2);
  return watch;
}

/* Asks for the next change. */
static LSTATUS arm(const key_watch *watch) {
  enum {
    CHANGES = REG_NOTIFY_CHANGE_NAME | REG_NOTIFY_CHANGE_ATTRIBUTES | REG_NOTIFY_CHANGE_LAST_SET |
              REG_NOTIFY_CHANGE_SECURITY
  };
  return win32.RegNotifyChangeKeyValue(watch->key, watch->tree, CHANGES, watch->event, TRUE);
}

/* The iterator; upvalues: "reg.watch", the watch, the key's text. Asks for the next change before it looks, so that
 * nothing that happens meanwhile is missed. */
static int next_change(lua_State *L) {
  key_watch *watch = lua_touserdata(L, lua_upvalueindex(2));
  const char *target = lua_tostring(L, lua_upvalueindex(3));
  reg_key_info info = {0};
  if (watch->key == NULL || !luax_wait(L, watch->event, watch->timeout)) return reg_push_nil(L);
  LSTATUS status = arm(watch);
  if (status == ERROR_SUCCESS)
    status = win32.RegQueryInfoKeyW(watch->key, NULL, NULL, NULL, &info.keys, NULL, NULL, &info.values, NULL,
                                    &info.largest, NULL, &info.written);
  if (status == ERROR_KEY_DELETED) return reg_push_nil(L);
  reg_check_status(L, target, status);
  reg_push_info(L, &info);
  return 1;
}

/* https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regnotifychangekeyvalue */
int reg_watch(lua_State *L) {
  static const char *const options[] = {"tree", "timeout", "view", NULL};
  luax_arguments(L, 1, 2);
  luax_options(L, 2, options);
  BOOL tree = luax_optboolean(L, luax_field(L, 2, "tree"), "tree", 0);
  DWORD timeout = luax_optseconds(L, luax_field(L, 2, "timeout"), "timeout", INFINITE);
  reg_key name = reg_check_key(L, 1, 2);
  HKEY key = reg_open_key(L, &name, 0, KEY_NOTIFY | KEY_QUERY_VALUE);
  if (key == NULL) luax_fail(L, name.text, ERROR_FILE_NOT_FOUND);
  luax_handle *slot = lua_touserdata(L, -1);
  key_watch *watch = new_watch(L);
  int at = lua_gettop(L);
  *watch = (key_watch){.key = key, .timeout = timeout, .tree = tree};
  slot->value = 0;
  watch->event = CreateEventW(NULL, FALSE, FALSE, NULL);
  if (watch->event == NULL) luax_fail(L, name.text, GetLastError());
  reg_check_status(L, name.text, arm(watch));
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, at);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, next_change, 3);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushvalue(L, at); /* closed when the loop ends */
  return 4;
}
