-- build: shim
-- arch: x64
-- p80 install and p80 uninstall: what is shown, asked and refused; the previous version; undo; and a playbook that is replaced while
-- it runs. install_survives_test.lua has kills, full disks and files in use.
local lu = require "luaunit"
local case = require "case"
local installs = require "installs"
local zipfile = require "zipfile"

local T = installs.suite "Install"
local HOME <const>, PLAYBOOKS <const> = installs.HOME, installs.PLAYBOOKS
local remove_tree, p80, make, install = installs.remove_tree, installs.p80, installs.make, installs.install
local says, assert_runs = installs.says, installs.assert_runs

-- ---- What it does ----

function T:test_a_playbook_is_installed_run_replaced_and_taken_back()
  assert_runs(nil)
  local first = case.exits(install(make "1.0.0"), 0)
  lu.assertStrContains(first.stdout, "acme 1.0.0: Says which version it is.")
  lu.assertStrContains(first.stdout, "changes nothing")
  assert_runs "1.0.0"
  lu.assertEquals(case.exits(p80 {"ACME.lua"}, 0).stdout, says "1.0.0")
  lu.assertEquals(case.files(PLAYBOOKS .. "\\acme"), {"acme.lua", "installed.json", "lib"})
  lu.assertStrContains(case.exits(install(make "1.0.0"), 0).stdout, "installed already")
  local second = case.exits(install(make "2.0.0"), 0)
  lu.assertStrContains(second.stdout, "replaces: 1.0.0")
  assert_runs "2.0.0"
  lu.assertEquals(case.files(PLAYBOOKS), {"acme", "acme.previous"})
  case.exits(p80 {"undo"}, 0)
  assert_runs "1.0.0"
  case.exits(p80 {"install", "--previous", "acme"}, 0)
  assert_runs "2.0.0"
  case.exits(p80 {"uninstall", "acme"}, 0)
  assert_runs(nil)
  lu.assertEquals(case.files(PLAYBOOKS), {"acme.previous"})
  case.exits(p80 {"undo"}, 0)
  assert_runs "2.0.0"
  lu.assertStrContains(case.exits(p80 {"uninstall", "none"}, 1).stderr, "No playbook of this name is installed.")
  lu.assertStrContains(case.exits(p80 {"install", "--previous", "none"}, 1).stderr, "no previous version")
end

function T:test_a_version_that_is_not_kept_any_more()
  for _, version in ipairs {"1.0.0", "2.0.0", "3.0.0"} do case.exits(install(make(version)), 0) end
  case.exits(p80 {"undo"}, 0)
  assert_runs "2.0.0"
  lu.assertStrContains(case.exits(p80 {"undo"}, 1).stdout, "Version 1.0.0 is not kept any more")
  assert_runs "2.0.0"
end

function T:test_a_file_with_its_modules_and_an_archive()
  local folder = make "1.0.0"
  case.write(folder .. "\\notes.txt", "not needed")
  case.exits(install(folder .. "\\acme.lua"), 0)
  lu.assertEquals(case.files(PLAYBOOKS .. "\\acme"), {"acme.lua", "installed.json", "lib"})
  assert_runs "1.0.0"
  folder = make "2.0.0"
  local archive = case.write("acme-2.0.0.zip", zipfile.make {
    {name = "acme-main/", bytes = ""}, {name = "acme-main/acme.lua", bytes = case.read(folder .. "\\acme.lua")},
    {name = "acme-main/lib/version.lua", bytes = case.read(folder .. "\\lib\\version.lua")},
  })
  case.exits(install(archive), 0)
  assert_runs "2.0.0"
end

function T:test_check_installs_nothing()
  local result = case.exits(p80 {"install", make("1.0.0", '"scm.state"'), "--check"}, 3)
  lu.assertStrContains(result.stdout, "+ may change scm.state")
  lu.assertStrContains(result.stdout, "--check: 1 change would be made:")
  lu.assertNil(lfs.attributes(PLAYBOOKS))
  case.exits(install(make "1.0.0"), 0)
  case.exits(p80 {"uninstall", "acme", "--check"}, 3)
  assert_runs "1.0.0"
