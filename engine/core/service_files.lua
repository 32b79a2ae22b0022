-- What a service leaves for people to read, in `services` of the state folder: its log, and what `p80 service status`
-- shows. Neither is worth ending for: when the disk is full they stay as they were.
local core, host = ...
local data = core.data
local files = {}

local FOLDER <const> = "services"
local LARGEST_LOG <const> = 1 << 20 -- bytes; then a new one begins, and one old one is kept
local MOST_DETAILS <const> = 64 << 10 -- bytes of what one run printed
local ORDER <const> = {"name", "script", "phase", "began", "next_run", "runs", "run"}

local function path_of(name, ending) return ("%s\\%s\\%s%s"):format(host.store.home(), FOLDER, name, ending) end

function files.log_path(name) return path_of(name, ".log") end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

local function write(path, mode, text)
  local file = io.open(path, mode)
  if not file then return false end
  local ok = file:write(text)
  return file:close() and ok
end

--- What the service of that name last said of itself; nil when there is nothing, or p80 may not read it.
function files.load(name)
  local text = read(path_of(name, ".json")) or read(path_of(name, ".new")) -- while one takes the place of the other
  return text and (data.decode(text)) or nil
end

--- Removes what it says of itself; the log stays.
function files.forget(name)
  os.remove(path_of(name, ".json"))
  os.remove(path_of(name, ".new"))
end

local function rotate(path)
  local file = io.open(path, "rb")
  local size = file and file:seek "end" or 0
  if file then file:close() end
  if size < LARGEST_LOG then return end
  os.remove(path .. ".1")
  os.rename(path, path .. ".1")
end

--- The files of a service, for itself. `also(text)` gets every line of the log, too.
function files.open(name, also)
  pcall(host.store.home, FOLDER)
  local file = {log_path = files.log_path(name)}
  local status_path, new_path = path_of(name, ".json"), path_of(name, ".new")

  local function append(text)
    rotate(file.log_path)
    write(file.log_path, "ab", text)
  end

  function file.log(text)
    if also then also(text) end
    append(("%s %s\r\n"):format(host.now(), (text:gsub("%c+", " "))))
  end

  --- Adds what a run has printed.
  function file.details(text)
    if not text or text == "" then return end
    if #text > MOST_DETAILS then text = "...\n" .. text:sub(-MOST_DETAILS) end
    append("    " .. text:gsub("\r?\n$", ""):gsub("\r?\n", "\r\n    ") .. "\r\n")
  end

  function file.save(status)
    if not write(new_path, "wb", data.encode(status, ORDER) .. "\n") then return end
    os.remove(status_path)
    os.rename(new_path, status_path)
  end

  function file.load() return files.load(name) end

  return file
end

return files
