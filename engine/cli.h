/* The command line as a plain struct. Pure: no Windows, no Lua, no allocation. */
#ifndef P80_CLI_H
#define P80_CLI_H

#include <stddef.h>

typedef enum cli_command {
  CLI_SCRIPT,  /* run `script` with `words` */
  CLI_CODE,    /* -e CODE */
  CLI_STDIN,   /* - */
  CLI_REPL,    /* -i */
  CLI_COMMAND, /* `name` ("list") with `words` */
  CLI_USAGE,   /* --help, or nothing at all */
  CLI_VERSION, /* --version, -v */
  CLI_WRONG    /* `error` says why */
} cli_command;

enum { CLI_MOST_ALLOWS = 64 };

typedef struct cli {
  cli_command command;
  const char *name;   /* of the command; NULL unless CLI_COMMAND */
  int changes;        /* whether that command may change the machine */
  const char *script; /* path or name; NULL unless CLI_SCRIPT */
  const char *code;
  int check, json, quiet, verbose, no_color, force;
  double timeout;                 /* seconds; negative: not given */
  double cpu_limit, memory_limit; /* seconds and MiB; negative: not given */
  const char *state;
  const char *report;     /* the shape of the result: "ansible" and so on; NULL: p80's own */
  const char *stop_event; /* the handle of the event that ends the run (service.c) */
  const char *model;      /* the file of a modelled machine to run on; NULL: this machine */
  const char *allow[CLI_MOST_ALLOWS];
  int allow_count;
  const char *const *words; /* what belongs to the script or command */
  int word_count;
  char error[256];
} cli;

/* Parses `argv[1..argc-1]` (UTF-8) into `out`. Reorders the pointers in `argv`: options that belong to p80 but stand
 * behind the script's name are taken out of the script's words. */
void cli_parse(cli *out, int argc, const char **argv);

extern const char cli_usage[];
extern const char *const cli_options[]; /* those of p80 itself; NULL ends them */
const char *cli_command_name(size_t i); /* NULL behind the last */

#endif
