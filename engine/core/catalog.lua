-- The playbooks that there are by name: those in p80.exe, and those that are installed on this machine.
local core, host = ...
local catalog = {}

-- What the lists say of a manifest, or of the record of an installed playbook.
local function entry(name, origin, m, more)
  return core.data.overlay({
    name = name, origin = origin, version = m.version, summary = m.summary, author = m.author, license = m.license,
    category = core.manifest.category(m), grants = core.data.array(m.grants or {}),
  }, more)
end

local function bundled(name)
  local m, problem = core.playbook.manifest_of(name)
  return entry(name, "bundled", m or {}, {signer = "p80", problem = not m and problem or nil})
end

-- Whether the key that an installed version was signed with is trusted still; nil when nobody signed it. Older records
-- have the key's name alone.
local function is_trusted(record)
  for _, key in ipairs(record.signer and core.policy.keys() or {}) do
    if record.key == core.sign.show_id(key.id) or not record.key and record.signer == key.name then return true end
  end
  return record.signer and false
end

local function installed(record)
  return entry(record.name, "installed", record, {signer = record.signer, trusted = is_trusted(record),
    path = record.path, installed = record.installed})
end

--- All of them, bundled ones first: {name=, origin=, version=, summary=, author=, license=, category=, grants=,
-- signer=, trusted=, path=, installed=, problem=}.
function catalog.list()
  local list = core.data.array {}
  for _, name in ipairs(host.names "script") do list[#list + 1] = bundled(name) end
  for _, record in ipairs(core.installed.list()) do list[#list + 1] = installed(record) end
  return list
end

--- The names alone.
function catalog.names()
  local names = host.names "script"
  for _, record in ipairs(core.installed.list()) do names[#names + 1] = record.name end
  return names
end

-- The scripts in the folder of a path, as paths.
local function beside(path)
  local folder, list = path:match "^.*[\\/]" or "", {}
  if folder ~= "" and lfs.attributes(folder, "mode") ~= "directory" then return list end
  for name in lfs.dir(folder == "" and "." or folder) do
    if name:lower():find "%.lua$" then list[#list + 1] = folder .. name end
  end
  return list
end

--- What may have been meant by the name of a script that there is not: a script, or one of `words`.
function catalog.hint(name, words)
  local names = beside(name)
  for _, more in ipairs {catalog.names(), words} do table.move(more, 1, #more, #names + 1, names) end
  local meant = core.x.nearest(name, names)
  return meant and ("did you mean '%s'?"):format(meant) or "`p80 list` lists those"
end

--- The one of that name ("free80" or "free80.lua"), or nil.
function catalog.find(name)
  name = name:gsub("%.[lL][uU][aA]$", "")
  if host.source("script", name) then return bundled(name) end
  local record = core.installed.find(name)
  return record and installed(record)
end

--- The source of one.
function catalog.source(found)
  if found.origin == "bundled" then return host.source("script", found.name) end
  return core.win.file.read(found.path)
end

return catalog
