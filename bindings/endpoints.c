#include "endpoints.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "address.h"
#include "compiler.h"
#include "winapi.h"

enum { IPV4 = ENDPOINT_IPV4, IPV6 = ENDPOINT_IPV6, FAMILIES = ENDPOINT_FAMILIES };

const char *const endpoint_states[] = {"unknown",     "closed",    "listen",     "syn_sent",   "syn_received",
                                       "established", "fin_wait1", "fin_wait2",  "close_wait", "closing",
                                       "last_ack",    "time_wait", "delete_tcb", NULL};
enum { STATES = sizeof endpoint_states / sizeof *endpoint_states - 1 };

/* ---- Fetching a table with one call ---- */

/* A buffer for each family that stays for the next call, so that one call of Windows is enough: asking for the size
 * first costs as much as the table itself. Kept in the registry. */
typedef struct scratch {
  void *base[FAMILIES];
  ULONG size[FAMILIES];
  int busy; /* its tables are being read */
  int kept; /* KiB that Lua had in use after the last full collection, see rest_collector */
} scratch;  /* its user values: the text_cache of each family */

static void free_scratch(scratch *s, int family) {
  if (s->base[family]) VirtualFree(s->base[family], 0, MEM_RELEASE);
  s->base[family] = NULL;
  s->size[family] = 0;
}

static int scratch_gc(lua_State *L) {
  scratch *s = lua_touserdata(L, 1);
  for (int family = 0; family < FAMILIES; family++) free_scratch(s, family);
  return 0;
}

