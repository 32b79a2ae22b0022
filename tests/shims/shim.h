/* Shims: p80-shim.exe is p80.exe's own objects with these beside them. They stand in for what Wine lacks, as
 * Microsoft documents it, and make calls fail. Everything is off until an environment variable asks for it:
 *
 *   P80_SHIM_FAIL=Name:N[+][:code],...   the N-th call of Name (with +: that and all later ones) fails with the
 *                                        Win32 error code (31; for WriteFile and FlushFileBuffers 112)
 *                                        (then P80_SHIM_STRUCK is set in the process, to the name)
 *   P80_SHIM_KILL=Name:N[:after],...     the process ends at once before (or after) the N-th call of Name
 *   P80_SHIM_HANG=Name:N[+],...          the N-th call of Name never returns
 *   P80_SHIM_COUNT=file                  at its end the process writes "Name calls" lines there
 *   P80_SHIM_CLOCK=1                     every second time Windows' counter is asked, it is a second behind
 *   P80_SHIM_HTTP_CONFIG=1|2             http_config.c   (2: another answer for an empty listen list;
 *                                        3, 4: answers that are not what they should be)
 *   P80_SHIM_HTTP_IDS=n                  http_config.c: records of kind n and above are unknown
 *   P80_SHIM_SCM=1                       scm.c, scm_config.c
 *   P80_SHIM_SERVICES=n                  scm.c: that many services are listed
 *   P80_SHIM_SHARED=B:A                  scm.c: the service B is shown in the process of A
 *   P80_SHIM_HTTP_STOP=hang              scm.c: http stays in STOP_PENDING when it is stopped
 *   P80_SHIM_TCP_OWNER=1                 tcp_table.c
 *   P80_SHIM_TCP_ROWS=n                  tcp_table.c
 *   P80_SHIM_TCP_CLOSE=1                 tcp_table.c
 *   P80_SHIM_MODULES=1                   modules.c
 *   P80_SHIM_EVENTS=1                    event_log.c     (then P80_SHIM_QUERY is the last query)
 *   P80_SHIM_NT52=1                      old_windows.c, scm_config.c
 *   P80_SHIM_COMMAND_LINES=1, _CRITICAL=1, _SESSIONS=1, _HUNG=1   process.c
 *   P80_SHIM_TRUST=1                     trust.c
 *   P80_SHIM_UNELEVATED=1                token.c
 *   P80_SHIM_SECURITY=path|SDDL          file_security.c
 *   P80_SHIM_DRIVE=X:n                   file_security.c: drive X is of that type (2: removable)
 *   P80_SHIM_DEVICE=X:=target            file_security.c: what drive X stands for
 *   P80_SHIM_LINK=C:\a=C:\b               links.c
 *
 * How: p80 imports from kernel32 alone and finds all else with GetProcAddress. An object that defines the pointer
 * __imp_NAME takes the place of that one import, so intercept.c puts a wrapper around GetProcAddress, which hands
 * out wrappers, and around the imports listed here. A name in P80_SHIM_FAIL, _KILL or _HANG that is in neither list
 * ends the process with exit code 99. */
#ifndef P80_SHIM_H
#define P80_SHIM_H

#include <winsock2.h>
#include <windows.h>

#include "compiler.h"

/* What a call that is made to fail returns. */
typedef enum shim_failure {
  LAST_ERROR,   /* 0, and SetLastError */
  LAST_INVALID, /* -1, and SetLastError */
  CODE,         /* the code */
  STATUS        /* the code as an NTSTATUS */
} shim_failure;

