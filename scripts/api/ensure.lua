---@meta

---States that a playbook brings about: described, checked, changed only where they do not hold, and counted.
---`local ensure = require "ensure"`. `ensure(state, how)` is `ensure.ensure(state, how)`.
---@class ensure
local ensure = {}

---@class ensure.how
---@field check function returns whether the state holds
---@field change function brings it about
---@field within? number seconds that it may take to hold after the change; default 0

---@class ensure.result
---@field state string
---@field outcome "ok"|"changed"|"would change"|"failed"

---Brings a state about: nothing when it holds; otherwise the change, after which it must hold. With --check the change
---is called, too, for the gate only plans what it does.
---
---Errors: what `check` and `change` raise; `P80_NOT_TAKEN` when it does not hold after the change.
---@param state string what should be so: "W3SVC does not start by itself"
---@param how ensure.how
---@return boolean changed or, with --check, whether it would be
function ensure.ensure(state, how) end

---What became of every state so far, for `show.print` or `p80.report`.
---@return ensure.result[] results
function ensure.results() end

---How many states had an outcome.
---@param outcome "ok"|"changed"|"would change"|"failed"
---@return integer count
function ensure.count(outcome) end

return ensure
