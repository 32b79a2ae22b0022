/* P80_SHIM_LINK=C:\link=C:\target: the first folder is a junction, which Wine has not: what is opened through it is,
 * by its final path, in the second.
 * https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-getfinalpathnamebyhandlew */
#include <string.h>

#include "shim.h"

DWORD WINAPI GetFinalPathNameByHandleW(HANDLE, LPWSTR, DWORD, DWORD);

enum { LONGEST = 1024 };

static DWORD WINAPI final_path(HANDLE file, LPWSTR out, DWORD room, DWORD flags) {
  wchar_t link[LONGEST], path[LONGEST] = L"\\\\?\\", real[LONGEST];
  DWORD n = GetEnvironmentVariableW(L"P80_SHIM_LINK", link, LONGEST);
  wchar_t *target = n > 0 && n < LONGEST ? wcschr(link, L'=') : NULL;
  DWORD length = GetFinalPathNameByHandleW(file, real, LONGEST, flags);
  size_t begins = target ? (size_t)(target - link) : 0;
  int is_through = length > 0 && length < LONGEST && begins > 0 && _wcsnicmp(real + 4, link, begins) == 0 &&
                   wcschr(L"\\", real[4 + begins]);
  if (!is_through) return GetFinalPathNameByHandleW(file, out, room, flags);
  wcscat(wcscat(path, target + 1), real + 4 + begins);
  length = (DWORD)wcslen(path);
  if (length >= room) return length + 1;
  wcscpy(out, path);
  return length;
}

const shim_replacement shim_links[] = {SHIM_REPLACE(GetFinalPathNameByHandleW, final_path), {NULL, NULL}};
