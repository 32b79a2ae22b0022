-- The registry of a modelled machine: machine.registry[key][name] = {type=, value=}. What Windows itself keeps of
-- services and of HTTP.SYS in it shows there, and is changed through win.scm and win.http only.
local model, host = ...
local machine, copy, fold = model.machine, model.copy, host.x.fold
local reg = {}

local INVALID_PARAMETER <const> = 87
local FILE_NOT_FOUND <const>, NOT_EMPTY <const>, ALREADY_EXISTS <const> = 2, 145, 183
local SERVICES <const> = [[hklm\system\currentcontrolset\services\]]
local HTTP <const> = SERVICES .. [[http\parameters]]

local SHORT <const> = {
  HKEY_LOCAL_MACHINE = "HKLM", HKEY_CURRENT_USER = "HKCU", HKEY_CLASSES_ROOT = "HKCR", HKEY_USERS = "HKU",
  HKEY_CURRENT_CONFIG = "HKCC", HKLM = "HKLM", HKCU = "HKCU", HKCR = "HKCR", HKU = "HKU", HKCC = "HKCC",
}

-- ---- Keys ----

local HIVES <const> = {
  "HKLM", "HKEY_LOCAL_MACHINE", "HKCU", "HKEY_CURRENT_USER", "HKCR", "HKEY_CLASSES_ROOT", "HKU", "HKEY_USERS", "HKCC",
  "HKEY_CURRENT_CONFIG",
}

-- Raises for what is no key, as C does.
local function check_key(key)
  local check = model.check()
  if check.text("key", key):find "^\\\\" then model.unmodelled "the registry of another machine" end
  local hive, rest = key:match "^([^\\]*)(.*)$"
  if not SHORT[hive:upper()] then
    local meant = host.x.nearest(hive:match "^[^/:]*":upper(), HIVES)
    local text = ([[a key such as HKLM\SOFTWARE\Contoso expected, got %s.]]):format(check.shown(key))
    model.fail("key", INVALID_PARAMETER, text, meant and ("did you mean '%s\\...'?"):format(meant) or nil)
  end
  for name in rest:gmatch "\\([^\\]*)" do
    if name == "" then check.bad("key", key, "a key without a doubled or trailing backslash") end
    if (utf8.len(name, 1, -1, true) or 0) > 255 then
      check.bad("key", key, "a key whose names have at most 255 characters")
    end
  end
  return hive, rest
end

-- The key as the machine writes it.
local function path_of(key, options)
  local view = type(options) == "table" and options.view or nil
  if view ~= nil and view ~= 32 and view ~= 64 then
    model.check().text("key", key)
    model.check().bad("view", view, "32 or 64")
  end
  local hive, rest = check_key(key)
  if view == 32 and machine.architecture ~= "x86" then
    rest = rest:gsub("^\\[Ss][Oo][Ff][Tt][Ww][Aa][Rr][Ee]%f[\\\0]", "%0\\WOW6432Node")
  end
  return SHORT[hive:upper()] .. rest
end

local function find(path) return select(2, model.find(machine.registry, path)) end

-- ---- What Windows keeps there ----

local TYPES <const> = {
  kernel_driver = 1, file_system_driver = 2, adapter = 4, recognizer_driver = 8, own_process = 16, share_process = 32,
}
local STARTS <const> = {boot = 0, system = 1, auto = 2, demand = 3, disabled = 4}
local ERRORS <const> = {ignore = 0, normal = 1, severe = 2, critical = 3}

local function service_values(service)
  return {
    Type = {type = "dword", value = TYPES[service.type] or 16},
    Start = {type = "dword", value = STARTS[service.start]},
    ErrorControl = {type = "dword", value = ERRORS[service.error_control] or 1},
    ImagePath = {type = "expand_sz", value = service.path},
    DisplayName = {type = "sz", value = service.display_name},
    ObjectName = service.account and {type = "sz", value = service.account},
    DependOnService = service.dependencies[1] and {type = "multi_sz", value = service.dependencies},
    Description = service.description and {type = "sz", value = service.description},
  }
