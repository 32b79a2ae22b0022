/* Task Scheduler 2.0 (taskschd.h): only the methods that p80 calls have names and types, the others hold their
 * places. */
#ifndef P80_TASK_SERVICE_H
#define P80_TASK_SERVICE_H

#include <lua.h>
#include <winsock2.h>
#include <windows.h>
#include <oleauto.h>

typedef struct task_service task_service;
typedef struct task_folder task_folder;
typedef struct task_rows task_rows;
typedef struct registered_task registered_task;
typedef HRESULT(STDMETHODCALLTYPE *task_date)(registered_task *, DATE *);
typedef HRESULT(STDMETHODCALLTYPE *task_text)(registered_task *, BSTR *);

/* ITaskService */
struct task_service {
  const struct task_service_vtable {
    void *dispatch[7]; /* IDispatch, with IUnknown */
    HRESULT(STDMETHODCALLTYPE *get_folder)(task_service *, BSTR path, task_folder **);
    void *get_running_tasks, *new_task;
    HRESULT(STDMETHODCALLTYPE *connect)
    (task_service *, VARIANT server, VARIANT user, VARIANT domain, VARIANT password);
  } * v;
};

/* ITaskFolder */
struct task_folder {
  const struct task_folder_vtable {
    void *dispatch[7];
    void *name, *path, *get_folder;
    HRESULT(STDMETHODCALLTYPE *get_folders)(task_folder *, LONG flags, task_rows **);
    void *create_folder, *delete_folder;
    HRESULT(STDMETHODCALLTYPE *get_task)(task_folder *, BSTR path, registered_task **);
    HRESULT(STDMETHODCALLTYPE *get_tasks)(task_folder *, LONG flags, task_rows **);
    HRESULT(STDMETHODCALLTYPE *delete_task)(task_folder *, BSTR path, LONG flags);
    HRESULT(STDMETHODCALLTYPE *register_task)
    (task_folder *, BSTR path, BSTR xml, LONG flags, VARIANT user, VARIANT password, int logon_type, VARIANT sddl,
     registered_task **);
  } * v;
};

/* ITaskFolderCollection and IRegisteredTaskCollection; items are counted from 1 */
struct task_rows {
  const struct task_rows_vtable {
    void *dispatch[7];
    HRESULT(STDMETHODCALLTYPE *get_count)(task_rows *, LONG *);
    HRESULT(STDMETHODCALLTYPE *get_item)(task_rows *, VARIANT index, void **);
  } * v;
};

/* IRegisteredTask */
struct registered_task {
  const struct registered_task_vtable {
    void *dispatch[7];
    void *name;
    task_text get_path;
    HRESULT(STDMETHODCALLTYPE *get_state)(registered_task *, int *);
    HRESULT(STDMETHODCALLTYPE *get_enabled)(registered_task *, VARIANT_BOOL *);
    void *put_enabled;
    HRESULT(STDMETHODCALLTYPE *run)(registered_task *, VARIANT parameters, void **running);
    void *run_ex, *get_instances;
    task_date get_last_run;
    HRESULT(STDMETHODCALLTYPE *get_last_result)(registered_task *, LONG *);
    void *missed_runs;
    task_date get_next_run;
    void *definition;
    task_text get_xml;
  } * v;
};

#endif
