/* The HTTP Server API's configuration calls, for one kind of record a file.
 *
 * The structures are p80's own: those of the SDKs differ in what they have. Sizes as documented in http.h.
 * https://learn.microsoft.com/windows/win32/http/http-server-api-version-1-0-structures */
#ifndef P80_HTTP_CONFIG_H
#define P80_HTTP_CONFIG_H

#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <lua.h>
#include <stddef.h>

#include "address.h"

/* ---- Structures ----
 * HTTP_SERVICE_CONFIG_ID and HTTP_SERVICE_CONFIG_..._KEY, _PARAM, _SET and _QUERY */

typedef enum http_record {
  HTTP_IPLISTEN = 0,
  HTTP_SSLCERT = 1,
  HTTP_URLACL = 2,
  HTTP_TIMEOUT = 3,
  HTTP_CACHE = 4,
  HTTP_SSLCERT_SNI = 5,
  HTTP_SSLCERT_CCS = 6,
  HTTP_SETTING = 7,
  HTTP_SSLCERT_SCOPED_CCS = 11
} http_record;

typedef enum http_query_type { HTTP_QUERY_EXACT, HTTP_QUERY_NEXT } http_query_type;

typedef struct listen_param {
  USHORT length;
  struct sockaddr *address;
} listen_param;

typedef struct listen_list {
  ULONG count;
  struct sockaddr_storage addresses[1];
} listen_list;

typedef struct urlacl_set {
  wchar_t *url;
  wchar_t *sddl;
} urlacl_set;

typedef struct urlacl_query {
  int type;
  wchar_t *url;
  DWORD token;
} urlacl_query;

/* HTTP_SERVICE_CONFIG_TIMEOUT_SET, whose number has 16 bits, _CACHE_SET and _SETTING_SET */
typedef struct value_set {
  int key;
  ULONG number;
} value_set;

typedef struct ssl_param {
  ULONG hash_size;
  void *hash;
  GUID appid;
  wchar_t *store;
  DWORD check_mode;
  DWORD revocation_freshness; /* seconds */
  DWORD url_retrieval;        /* milliseconds */
  wchar_t *ctl_identifier;
  wchar_t *ctl_store;
  DWORD flags;
} ssl_param;

typedef struct ssl_set {
  struct sockaddr *address;
  ssl_param param;
} ssl_set;

typedef struct ssl_query {
  int type;
  struct sockaddr *address;
  DWORD token;
} ssl_query;

typedef struct sni_key {
  struct sockaddr_storage address; /* 0.0.0.0 with the port */
  wchar_t *host;
} sni_key;

typedef struct sni_set {
  sni_key key;
  ssl_param param;
} sni_set;

typedef struct sni_query {
  int type;
  sni_key key;
  DWORD token;
} sni_query;

typedef struct ccs_set {
  struct sockaddr_storage address; /* 0.0.0.0 with the port */
  ssl_param param;
} ccs_set;

typedef struct ccs_query {
  int type;
  struct sockaddr_storage address;
  DWORD token;
} ccs_query;

#define HTTP_SIZE(type, x86, x64) _Static_assert(sizeof(type) == (sizeof(void *) == 8 ? x64 : x86), #type)
#define HTTP_OFFSET(type, field, x86, x64) \
  _Static_assert(offsetof(type, field) == (sizeof(void *) == 8 ? x64 : x86), #type "." #field)
HTTP_SIZE(listen_param, 8, 16);
HTTP_OFFSET(listen_list, addresses, 8, 8);
HTTP_SIZE(urlacl_set, 8, 16);
HTTP_SIZE(urlacl_query, 12, 24);
HTTP_SIZE(value_set, 8, 8);
HTTP_SIZE(ssl_param, 52, 80);
HTTP_OFFSET(ssl_param, appid, 8, 16);
HTTP_OFFSET(ssl_param, store, 24, 32);
HTTP_OFFSET(ssl_param, ctl_identifier, 40, 56);
HTTP_OFFSET(ssl_param, flags, 48, 72);
HTTP_SIZE(ssl_set, 56, 88);
HTTP_SIZE(ssl_query, 12, 24);
HTTP_SIZE(sni_set, 192, 216);
HTTP_OFFSET(sni_set, param, 136, 136);
HTTP_SIZE(sni_query, 152, 152);
HTTP_OFFSET(sni_query, key, 8, 8);
HTTP_OFFSET(sni_query, token, 144, 144);
HTTP_SIZE(ccs_set, 184, 208);
HTTP_OFFSET(ccs_set, param, 128, 128);
HTTP_SIZE(ccs_query, 144, 144);
HTTP_OFFSET(ccs_query, token, 136, 136);
#undef HTTP_SIZE
#undef HTTP_OFFSET

/* ---- Calls ---- */

/* Opens the configuration until the running C function ends (+1). This starts the HTTP service when it does not run:
 * the Lua halves ask the SCM first.
 * https://learn.microsoft.com/windows/win32/api/http/nf-http-httpinitialize */
void http_config_open(lua_State *L);

/* What Windows answers to a query (+1, a userdata that holds it), and the size of that; NULL (and nil) at the end of
 * an enumeration or when there is no such record.
 * https://learn.microsoft.com/windows/win32/api/http/nf-http-httpqueryserviceconfiguration */
void *http_config_query(lua_State *L, http_record kind, void *query, ULONG query_size, ULONG *size);

/* Whether this Windows knows a kind of record, asked with a query that is right; the other raises an error that names
 * the version which brings it. */
int http_config_knows(http_record kind, void *query, ULONG query_size);
void http_config_require(lua_State *L, http_record kind, void *query, ULONG query_size);

/* Stores and deletes a record; return Windows' code.
 * https://learn.microsoft.com/windows/win32/api/http/nf-http-httpsetserviceconfiguration
 * https://learn.microsoft.com/windows/win32/api/http/nf-http-httpdeleteserviceconfiguration */
DWORD http_config_set(http_record kind, void *record, ULONG size);
DWORD http_config_delete(http_record kind, void *record, ULONG size);

/* ---- What is in an answer ---- */

/* `at`, which must have `room` bytes within the answer; raises when Windows gave something else. */
const void *http_config_within(lua_State *L, const void *at, size_t room, const void *answer, ULONG size);
/* Sets t[key] to the text at `text`, which must lie and end within the answer, for the table on top; NULL: no field.
 */
void http_config_settext(lua_State *L, const char *key, const wchar_t *text, const void *answer, ULONG size);

/* ---- Socket addresses ---- */

/* Writes the text of one, without its port; 0 when it is of no known family. */
size_t http_address_text(const struct sockaddr_storage *address, char text[ADDRESS_ROOM]);
/* Makes one; returns its length. */
USHORT http_address_socket(const ip_address *address, unsigned short port, struct sockaddr_storage *out);

#endif
