-- Tells what changes on the ports: who takes one and who lets it go, with process, service and URL; live, as JSON
-- lines, or into the event log. What changes again and again is summed up.
local p80 = require "p80"
local ports = require "ports"
local bindings = require "bindings"
local console = require "console"
local formats = require "formats"

local args = p80.playbook {
  name = "watch",
  version = "1.0.0",
  summary = "Tell what changes on the ports, live, as JSON lines or into the event log.",
  author = "the p80 authors",
  license = "MIT",
  args = {
    ports = {type = "list", of = "port", help = "only these ports"},
    protocol = {type = "enum", values = {"tcp", "udp", "both"}, default = "both", help = "what to watch"},
    all = {type = "flag", help = "also UDP ports that Windows hands out by itself, which come and go all the time"},
    format = {type = "enum", values = {"text", "jsonl"}, default = "text", help = "lines for people, or JSON lines"},
    event_log = {type = "flag", help = "write the changes into the event log instead"},
    ["for"] = {type = "duration", help = "end after this time; by default at Ctrl-C"},
    interval = {type = "number", default = 1, least = 0.05, most = 86400, help = "seconds between two looks"},
    calm = {type = "duration", default = "1m", help = "what changes again and again is told of once in this time"},
  },
  grants = {"event.entry:p80"},
  reports = "the changes, in order",
}

local OFTEN <const> = 4 -- changes of one port in the time `calm` that are told one by one
local MOST <const> = 25 -- changes of one look that are

-- ---- What is watched ----

local protocols = args.protocol == "both" and {"tcp", "udp"} or {args.protocol}
local wanted = {}
for _, port in ipairs(args.ports or {}) do wanted[port] = true end

-- The UDP ports that Windows hands out.
local first, last = 49152, 65535
if win.host.version().major < 6 then first, last = 1025, 5000 end

local function is_watched(protocol, port)
  if args.ports then return wanted[port] end
  return args.all or protocol == "tcp" or port < first or port > last
end

local function identity(protocol, row)
  return ("%s %s %d %d"):format(protocol, row.local_address or row.address, row.local_port or row.port, row.pid)
end

-- ---- Telling ----

local reported = p80.json and {} or nil

local function text_of(change)
  if change.event == "watching" then return ("watching %d bindings"):format(change.count) end
  if change.event == "more" then return ("and %d more changes at once"):format(change.count) end
  local where = ("%s %d on %s"):format(change.protocol, change.port, table.concat(change.addresses, ", "))
  local parts = {where, change.process}
  if #change.services > 0 then parts[#parts + 1] = "service " .. table.concat(change.services, ", ") end
  if change.urls and change.urls[1] then parts[#parts + 1] = table.concat(change.urls, " ") end
  local text = ("%-8s %s"):format(change.event, table.concat(parts, "; "))
  return change.count and ("%s; %d more changes before"):format(text, change.count) or text
end

local COLOURS = {appeared = "good", gone = "faint", more = "warning"}
local ORDER = {
  "time", "event", "protocol", "port", "addresses", "pid", "process", "path", "services", "urls", "product", "count",
}

local function tell(change)
  change = formats.plain(change)
  change.time = os.date "!%Y-%m-%dT%H:%M:%SZ"
  if reported then reported[#reported + 1] = change end
  if args.event_log then
    win.event.write {text = "Ports: " .. text_of(change)}
  elseif args.format == "jsonl" then
    print(require "dkjson".encode(change, {keyorder = ORDER}))
  else
    console.colour(COLOURS[change.event])
    print(("%s  %s"):format(os.date "%H:%M:%S", text_of(change)))
    console.colour "plain"
  end
  io.stdout:flush()
end

-- ---- Summing up what changes again and again ----

local windows = {} -- by port and process: {since=, told=, skipped=, last=}

local function take(change)
  local key = ("%s %d %s"):format(change.protocol, change.port, change.process)
  local window = windows[key] or {since = p80.clock(), told = 0, skipped = 0}
  windows[key] = window
  if window.told < OFTEN then
    window.told = window.told + 1
    tell(change)
  else
    window.skipped, window.last = window.skipped + 1, change
  end
end

-- Tells of what was left out in windows that are over, or in all.
local function sum_up(all)
  for key, window in pairs(windows) do
    if all or p80.clock() - window.since >= args.calm then
      windows[key] = nil
      if window.skipped > 0 then
        windows[key] = {since = p80.clock(), told = OFTEN, skipped = 0}
        window.last.count = window.skipped - 1
        tell(window.last)
      end
    end
  end
end

-- ---- Looking ----

local known = {} -- what is known of listeners that are there, by identity

-- One change for all addresses of a port that a process took or let go.
local function add(changes, event, row)
  local key = ("%s %s %d %d"):format(event, row.protocol, row.port, row.pid)
  local change = changes[key]
  if not change then
    change = {
      event = event, protocol = row.protocol, port = row.port, addresses = {}, pid = row.pid, path = row.path,
      process = row.process or ("process %d"):format(row.pid), services = row.services, urls = row.urls,
      product = row.product,
    }
    changes[key], changes[#changes + 1] = change, change
  end
  table.insert(change.addresses, row.address)
end

-- What has changed since the last look.
local function look_again(looks)
  local changes, look = {}, ports.look()
  for _, protocol in ipairs(protocols) do
    local new = {}
    for one in looks[protocol] do
      local row, id = one.listener, identity(protocol, one.listener)
      if is_watched(protocol, row.local_port) then
        if one.event == "appeared" then new[#new + 1] = row
        elseif known[id] then add(changes, "gone", known[id]) end
      end
      known[id] = nil
    end
    for _, row in ipairs(bindings.describe(new, protocol, look)) do
      known[identity(protocol, row)] = row
      add(changes, "appeared", row)
    end
  end
  return changes
end

local function start()
  local looks, count = {}, 0
  for _, protocol in ipairs(protocols) do looks[protocol] = win[protocol].watch {wait = false} end
  for _, row in ipairs((bindings.list())) do
    if is_watched(row.protocol, row.port) then
      known[identity(row.protocol, row)], count = row, count + 1
    end
  end
  if args.format == "jsonl" and not args.event_log then tell {event = "watching", count = count}
  elseif not p80.quiet then io.stderr:write(("watching %d bindings; Ctrl-C ends it\n"):format(count)) end
  return looks
end

local function watch()
  local looks, began = start(), p80.clock()
  while not args["for"] or p80.clock() - began < args["for"] do
    local changes = look_again(looks)
    for i = 1, math.min(#changes, MOST) do take(changes[i]) end
    if #changes > MOST then tell {event = "more", count = #changes - MOST} end
    sum_up()
    local left = args["for"] and began + args["for"] - p80.clock() or args.interval
    p80.sleep(math.max(math.min(args.interval, left), 0))
  end
end

-- Ctrl-C ends a wait with an error, and then what runs next.
local outer, ok, problem = pcall(pcall, watch)
if not outer then ok, problem = false, ok end
local interrupted = type(problem) == "table" and problem.code == 995
if not ok and not interrupted then error(problem, 0) end
console.interrupted() -- what is still to be told is told
sum_up(true)
if reported then p80.report(reported) end
