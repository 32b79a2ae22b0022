-- p80 capture: this machine as a table for tests and --model, without secrets. Says what it leaves out.
local core, host = ...
local win, code, data = core.win, core.code, core.data

local WITHHELD <const> = "***"

local left_out = {} -- texts for people

local function leave_out(text) left_out[#left_out + 1] = text end

-- ---- Secrets ----

-- In a name, at its end, and alone.
local WITHIN <const> = {"passw", "pwd", "secret", "token", "credential", "connectionstring", "authorization", "cookie"}
local AT_END <const> = {"key", "pass"}
local ALONE <const> = {p = true, pw = true, pin = true, sas = true, auth = true, sig = true}

local function names_a_secret(name)
  local folded = name:lower():gsub("[^%a]", "")
  for _, word in ipairs(WITHIN) do
    if folded:find(word, 1, true) then return true end
  end
  for _, word in ipairs(AT_END) do
    if folded:sub(-#word) == word then return true end
  end
  return ALONE[folded] or false
end

-- A command line, or other text with settings in it, with *** for what may be secret; and whether anything was.
local function masked(text)
  local hidden = false
  local function hide(name, between, value)
    local is_drive = #name == 1 and between == ":" and value:find '^"?[\\/]'
    if is_drive or not names_a_secret(name) or value == "" or value == WITHHELD then return nil end
    hidden = true
    return name .. between .. WITHHELD
  end
  local NAME <const>, SET <const> = "([%w_%-]+)", "(%s*[=:]%s*)"
  for _, value in ipairs {'("[^"]*")', "('[^']*')", "([^%s;,\"'&][^%s;,\"&]*)"} do
    text = text:gsub(NAME .. SET .. value, hide)
  end
  for _, value in ipairs {'("[^"]*")', "('[^']*')", "([^%s\"'/%-][^%s\"]*)"} do
    text = text:gsub("([/%-][%w_%-]+)(%s+)" .. value, hide)
  end
  text = text:gsub("(%a[%w+.%-]*://[^%s/:@]+:)([^%s/@]+)@", function(before)
    hidden = true
    return before .. WITHHELD .. "@"
  end)
  return text, hidden
end

local function safe(what, text)
  if text == nil then return nil end
  local shown, hidden = masked(text)
  if hidden then leave_out(("what may be secret in %s"):format(what)) end
  return shown
end

local ENTITIES <const> = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;"}
local CHARACTERS <const> = {amp = "&", lt = "<", gt = ">", quot = '"', apos = "'"}

-- The same for the text between the tags of XML.
local function safe_xml(what, xml)
  return (xml:gsub(">([^<]+)<", function(text)
    local plain = text:gsub("&(%a+);", CHARACTERS)
    local shown = safe(what, plain)
    return shown ~= plain and ">" .. shown:gsub('[&<>"]', ENTITIES) .. "<" or nil
  end))
end

-- ---- Services ----

local function readable(what, read, ...)
  local results = table.pack(pcall(read, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  if core.is_interrupt(results[2]) then error(results[2], 0) end
  leave_out(("%s: %s"):format(what, type(results[2]) == "table" and results[2].message or tostring(results[2])))
end

local COPIED <const> = {
  "state", "type", "start", "error_control", "display_name", "account", "group", "delayed", "interactive", "pid",
}

local function service_of(name)
  local record = readable("service " .. name, win.scm.get, name)
  if not record then return nil end
  local service = {path = safe("the path of service " .. name, record.path)}
  for _, key in ipairs(COPIED) do service[key] = record[key] end
  if record.dependencies and record.dependencies[1] then service.dependencies = record.dependencies end
  if record.state ~= "stopped" then service.accepts = record.accepts else service.exit_code = record.exit_code end
  local details = readable("the details of service " .. name, win.scm.details, name) or {}
  if details.description ~= "" then service.description = details.description end
  if details.failure and details.failure.actions[1] then
    service.failure = details.failure
    service.failure.command = safe("the failure command of service " .. name, service.failure.command)
  end
  if details.triggers and details.triggers[1] then service.triggers = details.triggers end
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

local function add_processes(machine, with_command_lines)
  for _, row in ipairs(win.process.list {command_line = with_command_lines}) do
    if row.pid ~= host.pid and row.pid ~= 0 then
      table.insert(machine.processes, {
        pid = row.pid, name = row.name, path = row.path, parent = row.parent, session = row.session,
        threads = row.threads, command_line = safe(("the command line of pid %d (%s)"):format(row.pid, row.name),
          row.command_line),
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
  for _, row in ipairs(readable("reservations", win.http.urlacl.list) or {}) do http.urlacl[row.url] = row.sddl end
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

-- Those of Windows itself are many, and nobody's concern.
local function add_tasks(machine)
  local passed = 0
  for _, row in ipairs(readable("scheduled tasks", win.task.list) or {}) do
    local is_own = row.path:find [[^\Microsoft\]]
    local task = not is_own and readable("task " .. row.path, win.task.get, row.path)
    if is_own then passed = passed + 1 end
    if task and task.xml then
      machine.tasks[row.path] = {xml = safe_xml("task " .. row.path, task.xml), enabled = task.enabled}
    end
  end
  if passed > 0 then leave_out(("%d scheduled tasks of Windows itself"):format(passed)) end
end

local function add_accounts(machine)
  for _, service in pairs(machine.services) do
    local name = service.account
    local is_own = name and name:find "\\"
    local record = is_own and readable("the account " .. name, win.account.get, (name:gsub("^%.\\", "")))
    if record and record.sid:find "^S%-1%-5%-21%-" then machine.accounts[name] = record.sid end
  end
end

-- A value as it goes into the table; nil for one that may be secret.
local function value_of(key, row)
  local what = ("%s\\%s"):format(key, row.name)
  if names_a_secret(row.name) then
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

local function add_tree(machine, key, tree)
  local values = {}
  for _, row in ipairs(tree.values) do values[row.name] = value_of(key, row) end
  machine.registry[key] = values
  for name, child in pairs(tree.keys) do add_tree(machine, key .. "\\" .. name, child) end
end

local function add_registry(machine, keys)
  if not keys[1] then leave_out "the registry (--registry KEY adds a key with all below it)" end
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
    elevated = win.host.elevated(), time = host.now(), ipv6 = win.tcp.probe(65535).ipv6.reason ~= "unavailable",
    services = {}, processes = {}, http = {}, sites = {}, accounts = {}, registry = {}, tasks = {},
  }
  if not machine.elevated then leave_out "what only administrators may see: run p80 elevated for all of it" end
  add_services(machine, args.drivers)
  add_processes(machine, args.command_lines)
  add_sites(machine)
  add_endpoints(machine)
  add_http(machine)
  add_accounts(machine)
  add_tasks(machine)
  add_registry(machine, args.registry)
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
    local document = {file = args.file, left_out = data.array(left_out), machine = shown}
    return data.document(document, {"file", "left_out"}) .. "\n"
  end
  if not core.options.quiet then say_left_out() end
  return args.file and "" or text
end
