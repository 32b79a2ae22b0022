-- The types that an argument of a playbook may have. Each has
--   check(name, value, arg) -> the value as the playbook gets it; for what a manifest or an arguments file gives
--   read(text) -> a value for `check`, or nil and what is wrong; for what is typed, which is text
local core = ...
local check = core.check
local types = {}

local MONTH <const> = 2592000 -- the longest wait, in seconds

-- ---- Numbers ----

local function read_number(text)
  local number = tonumber(text)
  if not number then return nil, ("a number expected, got '%s'"):format(text) end
  return number
end

local function read_integer(text)
  local number = text:find("^%-?%d+$") and math.tointeger(tonumber(text))
  if not number then return nil, ("an integer expected, got '%s'"):format(text) end
  return number
end

local function range(what, least, most, show)
  if least == -math.huge and most == math.huge then return what end
  if most == math.huge then return ("%s of at least %s"):format(what, show(least)) end
  if least == -math.huge then return ("%s of at most %s"):format(what, show(most)) end
  return ("%s from %s to %s"):format(what, show(least), show(most))
end

-- A check that `value` is a number between `floor` and `ceiling`, or the nearer bounds of the argument.
local function between(what, floor, ceiling, convert, show)
  return function(name, value, arg)
    local least, most = math.max(arg.least or floor, floor), math.min(arg.most or ceiling, ceiling)
    local number = math.type(value) and convert(value)
    if number and number >= least and number <= most then return number end
    check.bad(name, show and number and number >= 0 and show(number) or value,
      range(what, least, most, show or tostring))
  end
end

local function as_it_is(number) return number end

-- ---- Durations ----

local UNITS = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}

--- "1h30m" for 5400 seconds.
function types.duration_text(seconds)
  local text, left = "", seconds
  for _, unit in ipairs(UNITS) do
    local count = unit[1] == "s" and left or left // unit[2]
    if count > 0 then text = ("%s%g%s"):format(text, count, unit[1]) end
    left = left - count * unit[2]
  end
  return text == "" and "0s" or text
end

local WRONG_DURATION = "a duration such as 90s, 5m or 1h30m expected, got '%s'"

-- The seconds of "1h30m": each unit at most once, the longest first.
local function read_duration(text)
  local total, at = 0, 1
  for _, unit in ipairs(UNITS) do
    local number, behind = text:match("^(%d+%.?%d*)" .. unit[1] .. "()", at)
    if number then total, at = total + tonumber(number) * unit[2], behind end
  end
  if at == 1 or at <= #text then return nil, WRONG_DURATION:format(text) end
  return math.tointeger(total) or total
end

local check_seconds = between("a duration", 0, MONTH, as_it_is, types.duration_text)

-- ---- Text ----

-- A check of text that `is_good` accepts.
local function text_that(what, is_good)
  return function(name, value)
    check.text(name, value)
    if not is_good(value) then check.bad(name, value, what) end
    return value
  end
end

local function check_address(name, value)
  local ok, address = pcall(core.win.http.iplisten.normalize, check.text(name, value))
  return ok and address or check.bad(name, value, "an IP address such as 192.0.2.1 or 2001:db8::1")
end

-- A path as it is from everywhere, since a script may change the current folder.
local function check_path(name, value)
  local ok, path = pcall(core.win.file.absolute, check.text(name, value))
  return ok and value ~= "" and path or check.bad(name, value, "a path")
end

-- A secret, of which no error tells anything.
local function check_secret(name, value)
  if type(value) == "string" and value ~= "" and pcall(check.text, name, value) then return value end
  core.fail(name, core.code.ERROR_INVALID_PARAMETER, "text expected (what came is not shown).")
end

-- ---- Lists ----

local function element_of(arg) return types[arg.of or "text"] end

-- The items of "80, 443".
local function read_list(text, arg)
  local list, read = {}, element_of(arg).read
  for item in (text .. ","):gmatch " *(.-) *," do
    local value, reason = item, nil
    if item == "" then return nil, ("an item is missing in '%s'"):format(text) end
    if read then value, reason = read(item) end
    if value == nil then return nil, reason end
    list[#list + 1] = value
  end
  return list
end

local function check_list(name, value, arg)
  if type(value) ~= "table" then check.bad(name, value, "an array") end
  local list, count = {}, 0
  for _ in pairs(value) do count = count + 1 end
  if count ~= #value then check.bad(name, value, "an array") end
  for i, item in ipairs(value) do list[i] = element_of(arg).check(("%s[%d]"):format(name, i), item, arg) end
  return list
end

-- ---- All of them ----

types.text = {check = check.text}
types.port = {read = read_integer, check = between("an integer", 1, 65535, math.tointeger), bounds = true}
types.address = {check = check_address}
types.service = {
  check = text_that("the name of a service", function(name) return name:find "^[^/\\]+$" and #name <= 256 end),
}
types.path = {check = check_path}
types.integer = {
  read = read_integer, check = between("an integer", -math.huge, math.huge, math.tointeger), bounds = true,
}
types.number = {read = read_number, check = between("a number", -math.huge, math.huge, as_it_is), bounds = true}
types.seconds = {read = read_number, check = between("a number", 0, MONTH, as_it_is), bounds = true}
types.duration = {
  read = read_duration, bounds = true,
  check = function(name, value, arg)
    local seconds = type(value) == "string" and read_duration(value) or value
    if type(seconds) == "string" then check.bad(name, value, "a duration such as 90s, 5m or 1h30m") end
    return check_seconds(name, seconds, arg)
  end,
}
types.enum = {check = function(name, value, arg) return check.one_of(name, value, arg.values) end}
types.list = {read = read_list, check = check_list}
types.flag = {check = check.boolean}
types.secret = {check = check_secret}

return types
