-- win.reg behind the gate: who may do what with a key, and hives in files of their own.
local core, reg = ...
local check, code = core.check, core.code
local raw = core.win.reg
local canonical, view_of, key_id, key_label, exists = reg.canonical, reg.view_of, reg.key_id, reg.key_label, reg.exists
local absolute = reg.absolute

-- ---- Security ----

local PARTS <const> = {O = "owner", G = "group", D = "dacl", S = "sacl"}

-- How a list was inherited is no difference, and Windows may tell it anew.
local function plain_list(dacl)
  return dacl and dacl:gsub("^%u*", function(flags) return (flags:gsub("A[IR]", "")) end)
end

local function same_security(have, want)
  if not have then return false end
  for part, text in pairs(want) do
    if plain_list(have[part]) ~= plain_list(text) then return false end
  end
  return true
end

core.resource {
  kind = "reg.security",
  part_of = "key",
  label = key_label,
  get = function(id)
    local sddl = raw.security(id.key, {view = id.view})
    return sddl and core.sddl.split(core.win.account.canonical(sddl), PARTS) or nil
  end,
  set = function(id, want, have)
    local changed = {} -- an owner may be set by few
    for part, text in pairs(want) do
      if not have or have[part] ~= text then changed[part] = text end
    end
    raw.set_security(id.key, core.sddl.join(changed, PARTS), {view = id.view})
  end,
  same = same_security,
}

core.view("reg.security", function(planned, sddl, key, options)
  local is_planned, state = planned("reg.security", key_id(canonical(key), view_of(options)))
  return is_planned and core.sddl.join(state, PARTS) or sddl
end)

core.write("reg.set_security", function(...)
  check.arguments(select("#", ...), 2, 3)
  local key, sddl, options = ...
  options = check.options(options, {"view"})
  core.ask(raw.exists, key, {view = options.view})
  local want = core.sddl.split(core.ask(core.win.account.canonical, sddl), PARTS)
  if want.sacl then check.bad("sddl", sddl, "owner, group and DACL only") end
  local id = key_id(canonical(key), view_of(options))
  if not exists(id.key, id.view) then core.fail(key, code.ERROR_FILE_NOT_FOUND) end
  return core.change("reg.security", id, want)
end)

-- ---- Hive files ----

core.resource {
  kind = "reg.save",
  label = function(id) return id.path end,
  get = function(id) return lfs.attributes(id.path, "size") and {saved = true} or nil end,
  set = function(id, want)
    if want then raw.save(id.key, id.path, {view = id.view}) else core.win.file.delete(id.path) end
  end,
}

local loaded = {} -- by key: the file that this run has loaded there

-- The file that is loaded as the key: "" when nobody knows (Wine has no list of hives), nil when it is no hive.
local function loaded_file(id)
  local key = id.key
  local hives = [[HKLM\SYSTEM\CurrentControlSet\Control\hivelist]]
  local is_known = raw.get(hives, [[\REGISTRY\MACHINE\SYSTEM]])
  local file = raw.get(hives, (key:gsub("^HKLM", [[\REGISTRY\MACHINE]]):gsub("^HKU", [[\REGISTRY\USER]])))
  return loaded[key:lower()] or file or not is_known and (id.file or "") or nil
end

core.resource {
  kind = "reg.hive",
  label = key_label,
  get = function(id)
    if not raw.exists(id.key) then return nil end
    return {file = loaded_file(id), loaded = loaded_file(id) ~= nil}
  end,
  set = function(id, want)
    if want then
      raw.load(id.key, (want.file:gsub([[^\Device\]], [[\\?\GLOBALROOT\Device\]])))
    else
      raw.unload(id.key)
    end
    loaded[id.key:lower()] = want and want.file
  end,
  -- Windows has the name of the volume, we the letter of the drive.
  same = function(have, want)
    if have == nil or want == nil then return have == want end
    local a, b = (have.file or ""):lower(), (want.file or ""):lower()
    return a == "" or b == "" or a == b or a:sub(-#b + 2) == b:sub(3) or b:sub(-#a + 2) == a:sub(3)
  end,
}

core.write("reg.save", function(...)
  check.arguments(select("#", ...), 2, 3)
  local key, file, options = ...
  options = check.options(options, {"view"})
  core.ask(raw.exists, key, {view = options.view})
  local path = absolute(file)
  if not raw.exists(key, {view = options.view}) then core.fail(key, code.ERROR_FILE_NOT_FOUND) end
  if lfs.attributes(path, "size") then core.fail(path, code.ERROR_ALREADY_EXISTS, nil, "delete it first") end
  return core.change("reg.save", {path = path, key = canonical(key), view = view_of(options)}, {saved = true})
end)

local function check_mount(key)
  core.ask(raw.exists, key)
  local short = canonical(key)
  if not short:find "^HKLM\\[^\\]+$" and not short:find "^HKU\\[^\\]+$" then
    check.bad("key", key, "a key right below HKLM or HKU")
  end
  return short
end

core.write("reg.load", function(...)
  check.arguments(select("#", ...), 2, 2)
  local key, file = ...
  local id, path = {key = check_mount(key)}, absolute(file)
  if not lfs.attributes(path, "size") then core.fail(path, code.ERROR_FILE_NOT_FOUND) end
  local state = core.gate.state("reg.hive", id)
  if state and ((state.file or "") == "" or not core.gate.find "reg.hive".same(state, {file = path})) then
    core.fail(id.key, code.ERROR_ALREADY_EXISTS, nil, "another hive or key has that name")
  end
  id.file = path
  return core.change("reg.hive", id, {file = path, loaded = true})
end)

core.write("reg.unload", function(...)
  check.arguments(select("#", ...), 1, 1)
  local id = {key = check_mount((...))}
  local state = core.gate.state("reg.hive", id)
  if state and not state.loaded then core.fail(id.key, code.ERROR_NOT_SUPPORTED, "This key is no loaded hive.") end
  return core.change("reg.hive", id, nil)
end)
