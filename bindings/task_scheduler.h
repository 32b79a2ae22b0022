/* Task Scheduler 1.0 (mstask.h): only the methods that p80 calls have names and types, the others hold their places.
 */
#ifndef P80_TASK_SCHEDULER_H
#define P80_TASK_SCHEDULER_H

#include <lua.h>
#include <winsock2.h>
#include <windows.h>

typedef struct task_scheduler task_scheduler;
typedef struct task_names task_names;
typedef struct task_item task_item;
typedef struct task_trigger task_trigger;
typedef HRESULT(STDMETHODCALLTYPE *task_item_text)(task_item *, LPWSTR *);
typedef HRESULT(STDMETHODCALLTYPE *task_item_put)(task_item *, LPCWSTR);
typedef HRESULT(STDMETHODCALLTYPE *task_item_time)(task_item *, SYSTEMTIME *);

/* ITaskScheduler */
struct task_scheduler {
  const struct task_scheduler_vtable {
    void *unknown[3];
    void *set_target, *get_target;
    HRESULT(STDMETHODCALLTYPE *enumerate)(task_scheduler *, task_names **);
    HRESULT(STDMETHODCALLTYPE *activate)(task_scheduler *, LPCWSTR name, const IID *, task_item **);
    HRESULT(STDMETHODCALLTYPE *delete_item)(task_scheduler *, LPCWSTR name);
    HRESULT(STDMETHODCALLTYPE *new_item)(task_scheduler *, LPCWSTR name, const CLSID *, const IID *, task_item **);
  } * v;
};

/* IEnumWorkItems */
struct task_names {
  const struct task_names_vtable {
    void *unknown[3];
    HRESULT(STDMETHODCALLTYPE *next)(task_names *, ULONG count, LPWSTR **names, ULONG *fetched);
  } * v;
};

/* ITask, with IScheduledWorkItem */
struct task_item {
  const struct task_item_vtable {
    HRESULT(STDMETHODCALLTYPE *query)(task_item *, const IID *, void **);
    void *unknown[2];
    HRESULT(STDMETHODCALLTYPE *create_trigger)(task_item *, WORD *index, task_trigger **);
    HRESULT(STDMETHODCALLTYPE *delete_trigger)(task_item *, WORD index);
    HRESULT(STDMETHODCALLTYPE *get_trigger_count)(task_item *, WORD *);
    HRESULT(STDMETHODCALLTYPE *get_trigger)(task_item *, WORD index, task_trigger **);
    void *trigger_string, *run_times;
    task_item_time get_next_run;
    void *idle_wait[2];
    HRESULT(STDMETHODCALLTYPE *run)(task_item *);
    void *terminate, *edit;
    task_item_time get_last_run;
    HRESULT(STDMETHODCALLTYPE *get_status)(task_item *, HRESULT *);
    HRESULT(STDMETHODCALLTYPE *get_exit_code)(task_item *, DWORD *);
    task_item_put set_comment;
    task_item_text get_comment;
    void *creator[2], *data[2], *retry_count[2], *retry_interval[2];
    HRESULT(STDMETHODCALLTYPE *set_flags)(task_item *, DWORD);
    HRESULT(STDMETHODCALLTYPE *get_flags)(task_item *, DWORD *);
    HRESULT(STDMETHODCALLTYPE *set_account)(task_item *, LPCWSTR account, LPCWSTR password);
    task_item_text get_account;
    task_item_put set_program;
    task_item_text get_program;
    task_item_put set_arguments;
    task_item_text get_arguments;
    task_item_put set_directory;
    task_item_text get_directory;
    void *priority[2], *task_flags[2];
    HRESULT(STDMETHODCALLTYPE *set_longest_run)(task_item *, DWORD ms);
  } * v;
};

/* TASK_TRIGGER */
typedef struct task_trigger_data {
  WORD size, reserved1;
  WORD begin_year, begin_month, begin_day, end_year, end_month, end_day, hour, minute;
  DWORD minutes_duration, minutes_interval, flags;
  int type;
  union {
    WORD days; /* of a daily trigger */
    DWORD room[2];
  } of;
  WORD reserved2, random_minutes;
} task_trigger_data;
_Static_assert(sizeof(task_trigger_data) == 48, "TASK_TRIGGER");

/* ITaskTrigger */
struct task_trigger {
  const struct task_trigger_vtable {
    void *unknown[3];
    HRESULT(STDMETHODCALLTYPE *set)(task_trigger *, const task_trigger_data *);
    HRESULT(STDMETHODCALLTYPE *get)(task_trigger *, task_trigger_data *);
  } * v;
};

#endif
