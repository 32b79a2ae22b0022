/* Which processes hold handles of HTTP.SYS. No documented call tells; what works on every Windows is to list all
 * handles of the machine, copy those that are files, and ask for their names.
 *
 * Asking for the name of a handle waits for the file's own lock: a pipe on which its owner waits for data answers
 * when the data comes, perhaps never. So a thread of its own asks, and when it makes no progress it is ended and the
 * next one goes on behind that handle. HTTP.SYS's handles are opened for overlapped use, have no such lock and always
 * answer: nothing is missed by that. A thread that even then stays in the kernel is left there with its copy of the
 * handle and its page of memory, until p80 ends; on Windows Server 2003 an ended thread's stack stays, too. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "http_parts.h"
#include "luax.h"
#include "privilege.h"
#include "winapi.h"

/* ---- The handles of the machine ----
 * https://learn.microsoft.com/windows/win32/api/winternl/nf-winternl-ntquerysysteminformation; the classes and their
 * structures are in System Informer's phnt/include/ntexapi.h. */

enum { HANDLES_EXTENDED = 64, HANDLES = 16 };

#define STATUS_LENGTH_MISMATCH ((NTSTATUS)0xC0000004)
#define STATUS_NO_SUCH_CLASS ((NTSTATUS)0xC0000003)
#define STATUS_UNIMPLEMENTED ((NTSTATUS)0xC0000002)

typedef struct extended_handle {
  PVOID object;
  ULONG_PTR pid;
  ULONG_PTR handle;
  ULONG access;
  USHORT trace;
  USHORT type;
  ULONG attributes;
  ULONG reserved;
} extended_handle;

typedef struct extended_handles {
  ULONG_PTR count;
  ULONG_PTR reserved;
  extended_handle handles[1];
} extended_handles;

/* Before Windows XP; pids above 65535 are cut. */
typedef struct short_handle {
  USHORT pid;
  USHORT trace;
  UCHAR type;
  UCHAR attributes;
  USHORT handle;
  PVOID object;
  ULONG access;
} short_handle;

typedef struct short_handles {
  ULONG count;
  short_handle handles[1];
} short_handles;

_Static_assert(sizeof(extended_handle) == (sizeof(void *) == 8 ? 40 : 28), "SYSTEM_HANDLE_TABLE_ENTRY_INFO_EX");
_Static_assert(sizeof(short_handle) == (sizeof(void *) == 8 ? 24 : 16), "SYSTEM_HANDLE_TABLE_ENTRY_INFO");

typedef struct snapshot {
  const extended_handles *extended; /* one of the two is NULL */
  const short_handles *narrow;
  size_t count;
} snapshot;

typedef struct entry {
  ULONG_PTR handle;
  DWORD pid;
  unsigned type;
} entry;

static entry entry_at(const snapshot *s, size_t i) {
  if (s->extended) {
    const extended_handle *h = &s->extended->handles[i];
    return (entry){h->handle, (DWORD)h->pid, h->type};
  }
  const short_handle *h = &s->narrow->handles[i];
  return (entry){h->handle, h->pid, h->type};
}

static void free_pages(UINT_PTR base) { VirtualFree((void *)base, 0, MEM_RELEASE); }

/* Pages in a slot of the running function (+1). */
static void *new_pages(lua_State *L, luax_handle *slot, SIZE_T size) {
  luax_closehandle(slot);
  slot->value = (UINT_PTR)VirtualAlloc(NULL, size, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
  if (slot->value == 0) luax_fail(L, "handles", ERROR_NOT_ENOUGH_MEMORY);
  return (void *)slot->value;
}

/* The list of class `class` in pages that grow until it fits; NULL when this Windows does not know the class. */
static void *query_handles(lua_State *L, luax_handle *pages, int class, ULONG *size) {
  enum { FIRST = 1 << 20, LARGEST = 1 << 30 };
  for (*size = FIRST;;) {
    ULONG needed = 0;
    void *list = new_pages(L, pages, *size);
    NTSTATUS status = win32.NtQuerySystemInformation((SYSTEM_INFORMATION_CLASS) class, list, *size, &needed);
    if (status >= 0) return list;
    if (status == STATUS_NO_SUCH_CLASS || status == STATUS_UNIMPLEMENTED) return NULL;
    if (status != STATUS_LENGTH_MISMATCH) luax_fail(L, "handles", win32.RtlNtStatusToDosError(status));
    if (*size >= LARGEST) luax_fail(L, "handles", ERROR_NOT_ENOUGH_MEMORY);
    *size = needed > *size && needed < LARGEST / 2 ? needed + needed / 4 : *size * 2;
  }
}

/* All handles of the machine; the count is checked against the buffer. */
static snapshot take_snapshot(lua_State *L, luax_handle *pages) {
  ULONG size;
  snapshot s = {NULL, NULL, 0};
  s.extended = query_handles(L, pages, HANDLES_EXTENDED, &size);
  size_t most;
  if (s.extended) {
    s.count = s.extended->count;
    most = (size - offsetof(extended_handles, handles)) / sizeof(extended_handle);
  } else {
    s.narrow = query_handles(L, pages, HANDLES, &size);
    if (s.narrow == NULL) luax_fail(L, "handles", ERROR_CALL_NOT_IMPLEMENTED);
    s.count = s.narrow->count;
    most = (size - offsetof(short_handles, handles)) / sizeof(short_handle);
  }
  if (s.count > most) luax_fail(L, "handles", ERROR_INVALID_DATA);
  return s;
}

/* ---- Those that may be HTTP.SYS's ---- */

enum { LONGEST_NAME = 128, MOST_NAMES = 254 };

typedef struct candidate {
  ULONG_PTR handle;
  DWORD pid;
  unsigned char name; /* 1 + its place in the names; 0: none of HTTP.SYS */
} candidate;

typedef struct search {
  volatile LONG next; /* the candidate that is being asked */
  LONG count;
  int names;
  wchar_t name[MOST_NAMES + 1][LONGEST_NAME];
  candidate candidates[1];
} search;

static int by_process(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->pid != y->pid) return x->pid < y->pid ? -1 : 1;
  return x->handle < y->handle ? -1 : x->handle > y->handle;
}

