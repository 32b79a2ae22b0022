/* win.iis on IIS 7 and newer, through its configuration objects.
 * https://learn.microsoft.com/iis/web-development-reference/native-code-api-reference/iapphostwritableadminmanager-interface
 * https://learn.microsoft.com/openspecs/windows_protocols/mc-iisa */
#include "iis_apphost.h"

#include "iis_parts.h"

const CLSID apphost_class = {0x2b72133b, 0x3f5b, 0x4602, {0x89, 0x52, 0x80, 0x35, 0x46, 0xce, 0x33, 0x44}};
static const IID manager_interface = {0xfa7660f6, 0x7b3f, 0x4237, {0xa8, 0xbf, 0xed, 0x0a, 0xd0, 0xdc, 0xbb, 0xd9}};

#define NO_SUCH_PROPERTY ((HRESULT)0x80070585L) /* ERROR_INVALID_INDEX */

/* ---- Reading ---- */

/* The section of the sites (+ slots); changes to it take effect when the manager commits. */
static apphost_element *open_sites(lua_State *L, apphost_manager **opened) {
  BSTR path = com_text(L, L"MACHINE/WEBROOT/APPHOST"), name = com_text(L, L"system.applicationHost/sites");
  apphost_manager *manager = com_create(L, "IIS", &apphost_class, CLSCTX_INPROC_SERVER, &manager_interface);
  com_check(L, "IIS", manager->v->put_commit_path(manager, path));
  if (opened) *opened = manager;
  luax_handle *slot = com_slot(L);
  apphost_element *sites = NULL;
  HRESULT result = manager->v->get_section(manager, name, path, &sites);
  return com_keep(L, slot, "IIS", result, sites);
}

/* The rows of an element, and their number (+ slot). */
static apphost_collection *open_collection(lua_State *L, apphost_element *element, DWORD *count) {
  luax_handle *slot = com_slot(L);
  apphost_collection *rows = NULL;
  HRESULT result = element->v->get_collection(element, &rows);
  com_keep(L, slot, "IIS", result, rows);
  com_check(L, "IIS", rows->v->get_count(rows, count));
  return rows;
}

static apphost_element *open_row(lua_State *L, apphost_collection *rows, DWORD i) {
  luax_handle *slot = com_slot(L);
  apphost_element *row = NULL;
  HRESULT result = rows->v->get_item(rows, com_from_integer((LONG)i), &row);
  return com_keep(L, slot, "IIS", result, row);
}

/* The bindings of a site (+ slots). */
static apphost_collection *open_bindings(lua_State *L, apphost_element *site, DWORD *count) {
  BSTR name = com_text(L, L"bindings");
  luax_handle *slot = com_slot(L);
  apphost_element *bindings = NULL;
  HRESULT result = site->v->get_element(site, name, &bindings);
  return open_collection(L, com_keep(L, slot, "IIS", result, bindings), count);
}

/* Pushes a property; nil when this IIS knows no such property, or when its value cannot be read and `may_fail`. */
static void push_property(lua_State *L, apphost_element *element, const wchar_t *name, int may_fail) {
  int top = lua_gettop(L) + 1;
  lua_pushnil(L);
  BSTR text = com_text(L, name);
  luax_handle *slot = com_slot(L);
  apphost_property *property = NULL;
  HRESULT result = element->v->get_property(element, text, &property);
  if (result == NO_SUCH_PROPERTY) {
    com_forget();
  } else {
    com_keep(L, slot, "IIS", result, property);
    VARIANT *value = com_variant(L);
    result = property->v->get_value(property, value);
    if (!may_fail) com_check(L, "IIS", result);
    if (FAILED(result)) com_forget();
    com_push(L, value); /* nil then */
    lua_replace(L, top);
  }
  lua_settop(L, top);
}

/* record[key] = a property, for the record on top. */
static void set_property(lua_State *L, apphost_element *element, const wchar_t *name, const char *key) {
  push_property(L, element, name, 0);
  lua_setfield(L, -2, key);
}

static void set_bindings(lua_State *L, apphost_element *site) {
  DWORD count;
  lua_newtable(L);
  int list = lua_gettop(L);
  apphost_collection *bindings = open_bindings(L, site, &count);
  int top = lua_gettop(L);
  for (DWORD i = 0; i < count; i++) {
    apphost_element *binding = open_row(L, bindings, i);
    lua_newtable(L);
    set_property(L, binding, L"protocol", "protocol");
    set_property(L, binding, L"bindingInformation", "binding");
    set_property(L, binding, L"sslFlags", "ssl_flags");
    lua_seti(L, list, (lua_Integer)i + 1);
    lua_settop(L, top);
  }
  lua_settop(L, list);
  lua_setfield(L, -2, "bindings");
}

