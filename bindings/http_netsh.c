/* What `netsh http show servicestate` prints. HTTP.SYS has no documented call that lists registered URLs; this is the
 * only way that Windows itself offers, from Vista on. Reading the text is the job of http.lua. */
#include <stdio.h>
#include <wchar.h>

#include "child.h"
#include "codepage.h"
#include "http_parts.h"
#include "luax.h"

enum { PATH_ROOM = MAX_PATH + 32 };

/* path = folder \ name; returns whether there is such a file. */
static int find_file(wchar_t path[PATH_ROOM], const wchar_t *folder, const wchar_t *name) {
  _snwprintf(path, PATH_ROOM, L"%ls\\%ls", folder, name);
  path[PATH_ROOM - 1] = 0;
  DWORD attributes = GetFileAttributesW(path);
  return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) == 0;
}

/* System32, that of a 64-bit Windows also for a 32-bit p80, and the path of netsh.exe in it; 0 when that or its
 * helper for HTTP is not there. */
static int find_netsh(wchar_t folder[MAX_PATH], wchar_t path[PATH_ROOM]) {
  child_view view;
  UINT n = GetSystemDirectoryW(folder, MAX_PATH);
  if (n == 0 || n >= MAX_PATH) return 0;
  child_begin_view(&view);
  int found = find_file(path, folder, L"nshhttp.dll") && find_file(path, folder, L"netsh.exe");
  child_end_view(&view);
  return found;
}

/* http.servicestate([timeout [, view]]) -> text of `netsh http show servicestate view=requestq` (or session), or nil
 * and the reason ("missing": this Windows has no netsh for HTTP; "timeout": it took longer than `timeout` seconds,
 * 20, and was ended). It starts a stopped HTTP service: http.lua asks the SCM first.
 * https://learn.microsoft.com/windows-server/administration/windows-commands/netsh-http */
int http_servicestate(lua_State *L) {
  static const char *const views[] = {"requestq", "session", NULL};
  wchar_t folder[MAX_PATH], path[PATH_ROOM], line[] = L"netsh.exe http show servicestate view=requestq";
  child_spec spec = {.path = path, .line = line, .folder = folder, .most = 16 << 20};
  child c;
  DWORD code;
  luax_arguments(L, 0, 2);
  spec.timeout = luax_optseconds(L, 1, "timeout", 20000);
  if (luax_checkword(L, 2, "view", views, 0) == 1) wcscpy(wcschr(line, L'=') + 1, L"session");
  if (!find_netsh(folder, path)) {
    lua_pushnil(L);
    lua_pushliteral(L, "missing");
    return 2;
  }
  child_start(L, &c, &spec);
  if (child_finish(L, &c, &spec, &code) != CHILD_ENDED) {
    lua_pushnil(L);
    lua_pushliteral(L, "timeout");
    return 2;
  }
  size_t n;
  const char *bytes = lua_tolstring(L, -2, &n);
  codepage_decode(L, codepage_find(L, L"OEMCP"), bytes, n);
  return 1;
}
