/* win.process: what is behind the options of list and get. */
#include <stddef.h>
#include <string.h>
#include <wchar.h>

#include "luax.h"
#include "process_parts.h"
#include "winapi.h"

/* ---- Command lines ----
 * Since Windows 8.1 the kernel tells them (class 60, in System Informer's phnt/include/ntpsapi.h). Before, they are
 * read from the process itself: PEB -> process parameters -> command line, whose places Microsoft's debuggers show
 * (`dt ntdll!_PEB`) and which are the same on every Windows.
 * https://learn.microsoft.com/windows/win32/api/winternl/ns-winternl-peb
 * https://learn.microsoft.com/windows/win32/api/winternl/ns-winternl-rtl_user_process_parameters */

typedef struct peb_layout {
  size_t pointer, parameters, command_line; /* bytes; offset in the PEB; offset in the parameters */
} peb_layout;

static const peb_layout layout32 = {4, 0x10, 0x40}, layout64 = {8, 0x20, 0x70};

DWORD process_detail_rights(void) { return PROCESS_QUERY_INFORMATION | PROCESS_VM_READ; }

static DWORD read_memory(HANDLE process, ULONGLONG address, void *out, size_t size) {
  SIZE_T got = 0;
  if (!ReadProcessMemory(process, (const void *)(UINT_PTR)address, out, size, &got)) return GetLastError();
  return got == size ? 0 : ERROR_PARTIAL_COPY;
}

/* Reads a pointer of the process. */
static DWORD read_pointer(HANDLE process, ULONGLONG address, const peb_layout *layout, ULONGLONG *out) {
  *out = 0;
  return read_memory(process, address, out, layout->pointer);
}

static int is_wow64(HANDLE process) {
  BOOL is = FALSE;
  return IsWow64Process(process, &is) && is;
}

int process_is_beyond(HANDLE process) {
  return sizeof(void *) == 4 && is_wow64(GetCurrentProcess()) && !is_wow64(process);
}

/* Where the PEB is that the process itself uses. Class 26 tells where that of a 32-bit process on 64-bit Windows is;
 * Wine only tells that there is one, but puts the same into the other.
 * https://learn.microsoft.com/windows/win32/api/winternl/nf-winternl-ntqueryinformationprocess */
static DWORD find_peb(HANDLE process, ULONGLONG *peb, const peb_layout **layout) {
  enum { BASIC = 0, WOW64 = 26, LEAST_ADDRESS = 0x10000 };
  PROCESS_BASIC_INFORMATION basic = {0};
  ULONG_PTR peb32 = 0;
  int is_narrow = is_wow64(process);
  if (process_is_beyond(process)) return ERROR_PARTIAL_COPY;
  NTSTATUS status = win32.NtQueryInformationProcess(process, (PROCESSINFOCLASS)BASIC, &basic, sizeof basic, NULL);
  if (status >= 0 && sizeof(void *) == 8 && is_narrow)
    status = win32.NtQueryInformationProcess(process, (PROCESSINFOCLASS)WOW64, &peb32, sizeof peb32, NULL);
  if (status < 0) return win32.RtlNtStatusToDosError(status);
  int is_told = peb32 > LEAST_ADDRESS;
  *peb = is_told ? peb32 : (UINT_PTR)basic.PebBaseAddress;
  *layout = sizeof(void *) == 4 || is_told ? &layout32 : &layout64;
  return *peb ? 0 : ERROR_PARTIAL_COPY;
}

static DWORD push_from_memory(lua_State *L, HANDLE process, wchar_t *buffer) {
  const peb_layout *layout = NULL;
  ULONGLONG peb = 0, parameters = 0, text = 0;
  USHORT bytes = 0;
  DWORD code = find_peb(process, &peb, &layout);
  if (code == 0) code = read_pointer(process, peb + layout->parameters, layout, &parameters);
  if (code == 0) code = read_memory(process, parameters + layout->command_line, &bytes, sizeof bytes);
  if (code == 0) code = read_pointer(process, parameters + layout->command_line + layout->pointer, layout, &text);
  if (code == 0) code = read_memory(process, text, buffer, bytes);
  if (code == 0) luax_pushwide(L, buffer, bytes / sizeof *buffer);
  return code;
}

