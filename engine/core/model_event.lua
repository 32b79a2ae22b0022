-- The event logs of a modelled machine: machine.events, oldest first.
local model, host = ...
local machine = model.machine
local event = {}

local LEVEL <const> = {error = 1, warning = 2, information = 4, audit_success = 8, audit_failure = 16}
local NO_CHANNEL <const> = 15007
local LOGS <const> = [[HKLM\SYSTEM\CurrentControlSet\Services\EventLog]]

-- A cursor like C's: it gives the newest first.
event["event.open"] = function(log)
  if not host.win.reg.exists(LOGS .. "\\" .. log) then model.fail(log, NO_CHANNEL) end
  local at = #machine.events + 1
  local function next_row()
    repeat
      at = at - 1
      local one = machine.events[at]
      if one and one.log:lower() == log:lower() then
        return {
          record = at, time = one.time, id = one.id, message_id = one.id, type = LEVEL[one.level] or 4, category = 0,
          source = one.source, computer = machine.name, strings = model.copy(one.strings),
        }
      end
    until not one
  end
  return setmetatable({}, {__call = next_row, __close = function() end})
end

event["event.message"] = function() return nil end

event["event.write"] = function(source, number, id, strings)
  local level
  for word, known in pairs(LEVEL) do level = known == number and word or level end
  local known = host.win.event.source(source)
  table.insert(machine.events, {
    log = known and known.log or "Application", source = source, id = id, level = level or "information",
      strings = strings, time = model.time_text(),
  })
end

return event
