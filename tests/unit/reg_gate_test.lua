-- win.reg behind the gate (engine/core/reg.lua): the core's own files on the real registry, with a journal in memory.
local lu = require "luaunit"
local runs = require "regruns"
local reg = win.reg
local run, undo, problem = runs.run, runs.undo, runs.problem

local ROOT = [[HKLM\SOFTWARE\p80-reg-gate]]
local REFUSED, NOT_TAKEN = 0x20000004, 0x20000001

local function sub(name) return ROOT .. "\\" .. name end

local function fresh()
  runs.files = {}
  for _, view in ipairs {64, 32} do reg.delete(ROOT, nil, {tree = true, view = view}) end
  reg.create(ROOT)
end

local function clean()
  for _, view in ipairs {64, 32} do reg.delete(ROOT, nil, {tree = true, view = view}) end
end

-- Everything below ROOT as one comparable value.
local function everything() return {reg.tree(ROOT), reg.tree(ROOT, {view = 32})} end

local function assert_taken_back(f) runs.assert_taken_back(everything, f) end

-- ---- Values ----

TestGateValues = {setUp = fresh, tearDown = clean}

local VALUES = {
  {"text", nil, "sz"}, {"", nil, "sz"}, {"%x%", "expand_sz"}, {7, nil, "dword"}, {0xFFFFFFFF, nil, "dword"},
  {8.0, nil, "dword"},
  {-1, "qword"}, {math.mininteger, "qword"}, {math.maxinteger, "qword"}, {1, "dword_big_endian"},
  {{"a", "b"}, nil, "multi_sz"}, {{}, nil, "multi_sz"}, {"\0\1\xFF", "binary"}, {"", "none"}, {"x", "type_77"},
  {"\u{E4}\u{1F600}\xED\xA0\x80", nil, "sz"},
}

function TestGateValues.test_set_is_idempotent_and_taken_back()
  for i, case in ipairs(VALUES) do
    local value, value_type, found = table.unpack(case, 1, 3)
    assert_taken_back(function(call)
      lu.assertTrue(call.set(ROOT, "v", value, value_type))
      lu.assertFalse(call.set(ROOT, "v", value, value_type and {type = value_type}), "case " .. i)
      local got, got_type, raw = call.get(ROOT, "v")
      lu.assertEquals({got, got_type, raw}, {value, found or value_type})
    end)
    run({}, function(call) call.set(ROOT, "v", value, value_type) end)
  end
end

function TestGateValues.test_missing_keys_are_created_and_taken_back()
  assert_taken_back(function(call)
    lu.assertTrue(call.set(sub [[a\b\c]], "v", 1))
    lu.assertFalse(call.set(sub [[A\B\c]], "V", 1))
    lu.assertTrue(call.set(sub "a", nil, "unnamed"))
  end)
end

