/* P80_SHIM_HTTP_CONFIG=1: the configuration of HTTP.SYS, which Wine only pretends to keep: certificates and numbers
 * (http_records.c), the IP listen list and the URL reservations, in the places of the registry where Windows keeps them, under
 * HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters: ListenOnlyList (REG_MULTI_SZ), and UrlAclInfo with one
 * value a URL (REG_BINARY, a self-relative security descriptor).
 * https://learn.microsoft.com/windows/win32/api/http/nf-http-httpsetserviceconfiguration
 * https://learn.microsoft.com/windows/win32/api/http/nf-http-httpdeleteserviceconfiguration
 * https://learn.microsoft.com/windows/win32/api/http/nf-http-httpqueryserviceconfiguration
 * https://learn.microsoft.com/windows/win32/api/http/nf-http-httpupdateserviceconfiguration
 * P80_SHIM_HTTP_IDS=n: records of kind n and above are unknown (ERROR_INVALID_PARAMETER), as before the Windows that
 * brings them, and nothing can be updated; on Windows Server 2003 (P80_SHIM_NT52=1) n is 3.
 * With P80_SHIM_HTTP_CONFIG=3 and =4 what is told of a certificate points out of the answer.
 * What a query of an empty listen list returns is not documented: a count of 0 here, with =2 ERROR_FILE_NOT_FOUND. */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <http.h>
#include <sddl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "http_records.h"
#include "shim.h"

#define PARAMETERS SHIM_HTTP_PARAMETERS

static int is_on(void) { return shim_number("P80_SHIM_HTTP_CONFIG") != 0; }

HKEY shim_http_key(const wchar_t *path) {
  HKEY key = NULL;
  RegCreateKeyExW(HKEY_LOCAL_MACHINE, path, 0, NULL, 0, KEY_ALL_ACCESS | KEY_WOW64_64KEY, NULL, &key, NULL);
  return key;
}

/* ---- The listen list: a multi-string ---- */

enum { LIST_UNITS = 8192 };

static void read_list(HKEY key, wchar_t list[LIST_UNITS]) {
  DWORD size = (LIST_UNITS - 2) * sizeof(wchar_t);
  memset(list, 0, LIST_UNITS * sizeof(wchar_t));
  RegQueryValueExW(key, L"ListenOnlyList", NULL, NULL, (BYTE *)list, &size);
}

static wchar_t *list_end(wchar_t *list) {
  while (*list) list += wcslen(list) + 1;
  return list;
}

static ULONG write_list(HKEY key, wchar_t *list) {
  size_t units = (size_t)(list_end(list) - list) + 1;
  return (ULONG)RegSetValueExW(key, L"ListenOnlyList", 0, REG_MULTI_SZ, (const BYTE *)list,
                               (DWORD)(units * sizeof *list));
}

static wchar_t *find_in_list(wchar_t *list, const wchar_t *address) {
  for (; *list; list += wcslen(list) + 1)
    if (_wcsicmp(list, address) == 0) return list;
  return NULL;
}

/* The address as text without a port. */
static ULONG address_text(const HTTP_SERVICE_CONFIG_IP_LISTEN_PARAM *param, wchar_t text[64]) {
  struct sockaddr_storage copy = {0};
  DWORD n = 64;
  if (param->pAddress == NULL || param->AddrLength > sizeof copy) return ERROR_INVALID_PARAMETER;
  memcpy(&copy, param->pAddress, param->AddrLength);
  int is_right = (copy.ss_family == AF_INET && param->AddrLength >= sizeof(struct sockaddr_in)) ||
                 (copy.ss_family == AF_INET6 && param->AddrLength >= sizeof(struct sockaddr_in6));
  if (!is_right) return ERROR_INVALID_PARAMETER;
  ((struct sockaddr_in *)&copy)->sin_port = 0; /* at the same place in both */
  return WSAAddressToStringW((struct sockaddr *)&copy, param->AddrLength, NULL, text, &n) ? ERROR_INVALID_PARAMETER : 0;
}

static ULONG change_list(HKEY key, const HTTP_SERVICE_CONFIG_IP_LISTEN_PARAM *param, int adds) {
  wchar_t list[LIST_UNITS], address[64];
  ULONG failed = address_text(param, address);
  if (failed) return failed;
  read_list(key, list);
  wchar_t *found = find_in_list(list, address);
  if (adds && found) return ERROR_ALREADY_EXISTS;
  if (!adds && !found) return ERROR_FILE_NOT_FOUND;
  if (adds) wcscpy(list_end(list), address); /* the rest of the list is zero */
  else memmove(found, found + wcslen(found) + 1, (size_t)((char *)(list + LIST_UNITS) - (char *)(found + wcslen(found) + 1)));
  return write_list(key, list);
}

