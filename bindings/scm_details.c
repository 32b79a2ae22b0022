/* What of a service's configuration QueryServiceConfig2W and ChangeServiceConfig2W have, and its security descriptor.
 * Triggers are numbers and bytes here; scm.lua and engine/core/scm_details.lua have the words.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-changeserviceconfig2w */
#include <string.h>

#include "privilege.h"
#include "scm_parts.h"

enum { /* what mingw-w64 has for newer Windows only */
       DESCRIPTION = 1,
       FAILURE_ACTIONS,
       DELAYED_START,
       FAILURE_FLAG,
       SID_TYPE,
       REQUIRED_PRIVILEGES,
       PRESHUTDOWN,
       TRIGGERS,
       PREFERRED_NODE,
       LAUNCH_PROTECTED = 12,
};

enum {
  LARGEST = 1 << 20, /* bytes of an answer: the documented most is 8 KiB */
  MOST_ITEMS = 1024, /* of triggers, of their data, of failure actions */
  DATA_STRING = 2,
};

/* SERVICE_TRIGGER_INFO and its parts
 * https://learn.microsoft.com/windows/win32/api/winsvc/ns-winsvc-service_trigger */
typedef struct trigger_item {
  DWORD type;
  DWORD size;
  BYTE *bytes;
} trigger_item;

typedef struct trigger {
  DWORD type;
  DWORD action;
  GUID *subtype;
  DWORD count;
  trigger_item *items;
} trigger;

typedef struct trigger_info {
  DWORD count;
  trigger *triggers;
  BYTE *reserved;
} trigger_info;

typedef struct preferred_node {
  USHORT node;
  BOOLEAN is_deleted;
} preferred_node;

_Static_assert(sizeof(trigger_item) == (sizeof(void *) == 8 ? 16 : 12), "SERVICE_TRIGGER_SPECIFIC_DATA_ITEM");
_Static_assert(sizeof(trigger) == (sizeof(void *) == 8 ? 32 : 20), "SERVICE_TRIGGER");
_Static_assert(sizeof(trigger_info) == 3 * sizeof(void *), "SERVICE_TRIGGER_INFO");

static const char *const sid_words[] = {"none", "unrestricted", "unknown", "restricted", NULL};
static const char *const action_words[] = {"none", "restart", "reboot", "run", NULL};
static const char *const protection_words[] = {"none", "windows", "windows_light", "antimalware_light", NULL};

/* ---- Reading ---- */

/* What Windows answered; pointers in it are checked before use. */
typedef struct answer {
  const wchar_t *name; /* of the service */
  const BYTE *begin;
  DWORD size;
} answer;

P80_NORETURN static void fail_answer(lua_State *L, const answer *a) { luax_failwide(L, a->name, ERROR_INVALID_DATA); }

/* Whether this Windows, or this kind of service, does not know such information. */
static int is_unknown(DWORD code) {
  return code == ERROR_INVALID_LEVEL || code == ERROR_INVALID_PARAMETER || code == RPC_S_INVALID_TAG ||
         code == RPC_X_BAD_STUB_DATA || code == ERROR_NOT_SUPPORTED;
}

/* Fetches one level into a buffer (+1); returns NULL, and pushes nil, when there is no such thing here.
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-queryserviceconfig2w */
static const void *query(lua_State *L, SC_HANDLE service, DWORD level, answer *a) {
  for (DWORD size = 1024, needed;; size = needed) {
    BYTE *buffer = luax_buffer(L, size);
    if (win32.QueryServiceConfig2W(service, level, buffer, size, &needed)) {
      a->begin = buffer;
      a->size = size;
      return buffer;
    }
    DWORD code = GetLastError();
    lua_pop(L, 1);
    if (is_unknown(code)) {
      lua_pushnil(L);
      return NULL;
    }
    if (code != ERROR_INSUFFICIENT_BUFFER || needed <= size || needed > LARGEST) luax_failwide(L, a->name, code);
  }
}

/* Raises unless `count` things of `size` bytes lie within the answer. */
static void check_within(lua_State *L, const answer *a, const void *at, size_t count, size_t size) {
  const BYTE *p = at;
  if (p < a->begin || p > a->begin + a->size || count > MOST_ITEMS * (size_t)64 ||
      count * size > (size_t)(a->begin + a->size - p))
    fail_answer(L, a);
}

