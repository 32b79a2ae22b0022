/* P80_SHIM_EVENTS=1: event logs that keep what is written to them; Wine's swallow it.
 * https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-reporteventw and nf-winbase-readeventlogw (the old
 * API) https://learn.microsoft.com/windows/win32/api/winevt/ (the new one, over the same records)
 *
 * The records of a log are the values "00000001", ... of HKLM\SYSTEM\p80-test\events\<log>, each an EVENTLOGRECORD. A
 * source that is registered nowhere writes to Application, and a log that does not exist is Application for the old
 * API and ERROR_EVT_CHANNEL_NOT_FOUND for the new one, as documented. The new API does not filter here; the query it
 * was given is in the variable P80_SHIM_QUERY, for the test to judge. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "evt.h"
#include "shim.h"

#define EVENTS L"SYSTEM\\p80-test\\events"
#define LOGS L"SYSTEM\\CurrentControlSet\\Services\\EventLog"

enum { LARGEST = 0x10000, NO_CHANNEL = 15007 };

static int is_on(void) { return shim_is_set("P80_SHIM_EVENTS", "1"); }

/* ---- The store ---- */

static int key_exists(const wchar_t *path) {
  HKEY key;
  if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_READ | KEY_WOW64_64KEY, &key)) return 0;
  RegCloseKey(key);
  return 1;
}

static int log_exists(const wchar_t *log) {
  if (*log == 0) return 0;
  wchar_t path[256];
  _snwprintf(path, 256, LOGS L"\\%ls", log);
  return key_exists(path);
}

/* The log where a source is registered. */
static void find_log(const wchar_t *source, wchar_t log[64]) {
  HKEY key;
  wcscpy(log, L"Application");
  if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, LOGS, 0, KEY_READ | KEY_WOW64_64KEY, &key)) return;
  for (DWORD i = 0;; i++) {
    wchar_t name[64], path[400];
    DWORD n = 64;
    if (RegEnumKeyExW(key, i, name, &n, NULL, NULL, NULL, NULL)) break;
    _snwprintf(path, 400, LOGS L"\\%ls\\%ls", name, source);
    if (key_exists(path)) wcscpy(log, name);
  }
  RegCloseKey(key);
}

static HKEY open_store(const wchar_t *log) {
  wchar_t path[128];
  HKEY key = NULL;
  _snwprintf(path, 128, EVENTS L"\\%ls", log);
  RegCreateKeyExW(HKEY_LOCAL_MACHINE, path, 0, NULL, 0, KEY_ALL_ACCESS | KEY_WOW64_64KEY, NULL, &key, NULL);
  return key;
}

static DWORD record_count(HKEY store) {
  DWORD n = 0;
  RegQueryInfoKeyW(store, NULL, NULL, NULL, NULL, NULL, NULL, &n, NULL, NULL, NULL, NULL);
  return n;
}

/* Record `number`, of `size` bytes whatever it says itself, in memory that the caller frees, or NULL. */
static EVENTLOGRECORD *load(const wchar_t *log, DWORD number, DWORD *size) {
  wchar_t name[16];
  HKEY store = open_store(log);
  *size = LARGEST;
  BYTE *bytes = malloc(*size);
  _snwprintf(name, 16, L"%08lu", number);
  LSTATUS failed = RegQueryValueExW(store, name, NULL, NULL, bytes, size);
  RegCloseKey(store);
  if (!failed) return (EVENTLOGRECORD *)bytes;
  free(bytes);
  return NULL;
}

static DWORD put(BYTE *record, DWORD at, const wchar_t *text) {
  DWORD size = (DWORD)((wcslen(text) + 1) * sizeof *text);
  if (at + size > LARGEST) return at;
  memcpy(record + at, text, size);
  return at + size;
}

/* ---- Writing and the old API ---- */

typedef struct log_handle {
  wchar_t name[256];
  DWORD next; /* the record that is read next; 0: none left */
  DWORD query;
} log_handle;

