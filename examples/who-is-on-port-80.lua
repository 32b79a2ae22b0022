-- Who is on port 80? What one reads from `netstat -ano` and `tasklist /svc` elsewhere, and what stands behind PID 4.
--   p80 examples\who-is-on-port-80.lua [--port 80]
local p80 = require "p80"
local ports = require "ports"

local args = p80.playbook {
  name = "who-is-on-port-80", version = "1.0.0", summary = "Say who holds a TCP port.",
  args = {port = {type = "port", default = 80, help = "the port"}},
}

local found = ports.who(args.port)
if found.free then print(("port %d is free"):format(args.port)) end
for _, holder in ipairs(found.holders) do print(("port %d: %s"):format(args.port, ports.describe(holder))) end
p80.report(found)
