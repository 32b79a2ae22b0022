-- win.scm behind the gate: starting, stopping and configuring services. Each service that is touched on the way, be
-- it a dependent that must stop or a dependency that must run first, is a change of its own: granted, journaled,
-- undone.
local core, host = ...
local check, code, data, gate = core.check, core.code, core.data, core.gate
local raw = core.win.scm

-- What the parts of this half share. CONFIG can be read back with win.scm.get; a password cannot.
local scm = {
  LONGEST_NAME = 256,
  CONFIG = {
    "type", "interactive", "start", "delayed", "error_control", "account",
    "path", "display_name", "group", "dependencies",
  },
}
core.scm = scm

-- Where a service in a pending state is going.
local DESTINATION = {
  start_pending = "running", continue_pending = "running", stop_pending = "stopped", pause_pending = "paused",
}

local function settled(state) return DESTINATION[state] or state end

local function change(kind, name, want, options) return core.change(kind, {name = name}, want, options) end
scm.change = change

-- ---- What there is ----

function scm.check_name(name)
  check.text("name", name)
  if name == "" or utf8.len(name, 1, -1, true) > scm.LONGEST_NAME then
    check.bad("name", name, "the name of a service (1 to 256 characters)")
  end
  return name
end

-- What raw.get or the like tells, or `of(plan)` for a service that --check plans to make; nil for one that it plans to
-- delete, or that is not there (then perhaps a hint).
function scm.read(name, read, of)
  local is_planned, plan = gate.planned("scm.service", {name = name})
  if not is_planned then return core.ask(read, name) end
  return plan and of(name, plan)
end

-- The record of a service that is only planned.
local function planned_record(name, plan)
  return data.overlay({
    name = name, display_name = name, state = "stopped", type = "own_process", start = "demand",
    error_control = "normal", account = "LocalSystem", exit_code = 1077, service_exit_code = 0, checkpoint = 0,
    wait_hint = 0.0, accepts = {}, dependencies = {}, dependents = {},
  }, plan.config)
end
scm.planned_record = planned_record

-- Lays what --check plans over a record, or a row of one.
local function lay_over(planned, record, is_row)
  local is_planned, state = planned("scm.state", {name = record.name})
  if is_planned and state.state ~= record.state then
    record.state, record.pid, record.checkpoint, record.wait_hint = state.state, nil, 0, 0.0
    record.accepts = state.state == "stopped" and {} or record.accepts
  end
  local config
  is_planned, config = planned("scm.config", {name = record.name})
  if is_planned then
    for _, key in ipairs(scm.CONFIG) do
      if record[key] ~= nil or not is_row then record[key] = config[key] end
    end
  end
  if not is_row and scm.planned_dependents then record.dependents = scm.planned_dependents(record) end
  return record
end

function scm.record(name)
  local record, hint = scm.read(name, raw.get, planned_record)
  if not record or not gate.has_plans() then return record, hint end
  return lay_over(gate.planned, record), hint
end

-- The name that somebody meant, in words.
local function meant(name)
  local names = {}
  for i, row in ipairs(core.ask(raw.list)) do names[i] = row.name end
  local near = core.x.nearest(name, names)
  return near and ("did you mean '%s'?"):format(near)
end

-- The record of a service; raises when there is none.
function scm.existing(name)
  local record, hint = scm.record(scm.check_name(name))
  if not record then core.fail(name, code.ERROR_SERVICE_DOES_NOT_EXIST, nil, hint or meant(name)) end
  return record
end
local existing = scm.existing

local function planned_status() return {state = "stopped", accepts = {}} end

-- The status of a service, in --check as it would be by now (then its state alone); nil when the service is gone.
local function status_of(name)
  local is_planned, state = gate.planned("scm.state", {name = name})
  if is_planned then return state end
  return (scm.read(name, raw.status, planned_status))
end

-- "running", ...
local function state_of(name)
  local status = status_of(name)
  return status and status.state
end

-- "auto", ..., likewise; nil also when p80 may not read it.
local function start_of(name)
  local is_planned, config = gate.planned("scm.config", {name = name})
  if not is_planned then config = scm.record(name) end
  return config and config.start
end

-- ---- The state ----

-- Waits until a service that is starting, stopping or pausing no longer is; returns its state. `state` is what it was
-- a moment ago.
local function settle(name, timeout, state)
  state = state or state_of(name)
  local destination = DESTINATION[state]
  if not destination then return state end
  local ok, problem = pcall(raw.wait, name, destination, {timeout = timeout})
  state = state_of(name)
  if ok or not DESTINATION[state] and not core.is_interrupt(problem) then return state end
  core.ask(error, problem, 0)
end

