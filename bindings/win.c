/* The module `win`: a table whose subjects open themselves when they are first used, so that a script pays only
 * for those that it uses. */
#include "win.h"

#include <string.h>

#include "codepage.h"
#include "near.h"
#include "subjects.h"

#define SUBJECT_ADDRESS(name) &name##_subject,
static const luax_subject *const subjects[] = {SUBJECTS(SUBJECT_ADDRESS)};
enum { SUBJECT_COUNT = sizeof subjects / sizeof *subjects };

#define GLOBALS "p80.globals" /* what bundled code sees as globals, in the registry */
#define LIBRARY "p80.library" /* the library `x` in the registry */

/* What the Lua half of a subject gets besides the subject and `win`: the library `x`. */

/* x.fail(op, target, code [, message [, hint]]) raises an error object. */
static int x_fail(lua_State *L) {
  luax_pusherror(L, lua_tostring(L, 1), lua_tostring(L, 2), (DWORD)luaL_checkinteger(L, 3), lua_tostring(L, 4),
                 lua_tostring(L, 5));
  return lua_error(L);
}

/* x.sleep(seconds) waits; Ctrl-C ends it with an error. */
static int x_sleep(lua_State *L) {
  luax_sleep(L, luax_optseconds(L, 1, "seconds", 0));
  return 0;
}

/* x.clock() -> seconds since some moment, never running backwards. */
static int x_clock(lua_State *L) {
  lua_pushnumber(L, (lua_Number)luax_clock() / 1000);
  return 1;
}

/* x.nearest(word, words) -> the word that was probably meant, or nil. */
static int x_nearest(lua_State *L) {
  const char *word = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Integer n = luaL_len(L, 2);
  const char **words = luax_buffer(L, ((size_t)n + 1) * sizeof *words);
  for (lua_Integer i = 0; i < n; i++) {
    lua_geti(L, 2, i + 1);
    words[i] = luaL_checkstring(L, -1);
    lua_pop(L, 1); /* the table keeps it alive */
  }
  lua_pushstring(L, nearest_word(word, words));
  return 1;
}

/* The code page that the word at `index` means. */
static UINT check_page(lua_State *L, int index) {
  static const char *const words[] = {"ansi", "oem", NULL};
  return codepage_find(L, luax_checkword(L, index, "page", words, -1) == 0 ? L"ACP" : L"OEMCP");
}

/* x.decode(bytes, "ansi"|"oem"|"utf16") -> the text as UTF-8. */
static int x_decode(lua_State *L) {
  size_t n;
  const char *bytes = luaL_checklstring(L, 1, &n);
  if (strcmp(luaL_checkstring(L, 2), "utf16") != 0) {
    codepage_decode(L, check_page(L, 2), bytes, n);
    return 1;
  }
  wchar_t *wide = luax_buffer(L, n + 1);
  memcpy(wide, bytes, n);
  luax_pushwide(L, wide, n / sizeof *wide);
  return 1;
}

/* x.encode(text, "ansi"|"oem") -> the text in that code page, or nil when it has a character that the page lacks. */
static int x_encode(lua_State *L) {
  size_t units;
  UINT page = check_page(L, 2);
  const wchar_t *wide = luax_checkwidebytes(L, 1, "text", &units);
  codepage_encode(L, page, wide, units);
  return 1;
}

/* x.fold(text) -> luax_pushfolded. */
static int x_fold(lua_State *L) {
  luaL_checkstring(L, 1);
  luax_pushfolded(L, 1);
  return 1;
}

/* Pushes a copy of the table at `index`, in which the libraries are copies, too, when `deep` (+1). */
static void push_copy(lua_State *L, int index, int deep) {
  index = lua_absindex(L, index);
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (deep && lua_istable(L, -1)) {
      push_copy(L, -1, 0);
      lua_remove(L, -2);
    }
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
}

/* Keeps what the globals are now for bundled code: a script may call one of its own variables `type`. */
static void keep_globals(lua_State *L) {
  lua_pushglobaltable(L);
  push_copy(L, -1, 1);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, LUA_GNAME); /* the real ones */
  lua_setfield(L, LUA_REGISTRYINDEX, GLOBALS);
  lua_pop(L, 1);
}

void win_set_globals(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, GLOBALS);
  lua_setupvalue(L, -2, 1);
}

static void push_half(lua_State *L, const win_host *host, const char *chunk) {
  host->push_chunk(L, chunk);
  win_set_globals(L);
}

/* Sets functions of C, or what stands for them, in the table on top. */
static void set_raw(lua_State *L, const win_host *host, const char *subject, const luaL_Reg *functions) {
  luax_setfunctions(L, subject, functions);
  for (; host->push_double && functions && functions->name; functions++) {
    if (functions->func == NULL) continue;
    const char *name = lua_pushfstring(L, "%s.%s", subject, functions->name);
    lua_getfield(L, -2, functions->name);
    host->push_double(L, name);
    lua_setfield(L, -4, functions->name);
    lua_pop(L, 2);
  }
}

