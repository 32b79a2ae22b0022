#include "host.h"

#include <fcntl.h>
#include <io.h>
#include <lauxlib.h>
#include <lfs.h>
#include <limits.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admit.h"
#include "alloc.h"
#include "bundle.h"
#include "console.h"
#include "core.h"
#include "gate.h"
#include "guard.h"
#include "interrupt.h"
#include "kit.h"
#include "luax.h"
#include "model.h"
#include "searcher.h"
#include "store.h"
#include "win.h"

static const cli *options;
static core_script script = {"p80", NULL, "none"};
static int json_output = -1; /* the real standard output while --json keeps it clean */
static const char traceback_key;

/* A run within this process's own: on a modelled machine. */
typedef struct inner_run {
  jmp_buf end; /* where os.exit goes, and what takes too long */
  ULONGLONG deadline;
  int code;
  int timed_out;
} inner_run;
static inner_run *inner; /* NULL: the run is the process's own */

/* A script that runs for its manifest. */
static jmp_buf *manifest_end; /* where it goes when it has declared it, and when it takes too long */
static ULONGLONG manifest_deadline = (ULONGLONG)-1; /* of its waits, too */
enum { DECLARED = 1, TOO_LATE };

static void show_waiting(lua_State *L) {
  if (luax_clock() >= manifest_deadline) luax_fail(L, NULL, ERROR_TIMEOUT);
  console_progress_step(-1);
}

/* ---- Standard output ---- */

/* Any word on standard error is a failure to Intune. */
static void silence_errors(void) {
  int nowhere = _open("NUL", _O_WRONLY);
  if (nowhere < 0) return;
  _dup2(nowhere, _fileno(stderr));
  _close(nowhere);
}

/* With --json standard output carries one document: what the script prints goes to standard error. */
static void keep_output_clean(void) {
  if (options->report && strcmp(options->report, "intune") == 0) silence_errors();
  if (!options->json) return;
  json_output = _dup(_fileno(stdout));
  _dup2(_fileno(stderr), _fileno(stdout));
  console_forget();
}

static void restore_output(void) {
  fflush(stdout);
  if (json_output >= 0) {
    _dup2(json_output, _fileno(stdout));
    console_forget();
  }
  json_output = -1;
}

static void print(FILE *stream, const char *text) {
  console_print(stream, text);
  fflush(stream);
}

/* p80's own last word, when nothing better can be said. */
static void complain(const char *text) {
  console_print(stderr, "p80: ");
  console_print(stderr, text);
  print(stderr, "\n");
}

/* ---- The playbook's state ---- */

static void set_word(lua_State *L, int index, const char *word) {
  lua_pushstring(L, word);
  lua_rawseti(L, -2, index);
}

/* Sets `arg` as lua.c does. */
static void set_arguments(lua_State *L, const char *name) {
  lua_createtable(L, options->word_count, 1);
  set_word(L, 0, name);
  for (int i = 0; i < options->word_count; i++) set_word(L, i + 1, options->words[i]);
  lua_setglobal(L, "arg");
}

/* call(name, ...): what scripts/lib/p80.lua calls the core with; only names that begin with "p80.". */
static int call_core(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  if (strncmp(name, "p80.", 4) != 0) return luaL_error(L, "no such call: %s", name);
  int results = gate_call(L, "call", lua_gettop(L));
  if (manifest_end && strcmp(name, "p80.playbook") == 0) longjmp(*manifest_end, DECLARED);
  return results;
}

static const win_host playbook_host = {bundle_push_win, gate_push_crossing, NULL, NULL};
static const win_host checking_host = {bundle_push_win, gate_push_crossing, gate_push_reads, NULL};
static const win_host modelled_host = {bundle_push_win, gate_push_crossing, gate_push_reads, gate_push_raw_crossing};

static const win_host *machine(void) {
  if (model_is_on()) return &modelled_host;
  return options->check ? &checking_host : &playbook_host;
}

