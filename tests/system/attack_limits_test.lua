-- Attacks on time and memory: what a script without grants can do is end itself.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Limits"

local function run(code) return case.p80 {"--cpu-limit", "0.2", "--memory-limit", "64", "-e", code, timeout = 30} end
local function run_long(code, switch) return case.p80 {"--memory-limit", "64", switch or "--quiet", "-e", code} end

local function runs_out_of_time(code)
  local result = case.exits(run(code), 6)
  lu.assertStrContains(result.stderr, "0.2 seconds without waiting or changing anything")
  lu.assertStrContains(result.stderr, "--cpu-limit")
  return result
end

function T:test_loops_end()
  runs_out_of_time "while true do end"
  runs_out_of_time "local function f() return f() end f()"
  runs_out_of_time "while true do win.host.name() end"
end

function T:test_what_is_refused_or_only_asked_is_no_step()
  case.exits(run "while true do pcall(win.reg.set, [[HKCU\\Software\\p80-own]], 'x', 1) end", 6)
  runs_out_of_time "local p80 = require 'p80' while true do p80.run() end"
  local changes = "local stop = os.clock() + 1 for i = 1, math.huge do win.reg.set([[HKCU\\Software\\p80-own]], 'x', i) "
    .. "if os.clock() > stop then break end end"
  case.exits(case.p80 {"--cpu-limit", "0.2", "--allow", "*", "-e", changes}, 0)
end

function T:test_loops_in_coroutines_end_although_errors_are_caught()
  local result = runs_out_of_time [[
    local function spin() while true do end end
    local busy = coroutine.create(function() print(coroutine.resume(coroutine.create(spin))) print "unreachable" end)
    print(coroutine.resume(busy)) print "unreachable" ]]
  lu.assertNotStrContains(result.stdout, "unreachable")
  runs_out_of_time "while true do pcall(coroutine.wrap(function() while true do end end)) end"
  runs_out_of_time [[
    local co = coroutine.create(function()
      local x <close> = setmetatable({}, {__close = function() while true do end end})
      coroutine.yield()
    end)
    coroutine.resume(co) coroutine.close(co) ]]
end

function T:test_a_playbook_may_clean_up_but_not_for_ever()
  local caught = "print(pcall(function() while true do end end)) print 'after'"
  lu.assertStrContains(case.exits(run(caught), 0).stdout, "ERROR_TIMEOUT")
  for _, code in ipairs {
    "local function again() pcall(function() while true do end end) again() end again()",
    "local s = ('a'):rep(40) s:find(('a?'):rep(40) .. ('a'):rep(40) .. 'b')", -- within one C function
    "setmetatable({}, {__gc = function() while true do end end}) collectgarbage()",
    "pcall(function() while true do end end) string.rep('x', 2^30 // 1 | 0):find(('.-'):rep(20) .. 'y')",
  } do
    local result = run(code)
    if result.code == 6 then lu.assertStrContains(result.stderr, "computes without end")
    else lu.assertStrContains(case.exits(result, 1).stderr, "emory") end
  end
end

function T:test_waiting_is_no_loop()
  case.exits(run "local p80 = require 'p80' local stop = os.clock() + 1 while os.clock() < stop do p80.sleep(0) end", 0)
  case.exits(case.p80 {"--cpu-limit", "0", "-e", "local stop = os.clock() + 1 while os.clock() < stop do end"}, 0)
end

-- ---- What runs for its manifest ----

local MANIFEST <const> = "require 'p80'.playbook {name = 'script', version = '1.0.0', summary = 'It works.'} "

