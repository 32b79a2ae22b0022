/* Functions that p80 finds at run time, from System32 only: everything outside kernel32 and msvcrt. That keeps
 * the start of a script that needs none of them as quick as a plain C program's, lets the program load on
 * Windows Server 2003, and leaves no DLL to be planted beside it.
 *
 * A subject calls winapi_load for its DLLs when it is opened, and then calls `win32.OpenServiceW(...)`. Functions
 * listed with R are on every Windows since Server 2003 SP1, and a DLL without one of them does not load; those
 * listed with N came later, with the version in front, and are NULL before it: use winapi_require. */
#ifndef P80_WINAPI_H
#define P80_WINAPI_H

#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <aclapi.h>
#include <iphlpapi.h>
#include <objbase.h>
#include <oleauto.h>
#include <psapi.h>
#include <sddl.h>
#include <shlobj.h>
#include <wincrypt.h>
#include <winternl.h>
#include <wintrust.h>
#include <softpub.h>
#include <mscat.h>
#include <wtsapi32.h>
#include <http.h>
#include <lua.h>

#include "compiler.h"

#define WINAPI_ADVAPI32(R, N)                                                                                   \
  R(OpenSCManagerW) R(OpenServiceW) R(CloseServiceHandle) R(EnumServicesStatusExW) R(QueryServiceConfigW)       \
  R(QueryServiceConfig2W) R(QueryServiceStatusEx) R(ChangeServiceConfigW) R(ChangeServiceConfig2W)              \
  R(StartServiceW) R(ControlService) R(EnumDependentServicesW) R(GetServiceKeyNameW)                            \
  R(CreateServiceW) R(DeleteService) R(QueryServiceObjectSecurity) R(SetServiceObjectSecurity)                  \
  N("Windows Vista", DWORD, NotifyServiceStatusChangeW, (SC_HANDLE, DWORD, void *))                             \
  R(RegOpenKeyExW) R(RegCreateKeyExW) R(RegCloseKey) R(RegQueryValueExW) R(RegSetValueExW) R(RegDeleteValueW)   \
  R(RegDeleteKeyW) R(RegEnumKeyExW) R(RegEnumValueW) R(RegQueryInfoKeyW) R(RegFlushKey)                         \
  R(RegGetKeySecurity) R(RegSetKeySecurity) R(GetSecurityDescriptorControl) R(GetSecurityDescriptorDacl)        \
  R(GetAce) R(GetSecurityDescriptorOwner) R(GetSecurityDescriptorGroup) R(SetSecurityDescriptorControl)         \
  R(RegConnectRegistryW) R(RegNotifyChangeKeyValue) R(RegSaveKeyExW) R(RegLoadKeyW) R(RegUnLoadKeyW)            \
  R(OpenProcessToken) R(GetTokenInformation) R(LookupPrivilegeValueW) R(AdjustTokenPrivileges)                  \
  R(CheckTokenMembership) R(CreateWellKnownSid) R(LookupAccountNameW) R(LookupAccountSidW) R(EqualSid)          \
  R(ConvertSidToStringSidW) R(ConvertStringSidToSidW) R(GetNamedSecurityInfoW)                                  \
  R(ConvertStringSecurityDescriptorToSecurityDescriptorW) R(GetSecurityDescriptorLength)                        \
  R(ConvertSecurityDescriptorToStringSecurityDescriptorW) R(IsValidSecurityDescriptor) R(RegDeleteKeyExW)        \
  R(OpenEventLogW) R(CloseEventLog) R(ReadEventLogW) R(RegisterEventSourceW) R(DeregisterEventSource)           \
  R(ReportEventW) R(SystemFunction036) R(StartServiceCtrlDispatcherW) R(RegisterServiceCtrlHandlerExW)           \
  R(SetServiceStatus) R(GetSecurityInfo)

#define WINAPI_WS2_32(R, N)                                                                                     \
  R(WSAStartup) R(WSACleanup) R(WSAGetLastError) R(socket) R(bind) R(closesocket) R(setsockopt) R(getaddrinfo)  \
  R(freeaddrinfo) R(WSAAddressToStringW) R(WSAStringToAddressW) R(WSAEventSelect) R(WSAEnumNetworkEvents)       \
  R(connect) R(send) R(recv)

