-- build: shim
-- win.tcp.close behind the gate, and owner modules: Wine only pretends the one and lacks the other, so that both are on
-- shims (tests/shims/tcp_table.c, modules.c); that close does not believe Wine is tested with Wine.
local lu = require "luaunit"
local case = require "case"
local failing = require "failing"
local fakecore = require "fakecore"

local PORT = 18080
local ACCESS_DENIED, NOT_SUPPORTED, INVALID, REFUSED, NOT_TAKEN = 5, 50, 87, 0x20000004, 0x20000001

local function set(variable, value)
  test.setenv(variable, value)
  case.later(function() test.setenv(variable, nil) end)
end

local function close(core, ...) return core.call("tcp.close", ...) end

local function assert_problem(code, target, f, ...)
  local text, problem = fakecore.failure(f, ...)
  lu.assertEquals({problem.code, problem.op, problem.target}, {code, "tcp.close", target}, text)
  return problem
end

-- The client's row of a new connection.
local function connection()
  local listener = assert(test.listen {port = PORT})
  local client = assert(test.connect(PORT))
  case.later(function() client:close() listener:close() end)
  for _, row in ipairs(win.tcp.list()) do
    if row.remote_port == PORT and row.state == "established" then return row end
  end
  lu.fail "no connection"
end

local function ends(row)
  return ("%s:%d"):format(row.local_address, row.local_port), ("%s:%d"):format(row.remote_address, row.remote_port)
end

local function is_there(row)
  for _, found in ipairs(win.tcp.list {port = row.local_port}) do
    if found.remote_port == row.remote_port then return true end
  end
  return false
end

local Close = case.suite "Close"

function Close.test_it_is_gone_and_stays_so()
  set("P80_SHIM_TCP_CLOSE", "1")
  local row = connection()
  local core = fakecore.open()
  lu.assertEquals({close(core, row), is_there(row), close(core, row)}, {true, false, false})
  local change = core.gate.changes()[1]
  lu.assertEquals({change.kind, change.undoable, change.before.state}, {"tcp.connection", false, "established"})
  local from, to = ends(row)
  lu.assertEquals(change.label, from .. "-" .. to)
  core.finish()
end

function Close.test_by_its_two_ends()
  set("P80_SHIM_TCP_CLOSE", "1")
  local from, to = ends(connection())
  local core = fakecore.open()
  lu.assertEquals({close(core, to, from), close(core, from, to)}, {true, false}) -- the server's end goes with it
  lu.assertFalse(close(core, "127.0.0.1:1", "127.0.0.1:2", {timeout = 1}))
end

function Close.test_another_process_has_another_connection()
  set("P80_SHIM_TCP_CLOSE", "1")
  local row = connection()
  for _, found in ipairs(win.tcp.list {port = row.local_port}) do row = found end
  if row.pid == 0 then return end -- Wine did not know
  row.pid = row.pid + 4
  lu.assertEquals({close(fakecore.open(), row), is_there(row)}, {false, true})
end

function Close.test_check_changes_nothing_and_shows_the_plan()
  set("P80_SHIM_TCP_CLOSE", "1")
  local row = connection()
  local core = fakecore.open {options = {check = true}}
  lu.assertEquals({close(core, row), close(core, row), is_there(row)}, {true, false, true})
  for _, found in ipairs(core.call "tcp.list") do
    lu.assertFalse(found.local_port == row.local_port and found.remote_port == row.remote_port)
  end
end

function Close.test_it_cannot_be_taken_back()
  set("P80_SHIM_TCP_CLOSE", "1")
  local files = {}
  local core = fakecore.open {files = files}
  close(core, connection())
  core.finish()
  local report = fakecore.open({files = files}).undo.run(1)
  lu.assertEquals(report.failed, 1)
end

function Close.test_without_a_grant()
  set("P80_SHIM_TCP_CLOSE", "1")
  local row = connection()
  local from, to = ends(row)
  assert_problem(REFUSED, from .. "-" .. to, close, fakecore.open {options = {allow = {}}}, row)
  lu.assertTrue(is_there(row))
  lu.assertTrue(close(fakecore.open {options = {allow = {"tcp.connection:127.0.0.1:*"}}}, row))
end

function Close.test_without_rights()
  set("P80_SHIM_TCP_CLOSE", "1")
  set("P80_SHIM_UNELEVATED", "1")
  local row = connection()
  local problem = assert_problem(ACCESS_DENIED, row.remote_address, close, fakecore.open(), row)
  lu.assertStrContains(tostring(problem), "elevated")
  lu.assertTrue(is_there(row))