end

local function reservations()
  local values = {}
  for url, sddl in pairs(machine.http.urlacl) do values[url] = {type = "binary", value = sddl} end
  return values
end

-- Where bindings of certificates are, by their kind.
local PLACES <const> = {ipport = "SslBindingInfo", hostnameport = "SslSniBindingInfo", ccs = "SslCcsBindingInfo"}

-- The bindings in HTTP's key `place` ("sslbindinginfo") by the names of their keys.
local function bindings_in(place)
  local found = {}
  for binding, record in pairs(machine.http.sslcert) do
    local kind, name = binding:match "^(%a+)=(.*)$"
    if PLACES[kind] and PLACES[kind]:lower() == place then found[name] = record end
  end
  return found
end

local function from_hex(hex) return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)) end

local function binding_values(record)
  return {
    AppId = {type = "binary", value = record.appid},
    SslCertStoreName = record.store and {type = "sz", value = record.store},
    SslCertHash = record.hash and {type = "binary", value = from_hex(record.hash)},
  }
end

-- The values that Windows itself keeps in a key, or nil.
local function kept(path)
  local folded = fold(path)
  local place, binding = folded:sub(#HTTP + 2):match [[^(ssl%a+)\?(.*)$]]
  if folded == HTTP then
    return {ListenOnlyList = machine.http.iplisten[1] and {type = "multi_sz", value = machine.http.iplisten}}
  elseif folded == HTTP .. [[\urlaclinfo]] then
    return reservations()
  elseif folded:sub(1, #HTTP + 1) == HTTP .. "\\" and place then
    local record = bindings_in(place)[binding]
    return binding == "" and next(bindings_in(place)) and {} or record and binding_values(record) or nil
  end
  local name = folded:sub(1, #SERVICES) == SERVICES and folded:sub(#SERVICES + 1):match "^[^\\]+$"
  local service = name and model.part "scm".find(name)
  return service and service_values(service) or nil
end

local function is_there(path) return find(path) ~= nil or kept(path) ~= nil end

-- All values of a key by name.
local function values_of(path)
  local all = {}
  for name, row in pairs(find(path) and machine.registry[find(path)] or {}) do all[name] = row end
  for name, row in pairs(kept(path) or {}) do all[name] = row end
  return all
end

local function value_of(path, name) return model.find(values_of(path), name) end

-- Windows' order of keys.
local function by_name(a, b) return a:upper() < b:upper() end

local function rows_of(path)
  local rows = {}
  for name, row in pairs(values_of(path)) do
    rows[#rows + 1] = {name = name, type = row.type, value = copy(row.value), raw = row.raw}
  end
  table.sort(rows, function(a, b) return by_name(a.name, b.name) end)
  return rows
end

local function add_name(names, seen, name)
  if not seen[fold(name)] then
    seen[fold(name)] = true
    names[#names + 1] = name
  end
end

-- The names of the keys below one.
local function names_below(path)
  local start, names, seen = fold(path) .. "\\", {}, {}
  for known in pairs(machine.registry) do
    local name = fold(known):sub(1, #start) == start and known:sub(#start + 1):match "^[^\\]+$"
    if name then add_name(names, seen, name) end
  end
  if start == SERVICES then
    for name in pairs(machine.services) do add_name(names, seen, name) end
  elseif start == SERVICES .. "http\\" then
    add_name(names, seen, "Parameters")
  elseif start == HTTP .. "\\" then
    add_name(names, seen, "UrlAclInfo")
    for _, place in pairs(PLACES) do
      if next(bindings_in(place:lower())) then add_name(names, seen, place) end
    end
  elseif start:sub(1, #HTTP + 1) == HTTP .. "\\" then
    for name in pairs(bindings_in(start:sub(#HTTP + 2, -2))) do add_name(names, seen, name) end
  end
  table.sort(names, by_name)
  return names
end

-- ---- Reads ----

local function path_to_read(key, options)
  return path_of(key, model.check().options(options, {"view"}))
end

reg["reg.get"] = function(key, name, options)
  local path = path_to_read(key, options)
  if name ~= nil then model.check().text("name", name) end
  local row = value_of(path, name or "")
  if row then return copy(row.value), row.type, row.raw end
end

reg["reg.values"] = function(key, options)
  local path = path_to_read(key, options)
  return is_there(path) and rows_of(path) or nil
end

reg["reg.keys"] = function(key, options)
  local path = path_to_read(key, options)
  return is_there(path) and names_below(path) or nil
end

reg["reg.exists"] = function(key, options) return is_there(path_to_read(key, options)) end

reg["reg.info"] = function(key, options)
  local path = path_to_read(key, options)
  return is_there(path) and {keys = #names_below(path), values = #rows_of(path), written = model.time_text()} or nil
end

local SECURITY <const> = "O:BAG:SYD:PAI(A;CI;KA;;;BA)(A;CI;KA;;;SY)(A;CI;KR;;;BU)"

-- That of a key, of which machine.key_security may have parts.
local function security_of(path)
  local own = model.find(machine.key_security, path)
  return own and model.merged_security(SECURITY, own) or SECURITY
end

local function tree_of(path)
  local tree = {keys = {}, values = rows_of(path), security = security_of(path):match "D:.*"}
  for _, name in ipairs(names_below(path)) do tree.keys[name] = tree_of(path .. "\\" .. name) end
  return tree
end

reg["reg.tree"] = function(key, options)
  local path = path_to_read(key, options)
  return is_there(path) and tree_of(path) or nil
end

-- ---- Writes ----

-- Raises for what only win.scm and win.http change here.
local function refuse_kept(path, name)
  if not model.find(kept(path) or {}, name) then return end
  model.unmodelled(("writing '%s' of %s, which Windows itself keeps"):format(name, path),
    "win.scm.config and win.http change it")
end

reg["reg.set"] = function(key, name, value, options)
  local path = path_of(key, options)
  if not is_there(path) then model.fail(key, FILE_NOT_FOUND) end
  refuse_kept(path, name)
  local at = find(path) or path
  machine.registry[at] = machine.registry[at] or {}
  local _, known = value_of(at, name)
  machine.registry[at][known or name] = {type = options.type, value = copy(value), raw = options.raw}
end

local function create(path, key, node)
  local above = path:match "^(.*)\\"
  if above and not is_there(above) then model.fail(key, FILE_NOT_FOUND, nil, "the key above it does not exist") end
  if node and is_there(path) then model.fail(key, ALREADY_EXISTS) end
  if not find(path) and not kept(path) then machine.registry[path] = {} end
  machine.key_security[path] = node and node.security
  for _, row in ipairs(node and node.values or {}) do
    machine.registry[path][row.name] = {type = row.type, value = copy(row.value), raw = row.raw}
  end
  for name, child in pairs(node and node.keys or {}) do create(path .. "\\" .. name, key, child) end
end

reg["reg.create"] = function(key, options) create(path_of(key, options), key, options and options.tree) end

reg["reg.delete"] = function(key, name, options)
  local path = path_of(key, options)
  if name ~= nil then
    refuse_kept(path, name)
    local _, known = value_of(path, name)
    if known and find(path) then machine.registry[find(path)][known] = nil end
    return
  end
  if not is_there(path) then return end
  local tree = options and options.tree
  if not tree and (#names_below(path) > 0 or #rows_of(path) > 0) then model.fail(key, NOT_EMPTY) end
  local start = fold(path)
  for known in pairs(machine.registry) do
    if fold(known) == start or fold(known):sub(1, #start + 1) == start .. "\\" then
      machine.registry[known] = nil
      machine.key_security[known] = nil
    end
  end
end

reg["reg.set_security"] = function(key, sddl, options)
  local path = path_of(key, options)
  if not is_there(path) then model.fail(key, FILE_NOT_FOUND) end
  path = find(path) or path
  machine.key_security[path] = model.merged_security(security_of(path), sddl)
end


reg["reg.security"] = function(key, options)
  local path = path_to_read(key, options)
  return is_there(path) and security_of(path) or nil
end

return reg
