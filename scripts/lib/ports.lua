-- Who holds a TCP port; described in scripts/api/ports.lua.
local p80 = require "p80"
local progress = require "console".progress
local ports = {}

local function add_once(list, value)
  for _, present in ipairs(list) do
    if present == value then return end
  end
  list[#list + 1] = value
end

-- ---- What several holders are found with ----

local READ = {http = function() return win.http.state() end} -- and those below

function READ.certificates()
  local ok, rows = pcall(win.http.sslcert.list)
  return ok and rows or {}
end

--- One look at the machine: its `http` and `running` are read when they are first needed, and kept.
function ports.look()
  return setmetatable({}, {__index = function(look, key)
    look[key] = READ[key]()
    return look[key]
  end})
end

-- ---- HTTP.SYS ----

local LOOPBACK = {["0.0.0.0"] = "127.0.0.1", ["::"] = "::1"}

-- What HTTP.SYS says of itself on one of the kernel's listeners, or nil.
local function proof_of(rows)
  for _, row in ipairs(rows) do
    local proof = win.http.server(row.local_port, {address = LOOPBACK[row.local_address] or row.local_address})
    if proof then return proof end
  end
end

-- The processes of queues, each once: of a queue of IIS the one that controls it, whose workers come and go.
local function processes_of(queues)
  local processes, seen = {}, {}
  for _, queue in ipairs(queues) do
    for _, process in ipairs(queue.controller and {queue.controller} or queue.processes) do
      if not seen[process.pid] then processes[#processes + 1] = process end
      seen[process.pid] = true
    end
  end
  return processes
end

-- By service, so that suspects are always tried in the same order.
local function by_service(a, b)
  local first, second = (a.services or {})[1] or "", (b.services or {})[1] or ""
  if first ~= second then return first < second end
  return a.pid < b.pid
end

-- The binding by which HTTP.SYS has a certificate for the port, or nil.
local function certificate_for(port, look)
  for _, row in ipairs(look.certificates) do
    if row.port == port then return row.binding end
  end
end

-- What the kernel's listeners `rows` on a port are: HTTP.SYS's when a URL says so, or, where none is known (netsh
-- does not show that of a group without a queue), when HTTP.SYS itself answers there or, as who speaks TLS does not
-- answer, has a certificate for it. Without URLs every process that has a request queue may be the one behind it.
local function kernel_holder(port, rows, look)
  local state = look.http
  local urls = win.http.urls_on(state, port)
  local is_told = urls ~= nil
  if urls and not urls[1] then urls = nil end
  local holder = {kind = "http", source = state.source, urls = {}, processes = processes_of(urls or state.queues)}
  for _, row in ipairs(urls or {}) do add_once(holder.urls, row.url) end
  table.sort(holder.processes, by_service)
  holder.proof = holder.urls[1]
  holder.hidden = not is_told and not win.host.elevated() or nil
  holder.certain = urls ~= nil
  if not urls and state.source ~= "stopped" then
    holder.proof = proof_of(rows)
    holder.certain = holder.proof ~= nil and #holder.processes == 1 and not is_told and not holder.hidden
    holder.certificate = not holder.proof and certificate_for(port, look) or nil
  end
  if not (holder.proof or holder.certificate) then holder.kind, holder.pid = "kernel", rows[1].pid end
  return holder
end

-- ---- Whose service a process is ----

-- The process that started `process`; nil when that has ended, for its pid may be another's by now, who started
-- later.
local function parent_of(process, running)
  local parent = running.processes[process.parent]
  if not parent or parent.pid == process.pid or not parent.created or not process.created then return nil end
  return parent.created <= process.created and parent or nil
end

-- {processes= by pid, services= by pid, mine= p80's ancestors by pid}
function READ.running()
  local running = {processes = {}, services = {}, mine = {}}
  for _, process in ipairs(win.process.list()) do running.processes[process.pid] = process end
  for _, service in ipairs(win.scm.list {state = "active"}) do
    if service.pid and service.pid ~= 0 then
      running.services[service.pid] = running.services[service.pid] or {}
      table.insert(running.services[service.pid], service)
    end
  end
  local row = running.processes[p80.pid]
  while row do
    running.mine[row.pid] = true
    row = parent_of(row, running)
  end
  return running
end

-- Finds the service that a process works for which is none itself: that of its nearest ancestor with services, when
-- it is the only one there and has the process to itself (nssm, srvany, RSPortal.exe). A shared process such as
-- Windows' svchost.exe starts programs for others, and so does the service that started p80 (sshd, an agent).
local function adopt(process, running)
  local row = running.processes[process.pid]
  process.created = row and row.created
  while row do
    row = parent_of(row, running)
    local services = row and running.services[row.pid]
    if services then
      if #services > 1 or not services[1].type:find "own_process" or running.mine[row.pid] then return end
      process.services = {services[1].name}
      process.parent = {pid = row.pid, name = row.name, path = row.path}
      return
    end
  end
end

-- Looks for the service behind each process that has none.
local function adopt_all(processes, look)
  for _, process in ipairs(processes) do
    if #(process.services or {}) == 0 then adopt(process, look.running) end
  end
end

-- ---- All holders ----

local function process_holder(row, look)
  local process = {pid = row.pid, name = row.process, path = row.path, services = row.services}
  adopt_all({process}, look)
  process.kind = #process.services > 0 and "service" or "process"
  return process
end

local function kernel_rows(rows)
  local kernel = {}
  for _, row in ipairs(rows) do
    if row.kernel then kernel[#kernel + 1] = row end
  end
  return kernel
end

function ports.holders(rows, port, look)
  local holders, by_key, of = {}, {}, {}
  for _, row in ipairs(rows) do
    local key = row.kernel and "kernel" or row.pid
    local holder = by_key[key]
    if not holder then
      holder = row.kernel and kernel_holder(port, kernel_rows(rows), look) or process_holder(row, look)
      holder.families = {}
      by_key[key], holders[#holders + 1] = holder, holder
    end
    add_once(holder.families, row.family)
    of[row] = holder
  end
  for _, holder in ipairs(holders) do adopt_all(holder.processes or {}, look) end
  return holders, of
end

-- The one family (4 or 6) that a probe found taken, nil for both.
local function taken_family(probe)
  if probe.ipv6.reason == "free" or probe.ipv6.reason == "unavailable" then return 4 end
  if probe.ipv4.reason == "free" or probe.ipv4.reason == "unavailable" then return 6 end
end

function ports.connections(port)
  local found = {count = 0, states = {}, pids = {}}
  for _, row in ipairs(win.tcp.list {port = port}) do
    if row.state ~= "listen" then
      found.count = found.count + 1
      found.states[row.state] = (found.states[row.state] or 0) + 1
      if row.pid ~= 0 then add_once(found.pids, row.pid) end
    end
  end
  return found.count > 0 and found or nil
end

-- What keeps a port on which nobody listens. Windows' answer to a reserved port (WSAEACCES) is also that of one which
-- somebody has for himself.
local function hidden_holder(port, probe)
  local connections = ports.connections(port)
  if connections then return {kind = "connections", connections = connections, families = {}} end
  local reserved = false
  for _, one in ipairs {probe.ipv4, probe.ipv6} do
    if one.code == 10013 and one.reason == "in_use" then one.reason, reserved = "reserved", true end
  end
  return {kind = reserved and "reserved" or "unknown", families = {}}
end

function ports.who(port)
  local found = {port = port, probe = win.tcp.probe(port, {used = true}), holders = {}}
  found.free = found.probe.free
  if found.free then return found end
  found.holders = ports.holders(win.tcp.listeners(port, {family = taken_family(found.probe)}), port, ports.look())
  if #found.holders == 0 then found.holders[1] = hidden_holder(port, found.probe) end
  return found
end

-- ---- The mildest remedy ----

function READ.sites() return win.iis.store() and win.iis.sites() or {} end

function ports.iis_bindings(port, look)
  local found, service = {}, nil
  for _, site in ipairs((look or ports.look()).sites) do
    if site.state == "unknown" then service = service or win.scm.get "W3SVC" end
    local runs = site.state == "unknown" and service and service.state == "running" or site.state == "started"
    for _, binding in ipairs(site.bindings) do
      if runs and binding.port == port then
        found[#found + 1] = {site = site.name, binding = binding.binding, protocol = binding.protocol}
      end
    end
  end
  return found
end

function ports.products(holder)
  local products, told = {}, {}
  local function tell(what)
    local product = win.http.product(what)
    if not product or told[product.name] then return end
    told[product.name] = true
    products[#products + 1] = product
  end
  for _, url in ipairs(holder.urls or {}) do tell(url) end
  for _, process in ipairs(holder.certain and holder.processes or {}) do
    for _, service in ipairs(process.services or {}) do tell(service) end
  end
  return products
end

-- Those of `services` that need HTTP, as W3SVC does beside WAS in one process.
local function on_http(services)
  local http, needing = win.scm.get "HTTP", {}
  for _, name in ipairs(services) do
    for _, dependent in ipairs(http and http.dependents or {}) do
      if name:lower() == dependent:lower() then needing[#needing + 1] = name end
    end
  end
  return needing
end

function ports.service_of(process, is_http)
  local services = process.services or {}
  if process.tagged then return process.tagged end
  local needing = is_http and #services > 1 and on_http(services) or services
  if #needing ~= 1 then return nil end
  return needing[1], #services > 1 and "the only one in its process that needs HTTP"
    or process.parent and ("process %d is its child"):format(process.pid) or nil
end

-- Programs without which Windows stops; p80 ends none of them.
local VITAL <const> = {
  ["csrss.exe"] = true, ["lsass.exe"] = true, ["services.exe"] = true, ["smss.exe"] = true, ["wininit.exe"] = true,
}

-- The step that frees a port from a process, and the options of free80 that allow it.
local function process_remedy(process, is_http)
  local services = process.services or {}
  local service = ports.service_of(process, is_http)
  if VITAL[(process.name or ""):lower()] then return "none: Windows needs it" end
  if service then return "stop service " .. service, "" end
  if #services > 0 then return "stop one of the services " .. table.concat(services, ", "), " --service NAME" end
  return process.name and ("end process %s (pid %d)"):format(process.name, process.pid)
    or ("end process %d"):format(process.pid), " --kill"
end

-- The step that moves what IIS has on a port, when all of it can be moved: a certificate belongs to its port.
local function iis_remedy(port, look)
  local ran, bindings = pcall(ports.iis_bindings, port, look)
  local texts = {}
  for i, one in ipairs(ran and bindings or {}) do
    if one.protocol ~= "http" then return nil end
    texts[i] = ("%s of site '%s'"):format(one.binding, one.site)
  end
  return texts[1] and ("move %s to another port"):format(table.concat(texts, ", "))
end

local function is_iis(process)
  for _, service in ipairs(process.services or {}) do
    if service:upper() == "W3SVC" or service:upper() == "WAS" then return true end
  end
  return false
end

-- What registered URLs on the port has to go, all of it; where nobody knows who did, one of those that may have.
local function http_remedy(port, holder, look)
  local move = iis_remedy(port, look)
  if move and not holder.certain then return move, " --move-to PORT" end
  local steps, options = {move}, move and " --move-to PORT"
  for _, process in ipairs(holder.processes) do
    if not (move and is_iis(process)) then
      local step, more = process_remedy(process, true)
      steps[#steps + 1], options = step, options or more
    end
  end
  if #steps == 0 then return "stop HTTP with its dependents", " --up-to stop" end
  return table.concat(steps, holder.certain and " and " or " or "), options
end

function ports.remedy(port, holder, look)
  local step, options
  if holder.kind == "http" then step, options = http_remedy(port, holder, look)
  elseif holder.kind == "service" or holder.kind == "process" then step, options = process_remedy(holder)
  elseif holder.kind == "kernel" then step = "find the driver (win.driver.third_party), then stop its service" end
  return step, options and ("p80 free80 --port %d%s"):format(port, options)
end

-- ---- Waiting and describing ----

-- Probes `port` with `how` until it is free, at most `seconds`; returns the last probe.
local function wait_for(port, seconds, how)
  local deadline, pause = p80.clock() + seconds, 0.05
  local probe = win.tcp.probe(port, how)
  progress(("waiting for port %d"):format(port))
  while not probe.free and p80.clock() < deadline do
    p80.sleep(math.min(pause, math.max(deadline - p80.clock(), 0)))
    pause = math.min(pause * 2, 1)
    probe = win.tcp.probe(port, how)
  end
  progress()
  return probe
end

function ports.wait_until_free(port, seconds) return wait_for(port, seconds) end
function ports.wait_until_shared(port, seconds) return wait_for(port, seconds, {exclusive = false}) end

local function image(process)
  return ("%s (pid %d)"):format(process.path or process.name or "a process", process.pid)
end

local function process_text(process)
  if #(process.services or {}) == 0 then return image(process) end
  local service = "service " .. table.concat(process.services, ", ")
  if not process.parent then return ("%s in %s"):format(service, image(process)) end
  return ("%s in %s, whose child %s it is"):format(service, image(process.parent), image(process))
end

local function texts_of(processes)
  local texts = {}
  for i, process in ipairs(processes) do texts[i] = process_text(process) end
  return texts
end

function ports.describe_connections(connections)
  local parts = {}
  for state, count in pairs(connections.states) do parts[#parts + 1] = ("%d in %s"):format(count, state) end
  table.sort(parts)
  local pids = #connections.pids > 0 and (" (pid %s)"):format(table.concat(connections.pids, ", ")) or ""
  return table.concat(parts, ", ") .. pids
end

local function evidence(holder)
  if holder.urls[1] then return holder.urls[1] end
  if holder.proof then return ("it answers '%s'"):format(holder.proof) end
  return "it has a certificate for " .. holder.certificate
end

local TEXT = {
  http = function(holder)
    local who = texts_of(holder.processes)
    if #who == 0 then
      return ("HTTP.SYS (%s), where no process has a queue now"):format(evidence(holder))
    elseif holder.urls[1] then
      local urls = table.concat(holder.urls, " ")
      return ("HTTP.SYS for %s, which registered %s"):format(table.concat(who, " and "), urls)
    elseif #who == 1 then
      local doubt = holder.certain and "" or ", most likely"
      local seen = holder.hidden and " that p80 can see without elevation" or ""
      return ("HTTP.SYS (%s)%s for %s: the only process with a request queue%s")
        :format(evidence(holder), doubt, who[1], seen)
    end
    return ("HTTP.SYS (%s) for one of %s: nothing here tells which registered a URL on this port")
      :format(evidence(holder), table.concat(who, ", "))
  end,
  service = process_text,
  process = process_text,
  connections = function(holder)
    return "nobody, but connections of a server that is gone: " .. ports.describe_connections(holder.connections)
  end,
  reserved = function() return "nobody, but Windows keeps it back (an excluded port range)" end,
  kernel = function(holder)
    local text = holder.pid == 0 and "an unknown listener: nobody says whose it is"
      or "an unknown kernel listener (System): a driver that nothing here tells apart"
    if #holder.processes == 0 then return text end
    return ("%s; it does not answer as HTTP.SYS does, whose request queues are with %s"):format(text,
      table.concat(texts_of(holder.processes), ", "))
  end,
  unknown = function() return "unknown: a socket holds it that is in no table of listeners" end,
}

function ports.describe(holder)
  local text = TEXT[holder.kind](holder)
  if #holder.families == 0 then return text end
  local families = table.concat(holder.families, " and "):gsub("ipv", "IPv")
  return ("%s (%s)"):format(text, families)
end

return ports
