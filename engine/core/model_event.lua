-- The event logs of a modelled machine: machine.events, oldest first.
local model, host = ...
local machine = model.machine
local event = {}

local TYPE <const> = {error = 1, warning = 2, information = 4, audit_success = 8, audit_failure = 16}
local LEVEL <const> = {critical = 1, verbose = 5} -- of Windows Vista and later
local NO_CHANNEL <const> = 15007

local function is_log(wanted)
  for _, name in ipairs(host.win.event.logs()) do
    if name:lower() == wanted:lower() then return true end
  end
end

-- An event as C has it.
local function row_of(one, record)
  return {
    record = record, time = one.time, id = one.id, message_id = one.id, type = TYPE[one.level],
    level = LEVEL[one.level], category = 0, source = one.source, computer = machine.name,
    strings = model.copy(one.strings),
  }
end

-- A cursor like C's: it gives the newest first.
event["event.open"] = function(log)
  if not is_log(log) then model.fail(log, NO_CHANNEL) end
  local rows = {}
  for _, one in ipairs(machine.events) do
    if one.log:lower() == log:lower() then rows[#rows + 1] = row_of(one, #rows + 1) end
  end
  return setmetatable({}, {__call = function() return table.remove(rows) end, __close = function() end})
end

--- Only p80's own messages are known: they are in this program.
event["event.message"] = function(file, ...)
  return file == host.program and model.real "event.message"(file, ...) or nil
end

event["event.write"] = function(source, number, id, strings)
  local level
  for word, known in pairs(TYPE) do level = known == number and word or level end
  local known = host.win.event.source(source)
  table.insert(machine.events, {
    log = known and known.log or "Application", source = source, id = id, level = level or "information",
    strings = strings, time = model.time_text(),
  })
end

return event
