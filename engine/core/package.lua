-- What `p80 install` is given, whole in memory and checked: a playbook's file with the modules beside it, a folder,
-- or a ZIP archive. The paths in a package have slashes between their parts and nothing that Windows could
-- understand otherwise.
local core, host = ...
local code, fold = core.code, core.x.fold
local package = {RECORD = "installed.json"} -- what p80 itself puts beside the files

local LIMITS <const> = {files = 500, bytes = 8 << 20, depth = 8, path = 160}

local function bad(name, message, hint) core.fail(name, code.P80_BAD_PACKAGE, message, hint) end

-- ---- Paths ----

local DEVICES = {["conin$"] = true, ["conout$"] = true, ["clock$"] = true}
for _, name in ipairs {"con", "prn", "aux", "nul"} do DEVICES[name] = true end
for _, name in ipairs {"com", "lpt"} do
  for digit = 0, 9 do DEVICES[name .. digit] = true end
  for _, digit in ipairs {"\u{B9}", "\u{B2}", "\u{B3}"} do DEVICES[name .. digit] = true end
end

-- Why a part of a path is no name of a file for Windows, or nil.
local function part_problem(part)
  if part == "" then return "An absolute path, or a part of it is empty." end
  if part == "." or part == ".." then return "It leaves its folder." end
  if part:find("\\", 1, true) then return "It has a backslash." end
  if part:find(":", 1, true) then return "It has a colon: a drive, or a stream of a file." end
  if part:find '[%c\x7F<>"|?*]' then return "It has a character that no name of a file may have." end
  if part:find "[ .]$" or part:find "^ " then
    return "A part of it ends with a blank or a dot, which Windows leaves out, or begins with a blank."
  end
  if DEVICES[part:lower():match "^([^.]*)":gsub(" +$", "")] then return "Windows keeps this name for a device." end
end

--- Why `path` cannot be that of a file in a package, as a sentence, or nil.
function package.path_problem(path)
  if not utf8.len(path) then return "It is no UTF-8." end
  if #path > LIMITS.path then return ("It is longer than %d bytes."):format(LIMITS.path) end
  local depth = 0
  for part in (path .. "/"):gmatch "(.-)/" do
    local problem = part_problem(part)
    if problem then return problem end
    depth = depth + 1
  end
  if depth > LIMITS.depth then return ("It is more than %d folders deep."):format(LIMITS.depth) end
end

local function is_hidden(path) return path:find "^%." or path:find("/.", 1, true) end

-- ---- Files ----

-- A collection to which files are added one by one, within the limits.
local function collection()
  local files, seen, folders, count, bytes = {}, {}, {}, 0, 0
  local function add(path, text)
    local low = fold(path)
    if seen[low] or folders[low] then
      bad(path, "There are two of this name (Windows takes large and small letters for the same).")
    end
    seen[low] = true
    for at in path:gmatch "()/" do
      local folder = path:sub(1, at - 1)
      low = fold(folder)
      if seen[low] then bad(path, "There is a file where this needs a folder.") end
      folders[low] = folders[low] or folder
      if folders[low] ~= folder then
        bad(path, ("Its folder is called '%s' elsewhere, in other letters."):format(folders[low]))
      end
    end
    count, bytes = count + 1, bytes + #text
    if count > LIMITS.files then bad(path, ("There are more than %d files."):format(LIMITS.files)) end
    if bytes > LIMITS.bytes then bad(path, ("There are more than %d bytes in all."):format(LIMITS.bytes)) end
    files[path] = text
  end
  return files, add
end

local origin -- of the package that is being read: {place=, problem=}

-- Notes where a file comes from: what host.place says, or what is wrong with who could have written it.
local function note_origin(path)
  local ok, place = pcall(host.place, path)
  if not ok and type(place) ~= "table" then error(place, 0) end
  if not ok then origin.problem = origin.problem or place elseif place ~= "" then origin.place = place end
end

local function read_file(path, name)
  if origin then note_origin(path) end
  if core.win.file.is_link(path) then bad(name, "This is a link.", "name the file that it leads to") end
  local size = lfs.attributes(path, "size")
  if size and size > LIMITS.bytes then bad(name, ("It has more than %d bytes."):format(LIMITS.bytes)) end
  local bytes = core.ask(core.win.file.read, path)
  if not bytes then core.fail(name, code.ERROR_FILE_NOT_FOUND) end
  return bytes
end

local function walk(folder, prefix, add)
  for name in lfs.dir(folder) do
    if not is_hidden(name) and (prefix .. name):lower() ~= package.RECORD then
      local path, inner = folder .. "\\" .. name, prefix .. name
      local problem = package.path_problem(inner)
      if problem then bad(inner, problem) end
      if core.win.file.is_link(path) then bad(inner, "This is a link.") end
      if lfs.attributes(path, "mode") == "directory" then
        walk(path, inner .. "/", add)
      else
        add(inner, read_file(path, inner))
      end
    end
  end
end

--- All files of a folder but hidden ones (".git") and p80's own: {path = bytes}. Raises for links and whatever else a
-- package may not have.
function package.read_folder(folder)
  local files, add = collection()
  walk(folder, "", add)
  return files
end

