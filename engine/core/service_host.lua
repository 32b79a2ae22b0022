-- p80 as a service: runs a playbook at once and whenever what it watches changes, until it is told to stop. Each run is
-- a process of its own (engine/service.c says why), one at a time; what changes meanwhile leads to one more.
local core, host = ...
local data, service, raw, clock = core.data, host.service, core.win, core.x.clock
local files, watchers, new_pace =
  host.chunk "service_files"(core, host), host.chunk "service_watch"(core), host.chunk "service_pace"()

local LONGEST_RUN <const> = 3600 -- seconds
local MOST_OUTPUT <const> = 16 << 20 -- bytes
local LOOK_BACK <const> = 200 -- recorded runs
local LONGEST_TEXT <const> = 4000 -- bytes
local RESTART <const>, REFUSED <const> = 3010, 4 -- exit codes

local given -- what `p80 service run` was told
local handle -- of the event that stops a run
local status -- what `p80 service status` reads
local file -- where that is, and the log

-- ---- What is told ----

local function log(text) file.log(text) end

local silent = false -- whether the event log has failed us
-- An event. The event log may be full or not run: then the log file has to do.
local function tell(kind, text)
  log(text)
  core.open "event"
  local ok, problem = pcall(core.log_event, given.name, kind, ("%s: %s"):format(given.name, text))
  if not ok and not silent then log(("the event log cannot be written: %s"):format(problem)) end
  silent = not ok
end

local function save(phase, next_run)
  status.phase, status.next_run = phase, next_run
  file.save(status)
end

-- ---- Runs ----

