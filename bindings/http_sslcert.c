/* win.http.sslcert: which certificate HTTP.SYS presents on an address and port, for a host name, or from the central
 * store. The forms of bindings are in sslcert.lua; here one is a kind, a host and a port.
 * https://learn.microsoft.com/windows/win32/api/http/ns-http-http_service_config_ssl_param */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "http_config.h"
#include "luax.h"
#include "subjects.h"
#include "winapi.h"

typedef union ssl_record {
  ssl_set ip;
  sni_set sni;
  ccs_set ccs;
} ssl_record;

typedef union ssl_request {
  int type;
  ssl_query ip;
  sni_query sni;
  ccs_query ccs;
} ssl_request;

typedef enum ssl_kind { IPPORT, HOSTNAMEPORT, CCS, SCOPEDCCS } ssl_kind;
static const char *const kinds[] = {"ipport", "hostnameport", "ccs", "scopedccs", NULL};

typedef struct ssl_shape {
  http_record id;
  ULONG record_size, request_size;
  size_t param, token; /* where they are in the record and in the request */
} ssl_shape;

static const ssl_shape shapes[] = {
    {HTTP_SSLCERT, sizeof(ssl_set), sizeof(ssl_query), offsetof(ssl_set, param), offsetof(ssl_query, token)},
    {HTTP_SSLCERT_SNI, sizeof(sni_set), sizeof(sni_query), offsetof(sni_set, param), offsetof(sni_query, token)},
    {HTTP_SSLCERT_CCS, sizeof(ccs_set), sizeof(ccs_query), offsetof(ccs_set, param), offsetof(ccs_query, token)},
    {HTTP_SSLCERT_SCOPED_CCS, sizeof(sni_set), sizeof(sni_query), offsetof(sni_set, param),
     offsetof(sni_query, token)},
};

static ssl_kind check_kind(lua_State *L) { return (ssl_kind)luax_checkword(L, 1, "kind", kinds, -1); }

/* ---- Flags by name, as netsh has them ---- */

typedef struct flag {
  const char *name;
  DWORD bit;
  int when_clear; /* the word holds while the bit is clear */
} flag;

static const flag checks[] = {{"verify_client_cert_revocation", 0x1, 1},
                              {"verify_revocation_with_cached_client_cert_only", 0x2, 0},
                              {"use_revocation_freshness_time", 0x4, 0},
                              {"usage_check", 0x10000, 1},
                              {NULL, 0, 0}};
static const flag flags[] = {{"ds_mapper_usage", 0x1, 0},        {"client_cert_negotiation", 0x2, 0},
                             {"no_raw_filter", 0x4, 0},          {"reject", 0x8, 0},
                             {"disable_http2", 0x10, 0},         {"disable_quic", 0x20, 0},
                             {"disable_tls13", 0x40, 0},         {"disable_ocsp_stapling", 0x80, 0},
                             {"enable_token_binding", 0x100, 0}, {"log_extended_events", 0x200, 0},
                             {"disable_legacy_tls", 0x400, 0},   {"enable_session_ticket", 0x800, 0},
                             {"disable_tls12", 0x1000, 0},       {"enable_client_correlation", 0x2000, 0},
                             {"disable_session_id", 0x4000, 0},  {NULL, 0, 0}};

/* t[name] of each flag, and t[rest] of the bits without a name, for the table on top. */
static void set_flags(lua_State *L, const flag *names, DWORD bits, const char *rest) {
  for (; names->name; names++) {
    luax_setboolean(L, names->name, ((bits & names->bit) != 0) != names->when_clear);
    bits &= ~names->bit;
  }
  luax_setinteger(L, rest, bits);
}

static DWORD number_field(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  return lua_isnil(L, -1) ? 0 : (DWORD)luax_checkinteger(L, -1, name, 0, 0xFFFFFFFF);
}

/* The other way, from the table at index 2. */
static DWORD read_flags(lua_State *L, const flag *names, const char *rest) {
  DWORD bits = number_field(L, rest);
  for (; names->name; names++) {
    lua_getfield(L, 2, names->name);
    if (luax_optboolean(L, -1, names->name, names->when_clear) != names->when_clear) bits |= names->bit;
    lua_pop(L, 1);
  }
  return bits;
}

