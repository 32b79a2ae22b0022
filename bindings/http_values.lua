-- win.http.timeout, win.http.cache and win.http.setting, the half in Lua: numbers of HTTP.SYS by name.
local values, win, x, subject = ...

-- The kind of record (HTTP_SERVICE_CONFIG_ID), and the numbers with their keys; `netsh` is what netsh http calls each.
-- A default is there only where Microsoft tells one (HTTP_TIMEOUT_LIMIT_INFO).
local KINDS <const> = {
  ["http.timeout"] = {id = 3, {
    name = "idle_connection", netsh = "idleconnectiontimeout", key = 0, unit = "s", least = 0, most = 65535,
    default = 120, meaning = "how long a connection may be idle",
  }, {
    name = "header_wait", netsh = "headerwaittimeout", key = 1, unit = "s", least = 0, most = 65535, default = 120,
    meaning = "how long all headers of a request may take to arrive",
  }},
  ["http.cache"] = {id = 4, {
    name = "max_response_size", netsh = "maxcacheresponsesize", key = 0, unit = "bytes", least = 0, most = 0xFFFFFFFF,
    meaning = "the largest response that is cached",
  }, {
    name = "range_chunk_size", netsh = "cacherangechunksize", key = 1, unit = "bytes", least = 0, most = 0xFFFFFFFF,
    meaning = "the size of the parts in which ranges of a response are cached",
  }},
  ["http.setting"] = {id = 7, {
    name = "ssl_throttle", netsh = "sslthrottle", key = 1, unit = "connections", least = 0, most = 0xFFFFFFFF,
    meaning = "the limit for TLS handshakes at a time",
  }},
}

local kind = KINDS[subject]
local query = values.query -- C's own function, which is nobody else's business
values.query = nil

-- Calls C, so that its error is about this function and this number.
local function ask(op, row)
  local ok, value = pcall(query, kind.id, row.key)
  if ok then return value or row.default end
  if type(value) ~= "table" then error(value, 0) end
  x.fail(op, row.name, value.code, value.message, value.hint)
end

function values.list(...)
  local op = subject .. ".list"
  x.check(op).arguments(select("#", ...), 0, 0)
  local rows, running = {}, win.http.is_running()
  for i, row in ipairs(kind) do
    rows[i] = {id = kind.id, value = running and ask(op, row) or nil}
    for field, value in pairs(row) do rows[i][field] = value end
  end
  return rows, running and "api" or "stopped"
end

function values.get(...)
  local op, names, rows = subject .. ".get", {}, {}
  local check = x.check(op)
  check.arguments(select("#", ...), 1, 1)
  for i, row in ipairs(kind) do names[i], rows[row.name] = row.name, row end
  local row = rows[check.one_of("name", (...), names)]
  if not win.http.is_running() then return nil, "stopped" end
  return ask(op, row), "api"
end
