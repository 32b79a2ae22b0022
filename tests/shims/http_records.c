/* For http_config.c: certificates and numbers of HTTP.SYS.
 *
 * Certificates are kept where Windows keeps them, below HTTP\Parameters: SslBindingInfo\<address:port>,
 * SslSniBindingInfo\{GUID} with HostnamePort, SslCcsBindingInfo\<port>, each with SslCertHash, AppId,
 * SslCertStoreName, DefaultSslCertCheckMode, DefaultFlags and so on. Not documented, and therefore of this shim's own
 * making: the key of scoped CCS, the kind of HostnamePort (REG_SZ), and where the numbers are ("P80Shim <id> <key>").
 * https://learn.microsoft.com/windows/win32/api/http/ns-http-http_service_config_ssl_param
 * https://learn.microsoft.com/windows/win32/api/http/ns-http-http_service_config_ssl_sni_key
 * A certificate hash of zeros is one that the store does not have: ERROR_NO_SUCH_LOGON_SESSION. */
#include "http_records.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "http_config.h"
#include "shim.h"

/* ---- Certificates ---- */

enum { NAME_UNITS = 320 };

/* Where a binding is: the folder of its kind, the name of its key, and HostnamePort where there is one. */
typedef struct place {
  wchar_t folder[128];
  wchar_t name[NAME_UNITS];
  wchar_t host_port[NAME_UNITS];
} place;

static int has_host(int id) { return id == HTTP_SSLCERT_SNI || id == HTTP_SSLCERT_SCOPED_CCS; }
static int is_central(int id) { return id == HTTP_SSLCERT_CCS || id == HTTP_SSLCERT_SCOPED_CCS; }

static const wchar_t *folder_of(int id) {
  if (id == HTTP_SSLCERT) return SHIM_HTTP_PARAMETERS L"\\SslBindingInfo";
  if (id == HTTP_SSLCERT_SNI) return SHIM_HTTP_PARAMETERS L"\\SslSniBindingInfo";
  if (id == HTTP_SSLCERT_CCS) return SHIM_HTTP_PARAMETERS L"\\SslCcsBindingInfo";
  return SHIM_HTTP_PARAMETERS L"\\SslScopedCcsBindingInfo";
}

static unsigned port_of(const void *address) {
  unsigned short port = ((const struct sockaddr_in *)address)->sin_port;
  return (unsigned)(port >> 8 | (port & 0xFF) << 8);
}

/* A name by which a host and port are found again. */
static void name_host(place *p) {
  unsigned sum = 2166136261u;
  for (const wchar_t *at = p->host_port; *at; at++) sum = (sum ^ *at) * 16777619u;
  swprintf(p->name, NAME_UNITS, L"{%08x-0000-0000-0000-000000000000}", sum);
}

static ULONG find_place(int id, const struct sockaddr *address, const wchar_t *host, place *p) {
  memset(p, 0, sizeof *p);
  wcscpy(p->folder, folder_of(id));
  if (address == NULL || port_of(address) == 0) return ERROR_INVALID_PARAMETER;
  if (id == HTTP_SSLCERT) {
    DWORD units = NAME_UNITS;
    DWORD length = address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (address->sa_family != AF_INET && address->sa_family != AF_INET6) return ERROR_INVALID_PARAMETER;
    return WSAAddressToStringW((struct sockaddr *)address, length, NULL, p->name, &units) ? ERROR_INVALID_PARAMETER
                                                                                          : 0;
  }
  if (address->sa_family != AF_INET || ((const struct sockaddr_in *)address)->sin_addr.s_addr != 0)
    return ERROR_INVALID_PARAMETER;
  if (!has_host(id)) {
    swprintf(p->name, NAME_UNITS, L"%u", port_of(address));
    return NO_ERROR;
  }
  if (host == NULL || *host == 0 || wcslen(host) > 255) return ERROR_INVALID_PARAMETER;
  swprintf(p->host_port, NAME_UNITS, L"%ls:%u", host, port_of(address));
  name_host(p);
  return NO_ERROR;
}

static ULONG place_of(int id, const void *set, place *p) {
  const ssl_set *ip = set;
  const sni_set *sni = set;
  if (id == HTTP_SSLCERT) return find_place(id, ip->address, NULL, p);
  return find_place(id, (const struct sockaddr *)&sni->key.address, has_host(id) ? sni->key.host : NULL, p);
}

