-- The test kit: p80 test and --model, on modelled machines; nothing of this machine changes.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Kit"

local HEAD <const> = 'local lu, test = require "luaunit", require "test"\n'

-- Writes a test file of functions and runs it -> the document of p80 test --json, by the test's name.
local function run_tests(text, code, files)
  for name, content in pairs(files or {}) do case.write(name, content) end
  case.write("own_test.lua", HEAD .. text)
  local result = case.exits(case.p80 {"--json", "test", case.folder}, code)
  lu.assertNotNil(result.json, case.describe(result))
  local by_name = {}
  for _, row in ipairs(result.json.tests) do by_name[row.name] = row end
  return by_name, result
end

local function check_passed(by_name, names)
  for _, name in ipairs(names) do
    lu.assertNotNil(by_name[name], name)
    lu.assertEquals(by_name[name].status, "passed", by_name[name].message)
  end
end

function T:test_the_examples_pass()
  local folder = test.folder:gsub("[\\/]tests$", "") .. "\\examples\\tests"
  local result = case.exits(case.p80 {"test", folder}, 0)
  lu.assertStrContains(result.stdout, "0 failures")
  lu.assertNil(case.files(case.state .. "\\runs"))
  case.exits(case.p80 {"test", folder, "--pattern", "farm"}, 0)
  lu.assertStrContains(case.exits(case.p80 {"test", folder, "--pattern", "no_such"}, 2).stderr, "tests is 'no_such'")
end

function T:test_the_manual_s_test_passes_as_it_stands()
  local file = assert(io.open(test.folder .. "/../docs/testing.md", "rb"))
  local text = file:read "a"
  file:close()
  local path = case.write("manual_test.lua", (text:match "```lua\n(.-)```"))
  lu.assertStrContains(case.exits(case.p80 {"test", path}, 0).stdout, "1 success")
  local model = case.write("shop.lua", [[return {next_pid = 4312, services = {Shop = {state = "running", path = "C:\\shop.exe", listens = {80}}}}]])
  local shown = case.exits(case.p80 {"--check", "--model", model, "free80.lua"}, 3).stdout:gsub("\r", "")
  lu.assertStrContains(shown, (text:match "```\n(%-%-check: .-)```"))
end

function T:test_a_playbook_that_loops_exits_or_raises_fails_only_its_test()
  local by_name = run_tests([[
    local function machine() return test.machine {services = {Web = {state = "running", listens = {80}}}} end
    local quick = {seconds = 0.3}
    function test_loop() machine():code("while true do end", quick) end
    function test_stubborn_loop() machine():code("while true do pcall(function() while true do end end) end", quick) end
    function test_loop_in_a_coroutine() machine():code("coroutine.wrap(function() while true do end end)()", quick) end
    function test_waits_for_ever() machine():code("while true do require 'p80'.sleep(1) end", quick) end
    function test_exit() lu.assertEquals(machine():code("os.exit(7)").exit, 7) end
    function test_exit_in_a_callback()
      lu.assertEquals(machine():code("table.sort({3, 2, 1}, function() pcall(os.exit, 8) end)").exit, 8)
    end
    function test_raises()
      local r = machine():code "error('no luck')"
      lu.assertEquals(r.exit, 1)
      lu.assertStrContains(r.error.message, "no luck")
      lu.assertStrContains(r.errors, "stack traceback")
    end
    function test_exit_of_the_test_itself() os.exit(0) end
    function test_states_are_fresh()
      local m = machine()
      m:code("x = 1; string.upper = nil"):exits(0)
      m:code("assert(x == nil and string.upper)"):exits(0)
    end
  ]], 1)
  for _, name in ipairs {"test_loop", "test_stubborn_loop", "test_loop_in_a_coroutine", "test_waits_for_ever"} do
    lu.assertEquals(by_name[name].status, "failed", name)
    lu.assertStrContains(by_name[name].message, "did not end within 0.3 seconds")
  end
  lu.assertEquals(by_name.test_exit_of_the_test_itself.status, "failed")
  check_passed(by_name, {"test_exit", "test_exit_in_a_callback", "test_raises", "test_states_are_fresh"})
