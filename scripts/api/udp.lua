---@meta

---The UDP endpoints of the machine, and whose they are.
---@class win.udp
local udp = {}

---@class win.udp.row
---@field family "ipv4"|"ipv6"
---@field local_address string IPv6 as RFC 5952 writes it, with its zone: "fe80::1%4"
---@field local_port integer
---@field pid integer 4 (System) for what the kernel itself holds
---@field created? string when it was bound; with `module` only
---@field module? string the service or image that bound it; with `module` only, and where Windows knows it
---@field module_path? string the same as a path

---@class win.udp.listener: win.udp.row
---@field process? string the image's name
---@field path? string the image's path
---@field services string[] the names of the running services in the process
---@field kernel boolean whether it is the kernel that holds it

---@class win.udp.event
---@field event "appeared"|"gone"
---@field listener win.udp.listener

---The UDP endpoints of the machine: one call of Windows for each family.
---
---Rights: anyone; with `module`, the modules of other users' processes need an administrator
---Windows: Server 2003 SP1
---See: <https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-getextendedudptable>
---@param options? {family?: 4|6, port?: integer, module?: boolean} only these rows; with `module` also when and by which module each was bound, one more call of Windows for each
---@return win.udp.row[] rows
function udp.list(options) end

---Who has a UDP port, or any: rows of `win.udp.list` with their owners.
---
---Rights: anyone; the paths of other users' processes need an administrator
---Windows: Server 2003 SP1
---See: <https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-getextendedudptable>
---@param port? integer the local port; default: all
---@param options? {family?: 4|6, module?: boolean} as for `win.udp.list`
---@return win.udp.listener[] rows
function udp.listeners(port, options) end

---Waits for UDP endpoints that appear and go: `for change in win.udp.watch {port = 53} do ... end`. Looks at the table
---again and again, so that one which comes and goes in between is not seen. Ctrl-C ends it.
---
---Rights: anyone
---Windows: Server 2003 SP1
---See: <https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-getextendedudptable>
---@param options? {port?: integer, interval?: number, timeout?: number, wait?: boolean} the local port, default all; seconds between two looks, default 1; seconds after which it ends, default never; with wait=false each loop over `next` is one look, without waiting
---@return fun(): win.udp.event? next
function udp.watch(options) end

return udp
