/* The console: UTF-8 out and in whatever the code page, colour, width, and a line that shows progress. Streams that
 * are no console are written as they are. */
#ifndef P80_CONSOLE_H
#define P80_CONSOLE_H

#include <lua.h>
#include <stdio.h>

/* Whether `stream` (stdin, stdout or stderr) is a console. */
int console_is_terminal(FILE *stream);

/* Writes UTF-8. A character that is cut off at the end of `text` waits for the rest in the next call. Returns `n`,
 * or less when the stream fails. */
size_t console_write(FILE *stream, const char *text, size_t n);
void console_print(FILE *stream, const char *text);

/* Reads up to `n` bytes of UTF-8 from a console on stdin, at most to the end of a line ("\n"). 0: end of file
 * (Ctrl-Z), or Ctrl-C with *interrupted set. */
size_t console_read(char *out, size_t n, int *interrupted);

/* Shows `prompt` on the console, wherever the streams lead, and reads a line that does not show. Returns the bytes of
 * UTF-8 in `out`, which the caller wipes, or one of the values below. */
#define CONSOLE_ABSENT ((size_t)-1)
#define CONSOLE_INTERRUPTED ((size_t)-2)
size_t console_ask_secret(const char *prompt, char *out, size_t room);

/* Columns of the console behind `stream`; 80 when it is none. */
int console_width(FILE *stream);

/* What --no-color and --quiet say: no colour anywhere; no progress. */
void console_no_colour(void);
void console_quiet(void);

/* Text written from now on to `stream` has this colour, if it is a console and colour is wanted. */
typedef enum console_colour {
  CONSOLE_PLAIN,
  CONSOLE_GOOD,
  CONSOLE_WARNING,
  CONSOLE_BAD,
  CONSOLE_FAINT,
  CONSOLE_STRONG
} console_colour;
void console_set_colour(FILE *stream, console_colour colour);

/* Progress of a wait, on standard error. Nothing shows in the first two seconds; then a console gets one line that
 * is redrawn, anything else a plain line every ten seconds. `step` is called as often as one likes, with the part
 * that is done (0 to 1) or a negative number where that is unknown. Progress does not nest. */
void console_progress_begin(const char *what);
void console_progress_step(double done);
void console_progress_end(void);

/* Has the streams looked at again: to be called when standard output or error becomes another file (_dup2). */
void console_forget(void);

/* Leaves the console as it was found. Called at exit by itself; for handlers that end the process otherwise. */
void console_restore(void);

/* Lua function ask(prompt): asks for a line. Returns the line, or nil at its end, and whether Ctrl-C ended it;
 * nothing at all, and nothing is shown, unless both standard input and standard error are a console. */
int console_ask(lua_State *L);

/* Lua function read_secret(prompt): asks for a line that is not shown while it is typed. Returns the line, or nil at
 * its end, and whether Ctrl-C ended it; nothing at all when there is no console to ask at. */
int console_read_secret(lua_State *L);

/* Pushes the table of functions that scripts/api/console.lua describes. */
int console_open(lua_State *L);

/* Adds to the table on top what only the REPL has, because it writes a file:
 *   history() -> text or nil              the REPL's history, a file in the user's profile
 *   remember(text[, anew])                adds to it, or begins it anew */
void console_add_history(lua_State *L);

#endif
