/* The C library that Lua and LuaFileSystem see. Both are compiled unmodified with this header forced in front: the
 * headers they use come first, so that their own #includes do nothing; then the calls that take names or touch the
 * console become p80's, which take UTF-8 (WTF-8, see wtf8.h) and call the wide functions of every Windows since
 * Server 2003. Text that is no UTF-8 fails with EILSEQ; paths above MAX_PATH get the \\?\ prefix; the console is
 * written and read as UTF-16 (console.h) and its code page is left alone.
 *
 * Times have 64 bits on x86 too. Programs are started through System32's own cmd.exe, whatever COMSPEC says, and no
 * DLL can be loaded by Lua at all. */
#ifndef P80_CRT_UTF8_H
#define P80_CRT_UTF8_H

#include <stddef.h>
#include <ctype.h>
#include <direct.h>
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/locking.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/utime.h>
#include <time.h>
#include <windows.h>

enum { P80_PATH_BYTES = 4096 }; /* what stands for MAX_PATH in a char array */

/* What _stati64 fills, of the same width on both architectures. */
struct p80_stat {
  unsigned st_dev, st_rdev;
  unsigned short st_ino, st_mode;
  short st_nlink, st_uid, st_gid;
  __int64 st_size;
  __time64_t st_atime, st_mtime, st_ctime;
};

struct p80_utimbuf {
  __time64_t actime, modtime;
};

/* _finddata_t, with room for every name. */
struct p80_finddata {
  char name[MAX_PATH * 3 + 1];
};

/* Files. Each is as the function it replaces, with errno set. */
FILE *p80_fopen(const char *name, const char *mode);
FILE *p80_freopen(const char *name, const char *mode, FILE *stream);
int p80_remove(const char *name);
int p80_rename(const char *from, const char *to);
int p80_mkdir(const char *name);
int p80_rmdir(const char *name);
int p80_chdir(const char *name);
char *p80_getcwd(char *out, int size);
int p80_stat(const char *name, struct p80_stat *out);
int p80_utime(const char *name, const struct p80_utimbuf *times);
intptr_t p80_findfirst(const char *pattern, struct p80_finddata *out);
int p80_findnext(intptr_t search, struct p80_finddata *out);
int p80_findclose(intptr_t search);
/* A new empty file in the temporary folder: its name, in `out` with room for P80_PATH_BYTES, or opened and deleted
 * when it is closed. */
char *p80_tmpnam(char *out);
FILE *p80_tmpfile(void);

/* Windows functions that LuaFileSystem calls. */
BOOL p80_GetFileAttributesEx(const char *name, GET_FILEEX_INFO_LEVELS level, void *out);
HANDLE p80_CreateFile(const char *name, DWORD access, DWORD creation, DWORD flags);
DWORD p80_GetFinalPathNameByHandle(HANDLE file, char *out, DWORD size, DWORD flags);
BOOL p80_CreateHardLink(const char *link, const char *target);
BOOL p80_CreateSymbolicLink(const char *link, const char *target, DWORD flags);
DWORD p80_GetModuleFileName(char *out, DWORD size);
HMODULE p80_no_library(void);

/* Programs and environment. p80_getenv's result lasts until its next call. */
int p80_system(const char *command);
FILE *p80_popen(const char *command, const char *mode);
int p80_pclose(FILE *stream);
char *p80_getenv(const char *name);

/* Streams: as the originals, but for standard streams that are consoles. */
size_t p80_fwrite(const void *data, size_t size, size_t count, FILE *stream);
int p80_fprintf(FILE *stream, const char *format, ...);
int p80_fflush(FILE *stream);
size_t p80_fread(void *out, size_t size, size_t count, FILE *stream);
int p80_getc(FILE *stream);
int p80_ungetc(int c, FILE *stream);
char *p80_fgets(char *out, int size, FILE *stream);
int p80_feof(FILE *stream);
int p80_ferror(FILE *stream);
void p80_clearerr(FILE *stream);

/* Time; strftime knows whether its time came from p80_gmtime or from p80_localtime. */
struct tm *p80_gmtime(const __time64_t *t);
struct tm *p80_localtime(const __time64_t *t);
size_t p80_strftime(char *out, size_t size, const char *format, const struct tm *t);

/* errno for a Windows error code. */
int p80_errno(DWORD code);

#ifndef P80_CRT_UTF8_IMPLEMENTATION

