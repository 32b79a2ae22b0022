/* P80_SHIM_SCM=1: what Wine's SCM leaves out, from what it does store (DependOnService in the registry):
 *   the dependencies in QueryServiceConfigW; they stay when ChangeServiceConfigW is given none
 *   EnumDependentServicesW: all that depend on a service, also by others, in the reverse of the order of starting
 *     https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-enumdependentservicesw
 *   no stop while a dependent runs: 1051
 *     https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-controlservice
 *   a start starts the dependencies first; 1068 when one cannot be, 1075 when one does not exist
 *     https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-startservicew
 *   `http` stops: the winedevice.exe that hosts it ends, and from then on it is shown as stopped. Wine's cannot stop.
 * P80_SHIM_SERVICES=n: EnumServicesStatusExW lists n services, page by page as Windows does
 *     https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-enumservicesstatusexw
 * P80_SHIM_SHARED=B:A: the running service B is shown in the process of A, as two of one svchost.exe are.
 * P80_SHIM_HTTP_STOP=hang: instead http stays in STOP_PENDING until the machine restarts, as Windows' does while a
 * process that is no dependent has \Device\Http open; further stops fail with 1061. */
#include <winsock2.h>
#include <windows.h>
#include <winternl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shim.h"

#define SERVICES L"SYSTEM\\CurrentControlSet\\Services"

enum { LONGEST_NAME = 257, MOST_HANDLES = 256, MOST_SERVICES = 64, LIST_UNITS = 2048 };

static int is_on(void) { return shim_is_set("P80_SHIM_SCM", "1"); }
static int is_http(const wchar_t *name) { return name && _wcsicmp(name, L"HTTP") == 0; }

static BOOL fail(DWORD code) {
  SetLastError(code);
  return FALSE;
}

/* ---- Which service a handle is for ---- */

static struct opened {
  SC_HANDLE handle;
  DWORD access;
  wchar_t name[LONGEST_NAME];
} opened[MOST_HANDLES];

static struct opened *find_opened(SC_HANDLE handle) {
  for (int i = 0; i < MOST_HANDLES; i++)
    if (opened[i].handle == handle) return &opened[i];
  return NULL;
}

static const wchar_t *name_of(SC_HANDLE service) {
  struct opened *found = find_opened(service);
  return found ? found->name : NULL;
}

const wchar_t *shim_service(SC_HANDLE handle, DWORD *access) {
  struct opened *found = handle ? find_opened(handle) : NULL;
  if (found) *access = found->access;
  return found ? found->name : NULL;
}

static SC_HANDLE WINAPI open_service(SC_HANDLE manager, LPCWSTR name, DWORD access) {
  SC_HANDLE handle = OpenServiceW(manager, name, access);
  struct opened *slot = handle ? find_opened(NULL) : NULL;
  if (slot == NULL || wcslen(name) >= LONGEST_NAME) return handle;
  slot->handle = handle;
  slot->access = access;
  wcscpy(slot->name, name);
  return handle;
}

static BOOL WINAPI close_service(SC_HANDLE handle) {
  struct opened *slot = handle ? find_opened(handle) : NULL;
  if (slot) slot->handle = NULL;
  return CloseServiceHandle(handle);
}

/* ---- Is http there? ---- */

typedef struct object_name {
  UNICODE_STRING text;
  wchar_t buffer[512];
} object_name;

typedef struct system_handles {
  ULONG_PTR count;
  ULONG_PTR reserved;
  struct {
    PVOID object;
    ULONG_PTR pid;
    ULONG_PTR handle;
    ULONG access;
    USHORT trace, type;
    ULONG attributes, unused;
  } rows[];
} system_handles;

NTSTATUS NTAPI NtOpenDirectoryObject(PHANDLE directory, ACCESS_MASK access, POBJECT_ATTRIBUTES attributes);

