-- A playbook's manifest: checked whole before the playbook's next line runs. core.arguments is about its `args`.
local core, host = ...
local check, types = core.check, core.types
local manifest = {}

local FIELDS = {
  "name", "version", "summary", "author", "license", "p80", "windows", "args", "grants", "reports", "recover", "watch",
}
local ARG_FIELDS = {"type", "default", "help", "values", "required", "least", "most", "of"}
local RECOVER = {"report", "undo", "complete"}
local WATCH = {"tcp", "services", "http"}

-- Names that p80 takes for itself wherever they stand.
local RESERVED = {"check", "dry_run", "what_if", "json", "quiet", "verbose", "no_color", "help", "args_file"}

local function bad(field, message, hint) core.fail(field, core.code.P80_BAD_MANIFEST, message, hint) end

-- Runs a check and turns its complaint into one about the manifest.
local function checked(checker, name, value, ...)
  local ok, result = pcall(checker, name, value, ...)
  if ok then return result end
  bad(result.target or name, result.message, result.hint)
end

-- What could hide something, or pass for another line, where a manifest is shown before somebody agrees to it: control
-- characters, and those that turn the direction of writing.
local HIDING <const> = {"[%c\x7F]", "\xC2[\x80-\x9F]", "\xE2\x80[\x8E\x8F\xA8-\xAE]", "\xE2\x81[\xA6-\xA9]", "\u{61C}"}

local function check_line(field, text)
  for _, pattern in ipairs(HIDING) do
    if text and text:find(pattern) then bad(field, "It has a control character.") end
  end
end

-- A table with only the `known` fields.
local function checked_fields(name, value, known)
  if type(value) ~= "table" then bad(name, ("%s must be a table."):format(name)) end
  local ok, problem = pcall(check.options, value, known)
  if not ok then bad(("%s.%s"):format(name, problem.target), "There is no such field.", problem.hint) end
end

-- ---- Arguments ----

