#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "near.h"

const char cli_usage[] =
    "usage: p80 [options] SCRIPT [script options]   run a playbook: a path or a name\n"
    "       p80 [options] -e CODE | -i | -          one-liner, prompt, standard input\n"
    "       p80 list | help [NAME] | show NAME      the playbooks that there are\n"
    "       p80 help win | p80 | win.scm.stop       the functions for scripts\n"
    "       p80 runs | undo [RUN] [--force]         what was changed; take it back\n"
    "       p80 new | lint | test | capture         write a playbook and test it\n"
    "       p80 sign | verify | policy              who may run what here\n"
    "       p80 install | uninstall                 the playbooks of this machine\n"
    "       p80 service install | status | remove   run one at every start\n"
    "\n"
    "options:\n"
    "  --check            say what would change, change nothing; exit code 3 if\n"
    "                     anything (also --dry-run, --what-if)\n"
    "  --json             one JSON document on standard output\n"
    "  --allow GRANT      allow a change, such as scm.state:W3SVC or '*' (may be\n"
    "                     repeated)\n"
    "  --timeout SECONDS  how long waits may take (default 30)\n"
    "  --cpu-limit SECONDS\n"
    "                     how long a script may compute without waiting or\n"
    "                     changing anything (default 300; 0: any time)\n"
    "  --memory-limit MIB how much it may hold (default 1024, x86: 512; 0: all)\n"
    "  --state DIR        where runs are recorded (default: p80 in the common\n"
    "                     application data folder)\n"
    "  --report SHAPE     the result as ansible, salt, bolt, intune or dsc wants it\n"
    "  --model FILE       run on a modelled machine, not on this one\n"
    "  --verbose          say each change when it is made\n"
    "  --quiet            no progress, no summary\n"
    "  --no-color, --version, --help\n"
    "\n"
    "--check, --json, --quiet, --verbose and --no-color may also follow the script's\n"
    "name; -- ends that. Changes need a grant: from the playbook's manifest, or\n"
    "--allow. `p80 undo` takes a run back. `p80 help sign` explains a command.\n"
    "\n"
    "exit codes: 0 done, 1 failed, 2 usage or syntax, 3 --check found changes to\n"
    "            make, 4 refused by grants, policy or signature, 5 needs elevation,\n"
    "            6 timed out, 3010 done but a restart is needed\n";

const char *const cli_options[] = {"--check",     "--dry-run",      "--what-if",  "--json",    "--allow", "--timeout",
                                   "--cpu-limit", "--memory-limit", "--state",    "--report",  "--model", "--quiet",
                                   "--verbose",   "--force",        "--no-color", "--version", "--help",  NULL};

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

/* Where the value of option `word` belongs, if it is a number; NULL for other options. */
static double *number_option(cli *out, const char *word) {
  if (is_option(word, "--timeout")) return &out->timeout;
  if (is_option(word, "--cpu-limit")) return &out->cpu_limit;
  if (is_option(word, "--memory-limit")) return &out->memory_limit;
  return NULL;
}

static int take_number(cli *out, const char *word, const char *value, double *number) {
  char *end;
  *number = strtod(value, &end);
  if (end != value && *end == 0 && *number >= 0 && *number <= 2592000) return 1;
  if (is_option(word, "--memory-limit")) return wrong(out, "--memory-limit takes MiB from 0, not '%.80s'", value);
  out->command = CLI_WRONG;
  snprintf(out->error, sizeof out->error, "%.*s takes seconds from 0 to 2592000 (30 days), not '%.80s'",
           (int)strcspn(word, "="), word, value);
  return 0;
}

/* Takes the shape of the result, which is a document as that of --json is. */
static int take_report(cli *out, const char *shape) {
  static const char *const shapes[] = {"ansible", "salt", "bolt", "intune", "dsc", NULL};
  for (int i = 0; shapes[i]; i++)
    if (strcmp(shapes[i], shape) == 0) {
      out->report = shapes[i];
      out->json = 1;
      return 1;
    }
  return wrong(out, "--report takes ansible, salt, bolt, intune or dsc, not '%.80s'", shape);
}

