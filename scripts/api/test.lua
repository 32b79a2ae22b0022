---@meta

---Modelled machines for tests of playbooks, in files `*_test.lua` that `p80 test` runs: `local test = require "test"`.
---A modelled machine is a Lua table that behaves as Windows does; playbooks run on it unchanged. Its time is its own:
---waits take none. What it does not have raises "Not modelled". LuaUnit (`require "luaunit"`) is there for assertions.
---@class test
local test = {}

---@alias test.endpoint
---| integer # a port, on 0.0.0.0
---| string # "127.0.0.1:80", "[::]:80"
---| table # {port=, address=, protocol="tcp"|"udp", exclusive=}

---@class test.service
---@field state? win.scm.state default "stopped"
---@field type? string as in `win.scm.get`, default "own_process"
---@field start? string "boot", "system", "auto", "demand" (the default), "disabled"
---@field path? string its command line; those that share one (type "share_process") share a process
---@field display_name? string
---@field account? string default "LocalSystem"
---@field dependencies? string[]
---@field accepts? string[] the controls that it takes, default stop and shutdown; {} does not let itself be stopped
---@field pid? integer of one that runs
---@field delayed? boolean
---@field description? string
---@field failure? table what happens when its process ends by itself, as in `win.scm.details`
---@field triggers? table[] as in `win.scm.details`
---@field listens? test.endpoint[] what it listens on while it runs; when somebody else has that, it stops with the error
---@field urls? string[] what it registers with HTTP.SYS while it runs
---@field queue? string the name of its request queue
---@field children? table[] programs that it starts and takes along, as in `processes`
---@field starts_in? number seconds that it takes to start
---@field stops_in? number seconds that it takes to stop
---@field lingers? number seconds for which its process goes on after it has stopped
---@field hangs? "start"|"stop" it never gets there
---@field start_error? integer what Windows answers to a start
---@field start_fails? integer|{service: integer} with which exit code it stops instead of running
---@field stop_error? integer what Windows answers to a stop

---@class test.process
---@field pid? integer
---@field name? string default the end of `path`
---@field path? string
---@field parent? integer
---@field command_line? string
---@field user? string
---@field critical? boolean whether Windows would stop with it
---@field listens? test.endpoint[]
---@field urls? string[]
---@field queue? string

---@class test.http
---@field urls? string[] registered by nobody knows whom
---@field iplisten? string[] the listen list
---@field urlacl? table<string, string> access lists (SDDL) by URL
---@field sslcert? table<string, table> what `win.http.sslcert.add` takes, by binding
---@field timeout? table<string, integer> and `cache`, `setting`: numbers by name
---@field addresses? string[] where HTTP.SYS listens without a listen list, default 0.0.0.0 and ::
---@field netsh? "missing"|"timeout" why netsh tells nothing

---@class test.site
---@field bindings string[] "*:80:www.example.com", "https *:443:", "https *:443:www.example.com ssl_flags=1"
---@field id? integer
---@field state? "started"|"stopped" default "started"; one whose port another program has stops, as IIS stops it
---@field auto_start? boolean whether it starts with W3SVC; default whether it is started
---@field queue? string the name of its application pool

---@class test.task
---@field program? string and `arguments`, `directory`, `description`, `account` (default LocalSystem): as in `win.task.create`
---@field triggers? win.task.trigger[] of the types "startup", "logon" and "time" (with `every`)
---@field enabled? boolean default true
---@field xml? string its definition, in the place of all these; not on Windows Server 2003

---@class test.fields
---@field name? string of the machine
---@field windows? string "2003", "2008", "2008r2" to "2025", or a version such as "10.0.17763"; default "2019"
---@field architecture? "x64"|"x86"
---@field server? boolean default true
---@field elevated? boolean default true
---@field ipv6? boolean default true
---@field time? string when its time begins: "2026-01-05T08:00:00Z"
---@field services? table<string, test.service> by name; HTTP is always there
---@field processes? test.process[] beside those of services
---@field connections? table[] rows as in `win.tcp.list`
---@field excluded? integer[][] port ranges that Windows keeps back: {{50000, 50059}}
---@field registry? table<string, table> values by name, by key: text, integer, array, or {type=, value=}
---@field http? test.http
---@field sites? table<string, test.site> of IIS, by name; they need a service W3SVC
---@field key_security? table<string, string> access lists of keys (SDDL), by key; default Windows' usual one
---@field accounts? table<string, string|table> SIDs, or {sid=, type=}, by name, beside the well-known ones
---@field tasks? table<string, test.task> scheduled tasks by path
---@field events? table[] of the event logs: {log=, source=, id=, level=, strings=, time=}; a log that they name is there
---@field files? table<string, string> what win.file sees: contents by path
---@field programs? table<string, table> what win.process.run does: {code=, stdout=, stderr=, takes=} by path or name

---@class test.options
---@field check? boolean as `--check` does
---@field allow? string|string[] grants beside those of the manifest
---@field timeout? number as `--timeout` does
---@field json? boolean as `--json` does
---@field quiet? boolean
---@field verbose? boolean
---@field force? boolean `undo --force`
---@field seconds? number of real time after which the run has failed, default 10

---What came of a run.
---@class test.outcome
---@field exit integer the exit code
---@field changes table[] as in the JSON document: {kind=, label=, before=, after=, undoable=, error=}
---@field result any what `p80.report` was given
---@field error? table {op=, target=, code=, name=, message=, hint=, traceback=}
---@field warnings string[]
---@field output string what was printed
---@field errors string what went to standard error
---@field difference string[] what is different on the machine now, in lines
---@field run? integer the number of the run, when it changed something
---@field check boolean
---@field restart_needed boolean
local outcome = {}

---Fails the test, with all that the run printed, unless it ended with this exit code.
---@param code integer
---@return test.outcome outcome itself
function outcome:exits(code) end

---All that a run printed and changed, for messages.
---@return string text
function outcome:describe() end

---A machine: its fields are as `test.machine` takes them, with all that was left out filled in, and change with each run.
---@class test.model: test.fields
local machine = {}

---Runs a playbook: one beside the test, or a bundled one.
---@param script string
---@param words? any[] what follows it on the command line
---@param options? test.options
---@return test.outcome outcome
function machine:run(script, words, options) end

---Runs Lua text, as `p80 -e` does.
---@param text string
---@param options? test.options
---@return test.outcome outcome
function machine:code(text, options) end

---Takes a run back, as `p80 undo` does.
---@param run? integer default the newest that changed something
---@param options? test.options
---@return test.outcome outcome
function machine:undo(run, options) end

---The value of an expression on the machine: `m:ask "win.tcp.listeners(80)"`.
---@param expression string
---@return any value
function machine:ask(expression) end

---Lets time pass on the machine.
---@param seconds number
function machine:wait(seconds) end

---Another machine that is the same.
---@return test.model machine
function machine:copy() end

---The machine in a file that `p80 capture` has written.
---@param path string from the test's folder
---@return test.model machine
function test.load(path) end

---A new machine.
---@param fields test.fields
---@return test.model machine
function test.machine(fields) end

return test
