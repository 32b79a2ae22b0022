-- Scenes in which the owners of ports are known (tests/shims/tcp_table.c and scm.c), and free80 in them.
local case = require "case"

local owners = {KEY = [[HKLM\SYSTEM\p80-test\owners]], SHIM = {P80_SHIM_TCP_OWNER = "1", P80_SHIM_SCM = "1"}}

--- A new luaunit class whose tests see those owners.
function owners.suite(name)
  local T = case.suite(name)
  local begin, finish = T.setUp, T.tearDown
  function T.setUp()
    begin()
    case.reg {"delete", owners.KEY, "/f"}
    for variable, value in pairs(owners.SHIM) do test.setenv(variable, value) end
  end
  function T.tearDown()
    for variable in pairs(owners.SHIM) do test.setenv(variable, nil) end
    finish()
  end
  return T
end

--- Runs free80 with these words; `env` are further variables.
function owners.free80(words, env)
  words.env = {}
  for _, variables in ipairs {owners.SHIM, env or {}} do
    for name, value in pairs(variables) do words.env[name] = value end
  end
  table.insert(words, 1, "free80.lua")
  return case.p80(words)
end

function owners.wait_queues(n) case.wait("request queues", function() return #win.http.holders() == n end) end

return owners
