/* P80_SHIM_SCM=1: what Wine's SCM does not keep of a service's configuration, kept where Windows keeps it, in the
 * service's key:
 *   failure actions (FailureActions, FailureCommand, RebootMessage) and their flag, delayed start, SID type, required
 *   privileges, triggers (TriggerInfo), preferred node, launch protection
 *     https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-changeserviceconfig2w
 *     https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-queryserviceconfig2w
 *     https://learn.microsoft.com/openspecs/windows_protocols/ms-scmr/
 *   the security descriptor (Security\Security)
 *     https://learn.microsoft.com/windows/win32/api/winsvc/nf-winsvc-setserviceobjectsecurity
 *     https://learn.microsoft.com/windows/win32/services/service-security-and-access-rights */
#include <winsock2.h>
#include <windows.h>
#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shim.h"

enum { FAILURE_ACTIONS = 2, DELAYED_START, FAILURE_FLAG, SID_TYPE, PRIVILEGES, TRIGGERS = 8, NODE, PROTECTION = 12 };
enum { MOST = 16384 };

static int is_on(void) { return shim_is_set("P80_SHIM_SCM", "1"); }

/* Whether Windows Server 2003 (P80_SHIM_NT52=1) does not know this. */
static int is_newer(DWORD level) {
  return shim_is_set("P80_SHIM_NT52", "1") && level > SERVICE_CONFIG_FAILURE_ACTIONS;
}

static BOOL fail(DWORD code) {
  SetLastError(code);
  return FALSE;
}

/* ---- The service's key ---- */

static HKEY open_key(const wchar_t *name, const wchar_t *below, int make) {
  wchar_t path[640];
  HKEY key = NULL;
  _snwprintf(path, 640, L"SYSTEM\\CurrentControlSet\\Services\\%ls%ls", name, below);
  if (make) RegCreateKeyExW(HKEY_LOCAL_MACHINE, path, 0, NULL, 0, KEY_ALL_ACCESS, NULL, &key, NULL);
  else RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_ALL_ACCESS, &key);
  return key;
}

/* Reads a value into `out`; returns its bytes, 0 without one. */
static DWORD read_value(const wchar_t *name, const wchar_t *below, const wchar_t *value, void *out, DWORD size) {
  HKEY key = open_key(name, below, 0);
  if (key == NULL) return 0;
  if (RegQueryValueExW(key, value, NULL, NULL, out, &size)) size = 0;
  RegCloseKey(key);
  return size;
}

static void write_value(const wchar_t *name, const wchar_t *below, const wchar_t *value, DWORD type, const void *data,
                        size_t size) {
  HKEY key = open_key(name, below, 1);
  RegSetValueExW(key, value, 0, type, data, (DWORD)size);
  RegCloseKey(key);
}

static void delete_value(const wchar_t *name, const wchar_t *value) {
  HKEY key = open_key(name, L"", 1);
  RegDeleteValueW(key, value);
  RegCloseKey(key);
}

static size_t text_bytes(const wchar_t *text) { return (wcslen(text) + 1) * sizeof *text; }

static size_t list_bytes(const wchar_t *list) {
  const wchar_t *end = list;
  while (*end) end += wcslen(end) + 1;
  return (size_t)(end + 1 - list) * sizeof *list;
}

/* ---- An answer, its variable parts behind the record ---- */

typedef struct answer {
  BYTE bytes[MOST];
  size_t size;
} answer;

static void *put(answer *a, const void *data, size_t size) {
  a->size = (a->size + 7) & ~(size_t)7;
  void *at = a->bytes + a->size;
  if (a->size + size > MOST) abort();
  if (data) memcpy(at, data, size);
  else memset(at, 0, size);
  a->size += size;
  return at;
}

/* Moves a pointer from our copy to the caller's. */
static void *moved(const answer *a, void *out, void *p) { return p ? (BYTE *)out + ((BYTE *)p - a->bytes) : NULL; }

