-- Lines for people while a playbook runs; described in scripts/api/log.lua. The core writes them.
local p80 = require "p80"
local inspect = require "inspect"
local log = {file = p80.log_file}

-- What "%s" shows of a table: its contents on one line, unless it has a text of its own.
local function shown(value)
  if type(value) ~= "table" or getmetatable(value) then return value end
  return inspect(value, {newline = " ", indent = "", depth = 4})
end

-- A line that cannot be formatted is said as it is: it must not end the run.
local function formatted(text, ...)
  if select("#", ...) == 0 then return tostring(text) end
  local values = table.pack(...)
  for i = 1, values.n do values[i] = shown(values[i]) end
  local ok, line = pcall(string.format, text, table.unpack(values, 1, values.n))
  if ok then return line end
  for i = 1, values.n do values[i] = tostring(values[i]) end
  return ("%s [%s]"):format(text, table.concat(values, ", "))
end

for _, level in ipairs {"error", "warning", "info", "debug"} do
  log[level] = function(text, ...) p80.log(level, formatted(text, ...)) end
end

return log
