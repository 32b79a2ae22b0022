-- The change gate, the journal, undo and grants, on things that live in a Lua table.
local lu = require "luaunit"
local fakecore = require "fakecore"
local failure = fakecore.failure

TestGate = {}

function TestGate:test_changes_reads_back_and_is_idempotent()
  local core, _, things = fakecore.open {things = {a = {on = true, size = 1}}}
  lu.assertTrue(core.change("fake.thing", {name = "a"}, {on = false}))
  lu.assertEquals(things.a, {on = false, size = 1})
  lu.assertFalse(core.change("fake.thing", {name = "a"}, {on = false}))
  lu.assertTrue(core.change("fake.thing", {name = "a"}, nil))
  lu.assertNil(things.a)
  lu.assertFalse(core.change("fake.thing", {name = "a"}, nil))
end

function TestGate:test_nothing_to_change_needs_no_grant_and_no_journal()
  local core, store = fakecore.open {things = {a = {on = true}}, options = {allow = {}}}
  lu.assertFalse(core.change("fake.thing", {name = "a"}, {on = true}))
  lu.assertEquals(store.appends, 0)
end

function TestGate:test_refused_without_grant_changes_nothing()
  local core, store, things = fakecore.open {things = {a = {on = true}}, options = {allow = {}}}
  local text, problem = failure(core.change, "fake.thing", {name = "a"}, {on = false})
  lu.assertEquals(problem.code, core.code.P80_REFUSED)
  lu.assertStrContains(text, "fake.thing:a")
  lu.assertStrContains(problem.hint, "--allow fake.thing")
  lu.assertEquals({things.a.on, store.appends}, {true, 0})
  lu.assertEquals(core.result.exit_for(problem), 4)
end

function TestGate:test_check_plans_shows_planned_state_and_changes_nothing()
  local core, store, things = fakecore.open {things = {a = {on = true}}, options = {check = true}}
  lu.assertTrue(core.change("fake.thing", {name = "a"}, {on = false}))
  lu.assertFalse(core.change("fake.thing", {name = "a"}, {on = false}))
  lu.assertEquals(core.gate.state("fake.thing", {name = "a"}), {on = false})
  lu.assertEquals({things.a.on, store.appends}, {true, 0})
  local out, _, exit = core.finish()
  lu.assertEquals(exit, 3)
  lu.assertStrContains(out, "fake.thing a: on: true -> false")
end

function TestGate:test_check_is_refused_without_grant_too()
  local core = fakecore.open {things = {a = {on = true}}, options = {check = true, allow = {}}}
  local _, problem = failure(core.change, "fake.thing", {name = "a"}, {on = false})
  lu.assertEquals(problem.code, core.code.P80_REFUSED)
end

