-- What is in a modelled machine: checks a table that was made by hand, or by `p80 capture`, and fills in what it
-- leaves out. Returns complete(machine) -> another table, on which runs go.
local x, win, copy, kit = ...

local check = x.checks(function(name, code, message, hint) x.fail("machine", name, code, message, hint) end)

local INVALID_PARAMETER <const> = 87
local check_machine, check_endpoint = kit.chunk "model_fields"(x, win, check)

-- Raises when `key` is in `seen` already.
local function once(seen, key, name, hint)
  if seen[key] then check.fail(name, INVALID_PARAMETER, ("%s is there twice."):format(check.shown(key)), hint) end
end

-- ---- Windows ----

local WINDOWS <const> = {
  ["2003"] = "5.2.3790", ["2008"] = "6.0.6002", ["2008r2"] = "6.1.7601", ["2012"] = "6.2.9200",
  ["2012r2"] = "6.3.9600",
  ["2016"] = "10.0.14393", ["2019"] = "10.0.17763", ["2022"] = "10.0.20348", ["2025"] = "10.0.26100",
}

local function version(text)
  text = check.text("machine.windows", text)
  text = WINDOWS[text:lower():gsub("%s", "")] or text
  if not text:find "^%d+%.%d+%.%d+$" then
    check.bad("machine.windows", text, 'a version like "2003", "2019" or "10.0.17763"')
  end
  return text
end

local function is_old(machine) return machine.windows:find "^5%." ~= nil end

-- ---- Endpoints ----

-- 80, "127.0.0.1:80", "[::]:80" or {port=, address=, protocol=, exclusive=}.
local function listen(name, value)
  if math.type(value) == "integer" then value = {port = value} end
  if type(value) == "string" then
    local address, port = value:match "^%[?([%x.:]-)%]?:(%d+)$"
    if not address then check.bad(name, value, 'a port or an endpoint like "127.0.0.1:80"') end
    value = {address = address, port = math.tointeger(tonumber(port))}
  end
  check_endpoint(name, value)
  value.address, value.protocol = value.address or "0.0.0.0", value.protocol or "tcp"
  return value
end

local function list(name, value)
  if value == nil then return {} end
  if type(value) ~= "table" or value.port then value = {value} end
  return value
end

-- The endpoints and URLs of a service or process.
local function complete_holder(name, holder)
  holder.listens, holder.urls = list(name .. ".listens", holder.listens), list(name .. ".urls", holder.urls)
  for i, one in ipairs(holder.listens) do holder.listens[i] = listen(("%s.listens[%d]"):format(name, i), one) end
  for i, url in ipairs(holder.urls) do
    local parsed, fault = win.http.url(check.text(("%s.urls[%d]"):format(name, i), url))
    if not parsed then
      check.bad(("%s.urls[%d]"):format(name, i), url, ("a URL such as http://+:80/ (%s)"):format(fault))
    end
    holder.urls[i] = parsed.url
  end
end

-- ---- Services and processes ----

local SYSTEM32 <const> = [[C:\Windows\System32\]]

-- Above all pids that are given.
local function first_pid(machine)
  local highest = 996
  for _, list in ipairs {machine.services, machine.processes} do
    for _, one in pairs(list) do
      highest = math.max(highest, type(one) == "table" and math.tointeger(one.pid) or 0)
    end
  end
  return highest // 4 * 4 + 4
end

local function new_pid(machine)
  machine.next_pid = machine.next_pid + 4
  return machine.next_pid - 4
end

local function image_of(path)
  return path:match '^"([^"]*)"' or path:match "^(.-%.[eE][xX][eE])" or path
end

local function complete_process(machine, name, process)
  process.pid = process.pid or new_pid(machine)
  process.name = process.name or process.path and process.path:match "[^\\]*$"
  check.text(name .. ".name", process.name)
  process.parent = process.parent or 4
  process.session, process.threads = process.session or 0, process.threads or 1
  complete_holder(name, process)
  return process
end

local function is_driver(service)
  return (service.type:find "driver$" or service.type == "adapter") and true or false
end

local function complete_service(name, key, service)
  service.state, service.type = service.state or "stopped", service.type or "own_process"
  service.start = service.start or "demand"
  service.error_control = service.error_control or "normal"
  service.display_name = service.display_name or key
  local usual = is_driver(service) and [[system32\drivers\%s.sys]] or SYSTEM32 .. "%s.exe"
  service.path = service.path or usual:format(key)
  service.account = service.account or not is_driver(service) and "LocalSystem" or nil
  service.dependencies = service.dependencies or {}
  service.accepts = service.accepts or {"stop", "shutdown"}
  service.exit_code = service.exit_code or service.state == "stopped" and 1077 or 0
  service.service_exit_code = service.service_exit_code or 0
  service.checkpoint, service.wait_hint = service.checkpoint or 0, service.wait_hint or 0.0
  complete_holder(name, service)
  service.children = service.children or {}
end

local function find_process(machine, pid)
  for _, process in ipairs(machine.processes) do
    if process.pid == pid then return process end
  end
end

