---@meta

---Who holds a TCP port: `local ports = require "ports"`.
---@class ports
local ports = {}

---@alias ports.kind
---| "http" # HTTP.SYS, for `processes`; `urls` and `certain` say how sure that is
---| "service" # a process that runs `services`
---| "process" # a process that is no service
---| "reserved" # nobody listens, but Windows keeps the port back: an excluded port range
---| "kernel" # a driver, and nothing tells which
---| "unknown" # nothing tells who

---@class ports.holder
---@field kind ports.kind
---@field families string[] "ipv4", "ipv6"
---@field processes? win.http.process[] kind "http"
---@field urls? string[] kind "http"
---@field certain? boolean kind "http": whether URLs say so
---@field source? string kind "http": that of `win.http.state`
---@field pid? integer kinds "service", "process"
---@field process? string the image's name
---@field path? string the image's path
---@field services? string[]
---@field created? integer as in `win.process.get`

---One line for people about a holder.
---@param holder ports.holder
---@return string text
function ports.describe(holder) end

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