static wchar_t *put_value(answer *a, const wchar_t *name, const wchar_t *value) {
  wchar_t text[2048];
  DWORD size = read_value(name, L"", value, text, sizeof text);
  return size ? put(a, text, size) : NULL;
}

/* ---- Failure actions ---- */

/* FailureActions: SERVICE_FAILURE_ACTIONS as 32-bit Windows has it, the actions behind it. */
typedef struct stored_actions {
  DWORD reset, message, command, count, offset;
  SC_ACTION actions[64];
} stored_actions;

static int may_reboot(void) {
  PRIVILEGE_SET wanted = {1, PRIVILEGE_SET_ALL_NECESSARY, {{{0, 0}, 0}}};
  HANDLE token;
  BOOL held = FALSE;
  LookupPrivilegeValueW(NULL, L"SeShutdownPrivilege", &wanted.Privilege[0].Luid);
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) return 0;
  PrivilegeCheck(token, &wanted, &held);
  CloseHandle(token);
  return held;
}

static BOOL set_text(const wchar_t *name, const wchar_t *value, const wchar_t *text) {
  if (text && *text) write_value(name, L"", value, REG_SZ, text, text_bytes(text));
  else if (text) delete_value(name, value);
  return TRUE;
}

static BOOL set_failure(const wchar_t *name, DWORD access, const SERVICE_FAILURE_ACTIONSW *f) {
  stored_actions stored = {f->dwResetPeriod, 0, 0, f->cActions, 20, {{SC_ACTION_NONE, 0}}};
  for (DWORD i = 0; f->lpsaActions && i < f->cActions && i < 64; i++) {
    stored.actions[i] = f->lpsaActions[i];
    if (f->lpsaActions[i].Type == SC_ACTION_RESTART && !(access & SERVICE_START)) return fail(ERROR_ACCESS_DENIED);
    if (f->lpsaActions[i].Type == SC_ACTION_REBOOT && !may_reboot()) return fail(ERROR_ACCESS_DENIED);
  }
  if (f->lpsaActions && f->cActions == 0) delete_value(name, L"FailureActions");
  else if (f->lpsaActions)
    write_value(name, L"", L"FailureActions", REG_BINARY, &stored, 20 + 8 * (size_t)f->cActions);
  return set_text(name, L"RebootMessage", f->lpRebootMsg) && set_text(name, L"FailureCommand", f->lpCommand);
}

static void get_failure(const wchar_t *name, answer *a) {
  stored_actions stored = {0};
  SERVICE_FAILURE_ACTIONSW *f = put(a, NULL, sizeof *f);
  if (read_value(name, L"", L"FailureActions", &stored, sizeof stored)) {
    f->dwResetPeriod = stored.reset;
    f->cActions = stored.count;
    f->lpsaActions = put(a, stored.actions, stored.count * sizeof *stored.actions);
  }
  f->lpRebootMsg = put_value(a, name, L"RebootMessage");
  f->lpCommand = put_value(a, name, L"FailureCommand");
}

/* ---- Triggers: TriggerInfo\<n> with Type, Action, GUID, Data<n> and DataType<n> ---- */

typedef struct trigger_item {
  DWORD type, size;
  BYTE *bytes;
} trigger_item;

typedef struct trigger {
  DWORD type, action;
  GUID *subtype;
  DWORD count;
  trigger_item *items;
} trigger;

typedef struct trigger_info {
  DWORD count;
  trigger *triggers;
  BYTE *reserved;
} trigger_info;

static DWORD get_number(const wchar_t *name, const wchar_t *below, const wchar_t *value, DWORD missing) {
  DWORD number = missing;
  read_value(name, below, value, &number, sizeof number);
  return number;
}

static int has_trigger(const wchar_t *name, DWORD n) {
  wchar_t below[32];
  _snwprintf(below, 32, L"\\TriggerInfo\\%lu", n);
  return get_number(name, below, L"Type", 0) != 0;
}

