-- build: shim
-- Attacks on grants for files and programs by what a path may look like. Each playbook has a grant for one folder, and
-- tries to write beside it.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Paths"

local setUp = T.setUp
function T:setUp()
  setUp()
  for _, name in ipairs {"safe", "safe\\inside", "safe by name", "outside"} do assert(lfs.mkdir(case.path(name))) end
  case.write("outside\\victim.txt", "before")
end

local function fill(text) return (text:gsub("@", case.folder)) end

-- What there is in a folder and below, with what is in it.
local function look(folder, found)
  found = found or {}
  for name in lfs.dir(folder) do
    local path = folder .. "\\" .. name
    if name ~= "." and name ~= ".." then
      local is_folder = lfs.attributes(path, "mode") == "directory"
      found[path] = is_folder and "folder" or case.read(path)
      if is_folder then look(path, found) end
    end
  end
  return found
end

-- Runs Lua code with `grant`; nothing may have changed outside of safe. Returns the result.
local function attack(code, grant, env, switch)
  local before = look(case.path "outside")
  local result = case.p80 {cwd = case.path "safe", env = env, "--allow", fill(grant or "file.write:@\\safe\\*"), switch or "--quiet", "-e", fill(code)}
  lu.assertEquals(look(case.path "outside"), before, code)
  return result
end

local function refused(code, ...)
  local result = attack(code, ...)
  lu.assertEquals(result.code, 4, code .. "\n" .. case.describe(result))
  lu.assertStrContains(result.stderr, "P80_REFUSED", false, code)
  return result
end

-- Every function that changes a file or folder, given `path`, which leads outside. They are all tried in one run: each
-- must be refused by itself.
local TRY = [==[
  local path, inside = %s, [[@\safe\inside\x]]
  local tries = {
    function() return io.open(path, "w") end, function() return io.open(path, "a") end, function() return io.open(path, "r+b") end,
    function() io.output(path) end, function() return os.remove(path) end, function() return os.rename(path, inside) end,
    function() return os.rename(inside, path) end, function() return lfs.mkdir(path) end, function() return lfs.rmdir(path) end,
    function() return lfs.touch(path) end, function() return lfs.link(path, inside) end, function() return lfs.link(inside, path) end,
    function() return lfs.lock_dir(path) end, function() return win.file.write(path, "x") end, function() return win.file.delete(path) end,
  }
  for i, try in ipairs(tries) do
    local ok, e = pcall(try)
    if ok and e ~= false or not ok and e.name ~= "P80_REFUSED" then print(i, ok, e) end
  end ]==]

local function all_refused(path, expected, ...)
  local result = attack(TRY:format("[[" .. path .. "]]"), ...)
  case.exits(result, 0)
  lu.assertEquals(result.stdout:gsub("\r", ""), expected or "", path)
end

function T:test_paths_that_lead_out()
  for _, path in ipairs {
    [[@\outside\victim.txt]], [[..\outside\victim.txt]], [[@\safe\..\outside\victim.txt]], [[@/safe/../outside/victim.txt]],
    [[@\safe\inside\..\..\outside\victim.txt]], [[@\safe\.\..\outside\victim.txt]], [[@\SAFE\..\OUTSIDE\VICTIM.TXT]],
    [[\\?\@\outside\victim.txt]], [[\\?\@\safe\..\outside\victim.txt]], [[@\safe\...\..\..\outside\victim.txt]],
    [[@\outside\victim.txt.]], [[@\outside\victim.txt ]], [[@\outside\victim.txt::$DATA]], [[@\outside\victim.txt:stream]],
    [[@\safe *\..\outside\victim.txt]], [[@\safebutnot\x]],
  } do
    if not path:find ":[%$s]" then all_refused(path) end
    refused(("io.open([[%s]], 'w')"):format(path))
  end
end

