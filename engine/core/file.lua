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
  label = function(id) return id.path end,
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

-- The file by its absolute path, so that "..\x" and "x" need the same grant.
local function file_id(path)
  check.text("path", path)
  local absolute = core.ask(raw.absolute, path)
  if raw.is_link(absolute) then
    core.fail(absolute, code.ERROR_NOT_SUPPORTED, "This is a link.", "name the file that it leads to")
  end
  return {path = absolute}
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
  local is_planned, state = planned("file.write", {path = raw.absolute(path)})
  if not is_planned then return bytes end
  return state and state.bytes
end)
