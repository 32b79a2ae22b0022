-- The modules of scripts/lib that every playbook wants, in real runs: log, progress, retry, ensure, finally, show.print.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Helpers"

-- A playbook whose manifest grants what these tests change, and then `body`.
local function playbook(body)
  return [[
local p80 = require "p80"
local log, retry, finally, ensure, progress = require "log", require "retry", require "finally", require "ensure", require "progress"
p80.playbook {name = "helped", version = "1.0.0", summary = "x", args = {key = {type = "secret"}}, grants = {"reg.value", "reg.key", "file.write"}}
local KEY = [=[HKCU\Software\p80-helpers]=]
local function is(value) return function() return win.reg.get(KEY, "v") == value end end
local function set(value) return function() win.reg.set(KEY, "v", value) end end
]] .. body
end

local function run(body, options, ...) return case.script(playbook(body), options, ...) end

-- ---- log ----

local LINES = [[
log.error "an error" log.warning("%d %s", 5, {a = {1}}) log.info "100 % sure"
log.debug("%d", "no number") log.info "two\nlines\27[31m"
]]

function T:test_log_levels_honour_quiet_and_verbose()
  local shown = case.exits(run(LINES), 0).stderr:gsub("\r", "")
  for _, line in ipairs {"error: an error\n", "warning: 5 { a = { 1 } }\n", "\n100 % sure\n", "two\nlines\\x1B[31m\n"} do lu.assertStrContains(shown, line) end
  lu.assertNotStrContains(shown, "no number")
  lu.assertStrContains(case.exits(run(LINES, nil, "--verbose"), 0).stderr, "debug: %d [no number]")
  lu.assertEquals((case.exits(run(LINES, nil, "--quiet"), 0).stderr:gsub("\r", "")), "error: an error\n")
end

function T:test_log_file_has_every_line_with_its_time_and_no_secret()
  local path, arguments = case.path "run.log", case.write("arguments.json", '{"key": "geheim"}')
  local body = ("log.file %q log.info('the key is ' .. p80.args.key) log.error 'a\\nb'"):format(path)
  local result = case.exits(run(body, nil, "--quiet", "--json", "--args-file", arguments), 0)
  lu.assertEquals({result.json.changed, result.json.changes}, {0, {}})
  lu.assertNotStrContains(result.stderr, "geheim")
  local time = "%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ"
  lu.assertStrMatches((case.read(path):gsub("\r", "")), time .. " info    the key is %*%*%*\n" .. time .. " error   a\\x0Ab\n")
  case.exits(run(body, nil, "--check", "--args-file", arguments), 0)
  lu.assertEquals(select(2, case.read(path):gsub("\n", "")), 2)
  case.exits(run(body, nil, "--args-file", arguments), 0)
  lu.assertEquals(select(2, case.read(path):gsub("\n", "")), 4)
end

function T:test_log_file_needs_its_grant_and_a_folder()
  local result = case.exits(case.script(("require 'log'.file %q"):format(case.path "x.log")), 4)
  lu.assertStrContains(result.stderr, "file.write")
  lu.assertNil(lfs.attributes(case.path "x.log"))
  lu.assertStrContains(case.exits(run(("log.file %q"):format(case.path "none\\x.log")), 1).stderr, "ERROR_PATH_NOT_FOUND")
  lu.assertStrContains(case.exits(case.script "require 'log'.file()", 1).stderr, "text expected")
end

-- ---- progress ----

function T:test_progress_is_lines_in_a_file_and_nothing_with_quiet()
  local body = [[
for i, item in progress.each({"a", "b", "c", "d"}, "reading") do
  assert(item == ({"a", "b", "c", "d"})[i])
  if i == 3 then p80.sleep(2.3) end
end
]]
  lu.assertStrContains(case.exits(run(body), 0).stderr, "reading: 50 % (2 s)")
  lu.assertEquals(case.exits(run(body, nil, "--quiet"), 0).stderr, "")
end

function T:test_progress_wait_ends_with_the_state_or_the_time()
  local result = case.exits(run [[
local calls, began = 0, p80.clock()
local function third() calls = calls + 1 return calls == 3 and "yes" end
assert(progress.wait("it", 10, third, 0.05) == "yes" and calls == 3)
assert(progress.wait("it", 0.2, function() end, 0.05) == nil)
assert(p80.clock() - began < 5)
print(pcall(progress.wait, "it", -1, third))
]], 0)
  lu.assertStrContains(result.stdout, "progress.wait 'seconds'")
  case.exits(run([[assert(progress.wait("it", 60, function() end) == true)]], {timeout = 20}, "--check"), 0)
end

-- ---- retry ----

