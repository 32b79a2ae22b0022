-- build: shim
-- arch: x64
-- Who holds a port, by family and by owner, where Wine alone does not tell: IPv6, pid 4, shared processes, nobody.
local lu = require "luaunit"
local case = require "case"
local owners = require "owners"
local free80, wait_queues = owners.free80, owners.wait_queues

local T = owners.suite "Families"

-- Says whom the shim shows as the owner of port 80.
local function set_owner(pid) case.reg {"add", owners.KEY, "/v", "80", "/t", "REG_DWORD", "/d", tostring(pid), "/f"} end

local function held(family) return case.bind(80, family) ~= "ok" end
local function wait_held(family) case.wait_held(80, family) end
local function running(name) return test.service_state(name) == 4 end

-- free80 changes nothing and says `texts`, whatever it is allowed.
local function touches_nothing(texts, env)
  for _, words in ipairs {{}, {"--kill"}, {"--up-to", "disable", "--kill", "--timeout", "0.2"}, {"--check", "--up-to", "disable", "--kill"}} do
    local result = case.exits(free80(words, env), 1)
    for _, text in ipairs(texts) do lu.assertStrContains(result.stdout, text) end
    lu.assertStrContains(result.stdout, "\n  none")
    lu.assertNil(case.files(case.state .. "\\runs"))
  end
end

-- ---- Families ----

function T:test_a_service_on_ipv6_only()
  case.service {name = "Six", args = {"--tcp", "80", "--family", "6"}}
  wait_held(6)
  local planned = free80 {"--json", "--check"}
  lu.assertEquals(planned.code, 3)
  local holder = planned.json.result.before.holders[1]
  lu.assertEquals({holder.kind, holder.services, holder.families, holder.pid}, {"service", {"Six"}, {"ipv6"}, case.service_running "Six"})
  local result = case.exits(free80 {}, 0)
  lu.assertStrContains(result.stdout, "(IPv6)")
  lu.assertStrContains(result.stdout, "IPv4 free, IPv6 free")
  lu.assertEquals({case.bind(80, 4), case.bind(80, 6)}, {"ok", "ok"})
end