/* The type number of files: that of p80's own handle `file`; 0 when it is not in the list. */
static unsigned file_type(const snapshot *s, HANDLE file) {
  DWORD own = GetCurrentProcessId();
  if (s->narrow) own &= 0xFFFF;
  for (size_t i = 0; i < s->count; i++) {
    entry e = entry_at(s, i);
    if (e.pid == own && e.handle == (ULONG_PTR)file) return e.type;
  }
  return 0;
}

/* Files of other processes than p80 and the kernel (pids 0 and 4), ordered by process. */
static search *new_search(lua_State *L, luax_handle *pages, const snapshot *s, HANDLE file) {
  unsigned type = file_type(s, file);
  DWORD own = GetCurrentProcessId();
  size_t room = s->count ? s->count : 1;
  search *found = new_pages(L, pages, offsetof(search, candidates) + room * sizeof(candidate));
  for (size_t i = 0; i < s->count && found->count < LONG_MAX; i++) {
    entry e = entry_at(s, i);
    if (e.pid == 0 || e.pid == 4 || e.pid == own || (type != 0 && e.type != type)) continue;
    found->candidates[found->count++] = (candidate){e.handle, e.pid, 0};
  }
  qsort(found->candidates, (size_t)found->count, sizeof(candidate), by_process);
  return found;
}

/* ---- Asking for names ---- */

/* What one thread works with; its own pages, so that they can stay behind with it. */
typedef struct worker {
  search *search;
  HANDLE thread;
  HANDLE process; /* of `pid`, kept for its next handle */
  DWORD pid;
  HANDLE copy;
  UNICODE_STRING name; /* OBJECT_NAME_INFORMATION, its text behind it */
  wchar_t text[2048];
} worker;

static void close_kept(HANDLE *handle) {
  if (*handle) CloseHandle(*handle);
  *handle = NULL;
}

/* The place of a name among those found, 1-based; all that are too many or too long share the last. */
static unsigned char place_of(search *s, const wchar_t *text, size_t n) {
  if (n >= LONGEST_NAME) return MOST_NAMES + 1;
  for (int i = 0; i < s->names; i++)
    if (wcslen(s->name[i]) == n && memcmp(s->name[i], text, n * sizeof *text) == 0) return (unsigned char)(i + 1);
  if (s->names == MOST_NAMES) return MOST_NAMES + 1;
  memcpy(s->name[s->names], text, n * sizeof *text);
  return (unsigned char)++s->names;
}

static const wchar_t http_prefix[] = L"\\Device\\Http\\";
enum { PREFIX_UNITS = sizeof http_prefix / sizeof *http_prefix - 1 };

