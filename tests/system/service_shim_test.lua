-- build: shim
-- arch: x64
-- p80 service where Wine lacks something: recovery actions, service SIDs and privileges, events, tasks, a full disk.
local lu = require "luaunit"
local case = require "case"
local fakecom = require "fakecom"
local services = require "services"
local service, install, log, playbook = services.service, services.install, services.log, services.playbook

local T = case.suite "ServiceShim"

local KEY = [[HKLM\SYSTEM\p80-test-shim]]
local CHANGE = ([[win.reg.set(%q, "a", "1")]]):format(KEY)

-- Sets variables for this process and those that it starts, until the test ends.
local function with(variables)
  for name, value in pairs(variables) do
    test.setenv(name, value)
    case.later(function() test.setenv(name, nil) end)
  end
end

-- Runs `p80 service run --once` as a task would.
local function once(env, path, ...)
  return case.p80 {"service", "--", "run", "--name", "p80-once", "--recover", "report", "--once", path, env = env, ...}
end

local function events()
  local rows, found = win.event.read "Application", {}
  for i = #rows, 1, -1 do
    if rows[i].source == "p80-once" then found[#found + 1] = rows[i].id end
  end
  return found
end

function T:test_windows_starts_it_again_and_gives_it_no_more_than_it_needs()
  with {P80_SHIM_SCM = "1"}
  local path = playbook("", [["reg.save", "scm.state"]])
  local result = install("p80-least", "--no-start", "--json", path)
  lu.assertEquals({result.json.result.lacks, result.json.changed}, {{}, 2})
  local details = win.scm.details "p80-least"
  lu.assertEquals(details.failure.actions, {{action = "restart", delay = 5.0}, {action = "restart", delay = 30.0}, {action = "restart", delay = 300.0}})
  lu.assertEquals({details.failure.reset_period, details.failure.on_non_crash, details.sid_type}, {86400, true, "unrestricted"})
  lu.assertEquals(details.privileges, {"SeChangeNotifyPrivilege", "SeBackupPrivilege"})
  lu.assertEquals(install("p80-least", "--no-start", "--json", path).json.changed, 0)
  local record = win.scm.get "p80-least"
  lu.assertEquals({record.start, record.account, record.type, record.unquoted}, {"auto", "LocalSystem", "own_process"})
  case.exits(case.p80 {"undo", tostring(result.json.run), state = false}, 0)
  lu.assertNil(win.scm.get "p80-least")
end

function T:test_as_a_task_and_back_again()
  fakecom.register("task", "fake-task")
  case.later(function() fakecom.register("task", nil) fakecom.clear() end)
  local path = playbook ""
  install("p80-task", "--no-start", path)
  case.exits(service("install", "--name", "p80-task", "--as", "task", path, "--mode", "a b"), 0)
  lu.assertNil(win.scm.get "p80-task")
  local task = win.task.get "p80-task"
  lu.assertEquals(task.triggers, {{type = "startup"}})
  lu.assertStrContains(task.actions[1].arguments, ([[service -- run --name p80-task --recover report --once %s --mode "a b"]]):format(path))
  local row = services.status "p80-task"
  lu.assertEquals({row.as, row.start, row.script, row.words}, {"task", "startup", path, {"--mode", "a b"}})
  lu.assertStrContains(case.exits(service "status", 0).stdout, "p80-task")
  lu.assertEquals(case.exits(service("install", "--name", "p80-task", "--as", "task", "--json", path, "--mode", "a b"), 0).json.changed, 0)
  case.exits(service("install", "--name", "p80-task", "--no-start", path), 0)
  lu.assertNil(win.task.get "p80-task")
  lu.assertEquals(win.scm.get "p80-task".state, "stopped")
  case.exits(service("install", "--name", "p80-task", "--as", "task", path), 0)
  case.exits(service("remove", "p80-task"), 0)
  lu.assertEquals({win.task.get "p80-task", win.event.source "p80-task"}, {})
end

-- What `name` is: the service's state, the command line of the task.
local function made(name)
  local task = win.task.get(name)
  return {service = test.service_state(name), task = task and task.actions[1].arguments:match "%S+$"}
end

local RUNNING <const> = 4

function T:test_what_works_goes_only_when_the_other_is_there()
  fakecom.register("task", "fake-task")
  case.later(function() fakecom.register("task", nil) fakecom.clear() end)
  local path = playbook ""
  local as_task = {"install", "--name", "p80-swap", "--as", "task", path, "--mode", "task"}
  local function fails(words, before, variable, value)
    test.setenv(variable, value)
    local result = service(table.unpack(words))
    test.setenv(variable, nil)
    lu.assertEquals({result.code ~= 0, made "p80-swap"}, {true, before}, value .. case.describe(result))
  end
  install("p80-swap", path)
  local planned = case.exits(service("--check", "--json", table.unpack(as_task)), 3).json.changes
  lu.assertEquals({planned[1].kind, planned[#planned].kind, made "p80-swap"}, {"task", "scm.service", {service = RUNNING}})
  fails(as_task, {service = RUNNING}, "P80_FAKE_PRETEND", "1")
  fails(as_task, {service = RUNNING}, "P80_SHIM_FAIL", "DeleteService:1:5")
  local swapped = case.exits(service("--json", table.unpack(as_task)), 0).json.run
  lu.assertEquals(made "p80-swap", {task = "task"})
  case.exits(case.p80 {"undo", tostring(swapped), state = false}, 0)
  lu.assertEquals(made "p80-swap", {service = RUNNING})
  case.exits(service(table.unpack(as_task)), 0)
  local as_service = {"install", "--name", "p80-swap", path}
  fails(as_service, {task = "task"}, "P80_SHIM_FAIL", "CreateServiceW:1:5")
  fails(as_service, {task = "task"}, "P80_SHIM_FAIL", "StartServiceW:1:1053")
  swapped = case.exits(service("--json", table.unpack(as_service)), 0).json.run
  lu.assertEquals(made "p80-swap", {service = RUNNING})
  case.exits(case.p80 {"undo", tostring(swapped), state = false}, 0)
  lu.assertEquals(made "p80-swap", {task = "task"})
  case.exits(service("remove", "p80-swap"), 0)
end

function T:test_a_task_of_somebody_else_is_left_alone()
  fakecom.register("task", "fake-task")
  case.later(function() fakecom.register("task", nil) fakecom.clear() end)
  case.exits(case.p80 {"--allow", "task", "-e", [[win.task.create("p80-theirs", {program = "C:\\theirs.exe", at = "startup"})]]}, 0)
  for _, as in ipairs {"task", "service"} do
    local result = service("install", "--name", "p80-theirs", "--as", as, playbook "")
    lu.assertStrContains(result.stdout .. result.stderr, "This task is not p80's")
  end
  lu.assertStrContains(service("remove", "p80-theirs").stderr, "not p80's")
  lu.assertEquals({win.task.get "p80-theirs".actions[1].program, win.scm.get "p80-theirs"}, {"C:\\theirs.exe"})
end

function T:test_events_have_their_numbers()
  with {P80_SHIM_EVENTS = "1"}
  case.later(function() win.reg.delete([[HKLM\SYSTEM\p80-test]], nil, {tree = true}) end)
  case.later(function() win.reg.delete(KEY, nil, {tree = true}) end)
  local path = playbook(CHANGE .. " if args.mode == 'fail' then error 'broken' end", [["reg.*"]])
  case.exits(once({}, path), 0)
  lu.assertEquals(events(), {100, 102})
  case.exits(once({}, path), 0)
  lu.assertEquals(events(), {100, 102, 100})
  case.exits(once({}, path, "--mode", "fail"), 1)
  case.exits(once({}, playbook "win.reg.set('HKCU\\\\Software', 'p80', '1')"), 4)
  lu.assertEquals(events(), {100, 102, 100, 100, 110, 100, 111})
  local newest = win.event.read("Application", {max = 1})[1]
  lu.assertStrContains(newest.strings[1], "p80-once: This run has no grant 'reg.value:HKCU\\Software\\p80'")
end

function T:test_a_full_disk_keeps_runs_from_changing_anything()
  case.later(function() win.reg.delete(KEY, nil, {tree = true}) end)
  local path = playbook(CHANGE, [["reg.*"]])
  case.exits(once({P80_SHIM_FAIL = "WriteFile:1+:112"}, path), 1)
  lu.assertFalse(win.reg.exists(KEY))
  lu.assertStrContains(log "p80-once", "ERROR_DISK_FULL")
  case.exits(once({}, path), 0)
  lu.assertTrue(win.reg.exists(KEY))
end

function T:test_on_windows_server_2003_it_runs_as_local_system_without_more()
  with {P80_SHIM_NT52 = "1"}
  local path = playbook ""
  lu.assertStrContains(install("p80-old", "--no-start", path).stdout, "has no identity of its own, has all privileges of LocalSystem")
  lu.assertEquals(win.scm.get "p80-old".start, "auto")
  case.exits(once({}, path), 0)
end