static BOOL set_triggers(const wchar_t *name, const trigger_info *info) {
  DWORD n = 0;
  if (info->count == 0 && !has_trigger(name, 0)) return fail(ERROR_INVALID_PARAMETER);
  HKEY key = open_key(name, L"", 1);
  for (wchar_t below[32]; has_trigger(name, n); n++) {
    _snwprintf(below, 32, L"TriggerInfo\\%lu", n);
    RegDeleteKeyW(key, below);
  }
  RegCloseKey(key);
  for (DWORD i = 0; i < info->count; i++) {
    const trigger *t = &info->triggers[i];
    wchar_t below[32], value[32];
    _snwprintf(below, 32, L"\\TriggerInfo\\%lu", i);
    write_value(name, below, L"Type", REG_DWORD, &t->type, sizeof t->type);
    write_value(name, below, L"Action", REG_DWORD, &t->action, sizeof t->action);
    write_value(name, below, L"GUID", REG_BINARY, t->subtype, sizeof *t->subtype);
    for (DWORD k = 0; k < t->count; k++) {
      _snwprintf(value, 32, L"Data%lu", k);
      write_value(name, below, value, REG_BINARY, t->items[k].bytes, t->items[k].size);
      _snwprintf(value, 32, L"DataType%lu", k);
      write_value(name, below, value, REG_DWORD, &t->items[k].type, sizeof(DWORD));
    }
  }
  return TRUE;
}

static void get_items(const wchar_t *name, const wchar_t *below, answer *a, trigger *t) {
  trigger_item items[16] = {{0, 0, NULL}};
  BYTE bytes[2048];
  for (; t->count < 16; t->count++) {
    wchar_t value[32];
    _snwprintf(value, 32, L"DataType%lu", t->count);
    items[t->count].type = get_number(name, below, value, 0);
    if (items[t->count].type == 0) break;
    _snwprintf(value, 32, L"Data%lu", t->count);
    items[t->count].size = read_value(name, below, value, bytes, sizeof bytes);
    items[t->count].bytes = put(a, bytes, items[t->count].size);
  }
  t->items = put(a, items, t->count * sizeof *items);
}

static void get_triggers(const wchar_t *name, answer *a) {
  trigger triggers[64] = {{0, 0, NULL, 0, NULL}};
  trigger_info *info = put(a, NULL, sizeof *info);
  GUID subtype;
  if (!has_trigger(name, 0)) return;
  for (; info->count < 64; info->count++) {
    wchar_t below[32];
    trigger *t = &triggers[info->count];
    _snwprintf(below, 32, L"\\TriggerInfo\\%lu", info->count);
    if (read_value(name, below, L"GUID", &subtype, sizeof subtype) == 0) break;
    t->type = get_number(name, below, L"Type", 0);
    t->action = get_number(name, below, L"Action", 0);
    t->subtype = put(a, &subtype, sizeof subtype);
    get_items(name, below, a, t);
  }
  info->triggers = put(a, triggers, info->count * sizeof *triggers);
}

/* ---- The levels ---- */

/* The values that are one number. */
static const wchar_t *number_value(DWORD level) {
  switch (level) {
    case DELAYED_START:
      return L"DelayedAutostart";
    case FAILURE_FLAG:
      return L"FailureActionsOnNonCrashFailures";
    case SID_TYPE:
      return L"ServiceSidType";
    case PROTECTION:
      return L"LaunchProtected";
    default:
      return NULL;
  }
}

static BOOL set_node(const wchar_t *name, const BYTE *info) {
  USHORT node;
  memcpy(&node, info, sizeof node);
  DWORD number = node;
  if (info[2]) delete_value(name, L"PreferredNode");
  else write_value(name, L"", L"PreferredNode", REG_DWORD, &number, sizeof number);
  return TRUE;
}

static void get_node(const wchar_t *name, answer *a) {
  DWORD node = get_number(name, L"", L"PreferredNode", 0x10000);
  BYTE *out = put(a, NULL, 4);
  USHORT number = (USHORT)node;
  memcpy(out, &number, sizeof number);
  out[2] = node == 0x10000;
}

