-- win.feature: what is installed, from the registry; the command for each Windows; removing, with a program in the place
-- of Windows' own (tests/fixtures/fake-setup.c).
local lu = require "luaunit"
local case = require "case"
local fakecore = require "fakecore"
local failure = fakecore.failure

local COMPONENTS = [[HKLM\SOFTWARE\Microsoft\InetStp\Components]]
local SUBCOMPONENTS = [[HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\Oc Manager\Subcomponents]]
local SETUP = [[HKLM\SYSTEM\p80-test\setup]]
local WINDOWS = os.getenv "SystemRoot"
local REFUSED, NOT_TAKEN = 0x20000004, 0x20000001

local function remove_key(key) win.reg.delete(key, nil, {tree = true}) end

-- An empty key, which goes after the test.
local function make_key(key)
  remove_key(key)
  local path
  for part in key:gmatch "[^\\]+" do
    path = path and path .. "\\" .. part or part
    if path ~= "HKLM" and not win.reg.exists(path) then win.reg.create(path) end
  end
  case.later(function() remove_key(key) end)
end

local function install(key, values)
  make_key(key)
  for name, value in pairs(values) do win.reg.set(key, name, value, {type = "dword"}) end
end

-- win.feature as it is on another version of Windows.
local function on(major, minor)
  local host = {version = function() return {major = major, minor = minor} end}
  local feature = {}
  test.bundled("win", "feature")(feature, setmetatable({host = host}, {__index = win}), test.x)
  return feature
end

local Plans = case.suite "Plans"

function Plans:test_list()
  install(COMPONENTS, {W3SVC = 1, StaticContent = 1, ASP = 0, DirectoryBrowse = 1, Unheard = 1})
  local rows = {}
  for i, row in ipairs(win.feature.list()) do rows[i] = {row.component, row.name} end
  lu.assertEquals(rows, {{"DirectoryBrowse", "IIS-DirectoryBrowsing"}, {"StaticContent", "IIS-StaticContent"}, {"Unheard"}, {"W3SVC", "IIS-WebServer"}})
  remove_key(COMPONENTS)
  lu.assertEquals(win.feature.list(), {})
  lu.assertNil(win.feature.plan_remove "IIS")
end

function Plans:test_since_windows_7()
  install(COMPONENTS, {W3SVC = 1, FTPServer = 1, Unheard = 1})
  for _, feature in ipairs {on(6, 1), on(6, 3), on(10, 0)} do
    lu.assertEquals(feature.plan_remove("IIS").command, "dism.exe /online /disable-feature /quiet /norestart /featurename:IIS-WebServerRole")
    for _, name in ipairs {"IIS-FTPServer", "iis-ftpserver", "FTPServer"} do
      lu.assertEquals(feature.plan_remove(name).features, {"IIS-FTPServer"})
    end
    lu.assertNil(feature.plan_remove "IIS-ASP")
  end
end

function Plans:test_vista_and_2008()
  install(COMPONENTS, {W3SVC = 1})
  lu.assertEquals(on(6, 0).plan_remove("w3svc").command, "pkgmgr.exe /uu:IIS-WebServer /quiet /norestart")
end

function Plans:test_2003()
  install(SUBCOMPONENTS, {iis_www = 1, iis_common = 1, iis_ftp = 0, aspnet = 1, games = 1, calc = 1})
  local feature = on(5, 2)
  lu.assertEquals(feature.list(), {{name = "aspnet", component = "aspnet"}, {name = "iis_common", component = "iis_common"}, {name = "iis_www", component = "iis_www"}})
  local plan = feature.plan_remove "IIS"
  lu.assertEquals(plan.args, {"/i:" .. plan.file:match "^(.*)\\" .. [[\inf\sysoc.inf]], "/u:" .. plan.file, "/q", "/r"})
  lu.assertEquals(plan.text, "[Components]\r\naspnet = Off\r\niis_common = Off\r\niis_www = Off\r\n")
  lu.assertEquals(feature.plan_remove("IIS_WWW").features, {"iis_www"})
  lu.assertNil(feature.plan_remove "iis_ftp")
  lu.assertNil(feature.plan_remove "games")
end

function Plans:test_bad_input()
  install(COMPONENTS, {Unheard = 1})
  local function bad(target, f, ...)
    local _, problem = failure(f, ...)
    lu.assertEquals({problem.code, problem.target}, {87, target})
  end
  bad("name", win.feature.plan_remove, "Unheard")
  bad("name", win.feature.plan_remove, "")
  bad("name", win.feature.plan_remove, 5)
  bad("arguments", win.feature.plan_remove)
  bad("arguments", win.feature.list, 1)
  local core = fakecore.open()
  bad("name", core.call, "feature.remove", 5)
  bad("timout", core.call, "feature.remove", "IIS", {timout = 1})
  bad("timeout", core.call, "feature.remove", "IIS", {timeout = -1})
  bad("arguments", core.call, "feature.remove")
end

-- ---- Removing ----

