-- build: shim
-- arch: x64
-- p80 install and p80 uninstall with a kill, a full disk or a file in use at every step, after which one whole version is in
-- force.
local lu = require "luaunit"
local case = require "case"
local installs = require "installs"

local T = installs.suite "InstallSurvives"
local PLAYBOOKS <const> = installs.PLAYBOOKS
local remove_tree, p80, make, install = installs.remove_tree, installs.p80, installs.make, installs.install

-- The version in force: its text and its module must be of one.
local function version_in_force()
  local result = p80 {"acme"}
  if result.code == 2 then return nil end
  case.exits(result, 0)
  local first, second = result.stdout:match "^(%S+) (%S+)\r\n$"
  lu.assertEquals(first, second)
  return first
end

local SCENES = {
  {name = "first", from = nil, to = "2.0.0", words = function() return {"install", make "2.0.0"} end},
  {name = "second", from = "1.0.0", to = "2.0.0", words = function() return {"install", make "2.0.0"} end},
  {name = "third", from = "1.0.0", to = "2.0.0", before = "0.1.0", words = function() return {"install", make "2.0.0"} end},
  {name = "uninstall", from = "1.0.0", to = nil, before = "0.1.0", words = function() return {"uninstall", "acme"} end},
  {name = "previous", from = "1.0.0", to = "0.1.0", before = "0.1.0", words = function() return {"install", "--previous", "acme"} end},
}

local function read_tree(path)
  if lfs.attributes(path, "mode") ~= "directory" then return case.read(path) end
  local tree = {}
  for _, name in ipairs(case.files(path)) do tree[name] = read_tree(path .. "\\" .. name) end
  return tree
end

local function write_tree(path, tree)
  if type(tree) == "string" then return case.write(path, tree) end
  lfs.mkdir(path)
  for name, inner in pairs(tree) do write_tree(path .. "\\" .. name, inner) end
end

-- Brings about what is there before; by copies, the second time.
local function prepare(scene)
  if lfs.attributes(PLAYBOOKS) then remove_tree(PLAYBOOKS) end
  if scene.tree then return write_tree(PLAYBOOKS, scene.tree) end
  if scene.before then case.exits(install(make(scene.before)), 0) end
  if scene.from then case.exits(install(make(scene.from)), 0) end
  scene.tree = lfs.attributes(PLAYBOOKS) and read_tree(PLAYBOOKS) or {}
end

-- Does what the scene says, with the shim's order at its n-th call, n = 1, 2, ... until the order comes too late. After each, the
-- old or the new version is in force, whole; the next install clears away what was left and keeps the one in force. Returns
-- how often it struck.
local function at_every_step(scene, order, most)
  local variable = order:find "^KILL" and "P80_SHIM_KILL" or "P80_SHIM_FAIL"
  for n = 1, most or 60 do
    prepare(scene)
    local words = scene.words()
    words.env = {[variable] = order:match "=(.*)":format(n)}
    local result, where = p80(words), ("%s, %s, n = %d"):format(scene.name, order, n)
    local now = version_in_force()
    if result.code == 0 then
      lu.assertEquals(now, scene.to, where)
      return n - 1
    end
    lu.assertTrue(now == scene.from or now == scene.to, ("%s: %s is in force"):format(where, now))
    if variable == "P80_SHIM_FAIL" and now ~= scene.from then lu.assertStrContains(result.stderr, "p80: 1 change", where) end
    case.exits(install(make("1.0.0", nil, "other")), 0)
    local path = PLAYBOOKS .. "\\acme\\lib\\version.lua"
    lu.assertEquals(lfs.attributes(path) and case.read(path):match '"(.*)"', now, where)
    for _, name in ipairs(case.files(PLAYBOOKS)) do lu.assertTrue((name:gsub("%.previous$", "")):find "^%w+$" ~= nil, where .. ": " .. name) end
  end
  lu.fail "the order struck at every step"
end

function T:test_killed_at_every_step()
  local struck = 0
  for _, scene in ipairs(SCENES) do struck = struck + at_every_step(scene, "KILL=MoveFileExW:%d:after") end
  struck = struck + at_every_step(SCENES[3], "KILL=DeleteFileW:%d") + at_every_step(SCENES[1], "KILL=CreateDirectoryW:%d")
  lu.assertTrue(struck > 30, struck)
end

function T:test_disk_full_at_every_write()
  lu.assertTrue(at_every_step(SCENES[2], "FAIL=WriteFile:%d:112") >= 5)
  lu.assertTrue(at_every_step(SCENES[2], "FAIL=FlushFileBuffers:%d:1117") >= 5)
end

function T:test_a_file_in_use()
  lu.assertTrue(at_every_step(SCENES[3], "FAIL=MoveFileExW:%d:87") >= 5)
end