/* Where the value of option `word` belongs, if it is kept as it comes; NULL for other options. */
static const char **text_option(cli *out, const char *word) {
  if (is_option(word, "--state")) return &out->state;
  if (is_option(word, "--model")) return &out->model;
  if (is_option(word, "--stop-event")) return &out->stop_event;
  return NULL;
}

static int no_option(cli *out, const char *word) {
  const char *meant = nearest_word(word, cli_options);
  if (meant == NULL) return wrong(out, "there is no option '%.80s'", word);
  out->command = CLI_WRONG;
  snprintf(out->error, sizeof out->error, "there is no option '%.80s'; did you mean %s?", word, meant);
  return 0;
}

static int takes_value(cli *out, const char *word) {
  return text_option(out, word) || number_option(out, word) || is_option(word, "--allow") ||
         is_option(word, "--report");
}

/* Takes the option at argv[*i] with its value; returns 0 with `error` set when it is wrong. */
static int take_option(cli *out, int argc, const char **argv, int *i) {
  const char *word = argv[*i];
  if (take_switch(out, word)) return 1;
  if (strcmp(word, "--force") == 0) return wrong(out, "%s goes behind undo: p80 undo [RUN] --force", word);
  if (!takes_value(out, word)) return no_option(out, word);
  const char *value = option_value(argc, argv, i), **text = text_option(out, word);
  if (value == NULL || *value == 0) return wrong(out, "%.80s needs a value", word);
  if (number_option(out, word)) return take_number(out, word, value, number_option(out, word));
  if (is_option(word, "--report")) return take_report(out, value);
  if (text) *text = value;
  else if (out->allow_count == CLI_MOST_ALLOWS) return wrong(out, "too many --allow%s", "");
  else out->allow[out->allow_count++] = value;
  return 1;
}

/* ---- Commands ---- */

/* What may stand behind a command. */
typedef enum command_words {
  PLAIN, /* words and p80's options */
  OWN,   /* these and options of its own, which it parses itself */
  RAW    /* whatever a script takes, and p80's switches */
} command_words;

typedef struct command {
  const char *name;
  command_words words;
  int changes;     /* whether it may change the machine */
  int least, most; /* how many, of PLAIN ones */
} command;

static const command commands[] = {
    {"list", PLAIN, 0, 0, 0},  {"help", PLAIN, 0, 0, 2},    {"show", PLAIN, 0, 1, 1},  {"runs", PLAIN, 0, 0, 0},
    {"undo", PLAIN, 1, 0, 1},  {"new", OWN, 0, 0, 0},       {"lint", OWN, 0, 0, 0},    {"test", OWN, 0, 0, 0},
    {"capture", OWN, 0, 0, 0}, {"sign", OWN, 0, 0, 0},      {"verify", OWN, 0, 0, 0},  {"policy", OWN, 1, 0, 0},
    {"install", OWN, 1, 0, 0}, {"uninstall", OWN, 1, 0, 0}, {"service", RAW, 1, 0, 0}, {"complete", RAW, 0, 0, 0},
};

const char *cli_command_name(size_t i) { return i < sizeof commands / sizeof *commands ? commands[i].name : NULL; }

static const command *command_for(const char *word) {
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    if (strcmp(commands[i].name, word) == 0) return &commands[i];
  return NULL;
}

/* Takes argv[first] up to argv[end - 1] as the words of a command. */
static void set_words(cli *out, const char **argv, int first, int end) {
  out->words = argv + first;
  out->word_count = end - first;
}

/* Makes `p80 SCRIPT --help` and `p80 help COMMAND [WORD]` the command that says it. argv[i] is what it is about. */
static void ask_help(cli *out, const char **argv, int i, const char *more) {
  static const char *asked[2];
  const command *about = command_for(argv[i]);
  asked[0] = more ? more : "--help";
  asked[1] = "--help";
  out->command = about && about->words == PLAIN ? CLI_USAGE : CLI_COMMAND;
  out->name = about ? about->name : "help";
  out->changes = 0;
  out->words = about ? asked : argv + i;
  out->word_count = about && more ? 2 : 1;
}