end

function T:test_new_grants_must_be_agreed_to()
  local folder = make("1.0.0", '"scm.state:W3SVC", "http.urlacl"')
  local result = case.exits(p80 {"install", folder}, 4)
  lu.assertStrContains(result.stderr, "Nobody agreed that it may change scm.state:W3SVC, http.urlacl.")
  assert_runs(nil)
  case.exits(install(folder), 0)
  case.exits(p80 {"install", make("1.0.1", '"http.urlacl"')}, 0) -- less than before
  result = case.exits(p80 {"install", make("1.1.0", '"http.urlacl", "process.run"')}, 4)
  lu.assertStrContains(result.stderr, "may change process.run.")
  result = case.exits(p80 {"install", make("1.1.0", '"process.run"'), "--yes", "--json"}, 0)
  lu.assertEquals(result.json.result, {name = "acme", version = "1.1.0", replaces = "1.0.1", summary = "Says which version it is.",
    grants = {"process.run"}, added = {"process.run"}, removed = {"http.urlacl"}, lessened = {}, changed = true})
  lu.assertEquals(result.json.changed, 1)
  local changed = make("1.1.0", '"process.run"')
  lu.assertNotStrContains(case.exits(install(changed), 0).stdout, "differ")
  case.write(changed .. "\\lib\\version.lua", "return '1.1.0' -- or so\n")
  lu.assertStrContains(case.exits(p80 {"install", changed}, 0).stdout, "! its files differ from those of this version that are installed")
  result = install(make("1.2.0", '"process.run", "http.urlacl"'))
  lu.assertStrContains(result.stdout, "+ may change http.urlacl   NEW")
  lu.assertStrContains(result.stdout, "    may change process.run")
end

-- Less to be trusted than what is there: nobody who signed it, somebody else, an older version.
function T:test_a_lost_signer_or_an_older_version_must_be_agreed_to()
  local function with_key(name, folder)
    local key = case.path(name)
    if folder then return case.exits(p80 {"sign", folder .. "\\acme.lua", "--key", key}, 0) end
    case.exits(p80 {"sign", "--generate", "--no-password", "--key", key, "--public", key .. ".pub"}, 0)
    case.exits(p80 {"policy", "trust", key .. ".pub", "--name", "Team " .. name}, 0)
  end
  local function refused(version, message)
    local result = case.exits(p80 {"install", make(version)}, 4)
    lu.assertStrContains(result.stderr, "Nobody agreed to it: " .. message)
    lu.assertStrContains(case.exits(p80 {"install", case.path("acme" .. version), "--check"}, 3).stdout, "  ! ")
    assert_runs "1.1.0"
  end
  case.exits(p80 {"policy", "init"}, 0)
  case.later(function() os.remove(HOME .. "\\policy.json") end)
  with_key "A"
  with_key "B"
  with_key("A", make "1.1.0")
  case.exits(p80 {"install", case.path "acme1.1.0"}, 0)
  lu.assertStrContains(case.exits(p80 {"verify", "acme"}, 0).stdout, "playbooks\\acme\\acme.lua: signed by Team A")
  lu.assertStrContains(case.exits(p80 {"verify", case.path "acme1.1.0"}, 2).stderr, "This is a folder.")
  lu.assertStrContains(case.exits(p80 {"sign", case.path "acme1.1.0\\acme.lua", "--key", case.path "none"}, 1).stderr, "--generate")
  refused("1.2.0", "Team A signed the version that is installed.")
  refused("1.0.9", "Team A signed the version that is installed; version 1.1.0 is installed, which is newer.")
  with_key("B", make "1.2.0")
  refused("1.2.0", "Team A signed the version that is installed.")
  with_key("A", make "1.0.9")
  refused("1.0.9", "version 1.1.0 is installed, which is newer.")
  lu.assertStrContains(case.exits(install(case.path "acme1.0.9"), 0).stdout, "! version 1.1.0 is installed, which is newer")
  assert_runs "1.0.9"
  with_key("A", make "1.1.0")
  case.exits(p80 {"install", case.path "acme1.1.0"}, 0) -- newer, and signed as before
