-- win.http.iplisten, the half in Lua: the list without starting a stopped HTTP service.
local iplisten, win, x = ...

local PARAMETERS <const> = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]]

local list = iplisten.list

-- What the driver would read when it starts. What cannot be read as an address stays as it is.
local function list_registry()
  local addresses = {}
  local stored = win.reg.get(PARAMETERS, "ListenOnlyList")
  for i, text in ipairs(type(stored) == "table" and stored or {stored}) do
    local ok, address = pcall(iplisten.normalize, text)
    addresses[i] = ok and address or text
  end
  return addresses
end

function iplisten.list(...)
  x.check("http.iplisten.list").arguments(select("#", ...), 0, 0)
  if win.http.is_running() then return list(), "api" end
  return list_registry(), "registry"
end
