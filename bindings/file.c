/* win.file: whole files, read at once and replaced at once. */
#include <wchar.h>

#include "luax.h"
#include "subjects.h"
#include "winapi.h"

enum { LARGEST_READ = 256 << 20 };

static int is_absent(DWORD code) { return code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND; }

/* Fills `room` bytes from the file; raises when it has become shorter meanwhile. */
static void read_all(lua_State *L, HANDLE file, char *bytes, DWORD room) {
  DWORD got;
  for (DWORD at = 0; at < room; at += got) {
    if (!ReadFile(file, bytes + at, room - at, &got, NULL)) luax_fail(L, lua_tostring(L, 1), GetLastError());
    if (got == 0) luax_fail(L, lua_tostring(L, 1), ERROR_HANDLE_EOF);
  }
}

/* Windows says "access denied" of a folder, which no right would mend. */
static void refuse_folder(lua_State *L, const wchar_t *path) {
  DWORD attributes = GetFileAttributesW(path);
  if (attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_DIRECTORY)
    luax_failhint(L, lua_tostring(L, 1), ERROR_ACCESS_DENIED, "this is a folder");
}

static int file_read(lua_State *L) {
  LARGE_INTEGER size;
  luaL_Buffer text;
  luax_arguments(L, 1, 1);
  const wchar_t *path = luax_checkwide(L, 1, "path", NULL);
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                            OPEN_EXISTING, 0, NULL);
  if (file == INVALID_HANDLE_VALUE) {
    DWORD code = GetLastError();
    if (is_absent(code)) return 0;
    refuse_folder(L, path);
    luax_fail(L, lua_tostring(L, 1), code);
  }
  slot->value = (UINT_PTR)file;
  if (GetFileType(file) != FILE_TYPE_DISK)
    luax_failhint(L, lua_tostring(L, 1), ERROR_BAD_FILE_TYPE, "this is a device; io.open reads from it");
  if (!GetFileSizeEx(file, &size)) luax_fail(L, lua_tostring(L, 1), GetLastError());
  if (size.QuadPart > LARGEST_READ)
    luax_failhint(L, lua_tostring(L, 1), ERROR_FILE_TOO_LARGE, "io.open reads files beyond 256 MiB piece by piece");
  DWORD room = (DWORD)size.QuadPart;
  read_all(L, file, luaL_buffinitsize(L, &text, room), room);
  luaL_pushresultsize(&text, room);
  return 1;
}

static int file_absolute(lua_State *L) {
  luax_arguments(L, 1, 1);
  luax_pushfullpath(L, 1, "path");
  return 1;
}

/* Writes the file at `path` anew and flushes it; a file of that name goes first, whatever it was. */
static void write_new(lua_State *L, const wchar_t *path, const char *bytes, size_t size) {
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  DeleteFileW(path); /* left behind by a run that was cut off */
  HANDLE file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
  if (file == INVALID_HANDLE_VALUE) luax_failwide(L, path, GetLastError());
  slot->value = (UINT_PTR)file;
  BOOL good = TRUE;
  for (DWORD written = 0; good && size > 0; bytes += written, size -= written)
    good = WriteFile(file, bytes, size > MAXLONG ? MAXLONG : (DWORD)size, &written, NULL);
  good = good && FlushFileBuffers(file);
  DWORD code = good ? NO_ERROR : GetLastError();
  luax_closehandle(slot);
  if (good) return;
  DeleteFileW(path);
  luax_failwide(L, path, code);
}

/* path + suffix (+1) */
static const wchar_t *beside(lua_State *L, const wchar_t *path, const wchar_t *suffix) {
  wchar_t *name = luax_buffer(L, (wcslen(path) + wcslen(suffix) + 1) * sizeof *name);
  return wcscat(wcscpy(name, path), suffix);
}

/* Puts `from` in the place of `path`, which keeps its security, attributes and streams; the old one is at `old`
 * meanwhile. https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-replacefilew */
static DWORD take_place(const wchar_t *path, const wchar_t *from, const wchar_t *old) {
  if (GetFileAttributesW(path) == INVALID_FILE_ATTRIBUTES)
    return MoveFileExW(from, path, MOVEFILE_WRITE_THROUGH) ? NO_ERROR : GetLastError();
  DWORD code = ReplaceFileW(path, from, old, 0, NULL, NULL) ? NO_ERROR : GetLastError();
  if (code == ERROR_UNABLE_TO_MOVE_REPLACEMENT_2) MoveFileExW(old, path, MOVEFILE_WRITE_THROUGH);
  else if (code == NO_ERROR) DeleteFileW(old);
  return code;
}

