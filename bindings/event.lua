-- win.event, the half in Lua: what is read from the cursors of both APIs becomes one kind of row.
local event, win, x = ...

local open, message = event.open, event.message
event.open, event.message = nil, nil

local SERVICES <const> = [[HKLM\SYSTEM\CurrentControlSet\Services\EventLog]]
local CHANNELS <const> = [[HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\WINEVT\Channels]]
local ERROR_CALL_NOT_IMPLEMENTED <const> = 120
local ERROR_EVT_CHANNEL_NOT_FOUND <const> = 15007
local MOST <const> = 100000

local LEVELS <const> = {"critical", "error", "warning", "information", "verbose", "audit_success", "audit_failure"}

-- ---- Logs and sources ----

--- The keys of a key as a set and as an array.
local function keys_of(key) return win.reg.exists(key) and win.reg.keys(key) or {} end

function event.logs(...)
  x.check "event.logs".arguments(select("#", ...), 0, 0)
  local names, seen = {}, {}
  for _, key in ipairs {SERVICES, CHANNELS} do
    for _, name in ipairs(keys_of(key)) do
      if not seen[name:lower()] then names[#names + 1], seen[name:lower()] = name, true end
    end
  end
  table.sort(names)
  return names
end

-- The key of a source, nil for what cannot be the name of a key: any program writes what it likes into an event.
local function key_of(log, source)
  if source == "" or source:find "\\" or utf8.len(source, 1, -1, true) > 255 then return nil end
  return ("%s\\%s\\%s"):format(SERVICES, log, source)
end

function event.source(...)
  local check, name = x.check "event.source", ...
  check.arguments(select("#", ...), 1, 1)
  check.text("source", name)
  for _, log in ipairs(keys_of(SERVICES)) do
    local key = key_of(log, name)
    if key and win.reg.exists(key) then
      return {log = log, file = (win.reg.get(key, "EventMessageFile"))}
    end
  end
end

-- ---- One row ----

local TYPES <const> = {
  [0] = "information", [1] = "error", [2] = "warning", [4] = "information",
  [8] = "audit_success", [16] = "audit_failure",
}
local AUDIT_FAILURE <const>, AUDIT_SUCCESS <const> = 0x10000000000000, 0x20000000000000

local function level_of(row)
  if row.type then return TYPES[row.type] or "information" end
  local keywords = row.keywords or 0
  if keywords & AUDIT_FAILURE ~= 0 then return "audit_failure" end
  if keywords & AUDIT_SUCCESS ~= 0 then return "audit_success" end
  return LEVELS[row.level] or "information" -- 0 is "always", which viewers show so
end

-- The text that an old event's source has for it.
local function message_of(log, row)
  local key = key_of(log, row.source)
  local files = key and win.reg.get(key, "EventMessageFile")
  for file in (type(files) == "string" and files or ""):gmatch "[^;]+" do
    local text = message(file, row.message_id, row.strings)
    if text then return text end
  end
end

local function finish(log, row)
  row.level = level_of(row)
  row.log = row.log or log
  if row.message_id then row.message = message_of(log, row) end
  row.type, row.keywords, row.message_id = nil, nil, nil
  return row
end

-- ---- Reading ----

local LEVEL_PATHS <const> = {
  critical = "Level=1", error = "Level=2", warning = "Level=3",
  information = "(Level=0 or Level=4)", verbose = "Level=5",
  audit_success = ("band(Keywords,%d)"):format(AUDIT_SUCCESS),
  audit_failure = ("band(Keywords,%d)"):format(AUDIT_FAILURE),
}

-- The query of the new API; it has no way to write both kinds of quotes in one text.
-- https://learn.microsoft.com/windows/win32/wes/consuming-events
local function xpath(options)
  local conditions = {}
  local function add(text, ...) conditions[#conditions + 1] = text:format(...) end
  if options.source and not options.source:find "'" then add("Provider[@Name='%s']", options.source) end
  if options.id then add("EventID=%d", options.id) end
  if options.level then add("%s", LEVEL_PATHS[options.level]) end
  if options.since then add("TimeCreated[@SystemTime>='%s']", options.since) end
  return #conditions > 0 and ("*[System[%s]]"):format(table.concat(conditions, " and ")) or nil
end

local function is_wanted(row, options)
  return (not options.source or row.source:lower() == options.source:lower())
    and (not options.id or row.id == options.id)
    and (not options.level or row.level == options.level)
end

local TIME <const> = "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$"

local function check_options(check, options)
  check.options(options, {"source", "id", "level", "since", "max"})
  check.opt_text("source", options.source)
  check.opt_integer("id", options.id, 0, 0xFFFF)
  if options.level ~= nil then check.one_of("level", options.level, LEVELS) end
  if check.opt_text("since", options.since) and not options.since:find(TIME) then
    check.bad("since", options.since, "a time such as 2026-11-22T12:00:00Z")
  end
  return check.opt_integer("max", options.max, 1, MOST) or 100
end

-- Before Windows Vista a log that does not exist is Application's.
local function require_log(log)
  if win.host.version().major >= 6 then return end
  if log ~= "" and not log:find "\\" and win.reg.exists(SERVICES .. "\\" .. log) then return end
  x.fail("event.read", log, ERROR_EVT_CHANNEL_NOT_FOUND, "There is no such event log.", "win.event.logs() lists them")
end

-- Calls a function of C whose errors are to be event.read's about the log.
local function ask(log, f, ...)
  local ok, result = pcall(f, ...)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  local hint = result.code == ERROR_CALL_NOT_IMPLEMENTED
    and "this system has no event logs that can be read (Wine has none); "
      .. "what p80 itself has changed is in `p80 runs`"
  x.fail("event.read", log, result.code, result.message, hint or result.hint)
end

function event.read(...)
  local check, log, options = x.check "event.read", ...
  check.arguments(select("#", ...), 0, 2)
  log, options = log == nil and "System" or check.text("log", log),
    check.options(options, {"source", "id", "level", "since", "max"})
  local max = check_options(check, options)
  require_log(log)
  local rows, cursor <close> = {}, ask(log, open, log, xpath(options))
  while #rows < max do
    local row = ask(log, cursor)
    if not row or options.since and row.time < options.since then break end
    row = finish(log, row)
    if is_wanted(row, options) then rows[#rows + 1] = row end
  end
  return rows
end
