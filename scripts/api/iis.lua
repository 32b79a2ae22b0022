---@meta
---Web sites of IIS and their bindings, on IIS 7 and newer through its configuration interface, on IIS 6 through its metabase;
---never by editing a file behind its back. Where IIS, or its management component, is not installed, every function but
---`store` raises `ERROR_NOT_SUPPORTED`.
---@class win.iis
local iis = {}

---A binding of a site. Bindings of other protocols than HTTP have no address, port and host.
---@class win.iis.binding
---@field protocol string "http", "https", or on IIS 7 and newer another ("ftp", "net.tcp")
---@field binding string what identifies it: "address:port:host", for all addresses "*:80:"
---@field address? string "*", or an IP address (IPv6 in brackets)
---@field port? integer
---@field host? string the host name that requests must ask for; nil for any
---@field ssl_flags? integer IIS 8 and newer: 1 when the certificate is chosen by host name (SNI), 2 when it is in the central store
---@field site? string the site's name (win.iis.bindings alone)
---@field id? integer the site's number (win.iis.bindings alone)

---A web site.
---@class win.iis.site
---@field name string of IIS 6 the description; "site (3)" where it has none, with its number where it is another's, too
---@field id integer its number
---@field state "starting"|"started"|"stopping"|"stopped"|"pausing"|"paused"|"continuing"|"unknown" unknown while the service that runs the sites is stopped
---@field auto_start? boolean whether it starts with the service; IIS keeps this in step with starts and stops
---@field error? integer IIS 6: the Win32 error of the site's last start
---@field bindings win.iis.binding[]

---Which configuration the IIS of this machine has. Looks at what is registered; IIS is not asked.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/iis/web-development-reference/native-code-api-reference/iapphostwritableadminmanager-interface>
---@return "apphost"|"metabase"|nil store "apphost" since IIS 7, "metabase" on IIS 6, nil without IIS
function iis.store() end

---The web sites.
---
---Errors: `ERROR_NOT_SUPPORTED` without IIS; on IIS 6 `ERROR_SERVICE_NOT_ACTIVE` while IISADMIN is stopped, because asking would
---start it.
---Rights: administrator
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/iis/configuration/system.applicationhost/sites/>
---@return win.iis.site[] sites
function iis.sites() end

---One site.
---
---Errors: as `win.iis.sites`.
---Rights: administrator
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/iis/configuration/system.applicationhost/sites/site/>
---@param site string|integer its name, in any case of letters, or its number
---@return win.iis.site? site nil when there is none
function iis.get(site) end

---The bindings of all sites.
---
---Errors: as `win.iis.sites`.
---Rights: administrator
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/iis/configuration/system.applicationhost/sites/site/bindings/>
---@return win.iis.binding[] bindings each with `site` and `id`
function iis.bindings() end

---Moves one binding of a site to another port; its address, host and everything else stay. A site that runs listens on the new
---port soon after. False when the site has no such binding but the one that it would become. A certificate belongs to
---address and port in HTTP.SYS and does not move along: give an https binding's new address one first (`win.http.sslcert`).
---
---Errors: `ERROR_NOT_FOUND` for a site or binding that there is not, naming those that there are; `ERROR_ALREADY_EXISTS` when a
---site has the new binding already; `ERROR_ACCESS_DENIED` when not elevated.
---Rights: administrator
---Changes: `iis.binding`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/iis/configuration/system.applicationhost/sites/site/bindings/binding>
---@param site string|integer its name or number
---@param binding string as `win.iis.bindings` shows it: "*:80:"
---@param port integer the new port
---@param options? {protocol?: "http"|"https"} protocol: which one is meant when the text alone does not tell
---@return boolean changed
function iis.move(site, binding, port, options) end

---Starts a site and waits until it is started.
---
---Errors: `ERROR_NOT_FOUND` for a site that there is not; `ERROR_SERVICE_NOT_ACTIVE` while W3SVC is stopped; `ERROR_TIMEOUT`, with what IIS 6 knows of the reason; what IIS says, such
---as `ERROR_SHARING_VIOLATION` when another holds its port.
---Rights: administrator
---Changes: `iis.site`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/previous-versions/iis/6.0-sdk/ms525466(v=vs.90)>
---@param site string|integer its name or number
---@param options? {timeout?: number} timeout: seconds that this may take (30)
---@return boolean changed
function iis.start(site, options) end

---Stops a site, and with it its listening, and waits until it is stopped. The other sites go on.
---
---Errors: `ERROR_NOT_FOUND` for a site that there is not; `ERROR_SERVICE_NOT_ACTIVE` while W3SVC is stopped; `ERROR_TIMEOUT`.
---Rights: administrator
---Changes: `iis.site`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/previous-versions/iis/6.0-sdk/ms525466(v=vs.90)>
---@param site string|integer its name or number
---@param options? {timeout?: number} timeout: seconds that this may take (30)
---@return boolean changed
function iis.stop(site, options) end

return iis
