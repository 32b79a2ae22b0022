-- win.scm.create, delete, pause, continue, control, watch on real services (tests/fixtures/holder.c).
local lu = require "luaunit"
local case = require "case"
local fakecore = require "fakecore"
local failure = fakecore.failure
local scm = win.scm

local NAME = "p80 \u{DC}nit \u{65E5}\u{672C}"
local HOLDER = '"' .. test.bin .. 'holder.exe" --service'
local INVALID, NO_CONTROL, NO_SERVICE, NOT_ACTIVE, MARKED, EXISTS = 87, 1052, 1060, 1062, 1072, 1073
local TIMEOUT, REFUSED, NOT_TAKEN = 1460, 0x20000004, 0x20000001

local function caller(core) return fakecore.caller(core, "scm") end

local function assert_problem(code, op, target, f, ...)
  local text, problem = failure(f, ...)
  lu.assertEquals({problem.code, problem.op, problem.target}, {code, op, target}, text)
  return problem
end

-- A core with journals in `files`; what it makes goes at the end.
local function open(given)
  given = given or {}
  given.options = given.options or {timeout = 10}
  case.later(function() case.remove_service(NAME) end)
  local core = fakecore.open(given)
  return caller(core), core
end

local function undo(files) return fakecore.open({files = files, options = {timeout = 10}}).undo.run(1) end

-- ---- create ----

local Create = case.suite "Create"

local SETTINGS = {
  path = HOLDER, display_name = "Gr\u{F6}\u{DF}e", start = "demand", description = "Was er tut", error_control = "severe",
  preshutdown_timeout = 12.5, group = "p80 group",
}

function Create.test_it_is_made_idempotent_and_taken_back()
  local files = {}
  local call, core = open {files = files}
  lu.assertEquals({call.create(NAME, SETTINGS), call.create(NAME, SETTINGS)}, {true, false})
  local record, details = scm.get(NAME), scm.details(NAME)
  lu.assertEquals({record.path, record.display_name, record.start, record.error_control, record.group, record.type,
    record.state, record.account, record.unquoted},
    {HOLDER, "Gr\u{F6}\u{DF}e", "demand", "severe", "p80 group", "own_process", "stopped", "LocalSystem"})
  lu.assertEquals({details.description, details.preshutdown_timeout}, {"Was er tut", 12.5})
  lu.assertEquals({call.start(NAME), scm.get(NAME).state, call.stop(NAME)}, {true, "running", true, {}})
  core.finish()
  lu.assertEquals({undo(files).failed, scm.get(NAME)}, {0})
end