/* package.preload.p80: runs scripts/lib/p80.lua with what it needs. */
static int open_p80(lua_State *L) {
  static const char *const shared[] = {"sleep", "clock"};
  bundle_push(L, "lib", "p80");
  lua_pushcfunction(L, call_core);
  lua_newtable(L);
  win_push_library(L, machine());
  for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
    lua_getfield(L, -1, shared[i]);
    lua_setfield(L, -3, shared[i]);
  }
  lua_pop(L, 1);
  luax_settext(L, "version", P80_VERSION);
  luax_setinteger(L, "pid", (lua_Integer)GetCurrentProcessId());
  luax_settext(L, "script", script.name);
  luax_setboolean(L, "check", options->check);
  luax_setboolean(L, "json", options->json);
  luax_setboolean(L, "quiet", options->quiet);
  luax_setboolean(L, "verbose", options->verbose);
  lua_call(L, 2, 1);
  return 1;
}

/* package.preload.checks: checks(op) -> those of bindings/check.lua, for scripts/lib. */
static int open_checks(lua_State *L) {
  win_push_library(L, &playbook_host);
  lua_getfield(L, -1, "check");
  return 1;
}

P80_NORETURN static void end_run(lua_State *L, int code);
static void end_script(lua_State *L, int code) { end_run(L, code); }
static void end_manifest(lua_State *L, int code) {
  (void)code;
  luaL_error(L, "os.exit was called before p80.playbook");
}

/* Runs protected. Argument: whether only the manifest is wanted. */
static int open_playbook(lua_State *L) {
  int for_manifest = lua_toboolean(L, 1);
  lua_pushboolean(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  luaL_openlibs(L);
  luaL_requiref(L, "lfs", luaopen_lfs, 1);
  guard_install(L, for_manifest ? end_manifest : end_script);
  if (model_is_on()) model_open_playbook(L);
  interrupt_install(L);
  searcher_install(L, 0);
  win_open(L, machine());
  lua_pushvalue(L, -1);
  lua_setglobal(L, "win");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_insert(L, -2);
  lua_setfield(L, -2, "win");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open_p80);
  lua_setfield(L, -2, "p80");
  lua_pushcfunction(L, open_checks);
  lua_setfield(L, -2, "checks");
  lua_pushcfunction(L, console_open);
  lua_setfield(L, -2, "console");
  return 0;
}

static size_t memory_limit(void) {
  enum { MIB = 1024 * 1024 };
  static const double missing = sizeof(void *) == 8 ? 1024 : 512; /* of the 2 GiB that a 32-bit process has */
  double most = (double)(SIZE_MAX / MIB), wanted = options->memory_limit < 0 ? missing : options->memory_limit;
  return (size_t)(wanted < most ? wanted : most) * MIB;
}

/* A new playbook state; NULL without memory. */
static lua_State *new_playbook(int for_manifest) {
  lua_State *L = alloc_newstate();
  if (L == NULL) return NULL;
  alloc_limit(L, memory_limit());
  lua_pushcfunction(L, open_playbook);
  lua_pushboolean(L, for_manifest);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    complain(luaL_tolstring(L, -1, NULL));
    lua_close(L);
    return NULL;
  }
  return L;
}

/* Keeps the traceback of an error beside it. */
static int keep_traceback(lua_State *L) {
  luaL_traceback(L, L, NULL, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
  return 1;
}

/* lua_pcall with keep_traceback. */
static int call_protected(lua_State *L, int arguments, int results) {
  int base = lua_gettop(L) - arguments;
  lua_pushcfunction(L, keep_traceback);
  lua_insert(L, base);
  int status = lua_pcall(L, arguments, results, base);
  lua_remove(L, base);
  return status;
}

/* ---- Ending a run ---- */

/* Pushes the error object at index 1 without what a script may have added to it. */
static void push_plain_error(lua_State *L) {
  static const char *const fields[] = {"op", "target", "code", "name", "message", "hint"};
  lua_newtable(L);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    luax_field(L, 1, fields[i]);
    if (!lua_isstring(L, -1)) lua_pop(L, 1);
    else lua_setfield(L, -2, fields[i]);
  }
  lua_getmetatable(L, 1);
  lua_setmetatable(L, -2);
}

