-- win.reg beyond keys and values: security, watching, hive files, keys of other machines.
local lu = require "luaunit"
local flat = require "flat"
local runs = require "regruns"
local reg = win.reg
local run, undo, problem, assert_taken_back = runs.run, runs.undo, runs.problem, runs.assert_taken_back

local ROOT = [[HKLM\SOFTWARE\p80-hives]]
local INVALID <const>, NOT_TAKEN <const>, REFUSED <const> = 87, 0x20000001, 0x20000004

local function sub(name) return ROOT .. "\\" .. name end

local function clean() reg.delete(ROOT, nil, {tree = true}) end
local function fresh()
  runs.files = {}
  clean()
  reg.create(ROOT)
end

-- ---- Security ----

TestSecurity = {setUp = fresh, tearDown = clean}

local LIST <const> = "D:P(A;;KA;;;SY)(A;;KA;;;BA)(A;;KR;;;WD)"

function TestSecurity.test_read()
  local sddl = reg.security(ROOT)
  lu.assertStrMatches(sddl, "O:.+G:.+D:.*")
  lu.assertNil(reg.security(sub "none"))
  reg.set_security(ROOT, LIST)
  lu.assertStrContains(reg.security(ROOT), LIST)
  lu.assertStrContains(reg.tree(ROOT).security, LIST)
end

function TestSecurity.test_set_and_take_back()
  reg.set_security(ROOT, "O:BAG:BAD:(A;;KA;;;BA)")
  assert_taken_back(function() return reg.security(ROOT) end, function(call)
    lu.assertTrue(call.set_security(ROOT, LIST))
    lu.assertFalse(call.set_security(ROOT, "D:P(A;;KA;;;S-1-5-18)(A;;KA;;;BA)(A;;KR;;;S-1-1-0)"))
    lu.assertStrContains(call.security(ROOT), LIST)
  end)
  assert_taken_back(function() return reg.security(ROOT) end, function(call)
    lu.assertTrue(call.set_security(ROOT, "O:SYG:SY" .. LIST))
    lu.assertFalse(call.set_security(ROOT, "O:SY"))
    lu.assertFalse(call.set_security(ROOT, "G:SY"))
    lu.assertStrContains(call.security(ROOT), "O:SYG:SYD:P")
  end)
end

function TestSecurity.test_is_enforced()
  run({}, function(call)
    call.set_security(ROOT, "D:P(A;;KR;;;BA)(A;;WDSD;;;BA)")
    lu.assertEquals(problem(call.set, ROOT, "v", 1).code, 5)
  end)
  undo(1)
  run({}, function(call) lu.assertTrue(call.set(ROOT, "v", 1)) end)
end