void apphost_push_sites(lua_State *L) {
  DWORD count;
  lua_newtable(L);
  int list = lua_gettop(L);
  apphost_collection *sites = open_collection(L, open_sites(L, NULL), &count);
  int top = lua_gettop(L);
  for (DWORD i = 0; i < count; i++) {
    apphost_element *site = open_row(L, sites, i);
    lua_newtable(L);
    set_property(L, site, L"name", "name");
    set_property(L, site, L"id", "id");
    set_property(L, site, L"serverAutoStart", "auto_start");
    push_property(L, site, L"state", 1); /* it cannot be read while nobody runs the sites */
    lua_setfield(L, -2, "state");
    set_bindings(L, site);
    lua_seti(L, list, (lua_Integer)i + 1);
    lua_settop(L, top);
  }
  lua_settop(L, list);
}

/* ---- Changing ---- */

/* Opens the site with this number (+ slots). */
static apphost_element *find_site(lua_State *L, DWORD id, const char *target, apphost_manager **manager) {
  DWORD count;
  apphost_collection *sites = open_collection(L, open_sites(L, manager), &count);
  int top = lua_gettop(L);
  for (DWORD i = 0; i < count; i++) {
    apphost_element *site = open_row(L, sites, i);
    push_property(L, site, L"id", 0);
    lua_Integer found = lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (found == (lua_Integer)id) return site;
    lua_settop(L, top);
  }
  luax_fail(L, target, ERROR_NOT_FOUND);
}

/* Whether a property is this text. */
static int is_text(lua_State *L, apphost_element *element, const wchar_t *name, const wchar_t *text) {
  push_property(L, element, name, 0);
  luax_pushwidez(L, text);
  int same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

static apphost_element *find_binding(lua_State *L, apphost_element *site, const iis_move *move) {
  DWORD count;
  apphost_collection *bindings = open_bindings(L, site, &count);
  int top = lua_gettop(L);
  for (DWORD i = 0; i < count; i++) {
    apphost_element *binding = open_row(L, bindings, i);
    if (is_text(L, binding, L"protocol", move->protocol) && is_text(L, binding, L"bindingInformation", move->from))
      return binding;
    lua_settop(L, top);
  }
  luax_fail(L, move->target, ERROR_NOT_FOUND);
}

void apphost_move(lua_State *L, const iis_move *move) {
  apphost_manager *manager;
  apphost_element *site = find_site(L, move->site, move->target, &manager);
  apphost_element *binding = find_binding(L, site, move);
  BSTR name = com_text(L, L"bindingInformation"), to = com_text(L, move->to);
  luax_handle *slot = com_slot(L);
  apphost_property *property = NULL;
  HRESULT result = binding->v->get_property(binding, name, &property);
  com_keep(L, slot, move->target, result, property);
  com_check(L, move->target, property->v->put_value(property, com_from_text(to)));
  com_check(L, move->target, manager->v->commit(manager));
}

/* Opens the method of this name (+ slots). */
static apphost_method *find_method(lua_State *L, apphost_element *site, const char *target, const wchar_t *name) {
  luax_handle *slot = com_slot(L);
  apphost_methods *methods = NULL;
  HRESULT result = site->v->get_methods(site, &methods);
  com_keep(L, slot, target, result, methods);
  DWORD count;
  com_check(L, target, methods->v->get_count(methods, &count));
  int top = lua_gettop(L);
  for (DWORD i = 0; i < count; i++) {
    luax_handle *kept = com_slot(L);
    apphost_method *method = NULL;
    result = methods->v->get_item(methods, com_from_integer((LONG)i), &method);
    com_keep(L, kept, target, result, method);
    VARIANT *text = com_variant(L);
    V_VT(text) = VT_BSTR;
    com_check(L, target, method->v->get_name(method, &V_BSTR(text)));
    if (V_BSTR(text) && wcscmp(V_BSTR(text), name) == 0) return method;
    lua_settop(L, top);
  }
  luax_fail(L, target, ERROR_CALL_NOT_IMPLEMENTED);
}

void apphost_control(lua_State *L, DWORD id, const char *target, int start) {
  apphost_element *site = find_site(L, id, target, NULL);
  apphost_method *method = find_method(L, site, target, start ? L"Start" : L"Stop");
  luax_handle *slot = com_slot(L);
  apphost_call *call = NULL;
  HRESULT result = method->v->create_instance(method, &call);
  com_keep(L, slot, target, result, call);
  com_check(L, target, call->v->execute(call));
}
