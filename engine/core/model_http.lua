-- The configuration of HTTP.SYS on a modelled machine.
local model, host = ...
local machine, copy = model.machine, model.copy
local http = {
  ["http.iplisten.normalize"] = true, ["http.urlacl.canonical"] = true, ["http.sslcert.named"] = true,
}

local FILE_NOT_FOUND <const>, ALREADY_EXISTS <const> = 2, 183

-- ---- The listen list ----

local function place_of(address)
  for i, known in ipairs(machine.http.iplisten) do
    if known == address then return i end
  end
end

http["http.iplisten.list"] = function() return table.move(machine.http.iplisten, 1, #machine.http.iplisten, 1, {}) end

http["http.iplisten.add"] = function(address)
  if not place_of(address) then table.insert(machine.http.iplisten, address) end
end

http["http.iplisten.delete"] = function(address)
  if place_of(address) then table.remove(machine.http.iplisten, place_of(address)) end
end


local EVERYWHERE <const> = {["0.0.0.0"] = true, ["::"] = true, ["::1"] = true}

http["http.iplisten.is_local"] = function(address)
  address = host.x.about("http.iplisten.is_local", host.win.http.iplisten.normalize, address)
  return EVERYWHERE[address] or address:find "^127%." and true or nil
end

-- ---- Reservations ----

local function reserved(url) return select(2, model.find(machine.http.urlacl, url)) end

http["http.urlacl.list"] = function()
  local rows = {}
  for url, sddl in pairs(machine.http.urlacl) do rows[#rows + 1] = {url = url, sddl = sddl} end
  table.sort(rows, function(a, b) return a.url:lower() < b.url:lower() end)
  return rows
end

--- The bytes of a reservation in the model's registry are its text.
http["http.urlacl.sddl_of"] = function(bytes) return bytes end

http["http.urlacl.add"] = function(url, sddl)
  if reserved(url) then model.fail(url, ALREADY_EXISTS) end
  machine.http.urlacl[url] = sddl
end

http["http.urlacl.delete"] = function(url)
  if reserved(url) then machine.http.urlacl[reserved(url)] = nil end
end

-- ---- Certificates ----

local function key_of(kind, key)
  local name = key.host and key.host:find ":" and "[" .. key.host .. "]" or key.host
  return kind == "ccs" and ("ccs=%d"):format(key.port) or ("%s=%s:%d"):format(kind, name, key.port)
end

local function stored(record)
  record = copy(record)
  local four <const> = "(%x%x%x%x)"
  record.appid = record.appid:gsub("^(%x%x%x%x%x%x%x%x)" .. four:rep(3) .. "(%x+)$", "{%1-%2-%3-%4-%5}")
  return record
end

http["http.sslcert.records"] = function(kind)
  local rows = {}
  for binding, record in pairs(machine.http.sslcert) do
    if binding:match "^[^=]*" == kind then rows[#rows + 1] = copy(record) end
  end
  table.sort(rows, function(a, b) return key_of(kind, a) < key_of(kind, b) end)
  return rows
end

http["http.sslcert.record"] = function(kind, key)
  local record = machine.http.sslcert[key_of(kind, key)]
  return record and copy(record)
end

http["http.sslcert.add"] = function(kind, record, name)
  if machine.http.sslcert[key_of(kind, record)] then model.fail(name, ALREADY_EXISTS) end
  machine.http.sslcert[key_of(kind, record)] = stored(record)
end

http["http.sslcert.update"] = function(kind, record, name)
  if not machine.http.sslcert[key_of(kind, record)] then model.fail(name, FILE_NOT_FOUND) end
  machine.http.sslcert[key_of(kind, record)] = stored(record)
end

http["http.sslcert.delete"] = function(kind, key) machine.http.sslcert[key_of(kind, key)] = nil end

-- ---- Numbers ----

local SUBJECT <const> = {[3] = "timeout", [4] = "cache", [7] = "setting"}

-- What a number is called, by its kind and key.
local function name_of(kind, key)
  for _, row in ipairs((host.win.http[SUBJECT[kind]].list())) do
    if row.key == key then return row.name end
  end
end

local names = {} -- by kind and key, for asking the list asks for the numbers again

local function named(kind, key)
  local id = kind * 16 + key
  if names[id] == nil then
    names[id] = false
    names[id] = name_of(kind, key)
  end
  return names[id]
end

local function query(kind, key)
  local name = named(kind, key)
  return name and machine.http[SUBJECT[kind]][name] or nil
end

for _, subject in pairs(SUBJECT) do
  http[("http.%s.query"):format(subject)] = query
  http[("http.%s.set"):format(subject)] = function(kind, key, value)
    machine.http[subject][named(kind, key)] = value
  end
  http[("http.%s.delete"):format(subject)] = function(kind, key) machine.http[subject][named(kind, key)] = nil end
end

return http
