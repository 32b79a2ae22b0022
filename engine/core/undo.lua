-- Taking back a run: its steps in reverse order, through the same gate, as a run of its own.
local core = ...
local data, journal, gate = core.data, core.journal, core.gate
local undo = {}

-- Whether two steps of a run come to one: on what a service is or has, which nobody else changed between them.
local function is_one(step, later)
  if step.kind ~= later.kind or not step.done or not data.equal(step.now, later.have) then return false end
  local declaration = gate.find(step.kind)
  return declaration ~= nil and declaration.part_of == "service"
end

-- What a run did, last first. Of a service that was stopped and started again nothing is left; what has parts of its
-- own, as a key of the registry has, is taken back step by step.
local function net(steps)
  local all, by_label = {}, {}
  for i = #steps, 1, -1 do
    local step = steps[i]
    local label = core.x.fold(step.label)
    local later = by_label[label]
    if later and is_one(step, later) then
      later.taken = later.taken and data.equal(step.have, step.now)
      later.have, later.secret = step.have, step.secret
    else
      all[#all + 1], by_label[label] = step, step
    end
  end
  return all
end

local function read(run)
  local ok, record = pcall(journal.read, run)
  if not ok then return {run = run, steps = {}, changed = 0, unreadable = record} end
  record.steps, record.changed = net(record.steps), 0
  for _, step in ipairs(record.steps) do
    if not step.done or step.taken or not data.equal(step.have, step.now) then record.changed = record.changed + 1 end
  end
  return record
end

--- What every run did and whether it has been taken back, oldest first:
-- {run=, header=, steps=, ended=, exit=, taken_back_by=, lasting=, changed=, unreadable=}; steps as `net` has them,
-- `lasting` the number of those that nothing takes back, when all others are.
function undo.history()
  local history, by_run = {}, {}
  for i, run in ipairs(journal.runs()) do
    history[i] = read(run)
    by_run[run] = history[i]
  end
  for _, record in ipairs(history) do
    local undone = record.header and by_run[record.header.undoes]
    local is_over = record.ended and (record.exit == 0 or record.left)
    if undone and undone.changed > 0 and is_over and not undone.taken_back_by then
      undone.taken_back_by, undone.lasting = record.run, record.left
    end
  end
  for i = #history, 1, -1 do -- an undo that was itself taken back took nothing back
    local undone = history[i].header and by_run[history[i].header.undoes]
    if undone and history[i].taken_back_by and undone.taken_back_by == history[i].run then
      undone.taken_back_by = nil
    end
  end
  return history
end

-- The newest run, other than an undo, that changed something and has not been taken back.
local function newest()
  local history = undo.history()
  for i = #history, 1, -1 do
    local record = history[i]
    if record.unreadable then error(record.unreadable, 0) end
    if record.changed > 0 and record.header and not record.header.undoes and not record.taken_back_by then
      return record
    end
  end
  core.fail(nil, core.code.ERROR_NOT_FOUND, "There is nothing to take back.",
    "`p80 runs` lists the runs")
end

-- Whether the thing is as the step left it. A step that was cut off may have left it in any state.
local function is_ours(declaration, step, now)
  return not step.done or declaration.same(now, step.now) and declaration.same(step.now, now)
end

local GOOD = {restored = true, planned = true, unchanged = true}

-- Takes back one step; returns "restored", "planned" (in --check), "unchanged", "conflict", "gone" or
-- "impossible" and a reason.
local function take_back(step, force)
  local declaration = gate.find(step.kind)
  if not declaration then return "impossible", ("this p80 does not know '%s'"):format(step.kind) end
  if step.secret then return "impossible", "a secret was in its earlier state, which is not recorded" end
  if step.done and data.equal(step.have, step.now) then return "unchanged" end
  local now = gate.state(step.kind, step.id)
  if declaration.same(now, step.have) and declaration.same(step.have, now) then return "unchanged" end
  if declaration.undo == false then return "impossible", "this kind of change cannot be taken back" end
  if now == nil and step.have ~= nil and declaration.part_of and not (step.done and step.now == nil) then
    return "gone", ("the %s is not there any more"):format(declaration.part_of)
  end
  if not force and not is_ours(declaration, step, now) then
    return "conflict", "it has been changed since; --force sets it back anyway"
  end
  if not gate.change(step.kind, step.id, declaration.restorable(step.have)) then return "unchanged" end
  return core.checking and "planned" or "restored", declaration.lost and declaration.lost(step.have, now)
end

-- What became of one step, as a row of the report.
local function try(step, force)
  local ok, outcome, reason = pcall(take_back, step, force)
  if ok then return {kind = step.kind, label = step.label, outcome = outcome, reason = reason} end
  if core.is_interrupt(outcome) then error(outcome, 0) end
  return {kind = step.kind, label = step.label, outcome = "failed", reason = tostring(outcome), problem = outcome}
end

local AGAIN = {failed = true, conflict = true, gone = true}
local LASTING = {gone = true, impossible = true}

-- Takes back steps in this order. One that fails may need what an earlier one restores (a service cannot
-- start before it is enabled again), and a key is not as it was left before the value in it is gone; so those that were
-- not taken back are tried again as long as that helps.
local function take_back_all(steps, force)
  local rows, left = {}, #steps
  repeat
    local before = left
    left = 0
    for i, step in ipairs(steps) do
      if not rows[i] or AGAIN[rows[i].outcome] then
        rows[i] = try(step, force)
        if AGAIN[rows[i].outcome] then left = left + 1 end
      end
    end
  until left == 0 or left == before
  return rows
end

-- The record of `run`, which must not have been taken back already.
local function chosen(run, force)
  for _, record in ipairs(undo.history()) do
    local is_over = record.run == run and record.taken_back_by and not force
    if is_over and record.lasting == record.changed then
      core.fail(tostring(run), core.code.P80_CONFLICT,
        ("Nothing takes back what run %d did; run %d has tried."):format(run, record.taken_back_by),
        "--force tries again")
    elseif is_over then
      core.fail(tostring(run), core.code.P80_CONFLICT,
        ("Run %d was taken back by run %d."):format(run, record.taken_back_by),
        ("`p80 undo %d` does it again; --force takes run %d back anyway"):format(record.taken_back_by, run))
    elseif record.run == run and not record.unreadable then
      return record
    end
  end
  return journal.read(run) -- raises
end

--- Takes back `run` (nil: the newest that changed something). Steps that fail or conflict do not stop the others.
-- Returns {run=, steps={{kind, label, outcome, reason, problem}}, failed=}.
function undo.run(run, force)
  if not core.checking then journal.lock() end
  local record = run and chosen(run, force) or newest()
  core.undoes = record.run
  if not core.checking then journal.begin(core.run_header()) end
  core.grants.add("undo", "*") -- what was allowed then may be taken back
  local report = {run = record.run, steps = take_back_all(record.steps, force), failed = 0}
  local lasting = 0
  for _, row in ipairs(report.steps) do
    if not GOOD[row.outcome] then report.failed = report.failed + 1 end
    if LASTING[row.outcome] then lasting = lasting + 1 end
  end
  if lasting > 0 and lasting == report.failed then journal.left = lasting end
  return report
end

return undo
