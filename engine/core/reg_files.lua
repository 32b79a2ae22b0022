-- win.reg behind the gate: many changes at once, from .reg files, other keys and hive files.
local core, reg = ...
local check, code = core.check, core.code
local raw = core.win.reg
local data, regfile = core.data, require "regfile"
local canonical, view_of, split, absolute = reg.canonical, reg.view_of, reg.split, reg.absolute
local key_id, value_id, key_label, value_label = reg.key_id, reg.value_id, reg.key_label, reg.value_label
local exists, info_now, keys_now, values_now, tree_now =
  reg.exists, reg.info_now, reg.keys_now, reg.values_now, reg.tree_now
local ensure_key, check_below_hive, check_deletable = reg.ensure_key, reg.check_below_hive, reg.check_deletable

-- Raises for anything in the sections that could not be done, before anything is done.
local function check_sections(sections, view)
  for _, section in ipairs(sections) do
    core.ask(raw.exists, section.key, {view = view})
    if section.delete then check_deletable(canonical(section.key), true) end
    for _, row in ipairs(section.values or {}) do core.ask(raw.get, section.key, row.name, {view = view}) end
  end
end

local function state_of(row)
  return not row.delete and {type = row.type, value = row.value, raw = row.raw} or nil
end

-- Raises P80_REFUSED for the first thing that would be changed without a grant, so that nothing is done by halves.
local function ask_grants(sections, view)
  local cleared = {}
  local function is_cleared(key)
    while key do
      if cleared[core.x.fold(key)] then return true end
      key = split(key)
    end
  end
  local function ask_key(key)
    if not key or exists(key, view) and not is_cleared(key) then return end
    core.grants.ask("reg.key", key_label(key_id(key, view)))
    ask_key((split(key)))
  end
  for _, section in ipairs(sections) do
    local key = canonical(section.key)
    if section.delete then
      if exists(key, view) then core.grants.ask("reg.key", key_label(key_id(key, view))) end
      cleared[core.x.fold(key)] = true
    else
      ask_key(key)
    end
    for _, row in ipairs(section.values or {}) do
      local id = value_id(key, view, row.name)
      if is_cleared(key) or not data.equal(core.gate.state("reg.value", id), state_of(row)) then
        core.grants.ask("reg.value", value_label(id))
      end
    end
  end
end

-- Does what the sections say; returns whether that changed anything.
local function apply(sections, view)
  check_sections(sections, view)
  ask_grants(sections, view)
  local changed = false
  for _, section in ipairs(sections) do
    local key = canonical(section.key)
    if section.delete then
      changed = core.change("reg.key", {key = key, view = view, tree = true}, nil) or changed
    else
      changed = ensure_key(key, view) or changed
    end
    for _, row in ipairs(section.values or {}) do
      changed = core.change("reg.value", value_id(key, view, row.name), state_of(row)) or changed
    end
  end
  return changed
end

-- The bytes of a .reg file: what is given, when it has lines or a mark, or the file of that name.
local function read_source(source)
  if type(source) ~= "string" then check.bad("source", source, "the path or the bytes of a .reg file") end
  if source:find "[\r\n]" or source:find "^\xFF\xFE" or source:find "^\xEF\xBB\xBF" then return source end
  local bytes = core.call("file.read", source)
  core.about "reg.import"
  return bytes or core.fail(source, code.ERROR_FILE_NOT_FOUND)
end

-- Raises when `info` (of a key, or its tree) is about a registry link,
-- which nothing that goes through a tree may follow.
local function refuse_link(key, info)
  if not info or not info.link then return end
  core.fail(key, code.ERROR_NOT_SUPPORTED, "This key is a registry link.", "it leads to " .. info.link)
end

core.write("reg.import", function(...)
  check.arguments(select("#", ...), 1, 2)
  local source, options = ...
  options = check.options(options, {"view"})
  core.ask(raw.exists, "HKLM", {view = options.view})
  return apply((core.ask(raw.parse, read_source(source))), view_of(options))
end)

