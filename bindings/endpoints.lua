-- The half in Lua that win.tcp and win.udp share: whose the listeners are, and watching them.
local subject, win, x, name = ...

--- Adds to rows with a pid what is known of their processes: path, services, and the name as row[name_key].
function x.add_owners(rows, name_key)
  local pids = {}
  for i, row in ipairs(rows) do pids[i] = row.pid end
  local owners = win.tcp.owners(pids)
  for _, row in ipairs(rows) do
    local owner = owners[row.pid]
    row[name_key], row.path = owner.process, owner.path
    row.services = table.move(owner.services, 1, #owner.services, 1, {})
  end
  return rows, owners
end

local function add_owners(rows)
  local _, owners = x.add_owners(rows, "process")
  for _, row in ipairs(rows) do row.kernel = owners[row.pid].kernel end
  return rows
end

local listeners = subject.listeners

function subject.listeners(...) return add_owners(listeners(...)) end

-- ---- Watching ----

-- What makes two rows the same listener.
local function identity(row)
  return ("%s %s %d %d"):format(row.family, row.local_address, row.local_port, row.pid)
end

local function checked(...)
  local check = x.check(name .. ".watch")
  check.arguments(select("#", ...), 0, 1)
  local options = check.options(..., {"port", "interval", "timeout", "wait"})
  if options.port ~= nil then check.port("port", options.port) end
  local interval = options.interval == nil and 1 or check.number("interval", options.interval, 0.01, 86400)
  check.opt_boolean("wait", options.wait)
  return options.port, interval, check.opt_seconds("timeout", options.timeout), options.wait ~= false
end

-- Compares the listeners with those in `known`, by identity, and keeps them there; returns what happened.
local function compare(known, rows)
  local seen, new, events = {}, {}, {}
  for _, row in ipairs(rows) do
    local id = identity(row)
    seen[id] = true
    if not known[id] then
      known[id] = row
      new[#new + 1] = row
    end
  end
  for id, row in pairs(known) do
    if not seen[id] then
      known[id] = nil
      events[#events + 1] = {event = "gone", listener = row}
    end
  end
  table.sort(events, function(a, b) return identity(a.listener) < identity(b.listener) end)
  for _, row in ipairs(add_owners(new)) do events[#events + 1] = {event = "appeared", listener = row} end
  return events
end

-- An iterator over the events that `look` gives, look after look, as long as it gives an array.
local function each_event(look)
  local events, next_event = {}, 1
  return function()
    while not events[next_event] do
      events, next_event = look(), 1
      if not events then
        events = {}
        return nil
      end
    end
    next_event = next_event + 1
    return events[next_event - 1]
  end
end

--- watch([{port=, interval=1, timeout=, wait=true}]) -> an iterator of {event="appeared"|"gone", listener=}
-- Looks at the table every `interval` seconds; ends after `timeout` seconds, without it never. With wait=false each
-- loop over the iterator is one look.
function subject.watch(...)
  local port, interval, timeout, wait = checked(...)
  local deadline = timeout and x.clock() + timeout
  local known, looked = {}, false
  compare(known, listeners(port))
  return each_event(function()
    if not wait then
      looked = not looked
      return looked and compare(known, listeners(port)) or nil
    end
    local left = deadline and deadline - x.clock()
    if left and left <= 0 then return nil end
    x.sleep(math.min(interval, left or interval))
    return compare(known, listeners(port))
  end)
end
