-- win.driver: what runs in the kernel, whose it is, and what it does on the network.
local driver, win, x = ...

-- C's own functions, which are nobody else's business.
local loaded, version, signature = driver.loaded, driver.version, driver.signature
driver.loaded, driver.version, driver.signature = nil, nil, nil

local SERVICES <const> = [[HKLM\SYSTEM\CurrentControlSet\Services\]]

-- ---- Paths ----

local windows_folder

local function windows()
  windows_folder = windows_folder or win.process.find("ntdll.dll"):match [[^(.*)\[^\]+\[^\]+$]]
  return windows_folder
end

-- The path of a driver as people write it, from the forms in which Windows keeps it.
-- https://learn.microsoft.com/windows-hardware/drivers/install/inf-addservice-directive (ServiceBinary)
local function usual_path(path, name)
  if type(path) ~= "string" or path == "" then return ("%s\\System32\\drivers\\%s.sys"):format(windows(), name) end
  path = path:match '^"([^"]+)"' or path
  path = path:gsub([[^\%?%?\]], ""):gsub("^%%[Ss][Yy][Ss][Tt][Ee][Mm][Rr][Oo][Oo][Tt]%%", [[\SystemRoot]])
  local below = path:lower():find [[^\systemroot\]] and path:sub(#[[\SystemRoot\]] + 1)
  if below then return windows() .. "\\" .. below end
  if path:find "^\\[^\\]" and not path:lower():find [[^\device\]] then return windows():sub(1, 2) .. path end
  if not path:find "^%a:" and not path:find [[^\]] then
    return windows() .. (path:find [[\]] and "\\" or "\\System32\\drivers\\") .. path
  end
  return path
end

-- Where p80 itself finds the file: System32 is another folder for a 32-bit program on 64-bit Windows.
local IS_NARROW <const> = string.packsize "T" == 4

local function own_view(path)
  if not IS_NARROW or win.host.architecture() == "x86" then return path end
  local root = windows() .. "\\system32\\"
  if path:sub(1, #root):lower() ~= root:lower() then return path end
  return windows() .. "\\Sysnative\\" .. path:sub(#root + 1)
end

-- ---- What an image calls ----
-- https://learn.microsoft.com/windows/win32/debug/pe-format, "Import Directory Table". Whatever is not as it must be
-- ends the reading: then nothing is known.

local MOST_DLLS <const>, MOST_FUNCTIONS <const>, LONGEST_NAME <const> = 4096, 16384, 256

local function text_at(bytes, at) return bytes:sub(at, at + LONGEST_NAME - 1):match "^[^\0]*" end

-- A function from an address in memory to a place in the file, and the address of the import directory.
local function read_headers(bytes)
  local pe = bytes:sub(1, 2) == "MZ" and string.unpack("<I4", bytes, 61) + 1
  if not pe or bytes:sub(pe, pe + 3) ~= "PE\0\0" then return nil end
  local count, size = string.unpack("<I2", bytes, pe + 6), string.unpack("<I2", bytes, pe + 20)
  local optional = pe + 24
  local is_wide = string.unpack("<I2", bytes, optional) == 0x20B
  local imports = string.unpack("<I4", bytes, optional + (is_wide and 120 or 104))
  local function place(address)
    for i = 0, count - 1 do
      local _, start, length, where = string.unpack("<I4I4I4I4", bytes, optional + size + i * 40 + 8)
      if address >= start and address < start + length then return address - start + where + 1 end
    end
    error "outside of all sections"
  end
  return place, imports, is_wide
end

-- Returns how many they are, which must not be more than `most`.
local function add_functions(calls, bytes, place, names, is_wide, most)
  local format, step, by_number = is_wide and "<I8" or "<I4", is_wide and 8 or 4, is_wide and math.mininteger or 1 << 31
  for i = 0, most do
    local entry = string.unpack(format, bytes, place(names) + i * step)
    if entry == 0 then return i end
    if entry & by_number == 0 then calls[text_at(bytes, place(entry) + 2)] = true end
  end
  error "too many functions"
end

-- {[DLL in lower case] = {[function] = true}}
local function read_imports(bytes)
  local found, left = {}, MOST_FUNCTIONS
  local place, imports, is_wide = read_headers(bytes)
  if not place or imports == 0 then return found end
  for i = 0, MOST_DLLS do
    local names, _, _, name, table_of_addresses = string.unpack("<I4I4I4I4I4", bytes, place(imports) + i * 20)
    if name == 0 then return found end
    local dll = text_at(bytes, place(name)):lower()
    found[dll] = found[dll] or {}
    left = left - add_functions(found[dll], bytes, place, names ~= 0 and names or table_of_addresses, is_wide, left)
  end
  error "too many DLLs"
end

-- What a driver calls to become what it is on the network; each has a page in
-- https://learn.microsoft.com/windows-hardware/drivers/ddi/_netvista/
local ROLES <const> = {
  {"filter", "ndis.sys", "^NdisFRegisterFilterDriver$"},
  {"protocol", "ndis.sys", "^NdisRegisterProtocol"},
  {"adapter", "ndis.sys", "^NdisMRegisterMiniport"},
  {"intermediate", "ndis.sys", "^NdisIMRegisterLayeredMiniport$"},
  {"callout", "fwpkclnt.sys", "^FwpsCalloutRegister"},
  {"tdi", "tdi.sys", "^Tdi"},
  {"sockets", "netio.sys", "^Wsk"},
}

local function calls_any(imports, dll, pattern)
  for name in pairs(imports[dll] or {}) do
    if name:find(pattern) then return true end
  end
end

local function roles_of(path)
  local readable, bytes = pcall(win.file.read, path)
  local parsed, imports = pcall(read_imports, readable and bytes or "")
  local roles = {}
  if not parsed then return roles end
  for _, role in ipairs(ROLES) do
    if calls_any(imports, role[2], role[3]) then roles[#roles + 1] = role[1] end
  end
  return roles
end

-- ---- Network components ----

-- Services of installed network components by their class; an INF writes them below its component's key.
-- https://learn.microsoft.com/windows-hardware/drivers/network/configuring-an-inf-file-for-a-modifying-filter-driver
-- https://learn.microsoft.com/windows-hardware/drivers/install/system-defined-device-setup-classes-available-to-vendors
local NETWORK <const> = [[HKLM\SYSTEM\CurrentControlSet\Control\Network\]]
local CLASSES <const> = {
  ["{4D36E973-E325-11CE-BFC1-08002BE10318}"] = "client", ["{4D36E974-E325-11CE-BFC1-08002BE10318}"] = "service",
  ["{4D36E975-E325-11CE-BFC1-08002BE10318}"] = "protocol",
}

-- {[service in lower case] = {[role] = true}}
local function network_components()
  local found = {}
  for class, role in pairs(CLASSES) do
    local key = NETWORK .. class
    for _, name in ipairs(win.reg.exists(key) and win.reg.keys(key) or {}) do
      local ndi = ("%s\\%s\\Ndi"):format(key, name)
      local service = win.reg.exists(ndi) and win.reg.get(ndi, "Service")
      if type(service) == "string" then
        service = service:lower()
        found[service] = found[service] or {}
        found[service][win.reg.get(ndi, "FilterClass") and "filter" or role] = true
      end
    end
  end
  return found
end

local function add_roles(row, components)
  local roles, seen = roles_of(own_view(row.path)), {}
  for _, role in ipairs(roles) do seen[role] = true end
  for role in pairs(row.service and components[row.service:lower()] or {}) do
    if not seen[role] then roles[#roles + 1] = role end
  end
  table.sort(roles)
  row.roles = roles
end

-- ---- Rows ----

local function base_name(path) return (path:match [[([^\]+)\*$]] or path):lower() end

-- Of services, those of the kernel; with what is loaded from its file.
local function service_row(service, by_name)
  local key = SERVICES .. service.name
  local exists = win.reg.exists(key)
  local path = usual_path(exists and win.reg.get(key, "ImagePath") or nil, service.name)
  local module = by_name[base_name(path)]
  if module then module.is_taken = true end
  return {
    name = base_name(path), service = service.name, display_name = service.display_name, type = service.type,
    state = service.state, path = path, loaded = module ~= nil or service.state == "running",
    group = exists and win.reg.get(key, "Group") or nil, base = module and module.base, size = module and module.size,
  }
end

local function all_rows(op)
  local rows, modules, by_name = {}, x.about(op, loaded), {}
  for _, module in ipairs(modules) do
    module.path = usual_path(module.path)
    by_name[base_name(module.path)] = module
  end
  for _, service in ipairs(win.scm.list {type = "driver"}) do rows[#rows + 1] = service_row(service, by_name) end
  for _, module in ipairs(modules) do
    if not module.is_taken then
      rows[#rows + 1] = {
        name = base_name(module.path), path = module.path, loaded = true, base = module.base, size = module.size,
      }
    end
  end
  table.sort(rows, function(a, b)
    if a.name ~= b.name then return a.name < b.name end
    return (a.service or "") < (b.service or "")
  end)
  return rows
end

local function add_all(row, values)
  for key, value in pairs(values or {}) do row[key] = value end
end

local add = {}
function add.version(rows) for _, row in ipairs(rows) do add_all(row, version(own_view(row.path))) end end
function add.signature(rows) for _, row in ipairs(rows) do add_all(row, signature(own_view(row.path))) end end

function add.roles(rows)
  local components = network_components()
  for _, row in ipairs(rows) do add_roles(row, components) end
end

local OPTIONS <const> = {"version", "signature", "roles"}

function driver.list(...)
  local check = x.check "driver.list"
  check.arguments(select("#", ...), 0, 1)
  local options = check.options((...), OPTIONS)
  for _, name in ipairs(OPTIONS) do check.opt_boolean(name, options[name]) end
  local rows = all_rows "driver.list"
  for _, name in ipairs(OPTIONS) do
    if options[name] then add[name](rows) end
  end
  return rows
end

function driver.inspect(...)
  local check = x.check "driver.inspect"
  check.arguments(select("#", ...), 1, 1)
  local path = x.about("driver.inspect", win.process.find, check.text("path", (...)))
  if not path then return nil end
  local row = {path = path, roles = roles_of(own_view(path))}
  add_all(row, version(own_view(path)))
  add_all(row, signature(own_view(path)))
  return row
end

-- ---- Whose they are ----

local function is_microsoft(text) return text ~= nil and text:find "^Microsoft" ~= nil end

-- Why a driver is not Microsoft's; nil when it is. Microsoft signs what others wrote, too: then the company says so. A
-- company's name alone, which anybody can write, proves nothing.
local function foreign(row)
  if row.signature == "unsigned" then return "it is not signed" end
  if row.signature == "untrusted" then return "its signature is not trusted" end
  if row.signature == "unknown" and not row.company then return "its file cannot be read" end
  if row.company and not is_microsoft(row.company) then return "its company is " .. row.company end
  if row.signature == "signed" and not is_microsoft(row.signer) then
    return "it is signed by " .. tostring(row.signer)
  end
  if row.signature == "signed" and not row.company then return "it names no company" end
end

function driver.third_party(...)
  local check = x.check "driver.third_party"
  check.arguments(select("#", ...), 0, 1)
  local options = check.options((...), {"loaded"})
  local only_loaded = check.opt_boolean("loaded", options.loaded)
  local rows, found = {}, {}
  for _, row in ipairs(all_rows "driver.third_party") do
    if not only_loaded or row.loaded then rows[#rows + 1] = row end
  end
  add.version(rows)
  add.signature(rows)
  for _, row in ipairs(rows) do
    row.reason = foreign(row)
    if row.reason then found[#found + 1] = row end
  end
  add.roles(found)
  return found
end