/* The driver makes the folder \Device\Http of the kernel's names, which goes when its process ends. */
static int http_runs(void) {
  wchar_t path[] = L"\\Device\\Http";
  UNICODE_STRING name = {sizeof path - sizeof *path, sizeof path, path};
  OBJECT_ATTRIBUTES attributes;
  HANDLE directory;
  InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE, NULL, NULL);
  if (NtOpenDirectoryObject(&directory, 1, &attributes) < 0) return 0;
  CloseHandle(directory);
  return 1;
}

static HKEY open_stuck(REGSAM access) {
  static const wchar_t path[] = L"SYSTEM\\p80-test-http-is-stopping";
  HKEY key = NULL;
  if (access == KEY_SET_VALUE)
    RegCreateKeyExW(HKEY_LOCAL_MACHINE, path, 0, NULL, REG_OPTION_VOLATILE, access | KEY_WOW64_64KEY, NULL, &key, NULL);
  else RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, access | KEY_WOW64_64KEY, &key);
  return key;
}

static int is_stuck(void) {
  HKEY key = open_stuck(KEY_QUERY_VALUE);
  if (key) RegCloseKey(key);
  return key != NULL;
}

/* The state of a service as Windows would show it. */
static DWORD true_state(const wchar_t *name, DWORD state) {
  if (!is_on() || !is_http(name)) return state;
  if (is_stuck()) return SERVICE_STOP_PENDING;
  return http_runs() ? state : SERVICE_STOPPED;
}

static int holds_http(HANDLE process, HANDLE handle) {
  HANDLE copy;
  object_name name = {.text = {0, 0, NULL}};
  if (!SHIM_REAL(DuplicateHandle)(process, handle, GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS)) return 0;
  NTSTATUS status = NtQueryObject(copy, (OBJECT_INFORMATION_CLASS)1, &name, sizeof name, NULL);
  CloseHandle(copy);
  return status >= 0 && name.text.Buffer && name.text.Length == 24 && wcsncmp(name.text.Buffer, L"\\Device\\Http", 12) == 0;
}

/* Ends the process that has the folder \Device\Http open. */
static void end_http(void) {
  enum { SIZE = 1 << 22, EXTENDED_HANDLES = 64 };
  system_handles *all = malloc(SIZE);
  if (all == NULL || NtQuerySystemInformation((SYSTEM_INFORMATION_CLASS)EXTENDED_HANDLES, all, SIZE, NULL) < 0) abort();
  for (ULONG_PTR i = 0; i < all->count && http_runs(); i++) {
    DWORD pid = (DWORD)all->rows[i].pid;
    HANDLE process = pid == GetCurrentProcessId() ? NULL : SHIM_REAL(OpenProcess)(PROCESS_ALL_ACCESS, FALSE, pid);
    if (process == NULL) continue;
    if (holds_http(process, (HANDLE)all->rows[i].handle)) {
      SHIM_REAL(TerminateProcess)(process, 0);
      WaitForSingleObject(process, 5000);
      for (int tries = 0; tries < 100 && http_runs(); tries++) Sleep(20);
    }
    CloseHandle(process);
  }
  free(all);
}

static BOOL stop_http(SERVICE_STATUS *status) {
  if (is_stuck()) return fail(ERROR_SERVICE_CANNOT_ACCEPT_CTRL);
  if (!http_runs()) return fail(ERROR_SERVICE_NOT_ACTIVE);
  int hangs = shim_is_set("P80_SHIM_HTTP_STOP", "hang");
  memset(status, 0, sizeof *status);
  status->dwServiceType = SERVICE_KERNEL_DRIVER;
  status->dwCurrentState = hangs ? SERVICE_STOP_PENDING : SERVICE_STOPPED;
  if (hangs) RegCloseKey(open_stuck(KEY_SET_VALUE));
  else end_http();
  return TRUE;
}

/* ---- States ---- */

static BOOL WINAPI query_status(SC_HANDLE service, SC_STATUS_TYPE level, LPBYTE out, DWORD size, LPDWORD needed) {
  if (!QueryServiceStatusEx(service, level, out, size, needed)) return FALSE;
  SERVICE_STATUS_PROCESS *status = (SERVICE_STATUS_PROCESS *)out;
  status->dwCurrentState = true_state(name_of(service), status->dwCurrentState);
  return TRUE;
}

