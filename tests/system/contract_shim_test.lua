-- build: shim
-- A modelled machine behaves as this one does: what plain Wine has not, dependents and the configuration of HTTP.SYS.
-- arch: x64
local case = require "case"
local contract = require "contract"
local fakecom = require "fakecom"

local T = case.suite "ContractShim"

function T:test_dependents()
  case.service {name = "Base"}
  case.service {name = "Middle", dependencies = {"Base"}}
  case.service {name = "Top", dependencies = {"Middle"}}
  case.service {name = "Off", start = "disabled", run = false}
  case.service {name = "NeedsOff", dependencies = {"Off"}, run = false}
  case.service {name = "Orphan", dependencies = {"Nobody"}, run = false}
  contract.check("dependents", [[return {services = {
    Base = {state = "running"},
    Middle = {state = "running", dependencies = {"Base"}},
    Top = {state = "running", dependencies = {"Middle"}},
    Off = {start = "disabled"},
    NeedsOff = {dependencies = {"Off"}},
    Orphan = {dependencies = {"Nobody"}},
  }}]], {P80_SHIM_SCM = "1"})
end

function T:test_settings()
  case.service {name = "Plain", run = false}
  contract.check("settings", "return {services = {Plain = {}}}", {P80_SHIM_SCM = "1"})
end

function T:test_http()
  case.start_service "HTTP"
  contract.check("http", [[return {http = {netsh = "missing"}, services = {HTTP = {type = "kernel_driver", state = "running"}}}]], {P80_SHIM_HTTP_CONFIG = "1", P80_SHIM_SCM = "1"})
end

function T:test_connections()
  local listener = assert(test.listen {port = 8083})
  local client = assert(test.connect(8083))
  case.later(function() client:close() listener:close() end)
  contract.check("connections", [[return {
    processes = {{pid = 500, name = "x.exe", listens = {"127.0.0.1:8083"}}},
    connections = {
      {local_address = "127.0.0.1", local_port = 50000, remote_address = "127.0.0.1", remote_port = 8083, pid = 500},
      {local_address = "127.0.0.1", local_port = 8083, remote_address = "127.0.0.1", remote_port = 50000, pid = 500},
    },
  }]], {P80_SHIM_TCP_CLOSE = "1"})
end

-- ---- IIS ----

-- Fakes stand for IIS (tests/fixtures/fake-iis.c).
local function fake(class, dll)
  fakecom.clear()
  fakecom.register(class, dll)
  case.later(function()
    fakecom.clear()
    fakecom.register(class)
  end)
end

local function iis_model(windows)
  return ([[return {windows = "%s", services = {W3SVC = {state = "running"}, IISADMIN = {state = "running"}}, sites = {
    ["Default Web Site"] = {bindings = {"*:8091:", "[::1]:8091:www.example.com", "*:8083:", "https *:8443:"}},
    ["Größe"] = {state = "stopped", auto_start = true, bindings = {"https 127.0.0.1:8443:a.example ssl_flags=1"}},
  }}]]):format(windows)
end

function T:test_iis()
  case.service {name = "W3SVC"}
  fake("apphost", "fake-iis")
  fakecom.write("sites\\1", {
    Name = {"sz", "Default Web Site"}, Id = {"dword", 1}, AutoStart = {"dword", 1}, State = {"dword", 1},
    Bindings = {"multi_sz", {"http|*:8091:|0", "http|[::1]:8091:www.example.com|0", "http|*:8083:|0", "https|*:8443:|0"}},
  })
  fakecom.write("sites\\2", {
    Name = {"sz", "Größe"}, Id = {"dword", 2}, AutoStart = {"dword", 1}, State = {"dword", 3},
    Bindings = {"multi_sz", {"https|127.0.0.1:8443:a.example|1"}},
  })
  contract.check("iis", iis_model "2022")
end

function T:test_iis_6()
  case.service {name = "W3SVC"}
  case.service {name = "IISADMIN"}
  fake("metabase", "fake-iis")
  fakecom.write("W3SVC", {["1002"] = {"sz", "IIsWebService"}})
  fakecom.write([[W3SVC\1]], {
    ["1015"] = {"sz", "Default Web Site"}, ["1016"] = {"dword", 2}, ["1017"] = {"dword", 1},
    ["1023"] = {"multi_sz", {":8091:", "[::1]:8091:www.example.com", ":8083:"}}, ["2021"] = {"multi_sz", {":8443:"}},
  })
  fakecom.write([[W3SVC\2]], {
    ["1015"] = {"sz", "Größe"}, ["1016"] = {"dword", 4}, ["1017"] = {"dword", 1},
    ["2021"] = {"multi_sz", {"127.0.0.1:8443:a.example"}},
  })
  contract.check("iis", iis_model "2003")
end

function T:test_no_iis() contract.check("no_iis", "return {}") end

-- ---- Tasks and events ----

function T:test_tasks()
  fake("task", "fake-task")
  contract.check("tasks", "return {}")
end

function T:test_tasks_of_server_2003()
  fake("task", [[C:\windows\system32\taskschd.dll]]) -- which Wine's scheduler 1.0 uses
  fake("scheduler", [[C:\windows\system32\mstask.dll]])
  contract.check("tasks", [[return {windows = "2003"}]], {P80_SHIM_NT52 = "1"})
end

local function check_events(machine, shims)
  for _, log in ipairs {"Application", "System"} do
    win.reg.create([[HKLM\SYSTEM\CurrentControlSet\Services\EventLog\]] .. log)
  end
  case.later(function() win.reg.delete([[HKLM\SYSTEM\p80-test]], nil, {tree = true}) end)
  shims.P80_SHIM_EVENTS = "1"
  contract.check("events", machine, shims)
end

function T:test_events() check_events("return {}", {}) end
function T:test_events_of_server_2003() check_events([[return {windows = "2003"}]], {P80_SHIM_NT52 = "1"}) end

-- ---- All of it ----

local function check_misuse(machine, shims)
  fake("task", [[C:\windows\system32\taskschd.dll]])
  fake(shims.P80_SHIM_NT52 and "scheduler" or "task", shims.P80_SHIM_NT52 and [[C:\windows\system32\mstask.dll]] or "fake-task")
  for _, name in ipairs {"EVENTS", "SCM", "HTTP_CONFIG"} do shims["P80_SHIM_" .. name] = "1" end
  contract.check("misuse", machine, shims, "file.write:C:\\none")
end

function T:test_misuse() check_misuse("return {}", {}) end
function T:test_misuse_of_server_2003() check_misuse([[return {windows = "2003"}]], {P80_SHIM_NT52 = "1"}) end

function T:test_settings_of_server_2003()
  case.service {name = "Plain", run = false}
  local shims = {P80_SHIM_SCM = "1", P80_SHIM_NT52 = "1"}
  contract.check("settings_2003", [[return {windows = "2003", services = {Plain = {}}}]], shims)
end
