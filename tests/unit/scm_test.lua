-- win.scm: raw reads, waits and raw writes on real services (tests/fixtures/holder.c).
local lu = require "luaunit"
local case = require "case"
local failure = require "fakecore".failure
local scm = win.scm

local INVALID, INVALID_NAME, NOT_IMPLEMENTED, TIMEOUT = 87, 123, 120, 1460
local ALREADY_RUNNING, DISABLED, NO_SERVICE, NOT_ACTIVE, OWN_ERROR, ABORTED = 1056, 1058, 1060, 1062, 1066, 1067

local NAME = "p80 \u{DC}nit \u{65E5}\u{672C} \u{1F600}"
local DISPLAY = "Gr\u{F6}\u{DF}e \u{2603}"

local function assert_problem(code, target, f, ...)
  local text, problem = failure(f, ...)
  lu.assertEquals(problem.code, code, text)
  lu.assertEquals(problem.target, target, text)
  return problem
end

local function find(rows, name)
  for _, row in ipairs(rows) do
    if row.name == name then return row end
  end
end

-- ---- list ----

local List = case.suite "List"

function List.test_rows()
  case.service {name = NAME, display_name = DISPLAY}
  local row = find(scm.list(), NAME)
  lu.assertEquals(row, {
    name = NAME, display_name = DISPLAY, type = "own_process", state = "running", pid = case.service_running(NAME),
    exit_code = 0, service_exit_code = 0, checkpoint = 0, wait_hint = 0.0, accepts = {"stop", "pause"},
  })
end

