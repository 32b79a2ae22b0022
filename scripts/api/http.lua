---@meta

---Who uses HTTP.SYS, the HTTP server in the kernel (IIS, WinRM, ...), for which URLs; and its configuration. HTTP.SYS
---takes changes only while the HTTP service runs. Nothing here starts a stopped HTTP service.
---@class win.http
---@field iplisten win.http.iplisten
---@field urlacl win.http.urlacl
local http = {}

---@class win.http.process
---@field pid integer
---@field name? string the image's name
---@field path? string the image's path
---@field services string[] the running services in it
---@field tagged? string the one service of a shared process that is meant

---@class win.http.holder
---@field pid integer
---@field name? string the image's name
---@field path? string the image's path
---@field services string[] the running services in it
---@field objects string[] such as [[\Device\Http\ReqQueue]]
---@field queue boolean whether a request queue is among them, for which it may have registered URLs

---@class win.http.queue
---@field name? string absent for a queue without one
---@field urls string[] as `win.http.url` writes them
---@field processes win.http.process[]
---@field controller? win.http.process that controls a queue of IIS

---@class win.http.state
---@field source "netsh"|"holders"|"stopped" "netsh": all is known, as `netsh http show servicestate` tells it; "holders": the processes that hold request queues are known, their URLs are not; "stopped": the HTTP service does not run, so there is nothing
---@field reason? string why the source is not "netsh"
---@field service? string the state of the HTTP service, "running", ...; absent when there is none
---@field queues win.http.queue[]

---The processes that hold handles of HTTP.SYS. The kernel, and what hosts the driver, do not count.
---
---Rights: anyone for one's own processes; administrator for all
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winternl/nf-winternl-ntquerysysteminformation>
---@return win.http.holder[] rows
---@return integer silent handles of the machine that could not be asked for their names: pipes on which somebody waits; no handle of HTTP.SYS is like that
function http.holders() end

---Whether the HTTP service (HTTP.SYS) runs. Unlike almost everything else about it, asking does not start it.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsvc/nf-winsvc-queryservicestatusex>
---@return boolean running
function http.is_running() end

---Reads what `netsh http show servicestate view=requestq` printed, on any Windows in any language. The processes have
---the fields `pid`, `image` and `notes`, the values that are printed about a process.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/netsh-http>
---@param text string
---@param controllers? integer[] pids that may control queues: those of the services W3SVC and WAS
---@return {name?: string, urls: string[], processes: {pid: integer, image?: string, notes: string[]}[], controller?: integer}[] queues
function http.read_servicestate(text, controllers) end

---Whether it is HTTP.SYS that has a port of this machine, by its own word: sends a request that no server could serve,
---which HTTP.SYS answers itself in the kernel, and reads at most 4 KiB of the reply. Since Windows Vista a header gives
---it away, on Windows Server 2003 (and where `DisableServerHeader` hides that header) the sentence in the reply. A port
---for HTTPS proves nothing, since what is sent is no TLS. No connection stays behind.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/troubleshoot/developer/webapps/iis/iisadmin-service-inetinfo/httpsys-registry-windows>
---@param port integer 1 to 65535
---@param options? {address?: string, timeout?: number} the listener's IP address ("127.0.0.1"), and seconds for all of it (1)
---@return string? proof "Microsoft-HTTPAPI/2.0", "Bad Request (Invalid Verb)", ...; nil when nobody answers, or not as HTTP.SYS does
function http.server(port, options) end

---Which request queues HTTP.SYS has, for whom, and with which URLs.
---
---Rights: administrator for all; without elevation the source is "holders"
---Windows: Vista; before that, where `netsh http` does not exist, the source is "holders"
---See: <https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/netsh-http>
---@return win.http.state state
function http.state() end

---The parts of a URL prefix as HTTP.SYS takes it: scheme and host in lower case, with a port and a slash at the end.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/http/urlprefix-strings>
---@param text string such as "http://+:80/path"
---@return {url: string, scheme: string, host: string, port: integer, path: string}? parts nil when it is no URL prefix
---@return string? fault what is wrong with it
function http.url(text) end

