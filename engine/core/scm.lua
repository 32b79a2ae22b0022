-- win.scm behind the gate: starting, stopping and configuring services. Each service that is touched on the way, be
-- it a dependent that must stop or a dependency that must run first, is a change of its own: granted, journaled,
-- undone.
local core = ...
local check, code, data, gate = core.check, core.code, core.data, core.gate
local raw = core.win.scm

local LONGEST_NAME = 256
local START_WORDS = {"boot", "system", "auto", "demand", "disabled"}
local CONFIG = {"start", "delayed", "account", "path", "display_name"} -- what can be read back; a password cannot

-- Where a service in a pending state is going.
local DESTINATION = {
  start_pending = "running", continue_pending = "running", stop_pending = "stopped", pause_pending = "paused",
}

local function settled(state) return DESTINATION[state] or state end

-- Whether --check has planned anything about services.
local has_plans = false

local function change(kind, name, want, options)
  local changed = core.change(kind, {name = name}, want, options)
  has_plans = has_plans or changed and core.checking
  return changed
end

-- ---- What there is ----

local function check_name(name)
  check.text("name", name)
  if name == "" or utf8.len(name, 1, -1, true) > LONGEST_NAME then
    check.bad("name", name, "the name of a service (1 to 256 characters)")
  end
end

-- The record of a service as Windows has it; raises when there is none.
local function existing(name)
  check_name(name)
  local record, hint = core.ask(raw.get, name)
  if not record then core.fail(name, code.ERROR_SERVICE_DOES_NOT_EXIST, nil, hint) end
  return record
end

-- The status of a service, in --check as it would be by now (then its state alone); nil when the service is gone.
local function status_of(name)
  local is_planned, state = gate.planned("scm.state", {name = name})
  if is_planned then return state end
  return (core.ask(raw.status, name))
end

-- "running", ...
local function state_of(name)
  local status = status_of(name)
  return status and status.state
end

-- "auto", ..., likewise; nil also when p80 may not read it.
local function start_of(name)
  local is_planned, config = gate.planned("scm.config", {name = name})
  if not is_planned then config = raw.get(name) end
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

local function stop_raw(name) request(name, "stopped", raw.stop) end
local function pause_raw(name) request(name, "paused", raw.stop, "pause") end

local function start_raw(name, state, args)
  if state == "paused" then
    request(name, "running", raw.stop, "continue")
  else
    request(name, "running", raw.start, args)
  end
end

-- Brings a service to "running", "stopped" or "paused" within `timeout` seconds.
local function bring_to(name, wanted, timeout, args)
  local deadline = core.x.clock() + timeout
  local function await(state)
    core.ask(raw.wait, name, state, {timeout = math.max(0, deadline - core.x.clock()), requested = true})
  end
  local state = settle(name, timeout)
  if state == wanted then return end
  if wanted == "stopped" then
    stop_raw(name)
  elseif wanted == "running" then
    start_raw(name, state, args)
  else
    if state == "stopped" then
      start_raw(name, state, args)
      await "running"
    end
    pause_raw(name)
  end
  await(wanted)
end

