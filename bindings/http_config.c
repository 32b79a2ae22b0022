#include "http_config.h"

#include "luax.h"
#include "winapi.h"

static void close_config(UINT_PTR value) {
  (void)value;
  win32.HttpTerminate(HTTP_INITIALIZE_CONFIG, NULL);
}

void http_config_open(lua_State *L) {
  HTTPAPI_VERSION version = {1, 0};
  winapi_load(L, "httpapi");
  luax_handle *opened = luax_newhandle(L, close_config);
  DWORD code = win32.HttpInitialize(version, HTTP_INITIALIZE_CONFIG, NULL);
  if (code != NO_ERROR) luax_fail(L, "HTTP", code);
  opened->value = 1;
}

void *http_config_query(lua_State *L, http_record kind, void *query, ULONG query_size, ULONG *size) {
  enum { FIRST = 4096, LARGEST = 1 << 28 };
  for (ULONG room = FIRST;;) {
    ULONG needed = 0;
    void *answer = luax_buffer(L, room);
    DWORD code = win32.HttpQueryServiceConfiguration(NULL, (HTTP_SERVICE_CONFIG_ID)kind, query, query_size, answer,
                                                     room, &needed, NULL);
    if (code == NO_ERROR) {
      *size = room;
      return answer;
    }
    lua_pop(L, 1);
    if (code == ERROR_NO_MORE_ITEMS || code == ERROR_FILE_NOT_FOUND) break;
    if (code != ERROR_INSUFFICIENT_BUFFER && code != ERROR_MORE_DATA) luax_fail(L, "HTTP.SYS configuration", code);
    if (room >= LARGEST) luax_fail(L, "HTTP.SYS configuration", ERROR_NOT_ENOUGH_MEMORY);
    room = needed > room && needed < LARGEST ? needed : room * 2;
  }
  lua_pushnil(L);
  *size = 0;
  return NULL;
}

DWORD http_config_set(http_record kind, void *record, ULONG size) {
  return win32.HttpSetServiceConfiguration(NULL, (HTTP_SERVICE_CONFIG_ID)kind, record, size, NULL);
}

DWORD http_config_delete(http_record kind, void *record, ULONG size) {
  return win32.HttpDeleteServiceConfiguration(NULL, (HTTP_SERVICE_CONFIG_ID)kind, record, size, NULL);
}