/* name, number of arguments in words, failure: what p80 finds with GetProcAddress ... */
#define SHIM_FOUND(F)                                                                                              \
  F(OpenSCManagerW, 3, LAST_ERROR) F(OpenServiceW, 3, LAST_ERROR) F(CloseServiceHandle, 1, LAST_ERROR)             \
  F(EnumServicesStatusExW, 10, LAST_ERROR) F(QueryServiceConfigW, 4, LAST_ERROR)                                   \
  F(QueryServiceConfig2W, 5, LAST_ERROR) F(QueryServiceStatusEx, 5, LAST_ERROR)                                    \
  F(ChangeServiceConfigW, 11, LAST_ERROR) F(ChangeServiceConfig2W, 3, LAST_ERROR)                                  \
  F(StartServiceW, 3, LAST_ERROR) F(ControlService, 3, LAST_ERROR) F(EnumDependentServicesW, 6, LAST_ERROR)        \
  F(GetServiceKeyNameW, 4, LAST_ERROR) F(CreateServiceW, 13, LAST_ERROR) F(DeleteService, 1, LAST_ERROR)            \
  F(QueryServiceObjectSecurity, 5, LAST_ERROR) F(SetServiceObjectSecurity, 3, LAST_ERROR)                          \
  F(NotifyServiceStatusChangeW, 3, CODE)                                                                           \
  F(RegOpenKeyExW, 5, CODE) F(RegCreateKeyExW, 9, CODE) F(RegCloseKey, 1, CODE) F(RegQueryValueExW, 6, CODE)       \
  F(RegSetValueExW, 6, CODE) F(RegDeleteValueW, 2, CODE) F(RegDeleteKeyW, 2, CODE) F(RegDeleteKeyExW, 4, CODE)     \
  F(RegConnectRegistryW, 3, CODE) F(RegNotifyChangeKeyValue, 5, CODE) F(RegSaveKeyExW, 4, CODE)                   \
  F(RegLoadKeyW, 3, CODE) F(RegUnLoadKeyW, 2, CODE) F(RegGetKeySecurity, 4, CODE) F(RegSetKeySecurity, 3, CODE)    \
  F(GetSecurityDescriptorOwner, 3, LAST_ERROR) F(GetSecurityDescriptorDacl, 4, LAST_ERROR) F(NtDeleteKey, 1, STATUS) \
  F(RegEnumKeyExW, 8, CODE) F(RegEnumValueW, 8, CODE) F(RegQueryInfoKeyW, 12, CODE) F(RegFlushKey, 1, CODE)        \
  F(OpenProcessToken, 3, LAST_ERROR) F(GetTokenInformation, 5, LAST_ERROR)                                         \
  F(LookupPrivilegeValueW, 3, LAST_ERROR) F(AdjustTokenPrivileges, 6, LAST_ERROR)                                  \
  F(ConvertSidToStringSidW, 2, LAST_ERROR) F(LookupAccountNameW, 7, LAST_ERROR) F(LookupAccountSidW, 7, LAST_ERROR)                                         \
  F(CheckTokenMembership, 3, LAST_ERROR) F(GetNamedSecurityInfoW, 8, CODE) F(GetSecurityInfo, 8, CODE)                                         \
  F(ConvertStringSecurityDescriptorToSecurityDescriptorW, 4, LAST_ERROR)                                           \
  F(ConvertSecurityDescriptorToStringSecurityDescriptorW, 5, LAST_ERROR)                                           \
  F(WSAStartup, 2, CODE) F(socket, 3, LAST_INVALID) F(bind, 3, LAST_INVALID) F(setsockopt, 5, LAST_INVALID)        \
  F(connect, 3, LAST_INVALID) F(send, 4, LAST_INVALID) F(recv, 4, LAST_INVALID)                                    \
  F(WSAEventSelect, 3, LAST_INVALID) F(WSAEnumNetworkEvents, 3, LAST_INVALID)                                      \
  F(GetExtendedTcpTable, 6, CODE) F(GetExtendedUdpTable, 6, CODE) F(SetTcpEntry, 1, CODE)                          \
  F(GetOwnerModuleFromTcpEntry, 4, CODE) F(GetOwnerModuleFromTcp6Entry, 4, CODE)                                   \
  F(GetOwnerModuleFromUdpEntry, 4, CODE) F(GetOwnerModuleFromUdp6Entry, 4, CODE)                                   \
  F(GetProcessImageFileNameW, 3, LAST_ERROR)                                       \
  F(GetFinalPathNameByHandleW, 4, LAST_ERROR) F(QueryFullProcessImageNameW, 4, LAST_ERROR) F(SHGetFolderPathW, 5, STATUS)                                      \
  F(HttpInitialize, 3, CODE) F(HttpTerminate, 2, CODE) F(HttpSetServiceConfiguration, 5, CODE)                     \
  F(HttpDeleteServiceConfiguration, 5, CODE) F(HttpQueryServiceConfiguration, 8, CODE)                             \
  F(OpenEventLogW, 2, LAST_ERROR) F(CloseEventLog, 1, LAST_ERROR) F(ReadEventLogW, 7, LAST_ERROR)                  \
  F(RegisterEventSourceW, 2, LAST_ERROR) F(DeregisterEventSource, 1, LAST_ERROR) F(ReportEventW, 9, LAST_ERROR)    \
  F(EvtQuery, 4, LAST_ERROR) F(EvtNext, 6, LAST_ERROR) F(EvtCreateRenderContext, 3, LAST_ERROR)                    \
  F(EvtRender, 7, LAST_ERROR) F(EvtOpenPublisherMetadata, 5, LAST_ERROR) F(EvtFormatMessage, 9, LAST_ERROR)        \
  F(EvtClose, 1, LAST_ERROR)                                                                                       \
  F(HttpUpdateServiceConfiguration, 5, CODE)                                                                       \
  F(NtQuerySystemInformation, 4, STATUS) F(NtQueryObject, 5, STATUS) F(RtlGetVersion, 1, STATUS) \
  F(CoInitializeEx, 2, STATUS) F(CoCreateInstance, 5, STATUS) F(SysAllocString, 1, LAST_ERROR) \
  F(NtQueryInformationProcess, 5, STATUS) F(WTSQuerySessionInformationW, 5, LAST_ERROR) F(WTSFreeMemory, 1, CODE)    \
  F(IsHungAppWindow, 1, LAST_ERROR) F(EnumWindows, 2, LAST_ERROR)                                          \
  F(WinVerifyTrust, 3, STATUS) F(WTHelperProvDataFromStateData, 1, LAST_ERROR)                                      \
  F(WTHelperGetProvSignerFromChain, 4, LAST_ERROR) F(WTHelperGetProvCertFromChain, 2, LAST_ERROR)                   \
  F(CertGetNameStringW, 6, LAST_ERROR) F(CryptCATAdminAcquireContext, 3, LAST_ERROR)                                \
  F(CryptCATAdminAcquireContext2, 5, LAST_ERROR) F(CryptCATAdminCalcHashFromFileHandle, 4, LAST_ERROR)              \
  F(CryptCATAdminCalcHashFromFileHandle2, 5, LAST_ERROR) F(CryptCATAdminEnumCatalogFromHash, 5, LAST_ERROR)         \
  F(CryptCATCatalogInfoFromContext, 3, LAST_ERROR) F(CryptCATAdminReleaseCatalogContext, 3, LAST_ERROR)             \
  F(CryptCATAdminReleaseContext, 2, LAST_ERROR) F(GetFileVersionInfoSizeW, 2, LAST_ERROR)                           \
  F(GetFileVersionInfoW, 4, LAST_ERROR) F(VerQueryValueW, 4, LAST_ERROR)

