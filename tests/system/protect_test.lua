-- build: shim
-- Whose files an elevated p80 runs: access lists that Wine cannot keep, on the shim tests/shims/file_security.c. What it can
-- keep (everybody may write; links) is tested on plain Wine in sharing.py.
-- arch: x64
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Protect"

local ADMINS = "O:BAD:(A;;FA;;;BA)(A;;FA;;;SY)"

-- Runs a script in a folder while `path` (of "C:\", the folder, the script) has the descriptor.
local function run(path, sddl, options)
  options = options or {}
  local script = case.write("script.lua", "print 'ran'")
  local paths = {root = "C:\\", folder = case.folder, script = script}
  local env = {P80_SHIM_SECURITY = paths[path] .. "|" .. sddl}
  if options.unelevated then env.P80_SHIM_UNELEVATED = "1" end
  return case.p80 {env = env, state = false, script, options.help and "--help"}
end

local function runs(path, sddl, options)
  lu.assertStrContains(case.exits(run(path, sddl, options), 0).stdout, "ran")
end

local function refused(path, sddl, message)
  local result = case.exits(run(path, sddl), 4)
  lu.assertStrContains(result.stderr, message)
  lu.assertStrContains(result.stderr, "P80_UNPROTECTED")
  lu.assertStrContains(result.stderr, "icacls")
  if path == "script" then lu.assertStrContains(case.exits(run(path, sddl, {help = true}), 4).stderr, "There is no help for it") end
end

function T:test_owners()
  for _, owner in ipairs {
    "BA", "SY", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464", -- TrustedInstaller
    "S-1-5-21-1-2-3-500", "S-1-5-21-1-2-3-512", "S-1-5-21-1-2-3-519", "S-1-5-21-0-0-0-1000", -- p80's own user under Wine
  } do
    for _, path in ipairs {"root", "folder", "script"} do runs(path, "O:" .. owner .. "D:(A;;FA;;;BA)(A;;FR;;;BU)") end
  end
  for _, owner in ipairs {
    "BU", "AU", "WD", "S-1-5-21-1-2-3-1001", "S-1-5-21-1-2-3-501", "S-1-5-21-1-2-3-513", "S-1-5-32-551", "S-1-5-19",
    "S-1-5-80-956008885-3418522649-1831038044-1853292631-1", "S-1-5-21-500", "S-1-5-32-512", "S-1-2-0", "S-1-16-12288",
  } do refused("script", "O:" .. owner .. "D:(A;;FA;;;BA)", "who is no administrator") end
  refused("folder", "O:BUD:(A;;FA;;;BA)", "It belongs to BUILTIN\\Users")
  refused("root", "O:S-1-5-21-1-2-3-1001D:(A;;FA;;;BA)", "It belongs to S-1-5-21-1-2-3-1001")
end

-- Each single right, on the file, its folder and the root: who has it could change what runs (true), or not.
function T:test_rights()
  local rights = {
    {0x1, false, false, false}, {0x2, true, true, false}, {0x4, true, false, false}, {0x8, false, false, false},
    {0x20, false, false, false}, {0x40, false, true, true}, {0x80, false, false, false}, {0x10000, false, true, false},
    {0x20000, false, false, false}, {0x40000, true, true, true}, {0x80000, true, true, true}, {0x100000, false, false, false},
    {0x10000000, true, true, true}, {0x40000000, true, true, false}, {0x80000000, false, false, false},
  }
  for _, right in ipairs(rights) do
    for i, path in ipairs {"script", "folder", "root"} do
      local sddl = ADMINS .. ("(A;;0x%x;;;BU)"):format(right[1])
      if right[i + 1] then refused(path, sddl, "BUILTIN\\Users may change it") else runs(path, sddl) end
    end
  end
end

-- As Windows sets them by default: C:\ of Server 2003 and of Windows 10, a folder in it, Program Files, ProgramData.
function T:test_lists_of_windows()
  runs("root", "O:BAD:(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;OICIIO;GA;;;CO)(A;OICI;0x1200a9;;;BU)(A;CI;0x4;;;BU)(A;CIIO;0x2;;;BU)(A;;0x1200a9;;;WD)")
  runs("root", "O:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;OICIIO;SDGXGWGR;;;AU)(A;;LC;;;AU)")
  refused("folder", "O:BAD:AI(A;OICIID;FA;;;BA)(A;OICIID;FA;;;SY)(A;OICIID;0x1200a9;;;BU)(A;ID;0x1301bf;;;AU)(A;OICIIOID;SDGXGWGR;;;AU)",
    "NT AUTHORITY\\Authenticated Users may change it")
  refused("folder", "O:BAD:AI(A;OICIID;FA;;;BA)(A;OICIID;FA;;;SY)(A;OICIIOID;GA;;;CO)(A;OICIID;0x1200a9;;;BU)(A;CIID;0x4;;;BU)(A;CIID;0x2;;;BU)",
    "BUILTIN\\Users may change it")
  runs("folder", "O:SYD:PAI(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;OICIIO;GA;;;CO)(A;OICI;0x1200a9;;;BU)(A;;0x1200a9;;;AC)")
  runs("script", "O:BAD:(A;;FA;;;BA)(A;;0x1200a9;;;WD)(A;;FA;;;OW)") -- Owner Rights are the owner's
end

function T:test_kinds_of_entries()
  runs("script", ADMINS .. "(D;;FA;;;BU)")
  runs("script", ADMINS .. "(A;OICIIO;FA;;;BU)") -- for what is in it, not for itself
  runs("folder", ADMINS .. "(A;OICIIO;FA;;;WD)")
  refused("script", "O:BAD:(D;;FA;;;BU)(A;;FA;;;BU)(A;;FA;;;BA)", "BUILTIN\\Users may change it") -- denials are not weighed
  refused("script", "O:BA", "Everyone may change it") -- no list at all, as on FAT
  runs("script", "O:BAD:") -- an empty one lets nobody
  refused("script", ADMINS .. "(A;;FA;;;S-1-5-21-7-8-9-1234)", "S-1-5-21-7-8-9-1234 may change it")
end

function T:test_only_elevated_runs()
  runs("script", "O:BUD:(A;;FA;;;WD)", {unelevated = true})
  runs("folder", "O:BA", {unelevated = true})
end

-- ---- Drives ----

local function run_at(path, env) return case.p80 {state = false, env = env, path} end

function T:test_a_drive_that_is_a_folder()
  local script = case.write("script.lua", "print 'ran'")
  for _, target in ipairs {"\\??\\D:\\x", "\\??\\D:\\" .. ("long\\"):rep(60), "\\??\\UNC\\server\\share", "\\DosDevices\\D:\\x", "\\GLOBAL??\\D:\\x"} do
    local result = run_at(script, {P80_SHIM_DEVICE = "C:=" .. target})
    lu.assertStrContains(case.exits(result, 4).stderr, "Its drive is another name of a folder (subst). (P80_UNPROTECTED); write the path")
  end
  case.exits(run_at(script, {P80_SHIM_DEVICE = "C:=\\Device\\HarddiskDmVolumes\\" .. ("Dg"):rep(60)}), 0)
end

function T:test_a_drive_of_which_nothing_is_known()
  local script = case.write("script.lua", "print 'ran'")
  for fail, message in pairs {
    ["QueryDosDeviceW:1+:122"] = "Windows does not tell what its drive is (error 122). (P80_UNPROTECTED); keep it on a drive of this machine",
    ["QueryDosDeviceW:1+:5"] = "(error 5)", ["GetDriveTypeW:1+:5"] = "Windows does not tell what kind of drive it lies on.",
  } do
    local env = {P80_SHIM_FAIL = fail}
    lu.assertStrContains(case.exits(run_at(script, env), 4).stderr, message)
    env.P80_SHIM_UNELEVATED = "1"
    case.exits(run_at(script, env), 0)
  end
  lu.assertStrContains(case.exits(run_at(script, {P80_SHIM_DRIVE = "C:1"}), 4).stderr, "what kind of drive")
end

-- Whoever had the disk in his hands could write access lists as he likes: signed scripts alone run from there.
function T:test_a_removable_drive()
  local script = case.write("script.lua", "print 'ran'")
  for _, drive in ipairs {"C:2", "C:5"} do
    local result = case.exits(run_at(script, {P80_SHIM_DRIVE = drive}), 4)
    lu.assertStrContains(result.stderr, "There is no signature beside it. It must be signed: it lies on a removable drive.")
    case.exits(run_at(script, {P80_SHIM_DRIVE = drive, P80_SHIM_UNELEVATED = "1"}), 0)
  end
  local change = "win.reg.set([[HKCU\\Software\\Protect]], 'y', 1)"
  assert(lfs.mkdir(case.path "made"))
  local result = case.p80 {state = case.path "made", env = {P80_SHIM_DRIVE = "C:2"}, "--allow", "*", "-e", change}
  lu.assertStrContains(case.exits(result, 4).stderr, "It lies on another machine or a removable drive, so an elevated p80 does not trust it.")
end

-- The state folder and the policy are held to the same rules.
function T:test_state_folder()
  local home = "C:\\ProgramData\\p80"
  case.exits(case.p80 {state = false, "policy", "init"}, 0)
  case.later(function() os.remove(home .. "\\policy.json") end)
  local function with(path, sddl, ...) return case.p80 {state = false, env = {P80_SHIM_SECURITY = path .. "|" .. sddl}, ...} end
  case.exits(with(home, "O:BAD:(A;;FA;;;BA)", "policy"), 0)
  for _, sddl in ipairs {"O:BUD:(A;;FA;;;BA)", ADMINS .. "(A;;0x2;;;BU)", "O:BA"} do
    lu.assertStrContains(case.exits(with(home, sddl, "policy"), 4).stderr, "until it is mended")
    lu.assertStrContains(case.exits(with(home .. "\\policy.json", sddl, "policy"), 4).stderr, "until it is mended")
    local result = with(home, sddl, "--allow", "*", "-e", "win.reg.set([[HKCU\\Software\\Protect]], 'x', 1)")
    case.exits(result, 4)
  end
  os.remove(home .. "\\policy.json")
  local result = with(home, "O:BUD:(A;;FA;;;BA)", "--allow", "*", "-e", "win.reg.set([[HKCU\\Software\\Protect]], 'x', 1)")
  lu.assertStrContains(case.exits(result, 4).stderr, "p80': It belongs to BUILTIN\\Users")
end

-- So are a folder that --state names, and each journal that is read there: `p80 undo` does what it says.
function T:test_state_folder_of_ones_own()
  local change = {"--allow", "*", "-e", "win.reg.set([[HKCU\\Software\\Protect]], 'own', 1)"}
  local undo = {"undo"}
  local function with(path, sddl, words, env)
    local options = {env = env or {}, table.unpack(words)}
    options.env.P80_SHIM_SECURITY = path .. "|" .. sddl
    return case.p80(options)
  end
  case.exits(case.p80(change), 0)
  case.exits(case.p80 {"undo"}, 0)
  local journal = case.state .. "\\runs\\000001.jsonl"
  for _, path in ipairs {case.folder, case.state, case.state .. "\\runs"} do
    for _, sddl in ipairs {"O:BUD:(A;;FA;;;BA)", ADMINS .. "(A;;WD;;;BU)"} do
      local result = case.exits(with(path, sddl, change), 4)
      lu.assertStrContains(result.stderr, ("'%s': "):format(path))
      lu.assertStrContains(result.stderr, "P80_UNPROTECTED")
    end
  end
  lu.assertEquals(#case.files(case.state .. "\\runs"), 2)
  for _, path in ipairs {case.state .. "\\runs", journal} do
    local result = with(path, ADMINS .. "(A;;0x2;;;WD)", {"undo", "1"})
    lu.assertStrContains(case.exits(result, 4).stderr, ("'%s': Everyone may change it"):format(path))
    case.exits(with(path, ADMINS .. "(A;;0x2;;;WD)", {"runs"}, {P80_SHIM_UNELEVATED = "1"}), 0)
  end
  case.exits(with(case.state, "O:BUD:(A;;FA;;;WD)", change, {P80_SHIM_UNELEVATED = "1"}), 0)
  case.exits(with(journal, "O:BAD:(A;;FA;;;BA)(A;;FR;;;BU)", undo), 0)
end

-- The lock is one for all elevated runs, whatever --state says, and lies in the machine's folder.
function T:test_one_lock()
  local change = "win.reg.set([[HKCU\\Software\\Protect]], '%s', 1)"
  local command = case.command {
    state = case.path "one", "--allow", "*", "-e", change:format "a" .. " print 'has it' io.stdout:flush() require 'p80'.sleep(20)",
  }
  local holder = test.start(command)
  case.later(function() holder:close() end)
  case.wait("the holder", function() return holder:output():find "has it" end)
  local result = case.p80 {state = case.path "two", "--timeout", "0.2", "--allow", "*", "-e", change:format "b"}
  lu.assertStrContains(case.exits(result, 6).stderr, "P80_OTHER_RUN")
  holder:kill()
  case.exits(case.p80 {state = case.path "two", "--allow", "*", "-e", change:format "b"}, 0)
end
