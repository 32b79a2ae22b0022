-- Checks of arguments, for the Lua halves of subjects and for the core. Each returns the value or raises
-- ERROR_INVALID_PARAMETER, naming the argument, what was expected and what came.
local x = ...

local ERROR_INVALID_PARAMETER <const> = 87
local ERROR_OPERATION_ABORTED <const> = 995 -- Ctrl-C
local LONGEST_SHOWN = 60
local LONGEST_TIME <const> = 2592000

local function shown(value)
  if type(value) == "string" then
    local text = #value > LONGEST_SHOWN and value:sub(1, LONGEST_SHOWN) or value
    text = text:gsub("[%c\x7F]", function(c) return ("\\x%02X"):format(c:byte()) end)
    if not utf8.len(text) then
      text = text:gsub("[\x80-\xFF]", function(c) return ("\\x%02X"):format(c:byte()) end)
    end
    return #value > LONGEST_SHOWN and ("'%s'... (%d bytes)"):format(text, #value) or ("'%s'"):format(text)
  end
  local is_plain = value == nil or type(value) == "number" or type(value) == "boolean"
  return is_plain and tostring(value) or "a " .. type(value)
end

--- x.checks(fail) -> the checks, which raise with fail(name, code, message, hint).
function x.checks(fail)
  local check = {fail = fail}

  --- Raises for `value` of the argument or field `name`: "<expected> expected, got <value>."
  function check.bad(name, value, expected)
    fail(name, ERROR_INVALID_PARAMETER, ("%s expected, got %s."):format(expected, shown(value)))
  end

  check.shown = shown

  --- The number of arguments that came, against what the operation takes.
  function check.arguments(given, least, most)
    if given >= least and given <= most then return end
    local expected = least == most and ("%d argument%s"):format(most, most == 1 and "" or "s")
      or ("%d to %d arguments"):format(least, most)
    check.bad("arguments", given, expected)
  end

  -- UTF-8 in which lone surrogates may stand (bindings/wtf8.h).
  function check.is_wide_text(value)
    if utf8.len(value) then return true end
    if not utf8.len(value, 1, -1, true) then return false end
    local last = 0
    for _, c in utf8.codes(value, true) do
      if c > 0x10FFFF or c >= 0xDC00 and c <= 0xDFFF and last >= 0xD800 and last <= 0xDBFF then return false end
      last = c
    end
    return true
  end

  function check.text(name, value)
    if type(value) ~= "string" then check.bad(name, value, "text") end
    if value:find("\0", 1, true) then check.bad(name, value, "text without NUL") end
    if not check.is_wide_text(value) then check.bad(name, value, "valid UTF-8") end
    return value
  end

  --- A password, which no message shows.
  function check.secret(name, value)
    if type(value) ~= "string" or value:find("\0", 1, true) or not check.is_wide_text(value) then
      fail(name, ERROR_INVALID_PARAMETER, "text without NUL in valid UTF-8 expected (not shown).")
    end
    return value
  end

  function check.integer(name, value, least, most)
    local whole = math.type(value) and math.tointeger(value)
    if not whole or whole < least or whole > most then
      check.bad(name, value, ("an integer from %d to %d"):format(least, most))
    end
    return whole
  end

  function check.number(name, value, least, most)
    if type(value) ~= "number" or not (value >= least and value <= most) then
      check.bad(name, value, ("a number from %s to %s"):format(least, most))
    end
    return value
  end

  function check.boolean(name, value)
    if type(value) ~= "boolean" then check.bad(name, value, "true or false") end
    return value
  end

  function check.one_of(name, value, words)
    for _, word in ipairs(words) do
      if value == word then return value end
    end
    check.bad(name, value, "one of " .. table.concat(words, ", "))
  end

  function check.list_of_text(name, value)
    if type(value) ~= "table" then check.bad(name, value, "an array of text") end
    local n = 0
    for _ in pairs(value) do n = n + 1 end
    if n ~= #value then check.bad(name, value, "an array of text") end
    for i, item in ipairs(value) do check.text(("%s[%d]"):format(name, i), item) end
    return value
  end

  function check.port(name, value) return check.integer(name, value, 1, 65535) end

  function check.seconds(name, value)
    if type(value) ~= "number" or not (value >= 0 and value <= LONGEST_TIME) then
      check.bad(name, value, "seconds from 0 to 2592000 (30 days)")
    end
    return value
  end

  local function optional(checker)
    return function(name, value, ...)
      if value == nil then return nil end
      return checker(name, value, ...)
    end
  end

  check.opt_text = optional(check.text)
  check.opt_secret = optional(check.secret)
  check.opt_integer = optional(check.integer)
  check.opt_boolean = optional(check.boolean)

  function check.opt_seconds(name, value, default)
    if value == nil then return default end
    return check.seconds(name, value)
  end

  --- An options table whose keys are all in `known`; nil becomes an empty table.
  function check.options(options, known)
    if options == nil then return {} end
    if type(options) ~= "table" then check.bad("options", options, "a table of options") end
    local is_known = {}
    for _, key in ipairs(known) do is_known[key] = true end
    for key in pairs(options) do
      if type(key) ~= "string" then check.bad("options", key, "named options only") end
      if not is_known[key] then
        local meant = x.nearest(key, known)
        fail(key, ERROR_INVALID_PARAMETER, "There is no such option.",
          meant and ("did you mean '%s'?"):format(meant) or "the options are " .. table.concat(known, ", "))
      end
    end
    return options
  end

  return check
end

local by_op = {}

--- x.about(op, f, ...) -> what f(...) gives; what it raises is raised about the function `op`.
function x.about(op, f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local problem = results[2]
  if type(problem) ~= "table" or problem.code == ERROR_OPERATION_ABORTED then error(problem, 0) end
  x.fail(op, problem.target, problem.code, problem.message, problem.hint)
end

--- x.check(op) -> the checks for the function `op` ("tcp.watch").
function x.check(op)
  by_op[op] = by_op[op] or x.checks(function(...) x.fail(op, ...) end)
  return by_op[op]
end
