-- win.process behind the gate: ending a process, which nothing takes back.
local core, host = ...
local check, code = core.check, core.code
local raw = core.win.process

local function id_of(row) return {pid = row.pid, name = row.name, created = row.created} end
local function label(id) return ("%d (%s)"):format(id.pid, id.name) end

core.resource {
  kind = "process.state",
  label = label,
  -- A pid is given again to other processes: the one that is meant started when `created` says. Where p80 may not
  -- look at that, it is taken for the same.
  get = function(id)
    local row = raw.get(id.pid)
    if not row or row.name ~= id.name then return nil end
    if row.created and id.created and row.created ~= id.created then return nil end
    return {path = row.path, started = row.started}
  end,
  set = function(id, _, _, options)
    raw.stop(id.pid, {created = id.created, timeout = options and options.timeout or core.timeout})
  end,
  undo = false,
}

-- Raises for the processes that are never ended.
local function refuse(pid, row)
  local why = (pid == 0 or pid == 4) and "this is Windows itself" or pid == host.pid and "this is p80 itself"
  if why then core.fail(row and label(row) or tostring(pid), code.ERROR_ACCESS_DENIED, nil, why) end
end

core.write("process.stop", function(...)
  check.arguments(select("#", ...), 1, 2)
  local pid, options = ...
  check.integer("pid", pid, 0, 0xFFFFFFFF)
  options = check.options(options, {"timeout", "created"})
  local timeout = check.opt_seconds("timeout", options.timeout, core.timeout)
  local created = check.opt_integer("created", options.created, 1, math.maxinteger)
  local row = core.ask(raw.get, pid)
  refuse(pid, row)
  if row and created and row.created ~= created then return false end
  return row ~= nil and core.change("process.state", id_of(row), nil, {timeout = timeout})
end)

core.view("process.get", function(planned, row)
  if row and planned("process.state", id_of(row)) then return nil end
  return row
end)

