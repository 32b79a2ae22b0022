-- p80 service: playbooks as real Windows services, on plain Wine.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Service"
local FOLDER = [[C:\ProgramData\p80\services\]]

-- `p80 service ...` with the state folder that services have.
local function service(...)
  return case.p80 {"service", state = false, ...}
end

-- Installs; the service goes after the test. Returns what p80 said.
local function install(name, ...)
  case.later(function() case.remove_service(name) end)
  return case.exits(service("install", "--name", name, ...), 0)
end

local function log(name)
  local path = FOLDER .. name .. ".log"
  return lfs.attributes(path, "mode") == "file" and case.read(path):gsub("\r", "") or ""
end

local function wait_log(name, text, seconds)
  local ok, problem = pcall(case.wait, text, function() return log(name):find(text, 1, true) end, seconds)
  if not ok then lu.fail(("%s; the log:\n%s"):format(problem, log(name))) end
end

local function status(name) return case.exits(service("status", name, "--json"), 0).json.result[1] end

local function count(text, part) return select(2, text:gsub(part:gsub("%p", "%%%0"), "")) end

-- A playbook "keep" with a text argument "mode", whose body is `body`.
local function playbook(body, grants)
  return case.write("keep.lua", ([[
local p80 = require "p80"
local args = p80.playbook {name = "keep", version = "1.2.3", summary = "A test.", grants = {%s},
  args = {mode = {type = "text", default = ""}, other = {type = "text", default = ""}, port = {type = "port"}}}
local function say(...) io.stderr:write(table.concat {...}, "\n") end
%s]]):format(grants or "", body))
end

local function stop(name)
  local began = test.clock()
  lu.assertTrue(test.service_stop(name))
  case.wait(name .. " to stop", function() return test.service_state(name) == 1 end)
  return test.clock() - began
end

function T:test_frees_port_80_at_start_and_whenever_it_is_taken()
  case.service {name = "Web", args = {"--tcp", "80"}}
  case.wait_held(80)
  install("p80-free80", "--gap", "0.3", "free80", "--service", "Web")
  case.wait("port 80", function() return case.bind(80) == "ok" end)
  wait_log("p80-free80", "scm.state Web: state: running -> stopped")
  case.start_service "Web"
  case.wait("the second time", function() return count(log "p80-free80", "scm.state Web: state: running -> stopped") == 2 end, 30)
  lu.assertEquals(case.bind(80), "ok")
  local row = status "free80"
  lu.assertEquals({row.name, row.state, row.start, row.script, row.words, row.failed},
    {"p80-free80", "running", "auto", "free80", {"--service", "Web"}, false})
  lu.assertEquals(row.watch, {"tcp:80", "services", "http"})
  lu.assertStrContains(win.scm.details("p80-free80").description, "playbook free80 1.0.0")
  lu.assertTrue(stop "p80-free80" < 5)
  lu.assertStrContains(log "p80-free80", "it was stopped")
end

function T:test_stops_in_the_middle_of_a_run_and_leaves_an_orderly_record()
  install("p80-keep", "--state", case.state, playbook([[
    win.reg.set("HKLM\\SOFTWARE\\p80-test-keep", "a", "1") say "waits" p80.sleep(600)]], [["reg.*"]]))
  case.later(function() win.reg.delete([[HKLM\SOFTWARE\p80-test-keep]], nil, {tree = true}) end)
  case.wait("the change", function() return win.reg.exists [[HKLM\SOFTWARE\p80-test-keep]] end)
  lu.assertTrue(stop "p80-keep" < 5)
  lu.assertStrContains(log "p80-keep", "it was stopped in the middle")
  lu.assertEquals(case.p80 {"runs", "--json"}.json[1].status, "exit 1")
end

function T:test_arguments_arrive_as_they_were_given()
  local path = playbook [[say("<", args.mode, "><", args.other, ">")]]
  local n = 0
  for mode, other in pairs {
    ["a b"] = "%PATH%", ['q"u\\"o"te'] = "100%", ["%%"] = "*", [""] = "back\\", ["\u{FC}\u{65E5}"] = 'x %TEMP%\\ y" %"',
    ["--json"] = "\\%OS%\\", ["^&|<>"] = "'",
  } do
    install("p80-args", "--no-start", path, "--mode", mode, "--", "--other", other)
    if not case.service_running "p80-args" then case.start_service "p80-args" end -- else it was started anew
    wait_log("p80-args", ("<%s><%s>"):format(mode, other))
    n = n + 1
  end
  lu.assertEquals(n, 7)
end

function T:test_a_run_that_was_killed_is_reported_taken_back_or_completed()
  local path = playbook([[
    local key = "HKLM\\SOFTWARE\\p80-test-cut"
    if not win.reg.exists(key) then say "nothing" return end
    win.reg.set(key, "a", "new")
    if win.reg.get(key, "wait") then p80.sleep(600) end]], [["reg.*"]])
  local key = [[HKLM\SOFTWARE\p80-test-cut]]
  case.later(function() win.reg.delete(key, nil, {tree = true}) end)
  for recover, expected in pairs {
    report = "`p80 undo", undo = "has been taken back", complete = "which was cut off, is completed",
  } do
    case.reg {"add", key, "/v", "a", "/d", "old", "/f"}
    case.reg {"add", key, "/v", "wait", "/d", "yes", "/f"}
    local name = "p80-cut-" .. recover
    install(name, "--state", case.path("state-" .. recover), "--recover", recover, path)
    case.wait("the change", function() return win.reg.get(key, "a") == "new" end)
    local _, pid = test.service_state(name)
    test.kill(pid)
    case.wait("its end", function() return not win.process.get(pid) end)
    case.reg {"delete", key, "/v", "wait", "/f"}
    case.start_service(name)
    wait_log(name, "was cut off after 1 steps")
    wait_log(name, expected)
    case.wait("the next run", function() return win.reg.get(key, "a") == "new" end)
    stop(name)
    case.start_service(name) -- told once
    case.wait("the third start", function() return count(log(name), "the service starts") == 3 end)
    lu.assertEquals(count(log(name), "was cut off after"), 1)
    stop(name)
  end
