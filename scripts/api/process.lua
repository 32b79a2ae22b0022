---@meta

---What runs, what it holds, and ending it; and running programs. `tasklist`, `taskkill`, `where` and `handle`.
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
---@field command_line? string with the option `command_line`, where p80 may read it
---@field user? string with the option `user`: "DOMAIN\\name"
---@field sid? string with the option `user`
---@field memory? integer with the option `usage`: bytes of its working set, tasklist's "Mem Usage"
---@field peak_memory? integer with the option `usage`: the most that `memory` was
---@field private_memory? integer with the option `usage`: bytes that it alone uses, in memory or the page file
---@field handles? integer with the option `usage`: how many it has open
---@field cpu? number with the option `usage`: seconds of processor time
---@field session_name? string with the option `session_name`: "Services", "Console", "RDP-Tcp#1"
---@field services? string[] with the option `services`: their names
---@field modules? win.process.module[] with the option `modules`, where p80 may read them
---@field title? string with the option `window`: that of its first visible window with one, on p80's desktop
---@field status? "running"|"not_responding"|"unknown" with the option `window`; unknown without a window

---@class win.process.details
---@field command_line? boolean
---@field user? boolean
---@field usage? boolean
---@field session_name? boolean
---@field services? boolean
---@field modules? boolean
---@field window? boolean

---@class win.process.module
---@field name string
---@field path string
---@field base integer its address
---@field size integer bytes

---@class win.process.handle
---@field pid integer
---@field process? string the image's file name
---@field handle integer its number in that process
---@field type string "file", "key", "section", ...
---@field name string as people write it: "C:\\x.log", "HKLM\\SOFTWARE\\x"
---@field object string as the kernel calls it: "\\Device\\HarddiskVolume1\\x.log"

---@class win.process.result
---@field code integer the exit code
---@field stdout string what it printed, with "\n" at the ends of lines
---@field stderr string
---@field stdout_encoding string in what that was written: "utf-8", "utf-16", "oem", "ansi" or "binary"
---@field stderr_encoding string
---@field planned? true in --check: nothing ran, and `code` is 0

---@class win.process.command
---@field program string a bare name, which is looked for in System32, or a path from the root
---@field args? (string|{secret: string}|{raw: string})[] one string is one argument, whatever characters it has; `secret` is kept out of journal, log and errors; `raw` goes into the command line as it is, for programs with rules of their own
---@field cwd? string the folder to run in
---@field env? table<string, string|false> variables that are set, or absent with false, beside p80's own
---@field stdin? string bytes that it reads; without, it finds its input empty
---@field timeout? number seconds, default 30 or --timeout
---@field encoding? "auto"|"utf-8"|"utf-16"|"oem"|"ansi"|"binary" of what it prints; "auto" goes by the first bytes and by what is valid, and takes the rest for "oem"
---@field search? boolean look for a bare name in the machine's Path, too

---One process.
---
---Rights: anyone; path, start and details of other users' processes need an administrator
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/toolhelp/process-walking>
---@param pid integer
---@param options? win.process.details what else to tell
---@return win.process.row? row nil when there is no such process
function process.get(pid, options) end

---The path of a process's image, without a look at all processes as `process.get` takes it.
---
---Rights: anyone; an administrator for processes of others on Server 2003
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-queryfullprocessimagenamew>
---@param pid integer
---@return string? path nil when there is no such process, or p80 may not ask
function process.image(pid) end

---All processes. What is asked for with options costs more: `usage`, `services`, `session_name` and `window` one call
---for all, `user`, `command_line` and `modules` one or more for each process.
---
---Rights: anyone; path, start and details of other users' processes need an administrator
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/toolhelp/process-walking>
---@param options? win.process.details what else to tell
---@return win.process.row[] rows
function process.list(options) end

---The command line that a process was started with.
---
---Errors: `ERROR_PARTIAL_COPY` when a 32-bit p80 asks for a 64-bit process before Windows 8.1; `ERROR_ACCESS_DENIED`.
---Rights: the process's own user; an administrator for others' processes
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winternl/nf-winternl-ntqueryinformationprocess>
---@param pid integer
---@return string? line nil when there is no such process
function process.command_line(pid) end

---The images in a process, the program first, then its DLLs.
---
---Errors: `ERROR_PARTIAL_COPY` when a 32-bit p80 asks for a 64-bit process; `ERROR_ACCESS_DENIED`, also for the kernel.
---Rights: the process's own user; an administrator for others' processes
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/tlhelp32/nf-tlhelp32-createtoolhelp32snapshot>
---@param pid integer
---@return win.process.module[]? modules nil when there is no such process
function process.modules(pid) end

---Handles that have a name, and who holds them: who has a file open, for instance. p80's own and the kernel's are left out
---unless `pid` asks for them. With `type = "file"` it is much quicker than for all.
---
---Errors: `ERROR_MORE_DATA` when more than some hundred thousand match.
---Rights: anyone for the own processes; an administrator for others' processes
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winternl/nf-winternl-ntqueryobject>
---@param options {name?: string, pid?: integer, type?: string} `name` may have "*" for any text and may begin with a drive, "HKLM\\", "HKU\\" or "\\\\"; `type` is "file", "key", "section", "event", "mutant", ...
---@return win.process.handle[] rows
---@return integer silent how many handles could not be asked (pipes on which somebody waits)
function process.handles(options) end

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

---Runs a program without a window to its end and takes what it prints. Its exit code is returned, whatever it is. It cannot
---be known what a program changes: each run counts as a change, which nothing takes back; in --check nothing runs.
---
---A timeout, too much output (64 MiB) and Ctrl-C end the program with all that it has started. What it started and left
---behind when it ended by itself goes on. Batch files get no argument with one of `" % ! ^ & | < >`: what those become
---depends on the file.
---
---Errors: `ERROR_FILE_NOT_FOUND`; `ERROR_TIMEOUT`; `ERROR_FILE_TOO_LARGE` when it prints too much; `ERROR_DIRECTORY` for a
---`cwd` that is none; `ERROR_BAD_EXE_FORMAT` for a file that is no program; 740 when the program asks for more rights than p80 has.
---Rights: anyone; the program may need more
---Changes: `process.run`, with the full path of the program
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/processthreadsapi/nf-processthreadsapi-createprocessw>
---@param options win.process.command
---@return win.process.result result
function process.run(options) end

---Where a program is, as `process.run` finds it.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/sysinfoapi/nf-sysinfoapi-getsystemdirectoryw>
---@param name string a bare name, which is looked for in System32 alone, or a path from the root; without an extension ".exe" is meant
---@param options? {search?: boolean} look for a bare name in the folders of the machine's Path, too
---@return string? path nil when there is no such file
function process.find(name, options) end

---The environment of p80, which the programs that it runs get.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/processenv/nf-processenv-getenvironmentstringsw>
---@return table<string, string> variables
function process.environment() end

---Takes a command line apart as CommandLineToArgvW does.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/shellapi/nf-shellapi-commandlinetoargvw>
---@param line string
---@return string[] words the program first; none for an empty line
function process.split(line) end

---Makes a command line of which `process.split` and nearly all programs get the same words again.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/cpp/c-language/parsing-c-command-line-arguments>
---@param words string[] the program, which can have no quote in its name, and its arguments
---@return string line
function process.join(words) end

return process
