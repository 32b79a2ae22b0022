-- build: shim
-- arch: x64
-- The configuration of HTTP.SYS, kept by tests/shims/http_config.c where Windows keeps it: changed, idempotent,
-- planned, refused, taken back; and read without starting a stopped service.
local lu = require "luaunit"
local case = require "case"

local PARAMETERS = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]]
local SHIM = {P80_SHIM_HTTP_CONFIG = "1", P80_SHIM_SCM = "1", P80_SHIM_TCP_OWNER = "1"}

local T = case.suite "HttpConfig"
local begin, finish = T.setUp, T.tearDown

function T:setUp()
  begin()
  case.reg {"delete", PARAMETERS, "/f"}
  for name, value in pairs(SHIM) do test.setenv(name, value) end
  self.holder = case.holder {"--http", "http://+:80/"} -- HTTP takes changes only while it runs
  case.wait_http(80)
end

function T:tearDown()
  for name in pairs(SHIM) do test.setenv(name, nil) end
  finish()
end

-- What the registry holds: the addresses, the reservations with their security descriptors as bytes, and all else.
local function stored()
  local urls, bindings, others = {}, {}, {}
  for _, value in ipairs(win.reg.values(PARAMETERS .. "\\UrlAclInfo") or {}) do urls[value.name] = value.value end
  for _, kind in ipairs {"SslBindingInfo", "SslSniBindingInfo"} do
    for _, name in ipairs(win.reg.keys(PARAMETERS .. "\\" .. kind) or {}) do bindings[name] = win.reg.values(PARAMETERS .. "\\" .. kind .. "\\" .. name) end
  end
  for _, value in ipairs(win.reg.values(PARAMETERS) or {}) do
    if value.name ~= "ListenOnlyList" then others[value.name] = value.value end
  end
  return {addresses = win.reg.get(PARAMETERS, "ListenOnlyList") or {}, urls = urls, bindings = bindings, others = others}
end

local function p80(words)
  words.env = words.env or SHIM
  return case.p80(words)
end

-- Runs code with grants for all of http -> its report.
local function run(code)
  return case.exits(p80 {"--json", "--allow", "http.*", "-e", "require 'p80'.report {" .. code .. "}"}, 0).json
end

local function fails(code, exit, ...)
  local before = stored()
  local result = case.exits(p80 {"--allow", "http.*", "-e", code}, exit)
  for _, text in ipairs {...} do lu.assertStrContains(result.stderr, text) end
  lu.assertEquals(stored(), before)
end

-- Every write, with what must be there before it, and its name among the grants and in the plan.
local ADD_URL = 'win.http.urlacl.add("http://+:80/reports/", {user = "S-1-5-20"})'
local BIND = 'win.http.sslcert.add("0.0.0.0:443", {hash = ("ab"):rep(20), appid = "{4dc3e181-e14b-4a21-b022-59fc669b0914}", reject = true})'
local WRITES = {
  {code = BIND, kind = "http.sslcert", label = "ipport=0.0.0.0:443"},
  {code = 'win.http.sslcert.update("0.0.0.0:443", {hash = ("cd"):rep(20)})', given = BIND, kind = "http.sslcert", label = "ipport=0.0.0.0:443"},
  {code = 'win.http.sslcert.delete("ipport=0.0.0.0:443")', given = BIND, kind = "http.sslcert", label = "ipport=0.0.0.0:443"},
  {code = 'win.http.timeout.set("idle_connection", 30)', given = 'win.http.timeout.set("idle_connection", 31)', kind = "http.timeout",
    label = "idle_connection"},
  {code = 'win.http.setting.delete("ssl_throttle")', given = 'win.http.setting.set("ssl_throttle", 31)', kind = "http.setting", label = "ssl_throttle"},
  {code = 'win.http.parameters.set("MaxFieldLength", 65534)', kind = "http.parameters", label = "MaxFieldLength"},
  {code = 'win.http.iplisten.add("127.0.0.1")', kind = "http.iplisten", label = "127.0.0.1"},
  {code = 'win.http.iplisten.add("0::1")', given = 'win.http.iplisten.add("10.1.2.3")', kind = "http.iplisten", label = "::1"},
  {code = 'win.http.iplisten.delete("10.1.2.3")', kind = "http.iplisten", label = "10.1.2.3",
    given = 'win.http.iplisten.add("127.0.0.1"), win.http.iplisten.add("10.1.2.3")'},
  {code = ADD_URL, kind = "http.urlacl", label = "http://+:80/reports/"},
  {code = 'win.http.urlacl.add("http://+:80/reports/", {sddl = "D:(A;;GA;;;WD)"})', given = ADD_URL, kind = "http.urlacl",
    label = "http://+:80/reports/"},
  {code = 'win.http.urlacl.delete("http://+/reports")', given = ADD_URL, kind = "http.urlacl", label = "http://+:80/reports/"},
}