/* Whether `word` is an option that a script may have, too, but code, which has no manifest, has not. */
static int is_too_late(cli *out, const char *word) {
  int is_code = out->command == CLI_CODE || out->command == CLI_REPL || out->command == CLI_STDIN;
  return is_code && (strcmp(word, "-e") == 0 || takes_value(out, word));
}

/* The words behind a script, code or "-": p80's switches are taken out up to "--". */
static void take_words(cli *out, int argc, const char **argv, int first) {
  int kept = first, i = first, asked_help = 0;
  for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
    if (out->command == CLI_SCRIPT && asks_help(argv[i])) asked_help = 1;
    else if (is_too_late(out, argv[i])) {
      wrong(out, "'%.80s' comes too late behind -e, -i or -; behind -- it is a word for the code", argv[i]);
      return;
    } else if (!take_switch(out, argv[i])) argv[kept++] = argv[i];
  }
  if (i < argc) i++;
  for (; i < argc; i++) argv[kept++] = argv[i];
  set_words(out, argv, first, kept);
  if (asked_help) ask_help(out, argv, first - 1, NULL);
}

/* Takes an option behind a command with PLAIN words. Returns 0 when it is wrong. */
static int take_plain_option(cli *out, int argc, const char **argv, int *i) {
  if (asks_help(argv[*i])) {
    out->command = CLI_USAGE;
    return 1;
  }
  if (strcmp(out->name, "undo") != 0 || strcmp(argv[*i], "--force") != 0) return take_option(out, argc, argv, i);
  out->force = 1;
  return 1;
}

/* The words behind a command; p80's options may stand among them. Returns 0 when one is wrong. */
static int take_command_words(cli *out, const command *c, int argc, const char **argv, int first) {
  int kept = first;
  for (int i = first; i < argc; i++) {
    const char *word = argv[i];
    if (word[0] != '-') argv[kept++] = word;
    else if (c->words == PLAIN) {
      if (!take_plain_option(out, argc, argv, &i)) return 0;
    } else if (takes_value(out, word)) {
      if (!take_option(out, argc, argv, &i)) return 0;
    } else if (!take_switch(out, word)) argv[kept++] = word;
  }
  set_words(out, argv, first, kept);
  return 1;
}

static void check_words(cli *out, const command *c, const char **argv) {
  const char *word = out->word_count > 0 ? out->words[0] : NULL;
  if (out->word_count > c->most) wrong(out, "unexpected '%.80s'", out->words[c->most]);
  else if (out->word_count < c->least) wrong(out, "%s which playbook? `p80 list` lists them", c->name);
  else if (strcmp(c->name, "help") == 0 && word == NULL) out->command = CLI_USAGE;
  else if (strcmp(c->name, "help") == 0 && command_for(word))
    ask_help(out, argv, (int)(out->words - argv), out->word_count > 1 ? out->words[1] : NULL);
  else if (strcmp(c->name, "help") == 0 && out->word_count > 1) wrong(out, "unexpected '%.80s'", out->words[1]);
  else if (strcmp(c->name, "undo") == 0 && word && strspn(word, "0123456789") != strlen(word))
    wrong(out, "undo takes the number of a run (`p80 runs` lists them), not '%.80s'", word);
}

/* argv[i] is the first word that is no option: a command or a script. */
static void take_command(cli *out, int argc, const char **argv, int i) {
  const command *c = command_for(argv[i]);
  if (c == NULL) {
    out->command = CLI_SCRIPT;
    out->script = argv[i];
    take_words(out, argc, argv, i + 1);
    return;
  }
  out->command = CLI_COMMAND;
  out->name = c->name;
  out->changes = c->changes;
  if (c->words == RAW) take_words(out, argc, argv, i + 1);
  else if (take_command_words(out, c, argc, argv, i + 1) && c->words == PLAIN && out->command == CLI_COMMAND)
    check_words(out, c, argv);
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
  out->timeout = out->cpu_limit = out->memory_limit = -1;
  for (int i = 1; i < argc; i++) {
    if (take_lone(out, argc, argv, i)) return;
    if (argv[i][0] != '-') {
      take_command(out, argc, argv, i);
      return;
    }
    if (!take_option(out, argc, argv, &i)) return;
  }
  if (argc > 1) wrong(out, "nothing to run behind %s", argv[argc - 1]);
}
