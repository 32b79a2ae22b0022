-- build: shim
-- arch: x64
-- As errors_test.lua: every call of Windows fails once while a service is started, stopped and configured.
local case = require "case"
local failing = require "failing"

local Services = case.suite "Services"

-- The state of a service, once it is on no way to another.
local function settled(name)
  local record
  case.wait(name .. " to settle", function()
    record = win.scm.get(name)
    return not record.state:find "pending"
  end)
  return {record.state, record.start, record.display_name}
end

local function bring(name, state)
  local now = settled(name)[1]
  if now == state then return end
  if state == "running" then win.scm.start(name) else win.scm.stop(name) end
  case.wait(name, function() return settled(name)[1] == state end)
end

function Services:test_services()
  case.service {name = "Errors", args = {"--tcp", "8107"}}
  local function snapshot() return settled "Errors" end
  for _, write in ipairs {
    {op = "scm.config", arguments = {"Errors", {start = "disabled", display_name = "Other"}}},
    {op = "scm.stop", arguments = {"Errors"}, state = "running"}, {op = "scm.start", arguments = {"Errors"}, state = "stopped"},
  } do
    function write.prepare()
      win.scm.config("Errors", {start = "demand", display_name = "Errors"})
      if write.state then bring("Errors", write.state) end
    end
    write.snapshot = snapshot
    failing.write(write)
  end
end
