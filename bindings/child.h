/* Running a program to its end: its output, its errors, its exit code; with all that it started when it takes too
 * long. */
#ifndef P80_CHILD_H
#define P80_CHILD_H

#include <lua.h>
#include <stddef.h>
#include <windows.h>

typedef struct child_spec {
  const wchar_t *path;        /* the image, from the root; 64-bit Windows' own System32 also for a 32-bit p80 */
  wchar_t *line;              /* the command line with the program's name; Windows may write in it */
  const wchar_t *folder;      /* NULL: p80's */
  const wchar_t *environment; /* NULL: p80's */
  const char *input;
  size_t input_size;
  DWORD timeout; /* ms */
  size_t most;   /* bytes of output, and of errors */
} child_spec;

typedef enum child_end { CHILD_ENDED, CHILD_TIMED_OUT, CHILD_FLOODED } child_end;

typedef struct child {
  struct tree *tree;
  struct stream *input, *output, *errors;
} child;

/* Starts the program without a window; raises when it cannot be started. Its slots are pushed on the stack and must
 * stay. */
void child_start(lua_State *L, child *c, const child_spec *spec);
/* Waits until it has ended and pushes what it printed on standard output and standard error (+2). Raises at Ctrl-C.
 * Then, and when it did not end by itself, it is ended with all that it started; when it did, what it started goes
 * on. */
child_end child_finish(lua_State *L, child *c, const child_spec *spec, DWORD *code);

/* Switches the redirection of System32 for 32-bit programs off (it is nothing on other Windows) and on again. */
typedef struct child_view {
  BOOL is_off;
  PVOID before;
} child_view;
void child_begin_view(child_view *view);
void child_end_view(child_view *view);

#endif