/* Runs protected: turns an error that is neither text nor an error object into text, as lua.c does. */
static int plain_error(lua_State *L) {
  if (luax_iserror(L, 1)) push_plain_error(L);
  else if (lua_type(L, 1) == LUA_TSTRING) lua_settop(L, 1);
  else if (luaL_getmetafield(L, 1, "__tostring")) luaL_tolstring(L, 1, NULL);
  else lua_pushfstring(L, "(the error is a %s value)", luaL_typename(L, 1));
  return 1;
}

/* Lua's own "not enough memory" does not say that a limit was reached. */
static void explain_shortage(lua_State *L) {
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  if (strcmp(text, "not enough memory") != 0 || !alloc_was_short(L)) return;
  const char *message =
      lua_pushfstring(L, "Not enough memory: the limit of a script is %d MiB.", (int)(memory_limit() >> 20));
  luax_pusherror(L, NULL, NULL, ERROR_NOT_ENOUGH_MEMORY, message, "--memory-limit MIB allows more");
}

/* Replaces the error on top by what can cross. */
static void describe_error(lua_State *L) {
  alloc_limit(L, 0);
  explain_shortage(L);
  lua_pushcfunction(L, plain_error);
  lua_insert(L, -2);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) return;
  lua_pop(L, 1);
  lua_pushliteral(L, "(the error's own __tostring failed)");
}

/* finish(code or nil, failed, error): crosses to core.finish. */
static int call_finish(lua_State *L) {
  int failed = lua_toboolean(L, 2);
  lua_remove(L, 2);
  if (failed) lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key);
  else lua_pushnil(L);
  return gate_call(L, "finish", 3);
}

enum { NO_CODE = INT_MIN }; /* nobody asked for an exit code */

/* Ends the run in `L` with its error on top, if it failed, or with the exit code that the script asked for. Prints
 * what there is to say; returns the exit code. */
static int finish(lua_State *L, int failed, int code) {
  interrupt_leave(NULL);
  if (failed) describe_error(L);
  gate_shut();
  if (!failed && !core_is_open() && !options->json && !options->check && !model_is_on()) {
    restore_output();
    return code == NO_CODE ? 0 : code;
  }
  int problem = lua_gettop(L);
  lua_pushcfunction(L, call_finish);
  if (code != NO_CODE) lua_pushinteger(L, code);
  else lua_pushnil(L);
  lua_pushboolean(L, failed);
  if (failed) lua_pushvalue(L, problem);
  else lua_pushnil(L);
  int status = lua_pcall(L, 3, 3, 0);
  restore_output();
  if (status != LUA_OK) {
    complain(luaL_tolstring(L, -1, NULL));
    return EXIT_FAILURE;
  }
  print(stdout, lua_tostring(L, -3));
  print(stderr, lua_tostring(L, -2));
  return (int)lua_tointeger(L, -1);
}

/* Leaves without unwinding the script. */
P80_NORETURN static void leave(int code) {
  if (inner == NULL) exit(code);
  inner->code = code;
  longjmp(inner->end, 1);
}

/* os.exit */
static void end_run(lua_State *L, int code) {
  if (gate_is_shut()) luaL_error(L, "the run has ended");
  fflush(NULL);
  leave(finish(L, 0, code));
}

/* Ends an inner run that takes too long, whatever it is doing. */
static void end_late_run(lua_State *L, lua_Debug *ar) {
  (void)ar;
  if (luax_clock() < inner->deadline) return;
  inner->timed_out = 1;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  luax_pusherror(L, NULL, script.name, ERROR_TIMEOUT, "It does not end.", NULL);
  keep_traceback(L);
  leave(finish(L, 1, NO_CODE));
}

