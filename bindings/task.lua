-- win.task, the half in Lua: what a task is, read from the XML of Task Scheduler 2.0 or from the fields of 1.0.
local task, _, x = ...


-- ---- Words ----

local STATES = {[0] = "unknown", "disabled", "queued", "ready", "running"} -- TASK_STATE
local STATUSES = { -- SCHED_S_TASK_...
  [0x41300] = "ready", [0x41301] = "running", [0x41302] = "disabled", [0x41303] = "ready", [0x41304] = "ready",
  [0x41305] = "ready", [0x41306] = "ready", [0x41307] = "ready", [0x41308] = "ready",
}
local HAS_NOT_RUN = 0x41303

local TRIGGERS = {
  BootTrigger = "startup", LogonTrigger = "logon", TimeTrigger = "time", CalendarTrigger = "calendar",
  EventTrigger = "event", IdleTrigger = "idle", RegistrationTrigger = "registration",
  SessionStateChangeTrigger = "session",
}

-- ---- XML ----

local ENTITIES = {amp = "&", lt = "<", gt = ">", quot = '"', apos = "'"}

local function unescape(text)
  return (text:gsub("&(#?x?)(%w+);", function(mark, name)
    local number = mark == "#" and tonumber(name) or mark == "#x" and tonumber(name, 16)
    if number and number <= 0x10FFFF then return utf8.char(math.tointeger(number)) end
    return mark == "" and ENTITIES[name] or nil
  end))
end

-- The inside of the first element with this name, or nil.
local function inside(xml, name)
  local _, last = xml:find("<" .. name .. "%f[%s>][^>]*>")
  if not last then return nil end
  return xml:sub(last + 1):match("^(.-)</" .. name .. "%s*>")
end

local function text_of(xml, name)
  local text = xml and inside(xml, name)
  return text and unescape(text) or nil
end

-- The elements right inside, in order: name, inside.
local function children(xml)
  local list, at = {}, 1
  while true do
    local _, last, name = xml:find("<([%a][%w]*)[^>]*>", at)
    if not name then return list end
    local body, behind = xml:match("^(.-)</" .. name .. "%s*>()", last + 1)
    if not body then return list end
    list[#list + 1] = {name = name, body = body}
    at = behind
  end
end

-- Seconds of "PT1H30M", "P1D"; nil for months and years, and for what is none.
local function seconds(duration)
  local days, rest = (duration or ""):match "^P(%d*)D?(.*)$"
  if not days or duration:find "^P%d+[^%dD]" then return nil end
  local total = (tonumber(days) or 0) * 86400
  for number, unit in rest:gmatch "(%d+)([HMS])" do
    total = total + number * (unit == "H" and 3600 or unit == "M" and 60 or 1)
  end
  return math.tointeger(total)
end

local OWN = {startup = true, logon = true, time = true} -- those that win.task.create makes

local function read_trigger(element)
  local body, kind = element.body, TRIGGERS[element.name] or "unknown"
  local trigger = {
    type = kind, every = seconds(text_of(inside(body, "Repetition") or "", "Interval")),
    begins = text_of(body, "StartBoundary"), user = text_of(body, "UserId"),
  }
  if text_of(body, "Enabled") == "false" then trigger.enabled = false end
  if not OWN[kind] then trigger.xml = body:gsub(">%s+<", "><"):match "^%s*(.-)%s*$" end
  return trigger
end

local function read_action(element)
  local body = element.body
  if element.name ~= "Exec" then return {type = element.name} end
  return {program = text_of(body, "Command"), arguments = text_of(body, "Arguments"),
    directory = text_of(body, "WorkingDirectory")}
end

local function read_list(xml, name, read)
  local list = {}
  for i, element in ipairs(children(inside(xml, name) or "")) do list[i] = read(element) end
  return list
end

-- What a task's XML says: {description=, account=, logon=, highest=, enabled=, triggers=, actions=}.
local function parse(xml)
  xml = xml:gsub("<!%-%-.-%-%->", ""):gsub("<(%a%w*)([^<>]-)%s*/>", "<%1%2></%1>")
  local principal, settings = inside(xml, "Principals") or "", inside(xml, "Settings") or ""
  return {
    description = text_of(inside(xml, "RegistrationInfo"), "Description"),
    account = text_of(principal, "UserId") or text_of(principal, "GroupId"),
    logon = text_of(principal, "LogonType") or inside(principal, "GroupId") and "Group" or nil,
    highest = text_of(principal, "RunLevel") == "HighestAvailable",
    enabled = text_of(settings, "Enabled") ~= "false",
    triggers = read_list(xml, "Triggers", read_trigger),
    actions = read_list(xml, "Actions", read_action),
  }
end

-- ---- Reads ----

local list, get, version = task.list, task.get, task.version

local function finish(row)
  row.path = row.path:match "^\\" and row.path or "\\" .. row.path
  row.name = row.path:match "[^\\]*$"
  row.state = row.status and (STATUSES[row.status] or "unknown") or STATES[row.state] or "unknown"
  row.status = nil
  if row.state == "ready" and not row.enabled then row.state = "disabled" end -- Wine's 1.0 does not say
  if row.last_result == HAS_NOT_RUN or not row.last_run then row.last_result = nil end
  return row
end

function task.list(...)
  local rows = list(...)
  for _, row in ipairs(rows) do finish(row) end
  table.sort(rows, function(a, b) return a.path:lower() < b.path:lower() end)
  return rows
end

local LOCAL_SYSTEM = "S-1-5-18"

local function filled(text) return text ~= "" and text or nil end

-- The fields of 1.0 as those that come from the XML of 2.0.
local function from_fields(row)
  row.actions = {{program = filled(row.program), arguments = filled(row.arguments), directory = filled(row.directory)}}
  row.program, row.arguments, row.directory = nil, nil, nil
  row.description = filled(row.description)
  if row.account == "" then row.account = LOCAL_SYSTEM end
  for _, trigger in ipairs(row.triggers) do
    local year, month, day, hour, minute = (trigger.begins or ""):match "^(%d+)%-(%d+)%-(%d+)T(%d+):(%d+)"
    trigger.begins = year and ("%04d-%02d-%02dT%02d:%02d:00"):format(year, month, day, hour, minute)
  end
  return row
end

function task.get(...)
  local path = ...
  if path == "" or path == "\\" then x.check "task.get".bad("path", path, "the path of a task") end
  local row = get(...)
  if not row then return nil end
  finish(row)
  if not row.xml then return from_fields(row) end
  local enabled = row.enabled
  for key, value in pairs(parse(row.xml)) do row[key] = value end
  row.enabled = enabled
  return row
end
