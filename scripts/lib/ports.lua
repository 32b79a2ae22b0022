-- Who holds a TCP port; described in scripts/api/ports.lua.
local p80 = require "p80"
local progress = require "console".progress
local ports = {}

-- Evidence, not names, makes a listener the kernel's: Windows gives PID 4 (System), some systems none at all, and
-- a process that hosts drivers holds \Device\Http without a request queue of its own.
local function is_kernel(row) return row.pid == 0 or row.pid == 4 or row.kernel == true end

local function add_once(list, value)
  for _, present in ipairs(list) do
    if present == value then return end
  end
  list[#list + 1] = value
end

-- Ports of other drivers of Windows: NetBIOS, SMB, PPTP. Where URLs are not known, nothing else tells them apart from
-- HTTP.SYS's, and whoever has a request queue would be blamed for them.
local OTHER_DRIVERS = {[139] = true, [445] = true, [1723] = true}

-- The processes behind HTTP.SYS on a port: of a queue of IIS the one that controls it, whose workers come and go.
-- `certain` tells whether URLs say so; without them every process that holds a request queue may be the one.
local function http_holder(port)
  local state = win.http.state()
  local rows = state.source ~= "stopped" and win.http.urls_on(state, port)
  if not rows and OTHER_DRIVERS[port] then return {kind = "kernel"} end
  local holder = {kind = "http", source = state.source, certain = rows and #rows > 0 or false, urls = {}, processes = {}}
  local seen = {}
  for _, row in ipairs(rows or state.queues) do
    if row.url then add_once(holder.urls, row.url) end
    for _, process in ipairs(row.controller and {row.controller} or row.processes) do
      if not seen[process.pid] then table.insert(holder.processes, process) end
      seen[process.pid] = true
    end
  end
  if not holder.certain and #holder.processes == 0 then holder.kind = "kernel" end
  return holder
end

local function process_holder(row)
  local services = row.services or {}
  return {
    kind = #services > 0 and "service" or "process", pid = row.pid, process = row.process, path = row.path,
    services = services, families = {},
  }
end

local function holders_of(rows, port)
  local holders, by_key = {}, {}
  for _, row in ipairs(rows) do
    local key = is_kernel(row) and "kernel" or row.pid
    if not by_key[key] then
      by_key[key] = key == "kernel" and http_holder(port) or process_holder(row)
      by_key[key].families = {}
      table.insert(holders, by_key[key])
    end
    add_once(by_key[key].families, row.family)
  end
  return holders
end

-- Notes when a process that is no service started: its pid may be another's by the time it is to be ended.
local function note_start(process)
  if not process.pid or #(process.services or {}) > 0 then return end
  local row = win.process.get(process.pid)
  process.created = row and row.created
end

function ports.who(port)
  local listeners = win.tcp.listeners(port)
  local found = {port = port, probe = win.tcp.probe(port, {used = #listeners > 0 or nil}), holders = {}}
  found.free = found.probe.free
  if found.free then return found end
  found.holders = holders_of(listeners, port)
  if #found.holders == 0 then
    local reserved = found.probe.ipv4.reason == "reserved" or found.probe.ipv6.reason == "reserved"
    found.holders[1] = {kind = reserved and "reserved" or "unknown", families = {}}
  end
  for _, holder in ipairs(found.holders) do
    note_start(holder)
    for _, process in ipairs(holder.processes or {}) do note_start(process) end
  end
  return found
end

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

local function names(services) return table.concat(services, ", ") end

local function process_text(process)
  local who = ("%s (pid %d)"):format(process.path or process.name or "a process", process.pid)
  if #(process.services or {}) == 0 then return who end
  return ("service %s in %s"):format(names(process.services), who)
end

local TEXT = {
  http = function(holder)
    local who = {}
    for i, process in ipairs(holder.processes) do who[i] = process_text(process) end
    if #who == 0 then
      return ("HTTP.SYS, where no process has a queue now for %s"):format(table.concat(holder.urls, " "))
    elseif holder.certain then
      return ("HTTP.SYS for %s, which registered %s"):format(table.concat(who, " and "), table.concat(holder.urls, " "))
    elseif #who == 1 then
      return ("HTTP.SYS, most likely for %s: the only process with a request queue"):format(who[1])
    end
    return ("HTTP.SYS for one of %s: nothing here tells which registered a URL on this port"):format(table.concat(who, ", "))
  end,
  service = function(holder)
    return process_text {pid = holder.pid, path = holder.path, name = holder.process, services = holder.services}
  end,
  process = function(holder) return process_text {pid = holder.pid, path = holder.path, name = holder.process} end,
  reserved = function() return "nobody, but Windows keeps it back (an excluded port range)" end,
  kernel = function() return "the kernel (System): a driver that nothing here tells apart" end,
  unknown = function() return "unknown: a socket holds it that is in no table of listeners" end,
}

function ports.describe(holder)
  local text = TEXT[holder.kind](holder)
  if #holder.families == 0 then return text end
  local families = table.concat(holder.families, " and "):gsub("ipv", "IPv")
  return ("%s (%s)"):format(text, families)
end

return ports