function T:test_devices_need_a_grant_that_names_them()
  for _, path in ipairs {
    [[\\.\PhysicalDrive0]], [[\\.\C:]], [[\\.\@\outside\victim.txt]], [[COM1]], [[@\safe\COM1]], [[@\safe\con.txt]], [[aux:]], [[LPT9.log]],
    [[\\.\pipe\x]], [[\\?\GLOBALROOT\Device\Harddisk0\Partition1\x]], [[\\?\Volume{00000000-0000-0000-0000-000000000000}\x]],
    [[CONOUT$]], [[\\.\GLOBALROOT\??\@\outside\victim.txt]],
  } do
    refused(("io.open([[%s]], 'w')"):format(path))
    refused(("io.open([[%s]], 'w')"):format(path), "file.write")
    lu.assertNotEquals(attack(("win.file.write([[%s]], 'x')"):format(path), "*").code, 0, path)
  end
  case.exits(attack([[print(io.open("\\\\.\\pipe\\none", "w"))]], [[file.write:\\.\pipe\*]]), 0)
  case.exits(attack("io.open('NUL', 'w'):write 'x'"), 0)
end

function T:test_streams_need_the_grant_of_their_file()
  refused("io.open([[@\\safe\\inside:stream]], 'w')", "file.write:@\\safe\\*:stream")
  for _, path in ipairs {[[@\safe\inside::$INDEX_ALLOCATION\x]], [[@\safe:stream\x]], [[\??\@\outside\victim.txt]]} do
    local result = attack(("io.open([[%s]], 'w')"):format(path), "*")
    lu.assertEquals(result.code, 1, case.describe(result))
    lu.assertStrContains(result.stderr, "only the last name may have a stream")
  end
  local result = attack("win.file.write([[@\\safe\\x:stream]], 'x')", "*")
  lu.assertStrContains(case.exits(result, 1).stderr, "io.open writes the streams")
  case.exits(attack("io.open([[@\\safe\\x:stream]], 'w'):close()", "file.write:@\\safe\\*"), 0)
end

function T:test_short_names_and_case_are_the_same_file()
  local listed = test.spawn {path = "C:\\windows\\system32\\cmd.exe", args = {"/c", "dir", "/x", case.folder}}
  local short = case.path(listed.stdout:match "(%S+)%s+safe by name") .. "\\x"
  lu.assertStrContains(short, "~", false, listed.stdout)
  case.exits(attack(("io.open([[%s]], 'w'):close()"):format(short), "file.write:@\\safe by name\\*"), 0)
  refused(("io.open([[%s]], 'w')"):format(short), "file.write:" .. short)
  case.exits(attack("io.open([[@\\SAFE\\INSIDE\\Ä]], 'w'):close()", "file.write:@\\safe\\inside\\ä"), 0)
  refused("io.open([[@\\safe\\x\\y%]], 'w')", "file.write:@\\safe\\%a\\*")
  refused("io.open([[@\\safe\\[xyz] ]], 'w')", "file.write:@\\safe\\[x-z]*y")
end

function T:test_a_junction_is_judged_by_where_it_leads()
  local env = {P80_SHIM_LINK = fill "@\\safe\\inside=@\\outside"}
  for _, path in ipairs {[[@\safe\inside\victim.txt]], [[inside\new.txt]], [[@\safe\inside\new\x]], [[@\safe\inside\..\inside\victim.txt]],
    [[\\?\@\safe\inside\victim.txt]]} do
    all_refused(path, nil, nil, env)
    lu.assertStrContains(refused(("io.open([[%s]], 'w')"):format(path), nil, env).stderr, case.path "outside\\")
  end
  case.exits(case.p80 {env = env, "--allow", fill "file.write:@\\outside\\new.txt", "-e", fill "io.open([[@\\safe\\inside\\new.txt]], 'w'):close()"}, 0)
  lu.assertEquals(case.files(case.path "outside"), {"new.txt", "victim.txt"}) -- opened by where it leads
  case.write("safe\\inside\\tool.exe", "MZ")
  refused("win.process.run {program = [[@\\safe\\inside\\tool.exe]], timeout = 1}", "process.run:@\\safe\\*", env)
end

function T:test_the_same_on_windows_server_2003()
  local env = {P80_SHIM_NT52 = "1"}
  for _, path in ipairs {[[@\safe\..\outside\victim.txt]], [[..\outside\victim.txt]], [[\\?\@\outside\victim.txt]]} do all_refused(path, nil, nil, env) end
  case.exits(attack("io.open([[@\\safe\\inside\\new]], 'w'):close()", nil, env), 0)
end

