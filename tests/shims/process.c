/* P80_SHIM_COMMAND_LINES=1: NtQueryInformationProcess knows the command lines of processes (class 60), as from
 * Windows 8.1 on: UNICODE_STRING with its text behind it, STATUS_INFO_LENGTH_MISMATCH when there is no room. It says
 * "told: " in front, so that a test sees where p80 has it from. (System Informer's phnt/include/ntpsapi.h,
 * ProcessCommandLineInformation)
 * P80_SHIM_CRITICAL=1: every process is critical (class 29, ProcessBreakOnTermination, as
 * https://learn.microsoft.com/windows/win32/api/winternl/nf-winternl-ntqueryinformationprocess has it).
 * P80_SHIM_SESSIONS=1: session 1 is "Console".
 * https://learn.microsoft.com/windows/win32/api/wtsapi32/nf-wtsapi32-wtsquerysessioninformationw
 * P80_SHIM_HUNG=1: no window answers. */
#include <winternl.h>
#include <wtsapi32.h>
#include <string.h>

#include "shim.h"

static NTSTATUS tell_command_line(void *buffer, ULONG size) {
  static const wchar_t line[] = L"told: \"C:\\x y.exe\" z";
  static const NTSTATUS length_mismatch = (NTSTATUS)0xC0000004;
  UNICODE_STRING *out = buffer;
  if (size < sizeof *out + sizeof line) return length_mismatch;
  out->Buffer = memcpy(out + 1, line, sizeof line);
  out->Length = sizeof line - sizeof *line;
  out->MaximumLength = sizeof line;
  return 0;
}

static NTSTATUS NTAPI query_process(HANDLE process, PROCESSINFOCLASS class, PVOID buffer, ULONG size, PULONG needed) {
  enum { COMMAND_LINE = 60, BREAK_ON_TERMINATION = 29 };
  if ((int)class == COMMAND_LINE && shim_is_set("P80_SHIM_COMMAND_LINES", "1"))
    return tell_command_line(buffer, size);
  if ((int)class == BREAK_ON_TERMINATION && shim_is_set("P80_SHIM_CRITICAL", "1")) {
    *(ULONG *)buffer = 1;
    return 0;
  }
  return NtQueryInformationProcess(process, class, buffer, size, needed);
}

static BOOL WINAPI query_session(HANDLE server, DWORD session, WTS_INFO_CLASS class, LPWSTR *out, DWORD *bytes) {
  static const wchar_t name[] = L"Console";
  if (!shim_is_set("P80_SHIM_SESSIONS", "1")) return WTSQuerySessionInformationW(server, session, class, out, bytes);
  if (session != 1 || class != WTSWinStationName) {
    SetLastError(ERROR_FILE_NOT_FOUND);
    return FALSE;
  }
  *out = HeapAlloc(GetProcessHeap(), 0, sizeof name);
  memcpy(*out, name, sizeof name);
  *bytes = sizeof name;
  return TRUE;
}

static void WINAPI free_session(PVOID memory) {
  if (shim_is_set("P80_SHIM_SESSIONS", "1")) HeapFree(GetProcessHeap(), 0, memory);
  else WTSFreeMemory(memory);
}

static BOOL WINAPI is_hung(HWND window) { return shim_is_set("P80_SHIM_HUNG", "1") || IsHungAppWindow(window); }

const shim_replacement shim_process[] = {SHIM_REPLACE(NtQueryInformationProcess, query_process),
                                         SHIM_REPLACE(WTSQuerySessionInformationW, query_session),
                                         SHIM_REPLACE(WTSFreeMemory, free_session),
                                         SHIM_REPLACE(IsHungAppWindow, is_hung),
                                         {NULL, NULL}};
