-- arch: x64
-- What p80's services survive: kills, flapping, failures, files that are replaced or cannot be written; on plain Wine.
local lu = require "luaunit"
local case = require "case"
local services = require "services"
local install, log, wait_log, status, count, playbook, stop = services.install, services.log, services.wait_log,
  services.status, services.count, services.playbook, services.stop

local T = case.suite "Survives"

function T:test_a_run_that_was_killed_is_reported_taken_back_or_completed()
  local path = playbook([[
    local key = "HKLM\\SYSTEM\\p80-test-cut"
    if not win.reg.exists(key) then say "nothing" return end
    win.reg.set(key, "a", "new")
    if win.reg.get(key, "wait") then p80.sleep(600) end]], [["reg.*"]])
  local key = [[HKLM\SYSTEM\p80-test-cut]]
  case.later(function() win.reg.delete(key, nil, {tree = true}) end)
  for recover, expected in pairs {
    report = "`p80 undo", undo = "has been taken back", complete = "which was cut off, is completed",
  } do
    case.reg {"add", key, "/v", "a", "/d", "old", "/f"}
    case.reg {"add", key, "/v", "wait", "/d", "yes", "/f"}
    local name = "p80-cut-" .. recover
    local words = {"--state", case.path("state-" .. recover), "--recover", recover, path}
    if recover == "undo" then -- so says the manifest
      case.write("keep.lua", (case.read(path):gsub('version = "1.2.3"', '%0, recover = "undo"')))
      words = {words[1], words[2], path}
    end
    install(name, table.unpack(words))
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

function T:test_a_run_that_was_killed_alone_is_told_and_repeated()
  local KEY = [[HKLM\SYSTEM\p80-test-alone]]
  case.later(function() win.reg.delete(KEY, nil, {tree = true}) end)
  install("p80-alone", "--gap", "0.05", "--state", case.state, playbook(([[
    if win.reg.exists(%q) then say "ran again" return end
    win.reg.create(%q)
    p80.sleep(600)]]):format(KEY, KEY), [["reg.*"]]))
  case.wait("the change", function() return win.reg.exists(KEY) end)
  local _, service = test.service_state "p80-alone"
  for _, row in ipairs(win.process.list()) do
    if row.parent == service then test.kill(row.pid) end
  end
  wait_log("p80-alone", "was cut off after 1 steps")
  wait_log("p80-alone", "ran again")
  lu.assertEquals(select(2, test.service_state "p80-alone"), service)
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
  local KEY = [[HKLM\SYSTEM\p80-test-replace]]
  case.later(function() win.reg.delete(KEY, nil, {tree = true}) end)
  local path = playbook(("win.reg.create(%q) p80.sleep(1) say 'old ends'"):format(KEY), [["reg.*"]])
  install("p80-replace", "--gap", "0.1", path, "--port", "8123")
  case.wait("the run", function() return win.reg.exists(KEY) end)
  playbook [[say "new"]]
  local socket = test.listen {port = 8123}
  case.later(function() socket:close() end)
  wait_log("p80-replace", "    old ends")
  wait_log("p80-replace", "    new")
  lu.assertTrue(log "p80-replace":find "old ends" < log "p80-replace":find "    new")
end

function T:test_an_installed_playbook_that_is_replaced_finishes_as_it_was()
  local KEY = [[HKLM\SYSTEM\p80-test-installed]]
  case.later(function() win.reg.delete(KEY, nil, {tree = true}) end)
  local function put(body) return case.p80 {"install", "--json", "--yes", playbook(body, [["reg.*"]]), state = false} end
  case.exits(put(([[if not win.reg.exists(%q) then win.reg.create(%q) p80.sleep(1) say "old ends" end]]):format(KEY, KEY)), 0)
  case.later(function() case.p80 {"uninstall", "keep", "--yes", state = false} end)
  install("p80-installed", "--gap", "0.1", "keep", "--port", "8123")
  case.wait("the run", function() return win.reg.exists(KEY) end)
  lu.assertEquals(case.exits(put [[say "new"]], 0).json.changed, 1) -- it may wait for the run
  lu.assertEquals(count(log "p80-installed", "    new"), 0)
  wait_log("p80-installed", "    old ends")
  wait_log("p80-installed", "    new") -- a run that has changed something is followed by another
end

