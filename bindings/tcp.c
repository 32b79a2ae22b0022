/* win.tcp: the TCP tables of both families, and whether a port can be bound. */
#include <assert.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "address.h"
#include "luax.h"
#include "subjects.h"
#include "winapi.h"
#include "winsock.h"

enum { IPV4, IPV6, FAMILIES };

static const char *const state_words[] = {"unknown",     "closed",    "listen",     "syn_sent",   "syn_received",
                                          "established", "fin_wait1", "fin_wait2",  "close_wait", "closing",
                                          "last_ack",    "time_wait", "delete_tcb", NULL};
enum { STATES = sizeof state_words / sizeof *state_words - 1 };

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
  if (luaL_newmetatable(L, "p80.tcp.scratch")) {
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
static void grow_scratch(lua_State *L, scratch *s, int family, ULONG wanted) {
  enum { FIRST = 1 << 20, STEP = 1 << 16 };
  ULONGLONG size = wanted + (ULONGLONG)wanted / 4;
  if (size < s->size[family] * 2ULL) size = s->size[family] * 2ULL;
  if (size < FIRST) size = FIRST;
  size = (size + STEP - 1) / STEP * STEP;
  free_scratch(s, family);
  if (size > 0x7FFF0000) luax_fail(L, "TCP table", ERROR_NOT_ENOUGH_MEMORY);
  s->base[family] = VirtualAlloc(NULL, (SIZE_T)size, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
  if (s->base[family] == NULL) luax_fail(L, "TCP table", ERROR_NOT_ENOUGH_MEMORY);
  s->size[family] = (ULONG)size;
}

/* One family's table as Windows wrote it. */
typedef struct tcp_table {
  int family;
  DWORD rows;
  const MIB_TCPROW_OWNER_PID *ipv4; /* one of the two is NULL */
  const MIB_TCP6ROW_OWNER_PID *ipv6;
} tcp_table;

/* Whether `code` says that this machine has no IPv6. */
static int is_absent(int family, DWORD code) {
  return family == IPV6 && (code == ERROR_NOT_SUPPORTED || code == ERROR_INVALID_PARAMETER || code == ERROR_NO_DATA);
}

/* Reads the table of `family`; a family that is not installed is empty. Its count is checked against the buffer. */
static tcp_table fetch(lua_State *L, scratch *s, int family, TCP_TABLE_CLASS rows) {
  tcp_table table = {.family = family};
  if (s->base[family] == NULL) grow_scratch(L, s, family, 0);
  for (;;) {
    ULONG size = s->size[family];
    DWORD code =
        win32.GetExtendedTcpTable(s->base[family], &size, FALSE, family == IPV4 ? AF_INET : AF_INET6, rows, 0);
    if (code == NO_ERROR) break;
    if (is_absent(family, code)) return table;
    if (code != ERROR_INSUFFICIENT_BUFFER) luax_fail(L, family == IPV4 ? "ipv4" : "ipv6", code);
    grow_scratch(L, s, family, size);
  }
  size_t header, row;
  if (family == IPV4) {
    const MIB_TCPTABLE_OWNER_PID *found = s->base[family];
    table.ipv4 = found->table;
    header = offsetof(MIB_TCPTABLE_OWNER_PID, table);
    row = sizeof *found->table;
  } else {
    const MIB_TCP6TABLE_OWNER_PID *found = s->base[family];
    table.ipv6 = found->table;
    header = offsetof(MIB_TCP6TABLE_OWNER_PID, table);
    row = sizeof *found->table;
  }
  table.rows = *(const DWORD *)s->base[family];
  if (table.rows > (s->size[family] - header) / row) luax_fail(L, "TCP table", ERROR_INVALID_DATA);
  return table;
}

/* A row of either family. An IPv6 address is followed by its scope id, as in Windows' structure. */
typedef struct tcp_row {
  const unsigned char *local, *remote;
  DWORD local_port, remote_port; /* network order in the low 16 bits; the others may hold anything */
  DWORD state, pid;
} tcp_row;

static_assert(offsetof(MIB_TCP6ROW_OWNER_PID, dwLocalScopeId) == offsetof(MIB_TCP6ROW_OWNER_PID, ucLocalAddr) + 16 &&
                  offsetof(MIB_TCP6ROW_OWNER_PID, dwRemoteScopeId) ==
                      offsetof(MIB_TCP6ROW_OWNER_PID, ucRemoteAddr) + 16,
              "a scope id follows its address");

static tcp_row row_at(const tcp_table *table, DWORD i) {
  if (table->family == IPV4) {
    const MIB_TCPROW_OWNER_PID *r = &table->ipv4[i];
    return (tcp_row){(const unsigned char *)&r->dwLocalAddr,
                     (const unsigned char *)&r->dwRemoteAddr,
                     r->dwLocalPort,
                     r->dwRemotePort,
                     r->dwState,
                     r->dwOwningPid};
  }
  const MIB_TCP6ROW_OWNER_PID *r = &table->ipv6[i];
  return (tcp_row){r->ucLocalAddr, r->ucRemoteAddr, r->dwLocalPort, r->dwRemotePort, r->dwState, r->dwOwningPid};
}

static unsigned short host_port(DWORD port) { return (unsigned short)((port & 0xFF) << 8 | (port >> 8 & 0xFF)); }

/* ---- Filtering ---- */

typedef struct tcp_filter {
  int family;    /* 4, 6 or 0: both */
  unsigned port; /* the local one; 0: any */
  DWORD state;   /* 0: any */
} tcp_filter;

static int passes(const tcp_filter *filter, const tcp_row *row) {
  return (filter->port == 0 || filter->port == host_port(row->local_port)) &&
         (filter->state == 0 || filter->state == row->state);
}

static DWORD count_passing(const tcp_filter *filter, const tcp_table *table) {
  if (filter->port == 0 && filter->state == 0) return table->rows;
  DWORD n = 0;
  for (DWORD i = 0; i < table->rows; i++) {
    tcp_row row = row_at(table, i);
    n += (DWORD)passes(filter, &row);
  }
  return n;
}

/* ---- Converting ---- */

/* The keys of a row, then the words for its states, lie on the stack, so that none of them is hashed again for every
 * row; behind them the words and addresses that the rows of one table share. */
enum { FAMILY, LOCAL_ADDRESS, LOCAL_PORT, REMOTE_ADDRESS, REMOTE_PORT, STATE, PID, FIELDS };
static const char *const field_names[FIELDS] = {"family",      "local_address", "local_port", "remote_address",
                                                "remote_port", "state",         "pid"};

enum { LOCAL, REMOTE, ENDS };
enum { IPV4_BYTES = 4, IPV6_BYTES = 20 }; /* of an address with its zone */

/* The texts of addresses that results of one family had, and the next will have: Lua finds equal texts by itself,
 * but among all that there are, far away in memory. The texts are in its user value, an array. */
typedef struct text_cache {
  size_t mask;               /* places less one */
  unsigned char addresses[]; /* what the texts are of */
} text_cache;

typedef struct converter {
  lua_State *L;
  int scratch, result, keys, states, family, address[ENDS]; /* stack indices */
  const unsigned char *last[ENDS];                          /* what `address` is the text of */
  text_cache *cache;
  int texts; /* stack index of its texts */
  lua_Integer rows;
  size_t room; /* for so many */
} converter;

/* `at` is the stack index of the scratch. */
static void open_converter(lua_State *L, converter *c, int at, int rows) {
  memset(c, 0, sizeof *c);
  c->L = L;
  c->scratch = at;
  c->room = (size_t)rows;
  luaL_checkstack(L, FIELDS + STATES + 16, NULL);
  lua_createtable(L, rows, 0);
  c->result = lua_gettop(L);
  c->keys = c->result + 1;
  for (int i = 0; i < FIELDS; i++) lua_pushstring(L, field_names[i]);
  c->states = c->keys + FIELDS;
  for (int i = 0; i < STATES; i++) lua_pushstring(L, state_words[i]);
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
    size_t size = offsetof(text_cache, addresses) + places * bytes_of(family);
    c->cache = lua_newuserdatauv(c->L, size, 1);
    memset(c->cache, 0, size);
    c->cache->mask = places - 1;
    lua_createtable(c->L, (int)places, 0);
    lua_setiuservalue(c->L, -2, 1);
    lua_pushvalue(c->L, -1);
    lua_setiuservalue(c->L, c->scratch, family + 1);
  }
  lua_getiuservalue(c->L, -1, 1);
  c->texts = lua_gettop(c->L);
}

/* Where an address has its place in the cache. Those of one network differ at their end. */
static size_t place_of(const text_cache *cache, const unsigned char *address, size_t bytes) {
  size_t hash = 0;
  for (size_t i = 0; i < bytes; i += 4)
    hash = hash * 31 + ((size_t)address[i] << 24 | (size_t)address[i + 1] << 16 | (size_t)address[i + 2] << 8 |
                        (size_t)address[i + 3]);
  return (hash ^ hash >> 16) & cache->mask;
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
  size_t bytes = bytes_of(family), place = place_of(c->cache, address, bytes);
  unsigned char *cached = c->cache->addresses + place * bytes;
  if (memcmp(cached, address, bytes) == 0) {
    if (lua_rawgeti(c->L, c->texts, (lua_Integer)place + 1) == LUA_TSTRING) return;
    lua_pop(c->L, 1);
  }
  char text[ADDRESS_ROOM];
  size_t n = family == IPV4 ? address_write4(address, text) : address_write6(address, zone_of(address), text);
  lua_pushlstring(c->L, text, n);
  memcpy(cached, address, bytes);
  lua_pushvalue(c->L, -1);
  lua_rawseti(c->L, c->texts, (lua_Integer)place + 1);
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

/* Appends one row to the result. Windows leaves the remote end of a listening row undefined. */
static void add_row(converter *c, int family, const tcp_row *row) {
  lua_createtable(c->L, 0, FIELDS);
  set_value(c, FAMILY, c->family);
  set_address(c, family, LOCAL_ADDRESS, LOCAL, row->local);
  set_integer(c, LOCAL_PORT, host_port(row->local_port));
  if (row->state != MIB_TCP_STATE_LISTEN) {
    set_address(c, family, REMOTE_ADDRESS, REMOTE, row->remote);
    set_integer(c, REMOTE_PORT, host_port(row->remote_port));
  }
  set_value(c, STATE, c->states + (int)(row->state < STATES ? row->state : 0));
  set_integer(c, PID, row->pid);
  lua_rawseti(c->L, c->result, ++c->rows);
}

static void add_table(converter *c, const tcp_filter *filter, const tcp_table *table) {
  lua_pushstring(c->L, table->family == IPV4 ? "ipv4" : "ipv6");
  lua_replace(c->L, c->family);
  c->last[LOCAL] = c->last[REMOTE] = NULL;
  if (table->rows > 0) open_cache(c, table->family);
  for (DWORD i = 0; i < table->rows; i++) {
    tcp_row row = row_at(table, i);
    if (passes(filter, &row)) add_row(c, table->family, &row);
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

/* Pushes the rows of `n` tables that pass `filter`; `at` is the stack index of the scratch. */
static void push_tables(lua_State *L, int at, const tcp_filter *filter, const tcp_table *tables, int n, int rows) {
  converter c;
  open_converter(L, &c, at, rows);
  for (int i = 0; i < n; i++) add_table(&c, filter, &tables[i]);
  lua_pushvalue(L, c.result);
}

/* Pushes the rows that pass `filter`. Should memory run out on the way, the scratch stays busy and the next calls do
 * without it. */
static void push_rows(lua_State *L, const tcp_filter *filter) {
  enum { MANY = 500 };
  tcp_table tables[FAMILIES];
  DWORD rows = 0;
  int n = 0;
  winapi_load(L, "iphlpapi");
  scratch *s = get_scratch(L);
  int at = lua_gettop(L);
  for (int family = 0; family < FAMILIES; family++) {
    if (filter->family && filter->family != (family == IPV4 ? 4 : 6)) continue;
    tables[n] = fetch(L, s, family,
                      filter->state == MIB_TCP_STATE_LISTEN ? TCP_TABLE_OWNER_PID_LISTENER : TCP_TABLE_OWNER_PID_ALL);
    rows += count_passing(filter, &tables[n++]);
  }
  if (rows > INT_MAX) luax_fail(L, "TCP table", ERROR_NOT_ENOUGH_MEMORY);
  s->busy = 1;
  luax_handle *rest = rows >= MANY ? rest_collector(L, s, rows) : NULL;
  push_tables(L, at, filter, tables, n, (int)rows);
  s->busy = 0;
  if (rest) end_rest(L, rest, rows);
}

/* ---- The functions ---- */

static int opt_family(lua_State *L, int index) {
  if (lua_isnil(L, index)) return 0;
  int family = (int)luax_checkinteger(L, index, "family", 4, 6);
  if (family == 5) luax_badvalue(L, index, "family", "4 or 6");
  return family;
}

/* tcp.list([{family=4|6, port=, state=}]) -> rows {family="ipv4"|"ipv6", local_address, local_port, remote_address,
 * remote_port, state, pid}
 * The TCP endpoints of the machine, one call of Windows for each family. `port` is the local one; `state` one of the
 * words closed, listen, syn_sent, syn_received, established, fin_wait1, fin_wait2, close_wait, closing, last_ack,
 * time_wait, delete_tcb. Rows in state "listen" have no remote end. IPv6 addresses are written as RFC 5952 asks, with
 * their zone ("fe80::1%4"). What the kernel itself holds (HTTP.SYS) has pid 4, TIME_WAIT has pid 0.
 * https://learn.microsoft.com/windows/win32/api/iphlpapi/nf-iphlpapi-getextendedtcptable */
static int tcp_list(lua_State *L) {
  static const char *const known[] = {"family", "port", "state", NULL};
  tcp_filter filter = {0, 0, 0};
  luax_arguments(L, 0, 1);
  if (luax_options(L, 1, known)) {
    filter.family = opt_family(L, luax_field(L, 1, "family"));
    int index = luax_field(L, 1, "port");
    if (!lua_isnil(L, index)) filter.port = luax_checkport(L, index, "port");
    index = luax_field(L, 1, "state");
    if (!lua_isnil(L, index)) filter.state = 1 + (DWORD)luax_checkword(L, index, "state", state_words + 1, -1);
  }
  push_rows(L, &filter);
  return 1;
}

/* tcp.listeners([port [, {family=4|6}]]) -> the rows of tcp.list in state "listen"; the Lua half adds process, path
 * and services. */
static int tcp_listeners(lua_State *L) {
  static const char *const known[] = {"family", NULL};
  luax_arguments(L, 0, 2);
  tcp_filter filter = {0, 0, MIB_TCP_STATE_LISTEN};
  if (!lua_isnil(L, 1)) filter.port = luax_checkport(L, 1, "port");
  luax_options(L, 2, known);
  filter.family = opt_family(L, luax_field(L, 2, "family"));
  push_rows(L, &filter);
  return 1;
}

/* ---- Probing ---- */

/* What happened when a port was tried: the step that failed and Winsock's code, 0 when all went well. */
typedef struct attempt {
  const char *step;
  DWORD code;
} attempt;

/* Binds `port` on all addresses of the family, for p80 alone if `exclusive`, and gives it back when the function
 * returns. Nothing is sent and nothing listens. Before Vista IPv6 sockets never served IPv4, and the option for it
 * does not exist. */
static attempt try_bind(lua_State *L, int family, unsigned short port, int exclusive) {
  luax_handle *slot = winsock_newsocket(L);
  SOCKET s = win32.socket(family == IPV4 ? AF_INET : AF_INET6, SOCK_STREAM, IPPROTO_TCP);
  if (s == INVALID_SOCKET) return (attempt){"socket", (DWORD)win32.WSAGetLastError()};
  slot->value = (UINT_PTR)s;
  SetHandleInformation((HANDLE)s, HANDLE_FLAG_INHERIT, 0);
  const DWORD yes = 1;
  if (exclusive && win32.setsockopt(s, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (const char *)&yes, sizeof yes) != 0)
    return (attempt){"exclusive", (DWORD)win32.WSAGetLastError()};
  struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = winsock_port(port)};
  struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = winsock_port(port)};
  int failed;
  if (family == IPV4) {
    failed = win32.bind(s, (const struct sockaddr *)&ipv4, sizeof ipv4);
  } else {
    win32.setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, (const char *)&yes, sizeof yes);
    failed = win32.bind(s, (const struct sockaddr *)&ipv6, sizeof ipv6);
  }
  DWORD code = failed ? (DWORD)win32.WSAGetLastError() : 0;
  luax_closehandle(slot);
  return (attempt){"bind", code};
}

/* tcp.probe(port [, {exclusive=true, used=nil}]) -> {ipv4={step=, code=}, ipv6={step=, code=}}, used; the Lua half
 * says what the codes mean.
 * https://learn.microsoft.com/windows/win32/winsock/using-so-reuseaddr-and-so-exclusiveaddruse */
static int tcp_probe(lua_State *L) {
  static const char *const known[] = {"exclusive", "used", NULL};
  luax_arguments(L, 1, 2);
  unsigned short port = luax_checkport(L, 1, "port");
  int exclusive = 1, used = 0;
  if (luax_options(L, 2, known)) {
    exclusive = luax_optboolean(L, luax_field(L, 2, "exclusive"), "exclusive", 1);
    used = luax_optboolean(L, luax_field(L, 2, "used"), "used", 0);
  }
  winsock_start(L);
  attempt attempts[FAMILIES];
  for (int family = 0; family < FAMILIES; family++) attempts[family] = try_bind(L, family, port, exclusive);
  lua_createtable(L, 0, FAMILIES);
  for (int family = 0; family < FAMILIES; family++) {
    lua_createtable(L, 0, 4);
    luax_settext(L, "step", attempts[family].step);
    luax_setinteger(L, "code", attempts[family].code);
    lua_setfield(L, -2, family == IPV4 ? "ipv4" : "ipv6");
  }
  if (used) lua_pushboolean(L, 1);
  else lua_pushnil(L);
  return 2;
}

static const luaL_Reg reads[] = {
    {"list", tcp_list}, {"listeners", tcp_listeners}, {"probe", tcp_probe}, {NULL, NULL}};

const luax_subject tcp_subject = {"tcp", reads, NULL, "tcp"};
