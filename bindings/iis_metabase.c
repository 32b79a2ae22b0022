/* win.iis on IIS 6, through its metabase.
 * https://learn.microsoft.com/previous-versions/iis/6.0-sdk/ms525385(v=vs.90) */
#include "iis_metabase.h"

#include <stdio.h>
#include <stdlib.h>

#include "iis_parts.h"

const CLSID metabase_class = {0xa9e69610, 0xb80d, 0x11d0, {0xb9, 0xb9, 0x00, 0xa0, 0xc9, 0x22, 0xe7, 0x50}};
static const IID metabase_interface = {0x70b51430, 0xb6ca, 0x11d0, {0xb9, 0xb9, 0x00, 0xa0, 0xc9, 0x22, 0xe7, 0x50}};

enum { /* iiscnfg.h, mddefw.h */
       SERVER_COMMAND = 1012,
       SERVER_COMMENT = 1015,
       SERVER_STATE = 1016,
       SERVER_AUTOSTART = 1017,
       SERVER_BINDINGS = 1023,
       WIN32_ERROR = 1099,
       SECURE_BINDINGS = 2021,
       USER_TYPE_SERVER = 1,
       NUMBER = 1,
       TEXT_DATA = 2,
       TEXTS = 5,
       INHERIT = 1,
       VOLATILE_DATA = 0x10,
       LONGEST_NAME = 256,
       LONGEST_PATH = 64,
       OPEN_TIMEOUT = 20000, /* ms to wait for others that have a site open */
};

#define NO_MORE_KEYS HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS)
#define TOO_SMALL HRESULT_FROM_WIN32(ERROR_INSUFFICIENT_BUFFER)
#define IN_USE HRESULT_FROM_WIN32(ERROR_PATH_BUSY)
#define NOT_THERE ((HRESULT)0x800CC801L) /* MD_ERROR_DATA_NOT_FOUND */

static metabase *open_metabase(lua_State *L) {
  return com_create(L, "IIS", &metabase_class, CLSCTX_ALL, &metabase_interface);
}

static void format_path(wchar_t path[LONGEST_PATH], DWORD site) {
  _snwprintf(path, LONGEST_PATH, L"/LM/W3SVC/%lu", (unsigned long)site);
}

/* Fetches one datum (+1, its buffer, which ends in two NULs more); `data` is NULL where there is none. */
static metabase_record read_data(lua_State *L, metabase *base, DWORD key, const wchar_t *path, DWORD id, DWORD type) {
  enum { ENDING = 2 * sizeof(wchar_t) };
  for (DWORD size = 512, needed = 0;; size = needed) {
    BYTE *buffer = luax_buffer(L, (size_t)size + ENDING);
    metabase_record record = {id, key ? 0 : INHERIT, USER_TYPE_SERVER, type, size, buffer, 0};
    HRESULT result = base->v->get_data(base, key, path, &record, &needed);
    if (result == NOT_THERE) return (metabase_record){0};
    if (SUCCEEDED(result) && record.size <= size) {
      record.data = buffer;
      return record;
    }
    if (result != TOO_SMALL || needed <= size) com_fail(L, "IIS", FAILED(result) ? result : E_UNEXPECTED);
    lua_pop(L, 1);
  }
}

/* ---- Reading ---- */

/* record[key] = a number, for the record on top; `boolean` makes it one. */
static void set_number(lua_State *L, metabase *base, const wchar_t *path, DWORD id, const char *key, int boolean) {
  metabase_record found = read_data(L, base, 0, path, id, NUMBER);
  DWORD value = 0;
  if (found.size == sizeof value) memcpy(&value, found.data, sizeof value);
  lua_pop(L, 1);
  if (found.size != sizeof value) return;
  if (boolean) luax_setboolean(L, key, value != 0);
  else luax_setinteger(L, key, value);
}

static void set_text(lua_State *L, metabase *base, const wchar_t *path, DWORD id, const char *key) {
  metabase_record found = read_data(L, base, 0, path, id, TEXT_DATA);
  if (found.data) luax_pushwidez(L, (const wchar_t *)found.data);
  else lua_pushnil(L);
  lua_setfield(L, -3, key);
  lua_pop(L, 1);
}

/* Appends the bindings of one protocol to the list at `list`. */
static void add_bindings(lua_State *L, metabase *base, const wchar_t *path, int list, DWORD id,
                         const char *protocol) {
  metabase_record found = read_data(L, base, 0, path, id, TEXTS);
  const wchar_t *end = (const wchar_t *)(const void *)(found.data + found.size);
  for (const wchar_t *text = (const void *)found.data; text && text < end && *text; text += wcslen(text) + 1) {
    lua_createtable(L, 0, 2);
    luax_settext(L, "protocol", protocol);
    luax_setwide(L, "binding", text);
    lua_seti(L, list, luaL_len(L, list) + 1);
  }
  lua_pop(L, 1);
}

