/* win.iis: web sites and their bindings. Words, texts and checks are in iis.lua, all else in engine/core/iis.lua. */
#include "iis_parts.h"

enum { NONE, APPHOST, METABASE };

/* Which configuration IIS has here. One of IIS 7 or newer may have a metabase beside it, made up from the real one.
 */
static int find_store(lua_State *L) {
  winapi_load(L, "advapi32");
  return com_is_registered(L, &apphost_class) ? APPHOST : com_is_registered(L, &metabase_class) ? METABASE : NONE;
}

static int require_store(lua_State *L) {
  int store = find_store(L);
  if (store == NONE)
    luax_failhint(L, "IIS", ERROR_NOT_SUPPORTED,
                  "IIS, or its management component, is not installed on this machine");
  com_begin(L);
  return store;
}

static int iis_store(lua_State *L) {
  static const char *const names[] = {NULL, "apphost", "metabase"};
  luax_arguments(L, 0, 0);
  lua_pushstring(L, names[find_store(L)]);
  return 1;
}

/* The rows as the configuration has them: {id=, name=, state= its number, auto_start=, error=, bindings={{protocol=,
 * binding=, ssl_flags=}}}. */
static int iis_sites(lua_State *L) {
  luax_arguments(L, 0, 0);
  if (require_store(L) == APPHOST) apphost_push_sites(L);
  else metabase_push_sites(L);
  return 1;
}

static DWORD check_site(lua_State *L) { return (DWORD)luax_checkinteger(L, 1, "site", 1, 0xFFFFFFFF); }

/* (site's number, site's name, protocol, binding, the binding that it becomes) */
static int iis_move_raw(lua_State *L) {
  luax_arguments(L, 5, 5);
  iis_move move = {.site = check_site(L), .target = luax_checktext(L, 2, "name")};
  move.protocol = luax_checkwide(L, 3, "protocol", NULL);
  move.from = luax_checkwide(L, 4, "binding", NULL);
  move.to = luax_checkwide(L, 5, "to", NULL);
  if (require_store(L) == APPHOST) apphost_move(L, &move);
  else metabase_move(L, &move);
  return 0;
}

/* (site's number, site's name) */
static int control(lua_State *L, int start) {
  luax_arguments(L, 2, 2);
  DWORD site = check_site(L);
  const char *target = luax_checktext(L, 2, "name");
  if (require_store(L) == APPHOST) apphost_control(L, site, target, start);
  else metabase_control(L, site, target, start);
  return 0;
}

static int iis_start(lua_State *L) { return control(L, 1); }
static int iis_stop(lua_State *L) { return control(L, 0); }

static const luaL_Reg reads[] = {{"store", iis_store}, {"sites", iis_sites}, {NULL, NULL}};
static const luaL_Reg writes[] = {{"move", iis_move_raw}, {"start", iis_start}, {"stop", iis_stop}, {NULL, NULL}};

const luax_subject iis_subject = {"iis", reads, writes, "iis"};
