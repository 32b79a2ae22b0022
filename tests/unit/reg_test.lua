-- win.reg with raw reads and writes: what is stored is what is read, in both views, and bad input names itself.
local lu = require "luaunit"
local reg = win.reg

local ROOT = [[HKLM\SOFTWARE\p80-reg-test]]
local ODD = "n\u{E4}me \u{65E5}\u{672C} \u{1F600} \xED\xA0\x80" -- the last is a lone surrogate
local INVALID = 87

local function sub(name) return ROOT .. "\\" .. name end

local function fresh()
  for _, view in ipairs {64, 32} do reg.delete(ROOT, nil, {tree = true, view = view}) end
  reg.create(ROOT)
end

local function clean()
  for _, view in ipairs {64, 32} do reg.delete(ROOT, nil, {tree = true, view = view}) end
end

-- The error object that f(...) raises.
local function problem(f, ...)
  local ok, e = pcall(f, ...)
  lu.assertFalse(ok, "an error was expected")
  lu.assertIsTable(e)
  return e
end

local function assert_problem(code, target, pattern, f, ...)
  local e = problem(f, ...)
  lu.assertEquals(e.code, code, tostring(e))
  lu.assertEquals(e.target, target, tostring(e))
  lu.assertStrContains(tostring(e), pattern)
  return e
end

local function as_list(...) return {n = select("#", ...), ...} end

-- ---- Values ----

TestValues = {setUp = fresh, tearDown = clean}

local function round_trip(value_type, value)
  reg.set(ROOT, "v", value, {type = value_type})
  local got = as_list(reg.get(ROOT, "v"))
  lu.assertEquals(got, {n = 2, value, value_type})
  lu.assertEquals(reg.values(ROOT), {{name = "v", type = value_type, value = value}})
end

function TestValues.test_text()
  for _, value_type in ipairs {"sz", "expand_sz", "link"} do
    for _, value in ipairs {"", "x", "%SystemRoot%\\x", ODD, ("\u{20AC}"):rep(5000)} do
      round_trip(value_type, value)
    end
  end
end

function TestValues.test_multi_sz()
  for _, value in ipairs {{}, {"one"}, {"one", "two", ODD}, {("x"):rep(70000), " "}} do
    round_trip("multi_sz", value)
  end
end

function TestValues.test_integers()
  for _, value in ipairs {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF} do
    round_trip("dword", value)
    round_trip("dword_big_endian", value)
  end
  for _, value in ipairs {0, -1, 0x100000000, math.mininteger, math.maxinteger} do round_trip("qword", value) end
  lu.assertEquals(math.type(reg.get(ROOT, "v")), "integer")
end

function TestValues.test_bytes()
  local types = {
    "none", "binary", "resource_list", "full_resource_descriptor", "resource_requirements_list", "type_12",
    "type_305419896", "type_4294967295",
  }
  local all = {}
  for i = 0, 255 do all[i + 1] = string.char(i) end
  for _, value_type in ipairs(types) do
    for _, value in ipairs {"", "\0", "abc", table.concat(all)} do round_trip(value_type, value) end
  end
end

function TestValues.test_big_endian_is_the_other_way_round()
  reg.set(ROOT, "v", nil, {type = "dword_big_endian", raw = "\1\2\3\4"})
  lu.assertEquals(as_list(reg.get(ROOT, "v")), {n = 2, 0x01020304, "dword_big_endian"})
  reg.set(ROOT, "v", nil, {type = "dword", raw = "\1\2\3\4"})
  lu.assertEquals(reg.get(ROOT, "v"), 0x04030201)
end

