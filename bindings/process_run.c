/* win.process.run, raw: engine/core/process.lua says what is run, and decodes what comes back. */
#include <string.h>
#include <wchar.h>

#include "child.h"
#include "luax.h"
#include "process_parts.h"
#include "winapi.h"

/* ---- Where a program is ---- */

/* Pushes the full path when it is that of a file; otherwise nothing. */
static int push_if_file(lua_State *L, const wchar_t *path) {
  wchar_t *full = luax_buffer(L, 32768 * sizeof *full);
  DWORD n = GetFullPathNameW(path, 32768, full, NULL);
  if (n == 0 || n >= 32768) return 0;
  child_view view;
  child_begin_view(&view);
  DWORD attributes = GetFileAttributesW(full);
  child_end_view(&view);
  if (attributes == INVALID_FILE_ATTRIBUTES || attributes & FILE_ATTRIBUTE_DIRECTORY) return 0;
  luax_pushwide(L, full, n);
  return 1;
}

/* Raw win.process.find(name [, folder]) -> the full path of `name`, a path from the root without `folder`, or nil.
 * Without a second argument a bare name is looked for in System32. */
int process_find(lua_State *L) {
  wchar_t system[MAX_PATH];
  luax_arguments(L, 1, 2);
  const wchar_t *name = luax_checkwide(L, 1, "name", NULL), *folder = luax_optwide(L, 2, "folder");
  if (folder == NULL && wcspbrk(name, L"\\/:") == NULL) {
    UINT n = GetSystemDirectoryW(system, MAX_PATH);
    if (n == 0 || n >= MAX_PATH) luax_fail(L, "System32", n ? ERROR_FILENAME_EXCED_RANGE : GetLastError());
    folder = system;
  }
  size_t room = (folder ? wcslen(folder) : 0) + wcslen(name) + 2;
  wchar_t *path = luax_buffer(L, room * sizeof *path);
  if (folder) wcscat(wcscpy(path, folder), L"\\");
  wcscat(path, name);
  return push_if_file(L, path);
}

/* ---- The environment ---- */

static void free_environment(UINT_PTR value) { FreeEnvironmentStringsW((wchar_t *)value); }

int process_environment(lua_State *L) {
  luax_arguments(L, 0, 0);
  luax_handle *slot = luax_newhandle(L, free_environment);
  const wchar_t *entry = GetEnvironmentStringsW();
  if (entry == NULL) luax_fail(L, "environment", GetLastError());
  slot->value = (UINT_PTR)entry;
  lua_newtable(L);
  for (; *entry; entry += wcslen(entry) + 1) {
    const wchar_t *equals = wcschr(entry + 1, L'='); /* "=C:" is a name, too */
    if (equals == NULL) continue;
    luax_pushwide(L, entry, (size_t)(equals - entry));
    luax_pushwidez(L, equals + 1);
    lua_rawset(L, -3);
  }
  return 1;
}

/* The texts of the array at `index`, each with its NUL, and one more (+1). */
static const wchar_t *environment_block(lua_State *L, int index) {
  if (lua_isnil(L, index)) {
    lua_pushnil(L);
    return NULL;
  }
  luaL_Buffer b;
  lua_Integer n = luaL_len(L, index);
  luaL_buffinit(L, &b);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, index, i);
    luaL_addvalue(&b);
    luaL_addchar(&b, 0);
  }
  if (n == 0) luaL_addchar(&b, 0);
  luaL_pushresult(&b);
  const wchar_t *block = luax_checkwidebytes(L, -1, "environment", NULL);
  lua_replace(L, -2);
  return block;
}

/* ---- Running ---- */

/* A copy that Windows may write in (+1). */
static wchar_t *copied(lua_State *L, const wchar_t *text) {
  size_t size = (wcslen(text) + 1) * sizeof *text;
  return memcpy(luax_buffer(L, size), text, size);
}

/* Raw win.process.run{path=, line=, folder=, environment={"A=B", ...}, input=, timeout=, most=} -> "ended"|"timeout"|
 * "flood", exit code, bytes of output, bytes of errors. Sets `started` in the table as soon as the program runs. */
int process_run(lua_State *L) {
  static const char *const known[] = {"path", "line", "folder", "environment", "input", "timeout", "most", NULL};
  static const char *const words[] = {"ended", "timeout", "flood"};
  child_spec spec = {0};
  DWORD code = 0;
  luax_arguments(L, 1, 1);
  luax_options(L, 1, known);
  spec.path = luax_checkwide(L, luax_field(L, 1, "path"), "path", NULL);
  spec.line = copied(L, luax_checkwide(L, luax_field(L, 1, "line"), "line", NULL));
  spec.folder = luax_optwide(L, luax_field(L, 1, "folder"), "folder");
  spec.environment = environment_block(L, luax_field(L, 1, "environment"));
  spec.input = luaL_optlstring(L, luax_field(L, 1, "input"), "", &spec.input_size);
  spec.timeout = luax_optseconds(L, luax_field(L, 1, "timeout"), "timeout", 30000);
  spec.most = (size_t)luax_checkinteger(L, luax_field(L, 1, "most"), "most", 0, 1 << 30);
  child c;
  child_start(L, &c, &spec);
  lua_pushboolean(L, 1);
  lua_setfield(L, 1, "started");
  child_end end = child_finish(L, &c, &spec, &code);
  lua_pushstring(L, words[end]);
  lua_pushinteger(L, code);
  lua_rotate(L, -4, 2);
  return 4;
}
