-- arch: x64
-- not hardened: hundreds of cores open and close here, each of which the page heap makes a hundred times as dear
-- engine/core/service_host.lua in a simulated time: when it runs its playbook, and what it tells.
local lu = require "luaunit"
local fakecore = require "fakecore"

TestService = {}

-- Runs a service for `given.seconds` of simulated time. given.at: {[second] = function(world)}; given.run(n, world) ->
-- exit code, changed; given.takes: seconds of a run. Returns the world: {now=, runs={seconds}, events={{kind, text}}, lines={}}.
local function simulate(given)
  local world = {now = 1000, runs = {}, events = {}, lines = {}, listeners = {}, services = {}, wall = 0}
  local due = {}
  for second in pairs(given.at or {}) do due[#due + 1] = second end
  table.sort(due)
  local function pass(seconds)
    world.now = world.now + seconds
    while due[1] and due[1] <= world.now - 1000 do given.at[table.remove(due, 1)](world) end
  end
  local machine = {
    host = {version = function() return {major = 6} end},
    process = {
      join = win.process.join,
      run = function(spec)
        world.line = spec.line
        world.runs[#world.runs + 1] = world.now - 1000
        pass(given.takes or 0.05)
        local exit, changed = 0, 0
        if given.run then exit, changed = given.run(#world.runs, world) end
        local document = ('{"changed":%d,"changes":[],"error":{"message":"broken"}}'):format(changed or 0)
        return "ended", exit, document, ""
      end,
    },
    tcp = {list = function()
      local rows = {}
      for port in pairs(world.listeners) do
        rows[#rows + 1] = {family = "ipv4", local_address = "0.0.0.0", local_port = port, pid = 4}
      end
      return rows
    end},
    scm = {list = function()
      if world.no_scm then error("the SCM is away", 0) end
      local rows = {}
      for name, pid in pairs(world.services) do rows[#rows + 1] = {name = name, pid = pid, state = "running"} end
      return rows
    end},
    reg = {exists = function() return false end},
  }
  local core = fakecore.open {win = machine}
  core.x = setmetatable({clock = function() return world.now end}, {__index = test.x})
  core.open = function() end
  core.log_event = function(_, kind, text)
    if world.no_event_log then error("the event log is full", 0) end
    world.events[#world.events + 1] = {kind, text}
  end
  local host = setmetatable({
    now = function() return tostring(world.wall) end,
    log = function(text) world.lines[#world.lines + 1] = text end,
    store = setmetatable({home = function() return "C:\\none" end, busy = function() return false end}, {__index = core.host.store}),
    service = {
      begin = function() return false, 42 end,
      finish = function(code) world.code = code end,
      wait = function(seconds)
        assert(seconds >= 0)
        pass(seconds)
        return world.now - 1000 >= given.seconds
      end,
    },
  }, {__index = core.host})
  local settings = {name = "s", script = "x", words = {"a b"}, options = {"--verbose"}, watch = {"tcp:80", "services"}, recover = "report", gap = 1}
  world.exit = host.chunk "service_host"(core, host)(settings)
  function world.count(kind)
    local n = 0
    for _, event in ipairs(world.events) do n = n + (event[1] == kind and 1 or 0) end
    return n
  end
  function world.lines_with(part)
    local n = 0
    for _, line in ipairs(world.lines) do n = n + (line:find(part, 1, true) and 1 or 0) end
    return n
  end
  return world
end

function TestService:test_it_runs_once_and_then_only_looks()
  local world = simulate {seconds = 3600}
  lu.assertEquals({#world.runs, world.count "start", world.count "done", world.code, world.exit}, {1, 1, 1, 0, 0})
  lu.assertStrContains(world.line, '" --json --stop-event 42 --verbose x -- "a b"')
end

function TestService:test_a_listener_or_a_service_leads_to_one_run_within_moments()
  local world = simulate {seconds = 600, at = {
    [10] = function(w) w.listeners[80] = true end, [100] = function(w) w.services.W3SVC = 8 end,
    [200] = function(w) w.services.W3SVC = 9 end, [300] = function(w) w.listeners, w.services = {}, {} end,
  }}
  lu.assertEquals(#world.runs, 4)
  for i, expected in ipairs {0, 10, 100, 200} do
    lu.assertTrue(world.runs[i] >= expected and world.runs[i] <= expected + 2.2, world.runs[i])
  end
  lu.assertEquals(world.lines_with "pid 4 listens on port 80", 1)
end

function TestService:test_a_run_that_changed_something_is_followed_by_one_more()
  local world = simulate {seconds = 600, run = function() return 0, 1 end}
  lu.assertEquals({#world.runs, world.count "change"}, {2, 2})
end

function TestService:test_what_changes_during_a_run_leads_to_exactly_one_more()
  local at = {}
  for second = 1, 20 do at[second] = function(w) w.listeners[80], w.services.A = second % 2 == 1 or nil, second end end
  local world = simulate {seconds = 600, takes = 30, at = at}
  lu.assertEquals(#world.runs, 2)
end

function TestService:test_flapping_is_answered_with_pauses_and_told_once()
  local at = {}
  for second = 10, 3600 do at[second] = function(w) w.services.Flapping = second end end
  local world = simulate {seconds = 7200, at = at, run = function(n) return 0, n % 2 end}
  lu.assertTrue(#world.runs > 12 and #world.runs < 50, #world.runs)
  local pauses = {}
  for i = 2, #world.runs do
    pauses[i - 1] = world.runs[i] - world.runs[i - 1]
    lu.assertTrue(pauses[i - 1] >= 1 and pauses[i - 1] <= 303, pauses[i - 1]) -- no run follows another at once, nor is one given up
  end
  lu.assertTrue(pauses[4] < 5 and math.max(table.unpack(pauses)) > 299, table.concat(pauses, " "))
  lu.assertEquals({world.count "flapping", world.count "calm"}, {1, 1})
  lu.assertTrue(world.count "change" <= 6, world.count "change")
end

function TestService:test_failures_are_retried_ever_more_slowly_and_told_once()
  local world = simulate {seconds = 86400, run = function(_, w) return w.now < 80000 and 1 or 0, 0 end}
  lu.assertTrue(#world.runs > 100 and #world.runs < 300, #world.runs)
  lu.assertEquals({world.count "failure", world.count "done"}, {1, 2}) -- "works again", and the end
  lu.assertStrContains(world.events[3][2], "it works again after")
  world = simulate {seconds = 60, run = function() return 4 end}
  lu.assertEquals({world.count "refusal", world.count "failure"}, {1, 0})
  world = simulate {seconds = 60, run = function() return 3010, 1 end}
  lu.assertEquals(world.count "restart", 2)
  world = simulate {seconds = 60, run = function() return 1, 1 end}
  lu.assertEquals(world.lines_with "broken; changed before: ", #world.runs)
end

function TestService:test_a_run_that_ends_with_the_service_is_no_failure()
  local world = simulate {seconds = 10, takes = 20, run = function() return 1 end}
  lu.assertEquals({#world.runs, world.count "failure", world.lines_with "it was stopped in the middle", world.exit}, {1, 0, 1, 0})
end

function TestService:test_the_clock_of_the_wall_does_not_matter()
  local at = {[10] = function(w) w.listeners[80] = true end}
  for second = 1, 600, 7 do at[second] = at[second] or function(w) w.wall = w.wall - 86400 end end
  local ostime = os.time
  os.time = function() return ostime() - math.random(0, 1000000) end
  local world = simulate {seconds = 600, at = at}
  os.time = ostime
  lu.assertEquals(#world.runs, 2)
  lu.assertTrue(world.runs[2] <= 12.2)
end

function TestService:test_the_scm_and_the_event_log_may_be_away()
  local world = simulate {seconds = 600, at = {
    [10] = function(w) w.no_scm = true end, [60] = function(w) w.listeners[80] = true end,
    [300] = function(w) w.no_scm = nil end,
  }}
  lu.assertEquals(#world.runs, 3) -- at start, for the listener, and when services can be seen again
  lu.assertEquals({world.lines_with "cannot watch services", world.lines_with "services can be watched again"}, {1, 1})
  world = simulate {seconds = 60, at = {[1] = function(w) w.no_event_log = true end}, run = function() return 0, 1 end, takes = 2}
  lu.assertEquals({#world.runs, world.count "change", world.lines_with "the event log cannot be written"}, {2, 0, 1})
end

function TestService:test_memory_stays_flat_over_many_changes()
  local at, sizes = {}, {}
  for n = 1, 500 do at[n * 400] = function(w) w.listeners[80] = n % 2 == 1 or nil end end
  local world = simulate {seconds = 201000, at = at, run = function(n, w)
    w.lines, w.events = {}, {}
    collectgarbage()
    sizes[n] = collectgarbage "count"
    return 0
  end}
  lu.assertEquals(#world.runs, 251)
  lu.assertTrue(sizes[250] - sizes[50] < 8, sizes[250] - sizes[50]) -- KiB
end

-- ---- Privileges ----

function TestService:test_grants_need_privileges()
  local core = fakecore.open {}
  local privileges_of = core.host.chunk "service_privileges"(core)
  local all = {"SeImpersonate", "SeBackup", "SeRestore", "SeTakeOwnership", "SeSecurity", "SeShutdown"}
  for _, row in ipairs {
    {{}}, {{"scm.state", "scm.config", "reg.value", "reg.key", "file.write", "task", "http.*", "iis.*", "event.*", "tcp.connection"}},
    {{"process.state:notepad.exe"}, "SeDebug"}, {{"process.s*"}, "SeDebug"}, {{"reg.save"}, "SeBackup"},
    {{"reg.s*"}, "SeBackup", "SeRestore", "SeTakeOwnership"}, {{"reg.*:HKLM\\SOFTWARE\\*"}, "SeBackup", "SeRestore", "SeTakeOwnership"},
    {{"REG.HIVE"}, "SeBackup", "SeRestore"}, {{"*.security"}, "SeRestore", "SeTakeOwnership", "SeSecurity"},
    {{"scm.*"}, "SeSecurity", "SeShutdown"}, {{"scm.details:W3SVC"}, "SeShutdown"}, {{"process.run"}, table.unpack(all)},
    {{"reg.save", "scm.security"}, "SeBackup", "SeSecurity"}, {{"*"}, "SeDebug", table.unpack(all)},
    {{"*:W3SVC"}, "SeDebug", table.unpack(all)},
  } do
    local expected = {"SeChangeNotifyPrivilege"}
    for i = 2, #row do expected[i] = row[i] .. "Privilege" end
    lu.assertEquals(privileges_of(row[1]), expected, table.concat(row[1], " "))
  end
end

function TestService:test_the_manual_names_the_privileges_of_every_kind()
  local core = fakecore.open {}
  local privileges_of, documented = core.host.chunk "service_privileges"(core), {}
  for privilege, kinds in require "manual".read "docs/startup.md":gmatch "\n| `(Se%a+)` | ([^\n]*) |" do
    for _, kind in ipairs(core.grants.kinds()) do
      documented[kind] = documented[kind] or {}
      if kinds:find("`" .. kind .. "`", 1, true) or kinds:find "^always" then table.insert(documented[kind], privilege) end
    end
  end
  for _, kind in ipairs(core.grants.kinds()) do lu.assertItemsEquals(privileges_of {kind}, documented[kind], kind) end
end
