/* What the files of win.scm share; scm.c registers the functions. */
#ifndef P80_SCM_PARTS_H
#define P80_SCM_PARTS_H

#include "luax.h"
#include "winapi.h"

enum { SCM_LONGEST_NAME = 256 }; /* units of a service's name and of a display name */

/* ---- scm_connection.c ---- */

void scm_close(UINT_PTR handle); /* CloseServiceHandle as a luax_closer */
/* The SCM of this machine, with the right to list services where p80 has it; kept until the Lua state closes. Loads
 * the functions of advapi32: call none of them in the same expression. */
SC_HANDLE scm_manager(lua_State *L);
/* Whether that connection has the right to list services. */
int scm_may_list(lua_State *L);
/* Whether `code` says that the connection has broken: then it is closed, and another attempt may do. */
int scm_has_lost(lua_State *L, DWORD code);
/* A service's name (+1): 1 to 256 units. */
const wchar_t *scm_checkname(lua_State *L, int index);
/* Writes the name of the service whose display name this is; returns whether there is one. */
int scm_find_by_display_name(lua_State *L, const wchar_t *display, wchar_t name[SCM_LONGEST_NAME + 1]);
/* Pushes nil, and a hint when `name` is the display name of a service or else nil (+2). */
int scm_push_nothing(lua_State *L, const wchar_t *name);
P80_NORETURN void scm_fail(lua_State *L, const wchar_t *name, DWORD code);
/* Opens a service into a slot; returns the error code. A connection that has broken is made anew. */
DWORD scm_try_open(lua_State *L, luax_handle *slot, const wchar_t *name, DWORD rights);
/* Opens a service (+1, the slot that closes it). */
SC_HANDLE scm_open(lua_State *L, const wchar_t *name, DWORD rights);

/* ---- scm.c ---- */

DWORD scm_state_value(const char *text);
/* The fields of a status for the table on top. */
void scm_set_status(lua_State *L, const SERVICE_STATUS_PROCESS *status);
SERVICE_STATUS_PROCESS scm_query_status(lua_State *L, SC_HANDLE service, const wchar_t *name);
/* In the order of SERVICE_BOOT_START (0) to SERVICE_DISABLED (4). */
extern const char *const scm_start_words[];
/* In the order of SERVICE_ERROR_IGNORE (0) to SERVICE_ERROR_CRITICAL (3). */
extern const char *const scm_error_words[];

/* The number of a type of service, 0 when there is none of that name. */
DWORD scm_type_value(const char *text);

/* ---- scm_write.c, scm_details.c ---- */

/* The field `key` of the table at `index`, an array of texts, as texts each ended by a NUL and all by another (+2);
 * NULL when it is absent. */
const wchar_t *scm_optlist(lua_State *L, int index, const char *key);
/* delayed = whether an automatic start waits for the others, for the table at `record`; absent where there is no such
 * thing. */
void scm_set_delayed(lua_State *L, int record, SC_HANDLE service, const wchar_t *name);
/* The settings of ChangeServiceConfig2W that are in the table at `settings`. */
#define SCM_DETAILS \
  "delayed", "description", "failure", "sid_type", "privileges", "preshutdown_timeout", "preferred_node", "triggers"
void scm_change_details(lua_State *L, SC_HANDLE service, const wchar_t *name, int settings);
/* Whether they have a restart of the service among the failure actions, which takes the right to start it. */
int scm_has_restart(lua_State *L, int settings);

/* ---- The functions ---- */

int scm_wait(lua_State *L); /* scm_wait.c */
int scm_await_change(lua_State *L);

int scm_details(lua_State *L); /* scm_details.c */
int scm_security(lua_State *L);
int scm_set_security(lua_State *L);

int scm_start(lua_State *L); /* scm_write.c */
int scm_stop(lua_State *L);
int scm_pause(lua_State *L);
int scm_continue(lua_State *L);
int scm_control(lua_State *L);
int scm_config(lua_State *L);
int scm_create(lua_State *L);
int scm_delete(lua_State *L);

#endif
