-- build: shim
-- arch: x64
-- Every playbook in examples/ runs: with --check it changes nothing; then for real. What Wine lacks is the shims'
-- (configuration of HTTP.SYS) and the fakes' (IIS); without their variables the shim build is p80 itself.
local lu = require "luaunit"
local case = require "case"
local fakecom = require "fakecom"

local HTTP = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP]]
local FOLDER = test.folder:match "^(.*)[/\\]" .. "/examples/"

local T = case.suite "Examples"

local tested = {}

-- Runs examples/NAME.lua with these words -> result; `env` as in case.p80.
local function run(name, words, env)
  tested[name .. ".lua"] = true
  local call = {env = env, "--json", FOLDER .. name .. ".lua"}
  for _, word in ipairs(words or {}) do call[#call + 1] = word end
  return case.p80(call)
end

local function with_check(words)
  local list = {"--check"}
  return table.move(words or {}, 1, #(words or {}), 2, list)
end

-- Checks one that changes things: planned, done, done again to no effect, taken back. Returns the result of doing it.
local function changes(name, words, snapshot, env)
  local before = snapshot()
  local planned = case.exits(run(name, with_check(words), env), 3).json
  lu.assertTrue(planned.changed > 0)
  lu.assertEquals(snapshot(), before)
  local done = run(name, words, env)
  lu.assertFalse(done.json.failed, case.describe(done))
  lu.assertEquals(done.json.changed, planned.changed)
  lu.assertNotEquals(snapshot(), before)
  lu.assertEquals(run(name, words, env).json.changed, 0)
  case.exits(case.p80 {"undo", env = env}, 0)
  lu.assertEquals(snapshot(), before)
  return done
end

-- ---- Those that only look ----

function T:test_who_is_on_port_80()
  lu.assertStrContains(case.exits(run "who-is-on-port-80", 0).stderr, "port 80 is free")
  case.service {name = "Web", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  local result = case.exits(run("who-is-on-port-80", {"--check"}), 0)
  lu.assertStrContains(result.stderr, "service Web in ")
  lu.assertEquals(result.json.result.holders[1].kind, "http")
end

function T:test_http_state()
  case.service {name = "Web", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  local env = {P80_SHIM_HTTP_CONFIG = "1"}
  case.exits(case.p80 {"--allow", "http.*", "-e", [[win.http.iplisten.add "127.0.0.1" win.http.urlacl.add("http://+:80/x/", {sddl = "D:(A;;GX;;;WD)"})]], env = env}, 0)
  for _, words in ipairs {{}, {"--check"}} do
    local result = case.exits(run("http-state", words, env), 0)
    for _, text in ipairs {"The HTTP service is running", "listens on 127.0.0.1", "holder.exe", "Web", "http://+:80/x/"} do
      lu.assertStrContains(result.stderr, text)
    end
    lu.assertEquals(result.json.changed, 0)
  end
  case.exits(case.p80 {"undo", env = env}, 0)
end

function T:test_check_port()
  local result = case.exits(run("check-port", {"--port", "8080", "--check"}), 0)
  lu.assertStrContains(result.stderr, "port 8080 is free")
  case.holder {"--tcp", "8080"}
  case.holder {"--tcp", "8082"}
  result = case.exits(run("check-port", {"--port", "8080", "--suggest", "3"}), 1)
  lu.assertStrContains(result.stderr, "holder.exe")
  lu.assertEquals(result.json.result.suggestions, {8081, 8083, 8084})
  lu.assertStrContains(case.exits(run("check-port", {"--port", "50000"}), 0).stderr, "outgoing connections")
end

function T:test_document_bindings()
  fakecom.register("apphost", "fake-iis")
  fakecom.write("sites\\1", {Name = {"sz", "Main"}, Id = {"dword", 1}, AutoStart = {"dword", 1}, State = {"dword", 1},
    Bindings = {"multi_sz", {"http|*:80:|0"}}})
  case.later(fakecom.clear)
  case.later(function() fakecom.register "apphost" end)
  case.service {name = "Web", args = {"--http", "http://+:80/"}}
  case.holder {"--tcp", "8090"}
  case.wait_http(80)
  local path = case.path "bindings.md"
  case.exits(run("document-bindings", {"--output", path, "--check"}), 3)
  lu.assertNil(lfs.attributes(path))
  case.exits(run("document-bindings", {"--output", path}), 0)
  local text = case.read(path)
  for _, line in ipairs {"\n| 80 | 0.0.0.0 | the kernel |", "\n| 8090 | 0.0.0.0 | ", "holder.exe (Web) |", "\n| Main | http | *:80: |",
    "## UDP listeners", "## Certificates", "## Reserved URLs"} do
    lu.assertStrContains(text, line)
  end
  lu.assertStrContains(case.exits(case.p80 {FOLDER .. "document-bindings.lua"}, 0).stdout, "# Bindings of ")
end

function T:test_monitor_port()
  case.exits(run("monitor-port", {"--seconds", "0", "--check"}), 0)
  local process = test.start(case.command {"--json", FOLDER .. "monitor-port.lua", "--port", "8070", "--seconds", "6"})
  case.later(function() process:close() end)
  test.sleep(1.5)
  local holder = case.holder {"--tcp", "8070"}
  test.sleep(1.5)
  holder:kill()
  local result = process:wait(20)
  lu.assertEquals(result.code, 0, result.stderr)
  lu.assertStrMatches(result.stderr:gsub("[\r\n]+", " "), ".*taken by .*holder%.exe.*let go by .*")
end

function T:test_third_party_drivers()
  local result = case.exits(run("third-party-drivers", {"--check", "--all"}), 0)
  local function names(rows)
    local list = {}
    for i, row in ipairs(rows) do list[i] = row.name end
    return list
  end
  lu.assertEquals(names(result.json.result), names(win.driver.third_party()))
  lu.assertStrContains(result.stderr, "it is not signed")
  case.exits(run "third-party-drivers", 0)
end

-- ---- Those that change something ----

function T:test_delete_listen_address()
  local env = {P80_SHIM_HTTP_CONFIG = "1"}
  case.holder {"--http", "http://+:80/"}
  case.exits(case.p80 {"--allow", "http.*", "-e", [[win.http.iplisten.add "10.0.0.1" win.http.iplisten.add "10.0.0.2"]], env = env}, 0)
  case.later(function() win.reg.delete(HTTP .. "\\Parameters", "ListenOnlyList") end)
  local function list() -- without their order
    local addresses = win.reg.get(HTTP .. "\\Parameters", "ListenOnlyList")
    table.sort(addresses)
    return addresses
  end
  local done = changes("delete-listen-address", {"--address", "10.0.0.1"}, list, env)
  lu.assertStrContains(done.stderr, "HTTP.SYS listens on 10.0.0.2")
  lu.assertStrContains(run("delete-listen-address", {"--address", "0.0.0.0"}, env).stderr, "was not in the list")
  case.exits(case.p80 {"undo", env = env}, 0)
end

function T:test_disable_http()
  local function start() return {win.scm.get("HTTP").start, win.reg.get(HTTP, "Start")} end
  changes("disable-http", {}, start)
  local done = changes("disable-http", {"--by", "registry"}, function() return win.reg.get(HTTP, "Start") end)
  lu.assertEquals({done.code, done.json.restart_needed}, {3010, true})
end

function T:test_urlaclinfo_myth()
  case.service {name = "Web", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  local function parameters() return {win.reg.exists(HTTP .. "\\Parameters") and win.reg.tree(HTTP .. "\\Parameters")} end
  local done = changes("urlaclinfo-myth", {}, parameters)
  lu.assertStrContains(done.stderr, "port 80: taken, before taken")
  lu.assertStrContains(done.stderr, "reservations, before 0")
end

local function iis(register)
  fakecom.register(register, "fake-iis")
  case.later(function()
    fakecom.clear()
    fakecom.register(register)
  end)
end

function T:test_move_iis()
  lu.assertStrContains(case.exits(run "move-iis", 0).stderr, "there is no IIS here")
  iis "apphost"
  local kept = {"https|*:443:|0", "net.tcp|808:*|0"}
  fakecom.write("sites\\1", {Name = {"sz", "Main"}, Id = {"dword", 1}, AutoStart = {"dword", 1}, State = {"dword", 1},
    Bindings = {"multi_sz", {"http|*:80:|0", kept[1], "http|[::1]:80:www.example.com|0", kept[2]}}})
  local done = changes("move-iis", {}, function() return fakecom.read("sites\\1", "Bindings") end)
  lu.assertStrContains(done.stderr, "2 bindings moved")
  case.exits(run("move-iis", {"--to", "8088"}), 0)
  lu.assertEquals(fakecom.read("sites\\1", "Bindings"), {"http|*:8088:|0", kept[1], "http|[::1]:8088:www.example.com|0", kept[2]})
end

function T:test_disable_was()
  lu.assertStrContains(case.exits(run "disable-was", 0).stderr, "there is no WAS here")
  test.setenv("P80_SHIM_SCM", "1")
  case.later(function() test.setenv("P80_SHIM_SCM", nil) end)
  case.service {name = "WAS", start = "auto", args = {"--tcp", "8091"}}
  case.service {name = "W3SVC", args = {"--tcp", "8092"}, dependencies = {"WAS"}}
  local function states() return {win.scm.get("WAS").state, win.scm.get("WAS").start, win.scm.get("W3SVC").state} end
  local done = changes("disable-was", {}, states, {P80_SHIM_SCM = "1"})
  lu.assertEquals(done.json.changed, 3)
  lu.assertStrContains(done.stderr, "These need it: W3SVC")
end

local COMPONENTS = [[HKLM\SOFTWARE\Microsoft\InetStp\Components]]
local SETUP = [[HKLM\SYSTEM\p80-test\setup]]

-- Puts fixtures/fake-setup.c in the place of dism.exe.
local function fake_dism()
  local path = os.getenv "SystemRoot" .. "\\system32\\dism.exe"
  case.reg {"add", [[HKCU\Software\Wine\DllOverrides]], "/v", "dism.exe", "/d", "native", "/f"} -- or Wine runs its own stub
  local before = lfs.attributes(path) and case.read(path)
  os.remove(path) -- the prefix is made of hard links
  case.write(path, case.read(test.bin .. "fake-setup.exe"))
  case.later(function()
    os.remove(path)
    if before then case.write(path, before) end
  end)
end

function T:test_uninstall_iis()
  lu.assertStrContains(case.exits(run "uninstall-iis", 0).stderr, "IIS is not installed")
  fake_dism()
  for _, key in ipairs {COMPONENTS, SETUP} do
    case.reg {"add", key}
    case.later(function() case.reg {"delete", key, "/f"} end)
  end
  win.reg.set(COMPONENTS, "W3SVC", 1, {type = "dword"})
  win.reg.set(SETUP, "removes", "W3SVC", {type = "sz"})
  win.reg.set(SETUP, "from", COMPONENTS:sub(6), {type = "sz"})
  local said = case.exits(run "uninstall-iis", 0)
  lu.assertStrContains(said.stderr, "installed: IIS-WebServer")
  lu.assertStrContains(said.stderr, "--yes runs: dism.exe /online /disable-feature")
  case.exits(run("uninstall-iis", {"--yes", "--check"}), 3)
  lu.assertNil((win.reg.get(SETUP, "line")))
  local done = case.exits(run("uninstall-iis", {"--yes"}), 0)
  lu.assertStrContains((win.reg.get(SETUP, "line")), "/featurename:IIS-WebServerRole")
  lu.assertEquals(done.json.changed, 1)
  lu.assertEquals(case.exits(run("uninstall-iis", {"--yes"}), 0).json.changed, 0)
end

-- ---- All of them ----

function T:test_zz_every_example_has_its_test()
  for name in lfs.dir(FOLDER) do
    if name:find "%.lua$" then lu.assertTrue(tested[name], name) end
  end
end
