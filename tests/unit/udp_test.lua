-- win.udp on real sockets, and win.tcp.watch, whose Lua half it shares.
local lu = require "luaunit"
local case = require "case"
local tcp, udp = win.tcp, win.udp

local PORT, OTHER = 18080, 18081

local function open(options)
  local socket, code = test.listen(options)
  lu.assertNotNil(socket, ("port %d: %s"):format(options.port, code))
  case.later(function() socket:close() end)
  return socket
end

local function assert_invalid(target, f, ...)
  local ok, problem = pcall(f, ...)
  lu.assertFalse(ok)
  lu.assertEquals({problem.code, problem.target}, {87, target}, tostring(problem))
  return problem
end

local List = case.suite "List"

function List.test_both_families()
  open {port = PORT, udp = true}
  open {port = PORT, udp = true, family = 6, address = "loopback"}
  open {port = PORT} -- TCP's ports are others
  local rows = udp.list {port = PORT}
  lu.assertEquals(#rows, 2)
  lu.assertEquals(rows[1], {family = "ipv4", local_address = "0.0.0.0", local_port = PORT, pid = test.pid()})
  lu.assertEquals(rows[2], {family = "ipv6", local_address = "::1", local_port = PORT, pid = rows[2].pid})
  lu.assertEquals(#udp.list {port = PORT, family = 4}, 1)
  lu.assertEquals(udp.list({port = PORT, family = 6})[1].family, "ipv6")
  lu.assertEquals(udp.list {port = OTHER}, {})
  lu.assertEquals(#tcp.list {port = PORT}, 1)
end

-- Wine knows neither modules nor when endpoints were made.
function List.test_modules_are_asked_for()
  open {port = PORT, udp = true}
  lu.assertEquals(udp.list {port = PORT, module = true}, udp.list {port = PORT})
  open {port = PORT}
  lu.assertEquals(tcp.list {port = PORT, module = true}, tcp.list {port = PORT})
  lu.assertEquals(tcp.listeners(PORT, {module = true, family = 4}), tcp.listeners(PORT))
end

function List.test_a_service()
  case.service {name = "P80 Dienst Ü", args = {"--udp", tostring(PORT)}}
  case.wait("its socket", function() return udp.list {port = PORT}[1] end)
  local rows = udp.listeners(PORT)
  lu.assertEquals(#rows, 1)
  lu.assertEquals({rows[1].process, rows[1].services, rows[1].kernel}, {"holder.exe", {"P80 Dienst Ü"}, false})
end

function List.test_bad_input()
  for _, port in ipairs {0, 65536, 1.5, "80 ", true} do
    assert_invalid("port", udp.list, {port = port})
    assert_invalid("port", udp.listeners, port)
    assert_invalid("port", udp.watch, {port = port})
  end
  lu.assertEquals(assert_invalid("modul", udp.list, {modul = true}).hint, "did you mean 'module'?")
  lu.assertEquals(assert_invalid("intervall", udp.watch, {intervall = 1}).hint, "did you mean 'interval'?")
  assert_invalid("state", udp.list, {state = "listen"})
  assert_invalid("module", udp.list, {module = 1})
  assert_invalid("family", udp.list, {family = 5})
  assert_invalid("arguments", udp.list, {}, {})
  assert_invalid("interval", tcp.watch, {interval = 0})
  assert_invalid("timeout", tcp.watch, {timeout = -1})
  assert_invalid("options", tcp.watch, 80)
  assert_invalid("arguments", tcp.watch, {}, 1)
end

local Watch = case.suite "Watch"

local function watches(subject, options)
  local known = open(options)
  local next_event = subject.watch {port = PORT, interval = 0.02, timeout = 20}
  local socket = open {port = PORT, family = 6, udp = options.udp}
  local appeared = next_event()
  lu.assertEquals({appeared.event, appeared.listener.family}, {"appeared", "ipv6"})
  lu.assertIsTable(appeared.listener.services)
  socket:close()
  known:close()
  local first, second = next_event(), next_event()
  if first.listener.family == "ipv6" then first, second = second, first end -- by now they may go in two looks
  lu.assertEquals({first.event, second.event}, {"gone", "gone"})
  lu.assertEquals({first.listener.family, first.listener.process ~= nil}, {"ipv4", true})
  lu.assertEquals(second.listener, appeared.listener)
end

function Watch.test_tcp() watches(tcp, {port = PORT}) end
function Watch.test_udp() watches(udp, {port = PORT, udp = true}) end

function Watch.test_it_ends()
  open {port = PORT}
  open {port = OTHER, udp = true}
  for subject in pairs {[tcp] = 1, [udp] = 1} do
    for change in subject.watch {interval = 0.02, timeout = 0.1} do lu.fail(change.event) end
  end
  local next_event = tcp.watch {timeout = 0}
  lu.assertNil(next_event())
  lu.assertNil(next_event())
end

-- Another port does not wake it.
function Watch.test_only_the_port()
  local next_event = tcp.watch {port = PORT, interval = 0.02, timeout = 0.1}
  open {port = OTHER}
  lu.assertNil(next_event())
end
