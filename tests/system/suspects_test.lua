-- build: shim
-- arch: x64
-- Whom free80 takes for the one behind HTTP.SYS where URLs are not known, what proves it, and what becomes of services
-- that were stopped on suspicion.
local lu = require "luaunit"
local case = require "case"
local owners = require "owners"
local free80, wait_queues = owners.free80, owners.wait_queues

local T = owners.suite "Suspects"

local function wait_held(family) case.wait_held(80, family) end
local function running(name) return test.service_state(name) == 4 end

-- ---- Proof ----

-- The kernel listens, and a service uses HTTP.SYS: that proves nothing when what listens does not answer as HTTP.SYS.
function T:test_an_unknown_driver_is_not_blamed_on_who_uses_http_sys()
  case.service {name = "Innocent", args = {"--http", "http://+:8080/"}}
  wait_queues(1)
  case.holder {"--tcp", "80", "--kernel", "--reply", "iis"}
  case.holder {"--tcp", "445", "--kernel", "--reply", "apache"}
  for _, port in ipairs {"80", "445"} do
    for _, words in ipairs {{"--check"}, {"--up-to", "disable", "--kill"}} do
      local result = case.exits(free80({"--port", port, table.unpack(words)}), 1)
      lu.assertStrContains(result.stdout, "an unknown kernel listener (System)")
      lu.assertStrContains(result.stdout, "request queues are with service Innocent")
      lu.assertStrContains(result.stdout, "\n  none")
      lu.assertTrue(running "Innocent")
    end
  end
end

-- The admin may know better; if not, the service runs again afterwards.
function T:test_service_names_one_where_nothing_proves_http_sys()
  case.service {name = "Innocent", args = {"--http", "http://+:8080/"}}
  wait_queues(1)
  case.holder {"--tcp", "80", "--kernel"}
  local result = case.exits(free80 {"--service", "Innocent", "--timeout", "1"}, 1)
  lu.assertStrContains(result.stdout, "1. stop service Innocent (it may be the one): the port is still held")
  lu.assertStrContains(result.stdout, "2. start service Innocent again")
  lu.assertTrue(running "Innocent")
end

-- HTTP.SYS itself says that the port is its own: then the only one that uses it is the one. Its answers on Windows, and
-- on an address of its own, are the fixture's (tests/fixtures/holder.c).
function T:test_an_answer_of_http_sys_is_proof()
  for reply, proof in pairs {httpapi = "Microsoft-HTTPAPI/2.0", iis6 = "Bad Request (Invalid Verb)", headless = "Bad Request - Invalid Verb"} do
    local name = "Web-" .. reply
    case.service {name = name, args = {"--http", "http://+:8081/", "--tcp", "80", "--kernel", "--reply", reply, "--address", "127.0.0.7"}}
    wait_held()
    wait_queues(1)
    local planned = case.exits(free80 {"--check", "--json"}, 3).json.result
    local holder = planned.before.holders[1]
    lu.assertEquals({holder.kind, holder.certain, holder.proof}, {"http", true, proof})
    lu.assertEquals(planned.steps[1].what, "stop service " .. name)
    case.exits(free80 {}, 0)
    lu.assertEquals(case.bind(80), "ok")
  end
end

-- Who speaks TLS does not answer plain text; HTTP.SYS then has a certificate for the port.
function T:test_a_certificate_for_the_port_is_evidence()
  case.service {name = "Shop", args = {"--http", "http://+:8081/", "--tcp", "443", "--kernel", "--reply", "iis"}}
  case.wait_held(443)
  wait_queues(1)
  local env = {P80_SHIM_HTTP_CONFIG = "1"}
  local result = case.exits(free80({"--port", "443", "--up-to", "stop", "--check"}, env), 1)
  lu.assertStrContains(result.stdout, "an unknown kernel listener")
  local bind = [[win.http.sslcert.add("0.0.0.0:443", {hash = ("ab"):rep(20), appid = "{4dc3e181-e14b-4a21-b022-59fc669b0914}"})]]
  case.exits(case.p80 {"--allow", "http.*", "-e", bind, env = env}, 0)
  case.later(function() case.p80 {"--allow", "http.*", "-e", 'win.http.sslcert.delete "0.0.0.0:443"', env = env} end)
  result = case.exits(free80({"--port", "443", "--check"}, env), 3)
  lu.assertStrContains(result.stdout, "HTTP.SYS (it has a certificate for ipport=0.0.0.0:443), most likely for service Shop")
  lu.assertStrContains(result.stdout, "stop service Shop (it may be the one)")
end

