-- The core: the Lua state behind the gate. It alone has the raw writes; a playbook reaches it through core.call with
-- plain data. `host` is what the engine lends (engine/core.c).
local host = ...

local core = {
  host = host,
  win = host.win,
  x = host.x,
  code = require "core.codes",
  data = require "core.data",
  kinds = require "core.kinds",
  options = host.options, -- check, json, quiet, verbose, timeout (may be nil), allow, force
  checking = host.options.check,
  timeout = host.options.timeout or 30, -- seconds a wait may take when nobody says otherwise
  script = host.script, -- what runs: {name=, path=, kind="file"|"bundled"|"installed"|"code"|"stdin"|"repl", words=}
}

if host.model then host.model.take_over(core) end

local running_op -- the name of the public function that is being called

--- Names the operation that is running.
function core.about(op) running_op = op end

--- Raises an error object about `target` with the running operation as its `op`.
function core.fail(target, code, message, hint) core.x.fail(running_op, target, code, message, hint) end

--- A word as a command line takes it.
function core.quoted(word) return word:find " " and ('"%s"'):format(word) or word end

--- Whether an error is Ctrl-C's.
function core.is_interrupt(problem)
  return type(problem) == "table" and problem.code == core.code.ERROR_OPERATION_ABORTED
end

--- Calls a raw function; what it raises is raised about the running operation.
function core.ask(raw, ...)
  local results = table.pack(pcall(raw, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local problem = results[2]
  if type(problem) ~= "table" or core.is_interrupt(problem) then error(problem, 0) end
  core.fail(problem.target, problem.code, problem.message, problem.hint)
end

local function part(name) return host.chunk(name)(core, host) end

core.check = core.x.checks(core.fail)
core.grants = part "grants"
core.journal = part "journal"

--- The first line of the journal of this run.
function core.run_header()
  return {p80 = host.version, script = core.script.name, path = core.script.path, undoes = core.undoes}
end

core.gate = part "gate"
core.resource = core.gate.declare
core.change = core.gate.change

local writes, views, answers = {}, {}, {}

--- Defines the public function `name`. Its arguments come from another Lua state: plain data, unchecked.
function core.write(name, run)
  assert(not writes[name], name)
  writes[name] = run
end

--- Lays planned states over the read `name`: view(planned, result, ...) -> result, where planned(kind, id) tells
-- whether --check has planned a change and the state it would have, and `...` are the arguments of the read.
function core.view(name, view) views[name] = view end

--- Answers the read `name` without Windows when it is about what is only planned: answer(planned, ...) -> whether it
-- did, results...
function core.answer(name, answer) answers[name] = answer end

core.result = part "result"
core.playbook = part "playbook"

-- What a run needs only sometimes.
local LATE <const> = {}
for name in ([[admission arguments catalog commands installed lint log manifest package policy policy_explain
  policy_file policy_limits report_shapes sddl secrets sign types undo words]]):gmatch "%S+" do LATE[name] = true end
setmetatable(core, {__index = function(_, name)
  if not LATE[name] then return nil end
  core[name] = part(name)
  return core[name]
end})

-- ---- The subjects, each opened when a thing of its kind is first meant ----

local unopened = {}
for _, subject in ipairs(core.kinds.subjects) do unopened[subject] = true end

local is_write = {} -- what the bindings list, and what the engine itself offers
for _, name in ipairs(host.writes) do is_write[name] = true end
for name in pairs(writes) do is_write[name] = true end

-- Every write that the bindings list has its public function, and the other way round.
local function check_writes(subject)
  for name in pairs(is_write) do assert(writes[name] or name:match "^%l+" ~= subject, name) end
  for name in pairs(writes) do assert(is_write[name], name) end
end

local later = {} -- the parts that are not open yet, by subject
for subject, parts in pairs(core.kinds.later) do later[subject] = parts end

local function open_later(subject)
  for _, name in ipairs(later[subject]) do part(name) end
  later[subject] = nil
  check_writes(subject)
end

--- Opens the subject of a function or kind ("scm.state"), if there is one; all of it when the name is not in `known`
-- after its first part.
function core.open(name, known)
  local subject = name:match "^%l+"
  if unopened[subject] then
    unopened[subject] = nil
    local _ = LATE[subject] and core[subject] or part(subject)
    if not later[subject] then check_writes(subject) end
  end
  if later[subject] and known and not known[name] then open_later(subject) end
end

--- Takes what --allow gives; raises for a grant that does not exist.
function core.accept()
  running_op = nil
  for _, grant in ipairs(host.options.allow) do core.grants.add("--allow", grant) end
end

-- The raw function `name` ("scm.get") of `win`.
local function raw(name)
  local found = core.win
  for step in name:gmatch("[^.]+") do found = found[step] end
  return found
end

--- The names of the reads in a subject ("http.urlacl").
function core.reads(subject)
  local names = {}
  for name, value in next, raw(subject) do
    if type(value) == "function" and not is_write[subject .. "." .. name] then names[#names + 1] = name end
  end
  return names
end

-- A read in --check: the raw result with the planned states laid over it. A view that hands its result back as it
-- came leaves further results as they are, too.
local function read(name, ...)
  if not core.gate.has_plans() then return raw(name)(...) end
  core.open(name)
  local answer = answers[name]
  local answered = answer and table.pack(answer(core.gate.planned, ...))
  if answered and answered[1] then return table.unpack(answered, 2, answered.n) end
  local results = table.pack(raw(name)(...))
  local view = views[name]
  if not view then return table.unpack(results, 1, results.n) end
  local viewed = table.pack(view(core.gate.planned, results[1], ...))
  if viewed.n == 1 and rawequal(viewed[1], results[1]) then return table.unpack(results, 1, results.n) end
  return table.unpack(viewed, 1, viewed.n)
end

--- What a playbook's state calls: the public function `name` with plain data.
function core.call(name, ...)
  running_op = name
  if not is_write[name] then return read(name, ...) end
  core.open(name, writes)
  local results = table.pack(writes[name](...))
  core.has_held = core.has_held or results[1] == false -- what a write wanted was so already
  return table.unpack(results, 1, results.n)
end

--- What the command line calls: a command of commands.lua, or of a file of its own (cmd_lint.lua returns the function),
-- with its words; returns its text and perhaps an exit code.
function core.command(name, ...)
  running_op = name
  if host.model then host.model.refuse_command(name) end
  local text, exit = (core.commands[name] or part("cmd_" .. name))(...)
  local is_as_it_is = core.options.json or name == "show" -- the source of a playbook, to be copied
  return is_as_it_is and text or core.result.plain(text), exit
end

core.finish = core.result.finish

--- Why there is no script of this name.
function core.missing(name)
  return ("%s: there is no such file, and no playbook of this name; %s"):format(
    name, core.catalog.hint(name, host.commands))
end

--- Judges a script or module that the engine has read and is about to run. Raises when it may not.
function core.admit(...) core.admission.file(...) end

-- ---- On a modelled machine ----

--- What stands for C's function `name` there.
function core.raw(name, ...) return host.model.call(name, ...) end

--- Gives the run what the user's own command implies.
function core.grant(grant)
  core.open "file.write"
  local path = grant:match "^file%.write:(.+)$"
  core.grants.add("p80", path and "file.write:" .. core.file_place(path) or grant)
end

--- What remains of the run: its record, and {machine=, difference=}.
function core.remains() return core.data.plain(core.result.last()), core.data.plain(host.model.remains()) end

return core
