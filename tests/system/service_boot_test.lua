-- arch: x64
-- A service of p80 runs its playbook when the machine starts, and remembers what was cut off by the restart.
local lu = require "luaunit"
local case = require "case"
local services = require "services"

local T = case.suite "ServiceBoot"
local KEY = [[HKLM\SYSTEM\p80-test-boot]]

if not test.phase then
  assert(lfs.mkdir "C:\\boot")
  case.folder = "C:\\boot"
  local path = services.playbook(([[
    local times = (win.reg.get(%q, "times") or 0) + 1
    win.reg.create(%q)
    win.reg.set(%q, "times", times, {type = "dword"})
    if times == 1 then p80.sleep(600) end]]):format(KEY, KEY, KEY), [["reg.*"]])
  lu.assertEquals(services.service("install", "--name", "p80-boot", "--watch", "tcp:8126", path).code, 0)
  case.wait("the first run", function() return win.reg.exists(KEY) and win.reg.get(KEY, "times") == 1 end)
  test.restart_machine "again"
end

function T:test_after_the_restart()
  case.wait("the second run", function() return win.reg.get(KEY, "times") >= 2 end)
  services.wait_log("p80-boot", "was cut off after")
  services.wait_log("p80-boot", "value: 1 -> 2")
  lu.assertEquals(services.status "p80-boot".state, "running")
end