/* named(check_mode, flags) -> {verify_client_cert_revocation=, ..., disable_session_id=, other_checks=, other_flags=}
 */
static int sslcert_named(lua_State *L) {
  luax_arguments(L, 2, 2);
  DWORD check_mode = (DWORD)luax_checkinteger(L, 1, "check_mode", 0, 0xFFFFFFFF);
  DWORD bits = (DWORD)luax_checkinteger(L, 2, "flags", 0, 0xFFFFFFFF);
  lua_newtable(L);
  set_flags(L, checks, check_mode, "other_checks");
  set_flags(L, flags, bits, "other_flags");
  return 1;
}

/* ---- Hashes and GUIDs as text ---- */

static void set_hex(lua_State *L, const char *key, const unsigned char *bytes, size_t n) {
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, 2 * n);
  for (size_t i = 0; i < n; i++) {
    out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
    out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
  }
  luaL_pushresultsize(&b, 2 * n);
  lua_setfield(L, -2, key);
}

/* The text of t[name] at index 2 as bytes, of which there may be `most`; returns how many, 0 for nil. */
static size_t read_hex(lua_State *L, const char *name, unsigned char *out, size_t most) {
  static const char digits[] = "0123456789abcdef";
  lua_getfield(L, 2, name);
  if (lua_isnil(L, -1)) return 0;
  const char *text = luax_checktext(L, -1, name);
  size_t n = strlen(text);
  if (n == 0 || n % 2 != 0 || n > 2 * most || strspn(text, digits) != n)
    luax_badvalue(L, -1, name, "hexadecimal digits, two for each byte,");
  for (size_t i = 0; i < n / 2; i++)
    out[i] =
        (unsigned char)((strchr(digits, text[2 * i]) - digits) << 4 | (strchr(digits, text[2 * i + 1]) - digits));
  return n / 2;
}

static void set_guid(lua_State *L, const char *key, const GUID *g) {
  char text[40];
  const unsigned char *d = g->Data4;
  snprintf(text, sizeof text, "{%08lx-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x}", (unsigned long)g->Data1,
           g->Data2, g->Data3, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]);
  luax_settext(L, key, text);
}

/* ---- Reading ---- */

/* t.host and t.port for the table on top. */
static void set_endpoint(lua_State *L, const struct sockaddr_storage *address, int with_host) {
  char text[ADDRESS_ROOM];
  unsigned short port = ((const struct sockaddr_in *)address)->sin_port; /* at the same place in both families */
  luax_setinteger(L, "port", (unsigned short)(port << 8 | port >> 8));
  if (!with_host) return;
  lua_pushlstring(L, text, http_address_text(address, text));
  lua_setfield(L, -2, "host");
}

static void set_key(lua_State *L, ssl_kind kind, const ssl_record *record, ULONG size) {
  struct sockaddr_storage address = {0};
  if (kind != IPPORT) {
    set_endpoint(L, &record->ccs.address, 0);
    if (kind != CCS) http_config_settext(L, "host", record->sni.key.host, record, size);
    return;
  }
  const void *at = record->ip.address;
  const struct sockaddr *head = http_config_within(L, at, sizeof(struct sockaddr_in), record, size);
  size_t length = head->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
  memcpy(&address, http_config_within(L, at, length, record, size), length);
  set_endpoint(L, &address, 1);
}

static void set_param(lua_State *L, const ssl_param *param, const void *record, ULONG size) {
  if (param->hash_size > 0)
    set_hex(L, "hash", http_config_within(L, param->hash, param->hash_size, record, size), param->hash_size);
  set_guid(L, "appid", &param->appid);
  lua_pushliteral(L, "MY"); /* what NULL means */
  lua_setfield(L, -2, "store");
  http_config_settext(L, "store", param->store, record, size);
  set_flags(L, checks, param->check_mode, "other_checks");
  luax_setinteger(L, "revocation_freshness_time", param->revocation_freshness);
  lua_pushnumber(L, param->url_retrieval / 1000.0);
  lua_setfield(L, -2, "url_retrieval_timeout");
  http_config_settext(L, "ctl_identifier", param->ctl_identifier, record, size);
  http_config_settext(L, "ctl_store", param->ctl_store, record, size);
  set_flags(L, flags, param->flags, "other_flags");
}

