-- The endpoints of a modelled machine: what services and processes listen on, and HTTP.SYS for the URLs that they
-- have registered. All of it is derived from who runs now.
local model, host = ...
local machine = model.machine
local net = {}

local SHARING_VIOLATION <const>, WSAEACCES <const>, WSAEADDRINUSE <const>, NO_IPV6 <const> = 32, 10013, 10048, 10047
local KERNEL <const> = 4

local function family_of(address) return address:find ":" and "ipv6" or "ipv4" end
local function is_any(address) return address == "0.0.0.0" or address == "::" end

-- ---- Who holds what ----

-- Those that hold something now: {pid=, listens=, urls=, queue=, service=}.
local function holders()
  local list = {}
  for name, service in pairs(machine.services) do
    local is_there = service.state ~= "stopped" and service.state ~= "start_pending"
    if is_there and name:lower() ~= "http" then
      list[#list + 1] = {
        pid = service.pid or KERNEL, listens = service.listens, urls = service.urls, queue = service.queue,
        service = name,
      }
    end
  end
  for _, process in ipairs(machine.processes) do
    list[#list + 1] = {pid = process.pid, listens = process.listens, urls = process.urls, queue = process.queue}
  end
  table.sort(list, function(a, b)
    if a.pid ~= b.pid then return a.pid < b.pid end
    return (a.service or "") < (b.service or "")
  end)
  return list
end

--- The URL that IIS registers for a binding such as "http *:80:www.example.com"; nil for other protocols.
function net.url_of(binding)
  local scheme, address, port, name = binding:match "^(https?) (%S+):(%d+):([^:%s]*)"
  if not scheme then return nil end
  return ("%s://%s:%s/"):format(scheme, name ~= "" and name or address, port)
end

-- The queues of IIS, which WAS (or W3SVC) controls.
local function add_sites(queues)
  local service = model.part "scm".find "W3SVC"
  if not service or service.state ~= "running" then return end
  local was = model.part "scm".find "WAS"
  local by_name, sites = {}, {}
  for _, site in pairs(machine.sites) do sites[#sites + 1] = site end
  table.sort(sites, function(a, b) return a.id < b.id end)
  for _, site in ipairs(sites) do
    local name = site.queue or "DefaultAppPool"
    local queue = by_name[name] or {name = name, urls = {}, pids = {}, controller = was and was.pid or service.pid}
    if not by_name[name] then queues[#queues + 1], by_name[name] = queue, queue end
    for _, binding in ipairs(site.state == "started" and site.bindings or {}) do
      queue.urls[#queue.urls + 1] = net.url_of(binding)
    end
  end
end

--- The request queues: {name=, urls=, pids=, controller=, service=}.
function net.queues()
  local queues = {}
  for _, holder in ipairs(holders()) do
    if holder.urls[1] or holder.queue then
      queues[#queues + 1] = {name = holder.queue, urls = holder.urls, pids = {holder.pid}, service = holder.service}
    end
  end
  add_sites(queues)
  if machine.http.urls[1] then queues[#queues + 1] = {urls = machine.http.urls, pids = {}} end -- nobody knows whose
  return queues
end

--- Whether some process has HTTP.SYS open.
function net.is_http_used()
  for _, queue in ipairs(net.queues()) do
    if queue.pids[1] or queue.controller then return true end
  end
  return false
end

local function is_http_up()
  local http = model.part "scm".find "HTTP"
  return http ~= nil and (http.state == "running" or http.state == "stop_pending")
end

local function port_of(url)
  local parsed = host.win.http.url(url)
  return parsed and parsed.port or 80
end

-- The ports that HTTP.SYS has open, each with the URLs.
local function http_ports()
  local ports = {}
  if not is_http_up() then return ports end
  local function add(url)
    local port = port_of(url)
    ports[port] = ports[port] or {}
    table.insert(ports[port], url)
  end
  for _, queue in ipairs(net.queues()) do
    for _, url in ipairs(queue.urls) do add(url) end
  end
  return ports
end

local function families(addresses)
  local list = {}
  for _, address in ipairs(addresses) do
    if machine.ipv6 or family_of(address) == "ipv4" then list[#list + 1] = address end
  end
  return list
end

--- Everything that listens: {family=, address=, port=, pid=, protocol=, exclusive=, urls=}.
function net.listeners()
  local rows = {}
  local function add(address, port, pid, protocol, exclusive, urls)
    rows[#rows + 1] = {
      family = family_of(address), address = address, port = port, pid = pid, protocol = protocol,
      exclusive = exclusive, urls = urls,
    }
  end
  for _, holder in ipairs(holders()) do
    for _, one in ipairs(holder.listens) do
      add(one.address, one.port, one.pid or holder.pid, one.protocol, one.exclusive)
    end
  end
  local addresses = families(machine.http.iplisten[1] and machine.http.iplisten or machine.http.addresses)
  for port, urls in pairs(http_ports()) do
    for _, address in ipairs(addresses) do add(address, port, KERNEL, "tcp", false, urls) end
  end
  table.sort(rows, function(a, b)
    if a.family ~= b.family then return a.family < b.family end
    if a.port ~= b.port then return a.port < b.port end
    if a.address ~= b.address then return a.address < b.address end
    return a.pid < b.pid
  end)
  return rows
end

local function is_excluded(port)
  for _, range in ipairs(machine.excluded) do
    if port >= range[1] and port <= range[2] then return true end
  end
  return false
end

-- Windows' code for another socket on the endpoint; 0 when it can be had.
local function code_of(address, port, exclusive, protocol)
  if is_excluded(port) and protocol == "tcp" then return WSAEACCES end
  for _, row in ipairs(net.listeners()) do
    local meets = row.address == address or (exclusive or row.exclusive) and (is_any(row.address) or is_any(address))
    if row.protocol == protocol and row.port == port and row.family == family_of(address) and meets then
      return WSAEADDRINUSE
    end
  end
  return 0
end

-- Whether some program's own socket is on the port.
local function has_socket(port)
  for _, row in ipairs(net.listeners()) do
    if row.protocol == "tcp" and row.port == port and not row.urls then return true end
  end
end

--- Windows' code where HTTP.SYS cannot have a URL; nil where it can.
function net.url_conflict(url)
  local port = port_of(url)
  return is_excluded(port) and WSAEACCES or has_socket(port) and SHARING_VIOLATION or nil
end

--- The code with which a service fails to start that does not get what it listens on; nil when it gets all.
function net.conflict(service)
  for _, one in ipairs(service.listens) do
    local code = code_of(one.address, one.port, one.exclusive, one.protocol)
    if code ~= 0 then return code end
  end
  if not service.urls[1] then return nil end
  local http, name = model.part "scm".find "HTTP"
  if http and http.state == "stopped" then
    local code = model.part "scm".launch(name, {})
    if code then return code end
  end
  for _, url in ipairs(service.urls) do
    local code = net.url_conflict(url)
    if code then return code end
  end
end

-- ---- win.tcp and win.udp ----

local function row_of(one)
  return {
    family = one.family, local_address = one.address, local_port = one.port, pid = one.pid,
    state = one.protocol == "tcp" and "listen" or nil,
  }
end

local function passes(row, filter)
  return (not filter.family or row.family == "ipv" .. filter.family)
    and (not filter.port or row.local_port == filter.port)
    and (not filter.state or row.state == filter.state)
end

local function rows_of(protocol, filter)
  local rows = {}
  for _, one in ipairs(net.listeners()) do
    local row = row_of(one)
    if one.protocol == protocol and passes(row, filter) then rows[#rows + 1] = row end
  end
  return rows
end

local STATES <const> = {
  "closed", "listen", "syn_sent", "syn_received", "established", "fin_wait1", "fin_wait2", "close_wait", "closing",
  "last_ack", "time_wait", "delete_tcb",
}

local function check_filter(options, known)
  local check = model.check()
  options = check.options(options, known)
  if options.family ~= nil and check.integer("family", options.family, 4, 6) == 5 then
    check.bad("family", 5, "4 or 6")
  end
  if options.port ~= nil then check.port("port", options.port) end
  if options.state ~= nil then check.one_of("state", options.state, STATES) end
  if check.opt_boolean("module", options.module) then model.unmodelled "which module made an endpoint" end
  return options
end

net["tcp.list"] = function(options)
  local filter = check_filter(options, {"family", "port", "state", "module"})
  local rows = rows_of("tcp", filter)
  for _, one in ipairs(machine.connections) do
    local row = {
      family = family_of(one.local_address), local_address = one.local_address, local_port = one.local_port,
      remote_address = one.remote_address, remote_port = one.remote_port, state = one.state or "established",
      pid = one.pid or 0,
    }
    if passes(row, filter) then rows[#rows + 1] = row end
  end
  return rows
end

local function listeners(protocol)
  return function(port, options)
    if port ~= nil then model.check().port("port", port) end
    local filter = check_filter(options, {"family", "module"})
    return rows_of(protocol, {port = port, family = filter.family})
  end
end

net["tcp.listeners"], net["udp.listeners"] = listeners "tcp", listeners "udp"
net["udp.list"] = function(options) return rows_of("udp", check_filter(options, {"family", "port", "module"})) end

local function attempt(address, port, exclusive)
  if family_of(address) == "ipv6" and not machine.ipv6 then return {step = "socket", code = NO_IPV6} end
  local code = code_of(address, port, exclusive, "tcp")
  for _, one in ipairs(machine.connections) do
    local is_left = one.local_port == port and family_of(one.local_address) == family_of(address)
      and one.state ~= "time_wait"
    if code == 0 and exclusive and is_left then code = WSAEADDRINUSE end
  end
  return {step = "bind", code = code}
end

net["tcp.probe"] = function(port, options)
  local check = model.check()
  check.port("port", port)
  options = check.options(options, {"exclusive", "used"})
  local exclusive, used = check.opt_boolean("exclusive", options.exclusive), check.opt_boolean("used", options.used)
  exclusive = exclusive ~= false
  return {ipv4 = attempt("0.0.0.0", port, exclusive), ipv6 = attempt("::", port, exclusive)}, used or nil
end

net["tcp.close"] = function(ends)
  for i, one in ipairs(machine.connections) do
    if one.local_address == ends.local_address and one.local_port == ends.local_port
      and one.remote_address == ends.remote_address and one.remote_port == ends.remote_port then
      table.remove(machine.connections, i)
      return
    end
  end
end

return net
