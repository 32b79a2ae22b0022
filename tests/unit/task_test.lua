-- build: shim
-- win.task: Task Scheduler 2.0 on a fake (tests/fixtures/fake-task.c) and, as far as it goes, on Wine's own; 1.0 on Wine's
-- own, with the shim's Windows Server 2003 in front of it.
local lu = require "luaunit"
local failing = require "failing"
local fakecom = require "fakecom"
local fakecore = require "fakecore"
local flat = require "flat"

local task = win.task
local INVALID, NOT_FOUND, NOT_SUPPORTED, LOGON_FAILURE, NONE_MAPPED = 87, 2, 50, 1326, 1332
local REFUSED, NOT_TAKEN, NO_UNDO = 0x20000004, 0x20000001, 0x20000008
local SYSTEM = "S-1-5-18"
local PATH = [[\p80\Größe & more]]
local PROGRAM = [[C:\Program Files\p80\p80.exe]]

local function clear()
  fakecom.clear()
  test.setenv("P80_SHIM_NT52", nil)
end

local function use(dll)
  return function()
    clear()
    fakecom.register("task", dll)
  end
end

local assert_problem = fakecore.problem

local function open(options, files)
  return fakecore.caller(fakecore.open {options = options, files = files}, "task")
end

local function undo(files) return fakecore.open({files = files}).undo.run() end

local function snapshot()
  local tasks = {}
  for _, row in ipairs(task.list()) do tasks[row.path] = task.get(row.path) end
  return tasks
end

-- Each method of a write fails once: what is changed by then can be taken back.
local function assert_no_half_change(name, write, before)
  local strikes = fakecom.each_failure(function()
    local files = {}
    local run = open(nil, files)
    local ok, problem = pcall(write, run)
    fakecom.tell("FAIL", nil)
    run.core.finish()
    if not ok then lu.assertIsTable(problem, tostring(problem)) end
    if #run.core.gate.changes() > 0 then lu.assertEquals(undo(files).failed, 0, name) end
    lu.assertEquals(snapshot(), before, name)
  end)
  lu.assertTrue(strikes > 10, name .. strikes)
end

local STARTUP = {program = PROGRAM, arguments = 'service run "free80" --port <80> & more', at = "startup"}

-- ---- 2.0, fake ----

local Fake = {setUp = use "fake-task"}
_G.TestFake = Fake
function Fake.tearDown()
  lu.assertEquals(fakecom.count "LIVE", 0, "objects left")
  clear()
end

function Fake.test_create_at_startup()
  local files = {}
  local run = open(nil, files)
  lu.assertTrue(run.create(PATH, STARTUP))
  lu.assertFalse(run.create(PATH:upper(), STARTUP))
  local made = task.get(PATH)
  lu.assertStrContains(made.xml, "<URI>")
  lu.assertEquals(made.actions, {{program = PROGRAM, arguments = STARTUP.arguments}})
  lu.assertEquals(made.triggers, {{type = "startup"}})
  lu.assertEquals({made.path, made.name, made.state, made.enabled, made.account, made.highest, made.last_run},
    {PATH, PATH:match "[^\\]*$", "ready", true, SYSTEM, true, nil})
  lu.assertEquals({test.getenv "P80_FAKE_USER", fakecom.count "LOGON"}, {nil, 5})
  run.core.finish()
  lu.assertEquals(undo(files).failed, 0)
  lu.assertNil(task.get(PATH))
  lu.assertEquals(task.list(), {})
end

