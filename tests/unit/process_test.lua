-- win.process: raw reads and the raw stop, then behind the gate (engine/core/process.lua).
local lu = require "luaunit"
local case = require "case"
local fakecore = require "fakecore"
local failure, process = fakecore.failure, win.process

local DENIED, INVALID, NOT_FOUND = 5, 87, 1168

local function sleeper(words) return case.holder(words or {}) end

local function absent_pid()
  local used = {}
  for _, row in ipairs(process.list()) do used[row.pid] = true end
  local pid = 70000
  while used[pid] do pid = pid + 4 end
  return pid
end

local function assert_problem(code, target, f, ...)
  local text, problem = failure(f, ...)
  lu.assertEquals(problem.code, code, text)
  lu.assertEquals(problem.target, target, text)
  return problem
end

-- ---- Reads ----

local Read = case.suite "Read"

function Read.test_image()
  lu.assertEquals(process.image(test.pid()), process.get(test.pid()).path)
  for _, pid in ipairs {0, 0x7FFFFFFC} do lu.assertNil(process.image(pid)) end
end

function Read.test_list_has_this_process()
  local mine
  for _, row in ipairs(process.list()) do
    lu.assertEquals(math.type(row.pid), "integer")
    lu.assertIsString(row.name)
    if row.pid == test.pid() then mine = row end
  end
  lu.assertStrContains(mine.name, "p80-test")
  lu.assertStrContains(mine.path, mine.name)
  lu.assertEquals(lfs.attributes(mine.path, "mode"), "file")
  lu.assertTrue(mine.threads >= 1)
  lu.assertEquals(math.type(mine.session), "integer")
  lu.assertStrMatches(mine.started, "%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ")
  lu.assertEquals(os.date("!%Y-%m-%dT%H:%M:%SZ", mine.created // 10000000 - 11644473600), mine.started)
end

function Read.test_get_is_the_row_of_the_list()
  local row = process.get(test.pid())
  for _, other in ipairs(process.list()) do
    if other.pid == row.pid then
      row.threads, other.threads = nil, nil
      lu.assertEquals(row, other)
    end
  end
end

function Read.test_get_of_nothing_is_nil() lu.assertNil(process.get(absent_pid())) end

function Read.test_path_that_is_not_ascii()
  local path = case.path "Gr\u{F6}\u{DF}e \u{65E5}\u{672C} \u{1F600}.exe"
  case.write(path, case.read(test.bin .. "holder.exe"))
  local row = process.get(sleeper({program = path}):pid())
  lu.assertEquals(row.path, path)
  lu.assertEquals(row.parent, test.pid())
end

function Read.test_services()
  lu.assertEquals(process.services(test.pid()), {})
  lu.assertEquals(process.services(absent_pid()), {})
  case.service {name = "p80 \u{FC}nit"}
  lu.assertEquals(process.services(case.service_running "p80 \u{FC}nit"), {"p80 \u{FC}nit"})
end

function Read.test_no_handle_is_left_open()
  process.list()
  process.services(4)
  local before = test.handle_count()
  for _ = 1, 20 do
    process.list()
    process.get(test.pid())
    process.services(4)
    pcall(process.get, "x")
    pcall(process.stop, absent_pid())
  end
  lu.assertEquals(test.handle_count(), before)
end

function Read.test_bad_input()
  for _, f in ipairs {process.get, process.services, process.stop} do
    for _, pid in ipairs {-1, 2 ^ 32, 1.5, "80 ", "8", true, {}, 1 / 0, 0 / 0, math.mininteger} do
      assert_problem(INVALID, "pid", f, pid)
    end
    assert_problem(INVALID, "arguments", f)
    assert_problem(INVALID, "arguments", f, 1, 2, 3)
  end
  assert_problem(INVALID, "options", process.list, 1)
  assert_problem(INVALID, "arguments", process.list, {}, 1)
  lu.assertStrContains(assert_problem(INVALID, "usr", process.list, {usr = true}).hint, "user")
  assert_problem(INVALID, "window", process.get, 1, {window = 1})
end

-- ---- What options add ----

local Details = case.suite "Details"

local ALL = {command_line = true, user = true, usage = true, session_name = true, services = true, modules = true, window = true}

local function start(path, args, cwd)
  local child = test.start {path = path, args = args, cwd = cwd}
  case.later(function()
    child:kill()
    child:close()
  end)
  return child:pid()
end

-- A process, once it has loaded what it needs.
local function sleep_here(cwd)
  local pid = start(test.bin .. "echo.exe", {"--sleep", "60"}, cwd)
  case.wait("its modules", function()
    local readable, modules = pcall(process.modules, pid)
    return readable and #modules > 3
  end)
  return pid
end

function Details.test_all_of_them()
  local row = process.get(test.pid(), ALL)
  lu.assertStrContains(process.split(row.command_line)[2], "process_test.lua")
  lu.assertStrMatches(row.user, ".+\\.+")
  lu.assertStrMatches(row.sid, "S%-1%-5%-.+")
  lu.assertTrue(row.memory > 1 << 20 and row.peak_memory >= row.memory, row.memory)
  lu.assertEquals({math.type(row.private_memory), math.type(row.cpu)}, {"integer", "float"})
  lu.assertTrue(row.handles > 5 and row.cpu > 0)
  lu.assertEquals({row.services, row.status}, {{}, "unknown"})
  lu.assertEquals(row.modules[1].path, row.path)
  lu.assertTrue(#row.modules > 3)
end

function Details.test_list_has_the_same_as_get()
  local pid = sleep_here()
  local mine
  for _, row in ipairs(process.list(ALL)) do if row.pid == pid then mine = row end end
  local row = process.get(pid, ALL)
  for _, key in ipairs {"threads", "cpu", "handles", "memory", "peak_memory", "private_memory", "modules"} do row[key], mine[key] = nil, nil end
  lu.assertEquals(mine, row)
  lu.assertNil(process.get(pid).modules)
  lu.assertNil(process.get(pid).user)
end

function Details.test_services_of_rows()
  case.service {name = "p80 \u{FC}nit"}
  lu.assertEquals(process.get(case.service_running "p80 \u{FC}nit", {services = true}).services, {"p80 \u{FC}nit"})
end

function Details.test_command_lines()
  local words = {test.bin .. "echo.exe", "--sleep", "60", "\u{DC} \u{1F600}", ""}
  local pid = start(words[1], table.move(words, 2, #words, 1, {}))
  lu.assertEquals(process.split(process.command_line(pid)), words)
  lu.assertNil(process.command_line(absent_pid()))
end

function Details.test_modules()
  local modules = process.modules(sleep_here())
  lu.assertEquals({modules[1].name:lower(), modules[1].path:lower()}, {"echo.exe", (test.bin .. "echo.exe"):lower()})
  local names = {}
  for _, module in ipairs(modules) do
    names[module.name:lower()] = true
    lu.assertTrue(module.base > 0 and module.size > 0 and module.size % 4096 == 0)
  end
  lu.assertTrue(names["ntdll.dll"] and names["kernel32.dll"])
  lu.assertNil(process.modules(absent_pid()))
  for _, pid in ipairs {0, 4} do assert_problem(DENIED, tostring(pid), process.modules, pid) end
end

-- A program of the other architecture: from 64 bits all can be seen (but for the modules in Wine), from 32 nothing.
function Details.test_the_other_architecture()
  local is_64_bit = string.packsize "j" == 8 and string.packsize "T" == 8
  local folder = os.getenv "SystemRoot" .. (is_64_bit and "\\syswow64\\" or "\\sysnative\\")
  local pid = start(folder .. "cmd.exe", {"/k", "rem", "p80"})
  if is_64_bit then
    lu.assertStrContains(process.command_line(pid), "rem p80")
  else
    local hint = "use the 64-bit p80"
    lu.assertStrContains(assert_problem(299, tostring(pid), process.command_line, pid).hint, hint)
    lu.assertStrContains(assert_problem(299, tostring(pid), process.modules, pid).hint, hint)
    lu.assertNil(process.get(pid, {command_line = true, modules = true}).command_line)
  end
end

-- ---- Handles ----

local Handles = case.suite "Handles"

function Handles.test_who_has_a_folder_open()
  local folder = case.path "of\u{DC}en"
  lfs.mkdir(folder)
  local pid = sleep_here(folder)
  for _, options in ipairs {{name = folder .. "*"}, {name = "*\\OF\u{FC}EN*"}, {name = folder .. "*", type = "file", pid = pid}} do
    local rows, silent = process.handles(options)
    lu.assertEquals({#rows, silent}, {1, 0}, options.name)
    lu.assertEquals({rows[1].pid, rows[1].process, rows[1].type}, {pid, "echo.exe", "file"})
    lu.assertEquals(rows[1].name:gsub("\\$", ""), folder)
    lu.assertNotNil(rows[1].object:find [[^\Device\]] or rows[1].object:find [[^\%?%?\]], rows[1].object) -- Wine's are the latter
  end
  lu.assertEquals(process.handles {name = folder .. "x*"}, {})
  lu.assertEquals(process.handles {name = folder .. "*", type = "key"}, {})
end

function Handles.test_other_kinds_and_own()
  local file = assert(io.open(case.path "own", "w"))
  lu.assertEquals(process.handles {name = case.path "own"}, {})
  lu.assertEquals(#process.handles {name = case.path "own", pid = test.pid()}, 1)
  file:close()
  lu.assertEquals(process.handles {name = case.path "own", pid = test.pid()}, {})
  local keys = process.handles {type = "key", name = [[HKLM\*]]}
  lu.assertTrue(#keys > 0)
  for _, row in ipairs(keys) do
    lu.assertEquals({row.type, row.name:sub(1, 5)}, {"key", [[HKLM\]]})
    lu.assertStrMatches(row.object:lower(), [[\registry\machine\.*]])
  end
end

function Handles.test_no_handle_is_left_open_and_bad_input()
  local function all()
    process.handles {name = "*http*", type = "file"}
    process.list(ALL)
    process.modules(test.pid())
    process.command_line(test.pid())
    pcall(process.handles, {pid = "x"})
  end
  all()
  local before = test.handle_count()
  for _ = 1, 5 do all() end
  lu.assertEquals(test.handle_count(), before)
  assert_problem(INVALID, "arguments", process.handles)
  assert_problem(INVALID, "options", process.handles, "x")
  assert_problem(INVALID, "nme", process.handles, {nme = "x"})
  assert_problem(INVALID, "name", process.handles, {name = 5})
  assert_problem(INVALID, "pid", process.handles, {pid = -1})
  for _, f in ipairs {process.modules, process.command_line} do
    assert_problem(INVALID, "pid", f, "5")
    assert_problem(INVALID, "arguments", f)
  end
end

-- ---- The raw stop ----

local Stop = case.suite "Stop"

function Stop.test_ends_a_process()
  local child = sleeper()
  process.stop(child:pid(), {timeout = 5})
  lu.assertEquals(child:wait(5).code, 1)
  lu.assertNil(process.get(child:pid()))
end

function Stop.test_only_the_one_that_is_meant()
  local child = sleeper()
  local row = process.get(child:pid())
  local problem = assert_problem(NOT_FOUND, ("%d (%s)"):format(row.pid, row.name), process.stop, row.pid,
    {created = row.created - 1})
  lu.assertStrContains(problem.message, "another has its id now")
  lu.assertEquals(process.get(row.pid).created, row.created)
  process.stop(row.pid, {created = row.created})
  lu.assertNil(process.get(row.pid))
end

function Stop.test_never_windows_nor_p80_itself()
  for _, pid in ipairs {0, 4, test.pid()} do
    local text, problem = failure(process.stop, pid)
    lu.assertEquals(problem.code, DENIED, text)
    lu.assertStrContains(problem.hint, "itself")
  end
end

function Stop.test_bad_input()
  local pid = absent_pid()
  assert_problem(NOT_FOUND, tostring(pid), process.stop, pid)
  lu.assertStrContains(assert_problem(INVALID, "timout", process.stop, pid, {timout = 1}).hint, "timeout")
  for _, seconds in ipairs {-1, "1", 1e9, 0 / 0} do
    assert_problem(INVALID, "timeout", process.stop, pid, {timeout = seconds})
  end
  assert_problem(INVALID, "options", process.stop, pid, 5)
  assert_problem(INVALID, "options", process.stop, pid, {5})
end

-- ---- Behind the gate ----

local Gate = case.suite "Gate"

function Gate.test_stops_once_and_journals()
  local core = fakecore.open()
  local pid = sleeper():pid()
  lu.assertTrue(core.call("process.stop", pid))
  lu.assertNil(process.get(pid))
  lu.assertFalse(core.call("process.stop", pid))
  local change = core.gate.changes()[1]
  lu.assertEquals({change.kind, change.label, change.taken, change.undoable},
    {"process.state", ("%d (holder.exe)"):format(pid), true, false})
end

function Gate.test_only_the_one_that_is_meant()
  local core = fakecore.open()
  local row = process.get(sleeper():pid())
  lu.assertFalse(core.call("process.stop", row.pid, {created = row.created - 1}))
  lu.assertNotNil(process.get(row.pid))
  assert_problem(INVALID, "created", core.call, "process.stop", row.pid, {created = 0})
  lu.assertTrue(core.call("process.stop", row.pid, {created = row.created}))
  lu.assertNil(process.get(row.pid))
end

function Gate.test_by_name_and_with_children()
  local core, stopped = fakecore.open(), {}
  local child = sleeper()
  local name = process.get(child:pid()).name
  for _, row in ipairs(process.list()) do
    if row.parent == test.pid() and row.name == name then
      stopped[row.pid] = core.call("process.stop", row.pid, {created = row.created})
    end
  end
  lu.assertEquals(stopped[child:pid()], true)
  lu.assertNil(process.get(child:pid()))
end

function Gate.test_cannot_be_taken_back()
  local files = {}
  local core = fakecore.open {files = files}
  core.call("process.stop", sleeper():pid())
  core.finish()
  local report = fakecore.open({files = files}).undo.run(1)
  lu.assertEquals({report.steps[1].outcome, report.failed}, {"impossible", 1})
end

function Gate.test_needs_a_grant()
  local core = fakecore.open {options = {allow = {"process.state:1 (x.exe)", "scm.state"}}}
  local pid = sleeper():pid()
  assert_problem(core.code.P80_REFUSED, ("%d (holder.exe)"):format(pid), core.call, "process.stop", pid)
  lu.assertNotNil(process.get(pid))
end

function Gate.test_check_ends_nothing_but_shows_it_gone()
  local core = fakecore.open {options = {check = true}}
  case.service {name = "p80unit"}
  local pid = case.service_running "p80unit"
  lu.assertTrue(core.call("process.stop", pid))
  lu.assertFalse(core.call("process.stop", pid))
  lu.assertNil(core.call("process.get", pid))
  for _, row in ipairs(core.call "process.list") do lu.assertNotEquals(row.pid, pid) end
  lu.assertNotNil(process.get(pid))
  lu.assertEquals(core.call("process.services", pid), {"p80unit"})
  core.call("scm.stop", "p80unit")
  lu.assertEquals(core.call("process.services", pid), {})
  lu.assertIsNumber(case.service_running "p80unit")
end

function Gate.test_bad_input()
  local core = fakecore.open()
  for _, pid in ipairs {0, 4} do
    local problem = assert_problem(DENIED, process.get(pid) and ("%d (%s)"):format(pid, process.get(pid).name)
      or tostring(pid), core.call, "process.stop", pid)
    lu.assertEquals({problem.op, problem.hint}, {"process.stop", "this is Windows itself"})
  end
  for _, pid in ipairs {-1, 2 ^ 32, 1.5, "80", true, {}} do
    assert_problem(INVALID, "pid", core.call, "process.stop", pid)
  end
  assert_problem(INVALID, "arguments", core.call, "process.stop")
  assert_problem(INVALID, "arguments", core.call, "process.stop", 1, {}, 3)
  lu.assertStrContains(assert_problem(INVALID, "timout", core.call, "process.stop", 1, {timout = 1}).hint, "timeout")
  assert_problem(INVALID, "timeout", core.call, "process.stop", 1, {timeout = "1"})
end
