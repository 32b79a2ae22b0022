-- build: shim
-- hardened only: its allocator can be told which allocation fails
-- Each allocation of a call fails once (of the longest calls some dozen, spread over all): no crash, nothing left
-- open, and of a write no half-change: what it changed can be taken back.
local lu = require "luaunit"
local case = require "case"
local failing = require "failing"
local fakecom = require "fakecom"
local fakecore = require "fakecore"
local same = failing.same

local MOST, MOST_OF_WRITE = 60, 20 -- failures of one call

-- Calls f() while its n-th allocation fails -> ok, result or error.
local function starve(n, f)
  test.fail_allocation(n)
  local ok, result = pcall(f)
  test.fail_allocation(0)
  return ok, result
end

local function allocations_of(f)
  local before = test.allocations()
  f()
  return test.allocations() - before
end

-- Numbers from 1 to `count`: all, or `most` of them.
local function spread(count, most)
  local step = math.max(1, count / most)
  local n = 1 - step
  return function()
    n = n + step
    if n <= count then return math.floor(n) end
  end
end

local function is_about_memory(problem)
  local text = tostring(problem)
  return text:find("memory", 1, true) ~= nil or type(problem) == "table"
end

-- ---- Reads ----

local KEY = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP]]
local SDDL = "O:BAG:SYD:PAI(A;OICI;FA;;;BA)(D;;0x1234;;;WD)S:(AU;SAFA;GA;;;WD)"

local EVERY_DETAIL = {command_line = true, user = true, usage = true, session_name = true, services = true, modules = true, window = true}

