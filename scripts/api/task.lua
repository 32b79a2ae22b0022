---@meta
---Scheduled tasks: Task Scheduler 2.0 since Vista, 1.0 on Server 2003. Tasks are made of one program that runs when Windows
---starts, when somebody logs on, or again and again; all others are shown, deleted and brought back as they are.
---@class win.task
local task = {}

---When a task runs.
---@class win.task.trigger
---@field type "startup"|"logon"|"time"|"calendar"|"event"|"idle"|"registration"|"session"|"weekly"|"monthly"|"unknown"
---@field every? integer seconds after which it runs again
---@field begins? string the moment from which it counts, in local time: "2000-01-01T00:00:00"
---@field user? string at logon: of this user alone
---@field enabled? boolean false when it is switched off
---@field xml? string 2.0: what else is inside, for triggers that win.task.create does not make

---What a task does.
---@class win.task.action
---@field program? string
---@field arguments? string
---@field directory? string the directory in which the program starts
---@field type? string for what is no program: "ComHandler", "SendEmail", "ShowMessage"

---A scheduled task. `description`, `account`, `logon`, `highest`, `triggers`, `actions` and `xml` are given by win.task.get alone.
---@class win.task.record
---@field path string [[\folder\name]]
---@field name string
---@field state "ready"|"running"|"disabled"|"queued"|"unknown"
---@field enabled boolean
---@field last_run? string when it ran last
---@field last_result? integer the exit code of its last run, or an error of the scheduler
---@field next_run? string
---@field description? string
---@field account? string as whom it runs: a SID, or a name
---@field logon? "Password"|"S4U"|"InteractiveToken"|"Group"|"InteractiveTokenOrPassword" 2.0
---@field highest? boolean 2.0: with the highest rights that the account can have
---@field triggers? win.task.trigger[]
---@field actions? win.task.action[]
---@field xml? string 2.0: its definition

---Which Task Scheduler this Windows has.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/taskschd/task-scheduler-start-page>
---@return integer version 2 since Vista, 1 before
function task.version() end

---All tasks that p80 may see, of all folders, hidden ones too, by path.
---
---Errors: 0x80041315 while the service Schedule does not run.
---Rights: anyone; only an administrator sees all
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/taskschd/nf-taskschd-itaskfolder-gettasks>
---@return win.task.record[] tasks
function task.list() end

---One task in full.
---
---Errors: as `win.task.list`.
---Rights: anyone who may see it
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/taskschd/nf-taskschd-itaskfolder-gettask>
---@param path string [[\folder\name]]; without a backslash in front one of the root folder
---@return win.task.record? task nil when there is none
function task.get(path) end

---Makes a task, or changes one to exactly this. It runs whether or not the machine is on batteries, for as long as it takes, and
---once at a time. A password is passed on and kept nowhere: a task that had one comes back by undo running without rights to
---other machines, and undo says so; on Server 2003 undo fails and says what to do. Another password, where all else is so already,
---changes nothing.
---
---Errors: `ERROR_NONE_MAPPED` for an account that there is not; `ERROR_NOT_SUPPORTED` for a folder or `highest` on Server 2003;
---what the scheduler says of the account and password.
---Rights: administrator
---Changes: `task`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/taskschd/nf-taskschd-itaskfolder-registertask>
---@param path string [[\folder\name]]; Server 2003 has no folders
---@param settings {program: string, arguments?: string, directory?: string, at?: "startup"|"logon", every?: integer, account?: string, password?: string, highest?: boolean, description?: string, enabled?: boolean} at least one of `at` and `every` (seconds: whole minutes from 60 up to 31 days, on Server 2003 beyond one day whole days; counted from midnight); account: LocalSystem if left out; without a password others than the service accounts run while they are logged on (at logon) or without access to other machines; highest: true if left out
---@return boolean changed
function task.create(path, settings) end

---Deletes a task; false when there is none. Undo brings it back, on Server 2003 only one with triggers that win.task.create makes.
---
---Errors: `ERROR_ACCESS_DENIED` when p80 may not.
---Rights: administrator
---Changes: `task`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/taskschd/nf-taskschd-itaskfolder-deletetask>
---@param path string [[\folder\name]]
---@return boolean changed
function task.delete(path) end

---Starts a task now, and does not wait for its end. Nothing takes that back.
---
---Errors: `ERROR_FILE_NOT_FOUND` when there is no such task; 0x80041326 when it is disabled.
---Rights: administrator
---Changes: `task.run`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/taskschd/nf-taskschd-iregisteredtask-run>
---@param path string [[\folder\name]]
---@return boolean changed always true
function task.run(path) end

return task
