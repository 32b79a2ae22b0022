#include "console.h"

#include <io.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "luax.h"
#include "wtf8.h"

#ifndef ENABLE_VIRTUAL_TERMINAL_PROCESSING
#define ENABLE_VIRTUAL_TERMINAL_PROCESSING 4
#endif

enum { STREAMS = 3, UNITS = 1024 }; /* old consoles fail on writes and reads of more than some KiB */

typedef struct stream_state {
  int known; /* 0: not looked at yet */
  int terminal;
  HANDLE handle;
  char pending[4]; /* the beginning of a character */
  size_t pending_count;
  /* Colour, once it is used: */
  int colour_known, escapes;
  DWORD mode;
  WORD attributes;
} stream_state;

static stream_state states[STREAMS];
static int colour_off, quiet;

static struct {
  int active, spin;
  double done; /* the part that is done, negative: unknown */
  int shown;   /* columns that are drawn */
  DWORD start, last;
  char what[200];
} progress;

static stream_state *state_of(FILE *stream) {
  int i = stream == stdin ? 0 : stream == stdout ? 1 : stream == stderr ? 2 : -1;
  if (i < 0) return NULL;
  stream_state *state = &states[i];
  if (!state->known) {
    DWORD mode;
    int descriptor = _fileno(stream);
    state->handle = descriptor < 0 ? INVALID_HANDLE_VALUE : (HANDLE)_get_osfhandle(descriptor);
    state->terminal = GetConsoleMode(state->handle, &mode) != 0;
    state->known = 1;
  }
  return state;
}

/* The state of a stream that is a console, or NULL. */
static stream_state *console_of(FILE *stream) {
  stream_state *state = state_of(stream);
  return state && state->terminal ? state : NULL;
}

int console_is_terminal(FILE *stream) { return console_of(stream) != NULL; }

/* ---- Writing ---- */

static int write_units(HANDLE console, const wchar_t *text, DWORD n) {
  while (n > 0) {
    DWORD written;
    if (!WriteConsoleW(console, text, n, &written, NULL) || written == 0 || written > n) return 0;
    text += written;
    n -= written;
  }
  return 1;
}

/* Bytes that the character beginning with `lead` has; 1 for what begins none. */
static size_t character_length(unsigned char lead) {
  return lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1;
}

/* Whether `n` bytes may be the beginning of a longer character. */
static int is_beginning(const char *s, size_t n) {
  if (n >= character_length((unsigned char)s[0])) return 0;
  for (size_t i = 1; i < n; i++)
    if (((unsigned char)s[i] & 0xC0) != 0x80) return 0;
  return 1;
}

/* Converts the character at `s`; returns the bytes it took, 0 when more are needed. */
static size_t convert(const char *s, size_t n, wchar_t out[2], size_t *units) {
  size_t length = character_length((unsigned char)s[0]);
  if (n < length && is_beginning(s, n)) return 0;
  *units = n < length ? WTF8_INVALID : wtf8_wide_length(s, length);
  if (*units == WTF8_INVALID) {
    out[0] = 0xFFFD;
    *units = 1;
    return 1;
  }
  wtf8_to_wide(s, length, out);
  return length;
}

/* Writes as much of `n` bytes as makes whole characters; returns how much that is, or (size_t)-1. */
static size_t write_whole(HANDLE console, const char *text, size_t n) {
  wchar_t units[UNITS];
  size_t used = 0, i = 0;
  while (i < n) {
    size_t count = 1, taken = 1;
    if (used > UNITS - 4) {
      if (!write_units(console, units, (DWORD)used)) return (size_t)-1;
      used = 0;
    }
    if (text[i] == '\n') units[used++] = L'\r'; /* as the C library's text mode does */
    if ((unsigned char)text[i] < 0x80) units[used] = (wchar_t)text[i];
    else taken = convert(text + i, n - i, units + used, &count);
    if (taken == 0) break;
    used += count;
    i += taken;
  }
  return write_units(console, units, (DWORD)used) ? i : (size_t)-1;
}