local function about(code, ...)
  local words = {"--cpu-limit", "0.3", timeout = 30, ...}
  words[#words + 1] = case.write("script.lua", code)
  return case.p80(words)
end

function T:test_what_does_not_come_to_its_manifest_is_ended()
  local LATE <const> = "does not come to its manifest within 0.3 seconds"
  for _, code in ipairs {
    "while true do end", "while true do pcall(function() while true do end end) end",
    "coroutine.wrap(function() while true do pcall(coroutine.wrap(function() while true do end end)) end end)()",
    "require 'p80'.sleep(1e6)", "while true do pcall(require 'p80'.sleep, 0.1) end", "while true do pcall(win.tcp.probe, 80) end",
    "for _ in win.scm.watch 'RpcSs' do end", "for _ in win.scm.watch() do end", "for _ in win.reg.watch [[HKLM\\SOFTWARE]] do end",
    "while true do pcall(win.reg.set, [[HKCU\\Software\\p80-own]], 'x', 1) end",
    "error(setmetatable({}, {__tostring = function() while true do end end}))",
  } do
    local result = about(code .. " " .. MANIFEST, "help")
    lu.assertTrue(result.code == 6 and not result.timed_out, code .. case.describe(result))
    lu.assertNotNil(result.stderr:find(LATE, 1, true) or result.stderr:find "TIMEOUT", code .. case.describe(result))
  end
  for _, words in ipairs {{"install"}, {"policy"}, {"service", "install"}} do
    local result = about("while true do end", table.unpack(words))
    lu.assertStrContains(result.stdout .. result.stderr, LATE, false, case.describe(result))
  end
  for _, code in ipairs {
    "string.rep('a', 40):find(('a?'):rep(40) .. ('a'):rep(40) .. 'b')",
    "kept = setmetatable({}, {__gc = function() while true do pcall(require 'p80'.sleep, 0) end end})" .. MANIFEST,
  } do
    lu.assertStrContains(case.exits(about(code, "help"), 6).stderr, "computes without end", false, code)
  end
end

function T:test_the_manifest_ends_what_runs_for_it()
  for _, code in ipairs {
    "pcall(function() " .. MANIFEST .. " end)", "coroutine.wrap(function() pcall(function() " .. MANIFEST .. " end) end)()",
    "local x <close> = setmetatable({}, {__close = function() pcall(require 'p80'.playbook, {}) end}) " .. MANIFEST,
  } do
    local result = case.exits(about(code .. " while true do end", "help"), 0)
    lu.assertStrContains(result.stdout, "It works.")
  end
end

function T:test_memory_ends()
  for _, code in ipairs {
    "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
    "local s = 'x' while true do s = s .. s end",
    "local t = {} for i = 1, 1e8 do t[i] = i end",
    "return ('x'):rep(100 << 20)",
    "return (('x'):rep(1 << 20):gsub('.', ('y'):rep(1000)))",
    "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
    "win.file.write([[C:\\x]], ('x'):rep(100 << 20))",
    "return io.open([[C:\\windows\\system32\\kernel32.dll]], 'rb'):read(100 << 20) .. ('x'):rep(100 << 20)",
  } do
    local result = case.exits(run_long(code), 1)
    lu.assertStrContains(result.stderr, "the limit of a script is 64 MiB", false, code)
    lu.assertStrContains(result.stderr, "--memory-limit", false, code)
  end
end

function T:test_a_script_that_catches_the_shortage_goes_on_and_the_document_is_whole()
  local code = "print(pcall(string.rep, 'x', 100 << 20)) local t = {} pcall(function() for i = 1, 1e8 do t[i] = ('x'):rep(i) end end) "
    .. "require 'p80'.report {n = #t > 100}"
  local result = case.exits(run_long(code, "--json"), 0)
  lu.assertEquals(result.json.result.n, true)
  lu.assertStrContains(result.stderr, "not enough memory")
  result = case.exits(run_long("local t = {} while true do t = {t} end", "--json"), 1)
  lu.assertEquals(result.json.error.name, "ERROR_NOT_ENOUGH_MEMORY")
end

function T:test_deep_recursion_is_an_error()
  for _, code in ipairs {
    "local function f() return 1 + f() end f()",
    "local t = setmetatable({}, {}) getmetatable(t).__index = function(_, k) return t[k] end return t.x",
    "local t = setmetatable({}, {}) getmetatable(t).__tostring = function() return tostring(t) end error(t)",
    "local function f() return coroutine.wrap(f)() end f()",
    "return load(('('):rep(100000))()", "string.rep('x', 10):gsub('.', function() return string.format('%s', setmetatable({}, {__tostring = error})) end)",
    "local p = ('('):rep(40) return ('x'):find(p)", "return ('x'):rep(300000):find(('x-'):rep(300000))", "local f = '' error(setmetatable({}, {__name = 1}))",
  } do
    local result = run(code)
    lu.assertTrue(result.code == 1 or result.code == 6, code .. case.describe(result))
    lu.assertStrContains(result.stderr, "p80: ", false, code)
  end
end