static ULONG query_list(HKEY key, void *out, ULONG size, ULONG *needed) {
  wchar_t list[LIST_UNITS];
  HTTP_SERVICE_CONFIG_IP_LISTEN_QUERY *query = out;
  ULONG count = 0;
  read_list(key, list);
  for (wchar_t *entry = list; *entry; entry += wcslen(entry) + 1) count++;
  if (count == 0 && shim_number("P80_SHIM_HTTP_CONFIG") == 2) return ERROR_FILE_NOT_FOUND;
  ULONG all = (ULONG)(offsetof(HTTP_SERVICE_CONFIG_IP_LISTEN_QUERY, AddrList) + count * sizeof(SOCKADDR_STORAGE));
  if (needed) *needed = all;
  if (out == NULL || size < all) return ERROR_INSUFFICIENT_BUFFER;
  memset(out, 0, all);
  query->AddrCount = count;
  wchar_t *entry = list;
  for (ULONG i = 0; i < count; i++, entry += wcslen(entry) + 1) {
    INT length = sizeof(SOCKADDR_STORAGE);
    int family = wcschr(entry, L':') ? AF_INET6 : AF_INET;
    WSAStringToAddressW(entry, family, NULL, (struct sockaddr *)&query->AddrList[i], &length);
  }
  return NO_ERROR;
}

/* ---- URL reservations ---- */

/* scheme://host:port/path/ with http or https, a port and a slash at the end.
 * https://learn.microsoft.com/windows/win32/http/urlprefix-strings */
static int is_url(const wchar_t *url) {
  if (url == NULL) return 0;
  const wchar_t *host = wcsncmp(url, L"http://", 7) == 0 ? url + 7 : wcsncmp(url, L"https://", 8) == 0 ? url + 8 : NULL;
  if (host == NULL) return 0;
  const wchar_t *slash = wcschr(host, L'/'), *colon = NULL;
  for (const wchar_t *at = host; slash && at < slash; at++)
    if (*at == L':') colon = at;
  if (colon == NULL || colon == host) return 0;
  long port = wcstol(colon + 1, NULL, 10);
  return colon[1] != L'0' && port >= 1 && port <= 65535 && url[wcslen(url) - 1] == L'/';
}

static ULONG add_reservation(HKEY key, const HTTP_SERVICE_CONFIG_URLACL_SET *set) {
  PSECURITY_DESCRIPTOR descriptor;
  ULONG size;
  const wchar_t *url = set->KeyDesc.pUrlPrefix;
  if (RegQueryValueExW(key, url, NULL, NULL, NULL, NULL) == 0) return ERROR_ALREADY_EXISTS;
  if (set->ParamDesc.pStringSecurityDescriptor == NULL ||
      !ConvertStringSecurityDescriptorToSecurityDescriptorW(set->ParamDesc.pStringSecurityDescriptor, SDDL_REVISION_1,
                                                            &descriptor, &size))
    return ERROR_INVALID_PARAMETER;
  ULONG failed = (ULONG)RegSetValueExW(key, url, 0, REG_BINARY, descriptor, size);
  LocalFree(descriptor);
  return failed;
}

static ULONG change_reservation(HKEY key, const HTTP_SERVICE_CONFIG_URLACL_SET *set, int adds) {
  if (!is_url(set->KeyDesc.pUrlPrefix)) return ERROR_INVALID_PARAMETER;
  return adds ? add_reservation(key, set) : (ULONG)RegDeleteValueW(key, set->KeyDesc.pUrlPrefix);
}

/* The record into the caller's buffer, its strings behind it. */
static ULONG give_record(const wchar_t *url, const wchar_t *sddl, void *out, ULONG size, ULONG *needed) {
  HTTP_SERVICE_CONFIG_URLACL_SET *set = out;
  size_t url_units = wcslen(url) + 1, sddl_units = wcslen(sddl) + 1;
  ULONG all = (ULONG)(sizeof *set + (url_units + sddl_units) * sizeof(wchar_t));
  if (needed) *needed = all;
  if (out == NULL || size < all) return ERROR_INSUFFICIENT_BUFFER;
  set->KeyDesc.pUrlPrefix = (wchar_t *)(set + 1);
  set->ParamDesc.pStringSecurityDescriptor = set->KeyDesc.pUrlPrefix + url_units;
  memcpy(set->KeyDesc.pUrlPrefix, url, url_units * sizeof *url);
  memcpy(set->ParamDesc.pStringSecurityDescriptor, sddl, sddl_units * sizeof *sddl);
  return NO_ERROR;
}

/* The name and the descriptor of a reservation: the n-th, or that of query->KeyDesc. */
static ULONG read_reservation(HKEY key, const HTTP_SERVICE_CONFIG_URLACL_QUERY *query, wchar_t url[1024],
                              BYTE descriptor[8192]) {
  DWORD size = 8192, length = 1024;
  if (query->QueryDesc == HttpServiceConfigQueryNext) {
    if (RegEnumValueW(key, query->dwToken, url, &length, NULL, NULL, descriptor, &size)) return ERROR_NO_MORE_ITEMS;
    return NO_ERROR;
  }
  if (!is_url(query->KeyDesc.pUrlPrefix) || wcslen(query->KeyDesc.pUrlPrefix) >= 1024) return ERROR_INVALID_PARAMETER;
  wcscpy(url, query->KeyDesc.pUrlPrefix);
  return RegQueryValueExW(key, url, NULL, NULL, descriptor, &size) ? ERROR_FILE_NOT_FOUND : NO_ERROR;
}