static int call_accept(lua_State *L) { return gate_call(L, "accept", 0); }

/* Has the core take what --allow gives; pushes what is wrong with it. The core must learn of the script first. */
static int accept_allows(lua_State *L) {
  if (options->allow_count == 0) return 1;
  lua_pushcfunction(L, call_accept);
  return lua_pcall(L, 0, 0, 0) == LUA_OK;
}

/* An inner run has a deadline instead, and at the prompt somebody watches. */
static void limit_time(void) {
  static const double missing = 300; /* seconds */
  if (options->cpu_limit >= 0) interrupt_limit(options->cpu_limit);
  else if (inner == NULL && options->command != CLI_REPL) interrupt_limit(missing);
}

static int call_admit_typed(lua_State *L) {
  admit_typed(L, script.kind);
  return 0;
}

/* Whether the policy lets this run that is no file; pushes why not. Files are judged when they are loaded. */
static int admit_words(lua_State *L) {
  if (script.path || strcmp(script.kind, "bundled") == 0) return 1;
  lua_pushcfunction(L, call_admit_typed);
  return lua_pcall(L, 0, 0, 0) == LUA_OK;
}

static int run(lua_State *L, int arguments) {
  if (!admit_words(L)) return finish(L, 1, NO_CODE);
  if (!accept_allows(L)) return finish(L, 1, 2);
  limit_time();
  interrupt_enter(L);
  return finish(L, call_protected(L, arguments, 0) != LUA_OK, NO_CODE);
}

/* ---- What runs ---- */

/* Ends a run that could not begin, with the reason on top of the stack: exit code 2, no traceback. */
static int fail_to_begin(lua_State *L) { return finish(L, 1, 2); }

static DWORD attributes_of(lua_State *L, const char *path) {
  lua_pushstring(L, path);
  DWORD attributes = GetFileAttributesW(luax_checkwide(L, -1, "script", NULL));
  lua_pop(L, 2);
  return attributes;
}

/* What names of playbooks are made of (core/manifest.lua). */
#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

static int has_folder(const char *path) { return strpbrk(path, "\\/:") != NULL; }

static int ends_with_lua(const char *path) {
  size_t n = strlen(path);
  return n > 4 && _stricmp(path + n - 4, ".lua") == 0;
}

/* Pushes the name of the bundled playbook that `word` ("free80" or "free80.lua") means, or nil. */
static const char *push_bundled_name(lua_State *L, const char *word) {
  size_t n = strlen(word);
  lua_pushlstring(L, word, ends_with_lua(word) ? n - 4 : n);
  if (!has_folder(word) && bundle_has("script", lua_tostring(L, -1))) return lua_tostring(L, -1);
  lua_pop(L, 1);
  lua_pushnil(L);
  return NULL;
}

/* Loads a script file as a chunk, or pushes a message that says why not. Raises when it may not run here. */
static int load_file(lua_State *L, const char *path) {
  DWORD attributes = attributes_of(L, path);
  if (attributes == INVALID_FILE_ATTRIBUTES) {
    lua_pushstring(L, path);
    gate_call(L, "missing", 1);
    return 0;
  }
  if (attributes & FILE_ATTRIBUTE_DIRECTORY) {
    lua_pushfstring(L, "%s: this is a folder, not a script", path);
    return 0;
  }
  return admit_load(L, path, ADMIT_SCRIPT) == LUA_OK;
}

/* Pushes the folder of `path` ("." when it names none). */
static const char *push_folder(lua_State *L, const char *path) {
  size_t n = strlen(path);
  while (n > 0 && path[n - 1] != '\\' && path[n - 1] != '/' && path[n - 1] != ':') n--;
  if (n == 0) return lua_pushliteral(L, ".");
  if (path[n - 1] == ':') return lua_pushfstring(L, "%s.", lua_pushlstring(L, path, n));
  return lua_pushlstring(L, path, n > 1 ? n - 1 : n);
}

