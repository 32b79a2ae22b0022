#include "alloc.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "compiler.h"
#include "console.h"

static size_t live_blocks, live_bytes;

size_t alloc_live_blocks(void) { return live_blocks; }
size_t alloc_live_bytes(void) { return live_bytes; }

/* What one state holds and may hold. */
typedef struct budget {
  size_t blocks, bytes;
  size_t limit; /* in bytes; 0: none */
  int was_short;
} budget;

#ifndef P80_PAGE_HEAP

/* ---- Pool ---- */

enum {
  UNIT = 8, /* Lua's own alignment (LUAI_MAXALIGN) */
  LARGEST = 256,
  CLASSES = LARGEST / UNIT,
  FIRST_CHUNK = 64 * 1024, /* what VirtualAlloc gives out at least */
  LARGEST_CHUNK = 1024 * 1024,
  BIG = 128 * 1024,
  SPARES = 4,
  HEAD_START = 4096 /* KiB that a state takes before the collector begins */
};

typedef struct chunk {
  struct chunk *next;
  size_t size;
} chunk;

typedef struct free_block {
  struct free_block *next;
} free_block;

typedef struct spare {
  void *block;
  size_t size;
} spare;

typedef struct arena {
  free_block *free[CLASSES + 1]; /* by size in units */
  char *next, *end;              /* the unused part of the newest chunk */
  chunk *chunks;                 /* newest first; the arena itself is in the last */
  size_t chunk_bytes;
  HANDLE heap;          /* for larger blocks */
  spare spares[SPARES]; /* the big ones freed last, see put_large */
  size_t next_spare, spare_bytes;
  budget budget;
} arena;

static chunk *new_chunk(size_t size) {
  chunk *made = VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  if (made) made->size = size;
  return made;
}

static arena *open_arena(void) {
  chunk *first = new_chunk(FIRST_CHUNK);
  if (first == NULL) return NULL;
  arena *a = (arena *)(first + 1); /* all zero, as new pages are */
  a->heap = HeapCreate(HEAP_NO_SERIALIZE, 0, 0);
  if (a->heap == NULL) {
    VirtualFree(first, 0, MEM_RELEASE);
    return NULL;
  }
  a->chunks = first;
  a->chunk_bytes = FIRST_CHUNK;
  a->next = (char *)a + (sizeof *a + UNIT - 1) / UNIT * UNIT;
  a->end = (char *)first + FIRST_CHUNK;
  return a;
}

static void close_arena(arena *a) {
  HeapDestroy(a->heap);
  for (chunk *c = a->chunks, *next; c; c = next) {
    next = c->next;
    VirtualFree(c, 0, MEM_RELEASE);
  }
}

static size_t class_of(size_t size) { return (size + UNIT - 1) / UNIT; }

static void put_small(arena *a, void *block, size_t class) {
  free_block *freed = block;
  freed->next = a->free[class];
  a->free[class] = freed;
}

/* Begins a new chunk; what is left of the old one becomes a free block. */
static int grow(arena *a) {
  size_t size = a->chunks->size < LARGEST_CHUNK ? a->chunks->size * 2 : LARGEST_CHUNK;
  chunk *made = new_chunk(size);
  if (made == NULL) made = new_chunk(size = FIRST_CHUNK);
  if (made == NULL) return 0;
  if (a->next < a->end) put_small(a, a->next, class_of((size_t)(a->end - a->next)));
  made->next = a->chunks;
  a->chunks = made;
  a->chunk_bytes += size;
  a->next = (char *)(made + 1);
  a->end = (char *)made + size;
  return 1;
}

static void *take_small(arena *a, size_t class) {
  free_block *found = a->free[class];
  if (found) {
    a->free[class] = found->next;
    P80_PREFETCH(found->next); /* of a long list it is in no cache */
    return found;
  }
  size_t size = class * UNIT;
  if ((size_t)(a->end - a->next) < size && !grow(a)) return NULL;
  void *block = a->next;
  a->next += size;
  return block;
}

/* ---- Larger blocks ----
 *
 * The heap asks the system for each big block and gives it back when it is freed; new pages are dear. So the last
 * ones that were freed are kept, as long as they are little beside the chunks. Their sizes are rounded up, by an
 * eighth at most, so that they fit again. */

static size_t rounded(size_t size) {
  size_t step = BIG / 8;
  if (size < BIG || size > SIZE_MAX / 2) return size;
  while (size / 16 >= step) step *= 2;
  return (size + step - 1) / step * step;
}

