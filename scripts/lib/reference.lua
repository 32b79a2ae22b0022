-- What `p80 help win`, `p80 help win.scm` and `p80 help win.scm.stop` say: the comments above the functions in bindings
-- and engine/core. The value of this module is help(topic) -> text or nil.
local TEXT = [==[
p80.playbook{name=, version="1.0.0", summary=, author=, license=, args={...}, grants={...}} -> args
Declares the playbook (local p80 = require "p80"); comes before anything that changes something. `args` is a table by
name of {type=, default=, required=, help=, values=, least=, most=}; up_to becomes the option --up-to. The types:
  text, integer, number   `least` and `most` bound the last two
  port, seconds           1 to 65535; 0 to 30 days
  enum                    one of the array `values`
  flag                    true or false, an option without a value
`grants` is an array of what the playbook may change: a kind such as "scm.state", or "scm.state:W3SVC*".

p80.report(value)
What this run found, as plain data: the `result` of --json.

p80.restart_needed()
Says that a change takes effect only at the next start of Windows: the run then exits with 3010.

p80.run() -> the number of this run in `p80 runs`; nil while it has changed nothing

p80.sleep(seconds)
Waits; Ctrl-C ends it. p80.clock() -> seconds, never running backwards. And fields: p80.args, p80.version, p80.script,
p80.check, p80.json, p80.quiet, p80.verbose.

win.host.architecture() -> "x64", "x86" or "arm64": that of Windows, also for a 32-bit p80 on 64-bit Windows.

win.host.boot_time() -> when Windows started, as ISO 8601 text in UTC.

win.host.edition() -> "standard_server", "datacenter_server_core", "professional", ...: Microsoft's name of the
product type in lower case; "product_0x1234" for one that p80 does not know.

win.host.elevated() -> whether p80 runs with the full rights of an administrator.

win.host.info() -> {version=, edition=, architecture=, name=, elevated=, boot_time=}.

win.host.name() -> the DNS host name of the machine, as it was typed (not cut to the 15 capitals of NetBIOS).

win.host.version() -> {major, minor, build, service_pack, server, text}; `text` reads like
"Windows Server 2003 Service Pack 2 (5.2.3790)".

win.http.holders() -> rows {pid, name, path, services, objects={"\\Device\\Http\\ReqQueue", ...}, queue=}, silent
The processes that hold handles of HTTP.SYS; `queue` says whether a request queue is among them, for which it may
have registered URLs. The kernel, and what hosts the driver, do not count. `silent` is the number of handles on the
machine that could not be asked for their names (pipes on which somebody waits; no handle of HTTP.SYS is like that).
Without elevation only the user's own processes are seen.

win.http.iplisten.add(address) -> changed
Adds an address to those on which HTTP.SYS listens. The list holds for every port: as soon as there is one, nothing
that HTTP.SYS serves (IIS, WinRM, ...) can be reached on an address that is not in it. "0.0.0.0" and "::" stand for
all addresses of their family. Some versions of Windows heed the list only when the service starts.
Raises ERROR_SERVICE_NOT_ACTIVE while the HTTP service does not run.

win.http.iplisten.delete(address) -> changed
Takes an address out of the list; an empty list means all addresses.

win.http.iplisten.list() -> array of addresses, "api"|"registry"
The addresses on which HTTP.SYS listens, for every port; none means all. A stopped HTTP service is not started: then
the list comes from the registry, as the second result says.

win.http.iplisten.normalize(address) -> the address as Windows compares it: "::0001" is "::1"

win.http.is_running() -> boolean
Whether the HTTP service (HTTP.SYS) runs. Unlike almost everything else about it, asking does not start it.

win.http.read_servicestate(text [, controllers]) -> queues {name=, urls={}, processes={{pid=, image=, notes={}}},
controller=}
Reads what `netsh http show servicestate view=requestq` printed, on any Windows in any language. `controllers` is an
array of pids that may control queues (those of the services W3SVC and WAS). `name` is nil for a queue without one,
`image` for a Windows that does not print it; `notes` are the values printed about a process, its services.

win.http.state() -> {source=, reason=, service=, queues={{name=, urls={}, processes={{pid=, name=, path=,
services={}, tagged=}}, controller=}}}
Which request queues HTTP.SYS has, for whom, and with which URLs. `source` says how far that goes:
  "netsh"    all is known, as `netsh http show servicestate` tells it
  "holders"  the processes that hold request queues are known, their URLs are not; `reason` says why
  "stopped"  the HTTP service does not run (and was not started to ask it), so there is nothing
`controller` is the process that controls a queue of IIS, `tagged` the one service of a shared process that is meant,
`service` the state of the HTTP service ("running", ...; nil: there is none).

win.http.url(text) -> {url, scheme, host, port, path}, or nil and what is wrong with it
The parts of a URL prefix as HTTP.SYS takes it: scheme and host in lower case, with a port and a slash at the end.

win.http.urlacl.add(url, {user=, listen=true, delegate=false} | {sddl=}) -> changed
Reserves a URL for an account, given by name or SID, or with an access list. It is the whole of the reservation: who
else had it has it no longer. `listen` lets the account register the URL, `delegate` pass that on.
Raises ERROR_SERVICE_NOT_ACTIVE while the HTTP service does not run.

win.http.urlacl.delete(url) -> changed
Deletes the reservation of a URL. That frees no port, and what has registered the URL keeps it.

win.http.urlacl.list() -> rows {url, sddl, users={{sid, name, listen, delegate}}}, "api"|"registry"
Which accounts may register which URL. A reservation holds no port: win.http.state() tells what is registered.
A stopped HTTP service is not started: then the rows come from the registry, as the second result says. `sddl` is nil
for a reservation whose access list cannot be read.

win.http.urlacl.sddl{user=, listen=true, delegate=false} -> the access list of a reservation for that account, as
`netsh http add urlacl` makes it; win.http.urlacl.sddl{sddl=} -> that one as Windows writes it
`user` is an account's name, which depends on the language of Windows for built-in accounts, or its SID.

win.http.urlacl.users(sddl) -> array of {sid=, name=, listen=, delegate=}
What the entries of an access list let each account do, in order. `name` is nil for an account that is not known
here.

win.http.urls_on(state, port) -> rows {url=, queue=, processes={...}, controller=}, or nil when URLs are not known
The URLs on a port that a result of win.http.state() has, each with its queue's name and processes.

win.process.get(pid) -> a row as in win.process.list, or nil when there is no such process.

win.process.list() -> rows {pid=, parent=, name=, threads=, session=, path=, started=, created=}. `name` is the
image's file name; `started` ISO 8601 text in UTC; `created` the same as an integer of 100 ns since 1601, which
with the pid names one process for ever. The last four are absent where p80 may not read them.

win.process.services(pid) -> the names of the services that run in the process, sorted; empty when there are none.

win.process.stop(pid [, {timeout=30, created=}]) -> changed
Ends a process and waits until it is gone; false when there is none with this pid. With `created`, as
win.process.get gave it, only the process that started then: a pid may be another's some time later.

win.reg.create(key [, {view=}]) -> changed
Creates a key and the missing ones above it.

win.reg.delete(key, name [, {view=}]) -> changed
win.reg.delete(key [, nil], {tree=true [, view=]}) -> changed
Deletes a value ("" names the unnamed one); without a name a key: an empty one or a registry link, and with
tree=true all that is in it. Links in it are deleted themselves, never what they lead to.

win.reg.exists(key [, {view=}]) -> boolean

win.reg.get(key, name [, {view=}]) -> value, type [, raw]
  The value `name` of `key`; nil or "" is the unnamed one. nil when the key or the value is absent. By type:
  sz, expand_sz, link: text (expand_sz as it is stored); multi_sz: array of text; dword, dword_big_endian:
  integer 0..2^32-1; qword: 64-bit integer (from 2^63 on negative, as Lua has it); binary, none, resource_list,
  full_resource_descriptor, resource_requirements_list and type_<number>: bytes.
  `raw` is there only when the stored bytes are not what `set` would write for the value (text without its
  terminator or with embedded NULs, which stay in the value; an odd number of bytes, whose last the value lacks;
  empty strings in a multi_sz; numbers of a wrong size, whose value is the bytes): it has them as they are.
Errors: ERROR_ACCESS_DENIED.

win.reg.info(key [, {view=}]) -> {keys=, values=, written= [, link=]} or nil
  How many subkeys and values there are and when the key was last written (ISO 8601, UTC). Of a registry link
  it tells about the link itself, with `link` as the kernel's name of its target.

win.reg.keys(key [, {view=}]) -> {name, ...} or nil
  The names of the subkeys in Windows' order; nil when the key is absent.

win.reg.set(key, name, value [, type | {type=, view=}]) -> changed
Writes a value; nil or "" names the unnamed one. Creates the key when it is missing. Without a type, text becomes
sz, an integer dword, an array of text multi_sz, whatever the value was before.

win.reg.tree(key [, {view=}]) -> {keys={name = subtree}, values={row, ...} [, security=] [, link=]} or nil
  Everything below a key; rows as in `values`. `security` is the key's access list as SDDL where it is more than
  what it inherits. A registry link, also `key` itself, is not followed: its node has the kernel's name of the
  target as `link`, no keys and no values. Raises ERROR_FILE_TOO_LARGE when the tree takes more than 64 MiB,
  ERROR_INVALID_NAME when a key or value in it has a NUL in its name.

win.reg.values(key [, {view=}]) -> {{name=, type=, value= [, raw=]}, ...} or nil
  All values in Windows' order, as `get` returns them; the unnamed one has the name "". nil when the key is
  absent.

win.scm.config(name, {start="auto"|"demand"|"disabled"|"boot"|"system", delayed=, account=, password=, path=,
display_name=}) -> changed
Changes what is given. A password is passed on and kept nowhere; alone it needs the grant scm.password and always
counts as a change, with other changes it goes along with them.

win.scm.get(name) -> {name=, display_name=, type=, state=, pid=, exit_code=, service_exit_code=, checkpoint=,
wait_hint=, accepts=, start=, delayed=, account=, path=, dependencies=, dependents=}; for a name that no service
has, nil and, when it is the display name of one, a hint. `dependencies` are the names of what it needs itself
(load order groups begin with "+"), `dependents` of all that need it, directly or not, in the order in which they
are to be stopped. Fields that p80 may not read, and `delayed` before Windows Vista, are absent;
ERROR_ACCESS_DENIED is raised when it may read none.

win.scm.list([{type="service"|"driver"|"all", state="active"|"inactive"|"all"}]) -> rows {name=, display_name=,
type=, state=, pid=, exit_code=, service_exit_code=, checkpoint=, wait_hint=, accepts=}. Default are the services
(no drivers) in all states. `pid` is absent when no process runs it; `wait_hint` is in seconds. Services that p80
may not look at are left out by Windows.

win.scm.restart(name [, {dependents=false, args={...}, timeout=30}]) -> changed
Stops a service as win.scm.stop does, then starts it and the dependents that were running; one that was stopped is
started.

win.scm.start(name [, {args={...}, timeout=30}]) -> changed
Starts a service, and before it the services that it needs, and waits until each runs; a paused one goes on.
`args` is for the service itself. Each service has `timeout` seconds.

win.scm.stop(name [, {dependents=false, timeout=30}]) -> changed
Stops a service and waits until it has; with dependents=true first the running services that need it, in Windows'
order. Each service has `timeout` seconds.

win.scm.wait(name, "running"|"stopped"|"paused" [, {timeout=30, requested=false}]) -> true once the service is in
that state. Raises ERROR_TIMEOUT, naming the process, when it is not within `timeout` seconds; and the service's
own exit code at once when it stopped instead: after it was seen to start, or at all when `requested` says that the
state has just been asked for.

win.tcp.list([{family=4|6, port=, state=}]) -> rows {family="ipv4"|"ipv6", local_address, local_port, remote_address,
remote_port, state, pid}
The TCP endpoints of the machine, one call of Windows for each family. `port` is the local one; `state` one of the
words closed, listen, syn_sent, syn_received, established, fin_wait1, fin_wait2, close_wait, closing, last_ack,
time_wait, delete_tcb. Rows in state "listen" have no remote end. IPv6 addresses are written as RFC 5952 asks, with
their zone ("fe80::1%4"). What the kernel itself holds (HTTP.SYS) has pid 4, TIME_WAIT has pid 0.

win.tcp.listeners([port]) -> rows of win.tcp.list in state "listen", each with `process` (image name), `path`,
`services` (array of names) and `kernel` (boolean).
What the kernel listens on is mostly HTTP.SYS's: win.http.state() tells for whom.

win.tcp.owners(pids) -> {[pid] = {process=, path=, services={}}}
The image name, image path and running services of each process in the array `pids`. Each process is looked up once
and the services are listed once, however many pids there are. What is not known (the path of another user's process
without elevation, a process that has ended) is nil.

win.tcp.probe(port [, {exclusive=true, used=nil}]) -> {free=, ipv4={free=, reason=, code=}, ipv6={free=, reason=, code=}}
Whether a server could take the port now: binds it for p80 alone, on all addresses of each family, and lets it go at
once. Nothing listens and nothing is sent. With exclusive=false as a server binds it that does not ask to be alone,
which Windows lets have all addresses beside one that has a single address. Reasons:
  free         it was bound
  in_use       somebody has it
  reserved     nobody has it, yet Windows refuses it: it lies in an excluded port range, or somebody bound it
               without listening
  denied       p80 may not open such a socket at all
  unavailable  this machine does not have that family; that does not count against `free`
`code` is Winsock's, 0 when free. used=true says that the caller has just seen somebody use the port.

]==]

-- The signature that a block begins with: up to the end of the line on which its brackets and its result are closed.
local function signature(block)
  local text = ""
  for line in block:gmatch "[^\n]+" do
    text = text .. (text == "" and "" or " ") .. line
    local _, opened = text:gsub("[({]", "")
    local _, closed = text:gsub("[)}]", "")
    if opened == closed then break end
  end
  return (text:gsub(" %->.*", ""))
end

return function(topic)
  local exact, below = {}, {}
  for block in TEXT:gmatch "(.-)\n\n" do
    local name = block:match "^[%w_.]+"
    if name == topic or name == "win." .. topic then exact[#exact + 1] = block end
    if name:sub(1, #topic + 1) == topic .. "." then below[#below + 1] = "  " .. signature(block) end
  end
  if exact[1] then return table.concat(exact, "\n\n") end
  if below[1] then return ("%s\n\n`help NAME` tells more about each."):format(table.concat(below, "\n")) end
end
