#include <string.h>

#include "near.h"
#include "reg_parts.h"
#include "wtf8.h"

static const char *const type_words[] = {
    "none",
    "sz",
    "expand_sz",
    "binary",
    "dword",
    "dword_big_endian",
    "link",
    "multi_sz",
    "resource_list",
    "full_resource_descriptor",
    "resource_requirements_list",
    "qword",
    NULL,
};
enum { KNOWN_TYPES = sizeof type_words / sizeof *type_words - 1 };

void reg_push_type(lua_State *L, DWORD type) {
  if (type < KNOWN_TYPES) lua_pushstring(L, type_words[type]);
  else lua_pushfstring(L, "type_%I", (LUAI_UACINT)type);
}

int reg_has_nul(const wchar_t *text, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (text[i] == 0) return 1;
  return 0;
}

/* Pushes text of whole units, without its one terminator when it is to have one; returns whether it was well
 * formed. */
static int push_text(lua_State *L, const wchar_t *text, DWORD size, int has_terminator) {
  size_t n = size / sizeof *text;
  int terminated = has_terminator && n > 0 && text[n - 1] == 0;
  if (terminated) n--;
  luax_pushwide(L, text, n);
  return size % sizeof *text == 0 && terminated == has_terminator && !reg_has_nul(text, n);
}

/* Pushes the strings of a REG_MULTI_SZ; empty ones at the end are its terminators. Returns whether it was as `set`
 * would write it. */
static int push_multi(lua_State *L, const wchar_t *text, DWORD size) {
  size_t n = size / sizeof *text, end = n;
  while (end > 0 && text[end - 1] == 0) end--;
  lua_newtable(L);
  int formed = size % sizeof *text == 0 && n - end == (end > 0 ? 2U : 1U);
  lua_Integer count = 0;
  for (size_t start = 0; start < end;) {
    size_t stop = start;
    while (stop < end && text[stop] != 0) stop++;
    if (stop == start) formed = 0;
    luax_pushwide(L, text + start, stop - start);
    lua_rawseti(L, -2, ++count);
    start = stop + 1;
  }
  return formed;
}

static int push_bytes(lua_State *L, const BYTE *data, DWORD size) {
  lua_pushlstring(L, (const char *)data, size);
  return 1;
}

/* Pushes a whole number of `wanted` bytes; the bytes as they are when there are more or fewer. */
static int push_number(lua_State *L, const BYTE *data, DWORD size, DWORD wanted, int big_endian) {
  if (size != wanted) {
    push_bytes(L, data, size);
    return 0;
  }
  ULONGLONG number = 0;
  for (DWORD i = 0; i < size; i++) number = number << 8 | data[big_endian ? i : size - 1 - i];
  lua_pushinteger(L, (lua_Integer)number);
  return 1;
}

int reg_push_value(lua_State *L, DWORD type, const BYTE *data, DWORD size) {
  const wchar_t *text = (const wchar_t *)(const void *)data;
  switch (type) {
    case REG_SZ:
    case REG_EXPAND_SZ:
      return push_text(L, text, size, 1);
    case REG_LINK:
      return push_text(L, text, size, 0);
    case REG_MULTI_SZ:
      return push_multi(L, text, size);
    case REG_DWORD:
    case REG_DWORD_BIG_ENDIAN:
      return push_number(L, data, size, sizeof(DWORD), type == REG_DWORD_BIG_ENDIAN);
    case REG_QWORD:
      return push_number(L, data, size, sizeof(ULONGLONG), 0);
    default:
      return push_bytes(L, data, size);
  }
}

DWORD reg_check_type(lua_State *L, int index) {
  const char *word = luax_checktext(L, index, "type");
  for (DWORD i = 0; i < KNOWN_TYPES; i++)
    if (strcmp(word, type_words[i]) == 0) return i;
  ULONGLONG number = 0;
  const char *digit = strncmp(word, "type_", 5) == 0 && word[5] != '0' ? word + 5 : "";
  for (; *digit >= '0' && *digit <= '9' && number <= MAXDWORD; digit++)
    number = number * 10 + (ULONGLONG)(*digit - '0');
  if (*digit == 0 && number >= KNOWN_TYPES && number <= MAXDWORD) return (DWORD)number;
  const char *meant = nearest_word(word, type_words);
  const char *hint = meant ? lua_pushfstring(L, "did you mean '%s'?", meant) : NULL;
  luax_badvaluehint(L, index, "type", "a type such as sz, expand_sz, multi_sz, dword, qword, binary", hint);
}

