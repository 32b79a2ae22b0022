-- win.task behind the gate: making, deleting and running scheduled tasks.
local core = ...
local check, code, data = core.check, core.code, core.data
local raw = core.win.task

local LOCAL_SYSTEM = "S-1-5-18"
local NEEDS_NO_PASSWORD = {[LOCAL_SYSTEM] = true, ["S-1-5-19"] = true, ["S-1-5-20"] = true}
local EPOCH = "2000-01-01T00:00:00" -- what intervals are counted from, in local time
local LONGEST_NAME = 238
local LOGON = { -- TASK_LOGON_TYPE
  Password = 1, S4U = 2, InteractiveToken = 3, Group = 4, InteractiveTokenOrPassword = 6,
}
local LOGON_NONE, LOGON_SERVICE = 0, 5

-- ---- task: one of them ----

-- The SID of an account, or the name where it has none here.
local function sid_of(account)
  if not account then return nil end
  local ok, record = pcall(core.win.account.get, account)
  return ok and record and record.sid or account
end

-- What is compared of a task: what it does, when and as whom, but not how its XML is laid out.
local function facts(state)
  local triggers = {}
  for i, trigger in ipairs(state.triggers) do triggers[i] = data.overlay(trigger, {user = sid_of(trigger.user)}) end
  return {
    actions = state.actions, triggers = triggers, description = state.description, enabled = state.enabled,
    highest = state.highest or false, account = sid_of(state.account), logon = state.logon,
  }
end

local KEPT = {"actions", "triggers", "description", "enabled", "highest", "account", "logon", "xml"}

-- Whether Task Scheduler 1.0 can be given these triggers again.
local function can_restore(triggers)
  for _, trigger in ipairs(triggers) do
    local own = trigger.type == "startup" or trigger.type == "logon" or trigger.type == "time" and trigger.every
    if not own or trigger.begins and trigger.begins ~= EPOCH then return false end
  end
  return true
end

local function logon_of(state, account)
  if NEEDS_NO_PASSWORD[account] then return LOGON_SERVICE end
  return LOGON[state.logon] or LOGON_NONE
end

-- How a task logs on that had a password and comes back without.
local WITHOUT_PASSWORD = {Password = "S4U", InteractiveTokenOrPassword = "InteractiveToken"}
local LESS = {S4U = "without rights to other machines", InteractiveToken = "only while its user is logged on"}

local function how_to_give_password(account)
  return ("p80 keeps no passwords: win.task.create(path, {account=%q, password=..., ...}) gives it that of %s"):format(
    account, account)
end

local function put_xml(path, want, password)
  local user = password and want.account or nil
  raw.create(path, {xml = want.xml, logon = logon_of(want, sid_of(want.account)), user = user, password = password})
end

local function put_record(path, want, password)
  if not can_restore(want.triggers) then
    core.fail(path, code.P80_NO_UNDO, "Task Scheduler 1.0 cannot be given this task's triggers again.")
  end
  local action = want.actions[1] or {}
  raw.create(path, {
    program = action.program, arguments = action.arguments, directory = action.directory, triggers = want.triggers,
    description = want.description, enabled = want.enabled, password = password,
    user = sid_of(want.account) == LOCAL_SYSTEM and "" or want.account, -- nil where the scheduler has none
  })
end

local function put(path, want, password)
  local write = want.xml and put_xml or put_record
  local ok, problem = pcall(write, path, want, password)
  if ok then return end
  if type(problem) ~= "table" or problem.code ~= code.ERROR_LOGON_FAILURE or password then error(problem, 0) end
  core.fail(problem.target, problem.code, problem.message, how_to_give_password(want.account))
end

core.resource {
  kind = "task",
  whole = true,
  label = function(id) return id.path end,
  get = function(id)
    local row = raw.get(id.path)
    if not row then return nil end
    local state = {}
    for _, key in ipairs(KEPT) do state[key] = row[key] end
    return state
  end,
  set = function(id, want, _, options)
    if want then put(id.path, want, options and options.password) else raw.delete(id.path) end
  end,
  same = function(have, want)
    if have == nil or want == nil then return have == want end
    if have.xml ~= nil and have.xml == want.xml then return true end
    local a, b = facts(have), facts(want)
    if not have.account or not want.account then a.account, b.account = nil, nil end -- 1.0 may not tell
    if not a.logon or not b.logon then a.logon, b.logon = nil, nil end
    return data.equal(a, b)
  end,
  restorable = function(state)
    local less = state and WITHOUT_PASSWORD[state.logon]
    if not less then return state end
    local xml = state.xml:gsub("(<LogonType>)" .. state.logon .. "(</LogonType>)", "%1" .. less .. "%2")
    return data.overlay(state, {logon = less, xml = xml})
  end,
  lost = function(restored)
    local less = restored and WITHOUT_PASSWORD[restored.logon]
    return less and ("it now runs %s; %s"):format(LESS[less], how_to_give_password(restored.account)) or nil
  end,
}

