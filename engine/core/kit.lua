-- Modelled machines for tests and for --model, in a playbook's state. `kit` is what the engine lends (engine/kit.c).
local kit = ...
local x = kit.x

local function copy(value)
  if type(value) ~= "table" then return value end
  local same = {}
  for key, item in pairs(value) do same[key] = copy(item) end
  return same
end

local complete = kit.chunk "model_machine"(x, win, copy, kit)

local machines = {}
local check = x.check "test"

local SECONDS <const> = 10 -- that a run may take on this machine's own clock
local LONGEST <const> = 2592000

-- ---- What a run gives ----

local outcome = {}

--- All that was printed and found, for messages.
function outcome:describe()
  local form = "exit code %s\n-- standard output:\n%s-- standard error:\n%s"
  local text = form:format(self.exit, self.output, self.errors)
  return self.difference[1] and text .. "-- on the machine:\n" .. table.concat(self.difference, "\n") or text
end

--- Raises unless the run ended with this exit code; returns the outcome.
function outcome:exits(code)
  if self.exit == code then return self end
  error(("exit code %s expected, got %s"):format(code, self:describe()), 2)
end

local RECORD <const> = {
  "changes", "warnings", "result", "error", "run", "check", "changed", "failed", "restart_needed",
}

local function outcome_of(given, name)
  if type(given.machine) ~= "table" then error("p80: " .. tostring(given.machine), 0) end
  local record = given.record or {changes = {}} -- a command that changes nothing has none
  local made = {
    exit = given.exit, output = given.output:gsub("\r\n", "\n"), errors = given.errors:gsub("\r\n", "\n"),
    difference = given.machine.difference,
  }
  for _, key in ipairs(RECORD) do made[key] = record[key] end
  made.warnings = made.warnings or {}
  setmetatable(made, {__index = outcome})
  if given.timed_out then
    error(("%s did not end within %s seconds: %s"):format(name, given.seconds, made:describe()), 0)
  end
  return made
end

-- ---- Machines ----

local machine = {}
local folders = setmetatable({}, {__mode = "k"}) -- by machine: where its scripts are

local function plain(m)
  local data = {}
  for key, value in pairs(m) do data[key] = value end
  return data
end

-- Has `m` be what a run made of it.
local function become(m, data)
  for key in pairs(m) do m[key] = nil end
  for key, value in pairs(data) do m[key] = value end
end

-- Runs p80 with these words (nil: those of the command line itself).
local function run(m, words, how, name)
  local given = kit.run(plain(m), words, how.check, how.seconds)
  given.seconds = how.seconds
  if type(given.machine) == "table" then become(m, given.machine.machine) end
  return outcome_of(given, name)
end

local function add(words, ...)
  for _, word in ipairs {...} do words[#words + 1] = tostring(word) end
end

local OPTIONS <const> = {"check", "json", "force", "quiet", "verbose", "allow", "timeout", "seconds"}

-- The words for p80 itself that `options` mean.
local function option_words(options)
  local words = {}
  options = check.options(options, OPTIONS)
  for _, switch in ipairs {"check", "json", "quiet", "verbose"} do
    if check.opt_boolean(switch, options[switch]) then add(words, "--" .. switch) end
  end
  if options.timeout ~= nil then add(words, "--timeout", check.seconds("timeout", options.timeout)) end
  local allow = type(options.allow) == "table" and options.allow or {options.allow}
  for _, grant in ipairs(check.list_of_text("allow", allow)) do add(words, "--allow", grant) end
  return words, {seconds = check.opt_seconds("seconds", options.seconds, SECONDS)}, options
end

-- The path of a script beside the test, or the name of a bundled one.
local function script_path(m, script)
  check.text("script", script)
  if script:find "^%a:" or script:find "^[\\/]" then return script end
  local path = folders[m] .. "\\" .. script
  return lfs.attributes(path, "mode") == "file" and path or script
end

--- m:run(script [, words [, options]]) -> what came of it.
function machine:run(script, arguments, options)
  local words, how = option_words(options)
  add(words, script_path(self, script))
  if arguments ~= nil and type(arguments) ~= "table" then
    check.bad("words", arguments, "an array of words for the script")
  end
  add(words, table.unpack(arguments or {}))
  return run(self, words, how, script)
end

--- m:code(text [, options]): runs Lua text.
function machine:code(text, options)
  local words, how = option_words(options)
  add(words, "-e", check.text("text", text))
  return run(self, words, how, "-e")
end

--- m:undo([run [, options]]): takes a run back (nil: the newest).
function machine:undo(number, options)
  local words, how, given = option_words(options)
  add(words, "undo", number)
  if given.force then add(words, "--force") end
  return run(self, words, how, "undo")
end

--- m:ask(expression) -> its value on the machine: m:ask "win.tcp.listeners(80)".
function machine:ask(expression)
  check.text("expression", expression)
  local code = ("require 'p80'.report((function() return %s end)())"):format(expression)
  local made = self:code(code)
  if made.error then error(made.error.message, 0) end
  return made.result
end

--- m:wait(seconds): lets time pass on the machine.
function machine:wait(seconds)
  check.seconds("seconds", seconds)
  self:code(("require 'p80'.sleep(%s)"):format(seconds)):exits(0)
end

--- Runs what the command line says.
function machine:run_own(is_check) return run(self, nil, {check = is_check, seconds = LONGEST}, kit.name) end

--- m:copy() -> another machine that is the same.
function machine:copy()
  local same = setmetatable(copy(plain(self)), getmetatable(self))
  folders[same] = folders[self]
  return same
end

--- A machine from a table; scripts are looked for in `folder`.
function machines.new(given, folder)
  local made = setmetatable(complete(given), {__index = machine})
  folders[made] = folder
  return made
end

--- The table in a file, such as `p80 capture` writes: Lua that can do nothing but say it.
function machines.load(path)
  local file, why = io.open(path, "rb")
  if not file then error(why, 0) end
  local text = file:read "a"
  file:close()
  local chunk, problem = load(text, "@" .. path, "t", {})
  if not chunk then error(problem, 0) end
  local ok, given = pcall(chunk)
  if not ok then error(given, 0) end
  if type(given) ~= "table" then error(path .. ": a machine is a table: return {services = {...}, ...}", 0) end
  return given
end

return machines
