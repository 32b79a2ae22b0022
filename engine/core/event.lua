-- win.event behind the gate: writing an event, which nothing takes back, and registering a source.
local core, host = ...
local check, code = core.check, core.code
local raw, reg = core.win.event, core.win.reg

local LOGS <const> = [[HKLM\SYSTEM\CurrentControlSet\Services\EventLog]]

-- ---- Sources ----

local TYPES <const> = 0x1F -- errors, warnings, information, both audits

local function key_of(log, source) return ("%s\\%s\\%s"):format(LOGS, log, source) end

-- With `tree` all that its key has, of which p80 writes a part only.
core.resource {
  kind = "event.source",
  label = function(id) return id.source end,
  get = function(id)
    local row = raw.source(id.source)
    return row and {log = row.log, file = row.file, tree = reg.tree(key_of(row.log, id.source))}
  end,
  set = function(id, want, have)
    local in_place = want and have and have.log == want.log and not want.tree
    if have and not in_place then reg.delete(key_of(have.log, id.source), nil, {tree = true}) end
    if not want then return end
    local key = key_of(want.log, id.source)
    if want.tree then return reg.create(key, {tree = want.tree}) end
    reg.create(key)
    if want.file then reg.set(key, "EventMessageFile", want.file, {type = "expand_sz"}) end
    reg.set(key, "TypesSupported", TYPES, {type = "dword"})
  end,
  whole = true,
}

local function check_source(name)
  check.text("source", name)
  if name == "" or #name > 255 or name:find "\\" then
    check.bad("source", name, "a name of 1 to 255 bytes without \\")
  end
  return name
end

core.write("event.register", function(...)
  check.arguments(select("#", ...), 1, 2)
  local source, options = ...
  check_source(source)
  options = check.options(options, {"log", "file"})
  local log = check.opt_text("log", options.log) or "Application"
  if log == "" or log:find "\\" or not reg.exists(LOGS .. "\\" .. log) then
    core.fail(log, code.ERROR_EVT_CHANNEL_NOT_FOUND, "There is no such event log.", "win.event.logs() lists them")
  end
  local file = check.opt_text("file", options.file) or host.program
  return core.change("event.source", {source = source}, {log = log, file = file})
end)

core.write("event.unregister", function(...)
  check.arguments(select("#", ...), 1, 1)
  return core.change("event.source", {source = check_source((...))}, nil)
end)

core.view("event.source", function(planned, row, source)
  local is_planned, state = planned("event.source", {source = source})
  if not is_planned then return row end
  return state and {log = state.log, file = state.file}
end)

-- ---- Events ----

-- What p80's own events are about, with the IDs of engine/p80.mc. These stay as they are for ever:
-- people filter by them.
local KINDS <const> = {
  note = {1, "information"}, start = {100, "information"}, done = {101, "information"}, change = {102, "information"},
  undo = {103, "information"}, failure = {110, "error"}, refusal = {111, "warning"}, restart = {112, "warning"},
  flapping = {113, "warning"}, calm = {114, "information"}, cut_off = {115, "warning"},
}
local WORDS <const> = {
  "note", "start", "done", "change", "undo", "failure", "refusal", "restart", "flapping", "calm", "cut_off",
}
local TYPE_OF <const> = {error = 1, warning = 2, information = 4, audit_success = 8, audit_failure = 16}
local LEVELS <const> = {"error", "warning", "information", "audit_success", "audit_failure"}

--- Writes an event about p80 itself, which is no change that a run makes.
function core.log_event(source, kind, text)
  local id, level = table.unpack(KINDS[kind])
  raw.write(source, TYPE_OF[level], id, {text})
end

local PATIENCE <const> = 2 -- seconds until the log shows what was written to it

-- An event is the one of its text that came after record `after`.
local function find_entry(id)
  for _, row in ipairs(raw.read(id.log, {source = id.source, id = id.id, max = 50})) do
    if row.record <= id.after then return nil end
    if core.data.equal(row.strings, id.strings) then return {level = row.level} end
  end
end

core.resource {
  kind = "event.entry",
  label = function(id) return id.source end,
  get = find_entry,
  set = function(id, want)
    raw.write(id.source, TYPE_OF[want.level], id.id, id.strings)
    local deadline = core.x.clock() + PATIENCE
    while not find_entry(id) and core.x.clock() < deadline do core.x.sleep(0.05) end
  end,
  undo = false,
  journal = false,
}

local function strings_of(options)
  if (options.text == nil) == (options.strings == nil) then
    check.bad("options", options, "either text= or strings=")
  end
  if options.text then return {check.text("text", options.text)} end
  return check.list_of_text("strings", options.strings)
end

core.write("event.write", function(...)
  check.arguments(select("#", ...), 1, 1)
  local options = ...
  if type(options) ~= "table" then check.bad("options", options, "a table of options") end
  check.options(options, {"source", "kind", "id", "level", "text", "strings"})
  local kind = KINDS[check.one_of("kind", options.kind or "note", WORDS)]
  local id = check.opt_integer("id", options.id, 0, 0xFFFF) or kind[1]
  local level = check.one_of("level", options.level or kind[2], LEVELS)
  local source, strings = check_source(options.source or "p80"), strings_of(options)
  local known = raw.source(source)
  local log = known and known.log or "Application"
  local newest = core.ask(raw.read, log, {max = 1})[1]
  local thing = {log = log, source = source, id = id, strings = strings, after = newest and newest.record or 0}
  return core.change("event.entry", thing, {level = level})
end)
