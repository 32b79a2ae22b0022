-- win.scm, the half in Lua: what goes wrong while one waits for a service, in words; triggers; the tree of dependents;
-- SIDs of services; watching.
local scm, win, x = ...

local list, get, status, details = scm.list, scm.get, scm.status, scm.details
local upper, await_change = scm.upper, scm.await_change
scm.upper, scm.await_change = nil, nil

local ERROR_SERVICE_DOES_NOT_EXIST = 1060

local ERROR_SERVICE_NOT_ACTIVE = 1062
local ERROR_SERVICE_SPECIFIC_ERROR = 1066
local ERROR_PROCESS_ABORTED = 1067
local ERROR_SERVICE_NEVER_STARTED = 1077
local ERROR_TIMEOUT = 1460

-- "pid 1234 (x.exe)", "pid 1234, which has ended" or "no process".
local function process_text(pid)
  if not pid then return "no process" end
  local ok, row = pcall(win.process.get, pid)
  local about = not ok and "" or row and (" (%s)"):format(row.name) or ", which has ended"
  return ("pid %d%s"):format(pid, about)
end

-- What a service that did not get there in time is doing.
local function stuck_text(status, quiet)
  local text = ("still %s: %s, checkpoint %d"):format(status.state, process_text(status.pid), status.checkpoint)
  return quiet < 1 and text or ("%s, no progress for %.0f s"):format(text, quiet)
end

-- The error and hint for a service that cannot come to that state any more. Where a service's process ended by
-- itself, Windows keeps 1067 as its exit code, Wine "never started" or nothing.
local function stopped_error(status, process_code)
  local code, own = status.exit_code, status.service_exit_code
  if status.state ~= "stopped" or code == ERROR_SERVICE_NEVER_STARTED then
    local ended = process_code and (" with exit code %d (0x%X)"):format(process_code, process_code) or ""
    local when = status.state ~= "stopped" and (" while the service was %s"):format(status.state) or ""
    return ERROR_PROCESS_ABORTED, ("its process ended%s%s"):format(ended, when)
  elseif code == ERROR_SERVICE_SPECIFIC_ERROR then
    return code, ("it stopped with its own error %d (0x%X)"):format(own, own)
  end
  return code ~= 0 and code or ERROR_SERVICE_NOT_ACTIVE, ("it stopped instead, with exit code %d"):format(code)
end

local LONGEST_NAME <const> = 256

local function check_name(check, name)
  if check.text("name", name) == "" or utf8.len(name, 1, -1, true) > LONGEST_NAME then
    check.bad("name", name, "the name of a service (1 to 256 characters)")
  end
end

local wait = scm.wait

function scm.wait(...)
  local there, outcome, last, quiet, process_code = wait(...)
  if there then return true end
  local name = ...
  if outcome == "timeout" then x.fail("scm.wait", name, ERROR_TIMEOUT, nil, stuck_text(last, quiet)) end
  local code, hint = stopped_error(last, process_code)
  x.fail("scm.wait", name, code, nil, hint)
end

-- ---- Paths ----

-- Whether Windows would try `C:\Program.exe` first for such a command line: its program has a blank and no quotes.
-- https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-createprocessw
local function is_unquoted(path)
  if path:find '^%s*"' then return false end
  local program = path:match "^(.-%.[eE][xX][eE])%f[%s\0]" or path:match "^(.-)%s+[-/]" or path
  return program:find "%s" ~= nil or program:lower():find("%program", 1, true) ~= nil
end

function scm.get(...)
  local record, hint = get(...)
  if not record then return nil, hint end
  if record.path and not (record.type or ""):find "driver$" and is_unquoted(record.path) then record.unquoted = true end
  return record
end

-- ---- Triggers ----
-- https://learn.microsoft.com/windows/win32/api/winsvc/ns-winsvc-service_trigger

