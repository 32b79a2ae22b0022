-- What tests of p80's services share.
local lu = require "luaunit"
local case = require "case"

local services = {}

services.FOLDER = [[C:\ProgramData\p80\services\]]

-- `p80 service ...` with the state folder that services have.
function services.service(...)
  return case.p80 {"service", state = false, ...}
end

-- Installs; the service goes after the test. Returns what p80 said.
function services.install(name, ...)
  case.later(function() case.remove_service(name) end)
  return case.exits(services.service("install", "--name", name, ...), 0)
end

function services.log(name)
  local path = services.FOLDER .. name .. ".log"
  return lfs.attributes(path, "mode") == "file" and case.read(path):gsub("\r", "") or ""
end

function services.wait_log(name, text, seconds)
  local ok, problem = pcall(case.wait, text, function() return services.log(name):find(text, 1, true) end, seconds)
  if not ok then lu.fail(("%s; the log:\n%s"):format(problem, services.log(name))) end
end

function services.status(name) return case.exits(services.service("status", name, "--json"), 0).json.result[1] end

function services.count(text, part) return select(2, text:gsub(part:gsub("%p", "%%%0"), "")) end

-- A playbook "keep" with a text argument "mode", whose body is `body`.
function services.playbook(body, grants)
  return case.write("keep.lua", ([[
local p80 = require "p80"
local args = p80.playbook {name = "keep", version = "1.2.3", summary = "A test.", grants = {%s},
  args = {mode = {type = "text", default = ""}, other = {type = "text", default = ""}, file = {type = "path"}, port = {type = "port"}}}
local function say(...) io.stderr:write(table.concat {...}, "\n") end
%s]]):format(grants or "", body))
end

function services.stop(name)
  local began = test.clock()
  lu.assertTrue(test.service_stop(name))
  case.wait(name .. " to stop", function() return test.service_state(name) == 1 end)
  return test.clock() - began
end

-- Asserts that the service stops in time, twice before it is late twice: so says the median of three stops, which one moment
-- of a loaded machine does not change. again() starts it and waits until it is where it was.
local IN_TIME <const> = 2 -- seconds
function services.assert_stops_in_time(name, again)
  local quick, late = 0, {}
  while true do
    local seconds = services.stop(name)
    if seconds < IN_TIME then quick = quick + 1 else late[#late + 1] = ("%.1f s"):format(seconds) end
    if quick == 2 then return end
    lu.assertTrue(#late < 2, table.concat(late, ", "))
    again()
  end
end

return services