---The URLs on a port that a result of `win.http.state` has, each with its queue's name and processes.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/http/urlprefix-strings>
---@param state win.http.state
---@param port integer 1 to 65535
---@return {url: string, queue?: string, processes: win.http.process[], controller?: win.http.process}[]? rows nil when URLs are not known
function http.urls_on(state, port) end

-- ---- iplisten ----

---The addresses on which HTTP.SYS listens, for every port; none in the list means all.
---@class win.http.iplisten
http.iplisten = {}

---Adds an address to those on which HTTP.SYS listens. As soon as there is one, nothing that HTTP.SYS serves (IIS, WinRM,
---...) can be reached on an address that is not in the list. Some versions of Windows heed the list only when the
---service starts.
---
---Errors: `ERROR_SERVICE_NOT_ACTIVE` while the HTTP service does not run; `ERROR_SERVICE_DISABLED`
---Rights: administrator
---Changes: `http.iplisten`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/http/add-iplisten>
---@param address string "0.0.0.0" and "::" stand for all addresses of their family
---@return boolean changed
function http.iplisten.add(address) end

---Takes an address out of the list; an empty list means all addresses.
---
---Errors: `ERROR_SERVICE_NOT_ACTIVE` while the HTTP service does not run; `ERROR_SERVICE_DISABLED`
---Rights: administrator
---Changes: `http.iplisten`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/http/delete-iplisten>
---@param address string
---@return boolean changed
function http.iplisten.delete(address) end

---The addresses on which HTTP.SYS listens; none means all. A stopped HTTP service is not started: then the list comes
---from the registry.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/http/show-iplisten>
---@return string[] addresses
---@return "api"|"registry" source
function http.iplisten.list() end

---An address as Windows compares it: "::0001" is "::1".
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/http/ip-listen-list>
---@param address string
---@return string address
function http.iplisten.normalize(address) end

-- ---- urlacl ----

---Which accounts may register which URL with HTTP.SYS. A reservation holds no port: `win.http.state` tells what is
---registered.
---@class win.http.urlacl
http.urlacl = {}

---@class win.http.urlacl.user
---@field sid string
---@field name? string absent for an account that is not known here
---@field listen boolean whether it may register the URL
---@field delegate boolean whether it may pass that on

---@class win.http.urlacl.row
---@field url string
---@field sddl? string absent for a reservation whose access list cannot be read
---@field users win.http.urlacl.user[]

---@class win.http.urlacl.options
---@field user? string an account's name, which for built-in accounts depends on the language of Windows, or its SID
---@field listen? boolean default true: lets the account register the URL
---@field delegate? boolean default false: lets it pass that on
---@field sddl? string an access list, instead of the three others

---Reserves a URL. It is the whole of the reservation: who else had it has it no longer.
---
---Errors: `ERROR_SERVICE_NOT_ACTIVE` while the HTTP service does not run; `ERROR_SERVICE_DISABLED`; `ERROR_NONE_MAPPED`
---for an account that there is not
---Rights: administrator
---Changes: `http.urlacl`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/http/add-urlacl>
---@param url string such as "http://+:80/path/"
---@param options win.http.urlacl.options
---@return boolean changed
function http.urlacl.add(url, options) end

---Deletes the reservation of a URL. That frees no port, and what has registered the URL keeps it.
---
---Errors: `ERROR_SERVICE_NOT_ACTIVE` while the HTTP service does not run; `ERROR_SERVICE_DISABLED`
---Rights: administrator
---Changes: `http.urlacl`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/http/delete-urlacl>
---@param url string
---@return boolean changed
function http.urlacl.delete(url) end

---All reservations. A stopped HTTP service is not started: then the rows come from the registry.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/http/show-urlacl>
---@return win.http.urlacl.row[] rows
---@return "api"|"registry" source
function http.urlacl.list() end

---The access list of a reservation, as `netsh http add urlacl` makes it for a user; of `sddl` the form in which Windows
---writes it.
---
---Errors: `ERROR_NONE_MAPPED` for an account that there is not
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/secauthz/security-descriptor-string-format>
---@param options win.http.urlacl.options
---@return string sddl
function http.urlacl.sddl(options) end

---What the entries of an access list let each account do, in order.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/secauthz/security-descriptor-string-format>
---@param sddl string
---@return win.http.urlacl.user[] users
function http.urlacl.users(sddl) end

return http