core.write("reg.copy", function(...)
  check.arguments(select("#", ...), 2, 3)
  local from, to, options = ...
  options = check.options(options, {"tree", "view"})
  local tree = check.opt_boolean("tree", options.tree) ~= false
  core.ask(raw.exists, from, {view = options.view})
  core.ask(raw.exists, to, {view = options.view})
  local view, start = view_of(options), canonical(from)
  check_below_hive(to)
  local info = info_now(start, view)
  if not info then core.fail(from, code.ERROR_FILE_NOT_FOUND) end
  refuse_link(from, info)
  local copies, length = {}, #regfile.long_key(start)
  for _, section in ipairs(regfile.sections(start, {
    info = function(key) return info_now(key, view) end,
    values = function(key) return values_now(key, view) end,
    keys = function(key) return tree and keys_now(key, view) or {} end,
  })) do
    if not section.link then
      local copy = {key = to .. section.key:sub(length + 1), values = section.values}
      if #copies > 0 then refuse_link(copy.key, info_now(canonical(copy.key), view)) end
      copies[#copies + 1] = copy
    end
  end
  return apply(copies, view)
end)

-- Unloads what another p80 that was killed has left loaded; in --check there is no journal that would tell.
local function unload_orphans()
  local process = core.win.process
  local me = process.get(core.host.pid)
  for _, name in ipairs(raw.keys "HKLM") do
    local pid = math.tointeger(tonumber(name:match "^p80%-restore%-(%d+)$"))
    local owner = pid and pid ~= core.host.pid and process.get(pid)
    if pid and not (owner and owner.name == me.name) then pcall(raw.unload, "HKLM\\" .. name) end
  end
end

-- What is in a hive file, which is loaded for a moment. That is more than reading: Windows may mend the file meanwhile.
local function hive_tree(path)
  local key = ("HKLM\\p80-restore-%d"):format(core.host.pid)
  unload_orphans()
  return core.gate.meanwhile("reg.hive", {key = key, file = path}, {file = path, loaded = true}, function()
    return raw.tree(key)
  end)
end

-- Adds to `sections` what makes a key that is as `have` one that is as `want`.
local function add_differences(sections, key, have, want)
  local wanted, section = {}, {key = key, values = {}}
  sections[#sections + 1] = section
  for _, row in ipairs(want.values) do wanted[core.x.fold(row.name)] = true end
  for _, row in ipairs(have.values) do
    if not wanted[core.x.fold(row.name)] then section.values[#section.values + 1] = {name = row.name, delete = true} end
  end
  table.move(want.values, 1, #want.values, #section.values + 1, section.values)
  local there = {}
  for name, node in pairs(want.keys) do there[core.x.fold(name)] = not node.link and node or nil end
  for name, node in pairs(have.keys) do
    if not there[core.x.fold(name)] or node.link then
      sections[#sections + 1] = {key = key .. "\\" .. name, delete = true}
    end
  end
  local present = {}
  for name, node in pairs(have.keys) do present[core.x.fold(name)] = not node.link and node or nil end
  for name, node in pairs(want.keys) do
    if not node.link then
      add_differences(sections, key .. "\\" .. name, present[core.x.fold(name)] or {keys = {}, values = {}}, node)
    end
  end
end

core.write("reg.restore", function(...)
  check.arguments(select("#", ...), 2, 3)
  local key, file, options = ...
  options = check.options(options, {"view"})
  core.ask(raw.exists, key, {view = options.view})
  local id, path, sections = {key = canonical(key), view = view_of(options)}, absolute(file), {}
  check_deletable(id.key, true)
  local have = core.ask(tree_now, id)
  if not have then core.fail(key, code.ERROR_FILE_NOT_FOUND) end
  refuse_link(key, have)
  if not lfs.attributes(path, "size") then core.fail(path, code.ERROR_FILE_NOT_FOUND) end
  add_differences(sections, id.key, have, hive_tree(path))
  return apply(sections, id.view)
end)
