-- The services of a modelled machine. A service's own ways are fields of it:
--   starts_in, stops_in     seconds that it takes
--   hangs                   "start" or "stop": it never gets there
--   start_error, stop_error what Windows answers to the request
--   start_fails             with which code it stops instead of running; {service=} is one of its own
--   lingers                 seconds for which its process goes on after it has stopped
local model, host = ...
local machine, copy = model.machine, model.copy
local scm = {["scm.upper"] = true}

local DEPENDENTS_RUNNING <const>, INVALID_CONTROL <const>, ALREADY_RUNNING <const> = 1051, 1052, 1056
local DISABLED <const>, DOES_NOT_EXIST <const>, CANNOT_ACCEPT <const>, NOT_ACTIVE <const> = 1058, 1060, 1061, 1062
local PROCESS_ABORTED <const>, DEPENDENCY_FAIL <const>, MARKED_FOR_DELETE <const> = 1067, 1068, 1072
local SPECIFIC_ERROR <const>, INVALID_NAME <const> = 1066, 123
local DEPENDENCY_DELETED <const>, CIRCULAR <const> = 1075, 1059
local LONGEST_NAME <const> = 256
local HTTP <const> = "http"

local DRIVER <const> = {kernel_driver = true, file_system_driver = true, adapter = true, recognizer_driver = true}

-- ---- Finding ----

-- The record of a service and its name as the database has it.
local function find(name) return model.find(machine.services, name) end
scm.find = find

