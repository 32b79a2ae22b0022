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
    ready = function() case.wait("http", function() return case.bind(80) ~= "ok" end) end}
end

function T:test_plain_winsock_service()
  story {name = "Sock", port = 80, args = {"--tcp", "80"}, ready = function() case.wait("the port", function() return case.bind(80) ~= "ok" end) end}
end

function T:test_exclusive_winsock_service_on_another_port()
  story {name = "Other", port = 8081, args = {"--tcp", "8081", "--exclusive"},
    ready = function() case.wait("the port", function() return case.bind(8081) ~= "ok" end) end}
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
  case.exits(free80 "--kill", 0)
  lu.assertEquals(case.bind(80), "ok")
  lu.assertNotNil(holder:wait(5))
  lu.assertStrContains(case.exits(case.p80 {"undo"}, 1).stdout, "cannot be taken back")
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
  case.wait("the port", function() return case.bind(80) ~= "ok" end)
  local _, pid = test.service_state "Stuck"
  local result = case.exits(free80("--timeout", "2"), 6)
  lu.assertStrContains(result.stderr, "Stuck")
  lu.assertStrContains(result.stderr, tostring(pid))
  lu.assertStrContains(result.stdout, "IPv4 in use")
end

function T:test_a_service_that_stops_slowly_is_waited_for()
  case.service {name = "Slow", args = {"--tcp", "80", "--slow-stop", "3"}}
  case.wait("the port", function() return case.bind(80) ~= "ok" end)
  case.exits(free80(), 0)
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
  local result = case.exits(free80("--up-to", "move"), 1)
  lu.assertStrContains(result.stdout, "--up-to")
  lu.assertTrue(case.service_running "WebShop" and true)
end

function T:test_wrong_arguments()
  for _, words in ipairs {{"--port", "0"}, {"--port", "65536"}, {"--port", "1.5"}, {"--port", "80 "}, {"--port", "4294967376"},
    {"--up-to", "everything"}, {"--timeout", "-5"}, {"--prot", "80"}, {"80"}} do
    local result = case.exits(free80(table.unpack(words)), 2)
    lu.assertStrContains(result.stderr, "free80")
  end
end