function T:test_every_write_is_planned_refused_made_once_and_taken_back()
  for i, write in ipairs(WRITES) do
    case.reg {"delete", PARAMETERS, "/f"}
    case.state = case.path("state" .. i)
    if write.given then run(write.given) end
    local before = stored()
    local planned = case.exits(p80 {"--check", "--allow", "http.*", "-e", "print(" .. write.code .. ")"}, 3)
    lu.assertStrContains(planned.stdout, "true")
    lu.assertStrContains(planned.stdout, write.kind .. " " .. write.label)
    lu.assertEquals(stored(), before, write.code)
    local other = write.kind == "http.iplisten" and "http.urlacl" or "http.iplisten"
    local refused = case.exits(p80 {"--allow", other, "--allow", write.kind .. ":nothing", "-e", write.code}, 4)
    lu.assertStrContains(refused.stderr, ("'%s:%s'"):format(write.kind, write.label))
    lu.assertEquals(stored(), before, write.code)
    local made = run(write.code .. ", " .. write.code)
    lu.assertEquals({made.result, made.changed}, {{true, false}, 1}, write.code)
    local after = stored()
    lu.assertNotEquals(after, before)
    lu.assertEquals(run(write.code).changed, 0)
    case.exits(p80 {"undo", "--check"}, 3)
    lu.assertEquals(stored(), after, write.code)
    case.exits(p80 {"undo"}, 0)
    lu.assertEquals(stored(), before, write.code)
    case.exits(p80 {"undo", tostring(made.run + 1)}, 0) -- the undo taken back
    lu.assertEquals(stored(), after, write.code)
  end
end

function T:test_addresses_in_any_spelling_and_order()
  local made = run [[win.http.iplisten.add "::ffff", win.http.iplisten.add "0:0::FFFF", win.http.iplisten.add "10.0.0.1",
    win.http.iplisten.delete "00::ffff", win.http.iplisten.delete "::ffff", win.http.iplisten.list()]]
  lu.assertEquals(made.result, {true, false, true, true, false, {"10.0.0.1"}, "api"})
  lu.assertEquals(stored().addresses, {"10.0.0.1"})
end

function T:test_urls_are_normalised_and_compared_without_case()
  for given, expected in pairs {
    ["http://+/Reports"] = "http://+:80/Reports/", ["HTTPS://Example.COM/a"] = "https://example.com:443/a/",
    ["http://*:8080"] = "http://*:8080/", ["http://[0::1]:80/x/"] = "http://[::1]:80/x/", ["http://10.0.0.1:80/"] = "http://10.0.0.1:80/",
    ["http://+:80/b\u{FC}cher/\u{672C}"] = "http://+:80/b\u{FC}cher/\u{672C}/",
  } do
    local made = run(('win.http.urlacl.add([[%s]], {user = "S-1-5-20"}), win.http.urlacl.add([[%s]], {user = "S-1-5-20"})')
      :format(given, expected))
    lu.assertEquals(made.result, {true, false}, given)
    lu.assertNotNil(stored().urls[expected], given)
    lu.assertEquals(run(("win.http.urlacl.delete([[%s]])"):format(given)).result, {true})
    lu.assertEquals(stored().urls, {})
  end
end