function T:test_a_full_disk_is_told_and_once_there_is_room_the_change_is_made()
  if not lfs.attributes("F:\\", "mode") then lu.skip "drive F: is made by tests/wine-run.sh" end
  local KEY = [[HKLM\SYSTEM\p80-test-full]]
  case.later(function() win.reg.delete(KEY, nil, {tree = true}) end)
  local path = playbook(([[if args.mode == "change" then win.reg.set(%q, "a", "1") end]]):format(KEY), [["reg.*"]])
  local function fill(size)
    local file = assert(io.open([[F:\all]], "ab"))
    file:setvbuf "no"
    while file:write(("x"):rep(size)) do end
    file:close()
  end
  case.exits(case.p80 {"--state", [[F:\state]], "--allow", "reg.*", "-e", "win.reg.create [[HKCU\\Software\\p80-full]]", state = false}, 0)
  fill(4096)
  fill(1)
  install("p80-full", "--gap", "0.05", "--state", [[F:\state]], path, "--mode", "change")
  case.wait("retries", function() return count(log "p80-full", "the last run failed") >= 3 end)
  lu.assertStrContains(log "p80-full", "ERROR_DISK_FULL")
  lu.assertFalse(win.reg.exists(KEY))
  assert(os.remove [[F:\all]])
  wait_log("p80-full", "it works again after")
  lu.assertEquals(win.reg.get(KEY, "a"), "1")
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
    win.reg.set("HKLM\\SYSTEM\\p80-test-fail", "a", "1")]], [["reg.*"]])
  case.later(function() win.reg.delete([[HKLM\SYSTEM\p80-test-fail]], nil, {tree = true}) end)
  install("p80-fail", "--gap", "0.05", "--state", blocked, path)
  case.wait("retries", function() return count(log "p80-fail", "the last run failed") >= 3 end)
  lu.assertFalse(win.reg.exists [[HKLM\SYSTEM\p80-test-fail]])
  assert(os.remove(blocked))
  wait_log("p80-fail", "it works again after")
  lu.assertEquals(win.reg.get([[HKLM\SYSTEM\p80-test-fail]], "a"), "1")
end

function T:test_works_without_its_log()
  assert(lfs.mkdir [[C:\ProgramData\p80]] == nil or true)
  lfs.mkdir(services.FOLDER)
  for _, ending in ipairs {"log", "json", "new"} do assert(lfs.mkdir(services.FOLDER .. "p80-dark." .. ending)) end
  case.later(function() win.reg.delete([[HKLM\SYSTEM\p80-test-dark]], nil, {tree = true}) end)
  install("p80-dark", "--state", case.state, playbook([[win.reg.create("HKLM\\SYSTEM\\p80-test-dark")]], [["reg.*"]]))
  case.wait("the change", function() return win.reg.exists [[HKLM\SYSTEM\p80-test-dark]] end)
  lu.assertEquals(status "p80-dark".state, "running")
end

function T:test_a_run_that_cannot_be_interrupted_is_ended_when_the_service_stops()
  local KEY = [[HKLM\SYSTEM\p80-test-hang]]
  local function clear() win.reg.delete(KEY, nil, {tree = true}) end
  case.later(clear)
  install("p80-hang", "--state", case.state, playbook(([[
    if win.reg.exists(%q) then say "ran again" return end
    win.reg.create(%q)
    string.find(("a"):rep(50), ("a-"):rep(50) .. "b") -- takes years]]):format(KEY, KEY), [["reg.*"]]))
  local function wait() case.wait("the run", function() return win.reg.exists(KEY) end) end
  wait()
  services.assert_stops_in_time("p80-hang", function()
    clear()
    case.start_service "p80-hang"
    wait()
  end)
  case.start_service "p80-hang"
  wait_log("p80-hang", "was cut off after 1 steps")
  wait_log("p80-hang", "ran again")
end

-- Installs a service whose run is in a wait once waits() says so, and asserts that it stops in time.
local function assert_stops_in_wait(body, prepare, waits)
  install("p80-waits", "--no-start", "--timeout", "600", playbook(body, [["reg.*", "process.run"]]))
  prepare()
  local function begin()
    case.start_service "p80-waits"
    case.wait("the run", function() return status "p80-waits".next_run == "now" end)
    waits()
  end
  begin()
  services.assert_stops_in_time("p80-waits", begin)
  lu.assertEquals(status "p80-waits".outcome, "stopped with the service")
end

function T:test_stops_in_the_middle_of_a_wait_for_a_program_which_ends()
  local program = test.bin .. "holder.exe"
  local function runs()
    for _, row in ipairs(win.process.list()) do
      if row.name == "holder.exe" then return true end
    end
  end
  assert_stops_in_wait(("win.process.run {program = %q, args = {'--seconds', '600'}}"):format(program), function() end,
    function() case.wait("the program", runs) end)
  lu.assertNil(runs())
end

function T:test_stops_in_the_middle_of_a_wait_for_another_run()
  local KEY = [[HKCU\Software\p80-test-other]]
  assert_stops_in_wait([[win.reg.create("HKLM\\SYSTEM\\p80-test-waits")]], function()
    local other = test.start(case.command {"--allow", "reg.*", "-e", ([[win.reg.create(%q) require "p80".sleep(600)]]):format(KEY)})
    case.later(function() other:close() win.reg.delete(KEY, nil, {tree = true}) end)
    case.wait("the other run", function() return win.reg.exists(KEY) end)
  end, function() test.sleep(0.5) end) -- until it waits, which nothing shows
  lu.assertFalse(win.reg.exists [[HKLM\SYSTEM\p80-test-waits]])
end
