---@meta

---Who uses HTTP.SYS, the HTTP server in the kernel (IIS, WinRM, ...), for which URLs; and its configuration. HTTP.SYS
---takes changes only while the HTTP service runs. Nothing here starts a stopped HTTP service.
---@class win.http
---@field iplisten win.http.iplisten
---@field urlacl win.http.urlacl
---@field sslcert win.http.sslcert
---@field timeout win.http.timeout
---@field cache win.http.cache
---@field setting win.http.setting
---@field parameters win.http.parameters
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
---@field product? string the product that its services belong to

---@class win.http.queue
---@field name? string absent for a queue without one
---@field urls string[] as `win.http.url` writes them
---@field processes win.http.process[]
---@field controller? win.http.process that controls a queue of IIS
---@field product? string the product that its URLs or services belong to: "BranchCache", ...

---@class win.http.group a group of URLs in a server session
---@field id string 16 hexadecimal digits
---@field queue? string the name of its request queue, where that has one
---@field urls string[]

---@class win.http.session
---@field id string 16 hexadecimal digits
---@field groups win.http.group[]

---@class win.http.state
---@field source "netsh"|"holders"|"stopped" "netsh": all is known, as `netsh http show servicestate` tells it; "holders": the processes that hold request queues are known, their URLs are not; "stopped": the HTTP service does not run, so there is nothing
---@field reason? string why the source is not "netsh"
---@field service? string the state of the HTTP service, "running", ...; absent when there is none
---@field queues win.http.queue[]
---@field sessions? win.http.session[] with `view="session"`
---@field loose? string[] URLs of which nobody can say which queue has them: older versions tell URLs by session, and queues without names

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

---The product that a service, a URL or the GUID of a reservation belongs to, and the mildest way to move it off a port.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/troubleshoot/windows-server/networking/service-overview-and-network-port-requirements>
---@param what string such as "PeerDistSvc", "http://+:80/wsman/", "{116B50EB-ECE2-41AC-8429-9F9E963361B7}"
---@return {name: string, remedy: string, certain: boolean}? product `certain` is false for what rests on common knowledge alone
function http.product(what) end

---Reads what `netsh http show servicestate` printed, in either view, on any Windows in any language. The processes have
---the fields `pid`, `image` and `notes`, the values that are printed about a process.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/netsh-http>
---@param text string
---@param controllers? integer[] pids that may control queues: those of the services W3SVC and WAS
---@return {name?: string, urls: string[], processes: {pid: integer, image?: string, notes: string[]}[], controller?: integer}[] queues
---@return win.http.session[] sessions none in the view requestq
---@return string[] loose URLs of which nobody can say which queue has them
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
---@param options? {view?: "requestq"|"session"} default "requestq"; "session" adds `sessions`, and on older versions knows less about queues
---@return win.http.state state
function http.state(options) end

---The parts of a URL prefix as HTTP.SYS takes it: scheme and host in lower case, with a port and a slash at the end.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/http/urlprefix-strings>
---@param text string such as "http://+:80/path"
---@return {url: string, scheme: string, host: string, host_kind: "strong_wildcard"|"weak_wildcard"|"name"|"ipv4"|"ipv6", port: integer, path: string}? parts nil when it is no URL prefix
---@return string? fault what is wrong with it
function http.url(text) end

---The URLs on a port that a result of `win.http.state` has, each with its queue's name and processes.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/http/urlprefix-strings>
---@param state win.http.state
---@param port integer 1 to 65535
---@return {url: string, queue?: string, processes: win.http.process[], controller?: win.http.process, product?: string}[]? rows nil when URLs are not known
function http.urls_on(state, port) end

-- ---- iplisten ----

---The addresses on which HTTP.SYS listens, for every port; none in the list means all.
---@class win.http.iplisten
http.iplisten = {}

---Adds an address to those on which HTTP.SYS listens. As soon as there is one, nothing that HTTP.SYS serves (IIS, WinRM,
---...) can be reached on an address that is not in the list. Some versions of Windows heed the list only when the
---service starts. Of an address that this machine does not have the run warns.
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

---Whether this machine has an address. A socket can be bound to such an address only.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winsock/nf-winsock-bind>
---@param address string
---@return boolean? local nil when that cannot be found out
function http.iplisten.is_local(address) end

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

---The reservation of one URL, however that is spelt. A stopped HTTP service is not started.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/http/show-urlacl>
---@param url string
---@return win.http.urlacl.row? row nil when the URL is not reserved
---@return "api"|"registry" source
function http.urlacl.get(url) end

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

