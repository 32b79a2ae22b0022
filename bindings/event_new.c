/* Reading event logs since Windows Vista.
 * https://learn.microsoft.com/windows/win32/wes/windows-event-log-functions */
#include "event.h"
#include "evt.h"
#include "sid.h"
#include "winapi.h"

enum { RESULTS, SYSTEM, USER, EVENT, PUBLISHER }; /* the cursor's handles; its user value is PUBLISHER's name */

static void close_evt(UINT_PTR handle) { win32.EvtClose((EVT_HANDLE)handle); }

static void open_handle(lua_State *L, event_cursor *cursor, int which, EVT_HANDLE handle) {
  DWORD code = GetLastError();
  if (handle == NULL) luax_fail(L, lua_tostring(L, 1), code ? code : ERROR_CALL_NOT_IMPLEMENTED); /* Wine has none */
  cursor->handles[which].value = (UINT_PTR)handle;
}

static EVT_HANDLE handle_of(const event_cursor *cursor, int which) {
  return (EVT_HANDLE)cursor->handles[which].value;
}

/* Renders the event with a context (+1); `count` gets the number of values. */
static const evt_variant *render(lua_State *L, const event_cursor *cursor, int context, DWORD *count) {
  DWORD size = 2048, used = 0;
  for (;;) {
    evt_variant *values = luax_buffer(L, size);
    if (win32.EvtRender(handle_of(cursor, context), handle_of(cursor, EVENT), EVT_RENDER_VALUES, size, values, &used,
                        count))
      return values;
    DWORD code = GetLastError();
    if (code != ERROR_INSUFFICIENT_BUFFER || used <= size) luax_fail(L, "event", code);
    lua_pop(L, 1);
    size = used;
  }
}

/* Pushes a value as text or number; nil for what has no short form (arrays, bytes, XML). */
static void push_value(lua_State *L, const evt_variant *v) {
  switch (v->type) {
    case EVT_TEXT:
      luax_pushwidez(L, v->value.text);
      break;
    case EVT_INT8:
      lua_pushinteger(L, v->value.int8);
      break;
    case EVT_UINT8:
      lua_pushinteger(L, v->value.uint8);
      break;
    case EVT_INT16:
      lua_pushinteger(L, v->value.int16);
      break;
    case EVT_UINT16:
      lua_pushinteger(L, v->value.uint16);
      break;
    case EVT_INT32:
      lua_pushinteger(L, v->value.int32);
      break;
    case EVT_UINT32:
    case EVT_HEX32:
      lua_pushinteger(L, v->value.uint32);
      break;
    case EVT_INT64:
    case EVT_UINT64:
    case EVT_HEX64:
      lua_pushinteger(L, v->value.int64);
      break;
    case EVT_REAL:
      lua_pushnumber(L, v->value.real);
      break;
    case EVT_BOOLEAN:
      lua_pushboolean(L, v->value.boolean);
      break;
    case EVT_FILETIME:
      luax_pushtime(L, v->value.filetime);
      break;
    case EVT_SID:
      sid_push(L, v->value.sid);
      break;
    default:
      lua_pushnil(L);
  }
}

/* What the event says, as it would stand in its message. */
static void set_strings(lua_State *L, const event_cursor *cursor) {
  DWORD count = 0;
  const evt_variant *values = render(L, cursor, USER, &count);
  lua_newtable(L);
  for (DWORD i = 0; i < count; i++) {
    push_value(L, &values[i]);
    if (luaL_tolstring(L, -1, NULL) && lua_isnil(L, -2)) {
      lua_pop(L, 1);
      lua_pushliteral(L, "");
    }
    lua_rawseti(L, -3, (lua_Integer)i + 1);
    lua_pop(L, 1);
  }
  lua_remove(L, -2);
  lua_setfield(L, -2, "strings");
}

