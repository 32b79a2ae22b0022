-- What can be said of a script without running it: `p80 lint`. lint.check(path, text, book) -> array of findings
-- {file=, line=, column=, rule=, message=, hint=}; `book` is what scripts/lib/stubs.lua makes of the stubs.
local core, host = ...
local lint = {}

local parse, find_names = host.chunk "lint_parse"(core, host), host.chunk "lint_names"()
local values = host.chunk "lint_values"(core)
local value_of, constant, meant, names_of = values.value_of, values.constant, values.meant, values.names_of

local LONGEST <const> = 200 -- bytes of a name that is followed

-- What Lua has, and the guard takes away from scripts.
local REMOVED = {
  string = {"dump"}, package = {"loadlib", "path", "cpath", "config", "searchpath"},
  debug = {
    "debug", "gethook", "sethook", "getlocal", "setlocal", "getmetatable", "setmetatable", "getregistry", "getupvalue",
    "setupvalue", "upvalueid", "upvaluejoin", "getuservalue", "setuservalue", "setcstacklimit",
  },
}

local is_global, libraries = {win = true, arg = true}, {} -- and members of the libraries by name
for name, value in pairs(_G) do
  is_global[name] = true
  if type(value) == "table" and name ~= "_G" then
    libraries[name] = {}
    for member in pairs(value) do libraries[name][member] = true end
    for _, member in ipairs(REMOVED[name] or {}) do libraries[name][member] = nil end
  end
end

local global_names = names_of(is_global)

-- ---- One file ----

local Unit = {}
Unit.__index = Unit
host.chunk "lint_calls"(core, values, Unit)
host.chunk "lint_playbook"(core, values, Unit)

