-- build: shim
-- win.http.sslcert, timeout, cache, setting and parameters on a configuration that is kept (tests/shims/http_records.c).
local lu = require "luaunit"
local case = require "case"
local fakecore = require "fakecore"
local http = win.http

local NOT_FOUND, INVALID, NOT_IMPLEMENTED, INVALID_DATA, NO_CERTIFICATE, REFUSED = 2, 87, 120, 13, 1312, 0x20000004
local PARAMETERS = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]]
local HASH, OTHER = ("0123456789abcdef0123"):rep(2), ("fe"):rep(20)
local GUID = "{4dc3e181-e14b-4a21-b022-59fc669b0914}"

local shim = case.shim
local assert_fails = fakecore.problem

-- One run: call("http.sslcert.add", ...) is what win.http.sslcert.add(...) of a playbook comes down to.
local function open_run(files, options)
  local core = fakecore.open {files = files, options = options}
  return core.call, core
end

local function undo(files)
  local report = fakecore.open({files = files}).undo.run()
  lu.assertEquals(report.failed, 0)
end

local function begin_suite(class)
  local begin = class.setUp
  function class.setUp()
    begin()
    shim("HTTP_CONFIG", "1")
    case.reg {"delete", PARAMETERS, "/f"}
    case.holder {"--http", "http://+:18080/"}
  end
end

-- ---- Certificates ----

local Ssl = case.suite "Ssl"
begin_suite(Ssl)

local BINDINGS = {
  ["ipport=0.0.0.0:443"] = {kind = "ipport", host = "0.0.0.0", port = 443},
  ["ipport=[fe80::1%4]:8443"] = {kind = "ipport", host = "fe80::1%4", port = 8443},
  ["hostnameport=www.contoso.com:443"] = {kind = "hostnameport", host = "www.contoso.com", port = 443},
  ["ccs=443"] = {kind = "ccs", port = 443},
  ["scopedccs=shop.contoso.com:444"] = {kind = "scopedccs", host = "shop.contoso.com", port = 444},
}

-- What is needed to bind, of each kind.
local function least(binding) return {appid = GUID, hash = not binding:find "ccs=" and HASH or nil} end

local function stored() return (win.reg.tree(PARAMETERS)) end

function Ssl.test_bindings_as_text()
  for text, parts in pairs(BINDINGS) do
    parts.binding = text
    lu.assertEquals(http.sslcert.binding(text), parts)
    parts.binding = nil
  end
  for given, expected in pairs {
    ["0.0.0.0:443"] = "ipport=0.0.0.0:443", ["[0::0]:1"] = "ipport=[::]:1", ["WWW.Contoso.COM:65535"] = "hostnameport=www.contoso.com:65535",
    ["hostnameport=1.2.3.4:443"] = "hostnameport=1.2.3.4:443", ["scopedccs=*.Contoso.com:443"] = "scopedccs=*.contoso.com:443",
  } do
    lu.assertEquals(http.sslcert.binding(given).binding, expected)
  end
  for given, fault in pairs {
    ["ccs=x"] = "'x'", ["ccs=0"] = "'0'", ["ccs=1.2.3.4:443"] = "1.2.3.4:443", ["::1:443"] = "'::1'", ["ipport=x:443"] = "'x'", ["a:b:1"] = "'a:b'",
    ["x"] = "port ''", ["ssl=x:1"] = "'ssl'", ["a=b:1"] = "'a'", ["a b:1"] = "'a b'", ["1.2.3.4:65536"] = "65536", ["ipport=[1.2.3.4]:1"] = "[1.2.3.4]",
  } do
    local parts, why = http.sslcert.binding(given)
    lu.assertNil(parts, given)
    lu.assertStrContains(why, fault)
  end
end

