/* The wrappers around p80's calls: see shim.h. */
#include "shim.h"

#include <winternl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef UINT_PTR word; /* what an argument or a result is passed in */

typedef struct shim_function {
  const char *name;
  FARPROC wrapper;
  FARPROC real;
  LONG calls;
} shim_function;

static shim_function functions[SHIM_FUNCTIONS];

NTSTATUS NTAPI LdrGetProcedureAddress(HMODULE module, PANSI_STRING name, ULONG ordinal, FARPROC *address);

/* ---- Variables ---- */

unsigned long shim_number(const char *variable) {
  char text[32];
  DWORD n = GetEnvironmentVariableA(variable, text, sizeof text);
  return n == 0 || n >= sizeof text ? 0 : strtoul(text, NULL, 10);
}

int shim_is_set(const char *variable, const char *value) {
  char text[32];
  DWORD n = GetEnvironmentVariableA(variable, text, sizeof text);
  return n > 0 && n < sizeof text && strcmp(text, value) == 0;
}

/* ---- What the variables ask of one call ---- */

enum { FAIL, KILL, HANG, MODES, LONGEST = 512 };
static const char *const modes[MODES] = {"P80_SHIM_FAIL", "P80_SHIM_KILL", "P80_SHIM_HANG"};
static char wishes[MODES][LONGEST];

static int index_of(const char *name, size_t length) {
  for (int i = 0; i < SHIM_FUNCTIONS; i++)
    if (strncmp(functions[i].name, name, length) == 0 && functions[i].name[length] == 0) return i;
  return -1;
}

/* A test that hopes for the failure of a call that cannot be made to fail would pass for nothing. */
static void check_names(const char *wish) {
  while (*wish) {
    size_t length = strcspn(wish, ":,");
    if (index_of(wish, length) < 0) {
      fprintf(stderr, "shim: cannot intercept %.*s\n", (int)length, wish);
      exit(99);
    }
    wish += strcspn(wish, ",");
    wish += *wish == ',';
  }
}

/* Reads the variables; when one has changed, counting begins anew. */
static void read_wishes(void) {
  for (int mode = 0; mode < MODES; mode++) {
    char text[LONGEST];
    DWORD n = GetEnvironmentVariableA(modes[mode], text, sizeof text);
    if (n == 0 || n >= sizeof text) text[0] = 0;
    if (strcmp(text, wishes[mode]) == 0) continue;
    check_names(text);
    strcpy(wishes[mode], text);
    for (int i = 0; i < SHIM_FUNCTIONS; i++) functions[i].calls = 0;
  }
}

/* Whether a wish of `mode` is for this call; `rest` gets what follows the number. */
static int is_wished(int mode, int index, LONG call, const char **rest) {
  size_t length = strlen(functions[index].name);
  for (const char *wish = wishes[mode]; *wish; wish += strcspn(wish, ","), wish += *wish == ',') {
    if (strncmp(wish, functions[index].name, length) != 0 || wish[length] != ':') continue;
    char *end;
    LONG n = strtol(wish + length + 1, &end, 10);
    int onwards = *end == '+';
    *rest = end + onwards + (end[onwards] == ':');
    if (call == n || (onwards && call > n)) return 1;
  }
  return 0;
}

static word failed(int index, shim_failure failure, const char *rest) {
  SetEnvironmentVariableA("P80_SHIM_STRUCK", functions[index].name);
  int is_write = index == SHIM_WriteFile || index == SHIM_FlushFileBuffers;
  DWORD code = (DWORD)strtoul(rest, NULL, 10);
  if (code == 0) code = is_write ? ERROR_DISK_FULL : ERROR_GEN_FAILURE;
  if (failure == CODE) return code;
  if (failure == STATUS) return (word)(LONG)(0xC0070000 | code);
  SetLastError(code);
  return failure == LAST_INVALID ? (word)-1 : 0;
}

static void end_process(void) { SHIM_REAL(TerminateProcess)(GetCurrentProcess(), 98); }

