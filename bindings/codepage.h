/* Text in the code pages of this Windows, for what speaks no Unicode: console programs, .reg files of version 4. */
#ifndef P80_CODEPAGE_H
#define P80_CODEPAGE_H

#include <lua.h>
#include <windows.h>

/* The code page "ACP" (of programs without Unicode) or "OEMCP" (of console programs) of this Windows. GetACP and
 * GetOEMCP would tell p80's own, which its manifest sets.
 * https://learn.microsoft.com/windows/win32/intl/code-pages */
UINT codepage_find(lua_State *L, const wchar_t *name);
/* Pushes `n` bytes of text in `page` as UTF-8. */
void codepage_decode(lua_State *L, UINT page, const char *bytes, size_t n);
/* Pushes `units` of text in `page`, nil when it has a character that the page lacks. */
void codepage_encode(lua_State *L, UINT page, const wchar_t *text, size_t units);

#endif
