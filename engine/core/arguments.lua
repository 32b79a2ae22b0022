-- A playbook's arguments, from one declaration: what is typed, what an arguments file gives, help, and a form that
-- other programs read.
local core, host = ...
local check, code, data, types = core.check, core.code, core.data, core.types
local arguments = {}

--- The option of an argument: "--up-to" for up_to.
function arguments.option(name) return "--" .. name:gsub("_", "-") end

--- The names of a manifest's arguments, sorted.
function arguments.names(m)
  local names = {}
  for name in pairs(m.args or {}) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- ---- For people ----

-- What the usage text shows for a value: <port>, {move,service} or <port>,...
local function placeholder(arg)
  local element = arg.type == "list" and (arg.of or "text") or arg.type
  local text = element == "enum" and "{" .. table.concat(arg.values, ",") .. "}" or "<" .. element .. ">"
  return arg.type == "list" and text .. ",..." or text
end

local function default_text(value)
  return type(value) == "table" and table.concat(value, ",") or tostring(value)
end

local function help_text(arg)
  local help = arg.help or ""
  if arg.required then return help .. " (required)" end
  if arg.default == nil or arg.type == "flag" then return help end
  return ("%s (default %s)"):format(help, default_text(arg.default))
end

-- What is missing is known only after the arguments file; only the help text has argparse count.
local function count_of(arg, for_help)
  local least = for_help and arg.required and 1 or 0
  return arg.type == "list" and least .. "+" or least .. "-1"
end

local function add_option(parser, name, arg, for_help)
  local option = arguments.option(name)
  if arg.type == "flag" then
    parser:flag(option):target(name):description(help_text(arg))
    return
  elseif arg.type == "secret" then
    parser:option(option):target(name):args "?":hidden(true)
    return
  end
  local read = types[arg.type].read
  parser:option(option):target(name):description(help_text(arg)):argname(placeholder(arg))
    :count(count_of(arg, for_help)):convert(function(text)
      local value, reason = text, nil
      if read then value, reason = read(text, arg) end
      if value == nil then return nil, ("option '%s': %s"):format(option, reason) end
      local ok, checked = pcall(types[arg.type].check, name, value, arg)
      if not ok then return nil, ("option '%s': %s"):format(option, checked.message) end
      return checked
    end)
end

local FILE_HELP = "a JSON file with arguments that are not given here; - reads it from standard input"

local function make_parser(m, for_help, called)
  local parser = host.lib "argparse"("p80 " .. (called or m.name), m.summary):add_help(false)
  parser:usage_max_width(100):help_max_width(100)
  for _, name in ipairs(arguments.names(m)) do add_option(parser, name, m.args[name], for_help) end
  parser:option "--args-file":argname "<file>":description(FILE_HELP)
  return parser
end

