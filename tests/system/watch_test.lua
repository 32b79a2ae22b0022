-- build: shim
-- arch: x64
-- watch.lua on real sockets and services; the event log is the shim's. Ctrl-C is in terminal.py.
local lu = require "luaunit"
local case = require "case"
local json = require "dkjson"

local T = case.suite "Watch"

local function start(words, env)
  local call = {"watch", "--format", "jsonl", env = env}
  table.move(words, 1, #words, #call + 1, call)
  local process = test.start(case.command(call))
  case.later(function() process:close() end)
  return process
end

local function changes(process)
  local list = {}
  for line in process:output():gmatch "([^\r\n]+)\r?\n" do list[#list + 1] = assert(json.decode(line)) end
  return list
end

-- Waits for a change with these fields.
local function await(process, event, protocol, port)
  return case.wait(("%s %s %s"):format(event, protocol, port), function()
    for _, change in ipairs(changes(process)) do
      if change.event == event and change.protocol == protocol and change.port == port then return change end
    end
  end)
end

function T:test_who_comes_and_goes()
  case.holder {"--tcp", "8107"}
  local watch = start {"--interval", "0.1"}
  case.wait("the first look", function() return changes(watch)[1] end)
  case.service {name = "Web", args = {"--http", "http://+:80/"}}
  local web = await(watch, "appeared", "tcp", 80)
  lu.assertEquals({web.services, web.addresses}, {{"Web"}, {"0.0.0.0"}})
  lu.assertStrMatches(web.process, "HTTP.SYS for holder.exe %(%d+%)")
  lu.assertStrMatches(web.time, "%d+%-%d+%-%d+T%d+:%d+:%d+Z")
  local holder, udp = case.holder {"--tcp", "8106"}, case.holder {"--udp", "5354"}
  lu.assertEquals({await(watch, "appeared", "tcp", 8106).pid, await(watch, "appeared", "udp", 5354).pid}, {holder:pid(), udp:pid()})
  holder:kill()
  lu.assertEquals(await(watch, "gone", "tcp", 8106).process, "holder.exe")
  case.remove_service "Web"
  lu.assertEquals(await(watch, "gone", "tcp", 80).services, {"Web"})
  for _, change in ipairs(changes(watch)) do lu.assertNotEquals(change.port, 8107) end
end

function T:test_only_these_ports_as_text()
  local process = test.start(case.command {"watch", "--ports", "8108,8109", "--protocol", "tcp", "--interval", "0.1", "--for", "4s"})
  case.later(function() process:close() end)
  for _ = 1, 3 do
    local other, holder = case.holder {"--tcp", "8110"}, case.holder {"--tcp", "8108"}
    test.sleep(0.5)
    other:kill()
    holder:kill()
  end
  local result = process:wait(20)
  lu.assertEquals(result.code, 0, result.stderr)
  lu.assertStrMatches(result.stdout, ".*%d%d:%d%d:%d%d  appeared tcp 8108 on 0%.0%.0%.0; holder%.exe\r\n.*")
  lu.assertNil(result.stdout:find "8110")
end

-- A port that flaps is told of four times, then once with the number of changes that were left out.
function T:test_no_flood()
  local watch = start {"--interval", "0.05", "--calm", "1h", "--for", "4s"}
  case.wait("the first look", function() return changes(watch)[1] end)
  for _ = 1, 5 do
    local socket = test.listen {port = 8111}
    test.sleep(0.2)
    socket:close()
    test.sleep(0.2)
  end
  lu.assertEquals(watch:wait(20).code, 0)
  local told, counted = 0, 0
  for _, change in ipairs(changes(watch)) do
    local is_meant = change.port == 8111 and change.pid ~= 0 -- Wine sometimes does not know yet whose a socket is
    if is_meant then told, counted = told + 1, counted + (change.count or 0) end
  end
  lu.assertTrue(told == 5 and counted >= 1 and told + counted <= 10, ("%d told, %d counted"):format(told, counted))
end

function T:test_many_at_once()
  local watch = start {"--interval", "2"}
  case.wait("the first look", function() return changes(watch)[1] end)
  local marker = test.listen {port = 8112}
  await(watch, "appeared", "tcp", 8112)
  local sockets = {}
  for port = 8200, 8239 do sockets[#sockets + 1] = test.listen {port = port} end
  local more = case.wait("the count", function()
    for _, change in ipairs(changes(watch)) do
      if change.event == "more" then return change end
    end
  end)
  lu.assertEquals(more.count, 15)
  lu.assertEquals(#changes(watch), 1 + 1 + 25 + 1)
  for _, socket in ipairs(sockets) do socket:close() end
  marker:close()
end

local EVENTS = {P80_SHIM_EVENTS = "1"}

function T:test_event_log()
  local watch = start({"--event-log", "--interval", "0.1"}, EVENTS)
  local function texts()
    local code = "local t = {} for i, e in ipairs(win.event.read('Application', {source = 'p80', id = 1})) do t[i] = e.strings[1] end require 'p80'.report(t)"
    return case.exits(case.p80 {"--json", "-e", code, env = EVENTS}, 0).json.result
  end
  local holder
  local first = case.wait("an event", function()
    if holder then holder:kill() end
    holder = case.holder {"--tcp", "8113"}
    test.sleep(0.5)
    return texts()[1]
  end)
  lu.assertStrMatches(first, "Ports: appeared tcp 8113 on 0%.0%.0%.0; holder%.exe.*")
  -- it keeps no other run from changing the machine
  case.exits(case.p80 {"--timeout", "1", "--allow", "reg.*", "-e", [[win.reg.create [=[HKCU\Software\p80-watch]=] ]]}, 0)
  lu.assertEquals(changes(watch), {})
  lu.assertEquals(case.exits(case.p80 {"--json", "runs"}, 0).json[2], nil)
end
