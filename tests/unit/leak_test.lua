-- No function leaves a handle or memory behind, neither when it succeeds nor when it fails.
local lu = require "luaunit"
local flat = require "flat"

local KEY = [[HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion]]
local SERVICE = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP]]
local own = test.pid()

local EVERY_DETAIL = {command_line = true, user = true, usage = true, session_name = true, services = true, modules = true, window = true}

local READS = {
  {"host.info", win.host.info},
  {"tcp.list", win.tcp.list, times = 30},
  {"tcp.listeners", win.tcp.listeners, times = 20},
  {"tcp.probe", win.tcp.probe, 80, times = 100},
  {"udp.list", win.udp.list, {module = true}, times = 100},
  {"udp.listeners", win.udp.listeners, times = 20},
  {"process.list", win.process.list, times = 50},
  {"process.get", win.process.get, own, times = 300},
  {"process.services", win.process.services, own, times = 100},
  {"process.modules", win.process.modules, own, times = 50},
  {"process.command_line", win.process.command_line, own},
  {"process.find", win.process.find, "cmd"},
  {"process.environment", win.process.environment, times = 100},
  {"driver.list", win.driver.list, times = 20},
  {"feature.list", win.feature.list},
  {"scm.list", win.scm.list, times = 100},
  {"scm.get", win.scm.get, "HTTP", times = 100},
  {"scm.wait", win.scm.wait, "HTTP", "stopped", times = 100},
  {"scm.status", win.scm.status, "HTTP", times = 100},
  {"scm.details", win.scm.details, "Spooler", times = 100},
  {"scm.security", win.scm.security, "Spooler", times = 100},
  {"scm.dependents", win.scm.dependents, "Spooler", times = 100},
  {"scm.sid", win.scm.sid, "Spooler"},
  {"scm.name_of", win.scm.name_of, "Print Spooler", times = 100},
  {"reg.get", win.reg.get, KEY, "ProductName"},
  {"reg.keys", win.reg.keys, KEY, times = 100},
  {"reg.values", win.reg.values, KEY, times = 100},
  {"reg.info", win.reg.info, KEY},
  {"reg.tree", win.reg.tree, SERVICE, times = 100},
  {"reg.exists", win.reg.exists, KEY},
  {"reg.security", win.reg.security, KEY},
  {"reg.export", win.reg.export, SERVICE, times = 100},
  {"reg.find", win.reg.find, SERVICE, "http", times = 100},
  {"http.holders", win.http.holders, times = 5},
  {"http.state", win.http.state, times = 5},
  {"http.server", win.http.server, 80, times = 100},
  {"http.iplisten.list", win.http.iplisten.list, times = 100},
  {"http.urlacl.list", win.http.urlacl.list, times = 100},
  {"http.sslcert.list", win.http.sslcert.list, times = 100},
  {"http.parameters.list", win.http.parameters.list, times = 100},
  {"http.iplisten.is_local", win.http.iplisten.is_local, "192.0.2.1", times = 100},
  {"http.timeout.list", win.http.timeout.list, times = 100},
  {"tcp.list_with_modules", win.tcp.list, {module = true}, times = 20},
  {"udp.list", win.udp.list, times = 50},
  {"process.list_with_details", win.process.list, EVERY_DETAIL, times = 10},
  {"process.command_line", win.process.command_line, own, times = 100},
  {"process.modules", win.process.modules, own, times = 50},
  {"process.handles", win.process.handles, {pid = own, type = "mutant"}, times = 10},
  {"process.find", win.process.find, "cmd", times = 100},
  {"process.environment", win.process.environment, times = 50},
  {"process.split", win.process.split, [["a b" c\"d e]], times = 100},
  {"process.join", win.process.join, {"a b", 'c"d'}, times = 100},
  {"driver.list", win.driver.list, times = 10},
  {"feature.list", win.feature.list, times = 10},
  {"iis.store", win.iis.store, times = 50},
  {"scm.details", win.scm.details, "HTTP", times = 100},
  {"scm.security", win.scm.security, "HTTP", times = 100},
  {"scm.dependents", win.scm.dependents, "HTTP", times = 50},
  {"scm.name_of", win.scm.name_of, "none", times = 100},
  {"reg.compare", win.reg.compare, SERVICE, SERVICE, times = 50},
  {"account.get", win.account.get, "Administrators", times = 50},
}

local FAILURES = {
  {"tcp.probe", win.tcp.probe, "80 "},
  {"tcp.list", win.tcp.list, {stat = "listen"}},
  {"process.get", win.process.get, -1},
  {"scm.get", win.scm.get, "no\0service"},
  {"scm.wait", win.scm.wait, "HTTP", "running", {timeout = 0}, times = 20},
  {"scm.start", win.scm.start, "NoSuchService", times = 100},
  {"scm.control", win.scm.control, "Spooler", 200, times = 100},
  {"scm.create", win.scm.create, "Spooler", {path = "x"}, times = 100},
  {"scm.config", win.scm.config, "NoSuchService", {start = "demand"}, times = 100},
  {"udp.list", win.udp.list, {port = 0}},
  {"process.handles", win.process.handles, {pid = own, nmae = "x"}, times = 100},
  {"driver.inspect", win.driver.inspect, "no\0path"},
  {"reg.get", win.reg.get, "NOHIVE\\x", "y"},
  {"reg.set", win.reg.set, [[HKLM\SOFTWARE\no\such\key]], "x", "y"},
  {"reg.delete", win.reg.delete, "NOHIVE\\x", "y"},
  {"reg.parse", win.reg.parse, "REGEDIT4\n[x"},
  {"http.iplisten.add", win.http.iplisten.add, "nonsense"},
  {"http.urlacl.add", win.http.urlacl.add, "nonsense", {sddl = "D:"}},
}

TestLeaks = {}

for _, case in ipairs(READS) do
  TestLeaks["test_" .. case[1]] = function()
    flat(function() case[2](table.unpack(case, 3)) end, case.times)
  end
end

for _, case in ipairs(FAILURES) do
  TestLeaks["test_failing_" .. case[1]] = function()
    flat(function() lu.assertFalse((pcall(case[2], table.unpack(case, 3)))) end, case.times)
  end
end
