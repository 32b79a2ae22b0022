/* The parts of p80 that need neither Windows nor Lua, tested with the compiler of this machine and its sanitizers:
 *   cc -std=c11 -fshort-wchar -fsanitize=address,undefined -fno-sanitize-recover=all -O1 -g -Ibindings
 *      tests/unit/pure_test.c bindings/wtf8.c bindings/near.c -o pure_test
 * wchar_t has 16 bits then, so that the C library's wide functions must not be called. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "near.h"
#include "wtf8.h"

_Static_assert(sizeof(wchar_t) == 2, "build with -fshort-wchar");

static unsigned long checks, failures;

static void check_at(int holds, int line, const char *what, unsigned long detail) {
  checks++;
  if (holds) return;
  if (++failures <= 20) fprintf(stderr, "pure_test.c:%d: not so: %s (%lX)\n", line, what, detail);
}
#define CHECK(condition, detail) check_at((condition) != 0, __LINE__, #condition, (unsigned long)(detail))

/* ---- Two blocks whose ends the sanitizer guards: data is laid against the end ---- */

enum { BYTES = 256, UNITS = 96 };
static unsigned char *byte_block;
static wchar_t *unit_block;

static unsigned char *bytes_at_end(size_t n) { return byte_block + BYTES - n; }
static wchar_t *units_at_end(size_t n) { return unit_block + UNITS - n; }

static size_t wide_length(const unsigned char *s, size_t n) { return wtf8_wide_length((const char *)s, n); }

/* Converts `n` units to WTF-8 and back. */
static void check_units(const wchar_t *units, size_t n, unsigned long detail) {
  wchar_t *from = units_at_end(n);
  wchar_t back[UNITS];
  memcpy(from, units, n * sizeof *from);
  size_t length = wtf8_length(from, n);
  CHECK(length <= 3 * n && length <= BYTES, detail);
  unsigned char *out = bytes_at_end(length);
  CHECK(wtf8_from_wide(from, n, (char *)out) == length, detail);
  CHECK(wide_length(out, length) == n, detail);
  if (wide_length(out, length) != n) return;
  wtf8_to_wide((const char *)out, length, units_at_end(n));
  memcpy(back, units_at_end(n), n * sizeof *back);
  CHECK(memcmp(back, units, n * sizeof *back) == 0, detail);
}

/* ---- A second, plain opinion on what WTF-8 is: the table of the Unicode standard (3-7), with surrogates ---- */

static int between(unsigned char c, unsigned least, unsigned most) { return c >= least && c <= most; }

/* How many bytes the code point at `s` takes, 0 when there is none. */
static size_t reference_step(const unsigned char *s, size_t n) {
  if (n >= 1 && s[0] <= 0x7F) return 1;
  if (n >= 2 && between(s[0], 0xC2, 0xDF) && between(s[1], 0x80, 0xBF)) return 2;
  if (n >= 3 && between(s[2], 0x80, 0xBF)) {
    if (s[0] == 0xE0 && between(s[1], 0xA0, 0xBF)) return 3;
    if (between(s[0], 0xE1, 0xEF) && between(s[1], 0x80, 0xBF)) return 3;
  }
  if (n >= 4 && between(s[2], 0x80, 0xBF) && between(s[3], 0x80, 0xBF)) {
    if (s[0] == 0xF0 && between(s[1], 0x90, 0xBF)) return 4;
    if (between(s[0], 0xF1, 0xF3) && between(s[1], 0x80, 0xBF)) return 4;
    if (s[0] == 0xF4 && between(s[1], 0x80, 0x8F)) return 4;
  }
  return 0;
}

static size_t reference_length(const unsigned char *s, size_t n) {
  size_t units = 0;
  int after_high = 0;
  while (n > 0) {
    size_t step = reference_step(s, n);
    int is_high = step == 3 && s[0] == 0xED && s[1] >= 0xA0 && s[1] <= 0xAF;
    int is_low = step == 3 && s[0] == 0xED && s[1] >= 0xB0;
    if (step == 0 || (after_high && is_low)) return WTF8_INVALID;
    units += step == 4 ? 2 : 1;
    after_high = is_high;
    s += step;
    n -= step;
  }
  return units;
}

/* Both opinions on `n` bytes; valid ones must survive the way to UTF-16 and back. */
static void check_bytes(const unsigned char *bytes, size_t n, unsigned long detail) {
  unsigned char *s = bytes_at_end(n);
  memcpy(s, bytes, n);
  size_t units = wide_length(s, n);
  CHECK(units == reference_length(bytes, n), detail);
  if (units == WTF8_INVALID) return;
  wchar_t *wide = units_at_end(units);
  wtf8_to_wide((const char *)s, n, wide);
  CHECK(wtf8_length(wide, units) == n, detail);
  if (wtf8_length(wide, units) != n) return;
  wtf8_from_wide(wide, units, (char *)bytes_at_end(n));
  CHECK(memcmp(bytes_at_end(n), bytes, n) == 0, detail);
}

