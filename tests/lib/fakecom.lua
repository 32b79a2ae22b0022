-- Fake COM servers (tests/fixtures/fake-*.c): their classes in the registry, and what they count.
local lu = require "luaunit"

local fakecom = {}

local VIEW = #string.pack("T", 0) == 8 and 64 or 32
local CLASSES = [[HKLM\SOFTWARE\Classes\CLSID\]]
local STATE = [[HKCU\Software\p80-fake]]

fakecom.CLASSES = {
  apphost = "{2B72133B-3F5B-4602-8952-803546CE3344}",
  metabase = "{A9E69610-B80D-11D0-B9B9-00A0C922E750}",
  scheduler = "{148BD52A-A2AB-11CE-B11F-00AA00530503}",
  task = "{0F87369F-A4E5-4CFC-BD3E-73E6154572DD}",
}

local function create(key, options)
  local parent = key:match [[^(.+)\[^\]+$]]
  if win.reg.exists(key, options) then return end
  create(parent, options)
  win.reg.create(key, options)
end

--- Registers `class` as one of build/<dll>.dll, or of Windows' own with a path; nil takes it away.
function fakecom.register(class, dll)
  local key = CLASSES .. fakecom.CLASSES[class]
  if win.reg.exists(key, {view = VIEW}) then win.reg.delete(key, nil, {tree = true, view = VIEW}) end
  if not dll then return end
  key = key .. [[\InprocServer32]]
  create(key, {view = VIEW})
  win.reg.set(key, "", dll:find "\\" and dll or test.bin .. dll .. ".dll", {type = "sz", view = VIEW})
  win.reg.set(key, "ThreadingModel", "Both", {type = "sz", view = VIEW})
end

--- Writes values below the servers' key: {name = {type, value}}, and reads one.
function fakecom.write(path, values)
  local key = STATE .. "\\" .. path
  create(key)
  for name, value in pairs(values) do win.reg.set(key, name, value[2], {type = value[1]}) end
end

function fakecom.forget(path) win.reg.delete(STATE .. "\\" .. path, nil, {tree = true}) end

function fakecom.read(path, name) return (win.reg.get(STATE .. "\\" .. path, name)) end

function fakecom.clear()
  if win.reg.exists(STATE) then win.reg.delete(STATE, nil, {tree = true}) end
  for _, name in ipairs {
    "LIVE", "CALLS", "FAIL", "MUTE", "STRUCK", "PRETEND", "LATE", "SAVED", "BUSY", "IIS70", "USER", "PASSWORD", "HIDE", "LOGON", "DENIED", "RUNS",
  } do
    fakecom.tell(name, nil)
  end
end

function fakecom.tell(name, value) test.setenv("P80_FAKE_" .. name, value and tostring(value) or nil) end
function fakecom.count(name) return tonumber(test.getenv("P80_FAKE_" .. name) or 0) end

--- Calls f with the n-th method failing, n = 1, 2, ... until none does -> how often one did. `after(n, ok, result)` sees
-- how each ended; without it f looks after itself. Fails when objects are left.
function fakecom.each_failure(f, after)
  local n = 0
  repeat
    n = n + 1
    fakecom.tell("CALLS", 0)
    fakecom.tell("STRUCK", nil)
    fakecom.tell("FAIL", n)
    local ok, result
    if after then ok, result = pcall(f) else f() end
    fakecom.tell("FAIL", nil)
    lu.assertEquals(fakecom.count "LIVE", 0, "objects left after failure " .. n)
    local struck = test.getenv "P80_FAKE_STRUCK"
    if struck and after then after(n, ok, result, struck) end
  until not struck
  return n - 1
end

--- Calls f with a method failing whose failure f passes over, and the next one failing without a word: nothing that the
-- first said may be in the error. Returns how often there was such an error.
function fakecom.each_failure_after_another(f)
  local raised = 0
  fakecom.each_failure(f, function(n, ok)
    if not ok then return end
    fakecom.tell("CALLS", 0)
    fakecom.tell("FAIL", n)
    fakecom.tell("MUTE", n + 1)
    local passed, problem = pcall(f)
    fakecom.tell("FAIL", nil)
    fakecom.tell("MUTE", nil)
    if passed then return end
    raised = raised + 1
    lu.assertNil(tostring(problem):find("told to fail", 1, true), tostring(problem))
  end)
  return raised
end

return fakecom
