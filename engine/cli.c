#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "near.h"

const char cli_usage[] =
    "usage: p80 [options] SCRIPT [script options]   run a playbook: a path or a name\n"
    "       p80 [options] -e CODE | -i | -          one-liner, prompt, standard input\n"
    "       p80 list | help [NAME] | show NAME      the bundled playbooks\n"
    "       p80 help win | p80 | win.scm.stop       the functions for scripts\n"
    "       p80 runs | undo [RUN] [--force]         what was changed; take it back\n"
    "\n"
    "options:\n"
    "  --check            say what would change, change nothing; exit code 3 if\n"
    "                     anything (also --dry-run, --what-if)\n"
    "  --json             one JSON document on standard output\n"
    "  --allow GRANT      allow a change, such as scm.state:W3SVC or '*' (may be\n"
    "                     repeated)\n"
    "  --timeout SECONDS  how long waits may take (default 30)\n"
    "  --state DIR        where runs are recorded (default: p80 in the common\n"
    "                     application data folder)\n"
    "  --verbose          say each change when it is made\n"
    "  --quiet            no progress, no summary\n"
    "  --no-color, --version, --help\n"
    "\n"
    "--check, --json, --quiet, --verbose and --no-color may also follow the script's\n"
    "name; -- ends that. Changes need a grant: from the playbook's manifest, or\n"
    "--allow. `p80 undo` takes a run back.\n"
    "\n"
    "exit codes: 0 done, 1 failed, 2 usage or syntax, 3 --check found changes to\n"
    "            make, 4 refused by grants, 5 needs elevation, 6 timed out,\n"
    "            3010 done but a restart is needed\n";

static const char *const option_words[] = {"--check",    "--dry-run", "--what-if", "--json",    "--allow",
                                           "--timeout",  "--state",   "--quiet",   "--verbose", "--force",
                                           "--no-color", "--version", "--help",    NULL};

/* Sets the switch that `word` names; returns whether it is one that may stand anywhere. */
static int take_switch(cli *out, const char *word) {
  if (strcmp(word, "--check") == 0 || strcmp(word, "--dry-run") == 0 || strcmp(word, "--what-if") == 0)
    out->check = 1;
  else if (strcmp(word, "--json") == 0) out->json = 1;
  else if (strcmp(word, "--quiet") == 0) out->quiet = 1;
  else if (strcmp(word, "--verbose") == 0) out->verbose = 1;
  else if (strcmp(word, "--no-color") == 0) out->no_color = 1;
  else return 0;
  return 1;
}

/* The value of an option that is `argv[*i]` as "--name=value" or "--name value"; NULL when it is missing. */
static const char *option_value(int argc, const char **argv, int *i) {
  const char *equals = strchr(argv[*i], '=');
  if (equals) return equals + 1;
  return *i + 1 < argc ? argv[++*i] : NULL;
}

static int is_option(const char *word, const char *name) {
  size_t n = strlen(name);
  return strncmp(word, name, n) == 0 && (word[n] == 0 || word[n] == '=');
}

static int asks_help(const char *word) { return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0; }

static int wrong(cli *out, const char *format, const char *word) {
  out->command = CLI_WRONG;
  snprintf(out->error, sizeof out->error, format, word);
  return 0;
}

static int take_timeout(cli *out, const char *value) {
  char *end;
  out->timeout = strtod(value, &end);
  if (end == value || *end || !(out->timeout >= 0 && out->timeout <= 2592000))
    return wrong(out, "--timeout takes seconds from 0 to 2592000 (30 days), not '%.80s'", value);
  return 1;
}

/* Takes the option at argv[*i] with its value; returns 0 with `error` set when it is wrong. */
static int take_option(cli *out, int argc, const char **argv, int *i) {
  const char *word = argv[*i];
  if (take_switch(out, word)) return 1;
  if (strcmp(word, "--force") == 0) return wrong(out, "%s goes behind undo: p80 undo [RUN] --force", word);
  int has_value = is_option(word, "--allow") || is_option(word, "--timeout") || is_option(word, "--state");
  if (!has_value) {
    const char *meant = nearest_word(word, option_words);
    if (meant == NULL) return wrong(out, "there is no option '%.80s'", word);
    snprintf(out->error, sizeof out->error, "there is no option '%.80s'; did you mean %s?", word, meant);
    out->command = CLI_WRONG;
    return 0;
  }
  const char *value = option_value(argc, argv, i);
  if (value == NULL || *value == 0) return wrong(out, "%.80s needs a value", word);
  if (is_option(word, "--state")) out->state = value;
  else if (is_option(word, "--timeout")) return take_timeout(out, value);
  else if (out->allow_count == CLI_MOST_ALLOWS) return wrong(out, "too many --allow%s", "");
  else out->allow[out->allow_count++] = value;
  return 1;
}