function Unit:report(node, rule, message, hint)
  local line = node.line
  if self.silent[line] then return end
  self.findings[#self.findings + 1] =
    {file = self.path, line = line, column = self.column(node), rule = rule, message = message, hint = hint}
end

-- "win.scm.stop", "os.remove", "p80.args": what an expression means by the names of the stubs and libraries, or nil.
function Unit:meaning(node)
  if node.means == nil then
    node.means = false -- while it is looked for
    node.means = self:find_meaning(node) or false
  end
  return node.means or nil
end

-- Whether a bundled module has this name.
function Unit:is_module(name) return self.book.tables[name] ~= nil and not name:find "%." or name == "lfs" end

function Unit:find_meaning(node)
  if node.tag == "Id" and not node.var then
    local is_known = is_global[node[1]] or node[1] == "p80" -- which somebody has forgotten to require
    return is_known and not node.is_field and not self.written[node[1]] and node[1] or nil
  elseif node.tag == "Id" or node.tag == "Paren" then
    local value = value_of(node)
    return value ~= node and self:meaning(value) or nil
  elseif node.tag == "Index" and node[2].tag == "String" then
    local base = self:meaning(node[1])
    return base and #base < LONGEST and base .. "." .. node[2][1] or nil
  elseif node.tag == "Call" then
    local callee = self:meaning(node[1])
    local module = callee == "require" and node[2] and constant(node[2])
    if module and (self.book.tables[module] or module == "lfs") then return module end
    return callee == "p80.playbook" and "p80.args" or nil
  end
end

-- ---- Globals ----

-- luaunit finds the tests of `p80 test` as globals.
function Unit:is_test(name) return self.path:find "_test%.lua$" and name:find "^[Tt]est" end

-- What should be done about a global that nobody has declared; `words` are the names that there are.
function Unit:advice(name, words)
  if self:is_module(name) then return ('put local %s = require "%s" before it'):format(name, name) end
  local args = self.manifest and self.manifest.tag == "Table" and values.field(self.manifest, "args")
  if args and args.tag == "Table" and values.field(args, name) then
    self.uses.args[#self.uses.args + 1] = {unit = self, node = {name}}
    return ("an argument is in what p80.playbook returns: args.%s"):format(name)
  end
  return meant(name, words) or "declare it with 'local'"
end

function Unit:check_globals()
  local own, seen = {}, {}
  for _, var in ipairs(self.names.vars) do own[#own + 1] = var.name end
  local words = table.move(own, 1, #own, #global_names + 1, table.move(global_names, 1, #global_names, 1, {}))
  for _, id in ipairs(self.names.ids) do
    local name = id[1]
    local is_own = id.var or id.is_field or seen[name] or self:is_test(name)
    if not is_own and id.is_target then
      local near = not is_global[name] and meant(name, own)
      self:report(id, "global", ("'%s' is written as a global."):format(name), near or "put 'local' before it")
      seen[name] = true
    elseif not is_own and not is_global[name] and not self.written[name] then
      self:report(id, "global", ("'%s' is an undeclared global."):format(name), self:advice(name, words))
      seen[name] = true
    end
  end
end

-- ---- Functions ----

-- The names in a table of the stubs or a library, or nil when it is neither.
function Unit:members(path)
  local owner = self.book.tables[path]
  if not owner then return libraries[path] end
  local members = {}
  for _, field in ipairs(owner.fields) do members[field.name] = true end
  for _, name in ipairs(owner.functions) do members[name:sub(#path + 2)] = true end
  for name in pairs(self.book.tables) do
    if name:sub(1, #path + 1) == path .. "." then members[name:match("^([^.]+)", #path + 2)] = true end
  end
  return members
end

function Unit:check_functions()
  for _, index in ipairs(self.names.indexes) do
    local path, key = self:meaning(index[1]), index[2]
    local members = path and key.tag == "String" and not index.is_target and self:members(path)
    if members and not members[key[1]] then
      local near = values.near(key[1], names_of(members))
      local hint = self.book.tables[path] and ("`p80 help %s` lists what there is"):format(path)
        or "scripts do not have it"
      self:report(key, "function", ("There is no %s.%s."):format(path, key[1]),
        near and ("did you mean '%s.%s'?"):format(path, near) or hint)
    end
  end
end

-- ---- Modules beside the script ----

-- Every module that a unit requires by a constant name and that is not bundled: {call, name}.
function Unit:own_modules()
  local list = {}
  for _, call in ipairs(self.names.calls) do
    if call.tag == "Call" and call[2] and self:meaning(call[1]) == "require" then
      local name = constant(call[2])
      if type(name) ~= "string" then
        self.uses.is_dynamic = true
      elseif not (self.book.tables[name] or name == "lfs" or host.source("lib", name)) then
        list[#list + 1] = {call, name}
      end
    end
  end
  return list
end

-- Reports a module that there is not.
function Unit:report_missing(call, name)
  local names = {"lfs"}
  for other in pairs(self.book.tables) do
    if self:is_module(other) then names[#names + 1] = other end
  end
  self.uses.is_dynamic = true
  self:report(call, "module", ("There is no module '%s'."):format(name),
    meant(name, names) or ("it would be the file %s.lua beside the script"):format(name:gsub("%.", "\\")))
end

-- Reports each `require` whose module only the run can tell: what signs, installs or lints a script looks for its name.
function Unit:check_requires()
  local is_followed = {}
  for _, call in ipairs(self.names.calls) do
    for i = 1, call.tag == "Call" and #call - 1 or 0 do -- require "x", pcall(require, "x")
      if call[i][1] == "require" and call[i + 1].tag == "String" then is_followed[call[i]] = true end
    end
  end
  for _, id in ipairs(self.names.ids) do
    if self:meaning(id) == "require" and not (is_followed[id] or values.is_alias(id) or id.is_target) then
      self:report(id, "require",
        "Which module this requires cannot be told from the text, so `p80 sign` and `p80 install FILE` leave it out.",
        'write require "NAME" for each that it may be')
    end
  end
end

-- Adds the units of the modules that `unit` requires, and that these require, to `list`, and what is wrong with the
-- text of one to `faults`. open(name) -> unit, or nil and the fault, if there is one.
local function add_modules(unit, list, open, faults)
  for _, one in ipairs(unit:own_modules()) do
    local module, fault = open(one[2])
    if module and not list[module] then
      list[module] = true
      list[#list + 1] = module
      add_modules(module, list, open, faults)
    elseif fault then
      unit.uses.is_dynamic = true
      faults[#faults + 1] = fault
    elseif not module then
      unit:report_missing(one[1], one[2])
    end
  end
end

-- All that a playbook and its modules use.
local function merged(units)
  local uses = {args = {}, grants = {}, whole = {}, tables = units[1].book.tables}
  for _, unit in ipairs(units) do
    local own = unit.uses
    table.move(own.args, 1, #own.args, #uses.args + 1, uses.args)
    table.move(own.grants, 1, #own.grants, #uses.grants + 1, uses.grants)
    for path in pairs(own.whole) do uses.whole[path] = true end
    uses.is_dynamic = uses.is_dynamic or own.is_dynamic or own.whole.load or own.whole._G or own.whole.dofile
  end
  return uses
end

-- ---- All together ----

local function new_unit(path, parsed, book, types)
  local unit = setmetatable({
    path = path, tree = parsed.tree, column = parsed.column, book = book, types = types,
    names = find_names(parsed.tree), findings = {}, silent = {}, written = {}, asked = {}, told = {}, faulty = {},
    uses = {args = {}, grants = {}, whole = {}},
  }, Unit)
  for _, comment in ipairs(parsed.comments) do
    if comment.contents:find "lint: ok" then unit.silent[comment.line] = true end
  end
  for _, id in ipairs(unit.names.ids) do
    if id.is_target and not id.var and not id.is_field then unit.written[id[1]] = true end
  end
  for _, index in ipairs(unit.names.indexes) do index[1].base_of = index end
  unit:find_uses()
  unit:find_grants()
  return unit
end

-- Whether a script without manifest gives something back, as modules do.
function Unit:is_a_module()
  local last = self.tree[#self.tree]
  return not self.manifest and last ~= nil and last.tag == "Return" and last[1] ~= nil
end

function Unit:check_alone()
  if self.is_checked then return end
  self.is_checked = true
  self:check_functions()
  self:check_requires()
  self:check_calls()
  self:check_manifest()
  self:check_globals()
  self:check_fields()
  self:check_comparisons()
  self:check_loops()
end

-- Checks a unit together with the modules of `all`, of which it is the first.
function Unit:check_with(all)
  if self.manifest and self.manifest.tag == "Table" then
    local uses = merged(all)
    self:check_args(uses)
    self:check_grants(uses)
  elseif not self.manifest and not self:is_a_module() then
    self:check_ungranted()
  end
end

local Linter = {}
Linter.__index = Linter

-- The unit of a file, or nil and the finding that says why not.
function Linter:open(path, text)
  if self.units[path] then return self.units[path] end
  local parsed, fault = parse(text)
  if not parsed then
    fault.file, fault.rule = path, "syntax"
    return nil, fault
  end
  self.units[path] = new_unit(path, parsed, self.book, self.types)
  return self.units[path]
end

-- The unit of a module of a script in `folder`.
function Linter:open_module(folder, name)
  local base = folder .. name:gsub("%.", "\\")
  for _, path in ipairs {base .. ".lua", base .. "\\init.lua"} do
    local text = self.read(path)
    if text then return self:open(path, text) end
  end
end

function Linter:check_unit(path, text)
  if text:find "^%-%-%-@meta" then return {} end -- a stub for editors
  local unit, fault = self:open(path, text)
  if not unit then return {fault} end
  unit:check_alone()
  local all, findings, folder = {unit}, {}, path:match "^(.*[\\/])" or ""
  if not unit:is_a_module() then
    add_modules(unit, all, function(name) return self:open_module(folder, name) end, findings)
  end
  unit:check_with(all)
  for _, one in ipairs(all) do
    one:check_alone()
    table.move(one.findings, 1, #one.findings, #findings + 1, findings)
    one.findings = {}
  end
  return findings
end

--- What is to be said of the text of a file.
function Linter:check(path, text)
  local ok, result = pcall(self.check_unit, self, path, text)
  if ok then return result end
  if type(result) ~= "string" or not result:find "stack overflow" then error(result, 0) end
  return {{
    file = path, line = 1, column = 1, rule = "syntax", message = "This is nested too deeply to be checked.",
    hint = "divide it into functions",
  }}
end

--- A linter: linter:check(path, text) -> findings. `read(path)` -> the text of a file, or nil.
function lint.open(read)
  local sources = {}
  for _, name in ipairs(host.names "api") do sources[name] = host.source("api", name) end
  local book = host.lib "stubs"(sources)
  return setmetatable({read = read, units = {}, book = book, types = host.chunk "lint_types"(book)}, Linter)
end

return lint
