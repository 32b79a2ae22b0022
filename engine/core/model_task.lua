-- The scheduled tasks of a modelled machine: machine.tasks[path] has what the scheduler would tell, xml= where it has
-- version 2.0.
local model = ...
local machine = model.machine
local task = {}

local NOT_FOUND <const>, TASK_DISABLED <const>, NOT_RUNNING <const> = 2, 0x80041326, 0x80041315
local READY <const>, DISABLED <const> = {0x41300, 3}, {0x41302, 1} -- states by version

local function version() return model.is_old() and 1 or 2 end
task["task.version"] = version

-- Version 2.0 answers only while its service runs, where the machine has one.
local function require_scheduler()
  local service = model.part "scm".find "Schedule"
  if version() == 2 and service and service.state ~= "running" then model.fail("Task Scheduler", NOT_RUNNING) end
end

local function full(path) return path:find "^\\" and path or "\\" .. path end

-- The task of this name, and the name as the machine writes it.
local function find(path)
  require_scheduler()
  return model.find(machine.tasks, full(path))
end

local function existing(path)
  local row, known = find(path)
  if not row then model.fail(path, NOT_FOUND) end
  return row, known
end

local SUMMARY <const>, WHOLE <const> = {"enabled", "last_run", "next_run", "last_result"},
  {"xml", "program", "arguments", "directory", "description", "account", "triggers"}

local function row_of(known, keys)
  local row, shown = machine.tasks[known], {path = known}
  for _, key in ipairs(keys) do shown[key] = model.copy(row[key]) end
  shown[version() == 2 and "state" or "status"] = (row.enabled and READY or DISABLED)[version()]
  return shown
end

-- The definition of a task that was made by hand.
local function xml_of(row)
  model.core.open "task"
  return model.core.to_task_xml {
    actions = {{program = row.program, arguments = row.arguments, directory = row.directory}}, triggers = row.triggers,
    description = row.description, account = row.account or "S-1-5-18", highest = true, enabled = row.enabled,
  }
end

local ALL <const> = table.move(WHOLE, 1, #WHOLE, #SUMMARY + 1, table.move(SUMMARY, 1, #SUMMARY, 1, {}))

task["task.list"] = function()
  require_scheduler()
  local rows = {}
  for known in pairs(machine.tasks) do rows[#rows + 1] = row_of(known, SUMMARY) end
  return rows
end

task["task.get"] = function(path)
  local row, known = find(model.check().text("path", path))
  if not known then return nil end
  if version() == 2 and not row.xml then row.xml = xml_of(row) end
  return row_of(known, ALL)
end

task["task.create"] = function(path, record)
  local made, _, known = model.copy(record), find(path)
  made.password, made.logon = nil, nil
  if made.xml then made.enabled = not made.xml:find "<Settings>.-<Enabled>false" end
  if made.user then made.account = made.user end
  made.user = nil
  machine.tasks[known or full(path)] = made
end

task["task.delete"] = function(path)
  local _, known = existing(path)
  machine.tasks[known] = nil
end

task["task.run"] = function(path)
  local row = existing(path)
  if version() == 2 and not row.enabled then model.fail(path, TASK_DISABLED) end
  row.last_run, row.last_result = model.time_text(), 0
end

return task