/* Returns 1 when the call must not be made, with its result. */
static int before(int index, LONG call, shim_failure failure, word *result) {
  const char *rest;
  if (is_wished(HANG, index, call, &rest)) Sleep(INFINITE);
  if (is_wished(KILL, index, call, &rest) && strncmp(rest, "after", 5) != 0) end_process();
  if (!is_wished(FAIL, index, call, &rest)) return 0;
  *result = failed(index, failure, rest);
  return 1;
}

static void after(int index, LONG call) {
  const char *rest;
  if (is_wished(KILL, index, call, &rest)) end_process();
}

/* ---- The functions ---- */

static const shim_replacement *const replacements[] = {shim_http_config, shim_scm,     shim_scm_config, shim_tcp_table,
                                                       shim_old_windows, shim_process, shim_event_log,  shim_token,
                                                       shim_trust,
                                                       shim_modules,     shim_links,   shim_file_security};

FARPROC shim_real(int index) {
  if (functions[index].real) return functions[index].real;
  ANSI_STRING name;
  RtlInitAnsiString(&name, functions[index].name);
  LdrGetProcedureAddress(GetModuleHandleW(L"kernel32.dll"), &name, 0, &functions[index].real);
  return functions[index].real;
}

static FARPROC replacement(int index) {
  for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++)
    for (const shim_replacement *r = replacements[i]; r->name; r++)
      if (strcmp(r->name, functions[index].name) == 0) return r->function;
  return NULL;
}

static FARPROC inner(int index) {
  FARPROC function = replacement(index);
  return function ? function : shim_real(index);
}

#define PARAMETERS_1 word a
#define PARAMETERS_2 PARAMETERS_1, word b
#define PARAMETERS_3 PARAMETERS_2, word c
#define PARAMETERS_4 PARAMETERS_3, word d
#define PARAMETERS_5 PARAMETERS_4, word e
#define PARAMETERS_6 PARAMETERS_5, word f
#define PARAMETERS_7 PARAMETERS_6, word g
#define PARAMETERS_8 PARAMETERS_7, word h
#define PARAMETERS_9 PARAMETERS_8, word i
#define PARAMETERS_10 PARAMETERS_9, word j
#define PARAMETERS_11 PARAMETERS_10, word k
#define PARAMETERS_12 PARAMETERS_11, word l
#define PARAMETERS_13 PARAMETERS_12, word m
#define VALUES_1 a
#define VALUES_2 VALUES_1, b
#define VALUES_3 VALUES_2, c
#define VALUES_4 VALUES_3, d
#define VALUES_5 VALUES_4, e
#define VALUES_6 VALUES_5, f
#define VALUES_7 VALUES_6, g
#define VALUES_8 VALUES_7, h
#define VALUES_9 VALUES_8, i
#define VALUES_10 VALUES_9, j
#define VALUES_11 VALUES_10, k
#define VALUES_12 VALUES_11, l
#define VALUES_13 VALUES_12, m