/* Shows one service in the process of another. */
static void share_process(ENUM_SERVICE_STATUS_PROCESSW *rows, DWORD count) {
  wchar_t both[2 * LONGEST_NAME];
  DWORD n = GetEnvironmentVariableW(L"P80_SHIM_SHARED", both, 2 * LONGEST_NAME), pid = 0;
  wchar_t *colon = n > 0 && n < 2 * LONGEST_NAME ? wcschr(both, L':') : NULL;
  if (colon == NULL) return;
  *colon = 0;
  for (DWORD i = 0; i < count; i++)
    if (_wcsicmp(rows[i].lpServiceName, colon + 1) == 0) pid = rows[i].ServiceStatusProcess.dwProcessId;
  for (DWORD i = 0; i < count && pid; i++)
    if (_wcsicmp(rows[i].lpServiceName, both) == 0) rows[i].ServiceStatusProcess.dwProcessId = pid;
}

/* As many of `total` made-up services as fit, their texts from the end of the buffer downwards. */
static BOOL list_made_up(DWORD total, BYTE *out, DWORD size, DWORD *needed, DWORD *count, DWORD *resume) {
  enum { ROOM = 48 };
  ENUM_SERVICE_STATUS_PROCESSW *rows = (ENUM_SERVICE_STATUS_PROCESSW *)out;
  DWORD each = sizeof *rows + ROOM * sizeof(wchar_t), first = *resume, n = 0;
  wchar_t *text = (wchar_t *)(out + (size & ~7u));
  for (; first + n < total && (n + 1) * each <= size; n++) {
    memset(&rows[n], 0, sizeof *rows);
    text -= ROOM;
    rows[n].lpServiceName = text;
    rows[n].lpDisplayName = text + swprintf(text, ROOM, L"Service%lu", first + n) + 1;
    swprintf(rows[n].lpDisplayName, ROOM / 2, L"Made-up service %lu", first + n);
    rows[n].ServiceStatusProcess.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
    rows[n].ServiceStatusProcess.dwCurrentState = SERVICE_RUNNING;
    rows[n].ServiceStatusProcess.dwProcessId = 1000 + 4 * (first + n);
    rows[n].ServiceStatusProcess.dwControlsAccepted = SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN;
  }
  *count = n;
  *needed = (total - first - n) * each;
  *resume = *needed ? first + n : 0;
  return *needed ? fail(ERROR_MORE_DATA) : TRUE;
}

static BOOL WINAPI enumerate(SC_HANDLE manager, SC_ENUM_TYPE level, DWORD type, DWORD state, LPBYTE out, DWORD size,
                             LPDWORD needed, LPDWORD count, LPDWORD resume, LPCWSTR group) {
  DWORD made_up = shim_number("P80_SHIM_SERVICES");
  if (made_up) return list_made_up(made_up, out, size, needed, count, resume);
  if (!EnumServicesStatusExW(manager, level, type, state, out, size, needed, count, resume, group)) return FALSE;
  ENUM_SERVICE_STATUS_PROCESSW *rows = (ENUM_SERVICE_STATUS_PROCESSW *)out;
  DWORD kept = 0;
  for (DWORD i = 0; i < *count; i++) {
    DWORD *current = &rows[i].ServiceStatusProcess.dwCurrentState;
    *current = true_state(rows[i].lpServiceName, *current);
    if (state == SERVICE_ACTIVE && *current == SERVICE_STOPPED) continue;
    rows[kept++] = rows[i];
  }
  *count = kept;
  share_process(rows, kept);
  return TRUE;
}