-- The files without the one folder that all of them are in, as archives of a project have it.
local function without_top(files)
  local top
  for path in pairs(files) do
    local first = path:match "^[^/]+/"
    if not first or top and first ~= top then return files end
    top = first
  end
  if not top then return files end
  local inner = {}
  for path, bytes in pairs(files) do inner[path:sub(#top + 1)] = bytes end
  return inner
end

--- The files of a ZIP archive: {path = bytes}.
function package.read_zip(name, bytes)
  local zip = host.chunk "zip"()
  local entries, problem, entry, hint = zip.read(bytes, host.inflate, LIMITS)
  if not entries then bad(entry and ("%s: %s"):format(name, entry) or name, problem, hint) end
  local files, add = collection()
  for _, one in ipairs(entries) do
    local path = one.name:gsub("/$", "")
    local wrong = package.path_problem(path)
    if wrong then
      bad(("%s: %s"):format(name, one.name), wrong,
        path:find "\\" and "Compress-Archive before PowerShell 5.1 writes such names" or nil)
    end
    if path == one.name and not is_hidden(path) and path:lower() ~= package.RECORD then add(path, one.bytes) end
  end
  return without_top(files)
end

-- ---- A playbook's file ----

--- The names of the modules that a script requires by name, as written.
function package.names(text)
  local names = {}
  for name in text:gmatch "require%s*[(,]?%s*[\"']([^\"'\n]+)[\"']" do names[#names + 1] = name end
  for name in text:gmatch "require%s*[(,]?%s*%[(=*%[[^%]\n]+%])" do names[#names + 1] = name:match "%[([^%]]+)%]" end
  return names
end

-- Adds a file of `folder` and its signature, if it is there; returns its text, unless it was seen before.
local function add_from(folder, path, add, seen)
  local at = folder .. "\\" .. path:gsub("/", "\\")
  if lfs.attributes(at, "mode") ~= "file" then return nil end
  if seen[fold(path)] then return "" end
  seen[fold(path)] = true
  local text = read_file(at, path)
  add(path, text)
  local signature = at .. ".minisig"
  if lfs.attributes(signature, "mode") == "file" then
    add(path .. ".minisig", read_file(signature, path .. ".minisig"))
  end
  return text
end

local function add_modules(folder, text, add, seen)
  for _, name in ipairs(package.names(text)) do
    if name:find "^[%w_%-\x80-\xFF.]+$" then
      local path = name:gsub("%.", "/")
      local module = add_from(folder, path .. ".lua", add, seen) or add_from(folder, path .. "/init.lua", add, seen)
      if module then add_modules(folder, module, add, seen) end
    end
  end
end

local function read_script(path)
  local folder, name = path:match "^(.*)[\\/]([^\\/]*)$"
  local problem = package.path_problem(name)
  if problem then bad(path, problem) end
  local files, add = collection()
  local seen = {}
  add_modules(folder, add_from(folder, name, add, seen), add, seen)
  return files
end

-- ---- The whole ----

-- The file at the top that is the playbook: the only one that declares a manifest.
local function find_script(source, files)
  local tops, declaring = {}, {}
  for path, text in pairs(files) do
    if path:find "^[^/]+%.[Ll][Uu][Aa]$" then
      tops[#tops + 1] = path
      if text:find "playbook%s*[%({]" then declaring[#declaring + 1] = path end
    end
  end
  local found = #tops == 1 and tops or declaring
  if #found == 1 then return found[1] end
  table.sort(found)
  bad(source, #found == 0 and "There is no playbook in it: no .lua file at its top declares a manifest."
    or ("Which one is the playbook? These declare a manifest: %s."):format(table.concat(found, ", ")),
    #found > 1 and "install them one by one, each from a folder of its own or by its file" or nil)
end

local function read_source(source, path)
  local mode = lfs.attributes(path, "mode")
  if not mode then core.fail(source, code.ERROR_FILE_NOT_FOUND, "There is no such file or folder.") end
  if mode == "directory" then return package.read_folder(path) end
  if path:lower():find "%.zip$" then return package.read_zip(source, read_file(path, source)) end
  if path:lower():find "%.lua$" then return read_script(path) end
  bad(source, "It is no playbook: neither .lua, nor a folder, nor .zip.")
end

--- The script and the files that it requires by name, and those that they require: a list of paths.
function package.required(given)
  local by_name, list, seen = {}, {}, {}
  for path in pairs(given.files) do by_name[fold(path)] = path end
  local function take(path)
    if seen[path] then return end
    seen[path], list[#list + 1] = true, path
    for _, name in ipairs(package.names(given.files[path])) do
      local module = fold(name):gsub("%.", "/")
      local found = by_name[module .. ".lua"] or by_name[module .. "/init.lua"]
      if found then take(found) end
    end
  end
  take(given.script)
  return list
end

--- Reads what `source` names: {name=, script=, files={path = bytes}, place=, problem=}. `place` and `problem` are what
-- host.place says of where it lies. Raises P80_BAD_PACKAGE.
function package.read(source)
  core.check.text("FILE, FOLDER or ZIP", source)
  origin = {place = ""}
  local files = read_source(source, (core.ask(core.win.file.absolute, source):gsub("([^:\\/])[\\/]+$", "%1")))
  local script = find_script(source, files)
  local name = script:sub(1, -5)
  local problem = core.manifest.name_problem(name)
  if problem then bad(script, problem) end
  local given = {name = name, script = script, files = files, place = origin.place, problem = origin.problem}
  origin = nil
  return given
end

return package