/* ---- Every code point ---- */

static size_t to_units(uint32_t code, wchar_t out[2]) {
  if (code < 0x10000) {
    out[0] = (wchar_t)code;
    return 1;
  }
  out[0] = (wchar_t)(0xD7C0 + (code >> 10));
  out[1] = (wchar_t)(0xDC00 | (code & 0x3FF));
  return 2;
}

static size_t to_bytes(uint32_t code, unsigned char out[4]) {
  if (code < 0x80) {
    out[0] = (unsigned char)code;
    return 1;
  }
  if (code < 0x800) {
    out[0] = (unsigned char)(0xC0 | code >> 6);
    out[1] = (unsigned char)(0x80 | (code & 0x3F));
    return 2;
  }
  if (code < 0x10000) {
    out[0] = (unsigned char)(0xE0 | code >> 12);
    out[1] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
    out[2] = (unsigned char)(0x80 | (code & 0x3F));
    return 3;
  }
  out[0] = (unsigned char)(0xF0 | code >> 18);
  out[1] = (unsigned char)(0x80 | (code >> 12 & 0x3F));
  out[2] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
  out[3] = (unsigned char)(0x80 | (code & 0x3F));
  return 4;
}

static void test_code_points(void) {
  for (uint32_t code = 0; code <= 0x10FFFF; code++) {
    wchar_t units[2], *wide;
    unsigned char bytes[4];
    size_t n = to_units(code, units), length = to_bytes(code, bytes);
    CHECK(wtf8_length(units, n) == length, code);
    CHECK(wide_length(bytes, length) == n, code);
    unsigned char *out = bytes_at_end(length);
    CHECK(wtf8_from_wide(units, n, (char *)out) == length && memcmp(out, bytes, length) == 0, code);
    wide = units_at_end(n);
    wtf8_to_wide((const char *)bytes, length, wide);
    CHECK(memcmp(wide, units, n * sizeof *wide) == 0, code);
    for (size_t cut = 1; cut < length; cut++) {
      memcpy(bytes_at_end(cut), bytes, cut);
      CHECK(wide_length(bytes_at_end(cut), cut) == WTF8_INVALID, code);
    }
  }
}

/* A pair of surrogates has one form, of four bytes; written as two halves it would not come back as it was. */
static void test_surrogates(void) {
  for (uint32_t high = 0xD800; high <= 0xDBFF; high++) {
    for (uint32_t low = 0xDC00; low <= 0xDFFF; low++) {
      unsigned char bytes[8];
      to_bytes(high, bytes);
      to_bytes(low, bytes + 3);
      CHECK(wide_length(bytes, 6) == WTF8_INVALID, high << 16 | low);
      to_bytes(low, bytes);
      to_bytes(high, bytes + 3);
      CHECK(wide_length(bytes, 6) == 2, high << 16 | low);
    }
  }
  static const wchar_t edges[] = {0,      1,      0x7F,   0x80,   0x7FF,  0x800,  0xD7FF, 0xD800, 0xDBFF,
                                  0xDC00, 0xDFFF, 0xE000, 0xFDD0, 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF, 'a'};
  enum { EDGES = sizeof edges / sizeof *edges };
  for (unsigned long i = 0; i < EDGES * EDGES * EDGES * EDGES; i++) {
    wchar_t units[4] = {edges[i % EDGES], edges[i / EDGES % EDGES], edges[i / EDGES / EDGES % EDGES],
                        edges[i / EDGES / EDGES / EDGES]};
    for (size_t n = 0; n <= 4; n++) check_units(units, n, i);
  }
}

/* ---- Every shape of bytes ---- */

static void test_bytes(void) {
  static const unsigned char edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xED, 0xF4, 0xFF};
  enum { EDGES = sizeof edges };
  unsigned char s[8];
  check_bytes(s, 0, 0);
  for (uint32_t i = 0; i < 1U << 24; i++) {
    s[0] = (unsigned char)(i >> 16);
    s[1] = (unsigned char)(i >> 8);
    s[2] = (unsigned char)i;
    check_bytes(s, 3, i);
    if (i < 0x100) check_bytes(s + 2, 1, i);
    if (i < 0x10000) check_bytes(s + 1, 2, i);
  }
  for (uint32_t i = 0; i < 1U << 16; i++) {
    for (uint32_t j = 0; j < EDGES * EDGES * EDGES; j++) {
      s[0] = (unsigned char)(i >> 8);
      s[1] = (unsigned char)i;
      s[2] = edges[j % EDGES];
      s[3] = edges[j / EDGES % EDGES];
      s[4] = edges[j / EDGES / EDGES];
      if (s[0] >= 0xE0) check_bytes(s, 5, i);
      if (s[0] >= 0xF0 && j < EDGES * EDGES) check_bytes(s, 4, i);
    }
  }
}

