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
---| "integer" # `least` and `most` bound it
---| "number" # `least` and `most` bound it
---| "port" # 1 to 65535
---| "seconds" # 0 to 30 days
---| "enum" # one of the array `values`
---| "flag" # true or false: an option without a value

---@class p80.argument
---@field type p80.type
---@field default? any
---@field required? boolean
---@field help? string
---@field values? string[] of an enum
---@field least? number
---@field most? number

---@class p80.manifest
---@field name string
---@field version? string such as "1.0.0"
---@field summary? string one sentence for `p80 list`
---@field author? string
---@field license? string
---@field args? table<string, p80.argument> by name; `up_to` becomes the option --up-to
---@field grants? string[] what the playbook may change: a kind such as "scm.state", or "scm.state:W3SVC*"

---Seconds since some moment, never running backwards.
---@return number seconds
function p80.clock() end

---Declares the playbook; comes before anything that changes something.
---
---Errors: `P80_BAD_MANIFEST`, which names the field that is wrong; `P80_BAD_ARGUMENTS` for what was given
---@param manifest p80.manifest
---@return table<string, any> args the arguments given on the command line, checked and with their defaults
function p80.playbook(manifest) end

---Says what this run found, as plain data: the `result` of --json.
---@param value any plain data
function p80.report(value) end

---Says that a change takes effect only at the next start of Windows: the run then exits with 3010.
function p80.restart_needed() end

---The number of this run in `p80 runs`.
---@return integer? run nil while it has changed nothing
function p80.run() end

---Waits; Ctrl-C ends it.
---@param seconds number
function p80.sleep(seconds) end

return p80
