-- Runs of the core on the real registry, with journals in memory, and what takes them back.
local lu = require "luaunit"
local fakecore = require "fakecore"

local runs = {files = {}} -- the state folder: name -> text

--- One run: f(call, core), where call.set(...) is what win.reg.set(...) of a playbook comes down to. `options.reg` stands
-- in for win.reg.
function runs.run(options, f)
  local machine = options.reg and setmetatable({reg = options.reg}, {__index = win})
  local core = fakecore.open {
    files = runs.files, options = options, win = machine, script = {name = "test", kind = "code"},
  }
  f(fakecore.caller(core, "reg"), core)
  core.journal.finish(0, 0)
  return core
end

--- Takes a run back; returns what became of its steps.
function runs.undo(number, force)
  local outcomes = {}
  runs.run({}, function(_, core)
    for _, step in ipairs(core.undo.run(number, force).steps) do
      local is_mount = step.label:find "p80%-restore" -- win.reg.restore has taken that back itself
      if is_mount then lu.assertEquals(step.outcome, "unchanged") else outcomes[#outcomes + 1] = step.outcome end
    end
  end)
  return outcomes
end

local function assert_undone(number)
  for _, outcome in ipairs(runs.undo(number)) do lu.assertEquals(outcome, "restored") end
end

--- f in --check, which changes nothing, for real, taken back, that taken back, and that, too; snapshot() -> what it changes.
function runs.assert_taken_back(snapshot, f)
  runs.files = {}
  local before = snapshot()
  runs.run({check = true}, f)
  lu.assertEquals({snapshot(), runs.files}, {before, {}})
  runs.run({}, f)
  local after = snapshot()
  lu.assertNotEquals(after, before)
  assert_undone(1)
  lu.assertEquals(snapshot(), before)
  assert_undone(2)
  lu.assertEquals(snapshot(), after)
  assert_undone(3)
  lu.assertEquals(snapshot(), before)
end

--- The error object that f raises.
function runs.problem(f, ...)
  local text, problem = fakecore.failure(f, ...)
  lu.assertIsTable(problem, text)
  return problem
end

return runs
