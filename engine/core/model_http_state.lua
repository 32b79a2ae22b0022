-- What HTTP.SYS says of itself on a modelled machine: the answer that gives it away, and netsh's report.
local model = ...
local machine = model.machine
local state = {}

local EVERYWHERE <const> = {["0.0.0.0"] = true, ["::"] = true}
local REPLY <const> = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n%sConnection: close\r\n\r\n"
  .. "<h1>Bad Request (Invalid Verb)</h1>"

-- What answers a malformed request on an endpoint; nil when it is not HTTP.SYS.
local function reply(port, address)
  for _, row in ipairs(model.part "net".listeners()) do
    local family = address:find ":" and "ipv6" or "ipv4"
    local is_there = row.address == address or EVERYWHERE[row.address] and row.family == family
    if row.port == port and row.urls and is_there then
      return REPLY:format(model.is_old() and "" or "Server: Microsoft-HTTPAPI/2.0\r\n")
    end
  end
end

local function image_of(pid)
  local process = model.part "process".find(pid)
  return process and process.path or "<?>"
end

local function add_processes(add, queue)
  if not model.is_at_least(10, 0) then
    add "    Process IDs:"
    for _, pid in ipairs(queue.pids) do add(("        %d"):format(pid)) end
    return
  end
  add "    Processes:"
  for _, pid in ipairs(queue.pids) do
    add(("        ID: %d, image: %s"):format(pid, image_of(pid)))
    if queue.service then add(("        Services: %s"):format(queue.service)) end
  end
end

local function add_urls(add, indent, urls)
  add(("%sRegistered URLs:"):format(indent))
  for _, url in ipairs(urls) do add(("%s    %s"):format(indent, url:upper())) end
end

local UNNAMED <const> = "Request queue is unnamed."

local function add_session(add, i, name, urls)
  add(("Server session ID: FF0000032000%04X"):format(i))
  add "    Version: 2.0"
  add(("    URL group ID: FE0000034000%04X"):format(i))
  add "        State: Active"
  add("        Request queue name: " .. name)
  add "        Properties:"
  add_urls(add, "            ", urls)
end

-- What `netsh http show servicestate` prints; nil before Windows Vista, which has no netsh for HTTP.
state["http.servicestate"] = function(_, view)
  if model.is_old() or machine.http.netsh then return nil, machine.http.netsh or "missing" end
  local lines, queues = {}, model.part "net".queues()
  local function add(line) lines[#lines + 1] = line end
  if view == "session" then
    for i, queue in ipairs(queues) do add_session(add, i, queue.name or UNNAMED, queue.urls) end
    add "Request queues:"
  end
  for _, queue in ipairs(queues) do
    add("Request queue name: " .. (queue.name or UNNAMED))
    add(("    Number of active processes attached: %d"):format(#queue.pids))
    if queue.controller then add(("    Controller process ID: %d"):format(queue.controller)) end
    add_processes(add, queue)
    add_urls(add, "    ", queue.urls)
  end
  return table.concat(lines, "\n") .. "\n"
end

state["http.server"] = function(port, options)
  local check = model.check()
  check.port("port", port)
  options = check.options(options, {"address", "timeout"})
  return reply(port, options.address or "127.0.0.1")
end

return state