local WORDS <const> = {
  type = {
    [1] = "device_arrival", [2] = "ip_address", [3] = "domain_join", [4] = "firewall_port", [5] = "group_policy",
    [6] = "network_endpoint", [7] = "system_state", [20] = "custom", [30] = "aggregate",
  },
  action = {"start", "stop"},
  data = {"binary", "text", "level", "keyword_any", "keyword_all"},
  subtype = {
    ["{4f27f2de-14e2-430b-a549-7cd48cbc8245}"] = "first_ip_address_arrival",
    ["{cc4ba62a-162e-4648-847a-b6bdf993e335}"] = "last_ip_address_removal",
    ["{1ce20aba-9851-4421-9430-1ddeb766e809}"] = "domain_join",
    ["{ddaf516e-58c2-4866-9574-c3b615d42ea1}"] = "domain_leave",
    ["{b7569e07-8421-4ee0-ad10-86915afdad09}"] = "firewall_port_open",
    ["{a144ed38-8e12-4de4-9d96-e64740b1a524}"] = "firewall_port_close",
    ["{659fcae6-5bdb-4da9-b1ff-ca2a178d46e0}"] = "machine_policy_present",
    ["{54fb46c8-f089-464c-b1fd-59d1b62c3b50}"] = "user_policy_present",
    ["{bc90d167-9470-4139-a9ba-be0bbbf5b74d}"] = "rpc_interface",
    ["{1f81d131-3fac-4537-9e0c-7e7b0c2f4b55}"] = "named_pipe",
    ["{2d7a2816-0c5e-45fc-9ce7-570e5ecde9c9}"] = "system_state_change",
  },
}

function scm.trigger_words(...)
  x.check "scm.trigger_words".arguments(select("#", ...), 0, 0)
  local copy = {}
  for kind, words in pairs(WORDS) do
    copy[kind] = {}
    for key, word in pairs(words) do copy[kind][key] = word end
  end
  return copy
end

local function hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

local function guid_text(bytes)
  local a, b, c, d, e = ("<I4I2I2"):unpack(bytes)
  d, e = hex(bytes:sub(9, 10)), hex(bytes:sub(11))
  return ("{%08x-%04x-%04x-%s-%s}"):format(a, b, c, d, e)
end

