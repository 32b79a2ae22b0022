-- build: shim
-- arch: x64
-- As errors_test.lua: every call of Windows fails once while services that need each other start and stop, and while a
-- process is ended.
local case = require "case"
local failing = require "failing"

local Stops = case.suite "Stops"

-- The state of a service, once it is on no way to another.
local function settled(name)
  local record
  case.wait(name .. " to settle", function()
    record = win.scm.get(name)
    return not record.state:find "pending"
  end)
  return record.state
end

local function bring(name, state)
  local now = settled(name)
  if now == state then return end
  if state == "running" then win.scm.start(name) else win.scm.stop(name) end
  case.wait(name, function() return settled(name) == state end)
end

-- Several services, of which one does not do as it is told.
function Stops:test_services_that_need_each_other()
  test.setenv("P80_SHIM_SCM", "1")
  case.later(function() test.setenv("P80_SHIM_SCM", nil) end)
  local names = {"Base", "Top"}
  for i, name in ipairs(names) do
    case.service {name = name, args = {"--tcp", tostring(8110 + i)}, dependencies = i > 1 and {names[i - 1]} or nil}
  end
  local function snapshot()
    local states = {}
    for i, name in ipairs(names) do states[i] = settled(name) end
    return states
  end
  for _, write in ipairs {
    {op = "scm.stop", arguments = {"Base", {dependents = true}}, state = "running"}, {op = "scm.start", arguments = {"Top"}, state = "stopped"},
    {op = "scm.restart", arguments = {"Base", {dependents = true}}, state = "running"},
  } do
    function write.prepare()
      for i = 1, #names do bring(write.state == "running" and names[i] or names[#names + 1 - i], write.state) end
    end
    write.snapshot, write.least = snapshot, 2
    failing.write(write, {"ControlService", "StartServiceW"})
  end
end

function Stops:test_processes()
  local holder
  local write = {op = "process.stop", arguments = {}, undo = false}
  function write.prepare()
    if holder then holder:close() end
    holder = case.holder {}
    write.arguments[1] = holder:pid()
  end
  function write.snapshot() return {win.process.get(holder:pid()) ~= nil} end
  failing.write(write)
end
