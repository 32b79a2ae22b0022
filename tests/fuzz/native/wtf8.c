/* libFuzzer: UTF-8 to UTF-16 and back, and the other way round; both must come back as they were.
 * sources: bindings/wtf8.c bindings/near.c */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "near.h"
#include "wtf8.h"

static void require(int holds) {
  if (!holds) abort();
}

static void there_and_back(const char *text, size_t size) {
  size_t units = wtf8_wide_length(text, size);
  if (units == WTF8_INVALID) return;
  wchar_t *wide = malloc((units + 1) * sizeof *wide);
  wtf8_to_wide(text, size, wide);
  require(wtf8_length(wide, units) == size);
  char *again = malloc(size + 1);
  require(wtf8_from_wide(wide, units, again) == size && memcmp(again, text, size) == 0);
  free(again);
  free(wide);
}

static void back_and_there(const wchar_t *wide, size_t units) {
  size_t size = wtf8_length(wide, units);
  char *text = malloc(size + 1);
  require(wtf8_from_wide(wide, units, text) == size);
  require(wtf8_wide_length(text, size) == units);
  wchar_t *again = malloc((units + 1) * sizeof *again);
  wtf8_to_wide(text, size, again);
  require(memcmp(again, wide, units * sizeof *wide) == 0);
  free(again);
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const words[] = {"running", "stopped", "start_pending", NULL};
  there_and_back((const char *)data, size);
  wchar_t *wide = malloc(size + sizeof *wide);
  memcpy(wide, data, size);
  back_and_there(wide, size / sizeof *wide);
  free(wide);
  char *word = malloc(size + 1);
  memcpy(word, data, size);
  word[size] = 0;
  nearest_word(word, words);
  free(word);
  return 0;
}
