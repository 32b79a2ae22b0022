/* win.process.handles: which processes hold what. No documented call tells; what works on every Windows is to list
 * all handles of the machine, copy them, and ask for their names.
 *
 * Asking for the name of a handle waits for the file's own lock: a pipe on which its owner waits for data answers
 * when the data comes, perhaps never. So a thread of its own asks, and when it makes no progress it is ended and the
 * next one goes on behind that handle. (HTTP.SYS's handles are opened for overlapped use, have no such lock and
 * always answer: nothing of it is missed by that.) A thread that even then stays in the kernel is left there with its
 * copy of the handle and its pages of memory, until p80 ends; on Windows Server 2003 an ended thread's stack stays,
 * too. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "luax.h"
#include "privilege.h"
#include "process_parts.h"
#include "winapi.h"

/* ---- The handles of the machine ---- */

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

_Static_assert(sizeof(extended_handle) == (sizeof(void *) == 8 ? 40 : 28), "SYSTEM_HANDLE_TABLE_ENTRY_INFO_EX");

typedef struct snapshot {
  const extended_handles *list;
  size_t count;
} snapshot;

typedef struct entry {
  ULONG_PTR handle;
  DWORD pid;
  unsigned type;
} entry;

static entry entry_at(const snapshot *s, size_t i) {
  const extended_handle *h = &s->list->handles[i];
  return (entry){h->handle, (DWORD)h->pid, h->type};
}

/* All handles of the machine; the count is checked against their pages. Windows XP brought this class. */
static snapshot take_snapshot(lua_State *L, luax_handle *pages) {
  enum { HANDLES_EXTENDED = 64 };
  ULONG size;
  const extended_handles *list = winapi_systeminformation(L, pages, HANDLES_EXTENDED, "handles", &size);
  size_t most = (size - offsetof(extended_handles, handles)) / sizeof(extended_handle);
  if (list->count > most) luax_fail(L, "handles", ERROR_INVALID_DATA);
  return (snapshot){list, list->count};
}

/* ---- Those that are asked ---- */

enum { TEXT_UNITS = 8 << 20, MOST_TYPES = 256, TYPE_UNITS = 40 };

typedef struct candidate {
  ULONG_PTR handle;
  DWORD pid;
  unsigned type;
  DWORD name; /* 1 + its place in the text, 0: none that is wanted */
} candidate;

typedef struct search {
  volatile LONG next; /* the candidate that is being asked */
  LONG count;
  DWORD used;                            /* units of the text; more than TEXT_UNITS: it was too much */
  wchar_t *text;                         /* names found, each with its length in front */
  const wchar_t *pattern;                /* in the kernel's form; NULL: all */
  const wchar_t *given;                  /* as it was asked for */
  const wchar_t *type;                   /* NULL: all */
  wchar_t types[MOST_TYPES][TYPE_UNITS]; /* the names of the types, by number; "" while unknown */
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
  for (size_t i = 0; i < s->count; i++) {
    entry e = entry_at(s, i);
    if (e.pid == own && e.handle == (ULONG_PTR)file) return e.type;
  }
  return 0;
}

/* What is looked for. */
typedef struct wish {
  DWORD pid;          /* ANY_PROCESS: all but p80 and the kernel (pids 0 and 4) */
  unsigned file_type; /* 0: all */
} wish;
#define ANY_PROCESS 0xFFFFFFFF

static int is_wished(const wish *w, entry e, DWORD own) {
  if (w->file_type && e.type != w->file_type) return 0;
  return w->pid == ANY_PROCESS ? e.pid != 0 && e.pid != 4 && e.pid != own : e.pid == w->pid;
}

/* The wished handles, ordered by process. */
static search *new_search(lua_State *L, luax_handle *pages, const snapshot *s, const wish *w) {
  search *found = luax_setpages(L, pages, sizeof *found + s->count * sizeof(candidate), "handles");
  DWORD own = GetCurrentProcessId();
  for (size_t i = 0; i < s->count; i++) {
    entry e = entry_at(s, i);
    if (is_wished(w, e, own)) found->candidates[found->count++] = (candidate){e.handle, e.pid, e.type, 0};
  }
  qsort(found->candidates, (size_t)found->count, sizeof(candidate), by_process);
  return found;
}

/* ---- Names ---- */

static int is_same(wchar_t a, wchar_t b) {
  return a == b || win32.RtlUpcaseUnicodeChar(a) == win32.RtlUpcaseUnicodeChar(b);
}