core.view("process.list", function(planned, rows)
  local left = {}
  for _, row in ipairs(rows) do
    if not planned("process.state", id_of(row)) then left[#left + 1] = row end
  end
  return left
end)

-- What runs in a process is what scm.list says, by now.
core.view("process.services", function(planned, names)
  local left = {}
  for _, name in ipairs(names) do
    local is_planned, state = planned("scm.state", {name = name})
    if not is_planned or state.state ~= "stopped" then left[#left + 1] = name end
  end
  return left
end)

-- ---- Running programs ----

local MOST_OUTPUT <const> = 64 << 20 -- bytes
local BATCH <const> = {bat = true, cmd = true}
local SHOWN_SECRET <const> = "***"

local runs = {} -- by path in lower case: {ran=, command=, code=}

local function run_key(path) return path:lower() end

local FAULT <const> = {
  timeout = {code.ERROR_TIMEOUT, "It did not end in time, and was ended with all that it had started."},
  flood = {code.ERROR_FILE_TOO_LARGE,
    ("It printed more than %d MiB, and was ended with all that it had started."):format(MOST_OUTPUT >> 20)},
}

-- A program that was run cannot be read back; what stands for its state is how often this run of p80 ran it.
core.resource {
  kind = "process.run",
  label = function(id) return id.path end,
  get = function(id) return runs[run_key(id.path)] or {ran = 0} end,
  set = function(id, want, _, how)
    local result = table.pack(pcall(raw.run, how.spec))
    local ok, ended, exit_code = table.unpack(result, 1, 3)
    local is_known = ok and ended == "ended"
    if how.spec.started then
      runs[run_key(id.path)] = {ran = want.ran, command = want.command, code = is_known and exit_code or nil}
    end
    if not ok then error(ended, 0) end
    if FAULT[ended] then core.fail(id.path, table.unpack(FAULT[ended])) end
    how.result = {code = exit_code, stdout = result[4], stderr = result[5]}
  end,
  same = function(have, want) return want.ran > 0 and have.ran == want.ran end,
  undo = false, whole = true,
}

-- An argument: text, {secret=text} or {raw=text}. Nothing of a secret may be in an error.
local function check_argument(name, value)
  if type(value) ~= "table" then return check.text(name, value) end
  local key, text = next(value)
  local is_good = (key == "secret" or key == "raw") and next(value, key) == nil and type(text) == "string"
    and not text:find("\0", 1, true) and check.is_wide_text(text)
  if not is_good then
    core.fail(name, code.ERROR_INVALID_PARAMETER, "text, {secret=text} or {raw=text} expected (not shown).")
  end
  return value
end

local function check_arguments(args)
  if args == nil then return {} end
  if type(args) ~= "table" then check.bad("args", args, "an array of arguments") end
  local n = 0
  for _ in pairs(args) do n = n + 1 end
  if n ~= #args then check.bad("args", args, "an array of arguments") end
  for i, value in ipairs(args) do check_argument(("args[%d]"):format(i), value) end
  return args
end

local function quoted(text) return raw.join({"x", text}):sub(3) end

-- How cmd.exe takes a line apart depends on what it has just read, and what a batch file does with its arguments on
-- itself: these characters are safe from neither
-- (https://flatt.tech/research/posts/batbadbut-you-cant-securely-execute-commands-on-windows).
local function quoted_for_batch(name, text, is_secret)
  if text:find '[%c"%%!^&|<>]' then
    core.fail(name, code.ERROR_INVALID_PARAMETER,
      ("%s has a character that no batch file can be given safely (one of \" %% ! ^ & | < > or a control character).")
      :format(is_secret and "It" or ("'%s'"):format(text:gsub("%c", "?"))))
  end
  return '"' .. text:gsub("(\\*)$", "%1%1") .. '"'
end

-- The words of the command line after the program's name, and the same for people.
local function quoted_arguments(args, is_batch)
  local words, shown = {}, {}
  for i, value in ipairs(args) do
    local name, text = ("args[%d]"):format(i), type(value) == "table" and (value.secret or value.raw) or value
    local is_secret = type(value) == "table" and value.secret ~= nil
    if is_batch then
      words[i] = quoted_for_batch(name, text, is_secret)
    else
      words[i] = type(value) == "table" and value.raw or quoted(text)
    end
    shown[i] = is_secret and SHOWN_SECRET or words[i]
  end
  return words, shown
end

local function command_line(path, words)
  return table.concat({'"' .. path .. '"', table.unpack(words)}, " ")
end

-- What Windows is given: a batch file is run by cmd.exe, without what the registry tells that to run first.
-- https://learn.microsoft.com/windows-server/administration/windows-commands/cmd
local function command(path, args)
  local is_batch = BATCH[path:lower():match "%.(%w+)$"]
  if is_batch then quoted_for_batch("program", path) end
  local words, shown = quoted_arguments(args, is_batch)
  local line = command_line(path, words)
  if not is_batch then return path, line, command_line(path, shown) end
  local shell = raw.find "cmd.exe"
  return shell, ('"%s" /d /e:on /v:off /s /c "%s"'):format(shell, line), command_line(path, shown)
end

-- The environment of p80 with what is asked for laid over it, as an array in Windows' order; nil for p80's own.
local function environment(changes)
  if changes == nil then return nil end
  if type(changes) ~= "table" then check.bad("env", changes, "a table of text by name") end
  local by_key, list = {}, {}
  for name, value in pairs(raw.environment()) do by_key[name:upper()] = {name, value} end
  for name, value in pairs(changes) do
    if type(name) ~= "string" or not name:find "^[^=\0]+$" then check.bad("env", name, "names without '='") end
    check.text("env", name)
    local is_text = type(value) == "string" and not value:find("\0", 1, true) and check.is_wide_text(value)
    if value and not is_text then
      core.fail("env." .. name, code.ERROR_INVALID_PARAMETER, "text or false expected (not shown).")
    end
    by_key[name:upper()] = value and {name, value} or nil
  end
  for key, pair in pairs(by_key) do list[#list + 1] = {key, table.concat(pair, "=")} end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  for i, pair in ipairs(list) do list[i] = pair[2] end
  return list
end

-- Whether every other byte of most of it is zero, as in English or German text.
local function looks_like_utf16(bytes)
  if #bytes < 2 or #bytes % 2 == 1 then return false end
  local sample = bytes:sub(1, 4096)
  local _, zeros = sample:gsub(".\0", "")
  return zeros * 4 > #sample // 2 and not sample:find "\0\0"
end

local decoders = {
  ["utf-8"] = function(bytes) return (bytes:gsub("^\xEF\xBB\xBF", "")) end,
  ["utf-16"] = function(bytes) return core.x.decode(bytes:gsub("^\xFF\xFE", ""), "utf16") end,
  oem = function(bytes) return core.x.decode(bytes, "oem") end,
  ansi = function(bytes) return core.x.decode(bytes, "ansi") end,
}

local function encoding_of(bytes)
  if bytes:find "^\xFF\xFE" or looks_like_utf16(bytes) then return "utf-16" end
  return utf8.len(bytes) and "utf-8" or "oem"
end

-- What a program printed, and in what it was written.
local function decode(bytes, encoding)
  if encoding == "binary" then return bytes, encoding end
  if encoding == "auto" then encoding = encoding_of(bytes) end
  return (decoders[encoding](bytes):gsub("\r\n", "\n")), encoding
end

local OPTIONS <const> = {"program", "args", "cwd", "env", "stdin", "timeout", "encoding", "search"}
local ENCODINGS <const> = {"auto", "utf-8", "utf-16", "oem", "ansi", "binary"}

local function check_run(options)
  if type(options) ~= "table" then check.bad("options", options, "a table of options") end
  check.options(options, OPTIONS)
  check.text("program", options.program)
  check.opt_text("cwd", options.cwd)
  if options.stdin ~= nil and type(options.stdin) ~= "string" then check.bad("stdin", options.stdin, "text") end
  check.one_of("encoding", options.encoding or "auto", ENCODINGS)
  check.opt_boolean("search", options.search)
  return check_arguments(options.args)
end

--- Runs a program as win.process.run does.
function core.run(options)
  local args = check_run(options)
  local path = core.ask(raw.find, options.program, {search = options.search})
  if not path then core.fail(options.program, code.ERROR_FILE_NOT_FOUND) end
  local image, line, shown = command(path, args)
  local how = {spec = {
    path = image, line = line, folder = options.cwd, environment = environment(options.env), input = options.stdin,
    timeout = check.opt_seconds("timeout", options.timeout, core.timeout), most = MOST_OUTPUT,
  }}
  local is_told, place = pcall(core.win.file.final, path)
  if is_told and place and place ~= path then core.grants.ask("process.run", place) end -- where a link leads
  local before = core.gate.state("process.run", {path = path}).ran
  runs[run_key(path)] = {ran = runs[run_key(path)] and runs[run_key(path)].ran or 0}
  core.change("process.run", {path = path}, {ran = before + 1, command = shown}, how)
  local result = how.result or {code = 0, stdout = "", stderr = "", planned = true}
  local encoding = options.encoding or "auto"
  result.stdout, result.stdout_encoding = decode(result.stdout, encoding)
  result.stderr, result.stderr_encoding = decode(result.stderr, encoding)
  return result
end

core.write("process.run", function(...)
  check.arguments(select("#", ...), 1, 1)
  return core.run((...))
end)