static void drop_spare(arena *a, spare *s) {
  if (s->block) HeapFree(a->heap, 0, s->block);
  a->spare_bytes -= s->size;
  *s = (spare){NULL, 0};
}

/* Whether there were any. */
static int drop_spares(arena *a) {
  int any = a->spare_bytes > 0;
  for (int i = 0; i < SPARES; i++) drop_spare(a, &a->spares[i]);
  return any;
}

static void put_large(arena *a, void *block, size_t size) {
  size_t given = rounded(size), room = a->chunk_bytes / 8;
  if (size < BIG || given > room) {
    HeapFree(a->heap, 0, block);
    return;
  }
  spare *s;
  do drop_spare(a, s = &a->spares[a->next_spare++ % SPARES]);
  while (a->spare_bytes + given > room);
  *s = (spare){block, given};
  a->spare_bytes += given;
}

static void *take_large(arena *a, size_t size) {
  size_t wanted = rounded(size);
  for (int i = 0; i < SPARES; i++) {
    void *found = a->spares[i].block;
    if (a->spares[i].size != wanted) continue;
    a->spare_bytes -= wanted;
    a->spares[i] = (spare){NULL, 0};
    return found;
  }
  return HeapAlloc(a->heap, 0, wanted);
}

static void *take(arena *a, size_t size) {
  return size > LARGEST ? take_large(a, size) : take_small(a, class_of(size));
}

static void put(arena *a, void *block, size_t size) {
  if (size > LARGEST) put_large(a, block, size);
  else put_small(a, block, class_of(size));
}

static void *resize(arena *a, void *block, size_t old_size, size_t new_size) {
  if (old_size > LARGEST && new_size > LARGEST) {
    size_t wanted = rounded(new_size);
    return wanted == rounded(old_size) ? block : HeapReAlloc(a->heap, 0, block, wanted);
  }
  if (new_size <= LARGEST && class_of(old_size) == class_of(new_size)) return block;
  void *moved = take(a, new_size);
  if (moved == NULL) return NULL;
  memcpy(moved, block, old_size < new_size ? old_size : new_size);
  put(a, block, old_size);
  return moved;
}

static void release(arena *a, void *block, size_t size) { put(a, block, size); }

static void *acquire(arena *a, void *block, size_t old_size, size_t new_size) {
  void *got = block ? resize(a, block, old_size, new_size) : take(a, new_size);
  if (got == NULL && drop_spares(a)) got = block ? resize(a, block, old_size, new_size) : take(a, new_size);
  return got;
}

#else

/* ---- Page heap ----
 *
 * A block lies at the end of its pages, as near as Lua's alignment allows, and the page after it faults. The bytes
 * before it, and the few behind it that alignment leaves, hold a pattern that is checked when the block is freed.
 * A freed block's pages fault as well; they are used again only when a great many others have been freed since.
 * Records of the blocks are kept apart, so that a wrong pointer, a second free or a wrong old size is found out.
 * Above MOST_GUARDED blocks (an operating system has a limit to mappings) a block has its patterns alone. */

enum {
  UNIT = 8,
  PAGE = 4096,
  REGION = 16 * 1024 * 1024,
  POOLED_PAGES = 16, /* larger blocks have a reservation of their own */
  MOST_GUARDED = 24000,
  BUCKETS = 1 << 16,
  FENCE = 16, /* bytes of pattern on either side of an unguarded block */
  FILLER = 0xA7,
  FRESH = 0xCD,
  HEAD_START = 0 /* so that what is collected too early is found */
};
#define QUARANTINE ((sizeof(void *) == 8 ? 1024u : 128u) * 1024 * 1024) /* bytes of address space */

typedef struct record {
  struct record *next; /* of its bucket; or of the quarantine; or of the free pages */
  char *block;
  size_t size;
  char *pages; /* NULL: unguarded */
  size_t page_count;
} record;

typedef struct arena {
  budget budget;
} arena;

static struct {
  record *buckets[BUCKETS];
  record *oldest, *newest; /* quarantine */
  size_t quarantined;
  record *free[POOLED_PAGES + 1];
  char *region, *region_end;
  size_t guarded;
  size_t count, fail_at;
  size_t retry_old, retry_new; /* of the allocation that was made to fail */
} heap;

P80_NORETURN static void die(const char *what, const void *block, size_t size) {
  char text[160];
  snprintf(text, sizeof text, "page heap: %s (block %p of %lu bytes)\n", what, block, (unsigned long)size);
  console_print(stderr, text);
  fflush(NULL);
  TerminateProcess(GetCurrentProcess(), 0xC0000374); /* STATUS_HEAP_CORRUPTION */
  abort();
}