static DWORD state_of(const wchar_t *name, SERVICE_STATUS *status) {
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
  SC_HANDLE service = OpenServiceW(manager, name, SERVICE_QUERY_STATUS);
  memset(status, 0, sizeof *status);
  if (service && QueryServiceStatus(service, status)) status->dwCurrentState = true_state(name, status->dwCurrentState);
  if (service) CloseServiceHandle(service);
  CloseServiceHandle(manager);
  return status->dwCurrentState; /* 0: there is no such service */
}

/* ---- Dependencies ---- */

/* One value of a service's key; an empty text or list when it is absent. */
static void read_list(const wchar_t *name, const wchar_t *value, wchar_t list[LIST_UNITS]) {
  HKEY services, key;
  DWORD size = (LIST_UNITS - 2) * sizeof(wchar_t);
  memset(list, 0, LIST_UNITS * sizeof(wchar_t));
  if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, SERVICES, 0, KEY_READ, &services)) return;
  if (RegOpenKeyExW(services, name, 0, KEY_READ, &key) == 0) {
    RegQueryValueExW(key, value, NULL, NULL, (BYTE *)list, &size);
    RegCloseKey(key);
  }
  RegCloseKey(services);
}

/* The names that a service depends on, as a multi-string; an empty one when there are none. */
static void read_dependencies(const wchar_t *name, wchar_t list[LIST_UNITS]) {
  read_list(name, L"DependOnService", list);
}

/* The same with the load order groups behind, each with a "+". */
static void read_all_dependencies(const wchar_t *name, wchar_t list[LIST_UNITS]) {
  wchar_t groups[LIST_UNITS], *end = list;
  read_dependencies(name, list);
  read_list(name, L"DependOnGroup", groups);
  while (*end) end += wcslen(end) + 1;
  for (wchar_t *group = groups; *group; group += wcslen(group) + 1) {
    if ((size_t)(end - list) + wcslen(group) + 3 > LIST_UNITS) abort();
    *end = L'+';
    wcscpy(end + 1, group);
    end += wcslen(end) + 1;
  }
  *end = 0;
}

static int depends_on(const wchar_t *name, const wchar_t *other) {
  wchar_t list[LIST_UNITS];
  read_dependencies(name, list);
  for (const wchar_t *entry = list; *entry; entry += wcslen(entry) + 1)
    if (_wcsicmp(entry, other) == 0) return 1;
  return 0;
}

typedef struct name_list {
  int count;
  wchar_t names[MOST_SERVICES][LONGEST_NAME];
} name_list;

static int has_name(const name_list *list, const wchar_t *name) {
  for (int i = 0; i < list->count; i++)
    if (_wcsicmp(list->names[i], name) == 0) return 1;
  return 0;
}

static void add_name(name_list *list, const wchar_t *name) {
  if (list->count < MOST_SERVICES) wcscpy(list->names[list->count++], name);
}

/* Adds all that depend on `name`, those that start last first. */
static void collect_dependents(const wchar_t *name, name_list *seen, name_list *found) {
  HKEY services;
  wchar_t other[LONGEST_NAME];
  DWORD length;
  if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, SERVICES, 0, KEY_READ, &services)) return;
  for (DWORD i = 0; length = LONGEST_NAME, RegEnumKeyExW(services, i, other, &length, NULL, NULL, NULL, NULL) == 0; i++) {
    if (has_name(seen, other) || !depends_on(other, name)) continue;
    add_name(seen, other);
    collect_dependents(other, seen, found);
    add_name(found, other);
  }
  RegCloseKey(services);
}

/* A new list of the dependents of a service; free it. */
static name_list *dependents_of(const wchar_t *name) {
  name_list *seen = calloc(1, sizeof *seen), *found = calloc(1, sizeof *found);
  if (seen == NULL || found == NULL) abort();
  collect_dependents(name, seen, found);
  free(seen);
  return found;
}

static int is_wanted(DWORD wanted, DWORD state) {
  return state != 0 && (wanted & (state == SERVICE_STOPPED ? SERVICE_INACTIVE : SERVICE_ACTIVE));
}