function Fake.test_create_with_all_settings()
  local run = open()
  lu.assertTrue(run.create("both", {
    program = "a.exe", directory = [[C:\x]], at = "logon", every = 5400, highest = false, description = "<&>",
    enabled = false, account = "NETWORK SERVICE",
  }))
  local made = task.get "both"
  lu.assertEquals(made.triggers, {{type = "logon"}, {type = "time", every = 5400, begins = "2000-01-01T00:00:00"}})
  lu.assertEquals(made.actions, {{program = "a.exe", directory = [[C:\x]]}})
  lu.assertEquals({made.description, made.state, made.enabled, made.highest, made.account},
    {"<&>", "disabled", false, false, "S-1-5-20"})
  for _, every in ipairs {60, 3600, 86400, 90000, 31 * 86400} do
    lu.assertTrue(run.create("both", {program = "a.exe", every = every}), every)
    lu.assertEquals(task.get("both").triggers[1].every, every)
  end
end

function Fake.test_a_change_is_taken_back_to_the_xml_that_was()
  local files = {}
  lu.assertTrue(open().create(PATH, STARTUP))
  local before = task.get(PATH).xml
  local run = open(nil, files)
  lu.assertTrue(run.create(PATH, {program = PROGRAM, every = 60}))
  lu.assertTrue(run.delete(PATH))
  lu.assertFalse(run.delete(PATH))
  lu.assertTrue(run.create(PATH, {program = "other", at = "logon"}))
  run.core.finish()
  lu.assertEquals(undo(files).failed, 0)
  lu.assertEquals(task.get(PATH).xml, before)
end

function Fake.test_somebody_else_has_changed_it_since()
  local files = {}
  local run = open(nil, files)
  lu.assertTrue(run.create(PATH, STARTUP))
  run.core.finish()
  lu.assertTrue(open().create(PATH, {program = "other", at = "logon"}))
  lu.assertEquals(undo(files).steps[1].outcome, "conflict")
end

function Fake.test_list_walks_the_folders()
  local run = open()
  for _, path in ipairs {[[\b]], [[\a\z]], [[\a\b\c]], "A"} do lu.assertTrue(run.create(path, STARTUP)) end
  local paths = {}
  for i, row in ipairs(task.list()) do paths[i] = row.path end
  lu.assertEquals(paths, {[[\A]], [[\a\b\c]], [[\a\z]], [[\b]]})
  lu.assertNil(task.get [[\a\b]])
end

function Fake.test_a_user_who_logs_on()
  local administrators = win.account.get("S-1-5-32-544").name -- any account that needs a password will do
  local run = open()
  lu.assertTrue(run.create("user", {program = "x", at = "logon", account = administrators}))
  lu.assertFalse(run.create("user", {program = "x", at = "logon", account = "S-1-5-32-544"}))
  lu.assertEquals(task.get("user").triggers, {{type = "logon", user = administrators}})
  lu.assertEquals({task.get("user").logon, fakecom.count "LOGON"}, {"InteractiveToken", 3})
  lu.assertTrue(run.create("user", {program = "x", at = "startup", account = administrators}))
  lu.assertEquals({task.get("user").logon, fakecom.count "LOGON"}, {"S4U", 2})
end