-- The path of a task: "\folder\name"; "name" is one of the root folder.
local function check_path(path)
  check.text("path", path)
  local full = path:find "^\\" and path or "\\" .. path
  local is_good = not full:find "\\$" and not full:find "\\\\" and not full:find '[%c/:*?"<>|]'
  for name in full:gmatch "[^\\]+" do
    is_good = is_good and name ~= "." and name ~= ".." and utf8.len(name, 1, -1, true) <= LONGEST_NAME
  end
  if not is_good then check.bad("path", path, [[the path of a task, like \folder\name]]) end
  if raw.version() == 1 and full:find("\\", 2, true) then
    core.fail(path, code.ERROR_NOT_SUPPORTED, nil, "Task Scheduler 1.0 has no folders; Windows Vista brought them")
  end
  return {path = full}
end

-- A record of a task, spelt as the scheduler has it; raises when there is none.
local function existing(path)
  local id = check_path(path)
  local row = core.ask(raw.get, id.path)
  if not row then core.fail(id.path, code.ERROR_FILE_NOT_FOUND, "There is no such task.") end
  return row, {path = row.path}
end

-- ---- Its XML ----

local ESCAPES = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;"}
local function escape(text) return (text:gsub('[&<>"]', ESCAPES)) end

local function duration(total)
  local days, hours, minutes = total // 86400, total % 86400 // 3600, total % 3600 // 60
  local text = "P" .. (days > 0 and days .. "D" or "")
  if hours + minutes == 0 then return text end
  return text .. "T" .. (hours > 0 and hours .. "H" or "") .. (minutes > 0 and minutes .. "M" or "")
end

local function element(name, text, indent)
  return text and ("%s<%s>%s</%s>\n"):format(indent, name, escape(text), name) or ""
end

local WRITE = {
  startup = function() return "    <BootTrigger />\n" end,
  logon = function(trigger)
    if not trigger.user then return "    <LogonTrigger />\n" end
    return "    <LogonTrigger>\n" .. element("UserId", trigger.user, "      ") .. "    </LogonTrigger>\n"
  end,
  time = function(trigger)
    return ("    <TimeTrigger>\n      <Repetition>\n        <Interval>%s</Interval>\n      </Repetition>\n"
      .. "      <StartBoundary>%s</StartBoundary>\n    </TimeTrigger>\n")
      :format(duration(trigger.every), trigger.begins)
  end,
}

-- The XML of a task whose triggers are of the kinds that win.task.create makes.
local function to_xml(record)
  local triggers, action = {}, record.actions[1]
  for i, trigger in ipairs(record.triggers) do triggers[i] = WRITE[trigger.type](trigger) end
  return '<?xml version="1.0" encoding="UTF-16"?>\n'
    .. '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">\n'
    .. "  <RegistrationInfo>\n" .. element("Description", record.description, "    ") .. "  </RegistrationInfo>\n"
    .. "  <Triggers>\n" .. table.concat(triggers) .. "  </Triggers>\n"
    .. '  <Principals>\n    <Principal id="Author">\n' .. element("UserId", record.account, "      ")
    .. element("LogonType", record.logon, "      ")
    .. element("RunLevel", record.highest and "HighestAvailable" or "LeastPrivilege", "      ")
    .. "    </Principal>\n  </Principals>\n"
    .. "  <Settings>\n    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>\n"
    .. "    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>\n"
    .. "    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>\n"
    .. ("    <Enabled>%s</Enabled>\n"):format(record.enabled)
    .. "    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>\n  </Settings>\n"
    .. '  <Actions Context="Author">\n    <Exec>\n' .. element("Command", action.program, "      ")
    .. element("Arguments", action.arguments, "      ") .. element("WorkingDirectory", action.directory, "      ")
    .. "    </Exec>\n  </Actions>\n</Task>\n"
end

core.to_task_xml = to_xml -- for models

-- ---- Creating ----

local SETTINGS = {"program", "arguments", "directory", "at", "every", "account", "password", "highest", "description",
  "enabled"}
local LONGEST_INTERVAL = 31 * 86400

local function check_filled(name, value)
  if value ~= nil and check.text(name, value) == "" then check.bad(name, value, "text that is not empty") end
  return value
end

