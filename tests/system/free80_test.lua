-- free80.lua against real services and processes that hold real ports.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Free80"

local function free80(...) return case.p80 {"free80.lua", ...} end

local function free80_json(...)
  local result = case.p80 {"--json", "free80.lua", ...}
  lu.assertNotNil(result.json, case.describe(result))
  return result.json.result, result
end

-- The whole story with a service: found, planned, freed, proved, idempotent, taken back.
local function story(options)
  case.service(options)
  options.ready()
  local name, port = options.name, tostring(options.port)
  local planned = case.exits(free80("--port", port, "--check"), 3)
  lu.assertStrContains(planned.stdout, name)
  lu.assertTrue(case.service_running(name) and true)
  lu.assertNotEquals(case.bind(options.port), "ok")
  lu.assertNil(case.files(case.state .. "\\runs"))
  local done = case.exits(free80("--port", port), 0)
  lu.assertStrContains(done.stdout, "stop service " .. name)
  lu.assertStrContains(done.stdout, "IPv4 free, IPv6 free")
  lu.assertStrContains(done.stdout, "p80 undo 1")
  lu.assertEquals(case.bind(options.port), "ok")
  lu.assertEquals(test.service_state(name), 1)
  local again = case.exits(case.p80 {"--json", "free80.lua", "--port", port}, 0).json
  lu.assertEquals({again.changed, again.result.free, #again.result.steps}, {0, true, 0})
  case.exits(case.p80 {"undo"}, 0)
  options.ready()
  lu.assertNotEquals(case.bind(options.port), "ok")
end

function T:test_service_behind_http_sys()
  story {name = "WebShop", port = 80, args = {"--http", "http://+:80/"}, ready = function() case.wait_http(80) end}
end

function T:test_service_with_a_name_and_path_that_are_not_ascii()
  local folder = case.path "Bücher 本"
  assert(lfs.mkdir(folder))
  local program = folder .. "\\Händler.exe"
  case.write(program, case.read(test.bin .. "holder.exe"))
  story {name = "Größe_本", port = 80, program = program, args = {"--http", "http://+:80/ä/"},
    ready = function() case.wait_held(80) end}
end

function T:test_plain_winsock_service()
  story {name = "Sock", port = 80, args = {"--tcp", "80"}, ready = function() case.wait_held(80) end}
end

function T:test_exclusive_winsock_service_on_another_port()
  story {name = "Other", port = 8081, args = {"--tcp", "8081", "--exclusive"},
    ready = function() case.wait_held(8081) end}
end

function T:test_http_service_names_its_evidence()
  case.service {name = "WebShop", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  local found = free80_json "--check"
  lu.assertEquals(found.before.holders[1].kind, "http")
  lu.assertEquals(found.before.holders[1].processes[1].services, {"WebShop"})
  lu.assertEquals({found.free, found.port}, {true, 80})
end

function T:test_a_free_port_stays_as_it_is()
  local result = case.exits(free80(), 0)
  lu.assertStrContains(result.stdout, "free")
  lu.assertNil(case.files(case.state .. "\\runs"))
  case.exits(free80 "--check", 0)
end

function T:test_a_process_that_is_no_service_is_ended_only_with_kill()
  local holder = case.holder {"--tcp", "80"}
  local result = case.exits(free80(), 1)
  lu.assertStrContains(result.stdout, "--kill")
  lu.assertStrContains(result.stdout, "holder.exe")
  lu.assertNotEquals(case.bind(80), "ok")
  case.exits(free80("--check", "--kill"), 3)
  lu.assertNotEquals(case.bind(80), "ok")
  lu.assertNotStrContains(case.exits(free80 "--kill", 0).stdout, "take back")
  lu.assertEquals(case.bind(80), "ok")
  lu.assertNotNil(holder:wait(5))
  lu.assertStrContains(case.exits(case.p80 {"undo"}, 1).stdout, "cannot be taken back")
  lu.assertStrContains(case.exits(case.p80 {"undo"}, 1).stderr, "nothing to take back")
  lu.assertStrContains(case.p80({"runs"}).stdout, "cannot be taken back")
  lu.assertStrContains(case.exits(case.p80 {"undo", "1"}, 1).stderr, "Nothing takes back what run 1 did; run 2 has tried.")
end

function T:test_a_process_behind_http_sys_is_named_and_ended_with_kill()
  case.holder {"--http", "http://+:80/"}
  case.wait_http(80)
  lu.assertStrContains(case.exits(free80(), 1).stdout, "holder.exe")
  case.exits(free80 "--kill", 0)
  lu.assertEquals(case.bind(80), "ok")
end

function T:test_a_service_that_ignores_stop_is_named_with_its_process()
  case.service {name = "Stuck", args = {"--tcp", "80", "--ignore-stop"}}
  case.wait_held(80)
  local _, pid = test.service_state "Stuck"
  local result = case.exits(free80("--timeout", "2"), 6)
  lu.assertStrContains(result.stderr, "Stuck")
  lu.assertNotStrContains(result.stderr, "traceback")
  lu.assertStrContains(result.stdout, ('-e "win.process.stop(%d)"` ends its process'):format(pid))
  lu.assertStrContains(result.stderr, tostring(pid))
  lu.assertStrContains(result.stdout, "IPv4 in use")
  local planned = case.exits(case.p80 {"--json", "free80.lua", "--check", "--timeout", "0.5"}, 6).json -- it still stops
  lu.assertEquals({planned.failed, planned.error.code, planned.result.free, planned.changed}, {true, 1460, false, 0})
  lu.assertStrContains(planned.result.steps[1].problem, "Stuck")
end

function T:test_a_service_that_stops_slowly_is_waited_for()
  case.service {name = "Slow", args = {"--tcp", "80", "--slow-stop", "2"}}
  case.wait_held(80)
  lu.assertStrContains(case.exits(free80("--move-to", "8080"), 0).stdout, "there is nothing to move")
  lu.assertTrue(test.service_delete "Slow")
  lu.assertStrContains(case.exits(case.p80 {"undo", "--force"}, 1).stdout, "the service is not there any more")
  lu.assertEquals(case.bind(80), "ok")
end

function T:test_persist_keeps_the_service_from_starting_and_undo_brings_it_back()
  case.service {name = "Auto", start = "auto", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  lu.assertStrContains(case.exits(free80("--persist", "--check"), 3).stdout, "start: auto -> demand")
  case.exits(free80 "--persist", 0)
  lu.assertEquals(win.scm.get("Auto").start, "demand")
  case.exits(case.p80 {"undo"}, 0)
  lu.assertEquals(win.scm.get("Auto").start, "auto")
  case.wait_http(80)
end

function T:test_move_alone_stops_nothing()
  case.service {name = "WebShop", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  local result = case.exits(case.p80 {"--json", "free80.lua", "--up-to", "move"}, 1).json
  lu.assertTrue(result.failed)
  local advice = table.concat(result.result.advice, "\n")
  lu.assertStrContains(advice, "no running site of IIS is bound to port 80")
  lu.assertStrContains(advice, "--up-to service")
  lu.assertTrue(case.service_running "WebShop" and true)
end

function T:test_wrong_arguments()
  for _, words in ipairs {{"--port", "0"}, {"--port", "65536"}, {"--port", "1.5"}, {"--port", "80 "}, {"--port", "4294967376"},
    {"--up-to", "everything"}, {"--timeout", "-5"}, {"--prot", "80"}, {"80"}} do
    local result = case.exits(free80(table.unpack(words)), 2)
    lu.assertStrContains(result.stderr, "free80")
  end
end

-- ---- A service whose child holds the port (nssm and the like) ----

function T:test_a_child_of_a_service()
  story {name = "Wrapper", port = 80, args = {"--child", "--tcp", "80"},
    ready = function() case.wait_held(80) end}
end

function T:test_a_child_of_a_service_behind_http_sys()
  case.service {name = "Portal", args = {"--child", "--http", "http://+:80/"}}
  case.wait_http(80)
  local result = case.exits(free80 "--check", 3)
  lu.assertStrContains(result.stdout, "service Portal in ")
  lu.assertStrContains(result.stdout, ", whose child ")
  case.exits(free80(), 0)
  lu.assertEquals({test.service_state "Portal", case.bind(80)}, {1, "ok"})
end

-- A service whose children go on without it, until the test ends: the one that holds the port, and one of a service that
-- was started again, which would take the port as soon as it is free.
local function orphaning()
  case.later(function()
    for _, row in ipairs(win.process.list()) do
      if row.name == "holder.exe" then test.kill(row.pid) end
    end
    case.wait("the port", function() return case.bind(80) == "ok" end)
  end)
  case.service {name = "Wrapper", args = {"--orphan", "--tcp", "80", "--seconds", "60"}}
  case.wait_held(80)
end

-- The service was stopped in vain, so that it runs again; --kill ends the child.
function T:test_a_child_that_survives_its_service()
  orphaning()
  local result = case.exits(free80("--timeout", "1"), 1)
  lu.assertStrContains(result.stdout, "is its child): the port is still held")
  lu.assertStrContains(result.stdout, "start service Wrapper again")
  lu.assertStrContains(result.stdout, "--kill ends it")
  lu.assertTrue(case.service_running "Wrapper" and true)
end

function T:test_a_child_that_survives_its_service_is_ended_with_kill()
  orphaning()
  local found = case.exits(case.p80 {"--json", "free80.lua", "--kill", "--timeout", "2"}, 0).json.result
  lu.assertEquals(#found.steps, 2, require "dkjson".encode(found))
  lu.assertTrue(found.steps[2].freed)
  lu.assertEquals({test.service_state "Wrapper", case.bind(80)}, {1, "ok"})
end

-- A service that started p80 itself is the admin's way in (sshd, an agent), and no reason for what its children do.
function T:test_the_service_that_p80_runs_under_is_not_stopped()
  local out = case.path "out.json"
  local line = ([[cmd.exe /c ping -n 2 127.0.0.1 > NUL & %s --json --state %s free80.lua --check > %s]]):format(test.p80, case.state, out)
  case.service {name = "Agent", args = {"--child", "--tcp", "80", "--run", line}}
  local found = case.wait("p80's result", function()
    return lfs.attributes(out, "size") and require "dkjson".decode(case.read(out))
  end)
  lu.assertEquals({found.exit, found.result.before.holders[1].kind, found.changed}, {1, "process", 0})
end

-- ---- What is said ----

function T:test_a_run_that_changed_nothing_says_so()
  lu.assertStrContains(case.exits(free80(), 0).stderr, "nothing had to change")
  case.holder {"--tcp", "80"}
  lu.assertNotStrContains(case.exits(free80(), 1).stderr, "nothing had to change")
end

function T:test_wrong_arguments_have_a_code_of_their_own()
  local result = case.exits(case.p80 {"--json", "free80.lua", "--prot", "80"}, 2)
  lu.assertEquals(result.json.error.name, "P80_BAD_ARGUMENTS")
  for word, text in pairs {["-port"] = "did you mean '--port'?", ["-prot=80"] = "did you mean '--port'?",
    ["-json"] = "did you mean '--json'?", ["--version"] = "`p80 help free80` that of the playbook"} do
    lu.assertStrContains(case.exits(free80(word), 2).stderr, text)
  end
end
