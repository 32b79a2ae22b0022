--- What every playbook starts with: `local p80 = require "p80"`.
--- Besides the functions below: p80.sleep(seconds), which Ctrl-C ends; p80.clock() -> seconds, never running backwards;
-- p80.version, p80.script (its name), p80.check, p80.json, p80.quiet, p80.verbose (how it was started).
local call, p80 = ... -- call(name, ...) crosses to the core

--- Declares the playbook; must come before anything that changes something.
-- @param manifest {name=, version=, summary=, author=, license=, args={name={type=, default=, help=}}, grants={...}}
-- @return the arguments given on the command line, checked and with their defaults; also in p80.args
function p80.playbook(manifest)
  p80.args = call("p80.playbook", manifest)
  return p80.args
end

--- What this run found, as plain data: the `result` of --json.
function p80.report(value) call("p80.report", value) end

--- Says that a change takes effect only at the next start of Windows: the run then exits with 3010.
function p80.restart_needed() call("p80.restart_needed") end

--- The number of this run in `p80 runs`; nil while it has changed nothing.
function p80.run() return call("p80.run") end

return p80