local READS = {
  {"host.info", win.host.info}, {"tcp.list", win.tcp.list}, {"tcp.listeners", win.tcp.listeners}, {"udp.list", win.udp.list, {module = true}}, {"udp.listeners", win.udp.listeners}, {"tcp.probe", win.tcp.probe, 80},
  {"process.list", win.process.list}, {"process.get", win.process.get, test.pid()}, {"process.services", win.process.services, test.pid()},
  {"scm.list", win.scm.list}, {"scm.get", win.scm.get, "HTTP"}, {"scm.wait", win.scm.wait, "HTTP", "stopped"},
  {"scm.details", win.scm.details, "Spooler"}, {"scm.security", win.scm.security, "Spooler"}, {"scm.dependents", win.scm.dependents, "RpcSs"},
  {"reg.get", win.reg.get, KEY, "ImagePath"}, {"reg.keys", win.reg.keys, KEY}, {"reg.values", win.reg.values, KEY},
  {"reg.tree", win.reg.tree, KEY}, {"reg.info", win.reg.info, KEY}, {"reg.exists", win.reg.exists, KEY},
  {"reg.security", win.reg.security, KEY}, {"reg.export", win.reg.export, KEY}, {"reg.keys", win.reg.keys, "\\\\" .. win.host.name() .. "\\" .. KEY},
  {"reg.watch", function()
    for _ in win.reg.watch(KEY, {timeout = 0}) do end
  end},
  {"http.holders", win.http.holders}, {"http.state", win.http.state}, {"http.iplisten.list", win.http.iplisten.list},
  {"http.urlacl.list", win.http.urlacl.list}, {"http.urlacl.users", win.http.urlacl.users, "D:(A;;GX;;;NS)"},
  {"http.sslcert.list", win.http.sslcert.list}, {"http.parameters.get", win.http.parameters.get, "MaxFieldLength"},
  {"account.get", win.account.get, "Administrators"}, {"account.current", win.account.current},
  {"account.describe", win.account.describe, SDDL}, {"file.read", win.file.read, [[C:\windows\win.ini]]},
  {"file.final", win.file.final, [[C:\windows\win.ini]]},
  {"event.read", win.event.read, "Application"}, {"event.logs", win.event.logs},
  {"tcp.list_with_modules", win.tcp.list, {module = true}}, {"udp.list", win.udp.list}, {"http.timeout.list", win.http.timeout.list},
  {"http.server", win.http.server, 80}, {"process.list_with_details", win.process.list, EVERY_DETAIL},
  {"process.command_line", win.process.command_line, test.pid()}, {"process.modules", win.process.modules, test.pid()},
  {"process.handles", win.process.handles, {pid = test.pid(), type = "mutant"}}, {"process.find", win.process.find, "cmd", {search = true}},
  {"process.environment", win.process.environment}, {"process.split", win.process.split, [["a b" c\"d e]]},
  {"process.join", win.process.join, {"a b", 'c"d'}}, {"driver.list", win.driver.list}, {"feature.list", win.feature.list},
  {"driver.inspect", win.driver.inspect, [[C:\windows\system32\drivers\http.sys]]}, {"scm.details", win.scm.details, "HTTP"},
  {"scm.security", win.scm.security, "HTTP"}, {"scm.dependents", win.scm.dependents, "HTTP"}, {"reg.find", win.reg.find, KEY, "http"},
  {"reg.compare", win.reg.compare, KEY, KEY .. "\\Parameters"},
  {"task.list", win.task.list}, {"task.get", win.task.get, [[p80\memory]]}, {"scm.name_of", win.scm.name_of, "Spooler"},
}

local TASK <const> = [[<Task><RegistrationInfo></RegistrationInfo><Triggers><LogonTrigger/></Triggers><Principals><Principal>
<UserId>S-1-5-18</UserId></Principal></Principals><Actions><Exec><Command>cmd.exe</Command></Exec></Actions></Task>]]

local function begin_tasks()
  fakecom.clear()
  fakecom.register("task", "fake-task")
end

local function end_tasks()
  lu.assertEquals(fakecom.count "LIVE", 0, "objects left")
  fakecom.clear()
  fakecom.register("task", [[C:\windows\system32\taskschd.dll]])
end

TestReads = {}

function TestReads:setUp()
  test.setenv("P80_SHIM_EVENTS", "1")
  begin_tasks()
  win.task.create([[\p80\memory]], {xml = TASK, logon = 5})
end

function TestReads:tearDown()
  test.setenv("P80_SHIM_EVENTS", nil)
  end_tasks()
end

for _, read in ipairs(READS) do
  TestReads["test_" .. read[1]] = function()
    local function call() return read[2](table.unpack(read, 3)) end
    call()
    local count = allocations_of(call)
    local failures, handles = 0, test.handle_count()
    for n in spread(count, MOST) do
      local ok, problem = starve(n, call)
      if not ok then
        failures = failures + 1
        lu.assertTrue(is_about_memory(problem), tostring(problem))
      end
    end
    collectgarbage()
    collectgarbage()
    lu.assertTrue(failures > 0, "no allocation mattered")
    lu.assertTrue(test.handle_count() - handles < 5, "handles left open")
  end
end

-- ---- Writes ----

local ROOT, FILE, URL = [[HKLM\SOFTWARE\p80-memory]], [[C:\p80-memory.txt]], "http://+:8123/memory/"
local SERVICE, NEW, HOLDER = "p80-memory", "p80-memory-new", '"' .. test.bin .. 'holder.exe" --service'

local function prepare_services()
  if win.scm.get(NEW) then win.scm.delete(NEW) end
  if not win.scm.get(SERVICE) then win.scm.create(SERVICE, {path = HOLDER}) end
  if win.scm.status(SERVICE).state ~= "stopped" then
    win.scm.stop(SERVICE)
    win.scm.wait(SERVICE, "stopped")
  end
  win.scm.config(SERVICE, {start = "demand", description = "old", display_name = "old"})
end

local function services()
  local state = {}
  for _, name in ipairs {SERVICE, NEW} do
    local record = win.scm.get(name)
    if record then record.pid = nil end
    state[name] = record and {record, win.scm.details(name)}
  end
  return state
end

local function tasks() return {win.task.get [[\p80\memory]] or "none", win.task.get [[\p80\new]] or "none"} end

local function prepare()
  win.reg.delete(ROOT, nil, {tree = true})
  win.reg.create(ROOT)
  win.reg.create(ROOT .. "\\in")
  win.reg.create(ROOT .. "\\in\\it")
  win.reg.set(ROOT .. "\\in\\it", "v", "old", {type = "sz"})
  win.reg.set_security(ROOT, "D:(A;;KA;;;BA)")
  win.file.write(FILE, "old")
  pcall(win.http.urlacl.delete, URL)
  pcall(win.http.iplisten.delete, "127.0.0.1")
  pcall(win.http.timeout.delete, 3, 0, "idle_connection")
  pcall(win.http.sslcert.delete, "ccs", {port = 8123}, "ccs=8123")
  prepare_services()
  win.task.create([[\p80\memory]], {xml = TASK, logon = 5})
  if win.task.get [[\p80\new]] then win.task.delete [[\p80\new]] end
end

local WRITES = {
  {"reg.set", {ROOT .. "\\new\\key", "v", "text"}, function() return win.reg.tree(ROOT) end},
  {"reg.delete", {ROOT .. "\\in", nil, {tree = true}, n = 3}, function() return win.reg.tree(ROOT) end},
  {"reg.set_security", {ROOT, "D:P(A;;KA;;;SY)(A;;KA;;;BA)"}, function() return win.reg.security(ROOT) end},
  {"reg.import", {"REGEDIT4\n[" .. ROOT .. "\\new]\n@=\"x\"\n"}, function() return win.reg.tree(ROOT) end},
  {"reg.copy", {ROOT .. "\\in", ROOT .. "\\copy"}, function() return win.reg.tree(ROOT) end},
  {"file.write", {FILE, "new"}, function() return {win.file.read(FILE)} end},
  {"http.urlacl.add", {URL, {user = "S-1-5-20"}}, function() return win.http.urlacl.list() end},
  {"http.iplisten.add", {"127.0.0.1"}, function() return win.http.iplisten.list() end},
  {"http.timeout.set", {"idle_connection", 5}, function() return {(win.http.timeout.list())} end},
  {"http.sslcert.add", {"ccs=8123", {appid = "{4dc3e181-e14b-4a21-b022-59fc669b0914}"}}, function() return win.http.sslcert.list() end},
  {"scm.create", {NEW, {path = HOLDER, description = "x", password = "secret", account = [[.\u]]}}, services},
  {"scm.config", {SERVICE, {start = "disabled", display_name = "new", description = "new"}}, services},
  {"scm.delete", {SERVICE}, services}, {"scm.start", {SERVICE}, services},
  {"task.create", {[[\p80\new]], {program = "cmd.exe", at = "startup"}}, tasks},
  {"task.delete", {[[\p80\memory]]}, tasks},
}

TestWrites = {}

function TestWrites:setUp()
  test.setenv("P80_SHIM_HTTP_CONFIG", "1")
  begin_tasks()
  if not win.http.is_running() then case.holder {"--http", "http://+:18080/"} end -- starts it
end

function TestWrites:tearDown()
  prepare()
  win.scm.delete(SERVICE)
  end_tasks()
  win.reg.delete(ROOT, nil, {tree = true})
  os.remove(FILE)
  test.setenv("P80_SHIM_HTTP_CONFIG", nil)
end

for _, write in ipairs(WRITES) do
  local op, arguments, snapshot = table.unpack(write)
  TestWrites["test_" .. op] = function()
    local function try(n)
      prepare()
      local files, before = {}, snapshot()
      local core = fakecore.open {files = files, script = {name = "memory", kind = "code"}}
      local function call() return core.call(op, table.unpack(arguments, 1, arguments.n)) end
      if not n then return allocations_of(call) end
      local ok, problem = starve(n, call)
      if not ok then lu.assertTrue(is_about_memory(problem), tostring(problem)) end
      pcall(core.finish, nil, not ok and problem or nil)
      if same(snapshot(), before) then return ok and lu.fail "success without the effect" end
      local report = fakecore.open({files = files, script = {name = "memory", kind = "code"}}).undo.run()
      lu.assertEquals(report.failed, 0, ("allocation %d: %s"):format(n, report.steps[1] and report.steps[1].reason))
      lu.assertTrue(same(snapshot(), before), ("allocation %d: undo did not restore it"):format(n))
    end
    for n in spread(try(), MOST_OF_WRITE) do try(n) end
  end
end
