-- The playbooks of this machine, each in a folder of its own in `playbooks` of the state folder:
--
--   NAME            what `p80 NAME` runs: NAME.lua, its modules and signatures, and installed.json
--   NAME.previous   what was there before
--   NAME.part       a version that is being written
--   NAME.new        a version that is whole: in force as soon as NAME is not there
--   NAME.old        the version before the previous one, on its way out
--
-- A folder is renamed or removed, never changed, so that a kill at any moment leaves one whole version in force;
-- recover() clears away the rest without changing which.
local core, host = ...
local code, data, package = core.code, core.data, core.package
local file, store = core.win.file, host.store
local installed = {}

local FOLDER <const> = "playbooks"
local RECORD <const> = package.RECORD
local ORDER <const> = {
  "name", "version", "summary", "author", "license", "grants", "signer", "key", "source", "installed", "files",
}
local PATIENCE <const> = 2 -- seconds in which a scanner may let go of a file

--- The folder of all of them, which need not exist.
function installed.folder() return ("%s\\%s"):format(store.home(), FOLDER) end

local function path_of(name, ending) return ("%s\\%s%s"):format(installed.folder(), name, ending or "") end

local function exists(path) return lfs.attributes(path, "mode") ~= nil end
local function is_folder(path) return lfs.attributes(path, "mode") == "directory" end

-- The folder of the version in force, or nil.
local function in_force(name)
  local live, new = path_of(name), path_of(name, ".new")
  return is_folder(live) and live or is_folder(new) and new or nil
end

-- ---- What is there ----

local function hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- BLAKE2b of each file.
local function hashes_of(files)
  local hashes = {}
  for path, bytes in pairs(files) do hashes[path] = hex(host.sign.hash(bytes, 32)) end
  return hashes
end

-- One number for all files with their names.
local function digest_of(hashes)
  local lines = {}
  for i, path in ipairs(sorted_keys(hashes)) do lines[i] = ("%s %s\n"):format(hashes[path], path) end
  return hex(host.sign.hash(table.concat(lines), 16))
end

-- What installed.json in `folder` says, or nil.
local function record_in(folder)
  local text = file.read(folder .. "\\" .. RECORD)
  local record = text and data.decode(text)
  return type(record) == "table" and type(record.name) == "string" and record or nil
end

--- The state of a version, as the gate sees it: the files themselves count, not what is said of them.
function installed.state_of(files, record)
  return {version = record.version, signer = record.signer, digest = files and digest_of(hashes_of(files))}
end

--- The state of the playbook `name` in force, or nil: {version=, signer=, digest=}; without `digest` when somebody put
-- something there that no playbook has.
function installed.state(name)
  local folder = in_force(name)
  if not folder then return nil end
  local readable, files = pcall(package.read_folder, folder)
  return installed.state_of(readable and files or nil, record_in(folder) or {})
end

local function describe(name, folder)
  local found = record_in(folder) or {}
  local previous = record_in(path_of(name, ".previous"))
  found.name, found.folder, found.path = name, folder, ("%s\\%s.lua"):format(folder, name)
  found.grants, found.previous = found.grants or {}, previous and previous.version
  return found
end

--- What is known of the installed playbook `name` without running it, or nil: {name=, version=, summary=,
-- author=, license=, grants=, signer=, key=, source=, installed=, folder=, path=, previous=}. Names are compared
-- as those of files are.
function installed.find(name)
  if core.manifest.name_problem(name) then return nil end
  local folder = in_force(name)
  return folder and describe(name, folder)
end

-- The names with folders of one of the endings.
local function names_with(endings)
  local names = {}
  if is_folder(installed.folder()) then
    for entry in lfs.dir(installed.folder()) do
      local name, ending = entry:match "^([%w_-]+)(.*)$"
      if name and endings[ending] then names[name] = true end
    end
  end
  return sorted_keys(names)
end

