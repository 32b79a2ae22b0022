-- What a playbook says while it runs (scripts/lib/log.lua): lines on standard error and, where it wants, in a file.
local core, host = ...
local log = {}

local ENOENT <const> = 2
local LEVELS = {"error", "warning", "info", "debug"}
local RANK, COLOUR = {}, {error = "bad", warning = "warning", info = "plain", debug = "faint"}
for rank, level in ipairs(LEVELS) do RANK[level] = rank end

local limit = core.options.quiet and RANK.error or core.options.verbose and RANK.debug or RANK.info
local file -- {path=, stream=}

-- Control characters escaped, but for those in `kept`, so that a line cannot pass for another or act upon a console.
local function escaped(text, kept)
  return (text:gsub("%c", function(c) return not kept[c] and ("\\x%02X"):format(c:byte()) or nil end))
end

local function write_line(level, text)
  local line = ("%s %-7s %s\n"):format(host.now(), level, escaped(text, {}))
  if file.stream:write(line) and file.stream:flush() then return end
  core.result.warn(("the log file '%s' could not be written"):format(file.path))
  file.stream:close()
  file = nil
end

--- Says `text`, if --quiet and --verbose let it.
function log.say(level, text)
  core.check.one_of("level", level, LEVELS)
  text = core.secrets.masked(core.check.text("text", text))
  if RANK[level] <= limit then
    host.console.colour(COLOUR[level], "stderr")
    host.log((level == "info" and "" or level .. ": ") .. escaped(text, {["\n"] = true, ["\t"] = true}), true)
    host.console.colour("plain", "stderr")
  end
  if file and RANK[level] <= math.max(limit, RANK.info) then write_line(level, text) end
end

--- Has everything from now on written to the end of a file, too, but in --check. Such a file is no change that counts.
function log.open(path)
  core.open "file.write"
  path = core.ask_file(path)
  if core.checking or host.model then return end
  local stream, problem, number = io.open(path, "a")
  local code = number == ENOENT and core.code.ERROR_PATH_NOT_FOUND or core.code.ERROR_ACCESS_DENIED
  if not stream then core.fail(path, code, problem:sub(#path + 3) .. ".") end
  if file then file.stream:close() end
  file = {path = path, stream = stream}
end

return log
