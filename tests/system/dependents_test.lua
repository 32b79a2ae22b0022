-- build: shim
-- arch: x64
-- Stopping HTTP with what depends on it: named before, stopped in order, journaled, and exactly that taken back.
-- Dependencies, 1051, 1068 and a driver that stops are the shim's (tests/shims/scm.c): Wine only stores them.
local lu = require "luaunit"
local case = require "case"
local json = require "dkjson"

local T = case.suite "Dependents"

local SCM = {P80_SHIM_SCM = "1", P80_SHIM_TCP_OWNER = "1"}
local HANGS = {P80_SHIM_SCM = "1", P80_SHIM_TCP_OWNER = "1", P80_SHIM_HTTP_STOP = "hang"}
local STUCK = [[HKLM\SYSTEM\p80-test-http-is-stopping]] -- what the shim remembers about a driver that hangs

-- A program that is no service holds port 80 through HTTP.SYS. Two services need HTTP, one of them is needed by a
-- third; a fourth needs HTTP, too, but does not run.
local function scene()
  case.holder {"--http", "http://+:80/"}
  case.wait_http(80)
  case.service {name = "WebLog", args = {"--tcp", "8101"}, dependencies = {"HTTP"}}
  case.service {name = "WebShop", args = {"--tcp", "8102"}, dependencies = {"HTTP"}}
  case.service {name = "ShopQueue", args = {"--tcp", "8103"}, dependencies = {"WebShop"}}
  case.service {name = "Idle", args = {"--tcp", "8104"}, dependencies = {"HTTP"}, run = false}
  case.service {name = "Other", args = {"--tcp", "8105"}}
end

local begin, finish = T.setUp, T.tearDown

-- The shim tells of HTTP's state when it is switched on in this process.
function T:setUp()
  begin()
  for name, value in pairs(SCM) do test.setenv(name, value) end
end

function T:tearDown()
  case.reg {"delete", STUCK, "/f"}
  win.scm.config("HTTP", {start = "demand"})
  for name in pairs(SCM) do test.setenv(name, nil) end
  finish()
end

local function run(code, options)
  options = options or {}
  local call = {"--allow", "scm.*", "-e", code, env = options.env or SCM, timeout = options.timeout}
  for i, word in ipairs(options) do table.insert(call, i, word) end
  return case.p80(call)
end

local function free80(options)
  options.env = options.env or SCM
  table.insert(options, 1, "free80.lua")
  return case.p80(options)
end

local NAMES = {"HTTP", "WebLog", "WebShop", "ShopQueue", "Idle", "Other"}

local function states()
  local all = {}
  for _, name in ipairs(NAMES) do all[name] = win.scm.get(name).state end
  return all
end

local RUNNING = {HTTP = "running", WebLog = "running", WebShop = "running", ShopQueue = "running", Idle = "stopped",
  Other = "running"}
local STOPPED = {HTTP = "stopped", WebLog = "stopped", WebShop = "stopped", ShopQueue = "stopped", Idle = "stopped",
  Other = "running"}

