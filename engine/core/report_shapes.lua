-- --report: the record with which a run ends (result.lua), as fleet engines want it. Each shape gets that record and
-- what standard error would say; it returns what goes to standard output and standard error, and the exit code.
local core = ...
local data = core.data
local shapes = {}

local MOST <const> = 10 -- changes that a message names

local why -- what the run failed with, in words; nil

local function describe(record)
  local texts = {}
  for i = 1, math.min(#record.changes, MOST) do texts[i] = core.result.describe(record.changes[i]) end
  if record.changed > MOST then texts[#texts + 1] = ("and %d more"):format(record.changed - MOST) end
  return texts
end

-- One line for people about what the run did, or why it failed.
local function message(record)
  if why then return why end
  if record.failed then return ("%s ended with exit code %d"):format(record.script, record.exit) end
  if record.changed == 0 then return record.check and "nothing would change" or "nothing had to change" end
  local text = ("%d %s%s: %s"):format(record.changed, record.changed == 1 and "change" or "changes",
    record.check and " would be made" or "", table.concat(describe(record), "; "))
  return record.restart_needed and text .. "; Windows must be restarted" or text
end

local FIRST <const> = {"changed", "failed", "msg", "comment", "_error", "kind", "details", "label", "before", "after"}

local function line(document) return data.document(document, FIRST, true) .. "\n" end

local LARGEST <const> = 1000 -- bytes of one text in a state: engines keep what they are given

-- A state without the whole of large files and values.
local function short(value)
  if type(value) == "string" and #value > LARGEST then
    local start = utf8.len(value) and value:sub(1, utf8.offset(value, 0, LARGEST + 1) - 1) or value:sub(1, LARGEST)
    return ("%s... (%d bytes)"):format(start, #value)
  end
  if type(value) ~= "table" then return value end
  local copy = setmetatable({}, getmetatable(value))
  for key, item in pairs(value) do copy[key] = short(item) end
  return copy
end

-- What every engine may show beside its own fields.
local function with_details(record, document)
  document.run, document.restart_needed, document.result = record.run, record.restart_needed, record.result
  document.changes, document.warnings = record.changes, record.warnings
  return document
end

local function object() return setmetatable({}, {__jsontype = "object"}) end -- {} where it is empty, not []

-- The states of all things that changed, by kind and label: before the first change, after the last one.
local function states(changes)
  local before, after, seen = object(), object(), {}
  for _, change in ipairs(changes) do
    local name = ("%s %s"):format(change.kind, change.label)
    if not seen[name] then before[name] = change.before end
    seen[name], after[name] = true, change.after
  end
  return {before = before, after = after}
end

--- https://docs.ansible.com/ansible/latest/reference_appendices/common_return_values.html
function shapes.ansible(record, err)
  local good = not record.failed
  local document = with_details(record, {changed = record.changed > 0, failed = not good, msg = message(record)})
  document.restart_needed, document.reboot_required = nil, record.restart_needed
  if record.changed > 0 then document.diff = states(record.changes) end
  if not good then document.rc, document.exception = record.exit, record.error and record.error.traceback end
  return line(document), err, good and 0 or 1
end

--- cmd.run with `stateful: True`: https://docs.saltproject.io/en/latest/ref/states/all/salt.states.cmd.html
function shapes.salt(record, err)
  local good = not record.failed
  return line(with_details(record, {changed = record.changed > 0, comment = message(record)})), err,
    good and 0 or record.exit
end

local KINDS <const> = {[2] = "p80/usage", [4] = "p80/refused", [5] = "p80/elevation", [6] = "p80/timeout"}

--- https://help.puppet.com/bolt/current/topics/writing_tasks.htm
function shapes.bolt(record, err)
  local good = not record.failed
  local document = with_details(record, {changed = record.changed > 0, _output = message(record)})
  if not good then
    local details = data.overlay(record.error, {exit = record.exit})
    details.message = nil
    document._error = {kind = KINDS[record.exit] or "p80/failed", msg = message(record), details = details}
  end
  return line(document), err, good and 0 or record.exit
end

local LONGEST <const> = 2048 -- characters that Intune shows, in UTF-16

-- As much of a text as Intune shows, on one line.
local function cut(text)
  text = text:gsub("[%c\x7F]+", " ")
  local units = 0
  for at, code in utf8.codes(text, true) do
    units = units + (code > 0xFFFF and 2 or 1)
    if units > LONGEST then return text:sub(1, at - 1) end
  end
  return text
end

--- The last line is shown, and standard error must be silent (host.c). Detection: 0 needs nothing, 1 needs the remedy;
-- a Win32 app may also end with 3010. https://learn.microsoft.com/intune/intune-service/fundamentals/remediations
function shapes.intune(record)
  local good, needed = not record.failed, record.check and record.changed > 0
  local word = not good and "failed" or needed and "not compliant" or record.check and "compliant" or "done"
  return cut(("%s: %s"):format(word, message(record))) .. "\n", "",
    good and (needed and 1 or record.exit) or record.exit
end

-- Lines of standard error as DSC's trace messages.
local function traces(record)
  local lines = {}
  for _, text in ipairs(record.warnings or {}) do lines[#lines + 1] = line {warn = text} end
  if record.failed then lines[#lines + 1] = line {error = message(record)} end
  return table.concat(lines)
end

--- The state of an instance whose properties are the playbook's arguments:
-- https://learn.microsoft.com/powershell/dsc/reference/schemas/resource/manifest/root
function shapes.dsc(record)
  if record.failed then return "", traces(record), record.exit end
  local state = core.playbook.arguments()
  state._inDesiredState = not record.check or record.changed == 0
  state.p80 = with_details(record, {changed = record.changed})
  state._metadata = {
    whatIf = record.check and record.changed > 0 and data.array(describe(record)) or nil,
    _restartRequired = record.restart_needed and {{system = core.win.host.name()}} or nil,
  }
  if next(state._metadata) == nil then state._metadata = nil end
  return line(state), traces(record), 0
end

return function(shape, record, problem, err)
  why = problem ~= nil and tostring(problem) or nil
  record = data.overlay(record, {changes = short(record.changes)})
  return shapes[shape](record, err)
end
