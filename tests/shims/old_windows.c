/* P80_SHIM_NT52=1: Windows Server 2003 SP1 instead of what is there. The functions that winapi.h lists as newer (and
 * one that engine/crt_utf8.c looks for) are not found (tests/nt52/check-winapi sees to it that the list is right),
 * levels, classes and rights that came later are refused, and the version is 5.2.3790.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-queryserviceconfig2w (levels by version)
 * https://learn.microsoft.com/windows/win32/sysinfo/operating-system-version
 * https://learn.microsoft.com/windows/win32/procthread/process-security-and-access-rights */
#include <string.h>

#include "shim.h"
#include "winapi.h"

static int is_on(void) { return shim_is_set("P80_SHIM_NT52", "1"); }

#define EVERYWHERE(name)
#define NEWER(since, type, name, parameters) #name,
#define NAMES(dll, list) list(EVERYWHERE, NEWER)

int shim_is_hidden(const char *name) {
  static const char *const newer[] = {WINAPI_DLLS(NAMES) "CreateSymbolicLinkW", NULL};
  if (!is_on()) return 0;
  for (int i = 0; newer[i]; i++)
    if (strcmp(newer[i], name) == 0) return 1;
  return 0;
}

static BOOL WINAPI token_information(HANDLE token, TOKEN_INFORMATION_CLASS class, LPVOID out, DWORD size,
                                     PDWORD needed) {
  if (!is_on() || class <= TokenOrigin) return GetTokenInformation(token, class, out, size, needed);
  SetLastError(ERROR_INVALID_PARAMETER);
  return FALSE;
}

static HANDLE WINAPI open_process(DWORD access, BOOL inherit, DWORD pid) {
  if (!is_on() || (access & PROCESS_QUERY_LIMITED_INFORMATION) == 0)
    return SHIM_REAL(OpenProcess)(access, inherit, pid);
  SetLastError(ERROR_ACCESS_DENIED);
  return NULL;
}

static NTSTATUS WINAPI get_version(PRTL_OSVERSIONINFOW info) {
  NTSTATUS status = RtlGetVersion(info);
  if (!is_on()) return status;
  info->dwMajorVersion = 5;
  info->dwMinorVersion = 2;
  info->dwBuildNumber = 3790;
  wcscpy(info->szCSDVersion, L"Service Pack 1");
  if (info->dwOSVersionInfoSize >= sizeof(RTL_OSVERSIONINFOEXW)) {
    RTL_OSVERSIONINFOEXW *more = (RTL_OSVERSIONINFOEXW *)info;
    more->wServicePackMajor = 1;
    more->wServicePackMinor = 0;
    more->wProductType = VER_NT_SERVER;
  }
  return status;
}

const shim_replacement shim_old_windows[] = {SHIM_REPLACE(GetTokenInformation, token_information),
                                             SHIM_REPLACE(OpenProcess, open_process),
                                             SHIM_REPLACE(RtlGetVersion, get_version),
                                             {NULL, NULL}};