/* Pushes the file of the installed playbook that `word` means ("acme" or "acme.lua"), or nil;
 * engine/core/installed.lua says which folder is in force. It is looked for twice: one may become the other
 * meanwhile. */
static const char *push_installed_file(lua_State *L, const char *word) {
  static const char *const formats[] = {"%s\\playbooks\\%s\\%s.lua", "%s\\playbooks\\%s.new\\%s.lua"};
  size_t n = strlen(word);
  const char *name = lua_pushlstring(L, word, ends_with_lua(word) ? n - 4 : n);
  if (strspn(name, NAME_LETTERS) == strlen(name)) {
    store_push_home(L);
    const char *home = lua_tostring(L, -1);
    for (int i = 0; i < 4; i++) {
      const char *path = lua_pushfstring(L, formats[i % 2], home, name, name);
      if (attributes_of(L, path) != INVALID_FILE_ATTRIBUTES) return path;
    }
  }
  lua_pushnil(L);
  return NULL;
}

/* Has the run see one version of an installed playbook, the one that is in force now; its file may have another path
 * (+1) when that has just changed. One that is being replaced is ready in a moment. */
static const char *keep_installed(lua_State *L, const char *word, const char *path) {
  enum { TRIES = 40, PAUSE = 50 };
  DWORD code = NO_ERROR;
  for (int i = 0; path && i < TRIES; i++) {
    code = admit_keep(L, push_folder(L, path), path);
    if (code == NO_ERROR) return path;
    luax_sleep(L, PAUSE);
    path = push_installed_file(L, word);
  }
  luax_fail(L, word, path ? code : ERROR_FILE_NOT_FOUND);
}

/* Loads the script that `word` names: a bundled playbook, an installed one, or a file. A word with a folder is a
 * file, and one with ".lua" when there is one. Pushes the chunk, or why there is none; fills in `found`. */
static int load_script(lua_State *L, const char *word, core_script *found, int is_run) {
  if (!ends_with_lua(word) || attributes_of(L, word) == INVALID_FILE_ATTRIBUTES) {
    const char *bundled = push_bundled_name(L, word), *installed = bundled ? NULL : push_installed_file(L, word);
    if (bundled) {
      *found = (core_script){bundled, NULL, "bundled"};
      bundle_push(L, "script", bundled);
      return 1;
    }
    if (installed) {
      *found = (core_script){word, installed, "installed"};
      if (is_run) found->path = installed = keep_installed(L, word, installed);
      searcher_add_folder(L, push_folder(L, installed));
      lua_pop(L, 1);
      return load_file(L, installed);
    }
  }
  *found = (core_script){word, word, "file"};
  searcher_add_folder(L, push_folder(L, word));
  lua_pop(L, 1);
  return load_file(L, word);
}

/* Arguments on the stack for a chunk: its words. */
static int push_words(lua_State *L) {
  luaL_checkstack(L, options->word_count, "too many arguments");
  for (int i = 0; i < options->word_count; i++) lua_pushstring(L, options->words[i]);
  return options->word_count;
}

/* Runs protected. Argument: the script's word. Returns the chunk or why there is none, which of both, and the name.
 */
static int load_given(lua_State *L) {
  int ok = load_script(L, lua_tostring(L, 1), &script, 1);
  lua_pushboolean(L, ok);
  lua_pushstring(L, script.name);
  script.name = lua_tostring(L, -1);
  return 3;
}

static int run_script(lua_State *L) {
  lua_pushcfunction(L, load_given);
  lua_pushstring(L, options->script);
  if (lua_pcall(L, 1, 3, 0) != LUA_OK) return finish(L, 1, NO_CODE);
  lua_insert(L, -3); /* the name stays below */
  int ok = lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (!ok) return fail_to_begin(L);
  set_arguments(L, script.name);
  return run(L, push_words(L));
}