end

-- A manifest may be another when the playbook runs than when it was shown and signed.
function T:test_grants_that_nobody_was_shown()
  local folder = make("1.0.0", '"scm.state"')
  local script, key = folder .. "\\acme.lua", case.path "key"
  case.write(script, case.read(script):gsub('{"scm.state"}', 'arg == nil and {"scm.state"} or {"scm.state", "reg.*"}'))
  case.exits(install(folder), 0)
  local result = case.exits(p80 {"acme"}, 4)
  lu.assertStrContains(result.stderr, "'reg.*': This grant is not among those that were shown when the playbook was installed.")
  lu.assertEquals(result.stdout, "")
  case.exits(p80 {"acme", "--check"}, 4)
  lu.assertStrContains(case.exits(p80 {"lint", script}, 1).stdout, "The grants of the manifest are not constants;")
  -- signed, and run as a file
  case.exits(p80 {script}, 0)
  case.exits(p80 {"policy", "init"}, 0)
  case.later(function() os.remove(HOME .. "\\policy.json") end)
  case.exits(p80 {"sign", "--generate", "--no-password", "--key", key, "--public", key .. ".pub"}, 0)
  case.exits(p80 {"policy", "trust", key .. ".pub"}, 0)
  case.exits(p80 {"sign", script, "--key", key}, 0)
  lu.assertStrContains(case.exits(p80 {script}, 4).stderr, "'reg.*': This grant is not among those that its signature names.")
  -- a comma parts no grants
  case.write(script, case.read(script):gsub('{"scm.state"} or {"scm.state", "reg.*"}', '{"scm.state:a,reg.*"} or {"reg.*"}'))
  case.exits(p80 {"sign", script, "--key", key}, 0)
  lu.assertStrContains(case.exits(p80 {script}, 4).stderr, "'reg.*': This grant is not among those that its signature names.")
  case.exits(install(folder), 0)
  os.remove(PLAYBOOKS .. "\\acme\\acme.lua.minisig")
  lu.assertStrContains(case.exits(p80 {"acme"}, 4).stderr, "'reg.*': This grant is not among those that were shown")
  case.write(script, case.read(script):gsub("arg == nil and (%b{}) or %b{}", "%1"))
  case.exits(p80 {"sign", script, "--key", key}, 0)
  case.exits(install(folder), 0)
  for _, word in ipairs {script, "acme"} do case.exits(p80 {word}, 0) end
  -- none were named at all
  case.write(script, case.read(script):gsub('{"scm.state:a,reg.*"}', 'arg == nil and {"scm.state"} or {"scm.state", "reg.*"}'))
  case.write(script, case.read(script):gsub('{"scm.state"} or', "{} or"))
  case.exits(p80 {"sign", script, "--key", key}, 0)
  lu.assertStrContains(case.exits(p80 {script}, 4).stderr, "'scm.state': This grant is not among")
  case.exits(install(folder), 0)
  lu.assertStrContains(case.exits(p80 {"acme"}, 4).stderr, "'scm.state': This grant is not among")
end