#undef fopen
#undef freopen
#undef remove
#undef rename
#undef _mkdir
#undef _rmdir
#undef _chdir
#undef _getcwd
#undef _stati64
#undef utimbuf
#undef utime
#undef _finddata_t
#undef _findfirst
#undef _findnext
#undef _findclose
#undef tmpfile
#undef MAX_PATH
#define fopen(name, mode) p80_fopen(name, mode)
#define freopen(name, mode, stream) p80_freopen(name, mode, stream)
#define remove(name) p80_remove(name)
#define rename(from, to) p80_rename(from, to)
#define _mkdir(name) p80_mkdir(name)
#define _rmdir(name) p80_rmdir(name)
#define _chdir(name) p80_chdir(name)
#define _getcwd(out, size) p80_getcwd(out, (int)(size))
#define _stati64 p80_stat /* the structure and the function */
#define utimbuf p80_utimbuf
#define utime(name, times) p80_utime(name, times)
#define _finddata_t p80_finddata
#define _findfirst(pattern, out) p80_findfirst(pattern, out)
#define _findnext(search, out) p80_findnext(search, out)
#define _findclose(search) p80_findclose(search)
#define tmpfile() p80_tmpfile()
#define MAX_PATH P80_PATH_BYTES
#define LUA_TMPNAMBUFSIZE P80_PATH_BYTES
#define lua_tmpnam(out, failed) \
  { failed = p80_tmpnam(out) == NULL; }

#undef GetFileAttributesEx
#undef CreateFile
#undef GetFinalPathNameByHandle
#undef CreateHardLink
#undef CreateSymbolicLink
#undef GetModuleFileNameA
#undef LoadLibraryExA
#define GetFileAttributesEx(name, level, out) p80_GetFileAttributesEx(name, level, out)
#define CreateFile(name, access, share, security, creation, flags, template) \
  p80_CreateFile(name, access, creation, flags)
#define GetFinalPathNameByHandle(file, out, size, flags) p80_GetFinalPathNameByHandle(file, out, (DWORD)(size), flags)
#define CreateHardLink(link, target, security) p80_CreateHardLink(link, target)
#define CreateSymbolicLink(link, target, flags) p80_CreateSymbolicLink(link, target, (DWORD)(flags))
#define GetModuleFileNameA(module, out, size) p80_GetModuleFileName(out, size)
#define LoadLibraryExA(name, file, flags) p80_no_library()
#ifndef FILE_NAME_OPENED
#define FILE_NAME_OPENED 8
#endif

#undef system
#undef _popen
#undef _pclose
#undef getenv
#define system(command) p80_system(command)
#define _popen(command, mode) p80_popen(command, mode)
#define _pclose(stream) p80_pclose(stream)
#define getenv(name) p80_getenv(name)

#undef fwrite
#undef fprintf
#undef fflush
#undef fread
#undef getc
#undef ungetc
#undef fgets
#undef feof
#undef ferror
#undef clearerr
#define fwrite(data, size, count, stream) p80_fwrite(data, size, count, stream)
#define fprintf p80_fprintf
#define fflush(stream) p80_fflush(stream)
#define fread(out, size, count, stream) p80_fread(out, size, count, stream)
#define getc(stream) p80_getc(stream)
#define ungetc(c, stream) p80_ungetc(c, stream)
#define fgets(out, size, stream) p80_fgets(out, size, stream)
#define feof(stream) p80_feof(stream)
#define ferror(stream) p80_ferror(stream)
#define clearerr(stream) p80_clearerr(stream)

/* Files above 2 GiB. */
#define l_fseek(stream, offset, whence) _fseeki64(stream, offset, whence)
#define l_ftell(stream) _ftelli64(stream)
#define l_seeknum __int64

#undef time_t
#undef time
#undef mktime
#undef difftime
#undef strftime
#define time_t __time64_t
#define time(out) _time64(out)
#define mktime(t) _mktime64(t)
#define difftime(a, b) ((double)(a) - (double)(b)) /* Server 2003 x64 has no _difftime64 */
#define strftime(out, size, format, t) p80_strftime(out, size, format, t)
#define l_gmtime(t, r) ((void)(r)->tm_sec, p80_gmtime(t))
#define l_localtime(t, r) ((void)(r)->tm_sec, p80_localtime(t))

#endif
#endif