-- The labels of the changes that a run's journal announces, in order.
local function journaled(run)
  local labels = {}
  for line in case.read(("%s\\runs\\%06d.jsonl"):format(case.state, run)):gmatch "[^\n]+" do
    local record = json.decode(line)
    if record.kind then labels[#labels + 1] = record.kind .. " " .. record.label end
  end
  return labels
end

local function position(list, text)
  for i, item in ipairs(list) do
    if item == text then return i end
  end
  lu.fail(("'%s' is not among %s"):format(text, table.concat(list, ", ")))
end

-- Every service is stopped before the one that it needs.
local function assert_order(labels, prefix)
  lu.assertEquals(#labels, 4, table.concat(labels, ", "))
  local function at(name) return position(labels, prefix .. name) end
  lu.assertTrue(at "ShopQueue" < at "WebShop", table.concat(labels, ", "))
  lu.assertEquals(at "HTTP", 4, table.concat(labels, ", "))
  at "WebLog"
end

function T:test_the_plan_names_all_that_it_takes_down_and_changes_nothing()
  scene()
  local planned = case.exits(free80 {"--up-to", "stop", "--check"}, 3)
  for _, name in ipairs {"HTTP", "WebLog", "WebShop", "ShopQueue"} do
    lu.assertStrContains(planned.stdout, ("scm.state %s: state: running -> stopped"):format(name))
  end
  local took = planned.stdout:match "stop HTTP with its dependents, which takes down ([^\r\n]*)"
  lu.assertNotNil(took, case.describe(planned))
  for _, name in ipairs {"WebLog", "WebShop", "ShopQueue"} do lu.assertStrContains(took, name) end
  for _, name in ipairs {"Idle", "Other"} do lu.assertNotStrContains(planned.stdout, name) end
  lu.assertEquals(states(), RUNNING)
  lu.assertNil(case.files(case.state .. "\\runs"))
  local rows = free80({"--up-to", "stop", "--check", "--json"}).json.result.steps
  table.sort(rows[1].took_down)
  lu.assertEquals(rows[1].took_down, {"ShopQueue", "WebLog", "WebShop"})
end

function T:test_free80_without_up_to_names_the_dependents_and_stops_none()
  scene()
  local refused = case.exits(free80 {}, 1)
  lu.assertStrContains(refused.stdout, "--up-to stop")
  for _, name in ipairs {"WebLog", "WebShop", "ShopQueue"} do lu.assertStrContains(refused.stdout, name) end
  lu.assertEquals(states(), RUNNING)
end

function T:test_free80_up_to_stop_and_undo()
  scene()
  local done = case.exits(free80 {"--up-to", "stop"}, 0)
  lu.assertStrContains(done.stdout, "IPv4 free, IPv6 free")
  lu.assertEquals(states(), STOPPED)
  lu.assertEquals(case.bind(80), "ok")
  assert_order(journaled(1), "scm.state ")
  lu.assertEquals(free80({"--up-to", "stop", "--json"}).json.changed, 0)
  local undone = case.exits(case.p80 {"undo", "--json", env = SCM}, 0).json
  local order = {}
  for i, change in ipairs(undone.changes) do order[i] = change.label end
  lu.assertEquals(order[1], "HTTP")
  lu.assertTrue(position(order, "WebShop") < position(order, "ShopQueue"))
  lu.assertEquals(#order, 4)
  lu.assertEquals(states(), RUNNING)
end

function T:test_without_dependents_1051_names_them()
  scene()
  local result = case.exits(run 'win.scm.stop("HTTP")', 1)
  lu.assertStrContains(result.stderr, "1051 ERROR_DEPENDENT_SERVICES_RUNNING")
  lu.assertStrContains(result.stderr, "dependents=true")
  for _, name in ipairs {"WebLog", "WebShop", "ShopQueue"} do lu.assertStrContains(result.stderr, "'" .. name .. "'") end
  for _, name in ipairs {"Idle", "Other"} do lu.assertNotStrContains(result.stderr, name) end
  lu.assertEquals(states(), RUNNING)
end

function T:test_stop_restart_and_their_idempotence()
  scene()
  local restarted = case.exits(run('print(win.scm.restart("HTTP", {dependents = true}))', {"--json"}), 0).json
  lu.assertEquals(#restarted.changes, 8)
  lu.assertEquals(states(), RUNNING)
  local stopped = case.exits(run('require "p80".report {{win.scm.stop("HTTP", {dependents = true})},'
    .. ' {win.scm.stop("HTTP", {dependents = true})}}', {"--json"}), 0).json
  local changed, names = table.unpack(stopped.result[1])
  lu.assertEquals({changed, stopped.result[2]}, {true, {false, {}}})
  names[#names + 1] = "HTTP"
  assert_order(names, "")
  local order = {}
  for i, change in ipairs(stopped.changes) do order[i] = change.label end
  assert_order(order, "")
  lu.assertEquals(states(), STOPPED)
  case.exits(case.p80 {"undo", env = SCM}, 0)
  lu.assertEquals(states(), RUNNING)
end

-- What fails half-way says how far it came, and what to do now.
function T:test_a_failure_half_way_says_how_to_go_on()
  scene()
  local function failing(name, code)
    return {P80_SHIM_SCM = "1", P80_SHIM_TCP_OWNER = "1", P80_SHIM_FAIL = ("%s:%s"):format(name, code)}
  end
  local result = case.exits(run('win.scm.stop("WebShop", {dependents = true})', {env = failing("ControlService", "2:5")}), 5)
  lu.assertStrContains(result.stderr, "ShopQueue is stopped by now: the same call goes on, or `p80 undo` takes it back")
  lu.assertEquals({win.scm.get("ShopQueue").state, win.scm.get("WebShop").state}, {"stopped", "running"})
  case.exits(run 'win.scm.stop("WebShop", {dependents = true})', 0)
  case.exits(run 'win.scm.start "ShopQueue"', 0)
  result = run('win.scm.restart("WebShop", {dependents = true})', {env = failing("StartServiceW", "2:1069")})
  lu.assertStrContains(result.stderr, "1069")
  lu.assertStrContains(result.stderr, "ShopQueue is stopped, WebShop is stopped, WebShop is running by now: win.scm.start goes on")
  case.exits(run 'win.scm.start "ShopQueue"', 0)
end

function T:test_each_dependent_needs_its_grant()
  scene()
  local result = case.exits(case.p80 {"--allow", "scm.state:HTTP", "--allow", "scm.state:Web*", "-e",
    'win.scm.stop("HTTP", {dependents = true})', env = SCM}, 4)
  lu.assertStrContains(result.stderr, "scm.state:ShopQueue")
  lu.assertEquals(win.scm.get("HTTP").state, "running")
  lu.assertEquals(win.scm.get("ShopQueue").state, "running")
end

function T:test_what_needs_a_disabled_service_does_not_start()
  scene()
  case.exits(run 'win.scm.stop("HTTP", {dependents = true}) win.scm.config("HTTP", {start = "disabled"})', 0)
  local result = case.exits(run 'win.scm.start("ShopQueue")', 1)
  lu.assertStrContains(result.stderr, "1068 ERROR_SERVICE_DEPENDENCY_FAIL")
  lu.assertStrContains(result.stderr, "'HTTP', which is disabled")
  result = case.exits(run 'win.scm.start("HTTP")', 1)
  lu.assertStrContains(result.stderr, "1058 ERROR_SERVICE_DISABLED")
  lu.assertEquals(states(), STOPPED)
  case.exits(case.p80 {"undo", env = SCM}, 0)
  lu.assertEquals(states(), RUNNING)
  lu.assertEquals(win.scm.get("HTTP").start, "demand")
end

function T:test_a_driver_that_hangs_is_named_at_the_deadline()
  scene()
  local result = case.exits(run('win.scm.stop("HTTP", {dependents = true, timeout = 1})', {env = HANGS}), 6)
  lu.assertStrContains(result.stderr, "scm.stop 'HTTP'")
  lu.assertStrContains(result.stderr, "still stop_pending")
  lu.assertTrue(result.seconds < 10, case.describe(result))
  assert_order(journaled(1), "scm.state ")
  local expected = {HTTP = "stop_pending"}
  for _, name in ipairs(NAMES) do expected[name] = expected[name] or STOPPED[name] end
  lu.assertEquals(states(), expected)
  local undone = case.p80 {"undo", "--timeout", "1", env = HANGS}
  lu.assertEquals(undone.code, 6, case.describe(undone)) -- nothing that needs HTTP can start now
  lu.assertStrContains(undone.stdout, "HTTP")
  lu.assertEquals(states(), expected)
end

function T:test_free80_says_that_the_driver_hangs()
  scene()
  local result = case.exits(free80 {"--up-to", "stop", "--timeout", "1", env = HANGS}, 6)
  lu.assertStrContains(result.stdout, "stop HTTP with its dependents")
  lu.assertStrContains(result.stdout, "the port is still held")
  lu.assertStrContains(result.stderr, "HTTP")
  lu.assertNotEquals(case.bind(80), "ok")
end

function T:test_what_can_be_stopped_is_not_disabled()
  scene()
  case.exits(free80 {"--up-to", "disable"}, 0)
  lu.assertEquals({win.scm.get("HTTP").start, states()}, {"demand", STOPPED})
end

function T:test_disabled_for_good_with_persist_and_undo_brings_start_back()
  scene()
  local planned = case.exits(free80 {"--up-to", "disable", "--persist", "--check"}, 3)
  lu.assertStrContains(planned.stdout, "scm.config HTTP: start: demand -> disabled")
  lu.assertEquals(win.scm.get("HTTP").start, "demand")
  case.exits(free80 {"--up-to", "disable", "--persist"}, 0)
  lu.assertEquals({win.scm.get("HTTP").start, states()}, {"disabled", STOPPED})
  lu.assertEquals(case.bind(80), "ok")
  case.exits(case.p80 {"undo", env = SCM}, 0)
  lu.assertEquals({win.scm.get("HTTP").start, states()}, {"demand", RUNNING})
end

function T:test_up_to_disable_with_a_dependent_that_does_not_let_itself_be_stopped()
  scene()
  local env = {P80_SHIM_FAIL = "ControlService:1+:1052"}
  for name, value in pairs(SCM) do env[name] = value end
  local result = case.exits(free80 {"--up-to", "disable", "--timeout", "1", "--json", env = env}, 3010)
  lu.assertEquals({win.scm.get("HTTP").start, states()}, {"disabled", RUNNING})
  lu.assertStrContains(result.json.result.steps[1].problem, "1052")
end

function T:test_persist_names_what_would_start_the_service_again()
  case.service {name = "Web", start = "auto", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  case.service {name = "Front", start = "auto", args = {"--tcp", "8101"}, dependencies = {"Web"}}
  case.service {name = "Later", args = {"--tcp", "8102"}, dependencies = {"Web"}}
  local result = case.exits(free80 {"--persist"}, 0)
  lu.assertStrContains(result.stdout, "Windows starts Web together with what needs it: Front starts by itself")
  lu.assertEquals(win.scm.get("Web").start, "demand")
end

function T:test_persist_names_the_triggers_that_would_start_the_service()
  case.service {name = "Web", start = "auto", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  local function triggered_by(type, action)
    local trigger = ('{type = "%s", action = "%s", subtype = "first_ip_address_arrival"}'):format(type, action)
    case.exits(run(('win.scm.config("Web", {triggers = {%s}})'):format(trigger)), 0)
    return free80({"--persist", "--check"}).stdout
  end
  lu.assertStrContains(triggered_by("ip_address", "start"), "Windows also starts Web on triggers (ip_address)")
  lu.assertNotStrContains(triggered_by("ip_address", "stop"), "on triggers")
end

function T:test_up_to_disable_with_a_driver_that_hangs_asks_for_a_restart()
  scene()
  local result = case.exits(free80 {"--up-to", "disable", "--timeout", "1", "--json", env = HANGS}, 3010)
  lu.assertTrue(result.json.restart_needed)
  lu.assertFalse(result.json.result.free)
  lu.assertEquals(win.scm.get("HTTP").start, "disabled")
  lu.assertStrContains(table.concat(result.json.result.advice, "\n"), "restart Windows")
  lu.assertNotEquals(case.bind(80), "ok")
end