static const ssl_param *param_of(int id, const void *set) {
  if (id == HTTP_SSLCERT) return &((const ssl_set *)set)->param;
  return id == HTTP_SSLCERT_CCS ? &((const ccs_set *)set)->param : &((const sni_set *)set)->param;
}

static ULONG size_of(int id) {
  return id == HTTP_SSLCERT ? sizeof(ssl_set) : id == HTTP_SSLCERT_CCS ? sizeof(ccs_set) : sizeof(sni_set);
}

static void put_text(HKEY key, const wchar_t *name, const wchar_t *text) {
  if (text) RegSetValueExW(key, name, 0, REG_SZ, (const BYTE *)text, (DWORD)((wcslen(text) + 1) * sizeof *text));
}

static void put_number(HKEY key, const wchar_t *name, DWORD number) {
  RegSetValueExW(key, name, 0, REG_DWORD, (const BYTE *)&number, sizeof number);
}

static void put_record(HKEY key, const place *p, const ssl_param *param) {
  if (*p->host_port) put_text(key, L"HostnamePort", p->host_port);
  if (param->hash_size) RegSetValueExW(key, L"SslCertHash", 0, REG_BINARY, param->hash, param->hash_size);
  RegSetValueExW(key, L"AppId", 0, REG_BINARY, (const BYTE *)&param->appid, sizeof param->appid);
  put_text(key, L"SslCertStoreName", param->store);
  put_number(key, L"DefaultSslCertCheckMode", param->check_mode);
  put_number(key, L"DefaultSslRevocationFreshnessTime", param->revocation_freshness);
  put_number(key, L"DefaultSslRevocationUrlRetrievalTimeout", param->url_retrieval);
  put_text(key, L"DefaultSslCtlIdentifier", param->ctl_identifier);
  put_text(key, L"DefaultSslCtlStoreName", param->ctl_store);
  put_number(key, L"DefaultFlags", param->flags);
}

static ULONG check_param(int id, const ssl_param *param) {
  static const BYTE zeros[20];
  if (is_central(id)) return param->hash_size == 0 && param->hash == NULL ? NO_ERROR : ERROR_INVALID_PARAMETER;
  if (param->hash_size != sizeof zeros || param->hash == NULL) return ERROR_INVALID_PARAMETER;
  return memcmp(param->hash, zeros, sizeof zeros) == 0 ? ERROR_NO_SUCH_LOGON_SESSION : NO_ERROR;
}

static int has_key(HKEY folder, const wchar_t *name) {
  HKEY key;
  if (RegOpenKeyExW(folder, name, 0, KEY_READ, &key)) return 0;
  RegCloseKey(key);
  return 1;
}

ULONG shim_ssl_change(int id, void *info, ULONG size, shim_verb verb) {
  place p;
  if (info == NULL || size < size_of(id)) return ERROR_INVALID_PARAMETER;
  ULONG failed = place_of(id, info, &p);
  if (!failed && verb != SHIM_DELETE) failed = check_param(id, param_of(id, info));
  if (failed) return failed;
  HKEY folder = shim_http_key(p.folder), key;
  int is_there = has_key(folder, p.name);
  if (is_there && verb == SHIM_SET) failed = ERROR_ALREADY_EXISTS;
  if (!is_there && verb != SHIM_SET) failed = ERROR_FILE_NOT_FOUND;
  if (!failed && is_there) failed = (ULONG)RegDeleteKeyW(folder, p.name);
  if (!failed && verb != SHIM_DELETE) {
    RegCreateKeyExW(folder, p.name, 0, NULL, 0, KEY_ALL_ACCESS, NULL, &key, NULL);
    put_record(key, &p, param_of(id, info));
    RegCloseKey(key);
  }
  RegCloseKey(folder);
  return failed;
}

/* ---- Reading them ---- */

/* An answer that grows from the end of the fixed part; nothing is written past `room`. */
typedef struct answer {
  BYTE *bytes;
  ULONG room, used;
} answer;

/* Room for `n` bytes: where they go, or NULL when they do not fit. */
static void *take(answer *a, ULONG n) {
  ULONG begin = (a->used + 7) & ~7u;
  a->used = begin + n;
  return a->bytes && a->used <= a->room ? a->bytes + begin : NULL;
}

