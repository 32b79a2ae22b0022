-- The sites of IIS on a modelled machine. A binding is text such as "https *:443:www.example.com ssl_flags=1".
local model = ...
local machine = model.machine
local iis = {}

local NOT_SUPPORTED <const>, NOT_FOUND <const> = 50, 1168
local STATES <const> = {
  apphost = {started = 1, stopped = 3, unknown = 4},
  metabase = {started = 2, stopped = 4, unknown = 0},
}

local is_metabase = model.is_old

local function store()
  return model.part "scm".find "W3SVC" and (is_metabase() and "metabase" or "apphost") or nil
end
iis["iis.store"] = store

local function require_store()
  if store() then return end
  model.fail("IIS", NOT_SUPPORTED, nil, "IIS, or its management component, is not installed on this machine")
end

-- ---- Sites ----

local function binding_row(text)
  local protocol, binding, flags = text:match "^(%S+) (%S+)%s*(.*)$"
  return {
    protocol = protocol, binding = binding,
    ssl_flags = model.is_at_least(6, 2) and (math.tointeger(flags:match "^ssl_flags=(%d+)$") or 0) or nil,
  }
end

-- IIS 6 has those of https in a list of their own.
local function binding_rows(site)
  local rows, secure = {}, {}
  for _, text in ipairs(site.bindings) do
    local row = binding_row(text)
    table.insert(is_metabase() and row.protocol == "https" and secure or rows, row)
  end
  return table.move(secure, 1, #secure, #rows + 1, rows)
end

iis["iis.sites"] = function()
  require_store()
  local rows, is_served = {}, model.part "scm".find "W3SVC".state == "running"
  for name, site in pairs(machine.sites) do
    rows[#rows + 1] = {
      id = site.id, name = name, auto_start = site.auto_start, error = is_metabase() and site.error or nil,
      bindings = binding_rows(site), state = STATES[store()][is_served and site.state or "unknown"],
    }
  end
  table.sort(rows, function(a, b) return a.id < b.id end)
  return rows
end

local function site_of(id, name)
  require_store()
  for _, site in pairs(machine.sites) do
    if site.id == id then return site end
  end
  model.fail(name, NOT_FOUND)
end

-- ---- Changing ----

-- The code with which HTTP.SYS refuses one of a site's URLs, or nil.
local function refusal(site)
  local net = model.part "net"
  for _, text in ipairs(site.bindings) do
    local url = net.url_of(text)
    local code = url and net.url_conflict(url)
    if code then return code end
  end
end

-- A site that cannot have its URLs does not run; returns why.
-- https://learn.microsoft.com/previous-versions/windows/it-pro/windows-server-2003/cc786887(v=ws.10)
-- (events 1004, 1007)
local function serve(site)
  local code = refusal(site)
  site.state, site.error = code and "stopped" or "started", code
  return code
end

--- W3SVC begins to run, and with it the sites that start with it.
function iis.begin()
  for _, site in pairs(machine.sites) do site.state = "stopped" end
  for _, site in pairs(machine.sites) do
    if site.auto_start then serve(site) end
  end
end

iis["iis.move"] = function(id, name, protocol, binding, to)
  local site = site_of(id, name)
  for i, text in ipairs(site.bindings) do
    local row = binding_row(text)
    if row.protocol == protocol and row.binding == binding then
      site.bindings[i] = ("%s %s%s"):format(protocol, to, text:match " ssl_flags=%d+$" or "")
      if site.state == "started" then serve(site) end
      return
    end
  end
  model.fail(name, NOT_FOUND)
end

iis["iis.start"] = function(id, name)
  local site = site_of(id, name)
  local code = serve(site)
  site.auto_start = true
  if code and not is_metabase() then model.fail(name, code) end
end

iis["iis.stop"] = function(id, name)
  local site = site_of(id, name)
  site.state, site.auto_start = "stopped", false
end

return iis
