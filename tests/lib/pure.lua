-- Those parts of win.http that are Lua alone, without Windows and without p80: for tests/fuzz.
local pure = {}

local bindings = debug.getinfo(1, "S").source:match "^@(.*)[/\\]lib[/\\][^/\\]*$" .. "/../bindings/"

local x = {nearest = function() end}
function x.fail(op, target, code, message) error({op = op, target = target, code = code, message = message}, 0) end

local function run(name, ...) assert(loadfile(bindings .. name .. ".lua"))(...) end

-- As C's address_read and address_write, as far as the parsers can tell the difference.
local function normalize(address)
  local octets = {address:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"}
  for _, octet in ipairs(octets) do
    if tonumber(octet) > 255 or octet:find "^0%d" then x.fail("normalize", "address", 87) end
  end
  if not octets[1] and not (address:find "^[%x:]+$" and address:find ":.*:") then x.fail("normalize", "address", 87) end
  return address:lower()
end

--- A table like win.http with url, product, read_servicestate, sslcert.binding, urlacl.users.
function pure.http()
  local http = {iplisten = {normalize = normalize}, sslcert = {}, urlacl = {}}
  local win = {http = http, account = {by_sid = function() end}}
  run("check", x)
  for _, name in ipairs {"http_url", "http_netsh", "http_products"} do run(name, http, win, x, "http") end
  run("sslcert", http.sslcert, win, x, "http.sslcert")
  run("urlacl", http.urlacl, win, x, "http.urlacl")
  return http
end

return pure
