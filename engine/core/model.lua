-- A modelled machine: tables that behave as Windows is documented to, below the Lua halves of the bindings. The
-- machine (model_machine.lua says what is in it) is plain data, which the run changes; its time is its own. What
-- stands for the functions of C is in a file for each part, which is opened when it is first needed.
local host = ...
local machine = host.machine

local model = {machine = machine}

local ERROR_CALL_NOT_IMPLEMENTED <const> = 120
local FILETIME_OF_1970 <const> = 11644473600 -- seconds

--- A deep copy: what a run gets must not change when the machine does.
function model.copy(value)
  if type(value) ~= "table" then return value end
  local same = {}
  for key, item in pairs(value) do same[key] = model.copy(item) end
  return same
end

--- Whether Windows has at least this version.
function model.is_at_least(major, minor)
  local own_major, own_minor = machine.windows:match "^(%d+)%.(%d+)"
  return tonumber(own_major) * 100 + tonumber(own_minor) >= major * 100 + minor
end

--- Whether this is Windows Server 2003.
function model.is_old() return not model.is_at_least(6, 0) end

--- The value of a name in any case of letters, and the name as the table has it.
function model.find(map, name)
  if map[name] ~= nil then return map[name], name end
  local folded = host.x.fold(name)
  for known, value in pairs(map) do
    if host.x.fold(known) == folded then return value, known end
  end
end

local PARTS <const> = {O = "O", G = "G", D = "D", S = "S"}

--- A security descriptor with those parts in the place of its own that another one has.
function model.merged_security(text, other)
  local sddl = model.core.sddl
  local parts = sddl.split(text, PARTS)
  for mark, part in pairs(sddl.split(other, PARTS)) do parts[mark] = part end
  return sddl.join(parts, PARTS)
end

-- ---- What stands for C ----

local FILE <const> = {
  scm = "scm scm_config", tcp = "net", udp = "net", process = "process", reg = "reg", iis = "iis",
  http = "http http_state", ["http.iplisten"] = "http", ["http.urlacl"] = "http", ["http.sslcert"] = "http",
  ["http.timeout"] = "http", ["http.cache"] = "http", ["http.setting"] = "http", host = "host", account = "host",
  file = "host", task = "task", event = "event",
}

local parts = {}

--- One of the files, as the table that it returns: functions by the name of C's ("scm.list"), true for C's own.
function model.part(name)
  parts[name] = parts[name] or host.chunk("model_" .. name)(model, host)
  return parts[name]
end

local running -- the function of C that is stood for

--- Raises an error object about it.
function model.fail(target, code, message, hint) host.x.fail(running, target, code, message, hint) end

--- The checks of arguments, which raise about it.
function model.check() return host.x.check(running) end

--- Raises because the model does not know such a thing.
function model.unmodelled(what, hint)
  model.fail(nil, ERROR_CALL_NOT_IMPLEMENTED, ("Not modelled: %s."):format(what),
    hint or "`p80 help test.machine` says what a modelled machine has")
end

-- How many arguments those of C's functions take, at least and at most, that playbooks call.
local TAKES <const> = [[
0 0 host.version host.edition host.architecture host.name host.elevated host.boot_time account.current iis.store
    iis.sites http.urlacl.list http.iplisten.list task.version task.list process.environment
0 1 scm.list tcp.list udp.list process.list
0 2 tcp.listeners udp.listeners http.servicestate
1 1 scm.get scm.status scm.details scm.name_of account.by_sid account.by_name task.get file.read file.is_link file.final
    http.iplisten.is_local process.image process.command_line process.services process.handles
1 2 scm.security tcp.probe http.server reg.values reg.keys reg.exists reg.info reg.tree reg.security process.get
    process.find
1 3 reg.get
2 3 scm.wait
]]
local takes = {}
for least, most, names in TAKES:gmatch "(%d) (%d)([^%d]*)" do
  for name in names:gmatch "%S+" do takes[name] = {tonumber(least), tonumber(most)} end
end

-- What the files of its subject have for C's function `name`: a function, or true for C's own.
local function stand_in(name)
  for file in (FILE[name:match "^(.+)%."] or ""):gmatch "%S+" do
    local found = model.part(file)[name]
    if found then return found end
  end
end

local NOT_MODELLED <const> = {
  ["driver.loaded"] = "drivers", ["driver.version"] = "drivers", ["driver.signature"] = "drivers",
  ["process.modules"] = "the modules of processes", ["process.usage"] = "the memory of processes",
  ["process.windows"] = "the windows of processes", ["reg.load"] = "hive files", ["reg.unload"] = "hive files",
  ["reg.save"] = "hive files", ["reg.watch"] = "watching keys",
}