local type_names, item_names = {}, {}
local NO_ITEM = {list = true, flag = true, secret = true}
for name, kind in pairs(types) do
  if type(kind) == "table" then
    type_names[#type_names + 1] = name
    if not NO_ITEM[name] then item_names[#item_names + 1] = name end
  end
end
table.sort(type_names)
table.sort(item_names)

-- One of `words`, with a suggestion when it is a misspelt one.
local function checked_word(field, word, words)
  local ok, problem = pcall(check.one_of, field, word, words)
  local near = not ok and type(word) == "string" and core.x.nearest(word, words)
  if not ok then bad(field, problem.message, near and ("did you mean '%s'?"):format(near) or nil) end
end

-- A field that only some types have.
local function check_fitting(field, value, is_fitting, what)
  if value ~= nil and not is_fitting then bad(field, ("Only %s has this."):format(what)) end
end

local function check_values(field, values)
  checked(check.list_of_text, field, values)
  if #values == 0 then bad(field, "At least one value expected.") end
  for _, value in ipairs(values) do
    if value == "" or value:find "[,%c]" then bad(field, "A value is not empty and has no comma.") end
  end
end

local function check_bounds(field, arg, item)
  check_fitting(field .. ".least", arg.least, item.bounds, "a number")
  check_fitting(field .. ".most", arg.most, item.bounds, "a number")
  for _, bound in ipairs {"least", "most"} do
    if arg[bound] ~= nil then checked(check.number, field .. "." .. bound, arg[bound], -math.huge, math.huge) end
  end
  if arg.least and arg.most and arg.least > arg.most then bad(field .. ".least", "It is greater than `most`.") end
end

local function check_default(field, arg)
  if arg.default == nil then return end
  if arg.required then bad(field .. ".required", "An argument with a default is never missing.") end
  if arg.type == "secret" then bad(field .. ".default", "A secret in a playbook is none: it has no default.") end
  if arg.type == "flag" and arg.default then bad(field .. ".default", "A flag is false when it is not given.") end
  checked(types[arg.type].check, field .. ".default", arg.default, arg)
end

local function check_arg(name, arg)
  local field = "args." .. tostring(name)
  if type(name) ~= "string" or not name:find "^%l[%l%d_]*$" then
    bad(field, "An argument's name is lower-case letters, digits and underscores.")
  end
  if core.data.contains(RESERVED, name) then bad(field, "p80 itself has an option of this name.") end
  checked_fields(field, arg, ARG_FIELDS)
  checked_word(field .. ".type", arg.type, type_names)
  checked(check.opt_text, field .. ".help", arg.help)
  check_line(field .. ".help", arg.help and arg.help:gsub("[\n\t]", " "))
  checked(check.opt_boolean, field .. ".required", arg.required)
  check_fitting(field .. ".of", arg.of, arg.type == "list", "a list")
  if arg.of ~= nil then checked_word(field .. ".of", arg.of, item_names) end
  local item = arg.type == "list" and (arg.of or "text") or arg.type
  check_fitting(field .. ".values", arg.values, item == "enum", "an enum")
  if item == "enum" then check_values(field .. ".values", arg.values) end
  check_bounds(field, arg, types[item])
  if arg.type == "flag" and arg.required then bad(field .. ".required", "A flag is false when it is not given.") end
  check_default(field, arg)
end

-- ---- Versions ----

-- The numbers of "10.0.17763", or nil.
local function numbers(text)
  if not text:find "^%d+%.%d+[%d.]*$" or text:find "%.%." or text:find "%.$" then return nil end
  local list = {}
  for number in text:gmatch "%d+" do list[#list + 1] = math.tointeger(tonumber(number)) end
  return #list <= 4 and list or nil
end

local function is_older(have, want)
  for i = 1, #want do
    local a, b = have[i] or 0, want[i]
    if a ~= b then return a < b end
  end
  return false
end

--- Whether version `have` of a playbook is older than `want`.
function manifest.is_older(have, want)
  return is_older(numbers(have:match "^[%d.]*%d") or {}, numbers(want:match "^[%d.]*%d") or {})
end

local function checked_version(field, text, example)
  checked(check.text, field, text)
  if not numbers(text) then bad(field, ("A version such as %s expected, got '%s'."):format(example, text)) end
end

local function too_old(target, what, least, have, hint)
  core.fail(target, core.code.P80_TOO_OLD, ("It needs %s %s or newer; this is %s."):format(what, least, have), hint)
end

-- Raises when the playbook was written for a newer p80, whose manifests may have more fields than this one knows.
local function check_p80(m)
  if m.p80 == nil then return end
  checked_version("p80", m.p80, "0.1.0")
  if is_older(numbers(host.version), numbers(m.p80)) then
    too_old(m.name, "p80", m.p80, host.version, "update p80.exe on this machine")
  end
end

--- Raises P80_TOO_OLD on a Windows that is older than the manifest asks for.
function manifest.check_windows(m)
  if not m.windows then return end
  local version = core.win.host.version()
  if is_older({version.major, version.minor, version.build}, numbers(m.windows)) then
    too_old(m.name, "Windows", m.windows, ("%d.%d.%d"):format(version.major, version.minor, version.build),
      "run it on a machine with a newer Windows")
  end
end

-- ---- The whole ----

local DEVICES = {con = true, prn = true, aux = true, nul = true}

--- Why `name` is no name of a playbook, as a sentence, or nil. It is the name of a file, too.
function manifest.name_problem(name)
  if not name:find "^%w[%w_%-]*$" or #name > 64 then
    return ("A playbook's name is letters, digits, '-' and '_', 64 at most, and begins with a letter or digit, not %s."):format(
      check.shown(name))
  end
  local low = name:lower()
  if DEVICES[low] or low:find "^com%d$" or low:find "^lpt%d$" then return ("Windows keeps the name '%s' for a device."):format(name) end
end

local function check_grants(list)
  checked(check.list_of_text, "grants", list)
  for i, grant in ipairs(list) do
    check_line(("grants[%d]"):format(i), grant)
    core.grants.parse(("grants[%d]"):format(i), grant)
  end
end

local function check_watch(list)
  checked(check.list_of_text, "watch", list)
  for i, word in ipairs(list) do checked_word(("watch[%d]"):format(i), word, WATCH) end
end

--- Checks a manifest; returns it. Raises P80_BAD_MANIFEST that names the field, P80_TOO_OLD if it needs a newer p80.
function manifest.check(m)
  if type(m) ~= "table" then
    bad("playbook", "A table expected: p80.playbook {name = ..., version = ..., summary = ...}.")
  end
  check_p80(m)
  checked_fields("playbook", m, FIELDS)
  for _, field in ipairs {"name", "version", "summary"} do
    if m[field] == nil then bad(field, "It is missing from the manifest.") end
  end
  checked(check.text, "name", m.name)
  local problem = manifest.name_problem(m.name)
  if problem then bad("name", problem) end
  checked(check.text, "version", m.version)
  if not m.version:find "^%d+%.%d+%.%d+$" and not m.version:find "^%d+%.%d+%.%d+[-+][%w.+-]+$" then
    bad("version", ("A version such as 1.0.0 expected, got %s."):format(check.shown(m.version)))
  end
  for _, field in ipairs {"summary", "author", "license", "reports"} do
    checked(check.opt_text, field, m[field])
    check_line(field, m[field])
  end
  if m.windows ~= nil then checked_version("windows", m.windows, "6.1") end
  if m.args ~= nil and type(m.args) ~= "table" then bad("args", "args must be a table of arguments by name.") end
  for name, arg in pairs(m.args or {}) do check_arg(name, arg) end
  check_grants(m.grants or {})
  if m.recover ~= nil then checked_word("recover", m.recover, RECOVER) end
  check_watch(m.watch or {})
  return m
end

--- "safe" when it changes nothing, else "intrusive".
function manifest.category(m) return m.grants and #m.grants > 0 and "intrusive" or "safe" end

return manifest
