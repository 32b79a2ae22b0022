-- win.http.url: URL prefixes as HTTP.SYS has them, "scheme://host:port/path/".
-- https://learn.microsoft.com/windows/win32/http/urlprefix-strings
local http, _, x = ...

local DEFAULT_PORT <const> = {http = "80", https = "443"}

local WILDCARDS <const> = {["+"] = "strong_wildcard", ["*"] = "weak_wildcard"}

local function normalize(address)
  local ok, normal = pcall(http.iplisten.normalize, address)
  return ok and normal or nil
end

-- The host and what it is; nil and what is wrong with it.
local function check_host(host)
  if host == "" then return nil, "it names no host; + stands for all" end
  if WILDCARDS[host] then return host, WILDCARDS[host] end
  local ipv6 = host:match "^%[(.*)%]$"
  if ipv6 then
    local address = normalize(ipv6)
    if not address or not address:find ":" then return nil, ("'%s' is no IPv6 address"):format(ipv6) end
    return "[" .. address .. "]", "ipv6"
  end
  if host:find "^[%d.]+$" then
    if not normalize(host) then return nil, ("'%s' is no IPv4 address"):format(host) end
    return host, "ipv4"
  end
  if host:find "[%c%s%[%]:/\\%?#@*+%%<>\"|]" then return nil, ("'%s' is no host"):format(host) end
  return host:lower(), "name"
end

local function check_port(port)
  local number = port:match "^[1-9]%d*$" and #port <= 5 and math.tointeger(tonumber(port))
  if not number or number > 65535 then return nil, ("port '%s' is not a number from 1 to 65535"):format(port) end
  return number
end

local function check_path(path)
  if path:find "[%c ]" then return nil, "it has a blank or control character" end
  if path:find "[?#]" then return nil, "a prefix has no '?' and no '#'" end
  if path:find "\\" then return nil, "it has a backslash" end
  return path:sub(-1) == "/" and path or path .. "/"
end

-- The parts of a URL prefix, or nil and what is wrong with it.
local function parse(text)
  if not utf8.len(text) then return nil, "it is not valid UTF-8" end
  local scheme, rest = text:match "^(%a[%w+.-]*)://(.*)$"
  scheme = scheme and scheme:lower()
  if not DEFAULT_PORT[scheme] then return nil, "it does not begin with http:// or https://" end
  local authority, path = rest:match "^([^/]*)(.*)$"
  local host_text, port_text = authority:match "^(%[.*%]):?(.*)$"
  if not host_text then host_text, port_text = authority:match "^([^:]*):?(.*)$" end
  if port_text == "" and authority:sub(-1) ~= ":" then port_text = DEFAULT_PORT[scheme] end
  local host, host_kind = check_host(host_text)
  if not host then return nil, host_kind end
  local port, bad_port = check_port(port_text)
  if not port then return nil, bad_port end
  local full, bad_path = check_path(path)
  if not full then return nil, bad_path end
  return {
    url = ("%s://%s:%d%s"):format(scheme, host, port, full), scheme = scheme, host = host, host_kind = host_kind,
    port = port, path = full,
  }
end

function http.url(...)
  local check = x.check "http.url"
  check.arguments(select("#", ...), 1, 1)
  local text = ...
  if type(text) ~= "string" then check.bad("text", text, "text") end
  return parse(text)
end
