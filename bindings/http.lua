-- win.http, the half in Lua: who uses HTTP.SYS, and for which URLs.
local http, win, x = ...

local ERROR_INVALID_PARAMETER <const> = 87
local ERROR_OPERATION_ABORTED <const> = 995 -- Ctrl-C

-- C's own functions, which are nobody else's business.
local servicestate, handles, reply_of = http.servicestate, http.holders, http.server
http.servicestate = nil

local function bad(op, name, text) x.fail(op, name, ERROR_INVALID_PARAMETER, text) end

local function check_none(op, ...)
  local given = select("#", ...)
  if given > 0 then bad(op, "arguments", ("0 arguments expected, got %d."):format(given)) end
end

--- win.http.is_running() -> boolean
-- Whether the HTTP service (HTTP.SYS) runs. Unlike almost everything else about it, asking does not start it.
function http.is_running(...)
  check_none("http.is_running", ...)
  local service = win.scm.status "HTTP"
  return service ~= nil and service.state == "running"
end

-- ---- URLs ----
-- https://learn.microsoft.com/windows/win32/http/urlprefix-strings

local DEFAULT_PORT <const> = {http = "80", https = "443"}

-- The host of a URL prefix: "+", "*", a name, an IPv4 address, an IPv6 address in brackets.
local function check_host(host)
  if host == "" then return nil, "it names no host; + stands for all" end
  local ipv6 = host:match "^%[(.*)%]$"
  if ipv6 then
    local ok, address = pcall(win.http.iplisten.normalize, ipv6)
    if not ok or not address:find ":" then return nil, ("'%s' is no IPv6 address"):format(ipv6) end
    return "[" .. address .. "]"
  end
  if host == "+" or host == "*" then return host end
  if host:find "[%c%s%[%]:/\\%?#@*+%%<>\"|]" then return nil, ("'%s' is no host"):format(host) end
  return host:lower()
end

local function check_port(port)
  local number = port:match "^[1-9]%d*$" and #port <= 5 and math.tointeger(tonumber(port))
  if not number or number > 65535 then return nil, ("port '%s' is not a number from 1 to 65535"):format(port) end
  return number
end

local function check_path(path)
  if path:find "[%c ]" then return nil, "it has a blank or control character" end
  if path:find "[?#]" then return nil, "a prefix has no '?' and no '#'" end
  if path:find "\\" then return nil, "it has a backslash" end
  return path:sub(-1) == "/" and path or path .. "/"
end

-- The parts of a URL prefix, or nil and what is wrong with it.
local function parse_url(text)
  if not utf8.len(text) then return nil, "it is not valid UTF-8" end
  local scheme, rest = text:match "^(%a[%w+.-]*)://(.*)$"
  scheme = scheme and scheme:lower()
  if not DEFAULT_PORT[scheme] then return nil, "it does not begin with http:// or https://" end
  local authority, path = rest:match "^([^/]*)(.*)$"
  local host, port = authority:match "^(%[.*%]):?(.*)$"
  if not host then host, port = authority:match "^([^:]*):?(.*)$" end
  if port == "" and authority:sub(-1) ~= ":" then port = DEFAULT_PORT[scheme] end
  local fault
  host, fault = check_host(host)
  if not host then return nil, fault end
  port, fault = check_port(port)
  if not port then return nil, fault end
  path, fault = check_path(path)
  if not path then return nil, fault end
  return {
    url = ("%s://%s:%d%s"):format(scheme, host, port, path), scheme = scheme, host = host, port = port, path = path,
  }
end

--- win.http.url(text) -> {url, scheme, host, port, path}, or nil and what is wrong with it
-- The parts of a URL prefix as HTTP.SYS takes it: scheme and host in lower case, with a port and a slash at the end.
function http.url(...)
  local given, text = select("#", ...), ...
  if given ~= 1 then bad("http.url", "arguments", ("1 argument expected, got %d."):format(given)) end
  if type(text) ~= "string" then bad("http.url", "text", ("text expected, got %s."):format(tostring(text))) end
  return parse_url(text)
end

-- ---- What netsh prints ----
-- Nothing here knows a word of it, for Windows speaks many languages: indentation shows what belongs together, a URL
-- and a list of pids look the same everywhere.
--
--   Request queue name: DefaultAppPool             a queue: the outermost line with a value and lines below it
--       Max requests: 1000
--       Number of active processes attached: 1
--       Controller process ID: 1612                a number, last before a line without a value
--       Process IDs:
--           3012                                   older: a number alone
--       Processes:
--           ID: 2688, image: C:\...\svchost.exe    newer: a number, a comma, another value
--           Services: NcHostAgent
--           Tagged Service: NcHostAgent
--       Registered URLs:
--           HTTP://+:443/HOSTAGENT/                IP-bound ones end their port with the address: ":80:10.0.0.1/"