local Remove = case.suite "Remove"

-- What Windows' program for it does.
local function setup(name, values)
  local native = WINDOWS .. "\\sysnative" -- how a 32-bit program sees the System32 that p80 takes programs from
  local path = (lfs.attributes(native) and native or WINDOWS .. "\\system32") .. "\\" .. name
  case.reg {"add", [[HKCU\Software\Wine\DllOverrides]], "/v", name, "/d", "native", "/f"} -- or Wine runs its own stub
  local before = lfs.attributes(path) and case.read(path)
  os.remove(path) -- the prefix is made of hard links
  case.write(path, case.read(test.bin .. "fake-setup.exe"))
  case.later(function()
    os.remove(path)
    if before then case.write(path, before) end
  end)
  make_key(SETUP)
  for key, value in pairs(values) do win.reg.set(SETUP, key, value, {type = math.type(value) and "dword" or "sz"}) end
end

local CLEARS = {removes = "W3SVC", from = COMPONENTS:sub(6)}

function Remove:test_removes_once()
  install(COMPONENTS, {W3SVC = 1})
  setup("dism.exe", CLEARS)
  local core = fakecore.open {options = {allow = {"process.run:*\\dism.exe"}}}
  lu.assertEquals({core.call("feature.remove", "IIS-WebServer"), core.call("feature.remove", "IIS-WebServer")}, {true, false})
  lu.assertStrContains((win.reg.get(SETUP, "line")), "/online /disable-feature /quiet /norestart /featurename:IIS-WebServer")
  local changes = core.gate.changes()
  lu.assertEquals({#changes, changes[1].kind, changes[1].undoable}, {1, "process.run", false})
  local _, _, exit = core.finish()
  lu.assertEquals(exit, 0)
end

function Remove:test_a_restart_is_needed()
  install(COMPONENTS, {W3SVC = 1})
  setup("dism.exe", {exit = 3010 % 256}) -- Wine keeps 8 bits of an exit code
  local core = fakecore.open()
  core.open "feature.remove"
  local run = core.run
  core.run = function(options)
    local result = run(options)
    result.code = 3010
    return result
  end
  lu.assertTrue(core.call("feature.remove", "IIS"))
  local _, _, exit = core.finish()
  lu.assertEquals(exit, 3010)
end

function Remove:test_failures()
  install(COMPONENTS, {W3SVC = 1})
  setup("dism.exe", {exit = 87})
  local function fails(code, options)
    local _, problem = failure(fakecore.open({options = options}).call, "feature.remove", "IIS")
    lu.assertEquals({problem.code, problem.op}, {code, "feature.remove"})
    return problem
  end
  lu.assertStrContains(fails(87).message, "dism.exe ended with exit code 87 (0x57). The operation says something.")
  win.reg.set(SETUP, "exit", 0, {type = "dword"})
  fails(NOT_TAKEN)
  win.reg.delete(SETUP, "line")
  fails(REFUSED, {allow = {"process.run:C:\\dism.exe"}})
  lu.assertNil((win.reg.get(SETUP, "line")))
end

function Remove:test_check_runs_nothing()
  install(COMPONENTS, {W3SVC = 1})
  setup("dism.exe", CLEARS)
  local core = fakecore.open {options = {check = true}}
  lu.assertEquals({core.call("feature.remove", "IIS"), core.call("feature.remove", "IIS")}, {true, false})
  lu.assertNil((win.reg.get(SETUP, "line")))
  lu.assertNotNil(win.feature.plan_remove "IIS")
  lu.assertEquals({core.call "feature.list", core.call("feature.plan_remove", "IIS")}, {{}})
end

function Remove:test_check_lists_what_would_be_left()
  install(COMPONENTS, {W3SVC = 1, ASP = 1})
  local core = fakecore.open {options = {check = true}}
  lu.assertEquals({core.call("feature.remove", "IIS-ASP"), core.call("feature.remove", "asp")}, {true, false})
  lu.assertEquals(core.call "feature.list", {{name = "IIS-WebServer", component = "W3SVC"}})
  lu.assertNil(core.call("feature.plan_remove", "ASP"))
  lu.assertNotNil(core.call("feature.plan_remove", "IIS"))
end

-- Windows Server 2003: the answer file is there while the program runs, and not any more after.
function Remove:test_the_answer_file()
  install(SUBCOMPONENTS, {iis_www = 1})
  setup("sysocmgr.exe", {removes = "iis_www", from = SUBCOMPONENTS:sub(6)})
  local old = setmetatable({feature = on(5, 2)}, {__index = win})
  local core = fakecore.open {win = old}
  lu.assertTrue(core.call("feature.remove", "IIS"))
  lu.assertEquals((win.reg.get(SETUP, "answers")), "[Components]\r\niis_www = Off\r\n")
  lu.assertNil(lfs.attributes(WINDOWS .. "\\p80-feature.txt"))
  lu.assertFalse(core.call("feature.remove", "IIS"))
end
