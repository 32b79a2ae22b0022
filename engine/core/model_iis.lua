-- The sites of IIS on a modelled machine.
local model = ...
local machine = model.machine
local iis = {}

local NOT_FOUND <const>, NO_STORE <const> = 1168, 1060
local STATES <const> = {apphost = {started = 1, stopped = 3}, metabase = {started = 2, stopped = 4}}

local function store()
  if not model.part "scm".find "W3SVC" then return nil end
  return machine.windows:find "^5%." and "metabase" or "apphost"
end

local function serves()
  local service = model.part "scm".find "W3SVC"
  return service.state == "running"
end

iis["iis.store"] = store

iis["iis.sites"] = function()
  if not store() then model.fail("W3SVC", NO_STORE) end
  local rows = {}
  for name, site in pairs(machine.sites) do
    local bindings = {}
    for i, text in ipairs(site.bindings) do
      local protocol, binding = text:match "^(%S+) (.*)$"
      bindings[i] = {protocol = protocol, binding = binding, ssl_flags = 0}
    end
    rows[#rows + 1] = {
      id = site.id, name = name, auto_start = site.auto_start, error = site.error or 0, bindings = bindings,
      state = serves() and STATES[store()][site.state] or 4 + (store() == "metabase" and 5 or 0),
    }
  end
  table.sort(rows, function(a, b) return a.id < b.id end)
  return rows
end

local function site_of(id, name)
  for _, site in pairs(machine.sites) do
    if site.id == id then return site end
  end
  model.fail(name, NOT_FOUND)
end

iis["iis.move"] = function(id, name, protocol, binding, to)
  local site = site_of(id, name)
  for i, text in ipairs(site.bindings) do
    if text:lower() == (protocol .. " " .. binding):lower() then
      site.bindings[i] = protocol .. " " .. to
      return
    end
  end
  model.fail(name, NOT_FOUND)
end

iis["iis.start"] = function(id, name) site_of(id, name).state = "started" end
iis["iis.stop"] = function(id, name) site_of(id, name).state = "stopped" end

return iis
