/* P80_SHIM_SECURITY=C:\path|SDDL: the file or folder has this security descriptor. Wine makes one up from the mode
 * that the file has here, which knows three accounts. (Windows keeps it in the file.)
 * https://learn.microsoft.com/windows/win32/api/aclapi/nf-aclapi-getsecurityinfo */
#include "shim.h"

#include <aclapi.h>
#include <sddl.h>
#include <wchar.h>

typedef DWORD(WINAPI *final_path)(HANDLE, LPWSTR, DWORD, DWORD);

/* The descriptor that the variable gives the open file, or NULL. */
static const wchar_t *given_security(HANDLE handle, wchar_t *variable, DWORD room) {
  wchar_t path[MAX_PATH + 8];
  final_path get =
      (final_path)(void (*)(void))GetProcAddress(GetModuleHandleW(L"kernel32"), "GetFinalPathNameByHandleW");
  DWORD n = GetEnvironmentVariableW(L"P80_SHIM_SECURITY", variable, room);
  wchar_t *bar = n > 0 && n < room ? wcschr(variable, L'|') : NULL;
  if (bar == NULL || get(handle, path, MAX_PATH, 0) == 0) return NULL;
  *bar = 0;
  return _wcsicmp(path + 4, variable) == 0 ? bar + 1 : NULL; /* behind \\?\ */
}

static DWORD WINAPI get_security_info(HANDLE handle, SE_OBJECT_TYPE type, SECURITY_INFORMATION parts, PSID *owner,
                                      PSID *group, PACL *list, PACL *audit, PSECURITY_DESCRIPTOR *descriptor) {
  wchar_t variable[1024];
  const wchar_t *sddl = given_security(handle, variable, 1024);
  BOOL present, defaulted;
  if (sddl == NULL) return GetSecurityInfo(handle, type, parts, owner, group, list, audit, descriptor);
  if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, SDDL_REVISION_1, descriptor, NULL))
    return GetLastError();
  GetSecurityDescriptorOwner(*descriptor, owner, &defaulted);
  *list = NULL;
  GetSecurityDescriptorDacl(*descriptor, &present, list, &defaulted);
  return ERROR_SUCCESS;
}

const shim_replacement shim_file_security[] = {SHIM_REPLACE(GetSecurityInfo, get_security_info), {NULL, NULL}};