/* The words behind a script, code or "-": p80's switches are taken out up to "--". */
static void take_words(cli *out, int argc, const char **argv, int first) {
  int kept = first, i = first, asked_help = 0;
  for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
    if (out->command == CLI_SCRIPT && asks_help(argv[i])) asked_help = 1;
    else if (!take_switch(out, argv[i])) argv[kept++] = argv[i];
  }
  if (i < argc) i++;
  for (; i < argc; i++) argv[kept++] = argv[i];
  out->words = argv + first;
  out->word_count = kept - first;
  if (asked_help) out->command = CLI_HELP;
}

/* The words behind a command; p80's options may stand among them. Returns 0 when one is wrong or help is wanted. */
static int take_command_words(cli *out, int argc, const char **argv, int first) {
  int kept = first;
  for (int i = first; i < argc; i++) {
    if (asks_help(argv[i])) {
      out->command = CLI_USAGE;
      return 0;
    }
    if (out->command == CLI_UNDO && strcmp(argv[i], "--force") == 0) out->force = 1;
    else if (argv[i][0] != '-') argv[kept++] = argv[i];
    else if (!take_option(out, argc, argv, &i)) return 0;
  }
  out->words = argv + first;
  out->word_count = kept - first;
  return 1;
}

static const struct {
  const char *word;
  cli_command command;
} commands[] = {{"list", CLI_LIST}, {"help", CLI_HELP}, {"show", CLI_SHOW}, {"runs", CLI_RUNS}, {"undo", CLI_UNDO}};

static cli_command command_for(const char *word) {
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    if (strcmp(commands[i].word, word) == 0) return commands[i].command;
  return CLI_SCRIPT;
}

/* Checks the words of a command: at most one, which becomes `script`. */
static void take_name(cli *out) {
  int takes_one = out->command == CLI_HELP || out->command == CLI_SHOW || out->command == CLI_UNDO;
  if (out->word_count > takes_one) wrong(out, "unexpected '%.80s'", out->words[takes_one]);
  else if (out->word_count == 1) out->script = out->words[0];
  else if (out->command == CLI_SHOW) wrong(out, "show which playbook? `p80 list` lists them%s", "");
  else if (out->command == CLI_HELP) out->command = CLI_USAGE;
  if (out->command == CLI_UNDO && out->script && strspn(out->script, "0123456789") != strlen(out->script))
    wrong(out, "undo takes the number of a run (`p80 runs` lists them), not '%.80s'", out->script);
  if (out->command == CLI_HELP && command_for(out->script) != CLI_SCRIPT) out->command = CLI_USAGE; /* help undo */
}

/* argv[i] is the first word that is no option: a command or a script. */
static void take_command(cli *out, int argc, const char **argv, int i) {
  out->command = command_for(argv[i]);
  if (out->command == CLI_SCRIPT) {
    out->script = argv[i];
    take_words(out, argc, argv, i + 1);
  } else if (take_command_words(out, argc, argv, i + 1)) {
    take_name(out);
  }
}

/* -e, -i, -, -v and their words; returns whether argv[i] is one of them. */
static int take_lone(cli *out, int argc, const char **argv, int i) {
  const char *word = argv[i];
  if (strcmp(word, "-") == 0) out->command = CLI_STDIN;
  else if (strcmp(word, "-i") == 0) out->command = CLI_REPL;
  else if (strcmp(word, "-e") == 0) out->command = CLI_CODE;
  else if (strcmp(word, "-v") == 0 || strcmp(word, "--version") == 0) out->command = CLI_VERSION;
  else if (asks_help(word) || strcmp(word, "-?") == 0 || strcmp(word, "/?") == 0) out->command = CLI_USAGE;
  else return 0;
  if (out->command == CLI_CODE) {
    if (++i == argc) {
      wrong(out, "%s needs Lua code", "-e");
      return 1;
    }
    out->code = argv[i];
  }
  take_words(out, argc, argv, i + 1);
  return 1;
}

void cli_parse(cli *out, int argc, const char **argv) {
  memset(out, 0, sizeof *out);
  out->command = CLI_USAGE;
  out->timeout = -1;
  for (int i = 1; i < argc; i++) {
    if (take_lone(out, argc, argv, i)) return;
    if (argv[i][0] != '-') {
      take_command(out, argc, argv, i);
      return;
    }
    if (!take_option(out, argc, argv, &i)) return;
  }
}