/* Completes the character that the last write began. Returns how many bytes of `text` that took, or (size_t)-1. */
static size_t write_pending(stream_state *state, const char *text, size_t n) {
  char joint[8];
  size_t before = state->pending_count, after = n < 3 ? n : 3, i = 0;
  memcpy(joint, state->pending, before);
  memcpy(joint + before, text, after);
  while (i < before) { /* more than once when the character is broken */
    wchar_t units[2];
    size_t count, taken = convert(joint + i, before + after - i, units, &count);
    if (taken == 0) { /* still too short, so that all of `text` is in it */
      memcpy(state->pending, joint, before + after);
      state->pending_count = before + after;
      return n;
    }
    if (!write_units(state->handle, units, (DWORD)count)) return (size_t)-1;
    i += taken;
  }
  state->pending_count = 0;
  return i - before;
}

static void progress_erase(void);

size_t console_write(FILE *stream, const char *text, size_t n) {
  stream_state *state = console_of(stream);
  if (state == NULL) return fwrite(text, 1, n, stream);
  progress_erase();
  size_t used = write_pending(state, text, n);
  size_t whole = used == (size_t)-1 ? used : write_whole(state->handle, text + used, n - used);
  if (whole == (size_t)-1) return 0;
  used += whole;
  if (used < n) {
    state->pending_count = n - used; /* 3 at most */
    memcpy(state->pending, text + used, n - used);
  }
  return n;
}

void console_print(FILE *stream, const char *text) { console_write(stream, text, strlen(text)); }

/* ---- Reading ---- */

static struct {
  char bytes[UNITS * 3];
  size_t next, count;
  wchar_t carried; /* the first half of a pair, or \r */
} input;

/* Takes what ReadConsoleW read, without the \r of line ends. */
static void take_line(wchar_t *units, size_t n) {
  wchar_t last = units[n - 1];
  int half = last == L'\r' || (last >= 0xD800 && last <= 0xDBFF);
  input.carried = half ? last : 0;
  if (half) n--;
  size_t kept = 0;
  for (size_t i = 0; i < n; i++)
    if (units[i] != L'\r' || i + 1 == n || units[i + 1] != L'\n') units[kept++] = units[i];
  input.next = 0;
  input.count = wtf8_from_wide(units, kept, input.bytes);
}

/* Fills `input`; 0 at the end of the file or when interrupted. */
static int read_line(HANDLE console, int *interrupted) {
  do {
    wchar_t units[UNITS];
    size_t carried = input.carried ? 1 : 0;
    DWORD n = 0;
    units[0] = input.carried;
    SetLastError(0);
    if (!ReadConsoleW(console, units + carried, (DWORD)(UNITS - carried), &n, NULL) || n == 0) {
      *interrupted = GetLastError() == ERROR_OPERATION_ABORTED;
      return 0;
    }
    if (units[0] == 0x1A && !carried) return 0; /* Ctrl-Z */
    take_line(units, carried + n);
  } while (input.count == 0);
  return 1;
}

size_t console_read(char *out, size_t n, int *interrupted) {
  stream_state *state = console_of(stdin);
  *interrupted = 0;
  if (state == NULL || n == 0) return 0;
  if (input.next == input.count && !read_line(state->handle, interrupted)) return 0;
  size_t got = 0;
  while (got < n && input.next < input.count && (got == 0 || out[got - 1] != '\n'))
    out[got++] = input.bytes[input.next++];
  return got;
}

static HANDLE open_console(const wchar_t *name) {
  return CreateFileW(name, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0,
                     NULL);
}

static void print_prompt(HANDLE console, const char *prompt) {
  wchar_t units[200];
  size_t n = wtf8_wide_length(prompt, strlen(prompt));
  if (n == WTF8_INVALID || n > 200) return;
  wtf8_to_wide(prompt, strlen(prompt), units);
  write_units(console, units, (DWORD)n);
}

/* Reads a line from the console `in` as UTF-8, without its end. */
static size_t read_secret(HANDLE in, char *out, size_t room) {
  wchar_t units[UNITS / 2];
  DWORD n = 0;
  size_t size = CONSOLE_INTERRUPTED;
  if (ReadConsoleW(in, units, UNITS / 2, &n, NULL) && n > 0 && units[n - 1] == L'\n') {
    while (n > 0 && (units[n - 1] == L'\r' || units[n - 1] == L'\n')) n--;
    if ((size_t)n * 3 <= room) size = wtf8_from_wide(units, n, out);
  }
  SecureZeroMemory(units, sizeof units);
  return size;
}