function TestGate:test_a_write_that_does_not_take_raises()
  local core = fakecore.open {things = {a = {on = true}}}
  local _, problem = failure(core.change, "fake.thing", {name = "a"}, {on = false}, {pretend = true})
  lu.assertEquals(problem.code, core.code.P80_NOT_TAKEN)
  lu.assertEquals(problem.target, "a")
  lu.assertEquals(#core.gate.changes(), 0)
end

function TestGate:test_what_another_run_changed_before_the_lock_is_read_again()
  local core, store, things = fakecore.open {things = {a = {on = true}}}
  function store.lock()
    things.a.on = false
    return true
  end
  lu.assertFalse(core.change("fake.thing", {name = "a"}, {on = false}))
  lu.assertEquals(store.appends, 0)
end

function TestGate:test_a_change_that_cannot_be_read_back_counts_as_cut_off()
  local files = {}
  local core, _, things = fakecore.open {files = files, things = {a = {on = true}}}
  local get = core.gate.find("fake.thing").get
  lu.assertEquals(failure(core.change, "fake.thing", {name = "a"}, {on = false}, {set = function()
    core.gate.find("fake.thing").get = function() error("unreadable", 0) end
  end}), "unreadable")
  core.gate.find("fake.thing").get = get
  core.finish()
  lu.assertFalse(things.a.on)
  fakecore.open({files = files, things = things}).undo.run()
  lu.assertTrue(things.a.on)
end

function TestGate:test_a_journal_that_cannot_be_finished_fails_the_run_in_its_document_too()
  local core, store = fakecore.open {things = {a = {on = true}}, options = {json = true}}
  core.change("fake.thing", {name = "a"}, {on = false})
  store.fail_at = store.appends + 1
  local out, err, exit = core.finish()
  lu.assertEquals(exit, 1)
  lu.assertStrContains(out, '"exit":1')
  lu.assertStrContains(out, '"run":1')
  lu.assertStrContains(err, "disk full")
end

function TestGate:test_an_error_half_way_counts_what_was_read_back()
  local core, _, things = fakecore.open {things = {a = {on = true, size = 1}}}
  local how = {pretend = true, set = function()
    things.a.size = 2
    error("broken", 0)
  end}
  lu.assertEquals(failure(core.change, "fake.thing", {name = "a"}, {on = false}, how), "broken")
  lu.assertEquals(#core.gate.changes(), 1)
  lu.assertEquals(core.gate.changes()[1].after, {on = true, size = 2})
  lu.assertFalse(core.gate.changes()[1].taken)
end

function TestGate:test_full_disk_before_a_step_leaves_the_thing_alone()
  local core, store, things = fakecore.open {things = {a = {on = true}}}
  store.fail_at = 2
  lu.assertEquals(failure(core.change, "fake.thing", {name = "a"}, {on = false}), "disk full")
  lu.assertTrue(things.a.on)
end

function TestGate:test_nothing_is_changed_after_a_journal_that_could_not_be_written()
  for fail_at = 1, 3 do
    local files = {}
    local core, store, things = fakecore.open {files = files, things = {a = {on = true}, b = {on = true}}}
    store.fail_at = fail_at
    pcall(core.change, "fake.thing", {name = "a"}, {on = false})
    lu.assertEquals(failure(core.change, "fake.thing", {name = "b"}, {on = false}), "disk full")
    lu.assertTrue(things.b.on)
    lu.assertNil(files["000001.jsonl"]:find "ended")
    core.finish(1)
    lu.assertNil(fakecore.open({files = files}).undo.history()[1].unreadable)
  end
end

function TestGate:test_without_elevation_nothing_is_changed_but_with_a_folder_of_ones_own()
  local plain = {elevated = function() return false end}
  local machine = setmetatable({host = setmetatable(plain, {__index = win.host})}, {__index = win})
  local core, _, things = fakecore.open {things = {a = {on = true}}, win = machine, default_state = true}
  local _, problem = failure(core.change, "fake.thing", {name = "a"}, {on = false})
  lu.assertEquals({problem.code, core.result.exit_for(problem), things.a.on}, {5, 5, true})
  core = fakecore.open {things = things, win = machine}
  lu.assertTrue(core.change("fake.thing", {name = "a"}, {on = false}))
end

function TestGate:test_a_second_run_waits_and_then_fails()
  local core, store, things = fakecore.open {things = {a = {on = true}}}
  store.locked_by_other = true
  local _, problem = failure(core.change, "fake.thing", {name = "a"}, {on = false})
  lu.assertEquals(problem.code, core.code.P80_OTHER_RUN)
  lu.assertEquals(core.result.exit_for(problem), 6)
  lu.assertTrue(things.a.on)
end

TestUndo = {}

local function changed_run(files, things)
  local core = fakecore.open {files = files, things = things}
  core.change("fake.thing", {name = "a"}, {on = false})
  core.change("fake.thing", {name = "b"}, {on = true})
  core.change("fake.thing", {name = "c"}, nil)
  core.finish()
end

local function start() return {}, {a = {on = true}, c = {on = true, text = "\xFF\0x"}} end

function TestUndo:test_takes_back_in_reverse_and_can_be_undone()
  local files, things = start()
  changed_run(files, things)
  lu.assertEquals(things, {a = {on = false}, b = {on = true}})
  local core = fakecore.open {files = files, things = things}
  local report = core.undo.run()
  lu.assertEquals({report.steps[1].label, report.steps[3].label}, {"c", "a"})
  core.finish()
  lu.assertEquals(things, {a = {on = true}, c = {on = true, text = "\xFF\0x"}})
  core = fakecore.open {files = files, things = things}
  local _, problem = failure(core.undo.run)
  lu.assertEquals(problem.code, core.code.ERROR_NOT_FOUND)
  core.finish()
  core = fakecore.open {files = files, things = things}
  core.undo.run(2)
  core.finish()
  lu.assertEquals(things, {a = {on = false}, b = {on = true}})
  core = fakecore.open {files = files, things = things}
  lu.assertEquals(core.undo.run().run, 1) -- its undo was undone, so it is the newest again
end

function TestUndo:test_a_run_that_was_taken_back_is_not_taken_back_again()
  local files, things = start()
  changed_run(files, things)
  local core = fakecore.open {files = files, things = things}
  core.undo.run()
  core.finish()
  core = fakecore.open {files = files, things = things}
  lu.assertStrContains(failure(core.undo.run, 1), "taken back by run 2")
  lu.assertEquals(core.undo.run(1, true).failed, 0)
end

function TestUndo:test_conflict_is_left_alone_without_force()
  local files, things = start()
  changed_run(files, things)
  things.a = {on = "changed by hand"}
  local core = fakecore.open {files = files, things = things}
  local report = core.undo.run()
  lu.assertEquals({report.failed, report.steps[3].outcome, report.steps[1].outcome}, {1, "conflict", "restored"})
  core.finish(1)
  lu.assertEquals(things.a.on, "changed by hand")
  core = fakecore.open {files = files, things = things, options = {force = true}}
  report = core.undo.run(1, true)
  lu.assertEquals({report.failed, things.a.on}, {0, true})
end

function TestUndo:test_a_step_that_changed_nothing_is_no_conflict()
  local files, things = {}, {a = {on = true}}
  local core = fakecore.open {files = files, things = things}
  failure(core.change, "fake.thing", {name = "a"}, {on = false}, {pretend = true})
  core.finish(1)
  things.a.on = "changed by hand"
  local report = fakecore.open({files = files, things = things}).undo.run(1)
  lu.assertEquals({report.failed, report.steps[1].outcome, things.a.on}, {0, "unchanged", "changed by hand"})
end

function TestUndo:test_after_a_kill_at_every_line_undo_restores_all()
  local _, reference = start()
  local killed = 0
  for line = 1, 20 do
    for _, torn in ipairs {false, true} do
      local files, things = start()
      local core, store = fakecore.open {files = files, things = things}
      store.after_append = function(n) if n == line then error("killed", 0) end end
      local ok = pcall(function()
        core.change("fake.thing", {name = "a"}, {on = false})
        core.change("fake.thing", {name = "b"}, {on = true})
        core.change("fake.thing", {name = "c"}, nil)
        core.finish()
        if store.appends < line then error("no such line", 0) end
      end)
      if not ok then killed = killed + 1 end
      if torn then
        local name = next(files)
        files[name] = files[name] and files[name]:sub(1, -6)
      end
      local again = fakecore.open {files = files, things = things}
      pcall(again.undo.run)
      again.finish()
      lu.assertEquals(things, reference, ("killed at line %d%s"):format(line, torn and ", torn" or ""))
    end
  end
  lu.assertTrue(killed >= 16)
end

function TestUndo:test_a_step_whose_outcome_is_missing_is_taken_back_from_any_state()
  local files, things = start()
  local core, store = fakecore.open {files = files, things = things}
  store.fail_at = 3
  pcall(core.change, "fake.thing", {name = "a"}, {on = false})
  things.a = {on = "half-way"}
  core = fakecore.open {files = files, things = things}
  core.undo.run()
  lu.assertEquals(things.a, {on = true})
end

function TestUndo:test_what_cannot_be_taken_back_is_said()
  local files, things = {}, {p = {on = true}}
  local core = fakecore.open {files = files, things = things}
  core.change("fake.gone", {name = "p"}, nil)
  local _, err = core.finish()
  lu.assertStrContains(err, "cannot be taken back")
  core = fakecore.open {files = files, things = things}
  lu.assertEquals(core.undo.run().steps[1].outcome, "impossible")
end

-- What nothing takes back is said once; then undo goes on with the run before.
function TestUndo:test_undo_gets_past_what_nothing_takes_back()
  local files, things = start()
  changed_run(files, things)
  things.p = {on = true}
  local core = fakecore.open {files = files, things = things}
  core.change("fake.gone", {name = "p"}, nil)
  core.change("fake.thing", {name = "d"}, {on = true})
  local _, err = core.finish()
  lu.assertStrContains(err, "`p80 undo 2` takes back what can be taken back; 1 cannot be taken back")
  core = fakecore.open {files = files, things = things}
  local report = core.undo.run()
  lu.assertEquals({report.run, report.failed, report.steps[2].outcome, things.d}, {2, 1, "impossible"})
  core.finish(1)
  core = fakecore.open {files = files, things = things}
  local undone = core.undo.history()[2]
  lu.assertEquals({undone.taken_back_by, undone.lasting}, {3, 1})
  lu.assertEquals(core.undo.run().run, 1)
  lu.assertEquals(things.a, {on = true})
end

function TestUndo:test_a_run_that_failed_to_be_taken_back_is_the_next_again()
  local files, things = start()
  changed_run(files, things)
  things.a.on = "changed by hand"
  local core = fakecore.open {files = files, things = things}
  core.undo.run()
  core.finish(1)
  lu.assertEquals(fakecore.open({files = files, things = things}).undo.run().run, 1)
end

function TestUndo:test_what_is_gone_with_its_owner_is_no_conflict()
  local files, things = start()
  changed_run(files, things)
  things.a = nil
  local core = fakecore.open {files = files, things = things}
  core.gate.find("fake.thing").part_of = "box"
  local row = core.undo.run(1, true).steps[3]
  lu.assertEquals({row.outcome, row.reason}, {"gone", "the box is not there any more"})
  core.finish(1)
  lu.assertEquals(fakecore.open({files = files, things = things}).undo.history()[1].lasting, 1)
end

-- A service that is as it was is left alone; of several changes of its state only what came of them is taken back.
function TestUndo:test_changes_of_one_thing_are_taken_back_as_one()
  local files, things = {}, {a = {on = true}, b = {size = 1}}
  local function sets(core)
    local count, set = {n = 0}, core.gate.find("fake.thing").set
    core.gate.find("fake.thing").set = function(...)
      count.n = count.n + 1
      return set(...)
    end
    return count
  end
  local function open()
    local core = fakecore.open {files = files, things = things}
    core.gate.find("fake.thing").part_of = "service"
    return core
  end
  local core = open()
  for _, on in ipairs {false, true, false, true} do core.change("fake.thing", {name = "a"}, {on = on}) end
  core.finish(1)
  core = open()
  lu.assertEquals(core.undo.history()[1].changed, 0)
  lu.assertStrContains(failure(core.undo.run), "nothing to take back")
  lu.assertEquals(core.undo.run(1).steps[1].outcome, "unchanged")
  core.finish()
  lu.assertNil(core.undo.history()[1].taken_back_by) -- there was nothing
  core = open()
  for size = 2, 4 do core.change("fake.thing", {name = "b"}, {size = size}) end
  core.finish()
  core = open()
  local count = sets(core)
  lu.assertEquals({#core.undo.run().steps, things.b.size, count.n}, {1, 1, 1})
  core.finish()
end

function TestUndo:test_what_somebody_else_changed_between_two_steps_is_a_conflict()
  local files, things = {}, {a = {size = 1}}
  local core = fakecore.open {files = files, things = things}
  core.change("fake.thing", {name = "a"}, {size = 2})
  things.a.size = 7
  core.change("fake.thing", {name = "a"}, {size = 3})
  core.finish()
  core = fakecore.open {files = files, things = things}
  core.gate.find("fake.thing").part_of = "service"
  local report = core.undo.run()
  lu.assertEquals({report.steps[1].outcome, report.steps[2].outcome, things.a.size}, {"restored", "conflict", 7})
end

function TestUndo:test_check_plans_the_undo()
  local files, things = start()
  changed_run(files, things)
  local core = fakecore.open {files = files, things = things, options = {check = true}}
  core.undo.run()
  lu.assertEquals(things.a, {on = false})
  lu.assertEquals(select(3, core.finish()), 3)
end

function TestUndo:test_a_step_that_needs_an_earlier_one_first_is_tried_again()
  local files, things = {}, {switch = {on = true}, lamp = {lit = true}}
  local function open()
    local core = fakecore.open {files = files, things = things}
    core.resource {
      kind = "fake.lamp", label = function(id) return id.name end, get = function() return {lit = things.lamp.lit} end,
      set = function(_, want)
        if want.lit and not things.switch.on then error("no power", 0) end
        things.lamp.lit = want.lit
      end,
    }
    return core
  end
  local core = open()
  core.change("fake.thing", {name = "switch"}, {on = false})
  core.change("fake.lamp", {name = "lamp"}, {lit = false})
  core.finish()
  core = open()
  lu.assertEquals(core.undo.run().failed, 0)
  lu.assertEquals(things, {switch = {on = true}, lamp = {lit = true}})
end

-- A service that does not answer costs its time once.
function TestUndo:test_what_nothing_can_have_helped_is_not_tried_again()
  local files, things = {}, {a = {on = true}}
  local core, tries = fakecore.open {files = files, things = things}, 0
  core.change("fake.thing", {name = "a"}, {on = false})
  core.finish()
  core = fakecore.open {files = files, things = things}
  core.gate.find("fake.thing").set = function()
    tries = tries + 1
    error("no", 0)
  end
  lu.assertEquals({core.undo.run().failed, tries}, {1, 1})
end

TestJournal = {}

-- dkjson would write an array of two.
function TestJournal:test_a_field_n_is_a_field()
  local data = fakecore.open().data
  lu.assertEquals(data.decode(data.encode {a = {n = 2}}), {a = {n = 2}})
  lu.assertEquals(data.document({n = 2}, {}, true), '{"n":2}')
  lu.assertEquals(data.document({{n = 0, m = 1}}, {}, true), '[{"m":1,"n":0}]')
end

local function journal_with(text) return {["000001.jsonl"] = text} end

function TestJournal:test_corrupted_lines_are_named()
  local header = '{"journal":1,"run":1}\n'
  for line, text in pairs {
    [1] = "nonsense\n",
    [2] = header .. '{"step":1,"kind":\n',
    [3] = header .. '{"step":1,"kind":"fake.thing","id":{"name":"a"}}\n{"step":7,"taken":true}\n',
    [4] = header .. '{"step":1,"kind":"fake.thing","id":{"name":"a"}}\n{"step":1,"taken":true}\n{"step":3,"kind":"fake.thing","id":{"name":"b"}}\n',
  } do
    local core = fakecore.open {files = journal_with(text)}
    local message, problem = failure(core.journal.read, 1)
    lu.assertEquals(problem.code, core.code.P80_BAD_JOURNAL)
    lu.assertStrContains(message, "000001.jsonl")
    lu.assertStrContains(message, ("Line %d"):format(line))
  end
end

function TestJournal:test_wrong_shapes_are_refused()
  for _, text in ipairs {"[]\n", "1\n", '"x"\n', "null\n", '{"journal":"1"}\n', '{"journal":99,"run":1}\n',
    '{"journal":1}\n{"step":1.5,"kind":"x","id":{}}\n', '{"journal":1}\n{"step":1,"kind":"x","id":"y"}\n'} do
    local core = fakecore.open {files = journal_with(text)}
    local _, problem = failure(core.journal.read, 1)
    lu.assertEquals(problem.code, core.code.P80_BAD_JOURNAL, text)
  end
end

function TestJournal:test_an_unreadable_run_is_listed_and_blocks_a_blind_undo()
  local core = fakecore.open {files = journal_with "nonsense\n"}
  lu.assertEquals(core.undo.history()[1].unreadable ~= nil, true)
  local message = failure(core.undo.run)
  lu.assertStrContains(message, "000001.jsonl")
  lu.assertStrContains(message, "`p80 undo RUN` takes back another run")
end

function TestJournal:test_a_number_behind_which_there_is_no_other_is_no_run()
  local core = fakecore.open {files = {["000007.jsonl"] = "", ["9223372036854775807.jsonl"] = ""}}
  lu.assertEquals(core.journal.runs(), {7})
end

function TestJournal:test_an_empty_file_is_a_run_that_did_nothing()
  local core = fakecore.open {files = journal_with ""}
  lu.assertEquals(core.undo.history()[1].changed, 0)
end

function TestJournal:test_any_data_survives_the_journal()
  local core = fakecore.open()
  local value = {
    text = "é", bytes = "\xFF\xFE\0", big = math.maxinteger, small = math.mininteger, real = 1.5, yes = true, no = false,
    list = {1, "two", {}}, [1] = nil, ["$bytes"] = "x", ["\xFF"] = {1}, surrogate = "\xED\xA0\x80",
  }
  local line = core.data.encode(value)
  lu.assertNil(line:find("\n"))
  lu.assertNotNil(utf8.len(line))
  lu.assertEquals(core.data.decode(line), value)
  lu.assertEquals(math.type(core.data.decode(line).big), "integer")
end

TestSddl = {}

function TestSddl:test_an_entry_with_a_condition_is_one_part()
  local names = {O = "owner", G = "group", D = "dacl", S = "sacl"}
  local dacl = [[P(A;;KA;;;SY)(XA;;KR;;;WD;(@User.x == "D:S:" && (@User.O:y == 1)))]]
  local sddl = fakecore.open().sddl
  local split = sddl.split
  lu.assertEquals(split("O:BAG:SYD:" .. dacl .. "S:(AU;SA;KA;;;WD)", names),
    {owner = "BA", group = "SY", dacl = dacl, sacl = "(AU;SA;KA;;;WD)"})
  lu.assertEquals(split("D:" .. dacl, names), {dacl = dacl})
  lu.assertEquals({split("D:", names), split("", names)}, {{dacl = ""}, {}})
  lu.assertEquals(sddl.join(split("O:BAG:SYD:P", names), names), "O:BAG:SYD:P")
end

TestGrants = {}

function TestGrants:test_patterns()
  for grant, expected in pairs {
    ["scm.state"] = {true, true, false}, ["scm.state:W3SVC"] = {true, false, false}, ["scm.state:w3*"] = {true, false, false},
    ["*"] = {true, true, true}, ["scm.*"] = {true, true, false}, ["scm.state:.*"] = {false, false, false},
  } do
    local core = fakecore.open {options = {allow = {grant}}}
    local found = {core.grants.has("scm.state", "W3SVC"), core.grants.has("scm.state", "Spooler"), core.grants.has("reg.key", "x")}
    lu.assertEquals(found, expected, grant)
  end
end

function TestGrants:test_an_unknown_kind_is_an_error_with_a_suggestion()
  local text, problem = failure(fakecore.open, {options = {allow = {"scm.stat"}}})
  lu.assertEquals(problem.name, "P80_BAD_MANIFEST")
  lu.assertStrContains(text, "did you mean 'scm.state'?")
end

TestResult = {}

function TestResult:test_json_is_one_document_of_what_was_read_back()
  local core = fakecore.open {things = {a = {on = true}}, options = {json = true}}
  core.change("fake.thing", {name = "a"}, {on = false})
  core.result.report {bytes = "\xFF", list = {}}
  local out, err, exit = core.finish()
  local document = require "dkjson".decode(out)
  lu.assertEquals({document.changed, document.exit, exit, document.failed, document.run}, {1, 0, 0, false, 1})
  lu.assertEquals(document.changes[1].label, "a")
  lu.assertEquals(document.result.bytes, "\\xFF")
  lu.assertEquals(err, "")
end

function TestResult:test_restart_and_exit_codes()
  local core = fakecore.open()
  core.result.restart_needed()
  lu.assertEquals(select(3, core.finish()), 3010)
  for code, exit in pairs {[5] = 5, [1314] = 5, [1460] = 6, [258] = 6, [2] = 1, [core.code.P80_REFUSED] = 4} do
    lu.assertEquals(core.result.exit_for {code = code}, exit)
  end
  lu.assertEquals(core.result.exit_for("text"), 1)
end
