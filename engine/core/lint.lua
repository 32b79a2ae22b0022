-- What can be said of a script without running it: `p80 lint`. lint.check(path, text, book) -> array of findings
-- {file=, line=, column=, rule=, message=, hint=}; `book` is what scripts/lib/stubs.lua makes of the stubs.
local core, host = ...
local lint = {}

local parse, find_names = host.chunk "lint_parse"(core, host), host.chunk "lint_names"()
local values = host.chunk "lint_values"()
local needs_of = host.chunk "lint_grants"(core, values)
local value_of, constant, field = values.value_of, values.constant, values.field

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

local function names_of(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local global_names = names_of(is_global)

local function meant(word, words)
  local near = core.x.nearest(word, words)
  return near and ("did you mean '%s'?"):format(near)
end

-- ---- One file ----

local Unit = {}
Unit.__index = Unit

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

function Unit:find_meaning(node)
  if node.tag == "Id" and not node.var then
    return not node.is_field and is_global[node[1]] and not self.written[node[1]] and node[1] or nil
  elseif node.tag == "Id" or node.tag == "Paren" then
    local value = value_of(node)
    return value ~= node and self:meaning(value) or nil
  elseif node.tag == "Index" and node[2].tag == "String" then
    local base = self:meaning(node[1])
    return base and base .. "." .. node[2][1]
  elseif node.tag == "Call" then
    local callee = self:meaning(node[1])
    local module = callee == "require" and node[2] and constant(node[2])
    if module and (self.book.tables[module] or module == "lfs") then return module end
    return callee == "p80.playbook" and "p80.args" or nil
  end
end

-- Whether a node is only the value of a local that is followed itself.
local function is_alias(node) return node.bound and node.bound.sets == 0 end

-- ---- Globals ----

-- luaunit finds the tests of `p80 test` as globals.
function Unit:is_test(name) return self.path:find "_test%.lua$" and name:find "^[Tt]est" end

function Unit:check_globals()
  local own, seen = {}, {}
  for _, var in ipairs(self.names.vars) do own[#own + 1] = var.name end
  local words = table.move(own, 1, #own, #global_names + 1, table.move(global_names, 1, #global_names, 1, {}))
  for _, id in ipairs(self.names.ids) do
    local name = id[1]
    local is_unknown = not is_global[name] and not self.written[name]
    if not id.var and not id.is_field and not seen[name] and (id.is_target or is_unknown) and not self:is_test(name) then
      seen[name] = true
      local near = not is_global[name] and meant(name, id.is_target and own or words)
      if id.is_target then
        self:report(id, "global", ("'%s' is written as a global."):format(name), near or "put 'local' before it")
      else
        self:report(id, "global", ("'%s' is an undeclared global."):format(name), near or "declare it with 'local'")
      end
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
      local near = core.x.nearest(key[1], names_of(members))
      self:report(key, "function", ("There is no %s.%s."):format(path, key[1]), near and ("did you mean '%s.%s'?"):format(path, near)
        or self.book.tables[path] and ("`p80 help %s` lists what there is"):format(path) or "scripts do not have it")
    end
  end
end

-- ---- Options ----

-- What an alternative of a type says of a field: the text of its type, or nil.
local function field_type(alternative, key) return alternative.fields and alternative.fields[key] or alternative.map end

-- Words for a misspelt field at `path` ("args.port") in the manifest, or in what `what` ("win.scm.stop") was given.
local function unknown_field(what, path, key)
  if path == "" then
    return (what == "the manifest" and "The manifest has no field '%s'." or what .. " has no option '%s'."):format(key)
  end
  return ("'%s' of %s has no field '%s'."):format(path, what, key)
end

function Unit:check_table(node, alternatives, what, where)
  local fields, is_open = {}, false
  for _, alternative in ipairs(alternatives) do
    if alternative.any then is_open = true end
    for name in pairs(alternative.fields or {}) do fields[name] = true end
  end
  for _, item in ipairs(node) do
    local key = item.tag == "Pair" and constant(item[1])
    local value, kind = item.tag == "Pair" and item[2] or item, nil
    for _, alternative in ipairs(alternatives) do
      kind = kind or (item.tag == "Pair" and key and field_type(alternative, key)) or (item.tag ~= "Pair" and alternative.array)
    end
    if kind then
      self:check_value(value, kind, what, key and (where == "" and key or ("%s.%s"):format(where, key)) or where)
    elseif type(key) == "string" and next(fields) and not is_open then
      self:report(item[1], what == "the manifest" and "manifest" or "option", unknown_field(what, where, key),
        meant(key, names_of(fields)) or "it may have " .. table.concat(names_of(fields), ", "))
    end
  end
end

-- Whether a constant is one of the words that a type consists of; true when it has others, too.
local function fits(value, alternatives)
  for _, alternative in ipairs(alternatives) do
    if alternative.literal == nil and not alternative.fields and not alternative.array and not alternative.map then return true end
    if alternative.literal == value then return true end
  end
  return false
end

-- Compares an argument, or what is at `where` in it, with its type. `what` names it.
function Unit:check_value(node, kind, what, where)
  local alternatives, value = self.types.alternatives(kind), value_of(node)
  if value.tag == "Table" then
    if not value.is_checked then self:check_table(value, alternatives, what, where) end
    value.is_checked = true
    return
  end
  local text = constant(value)
  if type(text) ~= "string" or #alternatives == 0 or fits(text, alternatives) then return end
  local words = {}
  for _, alternative in ipairs(alternatives) do
    if type(alternative.literal) == "string" then words[#words + 1] = alternative.literal end
  end
  if #words == 0 then return end
  local of = where == "" and what or ("'%s' of %s"):format(where, what)
  self:report(node, "option", ("'%s' is no value for %s."):format(text, of), meant(text, words) or "one of " .. table.concat(words, ", "))
end

-- The function that a call calls, and the position of its first argument; of pcall and xpcall the one that they call.
function Unit:called(call)
  local path, first = self:meaning(call[1]), 2
  if path == "pcall" or path == "xpcall" then
    path, first = call[2] and self:meaning(call[2]), path == "pcall" and 3 or 4
  end
  return path, first
end

function Unit:check_arguments(call)
  local path, first = self:called(call)
  local f = call.tag == "Call" and path and self.book.functions[path]
  if not f then return end
  for i, name in ipairs(f.params) do
    local node, kind = call[first + i - 1], f.args[name] and f.args[name].type
    for _, overload in ipairs(f.overloads) do
      local other = self.types.of_overload(overload)[i]
      kind = kind and other and kind .. "|" .. other
    end
    if node and kind then self:check_value(node, kind, path == "p80.playbook" and "the manifest" or path, "") end
  end
end

-- ---- The manifest ----

-- The node that a field such as "args.port.default" or "grants[2]" of the manifest is about.
local function node_of(manifest, path)
  local node = manifest
  for step in path:gmatch "[%w_]+" do
    local value = node.tag == "Table" and (math.tointeger(tonumber(step)) and node[tonumber(step)] or field(node, step))
    if not value then break end
    node = value
  end
  return node
end

function Unit:check_manifest()
  local before = #self.findings
  for _, call in ipairs(self.names.calls) do self:check_arguments(call) end
  for _, call in ipairs(self.names.calls) do
    local manifest = call.tag == "Call" and call[2] and self:meaning(call[1]) == "p80.playbook" and value_of(call[2])
    if manifest then
      self.manifest = manifest
      local value, is_known = values.literal(manifest)
      local ok, fault = true, nil
      if is_known and #self.findings == before then ok, fault = pcall(core.manifest.check, value) end
      if not ok and type(fault) == "table" then
        self:report(node_of(manifest, fault.target or ""), "manifest", ("%s: %s"):format(fault.target or "playbook", fault.message), fault.hint)
      end
    end
  end
end

-- ---- Arguments of the playbook ----

function Unit:find_uses()
  local uses = self.uses
  for _, list in ipairs {self.names.ids, self.names.indexes} do
    for _, node in ipairs(list) do
      local path = self:meaning(node)
      local named = node.is_base and node.base_of and node.base_of[2].tag == "String"
      if path and not named and not is_alias(node) and not node.is_target then uses.whole[path] = true end
    end
  end
  for _, index in ipairs(self.names.indexes) do
    if index[2].tag == "String" and self:meaning(index[1]) == "p80.args" then
      uses.args[#uses.args + 1] = {unit = self, node = index[2], is_target = index.is_target}
    end
  end
end

function Unit:check_args(uses)
  local args = field(self.manifest, "args")
  if args and args.tag ~= "Table" then return end
  local declared, used = {}, {}
  for _, item in ipairs(args or {}) do
    local name = item.tag == "Pair" and constant(item[1])
    if not name then return end
    declared[name] = item[1]
  end
  for _, use in ipairs(uses.args) do
    local name = use.node[1]
    used[name] = true
    if use.is_target then declared[name] = declared[name] or false end
  end
  for _, use in ipairs(uses.args) do
    local name = use.node[1]
    if declared[name] == nil then
      use.unit:report(use.node, "argument", ("The manifest declares no argument '%s'."):format(name),
        meant(name, names_of(declared)) or ("add '%s' to its args"):format(name))
      used[core.x.nearest(name, names_of(declared)) or name] = true
    end
  end
  if uses.whole["p80.args"] or uses.is_dynamic then return end
  for name, node in pairs(declared) do
    if node and not used[name] then
      self:report(node, "argument", ("The argument '%s' is never used."):format(name), "take it out of args")
    end
  end
end

-- ---- Grants ----

-- What a key of the registry is known by: its name, or the local that holds it.
local function identity(node)
  local name = constant(node)
  return type(name) == "string" and name:lower() or node.var
end

local ASKS_FOR_KEY = {["win.reg.exists"] = true, ["win.reg.info"] = true, ["win.reg.keys"] = true, ["win.reg.values"] = true}

function Unit:find_grants()
  local calls = {}
  for _, call in ipairs(self.names.calls) do
    local path, first = self:called(call)
    if call.tag == "Call" and path then calls[first == 2 and call[1] or call[2]] = {call, first} end
    if ASKS_FOR_KEY[path] and call[first] then self.asked[identity(call[first]) or "any"] = true end
  end
  for _, list in ipairs {self.names.ids, self.names.indexes} do
    for _, node in ipairs(list) do
      local path, how = self:meaning(node), calls[node] or {}
      local needs = path and not node.is_target and not is_alias(node) and needs_of(path, how[1], how[2], self.book) or {}
      for _, need in ipairs(needs) do
        need.unit, need.node, need.path = self, node, path
        self.uses.grants[#self.uses.grants + 1] = need
      end
    end
  end
end

-- Whether the script looks for itself whether a key is there that a call would create.
function Unit:has_asked_for(key)
  local id = identity(key)
  return self.asked.any or id and self.asked[id] or not id and next(self.asked) ~= nil
end

local function covers(grant, kind, label)
  return kind:find(grant.kind) ~= nil and (label == nil or label:lower():find(grant.label) ~= nil)
end

-- Whether one of the grants covers one of `kinds` for its label. Marks the grants that do.
local function is_granted(grants, kinds, labels)
  local granted = false
  for _, kind in ipairs(kinds) do
    for _, grant in ipairs(grants) do
      if covers(grant, kind, labels[kind]) then granted, grant.is_used = true, true end
    end
  end
  return granted
end

-- The grants of the manifest: {kind=, label=, text=, node=}; nil when not all of them can be told.
function Unit:declared_grants()
  local list = field(self.manifest, "grants")
  local grants = {}
  if list and list.tag ~= "Table" then return nil end
  for _, item in ipairs(list or {}) do
    local text = constant(item)
    local ok, grant = pcall(core.grants.parse, "grants", text)
    if not ok then return nil end
    grants[#grants + 1] = {kind = grant.kind, label = grant.label, text = text, node = item}
  end
  return grants
end

local function grant_text(kind, label) return label and ("%s:%s"):format(kind, label) or kind end

-- Whether functions of a kind may be reached in ways that were not followed, such as win.scm[name].
local function may_be_reached(uses, grant)
  if uses.is_dynamic or uses.whole.win then return true end
  for path in pairs(uses.whole) do
    local subject = path:match "^win%.(%l+)"
    for _, kind in ipairs(subject and core.kinds[subject] or {}) do
      if uses.tables[path] and kind:find(grant.kind) then return true end
    end
  end
  return false
end

-- The first of the keys that a use may create for which there is no grant, or nil. Marks the grants for the others.
local function ungranted_key(grants, use)
  is_granted(grants, use.kinds, use.labels)
  for _, key in ipairs(use.levels) do
    if not is_granted(grants, use.kinds, {["reg.key"] = key}) then return key end
  end
end

-- Reports a key without a grant once for each file.
local function report_key(use, key)
  local unit, what = use.unit, key or "any"
  if unit.told[what] or use.if_missing and unit:has_asked_for(use.if_missing) then return end
  unit.told[what] = true
  unit:report(use.node, "grant", ("%s needs the grant '%s', too, when that key is missing."):format(use.path,
    grant_text("reg.key", key)), "add it to the manifest's grants" .. (use.if_missing and ", or ask win.reg.exists first" or ""))
end

local function check_use(grants, use)
  if use.levels then
    local key = ungranted_key(grants, use)
    if key then report_key(use, key) end
  elseif not is_granted(grants, use.kinds, use.labels) and use.is_sure then
    if use.if_missing then return report_key(use) end
    local kind = use.kinds[1]
    use.unit:report(use.node, "grant", ("%s needs the grant '%s'."):format(use.path, grant_text(kind, use.labels[kind])),
      "add it to the manifest's grants")
  end
end

function Unit:check_grants(uses)
  local grants = self:declared_grants()
  if not grants then return end
  for _, use in ipairs(uses.grants) do check_use(grants, use) end
  for _, grant in ipairs(grants) do
    if not grant.is_used and not may_be_reached(uses, grant) then
      self:report(grant.node, "grant", ("The grant '%s' is never used."):format(grant.text), "take it out of grants")
    end
  end
end

-- A script without manifest that is no module: it has only what --allow gives.
function Unit:check_ungranted(tree)
  local last, use = tree[#tree], nil
  if last and last.tag == "Return" and last[1] then return end
  for _, other in ipairs(self.uses.grants) do
    if other.is_sure then use = use or other end
  end
  if not use then return end
  self:report(use.node, "grant", ("%s needs the grant '%s', and this script has no manifest."):format(use.path, use.kinds[1]),
    "call p80.playbook with its grants first, or run it with --allow " .. use.kinds[1])
end

-- ---- Modules beside the script ----

-- The units of the modules that `unit` requires, and that these require, into `list`.
local function add_modules(unit, list, open)
  for _, call in ipairs(unit.names.calls) do
    if call.tag == "Call" and unit:meaning(call[1]) == "require" and call[2] then
      local name = constant(call[2])
      local is_bundled = type(name) == "string" and (unit.book.tables[name] or name == "lfs" or host.source("lib", name))
      local module = type(name) == "string" and not is_bundled and open(unit, name)
      if module and not list[module] then
        list[module] = true
        list[#list + 1] = module
        add_modules(module, list, open)
      elseif not module and not is_bundled then
        unit.uses.is_dynamic = true
      end
    end
  end
end

-- All that a playbook and its modules use.
local function merged(units)
  local uses = {args = {}, grants = {}, whole = {}, tables = units[1].book.tables}
  for _, unit in ipairs(units) do
    table.move(unit.uses.args, 1, #unit.uses.args, #uses.args + 1, uses.args)
    table.move(unit.uses.grants, 1, #unit.uses.grants, #uses.grants + 1, uses.grants)
    for path in pairs(unit.uses.whole) do uses.whole[path] = true end
    uses.is_dynamic = uses.is_dynamic or unit.uses.is_dynamic or unit.uses.whole.load or unit.uses.whole._G or unit.uses.whole.dofile
  end
  return uses
end

-- ---- All together ----

local function new_unit(path, parsed, book, types)
  local unit = setmetatable({
    path = path, column = parsed.column, book = book, types = types, names = find_names(parsed.tree), findings = {}, silent = {},
    written = {}, asked = {}, told = {}, uses = {args = {}, grants = {}, whole = {}},
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

--- A linter: linter.check(path, text) -> findings. `read(path)` -> the text of a file, or nil.
function lint.open(read)
  local sources, linter, units = {}, {}, {}
  for _, name in ipairs(host.names "api") do sources[name] = host.source("api", name) end
  local book = host.lib "stubs"(sources)
  local types = host.chunk "lint_types"(book)

  -- The unit of a file, and its tree; or nil and the finding that says why not.
  local function open(path, text)
    if units[path] then return units[path], units[path].tree end
    local parsed, fault = parse(text)
    if not parsed then
      fault.file, fault.rule = path, "syntax"
      return nil, fault
    end
    local unit = new_unit(path, parsed, book, types)
    unit.tree = parsed.tree
    units[path] = unit
    return unit, parsed.tree
  end

  local function open_module(unit, name)
    local base = (unit.path:match "^(.*[\\/])" or "") .. name:gsub("%.", "\\")
    for _, path in ipairs {base .. ".lua", base .. "\\init.lua"} do
      local text = read(path)
      if text then return (open(path, text)) end
    end
  end

  local function check(path, text)
    if text:find "^%-%-%-@meta" then return {} end -- a stub for editors
    local unit, tree = open(path, text)
    if not unit then return {tree} end
    unit:check_globals()
    unit:check_functions()
    unit:check_manifest()
    local all = {unit}
    add_modules(unit, all, open_module)
    if unit.manifest and unit.manifest.tag == "Table" then
      unit:check_args(merged(all))
      unit:check_grants(merged(all))
    elseif not unit.manifest then
      unit:check_ungranted(tree)
    end
    local findings = {}
    for _, one in ipairs(all) do
      table.move(one.findings, 1, #one.findings, #findings + 1, findings)
      one.findings = {}
    end
    return findings
  end

  function linter.check(path, text)
    local ok, result = pcall(check, path, text)
    if ok then return result end
    if type(result) == "string" and result:find "stack overflow" then
      return {{file = path, line = 1, column = 1, rule = "syntax", message = "This is nested too deeply to be checked.",
        hint = "divide it into functions"}}
    end
    error(result, 0)
  end

  return linter
end

return lint
