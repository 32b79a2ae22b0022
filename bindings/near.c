#include "near.h"

#include <string.h>

enum { LONGEST = 64 };

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Damerau-Levenshtein distance (insert, delete, replace, swap neighbours) of two words of at most LONGEST
 * letters. */
static size_t distance(const char *a, size_t n, const char *b, size_t m) {
  size_t rows[3][LONGEST + 1];
  size_t *before = rows[0], *last = rows[1], *now = rows[2];
  for (size_t j = 0; j <= m; j++) last[j] = j;
  for (size_t i = 1; i <= n; i++) {
    now[0] = i;
    for (size_t j = 1; j <= m; j++) {
      size_t replace = last[j - 1] + (a[i - 1] != b[j - 1]);
      now[j] = least(replace, least(last[j], now[j - 1]) + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = least(now[j], before[j - 2] + 1);
    }
    size_t *oldest = before;
    before = last;
    last = now;
    now = oldest;
  }
  return last[m];
}

const char *nearest_word(const char *word, const char *const list[]) {
  size_t length = strlen(word);
  if (length > LONGEST) return NULL;
  const char *best = NULL;
  size_t best_distance = length / 3 + 2;
  for (; *list; list++) {
    size_t other = strlen(*list);
    if (other > LONGEST) continue;
    size_t d = distance(word, length, *list, other);
    if (d < best_distance) {
      best_distance = d;
      best = *list;
    }
  }
  return best;
}
