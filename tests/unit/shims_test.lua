-- build: shim
-- The shims themselves: what is switched on by P80_SHIM_... variables (see tests/shims/shim.h).
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Shims"

local function shim(name, value)
  test.setenv("P80_SHIM_" .. name, value)
  case.later(function() test.setenv("P80_SHIM_" .. name, nil) end)
end

function T:test_the_nth_call_fails()
  shim("FAIL", "EnumServicesStatusExW:2:5,GetExtendedTcpTable:1+:87")
  lu.assertIsTable(win.scm.list())
  local ok, problem = pcall(win.scm.list)
  lu.assertFalse(ok)
  lu.assertEquals(problem.code, 5)
  lu.assertIsTable(win.scm.list())
  for _ = 1, 2 do lu.assertEquals(select(2, pcall(win.tcp.list)).code, 87) end
end

-- Runs code in p80-shim.exe with variables.
local function run(code, env)
  return test.spawn {path = test.p80, args = {"--state", case.state, "-e", code}, env = env, timeout = 20}
end

function T:test_a_name_that_cannot_be_intercepted()
  local result = run("", {P80_SHIM_FAIL = "NoSuchThing:1"})
  lu.assertEquals(result.code, 99)
  lu.assertStrContains(result.stderr, "NoSuchThing")
end

function T:test_a_kill_before_and_after()
  lu.assertEquals(run("win.scm.list() print 'there'", {P80_SHIM_KILL = "EnumServicesStatusExW:1"}).code, 98)
  lu.assertEquals(run("win.scm.list() print 'there'", {P80_SHIM_KILL = "EnumServicesStatusExW:1:after"}).code, 98)
  lu.assertStrContains(run("win.scm.list() print 'there'", {P80_SHIM_KILL = "EnumServicesStatusExW:99"}).stdout, "there")
end

-- Windows' counter may go back between the processors of old machines, and waits count with it.
function T:test_the_clock_never_goes_back()
  shim("CLOCK", "1")
  local first, second, third = test.x.clock(), test.x.clock(), test.x.clock()
  lu.assertTrue(first <= second and second <= third)
end

function T:test_an_import_is_intercepted()
  local code = "print(select(2, pcall(win.tcp.list)).code)"
  local result = run(code, {P80_SHIM_FAIL = "LoadLibraryW:2+:1455"}) -- the first is for the folder of the policy
  lu.assertStrContains(result.stdout, "1455")
end

function T:test_counts()
  local count = case.path "count.txt"
  run("for i = 1, 3 do win.tcp.list() end", {P80_SHIM_COUNT = count, P80_SHIM_TCP_ROWS = "10"})
  lu.assertStrContains(case.read(count), "GetExtendedTcpTable 6\n") -- once for each family
end

function T:test_old_windows()
  local code = "print(win.host.version().text, #win.process.list() > 3, #win.scm.list() > 3)"
  local result = run(code, {P80_SHIM_NT52 = "1"})
  lu.assertStrContains(result.stdout, "5.2.3790")
  lu.assertStrContains(result.stdout, "true\ttrue")
end

function T:test_a_table_of_any_size()
  shim("TCP_ROWS", "1000")
  local rows = win.tcp.list()
  lu.assertEquals(#rows, 1000)
  lu.assertEquals(rows[1].state, "listen")
  lu.assertEquals(rows[1].pid, 4)
end

function T:test_owners()
  shim("TCP_OWNER", "1")
  case.service {name = "Web", args = {"--http", "http://+:80/"}}
  case.service {name = "Six", args = {"--tcp", "81", "--family", "6"}}
  case.wait_http(80)
  lu.assertEquals(win.tcp.listeners(80)[1].pid, 4)
  lu.assertEquals(win.tcp.listeners(81)[1].pid, case.service_running "Six")
end

function T:test_dependents()
  shim("SCM", "1")
  case.service {name = "A", args = {"--tcp", "81"}}
  case.service {name = "B", args = {"--tcp", "82"}, dependencies = {"A"}}
  case.service {name = "C", args = {"--tcp", "83"}, dependencies = {"B", "A"}}
  lu.assertEquals(win.scm.get("A").dependents, {"C", "B"})
  lu.assertEquals(win.scm.get("C").dependencies, {"B", "A"})
  lu.assertEquals(select(2, pcall(win.scm.stop, "A")).code, 1051)
  for _, name in ipairs {"C", "B", "A"} do
    win.scm.stop(name)
    win.scm.wait(name, "stopped", {timeout = 10})
  end
  lu.assertEquals(win.scm.get("A").state, "stopped")
  win.scm.start "C"
  lu.assertEquals(win.scm.get("A").state, "running")
end

function T:test_a_disabled_dependency()
  shim("SCM", "1")
  case.service {name = "Off", args = {"--tcp", "81"}, start = "disabled", run = false}
  case.service {name = "Needs", args = {"--tcp", "82"}, dependencies = {"Off"}, run = false}
  lu.assertEquals(select(2, pcall(win.scm.start, "Needs")).code, 1068)
end

function T:test_http_stops_and_starts()
  shim("SCM", "1")
  case.service {name = "Web", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  test.service_stop "Web"
  case.wait("its stop", function() return test.service_state "Web" == 1 end)
  win.scm.stop "HTTP"
  lu.assertEquals(win.scm.get("HTTP").state, "stopped")
  case.start_service "Web"
  lu.assertStrContains(case.wait_http(80), "holder")
  lu.assertEquals(win.scm.get("HTTP").state, "running")
end

function T:test_zz_http_that_hangs()
  shim("SCM", "1")
  shim("HTTP_STOP", "hang")
  case.service {name = "Web", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  local ok, problem = pcall(win.scm.stop, "HTTP")
  lu.assertFalse(ok == false and problem.code == 1051)
  lu.assertEquals(win.scm.get("HTTP").state, "stop_pending")
end
