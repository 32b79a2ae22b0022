#include "luax.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "near.h"
#include "wtf8.h"

HANDLE luax_interrupt;
int luax_interrupt_told;
void (*luax_waiting)(lua_State *L);
volatile long luax_waits;

/* ---- Arguments ---- */

void luax_arguments(lua_State *L, int least, int most) {
  int given = lua_gettop(L);
  if (given < least || given > most) {
    char expected[48], range[16] = "";
    if (least != most) snprintf(range, sizeof range, "%d to ", least);
    snprintf(expected, sizeof expected, "%s%d argument%s", range, most, least == 1 && most == 1 ? "" : "s");
    lua_pushinteger(L, given);
    luax_badvalue(L, -1, "arguments", expected);
  }
  lua_settop(L, most);
}

/* A string and its length; raises for any other type. */
static const char *check_string(lua_State *L, int index, const char *name, size_t *length) {
  if (lua_type(L, index) != LUA_TSTRING) luax_badvalue(L, index, name, "text");
  return lua_tolstring(L, index, length);
}

const char *luax_checktext(lua_State *L, int index, const char *name) {
  size_t length;
  const char *text = check_string(L, index, name, &length);
  if (strlen(text) != length) luax_badvalue(L, index, name, "text without NUL");
  return text;
}

const wchar_t *luax_checkwidebytes(lua_State *L, int index, const char *name, size_t *length) {
  size_t bytes;
  const char *text = check_string(L, index, name, &bytes);
  size_t units = wtf8_wide_length(text, bytes);
  if (units == WTF8_INVALID) luax_badvalue(L, index, name, "valid UTF-8");
  wchar_t *wide = lua_newuserdatauv(L, (units + 1) * sizeof *wide, 0);
  wtf8_to_wide(text, bytes, wide);
  wide[units] = 0;
  if (length) *length = units;
  return wide;
}

const wchar_t *luax_checkwide(lua_State *L, int index, const char *name, size_t *length) {
  luax_checktext(L, index, name);
  return luax_checkwidebytes(L, index, name, length);
}

const char *luax_pushfullpath(lua_State *L, int index, const char *name) {
  int top = lua_gettop(L);
  const wchar_t *wide = luax_checkwide(L, index, name, NULL);
  DWORD size = GetFullPathNameW(wide, 0, NULL, NULL);
  wchar_t *full = luax_buffer(L, ((size_t)size + 1) * sizeof *full);
  if (size == 0 || GetFullPathNameW(wide, size, full, NULL) >= size) luax_failwide(L, wide, ERROR_INVALID_NAME);
  luax_pushwidez(L, full);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return lua_tostring(L, -1);
}

const char *luax_pushfolded(lua_State *L, int index) {
  int top = lua_gettop(L);
  size_t n;
  const char *text = lua_tolstring(L, index, &n);
  lua_pushvalue(L, index);
  if (n == 0 || wtf8_wide_length(text, n) == WTF8_INVALID) return text;
  const wchar_t *wide = luax_checkwidebytes(L, top + 1, "text", &n);
  wchar_t *folded = luax_buffer(L, n * sizeof *folded);
  if (LCMapStringW(LOCALE_INVARIANT, LCMAP_LOWERCASE, wide, (int)n, folded, (int)n)) {
    luax_pushwide(L, folded, n);
    lua_replace(L, top + 1);
  }
  lua_settop(L, top + 1);
  return lua_tostring(L, -1);
}

const wchar_t *luax_optwide(lua_State *L, int index, const char *name) {
  if (!lua_isnoneornil(L, index)) return luax_checkwide(L, index, name, NULL);
  lua_pushnil(L);
  return NULL;
}

static void wipe(UINT_PTR value) {
  wchar_t *text = (wchar_t *)value;
  SecureZeroMemory(text, wcslen(text) * sizeof *text);
}

const wchar_t *luax_optsecret(lua_State *L, int index, const char *name) {
  size_t bytes = 0;
  if (lua_isnoneornil(L, index)) {
    lua_pushnil(L);
    lua_pushnil(L);
    return NULL;
  }
  const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &bytes) : NULL;
  size_t units = text && strlen(text) == bytes ? wtf8_wide_length(text, bytes) : WTF8_INVALID;
  if (units == WTF8_INVALID) {
    lua_pushliteral(L, "something else (not shown)");
    luax_badvalue(L, -1, name, "text without NUL in valid UTF-8");
  }
  wchar_t *wide = luax_buffer(L, (units + 1) * sizeof *wide);
  luax_handle *slot = luax_newhandle(L, wipe);
  wtf8_to_wide(text, bytes, wide);
  slot->value = (UINT_PTR)wide;
  return wide;
}

