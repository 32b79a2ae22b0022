/* win.task: scheduled tasks. What a task says is read and written in task.lua, all else in engine/core/task.lua. */
#include "task_parts.h"

/* Whether this Windows has Task Scheduler 2.0: Vista brought it. */
static int is_service(lua_State *L) {
  enum { VISTA = 6 };
  RTL_OSVERSIONINFOW version = {.dwOSVersionInfoSize = sizeof version};
  winapi_load(L, "ntdll");
  if (win32.RtlGetVersion(&version) < 0) luax_fail(L, "version", ERROR_NOT_SUPPORTED);
  return version.dwMajorVersion >= VISTA;
}

void task_set_time(lua_State *L, const char *key, const SYSTEMTIME *local) {
  enum { FIRST_YEAR = 2000 };
  SYSTEMTIME utc;
  FILETIME time;
  if (local->wYear < FIRST_YEAR || !TzSpecificLocalTimeToSystemTime(NULL, local, &utc)) return;
  if (!SystemTimeToFileTime(&utc, &time)) return;
  luax_pushtime(L, ((ULONGLONG)time.dwHighDateTime << 32) | time.dwLowDateTime);
  lua_setfield(L, -2, key);
}

static int task_version(lua_State *L) {
  luax_arguments(L, 0, 0);
  lua_pushinteger(L, is_service(L) ? 2 : 1);
  return 1;
}

/* The rows as the scheduler has them: {path=, state= (2.0) or status= (1.0), enabled=, last_run=, next_run=,
 * last_result=}. */
static int task_list(lua_State *L) {
  luax_arguments(L, 0, 0);
  com_begin(L);
  if (is_service(L)) task_service_push_list(L);
  else task_scheduler_push_list(L);
  return 1;
}

/* A row with what defines the task: xml= (2.0), or program=, arguments=, directory=, description=, account=,
 * triggers={{type=, every=, begins=}} (1.0). */
static int task_get(lua_State *L) {
  luax_arguments(L, 1, 1);
  const wchar_t *path = luax_checkwide(L, 1, "path", NULL);
  com_begin(L);
  if (is_service(L)) task_service_push(L, path);
  else task_scheduler_push(L, path);
  return 1;
}

/* (path, {xml=, logon=, user=, password=}) for 2.0, the fields of task_get and user=, password= for 1.0 */
static int task_create(lua_State *L) {
  luax_arguments(L, 2, 2);
  const wchar_t *path = luax_checkwide(L, 1, "path", NULL);
  luaL_checktype(L, 2, LUA_TTABLE);
  com_begin(L);
  if (is_service(L)) task_service_put(L, path, 2);
  else task_scheduler_put(L, path, 2);
  return 0;
}

static int task_delete(lua_State *L) {
  luax_arguments(L, 1, 1);
  const wchar_t *path = luax_checkwide(L, 1, "path", NULL);
  com_begin(L);
  if (is_service(L)) task_service_delete(L, path);
  else task_scheduler_delete(L, path);
  return 0;
}

static int task_run(lua_State *L) {
  luax_arguments(L, 1, 1);
  const wchar_t *path = luax_checkwide(L, 1, "path", NULL);
  com_begin(L);
  if (is_service(L)) task_service_run(L, path);
  else task_scheduler_run(L, path);
  return 0;
}

static const luaL_Reg reads[] = {{"version", task_version}, {"list", task_list}, {"get", task_get}, {NULL, NULL}};
static const luaL_Reg writes[] = {{"create", task_create}, {"delete", task_delete}, {"run", task_run}, {NULL, NULL}};

const luax_subject task_subject = {"task", reads, writes, "task"};
