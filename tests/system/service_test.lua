-- p80 service: playbooks as real Windows services, on plain Wine.
local lu = require "luaunit"
local case = require "case"
local services = require "services"
local service, install, log, wait_log, status, count, playbook, assert_stops_in_time = services.service, services.install, services.log,
  services.wait_log, services.status, services.count, services.playbook, services.assert_stops_in_time

local T = case.suite "Service"

function T:test_frees_port_80_at_start_and_whenever_it_is_taken()
  case.service {name = "Web", args = {"--tcp", "80"}}
  case.wait_held(80)
  install("p80-free80", "--gap", "0.3", "free80", "--service", "Web")
  wait_log("p80-free80", "scm.state Web: state: running -> stopped")
  lu.assertEquals(case.bind(80), "ok") -- not before: it would hold the port while p80 looks whether it is free
  case.start_service "Web"
  case.wait("the second time", function() return count(log "p80-free80", "scm.state Web: state: running -> stopped") == 2 end, 30)
  lu.assertEquals(case.bind(80), "ok")
  local row = status "free80"
  lu.assertEquals({row.name, row.state, row.start, row.script, row.words, row.failed},
    {"p80-free80", "running", "auto", "free80", {"--service", "Web"}, false})
  lu.assertEquals(row.watch, {"tcp:80", "services", "http"})
  lu.assertStrContains(win.scm.details("p80-free80").description, "playbook free80 1.0.0")
  local warned = case.exits(case.p80 {"undo", "--check", state = false}, 3).stderr
  lu.assertStrContains(warned, "the service p80-free80 runs free80, and may do it again; `p80 service remove p80-free80` ends that")
  assert_stops_in_time("p80-free80", function()
    case.start_service "p80-free80"
    case.wait("its rest", function() return status "free80".next_run == "when something changes" end)
  end)
  lu.assertStrContains(log "p80-free80", "it was stopped")
end

function T:test_runs_again_when_the_configuration_of_http_changes()
  local KEY = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters\p80-test]]
  case.later(function() win.reg.delete(KEY, nil, {tree = true}) end)
  install("p80-http", "--gap", "0.1", "--watch", "http", playbook [[say "ran"]])
  wait_log("p80-http", "    ran")
  case.reg {"add", KEY, "/v", "a", "/d", "1", "/f"}
  wait_log("p80-http", "the configuration of HTTP.SYS changed")
  case.wait("the second run", function() return count(log "p80-http", "    ran") == 2 end)
end

function T:test_the_policy_of_the_machine_binds_it()
  local KEY, POLICY = [[HKLM\SYSTEM\p80-test-policy]], [[C:\ProgramData\p80\policy.json]]
  case.later(function() os.remove(POLICY) end)
  case.later(function() win.reg.delete(KEY, nil, {tree = true}) end)
  install("p80-policy", "--no-start", playbook(("win.reg.create(%q)"):format(KEY), [["reg.*"]]))
  for _, row in ipairs {
    {'{"policy":1,"signatures":"elevated"}', "There is no signature"}, {'{"policy":1,"deny":["reg.key:*p80-test-policy"]}', "denies"},
    {'{"policy":1,"unsigned":["scm.*"]}', "p80-test-policy"},
  } do
    case.write(POLICY, row[1])
    local before = count(log "p80-policy", row[2])
    case.start_service "p80-policy"
    case.wait(row[2], function() return count(log "p80-policy", row[2]) > before and status "p80-policy".exit == 4 end)
    services.stop "p80-policy"
    lu.assertFalse(win.reg.exists(KEY))
  end
  case.write(POLICY, '{"policy":1}')
  case.start_service "p80-policy"
  case.wait("the change", function() return win.reg.exists(KEY) end)
end

function T:test_stops_while_it_starts()
  install("p80-keep", "--no-start", playbook "p80.sleep(600)")
  case.start_service "p80-keep"
  assert_stops_in_time("p80-keep", function() case.start_service "p80-keep" end)
end

function T:test_stops_in_the_middle_of_a_run_and_leaves_an_orderly_record()
  install("p80-keep", "--state", case.state, playbook([[
    win.reg.set("HKLM\\SYSTEM\\p80-test-keep", "a", "1") say "waits" p80.sleep(600)]], [["reg.*"]]))
  local function clear() win.reg.delete([[HKLM\SYSTEM\p80-test-keep]], nil, {tree = true}) end
  case.later(clear)
  local function wait() case.wait("the change", function() return win.reg.exists [[HKLM\SYSTEM\p80-test-keep]] end) end
  wait()
  assert_stops_in_time("p80-keep", function()
    clear()
    case.start_service "p80-keep"
    wait()
  end)
  lu.assertStrContains(log "p80-keep", "it was stopped in the middle")
  local row = status "p80-keep"
  lu.assertEquals({row.state, row.outcome, row.failed}, {"stopped", "stopped with the service", false})
  lu.assertEquals(case.p80 {"runs", "--json"}.json[1].status, "exit 1")
end

function T:test_arguments_arrive_as_they_were_given()
  local path = playbook [[say("<", args.mode, "><", args.other, ">")]]
  local n = 0
  for mode, other in pairs {
    ["a b"] = "%PATH%", ['q"u\\"o"te'] = "100%", ["%%"] = "*", [""] = "back\\", ["\u{FC}\u{65E5}"] = 'x %TEMP%\\ y" %"',
    ["--json"] = "\\%OS%\\", ["^&|<>"] = "'",
  } do
    install("p80-args", "--no-start", path, "--", "--mode=" .. mode, "--other=" .. other)
    if not case.service_running "p80-args" then case.start_service "p80-args" end -- else it was started anew
    wait_log("p80-args", ("<%s><%s>"):format(mode, other))
    n = n + 1
  end
  lu.assertEquals(n, 7)
