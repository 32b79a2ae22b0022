-- win.tcp on real sockets: the tables, who listens, and what a probe finds.
local lu = require "luaunit"
local case = require "case"
local tcp = win.tcp

local INVALID = 87
local PORT, OTHER = 18080, 18081

local function failure(f, ...)
  local ok, problem = pcall(f, ...)
  lu.assertFalse(ok)
  lu.assertIsTable(problem, tostring(problem))
  return problem
end

local function assert_invalid(target, f, ...)
  local problem = failure(f, ...)
  lu.assertEquals(problem.code, INVALID, tostring(problem))
  lu.assertEquals(problem.name, "ERROR_INVALID_PARAMETER")
  lu.assertEquals(problem.target, target, tostring(problem))
  lu.assertStrMatches(problem.op, "tcp%.%a+")
  return problem
end

local function listen(options)
  local socket, code = test.listen(options)
  lu.assertNotNil(socket, ("listening on %d: %s"):format(options.port, code))
  case.later(function() socket:close() end)
  return socket
end

-- The only row with that local port.
local function only(rows)
  lu.assertEquals(#rows, 1)
  return rows[1]
end

local List = case.suite "List"

function List.test_a_listener_of_each_family()
  listen {port = PORT}
  listen {port = PORT, family = 6, address = "loopback"}
  local rows = tcp.list {port = PORT}
  lu.assertEquals(#rows, 2)
  lu.assertEquals(rows[1], {
    family = "ipv4", local_address = "0.0.0.0", local_port = PORT, state = "listen", pid = rows[1].pid,
  })
  lu.assertEquals(rows[2], {
    family = "ipv6", local_address = "::1", local_port = PORT, state = "listen", pid = rows[2].pid,
  })
  lu.assertEquals(rows[1].pid, test.pid()) -- Wine does not know it for IPv6
  lu.assertEquals(math.type(rows[2].pid), "integer")
end

function List.test_the_family()
  listen {port = PORT}
  listen {port = PORT, family = 6}
  lu.assertEquals(only(tcp.list {port = PORT, family = 4}).family, "ipv4")
  lu.assertEquals(only(tcp.list {port = PORT, family = 6}).local_address, "::")
end

function List.test_both_ends_of_a_connection()
  local holder = case.holder {"--http", ("http://+:%d/"):format(PORT)}
  lu.assertStrContains(case.wait_http(PORT), "holder")
  local seen = {}
  for _, row in ipairs(tcp.list {family = 4}) do
    if row.state ~= "listen" then
      lu.assertEquals(row.local_address, "127.0.0.1")
      lu.assertEquals(row.remote_address, "127.0.0.1")
      seen[row.state] = true
      lu.assertTrue(row.local_port == PORT or row.remote_port == PORT)
    else
      lu.assertNil(row.remote_address)
      lu.assertNil(row.remote_port)
    end
  end
  lu.assertNotNil(next(seen), "no row of the connection just closed")
  holder:close()
end

function List.test_states()
  listen {port = PORT}
  local all, listening = tcp.list(), tcp.list {state = "listen"}
  local n = 0
  for _, row in ipairs(all) do n = n + (row.state == "listen" and 1 or 0) end
  lu.assertEquals(#listening, n)
  lu.assertEquals(tcp.list {state = "syn_sent"}, {})
  lu.assertEquals(only(tcp.list {state = "listen", port = PORT}).state, "listen")
end

function List.test_nothing_there() lu.assertEquals(tcp.list {port = OTHER}, {}) end

function List.test_the_collector_runs_again()
  tcp.list()
  lu.assertTrue(collectgarbage "isrunning")
  collectgarbage "stop"
  tcp.list()
  local running = collectgarbage "isrunning"
  collectgarbage "restart"
  lu.assertFalse(running)
end

function List.test_bad_input()
  assert_invalid("options", tcp.list, 80)
  assert_invalid("options", tcp.list, {80})
  assert_invalid("arguments", tcp.list, {}, {})
  for _, port in ipairs {0, 65536, 1.5, -1, "80 ", "80", true, math.huge, 2 ^ 53} do
    assert_invalid("port", tcp.list, {port = port})
  end
  for _, family in ipairs {5, 0, 46, "4", "ipv4", 4.5} do assert_invalid("family", tcp.list, {family = family}) end
  for _, state in ipairs {"", "Listen", "listening", "unknown", 2, "listen\0"} do
    assert_invalid("state", tcp.list, {state = state})
  end
  lu.assertEquals(assert_invalid("prot", tcp.list, {prot = 1}).hint, "did you mean 'port'?")
  assert_invalid("port", tcp.list, {["port\0"] = 1})
  lu.assertEquals(assert_invalid("fmaily", tcp.list, {fmaily = 4}).hint, "did you mean 'family'?")
end

local Listeners = case.suite "Listeners"

function Listeners.test_a_program()
  listen {port = PORT}
  local row = only(tcp.listeners(PORT))
  lu.assertEquals(row.pid, test.pid())
  lu.assertStrContains(row.process, "p80-test")
  lu.assertStrContains(row.path, row.process)
  lu.assertEquals(row.services, {})
  lu.assertFalse(row.kernel)
end

function Listeners.test_the_kernel()
  case.holder {"--http", ("http://+:%d/"):format(PORT)}
  lu.assertTrue(only(tcp.listeners(PORT)).kernel)
end

function Listeners.test_a_service()
  case.service {name = "P80 Dienst Ü", args = {"--tcp", tostring(PORT)}}
  case.wait("its listener", function() return tcp.list {port = PORT}[1] end)
  local row = only(tcp.listeners(PORT))
  lu.assertEquals(row.process, "holder.exe")
  lu.assertEquals(row.services, {"P80 Dienst Ü"})
  lu.assertEquals(row.pid, select(2, test.service_state "P80 Dienst Ü"))
end

function Listeners.test_all()
  listen {port = PORT}
  listen {port = OTHER}
  local ports = {}
  for _, row in ipairs(tcp.listeners()) do
    lu.assertEquals(row.state, "listen")
    ports[row.local_port] = row
  end
  lu.assertNotNil(ports[PORT])
  lu.assertFalse(rawequal(ports[PORT].services, ports[OTHER].services))
end

function Listeners.test_bad_input()
  for _, port in ipairs {0, 65536, 1.5, "80 ", {}, false} do assert_invalid("port", tcp.listeners, port) end
  assert_invalid("options", tcp.listeners, 80, 81)
  assert_invalid("family", tcp.listeners, 80, {family = 5})
  assert_invalid("arguments", tcp.listeners, 80, {}, 81)
end

function Listeners.test_owners()
  lu.assertEquals(tcp.owners {}, {})
  local owners = tcp.owners {test.pid(), test.pid(), 0}
  lu.assertStrContains(owners[test.pid()].process, "p80-test")
  lu.assertEquals(owners[0].services, {})
  assert_invalid("pids", tcp.owners, 4)
  assert_invalid("pids", tcp.owners, {"4"})
  assert_invalid("pids", tcp.owners)
end

local Probe = case.suite "Probe"

local FREE = {free = true, reason = "free", code = 0}

function Probe.test_a_free_port()
  case.wait("what an earlier test held", function() return tcp.probe(PORT).free end)
  for _ = 1, 3 do lu.assertEquals(tcp.probe(PORT), {free = true, ipv4 = FREE, ipv6 = FREE}) end
end

function Probe.test_each_family_by_itself()
  local socket = listen {port = PORT}
  local result = tcp.probe(PORT)
  lu.assertFalse(result.free)
  lu.assertEquals(result.ipv4.reason, "in_use")
  lu.assertFalse(result.ipv4.free)
  lu.assertEquals(result.ipv6, FREE)
  socket:close()
  listen {port = PORT, family = 6}
  result = tcp.probe(PORT)
  lu.assertFalse(result.free)
  lu.assertEquals(result.ipv4, FREE)
  lu.assertEquals(result.ipv6.reason, "in_use")
end

function Probe.test_how_the_port_is_held()
  for _, how in ipairs {{}, {reuse = true}, {exclusive = true}, {address = "loopback"}} do
    how.port = PORT
    local socket = listen(how)
    lu.assertEquals(tcp.probe(PORT).ipv4.reason, "in_use")
    socket:close()
    lu.assertEquals(tcp.probe(PORT).ipv4.reason, "free")
  end
end

function Probe.test_as_a_server_that_shares()
  lu.assertEquals(tcp.probe(PORT, {exclusive = false}), {free = true, ipv4 = FREE, ipv6 = FREE})
  listen {port = PORT}
  lu.assertEquals(tcp.probe(PORT, {exclusive = false}).ipv4.reason, "in_use")
end

function Probe.test_http_sys()
  local holder = case.holder {"--http", ("http://+:%d/"):format(PORT)}
  lu.assertEquals(tcp.probe(PORT).ipv4.reason, "in_use")
  lu.assertEquals(tcp.probe(PORT).ipv4.code, 10013)
  holder:close()
  case.wait("the port", function() return tcp.probe(PORT).free end)
end

function Probe.test_nothing_stays_open()
  tcp.probe(PORT)
  local before = test.handle_count()
  for _ = 1, 50 do tcp.probe(PORT) end
  lu.assertTrue(test.handle_count() - before < 10)
  lu.assertEquals(tcp.list {port = PORT}, {})
end

function Probe.test_bad_input()
  for _, port in ipairs {0, 65536, 1.5, "80 ", "80", {}, 1 << 32} do assert_invalid("port", tcp.probe, port) end
  assert_invalid("arguments", tcp.probe)
  assert_invalid("arguments", tcp.probe, 80, {}, 1)
  assert_invalid("options", tcp.probe, 80, 81)
  assert_invalid("exclusive", tcp.probe, 80, {exclusive = 1})
  assert_invalid("exclusiv", tcp.probe, 80, {exclusiv = false})
end
