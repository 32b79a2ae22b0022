-- What a service watches for its playbook: each watcher is a function that returns why to run it now, or nil. A
-- watcher compares what is there with what was there when it was called last.
local core = ...
local raw = core.win
local watchers = {}

-- Returns what of `now` (texts by identity) was not there before, in words, or nil.
local function newcomers(before, now)
  local new = {}
  for id, text in pairs(now) do
    if not before[id] then new[#new + 1] = text end
  end
  table.sort(new)
  return new[1] and (#new == 1 and new[1] or ("%s and %d more"):format(new[1], #new - 1))
end

-- A watcher of the things that list() returns, as texts by identity.
local function comparing(list)
  local before = list()
  return function()
    local now = list()
    local new = newcomers(before, now)
    before = now
    return new
  end
end

local function add_listeners(found, port)
  for _, row in ipairs(raw.tcp.list {state = "listen", port = port}) do
    local id = ("%s %s %d %d"):format(row.family, row.local_address, row.local_port, row.pid)
    found[id] = ("pid %d listens on port %d"):format(row.pid, row.local_port)
  end
end

--- Listeners on these ports, or on any.
function watchers.tcp(ports)
  return comparing(function()
    local found = {}
    for _, port in ipairs(ports) do add_listeners(found, port) end
    if #ports == 0 then add_listeners(found) end
    return found
  end)
end

--- Services that start, but for the one called `own`.
function watchers.services(_, own)
  return comparing(function()
    local found = {}
    for _, row in ipairs(raw.scm.list {type = "service", state = "active"}) do
      if row.state == "running" and row.name:lower() ~= own:lower() then
        found[("%s %d"):format(row.name, row.pid or 0)] = ("service %s started"):format(row.name)
      end
    end
    return found
  end)
end

local HTTP <const> = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]]

--- The configuration of HTTP.SYS.
function watchers.http()
  local function open() return raw.reg.exists(HTTP) and raw.reg.watch(HTTP, {tree = true, timeout = 0}) or nil end
  local changed = open()
  return function()
    local new = changed == nil
    changed = changed or open()
    if not changed then return nil end
    local seen = new or changed() ~= nil
    if not raw.reg.exists(HTTP) then changed, seen = nil, true end
    return seen and "the configuration of HTTP.SYS changed" or nil
  end
end

return watchers
