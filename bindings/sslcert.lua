-- win.http.sslcert, the half in Lua: how bindings are written, and what is bound while the HTTP service does not run.
local sslcert, win, x = ...

local PARAMETERS <const> = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]]
local ERROR_INVALID_PARAMETER <const> = 87

-- C's own functions, which are nobody else's business.
local records, record, named = sslcert.records, sslcert.record, sslcert.named
sslcert.records, sslcert.record, sslcert.named = nil, nil, nil

local KINDS <const> = {"ipport", "hostnameport", "ccs", "scopedccs"}
-- Where Windows keeps them; of scoped CCS that is not documented.
local PLACES <const> = {ipport = "SslBindingInfo", hostnameport = "SslSniBindingInfo", ccs = "SslCcsBindingInfo"}

-- ---- Bindings ----

local function read_port(text)
  local number = text:find "^[1-9]%d*$" and #text <= 5 and math.tointeger(tonumber(text))
  if not number or number > 65535 then return nil, ("port '%s' is not a number from 1 to 65535"):format(text) end
  return number
end

-- An IP address as it is written in a binding; nil when it is none.
local function read_address(host)
  local ok, address = pcall(win.http.iplisten.normalize, host:match "^%[(.*)%]$" or host)
  if not ok or (address:find ":" ~= nil) ~= (host:sub(1, 1) == "[") then return nil end
  return address
end

local function read_host(host)
  return host:find "^[%w%-._*\x80-\xFF]+$" and host:lower()
end

-- What a binding says, or nil and what is wrong with it.
local function parse(text)
  if not utf8.len(text) then return nil, "it is not valid UTF-8" end
  local kind, rest = text:match "^(%a+)=(.*)$"
  if kind and not (PLACES[kind] or kind == "scopedccs") then
    return nil, ("'%s' is none of %s"):format(kind, table.concat(KINDS, ", "))
  end
  rest = rest or text
  local host, port_text = rest:match "^(.*):([^:]*)$"
  local port, fault = read_port(kind == "ccs" and rest or port_text or "")
  if not port then return nil, fault end
  if kind == "ccs" then return {binding = "ccs=" .. port, kind = kind, port = port} end
  local address = (kind == nil or kind == "ipport") and read_address(host)
  kind = kind or address and "ipport" or "hostnameport"
  if kind == "ipport" then
    if not address then return nil, ("'%s' is no IP address"):format(host) end
    local shown = address:find ":" and "[" .. address .. "]" or address
    return {binding = ("ipport=%s:%d"):format(shown, port), kind = kind, host = address, port = port}
  end
  local name = read_host(host)
  if not name then return nil, ("'%s' is no host name"):format(host) end
  return {binding = ("%s=%s:%d"):format(kind, name, port), kind = kind, host = name, port = port}
end

function sslcert.binding(...)
  local check = x.check "http.sslcert.binding"
  check.arguments(select("#", ...), 1, 1)
  return parse(check.text("binding", (...)))
end

-- ---- Records ----

function sslcert.defaults(...)
  x.check("http.sslcert.defaults").arguments(select("#", ...), 0, 0)
  local fields = named(0, 0)
  fields.hash, fields.appid, fields.store, fields.ctl_identifier, fields.ctl_store = "", "", "MY", "", ""
  fields.revocation_freshness_time, fields.url_retrieval_timeout = 0, 0
  return fields
end

local function add_binding(row, kind)
  local host = row.host and row.host:find ":" and "[" .. row.host .. "]" or row.host
  row.kind = kind
  row.binding = kind == "ccs" and "ccs=" .. row.port or ("%s=%s:%d"):format(kind, host or "", row.port)
  return row
end

local function hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

-- The bytes of a GUID, or its text, as text.
local function guid(value)
  if type(value) ~= "string" or #value ~= 16 then return value end
  local a, b, c = string.unpack("<I4I2I2", value)
  return ("{%08x-%04x-%04x-%s-%s}"):format(a, b, c, hex(value:sub(9, 10)), hex(value:sub(11)))
end

local function number(value) return math.type(value) == "integer" and value or 0 end

-- One key of the registry as a row; nil when it is none.
local function registry_row(kind, path, name)
  local values = {}
  for _, value in ipairs(win.reg.values(path .. "\\" .. name) or {}) do values[value.name] = value.value end
  local place = type(values.HostnamePort) == "string" and values.HostnamePort:gsub("%z", "") or name
  local row = parse(kind .. "=" .. (kind == "ccs" and place:match "[^:]*$" or place))
  if not row then return nil end
  for key, value in pairs(named(number(values.DefaultSslCertCheckMode), number(values.DefaultFlags))) do
    row[key] = value
  end
  row.hash = type(values.SslCertHash) == "string" and hex(values.SslCertHash) or nil
  row.appid, row.store = guid(values.AppId), values.SslCertStoreName or "MY"
  row.revocation_freshness_time = number(values.DefaultSslRevocationFreshnessTime)
  row.url_retrieval_timeout = number(values.DefaultSslRevocationUrlRetrievalTimeout) / 1000
  row.ctl_identifier, row.ctl_store = values.DefaultSslCtlIdentifier, values.DefaultSslCtlStoreName
  return row
end

-- What the driver would read when it starts.
local function list_registry()
  local rows = {}
  for _, kind in ipairs(KINDS) do
    local path = PLACES[kind] and PARAMETERS .. "\\" .. PLACES[kind]
    for _, name in ipairs(path and win.reg.keys(path) or {}) do rows[#rows + 1] = registry_row(kind, path, name) end
  end
  return rows
end

function sslcert.list(...)
  x.check("http.sslcert.list").arguments(select("#", ...), 0, 0)
  if not win.http.is_running() then return list_registry(), "registry" end
  local rows = {}
  for _, kind in ipairs(KINDS) do
    for _, row in ipairs(records(kind) or {}) do rows[#rows + 1] = add_binding(row, kind) end
  end
  return rows, "api"
end

function sslcert.get(...)
  local op, binding = "http.sslcert.get", ...
  local check = x.check(op)
  check.arguments(select("#", ...), 1, 1)
  local key, fault = parse(check.text("binding", binding))
  if not key then
    x.fail(op, binding ~= "" and binding or "binding", ERROR_INVALID_PARAMETER,
      ("This is no binding: %s."):format(fault),
      "write it like 0.0.0.0:443, www.contoso.com:443, ccs=443 or scopedccs=www.contoso.com:443")
  end
  if win.http.is_running() then
    local ok, row = pcall(record, key.kind, key)
    if ok then return row and add_binding(row, key.kind), "api" end
    if type(row) ~= "table" then error(row, 0) end
    x.fail(op, key.binding, row.code, row.message, row.hint)
  end
  for _, row in ipairs(list_registry()) do
    if row.binding == key.binding then return row, "registry" end
  end
  return nil, "registry"
end