size_t console_ask_secret(const char *prompt, char *out, size_t room) {
  DWORD mode;
  size_t size = CONSOLE_ABSENT;
  HANDLE in = open_console(L"CONIN$"), screen = open_console(L"CONOUT$");
  if (in != INVALID_HANDLE_VALUE && screen != INVALID_HANDLE_VALUE && GetConsoleMode(in, &mode)) {
    progress_erase();
    SetConsoleMode(in, ENABLE_LINE_INPUT | ENABLE_PROCESSED_INPUT);
    print_prompt(screen, prompt);
    size = read_secret(in, out, room);
    SetConsoleMode(in, mode);
    write_units(screen, L"\r\n", 2);
  }
  if (in != INVALID_HANDLE_VALUE) CloseHandle(in);
  if (screen != INVALID_HANDLE_VALUE) CloseHandle(screen);
  return size;
}

/* ---- Colour and width ---- */

int console_width(FILE *stream) {
  CONSOLE_SCREEN_BUFFER_INFO info;
  stream_state *state = console_of(stream);
  if (state == NULL || !GetConsoleScreenBufferInfo(state->handle, &info)) return 80;
  int width = info.srWindow.Right - info.srWindow.Left + 1;
  return width > 0 ? width : 80;
}

void console_no_colour(void) { colour_off = 1; }
void console_quiet(void) { quiet = 1; }

void console_restore(void) {
  progress_erase();
  for (int i = 0; i < STREAMS; i++) {
    stream_state *state = &states[i];
    if (!state->colour_known) continue;
    if (state->escapes) {
      write_units(state->handle, L"\x1b[0m", 4);
      SetConsoleMode(state->handle, state->mode);
    } else {
      SetConsoleTextAttribute(state->handle, state->attributes);
    }
    state->colour_known = 0;
  }
}

void console_forget(void) {
  console_restore();
  memset(states, 0, sizeof states);
}

/* NO_COLOR counts when it is not empty (https://no-color.org). */
static int colour_wanted(void) {
  static int known, unwanted;
  if (!known) unwanted = GetEnvironmentVariableW(L"NO_COLOR", NULL, 0) > 1;
  known = 1;
  return !unwanted && !colour_off;
}

