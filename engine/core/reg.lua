-- win.reg behind the gate; reg_security.lua and reg_files.lua have the rest. A value is one thing that can be changed
-- ("reg.value"), a key another ("reg.key"). Writing a value creates the keys that are missing, each as a change of its
-- own, so that undo removes exactly those.
local core = ...
local check, code, data = core.check, core.code, core.data
local raw = core.win.reg
local regfile = require "regfile"

local SHORT = {
  HKEY_LOCAL_MACHINE = "HKLM", HKEY_CURRENT_USER = "HKCU", HKEY_CLASSES_ROOT = "HKCR", HKEY_USERS = "HKU",
  HKEY_CURRENT_CONFIG = "HKCC",
}
local TYPES = table.move(regfile.types, 0, #regfile.types, 1, {})

-- ---- Names ----

-- A key that is known to be well formed with the short name of its hive.
local function canonical(key)
  local machine = key:match [[^\\[^\]*\]] or ""
  local hive, rest = key:sub(#machine + 1):match "^([^\\]*)(.*)$"
  hive = hive:upper()
  return machine .. (SHORT[hive] or hive) .. rest
end

local function view_of(options) return options and options.view == 32 and 32 or nil end

local function key_id(key, view) return {key = key, view = view} end
local function value_id(key, view, name) return {key = key, view = view, name = name or ""} end

local function with_view(text, view) return view == 32 and text .. " (32-bit view)" or text end
local function key_label(id) return with_view(id.key, id.view) end

-- The name of a value may have backslashes: it must not look like the path of a key.
local function value_label(id)
  local name = id.name:find "\\" and ('"%s"'):format(id.name) or id.name
  return with_view(id.key .. "\\" .. (name == "" and "(Default)" or name), id.view)
end

-- The key above and the last name; nil for a hive.
local function split(key)
  local above, name = key:match "^(.*)\\([^\\]*)$"
  if above and not above:find [[^\\[^\]*$]] then return above, name end
end

-- ---- What --check has planned ----

local gone = {} -- by folded key: keys that would have been deleted with what was in them
local inside = {} -- by folded key: what was planned in it, {key=, view=, keys={[folded]=name}, values={the same}}

local function fold(key, view) return core.x.fold(key) .. "\0" .. (view or "") end

-- Whether what Windows has in `key` would be gone by now.
local function is_masked(key, view)
  while next(gone) and key do
    if gone[fold(key, view)] then return true end
    key = split(key)
  end
  return false
end

local function plans_in(key, view)
  local plans = inside[fold(key, view)]
  if not plans then
    plans = {key = key, view = view, keys = {}, values = {}}
    inside[fold(key, view)] = plans
  end
  return plans
end

-- Forgets everything that was planned in `key` and below, which goes away with it.
local function forget_inside(key, view)
  local start = core.x.fold(key) .. "\\"
  for folded, plans in pairs(inside) do
    local here = core.x.fold(plans.key)
    if plans.view == view and (here .. "\\"):sub(1, #start) == start then
      for _, name in pairs(plans.values) do core.gate.forget("reg.value", value_id(plans.key, view, name)) end
      for _, name in pairs(plans.keys) do core.gate.forget("reg.key", key_id(plans.key .. "\\" .. name, view)) end
      inside[folded] = nil
    end
  end
end

-- What the gate calls when --check plans a change: remembered for the reads that list.
local function plan_value(id) plans_in(id.key, id.view).values[core.x.fold(id.name)] = id.name end

local function plan_key(id, want)
  if want == nil then
    gone[fold(id.key, id.view)] = true
    forget_inside(id.key, id.view)
  end
  local above, name = split(id.key)
  plans_in(above, id.view).keys[core.x.fold(name)] = name
end

-- Whether the key is there, in --check as it would be by now.
local function exists(key, view)
  local is_planned, state = core.gate.planned("reg.key", key_id(key, view))
  if is_planned then return state ~= nil end
  return not is_masked(key, view) and raw.exists(key, {view = view})
end

-- `list` with the planned names laid over it: `name_of(item)` names an item, `plan(name)` is what it would be by now.
local function overlay(list, names, name_of, plan)
  local result, seen = {}, {}
  for _, item in ipairs(list) do
    local folded = core.x.fold(name_of(item))
    if names[folded] then item = plan(names[folded]) end
    seen[folded] = true
    result[#result + 1] = item
  end
  local added = {}
  for folded, name in pairs(names) do
    if not seen[folded] then added[#added + 1] = name end
  end
  table.sort(added)
  for _, name in ipairs(added) do result[#result + 1] = plan(name) end
  return result
end

-- The names of the subkeys as they would be by now; `names` are Windows'.
local function planned_keys(planned, names, key, view)
  if not exists(key, view) then return nil end
  local base = names and not is_masked(key, view) and names or {}
  return overlay(base, plans_in(key, view).keys, function(name) return name end, function(name)
    local is_planned, state = planned("reg.key", key_id(key .. "\\" .. name, view))
    if is_planned and state then return name end
  end)
end

-- The rows of the values as they would be by now; `rows` are Windows'.
local function planned_values(planned, rows, key, view)
  if not exists(key, view) then return nil end
  local base = rows and not is_masked(key, view) and rows or {}
  return overlay(base, plans_in(key, view).values, function(row) return row.name end, function(name)
    local is_planned, state = planned("reg.value", value_id(key, view, name))
    if is_planned and state then return {name = name, type = state.type, value = state.value, raw = state.raw} end
  end)
end

local function planned_tree(planned, node, key, view)
  if not exists(key, view) then return nil end
  if node and node.link and not is_masked(key, view) then return node end
  if not node or is_masked(key, view) then node = {keys = {}, values = {}} end
  local names = {}
  for name in pairs(node.keys) do names[#names + 1] = name end
  local tree = {keys = {}, values = planned_values(planned, node.values, key, view), security = node.security}
  for _, name in ipairs(planned_keys(planned, names, key, view)) do
    tree.keys[name] = planned_tree(planned, node.keys[name], key .. "\\" .. name, view)
  end
  return tree
end

local function planned_info(planned, info, key, view)
  if not exists(key, view) then return nil end
  if info and not is_masked(key, view) and (info.link or not inside[fold(key, view)]) then return info end
  local keys = planned_keys(planned, raw.keys(key, {view = view}), key, view)
  local values = planned_values(planned, raw.values(key, {view = view}), key, view)
  return {keys = #keys, values = #values, written = info and info.written}
end

core.view("reg.get", function(planned, value, key, name, options)
  key = canonical(key)
  local is_planned, state = planned("reg.value", value_id(key, view_of(options), name))
  if is_planned and state then
    if state.raw then return state.value, state.type, state.raw end
    return state.value, state.type
  end
  if is_planned or is_masked(key, view_of(options)) then return nil end
  return value
end)

core.view("reg.keys", function(planned, names, key, options)
  return planned_keys(planned, names, canonical(key), view_of(options))
end)

core.view("reg.values", function(planned, rows, key, options)
  return planned_values(planned, rows, canonical(key), view_of(options))
end)

core.view("reg.tree", function(planned, node, key, options)
  return planned_tree(planned, node, canonical(key), view_of(options))
end)

core.view("reg.exists", function(_, _, key, options) return exists(canonical(key), view_of(options)) end)

core.view("reg.info", function(planned, info, key, options)
  return planned_info(planned, info, canonical(key), view_of(options))
end)

-- What is composed from reads: from those of --check, once it has planned something.
local planned_reads = core.x.reg {
  info = function(key, options)
    return planned_info(core.gate.planned, raw.info(key, options), canonical(key), view_of(options))
  end,
  keys = function(key, options)
    return planned_keys(core.gate.planned, raw.keys(key, options), canonical(key), view_of(options))
  end,
  values = function(key, options)
    return planned_values(core.gate.planned, raw.values(key, options), canonical(key), view_of(options))
  end,
}
for name, read in pairs(planned_reads) do
  core.answer("reg." .. name, function(_, ...) return true, read(...) end)
end

-- ---- Resources ----

-- What raw.info and raw.tree tell, in --check as it would be by now.
local function info_now(key, view)
  local info = raw.info(key, {view = view})
  if core.checking then return planned_info(core.gate.planned, info, key, view) end
  return info
end

local function keys_now(key, view)
  local names = raw.keys(key, {view = view})
  if core.checking then names = planned_keys(core.gate.planned, names, key, view) end
  return names or {}
end

local function values_now(key, view)
  local rows = raw.values(key, {view = view})
  if core.checking then rows = planned_values(core.gate.planned, rows, key, view) end
  return rows or {}
end

local function tree_now(id)
  local tree = raw.tree(id.key, {view = id.view})
  if core.checking then return planned_tree(core.gate.planned, tree, id.key, id.view) end
  return tree
end

core.resource {
  kind = "reg.value",
  label = value_label,
  -- {type=, value= [, raw=]} as raw.get has them.
  get = function(id)
    if is_masked(id.key, id.view) then return nil end
    local value, value_type, bytes = raw.get(id.key, id.name, {view = id.view})
    if value == nil then return nil end
    return {type = value_type, value = value, raw = bytes}
  end,
  set = function(id, want)
    if want then
      raw.set(id.key, id.name, want.value, {type = want.type, view = id.view, raw = want.raw})
    else
      raw.delete(id.key, id.name, {view = id.view})
    end
  end,
  same = data.equal,
  whole = true,
  planned = plan_value,
}

-- Whether two states of a key are the same. Access lists do not count: Windows may write the same one differently.
local function same_tree(a, b)
  if a.filled or b.filled then return a.filled == b.filled end
  if a.link ~= b.link or not data.equal(a.values, b.values) then return false end
  for name, node in pairs(a.keys) do
    if not b.keys[name] or not same_tree(node, b.keys[name]) then return false end
  end
  for name in pairs(b.keys) do
    if not a.keys[name] then return false end
  end
  return true
end

core.resource {
  kind = "reg.key",
  label = key_label,
  -- With id.tree all that raw.tree has; without, {filled=true} stands for a key with something in it, which such a
  -- change never deletes.
  get = function(id)
    if is_masked(id.key, id.view) then return nil end
    if id.tree then return tree_now(id) end
    local info = info_now(id.key, id.view)
    if info and not info.link and info.keys + info.values > 0 then return {filled = true} end
    return info and tree_now(id)
  end,
  -- {} wants the key with whatever is in it.
  set = function(id, want, have)
    if have then raw.delete(id.key, nil, {view = id.view, tree = id.tree}) end
    if want then raw.create(id.key, {view = id.view, tree = want.keys and want}) end
  end,
  same = function(have, want)
    if have == nil or want == nil then return have == want end
    return next(want) == nil or next(have) ~= nil and same_tree(have, want)
  end,
  planned = plan_key,
}

-- ---- Writes ----

-- Creates `key` and every missing key above it; returns whether any was missing.
local function ensure_key(key, view)
  if exists(key, view) then return false end
  local above = split(key)
  if above then ensure_key(above, view) end
  return core.change("reg.key", key_id(key, view), {})
end

local function check_below_hive(key)
  if not split(key) then check.bad("key", key, "a key below a hive") end
end

local function check_type(value_type)
  check.text("type", value_type)
  for _, known in ipairs(TYPES) do
    if value_type == known then return value_type end
  end
  local number = tonumber(value_type:match "^type_([1-9]%d*)$")
  if number and number >= #TYPES and number <= 0xFFFFFFFF then return value_type end
  local meant = core.x.nearest(value_type, TYPES)
  core.fail("type", code.ERROR_INVALID_PARAMETER, ("There is no registry type '%s'."):format(value_type),
    meant and ("did you mean '%s'?"):format(meant) or "the types are " .. table.concat(TYPES, ", "))
end

local function type_for(value)
  if type(value) == "string" then return "sz" end
  if type(value) == "table" then return "multi_sz" end
  local number = math.tointeger(value)
  if number and number >= 0 and number <= 0xFFFFFFFF then return "dword" end
  check.bad("value", value, number and 'an integer from 0 to 4294967295 (others with type="qword")'
    or "text, an integer or an array of text")
end

local function check_strings(value)
  check.list_of_text("value", value)
  for i, text in ipairs(value) do
    if text == "" then
      check.bad(("value[%d]"):format(i), text, "text that is not empty (a multi_sz ends at the first empty one)")
    end
  end
  return value
end

local function check_number(value) return check.integer("value", value, 0, 0xFFFFFFFF) end
local function check_text(value) return check.text("value", value) end
local checks = {
  sz = check_text, expand_sz = check_text, link = check_text, multi_sz = check_strings,
  dword = check_number, dword_big_endian = check_number,
  qword = function(value) return check.integer("value", value, math.mininteger, math.maxinteger) end,
}

local function check_bytes(value)
  if type(value) ~= "string" then check.bad("value", value, "bytes (a string)") end
  return value
end

core.write("reg.set", function(...)
  check.arguments(select("#", ...), 3, 4)
  local key, name, value, options = ...
  if type(options) == "string" then options = {type = options} end
  options = check.options(options, {"type", "view"})
  local value_type = options.type == nil and type_for(value) or check_type(options.type)
  local want = {type = value_type, value = (checks[value_type] or check_bytes)(value)}
  core.ask(raw.get, key, name, {view = options.view}) -- checks these three
  local id = value_id(canonical(key), view_of(options), name)
  local created = ensure_key(id.key, id.view)
  return core.change("reg.value", id, want) or created
end)

core.write("reg.create", function(...)
  check.arguments(select("#", ...), 1, 2)
  local key, options = ...
  options = check.options(options, {"view"})
  core.ask(raw.exists, key, {view = options.view})
  check_below_hive(key)
  return ensure_key(canonical(key), view_of(options))
end)

local function check_deletable(key, tree)
  check_below_hive(key)
  if tree and key:find("^HKCR\\") then
    core.fail(key, code.ERROR_NOT_SUPPORTED, nil,
      [[HKCR is two trees in one; name HKLM\SOFTWARE\Classes or HKCU\Software\Classes instead]])
  end
end

local function delete_key(key, view, tree)
  check_deletable(key, tree)
  local info = core.ask(info_now, key, view)
  if not tree and info and not info.link and info.keys + info.values > 0 then
    core.fail(key, code.ERROR_DIR_NOT_EMPTY, ("The key has %d subkeys and %d values."):format(info.keys, info.values),
      "pass {tree=true} to delete all of it")
  end
  return core.change("reg.key", {key = key, view = view, tree = tree or nil}, nil)
end

core.write("reg.delete", function(...)
  check.arguments(select("#", ...), 1, 3)
  local key, name, options = ...
  if type(name) == "table" and options == nil then name, options = nil, name end
  options = check.options(options, {"tree", "view"})
  local tree = check.opt_boolean("tree", options.tree)
  if name == nil then
    core.ask(raw.exists, key, {view = options.view})
    return delete_key(canonical(key), view_of(options), tree)
  end
  if tree then check.bad("name", name, "no name with tree=true") end
  core.ask(raw.get, key, name, {view = options.view})
  return core.change("reg.value", value_id(canonical(key), view_of(options), name), nil)
end)

-- The absolute path of a file.
local function absolute(path)
  check.text("file", path)
  core.open "file.write"
  return core.file_place(path)
end

local shared = {
  canonical = canonical, view_of = view_of, split = split, key_id = key_id, value_id = value_id, key_label = key_label,
  value_label = value_label, exists = exists, ensure_key = ensure_key, info_now = info_now, keys_now = keys_now,
  values_now = values_now, tree_now = tree_now, check_below_hive = check_below_hive, check_deletable = check_deletable,
  absolute = absolute,
}
for _, part in ipairs {"reg_security", "reg_files"} do core.host.chunk(part)(core, shared) end
