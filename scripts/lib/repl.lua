-- `p80 -i`: reads Lua line by line, runs it and prints what it gives. The value of this module is run(env), which
-- returns at the end of the input; env may have
--   console   the table of engine/console.h; by default what require "console" gives
--   help      function(topic or nil) -> text or nil
--   banner    the first line
local show = require "show"

-- What a session may overwrite.
local io, table, string, debug, math, utf8 = io, table, string, debug, math, utf8
local error, ipairs, load, pcall, rawget, require, select, tonumber, tostring, type, xpcall =
  error, ipairs, load, pcall, rawget, require, select, tonumber, tostring, type, xpcall
local stdin, stdout, stderr = io.stdin, io.stdout, io.stderr
local find, gsub, match, sub = string.find, string.gsub, string.match, string.sub

local KEPT = 1000 -- entries of the history file
local INTERRUPTED = "interrupted"
local COMMAND = "(session)"

-- ---- The console ----

local none = {
  is_terminal = function() return false end,
  width = function() return 80 end,
  colour = function() end,
  interrupted = function() return false end,
  history = function() return nil end,
  remember = function() end,
}

local function console_of(env)
  if env.console then return env.console end
  local ok, console = pcall(require, "console")
  return ok and console or none
end

-- ---- History ----

-- One entry a line in the file.
local function encode(text) return (gsub(gsub(text, "\\", "\\\\"), "\n", "\\n")) end

local function decode(line)
  return (gsub(line, "\\(.)", function(c) return c == "n" and "\n" or c end))
end