/* x.check, x.checks: most scripts need neither, so that they come when they are asked for. */
static int x_index(lua_State *L) {
  const win_host *host = lua_touserdata(L, lua_upvalueindex(1));
  push_half(L, host, "check");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  lua_pushnil(L);
  lua_setmetatable(L, 1);
  lua_settop(L, 2);
  lua_rawget(L, 1);
  return 1;
}

void win_push_library(lua_State *L, const win_host *host) {
  static const luaL_Reg functions[] = {{"fail", x_fail},     {"nearest", x_nearest}, {"fold", x_fold},
                                       {"decode", x_decode}, {"encode", x_encode},   {NULL, NULL}};
  static const luaL_Reg time[] = {{"sleep", x_sleep}, {"clock", x_clock}, {NULL, NULL}};
  if (lua_getfield(L, LUA_REGISTRYINDEX, LIBRARY) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  luax_setfunctions(L, "x", functions);
  set_raw(L, host, "x", time);
  lua_newtable(L);
  lua_pushlightuserdata(L, (void *)host);
  lua_pushcclosure(L, x_index, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, LIBRARY);
}

/* Runs one chunk of the Lua half: chunk(subject, win, x, name) for the subject on top and `win` at index 1. */
static void run_chunk(lua_State *L, const win_host *host, const char *chunk, const char *name) {
  int subject = lua_gettop(L);
  push_half(L, host, chunk);
  lua_pushvalue(L, subject);
  lua_pushvalue(L, 1);
  win_push_library(L, host);
  lua_pushstring(L, name);
  lua_call(L, 4, 0);
}

/* Runs the Lua half of a subject, one or more chunks with blanks between their names. */
static void run_lua_half(lua_State *L, const win_host *host, const luax_subject *subject) {
  int top = lua_gettop(L);
  for (const char *at = subject->lua; *at; at += strcspn(at, " "), at += *at == ' ') {
    const char *chunk = lua_pushlstring(L, at, strcspn(at, " "));
    lua_pushvalue(L, top);
    run_chunk(L, host, chunk, subject->name);
    lua_settop(L, top);
  }
}

/* t[name] = the crossing to "<subject>.<name>" for the table on top. */
static void set_crossing(lua_State *L, const win_host *host, const char *subject, const char *name) {
  host->push_crossing(L, lua_pushfstring(L, "%s.%s", subject, name));
  lua_setfield(L, -3, name);
  lua_pop(L, 1);
}

/* Fills the table on top with the functions of one subject as C and its Lua half have them. */
static void fill_here(lua_State *L, const win_host *host, const luax_subject *subject) {
  set_raw(L, host, subject->name, subject->reads);
  if (subject->lua) run_lua_half(L, host, subject);
}

/* watch(...) of a subject whose reads cross: it returns an iterator, which cannot, and it watches Windows, not what
 * is planned. The upvalues are `win`, the host and the subject. */
static int watch_here(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_newtable(L);
  fill_here(L, lua_touserdata(L, lua_upvalueindex(2)), lua_touserdata(L, lua_upvalueindex(3)));
  lua_getfield(L, -1, "watch");
  lua_replace(L, 1);
  lua_pop(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static void set_watch(lua_State *L, const win_host *host, const luax_subject *subject) {
  lua_pushvalue(L, 1);
  lua_pushlightuserdata(L, (void *)host);
  lua_pushlightuserdata(L, (void *)subject);
  lua_pushcclosure(L, watch_here, 3);
  lua_setfield(L, -2, "watch");
}

/* Fills the table on top with crossings to the reads that the core has. */
static void fill_with_crossings(lua_State *L, const win_host *host, const luax_subject *subject) {
  int top = lua_gettop(L);
  host->push_reads(L, subject->name);
  for (lua_Integer i = 1; lua_geti(L, top + 1, i) == LUA_TSTRING; i++) {
    const char *name = lua_tostring(L, -1);
    lua_pushvalue(L, top);
    if (strcmp(name, "watch") == 0) set_watch(L, host, subject);
    else set_crossing(L, host, subject->name, name);
    lua_settop(L, top + 1);
  }
  lua_settop(L, top);
}

/* Fills the table on top with the functions of one subject. */
static void fill(lua_State *L, const win_host *host, const luax_subject *subject) {
  if (host->push_reads) fill_with_crossings(L, host, subject);
  else fill_here(L, host, subject);
  if (host->push_crossing == NULL) {
    set_raw(L, host, subject->name, subject->writes);
    return;
  }
  for (const luaL_Reg *write = subject->writes; write && write->name; write++)
    set_crossing(L, host, subject->name, write->name);
}

/* Whether `subject` is "<parent>.<something>"; returns the something. */
static const char *child_name(const char *subject, const char *parent) {
  size_t n = strlen(parent);
  return strncmp(subject, parent, n) == 0 && subject[n] == '.' ? subject + n + 1 : NULL;
}

/* What pairs(t) gives without a metamethod, for the table at index 1. */
static int push_next(lua_State *L) {
  lua_getglobal(L, "next");
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

/* parent.<key>: opens the sub-subject of that name. The upvalues are `win`, the host and the parent's name. */
static int child_index(lua_State *L) {
  const win_host *host = lua_touserdata(L, lua_upvalueindex(2));
  const char *parent = lua_tostring(L, lua_upvalueindex(3));
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  for (int i = 0; i < SUBJECT_COUNT; i++) {
    const char *child = child_name(subjects[i]->name, parent);
    if (child == NULL || strcmp(child, key) != 0) continue;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_newtable(L);
    fill(L, host, subjects[i]);
    lua_pushvalue(L, -1);
    lua_setfield(L, 2, child);
    return 1;
  }
  return 0;
}

/* pairs(parent): opens all sub-subjects first. */
static int child_pairs(lua_State *L) {
  const char *parent = lua_tostring(L, lua_upvalueindex(3));
  for (int i = 0; i < SUBJECT_COUNT; i++) {
    const char *child = child_name(subjects[i]->name, parent);
    if (child == NULL) continue;
    lua_getfield(L, 1, child);
    lua_pop(L, 1);
  }
  return push_next(L);
}

static int has_children(const luax_subject *subject) {
  for (int i = 0; i < SUBJECT_COUNT; i++)
    if (child_name(subjects[i]->name, subject->name)) return 1;
  return 0;
}

/* Lets the table on top open its sub-subjects when they are first used. */
static void set_children(lua_State *L, const win_host *host, const luax_subject *subject) {
  static const luaL_Reg meta[] = {{"__index", child_index}, {"__pairs", child_pairs}, {NULL, NULL}};
  lua_newtable(L);
  for (const luaL_Reg *method = meta; method->name; method++) {
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, (void *)host);
    lua_pushstring(L, subject->name);
    lua_pushcclosure(L, method->func, 3);
    lua_setfield(L, -2, method->name);
  }
  lua_setmetatable(L, -2);
}

/* Opens a subject (+1) and remembers it in `win` (index 1). */
static void open_subject(lua_State *L, const win_host *host, const luax_subject *subject) {
  lua_newtable(L);
  if (has_children(subject)) set_children(L, host, subject);
  fill(L, host, subject);
  lua_pushvalue(L, -1);
  lua_setfield(L, 1, subject->name);
}

/* Collects the names of the top subjects; NULL-terminated. */
static void top_names(const char *names[SUBJECT_COUNT + 1]) {
  int n = 0;
  for (int i = 0; i < SUBJECT_COUNT; i++)
    if (strchr(subjects[i]->name, '.') == NULL) names[n++] = subjects[i]->name;
  names[n] = NULL;
}

/* win.<name>: opens the subject, or raises with the name that was probably meant. */
static int win_index(lua_State *L) {
  const win_host *host = lua_touserdata(L, lua_upvalueindex(2));
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  for (int i = 0; i < SUBJECT_COUNT; i++) {
    if (strcmp(subjects[i]->name, name) != 0) continue;
    open_subject(L, host, subjects[i]);
    return 1;
  }
  const char *names[SUBJECT_COUNT + 1];
  top_names(names);
  const char *meant = nearest_word(name, names);
  if (meant == NULL) return 0;
  luax_failhint(L, name, ERROR_CALL_NOT_IMPLEMENTED, lua_pushfstring(L, "did you mean win.%s?", meant));
}

/* pairs(win): opens all subjects first. */
static int win_pairs(lua_State *L) {
  const char *names[SUBJECT_COUNT + 1];
  top_names(names);
  for (int i = 0; names[i]; i++) {
    lua_getfield(L, 1, names[i]);
    lua_pop(L, 1);
  }
  return push_next(L);
}

void win_push_writes(lua_State *L) {
  lua_newtable(L);
  lua_Integer n = 0;
  for (int i = 0; i < SUBJECT_COUNT; i++) {
    for (const luaL_Reg *write = subjects[i]->writes; write && write->name; write++) {
      lua_pushfstring(L, "%s.%s", subjects[i]->name, write->name);
      lua_rawseti(L, -2, ++n);
    }
  }
}

void win_open(lua_State *L, const win_host *host) {
  static const luaL_Reg meta[] = {{"__index", win_index}, {"__pairs", win_pairs}, {NULL, NULL}};
  keep_globals(L);
  lua_newtable(L);
  lua_newtable(L);
  for (const luaL_Reg *method = meta; method->name; method++) {
    lua_pushliteral(L, "win");
    lua_pushlightuserdata(L, (void *)host);
    lua_pushcclosure(L, method->func, 2);
    lua_setfield(L, -2, method->name);
  }
  lua_setmetatable(L, -2);
  lua_getfield(L, LUA_REGISTRYINDEX, GLOBALS);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "win");
  lua_pop(L, 1);
}
