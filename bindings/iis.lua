-- win.iis, the half in Lua: words for states, and what a binding says.
local iis, win, x = ...

local ERROR_SERVICE_NOT_ACTIVE = 1062

local STATES = {
  apphost = {[0] = "starting", "started", "stopping", "stopped", "unknown"},
  metabase = {"starting", "started", "stopping", "stopped", "pausing", "paused", "continuing"},
}

local sites = iis.sites

-- The word for a state, which IIS 7 may hand out as a number or as its name.
local function state_word(store, state)
  if type(state) == "string" then return state:lower() end
  return STATES[store][state] or "unknown"
end

-- The parts of a binding ("*:80:", "[::1]:8080:www.example.com"); those of other protocols than HTTP have none.
local function parse(row)
  row.binding = row.binding:gsub("^:", "*:")
  local address, port, host = row.binding:match "^(.+):(%d+):([^:]*)$"
  row.address, row.port, row.host = address, math.tointeger(tonumber(port)), host ~= "" and host or nil
end

-- Asking the metabase would start the service that holds it.
local function require_running()
  local service = win.scm.get "IISADMIN"
  if not service or service.state ~= "stopped" then return end
  x.fail("iis.sites", "IISADMIN", ERROR_SERVICE_NOT_ACTIVE, nil,
    'asking for the sites would start it: win.scm.start("IISADMIN") first')
end

-- Sites of IIS 6 may have no name, or the same.
local function name_each(rows)
  local known = {}
  for _, row in ipairs(rows) do
    local name = row.name or "site"
    if known[name:lower()] or not row.name then name = ("%s (%d)"):format(name, row.id) end
    row.name = name
    known[name:lower()] = true
  end
end

function iis.sites(...)
  local store = iis.store()
  if store == "metabase" then require_running() end
  local rows = sites(...)
  name_each(rows)
  for _, row in ipairs(rows) do
    row.state = state_word(store, row.state)
    if row.error == 0 then row.error = nil end
    for _, binding in ipairs(row.bindings) do parse(binding) end
  end
  return rows
end

function iis.get(...)
  local check, wanted = x.check "iis.get", ...
  check.arguments(select("#", ...), 1, 1)
  local is_name = type(wanted) == "string" and utf8.len(wanted) and not wanted:find "\0"
  if not is_name and math.type(wanted) ~= "integer" then
    check.bad("site", wanted, "the name or the number of a site")
  end
  for _, row in ipairs(iis.sites()) do
    if row.id == wanted or type(wanted) == "string" and row.name:lower() == wanted:lower() then return row end
  end
end

function iis.bindings(...)
  x.check "iis.bindings".arguments(select("#", ...), 0, 0)
  local rows = {}
  for _, site in ipairs(iis.sites()) do
    for _, binding in ipairs(site.bindings) do
      binding.site, binding.id = site.name, site.id
      rows[#rows + 1] = binding
    end
  end
  return rows
end
