/* The command line parser by itself; see tests/CMakeLists.txt for how it is built. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static int failures;

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      printf("%s:%d: %s: %s\n", __FILE__, __LINE__, last_line, #condition);       \
      failures++;                                                                 \
    }                                                                             \
  } while (0)

static const char *last_line;

/* Parses a command line whose words are divided by '|'. */
static cli parse(const char *line) {
  static char text[16384];
  static const char *argv[4096];
  cli out;
  int argc = 0;
  last_line = line;
  snprintf(text, sizeof text, "p80%s%s", *line ? "|" : "", line);
  for (char *word = text; word; argc++) {
    argv[argc] = word;
    word = strchr(word, '|');
    if (word) *word++ = 0;
  }
  cli_parse(&out, argc, argv);
  return out;
}

static int words_are(const cli *c, const char *expected) {
  char joined[1024] = "";
  for (int i = 0; i < c->word_count; i++) {
    if (i > 0) strcat(joined, "|");
    strcat(joined, c->words[i]);
  }
  return strcmp(joined, expected) == 0;
}

static int is_command(const cli *c, const char *name) { return c->command == CLI_COMMAND && strcmp(c->name, name) == 0; }

static void test_scripts(void) {
  cli c = parse("--check|--allow|a|--allow=b|--state|S|--timeout|1.5|x.lua|-p|--port|80|--json|rest");
  CHECK(c.command == CLI_SCRIPT && strcmp(c.script, "x.lua") == 0);
  CHECK(c.check && c.json && !c.quiet && c.timeout == 1.5 && strcmp(c.state, "S") == 0);
  CHECK(c.allow_count == 2 && strcmp(c.allow[1], "b") == 0);
  CHECK(words_are(&c, "-p|--port|80|rest"));
  c = parse("x");
  CHECK(c.timeout < 0 && c.cpu_limit < 0 && c.memory_limit < 0);
  c = parse("--cpu-limit|0.5|--memory-limit=64|x");
  CHECK(c.cpu_limit == 0.5 && c.memory_limit == 64 && c.command == CLI_SCRIPT);
  CHECK(parse("--cpu-limit=-1|x").command == CLI_WRONG && parse("--memory-limit|much|x").command == CLI_WRONG);
  c = parse("x|a|--|--check|--|b");
  CHECK(!c.check && words_are(&c, "a|--check|--|b"));
  c = parse("x|--allow|y|--state");
  CHECK(c.allow_count == 0 && words_are(&c, "--allow|y|--state"));
  c = parse("x|--dry-run");
  CHECK(c.check);
  c = parse("--what-if|x");
  CHECK(c.check && c.command == CLI_SCRIPT);
  c = parse("x|--help");
  CHECK(is_command(&c, "help") && words_are(&c, "x"));
}

static void test_lone(void) {
  cli c = parse("-e|print(1)|a|--json");
  CHECK(c.command == CLI_CODE && strcmp(c.code, "print(1)") == 0 && c.json && words_are(&c, "a"));
  CHECK(parse("-e|x|-e|y").command == CLI_WRONG && parse("-e|x|--state|S").command == CLI_WRONG);
  CHECK(parse("-i|--allow=a").command == CLI_WRONG && parse("-|--timeout|1").command == CLI_WRONG);
  c = parse("-e|x|--|-e|--state");
  CHECK(c.command == CLI_CODE && words_are(&c, "-e|--state"));
  c = parse("-e|");
  CHECK(c.command == CLI_CODE && c.code[0] == 0);
  c = parse("-|x");
  CHECK(c.command == CLI_STDIN && words_are(&c, "x"));
  CHECK(parse("-i").command == CLI_REPL);
  CHECK(parse("--version").command == CLI_VERSION && parse("-v").command == CLI_VERSION);
  CHECK(parse("").command == CLI_USAGE && parse("--help").command == CLI_USAGE && parse("help").command == CLI_USAGE);
  CHECK(parse("/?").command == CLI_USAGE && parse("-?").command == CLI_USAGE && parse("help|undo").command == CLI_USAGE);
  CHECK(parse("undo|--help").command == CLI_USAGE && parse("runs|-h").command == CLI_USAGE);
  c = parse("--check|--allow|scm.state");
  CHECK(c.command == CLI_WRONG && strstr(c.error, "scm.state"));
}

static void test_commands(void) {
  cli c = parse("undo|12|--force|--state|S|--check");
  CHECK(is_command(&c, "undo") && words_are(&c, "12") && c.force && c.check && c.changes && strcmp(c.state, "S") == 0);
  c = parse("undo");
  CHECK(is_command(&c, "undo") && c.word_count == 0 && !c.force);
  c = parse("help|free80");
  CHECK(is_command(&c, "help") && words_are(&c, "free80") && !c.changes);
  c = parse("list|--json");
  CHECK(is_command(&c, "list") && c.json);
  c = parse("--report=salt|--model|M|runs");
  CHECK(is_command(&c, "runs") && strcmp(c.report, "salt") == 0 && c.json && strcmp(c.model, "M") == 0);
  c = parse("--report|chef|runs");
  CHECK(c.command == CLI_WRONG && strstr(c.error, "'chef'"));
}

static void test_own_options(void) {
  cli c = parse("sign|x.lua|--key|K|--json|-W|--state=S");
  CHECK(is_command(&c, "sign") && words_are(&c, "x.lua|--key|K|-W") && c.json && strcmp(c.state, "S") == 0);
  c = parse("install|--force|x.zip|--timeout|5");
  CHECK(is_command(&c, "install") && words_are(&c, "--force|x.zip") && c.changes && c.timeout == 5);
  c = parse("service|install|--name|n|free80.lua|--timeout|5|--check|--|--json");
  CHECK(is_command(&c, "service") && words_are(&c, "install|--name|n|free80.lua|--timeout|5|--json"));
  CHECK(c.check && !c.json && c.timeout < 0);
  CHECK(parse("sign|--timeout|x").command == CLI_WRONG);
  c = parse("help|install");
  CHECK(is_command(&c, "install") && words_are(&c, "--help") && !c.changes);
  c = parse("install|--help");
  CHECK(is_command(&c, "install") && words_are(&c, "--help"));
}

static void test_wrong(void) {
  static const char *const lines[] = {"--chekc|x",     "--allow",   "--timeout|abc|x", "--timeout|1e9|x", "--timeout|-1|x",
                                      "--timeout|nan", "--state=|x", "-e",              "show",            "list|x",
                                      "undo|1|2", "undo|x", "undo|1x",      "runs|x",    "help|a|b",        "undo|--forc",     "-x"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    cli c = parse(lines[i]);
    CHECK(c.command == CLI_WRONG && c.error[0] != 0);
  }
  cli c = parse("--chekc|x");
  CHECK(strstr(c.error, "--check") != NULL);
}

static void test_absurd_sizes(void) {
  static char line[12000];
  memset(line, 'x', sizeof line - 1);
  memcpy(line, "--", 2);
  cli c = parse(line);
  CHECK(c.command == CLI_WRONG && strlen(c.error) < sizeof c.error);
  size_t n = 0;
  for (int i = 0; i < CLI_MOST_ALLOWS + 1; i++) n += (size_t)sprintf(line + n, "--allow|a|");
  strcpy(line + n, "x");
  CHECK(parse(line).command == CLI_WRONG);
}

int main(void) {
  test_scripts();
  test_lone();
  test_commands();
  test_own_options();
  test_wrong();
  test_absurd_sizes();
  return failures != 0;
}
