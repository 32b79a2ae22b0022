/* P80_SHIM_SECURITY=C:\path|SDDL: the file or folder has this security descriptor. Wine makes one up from the mode
 * that the file has here, which knows three accounts. (Windows keeps it in the file.)
 * https://learn.microsoft.com/windows/win32/api/aclapi/nf-aclapi-getsecurityinfo
 *
 * P80_SHIM_DRIVE=X:n: what GetDriveTypeW says of drive X. Wine has no removable one here.
 * https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-getdrivetypew
 *
 * P80_SHIM_DEVICE=X:=\??\C:\folder: what drive X stands for, as after subst, which in Wine ends with its process.
 * https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-querydosdevicew */
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

static UINT WINAPI drive_type(LPCWSTR root) {
  wchar_t given[8];
  DWORD n = GetEnvironmentVariableW(L"P80_SHIM_DRIVE", given, 8);
  if (n == 3 && root && given[0] == root[0]) return (UINT)(given[2] - L'0');
  return SHIM_REAL(GetDriveTypeW)(root);
}

static DWORD WINAPI query_device(LPCWSTR drive, LPWSTR out, DWORD room) {
  wchar_t given[1024];
  DWORD n = GetEnvironmentVariableW(L"P80_SHIM_DEVICE", given, 1024);
  if (n <= 3 || n >= 1024 || drive == NULL || given[0] != drive[0])
    return SHIM_REAL(QueryDosDeviceW)(drive, out, room);
  DWORD length = n - 3 + 2; /* two zeros at the end */
  if (room < length) {
    SetLastError(ERROR_INSUFFICIENT_BUFFER);
    return 0;
  }
  wcscpy(out, given + 3);
  out[length - 1] = 0;
  return length;
}

const shim_replacement shim_file_security[] = {SHIM_REPLACE(GetSecurityInfo, get_security_info),
                                               SHIM_REPLACE(GetDriveTypeW, drive_type),
                                               SHIM_REPLACE(QueryDosDeviceW, query_device),
                                               {NULL, NULL}};
