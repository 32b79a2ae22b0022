/* win.task through Task Scheduler 2.0, of Vista and newer.
 * https://learn.microsoft.com/windows/win32/taskschd/task-scheduler-2-0-interfaces */
#include "task_service.h"

#include "task_parts.h"

const CLSID task_service_class = {0x0f87369f, 0xa4e5, 0x4cfc, {0xbd, 0x3e, 0x73, 0xe6, 0x15, 0x45, 0x72, 0xdd}};
static const IID service_interface = {0x2faba4c7, 0x4da9, 0x4013, {0x96, 0x97, 0x20, 0xcc, 0x3f, 0xd4, 0x0f, 0x85}};

enum { INCLUDE_HIDDEN = 1, CREATE_OR_UPDATE = 6, LOGON_PASSWORD = 1, DEEPEST = 32 };

#define NOTHING ((VARIANT){0})
#define NO_TASK HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND)
#define NO_FOLDER HRESULT_FROM_WIN32(ERROR_PATH_NOT_FOUND)

/* Connects to the service of this machine (+ slots) and opens the root folder.
 * https://learn.microsoft.com/windows/win32/api/taskschd/nf-taskschd-itaskservice-connect */
static task_folder *open_root(lua_State *L) {
  BSTR root = com_text(L, L"\\");
  task_service *service =
      com_create(L, "Task Scheduler", &task_service_class, CLSCTX_INPROC_SERVER, &service_interface);
  com_check(L, "Task Scheduler", service->v->connect(service, NOTHING, NOTHING, NOTHING, NOTHING));
  luax_handle *slot = com_slot(L);
  task_folder *folder = NULL;
  HRESULT result = service->v->get_folder(service, root, &folder);
  return com_keep(L, slot, "Task Scheduler", result, folder);
}

/* ---- Reading ---- */

static void set_text(lua_State *L, registered_task *task, task_text get, const char *key) {
  int record = lua_gettop(L);
  VARIANT *text = com_variant(L);
  V_VT(text) = VT_BSTR;
  com_check(L, "Task Scheduler", get(task, &V_BSTR(text)));
  com_push(L, text);
  lua_setfield(L, record, key);
  lua_settop(L, record);
}

/* What never was, and what will not be, has an odd date or none. */
static void set_date(lua_State *L, registered_task *task, task_date get, const char *key) {
  DATE date = 0;
  SYSTEMTIME local;
  if (FAILED(get(task, &date))) com_forget();
  else if (win32.VariantTimeToSystemTime(date, &local)) task_set_time(L, key, &local);
}

static void push_row(lua_State *L, registered_task *task) {
  int state = 0;
  LONG last = 0;
  VARIANT_BOOL enabled = VARIANT_FALSE;
  lua_createtable(L, 0, 8);
  set_text(L, task, task->v->get_path, "path");
  com_check(L, "Task Scheduler", task->v->get_state(task, &state));
  com_check(L, "Task Scheduler", task->v->get_enabled(task, &enabled));
  luax_setinteger(L, "state", state);
  luax_setboolean(L, "enabled", enabled != VARIANT_FALSE);
  set_date(L, task, task->v->get_last_run, "last_run");
  set_date(L, task, task->v->get_next_run, "next_run");
  if (SUCCEEDED(task->v->get_last_result(task, &last))) luax_setinteger(L, "last_result", (DWORD)last);
  else com_forget();
}

static LONG count_rows(lua_State *L, task_rows *rows) {
  LONG count = 0;
  com_check(L, "Task Scheduler", rows->v->get_count(rows, &count));
  return count;
}

static void *open_item(lua_State *L, task_rows *rows, LONG i) {
  luax_handle *slot = com_slot(L);
  void *item = NULL;
  HRESULT result = rows->v->get_item(rows, com_from_integer(i), &item);
  return com_keep(L, slot, "Task Scheduler", result, item);
}

/* Appends the tasks of a folder to the list at `list`; none of a folder below the root whose tasks are not for p80.
 */