static BOOL WINAPI change_config(SC_HANDLE service, DWORD level, LPVOID info) {
  DWORD access;
  const wchar_t *name = shim_service(service, &access);
  if (is_newer(level)) return fail(ERROR_INVALID_LEVEL);
  if (!is_on() || name == NULL || level < FAILURE_ACTIONS || level == 7)
    return ChangeServiceConfig2W(service, level, info);
  if (!(access & SERVICE_CHANGE_CONFIG)) return fail(ERROR_ACCESS_DENIED);
  const wchar_t *list = level == PRIVILEGES ? *(wchar_t **)info : NULL;
  if (number_value(level)) write_value(name, L"", number_value(level), REG_DWORD, info, sizeof(DWORD));
  else if (list) write_value(name, L"", L"RequiredPrivileges", REG_MULTI_SZ, list, list_bytes(list));
  else if (level == FAILURE_ACTIONS) return set_failure(name, access, info);
  else if (level == TRIGGERS) return set_triggers(name, info);
  else if (level == NODE) return set_node(name, info);
  else return fail(ERROR_INVALID_LEVEL);
  return TRUE;
}

static void move_pointers(DWORD level, const answer *a, BYTE *out) {
  if (level == FAILURE_ACTIONS) {
    SERVICE_FAILURE_ACTIONSW *f = (SERVICE_FAILURE_ACTIONSW *)out;
    f->lpRebootMsg = moved(a, out, f->lpRebootMsg);
    f->lpCommand = moved(a, out, f->lpCommand);
    f->lpsaActions = moved(a, out, f->lpsaActions);
  } else if (level == PRIVILEGES) {
    *(void **)out = moved(a, out, *(void **)out);
  } else if (level == TRIGGERS) {
    trigger_info *info = (trigger_info *)out;
    info->triggers = moved(a, out, info->triggers);
    for (DWORD i = 0; i < info->count; i++) {
      trigger *t = &info->triggers[i];
      t->subtype = moved(a, out, t->subtype);
      t->items = moved(a, out, t->items);
      for (DWORD k = 0; k < t->count; k++) t->items[k].bytes = moved(a, out, t->items[k].bytes);
    }
  }
}

static int fill(DWORD level, const wchar_t *name, answer *a) {
  DWORD number;
  if (number_value(level)) {
    number = get_number(name, L"", number_value(level), 0);
    put(a, &number, sizeof number);
  } else if (level == FAILURE_ACTIONS) get_failure(name, a);
  else if (level == TRIGGERS) get_triggers(name, a);
  else if (level == NODE) get_node(name, a);
  else if (level == PRIVILEGES) {
    wchar_t **list = put(a, NULL, sizeof *list);
    *list = put_value(a, name, L"RequiredPrivileges");
  } else return 0;
  return 1;
}

static BOOL WINAPI query_config(SC_HANDLE service, DWORD level, LPBYTE out, DWORD size, LPDWORD needed) {
  DWORD access;
  const wchar_t *name = shim_service(service, &access);
  if (is_newer(level)) return fail(ERROR_INVALID_LEVEL);
  if (!is_on() || name == NULL || level < FAILURE_ACTIONS || level == 7)
    return QueryServiceConfig2W(service, level, out, size, needed);
  if (!(access & SERVICE_QUERY_CONFIG)) return fail(ERROR_ACCESS_DENIED);
  answer *a = calloc(1, sizeof *a);
  int known = a && fill(level, name, a), fits = known && a->size <= size;
  if (known) *needed = (DWORD)a->size;
  if (fits) {
    memcpy(out, a->bytes, a->size);
    move_pointers(level, a, out);
  }
  free(a);
  return fits ? TRUE : fail(known ? ERROR_INSUFFICIENT_BUFFER : ERROR_INVALID_LEVEL);
}

/* ---- Security ---- */

/* What a new service gets on Windows. */
static const wchar_t default_security[] =
    L"O:SYG:SYD:(A;;CCLCSWRPWPDTLOCRRC;;;SY)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;BA)(A;;CCLCSWLOCRRC;;;IU)"
    L"(A;;CCLCSWLOCRRC;;;SU)";

