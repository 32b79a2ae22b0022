/* win.task through Task Scheduler 1.0, of Windows Server 2003.
 * https://learn.microsoft.com/windows/win32/taskschd/task-scheduler-1-0-interfaces */
#include "task_scheduler.h"

#include <string.h>

#include "task_parts.h"

const CLSID task_scheduler_class = {0x148bd52a, 0xa2ab, 0x11ce, {0xb1, 0x1f, 0x00, 0xaa, 0x00, 0x53, 0x05, 0x03}};
static const CLSID item_class = {0x148bd520, 0xa2ab, 0x11ce, {0xb1, 0x1f, 0x00, 0xaa, 0x00, 0x53, 0x05, 0x03}};
static const IID scheduler_interface = {0x148bd527, 0xa2ab, 0x11ce, {0xb1, 0x1f, 0x00, 0xaa, 0x00, 0x53, 0x05, 0x03}};
static const IID item_interface = {0x148bd524, 0xa2ab, 0x11ce, {0xb1, 0x1f, 0x00, 0xaa, 0x00, 0x53, 0x05, 0x03}};
static const IID file_interface = {0x0000010b, 0x0000, 0x0000, {0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46}};

enum {
  TRIGGER_ONCE = 0,
  TRIGGER_DAILY = 1,
  TRIGGER_STARTUP = 6,
  TRIGGER_LOGON = 7,
  DISABLED = 4,
  MINUTES_OF_A_DAY = 1440,
};

/* In the order of TASK_TRIGGER_TYPE. */
static const char *const trigger_types[] = {"time",    "time", "weekly",  "monthly",
                                            "monthly", "idle", "startup", "logon"};

static const char *const target = "Task Scheduler";

static void free_task_memory(UINT_PTR value) { win32.CoTaskMemFree((void *)value); }

static task_scheduler *open_scheduler(lua_State *L) {
  return com_create(L, target, &task_scheduler_class, CLSCTX_INPROC_SERVER, &scheduler_interface);
}

/* Names have no folders here, and are given with or without the backslash of the root. */
static const wchar_t *plain_name(const wchar_t *path) { return *path == L'\\' ? path + 1 : path; }

/* Opens a task (+ its slot), or returns NULL. Longer names are none; Wine's scheduler faults on them. */
static task_item *open_item(lua_State *L, task_scheduler *scheduler, const wchar_t *name) {
  enum { LONGEST_NAME = 238 };
  luax_handle *slot = com_slot(L);
  if (wcslen(name) > LONGEST_NAME) return NULL;
  task_item *item = NULL;
  HRESULT result = scheduler->v->activate(scheduler, name, &item_interface, &item);
  if (result == HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND) || result == HRESULT_FROM_WIN32(ERROR_PATH_NOT_FOUND))
    return NULL;
  return com_keep(L, slot, target, result, item);
}

/* ---- Reading ---- */

#define NO_ACCOUNT ((HRESULT)0x8004130FL)  /* SCHED_E_ACCOUNT_INFORMATION_NOT_SET */
#define NO_SECURITY ((HRESULT)0x80041312L) /* SCHED_E_NO_SECURITY_SERVICES */

/* Whether the scheduler has no account for a task, of which Wine never knows one. */
static int is_absent(HRESULT result) {
  return result == NO_ACCOUNT || result == NO_SECURITY || result == HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND);
}

/* record[key] = a text, for the record on top; nothing where the scheduler has none. */
static void set_text(lua_State *L, task_item *item, task_item_text get, const char *key) {
  luax_handle *slot = luax_newhandle(L, free_task_memory);
  LPWSTR text = NULL;
  HRESULT result = get(item, &text);
  if (!is_absent(result)) com_check(L, target, result);
  if (SUCCEEDED(result) && text) {
    slot->value = (UINT_PTR)text;
    luax_pushwidez(L, text);
    lua_setfield(L, -3, key);
  }
  lua_pop(L, 1);
}

static void set_time(lua_State *L, task_item *item, task_item_time get, const char *key) {
  SYSTEMTIME local = {0};
  if (get(item, &local) == S_OK) task_set_time(L, key, &local);
}

static void push_trigger(lua_State *L, const task_trigger_data *trigger) {
  size_t known = sizeof trigger_types / sizeof *trigger_types;
  lua_createtable(L, 0, 2);
  luax_settext(L, "type", (size_t)trigger->type < known ? trigger_types[trigger->type] : "unknown");
  if (trigger->minutes_interval) luax_setinteger(L, "every", (lua_Integer)trigger->minutes_interval * 60);
  else if (trigger->type == TRIGGER_DAILY)
    luax_setinteger(L, "every", (lua_Integer)trigger->of.days * MINUTES_OF_A_DAY * 60);
  if (trigger->type < TRIGGER_STARTUP)
    lua_pushfstring(L, "%d-%d-%dT%d:%d:00", trigger->begin_year, trigger->begin_month, trigger->begin_day,
                    trigger->hour, trigger->minute);
  else lua_pushnil(L);
  lua_setfield(L, -2, "begins");
}