static int run_code(lua_State *L) {
  script = (core_script){"-e", NULL, "code"};
  if (luaL_loadbufferx(L, options->code, strlen(options->code), "=(command line)", "t") != LUA_OK)
    return fail_to_begin(L);
  set_arguments(L, "-e");
  return run(L, push_words(L));
}

static int run_stdin(lua_State *L) {
  script = (core_script){"-", NULL, "stdin"};
  if (luaL_loadfilex(L, NULL, "t") != LUA_OK) return fail_to_begin(L);
  set_arguments(L, "-");
  return run(L, push_words(L));
}

/* help(name) at the prompt: what `p80 help NAME` prints; without a name what there is. */
static int repl_help(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_pushliteral(L,
                    "help win lists what p80 knows about Windows, help win.scm the functions of one subject.\n"
                    "What changes something needs --allow, as in p80 --allow scm.state -i.");
    return 1;
  }
  lua_pushliteral(L, "help");
  lua_insert(L, 1);
  lua_settop(L, 2);
  return gate_call(L, "command", 2);
}

static int run_repl(lua_State *L) {
  script = (core_script){"-i", NULL, "repl"};
  set_arguments(L, "-i");
  lua_getglobal(L, "require");
  lua_pushliteral(L, "console");
  lua_call(L, 1, 1);
  console_add_history(L);
  lua_pop(L, 1);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "repl");
  lua_call(L, 1, 1);
  lua_newtable(L);
  luax_settext(L, "banner", "p80 " P80_VERSION ", " LUA_RELEASE ". `help` explains, `exit` leaves.");
  lua_pushcfunction(L, repl_help);
  lua_setfield(L, -2, "help");
  return run(L, 1);
}

static int call_command(lua_State *L) { return gate_call(L, "command", lua_gettop(L)); }

/* A command is done by the core. One that may change the machine ends as a run does. */
static int run_command(lua_State *L) {
  script = (core_script){options->name, NULL, "command"};
  if (!accept_allows(L)) return fail_to_begin(L);
  lua_pushcfunction(L, call_command);
  lua_pushstring(L, options->name);
  int words = push_words(L);
  interrupt_enter(L);
  if (call_protected(L, 1 + words, 2) != LUA_OK) {
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key); /* the user's words, not a script, were at fault */
    return finish(L, 1, NO_CODE);
  }
  const char *text = lua_tostring(L, -2);
  int code = lua_isnil(L, -1) ? NO_CODE : (int)lua_tointeger(L, -1);
  restore_output();
  print(stdout, text);
  if (!options->changes) return code == NO_CODE ? 0 : code;
  return finish(L, 0, code);
}

/* A bundled chunk of the kit does what the command line says: chunk(kit, words...) -> text, exit code. */
static int run_kit(lua_State *L, const char *name) {
  script = (core_script){name + strlen("cmd_"), NULL, "command"};
  bundle_push(L, "core", name);
  kit_push(L, options, machine());
  int words = push_words(L);
  interrupt_enter(L);
  if (call_protected(L, 1 + words, 2) != LUA_OK) return finish(L, 1, NO_CODE);
  restore_output();
  print(stdout, luaL_optstring(L, -2, ""));
  return (int)lua_tointeger(L, -1);
}

static const char *arch(void) { return sizeof(void *) == 8 ? "x64" : "x86"; }

/* What --json makes of the usage text. */
static int print_usage(void) {
  if (!options->json) return fputs(cli_usage, stdout) < 0;
  printf("{\n  \"name\":\"p80\",\n  \"version\":\"%s\",\n  \"text\":\"", P80_VERSION);
  for (const char *c = cli_usage; *c; c++) {
    if (*c == '"' || *c == '\\') putchar('\\');
    if (*c == '\n') fputs("\\n", stdout);
    else putchar(*c);
  }
  puts("\"\n}");
  return 0;
}

