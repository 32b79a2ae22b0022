-- p80 capture: this machine as a table for tests and --model, without secrets. Says what it leaves out.
local core, host = ...
local win, code, data = core.win, core.code, core.data

local left_out = {} -- texts for people

local function leave_out(text)
  if not left_out[text] then left_out[#left_out + 1] = text end
  left_out[text] = true
end

local secrets = host.chunk "capture_secrets"(leave_out)
local safe = secrets.safe

-- ---- Services ----

local function readable(what, read, ...)
  local results = table.pack(pcall(read, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  if core.is_interrupt(results[2]) then error(results[2], 0) end
  leave_out(("%s: %s"):format(what, type(results[2]) == "table" and results[2].message or tostring(results[2])))
end

local COPIED <const> = {
  "state", "type", "start", "error_control", "display_name", "account", "group", "tag", "delayed", "interactive", "pid",
}
local DETAILS <const> = {"sid_type", "privileges", "preshutdown_timeout", "preferred_node", "protection", "triggers"}

-- Failure actions, unless there are none of any kind.
local function failure_of(name, failure)
  failure.command = safe("the failure command of service " .. name, failure.command)
  local is_usual = not failure.actions[1] and failure.command == "" and failure.reboot_message == ""
    and failure.reset_period == 0 and not failure.on_non_crash
  return not is_usual and failure or nil
end

local function service_of(name)
  local record = readable("service " .. name, win.scm.get, name)
  if not record then return nil end
  local service = {path = safe("the path of service " .. name, record.path)}
  for _, key in ipairs(COPIED) do service[key] = record[key] end
  if record.dependencies and record.dependencies[1] then service.dependencies = record.dependencies end
  if record.state ~= "stopped" then service.accepts = record.accepts else service.exit_code = record.exit_code end
  local details = readable("the details of service " .. name, win.scm.details, name) or {}
  local description = safe("the description of service " .. name, details.description)
  service.description = description ~= "" and description or nil
  if details.failure then service.failure = failure_of(name, details.failure) end
  for _, key in ipairs(DETAILS) do
    local value = details[key]
    if type(value) ~= "table" or value[1] then service[key] = value end
  end
  service.security = readable("the access list of service " .. name, win.scm.security, name)
  return service
end

local function is_driver(service) return (service.type or ""):find "driver$" ~= nil end

-- All services, and those drivers that they need, directly or not.
local function add_services(machine, all_drivers)
  local needed, drivers = {http = true}, {}
  local function need(service)
    for _, name in ipairs(service.dependencies or {}) do
      local driver = drivers[name:lower()]
      if driver and not needed[name:lower()] then
        needed[name:lower()] = true
        need(driver)
      end
    end
  end
  for _, row in ipairs(win.scm.list {type = "all"}) do
    local service = service_of(row.name)
    if service and is_driver(service) then drivers[row.name:lower()] = service end
    if service then machine.services[row.name] = service end
  end
  for _, service in pairs(machine.services) do
    if not is_driver(service) then need(service) end
  end
  local dropped = 0
  for name, service in pairs(machine.services) do
    if is_driver(service) and not all_drivers and not needed[name:lower()] then
      machine.services[name] = nil
      dropped = dropped + 1
    end
  end
  if dropped > 0 then leave_out(("%d drivers that no service needs (--drivers adds them)"):format(dropped)) end
end

-- ---- Processes and what they hold ----

local NOW <const> = os.time()
local FILETIME_OF_1970 <const> = 11644473600 -- seconds

-- Seconds from now to a FILETIME.
local function seconds_until(filetime) return filetime and (filetime - (NOW + FILETIME_OF_1970) * 10000000) / 1e7 end

local function add_processes(machine, with_command_lines)
  for _, row in ipairs(win.process.list {command_line = with_command_lines}) do
    if row.pid ~= host.pid and row.pid ~= 0 then
      local what = ("the command line of pid %d (%s)"):format(row.pid, row.name)
      table.insert(machine.processes, {
        pid = row.pid, name = row.name, path = row.path, parent = row.parent, session = row.session,
        threads = row.threads, created = seconds_until(row.created), command_line = safe(what, row.command_line),
      })
    end
  end
  if not with_command_lines then leave_out "the command lines of processes (--command-lines adds them)" end
end

-- What holds something for the process `pid`: its service, when it is the only one there, or the process, which is
-- added when it is not in the list.
local function holder_of(machine, pid, name)
  local only, count = nil, 0
  for _, service in pairs(machine.services) do
    if service.pid == pid and pid then only, count = service, count + 1 end
  end
  if count == 1 then return only end
  for _, process in ipairs(machine.processes) do
    if process.pid == pid then return process end
  end
  local process = {pid = pid, name = name or "?"}
  table.insert(machine.processes, process)
  return process
end

local function add_once(holder, field, value, same)
  holder[field] = holder[field] or {}
  for _, known in ipairs(holder[field]) do
    if same(known, value) then return end
  end
  table.insert(holder[field], value)
end

local function same_text(a, b) return a == b end
local function same_endpoint(a, b) return a.port == b.port and a.address == b.address and a.protocol == b.protocol end

local function is_empty(list) return list == nil or list[1] == nil end

-- The ports that IIS serves now.
local function ports_of_sites(machine)
  local ports, service = {}, machine.services.W3SVC
  for _, site in pairs(service and service.state == "running" and machine.sites or {}) do
    for _, text in ipairs(site.state == "started" and site.bindings or {}) do
      local port = text:match "^https? .+:(%d+):[^:]*$"
      if port then ports[math.tointeger(tonumber(port))] = true end
    end
  end
  return ports
end

-- Who registered which URL, as far as Windows says; the ports that those are on.
local function add_urls(machine, kernel_ports)
  local state, ports, holders = win.http.state(), {}, {}
  if state.source == "holders" then machine.http.netsh = "missing" end
  for _, queue in ipairs(state.queues) do
    local owner = queue.controller or queue.processes[1]
    local at = owner and holder_of(machine, owner.pid, owner.name) or machine.http
    local is_iis = queue.controller and next(machine.sites)
    holders[#holders + 1] = at
    if owner and not queue.controller then at.queue = queue.name or is_empty(queue.urls) and "?" or nil end
    for _, url in ipairs(queue.urls) do
      if not is_iis then add_once(at, "urls", url, same_text) end -- the sites say those of IIS
      ports[win.http.url(url) and win.http.url(url).port or 0] = true
    end
  end
  for port in pairs(ports_of_sites(machine)) do ports[port] = true end
  for port in pairs(kernel_ports) do -- those of HTTP.SYS of which nobody tells the URL
    if not ports[port] and state.source ~= "stopped" and readable("port " .. port, win.http.server, port) then
      add_once(#holders == 1 and holders[1] or machine.http, "urls", ("http://+:%d/"):format(port), same_text)
      ports[port] = true
    end
  end
  return ports
end

local KERNEL <const> = 4

-- Where HTTP.SYS listens without a listen list; nil for both families.
local function addresses_of(rows, of_http)
  local addresses = {}
  for _, row in ipairs(rows) do
    if row.kernel and row.protocol == "tcp" and of_http[row.local_port] then addresses[row.family] = true end
  end
  if addresses.ipv4 and addresses.ipv6 then return nil end
  return addresses.ipv4 and {"0.0.0.0"} or addresses.ipv6 and {"::"} or nil
end

local function add_endpoints(machine)
  local kernel_ports, rows = {}, {}
  for _, protocol in ipairs {"tcp", "udp"} do
    for _, row in ipairs(win[protocol].listeners()) do
      row.protocol = protocol
      rows[#rows + 1] = row
      if row.kernel and protocol == "tcp" then kernel_ports[row.local_port] = true end
    end
  end
  local of_http = add_urls(machine, kernel_ports)
  machine.http.addresses = addresses_of(rows, of_http)
  for _, row in ipairs(rows) do
    if not (row.kernel and row.protocol == "tcp" and of_http[row.local_port]) and row.pid ~= host.pid then
      local holder = holder_of(machine, row.kernel and KERNEL or row.pid, row.kernel and "System" or row.process)
      add_once(holder, "listens", {port = row.local_port, address = row.local_address, protocol = row.protocol},
        same_endpoint)
    end
  end
  leave_out "connections"
  leave_out "port ranges that Windows keeps back (`netsh int ipv4 show excludedportrange tcp` lists them)"
end

-- ---- HTTP.SYS, IIS, accounts, the registry ----

local FIXED <const> = {kind = true, binding = true}

local function add_http(machine)
  local http = machine.http
  http.iplisten = readable("the listen list", win.http.iplisten.list) or {}
  http.urlacl, http.sslcert = {}, {}
  local reservations = readable("reservations", win.http.urlacl.list) or {}
  for _, row in ipairs(reservations) do http.urlacl[row.url] = row.sddl end
  local defaults = win.http.sslcert.defaults()
  for _, row in ipairs(readable("certificate bindings", win.http.sslcert.list) or {}) do
    local fields = {}
    for key, value in pairs(row) do
      if not FIXED[key] and defaults[key] ~= nil and value ~= defaults[key] then fields[key] = value end
    end
    http.sslcert[row.binding] = fields
  end
  for _, subject in ipairs {"timeout", "cache", "setting"} do
    for _, row in ipairs(readable("http." .. subject, win.http[subject].list) or {}) do
      http[subject] = http[subject] or {}
      http[subject][row.name] = row.value
    end
  end
  return reservations
end

local function binding_text(row)
  local flags = row.ssl_flags and row.ssl_flags ~= 0 and (" ssl_flags=%d"):format(row.ssl_flags) or ""
  return ("%s %s%s"):format(row.protocol, row.binding, flags)
end

local function add_sites(machine)
  if not readable("IIS", win.iis.store) or not machine.services.W3SVC then return end
  for _, site in ipairs(readable("the sites of IIS", win.iis.sites) or {}) do
    local bindings = {}
    for i, binding in ipairs(site.bindings) do bindings[i] = binding_text(binding) end
    machine.sites[site.name] = {
      id = site.id, auto_start = site.auto_start, bindings = bindings,
      state = (site.state == "unknown" and site.auto_start or site.state == "started") and "started" or "stopped",
    }
  end
end

-- A task as a model has it: its XML, before Windows Vista its fields.
local function task_of(row)
  local what = "task " .. row.path
  if row.xml then return {xml = secrets.safe_xml(what, row.xml), enabled = row.enabled} end
  local action = row.actions[1]
  return {
    program = action.program, arguments = safe(what, action.arguments), directory = action.directory,
    description = safe(what, row.description), account = row.account, triggers = row.triggers, enabled = row.enabled,
  }
end

-- Those of Windows itself are many, and nobody's concern.
local function add_tasks(machine)
  local passed = 0
  for _, row in ipairs(readable("scheduled tasks", win.task.list) or {}) do
    local is_windows = row.path:find [[^\Microsoft\]]
    local task = not is_windows and readable("task " .. row.path, win.task.get, row.path)
    if is_windows then passed = passed + 1 end
    if task then machine.tasks[row.path] = task_of(task) end
  end
  if passed > 0 then leave_out(("%d scheduled tasks of Windows itself"):format(passed)) end
end

-- The accounts of services and reservations, but for those that every Windows has.
local function add_accounts(machine, reservations)
  local function add(name)
    local record = readable("the account " .. name, win.account.get, name)
    if not record or not record.name or not record.sid:find "^S%-1%-5%-[28]%d%-" then return end
    machine.accounts[record.name] = record.type == "user" and record.sid or {sid = record.sid, type = record.type}
  end
  for _, service in pairs(machine.services) do
    if service.account and service.account:find "\\" then add((service.account:gsub("^%.\\", ""))) end
  end
  for _, row in ipairs(reservations) do
    for _, user in ipairs(row.users) do add(user.sid) end
  end
end

-- A value as it goes into the table; nil for one that may be secret.
local function value_of(key, row)
  local what = ("%s\\%s"):format(key, row.name)
  if secrets.names_a_secret(row.name) or secrets.has_secret_word(key:match "[^\\]*$") then
    leave_out(what .. ", which may be secret")
    return nil
  end
  if type(row.value) == "table" then
    local texts = {}
    for i, text in ipairs(row.value) do texts[i] = safe(what, text) end
    return {type = row.type, value = texts}
  elseif type(row.value) == "string" and not row.type:find "sz$" then
    leave_out(what .. ", which is binary")
    return nil
  end
  return {type = row.type, value = type(row.value) == "string" and safe(what, row.value) or row.value}
end

local function add_values(machine, key, rows)
  local values = {}
  for _, row in ipairs(rows) do values[row.name] = value_of(key, row) end
  machine.registry[key] = values
end

local function add_tree(machine, key, tree)
  add_values(machine, key, tree.values)
  machine.key_security[key] = tree.security
  for name, child in pairs(tree.keys) do add_tree(machine, key .. "\\" .. name, child) end
end

-- What win.http.parameters and win.feature read.
local ALWAYS <const> = {
  [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]],
  [[HKLM\SYSTEM\CurrentControlSet\Services\HTTPFilter\Parameters]],
  [[HKLM\SOFTWARE\Microsoft\InetStp\Components]],
  [[HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\Oc Manager\Subcomponents]],
}

local function add_registry(machine, keys)
  for _, key in ipairs(ALWAYS) do
    local rows = readable(key, win.reg.values, key)
    if rows and rows[1] then add_values(machine, key, rows) end
  end
  local but = keys[1] and " but for the keys that were named" or ""
  leave_out(("the registry%s (--registry KEY adds a key with all below it)"):format(but))
  for _, key in ipairs(keys) do
    local tree = core.ask(win.reg.tree, key)
    if not tree then core.fail(key, code.ERROR_FILE_NOT_FOUND, "There is no such key.") end
    add_tree(machine, key, tree)
  end
end

-- ---- All of it ----

local function capture(args)
  local version = win.host.version()
  local machine = {
    name = win.host.name(), windows = ("%d.%d.%d"):format(version.major, version.minor, version.build),
    service_pack = version.service_pack, server = version.server, architecture = win.host.architecture(),
    elevated = win.host.elevated(), time = os.date("!%Y-%m-%dT%H:%M:%SZ", NOW), boot_time = win.host.boot_time(),
    ipv6 = win.tcp.probe(65535).ipv6.reason ~= "unavailable",
    services = {}, processes = {}, http = {}, sites = {}, accounts = {}, registry = {}, key_security = {}, tasks = {},
  }
  if not machine.elevated then leave_out "what only administrators may see: run p80 elevated for all of it" end
  add_services(machine, args.drivers)
  add_processes(machine, args.command_lines)
  add_sites(machine)
  add_endpoints(machine)
  add_accounts(machine, add_http(machine))
  add_tasks(machine)
  add_registry(machine, args.registry)
  leave_out "files, the event logs, and what programs do"
  for _, service in pairs(machine.services) do
    if service.state == "stopped" then service.pid = nil end
  end
  return machine
end

local function text_of(machine)
  local found = ("-- %s as p80 %s found it at %s; for `p80 test` (test.load) and --model."):format(
    machine.name, host.version, machine.time)
  local lines = {found, "-- Left out:"}
  for _, text in ipairs(left_out) do lines[#lines + 1] = "--   " .. text:gsub("%c", " ") end
  lines[#lines + 1] = "return " .. host.lib "inspect"(data.plain(machine)) .. "\n"
  return table.concat(lines, "\n")
end

local parser = core.words.parser("capture",
  "Writes this machine down as a table for tests (test.load) and --model: services, processes,"
  .. " listeners, HTTP.SYS, IIS. Passwords, and what looks like secrets, are left out; what is left out is said.")
parser:argument("file"):args "?":description "the file to write; without one it goes to standard output"
parser:option("--registry"):argname "<key>":count "*":description "also this key with all below it"
parser:flag("--command-lines"):target "command_lines":description "also the command lines of processes"
parser:flag("--drivers"):description "also the drivers that no service needs"
parser:flag("--force"):description "write over a file that exists"

local function say_left_out()
  for _, text in ipairs(left_out) do host.log("left out: " .. text) end
end

return function(...)
  local args, help = core.words.parse(parser, {...})
  if not args then return help end
  if args.file and not args.force and win.file.read(args.file) then
    core.fail(args.file, code.ERROR_ALREADY_EXISTS, nil, "--force writes over it")
  end
  local machine = capture(args)
  local text = text_of(machine)
  if args.file and not core.checking then win.file.write(win.file.absolute(args.file), text) end
  if core.options.json then
    local shown = not args.file and machine or nil
    local said = data.array(table.move(left_out, 1, #left_out, 1, {}))
    local document = {file = args.file, left_out = said, machine = shown}
    return data.document(document, {"file", "left_out"}) .. "\n"
  end
  if not core.options.quiet then say_left_out() end
  return args.file and "" or text
end