static void ask(worker *w, candidate *c) {
  if (w->pid != c->pid) {
    close_kept(&w->process);
    w->pid = c->pid;
    w->process = OpenProcess(PROCESS_DUP_HANDLE, FALSE, c->pid);
  }
  if (w->process == NULL) return;
  HANDLE process = GetCurrentProcess();
  if (!DuplicateHandle(w->process, (HANDLE)c->handle, process, &w->copy, 0, FALSE, 0)) return;
  enum { OBJECT_NAME = 1 };
  ULONG ignored, size = sizeof *w - offsetof(worker, name);
  NTSTATUS status = win32.NtQueryObject(w->copy, (OBJECT_INFORMATION_CLASS)OBJECT_NAME, &w->name, size, &ignored);
  size_t n = w->name.Length / sizeof(wchar_t);
  if (status >= 0 && w->name.Buffer && n > PREFIX_UNITS && n <= sizeof w->text / sizeof *w->text &&
      _wcsnicmp(w->name.Buffer, http_prefix, PREFIX_UNITS) == 0)
    c->name = place_of(w->search, w->name.Buffer, n);
  close_kept(&w->copy);
}

static DWORD WINAPI ask_all(LPVOID context) {
  worker *w = context;
  search *s = w->search;
  for (; s->next < s->count; InterlockedIncrement(&s->next)) ask(w, &s->candidates[s->next]);
  return 0;
}

/* Ends the thread if it still runs, and frees what it has; one that the kernel keeps stays behind with all of it. */
static void close_worker(UINT_PTR value) {
  enum { GRACE_MS = 1000 };
  worker *w = (worker *)value;
  if (w->thread) {
    if (WaitForSingleObject(w->thread, 0) == WAIT_TIMEOUT) TerminateThread(w->thread, 0);
    DWORD waited = WaitForSingleObject(w->thread, GRACE_MS);
    CloseHandle(w->thread);
    if (waited != WAIT_OBJECT_0) return;
  }
  close_kept(&w->copy);
  close_kept(&w->process);
  VirtualFree(w, 0, MEM_RELEASE);
}

static worker *start_worker(lua_State *L, luax_handle *slot, search *s) {
  enum { STACK = 64 << 10 };
  luax_closehandle(slot);
  worker *w = VirtualAlloc(NULL, sizeof *w, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
  if (w == NULL) luax_fail(L, "handles", ERROR_NOT_ENOUGH_MEMORY);
  slot->value = (UINT_PTR)w;
  w->search = s;
  w->thread = CreateThread(NULL, STACK, ask_all, w, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
  if (w->thread == NULL) luax_fail(L, "handles", GetLastError());
  return w;
}

/* Waits until the thread is done or has not moved on for a while. */
static int is_done(lua_State *L, const worker *w) {
  enum { TICK_MS = 50, PATIENCE_MS = 250 };
  LONG last = w->search->next;
  for (DWORD still = 0; still < PATIENCE_MS;) {
    if (WaitForSingleObject(w->thread, TICK_MS) == WAIT_OBJECT_0) return 1;
    if (luax_interrupt && WaitForSingleObject(luax_interrupt, 0) == WAIT_OBJECT_0)
      luax_fail(L, NULL, ERROR_OPERATION_ABORTED);
    still = w->search->next == last ? still + TICK_MS : 0;
    last = w->search->next;
  }
  return 0;
}

/* Asks all candidates; returns how many did not answer. With very many of them the rest is not asked, either. */
static LONG ask_names(lua_State *L, search *s) {
  enum { MOST_SILENT = 32 };
  luax_handle *slot = luax_newhandle(L, close_worker);
  for (LONG silent = 0;; silent++) {
    if (is_done(L, start_worker(L, slot, s))) return silent;
    luax_closehandle(slot);
    if (silent == MOST_SILENT) return silent + s->count - s->next;
    s->next++;
  }
}

/* http.holders() -> rows {pid, object}, number of handles that did not answer
 * One row for each handle whose name begins with "\Device\Http\"; the Lua half makes one row of each process.
 * Processes that p80 may not open are left out: run it elevated to see them. */
int http_holders(lua_State *L) {
  luax_arguments(L, 0, 0);
  winapi_load(L, "ntdll");
  privilege_enable_debug(L);
  luax_handle *file = luax_newhandle(L, luax_closekernel);
  HANDLE nul = CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
  if (nul != INVALID_HANDLE_VALUE) file->value = (UINT_PTR)nul;
  luax_handle *list = luax_newhandle(L, free_pages), *pages = luax_newhandle(L, free_pages);
  snapshot s = take_snapshot(L, list);
  search *found = new_search(L, pages, &s, nul);
  luax_closehandle(list);
  LONG silent = ask_names(L, found);
  wcscpy(found->name[MOST_NAMES], http_prefix);
  lua_Integer n = 0;
  lua_newtable(L);
  for (LONG i = 0; i < found->count; i++) {
    const candidate *c = &found->candidates[i];
    if (c->name == 0) continue;
    lua_createtable(L, 0, 2);
    luax_setinteger(L, "pid", c->pid);
    luax_setwide(L, "object", found->name[c->name - 1]);
    lua_rawseti(L, -2, ++n);
  }
  lua_pushinteger(L, silent);
  return 2;
}