/* Windows 10 and newer take escape sequences, the others attributes. */
static void prepare_colour(stream_state *state) {
  static int registered;
  CONSOLE_SCREEN_BUFFER_INFO info;
  state->colour_known = 1;
  state->attributes = FOREGROUND_RED | FOREGROUND_GREEN | FOREGROUND_BLUE;
  if (GetConsoleScreenBufferInfo(state->handle, &info)) state->attributes = info.wAttributes;
  state->escapes = GetConsoleMode(state->handle, &state->mode) &&
                   SetConsoleMode(state->handle, state->mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
  if (!registered) registered = atexit(console_restore) == 0;
}

void console_set_colour(FILE *stream, console_colour colour) {
  static const struct {
    const wchar_t *escape;
    WORD attributes;
  } looks[] = {
      {L"\x1b[0m", 0},
      {L"\x1b[32m", FOREGROUND_GREEN | FOREGROUND_INTENSITY},
      {L"\x1b[33m", FOREGROUND_RED | FOREGROUND_GREEN | FOREGROUND_INTENSITY},
      {L"\x1b[31m", FOREGROUND_RED | FOREGROUND_INTENSITY},
      {L"\x1b[90m", FOREGROUND_INTENSITY},
      {L"\x1b[1m", FOREGROUND_RED | FOREGROUND_GREEN | FOREGROUND_BLUE | FOREGROUND_INTENSITY},
  };
  static const WORD foreground = FOREGROUND_RED | FOREGROUND_GREEN | FOREGROUND_BLUE | FOREGROUND_INTENSITY;
  stream_state *state = console_of(stream);
  if (state == NULL || stream == stdin || !colour_wanted()) return;
  progress_erase();
  if (!state->colour_known) prepare_colour(state);
  if (state->escapes) {
    if (colour != CONSOLE_PLAIN) write_units(state->handle, looks[CONSOLE_PLAIN].escape, 4);
    write_units(state->handle, looks[colour].escape, (DWORD)wcslen(looks[colour].escape));
  } else {
    WORD kept = (WORD)(state->attributes & ~foreground);
    SetConsoleTextAttribute(state->handle,
                            colour == CONSOLE_PLAIN ? state->attributes : (WORD)(kept | looks[colour].attributes));
  }
}

/* ---- Progress ---- */

/* Bytes of `text` that fit `columns`, counting a code point as one. */
static int fitting(const char *text, int columns) {
  int i = 0;
  for (; text[i]; i++)
    if (((unsigned char)text[i] & 0xC0) != 0x80 && columns-- == 0) break;
  return i;
}

static int columns_of(const char *text) {
  int n = 0;
  for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
  return n;
}

/* Writes `text` over the line that shows now; shorter text is filled up with blanks. */
static void draw_line(stream_state *state, const char *text) {
  char line[512];
  int columns = columns_of(text), blanks = progress.shown > columns ? progress.shown - columns : 0;
  int n = snprintf(line, sizeof line, "\r%s%*s%s", text, blanks, "", columns ? "" : "\r");
  if (n > 0 && n < (int)sizeof line) write_whole(state->handle, line, (size_t)n);
  progress.shown = columns;
}

static void progress_erase(void) {
  stream_state *state = progress.shown ? console_of(stderr) : NULL;
  if (state) draw_line(state, "");
  progress.shown = 0;
}

/* "[####......]  40 %", or a spinning bar. */
static void progress_bar(char *out, size_t size, double done) {
  static const int cells = 20;
  if (done < 0) {
    snprintf(out, size, "%c", "|/-\\"[progress.spin++ & 3]);
    return;
  }
  int filled = done >= 1 ? cells : (int)(done * cells);
  snprintf(out, size, "[%.*s%.*s] %3d %%", filled, "####################", cells - filled, "....................",
           done >= 1 ? 100 : (int)(done * 100));
}

static void progress_draw(stream_state *state, double done, DWORD seconds) {
  char bar[40], line[300];
  progress_bar(bar, sizeof bar, done);
  int columns = console_width(stderr) - 1 - (int)strlen(bar) - 12;
  int bytes = columns > 0 ? fitting(progress.what, columns) : 0;
  snprintf(line, sizeof line, "%.*s  %s  %lu s", bytes, progress.what, bar, (unsigned long)seconds);
  draw_line(state, line);
}

/* Bytes of `what` that are kept. */
static int kept_of(const char *what) { return fitting(what, (int)(sizeof progress.what - 1) / 4); }

void console_progress_begin(const char *what) {
  console_progress_end();
  memset(&progress, 0, sizeof progress);
  snprintf(progress.what, sizeof progress.what, "%.*s", kept_of(what), what);
  progress.done = -1;
  progress.start = GetTickCount();
  progress.last = progress.start - 60000; /* long ago */
  progress.active = 1;
}

void console_progress_step(double done) {
  stream_state *state = console_of(stderr);
  DWORD now = GetTickCount(), waited = now - progress.start;
  if (done >= 0) progress.done = done;
  else done = progress.done; /* a wait within it does not know better */
  if (!progress.active || quiet || waited < 2000 || now - progress.last < (state ? 100U : 10000U)) return;
  progress.last = now;
  if (state) {
    progress_draw(state, done, waited / 1000);
  } else {
    if (done >= 0)
      fprintf(stderr, "%s: %d %% (%lu s)\n", progress.what, (int)(done * 100), (unsigned long)(waited / 1000));
    else fprintf(stderr, "%s (%lu s)\n", progress.what, (unsigned long)(waited / 1000));
    fflush(stderr);
  }
}

void console_progress_end(void) {
  progress_erase();
  progress.active = 0;
}

/* ---- For Lua ---- */

static FILE *check_stream(lua_State *L, int index) {
  static const char *const names[] = {"stdin", "stdout", "stderr", NULL};
  int i = luaL_checkoption(L, index, "stdout", names);
  return i == 0 ? stdin : i == 1 ? stdout : stderr;
}

static int lua_is_terminal(lua_State *L) {
  lua_pushboolean(L, console_is_terminal(check_stream(L, 1)));
  return 1;
}

static int lua_width(lua_State *L) {
  lua_pushinteger(L, console_width(check_stream(L, 1)));
  return 1;
}

static int lua_colour(lua_State *L) {
  static const char *const words[] = {"plain", "good", "warning", "bad", "faint", "strong", NULL};
  int colour = luaL_checkoption(L, 1, NULL, words);
  console_set_colour(check_stream(L, 2), (console_colour)colour);
  return 0;
}

static int lua_progress(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    console_progress_end();
    return 0;
  }
  const char *what = luaL_checkstring(L, 1);
  double done = luaL_optnumber(L, 2, -1);
  size_t kept = (size_t)kept_of(what);
  if (!progress.active || strncmp(what, progress.what, kept) != 0 || progress.what[kept] != 0)
    console_progress_begin(what);
  console_progress_step(done >= 0 && done <= 1 ? done : -1);
  return 0;
}

