-- build: shim
-- arch: x64
-- free80 --up-to disable on a driver that hangs while it stops (the shim's; Wine's alone is in disable_test.lua): what
-- needs HTTP is stopped, HTTP disabled, a restart asked for; after it the port is free, and undo brings all back.
local lu = require "luaunit"
local case = require "case"

local STATE = [[C:\disable-state]] -- outlives the restart
local SHIM = {P80_SHIM_SCM = "1", P80_SHIM_TCP_OWNER = "1", P80_SHIM_HTTP_STOP = "hang"}
local NAMES = {"Front", "Behind", "Clinging"}

local function p80(words) return case.p80 {state = STATE, env = SHIM, table.unpack(words)} end
local function start_of(name) return win.scm.get(name).start end
local function state_of(name) return win.scm.get(name).state end

if not test.phase then
  local holder = test.bin .. "holder.exe --service "
  test.service_create {name = "Clinging", path = holder .. "--http http://+:80/ --ignore-stop", start = 2}
  test.service_create {name = "Front", path = holder .. "--tcp 8101", start = 2, dependencies = {"HTTP"}}
  test.service_create {name = "Behind", path = holder .. "--tcp 8102", start = 3, dependencies = {"Front"}}
  for _, name in ipairs(NAMES) do case.start_service(name) end
  case.wait_http(80)
  local before = start_of "HTTP"
  local planned = case.exits(p80 {"free80.lua", "--up-to", "disable", "--check"}, 3)
  lu.assertStrContains(planned.stdout, "if that does not free the port: disable HTTP and Behind, Front")
  local result = case.exits(p80 {"--json", "free80.lua", "--up-to", "disable", "--timeout", "1"}, 3010)
  lu.assertEquals(start_of "HTTP", "disabled")
  lu.assertEquals({state_of "Front", state_of "Behind"}, {"stopped", "stopped"})
  lu.assertStrContains(table.concat(result.json.result.advice, "\n"), "restart Windows")
  test.restart_machine(before)
end

local T = case.suite "DisableDependents"

function T:test_after_the_restart()
  for name, value in pairs(SHIM) do test.setenv(name, value) end
  case.wait("Clinging to give up", function() return state_of "Clinging" == "stopped" end)
  lu.assertEquals(case.bind(80), "ok")
  lu.assertEquals(case.exits(p80 {"--json", "free80.lua"}, 0).json.changed, 0)
  -- the automatic start of Front at boot is Wine's, which starts it without HTTP
  test.service_stop "Front"
  case.wait("Front to stop", function() return state_of "Front" == "stopped" end)
  local result = case.exits(p80 {"--allow", "scm.state", "-e", 'win.scm.start("Behind")'}, 1)
  lu.assertStrContains(result.stderr, "it needs 'HTTP', which is disabled")
  case.exits(p80 {"undo", "--timeout", "10"}, 0)
  lu.assertEquals(start_of "HTTP", test.phase)
  for _, name in ipairs(NAMES) do lu.assertEquals(state_of(name), "running", name) end
  case.wait_http(80)
  for _, name in ipairs(NAMES) do case.later(function() case.remove_service(name) end) end
end
