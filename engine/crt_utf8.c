#define P80_CRT_UTF8_IMPLEMENTATION
#include "crt_utf8.h"

#include <stdarg.h>
#include <wchar.h>

#include "console.h"
#include "wtf8.h"

int p80_errno(DWORD code) {
  static const struct {
    WORD code, number;
  } table[] = {
      {ERROR_FILE_NOT_FOUND, ENOENT},
      {ERROR_PATH_NOT_FOUND, ENOENT},
      {ERROR_INVALID_NAME, ENOENT},
      {ERROR_INVALID_DRIVE, ENOENT},
      {ERROR_BAD_NETPATH, ENOENT},
      {ERROR_BAD_NET_NAME, ENOENT},
      {ERROR_NO_MORE_FILES, ENOENT},
      {ERROR_BAD_PATHNAME, ENOENT},
      {ERROR_DIRECTORY, ENOTDIR},
      {ERROR_ACCESS_DENIED, EACCES},
      {ERROR_SHARING_VIOLATION, EACCES},
      {ERROR_LOCK_VIOLATION, EACCES},
      {ERROR_WRITE_PROTECT, EROFS},
      {ERROR_CURRENT_DIRECTORY, EACCES},
      {ERROR_PRIVILEGE_NOT_HELD, EPERM},
      {ERROR_ALREADY_EXISTS, EEXIST},
      {ERROR_FILE_EXISTS, EEXIST},
      {ERROR_DIR_NOT_EMPTY, ENOTEMPTY},
      {ERROR_FILENAME_EXCED_RANGE, ENAMETOOLONG},
      {ERROR_NOT_ENOUGH_MEMORY, ENOMEM},
      {ERROR_OUTOFMEMORY, ENOMEM},
      {ERROR_DISK_FULL, ENOSPC},
      {ERROR_HANDLE_DISK_FULL, ENOSPC},
      {ERROR_NOT_SAME_DEVICE, EXDEV},
      {ERROR_TOO_MANY_OPEN_FILES, EMFILE},
      {ERROR_NO_SYSTEM_RESOURCES, ENOMEM},
      {ERROR_NOT_SUPPORTED, ENOSYS},
      {ERROR_CALL_NOT_IMPLEMENTED, ENOSYS},
      {ERROR_INVALID_FUNCTION, ENOSYS},
      {ERROR_NO_UNICODE_TRANSLATION, EILSEQ},
      {ERROR_INVALID_HANDLE, EBADF},
      {ERROR_BROKEN_PIPE, EPIPE},
      {ERROR_NO_DATA, EPIPE},
      {ERROR_BAD_EXE_FORMAT, ENOEXEC},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (table[i].code == code) return table[i].number;
  return EINVAL;
}

/* Sets errno from GetLastError(); -1. */
static int fail(void) {
  errno = p80_errno(GetLastError());
  return -1;
}

/* 0 for a Windows function that succeeded. */
static int result(BOOL success) { return success ? 0 : fail(); }

/* ---- Names ---- */

/* UTF-16 text on the stack if it is short. */
typedef struct wide {
  wchar_t *text; /* NULL: errno says why */
  wchar_t small[MAX_PATH + 8];
} wide;

static void wide_free(wide *w) {
  if (w->text != w->small) free(w->text);
}

static wchar_t *wide_room(wide *w, size_t units) {
  w->text = units <= sizeof w->small / sizeof w->small[0] ? w->small : malloc(units * sizeof(wchar_t));
  if (w->text == NULL) errno = ENOMEM;
  return w->text;
}

/* Fails in both of Windows' ways, since LuaFileSystem looks at either. */
static int not_text(wide *w) {
  w->text = NULL;
  SetLastError(ERROR_NO_UNICODE_TRANSLATION);
  errno = EILSEQ;
  return 0;
}

/* `prefix` and `s` as UTF-16. */
static int wide_join(wide *w, const wchar_t *prefix, const char *s) {
  size_t n = strlen(s), before = wcslen(prefix), units = wtf8_wide_length(s, n);
  if (units == WTF8_INVALID) return not_text(w);
  if (!wide_room(w, before + units + 1)) return 0;
  memcpy(w->text, prefix, before * sizeof(wchar_t));
  wtf8_to_wide(s, n, w->text + before);
  w->text[before + units] = 0;
  return 1;
}

static int is_slash(wchar_t c) { return c == L'\\' || c == L'/'; }

/* \\?\ and \\.\ paths go to Windows as they are. */
static int is_device_path(const wchar_t *p) {
  return is_slash(p[0]) && is_slash(p[1]) && (p[2] == L'?' || p[2] == L'.') && is_slash(p[3]);
}

/* A file's name. Absolute paths that old functions refuse for their length get the prefix that allows it
 * (https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation; folders stop 12 characters short
 * of MAX_PATH). */
static int wide_path(wide *w, const char *name) {
  static const DWORD longest = MAX_PATH - 12;
  if (!wide_join(w, L"", name)) return 0;
  if (is_device_path(w->text)) return 1;
  DWORD room = GetFullPathNameW(w->text, 0, NULL, NULL);
  if (room <= longest) return 1;
  wchar_t *full = malloc((room + 8) * sizeof *full);
  DWORD n = full ? GetFullPathNameW(w->text, room, full + 8, NULL) : 0;
  if (n == 0 || n >= room) {
    free(full);
    wide_free(w);
    w->text = NULL;
    errno = ENOMEM;
    return 0;
  }
  int unc = is_slash(full[8]) && is_slash(full[9]);
  wchar_t *start = unc ? full + 2 : full + 4; /* \\?\UNC takes the place of the first backslash */
  memcpy(start, unc ? L"\\\\?\\UNC" : L"\\\\?\\", (unc ? 7 : 4) * sizeof *full);
  memmove(full, start, ((size_t)(full + 8 - start) + n + 1) * sizeof *full);
  wide_free(w);
  w->text = full;
  return 1;
}

/* UTF-16 into `size` bytes with a terminator; 0 with ERANGE when it does not fit. */
static int to_utf8(const wchar_t *text, size_t n, char *out, size_t size) {
  if (wtf8_length(text, n) >= size) {
    errno = ERANGE;
    return 0;
  }
  out[wtf8_from_wide(text, n, out)] = 0;
  return 1;
}

/* Modes are ASCII. */
static void to_wide_mode(const char *mode, wchar_t out[16]) {
  size_t i = 0;
  for (; mode[i] && i < 15; i++) out[i] = (wchar_t)(unsigned char)mode[i];
  out[i] = 0;
}

/* ---- Files ---- */

/* Programs that p80 starts have no business with its files. */
static FILE *keep(FILE *file) {
  if (file) SetHandleInformation((HANDLE)_get_osfhandle(_fileno(file)), HANDLE_FLAG_INHERIT, 0);
  return file;
}

FILE *p80_fopen(const char *name, const char *mode) {
  wide path;
  wchar_t wide_mode[16];
  to_wide_mode(mode, wide_mode);
  FILE *file = wide_path(&path, name) ? keep(_wfopen(path.text, wide_mode)) : NULL;
  wide_free(&path);
  return file;
}

FILE *p80_freopen(const char *name, const char *mode, FILE *stream) {
  wide path;
  wchar_t wide_mode[16];
  to_wide_mode(mode, wide_mode);
  FILE *file = wide_path(&path, name) ? _wfreopen(path.text, wide_mode, stream) : NULL;
  wide_free(&path);
  return file;
}

int p80_remove(const char *name) {
  wide path;
  int failed = wide_path(&path, name) ? result(DeleteFileW(path.text)) : -1;
  wide_free(&path);
  return failed;
}

int p80_rename(const char *from, const char *to) {
  wide old, new;
  int failed = -1;
  if (wide_path(&old, from)) {
    if (wide_path(&new, to)) failed = result(MoveFileExW(old.text, new.text, MOVEFILE_COPY_ALLOWED));
    wide_free(&new);
  }
  wide_free(&old);
  return failed;
}

int p80_mkdir(const char *name) {
  wide path;
  int failed = wide_path(&path, name) ? result(CreateDirectoryW(path.text, NULL)) : -1;
  wide_free(&path);
  return failed;
}

int p80_rmdir(const char *name) {
  wide path;
  int failed = wide_path(&path, name) ? result(RemoveDirectoryW(path.text)) : -1;
  wide_free(&path);
  return failed;
}

/* The current directory has Windows' own limit; a prefixed one would break every relative path. */
int p80_chdir(const char *name) {
  wide path;
  int failed = wide_join(&path, L"", name) ? _wchdir(path.text) : -1;
  wide_free(&path);
  return failed;
}

char *p80_getcwd(char *out, int size) {
  wide path;
  DWORD room = GetCurrentDirectoryW(0, NULL);
  char *got = NULL;
  if (room == 0) fail();
  else if (wide_room(&path, room)) {
    DWORD n = GetCurrentDirectoryW(room, path.text);
    if (n == 0 || n >= room) fail();
    else if (to_utf8(path.text, n, out, (size_t)size)) got = out;
    wide_free(&path);
  }
  return got;
}

/* ---- File status ---- */

static const ULONGLONG EPOCH = 116444736000000000; /* 1970 as a FILETIME */

static __time64_t to_time(FILETIME t) {
  __int64 ticks = (__int64)((ULONGLONG)t.dwHighDateTime << 32 | t.dwLowDateTime) - (__int64)EPOCH;
  return ticks / 10000000 - (ticks % 10000000 < 0);
}

static FILETIME from_time(__time64_t t) {
  ULONGLONG ticks = (ULONGLONG)t * 10000000 + EPOCH;
  FILETIME time = {(DWORD)ticks, (DWORD)(ticks >> 32)};
  return time;
}

/* Asks the target of a link or mount point, which the other functions do not follow. */
static int followed_attributes(const wchar_t *path, WIN32_FILE_ATTRIBUTE_DATA *out) {
  BY_HANDLE_FILE_INFORMATION info;
  HANDLE file = CreateFileW(path, FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                            OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
  if (file == INVALID_HANDLE_VALUE) return 0;
  int got = GetFileInformationByHandle(file, &info);
  CloseHandle(file);
  if (!got) return 0;
  out->dwFileAttributes = info.dwFileAttributes & ~(DWORD)FILE_ATTRIBUTE_REPARSE_POINT;
  out->ftCreationTime = info.ftCreationTime;
  out->ftLastAccessTime = info.ftLastAccessTime;
  out->ftLastWriteTime = info.ftLastWriteTime;
  out->nFileSizeHigh = info.nFileSizeHigh;
  out->nFileSizeLow = info.nFileSizeLow;
  return 1;
}

/* The entry in its folder tells about a file that nobody may open, such as the page file. */
static int entry_attributes(const wchar_t *path, WIN32_FILE_ATTRIBUTE_DATA *out) {
  WIN32_FIND_DATAW entry;
  HANDLE search = wcspbrk(path, L"*") ? INVALID_HANDLE_VALUE : FindFirstFileW(path, &entry);
  if (search == INVALID_HANDLE_VALUE) return 0;
  FindClose(search);
  out->dwFileAttributes = entry.dwFileAttributes;
  out->ftCreationTime = entry.ftCreationTime;
  out->ftLastAccessTime = entry.ftLastAccessTime;
  out->ftLastWriteTime = entry.ftLastWriteTime;
  out->nFileSizeHigh = entry.nFileSizeHigh;
  out->nFileSizeLow = entry.nFileSizeLow;
  return 1;
}

static int attributes(const wchar_t *path, int follow, WIN32_FILE_ATTRIBUTE_DATA *out) {
  if (!GetFileAttributesExW(path, GetFileExInfoStandard, out))
    return GetLastError() == ERROR_SHARING_VIOLATION && entry_attributes(path, out);
  return follow && out->dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT ? followed_attributes(path, out) : 1;
}

/* As the C library does: by the name's end. */
static int is_executable(const wchar_t *path) {
  const wchar_t *dot = wcsrchr(path, L'.');
  return dot &&
         (!_wcsicmp(dot, L".exe") || !_wcsicmp(dot, L".com") || !_wcsicmp(dot, L".bat") || !_wcsicmp(dot, L".cmd"));
}

static unsigned short mode_of(const wchar_t *path, DWORD attribute) {
  int folder = (attribute & FILE_ATTRIBUTE_DIRECTORY) != 0;
  int mode = folder ? _S_IFDIR | _S_IEXEC : _S_IFREG;
  mode |= _S_IREAD | (attribute & FILE_ATTRIBUTE_READONLY && !folder ? 0 : _S_IWRITE);
  if (!folder && is_executable(path)) mode |= _S_IEXEC;
  return (unsigned short)(mode | (mode & 0700) >> 3 | (mode & 0700) >> 6);
}

static unsigned drive_of(const wchar_t *path) {
  wchar_t letter = path[0] && path[1] == L':' ? path[0] : 0;
  return letter ? (letter | 0x20u) - 'a' : (unsigned)_getdrive() - 1;
}

int p80_stat(const char *name, struct p80_stat *out) {
  wide path;
  WIN32_FILE_ATTRIBUTE_DATA data;
  int failed = -1;
  memset(out, 0, sizeof *out);
  if (wide_path(&path, name)) {
    failed = result(attributes(path.text, 1, &data));
    if (!failed) {
      out->st_mode = mode_of(path.text, data.dwFileAttributes);
      out->st_dev = out->st_rdev = drive_of(path.text);
      out->st_nlink = 1;
      out->st_size = (__int64)((ULONGLONG)data.nFileSizeHigh << 32 | data.nFileSizeLow);
      out->st_atime = to_time(data.ftLastAccessTime);
      out->st_mtime = to_time(data.ftLastWriteTime);
      out->st_ctime = to_time(data.ftCreationTime);
    }
  }
  wide_free(&path);
  return failed;
}

/* Folders have times as well; the C library's own opens the file for writing and cannot. */
int p80_utime(const char *name, const struct p80_utimbuf *times) {
  wide path;
  FILETIME accessed, modified;
  int failed = -1;
  GetSystemTimeAsFileTime(&accessed);
  modified = accessed;
  if (times) {
    accessed = from_time(times->actime);
    modified = from_time(times->modtime);
  }
  if (wide_path(&path, name)) {
    HANDLE file =
        CreateFileW(path.text, FILE_WRITE_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                    OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    failed = result(file != INVALID_HANDLE_VALUE && SetFileTime(file, NULL, &accessed, &modified));
    if (file != INVALID_HANDLE_VALUE) CloseHandle(file);
  }
  wide_free(&path);
  return failed;
}

/* ---- Folders ---- */

static void take_name(struct p80_finddata *out, const WIN32_FIND_DATAW *entry) {
  to_utf8(entry->cFileName, wcslen(entry->cFileName), out->name, sizeof out->name);
}

intptr_t p80_findfirst(const char *pattern, struct p80_finddata *out) {
  wide path;
  WIN32_FIND_DATAW entry;
  HANDLE search = INVALID_HANDLE_VALUE;
  if (wide_path(&path, pattern)) {
    search = FindFirstFileW(path.text, &entry);
    if (search == INVALID_HANDLE_VALUE) fail();
    else take_name(out, &entry);
  }
  wide_free(&path);
  return (intptr_t)search;
}

int p80_findnext(intptr_t search, struct p80_finddata *out) {
  WIN32_FIND_DATAW entry;
  if (!FindNextFileW((HANDLE)search, &entry)) return fail();
  take_name(out, &entry);
  return 0;
}

int p80_findclose(intptr_t search) { return result(FindClose((HANDLE)search)); }

/* ---- Temporary files ---- */

static int temporary_name(wchar_t out[MAX_PATH + 1]) {
  wchar_t folder[MAX_PATH + 1];
  DWORD n = GetTempPathW(MAX_PATH + 1, folder);
  if (n > 0 && n <= MAX_PATH && GetTempFileNameW(folder, L"p80", 0, out)) return 1;
  fail();
  return 0;
}

char *p80_tmpnam(char *out) {
  wchar_t name[MAX_PATH + 1];
  return temporary_name(name) && to_utf8(name, wcslen(name), out, P80_PATH_BYTES) ? out : NULL;
}

FILE *p80_tmpfile(void) {
  wchar_t name[MAX_PATH + 1];
  return temporary_name(name) ? keep(_wfopen(name, L"w+bTD")) : NULL; /* T: short-lived, D: deleted when closed */
}

/* ---- What LuaFileSystem asks Windows ---- */

BOOL p80_GetFileAttributesEx(const char *name, GET_FILEEX_INFO_LEVELS level, void *out) {
  wide path;
  (void)level;
  BOOL got = wide_path(&path, name) && result(attributes(path.text, 0, out)) == 0;
  wide_free(&path);
  return got;
}

/* LuaFileSystem creates its lock file by this, and opens a file or folder to ask for its final path. The latter
 * needs no access to the contents, and must not end in INVALID_HANDLE_VALUE: LuaFileSystem 1.8.0 would take the
 * message that it pushes then for the path. NULL makes the next call fail, and is reported. */
HANDLE p80_CreateFile(const char *name, DWORD access, DWORD creation, DWORD flags) {
  wide path;
  int ask = creation == OPEN_EXISTING;
  HANDLE file = INVALID_HANDLE_VALUE;
  if (wide_path(&path, name)) {
    file = CreateFileW(path.text, ask ? FILE_READ_ATTRIBUTES : access,
                       ask ? FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE : 0, NULL, creation,
                       ask ? flags | FILE_FLAG_BACKUP_SEMANTICS : flags, NULL);
    if (file == INVALID_HANDLE_VALUE) fail();
  }
  DWORD error = GetLastError();
  wide_free(&path);
  SetLastError(error);
  return file == INVALID_HANDLE_VALUE && ask ? NULL : file;
}

/* A function of kernel32 that came with Windows Vista, or NULL with ENOSYS. */
static FARPROC newer(const char *name) {
  FARPROC found = GetProcAddress(GetModuleHandleW(L"kernel32.dll"), name);
  if (found == NULL) {
    SetLastError(ERROR_NOT_SUPPORTED);
    errno = ENOSYS;
  }
  return found;
}

DWORD p80_GetFinalPathNameByHandle(HANDLE file, char *out, DWORD size, DWORD flags) {
  typedef DWORD(WINAPI * final_path)(HANDLE, LPWSTR, DWORD, DWORD);
  static const DWORD failed = (DWORD)-1;
  wide path;
  final_path get = file ? (final_path)(void (*)(void))newer("GetFinalPathNameByHandleW") : NULL;
  if (get == NULL) return failed;
  DWORD room = get(file, NULL, 0, flags);
  if (room == 0) fail();
  if (room == 0 || !wide_room(&path, room + 1)) return failed;
  DWORD n = get(file, path.text, room + 1, flags);
  DWORD bytes = n == 0 || n > room ? failed : (DWORD)wtf8_length(path.text, n);
  if (bytes == failed) fail();
  else if (bytes < size) to_utf8(path.text, n, out, size);
  wide_free(&path);
  return bytes;
}

BOOL p80_CreateHardLink(const char *link, const char *target) {
  wide name, old;
  BOOL made = FALSE;
  if (wide_path(&name, link)) {
    if (wide_path(&old, target)) made = result(CreateHardLinkW(name.text, old.text, NULL)) == 0;
    wide_free(&old);
  }
  wide_free(&name);
  return made;
}

/* The target stays relative if it is; Windows wants backslashes in it. */
BOOL p80_CreateSymbolicLink(const char *link, const char *target, DWORD flags) {
  typedef BOOLEAN(WINAPI * symbolic_link)(LPCWSTR, LPCWSTR, DWORD);
  wide name, old;
  BOOL made = FALSE;
  symbolic_link make = (symbolic_link)(void (*)(void))newer("CreateSymbolicLinkW");
  if (make == NULL) return FALSE;
  if (wide_path(&name, link)) {
    if (wide_join(&old, L"", target)) {
      for (wchar_t *p = old.text; *p; p++)
        if (*p == L'/') *p = L'\\';
      made = result(make(name.text, old.text, flags)) == 0;
    }
    wide_free(&old);
  }
  wide_free(&name);
  return made;
}

DWORD p80_GetModuleFileName(char *out, DWORD size) {
  wchar_t path[MAX_PATH * 4];
  DWORD n = GetModuleFileNameW(NULL, path, MAX_PATH * 4);
  return n > 0 && n < MAX_PATH * 4 && to_utf8(path, n, out, size) ? (DWORD)strlen(out) : 0;
}

HMODULE p80_no_library(void) {
  SetLastError(ERROR_NOT_SUPPORTED);
  return NULL;
}

/* ---- Programs and environment ---- */

char *p80_getenv(const char *name) {
  static char *value;
  wide key, text;
  free(value);
  value = NULL;
  if (!wide_join(&key, L"", name)) return NULL;
  DWORD room = GetEnvironmentVariableW(key.text, NULL, 0);
  if (room > 0 && wide_room(&text, room)) {
    DWORD n = GetEnvironmentVariableW(key.text, text.text, room);
    size_t size = n < room ? wtf8_length(text.text, n) + 1 : 0;
    value = size ? malloc(size) : NULL;
    if (value) to_utf8(text.text, n, value, size);
    wide_free(&text);
  }
  wide_free(&key);
  return value;
}

/* Runs `command` by cmd.exe of System32 as the C library does (`/d`: without AutoRun), with `in` or `out` for its
 * standard input and output where they are not NULL. Returns the process, or NULL with errno. */
static HANDLE start_shell(const char *command, HANDLE in, HANDLE out) {
  wchar_t shell[MAX_PATH + 16];
  wide line;
  UINT n = GetSystemDirectoryW(shell, MAX_PATH);
  PROCESS_INFORMATION process = {NULL, NULL, 0, 0};
  STARTUPINFOW startup = {.cb = sizeof startup};
  if (n == 0 || n > MAX_PATH || !wide_join(&line, L"cmd.exe /d /c ", command)) return NULL;
  wcscpy(shell + n, L"\\cmd.exe");
  if (in || out) {
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdInput = in ? in : GetStdHandle(STD_INPUT_HANDLE);
    startup.hStdOutput = out ? out : GetStdHandle(STD_OUTPUT_HANDLE);
    startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
  }
  fflush(stdout);
  if (!CreateProcessW(shell, line.text, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &process)) fail();
  else CloseHandle(process.hThread);
  wide_free(&line);
  return process.hProcess;
}

/* Waits for a process and returns its exit code. */
static int finish(HANDLE process) {
  DWORD code = (DWORD)-1;
  WaitForSingleObject(process, INFINITE);
  GetExitCodeProcess(process, &code);
  CloseHandle(process);
  return (int)code;
}

int p80_system(const char *command) {
  if (command == NULL) return 1;
  HANDLE process = start_shell(command, NULL, NULL);
  return process ? finish(process) : -1;
}

typedef struct child {
  struct child *next;
  FILE *stream;
  HANDLE process;
} child;
static child *children;

/* Makes a pipe whose end `theirs` a child inherits. */
static int make_pipe(HANDLE *ours, HANDLE *theirs, int reading) {
  HANDLE in, out;
  if (!CreatePipe(&in, &out, NULL, 0)) return fail();
  *ours = reading ? in : out;
  *theirs = reading ? out : in;
  return result(SetHandleInformation(*theirs, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT));
}

/* The stream of a child's pipe; takes `pipe` in any case. */
static FILE *open_pipe(HANDLE pipe, const char *mode) {
  int descriptor = _open_osfhandle((intptr_t)pipe, strchr(mode, 'b') ? _O_BINARY : _O_TEXT);
  if (descriptor == -1) {
    CloseHandle(pipe);
    return NULL;
  }
  FILE *stream = _fdopen(descriptor, mode);
  if (stream == NULL) _close(descriptor);
  return stream;
}

FILE *p80_popen(const char *command, const char *mode) {
  HANDLE ours = NULL, theirs = NULL;
  int reading = mode[0] == 'r';
  child *new = malloc(sizeof *new);
  if (new == NULL || make_pipe(&ours, &theirs, reading) != 0) {
    free(new);
    return NULL;
  }
  new->process = reading ? start_shell(command, NULL, theirs) : start_shell(command, theirs, NULL);
  CloseHandle(theirs);
  int error = errno;
  new->stream = open_pipe(ours, mode);
  if (new->process &&new->stream) {
    new->next = children;
    children = new;
    return new->stream;
  }
  FILE *unused = new->stream;
  if (unused) fclose(unused);
  if (new->process) CloseHandle(new->process);
  else errno = error;
  free(new);
  return NULL;
}

int p80_pclose(FILE *stream) {
  child **link = &children;
  while (*link && (*link)->stream != stream) link = &(*link)->next;
  child *found = *link;
  if (found == NULL) {
    errno = EBADF;
    return -1;
  }
  *link = found->next;
  HANDLE process = found->process;
  free(found);
  fclose(stream); /* what a child did not read is its own affair */
  int code = finish(process);
  errno = 0;
  return code;
}

/* ---- Streams ---- */

static int is_console_output(FILE *stream) {
  return (stream == stdout || stream == stderr) && console_is_terminal(stream);
}

size_t p80_fwrite(const void *data, size_t size, size_t count, FILE *stream) {
  if (!is_console_output(stream)) return fwrite(data, size, count, stream);
  return size ? console_write(stream, data, size * count) / size : 0;
}

int p80_fprintf(FILE *stream, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char small[512], *text = small;
  int n;
  if (!is_console_output(stream)) {
    n = vfprintf(stream, format, arguments);
  } else {
    va_list again;
    va_copy(again, arguments);
    n = vsnprintf(small, sizeof small, format, arguments);
    if (n >= (int)sizeof small) {
      text = malloc((size_t)n + 1);
      n = text ? vsnprintf(text, (size_t)n + 1, format, again) : -1;
    }
    va_end(again);
    if (n > 0 && console_write(stream, text, (size_t)n) != (size_t)n) n = -1;
    if (text != small) free(text);
  }
  va_end(arguments);
  return n;
}

int p80_fflush(FILE *stream) { return stream && is_console_output(stream) ? 0 : fflush(stream); }

/* Standard input from a console. */
static struct {
  int ended, interrupted;
  int pushed; /* by ungetc, plus one */
} input;

static int is_console_input(FILE *stream) { return stream == stdin && console_is_terminal(stream); }

/* At most to the end of a line. */
static size_t read_input(char *out, size_t n) {
  if (n == 0) return 0;
  if (input.pushed) {
    out[0] = (char)(input.pushed - 1);
    input.pushed = 0;
    return 1;
  }
  if (input.ended || input.interrupted) return 0;
  size_t got = console_read(out, n, &input.interrupted);
  if (got == 0 && !input.interrupted) input.ended = 1;
  if (input.interrupted) errno = EINTR;
  return got;
}

int p80_getc(FILE *stream) {
  char c;
  if (!is_console_input(stream)) return getc(stream);
  return read_input(&c, 1) ? (unsigned char)c : EOF;
}

int p80_ungetc(int c, FILE *stream) {
  if (!is_console_input(stream)) return ungetc(c, stream);
  if (c != EOF) input.pushed = (unsigned char)c + 1;
  return c;
}

size_t p80_fread(void *out, size_t size, size_t count, FILE *stream) {
  if (!is_console_input(stream)) return fread(out, size, count, stream);
  size_t total = size * count, got = 0;
  while (got < total) {
    size_t n = read_input((char *)out + got, total - got);
    if (n == 0) break;
    got += n;
  }
  return size ? got / size : 0;
}

char *p80_fgets(char *out, int size, FILE *stream) {
  if (!is_console_input(stream)) return fgets(out, size, stream);
  int n = 0;
  while (n < size - 1 && (n == 0 || out[n - 1] != '\n')) {
    size_t got = read_input(out + n, (size_t)(size - 1 - n));
    if (got == 0) break;
    n += (int)got;
  }
  out[n] = 0;
  return n > 0 ? out : NULL;
}

int p80_feof(FILE *stream) { return is_console_input(stream) ? input.ended : feof(stream); }
int p80_ferror(FILE *stream) { return is_console_input(stream) ? input.interrupted : ferror(stream); }

void p80_clearerr(FILE *stream) {
  clearerr(stream);
  if (is_console_input(stream)) input.ended = input.interrupted = 0;
}

/* ---- Time ---- */

static int utc;

struct tm *p80_gmtime(const __time64_t *t) {
  utc = 1;
  return _gmtime64(t);
}

struct tm *p80_localtime(const __time64_t *t) {
  utc = 0;
  return _localtime64(t);
}

/* %Z and %z: the C library gives the zone's name in the ANSI code page for both. */
static void zone(const struct tm *t, int offset, wchar_t *out, size_t size) {
  TIME_ZONE_INFORMATION info;
  memset(&info, 0, sizeof info);
  if (!utc) GetTimeZoneInformation(&info);
  int summer = t->tm_isdst > 0;
  long east = -(info.Bias + (summer ? info.DaylightBias : info.StandardBias));
  const wchar_t *name = utc ? L"UTC" : summer ? info.DaylightName : info.StandardName;
  if (offset) _snwprintf(out, size, L"%c%02ld%02ld", east < 0 ? L'-' : L'+', labs(east) / 60, labs(east) % 60);
  else wcscpy(out, name); /* 32 units at most */
}

size_t p80_strftime(char *out, size_t size, const char *format, const struct tm *t) {
  wchar_t pattern[16], text[256];
  size_t n = strlen(format);
  to_wide_mode(format, pattern);
  char last = n ? format[n - 1] : 0;
  if (last == 'Z' || last == 'z') {
    zone(t, last == 'z', text, 256);
    n = wcslen(text);
  } else {
    n = wcsftime(text, 256, pattern, t);
  }
  return to_utf8(text, n, out, size) ? strlen(out) : 0;
}