/* Whether `n` units at `text` match a pattern in which * stands for any text, in either case. */
static int matches(const wchar_t *pattern, const wchar_t *text, size_t n) {
  const wchar_t *end = text + n, *star = NULL, *resume = NULL;
  while (text < end) {
    if (*pattern == L'*') {
      star = ++pattern;
      resume = text;
    } else if (*pattern && is_same(*pattern, *text)) {
      pattern++;
      text++;
    } else if (star) {
      pattern = star;
      text = ++resume;
    } else {
      return 0;
    }
  }
  while (*pattern == L'*') pattern++;
  return *pattern == 0;
}

/* Wine calls files as programs do, behind this. */
static const wchar_t dos_prefix[] = L"\\??\\";
enum { DOS_PREFIX = 4 };

static int has_dos_prefix(const wchar_t *name, size_t n) {
  return n > DOS_PREFIX && wcsncmp(name, dos_prefix, DOS_PREFIX) == 0;
}

static int is_wanted(const search *s, const wchar_t *name, size_t n) {
  return s->pattern == NULL || matches(s->pattern, name, n) ||
         (has_dos_prefix(name, n) && matches(s->given, name + DOS_PREFIX, n - DOS_PREFIX));
}

/* Keeps a name; returns 1 + its place. */
static DWORD keep(search *s, const wchar_t *text, size_t n) {
  DWORD place = s->used;
  if (n + 1 > TEXT_UNITS - place || place > TEXT_UNITS) {
    s->used = TEXT_UNITS + 1;
    return 0;
  }
  s->text[place] = (wchar_t)n;
  memcpy(s->text + place + 1, text, n * sizeof *text);
  s->used += (DWORD)n + 1;
  return place + 1;
}

/* ---- Asking for them ---- */

/* What one thread works with; its own pages, so that they can stay behind with it. */
typedef struct worker {
  search *search;
  HANDLE thread;
  HANDLE process; /* of `pid`, kept for its next handle */
  DWORD pid;
  HANDLE copy;
  UNICODE_STRING
  name; /* OBJECT_NAME_INFORMATION or the start of PUBLIC_OBJECT_TYPE_INFORMATION, its text behind it */
  wchar_t text[32768 + 64];
} worker;

static void close_kept(HANDLE *handle) {
  if (*handle) CloseHandle(*handle);
  *handle = NULL;
}

/* Fetches the name (class 1) or the type (class 2) of the copy into w->name; returns its units.
 * https://learn.microsoft.com/windows/win32/api/winternl/nf-winternl-ntqueryobject */
static size_t query(worker *w, int class) {
  ULONG ignored, size = sizeof *w - offsetof(worker, name);
  NTSTATUS status = win32.NtQueryObject(w->copy, (OBJECT_INFORMATION_CLASS) class, &w->name, size, &ignored);
  size_t n = w->name.Length / sizeof(wchar_t);
  return status >= 0 && w->name.Buffer && n <= sizeof w->text / sizeof *w->text ? n : 0;
}

/* The name of a type of objects, asked once for each. */
static const wchar_t *type_of(worker *w, unsigned type) {
  wchar_t *known = w->search->types[type % MOST_TYPES];
  if (*known) return known;
  size_t n = query(w, 2);
  if (n > 0) memcpy(known, w->name.Buffer, (n < TYPE_UNITS ? n : TYPE_UNITS - 1) * sizeof *known);
  return known;
}