/* Pushes an empty one. */
static scratch *new_scratch(lua_State *L) {
  scratch *s = lua_newuserdatauv(L, sizeof *s, FAMILIES);
  memset(s, 0, sizeof *s);
  if (luaL_newmetatable(L, "p80.endpoints")) {
    lua_pushcfunction(L, scratch_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return s;
}

/* Pushes the one that stays; or another while a finalizer runs in the middle of the reading of that. */
static scratch *get_scratch(lua_State *L) {
  static char key;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) != LUA_TUSERDATA) {
    new_scratch(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
  }
  scratch *s = lua_touserdata(L, -1);
  return s->busy ? new_scratch(L) : s;
}

/* Makes room for `wanted` bytes, and for a table that grows a little until it is read. */
static void grow_scratch(lua_State *L, scratch *s, const char *what, int family, ULONG wanted) {
  enum { FIRST = 1 << 20, STEP = 1 << 16 };
  ULONGLONG size = wanted + (ULONGLONG)wanted / 4;
  if (size < s->size[family] * 2ULL) size = s->size[family] * 2ULL;
  if (size < FIRST) size = FIRST;
  size = (size + STEP - 1) / STEP * STEP;
  free_scratch(s, family);
  if (size > 0x7FFF0000) luax_fail(L, what, ERROR_NOT_ENOUGH_MEMORY);
  s->base[family] = VirtualAlloc(NULL, (SIZE_T)size, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
  if (s->base[family] == NULL) luax_fail(L, what, ERROR_NOT_ENOUGH_MEMORY);
  s->size[family] = (ULONG)size;
}

/* One family's table as Windows wrote it. */
typedef struct endpoint_table {
  int family;
  const endpoint_format *format;
  const unsigned char *rows;
  DWORD count;
} endpoint_table;

/* Whether `code` says that this machine has no IPv6. */
static int is_absent(int family, DWORD code) {
  return family == IPV6 && (code == ERROR_NOT_SUPPORTED || code == ERROR_INVALID_PARAMETER || code == ERROR_NO_DATA);
}

/* Reads the table of `family`; a family that is not installed is empty. Its count is checked against the buffer. */
static endpoint_table fetch(lua_State *L, scratch *s, const endpoint_kind *kind, int family,
                            const endpoint_filter *filter) {
  const endpoint_format *format = &kind->formats[filter->module][family];
  endpoint_table table = {.family = family, .format = format};
  if (s->base[family] == NULL) grow_scratch(L, s, kind->table, family, 0);
  for (;;) {
    ULONG size = s->size[family];
    DWORD code = kind->read(s->base[family], &size, family == IPV4 ? AF_INET : AF_INET6, filter);
    if (code == NO_ERROR) break;
    if (is_absent(family, code)) return table;
    if (code != ERROR_INSUFFICIENT_BUFFER) luax_fail(L, family == IPV4 ? "ipv4" : "ipv6", code);
    grow_scratch(L, s, kind->table, family, size);
  }
  table.rows = (const unsigned char *)s->base[family] + format->header;
  table.count = *(const DWORD *)s->base[family];
  if (table.count > (s->size[family] - format->header) / format->row) luax_fail(L, kind->table, ERROR_INVALID_DATA);
  return table;
}

/* ---- Rows ---- */

typedef struct endpoint {
  const unsigned char *row, *local, *remote;
  DWORD local_port, remote_port; /* network order in the low 16 bits; the others may hold anything */
  DWORD state, pid;
} endpoint;

static DWORD number_at(const unsigned char *row, size_t offset) {
  DWORD value;
  memcpy(&value, row + offset, sizeof value);
  return value;
}

static endpoint row_at(const endpoint_table *table, DWORD i) {
  const endpoint_format *f = table->format;
  const unsigned char *row = table->rows + (size_t)i * f->row;
  endpoint e = {.row = row,
                .local = row + f->local,
                .local_port = number_at(row, f->local_port),
                .pid = number_at(row, f->pid)};
  if (f->state == ENDPOINT_NONE) return e;
  e.state = number_at(row, f->state);
  if (e.state == MIB_TCP_STATE_LISTEN) return e; /* its remote end may hold anything */
  e.remote = row + f->remote;
  e.remote_port = number_at(row, f->remote_port);
  return e;
}

static unsigned short host_port(DWORD port) { return (unsigned short)((port & 0xFF) << 8 | (port >> 8 & 0xFF)); }

static int passes(const endpoint_filter *filter, const endpoint *e) {
  return (filter->port == 0 || filter->port == host_port(e->local_port)) &&
         (filter->state == 0 || filter->state == e->state);
}

static DWORD count_passing(const endpoint_filter *filter, const endpoint_table *table) {
  if (filter->port == 0 && filter->state == 0) return table->count;
  DWORD n = 0;
  for (DWORD i = 0; i < table->count; i++) {
    endpoint e = row_at(table, i);
    n += (DWORD)passes(filter, &e);
  }
  return n;
}

/* ---- Converting ---- */

/* The keys of a row, then the words for its states, lie on the stack, so that none of them is hashed again for every
 * row; behind them the words and addresses that the rows of one table share. */
enum {
  FAMILY,
  LOCAL_ADDRESS,
  LOCAL_PORT,
  PID,
  REMOTE_ADDRESS,
  REMOTE_PORT,
  STATE,
  CREATED,
  MODULE,
  MODULE_PATH,
  FIELDS
};
static const char *const field_names[FIELDS] = {"family",         "local_address", "local_port", "pid",
                                                "remote_address", "remote_port",   "state",      "created",
                                                "module",         "module_path"};

enum { LOCAL, REMOTE, ENDS };
enum { IPV4_BYTES = 4, IPV6_BYTES = 20 }; /* of an address with its zone */

/* The texts of addresses that results of one family had, and the next will have: Lua finds equal texts by itself,
 * but among all that there are, far away in memory. The texts are in its user value, an array, in the order in which
 * they were needed first, and will probably be needed again. */
typedef struct text_cache {
  size_t mask;              /* places less one */
  DWORD used;               /* texts */
  unsigned char *addresses; /* of the texts, in their order, from number 1; behind the places */
  DWORD places[];           /* the number of the text of an address that has its place there; 0: none */
} text_cache;

enum { AHEAD = 16 }; /* rows between fetching a place and looking there */

/* GetOwnerModuleFromTcpEntry and its like. */
typedef DWORD(WINAPI *module_function)(const void *row, TCPIP_OWNER_MODULE_INFO_CLASS class, void *out, DWORD *size);
enum { MODULE_ROOM = 4096 };

typedef struct converter {
  lua_State *L;
  int scratch, result, keys, states, family, address[ENDS]; /* stack indices */
  const unsigned char *last[ENDS];                          /* what `address` is the text of */
  text_cache *cache;
  int texts; /* stack index of its texts */
  const endpoint_format *format;
  int fields;                          /* of a row */
  void *module;                        /* room for what module_of writes; NULL: not asked for */
  module_function module_of[FAMILIES]; /* NULL: not there */
  lua_Integer rows;
  size_t room; /* for so many */
} converter;

static module_function find_module_function(const char *name) {
  module_function found = NULL;
  FARPROC address = GetProcAddress(GetModuleHandleW(L"iphlpapi"), name);
  memcpy(&found, &address, sizeof found);
  return found;
}

static void open_modules(converter *c, const endpoint_kind *kind) {
  c->module = luax_buffer(c->L, MODULE_ROOM);
  for (int family = 0; family < FAMILIES; family++)
    c->module_of[family] = find_module_function(kind->module_functions[family]);
}

/* `at` is the stack index of the scratch. */
static void open_converter(converter *c, lua_State *L, int at, const endpoint_kind *kind,
                           const endpoint_filter *filter, DWORD rows) {
  const endpoint_format *format = &kind->formats[filter->module][IPV4];
  memset(c, 0, sizeof *c);
  c->L = L;
  c->scratch = at;
  c->room = rows;
  c->fields = PID + 1 + (format->state == ENDPOINT_NONE ? 0 : 3) + (filter->module ? 3 : 0);
  luaL_checkstack(L, FIELDS + STATES + 20, NULL);
  if (filter->module) open_modules(c, kind);
  lua_createtable(L, (int)rows, 0);
  c->result = lua_gettop(L);
  c->keys = c->result + 1;
  for (int i = 0; i < FIELDS; i++) lua_pushstring(L, field_names[i]);
  c->states = c->keys + FIELDS;
  for (int i = 0; i < STATES; i++) lua_pushstring(L, endpoint_states[i]);
  c->family = c->states + STATES;
  c->address[LOCAL] = c->family + 1;
  c->address[REMOTE] = c->family + 2;
  lua_settop(L, c->address[REMOTE]);
}

static size_t bytes_of(int family) { return family == IPV4 ? IPV4_BYTES : IPV6_BYTES; }

/* Pushes the family's cache and its texts; makes one if it has fewer places than the result may have rows. */
static void open_cache(converter *c, int family) {
  enum { LARGEST = 1 << 16 };
  size_t places = 1 << 10;
  while (places < c->room && places < LARGEST) places *= 2;
  lua_getiuservalue(c->L, c->scratch, family + 1);
  c->cache = lua_touserdata(c->L, -1);
  if (c->cache == NULL || c->cache->mask + 1 < places) {
    size_t before = offsetof(text_cache, places) + places * sizeof(DWORD);
    size_t size = before + (places + 1) * bytes_of(family);
    c->cache = lua_newuserdatauv(c->L, size, 1);
    memset(c->cache, 0, size);
    c->cache->mask = places - 1;
    c->cache->addresses = (unsigned char *)c->cache + before;
    lua_createtable(c->L, (int)places, 0);
    lua_setiuservalue(c->L, -2, 1);
    lua_pushvalue(c->L, -1);
    lua_setiuservalue(c->L, c->scratch, family + 1);
  }
  lua_getiuservalue(c->L, -1, 1);
  c->texts = lua_gettop(c->L);
}

/* The place of an address in the cache. Those of one network differ at their end. */
static DWORD *place_of(text_cache *cache, const unsigned char *address, size_t bytes) {
  size_t hash = 0;
  for (size_t i = 0; i < bytes; i += 4)
    hash = hash * 31 + ((size_t)address[i] << 24 | (size_t)address[i + 1] << 16 | (size_t)address[i + 2] << 8 |
                        (size_t)address[i + 3]);
  return &cache->places[(hash ^ hash >> 16) & cache->mask];
}

/* row[field] = the value at stack index `value`, for the row on top. */
static void set_value(const converter *c, int field, int value) {
  lua_pushvalue(c->L, c->keys + field);
  lua_pushvalue(c->L, value);
  lua_rawset(c->L, -3);
}

static void set_integer(const converter *c, int field, lua_Integer value) {
  lua_pushvalue(c->L, c->keys + field);
  lua_pushinteger(c->L, value);
  lua_rawset(c->L, -3);
}

/* The zone of a link-local or site-local address, which follows it in network order. Others need none, whatever
 * Windows says there. */
static DWORD zone_of(const unsigned char *address) {
  const unsigned char *zone = address + 16;
  int scoped = address[0] == 0xFE && address[1] >= 0x80;
  return scoped ? (DWORD)zone[0] << 24 | (DWORD)zone[1] << 16 | (DWORD)zone[2] << 8 | zone[3] : 0;
}

/* Pushes the text of an address, from the cache if it is there. */
static void push_text(const converter *c, int family, const unsigned char *address) {
  size_t bytes = bytes_of(family);
  DWORD *place = place_of(c->cache, address, bytes);
  if (*place != 0 && memcmp(c->cache->addresses + *place * bytes, address, bytes) == 0) {
    if (lua_rawgeti(c->L, c->texts, *place) == LUA_TSTRING) return;
    lua_pop(c->L, 1);
  }
  char text[ADDRESS_ROOM];
  size_t n = family == IPV4 ? address_write4(address, text) : address_write6(address, zone_of(address), text);
  lua_pushlstring(c->L, text, n);
  if (*place == 0) *place = ++c->cache->used;
  memcpy(c->cache->addresses + *place * bytes, address, bytes);
  lua_pushvalue(c->L, -1);
  lua_rawseti(c->L, c->texts, *place);
}

/* An address of the row on top. Neighbours often share theirs, so the last text is kept. */
static void set_address(converter *c, int family, int field, int end, const unsigned char *address) {
  if (c->last[end] == NULL || memcmp(c->last[end], address, bytes_of(family)) != 0) {
    push_text(c, family, address);
    lua_replace(c->L, c->address[end]);
    c->last[end] = address;
  }
  set_value(c, field, c->address[end]);
}

/* ---- Modules ---- */

/* The text at `text` within what module_of wrote, or NULL. */
static const wchar_t *text_within(const converter *c, const wchar_t *text) {
  const char *start = c->module, *at = (const char *)text, *end = start + MODULE_ROOM;
  if (at < start || at > end - sizeof *text || (size_t)(at - start) % sizeof *text != 0) return NULL;
  for (const char *unit = at; unit <= end - sizeof *text; unit += sizeof *text)
    if (*(const wchar_t *)unit == 0) return text;
  return NULL;
}

static void set_text(const converter *c, int field, const wchar_t *text) {
  if (text == NULL || *text == 0) return;
  lua_pushvalue(c->L, c->keys + field);
  luax_pushwidez(c->L, text);
  lua_rawset(c->L, -3);
}

/* Whether `code` says that nobody knows the module, or only an administrator may. */
static int is_unknown(DWORD code) {
  return code == ERROR_NOT_FOUND || code == ERROR_ACCESS_DENIED || code == ERROR_PARTIAL_COPY ||
         code == ERROR_INVALID_PARAMETER;
}

/* When the endpoint was made, and by which module: a service, or an image. */
static void set_module(const converter *c, int family, const unsigned char *row) {
  ULONGLONG created;
  memcpy(&created, row + c->format->created, sizeof created);
  if (created != 0) {
    lua_pushvalue(c->L, c->keys + CREATED);
    luax_pushtime(c->L, created);
    lua_rawset(c->L, -3);
  }
  if (c->module_of[family] == NULL) return;
  TCPIP_OWNER_MODULE_BASIC_INFO info;
  DWORD size = MODULE_ROOM;
  DWORD code = c->module_of[family](row, TCPIP_OWNER_MODULE_INFO_BASIC, c->module, &size);
  if (is_unknown(code)) return;
  if (code != NO_ERROR) luax_fail(c->L, "owner module", code);
  memcpy(&info, c->module, sizeof info);
  set_text(c, MODULE, text_within(c, info.pModuleName));
  set_text(c, MODULE_PATH, text_within(c, info.pModulePath));
}

/* ---- Tables ---- */

static void add_row(converter *c, int family, const endpoint *e) {
  lua_createtable(c->L, 0, c->fields);
  set_value(c, FAMILY, c->family);
  set_address(c, family, LOCAL_ADDRESS, LOCAL, e->local);
  set_integer(c, LOCAL_PORT, host_port(e->local_port));
  if (e->remote) {
    set_address(c, family, REMOTE_ADDRESS, REMOTE, e->remote);
    set_integer(c, REMOTE_PORT, host_port(e->remote_port));
  }
  if (c->format->state != ENDPOINT_NONE) set_value(c, STATE, c->states + (int)(e->state < STATES ? e->state : 0));
  set_integer(c, PID, e->pid);
  if (c->module) set_module(c, family, e->row);
  lua_rawseti(c->L, c->result, ++c->rows);
}

/* Has the processor fetch what that row will look for. */
static void fetch_place(const converter *c, const endpoint_table *table, DWORD i) {
  endpoint e = row_at(table, i);
  if (e.remote) P80_PREFETCH(place_of(c->cache, e.remote, bytes_of(table->family)));
}

static void add_table(converter *c, const endpoint_filter *filter, const endpoint_table *table) {
  lua_pushstring(c->L, table->family == IPV4 ? "ipv4" : "ipv6");
  lua_replace(c->L, c->family);
  c->last[LOCAL] = c->last[REMOTE] = NULL;
  c->format = table->format;
  if (table->count > 0) open_cache(c, table->family);
  for (DWORD i = 0; i < table->count; i++) {
    endpoint e = row_at(table, i);
    if (i + AHEAD < table->count) fetch_place(c, table, i + AHEAD);
    if (passes(filter, &e)) add_row(c, table->family, &e);
  }
}

static void restart_collector(UINT_PTR L) { lua_gc((lua_State *)L, LUA_GCRESTART); }

static int size_of(DWORD rows) { return (int)(rows / 4); } /* KiB: a row takes about a quarter of one */

/* All of a big result is alive until it is returned: while it is made the collector would only read it again and
 * again. So it rests until what is pushed is closed, at the latest when the running C function ends. What earlier
 * results left behind is collected first, once it makes room for this one and the memory in use has doubled since the
 * last time. */
static luax_handle *rest_collector(lua_State *L, scratch *s, DWORD rows) {
  luax_handle *rest = luax_newhandle(L, restart_collector);
  if (!lua_gc(L, LUA_GCISRUNNING)) return rest;
  if (lua_gc(L, LUA_GCCOUNT) / 2 > s->kept + size_of(rows) / 2) {
    lua_gc(L, LUA_GCCOLLECT);
    s->kept = lua_gc(L, LUA_GCCOUNT);
  }
  lua_gc(L, LUA_GCSTOP);
  rest->value = (UINT_PTR)L;
  return rest;
}

/* Ends the rest as a cycle of the collector ends: the next one begins when as much again is in use. */
static void end_rest(lua_State *L, luax_handle *rest, DWORD rows) {
  if (rest->value == 0) return;
  luax_closehandle(rest);
  lua_gc(L, LUA_GCSTEP, -size_of(rows));
}

/* Should memory run out on the way, the scratch stays busy and the next calls do without it. */
void endpoint_push(lua_State *L, const endpoint_kind *kind, const endpoint_filter *filter) {
  enum { MANY = 500 };
  endpoint_table tables[FAMILIES];
  DWORD rows = 0;
  int n = 0;
  winapi_load(L, "iphlpapi");
  scratch *s = get_scratch(L);
  int at = lua_gettop(L);
  for (int family = 0; family < FAMILIES; family++) {
    if (filter->family && filter->family != (family == IPV4 ? 4 : 6)) continue;
    tables[n] = fetch(L, s, kind, family, filter);
    rows += count_passing(filter, &tables[n++]);
  }
  if (rows > INT_MAX) luax_fail(L, kind->table, ERROR_NOT_ENOUGH_MEMORY);
  s->busy = 1;
  luax_handle *rest = rows >= MANY ? rest_collector(L, s, rows) : NULL;
  converter c;
  open_converter(&c, L, at, kind, filter, rows);
  for (int i = 0; i < n; i++) add_table(&c, filter, &tables[i]);
  s->busy = 0;
  lua_pushvalue(L, c.result);
  if (rest) end_rest(L, rest, rows);
}

/* ---- Arguments ---- */

static int opt_family(lua_State *L, int index) {
  if (lua_isnil(L, index)) return 0;
  int family = (int)luax_checkinteger(L, index, "family", 4, 6);
  if (family == 5) luax_badvalue(L, index, "family", "4 or 6");
  return family;
}

endpoint_filter endpoint_options(lua_State *L, int index, const char *const known[]) {
  endpoint_filter filter = {0, 0, 0, 0};
  if (!luax_options(L, index, known)) return filter;
  filter.family = opt_family(L, luax_field(L, index, "family"));
  filter.module = luax_optboolean(L, luax_field(L, index, "module"), "module", 0);
  int port = luax_field(L, index, "port");
  if (!lua_isnil(L, port)) filter.port = luax_checkport(L, port, "port");
  return filter;
}

int endpoint_listeners(lua_State *L, const endpoint_kind *kind, DWORD state) {
  static const char *const known[] = {"family", "module", NULL};
  luax_arguments(L, 0, 2);
  unsigned port = lua_isnil(L, 1) ? 0 : luax_checkport(L, 1, "port");
  endpoint_filter filter = endpoint_options(L, 2, known);
  filter.port = port;
  filter.state = state;
  endpoint_push(L, kind, &filter);
  return 1;
}