function TestValues.test_megabytes()
  for _, size in ipairs {1023, 1024, 1025, 1 << 20, 5 << 20} do
    local value = ("p80\0\xFF"):rep(size // 5 + 1):sub(1, size)
    reg.set(ROOT, "v", value, {type = "binary"})
    lu.assertTrue(reg.get(ROOT, "v") == value)
    lu.assertTrue(reg.values(ROOT)[1].value == value)
  end
  local text = ("\u{E4}"):rep(1 << 19)
  reg.set(ROOT, "v", text, {type = "sz"})
  lu.assertTrue(reg.get(ROOT, "v") == text)
end

-- What other programs store does not always fit its type: {type, bytes, value}.
local ODD_BYTES = {
  {"sz", "", ""},
  {"sz", "a\0b\0", "ab"},
  {"sz", "a\0b", "a"},
  {"sz", "a", ""},
  {"sz", "a\0\0\0b\0\0\0", "a\0b"},
  {"sz", "a\0\0\0\0\0", "a\0"},
  {"expand_sz", "%\0", "%"},
  {"link", "a\0b", "a"},
  {"link", "a\0\0\0", "a\0"},
  {"multi_sz", "", {}},
  {"multi_sz", "\0", {}},
  {"multi_sz", "\0\0\0\0", {}},
  {"multi_sz", "a\0", {"a"}},
  {"multi_sz", "a\0\0\0", {"a"}},
  {"multi_sz", "a\0\0\0\0\0\0\0", {"a"}},
  {"multi_sz", "a\0\0\0\0\0b\0\0\0\0\0", {"a", "", "b"}},
  {"multi_sz", "\0\0b\0\0\0\0\0", {"", "b"}},
  {"multi_sz", "a\0\0\0\0\0\0", {"a"}},
  {"dword", "", ""},
  {"dword", "\1\2", "\1\2"},
  {"dword", "\1\0\0\0\0\0\0\0", "\1\0\0\0\0\0\0\0"},
  {"dword_big_endian", "\1", "\1"},
  {"qword", "\1\0\0\0", "\1\0\0\0"},
}

function TestValues.test_bytes_that_do_not_fit_their_type_are_kept()
  for i, case in ipairs(ODD_BYTES) do
    local value_type, bytes, value = table.unpack(case)
    reg.set(ROOT, "v", nil, {type = value_type, raw = bytes})
    lu.assertEquals(as_list(reg.get(ROOT, "v")), {n = 3, value, value_type, bytes}, "case " .. i)
    lu.assertEquals(reg.values(ROOT), {{name = "v", type = value_type, value = value, raw = bytes}})
    local tree = reg.tree(ROOT)
    reg.delete(ROOT, nil, {tree = true})
    reg.create(ROOT, {tree = tree})
    lu.assertEquals(select(3, reg.get(ROOT, "v")), bytes, "case " .. i)
  end
end

function TestValues.test_names()
  local names = {"", "a", "(Default)", [[with\backslash]], ODD, ("n"):rep(16383)}
  for i, name in ipairs(names) do reg.set(ROOT, name, i, {type = "dword"}) end
  for i, name in ipairs(names) do lu.assertEquals(reg.get(ROOT, name), i, name) end
  lu.assertEquals(reg.get(ROOT, nil), 1)
  lu.assertEquals(reg.get(ROOT), 1)
  lu.assertEquals(reg.get(ROOT, "A"), 2)
  local seen = {}
  for _, row in ipairs(reg.values(ROOT)) do seen[row.name] = row.value end
  for i, name in ipairs(names) do lu.assertEquals(seen[name], i) end
  reg.delete(ROOT, ODD)
  reg.delete(ROOT, "")
  lu.assertNil(reg.get(ROOT, ODD))
  lu.assertNil(reg.get(ROOT))
  lu.assertEquals(#reg.values(ROOT), #names - 2)
end

function TestValues.test_many()
  local count = 2000
  for i = 1, count do reg.set(ROOT, ("value %05d"):format(i), ("x"):rep(i), {type = "sz"}) end
  local rows, sum = reg.values(ROOT), 0
  lu.assertEquals(#rows, count)
  for _, row in ipairs(rows) do
    lu.assertEquals(#row.value, tonumber(row.name:match "%d+"))
    sum = sum + #row.value
  end
  lu.assertEquals(sum, count * (count + 1) // 2)
  lu.assertEquals(reg.info(ROOT).values, count)
end

function TestValues.test_absent_is_nil()
  lu.assertEquals(as_list(reg.get(ROOT, "none")), {n = 1})
  lu.assertEquals(as_list(reg.get(sub "none", "v")), {n = 1})
  lu.assertEquals(as_list(reg.values(sub "none")), {n = 1})
  lu.assertEquals(reg.values(ROOT), {})
  reg.delete(ROOT, "none")
  reg.delete(sub "none", "v")
end

function TestValues.test_ranges()
  for _, value in ipairs {-1, 0x100000000, 1.5, "1", true, math.huge} do
    assert_problem(INVALID, "value", "an integer from 0 to 4294967295", reg.set, ROOT, "v", value, {type = "dword"})
  end
  assert_problem(INVALID, "value", "an integer from", reg.set, ROOT, "v", 2.0 ^ 63, {type = "qword"})
  assert_problem(INVALID, "value", "text without NUL", reg.set, ROOT, "v", "a\0b", {type = "sz"})
  assert_problem(INVALID, "value", "valid UTF-8", reg.set, ROOT, "v", "a\xFF", {type = "sz"})
  assert_problem(INVALID, "value", "text expected", reg.set, ROOT, "v", 1, {type = "sz"})
  assert_problem(INVALID, "value", "bytes (a string)", reg.set, ROOT, "v", {1}, {type = "binary"})
  assert_problem(INVALID, "value", "an array of text", reg.set, ROOT, "v", "a", {type = "multi_sz"})
  assert_problem(INVALID, "value", "without gaps", reg.set, ROOT, "v", {"a", x = "b"}, {type = "multi_sz"})
  assert_problem(INVALID, "value[2]", "not empty", reg.set, ROOT, "v", {"a", "", "b"}, {type = "multi_sz"})
  assert_problem(INVALID, "value[1]", "without NUL", reg.set, ROOT, "v", {"a\0b"}, {type = "multi_sz"})
  assert_problem(INVALID, "value[3]", "valid UTF-8", reg.set, ROOT, "v", {"a", "b", "\xC3"}, {type = "multi_sz"})
  assert_problem(INVALID, "value[2]", "text expected, got 7", reg.set, ROOT, "v", {"a", 7}, {type = "multi_sz"})
  lu.assertEquals(reg.values(ROOT), {})
end

function TestValues.test_types()
  lu.assertEquals(assert_problem(INVALID, "type", "'dwrod'", reg.set, ROOT, "v", 1, {type = "dwrod"}).hint,
    "did you mean 'dword'?")
  local bad = {
    "", "type_", "type_3", "type_11", "type_012", "type_4294967296", "type_-1", "DWORD", "type_12x",
    "type_99999999999999999999",
  }
  for _, word in ipairs(bad) do
    assert_problem(INVALID, "type", "a type such as", reg.set, ROOT, "v", "1", {type = word})
  end
  assert_problem(INVALID, "type", "text expected, got nil", reg.set, ROOT, "v", "1", {})
end

-- ---- Keys ----

TestKeys = {setUp = fresh, tearDown = clean}

function TestKeys.test_create_list_delete()
  lu.assertEquals(reg.keys(ROOT), {})
  for _, name in ipairs {"b", "A", ODD, "with/slash"} do
    lu.assertFalse(reg.exists(sub(name)))
    reg.create(sub(name))
    reg.create(sub(name))
    lu.assertTrue(reg.exists(sub(name)))
  end
  local names = reg.keys(ROOT)
  table.sort(names)
  lu.assertEquals(names, {"A", "b", ODD, "with/slash"})
  lu.assertTrue(reg.exists(sub "a"))
  reg.delete(sub "a")
  lu.assertFalse(reg.exists(sub "A"))
  reg.delete(sub "a")
end

function TestKeys.test_hives()
  for short, long in pairs {HKLM = "HKEY_LOCAL_MACHINE", HKCU = "HKEY_CURRENT_USER", HKU = "HKEY_USERS",
    HKCR = "HKEY_CLASSES_ROOT"} do
    local names = reg.keys(short)
    lu.assertTrue(#names > 0, short)
    lu.assertEquals(reg.keys(long), names)
    lu.assertEquals(reg.keys(long:lower()), names)
    lu.assertIsTable(reg.values(short))
  end
  lu.assertIsBoolean(reg.exists "HKCC")
  lu.assertIsBoolean(reg.exists [[HKEY_CURRENT_CONFIG\Software]])
  lu.assertEquals(reg.get([[hkey_local_machine\software\Microsoft\Windows NT\CurrentVersion]], "SystemRoot"),
    reg.get([[HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion]], "systemroot"))
end

-- What the names of performance counters hide behind can be walked through.
function TestKeys.test_names_of_performance_counters()
  local perflib = [[HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Perflib]]
  for _, name in ipairs(reg.keys(perflib)) do
    lu.assertIsTable(reg.info(perflib .. "\\" .. name))
    lu.assertIsTable(reg.values(perflib .. "\\" .. name))
  end
  lu.assertIsTable(reg.tree(perflib))
  lu.assertIsString(reg.export(perflib))
end

function TestKeys.test_one_level_at_a_time()
  local e = problem(reg.create, sub [[x\y]])
  lu.assertEquals({e.op, e.code, e.target}, {"reg.create", 2, sub [[x\y]]})
  e = problem(reg.set, sub "x", "v", "1", {type = "sz"})
  lu.assertEquals({e.op, e.code, e.target}, {"reg.set", 2, sub "x"})
end

function TestKeys.test_info()
  lu.assertNil(reg.info(sub "none"))
  reg.create(sub "one")
  reg.set(ROOT, "v", "x", {type = "sz"})
  local info = reg.info(ROOT)
  lu.assertStrMatches(info.written, "%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ")
  lu.assertTrue(info.written >= os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - 60), info.written)
  info.written = nil
  lu.assertEquals(info, {keys = 1, values = 1})
end

function TestKeys.test_long_names()
  local name = ("k"):rep(255)
  reg.create(sub(name))
  lu.assertEquals(reg.keys(ROOT), {name})
  reg.create(sub(name .. "\\" .. name))
  reg.set(sub(name .. "\\" .. name), "v", 1, {type = "dword"})
  lu.assertEquals(reg.get(sub(name .. "\\" .. name), "v"), 1)
  local wide = ("\u{65E5}"):rep(255)
  reg.create(sub(wide))
  lu.assertTrue(reg.exists(sub(wide)))
end

function TestKeys.test_deep()
  local key = ROOT
  for i = 1, 60 do
    key = key .. "\\" .. ("level %02d "):format(i):rep(8)
    reg.create(key)
  end
  reg.set(key, "v", "bottom", {type = "sz"})
  local tree = reg.tree(ROOT)
  reg.delete(ROOT, nil, {tree = true})
  lu.assertFalse(reg.exists(ROOT))
  reg.create(ROOT, {tree = tree})
  lu.assertEquals(reg.get(key, "v"), "bottom")
end

function TestKeys.test_not_empty()
  reg.create(sub "one")
  local e = problem(reg.delete, ROOT)
  lu.assertEquals({e.op, e.code, e.name, e.target}, {"reg.delete", 145, "ERROR_DIR_NOT_EMPTY", ROOT})
  lu.assertStrContains(e.hint, "tree=true")
  reg.delete(sub "one")
  reg.set(ROOT, "v", 1, {type = "dword"})
  lu.assertEquals(problem(reg.delete, ROOT, nil, {}).code, 145)
  lu.assertEquals(problem(reg.delete, ROOT, nil, {tree = false}).code, 145)
  reg.delete(ROOT, "v")
  reg.delete(ROOT)
  lu.assertFalse(reg.exists(ROOT))
end

-- ---- Views ----

TestViews = {setUp = fresh, tearDown = clean}

local is_64_bit = os.getenv "PROCESSOR_ARCHITEW6432" or os.getenv "PROCESSOR_ARCHITECTURE" ~= "x86"

function TestViews.test_are_apart()
  lu.skipIf(not is_64_bit, "Windows of 32 bits has one view")
  lu.assertFalse(reg.exists(ROOT, {view = 32}))
  reg.create(ROOT, {view = 32})
  reg.set(ROOT, "v", "native", {type = "sz"})
  reg.set(ROOT, "v", "other", {type = "sz", view = 32})
  lu.assertEquals(reg.get(ROOT, "v"), "native")
  lu.assertEquals(reg.get(ROOT, "v", {view = 64}), "native")
  lu.assertEquals(reg.get(ROOT, "v", {view = 32}), "other")
  lu.assertEquals(reg.get([[HKLM\SOFTWARE\Wow6432Node\p80-reg-test]], "v"), "other")
  reg.create(sub "below", {view = 32})
  lu.assertEquals(reg.keys(ROOT, {view = 32}), {"below"})
  lu.assertEquals(reg.keys(ROOT), {})
  lu.assertEquals(reg.values(ROOT, {view = 32})[1].value, "other")
  local tree = reg.tree(ROOT, {view = 32})
  reg.delete(ROOT, nil, {tree = true, view = 32})
  lu.assertTrue(reg.exists(ROOT))
  lu.assertFalse(reg.exists(ROOT, {view = 32}))
  reg.create(ROOT, {tree = tree, view = 32})
  lu.assertEquals(reg.keys(ROOT, {view = 32}), {"below"})
  lu.assertEquals(reg.get(ROOT, "v"), "native")
end

function TestViews.test_are_32_or_64()
  for _, view in ipairs {16, 48, "64", 32.5, true} do
    lu.assertEquals(problem(reg.get, ROOT, "v", {view = view}).target, "view")
  end
end

-- ---- Trees and links ----

TestTrees = {setUp = fresh, tearDown = clean}

-- A tree without the access lists of its keys.
local function plain(node)
  local keys = {}
  for name, child in pairs(node.keys) do keys[name] = plain(child) end
  return {keys = keys, values = node.values, link = node.link}
end

local function make_link(name, to)
  reg.create(sub(name), {tree = {link = [[\Registry\Machine\SOFTWARE\p80-reg-test\]] .. to, keys = {}, values = {}}})
end

function TestTrees.test_round_trip()
  reg.create(sub "a")
  reg.create(sub [[a\b]])
  reg.create(sub(ODD))
  reg.set(ROOT, "", "unnamed", {type = "expand_sz"})
  reg.set(sub "a", "list", {"1", "2"}, {type = "multi_sz"})
  reg.set(sub [[a\b]], ODD, -1, {type = "qword"})
  local tree = reg.tree(ROOT)
  lu.assertEquals(plain(tree), {
    keys = {
      a = {
        keys = {b = {keys = {}, values = {{name = ODD, type = "qword", value = -1}}}},
        values = {{name = "list", type = "multi_sz", value = {"1", "2"}}},
      },
      [ODD] = {keys = {}, values = {}},
    },
    values = {{name = "", type = "expand_sz", value = "unnamed"}},
  })
  reg.delete(ROOT, nil, {tree = true})
  lu.assertNil(reg.tree(ROOT))
  reg.create(ROOT, {tree = tree})
  lu.assertEquals(reg.tree(ROOT), tree)
end

function TestTrees.test_is_not_laid_over_another()
  reg.create(sub "a")
  local tree = reg.tree(ROOT)
  lu.assertEquals(problem(reg.create, ROOT, {tree = tree}).code, 183)
end

function TestTrees.test_wide()
  for i = 1, 300 do reg.create(sub("key " .. i)) end
  lu.assertEquals(#reg.keys(ROOT), 300)
  local tree = reg.tree(ROOT)
  reg.delete(ROOT, nil, {tree = true})
  lu.assertFalse(reg.exists(ROOT))
  reg.create(ROOT, {tree = tree})
  lu.assertEquals(#reg.keys(ROOT), 300)
end

function TestTrees.test_too_large()
  local megabytes = ("x"):rep(17 << 20)
  for i = 1, 4 do reg.set(ROOT, "v" .. i, megabytes, {type = "binary"}) end
  local e = problem(reg.tree, ROOT)
  lu.assertEquals({e.op, e.code, e.target}, {"reg.tree", 223, ROOT})
  lu.assertStrContains(tostring(e), "64 MiB")
  lu.assertEquals(#reg.values(ROOT), 4)
end

function TestTrees.test_access_list_comes_back()
  local list = "D:P(A;;KR;;;SY)(A;;KR;;;BA)(A;;SD;;;BA)"
  reg.create(sub "read only", {tree = {keys = {}, values = {}, security = list}})
  lu.assertStrContains(reg.tree(sub "read only").security, "D:P")
  local e = problem(reg.set, sub "read only", "v", 1, {type = "dword"})
  lu.assertEquals({e.op, e.code, e.name, e.target},
    {"reg.set", 5, "ERROR_ACCESS_DENIED", sub "read only"})
  lu.assertStrContains(e.hint, "elevated")
  local tree = reg.tree(ROOT)
  reg.delete(ROOT, nil, {tree = true})
  reg.create(ROOT, {tree = tree})
  lu.assertEquals(problem(reg.set, sub "read only", "v", 1, {type = "dword"}).code, 5)
end

function TestTrees.test_link_is_read_through()
  reg.create(sub "target")
  reg.set(sub "target", "v", "there", {type = "sz"})
  make_link("link", "target")
  lu.assertEquals(reg.get(sub "link", "v"), "there")
  lu.assertEquals(reg.values(sub "link")[1].name, "v")
  lu.assertStrContains(reg.info(sub "link").link:lower(), [[\p80-reg-test\target]])
  local node = reg.tree(sub "link")
  lu.assertStrContains(node.link:lower(), [[\p80-reg-test\target]])
  lu.assertEquals({node.keys, node.values}, {{}, {}})
end

function TestTrees.test_link_itself_is_deleted()
  reg.create(sub "target")
  reg.create(sub [[target\below]])
  reg.set(sub "target", "v", "there", {type = "sz"})
  make_link("link", "target")
  reg.delete(sub "link")
  lu.assertFalse(reg.exists(sub "link"))
  make_link("link", "target")
  reg.delete(sub "link", nil, {tree = true})
  lu.assertFalse(reg.exists(sub "link"))
  lu.assertEquals(reg.get(sub "target", "v"), "there")
  lu.assertEquals(reg.keys(sub "target"), {"below"})
end

function TestTrees.test_link_in_a_tree_is_not_followed()
  reg.create(sub "outside")
  reg.create(sub [[outside\below]])
  reg.set(sub "outside", "v", "there", {type = "sz"})
  reg.create(sub "tree")
  make_link([[tree\link]], "outside")
  make_link([[tree\loop]], "tree")
  make_link([[tree\nowhere]], "none")
  local tree = reg.tree(sub "tree")
  lu.assertEquals(tree.keys.link.keys, {})
  reg.delete(sub "tree", nil, {tree = true})
  lu.assertFalse(reg.exists(sub "tree"))
  lu.assertEquals(reg.get(sub "outside", "v"), "there")
  lu.assertEquals(reg.keys(sub "outside"), {"below"})
  reg.create(sub "tree", {tree = tree})
  lu.assertEquals(reg.get(sub [[tree\link]], "v"), "there")
  lu.assertEquals(plain(reg.tree(sub "tree")), plain(tree))
  lu.assertFalse(reg.exists(sub [[tree\nowhere]]))
end

function TestTrees.test_bad_nodes()
  lu.assertEquals(problem(reg.delete, "HKCR\\p80-reg-test", nil, {tree = true}).code, 50)
  local function create(node) reg.create(sub "x", {tree = node}) end
  lu.assertFalse((pcall(create, {values = {}})))
  reg.delete(sub "x", nil, {tree = true})
  lu.assertFalse((pcall(create, {keys = {}, values = {{name = "v", type = "dword", value = "x"}}})))
end

-- ---- Bad input ----

TestBadInput = {setUp = fresh, tearDown = clean}

-- Every function with a key that comes first.
local function each(check)
  check(function(key) return reg.get(key, "v") end)
  check(reg.values)
  check(reg.keys)
  check(reg.exists)
  check(reg.info)
  check(reg.tree)
  check(reg.create)
  check(reg.delete)
  check(function(key) return reg.delete(key, "v") end)
  check(function(key) return reg.set(key, "v", 1, {type = "dword"}) end)
end

function TestBadInput.test_keys()
  local cases = {
    {"", "HKLM\\SOFTWARE\\Contoso expected, got ''"},
    {[[SOFTWARE\x]], [[got 'SOFTWARE\x']]},
    {[[\HKLM\x]], "got"},
    {[[HKLX\x]], "did you mean 'HKLM\\...'?"},
    {[[HKEY_LOCALMACHINE\x]], "did you mean 'HKEY_LOCAL_MACHINE\\...'?"},
    {[[HKLM:\SOFTWARE]], "did you mean 'HKLM\\...'?"},
    {"hklm/SOFTWARE/x", "did you mean 'HKLM\\...'?"},
    {"HKLM\\", "doubled or trailing backslash"},
    {[[HKLM\\x]], "doubled or trailing backslash"},
    {[[HKLM\x\]], "doubled or trailing backslash"},
    {[[HKLM\x\\y]], "doubled or trailing backslash"},
    {"HKLM\\x\0y", [[text without NUL expected, got 'HKLM\x\x00y']]},
    {"HKLM\\x\xFFy", "valid UTF-8"},
    {"HKLM\\x\xED\xA0\x80\xED\xB0\x80", "valid UTF-8"},
    {"HKLM\\x\xF4\x90\x80\x80", "valid UTF-8"},
    {"HKLM\\" .. ("k"):rep(256), "at most 255 characters"},
    {"HKLM\\" .. ("k"):rep(16384), "(16389 bytes)"},
    {"HKLM" .. ("\\k"):rep(20000), "at most 32000 characters"},
    {("x"):rep(100000), "(100000 bytes)"},
    {7, "got 7."}, {true, "got true"}, {{}, "got a table"},
  }
  each(function(call)
    for _, case in ipairs(cases) do assert_problem(INVALID, "key", case[2], call, case[1]) end
    assert_problem(INVALID, "key", "text expected, got nil", call, nil)
  end)
end

function TestBadInput.test_hives_cannot_be_made_or_deleted()
  assert_problem(INVALID, "key", "a key below a hive", reg.create, "HKLM")
  assert_problem(INVALID, "key", "a key below a hive", reg.delete, "HKLM")
  assert_problem(INVALID, "key", "a key below a hive", reg.delete, "HKCU", nil, {tree = true})
end

function TestBadInput.test_value_names()
  local function set(key, name) reg.set(key, name, 1, {type = "dword"}) end
  for _, call in ipairs {reg.get, reg.delete, set} do
    assert_problem(INVALID, "name", "without NUL", call, ROOT, "a\0b")
    assert_problem(INVALID, "name", "valid UTF-8", call, ROOT, "a\x80")
    assert_problem(INVALID, "name", "at most 16383 characters", call, ROOT, ("n"):rep(16384))
    assert_problem(INVALID, "name", "text expected", call, ROOT, 5)
  end
  assert_problem(INVALID, "name", "no name with tree=true", reg.delete, ROOT, "v", {tree = true})
end

function TestBadInput.test_counts()
  local wrong = {
    get = {0, 4}, values = {0, 3}, keys = {0, 3}, exists = {0, 3}, info = {0, 3}, tree = {0, 3}, set = {3, 5},
    delete = {0, 4}, create = {0, 3},
  }
  for name, counts in pairs(wrong) do
    for _, count in ipairs(counts) do
      local arguments = {ROOT, "v", 1, {type = "dword"}, 5}
      local e = problem(reg[name], table.unpack(arguments, 1, count))
      lu.assertEquals({e.op, e.target, e.code}, {"reg." .. name, "arguments", INVALID})
      lu.assertStrContains(tostring(e), "got " .. count)
    end
  end
end

function TestBadInput.test_options()
  local function check(known, call)
    lu.assertEquals(assert_problem(INVALID, "veiw", "no such option", call, {veiw = 32}).hint, "did you mean 'view'?")
    assert_problem(INVALID, "options", "a table of options", call, "view")
    assert_problem(INVALID, "options", "named options", call, {32})
    assert_problem(INVALID, known and "tree" or "view", "expected", call, {[known or "view"] = "x"})
  end
  check(nil, function(options) return reg.get(ROOT, "v", options) end)
  check(nil, function(options) return reg.values(ROOT, options) end)
  check(nil, function(options) return reg.keys(ROOT, options) end)
  check(nil, function(options) return reg.exists(ROOT, options) end)
  check(nil, function(options) return reg.info(ROOT, options) end)
  check(nil, function(options) return reg.tree(ROOT, options) end)
  check(nil, function(options) return reg.create(ROOT, options) end)
  check("tree", function(options) return reg.delete(ROOT, nil, options) end)
end

if not (test and test.finish) then os.exit(lu.LuaUnit.run()) end
