---@meta

---What every playbook starts with: `local p80 = require "p80"`.
---@class p80
---@field args table<string, any> the playbook's arguments, checked and with their defaults; nil before `p80.playbook`
---@field version string of p80
---@field pid integer of p80's process
---@field script string the script's name
---@field check boolean whether this run only says what it would do (`--check`)
---@field json boolean
---@field quiet boolean
---@field verbose boolean
local p80 = {}

---@alias p80.type
---| "text"
---| "port" # 1 to 65535
---| "address" # an IP address, as Windows writes it: "::0001" arrives as "::1"
---| "service" # the name of a service, which need not exist
---| "path" # of a file or folder, which need not exist; arrives absolute
---| "integer"
---| "number"
---| "seconds" # 0 to 30 days
---| "duration" # "90s", "5m", "1h30m", "2d"; arrives in seconds
---| "enum" # one of the array `values`
---| "list" # of what `of` says: `--ports 80,443` or `--ports 80 --ports 443`
---| "flag" # true or false: an option without a value
---| "secret" # text that is never typed and never shown: from --args-file, or asked for at the console

---@class p80.argument
---@field type p80.type
---@field default? any checked as what is typed; lists are arrays
---@field required? boolean
---@field help? string
---@field values? string[] of an enum
---@field of? p80.type of the items of a list; default "text"
---@field least? number bounds every type that is a number; of a duration in seconds
---@field most? number

---What a playbook says of itself. With `--args-file FILE` its arguments also come from a JSON object with the arguments
---by name ("-" reads it from standard input); what is typed wins. Secrets come only from there, or from the console.
---@class p80.manifest
---@field name string letters, digits, "-" and "_"
---@field version string such as "1.0.0"
---@field summary string one sentence for `p80 list`
---@field author? string
---@field license? string
---@field p80? string the oldest p80 that it runs on: "0.1.0"
---@field windows? string the oldest Windows that it runs on: "6.1", "10.0.17763"
---@field args? table<string, p80.argument> by name; `up_to` becomes the option --up-to
---@field grants? string[] what the playbook may change: a kind such as "scm.state", or "scm.state:W3SVC*"
---@field reports? string what it gives `p80.report`
---@field recover? "report"|"undo"|"complete" what p80 does at its next start with a run of it that was cut off; default "report"
---@field watch? ("tcp"|"services"|"http")[] what `p80 service` runs it again for; default all three

---Seconds since some moment, never running backwards.
---@return number seconds
function p80.clock() end

---Declares the playbook; comes before anything that changes something.
---
---Errors: `P80_BAD_MANIFEST`, which names the field that is wrong; `P80_TOO_OLD` when p80 or Windows is older than it needs;
---`P80_BAD_ARGUMENTS` for what was given
---@param manifest p80.manifest
---@return table<string, any> args the arguments given on the command line, checked and with their defaults
function p80.playbook(manifest) end

---Says what this run found, as plain data: the `result` of --json.
---@param value any plain data
function p80.report(value) end

---Says that a change takes effect only at the next start of Windows: the run then exits with 3010.
function p80.restart_needed() end

---Says a line; what `log` calls. --quiet leaves only errors, --verbose brings "debug".
---@param level "error"|"warning"|"info"|"debug"
---@param text string secrets in it are masked
function p80.log(level, text) end

---Has everything that is said from now on written to the end of a file, too; what `log.file` is.
---
---Errors: as of `log.file`.
---Changes: `file.write`
---@param path string needs the grant `file.write`
function p80.log_file(path) end

---The number of this run in `p80 runs`, by which `p80 undo` takes it back.
---@return integer? run nil while it has changed nothing, and with --model
---@return boolean undoable whether some of it can be taken back
function p80.run() end

---Waits; Ctrl-C ends it.
---@param seconds number
function p80.sleep(seconds) end

return p80