local function check_triggers(settings)
  local triggers = {}
  if settings.at ~= nil then
    triggers[1] = {type = check.one_of("at", settings.at, {"startup", "logon"})}
  end
  local every = check.opt_integer("every", settings.every, 60, LONGEST_INTERVAL)
  if every then
    local step = raw.version() == 1 and every >= 86400 and 86400 or 60
    if every % step ~= 0 then
      check.bad("every", every, step == 60 and "whole minutes, in seconds" or "whole days, in seconds, beyond one day")
    end
    triggers[#triggers + 1] = {type = "time", every = every, begins = EPOCH}
  end
  if #triggers == 0 then
    core.fail("settings", code.ERROR_INVALID_PARAMETER, "'at' or 'every' expected.", "a task needs to know when to run")
  end
  return triggers
end

-- How the account logs on: without a password only while the user is logged on, or without rights to other machines.
local function logon_type(account, settings, at)
  if NEEDS_NO_PASSWORD[account] then return nil end
  if settings.password then return "Password" end
  return at == "logon" and "InteractiveToken" or "S4U"
end

local function check_settings(settings)
  if type(settings) ~= "table" then check.bad("settings", settings, "a table of settings") end
  check.options(settings, SETTINGS)
  if settings.program == nil then check.bad("program", nil, "the program that the task runs") end
  local password = check.opt_secret("password", settings.password)
  local account = check_filled("account", settings.account) or LOCAL_SYSTEM
  local known = core.ask(core.win.account.get, account)
  if not known then core.fail("account", code.ERROR_NONE_MAPPED, ("There is no account '%s'."):format(account)) end
  local highest = check.opt_boolean("highest", settings.highest)
  local state = {
    actions = {{
      program = check_filled("program", settings.program), arguments = check_filled("arguments", settings.arguments),
      directory = check_filled("directory", settings.directory),
    }},
    triggers = check_triggers(settings), description = check_filled("description", settings.description),
    enabled = check.opt_boolean("enabled", settings.enabled) ~= false,
    account = known.sid, logon = logon_type(known.sid, settings, settings.at),
  }
  if raw.version() == 1 then
    if not settings.program:find "^%a:\\" and not settings.program:find "^\\\\" then -- 1.0 would search for it
      check.bad("program", settings.program, "the full path of a program")
    end
    if highest == false then core.fail("highest", code.ERROR_NOT_SUPPORTED, nil, "Windows Vista brought run levels") end
    state.account = known.sid ~= LOCAL_SYSTEM and known.name or known.sid
    return state, password
  end
  if settings.at == "logon" and not NEEDS_NO_PASSWORD[known.sid] then state.triggers[1].user = known.name end
  state.highest = highest ~= false
  state.xml = to_xml(state)
  return state, password
end

core.write("task.create", function(...)
  check.arguments(select("#", ...), 2, 2)
  local path, settings = ...
  local id = check_path(path)
  local want, password = check_settings(settings)
  local row = core.ask(raw.get, id.path)
  return core.change("task", row and {path = row.path} or id, want, {password = password})
end)

core.write("task.delete", function(...)
  check.arguments(select("#", ...), 1, 1)
  local id = check_path((...))
  local row = core.ask(raw.get, id.path)
  return core.change("task", row and {path = row.path} or id, nil)
end)

-- ---- task.run: starting one now ----

local started = {} -- by path: what this run has started

core.resource {
  kind = "task.run",
  label = function(id) return id.path end,
  get = function(id) return started[id.path] and {run = "started"} or {} end,
  set = function(id)
    raw.run(id.path)
    started[id.path] = true
  end,
  undo = false,
}

core.write("task.run", function(...)
  check.arguments(select("#", ...), 1, 1)
  local id = check_path((...))
  local is_planned, plan = core.gate.planned("task", id)
  if not is_planned or not plan then id = select(2, existing((...))) end
  started[id.path] = nil
  core.gate.forget("task.run", id)
  return core.change("task.run", id, {run = "started"})
end)

-- ---- What --check has planned ----

local function row_of(path, state)
  local row = data.overlay(state,
    {path = path, name = path:match "[^\\]*$", state = state.enabled and "ready" or "disabled"})
  return row
end

core.answer("task.get", function(planned, path)
  if type(path) ~= "string" then return false end
  local full = path:find "^\\" and path or "\\" .. path
  local is_planned, state = planned("task", {path = full})
  if is_planned then return true, state and row_of(full, state) or nil end
  return false
end)

core.view("task.list", function(planned, rows)
  local kept, seen = {}, {}
  for _, row in ipairs(rows) do
    local is_planned, state = planned("task", {path = row.path})
    seen[core.x.fold(row.path)] = true
    if not is_planned or state then kept[#kept + 1] = row end
  end
  for _, change in ipairs(core.gate.changes()) do
    local path = change.label
    local _, state = planned("task", {path = path})
    if change.kind == "task" and state and not seen[core.x.fold(path)] then
      local row = row_of(path, state)
      kept[#kept + 1] = {path = path, name = row.name, state = row.state, enabled = state.enabled}
      seen[core.x.fold(path)] = true
    end
  end
  table.sort(kept, function(a, b) return a.path:lower() < b.path:lower() end)
  return kept
end)