-- A signature covers the script and the modules that it requires by name; what else is there is named.
function T:test_files_that_no_signature_covers()
  local folder, key = make "1.0.0", case.path "key"
  case.exits(p80 {"sign", "--generate", "--no-password", "--key", key, "--public", key .. ".pub"}, 0)
  case.exits(p80 {"policy", "init"}, 0)
  case.later(function() os.remove(HOME .. "\\policy.json") end)
  case.exits(p80 {"policy", "trust", key .. ".pub"}, 0)
  case.exits(p80 {"sign", folder .. "\\acme.lua", "--key", key}, 0)
  local function shown() return case.exits(p80 {"install", folder, "--check"}, 3).stdout end
  lu.assertNotStrContains(shown(), "not signed")
  case.write(folder .. "\\services.txt", "W3SVC")
  case.write(folder .. "\\lib\\late.lua", "")
  lu.assertStrContains(shown(), "\n  ! not signed as a part of it: lib/late.lua, services.txt\r\n")
  case.exits(p80 {"sign", folder .. "\\services.txt", "--key", key}, 0) -- of which playbook?
  lu.assertStrContains(shown(), "lib/late.lua, services.txt\r\n")
  case.exits(p80 {"sign", folder .. "\\acme.lua", folder .. "\\services.txt", "--key", key}, 0)
  lu.assertEquals(case.exits(p80 {"install", folder, "--json"}, 0).json.result.unsigned, {"lib/late.lua"})
  os.remove(folder .. "\\lib\\late.lua")
  lu.assertNotStrContains(shown(), "not signed")
  case.write(folder .. "\\services.txt", "other")
  lu.assertStrContains(case.exits(p80 {"install", folder}, 4).stderr, "It is not what was signed")
end

local function listed()
  for _, row in ipairs(case.exits(p80 {"list", "--json"}, 0).json) do
    if row.name == "acme" then return row end
  end
end

function T:test_a_key_that_is_trusted_again()
  local function trust(...) return p80 {"policy", "trust", case.path "p80.pub", ...} end
  local function trusted() return case.exits(p80 {"policy", "--json"}, 0).json.result.keys[1] end
  case.exits(p80 {"sign", "--generate", "--no-password", "--key", case.path "p80.key", "--public", case.path "p80.pub"}, 0)
  case.exits(p80 {"policy", "init"}, 0)
  case.later(function() os.remove(HOME .. "\\policy.json") end)
  for _, name in ipairs {"p80", "P80"} do lu.assertStrContains(case.exits(trust("--name", name), 2).stderr, "signed by p80") end
  case.exits(trust(), 0)
  local key = trusted()
  lu.assertEquals(key.name, key.id) -- "p80" is who signed the bundled ones
  lu.assertEquals(case.exits(trust(), 0).stdout, "This key is trusted already.\r\n")
  local result = case.exits(trust("--grant", "reg.*", "--grant", "scm.*", "--name", "Team"), 0)
  lu.assertStrContains(result.stdout, ("was trusted already, as %s: as any script. Now it is, as Team: reg.*, scm.*."):format(key.id))
  lu.assertEquals({trusted().name, trusted().grants}, {"Team", {"reg.*", "scm.*"}})
  for _, words in ipairs {{}, {"--name", "Team"}, {"--grant", "reg.*", "--grant", "scm.*"}} do
    lu.assertStrContains(case.exits(trust(table.unpack(words)), 0).stdout, "trusted already.")
  end
  case.exits(trust("--grant", "reg.*", "--check"), 3)
  case.exits(trust("--grant", "reg.*"), 0)
  lu.assertEquals({trusted().name, trusted().grants}, {"Team", {"reg.*"}})
  case.exits(p80 {"undo"}, 0)
  lu.assertEquals(trusted().grants, {"reg.*", "scm.*"})
end

