-- What grants a call needs: needs_of(path, call, first, book) -> an array of needs, each
--   {kinds = {any of these}, labels = {[kind] = what the grant is for, as far as that is constant}, is_sure =}
-- A key that is created if it is missing also has `levels`, the keys from above down to it that may be, and
-- `if_missing`; what is about other things than one of a name has `beside`, that name. `first` is the place of the
-- first argument in the call; without a call it is all that the function may need.
local core, values = ...
local constant, value_of = values.constant, values.value_of

-- What of io, os and lfs the guard asks grants for (engine/guard.c).
local GUARDED = {["os.execute"] = "process.run", ["io.popen"] = "process.run"}
for name in ("io.open io.output io.tmpfile os.remove os.rename os.tmpname lfs.mkdir lfs.rmdir lfs.touch lfs.lock "
  .. "lfs.lock_dir lfs.link"):gmatch "%S+" do
  GUARDED[name] = "file.write"
end

-- ---- Keys of the registry ----

local SHORT = {HKEY_LOCAL_MACHINE = "HKLM", HKEY_CURRENT_USER = "HKCU", HKEY_CLASSES_ROOT = "HKCR", HKEY_USERS = "HKU"}

local function key_of(node)
  local text = node and constant(node)
  if type(text) ~= "string" then return nil end
  local hive, rest = text:match "^([^\\]*)(.*)$"
  return (SHORT[hive:upper()] or hive:upper()) .. rest
end

-- What labels end with when `options` ask for the other view.
local function view_mark(options)
  options = options and value_of(options)
  local view = options and options.tag == "Table" and values.field(options, "view")
  return view and constant(view) == 32 and " (32-bit view)" or ""
end

local function value_label(key, node, mark)
  local name = node and (constant(node) or node.tag == "Nil" and "(Default)")
  if not key or type(name) ~= "string" or name:find "\\" then return nil end
  return ("%s\\%s%s"):format(key, name == "" and "(Default)" or name, mark)
end

-- Keys that every Windows has.
local THERE <const> = {
  [[hklm\software\microsoft\windows nt\currentversion]], [[hklm\software\microsoft\windows\currentversion]],
  [[hklm\software\microsoft]], [[hklm\software\policies]], [[hklm\software\classes]], [[hklm\software]],
  [[hklm\system\currentcontrolset\services\tcpip\parameters]], [[hklm\system\currentcontrolset\services\http]],
  [[hklm\system\currentcontrolset\services]], [[hklm\system\currentcontrolset\control]], [[hklm\system]],
  [[hkcu\software]], [[hku\.default\software]], "hklm", "hkcu", "hkcr", "hku", "hkcc",
}

-- The keys from above down to `key` that may be missing.
local function levels_of(key, mark)
  local levels, folded, there = {}, key:lower() .. "\\", ""
  for _, known in ipairs(THERE) do
    if #known > #there and folded:sub(1, #known + 1) == known .. "\\" then there = known end
  end
  if there == "" then return levels end -- it is no key
  for last in key:gmatch "()\\" do
    if last > #there + 1 then levels[#levels + 1] = key:sub(1, last - 1) .. mark end
  end
  if #key > #there then levels[#levels + 1] = key .. mark end
  return levels
end

local function one(kind, label) return {kinds = {kind}, labels = {[kind] = label}, is_sure = true} end

local function created_key(node, mark, if_missing)
  local key = key_of(node)
  local need = one("reg.key", key and key .. mark)
  need.levels, need.if_missing = key and levels_of(key, mark), if_missing
  return need
end

-- ---- Functions whose grants depend on their arguments ----

local EXACT = {}

EXACT["win.reg.set"] = function(call, first)
  local key, mark = call[first], view_mark(call[first + 3])
  return {one("reg.value", value_label(key_of(key), call[first + 1], mark)), created_key(key, mark, key)}
end

EXACT["win.reg.create"] = function(call, first) return {created_key(call[first], view_mark(call[first + 1]))} end

