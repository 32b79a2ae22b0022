-- win.tcp behind the gate: ending a connection, which nothing takes back.
local core = ...
local check, code = core.check, core.code
local raw = core.win.tcp

local ENDS <const> = {"local_address", "local_port", "remote_address", "remote_port"}
local GONE <const> = {closed = true, delete_tcb = true}

local function ends_of(row)
  local ends = {}
  for _, key in ipairs(ENDS) do ends[key] = row[key] end
  return ends
end

local function label(id)
  return ("%s:%d-%s:%d"):format(id.local_address, id.local_port, id.remote_address, id.remote_port)
end

-- The connection now. With another process it is another one with the same ends; Wine does not always know the process.
local function find(id)
  for _, row in ipairs(raw.list {family = 4, port = id.local_port}) do
    local is_it = row.remote_port and label(row) == label(id) and not GONE[row.state]
    local is_others = is_it and id.pid and id.pid ~= 0 and row.pid ~= 0 and row.pid ~= id.pid
    if is_it then return not is_others and {state = row.state, pid = row.pid} or nil end
  end
end

core.resource {
  kind = "tcp.connection",
  label = label,
  get = find,
  set = function(id, _, _, options)
    local deadline = core.x.clock() + options.timeout
    raw.close(ends_of(id))
    while find(id) and core.x.clock() < deadline do core.x.sleep(0.02) end
  end,
  undo = false,
}

local function check_address(name, address)
  check.text(name, address)
  if address:find(":", 1, true) then
    core.fail(address, code.ERROR_NOT_SUPPORTED, nil, "Windows ends IPv4 connections alone; end the process instead")
  end
  local parts = table.pack(address:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  for i = 1, 4 do
    local part = parts[i]
    if not part or #part > 3 or tonumber(part) > 255 or part:find "^0%d" then
      check.bad(name, address, "an IPv4 address")
    end
  end
end

-- The ends of the connection that a row of win.tcp.list is about, with its pid.
local function of_row(row)
  local id = ends_of(row)
  for i = 1, #ENDS, 2 do
    check_address(ENDS[i], row[ENDS[i]])
    id[ENDS[i + 1]] = check.port(ENDS[i + 1], row[ENDS[i + 1]])
  end
  id.pid = check.opt_integer("pid", row.pid, 0, 0xFFFFFFFF)
  return id
end

-- "192.0.2.1:80" -> address, port
local function of_text(name, text)
  local address, port = check.text(name, text):match "^(.+):(%d+)$"
  if not address or #port > 5 then check.bad(name, text, "address:port") end
  check_address(name, address)
  return address, check.port(name, tonumber(port))
end

core.write("tcp.close", function(...)
  local given, first, second, third = select("#", ...), ...
  local id, options
  if type(first) == "table" then
    check.arguments(given, 1, 2)
    id, options = of_row(first), second
  else
    check.arguments(given, 2, 3)
    id, options = {}, third
    id.local_address, id.local_port = of_text("local", first)
    id.remote_address, id.remote_port = of_text("remote", second)
  end
  options = check.options(options, {"timeout"})
  return core.change("tcp.connection", id, nil, {timeout = check.opt_seconds("timeout", options.timeout, 2)})
end)

core.view("tcp.list", function(planned, rows)
  local left = {}
  for _, row in ipairs(rows) do
    if not (row.remote_port and planned("tcp.connection", row)) then left[#left + 1] = row end
  end
  return left
end)