#define WRAP(name, words, failure)                                                              \
  static word WINAPI wrapped_##name(PARAMETERS_##words) {                                       \
    word result;                                                                                \
    read_wishes();                                                                              \
    LONG call = InterlockedIncrement(&functions[SHIM_##name].calls);                            \
    if (before(SHIM_##name, call, failure, &result)) return result;                             \
    word(WINAPI *function)(PARAMETERS_##words);                                                 \
    function = (word(WINAPI *)(PARAMETERS_##words))(void (*)(void))inner(SHIM_##name);          \
    result = function(VALUES_##words);                                                          \
    after(SHIM_##name, call);                                                                   \
    return result;                                                                              \
  }
SHIM_FOUND(WRAP)
SHIM_IMPORTED(WRAP)

#define ENTRY(name, words, failure) {#name, (FARPROC)(void (*)(void))wrapped_##name, NULL, 0},
static shim_function functions[SHIM_FUNCTIONS] = {SHIM_FOUND(ENTRY) SHIM_IMPORTED(ENTRY)};

/* ---- The imports ---- */

/* The linker's name of an import: __imp_NAME, on x86 __imp__NAME@BYTES. */
#define BYTES_1 "4"
#define BYTES_2 "8"
#define BYTES_3 "12"
#define BYTES_4 "16"
#define BYTES_5 "20"
#define BYTES_6 "24"
#define BYTES_7 "28"
#define BYTES_8 "32"
#define BYTES_10 "40"
#ifdef _WIN64
#define IMPORT(name, words) __asm__("__imp_" #name)
#else
#define IMPORT(name, words) __asm__("__imp__" #name "@" BYTES_##words)
#endif

#define TAKE_PLACE(name, words, failure)                        \
  extern word(WINAPI *import_##name)(PARAMETERS_##words) IMPORT(name, words); \
  word(WINAPI *import_##name)(PARAMETERS_##words) = wrapped_##name;
SHIM_IMPORTED(TAKE_PLACE)

/* In place of GetProcAddress. */
static FARPROC WINAPI find_function(HMODULE module, LPCSTR name) {
  FARPROC found = NULL;
  ANSI_STRING text;
  if (IS_INTRESOURCE(name)) {
    LdrGetProcedureAddress(module, NULL, (ULONG)(ULONG_PTR)name, &found);
    return found;
  }
  RtlInitAnsiString(&text, name);
  int index = index_of(name, strlen(name));
  if (LdrGetProcedureAddress(module, &text, 0, &found) < 0) found = NULL;
  if (shim_is_hidden(name) || (found == NULL && (index < 0 || replacement(index) == NULL))) {
    SetLastError(ERROR_PROC_NOT_FOUND);
    return NULL;
  }
  if (index < 0) return found;
  functions[index].real = found;
  return functions[index].wrapper;
}
extern FARPROC(WINAPI *import_GetProcAddress)(HMODULE, LPCSTR) IMPORT(GetProcAddress, 2);
FARPROC(WINAPI *import_GetProcAddress)(HMODULE, LPCSTR) = find_function;

/* In place of QueryPerformanceCounter. */
static BOOL WINAPI count(LARGE_INTEGER *now) {
  static FARPROC real;
  static LONG calls;
  LARGE_INTEGER second;
  ANSI_STRING name;
  RtlInitAnsiString(&name, "QueryPerformanceCounter");
  if (real == NULL) LdrGetProcedureAddress(GetModuleHandleW(L"kernel32.dll"), &name, 0, &real);
  BOOL counted = ((BOOL(WINAPI *)(LARGE_INTEGER *))(void (*)(void))real)(now);
  QueryPerformanceFrequency(&second);
  if (shim_number("P80_SHIM_CLOCK") && InterlockedIncrement(&calls) % 2 == 0) now->QuadPart -= second.QuadPart;
  return counted;
}
extern BOOL(WINAPI *import_QueryPerformanceCounter)(LARGE_INTEGER *) IMPORT(QueryPerformanceCounter, 1);
BOOL(WINAPI *import_QueryPerformanceCounter)(LARGE_INTEGER *) = count;

/* ---- Counting ---- */

const char *shim_calls(int index, long *calls) {
  *calls = functions[index].calls;
  return functions[index].name;
}

static void write_counts(void) {
  wchar_t path[MAX_PATH];
  DWORD n = GetEnvironmentVariableW(L"P80_SHIM_COUNT", path, MAX_PATH);
  FILE *file = n > 0 && n < MAX_PATH ? _wfopen(path, L"wb") : NULL;
  if (file == NULL) return;
  for (int i = 0; i < SHIM_FUNCTIONS; i++)
    if (functions[i].calls) fprintf(file, "%s %ld\n", functions[i].name, functions[i].calls);
  fclose(file);
}

static void __attribute__((constructor)) at_start(void) {
  read_wishes();
  atexit(write_counts);
}