static HANDLE WINAPI register_source(LPCWSTR server, LPCWSTR source) {
  if (!is_on()) return RegisterEventSourceW(server, source);
  log_handle *handle = calloc(1, sizeof *handle);
  wcsncpy(handle->name, source, 255);
  return handle;
}

static BOOL WINAPI close_handle(HANDLE handle) {
  if (!is_on()) return DeregisterEventSource(handle);
  free(handle);
  return TRUE;
}

static BOOL WINAPI report(HANDLE handle, WORD type, WORD category, DWORD id, PSID user, WORD count, DWORD size,
                          LPCWSTR *strings, LPVOID data) {
  if (!is_on()) return ReportEventW(handle, type, category, id, user, count, size, strings, data);
  wchar_t log[64], name[16];
  const wchar_t *source = ((log_handle *)handle)->name;
  find_log(source, log);
  HKEY store = open_store(log);
  EVENTLOGRECORD *record = calloc(1, LARGEST + 8);
  BYTE *bytes = (BYTE *)record;
  record->Reserved = 0x654C664C;
  record->RecordNumber = record_count(store) + 1;
  FILETIME now;
  GetSystemTimeAsFileTime(&now);
  ULONGLONG time = ((ULONGLONG)now.dwHighDateTime << 32 | now.dwLowDateTime) / 10000000u - 11644473600u;
  record->TimeGenerated = record->TimeWritten = (DWORD)time;
  record->EventID = id;
  record->EventType = type;
  record->NumStrings = count;
  record->EventCategory = category;
  DWORD at = put(bytes, put(bytes, sizeof *record, source), L"MACHINE");
  record->StringOffset = at;
  for (WORD i = 0; i < count; i++) at = put(bytes, at, strings[i]);
  at = (at + 3) & ~3u;
  record->Length = at + sizeof(DWORD);
  memcpy(bytes + at, &record->Length, sizeof(DWORD));
  _snwprintf(name, 16, L"%08lu", record->RecordNumber);
  RegSetValueExW(store, name, 0, REG_BINARY, bytes, record->Length);
  RegCloseKey(store);
  free(record);
  return TRUE;
}

static HANDLE open_reader(const wchar_t *log) {
  log_handle *handle = calloc(1, sizeof *handle);
  wcsncpy(handle->name, log, 255);
  HKEY store = open_store(log);
  handle->next = record_count(store);
  RegCloseKey(store);
  return handle;
}

static HANDLE WINAPI open_log(LPCWSTR server, LPCWSTR log) {
  if (!is_on()) return OpenEventLogW(server, log);
  return open_reader(log_exists(log) ? log : L"Application");
}

/* Backwards only, as many whole records as there is room for. */
static BOOL WINAPI read_log(HANDLE handle, DWORD flags, DWORD offset, LPVOID buffer, DWORD room, DWORD *read,
                            DWORD *needed) {
  if (!is_on()) return ReadEventLogW(handle, flags, offset, buffer, room, read, needed);
  log_handle *reader = handle;
  *read = *needed = 0;
  while (reader->next > 0) {
    DWORD length;
    EVENTLOGRECORD *record = load(reader->name, reader->next, &length);
    if (length > room - *read) {
      *needed = length;
      free(record);
      break;
    }
    memcpy((BYTE *)buffer + *read, record, length);
    free(record);
    *read += length;
    reader->next--;
  }
  if (*read > 0) return TRUE;
  SetLastError(reader->next > 0 ? ERROR_INSUFFICIENT_BUFFER : ERROR_HANDLE_EOF);
  return FALSE;
}

/* ---- The new API ---- */

