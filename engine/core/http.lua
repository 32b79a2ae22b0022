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

--- Adds an address to those on which HTTP.SYS listens, for every port.
core.write("http.iplisten.add", function(...)
  local id = address_id(...)
  local changed = change("http.iplisten", id, {listed = true})
  if changed and raw.iplisten.is_local(id.address) == false then
    core.result.warn(("http.iplisten.add '%s': this machine does not have the address; HTTP.SYS cannot listen on it")
      :format(id.address))
  end
  return changed
end)

--- Takes an address out of the list; an empty list means all addresses.
core.write("http.iplisten.delete", function(...) return change("http.iplisten", address_id(...), nil) end)

core.view("http.iplisten.list", function(planned, rows)
  return lay_over(planned, rows, "http.iplisten", function(address) return {address = address} end,
    function(id) return id.address end)
end)

-- ---- http.urlacl: who may register a URL ----

local function canonical(sddl)
  local ok, text = pcall(raw.urlacl.sddl, {sddl = sddl})
  return ok and text or sddl
end

core.resource {
  kind = "http.urlacl",
  label = function(id) return id.url end,
  get = function(id)
    local row = raw.urlacl.get(id.url)
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
  local row = raw.urlacl.get(parsed.url)
  return {url = row and row.url or parsed.url}
end

--- Reserves a URL. It is the whole of the reservation: who else had it has it no longer.
core.write("http.urlacl.add", function(...)
  check.arguments(select("#", ...), 2, 2)
  local url, options = ...
  if options == nil then check.bad("options", nil, "user= or sddl=") end
  local checked = check.options(options, {"user", "sddl", "listen", "delegate"})
  for _, key in ipairs {"user", "sddl"} do check.opt_text(key, checked[key]) end
  local id = url_id(url)
  return change("http.urlacl", id, {sddl = core.ask(raw.urlacl.sddl, checked)})
end)

--- Deletes the reservation of a URL. That frees no port, and what has registered the URL keeps it.
core.write("http.urlacl.delete", function(...)
  check.arguments(select("#", ...), 1, 1)
  return change("http.urlacl", url_id((...)), nil)
end)

local function planned_reservation(id, state)
  return {url = id.url, sddl = state.sddl, users = raw.urlacl.users(state.sddl)}
end

core.view("http.urlacl.list", function(planned, rows)
  return lay_over(planned, rows, "http.urlacl", function(row) return {url = row.url} end, planned_reservation)
end)

core.view("http.urlacl.get", function(planned, row, url)
  local parsed = raw.url(url)
  local id = {url = row and row.url or parsed and parsed.url or url}
  local is_planned, state = planned("http.urlacl", id)
  if not is_planned then return row end
  return state and planned_reservation(id, state) or nil
end)

-- ---- http.sslcert: the certificate for an address, a host name, or from the central store ----

-- The fields of a record that are not what they are by themselves; what the journal has.
local function compact(row)
  local fields = {}
  for key, usual in pairs(raw.sslcert.defaults()) do
    if row[key] ~= nil and row[key] ~= usual then fields[key] = row[key] end
  end
  return fields
end

-- The whole record of a binding, for C.
local function record_of(key, fields)
  local record = core.data.overlay(raw.sslcert.defaults(), fields)
  record.host, record.port = key.host, key.port
  record.appid = record.appid:gsub("[{}-]", "")
  for _, name in ipairs {"hash", "ctl_identifier", "ctl_store"} do
    if record[name] == "" then record[name] = nil end
  end
  if key.host == nil and not fields.store then record.store = nil end -- the central store needs none
  return record
end

-- Replaces a record: at once where Windows can, otherwise by way of none.
local function replace(key, want, have)
  local record = record_of(key, want)
  local ok, problem = pcall(raw.sslcert.update, key.kind, record, key.binding)
  if ok then return end
  if type(problem) ~= "table" or problem.code ~= code.ERROR_CALL_NOT_IMPLEMENTED then error(problem, 0) end
  raw.sslcert.delete(key.kind, key, key.binding)
  ok, problem = pcall(raw.sslcert.add, key.kind, record, key.binding)
  if ok then return end
  pcall(raw.sslcert.add, key.kind, record_of(key, have), key.binding)
  error(problem, 0)
end

core.resource {
  kind = "http.sslcert",
  whole = true,
  label = function(id) return id.binding end,
  same = core.data.equal,
  get = function(id)
    local row = raw.sslcert.get(id.binding)
    return row and compact(row)
  end,
  set = function(id, want, have)
    require_service()
    local key = raw.sslcert.binding(id.binding)
    if have and want then return replace(key, want, have) end
    if want then raw.sslcert.add(key.kind, record_of(key, want), key.binding)
    else raw.sslcert.delete(key.kind, key, key.binding) end
  end,
}

local function binding_id(binding)
  check.text("binding", binding)
  local key, fault = raw.sslcert.binding(binding)
  if not key then
    core.fail(binding ~= "" and binding or "binding", code.ERROR_INVALID_PARAMETER,
      ("This is no binding: %s."):format(fault),
      "write it like 0.0.0.0:443, www.contoso.com:443, ccs=443 or scopedccs=www.contoso.com:443")
  end
  return {binding = key.binding}, key
end

local MOST <const> = {url_retrieval_timeout = 0xFFFFFFFF / 1000}

-- One option in the form in which Windows gives it back.
local function check_field(name, value, usual)
  if type(usual) == "boolean" then return check.boolean(name, value) end
  if MOST[name] then return math.floor(check.number(name, value, 0, MOST[name]) * 1000 + 0.5) / 1000 end
  if type(usual) == "number" then return check.integer(name, value, 0, 0xFFFFFFFF) end
  check.text(name, value)
  if name == "hash" then
    local hex = value:gsub("\u{200E}", ""):gsub("%s", ""):lower() -- as Windows' certificate dialog lets copy it
    if not hex:find "^%x+$" or #hex % 2 ~= 0 or #hex > 128 then
      check.bad(name, value, "a hash in hexadecimal digits")
    end
    return hex
  elseif name == "appid" then
    local digits = value:match "^{?([%x-]+)}?$"
    local pattern = "^" .. ("%x"):rep(8) .. ("%-" .. ("%x"):rep(4)):rep(3) .. "%-" .. ("%x"):rep(12) .. "$"
    if not digits or not digits:find(pattern) then
      check.bad(name, value, "a GUID such as {4dc3e181-e14b-4a21-b022-59fc669b0914}")
    end
    return "{" .. digits:lower() .. "}"
  end
  return value
end

local function check_fields(options)
  if options == nil then check.bad("options", nil, "a table of options") end
  local defaults, names, fields = raw.sslcert.defaults(), {}, {}
  for name in pairs(defaults) do names[#names + 1] = name end
  table.sort(names)
  for name, value in pairs(check.options(options, names)) do fields[name] = check_field(name, value, defaults[name]) end
  if (fields.revocation_freshness_time or 0) > 0 and fields.use_revocation_freshness_time == nil then
    fields.use_revocation_freshness_time = true
  end
  return fields
end

-- What Windows itself would refuse with a bare "parameter is incorrect".
local function check_record(key, fields)
  local is_central = key.kind == "ccs" or key.kind == "scopedccs"
  if is_central and fields.hash then
    check.bad("hash", fields.hash, "no hash (the central store has the certificate)")
  end
  if not is_central and not fields.hash then check.bad("hash", nil, "the certificate's hash in hexadecimal digits") end
  if not fields.appid then check.bad("appid", nil, "the application's GUID (any that tells whose binding it is)") end
end

local function change_binding(id, key, fields)
  local want = compact(core.data.overlay(raw.sslcert.defaults(), fields))
  check_record(key, want)
  return change("http.sslcert", id, want)
end

--- Binds a certificate. What is not said is as Windows has it by itself.
core.write("http.sslcert.add", function(...)
  check.arguments(select("#", ...), 2, 2)
  local binding, options = ...
  local id, key = binding_id(binding)
  return change_binding(id, key, check_fields(options))
end)

--- Changes what is said of a binding that there is.
core.write("http.sslcert.update", function(...)
  check.arguments(select("#", ...), 2, 2)
  local binding, options = ...
  local id, key = binding_id(binding)
  local fields, have = check_fields(options), gate.state("http.sslcert", id)
  if not have then
    core.fail(id.binding, code.ERROR_FILE_NOT_FOUND, nil, "nothing is bound there: win.http.sslcert.add binds")
  end
  return change_binding(id, key, core.data.overlay(have, fields))
end)

--- Takes a binding away.
core.write("http.sslcert.delete", function(...)
  check.arguments(select("#", ...), 1, 1)
  return change("http.sslcert", (binding_id((...))), nil)
end)

local function planned_binding(id, state)
  local row, key = core.data.overlay(raw.sslcert.defaults(), state), raw.sslcert.binding(id.binding)
  for name, value in pairs(key) do row[name] = value end
  for _, name in ipairs {"hash", "ctl_identifier", "ctl_store"} do
    if row[name] == "" then row[name] = nil end
  end
  return row
end

core.view("http.sslcert.list", function(planned, rows)
  return lay_over(planned, rows, "http.sslcert", function(row) return {binding = row.binding} end, planned_binding)
end)

core.view("http.sslcert.get", function(planned, row, binding)
  local id = {binding = raw.sslcert.binding(binding).binding}
  local is_planned, state = planned("http.sslcert", id)
  if not is_planned then return row end
  return state and planned_binding(id, state) or nil
end)

-- ---- http.timeout, http.cache, http.setting: numbers for all of HTTP.SYS ----

local function declare_numbers(subject)
  local kind, values = "http." .. subject, raw[subject]

  -- What is known of a number; raises when there is no such number, here or at all.
  local function find(name)
    core.ask(values.get, name)
    for _, row in ipairs((values.list())) do
      if row.name == name then return row end
    end
  end

  core.resource {
    kind = kind,
    label = function(id) return id.name end,
    get = function(id)
      local value = values.get(id.name)
      return value and {value = value}
    end,
    set = function(id, want, _, options)
      require_service()
      local row = find(id.name)
      if want and not (options and options.delete) then values.set(row.id, row.key, want.value, row.name)
      else values.delete(row.id, row.key, row.name) end
    end,
  }

  -- A stopped service tells no numbers, so that nothing is known to be so already.
  local function change_number(name, want, options)
    require_service()
    return core.change(kind, {name = name}, want, options)
  end

  core.write(kind .. ".set", function(...)
    check.arguments(select("#", ...), 2, 2)
    local name, value = ...
    local row = find(name)
    return change_number(name, {value = check.integer("value", value, row.least, row.most)})
  end)

  if values.delete then
    core.write(kind .. ".delete", function(...)
      check.arguments(select("#", ...), 1, 1)
      local row = find((...))
      return change_number(row.name, row.default and {value = row.default}, {delete = true})
    end)
  end

  core.view(kind .. ".list", function(planned, rows)
    for _, row in ipairs(rows) do
      local is_planned, state = planned(kind, {name = row.name})
      if is_planned then row.value = state and state.value end
    end
    return rows
  end)

  core.view(kind .. ".get", function(planned, value, name)
    local is_planned, state = planned(kind, {name = name})
    if is_planned then return state and state.value, "api" end
    return value
  end)
end

for _, subject in ipairs {"timeout", "cache", "setting"} do declare_numbers(subject) end

-- ---- http.parameters: values of the registry that HTTP.SYS reads when it starts ----

-- The keys from the one that has a parameter up to the first that there is, as far as they are missing.
local function missing_keys(key)
  local missing = {}
  while not core.win.reg.exists(key) do
    missing[#missing + 1] = key
    key = key:match "^(.*)\\"
  end
  return missing
end

local function is_empty(key)
  local info = core.win.reg.info(key)
  return info and info.values == 0 and info.keys == 0
end

-- The id has the keys that the change makes, so that undoing it can take them back.
core.resource {
  kind = "http.parameters",
  label = function(id) return id.name end,
  get = function(id)
    local value = raw.parameters.get(id.name).value
    return value ~= nil and {value = value} or nil
  end,
  set = function(id, want)
    local row, made = raw.parameters.get(id.name), id.made or {}
    if want then
      for i = #made, 1, -1 do
        if not core.win.reg.exists(made[i]) then core.win.reg.create(made[i]) end
      end
      return core.win.reg.set(row.key, row.name, want.value, {type = row.type})
    end
    core.win.reg.delete(row.key, row.name)
    for _, key in ipairs(made) do
      if is_empty(key) then core.win.reg.delete(key, nil) end
    end
  end,
}

local function change_parameter(row, want)
  local made = want and missing_keys(row.key) or {}
  local changed = core.change("http.parameters", {name = row.name, made = made[1] and made}, want)
  if changed then
    core.result.warn(("http.parameters '%s': HTTP.SYS heeds this when the HTTP service is started the next time")
      :format(row.name))
  end
  return changed
end

--- Sets one of the documented parameters.
core.write("http.parameters.set", function(...)
  check.arguments(select("#", ...), 2, 2)
  local name, value = ...
  local row = core.ask(raw.parameters.get, name)
  local checked = row.type == "sz" and check.text("value", value) or check.integer("value", value, row.least, row.most)
  if row.type == "sz" then
    core.open "file.write"
    core.file_place(checked)
  end
  return change_parameter(row, {value = checked})
end)

--- Deletes one, so that HTTP.SYS takes its own default.
core.write("http.parameters.delete", function(...)
  check.arguments(select("#", ...), 1, 1)
  return change_parameter(core.ask(raw.parameters.get, (...)), nil)
end)

local function planned_parameter(planned, row)
  local is_planned, state = planned("http.parameters", {name = row.name})
  if is_planned then row.value = state and state.value end
  return row
end

core.view("http.parameters.list", function(planned, rows)
  for _, row in ipairs(rows) do planned_parameter(planned, row) end
  return rows
end)

core.view("http.parameters.get", planned_parameter)
