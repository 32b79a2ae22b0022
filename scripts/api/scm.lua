---@meta

---Services and drivers: what there is, starting, stopping and configuring it, through the Service Control Manager.
---@class win.scm
local scm = {}

---@alias win.scm.state
---| "stopped"
---| "start_pending"
---| "stop_pending"
---| "running"
---| "continue_pending"
---| "pause_pending"
---| "paused"

---@class win.scm.status
---@field type string "own_process", "share_process", "kernel_driver", "file_system_driver", ...
---@field state win.scm.state
---@field pid? integer absent when no process runs it
---@field exit_code integer of the last stop; 1066 when the service has its own code
---@field service_exit_code integer the service's own code
---@field checkpoint integer counts up while the service starts or stops
---@field wait_hint number seconds that the service asks for
---@field accepts string[] the controls that it takes now: "stop", "pause", "shutdown", ...

---@class win.scm.row: win.scm.status
---@field name string the name by which everything here takes it
---@field display_name string

---Fields that p80 may not read are absent.
---@class win.scm.service: win.scm.row
---@field start? "auto"|"demand"|"disabled"|"boot"|"system"
---@field delayed? boolean whether an automatic start waits for the others; absent before Windows Vista
---@field account? string
---@field path? string the command line of its process
---@field dependencies? string[] what it needs itself; names of load order groups begin with "+"
---@field dependents? string[] all that need it, directly or not, in the order in which they are to be stopped

---@class win.scm.settings
---@field start? "auto"|"demand"|"disabled"|"boot"|"system" the last two for drivers
---@field delayed? boolean with start="auto" only
---@field account? string such as [[NT AUTHORITY\LocalService]]
---@field password? string passed on and kept nowhere; alone it needs the grant `scm.password` and always counts as a change
---@field path? string the command line of its process
---@field display_name? string

---Changes the settings of a service that are given.
---
---Errors: `ERROR_SERVICE_DOES_NOT_EXIST`; `ERROR_CALL_NOT_IMPLEMENTED` for `delayed` before Windows Vista
---Rights: administrator
---Changes: `scm.config`, `scm.password`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-changeserviceconfigw>
---@param name string the service's name
---@param settings win.scm.settings
---@return boolean changed
function scm.config(name, settings) end

---One service or driver with its configuration.
---
---Errors: `ERROR_ACCESS_DENIED` when p80 may read nothing of it
---Rights: anyone; some services let only administrators look
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/services/service-configuration-programs>
---@param name string the service's name
---@return win.scm.service? service nil when no service has that name
---@return string? hint the name that was meant, when `name` is a display name
function scm.get(name) end

---The services of the machine. Those that p80 may not look at are left out by Windows.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-enumservicesstatusexw>
---@param options? {type?: "service"|"driver"|"all", state?: "active"|"inactive"|"all"} default: services in all states
---@return win.scm.row[] rows
function scm.list(options) end

---Stops a service as `win.scm.stop` does, then starts it and the dependents that were running; one that was stopped is
---started.
---
---Errors: those of `win.scm.stop` and `win.scm.start`
---Rights: administrator
---Changes: `scm.state`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/services/service-control-programs>
---@param name string the service's name
---@param options? {dependents?: boolean, args?: string[], timeout?: number} as for stop and start
---@return boolean changed
function scm.restart(name, options) end

---Starts a service, and before it the services that it needs, and waits until each runs; a paused one goes on.
---
---Errors: `ERROR_SERVICE_DISABLED`; `ERROR_SERVICE_DEPENDENCY_DELETED` and `ERROR_SERVICE_DEPENDENCY_FAIL` when what it
---needs is not there or disabled; `ERROR_TIMEOUT`; the service's own exit code when it stops instead
---Rights: administrator
---Changes: `scm.state`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-startservicew>
---@param name string the service's name
---@param options? {args?: string[], timeout?: number} `args` is for the service itself; each service has `timeout` seconds, default 30
---@return boolean changed
function scm.start(name, options) end

---What changes of a service by itself: the part of `win.scm.get`'s record that costs least.
---
---Errors: `ERROR_ACCESS_DENIED`
---Rights: anyone; some services let only administrators look
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-queryservicestatusex>
---@param name string the service's name
---@return win.scm.status? status nil when no service has that name
---@return string? hint the name that was meant, when `name` is a display name
function scm.status(name) end

---Stops a service and waits until it has; with `dependents` first the running services that need it, in Windows' order.
---
---Errors: `ERROR_DEPENDENT_SERVICES_RUNNING` when others need it and `dependents` is not set;
---`ERROR_INVALID_SERVICE_CONTROL` when it does not let itself be stopped; `ERROR_TIMEOUT`
---Rights: administrator
---Changes: `scm.state`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-controlservice>
---@param name string the service's name
---@param options? {dependents?: boolean, timeout?: number} each service has `timeout` seconds, default 30
---@return boolean changed
function scm.stop(name, options) end

---Waits until a service is in a state.
---
---Errors: `ERROR_TIMEOUT`, which names the process, when it is not there in time; the service's own exit code at once
---when it stopped instead, after it was seen to start, or at all with `requested`
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/services/starting-a-service>
---@param name string the service's name
---@param state "running"|"stopped"|"paused"
---@param options? {timeout?: number, requested?: boolean} seconds, default 30; whether that state has just been asked for
---@return true there
function scm.wait(name, state, options) end

return scm
