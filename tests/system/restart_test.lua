-- tests/wine-run.sh can restart the machine: services that start at boot are there again, others are not.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Restart"

if not test.phase then
  test.service_create {name = "Auto", path = test.bin .. "holder.exe --service --tcp 80", start = 2}
  test.service_create {name = "Manual", path = test.bin .. "holder.exe --service --tcp 81", start = 3}
  lu.assertTrue(test.service_start "Manual")
  test.restart_machine "again"
end

function T:test_after_the_restart()
  lu.assertEquals(test.phase, "again")
  case.wait("the automatic start", function() return case.service_running "Auto" end)
  lu.assertEquals(test.service_state "Manual", 1)
end