/* file.write(path, bytes): the raw write. A kill leaves the old file or the new one, perhaps with the other beside
 * it. */
static int file_write(lua_State *L) {
  size_t size;
  luax_arguments(L, 2, 2);
  const char *bytes = luaL_checklstring(L, 2, &size);
  const wchar_t *path = luax_checkwide(L, 1, "path", NULL);
  refuse_folder(L, path);
  const wchar_t *from = beside(L, path, L".p80-new"), *old = beside(L, path, L".p80-old");
  write_new(L, from, bytes, size);
  DWORD code = take_place(path, from, old);
  if (code == NO_ERROR) return 0;
  DeleteFileW(from);
  luax_fail(L, lua_tostring(L, 1), code);
}

/* file.delete(path): the raw write. */
static int file_delete(lua_State *L) {
  luax_arguments(L, 1, 1);
  const wchar_t *path = luax_checkwide(L, 1, "path", NULL);
  refuse_folder(L, path);
  if (!DeleteFileW(path)) luax_fail(L, lua_tostring(L, 1), GetLastError());
  return 0;
}

/* file.is_link(path): whether the last name is a symbolic link or another reparse point. */
static int file_is_link(lua_State *L) {
  luax_arguments(L, 1, 1);
  DWORD attributes = GetFileAttributesW(luax_checkwide(L, 1, "path", NULL));
  lua_pushboolean(L, attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_REPARSE_POINT);
  return 1;
}

/* Pushes the path that Windows knows an open file or folder by, without \\?\; nothing when it does not tell, as
 * before Windows Vista and on some drives. */
static int push_final(lua_State *L, HANDLE file) {
  winapi_load(L, "kernel32");
  if (win32.GetFinalPathNameByHandleW == NULL) return 0;
  DWORD room = win32.GetFinalPathNameByHandleW(file, NULL, 0, 0);
  wchar_t *path = luax_buffer(L, ((size_t)room + 1) * sizeof *path);
  DWORD n = room ? win32.GetFinalPathNameByHandleW(file, path, room, 0) : 0;
  if (n == 0 || n >= room) return 0;
  int is_share = wcsncmp(path, L"\\\\?\\UNC\\", 8) == 0;
  if (is_share) path[6] = L'\\';
  luax_pushwidez(L, is_share ? path + 6 : wcsncmp(path, L"\\\\?\\", 4) == 0 ? path + 4 : path);
  return 1;
}

static void push_long(lua_State *L, const wchar_t *path) {
  DWORD room = GetLongPathNameW(path, NULL, 0);
  wchar_t *name = luax_buffer(L, ((size_t)room + 1) * sizeof *name);
  DWORD n = room ? GetLongPathNameW(path, name, room) : 0;
  luax_pushwidez(L, n > 0 && n < room ? name : path);
}

/* A link that cannot be followed may still be written through. */
static void refuse_blind_link(lua_State *L, const wchar_t *path, DWORD code) {
  DWORD attributes = GetFileAttributesW(path);
  if (attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_REPARSE_POINT)
    luax_failhint(L, lua_tostring(L, 1), code, "this is a link, and where it leads p80 cannot see");
}

static int file_final(lua_State *L) {
  luax_arguments(L, 1, 1);
  const wchar_t *path = luax_checkwide(L, 1, "path", NULL);
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  HANDLE file = CreateFileW(path, FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                            OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
  if (file == INVALID_HANDLE_VALUE) {
    refuse_blind_link(L, path, GetLastError());
    return 0;
  }
  slot->value = (UINT_PTR)file;
  int is_sure = push_final(L, file);
  if (!is_sure) push_long(L, path);
  lua_pushboolean(L, is_sure);
  return 2;
}

static const luaL_Reg reads[] = {
    {"read", file_read}, {"absolute", file_absolute}, {"is_link", file_is_link}, {"final", file_final}, {NULL, NULL}};
static const luaL_Reg writes[] = {{"write", file_write}, {"delete", file_delete}, {NULL, NULL}};

const luax_subject file_subject = {"file", reads, writes, NULL};
