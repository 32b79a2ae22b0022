#include "winapi.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "luax.h"

winapi win32;

typedef struct function_entry {
  const char *dll;
  const char *name;
  const char *since; /* NULL: on every Windows that p80 supports */
  size_t offset;     /* of its pointer in `win32` */
} function_entry;

#define REQUIRED(name) {DLL, #name, NULL, offsetof(winapi, name)},
#define NEWER(since, type, name, parameters) {DLL, #name, since, offsetof(winapi, name)},

static const function_entry functions[] = {
#define DLL "advapi32"
    WINAPI_ADVAPI32(REQUIRED, NEWER)
#undef DLL
#define DLL "ws2_32"
        WINAPI_WS2_32(REQUIRED, NEWER)
#undef DLL
#define DLL "iphlpapi"
            WINAPI_IPHLPAPI(REQUIRED, NEWER)
#undef DLL
#define DLL "psapi"
                WINAPI_PSAPI(REQUIRED, NEWER)
#undef DLL
#define DLL "httpapi"
                    WINAPI_HTTPAPI(REQUIRED, NEWER)
#undef DLL
#define DLL "shell32"
                        WINAPI_SHELL32(REQUIRED, NEWER)
#undef DLL
#define DLL "ntdll"
                            WINAPI_NTDLL(REQUIRED, NEWER)
#undef DLL
#define DLL "kernel32"
                                WINAPI_KERNEL32(REQUIRED, NEWER)
#undef DLL
#define DLL "ole32"
                                    WINAPI_OLE32(REQUIRED, NEWER)
#undef DLL
#define DLL "oleaut32"
                                        WINAPI_OLEAUT32(REQUIRED, NEWER)
#undef DLL
};

enum { FUNCTIONS = sizeof functions / sizeof *functions };

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

void winapi_load(lua_State *L, const char *dll) {
  HMODULE module = NULL;
  for (int i = 0; i < FUNCTIONS; i++) {
    const function_entry *entry = &functions[i];
    if (strcmp(entry->dll, dll) != 0) continue;
    if (module == NULL) {
      if (entry->since == NULL && is_loaded(entry)) return;
      module = load_from_system(dll);
      if (module == NULL) luax_fail(L, dll, GetLastError());
    }
    FARPROC address = GetProcAddress(module, entry->name);
    if (address == NULL && entry->since == NULL) luax_fail(L, entry->name, ERROR_PROC_NOT_FOUND);
    store(entry, address);
  }
}

void winapi_require(lua_State *L, const char *name) {
  for (int i = 0; i < FUNCTIONS; i++) {
    if (strcmp(functions[i].name, name) != 0 || is_loaded(&functions[i])) continue;
    const char *since = functions[i].since ? functions[i].since : "Windows Server 2003";
    luax_failhint(L, name, ERROR_CALL_NOT_IMPLEMENTED, lua_pushfstring(L, "this needs %s or newer", since));
  }
}