-- Runs p80 itself with these words: {exit=, document=, stderr=}, or {problem=} when it did not end by itself.
local function run_p80(words)
  local all = {"x", "--json", "--stop-event", tostring(handle)}
  if given.state then table.move({"--state", given.state}, 1, 2, #all + 1, all) end
  table.move(words, 1, #words, #all + 1, all)
  local line = ('"%s" %s'):format(host.program, raw.process.join(all):sub(3))
  local ok, ended, exit, out, err = pcall(raw.process.run,
    {path = host.program, line = line, timeout = LONGEST_RUN, most = MOST_OUTPUT})
  if not ok then
    if core.is_interrupt(ended) then error(ended, 0) end
    return {problem = tostring(ended)}
  end
  if ended ~= "ended" then
    return {problem = "it took too long or printed too much, and was ended with all that it had started"}
  end
  return {exit = exit, document = data.decode(out) or {}, stderr = err}
end

local function playbook_words()
  local words = table.move(given.options, 1, #given.options, 1, {})
  words[#words + 1], words[#words + 2] = given.script, "--"
  return table.move(given.words, 1, #given.words, #words + 1, words)
end

-- An event holds some 30,000 characters.
local function cut(text)
  return #text > LONGEST_TEXT and text:sub(1, utf8.offset(text, 0, LONGEST_TEXT + 1) - 1) .. "..." or text
end

local function describe_changes(document)
  local texts = {}
  for i, change in ipairs(document.changes or {}) do texts[i] = core.result.describe(change) end
  return cut(table.concat(texts, "; "))
end

-- What came of a run: {failed=, kind=, text=} with the kind of event that tells of it, if any.
local function judge(run)
  local document = run.document or {}
  local failed = run.problem ~= nil or run.exit ~= 0 and run.exit ~= RESTART
  if failed then
    local why = run.problem or document.error and document.error.message or ("exit code %d"):format(run.exit)
    if (document.changed or 0) > 0 then why = why .. "; changed before: " .. describe_changes(document) end
    return {failed = true, kind = run.exit == REFUSED and "refusal" or "failure", text = cut(why)}
  end
  local changed = document.changed or 0
  if changed == 0 then return {changed = 0, text = "nothing had to change"} end
  local text = ("%d changed%s: %s"):format(changed, document.run and (" (run %d)"):format(document.run) or "",
    describe_changes(document))
  return {changed = changed, kind = run.exit == RESTART and "restart" or "change", text = text}
end

local pace
local suppressed = 0 -- events of runs that were not written while flapping

-- Tells of a run: of failures in a row the first, and the end of them; while flapping nothing of the single run.
local function tell_outcome(outcome, failures_before)
  local news = outcome.kind
  if outcome.failed then news = failures_before == 0 and outcome.kind
  elseif failures_before > 0 then news = outcome.kind or "done" end
  local text = outcome.text
  if not outcome.failed and failures_before > 0 then
    text = ("it works again after %d that failed; %s"):format(failures_before, text)
  end
  if not news then return log(text) end
  if pace.level == 0 then return tell(news, text) end
  suppressed = suppressed + 1
  log(text)
end

local recover

-- Runs the playbook once.
local function run_playbook(reason)
  if service.wait(0) then return end
  local known, problem = pcall(recover)
  if not known and core.is_interrupt(problem) then error(problem, 0) end
  if not known then log(("the recorded runs cannot be read: %s"):format(problem)) end
  local flaps = pace:began(clock(), reason.changed)
  local began, row = clock(), {reason = reason.text, started = host.now()}
  save "running"
  log(("runs %s: %s"):format(given.script, reason.text))
  local run = run_p80(playbook_words())
  local outcome = judge(run)
  row.seconds = math.floor((clock() - began) * 1000) / 1000
  local was_stopped = service.wait(0) and outcome.failed
  row.exit, row.outcome, row.failed = run.exit, was_stopped and "stopped with the service" or outcome.text,
    not was_stopped and outcome.failed or false
  status.runs, status.run = status.runs + 1, row
  file.details(run.stderr)
  local before = pace:ended(clock(), outcome.failed, (outcome.changed or 0) > 0)
  if was_stopped then return log "it was stopped in the middle" end
  tell_outcome(outcome, before)
  if flaps then
    tell("flapping",
      ("%s, again and again; from now on it is answered with growing pauses, and single runs are in the log alone: %s")
        :format(reason.text, file.log_path))
  end
  if status.completes and not outcome.failed then
    tell("done", ("run %d, which was cut off, is completed"):format(status.completes))
    status.completes = nil
  end
end

-- ---- A run that was cut off ----

-- The last of the runs since `checked` that was one of this playbook, if it was cut off and has not been taken back.
local function find_cut_off(runs, checked)
  local undone = {}
  for i = #runs, math.max(1, #runs - LOOK_BACK), -1 do
    if runs[i] <= checked then return nil end
    local ok, record = pcall(core.journal.read, runs[i])
    local header = ok and record.header
    if header and header.undoes and record.ended and record.exit == 0 then undone[header.undoes] = true end
    if header and header.script == given.script and not header.undoes then
      return not record.ended and not undone[record.run] and record or nil
    end
  end
end

local function cut_off_text(record)
  return ("run %d of %s, which began at %s, was cut off after %d steps"):format(record.run, given.script,
    record.header.started, #record.steps)
end

local AFTER <const> = {
  report = function(record)
    tell("cut_off", ("%s; `p80 undo %d` takes it back"):format(cut_off_text(record), record.run))
  end,
  complete = function(record)
    tell("cut_off", ("%s; the next run completes it"):format(cut_off_text(record)))
    status.completes = record.run
  end,
  undo = function(record)
    local run = run_p80 {"undo", tostring(record.run)}
    if run.exit == 0 then return tell("undo", cut_off_text(record) .. ", and has been taken back") end
    local why = run.problem or run.document.error and run.document.error.message or ("exit code %s"):format(run.exit)
    tell("failure", ("%s; taking it back failed: %s"):format(cut_off_text(record), why))
  end,
}

--- Deals with a run that was cut off, as the manifest says, once.
function recover()
  if host.store.busy() then return end -- it may be that one
  local runs = core.journal.runs()
  local newest = runs[#runs] or 0
  local record = find_cut_off(runs, status.checked and status.checked <= newest and status.checked or 0)
  status.checked = newest
  if record then AFTER[given.recover](record) end
end

-- ---- Watching ----

local watching = {} -- by name: {look=, broken=}

-- Calls a function of a watcher; one that fails is told of once, and is made anew until that succeeds.
local function try(name, watcher, f, ...)
  local ok, result = pcall(f, ...)
  if ok then
    watcher.broken = nil
    return result
  end
  if core.is_interrupt(result) then error(result, 0) end
  if not watcher.broken then log(("cannot watch %s: %s"):format(name, result)) end
  watcher.look, watcher.broken = nil, true
end

-- Looks once at everything; returns why the playbook should run, or nil.
local function look()
  local reasons = {}
  status.looks = status.looks + 1
  for name, watcher in pairs(watching) do
    local was_broken = watcher.broken
    if not watcher.look then
      watcher.look = try(name, watcher, watchers[name], watcher.ports, given.name)
      if watcher.look and was_broken then reasons[#reasons + 1] = ("%s can be watched again"):format(name) end
    else
      reasons[#reasons + 1] = try(name, watcher, watcher.look)
    end
  end
  table.sort(reasons)
  return reasons[1] and table.concat(reasons, "; ")
end

local function begin_watching()
  for _, word in ipairs(given.watch) do
    local name, port = word:match "^(%a+):?(%d*)$"
    watching[name] = watching[name] or {ports = {}}
    table.insert(watching[name].ports, math.tointeger(tonumber(port)))
  end
  look()
end

-- ---- The service ----

local function wall_time(seconds) return os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() + math.ceil(seconds)) end

-- Waits until a run is due, or a look; returns whether the service is to stop.
local function rest(due)
  local seconds = pace.gap
  if due then seconds = math.max(0, math.min(seconds, due - clock())) end
  return service.wait(seconds)
end

local function watch()
  local reason -- why it should run
  local shown = false -- the time of the next run as `status` shows it
  while true do
    local due = pace:due(reason ~= nil)
    if due and due <= clock() then
      run_playbook {text = reason or (pace.failures > 0 and "the last run failed" or "the last run changed something"),
        changed = reason ~= nil}
      reason, shown = nil, false
    else
      if shown ~= due then save(due and "pausing" or "watching", due and wall_time(due - clock())) end
      shown = due
      if rest(due) then return end
    end
    reason = look() or reason
    if pace:calmed(clock(), reason ~= nil) then
      tell("calm", ("nothing has changed for a while; %d runs were in the log alone"):format(suppressed))
      suppressed = 0
    end
  end
end

local function serve()
  file = files.open(given.name, not given.managed and host.log)
  status = file.load() or {}
  status = {
    name = given.name, script = given.script, pid = host.pid, began = host.now(), runs = 0, looks = 0,
    watch = given.watch, run = status.run, checked = status.checked, log = file.log_path,
  }
  pace = new_pace(given.gap)
  tell("start", ("p80 %s begins with %s"):format(host.version, given.script))
  if not given.once then begin_watching() end
  run_playbook {text = "the service starts"}
  if given.once then return status.run and status.run.exit or 1 end
  watch()
end

--- Runs as a service, or in a console when it was not the SCM that started p80; returns the exit code. `settings`:
-- {name=, script=, words={}, options={}, state=, watch={"tcp:80", ...}, recover=, gap=, once=}.
return function(settings)
  given = settings
  given.managed, handle = service.begin(given.once, raw.host.version().major >= 6)
  local ok, result = pcall(serve)
  local stopped = not ok and core.is_interrupt(result)
  if status then
    if not ok and not stopped then tell("failure", ("p80 itself failed: %s"):format(result)) end
    save "stopped"
    if not given.once then tell("done", "it was stopped") end
  end
  local exit = ok and (result or 0) or stopped and 0 or 1
  service.finish(exit)
  return exit
end
