---@meta

---Services and drivers: what there is, making, starting, stopping, configuring and deleting it, through the Service Control
---Manager. p80 stays deaf to nobody: a service that does not answer is left alone when the time is up or Ctrl-C comes.
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

---@class win.scm.current
---@field type string "own_process", "share_process", "kernel_driver", "file_system_driver", ...
---@field state win.scm.state
---@field pid? integer absent when no process runs it
---@field exit_code integer of the last stop; 1066 when the service has its own code
---@field service_exit_code integer the service's own code
---@field checkpoint integer counts up while the service starts or stops
---@field wait_hint number seconds that the service asks for
---@field accepts string[] the controls that it takes now: "stop", "pause", "shutdown", ...

---@class win.scm.row: win.scm.current
---@field name string the name by which everything here takes it
---@field display_name string

---Fields that p80 may not read are absent.
---@class win.scm.service: win.scm.row
---@field start? "auto"|"demand"|"disabled"|"boot"|"system"
---@field delayed? boolean whether an automatic start waits for the others; absent before Windows Vista
---@field account? string
---@field path? string the command line of its process
---@field unquoted? true the program in `path` has blanks and no quotes, so that Windows tries shorter paths first
---@field error_control? "ignore"|"normal"|"severe"|"critical" what Windows does when it does not start
---@field interactive? true it may use the desktop (Windows Server 2003)
---@field group? string its load order group
---@field tag? integer its place in that group
---@field dependencies? string[] what it needs itself; names of load order groups begin with "+"
---@field dependents? string[] all that need it, directly or not, in the order in which they are to be stopped

---@class win.scm.action
---@field action "none"|"restart"|"reboot"|"run" `run` is `command`
---@field delay? number seconds before

---What Windows does when the service fails: the first action the first time, and so on; the last one from then on.
---@class win.scm.failure
---@field reset_period? integer|"never" seconds without a failure after which counting begins anew; with actions only
---@field command? string "" for none
---@field reboot_message? string to all users before a restart of Windows; "" for none
---@field actions? win.scm.action[]
---@field on_non_crash? boolean also when it stops by itself with an error code; absent before Windows Vista

---@class win.scm.trigger_data
---@field type "text"|"binary"|"level"|"keyword_any"|"keyword_all"
---@field value string[]|string|integer texts; bytes in hexadecimal; a number

---What starts or stops a service: a device, an address, a port, a policy, an event.
---@class win.scm.trigger
---@field type "device_arrival"|"ip_address"|"domain_join"|"firewall_port"|"group_policy"|"network_endpoint"|"system_state"|"custom"|"aggregate"|integer
---@field action "start"|"stop"
---@field subtype string a GUID, or its name: "firewall_port_open", "first_ip_address_arrival", "domain_join", ... (see `win.scm.trigger_words`)
---@field data win.scm.trigger_data[]

---Fields that this Windows does not know for the service are absent.
---@class win.scm.details
---@field description? string
---@field failure? win.scm.failure
---@field sid_type? "none"|"unrestricted"|"restricted" whether its process has the SID of `win.scm.sid`
---@field privileges? string[] that its process keeps; {}: all of its account
---@field preshutdown_timeout? number seconds that Windows waits for it when it shuts down
---@field preferred_node? integer|false the NUMA node it runs on; Windows 7
---@field triggers? win.scm.trigger[] Windows 7
---@field protection? "none"|"windows"|"windows_light"|"antimalware_light" read only: Windows lets nobody set it but signed installers; Windows 8.1

---What `win.scm.get` shows, and what `win.scm.details` shows.
---@class win.scm.settings: win.scm.details
---@field type? "own_process"|"share_process"|"kernel_driver"|"file_system_driver"|"adapter"|"recognizer_driver"|"user_own_process"|"user_share_process"
---@field interactive? boolean with LocalSystem only
---@field start? "auto"|"demand"|"disabled"|"boot"|"system" the last two for drivers
---@field delayed? boolean with start="auto" only
---@field error_control? "ignore"|"normal"|"severe"|"critical"
---@field account? string such as [[NT AUTHORITY\LocalService]]; it must hold the right to log on as a service, which services.msc grants and p80 does not
---@field password? string passed on and kept nowhere; alone it needs the grant `scm.password` and always counts as a change
---@field path? string the command line of its process
---@field display_name? string
---@field group? string "" for none
---@field dependencies? string[] names of services, and of load order groups with "+" before them; {} for none

