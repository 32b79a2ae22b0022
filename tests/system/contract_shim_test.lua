-- build: shim
-- A modelled machine behaves as this one does: what plain Wine has not, dependents and the configuration of HTTP.SYS.
-- arch: x64
local case = require "case"
local contract = require "contract"

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
  contract.check("http", [[return {services = {HTTP = {type = "kernel_driver", state = "running"}}}]], {P80_SHIM_HTTP_CONFIG = "1", P80_SHIM_SCM = "1"})
end