-- Gives a service that runs its process, which it shares with those of the same command line.
local function give_process(machine, name, service)
  if service.state == "stopped" or is_driver(service) then
    service.pid = nil
    return
  end
  local image = image_of(service.path)
  if not service.pid and service.type == "share_process" then
    for _, other in pairs(machine.services) do
      if other ~= service and other.pid and other.path:lower() == service.path:lower() then
        service.pid = other.pid
      end
    end
  end
  service.pid = service.pid or new_pid(machine)
  if find_process(machine, service.pid) then return end
  table.insert(machine.processes, {
    pid = service.pid, name = image:match "[^\\]*$", path = image, parent = machine.manager, session = 0, threads = 1,
    listens = {}, urls = {},
  })
  for i, child in ipairs(service.children) do
    child = complete_process(machine, ("%s.children[%d]"):format(name, i), copy(child))
    child.parent, child.with = service.pid, service.pid
    table.insert(machine.processes, child)
  end
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function has_service(machine, name)
  for known in pairs(machine.services) do
    if known:lower() == name:lower() then return true end
  end
end

local function uses_http(machine)
  if next(machine.sites) or machine.http.urls[1] then return true end
  for _, service in pairs(machine.services) do
    if service.state ~= "stopped" and type(service.urls) == "table" and service.urls[1] then return true end
  end
  for _, process in ipairs(machine.processes) do
    if process.urls[1] then return true end
  end
end

local function complete_services(machine)
  for _, key in ipairs(sorted_keys(machine.services)) do
    complete_service("machine.services." .. key, key, machine.services[key])
  end
  if not has_service(machine, "HTTP") then
    local http = {type = "kernel_driver", display_name = "HTTP Service", path = [[system32\drivers\HTTP.sys]]}
    http.state = uses_http(machine) and "running" or "stopped"
    complete_service("machine.services.HTTP", "HTTP", http)
    machine.services.HTTP = http
  end
  for _, key in ipairs(sorted_keys(machine.services)) do
    give_process(machine, "machine.services." .. key, machine.services[key])
  end
end

-- ---- The registry ----

local SHORT <const> = {
  HKEY_LOCAL_MACHINE = "HKLM", HKEY_CURRENT_USER = "HKCU", HKEY_CLASSES_ROOT = "HKCR", HKEY_USERS = "HKU",
  HKEY_CURRENT_CONFIG = "HKCC",
}

local LOGS <const> = [[HKLM\SYSTEM\CurrentControlSet\Services\EventLog\]]
local CHANNELS <const> = [[HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\WINEVT\Channels\]]
local KEYS <const> = {
  [[HKLM\SOFTWARE]], "HKCU", "HKU", "HKCR", LOGS .. "Application", LOGS .. "Security", LOGS .. "System",
}

local function value_row(value)
  if type(value) == "table" and value.type then return value end
  if type(value) == "table" then return {type = "multi_sz", value = value} end
  return {type = math.type(value) and "dword" or "sz", value = value}
end

local function complete_registry(machine)
  local all, folded = {}, {}
  local function add(key)
    if folded[x.fold(key)] then return folded[x.fold(key)] end
    local above = key:match "^(.*)\\[^\\]*$"
    if above then add(above) end
    all[key], folded[x.fold(key)] = {}, key
    return key
  end
  for _, key in ipairs(sorted_keys(machine.registry)) do
    local hive, rest = key:match "^([^\\]+)(.*)$"
    local name = add((SHORT[hive:upper()] or hive:upper()) .. rest)
    for value, data in pairs(machine.registry[key]) do all[name][value] = value_row(data) end
  end
  for _, key in ipairs(KEYS) do add(key) end
  machine.registry = all
end

-- ---- All of it ----

local function complete_sites(machine)
  if next(machine.sites) and not has_service(machine, "W3SVC") then
    x.fail("machine", "machine.sites", 87, "There is no service W3SVC to serve them.", "add it to machine.services")
  end
  local id, names = 0, {}
  for _, name in ipairs(sorted_keys(machine.sites)) do
    local site = machine.sites[name]
    id = math.max(id, site.id or id + 1)
    site.id, site.state, site.bindings = site.id or id, site.state or "started", site.bindings or {}
    once(names, site.id, ("machine.sites[%s].id"):format(name),
      ("the site '%s' has that already"):format(names[site.id]))
    names[site.id] = name
    if site.auto_start == nil then site.auto_start = site.state == "started" end
    for i, text in ipairs(site.bindings) do
      if not text:gsub(" ssl_flags=%d+$", ""):find " " then site.bindings[i] = "http " .. text end
    end
  end
end

-- Records of C by their bindings, from what win.http.sslcert.add takes.
local function complete_certificates(given)
  local records = {}
  for binding, options in pairs(given) do
    local key = win.http.sslcert.binding(binding)
    local record = win.http.sslcert.defaults()
    for name, value in pairs(options) do record[name] = value end
    record.host, record.port = key.host, key.port
    records[key.binding] = record
  end
  return records
end

local USUAL_CACHE <const> = {max_response_size = 262144, range_chunk_size = 262144}

