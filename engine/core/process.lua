-- win.process behind the gate: ending a process, which nothing takes back.
local core, host = ...
local check, code = core.check, core.code
local raw = core.win.process

local function id_of(row) return {pid = row.pid, name = row.name, created = row.created} end
local function label(id) return ("%d (%s)"):format(id.pid, id.name) end

core.resource {
  kind = "process.state",
  label = label,
  -- A pid is given again to other processes: the one that is meant started when `created` says. Where p80 may not
  -- look at that, it is taken for the same.
  get = function(id)
    local row = raw.get(id.pid)
    if not row or row.name ~= id.name then return nil end
    if row.created and id.created and row.created ~= id.created then return nil end
    return {path = row.path, started = row.started}
  end,
  set = function(id, _, _, options)
    raw.stop(id.pid, {created = id.created, timeout = options and options.timeout or core.timeout})
  end,
  undo = false,
}

-- Raises for the processes that are never ended.
local function refuse(pid, row)
  local why = (pid == 0 or pid == 4) and "this is Windows itself" or pid == host.pid and "this is p80 itself"
  if why then core.fail(row and label(row) or tostring(pid), code.ERROR_ACCESS_DENIED, nil, why) end
end

--- win.process.stop(pid [, {timeout=30, created=}]) -> changed
-- Ends a process and waits until it is gone; false when there is none with this pid. With `created`, as
-- win.process.get gave it, only the process that started then: a pid may be another's some time later.
core.write("process.stop", function(...)
  check.arguments(select("#", ...), 1, 2)
  local pid, options = ...
  check.integer("pid", pid, 0, 0xFFFFFFFF)
  options = check.options(options, {"timeout", "created"})
  local timeout = check.opt_seconds("timeout", options.timeout, core.timeout)
  local created = check.opt_integer("created", options.created, 1, math.maxinteger)
  local row = core.ask(raw.get, pid)
  refuse(pid, row)
  if row and created and row.created ~= created then return false end
  return row ~= nil and core.change("process.state", id_of(row), nil, {timeout = timeout})
end)

core.view("process.get", function(planned, row)
  if row and planned("process.state", id_of(row)) then return nil end
  return row
end)

core.view("process.list", function(planned, rows)
  local left = {}
  for _, row in ipairs(rows) do
    if not planned("process.state", id_of(row)) then left[#left + 1] = row end
  end
  return left
end)

-- What runs in a process is what scm.list says, by now.
core.view("process.services", function(planned, names)
  local left = {}
  for _, name in ipairs(names) do
    local is_planned, state = planned("scm.state", {name = name})
    if not is_planned or state.state ~= "stopped" then left[#left + 1] = name end
  end
  return left
end)
