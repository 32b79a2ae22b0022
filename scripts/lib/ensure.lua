-- States that a playbook brings about, each described, checked and counted; described in scripts/api/ensure.lua.
local p80 = require "p80"
local log = require "log"
local progress = require "progress"
local checks = require "checks"
local ensure = {}

local P80_NOT_TAKEN <const> = 0x20000001
local rows = {} -- {state=, outcome=}

local function checked(state, how)
  local check = checks "ensure"
  check.text("state", state)
  check.options(how, {"check", "change", "within"})
  for _, key in ipairs {"check", "change"} do
    if type((how or {})[key]) ~= "function" then check.bad(key, (how or {})[key], "a function") end
  end
  return check.opt_seconds("within", how.within, 0)
end

-- Changes, and raises when the state does not hold within so many seconds. --check plans the change and believes it.
local function bring_about(state, how, within)
  how.change()
  if p80.check or progress.wait(state, within, how.check) then return end
  checks "ensure".fail(state, P80_NOT_TAKEN, "It was changed, but does not hold.")
end

function ensure.ensure(state, how)
  local within = checked(state, how)
  local row = {state = state, outcome = "failed"}
  rows[#rows + 1] = row
  if how.check() then
    row.outcome = "ok"
    log.debug("ok: %s", state)
    return false
  end
  bring_about(state, how, within)
  row.outcome = p80.check and "would change" or "changed"
  log.info("%s: %s", row.outcome, state)
  return true
end

function ensure.results() return table.move(rows, 1, #rows, 1, {}) end

function ensure.count(outcome)
  checks "ensure.count".one_of("outcome", outcome, {"ok", "changed", "would change", "failed"})
  local count = 0
  for _, row in ipairs(rows) do count = count + (row.outcome == outcome and 1 or 0) end
  return count
end

return setmetatable(ensure, {__call = function(_, ...) return ensure.ensure(...) end})