static void add_tasks(lua_State *L, task_folder *folder, int list, int depth) {
  int top = lua_gettop(L);
  luax_handle *slot = com_slot(L);
  task_rows *tasks = NULL;
  HRESULT result = folder->v->get_tasks(folder, INCLUDE_HIDDEN, &tasks);
  if (result == E_ACCESSDENIED && depth > 0) {
    com_forget();
    lua_settop(L, top);
    return;
  }
  com_keep(L, slot, "Task Scheduler", result, tasks);
  LONG count = count_rows(L, tasks);
  int rows_top = lua_gettop(L);
  for (LONG i = 1; i <= count; i++) {
    push_row(L, open_item(L, tasks, i));
    lua_seti(L, list, luaL_len(L, list) + 1);
    lua_settop(L, rows_top);
  }
  lua_settop(L, top);
}

/* The same for the folders below it. */
static void add_folder(lua_State *L, task_folder *folder, int list, int depth) {
  luaL_checkstack(L, 30, "folders of tasks");
  add_tasks(L, folder, list, depth);
  int top = lua_gettop(L);
  luax_handle *slot = com_slot(L);
  task_rows *folders = NULL;
  HRESULT result = folder->v->get_folders(folder, 0, &folders);
  com_keep(L, slot, "Task Scheduler", result, folders);
  LONG count = depth < DEEPEST ? count_rows(L, folders) : 0;
  int rows_top = lua_gettop(L);
  for (LONG i = 1; i <= count; i++) {
    add_folder(L, open_item(L, folders, i), list, depth + 1);
    lua_settop(L, rows_top);
  }
  lua_settop(L, top);
}

void task_service_push_list(lua_State *L) {
  lua_newtable(L);
  int list = lua_gettop(L);
  add_folder(L, open_root(L), list, 0);
  lua_settop(L, list);
}

/* Opens a task (+ slots), or returns NULL. */
static registered_task *open_task(lua_State *L, const wchar_t *path) {
  BSTR text = com_text(L, path);
  task_folder *root = open_root(L);
  luax_handle *slot = com_slot(L);
  registered_task *task = NULL;
  HRESULT result = root->v->get_task(root, text, &task);
  if (result == NO_TASK || result == NO_FOLDER) return NULL;
  return com_keep(L, slot, "Task Scheduler", result, task);
}

void task_service_push(lua_State *L, const wchar_t *path) {
  registered_task *task = open_task(L, path);
  if (task == NULL) {
    lua_pushnil(L);
    return;
  }
  push_row(L, task);
  set_text(L, task, task->v->get_xml, "xml");
}

/* ---- Changing ---- */

/* As whom a task runs (+ slots): VARIANTs that are empty where the record at `index` has none. */
static VARIANT user_field(lua_State *L, int index) {
  const wchar_t *user = luax_optwide(L, luax_field(L, index, "user"), "user");
  return user ? com_from_text(com_text(L, user)) : NOTHING;
}

static VARIANT password_field(lua_State *L, int index) {
  const wchar_t *password = luax_optsecret(L, luax_field(L, index, "password"), "password");
  return password ? com_from_text(com_secret(L, password)) : NOTHING;
}

/* https://learn.microsoft.com/windows/win32/api/taskschd/nf-taskschd-itaskfolder-registertask */
void task_service_put(lua_State *L, const wchar_t *path, int index) {
  const char *target = lua_tostring(L, 1);
  luaL_checkstack(L, 30, NULL);
  VARIANT user = user_field(L, index), password = password_field(L, index);
  BSTR name = com_text(L, path), xml = com_text(L, luax_checkwide(L, luax_field(L, index, "xml"), "xml", NULL));
  int logon = (int)luax_checkinteger(L, luax_field(L, index, "logon"), "logon", 0, 6);
  task_folder *root = open_root(L);
  luax_handle *slot = com_slot(L);
  registered_task *task = NULL;
  HRESULT result = root->v->register_task(root, name, xml, CREATE_OR_UPDATE, user, password, logon, NOTHING, &task);
  com_keep(L, slot, target, result, task);
}

void task_service_delete(lua_State *L, const wchar_t *path) {
  BSTR name = com_text(L, path);
  task_folder *root = open_root(L);
  com_check(L, lua_tostring(L, 1), root->v->delete_task(root, name, 0));
}

void task_service_run(lua_State *L, const wchar_t *path) {
  registered_task *task = open_task(L, path);
  if (task == NULL) luax_fail(L, lua_tostring(L, 1), ERROR_FILE_NOT_FOUND);
  luax_handle *slot = com_slot(L);
  void *running = NULL;
  HRESULT result = task->v->run(task, NOTHING, &running);
  com_check(L, lua_tostring(L, 1), result);
  slot->value = (UINT_PTR)running; /* none when it has ended already */
}
