#include <stdint.h>

#include "reg_parts.h"

enum { ITEM_COST = 64 }; /* what a name and its place count in a tree, apart from its text */

reg_reader reg_new_reader(lua_State *L, REGSAM view) {
  enum { FIRST_ROOM = 1024 };
  reg_reader r = {.L = L, .view = view, .room = FIRST_ROOM, .left = SIZE_MAX};
  r.name = lua_newuserdatauv(L, NAME_ROOM * sizeof *r.name, 0);
  r.data = lua_newuserdatauv(L, r.room, 0);
  r.data_slot = lua_gettop(L);
  return r;
}

void reg_make_room(reg_reader *r, DWORD size, const char *target) {
  enum { LARGEST = 0x7FFFFFFF };
  if (size <= r->room || size > LARGEST) luax_fail(r->L, target, ERROR_MORE_DATA);
  r->data = lua_newuserdatauv(r->L, size, 0);
  lua_replace(r->L, r->data_slot);
  r->room = size;
}

/* Reads the value `name` of `key`; returns 0 when there is none. */
static int fetch(reg_reader *r, HKEY key, const wchar_t *name, DWORD *type, DWORD *size, const char *target) {
  for (;;) {
    *size = r->room;
    LSTATUS status = win32.RegQueryValueExW(key, name, NULL, type, r->data, size);
    if (reg_is_absent(status)) return 0;
    if (status != ERROR_MORE_DATA) {
      reg_check_status(r->L, target, status);
      return 1;
    }
    reg_make_room(r, *size, target);
  }
}

/* Reads value number `i` of `key`, its name into r->name; returns 0 after the last. */
static int fetch_next(reg_reader *r, HKEY key, DWORD i, DWORD *length, DWORD *type, DWORD *size, const char *target) {
  if (reg_is_performance(key)) return 0;
  for (;;) {
    *length = NAME_ROOM;
    *size = r->room;
    LSTATUS status = win32.RegEnumValueW(key, i, r->name, length, NULL, type, r->data, size);
    if (status == ERROR_NO_MORE_ITEMS) return 0;
    if (status != ERROR_MORE_DATA) {
      reg_check_status(r->L, target, status);
      return 1;
    }
    reg_make_room(r, *size, target);
  }
}

int reg_is_performance(HKEY key) {
  return key == HKEY_PERFORMANCE_TEXT || key == HKEY_PERFORMANCE_NLSTEXT || key == HKEY_PERFORMANCE_DATA;
}

reg_key_info reg_query_info(lua_State *L, HKEY key, const char *target) {
  reg_key_info info = {0};
  if (reg_is_performance(key)) return info;
  reg_check_status(L, target,
                   win32.RegQueryInfoKeyW(key, NULL, NULL, NULL, &info.keys, NULL, NULL, &info.values, NULL,
                                          &info.largest, NULL, &info.written));
  return info;
}

void reg_push_info(lua_State *L, const reg_key_info *info) {
  lua_createtable(L, 0, 4);
  luax_setinteger(L, "keys", info->keys);
  luax_setinteger(L, "values", info->values);
  luax_pushtime(L, (ULONGLONG)info->written.dwHighDateTime << 32 | info->written.dwLowDateTime);
  lua_setfield(L, -2, "written");
}

/* An array size to begin with; Windows' count is a hint. */
static int room_for(DWORD count) { return count < 1 << 20 ? (int)count : 1 << 20; }

void reg_charge(reg_reader *r, size_t bytes, const char *target) {
  if (bytes + ITEM_COST > r->left) {
    const char *op = lua_tostring(r->L, lua_upvalueindex(1));
    luax_pusherror(r->L, op, target, ERROR_FILE_TOO_LARGE, "The tree of keys is larger than 64 MiB.",
                   "take its subkeys one by one");
    lua_error(r->L);
  }
  r->left -= bytes + ITEM_COST;
}

const char *reg_push_path(reg_reader *r, const char *parent, DWORD length) {
  lua_State *L = r->L;
  int named = !reg_has_nul(r->name, length);
  for (DWORD i = 0; !named && i < length; i++)
    if (r->name[i] == 0) r->name[i] = 0x2400; /* the symbol for NUL */
  lua_pushfstring(L, "%s\\", parent);
  luax_pushwide(L, r->name, length);
  lua_concat(L, 2);
  if (named) return lua_tostring(L, -1);
  luax_failhint(L, lua_tostring(L, -1), ERROR_INVALID_NAME,
                "this name has a NUL in it, so that Windows' own tools cannot open it either");
}

