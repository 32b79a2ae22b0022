-- build: shim
-- p80 on Windows Server 2003, as far as a shim can pretend it (tests/shims/old_windows.c): without the functions, levels,
-- classes and rights that came later it lists, finds, frees and takes back the same; what needs more says so.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Nt52"

local OLD = {P80_SHIM_NT52 = "1", P80_SHIM_TCP_OWNER = "1"}
local NOW = {P80_SHIM_TCP_OWNER = "1"}

local function p80(words)
  words.env = words.env or OLD
  return case.p80(words)
end

local function report(code, env, ...)
  local result = case.script("local p80 = require 'p80' " .. code, {"--json", env = env, ...})
  case.exits(result, 0)
  return result.json.result
end

function T:test_the_version_and_the_host()
  local info = report("p80.report(win.host.info())", OLD)
  lu.assertEquals({info.version.major, info.version.minor, info.version.build, info.version.server}, {5, 2, 3790, true})
  lu.assertStrContains(info.version.text, "Windows Server 2003 Service Pack 1 (5.2.3790)")
  lu.assertIsString(info.edition)
  lu.assertTrue(info.elevated)
end

-- The same reads with and without: what is not volatile must be the same but for what 2003 does not have.
local READS = [==[
  local service = win.scm.get "Old"
  local process = win.process.get(service.pid)
  local rows = win.tcp.listeners(80)
  p80.report {
    service = service, process = process, rows = rows, probe = win.tcp.probe(80), free = win.tcp.probe(8099),
    services = win.process.services(service.pid), holders = (win.http.holders()), state = win.http.state(),
    listed = (function() for _, row in ipairs(win.scm.list()) do if row.name == "Old" then return row end end end)(),
    values = win.reg.values [[HKLM\SYSTEM\CurrentControlSet\Services\Old]], missing = win.reg.get([[HKLM\SOFTWARE\none]], "x"),
    iplisten = (win.http.iplisten.list()), urlacl = (win.http.urlacl.list()),
    count = #win.process.list() > 3 and #win.tcp.list() > 0 and #win.scm.list {type = "driver"} > 0,
  } ]==]