---What the entries of an access list let each account do, in order. The first entry that says something about a right
---counts.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/secauthz/security-descriptor-string-format>
---@param sddl string
---@return win.http.urlacl.user[] users
function http.urlacl.users(sddl) end

-- ---- sslcert ----

---Which certificate HTTP.SYS presents: on an address and port, for a host name, or from the central certificate store.
---A binding is written as netsh has it, "ipport=0.0.0.0:443", "hostnameport=www.contoso.com:443", "ccs=443",
---"scopedccs=www.contoso.com:443"; without a word before it, what follows tells an address from a host name. IPv6
---addresses stand in brackets. Before Windows 8 and Server 2012 there are only addresses. What netsh calls `update
---sslpropertyex` is not here: the size of its structure differs between versions of Windows, and is documented for none.
---@class win.http.sslcert
http.sslcert = {}

---@class win.http.sslcert.fields
---@field hash? string of the certificate, in hexadecimal digits; absent for the central store
---@field appid? string GUID of the application, "{4dc3e181-e14b-4a21-b022-59fc669b0914}" (IIS); it only tells whose binding it is
---@field store? string of the local machine, default "MY"
---@field verify_client_cert_revocation? boolean default true
---@field verify_revocation_with_cached_client_cert_only? boolean
---@field use_revocation_freshness_time? boolean true by itself when that time is given
---@field usage_check? boolean default true
---@field revocation_freshness_time? integer seconds after which a new list of revoked certificates is looked for
---@field url_retrieval_timeout? number seconds that fetching one may take
---@field ctl_identifier? string which list of trusted issuers
---@field ctl_store? string where that is
---@field ds_mapper_usage? boolean Active Directory maps client certificates to accounts
---@field client_cert_negotiation? boolean
---@field no_raw_filter? boolean Server 2003 alone: no low-level ISAPI filters
---@field reject? boolean refuse connections
---@field disable_http2? boolean
---@field disable_quic? boolean
---@field disable_legacy_tls? boolean
---@field disable_tls12? boolean
---@field disable_tls13? boolean
---@field disable_ocsp_stapling? boolean
---@field enable_token_binding? boolean
---@field log_extended_events? boolean
---@field enable_session_ticket? boolean
---@field disable_session_id? boolean
---@field enable_client_correlation? boolean
---@field other_checks? integer bits of the check mode that have no name here
---@field other_flags? integer bits of the flags that have no name here

---@class win.http.sslcert.row: win.http.sslcert.fields
---@field binding string such as "ipport=0.0.0.0:443"
---@field kind "ipport"|"hostnameport"|"ccs"|"scopedccs"
---@field host? string the address or host name
---@field port integer

---Binds a certificate. It is the whole of the binding: what is not said is as Windows has it by itself.
---
---Errors: `ERROR_NO_SUCH_LOGON_SESSION` when the store does not have the certificate with its private key;
---`ERROR_CALL_NOT_IMPLEMENTED` for a kind of binding that this Windows does not know; `ERROR_SERVICE_NOT_ACTIVE` while the
---HTTP service does not run; `ERROR_SERVICE_DISABLED`
---Rights: administrator
---Changes: `http.sslcert`
---Windows: Server 2003; hostnameport and ccs: Windows 8 and Server 2012; scopedccs: a version of Windows 10
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/ns-http-http_service_config_ssl_param>
---@param binding string such as "0.0.0.0:443", "www.contoso.com:443", "ccs=443"
---@param options win.http.sslcert.fields
---@return boolean changed
function http.sslcert.add(binding, options) end

---What a binding says, in the form in which p80 writes it.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/netsh-http>
---@param binding string
---@return {binding: string, kind: string, host?: string, port: integer}? parts nil when it is no binding
---@return string? fault what is wrong with it
function http.sslcert.binding(binding) end

---All fields of a binding with what they are when nobody says otherwise.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/ns-http-http_service_config_ssl_param>
---@return win.http.sslcert.fields fields
function http.sslcert.defaults() end

---Takes a binding away; the certificate stays in its store.
---
---Errors: as `win.http.sslcert.add`
---Rights: administrator
---Changes: `http.sslcert`
---Windows: as `win.http.sslcert.add`
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/nf-http-httpdeleteserviceconfiguration>
---@param binding string
---@return boolean changed
function http.sslcert.delete(binding) end

