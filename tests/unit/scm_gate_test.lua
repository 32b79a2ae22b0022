-- win.scm behind the gate (engine/core/scm.lua): on real services, and on an SCM in a Lua table for what Wine's does
-- not do: dependents, dependencies, services that never get there.
local lu = require "luaunit"
local case = require "case"
local fakecore = require "fakecore"
local failure = fakecore.failure

local NAME = "p80 \u{DC}nit \u{65E5}\u{672C}"
local INVALID, NOT_IMPLEMENTED, TIMEOUT = 87, 120, 1460
local DEPENDENTS, NO_STOP, DISABLED, NO_SERVICE, CANNOT_ACCEPT = 1051, 1052, 1058, 1060, 1061
local DEPENDENCY, NO_DEPENDENCY = 1068, 1075
local REFUSED, NOT_TAKEN = 0x20000004, 0x20000001

local function caller(core) return fakecore.caller(core, "scm") end

local function assert_problem(code, op, target, f, ...)
  local text, problem = failure(f, ...)
  lu.assertEquals({problem.code, problem.op, problem.target}, {code, op, target}, text)
  return problem
end

-- ---- Real services ----

local Real = case.suite "Real"

function Real.test_start_stop_restart_are_idempotent_and_undone()
  case.service {name = NAME, run = false}
  local files = {}
  local core = fakecore.open {files = files, options = {timeout = 10}}
  local call = caller(core)
  lu.assertEquals({call.start(NAME), call.start(NAME)}, {true, false})
  local _, first = test.service_state(NAME)
  lu.assertTrue(call.restart(NAME))
  local state, second = test.service_state(NAME)
  lu.assertEquals({state, first ~= second}, {4, true})
  lu.assertEquals({{call.stop(NAME)}, {call.stop(NAME)}}, {{true, {}}, {false, {}}})
  lu.assertTrue(call.restart(NAME))
  lu.assertEquals(#core.gate.changes(), 5)
  core.finish()
  local report = fakecore.open({files = files, options = {timeout = 10}}).undo.run(1)
  lu.assertEquals({report.failed, test.service_state(NAME)}, {0, 1, 0})
end

function Real.test_one_name_in_every_case()
  case.service {name = "P80-Unit"}
  local core = fakecore.open {options = {check = true}}
  lu.assertTrue(core.call("scm.stop", "p80-UNIT"))
  lu.assertFalse(core.call("scm.stop", "P80-unit"))
  lu.assertEquals(core.gate.changes()[1].label, "P80-Unit")
end

function Real.test_check_changes_nothing_and_shows_the_plan()
  case.service {name = NAME, display_name = "Alt"}
  local core = fakecore.open {options = {check = true}}
  local call = caller(core)
  lu.assertTrue(call.stop(NAME))
  lu.assertTrue(call.config(NAME, {start = "disabled", display_name = "Neu"}))
  local record = call.get(NAME)
  lu.assertEquals({record.state, record.pid, record.start, record.display_name}, {"stopped", nil, "disabled", "Neu"})
  local seen = {}
  for _, filter in ipairs {"active", "inactive", "all"} do
    for _, row in ipairs(call.list {state = filter}) do
      if row.name == NAME then seen[filter] = row.state end
    end
  end
  lu.assertEquals(seen, {inactive = "stopped", all = "stopped"})
  local began = test.clock()
  lu.assertTrue(call.wait(NAME, "stopped"))
  assert_problem(TIMEOUT, "scm.wait", NAME, call.wait, NAME, "running")
  lu.assertTrue(test.clock() - began < 1)
  assert_problem(DISABLED, "scm.start", NAME, call.start, NAME)
  lu.assertEquals({call.config(NAME, {start = "demand"}), call.start(NAME)}, {true, true})
  lu.assertEquals(call.list({state = "active"})[1] ~= nil and call.get(NAME).state, "running")
  lu.assertIsNumber(case.service_running(NAME))
  lu.assertEquals({win.scm.get(NAME).start, win.scm.get(NAME).display_name}, {"demand", "Alt"})
end

function Real.test_a_start_takes_its_arguments()
  case.service {name = NAME, run = false}
  local call = caller(fakecore.open())
  lu.assertFalse((pcall(call.start, NAME, {args = {"--fail-start", "77"}})))
  lu.assertEquals(win.scm.status(NAME).service_exit_code, 77)
  lu.assertTrue(call.start(NAME))
end

function Real.test_config_and_undo()
  case.service {name = NAME, run = false}
  local before, files = win.scm.get(NAME), {}
  local core = fakecore.open {files = files}
  local call = caller(core)
  local new = {start = "auto", display_name = "Neu \u{F6}", path = [["C:\neu ö.exe" x]], account = [[.\LocalSystem]]}
  lu.assertEquals({call.config(NAME, new), call.config(NAME, new)}, {true, false})
  local now = win.scm.get(NAME)
  lu.assertEquals({now.start, now.display_name, now.path}, {"auto", new.display_name, new.path})
  lu.assertEquals({call.config(NAME, {start = "disabled"}), call.config(NAME, {start = "disabled"})}, {true, false})
  assert_problem(DISABLED, "scm.start", NAME, call.start, NAME)
  core.finish()
  local report = fakecore.open({files = files}).undo.run(1)
  lu.assertEquals({report.failed, win.scm.get(NAME)}, {0, before})
end

function Real.test_a_password_is_kept_nowhere_and_cannot_be_taken_back()
  case.service {name = NAME, run = false}
  local files = {}
  local core = fakecore.open {files = files}
  lu.assertTrue(core.call("scm.config", NAME, {password = "geheim1"}))
  lu.assertTrue(core.call("scm.config", NAME, {password = "geheim2"}))
  lu.assertTrue(core.call("scm.config", NAME, {password = "geheim3", start = "disabled"}))
  for _, password in ipairs {"geheim\0", "geheim\xFF", {"geheim"}, 5} do
    local settings = {password = password}
    local problem = assert_problem(INVALID, "scm.config", "password", core.call, "scm.config", NAME, settings)
    lu.assertNil(tostring(problem):find "geheim")
  end
  local out, err = core.finish()
  lu.assertNil((out .. err):find "geheim")
  for _, text in pairs(files) do lu.assertNil(text:find "geheim") end
  local report = fakecore.open({files = files}).undo.run(1)
  lu.assertEquals({report.steps[1].outcome, report.steps[2].outcome, report.steps[3].outcome},
    {"restored", "impossible", "impossible"})
end

function Real.test_a_password_alone_has_a_grant_of_its_own()
  case.service {name = NAME, run = false}
  local core = fakecore.open {options = {allow = {"scm.config"}}}
  assert_problem(REFUSED, "scm.config", NAME, core.call, "scm.config", NAME, {password = "geheim"})
end

function Real.test_refused_without_a_grant()
  case.service {name = NAME}
  local call = caller(fakecore.open {options = {allow = {"scm.state:Other", "process.state"}}})
  assert_problem(REFUSED, "scm.stop", NAME, call.stop, NAME)
  assert_problem(REFUSED, "scm.restart", NAME, call.restart, NAME)
  assert_problem(REFUSED, "scm.config", NAME, call.config, NAME, {start = "disabled"})
  lu.assertFalse(call.start(NAME))
  lu.assertIsNumber(case.service_running(NAME))
end

function Real.test_a_service_that_ignores_stop_is_named_with_its_process()
  case.service {name = NAME, args = {"--ignore-stop"}}
  local core = fakecore.open()
  local began = test.clock()
  local problem = assert_problem(TIMEOUT, "scm.stop", NAME, core.call, "scm.stop", NAME, {timeout = 1})
  local _, pid = test.service_state(NAME)
  lu.assertStrContains(problem.hint, ("pid %d (holder.exe), checkpoint 0"):format(pid))
  problem = assert_problem(TIMEOUT, "scm.stop", NAME, core.call, "scm.stop", NAME, {timeout = 0.5})
  lu.assertTrue(test.clock() - began < 5)
  lu.assertEquals(core.result.exit_for(problem), 6)
end

function Real.test_a_start_that_fails_raises_the_services_own_error()
  case.service {name = NAME, args = {"--slow-start", "1", "--fail-start", "42"}, run = false}
  local problem = assert_problem(1066, "scm.start", NAME, fakecore.open().call, "scm.start", NAME, {timeout = 9})
  lu.assertStrContains(problem.hint, "42")
end

function Real.test_bad_input()
  case.service {name = NAME, display_name = "Gr\u{F6}\u{DF}e", run = false}
  local call = caller(fakecore.open())
  for _, verb in ipairs {"start", "stop", "restart", "config"} do
    local function f(name, ...) return call[verb](name, verb == "config" and {start = "auto"} or nil, ...) end
    for _, name in ipairs {"", ("x"):rep(257), ("x"):rep(16384), "a\0b", "\xFF", 5, true, {}} do
      local problem = assert_problem(INVALID, "scm." .. verb, "name", f, name)
      lu.assertTrue(#tostring(problem) < 300)
    end
    assert_problem(NO_SERVICE, "scm." .. verb, "p80-none", f, "p80-none")
    local problem = assert_problem(NO_SERVICE, "scm." .. verb, "Gr\u{F6}\u{DF}e", f, "Gr\u{F6}\u{DF}e")
    lu.assertStrContains(problem.hint, NAME)
    assert_problem(INVALID, "scm." .. verb, "arguments", call[verb])
    assert_problem(INVALID, "scm." .. verb, "arguments", f, NAME, 3)
  end
  lu.assertStrContains(assert_problem(INVALID, "scm.stop", "dependants", call.stop, NAME, {dependants = true}).hint,
    "dependents")
  assert_problem(INVALID, "scm.stop", "dependents", call.stop, NAME, {dependents = 1})
  assert_problem(INVALID, "scm.stop", "args", call.stop, NAME, {args = {}})
  assert_problem(INVALID, "scm.start", "timeout", call.start, NAME, {timeout = -1})
  assert_problem(INVALID, "scm.start", "args", call.start, NAME, {args = "x"})
  assert_problem(INVALID, "scm.start", "args[1]", call.start, NAME, {args = {1}})
  assert_problem(INVALID, "scm.config", "settings", call.config, NAME, "disabled")
  assert_problem(INVALID, "scm.config", "settings", call.config, NAME, {})
  assert_problem(INVALID, "scm.config", "start", call.config, NAME, {start = "automatic"})
  assert_problem(INVALID, "scm.config", "start", call.config, NAME, {start = "boot"})
  assert_problem(INVALID, "scm.config", "path", call.config, NAME, {path = ""})
  assert_problem(INVALID, "scm.config", "display_name", call.config, NAME, {display_name = ("x"):rep(257)})
  assert_problem(INVALID, "scm.config", "delayed", call.config, NAME, {delayed = "yes"})
  local problem = assert_problem(INVALID, "scm.config", "strat", call.config, NAME, {strat = "auto"})
  lu.assertStrContains(problem.hint, "start")
  lu.assertEquals(win.scm.get(NAME).start, "demand")
end

-- ---- An SCM in a table ----

-- Services by name: {state=, start=, needs={}, behaviour=}. Its functions are those of the raw win.scm.
local function new_scm(services)
  local scm = {services = services, log = {}}
  local function found(name)
    for real, service in pairs(services) do
      if real:lower() == name:lower() then return service, real end
    end
    test.x.fail("raw", name, NO_SERVICE)
  end
  local function dependents(name, into)
    for _, other in ipairs(services.order) do
      for _, needed in ipairs(services[other].needs or {}) do
        if needed == name and not into[other] then
          dependents(other, into)
          into[other] = true
          into[#into + 1] = other
        end
      end
    end
    return into
  end
  function scm.get(name)
    local ok, service, real = pcall(found, name)
    if not ok then return nil end
    local names = table.move(dependents(real, {}), 1, #services.order, 1, {})
    return {
      name = real, display_name = real, type = "own_process", state = service.state,
      start = service.start or "demand",
      delayed = service.delayed, account = "LocalSystem", path = "x", dependencies = service.needs or {},
      dependents = names, accepts = service.state ~= "stopped" and not service.unstoppable and {"stop"} or {},
    }
  end
  function scm.status(name)
    local record = scm.get(name)
    return record and {state = record.state, accepts = record.accepts}
  end
  function scm.list() return {} end
  function scm.start(name)
    local service, real = found(name)
    scm.log[#scm.log + 1] = "start " .. real
    service.state = "running"
  end
  local function control(verb, state)
    scm[verb] = function(name)
      local service, real = found(name)
      scm.log[#scm.log + 1] = verb .. " " .. real
      if verb == "stop" and service.on_stop then service.on_stop(service) else service.state = state end
    end
  end
  control("stop", "stopped")
  control("pause", "paused")
  control("continue", "running")
  function scm.wait(name, state)
    local service = found(name)
    if service.on_wait then service.on_wait(service) end
    if service.state ~= state then test.x.fail("scm.wait", name, TIMEOUT, nil, "pid 1 (x.exe), checkpoint 7") end
    return true
  end
  function scm.config(name, settings)
    for key, value in pairs(settings) do found(name)[key] = value end
  end
  return scm
end

-- A core whose win.scm is this one.
local function open_on(services, given)
  local scm, real = new_scm(services), win
  win = setmetatable({scm = scm}, {__index = real})
  local ok, core = pcall(fakecore.open, given)
  win = real
  assert(ok, core)
  return caller(core), scm, core
end

-- HTTP <- W3SVC <- APP, HTTP <- SPOOLER, HTTP <- OFF.
local function web()
  return {
    order = {"APP", "W3SVC", "SPOOLER", "OFF"}, HTTP = {state = "running"},
    W3SVC = {state = "running", needs = {"HTTP"}},
    APP = {state = "running", needs = {"W3SVC", "+TDI"}}, SPOOLER = {state = "running", needs = {"HTTP"}},
    OFF = {state = "stopped", needs = {"HTTP"}},
  }
end

TestDependents = {}

function TestDependents.test_running_dependents_are_named()
  local call, scm, core = open_on(web())
  local problem = assert_problem(DEPENDENTS, "scm.stop", "HTTP", call.stop, "http")
  lu.assertStrContains(problem.hint, "'APP', 'W3SVC', 'SPOOLER'")
  lu.assertStrContains(problem.hint, "dependents=true")
  assert_problem(DEPENDENTS, "scm.restart", "HTTP", call.restart, "http")
  lu.assertEquals({scm.log, core.gate.changes()}, {{}, {}})
end

function TestDependents.test_they_stop_first_each_as_a_change_of_its_own()
  local files = {}
  local services = web()
  local call, scm, core = open_on(services, {files = files})
  lu.assertTrue(call.stop("http", {dependents = true}))
  lu.assertEquals(scm.log, {"stop APP", "stop W3SVC", "stop SPOOLER", "stop HTTP"})
  lu.assertEquals(#core.gate.changes(), 4)
  lu.assertFalse(call.stop("http", {dependents = true}))
  core.finish()
  local _, undoing, other = open_on(services, {files = files})
  lu.assertEquals(other.undo.run(1).failed, 0)
  lu.assertEquals(undoing.log, {"start HTTP", "start SPOOLER", "start W3SVC", "start APP"})
end

function TestDependents.test_check_plans_them_all_and_touches_none()
  local call, scm, core = open_on(web(), {options = {check = true}})
  lu.assertTrue(call.stop("W3SVC", {dependents = true}))
  lu.assertStrContains(failure(call.stop, "HTTP"), "'SPOOLER' needs it")
  lu.assertTrue(call.stop("HTTP", {dependents = true}))
  local labels = {}
  for i, change in ipairs(core.gate.changes()) do labels[i] = change.label end
  lu.assertEquals(labels, {"APP", "W3SVC", "SPOOLER", "HTTP"})
  lu.assertEquals(scm.log, {})
end

function TestDependents.test_each_needs_its_grant()
  local call, scm = open_on(web(), {options = {allow = {"scm.state:APP", "scm.state:HTTP"}}})
  assert_problem(REFUSED, "scm.stop", "W3SVC", call.stop, "HTTP", {dependents = true})
  lu.assertEquals(scm.log, {"stop APP"})
end

function TestDependents.test_restart_starts_exactly_those_again()
  local services = web()
  local call, scm = open_on(services)
  lu.assertTrue(call.restart("HTTP", {dependents = true}))
  lu.assertEquals(scm.log, {
    "stop APP", "stop W3SVC", "stop SPOOLER", "stop HTTP", "start HTTP", "start SPOOLER", "start W3SVC", "start APP",
  })
  lu.assertEquals(services.OFF.state, "stopped")
end

function TestDependents.test_restart_of_a_disabled_service_stops_nothing()
  local services = web()
  services.HTTP.start = "disabled"
  local call, scm = open_on(services)
  assert_problem(DISABLED, "scm.restart", "HTTP", call.restart, "HTTP", {dependents = true})
  lu.assertEquals(scm.log, {})
end

TestDependencies = {}

local function stopped_web()
  local services = web()
  for _, name in ipairs {"HTTP", "W3SVC", "APP", "SPOOLER"} do services[name].state = "stopped" end
  return services
end

function TestDependencies.test_they_start_first_and_are_taken_back()
  local files, services = {}, stopped_web()
  local call, scm, core = open_on(services, {files = files})
  lu.assertTrue(call.start "app")
  lu.assertEquals(scm.log, {"start HTTP", "start W3SVC", "start APP"})
  core.finish()
  local _, undoing, other = open_on(services, {files = files})
  lu.assertEquals(other.undo.run(1).failed, 0)
  lu.assertEquals(undoing.log, {"stop APP", "stop W3SVC", "stop HTTP"})
end

function TestDependencies.test_a_disabled_or_missing_one_is_named_before_anything_starts()
  local services = stopped_web()
  services.HTTP.start = "disabled"
  local call, scm = open_on(services)
  lu.assertStrContains(assert_problem(DEPENDENCY, "scm.start", "W3SVC", call.start, "APP").hint, "'HTTP'")
  services.HTTP = nil
  lu.assertStrContains(assert_problem(NO_DEPENDENCY, "scm.start", "W3SVC", call.start, "APP").hint, "'HTTP'")
  lu.assertEquals(scm.log, {})
end

function TestDependencies.test_what_p80_may_not_look_at_is_left_to_windows()
  local call, scm = open_on(stopped_web())
  local get = scm.get
  function scm.get(name)
    if name == "HTTP" then test.x.fail("scm.get", name, 5) end
    return get(name)
  end
  lu.assertTrue(call.start "APP")
  lu.assertEquals(scm.log, {"start W3SVC", "start APP"})
end

function TestDependencies.test_a_circle_ends()
  local call, scm = open_on {
    order = {}, a = {state = "stopped", needs = {"b"}}, b = {state = "stopped", needs = {"A"}},
  }
  lu.assertTrue(call.start "a")
  lu.assertEquals(scm.log, {"start b", "start a"})
end

TestPending = {}

local function one(service)
  service.state = service.state or "running"
  return {order = {}, X = service}
end

function TestPending.test_a_pending_state_is_waited_out_first()
  local function come_up(s)
    if s.state == "start_pending" then s.state = "running" end
  end
  local services = one {state = "start_pending", on_wait = come_up}
  local call, scm = open_on(services)
  lu.assertTrue(call.stop "X")
  lu.assertEquals(scm.log, {"stop X"})
  services.X.state = "stop_pending"
  services.X.on_wait = function(s) s.state = "stopped" end
  lu.assertFalse(call.stop "X")
end

function TestPending.test_a_stop_that_is_refused_but_under_way_is_followed()
  for _, code in ipairs {1053, CANNOT_ACCEPT, 2189} do
    local function refuse(s)
      s.state = "stop_pending"
      test.x.fail("scm.stop", "X", code)
    end
    local call = open_on(one {on_stop = refuse, on_wait = function(s) s.state = "stopped" end})
    lu.assertTrue(call.stop "X")
    call = open_on(one {on_stop = refuse})
    lu.assertStrContains(assert_problem(TIMEOUT, "scm.stop", "X", call.stop, "X").hint, "checkpoint 7")
    call = open_on(one {on_stop = function() test.x.fail("scm.stop", "X", code) end})
    assert_problem(code, "scm.stop", "X", call.stop, "X")
  end
end

function TestPending.test_for_ever_pending_raises_and_is_journaled_as_not_taken()
  local call, _, core = open_on(one {on_stop = function(s) s.state = "stop_pending" end})
  assert_problem(TIMEOUT, "scm.stop", "X", call.stop, "X", {timeout = 0})
  local change = core.gate.changes()[1]
  lu.assertEquals({change.taken, change.after.state}, {false, "stop_pending"})
end

function TestPending.test_paused_goes_on_and_comes_back()
  local files, services = {}, one {state = "paused"}
  local call, scm, core = open_on(services, {files = files})
  lu.assertTrue(call.start "X")
  lu.assertEquals(scm.log, {"continue X"})
  core.finish()
  local _, undoing, other = open_on(services, {files = files})
  lu.assertEquals(other.undo.run(1).failed, 0)
  lu.assertEquals({undoing.log, services.X.state}, {{"pause X"}, "paused"})
end

function TestPending.test_what_does_not_let_itself_be_stopped()
  for _, check in ipairs {true, false} do
    local call, scm = open_on(one {unstoppable = true}, {options = {check = check}})
    assert_problem(NO_STOP, "scm.stop", "X", call.stop, "X")
    lu.assertEquals(scm.log, {})
  end
end

function TestPending.test_success_that_does_not_take_is_an_error()
  local services = one {}
  local call, scm = open_on(services)
  scm.stop = function() end
  scm.wait = function() return true end
  assert_problem(NOT_TAKEN, "scm.stop", "X", call.stop, "X")
  scm.config = function() end
  assert_problem(NOT_TAKEN, "scm.config", "X", call.config, "X", {start = "disabled"})
end

TestDelayed = {}

function TestDelayed.test_where_windows_knows_it()
  local services = one {start = "demand", delayed = false}
  local call = open_on(services)
  assert_problem(INVALID, "scm.config", "delayed", call.config, "X", {delayed = true})
  lu.assertTrue(call.config("X", {start = "auto", delayed = true}))
  lu.assertFalse(call.config("X", {delayed = true}))
  lu.assertEquals({services.X.start, services.X.delayed}, {"auto", true})
end

function TestDelayed.test_where_it_does_not()
  local services = one {start = "auto"}
  local call = open_on(services)
  assert_problem(NOT_IMPLEMENTED, "scm.config", "X", call.config, "X", {delayed = true})
  lu.assertFalse(call.config("X", {delayed = false, start = "auto"}))
end