static BOOL WINAPI enumerate_dependents(SC_HANDLE service, DWORD state, LPENUM_SERVICE_STATUSW out, DWORD size,
                                        LPDWORD needed, LPDWORD count) {
  struct opened *slot = find_opened(service);
  if (!is_on() || slot == NULL) return EnumDependentServicesW(service, state, out, size, needed, count);
  if (!(slot->access & SERVICE_ENUMERATE_DEPENDENTS)) return fail(ERROR_ACCESS_DENIED);
  name_list *all = dependents_of(slot->name);
  ENUM_SERVICE_STATUSW rows[MOST_SERVICES] = {0};
  DWORD n = 0, bytes = 0;
  for (int i = 0; i < all->count; i++) {
    if (!is_wanted(state, state_of(all->names[i], &rows[n].ServiceStatus))) continue;
    rows[n++].lpServiceName = all->names[i];
    bytes += (DWORD)(sizeof *rows + (wcslen(all->names[i]) + 1) * sizeof(wchar_t));
  }
  *count = 0;
  *needed = bytes;
  if (bytes > size) {
    free(all);
    return fail(ERROR_MORE_DATA);
  }
  wchar_t *text = (wchar_t *)(out + n);
  for (DWORD i = 0; i < n; i++) {
    wcscpy(text, rows[i].lpServiceName);
    out[i] = rows[i];
    out[i].lpServiceName = out[i].lpDisplayName = text;
    text += wcslen(text) + 1;
  }
  *count = n;
  *needed = 0;
  free(all);
  return TRUE;
}

/* The real record with the dependencies behind it. */
static BOOL WINAPI query_config(SC_HANDLE service, LPQUERY_SERVICE_CONFIGW out, DWORD size, LPDWORD needed) {
  wchar_t list[LIST_UNITS];
  const wchar_t *name = name_of(service);
  if (!is_on() || name == NULL) return QueryServiceConfigW(service, out, size, needed);
  read_all_dependencies(name, list);
  DWORD units = 1;
  for (wchar_t *entry = list; *entry; entry += wcslen(entry) + 1) units += (DWORD)wcslen(entry) + 1;
  DWORD extra = units * (DWORD)sizeof(wchar_t);
  BOOL fits = QueryServiceConfigW(service, NULL, 0, needed);
  if (fits || GetLastError() != ERROR_INSUFFICIENT_BUFFER) return fits;
  DWORD own = (*needed + 1) & ~1u;
  *needed = own + extra;
  if (size < own + extra) return fail(ERROR_INSUFFICIENT_BUFFER);
  if (!QueryServiceConfigW(service, out, own, needed)) return FALSE;
  out->lpDependencies = (wchar_t *)((BYTE *)out + own);
  memcpy(out->lpDependencies, list, extra);
  return TRUE;
}

/* The raw value of a list. */
static void write_list(const wchar_t *name, const wchar_t *value, const wchar_t list[LIST_UNITS]) {
  HKEY services, key;
  const wchar_t *end = list;
  while (*end) end += wcslen(end) + 1;
  if (end == list || RegOpenKeyExW(HKEY_LOCAL_MACHINE, SERVICES, 0, KEY_READ, &services)) return;
  if (RegOpenKeyExW(services, name, 0, KEY_SET_VALUE, &key) == 0) {
    RegSetValueExW(key, value, 0, REG_MULTI_SZ, (const BYTE *)list, (DWORD)((size_t)(end + 1 - list) * sizeof *list));
    RegCloseKey(key);
  }
  RegCloseKey(services);
}

/* Without dependencies the old ones stay; Wine's go. */
static BOOL WINAPI change_config(SC_HANDLE service, DWORD type, DWORD start, DWORD error, LPCWSTR path, LPCWSTR group,
                                 LPDWORD tag, LPCWSTR needs, LPCWSTR account, LPCWSTR password, LPCWSTR display) {
  wchar_t services[LIST_UNITS], groups[LIST_UNITS];
  const wchar_t *name = name_of(service);
  int keeps = is_on() && name && needs == NULL;
  if (keeps) read_list(name, L"DependOnService", services);
  if (keeps) read_list(name, L"DependOnGroup", groups);
  BOOL done = ChangeServiceConfigW(service, type, start, error, path, group, tag, needs, account, password, display);
  DWORD code = GetLastError();
  if (keeps) write_list(name, L"DependOnService", services);
  if (keeps) write_list(name, L"DependOnGroup", groups);
  SetLastError(code);
  return done;
}

