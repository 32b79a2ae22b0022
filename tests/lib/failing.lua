-- What tests of errors share (shim build): each call of Windows fails once, n = 1, 2, ... of each function.
local lu = require "luaunit"
local case = require "case"
local fakecore = require "fakecore"

local failing = {}

local MOST = 8 -- calls of one function that are tried

-- The functions that can be made to fail, from the lists in shim.h.
local function interceptable()
  local text, names = case.read(test.folder .. "\\shims\\shim.h"), {}
  for name in text:gmatch "F%((%w+), %d+, [%u_]+%)" do names[#names + 1] = name end
  assert(#names > 60)
  return names
end

-- Not here: what frees (nobody could do anything about it), and what belongs to files, tested with p80 below.
local SKIP = {RegCloseKey = true, CloseServiceHandle = true}
local NAMES = {}
for _, name in ipairs(interceptable()) do
  if not SKIP[name] then NAMES[#NAMES + 1] = name end
end

local turn = 0

-- Calls f() while `wish` says what fails -> whether that struck, ok, result or error.
function failing.call(wish, f)
  turn = turn + 1 -- the shim counts anew when the text changes
  test.setenv("P80_SHIM_STRUCK", nil)
  test.setenv("P80_SHIM_FAIL", ("%s,RegCloseKey:%d"):format(wish, 1000000 + turn))
  local results = table.pack(pcall(f))
  test.setenv("P80_SHIM_FAIL", nil)
  return test.getenv "P80_SHIM_STRUCK" ~= nil, table.unpack(results, 1, results.n)
end

-- The functions of NAMES that f calls.
local function called_by(f)
  failing.call("RegCloseKey:999999", f)
  local calls, names = test.calls(), {}
  for _, name in ipairs(NAMES) do
    if calls[name] then names[#names + 1] = name end
  end
  return names
end

-- Calls try(wish) -> struck for each function of `names` and n until it does not strike; returns how often it did.
function failing.each(names, try)
  local strikes = 0
  for _, name in ipairs(names) do
    for n = 1, MOST do
      if not try(("%s:%d:31"):format(name, n)) then break end
      strikes = strikes + 1
    end
  end
  return strikes
end

-- The same for all the functions that f calls.
function failing.each_of(f, try) return failing.each(called_by(f), try) end

-- The functions of win, whose names are the `op` of errors. Inside of one another may fail.
local OPS = {}
local function collect(t, prefix)
  for name, value in pairs(t) do
    if type(value) == "table" then collect(value, prefix .. name .. ".") else OPS[prefix .. name] = true end
  end
end
collect(win, "")
for _, name in ipairs(test.writes) do OPS[name] = true end -- some are composed by the core

-- What is wrong with an error as p80 must raise it; nil when nothing is.
function failing.wrong_with(e)
  if type(e) ~= "table" then return "no error object: " .. tostring(e) end
  if not OPS[e.op] then return ("its op is %s: %s"):format(e.op, e) end
  if math.type(e.code) ~= "integer" or e.code == 0 then return "its code is " .. tostring(e.code) end
  if type(e.message) ~= "string" or e.message == "" then return "its message is " .. tostring(e.message) end
  if type(e.target) ~= "string" or e.target == "" then return "it has no target: " .. tostring(e) end
end

-- ---- Writes: the core itself, with its journal in memory ----

-- Whether both are deeply equal. (assertEquals would print megabytes.)
local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do if not same(value, b[key]) then return false end end
  for key in pairs(b) do if a[key] == nil then return false end end
  return true
end

failing.same = same

-- Makes one write while a call fails; returns whether that struck, and what was wrong.
local function try_write(write, wish, after)
  local before, files = write.snapshot(), {}
  local core = fakecore.open {files = files}
  local struck, ok, result = failing.call(wish, function() return core.call(write.op, table.unpack(write.arguments)) end)
  core.finish(nil, not ok and result or nil)
  local now, changes = write.snapshot(), #core.gate.changes()
  local is_changed = not same(now, before)
  if not struck and not ok then return false, tostring(result) end
  if ok and not same(now, after) then return struck, "success without the effect" end
  if not ok and failing.wrong_with(result) then return struck, failing.wrong_with(result) end
  if is_changed and changes == 0 then return struck, "changed, but counted as no change: " .. tostring(result) end
  if is_changed and write.undo ~= false then
    local report = fakecore.open({files = files}).undo.run()
    if report.failed > 0 then return struck, "undo failed: " .. tostring(report.steps[1].reason) end
    if not same(write.snapshot(), before) then return struck, "undo did not restore it" end
  end
  return struck
end

-- Tries a write with each call of Windows failing, or those of `names`:
-- {op=, arguments={}, prepare=, snapshot=, undo=false, least=}. prepare() brings about what the write needs, snapshot()
-- -> what it changes.
function failing.write(write, names)
  local before, after, faults
  local function run()
    local core = fakecore.open()
    core.call(write.op, table.unpack(write.arguments))
    core.finish()
  end
  local function prepare()
    if not before or not same(write.snapshot(), before) then write.prepare() end
  end
  prepare()
  before, faults = write.snapshot(), {}
  run()
  after = write.snapshot()
  local handles = test.handle_count()
  local function try(wish)
    prepare()
    local struck, fault = try_write(write, wish, after)
    if fault then faults[#faults + 1] = ("win.%s, %s: %s"):format(write.op, wish, fault) end
    return struck
  end
  local strikes = names and failing.each(names, try) or failing.each_of(function()
    prepare()
    run()
  end, try)
  if test.handle_count() - handles > 10 then faults[#faults + 1] = ("win.%s: handles left open"):format(write.op) end
  lu.assertEquals(table.concat(faults, "\n"), "")
  lu.assertTrue(strikes >= (write.least or 5), ("win.%s: only %d calls failed"):format(write.op, strikes))
end

return failing