function Ssl.test_every_kind_is_added_once_changed_and_taken_back()
  for binding, key in pairs(BINDINGS) do
    local before, files = stored(), {}
    local call, core = open_run(files)
    lu.assertTrue(call("http.sslcert.add", binding, least(binding)))
    lu.assertFalse(call("http.sslcert.add", binding, least(binding)))
    local row, source = http.sslcert.get(binding)
    lu.assertEquals({row.kind, row.host, row.port, row.hash, row.appid, source}, {key.kind, key.host, key.port, least(binding).hash, GUID, "api"})
    lu.assertEquals(http.sslcert.list(), {row})
    lu.assertTrue(call("http.sslcert.update", binding, {reject = true}))
    lu.assertFalse(call("http.sslcert.update", binding, {reject = true}))
    lu.assertTrue(http.sslcert.get(binding).reject)
    lu.assertTrue(call("http.sslcert.delete", binding))
    lu.assertFalse(call("http.sslcert.delete", binding))
    lu.assertNil((http.sslcert.get(binding)))
    core.finish()
    lu.assertEquals(#core.gate.changes(), 3)
    undo(files)
    lu.assertNil((http.sslcert.get(binding)))
  end
end

-- Everything that a record can say, with other bits than p80 has names for.
local ALL = {
  hash = OTHER, appid = GUID, store = "Root", verify_client_cert_revocation = false, verify_revocation_with_cached_client_cert_only = true,
  use_revocation_freshness_time = true, usage_check = false, revocation_freshness_time = 4294967295, url_retrieval_timeout = 5.001,
  ctl_identifier = "liste", ctl_store = "CA", ds_mapper_usage = true, client_cert_negotiation = true, no_raw_filter = true, reject = true,
  disable_http2 = true, disable_quic = true, disable_tls13 = true, disable_ocsp_stapling = true, enable_token_binding = true,
  log_extended_events = true, disable_legacy_tls = true, enable_session_ticket = true, disable_tls12 = true, enable_client_correlation = true,
  disable_session_id = true, other_checks = 0x18, other_flags = 0x8000,
}

function Ssl.test_every_field_goes_there_and_back()
  local binding = "hostnameport=b\u{FC}cher.example:443"
  local call = open_run()
  for name in pairs(http.sslcert.defaults()) do lu.assertNotNil(ALL[name], name) end
  lu.assertTrue(call("http.sslcert.add", binding, ALL))
  lu.assertFalse(call("http.sslcert.add", binding, ALL))
  local row = http.sslcert.get(binding)
  for name, value in pairs(ALL) do lu.assertEquals({name, row[name]}, {name, value}) end
  local path = PARAMETERS .. "\\SslSniBindingInfo"
  path = path .. "\\" .. win.reg.keys(path)[1]
  lu.assertEquals(win.reg.get(path, "DefaultSslCertCheckMode"), 0x1001F)
  lu.assertEquals(win.reg.get(path, "DefaultFlags"), 0xFFFF)
  lu.assertEquals(win.reg.get(path, "DefaultSslRevocationUrlRetrievalTimeout"), 5001)
  lu.assertEquals(win.reg.get(path, "AppId"), "\x81\xE1\xC3\x4D\x4B\xE1\x21\x4A\xB0\x22\x59\xFC\x66\x9B\x09\x14")
  local usual = http.sslcert.defaults()
  usual.hash, usual.appid = HASH, "{" .. ("0"):rep(8) .. GUID:sub(10)
  local files = {}
  local changed, core = open_run(files)
  for name, value in pairs(usual) do lu.assertTrue(changed("http.sslcert.update", binding, {[name] = value}), name) end
  core.finish()
  undo(files)
  lu.assertEquals(http.sslcert.get(binding), row)
end

function Ssl.test_the_same_in_other_words()
  local call = open_run()
  lu.assertTrue(call("http.sslcert.add", "0.0.0.0:443", {hash = HASH, appid = GUID}))
  lu.assertFalse(call("http.sslcert.add", "ipport=0.0.0.0:443", {hash = "\u{200E}" .. HASH:upper():gsub("..", "%0 "), appid = GUID:upper():sub(2, -2),
    store = "MY", usage_check = true, reject = false, revocation_freshness_time = 0, ctl_store = ""}))
  lu.assertTrue(call("http.sslcert.update", "0.0.0.0:443", {revocation_freshness_time = 60}))
  lu.assertTrue(http.sslcert.get("0.0.0.0:443").use_revocation_freshness_time)
  lu.assertTrue(call("http.sslcert.add", "0.0.0.0:443", {hash = OTHER, appid = GUID})) -- the whole of the binding
  lu.assertEquals({http.sslcert.get("0.0.0.0:443").hash, http.sslcert.get("0.0.0.0:443").revocation_freshness_time}, {OTHER, 0})
end

function Ssl.test_before_windows_could_update()
  shim("HTTP_IDS", "12")
  lu.assertEquals(select(2, fakecore.failure(http.sslcert.update, "ccs", {port = 1, appid = ("0"):rep(32)}, "ccs=1")).code, NOT_IMPLEMENTED)
  local files, call, core = {}, open_run()
  lu.assertTrue(call("http.sslcert.add", "0.0.0.0:443", {hash = HASH, appid = GUID}))
  call, core = open_run(files)
  lu.assertTrue(call("http.sslcert.update", "0.0.0.0:443", {reject = true}))
  lu.assertTrue(http.sslcert.get("0.0.0.0:443").reject)
  core.finish()
  undo(files)
  lu.assertFalse(http.sslcert.get("0.0.0.0:443").reject)
  -- A record that Windows refuses leaves the old one.
  assert_fails(NO_CERTIFICATE, "ipport=0.0.0.0:443", open_run(), "http.sslcert.update", "0.0.0.0:443", {hash = ("0"):rep(40)})
  lu.assertEquals(http.sslcert.get("0.0.0.0:443").hash, HASH)
end

-- What each Windows knows: 3 kinds of records before Vista, then timeouts (3), the cache (4), host names (5) and the central store (6).
function Ssl.test_kinds_that_this_windows_does_not_know()
  local call = open_run()
  for ids, known in pairs {["3"] = 1, ["5"] = 1, ["6"] = 2, ["7"] = 3, ["11"] = 3, ["12"] = 4} do
    case.reg {"delete", PARAMETERS, "/f"}
    test.setenv("P80_SHIM_HTTP_IDS", ids)
    for i, binding in ipairs {"0.0.0.0:443", "www.contoso.com:443", "ccs=443", "scopedccs=www.contoso.com:443"} do
      local canonical = http.sslcert.binding(binding).binding
      if i <= known then
        lu.assertTrue(call("http.sslcert.add", binding, least(canonical)))
      else
        for _, f in ipairs {http.sslcert.get, function(b) return call("http.sslcert.add", b, least(canonical)) end} do
          local problem = assert_fails(NOT_IMPLEMENTED, canonical, f, binding)
          lu.assertStrContains(problem.hint, i < 4 and "Windows 8 or Windows Server 2012" or "Windows 10")
        end
      end
    end
    lu.assertEquals(#http.sslcert.list(), known)
  end
  case.later(function() test.setenv("P80_SHIM_HTTP_IDS", nil) end)
end

function Ssl.test_the_registry_tells_the_same()
  local call = open_run()
  for binding in pairs(BINDINGS) do call("http.sslcert.add", binding, least(binding)) end
  call("http.sslcert.add", "b.example:443", ALL)
  local rows = {}
  for _, row in ipairs(http.sslcert.list()) do
    if row.kind ~= "scopedccs" then rows[#rows + 1] = row end -- not documented where
  end
  local real = http.is_running
  http.is_running = function() return false end
  case.later(function() http.is_running = real end)
  lu.assertEquals({http.sslcert.list()}, {rows, "registry"})
  for _, row in ipairs(rows) do lu.assertEquals({http.sslcert.get(row.binding)}, {row, "registry"}) end
  lu.assertEquals({http.sslcert.get "9.9.9.9:9"}, {nil, "registry"})
  -- what somebody else wrote there
  for name, value in pairs {AppId = "text", SslCertHash = 5, DefaultFlags = "x", DefaultSslCertCheckMode = ""} do
    win.reg.set(PARAMETERS .. "\\SslBindingInfo\\0.0.0.0:443", name, value, {type = type(value) == "string" and "sz" or "dword"})
  end
  win.reg.create(PARAMETERS .. "\\SslBindingInfo\\rubbish")
  win.reg.create(PARAMETERS .. "\\SslSniBindingInfo\\{rubbish}")
  lu.assertEquals(#http.sslcert.list(), #rows)
  lu.assertNil(http.sslcert.get("0.0.0.0:443").hash)
end

function Ssl.test_answers_that_cannot_be()
  open_run()("http.sslcert.add", "0.0.0.0:443", {hash = HASH, appid = GUID})
  for _, way in ipairs {"3", "4"} do
    test.setenv("P80_SHIM_HTTP_CONFIG", way)
    for _, f in ipairs {http.sslcert.list, function() return http.sslcert.get "0.0.0.0:443" end} do
      lu.assertEquals(select(2, fakecore.failure(f)).code, INVALID_DATA)
    end
  end
end

function Ssl.test_check()
  local call = open_run()
  call("http.sslcert.add", "0.0.0.0:443", {hash = HASH, appid = GUID})
  local before = stored()
  call = open_run({}, {check = true})
  lu.assertTrue(call("http.sslcert.update", "0.0.0.0:443", {reject = true}))
  lu.assertFalse(call("http.sslcert.update", "0.0.0.0:443", {reject = true}))
  lu.assertTrue(call("http.sslcert.add", "ccs=443", {appid = GUID}))
  lu.assertFalse(call("http.sslcert.add", "ccs=443", {appid = GUID}))
  lu.assertTrue(call("http.sslcert.get", "0.0.0.0:443").reject)
  lu.assertNil(call("http.sslcert.get", "ccs=443").hash)
  local rows = call("http.sslcert.list")
  lu.assertEquals({#rows, rows[1].reject, rows[2].binding}, {2, true, "ccs=443"})
  lu.assertTrue(call("http.sslcert.delete", "0.0.0.0:443"))
  lu.assertNil((call("http.sslcert.get", "0.0.0.0:443")))
  lu.assertEquals(#call "http.sslcert.list", 1)
  lu.assertEquals(stored(), before)
end

function Ssl.test_refused()
  local call = open_run(nil, {allow = {"http.sslcert:hostnameport=*.contoso.com:443"}})
  assert_fails(REFUSED, "ipport=0.0.0.0:443", call, "http.sslcert.add", "0.0.0.0:443", {hash = HASH, appid = GUID})
  lu.assertTrue(call("http.sslcert.add", "www.contoso.com:443", {hash = HASH, appid = GUID}))
  lu.assertEquals(#http.sslcert.list(), 1)
end

function Ssl.test_bad_input()
  local call = open_run()
  local function add(options, binding) return call("http.sslcert.add", binding or "0.0.0.0:443", options) end
  assert_fails(INVALID, "hash", add, {appid = GUID})
  assert_fails(INVALID, "appid", add, {hash = HASH})
  assert_fails(INVALID, "hash", add, {appid = GUID, hash = HASH}, "ccs=443")
  assert_fails(INVALID, "options", add, nil)
  lu.assertStrContains(assert_fails(INVALID, "certhash", add, {certhash = HASH}).hint, "hash")
  lu.assertEquals(assert_fails(INVALID, "disablehttp2", add, {disablehttp2 = true}).hint, "did you mean 'disable_http2'?")
  lu.assertStrContains(assert_fails(INVALID, "nothing", add, {}, "nothing").hint, "0.0.0.0:443")
  lu.assertStrContains(assert_fails(NO_CERTIFICATE, "ipport=0.0.0.0:443", add, {hash = ("0"):rep(40), appid = GUID}).hint, "private key")
  assert_fails(INVALID, "ipport=0.0.0.0:443", add, {hash = "abcd", appid = GUID}) -- Windows wants 20 bytes
  lu.assertStrContains(assert_fails(NOT_FOUND, "ipport=0.0.0.0:443", call, "http.sslcert.update", "0.0.0.0:443", {reject = true}).hint, "add")
  lu.assertEquals(http.sslcert.list(), {})
end

-- ---- Numbers ----

local Numbers = case.suite "Numbers"
begin_suite(Numbers)

-- subject, name, what it is before, whether it can be deleted
local NUMBERS = {
  {"timeout", "idle_connection", 120, true}, {"timeout", "header_wait", 120, true}, {"cache", "max_response_size", 262144},
  {"cache", "range_chunk_size", 262144}, {"setting", "ssl_throttle", nil, true},
}

function Numbers.test_every_write_is_planned_refused_made_once_and_taken_back()
  for _, i in ipairs {1, 3, 5} do
    local subject, name, usual, deletes = table.unpack(NUMBERS[i])
    local kind, read = "http." .. subject, function() return (http[subject].get(name)) end
    local planned = open_run({}, {check = true})
    lu.assertEquals({planned(kind .. ".set", name, 60), planned(kind .. ".set", name, 60), planned(kind .. ".get", name)}, {true, false, 60, "api"})
    for _, row in ipairs(planned(kind .. ".list")) do
      if row.name == name then lu.assertEquals(row.value, 60) end
    end
    lu.assertEquals(read(), usual)
    assert_fails(REFUSED, name, open_run(nil, {allow = {kind .. ":x"}}), kind .. ".set", name, 60)
    local files = {}
    local call, core = open_run(files)
    lu.assertEquals({call(kind .. ".set", name, 60), call(kind .. ".set", name, 60), read()}, {true, false, 60})
    core.finish()
    undo(files)
    lu.assertEquals(read(), usual)
    if deletes then
      open_run()(kind .. ".set", name, 61)
      files = {}
      call, core = open_run(files)
      lu.assertEquals({call(kind .. ".delete", name), call(kind .. ".delete", name)}, {true, false})
      lu.assertEquals(read(), usual)
      core.finish()
      undo(files)
      lu.assertEquals(read(), 61)
      open_run()(kind .. ".delete", name)
    end
  end
end

function Numbers.test_ranges()
  local call = open_run()
  for _, one in ipairs(NUMBERS) do
    local set, most = "http." .. one[1] .. ".set", one[1] == "timeout" and 65535 or 0xFFFFFFFF
    lu.assertTrue(call(set, one[2], most))
    lu.assertEquals((http[one[1]].get(one[2])), most)
    lu.assertTrue(call(set, one[2], 0))
    for _, bad in ipairs {-1, most + 1, 1.5, "5", true} do assert_fails(INVALID, "value", call, set, one[2], bad) end
    assert_fails(INVALID, "name", call, set, one[2] .. "x", 5)
    assert_fails(INVALID, "name", http[one[1]].get, one[2]:upper())
    assert_fails(INVALID, "arguments", call, set, one[2])
  end
end

-- 2003 knows none of them, Vista timeouts, Windows 7 the cache, too.
function Numbers.test_what_this_windows_does_not_know()
  local call = open_run()
  local since = {timeout = "Vista", cache = "Windows 7 or Windows Server 2008 R2", setting = "Windows 10"}
  for ids, known in pairs {["3"] = {}, ["4"] = {timeout = true}, ["5"] = {timeout = true, cache = true}} do
    test.setenv("P80_SHIM_HTTP_IDS", ids)
    for _, one in ipairs(NUMBERS) do
      local subject, name = one[1], one[2]
      if known[subject] then
        lu.assertEquals((http[subject].get(name)), one[3])
      else
        for _, f in ipairs {http[subject].get, function() call("http." .. subject .. ".set", name, 5) end} do
          lu.assertStrContains(assert_fails(NOT_IMPLEMENTED, name, f, name).hint, since[subject])
        end
        lu.assertEquals(select(2, fakecore.failure(http[subject].list)).code, NOT_IMPLEMENTED)
      end
    end
  end
  test.setenv("P80_SHIM_HTTP_IDS", nil)
end

function Numbers.test_a_stopped_service_tells_none_and_takes_none()
  local real = http.is_running
  http.is_running = function() return false end
  case.later(function() http.is_running = real end)
  for _, one in ipairs(NUMBERS) do
    lu.assertEquals({http[one[1]].get(one[2])}, {nil, "stopped"})
    local rows, source = http[one[1]].list()
    lu.assertEquals({rows[1].value, source}, {nil, "stopped"})
  end
end

-- ---- Parameters ----

local Parameters = case.suite "Parameters"
begin_suite(Parameters)

local function wanted(row) return row.type == "sz" and "C:\\logs" or row.least end

function Parameters.test_every_parameter()
  local rows, files, before = http.parameters.list(), {}, {}
  local call, core = open_run(files)
  lu.assertTrue(#rows >= 20)
  for _, row in ipairs(rows) do
    before[row.key] = before[row.key] or {win.reg.tree(row.key)}
    if row.least then lu.assertTrue(row.default >= 0 and row.least <= row.most and row.meaning ~= "", row.name) end
    lu.assertEquals({call("http.parameters.set", row.name, wanted(row)), call("http.parameters.set", row.name, wanted(row))}, {true, false})
    lu.assertEquals({win.reg.get(row.key, row.name)}, {wanted(row), row.type})
    lu.assertEquals(http.parameters.get(row.name).value, wanted(row))
    for _, bad in ipairs(row.least and {row.least - 1, row.most + 1, "x", 1.5} or {5}) do
      assert_fails(INVALID, "value", call, "http.parameters.set", row.name, bad)
    end
  end
  local _, printed = core.finish()
  for _, row in ipairs(rows) do lu.assertStrContains(printed, "warning: http.parameters '" .. row.name) end
  undo(files)
  for key, tree in pairs(before) do lu.assertEquals({win.reg.tree(key)}, tree) end -- with the key itself
end

function Parameters.test_deleting_planning_refusing()
  local name, files = "MaxFieldLength", {}
  open_run()("http.parameters.set", name, 65534)
  local planned = open_run({}, {check = true})
  lu.assertTrue(planned("http.parameters.delete", name))
  lu.assertNil(planned("http.parameters.get", name).value)
  lu.assertTrue(planned("http.parameters.set", "MaxRequestBytes", 256))
  for _, row in ipairs(planned "http.parameters.list") do
    if row.name == "MaxRequestBytes" then lu.assertEquals(row.value, 256) end
  end
  lu.assertEquals(http.parameters.get(name).value, 65534)
  assert_fails(REFUSED, name, open_run(nil, {allow = {"http.parameters:Uri*"}}), "http.parameters.delete", name)
  local call, core = open_run(files)
  lu.assertEquals({call("http.parameters.delete", name), call("http.parameters.delete", name)}, {true, false})
  lu.assertNil((win.reg.get(PARAMETERS, name)))
  core.finish()
  undo(files)
  lu.assertEquals({win.reg.get(PARAMETERS, name)}, {65534, "dword"})
  lu.assertEquals(assert_fails(INVALID, "MaxFieldLenght", http.parameters.get, "MaxFieldLenght").hint, "did you mean 'MaxFieldLength'?")
  assert_fails(INVALID, "name", http.parameters.get, "")
end

function Parameters.test_a_write_that_does_not_take()
  shim("FAIL", "RegSetValueExW:1+:5")
  assert_fails(5, PARAMETERS, open_run(), "http.parameters.set", "MaxFieldLength", 64)
end
