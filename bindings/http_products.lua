-- win.http.product: which products use HTTP.SYS, by what shows them: a service, or a word in a URL's path.
local http, _, x = ...

-- From Microsoft's pages on ports and on each product; `doubt` marks what rests on common knowledge alone. `services`
-- may end in "*". `paths` are the first segments of URL paths, in lower case.
local PRODUCTS <const> = {
  {name = "Internet Information Services (IIS)", services = {"W3SVC", "WAS", "IISADMIN"},
    remedy = "change the port of the site's binding: win.iis; SharePoint has tools of its own for that"},
  {name = "SQL Server Reporting Services, Power BI Report Server",
    services = {"ReportServer", "ReportServer$*", "SQLServerReportingServices", "PowerBIReportServer"},
    paths = {"reports", "reportserver"},
    remedy = "change the port in Report Server Configuration Manager; never its URL reservations by hand"},
  {name = "BranchCache", services = {"PeerDistSvc"},
    paths = {"116b50eb-ece2-41ac-8429-9f9e963361b7", "0131501b-d67f-491b-9a40-c4bf27bcb4d4"},
    remedy = "stop the service, or set ListenPort and ConnectPort in "
      .. [[HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\PeerDist\DownloadManager\Peers\Connection]]},
  {name = "Web Deploy", services = {"MsDepSvc"}, paths = {"msdeployagentservice"},
    remedy = [[set ListenUrl in HKLM\SYSTEM\CurrentControlSet\Services\MsDepSvc\Parameters ]]
      .. "and restart the service, or stop it"},
  {name = "Windows Remote Management (WinRM)", services = {"WinRM"}, paths = {"wsman"},
    remedy = "turn EnableCompatibilityHttpListener off: only with it, or before WinRM 2.0, port 80 is used"},
  {name = "Hyper-V Replica", services = {"vmms"}, doubt = true,
    remedy = "Set-VMReplicationServer -KerberosAuthenticationPort"},
  {name = "Active Directory Federation Services", services = {"adfssrv"}, paths = {"adfs"}, doubt = true,
    remedy = "Set-AdfsProperties -HttpPort"},
  {name = "Work Folders", services = {"SyncShareSvc"}, doubt = true,
    remedy = [[change the port in %windir%\System32\SyncShareSvc.config]]},
  {name = "Windows Server Update Services", services = {"WsusService"},
    paths = {"wsusadmin", "selfupdate"}, doubt = true,
    remedy = "move its site in IIS; it listens on 80 only when it was put into the Default Web Site"},
  {name = "Windows Communication Foundation", paths = {"temporary_listen_addresses"},
    remedy = "a reservation alone holds no port; end the program that uses it"},
  {name = "Windows Media Services", services = {"WMServer"}, doubt = true, remedy = "turn off its HTTP protocol"},
  {name = "Routing and Remote Access (SSTP)", services = {"SstpSvc", "RemoteAccess"},
    paths = {"sra_{ba195980-cd49-458b-9e23-c84ee0adcd75}"}, remedy = "it uses port 443, not 80"},
  {name = "Remote Desktop Gateway", services = {"TSGateway"}, doubt = true, remedy = "it uses port 443"},
  {name = "IIS Web Management Service", services = {"WMSVC"}, remedy = "it uses port 8172"},
  {name = "SSDP and UPnP", services = {"SSDPSRV", "upnphost"}, remedy = "they use port 2869"},
  {name = "Function Discovery (WSD)", services = {"FDResPub", "fdPHost"}, remedy = "it uses port 5357"},
}

local by_service, by_path, prefixes = {}, {}, {}
for _, product in ipairs(PRODUCTS) do
  for _, service in ipairs(product.services or {}) do
    local name = service:lower()
    if name:sub(-1) == "*" then prefixes[name:sub(1, -2)] = product else by_service[name] = product end
  end
  for _, path in ipairs(product.paths or {}) do by_path[path] = product end
end

local function find(what)
  local name = what:lower()
  local path = name:match "^https?://[^/]*/([^/]+)"
  if path then return by_path[path] end
  local guid = name:match "^{?([%x-]+)}?$"
  if by_service[name] or guid and by_path[guid] then return by_service[name] or by_path[guid] end
  for prefix, product in pairs(prefixes) do
    if name:sub(1, #prefix) == prefix then return product end
  end
end

function http.product(...)
  local check = x.check "http.product"
  check.arguments(select("#", ...), 1, 1)
  local product = find(check.text("what", (...)))
  return product and {name = product.name, remedy = product.remedy, certain = not product.doubt}
end
