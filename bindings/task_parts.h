/* The two generations of the Task Scheduler. The functions are called after com_begin. */
#ifndef P80_TASK_PARTS_H
#define P80_TASK_PARTS_H

#include "com.h"

extern const CLSID task_service_class, task_scheduler_class;

/* Sets the time that Windows gives as local time in the record on top; nothing where there is none. */
void task_set_time(lua_State *L, const char *key, const SYSTEMTIME *local);

/* Push the array of tasks, and one of them in full (nil when there is none); see task.c. */
void task_service_push_list(lua_State *L);
void task_scheduler_push_list(lua_State *L);
void task_service_push(lua_State *L, const wchar_t *path);
void task_scheduler_push(lua_State *L, const wchar_t *path);

/* Create a task, or replace it: of 2.0 from the XML at `index`, of 1.0 from the record there. */
void task_service_put(lua_State *L, const wchar_t *path, int index);
void task_scheduler_put(lua_State *L, const wchar_t *path, int index);

void task_service_delete(lua_State *L, const wchar_t *path);
void task_scheduler_delete(lua_State *L, const wchar_t *path);

/* Start a task; it is not waited for. */
void task_service_run(lua_State *L, const wchar_t *path);
void task_scheduler_run(lua_State *L, const wchar_t *path);

#endif
