---@meta

---The TCP endpoints of the machine, who owns them, whether a port can be bound, and ending connections.
---@class win.tcp
local tcp = {}

---@alias win.tcp.state
---| "closed"
---| "listen"
---| "syn_sent"
---| "syn_received"
---| "established"
---| "fin_wait1"
---| "fin_wait2"
---| "close_wait"
---| "closing"
---| "last_ack"
---| "time_wait"
---| "delete_tcb"

---@class win.tcp.row
---@field family "ipv4"|"ipv6"
---@field local_address string IPv6 as RFC 5952 writes it, with its zone: "fe80::1%4"
---@field local_port integer
---@field remote_address? string absent in state "listen"
---@field remote_port? integer absent in state "listen"
---@field state win.tcp.state
---@field pid integer 4 (System) for what the kernel itself holds (HTTP.SYS), 0 in state "time_wait"
---@field created? string when it was made; with `module` only
---@field module? string the service or image that made it; with `module` only, and where Windows knows it
---@field module_path? string the same as a path

---@class win.tcp.listener: win.tcp.row
---@field process? string the image's name
---@field path? string the image's path
---@field services string[] the names of the running services in the process
---@field kernel boolean whether it is the kernel that listens

---@class win.tcp.event
---@field event "appeared"|"gone"
---@field listener win.tcp.listener

---@class win.tcp.owner
---@field process? string the image's name
---@field path? string the image's path
---@field services string[] the names of the running services in the process
---@field kernel boolean whether it is the kernel

---@class win.tcp.family_probe
---@field free boolean
---@field reason win.tcp.reason
---@field code integer Winsock's code; 0 when free

---@alias win.tcp.reason
---| "free" # it was bound
---| "in_use" # somebody has it
---| "reserved" # nobody has it, yet Windows refuses it: an excluded port range, or bound by somebody without listening
---| "denied" # p80 may not open such a socket at all
---| "unavailable" # this machine does not have that family; that does not count against `free`

---@class win.tcp.probe
---@field free boolean whether a server could take the port in every family that the machine has
---@field ipv4 win.tcp.family_probe
---@field ipv6 win.tcp.family_probe

---The TCP endpoints of the machine: one call of Windows for each family.
---
---Rights: anyone; with `module`, the modules of other users' processes need an administrator
---Windows: Server 2003 SP1
---See: <https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-getextendedtcptable>
---@param options? win.tcp.filter only these rows
---@return win.tcp.row[] rows
function tcp.list(options) end

---@class win.tcp.filter
---@field family? 4|6
---@field port? integer the local one
---@field state? win.tcp.state
---@field module? boolean also when and by which module each was made, one more call of Windows for each row

---Ends a connection at once: both ends see it reset. Reads the table again, and raises when the connection is still
---there. Nothing takes this back; a client may well connect again. Windows has this for IPv4 alone.
---
---Errors: `ERROR_NOT_SUPPORTED` for IPv6; `P80_NOT_TAKEN` when the connection is still there after `timeout`
---Rights: administrator
---Changes: `tcp.connection`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-settcpentry>
---@param connection win.tcp.row|string a row of `win.tcp.list`, or the local end ("192.0.2.1:80") with the remote one after it; with a row's `pid`, only that process's
---@param remote? string the remote end, when the first is text
---@param options? {timeout?: number} seconds until it must be gone, default 2; after a row the second argument
---@return boolean changed false when there is no such connection
function tcp.close(connection, remote, options) end

---Who listens on a TCP port, or on any: rows of `win.tcp.list` in state "listen" with their owners. What the kernel
---listens on is mostly HTTP.SYS's: `win.http.state` tells for whom.
---
---Rights: anyone; the paths of other users' processes need an administrator
---Windows: Server 2003 SP1
---See: <https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-getextendedtcptable>
---@param port? integer the local port; default: all
---@param options? {family?: 4|6, module?: boolean} as for `win.tcp.list`
---@return win.tcp.listener[] rows
function tcp.listeners(port, options) end

---Waits for listeners that appear and go: `for change in win.tcp.watch {port = 80} do ... end`. Looks at the table again
---and again, so that one which comes and goes in between is not seen. Ctrl-C ends it.
---
---Rights: anyone
---Windows: Server 2003 SP1
---See: <https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-getextendedtcptable>
---@param options? {port?: integer, interval?: number, timeout?: number, wait?: boolean} the local port, default all; seconds between two looks, default 1; seconds after which it ends, default never; with wait=false each loop over `next` is one look, without waiting
---@return fun(): win.tcp.event? next
function tcp.watch(options) end

---The image and the running services of processes. Each process is looked up once and the services are listed once,
---however many pids there are. What is not known (another user's path without elevation, a process that has ended) is
---absent.
---
---Rights: anyone; the paths of other users' processes need an administrator
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/toolhelp/process-walking>
---@param pids integer[] the processes
---@return table<integer, win.tcp.owner> owners by pid
function tcp.owners(pids) end

---Whether a server could take a port now: binds it on all addresses of each family and lets it go at once. Nothing
---listens and nothing is sent.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/winsock/using-so-reuseaddr-and-so-exclusiveaddruse>
---@param port integer 1 to 65535
---@param options? win.tcp.probe_options
---@return win.tcp.probe probe
function tcp.probe(port, options) end

---@class win.tcp.probe_options
---@field exclusive? boolean default true: for p80 alone; false: as a server binds it that does not ask to be alone, which Windows lets have all addresses beside one that has a single address
---@field used? boolean true: the caller has just seen somebody use the port, which saves another look at the tables

return tcp
