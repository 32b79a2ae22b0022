-- build: shim
-- What plain Wine cannot show of win.http: a configuration that is kept (tests/shims/http_config.c), calls that fail,
-- and handles that never answer.
local lu = require "luaunit"
local case = require "case"
local fakecore = require "fakecore"
local http = win.http

local DENIED, INVALID, NO_MEMORY = 5, 87, 8
local URL = "http://+:80/reports/"

local shim = case.shim
local assert_fails = fakecore.problem

local function hold() return case.holder {"--http", "http://+:18080/"} end

-- One run on the configuration: call.iplisten.add(...) is what win.http.iplisten.add(...) of a playbook comes down to.
local function open_run(files, options)
  local core = fakecore.open {files = files, options = options}
  local run = {core = core}
  for _, subject in ipairs {"iplisten", "urlacl"} do
    run[subject] = setmetatable({}, {__index = function(_, name)
      return function(...) return core.call("http." .. subject .. "." .. name, ...) end
    end})
  end
  return run
end

local function undo(files)
  local report = fakecore.open({files = files}).undo.run()
  lu.assertEquals(report.failed, 0)
end

local Config = case.suite "Config"
local begin = Config.setUp

function Config.setUp()
  begin()
  shim("HTTP_CONFIG", "1")
  hold()
end

function Config.test_addresses()
  local files = {}
  local run = open_run(files)
  lu.assertEquals({run.iplisten.add "127.0.0.1", run.iplisten.add "127.0.0.1"}, {true, false})
  lu.assertEquals({run.iplisten.add "::0001", run.iplisten.add "0::1"}, {true, false})
  lu.assertTrue(run.iplisten.add "0.0.0.0")
  lu.assertEquals({http.iplisten.list()}, {{"127.0.0.1", "::1", "0.0.0.0"}, "api"})
  lu.assertEquals({run.iplisten.delete "0.0.0.0", run.iplisten.delete "0.0.0.0"}, {true, false})
  lu.assertEquals(http.iplisten.list(), {"127.0.0.1", "::1"})
  run.core.finish()
  undo(files)
  lu.assertEquals(http.iplisten.list(), {})
end

function Config.test_either_answer_for_an_empty_list()
  lu.assertEquals(http.iplisten.list(), {})
  test.setenv("P80_SHIM_HTTP_CONFIG", "2")
  lu.assertEquals(http.iplisten.list(), {})
end

function Config.test_a_long_list()
  local run, expected = open_run(), {}
  for i = 1, 70 do
    expected[i] = "10.0.0." .. i
    run.iplisten.add(expected[i])
  end
  lu.assertEquals(http.iplisten.list(), expected)
  for i = 1, 70 do run.iplisten.delete(expected[i]) end
end

-- The reservation of a URL.
local function reserved(url)
  for _, row in ipairs((http.urlacl.list())) do
    if row.url:lower() == url:lower() then return row end
  end
end