/* The stored descriptor, or the default one, as SDDL without the parts that are not wanted; free with LocalFree. */
static wchar_t *security_text(const wchar_t *name, SECURITY_INFORMATION parts) {
  BYTE bytes[8192];
  PSECURITY_DESCRIPTOR standard = NULL, descriptor = bytes;
  wchar_t *text = NULL;
  if (read_value(name, L"\\Security", L"Security", bytes, sizeof bytes) == 0) {
    ConvertStringSecurityDescriptorToSecurityDescriptorW(default_security, SDDL_REVISION_1, &standard, NULL);
    descriptor = standard;
  }
  ConvertSecurityDescriptorToStringSecurityDescriptorW(descriptor, SDDL_REVISION_1, parts, &text, NULL);
  if (standard) LocalFree(standard);
  return text;
}

static BOOL WINAPI query_security(SC_HANDLE service, SECURITY_INFORMATION parts, PSECURITY_DESCRIPTOR out, DWORD size,
                                  LPDWORD needed) {
  DWORD access;
  const wchar_t *name = shim_service(service, &access);
  if (!is_on() || name == NULL) return QueryServiceObjectSecurity(service, parts, out, size, needed);
  DWORD rights = READ_CONTROL | (parts & SACL_SECURITY_INFORMATION ? ACCESS_SYSTEM_SECURITY : 0);
  if ((access & rights) != rights) return fail(ERROR_ACCESS_DENIED);
  PSECURITY_DESCRIPTOR descriptor;
  wchar_t *text = security_text(name, parts);
  if (text == NULL ||
      !ConvertStringSecurityDescriptorToSecurityDescriptorW(text, SDDL_REVISION_1, &descriptor, needed))
    return fail(ERROR_INVALID_SECURITY_DESCR);
  BOOL fits = *needed <= size;
  if (fits) memcpy(out, descriptor, *needed);
  LocalFree(descriptor);
  LocalFree(text);
  return fits ? TRUE : fail(ERROR_INSUFFICIENT_BUFFER);
}

static BOOL WINAPI set_security(SC_HANDLE service, SECURITY_INFORMATION parts, PSECURITY_DESCRIPTOR given) {
  static const struct {
    SECURITY_INFORMATION part;
    DWORD right;
  } all[] = {{OWNER_SECURITY_INFORMATION, WRITE_OWNER},
             {GROUP_SECURITY_INFORMATION, WRITE_OWNER},
             {DACL_SECURITY_INFORMATION, WRITE_DAC},
             {SACL_SECURITY_INFORMATION, ACCESS_SYSTEM_SECURITY}};
  DWORD access;
  const wchar_t *name = shim_service(service, &access);
  wchar_t whole[8192] = {0};
  if (!is_on() || name == NULL) return SetServiceObjectSecurity(service, parts, given);
  for (int i = 0; i < 4; i++) {
    wchar_t *text = NULL;
    if ((parts & all[i].part) && !(access & all[i].right)) return fail(ERROR_ACCESS_DENIED);
    if (parts & all[i].part)
      ConvertSecurityDescriptorToStringSecurityDescriptorW(given, SDDL_REVISION_1, all[i].part, &text, NULL);
    else text = security_text(name, all[i].part);
    if (text) wcscat(whole, text);
    if (text) LocalFree(text);
  }
  PSECURITY_DESCRIPTOR descriptor;
  ULONG size;
  if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(whole, SDDL_REVISION_1, &descriptor, &size)) return FALSE;
  write_value(name, L"\\Security", L"Security", REG_BINARY, descriptor, size);
  LocalFree(descriptor);
  return TRUE;
}

const shim_replacement shim_scm_config[] = {SHIM_REPLACE(ChangeServiceConfig2W, change_config),
                                            SHIM_REPLACE(QueryServiceConfig2W, query_config),
                                            SHIM_REPLACE(QueryServiceObjectSecurity, query_security),
                                            SHIM_REPLACE(SetServiceObjectSecurity, set_security),
                                            {NULL, NULL}};