end

-- Wine's own SetTcpEntry reports success and does nothing.
function Close.test_it_looks_again()
  local row = connection()
  local from, to = ends(row)
  local core = fakecore.open()
  assert_problem(NOT_TAKEN, from .. "-" .. to, close, core, row, {timeout = 0.05})
  lu.assertEquals(#core.gate.changes(), 0)
end

function Close.test_bad_input()
  local core = fakecore.open()
  local row = {local_address = "127.0.0.1", local_port = 1, remote_address = "127.0.0.1", remote_port = 2}
  local function with(key, value)
    local changed = {}
    for k, v in pairs(row) do changed[k] = v end
    changed[key] = value
    return changed
  end
  lu.assertFalse(close(core, row))
  for _, bad in ipairs {0, 65536, 1.5, "1", false} do
    assert_problem(INVALID, "local_port", close, core, with("local_port", bad))
    assert_problem(INVALID, "remote_port", close, core, with("remote_port", bad))
  end
  for _, bad in ipairs {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "localhost", "1.2.3.4\0", 7} do
    assert_problem(INVALID, "remote_address", close, core, with("remote_address", bad))
  end
  assert_problem(INVALID, "remote_address", close, core, {local_address = "127.0.0.1", local_port = 1}) -- a listener
  assert_problem(INVALID, "pid", close, core, with("pid", "4"))
  assert_problem(NOT_SUPPORTED, "::1", close, core, with("remote_address", "::1"))
  assert_problem(NOT_SUPPORTED, "[::1]", close, core, "[::1]:80", "[::1]:81")
  for _, bad in ipairs {"", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:080080", 80, false} do
    assert_problem(INVALID, "remote", close, core, "127.0.0.1:1", bad)
  end
  assert_problem(INVALID, "arguments", close, core)
  assert_problem(INVALID, "arguments", close, core, row, {}, {})
  assert_problem(INVALID, "arguments", close, core, "127.0.0.1:1")
  assert_problem(INVALID, "timeout", close, core, row, {timeout = "1"})
  lu.assertEquals(assert_problem(INVALID, "timout", close, core, row, {timout = 1}).hint, "did you mean 'timeout'?")
end

function Close.test_every_call_fails_once()
  set("P80_SHIM_TCP_CLOSE", "1")
  local row = connection()
  failing.write({
    op = "tcp.close", arguments = {row, {timeout = 0.1}}, undo = false, least = 4,
    prepare = function() win.reg.delete([[HKLM\SYSTEM\p80-test\closed]], nil, {tree = true}) end,
    snapshot = function() return is_there(row) end,
  }, {"SetTcpEntry", "GetExtendedTcpTable"})
end

local Modules = case.suite "Modules"

-- Windows' own rows of both families and protocols.
local function rows_with_modules()
  for _, family in ipairs {4, 6} do
    for _, udp in ipairs {false, true} do
      local socket = assert(test.listen {port = PORT, family = family, udp = udp})
      case.later(function() socket:close() end)
    end
  end
  return win.tcp.list {port = PORT, module = true}, win.udp.list {port = PORT, module = true}
end

function Modules.test_known()
  set("P80_SHIM_MODULES", "1")
  local own = win.process.get(test.pid())
  local tcp, udp = rows_with_modules()
  lu.assertEquals({#tcp, #udp}, {2, 2})
  for _, row in ipairs {tcp[1], udp[1]} do
    lu.assertEquals({row.pid, row.module, row.module_path}, {test.pid(), own.name, own.path})
    lu.assertEquals(row.created, own.started)
  end
  for _, row in ipairs {tcp[2], udp[2]} do -- Wine does not know whose they are
    lu.assertEquals({row.pid == test.pid(), row.module}, row.pid == test.pid() and {true, own.name} or {false, nil})
  end
end

function Modules.test_a_call_for_each_row_only_when_asked()
  set("P80_SHIM_MODULES", "1")
  rows_with_modules()
  set("P80_SHIM_FAIL", "GetOwnerModuleFromTcpEntry:1+:8")
  lu.assertEquals(#win.tcp.list {port = PORT, family = 4}, 1)
  local _, problem = fakecore.failure(win.tcp.list, {port = PORT, module = true})
  lu.assertEquals({problem.code, problem.op}, {8, "tcp.list"})
  test.setenv("P80_SHIM_FAIL", "GetOwnerModuleFromTcpEntry:1+:5") -- another user's
  lu.assertNil(win.tcp.list({port = PORT, module = true, family = 4})[1].module)
end