#define WINAPI_IPHLPAPI(R, N) R(GetExtendedTcpTable) R(GetExtendedUdpTable) R(SetTcpEntry)

#define WINAPI_PSAPI(R, N) R(GetProcessImageFileNameW)

#define WINAPI_HTTPAPI(R, N)                                                                                    \
  R(HttpInitialize) R(HttpTerminate) R(HttpSetServiceConfiguration) R(HttpDeleteServiceConfiguration)           \
  R(HttpQueryServiceConfiguration)                                                                              \
  N("Windows 10, version 1703", ULONG, HttpUpdateServiceConfiguration, (HANDLE, int, PVOID, ULONG, LPOVERLAPPED))

#define WINAPI_USER32(R, N)                                                                                     \
  R(EnumWindows) R(GetWindow) R(GetWindowThreadProcessId) R(IsWindowVisible) R(IsHungAppWindow)                 \
  R(InternalGetWindowText) R(GetProcessWindowStation) R(GetUserObjectInformationW)

#define WINAPI_VERSION(R, N) R(GetFileVersionInfoSizeW) R(GetFileVersionInfoW) R(VerQueryValueW)

#define WINAPI_CRYPT32(R, N) R(CertGetNameStringW)

#define WINAPI_WINTRUST(R, N)                                                                                   \
  R(WinVerifyTrust) R(WTHelperProvDataFromStateData) R(WTHelperGetProvSignerFromChain)                          \
  R(WTHelperGetProvCertFromChain) R(CryptCATAdminAcquireContext) R(CryptCATAdminReleaseContext)                 \
  R(CryptCATAdminCalcHashFromFileHandle) R(CryptCATAdminEnumCatalogFromHash)                                    \
  R(CryptCATCatalogInfoFromContext) R(CryptCATAdminReleaseCatalogContext)                                       \
  N("Windows 8", BOOL, CryptCATAdminAcquireContext2,                                                            \
    (HCATADMIN *, const GUID *, PCWSTR, const CERT_STRONG_SIGN_PARA *, DWORD))                                  \
  N("Windows 8", BOOL, CryptCATAdminCalcHashFromFileHandle2, (HCATADMIN, HANDLE, DWORD *, BYTE *, DWORD))

#define WINAPI_WTSAPI32(R, N) R(WTSQuerySessionInformationW) R(WTSFreeMemory)

#define WINAPI_SHELL32(R, N) R(SHGetFolderPathW)

#define WINAPI_NTDLL(R, N)                                                                                      \
  R(NtQuerySystemInformation) R(NtQueryInformationProcess) R(NtQueryObject) R(RtlGetVersion)                    \
  R(NtDeleteKey) R(NtOpenKey) R(NtQueryValueKey) R(RtlNtStatusToDosError) R(RtlUpcaseUnicodeChar)

#define WINAPI_OLE32(R, N) R(CoInitializeEx) R(CoUninitialize) R(CoCreateInstance) R(CoTaskMemFree)

#define WINAPI_OLEAUT32(R, N) R(SysAllocString) R(SysFreeString) R(SysStringLen) R(VariantClear) R(GetErrorInfo) \
  R(SetErrorInfo) R(VariantTimeToSystemTime)

#define WINAPI_KERNEL32(R, N)                                                                                   \
  N("Windows Vista", BOOL, QueryFullProcessImageNameW, (HANDLE, DWORD, LPWSTR, PDWORD))                         \
  N("Windows Vista", DWORD, GetFinalPathNameByHandleW, (HANDLE, LPWSTR, DWORD, DWORD))                         \
  N("Windows Vista", BOOL, GetProductInfo, (DWORD, DWORD, DWORD, DWORD, PDWORD))