---One binding. A stopped HTTP service is not started: then it comes from the registry.
---
---Errors: `ERROR_CALL_NOT_IMPLEMENTED` for a kind of binding that this Windows does not know
---Rights: anyone
---Windows: as `win.http.sslcert.add`
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/nf-http-httpqueryserviceconfiguration>
---@param binding string
---@return win.http.sslcert.row? row nil when nothing is bound there
---@return "api"|"registry" source
function http.sslcert.get(binding) end

---All bindings, of all kinds that this Windows knows. A stopped HTTP service is not started: then they come from the
---registry, without those of the kind scopedccs.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/nf-http-httpqueryserviceconfiguration>
---@return win.http.sslcert.row[] rows
---@return "api"|"registry" source
function http.sslcert.list() end

---Changes what is said of a binding that there is; all else stays. From Windows 10, version 1703, on that is one step;
---before that the binding is gone for a moment.
---
---Errors: `ERROR_FILE_NOT_FOUND` when there is no such binding; otherwise as `win.http.sslcert.add`
---Rights: administrator
---Changes: `http.sslcert`
---Windows: as `win.http.sslcert.add`
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/nf-http-httpupdateserviceconfiguration>
---@param binding string
---@param options win.http.sslcert.fields
---@return boolean changed
function http.sslcert.update(binding, options) end

---@class win.http.number
---@field name string
---@field value? integer absent while the HTTP service is stopped, and for one that is not set and has no known default
---@field default? integer
---@field least integer
---@field most integer
---@field unit string "s", "bytes", "connections"
---@field meaning string
---@field netsh string what netsh calls it
---@field id integer HTTP_SERVICE_CONFIG_ID
---@field key integer

-- ---- timeout ----

---How long HTTP.SYS lets connections wait, in seconds, where an application says nothing else.
---@class win.http.timeout
http.timeout = {}

---Takes a number back, so that Windows' own default holds.
---
---Errors: `ERROR_CALL_NOT_IMPLEMENTED` where this Windows does not know it; `ERROR_SERVICE_NOT_ACTIVE` while the HTTP
---service does not run; `ERROR_SERVICE_DISABLED`
---Rights: administrator
---Changes: `http.timeout`
---Windows: Vista
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/ne-http-http_service_config_timeout_key>
---@param name "idle_connection"|"header_wait"
---@return boolean changed
function http.timeout.delete(name) end

---One of the numbers. A stopped HTTP service is not started, and tells none.
---
---Errors: `ERROR_CALL_NOT_IMPLEMENTED` where this Windows does not know it
---Rights: anyone
---Windows: Vista
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/ne-http-http_service_config_timeout_key>
---@param name "idle_connection"|"header_wait"
---@return integer? value nil when it is not set, or not known
---@return "api"|"stopped" source
function http.timeout.get(name) end

---All of them, with range, default and meaning.
---
---Errors: `ERROR_CALL_NOT_IMPLEMENTED` where this Windows does not know them
---Rights: anyone
---Windows: Vista
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/ne-http-http_service_config_timeout_key>
---@return win.http.number[] rows
---@return "api"|"stopped" source
function http.timeout.list() end

---Sets one of them, for all of HTTP.SYS.
---
---Errors: `ERROR_CALL_NOT_IMPLEMENTED` where this Windows does not know it; `ERROR_SERVICE_NOT_ACTIVE` while the HTTP
---service does not run; `ERROR_SERVICE_DISABLED`
---Rights: administrator
---Changes: `http.timeout`
---Windows: Vista
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/ne-http-http_service_config_timeout_key>
---@param name "idle_connection"|"header_wait"
---@param value integer in its unit
---@return boolean changed
function http.timeout.set(name, value) end

-- ---- cache ----

---How HTTP.SYS caches responses, in bytes. What is cached, and emptying the cache, is not here: Windows has no documented
---call for them; `netsh http show cachestate`, `netsh http delete cache` and `netsh http flush logbuffer` are the only way.
---@class win.http.cache
http.cache = {}

---One of the numbers. A stopped HTTP service is not started, and tells none.
---
---Errors: `ERROR_CALL_NOT_IMPLEMENTED` where this Windows does not know it
---Rights: anyone
---Windows: Windows 7 and Server 2008 R2
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/ne-http-http_service_config_cache_key>
---@param name "max_response_size"|"range_chunk_size"
---@return integer? value nil when it is not set, or not known
---@return "api"|"stopped" source
function http.cache.get(name) end

---All of them, with range, default and meaning.
---
---Errors: `ERROR_CALL_NOT_IMPLEMENTED` where this Windows does not know them
---Rights: anyone
---Windows: Windows 7 and Server 2008 R2
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/ne-http-http_service_config_cache_key>
---@return win.http.number[] rows
---@return "api"|"stopped" source
function http.cache.list() end

