-- p80 --model FILE ...: runs on a modelled machine what otherwise would run on this one, and shows what that would
-- look like afterwards.
local kit = ...
local machines = kit.chunk "kit"(kit)

local P80_BAD_ARGUMENTS <const> = 0x2000000B
local read, m = pcall(function() return machines.new(machines.load(kit.model), ".") end)
if not read then kit.x.fail("--model", kit.model, P80_BAD_ARGUMENTS, tostring(m)) end

local function difference_text(lines)
  if not lines[1] then return "The machine stays as it was.\n" end
  return "Afterwards, on the modelled machine:\n  " .. table.concat(lines, "\n  ") .. "\n"
end

local planned = kit.check and m:copy():run_own(true)
local done = m:run_own(false)
local shown = planned or done
io.stderr:write(shown.errors)
if kit.check and done.exit ~= 0 and planned.exit ~= done.exit then io.stderr:write(done.errors) end
if kit.json then
  local json = require "dkjson"
  local document = json.decode(shown.output, 1, json.null)
  if type(document) ~= "table" then return shown.output, shown.exit end
  document.afterwards = setmetatable(done.difference, {__jsontype = "array"})
  return json.encode(document, {indent = true}) .. "\n", shown.exit
end
return shown.output .. (kit.quiet and "" or difference_text(done.difference)), shown.exit