function T:test_a_key_that_is_trusted_no_more()
  local function distrust(...) return p80 {"policy", "distrust", ...} end
  for _, name in ipairs {"A", "B"} do case.exits(p80 {"sign", "--generate", "--no-password", "--key", case.path(name), "--public", case.path(name .. ".pub")}, 0) end
  lu.assertStrContains(case.exits(distrust(case.path "A.pub"), 0).stdout, "No such key is trusted.") -- without a policy, too
  case.exits(p80 {"policy", "init"}, 0)
  case.later(function() os.remove(HOME .. "\\policy.json") end)
  case.exits(p80 {"policy", "trust", case.path "A.pub", "--name", "Team Alpha", "--grant", "scm.*"}, 0)
  case.exits(p80 {"policy", "trust", case.path "B.pub", "--name", "Team Beta"}, 0)
  local before = case.read(HOME .. "\\policy.json")
  case.exits(p80 {"sign", make "1.0.0" .. "\\acme.lua", "--key", case.path "A"}, 0)
  case.exits(install(case.path "acme1.0.0"), 0)
  lu.assertTrue(listed().trusted)
  lu.assertStrContains(case.exits(p80 {"help", "acme"}, 0).stdout, "signed by Team Alpha.")
  -- what is not there
  lu.assertStrContains(case.exits(distrust "Team Alhpa", 1).stderr, "No such key is trusted. (1168 ERROR_NOT_FOUND); did you mean 'Team Alpha'?")
  lu.assertStrContains(case.exits(distrust "nobody at all", 0).stdout, "No such key is trusted.")
  for _, words in ipairs {{}, {"Team Alpha", "--name", "x"}, {"Team Alpha", "--grant", "scm.*"}, {"Team Alpha", "x"}} do
    case.exits(distrust(table.unpack(words)), 2)
  end
  lu.assertEquals(case.read(HOME .. "\\policy.json"), before)
  case.exits(distrust("Team Alpha", "--check"), 3)
  lu.assertEquals(case.read(HOME .. "\\policy.json"), before)
  -- by name, number, file, key
  local policy = case.exits(p80 {"policy", "--json"}, 0).json.result
  local file = case.path "A.pub"
  for _, word in ipairs {"team alpha", policy.keys[1].id, policy.keys[1].id:lower(), file, policy.keys[1].key} do
    local result = case.exits(distrust(word), 0)
    lu.assertStrContains(result.stdout, ("The key %s (Team Alpha) is trusted no more"):format(policy.keys[1].id))
    if word == file then
      lu.assertFalse(listed().trusted)
      lu.assertStrContains(case.exits(p80 {"list"}, 0).stdout, "Team Alpha (not trusted)")
      lu.assertStrContains(case.exits(p80 {"help", "acme"}, 0).stdout, "signed by Team Alpha (not trusted).")
      lu.assertStrContains(case.exits(distrust(word), 0).stdout, "No such key is trusted.")
    end
    case.exits(p80 {"undo"}, 0)
    lu.assertEquals(case.read(HOME .. "\\policy.json"), before)
  end
  -- two of one name
  case.exits(p80 {"policy", "distrust", "Team Beta"}, 0)
  case.exits(p80 {"policy", "trust", case.path "B.pub", "--name", "team alpha"}, 0)
  lu.assertStrContains(case.exits(distrust "Team Alpha", 2).stderr, "2 keys have this name.")
  case.exits(distrust(policy.keys[1].id), 0)
  lu.assertFalse(listed().trusted) -- another key of that name is another key
  os.remove(HOME .. "\\policy.json")
  lu.assertFalse(listed().trusted)
end

function T:test_what_is_refused()
  for _, row in ipairs {
    {make("1.0.0", nil, "free80"), "A bundled playbook has this name"}, {make("1.0.0", nil, "Undo"), "A command of p80 has this name"},
    {make("1.0.0", nil, "install"), "A command of p80 has this name"}, {make("1.0.0", '"nonsense"'), "There is no grant 'nonsense'"},
    {case.path "none", "no such file or folder"},
  } do
    local result = install(row[1])
    lu.assertTrue(result.code == 2 or row[1]:find "none" and result.code == 1, case.describe(result))
    lu.assertStrContains(result.stderr, row[2])
  end
  local folder = make "1.0.0"
  os.rename(folder .. "\\acme.lua", folder .. "\\other.lua")
  lu.assertStrContains(case.exits(install(folder), 2).stderr, "Its manifest calls it 'acme'. (P80_BAD_PACKAGE); name the file acme.lua")
  case.write(folder .. "\\other.lua", "error 'broken'")
  lu.assertStrContains(case.exits(install(folder), 2).stderr, "broken")
  for _, words in ipairs {{"install"}, {"install", "a", "b"}, {"install", folder, "--previous", "acme"}, {"uninstall"}} do case.exits(p80(words), 2) end
  lu.assertNil(lfs.attributes(PLAYBOOKS))