static void ask(worker *w, candidate *c) {
  search *s = w->search;
  if (w->pid != c->pid) {
    close_kept(&w->process);
    w->pid = c->pid;
    w->process = OpenProcess(PROCESS_DUP_HANDLE, FALSE, c->pid);
  }
  if (w->process == NULL) return;
  HANDLE process = GetCurrentProcess();
  if (!DuplicateHandle(w->process, (HANDLE)c->handle, process, &w->copy, 0, FALSE, 0)) return;
  const wchar_t *type = type_of(w, c->type);
  if (s->type == NULL || _wcsicmp(type, s->type) == 0) {
    size_t n = query(w, 1);
    if (n > 0 && is_wanted(s, w->name.Buffer, n)) c->name = keep(s, w->name.Buffer, n);
  }
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

enum { TICK_MS = 50, PATIENCE_MS = 250 };

/* Waits until the thread is done or has not moved on for `patience`. */
static int is_done(lua_State *L, const worker *w, DWORD patience) {
  LONG last = w->search->next;
  for (DWORD still = 0; still < patience;) {
    if (WaitForSingleObject(w->thread, TICK_MS) == WAIT_OBJECT_0) return 1;
    if (luax_interrupt && WaitForSingleObject(luax_interrupt, 0) == WAIT_OBJECT_0)
      luax_fail(L, NULL, ERROR_OPERATION_ABORTED);
    still = w->search->next == last ? still + TICK_MS : 0;
    last = w->search->next;
  }
  return 0;
}

/* Asks all candidates; returns how many did not answer. After a few of them one tick must do for each, and with very
 * many the rest is not asked. */
static LONG ask_names(lua_State *L, search *s) {
  enum { FEW_SILENT = 4, MOST_SILENT = 32 };
  luax_handle *slot = luax_newhandle(L, close_worker);
  for (LONG silent = 0;; silent++) {
    if (is_done(L, start_worker(L, slot, s), silent < FEW_SILENT ? PATIENCE_MS : TICK_MS)) return silent;
    luax_closehandle(slot);
    if (silent == MOST_SILENT) return silent + s->count - s->next;
    s->next++;
  }
}

/* ---- The function ---- */

/* p80's own handle of a file, whose type is that of all files. */
static HANDLE open_nul(luax_handle *slot) {
  HANDLE nul = CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
  if (nul != INVALID_HANDLE_VALUE) slot->value = (UINT_PTR)nul;
  return nul;
}

/* A pattern that begins with a drive in the kernel's form; others as they are (+1). */
static const wchar_t *kernel_pattern(lua_State *L, const wchar_t *pattern) {
  wchar_t device[512], drive[3] = {0};
  lua_pushnil(L);
  if (pattern == NULL || !iswalpha(pattern[0]) || pattern[1] != L':') return pattern;
  memcpy(drive, pattern, 2 * sizeof *drive);
  if (!QueryDosDeviceW(drive, device, 512)) return pattern;
  wchar_t *whole = luax_buffer(L, (wcslen(device) + wcslen(pattern)) * sizeof *whole);
  lua_replace(L, -2);
  wcscpy(whole, device);
  return wcscat(whole, pattern + 2);
}

static void push_rows(lua_State *L, const search *s) {
  lua_Integer n = 0;
  lua_newtable(L);
  for (LONG i = 0; i < s->count; i++) {
    const candidate *c = &s->candidates[i];
    if (c->name == 0) continue;
    lua_createtable(L, 0, 4);
    luax_setinteger(L, "pid", c->pid);
    luax_setinteger(L, "handle", (lua_Integer)c->handle);
    luax_setwide(L, "type", s->types[c->type % MOST_TYPES]);
    luax_pushwide(L, s->text + c->name, s->text[c->name - 1]);
    lua_setfield(L, -2, "object");
    lua_rawseti(L, -2, ++n);
  }
}

/* Raw win.process.file_name(object) -> the path of a file on a drive, of which `object` is the kernel's name; other
 * names as they are. */
int process_file_name(lua_State *L) {
  size_t n;
  const wchar_t *name = luax_checkwide(L, 1, "object", &n);
  if (has_dos_prefix(name, n)) luax_pushwide(L, name + DOS_PREFIX, n - DOS_PREFIX);
  else process_push_drive_path(L, name, n);
  return 1;
}

/* Raw win.process.handles({name=, pid=, type=}) -> {pid=, handle=, type=, object=} of each, number of handles that
 * did not answer. */
int process_handles(lua_State *L) {
  static const char *const known[] = {"name", "pid", "type", NULL};
  wish w = {ANY_PROCESS, 0};
  luax_arguments(L, 1, 1);
  luax_options(L, 1, known);
  const wchar_t *given = luax_optwide(L, luax_field(L, 1, "name"), "name"), *pattern = kernel_pattern(L, given);
  const wchar_t *type = luax_optwide(L, luax_field(L, 1, "type"), "type");
  int pid = luax_field(L, 1, "pid");
  if (!lua_isnil(L, pid)) w.pid = (DWORD)luax_checkinteger(L, pid, "pid", 0, ANY_PROCESS - 1);
  winapi_load(L, "ntdll");
  privilege_enable_debug(L);
  luax_handle *file = luax_newhandle(L, luax_closekernel);
  luax_handle *list = luax_newpages(L), *pages = luax_newpages(L), *text = luax_newpages(L);
  HANDLE nul = open_nul(file);
  snapshot all = take_snapshot(L, list);
  if (type && _wcsicmp(type, L"file") == 0) w.file_type = file_type(&all, nul);
  search *s = new_search(L, pages, &all, &w);
  luax_closehandle(list);
  s->given = given;
  s->pattern = pattern;
  s->type = type;
  /* what follows a name can be read */
  s->text = luax_setpages(L, text, (TEXT_UNITS + PROCESS_ROOM) * sizeof(wchar_t), "handles");
  LONG silent = ask_names(L, s);
  if (s->used > TEXT_UNITS) luax_failhint(L, "handles", ERROR_MORE_DATA, "ask for fewer with name, pid or type");
  push_rows(L, s);
  lua_pushinteger(L, silent);
  return 2;
}