local function sorted_names()
  local names = {}
  for name in pairs(machine.services) do names[#names + 1] = name end
  table.sort(names, function(a, b) return a:lower() < b:lower() end)
  return names
end

local function name_of(display)
  for _, name in ipairs(sorted_names()) do
    if host.x.fold(machine.services[name].display_name) == host.x.fold(display) then return name end
  end
end

function scm.hint_for(name)
  local real = name_of(name)
  return real and ("the service with this display name is '%s'"):format(real) or nil
end

function scm.check_name(name)
  local check = model.check()
  if check.text("name", name) == "" or utf8.len(name, 1, -1, true) > LONGEST_NAME then
    check.bad("name", name, "the name of a service (1 to 256 characters)")
  end
  return name
end

-- Finds a service as Windows opens one.
function scm.open(name)
  if name:find "[\\/]" then model.fail(name, INVALID_NAME) end
  return find(name)
end

function scm.existing(name)
  local service, known = scm.open(scm.check_name(name))
  if not service then model.fail(name, DOES_NOT_EXIST, nil, scm.hint_for(name)) end
  return service, known
end

-- ---- Records ----

local function status_of(service)
  local accepts = (service.state == "running" or service.state == "paused") and copy(service.accepts) or {}
  return {
    type = service.type, state = service.state, pid = service.pid, exit_code = service.exit_code,
    service_exit_code = service.service_exit_code, checkpoint = service.checkpoint,
    wait_hint = service.wait_hint + 0.0,
    accepts = accepts,
  }
end

local function needs(service, name, other)
  for _, needed in ipairs(service.dependencies) do
    local group = needed:match "^%+(.*)"
    if host.x.fold(group or needed) == host.x.fold(group and other.group or name or "") then return true end
  end
  return false
end

-- The names of those that depend on a service, directly or not, in the order in which they are to be stopped.
local function dependents_of(name, seen, order)
  seen, order = seen or {}, order or {}
  for _, other in ipairs(sorted_names()) do
    if not seen[other] and needs(machine.services[other], name, machine.services[name]) then
      seen[other] = true
      dependents_of(other, seen, order)
      order[#order + 1] = other
    end
  end
  return order
end

scm["scm.list"] = function(options)
  local check = model.check()
  options = check.options(options, {"type", "state"})
  local kind = options.type == nil and "service" or check.one_of("type", options.type, {"service", "driver", "all"})
  local state = options.state == nil and "all" or check.one_of("state", options.state, {"active", "inactive", "all"})
  local rows = {}
  for _, name in ipairs(sorted_names()) do
    local service = machine.services[name]
    local is_driver, is_active = DRIVER[service.type] or false, service.state ~= "stopped"
    local is_kind = kind == "all" or (kind == "driver") == is_driver
    if is_kind and (state == "all" or (state == "active") == is_active) then
      local row = status_of(service)
      row.name, row.display_name = name, service.display_name
      rows[#rows + 1] = row
    end
  end
  return rows
end

scm["scm.get"] = function(name)
  local service, known = scm.open(scm.check_name(name))
  if not service then return nil, scm.hint_for(name) end
  local record = status_of(service)
  for _, key in ipairs {"start", "path", "display_name", "account", "error_control", "interactive", "group", "tag"} do
    record[key] = service[key]
  end
  if not model.is_old() and not DRIVER[service.type] then record.delayed = service.delayed or false end
  record.name, record.dependencies, record.dependents = known, copy(service.dependencies), dependents_of(known)
  return record
end

scm["scm.status"] = function(name)
  local service = scm.open(scm.check_name(name))
  if not service then return nil, scm.hint_for(name) end
  return status_of(service)
end

scm["scm.name_of"] = function(display) return name_of(model.check().text("display_name", display)) end

-- ---- States ----

local function process() return model.part "process" end

local function to_state(service, state)
  service.state = state
  service.checkpoint, service.wait_hint = 0, 0.0
end

-- A service that is marked for deletion goes when it has stopped.
function scm.settle_deleted(name)
  local service = machine.services[name]
  if service and service.deleting and service.state == "stopped" then machine.services[name] = nil end
end

local function stopped(name, code)
  local service = machine.services[name]
  local pid = service.pid
  to_state(service, "stopped")
  service.pid, service.exit_code = nil, code or 0
  if pid then process().left_by_service(pid, service.lingers or 0) end
  scm.settle_deleted(name)
  scm.release_http()
end

--- HTTP, once it was told to stop, stops when nobody uses it any more.
function scm.release_http()
  local http, name = find(HTTP)
  if http and http.state == "stop_pending" and not model.part "net".is_http_used() then stopped(name) end
end

-- Drops what was still to happen to a service's state.
local function forget_due(name)
  for i = #machine.due, 1, -1 do
    local event = machine.due[i]
    if event.part == "scm" and event.service == name then table.remove(machine.due, i) end
  end
end

local function running(name)
  local service = machine.services[name]
  local fails = service.start_fails
  if fails then
    service.service_exit_code = type(fails) == "table" and fails.service or 0
    return stopped(name, type(fails) == "table" and SPECIFIC_ERROR or fails)
  end
  local conflict = model.part "net".conflict(service)
  if conflict then return stopped(name, conflict) end
  to_state(service, "running")
  service.exit_code, service.service_exit_code = 0, 0
  if name:lower() == "w3svc" then model.part "iis".begin() end
end

--- What is due for a service: {service=, to="running"|"stopped"|"start"}.
function scm.happen(event)
  local service = machine.services[event.service]
  if not service then return end
  if event.to == "running" and service.state == "start_pending" then running(event.service)
  elseif event.to == "stopped" then stopped(event.service)
  elseif event.to == "running" or event.to == "paused" then to_state(service, event.to)
  elseif service.state == "stopped" then pcall(scm.launch, event.service, {}) end
end

-- Moves a service on its way to a state, in which it is after so many seconds; without them never.
local function move(name, pending, to, seconds)
  local service = machine.services[name]
  to_state(service, pending)
  forget_due(name)
  if not seconds then return end
  if seconds > 0 then service.wait_hint = seconds + 0.0 end
  local event = {part = "scm", service = name, to = to}
  if seconds == 0 then scm.happen(event) else model.later(seconds, event) end
end

-- ---- Starting ----

local launch

-- Starts what a service needs; returns Windows' code when that does not do.
local function launch_dependencies(name, seen)
  for _, needed in ipairs(machine.services[name].dependencies) do
    if needed:sub(1, 1) ~= "+" then
      local other, known = find(needed)
      if not other then return DEPENDENCY_DELETED end
      if seen[known] then return CIRCULAR end
      if other.state == "stopped" and (launch(known, seen) or other.hangs == "start") then return DEPENDENCY_FAIL end
      if other.state ~= "running" and not model.await(30, function() return other.state ~= "start_pending" end) then
        return DEPENDENCY_FAIL
      end
      if other.state ~= "running" then return DEPENDENCY_FAIL end
    end
  end
end

--- Starts a service as the SCM does; returns Windows' code when it cannot.
function launch(name, seen)
  local service = machine.services[name]
  if service.start == "disabled" then return DISABLED end
  if service.deleting then return MARKED_FOR_DELETE end
  if service.state ~= "stopped" then return ALREADY_RUNNING end
  seen[name] = true
  local code = launch_dependencies(name, seen)
  seen[name] = nil
  if code or service.start_error then
    service.exit_code = code or service.start_error
    return code or service.start_error
  end
  if not DRIVER[service.type] then service.pid = process().of_service(name, service) end
  move(name, "start_pending", "running", service.hangs ~= "start" and (service.starts_in or 0) or nil)
end
scm.launch = launch

scm["scm.start"] = function(name)
  local _, known = scm.existing(name)
  local code = launch(known, {})
  if code then model.fail(name, code) end
end

-- ---- Stopping ----

local function active_dependent(name)
  for _, other in ipairs(dependents_of(name)) do
    if machine.services[other].state ~= "stopped" then return other end
  end
end

local PENDING <const> = {start_pending = true, stop_pending = true, pause_pending = true, continue_pending = true}

-- The service, which takes this control now; raises what Windows would answer.
local function controllable(name, control)
  local service, known = scm.existing(name)
  if service.state == "stopped" then model.fail(name, NOT_ACTIVE) end
  if PENDING[service.state] then model.fail(name, CANNOT_ACCEPT) end
  local takes = false
  for _, word in ipairs(service.accepts) do takes = takes or word == control end
  if control and not takes then model.fail(name, INVALID_CONTROL) end
  return service, known
end

scm["scm.stop"] = function(name)
  local service, known = controllable(name, "stop")
  if active_dependent(known) then model.fail(name, DEPENDENTS_RUNNING) end
  if service.stop_error then model.fail(name, service.stop_error) end
  local is_http = known:lower() == HTTP and model.part "net".is_http_used()
  move(known, "stop_pending", "stopped", service.hangs ~= "stop" and not is_http and (service.stops_in or 0) or nil)
end

scm["scm.pause"] = function(name)
  local _, known = controllable(name, "pause")
  move(known, "pause_pending", "paused", 0)
end

scm["scm.continue"] = function(name)
  local _, known = controllable(name, "pause")
  move(known, "continue_pending", "running", 0)
end

scm["scm.control"] = function(name, number)
  model.check().integer("control", number, 4, 255)
  controllable(name)
end

-- ---- Processes that end by themselves ----

local ON_CRASH <const> = {
  running = true, start_pending = true, paused = true, continue_pending = true, pause_pending = true,
}

--- The process of a service has ended without it: what its failure actions say happens.
function scm.crashed(pid)
  for _, name in ipairs(sorted_names()) do
    local service = machine.services[name]
    if service.pid == pid then
      local is_failure = ON_CRASH[service.state]
      service.pid = nil
      forget_due(name)
      stopped(name, is_failure and PROCESS_ABORTED or 0)
      local actions = service.failure and service.failure.actions or {}
      service.failures = is_failure and (service.failures or 0) + 1 or service.failures
      local action = is_failure and actions[math.min(service.failures, #actions)]
      if action and action.action == "restart" then
        model.later(action.delay or 0, {part = "scm", service = name, to = "start"})
      end
    end
  end
end

-- ---- Waiting ----

scm["scm.wait"] = function(name, wanted, options)
  local check = model.check()
  scm.check_name(name)
  check.one_of("state", wanted, {"running", "stopped", "paused"})
  options = check.options(options, {"timeout", "requested"})
  local timeout, on_the_way = check.opt_seconds("timeout", options.timeout, 30), options.requested
  scm.existing(name)
  local service, begun = find(name), machine.clock
  local moved, outcome = begun, "timeout"
  local last = service.state
  local there = model.await(timeout, function()
    service = find(name)
    if not service then model.fail(name, DOES_NOT_EXIST) end
    if service.state ~= last then last, moved = service.state, machine.clock end
    if service.state == wanted then return true end
    on_the_way = on_the_way or service.state == "start_pending" or service.state == "continue_pending"
    if service.state == "stopped" and on_the_way then outcome = "stopped" end
    return outcome == "stopped"
  end)
  if there and service.state == wanted then return true end
  return nil, outcome, status_of(service), machine.clock - moved, nil
end

scm["scm.await_change"] = function(name, state, pid, timeout)
  scm.check_name(name)
  local service
  local changed = model.await(model.check().seconds("timeout", timeout), function()
    service = find(name)
    return not service or service.state ~= state or (service.pid or 0) ~= pid
  end)
  if not changed then return nil end
  return service and status_of(service) or false
end

return scm