function T:test_every_read_tells_the_same()
  case.service {name = "Old", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  local now, old = report(READS, NOW), report(READS, OLD)
  lu.assertStrContains(old.process.path, "holder.exe") -- by another function, with another right
  lu.assertNil(old.service.delayed)
  now.service.delayed = nil
  lu.assertEquals(old, now)
end

local function story(words, holders)
  local planned = case.exits(p80 {"free80.lua", "--check", table.unpack(words)}, 3)
  lu.assertStrContains(planned.stdout, holders)
  local done = case.exits(p80 {"free80.lua", table.unpack(words)}, 0)
  lu.assertStrContains(done.stdout, "IPv4 free, IPv6 free")
  lu.assertEquals(case.bind(80), "ok")
  lu.assertEquals(case.exits(p80 {"--json", "free80.lua"}, 0).json.changed, 0)
end

function T:test_free80_with_a_service_behind_http_sys()
  case.service {name = "Old", start = "auto", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  story({"--persist"}, "service Old in ")
  lu.assertEquals(win.scm.get("Old").start, "demand")
  case.exits(p80 {"undo"}, 0)
  lu.assertEquals({win.scm.get("Old").start, win.scm.get("Old").state}, {"auto", "running"})
  case.wait_http(80)
end

-- A socket of a service in one family, HTTP.SYS for a program in the other: the one is stopped, and HTTP with what needs it.
function T:test_free80_with_a_socket_of_a_service_and_http_with_a_dependent()
  case.shim("SCM", "1") -- of p80, too, and of what this test reads
  case.shim("TCP_OWNER", "1")
  case.service {name = "Six", args = {"--tcp", "80", "--family", "6"}}
  case.service {name = "WebLog", args = {"--tcp", "8101"}, dependencies = {"HTTP"}}
  case.holder {"--http", "http://+:80/"}
  case.wait_http(80)
  case.wait_held(80, 6)
  local function states() return {win.scm.get("Six").state, win.scm.get("WebLog").state, win.scm.get("HTTP").state} end
  story({"--up-to", "stop"}, "service Six in ")
  lu.assertEquals(states(), {"stopped", "stopped", "stopped"})
  case.exits(p80 {"undo"}, 0)
  lu.assertEquals(states(), {"running", "running", "running"})
end

function T:test_free80_with_a_program()
  case.holder {"--tcp", "80"}
  story({"--kill"}, "holder.exe")
end

-- A service that ignores stop is named, although p80 may not look at its process.
function T:test_a_service_that_does_not_stop()
  case.service {name = "Stuck", args = {"--tcp", "80", "--ignore-stop"}}
  case.wait_held(80)
  local _, pid = test.service_state "Stuck"
  local result = case.exits(p80 {"free80.lua", "--timeout", "1"}, 6)
  lu.assertStrContains(result.stderr, "Stuck")
  lu.assertStrContains(result.stderr, tostring(pid))
end

-- Windows Server 2003 without IPv6, as it was installed: neither sockets nor a table of that family.
function T:test_free80_without_ipv6()
  case.service {name = "Old", args = {"--tcp", "80"}}
  case.wait_held(80)
  local wishes = {}
  for n = 2, 40, 2 do wishes[#wishes + 1] = ("socket:%d:10047"):format(n) end
  for n = 2, 10, 2 do wishes[#wishes + 1] = ("GetExtendedTcpTable:%d:50"):format(n) end
  local env = {P80_SHIM_FAIL = table.concat(wishes, ",")}
  for name, value in pairs(OLD) do env[name] = value end
  local result = case.exits(p80 {"free80.lua", env = env}, 0)
  lu.assertStrContains(result.stdout, "IPv4 free, IPv6 unavailable")
  lu.assertEquals(case.bind(80), "ok")
end

-- The IPv6 of Windows Server 2003 never serves IPv4, so it has no option against that.
function T:test_a_probe_without_the_option_for_ipv6_only()
  local env = {P80_SHIM_FAIL = "setsockopt:3:10042", P80_SHIM_NT52 = "1"}
  local probe = report("p80.report(win.tcp.probe(8099))", env)
  lu.assertEquals({probe.free, probe.ipv6.free}, {true, true})
end

-- ---- What needs a newer Windows ----

function T:test_what_needs_more_names_the_version()
  case.service {name = "Old", args = {"--tcp", "8101"}, start = "auto", run = false}
  local before = win.scm.get "Old"
  for _, words in ipairs {{}, {"--check"}} do
    local result = case.exits(p80 {"--json", "--allow", "*", "-e", 'win.scm.config("Old", {delayed = true})', words[1]}, 1)
    local e = result.json.error
    lu.assertEquals({e.op, e.target, e.code}, {"scm.config", "Old", 120})
    lu.assertStrContains(e.hint, "Windows Vista brought it")
    lu.assertEquals(result.json.changed, 0)
  end
  lu.assertEquals(win.scm.get "Old", before)
  -- what is so already needs no newer Windows
  local result = case.exits(p80 {"--json", "--allow", "*", "-e", 'win.scm.config("Old", {delayed = false})'}, 0)
  lu.assertEquals(result.json.changed, 0)
end

function T:test_files_links_that_2003_lacks()
  local file = case.write("file.txt", "x")
  local code = ("local ok, why = lfs.link([[%s]], [[%s]], true) p80.report {ok == nil, why, lfs.attributes([[%s]], 'size')}"):format(file, file .. ".link", file)
  local result = report("local lfs = require 'lfs' " .. code, OLD, "--allow", "*")
  lu.assertEquals({result[1], result[3]}, {true, 1})
  lu.assertStrContains(result[2], "CreateSymbolicLink") -- the words are LuaFileSystem's
  lu.assertNil(lfs.attributes(file .. ".link"))
end

function T:test_services_registry_and_their_undo()
  case.service {name = "Old", args = {"--tcp", "8101"}}
  local shown = win.scm.get("Old").display_name
  local code = [==[win.scm.config("Old", {start = "disabled", display_name = "Älter"}) win.scm.stop "Old"
    win.reg.set([[HKCU\Software\p80-old\a\b]], "x", {"y"}) win.reg.delete([[HKCU\Software\p80-old]], nil, {tree = true})]==]
  case.exits(p80 {"--allow", "*", "-e", code}, 0)
  lu.assertEquals({win.scm.get("Old").state, win.scm.get("Old").start, win.scm.get("Old").display_name}, {"stopped", "disabled", "Älter"})
  case.exits(p80 {"undo"}, 0)
  lu.assertEquals({win.scm.get("Old").state, win.scm.get("Old").start, win.scm.get("Old").display_name}, {"running", "demand", shown})
  lu.assertFalse(win.reg.exists [[HKCU\Software\p80-old]])
end