DWORD process_push_command_line(lua_State *L, HANDLE process, void *buffer) {
  enum { COMMAND_LINE = 60 };
  const UNICODE_STRING *line = buffer;
  NTSTATUS status =
      win32.NtQueryInformationProcess(process, (PROCESSINFOCLASS)COMMAND_LINE, buffer, PROCESS_ROOM, NULL);
  if (status < 0) return push_from_memory(L, process, buffer);
  const char *text = (const char *)line->Buffer, *start = buffer;
  int is_inside = text >= start + sizeof *line && text + line->Length <= start + PROCESS_ROOM;
  if (line->Length > 0 && !is_inside) return ERROR_INVALID_DATA;
  luax_pushwide(L, line->Buffer, line->Length / sizeof(wchar_t));
  return 0;
}

/* ---- Users ---- */

/* Pushes "DOMAIN\name" or nil.
 * https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-lookupaccountsidw */
static void push_account(lua_State *L, PSID sid) {
  wchar_t name[257], domain[257];
  DWORD name_size = 257, domain_size = 257;
  SID_NAME_USE use;
  if (!win32.LookupAccountSidW(NULL, sid, name, &name_size, domain, &domain_size, &use)) {
    lua_pushnil(L);
    return;
  }
  luax_pushwidez(L, domain);
  if (domain_size > 0) lua_pushliteral(L, "\\");
  else lua_pushliteral(L, "");
  luax_pushwidez(L, name);
  lua_concat(L, 3);
}

/* Pushes the name of a SID whose text is on top, from the table `names` when it is there. */
static void push_known_account(lua_State *L, PSID sid, int names) {
  lua_pushvalue(L, -1);
  if (lua_rawget(L, names) != LUA_TNIL) return;
  lua_pop(L, 1);
  push_account(L, sid);
  if (lua_isnil(L, -1)) return;
  lua_pushvalue(L, -2);
  lua_pushvalue(L, -2);
  lua_rawset(L, names);
}

static void local_free(UINT_PTR value) { LocalFree((HLOCAL)value); }

/* Adds `sid` and `user` to the row below the top two slots. */
static void add_account(lua_State *L, luax_handle *slot, PSID sid, int row, int names) {
  wchar_t *text;
  if (!win32.ConvertSidToStringSidW(sid, &text)) return;
  slot->value = (UINT_PTR)text;
  luax_pushwidez(L, text);
  luax_closehandle(slot);
  push_known_account(L, sid, names);
  lua_setfield(L, row, "user");
  lua_setfield(L, row, "sid");
}