/* The bytes of a value in a userdata (+1). Two bytes that are not zero follow them: Windows takes zero bytes right
 * behind an unterminated text for its terminator. */
static BYTE *new_bytes(lua_State *L, size_t size, const void *from) {
  BYTE *bytes = lua_newuserdatauv(L, size + 2, 0);
  if (from) memcpy(bytes, from, size);
  memset(bytes + size, 0xFF, 2);
  return bytes;
}

static const BYTE *number_bytes(lua_State *L, ULONGLONG number, DWORD size, int big_endian) {
  BYTE *bytes = new_bytes(L, size, NULL);
  for (DWORD i = 0; i < size; i++, number >>= 8) bytes[big_endian ? size - 1 - i : i] = (BYTE)number;
  return bytes;
}

/* The array of text at `index`, joined and ended as REG_MULTI_SZ asks, as UTF-16 (+1). */
static const wchar_t *multi_text(lua_State *L, int index, size_t *length) {
  if (!lua_istable(L, index)) luax_badvalue(L, index, "value", "an array of text");
  lua_Integer n = (lua_Integer)lua_rawlen(L, index), fields = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) fields++;
  if (fields != n) luax_badvalue(L, index, "value", "an array of text without gaps");
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, index, i);
    const char *name = lua_pushfstring(L, "value[%I]", (LUAI_UACINT)i);
    const char *text = luax_checktext(L, -2, name);
    if (*text == 0) luax_badvalue(L, -2, name, "text that is not empty (a multi_sz ends at the first empty one)");
    if (wtf8_wide_length(text, strlen(text)) == WTF8_INVALID) luax_badvalue(L, -2, name, "valid UTF-8");
    lua_pop(L, 1);
    luaL_addvalue(&b);
    luaL_addchar(&b, 0);
  }
  luaL_addchar(&b, 0);
  luaL_pushresult(&b);
  return luax_checkwidebytes(L, lua_gettop(L), "value", length);
}

const BYTE *reg_encode(lua_State *L, int index, DWORD type, size_t *size) {
  size_t units;
  const void *text;
  switch (type) {
    case REG_SZ:
    case REG_EXPAND_SZ:
    case REG_LINK:
      text = luax_checkwide(L, index, "value", &units);
      *size = (units + (type != REG_LINK)) * sizeof(wchar_t);
      return new_bytes(L, *size, text);
    case REG_MULTI_SZ:
      text = multi_text(L, index, &units);
      *size = units * sizeof(wchar_t);
      return new_bytes(L, *size, text);
    case REG_DWORD:
    case REG_DWORD_BIG_ENDIAN:
      *size = sizeof(DWORD);
      return number_bytes(L, (ULONGLONG)luax_checkinteger(L, index, "value", 0, MAXDWORD), sizeof(DWORD),
                          type == REG_DWORD_BIG_ENDIAN);
    case REG_QWORD:
      *size = sizeof(ULONGLONG);
      return number_bytes(L, (ULONGLONG)luax_checkinteger(L, index, "value", LUA_MININTEGER, LUA_MAXINTEGER),
                          sizeof(ULONGLONG), 0);
    default:
      if (lua_type(L, index) != LUA_TSTRING) luax_badvalue(L, index, "value", "bytes (a string)");
      text = lua_tolstring(L, index, size);
      return new_bytes(L, *size, text);
  }
}

void reg_store(lua_State *L, HKEY key, const wchar_t *name, DWORD type, int index, int raw, const char *target) {
  size_t size;
  const BYTE *bytes = reg_encode(L, lua_isnil(L, raw) ? index : raw, lua_isnil(L, raw) ? type : REG_BINARY, &size);
  if (size > 0x7FFFFFFF) luax_fail(L, target, ERROR_FILE_TOO_LARGE);
  reg_check_status(L, target, win32.RegSetValueExW(key, name, 0, type, bytes, (DWORD)size));
}
