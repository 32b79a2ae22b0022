-- What is in a modelled machine: checks a table that was made by hand, or by `p80 capture`, and fills in what it
-- leaves out. Returns complete(machine) -> another table, on which runs go.
local x, win, copy = ...

local check = x.checks(function(name, code, message, hint) x.fail("machine", name, code, message, hint) end)

-- ---- Fields ----

local function set(words)
  local list = {}
  for word in words:gmatch "%S+" do list[#list + 1] = word end
  return list
end

local SERVICE <const> = set [[
  state type start error_control path display_name account dependencies group tag delayed interactive pid exit_code
  service_exit_code accepts description failure sid_type privileges preshutdown_timeout preferred_node triggers security
  protection checkpoint wait_hint listens urls queue children deleting
  starts_in stops_in hangs start_error start_fails stop_error lingers failures]]
local PROCESS <const> = set [[
  pid name path parent session user command_line created threads critical listens urls queue with]]
local FIELDS <const> = {
  machine = set [[name windows service_pack server edition architecture elevated ipv6 time boot_time services
    processes connections excluded registry http sites accounts files programs tasks events clock due runs next_pid
    manager key_security]],
  http = set "urls iplisten addresses urlacl sslcert timeout cache setting netsh",
  site = set "id state auto_start error bindings queue",
  listen = set "port address protocol exclusive pid",
  connection = set "local_address local_port remote_address remote_port state pid",
  event = set "log source id level strings time",
  task = set "xml program arguments directory description account enabled triggers last_run next_run last_result",
}

local function fields(name, value, known)
  if type(value) ~= "table" then check.bad(name, value, "a table") end
  for key in pairs(value) do
    local is_known = false
    for _, word in ipairs(known) do is_known = is_known or word == key end
    if not is_known then
      local meant = type(key) == "string" and x.nearest(key, known)
      x.fail("machine", ("%s.%s"):format(name, key), 87, "There is no such field.",
        meant and ("did you mean '%s'?"):format(meant) or "the fields are " .. table.concat(known, ", "))
    end
  end
  return value
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

local function check_time(name, text)
  if not check.text(name, text):find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$" then
    check.bad(name, text, "a time such as 2026-01-05T08:00:00Z")
  end
  return text
end

-- ---- Endpoints ----

-- 80, "127.0.0.1:80", "[::]:80" or {port=, address=, protocol=, exclusive=}.
local function listen(name, value)
  if math.type(value) == "integer" then value = {port = value} end
  if type(value) == "string" then
    local address, port = value:match "^%[?([%x.:]-)%]?:(%d+)$"
    if not address then check.bad(name, value, 'a port or an endpoint like "127.0.0.1:80"') end
    value = {address = address, port = math.tointeger(tonumber(port))}
  end
  fields(name, value, FIELDS.listen)
  check.port(name .. ".port", value.port)
  value.address, value.protocol = value.address or "0.0.0.0", value.protocol or "tcp"
  check.one_of(name .. ".protocol", value.protocol, {"tcp", "udp"})
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
      check.bad(("%s.urls[%d]"):format(name, i), url, "a URL such as http://+:80/ (" .. fault .. ")")
    end
    holder.urls[i] = parsed.url
  end
end

-- ---- Services and processes ----

local STATES <const> = {
  "stopped", "start_pending", "stop_pending", "running", "continue_pending", "pause_pending", "paused",
}
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
  fields(name, process, PROCESS)
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
  fields(name, service, SERVICE)
  service.state, service.type = service.state or "stopped", service.type or "own_process"
  check.one_of(name .. ".state", service.state, STATES)
  service.start = check.one_of(name .. ".start", service.start or "demand", {
    "boot", "system", "auto", "demand", "disabled",
  })
  service.error_control = service.error_control or "normal"
  service.display_name = service.display_name or key
  local usual = is_driver(service) and [[system32\drivers\%s.sys]] or SYSTEM32 .. "%s.exe"
  service.path = service.path or usual:format(key)
  service.account = service.account or not is_driver(service) and "LocalSystem" or nil
  service.dependencies = check.list_of_text(name .. ".dependencies", service.dependencies or {})
  service.accepts = service.accepts or {"stop", "shutdown"}
  service.exit_code = service.exit_code or service.state == "stopped" and 1077 or 0
  service.service_exit_code = service.service_exit_code or 0
  service.checkpoint, service.wait_hint = service.checkpoint or 0, service.wait_hint or 0.0
  if service.hangs then check.one_of(name .. ".hangs", service.hangs, {"start", "stop"}) end
  for _, field in ipairs {"starts_in", "stops_in", "lingers"} do
    if service[field] ~= nil then check.seconds(name .. "." .. field, service[field]) end
  end
  local fails = service.start_fails
  if type(fails) == "table" then fails = fields(name .. ".start_fails", fails, {"service"}).service or "" end
  check.opt_integer(name .. ".start_fails", fails, 1, 0xFFFFFFFF)
  for _, field in ipairs {"start_error", "stop_error"} do
    check.opt_integer(name .. "." .. field, service[field], 1, 0xFFFFFFFF)
  end
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

local function value_row(name, value)
  if type(value) == "table" and value.type then return value end
  if type(value) == "table" then return {type = "multi_sz", value = check.list_of_text(name, value)} end
  if math.type(value) == "integer" then return {type = "dword", value = value} end
  return {type = "sz", value = check.text(name, value)}
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
    hive = SHORT[(hive or ""):upper()] or (hive or ""):upper()
    if not hive:find "^HK%u+$" then check.bad("machine.registry", key, [[a key such as HKLM\SOFTWARE\Contoso]]) end
    local name = add(hive .. rest)
    for value, data in pairs(machine.registry[key]) do
      all[name][value] = value_row(("machine.registry[%s].%s"):format(key, value), data)
    end
  end
  for _, key in ipairs(KEYS) do add(key) end
  machine.registry = all
end

-- ---- All of it ----

-- "*:80:www.example.com", "https *:443:", "net.tcp 808:*", "https *:443:www.example.com ssl_flags=1".
local function binding(name, text)
  local whole = text:gsub(" ssl_flags=%d+$", ""):find " " and text or "http " .. text
  local port = whole:match "^https? %S+:(%d+):[^:%s]*$" or whole:match "^https %S+:(%d+):[^:%s]* ssl_flags=%d+$"
  local is_other = whole:find "^[%w.]+ %S+$" and not whole:find "^https? "
  if not is_other and not (port and tonumber(port) >= 1 and tonumber(port) <= 65535) then
    check.bad(name, text, 'a binding such as "*:80:www.example.com" or "https *:443:"')
  end
  return whole
end

local function complete_sites(machine)
  if next(machine.sites) and not has_service(machine, "W3SVC") then
    x.fail("machine", "machine.sites", 87, "There is no service W3SVC to serve them.", "add it to machine.services")
  end
  local id = 0
  for _, name in ipairs(sorted_keys(machine.sites)) do
    local site = fields("machine.sites." .. name, machine.sites[name], FIELDS.site)
    id = math.max(id, site.id or id + 1)
    site.id, site.state = site.id or id, site.state or "started"
    check.one_of("machine.sites." .. name .. ".state", site.state, {"started", "stopped"})
    if site.auto_start == nil then site.auto_start = site.state == "started" end
    local list = "machine.sites." .. name .. ".bindings"
    site.bindings = check.list_of_text(list, site.bindings or {})
    for i, text in ipairs(site.bindings) do site.bindings[i] = binding(("%s[%d]"):format(list, i), text) end
  end
end

-- Records of C by their bindings, from what win.http.sslcert.add takes.
local function complete_certificates(given)
  local records = {}
  for binding, options in pairs(given) do
    local key, fault = win.http.sslcert.binding(check.text("machine.http.sslcert", binding))
    if not key then check.bad("machine.http.sslcert", binding, "a binding like 0.0.0.0:443 (" .. fault .. ")") end
    local record = win.http.sslcert.defaults()
    for name, value in pairs(options) do record[name] = value end
    record.host, record.port = key.host, key.port
    records[key.binding] = record
  end
  return records
end

local USUAL_CACHE <const> = {max_response_size = 262144, range_chunk_size = 262144}

local function complete_http(machine)
  local http = fields("machine.http", machine.http or {}, FIELDS.http)
  http.addresses = http.addresses or {"0.0.0.0", "::"}
  for _, part in ipairs(FIELDS.http) do
    if part ~= "netsh" then http[part] = http[part] or {} end
  end
  for name, value in pairs(USUAL_CACHE) do http.cache[name] = http.cache[name] or value end
  complete_holder("machine.http", http)
  http.listens = nil
  if http.netsh ~= nil then check.one_of("machine.http.netsh", http.netsh, {"missing", "timeout"}) end
  http.sslcert = complete_certificates(http.sslcert)
  machine.http = http
end

local LEVELS <const> = {"error", "warning", "information", "audit_success", "audit_failure", "critical", "verbose"}

-- An event, and the key that makes its log known.
local function complete_event(name, machine, event)
  fields(name, event, FIELDS.event)
  event.log, event.id = event.log or "Application", event.id or 0
  event.level, event.time = event.level or "information", event.time or machine.time
  event.strings = check.list_of_text(name .. ".strings", event.strings or {})
  check.text(name .. ".source", event.source)
  check.integer(name .. ".id", event.id, 0, 0xFFFF)
  local words = is_old(machine) and table.move(LEVELS, 1, 5, 1, {}) or LEVELS
  check.one_of(name .. ".level", event.level, words)
  check_time(name .. ".time", event.time)
  local log = check.text(name .. ".log", event.log)
  local key = (log:find "/" and CHANNELS or LOGS) .. log
  machine.registry[key] = machine.registry[key] or {}
end

local function complete_task(machine, path, task)
  local name = ("machine.tasks[%s]"):format(path)
  fields(name, task, FIELDS.task)
  if task.enabled == nil then task.enabled = true end
  if not is_old(machine) then check.text(name .. ".xml", task.xml) end
  task.triggers = not task.xml and (task.triggers or {}) or nil
  machine.tasks[path] = nil
  machine.tasks[path:find "^\\" and path or "\\" .. path] = task
end

local IDLE <const> = {pid = 0, name = "[System Process]", parent = 0}
local SYSTEM <const> = {pid = 4, name = "System", parent = 0}
local PARTS <const> = {
  "services", "processes", "connections", "excluded", "registry", "key_security", "sites", "accounts", "files", "programs", "tasks",
  "events",
}
local MANAGER <const> = {pid = 600, name = "services.exe", path = SYSTEM32 .. "services.exe", parent = 4}

--- complete(machine) -> a new table with all that a modelled machine has.
return function(given)
  local machine = copy(fields("machine", given, FIELDS.machine))
  machine.windows = version(machine.windows or "2019")
  machine.name, machine.architecture = machine.name or "MODEL", machine.architecture or "x64"
  machine.time = check_time("machine.time", machine.time or "2026-01-05T08:00:00Z")
  machine.clock, machine.due, machine.runs = machine.clock or 0.0, machine.due or {}, machine.runs or {}
  for _, flag in ipairs {"elevated", "server", "ipv6"} do
    if machine[flag] == nil then machine[flag] = true end
  end
  for _, part in ipairs(PARTS) do
    machine[part] = machine[part] or {}
    if type(machine[part]) ~= "table" then check.bad("machine." .. part, machine[part], "a table") end
  end
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
  for i, event in ipairs(machine.events) do complete_event(("machine.events[%d]"):format(i), machine, event) end
  complete_registry(machine)
  for i, connection in ipairs(machine.connections) do
    fields(("machine.connections[%d]"):format(i), connection, FIELDS.connection)
  end
  for _, path in ipairs(sorted_keys(machine.tasks)) do complete_task(machine, path, machine.tasks[path]) end
  for i, range in ipairs(machine.excluded) do
    check.port(("machine.excluded[%d][1]"):format(i), range[1])
    check.port(("machine.excluded[%d][2]"):format(i), range[2])
  end
  for _, process in ipairs(machine.processes) do process.created = process.created or 0.0 end
  return machine
end