function T:test_retry_tries_again_until_it_works_or_the_time_is_over()
  case.exits(run [[
local tries = 0
local function refused(code) return function(n) tries = n win.scm.stop("no such service") end end
local function flaky(n) if n < 3 then win.scm.stop "no such service" end return n, "b" end
win.scm.stop = function() error(setmetatable({code = 1060, name = "ERROR_SERVICE_DOES_NOT_EXIST"}, {})) end
local a, b = retry(flaky, {delay = 0.01})
assert(a == 3 and b == "b")
local began = p80.clock()
local ok, problem = pcall(retry, refused(), {deadline = 0.3, delay = 0.05})
assert(not ok and problem.code == 1060 and tries >= 3 and p80.clock() - began < 5)
assert(not pcall(retry, refused(), {attempts = 2, delay = 0}) and tries == 2)
assert(not pcall(retry, refused(), {on = {"ERROR_ACCESS_DENIED", 5}}) and tries == 1)
assert(not pcall(retry, refused(), {on = {1060}, attempts = 2, delay = 0}) and tries == 2)
assert(not pcall(retry, refused(), {on = function(p) return p.code ~= 1060 end}) and tries == 1)
for _, fault in ipairs {"text", {code = 995}, {name = "P80_REFUSED", code = 1}} do
  assert(not pcall(retry, function(n) tries = n error(fault, 0) end) and tries == 1)
end
assert(select(2, pcall(retry, flaky, {dealy = 1})).hint:find "delay")
assert(select(2, pcall(retry, flaky, {on = 5})).target == "on")
]], 0)
  local result = run("retry(function(n) print(n) win.reg.get [[HKXX\\x]] end, {on = function() return true end})", {timeout = 20}, "--check")
  lu.assertEquals({result.code, result.stdout:match "^%d+"}, {1, "1"})
end

-- ---- ensure ----

local STATES = [[
ensure("v is 1", {check = is(1), change = set(1)})
ensure("v is 2", {check = is(2), change = set(2)})
ensure("v is 2", {check = is(2), change = set(2)})
p80.report {results = ensure.results(), changed = ensure.count "changed", planned = ensure.count "would change", ok = ensure.count "ok"}
]]

local function outcomes(result)
  local list = {}
  for i, row in ipairs(result.json.result.results) do list[i] = row.outcome end
  return list
end

function T:test_ensure_changes_what_does_not_hold_and_counts()
  local result = case.exits(run(STATES, nil, "--check", "--json"), 3)
  lu.assertEquals(outcomes(result), {"would change", "would change", "ok"})
  lu.assertNil(win.reg.get([[HKCU\Software\p80-helpers]], "v"))
  result = case.exits(run(STATES, nil, "--json"), 0)
  lu.assertEquals(outcomes(result), {"changed", "changed", "ok"})
  lu.assertEquals({result.json.result.changed, result.json.result.ok}, {2, 1})
  lu.assertStrContains(result.stderr, "changed: v is 1")
  result = case.exits(run("ensure('v is 2', {check = is(2), change = function() error 'no' end})", nil, "--verbose"), 0)
  lu.assertStrContains(result.stderr, "ok: v is 2")
end

function T:test_ensure_fails_when_the_change_does_not_bring_it_about()
  local result = case.exits(run [[
local ok, problem = pcall(ensure, "v is 9", {check = is(9), change = set(8)})
print(problem.name, problem.target, ensure.count "failed", ensure.results()[1].outcome)
local began = p80.clock()
ensure("later", {check = function() return p80.clock() - began > 0.3 end, change = function() end, within = 10})
for _, how in ipairs {{}, {check = print}, {check = 1, change = print}, {check = print, change = print, wihtin = 1}} do
  print(select(2, pcall(ensure, "x", how)).target)
end
print(select(2, pcall(ensure, 5, {})).target)
]], 0)
  lu.assertStrContains(result.stdout:gsub("\r", ""), "P80_NOT_TAKEN\tv is 9\t1\tfailed\ncheck\nchange\ncheck\nwihtin\nstate\n")
end

-- ---- finally ----

function T:test_finally_runs_whatever_ends_the_block()
  local result = run [[
local function block(name, ending)
  local _ <close> = finally(function(problem) print(name, problem) end)
  local _ <close> = finally(function() print(name .. " inner") end)
  ending()
end
block("plain", function() end)
pcall(block, "error", function() error("oops", 0) end)
print(pcall(function() local _ <close> = finally(function() error("own", 0) end) end))
print(pcall(function() local _ <close> = finally(function() error("hidden", 0) end) error("first", 0) end))
for i = 1, 3 do
  local _ <close> = finally(function() print("loop", i) end)
  if i == 2 then break end
end
print(select(2, pcall(finally, 5)).target)
local _ <close> = finally(function() print "outer" end)
block("exit", function() os.exit(7) end)
]]
  case.exits(result, 7)
  lu.assertEquals((result.stdout:gsub("\r", "")), "plain inner\nplain\tnil\nerror inner\nerror\toops\nfalse\town\nfalse\tfirst\nloop\t1\nloop\t2\nact\nexit inner\nexit\tnil\nouter\n")
  lu.assertStrContains(result.stderr, "error: at the end of a block that had failed: hidden")
end

function T:test_finally_takes_back_before_the_run_ends_with_its_error()
  local result = case.exits(run [[
local _ <close> = finally(set "back")
set "away"()
error "it went wrong"
]], 1)
  lu.assertStrContains(result.stderr, "it went wrong")
  lu.assertEquals(win.reg.get([[HKCU\Software\p80-helpers]], "v"), "back")
end

-- ---- show.print ----

function T:test_show_print()
  local result = case.exits(run [[
local show = require "show"
show.print({{name = "a", long = ("x"):rep(300)}}, {"name", {key = "long", title = "L"}}, {title = "Services"})
show.print({}, {"name"}, {empty = "none"})
show.print {a = 1}
]], 0)
  local text = result.stdout:gsub("\r", "")
  lu.assertStrContains(text, "Services\nname  L\n")
  lu.assertStrContains(text, ("x"):rep(300) .. "\n")
  lu.assertStrContains(text, "\nnone\na = 1\n")
end