/* Pushes one record as a table; the answer to `request`. Returns 0 when there is none. */
static int push_record(lua_State *L, ssl_kind kind, ssl_request *request) {
  ULONG size;
  const ssl_record *record = http_config_query(L, shapes[kind].id, request, shapes[kind].request_size, &size);
  if (record == NULL) return 0;
  lua_createtable(L, 0, 32);
  set_key(L, kind, record, size);
  set_param(L, (const ssl_param *)(const void *)((const char *)record + shapes[kind].param), record, size);
  return 1;
}

/* records(kind) -> rows with host, port and the fields; nil when this Windows does not know the kind. It would start
 * the HTTP service.
 * https://learn.microsoft.com/windows/win32/api/http/ns-http-http_service_config_ssl_query */
static int sslcert_records(lua_State *L) {
  ssl_request request;
  luax_arguments(L, 1, 1);
  ssl_kind kind = check_kind(L);
  DWORD *token = (DWORD *)(void *)((char *)&request + shapes[kind].token);
  memset(&request, 0, sizeof request);
  request.type = HTTP_QUERY_NEXT;
  http_config_open(L);
  if (!http_config_knows(shapes[kind].id, &request, shapes[kind].request_size)) return 0;
  lua_newtable(L);
  int rows = lua_gettop(L);
  for (; push_record(L, kind, &request); ++*token, lua_settop(L, rows)) lua_rawseti(L, rows, (lua_Integer)*token + 1);
  lua_settop(L, rows);
  return 1;
}

/* ---- Making keys and records from the table at index 2; what they point to stays on the stack ---- */

static void read_key(lua_State *L, ssl_kind kind, sni_key *key) {
  ip_address address = {4, {0}, 0};
  memset(key, 0, sizeof *key);
  lua_getfield(L, 2, "port");
  unsigned short port = luax_checkport(L, -1, "port");
  lua_getfield(L, 2, "host");
  if (kind == IPPORT && !address_read(luax_checktext(L, -1, "address"), &address))
    luax_badvalue(L, -1, "address", "an IP address such as 0.0.0.0, 10.1.2.3 or ::");
  if (kind == HOSTNAMEPORT || kind == SCOPEDCCS) key->host = (wchar_t *)luax_checkwide(L, -1, "host", NULL);
  http_address_socket(&address, port, &key->address);
}

static wchar_t *text_field(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  return (wchar_t *)luax_optwide(L, -1, name);
}

/* A GUID of 32 digits, without braces and hyphens. */
static GUID read_guid(lua_State *L, const char *name) {
  unsigned char b[16] = {0};
  GUID g;
  if (read_hex(L, name, b, sizeof b) != sizeof b) luax_badvalue(L, -1, name, "a GUID");
  g.Data1 = (unsigned long)b[0] << 24 | (unsigned long)b[1] << 16 | (unsigned long)b[2] << 8 | b[3];
  g.Data2 = (unsigned short)(b[4] << 8 | b[5]);
  g.Data3 = (unsigned short)(b[6] << 8 | b[7]);
  memcpy(g.Data4, b + 8, 8);
  return g;
}

enum { LONGEST_HASH = 64 }; /* SHA-512; Windows takes SHA-1 */

static void read_param(lua_State *L, ssl_param *param) {
  param->hash = luax_buffer(L, LONGEST_HASH);
  param->hash_size = (ULONG)read_hex(L, "hash", param->hash, LONGEST_HASH);
  if (param->hash_size == 0) param->hash = NULL;
  param->appid = read_guid(L, "appid");
  param->store = text_field(L, "store");
  param->check_mode = read_flags(L, checks, "other_checks");
  param->revocation_freshness = number_field(L, "revocation_freshness_time");
  lua_getfield(L, 2, "url_retrieval_timeout");
  param->url_retrieval = (DWORD)(luaL_optnumber(L, -1, 0) * 1000 + 0.5);
  param->ctl_identifier = text_field(L, "ctl_identifier");
  param->ctl_store = text_field(L, "ctl_store");
  param->flags = read_flags(L, flags, "other_flags");
}