local function open_history(console)
  local entries = {}
  for line in string.gmatch(console.history() or "", "[^\r\n]+") do
    if utf8.len(line) then entries[#entries + 1] = decode(line) end
  end
  if #entries > KEPT then
    table.move(entries, #entries - KEPT // 2 + 1, #entries, 1)
    for i = #entries, KEPT // 2 + 1, -1 do entries[i] = nil end
    local lines = {}
    for i, entry in ipairs(entries) do lines[i] = encode(entry) .. "\n" end
    console.remember(table.concat(lines), true)
  end
  return entries
end

-- What begins with a blank is not kept, nor is the same thing twice in a row.
local function remember(session, text)
  local entries = session.history
  if not session.interactive or text == entries[#entries] or find(text, "^%s") then return end
  entries[#entries + 1] = text
  session.console.remember(encode(text) .. "\n")
end

local function recall(session, what)
  local entries = session.history
  if what == "!" then return entries[#entries] end
  local n = tonumber(what)
  if n then return entries[n < 0 and #entries + 1 + n or n] end
  for i = #entries, 1, -1 do
    if sub(entries[i], 1, #what) == what then return entries[i] end
  end
end

local function list_history(session, most)
  local entries = session.history
  for i = math.max(1, #entries - most + 1), #entries do
    stdout:write(string.format("%5d  %s\n", i, (gsub(entries[i], "\n", "\n       "))))
  end
end

-- ---- Reading ----

-- The next line without its end; nil at the end of the input, and raises for Ctrl-C.
local function read_line(session, prompt)
  if not session.interactive then
    local line = stdin:read "L"
    return line and (gsub(line, "\r?\n$", ""))
  end
  local line, interrupted = session.console.read(prompt)
  if interrupted then error(INTERRUPTED, 0) end
  return line
end

-- The chunk that `text` is: an expression first, so that its value shows. nil: why, and whether more may follow.
local function compile(text)
  local expression = match(text, "^%s*=(.*)") or text
  local chunk = load("return " .. expression, "=" .. COMMAND, "t")
  if chunk then return chunk end
  local problem
  chunk, problem = load(text, "=" .. COMMAND, "t")
  if chunk then return chunk end
  return nil, problem, find(problem, "near <eof>$") ~= nil
end

-- Reads lines until they make a statement.
local function read_statement(session, text)
  while true do
    local chunk, problem, more = compile(text)
    local line = not chunk and more and read_line(session, ">> ")
    if not line then return text, chunk, problem end
    text = text .. "\n" .. line
  end
end

-- ---- Running ----

-- What tells nothing: the typed line itself, and the function that raises.
local function is_plain_frame(line)
  return find(line, "^stack traceback:") or find(line, "in function 'error'", 1, true) or
    find(line, "in main chunk", 1, true) or find(line, "(...tail calls...)", 1, true)
end

-- The traceback without the frames of this file, or nil when nothing else is in it.
local function own_frames(trace)
  local lines, telling = {}, false
  for line in string.gmatch(trace, "[^\n]+") do
    if find(line, "in function 'xpcall'", 1, true) then break end
    lines[#lines + 1] = line
    telling = telling or not is_plain_frame(line)
  end
  return telling and table.concat(lines, "\n") or nil
end

local function on_error(problem) return {problem = problem, trace = own_frames(debug.traceback("", 2))} end

local function print_problem(session, problem, trace)
  local text = type(problem) == "string" and problem or show(problem, {width = session.console.width()})
  session.console.colour("bad", "stderr")
  stderr:write(text, "\n")
  session.console.colour("plain", "stderr")
  if trace then stderr:write(trace, "\n") end
end

local function print_results(session, ok, ...)
  if not ok then
    local failure = ...
    return print_problem(session, failure.problem, failure.trace)
  end
  for i = 1, select("#", ...) do
    stdout:write(show((select(i, ...)), {width = session.console.width("stdout")}), "\n")
  end
end

local function run_chunk(session, chunk)
  print_results(session, xpcall(chunk, on_error))
  session.console.interrupted()
end

-- ---- Commands ----

local usage = [[
Type Lua. A value shows as it is: win.host.version(), 1 + 1.
  help [NAME]      this, or what NAME is: help win.scm.stop
  history [N]      what was typed, in earlier sessions too
  !N  !TEXT  !!    run number N of it, the last that begins with TEXT, the last
  exit             leave; so does Ctrl-Z and Enter]]

local function help(session, topic)
  local text = session.help and session.help(topic ~= "" and topic or nil)
  if topic == "" then text = text and usage .. "\n\n" .. text or usage end
  stdout:write(text or "There is no help about '" .. topic .. "'.", "\n")
end

-- What a line asks help about: help win.scm, help "win.scm", help(win.scm); "" for help alone.
local function help_topic(line)
  if rawget(_G, "help") ~= nil then return nil end
  if match(line, "^%s*help[%s()]*$") then return "" end
  return match(line, "^%s*help[%s(][%s(]*[\"']?([%a_][%w_.:]*)[\"']?[%s)]*$")
end

-- Does what is no Lua; whether it did.
local function command(session, line)
  local topic = help_topic(line)
  if topic then
    help(session, topic)
    return true
  end
  local most = match(line, "^%s*history%s*$") and 30 or tonumber(match(line, "^%s*history%s+(%d+)%s*$"))
  if most then list_history(session, most) end
  return most ~= nil
end

local function step(session)
  local line = read_line(session, "> ")
  if not line then return "end" end
  local what = match(line, "^!(.+)")
  if what then
    line = recall(session, what)
    if not line then return stderr:write("Nothing in the history is '", what, "'.\n") and nil end
    stdout:write(line, "\n")
  end
  if find(line, "^%s*$") then return nil end
  local word = match(line, "^%s*(%a+)%s*$")
  if (word == "exit" or word == "quit") and rawget(_G, word) == nil then return "end" end
  if command(session, line) then return nil end
  local text, chunk, problem = read_statement(session, line)
  remember(session, text)
  if chunk then run_chunk(session, chunk) else print_problem(session, problem) end
end

return function(env)
  env = env or {}
  local console = console_of(env)
  local session = {console = console, help = env.help, interactive = console.is_terminal "stdin", history = {}}
  if session.interactive then
    session.history = open_history(console)
    stdout:write(env.banner or _VERSION .. ". `help` explains, `exit` leaves.", "\n")
  end
  while true do
    local ok, result = pcall(step, session)
    if ok and result == "end" then break end
    if not ok then -- Ctrl-C while a line was typed, or between two of them; anything else is a fault of this file
      console.interrupted()
      stdout:write "\n"
      if not find(tostring(result), "^[Ii]nterrupted") then pcall(print_problem, session, result) end
    end
  end
  if session.interactive then stdout:write "\n" end
end