-- The secrets, which are no options.
local function secrets_text(m)
  local rows = {}
  for _, name in ipairs(arguments.names(m)) do
    if m.args[name].type == "secret" then rows[#rows + 1] = ("   %-20s  %s"):format(name, help_text(m.args[name])) end
  end
  if not rows[1] then return "" end
  return "\nSecrets, from --args-file or asked for at the console:\n" .. table.concat(rows, "\n") .. "\n"
end

--- The usage text of a playbook, which is `called` by its path where it has no name here.
function arguments.help(m, called)
  local lines = {make_parser(m, true, called):get_help() .. secrets_text(m), ""}
  local function add(...) lines[#lines + 1] = (...):format(select(2, ...)) end
  add("Version %s%s%s.", m.version,
    m.author and " by " .. m.author or "", m.license and ", licence " .. m.license or "")
  if m.p80 then add("Needs p80 %s or newer.", m.p80) end
  if m.windows then add("Needs Windows %s or newer.", m.windows) end
  if m.grants and #m.grants > 0 then
    add("May change: %s.", table.concat(m.grants, ", "))
  else
    add "Changes nothing."
  end
  if m.reports then add("Reports: %s", m.reports) end
  add "Every playbook also takes --check (say what would change, change nothing) and --json."
  return table.concat(lines, "\n") .. "\n"
end

-- ---- For other programs ----

--- The arguments as an array of records.
function arguments.declared(m)
  local rows = data.array {}
  for i, name in ipairs(arguments.names(m)) do
    rows[i] = data.overlay(m.args[name], {name = name, required = m.args[name].required or false})
    if m.args[name].type ~= "secret" then rows[i].option = arguments.option(name) end
  end
  return rows
end

-- ---- What is given ----

-- What is typed, by name; nil and what is wrong with it. The items of a list that is repeated are put together.
local function typed(m, words)
  if #words == 0 then return {} end
  local ok, parsed = make_parser(m):pparse(words)
  if not ok then return nil, parsed end
  for name, arg in pairs(m.args or {}) do
    if arg.type == "secret" and parsed[name] then
      return nil, ("'%s' is a secret, which is not typed: every program of this machine could read it there. Leave it "
        .. "out to be asked, or put it into a file for --args-file"):format(name)
    elseif arg.type == "list" and parsed[name] then
      local whole = {}
      for _, list in ipairs(parsed[name]) do table.move(list, 1, #list, #whole + 1, whole) end
      parsed[name] = whole[1] ~= nil and whole or nil
    end
  end
  return parsed
end

local function bad_file(file, message, ...)
  core.fail(file, code.P80_BAD_ARGUMENTS, message:format(...), "`p80 help p80.manifest` says what an arguments file is")
end

-- The text of an arguments file, which is of this machine also when the playbook runs on a modelled one.
local function read_file(file)
  local stream, problem = io.stdin, nil
  if file ~= "-" then stream, problem = io.open(file, "rb") end
  if not stream then bad_file(file, "The arguments file cannot be read: %s.", problem:sub(#file + 3)) end
  local text = stream:read "a" or ""
  if stream ~= io.stdin then stream:close() end
  if text:find "^\xFF\xFE" or text:find "^\xFE\xFF" then bad_file(file, "This is UTF-16 text; save it as UTF-8.") end
  return (text:gsub("^\xEF\xBB\xBF", ""))
end

-- The line of a place in a text, for errors that must not tell what stands there.
local function line_at(text, place) return 1 + select(2, text:sub(1, place - 1):gsub("\n", "")) end

-- The arguments in a file, by name.
local function filed(m, file)
  local text, known = read_file(file), arguments.names(m)
  local given, place, problem = host.lib "dkjson".decode(text, 1, nil, nil, nil)
  if problem or text:find("%S", place) then bad_file(file, "Line %d is no JSON.", line_at(text, place)) end
  if type(given) ~= "table" or given[1] ~= nil then
    bad_file(file, "A JSON object expected, with arguments by name.")
  end
  for name, value in pairs(given) do
    local arg = (m.args or {})[name]
    if not arg then
      local near = core.x.nearest(name, known)
      bad_file(file, "There is no argument '%s'%s.", name, near and ("; did you mean '%s'?"):format(near) or "")
    end
    local ok, checked = pcall(types[arg.type].check, name, value, arg)
    if not ok then bad_file(file, "'%s': %s", name, checked.message) end
    given[name] = checked
  end
  return given
end

local function fail_missing(name, arg)
  if arg.type ~= "secret" then return ("missing option '%s'"):format(arguments.option(name)) end
  return ("the secret '%s' is missing; run p80 at a console to be asked, or put it into a file for --args-file")
    :format(name)
end

-- Adds the values that are still missing; returns what is wrong, or nil.
local function complete(m, values)
  local asked = {}
  for _, name in ipairs(arguments.names(m)) do
    local arg = m.args[name]
    if values[name] == nil and arg.default ~= nil then values[name] = types[arg.type].check(name, arg.default, arg) end
    if values[name] == nil and arg.type == "flag" then values[name] = false end
    if values[name] == nil and arg.required then
      if arg.type ~= "secret" then return fail_missing(name, arg) end
      asked[#asked + 1] = name
    end
  end
  for _, name in ipairs(asked) do
    values[name] = core.secrets.ask(m, name)
    if not values[name] then return fail_missing(name, m.args[name]) end
  end
end

--- The arguments by name: what is typed, before what the arguments file says, before the defaults. Returns nil and what
-- is wrong with the words.
function arguments.take(m, words)
  local values, problem = typed(m, words)
  if not values then return nil, problem end
  local file = values.args_file
  values.args_file = nil
  if file then
    for name, value in pairs(filed(m, file)) do
      if values[name] == nil then values[name] = value end
    end
  end
  problem = complete(m, values)
  if problem then return nil, problem end
  for name, arg in pairs(m.args or {}) do
    if arg.type == "secret" then core.secrets.keep(values[name]) end
  end
  return values
end

return arguments
