-- Every port binding of the machine, and who depends on HTTP; described in scripts/api/bindings.lua.
local ports = require "ports"
local bindings = {}

local function names(processes)
  local texts = {}
  for i, process in ipairs(processes) do texts[i] = ("%s (%d)"):format(process.name or "?", process.pid) end
  return table.concat(texts, ", ")
end

-- The values that f gives for the items of `list`, each once.
local function each_once(list, f)
  local values, seen = {}, {}
  for _, item in ipairs(list) do
    local value = f(item)
    if value and not seen[value] then
      values[#values + 1] = value
      seen[value] = true
    end
  end
  return values
end

local function services_of(holder)
  local all = {}
  if holder.kind == "kernel" then return all end -- nothing tells that it is theirs
  for _, process in ipairs(holder.processes or {holder}) do
    local list = process.services or {}
    table.move(process.tagged and {process.tagged} or list, 1, process.tagged and 1 or #list, #all + 1, all)
  end
  return each_once(all, function(name) return name end)
end

-- "auto", "auto (delayed)", ...: how Windows starts a service.
local function start_of(name)
  local service = win.scm.get(name)
  if not service or not service.start then return nil end
  return service.delayed and service.start .. " (delayed)" or service.start
end

-- What the kernel itself listens for:
-- https://learn.microsoft.com/troubleshoot/windows-server/networking/service-overview-and-network-port-requirements
local OF_KERNEL <const> = {
  ["tcp 445"] = "Server Message Block (LanmanServer), by its port", ["tcp 139"] = "NetBIOS over TCP/IP, by its port",
  ["udp 137"] = "NetBIOS over TCP/IP, by its port", ["udp 138"] = "NetBIOS over TCP/IP, by its port",
}

local function products_of(holder, services, protocol, port)
  if holder.kind == "http" then return ports.products(holder) end
  local by_port = holder.kind == "kernel" and OF_KERNEL[("%s %d"):format(protocol, port)]
  local products = {by_port and {name = by_port} or nil}
  for _, service in ipairs(services) do products[#products + 1] = win.http.product(service) end
  return products
end

-- What all rows of a holder have in common.
local function describe(holder, protocol, port, look)
  local services = services_of(holder)
  local products = products_of(holder, services, protocol, port)
  local about = {kind = holder.kind, services = services, urls = holder.urls, start = each_once(services, start_of)}
  about.product = each_once(products, function(product) return product.name end)
  about.advice = each_once(products, function(product) return product.remedy end)
  about.remedy, about.command = ports.remedy(port, holder, look)
  if protocol == "udp" then about.command = nil end
  local behind = holder.processes and #holder.processes > 0 and names(holder.processes)
  if holder.kind == "http" then
    about.certain = holder.certain or false
    about.process = "HTTP.SYS"
    if behind then about.process = ("HTTP.SYS%s for %s"):format(holder.certain and "" or ", perhaps", behind) end
  elseif holder.kind == "kernel" then about.process = "System" end
  local first = holder.processes and holder.processes[1] or holder
  about.path = holder.kind ~= "kernel" and first.path or nil
  return about
end

local function with_row(about, row, protocol)
  local one = {}
  for key, value in pairs(about) do one[key] = value end
  one.port, one.protocol, one.address, one.pid = row.local_port, protocol, row.local_address, row.pid
  one.process = one.process or row.process
  return one
end

-- Holders of the rows on one port, by row. The kernel's UDP ports are never HTTP.SYS's.
local function holders_by_row(rows, protocol, port, look)
  if protocol == "tcp" then return select(2, ports.holders(rows, port, look)) end
  local others, kernel = {}, {kind = "kernel", processes = {}}
  for _, row in ipairs(rows) do
    if not row.kernel then others[#others + 1] = row end
  end
  local _, of = ports.holders(others, port, look)
  return setmetatable(of, {__index = function() return kernel end})
end

local function add_port(list, rows, protocol, port, look)
  local of, about = holders_by_row(rows, protocol, port, look), {}
  for _, row in ipairs(rows) do
    local holder = of[row]
    about[holder] = about[holder] or describe(holder, protocol, port, look)
    list[#list + 1] = with_row(about[holder], row, protocol)
  end
end

local function by_port(rows)
  local found = {}
  for _, row in ipairs(rows) do
    found[row.local_port] = found[row.local_port] or {}
    table.insert(found[row.local_port], row)
  end
  return found
end

local function before(a, b)
  if a.port ~= b.port then return a.port < b.port end
  if a.protocol ~= b.protocol then return a.protocol < b.protocol end
  if a.address ~= b.address then return a.address < b.address end
  return a.pid < b.pid
end

-- Puts the reserved URLs of their port into the rows of HTTP.SYS.
local function add_reservations(list, notes)
  local ran, reserved = pcall(win.http.urlacl.list)
  if not ran then
    notes[#notes + 1] = "Reservations are not known: " .. tostring(reserved)
    return
  end
  local of = {}
  for _, row in ipairs(reserved) do
    local url = win.http.url(row.url)
    local port = url and url.port or 0
    of[port] = of[port] or {}
    table.insert(of[port], row.url)
  end
  for _, row in ipairs(list) do
    if row.kind == "http" then row.reservations = of[row.port] end
  end
end

function bindings.describe(listeners, protocol, look)
  local list = {}
  for port, rows in pairs(by_port(listeners)) do add_port(list, rows, protocol, port, look or ports.look()) end
  table.sort(list, before)
  return list
end

function bindings.list(look)
  local list, notes = {}, {}
  look = look or ports.look()
  for _, protocol in ipairs {"tcp", "udp"} do
    local rows = bindings.describe(win[protocol].listeners(), protocol, look)
    table.move(rows, 1, #rows, #list + 1, list)
  end
  table.sort(list, before)
  add_reservations(list, notes)
  if not win.host.elevated() then
    notes[#notes + 1] =
      "p80 was not elevated: paths of other users' processes, and what only administrators see, are missing."
  end
  if look.http.reason then
    notes[#notes + 1] = ("Which URLs are registered is not known: %s."):format(look.http.reason)
  end
  return list, notes
end

-- ---- Who depends on HTTP ----

local function add_branch(node, branch, seen)
  for _, child in ipairs(branch.dependents) do
    local name = child.name:lower()
    if not seen[name] then
      seen[name] = true
      local new = {name = child.name, state = child.state, start = start_of(child.name), depends = true}
      new.children = {}
      table.insert(node.children, new)
      add_branch(new, child, seen)
    end
  end
end

-- Those that have a request queue without depending on the service: they start it when they need it.
local function add_users(node, queues, seen)
  for _, queue in ipairs(queues) do
    for _, process in ipairs(queue.processes) do
      local service, is_seen = ports.service_of(process, true), false
      local name = service or ("%s (%d)"):format(process.name or "process", process.pid)
      for _, one in ipairs {name, table.unpack(process.services or {})} do is_seen = is_seen or seen[one:lower()] end
      if not is_seen then
        seen[name:lower()] = true
        local start = service and start_of(service)
        table.insert(node.children, {name = name, state = "running", start = start, children = {}})
      end
    end
  end
end

function bindings.http(look)
  look = look or ports.look()
  local service = win.scm.get "HTTP"
  if not service then return nil end
  local node, seen = {name = "HTTP", state = service.state, start = start_of "HTTP", children = {}}, {http = true}
  local ran, tree = pcall(win.scm.dependents, "HTTP")
  if ran and tree then add_branch(node, tree, seen) end
  add_users(node, look.http.queues, seen)
  return node
end

return bindings