function Create.test_services_of_a_group()
  local call = open()
  call.create(NAME, {path = HOLDER, group = "p80 group"})
  local found = {}
  for _, row in ipairs(scm.list {type = "service"}) do
    if scm.get(row.name).group == "p80 group" then found[#found + 1] = row.name end
  end
  lu.assertEquals(found, {NAME})
end

function Create.test_only_a_path_is_needed()
  local call = open()
  lu.assertTrue(call.create(NAME, {path = HOLDER}))
  local record = scm.get(NAME)
  lu.assertEquals({record.display_name, record.start, record.error_control, record.dependencies},
    {NAME, "demand", "normal", {}})
end

function Create.test_one_that_exists_otherwise_is_an_error()
  local call = open()
  call.create(NAME, {path = HOLDER})
  local problem = assert_problem(EXISTS, "scm.create", NAME, call.create, NAME, {path = HOLDER .. " --seconds 9"})
  lu.assertStrContains(problem.hint, "another path")
  assert_problem(EXISTS, "scm.create", NAME, call.create, NAME, {path = HOLDER, description = "x"})
  lu.assertFalse(call.create(NAME, {path = HOLDER, account = [[.\LOCALSYSTEM]]}))
end

function Create.test_check_makes_nothing_and_shows_it()
  local call, core = open {options = {check = true}}
  lu.assertTrue(call.create(NAME, SETTINGS))
  lu.assertFalse(call.create(NAME, SETTINGS))
  lu.assertEquals({call.get(NAME).state, call.get(NAME).display_name, call.status(NAME).state, call.details(NAME).description},
    {"stopped", "Gr\u{F6}\u{DF}e", "stopped", "Was er tut"})
  local listed
  for _, row in ipairs(call.list()) do listed = listed or row.name == NAME end
  lu.assertTrue(listed)
  lu.assertTrue(call.start(NAME))
  lu.assertEquals(call.get(NAME).state, "running")
  lu.assertTrue(call.config(NAME, {start = "disabled"}))
  lu.assertEquals(call.get(NAME).start, "disabled")
  lu.assertTrue(call.delete(NAME))
  lu.assertEquals({call.get(NAME)}, {})
  lu.assertEquals({scm.get(NAME)}, {})
  core.finish()
end

local function names_of(rows)
  local names = {}
  for _, row in ipairs(rows) do
    if row.name:find "^p80 " then names[#names + 1] = row.name end
  end
  table.sort(names)
  return names
end

local function tree_of(row)
  local tree = {}
  for _, child in ipairs(row.dependents) do tree[child.name] = tree_of(child) end
  return tree
end

function Create.test_check_knows_planned_services_by_kind_and_display_name()
  local call = open {options = {check = true}}
  local driver = {path = "x.sys", type = "kernel_driver", display_name = "p80 drives"}
  lu.assertTrue(call.create(NAME, SETTINGS))
  lu.assertTrue(call.create("p80 driver", driver))
  lu.assertEquals({call.name_of "GR\u{F6}\u{DF}E", call.name_of "p80 DRIVES"}, {NAME, "p80 driver"})
  lu.assertEquals({names_of(call.list()), names_of(call.list {type = "service"})}, {{NAME}, {NAME}})
  lu.assertEquals(names_of(call.list {type = "driver"}), {"p80 driver"})
  lu.assertEquals(names_of(call.list {type = "all", state = "inactive"}), {"p80 driver", NAME})
  lu.assertTrue(call.delete "p80 driver")
  lu.assertTrue(call.create("p80 driver", driver))
  lu.assertEquals(names_of(call.list {type = "driver"}), {"p80 driver"})
  lu.assertTrue(call.config("Spooler", {display_name = "p80 prints"}))
  lu.assertEquals({call.name_of "p80 prints", call.name_of(scm.get("Spooler").display_name)}, {"Spooler"})
  lu.assertTrue(call.delete "p80 driver")
  lu.assertNil(call.name_of "p80 drives")
  lu.assertEquals(call.name_of "HTTP Service" ~= nil, scm.name_of "HTTP Service" ~= nil)
end

function Create.test_check_knows_planned_dependents()
  local call = open {options = {check = true}}
  local function make(name, ...) lu.assertTrue(call.create(name, {path = HOLDER, dependencies = {...}})) end
  make "p80 a"
  make("p80 b", "P80 A")
  make("p80 c", "p80 b", "p80 a")
  make("p80 d", "+p80 group")
  lu.assertEquals(call.get("p80 a").dependents, {"p80 c", "p80 b"})
  lu.assertEquals(tree_of(call.dependents "p80 a"), {["p80 b"] = {["p80 c"] = {}}, ["p80 c"] = {}})
  lu.assertTrue(call.config("p80 a", {group = "p80 group"}))
  lu.assertEquals(call.get("p80 a").dependents, {"p80 c", "p80 b", "p80 d"})
  lu.assertTrue(call.start "p80 c") -- and what it needs
  lu.assertEquals({call.status("p80 a").state, call.dependents("p80 a").dependents[1].state}, {"running", "running"})
  assert_problem(1051, "scm.stop", "p80 a", call.stop, "p80 a")
  lu.assertTrue(call.stop("p80 a", {dependents = true}))
  lu.assertEquals(call.status("p80 c").state, "stopped")
  lu.assertTrue(call.config("p80 c", {dependencies = {}}))
  lu.assertTrue(call.delete "p80 b")
  lu.assertEquals(call.get("p80 a").dependents, {"p80 d"})
  lu.assertEquals({call.dependents "p80 b"}, {})
end

function Create.test_refused_without_a_grant()
  local call = open {options = {allow = {"scm.config", "scm.state"}}}
  assert_problem(REFUSED, "scm.create", NAME, call.create, NAME, {path = HOLDER})
  lu.assertEquals({scm.get(NAME)}, {})
end

function Create.test_it_raises_when_it_does_not_take()
  local real, core = scm.create, nil
  case.later(function() scm.create = real end)
  scm.create = function() end
  local call
  call, core = open()
  local ok, problem = pcall(call.create, NAME, {path = HOLDER})
  lu.assertFalse(ok)
  lu.assertEquals(#core.gate.changes(), 0, tostring(problem))
end

function Create.test_all_or_nothing()
  local real = scm.config
  case.later(function() scm.config = real end)
  scm.config = function(name) test.x.fail("scm.config", name, 31) end
  local call, core = open()
  assert_problem(31, "scm.create", NAME, call.create, NAME, {path = HOLDER, description = "x"})
  lu.assertEquals({{scm.get(NAME)}, core.gate.changes()}, {{}, {}})
end

function Create.test_unquoted_paths_are_shown_and_warned_about()
  local call, core = open()
  local lines = {}
  core.host.log = function(line) lines[#lines + 1] = line end
  local path = [[C:\Program Files\p80 test\holder.exe --service]]
  call.create(NAME, {path = path})
  lu.assertTrue(scm.get(NAME).unquoted)
  lu.assertEquals(#lines, 1)
  lu.assertStrContains(lines[1], path)
  call.config(NAME, {path = [["C:\Program Files\p80 test\holder.exe" --service]]})
  lu.assertNil(scm.get(NAME).unquoted)
  lu.assertEquals(#lines, 1)
  for shown, unquoted in pairs {
    [ [[C:\Windows\system32\svchost.exe -k netsvcs]] ] = false, [ [[C:\a b\c.sys]] ] = true, [ [[C:\a b\c.exe]] ] = true,
    [ [[%ProgramFiles%\x.exe]] ] = true, [ [[C:\x.EXE /a "b c"]] ] = false, [ [["C:\a b\c.exe"]] ] = false,
    [ [[C:\a.exe.d\b c.exe]] ] = true,
  } do
    call.config(NAME, {path = shown})
    lu.assertEquals(scm.get(NAME).unquoted == true, unquoted, shown)
  end
end

function Create.test_bad_input()
  local call = open()
  local function bad(target, settings) return assert_problem(INVALID, "scm.create", target, call.create, NAME, settings) end
  bad("path", {})
  bad("path", {path = ""})
  bad("settings", nil)
  bad("settings", "x")
  lu.assertStrContains(bad("strat", {path = "x", strat = "auto"}).hint, "start")
  bad("type", {path = "x", type = "driver"})
  bad("start", {path = "x", start = "boot"})
  bad("delayed", {path = "x", delayed = true})
  bad("error_control", {path = "x", error_control = "high"})
  bad("group", {path = "x", group = 5})
  bad("dependencies", {path = "x", dependencies = "HTTP"})
  bad("dependencies[2]", {path = "x", dependencies = {"a", ""}})
  bad("description", {path = "x", description = "a\0b"})
  bad("interactive", {path = "x", interactive = true, account = [[NT AUTHORITY\LocalService]]})
  bad("password", {path = "x", password = "geheim\0"})
  assert_problem(INVALID, "scm.create", "name", call.create, "a/b", {path = "x"})
  assert_problem(INVALID, "scm.create", "name", call.create, "", {path = "x"})
  assert_problem(INVALID, "scm.create", "arguments", call.create, NAME)
  lu.assertEquals({scm.get(NAME)}, {})
end

-- ---- delete ----

local Delete = case.suite "Delete"

local PARAMETERS = ([[HKLM\SYSTEM\CurrentControlSet\Services\%s\Parameters]]):format(NAME)

function Delete.test_it_goes_with_all_and_comes_back_with_all()
  local files = {}
  local call, core = open {files = files}
  call.create(NAME, SETTINGS)
  win.reg.create(PARAMETERS)
  win.reg.create(PARAMETERS .. [[\Deep]])
  win.reg.set(PARAMETERS, "ServiceDll", [[%SystemRoot%\x.dll]], {type = "expand_sz"})
  win.reg.set(PARAMETERS .. [[\Deep]], "n", 7, {type = "dword"})
  core.finish()
  local before, details = scm.get(NAME), scm.details(NAME)
  call, core = open {files = files}
  lu.assertEquals({call.delete(NAME), call.delete(NAME)}, {true, false})
  lu.assertEquals({scm.get(NAME)}, {})
  lu.assertFalse(win.reg.exists(PARAMETERS))
  core.finish()
  local report = fakecore.open({files = files}).undo.run(2)
  lu.assertEquals(report.failed, 0)
  lu.assertEquals({scm.get(NAME), scm.details(NAME)}, {before, details})
  lu.assertEquals({win.reg.get(PARAMETERS, "ServiceDll")}, {[[%SystemRoot%\x.dll]], "expand_sz"})
  lu.assertEquals(win.reg.get(PARAMETERS .. [[\Deep]], "n"), 7)
end

function Delete.test_a_running_one_is_stopped_first_and_runs_again()
  local files = {}
  case.service {name = NAME}
  local call, core = open {files = files}
  lu.assertTrue(call.delete(NAME))
  local kinds = {}
  for i, change in ipairs(core.gate.changes()) do kinds[i] = change.kind end
  lu.assertEquals(kinds, {"scm.state", "scm.service"})
  core.finish()
  lu.assertEquals({undo(files).failed, scm.get(NAME).state}, {0, "running"})
end

function Delete.test_check_and_grants()
  case.service {name = NAME, run = false}
  local call = open {options = {check = true}}
  lu.assertEquals({call.delete(NAME), call.delete(NAME)}, {true, false})
  lu.assertEquals({call.get(NAME), call.status(NAME), call.details(NAME), call.security(NAME)}, {})
  assert_problem(NO_SERVICE, "scm.start", NAME, call.start, NAME)
  lu.assertEquals(scm.get(NAME).state, "stopped")
  call = open {options = {allow = {"scm.state", "scm.config"}}}
  assert_problem(REFUSED, "scm.delete", NAME, call.delete, NAME)
  lu.assertEquals(scm.get(NAME).state, "stopped")
end

function Delete.test_one_that_is_held_open_is_named()
  case.service {name = NAME, args = {"--ignore-stop"}}
  local call, core = open {options = {timeout = 1}}
  local ok, problem = pcall(call.delete, NAME) -- it does not stop
  lu.assertEquals({ok, problem.code}, {false, TIMEOUT})
  local real = scm.delete
  case.later(function() scm.delete = real end)
  scm.delete = function(name) test.x.fail("scm.delete", name, MARKED) end
  scm.status, core.status = function(name) return {state = "stopped", pid = 4242, accepts = {}} end, scm.status
  case.later(function() scm.status = core.status end)
  call = open {options = {timeout = 0.3}}
  problem = select(2, pcall(call.delete, NAME))
  lu.assertEquals({problem.code, problem.op, problem.target}, {MARKED, "scm.delete", NAME}, tostring(problem))
  lu.assertStrContains(problem.hint, "pid 4242")
end

function Delete.test_a_password_cannot_come_back_and_that_is_said()
  local core = fakecore.open()
  core.open "scm"
  local lost = core.gate.find "scm.service".lost
  lu.assertStrContains(lost {config = {account = [[CORP\svc]]}}, [[CORP\\svc]])
  for _, account in ipairs {"LocalSystem", [[NT AUTHORITY\LocalService]], [[NT SERVICE\x]], [[CORP\gmsa$]], [[.\LocalSystem]]} do
    lu.assertNil(lost {config = {account = account}})
  end
  lost = core.gate.find "scm.config".lost
  lu.assertStrContains(lost({account = [[CORP\svc]]}, {account = "LocalSystem"}), "password")
  lu.assertNil(lost({account = [[CORP\svc]]}, {account = [[corp\SVC]]}))
end

-- ---- pause, continue, control ----

local Control = case.suite "Control"

function Control.test_pause_and_continue()
  local files = {}
  case.service {name = NAME}
  local call, core = open {files = files}
  lu.assertEquals({call.pause(NAME), call.pause(NAME), scm.get(NAME).state}, {true, false, "paused"})
  lu.assertEquals({call.continue(NAME), call.continue(NAME), scm.get(NAME).state}, {true, false, "running"})
  lu.assertTrue(call.pause(NAME))
  core.finish()
  lu.assertEquals({undo(files).failed, scm.get(NAME).state}, {0, "running"})
  call = open {options = {check = true}}
  lu.assertEquals({call.pause(NAME), call.status(NAME).state, scm.get(NAME).state}, {true, "paused", "running"})
  call = open {options = {allow = {"scm.config"}}}
  assert_problem(REFUSED, "scm.pause", NAME, call.pause, NAME)
  call = open()
  lu.assertEquals({call.pause(NAME), call.start(NAME), scm.get(NAME).state}, {true, true, "running"})
  call.stop(NAME)
  assert_problem(NOT_ACTIVE, "scm.pause", NAME, call.pause, NAME)
  assert_problem(NOT_ACTIVE, "scm.continue", NAME, call.continue, NAME)
end

function Control.test_controls_of_its_own()
  local files = {}
  case.service {name = NAME}
  local call, core = open {files = files}
  lu.assertTrue(call.control(NAME, 200))
  lu.assertEquals(win.reg.get([[HKLM\SYSTEM\p80-test\controls]], "200"), 1)
  lu.assertTrue(call.control(NAME, 200))
  lu.assertEquals(win.reg.get([[HKLM\SYSTEM\p80-test\controls]], "200"), 2)
  lu.assertTrue(call.control(NAME, "interrogate"))
  core.finish()
  lu.assertEquals(undo(files).steps[1].outcome, "impossible")
  call, core = open {options = {check = true}}
  lu.assertEquals({call.control(NAME, 200), call.control(NAME, 200), #core.gate.changes()}, {true, true, 2})
  lu.assertEquals(win.reg.get([[HKLM\SYSTEM\p80-test\controls]], "200"), 2)
  call = open {options = {allow = {"scm.state"}}}
  assert_problem(REFUSED, "scm.control", NAME, call.control, NAME, 200)
  call = open()
  for _, control in ipairs {127, 256, 1, 4, "stop", 200.5, {}} do
    assert_problem(INVALID, "scm.control", "control", call.control, NAME, control)
  end
  call.stop(NAME)
  assert_problem(NOT_ACTIVE, "scm.control", NAME, call.control, NAME, 200)
end

function Control.test_a_service_that_does_not_answer_is_not_waited_for_beyond_the_deadline()
  local name = "p80 slow" -- the thread that is left alone has it open for a while
  case.service {name = name, args = {"--slow-control", "3"}}
  local began = test.clock()
  assert_problem(TIMEOUT, "scm.control", name, scm.control, name, 201, 0.3)
  lu.assertTrue(test.clock() - began < 2.5)
end

function Control.test_one_that_crashes_while_it_stops_is_reported()
  case.service {name = NAME, args = {"--crash-on-stop"}}
  local call = open()
  local began = test.clock()
  local ok, problem = pcall(call.stop, NAME)
  lu.assertTrue(test.clock() - began < 8)
  if not ok then lu.assertStrContains(problem.hint, "its process ended") end -- else the SCM had noticed
end

-- ---- watch, dependents, sid, name_of ----

local Watch = case.suite "Watch"

function Watch.test_one_service()
  case.service {name = NAME, run = false}
  local events = scm.watch(NAME, {timeout = 5})
  scm.start(NAME)
  local seen = {}
  repeat
    local event = events()
    seen[#seen + 1] = event
  until not event or event.state == "running"
  lu.assertEquals(seen[#seen].state, "running")
  lu.assertEquals({seen[1].change, seen[1].before, seen[1].name}, {"state", "stopped", NAME})
  scm.stop(NAME)
  repeat
    local event = assert(events(), "no event")
  until event.state == "stopped"
  test.service_delete(NAME)
  lu.assertEquals(events(), {change = "deleted", name = NAME, before = "stopped"})
  test.service_create {name = NAME, path = HOLDER, start = 3}
  lu.assertEquals(events(), {change = "created", name = NAME, state = "stopped"})
end

function Watch.test_nothing_happens()
  case.service {name = NAME, run = false}
  local began = test.clock()
  for _ in scm.watch(NAME, {timeout = 0.6}) do lu.fail "an event" end
  for _ in scm.watch(nil, {timeout = 0.3, interval = 0.1}) do lu.fail "an event" end
  lu.assertTrue(test.clock() - began < 4)
end

function Watch.test_all_services()
  local events = scm.watch(nil, {timeout = 5, interval = 0.1})
  case.service {name = NAME, run = false}
  lu.assertEquals(events(), {change = "created", name = NAME, state = "stopped"})
  scm.start(NAME)
  local event
  repeat event = assert(events(), "no event") until event.state == "running"
  lu.assertEquals(event.name, NAME)
  case.remove_service(NAME)
  repeat event = assert(events(), "no event") until event.change == "deleted"
end

function Watch.test_bad_input()
  for _, row in ipairs {{"timeout", {timeout = -1}}, {"interval", {interval = 0}}, {"type", {type = "x"}}, {"timout", {timout = 1}}} do
    assert_problem(INVALID, "scm.watch", row[1], scm.watch, nil, row[2])
  end
  case.service {name = NAME, display_name = "Gr\u{F6}\u{DF}e", run = false}
  lu.assertStrContains(assert_problem(NO_SERVICE, "scm.watch", "Gr\u{F6}\u{DF}e", scm.watch, "Gr\u{F6}\u{DF}e").hint, NAME)
end

function Watch.test_names_and_sids()
  case.service {name = NAME, display_name = "Gr\u{F6}\u{DF}e", run = false}
  lu.assertEquals({scm.name_of "Gr\u{F6}\u{DF}e", scm.name_of "p80-none"}, {NAME})
  lu.assertEquals(scm.sid "TrustedInstaller", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464")
  lu.assertEquals(scm.sid "wuauserv", scm.sid "WUAUSERV")
  lu.assertEquals(scm.sid "\u{FC}x", scm.sid "\u{DC}X")
  assert_problem(INVALID, "scm.sid", "name", scm.sid, "")
end

function Watch.test_no_handle_is_left_open()
  case.service {name = NAME, run = false}
  local call = open()
  local function round()
    scm.details(NAME)
    scm.security(NAME)
    scm.dependents(NAME)
    scm.sid(NAME)
    scm.name_of "x"
    for _ in scm.watch(NAME, {timeout = 0}) do end
    pcall(scm.pause, NAME)
    pcall(scm.control, NAME, 200)
    pcall(scm.create, NAME, {path = "x"})
    call.config(NAME, {description = "x"})
    call.config(NAME, {description = "y"})
  end
  for _ = 1, 3 do round() end
  collectgarbage()
  local before = test.handle_count()
  for _ = 1, 20 do round() end
  collectgarbage()
  lu.assertEquals(test.handle_count(), before)
end