#define WINAPI_WEVTAPI(R, N)                                                                                    \
  N("Windows Vista", EVT_HANDLE, EvtQuery, (EVT_HANDLE, LPCWSTR, LPCWSTR, DWORD))                               \
  N("Windows Vista", BOOL, EvtNext, (EVT_HANDLE, DWORD, EVT_HANDLE *, DWORD, DWORD, DWORD *))                   \
  N("Windows Vista", EVT_HANDLE, EvtCreateRenderContext, (DWORD, LPCWSTR *, DWORD))                             \
  N("Windows Vista", BOOL, EvtRender, (EVT_HANDLE, EVT_HANDLE, DWORD, DWORD, PVOID, DWORD *, DWORD *))          \
  N("Windows Vista", EVT_HANDLE, EvtOpenPublisherMetadata, (EVT_HANDLE, LPCWSTR, LPCWSTR, LCID, DWORD))         \
  N("Windows Vista", BOOL, EvtFormatMessage,                                                                    \
    (EVT_HANDLE, EVT_HANDLE, DWORD, DWORD, struct evt_variant *, DWORD, DWORD, LPWSTR, DWORD *))                \
  N("Windows Vista", BOOL, EvtClose, (EVT_HANDLE))

/* clang-format off */
#define WINAPI_DLLS(D) \
  D(advapi32, WINAPI_ADVAPI32) \
  D(ws2_32, WINAPI_WS2_32) \
  D(iphlpapi, WINAPI_IPHLPAPI) \
  D(psapi, WINAPI_PSAPI) \
  D(httpapi, WINAPI_HTTPAPI) \
  D(shell32, WINAPI_SHELL32) \
  D(user32, WINAPI_USER32) \
  D(wtsapi32, WINAPI_WTSAPI32) \
  D(version, WINAPI_VERSION) \
  D(crypt32, WINAPI_CRYPT32) \
  D(wintrust, WINAPI_WINTRUST) \
  D(ntdll, WINAPI_NTDLL) \
  D(kernel32, WINAPI_KERNEL32) \
  D(ole32, WINAPI_OLE32) \
  D(oleaut32, WINAPI_OLEAUT32) \
  D(wevtapi, WINAPI_WEVTAPI)
/* clang-format on */

/* Not in every SDK's headers, or hidden from NT 5.2. */
typedef HANDLE EVT_HANDLE;
struct evt_variant; /* evt.h */
BOOLEAN WINAPI SystemFunction036(PVOID, ULONG); /* RtlGenRandom */
NTSTATUS WINAPI RtlGetVersion(PRTL_OSVERSIONINFOW);
NTSTATUS NTAPI NtDeleteKey(HANDLE);
NTSTATUS NTAPI NtOpenKey(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSTATUS NTAPI NtQueryValueKey(HANDLE, PUNICODE_STRING, int, PVOID, ULONG, PULONG);
WCHAR NTAPI RtlUpcaseUnicodeChar(WCHAR);

#define WINAPI_FIELD(name) P80_TYPEOF(name) *name;
#define WINAPI_NEW_FIELD(since, type, name, parameters) type(WINAPI *name) parameters;
#define WINAPI_FIELDS(dll, list) list(WINAPI_FIELD, WINAPI_NEW_FIELD)
typedef struct winapi {
  WINAPI_DLLS(WINAPI_FIELDS)
} winapi;
#undef WINAPI_FIELD
#undef WINAPI_NEW_FIELD
#undef WINAPI_FIELDS

extern winapi win32;
struct luax_handle;

/* Loads the functions of `dll` ("advapi32") once; raises when one of its R functions, or the DLL with one, is
 * absent. */
void winapi_load(lua_State *L, const char *dll);
/* Whether the N function `name` is there; raises an error that names the Windows version which brings it. */
void winapi_require(lua_State *L, const char *name);

/* What NtQuerySystemInformation tells of a class, in pages that grow until it fits; `what` names it in errors.
 * https://learn.microsoft.com/windows/win32/api/winternl/nf-winternl-ntquerysysteminformation; the classes and their
 * structures are in System Informer's phnt/include/ntexapi.h. */
void *winapi_systeminformation(lua_State *L, struct luax_handle *pages, int class_number, const char *what,
                               ULONG *size);

#endif
