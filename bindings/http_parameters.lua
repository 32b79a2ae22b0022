-- win.http.parameters: the documented values of the registry that HTTP.SYS reads when it starts.
-- https://learn.microsoft.com/troubleshoot/developer/webapps/iis/iisadmin-service-inetinfo/httpsys-registry-windows
-- https://learn.microsoft.com/windows/win32/http/configuring-http-server-api-error-logging
local parameters, win, x = ...

local HTTP <const> = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]]
local FILTER <const> = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTPFilter\Parameters]]

-- name, default, least, most, unit, meaning, risk. Microsoft warns of those with a risk.
local MEMORY <const> = "more memory is used, and attacks become easier"
local NUMBERS <const> = {
  {"AllowRestrictedChars", 0, 0, 1, nil,
    "accept characters U+0000 to U+001F and U+007F to U+009F in URLs, where they are escaped in hexadecimal"},
  {"DisableServerHeader", 0, 0, 2, nil,
    "the Server header: 0 in every response, 1 not in those that HTTP.SYS makes itself, "
    .. "2 only where the application gives one"},
  {"EnableAggressiveMemoryUsage", 0, 0, 1, nil,
    "refuse connections only below 8 MB of nonpaged memory instead of 20 MB"},
  {"EnableNonUTF8", 1, 0, 1, nil, "accept URLs in ANSI or DBCS besides UTF-8"},
  {"FavorUTF8", 1, 0, 1, nil, "try a URL as UTF-8 first, then as ANSI or DBCS; 0: the other way round"},
  {"MaxBytesPerSend", 65536, 1, 0xFFFFF, "bytes", "the TCP window, in place of the one that Windows would take"},
  {"MaxConnections", 0xFFFFFFFF, 1024, 2031616, "connections",
    "the most connections, in place of what the driver computes from memory", MEMORY},
  {"MaxEndpoints", 0, 0, 1024, "endpoints", "the most endpoints; 0: computed from memory", MEMORY},
  {"MaxFieldLength", 16384, 64, 65534, "bytes", "the longest header", MEMORY},
  {"MaxRequestBytes", 16384, 256, 16777216, "bytes", "the longest request line with all headers", MEMORY},
  {"PercentUAllowed", 1, 0, 1, nil, "accept %uNNNN in URLs"},
  {"UriEnableCache", 1, 0, 1, nil, "the cache for responses and fragments in the kernel"},
  {"UriMaxUriBytes", 262144, 4096, 16777216, "bytes", "the largest response that is cached in the kernel",
    MEMORY .. "; a low number may make static content slow"},
  {"UriScavengerPeriod", 120, 10, 0xFFFFFFFF, "s", "what nobody asked for that long leaves the cache",
    MEMORY .. "; a low number empties the cache often"},
  {"UrlSegmentMaxCount", 255, 0, 16383, "segments", "the most segments of a URL's path; 0: any number", MEMORY},
  {"UrlSegmentMaxLength", 260, 0, 32766, "characters", "the longest segment of a URL's path; 0: any length", MEMORY},
  {"EnableErrorLogging", 1, 0, 1, nil, "write the error log Httperr.log"},
  {"ErrorLogFileTruncateSize", 0x100000, 0x100000, 0xFFFFFFFF, "bytes", "the size at which a new error log is begun"},
  {"CertChainCacheOnlyUrlRetrieval", 1, 0, 1, nil,
    "build chains of client certificates without fetching issuers from the network"},
}
local DIRECTORY <const> = "ErrorLoggingDir"

local ROWS, NAMES = {}, {}

local function add_row(row)
  row.key = row.name == "CertChainCacheOnlyUrlRetrieval" and FILTER or HTTP
  ROWS[row.name], NAMES[#NAMES + 1] = row, row.name
end

for _, entry in ipairs(NUMBERS) do
  add_row {
    name = entry[1], type = "dword", default = entry[2], least = entry[3], most = entry[4], unit = entry[5],
    meaning = entry[6], risk = entry[7],
  }
end
add_row {
  name = DIRECTORY, type = "sz", default = [[%SystemRoot%\System32\LogFiles]],
  meaning = "the folder in which HTTP.SYS makes HTTPERR, with the error logs",
}
table.sort(NAMES)

local function read(row)
  local copy = {value = win.reg.get(row.key, row.name)}
  for field, value in pairs(row) do copy[field] = value end
  return copy
end

function parameters.list(...)
  x.check("http.parameters.list").arguments(select("#", ...), 0, 0)
  local rows = {}
  for i, name in ipairs(NAMES) do rows[i] = read(ROWS[name]) end
  return rows
end

function parameters.get(...)
  local check = x.check "http.parameters.get"
  check.arguments(select("#", ...), 1, 1)
  local name = check.text("name", (...))
  if ROWS[name] then return read(ROWS[name]) end
  local meant = x.nearest(name, NAMES)
  x.fail("http.parameters.get", name ~= "" and name or "name", 87, "HTTP.SYS has no such documented parameter.",
    meant and ("did you mean '%s'?"):format(meant) or "win.http.parameters.list() has them all")
end
