-- arch: x64
-- free80 --up-to disable on a driver that cannot stop now, as Wine's http never can: HTTP is disabled, a restart is
-- asked for (3010), after the restart the port is free although the holder starts at boot, and undo brings all back.
local lu = require "luaunit"
local case = require "case"

local STATE = [[C:\disable-state]] -- outlives the restart

local function service(name) return win.scm.get(name) end

-- A service that starts at boot, holds port 80 through HTTP.SYS and ignores stop.
if not test.phase then
  test.service_create {
    name = "Clinging", path = test.bin .. "holder.exe --service --http http://+:80/ --ignore-stop", start = 2,
  }
  case.start_service "Clinging"
  case.wait_http(80)
  local before = service("HTTP").start
  local planned = case.exits(case.p80 {state = STATE, "free80.lua", "--up-to", "disable", "--check"}, 3)
  lu.assertStrContains(planned.stdout, "scm.state Clinging: state: running -> stopped")
  lu.assertStrContains(planned.stdout, "if that does not free the port: disable HTTP")
  lu.assertEquals(service("HTTP").start, before)
  local result = case.exits(case.p80 {state = STATE, "--json", "free80.lua", "--up-to", "disable", "--timeout", "1"}, 3010)
  lu.assertEquals({result.json.restart_needed, result.json.failed, result.json.result.free}, {true, false, false})
  lu.assertStrContains(table.concat(result.json.result.advice, "\n"), "restart Windows")
  lu.assertEquals(service("HTTP").start, "disabled")
  lu.assertNotEquals(case.bind(80), "ok")
  test.restart_machine(before)
end

local T = case.suite "Disable"

function T:test_after_the_restart()
  case.wait("Clinging to try and give up", function() return service("Clinging").state == "stopped" end)
  lu.assertEquals(service("Clinging").exit_code, 1058) -- what HttpInitialize told it
  lu.assertEquals(service("HTTP").state, "stopped")
  lu.assertEquals(case.bind(80), "ok")
  local again = case.exits(case.p80 {state = STATE, "--json", "free80.lua", "--up-to", "disable"}, 0)
  lu.assertEquals({again.json.changed, again.json.result.free}, {0, true})
  case.exits(case.p80 {state = STATE, "undo", "--timeout", "10"}, 0)
  lu.assertEquals(service("HTTP").start, test.phase)
  lu.assertEquals(service("Clinging").state, "running")
  case.wait_http(80)
  lu.assertNotEquals(case.bind(80), "ok")
  case.later(function() case.remove_service "Clinging" end)
end
