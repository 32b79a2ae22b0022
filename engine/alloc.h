/* Lua's memory. Each state has an arena of its own: small blocks come from chunks and go back to a list of their
 * size, larger ones from a private heap. The arena goes when its last block is freed, which lua_close does.
 *
 * With P80_PAGE_HEAP (test builds) every block ends at a page that faults when it is touched, a freed block faults
 * too, and what Lua says about a block is checked against what it got: see alloc.c. */
#ifndef P80_ALLOC_H
#define P80_ALLOC_H

#include <lua.h>
#include <stddef.h>

/* As luaL_newstate, with the memory above; NULL when there is none. */
lua_State *alloc_newstate(void);

/* The lua_Alloc function of these states. */
void *alloc_lua(void *arena, void *block, size_t old_size, size_t new_size);

/* The most that a state may hold, in bytes; 0: no limit. Beyond it Lua raises "not enough memory". */
void alloc_limit(lua_State *L, size_t bytes);
/* Whether a state has wanted more than its limit. */
int alloc_was_short(lua_State *L);

/* What all states together hold; 0 when all are closed. */
size_t alloc_live_blocks(void);
size_t alloc_live_bytes(void);

#ifdef P80_PAGE_HEAP
/* Makes the n-th allocation from now fail, and the second try that Lua gives it after a collection; 0: none. */
void alloc_fail_at(size_t n);
/* Allocations so far (blocks made or grown). */
size_t alloc_count(void);
#endif

#endif