static record **bucket_of(const void *block) {
  uintptr_t key = (uintptr_t)block / UNIT;
  return &heap.buckets[(key ^ key >> 9 ^ key >> 20) % BUCKETS];
}

/* The link that holds the record of `block`. */
static record **find(const void *block, size_t size) {
  record **link = bucket_of(block);
  while (*link && (*link)->block != block) link = &(*link)->next;
  if (*link == NULL) die("no such block, or freed twice", block, size);
  if ((*link)->size != size) die("freed or resized with a wrong old size", block, (*link)->size);
  return link;
}

/* Pages of address space with one more behind them. */
static char *reserve(size_t pages) {
  size_t size = (pages + 1) * PAGE;
  if (pages > POOLED_PAGES) return VirtualAlloc(NULL, size, MEM_RESERVE, PAGE_NOACCESS);
  if ((size_t)(heap.region_end - heap.region) < size) {
    heap.region = VirtualAlloc(NULL, REGION, MEM_RESERVE, PAGE_NOACCESS);
    heap.region_end = heap.region ? heap.region + REGION : NULL;
    if (heap.region == NULL) return NULL;
  }
  char *pages_found = heap.region;
  heap.region += size;
  return pages_found;
}

/* Address space for `r`, used before or new. */
static int find_pages(record *r, size_t pages) {
  record *used = pages <= POOLED_PAGES ? heap.free[pages] : NULL;
  if (used) heap.free[pages] = used->next;
  r->pages = used ? used->pages : reserve(pages);
  r->page_count = pages;
  if (used) HeapFree(GetProcessHeap(), 0, used);
  return r->pages != NULL;
}

static int take_guarded(record *r) {
  size_t rounded = (r->size + UNIT - 1) / UNIT * UNIT;
  if (!find_pages(r, (rounded + PAGE - 1) / PAGE)) return 0;
  if (!VirtualAlloc(r->pages, r->page_count * PAGE, MEM_COMMIT, PAGE_READWRITE)) return 0;
  memset(r->pages, FILLER, r->page_count * PAGE);
  r->block = r->pages + r->page_count * PAGE - rounded;
  heap.guarded++;
  return 1;
}

static int take_fenced(record *r) {
  char *whole = HeapAlloc(GetProcessHeap(), 0, r->size + 2 * FENCE);
  if (whole == NULL) return 0;
  memset(whole, FILLER, r->size + 2 * FENCE);
  r->pages = NULL;
  r->block = whole + FENCE;
  return 1;
}

static void *take(size_t size) {
  record *r = HeapAlloc(GetProcessHeap(), 0, sizeof *r);
  if (r == NULL) return NULL;
  r->size = size;
  if (heap.guarded < MOST_GUARDED ? !take_guarded(r) : !take_fenced(r)) {
    HeapFree(GetProcessHeap(), 0, r);
    return NULL;
  }
  memset(r->block, FRESH, size);
  r->next = *bucket_of(r->block);
  *bucket_of(r->block) = r;
  return r->block;
}

static void check_pattern(const record *r, const char *from, const char *end) {
  for (; from < end; from++)
    if ((unsigned char)*from != FILLER) die("written before or behind its memory", r->block, r->size);
}

/* Lets go of the address space that was freed longest ago. */
static void release_oldest(void) {
  record *r = heap.oldest;
  heap.oldest = r->next;
  heap.quarantined -= (r->page_count + 1) * PAGE;
  if (r->page_count > POOLED_PAGES) {
    VirtualFree(r->pages, 0, MEM_RELEASE);
    HeapFree(GetProcessHeap(), 0, r);
  } else {
    r->next = heap.free[r->page_count];
    heap.free[r->page_count] = r;
  }
}

static void quarantine(record *r) {
  VirtualFree(r->pages, r->page_count * PAGE, MEM_DECOMMIT);
  r->next = NULL;
  if (heap.oldest) heap.newest->next = r;
  else heap.oldest = r;
  heap.newest = r;
  heap.quarantined += (r->page_count + 1) * PAGE;
  while (heap.quarantined > QUARANTINE) release_oldest();
}

static void put(void *block, size_t size) {
  record **link = find(block, size), *r = *link;
  *link = r->next;
  char *end = r->block + size;
  if (r->pages) {
    check_pattern(r, r->pages, r->block);
    check_pattern(r, end, r->pages + r->page_count * PAGE);
    heap.guarded--;
    quarantine(r);
    return;
  }
  check_pattern(r, r->block - FENCE, r->block);
  check_pattern(r, end, end + FENCE);
  memset(r->block, FRESH, size);
  HeapFree(GetProcessHeap(), 0, r->block - FENCE);
  HeapFree(GetProcessHeap(), 0, r);
}

