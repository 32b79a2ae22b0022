-- What calls of documented functions are given, and what is done with what they return: adds to `Unit` (lint.lua)
-- check_calls, check_fields and check_comparisons.
local core, values, Unit = ...
local value_of, constant, meant, names_of = values.value_of, values.constant, values.meant, values.names_of

-- ---- Options ----

-- What an alternative of a type says of a field: the text of its type, or nil.
local function field_type(alternative, key) return alternative.fields and alternative.fields[key] or alternative.map end

-- Reports a fault of an argument; the part of the manifest that it is in needs no other check.
function Unit:report_fault(node, what, where, message, hint)
  local is_manifest = what == "the manifest"
  if is_manifest then self.faulty[self.place_in_manifest(where)] = true end
  self:report(node, is_manifest and "manifest" or "option", message, hint)
end

-- Words for a misspelt field at `path` ("args.port") in the manifest, or in what `what` ("win.scm.stop") was given.
local function unknown_field(what, path, key)
  if path ~= "" then return ("'%s' of %s has no field '%s'."):format(path, what, key) end
  return what == "the manifest" and ("The manifest has no field '%s'."):format(key)
    or ("%s has no option '%s'."):format(what, key)
end

-- The fields that a table with these alternatives may have, and whether others are right, too.
local function fields_of(alternatives)
  local fields, is_open = {}, false
  for _, alternative in ipairs(alternatives) do
    is_open = is_open or alternative.any or alternative.basic == "table"
    for name in pairs(alternative.fields or {}) do fields[name] = true end
  end
  return fields, is_open
end

-- The type of an item of a table, or nil.
local function kind_of_item(item, key, alternatives)
  for _, alternative in ipairs(alternatives) do
    local kind
    if item.tag == "Pair" then kind = key and field_type(alternative, key) else kind = alternative.array end
    if kind then return kind end
  end
end

-- Reports an item for which no type has a place.
function Unit:report_item(item, key, fields, what, where)
  local may_have = "it may have " .. table.concat(fields, ", ")
  if type(key) == "string" then
    self:report_fault(item[1], what, where == "" and key or where,
      unknown_field(what, where, key), meant(key, fields) or may_have)
  elseif item.tag ~= "Pair" and item.tag ~= "Dots" then
    self:report_fault(item, what, where, ("%s takes fields by name."):format(where == "" and what or where), may_have)
  end
end

function Unit:check_table(node, alternatives, what, where)
  local fields, is_open = fields_of(alternatives)
  for _, item in ipairs(node) do
    local key = item.tag == "Pair" and constant(item[1])
    local kind = kind_of_item(item, key, alternatives)
    if kind then
      local place = key and (where == "" and key or ("%s.%s"):format(where, key)) or where
      self:check_value(item.tag == "Pair" and item[2] or item, kind, what, place)
    elseif next(fields) and not is_open then
      self:report_item(item, key, names_of(fields), what, where)
      if item.tag ~= "Pair" then return end
    end
  end
end

-- Reports the fields that a table written in the call itself must have.
function Unit:check_required(node, alternatives, what)
  if #alternatives ~= 1 or not alternatives[1].fields or what == "the manifest" then return end
  local given = {}
  for _, item in ipairs(node) do
    local key = item.tag == "Pair" and constant(item[1])
    if not key then return end
    given[key] = true
    if not alternatives[1].fields[key] then return end -- a misspelt one, perhaps
  end
  for _, name in ipairs(alternatives[1].required) do
    if not given[name] then
      self:report(node, "option", ("%s needs the field '%s'."):format(what, name),
        "`p80 help " .. what .. "` tells of it")
    end
  end
end

-- ---- Values ----

local BASIC = {
  String = "string", True = "boolean", False = "boolean", Table = "table", Function = "function", Number = "number",
}

-- Whether an expression may have one of the types.
local function fits(node, alternatives)
  local value = constant(node)
  local kind = BASIC[node.tag] or value ~= nil and type(value)
  if not kind then return true end
  for _, alternative in ipairs(alternatives) do
    local basic = alternative.basic
    if basic == "integer" and math.tointeger(value) then return true end
    if alternative.any or basic == kind or value ~= nil and alternative.literal == value then return true end
    if kind == "table" and (alternative.fields or alternative.array or alternative.map) then return true end
  end
  return #alternatives == 0
end

local AS_WORDS = {
  string = "text", number = "a number", integer = "an integer", boolean = "true or false", table = "a table",
  ["function"] = "a function",
}