function Fake.test_folders_that_are_not_for_p80()
  local run = open()
  lu.assertTrue(run.create([[\a\b]], STARTUP))
  lu.assertTrue(run.create([[\c]], STARTUP))
  fakecom.tell("DENIED", "\\a")
  lu.assertEquals({#task.list(), task.list()[1].path}, {1, [[\c]]})
  fakecom.tell("DENIED", "\\")
  assert_problem(5, "Task Scheduler", task.list)
end

function Fake.test_run()
  local run = open()
  lu.assertTrue(run.create(PATH, STARTUP))
  lu.assertNil(task.get(PATH).last_result)
  lu.assertTrue(run.run(PATH))
  lu.assertTrue(run.run(PATH:upper()))
  lu.assertEquals(fakecom.read("runs", PATH), 2)
  local row = task.get(PATH)
  lu.assertStrMatches(row.last_run, "2026%-01%-0[123]T%d%d:00:00Z")
  lu.assertEquals(row.last_result, 7)
  lu.assertTrue(run.create(PATH, {program = "x", at = "logon", enabled = false}))
  local problem = assert_problem(0x80041326, PATH, run.run, PATH)
  lu.assertStrContains(tostring(problem), "0x80041326")
  assert_problem(NOT_FOUND, [[\none]], run.run, "none")
end

function Fake.test_check_changes_nothing_and_shows_it()
  lu.assertTrue(open().create("old", STARTUP))
  local before = snapshot()
  local run = open {check = true}
  lu.assertTrue(run.create("new", STARTUP))
  lu.assertFalse(run.create("new", STARTUP))
  lu.assertTrue(run.delete "old")
  lu.assertTrue(run.run "new")
  lu.assertEquals(run.get("new").actions[1].program, PROGRAM)
  lu.assertNil(run.get "old")
  local rows = run.list()
  lu.assertEquals({#rows, rows[1].path}, {1, [[\new]]})
  lu.assertEquals(snapshot(), before)
end

function Fake.test_refused_without_a_grant()
  lu.assertTrue(open().create("old", STARTUP))
  local before = snapshot()
  local run = open {allow = {[[task:\p80\*]]}}
  assert_problem(REFUSED, [[\new]], run.create, "new", STARTUP)
  assert_problem(REFUSED, [[\old]], run.delete, "old")
  assert_problem(REFUSED, [[\old]], run.run, "old")
  lu.assertEquals(snapshot(), before)
  lu.assertTrue(run.create([[\p80\x]], STARTUP))
end

function Fake.test_success_that_does_not_take_is_an_error()
  lu.assertTrue(open().create("old", STARTUP))
  fakecom.tell("PRETEND", 1)
  local run = open()
  assert_problem(NOT_TAKEN, [[\new]], run.create, "new", STARTUP)
  assert_problem(NOT_TAKEN, [[\old]], run.delete, "old")
end

function Fake.test_a_password_goes_to_windows_alone()
  local files, secret = {}, "gehe1m-\u{20AC}"
  local run = open(nil, files)
  local settings = {program = PROGRAM, every = 3600, account = "Administrator", password = secret}
  if not win.account.get "Administrator" then settings.account = win.account.get("S-1-5-32-544").name end
  lu.assertTrue(run.create(PATH, settings))
  lu.assertEquals({test.getenv "P80_FAKE_PASSWORD", fakecom.count "LOGON"}, {secret, 1})
  lu.assertIsString(test.getenv "P80_FAKE_USER")
  lu.assertTrue(run.delete(PATH))
  fakecom.tell("FAIL", 0)
  run.core.finish()
  for _, text in pairs(files) do
    lu.assertNil(text:find("gehe1m", 1, true))
    lu.assertNil(text:find("password", 1, true))
  end
  settings.password = "gehe1m\0"
  lu.assertNotStrContains(fakecore.failure(run.create, PATH, settings), "gehe1m")
  settings.password = {"gehe1m"}
  lu.assertNotStrContains(fakecore.failure(run.create, PATH, settings), "gehe1m")
end

local function an_account() return (win.account.get "Administrator" or win.account.get "S-1-5-32-544").name end

function Fake.test_what_had_a_password_comes_back_without()
  local settings = {program = PROGRAM, every = 3600, account = an_account(), password = "geheim"}
  lu.assertTrue(open().create(PATH, settings))
  lu.assertFalse(open().create(PATH, settings))
  for name, change in pairs {
    delete = function(run) return run.delete(PATH) end,
    change = function(run) return run.create(PATH, STARTUP) end,
  } do
    local files = {}
    local run = open(nil, files)
    lu.assertTrue(change(run))
    run.core.finish()
    local row = undo(files).steps[1]
    lu.assertEquals({row.outcome, task.get(PATH).logon, fakecom.count "LOGON"}, {"restored", "S4U", 2}, name)
    lu.assertStrContains(row.reason, "without rights to other machines")
    lu.assertStrContains(row.reason, "win.task.create(path, {account=")
    lu.assertTrue(open().create(PATH, settings)) -- as the reason says
    lu.assertEquals(task.get(PATH).logon, "Password")
  end
end

function Fake.test_a_task_that_used_a_password_when_nobody_was_logged_on()
  local xml = [[<Task><Triggers><LogonTrigger/></Triggers><Principals><Principal><UserId>%s</UserId>
    <LogonType>InteractiveTokenOrPassword</LogonType></Principal></Principals><Actions><Exec><Command>x</Command></Exec></Actions></Task>]]
  fakecom.write("tasks", {[ [[\x]] ] = {"sz", xml:format(an_account())}})
  local files = {}
  local run = open(nil, files)
  lu.assertTrue(run.delete "x")
  run.core.finish()
  lu.assertStrContains(undo(files).steps[1].reason, "only while its user is logged on")
  lu.assertEquals({task.get("x").logon, fakecom.count "LOGON"}, {"InteractiveToken", 3})
end

function Fake.test_a_password_is_wiped()
  local secret, seen = "Xq7!" .. "geheimer", "Yq7!" .. "geheimer"
  fakecom.tell("HIDE", 1)
  task.create("x", {xml = "<Task><Exec>", logon = 1, user = "u", password = secret})
  lu.assertErrorMsgContains("0x8004131A", task.create, "x", {xml = "none", logon = 1, user = "u", password = secret})
  lu.assertEquals(test.wide_copies(secret), 0)
  fakecom.tell("HIDE", nil)
  task.create("x", {xml = "<Task><Exec>", logon = 1, user = "u", password = seen})
  lu.assertTrue(test.wide_copies(seen) > 0) -- in the fake's environment: copies are found
end

local WINDOWS_XML = [[
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.4" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Author>$(@%systemroot%\x.dll,-1)</Author><Description>a &lt;b&gt; &#38; &#x20AC; &unknown;</Description></RegistrationInfo>
  <!-- <Triggers><BootTrigger/></Triggers> -->
  <Triggers>
    <CalendarTrigger id="x"><StartBoundary>2005-01-01T03:00:00</StartBoundary>
      <ScheduleByDay> <DaysInterval>2</DaysInterval> </ScheduleByDay></CalendarTrigger>
    <LogonTrigger><Enabled>false</Enabled><UserId>HOST\me</UserId></LogonTrigger>
    <BootTrigger/>
    <TimeTrigger><Repetition><Interval>P1DT2H3M4S</Interval></Repetition><StartBoundary>2020-02-03T04:05:06</StartBoundary></TimeTrigger>
    <NewTrigger><X/></NewTrigger>
  </Triggers>
  <Principals><Principal id="Users"><GroupId>S-1-5-32-545</GroupId><RunLevel>LeastPrivilege</RunLevel></Principal></Principals>
  <Settings><Enabled>true</Enabled><IdleSettings><StopOnIdleEnd>true</StopOnIdleEnd></IdleSettings></Settings>
  <Actions Context="Users"><ComHandler><ClassId>{1}</ClassId></ComHandler><Exec><Command>%windir%\a.exe</Command></Exec></Actions>
</Task>]]

function Fake.test_what_windows_own_tasks_say()
  fakecom.write("tasks", {[ [[\Microsoft\Windows\x]] ] = {"sz", WINDOWS_XML}})
  local row = task.get [[\microsoft\windows\X]]
  lu.assertEquals(row.description, "a <b> & \u{20AC} &unknown;")
  lu.assertEquals({row.account, row.logon, row.highest, row.enabled}, {"S-1-5-32-545", "Group", false, true})
  lu.assertEquals(row.triggers, {
    {type = "calendar", begins = "2005-01-01T03:00:00", xml = row.triggers[1].xml},
    {type = "logon", enabled = false, user = [[HOST\me]]},
    {type = "startup"},
    {type = "time", every = 93784, begins = "2020-02-03T04:05:06"},
    {type = "unknown", xml = "<X></X>"},
  })
  lu.assertStrContains(row.triggers[1].xml, "<DaysInterval>2</DaysInterval></ScheduleByDay>")
  lu.assertEquals(row.actions, {{type = "ComHandler"}, {program = [[%windir%\a.exe]]}})
  local files = {}
  local run = open(nil, files)
  lu.assertTrue(run.delete(row.path))
  run.core.finish()
  lu.assertEquals(undo(files).failed, 0)
  lu.assertEquals(fakecom.count "LOGON", 4)
  lu.assertStrContains(task.get(row.path).xml, "CalendarTrigger")
end

function Fake.test_xml_that_is_none()
  for i, xml in ipairs {"", "<", "<Task>", "<Triggers>", "<Triggers><A></Triggers>", "</Triggers><Triggers>", ("<A>"):rep(1000)} do
    fakecom.write("tasks", {["\\" .. i] = {"sz", xml}})
    lu.assertEquals(task.get("\\" .. i).triggers, {})
  end
end

function Fake.test_bad_input()
  local run = open()
  local function create(settings) return run.create("x", settings) end
  for _, path in ipairs {"", "\\", "a\\", "a\\\\b", "a/b", "a:b", "..", [[a\.\b]], "a\nb", ("x"):rep(239), 5, {}, "a\0", "\xFF"} do
    for _, verb in ipairs {"delete", "run"} do assert_problem(INVALID, "path", run[verb], path) end
    assert_problem(INVALID, "path", run.create, path, STARTUP)
  end
  assert_problem(INVALID, "settings", create, "x")
  assert_problem(INVALID, "program", create, {})
  assert_problem(INVALID, "program", create, {program = "", at = "logon"})
  assert_problem(INVALID, "settings", create, {program = "x"})
  assert_problem(INVALID, "at", create, {program = "x", at = "boot"})
  for _, every in ipairs {0, 59, 61, 3601.5, "60", 31 * 86400 + 60} do
    assert_problem(INVALID, "every", create, {program = "x", every = every})
  end
  assert_problem(INVALID, "enabled", create, {program = "x", at = "logon", enabled = "yes"})
  assert_problem(NONE_MAPPED, "account", create, {program = "x", at = "logon", account = "no such account"})
  lu.assertStrContains(assert_problem(INVALID, "programm", create, {programm = "x"}).hint, "program")
  assert_problem(INVALID, "arguments", run.create, "x")
  assert_problem(INVALID, "arguments", run.delete)
  assert_problem(INVALID, "arguments", run.run)
  assert_problem(INVALID, "path", task.get, "")
  assert_problem(INVALID, "path", task.get, {})
  assert_problem(INVALID, "arguments", task.get)
  lu.assertEquals(task.list(), {})
end

function Fake.test_every_method_fails_once()
  lu.assertTrue(open().create([[\folder\old]], STARTUP))
  local before = snapshot()
  local may = {["Task.LastRunTime"] = true, ["Task.NextRunTime"] = true, ["Task.LastTaskResult"] = true}
  local strikes = fakecom.each_failure(task.list, function(_, ok, problem, struck)
    if ok then return lu.assertTrue(may[struck], struck) end
    lu.assertEquals({problem.op, problem.target}, {"task.list", "Task Scheduler"})
  end)
  lu.assertTrue(strikes > 10, strikes)
  for name, write in pairs {
    create = function(run) return run.create("new", STARTUP) end,
    change = function(run) return run.create([[\folder\old]], {program = "x", every = 60}) end,
    delete = function(run) return run.delete [[\folder\old]] end,
  } do
    assert_no_half_change(name, write, before)
  end
  fakecom.each_failure(function() return open().run [[\folder\old]] end, function(_, ok, problem, struck)
    if ok then return lu.assertTrue(may[struck], struck) end
    lu.assertIsTable(problem, tostring(problem))
  end)
end

function Fake.test_what_an_earlier_failure_said_is_no_hint()
  lu.assertTrue(open().create([[\folder\old]], STARTUP))
  lu.assertEquals(fakecom.each_failure_after_another(task.list), 1) -- after LastTaskResult comes what must not fail
end

function Fake.test_every_call_of_windows_fails_once()
  local names = {"CoInitializeEx", "CoCreateInstance", "SysAllocString", "RtlGetVersion"}
  local function forget() if task.get "new" then task.delete "new" end end
  failing.write({op = "task.create", arguments = {"new", STARTUP}, prepare = forget, snapshot = snapshot, least = 4}, names)
  task.create("new", {xml = WINDOWS_XML, logon = 4})
  local function back() if not task.get "new" then task.create("new", {xml = WINDOWS_XML, logon = 4}) end end
  failing.write({op = "task.delete", arguments = {"new"}, prepare = back, snapshot = snapshot, least = 4}, names)
  lu.assertEquals(fakecom.count "LIVE", 0)
end

function Fake.test_nothing_is_left_behind()
  flat(function()
    task.create([[\folder\new]], {xml = WINDOWS_XML, logon = 5})
    lu.assertEquals({#task.list(), #task.get([[\folder\new]]).triggers}, {1, 5})
    task.delete [[\folder\new]]
    lu.assertFalse((pcall(task.run, "none")))
    lu.assertFalse((pcall(task.create, "none", {xml = "none", logon = 5})))
  end, 20)
end

-- ---- 2.0, Wine's own ----

local Wine = {setUp = use [[C:\windows\system32\taskschd.dll]], tearDown = clear}
_G.TestWine = Wine

local SIMPLE_XML = [[<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
<RegistrationInfo><Description>d</Description></RegistrationInfo><Triggers><LogonTrigger/></Triggers>
<Principals><Principal id="Author"><UserId>S-1-5-18</UserId></Principal></Principals>
<Settings><Enabled>true</Enabled></Settings><Actions><Exec><Command>cmd.exe</Command></Exec></Actions></Task>]]

function Wine.test_registered_and_deleted_for_real()
  lu.assertEquals(task.version(), 2)
  lu.assertNil(task.get [[\p80-wine]])
  task.create([[\p80-wine]], {xml = SIMPLE_XML, logon = 5})
  local row = task.get "p80-wine"
  lu.assertEquals({row.path, row.state, row.enabled}, {[[\p80-wine]], "ready", true})
  lu.assertStrContains(row.xml, "<Task ")
  task.delete [[\p80-wine]]
  lu.assertNil(task.get [[\p80-wine]])
end

function Wine.test_wine_drops_triggers_and_p80_notices()
  local files = {}
  local run = open(nil, files)
  assert_problem(NOT_TAKEN, [[\p80-wine]], run.create, "p80-wine", STARTUP)
  run.core.finish()
  lu.assertEquals(undo(files).failed, 0)
  lu.assertNil(task.get "p80-wine")
end

-- ---- 1.0, Wine's own ----

local Old = {tearDown = clear}
_G.TestOld = Old
function Old.setUp()
  Wine.setUp()
  fakecom.register("scheduler", [[C:\windows\system32\mstask.dll]])
  test.setenv("P80_SHIM_NT52", "1")
  lu.assertEquals(task.version(), 1)
  for _, row in ipairs(task.list()) do task.delete(row.path) end
end

function Old.test_create_change_delete_and_back()
  local files = {}
  local run = open(nil, files)
  lu.assertTrue(run.create("Größe", {program = PROGRAM, arguments = "a b", at = "startup", every = 3600, description = "d"}))
  lu.assertFalse(run.create("größe", {program = PROGRAM, arguments = "a b", at = "startup", every = 3600, description = "d"}))
  local row = task.get "Größe"
  lu.assertEquals(row.actions, {{program = PROGRAM, arguments = "a b"}})
  lu.assertEquals(row.triggers, {{type = "startup"}, {type = "time", every = 3600, begins = "2000-01-01T00:00:00"}})
  lu.assertEquals({row.path, row.description, row.enabled, row.xml}, {[[\Größe]], "d", true, nil})
  lu.assertIsString(row.next_run)
  lu.assertEquals(#task.list(), 1)
  lu.assertTrue(run.create("Größe", {program = [[C:\x.exe]], directory = [[C:\windows]], at = "logon", enabled = false}))
  row = task.get "Größe"
  lu.assertEquals({row.actions, row.triggers, row.enabled, row.description},
    {{{program = [[C:\x.exe]], directory = [[C:\windows]]}}, {{type = "logon"}}, false, nil})
  lu.assertTrue(run.create("Größe", {program = [[C:\x.exe]], every = 3 * 86400}))
  lu.assertEquals(task.get("Größe").triggers[1].every, 3 * 86400)
  lu.assertTrue(run.delete "Größe")
  lu.assertFalse(run.delete "Größe")
  run.core.finish()
  local files_of_undo = files
  lu.assertEquals(undo(files_of_undo).failed, 0)
  lu.assertEquals(task.list(), {})
end

function Old.test_a_task_that_is_being_read_is_deleted_afterwards()
  open().create("old", {program = PROGRAM, at = "logon"})
  local file = [[C:\windows\tasks\old.job]]
  local code = "local file = assert(io.open([[%s]])) print 'open' io.stdout:flush() pcall(win.scm.wait, 'HTTP', 'paused', {timeout = 0.3})"
  local reader = test.start {path = test.p80, args = {"-e", code:format(file)}}
  while not reader:output():find "open" do test.sleep(0.02) end
  lu.assertTrue(open().delete "old")
  reader:close()
  lu.assertNil(lfs.attributes(file))
  open().create("old", {program = PROGRAM, at = "logon"})
  local held = assert(io.open(file))
  local _, problem = fakecore.failure(open().delete, "old")
  lu.assertEquals({problem.op, problem.code}, {"task.delete", 32})
  held:close()
end

function Old.test_deleting_is_taken_back()
  lu.assertTrue(open().create("old", {program = PROGRAM, at = "logon", every = 60}))
  local before, files = snapshot(), {}
  local run = open(nil, files)
  lu.assertTrue(run.delete "old")
  run.core.finish()
  lu.assertEquals(undo(files).failed, 0)
  for path, row in pairs(before) do
    lu.assertEquals({task.get(path).actions, task.get(path).triggers}, {row.actions, row.triggers})
  end
end

function Old.test_triggers_that_it_cannot_be_given_again()
  local there, real = true, win
  win = setmetatable({task = setmetatable({
    get = function()
      return there and {path = [[\w]], enabled = true, actions = {}, triggers = {{type = "weekly"}}} or nil
    end,
    delete = function() there = false end,
  }, {__index = task})}, {__index = real})
  local files = {}
  local run = open(nil, files)
  lu.assertTrue(run.delete "w")
  run.core.finish()
  local report = undo(files)
  win = real
  lu.assertEquals({report.steps[1].outcome, report.steps[1].problem.code}, {"failed", NO_UNDO})
end

function Old.test_run() -- Wine takes the order, and does nothing
  local run = open()
  lu.assertTrue(run.create("runner", {program = PROGRAM, at = "logon"}))
  lu.assertTrue(run.run "runner")
end

function Old.test_what_1_0_does_not_know()
  local run = open()
  lu.assertStrContains(assert_problem(NOT_SUPPORTED, [[\a\b]], run.create, [[\a\b]], STARTUP).hint, "Vista")
  assert_problem(NOT_SUPPORTED, "highest", run.create, "a", {program = PROGRAM, at = "logon", highest = false})
  assert_problem(INVALID, "program", run.create, "a", {program = "cmd.exe", at = "logon"})
  assert_problem(INVALID, "every", run.create, "a", {program = "x", every = 90000})
  assert_problem(NOT_FOUND, [[\none]], run.run, "none")
  lu.assertNil(task.get "none")
end

function Old.test_nothing_is_left_behind()
  lu.assertTrue(open().create("old", STARTUP))
  flat(function()
    task.create("new", {program = PROGRAM, triggers = {{type = "time", every = 60}}})
    lu.assertEquals({#task.list(), #task.get("new").triggers}, {2, 1})
    task.delete "new"
    lu.assertFalse((pcall(task.run, "none")))
  end, 10)
end

-- ---- 1.0, fake ----

local FakeOld = {tearDown = Fake.tearDown}
_G.TestFakeOld = FakeOld
function FakeOld.setUp()
  clear()
  fakecom.register("scheduler", "fake-mstask")
  test.setenv("P80_SHIM_NT52", "1")
end

function FakeOld.test_as_what_it_runs()
  local run = open()
  lu.assertTrue(run.create("old", STARTUP))
  lu.assertFalse(run.create("old", STARTUP))
  local row = task.get "old"
  lu.assertEquals({row.account, row.state, row.last_run, row.last_result}, {SYSTEM, "ready", nil, nil})
  lu.assertStrMatches(row.next_run, "2030%-01%-0[123]T.*Z")
  local settings = {program = PROGRAM, every = 60, account = win.account.get("S-1-5-32-544").name, enabled = false}
  assert_problem(LOGON_FAILURE, [[\old]], run.create, "old", settings)
  settings.password = "geheim"
  lu.assertTrue(run.create("old", settings))
  lu.assertEquals({test.getenv "P80_FAKE_PASSWORD", task.get("old").account, task.get("old").state},
    {"geheim", settings.account, "disabled"})
  local files = {}
  run = open(nil, files)
  lu.assertTrue(run.delete "old")
  run.core.finish()
  local row = undo(files).steps[1]
  lu.assertEquals({row.outcome, row.problem.code}, {"failed", LOGON_FAILURE})
  lu.assertStrContains(row.reason, "p80 keeps no passwords")
  lu.assertTrue(open().create("old", settings))
end

function FakeOld.test_a_password_is_wiped()
  local secret = "Zq7!" .. "geheimer"
  fakecom.tell("HIDE", 1)
  task.create("x", {program = PROGRAM, triggers = {}, user = "u", password = secret})
  lu.assertErrorMsgContains("not shown", task.create, "x", {program = PROGRAM, triggers = {}, user = "u", password = {}})
  lu.assertEquals(test.wide_copies(secret), 0)
end

function FakeOld.test_run_and_what_does_not_take()
  local run = open()
  lu.assertTrue(run.create("old", STARTUP))
  lu.assertTrue(run.run "old")
  lu.assertEquals(fakecom.count "RUNS", 1)
  fakecom.tell("PRETEND", 1)
  assert_problem(NOT_TAKEN, [[\new]], run.create, "new", STARTUP)
  assert_problem(NOT_TAKEN, [[\old]], run.delete, "old")
end

function FakeOld.test_every_method_fails_once()
  lu.assertTrue(open().create("old", {program = PROGRAM, at = "logon", every = 3600}))
  local before = snapshot()
  local may = {["Task.GetNextRunTime"] = true, ["Task.GetMostRecentRunTime"] = true,
    ["Task.GetStatus"] = true, ["Task.GetExitCode"] = true}
  for _, read in ipairs {task.list, function() return task.get "old" end} do
    local strikes = fakecom.each_failure(read, function(_, ok, problem, struck)
      if ok then return lu.assertTrue(may[struck], struck) end
      lu.assertEquals(problem.target, "Task Scheduler", tostring(problem))
    end)
    lu.assertTrue(strikes > 7, strikes)
  end
  for name, write in pairs {
    create = function(run) return run.create("new", STARTUP) end,
    change = function(run) return run.create("old", {program = PROGRAM, every = 60}) end,
    delete = function(run) return run.delete "old" end,
  } do
    assert_no_half_change(name, write, before)
  end
end