static void set_triggers(lua_State *L, task_item *item) {
  int record = lua_gettop(L);
  WORD count = 0;
  com_check(L, target, item->v->get_trigger_count(item, &count));
  lua_newtable(L);
  for (WORD i = 0; i < count; i++) {
    luax_handle *slot = com_slot(L);
    task_trigger *trigger = NULL;
    HRESULT result = item->v->get_trigger(item, i, &trigger);
    com_keep(L, slot, target, result, trigger);
    task_trigger_data data = {.size = sizeof data};
    com_check(L, target, trigger->v->get(trigger, &data));
    push_trigger(L, &data);
    lua_seti(L, record + 1, i + 1);
    lua_settop(L, record + 1);
  }
  lua_setfield(L, record, "triggers");
}

static void push_row(lua_State *L, task_item *item, const wchar_t *name) {
  DWORD flags = 0, code = 0;
  HRESULT status = 0;
  lua_createtable(L, 0, 12);
  luax_pushwidez(L, name);
  lua_pushfstring(L, "\\%s", lua_tostring(L, -1));
  lua_setfield(L, -3, "path");
  lua_pop(L, 1);
  com_check(L, target, item->v->get_flags(item, &flags));
  luax_setboolean(L, "enabled", (flags & DISABLED) == 0);
  if (SUCCEEDED(item->v->get_status(item, &status))) luax_setinteger(L, "status", (DWORD)status);
  if (SUCCEEDED(item->v->get_exit_code(item, &code))) luax_setinteger(L, "last_result", code);
  set_time(L, item, item->v->get_last_run, "last_run");
  set_time(L, item, item->v->get_next_run, "next_run");
}

static void push_record(lua_State *L, task_item *item, const wchar_t *name) {
  push_row(L, item, name);
  set_text(L, item, item->v->get_program, "program");
  set_text(L, item, item->v->get_arguments, "arguments");
  set_text(L, item, item->v->get_directory, "directory");
  set_text(L, item, item->v->get_comment, "description");
  set_text(L, item, item->v->get_account, "account");
  set_triggers(L, item);
}

void task_scheduler_push(lua_State *L, const wchar_t *path) {
  task_item *item = open_item(L, open_scheduler(L), plain_name(path));
  if (item) push_record(L, item, plain_name(path));
  else lua_pushnil(L);
}

/* The next name of an enumeration (+2, the slots that free it), without its ".job"; NULL after the last. */
static wchar_t *next_name(lua_State *L, task_names *names) {
  luax_handle *list_slot = luax_newhandle(L, free_task_memory), *slot = luax_newhandle(L, free_task_memory);
  LPWSTR *list = NULL;
  ULONG fetched = 0;
  HRESULT result = names->v->next(names, 1, &list, &fetched);
  com_check(L, target, result);
  if (fetched == 0) return NULL;
  list_slot->value = (UINT_PTR)list;
  slot->value = (UINT_PTR)list[0];
  size_t n = wcslen(list[0]);
  if (n > 4 && _wcsicmp(list[0] + n - 4, L".job") == 0) list[0][n - 4] = 0;
  return list[0];
}

void task_scheduler_push_list(lua_State *L) {
  lua_newtable(L);
  int list = lua_gettop(L);
  task_scheduler *scheduler = open_scheduler(L);
  luax_handle *slot = com_slot(L);
  task_names *names = NULL;
  HRESULT result = scheduler->v->enumerate(scheduler, &names);
  com_keep(L, slot, target, result, names);
  int top = lua_gettop(L);
  for (const wchar_t *name; (name = next_name(L, names)) != NULL; lua_settop(L, top)) {
    task_item *item = open_item(L, scheduler, name);
    if (item == NULL) continue; /* gone meanwhile */
    push_row(L, item, name);
    lua_seti(L, list, luaL_len(L, list) + 1);
  }
  lua_settop(L, list);
}

/* ---- Changing ---- */

/* Sets a text from the record at `index`; "" where it has none. */
static void put_text(lua_State *L, task_item *item, task_item_put put, int index, const char *key) {
  int top = lua_gettop(L);
  const wchar_t *text = luax_optwide(L, luax_field(L, index, key), key);
  com_check(L, lua_tostring(L, 1), put(item, text ? text : L""));
  lua_settop(L, top);
}