/* Whether Ctrl-C came; what it set is taken back (see interrupt.c). */
static int forget_interrupt(lua_State *L, DWORD wait) {
  int came = luax_interrupt && WaitForSingleObject(luax_interrupt, wait) == WAIT_OBJECT_0;
  if (!came) return 0;
  ResetEvent(luax_interrupt);
  luax_interrupt_told = 0;
  lua_sethook(L, NULL, 0, 0);
  return 1;
}

static int lua_interrupted(lua_State *L) {
  lua_pushboolean(L, forget_interrupt(L, 0));
  return 1;
}

/* Pushes a line that is typed, or nil, and whether Ctrl-C ended it. */
static int push_line(lua_State *L) {
  enum { PIECE = 256 };
  luaL_Buffer line;
  size_t n;
  int interrupted = 0;
  luaL_buffinit(L, &line);
  do {
    char *room = luaL_prepbuffsize(&line, PIECE);
    n = console_read(room, PIECE, &interrupted);
    luaL_addsize(&line, n);
  } while (n > 0 && luaL_buffaddr(&line)[luaL_bufflen(&line) - 1] != '\n');
  if (n > 0) luaL_buffsub(&line, 1);
  luaL_pushresult(&line);
  forget_interrupt(L, interrupted ? 200 : 0); /* its thread may be late */
  if (n == 0 && (interrupted || lua_rawlen(L, -1) == 0)) lua_pushnil(L);
  lua_pushboolean(L, interrupted);
  return 2;
}

/* Done in one C function, so that Ctrl-C ends this line and nothing else. */
static int lua_read(lua_State *L) {
  console_print(stdout, luaL_checkstring(L, 1));
  return push_line(L);
}

int console_ask(lua_State *L) {
  const char *prompt = luaL_checkstring(L, 1);
  if (!console_is_terminal(stdin) || !console_is_terminal(stderr)) return 0;
  console_print(stderr, prompt);
  fflush(stderr);
  return push_line(L);
}

int console_read_secret(lua_State *L) {
  char text[UNITS * 3];
  if (!console_is_terminal(stdin)) return 0; /* as in a scheduled run: nobody would answer */
  size_t n = console_ask_secret(luaL_checkstring(L, 1), text, sizeof text);
  if (n == CONSOLE_ABSENT) return 0;
  if (n == CONSOLE_INTERRUPTED) lua_pushnil(L);
  else lua_pushlstring(L, text, n);
  SecureZeroMemory(text, sizeof text);
  lua_pushboolean(L, n == CONSOLE_INTERRUPTED);
  return 2;
}

/* %APPDATA%\p80\history; its folder is made. */
static FILE *open_history(const wchar_t *mode) {
  wchar_t path[MAX_PATH];
  DWORD n = GetEnvironmentVariableW(L"APPDATA", path, MAX_PATH - 16);
  if (n == 0 || n >= MAX_PATH - 16) return NULL;
  wcscpy(path + n, L"\\p80");
  if (mode[0] != L'r') CreateDirectoryW(path, NULL);
  wcscat(path, L"\\history");
  return _wfopen(path, mode);
}

/* The end of the file, if it is a long one. */
static int lua_history(lua_State *L) {
  enum { MOST = 256 * 1024 };
  char *room = lua_newuserdatauv(L, MOST, 0); /* before the file, so that nothing can fail while it is open */
  FILE *file = open_history(L"r");
  if (file == NULL) return 0;
  if (fseek(file, -MOST, SEEK_END) != 0) rewind(file);
  size_t n = fread(room, 1, MOST, file);
  fclose(file);
  lua_pushlstring(L, room, n);
  return 1;
}

static int lua_remember(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  FILE *file = open_history(lua_toboolean(L, 2) ? L"w" : L"a");
  if (file == NULL) return 0;
  fwrite(text, 1, n, file);
  fclose(file);
  return 0;
}

int console_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"is_terminal", lua_is_terminal},
                                       {"width", lua_width},
                                       {"colour", lua_colour},
                                       {"progress", lua_progress},
                                       {"interrupted", lua_interrupted},
                                       {"read", lua_read},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}

void console_add_history(lua_State *L) {
  static const luaL_Reg functions[] = {{"history", lua_history}, {"remember", lua_remember}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