end

function T:test_a_playbook_beside_the_tests_and_its_modules()
  local by_name = run_tests([[
    function test_it()
      local m = test.machine {registry = {["HKLM\\SOFTWARE\\Contoso"] = {Port = 80}}}
      local r = m:run("book.lua", {"--to", 81}, {check = true}):exits(3)
      lu.assertEquals(#r.changes, 1)
      lu.assertEquals(m.registry["HKLM\\SOFTWARE\\Contoso"].Port.value, 80)
      r = m:run("book.lua", {"--to", 81}):exits(0)
      lu.assertEquals(r.result, {was = 80})
      lu.assertEquals(m.registry["HKLM\\SOFTWARE\\Contoso"].Port.value, 81)
      lu.assertEquals(r.difference, {"value HKLM\\SOFTWARE\\Contoso\\Port: value: 80 -> 81"})
      m:run("book.lua", {"--to", 81}):exits(0)
      m:undo(r.run):exits(0)
      lu.assertEquals(r.run, 1)
      lu.assertEquals(m.registry["HKLM\\SOFTWARE\\Contoso"].Port.value, 80)
      lu.assertStrContains(m:run("book.lua", {"--tu", 81}).errors, "--to")
    end
  ]], 0, {
    ["book.lua"] = [[
      local p80, helper = require "p80", require "helper"
      local args = p80.playbook {name = "book", version = "1.0.0", summary = "A book.",
        args = {to = {type = "integer", required = true}}, grants = {"reg.value"}}
      p80.report {was = helper.port()}
      win.reg.set("HKLM\\SOFTWARE\\Contoso", "Port", args.to)
    ]],
    ["helper.lua"] = [[return {port = function() return (win.reg.get("HKLM\\SOFTWARE\\Contoso", "Port")) end}]],
  })
  check_passed(by_name, {"test_it"})
end

function T:test_nothing_of_this_machine_is_touched()
  local victim = case.write("victim.txt", "as it was")
  local by_name = run_tests(([==[
    local all = {allow = "*"}
    function test_files() test.machine {}:code([=[io.open([[%s]], "w"):write "gone"]=], all):exits(0) end
    function test_removal() test.machine {}:code([=[os.remove [[%s]] ]=], all):exits(0) end
    function test_programs()
      for _, code in ipairs {"os.execute 'exit'", "io.popen 'exit'", "win.process.run {program = 'cmd.exe'}"} do
        lu.assertEquals(test.machine {}:code(code, all).exit, 1)
      end
    end
    function test_the_file_is_written_on_the_machine()
      local m = test.machine {}
      m:code([=[win.file.write([[%s]], "new")]=], all):exits(0)
      lu.assertEquals(m.files[ [[%s]] ], "new")
    end
    function test_what_is_not_modelled_says_so()
      local m = test.machine {files = {["C:\\x"] = "x", ["C:\\x.sys"] = "x"}, registry = {["HKLM\\SOFTWARE\\X"] = {}}}
      for _, call in ipairs {
        "driver.list()", "driver.third_party()", [=[driver.inspect [[C:\x.sys]]]=], "process.modules(4)", "process.get(4, {modules = true})",
        "process.list {usage = true}", "process.list {window = true}", "process.handles {}", "tcp.list {module = true}", "reg.watch 'HKLM'",
        [=[reg.save([[HKLM\SOFTWARE\X]], [[C:\y]])]=],
        [=[reg.restore([[HKLM\SOFTWARE\X]], [[C:\windows\win.ini]])]=], [=[reg.load([[HKLM\Y]], [[C:\windows\win.ini]])]=], [=[reg.get([[\\S\HKLM\X]])]=],
      } do
        local r = m:code("win." .. call, all)
        lu.assertEquals({r.exit, r.error and r.error.code, r.difference}, {1, 120, {}}, call)
        lu.assertStrContains(r.error.message, "Not modelled: ", call)
      end
    end
  ]==]):format(victim, victim, victim, victim), 0)
  check_passed(by_name, {"test_files", "test_removal", "test_programs", "test_the_file_is_written_on_the_machine", "test_what_is_not_modelled_says_so"})
  lu.assertEquals(case.read(victim), "as it was")
  lu.assertNil(case.files(case.state .. "\\runs"))
end

-- https://learn.microsoft.com/previous-versions/windows/it-pro/windows-server-2003/cc786887(v=ws.10) (event 1007: "... The
-- necessary network binding might already be in use. The site has been deactivated.")
function T:test_a_site_whose_port_is_taken_stops()
  local by_name = run_tests([==[
    local all = {allow = "*"}
    local function machine(windows, more)
      return test.machine {windows = windows, services = {W3SVC = {state = "running"}}, processes = {{name = "x.exe", listens = {8081}}}, sites = {
        Shop = {bindings = {"*:8080:", "https *:8443:a.example ssl_flags=1"}},
      }}
    end
    function test_moving_there()
      local m = machine "2019"
      m:code("win.iis.move('Shop', '*:8080:', 8081)", all):exits(0)
      lu.assertEquals({m.sites.Shop.state, m.sites.Shop.auto_start}, {"stopped", true})
      lu.assertEquals(#m:ask "win.tcp.listeners(8081)", 1)
      local r = m:code("win.iis.start 'Shop'", all):exits(1)
      lu.assertEquals({r.error.op, r.error.target, r.error.code}, {"iis.start", "Shop", 32})
      m:code("win.process.stop(win.tcp.listeners(8081)[1].pid) win.iis.start 'Shop'", all):exits(0)
      lu.assertEquals(m:ask "win.tcp.listeners(8081)[1].kernel", true)
      lu.assertEquals(m:ask "win.iis.get('Shop').bindings[2].ssl_flags", 1)
    end
    function test_iis_6_says_why()
      local m = machine "2003"
      m:code("win.iis.move('Shop', '*:8080:', 8081)", all):exits(0)
      local r = m:code("win.iis.start('Shop', {timeout = 1})", all):exits(6)
      lu.assertStrContains(r.error.hint, "error 32")
      lu.assertNil(m:ask "win.iis.get('Shop').bindings[2].ssl_flags")
    end
    function test_the_service_starts_what_it_can()
      local m = machine "2019"
      m:code("win.scm.stop 'W3SVC'", all):exits(0)
      lu.assertEquals(m:ask "win.iis.get('Shop').state", "unknown")
      m.sites.Shop.bindings[1] = "http *:8081:"
      m:code("win.scm.start 'W3SVC'", all):exits(0)
      lu.assertEquals(m:ask "win.iis.get('Shop').state", "stopped")
      m:code("win.process.stop(win.tcp.listeners(8081)[1].pid) win.scm.restart 'W3SVC'", all):exits(0)
      lu.assertEquals(m:ask "win.iis.get('Shop').state", "started")
      m:code("win.iis.stop 'Shop' win.scm.restart 'W3SVC'", all):exits(0)
      lu.assertEquals(m:ask "win.iis.get('Shop').state", "stopped")
    end
  ]==], 0)
  check_passed(by_name, {"test_moving_there", "test_iis_6_says_why", "test_the_service_starts_what_it_can"})
end

function T:test_tasks_events_and_programs()
  local by_name = run_tests([==[
    function test_tasks()
      for _, windows in ipairs {"2003", "2022"} do
        local m = test.machine {windows = windows}
        local create = [[print(win.task.create("Nightly", {program = "C:\\x.exe", at = "startup"}))]]
        lu.assertStrContains(m:code(create, {allow = "task"}):exits(0).output, "true")
        lu.assertStrContains(m:code(create, {allow = "task"}):exits(0).output, "false")
        lu.assertEquals(m:ask "win.task.get('Nightly')".actions[1].program, "C:\\x.exe")
        m:undo():exits(0)
        lu.assertEquals(m.tasks, {})
      end
    end
    function test_tasks_made_by_hand()
      for _, windows in ipairs {"2003", "2022"} do
        local m = test.machine {windows = windows, tasks = {Old = {
          program = "C:\\old.exe", arguments = "a & b", description = "d", triggers = {{type = "time", every = 3600}}, enabled = false,
        }}}
        local row = m:ask "win.task.get 'old'"
        lu.assertEquals({row.path, row.state, row.description, row.actions, row.triggers}, {
          "\\Old", "disabled", "d", {{program = "C:\\old.exe", arguments = "a & b"}}, {{type = "time", every = 3600, begins = "2000-01-01T00:00:00"}},
        })
        m:code("win.task.delete 'Old'", {allow = "task"}):exits(0)
        m:undo():exits(0)
        lu.assertEquals(m:ask "win.task.get 'Old'.state", "disabled")
      end
    end
    function test_events()
      local m = test.machine {events = {{source = "Old", log = "System", id = 7, level = "error", strings = {"before"}}}}
      m:code("win.event.write {text = 'hello', kind = 'failure'}", {allow = "event.entry"}):exits(0)
      lu.assertEquals({m.events[2].level, m.events[2].strings}, {"error", {"hello"}})
      lu.assertEquals(m:ask "win.event.read('System')[1].strings[1]", "before")
      m:code("win.event.register 'Mine'", {allow = "event.source"}):exits(0)
      lu.assertEquals(m:ask "win.event.source('Mine').log", "Application")
    end
    function test_programs()
      local m = test.machine {programs = {["netsh.exe"] = {code = 1, stdout = "no", takes = 5}}}
      local r = m:code("require 'p80'.report(win.process.run {program = 'netsh.exe'})", {allow = "process.run"}):exits(0)
      lu.assertEquals({r.result.code, r.result.stdout, m.clock}, {1, "no", 5.0})
      lu.assertStrContains(m:code("win.process.run {program = 'cmd.exe'}", {allow = "process.run"}):exits(1).error.message, "Not modelled: what 'C:")
      lu.assertEquals(m:code("win.process.run {program = 'x.exe'}", {allow = "process.run"}):exits(1).error.code, 2)
    end
    function test_a_watch_sees_what_happens_meanwhile()
      local m = test.machine {services = {Phoenix = {state = "running", failure = {actions = {{action = "restart", delay = 5}}}}}}
      local r = m:code([[
        win.process.stop(win.scm.get("Phoenix").pid)
        local seen = {}
        for event in win.scm.watch("Phoenix", {timeout = 10}) do seen[#seen + 1] = event.state end
        require "p80".report(seen)]], {allow = "process.state"}):exits(0)
      lu.assertEquals(r.result, {"running"})
    end
  ]==], 0)
  check_passed(by_name, {"test_tasks", "test_tasks_made_by_hand", "test_events", "test_programs", "test_a_watch_sees_what_happens_meanwhile"})
end

function T:test_commands_and_help_on_a_machine()
  local by_name = run_tests([[
    function test_help()
      for _ = 1, 3 do
        lu.assertStrContains(test.machine {}:run("free80.lua", {"--help"}):exits(0).output, "--port")
        test.machine {}:code("print(win.scm.get 'HTTP'.state)"):exits(0)
      end
    end
    function test_undo_of_nothing() lu.assertNotEquals(test.machine {}:undo().exit, 0) end
  ]], 0)
  check_passed(by_name, {"test_help", "test_undo_of_nothing"})
end

function T:test_time_is_the_machines_own()
  local by_name = run_tests([[
    function test_json()
      local r = test.machine {}:code("print 'x'; require 'p80'.report(5)", {json = true}):exits(0)
      lu.assertStrContains(r.output, '"result":5')
      lu.assertEquals({r.errors, r.result}, {"x\n", 5})
    end
    function test_clocks()
      local m = test.machine {time = "2024-02-29T23:59:00Z"}
      local r = m:code "local a, b = os.time(), os.clock(); require 'p80'.sleep(7200); require 'p80'.report {os.time() - a, os.clock() - b, os.date '!%Y-%m-%d %H:%M'}"
      lu.assertEquals(r.result, {7200, 7200.0, "2024-03-01 01:59"})
    end
  ]], 0)
  check_passed(by_name, {"test_clocks", "test_json"})
end

function T:test_mistakes_in_a_machine_are_named()
  local by_name = run_tests([[
    local function problem(machine)
      local ok, e = pcall(test.machine, machine)
      lu.assertFalse(ok)
      return tostring(e)
    end
    function test_them()
      lu.assertStrContains(problem {services = {W3SVC = {stat = "running"}}}, "did you mean 'state'")
      local _, e = pcall(function() local _ = test.machine {service = {}} end)
      lu.assertStrMatches(e, "[^\n]*_test%.lua:%d+: .*") -- where it stands
      lu.assertStrContains(problem {services = {W3SVC = {state = "asleep"}}}, "machine.services.W3SVC.state")
      lu.assertStrContains(problem {service = {}}, "did you mean 'services'")
      lu.assertStrContains(problem {services = {X = {listens = {0}}}}, "machine.services.X.listens[1].port")
      lu.assertStrContains(problem {services = {X = {urls = {"ftp://x"}}}}, "machine.services.X.urls[1]")
      lu.assertStrContains(problem {sites = {X = {}}}, "W3SVC")
      lu.assertStrContains(problem {windows = "eleven"}, "machine.windows")
      lu.assertStrContains(problem {registry = {["SOFTWARE\\X"] = {}}}, "machine.registry")
    end
    -- What is wrong, with the field that is named and the near word.
    local function wrong(field, meant, machine)
      local text = problem(machine)
      lu.assertStrContains(text, "'" .. field .. "'")
      if meant then lu.assertStrContains(text, ("did you mean '%s'?"):format(meant)) end
    end
    local function service(settings) return {services = {Web = settings}} end
    local function site(settings) return {services = {W3SVC = {}}, sites = {X = settings, Y = {id = 7}}} end
    function test_services()
      wrong("machine.services.Web.state", "running", service {state = "runing"})
      wrong("machine.services.Web.type", "own_process", service {type = "own_proces"})
      wrong("machine.services.Web.type", nil, service {type = 5})
      wrong("machine.services.Web.pid", nil, service {pid = "77"})
      wrong("machine.services.Web.dependencies", nil, service {dependencies = "HTTP"})
      wrong("machine.services.Web.accepts[1]", "stop", service {accepts = {"stopp"}})
      wrong("machine.services.Web.failure.action", "actions", service {failure = {action = {}}})
      wrong("machine.services.Web.failure.actions[1].action", "restart", service {failure = {actions = {{action = "restrt"}}}})
      wrong("machine.services.Web.children[1].pth", "path", service {children = {{pth = "x"}}})
      wrong("machine.services.Web.listens[1].adress", "address", service {listens = {{port = 80, adress = "0.0.0.0"}}})
      wrong("machine.services.Web.listens[1].address", nil, service {listens = {"1.2.3:80"}})
      wrong("machine.services.Web.listens[1].pid", nil, service {listens = {{port = 80, pid = 99}}})
      wrong("machine.services.Web.start_fails.servce", "service", service {start_fails = {servce = 5}})
      wrong("machine.services.Web", nil, {services = {Web = {}, WEB = {}}})
      wrong("a name in machine.services", nil, {services = {["a/b"] = {}}})
      wrong("a name in machine.services", nil, {services = {"Web"}})
      wrong("machine.services.HTTP.state", nil, {services = {HTTP = {}, Web = {state = "running", urls = {"http://+:80/"}}}})
      wrong("machine.processes[2].pid", nil, {processes = {{pid = 8, name = "a"}, {pid = 8, name = "b"}}})
      wrong("machine.processes", nil, {processes = {web = {}}})
    end
    function test_the_rest()
      wrong("machine.registry[HKLM\\X].a.type", "dword", {registry = {["HKLM\\X"] = {a = {type = "dwrd", value = 5}}}})
      wrong("machine.registry[HKLM\\X].a.value", nil, {registry = {["HKLM\\X"] = {a = {type = "dword", value = "5"}}}})
      wrong("machine.registry[HKLM\\X].a.typ", "type", {registry = {["HKLM\\X"] = {a = {typ = "dword", value = 5}}}})
      wrong("a name in machine.registry", "HKLM", {registry = {["HKML\\X"] = {}}})
      wrong("machine.http.iplisten[1]", nil, {http = {iplisten = {"localhost"}}})
      wrong("machine.http.urlacl[http://+:80/x]", nil, {http = {urlacl = {["http://+:80/x"] = "nonsense"}}})
      wrong("machine.http.sslcert[0.0.0.0:443].hsh", "hash", {http = {sslcert = {["0.0.0.0:443"] = {hsh = ""}}}})
      wrong("machine.http.timeout.idle_connecton", "idle_connection", {http = {timeout = {idle_connecton = 5}}})
      wrong("machine.sites.X.binding", "bindings", site {binding = {}})
      wrong("machine.sites.X.bindings[1]", nil, site {bindings = {"80"}})
      wrong("machine.sites[Y].id", nil, site {id = 7})
      wrong("machine.accounts.x", nil, {accounts = {x = "nobody"}})
      wrong("machine.tasks.X.prgram", "program", {tasks = {X = {prgram = "x"}}})
      wrong("machine.tasks[X].program", nil, {tasks = {X = {}}})
      wrong("machine.tasks[X].triggers[1].type", nil, {tasks = {X = {program = "x", triggers = {{type = "idle"}}}}})
      wrong("machine.events[1].level", "warning", {events = {{source = "x", level = "warnin"}}})
      wrong("a name in machine.files", nil, {files = {["x.txt"] = "x"}})
      wrong("machine.programs[x.exe].stdot", "stdout", {programs = {["x.exe"] = {stdot = ""}}})
      wrong("machine.time", nil, {time = "yesterday"})
      wrong("machine.architecture", "x64", {architecture = "x46"})
      wrong("machine.excluded[1]", nil, {excluded = {{90, 80}}})
      wrong("machine.connections[1].remote_port", nil, {connections = {{local_address = "::1", local_port = 5, remote_address = "::1"}}})
    end
  ]], 0)
  check_passed(by_name, {"test_them", "test_services", "test_the_rest"})
end

function T:test_forms_of_the_report()
  case.write("good_test.lua", "function test_good() end")
  case.write("bad_test.lua", HEAD .. "function test_bad() lu.fail 'on purpose' end")
  lu.assertStrContains(case.exits(case.p80 {"test", case.folder}, 1).stdout, "on purpose")
  lu.assertStrContains(case.exits(case.p80 {"test", case.path "good_test.lua"}, 0).stdout, "OK")
  local tap = case.exits(case.p80 {"test", "--tap", case.folder}, 1).stdout
  lu.assertStrContains(tap, "1..2")
  lu.assertStrContains(tap, "not ok 1")
  case.exits(case.p80 {"test", "--junit", case.path "report.xml", case.folder}, 1)
  lu.assertStrContains(case.read(case.path "report.xml"), "on purpose")
  case.exits(case.p80 {"test", "--pattern", "good", case.folder}, 0)
end

function T:test_what_is_no_test()
  lu.assertStrContains(case.exits(case.p80 {"test", case.folder}, 2).stderr, "no tests")
  lu.assertStrContains(case.exits(case.p80 {"test", case.path "nowhere"}, 2).stderr, "nowhere")
  lu.assertStrContains(case.exits(case.p80 {"test", "--nonsense"}, 2).stderr, "--help")
  lu.assertEquals(case.exits(case.p80 {"--json", "test", case.folder}, 2).json.exit, 2)
  case.write("broken_test.lua", "function test_x(")
  lu.assertStrContains(case.exits(case.p80 {"test", case.folder}, 2).stderr, "broken_test.lua:1")
  lu.assertStrContains(case.exits(case.p80 {"help", "test"}, 0).stdout, "--junit")
end

-- ---- --model ----

local WEB <const> = [[return {services = {Web = {state = "running", start = "auto", listens = {80}}}}]]

function T:test_a_script_on_a_modelled_machine()
  local model = case.write("web.lua", WEB)
  local done = case.exits(case.p80 {"--model", model, "free80.lua"}, 0)
  lu.assertStrContains(done.stdout, "IPv4 free, IPv6 free")
  lu.assertStrContains(done.stdout, "service Web: state: running -> stopped")
  lu.assertEquals(case.read(model), WEB)
  lu.assertStrContains(done.stderr, "p80: 1 change on the modelled machine.")
  lu.assertNil((done.stdout .. done.stderr):find "p80 undo") -- that would be a run of this machine
  lu.assertNil(case.p80 {"--json", "--model", model, "free80.lua"}.json.run)
  lu.assertNil(case.files(case.state .. "\\runs"))
  local code = case.p80 {"--model", model, "-e", "print(win.scm.get('Web').state, #win.tcp.listeners(80))"}
  lu.assertStrContains(case.exits(code, 0).stdout, "running\t1")
end

function T:test_bundled_playbooks_run_on_it()
  local model = case.write("web.lua", WEB)
  lu.assertStrContains(case.exits(case.p80 {"--model", model, "report"}, 0).stdout, "Web.exe")
  lu.assertStrContains(case.exits(case.p80 {"--model", model, "watch", "--for", "1h"}, 0).stderr, "watching 1 binding")
end

function T:test_check_shows_what_the_machine_would_look_like()
  local model = case.write("web.lua", WEB)
  local planned = case.exits(case.p80 {"--check", "--model", model, "free80.lua", "--persist"}, 3)
  lu.assertStrContains(planned.stdout, "--check: 2 changes would be made")
  lu.assertStrContains(planned.stdout, "service Web: start: auto -> demand, state: running -> stopped")
  lu.assertStrContains(planned.stdout, "tcp 0.0.0.0:80: removed")
  local document = case.exits(case.p80 {"--json", "--check", "--model", model, "free80.lua"}, 3).json
  lu.assertEquals({document.check, document.changed}, {true, 1})
  lu.assertStrContains(table.concat(document.afterwards, "\n"), "tcp 0.0.0.0:80: removed")
  lu.assertStrContains(case.exits(case.p80 {"--model", model, "free80.lua", "--port", "81"}, 0).stdout, "stays as it was")
end

function T:test_what_is_no_machine()
  lu.assertStrContains(case.exits(case.p80 {"--model", case.path "none.lua", "free80.lua"}, 2).stderr, "none.lua")
  local evil = case.write("evil.lua", "return {name = os.getenv 'PATH'}")
  lu.assertStrContains(case.exits(case.p80 {"--model", evil, "free80.lua"}, 2).stderr, "evil.lua:1")
  local model = case.write("web.lua", WEB)
  for _, command in ipairs {"policy", "test", "capture"} do
    lu.assertStrContains(case.exits(case.p80 {"--model", model, command}, 1).stderr, "about this machine")
  end
end