function Config.test_reservations()
  local files = {}
  local run = open_run(files)
  lu.assertTrue(run.urlacl.add("HTTP://+:80/reports", {user = "S-1-5-20"}))
  lu.assertFalse(run.urlacl.add(URL, {user = "NT AUTHORITY\\NETWORK SERVICE"}))
  lu.assertFalse(run.urlacl.add("http://+/Reports", {sddl = "D:(A;;0x20000000;;;S-1-5-20)"}))
  local row = reserved(URL)
  lu.assertEquals({row.url, row.sddl, #row.users}, {URL, "D:(A;;GX;;;NS)", 1})
  lu.assertEquals({row.users[1].sid, row.users[1].listen, row.users[1].delegate}, {"S-1-5-20", true, false})
  lu.assertTrue(run.urlacl.add("http://+:80/REPORTS/", {user = "S-1-1-0", delegate = true})) -- replaces it
  lu.assertEquals({reserved(URL).url, reserved(URL).sddl}, {URL, "D:(A;;GA;;;WD)"})
  run.core.finish()
  lu.assertEquals(#run.core.gate.changes(), 2)
  undo(files)
  lu.assertNil(reserved(URL))
end

function Config.test_a_reservation_that_was_there()
  http.urlacl.add(URL, "D:(A;;GX;;;NS)")
  case.later(function() http.urlacl.delete(URL) end)
  for _, change in ipairs {
    function(run) return run.urlacl.delete(URL) end,
    function(run) return run.urlacl.add(URL, {user = "S-1-1-0"}) end,
  } do
    local files = {}
    local run = open_run(files)
    lu.assertTrue(change(run))
    lu.assertFalse(change(run))
    run.core.finish()
    undo(files)
    lu.assertEquals(reserved(URL).sddl, "D:(A;;GX;;;NS)")
  end
end

function Config.test_the_registry_tells_the_same()
  http.urlacl.add(URL, "D:(A;;GX;;;NS)(A;;GA;;;S-1-5-21-1-2-3-1000)")
  http.iplisten.add "127.0.0.1"
  case.later(function()
    http.urlacl.delete(URL)
    http.iplisten.delete "127.0.0.1"
  end)
  local rows, source = http.urlacl.list()
  local addresses = http.iplisten.list()
  lu.assertEquals(source, "api")
  local real = http.is_running
  http.is_running = function() return false end
  case.later(function() http.is_running = real end)
  lu.assertEquals({http.urlacl.list()}, {rows, "registry"})
  lu.assertEquals({http.iplisten.list()}, {addresses, "registry"})
end

function Config.test_check()
  http.iplisten.add "127.0.0.1"
  http.urlacl.add(URL, "D:(A;;GX;;;NS)")
  case.later(function()
    http.iplisten.delete "127.0.0.1"
    http.urlacl.delete(URL)
  end)
  local run = open_run({}, {check = true})
  lu.assertEquals({run.iplisten.delete "127.0.0.1", run.iplisten.delete "127.0.0.1"}, {true, false})
  lu.assertEquals({run.iplisten.add "::1", run.iplisten.add "::1"}, {true, false})
  lu.assertEquals({run.iplisten.list()}, {{"::1"}, "api"})
  lu.assertTrue(run.iplisten.add "127.0.0.1")
  lu.assertTrue(run.urlacl.add(URL, {user = "S-1-1-0"}))
  lu.assertTrue(run.urlacl.add("http://+:81/", {user = "S-1-1-0"}))
  local by_url = {}
  for _, row in ipairs(run.urlacl.list()) do by_url[row.url] = row end
  lu.assertEquals(by_url[URL].sddl, "D:(A;;GX;;;WD)")
  lu.assertEquals(by_url["http://+:81/"].users[1].sid, "S-1-1-0")
  lu.assertEquals(http.iplisten.list(), {"127.0.0.1"})
  lu.assertEquals(reserved(URL).sddl, "D:(A;;GX;;;NS)")
end

function Config.test_a_replacement_that_fails_leaves_the_old_one()
  http.urlacl.add(URL, "D:(A;;GX;;;NS)")
  case.later(function() http.urlacl.delete(URL) end)
  local run = open_run()
  shim("FAIL", "HttpSetServiceConfiguration:1:5")
  assert_fails(DENIED, URL, run.urlacl.add, URL, {user = "S-1-1-0"})
  lu.assertEquals(reserved(URL).sddl, "D:(A;;GX;;;NS)")
  lu.assertEquals(run.core.gate.changes(), {})
end

function Config.test_calls_that_fail()
  local run = open_run()
  for _, wish in ipairs {"HttpInitialize:1+:5", "HttpQueryServiceConfiguration:1+:5"} do
    shim("FAIL", wish)
    lu.assertEquals(select(2, fakecore.failure(http.iplisten.list)).code, DENIED)
    lu.assertEquals(select(2, fakecore.failure(http.urlacl.list)).code, DENIED)
  end
  shim("FAIL", "HttpSetServiceConfiguration:1+:5,HttpDeleteServiceConfiguration:1+:5")
  assert_fails(DENIED, "::1", run.iplisten.add, "::1")
  assert_fails(DENIED, URL, run.urlacl.add, URL, {user = "S-1-1-0"})
  assert_fails(DENIED, "::1", http.iplisten.delete, "::1")
  assert_fails(DENIED, URL, http.urlacl.delete, URL)
  shim("FAIL", "LookupAccountNameW:1+:1722")
  lu.assertEquals(select(2, fakecore.failure(http.urlacl.sddl, {user = "x"})).code, 1722)
end

function Config.test_sessions_are_paired()
  local count = case.path "count.txt"
  local code = "win.http.iplisten.list() win.http.urlacl.list() pcall(win.http.urlacl.list, 1)"
  local result = case.p80 {"-e", code, env = {P80_SHIM_COUNT = count}}
  lu.assertEquals(result.code, 0, case.describe(result))
  local counts = case.read(count)
  lu.assertStrContains(counts, "HttpInitialize 2")
  lu.assertStrContains(counts, "HttpTerminate 2")
end

function Config.test_a_playbook()
  local script = [[
    local changed = win.http.iplisten.add "127.0.0.1"
    local list, source = win.http.iplisten.list()
    print(changed, list[1], source)]]
  local result = case.script(script, {"--check", "--allow", "http.iplisten"})
  case.exits(result, 3)
  lu.assertStrContains(result.stdout, "true\t127.0.0.1\tapi")
  lu.assertEquals(http.iplisten.list(), {})
  case.exits(case.script(script, {"--allow", "http.iplisten"}), 0)
  lu.assertEquals(http.iplisten.list(), {"127.0.0.1"})
  case.exits(case.p80 {"undo"}, 0)
  lu.assertEquals(http.iplisten.list(), {})
  case.exits(case.script(script), 4)
  lu.assertEquals(http.iplisten.list(), {})
end

-- ---- Handles ----

local Holders = case.suite "Holders"

function Holders.test_handles_that_never_answer()
  local process = hold()
  local all = #http.holders()
  lu.assertEquals(all, 1)
  local handles = test.handle_count()
  for n = 1, 3 do
    shim("HANG", ("NtQueryObject:%d"):format(n))
    local began = test.clock()
    local rows, silent = http.holders()
    lu.assertEquals(silent, 1)
    lu.assertTrue(test.clock() - began < 5)
    lu.assertTrue(#rows == 1 and rows[1].pid == process:pid() or n == 1 and #rows == 0)
  end
  lu.assertTrue(test.handle_count() - handles < 6)
end

function Holders.test_none_answers()
  hold()
  shim("HANG", "NtQueryObject:1+")
  local rows, silent = http.holders()
  lu.assertEquals(rows, {})
  lu.assertTrue(silent > 0)
end

function Holders.test_calls_that_fail()
  hold()
  for _, wish in ipairs {"OpenProcess:1+:5", "DuplicateHandle:1+:5", "NtQueryObject:1+:5"} do
    shim("FAIL", wish)
    lu.assertEquals({http.holders()}, {{}, 0}, wish)
  end
  shim("FAIL", "LookupPrivilegeValueW:1+:1313,OpenProcessToken:2+:5")
  lu.assertEquals(#http.holders(), 1) -- Wine lets everybody open everything
  shim("FAIL", "NtQuerySystemInformation:1+:5")
  lu.assertEquals(select(2, fakecore.failure(http.holders)).code, DENIED)
  shim("FAIL", "CreateThread:1+:8")
  lu.assertEquals(select(2, fakecore.failure(http.holders)).code, NO_MEMORY)
  shim("FAIL", "CreateFileW:1+:5") -- then every type of handle is asked
  lu.assertEquals(#http.holders(), 1)
end

-- Windows may forbid to run programs.
function Holders.test_a_netsh_that_does_not_run()
  hold()
  local native = [[C:\windows\sysnative]]
  local folder = lfs.attributes(native, "mode") == "directory" and native or [[C:\windows\system32]]
  case.write(folder .. "\\nshhttp.dll", "")
  case.later(function() os.remove(folder .. "\\nshhttp.dll") end)
  for _, wish in ipairs {"CreateProcessW:1:1260", "CreateNamedPipeW:1:1260"} do
    shim("FAIL", wish)
    local state = http.state()
    lu.assertEquals({state.source, #state.queues}, {"holders", 1})
    lu.assertStrContains(state.reason, "1260")
  end
end

-- ---- The TCP tables ----

local Tables = case.suite "Tables"

function Tables.test_one_call_for_each_family()
  local count = case.path "count.txt"
  for _, rows in ipairs {"10", "100000"} do
    local env = {P80_SHIM_COUNT = count, P80_SHIM_TCP_ROWS = rows}
    local result = case.p80 {"-e", "for i = 1, 3 do n = #win.tcp.list() end print(n)", env = env}
    lu.assertEquals(result.stdout:match "%d+", rows)
    -- A table that does not fit is asked for again, once: the room is remembered.
    local extra = rows == "10" and 0 or 1
    lu.assertStrContains(case.read(count), ("GetExtendedTcpTable %d\n"):format(6 + extra))
  end
end

function Tables.test_rows()
  shim("TCP_ROWS", "5000")
  local rows = win.tcp.list()
  lu.assertEquals(#rows, 5000)
  lu.assertEquals(rows[1], {family = "ipv4", local_address = "0.0.0.0", local_port = 1, state = "listen", pid = 4})
  lu.assertEquals(rows[2], {
    family = "ipv4", local_address = "10.0.0.0", local_port = 2, remote_address = "192.168.158.55", remote_port = 49153,
    state = "established", pid = 8,
  })
  lu.assertEquals(win.tcp.list {port = 2}, {rows[2]})
  lu.assertEquals(win.tcp.list {family = 6}, {})
  lu.assertEquals(#win.tcp.list {state = "time_wait"} + #win.tcp.list {state = "established"} +
    #win.tcp.list {state = "listen"}, 5000)
end

-- Texts of addresses are kept from table to table: first in few places, then in more; 70,000 rows have addresses twice.
function Tables.test_every_row_has_its_own_address()
  for _, rows in ipairs {900, 900, 5000, 70000, 5000} do
    shim("TCP_ROWS", tostring(rows))
    local wrong = {}
    for i, row in ipairs(win.tcp.list()) do
      local host = (i - 1) * 40503 & 0xFFFF
      local expected = row.state ~= "listen" and ("192.168.%d.%d"):format(host >> 8, host & 0xFF) or nil
      if row.remote_address ~= expected then wrong[#wrong + 1] = {i, row.remote_address} end
    end
    lu.assertEquals(wrong, {}, rows)
  end
end

-- The collector may run a finalizer while a table is being read, and that may ask for the table, too.
function Tables.test_a_finalizer_in_the_middle()
  for _, rows in ipairs {1500, 60000} do
    shim("TCP_ROWS", tostring(rows))
    local expected, met = win.tcp.list(), 0
    local function die() met = met + (#win.tcp.list() == rows and 1 or 0) end
    for _ = 1, 4 do
      for _ = 1, 3 do setmetatable({}, {__gc = die}) end
      lu.assertTrue(#win.tcp.list() == rows)
    end
    local again = win.tcp.list()
    for i = 1, rows, 97 do lu.assertEquals(again[i], expected[i]) end
    collectgarbage()
    lu.assertTrue(met >= 3)
  end
end

function Tables.test_calls_that_fail()
  shim("FAIL", "GetExtendedTcpTable:1+:5")
  assert_fails(DENIED, "ipv4", win.tcp.list)
  shim("FAIL", "GetExtendedTcpTable:2:50") -- no IPv6
  lu.assertIsTable(win.tcp.list())
  shim("FAIL", "GetExtendedTcpTable:1:87")
  assert_fails(INVALID, "ipv4", win.tcp.list)
  local env = {P80_SHIM_FAIL = "WSAStartup:1:10091"} -- a process starts Winsock once
  lu.assertStrContains(case.exits(case.p80 {"-e", "win.tcp.probe(18080)", env = env}, 1).stderr, "(10091")
end

function Tables.test_probes()
  local reasons = {
    ["socket:1+:10013"] = {"denied", "denied"}, ["socket:2:10047"] = {"free", "unavailable"},
    ["bind:2:10049"] = {"free", "unavailable"}, ["bind:1:10013"] = {"reserved", "free"},
    ["bind:1+:10013"] = {"reserved", "reserved"}, ["bind:1:10048"] = {"in_use", "free"},
    ["setsockopt:1:10013"] = {"denied", "free"}, ["socket:1+:10047"] = {"unavailable", "unavailable"},
  }
  for wish, expected in pairs(reasons) do
    shim("FAIL", wish)
    local result = win.tcp.probe(18080)
    lu.assertEquals({result.ipv4.reason, result.ipv6.reason}, expected, wish)
    local free = expected[1] == "free" and (expected[2] == "free" or expected[2] == "unavailable")
    lu.assertEquals(result.free, free, wish)
    shim("FAIL", nil)
  end
  shim("FAIL", "bind:1:10055")
  assert_fails(10055, "18080", win.tcp.probe, 18080)
end
