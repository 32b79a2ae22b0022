-- win.http.urlacl, the half in Lua: what reservations say about accounts, without starting a stopped HTTP service.
local urlacl, win, x = ...

local RESERVATIONS <const> = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters\UrlAclInfo]]
local ERROR_INVALID_PARAMETER <const> = 87

-- C's own functions, which are nobody else's business.
local list, canonical, sddl_of = urlacl.list, urlacl.canonical, urlacl.sddl_of
urlacl.canonical, urlacl.sddl_of = nil, nil

-- ---- Access lists ----

-- The rights that count here, as bits: registering a URL, and passing that on. All of them are both.
local GENERIC_ALL <const> = 0x10000000
local GENERIC_EXECUTE <const> = 0x20000000 -- listen
local GENERIC_WRITE <const> = 0x40000000 -- delegate
local RIGHTS <const> = {GA = GENERIC_ALL, GX = GENERIC_EXECUTE, GW = GENERIC_WRITE}

local function rights_of(text)
  local bits = math.tointeger(tonumber(text:match "^0[xX]%x+$" or text:match "^%d+$")) or 0
  for letters in text:upper():gmatch "%u%u" do bits = bits | (RIGHTS[letters] or 0) end
  return bits & GENERIC_ALL ~= 0 and bits | GENERIC_EXECUTE | GENERIC_WRITE or bits
end

-- What one entry says, added to what those before it said about the same account: the first word on a right counts.
local function add_entry(user, kind, bits)
  if kind == "D" then
    user.denied = user.denied | bits
  elseif kind == "A" then
    bits = bits & ~user.denied
    user.listen = user.listen or bits & GENERIC_EXECUTE ~= 0
    user.delegate = user.delegate or bits & GENERIC_WRITE ~= 0
  end
end

function urlacl.users(...)
  local check = x.check "http.urlacl.users"
  check.arguments(select("#", ...), 1, 1)
  local users, by_sid = {}, {}
  for kind, rights, trustee in check.text("sddl", (...)):gmatch "%((%a*);[^;)]*;([^;)]*);[^;)]*;[^;)]*;([^;)]*)%)" do
    local account = trustee ~= "" and win.account.by_sid(trustee) or {}
    local sid = account.sid or trustee
    local user = by_sid[sid]
    if not user then
      user = {sid = sid, name = account.name, listen = false, delegate = false, denied = 0}
      by_sid[sid] = user
      users[#users + 1] = user
    end
    add_entry(user, kind:upper(), rights_of(rights))
  end
  for _, user in ipairs(users) do user.denied = nil end
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

local function rows_now()
  if win.http.is_running() then return list(), "api" end
  return list_registry(), "registry"
end

local function add_users(row)
  row.users = urlacl.users(row.sddl or "")
  return row
end

function urlacl.list(...)
  x.check("http.urlacl.list").arguments(select("#", ...), 0, 0)
  local rows, source = rows_now()
  for _, row in ipairs(rows) do add_users(row) end
  return rows, source
end

-- What a URL is compared by; one that p80 cannot read as it is.
local function key_of(url)
  local parsed = win.http.url(url)
  return (parsed and parsed.url or url):lower()
end

function urlacl.get(...)
  local check = x.check "http.urlacl.get"
  check.arguments(select("#", ...), 1, 1)
  local key, rows, source = key_of(check.text("url", (...))), rows_now()
  for _, row in ipairs(rows) do
    if key_of(row.url) == key then return add_users(row), source end
  end
  return nil, source
end

-- ---- Making access lists ----

local KEYS <const> = {"user", "sddl", "listen", "delegate"}

local function check_options(check, options)
  if options == nil then check.bad("options", nil, "a table of options") end
  check.options(options, KEYS)
  for _, key in ipairs {"user", "sddl"} do check.opt_text(key, options[key]) end
  for _, key in ipairs {"listen", "delegate"} do check.opt_boolean(key, options[key]) end
  if (options.user == nil) == (options.sddl == nil) then
    check.bad("options", options, "either user= (an account's name or SID) or sddl=")
  end
  if options.sddl and (options.listen ~= nil or options.delegate ~= nil) then
    x.fail("http.urlacl.sddl", "options", ERROR_INVALID_PARAMETER,
      "listen= and delegate= go with user=; sddl= says it all.")
  end
end

-- Calls a function of C whose errors are to be about urlacl.sddl.
local function ask(f, ...)
  local ok, result = pcall(f, ...)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  x.fail("http.urlacl.sddl", result.target == "account" and "user" or result.target,
    result.code, result.message, result.hint)
end

function urlacl.sddl(...)
  local check, options = x.check "http.urlacl.sddl", ...
  check.arguments(select("#", ...), 0, 1)
  check_options(check, options)
  if options.sddl then return ask(canonical, options.sddl) end
  local listen, delegate = options.listen ~= false, options.delegate == true
  local rights = listen and delegate and "GA" or listen and "GX" or delegate and "GW"
  local entry = rights and "D:(A;;%s;;;%s)" or "D:(D;;%s;;;%s)"
  return ask(canonical, entry:format(rights or "GA", ask(win.account.sid, options.user)))
end
