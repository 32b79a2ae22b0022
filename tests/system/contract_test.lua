-- A modelled machine behaves as this one does: services, endpoints, processes and the registry.
-- arch: x64
local case = require "case"
local contract = require "contract"

local T = case.suite "Contract"

function T:test_services()
  case.service {name = "Plain", display_name = "Plain service", args = {"--tcp", "8085"}}
  case.service {name = "Off", start = "disabled", run = false}
  case.service {name = "Stuck", args = {"--ignore-stop"}}
  case.service {name = "Slow", args = {"--slow-stop", "1"}}
  case.service {name = "Fails", args = {"--fail-start", "7"}, run = false}
  case.wait_held(8085)
  contract.check("services", [[return {services = {
    Plain = {state = "running", display_name = "Plain service", listens = {8085}, accepts = {"stop", "pause"}},
    Off = {start = "disabled"},
    Stuck = {state = "running", hangs = "stop"},
    Slow = {state = "running", stops_in = 1},
    Fails = {start_fails = {service = 7}},
  }}]])
end

function T:test_endpoints()
  case.holder {"--tcp", "8086"}
  case.holder {"--tcp", "8087", "--exclusive"}
  contract.check("endpoints", [[return {processes = {
    {path = "C:\\bin\\holder.exe", listens = {8086}}, {path = "C:\\bin\\holder.exe", listens = {{port = 8087, exclusive = true}}},
  }}]])
end

function T:test_http_users()
  case.service {name = "Web", args = {"--http", "http://+:8082/web/"}}
  case.wait_held(8082)
  contract.check("http_users", [[return {http = {netsh = "missing"}, services = {
    HTTP = {type = "kernel_driver", state = "running"}, Web = {state = "running", path = "C:\\bin\\holder.exe", urls = {"http://+:8082/web/"}},
  }}]])
end

function T:test_machine()
  assert(lfs.mkdir "C:\\contract")
  win.file.write([[C:\contract\there.txt]], "hello")
  case.holder {"--udp", "8084"}
  contract.check("machine", [[return {
    files = {["C:\\contract\\there.txt"] = "hello"}, programs = {["cmd.exe"] = {code = 3, stdout = "hello\n"}},
    processes = {{path = "C:\\bin\\holder.exe", listens = {{port = 8084, protocol = "udp"}}}},
  }]])
end

function T:test_registry() contract.check("registry", "return {}") end
