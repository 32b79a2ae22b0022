#include "reg_parts.h"

enum { LARGEST_TREE = 64 << 20 };

void reg_enter(reg_reader *r, const char *target, int depth) {
  if (depth > DEEPEST) luax_fail(r->L, target, ERROR_FILENAME_EXCED_RANGE);
  luaL_checkstack(r->L, 16, "registry tree");
  luax_sleep(r->L, 0); /* Ctrl-C */
}

static void push_node(reg_reader *r, HKEY key, const char *target, int depth);

/* node.keys[name] = its node, for the subkey whose name is in r->name and the `keys` on top. */
static void add_subkey(reg_reader *r, HKEY key, DWORD length, const char *target, int depth) {
  lua_State *L = r->L;
  int top = lua_gettop(L);
  const char *path = reg_push_path(r, target, length);
  luax_pushwide(L, r->name, length);
  reg_charge(r, 2 * (size_t)length, path);
  HKEY child = reg_open_below(L, key, r->name, REG_OPTION_OPEN_LINK, KEY_READ | r->view, path);
  if (child) { /* otherwise somebody has just deleted it */
    push_node(r, child, path, depth + 1);
    lua_pushvalue(L, top + 2);
    lua_insert(L, -2);
    lua_rawset(L, top);
  }
  lua_settop(L, top); /* closes the child */
}

/* Pushes {keys={name = node}, values={row, ...}, security=, link=} for `key`. */
static void push_node(reg_reader *r, HKEY key, const char *target, int depth) {
  lua_State *L = r->L;
  reg_enter(r, target, depth);
  reg_key_info info = reg_query_info(L, key, target);
  lua_createtable(L, 0, 3);
  reg_add_security(r, key, target);
  int is_link = reg_push_link(r, key, &info, target);
  if (is_link) lua_setfield(L, -2, "link");
  lua_newtable(L);
  DWORD length;
  for (DWORD i = 0; !is_link && (length = reg_fetch_key_name(r, key, i, target)) > 0; i++)
    add_subkey(r, key, length, target, depth);
  lua_setfield(L, -2, "keys");
  if (is_link) lua_newtable(L);
  else reg_push_rows(r, key, &info, target);
  lua_setfield(L, -2, "values");
}

int reg_tree(lua_State *L) {
  reg_key name;
  HKEY key = reg_open_argument(L, &name, REG_OPTION_OPEN_LINK, KEY_READ);
  if (key == NULL) return reg_push_nil(L);
  reg_reader r = reg_new_reader(L, name.view);
  r.in_tree = 1;
  r.left = LARGEST_TREE;
  push_node(&r, key, name.text, 1);
  return 1;
}