void process_add_user(lua_State *L, HANDLE process, int names) {
  union {
    TOKEN_USER user;
    BYTE room[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
  } owner;
  DWORD size;
  HANDLE token;
  int row = lua_gettop(L);
  luax_handle *slot = luax_newhandle(L, luax_closekernel), *text = luax_newhandle(L, local_free);
  if (!win32.OpenProcessToken(process, TOKEN_QUERY, &token)) token = NULL;
  slot->value = (UINT_PTR)token;
  if (token && win32.GetTokenInformation(token, TokenUser, &owner, sizeof owner, &size))
    add_account(L, text, owner.user.User.Sid, row, names);
  lua_settop(L, row);
}

/* ---- Memory and time ---- */

/* https://learn.microsoft.com/windows/win32/api/winternl/nf-winternl-ntquerysysteminformation,
 * SYSTEM_PROCESS_INFORMATION; the times are in System Informer's phnt/include/ntexapi.h, at the same place on every
 * Windows. */
typedef struct process_information {
  ULONG next;
  ULONG threads;
  LARGE_INTEGER reserved[3];
  LARGE_INTEGER created, user_time, kernel_time;
  UNICODE_STRING name;
  LONG priority;
  HANDLE pid;
  HANDLE parent;
  ULONG handles;
  ULONG session;
  ULONG_PTR reserved2;
  SIZE_T peak_virtual, virtual_size;
  ULONG faults;
  SIZE_T peak_memory, memory;
  SIZE_T pools[4];
  SIZE_T page_file, peak_page_file, private_bytes;
} process_information;

_Static_assert(offsetof(process_information, memory) == (sizeof(void *) == 8 ? 144 : 104), "WorkingSetSize");

static void push_usage(lua_State *L, const process_information *p) {
  lua_createtable(L, 0, 5);
  luax_setinteger(L, "memory", (lua_Integer)p->memory);
  luax_setinteger(L, "peak_memory", (lua_Integer)p->peak_memory);
  luax_setinteger(L, "private_memory", (lua_Integer)p->private_bytes);
  luax_setinteger(L, "handles", p->handles);
  lua_pushnumber(L, (lua_Number)(p->user_time.QuadPart + p->kernel_time.QuadPart) / 1e7);
  lua_setfield(L, -2, "cpu");
}

/* Pushes the table of all processes from the list of `size` bytes, whose items Wine does not align. */
static void push_usages(lua_State *L, const char *list, ULONG size) {
  process_information p;
  lua_newtable(L);
  for (ULONG at = 0; at <= size - sizeof p; at += p.next) {
    memcpy(&p, list + at, sizeof p);
    push_usage(L, &p);
    lua_rawseti(L, -2, (lua_Integer)(UINT_PTR)p.pid);
    if (p.next == 0 || p.next > size - at) return;
  }
}

/* Raw win.process.usage() -> {[pid] = {memory=, peak_memory=, private_memory=, handles=, cpu=}} */
int process_usage(lua_State *L) {
  enum { PROCESSES = 5 };
  ULONG size;
  luax_arguments(L, 0, 0);
  luax_handle *pages = luax_newpages(L);
  const char *list = winapi_systeminformation(L, pages, PROCESSES, "processes", &size);
  push_usages(L, list, size);
  return 1;
}

/* ---- Sessions ---- */

static void free_session_text(UINT_PTR value) { win32.WTSFreeMemory((void *)value); }

/* Raw win.process.sessions({id, ...}) -> {[id] = "Console", ...}; without those that have no name.
 * https://learn.microsoft.com/windows/win32/api/wtsapi32/nf-wtsapi32-wtsquerysessioninformationw */
int process_sessions(lua_State *L) {
  luax_arguments(L, 1, 1);
  winapi_load(L, "wtsapi32");
  luax_handle *slot = luax_newhandle(L, free_session_text);
  lua_newtable(L);
  lua_Integer n = luaL_len(L, 1);
  for (lua_Integer i = 1; i <= n; i++) {
    wchar_t *name;
    DWORD bytes;
    lua_geti(L, 1, i);
    lua_Integer id = luax_checkinteger(L, -1, "session", 0, 0xFFFFFFFF);
    lua_pop(L, 1);
    if (!win32.WTSQuerySessionInformationW(WTS_CURRENT_SERVER_HANDLE, (DWORD)id, WTSWinStationName, &name, &bytes))
      continue;
    slot->value = (UINT_PTR)name;
    if (name && *name) {
      luax_pushwidez(L, name);
      lua_rawseti(L, -2, id);
    }
    luax_closehandle(slot);
  }
  return 1;
}

/* ---- Windows on the screen ---- */

typedef struct window_list {
  size_t count, room;
  HWND windows[1];
} window_list;

static BOOL CALLBACK collect_window(HWND window, LPARAM context) {
  window_list *list = (window_list *)context;
  if (win32.IsWindowVisible(window) && win32.GetWindow(window, GW_OWNER) == NULL) {
    if (list->count < list->room) list->windows[list->count] = window;
    list->count++;
  }
  return TRUE;
}

static void push_window(lua_State *L, HWND window, DWORD pid) {
  wchar_t title[512];
  int n = win32.InternalGetWindowText(window, title, 512);
  lua_createtable(L, 0, 3);
  luax_setinteger(L, "pid", pid);
  luax_pushwide(L, title, n > 0 ? (size_t)n : 0);
  lua_setfield(L, -2, "title");
  luax_setboolean(L, "hung", win32.IsHungAppWindow(window) != 0);
}

/* Raw win.process.windows() -> rows {pid=, title=, hung=} of the visible top windows on p80's desktop. None of these
 * calls waits for a program that does not answer.
 * https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-enumwindows
 * https://learn.microsoft.com/windows/win32/api/winuser/nf-winuser-internalgetwindowtext */
int process_windows(lua_State *L) {
  luax_arguments(L, 0, 0);
  winapi_load(L, "user32");
  window_list *list;
  for (size_t room = 1024;; room = list->count) {
    list = luax_buffer(L, sizeof *list + room * sizeof(HWND));
    list->room = room;
    if (!win32.EnumWindows(collect_window, (LPARAM)list)) list->count = 0; /* no desktop, no windows */
    if (list->count <= room) break;
    lua_pop(L, 1);
  }
  lua_createtable(L, (int)list->count, 0);
  for (size_t i = 0; i < list->count; i++) {
    DWORD pid = 0;
    win32.GetWindowThreadProcessId(list->windows[i], &pid);
    push_window(L, list->windows[i], pid);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}