function T:test_links_and_locks_need_more_than_paths()
  refused("lfs.link([[@\\outside]], [[@\\safe\\link]], true)")
  refused("lfs.link([[@\\outside\\victim.txt]], [[@\\safe\\link]])")
  refused("lfs.lock(io.open([[@\\outside\\victim.txt]]), 'r')")
  refused("lfs.lock_dir([[@\\outside]])")
  refused("os.tmpname()")
  refused("io.tmpfile()")
  lu.assertNil(lfs.attributes(case.path "safe\\link"))
  case.exits(attack("local lock = assert(lfs.lock_dir([[@\\safe\\inside]])) lock:free()"), 0)
end

function T:test_modes_and_handles()
  for _, mode in ipairs {"w", "a", "r+", "w+", "a+", "rb+", "wb", "r+b"} do refused(("io.open([[@\\outside\\victim.txt]], '%s')"):format(mode)) end
  for _, code in ipairs {
    "io.open([[@\\outside\\victim.txt]], 'r\\0w')", "io.open([[@\\outside\\victim.txt]], 'r'):write 'x'", "io.open([[@\\outside\\victim.txt]], 'rw')",
    "io.input([[@\\outside\\victim.txt]]) io.input():write 'x'", "for _ in io.lines([[@\\outside\\victim.txt]]) do end",
    "lfs.setmode(io.open([[@\\outside\\victim.txt]]), 'binary')", "getmetatable(io.stdout).__index.write(io.open([[@\\outside\\victim.txt]]), 'x')",
    "io.open([[@\\safe\\x]] .. '\\0' .. [[..\\..\\outside\\victim.txt]], 'w')", "package.loaded.io.open([[@\\safe\\x]], 'w'):write 'x'",
  } do
    lu.assertTrue(attack(code).code <= 2, code)
  end
end

function T:test_programs()
  local here = fill "process.run:@\\safe\\*"
  for _, program in ipairs {
    [[cmd.exe]], [[C:\windows\system32\cmd.exe]], [[@\safe\..\..\windows\system32\cmd.exe]],
    [[C:\windows\system32\..\system32\cmd.exe]], [[C:/windows/system32/cmd.exe]],
  } do
    refused(("win.process.run {program = [[%s]], args = {'/c', 'echo', 'x', '>', [[@\\outside\\victim.txt]]}}"):format(program), here)
  end
  lu.assertEquals(attack([==[win.process.run {program = [[\\?\C:\windows\system32\cmd.exe]], args = {"/c", "del", [[@\outside\*]]}}]==], here).code, 1)
  for _, code in ipairs {"os.execute [[del /q @\\outside\\*]]", "io.popen [[del /q @\\outside\\*]]", "io.popen([[del /q @\\outside\\*]], 'w')"} do
    refused(code, here)
    refused(code, "process.run:*del*")
    refused(code, "file.write")
  end
end

-- ---- What is p80's own ----

local HOME <const> = os.getenv "ProgramData" .. "\\p80"