-- One line: {indent=, text=, value=} with the value behind the caption's colon; nil for empty ones and rulers.
local function read_line(line)
  line = line:gsub("\u{FF1A}", ": "):gsub("\u{A0}", " "):gsub("\t", "        ")
  local indent, text = line:match "^( *)(.-)%s*$"
  if text == "" or text:find "^%-+$" then return nil end
  return {indent = #indent, text = text, value = text:match "^[^:]*:%s*(.*)$"}
end

local function is_url(text) return text:find "^[Hh][Tt][Tt][Pp][Ss]?://" ~= nil end

-- A URL as HTTP.SYS shows it, in p80's form; what cannot be read stays as it is. One that is bound to an address has
-- that behind the port: "host:port:address".
local function shown_url(text)
  local bound, path = text:match "^(%a+://%[[^%]/]*%]:%d+):[^/]*(.*)$"
  if not bound then bound, path = text:match "^(%a+://[^%[/:]*:%d+):[^/]*(.*)$" end
  local parsed = parse_url(bound and bound .. path or text)
  return parsed and parsed.url or text
end

-- The name of a queue; a sentence says that it has none.
local function queue_name(value)
  if value == "" or value:find "%s.*[.\u{3002}]$" then return nil end
  return value
end

-- Adds what one line below a queue's says; `following` is the line after it.
local function read_detail(queue, line, following, controllers)
  if line.indent ~= queue.indent then queue.indent = nil end
  if is_url(line.text) then
    queue.urls[#queue.urls + 1] = shown_url(line.text)
    return
  end
  local pid = line.text:match "^%d+$"
  local image
  if not pid then pid, image = (line.value or ""):match "^(%d+)%s*[^%d%s:][^:]*:%s*(.*)$" end
  if pid then
    table.insert(queue.processes, {pid = math.tointeger(tonumber(pid)), image = image, notes = {}})
    queue.indent = line.indent
    return
  end
  local number = line.value and line.value:match "^%d+$" and math.tointeger(tonumber(line.value))
  local ends_numbers = following and following.value == "" and following.indent == line.indent
  if number and ends_numbers and controllers[number] then queue.controller = number end
  local process = queue.processes[#queue.processes]
  if process and line.value and line.indent == queue.indent then table.insert(process.notes, line.value) end
end

-- A server session, which begins like a queue: "Server session ID: FF00000020000001".
local function is_session(value) return #value == 16 and value:find "^%x+$" ~= nil end

-- The blocks of lines that hang on an outermost line with a value: {head=, lines...}.
local function blocks_of(lines)
  local blocks, block = {}, nil
  for i, line in ipairs(lines) do
    if block and line.indent > block.head.indent then
      block[#block + 1] = line
    else
      local following = lines[i + 1]
      block = nil
      if line.value and line.value ~= "" and following and following.indent > line.indent then
        block = {head = line}
        blocks[#blocks + 1] = block
      end
    end
  end
  return blocks
end

--- win.http.read_servicestate(text [, controllers]) -> queues {name=, urls={}, processes={{pid=, image=, notes={}}},
-- controller=}
-- Reads what `netsh http show servicestate view=requestq` printed, on any Windows in any language. `controllers` is an
-- array of pids that may control queues (those of the services W3SVC and WAS). `name` is nil for a queue without one,
-- `image` for a Windows that does not print it; `notes` are the values printed about a process, its services.
function http.read_servicestate(...)
  local op, given, text, controllers = "http.read_servicestate", select("#", ...), ...
  if given > 2 then bad(op, "arguments", ("1 to 2 arguments expected, got %d."):format(given)) end
  if type(text) ~= "string" then bad(op, "text", ("text expected, got %s."):format(tostring(text))) end
  if controllers ~= nil and type(controllers) ~= "table" then bad(op, "controllers", "an array of pids expected.") end
  local is_controller, lines, queues = {}, {}, {}
  for _, pid in ipairs(controllers or {}) do is_controller[pid] = true end
  for line in text:gmatch "[^\r\n]+" do lines[#lines + 1] = read_line(line) end
  for _, block in ipairs(blocks_of(lines)) do
    local queue = {name = queue_name(block.head.value), urls = {}, processes = {}}
    for i, line in ipairs(block) do read_detail(queue, line, block[i + 1], is_controller) end
    queue.indent = nil
    local is_used = queue.urls[1] or queue.processes[1] or queue.controller
    if is_used and not is_session(block.head.value) then queues[#queues + 1] = queue end
  end
  return queues
end

-- ---- Who holds it ----

-- Whether an object is a request queue; on Windows Server 2003 they were called application pools.
local function is_queue(object)
  local name = object:lower()
  return name:find("^\\device\\http\\reqqueue") ~= nil or name:find("^\\device\\http\\apppool") ~= nil
end

-- Makes {pid, name, path, services} of each row that has a pid.
local function add_owners(rows)
  local pids = {}
  for i, row in ipairs(rows) do pids[i] = row.pid end
  local owners = win.tcp.owners(pids)
  for _, row in ipairs(rows) do
    local owner = owners[row.pid]
    row.name, row.path = owner.process, owner.path
    row.services = table.move(owner.services, 1, #owner.services, 1, {})
  end
  return rows
end

--- win.http.holders() -> rows {pid, name, path, services, objects={"\\Device\\Http\\ReqQueue", ...}, queue=}, silent
-- The processes that hold handles of HTTP.SYS; `queue` says whether a request queue is among them, for which it may
-- have registered URLs. The kernel, and what hosts the driver, do not count. `silent` is the number of handles on the
-- machine that could not be asked for their names (pipes on which somebody waits; no handle of HTTP.SYS is like that).
-- Without elevation only the user's own processes are seen.
function http.holders(...)
  local found, silent = handles(...)
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
  for _, row in ipairs(rows) do row.objects = table.move(row.objects, 1, #row.objects, 1, {}) end
  return add_owners(rows), silent
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
  return queues
end

-- The queues that netsh shows; nil and why not.
local function queues_of_netsh()
  local ran, text, why = pcall(servicestate)
  if not ran then
    if type(text) ~= "table" or text.code == ERROR_OPERATION_ABORTED then error(text, 0) end
    return nil, ("netsh does not run: %s (%d)"):format(text.message, text.code)
  end
  if not text then
    return nil, why == "timeout" and "netsh did not answer in time" or "this Windows has no netsh http"
  end
  local queues = http.read_servicestate(text, controllers())
  if not queues[1] then return nil, "netsh showed no request queue" end
  return complete(queues)
end

local function queues_of_holders()
  local queues = {}
  for _, holder in ipairs((http.holders())) do
    if holder.queue then
      local process = {pid = holder.pid, name = holder.name, path = holder.path, services = holder.services}
      queues[#queues + 1] = {urls = {}, processes = {process}}
    end
  end
  return queues
end

--- win.http.state() -> {source=, reason=, service=, queues={{name=, urls={}, processes={{pid=, name=, path=,
-- services={}, tagged=}}, controller=}}}
-- Which request queues HTTP.SYS has, for whom, and with which URLs. `source` says how far that goes:
--   "netsh"    all is known, as `netsh http show servicestate` tells it
--   "holders"  the processes that hold request queues are known, their URLs are not; `reason` says why
--   "stopped"  the HTTP service does not run (and was not started to ask it), so there is nothing
-- `controller` is the process that controls a queue of IIS, `tagged` the one service of a shared process that is meant,
-- `service` the state of the HTTP service ("running", ...; nil: there is none).
function http.state(...)
  check_none("http.state", ...)
  local service = win.scm.status "HTTP"
  local state = {service = service and service.state}
  if not service or service.state == "stopped" then
    state.source, state.queues = "stopped", {}
    return state
  end
  if service.state == "running" then
    state.queues, state.reason = queues_of_netsh()
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
  local parsed = parse_url(url)
  return parsed and parsed.port or tonumber(url:match "^%a+://[^/]-:(%d+)")
end

--- win.http.urls_on(state, port) -> rows {url=, queue=, processes={...}, controller=}, or nil when URLs are not known
-- The URLs on a port that a result of win.http.state() has, each with its queue's name and processes.
function http.urls_on(...)
  local op, given, state, port = "http.urls_on", select("#", ...), ...
  if given ~= 2 then bad(op, "arguments", ("2 arguments expected, got %d."):format(given)) end
  if type(state) ~= "table" or type(state.queues) ~= "table" then
    bad(op, "state", "a result of http.state() expected.")
  end
  if math.type(port) ~= "integer" or port < 1 or port > 65535 then
    bad(op, "port", ("an integer from 1 to 65535 expected, got %s."):format(tostring(port)))
  end
  if state.source == "holders" then return nil end
  local rows = {}
  for _, queue in ipairs(state.queues) do
    for _, url in ipairs(queue.urls) do
      if port_of(url) == port then
        rows[#rows + 1] = {url = url, queue = queue.name, processes = queue.processes, controller = queue.controller}
      end
    end
  end
  return rows
end