---Changes the settings of a service that are given. Of `failure` the fields that are given; `triggers`, `dependencies` and
---`privileges` as a whole. A path with blanks and without quotes is warned about.
---
---Errors: `ERROR_SERVICE_DOES_NOT_EXIST`; `ERROR_CALL_NOT_IMPLEMENTED`, naming the Windows that brought it, for a setting that
---this Windows does not know; `ERROR_INVALID_SERVICE_ACCOUNT` for an account or password that is wrong;
---`ERROR_DUPLICATE_SERVICE_NAME` for a display name that another service has. `p80 undo` cannot restore a password and says so.
---Rights: administrator
---Changes: `scm.config`; for descriptions, failure actions, triggers and the like `scm.details`; for a password alone `scm.password`
---Windows: Server 2003; settings that came later as said there
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-changeserviceconfigw>, <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-changeserviceconfig2w>
---@param name string the service's name
---@param settings win.scm.settings
---@return boolean changed
function scm.config(name, settings) end

---Lets a paused service go on.
---
---Errors: `ERROR_SERVICE_NOT_ACTIVE` for one that is stopped; `ERROR_TIMEOUT`
---Rights: administrator
---Changes: `scm.state`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-controlservice>
---@param name string the service's name
---@param options? {timeout?: number} seconds, default 30
---@return boolean changed
function scm.continue(name, options) end

---Sends a control to a running service. What it does with it nobody knows, so that each counts as a change and cannot be
---taken back.
---
---Errors: `ERROR_SERVICE_NOT_ACTIVE`; `ERROR_INVALID_SERVICE_CONTROL` when it does not take this control; `ERROR_TIMEOUT` when
---it does not answer
---Rights: administrator, or whom the service allows it
---Changes: `scm.control`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-controlservice>
---@param name string the service's name
---@param control integer|"interrogate"|"param_change"|"net_bind_add"|"net_bind_remove"|"net_bind_enable"|"net_bind_disable" the service's own are 128 to 255
---@param options? {timeout?: number} seconds that it has to answer, default 30
---@return true changed
function scm.control(name, control, options) end

---Makes a service. It is not started. When there is one with these settings nothing changes.
---
---Errors: `ERROR_SERVICE_EXISTS` when there is one with other settings; `ERROR_SERVICE_MARKED_FOR_DELETE` while the last one of that
---name has not gone; those of `win.scm.config`
---Rights: administrator
---Changes: `scm.service`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-createservicew>
---@param name string 1 to 256 characters, no / and \
---@param settings win.scm.settings `path` must be given; default are type="own_process", start="demand", error_control="normal", LocalSystem
---@return boolean changed
function scm.create(name, settings) end

---Deletes a service: stops it, with `dependents` first those that need it, deletes it, and waits until it is gone. `p80 undo`
---makes it again with its configuration, security descriptor and the values and keys of its own (Parameters and the
---like), all but a password.
---
---Errors: `ERROR_SERVICE_MARKED_FOR_DELETE` when somebody still has it open: then it goes when they close it; the hint names who
---may. Those of `win.scm.stop`
---Rights: administrator
---Changes: `scm.service`; `scm.state` for what runs
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-deleteservice>
---@param name string the service's name
---@param options? {dependents?: boolean, timeout?: number} seconds, default 30
---@return boolean changed false when there is none
function scm.delete(name, options) end

---Who needs a service, as a tree: each with those that need it itself.
---
---Errors: `ERROR_ACCESS_DENIED`
---Rights: anyone; some services let only administrators look
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-enumdependentservicesw>
---@param name string the service's name
---@return win.scm.branch? tree nil when no service has that name
---@return string? hint the name that was meant, when `name` is a display name
function scm.dependents(name) end

---The rest of a service's configuration: description, failure actions, triggers and so on.
---
---Errors: `ERROR_ACCESS_DENIED`
---Rights: anyone; some services let only administrators look
---Windows: Server 2003; fields that came later are absent before
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-queryserviceconfig2w>
---@param name string the service's name
---@return win.scm.details? details nil when no service has that name
---@return string? hint the name that was meant, when `name` is a display name
function scm.details(name) end

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