-- "text or a table", and the words that are allowed.
local function described(alternatives)
  local parts, words, seen = {}, {}, {}
  for _, alternative in ipairs(alternatives) do
    local part = alternative.basic and AS_WORDS[alternative.basic] or alternative.array and "an array"
      or (alternative.fields or alternative.map) and "a table"
      or type(alternative.literal) == "number" and tostring(alternative.literal)
    if type(alternative.literal) == "string" then words[#words + 1] = alternative.literal end
    if part and not seen[part] then parts[#parts + 1] = part end
    if part then seen[part] = true end
  end
  if words[1] then parts[#parts + 1] = "one of " .. table.concat(words, ", ") end
  return table.concat(parts, " or "), words
end

local OTHERS_WORD <const> = {manual = "demand", automatic = "auto"} -- what services.msc says

local function suggestion(text, words)
  local plain = text:lower():gsub("^reg_", "")
  return meant(OTHERS_WORD[plain] or plain, words)
end

function Unit:report_value(node, value, alternatives, what, where)
  local of = where == "" and what or ("'%s' of %s"):format(where, what)
  local expected, words = described(alternatives)
  local given = constant(value)
  local hint = type(given) == "string" and words[1] and suggestion(given, words) or expected .. " expected"
  given = type(given) == "string" and ("'%s'"):format(given)
    or given ~= nil and tostring(given) or AS_WORDS[BASIC[value.tag]]
  self:report_fault(node, what, where, ("%s is no value for %s."):format(given:gsub("^%l", string.upper), of), hint)
end

-- Compares an argument, or what is at `where` in it, with its type. `what` names the function, `name` the parameter.
function Unit:check_value(node, kind, what, where, name)
  local alternatives, value = self.types.alternatives(kind), value_of(node)
  if not fits(value, alternatives) then
    self:report_value(node, value, alternatives, what, where == "" and what ~= "the manifest" and name or where)
  elseif value.tag == "Table" then
    if not value.is_checked then self:check_table(value, alternatives, what, where) end
    if where == "" and value == node then self:check_required(value, alternatives, what) end
    value.is_checked = true
  end
end

-- ---- Arguments ----

local HIVES = {}
for name in ("HKLM HKEY_LOCAL_MACHINE HKCU HKEY_CURRENT_USER HKCR HKEY_CLASSES_ROOT HKU HKEY_USERS HKCC "
  .. "HKEY_CURRENT_CONFIG"):gmatch "%S+" do
  HIVES[name] = true
end
local NAMES_KEY <const> = {key = true, from = true, to = true, left = true, right = true}

function Unit:check_key(node)
  local text = constant(node)
  if type(text) ~= "string" then return end
  local path = text:match [[^\\[^\]+\(.*)$]] or text
  if HIVES[path:match "^[^\\]*":upper()] then return end
  self:report(node, "option", ("'%s' is no key of the registry."):format(text), path:find "^%u+/"
    and "its parts are divided by \\" or "it begins with HKLM, HKCU, HKCR, HKU or HKCC")
end

-- The position of the last argument that must be given.
local function least_of(f)
  for i = #f.params, 1, -1 do
    local arg = f.args[f.params[i]]
    if arg and not arg.optional and not arg.type:find "%?$" and arg.type ~= "any" then return i end
  end
  return 0
end

local EXPANDS <const> = {Dots = true, Call = true, Invoke = true}

-- How many values the last argument of a call may be, if it is a call itself of which that is known.
function Unit:count_of_results(last)
  local f = last.tag == "Call" and self.book.functions[self:meaning(last[1]) or ""]
  local final = f and f.returns[#f.returns]
  return f and not (final and final.name == "...") and math.max(#f.returns, 1) or nil
end

function Unit:check_count(call, path, first, f)
  local given, last = #call - first + 1, call[#call]
  local is_open = #call >= first and EXPANDS[last.tag]
  local count = is_open and self:count_of_results(last)
  if count and given - 1 + count < least_of(f) then given, is_open = given - 1 + count, false end
  local least, most = least_of(f), #f.params
  if given < least and not is_open and #f.overloads == 0 then
    self:report(call, "function", ("%s needs '%s'."):format(path, f.params[given + 1]),
      ("`p80 help %s` tells of it"):format(path))
  elseif given > most + (is_open and 1 or 0) and f.params[most] ~= "..." then
    self:report(call[first + most], "function",
      ("%s takes no more than %d argument%s."):format(path, most, most == 1 and "" or "s"),
      "take out what is too much")
  end
end

-- The function that a call calls, and the position of its first argument; of pcall and xpcall the one that they call.
function Unit:called(call)
  local path, first = self:meaning(call[1]), 2
  if path == "pcall" or path == "xpcall" then
    path, first = call[2] and self:meaning(call[2]), path == "pcall" and 3 or 4
  end
  local own = path and ("%s.%s"):format(path, path) -- ensure(...) is ensure.ensure(...)
  return self.book.functions[own] and own or path, first
end

-- The types of a parameter, those of overloads, too.
function Unit:kind_of_parameter(f, i)
  local arg = f.args[f.params[i]]
  local kind = arg and arg.type
  for _, overload in ipairs(f.overloads) do
    local other = self.types.of_overload(overload)[i]
    kind = kind and other and kind .. "|" .. other
  end
  return kind
end

-- win.scm:stop(...)
function Unit:check_method(call)
  local path, name = self:meaning(call[1]), call[2][1]
  local members = path and self:members(path)
  if members and members[name] then
    self:report(call[2], "function", ("%s.%s is called with a colon."):format(path, name),
      ("write %s.%s(...)"):format(path, name))
  end
end

function Unit:check_call(call)
  if call.tag == "Invoke" then return self:check_method(call) end
  local path, first = self:called(call)
  local f = path and self.book.functions[path]
  if first == 2 and path and self.book.tables[path] then
    self:report(call, "function", ("%s is no function."):format(path), ("`p80 help %s` lists what it has"):format(path))
  end
  if not f then return end
  if path ~= "p80.playbook" then self:check_count(call, path, first, f) end
  local what = path == "p80.playbook" and "the manifest" or path
  for i, name in ipairs(f.params) do
    local node, kind = call[first + i - 1], self:kind_of_parameter(f, i)
    if node and kind then self:check_value(node, kind, what, "", name) end
    if node and NAMES_KEY[name] and path:find "^win%.reg%." then self:check_key(node) end
  end
end

function Unit:check_calls()
  for _, call in ipairs(self.names.calls) do self:check_call(call) end
end

-- ---- Results ----

-- The type of an expression as the stubs have it, or nil.
function Unit:kind_of(node)
  if node.kind == nil then
    node.kind = false -- while it is looked for
    node.kind = self:find_kind(value_of(node)) or false
  end
  return node.kind or nil
end

-- The type of what an array holds.
function Unit:kind_of_items(node)
  local kind = self:kind_of(node)
  local alternatives = kind and self.types.alternatives(kind) or {}
  return #alternatives == 1 and alternatives[1].array or nil
end

function Unit:find_kind(node)
  if node.tag == "Call" then
    local f = self.book.functions[self:meaning(node[1]) or ""]
    return f and f.returns[1] and f.returns[1].type
  elseif node.tag == "Op" and node[1] == "or" then
    return self:kind_of(node[2])
  elseif node.tag == "Id" and node.var and node.var.loop and node.var.sets == 0 then
    local call = node.var.loop[1]
    local is_array = node.var.position == 2 and call.tag == "Call" and self:meaning(call[1]) == "ipairs" and call[2]
    return is_array and self:kind_of_items(call[2]) or nil
  elseif node.tag == "Index" then
    if node[2].tag ~= "String" then return self:kind_of_items(node[1]) end
    local kind = self:kind_of(node[1])
    local alternatives = kind and self.types.alternatives(kind) or {}
    return #alternatives == 1 and field_type(alternatives[1], node[2][1]) or nil
  end
end

-- The fields of the records that an expression may be, and their name; nil when it may be something else.
function Unit:record_of(node)
  local kind = self:kind_of(node)
  local alternatives = kind and self.types.alternatives(kind) or {}
  for _, alternative in ipairs(alternatives) do
    if not alternative.fields then return nil end
  end
  return alternatives[1] and fields_of(alternatives), alternatives[1] and alternatives[1].name
end

function Unit:check_fields()
  local own = {} -- those that the script adds itself
  for _, index in ipairs(self.names.indexes) do
    if index.is_target and index[2].tag == "String" then own[index[2][1]] = true end
  end
  for _, index in ipairs(self.names.indexes) do
    local key = index[2].tag == "String" and index[2][1]
    local fields, name
    if key and not own[key] then fields, name = self:record_of(index[1]) end
    if fields and not fields[key] then
      self:report(index[2], "field", ("%s has no field '%s'."):format(name or "It", key),
        meant(key, names_of(fields)) or "it may have " .. table.concat(names_of(fields), ", "))
    end
  end
end

-- Reports a comparison with what something never is.
function Unit:check_comparison(node, other)
  local kind, value = self:kind_of(node), value_of(other)
  local alternatives = kind and self.types.alternatives(kind) or {}
  if fits(value, alternatives) then return end
  local expected, words = described(alternatives)
  local given = constant(value)
  local shown = type(given) == "string" and ("'%s'"):format(given) or given ~= nil and tostring(given) or "this"
  local what = node.tag == "Index" and node[2].tag == "String" and ("'%s'"):format(node[2][1]) or "It"
  local fields = self:record_of(node)
  local hint = fields and "it has the fields " .. table.concat(names_of(fields), ", ") or "it is " .. expected
  self:report(other, "field", ("%s is never %s."):format(what, shown),
    type(given) == "string" and suggestion(given, words) or hint)
end

function Unit:check_comparisons()
  for _, op in ipairs(self.names.comparisons) do
    self:check_comparison(op[2], op[3])
    self:check_comparison(op[3], op[2])
  end
end

-- Whether an expression is a table, which is no iterator.
function Unit:is_table(node)
  if value_of(node).tag == "Table" then return true end
  local kind = self:kind_of(node)
  local alternatives = kind and self.types.alternatives(kind) or {}
  for _, one in ipairs(alternatives) do
    if not (one.fields or one.array or one.map) then return false end
  end
  return alternatives[1] ~= nil
end

-- for name in {"a", "b"} do
function Unit:check_loops()
  for _, list in ipairs(self.names.loops) do
    if #list == 1 and self:is_table(list[1]) then
      self:report(list[1], "function", "A table is nothing that a loop can call.",
        "for _, item in ipairs(...) do goes through an array")
    end
  end
end
