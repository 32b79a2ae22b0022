-- What every playbook starts with; described in scripts/api/p80.lua. sleep, clock and the fields come from C.
local call, p80 = ... -- call(name, ...) crosses to the core

function p80.playbook(manifest)
  p80.args = call("p80.playbook", manifest)
  return p80.args
end

function p80.report(value) call("p80.report", value) end
function p80.restart_needed() call("p80.restart_needed") end
function p80.log(level, text) call("p80.log", level, text) end
function p80.log_file(path) call("p80.log_file", path) end
function p80.run() return call("p80.run") end

return p80