---The services of the machine: default are all that are no drivers. Those that p80 may not look at are left out by Windows.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-enumservicesstatusexw>
---@param options? {type?: "service"|"driver"|"all", state?: "active"|"inactive"|"all"} default: services in all states
---@return win.scm.row[] rows
function scm.list(options) end

---The name of the service that has a display name.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-getservicekeynamew>
---@param display_name string
---@return string? name nil when no service has it
function scm.name_of(display_name) end

---Pauses a running service.
---
---Errors: `ERROR_INVALID_SERVICE_CONTROL` when it does not let itself be paused; `ERROR_SERVICE_NOT_ACTIVE` when it is stopped;
---`ERROR_TIMEOUT`
---Rights: administrator
---Changes: `scm.state`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-controlservice>
---@param name string the service's name
---@param options? {timeout?: number} seconds, default 30
---@return boolean changed
function scm.pause(name, options) end

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

---Who may do what with a service, as SDDL.
---
---Errors: `ERROR_ACCESS_DENIED`; `ERROR_PRIVILEGE_NOT_HELD` for the audit list without elevation
---Rights: anyone; some services let only administrators look; the audit list for administrators
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/services/service-security-and-access-rights>
---@param name string the service's name
---@param options? {audit?: boolean} with the audit list
---@return string? sddl owner, group and access list; nil when no service has that name
---@return string? hint the name that was meant, when `name` is a display name
function scm.security(name, options) end

---Sets those parts of a service's security descriptor that the text has: owner (O:), group (G:), access list (D:), audit
---list (S:). GA, GR, GW and GX become the rights of services that they stand for.
---
---Errors: `ERROR_SERVICE_DOES_NOT_EXIST`; `ERROR_INVALID_PARAMETER` for text that is no SDDL
---Rights: administrator
---Changes: `scm.security`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-setserviceobjectsecurity>
---@param name string the service's name
---@param sddl string
---@return boolean changed
function scm.set_security(name, sddl) end

---The SID that stands for a service in access lists (NT SERVICE\name), whether there is such a service or not.
---
---Rights: anyone
---Windows: Server 2003; it means something since Vista
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/ns-winsvc-service_sid_info>
---@param name string
---@return string sid "S-1-5-80-..."
function scm.sid(name) end

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
---@return win.scm.current? status nil when no service has that name
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
---@return string[] stopped the dependents that went down with it, in that order
function scm.stop(name, options) end

---The words for what triggers have as numbers and GUIDs.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/ns-winsvc-service_trigger>
---@return {type: table<integer, string>, action: string[], data: string[], subtype: table<string, string>} words by Windows' number or GUID
function scm.trigger_words() end

---Waits until a service is in a state.
---
---Errors: `ERROR_TIMEOUT`, which names the process, when it is not there in time; the service's own exit code at once
---when it stopped instead, after it was seen to start, or at all with `requested`; `ERROR_PROCESS_ABORTED` when its process
---ended on the way
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/services/starting-a-service>
---@param name string the service's name
---@param state "running"|"stopped"|"paused"
---@param options? {timeout?: number, requested?: boolean} seconds, default 30; whether that state has just been asked for
---@return true there
function scm.wait(name, state, options) end

---The changes of one service, or of all, as they come: `for event in win.scm.watch "Spooler" do print(event.state) end`. It looks
---at Windows also in --check. Ctrl-C ends it as it ends everything.
---
---Errors: `ERROR_SERVICE_DOES_NOT_EXIST` when `name` is a display name; a service that is not there is waited for
---Rights: anyone
---Windows: Server 2003; one service is watched by notification since Vista, all services and before it by looking again and again
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-notifyservicestatuschangew>
---@param name? string the service's name; nil: all
---@param options? {timeout?: number, interval?: number, type?: "service"|"driver"|"all"} seconds without a change that end it, default 30 days; seconds between two looks at all services, default 1; which of all
---@return fun(): win.scm.event? events
function scm.watch(name, options) end

---@class win.scm.event
---@field change "state"|"created"|"deleted"
---@field name string
---@field state? win.scm.state absent for "deleted"
---@field before? win.scm.state absent for "created"
---@field pid? integer

---@class win.scm.branch
---@field name string
---@field state? win.scm.state absent where p80 may not look
---@field dependents win.scm.branch[]

return scm
