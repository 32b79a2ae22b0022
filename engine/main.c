/* wmain: UTF-16 arguments in, exit code out; nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#include "cli.h"
#include "host.h"
#include "wtf8.h"

static const char *to_utf8(const wchar_t *wide) {
  size_t units = wcslen(wide), length = wtf8_length(wide, units);
  char *text = malloc(length + 1);
  if (text == NULL) return NULL;
  wtf8_from_wide(wide, units, text);
  text[length] = 0;
  return text;
}

int wmain(int argc, wchar_t **wide) {
  cli options;
  const char **argv = calloc((size_t)argc + 1, sizeof *argv);
  if (argv == NULL) return EXIT_FAILURE;
  for (int i = 0; i < argc; i++) {
    argv[i] = to_utf8(wide[i]);
    if (argv[i] == NULL) return EXIT_FAILURE;
  }
  cli_parse(&options, argc, argv);
  return host_main(&options);
}
