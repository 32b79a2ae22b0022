#include "http_config.h"

#include <string.h>

#include "luax.h"
#include "winapi.h"

static const char subject[] = "HTTP.SYS configuration";

static void close_config(UINT_PTR value) {
  (void)value;
  win32.HttpTerminate(HTTP_INITIALIZE_CONFIG, NULL);
}

void http_config_open(lua_State *L) {
  HTTPAPI_VERSION version = {1, 0};
  winapi_load(L, "httpapi");
  luax_handle *opened = luax_newhandle(L, close_config);
  DWORD code = win32.HttpInitialize(version, HTTP_INITIALIZE_CONFIG, NULL);
  if (code != NO_ERROR) luax_fail(L, "HTTP", code);
  opened->value = 1;
}

/* ---- Versions ---- */

/* The Windows that brings a kind of record; NULL when every one has it.
 * https://learn.microsoft.com/windows/win32/api/http/ne-http-http_service_config_id */
static const char *since(http_record kind) {
  switch (kind) {
    case HTTP_TIMEOUT:
      return "Windows Vista or Windows Server 2008";
    case HTTP_CACHE:
      return "Windows 7 or Windows Server 2008 R2";
    case HTTP_SSLCERT_SNI:
    case HTTP_SSLCERT_CCS:
      return "Windows 8 or Windows Server 2012";
    case HTTP_SETTING:
    case HTTP_SSLCERT_SCOPED_CCS:
      return "some version of Windows 10 or its server (Microsoft does not say which)";
    default:
      return NULL;
  }
}

/* Windows has no other word for a kind that it does not know. */
static int is_unknown(http_record kind, DWORD code) {
  return since(kind) != NULL && (code == ERROR_INVALID_PARAMETER || code == ERROR_NOT_SUPPORTED);
}

/* ---- Queries ---- */

static DWORD query_once(http_record kind, void *query, ULONG query_size, void *answer, ULONG room, ULONG *needed) {
  *needed = 0;
  return win32.HttpQueryServiceConfiguration(NULL, (HTTP_SERVICE_CONFIG_ID)kind, query, query_size, answer, room,
                                             needed, NULL);
}

/* Room for a number; of a record it is too little, which does, too. */
int http_config_knows(http_record kind, void *query, ULONG query_size) {
  ULONG needed;
  ULONGLONG answer;
  return !is_unknown(kind, query_once(kind, query, query_size, &answer, sizeof answer, &needed));
}

void http_config_require(lua_State *L, http_record kind, void *query, ULONG query_size) {
  if (http_config_knows(kind, query, query_size)) return;
  luax_failhint(L, subject, ERROR_CALL_NOT_IMPLEMENTED, lua_pushfstring(L, "this needs %s", since(kind)));
}

void *http_config_query(lua_State *L, http_record kind, void *query, ULONG query_size, ULONG *size) {
  enum { FIRST = 4096, LARGEST = 1 << 28 };
  for (ULONG room = FIRST;;) {
    ULONG needed;
    void *answer = luax_buffer(L, room);
    DWORD code = query_once(kind, query, query_size, answer, room, &needed);
    if (code == NO_ERROR) {
      *size = room;
      return answer;
    }
    lua_pop(L, 1);
    if (code == ERROR_NO_MORE_ITEMS || code == ERROR_FILE_NOT_FOUND) break;
    if (code != ERROR_INSUFFICIENT_BUFFER && code != ERROR_MORE_DATA) luax_fail(L, subject, code);
    if (room >= LARGEST) luax_fail(L, subject, ERROR_NOT_ENOUGH_MEMORY);
    room = needed > room && needed < LARGEST ? needed : room * 2;
  }
  lua_pushnil(L);
  *size = 0;
  return NULL;
}

DWORD http_config_set(http_record kind, void *record, ULONG size) {
  return win32.HttpSetServiceConfiguration(NULL, (HTTP_SERVICE_CONFIG_ID)kind, record, size, NULL);
}

DWORD http_config_delete(http_record kind, void *record, ULONG size) {
  return win32.HttpDeleteServiceConfiguration(NULL, (HTTP_SERVICE_CONFIG_ID)kind, record, size, NULL);
}

/* ---- What is in an answer ---- */

const void *http_config_within(lua_State *L, const void *at, size_t room, const void *answer, ULONG size) {
  UINT_PTR begin = (UINT_PTR)answer, place = (UINT_PTR)at;
  if (place < begin || place > begin + size || room > begin + size - place) luax_fail(L, subject, ERROR_INVALID_DATA);
  return at;
}

void http_config_settext(lua_State *L, const char *key, const wchar_t *text, const void *answer, ULONG size) {
  if (text == NULL) return;
  http_config_within(L, text, sizeof *text, answer, size);
  size_t room = ((UINT_PTR)answer + size - (UINT_PTR)text) / sizeof *text, n = 0;
  while (n < room && text[n]) n++;
  if (n == room) luax_fail(L, subject, ERROR_INVALID_DATA);
  luax_pushwide(L, text, n);
  lua_setfield(L, -2, key);
}

/* ---- Socket addresses ---- */

size_t http_address_text(const struct sockaddr_storage *address, char text[ADDRESS_ROOM]) {
  if (address->ss_family == AF_INET)
    return address_write4((const unsigned char *)&((const struct sockaddr_in *)address)->sin_addr, text);
  if (address->ss_family != AF_INET6) return 0;
  const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)address;
  return address_write6((const unsigned char *)&ipv6->sin6_addr, ipv6->sin6_scope_id, text);
}

USHORT http_address_socket(const ip_address *address, unsigned short port, struct sockaddr_storage *out) {
  unsigned short network_order = (unsigned short)(port << 8 | port >> 8);
  memset(out, 0, sizeof *out);
  if (address->family == 4) {
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)out;
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = network_order;
    memcpy(&ipv4->sin_addr, address->bytes, 4);
    return sizeof *ipv4;
  }
  struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)out;
  ipv6->sin6_family = AF_INET6;
  ipv6->sin6_port = network_order;
  ipv6->sin6_scope_id = address->zone;
  memcpy(&ipv6->sin6_addr, address->bytes, 16);
  return sizeof *ipv6;
}