static void *take_value(answer *a, HKEY key, const wchar_t *name, ULONG *size) {
  BYTE bytes[1024];
  DWORD n = sizeof bytes;
  if (size) *size = 0;
  if (RegQueryValueExW(key, name, NULL, NULL, bytes, &n)) return NULL;
  if (size) *size = n;
  void *copy = take(a, n);
  if (copy) memcpy(copy, bytes, n);
  return copy;
}

static DWORD get_number(HKEY key, const wchar_t *name) {
  DWORD number = 0, n = sizeof number;
  RegQueryValueExW(key, name, NULL, NULL, (BYTE *)&number, &n);
  return number;
}

static void get_param(answer *a, HKEY key, ssl_param *param) {
  DWORD n = sizeof param->appid;
  param->hash = take_value(a, key, L"SslCertHash", &param->hash_size);
  RegQueryValueExW(key, L"AppId", NULL, NULL, (BYTE *)&param->appid, &n);
  param->store = take_value(a, key, L"SslCertStoreName", NULL);
  param->check_mode = get_number(key, L"DefaultSslCertCheckMode");
  param->revocation_freshness = get_number(key, L"DefaultSslRevocationFreshnessTime");
  param->url_retrieval = get_number(key, L"DefaultSslRevocationUrlRetrievalTimeout");
  param->ctl_identifier = take_value(a, key, L"DefaultSslCtlIdentifier", NULL);
  param->ctl_store = take_value(a, key, L"DefaultSslCtlStoreName", NULL);
  param->flags = get_number(key, L"DefaultFlags");
}

static void get_any_address(struct sockaddr_storage *out, const wchar_t *port) {
  unsigned number = (unsigned)wcstoul(port, NULL, 10);
  struct sockaddr_in *address = (struct sockaddr_in *)out;
  address->sin_family = AF_INET;
  address->sin_port = (unsigned short)(number >> 8 | (number & 0xFF) << 8);
}

static void get_ip_key(answer *a, const wchar_t *name, ssl_set *set) {
  struct sockaddr_storage address = {0};
  INT length = sizeof address;
  WSAStringToAddressW((wchar_t *)name, *name == L'[' ? AF_INET6 : AF_INET, NULL, (struct sockaddr *)&address,
                      &length);
  set->address = take(a, (ULONG)length);
  if (set->address) memcpy(set->address, &address, (size_t)length);
}

static void get_host_key(answer *a, HKEY key, sni_set *set) {
  wchar_t text[NAME_UNITS] = {0};
  DWORD n = sizeof text - sizeof *text;
  RegQueryValueExW(key, L"HostnamePort", NULL, NULL, (BYTE *)text, &n);
  wchar_t *colon = wcsrchr(text, L':');
  get_any_address(&set->key.address, colon ? colon + 1 : L"0");
  if (colon) *colon = 0;
  n = (DWORD)((wcslen(text) + 1) * sizeof *text);
  set->key.host = take(a, n);
  if (set->key.host) memcpy(set->key.host, text, n);
}

static ULONG give(int id, HKEY key, const wchar_t *name, answer *a) {
  union {
    ssl_set ip;
    sni_set sni;
    ccs_set ccs;
  } set;
  memset(&set, 0, sizeof set);
  take(a, size_of(id));
  if (id == HTTP_SSLCERT) get_ip_key(a, name, &set.ip);
  else if (has_host(id)) get_host_key(a, key, &set.sni);
  else get_any_address(&set.ccs.address, name);
  get_param(a, key, (ssl_param *)param_of(id, &set));
  if (shim_number("P80_SHIM_HTTP_CONFIG") == 3) ((ssl_param *)param_of(id, &set))->hash_size = 0x40000000;
  if (shim_number("P80_SHIM_HTTP_CONFIG") == 4) ((ssl_param *)param_of(id, &set))->store = (wchar_t *)&set;
  if (a->bytes == NULL || a->used > a->room) return ERROR_INSUFFICIENT_BUFFER;
  memcpy(a->bytes, &set, size_of(id));
  return NO_ERROR;
}