static ULONG query_reservation(HKEY key, const HTTP_SERVICE_CONFIG_URLACL_QUERY *query, void *out, ULONG size,
                               ULONG *needed) {
  wchar_t url[1024], *sddl;
  BYTE descriptor[8192];
  ULONG failed = read_reservation(key, query, url, descriptor);
  if (failed) return failed;
  if (!ConvertSecurityDescriptorToStringSecurityDescriptorW(
          descriptor, SDDL_REVISION_1,
          OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, &sddl, NULL))
    return GetLastError();
  failed = give_record(url, sddl, out, size, needed);
  LocalFree(sddl);
  return failed;
}

/* ---- The functions ---- */

static int is_ssl(int id) { return id == 1 || id == 5 || id == 6 || id == 11; }
static int is_value(int id) { return id == 3 || id == 4 || id == 7; }

static int is_known(int id) {
  int end = shim_is_set("P80_SHIM_NT52", "1") ? 3 : (int)shim_number("P80_SHIM_HTTP_IDS");
  return end == 0 || id < end;
}

static ULONG change(int id, void *info, ULONG size, shim_verb verb) {
  int is_list = id == HttpServiceConfigIPListenList;
  if (!is_known(id)) return ERROR_INVALID_PARAMETER;
  if (is_ssl(id)) return shim_ssl_change(id, info, size, verb);
  if (is_value(id)) return shim_value_change(id, info, size, verb);
  if (!is_list && id != HttpServiceConfigUrlAclInfo) return ERROR_INVALID_PARAMETER;
  ULONG wanted = is_list ? sizeof(HTTP_SERVICE_CONFIG_IP_LISTEN_PARAM) : sizeof(HTTP_SERVICE_CONFIG_URLACL_SET);
  if (info == NULL || size < wanted || verb == SHIM_UPDATE) return ERROR_INVALID_PARAMETER;
  HKEY key = shim_http_key(is_list ? PARAMETERS : PARAMETERS L"\\UrlAclInfo");
  ULONG failed = is_list ? change_list(key, info, verb == SHIM_SET) : change_reservation(key, info, verb == SHIM_SET);
  RegCloseKey(key);
  return failed;
}

static ULONG WINAPI set_config(HANDLE service, HTTP_SERVICE_CONFIG_ID id, PVOID info, ULONG size, LPOVERLAPPED pending) {
  if (!is_on()) return HttpSetServiceConfiguration(service, id, info, size, pending);
  return change((int)id, info, size, SHIM_SET);
}

/* Wine has none to hand the call on to. */
static ULONG WINAPI update_config(HANDLE service, int id, PVOID info, ULONG size, LPOVERLAPPED pending) {
  (void)service, (void)pending;
  if (!is_on() || shim_number("P80_SHIM_HTTP_IDS") != 0) return ERROR_CALL_NOT_IMPLEMENTED;
  return change(id, info, size, SHIM_UPDATE);
}

static ULONG WINAPI delete_config(HANDLE service, HTTP_SERVICE_CONFIG_ID id, PVOID info, ULONG size,
                                  LPOVERLAPPED pending) {
  if (!is_on()) return HttpDeleteServiceConfiguration(service, id, info, size, pending);
  return change((int)id, info, size, SHIM_DELETE);
}

static ULONG query(int id, PVOID in, ULONG in_size, PVOID out, ULONG out_size, PULONG needed) {
  int is_list = id == HttpServiceConfigIPListenList;
  if (!is_known(id)) return ERROR_INVALID_PARAMETER;
  if (is_ssl(id)) return shim_ssl_query(id, in, in_size, out, out_size, needed);
  if (is_value(id)) return shim_value_query(id, in, in_size, out, out_size, needed);
  if (!is_list && id != HttpServiceConfigUrlAclInfo) return ERROR_INVALID_PARAMETER;
  if (!is_list && (in == NULL || in_size < sizeof(HTTP_SERVICE_CONFIG_URLACL_QUERY))) return ERROR_INVALID_PARAMETER;
  HKEY key = shim_http_key(is_list ? PARAMETERS : PARAMETERS L"\\UrlAclInfo");
  ULONG failed = is_list ? query_list(key, out, out_size, needed) : query_reservation(key, in, out, out_size, needed);
  RegCloseKey(key);
  return failed;
}

static ULONG WINAPI query_config(HANDLE service, HTTP_SERVICE_CONFIG_ID id, PVOID in, ULONG in_size, PVOID out,
                                 ULONG out_size, PULONG needed, LPOVERLAPPED pending) {
  if (!is_on()) return HttpQueryServiceConfiguration(service, id, in, in_size, out, out_size, needed, pending);
  return query((int)id, in, in_size, out, out_size, needed);
}

const shim_replacement shim_http_config[] = {SHIM_REPLACE(HttpSetServiceConfiguration, set_config),
                                             SHIM_REPLACE(HttpUpdateServiceConfiguration, update_config),
                                             SHIM_REPLACE(HttpDeleteServiceConfiguration, delete_config),
                                             SHIM_REPLACE(HttpQueryServiceConfiguration, query_config),
                                             {NULL, NULL}};
