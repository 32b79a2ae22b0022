-- build: shim
-- win.process where Windows differs from Wine (tests/shims/process.c, old_windows.c), and with calls that fail.
local lu = require "luaunit"
local case = require "case"
local failing = require "failing"
local fakecore = require "fakecore"
local failure, process = fakecore.failure, win.process

case.reg {"add", [[HKCU\Software\Wine\Drivers]], "/v", "Graphics", "/d", "null", "/f"} -- before there is a desktop

local ECHO = test.bin .. "echo.exe"

local function with(variable, value, f, ...)
  test.setenv(variable, value)
  local results = table.pack(pcall(f, ...))
  test.setenv(variable, nil)
  assert(results[1], results[2])
  return table.unpack(results, 2, results.n)
end

local function start(...)
  local child = test.start {path = ECHO, args = {...}}
  case.later(function()
    child:kill()
    child:close()
  end)
  return child
end

local function sleeper()
  local child = start("--sleep", "60")
  case.wait("it", function()
    local readable, modules = pcall(process.modules, child:pid())
    return readable and #modules > 3
  end)
  return child:pid()
end

local Shims = case.suite "Shims"

function Shims.test_command_lines_that_the_kernel_tells()
  local pid = sleeper()
  lu.assertEquals(with("P80_SHIM_COMMAND_LINES", "1", process.command_line, pid), [[told: "C:\x y.exe" z]])
  lu.assertEquals(with("P80_SHIM_COMMAND_LINES", "1", process.get, pid, {command_line = true}).command_line, [[told: "C:\x y.exe" z]])
  lu.assertEquals(process.split(process.command_line(pid)), {ECHO, "--sleep", "60"})
end

function Shims.test_critical_processes_are_not_ended_nor_those_that_cannot_be_asked()
  local pid = sleeper()
  local label = ("%d (echo.exe)"):format(pid)
  local _, problem = with("P80_SHIM_CRITICAL", "1", failure, process.stop, pid)
  lu.assertEquals({problem.code, problem.target, problem.hint}, {5, label, "Windows itself would stop when this process ends"})
  local struck, ok, fault = failing.call("NtQueryInformationProcess:1:5", function() process.stop(pid) end)
  lu.assertEquals({struck, ok, fault.op, fault.target}, {true, false, "process.stop", label})
  lu.assertStrContains(fault.hint, "nobody can tell")
  lu.assertNotNil(process.get(pid))
  process.stop(pid)
  lu.assertNil(process.get(pid))
end

function Shims.test_session_names()
  local function names() return process.get(test.pid(), {session_name = true}).session_name end
  lu.assertEquals(with("P80_SHIM_SESSIONS", "1", names), "Console")
end

function Shims.test_windows()
  local child = start("--window", "T\u{FC}tel")
  case.wait("its window", function() return child:output():find "shown" end)
  local function shown() return process.get(child:pid(), {window = true}) end
  lu.assertEquals({shown().title, shown().status}, {"T\u{FC}tel", "running"})
  lu.assertEquals(with("P80_SHIM_HUNG", "1", shown).status, "not_responding")
end

function Shims.test_windows_server_2003()
  local folder = case.path "here"
  lfs.mkdir(folder)
  local child = test.start {path = ECHO, args = {"--sleep", "60"}, cwd = folder}
  case.later(function() child:close() end)
  case.wait("its folder", function() return #process.handles {name = folder .. "*"} == 1 end)
  local code = ([[
    local row = win.process.get(%d, {command_line = true, user = true, usage = true, modules = true})
    print(row.path, row.started, row.command_line, row.user, row.modules[1].path, row.memory > 0)
    print(#win.process.handles {name = %q}, win.process.run({program = %q, args = {"--args", "x"}}).stdout)]])
    :format(child:pid(), folder .. "*", ECHO)
  local function run(env) return case.exits(case.p80 {"--allow", "process.run", "-e", code, env = env}, 0).stdout end
  local now = run {}
  lu.assertStrContains(now, "--sleep 60")
  lu.assertStrContains(now, "1\tx")
  lu.assertEquals(run {P80_SHIM_NT52 = "1"}, now)
end

-- ---- Jobs ----

local Jobs = case.suite "Jobs"

local function sleepers()
  local n = 0
  for _, row in ipairs(process.list()) do if row.name == "echo.exe" then n = n + 1 end end
  return n
end

-- p80 in a job that lets nobody out, before Windows 8: the tree is found by its parents.
function Jobs.test_without_a_job_the_tree_ends_nevertheless()
  for _, wish in ipairs {"AssignProcessToJobObject:1+:5", "CreateJobObjectW:1:5", "SetInformationJobObject:1:5"} do
    local struck, ok, problem = failing.call(wish, function()
      fakecore.open().call("process.run", {program = ECHO, args = {"--tree", "60"}, timeout = 1.5})
    end)
    lu.assertEquals({struck, ok, problem.code}, {true, false, 1460}, wish)
    case.wait("the tree to end", function() return sleepers() == 0 end, 5)
  end
end

-- ... and in one that does.
function Jobs.test_a_job_that_is_left()
  local struck, ok, result = failing.call("AssignProcessToJobObject:1:5", function()
    return fakecore.open().call("process.run", {program = ECHO, args = {"--args", "x"}, timeout = 20})
  end)
  lu.assertEquals({struck, ok, result.stdout}, {true, true, "x\n"})
  lu.assertEquals(sleepers(), 0)
end

-- ---- Every call fails once ----

local Failing = case.suite "Failing"

-- `least` says that a call that fails may make the result lack something, but not be of another kind.
local function try_read(op, f)
  local faults, handles = {}, nil
  f()
  handles = test.handle_count()
  local strikes = failing.each_of(f, function(wish)
    local struck, ok, result = failing.call(wish, f)
    local fault = not ok and failing.wrong_with(result) or ok and result and type(result) ~= "table" and type(result) ~= "string"
    if fault then faults[#faults + 1] = ("win.%s, %s: %s"):format(op, wish, fault) end
    return struck
  end)
  lu.assertEquals(table.concat(faults, "\n"), "")
  lu.assertTrue(test.handle_count() - handles < 5, op .. ": handles left open")
  return strikes
end

function Failing.test_reads()
  local pid = sleeper()
  local strikes = 0
  for op, f in pairs {
    ["process.get"] = function()
      return process.get(pid, {command_line = true, user = true, usage = true, session_name = true, modules = true, window = true})
    end,
    ["process.modules"] = function() return process.modules(pid) end,
    ["process.command_line"] = function() return process.command_line(pid) end,
    ["process.handles"] = function() return (process.handles {name = "*http*", type = "file"}) end,
    ["process.find"] = function() return process.find "cmd" end,
  } do
    strikes = strikes + try_read(op, f)
  end
  lu.assertTrue(strikes > 30, strikes)
end

function Failing.test_run()
  local done = case.path "done"
  failing.write {
    op = "process.run", arguments = {{program = "cmd.exe", args = {"/c", "echo x> " .. done}, timeout = 20, stdin = "in"}},
    prepare = function() os.remove(done) end,
    snapshot = function() return lfs.attributes(done, "size") or "absent" end,
    undo = false,
  }
  lu.assertEquals(sleepers(), 0)
end