static EVT_HANDLE WINAPI evt_query(EVT_HANDLE session, LPCWSTR path, LPCWSTR query, DWORD flags) {
  if (!is_on()) return NULL; /* as Wine */
  if (session != NULL || flags != (EVT_QUERY_CHANNEL | EVT_QUERY_REVERSE)) abort();
  SetEnvironmentVariableW(L"P80_SHIM_QUERY", query ? query : L"");
  if (log_exists(path)) return open_reader(path);
  SetLastError(NO_CHANNEL);
  return NULL;
}

typedef struct event_handle {
  EVENTLOGRECORD *record;
  wchar_t log[256];
} event_handle;

/* Every handle is memory; the first word of an event's is its record, of others' something else. */
static BOOL WINAPI evt_close(EVT_HANDLE handle) {
  free(handle);
  return TRUE;
}

static BOOL WINAPI evt_next(EVT_HANDLE results, DWORD size, EVT_HANDLE *events, DWORD timeout, DWORD flags,
                            DWORD *got) {
  (void)timeout, (void)flags;
  log_handle *reader = results;
  if (size != 1) abort();
  *got = 0;
  if (reader->next == 0) {
    SetLastError(ERROR_NO_MORE_ITEMS);
    return FALSE;
  }
  DWORD length;
  EVENTLOGRECORD *record = load(reader->name, reader->next--, &length);
  event_handle *event = calloc(1, sizeof *event + length);
  event->record = (EVENTLOGRECORD *)(event + 1);
  memcpy(event->record, record, length);
  wcscpy(event->log, reader->name);
  free(record);
  events[0] = event;
  *got = 1;
  return TRUE;
}

static EVT_HANDLE WINAPI evt_context(DWORD count, LPCWSTR *paths, DWORD flags) {
  (void)count, (void)paths;
  DWORD *context = malloc(sizeof *context);
  *context = flags;
  return context;
}

static const wchar_t *text_at(const EVENTLOGRECORD *record, DWORD offset, int skip) {
  const wchar_t *text = (const wchar_t *)((const BYTE *)record + offset);
  while (skip-- > 0) text += wcslen(text) + 1;
  return text;
}

static void set(evt_variant *v, DWORD type, UINT64 number) {
  v->type = type;
  v->value.uint64 = number;
}

static void set_text(evt_variant *v, const wchar_t *text) {
  v->type = EVT_TEXT;
  v->value.text = text;
}

/* The documented level of an old type:
 * https://learn.microsoft.com/windows/win32/wes/eventschema-systempropertiestype-complextype */
static void set_system(evt_variant *values, const event_handle *event) {
  const EVENTLOGRECORD *record = event->record;
  static const BYTE levels[] = {4, 2, 3, 4, 4};
  memset(values, 0, EVT_SYSTEM_VALUES * sizeof *values);
  set_text(&values[EVT_PROVIDER], text_at(record, sizeof *record, 0));
  set(&values[EVT_ID], EVT_UINT16, record->EventID & 0xFFFF);
  set(&values[EVT_LEVEL], EVT_UINT8, record->EventType < 8 ? levels[record->EventType] : 0);
  UINT64 audit = record->EventType == 8 ? 0x20000000000000 : record->EventType == 16 ? 0x10000000000000 : 0;
  set(&values[EVT_KEYWORDS], EVT_HEX64, 0x80000000000000 | audit);
  set(&values[EVT_TASK], EVT_UINT16, record->EventCategory);
  set(&values[EVT_TIME], EVT_FILETIME, ((UINT64)record->TimeGenerated + 11644473600u) * 10000000u);
  set(&values[EVT_RECORD], EVT_UINT64, record->RecordNumber);
  set_text(&values[EVT_CHANNEL], event->log);
  set_text(&values[EVT_COMPUTER], text_at(record, sizeof *record, 1));
}

