-- The machine itself, its accounts and its files, on a modelled machine.
local model, host = ...
local machine, fold = model.machine, host.x.fold
local part = {["account.canonical"] = true, ["file.absolute"] = true}

local ACCESS_DENIED <const> = 5

-- ---- win.host ----

part["host.version"] = function()
  local major, minor, build = machine.windows:match "^(%d+)%.(%d+)%.(%d+)$"
  return {
    major = math.tointeger(tonumber(major)), minor = math.tointeger(tonumber(minor)),
    build = math.tointeger(tonumber(build)),
    service_pack = machine.service_pack or (major == "5" and 2 or 0), server = machine.server,
  }
end

local STANDARD_SERVER <const>, PROFESSIONAL <const> = 7, 0x30

part["host.edition"] = function()
  local product = machine.edition or (machine.server and STANDARD_SERVER or PROFESSIONAL)
  return not model.is_old() and product or nil, 0, machine.server
end

part["host.architecture"] = function() return machine.architecture end
part["host.name"] = function() return machine.name end
part["host.elevated"] = function() return machine.elevated end
part["host.boot_time"] = function() return machine.boot_time or model.filetime_text(model.filetime(-86400)) end

-- ---- win.account ----

local AUTHORITY <const>, BUILTIN <const> = "NT AUTHORITY", "BUILTIN"
local KNOWN <const> = {
  {"S-1-1-0", nil, "Everyone", "WD"}, {"S-1-3-0", nil, "CREATOR OWNER", "CO"},
  {"S-1-5-2", AUTHORITY, "NETWORK", "NU"}, {"S-1-5-4", AUTHORITY, "INTERACTIVE", "IU"},
  {"S-1-5-6", AUTHORITY, "SERVICE", "SU"}, {"S-1-5-7", AUTHORITY, "ANONYMOUS LOGON", "AN"},
  {"S-1-5-11", AUTHORITY, "Authenticated Users", "AU"}, {"S-1-5-18", AUTHORITY, "SYSTEM", "SY"},
  {"S-1-5-19", AUTHORITY, "LOCAL SERVICE", "LS"}, {"S-1-5-20", AUTHORITY, "NETWORK SERVICE", "NS"},
  {"S-1-5-32-544", BUILTIN, "Administrators", "BA"}, {"S-1-5-32-545", BUILTIN, "Users", "BU"},
  {"S-1-5-32-546", BUILTIN, "Guests", "BG"}, {"S-1-5-32-547", BUILTIN, "Power Users", "PU"},
  {"S-1-5-32-551", BUILTIN, "Backup Operators", "BO"}, {"S-1-5-32-555", BUILTIN, "Remote Desktop Users", "RD"},
  {"S-1-5-32-556", BUILTIN, "Network Configuration Operators", "NO"}, {"S-1-5-32-568", BUILTIN, "IIS_IUSRS", "IS"},
}

local function known_record(row)
  return {
    sid = row[1], domain = row[2] or "", name = row[2] and row[2] .. "\\" .. row[3] or row[3],
    type = row[2] == BUILTIN and "alias" or "well_known",
  }
end

-- One of machine.accounts: a SID, or {sid=, type=}.
local function own_record(name, own)
  if type(own) == "string" then own = {sid = own} end
  return {sid = own.sid, domain = name:match "^(.-)\\" or "", name = name, type = own.type or "user"}
end

part["account.by_sid"] = function(sid)
  model.check().text("account", sid)
  for _, row in ipairs(KNOWN) do
    if row[1] == sid:upper() or row[4] == sid:upper() then return known_record(row) end
  end
  for name, own in pairs(machine.accounts) do
    local record = own_record(name, own)
    if record.sid:upper() == sid:upper() then return record end
  end
  return sid:find "^[Ss]%-1%-%d+" and {sid = sid:upper()} or nil
end

part["account.by_name"] = function(name)
  local wanted = fold(model.check().text("account", name))
  for known, own in pairs(machine.accounts) do
    if fold(known) == wanted or fold(known):match "\\(.*)$" == wanted then return own_record(known, own) end
  end
  for _, row in ipairs(KNOWN) do
    local record = known_record(row)
    if fold(record.name) == wanted or fold(row[3]) == wanted then return record end
  end
end

part["account.current"] = function() return known_record(KNOWN[8]) end

-- ---- win.file ----

local function find(path) return select(2, model.find(machine.files, path)) end

function part.file_text(path) return (model.find(machine.files, path)) end

part["file.read"] = function(path) return part.file_text(model.check().text("path", path)) end

part["file.is_link"] = function(path)
  model.check().text("path", path)
  return false
end

part["file.final"] = function(path)
  local known = find(model.check().text("path", path))
  return known or nil, known and true
end

part["file.write"] = function(path, bytes) machine.files[find(path) or path] = bytes end

part["file.delete"] = function(path)
  if not find(path) then model.fail(path, ACCESS_DENIED) end
  machine.files[find(path)] = nil
end

return part
