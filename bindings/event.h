/* What the files of win.event share. */
#ifndef P80_EVENT_H
#define P80_EVENT_H

#include <lua.h>
#include <windows.h>

#include "luax.h"

#define EVENT_CURSOR "p80.event.cursor"

enum { EVENT_HANDLES = 5 };

/* A reader of one log, from the newest event to the oldest. */
typedef struct event_cursor {
  int (*next)(lua_State *L, struct event_cursor *cursor); /* pushes an event as a table, or nothing at the end */
  luax_handle handles[EVENT_HANDLES];
  DWORD at, end; /* event_old.c: what is left in the buffer, the cursor's user value */
} event_cursor;

/* Pushes a cursor of which no handle is open (+1). */
event_cursor *event_new_cursor(lua_State *L, int (*next)(lua_State *, event_cursor *));

/* Push a cursor (+1); `log` is the argument at index 1. */
void event_open_new(lua_State *L, const wchar_t *log, const wchar_t *query);
void event_open_old(lua_State *L, const wchar_t *log);

#endif