end

function T:test_an_interactive_run_warns_of_one_that_was_cut_off()
  local change = [[win.reg.set("HKCU\\Software\\p80-cut", "a", ...)]]
  local p = test.start(case.command {"--allow", "reg.*", "-e", change .. " require 'p80'.sleep(600)", "1"})
  case.wait("the change", function() return win.reg.exists [[HKCU\Software\p80-cut]] end)
  p:close()
  local result = case.exits(case.p80 {"--allow", "reg.*", "-e", change, "2"}, 0)
  lu.assertStrContains(result.stderr, "run 1 (-e)")
  lu.assertStrContains(result.stderr, "was cut off after")
  lu.assertNil(case.exits(case.p80 {"--allow", "reg.*", "-e", change, "3"}, 0).stderr:find "cut off")
end

function T:test_a_playbook_that_is_replaced_finishes_as_it_was()
  local path = playbook [[say "old begins" p80.sleep(2) say("old ends ", tostring(pcall(require, "more")))]]
  install("p80-replace", "--gap", "0.1", path, "--port", "8123")
  case.wait("the run", function() return status "p80-replace".next_run == "now" end)
  playbook [[say "new"]]
  local socket = test.listen {port = 8123}
  case.later(function() socket:close() end)
  wait_log("p80-replace", "old ends")
  wait_log("p80-replace", "    new")
  lu.assertTrue(log "p80-replace":find "old ends" < log "p80-replace":find "    new")
end

function T:test_changes_during_a_run_lead_to_one_more_and_flapping_is_told_once()
  install("p80-flap", "--gap", "0.05", playbook [[say "ran"]], "--port", "8124")
  wait_log("p80-flap", "    ran")
  local deadline = test.clock() + 3
  while test.clock() < deadline do
    local socket = test.listen {port = 8124}
    test.sleep(0.1)
    socket:close()
    test.sleep(0.1)
  end
  wait_log("p80-flap", "nothing has changed for a while", 30)
  local text = log "p80-flap"
  lu.assertEquals(count(text, "again and again"), 1)
  lu.assertTrue(count(text, "listens on port 8124") <= 10, text)
end

function T:test_failures_are_told_once_and_so_is_their_end()
  local blocked = case.path "blocked"
  case.write("blocked", "a file where a folder should be")
  local path = playbook([[
    win.reg.set("HKLM\\SOFTWARE\\p80-test-fail", "a", "1")]], [["reg.*"]])
  case.later(function() win.reg.delete([[HKLM\SOFTWARE\p80-test-fail]], nil, {tree = true}) end)
  install("p80-fail", "--gap", "0.05", "--state", blocked, path)
  case.wait("retries", function() return count(log "p80-fail", "the last run failed") >= 3 end)
  lu.assertFalse(win.reg.exists [[HKLM\SOFTWARE\p80-test-fail]])
  assert(os.remove(blocked))
  wait_log("p80-fail", "it works again after")
  lu.assertEquals(win.reg.get([[HKLM\SOFTWARE\p80-test-fail]], "a"), "1")
end

function T:test_works_without_its_log()
  assert(lfs.mkdir [[C:\ProgramData\p80]] == nil or true)
  lfs.mkdir(FOLDER)
  for _, ending in ipairs {"log", "json", "new"} do assert(lfs.mkdir(FOLDER .. "p80-dark." .. ending)) end
  case.later(function() win.reg.delete([[HKLM\SOFTWARE\p80-test-dark]], nil, {tree = true}) end)
  install("p80-dark", "--state", case.state, playbook([[win.reg.create("HKLM\\SOFTWARE\\p80-test-dark")]], [["reg.*"]]))
  case.wait("the change", function() return win.reg.exists [[HKLM\SOFTWARE\p80-test-dark]] end)
  lu.assertEquals(status "p80-dark".state, "running")
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
  lu.assertEquals({win.scm.get "p80-again", win.reg.exists(SOURCE), (lfs.attributes(FOLDER .. "p80-again.json", "mode"))}, {nil, false})
  lu.assertStrContains(case.exits(service("remove", "p80-again"), 0).stdout, "There is no service")
end

function T:test_what_is_refused()
  local path = playbook ""
  case.service {name = "Other", run = false}
  for words, expected in pairs {
    [{"install", "--name", "Other", path}] = "not p80's", [{"remove", "Other"}] = "not p80's",
    [{"install", "--name", "a/b", path}] = "'a/b'", [{"install", case.path "none.lua"}] = "no such file",
    [{"install", path, "--moed", "x"}] = "--mode", [{"install", "--gap", "0", path}] = "0.05 to 3600",
    [{"install", "--watch", "udp", path}] = "got 'udp'", [{"install"}] = "script", [{"status", "none"}] = "no service",
    [{"install", "--state", "here", path}] = "full path", [{"instal", path}] = "install",
    [{"install", case.write("plain.lua", "print 'x'")}] = "no manifest",
  } do
    local result = service(table.unpack(words))
    lu.assertNotEquals(result.code, 0, expected)
    lu.assertStrContains(result.stdout .. result.stderr, expected)
  end
  lu.assertStrContains(win.scm.get "Other".path, "holder.exe")
end
