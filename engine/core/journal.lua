-- The record of what runs changed: one file of JSON lines a run in the state folder's `runs`, each line on disk
-- before the step that it announces.
--
--   {"journal":1,"run":42,"p80":"0.1.0","script":"free80","started":"...","pid":1234,"undoes":41}
--   {"step":1,"kind":"scm.state","id":{"name":"W3SVC"},"label":"W3SVC","have":{"state":"running"},"want":{...}}
--   {"step":1,"taken":true,"now":{"state":"stopped"}}
--   {"ended":"...","exit":0,"changed":1,"left":1}
--
-- "left", in an undo, is the number of steps that nothing takes back, when it took back all others.
-- A field that is absent is nil: no "have" means that the thing was absent. A step without an outcome was cut off,
-- or could not be read back. One with "secret" is not whole: a secret of its run is masked in what was there before.
local core, host = ...
local data, store = core.data, host.store
local journal = {}

local FORMAT = 1
local LONGEST_NUMBER <const> = 15 -- of a run: of longer ones there may be no next
local ORDER = {"journal", "run", "step", "ended", "kind", "label", "id", "have", "want", "taken", "now", "error"}

local open -- the running journal: {handle=, run=, steps=, broken=}

-- Appends one line. A line that could not be written may be there in part: nothing may follow it.
local function append(line)
  if open.broken then error(open.broken, 0) end
  local ok, problem = pcall(store.append, open.handle, data.encode(line, ORDER) .. "\n")
  if ok then return end
  open.broken = problem
  error(problem, 0)
end

local function file_name(run) return ("%06d.jsonl"):format(run) end

--- The numbers of all runs, oldest first.
function journal.runs()
  local runs = {}
  for _, name in ipairs(store.list()) do
    local number = name:match("^(%d+)%.jsonl$")
    if number and #number <= LONGEST_NUMBER then runs[#runs + 1] = math.tointeger(tonumber(number)) end
  end
  table.sort(runs)
  return runs
end

local locked = false

--- Prepares the state folder and waits until no other p80 changes this machine. The lock ends with the process.
-- Returns whether it was not locked yet: what was read before may have been changed by another run.
function journal.lock()
  if locked then return false end
  if host.default_state and not core.win.host.elevated() then
    core.fail(nil, core.code.ERROR_ACCESS_DENIED, "Changes are recorded in a folder of the administrators.",
      "run p80 elevated (as administrator), or name a folder of your own with --state")
  end
  store.prepare()
  host.progress "waiting for another p80 that is changing this machine"
  local mine = store.lock(core.timeout)
  host.progress()
  if not mine then
    core.fail(nil, core.code.P80_OTHER_RUN,
      ("Another p80 has been changing this machine for %s seconds."):format(core.timeout))
  end
  locked = true
  return true
end

-- Warns of the last run when it was cut off: nobody else is changing the machine, so that it is not under way. Later
-- runs find this one as the last.
local function report_cut_off(run, header)
  local ok, record = pcall(journal.read, run)
  if not ok or record.ended or not record.header or header.undoes == run then return end
  core.result.warn(("run %d (%s), which began at %s, was cut off after %d steps; `p80 undo %d` takes it back"):format(
    run, record.header.script, record.header.started, #record.steps, run))
end

--- Starts the journal of this run, if it is not there yet, with its first line.
function journal.begin(header)
  if open then return end
  journal.lock()
  local runs = journal.runs()
  if runs[1] then report_cut_off(runs[#runs], header) end
  local run = (runs[#runs] or 0) + 1
  open = {handle = store.create(file_name(run)), run = run, steps = 0}
  header.journal, header.run, header.started, header.pid = FORMAT, run, host.now(), host.pid
  append(header)
end

--- The number of the running journal, or nil when this run has changed nothing, or nothing of this machine (--model).
function journal.current() return not core.options.model and open and open.run or nil end

--- Announces a step; returns its number.
function journal.intent(kind, id, label, have, want)
  open.steps = open.steps + 1
  local plain = {step = open.steps, kind = kind, id = id, label = label, have = have, want = want}
  local line = core.secrets.masked(plain)
  if line ~= plain and not (data.equal(line.id, id) and data.equal(line.have, have)) then line.secret = true end
  append(line)
  return open.steps
end

--- Records what reading back showed after a step.
function journal.outcome(step, taken, now, problem)
  append(core.secrets.masked {step = step, taken = taken, now = now, error = problem and tostring(problem)})
end

function journal.finish(exit, changed)
  if not open then return end
  if not open.broken then append {ended = host.now(), exit = exit, changed = changed, left = journal.left} end
  store.close(open.handle)
  open = nil
end

local function bad(run, line, reason)
  core.fail(file_name(run), core.code.P80_BAD_JOURNAL, ("Line %d cannot be read: %s."):format(line, reason),
    "`p80 undo RUN` takes back another run; `p80 runs` lists them")
end

-- Adds one decoded line to the record of a run.
local function add_line(record, line)
  if line.journal then
    record.header = line
  elseif line.kind then
    if line.step ~= #record.steps + 1 then return "a step is missing" end
    record.steps[line.step] = line
  elseif line.step then
    local step = record.steps[line.step]
    if not step then return "an outcome without its step" end
    step.done, step.taken, step.now, step.error = true, line.taken, line.now, line.error
  elseif line.ended then
    record.ended, record.exit, record.left = line.ended, line.exit, math.tointeger(line.left)
  end
end

local function is_line(line)
  return type(line) == "table" and (math.type(line.journal) == "integer" or line.ended ~= nil
    or math.type(line.step) == "integer"
      and (line.kind == nil or type(line.kind) == "string" and type(line.id) == "table"))
end

--- Reads a run: {run=, header=, steps={{kind=, id=, have=, want=, done=, taken=, now=}, ...}, ended=, exit=, torn=}.
-- A last line that was cut off in the middle (a kill while it was written) is left out and marked as `torn`:
-- what it would have announced had not begun. Anything else that cannot be read raises P80_BAD_JOURNAL.
function journal.read(run)
  local text = store.read(file_name(run))
  if not text then
    core.fail(tostring(run), core.code.ERROR_NOT_FOUND, "There is no such run.", "`p80 runs` lists the runs")
  end
  local record, number = {run = run, steps = {}}, 0
  for line, ending in text:gmatch("([^\n]*)(\n?)") do
    if line == "" and ending == "" then break end
    number = number + 1
    local value, reason = data.decode(line)
    if ending == "" then
      record.torn = true
      break
    end
    if not is_line(value) then bad(run, number, reason or "it is no line of a journal") end
    reason = add_line(record, value)
    if reason then bad(run, number, reason) end
  end
  if not record.header and not record.torn and text ~= "" then bad(run, 1, "the header is missing") end
  if record.header and record.header.journal > FORMAT then
    bad(run, 1, ("format %d is newer than this p80 knows (%d)"):format(record.header.journal, FORMAT))
  end
  return record
end

return journal