/* Opens the publisher of the event whose table is on top, unless it is the one before; whether there is one. */
static int open_publisher(lua_State *L, event_cursor *cursor) {
  lua_getfield(L, -1, "source");
  lua_getiuservalue(L, 1, 1);
  int is_open = lua_rawequal(L, -1, -2);
  lua_pop(L, 1);
  if (!is_open) {
    luax_closehandle(&cursor->handles[PUBLISHER]);
    if (!lua_isstring(L, -1)) return lua_pop(L, 1), 0;
    const wchar_t *name = luax_checkwide(L, -1, "source", NULL);
    cursor->handles[PUBLISHER].value = (UINT_PTR)win32.EvtOpenPublisherMetadata(NULL, name, NULL, 0, 0);
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, 1);
  }
  lua_pop(L, 1);
  return cursor->handles[PUBLISHER].value != 0;
}

/* Sets the message when the publisher has one.
 * https://learn.microsoft.com/windows/win32/api/winevt/nf-winevt-evtformatmessage */
static void set_message(lua_State *L, event_cursor *cursor) {
  DWORD units = 1024, used = 0;
  if (!open_publisher(L, cursor)) return;
  for (;;) {
    wchar_t *text = luax_buffer(L, units * sizeof *text);
    if (win32.EvtFormatMessage(handle_of(cursor, PUBLISHER), handle_of(cursor, EVENT), 0, 0, NULL,
                               EVT_MESSAGE_OF_EVENT, units, text, &used)) {
      luax_pushwidez(L, text);
      lua_setfield(L, -3, "message");
      break;
    }
    if (GetLastError() != ERROR_INSUFFICIENT_BUFFER || used <= units) break;
    lua_pop(L, 1);
    units = used;
  }
  lua_pop(L, 1);
}

static int next(lua_State *L, event_cursor *cursor) {
  static const struct {
    int value;
    const char *key;
  } fields[] = {{EVT_PROVIDER, "source"},   {EVT_ID, "id"},         {EVT_LEVEL, "level"},
                {EVT_KEYWORDS, "keywords"}, {EVT_TASK, "category"}, {EVT_TIME, "time"},
                {EVT_RECORD, "record"},     {EVT_CHANNEL, "log"},   {EVT_USER, "sid"},
                {EVT_COMPUTER, "computer"}};
  EVT_HANDLE event;
  DWORD got, count;
  luax_closehandle(&cursor->handles[EVENT]);
  if (!win32.EvtNext(handle_of(cursor, RESULTS), 1, &event, INFINITE, 0, &got)) {
    DWORD code = GetLastError();
    if (code == ERROR_NO_MORE_ITEMS) return 0;
    luax_fail(L, "event log", code);
  }
  cursor->handles[EVENT].value = (UINT_PTR)event;
  const evt_variant *values = render(L, cursor, SYSTEM, &count);
  if (count < EVT_SYSTEM_VALUES) luax_fail(L, "event", ERROR_INVALID_DATA);
  lua_createtable(L, 0, 12);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    push_value(L, &values[fields[i].value]);
    lua_setfield(L, -2, fields[i].key);
  }
  set_strings(L, cursor);
  set_message(L, cursor);
  return 1;
}

void event_open_new(lua_State *L, const wchar_t *log, const wchar_t *query) {
  event_cursor *cursor = event_new_cursor(L, next);
  for (int i = 0; i < EVENT_HANDLES; i++) cursor->handles[i].close = close_evt;
  SetLastError(NO_ERROR);
  open_handle(L, cursor, RESULTS, win32.EvtQuery(NULL, log, query, EVT_QUERY_CHANNEL | EVT_QUERY_REVERSE));
  open_handle(L, cursor, SYSTEM, win32.EvtCreateRenderContext(0, NULL, EVT_CONTEXT_SYSTEM));
  open_handle(L, cursor, USER, win32.EvtCreateRenderContext(0, NULL, EVT_CONTEXT_USER));
}