/* The name of the key that is asked for. */
static ULONG find_name(int id, const void *in, ULONG in_size, HKEY folder, wchar_t name[NAME_UNITS]) {
  place p;
  const ssl_query *ip = in;
  const sni_query *sni = in;
  const ccs_query *ccs = in;
  ULONG wanted = id == HTTP_SSLCERT ? sizeof *ip : has_host(id) ? sizeof *sni : sizeof *ccs;
  if (in == NULL || in_size < wanted) return ERROR_INVALID_PARAMETER;
  if (*(const int *)in == HTTP_QUERY_NEXT) {
    DWORD token = id == HTTP_SSLCERT ? ip->token : has_host(id) ? sni->token : ccs->token, units = NAME_UNITS;
    return RegEnumKeyExW(folder, token, name, &units, NULL, NULL, NULL, NULL) ? ERROR_NO_MORE_ITEMS : NO_ERROR;
  }
  const struct sockaddr *address = id == HTTP_SSLCERT ? ip->address : (const struct sockaddr *)&ccs->address;
  ULONG failed = find_place(id, address, has_host(id) ? sni->key.host : NULL, &p);
  wcscpy(name, p.name);
  return failed;
}

ULONG shim_ssl_query(int id, void *in, ULONG in_size, void *out, ULONG out_size, ULONG *needed) {
  wchar_t name[NAME_UNITS];
  HKEY folder = NULL, key;
  RegOpenKeyExW(HKEY_LOCAL_MACHINE, folder_of(id), 0, KEY_READ | KEY_WOW64_64KEY, &folder);
  ULONG failed = find_name(id, in, in_size, folder, name);
  if (!failed && RegOpenKeyExW(folder, name, 0, KEY_READ, &key)) failed = ERROR_FILE_NOT_FOUND;
  if (!failed) {
    answer a = {out, out_size, 0};
    failed = give(id, key, name, &a);
    if (needed) *needed = a.used;
    RegCloseKey(key);
  }
  if (folder) RegCloseKey(folder);
  return failed;
}

/* ---- Numbers ----
 * https://learn.microsoft.com/windows/win32/api/http/nf-http-httpqueryserviceconfiguration: only a timeout answers
 * ERROR_MORE_DATA. The timeouts' default is that of HTTP_TIMEOUT_LIMIT_INFO. */

static void name_value(int id, int key, wchar_t name[64]) { swprintf(name, 64, L"P80Shim %d %d", id, key); }

static int is_key(int id, int key) { return id == HTTP_SETTING ? key == 1 : key == 0 || key == 1; }

ULONG shim_value_change(int id, void *info, ULONG size, shim_verb verb) {
  wchar_t name[64];
  const value_set *set = info;
  ULONG wanted = verb == SHIM_DELETE && id == HTTP_TIMEOUT ? sizeof(int) : sizeof(value_set);
  if (info == NULL || size != wanted || verb == SHIM_UPDATE || !is_key(id, set->key)) return ERROR_INVALID_PARAMETER;
  if (verb == SHIM_DELETE && id == HTTP_CACHE) return ERROR_INVALID_PARAMETER;
  name_value(id, set->key, name);
  HKEY key = shim_http_key(SHIM_HTTP_PARAMETERS);
  ULONG failed = NO_ERROR;
  if (verb == SHIM_DELETE) failed = (ULONG)RegDeleteValueW(key, name);
  else put_number(key, name, id == HTTP_TIMEOUT ? set->number & 0xFFFF : set->number);
  RegCloseKey(key);
  return failed;
}

ULONG shim_value_query(int id, void *in, ULONG in_size, void *out, ULONG out_size, ULONG *needed) {
  wchar_t name[64];
  ULONG size = id == HTTP_TIMEOUT ? sizeof(USHORT) : sizeof(ULONG);
  DWORD number = id == HTTP_TIMEOUT ? 120 : 262144, n = sizeof number;
  if (in == NULL || in_size != sizeof(int) || !is_key(id, *(int *)in)) return ERROR_INVALID_PARAMETER;
  name_value(id, *(int *)in, name);
  HKEY key = shim_http_key(SHIM_HTTP_PARAMETERS);
  int is_set = RegQueryValueExW(key, name, NULL, NULL, (BYTE *)&number, &n) == ERROR_SUCCESS;
  RegCloseKey(key);
  if (!is_set && id == HTTP_SETTING) return ERROR_FILE_NOT_FOUND;
  if (needed) *needed = size;
  if (out == NULL || out_size < size) return id == HTTP_TIMEOUT ? ERROR_MORE_DATA : ERROR_INSUFFICIENT_BUFFER;
  memcpy(out, &number, size);
  return NO_ERROR;
}