---Sets one of them, for all of HTTP.SYS.
---
---Errors: `ERROR_CALL_NOT_IMPLEMENTED` where this Windows does not know it; `ERROR_SERVICE_NOT_ACTIVE` while the HTTP
---service does not run; `ERROR_SERVICE_DISABLED`
---Rights: administrator
---Changes: `http.cache`
---Windows: Windows 7 and Server 2008 R2
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/ne-http-http_service_config_cache_key>
---@param name "max_response_size"|"range_chunk_size"
---@param value integer in its unit
---@return boolean changed
function http.cache.set(name, value) end

-- ---- setting ----

---Settings that hold for all of HTTP.SYS.
---@class win.http.setting
http.setting = {}

---Takes a number back, so that Windows' own default holds.
---
---Errors: `ERROR_CALL_NOT_IMPLEMENTED` where this Windows does not know it; `ERROR_SERVICE_NOT_ACTIVE` while the HTTP
---service does not run; `ERROR_SERVICE_DISABLED`
---Rights: administrator
---Changes: `http.setting`
---Windows: a version of Windows 10
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/ne-http-http_service_config_id>
---@param name "ssl_throttle"
---@return boolean changed
function http.setting.delete(name) end

---One of the numbers. A stopped HTTP service is not started, and tells none.
---
---Errors: `ERROR_CALL_NOT_IMPLEMENTED` where this Windows does not know it
---Rights: anyone
---Windows: a version of Windows 10
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/ne-http-http_service_config_id>
---@param name "ssl_throttle"
---@return integer? value nil when it is not set, or not known
---@return "api"|"stopped" source
function http.setting.get(name) end

---All of them, with range, default and meaning.
---
---Errors: `ERROR_CALL_NOT_IMPLEMENTED` where this Windows does not know them
---Rights: anyone
---Windows: a version of Windows 10
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/ne-http-http_service_config_id>
---@return win.http.number[] rows
---@return "api"|"stopped" source
function http.setting.list() end

---Sets one of them, for all of HTTP.SYS.
---
---Errors: `ERROR_CALL_NOT_IMPLEMENTED` where this Windows does not know it; `ERROR_SERVICE_NOT_ACTIVE` while the HTTP
---service does not run; `ERROR_SERVICE_DISABLED`
---Rights: administrator
---Changes: `http.setting`
---Windows: a version of Windows 10
---See: <https://learn.microsoft.com/en-us/windows/win32/api/http/ne-http-http_service_config_id>
---@param name "ssl_throttle"
---@param value integer in its unit
---@return boolean changed
function http.setting.set(name, value) end

-- ---- parameters ----

---The documented values of the registry that HTTP.SYS reads when it starts, with their Windows names ("MaxFieldLength").
---A change is heeded when the HTTP service is started the next time; the run says so.
---@class win.http.parameters
http.parameters = {}

---@class win.http.parameter
---@field name string
---@field value? integer|string absent when it is not set
---@field default integer|string what HTTP.SYS takes then
---@field least? integer
---@field most? integer
---@field unit? string
---@field meaning string
---@field risk? string what Microsoft warns of
---@field type "dword"|"sz"
---@field key string where it is in the registry

---Deletes a parameter, so that HTTP.SYS takes its own default.
---
---Errors: `ERROR_ACCESS_DENIED` without elevation
---Rights: administrator
---Changes: `http.parameters`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/troubleshoot/developer/webapps/iis/iisadmin-service-inetinfo/httpsys-registry-windows>
---@param name string
---@return boolean changed
function http.parameters.delete(name) end

---One parameter.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/troubleshoot/developer/webapps/iis/iisadmin-service-inetinfo/httpsys-registry-windows>
---@param name string
---@return win.http.parameter parameter
function http.parameters.get(name) end

---All parameters.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/troubleshoot/developer/webapps/iis/iisadmin-service-inetinfo/httpsys-registry-windows>
---@return win.http.parameter[] parameters
function http.parameters.list() end

---Sets a parameter; a value outside of its range is an error.
---
---Errors: `ERROR_ACCESS_DENIED` without elevation
---Rights: administrator
---Changes: `http.parameters`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/troubleshoot/developer/webapps/iis/iisadmin-service-inetinfo/httpsys-registry-windows>
---@param name string such as "MaxFieldLength"
---@param value integer|string
---@return boolean changed
function http.parameters.set(name, value) end

return http
