-- The scheduled tasks of a modelled machine: machine.tasks[path] has what the scheduler would tell, xml= where it has
-- version 2.0.
local model = ...
local machine = model.machine
local task = {}

local NOT_FOUND <const> = 2
local READY <const>, DISABLED <const> = {3, 0x41300}, {1, 0x41302} -- states of 2.0 and 1.0

local function version() return machine.windows:find "^5%." and 1 or 2 end
task["task.version"] = version

local function find(path)
  path = path:find "^\\" and path or "\\" .. path
  for known in pairs(machine.tasks) do
    if known:lower() == path:lower() then return known end
  end
end

local function row_of(path)
  local row = model.copy(machine.tasks[path])
  row.path = path
  row[version() == 2 and "state" or "status"] = (row.enabled and READY or DISABLED)[version() == 2 and 1 or 2]
  return row
end

task["task.list"] = function()
  local rows = {}
  for path in pairs(machine.tasks) do
    local row = row_of(path)
    row.xml = nil
    rows[#rows + 1] = row
  end
  return rows
end

task["task.get"] = function(path)
  local known = find(model.check().text("path", path))
  return known and row_of(known)
end

task["task.create"] = function(path, record)
  local made = model.copy(record)
  made.password, made.logon = nil, nil
  if made.xml then made.enabled = not made.xml:find "<Settings>.-<Enabled>false" end
  if made.user then made.account = made.user end
  made.user = nil
  machine.tasks[find(path) or (path:find "^\\" and path or "\\" .. path)] = made
end

task["task.delete"] = function(path)
  if not find(path) then model.fail(path, NOT_FOUND) end
  machine.tasks[find(path)] = nil
end

task["task.run"] = function(path)
  if not find(path) then model.fail(path, NOT_FOUND) end
  machine.tasks[find(path)].last_run = model.time_text()
end

return task
