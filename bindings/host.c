/* win.host: the machine, its Windows and the token that p80 runs with. Names for the numbers are in host.lua. What
 * the functions are for and the pages of Microsoft that they follow are in scripts/api/host.lua. */
#include "luax.h"
#include "token.h"
#include "winapi.h"

static RTL_OSVERSIONINFOEXW read_version(lua_State *L) {
  RTL_OSVERSIONINFOEXW v = {.dwOSVersionInfoSize = sizeof v};
  winapi_load(L, "ntdll");
  if (win32.RtlGetVersion((PRTL_OSVERSIONINFOW)&v) < 0) luax_fail(L, "version", ERROR_NOT_SUPPORTED);
  return v;
}

/* host.lua adds `text`. */
static int host_version(lua_State *L) {
  luax_arguments(L, 0, 0);
  RTL_OSVERSIONINFOEXW v = read_version(L);
  lua_newtable(L);
  luax_setinteger(L, "major", v.dwMajorVersion);
  luax_setinteger(L, "minor", v.dwMinorVersion);
  luax_setinteger(L, "build", v.dwBuildNumber);
  luax_setinteger(L, "service_pack", v.wServicePackMajor);
  luax_setboolean(L, "server", v.wProductType != VER_NT_WORKSTATION);
  return 1;
}

/* Raw win.host.edition() -> the product type (nil before Windows Vista), the suite mask, whether this is a server;
 * host.lua makes a word of them.
 * https://learn.microsoft.com/windows/win32/api/winnt/ns-winnt-osversioninfoexw */
static int host_edition(lua_State *L) {
  luax_arguments(L, 0, 0);
  RTL_OSVERSIONINFOEXW v = read_version(L);
  DWORD product;
  winapi_load(L, "kernel32");
  if (win32.GetProductInfo && v.dwMajorVersion >= 6 &&
      win32.GetProductInfo(v.dwMajorVersion, v.dwMinorVersion, v.wServicePackMajor, v.wServicePackMinor, &product))
    lua_pushinteger(L, product);
  else lua_pushnil(L);
  lua_pushinteger(L, v.wSuiteMask);
  lua_pushboolean(L, v.wProductType != VER_NT_WORKSTATION);
  return 3;
}

static int host_architecture(lua_State *L) {
  luax_arguments(L, 0, 0);
  SYSTEM_INFO info;
  GetNativeSystemInfo(&info);
  switch (info.wProcessorArchitecture) {
    case PROCESSOR_ARCHITECTURE_AMD64:
      lua_pushliteral(L, "x64");
      break;
    case PROCESSOR_ARCHITECTURE_INTEL:
      lua_pushliteral(L, "x86");
      break;
    case 12 /* PROCESSOR_ARCHITECTURE_ARM64 */:
      lua_pushliteral(L, "arm64");
      break;
    default:
      lua_pushfstring(L, "architecture_%d", (int)info.wProcessorArchitecture);
      break;
  }
  return 1;
}

static int host_name(lua_State *L) {
  luax_arguments(L, 0, 0);
  DWORD code = ERROR_MORE_DATA;
  for (DWORD n = 64; code == ERROR_MORE_DATA;) {
    wchar_t *name = luax_buffer(L, n * sizeof *name);
    if (GetComputerNameExW(ComputerNameDnsHostname, name, &n)) {
      luax_pushwide(L, name, n);
      return 1;
    }
    code = GetLastError(); /* ERROR_MORE_DATA: n is now what it takes */
  }
  luax_fail(L, "host name", code);
}

static int host_elevated(lua_State *L) {
  luax_arguments(L, 0, 0);
  winapi_load(L, "advapi32");
  lua_pushboolean(L, token_is_elevated(L));
  return 1;
}

/* Uptime counters run over after 49.7 days on Windows Server 2003, so the kernel's own note of it is read: the first
 * field of SYSTEM_TIMEOFDAY_INFORMATION. */
static int host_boot_time(lua_State *L) {
  enum { TIME_OF_DAY = 3 };
  luax_arguments(L, 0, 0);
  winapi_load(L, "ntdll");
  LARGE_INTEGER times[6] = {{{0, 0}}};
  ULONG size = 0;
  NTSTATUS status = win32.NtQuerySystemInformation((SYSTEM_INFORMATION_CLASS)TIME_OF_DAY, times, sizeof times, &size);
  if (status < 0 || size < sizeof *times) luax_fail(L, "boot time", ERROR_NOT_SUPPORTED);
  luax_pushtime(L, (ULONGLONG)times[0].QuadPart);
  return 1;
}

static const luaL_Reg reads[] = {{"version", host_version},
                                 {"edition", host_edition},
                                 {"architecture", host_architecture},
                                 {"name", host_name},
                                 {"elevated", host_elevated},
                                 {"boot_time", host_boot_time},
                                 {NULL, NULL}};

const luax_subject host_subject = {"host", reads, NULL, "host"};
