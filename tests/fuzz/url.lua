-- URL prefixes and bindings of certificates: what was read reads the same again, and what was not has a reason.
local http = require "pure".http()

local function check_url(input)
  local parsed, fault = http.url(input)
  if not parsed then return assert(type(fault) == "string" and fault ~= "") end
  assert(parsed.port >= 1 and parsed.port <= 65535 and parsed.path:find "^/" and parsed.path:find "/$" and parsed.host ~= "")
  assert(parsed.url == ("%s://%s:%d%s"):format(parsed.scheme, parsed.host, parsed.port, parsed.path))
  local again = assert(http.url(parsed.url))
  for key, value in pairs(parsed) do assert(again[key] == value, key) end
  http.product(parsed.url)
end

local function check_binding(input)
  local ok, parsed, fault = pcall(http.sslcert.binding, input)
  if not ok then return assert(parsed.op == "http.sslcert.binding" and parsed.code == 87) end
  if not parsed then return assert(type(fault) == "string" and fault ~= "") end
  assert(parsed.port >= 1 and parsed.port <= 65535 and (parsed.host ~= nil) == (parsed.kind ~= "ccs"))
  local again = assert(http.sslcert.binding(parsed.binding))
  for key, value in pairs(parsed) do assert(again[key] == value, key) end
end

return function(input)
  check_url(input)
  check_url("http://" .. input) -- what a broken scheme would hide
  check_binding(input)
  check_binding("hostnameport=" .. input .. ":443")
end
