-- win.tcp, the half in Lua: who owns an endpoint, and what the codes of a probe mean.
local tcp, win, x = ...

local WSAEACCES <const> = 10013
local WSAEADDRINUSE <const> = 10048

-- Winsock's codes for "this machine does not have that family" (WSAEPROTONOSUPPORT, WSAESOCKTNOSUPPORT,
-- WSAEPFNOSUPPORT, WSAEAFNOSUPPORT, WSAEADDRNOTAVAIL): IPv6 not installed, or switched off.
local ABSENT <const> = {[10043] = true, [10044] = true, [10046] = true, [10047] = true, [10049] = true}

local function is_pids(value)
  if type(value) ~= "table" then return false end
  for _, pid in ipairs(value) do
    if math.type(pid) ~= "integer" then return false end
  end
  return true
end

-- Whether it is the kernel: Windows says pid 4 (System), Wine none at all or the process in which it runs its drivers.
local function is_kernel(pid, name) return pid == 0 or pid == 4 or name ~= nil and name:lower() == "winedevice.exe" end

-- Whether services may run in one of them; in the kernel none does.
local function serves_any(owners)
  for _, owner in pairs(owners) do
    if not owner.kernel then return true end
  end
  return false
end

-- The process `pid`: {name=, path=}, as far as they are known.
local function find_process(pid)
  local path = pid ~= 0 and win.process.image(pid)
  if path then return {name = path:match "[^\\]*$", path = path} end
  return pid ~= 0 and win.process.get(pid) or {}
end

function tcp.owners(...)
  local given, pids = select("#", ...), ...
  if given > 1 then x.check "tcp.owners".arguments(given, 1, 1) end
  if not is_pids(pids) then x.check "tcp.owners".bad("pids", pids, "an array of pids") end
  local owners = {}
  for _, pid in ipairs(pids) do
    if not owners[pid] then
      local process = find_process(pid)
      owners[pid] = {
        process = process.name, path = process.path, services = {}, kernel = is_kernel(pid, process.name),
      }
    end
  end
  if not serves_any(owners) then return owners end
  for _, service in ipairs(win.scm.list {state = "active"}) do
    local owner = service.pid and service.pid ~= 0 and owners[service.pid]
    if owner then table.insert(owner.services, service.name) end
  end
  for _, owner in pairs(owners) do table.sort(owner.services) end
  return owners
end

-- Why an attempt to bind came out as it did; nil for a code that says nothing about the port. `is_used` tells whether
-- any TCP endpoint has the port.
local function reason_of(attempt, is_used)
  local step, code = attempt.step, attempt.code
  if code == 0 then return "free" end
  if ABSENT[code] then return "unavailable" end
  if step == "bind" and code == WSAEADDRINUSE then return "in_use" end
  if step == "bind" and code == WSAEACCES then return is_used() and "in_use" or "reserved" end
  if code == WSAEACCES then return "denied" end
end

local probe = tcp.probe

function tcp.probe(...)
  local attempts, used = probe(...)
  local port = ...
  local function is_used()
    if used == nil then used = #tcp.list {port = port} > 0 end
    return used
  end
  local result, some_free, some_taken = {}, false, false
  for family, attempt in pairs(attempts) do
    local reason = reason_of(attempt, is_used)
    if not reason then x.fail("tcp.probe", tostring(port), attempt.code) end
    result[family] = {free = reason == "free", reason = reason, code = attempt.code}
    some_free = some_free or reason == "free"
    some_taken = some_taken or reason ~= "free" and reason ~= "unavailable"
  end
  result.free = some_free and not some_taken
  return result
end