size_t alloc_count(void) { return heap.count; }

void alloc_fail_at(size_t n) {
  heap.fail_at = n ? heap.count + n : 0;
  heap.retry_new = 0;
}

/* Whether this allocation is the one that must fail, or the second try of it. */
static int must_fail(size_t old_size, size_t new_size) {
  int retry = heap.retry_new == new_size && heap.retry_old == old_size && new_size != 0;
  heap.retry_new = 0;
  if (retry) return 1;
  if (++heap.count != heap.fail_at) return 0;
  heap.retry_old = old_size;
  heap.retry_new = new_size;
  return 1;
}

static arena *open_arena(void) { return HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, sizeof(arena)); }
static void close_arena(arena *a) { HeapFree(GetProcessHeap(), 0, a); }

static void release(arena *a, void *block, size_t size) {
  (void)a;
  put(block, size);
}

static void *acquire(arena *a, void *block, size_t old_size, size_t new_size) {
  (void)a;
  if (block) find(block, old_size);
  if (new_size > old_size && must_fail(old_size, new_size)) return NULL;
  void *moved = take(new_size);
  if (moved && block) {
    memcpy(moved, block, old_size < new_size ? old_size : new_size);
    put(block, old_size);
  }
  return moved;
}

#endif

/* ---- What Lua calls ---- */

static void *give_back(arena *a, void *block, size_t size) {
  if (block == NULL) return NULL;
  release(a, block, size);
  live_bytes -= size;
  live_blocks--;
  a->budget.bytes -= size;
  if (--a->budget.blocks == 0) close_arena(a);
  return NULL;
}

static int may_grow(budget *b, size_t more) {
  if (b->limit == 0 || (b->bytes <= b->limit && more <= b->limit - b->bytes)) return 1;
  b->was_short = 1;
  return 0;
}

void *alloc_lua(void *context, void *block, size_t old_size, size_t new_size) {
  arena *a = context;
  if (new_size == 0) return give_back(a, block, old_size);
  if (block == NULL) old_size = 0; /* it says what the block is for */
  if (new_size > old_size && !may_grow(&a->budget, new_size - old_size)) return NULL;
  void *got = acquire(a, block, old_size, new_size);
  if (got == NULL) return NULL;
  live_bytes += new_size - old_size;
  a->budget.bytes += new_size - old_size;
  if (block == NULL) {
    live_blocks++;
    a->budget.blocks++;
  }
  return got;
}

/* ---- States ---- */

static int panic(lua_State *L) {
  const char *message = lua_tostring(L, -1);
  console_print(stderr, "p80: ");
  console_print(stderr, message ? message : "an error that is no text");
  console_print(stderr, "\n");
  return 0; /* Lua aborts */
}

/* warn(): off until "@on", as in stock Lua. */
typedef enum warning_state { WARN_OFF, WARN_ON, WARN_CONTINUES } warning_state;

static void warn(void *context, const char *message, int to_continue) {
  static warning_state state;
  (void)context;
  if (state != WARN_CONTINUES && !to_continue && message[0] == '@') {
    if (strcmp(message, "@on") == 0) state = WARN_ON;
    if (strcmp(message, "@off") == 0) state = WARN_OFF;
    return;
  }
  if (state == WARN_OFF) return;
  if (state == WARN_ON) console_print(stderr, "Lua warning: ");
  console_print(stderr, message);
  if (!to_continue) console_print(stderr, "\n");
  state = to_continue ? WARN_CONTINUES : WARN_ON;
}

lua_State *alloc_newstate(void) {
  arena *a = open_arena();
  if (a == NULL) return NULL;
  a->budget.blocks = 1; /* so that it outlives a failure of lua_newstate */
  lua_State *L = lua_newstate(alloc_lua, a);
  if (--a->budget.blocks == 0) close_arena(a);
  if (L == NULL) return NULL;
  lua_gc(L, LUA_GCSTEP, -HEAD_START); /* a run is mostly over before there is garbage worth looking for */
  lua_atpanic(L, panic);
  lua_setwarnf(L, warn, NULL);
  return L;
}

static budget *budget_of(lua_State *L) {
  void *a;
  lua_getallocf(L, &a);
  return &((arena *)a)->budget;
}

void alloc_limit(lua_State *L, size_t bytes) { budget_of(L)->limit = bytes; }
int alloc_was_short(lua_State *L) { return budget_of(L)->was_short; }
