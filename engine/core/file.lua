-- win.file behind the gate: a file's bytes are its state, so that a write can be taken back.
local core, host = ...
local check, code, fold = core.check, core.code, core.x.fold
local raw = core.win.file

local LARGEST <const> = 8 * 1024 * 1024 -- what the journal keeps of one file, before and after

local function check_size(path, bytes)
  if #bytes <= LARGEST then return bytes end
  core.fail(path, code.ERROR_FILE_TOO_LARGE,
    ("%d bytes are more than the %d that can be taken back."):format(#bytes, LARGEST),
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

-- Calls f(path) with a path and each folder above it, until it returns something true, and returns that.
local function upwards(path, f)
  while path do
    local found = f(path:find "^%a:$" and path .. [[\]] or path)
    if found then return found end
    path = path:match [[^(.*[^\])\[^\]+$]]
  end
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
      return place, not is_sure and upwards(there, raw.is_link) and "(through a link) " .. place or place
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

-- ---- What is p80's own: the state folder, with policy, journals and playbooks ----

-- What a file or folder is known by: its path, and, when it is there, what tells it from all others whatever its path.
-- A pipe would be used up by asking.
local function marks_of(path)
  return {fold(path), not path:lower():find [[^\\[.?]\pipe\]] and host.store.identity(path) or nil}
end

-- Marks what is p80's own as "own", and every folder above it as "above".
local function own_marks()
  local own, marks, state = {host.store.home()}, {}, core.options.state
  if state then own[2], own[3] = state .. [[\runs]], state .. [[\lock]] end
  for _, path in ipairs(own) do
    local is = "own"
    upwards((target_of(path)), function(at)
      for _, mark in ipairs(marks_of(at)) do marks[mark] = marks[mark] == "own" and "own" or is end
      is = "above"
    end)
  end
  return marks
end

--- Raises when a script means to write a file or folder of p80's own, whatever it is granted.
function core.refuse_own(path)
  if core.script.kind == "command" or host.model or not host.store.home then return end
  local marks, below = own_marks(), nil
  upwards(path, function(at)
    for _, mark in ipairs(marks_of(at)) do
      if marks[mark] == "own" or marks[mark] and not below then
        core.fail(path, code.P80_REFUSED,
          marks[mark] == "own" and "This is in p80's own folder, which scripts do not change."
            or "p80's own folder is in this one, which scripts therefore do not change.",
          "no grant covers it; `p80 policy` and `p80 install` change what is there")
      end
    end
    below = true
  end)
end

-- target_of for what is to be written.
local function written_target(path)
  local target, labels = target_of(path)
  core.refuse_own((target:gsub("(.):[^\\]*$", "%1")))
  return target, labels
end

--- The path of the file that `path` means, which is to be written.
function core.file_place(path) return (written_target(path)) end

--- Asks for the grants to write the file that `path` means; returns its path.
function core.ask_file(path)
  local target, labels = written_target(path)
  if target:upper() == NOWHERE then return target end
  for _, label in ipairs(labels) do core.grants.ask("file.write", label) end
  return target
end

-- The whole file that `path` means; `find` is target_of or written_target.
local function file_id(path, find)
  check.text("path", path)
  local absolute = core.ask(raw.absolute, path)
  if raw.is_link(absolute) then
    core.fail(absolute, code.ERROR_NOT_SUPPORTED, "This is a link.", "name the file that it leads to")
  end
  local target, labels = find(path)
  if labels[2] then fail_name(absolute, "io.open writes the streams of files") end
  return {path = target, label = labels[1] ~= target and labels[1] or nil}
end

core.write("file.write", function(...)
  check.arguments(select("#", ...), 2, 2)
  local path, bytes = ...
  if type(bytes) ~= "string" then check.bad("bytes", bytes, "text") end
  return core.change("file.write", file_id(path, written_target), {bytes = check_size(path, bytes)})
end)

core.write("file.delete", function(...)
  check.arguments(select("#", ...), 1, 1)
  return core.change("file.write", file_id((...), written_target), nil)
end)

core.view("file.read", function(planned, bytes, path)
  local is_planned, state = planned("file.write", file_id(path, target_of))
  if not is_planned then return bytes end
  return state and state.bytes
end)