end

function T:test_the_bundled_one_is_run_whatever_is_there()
  lfs.mkdir(HOME)
  lfs.mkdir(PLAYBOOKS)
  lfs.mkdir(PLAYBOOKS .. "\\free80")
  case.write(PLAYBOOKS .. "\\free80\\free80.lua", "print 'not I'")
  lu.assertStrContains(case.exits(p80 {"free80", "--help"}, 0).stdout, "Usage: p80 free80")
  remove_tree(PLAYBOOKS)
end

function T:test_a_changed_or_damaged_version_is_repaired()
  local folder = make "1.0.0"
  case.exits(install(folder), 0)
  case.write(PLAYBOOKS .. "\\acme\\lib\\version.lua", "return 'tampered'")
  case.exits(install(folder), 0)
  assert_runs "1.0.0"
  case.write(PLAYBOOKS .. "\\acme\\installed.json", "{")
  case.exits(install(folder), 0)
  assert_runs "1.0.0"
end

-- ---- Replaced while it runs ----

-- A version that says which it is, waits for the file `go`, and then requires the rest of itself.
local function make_late(version)
  local folder = case.path("late" .. version)
  for _, name in ipairs {"", "\\lib", "\\lib\\deep"} do lfs.mkdir(folder .. name) end
  case.write(folder .. "\\late.lua", ([[
    require "p80".playbook {name = "late", version = "%s", summary = "x", args = {go = {type = "path"}}}
    local sleep = require "p80".sleep
    print "ready" io.stdout:flush()
    while not win.file.read(require "p80".args.go) do sleep(0.05) end
    local late = "lib.late"
    print(require(late), require "LIB.Deep", (require "lib.deep.er"))
    print(pcall(require, "lib.new"))
    local folder = win.file.absolute(os.getenv "ProgramData" .. "\\p80\\playbooks\\late\\")
    print(loadfile(folder .. "lib\\late.lua")(), dofile(folder .. "LIB\\late.lua"), loadfile(folder .. "lib\\new.lua"))
    print(package.searchers[3] "lib.late" (), select("#", loadfile(folder .. "notes.txt", {})))
  ]]):format(version):gsub("\\\\\\\\", "\\\\"))
  for _, name in ipairs {"late", "deep\\init", "deep\\er"} do case.write(folder .. "\\lib\\" .. name .. ".lua", ("return %q"):format(version)) end
  if version ~= "1.0.0" then case.write(folder .. "\\lib\\new.lua", "return 'new'") end
  return folder
end

function T:test_a_playbook_that_runs_sees_one_version_of_itself()
  case.exits(install(make_late "1.0.0"), 0)
  local go = case.path "go"
  local process = test.start(case.command {"late", "--go", go, state = case.state})
  case.later(function() process:close() end)
  case.wait("the playbook", function() return process:output():find "ready" end)
  for _, version in ipairs {"2.0.0", "3.0.0", "4.0.0"} do case.exits(install(make_late(version)), 0) end
  case.write(go, "")
  local result = process:wait(30)
  lu.assertEquals(result.code, 0, result.stdout .. result.stderr)
  local out = result.stdout:gsub("\r", "")
  lu.assertStrContains(out, "1.0.0\t1.0.0\t1.0.0\n")
  lu.assertStrContains(out, "false\tmodule 'lib.new' not found")
  lu.assertStrContains(out, "1.0.0\t1.0.0\tnil\tcannot open")
  lu.assertStrContains(case.exits(p80 {"late", "--go", go}, 0).stdout, "4.0.0\t4.0.0\t4.0.0")
end

-- In the moment in which its folder is being renamed nobody can hold it; the run begins with the one or the other.
function T:test_a_playbook_that_begins_while_it_is_replaced()
  case.exits(install(make "1.0.0"), 0)
  local env = {P80_SHIM_FAIL = "CreateFileW:1:32"}
  lu.assertEquals(case.exits(p80 {"acme", env = env}, 0).stdout, says "1.0.0")
end
