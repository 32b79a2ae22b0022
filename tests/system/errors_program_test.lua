-- build: shim
-- arch: x64
-- As errors_test.lua, for a whole p80: every call of Windows that a run with its journal, `p80 runs`, `p80 undo` or
-- free80 makes fails once. Exit codes as designed, a message with the name of the error, and nothing that undo cannot
-- take back.
local lu = require "luaunit"
local case = require "case"

local KEY = [[HKCU\Software\p80-errors]]

local Program = case.suite "Program"

local function forget() if win.reg.exists(KEY) then win.reg.delete(KEY, nil, {tree = true}) end end

local SET = "win.reg.set([[" .. KEY .. "]], 'x', 1)"
local CODES = {[1] = true, [4] = true, [5] = true, [6] = true}

-- The functions that a program called, with how often.
local function counted(call)
  local path = case.path "count"
  call.env = {P80_SHIM_COUNT = path}
  case.exits(case.p80(call), call.code or 0)
  local counts = {}
  for name, n in case.read(path):gmatch "(%w+) (%d+)" do counts[#counts + 1] = {name = name, n = math.min(tonumber(n), 3)} end
  return counts
end

-- Runs `call` once for each call of Windows that it makes, with that one failing; check(result, wish) looks at the result.
local function with_each_failing(call, check)
  local runs = 0
  for _, counted_one in ipairs(counted(call)) do
    for n = 1, counted_one.n do
      local wish = ("%s:%d"):format(counted_one.name, n)
      call.env = {P80_SHIM_FAIL = wish}
      call.prepare()
      local result = case.p80(call)
      if result.timed_out or not (CODES[result.code] or result.code == (call.code or 0)) then
        lu.fail(wish .. ": " .. case.describe(result))
      end
      if result.code ~= (call.code or 0) then
        local said = result.stdout .. result.stderr
        lu.assertTrue(said:find "%u[%u_]+%)" ~= nil and not said:find "attempt to", wish .. ": " .. case.describe(result))
      end
      check(result, wish)
      runs = runs + 1
    end
  end
  lu.assertTrue(runs > 5, runs)
end

local function value() return (win.reg.get(KEY, "x")) end

function Program:test_a_run_that_changes_something()
  local call = {"--allow", "reg.*", "-e", SET}
  local turn = 0
  function call.prepare()
    forget()
    turn = turn + 1
    call.state = case.path("state" .. turn)
  end
  call.prepare()
  with_each_failing(call, function(result, wish)
    if result.code == 0 then return lu.assertEquals(value(), 1, wish) end
    local undone = case.p80 {"undo", state = call.state}
    if undone.code ~= 0 then lu.assertStrContains(undone.stderr, "nothing to take back", wish) end
    lu.assertFalse(win.reg.exists(KEY), wish)
  end)
end

function Program:test_undo_and_runs()
  local turn = 0
  local function prepare(call)
    return function()
      forget()
      turn = turn + 1
      call.state = case.path("state" .. turn)
      case.exits(case.p80 {"--allow", "reg.*", "-e", SET, state = call.state}, 0)
    end
  end
  local undo = {"undo"}
  undo.prepare = prepare(undo)
  undo.prepare()
  with_each_failing(undo, function(result, wish)
    if result.code == 0 then return lu.assertFalse(win.reg.exists(KEY), wish) end
    case.exits(case.p80 {"undo", "1", state = undo.state}, 0) -- again, and all is well
    lu.assertFalse(win.reg.exists(KEY), wish)
  end)
  local runs = {"runs", prepare = function() end, state = undo.state}
  with_each_failing(runs, function() end)
end

function Program:test_free80_that_looks_and_plans()
  case.service {name = "Web", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  with_each_failing({"free80.lua", "--check", code = 3, prepare = function() end}, function(_, wish)
    lu.assertTrue(case.service_running "Web" and true, wish)
  end)
end