lua_Integer luax_checkinteger(lua_State *L, int index, const char *name, lua_Integer least, lua_Integer most) {
  int whole = 0;
  lua_Integer value = lua_type(L, index) == LUA_TNUMBER ? lua_tointegerx(L, index, &whole) : 0;
  if (!whole || value < least || value > most) {
    char expected[80];
    snprintf(expected, sizeof expected, "an integer from %lld to %lld", (long long)least, (long long)most);
    luax_badvalue(L, index, name, expected);
  }
  return value;
}

unsigned short luax_checkport(lua_State *L, int index, const char *name) {
  return (unsigned short)luax_checkinteger(L, index, name, 1, 65535);
}

DWORD luax_optseconds(lua_State *L, int index, const char *name, DWORD missing) {
  static const double longest = 86400.0 * 30;
  if (lua_isnoneornil(L, index)) return missing;
  double seconds = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : -1;
  if (!(seconds >= 0 && seconds <= longest)) luax_badvalue(L, index, name, "seconds from 0 to 2592000 (30 days)");
  return (DWORD)ceil(seconds * 1000);
}

int luax_optboolean(lua_State *L, int index, const char *name, int missing) {
  if (lua_isnoneornil(L, index)) return missing;
  if (!lua_isboolean(L, index)) luax_badvalue(L, index, name, "true or false");
  return lua_toboolean(L, index);
}

/* Pushes `text` and the words behind it. */
static const char *push_words(lua_State *L, const char *text, const char *const words[]) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, text);
  for (int i = 0; words[i]; i++) {
    if (i > 0) luaL_addstring(&b, ", ");
    luaL_addstring(&b, words[i]);
  }
  luaL_pushresult(&b);
  return lua_tostring(L, -1);
}

int luax_checkword(lua_State *L, int index, const char *name, const char *const words[], int missing) {
  if (lua_isnoneornil(L, index) && missing >= 0) return missing;
  if (lua_type(L, index) == LUA_TSTRING)
    for (int i = 0; words[i]; i++)
      if (strlen(words[i]) == lua_rawlen(L, index) && strcmp(lua_tostring(L, index), words[i]) == 0) return i;
  luax_badvalue(L, index, name, push_words(L, "one of ", words));
}

/* Raises for the option `key`, suggesting the one that was probably meant. */
P80_NORETURN static void unknown_option(lua_State *L, const char *key, const char *const known[]) {
  const char *meant = nearest_word(key, known);
  const char *op = lua_tostring(L, lua_upvalueindex(1));
  const char *hint =
      meant ? lua_pushfstring(L, "did you mean '%s'?", meant) : push_words(L, "the options are ", known);
  luax_pusherror(L, op, key, ERROR_INVALID_PARAMETER, "There is no such option.", hint);
  lua_error(L);
  abort();
}

int luax_options(lua_State *L, int index, const char *const known[]) {
  if (lua_isnoneornil(L, index)) return 0;
  index = lua_absindex(L, index);
  if (!lua_istable(L, index)) luax_badvalue(L, index, "options", "a table of options");
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -2) != LUA_TSTRING) luax_badvalue(L, -2, "options", "named options only");
    const char *key = lua_tostring(L, -2);
    int i = 0;
    while (known[i] && strcmp(known[i], key) != 0) i++;
    if (!known[i] || strlen(known[i]) != lua_rawlen(L, -2)) unknown_option(L, key, known);
    lua_pop(L, 1);
  }
  return 1;
}

int luax_field(lua_State *L, int index, const char *key) {
  if (lua_istable(L, index)) {
    index = lua_absindex(L, index);
    lua_pushstring(L, key);
    lua_rawget(L, index);
  } else {
    lua_pushnil(L);
  }
  return lua_gettop(L);
}

/* ---- Results ---- */

void luax_pushwide(lua_State *L, const wchar_t *text, size_t n) {
  char small[768];
  if (n <= sizeof small / 3) {
    lua_pushlstring(L, small, wtf8_from_wide(text, n, small));
    return;
  }
  luaL_Buffer b;
  size_t bytes = wtf8_length(text, n);
  char *out = luaL_buffinitsize(L, &b, bytes);
  luaL_pushresultsize(&b, wtf8_from_wide(text, n, out));
}

void luax_pushwidez(lua_State *L, const wchar_t *text) {
  if (text) luax_pushwide(L, text, wcslen(text));
  else lua_pushnil(L);
}

void luax_pushtime(lua_State *L, ULONGLONG filetime) {
  FILETIME parts = {(DWORD)filetime, (DWORD)(filetime >> 32)};
  SYSTEMTIME t;
  char text[40];
  if (!FileTimeToSystemTime(&parts, &t)) {
    lua_pushnil(L);
    return;
  }
  snprintf(text, sizeof text, "%04u-%02u-%02uT%02u:%02u:%02uZ", t.wYear, t.wMonth, t.wDay, t.wHour, t.wMinute,
           t.wSecond);
  lua_pushstring(L, text);
}

void luax_setinteger(lua_State *L, const char *key, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, key);
}

