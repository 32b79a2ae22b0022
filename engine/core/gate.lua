-- The change gate: every change of every kind of thing goes through gate.change, and a kind is declared once:
--
--   core.resource {
--     kind = "scm.config",
--     label = function(id) ... end,           -- what grants, the journal and people call it
--     get = function(id) ... end,             -- the present state as a plain table, nil when absent
--     set = function(id, want, have, options) ... end,
--     same = function(have, want) ... end,    -- default: every field of `want` is in `have`
--     restorable = function(state) ... end,   -- what taking back can bring back of a state; default: all
--     lost = function(restored, before) ... end, -- what taking back could not restore, in words, or nil
--     part_of = "service",                    -- what it is gone with, and cannot be brought back without
--     undo = false,                           -- when it cannot be taken back
--     journal = false,                        -- when it is a record itself: not journaled, no run waits for another
--     whole = true,                           -- when `want` is always the whole state
--     planned = function(id, want) ... end,   -- told what --check plans, for reads that list such things
--   }
local core, host = ...
local data, grants, journal = core.data, core.grants, core.journal
local gate = {}

local resources = {} -- by kind
local planned = {} -- in --check: by identity, {state=}
local changes = {} -- what this run changed or, in --check, would change

--- Declares a kind of thing that can be changed.
function gate.declare(declaration)
  assert(declaration.label and declaration.get and declaration.set, declaration.kind)
  assert(not resources[declaration.kind], declaration.kind)
  declaration.same = declaration.same or data.includes
  declaration.restorable = declaration.restorable or function(state) return state end
  resources[declaration.kind] = declaration
  assert(data.contains(core.kinds[declaration.kind:match "^%l+"], declaration.kind), declaration.kind)
end

--- The declaration of a kind, or nil.
function gate.find(kind)
  core.open(kind, resources)
  return resources[kind]
end

local function identity(declaration, id) return declaration.kind .. "\0" .. core.x.fold(declaration.label(id)) end

--- Whether --check has planned anything.
function gate.has_plans() return next(planned) ~= nil end

--- Whether --check has planned a change of this thing, and the state that it would have.
function gate.planned(kind, id)
  if not gate.has_plans() then return false end
  local plan = planned[identity(gate.find(kind), id)]
  if plan then return true, plan.state end
  return false
end

--- Forgets what --check has planned for a thing, because what holds it goes away.
function gate.forget(kind, id) planned[identity(gate.find(kind), id)] = nil end

--- The state of a thing, in --check as it would be by now.
function gate.state(kind, id)
  local is_planned, state = gate.planned(kind, id)
  if is_planned then return state end
  return gate.find(kind).get(id)
end

--- What was changed, in order: {kind, label, before, after, taken, error}.
function gate.changes() return changes end

local function note(declaration, id, before, after, taken, problem)
  local change = {
    kind = declaration.kind, label = declaration.label(id), before = before, after = after,
    taken = taken, error = problem, undoable = declaration.undo ~= false,
  }
  local last = changes[#changes] -- of records only the last is kept, so that a run which goes on for ever does not grow
  local again = declaration.journal == false and last and last.kind == change.kind and last.label == change.label
  changes[again and #changes or #changes + 1] = change
  if core.options.verbose then host.log(core.secrets.masked(core.result.describe(change))) end
end

local function plan(declaration, id, want, have)
  local state = declaration.whole and want or data.overlay(have, want)
  planned[identity(declaration, id)] = {state = state}
  if declaration.planned then declaration.planned(id, want) end
  note(declaration, id, have, state, true)
end

-- Sets, reads back, journals what was read, and raises when it did not take.
local function carry_out(declaration, id, want, have, options)
  local label, step = declaration.label(id), nil
  if declaration.journal ~= false then
    journal.begin(core.run_header())
    step = journal.intent(declaration.kind, id, label, have, want)
  end
  host.progress(core.secrets.masked(("%s %s"):format(declaration.kind, label)))
  local set, problem = pcall(declaration.set, id, want, have, options)
  host.progress()
  local read, now = pcall(declaration.get, id)
  local taken = set and read and declaration.same(now, want)
  if not set or not read then problem = set and now or problem end
  local after = declaration.whole and want or data.overlay(have, want) -- so it may be, where nobody knows
  if read then after = now end -- may be nil: absent
  problem = not taken and problem or nil
  if not read or taken or not data.equal(have, after) then note(declaration, id, have, after, taken, problem) end
  -- Without an outcome, undo knows that it may be in any state.
  if step and read then journal.outcome(step, taken, now, problem) end
  if not set or not read then error(problem, 0) end
  if not taken then core.fail(label, core.code.P80_NOT_TAKEN) end
end

--- Brings a thing to the state `want` (a table of the fields that matter, nil for absent). Returns whether that
-- changed anything, or would in --check. Raises P80_REFUSED without a grant, what `set` raises, and P80_NOT_TAKEN
-- when reading back shows another state. In --check `options.have`, the state of a moment ago, is not read again.
function gate.change(kind, id, want, options)
  local declaration = gate.find(kind)
  local have = core.checking and options and options.have or gate.state(kind, id)
  if declaration.same(have, want) then return false end
  grants.ask(kind, declaration.label(id))
  if core.checking then
    plan(declaration, id, want, have)
    return true
  end
  if declaration.journal ~= false and journal.lock() then -- the run that held the lock may have changed it
    have = declaration.get(id)
    if declaration.same(have, want) then return false end
  end
  carry_out(declaration, id, want, have, options)
  return true
end

--- Brings a thing that is absent to the state `want` for as long as f() runs, also in --check; returns what f does. The
-- journal announces it, so that undo finds what a kill leaves; it is a change only when it stays.
function gate.meanwhile(kind, id, want, f)
  local declaration, step = gate.find(kind), nil
  grants.ask(kind, declaration.label(id))
  if not core.checking then
    journal.begin(core.run_header())
    step = journal.intent(kind, id, declaration.label(id), nil, want)
  end
  local results = table.pack(pcall(declaration.set, id, want))
  if results[1] then
    results = table.pack(pcall(f))
    local restored, problem = pcall(declaration.set, id, nil, want)
    if not restored then results = {false, problem} end
  end
  local now = declaration.get(id)
  if step then journal.outcome(step, now ~= nil, now) end
  if now ~= nil then note(declaration, id, nil, now, true) end
  if not results[1] then core.ask(error, results[2], 0) end
  return table.unpack(results, 2, results.n)
end

return gate