-- netsh does not show the URL of a group without a queue: HTTP.SYS itself is asked, as where there is no netsh.
function T:test_netsh_without_a_url_on_the_port_proves_nothing_against_http_sys()
  case.service {name = "Web", args = {"--http", "http://+:80/"}}
  local pid = case.service_running "Web"
  case.wait_http(80)
  local text = "Request queue name: Web\n    Version: 2.0\n    Process IDs:\n        %d\n    Registered URLs:\n        HTTP://+:8081/\n"
  case.fake_netsh(text:format(pid))
  local result = case.exits(free80 {"--check", "--json", "--up-to", "iplisten"}, 3).json.result
  local holder = result.before.holders[1]
  lu.assertEquals({holder.kind, holder.source, holder.certain, #holder.processes}, {"http", "netsh", false, 1})
  lu.assertEquals(result.steps[1].what, "stop service Web (it may be the one)")
  lu.assertStrContains(table.concat(result.advice, "\n"), "(all of its ports), which takes down Web")
end

-- Without elevation p80 sees the queues of its own user alone.
function T:test_without_elevation_the_only_one_may_not_be_the_only_one()
  case.service {name = "Web", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  local result = case.exits(free80({"--check", "--json"}, {P80_SHIM_UNELEVATED = "1"}), 3).json.result
  lu.assertEquals({result.before.holders[1].certain, result.before.holders[1].hidden}, {false, true})
  lu.assertEquals(result.steps[1].what, "stop service Web (it may be the one)")
  local text = free80({"--check"}, {P80_SHIM_UNELEVATED = "1"}).stdout
  lu.assertStrContains(text, "the only process with a request queue that p80 can see")
end

function T:test_known_owners_come_with_their_own_remedy()
  case.service {name = "PeerDistSvc", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  lu.assertStrContains(free80({"--check"}).stdout, "BranchCache: stop the service, or set ListenPort")
end

-- ---- Services stopped on suspicion ----

-- A service that uses HTTP.SYS on `port` only, and one that needs it.
local function innocent(name, port)
  case.service {name = name, args = {"--http", ("http://+:%d/"):format(port)}}
  case.service {name = name .. "Log", args = {"--tcp", tostring(port + 100)}, dependencies = {name}}
end

-- A service that has a request queue and a port of the kernel.
local function culprit(name, port, ...)
  case.service {name = name, args = {"--http", ("http://+:%d/"):format(port), "--tcp", "80", "--kernel", "--reply", "httpapi", ...}}
end

local function whats(result)
  local lines = {}
  for i, step in ipairs(result.json.result.steps) do lines[i] = step.what end
  return lines
end

function T:test_an_innocent_service_runs_again_in_the_end()
  innocent("Innocent", 8080)
  wait_queues(1)
  culprit("Web", 8090)
  wait_held()
  wait_queues(2)
  local result = case.exits(free80 {"--json"}, 0)
  lu.assertEquals(whats(result), {"stop service Innocent (it may be the one)", "stop service Web (it may be the one)",
    "start service Innocent again"})
  lu.assertEquals(result.json.result.steps[1].freed, false)
  lu.assertEquals({running "Innocent", running "InnocentLog", running "Web", case.bind(80)}, {true, true, false, "ok"})
  local undone = case.exits(case.p80 {"undo", "--json", env = owners.SHIM}, 0).json
  lu.assertEquals({#undone.changes, undone.changes[1].label}, {1, "Web"}) -- the others are as they were
  lu.assertTrue(running "Innocent" and running "InnocentLog" and running "Web")
end

function T:test_when_none_of_them_was_it_all_run_again()
  innocent("First", 8080)
  innocent("Second", 8090)
  wait_queues(2)
  case.holder {"--tcp", "80", "--kernel", "--reply", "httpapi"}
  local result = case.exits(free80 {"--timeout", "2", "--json"}, 1)
  lu.assertEquals(#result.json.result.steps, 4)
  for _, name in ipairs {"First", "FirstLog", "Second", "SecondLog"} do lu.assertTrue(running(name), name) end
end

-- They need HTTP, which was to be disabled.
function T:test_suspects_stay_stopped_when_http_is_disabled()
  innocent("Innocent", 8080)
  wait_queues(1)
  case.holder {"--tcp", "80", "--kernel", "--reply", "httpapi"}
  case.later(function()
    case.reg {"delete", [[HKLM\SYSTEM\p80-test-http-is-stopping]], "/f"}
    win.scm.config("HTTP", {start = "demand"})
  end)
  local result = case.exits(free80({"--up-to", "disable", "--timeout", "1", "--json"}, {P80_SHIM_HTTP_STOP = "hang"}), 3010)
  lu.assertEquals(whats(result), {"stop service Innocent", "stop HTTP with its dependents", "disable HTTP (Start=4)"})
  lu.assertFalse(running "Innocent")
end

-- The first takes the port again when it runs again: both had it.
function T:test_two_that_hold_it_both_stay_stopped()
  culprit("Four", 8080)
  wait_queues(1)
  culprit("Six", 8090, "--family", "6")
  wait_held(6)
  wait_queues(2)
  local result = case.exits(free80 {"--persist", "--json"}, 0)
  lu.assertEquals(whats(result), {"stop service Four (it may be the one)", "stop service Six (it may be the one)",
    "start service Four again", "stop service Four"})
  lu.assertEquals({running "Four", running "Six", case.bind(80, 4), case.bind(80, 6)}, {false, false, "ok", "ok"})
end

function T:test_one_that_does_not_start_again_is_a_failure()
  innocent("Innocent", 8080)
  wait_queues(1)
  culprit("Web", 8090)
  wait_held()
  wait_queues(2)
  local result = free80({"--json"}, {P80_SHIM_FAIL = "StartServiceW:1:1069"})
  lu.assertEquals({result.code, result.json.error.code, result.json.result.free}, {1, 1069, false})
  lu.assertStrContains(table.concat(result.json.result.advice, "\n"), "run p80 again to go on")
  lu.assertFalse(running "Innocent")
end