end

function T:test_installing_is_idempotent_updates_in_place_and_is_taken_back()
  local path = playbook ""
  local SOURCE = [[HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\p80-again]]
  lu.assertEquals(case.exits(service("install", "--name", "p80-again", "--check", "--json", path), 3).json.changed, 3)
  lu.assertNil(win.scm.get "p80-again")
  install("p80-again", path)
  lu.assertTrue(win.reg.exists(SOURCE))
  lu.assertEquals(install("p80-again", "--json", path).json.changed, 0)
  local _, pid = test.service_state "p80-again"
  local updated = install("p80-again", "--json", path, "--mode", "x").json
  lu.assertEquals({updated.changed, updated.changes[1].kind}, {3, "scm.config"})
  local state, new_pid = test.service_state "p80-again"
  lu.assertTrue(state == 4 and new_pid ~= pid)
  lu.assertStrContains(win.scm.get "p80-again".path, "--mode x")
  case.exits(case.p80 {"undo", tostring(updated.run), state = false}, 0)
  lu.assertNil(win.scm.get "p80-again".path:find "mode")
  case.exits(service("remove", "p80-again"), 0)
  lu.assertEquals({win.scm.get "p80-again", win.reg.exists(SOURCE), (lfs.attributes(services.FOLDER .. "p80-again.json", "mode"))}, {nil, false})
  lu.assertStrContains(case.exits(service("remove", "p80-again"), 0).stdout, "There is no service")
end

function T:test_a_playbook_that_a_service_runs_is_not_uninstalled_by_the_way()
  local function p80(...) return case.p80 {state = false, ...} end
  case.exits(p80("install", playbook "", "--yes"), 0)
  install("p80-keep", "--no-start", "keep")
  install("by-path", "--no-start", [[C:\ProgramData\p80\playbooks\keep\keep.lua]])
  for _, check in ipairs {"--quiet", "--check"} do
    local refused = case.exits(p80("uninstall", "KEEP", check), 4)
    lu.assertStrContains(refused.stderr, "It is run by the service by-path and the service p80-keep, and could not be then.")
    lu.assertStrContains(refused.stderr, "`p80 service remove by-path` first, or say --yes")
  end
  case.exits(service("remove", "by-path"), 0)
  lu.assertStrContains(case.exits(p80("uninstall", "keep"), 4).stderr, "the service p80-keep")
  case.exits(p80("uninstall", "keep", "--yes"), 0)
  case.exits(p80 "undo", 0)
  case.exits(service("remove", "p80-keep"), 0)
  case.exits(p80("uninstall", "keep"), 0)
end

function T:test_what_is_refused()
  local path = playbook ""
  case.service {name = "Other", args = {"service", "--", "run", "--name", "Other", "free80"}, run = false} -- but not by p80.exe
  case.write("bare", case.read(path)) -- by its full path, for a service starts elsewhere
  local bare = case.exits(case.p80 {"service", "install", "bare", "--check", "--json", state = false, cwd = case.folder}, 3)
  lu.assertEquals(bare.json.result.script, case.path "bare")
  for words, expected in pairs {
    [{"install", "--name", "Other", path}] = "not p80's", [{"remove", "Other"}] = "not p80's",
    [{"install", "--name", "a/b", path}] = "'a/b'", [{"install", case.path "none.lua"}] = "no such file",
    [{"install", path, "--moed", "x"}] = "--mode", [{"install", "--gap", "0", path}] = "0.01 to 3600",
    [{"install", "--watch", "udp", path}] = "got 'udp'", [{"install"}] = "script", [{"status", "none"}] = "no service",
    [{"install", "--state", "here", path}] = "full path", [{"install", path, "--file=here"}] = "full path",
    [{"install", path, "--args-file", case.write("args.json", "{}"):sub(4)}] = "full path", [{"instal", path}] = "install",
    [{"install", case.write("plain.lua", "print 'x'")}] = "no manifest",
  } do
    local result = service(table.unpack(words))
    lu.assertNotEquals(result.code, 0, expected)
    lu.assertStrContains(result.stdout .. result.stderr, expected)
  end
  lu.assertStrContains(win.scm.get "Other".path, "holder.exe")
  lu.assertEquals(case.exits(service("status", "--json"), 0).json.result, {})
end

function T:test_what_ordinary_users_could_have_written_is_not_installed()
  local shared = lfs.attributes("Z:\\tmp", "mode") and "Z:\\tmp" or os.getenv "PUBLIC" -- everybody may write there
  local folder = ("%s\\p80-%d"):format(shared, math.floor(test.clock() * 1000))
  assert(lfs.mkdir(folder))
  local program, script = folder .. "\\p80.exe", folder .. "\\keep.lua"
  case.later(function()
    os.remove(program)
    os.remove(script)
    lfs.rmdir(folder)
  end)
  case.write(program, case.read(test.p80))
  case.write(script, case.read(playbook ""))
  local unsafe = case.p80 {"service", "install", "free80", state = false, path = program}
  lu.assertStrContains(case.exits(unsafe, 4).stderr, "P80_UNPROTECTED")
  lu.assertStrContains(case.exits(service("install", script), 4).stderr, "P80_UNPROTECTED")
  lu.assertEquals({win.scm.get "p80-free80", win.scm.get "p80-keep"}, {})
end