/* ---- Stopping and starting ---- */

static int has_running_dependent(const wchar_t *name) {
  SERVICE_STATUS status;
  name_list *all = dependents_of(name);
  int found = 0;
  for (int i = 0; i < all->count; i++) found |= is_wanted(SERVICE_ACTIVE, state_of(all->names[i], &status));
  free(all);
  return found;
}

static BOOL WINAPI control(SC_HANDLE service, DWORD code, LPSERVICE_STATUS status) {
  struct opened *slot = find_opened(service);
  if (!is_on() || slot == NULL || code != SERVICE_CONTROL_STOP) return ControlService(service, code, status);
  if (!(slot->access & SERVICE_STOP)) return fail(ERROR_ACCESS_DENIED);
  if (has_running_dependent(slot->name)) return fail(ERROR_DEPENDENT_SERVICES_RUNNING);
  return is_http(slot->name) ? stop_http(status) : ControlService(service, code, status);
}

static BOOL start_dependencies(const wchar_t *name, int depth);

/* Starts a service by name and waits for it. */
static BOOL start_named(const wchar_t *name, int depth) {
  SERVICE_STATUS status;
  DWORD state = state_of(name, &status);
  if (state == 0) return fail(ERROR_SERVICE_DEPENDENCY_DELETED);
  if (state == SERVICE_RUNNING) return TRUE;
  if (!start_dependencies(name, depth)) return FALSE;
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
  SC_HANDLE service = OpenServiceW(manager, name, SERVICE_START);
  BOOL started = service && StartServiceW(service, 0, NULL);
  if (service) CloseServiceHandle(service);
  CloseServiceHandle(manager);
  for (int tries = 0; started && tries < 200 && state_of(name, &status) != SERVICE_RUNNING; tries++) Sleep(50);
  return started && status.dwCurrentState == SERVICE_RUNNING ? TRUE : fail(ERROR_SERVICE_DEPENDENCY_FAIL);
}

static BOOL start_dependencies(const wchar_t *name, int depth) {
  wchar_t list[LIST_UNITS];
  if (depth > 10) return fail(ERROR_CIRCULAR_DEPENDENCY);
  read_dependencies(name, list);
  for (const wchar_t *entry = list; *entry; entry += wcslen(entry) + 1)
    if (!start_named(entry, depth + 1)) return FALSE;
  return TRUE;
}

static BOOL WINAPI start(SC_HANDLE service, DWORD count, LPCWSTR *words) {
  struct opened *slot = find_opened(service);
  if (!is_on() || slot == NULL || !(slot->access & SERVICE_START)) return StartServiceW(service, count, words);
  if (is_http(slot->name) && is_stuck()) return fail(ERROR_SERVICE_ALREADY_RUNNING);
  return start_dependencies(slot->name, 0) && StartServiceW(service, count, words);
}

const shim_replacement shim_scm[] = {SHIM_REPLACE(OpenServiceW, open_service),
                                     SHIM_REPLACE(CloseServiceHandle, close_service),
                                     SHIM_REPLACE(QueryServiceStatusEx, query_status),
                                     SHIM_REPLACE(EnumServicesStatusExW, enumerate),
                                     SHIM_REPLACE(EnumDependentServicesW, enumerate_dependents),
                                     SHIM_REPLACE(QueryServiceConfigW, query_config),
                                     SHIM_REPLACE(ChangeServiceConfigW, change_config),
                                     SHIM_REPLACE(ControlService, control),
                                     SHIM_REPLACE(StartServiceW, start),
                                     {NULL, NULL}};
