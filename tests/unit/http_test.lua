-- win.http: who holds HTTP.SYS, what netsh says, URLs, and the configuration as far as plain Wine has it.
local lu = require "luaunit"
local case = require "case"
local fakecore = require "fakecore"
local fuzz = require "fuzz"
local http = win.http

local INVALID, DISABLED, NOT_ACTIVE, NONE_MAPPED = 87, 1058, 1062, 1332
local NOT_TAKEN, REFUSED = 0x20000001, 0x20000004
local PORT = 18080

local function failure(f, ...)
  local ok, problem = pcall(f, ...)
  lu.assertFalse(ok)
  lu.assertIsTable(problem, tostring(problem))
  return problem
end

local function assert_fails(code, target, f, ...)
  local problem = failure(f, ...)
  lu.assertEquals(problem.code, code, tostring(problem))
  lu.assertEquals(problem.target, target, tostring(problem))
  return problem
end

local function assert_invalid(target, f, ...) return assert_fails(INVALID, target, f, ...) end

local function http_state() return (test.service_state "http") end

-- Starts HTTP.SYS the way everything does.
local function hold(url)
  return case.holder {"--http", url or ("http://+:%d/"):format(PORT)}
end

-- ---- Nobody has asked for HTTP.SYS yet ----
-- The first suite by name: once started, Wine's HTTP.SYS runs until the machine goes down.

local First = case.suite "AtFirst"

function First.test_reads_do_not_start_it()
  lu.assertEquals(http_state(), 1)
  lu.assertFalse(http.is_running())
  lu.assertEquals(http.state(), {source = "stopped", service = "stopped", queues = {}})
  lu.assertEquals({http.holders()}, {{}, 0})
  lu.assertEquals({http.iplisten.list()}, {{}, "registry"})
  lu.assertEquals({http.urlacl.list()}, {{}, "registry"})
  lu.assertEquals({http.sslcert.list()}, {{}, "registry"})
  lu.assertEquals({http.timeout.get "header_wait"}, {nil, "stopped"})
  lu.assertNil(http.setting.list()[1].value)
  lu.assertNil(http.parameters.get("MaxFieldLength").value)
  lu.assertEquals(http.urls_on(http.state(), 80), {})
  lu.assertEquals(http_state(), 1)
end

local PARAMETERS = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]]