-- Sends what `send` sends. A service may answer with an error and go where it was told to nevertheless (Windows
-- Server 2003 says 1053 or 1061 to a stop that is under way): then the way is as good as begun.
local function request(name, destination, send, ...)
  local ok, problem = pcall(send, name, ...)
  if ok then return end
  if settled(state_of(name)) ~= destination then core.ask(error, problem, 0) end
end

-- Tells a service in state `state` to go where it should, within `timeout` seconds.
local function send(name, state, wanted, timeout, args)
  if wanted == "stopped" then request(name, wanted, raw.stop, timeout)
  elseif wanted == "paused" then request(name, wanted, raw.pause, timeout)
  elseif state == "paused" then request(name, wanted, raw["continue"], timeout)
  else request(name, wanted, raw.start, args, timeout) end
end

local LEAST_ANSWER = 1 -- seconds that a service has to answer, however little time is left

-- Brings a service to "running", "stopped" or "paused" within `timeout` seconds.
local function bring_to(name, wanted, timeout, args)
  local deadline = core.x.clock() + timeout
  local function left() return math.max(0, deadline - core.x.clock()) end
  local function go(state, there)
    send(name, state, there, math.max(LEAST_ANSWER, left()), args)
    core.ask(raw.wait, name, there, {timeout = left(), requested = true})
  end
  local state = settle(name, timeout)
  if state == wanted then return end
  if wanted == "paused" and state == "stopped" then
    go(state, "running")
    state = "running"
  end
  go(state, wanted)
end
scm.bring_to = bring_to

core.resource {
  kind = "scm.state",
  part_of = "service",
  label = function(id) return id.name end,
  get = function(id)
    local status = scm.read(id.name, raw.status, planned_status)
    return status and {state = status.state}
  end,
  set = function(id, want, _, options)
    options = options or {}
    bring_to(id.name, settled(want.state), options.timeout or core.timeout, options.args)
  end,
  -- A service on its way counts as there: it gets there, or not, without anybody else's doing. `set` has waited
  -- for it, and raises when it did not.
  same = function(have, want)
    if have == nil or want == nil then return have == want end
    return settled(have.state) == settled(want.state)
  end,
}

-- ---- Starting and stopping ----

local function quoted(names) return "'" .. table.concat(names, "', '") .. "'" end

local function refuse_disabled(name)
  if start_of(name) == "disabled" then core.fail(name, code.ERROR_SERVICE_DISABLED) end
end

local start

-- Starts what a service needs and is not running. Windows would, too, but nobody would be told, nor could take it
-- back. What p80 may not look at is left to Windows.
local function start_dependencies(name, timeout, seen)
  for _, needed in ipairs(scm.record(name).dependencies or {}) do
    if needed:sub(1, 1) ~= "+" and not seen[needed:lower()] then
      local readable, record = pcall(scm.record, needed)
      if readable and not record then
        core.fail(name, code.ERROR_SERVICE_DEPENDENCY_DELETED, nil,
          ("it needs '%s', which is not there"):format(needed))
      end
      if readable and record.state and settle(record.name, timeout) == "stopped" then
        if start_of(record.name) == "disabled" then
          core.fail(name, code.ERROR_SERVICE_DEPENDENCY_FAIL, nil,
            ("it needs '%s', which is disabled"):format(record.name))
        end
        start(record.name, timeout, nil, seen)
      end
    end
  end
end

-- Starts a service and what it needs; returns whether it was not running.
function start(name, timeout, args, seen)
  local state = settle(name, timeout)
  if state == "running" then return false end
  if state == "stopped" then
    seen = seen or {}
    seen[name:lower()] = true
    refuse_disabled(name)
    start_dependencies(name, timeout, seen)
  end
  return change("scm.state", name, {state = "running"}, {timeout = timeout, args = args})
end