static int print_version(void) {
  static const char *const formats[] = {
      "p80 %s (%s, lfs %s, %s)\n",
      "{\n  \"p80\":\"%s\",\n  \"lua\":\"%s\",\n  \"lfs\":\"%s\",\n  \"architecture\":\"%s\"\n}\n"};
  printf(formats[options->json != 0], P80_VERSION, LUA_RELEASE, P80_LFS_VERSION, arch());
  return 0;
}

/* Runs protected: does what the command line says; returns the exit code. */
static int dispatch(lua_State *L) {
  int code = 0;
  if (options->state) {
    lua_pushstring(L, options->state);
    core_set_folder(luax_pushfullpath(L, -1, "--state")); /* stays on the stack */
  }
  if (options->model && inner == NULL && options->command != CLI_WRONG) {
    lua_pushinteger(L, run_kit(L, "cmd_model"));
    return 1;
  }
  switch (options->command) {
    case CLI_SCRIPT:
      code = run_script(L);
      break;
    case CLI_CODE:
      code = run_code(L);
      break;
    case CLI_STDIN:
      code = run_stdin(L);
      break;
    case CLI_REPL:
      code = run_repl(L);
      break;
    case CLI_COMMAND:
      code = inner == NULL && strcmp(options->name, "test") == 0 ? run_kit(L, "cmd_test") : run_command(L);
      break;
    case CLI_WRONG:
      lua_pushfstring(L, "%s; `p80 --help` shows what there is", options->error);
      code = fail_to_begin(L);
      break;
    default:
      break;
  }
  lua_pushinteger(L, code);
  return 1;
}

static int run_in_playbook(void) {
  lua_State *L = new_playbook(0);
  if (L == NULL) return EXIT_FAILURE;
  lua_pushcfunction(L, dispatch);
  int code = EXIT_FAILURE;
  if (lua_pcall(L, 0, 1, 0) == LUA_OK) code = (int)lua_tointeger(L, -1);
  else complain(luaL_tolstring(L, -1, NULL));
  fflush(NULL);
  interrupt_leave(NULL);
  lua_close(L);
  return code;
}

/* Runs in states of its own, up to `finished` (or to the end of what is too late). */
static int run_inner(void (*finished)(void *), void *context) {
  lua_State *volatile L = new_playbook(0);
  if (L == NULL) return EXIT_FAILURE;
  if (setjmp(inner->end) == 0) {
    lua_sethook(L, end_late_run, LUA_MASKCOUNT, 10000);
    lua_pushcfunction(L, dispatch);
    if (lua_pcall(L, 0, 1, 0) == LUA_OK) inner->code = (int)lua_tointeger(L, -1);
    else complain(luaL_tolstring(L, -1, NULL));
  }
  fflush(NULL);
  finished(context);
  interrupt_leave(NULL);
  lua_sethook(L, NULL, 0, 0);
  lua_close(L);
  return inner->code;
}

int host_run_within(const cli *given, double seconds, int *timed_out, void (*finished)(void *), void *context) {
  const cli *outer_options = options;
  core_script outer_script = script;
  lua_State *outer_running = interrupt_enter(NULL);
  int outer_json = json_output;
  core_run outer_core = core_suspend();
  inner_run own = {.deadline = luax_clock() + (ULONGLONG)(seconds * 1000), .code = EXIT_FAILURE};
  options = given;
  script = (core_script){"p80", NULL, "none"};
  json_output = -1;
  inner = &own;
  core_configure(options, &script);
  keep_output_clean();
  int code = run_inner(finished, context);
  restore_output();
  core_resume(outer_core);
  gate_open();
  inner = NULL;
  options = outer_options;
  script = outer_script;
  interrupt_leave(outer_running);
  json_output = outer_json;
  *timed_out = own.timed_out;
  return code;
}

