-- win.http behind the gate: the configuration of HTTP.SYS.
--
-- HTTP.SYS takes changes only while it runs, and asking it would start it, which may take the very ports that somebody
-- wants free. So a change is refused while the HTTP service does not run; one that is so already needs nothing.
local core = ...
local check, code, gate = core.check, core.code, core.gate
local raw = core.win.http

-- Raises unless the HTTP service runs, or would by now in --check.
local function require_service()
  local service = gate.state("scm.state", {name = "HTTP"})
  if not service then core.fail("HTTP", code.ERROR_SERVICE_DOES_NOT_EXIST) end
  if service.state == "running" then return end
  local config = gate.state("scm.config", {name = "HTTP"})
  if config and config.start == "disabled" then core.fail("HTTP", code.ERROR_SERVICE_DISABLED) end
  core.fail("HTTP", code.ERROR_SERVICE_NOT_ACTIVE, nil,
    'its configuration changes only while it runs, and starting it may take ports: win.scm.start("HTTP") first')
end

local plans = {} -- ids by kind: what --check has planned, in order

local function change(kind, id, want)
  local declaration = gate.find(kind)
  if core.checking and not declaration.same(gate.state(kind, id), want) then require_service() end
  local changed = core.change(kind, id, want)
  if changed and core.checking then
    plans[kind] = plans[kind] or {}
    table.insert(plans[kind], id)
  end
  return changed
end

-- Lays what is planned over a list, in place. `id_of(row)` -> id, `row_of(id, state)` -> row.
local function lay_over(planned, rows, kind, id_of, row_of)
  local found = {}
  for i = #rows, 1, -1 do
    local id = id_of(rows[i])
    local is_planned, state = planned(kind, id)
    if is_planned then
      found[gate.find(kind).label(id):lower()] = true
      if state then rows[i] = row_of(id, state) else table.remove(rows, i) end
    end
  end
  for _, id in ipairs(plans[kind] or {}) do
    local label = gate.find(kind).label(id):lower()
    local _, state = planned(kind, id)
    if state and not found[label] then rows[#rows + 1] = row_of(id, state) end
    found[label] = true
  end
  return rows
end

-- ---- http.iplisten: an address on which HTTP.SYS listens ----

core.resource {
  kind = "http.iplisten",
  label = function(id) return id.address end,
  get = function(id)
    for _, address in ipairs((raw.iplisten.list())) do
      if address == id.address then return {listed = true} end
    end
    return nil
  end,
  set = function(id, want)
    require_service()
    if want then raw.iplisten.add(id.address) else raw.iplisten.delete(id.address) end
  end,
}

local function address_id(...)
  check.arguments(select("#", ...), 1, 1)
  local address = ...
  check.text("address", address)
  return {address = core.ask(raw.iplisten.normalize, address)}
end

--- win.http.iplisten.add(address) -> changed
-- Adds an address to those on which HTTP.SYS listens. The list holds for every port: as soon as there is one, nothing
-- that HTTP.SYS serves (IIS, WinRM, ...) can be reached on an address that is not in it. "0.0.0.0" and "::" stand for
-- all addresses of their family. Some versions of Windows heed the list only when the service starts.
-- Raises ERROR_SERVICE_NOT_ACTIVE while the HTTP service does not run.
core.write("http.iplisten.add", function(...) return change("http.iplisten", address_id(...), {listed = true}) end)

--- win.http.iplisten.delete(address) -> changed
-- Takes an address out of the list; an empty list means all addresses.
core.write("http.iplisten.delete", function(...) return change("http.iplisten", address_id(...), nil) end)

core.view("http.iplisten.list", function(planned, rows)
  return lay_over(planned, rows, "http.iplisten", function(address) return {address = address} end,
    function(id) return id.address end)
end)

-- ---- http.urlacl: who may register a URL ----

-- What a URL is compared by; one that p80 cannot read as it is.
local function key_of(url)
  local parsed = raw.url(url)
  return (parsed and parsed.url or url):lower()
end

-- The reservation of a URL as Windows has it, or nil.
local function find(url)
  local key = key_of(url)
  for _, row in ipairs((raw.urlacl.list())) do
    if key_of(row.url) == key then return row end
  end
end

local function canonical(sddl)
  local ok, text = pcall(raw.urlacl.sddl, {sddl = sddl})
  return ok and text or sddl
end

core.resource {
  kind = "http.urlacl",
  label = function(id) return id.url end,
  get = function(id)
    local row = find(id.url)
    return row and {sddl = row.sddl and canonical(row.sddl) or ""}
  end,
  set = function(id, want, have)
    require_service()
    if have then raw.urlacl.delete(id.url) end -- Windows overwrites none
    if not want then return end
    local ok, problem = pcall(raw.urlacl.add, id.url, want.sddl)
    if ok then return end
    if have then pcall(raw.urlacl.add, id.url, have.sddl) end
    error(problem, 0)
  end,
}

-- The id of a URL, spelt as the reservation that there is; in --check one that is planned, too.
local function url_id(url)
  check.text("url", url)
  local parsed, fault = raw.url(url)
  if not parsed then
    core.fail(url, code.ERROR_INVALID_PARAMETER, ("This is no URL that can be reserved: %s."):format(fault),
      "write it like http://+:80/path/")
  end
  local row = find(parsed.url)
  return {url = row and row.url or parsed.url}
end

--- win.http.urlacl.add(url, {user=, listen=true, delegate=false} | {sddl=}) -> changed
-- Reserves a URL for an account, given by name or SID, or with an access list. It is the whole of the reservation: who
-- else had it has it no longer. `listen` lets the account register the URL, `delegate` pass that on.
-- Raises ERROR_SERVICE_NOT_ACTIVE while the HTTP service does not run.
core.write("http.urlacl.add", function(...)
  check.arguments(select("#", ...), 2, 2)
  local url, options = ...
  if options == nil then check.bad("options", nil, "user= or sddl=") end
  local checked = check.options(options, {"user", "sddl", "listen", "delegate"})
  for _, key in ipairs {"user", "sddl"} do check.opt_text(key, checked[key]) end
  local id = url_id(url)
  return change("http.urlacl", id, {sddl = core.ask(raw.urlacl.sddl, checked)})
end)

--- win.http.urlacl.delete(url) -> changed
-- Deletes the reservation of a URL. That frees no port, and what has registered the URL keeps it.
core.write("http.urlacl.delete", function(...)
  check.arguments(select("#", ...), 1, 1)
  return change("http.urlacl", url_id((...)), nil)
end)

core.view("http.urlacl.list", function(planned, rows)
  return lay_over(planned, rows, "http.urlacl", function(row) return {url = row.url} end,
    function(id, state) return {url = id.url, sddl = state.sddl, users = raw.urlacl.users(state.sddl)} end)
end)
