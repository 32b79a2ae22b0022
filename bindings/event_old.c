/* Reading event logs before Windows Vista.
 * https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-readeventlogw
 * https://learn.microsoft.com/windows/win32/api/winnt/ns-winnt-eventlogrecord */
#include <string.h>
#include <wchar.h>

#include "event.h"
#include "sid.h"
#include "winapi.h"

enum { LOG, FIRST_BUFFER = 64 * 1024, LARGEST_BUFFER = 16 << 20 };

static void close_log(UINT_PTR log) { win32.CloseEventLog((HANDLE)log); }

/* Seconds since 1970 as a FILETIME. */
static ULONGLONG filetime_of(DWORD seconds) { return ((ULONGLONG)seconds + 11644473600u) * 10000000u; }

/* Fills the buffer with the next records; returns 0 at the end of the log. */
static int fill(lua_State *L, event_cursor *cursor) {
  DWORD size = FIRST_BUFFER, got, needed;
  enum { BACKWARDS = EVENTLOG_SEQUENTIAL_READ | EVENTLOG_BACKWARDS_READ };
  for (;;) {
    BYTE *buffer = luax_buffer(L, size);
    if (win32.ReadEventLogW((HANDLE)cursor->handles[LOG].value, BACKWARDS, 0, buffer, size, &got, &needed)) break;
    DWORD code = GetLastError();
    if (code == ERROR_HANDLE_EOF) return 0;
    if (code != ERROR_INSUFFICIENT_BUFFER || needed <= size || needed > LARGEST_BUFFER)
      luax_fail(L, "event log", code);
    lua_pop(L, 1);
    size = needed;
  }
  lua_setiuservalue(L, 1, 1);
  cursor->at = 0;
  cursor->end = got <= size ? got : size;
  return 1;
}

/* The length of the text at `offset` of a record, which must end within it. */
static size_t text_units(lua_State *L, const EVENTLOGRECORD *record, size_t offset) {
  if (offset > record->Length) luax_fail(L, "event log", ERROR_EVENTLOG_FILE_CORRUPT);
  const wchar_t *text = (const wchar_t *)((const BYTE *)record + offset);
  size_t room = (record->Length - offset) / sizeof *text, n = wcsnlen(text, room);
  if (n == room) luax_fail(L, "event log", ERROR_EVENTLOG_FILE_CORRUPT);
  return n;
}

/* t[key] = the text at `offset`; returns the offset behind it. */
static size_t set_text(lua_State *L, const char *key, const EVENTLOGRECORD *record, size_t offset) {
  size_t n = text_units(L, record, offset);
  luax_pushwide(L, (const wchar_t *)((const BYTE *)record + offset), n);
  lua_setfield(L, -2, key);
  return offset + (n + 1) * sizeof(wchar_t);
}

static void set_strings(lua_State *L, const EVENTLOGRECORD *record) {
  size_t offset = record->StringOffset;
  lua_newtable(L);
  for (WORD i = 0; i < record->NumStrings; i++) {
    size_t n = text_units(L, record, offset);
    luax_pushwide(L, (const wchar_t *)((const BYTE *)record + offset), n);
    lua_rawseti(L, -2, i + 1);
    offset += (n + 1) * sizeof(wchar_t);
  }
  lua_setfield(L, -2, "strings");
}

static void set_sid(lua_State *L, const EVENTLOGRECORD *record) {
  BYTE sid[SECURITY_MAX_SID_SIZE];
  DWORD size = record->UserSidLength;
  if (size == 0 || size > sizeof sid || size > record->Length || record->UserSidOffset > record->Length - size)
    return;
  memcpy(sid, (const BYTE *)record + record->UserSidOffset, size);
  sid_push(L, sid);
  lua_setfield(L, -2, "sid");
}

static int push_record(lua_State *L, const EVENTLOGRECORD *record) {
  lua_createtable(L, 0, 10);
  luax_setinteger(L, "record", record->RecordNumber);
  luax_pushtime(L, filetime_of(record->TimeGenerated));
  lua_setfield(L, -2, "time");
  luax_setinteger(L, "id", record->EventID & 0xFFFF);
  luax_setinteger(L, "message_id", record->EventID);
  luax_setinteger(L, "type", record->EventType);
  luax_setinteger(L, "category", record->EventCategory);
  set_text(L, "computer", record, set_text(L, "source", record, sizeof *record));
  set_strings(L, record);
  set_sid(L, record);
  return 1;
}

static int next(lua_State *L, event_cursor *cursor) {
  if (cursor->at >= cursor->end && !fill(L, cursor)) return 0;
  lua_getiuservalue(L, 1, 1);
  const EVENTLOGRECORD *record = (const EVENTLOGRECORD *)((const BYTE *)lua_touserdata(L, -1) + cursor->at);
  DWORD left = cursor->end - cursor->at;
  if (left < sizeof *record || record->Length < sizeof *record || record->Length > left || record->Length % 4)
    luax_fail(L, "event log", ERROR_EVENTLOG_FILE_CORRUPT);
  cursor->at += record->Length;
  return push_record(L, record);
}

void event_open_old(lua_State *L, const wchar_t *log) {
  event_cursor *cursor = event_new_cursor(L, next);
  cursor->handles[LOG].close = close_log;
  cursor->handles[LOG].value = (UINT_PTR)win32.OpenEventLogW(NULL, log);
  if (cursor->handles[LOG].value == 0) luax_fail(L, lua_tostring(L, 1), GetLastError());
}
