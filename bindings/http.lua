-- win.http, the half in Lua: who uses HTTP.SYS, and for which URLs.
local http, win, x = ...

local ERROR_OPERATION_ABORTED <const> = 995 -- Ctrl-C

-- C's own functions, which are nobody else's business.
local servicestate, reply_of = http.servicestate, http.server
http.servicestate = nil

function http.is_running(...)
  x.check("http.is_running").arguments(select("#", ...), 0, 0)
  local service = win.scm.status "HTTP"
  return service ~= nil and service.state == "running"
end

-- ---- Who holds it ----

-- Whether an object is a request queue; on Windows Server 2003 they were called application pools.
local function is_queue(object)
  local name = object:lower()
  return name:find("^\\device\\http\\reqqueue") ~= nil or name:find("^\\device\\http\\apppool") ~= nil
end

-- Makes {pid, name, path, services} of each row that has a pid.
local function add_owners(rows)
  assert(win.tcp) -- brings x.add_owners
  return (x.add_owners(rows, "name"))
end

-- The name of the product that the first of these words (services, URLs) belongs to.
local function product_of(...)
  for _, words in ipairs {...} do
    for _, word in ipairs(words) do
      local product = http.product(word)
      if product then return product.name end
    end
  end
end

function http.holders(...)
  x.check("http.holders").arguments(select("#", ...), 0, 0)
  assert(win.process) -- brings x.handles
  local found, silent = x.handles {name = [[\Device\Http\*]], type = "file"}
  local rows, by_pid = {}, {}
  for _, handle in ipairs(found) do
    local row = by_pid[handle.pid]
    if not row then
      row = {pid = handle.pid, objects = {}, queue = false}
      by_pid[handle.pid] = row
      rows[#rows + 1] = row
    end
    if not row.objects[handle.object] then
      row.objects[handle.object] = true
      table.insert(row.objects, handle.object)
    end
    row.queue = row.queue or is_queue(handle.object)
  end
  for _, row in ipairs(add_owners(rows)) do
    row.objects = table.move(row.objects, 1, #row.objects, 1, {})
    row.product = product_of(row.services)
  end
  return rows, silent
end

-- The pids of the services that control the queues of IIS.
local function controllers()
  local pids = {}
  for _, name in ipairs {"WAS", "W3SVC"} do
    local service = win.scm.status(name)
    if service and service.pid and service.pid ~= 0 then pids[#pids + 1] = service.pid end
  end
  return pids
end

-- The services that are meant in a queue: those which netsh tags, otherwise all in its processes.
local function services_of(queue)
  local tagged, all = {}, {}
  for _, process in ipairs(queue.processes) do
    tagged[#tagged + 1] = process.tagged
    table.move(process.services, 1, #process.services, #all + 1, all)
  end
  return tagged[1] and tagged or all
end

-- Puts the processes' names and services into queues as read_servicestate gives them.
local function complete(queues)
  local all = {}
  for _, queue in ipairs(queues) do
    queue.controller = queue.controller and {pid = queue.controller}
    all[#all + 1] = queue.controller
    table.move(queue.processes, 1, #queue.processes, #all + 1, all)
  end
  for _, process in ipairs(add_owners(all)) do
    for _, note in ipairs(process.notes or {}) do
      for _, service in ipairs(process.services) do
        if note == service then process.tagged = service end
      end
    end
    if process.image and process.image:find "^%a:\\" then process.path = process.path or process.image end
    process.notes, process.image = nil, nil
  end
  for _, queue in ipairs(queues) do
    queue.product = product_of(queue.urls, services_of(queue), queue.controller and queue.controller.services or {})
  end
  return queues
end

-- What netsh shows: queues, and with view "session" the sessions and the URLs of no known queue; nil and why not.
local function ask_netsh(view)
  local ran, text, why = pcall(servicestate, nil, view)
  if not ran then
    if type(text) ~= "table" or text.code == ERROR_OPERATION_ABORTED then error(text, 0) end
    return nil, ("netsh does not run: %s (%d)"):format(text.message, text.code)
  end
  if not text then
    return nil, why == "timeout" and "netsh did not answer in time" or "this Windows has no netsh http"
  end
  local queues, sessions, loose = http.read_servicestate(text, controllers())
  if not queues[1] and not sessions[1] then return nil, "netsh showed no request queue" end
  return complete(queues), nil, view == "session" and sessions or nil, loose[1] and loose
end

local function queues_of_holders()
  local queues = {}
  for _, holder in ipairs((http.holders())) do
    if holder.queue then
      local process = {pid = holder.pid, name = holder.name, path = holder.path, services = holder.services}
      queues[#queues + 1] = {urls = {}, processes = {process}, product = holder.product}
    end
  end
  return queues
end

function http.state(...)
  local check = x.check "http.state"
  check.arguments(select("#", ...), 0, 1)
  local options = check.options((...), {"view"})
  local view = check.one_of("view", options.view or "requestq", {"requestq", "session"})
  local service = win.scm.status "HTTP"
  local state = {service = service and service.state}
  if not service or service.state == "stopped" then
    state.source, state.queues = "stopped", {}
    return state
  end
  if service.state == "running" then
    state.queues, state.reason, state.sessions, state.loose = ask_netsh(view)
  else
    state.reason = ("the HTTP service is in state %s"):format(service.state)
  end
  state.source = state.queues and "netsh" or "holders"
  state.queues = state.queues or queues_of_holders()
  return state
end

-- ---- What proves that it is HTTP.SYS ----

-- The header that HTTP.SYS puts into its own replies since Windows Vista. KB 820129 documents how it is switched off
-- (DisableServerHeader), and then the sentence in the body is left; so it is on Windows Server 2003, whose sentences
-- KB 828726 quotes: "Bad Request (Invalid Verb)". Wine's http.sys has neither, and forgets the line behind its headers.
local SENTENCES <const> = {"<h%d>(Bad Request %(Invalid [%a ]+%))</h%d>", "<h%d>(Bad Request %- Invalid [%a ]+)</h%d>"}
local WINE <const> = "^HTTP/1%.1 400 [^\r]*\r\nDate: [^\r]*\r\nContent%-Type: text/html; charset=utf%-8\r\n"
  .. "Content%-Language: en\r\nConnection: close\r\n$"

-- What in the reply to a malformed request proves HTTP.SYS, or nil.
local function sign_of(reply)
  if not reply:find "^HTTP/1%.%d 400 " then return nil end
  local head = reply:match "^(.-\r\n)\r\n" or reply
  local header = head:match "\r\n[Ss]erver: *(Microsoft%-HTTPAPI/%d+%.%d+)\r\n"
  if header then return header end
  for _, sentence in ipairs(SENTENCES) do
    if reply:find(sentence) then return reply:match(sentence) end
  end
  return reply:find(WINE) and "http.sys of Wine" or nil
end

function http.server(...)
  local reply = reply_of(...)
  return reply and sign_of(reply)
end

local function port_of(url)
  local parsed = http.url(url)
  return parsed and parsed.port or math.tointeger(tonumber(url:match "^%a+://[^/]-:(%d+)"))
end

function http.urls_on(...)
  local state, port = ...
  local check = x.check "http.urls_on"
  check.arguments(select("#", ...), 2, 2)
  if type(state) ~= "table" or type(state.queues) ~= "table" then
    check.bad("state", state, "a result of http.state()")
  end
  check.port("port", port)
  if state.source == "holders" then return nil end
  local rows = {}
  local function add(url, queue)
    if port_of(url) ~= port then return end
    rows[#rows + 1] = {
      url = url, queue = queue.name, processes = queue.processes, controller = queue.controller,
      product = product_of({url}) or queue.product,
    }
  end
  for _, queue in ipairs(state.queues) do
    for _, url in ipairs(queue.urls) do add(url, queue) end
  end
  for _, url in ipairs(state.loose or {}) do add(url, {processes = {}}) end
  return rows
end