static BOOL WINAPI evt_render(EVT_HANDLE context, EVT_HANDLE handle, DWORD flags, DWORD room, PVOID buffer,
                              DWORD *used, DWORD *count) {
  const event_handle *event = handle;
  int is_system = *(DWORD *)context == EVT_CONTEXT_SYSTEM;
  if (flags != EVT_RENDER_VALUES) abort();
  *count = is_system ? EVT_SYSTEM_VALUES : event->record->NumStrings;
  *used = *count * (DWORD)sizeof(evt_variant);
  if (*used > room) {
    SetLastError(ERROR_INSUFFICIENT_BUFFER);
    return FALSE;
  }
  evt_variant *values = buffer;
  if (is_system) set_system(values, event);
  for (DWORD i = 0; !is_system && i < *count; i++)
    set_text(&values[i], text_at(event->record, event->record->StringOffset, (int)i));
  return TRUE;
}

static EVT_HANDLE WINAPI evt_publisher(EVT_HANDLE session, LPCWSTR name, LPCWSTR file, LCID locale, DWORD flags) {
  (void)session, (void)file, (void)locale, (void)flags;
  wchar_t log[64], path[400], message_file[MAX_PATH];
  DWORD size = sizeof message_file;
  find_log(name, log);
  _snwprintf(path, 400, LOGS L"\\%ls\\%ls", log, name);
  if (RegGetValueW(HKEY_LOCAL_MACHINE, path, L"EventMessageFile", RRF_RT_ANY | 0x10000, NULL, message_file, &size)) {
    SetLastError(ERROR_FILE_NOT_FOUND);
    return NULL;
  }
  return _wcsdup(message_file);
}

static BOOL WINAPI evt_format(EVT_HANDLE publisher, EVT_HANDLE handle, DWORD id, DWORD count, evt_variant *values,
                              DWORD flags, DWORD room, LPWSTR text, DWORD *used) {
  (void)id, (void)count, (void)values;
  const event_handle *event = handle;
  DWORD_PTR inserts[100];
  if (flags != EVT_MESSAGE_OF_EVENT) abort();
  for (int i = 0; i < 100; i++)
    inserts[i] =
        (DWORD_PTR)(i < event->record->NumStrings ? text_at(event->record, event->record->StringOffset, i) : L"");
  HMODULE module = LoadLibraryExW(publisher, NULL, LOAD_LIBRARY_AS_DATAFILE);
  wchar_t *message = NULL;
  DWORD n =
      FormatMessageW(FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_HMODULE | FORMAT_MESSAGE_ARGUMENT_ARRAY,
                     module, event->record->EventID, 0, (wchar_t *)&message, 0, (va_list *)inserts);
  if (module) FreeLibrary(module);
  if (n == 0) {
    SetLastError(15027); /* ERROR_EVT_MESSAGE_NOT_FOUND */
    return FALSE;
  }
  while (n > 0 && (message[n - 1] == L'\n' || message[n - 1] == L'\r')) message[--n] = 0;
  *used = n + 1;
  int fits = *used <= room;
  if (fits) wcscpy(text, message);
  LocalFree(message);
  if (!fits) SetLastError(ERROR_INSUFFICIENT_BUFFER);
  return fits;
}

const shim_replacement shim_event_log[] = {SHIM_REPLACE(RegisterEventSourceW, register_source),
                                           SHIM_REPLACE(DeregisterEventSource, close_handle),
                                           SHIM_REPLACE(ReportEventW, report),
                                           SHIM_REPLACE(OpenEventLogW, open_log),
                                           SHIM_REPLACE(CloseEventLog, close_handle),
                                           SHIM_REPLACE(ReadEventLogW, read_log),
                                           SHIM_REPLACE(EvtQuery, evt_query),
                                           SHIM_REPLACE(EvtNext, evt_next),
                                           SHIM_REPLACE(EvtCreateRenderContext, evt_context),
                                           SHIM_REPLACE(EvtRender, evt_render),
                                           SHIM_REPLACE(EvtOpenPublisherMetadata, evt_publisher),
                                           SHIM_REPLACE(EvtFormatMessage, evt_format),
                                           SHIM_REPLACE(EvtClose, evt_close),
                                           {NULL, NULL}};
