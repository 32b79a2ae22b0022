#include "winapi.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "luax.h"

winapi win32;

typedef struct function_entry {
  const char *name;
  const char *since; /* NULL: on every Windows that p80 supports */
  size_t offset;     /* of its pointer in `win32`; NO_FUNCTION: the name is a DLL's, whose functions follow */
} function_entry;

#define NO_FUNCTION ((size_t)-1)
#define REQUIRED(name) {#name, NULL, offsetof(winapi, name)},
#define NEWER(since, type, name, parameters) {#name, since, offsetof(winapi, name)},
#define FUNCTIONS_OF(dll, list) {#dll, NULL, NO_FUNCTION}, list(REQUIRED, NEWER)

static const function_entry functions[] = {WINAPI_DLLS(FUNCTIONS_OF){NULL, NULL, NO_FUNCTION}};

static void store(const function_entry *entry, FARPROC address) {
  memcpy((char *)&win32 + entry->offset, &address, sizeof address);
}

static int is_loaded(const function_entry *entry) {
  FARPROC address;
  memcpy(&address, (const char *)&win32 + entry->offset, sizeof address);
  return address != NULL;
}

/* Loads System32\<dll>.dll by its full path, so that no search order matters. */
static HMODULE load_from_system(const char *dll) {
  wchar_t path[MAX_PATH + 32];
  UINT n = GetSystemDirectoryW(path, MAX_PATH);
  if (n == 0 || n >= MAX_PATH) return NULL;
  _snwprintf(path + n, 32, L"\\%hs.dll", dll);
  path[n + 31] = 0;
  return LoadLibraryW(path);
}

/* The first function of a DLL, or NULL. */
static const function_entry *functions_of(const char *dll) {
  for (const function_entry *entry = functions; entry->name; entry++)
    if (entry->offset == NO_FUNCTION && strcmp(entry->name, dll) == 0) return entry + 1;
  return NULL;
}

void winapi_load(lua_State *L, const char *dll) {
  const function_entry *entry = functions_of(dll);
  if (is_loaded(entry)) return;
  HMODULE module = load_from_system(dll);
  if (module == NULL && entry->since) return; /* newer as a whole */
  if (module == NULL) luax_fail(L, dll, GetLastError());
  for (const function_entry *f = entry; f->offset != NO_FUNCTION; f++) {
    FARPROC address = GetProcAddress(module, f->name);
    store(f, address);
    if (address || f->since) continue;
    store(entry, NULL); /* so that it is not taken for loaded */
    luax_fail(L, f->name, ERROR_PROC_NOT_FOUND);
  }
}

void winapi_require(lua_State *L, const char *name) {
  for (const function_entry *entry = functions; entry->name; entry++) {
    if (strcmp(entry->name, name) != 0 || entry->offset == NO_FUNCTION || is_loaded(entry)) continue;
    const char *since = entry->since ? entry->since : "Windows Server 2003";
    luax_failhint(L, name, ERROR_CALL_NOT_IMPLEMENTED, lua_pushfstring(L, "this needs %s or newer", since));
  }
}

void *winapi_systeminformation(lua_State *L, luax_handle *pages, int class_number, const char *what, ULONG *size) {
  enum { FIRST = 1 << 18, LARGEST = 1 << 30 };
  static const NTSTATUS length_mismatch = (NTSTATUS)0xC0000004;
  winapi_load(L, "ntdll");
  for (*size = FIRST;;) {
    ULONG needed = 0;
    void *all = luax_setpages(L, pages, *size, what);
    NTSTATUS status = win32.NtQuerySystemInformation((SYSTEM_INFORMATION_CLASS)class_number, all, *size, &needed);
    if (status >= 0) return all;
    if (status != length_mismatch) luax_fail(L, what, win32.RtlNtStatusToDosError(status));
    if (*size >= LARGEST) luax_fail(L, what, ERROR_NOT_ENOUGH_MEMORY);
    *size = needed > *size && needed < LARGEST / 2 ? needed + needed / 4 : *size * 2;
  }
}
