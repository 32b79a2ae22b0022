-- Before a service is installed: is its port free, who has it, and which ones near by are free? Exit code 0 or 1.
--   p80 examples\check-port.lua --port 8080 [--suggest 5]
local p80 = require "p80"
local ports = require "ports"

local args = p80.playbook {
  name = "check-port", version = "1.0.0", summary = "Check a port for a new service, and suggest free ones.",
  args = {
    port = {type = "port", default = 80, help = "the port that the service wants"},
    suggest = {type = "integer", least = 0, most = 100, default = 5, help = "how many free ports to suggest"},
  },
}

-- The ports that Windows gives to outgoing connections: one that is free now may be taken when the service starts.
-- https://learn.microsoft.com/troubleshoot/windows-server/networking/default-dynamic-port-range-tcpip-chang
local is_new = win.host.version().major >= 6
local function is_dynamic(port) return is_new and port >= 49152 or not is_new and port > 1024 and port <= 5000 end

local found = ports.who(args.port)
print(("port %d is %s"):format(args.port, found.free and "free" or "taken"))
for _, holder in ipairs(found.holders) do print("  by " .. ports.describe(holder)) end
if is_dynamic(args.port) then print "  and one of those that Windows gives to outgoing connections" end

local free = {}
for port = args.port + 1, 65535 do
  if #free == args.suggest then break end
  if not is_dynamic(port) and win.tcp.probe(port, {used = true}).free then free[#free + 1] = port end
end
if not found.free then print("free: " .. table.concat(free, ", ")) end
p80.report {port = args.port, free = found.free, holders = found.holders, suggestions = free}
if not found.free then os.exit(1) end