core.resource {
  kind = "scm.state",
  label = function(id) return id.name end,
  get = function(id)
    local status = core.ask(raw.status, id.name)
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
  for _, needed in ipairs(raw.get(name).dependencies or {}) do
    if needed:sub(1, 1) ~= "+" and not seen[needed:lower()] then
      local readable, record = pcall(raw.get, needed)
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

local function takes_stop(status)
  for _, control in ipairs(status.accepts or {}) do
    if control == "stop" then return true end
  end
  return false
end

-- Stops one service; returns whether it was not stopped. `status` is what it was a moment ago.
local function stop_one(name, timeout, status)
  local waits = DESTINATION[status.state]
  if settle(name, timeout, status.state) == "stopped" then return false end
  if not gate.planned("scm.state", {name = name}) and not takes_stop(waits and status_of(name) or status) then
    core.fail(name, code.ERROR_INVALID_SERVICE_CONTROL, nil, "the service does not let itself be stopped")
  end
  return change("scm.state", name, {state = "stopped"}, {timeout = timeout})
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

local function check_options(options, known)
  local checked = {}
  options = check.options(options, known)
  checked.timeout = check.opt_seconds("timeout", options.timeout, core.timeout)
  checked.dependents = check.opt_boolean("dependents", options.dependents)
  if options.args ~= nil then checked.args = check.list_of_text("args", options.args) end
  if checked.args and #checked.args > 255 then check.bad("args", options.args, "an array of at most 255 texts") end
  return checked
end

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

--- win.scm.start(name [, {args={...}, timeout=30}]) -> changed
-- Starts a service, and before it the services that it needs, and waits until each runs; a paused one goes on.
-- `args` is for the service itself. Each service has `timeout` seconds.
core.write("scm.start", function(...)
  check.arguments(select("#", ...), 1, 2)
  local name, options = ...
  options = check_options(options, {"args", "timeout"})
  return or_say_how_far("the same call goes on", start, existing(name).name, options.timeout, options.args)
end)

--- win.scm.stop(name [, {dependents=false, timeout=30}]) -> changed
-- Stops a service and waits until it has; with dependents=true first the running services that need it, in Windows'
-- order. Each service has `timeout` seconds.
core.write("scm.stop", function(...)
  check.arguments(select("#", ...), 1, 2)
  local name, options = ...
  options = check_options(options, {"dependents", "timeout"})
  return (or_say_how_far("the same call goes on", stop, existing(name), options))
end)

--- win.scm.restart(name [, {dependents=false, args={...}, timeout=30}]) -> changed
-- Stops a service as win.scm.stop does, then starts it and the dependents that were running; one that was stopped is
-- started.
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

-- ---- The configuration ----

-- An account as Windows compares it: no case, and one name for LocalSystem.
local function folded_account(account)
  local folded = account and account:lower()
  return folded and folded:match "^[^\\]*\\(localsystem)$" or folded
end

local function with_folded_account(config)
  return config and data.overlay(config, {account = folded_account(config.account)})
end

core.resource {
  kind = "scm.config",
  label = function(id) return id.name end,
  get = function(id)
    local record = raw.get(id.name)
    if not record then return nil end
    if not record.start then core.fail(id.name, code.ERROR_ACCESS_DENIED) end
    local config = {}
    for _, key in ipairs(CONFIG) do config[key] = record[key] end
    return config
  end,
  set = function(id, want, have, options)
    local settings = {password = options and options.password}
    for _, key in ipairs(CONFIG) do
      if want[key] ~= have[key] then settings[key] = want[key] end
    end
    if settings.password then settings.account = settings.account or have.account end
    raw.config(id.name, settings)
  end,
  same = function(have, want) return data.includes(with_folded_account(have), with_folded_account(want)) end,
}

local passwords_set = {} -- by name: this run has set it

-- A password alone. It cannot be read, so that nothing can be compared, nor taken back.
core.resource {
  kind = "scm.password",
  label = function(id) return id.name end,
  get = function(id) return {password = passwords_set[id.name] and "set" or "unknown"} end,
  set = function(id, _, _, options)
    raw.config(id.name, {account = raw.get(id.name).account, password = options.password})
    passwords_set[id.name] = true
  end,
  same = function(have, want) return have.password == "set" and want.password == "set" end,
  undo = false,
}

local function set_password(name, password)
  passwords_set[name] = nil
  gate.forget("scm.password", {name = name})
  return change("scm.password", name, {password = "set"}, {password = password})
end

-- Checks a password without ever showing it.
local function check_password(password)
  if password == nil then return nil end
  if type(password) ~= "string" or password:find("\0", 1, true) or not check.is_wide_text(password) then
    core.fail("password", code.ERROR_INVALID_PARAMETER, "text without NUL in valid UTF-8 expected (not shown).")
  end
  return password
end

local function check_filled(name, value)
  if value ~= nil and check.text(name, value) == "" then check.bad(name, value, "text that is not empty") end
  return value
end

-- The settings without the password.
local function check_settings(settings)
  if settings.start ~= nil then check.one_of("start", settings.start, START_WORDS) end
  check_filled("display_name", settings.display_name)
  if settings.display_name and utf8.len(settings.display_name, 1, -1, true) > LONGEST_NAME then
    check.bad("display_name", settings.display_name, "a display name (1 to 256 characters)")
  end
  return {
    start = settings.start, delayed = check.opt_boolean("delayed", settings.delayed),
    account = check_filled("account", settings.account), path = check_filled("path", settings.path),
    display_name = settings.display_name,
  }
end

-- Raises for what Windows would refuse half-way, or not take.
local function check_start(record, have, want)
  if (want.start == "boot" or want.start == "system") and not record.type:find "driver$" then
    check.bad("start", want.start, "'auto', 'demand' or 'disabled' for a service that is no driver")
  end
  if want.delayed and have.delayed == nil then
    core.fail(record.name, code.ERROR_CALL_NOT_IMPLEMENTED, nil,
      "this Windows knows no delayed start for it; Windows Vista brought it, for services")
  end
  if want.delayed and (want.start or have.start) ~= "auto" then
    check.bad("delayed", true, 'delayed=true with start="auto" only')
  end
end

--- win.scm.config(name, {start="auto"|"demand"|"disabled"|"boot"|"system", delayed=, account=, password=, path=,
-- display_name=}) -> changed
-- Changes what is given. A password is passed on and kept nowhere; alone it needs the grant scm.password and always
-- counts as a change, with other changes it goes along with them.
core.write("scm.config", function(...)
  check.arguments(select("#", ...), 2, 2)
  local name, settings = ...
  local known = {"start", "delayed", "account", "password", "path", "display_name"}
  if type(settings) ~= "table" then check.bad("settings", settings, "a table of settings") end
  if next(check.options(settings, known)) == nil then
    core.fail("settings", code.ERROR_INVALID_PARAMETER, "At least one setting expected.",
      "the settings are " .. table.concat(known, ", "))
  end
  local password, want = check_password(settings.password), check_settings(settings)
  local record = existing(name)
  local have = gate.state("scm.config", {name = record.name})
  check_start(record, have, want)
  if have.delayed == nil then want.delayed = nil end -- false, where there is no such thing
  local changed = change("scm.config", record.name, want, {password = password})
  return changed or password ~= nil and set_password(record.name, password)
end)

-- ---- What --check has planned ----

-- Lays what is planned over a record or a row.
local function lay_over(planned, record)
  local is_planned, state = planned("scm.state", {name = record.name})
  if is_planned and state.state ~= record.state then
    record.state, record.pid, record.checkpoint, record.wait_hint = state.state, nil, 0, 0.0
    record.accepts = state.state == "stopped" and {} or record.accepts
  end
  local config
  is_planned, config = planned("scm.config", {name = record.name})
  if is_planned then
    for _, key in ipairs(CONFIG) do
      if record[key] ~= nil then record[key] = config[key] end
    end
  end
  return record
end

core.view("scm.get", function(planned, record) return record and lay_over(planned, record) end)

core.view("scm.status", function(planned, status, name)
  if not status then return nil end
  status.name = name
  lay_over(planned, status).name = nil
  return status
end)

core.view("scm.list", function(planned, rows, options)
  if not has_plans then return rows end
  local wanted, kept = options and options.state or "all", {}
  for _, row in ipairs(wanted == "all" and rows or raw.list {type = options.type}) do
    lay_over(planned, row)
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