void luax_setboolean(lua_State *L, const char *key, int value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, key);
}

void luax_settext(lua_State *L, const char *key, const char *value) {
  if (value == NULL) return;
  lua_pushstring(L, value);
  lua_setfield(L, -2, key);
}

void luax_setwide(lua_State *L, const char *key, const wchar_t *value) {
  if (value == NULL) return;
  luax_pushwidez(L, value);
  lua_setfield(L, -2, key);
}

/* ---- Memory and handles ---- */

void *luax_buffer(lua_State *L, size_t size) {
  void *buffer = lua_newuserdatauv(L, size, 0);
  memset(buffer, 0, size);
  return buffer;
}

void luax_closehandle(luax_handle *handle) {
  UINT_PTR value = handle->value;
  handle->value = 0;
  if (value) handle->close(value);
}

void luax_closekernel(UINT_PTR value) { CloseHandle((HANDLE)value); }
void luax_freelocal(UINT_PTR value) { LocalFree((HLOCAL)value); }

static int handle_close(lua_State *L) {
  luax_closehandle(lua_touserdata(L, 1));
  return 0;
}

static int no_operation(lua_State *L) {
  (void)L;
  return 0;
}

/* Closing calls handle_close, which must not fail for want of memory: a call now makes the room that one then needs.
 */
luax_handle *luax_newhandle(lua_State *L, luax_closer close) {
  luaL_checkstack(L, 2 * LUA_MINSTACK, NULL);
  lua_pushcfunction(L, no_operation);
  lua_call(L, 0, 0);
  luax_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
  handle->value = 0;
  handle->close = close;
  if (luaL_newmetatable(L, "p80.handle")) {
    lua_pushcfunction(L, handle_close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, handle_close);
    lua_setfield(L, -2, "__close");
  }
  lua_setmetatable(L, -2);
  lua_toclose(L, -1);
  return handle;
}

static void free_pages(UINT_PTR base) { VirtualFree((void *)base, 0, MEM_RELEASE); }

luax_handle *luax_newpages(lua_State *L) { return luax_newhandle(L, free_pages); }

void *luax_setpages(lua_State *L, luax_handle *slot, size_t size, const char *what) {
  luax_closehandle(slot);
  slot->value = (UINT_PTR)VirtualAlloc(NULL, size, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
  if (slot->value == 0) luax_fail(L, what, ERROR_NOT_ENOUGH_MEMORY);
  return (void *)slot->value;
}

/* ---- Waiting ---- */

/* Waits at most `ms` for Ctrl-C, and for `handle`, which may be NULL; returns which came (0 or 1). */
static DWORD wait_slice(HANDLE handle, DWORD ms) {
  HANDLE handles[2] = {luax_interrupt, handle};
  DWORD first = luax_interrupt ? 0 : 1, count = (handle ? 2 : 1) - first;
  if (count == 0) Sleep(ms);
  DWORD which = count ? WaitForMultipleObjects(count, handles + first, FALSE, ms) : WAIT_TIMEOUT;
  return which < count ? which + first : which;
}

int luax_wait(lua_State *L, HANDLE handle, DWORD ms) {
  enum { SLICE = 200 };
  ULONGLONG end = luax_clock() + ms;
  for (;;) {
    if (luax_waiting) luax_waiting(L);
    luax_waits++;
    ULONGLONG now = luax_clock();
    DWORD left = ms == INFINITE ? INFINITE : now < end ? (DWORD)(end - now) : 0;
    DWORD slice = luax_waiting && left > SLICE ? SLICE : left;
    DWORD which = wait_slice(handle, slice);
    if (which == WAIT_OBJECT_0) luax_fail(L, NULL, ERROR_OPERATION_ABORTED);
    if (which == WAIT_OBJECT_0 + 1) return 1;
    if (which == WAIT_FAILED) luax_fail(L, NULL, GetLastError());
    if (slice == left) return 0;
  }
}

void luax_sleep(lua_State *L, DWORD ms) { luax_wait(L, NULL, ms); }

ULONGLONG luax_clock(void) {
  static ULONGLONG last;
  LARGE_INTEGER now, frequency;
  QueryPerformanceFrequency(&frequency);
  QueryPerformanceCounter(&now);
  ULONGLONG ms = (ULONGLONG)(now.QuadPart / frequency.QuadPart) * 1000 +
                 (ULONGLONG)(now.QuadPart % frequency.QuadPart) * 1000 / (ULONGLONG)frequency.QuadPart;
  if (ms > last) last = ms;
  return last;
}

/* ---- Registration ---- */

void luax_setfunctions(lua_State *L, const char *subject, const luaL_Reg *functions) {
  for (; functions && functions->name; functions++) {
    if (functions->func == NULL) continue;
    lua_pushfstring(L, "%s.%s", subject, functions->name);
    lua_pushcclosure(L, functions->func, 1);
    lua_setfield(L, -2, functions->name);
  }
}