function List.test_filters()
  case.service {name = "p80a"}
  case.service {name = "p80b", run = false}
  local active, inactive = scm.list {state = "active"}, scm.list {state = "inactive"}
  lu.assertEquals({find(active, "p80a") ~= nil, find(active, "p80b") ~= nil}, {true, false})
  lu.assertEquals({find(inactive, "p80a") ~= nil, find(inactive, "p80b") ~= nil}, {false, true})
  lu.assertNil(find(inactive, "p80b").pid)
  lu.assertEquals(#scm.list(), #active + #inactive)
  local drivers = scm.list {type = "driver"}
  lu.assertNil(find(drivers, "p80a"))
  lu.assertTrue(#drivers > 0)
  for _, row in ipairs(drivers) do lu.assertStrContains(row.type, "driver") end
  lu.assertEquals(#scm.list {type = "all"}, #scm.list {type = "service"} + #drivers)
end

function List.test_more_than_a_page()
  local before = #scm.list()
  for i = 1, 200 do case.service {name = ("p80-%03d-%s"):format(i, ("x"):rep(80)), run = false} end
  local rows, seen = scm.list(), {}
  lu.assertEquals(#rows, before + 200)
  for _, row in ipairs(rows) do seen[row.name] = true end
  for i = 1, 200 do lu.assertTrue(seen[("p80-%03d-%s"):format(i, ("x"):rep(80))]) end
end

function List.test_bad_input()
  lu.assertStrContains(assert_problem(INVALID, "stat", scm.list, {stat = "all"}).hint, "state")
  assert_problem(INVALID, "state", scm.list, {state = "running"})
  assert_problem(INVALID, "type", scm.list, {type = 1})
  assert_problem(INVALID, "options", scm.list, "all")
  assert_problem(INVALID, "arguments", scm.list, {}, {})
end

-- ---- get ----

local Get = case.suite "Get"

function Get.test_record()
  case.service {name = NAME, display_name = DISPLAY, args = {"--seconds", "9"}, start = "disabled", run = false}
  local record = scm.get(NAME)
  lu.assertStrContains(record.path, "holder.exe")
  record.path, record.delayed = nil, nil
  lu.assertEquals(record, {
    name = NAME, display_name = DISPLAY, type = "own_process", state = "stopped", start = "disabled",
    account = "LocalSystem", error_control = "normal", exit_code = 1077, service_exit_code = 0, checkpoint = 0, wait_hint = 0.0,
    accepts = {},
    dependencies = {}, dependents = {},
  })
end

function Get.test_running()
  case.service {name = NAME}
  local record = scm.get(NAME)
  lu.assertEquals({record.state, record.pid}, {"running", case.service_running(NAME)})
end

function Get.test_name_in_another_case_is_given_as_it_is()
  case.service {name = "P80-Unit", display_name = "Unit", run = false}
  lu.assertEquals(scm.get("p80-UNIT").name, "P80-Unit")
end

function Get.test_driver()
  local record = scm.get "http"
  lu.assertEquals(record.type, "kernel_driver")
  lu.assertNil(record.pid)
end

function Get.test_nothing_is_nil_and_a_display_name_gives_a_hint()
  lu.assertEquals({scm.get "p80-none"}, {})
  lu.assertEquals({scm.get "\xED\xA0\x80"}, {}) -- a lone surrogate
  case.service {name = NAME, display_name = DISPLAY, run = false}
  local record, hint = scm.get(DISPLAY)
  lu.assertNil(record)
  lu.assertStrContains(hint, NAME)
end

local BAD_NAMES = {"", ("x"):rep(257), ("x"):rep(16384), ("\u{65E5}"):rep(257), "a\0b", "\xFF", "a\xC3", 5, true, {}}

function Get.test_bad_input()
  for _, f in ipairs {
    scm.get, scm.start, scm.stop, function(name) scm.wait(name, "running") end,
    function(name) scm.config(name, {}) end,
  } do
    for _, name in ipairs(BAD_NAMES) do
      local problem = assert_problem(INVALID, "name", f, name)
      lu.assertTrue(#tostring(problem) < 300)
    end
  end
  assert_problem(INVALID_NAME, "a/b", scm.get, "a/b")
  assert_problem(INVALID, "arguments", scm.get)
  assert_problem(INVALID, "arguments", scm.get, "a", "b")
end

function Get.test_no_handle_is_left_open()
  case.service {name = NAME}
  scm.get(NAME)
  local before = test.handle_count()
  for _ = 1, 20 do
    scm.get(NAME)
    scm.get "p80-none"
    scm.list()
    scm.wait(NAME, "running")
    pcall(scm.wait, NAME, "paused", {timeout = 0})
    pcall(scm.start, NAME)
    pcall(scm.get, "a/b")
  end
  lu.assertEquals(test.handle_count(), before)
end

-- ---- wait ----

local Wait = case.suite "Wait"

function Wait.test_there_already()
  case.service {name = NAME}
  local began = test.clock()
  lu.assertTrue(scm.wait(NAME, "running"))
  lu.assertTrue(test.clock() - began < 0.5)
end

function Wait.test_follows_a_slow_service()
  case.service {name = NAME, args = {"--slow-start", "1", "--slow-stop", "1"}, run = false}
  local began = test.clock()
  scm.start(NAME)
  lu.assertEquals(scm.get(NAME).state, "start_pending")
  lu.assertTrue(scm.wait(NAME, "running", {timeout = 10}))
  lu.assertTrue(test.clock() - began < 5)
  scm.stop(NAME)
  lu.assertTrue(scm.wait(NAME, "stopped", {timeout = 10, requested = true}))
  lu.assertEquals(scm.get(NAME).state, "stopped")
end

function Wait.test_quick_services_are_not_slowed()
  case.service {name = NAME}
  local began = test.clock()
  scm.stop(NAME)
  scm.wait(NAME, "stopped")
  lu.assertTrue(test.clock() - began < 1)
end

function Wait.test_deadline_names_the_process()
  case.service {name = NAME, args = {"--ignore-stop"}}
  scm.stop(NAME)
  local began = test.clock()
  local problem = assert_problem(TIMEOUT, NAME, scm.wait, NAME, "stopped", {timeout = 1.5})
  lu.assertTrue(test.clock() - began >= 1.5 and test.clock() - began < 3)
  lu.assertEquals(problem.op, "scm.wait")
  local _, pid = test.service_state(NAME)
  lu.assertStrContains(problem.hint, ("pid %d (holder.exe), checkpoint 0, no progress for "):format(pid))
end

function Wait.test_a_zero_timeout_looks_once()
  case.service {name = NAME}
  lu.assertTrue(scm.wait(NAME, "running", {timeout = 0}))
  assert_problem(TIMEOUT, NAME, scm.wait, NAME, "paused", {timeout = 0})
end

function Wait.test_a_start_that_fails_says_with_which_code()
  case.service {name = NAME, args = {"--slow-start", "1", "--fail-start", "42"}, run = false}
  scm.start(NAME)
  local problem = assert_problem(OWN_ERROR, NAME, scm.wait, NAME, "running", {requested = true, timeout = 9})
  lu.assertStrContains(problem.hint, "42")
end

function Wait.test_a_process_that_dies_while_it_starts()
  case.service {name = NAME, args = {"--slow-start", "1", "--crash-on-start"}, run = false}
  scm.start(NAME)
  local began = test.clock()
  local problem = assert_problem(ABORTED, NAME, scm.wait, NAME, "running", {timeout = 20})
  lu.assertTrue(test.clock() - began < 10)
  lu.assertStrContains(problem.hint, "process ended")
end

function Wait.test_a_service_that_somebody_restarts_is_waited_for()
  case.service {name = NAME, args = {"--slow-start", "2", "--slow-stop", "1"}}
  scm.stop(NAME)
  local code = ("win.scm.wait('%s', 'running', {timeout = 20})"):format(NAME)
  local waiter = test.start(case.command {"-e", code})
  case.later(function() waiter:close() end)
  scm.wait(NAME, "stopped")
  scm.start(NAME)
  lu.assertEquals(waiter:wait(15).code, 0, waiter:output())
  lu.assertEquals(scm.get(NAME).state, "running")
end

function Wait.test_a_stopped_service_is_waited_for()
  case.service {name = NAME, run = false}
  assert_problem(TIMEOUT, NAME, scm.wait, NAME, "running", {timeout = 0.3})
end

function Wait.test_pause_and_continue()
  case.service {name = NAME}
  scm.pause(NAME)
  lu.assertTrue(scm.wait(NAME, "paused"))
  scm.continue(NAME)
  lu.assertTrue(scm.wait(NAME, "running"))
end

function Wait.test_bad_input()
  assert_problem(INVALID, "state", scm.wait, "http", "runing")
  assert_problem(INVALID, "state", scm.wait, "http", "stop_pending")
  assert_problem(INVALID, "state", scm.wait, "http", nil)
  lu.assertStrContains(assert_problem(INVALID, "timout", scm.wait, "http", "running", {timout = 1}).hint, "timeout")
  assert_problem(INVALID, "timeout", scm.wait, "http", "running", {timeout = -1})
  assert_problem(INVALID, "requested", scm.wait, "http", "running", {requested = 1})
  assert_problem(INVALID, "arguments", scm.wait, "http")
  case.service {name = NAME, display_name = DISPLAY, run = false}
  assert_problem(NO_SERVICE, "p80-none", scm.wait, "p80-none", "running")
  lu.assertStrContains(assert_problem(NO_SERVICE, DISPLAY, scm.wait, DISPLAY, "running").hint, NAME)
end

-- ---- Raw writes ----

local Write = case.suite "Write"

function Write.test_start_and_stop()
  case.service {name = NAME, run = false}
  scm.start(NAME, {"one", "tw\u{F6} \u{65E5}", ""})
  scm.wait(NAME, "running")
  assert_problem(ALREADY_RUNNING, NAME, scm.start, NAME)
  scm.stop(NAME)
  scm.wait(NAME, "stopped")
  assert_problem(NOT_ACTIVE, NAME, scm.stop, NAME)
end

function Write.test_start_of_a_program_that_is_no_service()
  case.service {name = NAME, program = test.bin .. "empty.exe", run = false}
  local text, problem = failure(scm.start, NAME)
  lu.assertEquals(problem.target, NAME, text)
end

function Write.test_config()
  case.service {name = NAME, run = false}
  local path = [["C:\neu ö.exe" x]]
  scm.config(NAME, {start = "disabled", display_name = "Neu \u{F6}", path = path, account = "LocalSystem"})
  local record = scm.get(NAME)
  lu.assertEquals({record.start, record.display_name, record.path, record.account},
    {"disabled", "Neu \u{F6}", path, "LocalSystem"})
  lu.assertStrContains(assert_problem(DISABLED, NAME, scm.start, NAME).hint, "demand")
  scm.config(NAME, {start = "demand"})
  record = scm.get(NAME)
  lu.assertEquals({record.start, record.display_name}, {"demand", "Neu \u{F6}"})
end

function Write.test_delayed_start()
  case.service {name = NAME, start = "auto", run = false}
  if scm.get(NAME).delayed == nil then
    lu.assertStrContains(assert_problem(NOT_IMPLEMENTED, NAME, scm.config, NAME, {delayed = true}).hint, "Vista")
    return
  end
  scm.config(NAME, {delayed = true})
  lu.assertTrue(scm.get(NAME).delayed)
  scm.config(NAME, {delayed = false})
  lu.assertFalse(scm.get(NAME).delayed)
end

function Write.test_no_message_shows_a_password()
  case.service {name = NAME, run = false}
  for _, password in ipairs {"geheim\0", "geheim\xFF", {"geheim"}} do
    local text = failure(scm.config, NAME, {password = password})
    lu.assertNil(text:find "geheim")
  end
  local ok, problem = pcall(scm.config, NAME, {account = [[.\p80-no-such-user]], password = "geheim"})
  lu.assertNil(not ok and tostring(problem):find "geheim" or nil)
end

function Write.test_bad_input()
  case.service {name = NAME, run = false}
  assert_problem(INVALID, "settings", scm.config, NAME, nil)
  assert_problem(INVALID, "options", scm.config, NAME, "disabled")
  lu.assertStrContains(assert_problem(INVALID, "strat", scm.config, NAME, {strat = "auto"}).hint, "start")
  assert_problem(INVALID, "start", scm.config, NAME, {start = "automatic"})
  assert_problem(INVALID, "delayed", scm.config, NAME, {delayed = 1})
  assert_problem(INVALID, "path", scm.config, NAME, {path = "a\0b"})
  assert_problem(INVALID, "account", scm.config, NAME, {account = "\xFF"})
  assert_problem(INVALID, "display_name", scm.config, NAME, {display_name = 5})
  assert_problem(INVALID, "arguments", scm.config, NAME)
  assert_problem(INVALID, "args", scm.start, NAME, "one")
  assert_problem(INVALID, "args", scm.start, NAME, {"one", 2})
  assert_problem(INVALID, "args", scm.start, NAME, {"a\0b"})
  local many = {}
  for i = 1, 256 do many[i] = "x" end
  assert_problem(INVALID, "args", scm.start, NAME, many)
  assert_problem(INVALID, "timeout", scm.stop, NAME, "halt")
  for _, f in ipairs {scm.start, scm.stop, function(name) scm.config(name, {start = "auto"}) end} do
    assert_problem(NO_SERVICE, "p80-none", f, "p80-none")
  end
  lu.assertEquals(scm.get(NAME).start, "demand")
end