static void push_site(lua_State *L, metabase *base, DWORD id) {
  wchar_t path[LONGEST_PATH];
  format_path(path, id);
  lua_newtable(L);
  luax_setinteger(L, "id", id);
  set_text(L, base, path, SERVER_COMMENT, "name");
  set_number(L, base, path, SERVER_STATE, "state", 0);
  set_number(L, base, path, SERVER_AUTOSTART, "auto_start", 1);
  set_number(L, base, path, WIN32_ERROR, "error", 0);
  lua_newtable(L);
  add_bindings(L, base, path, lua_gettop(L), SERVER_BINDINGS, "http");
  add_bindings(L, base, path, lua_gettop(L), SECURE_BINDINGS, "https");
  lua_setfield(L, -2, "bindings");
}

/* Sites are the keys whose names are numbers. */
void metabase_push_sites(lua_State *L) {
  lua_newtable(L);
  int list = lua_gettop(L);
  metabase *base = open_metabase(L);
  lua_Integer n = 0;
  for (DWORD i = 0;; i++) {
    wchar_t name[LONGEST_NAME + 1] = L"", *end;
    HRESULT result = base->v->enum_keys(base, 0, L"/LM/W3SVC", name, i);
    if (result == NO_MORE_KEYS) break;
    com_check(L, "IIS", result);
    unsigned long id = wcstoul(name, &end, 10);
    if (id == 0 || *end != 0) continue;
    push_site(L, base, id);
    lua_seti(L, list, ++n);
  }
  lua_settop(L, list);
}

/* ---- Changing ---- */

typedef struct open_key {
  metabase *base;
  DWORD key;
} open_key;

static void close_key(UINT_PTR value) {
  open_key *opened = (open_key *)value;
  opened->base->v->close_key(opened->base, opened->key);
}

/* Opens a site for writing (+2, the slot that closes it is the upper). */
static luax_handle *open_site(lua_State *L, metabase *base, DWORD id, const char *target, DWORD *key) {
  enum { READ = 1, WRITE = 2 };
  wchar_t path[LONGEST_PATH];
  format_path(path, id);
  open_key *opened = luax_buffer(L, sizeof *opened);
  luax_handle *slot = luax_newhandle(L, close_key);
  opened->base = base;
  com_check(L, target, base->v->open_key(base, 0, path, READ | WRITE, OPEN_TIMEOUT, &opened->key));
  slot->value = (UINT_PTR)opened;
  *key = opened->key;
  return slot;
}

/* Bindings for all addresses are written ":80:", and read "*:80:" elsewhere. */
static const wchar_t *skip_star(const wchar_t *binding) { return *binding == L'*' ? binding + 1 : binding; }

/* Copies the texts of `record` with `from` replaced by `to`; returns the size in bytes, 0 when `from` is not there.
 */
static DWORD replace_text(const metabase_record *record, const iis_move *move, wchar_t *out) {
  const wchar_t *end = (const wchar_t *)(const void *)(record->data + record->size), *start = out;
  int found = 0;
  for (const wchar_t *text = (const void *)record->data; text < end && *text; text += wcslen(text) + 1) {
    int is_it = !found && wcscmp(skip_star(text), skip_star(move->from)) == 0;
    const wchar_t *copy = is_it ? skip_star(move->to) : text;
    found |= is_it;
    wcscpy(out, copy);
    out += wcslen(copy) + 1;
  }
  *out++ = 0;
  return found ? (DWORD)((size_t)(out - start) * sizeof *out) : 0;
}

/* What is set takes effect at once, and is on disk within a minute even when it cannot be saved now.
 * https://learn.microsoft.com/previous-versions/iis/6.0-sdk/ms524714(v=vs.90) */
void metabase_move(lua_State *L, const iis_move *move) {
  DWORD key, id = wcscmp(move->protocol, L"https") == 0 ? SECURE_BINDINGS : SERVER_BINDINGS;
  metabase *base = open_metabase(L);
  luax_handle *slot = open_site(L, base, move->site, move->target, &key);
  metabase_record record = read_data(L, base, key, L"", id, TEXTS);
  if (record.data == NULL)
    luax_failhint(L, move->target, ERROR_NOT_FOUND, "the site has no bindings of its own: it inherits them");
  wchar_t *texts = luax_buffer(L, record.size + (wcslen(move->to) + 2) * sizeof *texts);
  record.size = replace_text(&record, move, texts);
  if (record.size == 0) luax_fail(L, move->target, ERROR_NOT_FOUND);
  record.data = (BYTE *)texts;
  com_check(L, move->target, base->v->set_data(base, key, L"", &record));
  luax_closehandle(slot);
  HRESULT result = base->v->save_data(base);
  if (result != IN_USE) com_check(L, move->target, result);
}

/* https://learn.microsoft.com/previous-versions/iis/6.0-sdk/ms525466(v=vs.90) */
void metabase_control(lua_State *L, DWORD site, const char *target, int start) {
  DWORD key, command = start ? 1 : 2;
  metabase *base = open_metabase(L);
  open_site(L, base, site, target, &key);
  metabase_record record = {
      SERVER_COMMAND, VOLATILE_DATA, USER_TYPE_SERVER, NUMBER, sizeof command, (BYTE *)&command, 0};
  com_check(L, target, base->v->set_data(base, key, L"", &record));
}