local function complete_http(machine)
  local http = machine.http or {}
  http.addresses = http.addresses or {"0.0.0.0", "::"}
  for _, part in ipairs {"iplisten", "urlacl", "sslcert", "timeout", "cache", "setting"} do
    http[part] = http[part] or {}
  end
  for name, value in pairs(USUAL_CACHE) do http.cache[name] = http.cache[name] or value end
  complete_holder("machine.http", http)
  http.listens = nil
  http.sslcert = complete_certificates(http.sslcert)
  machine.http = http
end

-- An event, and the key that makes its log known.
local function complete_event(machine, event)
  event.log, event.id, event.strings = event.log or "Application", event.id or 0, event.strings or {}
  event.level, event.time = event.level or "information", event.time or machine.time
  local key = (event.log:find "/" and CHANNELS or LOGS) .. event.log
  machine.registry[key] = machine.registry[key] or {}
end

local function complete_task(machine, path, task)
  local name = ("machine.tasks[%s]"):format(path)
  if task.enabled == nil then task.enabled = true end
  if not task.xml then
    check.text(name .. ".program", task.program)
    task.triggers = task.triggers or {}
  end
  for i, trigger in ipairs(not task.xml and task.triggers or {}) do
    local place, is_new = ("%s.triggers[%d]."):format(name, i), not is_old(machine)
    if is_new then check.one_of(place .. "type", trigger.type, {"startup", "logon", "time"}) end
    if trigger.type == "time" then
      if is_new then check.integer(place .. "every", trigger.every, 60, 31 * 86400) end
      trigger.begins = trigger.begins or "2000-01-01T00:00:00"
    end
  end
  machine.tasks[path] = nil
  machine.tasks[path:find "^\\" and path or "\\" .. path] = task
end

-- What must fit together.
local function check_relations(machine)
  local names, pids = {}, {}
  for _, name in ipairs(sorted_keys(machine.services)) do
    local folded = x.fold(name)
    once(names, folded, "machine.services." .. name, ("'%s' is the same to Windows"):format(names[folded]))
    names[folded] = name
  end
  for i, process in ipairs(machine.processes) do
    once(pids, process.pid, ("machine.processes[%d].pid"):format(i), ("%s has it"):format(pids[process.pid]))
    pids[process.pid] = process.name
  end
  local function must_exist(name, pid)
    if pid and not pids[pid] then
      check.fail(name, INVALID_PARAMETER, ("There is no process %d."):format(pid), "it must be in machine.processes")
    end
  end
  for i, connection in ipairs(machine.connections) do
    must_exist(("machine.connections[%d].pid"):format(i), connection.pid)
  end
  for name, service in pairs(machine.services) do
    for i, one in ipairs(service.listens) do
      must_exist(("machine.services.%s.listens[%d].pid"):format(name, i), one.pid)
    end
  end
  local http = machine.services[names.http]
  if http.state == "stopped" and uses_http(machine) then
    check.fail("machine.services." .. names.http .. ".state", INVALID_PARAMETER,
      "HTTP cannot be stopped while URLs are registered with it.", "leave the service HTTP out, or have it run")
  end
end

local IDLE <const> = {pid = 0, name = "[System Process]", parent = 0}
local SYSTEM <const> = {pid = 4, name = "System", parent = 0}
local PARTS <const> = {
  "services", "processes", "connections", "excluded", "registry", "key_security", "sites", "accounts", "files",
  "programs", "tasks", "events",
}
local MANAGER <const> = {pid = 600, name = "services.exe", path = SYSTEM32 .. "services.exe", parent = 4}

--- complete(machine) -> a new table with all that a modelled machine has.
return function(given)
  check_machine("machine", given)
  local machine = copy(given)
  machine.windows = version(machine.windows or "2019")
  machine.name, machine.architecture = machine.name or "MODEL", machine.architecture or "x64"
  machine.time = machine.time or "2026-01-05T08:00:00Z"
  machine.clock, machine.due, machine.runs = machine.clock or 0.0, machine.due or {}, machine.runs or {}
  for _, flag in ipairs {"elevated", "server", "ipv6"} do
    if machine[flag] == nil then machine[flag] = true end
  end
  for _, part in ipairs(PARTS) do machine[part] = machine[part] or {} end
  machine.next_pid = machine.next_pid or first_pid(machine)
  for i, process in ipairs(machine.processes) do
    complete_process(machine, ("machine.processes[%d]"):format(i), process)
  end
  local manager
  for _, process in ipairs(machine.processes) do
    if process.name:lower() == "services.exe" then manager = process end
  end
  for _, one in ipairs {IDLE, SYSTEM, not manager and MANAGER or nil} do
    if not find_process(machine, one.pid) then
      table.insert(machine.processes, complete_process(machine, one.name, copy(one)))
    end
  end
  machine.manager = (manager or MANAGER).pid
  complete_http(machine)
  complete_services(machine)
  complete_sites(machine)
  for _, event in ipairs(machine.events) do complete_event(machine, event) end
  complete_registry(machine)
  for _, path in ipairs(sorted_keys(machine.tasks)) do complete_task(machine, path, machine.tasks[path]) end
  check_relations(machine)
  for _, process in ipairs(machine.processes) do process.created = process.created or 0.0 end
  return machine
end