function T:test_one_service_on_both_families_is_one_holder()
  case.service {name = "Both", args = {"--tcp", "80", "--family", "both"}}
  wait_held(6)
  local holders = free80({"--json", "--check"}).json.result.before.holders
  lu.assertEquals({#holders, holders[1].families}, {1, {"ipv4", "ipv6"}})
  local done = case.exits(free80 {"--json"}, 0).json
  lu.assertEquals({done.changed, done.result.steps[1].freed}, {1, true})
end

function T:test_two_services_on_a_family_each()
  case.service {name = "Four", args = {"--tcp", "80"}}
  case.service {name = "Six", args = {"--tcp", "80", "--family", "6"}}
  wait_held(4)
  wait_held(6)
  local planned = case.exits(free80 {"--check"}, 3)
  for _, text in ipairs {"service Four in ", "(IPv4)", "service Six in ", "(IPv6)", "1. stop service Four", "2. stop service Six"} do
    lu.assertStrContains(planned.stdout, text)
  end
  lu.assertTrue(running "Four" and running "Six")
  local result = case.exits(free80 {"--json"}, 0)
  lu.assertEquals(result.json.changed, 2)
  lu.assertEquals({result.json.result.steps[1].freed, result.json.result.steps[2].freed}, {false, true})
  lu.assertTrue(result.seconds < 10, "it waited in vain for the first to free what the second holds")
  lu.assertEquals({case.bind(80, 4), case.bind(80, 6)}, {"ok", "ok"})
  case.exits(case.p80 {"undo", env = owners.SHIM}, 0)
  lu.assertTrue(running "Four" and running "Six")
  wait_held(6)
end

-- A service that may be stopped beside a program that may not be ended: the service is not stopped for nothing.
function T:test_a_service_and_a_program_on_a_family_each()
  case.service {name = "Four", args = {"--tcp", "80"}}
  local program = case.holder {"--tcp", "80", "--family", "6"}
  wait_held(4)
  for _, words in ipairs {{"--check"}, {"--persist"}} do
    local result = case.exits(free80(words), 1)
    lu.assertStrContains(result.stdout, "\n  none")
    lu.assertStrContains(result.stdout, ("(pid %d) is no service: --kill ends it"):format(program:pid()))
    lu.assertStrContains(result.stdout, "so nothing was done about who else holds the port")
  end
  lu.assertTrue(running "Four" and program:wait(0) == nil)
  case.exits(free80 {"--kill"}, 0)
  lu.assertEquals({case.bind(80, 4), case.bind(80, 6)}, {"ok", "ok"})
end

function T:test_a_program_is_not_ended_beside_a_driver_that_stays()
  local program = case.holder {"--tcp", "80"}
  case.holder {"--tcp", "80", "--family", "6", "--kernel"}
  wait_held(6)
  local result = case.exits(free80 {"--kill"}, 1)
  lu.assertStrContains(result.stdout, "\n  none")
  lu.assertStrContains(result.stdout, "never touches PID 4")
  lu.assertNil(program:wait(0))
end

-- What cannot be known before: the other does not stop. The one that did runs again; with --persist as before.
function T:test_a_service_is_started_again_when_the_other_holder_stays()
  case.service {name = "Four", start = "auto", args = {"--tcp", "80"}}
  case.service {name = "Six", args = {"--tcp", "80", "--family", "6", "--ignore-stop"}}
  wait_held(4)
  wait_held(6)
  local result = case.exits(free80 {"--persist", "--timeout", "1", "--json"}, 6).json.result
  lu.assertEquals({result.steps[1].what, result.steps[2].what, result.steps[3].what, #result.steps},
    {"stop service Four", "stop service Six", "start service Four again", 3})
  lu.assertEquals({running "Four", win.scm.get("Four").start}, {true, "auto"})
end

-- A step that could not be taken changed nothing: there is nothing to take back, and no fault of the script to trace.
function T:test_a_service_that_may_not_be_stopped()
  case.service {name = "Four", args = {"--tcp", "80"}}
  wait_held(4)
  local result = case.exits(free80({}, {P80_SHIM_FAIL = "ControlService:1:5"}), 5)
  for _, text in ipairs {"what was done", "take back", "traceback"} do
    lu.assertNotStrContains(result.stdout .. result.stderr, text)
  end
end

function T:test_a_program_is_not_ended_after_a_service_that_stays()
  local program = case.holder {"--tcp", "80"}
  case.service {name = "Six", args = {"--tcp", "80", "--family", "6", "--ignore-stop"}}
  wait_held(6)
  local result = case.exits(free80 {"--kill", "--timeout", "0.5", "--json"}, 6).json.result
  lu.assertEquals({#result.steps, result.steps[1].what, program:wait(0)}, {1, "stop service Six", nil})
end

-- ---- HTTP.SYS ----

function T:test_pid_4_is_http_sys_for_the_service_behind_it()
  case.service {name = "Web", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  local row = win.tcp.listeners(80)[1]
  lu.assertEquals({row.pid, row.kernel, row.services}, {4, true, {}})
  local holder = free80({"--json", "--check"}).json.result.before.holders[1]
  lu.assertEquals({holder.kind, #holder.processes, holder.processes[1].services}, {"http", 1, {"Web"}})
  case.exits(free80 {}, 0)
  lu.assertFalse(running "Web")
end

function T:test_two_services_behind_http_sys_are_both_named()
  case.service {name = "Shop", args = {"--http", "http://+:80/shop/"}}
  wait_held()
  case.service {name = "Reports", args = {"--http", "http://+:80/reports/"}}
  wait_queues(2)
  local planned = case.exits(free80 {"--check"}, 3)
  for _, name in ipairs {"Shop", "Reports"} do
    lu.assertStrContains(planned.stdout, ("stop service %s (it may be the one)"):format(name))
    lu.assertStrContains(planned.stdout, ("scm.state %s: state: running -> stopped"):format(name))
  end
  lu.assertStrContains(planned.stdout, "nothing here tells which")
  lu.assertTrue(running "Shop" and running "Reports")
end

-- What a stopped service holds until its process ends does not cost an innocent one its life.
function T:test_a_process_that_lingers_is_waited_for_before_the_next_is_stopped()
  case.service {name = "A-Lingers", args = {"--http", "http://+:80/", "--linger", "3"}}
  wait_held()
  case.service {name = "Innocent", args = {"--http", "http://+:8080/"}}
  wait_queues(2)
  local steps = case.exits(free80 {"--json"}, 0).json.result.steps
  lu.assertEquals({steps[#steps].what, steps[#steps].freed}, {"stop service A-Lingers (it may be the one)", true})
end

-- The admin knows which: no other service is touched, be it the first in line or the only one.
function T:test_service_names_the_only_one_that_may_be_stopped()
  case.service {name = "Shop", args = {"--http", "http://+:80/shop/"}}
  wait_held()
  case.service {name = "Reports", args = {"--http", "http://+:80/reports/"}}
  wait_queues(2)
  for _, name in ipairs {"Shop", "Reports"} do
    local planned = case.exits(free80 {"--check", "--json", "--service", name}, 3).json
    lu.assertEquals({#planned.changes, planned.changes[1].label}, {1, name})
  end
  lu.assertStrContains(case.exits(free80 {"--service", "Else"}, 1).stdout, "hosts Shop: say which holds the port")
  lu.assertTrue(running "Shop" and running "Reports")
end

-- Wine 10 gives the process that hosts its drivers as the owner.
function T:test_the_process_that_hosts_drivers_is_not_the_owner()
  case.service {name = "Web", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  local hosts = {}
  for _, process in ipairs(win.process.list()) do
    if process.name:lower() == "winedevice.exe" then hosts[#hosts + 1] = process.pid end
  end
  lu.assertTrue(#hosts > 0)
  for _, pid in ipairs(hosts) do
    set_owner(pid)
    local result = case.exits(free80 {"--json", "--check", "--kill", "--up-to", "service"}, 3)
    local holders = result.json.result.before.holders
    lu.assertEquals({#holders, holders[1].kind, holders[1].processes[1].services}, {1, "http", {"Web"}})
    lu.assertEquals({#result.json.changes, result.json.changes[1].label}, {1, "Web"})
  end
  case.exits(free80 {"--kill"}, 0)
  for _, pid in ipairs(hosts) do lu.assertNotNil(win.process.get(pid)) end
end

-- ---- Nobody to be found ----

function T:test_the_kernel_for_nobody()
  case.holder {"--tcp", "80", "--reply", "iis"}
  set_owner(4)
  touches_nothing {"an unknown kernel listener (System)", "nothing here tells", "never touches PID 4"}
  local advised = case.exits(free80 {"--check"}, 1).stdout:match '`p80 %-e "(.-)"`'
  lu.assertNotEquals(case.exits(case.p80 {"-e", advised}, 0).stdout, "")
  set_owner(0)
  lu.assertStrContains(case.exits(free80 {"--check"}, 1).stdout, "an unknown listener: nobody says whose it is")
  lu.assertTrue(held())
end

function T:test_a_reserved_port()
  touches_nothing({"excluded port range", "excludedportrange"}, {P80_SHIM_FAIL = "bind:1+:10013"})
end

function T:test_a_socket_that_is_in_no_table()
  touches_nothing({"unknown: a socket holds it"}, {P80_SHIM_FAIL = "bind:1+:10048"})
end

-- Windows may refuse a port for the sake of connections whose server is gone; Wine never does.
local KEPT = {P80_SHIM_FAIL = "bind:1+:10048"}

function T:test_connections_that_outlive_their_server()
  local process = case.holder {"--tcp", "80", "--reply", "iis"}
  lu.assertStrContains(test.http_get(80), "400") -- the server ends the connection, which is in TIME_WAIT then
  process:kill()
  process:wait(5)
  local result = case.exits(free80({"--timeout", "0.5"}, KEPT), 1)
  lu.assertStrContains(result.stdout, "connections of a server that is gone: %d in time_wait", true)
  lu.assertStrContains(result.stdout, "They end by themselves")
  lu.assertNil(case.files(case.state .. "\\runs"))
end

function T:test_connections_left_by_a_service_that_was_stopped()
  case.service {name = "Sock", args = {"--tcp", "80", "--reply", "iis"}}
  case.wait("an answer", function() return test.http_get(80) end)
  local result = case.exits(free80({"--timeout", "0.5"}, KEPT), 1)
  lu.assertStrContains(result.stdout, "nobody listens on the port, but connections are left: %d in time_wait", true)
end

function T:test_pids_0_and_4_are_never_ended()
  for _, pid in ipairs {0, 4} do
    for _, words in ipairs {{}, {"--check"}} do
      local result = case.exits(case.p80 {"--allow", "*", "-e", ("win.process.stop(%d)"):format(pid), words[1]}, 5)
      lu.assertStrContains(result.stderr, ("process.stop '%d"):format(pid))
      lu.assertStrContains(result.stderr, "Windows itself")
    end
  end
end

-- ---- Two services in one process ----

function T:test_a_shared_process_asks_for_the_service()
  case.service {name = "Listening", args = {"--tcp", "80"}}
  case.service {name = "Silent", args = {"--tcp", "8101"}}
  wait_held()
  local env = {P80_SHIM_SHARED = "Silent:Listening"}
  for _, words in ipairs {{"--kill"}, {"--check", "--kill"}, {"--service", "Else"}} do
    local result = case.exits(free80(words, env), 1)
    lu.assertStrContains(result.stdout, "hosts Listening, Silent: say which holds the port with --service NAME")
    lu.assertEquals(result.stdout:find("Else is none of them", 1, true) ~= nil, words[3] == "Else")
    lu.assertTrue(running "Listening" and running "Silent")
  end
  case.exits(free80({"--service", "listening"}, env), 0)
  lu.assertEquals({running "Listening", running "Silent", case.bind(80)}, {false, true, "ok"})
end

-- That another service of the process needs HTTP says nothing about a socket that is not HTTP.SYS's.
function T:test_a_shared_process_with_a_socket_of_its_own_is_not_judged_by_http()
  case.service {name = "Listening", args = {"--tcp", "80"}}
  case.service {name = "Silent", args = {"--tcp", "8101"}, dependencies = {"HTTP"}}
  wait_held()
  local result = case.exits(free80({}, {P80_SHIM_SHARED = "Silent:Listening"}), 1)
  lu.assertStrContains(result.stdout, "--service NAME")
  lu.assertTrue(running "Listening" and running "Silent")
end

function T:test_in_a_shared_process_behind_http_sys_the_one_that_needs_http_is_it()
  case.service {name = "Web", args = {"--http", "http://+:80/"}, dependencies = {"HTTP"}}
  case.service {name = "Silent", args = {"--tcp", "8101"}}
  case.wait_http(80)
  case.exits(free80({}, {P80_SHIM_SHARED = "Silent:Web"}), 0)
  lu.assertEquals({running "Web", running "Silent", case.bind(80)}, {false, true, "ok"})
end