-- Everything that writes where `path` says, with all grants; each must be refused, and p80's folder stay as it is.
local OWN = TRY:gsub("local tries = {", [==[local tries = {
    function() win.reg.save([[HKCU\Software]], path) end, function() win.reg.load([[HKLM\p80-own]], path) end,
    function() win.reg.restore([[HKCU\Software\Wine]], path) end, function() require "log".file(path) end,
    function() win.http.parameters.set("ErrorLoggingDir", path) end, function() lfs.link([[@\safe]], path, true) end,
]==]):gsub("e.name ~= \"P80_REFUSED\"", "not (e.name == \"P80_REFUSED\" and e.message:find \"p80's own folder\")")

local function own_refused(path, env, state, tries)
  local home = state or HOME
  local before = look(home)
  local result = case.p80 {cwd = case.path "safe", env = env, state = state or false, "--allow", "*", "--allow", [[file.write:\\*]], "--quiet", "-e",
    fill(((tries or OWN):gsub("%%s", function() return "[[" .. path .. "]]" end)))}
  lu.assertEquals(look(home), before, path)
  case.exits(result, 0)
  lu.assertEquals(result.stdout:gsub("\r", ""), "", path)
end

-- The same for a folder above, in which all else may be written.
local ABOVE = OWN:gsub("local tries = {.-\n  }\n", [==[local tries = {
    function() return os.remove(path) end, function() return os.rename(path, path .. "x") end, function() return lfs.rmdir(path) end,
    function() return lfs.link(path, inside) end, function() return lfs.touch(path) end, function() return win.file.delete(path) end,
    function() return io.open(path .. ":stream", "w") end,
  }
]==])
local function above_refused(path, state) own_refused(path, nil, state, ABOVE) end

local function short_name(folder, name)
  local listed = test.spawn {path = "C:\\windows\\system32\\cmd.exe", args = {"/c", "dir", "/x", folder}}.stdout
  return assert(listed:match("(%S+~%S+)%s+" .. name), listed)
end

function T:test_p80s_own_folder_is_for_no_script_whatever_its_name()
  case.exits(case.p80 {state = false, "policy", "init"}, 0)
  case.later(function() os.remove(HOME .. "\\policy.json") end)
  local below = HOME:sub(3) .. "\\policy.json" -- behind C:
  for _, path in ipairs {
    HOME .. "\\policy.json", HOME:upper() .. "\\POLICY.json", HOME .. "\\new.json", HOME .. "\\runs\\000001.jsonl", HOME .. "\\lock",
    HOME .. "\\playbooks\\acme\\acme.lua", HOME, "C:" .. below:gsub("\\", "/"), [[\\?\C:]] .. below, [[\\.\C:]] .. below,
    "..\\.." .. below, "..\\..\\safe\\..\\" .. below, "C:" .. below .. ".", "C:" .. below:gsub("p80", "p80. "), HOME .. "\\.\\x\\..\\policy.json ",
    ("C:\\%s\\p80\\policy.json"):format(short_name("C:\\", "ProgramData")), ("C:\\%s\\p80"):format(short_name("C:\\", "ProgramData")),
  } do own_refused(path) end
  own_refused([[@\safe\inside\policy.json]], {P80_SHIM_LINK = fill "@\\safe\\inside=" .. HOME})
  for _, path in ipairs {HOME .. "\\policy.json:x", HOME .. "\\policy.json::$DATA", HOME .. ":x"} do
    local result = case.p80 {state = false, "--allow", "*", "-e", ("io.open([[%s]], 'w')"):format(path)}
    lu.assertStrContains(case.exits(result, 4).stderr, "p80's own folder", false, path)
    lu.assertNotStrContains(result.stderr, "--allow")
  end
end

-- The name leads elsewhere and nothing but the folder itself tells: a drive that begins in one above.
function T:test_p80s_own_folder_through_another_drive()
  local drive = os.getenv "WINEPREFIX" and "Z:" .. os.getenv "WINEPREFIX":gsub("/", "\\") .. "\\drive_c"
  if not drive or not lfs.attributes(drive .. HOME:sub(3)) then return lu.skip "needs a second name of drive C:" end
  own_refused(drive .. HOME:sub(3) .. "\\policy.json")
  own_refused(drive .. HOME:sub(3))
  above_refused(drive .. "\\ProgramData")
  above_refused "C:\\programdata\\"
end

function T:test_the_runs_of_a_state_folder_of_ones_own()
  case.exits(case.p80 {"--allow", "*", "-e", "win.reg.set([[HKCU\\Software\\Wine]], 'x', 1) win.reg.delete([[HKCU\\Software\\Wine]], 'x')"}, 0)
  above_refused(case.state, case.state)
  for _, name in ipairs {"\\runs", "\\runs\\000001.jsonl", "\\RUNS\\new", "\\lock"} do own_refused(case.state .. name, nil, case.state) end
  case.exits(case.p80 {"--allow", "*", "-e", ("io.open([[%s\\results.txt]], 'w'):close()"):format(case.state)}, 0)
end

function T:test_commands_may_write_there()
  case.exits(case.p80 {state = false, "policy", "init"}, 0)
  case.exits(case.p80 {state = false, "undo"}, 0)
  lu.assertNil(lfs.attributes(HOME .. "\\policy.json"))
end

function T:test_the_model_and_check_change_nothing_either()
  local code = "io.open([[@\\outside\\victim.txt]], 'w') os.remove [[@\\outside\\victim.txt]] lfs.mkdir [[@\\outside\\new]] "
    .. "os.rename([[@\\outside\\victim.txt]], [[@\\outside\\x]]) win.file.write([[@\\outside\\victim.txt]], 'x') lfs.lock_dir [[@\\outside]] "
    .. "os.execute [[del /q @\\outside\\*]] io.popen([[del /q @\\outside\\*]]):close() lfs.touch [[@\\outside\\victim.txt]]"
  case.exits(attack(code, "*", nil, "--check"), 3)
end