static void place_key(ssl_kind kind, sni_key *key, ssl_record *record) {
  if (kind == IPPORT) record->ip.address = (struct sockaddr *)&key->address;
  else if (kind == CCS) record->ccs.address = key->address;
  else record->sni.key = *key;
}

/* record(kind, {host=, port=}) -> one record, nil when there is none */
static int sslcert_record(lua_State *L) {
  ssl_request request;
  sni_key key;
  luax_arguments(L, 2, 2);
  ssl_kind kind = check_kind(L);
  memset(&request, 0, sizeof request);
  read_key(L, kind, &key);
  if (kind == IPPORT) request.ip.address = (struct sockaddr *)&key.address;
  else if (kind == CCS) request.ccs.address = key.address;
  else request.sni.key = key;
  http_config_open(L);
  request.type = HTTP_QUERY_NEXT; /* which ignores the key */
  http_config_require(L, shapes[kind].id, &request, shapes[kind].request_size);
  request.type = HTTP_QUERY_EXACT;
  return push_record(L, kind, &request);
}

/* ---- Changing ---- */

P80_NORETURN static void fail(lua_State *L, DWORD code) {
  const char *hint = NULL;
  if (code == ERROR_NO_SUCH_LOGON_SESSION)
    hint = "the certificate is not in that store of the local machine, or has no private key there";
  luax_failhint(L, luax_checktext(L, 3, "name"), code, hint);
}

/* Hands the record at index 2 to Windows: change(id, record, size). */
static DWORD change_record(lua_State *L, DWORD (*change)(http_record, void *, ULONG), int whole) {
  sni_key key;
  ssl_record record;
  luax_arguments(L, 3, 3);
  luaL_checkstack(L, 40, NULL);
  ssl_kind kind = check_kind(L);
  memset(&record, 0, sizeof record);
  read_key(L, kind, &key);
  place_key(kind, &key, &record);
  if (whole) read_param(L, (ssl_param *)(void *)((char *)&record + shapes[kind].param));
  http_config_open(L);
  return change(shapes[kind].id, &record, shapes[kind].record_size);
}

/* add(kind, record, name). ERROR_ALREADY_EXISTS when there is one: Windows overwrites none. */
static int sslcert_add(lua_State *L) {
  DWORD code = change_record(L, http_config_set, 1);
  if (code != NO_ERROR) fail(L, code);
  return 0;
}

/* update(kind, record, name): replaces a record at once, where Windows can.
 * https://learn.microsoft.com/windows/win32/api/http/nf-http-httpupdateserviceconfiguration */
static DWORD update(http_record id, void *record, ULONG size) {
  return win32.HttpUpdateServiceConfiguration(NULL, (int)id, record, size, NULL);
}

static int sslcert_update(lua_State *L) {
  winapi_load(L, "httpapi");
  winapi_require(L, "HttpUpdateServiceConfiguration");
  DWORD code = change_record(L, update, 1);
  if (code != NO_ERROR) fail(L, code);
  return 0;
}

/* delete(kind, record, name): if there is one; only its key counts. */
static int sslcert_delete(lua_State *L) {
  DWORD code = change_record(L, http_config_delete, 0);
  if (code != NO_ERROR && code != ERROR_FILE_NOT_FOUND) fail(L, code);
  return 0;
}

static const luaL_Reg reads[] = {
    {"records", sslcert_records}, {"record", sslcert_record}, {"named", sslcert_named}, {NULL, NULL}};
static const luaL_Reg writes[] = {
    {"add", sslcert_add}, {"update", sslcert_update}, {"delete", sslcert_delete}, {NULL, NULL}};

const luax_subject http_sslcert_subject = {"http.sslcert", reads, writes, "sslcert"};
