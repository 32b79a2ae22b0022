-- build: shim
-- win.event on tests/shims/event_log.c: the same through the old API (P80_SHIM_NT52) and the new one.
local lu = require "luaunit"
local fakecore = require "fakecore"
local failing = require "failing"
local flat = require "flat"
local event = win.event

local LOGS = [[HKLM\SYSTEM\CurrentControlSet\Services\EventLog]]
local STORE = [[HKLM\SYSTEM\p80-test]]
local SOURCE = "p80 tést"
local INVALID, REFUSED, NOT_TAKEN, NO_CHANNEL = 87, 0x20000004, 0x20000001, 15007

local function clean()
  win.reg.delete(STORE, nil, {tree = true})
  for _, log in ipairs {"Application", "System"} do win.reg.delete(LOGS .. "\\" .. log .. "\\" .. SOURCE, nil, {tree = true}) end
end

local function fresh()
  test.setenv("P80_SHIM_EVENTS", "1")
  clean()
  for _, log in ipairs {"Application", "System"} do win.reg.create(LOGS .. "\\" .. log) end
end

local function run(options, files) return fakecore.open {options = options, files = files or {}, script = {name = "test", kind = "code"}} end

local function problem(f, ...)
  local text, e = fakecore.failure(f, ...)
  lu.assertIsTable(e, text)
  return e
end

local IS_OLD = test.getenv "P80_SHIM_NT52" ~= nil -- event_old_test.lua

local function write(options)
  options.source = options.source or SOURCE
  return run {}.call("event.write", options)
end

TestRead = {setUp = fresh, tearDown = clean}