/* The trigger on top: {type="startup"|"logon"|"time", every=seconds}. */
static task_trigger_data check_trigger(lua_State *L) {
  static const char *const words[] = {"startup", "logon", "time", NULL};
  static const int types[] = {TRIGGER_STARTUP, TRIGGER_LOGON, TRIGGER_DAILY};
  int trigger = lua_gettop(L);
  task_trigger_data data = {.size = sizeof data, .begin_year = 2000, .begin_month = 1, .begin_day = 1};
  data.type = types[luax_checkword(L, luax_field(L, trigger, "type"), "type", words, -1)];
  if (data.type == TRIGGER_DAILY) {
    lua_Integer minutes = luax_checkinteger(L, luax_field(L, trigger, "every"), "every", 60, 31 * 86400) / 60;
    data.of.days = (WORD)(minutes < MINUTES_OF_A_DAY ? 1 : minutes / MINUTES_OF_A_DAY);
    data.minutes_interval = minutes < MINUTES_OF_A_DAY ? (DWORD)minutes : 0;
    data.minutes_duration = data.minutes_interval ? MINUTES_OF_A_DAY : 0;
  }
  lua_settop(L, trigger);
  return data;
}

static void put_triggers(lua_State *L, task_item *item, int index) {
  WORD count = 0;
  com_check(L, lua_tostring(L, 1), item->v->get_trigger_count(item, &count));
  while (count > 0) com_check(L, lua_tostring(L, 1), item->v->delete_trigger(item, --count));
  int list = luax_field(L, index, "triggers");
  for (lua_Integer i = 1; lua_geti(L, list, i) == LUA_TTABLE; i++) {
    task_trigger_data data = check_trigger(L);
    luax_handle *slot = com_slot(L);
    task_trigger *trigger = NULL;
    WORD place;
    HRESULT result = item->v->create_trigger(item, &place, &trigger);
    com_keep(L, slot, lua_tostring(L, 1), result, trigger);
    com_check(L, lua_tostring(L, 1), trigger->v->set(trigger, &data));
    lua_settop(L, list);
  }
  lua_settop(L, list - 1);
}

/* An empty account is LocalSystem; without any the task gets none.
 * https://learn.microsoft.com/windows/win32/api/mstask/nf-mstask-ischeduledworkitem-setaccountinformation */
static void put_account(lua_State *L, task_item *item, int index) {
  const wchar_t *user = luax_optwide(L, luax_field(L, index, "user"), "user");
  const wchar_t *password = luax_optsecret(L, luax_field(L, index, "password"), "password");
  if (user) com_check(L, lua_tostring(L, 1), item->v->set_account(item, user, *user ? password : NULL));
}

static void save(lua_State *L, task_item *item) {
  luax_handle *slot = com_slot(L);
  void *file = NULL;
  HRESULT result = item->v->query(item, &file_interface, &file);
  IPersistFile *saved = com_keep(L, slot, target, result, file);
  com_check(L, lua_tostring(L, 1), saved->lpVtbl->Save(saved, NULL, TRUE));
}

void task_scheduler_put(lua_State *L, const wchar_t *path, int index) {
  task_scheduler *scheduler = open_scheduler(L);
  task_item *item = open_item(L, scheduler, plain_name(path));
  if (item == NULL) {
    luax_handle *slot = com_slot(L);
    HRESULT result = scheduler->v->new_item(scheduler, plain_name(path), &item_class, &item_interface, &item);
    com_keep(L, slot, lua_tostring(L, 1), result, item);
  }
  put_text(L, item, item->v->set_program, index, "program");
  put_text(L, item, item->v->set_arguments, index, "arguments");
  put_text(L, item, item->v->set_directory, index, "directory");
  put_text(L, item, item->v->set_comment, index, "description");
  put_triggers(L, item, index);
  put_account(L, item, index);
  int is_enabled = luax_optboolean(L, luax_field(L, index, "enabled"), "enabled", 1);
  com_check(L, lua_tostring(L, 1), item->v->set_flags(item, is_enabled ? 0 : DISABLED));
  com_check(L, lua_tostring(L, 1), item->v->set_longest_run(item, INFINITE));
  save(L, item);
}

/* The service reads a task that has just changed, and keeps others from deleting it meanwhile. */
void task_scheduler_delete(lua_State *L, const wchar_t *path) {
  enum { TRIES = 20, PAUSE_MS = 50 };
  task_scheduler *scheduler = open_scheduler(L);
  HRESULT result = scheduler->v->delete_item(scheduler, plain_name(path));
  for (int i = 0; i < TRIES && result == HRESULT_FROM_WIN32(ERROR_SHARING_VIOLATION); i++) {
    luax_sleep(L, PAUSE_MS);
    result = scheduler->v->delete_item(scheduler, plain_name(path));
  }
  com_check(L, lua_tostring(L, 1), result);
}

void task_scheduler_run(lua_State *L, const wchar_t *path) {
  task_item *item = open_item(L, open_scheduler(L), plain_name(path));
  if (item == NULL) luax_fail(L, lua_tostring(L, 1), ERROR_FILE_NOT_FOUND);
  com_check(L, lua_tostring(L, 1), item->v->run(item));
}
