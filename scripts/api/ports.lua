---@meta

---Who holds a TCP port: `local ports = require "ports"`.
---@class ports
local ports = {}

---@alias ports.kind
---| "http" # HTTP.SYS, for `processes`
---| "service" # a process that runs `services`, or works for the one that its `parent` runs
---| "process" # a process that is no service
---| "connections" # nobody listens any more, but connections of the server are left
---| "reserved" # nobody listens, but Windows keeps the port back: an excluded port range
---| "kernel" # a driver, and nothing tells which; `processes` are those with a request queue of HTTP.SYS
---| "unknown" # nothing tells who

---@class ports.process: win.http.process
---@field created? integer as in `win.process.get`, of a process that is no service
---@field parent? {pid: integer, name: string, path?: string} the process of the service that it works for (nssm, ...)

---@class ports.holder: ports.process
---@field kind ports.kind
---@field families string[] "ipv4", "ipv6"
---@field processes? ports.process[] kinds "http", "kernel"
---@field urls? string[] kind "http": what they registered on the port, where that is known
---@field proof? string kind "http": such a URL, or what HTTP.SYS itself answered (`win.http.server`)
---@field certificate? string kind "http", without `proof`: the binding by which it has a certificate for the port
---@field certain? boolean kind "http": whether it is these processes, all of them
---@field hidden? boolean kind "http": whether there may be others, which p80 cannot see without elevation
---@field source? string kind "http": that of `win.http.state`
---@field connections? ports.connections kind "connections"

---@class ports.connections
---@field count integer
---@field states table<win.tcp.state, integer>
---@field pids integer[] of those whose process is known

---@class ports.look
---@field http win.http.state
---@field running table the processes, and the services in them
---@field sites win.iis.site[]

---The connections that have a port of this machine without listening on it.
---@param port integer
---@return ports.connections? connections nil when there are none
function ports.connections(port) end

---One line for people about a holder.
---@param holder ports.holder
---@return string text
function ports.describe(holder) end

---Connections for people: "1 in established, 2 in time_wait (pid 77)".
---@param connections ports.connections
---@return string text
function ports.describe_connections(connections) end

---Who holds a port on which there are these listeners, and by row which of them.
---@param rows win.tcp.listener[] all on that port
---@param port integer
---@param look ports.look
---@return ports.holder[] holders
---@return table<win.tcp.listener, ports.holder> of
function ports.holders(rows, port, look) end

---The bindings of running sites of IIS on a port. Raises what `win.iis.sites` does.
---@param port integer
---@param look? ports.look
---@return {site: string, binding: string, protocol: string}[] bindings
function ports.iis_bindings(port, look) end

---One look at the machine, for finding several holders: what it needs is read when it is first needed, and kept.
---@return ports.look look
function ports.look() end

---The products that hold a port through HTTP.SYS, where they are known, and how each is told to use another port.
---@param holder ports.holder
---@return {name: string, remedy: string, certain: boolean}[] products
function ports.products(holder) end

---The mildest step by which `free80` would free the port from its holder.
---@param port integer
---@param holder ports.holder
---@param look? ports.look
---@return string? step nil when nobody listens
---@return string? command the command that does it; nil when free80 has none
function ports.remedy(port, holder, look) end

---The service of a process that holds a port: the one that netsh names, its only one, or for HTTP.SYS the only one there
---that needs HTTP.
---@param process ports.process
---@param is_http boolean
---@return string? name nil when nothing tells which it is
---@return string? doubt why it may be another
function ports.service_of(process, is_http) end

---Waits until a port can be bound in both families.
---@param port integer
---@param seconds number at most
---@return win.tcp.probe probe the last one
function ports.wait_until_free(port, seconds) end

---Waits until a port can be bound in both families by a server that does not ask to be alone: what is left may have a
---single address, as HTTP.SYS has 127.0.0.1.
---@param port integer
---@param seconds number at most
---@return win.tcp.probe probe the last one
function ports.wait_until_shared(port, seconds) end

---Who holds a port.
---@param port integer
---@return {port: integer, free: boolean, probe: win.tcp.probe, holders: ports.holder[]} found
function ports.who(port) end

return ports
