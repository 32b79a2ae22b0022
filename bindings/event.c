/* win.event: the event logs, and writing to them with the API that every Windows has. event_new.c and event_old.c
 * read. */
#include "event.h"

#include <string.h>

#include "luax.h"
#include "subjects.h"
#include "winapi.h"

enum { MOST_STRINGS = 100 };

/* ---- Cursors ---- */

static int cursor_close(lua_State *L) {
  event_cursor *cursor = luaL_checkudata(L, 1, EVENT_CURSOR);
  for (int i = 0; i < EVENT_HANDLES; i++) luax_closehandle(&cursor->handles[i]);
  return 0;
}

static int cursor_next(lua_State *L) {
  event_cursor *cursor = luaL_checkudata(L, 1, EVENT_CURSOR);
  return cursor->next(L, cursor);
}

/* Pushes a cursor that is closed as yet (+1). */
event_cursor *event_new_cursor(lua_State *L, int (*next)(lua_State *, event_cursor *)) {
  static const luaL_Reg methods[] = {
      {"__gc", cursor_close}, {"__close", cursor_close}, {"__call", cursor_next}, {NULL, NULL}};
  event_cursor *cursor = lua_newuserdatauv(L, sizeof *cursor, 1);
  memset(cursor, 0, sizeof *cursor);
  cursor->next = next;
  if (luaL_newmetatable(L, EVENT_CURSOR)) luaL_setfuncs(L, methods, 0);
  lua_setmetatable(L, -2);
  return cursor;
}

/* event.open(log [, xpath]) -> cursor; cursor() -> the next older event as far as Windows tells it, or nil */
static int event_open(lua_State *L) {
  luax_arguments(L, 1, 2);
  winapi_load(L, "advapi32");
  winapi_load(L, "wevtapi");
  const wchar_t *log = luax_checkwide(L, 1, "log", NULL), *query = luax_optwide(L, 2, "xpath");
  if (win32.EvtQuery) event_open_new(L, log, query);
  else event_open_old(L, log);
  return 1;
}

/* ---- Messages ---- */

static void free_library(UINT_PTR module) { FreeLibrary((HMODULE)module); }
static void free_local(UINT_PTR memory) { LocalFree((HLOCAL)memory); }

/* Pushes the path with its variables, such as %SystemRoot%, replaced (+1). */
static const wchar_t *expand(lua_State *L, const wchar_t *path) {
  DWORD size = ExpandEnvironmentStringsW(path, NULL, 0);
  wchar_t *expanded = luax_buffer(L, ((size_t)size + 1) * sizeof *expanded);
  ExpandEnvironmentStringsW(path, expanded, size);
  return expanded;
}

/* The array at `index` as what %1 to %99 stand for; those that it lacks are empty. */
static const wchar_t **push_inserts(lua_State *L, int index) {
  const wchar_t **inserts = luax_buffer(L, MOST_STRINGS * sizeof *inserts);
  luaL_checktype(L, index, LUA_TTABLE);
  lua_newtable(L); /* keeps the texts */
  int keep = lua_gettop(L);
  for (int i = 0; i < MOST_STRINGS; i++) {
    lua_geti(L, index, i + 1);
    inserts[i] = lua_isnil(L, -1) ? L"" : luax_checkwide(L, -1, "strings", NULL);
    lua_rawseti(L, keep, i + 1);
    lua_settop(L, keep);
  }
  return inserts;
}

/* event.message(file, id, strings) -> the text that the file's message table has for an event; nil when it has none
 * https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-formatmessagew */
static int event_message(lua_State *L) {
  wchar_t *text;
  luax_arguments(L, 3, 3);
  DWORD id = (DWORD)luax_checkinteger(L, 2, "id", 0, MAXDWORD);
  const wchar_t *path = expand(L, luax_checkwide(L, 1, "file", NULL));
  const wchar_t **inserts = push_inserts(L, 3);
  luax_handle *library = luax_newhandle(L, free_library), *slot = luax_newhandle(L, free_local);
  library->value = (UINT_PTR)LoadLibraryExW(path, NULL, LOAD_LIBRARY_AS_DATAFILE);
  if (library->value == 0) return 0;
  enum { HOW = FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_HMODULE | FORMAT_MESSAGE_ARGUMENT_ARRAY };
  DWORD n = FormatMessageW(HOW, (HMODULE)library->value, id, 0, (wchar_t *)&text, 0, (va_list *)inserts);
  if (n == 0) return 0;
  slot->value = (UINT_PTR)text;
  while (n > 0 && (text[n - 1] == L'\r' || text[n - 1] == L'\n' || text[n - 1] == L' ')) n--;
  luax_pushwide(L, text, n);
  return 1;
}

/* ---- Writing ---- */

static void close_source(UINT_PTR source) { win32.DeregisterEventSource((HANDLE)source); }

/* event.write(source, type, id, strings): the raw write; `type` is Windows' number.
 * https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-reporteventw */
static int event_write(lua_State *L) {
  luax_arguments(L, 4, 4);
  winapi_load(L, "advapi32");
  const wchar_t *source = luax_checkwide(L, 1, "source", NULL);
  WORD type = (WORD)luax_checkinteger(L, 2, "type", 0, 16);
  DWORD id = (DWORD)luax_checkinteger(L, 3, "id", 0, MAXDWORD);
  const wchar_t **strings = push_inserts(L, 4);
  lua_Integer count = luaL_len(L, 4);
  luax_handle *slot = luax_newhandle(L, close_source);
  slot->value = (UINT_PTR)win32.RegisterEventSourceW(NULL, source);
  if (slot->value == 0) luax_fail(L, lua_tostring(L, 1), GetLastError());
  WORD n = (WORD)(count < MOST_STRINGS ? count : MOST_STRINGS);
  if (!win32.ReportEventW((HANDLE)slot->value, type, 0, id, NULL, n, 0, strings, NULL))
    luax_fail(L, lua_tostring(L, 1), GetLastError());
  return 0;
}

static const luaL_Reg reads[] = {{"open", event_open}, {"message", event_message}, {NULL, NULL}};
static const luaL_Reg writes[] = {{"write", event_write}, {"register", NULL}, {"unregister", NULL}, {NULL, NULL}};

const luax_subject event_subject = {"event", reads, writes, "event"};