/* ---- Long ones by chance, the same each time ---- */

static uint32_t chance_state = 80;

static uint32_t chance(uint32_t below) {
  chance_state ^= chance_state << 13;
  chance_state ^= chance_state >> 17;
  chance_state ^= chance_state << 5;
  return chance_state % below;
}

static void test_by_chance(void) {
  static const uint32_t tops[] = {0x80, 0x800, 0x10000, 0x110000};
  for (unsigned long round = 0; round < 300000; round++) {
    wchar_t units[UNITS];
    size_t n = chance(64);
    for (size_t i = 0; i < n; i++) units[i] = (wchar_t)(chance(3) ? chance(0x10000) : 0xD800 + chance(0x800));
    check_units(units, n, round);
    unsigned char bytes[BYTES + 4];
    size_t length = 0;
    while (length < 100) length += to_bytes(chance(tops[chance(4)]), bytes + length);
    if (chance(2)) bytes[chance((uint32_t)length)] = (unsigned char)chance(256);
    if (chance(4) == 0) length -= chance(4);
    check_bytes(bytes, length, round);
  }
}

/* ---- near.c ---- */

static int is_nearest(const char *word, const char *expected, const char *const list[]) {
  const char *found = nearest_word(word, list);
  return expected == NULL ? found == NULL : found != NULL && strcmp(found, expected) == 0;
}

static void test_near(void) {
  static const char *const hives[] = {"HKLM", "HKEY_LOCAL_MACHINE", "HKCU", "HKEY_CURRENT_USER", "HKU", NULL};
  static const char *const options[] = {"type", "view", "timeout", "tree", "", NULL};
  static const char *const none[] = {NULL};
  CHECK(is_nearest("HKLM", "HKLM", hives), 1);
  CHECK(is_nearest("HKML", "HKLM", hives), 2); /* neighbours swapped */
  CHECK(is_nearest("HKLLM", "HKLM", hives), 3);
  CHECK(is_nearest("HLM", "HKLM", hives), 4);
  CHECK(is_nearest("HKXM", "HKLM", hives), 5);
  CHECK(is_nearest("HKEY_LOCALMACHINE", "HKEY_LOCAL_MACHINE", hives), 6);
  CHECK(is_nearest("HKEY_CURENT_USERS", "HKEY_CURRENT_USER", hives), 7);
  CHECK(is_nearest("SOFTWARE", NULL, hives), 8);
  CHECK(is_nearest("", NULL, hives), 9);
  CHECK(is_nearest("", "", options), 10);
  CHECK(is_nearest("veiw", "view", options), 11);
  CHECK(is_nearest("timout", "timeout", options), 12);
  CHECK(is_nearest("itmeotu", "timeout", options), 13); /* two swaps */
  CHECK(is_nearest("tyee", "type", options), 14);       /* as near to "tree": the first of the list */
  CHECK(is_nearest("zzzz", NULL, options), 15);
  CHECK(is_nearest("view", NULL, none), 16);
  CHECK(is_nearest("View", "view", options), 17);
  CHECK(is_nearest("VIEW", NULL, options), 18);
}

/* Words of up to 64 letters are compared; longer ones are nobody's neighbours. */
static void test_near_long(void) {
  char *longest = malloc(65), *longer = malloc(66), *similar = malloc(65);
  if (!longest || !longer || !similar) abort();
  memset(longest, 'a', 64);
  memset(longer, 'a', 65);
  longest[64] = longer[65] = 0;
  memcpy(similar, longest, 65);
  similar[63] = 'b';
  const char *const list[] = {longer, longest, NULL};
  CHECK(is_nearest(longest, longest, list), 0);
  CHECK(is_nearest(similar, longest, list), 1);
  CHECK(is_nearest(longer, NULL, list), 2);
  for (size_t n = 0; n <= 64; n++) { /* a third of the letters and one more may differ */
    memcpy(similar, longest, 65);
    memset(similar, 'b', n);
    CHECK(is_nearest(similar, n <= 64 / 3 + 1 ? longest : NULL, list), n);
  }
  free(longest);
  free(longer);
  free(similar);
}

int main(void) {
  byte_block = malloc(BYTES);
  unit_block = malloc(UNITS * sizeof *unit_block);
  if (!byte_block || !unit_block) abort();
  test_code_points();
  test_surrogates();
  test_bytes();
  test_by_chance();
  test_near();
  test_near_long();
  free(byte_block);
  free(unit_block);
  printf("%lu checks, %lu failed\n", checks, failures);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