local functions, reals = {}, {} -- by name

--- C's own function.
function model.real(name) return reals[name] end

--- What stands for C's function `name`, which is `real`.
function model.choose(name, real)
  if functions[name] then return functions[name] end
  reals[name] = real
  functions[name] = function(...)
    running = name
    local found = stand_in(name)
    if found == true then return real(...) end
    if not found then model.unmodelled(NOT_MODELLED[name] or "win." .. name) end
    if takes[name] then model.check().arguments(select("#", ...), table.unpack(takes[name])) end
    return found(...)
  end
  return functions[name]
end

--- Calls it for the playbook's state.
function model.call(name, ...)
  if not functions[name] then -- opening the subject chooses
    local at = host.win
    for step in name:match "^(.+)%.":gmatch "[^.]+" do at = at[step] end
  end
  return functions[name](...)
end

-- ---- Time ----

local function seconds_of(text)
  local y, mo, d, h, mi, s = text:match "^(%d+)%-(%d+)%-(%d+)T(%d+):(%d+):(%d+)"
  local function noon(year, month, day) return os.time {year = year, month = month, day = day, hour = 12} end
  return (noon(y, mo, d) - noon(1970, 1, 1) + 43200) // 86400 * 86400 + h * 3600 + mi * 60 + s
end

local begun = seconds_of(machine.time)

--- Seconds since 1970 (UTC), as text, and as Windows counts.
function model.time() return begun + machine.clock // 1 | 0 end
function model.time_text() return os.date("!%Y-%m-%dT%H:%M:%SZ", model.time()) end
function model.filetime(seconds)
  return (begun + FILETIME_OF_1970) * 10000000 + math.tointeger((seconds * 10000000 + 0.5) // 1)
end
function model.filetime_text(filetime)
  return os.date("!%Y-%m-%dT%H:%M:%SZ", filetime // 10000000 - FILETIME_OF_1970)
end

--- Has `event` happen in so many seconds: model.part(event.part).happen(event).
function model.later(seconds, event)
  event.at = machine.clock + seconds
  local place = #machine.due + 1
  while place > 1 and machine.due[place - 1].at > event.at do place = place - 1 end
  table.insert(machine.due, place, event)
end

-- Lets the next event happen, if it is due by `deadline`.
local function happen(deadline)
  local event = machine.due[1]
  if not event or event.at > deadline then return false end
  table.remove(machine.due, 1)
  machine.clock = math.max(machine.clock, event.at)
  model.part(event.part).happen(event)
  return true
end

--- Lets time pass until done() is true, at most so many seconds; returns whether it is.
function model.await(seconds, done)
  local deadline = machine.clock + seconds
  while happen(machine.clock) do end
  while not done() do
    if not happen(deadline) then
      machine.clock = deadline
      return done()
    end
  end
  return true
end

function model.pass(seconds) model.await(seconds, function() return false end) end

functions["x.time"] = model.time
functions["x.clock"] = function() return machine.clock end

local LONGEST <const> = 2592000
functions["x.sleep"] = function(seconds)
  running = "x.sleep"
  model.pass(host.x.check(running).number("seconds", seconds or 0, 0, LONGEST))
end

-- ---- What the engine lends ----

-- The journals of runs, in the machine.
local store = {}

function store.prepare() end
function store.lock() return true end
function store.close() end
function store.read(name) return machine.runs[name] end

function store.list()
  local names = {}
  for name in pairs(machine.runs) do names[#names + 1] = name end
  return names
end

function store.create(name)
  machine.runs[name] = ""
  return name
end

function store.append(name, text) machine.runs[name] = machine.runs[name] .. text end

--- Puts the machine's own in the place of what the engine lends the core.
function model.take_over(core)
  model.core = core
  host.store, host.default_state, host.now = store, true, model.time_text
  model.before = model.part "view".take()
end

local COMMANDS <const> = {undo = true, runs = true, list = true, help = true, show = true, lint = true}

--- Raises for commands that are about this machine.
function model.refuse_command(name)
  running = name
  if not COMMANDS[name] then model.unmodelled("p80 " .. name, "it is about this machine") end
end

--- Raises for what io and os would really run.
function model.refuse_program(kind, shown)
  if kind ~= "process.run" or model.core.checking then return end
  running = "p80.ask"
  model.unmodelled(("running '%s'"):format(shown), "win.process.run runs what the machine's programs say")
end

--- The machine as the run leaves it, and what is different since.
function model.remains() return {machine = machine, difference = model.part "view".compare(model.before)} end

return model
