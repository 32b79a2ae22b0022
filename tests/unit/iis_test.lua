-- build: shim
-- win.iis on the fake IIS (tests/fixtures/fake-iis.c), once with the configuration of IIS 7 and once with the metabase of
-- IIS 6. What runs for real is COM itself: its calls, VARIANTs and BSTRs, on x64 and x86.
local lu = require "luaunit"
local case = require "case"
local failing = require "failing"
local fakecom = require "fakecom"
local fakecore = require "fakecore"
local flat = require "flat"

local iis = win.iis
local INVALID, NOT_FOUND, NOT_SUPPORTED, EXISTS, NOT_ACTIVE, TIMEOUT = 87, 1168, 50, 183, 1062, 1460
local REFUSED, NOT_TAKEN, CONFLICT = 0x20000004, 0x20000001, 0x20000007
local SITE, OTHER = "Default Web Site", "Größe"

local BINDINGS = {
  {[0] = "http|*:80:|0", "https|*:443:|0", "http|[::1]:80:www.example.com|0", "net.tcp|808:*|0"},
  {[0] = "https|127.0.0.1:443:a.example|1"},
}

local function apphost()
  fakecom.register("apphost", "fake-iis")
  for i, name in ipairs {SITE, OTHER} do
    fakecom.write("sites\\" .. i, {
      Name = {"sz", name}, Id = {"dword", i}, AutoStart = {"dword", 1}, State = {"dword", i == 1 and 1 or 3},
      Bindings = {"multi_sz", table.move(BINDINGS[i], 0, #BINDINGS[i], 1, {})},
    })
  end
end

local function metabase()
  fakecom.register("metabase", "fake-iis")
  fakecom.write("W3SVC", {["1002"] = {"sz", "IIsWebService"}})
  fakecom.write([[W3SVC\AppPools]], {})
  fakecom.write([[W3SVC\1]], {
    ["1015"] = {"sz", SITE}, ["1016"] = {"dword", 2}, ["1017"] = {"dword", 1},
    ["1023"] = {"multi_sz", {":80:", "[::1]:80:www.example.com"}}, ["2021"] = {"multi_sz", {":443:"}},
  })
  fakecom.write([[W3SVC\2]], {
    ["1015"] = {"sz", OTHER}, ["1016"] = {"dword", 4}, ["1017"] = {"dword", 0}, ["1099"] = {"dword", 183},
    ["2021"] = {"multi_sz", {"127.0.0.1:443:a.example"}},
  })
end

local function clear()
  fakecom.clear()
  fakecom.register "apphost"
  fakecom.register "metabase"
end

local assert_problem = fakecore.problem

local function open(options, files)
  return fakecore.caller(fakecore.open {options = options, files = files}, "iis")
end

local function texts(site)
  local list = {}
  for i, binding in ipairs(iis.get(site).bindings) do list[i] = binding.protocol .. " " .. binding.binding end
  return list
end

local function snapshot()
  local rows = iis.sites()
  for _, row in ipairs(rows) do row.auto_start = nil end -- IIS keeps it in step with the state
  return rows
end

-- ---- Without IIS ----

TestNoIis = {setUp = clear}

function TestNoIis.test_every_function_says_so()
  lu.assertNil(iis.store())
  for name, arguments in pairs {sites = {}, get = {"x"}, bindings = {}} do
    local problem = assert_problem(NOT_SUPPORTED, "IIS", iis[name], table.unpack(arguments))
    lu.assertStrContains(problem.hint, "not installed")
  end
  local run = open()
  assert_problem(NOT_SUPPORTED, "IIS", run.stop, "x")
  assert_problem(NOT_SUPPORTED, "IIS", run.move, "x", "*:80:", 81)
end

-- ---- Both configurations ----

local function suite(name, prepare)
  local T = {}
  _G["Test" .. name] = T
  function T.setUp()
    clear()
    prepare()
  end
  function T.tearDown()
    lu.assertEquals(fakecom.count "LIVE", 0, "objects left")
    clear()
  end
  local is_metabase = prepare == metabase

  function T.test_sites()
    lu.assertEquals(iis.store(), is_metabase and "metabase" or "apphost")
    local sites = iis.sites()
    lu.assertEquals(#sites, 2)
    lu.assertEquals({sites[1].name, sites[1].id, sites[1].state, sites[1].auto_start, sites[1].error},
      {SITE, 1, "started", true, nil})
    lu.assertEquals({sites[2].name, sites[2].id, sites[2].state}, {OTHER, 2, "stopped"})
    lu.assertEquals(sites[2].error, is_metabase and 183 or nil)
    lu.assertEquals(iis.get(OTHER), sites[2])
    lu.assertEquals(iis.get "default web site", sites[1])
    lu.assertEquals(iis.get(2), sites[2])
    lu.assertNil(iis.get "none")
    lu.assertNil(iis.get(3))
  end

  function T.test_bindings()
    local rows = {}
    for _, row in ipairs(iis.bindings()) do
      rows[row.site .. " " .. row.protocol .. " " .. row.binding] = {row.address, row.port, row.host}
    end
    local expected = {
      [SITE .. " http *:80:"] = {"*", 80}, [SITE .. " https *:443:"] = {"*", 443},
      [SITE .. " http [::1]:80:www.example.com"] = {"[::1]", 80, "www.example.com"},
      [OTHER .. " https 127.0.0.1:443:a.example"] = {"127.0.0.1", 443, "a.example"},
    }
    if not is_metabase then expected[SITE .. " net.tcp 808:*"] = {} end
    lu.assertEquals(rows, expected)
  end

  function T.test_move()
    local files, before = {}, snapshot()
    local run = open(nil, files)
    lu.assertTrue(run.move(SITE, "*:80:", 8080))
    lu.assertFalse(run.move(SITE, "*:80:", 8080))
    lu.assertFalse(run.move(1, "*:8080:", 8080))
    lu.assertTrue(run.move(SITE, "[::1]:80:www.example.com", 8080))
    lu.assertItemsEquals({table.unpack(texts(SITE), 1, 3)},
      {"http *:8080:", "https *:443:", "http [::1]:8080:www.example.com"})
    lu.assertTrue(run.move(OTHER, "127.0.0.1:443:a.example", 444, {protocol = "https"}))
    lu.assertEquals(texts(OTHER), {"https 127.0.0.1:444:a.example"})
    run.core.finish()
    local report = fakecore.open({files = files}).undo.run()
    lu.assertEquals(report.failed, 0)
    lu.assertEquals(snapshot(), before)
  end

  function T.test_start_and_stop()
    local files = {}
    local run = open(nil, files)
    lu.assertTrue(run.stop(SITE))
    lu.assertFalse(run.stop(SITE))
    lu.assertEquals({iis.get(SITE).state, iis.get(SITE).auto_start}, {"stopped", false})
    lu.assertTrue(run.start(OTHER))
    lu.assertFalse(run.start(2))
    run.core.finish()
    lu.assertEquals(fakecore.open({files = files}).undo.run().failed, 0)
    lu.assertEquals({iis.get(SITE).state, iis.get(OTHER).state}, {"started", "stopped"})
  end

  function T.test_a_site_takes_its_time()
    local run = open()
    fakecom.tell("LATE", 3)
    lu.assertTrue(run.stop(SITE))
    lu.assertEquals(iis.get(SITE).state, "stopped")
    fakecom.tell("LATE", 1000)
    local problem = assert_problem(TIMEOUT, SITE, run.start, SITE, {timeout = 0.3})
    lu.assertStrContains(problem.hint, "starting")
    fakecom.tell("LATE", nil)
  end

  function T.test_check_changes_nothing_and_shows_it()
    local before = snapshot()
    local run = open {check = true}
    lu.assertTrue(run.move(SITE, "*:80:", 8080))
    lu.assertFalse(run.move(SITE, "*:80:", 8080))
    lu.assertTrue(run.stop(SITE))
    lu.assertFalse(run.stop(SITE))
    lu.assertEquals(run.get(SITE).state, "stopped")
    lu.assertEquals(run.sites()[1].bindings[1].port, 8080)
    lu.assertEquals(run.bindings()[1].binding, "*:8080:")
    lu.assertEquals(snapshot(), before)
  end

  function T.test_refused_without_a_grant()
    local before = snapshot()
    local run = open {allow = {"iis.binding:Other", "iis.site:Other"}}
    assert_problem(REFUSED, SITE, run.move, SITE, "*:80:", 8080)
    assert_problem(REFUSED, SITE, run.stop, SITE)
    lu.assertEquals(snapshot(), before)
    lu.assertTrue(open({allow = {"iis.binding:default*"}}).move(SITE, "*:80:", 8080))
  end

  function T.test_success_that_does_not_take_is_an_error()
    fakecom.tell("PRETEND", 1)
    local run = open()
    assert_problem(NOT_TAKEN, SITE, run.move, SITE, "*:80:", 8080)
    assert_problem(TIMEOUT, SITE, run.stop, SITE, {timeout = 0})
  end

  function T.test_somebody_else_has_changed_it_since()
    local files = {}
    local run = open(nil, files)
    lu.assertTrue(run.move(SITE, "*:80:", 8080))
    run.core.finish()
    lu.assertTrue(open().move(SITE, "*:443:", 4443))
    local report = fakecore.open({files = files}).undo.run(1)
    lu.assertEquals({report.failed, report.steps[1].outcome}, {1, "conflict"})
    lu.assertEquals(fakecore.open({files = files}).undo.run(1, true).failed, 0)
    lu.assertEquals(texts(SITE)[1], "http *:80:")
  end

  local function one_more(binding)
    if is_metabase then return fakecom.write([[W3SVC\1]], {["1023"] = {"multi_sz", {"[::2]:80:"}}, ["2021"] = {"multi_sz", {binding}}}) end
    fakecom.write([[sites\1]], {Bindings = {"multi_sz", {"https|" .. binding .. "|0"}}})
  end

  function T.test_a_binding_that_is_taken()
    local run = open()
    lu.assertTrue(run.move(SITE, "*:443:", 445))
    lu.assertTrue(run.move(SITE, "*:445:", 443))
    lu.assertTrue(run.move(SITE, "*:80:", 8080))
    lu.assertTrue(run.move(SITE, "[::1]:80:www.example.com", 8080))
    one_more("127.0.0.1:444:a.example")
    local problem = assert_problem(EXISTS, OTHER, run.move, OTHER, "127.0.0.1:443:a.example", 444)
    lu.assertStrContains(problem.message, "'" .. SITE .. "'")
  end

  function T.test_bad_input()
    local run = open()
    local bad = assert_problem(NOT_FOUND, "none", run.stop, "none")
    lu.assertStrContains(bad.hint, SITE)
    lu.assertStrContains(assert_problem(NOT_FOUND, SITE, run.move, SITE, "*:81:", 8080).hint, "'http *:80:'")
    assert_problem(NOT_FOUND, SITE, run.move, SITE, "*:80:", 8080, {protocol = "https"})
    for _, site in ipairs {"", "a\0b", "\xFF", 1.5, {}} do assert_problem(INVALID, "site", run.stop, site) end
    for _, binding in ipairs {"", "80", ":80:", "*:0:", "*:65536:", "*:80", 80, "*:80:" .. ("x"):rep(254)} do
      assert_problem(INVALID, "binding", run.move, SITE, binding, 8080)
    end
    for _, port in ipairs {0, 65536, "8080", 80.5} do assert_problem(INVALID, "port", run.move, SITE, "*:80:", port) end
    assert_problem(INVALID, "protocol", run.move, SITE, "*:80:", 81, {protocol = "ftp"})
    lu.assertStrContains(assert_problem(INVALID, "protokol", run.move, SITE, "*:80:", 81, {protokol = "http"}).hint,
      "protocol")
    assert_problem(INVALID, "timeout", run.start, SITE, {timeout = -1})
    assert_problem(INVALID, "arguments", run.stop)
    assert_problem(INVALID, "arguments", run.move, SITE, "*:80:")
    assert_problem(INVALID, "arguments", iis.sites, 1)
    assert_problem(INVALID, "arguments", iis.bindings, 1)
    assert_problem(INVALID, "arguments", iis.get)
    assert_problem(INVALID, "site", iis.get, {})
  end

  function T.test_every_method_fails_once_in_reads()
    local failures = fakecom.each_failure(iis.sites, function(_, ok, problem, struck)
      if ok then return lu.assertStrContains(struck, "Property.Value") end -- a state that cannot be read is unknown
      lu.assertEquals({problem.op, problem.target}, {"iis.sites", "IIS"}, struck)
      lu.assertIsNumber(problem.code)
      lu.assertStrContains(problem.hint, "the fake was told to fail")
      lu.assertFalse(problem.hint:find "\r" ~= nil)
    end)
    lu.assertTrue(failures > 10, failures)
  end

  function T.test_what_an_earlier_failure_said_is_no_hint()
    lu.assertTrue(fakecom.each_failure_after_another(iis.sites) > 0 or is_metabase)
  end

  -- Each ends in an error and no change, in an error and a change that undo takes back, or in success.
  local function each_failure_of(write)
    one_more "*:80:"
    fakecom.forget(is_metabase and [[W3SVC\2]] or [[sites\2]])
    local before = snapshot()
    local strikes = fakecom.each_failure(function()
      local files = {}
      local run = open(nil, files)
      local ok, problem = pcall(write, run)
      fakecom.tell("FAIL", nil)
      run.core.finish()
      if not ok then lu.assertIsTable(problem, tostring(problem)) end
      local changes = #run.core.gate.changes()
      local after = snapshot()
      if changes > 0 then lu.assertEquals(fakecore.open({files = files}).undo.run().failed, 0) end
      if not ok and changes == 0 then lu.assertEquals(after, before) end
      lu.assertEquals(snapshot(), before)
    end)
    lu.assertTrue(strikes > 20, strikes)
  end

  function T.test_every_method_fails_once_in_move()
    each_failure_of(function(run) return run.move(SITE, "*:80:", 8080, {protocol = "https"}) end)
  end

  function T.test_every_method_fails_once_in_stop()
    each_failure_of(function(run) return run.stop(SITE, {timeout = 0.2}) end)
  end

  function T.test_every_call_of_windows_fails_once()
    local names = {"CoInitializeEx", "CoCreateInstance", "SysAllocString", "RegOpenKeyExW"}
    local strikes = failing.each(names, function(wish)
      local struck, ok, problem = failing.call(wish, iis.sites)
      if struck and not ok then lu.assertNil(failing.wrong_with(problem), wish) end
      lu.assertEquals(fakecom.count "LIVE", 0, wish)
      return struck
    end)
    lu.assertTrue(strikes >= 4, strikes)
    local function prepare()
      if texts(SITE)[1] ~= "http *:80:" then iis.move(1, SITE, "http", "*:8080:", "*:80:") end
    end
    failing.write({op = "iis.move", arguments = {SITE, "*:80:", 8080}, prepare = prepare, snapshot = snapshot, least = 4}, names)
    lu.assertEquals(fakecom.count "LIVE", 0)
  end

  function T.test_nothing_is_left_behind()
    flat(function()
      iis.sites()
      iis.stop(1, SITE)
      iis.start(1, SITE)
      lu.assertFalse((pcall(iis.move, 1, SITE, "http", "*:99:", "*:98:")))
      lu.assertFalse((pcall(iis.stop, 9, "none")))
    end, 10)
  end

  return T
end

local Seven = suite("Iis7", apphost)
local Six = suite("Iis6", metabase)

function Seven.test_both_configurations_and_an_old_schema()
  metabase() -- "IIS 6 Metabase Compatibility"
  lu.assertEquals(iis.store(), "apphost")
  lu.assertEquals(iis.get(OTHER).bindings[1].ssl_flags, 1)
  fakecom.tell("IIS70", 1)
  lu.assertNil(iis.get(OTHER).bindings[1].ssl_flags)
end

function Seven.test_a_refused_commit_asks_for_elevation()
  local run = open()
  run.sites()
  local _, problem
  for n = 1, 300 do -- the commit is the last call of the raw function
    fakecom.tell("CALLS", 0)
    fakecom.tell("FAIL", n)
    _, problem = pcall(iis.move, 1, SITE, "http", "*:80:", "*:81:")
    if test.getenv "P80_FAKE_STRUCK" == "CommitChanges" then break end
  end
  fakecom.tell("FAIL", nil)
  lu.assertEquals({problem.code, problem.name, problem.target}, {5, "ERROR_ACCESS_DENIED", SITE})
  lu.assertEquals(texts(SITE)[1], "http *:80:")
end

function Six.test_iisadmin_is_not_started_by_a_question()
  case.service {name = "IISADMIN", run = false}
  local problem = assert_problem(NOT_ACTIVE, "IISADMIN", iis.sites)
  lu.assertStrContains(problem.hint, "IISADMIN")
  case.remove_service "IISADMIN"
  lu.assertEquals(#iis.sites(), 2)
end

function Six.test_sites_without_a_name_or_with_the_same()
  fakecom.write([[W3SVC\3]], {["1016"] = {"dword", 4}})
  fakecom.write([[W3SVC\4]], {["1015"] = {"sz", SITE:upper()}, ["1016"] = {"dword", 9}})
  lu.assertEquals({iis.get(3).name, iis.get(4).name, iis.get(4).state},
    {"site (3)", SITE:upper() .. " (4)", "unknown"})
  lu.assertEquals(iis.get(3).bindings, {})
end

function Six.test_inherited_bindings_are_shown_and_left_alone()
  fakecom.write("W3SVC", {["1023"] = {"multi_sz", {":8000:"}}})
  fakecom.write([[W3SVC\3]], {["1015"] = {"sz", "heir"}, ["1016"] = {"dword", 4}})
  lu.assertEquals(texts "heir", {"http *:8000:"})
  local run = open()
  lu.assertStrContains(assert_problem(NOT_FOUND, "heir", run.move, "heir", "*:8000:", 8001).hint, "inherits")
end

function Six.test_many_bindings_and_a_busy_metabase()
  local many = {":80:"}
  for i = 1, 200 do many[i + 1] = (":80:host-%d.example.com"):format(i) end
  fakecom.write([[W3SVC\1]], {["1023"] = {"multi_sz", many}})
  fakecom.tell("BUSY", 1)
  lu.assertTrue(open().move(SITE, "*:80:host-200.example.com", 8080))
  many[201] = ":8080:host-200.example.com"
  lu.assertEquals(fakecom.read([[W3SVC\1]], "1023"), many)
  lu.assertEquals(fakecom.count "SAVED", 1)
end
