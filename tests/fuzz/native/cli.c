/* libFuzzer: a command line whose words are divided by newlines. What is parsed must point into it, and within the bounds
 * of cli.h.
 * sources: engine/cli.c bindings/near.c */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { MOST_WORDS = 200 };

static void require(int holds) {
  if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  const char *words[MOST_WORDS + 1] = {"p80"};
  int count = 1;
  memcpy(text, data, size);
  text[size] = 0;
  for (char *word = strtok(text, "\n"); word && count < MOST_WORDS; word = strtok(NULL, "\n")) words[count++] = word;
  cli out;
  memset(&out, 0xAA, sizeof out);
  cli_parse(&out, count, words);
  require(out.command <= CLI_WRONG && memchr(out.error, 0, sizeof out.error));
  require((out.command == CLI_WRONG) == (out.error[0] != 0));
  require(out.allow_count >= 0 && out.allow_count <= CLI_MOST_ALLOWS);
  for (int i = 0; i < out.allow_count; i++) require(out.allow[i] >= text && out.allow[i] <= text + size);
  require(out.word_count >= 0 && out.word_count <= count);
  for (int i = 0; i < out.word_count; i++) /* `help sign` has a word of p80's own */
    require((out.words[i] >= text && out.words[i] <= text + size) || strcmp(out.words[i], "--help") == 0);
  require(out.command != CLI_CODE || out.code);
  require(out.timeout == out.timeout);
  free(text);
  return 0;
}