int host_main(const cli *given) {
  options = given;
  if (options->no_color) console_no_colour();
  if (options->quiet) console_quiet();
  switch (options->command) {
    case CLI_USAGE:
      return print_usage();
    case CLI_VERSION:
      return print_version();
    default:
      break;
  }
  core_configure(options, &script);
  interrupt_catch();
  if (options->stop_event) interrupt_follow(options->stop_event);
  luax_waiting = show_waiting;
  keep_output_clean();
  return run_in_playbook();
}

/* Pushes a copy of the table of texts at index `files` of another state. */
static void copy_texts(lua_State *L, lua_State *from, int files) {
  size_t size;
  lua_newtable(L);
  lua_pushnil(from);
  while (lua_next(from, files)) {
    const char *text = lua_tolstring(from, -1, &size);
    lua_pushlstring(L, text, size);
    lua_setfield(L, -2, lua_tostring(from, -2));
    lua_pop(from, 1);
  }
}

/* Runs protected. Arguments: the script, the core's state, and the index of the texts there, or 0. */
static int run_for_manifest(lua_State *L) {
  core_script found;
  const char *word = lua_tostring(L, 1);
  int files = (int)lua_tointeger(L, 3);
  if (files) {
    copy_texts(L, lua_touserdata(L, 2), files);
    searcher_add_texts(L, 4);
    searcher_load_text(L, 4, word);
  } else if (!load_script(L, word, &found, 0)) return lua_error(L);
  lua_call(L, 0, 0);
  return 0;
}

/* Ends a script that does not come to its manifest, whatever it is doing. */
static void end_late_manifest(lua_State *L, lua_Debug *ar) {
  (void)L, (void)ar;
  if (manifest_end && luax_clock() >= manifest_deadline) longjmp(*manifest_end, TOO_LATE);
}

/* Calls run_for_manifest in `L` with its arguments, for at most `seconds` (0: any time). */
static int call_for_manifest(lua_State *L, double seconds, char *problem, size_t size) {
  jmp_buf end;
  manifest_end = &end;
  if (seconds > 0) manifest_deadline = luax_clock() + (ULONGLONG)(seconds * 1000);
  lua_sethook(L, end_late_manifest, LUA_MASKCOUNT, 10000);
  switch (setjmp(end)) {
    case DECLARED:
      return 0;
    case TOO_LATE:
      snprintf(problem, size, "it does not come to its manifest within %g seconds; --cpu-limit allows more", seconds);
      return ERROR_TIMEOUT;
    default:
      if (lua_pcall(L, 3, 0, 0) == LUA_OK) return 0;
      describe_error(L);
      snprintf(problem, size, "%s", luaL_tolstring(L, -1, NULL));
      lua_pop(L, 1);
      if (luax_iserror(L, -1)) luax_field(L, lua_gettop(L), "code");
      return lua_isinteger(L, -1) ? (int)lua_tointeger(L, -1) : ERROR_INVALID_FUNCTION;
  }
}

/* Within a function of C (a pattern made for it, a finalizer) only the limit of computing ends a script. */
int host_run_for_manifest(const char *word, lua_State *core, int files, char *problem, size_t size) {
  double seconds = options->cpu_limit < 0 ? 10 : options->cpu_limit;
  lua_State *L = new_playbook(1);
  if (L == NULL) return ERROR_NOT_ENOUGH_MEMORY;
  double outer_limit = interrupt_limit(2 * seconds);
  lua_pushcfunction(L, run_for_manifest);
  lua_pushstring(L, word);
  lua_pushlightuserdata(L, core);
  lua_pushinteger(L, files);
  int top = lua_gettop(core);
  lua_State *before = interrupt_enter(L);
  int failed = call_for_manifest(L, seconds, problem, size);
  interrupt_leave(before);
  lua_settop(core, top);
  manifest_end = NULL;
  lua_close(L);
  manifest_deadline = (ULONGLONG)-1;
  interrupt_limit(outer_limit);
  return failed;
}