-- The services that need this one and are not stopped, in the order in which they are to be stopped, and their status
-- by name.
local function active_dependents(record)
  local active, statuses = {}, {}
  for _, name in ipairs(record.dependents or {}) do
    local status = status_of(name)
    if status and status.state ~= "stopped" then
      active[#active + 1], statuses[name] = name, status
    end
  end
  return active, statuses
end

local function takes(status, control) return data.contains(status.accepts or {}, control) end

-- Stops one service; returns whether it was not stopped. `status` is what it was a moment ago.
local function stop_one(name, timeout, status)
  local waits = DESTINATION[status.state]
  if settle(name, timeout, status.state) == "stopped" then return false end
  if not gate.planned("scm.state", {name = name}) and not takes(waits and status_of(name) or status, "stop") then
    core.fail(name, code.ERROR_INVALID_SERVICE_CONTROL, nil, "the service does not let itself be stopped")
  end
  return change("scm.state", name, {state = "stopped"},
    {timeout = timeout, have = not waits and {state = status.state} or nil})
end

-- Stops a service, with its dependents when `options` say so; returns whether it was not stopped, and the dependents
-- that were stopped, in that order.
local function stop(record, options)
  local status = gate.planned("scm.state", record) and status_of(record.name) or record
  if not status.state then core.fail(record.name, code.ERROR_ACCESS_DENIED) end
  if settle(record.name, options.timeout, status.state) == "stopped" then return false, {} end
  local active, statuses = active_dependents(record)
  if #active > 0 and not options.dependents then
    core.fail(record.name, code.ERROR_DEPENDENT_SERVICES_RUNNING, nil,
      ("%s %s it; pass dependents=true to stop them too"):format(quoted(active), #active == 1 and "needs" or "need"))
  end
  for _, name in ipairs(active) do stop_one(name, options.timeout, statuses[name]) end
  return stop_one(record.name, options.timeout, status), active
end
scm.stop = stop

local function check_options(options, known)
  local checked = {}
  options = check.options(options, known)
  checked.timeout = check.opt_seconds("timeout", options.timeout, core.timeout)
  checked.dependents = check.opt_boolean("dependents", options.dependents)
  if options.args ~= nil then checked.args = check.list_of_text("args", options.args) end
  if checked.args and #checked.args > 255 then check.bad("args", options.args, "an array of at most 255 texts") end
  return checked
end
scm.check_options = check_options

-- Calls f; what goes wrong after a change says what is done by then, and how to go on.
local function or_say_how_far(how, f, ...)
  local before = #gate.changes()
  local results = table.pack(pcall(f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local problem, done = results[2], {}
  for i = before + 1, #gate.changes() do
    local change = gate.changes()[i]
    if change.taken then done[#done + 1] = ("%s is %s"):format(change.label, change.after.state) end
  end
  if type(problem) ~= "table" or core.is_interrupt(problem) or core.checking or #done == 0 then error(problem, 0) end
  core.fail(problem.target, problem.code, problem.message, ("%s%s by now: %s, or `p80 undo` takes it back"):format(
    problem.hint and problem.hint .. "; " or "", table.concat(done, ", "), how))
end

core.write("scm.start", function(...)
  check.arguments(select("#", ...), 1, 2)
  local name, options = ...
  options = check_options(options, {"args", "timeout"})
  return or_say_how_far("the same call goes on", start, existing(name).name, options.timeout, options.args)
end)

core.write("scm.stop", function(...)
  check.arguments(select("#", ...), 1, 2)
  local name, options = ...
  options = check_options(options, {"dependents", "timeout"})
  return or_say_how_far("the same call goes on", stop, existing(name), options)
end)

core.write("scm.restart", function(...)
  check.arguments(select("#", ...), 1, 2)
  local name, options = ...
  options = check_options(options, {"args", "dependents", "timeout"})
  local record = existing(name)
  refuse_disabled(record.name)
  return or_say_how_far("win.scm.start goes on with each", function()
    local stopped, dependents = stop(record, options)
    local started = start(record.name, options.timeout, options.args)
    for i = #dependents, 1, -1 do start(dependents[i], options.timeout) end
    return stopped or started
  end)
end)

core.write("scm.pause", function(...)
  check.arguments(select("#", ...), 1, 2)
  local name, options = ...
  options = check_options(options, {"timeout"})
  name = existing(name).name
  local state = settle(name, options.timeout)
  if state == "paused" then return false end
  if state == "stopped" then core.fail(name, code.ERROR_SERVICE_NOT_ACTIVE) end
  if not gate.planned("scm.state", {name = name}) and not takes(status_of(name), "pause") then
    core.fail(name, code.ERROR_INVALID_SERVICE_CONTROL, nil, "the service does not let itself be paused")
  end
  return change("scm.state", name, {state = "paused"}, options)
end)

core.write("scm.continue", function(...)
  check.arguments(select("#", ...), 1, 2)
  local name, options = ...
  options = check_options(options, {"timeout"})
  name = existing(name).name
  local state = settle(name, options.timeout)
  if state == "stopped" then core.fail(name, code.ERROR_SERVICE_NOT_ACTIVE, nil, "win.scm.start starts it") end
  return state ~= "running" and change("scm.state", name, {state = "running"}, options)
end)

-- ---- Controls ----

local CONTROLS <const> = {
  interrogate = 4, param_change = 6, net_bind_add = 7, net_bind_remove = 8, net_bind_enable = 9, net_bind_disable = 10,
}

local sent = {} -- by name: {control=, sent=}: the last one and how many this run has sent

-- What a service does with a control nobody knows, so that each is a change, which cannot be taken back.
core.resource {
  kind = "scm.control",
  label = function(id) return id.name end,
  get = function(id) return sent[id.name] or {sent = 0} end,
  set = function(id, want, _, options)
    core.ask(raw.control, id.name, CONTROLS[want.control] or want.control, options.timeout)
    sent[id.name] = want
  end,
  same = function(have, want) return have.sent == want.sent end,
  undo = false,
}

local function check_control(control)
  if CONTROLS[control] then return control end
  local whole = math.type(control) and math.tointeger(control)
  if whole and whole >= 128 and whole <= 255 then return whole end
  local names = {}
  for name in pairs(CONTROLS) do names[#names + 1] = name end
  table.sort(names)
  check.bad("control", control, "an integer from 128 to 255 or one of " .. table.concat(names, ", "))
end

core.write("scm.control", function(...)
  check.arguments(select("#", ...), 2, 3)
  local name, control, options = ...
  options = check_options(options, {"timeout"})
  name = existing(name).name
  control = check_control(control)
  if state_of(name) == "stopped" then core.fail(name, code.ERROR_SERVICE_NOT_ACTIVE) end
  local before = gate.state("scm.control", {name = name})
  return change("scm.control", name, {control = control, sent = before.sent + 1}, options)
end)

-- ---- What --check has planned ----

-- What --check plans of services that come and go: `record` as it would be by now.
local function come_and_gone(planned, name, record, of)
  local is_planned, plan = planned("scm.service", {name = type(name) == "string" and name or ""})
  if not is_planned then return record end
  return plan and of(name, plan)
end

core.view("scm.get", function(planned, record, name)
  record = come_and_gone(planned, name, record, planned_record)
  return record and lay_over(planned, record)
end)

core.view("scm.status", function(planned, status, name)
  status = come_and_gone(planned, name, status, planned_status)
  if not status then return nil end
  status.name = name
  lay_over(planned, status, true).name = nil
  return status
end)

core.view("scm.details", function(planned, details, name)
  local is_planned, plan = planned("scm.details", {name = type(name) == "string" and name or ""})
  if is_planned then return plan end
  return come_and_gone(planned, name, details, function(_, state) return state.details or {} end)
end)

core.view("scm.security", function(planned, sddl, name)
  local is_planned, parts = planned("scm.security", {name = type(name) == "string" and name or ""})
  if is_planned then return scm.join_sddl(parts) end
  return come_and_gone(planned, name, sddl, function(_, plan) return plan.security end)
end)

core.answer("scm.dependents", function(_, ...) return true, core.x.scm.dependents_by(scm.record)(...) end)

-- Whether win.scm.list{type=wanted} has services of this type.
local function is_listed(service_type, wanted)
  return wanted == "all" or (wanted == "driver") == (service_type:find "driver$" ~= nil)
end

-- The rows that Windows has and those that are only planned.
local function planned_rows(planned, rows, wanted)
  local kept, seen = {}, {}
  for _, row in ipairs(rows) do
    local is_planned, plan = planned("scm.service", {name = row.name})
    if not is_planned or plan then kept[#kept + 1] = lay_over(planned, row, true) end
    seen[core.x.fold(row.name)] = true
  end
  for _, change in ipairs(gate.changes()) do
    local is_planned, plan = planned("scm.service", {name = change.label})
    if change.kind == "scm.service" and not seen[core.x.fold(change.label)] and is_planned and plan then
      local record = lay_over(planned, planned_record(change.label, plan), true)
      if is_listed(record.type, wanted) then kept[#kept + 1] = record end
      seen[core.x.fold(change.label)] = true
    end
  end
  return kept
end

core.view("scm.list", function(planned, rows, options)
  local wanted, kept = options and options.state or "all", {}
  local all = wanted == "all" and rows or raw.list {type = options.type}
  for _, row in ipairs(planned_rows(planned, all, options and options.type or "service")) do
    if wanted == "all" or (wanted == "active") == (row.state ~= "stopped") then kept[#kept + 1] = row end
  end
  return kept
end)

-- Waiting for what is only planned would take until the deadline.
core.answer("scm.wait", function(planned, ...)
  local name, state, options = ...
  local is_planned, plan = planned("scm.state", {name = type(name) == "string" and name or ""})
  if not is_planned then return false end
  check.arguments(select("#", ...), 2, 3)
  check.one_of("state", state, {"running", "stopped", "paused"})
  check.opt_seconds("timeout", check.options(options, {"timeout", "requested"}).timeout)
  if plan.state == state then return true, true end
  core.fail(name, code.ERROR_TIMEOUT, nil, ("it would be %s by now"):format(plan.state))
end)