/* ... and what it imports from kernel32 (others pass untouched) */
#define SHIM_IMPORTED(F)                                                                                           \
  F(CreateFileW, 7, LAST_INVALID) F(WriteFile, 5, LAST_ERROR) F(ReadFile, 5, LAST_ERROR)                           \
  F(FlushFileBuffers, 1, LAST_ERROR) F(GetFileSizeEx, 2, LAST_ERROR) F(CreateDirectoryW, 2, LAST_ERROR)            \
  F(DeleteFileW, 1, LAST_ERROR) F(MoveFileExW, 3, LAST_ERROR) F(FindFirstFileW, 2, LAST_INVALID)                   \
  F(GetFileAttributesW, 1, LAST_INVALID) F(CreateMutexW, 3, LAST_ERROR) F(CreateEventW, 4, LAST_ERROR)             \
  F(CreateThread, 6, LAST_ERROR) F(CreatePipe, 4, LAST_ERROR) F(CreateProcessW, 10, LAST_ERROR)                    \
  F(OpenProcess, 3, LAST_ERROR) F(TerminateProcess, 2, LAST_ERROR) F(DuplicateHandle, 7, LAST_ERROR)               \
  F(LoadLibraryW, 1, LAST_ERROR) F(ProcessIdToSessionId, 2, LAST_ERROR) F(GetProcessTimes, 5, LAST_ERROR)        \
  F(ReadProcessMemory, 5, LAST_ERROR) \
  F(CreateNamedPipeW, 8, LAST_INVALID) F(CreateJobObjectW, 2, LAST_ERROR)                                          \
  F(AssignProcessToJobObject, 2, LAST_ERROR) F(SetInformationJobObject, 4, LAST_ERROR)                             \
  F(ResumeThread, 1, LAST_INVALID) F(GetExitCodeProcess, 2, LAST_ERROR)                                            \
  F(GetDriveTypeW, 1, LAST_ERROR) F(QueryDosDeviceW, 3, LAST_ERROR)

#define SHIM_INDEX(name, words, failure) SHIM_##name,
enum { SHIM_FOUND(SHIM_INDEX) SHIM_IMPORTED(SHIM_INDEX) SHIM_FUNCTIONS };
#undef SHIM_INDEX

/* What stands in for a function of the first list while its variable is set; it calls the real one by its name.
 * Each file has an array of them, ended by a NULL name. */
typedef struct shim_replacement {
  const char *name;
  FARPROC function;
} shim_replacement;
#define SHIM_REPLACE(name, function) {#name, (FARPROC)(void (*)(void))(function)}

extern const shim_replacement shim_http_config[], shim_scm[], shim_scm_config[], shim_tcp_table[], shim_old_windows[],
    shim_process[],
    shim_trust[], shim_event_log[], shim_token[], shim_modules[], shim_links[], shim_file_security[];

/* modules.c: writes when they were made into the rows of a table with modules. */
void shim_set_created_tcp(void *table, ULONG family);

/* The name of the service that a handle is for, and the rights that it was opened with; NULL for another handle. */
const wchar_t *shim_service(SC_HANDLE handle, DWORD *access);

/* Whether GetProcAddress must not find `name`. */
int shim_is_hidden(const char *name);

/* The number in an environment variable, 0 when it is not set; shim_is_set for one that is not a number. */
unsigned long shim_number(const char *variable);
int shim_is_set(const char *variable, const char *value);

/* The name of a function, and how often it was called since P80_SHIM_FAIL, _KILL or _HANG changed. */
const char *shim_calls(int index, long *calls);

/* The real function of the second list. */
FARPROC shim_real(int index);
#define SHIM_REAL(name) ((P80_TYPEOF(name) *)(void (*)(void))shim_real(SHIM_##name))

#endif