local READ <const> = {
  text = function(value)
    local texts = {}
    for text in (value:gsub("\0+$", "") .. "\0"):gmatch "([^\0]*)\0" do texts[#texts + 1] = text end
    return texts
  end,
  level = function(value) return #value > 0 and value:byte() or nil end,
  keyword_any = function(value) return #value == 8 and ("<i8"):unpack(value) or nil end,
}
READ.keyword_all = READ.keyword_any

local function read_item(item)
  local kind = WORDS.data[item.type]
  local value = READ[kind] and READ[kind](item.value)
  if value == nil then return {type = kind or item.type, value = hex(item.value)} end
  return {type = kind, value = value}
end

local function read_trigger(trigger)
  local subtype, items = guid_text(trigger.subtype), {}
  for i, item in ipairs(trigger.data) do items[i] = read_item(item) end
  return {
    type = WORDS.type[trigger.type] or trigger.type, action = WORDS.action[trigger.action] or trigger.action,
    subtype = WORDS.subtype[subtype] or subtype, data = items,
  }
end

function scm.details(...)
  local record, hint = details(...)
  if not record then return nil, hint end
  for i, trigger in ipairs(record.triggers or {}) do record.triggers[i] = read_trigger(trigger) end
  return record
end

-- ---- Dependents ----

-- Whether a service with these dependencies needs that one itself, by name or as a member of a group.
local function needs(dependencies, other)
  for _, needed in ipairs(dependencies or {}) do
    local group = needed:match "^%+(.*)"
    if (group or needed):lower() == (group and other.group or other.name or ""):lower() then return true end
  end
  return false
end

-- What depends on `record` among `all` (records in Windows' order), as a tree. `path` are the names above it.
local function branch(record, all, path)
  local row = {name = record.name, state = record.state, dependents = {}}
  path[record.name] = true
  for _, other in ipairs(all) do
    if not path[other.name] and needs(other.dependencies, record) then
      row.dependents[#row.dependents + 1] = branch(other, all, path)
    end
  end
  path[record.name] = nil
  return row
end

-- win.scm.dependents composed from `get`: win.scm.get itself, or what --check sees.
local function dependents_by(get)
  return function(...)
    local check, name = x.check "scm.dependents", ...
    check.arguments(select("#", ...), 1, 1)
    check_name(check, name)
    local record, hint = get(name)
    if not record then return nil, hint end
    local all = {}
    for _, name in ipairs(record.dependents or {}) do
      local ok, other = pcall(get, name)
      all[#all + 1] = ok and other or {name = name}
      if not all[#all].dependencies then all[#all].dependencies = {record.name} end -- p80 may not look: Windows says so
    end
    return branch(record, all, {})
  end
end

scm.dependents = dependents_by(scm.get)
x.scm = {needs = needs, dependents_by = dependents_by}

-- ---- The SID of a service ----

local function rotate(word, bits) return (word << bits | word >> (32 - bits)) & 0xFFFFFFFF end

-- One block of 64 bytes. https://www.rfc-editor.org/rfc/rfc3174
local function sha1_block(block, h)
  local w = {(">" .. ("I4"):rep(16)):unpack(block)}
  for i = 17, 80 do w[i] = rotate(w[i - 3] ~ w[i - 8] ~ w[i - 14] ~ w[i - 16], 1) end
  local a, b, c, d, e = table.unpack(h)
  for i = 1, 80 do
    local f, k
    if i <= 20 then f, k = b & c | ~b & d, 0x5A827999
    elseif i <= 40 then f, k = b ~ c ~ d, 0x6ED9EBA1
    elseif i <= 60 then f, k = b & c | b & d | c & d, 0x8F1BBCDC
    else f, k = b ~ c ~ d, 0xCA62C1D6 end
    a, b, c, d, e = (rotate(a, 5) + (f & 0xFFFFFFFF) + e + k + w[i]) & 0xFFFFFFFF, a, rotate(b, 30), c, d
  end
  for i, word in ipairs {a, b, c, d, e} do h[i] = (h[i] + word) & 0xFFFFFFFF end
end

local function sha1(text)
  local h = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0}
  local padded = text .. "\x80" .. ("\0"):rep((55 - #text) % 64) .. (">I8"):pack(#text * 8)
  for i = 1, #padded, 64 do sha1_block(padded:sub(i, i + 63), h) end
  return (">I4I4I4I4I4"):pack(table.unpack(h))
end

function scm.sid(...)
  local check, name = x.check "scm.sid", ...
  check.arguments(select("#", ...), 1, 1)
  check_name(check, name)
  return ("S-1-5-80-%d-%d-%d-%d-%d"):format(("<I4I4I4I4I4"):unpack(sha1(upper(name))))
end

-- ---- Watching ----

local FOREVER <const> = 2592000
local LOOK <const> = 0.5 -- seconds between two looks for a service that is not there

local function event(change, now, before)
  return {change = change, name = now.name, state = now.state, before = before and before.state, pid = now.pid}
end

-- The next event of one service; nil when there is none within the timeout.
local function next_of(name, seen, timeout)
  local deadline = x.clock() + timeout
  while not seen.state do
    local now = status(name)
    if now then
      seen.state, seen.pid = now.state, now.pid
      return event("created", {name = name, state = now.state, pid = now.pid})
    end
    if x.clock() >= deadline then return nil end
    x.sleep(math.min(LOOK, math.max(0, deadline - x.clock())))
  end
  local now = await_change(name, seen.state, seen.pid or 0, math.max(0, deadline - x.clock()))
  if now == nil then return nil end
  local before = {state = seen.state}
  seen.state, seen.pid = now and now.state, now and now.pid
  if not now then return event("deleted", {name = name}, before) end
  return event("state", {name = name, state = now.state, pid = now.pid}, before)
end

local function rows_by_name(options)
  local rows = {}
  for _, row in ipairs(list {type = options.type}) do rows[row.name] = row end
  return rows
end

-- Adds what is different between two lists to `events`.
local function compare(before, now, events)
  for name, row in pairs(now) do
    local old = before[name]
    if not old then events[#events + 1] = event("created", row)
    elseif old.state ~= row.state or old.pid ~= row.pid then events[#events + 1] = event("state", row, old) end
  end
  for name, old in pairs(before) do
    if not now[name] then events[#events + 1] = event("deleted", {name = name}, old) end
  end
  table.sort(events, function(a, b) return a.name < b.name end)
end

local function next_of_all(seen, options, timeout)
  local deadline = x.clock() + timeout
  while #seen.events == 0 do
    local left = deadline - x.clock()
    if left <= 0 then return nil end
    x.sleep(math.min(options.interval or 1, left))
    local now = rows_by_name(options)
    compare(seen.rows, now, seen.events)
    seen.rows = now
  end
  return table.remove(seen.events, 1)
end

function scm.watch(...)
  local check, name, options = x.check "scm.watch", ...
  check.arguments(select("#", ...), 0, 2)
  options = check.options(options, {"timeout", "interval", "type"})
  local timeout = check.opt_seconds("timeout", options.timeout, FOREVER)
  if options.interval ~= nil then check.number("interval", options.interval, 0.05, 3600) end
  if options.type ~= nil then check.one_of("type", options.type, {"service", "driver", "all"}) end
  if name == nil then
    local seen = {rows = rows_by_name(options), events = {}}
    return function() return next_of_all(seen, options, timeout) end
  end
  check_name(check, name)
  local now, hint = status(name)
  if hint then x.fail("scm.watch", name, ERROR_SERVICE_DOES_NOT_EXIST, nil, hint) end
  local seen = {state = now and now.state, pid = now and now.pid}
  return function() return next_of(name, seen, timeout) end
end
