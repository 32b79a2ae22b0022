-- win.http.read_servicestate: what `netsh http show servicestate` prints. Nothing here knows a word of it, for Windows
-- speaks many languages: indentation shows what belongs together, a URL and a list of pids look the same everywhere.
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
--
-- With view=session there are server sessions first, then the queues; older versions print the URLs with the sessions
-- alone:
--
--   Server session ID: FF00000320000001            a session: its value is 16 hexadecimal digits
--       URL groups:
--       URL group ID: FE00000340000001             a group of URLs: the same
--           State: Active
--           Request queue name: DefaultAppPool     the second value, before a line without one
--           Properties:
--               Registered URLs:
--                   HTTP://*:80/
--   Request queues:
--       Request queue name: DefaultAppPool
local http, _, x = ...

-- ---- Lines ----

-- One line: {indent=, text=, value=} with the value behind the caption's colon; nil for empty ones and rulers.
local function read_line(line)
  line = line:gsub("\u{FF1A}", ": "):gsub("\u{A0}", " "):gsub("\t", "        ")
  local indent, text = line:match "^( *)(.*%S)"
  if not text or text:find "^%-+$" then return nil end
  return {indent = #indent, text = text, value = text:match "^[^:]*:%s*(.*)$"}
end

local function is_url(text) return text:find "^[Hh][Tt][Tt][Pp][Ss]?://" ~= nil end
local function is_id(value) return value ~= nil and #value == 16 and value:find "^%x+$" ~= nil end

-- A number that may be a pid.
local function read_pid(digits) return digits and #digits <= 10 and math.tointeger(tonumber(digits)) or nil end

-- A URL as HTTP.SYS shows it, in p80's form; what cannot be read stays as it is. One that is bound to an address has
-- that behind the port: "host:port:address".
local function shown_url(text)
  local bound, path = text:match "^(%a+://%[[^%]/]*%]:%d+):[^/]*(.*)$"
  if not bound then bound, path = text:match "^(%a+://[^%[/:]*:%d+):[^/]*(.*)$" end
  local parsed = http.url(bound and bound .. path or text)
  return parsed and parsed.url or text
end

-- The name of a queue; a sentence says that it has none.
local function queue_name(value)
  if value == "" or value:find "%s" and (value:sub(-1) == "." or value:sub(-3) == "\u{3002}") then return nil end
  return value
end

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

-- ---- Queues ----

-- Adds what one line below a queue's says; `following` is the line after it.
local function read_detail(queue, line, following, controllers)
  if line.indent ~= queue.indent then queue.indent = nil end
  if is_url(line.text) then
    queue.urls[#queue.urls + 1] = shown_url(line.text)
    return
  end
  local pid, image = read_pid(line.text:match "^%d+$"), nil
  if not pid then
    local digits, rest = (line.value or ""):match "^(%d+)%s*[^%d%s:][^:]*:%s*(.*)$"
    pid, image = read_pid(digits), rest
  end
  if pid then
    table.insert(queue.processes, {pid = pid, image = image, notes = {}})
    queue.indent = line.indent
    return
  end
  local number = line.value and read_pid(line.value:match "^%d+$")
  local ends_numbers = following and following.value == "" and following.indent == line.indent
  if number and ends_numbers and controllers[number] then queue.controller = number end
  local process = queue.processes[#queue.processes]
  if process and line.value and line.indent == queue.indent then table.insert(process.notes, line.value) end
end

local function read_queue(block, controllers)
  local queue = {name = queue_name(block.head.value), urls = {}, processes = {}}
  for i, line in ipairs(block) do read_detail(queue, line, block[i + 1], controllers) end
  queue.indent = nil
  return (queue.urls[1] or queue.processes[1] or queue.controller) and queue
end

-- ---- Sessions ----

-- Adds what one line below a group's says; its own lines are those of its first line's indentation.
local function read_group_line(group, line)
  group.indent = group.indent or line.indent
  if is_url(line.text) then
    group.urls[#group.urls + 1] = shown_url(line.text)
  elseif line.indent == group.indent and line.value then
    group.values = group.values + 1
    if line.value == "" then group.values = 2 elseif group.values == 2 then group.queue = line.value end
  end
end

local function read_session(block)
  local session, group, head = {id = block.head.value, groups = {}}, nil, nil
  for _, line in ipairs(block) do
    if is_id(line.value) then
      group, head = {id = line.value, urls = {}, values = 0}, line
      table.insert(session.groups, group)
    elseif group and line.indent > head.indent then
      read_group_line(group, line)
    else
      group = nil
    end
  end
  for _, one in ipairs(session.groups) do
    one.queue = queue_name(one.queue or "")
    one.indent, one.values = nil, nil
  end
  return session
end

-- Gives the URLs of a group to its queue, where that is certain: it has a name, or is the only one without. Returns the
-- others, which no queue has.
local function give_urls(group, queues, known)
  local left, found = {}, {}
  for _, queue in ipairs(queues) do
    if queue.name == group.queue then found[#found + 1] = queue end
  end
  for _, url in ipairs(group.urls) do
    if not known[url] and #found == 1 then table.insert(found[1].urls, url)
    elseif not known[url] then left[#left + 1] = url end
  end
  return left
end

local function join(sessions, queues)
  local known, loose = {}, {}
  for _, queue in ipairs(queues) do
    for _, url in ipairs(queue.urls) do known[url] = true end
  end
  for _, session in ipairs(sessions) do
    for _, group in ipairs(session.groups) do
      for _, url in ipairs(give_urls(group, queues, known)) do loose[#loose + 1] = url end
    end
  end
  return loose
end

function http.read_servicestate(...)
  local text, controllers = ...
  local check = x.check "http.read_servicestate"
  check.arguments(select("#", ...), 1, 2)
  if type(text) ~= "string" then check.bad("text", text, "text") end
  if controllers ~= nil and type(controllers) ~= "table" then
    check.bad("controllers", controllers, "an array of pids")
  end
  local is_controller, lines, queues, sessions = {}, {}, {}, {}
  for _, pid in ipairs(controllers or {}) do is_controller[pid] = true end
  for line in text:gmatch "[^\r\n]+" do lines[#lines + 1] = read_line(line) end
  for _, block in ipairs(blocks_of(lines)) do
    if is_id(block.head.value) then
      sessions[#sessions + 1] = read_session(block)
    else
      queues[#queues + 1] = read_queue(block, is_controller) or nil
    end
  end
  return queues, sessions, join(sessions, queues)
end
