-- build: shim
-- p80 capture: the table answers as this machine does, behaves, and has no secrets in it.
-- arch: x64
local lu = require "luaunit"
local case = require "case"
local fakecom = require "fakecom"

local T = case.suite "Capture"

-- What is asked of both machines: each service, and who holds each port.
local QUESTIONS <const> = [[
  local p80, ports = require "p80", require "ports"
  local answers = {}
  for _, name in ipairs {"Shop", "Sock", "Off", "HTTP"} do
    local record, details = win.scm.get(name), win.scm.details(name)
    answers[name] = {record.name, record.state, record.start, record.type, record.path, record.display_name, record.account or "",
      record.dependencies, record.accepts, details.description, record.pid and record.pid ~= 0 and record.type ~= "kernel_driver" and record.pid or 0}
  end
  for _, port in ipairs {8091, 8092, 8093, 8094} do
    local found = ports.who(port)
    local answer = {free = found.free, holders = {}}
    for i, holder in ipairs(found.holders) do
      local names = {}
      for _, process in ipairs(holder.processes or {holder}) do
        names[#names + 1] = ("%s %s %s"):format(process.pid, process.name, table.concat(process.services or {}, " "))
      end
      answer.holders[i] = {kind = holder.kind, names = names, families = holder.families, proof = holder.proof ~= nil}
    end
    answers["port" .. port] = answer
  end
  answers.here = {win.host.name(), win.host.architecture(), win.host.version().text, win.host.elevated()}
  p80.report(answers)
]]

local function answers(...)
  local words = {"--json", ...}
  words[#words + 1], words[#words + 2] = "-e", QUESTIONS
  local result = case.exits(case.p80(words), 0)
  return result.json.result
end

local function scene()
  case.service {name = "Shop", display_name = "The shop", args = {"--http", "http://+:8091/shop/"}}
  case.service {name = "Sock", start = "auto", args = {"--tcp", "8092"}}
  case.service {name = "Off", start = "disabled", run = false, dependencies = {"Sock"}}
  case.holder {"--tcp", "8093"}
  case.wait_held(8091)
  case.wait_held(8092)
end

function T:test_the_table_answers_as_the_machine_does_and_behaves()
  scene()
  local file = case.path "machine.lua"
  local captured = case.exits(case.p80 {"capture", file}, 0)
  lu.assertEquals(captured.stdout, "")
  lu.assertStrContains(captured.stderr, "left out: the registry")
  lu.assertEquals(answers("--model", file), answers())
  local freed = case.exits(case.p80 {"--model", file, "free80.lua", "--port", "8092"}, 0)
  lu.assertStrContains(freed.stdout, "service Sock: state: running -> stopped")
  lu.assertStrContains(freed.stdout, "tcp 0.0.0.0:8092: removed")
  lu.assertTrue(case.service_running "Sock" and true)
  local http = case.p80 {"--model", file, "free80.lua", "--port", "8091"}
  lu.assertStrContains(case.exits(http, 0).stdout, "service Shop: state: running -> stopped")
end

function T:test_a_file_that_exists_is_kept()
  local file = case.write("machine.lua", "mine")
  lu.assertStrContains(case.exits(case.p80 {"capture", file}, 1).stderr, "--force")
  lu.assertEquals(case.read(file), "mine")
  case.exits(case.p80 {"capture", "--force", file}, 0)
  lu.assertStrContains(case.read(file), "return {")
  lu.assertStrContains(case.exits(case.p80 {"help", "capture"}, 0).stdout, "--command-lines")
end

local LEAKY_XML <const> = [[<Task><RegistrationInfo><Description>password: %s</Description></RegistrationInfo><Principals><Principal>
  <UserId>CONTOSO\svc</UserId><LogonType>Password</LogonType></Principal></Principals>
  <Actions><Exec><Command>x.exe</Command><Arguments>--user=u --password=&quot;%s&quot; https://u:%s@h/</Arguments></Exec>
  <ComHandler><Data><Password>%s</Password></Data></ComHandler></Actions></Task>]]

local function use_fakes()
  for class, dll in pairs {task = "fake-task", apphost = "fake-iis"} do fakecom.register(class, dll) end
  case.later(function()
    fakecom.clear()
    fakecom.register "task"
    fakecom.register "apphost"
  end)
end

local function task_of_leaky(secret)
  use_fakes()
  fakecom.write("tasks", {[ [[\Leaky]] ] = {"sz", (LEAKY_XML:gsub("%%s", secret))}})
end

function T:test_secrets_are_left_out_and_that_is_said()
  local SECRET <const> = "hunter2"
  case.shim("SCM", "1")
  local wrapped = test.bin .. "holder.exe"
  win.scm.create("Leaky", {path = ('"%s" --service --password %s /ApiToken:%s --db "Pwd=%s;Server=x" https://u:%s@host/'):format(wrapped, SECRET, SECRET, SECRET, SECRET)})
  case.later(function() win.scm.delete "Leaky" end)
  win.reg.create [[HKLM\SOFTWARE\Leaky]]
  win.reg.set([[HKLM\SOFTWARE\Leaky]], "AdminPassword", SECRET, {type = "sz"})
  win.reg.set([[HKLM\SOFTWARE\Leaky]], "Connection", "Server=x;Password=" .. SECRET, {type = "sz"})
  win.reg.set([[HKLM\SOFTWARE\Leaky]], "Keyboard", "German", {type = "sz"})
  win.reg.set([[HKLM\SOFTWARE\Leaky]], "Blob", "x" .. SECRET, {type = "binary"})
  win.reg.create [[HKLM\SOFTWARE\Leaky\Credentials]]
  win.reg.set([[HKLM\SOFTWARE\Leaky\Credentials]], "first", SECRET, {type = "sz"})
  win.scm.config("Leaky", {description = "asks for token=" .. SECRET, failure = {command = "x.exe /pass:" .. SECRET}})
  task_of_leaky(SECRET)
  local forms = {
    "AccountKey=%s;x=1", "--db-pass %s --port 80", "/pw:%s", "-p '%s' -v", 'Secret = "%s"', "access_token=%s&next=1", "Authorization: %s",
    "ftp://me:%s@host/x", "ApiKey:'%s'", "Authorization: Bearer %s", "-----BEGIN RSA PRIVATE KEY-----\r\n%s",
  }
  for i, form in ipairs(forms) do forms[i] = form:format(SECRET) end
  win.reg.set([[HKLM\SOFTWARE\Leaky]], "Environment", forms, {type = "multi_sz"})
  case.holder {"--tcp", "8093", "--reply", "apache", "--seconds", "100"}
  local capture = {"--json", "capture", "--command-lines", "--registry", [[HKLM\SOFTWARE\Leaky]]}
  local result = case.exits(case.p80(capture), 0)
  lu.assertNil(result.stdout:find(SECRET, 1, true))
  local machine = result.json.machine
  lu.assertStrContains(machine.services.Leaky.path, "--password ***")
  local values = machine.registry[ [[HKLM\SOFTWARE\Leaky]] ]
  lu.assertNil(values.AdminPassword)
  lu.assertEquals(values.Connection.value, "Server=x;Password=***")
  lu.assertEquals(values.Keyboard.value, "German")
  lu.assertNil(values.Blob)
  lu.assertEquals({#values.Environment.value, values.Environment.value[1], values.Environment.value[2]},
    {#forms, "AccountKey=***;x=1", "--db-pass *** --port 80"})
  local said = table.concat(result.json.left_out, "\n")
  for _, what in ipairs {
    "the path of service Leaky", "the description of service Leaky", "the failure command of service Leaky", [[task \Leaky]],
    [[HKLM\SOFTWARE\Leaky\AdminPassword, which may be secret]], [[HKLM\SOFTWARE\Leaky\Connection]],
    [[HKLM\SOFTWARE\Leaky\Credentials\first, which may be secret]], [[HKLM\SOFTWARE\Leaky\Blob, which is binary]],
    [[HKLM\SOFTWARE\Leaky\Environment]], "files, the event logs",
  } do lu.assertStrContains(said, what) end
  local xml = machine.tasks[ [[\Leaky]] ].xml
  lu.assertStrContains(xml, [[<UserId>CONTOSO\svc</UserId>]])
  lu.assertStrContains(xml, "--user=u --password=*** https://u:***@h/")
  lu.assertStrContains(xml, "<Password>***</Password>")
  local commands = {}
  for _, process in ipairs(machine.processes) do commands[#commands + 1] = process.command_line end
  lu.assertStrContains(table.concat(commands, "\n"), "--seconds 100")
end

function T:test_windows_server_2003_with_its_tasks_and_sites()
  case.shim("NT52", "1")
  for class, dll in pairs {task = [[C:\windows\system32\taskschd.dll]], scheduler = [[C:\windows\system32\mstask.dll]], metabase = "fake-iis"} do
    fakecom.register(class, dll)
    case.later(function() fakecom.register(class) end)
  end
  fakecom.write("W3SVC", {["1002"] = {"sz", "IIsWebService"}})
  fakecom.write([[W3SVC\1]], {
    ["1015"] = {"sz", "Shop"}, ["1016"] = {"dword", 2}, ["1017"] = {"dword", 1}, ["1023"] = {"multi_sz", {":8095:"}},
    ["2021"] = {"multi_sz", {":8443:"}},
  })
  case.later(fakecom.clear)
  case.service {name = "W3SVC"}
  case.exits(case.p80 {"--allow", "task", "-e",
    [[win.task.create("Nightly", {program = "C:\\x.exe", arguments = "/pw:hunter2", every = 3600, description = "d"})]]}, 0)
  case.later(function() win.task.delete [[\Nightly]] end)
  local file = case.path "machine.lua"
  case.exits(case.p80 {"capture", file}, 0)
  lu.assertNotStrContains(case.read(file), "hunter2")
  local asked = [[local t = win.task.get "Nightly" t.next_run, t.actions[1].arguments = nil, nil
    require "p80".report {win.host.version().major, win.task.version(), t, win.iis.sites()}]]
  local here = case.exits(case.p80 {"--json", "-e", asked}, 0).json.result
  lu.assertEquals(case.exits(case.p80 {"--json", "--model", file, "-e", asked}, 0).json.result, here)
  lu.assertEquals({here[1], here[2], here[4][1].bindings[1].binding}, {5, 1, "*:8095:"})
end

-- ---- The same plan ----

local SHIMS <const> = {P80_SHIM_SCM = "1", P80_SHIM_HTTP_CONFIG = "1"}

-- What p80 plans here, or on the machine in a file.
local function plan(words, file)
  local call = {"--json", "--check", env = SHIMS}
  if file then table.move({"--model", file}, 1, 2, 3, call) end
  table.move(words, 1, #words, #call + 1, call)
  local result = case.p80(call)
  lu.assertNotNil(result.json and result.json.changes, case.describe(result))
  return {exit = result.code, changes = result.json.changes, error = result.json.error and result.json.error.message}
end

local BOOK <const> = [==[
  local p80 = require "p80"
  p80.playbook {name = "book", version = "1.0.0", summary = "All kinds of changes.", grants = {
    "scm.state", "scm.config", "scm.details", "scm.security", "scm.service", "reg.value", "reg.key", "http.iplisten", "http.urlacl", "http.sslcert",
    "http.timeout", "http.parameters", "iis.binding", "iis.site", "task", "process.state",
  }}
  win.scm.config("Sock", {start = "disabled", description = "other", sid_type = "unrestricted", failure = {reset_period = 60, actions = {{action = "none"}}}})
  win.scm.config("Kept", {
    start = "demand", description = "kept", sid_type = "unrestricted", privileges = {"SeChangeNotifyPrivilege"}, preshutdown_timeout = 20,
    failure = {reset_period = 3600, actions = {{action = "restart", delay = 1.5}}},
  })
  win.scm.set_security("Kept", "D:(A;;GA;;;BA)")
  win.scm.set_security("Sock", "D:(A;;GA;;;SY)")
  win.scm.stop("Base", {dependents = true})
  win.scm.start "Off2"
  win.scm.delete "Sock"
  win.reg.set([[HKLM\SOFTWARE\Contoso]], "Port", 81)
  win.reg.set([[HKLM\SOFTWARE\Contoso]], "Name", "same")
  win.reg.delete([[HKLM\SOFTWARE\Contoso\Old]], nil, {tree = true})
  win.http.iplisten.add "127.0.0.1"
  win.http.iplisten.add "127.0.0.2"
  win.http.urlacl.add("http://+:8091/shop/", {sddl = "D:(A;;GX;;;NS)"})
  win.http.urlacl.delete "http://+:8099/old/"
  win.http.sslcert.update("0.0.0.0:8443", {hash = ("cd"):rep(20)})
  win.http.timeout.set("idle_connection", 77)
  win.http.timeout.set("header_wait", 78)
  win.http.parameters.set("MaxFieldLength", 20000)
  win.iis.move("Shop", "*:8095:", 8096)
  win.iis.stop "Shop"
  win.iis.start "Other"
  win.task.create("Nightly", {program = "C:\\x.exe", at = "startup"})
  win.task.create("Same", {program = "C:\\same.exe", at = "startup"})
  win.process.stop(PID)
  print(win.scm.get("Top").state, win.iis.get("Shop").state)
]==]

local function full_scene()
  use_fakes()
  for name, value in pairs(SHIMS) do case.shim(name:match "P80_SHIM_(.*)", value) end
  scene()
  case.service {name = "Base"}
  case.service {name = "Top", dependencies = {"Base"}}
  case.service {name = "Off2", run = false}
  case.service {name = "Kept", run = false}
  for i, site in ipairs {{"Shop", 1, "http|*:8095:|0"}, {"Other", 3, "https|*:8443:a.example|1"}} do
    fakecom.write("sites\\" .. i, {
      Name = {"sz", site[1]}, Id = {"dword", i}, AutoStart = {"dword", 1}, State = {"dword", site[2]}, Bindings = {"multi_sz", {site[3]}},
    })
  end
  case.service {name = "W3SVC", args = {"--iis"}}
  case.wait_held(8095)
  case.exits(case.p80 {"--allow", "*", "-e", [==[
    win.scm.config("Kept", {
      description = "kept", sid_type = "unrestricted", privileges = {"SeChangeNotifyPrivilege"}, preshutdown_timeout = 20,
      failure = {reset_period = 3600, actions = {{action = "restart", delay = 1.5}}},
    })
    win.scm.set_security("Kept", "D:(A;;GA;;;BA)")
    win.reg.set([[HKLM\SOFTWARE\Contoso]], "Port", 80)
    win.reg.set([[HKLM\SOFTWARE\Contoso]], "Name", "same")
    win.reg.create [[HKLM\SOFTWARE\Contoso\Old\Older]]
    win.http.iplisten.add "127.0.0.2"
    win.http.urlacl.add("http://+:8099/old/", {user = "S-1-5-20", delegate = true})
    win.http.sslcert.add("0.0.0.0:8443", {hash = ("ab"):rep(20), appid = "{4dc3e181-e14b-4a21-b022-59fc669b0914}"})
    win.http.timeout.set("header_wait", 78)
    win.http.parameters.set("MaxFieldLength", 20000)
    win.task.create("Same", {program = "C:\\same.exe", at = "startup"})
  ]==]}, 0)
  case.later(function()
    win.reg.delete([[HKLM\SOFTWARE\Contoso]], nil, {tree = true})
    win.reg.delete([[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]], nil, {tree = true})
  end)
end

-- The same in a test of the team's own.
local function check_in_a_test(count)
  local path = case.write("own_test.lua", ([[
    local lu, test = require "luaunit", require "test"
    function test_the_book()
      local m = test.load "machine.lua"
      lu.assertEquals(#m:run("book.lua", {}, {check = true}):exits(3).changes, %d)
      m:run("book.lua"):exits(0)
      m:undo():exits(1) -- a program that was ended does not come back
      lu.assertEquals(#m:run("book.lua", {}, {check = true}):exits(3).changes, %d - 1)
    end]]):format(count, count))
  case.exits(case.p80 {"test", path}, 0)
end

function T:test_the_plan_is_the_same_on_the_captured_machine()
  full_scene()
  local pid = win.tcp.listeners(8093)[1].pid
  local book = case.write("book.lua", (BOOK:gsub("PID", pid)))
  local file = case.path "machine.lua"
  case.exits(case.p80 {"capture", "--registry", [[HKLM\SOFTWARE\Contoso]], file}, 0)
  for _, words in ipairs {{book}, {"free80.lua", "--port", "8091"}, {"free80.lua", "--port", "8092"}, {"free80.lua", "--port", "8093", "--kill"}} do
    local here, there = plan(words), plan(words, file)
    lu.assertEquals(here.error, nil, words[1])
    lu.assertTrue(#here.changes > 0, words[1])
    for i, change in ipairs(here.changes) do lu.assertEquals(there.changes[i], change, ("%s %d: %s"):format(words[1], i, change.label)) end
    lu.assertEquals(there, here, words[1])
    if words[1] == book then check_in_a_test(#here.changes) end
  end
end