-- A self-relative security descriptor as the registry has them: 01 00 04 80, no owner, an access list for one SID.
local function descriptor(rights, sid)
  local ace = string.pack("<BBI2I4", 0, 0, 8 + #sid, rights) .. sid
  local acl = string.pack("<BBI2I2I2", 2, 0, 8 + #ace, 1, 0) .. ace
  return string.pack("<BBI2I4I4I4I4", 1, 0, 0x8004, 0, 0, 0, 20) .. acl
end
local NETWORK_SERVICE = string.pack("<BB", 1, 1) .. "\0\0\0\0\0\5" .. string.pack("<I4", 20)

function First.test_the_registry()
  local reservations = PARAMETERS .. [[\UrlAclInfo]]
  win.reg.create(PARAMETERS)
  win.reg.create(reservations)
  win.reg.set(PARAMETERS, "ListenOnlyList", {"127.0.0.1", "::0001", "rubbish"}, {type = "multi_sz"})
  local whole = descriptor(0x20000000, NETWORK_SERVICE)
  win.reg.set(reservations, "http://+:80/reports/", whole, {type = "binary"})
  for i = 1, #whole do
    win.reg.set(reservations, ("http://+:80/cut%d/"):format(i), whole:sub(1, i - 1), {type = "binary"})
  end
  win.reg.set(reservations, "http://+:80/far/", (whole:gsub("\x14", "\xF0", 1)), {type = "binary"})
  win.reg.set(reservations, "http://+:80/text/", "D:", {type = "sz"})
  case.later(function() win.reg.delete(PARAMETERS, nil, {tree = true}) end)

  lu.assertEquals(http.iplisten.list(), {"127.0.0.1", "::1", "rubbish"})
  local rows, source = http.urlacl.list()
  lu.assertEquals(source, "registry")
  lu.assertEquals(#rows, #whole + 3)
  for _, row in ipairs(rows) do
    if row.url == "http://+:80/reports/" then
      lu.assertEquals(row.sddl, "D:(A;;GX;;;NS)")
      lu.assertEquals(#row.users, 1)
      lu.assertEquals(row.users[1].sid, "S-1-5-20")
      lu.assertStrContains(row.users[1].name, "NETWORK SERVICE")
      lu.assertTrue(row.users[1].listen)
      lu.assertFalse(row.users[1].delegate)
    else
      lu.assertNil(row.sddl, row.url)
      lu.assertEquals(row.users, {})
    end
  end
  lu.assertEquals(http_state(), 1)
end

local function open_core(options)
  local core, store = fakecore.open {options = options}
  local function call(name) return function(...) return core.call("http." .. name, ...) end end
  return {
    core = core, store = store, add = call "iplisten.add", delete = call "iplisten.delete", list = call "iplisten.list",
    reserve = call "urlacl.add", release = call "urlacl.delete", reserved = call "urlacl.list",
  }
end

function First.test_changes_do_not_start_it()
  local run = open_core()
  for _, options in ipairs {{}, {check = true}} do
    run = open_core(options)
    local problem = assert_fails(NOT_ACTIVE, "HTTP", run.add, "127.0.0.1")
    lu.assertEquals(problem.op, "http.iplisten.add")
    lu.assertStrContains(problem.hint, "win.scm.start")
    assert_fails(NOT_ACTIVE, "HTTP", run.reserve, "http://+:80/x/", {user = "S-1-5-20"})
    assert_fails(NOT_ACTIVE, "HTTP", run.core.call, "http.sslcert.add", "ccs=443", {appid = "4dc3e181-e14b-4a21-b022-59fc669b0914"})
    assert_fails(NOT_ACTIVE, "HTTP", run.core.call, "http.timeout.set", "header_wait", 5)
    assert_fails(NOT_ACTIVE, "HTTP", run.core.call, "http.timeout.delete", "header_wait")
    assert_fails(NOT_ACTIVE, "HTTP", run.core.call, "http.setting.delete", "ssl_throttle")
    lu.assertFalse(run.core.call("http.sslcert.delete", "ccs=443"))
    lu.assertFalse(run.delete "127.0.0.1") -- it is so already
    lu.assertFalse(run.release "http://+:80/x/")
  end
  lu.assertEquals(http_state(), 1)
end

function First.test_changes_of_a_disabled_one()
  win.scm.config("http", {start = "disabled"})
  case.later(function() win.scm.config("http", {start = "demand"}) end)
  assert_fails(DISABLED, "HTTP", open_core().add, "127.0.0.1")
end

function First.test_checking_after_a_planned_start()
  local run = open_core {check = true}
  lu.assertTrue(run.core.call("scm.start", "http"))
  lu.assertTrue(run.add "127.0.0.1")
  lu.assertFalse(run.add "127.0.0.1")
  lu.assertEquals({run.list()}, {{"127.0.0.1"}, "registry"})
  lu.assertTrue(run.delete "127.0.0.1")
  lu.assertEquals(run.list(), {})
  lu.assertTrue(run.reserve("http://+:80/X", {user = "S-1-5-20"}))
  lu.assertFalse(run.reserve("HTTP://+:80/x/", {user = "S-1-5-20"}))
  lu.assertTrue(run.reserve("http://+:80/X/", {user = "S-1-1-0", delegate = true}))
  local rows = run.reserved()
  lu.assertEquals(#rows, 1)
  lu.assertEquals(rows[1].url, "http://+:80/X/")
  lu.assertEquals(rows[1].sddl, "D:(A;;GA;;;WD)")
  lu.assertTrue(rows[1].users[1].delegate)
  lu.assertTrue(run.release "http://+:80/x/")
  lu.assertEquals(run.reserved(), {})
  lu.assertEquals(http_state(), 1)
end

-- ---- While it runs ----

local Holders = case.suite "Holders"

function Holders.test_a_program()
  local process = hold()
  local rows, silent = http.holders()
  lu.assertEquals(silent, 0)
  lu.assertEquals(#rows, 1)
  lu.assertEquals(rows[1].pid, process:pid())
  lu.assertEquals(rows[1].name, "holder.exe")
  lu.assertStrContains(rows[1].path, "holder.exe")
  lu.assertEquals(rows[1].services, {})
  lu.assertEquals(rows[1].objects, {"\\Device\\Http\\ReqQueue"})
  lu.assertTrue(rows[1].queue)
  process:close()
  lu.assertEquals(http.holders(), {})
end

function Holders.test_services()
  case.service {name = "p80-a", args = {"--http", "http://+:18080/"}}
  case.service {name = "p80-b", args = {"--http", "http://+:18081/"}}
  local found = case.wait("both to hold", function()
    local rows = http.holders()
    return #rows == 2 and rows
  end)
  local names = {found[1].services[1], found[2].services[1]}
  table.sort(names)
  lu.assertEquals(names, {"p80-a", "p80-b"})
end

function Holders.test_nothing_stays_open()
  hold()
  http.holders()
  local before = test.handle_count()
  for _ = 1, 20 do http.holders() end
  lu.assertTrue(test.handle_count() - before < 10)
end

function Holders.test_bad_input() assert_invalid("arguments", http.holders, 80) end

local State = case.suite "State"

function State.test_without_netsh()
  local process = hold()
  local state = http.state()
  lu.assertEquals(state.source, "holders")
  lu.assertEquals(state.service, "running")
  lu.assertEquals(state.reason, "this Windows has no netsh http")
  lu.assertEquals(#state.queues, 1)
  lu.assertEquals(state.queues[1].urls, {})
  lu.assertEquals(state.queues[1].processes[1].pid, process:pid())
  lu.assertNil(http.urls_on(state, PORT)) -- not known
end

function State.test_bad_input()
  assert_invalid("arguments", http.state, {}, 1)
  assert_invalid("options", http.state, "session")
  assert_invalid("view", http.state, {view = "sessions"})
  lu.assertEquals(assert_invalid("veiw", http.state, {veiw = "session"}).hint, "did you mean 'view'?")
  assert_invalid("arguments", http.is_running, 1)
  local state = {source = "netsh", queues = {}}
  lu.assertEquals(http.urls_on(state, 80), {})
  for _, port in ipairs {0, 65536, 1.5, "80 "} do assert_invalid("port", http.urls_on, state, port) end
  assert_invalid("state", http.urls_on, "x", 80)
  assert_invalid("state", http.urls_on, {}, 80)
  assert_invalid("arguments", http.urls_on, state)
end

local function fixture(name) return case.read(test.folder .. "\\fixtures\\netsh\\" .. name .. ".txt") end

function State.test_netsh_knows()
  local process = hold()
  local text = fixture("new"):gsub("33704", tostring(process:pid()))
  case.fake_netsh(text)
  local state = http.state()
  lu.assertEquals(state.source, "netsh")
  lu.assertNil(state.reason)
  lu.assertStrMatches(case.read "C:\\netsh-arguments.txt", 'netsh.exe http show servicestate view=requestq')
  local rows = http.urls_on(state, 80)
  lu.assertEquals(#rows, 2)
  lu.assertEquals(rows[1].product, "SQL Server Reporting Services, Power BI Report Server")
  lu.assertEquals(state.queues[1].product, "Windows Remote Management (WinRM)")
  lu.assertEquals(rows[1].url, "http://+:80/REPORTS/")
  lu.assertEquals(rows[1].queue, "Contoso Reports")
  lu.assertEquals(#rows[1].processes, 1)
  lu.assertEquals(rows[1].processes[1].pid, process:pid())
  lu.assertEquals(rows[1].processes[1].name, "holder.exe")
  lu.assertStrContains(rows[1].processes[1].path, "holder.exe") -- what Windows says, not what netsh printed
  local gone = http.urls_on(state, 443)[1].processes[1]
  lu.assertEquals(gone, {pid = 2688, path = [[C:\Windows\System32\svchost.exe]], services = {}})
  lu.assertEquals(http.urls_on(state, 81), {})
end

function State.test_netsh_in_another_language()
  case.service {name = "Müller", args = {"--http", "http://+:18080/"}}
  local pid = case.service_running "Müller"
  case.fake_netsh((fixture("german"):gsub("5012", tostring(pid))))
  local state = http.state()
  local row = http.urls_on(state, 80)[1]
  lu.assertEquals(row.url, "http://+:80/BÜRO/")
  lu.assertEquals(row.processes[1].services, {"Müller"})
  lu.assertEquals(row.processes[1].tagged, "Müller")
  lu.assertEquals(state.queues[2].name, "Müllers Pool")
end

function State.test_the_session_view()
  hold()
  case.fake_netsh(fixture "session-unnamed")
  local state = http.state {view = "session"}
  lu.assertStrMatches(case.read "C:\\netsh-arguments.txt", 'netsh.exe http show servicestate view=session')
  lu.assertEquals({state.source, #state.queues, #state.sessions}, {"netsh", 2, 2})
  local rows = http.urls_on(state, 80)
  lu.assertEquals(#rows, 2)
  lu.assertEquals(rows[1], {url = "http://+:80/116B50EB-ECE2-41AC-8429-9F9E963361B7/", processes = {}, product = "BranchCache"})
end

function State.test_products()
  for what, name in pairs {
    PeerDistSvc = "BranchCache", ["{116B50EB-ECE2-41ac-8429-9F9E963361B7}"] = "BranchCache", w3svc = "Internet Information Services (IIS)",
    ["HTTP://+:80/WSMAN/"] = "Windows Remote Management (WinRM)", ["ReportServer$SQL2012"] = "SQL Server Reporting Services, Power BI Report Server",
    ["http://+:80/Temporary_Listen_Addresses/"] = "Windows Communication Foundation",
    ["https://+:443/sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/"] = "Routing and Remote Access (SSTP)",
  } do
    local product = http.product(what)
    lu.assertEquals({what, product.name, #product.remedy > 5}, {what, name, true})
  end
  for _, what in ipairs {"", "Spooler", "http://+:80/", "http://+:80/x/wsman/", "wsmans", "00000000-0000-0000-0000-000000000000"} do
    lu.assertNil(http.product(what), what)
  end
end

function State.test_netsh_shows_nothing()
  hold()
  case.fake_netsh(fixture "empty")
  local state = http.state()
  lu.assertEquals(state.source, "holders")
  lu.assertEquals(state.reason, "netsh showed no request queue")
  lu.assertEquals(#state.queues, 1)
end

-- ---- The text of netsh ----

local Text = case.suite "Text"

local function read(name, controllers) return http.read_servicestate(fixture(name), controllers) end

local function pids(queue)
  local list = {}
  for i, process in ipairs(queue.processes) do list[i] = process.pid end
  return list
end

function Text.test_older()
  local queues = read "old"
  lu.assertEquals(#queues, 2)
  lu.assertEquals(queues[1], {
    urls = {"http://+:5985/WSMAN/", "http://+:47001/WSMAN/"}, processes = {{pid = 1412, notes = {}}},
  })
  lu.assertEquals(queues[2].urls, {"http://+:80/116B50EB-ECE2-41AC-8429-9F9E963361B7/"})
  lu.assertEquals(pids(queues[2]), {2668})
end

function Text.test_newer()
  local queues = read "new"
  lu.assertEquals(#queues, 3)
  lu.assertEquals(queues[2], {
    urls = {"https://+:443/HOSTAGENT/VSWITCH/"},
    processes = {{pid = 2688, image = [[C:\Windows\System32\svchost.exe]], notes = {"NcHostAgent", "NcHostAgent"}}},
  })
  lu.assertEquals(queues[3].name, "Contoso Reports")
  lu.assertEquals(queues[3].processes[1].image, [[D:\Program Files\Contoso, Inc\Reports: new\reports.exe]])
  lu.assertEquals(queues[3].urls, {
    "http://+:80/REPORTS/", "http://[fe80::1:2]:80/REPORTS/", "http://reports.contoso.example:8080/",
  })
end

function Text.test_unelevated()
  local queues = read "unelevated"
  lu.assertEquals(pids(queues[1]), {1412})
  lu.assertEquals(queues[2].processes[1].image, "<?>")
  lu.assertEquals(queues[2].urls, {"http://+:8000/MONITORSERVICE/"})
end

function Text.test_iis()
  local queues = read("iis", {3408})
  lu.assertEquals(#queues, 1)
  lu.assertEquals(queues[1], {
    name = "DefaultAppPool", urls = {"http://*:80/", "http://127.0.0.1:8000/"}, processes = {}, controller = 3408,
  })
  lu.assertNil(read("iis", {1000})[1].controller) -- "Max requests: 1000" is no pid
  lu.assertNil(read("iis")[1].controller)
end

function Text.test_other_languages()
  local queues = read("german", {1612})
  lu.assertEquals(#queues, 2)
  lu.assertNil(queues[1].name)
  lu.assertEquals(pids(queues[1]), {5012, 5016})
  lu.assertEquals(#queues[1].processes[1].notes, 2)
  lu.assertEquals(#queues[1].urls, 1)
  lu.assertEquals(queues[2].urls, {"https://*:443/"})
  lu.assertEquals(queues[2].controller, 1612)
  queues = read "french"
  lu.assertEquals(#queues, 1)
  lu.assertNil(queues[1].name)
  lu.assertEquals(pids(queues[1]), {2668})
  lu.assertEquals(queues[1].urls, {"http://+:80/116B50EB-ECE2-41AC-8429-9F9E963361B7/"})
end

local function session(name, controllers)
  local queues, sessions, loose = http.read_servicestate(fixture("session-" .. name), controllers)
  return {queues = queues, sessions = sessions, loose = loose}
end

function Text.test_sessions()
  local old = session("old", {3408})
  lu.assertEquals(old, {
    queues = {
      {urls = {"http://+:80/116B50EB-ECE2-41AC-8429-9F9E963361B7/"}, processes = {{pid = 2668, notes = {}}}},
      {name = "DefaultAppPool", urls = {"http://*:80/", "https://*:443/"}, processes = {}, controller = 3408},
    },
    sessions = {
      {id = "FF00000320000001", groups = {{id = "FE00000340000001", urls = {"http://+:80/116B50EB-ECE2-41AC-8429-9F9E963361B7/"}}}},
      {id = "FF00000620000011", groups = {
        {id = "FD00000440001314", queue = "DefaultAppPool", urls = {"http://*:80/", "https://*:443/"}},
        {id = "FD00000440001315", urls = {}},
      }},
    },
    loose = {},
  })
end

-- Nobody can know which of two queues without names has which URL.
function Text.test_sessions_and_queues_without_names()
  local unnamed = session "unnamed"
  lu.assertEquals(#unnamed.queues, 2)
  for _, queue in ipairs(unnamed.queues) do lu.assertEquals({queue.urls, pids(queue)}, {{}, {4100}}) end
  lu.assertEquals(unnamed.loose, {"http://+:80/116B50EB-ECE2-41AC-8429-9F9E963361B7/", "http://*:80/", "https://*:443/"})
end

function Text.test_sessions_of_newer_versions_in_two_languages()
  for _, name in ipairs {"new", "german"} do
    local new = session(name)
    lu.assertEquals(new.loose, {})
    lu.assertEquals({#new.queues, #new.sessions, #new.sessions[1].groups}, {2, 2, 1})
    lu.assertEquals(new.queues[1].urls, {"http://+:5985/WSMAN/", "http://+:47001/WSMAN/"})
    lu.assertEquals({pids(new.queues[1]), pids(new.queues[2])}, {{1412}, {4668}})
    lu.assertEquals(new.queues[1].processes[1].notes, {"WinRM", "WinRM"})
    lu.assertEquals(new.sessions[2].groups[1], {id = "FF00000120000001", urls = {"http://+:8000/MONITORSERVICE/"}})
  end
end

-- A line of a megabyte, however made, takes no longer than reading it.
function Text.test_long_lines()
  for _, text in ipairs {(" "):rep(1 << 20) .. "x", "x" .. (" "):rep(1 << 20) .. "x", "a:" .. (" b."):rep(1 << 18), ("("):rep(1 << 20),
    "http://" .. (":1"):rep(1 << 19), ("1"):rep(1 << 20)} do
    local began = test.clock()
    http.read_servicestate("q: x\n  " .. text .. "\n" .. text .. "\n  y: z")
    http.url(text)
    http.urlacl.users(text)
    lu.assertTrue(test.clock() - began < 5, text:sub(1, 20))
  end
end

function Text.test_no_queue()
  lu.assertEquals(read "empty", {})
  lu.assertEquals(http.read_servicestate "", {})
  lu.assertEquals(http.read_servicestate "\0\xFF:\n :\n  : 1\n", {})
end

-- Whatever is cut off or damaged, it does not fail.
function Text.test_damaged()
  for _, name in ipairs {"old", "new", "iis", "german"} do
    local text = fixture(name)
    for i = 1, #text, 7 do
      lu.assertIsTable(http.read_servicestate(text:sub(1, i), {3408}))
      lu.assertIsTable(http.read_servicestate(text:sub(i), {3408}))
    end
  end
end

function Text.test_bad_input()
  assert_invalid("arguments", http.read_servicestate)
  assert_invalid("text", http.read_servicestate, 5)
  assert_invalid("controllers", http.read_servicestate, "", 3)
end

-- ---- URLs ----

local Url = case.suite "Url"

function Url.test_normal_forms()
  local forms = {
    ["http://+:80/"] = "http://+:80/", ["HTTP://+:80/Reports"] = "http://+:80/Reports/", ["http://*"] = "http://*:80/",
    ["https://Contoso.Example/a/b"] = "https://contoso.example:443/a/b/",
    ["https://[::0001]:443"] = "https://[::1]:443/",
    ["http://[::1]"] = "http://[::1]:80/", ["http://10.0.0.1:8080/"] = "http://10.0.0.1:8080/",
    ["http://bücher.example:81/ü"] = "http://bücher.example:81/ü/", ["http://+:65535/a%20b/"] = "http://+:65535/a%20b/",
  }
  for given, expected in pairs(forms) do
    lu.assertEquals(assert(http.url(given)).url, expected)
    lu.assertEquals(http.url(expected).url, expected)
  end
  lu.assertEquals(http.url "HTTPS://[::1]:8443/x", {
    url = "https://[::1]:8443/x/", scheme = "https", host = "[::1]", host_kind = "ipv6", port = 8443, path = "/x/",
  })
end

function Url.test_kinds_of_hosts()
  for host, kind in pairs {["+"] = "strong_wildcard", ["*"] = "weak_wildcard", ["x.example"] = "name", ["1.2.3.4"] = "ipv4", ["[::]"] = "ipv6",
    ["10.example"] = "name"} do
    lu.assertEquals(http.url("http://" .. host .. ":80/").host_kind, kind)
  end
end

function Url.test_faults()
  local faults = {
    [""] = "http://", ["ftp://x:21/"] = "http://", ["http:/+:80/"] = "http://", ["//+:80/"] = "http://",
    ["+:80"] = "http://", ["http://"] = "host", ["http://:80/"] = "host", ["http://+:0/"] = "'0'",
    ["http://+:65536/"] = "65536", ["http://+:080/"] = "080", ["http://+:/"] = "port ''", ["http://+:8 0/"] = "port",
    ["http://+:-1/"] = "-1", ["http://+:80/?q"] = "?", ["http://+:80/#x"] = "#", ["http://+:80/a b/"] = "blank",
    ["http://+:80/a\\b/"] = "backslash", ["http://a b:80/"] = "'a b'", ["http://[::g]:80/"] = "::g",
    ["http://[127.0.0.1]:80/"] = "127.0.0.1", ["http://1.2.3.256/"] = "IPv4", ["http://127.1/"] = "IPv4", ["http://+:80x/"] = "80x", ["http://::1/"] = "host", ["http://+x:80/"] = "+x",
    ["http://u@x:80/"] = "u@x", ["http://+:80/\0/"] = "control", ["http://+:80/\xFF/"] = "UTF-8",
    ["http://+:80:10.0.0.1/"] = "port", [" http://+:80/"] = "http://",
  }
  for given, expected in pairs(faults) do
    local parsed, fault = http.url(given)
    lu.assertNil(parsed, given)
    lu.assertStrContains(fault, expected)
  end
end

function Url.test_bad_input()
  assert_invalid("text", http.url, 80)
  assert_invalid("arguments", http.url)
  assert_invalid("arguments", http.url, "http://+:80/", 1)
end

-- ---- Fuzzing, some thousand cases; tests/fuzz/run.sh does more ----

local Fuzz = case.suite "Fuzz"

for _, target in ipairs {"netsh", "url", "sddl"} do
  Fuzz["test_" .. target] = function()
    local folder, seeds = test.folder .. "\\fuzz\\seeds\\" .. target .. "\\", {}
    for _, name in ipairs(case.files(folder)) do seeds[#seeds + 1] = case.read(folder .. name) end
    fuzz.run(dofile(test.folder .. "\\fuzz\\" .. target .. ".lua"), seeds, fuzz.CASES, os.time())
  end
end

-- ---- Access lists ----

local Sddl = case.suite "Sddl"
local sddl = http.urlacl.sddl

function Sddl.test_users()
  lu.assertEquals(sddl {user = "S-1-5-20"}, "D:(A;;GX;;;NS)")
  lu.assertEquals(sddl {user = "s-1-5-20", listen = true, delegate = false}, "D:(A;;GX;;;NS)")
  lu.assertEquals(sddl {user = "NT AUTHORITY\\NETWORK SERVICE"}, "D:(A;;GX;;;NS)")
  lu.assertEquals(sddl {user = "S-1-1-0", delegate = true}, "D:(A;;GA;;;WD)")
  lu.assertEquals(sddl {user = "S-1-1-0", listen = false, delegate = true}, "D:(A;;GW;;;WD)")
  lu.assertEquals(sddl {user = "S-1-1-0", listen = false}, "D:(D;;GA;;;WD)")
  lu.assertEquals(sddl {user = "S-1-5-21-1-2-3-1000"}, "D:(A;;GX;;;S-1-5-21-1-2-3-1000)")
end

function Sddl.test_canonical()
  lu.assertEquals(sddl {sddl = "D:(A;;0x20000000;;;S-1-5-20)(A;;GA;;;S-1-1-0)"}, "D:(A;;GX;;;NS)(A;;GA;;;WD)")
  lu.assertEquals(sddl {sddl = "O:BAG:BAD:(A;;GX;;;WD)"}, "D:(A;;GX;;;WD)")
end

function Sddl.test_what_it_lets_do()
  lu.assertEquals(http.urlacl.users "", {})
  lu.assertEquals(http.urlacl.users "D:", {})
  local users = http.urlacl.users "D:(A;;GX;;;NS)(A;;0x40000000;;;S-1-5-20)(D;;GA;;;S-1-5-21-1-2-3-1000)"
  lu.assertEquals(#users, 2)
  lu.assertTrue(users[1].listen and users[1].delegate)
  lu.assertEquals(users[2], {sid = "S-1-5-21-1-2-3-1000", listen = false, delegate = false})
  for text, expected in pairs {
    ["D:(D;;GX;;;WD)(A;;GA;;;WD)"] = {false, true}, ["D:(A;;GA;;;WD)(D;;GX;;;WD)"] = {true, true}, ["D:(D;;GA;;;WD)(A;;GX;;;WD)"] = {false, false},
    ["D:(A;;536870912;;;WD)"] = {true, false}, ["D:(A;;GXGW;;;WD)"] = {true, true}, ["D:(A;;FR;;;WD)"] = {false, false},
  } do
    local user = http.urlacl.users(text)[1]
    lu.assertEquals({text, user.listen, user.delegate}, {text, expected[1], expected[2]})
  end
  lu.assertEquals(http.urlacl.users "D:(A;;GX;;;)(A;;GX;;;no sid)", {{sid = "", listen = true, delegate = false}, {sid = "no sid", listen = true, delegate = false}})
end

function Sddl.test_bad_input()
  lu.assertStrContains(assert_fails(NONE_MAPPED, "no such account", sddl, {user = "no such account"}).hint, "S-1-1-0")
  for _, bad in ipairs {"", "D", "rubbish", "D:(A;;GX;;;XX)", "D:(A;;GX;;)", "O:BA", "D:(A;;GX;;;S-1-)"} do
    lu.assertEquals(assert_invalid("sddl", sddl, {sddl = bad}).op, "http.urlacl.sddl")
  end
  for _, bad in ipairs {"S-1-", "S-1-5-x", "a\0b", "\xFF"} do assert_invalid("user", sddl, {user = bad}) end
  assert_invalid("user", sddl, {user = 5})
  assert_invalid("listen", sddl, {user = "S-1-1-0", listen = "yes"})
  assert_invalid("options", sddl)
  assert_invalid("options", sddl, {})
  assert_invalid("options", sddl, {user = "S-1-1-0", sddl = "D:"})
  assert_invalid("options", sddl, {sddl = "D:(A;;GX;;;WD)", listen = true})
  lu.assertEquals(assert_invalid("usr", sddl, {usr = "x"}).hint, "did you mean 'user'?")
  assert_invalid("sddl", http.urlacl.users, 5)
  assert_invalid("arguments", http.urlacl.users)
end

-- ---- The configuration, which Wine only pretends to keep ----

local Config = case.suite "Config"

function Config.setUp()
  First.setUp()
  hold()
end

function Config.test_addresses()
  local forms = {
    ["127.0.0.1"] = "127.0.0.1", ["0.0.0.0"] = "0.0.0.0", ["::"] = "::", ["0:0::0"] = "::", ["::0001"] = "::1",
    ["FE80::1%4"] = "fe80::1%4", ["2001:DB8:0:0:1:0:0:1"] = "2001:db8::1:0:0:1", ["::ffff:1.2.3.4"] = "::ffff:1.2.3.4",
  }
  for given, expected in pairs(forms) do lu.assertEquals(http.iplisten.normalize(given), expected) end
  local bad = {
    "", "localhost", "127.0.0.1:80", "127.1", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "[::1]", ":::", "1::2::3", "::1%eth0",
    "127.0.0.1\0", "12345::", "::1%", "1.2.3.4%1",
  }
  for _, given in ipairs(bad) do assert_invalid("address", http.iplisten.normalize, given) end
  assert_invalid("address", http.iplisten.normalize, 127)
  assert_invalid("arguments", http.iplisten.normalize)
end

function Config.test_lists()
  lu.assertTrue(http.is_running())
  lu.assertEquals({http.iplisten.list()}, {{}, "api"})
  lu.assertEquals({http.urlacl.list()}, {{}, "api"})
  assert_invalid("arguments", http.iplisten.list, 1)
  assert_invalid("arguments", http.urlacl.list, 1)
end

-- Wine says that it has stored what it has not.
function Config.test_a_write_that_does_not_take()
  local run = open_core()
  assert_fails(NOT_TAKEN, "127.0.0.1", run.add, "127.0.0.1")
  assert_fails(NOT_TAKEN, "http://+:80/x/", run.reserve, "http://+:80/x", {user = "S-1-5-20"})
  lu.assertEquals(run.core.gate.changes(), {})
end

function Config.test_nothing_to_do()
  local run = open_core()
  lu.assertFalse(run.delete "127.0.0.1")
  lu.assertFalse(run.release "http://+:80/x/")
end

-- Wine says that it has done them all.
function Config.test_other_records_that_do_not_take()
  local call = open_core().core.call
  local hash, appid = ("ab"):rep(20), "{4dc3e181-e14b-4a21-b022-59fc669b0914}"
  for binding, canonical in pairs {["0.0.0.0:443"] = "ipport=0.0.0.0:443", ["a.example:443"] = "hostnameport=a.example:443"} do
    assert_fails(NOT_TAKEN, canonical, call, "http.sslcert.add", binding, {hash = hash, appid = appid})
  end
  assert_fails(NOT_TAKEN, "ccs=443", call, "http.sslcert.add", "ccs=443", {appid = appid})
  for subject, name in pairs {timeout = "idle_connection", cache = "max_response_size", setting = "ssl_throttle"} do
    assert_fails(NOT_TAKEN, name, call, "http." .. subject .. ".set", name, 5)
  end
  lu.assertEquals({(http.sslcert.list()), (http.timeout.get "idle_connection"), (http.cache.get "max_response_size")}, {{}, 120})
end

function Config.test_grants()
  local run = open_core {allow = {"http.iplisten:::1", "http.urlacl:http://+:80/a/*"}}
  assert_fails(REFUSED, "127.0.0.1", run.add, "127.0.0.1")
  assert_fails(NOT_TAKEN, "::1", run.add, "::1")
  assert_fails(REFUSED, "http://+:80/b/", run.reserve, "http://+:80/b/", {user = "S-1-5-20"})
  assert_fails(NOT_TAKEN, "http://+:80/a/b/", run.reserve, "http://+:80/a/b/", {user = "S-1-5-20"})
end

function Config.test_bad_input()
  local run = open_core()
  for _, f in ipairs {run.add, run.delete} do
    assert_invalid("address", f, "localhost")
    assert_invalid("address", f, "127.0.0.1\0")
    assert_invalid("address", f, "\xFF")
    assert_invalid("address", f, 127)
    assert_invalid("arguments", f)
    assert_invalid("arguments", f, "::1", "::2")
  end
  for _, f in ipairs {function(...) return run.reserve(..., {user = "S-1-1-0"}) end, run.release} do
    for _, url in ipairs {"", "ftp://x:21/", "http://+:0/", "http://+:80/?q", "http://a b/"} do
      local problem = assert_invalid(url, f, url)
      lu.assertStrContains(problem.hint, "http://+:80/path/")
    end
    assert_invalid("url", f, "http://+:80/\0")
    assert_invalid("url", f, "\xFF")
    assert_invalid("url", f, 80)
  end
  local url = "http://+:80/x/"
  assert_invalid("arguments", run.reserve, url)
  assert_invalid("arguments", run.release, url, {})
  assert_invalid("options", run.reserve, url, "S-1-1-0")
  assert_invalid("options", run.reserve, url, {})
  assert_invalid("user", run.reserve, url, {user = 5})
  assert_invalid("user", run.reserve, url, {user = "a\0b"})
  assert_invalid("listen", run.reserve, url, {user = "S-1-1-0", listen = "yes"})
  assert_invalid("sddl", run.reserve, url, {sddl = "rubbish"})
  lu.assertEquals(assert_invalid("delegat", run.reserve, url, {delegat = true}).hint, "did you mean 'delegate'?")
  assert_fails(NONE_MAPPED, "no such account", run.reserve, url, {user = "no such account"})
end
