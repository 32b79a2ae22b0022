/* The tables of TCP and UDP endpoints: read with one call of Windows a family, filtered, and turned into rows. */
#ifndef P80_ENDPOINTS_H
#define P80_ENDPOINTS_H

#include "luax.h"

enum { ENDPOINT_IPV4, ENDPOINT_IPV6, ENDPOINT_FAMILIES };

/* The words for the states of TCP, by Windows' numbers, ended by NULL. */
extern const char *const endpoint_states[];

/* Where a row of a table has its columns. An IPv6 address is followed by its scope id. */
#define ENDPOINT_NONE ((size_t)-1)
typedef struct endpoint_format {
  size_t header, row; /* bytes before the rows, and of one */
  size_t local, local_port, pid;
  size_t remote, remote_port, state, created; /* or ENDPOINT_NONE */
} endpoint_format;

typedef struct endpoint_filter {
  int family;    /* 4, 6 or 0: both */
  unsigned port; /* the local one; 0: any */
  DWORD state;   /* 0: any */
  int module;    /* also when it was made, and the module that did */
} endpoint_filter;

/* TCP or UDP. */
typedef struct endpoint_kind {
  const char *table;                               /* "TCP table" */
  endpoint_format formats[2][ENDPOINT_FAMILIES];   /* without and with modules */
  const char *module_functions[ENDPOINT_FAMILIES]; /* "GetOwnerModuleFromTcpEntry", ... */
  DWORD (*read)(void *table, ULONG *size, ULONG family, const endpoint_filter *filter);
} endpoint_kind;

/* The options family, port and module of the table at `index` in a filter; `known` has the names of all. */
endpoint_filter endpoint_options(lua_State *L, int index, const char *const known[]);
/* Pushes the rows that pass the filter. */
void endpoint_push(lua_State *L, const endpoint_kind *kind, const endpoint_filter *filter);
/* listeners([port [, {family=4|6, module=true}]]) -> the rows in that state (0: any); the Lua half says whose they
 * are. */
int endpoint_listeners(lua_State *L, const endpoint_kind *kind, DWORD state);

#endif
