-- win.feature: which parts of IIS are installed, and the command that removes them on this Windows.
local feature, win, x = ...

-- ---- What is installed ----

-- Since Windows Vista setup writes a value of 1 for each installed component.
-- https://learn.microsoft.com/iis/install/installing-iis-7/discover-installed-components
local COMPONENTS <const> = [[HKLM\SOFTWARE\Microsoft\InetStp\Components]]
-- Before, the Optional Component Manager did.
-- (No page of Microsoft's describes the key; it is where sysocmgr itself looks.)
local SUBCOMPONENTS <const> = [[HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\Oc Manager\Subcomponents]]

-- The names of Windows features whose component is not called the same without "IIS-".
-- https://learn.microsoft.com/iis/install/installing-iis-7/understanding-setup-in-iis
local OTHER_NAMES <const> = {
  w3svc = "IIS-WebServer", directorybrowse = "IIS-DirectoryBrowsing", serversideinclude = "IIS-ServerSideIncludes",
  iisclientcertificatemappingauthentication = "IIS-IISCertificateMappingAuthentication",
  authorization = "IIS-URLAuthorization", adminservice = "IIS-ManagementService", legacysnapin = "IIS-LegacySnapIn",
  processmodel = "WAS-ProcessModel", netfxenvironment = "WAS-NetFxEnvironment",
  wasconfigurationapi = "WAS-ConfigurationAPI", ftpserver = "IIS-FTPServer", certprovider = "IIS-CertProvider",
}
local SAME_NAMES <const> = {
  "StaticContent", "DefaultDocument", "HttpErrors", "HttpRedirect", "ASPNET", "ASPNET45", "ASP", "CGI",
  "NetFxExtensibility", "NetFxExtensibility45", "ISAPIExtensions", "ISAPIFilter", "HttpLogging", "LoggingLibraries",
  "RequestMonitor", "HttpTracing", "CustomLogging", "ODBCLogging", "BasicAuthentication", "WindowsAuthentication",
  "DigestAuthentication", "ClientCertificateMappingAuthentication", "RequestFiltering", "IPSecurity",
  "HttpCompressionStatic", "HttpCompressionDynamic", "ManagementConsole", "ManagementScriptingTools",
  "WMICompatibility", "LegacyScripts", "Metabase", "WebSockets", "ApplicationInit", "WebDAV", "FTPSvc",
  "FTPExtensibility", "HostableWebCore",
}

local names = {} -- by component in lower case
for component, name in pairs(OTHER_NAMES) do names[component] = name end
for _, component in ipairs(SAME_NAMES) do names[component:lower()] = "IIS-" .. component end

local function is_old() return win.host.version().major < 6 end

-- The names of the values of `key` that say "installed".
local function installed_values(key)
  local found = {}
  for _, value in ipairs(win.reg.exists(key) and win.reg.values(key) or {}) do
    if type(value.value) == "number" and value.value ~= 0 then found[#found + 1] = value.name end
  end
  table.sort(found, function(a, b) return a:lower() < b:lower() end)
  return found
end

local function is_iis(component)
  local name = component:lower()
  return name:find "^iis" ~= nil or name == "aspnet" or name == "fp_extensions" or name == "webcomponents"
end

local function installed()
  local rows = {}
  for _, component in ipairs(installed_values(is_old() and SUBCOMPONENTS or COMPONENTS)) do
    if not is_old() then
      rows[#rows + 1] = {name = names[component:lower()], component = component}
    elseif is_iis(component) then
      rows[#rows + 1] = {name = component, component = component}
    end
  end
  return rows
end

function feature.list(...)
  x.check "feature.list".arguments(select("#", ...), 0, 0)
  return x.about("feature.list", installed)
end

-- ---- How it is removed ----

-- The features that `name` means, of those that are installed; nil when none is. "IIS" is all of it: on a Windows that
-- has features the role, with which everything in it goes.
local function meant(check, name, rows)
  if name:lower() == "iis" then
    if not rows[1] then return nil end
    if not is_old() then return {"IIS-WebServerRole"} end
    local all = {}
    for i, row in ipairs(rows) do all[i] = row.name end
    return all
  end
  for _, row in ipairs(rows) do
    local is_meant = (row.name or ""):lower() == name:lower() or row.component:lower() == name:lower()
    if is_meant and not row.name then check.bad("name", name, "a component whose feature p80 knows") end
    if is_meant then return {row.name} end
  end
end

local plans = {}

-- Windows Server 2003: a text file says what is to be off.
-- https://learn.microsoft.com/previous-versions/orphan-topics/ws.10/cc773290(v=ws.10) (sysocmgr)
function plans.sysocmgr(features)
  local windows = win.process.find("ntdll.dll"):match [[^(.*)\[^\]+\[^\]+$]]
  local lines, file = {"[Components]"}, windows .. "\\p80-feature.txt"
  for _, name in ipairs(features) do lines[#lines + 1] = name .. " = Off" end
  return {
    program = "sysocmgr.exe", args = {"/i:" .. windows .. "\\inf\\sysoc.inf", "/u:" .. file, "/q", "/r"},
    file = file, text = table.concat(lines, "\r\n") .. "\r\n",
  }
end

-- Windows Vista and Server 2008.
-- https://learn.microsoft.com/iis/install/installing-iis-7/using-unattended-setup-to-install-iis (pkgmgr)
function plans.pkgmgr(features)
  return {program = "pkgmgr.exe", args = {"/uu:" .. table.concat(features, ";"), "/quiet", "/norestart"}}
end

-- Windows 7, Server 2008 R2 and later.
-- https://learn.microsoft.com/windows-hardware/manufacture/desktop/dism-operating-system-package-servicing-command-line-options
function plans.dism(features)
  local args = {"/online", "/disable-feature", "/quiet", "/norestart"}
  for _, name in ipairs(features) do args[#args + 1] = "/featurename:" .. name end
  return {program = "dism.exe", args = args}
end

local function tool()
  local version = win.host.version()
  if version.major < 6 then return "sysocmgr" end
  return version.major == 6 and version.minor == 0 and "pkgmgr" or "dism"
end

function feature.plan_remove(...)
  local check = x.check "feature.plan_remove"
  check.arguments(select("#", ...), 1, 1)
  local name = check.text("name", (...))
  if name == "" then check.bad("name", name, "the name of a feature") end
  local features = meant(check, name, x.about("feature.plan_remove", installed))
  if not features then return nil end
  local plan = plans[tool()](features)
  plan.features = features
  plan.command = win.process.join {plan.program, table.unpack(plan.args)}
  return plan
end
