/* win.http.timeout, win.http.cache and win.http.setting: numbers that hold for all of HTTP.SYS. Their names, keys and
 * ranges are in http_values.lua. */
#include <string.h>

#include "http_config.h"
#include "luax.h"
#include "subjects.h"

static http_record check_kind(lua_State *L) { return (http_record)luax_checkinteger(L, 1, "kind", 0, 15); }
static int check_key(lua_State *L) { return (int)luax_checkinteger(L, 2, "key", 0, 15); }

/* query(kind, key) -> number, or nil when Windows has none. It would start the HTTP service.
 * https://learn.microsoft.com/windows/win32/http/http-service-config-timeout-param (16 bits; the others have 32) */
static int query_value(lua_State *L) {
  ULONG size;
  USHORT small = 0;
  ULONG number = 0;
  luax_arguments(L, 2, 2);
  http_record kind = check_kind(L);
  int key = check_key(L);
  http_config_open(L);
  http_config_require(L, kind, &key, sizeof key);
  const void *answer = http_config_query(L, kind, &key, sizeof key, &size);
  if (answer == NULL) return 0;
  if (kind == HTTP_TIMEOUT) memcpy(&small, answer, sizeof small);
  else memcpy(&number, answer, sizeof number);
  lua_pushinteger(L, kind == HTTP_TIMEOUT ? small : number);
  return 1;
}

/* set(kind, key, number); raises about argument 4, the name.
 * https://learn.microsoft.com/windows/win32/api/http/ns-http-http_service_config_timeout_set */
static int set_value(lua_State *L) {
  luax_arguments(L, 4, 4);
  http_record kind = check_kind(L);
  value_set record = {check_key(L), (ULONG)luax_checkinteger(L, 3, "value", 0, 0xFFFFFFFF)};
  http_config_open(L);
  DWORD code = http_config_set(kind, &record, sizeof record);
  if (code != NO_ERROR) luax_fail(L, luax_checktext(L, 4, "name"), code);
  return 0;
}

/* delete(kind, key, name): back to what Windows takes by itself. Microsoft's page asks for the key alone; what it
 * says of other kinds is the whole record, so that is tried next. */
static int delete_value(lua_State *L) {
  luax_arguments(L, 3, 3);
  http_record kind = check_kind(L);
  value_set record = {check_key(L), 0};
  http_config_open(L);
  DWORD code = http_config_delete(kind, &record.key, sizeof record.key);
  if (code == ERROR_INVALID_PARAMETER) code = http_config_delete(kind, &record, sizeof record);
  if (code != NO_ERROR && code != ERROR_FILE_NOT_FOUND) luax_fail(L, luax_checktext(L, 3, "name"), code);
  return 0;
}

static const luaL_Reg reads[] = {{"query", query_value}, {NULL, NULL}};
static const luaL_Reg writes[] = {{"set", set_value}, {"delete", delete_value}, {NULL, NULL}};
static const luaL_Reg cache_writes[] = {{"set", set_value}, {NULL, NULL}};

const luax_subject http_timeout_subject = {"http.timeout", reads, writes, "http_values"};
const luax_subject http_cache_subject = {"http.cache", reads, cache_writes, "http_values"};
const luax_subject http_setting_subject = {"http.setting", reads, writes, "http_values"};
