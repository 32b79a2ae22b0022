-- win.feature behind the gate: removing is running a program, for which win.process.run's grant is asked. Nothing takes
-- that back.
local core = ...
local check, code = core.check, core.code
local raw = core.win.feature

local TIMEOUT <const> = 3600 -- seconds: setup is slow
local RESTART_NEEDED <const> = 3010

core.open "process.run"
core.open "file.write"

local ROLE <const> = "iis-webserverrole" -- with which everything goes
local removed = {} -- by feature in lower case: what --check has planned to remove

local function is_removed(name) return removed[ROLE] or removed[name:lower()] end

local function all_removed(names)
  for _, name in ipairs(names) do
    if not is_removed(name) then return false end
  end
  return true
end

core.view("feature.list", function(_, rows)
  local left = {}
  for _, row in ipairs(rows) do
    if not is_removed(row.name or row.component) then left[#left + 1] = row end
  end
  return left
end)

core.view("feature.plan_remove", function(_, plan) return plan and not all_removed(plan.features) and plan or nil end)

local function run(plan, timeout)
  if plan.file then core.change("file.write", {path = plan.file}, {bytes = plan.text}) end
  local ran, result = pcall(core.run, {program = plan.program, args = plan.args, timeout = timeout})
  if plan.file then core.change("file.write", {path = plan.file}, nil) end
  if not ran then error(result, 0) end
  return result
end

local function tail(text) return (text:match "([^\n]+)%s*$" or ""):sub(1, 200) end

core.write("feature.remove", function(...)
  check.arguments(select("#", ...), 1, 2)
  local name, options = ...
  local timeout = check.opt_seconds("timeout", check.options(options, {"timeout"}).timeout, TIMEOUT)
  local plan = core.ask(raw.plan_remove, name)
  if not plan or all_removed(plan.features) then return false end
  local result = run(plan, timeout)
  if core.checking then
    for _, feature in ipairs(plan.features) do removed[feature:lower()] = true end
    return true
  end
  if result.code == RESTART_NEEDED then
    core.result.restart_needed()
  elseif result.code ~= 0 then
    core.fail(name, result.code,
      ("%s ended with exit code %d (0x%X). %s"):format(plan.program, result.code, result.code,
        tail(result.stderr ~= "" and result.stderr or result.stdout)))
  elseif raw.plan_remove(name) then
    core.fail(name, code.P80_NOT_TAKEN)
  end
  return true
end)
