/* P80_SHIM_MODULES=1: the modules that made endpoints, and when, which Wine does not know: the image of the process
 * that owns one, the system for pid 4, none for an owner that is not known; and when that process began.
 * https://learn.microsoft.com/windows/win32/api/iphlpapi/nf-iphlpapi-getownermodulefromtcpentry */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <iphlpapi.h>
#include <string.h>

#include "shim.h"

BOOL WINAPI QueryFullProcessImageNameW(HANDLE, DWORD, LPWSTR, PDWORD);

enum { LONGEST = 1024 };

static DWORD image_of(DWORD pid, wchar_t path[LONGEST]) {
  DWORD size = LONGEST;
  if (pid == 4) {
    wcscpy(path, L"System");
    return NO_ERROR;
  }
  HANDLE process = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, pid);
  if (process == NULL) return ERROR_NOT_FOUND;
  BOOL known = QueryFullProcessImageNameW(process, 0, path, &size);
  CloseHandle(process);
  return known ? NO_ERROR : ERROR_PARTIAL_COPY;
}

/* The structure with the two texts behind it. */
static DWORD give_module(DWORD pid, void *buffer, DWORD *size) {
  wchar_t path[LONGEST];
  if (!shim_is_set("P80_SHIM_MODULES", "1")) return ERROR_NOT_FOUND;
  DWORD failed = image_of(pid, path);
  if (failed) return failed;
  const wchar_t *slash = wcsrchr(path, L'\\'), *name = slash ? slash + 1 : path;
  size_t path_size = (wcslen(path) + 1) * sizeof *path, name_size = (wcslen(name) + 1) * sizeof *name;
  DWORD given = *size;
  *size = (DWORD)(sizeof(TCPIP_OWNER_MODULE_BASIC_INFO) + path_size + name_size);
  if (buffer == NULL || given < *size) return ERROR_INSUFFICIENT_BUFFER;
  TCPIP_OWNER_MODULE_BASIC_INFO *info = buffer;
  info->pModulePath = memcpy(info + 1, path, path_size);
  info->pModuleName = memcpy((char *)(info + 1) + path_size, name, name_size);
  return NO_ERROR;
}

#define MODULE_OF(function, row_type)                                                           \
  static DWORD WINAPI function(const row_type *row, int class, void *buffer, DWORD *size) {     \
    return class == TCPIP_OWNER_MODULE_INFO_BASIC ? give_module(row->dwOwningPid, buffer, size) \
                                                  : ERROR_INVALID_PARAMETER;                    \
  }
MODULE_OF(of_tcp, MIB_TCPROW_OWNER_MODULE)
MODULE_OF(of_tcp6, MIB_TCP6ROW_OWNER_MODULE)
MODULE_OF(of_udp, MIB_UDPROW_OWNER_MODULE)
MODULE_OF(of_udp6, MIB_UDP6ROW_OWNER_MODULE)

/* ---- When ---- */

static LARGE_INTEGER began(DWORD pid) {
  FILETIME created = {0, 0}, ended, kernel, user;
  HANDLE process = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, pid);
  if (process) {
    GetProcessTimes(process, &created, &ended, &kernel, &user);
    CloseHandle(process);
  }
  return (LARGE_INTEGER){.LowPart = created.dwLowDateTime, .HighPart = (LONG)created.dwHighDateTime};
}

#define SET_CREATED(table_type)                                   \
  for (DWORD i = 0; i < ((table_type *)table)->dwNumEntries; i++) \
    ((table_type *)table)->table[i].liCreateTimestamp = began(((table_type *)table)->table[i].dwOwningPid);

void shim_set_created_tcp(void *table, ULONG family) {
  if (!shim_is_set("P80_SHIM_MODULES", "1")) return;
  if (family == AF_INET) SET_CREATED(MIB_TCPTABLE_OWNER_MODULE)
  else SET_CREATED(MIB_TCP6TABLE_OWNER_MODULE)
}

static DWORD WINAPI get_udp_table(void *table, DWORD *size, BOOL sorted, ULONG family, UDP_TABLE_CLASS class,
                                  ULONG reserved) {
  DWORD failed = GetExtendedUdpTable(table, size, sorted, family, class, reserved);
  if (failed || table == NULL || class != UDP_TABLE_OWNER_MODULE || !shim_is_set("P80_SHIM_MODULES", "1"))
    return failed;
  if (family == AF_INET) SET_CREATED(MIB_UDPTABLE_OWNER_MODULE)
  else SET_CREATED(MIB_UDP6TABLE_OWNER_MODULE)
  return failed;
}

const shim_replacement shim_modules[] = {
    SHIM_REPLACE(GetOwnerModuleFromTcpEntry, of_tcp), SHIM_REPLACE(GetOwnerModuleFromTcp6Entry, of_tcp6),
    SHIM_REPLACE(GetOwnerModuleFromUdpEntry, of_udp), SHIM_REPLACE(GetOwnerModuleFromUdp6Entry, of_udp6),
    SHIM_REPLACE(GetExtendedUdpTable, get_udp_table), {NULL, NULL}};