function TestGateValues.test_undo_removes_only_what_it_created()
  reg.create(sub "a")
  local core = run({}, function(call) call.set(sub [[a\b\c]], "v", 1) end)
  lu.assertEquals(#core.gate.changes(), 3)
  lu.assertEquals(core.gate.changes()[1].label, sub [[a\b]])
  reg.set(sub [[a\b]], "other", 1, {type = "dword"})
  lu.assertEquals(undo(1), {"restored", "restored", "conflict"})
  lu.assertEquals(reg.keys(sub [[a\b]]), {})
  lu.assertEquals(reg.get(sub [[a\b]], "other"), 1)
end

function TestGateValues.test_odd_bytes_come_back()
  local cases = {{"sz", "a\0b"}, {"dword", "\1"}, {"multi_sz", "a\0"}, {"sz", "a\0\0\0b\0\0\0"}, {"link", ""}}
  for _, case in ipairs(cases) do
    reg.set(ROOT, "v", nil, {type = case[1], raw = case[2]})
    assert_taken_back(function(call)
      lu.assertTrue(call.set(ROOT, "v", "new"))
      lu.assertEquals({call.get(ROOT, "v")}, {"new", "sz"})
    end)
    assert_taken_back(function(call) lu.assertTrue(call.delete(ROOT, "v")) end)
  end
  reg.set(ROOT, "v", nil, {type = "sz", raw = "a\0"})
  run({}, function(call)
    lu.assertTrue(call.set(ROOT, "v", "a"), "the terminator is missing")
    lu.assertFalse(call.set(ROOT, "v", "a"))
  end)
end

function TestGateValues.test_delete()
  reg.set(ROOT, "v", "x", {type = "sz"})
  reg.set(ROOT, "", "y", {type = "sz"})
  assert_taken_back(function(call)
    lu.assertTrue(call.delete(ROOT, "v"))
    lu.assertFalse(call.delete(ROOT, "v"))
    lu.assertTrue(call.delete(ROOT, ""))
    lu.assertEquals(call.values(ROOT), {})
  end)
  runs.files = {}
  run({}, function(call)
    lu.assertFalse(call.delete(sub "none", "v"))
    lu.assertFalse(call.delete(sub "none"))
    lu.assertFalse(call.delete(sub "none", nil, {tree = true}))
  end)
  lu.assertEquals(runs.files, {})
end

function TestGateValues.test_views()
  lu.skipIf(reg.exists(ROOT, {view = 32}), "Windows of 32 bits has one view")
  assert_taken_back(function(call)
    lu.assertTrue(call.set(ROOT, "v", "native"))
    lu.assertTrue(call.set(ROOT, "v", "other", {view = 32}))
    lu.assertFalse(call.set(ROOT, "v", "native", {view = 64}))
    lu.assertEquals(call.get(ROOT, "v"), "native")
    lu.assertEquals(call.get(ROOT, "v", {view = 32}), "other")
    lu.assertTrue(call.delete(ROOT, {view = 32, tree = true}))
    lu.assertTrue(call.exists(ROOT))
    lu.assertFalse(call.exists(ROOT, {view = 32}))
    lu.assertNil(call.get(ROOT, "v", {view = 32}))
  end)
end

function TestGateValues.test_somebody_else_changed_it()
  run({}, function(call) call.set(ROOT, "v", "mine") end)
  reg.set(ROOT, "v", "theirs", {type = "sz"})
  lu.assertEquals(undo(1), {"conflict"})
  lu.assertEquals(reg.get(ROOT, "v"), "theirs")
  lu.assertEquals(undo(1, true), {"restored"})
  lu.assertNil(reg.get(ROOT, "v"))
end

-- ---- Keys ----

TestGateKeys = {setUp = fresh, tearDown = clean}

local function plant()
  reg.create(sub "t")
  reg.create(sub [[t\a]])
  reg.create(sub [[t\a\b]])
  reg.create(sub "t\\\xED\xA0\x80")
  reg.create(sub "t\\$bytes")
  reg.create(sub "outside")
  reg.set(sub [[t\a]], "v", {"1", "2"}, {type = "multi_sz"})
  reg.set(sub [[t\a]], "odd", nil, {type = "sz", raw = "\1\2\3"})
  reg.set(sub [[t\a\b]], "", "x", {type = "expand_sz"})
  reg.set(sub "outside", "v", "there", {type = "sz"})
  local target = [[\Registry\Machine\SOFTWARE\p80-reg-gate\outside]]
  reg.create(sub [[t\link]], {tree = {link = target, keys = {}, values = {}}})
end

function TestGateKeys.test_create()
  assert_taken_back(function(call)
    lu.assertTrue(call.create(sub [[a\b]]))
    lu.assertFalse(call.create(sub [[A\b]]))
    lu.assertFalse(call.create(sub "a", {view = 64}))
    lu.assertEquals(call.keys(ROOT), {"a"})
    lu.assertEquals(call.tree(sub "a").keys.b.values, {})
  end)
end

function TestGateKeys.test_delete_empty_key()
  reg.create(sub "e")
  assert_taken_back(function(call)
    lu.assertTrue(call.delete(sub "e"))
    lu.assertFalse(call.delete(sub "e"))
    lu.assertFalse(call.exists(sub "e"))
  end)
end

function TestGateKeys.test_delete_full_key_needs_tree()
  plant()
  for _, check in ipairs {true, false} do
    run({check = check}, function(call)
      local e = problem(call.delete, sub "t")
      lu.assertEquals({e.op, e.target, e.code}, {"reg.delete", sub "t", 145})
      lu.assertStrContains(e.message, "4 subkeys and 0 values")
      lu.assertEquals(problem(call.delete, sub [[t\a]], nil, {tree = false}).code, 145)
      lu.assertTrue(call.set(sub [[t\a\b]], "new", 1))
      lu.assertTrue(call.delete(sub [[t\a\b]], ""))
      lu.assertTrue(call.delete(sub [[t\a\b]], "new"))
      lu.assertTrue(call.delete(sub [[t\a\b]]))
    end)
  end
  lu.assertFalse(reg.exists(sub [[t\a\b]]))
end

function TestGateKeys.test_delete_tree()
  plant()
  assert_taken_back(function(call)
    lu.assertTrue(call.delete(sub "t", nil, {tree = true}))
    lu.assertFalse(call.delete(sub "t", {tree = true}))
    lu.assertNil(call.tree(sub "t"))
    lu.assertNil(call.keys(sub [[t\a]]))
    lu.assertEquals(call.get(sub "outside", "v"), "there")
  end)
end

function TestGateKeys.test_delete_link()
  plant()
  assert_taken_back(function(call)
    lu.assertTrue(call.delete(sub [[t\link]]))
    lu.assertEquals(call.get(sub "outside", "v"), "there")
  end)
end

function TestGateKeys.test_cut_off_tree_is_restored()
  plant()
  local before = everything()
  run({}, function(call) call.delete(sub "t", {tree = true}) end)
  runs.files["000001.jsonl"] = runs.files["000001.jsonl"]:match "^[^\n]*\n[^\n]*\n" -- killed before the outcome was written
  lu.assertEquals(undo(1), {"restored"})
  lu.assertEquals(everything(), before)
  runs.files = {}
  run({}, function(call) call.delete(sub "t", {tree = true}) end)
  runs.files["000001.jsonl"] = runs.files["000001.jsonl"]:match "^[^\n]*\n[^\n]*\n"
  reg.create(sub "t") -- half of it is left
  reg.create(sub [[t\a]])
  lu.assertEquals(undo(1), {"restored"})
  lu.assertEquals(everything(), before)
end

function TestGateKeys.test_undo_keeps_what_others_put_into_a_created_key()
  run({}, function(call) call.create(sub "mine") end)
  reg.set(sub "mine", "theirs", 1, {type = "dword"})
  lu.assertEquals(undo(1), {"conflict"})
  lu.assertEquals(undo(1, true), {"failed"})
  lu.assertEquals(reg.get(sub "mine", "theirs"), 1)
end

-- ---- --check ----

TestGateCheck = {setUp = fresh, tearDown = clean}

function TestGateCheck.test_letters_of_all_alphabets_match_in_both_cases()
  run({check = true}, function(call)
    lu.assertTrue(call.set(sub "ÜBER", "Ä", 1))
    lu.assertEquals({call.get(sub "über", "ä"), call.keys(ROOT)}, {1, {"ÜBER"}})
    lu.assertFalse(call.set(sub "über", "ä", 1))
  end)
end

-- The same steps and reads, planned and for real, must tell the same.
function TestGateCheck.test_reads_show_the_plan()
  local function story(call)
    local seen = {}
    local function look()
      for _, name in ipairs {"", [[\t]], [[\t\a]], [[\t\a\b]], [[\t\new]], [[\t\new\deep]], [[\t\link]]} do
        local key = ROOT .. name
        local info, tree = call.info(key), call.tree(key)
        if info then info.written = nil end
        local function plain(node)
          node.security = nil
          table.sort(node.values, function(a, b) return a.name < b.name end)
          for _, child in pairs(node.keys) do plain(child) end
        end
        if tree then plain(tree) end
        local keys, values = call.keys(key), call.values(key)
        if keys then table.sort(keys, function(a, b) return a:lower() < b:lower() end) end
        if values then table.sort(values, function(a, b) return a.name < b.name end) end
        local value = {call.get(key, "v")}
        seen[#seen + 1] = {key, info or "-", tree or "-", keys or "-", values or "-", call.exists(key), value}
      end
    end
    look()
    call.set(sub [[t\new\deep]], "v", 1)
    call.set(sub [[t\a]], "v", "instead")
    call.delete(sub [[t\a]], "odd")
    look()
    call.delete(sub [[T\NEW]], {tree = true})
    look()
    call.create(sub [[t\new]])
    call.set(sub [[t\new]], "v", 2)
    look()
    call.delete(sub "t", {tree = true})
    look()
    call.set(sub [[t\a\b]], "v", "again")
    look()
    call.set(sub [[t\a\b]], "v", "and again")
    call.set(sub [[t\link]], "v", "no link any more")
    look()
    call.delete(sub [[t\a\b]], "v")
    call.delete(sub [[t\a\b]])
    look()
    return seen
  end
  plant()
  local before, planned, real = everything(), nil, nil
  local planning = run({check = true}, function(call) planned = story(call) end)
  lu.assertEquals(everything(), before)
  local doing = run({}, function(call) real = story(call) end)
  for i = 1, #real do lu.assertEquals(planned[i], real[i], "look " .. i) end
  local function labels(core)
    local list = {}
    for i, change in ipairs(core.gate.changes()) do list[i] = change.kind .. " " .. change.label end
    return list
  end
  lu.assertEquals(labels(planning), labels(doing))
  for _, outcome in ipairs(undo(1)) do lu.assertEquals(outcome, "restored") end
  lu.assertEquals(everything(), before)
end

-- ---- Grants, and writes that do not take ----

TestGateRefusals = {setUp = fresh, tearDown = clean}

function TestGateRefusals.test_without_a_grant()
  plant()
  local before = everything()
  local writes = {
    {"set", sub "outside", "v", "x"}, {"delete", sub "outside", "v"}, {"delete", sub "t", nil, {tree = true}},
    {"create", sub "new"}, {"set", sub [[new\key]], "v", 1},
  }
  for _, allow in ipairs {{}, {"reg.value:HKLM\\OTHER\\*", "reg.key:" .. sub "outside"}} do
    for _, check in ipairs {true, false} do
      run({allow = allow, check = check}, function(call)
        for _, write in ipairs(writes) do
          local e = problem(call[write[1]], table.unpack(write, 2))
          lu.assertEquals({e.op, e.code}, {"reg." .. write[1], REFUSED})
        end
      end)
    end
  end
  lu.assertEquals(everything(), before)
  lu.assertEquals(runs.files, {})
end

function TestGateRefusals.test_grants_name_key_and_value()
  run({allow = {"reg.value:hklm\\software\\P80-reg-gate\\*", "reg.key:" .. sub "granted"}}, function(call)
    lu.assertTrue(call.set([[HKEY_LOCAL_MACHINE\SOFTWARE\p80-reg-gate]], "v", 1))
    lu.assertTrue(call.set(sub "granted", "v", 1))
    lu.assertEquals(problem(call.set, sub "other", "v", 1).target, sub "other")
    lu.assertEquals(problem(call.set, ROOT, "v", 1, {view = 32}).code, REFUSED)
  end)
  run({allow = {"reg.value:" .. sub "(Default)"}}, function(call) lu.assertTrue(call.set(ROOT, nil, 1)) end)
end

function TestGateRefusals.test_the_name_of_a_value_is_no_path()
  run({allow = {"reg.value:" .. sub [[below\*]]}}, function(call)
    local e = problem(call.set, ROOT, [[below\v]], 1)
    lu.assertEquals({e.code, e.target}, {REFUSED, sub [["below\v"]]})
  end)
end

function TestGateRefusals.test_a_write_that_does_not_take()
  local idle = setmetatable({set = function() end, delete = function() end, create = function() end}, {__index = reg})
  reg.set(ROOT, "there", 1, {type = "dword"})
  run({reg = idle}, function(call)
    local writes = {
      {"set", ROOT, "v", 1}, {"delete", ROOT, "there"}, {"create", sub "x"}, {"delete", ROOT, {tree = true}},
    }
    for _, write in ipairs(writes) do
      local e = problem(call[write[1]], table.unpack(write, 2))
      lu.assertEquals({e.op, e.code}, {"reg." .. write[1], NOT_TAKEN})
    end
  end)
end

-- ---- Bad input ----

TestGateBadInput = {setUp = fresh, tearDown = clean}

function TestGateBadInput.test_is_refused_before_anything_is_done()
  local before = everything()
  local new = sub [[never\made]]
  local cases = {
    {"key", "set", [[HKLX\x]], "v", 1}, {"key", "set", nil, "v", 1}, {"key", "create", [[HKLM\x\]]},
    {"key", "create", "HKLM"},
    {"key", "delete", "HKLM", {tree = true}}, {"key", "delete", "HKLM"}, {"key", "delete", [[x\y]], "v"},
    {"key", "create", "HKLM\\" .. ("k"):rep(256)},
    {"name", "set", new, "a\0b", 1}, {"name", "set", new, ("n"):rep(16384), 1}, {"name", "set", new, 7, 1},
    {"name", "delete", ROOT, "v", {tree = true}},
    {"value", "set", new, "v", -1}, {"value", "set", new, "v", 0x100000000}, {"value", "set", new, "v", 1.5},
    {"value", "set", new, "v", nil}, {"value", "set", new, "v", true}, {"value", "set", new, "v", "a\0b"},
    {"value", "set", new, "v", "\xFF"}, {"value", "set", new, "v", "\xED\xA0\x80\xED\xB0\x80"},
    {"value", "set", new, "v", "\xF4\x90\x80\x80"}, {"value", "set", new, "v", "x", "dword"},
    {"value", "set", new, "v", 1, "sz"}, {"value", "set", new, "v", 1, "binary"}, {"value", "set", new, "v", {x = 1}},
    {"value[2]", "set", new, "v", {"a", ""}}, {"value[1]", "set", new, "v", {1}},
    {"type", "set", new, "v", "x", "swz"}, {"type", "set", new, "v", "x", {type = 4}},
    {"type", "set", new, "v", "x", "type_3"},
    {"type", "set", new, "v", "x", "type_4294967296"},
    {"view", "set", new, "v", "x", {view = 16}}, {"view", "create", new, {view = "64"}},
    {"view", "delete", new, "v", {view = 1}},
    {"options", "set", new, "v", "x", 5}, {"options", "create", new, 64}, {"veiw", "set", new, "v", "x", {veiw = 32}},
    {"tree", "delete", ROOT, {tree = "x"}}, {"raw", "set", new, "v", "x", {raw = "x"}},
    {"arguments", "set", new, "v"}, {"arguments", "set", new, "v", 1, "sz", 5}, {"arguments", "create"},
    {"arguments", "delete"},
  }
  for _, check in ipairs {true, false} do
    run({check = check}, function(call)
      for i, case in ipairs(cases) do
        local count = 0
        for k in pairs(case) do count = math.max(count, k) end
        if case[1] == "value" then count = math.max(count, 5) end
        local e = problem(call[case[2]], table.unpack(case, 3, count))
        local expected = {"reg." .. case[2], case[1], 87}
        lu.assertEquals({e.op, e.target, e.code}, expected, "case " .. i .. " " .. tostring(e))
      end
      lu.assertEquals(problem(call.delete, [[HKCR\.p80]], {tree = true}).code, 50)
    end)
  end
  lu.assertEquals(everything(), before)
  lu.assertEquals(runs.files, {})
end

function TestGateBadInput.test_too_large_a_tree_is_not_deleted()
  local megabytes = ("x"):rep(17 << 20)
  for i = 1, 4 do reg.set(ROOT, "v" .. i, megabytes, {type = "binary"}) end
  run({}, function(call)
    local e = problem(call.delete, ROOT, {tree = true})
    lu.assertEquals({e.code, e.target}, {223, ROOT})
  end)
  lu.assertEquals(#reg.values(ROOT), 4)
end

if not (test and test.finish) then os.exit(lu.LuaUnit.run()) end
