-- win.http.urlacl, the half in Lua: what reservations say about accounts, without starting a stopped HTTP service.
local urlacl, win, x = ...

local RESERVATIONS <const> = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters\UrlAclInfo]]
local ERROR_INVALID_PARAMETER <const> = 87

-- C's own functions, which are nobody else's business.
local list, canonical, sddl_of = urlacl.list, urlacl.canonical, urlacl.sddl_of
urlacl.canonical, urlacl.sddl_of = nil, nil

local function bad(op, name, text) x.fail(op, name, ERROR_INVALID_PARAMETER, text) end

-- ---- Access lists ----

-- The rights that count here, as bits: registering a URL, and passing that on.
local GENERIC_ALL <const> = 0x10000000
local GENERIC_EXECUTE <const> = 0x20000000 -- listen
local GENERIC_WRITE <const> = 0x40000000 -- delegate
local RIGHTS <const> = {GA = GENERIC_ALL, GX = GENERIC_EXECUTE, GW = GENERIC_WRITE}

local function rights_of(text)
  local number = tonumber(text:match "^0[xX]%x+$")
  if number then return number end
  local bits = 0
  for letters in text:gmatch "%u%u" do bits = bits | (RIGHTS[letters] or 0) end
  return bits
end

--- win.http.urlacl.users(sddl) -> array of {sid=, name=, listen=, delegate=}
-- What the entries of an access list let each account do, in order. `name` is nil for an account that is not known
-- here.
function urlacl.users(...)
  local given, sddl = select("#", ...), ...
  if given > 1 then bad("http.urlacl.users", "arguments", ("1 argument expected, got %d."):format(given)) end
  if type(sddl) ~= "string" then bad("http.urlacl.users", "sddl", ("text expected, got %s."):format(tostring(sddl))) end
  local users, by_sid = {}, {}
  for kind, rights, trustee in sddl:gmatch "%((%a*);[^;)]*;([^;)]*);[^;)]*;[^;)]*;([^;)]*)%)" do
    local account = win.account.by_sid(trustee) or {}
    local sid = account.sid or trustee
    local user = by_sid[sid]
    if not user then
      user = {sid = sid, name = account.name, listen = false, delegate = false}
      by_sid[sid] = user
      users[#users + 1] = user
    end
    if kind == "A" then
      local bits = rights_of(rights)
      user.listen = user.listen or bits & (GENERIC_ALL | GENERIC_EXECUTE) ~= 0
      user.delegate = user.delegate or bits & (GENERIC_ALL | GENERIC_WRITE) ~= 0
    end
  end
  return users
end

-- ---- The list ----

-- What the driver would read when it starts: values named after their URLs, each a security descriptor.
local function list_registry()
  local rows = {}
  for _, value in ipairs(win.reg.values(RESERVATIONS) or {}) do
    if value.name ~= "" then
      rows[#rows + 1] = {url = value.name, sddl = type(value.value) == "string" and sddl_of(value.value) or nil}
    end
  end
  return rows
end

--- win.http.urlacl.list() -> rows {url, sddl, users={{sid, name, listen, delegate}}}, "api"|"registry"
-- Which accounts may register which URL. A reservation holds no port: win.http.state() tells what is registered.
-- A stopped HTTP service is not started: then the rows come from the registry, as the second result says. `sddl` is nil
-- for a reservation whose access list cannot be read.
function urlacl.list(...)
  local given = select("#", ...)
  if given > 0 then bad("http.urlacl.list", "arguments", ("0 arguments expected, got %d."):format(given)) end
  local rows, source
  if win.http.is_running() then
    rows, source = list(), "api"
  else
    rows, source = list_registry(), "registry"
  end
  for _, row in ipairs(rows) do row.users = urlacl.users(row.sddl or "") end
  return rows, source
end

-- ---- Making access lists ----

local KEYS <const> = {"user", "sddl", "listen", "delegate"}

local function check_options(options)
  local op = "http.urlacl.sddl"
  if type(options) ~= "table" then
    bad(op, "options", ("a table of options expected, got %s."):format(type(options)))
  end
  for key, value in pairs(options) do
    local expected = (key == "user" or key == "sddl") and "string" or "boolean"
    local known = false
    for _, word in ipairs(KEYS) do known = known or word == key end
    if not known then
      local meant = type(key) == "string" and x.nearest(key, KEYS)
      local hint = meant and ("did you mean '%s'?"):format(meant) or "the options are " .. table.concat(KEYS, ", ")
      x.fail(op, tostring(key), ERROR_INVALID_PARAMETER, "There is no such option.", hint)
    end
    if type(value) ~= expected then
      local what = expected == "string" and "text" or "true or false"
      bad(op, key, ("%s expected, got %s."):format(what, tostring(value)))
    end
  end
  if (options.user == nil) == (options.sddl == nil) then
    bad(op, "options", "either user= (an account's name or SID) or sddl= expected.")
  end
  if options.sddl and (options.listen ~= nil or options.delegate ~= nil) then
    bad(op, "options", "listen= and delegate= go with user=; sddl= says it all.")
  end
end

-- Calls a function of C whose errors are to be about urlacl.sddl.
local function ask(f, ...)
  local ok, result = pcall(f, ...)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  x.fail("http.urlacl.sddl", result.target, result.code, result.message, result.hint)
end

--- win.http.urlacl.sddl{user=, listen=true, delegate=false} -> the access list of a reservation for that account, as
-- `netsh http add urlacl` makes it; win.http.urlacl.sddl{sddl=} -> that one as Windows writes it
-- `user` is an account's name, which depends on the language of Windows for built-in accounts, or its SID.
function urlacl.sddl(...)
  local given, options = select("#", ...), ...
  if given > 1 then bad("http.urlacl.sddl", "arguments", ("1 argument expected, got %d."):format(given)) end
  check_options(options)
  if options.sddl then return ask(canonical, options.sddl) end
  local listen, delegate = options.listen ~= false, options.delegate == true
  local rights = listen and delegate and "GA" or listen and "GX" or delegate and "GW"
  local entry = rights and "D:(A;;%s;;;%s)" or "D:(D;;%s;;;%s)"
  return ask(canonical, entry:format(rights or "GA", ask(win.account.sid, options.user)))
end