function TestRead:test_newest_first_with_all_that_is_known()
  run {}.call("event.register", SOURCE)
  write {text = "one", kind = "start"}
  write {strings = {"zwei", "三"}, id = 7, level = "error"}
  local rows = event.read "Application"
  lu.assertEquals(#rows, 2)
  local row = rows[1]
  lu.assertEquals({row.source, row.id, row.level, row.record, row.log, row.computer}, {SOURCE, 7, "error", 2, "Application", "MACHINE"})
  lu.assertEquals(row.strings, {"zwei", "三"})
  lu.assertNil(row.message) -- p80 has no text for 7
  lu.assertStrMatches(row.time, "%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ")
  lu.assertEquals({rows[2].id, rows[2].level, rows[2].message}, {100, "information", "p80 started a playbook. one"})
end

function TestRead:test_what_is_asked_for()
  for i = 1, 30 do win.event.write(i % 2 == 0 and "even" or "odd", i % 3 == 0 and 1 or 4, i, {"text"}) end
  lu.assertEquals(#event.read("Application", {source = "EVEN"}), 15)
  lu.assertEquals(#event.read("Application", {level = "error"}), 10)
  lu.assertEquals(#event.read("Application", {source = "odd", level = "error", max = 3}), 3)
  lu.assertEquals(event.read("Application", {id = 17})[1].source, "odd")
  lu.assertEquals(#event.read("Application", {since = "2020-01-01T00:00:00Z"}), 30)
  lu.assertEquals(#event.read("Application", {since = "2999-01-01T00:00:00Z"}), 0)
  lu.assertEquals(#event.read "System", 0)
end

-- https://learn.microsoft.com/windows/win32/wes/consuming-events
function TestRead:test_the_query()
  if IS_OLD then return end
  event.read("System", {source = "Service Control Manager", id = 7036, level = "information", since = "2026-01-02T03:04:05Z"})
  lu.assertEquals(test.getenv "P80_SHIM_QUERY", "*[System[Provider[@Name='Service Control Manager'] and EventID=7036 and " ..
    "(Level=0 or Level=4) and TimeCreated[@SystemTime>='2026-01-02T03:04:05Z']]]")
  event.read("System", {source = "it's", level = "audit_failure"})
  lu.assertEquals(test.getenv "P80_SHIM_QUERY", "*[System[band(Keywords,4503599627370496)]]")
end

function TestRead:test_large_records()
  local strings = {}
  for i = 1, 100 do strings[i] = ("x"):rep(200) end
  write {strings = strings}
  for _ = 1, 20 do win.event.write(SOURCE, 4, 2, strings) end
  local rows = event.read "Application"
  lu.assertEquals({#rows, rows[21].strings}, {21, strings})
end

function TestRead:test_errors()
  lu.assertEquals(problem(event.read, "No such log").code, NO_CHANNEL)
  lu.assertEquals(problem(event.read, "No such log").target, "No such log")
  for key, bad in pairs {id = -1, level = "loud", since = "yesterday", max = 0, source = 5} do
    local e = problem(event.read, "System", {[key] = bad})
    lu.assertEquals({e.code, e.target, e.op}, {INVALID, key, "event.read"})
  end
  lu.assertEquals(problem(event.read, "System", {sauce = "x"}).hint, "did you mean 'source'?")
  lu.assertEquals(problem(event.read, "a\0b").code, INVALID)
  lu.assertEquals(problem(event.source).code, INVALID)
  lu.assertEquals(problem(event.logs, 1).code, INVALID)
end

function TestRead:test_logs_and_sources()
  local found = {}
  for _, name in ipairs(event.logs()) do found[name] = true end
  lu.assertTrue(found.Application and found.System)
  lu.assertNil(event.source "no such source")
  lu.assertNil(event.source "")
end

-- A record whose parts lie outside of it.
function TestRead:test_damaged_records()
  if not IS_OLD then return end
  write {text = "whole"}
  local key, name = STORE .. [[\events\Application]], "00000001"
  local whole = win.reg.get(key, name)
  local function damaged(at, value)
    win.reg.set(key, name, whole:sub(1, at) .. ("<I4"):pack(value) .. whole:sub(at + 5), {type = "binary"})
    return problem(event.read, "Application").code
  end
  for at, value in pairs {[0] = 0x7FFFFFFF, [36] = 0x7FFFFFF0, [26] = 0x0000FFFF} do lu.assertEquals(damaged(at, value), 1500, at) end
  lu.assertEquals(damaged(0, 4), 1500)
  -- the smallest record, with a user that would be behind it
  win.reg.set(key, name, ("<I4I4I4I4I4I4I2I2I2I2I4I4I4I4I4I4I4"):pack(60, 0x654C664C, 1, 0, 0, 1, 4, 0, 0, 0, 0, 0, 68, 0x7FFFFFF0, 0, 0, 0),
    {type = "binary"})
  local row = event.read("Application")[1]
  lu.assertEquals({row.source, row.sid, row.message}, {""})
end

TestWrite = {setUp = fresh, tearDown = clean}

function TestWrite:test_every_kind_has_its_number_level_and_text()
  run {}.call("event.register", SOURCE)
  for kind, expected in pairs {
    note = {1, "information", "x"}, start = {100, "information", "p80 started a playbook. x"},
    done = {101, "information", "p80 ended a playbook. x"}, change = {102, "information", "p80 changed this machine. x"},
    undo = {103, "information", "p80 took back a change. x"}, failure = {110, "error", "A playbook failed. x"},
    refusal = {111, "warning", "p80 refused what a playbook asked for. x"},
    restart = {112, "warning", "Windows must be restarted for a change to take effect. x"},
  } do
    lu.assertTrue(write {text = "x", kind = kind})
    local row = event.read("Application", {max = 1})[1]
    lu.assertEquals({row.id, row.level, row.message}, expected)
  end
end

function TestWrite:test_is_written_each_time_and_never_in_check()
  local check = run {check = true}
  lu.assertTrue(check.call("event.write", {text = "x"}))
  lu.assertEquals(event.read "Application", {})
  lu.assertTrue(write {text = "x"})
  lu.assertTrue(write {text = "x"})
  lu.assertEquals(#event.read "Application", 2)
end

function TestWrite:test_needs_its_grant_and_takes()
  local refused = run {allow = {"event.entry:other"}}
  lu.assertEquals(problem(refused.call, "event.write", {text = "x"}).code, REFUSED)
  lu.assertEquals(event.read "Application", {})
  local pretending = setmetatable({}, {__index = event})
  function pretending.write() end
  local core = fakecore.open {win = setmetatable({event = pretending}, {__index = win})}
  lu.assertEquals(problem(core.call, "event.write", {text = "x"}).code, NOT_TAKEN)
end

function TestWrite:test_waits_for_a_log_that_lags()
  local lagging, late = setmetatable({}, {__index = event}), 0
  function lagging.write(...)
    late = 3
    return event.write(...)
  end
  function lagging.read(...)
    if late == 0 then return event.read(...) end
    late = late - 1
    return {}
  end
  local core = fakecore.open {win = setmetatable({event = lagging}, {__index = win})}
  lu.assertTrue(core.call("event.write", {text = "x"}))
  lu.assertEquals({late, #event.read "Application"}, {0, 1})
end

function TestWrite:test_bad_input()
  local core = run {}
  for name, options in pairs {
    options = {}, text = {text = 1}, kind = {kind = "loud", text = "x"}, level = {level = "critical", text = "x"},
    id = {id = 65536, text = "x"}, source = {source = "a\\b", text = "x"}, ["strings[1]"] = {strings = {1}},
  } do
    lu.assertEquals(problem(core.call, "event.write", options).target, name)
  end
  lu.assertEquals(problem(core.call, "event.write", {text = "x", strings = {}}).target, "options")
  lu.assertEquals(problem(core.call, "event.write").code, INVALID)
  lu.assertEquals(problem(core.call, "event.write", {tekst = "x"}).hint, "did you mean 'text'?")
end

TestSources = {setUp = fresh, tearDown = clean}

function TestSources:test_register_check_undo()
  local files = {}
  local check = run({check = true}, files)
  lu.assertTrue(check.call("event.register", SOURCE))
  lu.assertEquals(check.call("event.source", SOURCE).log, "Application")
  lu.assertTrue(check.call("event.unregister", SOURCE))
  lu.assertNil(check.call("event.source", SOURCE))
  lu.assertNil(event.source(SOURCE))
  local core = run({}, files)
  lu.assertTrue(core.call("event.register", SOURCE))
  lu.assertFalse(core.call("event.register", SOURCE))
  core.finish()
  local found = event.source(SOURCE)
  lu.assertEquals(found.log, "Application")
  lu.assertStrContains(found.file, ".exe")
  core = run({}, files)
  lu.assertTrue(core.call("event.register", SOURCE, {log = "System", file = [[%SystemRoot%\x.dll]]}))
  lu.assertTrue(core.call("event.unregister", SOURCE))
  lu.assertFalse(core.call("event.unregister", SOURCE))
  core.finish()
  lu.assertNil(event.source(SOURCE))
  lu.assertEquals(run({}, files).undo.run().failed, 0)
  lu.assertEquals(event.source(SOURCE), found)
end

-- A program's own source has more in its key than p80 writes.
function TestSources:test_all_of_another_source_comes_back()
  local files, key = {}, LOGS .. "\\Application\\" .. SOURCE
  win.reg.create(key)
  win.reg.set(key, "TypesSupported", 7, {type = "dword"})
  win.reg.set(key, "CategoryMessageFile", [[C:\app.dll]], {type = "expand_sz"})
  win.reg.create(key .. [[\deeper]])
  local before = win.reg.tree(key)
  for _, change in ipairs {{"event.unregister", SOURCE}, {"event.register", SOURCE}, {"event.register", SOURCE, {log = "System"}}} do
    local core = run({}, files)
    lu.assertTrue(core.call(table.unpack(change)))
    core.finish()
    lu.assertEquals(run({}, files).undo.run().failed, 0)
    lu.assertEquals(win.reg.tree(key), before)
    lu.assertFalse(win.reg.exists(LOGS .. "\\System\\" .. SOURCE))
  end
end

function TestSources:test_bad_input()
  local core = run {}
  lu.assertEquals(problem(core.call, "event.register", SOURCE, {log = "No such log"}).code, NO_CHANNEL)
  for _, bad in ipairs {"", "a\\b", 5, ("x"):rep(256)} do
    lu.assertEquals(problem(core.call, "event.register", bad).target, "source")
    lu.assertEquals(problem(core.call, "event.unregister", bad).target, "source")
  end
  lu.assertEquals(problem(core.call, "event.register", SOURCE, {logg = "x"}).hint, "did you mean 'log'?")
  lu.assertEquals(problem(run {allow = {"event.entry"}}.call, "event.register", SOURCE).code, REFUSED)
end

TestErrors = {setUp = fresh, tearDown = clean}

function TestErrors:test_each_call_fails_once()
  write {text = "x"}
  local function read() return event.read("Application") end
  local strikes = failing.each_of(read, function(wish)
    local struck, ok, e = failing.call(wish, read)
    if struck and not ok then lu.assertNil(failing.wrong_with(e)) end
    return struck
  end)
  lu.assertTrue(strikes >= 3)
end

function TestErrors:test_each_call_of_a_write_fails_once()
  failing.write {
    op = "event.register", arguments = {SOURCE}, least = 3, snapshot = function() return {event.source(SOURCE) or "none"} end,
    prepare = function() win.reg.delete(LOGS .. "\\Application\\" .. SOURCE, nil, {tree = true}) end,
  }
end

function TestErrors:test_leaves_nothing_open()
  write {text = "x"}
  flat(function()
    event.read("Application")
    pcall(event.read, "No such log")
    win.event.write(SOURCE, 4, 1, {"x"})
    win.reg.delete(STORE .. [[\events\Application]], "00000002")
  end, 100)
end