void reg_push_rows(reg_reader *r, HKEY key, const reg_key_info *info, const char *target) {
  lua_State *L = r->L;
  DWORD length, type, size;
  if (info->largest > r->room) reg_make_room(r, info->largest, target);
  lua_createtable(L, room_for(info->values), 0);
  for (DWORD i = 0; fetch_next(r, key, i, &length, &type, &size, target); i++) {
    if (r->in_tree && reg_has_nul(r->name, length)) reg_push_path(r, target, length);
    lua_createtable(L, 0, 3);
    luax_pushwide(L, r->name, length);
    lua_setfield(L, -2, "name");
    reg_push_type(L, type);
    lua_setfield(L, -2, "type");
    int formed = reg_push_value(L, type, r->data, size);
    lua_setfield(L, -2, "value");
    if (!formed) {
      lua_pushlstring(L, (const char *)r->data, size);
      lua_setfield(L, -2, "raw");
    }
    lua_rawseti(L, -2, (lua_Integer)i + 1);
    reg_charge(r, size + 2 * (size_t)length, target);
  }
}

DWORD reg_fetch_key_name(reg_reader *r, HKEY key, DWORD i, const char *target) {
  if (reg_is_performance(key)) return 0;
  DWORD length = NAME_ROOM;
  LSTATUS status = win32.RegEnumKeyExW(key, i, r->name, &length, NULL, NULL, NULL, NULL);
  if (status == ERROR_NO_MORE_ITEMS) return 0;
  reg_check_status(r->L, target, status);
  return length;
}

int reg_push_link(reg_reader *r, HKEY key, const reg_key_info *info, const char *target) {
  DWORD type, size;
  if (info->keys != 0 || info->values != 1) return 0;
  if (!fetch(r, key, LINK_VALUE, &type, &size, target) || type != REG_LINK) return 0;
  reg_push_value(r->L, type, r->data, size);
  return 1;
}

HKEY reg_open_argument(lua_State *L, reg_key *name, DWORD options, REGSAM access) {
  static const char *const known[] = {"view", NULL};
  luax_arguments(L, 1, 2);
  luax_options(L, 2, known);
  *name = reg_check_key(L, 1, 2);
  return reg_open_key(L, name, options, access);
}

int reg_push_nil(lua_State *L) {
  lua_pushnil(L);
  return 1;
}

/* https://learn.microsoft.com/windows/win32/sysinfo/registry-value-types */
int reg_get(lua_State *L) {
  static const char *const options[] = {"view", NULL};
  luax_arguments(L, 1, 3);
  luax_options(L, 3, options);
  reg_key name = reg_check_key(L, 1, 3);
  const wchar_t *value = reg_check_value_name(L, 2);
  HKEY key = reg_open_key(L, &name, 0, KEY_QUERY_VALUE);
  if (key == NULL) return reg_push_nil(L);
  reg_reader r = reg_new_reader(L, name.view);
  DWORD type, size;
  if (!fetch(&r, key, value, &type, &size, name.text)) return reg_push_nil(L);
  int formed = reg_push_value(L, type, r.data, size);
  reg_push_type(L, type);
  if (!formed) lua_pushlstring(L, (const char *)r.data, size);
  return formed ? 2 : 3;
}

int reg_values(lua_State *L) {
  reg_key name;
  HKEY key = reg_open_argument(L, &name, 0, KEY_QUERY_VALUE);
  if (key == NULL) return reg_push_nil(L);
  reg_key_info info = reg_query_info(L, key, name.text);
  reg_reader r = reg_new_reader(L, name.view);
  reg_push_rows(&r, key, &info, name.text);
  return 1;
}

int reg_keys(lua_State *L) {
  reg_key name;
  HKEY key = reg_open_argument(L, &name, 0, KEY_QUERY_VALUE | KEY_ENUMERATE_SUB_KEYS);
  if (key == NULL) return reg_push_nil(L);
  reg_key_info info = reg_query_info(L, key, name.text);
  reg_reader r = reg_new_reader(L, name.view);
  lua_createtable(L, room_for(info.keys), 0);
  DWORD length;
  for (DWORD i = 0; (length = reg_fetch_key_name(&r, key, i, name.text)) > 0; i++) {
    luax_pushwide(L, r.name, length);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

int reg_exists(lua_State *L) {
  reg_key name;
  lua_pushboolean(L, reg_open_argument(L, &name, 0, KEY_QUERY_VALUE) != NULL);
  return 1;
}

int reg_info(lua_State *L) {
  reg_key name;
  HKEY key = reg_open_argument(L, &name, REG_OPTION_OPEN_LINK, KEY_QUERY_VALUE);
  if (key == NULL) return reg_push_nil(L);
  reg_key_info info = reg_query_info(L, key, name.text);
  reg_reader r = reg_new_reader(L, name.view);
  reg_push_info(L, &info);
  if (reg_push_link(&r, key, &info, name.text)) lua_setfield(L, -2, "link");
  return 1;
}