/* The units of a text, which must end within the answer, up to its NUL. */
static size_t text_length(lua_State *L, const answer *a, const wchar_t *text) {
  check_within(L, a, text, 0, 0);
  size_t room = (size_t)(a->begin + a->size - (const BYTE *)text) / sizeof *text, n = 0;
  while (n < room && text[n]) n++;
  if (n == room) fail_answer(L, a);
  return n;
}

/* t[key] = text for the table on top; NULL is "". */
static void set_text(lua_State *L, const answer *a, const char *key, const wchar_t *text) {
  luax_pushwide(L, text, text ? text_length(L, a, text) : 0);
  lua_setfield(L, -2, key);
}

/* t[key] = word for the table on top. */
static void set_word(lua_State *L, const char *key, const char *const words[], DWORD count, DWORD value) {
  luax_settext(L, key, value < count ? words[value] : "unknown");
}

static void push_actions(lua_State *L, const answer *a, const SERVICE_FAILURE_ACTIONSW *f) {
  DWORD count = f->lpsaActions ? f->cActions : 0;
  if (count) check_within(L, a, f->lpsaActions, count, sizeof *f->lpsaActions);
  lua_createtable(L, (int)count, 0);
  for (DWORD i = 0; i < count; i++) {
    lua_createtable(L, 0, 2);
    set_word(L, "action", action_words, 4, (DWORD)f->lpsaActions[i].Type);
    lua_pushnumber(L, f->lpsaActions[i].Delay / 1000.0);
    lua_setfield(L, -2, "delay");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* failure = {reset_period=, reboot_message=, command=, actions={...}, on_non_crash=} for the table at `record`. */
static void set_failure(lua_State *L, int record, SC_HANDLE service, answer *a) {
  const BOOL *on_non_crash = query(L, service, FAILURE_FLAG, a);
  const SERVICE_FAILURE_ACTIONSW *f = query(L, service, FAILURE_ACTIONS, a);
  if (f == NULL) return;
  lua_newtable(L);
  if (f->dwResetPeriod == INFINITE) luax_settext(L, "reset_period", "never");
  else luax_setinteger(L, "reset_period", f->dwResetPeriod);
  set_text(L, a, "reboot_message", f->lpRebootMsg);
  set_text(L, a, "command", f->lpCommand);
  push_actions(L, a, f);
  lua_setfield(L, -2, "actions");
  if (on_non_crash) luax_setboolean(L, "on_non_crash", *on_non_crash);
  lua_setfield(L, record, "failure");
}

static void set_description(lua_State *L, int record, SC_HANDLE service, answer *a) {
  const SERVICE_DESCRIPTIONW *d = query(L, service, DESCRIPTION, a);
  if (d == NULL) return;
  lua_pushvalue(L, record);
  set_text(L, a, "description", d->lpDescription);
}

/* t[key] = word for the table at `record`. */
static void set_level_word(lua_State *L, int record, SC_HANDLE service, DWORD level, const char *key,
                           const char *const words[], answer *a) {
  const DWORD *value = query(L, service, level, a);
  if (value == NULL) return;
  lua_pushvalue(L, record);
  set_word(L, key, words, 4, *value);
}

static void set_privileges(lua_State *L, int record, SC_HANDLE service, answer *a) {
  wchar_t *const *list = query(L, service, REQUIRED_PRIVILEGES, a);
  if (list == NULL) return;
  lua_newtable(L);
  const wchar_t *text = *list;
  for (lua_Integer i = 1; text; i++) {
    size_t length = text_length(L, a, text);
    if (length == 0) break;
    luax_pushwide(L, text, length);
    lua_rawseti(L, -2, i);
    text += length + 1;
  }
  lua_setfield(L, record, "privileges");
}

static void set_preshutdown(lua_State *L, int record, SC_HANDLE service, answer *a) {
  const DWORD *ms = query(L, service, PRESHUTDOWN, a);
  if (ms == NULL) return;
  lua_pushnumber(L, *ms / 1000.0);
  lua_setfield(L, record, "preshutdown_timeout");
}

static void set_node(lua_State *L, int record, SC_HANDLE service, answer *a) {
  const preferred_node *p = query(L, service, PREFERRED_NODE, a);
  if (p == NULL) return;
  if (p->is_deleted) lua_pushboolean(L, 0);
  else lua_pushinteger(L, p->node);
  lua_setfield(L, record, "preferred_node");
}

static void push_item(lua_State *L, const answer *a, const trigger_item *item) {
  check_within(L, a, item->bytes, item->size, 1);
  lua_createtable(L, 0, 2);
  luax_setinteger(L, "type", item->type);
  if (item->type == DATA_STRING) luax_pushwide(L, (const wchar_t *)item->bytes, item->size / sizeof(wchar_t));
  else lua_pushlstring(L, (const char *)item->bytes, item->size);
  lua_setfield(L, -2, "value");
}

static void push_trigger(lua_State *L, const answer *a, const trigger *t) {
  check_within(L, a, t->subtype, 1, sizeof *t->subtype);
  if (t->count) check_within(L, a, t->items, t->count, sizeof *t->items);
  lua_createtable(L, 0, 4);
  luax_setinteger(L, "type", t->type);
  luax_setinteger(L, "action", t->action);
  lua_pushlstring(L, (const char *)t->subtype, sizeof *t->subtype);
  lua_setfield(L, -2, "subtype");
  lua_createtable(L, (int)t->count, 0);
  for (DWORD i = 0; i < t->count; i++) {
    push_item(L, a, &t->items[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "data");
}

static void set_triggers(lua_State *L, int record, SC_HANDLE service, answer *a) {
  const trigger_info *info = query(L, service, TRIGGERS, a);
  if (info == NULL) return;
  DWORD count = info->triggers ? info->count : 0;
  if (count) check_within(L, a, info->triggers, count, sizeof *info->triggers);
  lua_createtable(L, (int)count, 0);
  for (DWORD i = 0; i < count; i++) {
    push_trigger(L, a, &info->triggers[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, record, "triggers");
}

void scm_set_delayed(lua_State *L, int record, SC_HANDLE service, const wchar_t *name) {
  answer a = {.name = name};
  const BOOL *delayed = query(L, service, DELAYED_START, &a);
  if (delayed == NULL) return;
  lua_pushboolean(L, *delayed);
  lua_setfield(L, record, "delayed");
}

/* win.scm.details(name) with triggers as numbers and bytes. */
int scm_details(lua_State *L) {
  luax_arguments(L, 1, 1);
  luaL_checkstack(L, 40, NULL);
  answer a = {.name = scm_checkname(L, 1)};
  luax_handle *slot = luax_newhandle(L, scm_close);
  DWORD code = scm_try_open(L, slot, a.name, SERVICE_QUERY_CONFIG);
  if (code == ERROR_SERVICE_DOES_NOT_EXIST) return scm_push_nothing(L, a.name);
  if (code) scm_fail(L, a.name, code);
  SC_HANDLE service = (SC_HANDLE)slot->value;
  lua_createtable(L, 0, 8);
  int record = lua_gettop(L);
  set_description(L, record, service, &a);
  set_failure(L, record, service, &a);
  set_level_word(L, record, service, SID_TYPE, "sid_type", sid_words, &a);
  set_privileges(L, record, service, &a);
  set_preshutdown(L, record, service, &a);
  set_node(L, record, service, &a);
  set_triggers(L, record, service, &a);
  set_level_word(L, record, service, LAUNCH_PROTECTED, "protection", protection_words, &a);
  lua_pushvalue(L, record);
  return 1;
}

/* ---- Changing ---- */

/* Changes one level; `since` names the Windows that brought it. */
static void change(lua_State *L, SC_HANDLE service, const wchar_t *name, DWORD level, void *info, const char *what,
                   const char *since) {
  if (win32.ChangeServiceConfig2W(service, level, info)) return;
  DWORD code = GetLastError();
  luax_pushwidez(L, name);
  const char *target = lua_tostring(L, -1);
  if (code != ERROR_INVALID_LEVEL && code != RPC_S_INVALID_TAG) luax_fail(L, target, code);
  luax_failhint(L, target, ERROR_CALL_NOT_IMPLEMENTED,
                lua_pushfstring(L, "this Windows knows no %s; %s brought it", what, since));
}

/* Pushes the field `key` of the table at `index`; returns whether it is there. */
static int has(lua_State *L, int index, const char *key) {
  luax_field(L, index, key);
  return !lua_isnil(L, -1);
}

/* The milliseconds of the seconds on top. */
static DWORD check_ms(lua_State *L, const char *name) { return luax_optseconds(L, lua_gettop(L), name, 0); }

/* The table on top as an array of at most MOST_ITEMS; returns how many. */
static DWORD check_array(lua_State *L, const char *name) {
  if (!lua_istable(L, -1) || lua_rawlen(L, -1) > MOST_ITEMS) luax_badvalue(L, -1, name, "an array of at most 1024");
  return (DWORD)lua_rawlen(L, -1);
}

/* The actions of the table on top. The slot for the actions is pushed (+1). */
static SC_ACTION *check_actions(lua_State *L, DWORD *count) {
  *count = check_array(L, "actions");
  int list = lua_gettop(L);
  SC_ACTION *actions = luax_buffer(L, (*count + 1) * sizeof *actions);
  for (DWORD i = 0; i < *count; i++) {
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    int word = luax_checkword(L, luax_field(L, -1, "action"), "action", action_words, -1);
    actions[i].Type = (SC_ACTION_TYPE)word;
    luax_field(L, -2, "delay");
    actions[i].Delay = check_ms(L, "delay");
    lua_pop(L, 3);
  }
  return actions;
}

static int has_action(lua_State *L, int settings, SC_ACTION_TYPE type) {
  int top = lua_gettop(L), found = 0;
  if (has(L, settings, "failure") && has(L, -1, "actions")) {
    DWORD count;
    const SC_ACTION *actions = check_actions(L, &count);
    for (DWORD i = 0; i < count; i++) found |= actions[i].Type == type;
  }
  lua_settop(L, top);
  return found;
}

int scm_has_restart(lua_State *L, int settings) { return has_action(L, settings, SC_ACTION_RESTART); }

/* failure: all fields are given; an absent one is empty. */
static void change_failure(lua_State *L, SC_HANDLE service, const wchar_t *name, int settings) {
  SERVICE_FAILURE_ACTIONSW f = {.dwResetPeriod = INFINITE};
  if (has_action(L, settings, SC_ACTION_REBOOT)) privilege_enable(L, L"SeShutdownPrivilege");
  luax_field(L, settings, "failure");
  int failure = lua_gettop(L);
  if (has(L, failure, "reset_period") && lua_type(L, -1) == LUA_TNUMBER)
    f.dwResetPeriod = (DWORD)luax_checkinteger(L, -1, "reset_period", 0, INFINITE - 1);
  wchar_t *message = (wchar_t *)luax_optwide(L, luax_field(L, failure, "reboot_message"), "reboot_message");
  wchar_t *command = (wchar_t *)luax_optwide(L, luax_field(L, failure, "command"), "command");
  f.lpRebootMsg = message ? message : (wchar_t[]){0};
  f.lpCommand = command ? command : (wchar_t[]){0};
  if (!has(L, failure, "actions")) lua_newtable(L);
  f.lpsaActions = check_actions(L, &f.cActions);
  change(L, service, name, FAILURE_ACTIONS, &f, "failure actions", "Windows 2000");
  if (!has(L, failure, "on_non_crash")) return;
  BOOL flag = luax_optboolean(L, -1, "on_non_crash", 0);
  change(L, service, name, FAILURE_FLAG, &flag, "failure actions without a crash", "Windows Vista");
}

static void change_description(lua_State *L, SC_HANDLE service, const wchar_t *name, int settings) {
  SERVICE_DESCRIPTIONW d = {
      (wchar_t *)luax_checkwide(L, luax_field(L, settings, "description"), "description", NULL)};
  change(L, service, name, DESCRIPTION, &d, "description", "Windows 2000");
}

static void change_delayed(lua_State *L, SC_HANDLE service, const wchar_t *name, int settings) {
  BOOL delayed = luax_optboolean(L, luax_field(L, settings, "delayed"), "delayed", 0);
  change(L, service, name, DELAYED_START, &delayed, "delayed start", "Windows Vista");
}

static void change_sid_type(lua_State *L, SC_HANDLE service, const wchar_t *name, int settings) {
  DWORD type = (DWORD)luax_checkword(L, luax_field(L, settings, "sid_type"), "sid_type", sid_words, -1);
  change(L, service, name, SID_TYPE, &type, "SID of a service", "Windows Vista");
}

static void change_privileges(lua_State *L, SC_HANDLE service, const wchar_t *name, int settings) {
  const wchar_t *list = scm_optlist(L, settings, "privileges");
  change(L, service, name, REQUIRED_PRIVILEGES, &list, "required privileges", "Windows Vista");
}

static void change_preshutdown(lua_State *L, SC_HANDLE service, const wchar_t *name, int settings) {
  DWORD ms = luax_optseconds(L, luax_field(L, settings, "preshutdown_timeout"), "preshutdown_timeout", 0);
  change(L, service, name, PRESHUTDOWN, &ms, "preshutdown", "Windows Vista");
}

static void change_node(lua_State *L, SC_HANDLE service, const wchar_t *name, int settings) {
  int field = luax_field(L, settings, "preferred_node");
  preferred_node p = {0, TRUE};
  if (!lua_isboolean(L, field))
    p = (preferred_node){(USHORT)luax_checkinteger(L, field, "preferred_node", 0, 65535), FALSE};
  change(L, service, name, PREFERRED_NODE, &p, "preferred node", "Windows 7");
}

/* The data of the trigger on top. Buffers are kept in the array at `keep`. */
static void check_items(lua_State *L, int keep, trigger *t) {
  luax_field(L, -1, "data");
  int list = lua_gettop(L);
  t->count = check_array(L, "data");
  t->items = luax_buffer(L, (t->count + 1) * sizeof *t->items);
  luaL_ref(L, keep);
  for (DWORD i = 0; i < t->count; i++) {
    size_t size;
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    t->items[i].type = (DWORD)luax_checkinteger(L, luax_field(L, -1, "type"), "type", 1, 255);
    luax_field(L, -2, "value");
    if (t->items[i].type == DATA_STRING) {
      t->items[i].bytes = (BYTE *)luax_checkwidebytes(L, -1, "value", &size);
      size *= sizeof(wchar_t);
    } else {
      t->items[i].bytes = (BYTE *)luaL_checklstring(L, -1, &size);
      lua_pushvalue(L, -1);
    }
    t->items[i].size = (DWORD)size;
    luaL_ref(L, keep);
    lua_pop(L, 3);
  }
  lua_pop(L, 1);
}

static void check_trigger(lua_State *L, int keep, trigger *t) {
  size_t size;
  t->type = (DWORD)luax_checkinteger(L, luax_field(L, -1, "type"), "type", 1, 255);
  t->action = (DWORD)luax_checkinteger(L, luax_field(L, -2, "action"), "action", 1, 2);
  luax_field(L, -3, "subtype");
  t->subtype = (GUID *)luaL_checklstring(L, -1, &size);
  if (size != sizeof(GUID)) luax_badvalue(L, -1, "subtype", "16 bytes");
  lua_pop(L, 3);
  check_items(L, keep, t);
}

static void change_triggers(lua_State *L, SC_HANDLE service, const wchar_t *name, int settings) {
  trigger_info info = {0, NULL, NULL};
  lua_newtable(L);
  int keep = lua_gettop(L), list = luax_field(L, settings, "triggers");
  info.count = check_array(L, "triggers");
  info.triggers = luax_buffer(L, (info.count + 1) * sizeof *info.triggers);
  for (DWORD i = 0; i < info.count; i++) {
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    check_trigger(L, keep, &info.triggers[i]);
    lua_pop(L, 1);
  }
  change(L, service, name, TRIGGERS, &info, "triggers", "Windows 7");
}

void scm_change_details(lua_State *L, SC_HANDLE service, const wchar_t *name, int settings) {
  static const struct {
    const char *key;
    void (*change)(lua_State *, SC_HANDLE, const wchar_t *, int);
  } all[] = {{"delayed", change_delayed},       {"description", change_description},
             {"failure", change_failure},       {"sid_type", change_sid_type},
             {"privileges", change_privileges}, {"preshutdown_timeout", change_preshutdown},
             {"preferred_node", change_node},   {"triggers", change_triggers}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (has(L, settings, all[i].key)) all[i].change(L, service, name, settings);
}

/* ---- Security ---- */

static void free_local(UINT_PTR memory) { LocalFree((HLOCAL)memory); }

/* The security descriptor of a service in a buffer (+1).
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-queryserviceobjectsecurity */
static PSECURITY_DESCRIPTOR query_security(lua_State *L, SC_HANDLE service, const wchar_t *name,
                                           SECURITY_INFORMATION parts) {
  for (DWORD size = 1024, needed;; size = needed) {
    PSECURITY_DESCRIPTOR descriptor = luax_buffer(L, size);
    if (win32.QueryServiceObjectSecurity(service, parts, descriptor, size, &needed)) {
      if (!win32.IsValidSecurityDescriptor(descriptor)) luax_failwide(L, name, ERROR_INVALID_SECURITY_DESCR);
      return descriptor;
    }
    DWORD code = GetLastError();
    if (code != ERROR_INSUFFICIENT_BUFFER || needed <= size || needed > LARGEST) luax_failwide(L, name, code);
    lua_pop(L, 1);
  }
}

/* https://learn.microsoft.com/windows/win32/api/sddl/nf-sddl-convertsecuritydescriptortostringsecuritydescriptorw */
static void push_sddl(lua_State *L, PSECURITY_DESCRIPTOR descriptor, SECURITY_INFORMATION parts,
                      const wchar_t *name) {
  wchar_t *text;
  luax_handle *slot = luax_newhandle(L, free_local);
  if (!win32.ConvertSecurityDescriptorToStringSecurityDescriptorW(descriptor, SDDL_REVISION_1, parts, &text, NULL)) {
    DWORD code = GetLastError();
    luax_failwide(L, name, code ? code : ERROR_INVALID_SECURITY_DESCR);
  }
  slot->value = (UINT_PTR)text;
  luax_pushwidez(L, text);
}

/* win.scm.security(name [, {audit=false}]). */
int scm_security(lua_State *L) {
  static const char *const known[] = {"audit", NULL};
  SECURITY_INFORMATION parts = OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
  DWORD rights = READ_CONTROL;
  luax_arguments(L, 1, 2);
  const wchar_t *name = scm_checkname(L, 1);
  luax_options(L, 2, known);
  if (luax_optboolean(L, luax_field(L, 2, "audit"), "audit", 0)) {
    parts |= SACL_SECURITY_INFORMATION;
    rights |= ACCESS_SYSTEM_SECURITY;
    privilege_enable(L, L"SeSecurityPrivilege");
  }
  luax_handle *slot = luax_newhandle(L, scm_close);
  DWORD code = scm_try_open(L, slot, name, rights);
  if (code == ERROR_SERVICE_DOES_NOT_EXIST) return scm_push_nothing(L, name);
  if (code) scm_fail(L, name, code);
  push_sddl(L, query_security(L, (SC_HANDLE)slot->value, name, parts), parts, name);
  return 1;
}

/* Which parts a descriptor has. */
static SECURITY_INFORMATION parts_of(lua_State *L, PSECURITY_DESCRIPTOR descriptor, const wchar_t *name) {
  SECURITY_INFORMATION parts = 0;
  SECURITY_DESCRIPTOR_CONTROL control;
  DWORD revision;
  BOOL defaulted;
  PSID owner = NULL, group = NULL;
  if (!win32.GetSecurityDescriptorOwner(descriptor, &owner, &defaulted) ||
      !win32.GetSecurityDescriptorGroup(descriptor, &group, &defaulted) ||
      !win32.GetSecurityDescriptorControl(descriptor, &control, &revision))
    luax_failwide(L, name, GetLastError());
  if (owner) parts |= OWNER_SECURITY_INFORMATION;
  if (group) parts |= GROUP_SECURITY_INFORMATION;
  if (control & SE_DACL_PRESENT) parts |= DACL_SECURITY_INFORMATION;
  if (control & SE_SACL_PRESENT) parts |= SACL_SECURITY_INFORMATION;
  return parts;
}

/* Raw win.scm.set_security(name, sddl): sets the parts that the text has (owner, group, access list, audit list).
 * https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-setserviceobjectsecurity */
int scm_set_security(lua_State *L) {
  PSECURITY_DESCRIPTOR descriptor;
  luax_arguments(L, 2, 2);
  winapi_load(L, "advapi32");
  const wchar_t *name = scm_checkname(L, 1), *sddl = luax_checkwide(L, 2, "sddl", NULL);
  luax_handle *slot = luax_newhandle(L, free_local);
  if (!win32.ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, SDDL_REVISION_1, &descriptor, NULL))
    luax_badvalue(L, 2, "sddl", "a security descriptor as SDDL such as D:(A;;GA;;;BA)");
  slot->value = (UINT_PTR)descriptor;
  SECURITY_INFORMATION parts = parts_of(L, descriptor, name);
  DWORD rights = parts & DACL_SECURITY_INFORMATION ? WRITE_DAC : 0;
  if (parts & (OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION)) rights |= WRITE_OWNER;
  if (parts & SACL_SECURITY_INFORMATION) rights |= ACCESS_SYSTEM_SECURITY;
  if (rights & ACCESS_SYSTEM_SECURITY) privilege_enable(L, L"SeSecurityPrivilege");
  SC_HANDLE service = scm_open(L, name, rights);
  if (!win32.SetServiceObjectSecurity(service, parts, descriptor)) luax_failwide(L, name, GetLastError());
  return 0;
}