function TestSecurity.test_find_names_what_it_may_not_read()
  for _, name in ipairs {"a", "closed", "z"} do reg.create(sub(name)) end
  reg.set(sub "z", "needle", "x", {type = "sz"})
  reg.set_security(sub "closed", "D:P(A;;WDSDRC;;;BA)")
  local found, closed = reg.find(ROOT, "needle")
  lu.assertEquals({#found, found[1].key, closed}, {1, sub "z", {sub "closed"}})
  lu.assertEquals(problem(reg.find, sub "closed", "needle").code, 5)
  lu.assertEquals(problem(reg.export, ROOT).target, sub "closed")
  reg.set_security(sub "closed", "D:(A;;KA;;;BA)")
  lu.assertEquals(select(2, reg.find(ROOT, "needle")), {})
end

function TestSecurity.test_how_it_was_inherited_is_no_difference()
  local told = setmetatable({security = function() return "O:BAG:BAD:AI(A;ID;KA;;;BA)" end}, {__index = reg})
  run({reg = told}, function(call) lu.assertFalse(call.set_security(ROOT, "D:(A;ID;KA;;;BA)")) end)
end

function TestSecurity.test_refusals_and_bad_input()
  local before = reg.security(ROOT)
  local idle = setmetatable({set_security = function() end}, {__index = reg})
  for _, check in ipairs {true, false} do
    run({allow = {"reg.key", "reg.value"}, check = check}, function(call)
      lu.assertEquals(problem(call.set_security, ROOT, LIST).code, REFUSED)
    end)
  end
  run({reg = idle}, function(call) lu.assertEquals(problem(call.set_security, ROOT, LIST).code, NOT_TAKEN) end)
  run({}, function(call)
    for _, case in ipairs {
      {2, sub "none", sub "none", LIST}, {INVALID, "sddl", ROOT, "x"}, {INVALID, "sddl", ROOT, 5}, {INVALID, "sddl", ROOT, "S:(AU;SA;KA;;;WD)"},
      {INVALID, "key", "HKXX\\x", LIST}, {INVALID, "arguments", ROOT}, {INVALID, "veiw", ROOT, LIST, {veiw = 32}},
      {INVALID, "view", ROOT, LIST, {view = 1}},
    } do
      local e = problem(call.set_security, table.unpack(case, 3))
      lu.assertEquals({e.op, e.code, e.target}, {"reg.set_security", case[1], case[2]})
    end
  end)
  lu.assertEquals(reg.security(ROOT), before)
end

-- ---- Watching ----

TestWatch = {setUp = fresh, tearDown = clean}

function TestWatch.test_tells_changes()
  local next_change, _, _, watch = reg.watch(ROOT, {timeout = 10})
  local _ <close> = watch
  reg.set(ROOT, "v", 1, {type = "dword"})
  local info = next_change()
  lu.assertEquals({info.keys, info.values, type(info.written)}, {0, 1, "string"})
  reg.create(sub "k")
  lu.assertEquals(next_change().keys, 1)
  reg.delete(ROOT, nil, {tree = true})
  lu.assertNil(next_change())
end

function TestWatch.test_ends()
  lu.assertNil(reg.watch(ROOT, {timeout = 0})())
  reg.create(sub [[a\b]]:match "(.*)\\b")
  for tree, expected in pairs {[true] = 1, [false] = 0} do
    local seen, wait = 0, reg.watch(ROOT, {tree = tree, timeout = 0.05})
    reg.set(sub "a", "v" .. expected, 1, {type = "dword"})
    while wait() do seen = seen + 1 end
    lu.assertEquals(seen, expected)
  end
end

function TestWatch.test_in_a_loop()
  local watch, seen = table.pack(reg.watch(ROOT, {timeout = 30})), 0
  local program = test.start {path = os.getenv "SystemRoot" .. "\\System32\\reg.exe", args = {"add", ROOT, "/v", "theirs", "/d", "x", "/f", "/reg:64"}}
  for info in table.unpack(watch, 1, watch.n) do
    seen = info.values
    if seen > 0 then break end
  end
  program:wait(10)
  program:close()
  lu.assertEquals(seen, 1)
end

function TestWatch.test_keeps_nothing_open()
  flat(function()
    reg.set(ROOT, "v", math.random(1000), {type = "dword"})
    for _ in reg.watch(ROOT, {timeout = 0}) do break end
    local _, _, _, watch = reg.watch(ROOT)
    local _ <close> = watch
  end, 100)
end

function TestWatch.test_bad_input()
  lu.assertEquals(problem(reg.watch, sub "none").code, 2)
  for name, value in pairs {tree = "x", timeout = -1, view = 1, tre = true} do
    lu.assertEquals(problem(reg.watch, ROOT, {[name] = value}).target, name)
  end
  lu.assertEquals(problem(reg.watch).target, "arguments")
end

-- ---- Hive files ----

local HIVE <const>, MOUNT = "C:\\p80-hives.hiv", [[HKLM\p80-hives-mount]]

local function fill()
  reg.create(sub "deep")
  reg.set(sub "deep", "list", {"a", "b"}, {type = "multi_sz"})
  reg.set(ROOT, "odd", nil, {type = "sz", raw = "a\0b"})
end

TestHives = {
  setUp = function()
    fresh()
    fill()
  end,
  tearDown = function()
    if reg.exists(MOUNT) then reg.unload(MOUNT) end
    os.remove(HIVE)
    clean()
  end,
}

local function plain(node)
  local keys = {}
  for name, child in pairs(node.keys) do keys[name] = plain(child) end
  return {keys = keys, values = node.values}
end

function TestHives.test_save()
  assert_taken_back(function() return lfs.attributes(HIVE, "size") ~= nil end, function(call)
    lu.assertTrue(call.save(ROOT, HIVE))
  end)
  run({}, function(call)
    call.save(ROOT, HIVE)
    lu.assertEquals(problem(call.save, ROOT, HIVE).code, 183)
    lu.assertEquals(problem(call.save, sub "none", HIVE .. "2").code, 2)
    lu.assertEquals(problem(call.save, ROOT, 5).target, "file")
    lu.assertEquals(problem(call.save, ROOT, "C:\\no such folder\\x.hiv").op, "reg.save")
  end)
  run({allow = {"reg.key"}}, function(call) lu.assertEquals(problem(call.save, ROOT, HIVE .. "3").code, REFUSED) end)
end

function TestHives.test_load_and_unload()
  reg.save(ROOT, HIVE)
  assert_taken_back(function() return reg.exists(MOUNT) end, function(call)
    lu.assertTrue(call.load(MOUNT, HIVE))
    lu.assertFalse(call.load(MOUNT, HIVE))
  end)
  run({}, function(call)
    lu.assertTrue(call.load(MOUNT, HIVE))
    lu.assertEquals(plain(call.tree(MOUNT)), plain(reg.tree(ROOT)))
    lu.assertTrue(call.unload(MOUNT))
    lu.assertFalse(call.unload(MOUNT))
  end)
end

function TestHives.test_bad_mounts()
  reg.save(ROOT, HIVE)
  run({}, function(call)
    for _, key in ipairs {"HKLM", "HKCU\\x", [[HKLM\a\b]], "HKXX\\x"} do
      lu.assertEquals(problem(call.load, key, HIVE).target, "key")
      lu.assertEquals(problem(call.unload, key).target, "key")
    end
    lu.assertEquals(problem(call.load, MOUNT, HIVE .. "x").code, 2)
    lu.assertEquals(problem(call.load, [[HKLM\SOFTWARE]], HIVE).code, 183)
    for _, check in ipairs {true, false} do
      run({allow = {"reg.key"}, check = check}, function(refused) lu.assertEquals(problem(refused.load, MOUNT, HIVE).code, REFUSED) end)
    end
  end)
  lu.assertFalse(reg.exists(MOUNT))
end

function TestHives.test_restore()
  reg.save(ROOT, HIVE)
  local saved = plain(reg.tree(ROOT))
  reg.delete(sub "deep", nil, {tree = true})
  reg.create(sub "other")
  reg.set(ROOT, "odd", "changed", {type = "sz"})
  assert_taken_back(function() return plain(reg.tree(ROOT)) end, function(call)
    lu.assertTrue(call.restore(ROOT, HIVE))
    lu.assertFalse(call.restore(ROOT, HIVE))
    lu.assertEquals(plain(call.tree(ROOT)), saved)
  end)
  run({}, function(call) lu.assertTrue(call.restore(ROOT, HIVE)) end)
  local core = run({}, function(call) lu.assertFalse(call.restore(ROOT, HIVE)) end)
  lu.assertEquals({#core.gate.changes(), core.undo.history()[6].changed}, {0, 0})
  run({}, function(call)
    lu.assertEquals(problem(call.restore, sub "none", HIVE).code, 2)
    lu.assertEquals(problem(call.restore, ROOT, HIVE .. "x").code, 2)
    lu.assertEquals(problem(call.restore, "HKLM", HIVE).target, "key")
  end)
  for _, allow in ipairs {{"reg.key", "reg.value"}, {"reg.key", "reg.hive"}} do
    reg.set(ROOT, "odd", "changed", {type = "sz"})
    run({allow = allow}, function(call) lu.assertEquals(problem(call.restore, ROOT, HIVE).code, REFUSED) end)
  end
  run({allow = {"reg.key", "reg.value"}, check = true}, function(call)
    lu.assertStrContains(problem(call.restore, ROOT, HIVE).message, "reg.hive")
  end)
  for _, name in ipairs(reg.keys "HKLM") do lu.assertNil(name:find "p80") end
end

function TestHives.test_restore_goes_through_no_link()
  reg.save(ROOT, HIVE)
  reg.delete(sub "deep", nil, {tree = true})
  reg.create(sub "outside")
  reg.create(sub "deep", {tree = {link = [[\Registry\Machine\SOFTWARE\p80-hives\outside]], keys = {}, values = {}}})
  run({}, function(call) lu.assertTrue(call.restore(ROOT, HIVE)) end)
  lu.assertEquals(reg.keys(ROOT), {"deep"})
  lu.assertNil(reg.info(sub "deep").link)
  for _, outcome in ipairs(undo(1)) do lu.assertEquals(outcome, "restored") end
  lu.assertStrContains(reg.info(sub "deep").link, "outside")
  lu.assertEquals(reg.values(sub "outside"), {})
end

function TestHives.test_restore_unloads_what_one_that_was_killed_has_left()
  local orphan, other = [[HKLM\p80-restore-4294967292]], [[HKLM\p80-restore-x]]
  reg.save(ROOT, HIVE)
  reg.save(ROOT, HIVE .. "2")
  reg.load(orphan, HIVE .. "2")
  reg.create(other)
  run({check = true}, function(call) lu.assertFalse(call.restore(ROOT, HIVE)) end)
  lu.assertFalse(reg.exists(orphan))
  lu.assertTrue(reg.exists(other))
  reg.delete(other)
  os.remove(HIVE .. "2")
end

function TestHives.test_restore_that_cannot_unload()
  reg.save(ROOT, HIVE)
  local fails = true
  local told = setmetatable({unload = function(key)
    if fails then error("not now", 0) end
    return reg.unload(key)
  end}, {__index = reg})
  local core = run({reg = told}, function(call)
    lu.assertStrContains(select(2, pcall(call.restore, ROOT, HIVE)), "not now")
  end)
  lu.assertEquals(#core.gate.changes(), 1)
  lu.assertTrue(reg.exists [[HKLM\p80-restore-1]])
  fails = false
  run({}, function(_, undoing) lu.assertEquals(undoing.undo.run(1).steps[1].outcome, "restored") end)
  lu.assertFalse(reg.exists [[HKLM\p80-restore-1]])
end

-- ---- Other machines ----

TestMachines = {setUp = fresh, tearDown = clean}

local HERE = "\\\\" .. win.host.name() .. "\\"

function TestMachines.test_this_machine_by_its_name()
  fill()
  lu.assertEquals(reg.get(HERE .. sub "deep", "list"), {"a", "b"})
  lu.assertEquals(reg.keys(HERE .. ROOT), {"deep"})
  lu.assertEquals({reg.exists(HERE .. ROOT), reg.exists(HERE .. sub "none")}, {true, false})
  lu.assertEquals(reg.tree(HERE .. ROOT), reg.tree(ROOT))
  lu.assertEquals(reg.export(HERE .. ROOT), reg.export(ROOT))
  lu.assertEquals(reg.compare(HERE .. ROOT, ROOT), {})
  lu.assertTrue(#reg.keys(HERE .. "HKEY_USERS") > 0)
  assert_taken_back(function() return reg.tree(ROOT) end, function(call)
    lu.assertTrue(call.set(HERE .. sub [[new\deep]], "v", 1))
    lu.assertFalse(call.set(HERE .. sub [[new\deep]], "v", 1))
    lu.assertTrue(call.delete(HERE .. sub "deep", {tree = true}))
    lu.assertEquals(call.keys(HERE .. ROOT), {"new"})
    lu.assertTrue(call.copy(HERE .. sub "new", HERE .. sub "copy"))
  end)
end

function TestMachines.test_grants_name_the_machine()
  run({allow = {"reg.value:HKLM\\*"}}, function(call) lu.assertEquals(problem(call.set, HERE .. ROOT, "v", 1).code, REFUSED) end)
  run({allow = {"reg.value:" .. HERE .. "HKLM\\*"}}, function(call) lu.assertTrue(call.set(HERE .. ROOT, "v", 1)) end)
end

function TestMachines.test_no_such_machine()
  local e = problem(reg.get, [[\\p80-nowhere\HKLM\SOFTWARE]], "v")
  lu.assertEquals({e.op, e.code, e.target}, {"reg.get", 53, [[\\p80-nowhere\HKLM\SOFTWARE]]})
  lu.assertStrContains(e.hint, "RemoteRegistry")
  run({}, function(call) lu.assertEquals(problem(call.set, [[\\p80-nowhere\HKLM\x]], "v", 1).code, 53) end)
end

function TestMachines.test_hives()
  for _, key in ipairs {HERE .. [[HKCU\x]], HERE .. "HKCR", HERE .. "HKCC", "\\\\x", "\\\\x\\", "\\\\x\\y", HERE .. "HKLM\\", HERE .. "HKLM\\\\x"} do
    lu.assertEquals(problem(reg.keys, key).target, "key")
  end
  lu.assertStrContains(tostring(problem(reg.keys, HERE .. "HKLN\\x")), "did you mean 'HKLM")
  run({}, function(call)
    lu.assertEquals(problem(call.delete, HERE .. "HKLM", {tree = true}).target, "key")
    lu.assertEquals(problem(call.create, HERE .. "HKLM").target, "key")
  end)
end

function TestMachines.test_keeps_nothing_open()
  flat(function() reg.keys(HERE .. ROOT) end, 200)
end

if not (test and test.finish) then os.exit(lu.LuaUnit.run()) end
