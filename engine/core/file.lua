-- win.file behind the gate: a file's bytes are its state, so that a write can be taken back.
local core = ...
local check, code = core.check, core.code
local raw = core.win.file

local LARGEST <const> = 8 * 1024 * 1024 -- what the journal keeps of one file, before and after

local function check_size(path, bytes)
  if #bytes <= LARGEST then return bytes end
  core.fail(path, code.ERROR_FILE_TOO_LARGE, ("%d bytes are more than the %d that can be taken back."):format(#bytes, LARGEST),
    "io.open writes larger files, which `p80 undo` leaves alone")
end

core.resource {
  kind = "file.write",
  label = function(id) return id.label or id.path end,
  get = function(id)
    local bytes = core.ask(raw.read, id.path)
    return bytes and {bytes = check_size(id.path, bytes)}
  end,
  set = function(id, want)
    if want then raw.write(id.path, want.bytes) else raw.delete(id.path) end
  end,
  lost = function(restored, before)
    if restored and not before then return "its access list, attributes, dates and streams are those of a new file" end
  end,
}

-- ---- Which file a path means ----

local NOWHERE <const> = [[\\.\NUL]]

local function fail_name(path, hint) core.fail(path, code.ERROR_INVALID_NAME, nil, hint) end

-- A path such as \\?\C:\x without its prefix; others that begin so, and \\.\, name devices.
local function without_prefix(absolute)
  local share = absolute:match [[^\\%?\[Uu][Nn][Cc]\(.*)$]]
  local plain = absolute:match [[^\\%?\(%a:\.*)$]] or share and [[\\]] .. share
  if not plain then return absolute end
  if core.ask(raw.absolute, plain) ~= plain then fail_name(absolute, "without the prefix it names another file") end
  return plain
end

local function is_device(path) return path:find [[^\\[.?]\]] ~= nil end

-- Parts "C:\x:stream" into "C:\x" and ":stream".
local function split_stream(absolute)
  local start, rest = absolute:match "^(%a?:?)(.*)$"
  local name, stream = rest:match "^([^:]*)(.*)$"
  if stream:find [[\]] then fail_name(absolute, "only the last name may have a stream") end
  return start .. name, stream
end

local function has_link(path)
  while path do
    if raw.is_link(path) then return true end
    path = path:match [[^(.*[^\])\[^\]+$]]
  end
  return false
end

-- Where `absolute` leads: what there is of it with all links followed, and the names that are still to be made.
-- Where Windows does not tell, a path with a link in it needs a grant for more than paths.
local function place_of(absolute)
  local there, missing = absolute, ""
  while there do
    local final, is_sure = core.ask(raw.final, there:find "^%a:$" and there .. [[\]] or there)
    if final then
      local place = final:gsub([[\$]], "") .. missing
      if missing == "" then place = final end
      return place, not is_sure and has_link(there) and "(through a link) " .. place or place
    end
    local above, name = there:match [[^(.*[^\])\([^\]+)$]]
    there, missing = above, name and [[\]] .. name .. missing
  end
  return absolute, absolute
end

--- Which file is meant by `path`: its path, by which Windows will find no other, and what grants for it must cover.
local function target_of(path)
  check.text("path", path)
  local absolute = without_prefix(core.ask(raw.absolute, path))
  if is_device(absolute) then return absolute, {absolute} end
  local name, stream = split_stream(absolute)
  local place, label = place_of(name)
  return place .. stream, stream == "" and {label} or {label, label .. stream}
end

--- The path of the file that `path` means.
function core.file_place(path) return (target_of(path)) end

--- Asks for the grants to write the file that `path` means; returns its path.
function core.ask_file(path)
  local target, labels = target_of(path)
  if target:upper() == NOWHERE then return target end
  for _, label in ipairs(labels) do core.grants.ask("file.write", label) end
  return target
end

-- The whole file that `path` means.
local function file_id(path)
  check.text("path", path)
  local absolute = core.ask(raw.absolute, path)
  if raw.is_link(absolute) then
    core.fail(absolute, code.ERROR_NOT_SUPPORTED, "This is a link.", "name the file that it leads to")
  end
  local target, labels = target_of(path)
  if labels[2] then fail_name(absolute, "io.open writes the streams of files") end
  return {path = target, label = labels[1] ~= target and labels[1] or nil}
end

core.write("file.write", function(...)
  check.arguments(select("#", ...), 2, 2)
  local path, bytes = ...
  if type(bytes) ~= "string" then check.bad("bytes", bytes, "text") end
  return core.change("file.write", file_id(path), {bytes = check_size(path, bytes)})
end)

core.write("file.delete", function(...)
  check.arguments(select("#", ...), 1, 1)
  return core.change("file.write", file_id((...)), nil)
end)

core.view("file.read", function(planned, bytes, path)
  local is_planned, state = planned("file.write", file_id(path))
  if not is_planned then return bytes end
  return state and state.bytes
end)