--- All that are installed, by name, as installed.find gives them.
function installed.list()
  local list = {}
  for _, name in ipairs(names_with {[""] = true, [".new"] = true}) do list[#list + 1] = installed.find(name) end
  return list
end

--- The previous version of `name`: {files = {path = bytes}, record=}, or nil.
function installed.previous(name)
  local folder = path_of(name, ".previous")
  local record = is_folder(folder) and record_in(folder)
  return record and {files = package.read_folder(folder), record = record} or nil
end

-- ---- Changing it ----

--- Raises unless this run may change them, or only checks.
function installed.need_rights()
  if core.checking or core.win.host.elevated() then return end
  core.fail(nil, code.ERROR_ACCESS_DENIED, "Playbooks are installed in a folder of the administrators.",
    "run p80 elevated (as administrator)")
end

local function remove_tree(folder)
  for name in lfs.dir(folder) do
    local path = folder .. "\\" .. name
    if name ~= "." and name ~= ".." then
      if lfs.attributes(path, "mode") == "directory" then
        if file.is_link(path) then store.remove_folder(path) else remove_tree(path) end
      else
        file.delete(path)
      end
    end
  end
  store.remove_folder(folder)
end

local function clear(path) if exists(path) then remove_tree(path) end end

local BUSY <const> = {[code.ERROR_ACCESS_DENIED] = true, [code.ERROR_SHARING_VIOLATION] = true}

-- Renames a folder; one whose files somebody holds open for a moment is tried again.
local function rename(from, to)
  local deadline = core.x.clock() + PATIENCE
  while true do
    local ok, problem = pcall(store.move, from, to)
    if ok then return end
    if type(problem) ~= "table" or not BUSY[problem.code] or core.x.clock() > deadline then
      core.fail(problem.target, problem.code, problem.message,
        BUSY[problem.code] and "a program has a file in this folder open" or problem.hint)
    end
    core.x.sleep(0.1)
  end
end

local function recover(name)
  local live, new, previous, old = path_of(name), path_of(name, ".new"),
    path_of(name, ".previous"), path_of(name, ".old")
  clear(path_of(name, ".part"))
  if exists(new) then
    if exists(live) then remove_tree(new) else rename(new, live) end
  end
  if exists(old) then
    if exists(previous) then remove_tree(old) else rename(old, previous) end
  end
end

-- Clears away what a p80 that was killed has left.
local function recover_all()
  for _, name in ipairs(names_with {[".part"] = true, [".new"] = true, [".old"] = true}) do recover(name) end
end

local function make_folders(folder, path)
  for at in path:gmatch "()/" do
    local inner = ("%s\\%s"):format(folder, (path:sub(1, at - 1):gsub("/", "\\")))
    if not exists(inner) then store.make_folder(inner) end
  end
end

local function write_version(folder, files, record)
  store.make_folder(folder)
  for _, path in ipairs(sorted_keys(files)) do
    make_folders(folder, path)
    file.write(("%s\\%s"):format(folder, (path:gsub("/", "\\"))), files[path])
  end
  file.write(folder .. "\\" .. RECORD, data.encode(record, ORDER) .. "\n")
end

-- Makes the version in force the previous one; keeps the one before it as NAME.old.
local function retire(name)
  local live, previous, old = path_of(name), path_of(name, ".previous"), path_of(name, ".old")
  if not exists(live) then return end
  if exists(previous) then rename(previous, old) end
  local ok, problem = pcall(rename, live, previous)
  if ok then return end
  if exists(old) then pcall(rename, old, previous) end
  error(problem, 0)
end

--- Puts a version in force. `record`: what installed.json says besides the files and the time.
function installed.place(name, files, record)
  store.home(FOLDER)
  recover_all()
  local part, new = path_of(name, ".part"), path_of(name, ".new")
  record = data.overlay(record, {name = name, installed = host.now(), files = hashes_of(files)})
  local ok, problem = pcall(write_version, part, files, record)
  if ok then ok, problem = pcall(rename, part, new) end
  if ok then ok, problem = pcall(retire, name) end
  pcall(recover, name) -- puts the new one in the place that is free now, or takes it away
  if not ok then error(problem, 0) end
end

--- Puts no version in force; the last one stays as the previous one.
function installed.remove(name)
  recover_all()
  retire(name)
  pcall(recover, name)
end

return installed
