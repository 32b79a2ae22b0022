-- The scenes that the other tests are played in are what they say: without p80.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Scene"

function T:test_arguments_arrive()
  local words = {"a b", "", 'say "x"', "back\\", 'b\\"', "ü\u{1F600}"}
  local result = test.spawn {
    path = test.bin .. "p80-test.exe",
    args = {case.write("echo.lua", "for i = 1, #arg do print(arg[i]) end io.stderr:write(os.getenv 'X', io.read 'a')"),
            table.unpack(words)},
    env = {X = "ä="}, stdin = "in",
  }
  lu.assertEquals(result.stderr, "ä=in")
  lu.assertEquals(result.stdout:gsub("\r", ""), table.concat(words, "\n") .. "\n")
  lu.assertEquals(result.code, 0)
  lu.assertNil(test.getenv "X")
end

function T:test_timeout_ends_a_process()
  local script = case.write("endless.lua", "print 'there' io.stdout:flush() while true do test.sleep(1) end")
  local result = test.spawn {path = test.bin .. "p80-test.exe", args = {script}, timeout = 0.5}
  lu.assertTrue(result.timed_out)
  lu.assertStrContains(result.stdout, "there")
end

function T:test_http_service()
  case.service {name = "Wéb", args = {"--http", "http://+:80/"}}
  lu.assertStrContains(case.wait_http(80), "holder http://+:80/")
  lu.assertEquals(case.bind(80), "error 10013")
  test.service_stop "Wéb"
  case.wait("the port", function() return case.bind(80) == "ok" end)
  lu.assertEquals(test.service_state "Wéb", 1)
end

function T:test_http_program()
  local process = case.holder {"--http", "http://+:8080/"}
  lu.assertStrContains(case.wait_http(8080), "holder")
  process:kill()
  case.wait("the port", function() return case.bind(8080) == "ok" end)
end

function T:test_tcp_service_on_both_families()
  case.service {name = "Sock", args = {"--tcp", "80", "--family", "both"}}
  case.wait_held(80)
  lu.assertStrContains(case.bind(80, 6), "error")
end

function T:test_tcp_program_on_ipv6_only()
  case.holder {"--tcp", "80", "--family", "6"}
  lu.assertEquals(case.bind(80, 4), "ok")
  lu.assertEquals(case.bind(80, 6), "error 10048")
end

function T:test_exclusive()
  case.holder {"--tcp", "80", "--exclusive"}
  lu.assertEquals(case.bind(80), "error 10013")
end

function T:test_listen_in_process()
  local socket = test.listen {port = 80}
  lu.assertEquals(case.bind(80), "error 10048")
  lu.assertEquals(select(2, test.listen {port = 80}), 10048)
  socket:close()
  lu.assertEquals(case.bind(80), "ok")
end

function T:test_a_service_that_ignores_stop()
  case.service {name = "Stuck", args = {"--tcp", "80", "--ignore-stop"}}
  lu.assertTrue(test.service_stop "Stuck")
  test.sleep(1)
  lu.assertEquals(test.service_state "Stuck", 3)
end

function T:test_a_service_that_stops_slowly()
  case.service {name = "Slow", args = {"--tcp", "80", "--slow-stop", "1"}}
  lu.assertTrue(test.service_stop "Slow")
  lu.assertEquals(test.service_state "Slow", 3)
  case.wait("its stop", function() return test.service_state "Slow" == 1 end)
end

function T:test_a_service_that_crashes_when_stopped()
  case.service {name = "Crash", args = {"--tcp", "80", "--crash-on-stop"}}
  lu.assertTrue(test.service_stop "Crash")
  -- Windows' SCM then says STOPPED, Wine's says STOP_PENDING until it is started again.
  case.wait("its end", function() return case.bind(80) == "ok" end)
end
