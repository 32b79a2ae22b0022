-- build: shim
-- arch: x64
-- A kill, a full disk or a failing flush at every step of a run that changes several things; then undo.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Kill"

local ROOT = [[HKCU\Software\p80-kill]]
local CHANGES = [==[
  local root = "HKCU\\Software\\p80-kill"
  win.reg.set(root, "a", "new")
  win.reg.set(root .. "\\made", "b", {"x", "y"})
  win.reg.delete(root, "gone")
  win.reg.delete(root .. "\\tree", nil, {tree = true}) ]==]


local function shown() return win.reg.tree(ROOT) end

local function prepare()
  if win.reg.exists(ROOT) then win.reg.delete(ROOT, nil, {tree = true}) end
  for _, key in ipairs {"", "\\tree", "\\tree\\deep"} do win.reg.create(ROOT .. key) end
  win.reg.set(ROOT, "a", "old", {type = "sz"})
  win.reg.set(ROOT, "gone", 7, {type = "dword"})
  win.reg.set(ROOT .. "\\tree\\deep", "c", "ü", {type = "sz"})
end

local function run(env) return case.p80 {"--allow", "reg.*", "-e", CHANGES, env = env} end

-- Runs the changes with the shim's order at its n-th call, n = 1, 2, ... until the order comes too late; after each,
-- undo must restore all. Returns how often it struck.
local function at_every_step(order, code)
  local struck = 0
  for n = 1, 40 do
    prepare()
    local before = shown()
    case.state = case.path("state" .. order:gsub("%W", "") .. n)
    local result = run {[order:find "^KILL" and "P80_SHIM_KILL" or "P80_SHIM_FAIL"] = order:match "=(.*)":format(n)}
    if result.code == 0 then return struck end
    struck = struck + 1
    if code then case.exits(result, code) end
    local undone = case.p80 {"undo"}
    if undone.code ~= 0 then lu.assertStrContains(undone.stderr, "nothing to take back", n) end
    lu.assertEquals(shown(), before, ("%s, n = %d"):format(order, n))
  end
  lu.fail "the order struck at every one of 40 steps"
end

-- ---- free80 --persist: a service is stopped, and its start type changed ----

local function is_back() return case.service_running "Auto" and win.scm.get("Auto").start == "auto" and true end

-- Of a run with two changes: when a line is on disk, and what it announces not begun; when a change is made, and the line
-- about it not written.
local MOMENTS = {"FlushFileBuffers:1:after", "FlushFileBuffers:2:after", "WriteFile:3", "FlushFileBuffers:3:after",
  "FlushFileBuffers:4:after", "WriteFile:5", "FlushFileBuffers:5:after", "FlushFileBuffers:6:after"}

function T:test_free80_and_its_undo_killed_at_every_line()
  case.service {name = "Auto", start = "auto", args = {"--tcp", "80"}}
  for i, moment in ipairs(MOMENTS) do
    for _, words in ipairs {{"free80.lua", "--persist"}, {"undo"}} do
      case.state = case.path("state" .. i .. words[1])
      case.wait_held(80)
      if words[1] == "undo" then case.exits(case.p80 {"free80.lua", "--persist"}, 0) end
      words.env = {P80_SHIM_KILL = moment}
      lu.assertEquals(case.p80(words).code, 98)
      local undone = case.p80 {"undo"}
      if undone.code ~= 0 then lu.assertStrContains(undone.stderr, "nothing to take back") end
      lu.assertTrue(is_back(), ("%s of %s: %s"):format(moment, words[1], case.describe(undone)))
    end
  end
end

-- ---- The registry ----

function T:test_killed_before_every_flush() lu.assertTrue(at_every_step "KILL=FlushFileBuffers:%d" >= 10) end
function T:test_killed_after_every_flush() lu.assertTrue(at_every_step "KILL=FlushFileBuffers:%d:after" >= 10) end
function T:test_disk_full_at_every_line() lu.assertTrue(at_every_step("FAIL=WriteFile:%d:112", 1) >= 10) end
function T:test_flush_fails_at_every_line() lu.assertTrue(at_every_step("FAIL=FlushFileBuffers:%d:1117", 1) >= 10) end

-- Whoever has no rights there changes nothing, be it to make the folder or to open what is there.
function T:test_a_state_folder_without_rights()
  prepare()
  local before, n, said = shown(), 1, ""
  case.exits(run {P80_SHIM_FAIL = "CreateDirectoryW:1:5"}, 5)
  lu.assertEquals(shown(), before)
  case.exits(run(), 0)
  prepare()
  repeat
    n = n + 1 -- the first file that is opened is the policy
    local result = run {P80_SHIM_FAIL = ("CreateFileW:%d:5"):format(n)}
    if result.code ~= 0 then lu.assertEquals({result.code, shown()}, {5, before}) end
    said = said .. result.stderr
  until result.code == 0
  lu.assertStrContains(said, case.state .. "\\runs")
end

-- win.reg.restore loads the hive file for a moment.
local function mounts()
  local names = {}
  for _, name in ipairs(win.reg.keys "HKLM") do
    if name:find "^p80%-restore" then names[#names + 1] = name end
  end
  return names
end

local function restore_hive(options)
  prepare()
  local file = case.path "x.hiv"
  if not lfs.attributes(file) then win.reg.save(ROOT, file) end
  win.reg.set(ROOT, "a", "other", {type = "sz"})
  options[#options + 1] = "--allow=reg.*"
  options[#options + 1] = "-e"
  options[#options + 1] = ("win.reg.restore([[%s]], [[%s]])"):format(ROOT, file)
  return case.p80(options)
end

function T:test_killed_while_a_hive_is_loaded()
  local struck = 0
  for _, order in ipairs {"RegLoadKeyW:1", "RegLoadKeyW:1:after", "RegUnLoadKeyW:1", "RegUnLoadKeyW:1:after"} do
    struck = struck + (restore_hive({env = {P80_SHIM_KILL = order}}).code ~= 0 and 1 or 0)
    local left = #mounts()
    lu.assertEquals(left, (order == "RegLoadKeyW:1" or order == "RegUnLoadKeyW:1:after") and 0 or 1, order)
    case.exits(case.p80 {"undo"}, 0)
    lu.assertEquals({mounts(), (win.reg.get(ROOT, "a"))}, {{}, "other"}, order)
  end
  lu.assertEquals(struck, 4)
  restore_hive {"--check", env = {P80_SHIM_KILL = "RegUnLoadKeyW:1"}}
  lu.assertEquals(#mounts(), 1)
  case.exits(restore_hive {"--check"}, 3)
  lu.assertEquals(mounts(), {})
end

function T:test_one_flush_per_line()
  prepare()
  local counts = case.path "counts"
  case.exits(run {P80_SHIM_COUNT = counts}, 0)
  local _, lines = case.read(case.state .. "\\runs\\000001.jsonl"):gsub("\n", "")
  local flushes = tonumber(case.read(counts):match "FlushFileBuffers (%d+)")
  lu.assertTrue(lines >= 10)
  lu.assertEquals(flushes, lines)
end