EXACT["win.reg.delete"] = function(call, first)
  local key, name = key_of(call[first]), call[first + 1] and value_of(call[first + 1])
  if not name or name.tag == "Nil" or name.tag == "Table" then
    return {one("reg.key", key and key .. view_mark(name and name.tag == "Table" and name or call[first + 2]))}
  end
  return constant(name) and {one("reg.value", value_label(key, name, view_mark(call[first + 2])))}
end

-- With dependents other services are stopped, too.
local function stops(call, first)
  local name, options = constant(call[first]), call[first + 1] and value_of(call[first + 1])
  local with = options and options.tag == "Table" and values.field(options, "dependents")
  local needs = {one("scm.state", name)}
  if name and with and constant(with) then
    needs[2] = {kinds = {"scm.state"}, labels = {}, beside = name, is_sure = true}
  end
  return needs
end
EXACT["win.scm.stop"], EXACT["win.scm.restart"] = stops, stops

EXACT["win.scm.config"] = function(call, first, book)
  local name, settings = constant(call[first]), call[first + 1] and value_of(call[first + 1])
  if not settings or settings.tag ~= "Table" then return nil end
  local asked, needs = {}, {}
  for _, item in ipairs(settings) do
    local key = item.tag == "Pair" and constant(item[1])
    if not key then return nil end
    local kind = key == "password" and "scm.password" or "scm.config"
    for _, detail in ipairs(book.records["win.scm.details"].fields) do
      if detail.name == key then kind = "scm.details" end
    end
    if not asked[kind] then needs[#needs + 1] = one(kind, name) end
    asked[kind] = true
  end
  return needs
end

-- ---- All others ----

-- Whether io.open only reads; nil when that cannot be told.
local function only_reads(call, first)
  local mode = call[first + 1]
  if not mode or mode.tag == "Nil" then return true end
  mode = constant(mode)
  if type(mode) == "string" then return mode:find "^r[^+]*$" ~= nil end
end

-- Whether a function of io, os or lfs needs its grant as it is called here; nil when that cannot be told.
local function is_guarded(path, call, first)
  local is_always = path ~= "io.open" and path ~= "io.output" and path ~= "os.execute"
  if is_always or not call then return is_always or nil end
  if path ~= "io.open" then return call[first] ~= nil end
  local reads = only_reads(call, first)
  if reads ~= nil then return not reads end
end

-- The kinds of grants that a function may need, from the stub's "Changes: `scm.service`; `scm.state` for what runs".
local function kinds_of(f)
  local kinds = {}
  for word in (f and f.changes or ""):gmatch "`([^`]+)`" do
    for _, subject in ipairs(core.kinds.subjects) do
      if core.data.contains(core.kinds[subject], word) then kinds[#kinds + 1] = word end
    end
  end
  return kinds
end


-- What the grant of a call would be for, as far as its arguments are constants; nil when it cannot be told.
local function label_of(kind, path, call, first)
  local name = call[first] and constant(call[first])
  if type(name) ~= "string" then return nil end
  if kind:find "^scm%." then return name end
  if kind == "reg.security" then return key_of(call[first]) end
  if kind == "file.write" and path ~= "lfs.lock_dir" then
    return name:find "^%a:[\\/]" and name:gsub("/", "\\") or nil
  end
end

return function(path, call, first, book)
  local exact = EXACT[path] and call and call[first] and EXACT[path](call, first, book)
  if exact then return exact end
  local kinds, is_sure = kinds_of(book.functions[path]), true
  if GUARDED[path] then kinds, is_sure = {GUARDED[path]}, is_guarded(path, call, first) end
  if #kinds == 0 or is_sure == false then return {} end
  local labels = {}
  for _, kind in ipairs(kinds) do labels[kind] = call and label_of(kind, path, call, first) end
  return {{kinds = kinds, labels = labels, is_sure = is_sure}}
end
