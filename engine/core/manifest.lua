-- A playbook's manifest: checked whole before the playbook's next line runs; its `args` become a parser.
local core = ...
local check = core.check
local manifest = {}

local FIELDS = {"name", "version", "summary", "author", "license", "args", "grants"}
local ARG_FIELDS = {"type", "default", "help", "values", "required", "least", "most"}

local function bad(field, message, hint) core.fail(field, core.code.P80_BAD_MANIFEST, message, hint) end

-- Runs a check and turns its complaint into one about the manifest.
local function checked(checker, name, value, ...)
  local ok, result = pcall(checker, name, value, ...)
  if ok then return result end
  bad(result.target or name, result.message, result.hint)
end

-- A table with only the `known` fields.
local function checked_fields(name, value, known)
  if type(value) ~= "table" then bad(name, ("%s must be a table."):format(name)) end
  local ok, problem = pcall(check.options, value, known)
  if not ok then bad(("%s.%s"):format(name, problem.target), "There is no such field.", problem.hint) end
end

local function to_number(text)
  local number = tonumber(text)
  if not number then return nil, ("a number expected, got '%s'"):format(text) end
  return number
end

local function to_integer(text)
  local number = text:find("^%-?%d+$") and math.tointeger(tonumber(text))
  if not number then return nil, ("an integer expected, got '%s'"):format(text) end
  return number
end

-- What each type of argument takes: convert(text) -> value or nil, reason; check(name, value, declaration).
local TYPES = {
  text = {check = check.text},
  port = {convert = to_integer, check = check.port},
  integer = {
    convert = to_integer,
    check = function(name, value, arg)
      return check.integer(name, value, arg.least or math.mininteger, arg.most or math.maxinteger)
    end,
  },
  number = {
    convert = to_number,
    check = function(name, value, arg) return check.number(name, value, arg.least or -math.huge, arg.most or math.huge) end,
  },
  seconds = {convert = to_number, check = check.seconds},
  enum = {check = function(name, value, arg) return check.one_of(name, value, arg.values) end},
  flag = {check = check.boolean},
}

local type_names = {}
for name in pairs(TYPES) do type_names[#type_names + 1] = name end
table.sort(type_names)

local function option_name(name) return "--" .. name:gsub("_", "-") end

local function check_arg(name, arg)
  local field = "args." .. tostring(name)
  if type(name) ~= "string" or not name:find("^%l[%w_]*$") then
    bad(field, "An argument's name is lower-case letters, digits and underscores.")
  end
  checked_fields(field, arg, ARG_FIELDS)
  checked(check.one_of, field .. ".type", arg.type, type_names)
  checked(check.opt_text, field .. ".help", arg.help)
  checked(check.opt_boolean, field .. ".required", arg.required)
  for _, bound in ipairs {"least", "most"} do
    if arg[bound] ~= nil then checked(check.number, field .. "." .. bound, arg[bound], -math.huge, math.huge) end
  end
  if arg.type == "enum" then checked(check.list_of_text, field .. ".values", arg.values) end
  if arg.default ~= nil then checked(TYPES[arg.type].check, field .. ".default", arg.default, arg) end
end

--- Checks a manifest; returns it. Raises P80_BAD_MANIFEST that names the field.
function manifest.check(m)
  checked_fields("playbook", m, FIELDS)
  checked(check.text, "name", m.name)
  if not m.name:find("^[%w_%-]+$") then bad("name", "A playbook's name is letters, digits, '-' and '_'.") end
  checked(check.text, "version", m.version)
  if not m.version:find("^%d+%.%d+%.%d+") then bad("version", "A version reads like 1.0.0.") end
  checked(check.text, "summary", m.summary)
  checked(check.opt_text, "author", m.author)
  checked(check.opt_text, "license", m.license)
  if m.args ~= nil and type(m.args) ~= "table" then bad("args", "args must be a table of arguments by name.") end
  for name, arg in pairs(m.args or {}) do check_arg(name, arg) end
  checked(check.list_of_text, "grants", m.grants or {})
  for i, grant in ipairs(m.grants or {}) do core.grants.parse(("grants[%d]"):format(i), grant) end
  return m
end

local function sorted_args(m)
  local names = {}
  for name in pairs(m.args or {}) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- What the usage text shows for a value: <port>, or {move,service}.
local function placeholder(arg)
  return arg.type == "enum" and "{" .. table.concat(arg.values, ",") .. "}" or "<" .. arg.type .. ">"
end

local function help_text(arg)
  local help = arg.help or ""
  if arg.default ~= nil and arg.type ~= "flag" then help = ("%s (default %s)"):format(help, arg.default) end
  return help
end

local function add_option(parser, name, arg)
  local kind = TYPES[arg.type]
  if arg.type == "flag" then
    parser:flag(option_name(name)):target(name):description(help_text(arg))
    return
  end
  parser:option(option_name(name)):target(name):description(help_text(arg)):argname(placeholder(arg))
    :count(arg.required and 1 or "?"):convert(function(text)
      local value, reason = text, nil
      if kind.convert then value, reason = kind.convert(text) end
      if value == nil then return nil, ("option '%s': %s"):format(option_name(name), reason) end
      local ok, problem = pcall(kind.check, name, value, arg)
      if not ok then return nil, ("option '%s': %s"):format(option_name(name), problem.message) end
      return value
    end)
end

local function make_parser(m)
  local parser = require "argparse"("p80 " .. m.name, m.summary):add_help(false)
  parser:usage_max_width(100):help_max_width(100)
  for _, name in ipairs(sorted_args(m)) do add_option(parser, name, m.args[name]) end
  return parser
end

--- The usage text of a playbook.
function manifest.help(m)
  local lines = {make_parser(m):get_help(), "", ("Version %s."):format(m.version)}
  if m.grants and #m.grants > 0 then
    lines[#lines + 1] = "May change: " .. table.concat(m.grants, ", ") .. "."
  else
    lines[#lines + 1] = "Changes nothing."
  end
  lines[#lines + 1] = "Every playbook also takes --check (say what would change, change nothing) and --json."
  return table.concat(lines, "\n") .. "\n"
end

local function requires_any(m)
  for _, arg in pairs(m.args or {}) do
    if arg.required then return true end
  end
  return false
end

--- Parses the command line of a playbook; returns its arguments by name with defaults filled in, or nil and what is
-- wrong with them.
function manifest.parse(m, words)
  local result = {}
  if #words > 0 or requires_any(m) then
    local ok, parsed = make_parser(m):pparse(words)
    if not ok then return nil, parsed end
    result = parsed
  end
  for name, arg in pairs(m.args or {}) do
    if result[name] == nil then result[name] = arg.default end
    if arg.type == "flag" then result[name] = result[name] or false end
  end
  return result
end

return manifest