function T:test_a_reservation_that_is_spelt_otherwise_is_the_same_one()
  run [[win.http.urlacl.add("http://+:80/Reports/", {user = "S-1-5-20"})]]
  local made = run [[win.http.urlacl.add("http://+:80/REPORTS/", {user = "S-1-1-0", delegate = true}), win.http.urlacl.list()]]
  lu.assertTrue(made.result[1])
  local row = made.result[2][1]
  lu.assertEquals({#made.result[2], row.url, row.sddl}, {1, "http://+:80/Reports/", "D:(A;;GA;;;WD)"})
  lu.assertEquals({row.users[1].sid, row.users[1].listen, row.users[1].delegate}, {"S-1-1-0", true, true})
  case.exits(p80 {"undo"}, 0)
  row = run("win.http.urlacl.list()").result[1][1]
  lu.assertEquals({row.url, row.sddl}, {"http://+:80/Reports/", "D:(A;;GX;;;NS)"})
end

function T:test_users_and_access_lists()
  for options, sddl in pairs {
    ['{user = "NT AUTHORITY\\\\NETWORK SERVICE"}'] = "D:(A;;GX;;;NS)", ['{user = "S-1-5-20", delegate = true}'] = "D:(A;;GA;;;NS)",
    ['{user = "S-1-5-20", listen = false, delegate = true}'] = "D:(A;;GW;;;NS)", ['{user = "S-1-5-20", listen = false}'] = "D:(D;;GA;;;NS)",
    ['{sddl = "D:(A;;0x20000000;;;S-1-5-21-1-2-3-1000)"}'] = "D:(A;;GX;;;S-1-5-21-1-2-3-1000)",
  } do
    case.reg {"delete", PARAMETERS .. "\\UrlAclInfo", "/f"}
    local made = run(('win.http.urlacl.add("http://+:80/x/", %s), win.http.urlacl.list()'):format(options))
    lu.assertEquals({made.result[1], made.result[2][1].sddl}, {true, sddl}, options)
  end
end

function T:test_what_cannot_be_is_an_error_that_names_it()
  for url, text in pairs {
    ["ftp://+:80/"] = "begin with http", ["http://+:0/"] = "port '0'", ["http://+:65536/"] = "port '65536'", ["http://+:080/"] = "port '080'",
    ["http://:80/"] = "no host", ["http://[1]:80/"] = "no IPv6 address", ["http://+:80/a b/"] = "blank", ["http://+:80/?x"] = "'?'", [""] = "begin with",
  } do
    fails(("win.http.urlacl.add([[%s]], {user = 'S-1-5-20'})"):format(url), 1, "http.urlacl.add", url, text)
    fails(("win.http.urlacl.delete([[%s]])"):format(url), 1, "http.urlacl.delete", url, text)
  end
  for address, shown in pairs {["300.1.1.1"] = "300.1.1.1", [""] = "address", ["127.0.0.1:80"] = "127.0.0.1:80", ["localhost"] = "localhost", ["::g"] = "::g"} do
    for _, verb in ipairs {"add", "delete"} do
      fails(("win.http.iplisten.%s([[%s]])"):format(verb, address), 1, "http.iplisten." .. verb, shown, "87 ERROR_INVALID_PARAMETER")
    end
  end
  local add = "win.http.urlacl.add('http://+:80/x/', %s)"
  for options, text in pairs {
    ["{user = 'nobody-of-this-name'}"] = "nobody-of-this-name", ["{sddl = 'D:(X)'}"] = "D:(X)", ["{usre = 'S-1-5-20'}"] = "did you mean 'user'",
    ["{}"] = "user=", ["nil"] = "user=", ["{user = 'S-1-5-20', sddl = 'D:'}"] = "either", ["{sddl = 'D:', listen = true}"] = "listen=",
    ["{user = 'S-1-5-20', listen = 'yes'}"] = "yes", ["{user = 5}"] = "text expected", ["'S-1-5-20'"] = "options",
  } do
    fails(add:format(options), 1, "http.urlacl.add", text)
  end
end

function T:test_warnings()
  local code = "win.http.iplisten.add '203.0.113.77' win.http.iplisten.add '127.0.0.1' win.http.parameters.set('MaxFieldLength', 100)"
  local result = case.exits(p80 {"--json", "--allow", "http.*", "-e", code}, 0)
  lu.assertEquals(#result.json.warnings, 2)
  lu.assertStrContains(result.json.warnings[1], "'203.0.113.77'")
  lu.assertStrContains(result.stderr, "p80: warning: " .. result.json.warnings[1])
  lu.assertNil(run("win.http.iplisten.delete '203.0.113.77'").warnings)
  lu.assertStrContains(p80({"--check", "--allow", "http.*", "-e", "win.http.iplisten.add '203.0.113.77'"}).stderr, "203.0.113.77")
  lu.assertEquals(p80({"--quiet", "--allow", "http.*", "-e", "win.http.iplisten.add '203.0.113.77'"}).stderr, "")
end

-- Windows Server 2003 has no netsh http, and knows three kinds of records.
function T:test_on_windows_server_2003()
  local env = {P80_SHIM_NT52 = "1"}
  for name, value in pairs(SHIM) do env[name] = value end
  local code = BIND .. ", win.http.sslcert.update('0.0.0.0:443', {ds_mapper_usage = true}), " .. ADD_URL .. ", win.http.iplisten.add '127.0.0.1'"
  local made = case.exits(p80 {"--json", "--allow", "http.*", "-e", "require 'p80'.report {" .. code .. "}", env = env}, 0).json
  lu.assertEquals(made.result, {true, true, true, true})
  local rows = case.exits(p80 {"--json", "-e", "require 'p80'.report(win.http.sslcert.list())", env = env}, 0).json.result
  lu.assertEquals({#rows, rows[1].binding, rows[1].ds_mapper_usage, rows[1].reject}, {1, "ipport=0.0.0.0:443", true, true})
  for call, since in pairs {["sslcert.get 'a.example:443'"] = "Windows 8", ["timeout.get 'header_wait'"] = "Vista", ["cache.list()"] = "Windows 7",
    ["setting.set('ssl_throttle', 1)"] = "Windows 10"} do
    local result = case.exits(p80 {"--allow", "http.*", "-e", "win.http." .. call, env = env}, 1)
    lu.assertStrContains(result.stderr, "120 ERROR_CALL_NOT_IMPLEMENTED")
    lu.assertStrContains(result.stderr, since)
  end
  case.exits(p80 {"undo", env = env}, 0)
  lu.assertEquals(stored(), {addresses = {}, urls = {}, bindings = {}, others = {}})
end

-- ---- HTTP does not run ----

local LISTS = "win.http.iplisten.list(), (select(2, win.http.iplisten.list())), win.http.urlacl.list(), (select(2, win.http.urlacl.list()))"

local function stop_http(self)
  self.holder:close()
  win.scm.stop "HTTP"
  lu.assertEquals(win.scm.get("HTTP").state, "stopped")
end

function T:test_a_stopped_service_is_read_from_the_registry_and_not_started()
  run(ADD_URL .. ", win.http.iplisten.add '127.0.0.1', win.http.iplisten.add '::1'")
  local running = run(LISTS).result
  stop_http(self)
  local stopped = run(LISTS).result
  lu.assertEquals({running[2], running[4], stopped[2], stopped[4]}, {"api", "api", "registry", "registry"})
  lu.assertEquals({stopped[1], stopped[3]}, {running[1], running[3]})
  lu.assertEquals(stopped[1], {"127.0.0.1", "::1"})
  case.exits(p80 {"--check", "-e", "win.http.iplisten.list() win.http.urlacl.list() win.http.state() win.http.holders()"}, 0)
  lu.assertEquals(win.scm.get("HTTP").state, "stopped")
  lu.assertEquals(case.bind(80), "ok")
end

function T:test_a_stopped_service_takes_no_changes_and_is_not_started()
  run(ADD_URL .. ", win.http.iplisten.add '127.0.0.1'")
  stop_http(self)
  for _, words in ipairs {{"--check"}, {}} do
    for _, write in ipairs {"iplisten.add '::1'", "iplisten.delete '127.0.0.1'", "urlacl.add('http://+:81/', {user = 'S-1-5-20'})", "urlacl.delete 'http://+:80/reports/'"} do
      local before = stored()
      local result = case.exits(p80 {"--allow", "http.*", "-e", "win.http." .. write, words[1]}, 1)
      lu.assertStrContains(result.stderr, "1062 ERROR_SERVICE_NOT_ACTIVE")
      lu.assertStrContains(result.stderr, "HTTP")
      lu.assertEquals(stored(), before)
    end
  end
  lu.assertEquals(run("win.http.iplisten.add '127.0.0.1', win.http.urlacl.delete 'http://+:9/', " .. ADD_URL).result, {false, false, false})
  win.scm.config("HTTP", {start = "disabled"})
  case.later(function() win.scm.config("HTTP", {start = "demand"}) end)
  fails("win.http.iplisten.add '::1'", 1, "1058 ERROR_SERVICE_DISABLED")
  lu.assertEquals(win.scm.get("HTTP").state, "stopped")
end

-- ---- free80 --up-to iplisten ----

function T:test_free80_restricts_the_listen_list_only_when_asked_and_undo_restores_it()
  run "win.http.iplisten.add '0.0.0.0', win.http.iplisten.add '10.0.0.1'"
  local before = stored()
  for _, up_to in ipairs {"service", "stop"} do
    lu.assertNotStrContains(p80({"free80.lua", "--up-to", up_to, "--check"}).stdout, "127.0.0.1")
  end
  local planned = case.exits(p80 {"free80.lua", "--up-to", "iplisten", "--check"}, 3)
  for _, text in ipairs {"http.iplisten 127.0.0.1", "http.iplisten 0.0.0.0: removed", "http.iplisten 10.0.0.1: removed", "all of its ports", "holder.exe"} do
    lu.assertStrContains(planned.stdout, text)
  end
  lu.assertEquals(stored(), before)
  planned = p80 {"--json", "free80.lua", "--up-to", "iplisten", "--check"}
  lu.assertEquals(planned.json.result.steps[1].took_down, {"holder.exe"})
  local result = case.exits(p80 {"free80.lua", "--up-to", "iplisten", "--timeout", "0.3"}, 1) -- Wine heeds no list
  lu.assertEquals(stored().addresses, {"127.0.0.1"})
  lu.assertStrContains(result.stdout, "the port is still held")
  lu.assertStrContains(result.stdout, "only when HTTP or Windows restarts")
  case.exits(p80 {"undo"}, 0)
  lu.assertEquals(#stored().addresses, 2)
  lu.assertItemsEquals(stored().addresses, before.addresses)
end

-- The holder goes while free80 waits, as a driver that heeds its list at once would let go.
function T:test_free80_waits_until_the_port_can_be_shared()
  local running = test.start(case.command {"free80.lua", "--up-to", "iplisten", "--timeout", "20", env = SHIM})
  case.later(function() running:close() end)
  case.wait("the list", function() return stored().addresses[1] == "127.0.0.1" end)
  test.sleep(0.3)
  self.holder:kill()
  local result = running:wait(15)
  lu.assertNotNil(result, "it still waits")
  case.exits(result, 0)
  lu.assertStrContains(result.stdout, "the port is free")
  lu.assertStrContains(result.stdout, "SO_EXCLUSIVEADDRUSE")
end

-- Wine lets nobody share a port as Windows does; that the option is not set is seen by making it fail.
function T:test_a_shared_probe_does_not_ask_to_be_alone()
  local code = "require 'p80'.report {win.tcp.probe(8123), win.tcp.probe(8123, {exclusive = false})}"
  local env = {P80_SHIM_FAIL = "setsockopt:1:10013,setsockopt:3:10013"}
  local result = case.exits(case.p80 {"--json", "-e", code, env = env}, 0).json.result
  lu.assertEquals({result[1].free, result[1].ipv4.reason}, {false, "denied"})
  lu.assertEquals({result[2].free, result[2].ipv4.reason}, {true, "free"})
end
