---@meta

---What runs, its images and services, and ending it.
---@class win.process
local process = {}

---@class win.process.row
---@field pid integer
---@field parent integer the pid of the process that started it, which may be another's by now
---@field name string the image's file name
---@field threads integer
---@field session? integer
---@field path? string the image's path; absent where p80 may not read it
---@field started? string ISO 8601 text in UTC; absent where p80 may not read it
---@field created? integer the same in units of 100 ns since 1601: with the pid it names one process for ever

---One process.
---
---Rights: anyone; path and start of other users' processes need an administrator
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/toolhelp/process-walking>
---@param pid integer
---@return win.process.row? row nil when there is no such process
function process.get(pid) end

---All processes.
---
---Rights: anyone; path and start of other users' processes need an administrator
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/toolhelp/process-walking>
---@return win.process.row[] rows
function process.list() end

---The services that run in a process.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-enumservicesstatusexw>
---@param pid integer
---@return string[] names sorted; empty when there are none
function process.services(pid) end

---Ends a process and waits until it is gone. Nothing takes that back. Never ends pid 0, pid 4, p80 itself, or a process
---without which Windows stops.
---
---Errors: `ERROR_ACCESS_DENIED` for those, and without the right to end it; `ERROR_TIMEOUT` when it is not gone in time
---Rights: the process's own user; an administrator for others' processes
---Changes: `process.state`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/processthreadsapi/nf-processthreadsapi-terminateprocess>
---@param pid integer
---@param options? {timeout?: number, created?: integer} `timeout` in seconds, default 30; with `created`, as `win.process.get` gave it, only the process that started then: a pid may be another's some time later
---@return boolean changed false when there is no such process
function process.stop(pid, options) end

return process
