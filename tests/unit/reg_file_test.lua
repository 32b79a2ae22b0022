-- Registry files: the parser by itself, fuzzed; exports against those of regedit; imports through the gate.
-- arch: x64
local lu = require "luaunit"
local case = require "case"
local fuzz = require "fuzz"
local regfile = require "regfile"
local runs = require "regruns"
local reg = win.reg
local run, undo = runs.run, runs.undo

local ROOT = [[HKCU\Software\p80-regfile]]
local LONG = [[HKEY_CURRENT_USER\Software\p80-regfile]]
local REFUSED <const> = 0x20000004

local function sub(name) return ROOT .. "\\" .. name end

-- ---- The parser ----

TestParser = {}

-- A code page in which every byte is a character.
local function latin1(bytes) return (bytes:gsub("[\x80-\xFF]", function(c) return utf8.char(c:byte()) end)) end

-- The rows of the one key in a file with these lines.
local function rows(lines, version)
  local header = version == 4 and "REGEDIT4\n" or "Windows Registry Editor Version 5.00\n"
  local sections, problem = regfile.parse(header .. "[HKCU\\x]\n" .. lines, latin1)
  return sections and sections[1].values, not sections and problem.message
end

function TestParser.test_values()
  local cases = {
    {'@="text"', {name = "", type = "sz", value = "text"}},
    {'""="text"', {name = "", type = "sz", value = "text"}},
    {[["a\\b\"c"="C:\\x \"y\""]], {name = [[a\b"c]], type = "sz", value = [[C:\x "y"]]}},
    {' "a" \t=\t "b"  ; c', {name = "a", type = "sz", value = "b"}},
    {'"a"="b;c"', {name = "a", type = "sz", value = "b;c"}},
    {'"a"="one\r\ntwo"', {name = "a", type = "sz", value = "one\r\ntwo"}},
    {'"a"=-', {name = "a", delete = true}}, {"@=- ;x", {name = "", delete = true}},
    {'"a"=dword:1', {name = "a", type = "dword", value = 1}},
    {'"a"=dword: fFffffff;', {name = "a", type = "dword", value = 0xFFFFFFFF}},
    {'"a"=hex:', {name = "a", type = "binary", value = ""}},
    {'"a"=hex(0):', {name = "a", type = "none", value = ""}},
    {'"a"=hex:1,02,ff', {name = "a", type = "binary", value = "\1\2\xFF"}},
    {'"a"=hex:01,\\\n  02,  \\ ;c\n\n\t\n;c\n  03,', {name = "a", type = "binary", value = "\1\2\3"}},
    {'"a"=hex:\\\n01', {name = "a", type = "binary", value = "\1"}},
    {'"a"=hex:01,\\', {name = "a", type = "binary", value = "\1"}},
    {'"a"=hex(b):fe,ff,ff,ff,ff,ff,ff,ff', {name = "a", type = "qword", value = -2}},
    {'"a"=hex(5):00,00,00,4d', {name = "a", type = "dword_big_endian", value = 77}},
    {'"a"=hex(4):01,00,00,00', {name = "a", type = "dword", value = 1}},
    {'"a"=hex(4):01', {name = "a", type = "dword", value = "\1", raw = "\1"}},
    {'"a"=hex(abcd):61', {name = "a", type = "type_43981", value = "a"}},
    {'"a"=hex(1):61,00,00,00', {name = "a", type = "sz", value = "a"}},
    {'"a"=hex(1):61,00', {name = "a", type = "sz", value = "a"}},
    {'"a"=hex(1):', {name = "a", type = "sz", value = "", raw = ""}},
    {'"a"=hex(2):3d,d8,00,de,00,00', {name = "a", type = "expand_sz", value = "\u{1F600}"}},
    {'"a"=hex(2):3d,d8,00,00', {name = "a", type = "expand_sz", value = "\xED\xA0\xBD"}},
    {'"a"=hex(7):61,00,00,00,62,00,00,00,00,00', {name = "a", type = "multi_sz", value = {"a", "b"}}},
    {'"a"=hex(7):00,00', {name = "a", type = "multi_sz", value = {}}},
    {'"a"=hex(7):61,00,00,00', {name = "a", type = "multi_sz", value = {"a"}, raw = "a\0\0\0"}},
    {'"a"=hex(6):61,00', {name = "a", type = "link", value = "a"}},
  }
  for _, case_ in ipairs(cases) do
    local got, problem = rows(case_[1])
    lu.assertEquals(got, {case_[2]}, case_[1] .. tostring(problem))
  end
end

function TestParser.test_version_4_has_text_in_the_code_page()
  lu.assertEquals(rows('"a"="\xE4"\n"e"=hex(2):e4,00\n"m"=hex(7):61,00,e4,00,00\n"b"=hex:e4\n"o"=hex(2):61', 4), {
    {name = "a", type = "sz", value = "\u{E4}"}, {name = "e", type = "expand_sz", value = "\u{E4}"},
    {name = "m", type = "multi_sz", value = {"a", "\u{E4}"}}, {name = "b", type = "binary", value = "\xE4"},
    {name = "o", type = "expand_sz", value = "a"},
  })
end

function TestParser.test_the_code_page_of_this_windows()
  lu.assertEquals(reg.parse "REGEDIT4\n[HKCU\\x]\n@=\"\xE4\x80\"\n"[1].values[1].value, "\u{E4}\u{20AC}") -- 1252
  local ok, e = pcall(reg.parse, "REGEDIT4\n[HKCU\\x]\n@=\"\xE4")
  lu.assertEquals({ok, e.op, e.target, e.code}, {false, "reg.parse", "line 3", 13})
  lu.assertStrContains(e.message, "'@=\"\u{E4}'")
end

function TestParser.test_encodings()
  local text = 'Windows Registry Editor Version 5.00\r\n\r\n[HKEY_USERS\\\u{E4}\u{1F600}]\r\n'
  local expected = {{key = "HKEY_USERS\\\u{E4}\u{1F600}", values = {}}}
  local utf16 = regfile.format(expected)
  lu.assertEquals(utf16:sub(1, 4), "\xFF\xFEW\0")
  lu.assertEquals(utf16:sub(-4), "\r\0\n\0")
  for _, bytes in ipairs {text, "\xEF\xBB\xBF" .. text, utf16, (text:gsub("\r", ""))} do
    lu.assertEquals((regfile.parse(bytes)), expected)
  end
  local ansi = text:gsub("[\xC2-\xF4][\x80-\xBF]+", "\xE4")
  lu.assertEquals(regfile.parse(ansi, latin1)[1].key, "HKEY_USERS\\\u{E4}\u{E4}")
  lu.assertEquals(select(2, regfile.parse "\xEF\xBB\xBFREGEDIT4"), 4)
end

function TestParser.test_sections()
  local sections = regfile.parse("REGEDIT4\n#x\n\n[-HKEY_LOCAL_MACHINE\\a] ; b\n [hklm\\a]b\\]\n\"x\"=-\n;[HKCU\\z]\n[HKCR]")
  lu.assertEquals(sections, {
    {key = "HKEY_LOCAL_MACHINE\\a", delete = true}, {key = "hklm\\a]b", values = {{name = "x", delete = true}}},
    {key = "HKCR", values = {}},
  })
end

function TestParser.test_faults_name_line_and_text()
  local cases = {
    {"", 1, "expected"}, {"REGEDIT", 1, "'REGEDIT4' expected"}, {"regedit4\n", 1, "expected"},
    {"\nREGEDIT4", 1, "expected"}, {"Windows Registry Editor Version 5\n", 1, "Version 5.00"},
    {"W\0i\0", 1, "FF FE"}, {"\xFE\xFF\0W", 1, "FF FE"}, {"\xFF\xFEW", 1, "cut off"}, {"\xEF\xBB\xBF\xFF", 1, "UTF-8"},
    {"REGEDIT4\n\n\"a\"=\"b\"", 3, "before the first key"},
    {"REGEDIT4\n\n[HKCU\\x]\nabc", 4, "a key in brackets"},
    {"REGEDIT4\r\n\r\n[HKCU\\x]\r\n\"a\"=x", 4, "dword:"},
    {"REGEDIT4\n[HKCU\\x", 2, "bracket"}, {"REGEDIT4\n[HKCU\\x\\\ny]", 2, "bracket"}, {"REGEDIT4\n[HKCU\\x] y", 2, "behind"},
    {"REGEDIT4\n[HKXX\\x]", 2, "hive"}, {"REGEDIT4\n[ HKCU\\x]", 2, "hive"}, {"REGEDIT4\n[]", 2, "hive"},
    {"REGEDIT4\n[HKCU\\\\x]", 2, "doubled"}, {"REGEDIT4\n[HKCU\\" .. ("k"):rep(256) .. "]", 2, "255"},
    {"REGEDIT4\n[-HKCU]", 2, "hive cannot"}, {"REGEDIT4\n[-HKCU\\x]\n@=\"\"", 3, "deleted"},
    {"REGEDIT4\n[HKCU\\x]\n\"a\"=\"C:\\new\"", 3, "backslash"}, {"REGEDIT4\n[HKCU\\x]\n\"a\"=\"\\0\"", 3, "backslash"},
    {"REGEDIT4\n[HKCU\\x]\n\"a\"=\"b\n\"c\"=\"d\"", 3, "closing quote"}, {"REGEDIT4\n[HKCU\\x]\n\"a", 3, "closing quote"},
    {"REGEDIT4\n[HKCU\\x]\n\"a\nb\"=\"\"", 3, "closing quote"}, {"REGEDIT4\n[HKCU\\x]\n\"a\"=\"b\"c\"", 3, "closing quote"},
    {"REGEDIT4\n[HKCU\\x]\n\"a\":\"b\"", 3, "equal sign"}, {"REGEDIT4\n[HKCU\\x]\n\"a\"=\"b\" #c", 3, "end of the line"},
    {"REGEDIT4\n[HKCU\\x]\n\"" .. ("v"):rep(16384) .. "\"=-", 3, "16383"},
    {"REGEDIT4\n[HKCU\\x]\n@=dword:", 3, "8 hexadecimal"}, {"REGEDIT4\n[HKCU\\x]\n@=dword:123456789", 3, "8 hexadecimal"},
    {"REGEDIT4\n[HKCU\\x]\n@=dword:0x1", 3, "end of the line"}, {"REGEDIT4\n[HKCU\\x]\n@=dword:12 34", 3, "end of the line"},
    {"REGEDIT4\n[HKCU\\x]\n@=hex:1,,2", 3, "commas"}, {"REGEDIT4\n[HKCU\\x]\n@=hex:,1", 3, "commas"},
    {"REGEDIT4\n[HKCU\\x]\n@=hex:100", 3, "commas"}, {"REGEDIT4\n[HKCU\\x]\n@=hex:1 2", 3, "commas"},
    {"REGEDIT4\n[HKCU\\x]\n@=hex:1\\\n,2", 3, "comma is missing"}, {"REGEDIT4\n[HKCU\\x]\n@=hex:1,\\2", 3, "end of the line"},
    {"REGEDIT4\n[HKCU\\x]\n@=hex:1,\\\n\"b\"=-", 4, "more hexadecimal"}, {"REGEDIT4\n[HKCU\\x]\n@=hex:1,\\\n#c\n2", 4, "more hex"},
    {"REGEDIT4\n[HKCU\\x]\n@=hex(123456789):1", 3, "8 hexadecimal"}, {"REGEDIT4\n[HKCU\\x]\n@=hex(x):1", 3, "dword:"},
    {"REGEDIT4\n[HKCU\\x]\n@=\"a\0\"", 3, "NUL"}, {"REGEDIT4\n[HKCU\\x]\n@=", 3, "expected"},
  }
  for _, case_ in ipairs(cases) do
    local sections, problem = regfile.parse(case_[1], latin1)
    lu.assertNil(sections, case_[1])
    lu.assertEquals(problem.line, case_[2], case_[1])
    lu.assertStrContains(problem.message, case_[3], false, false, case_[1])
    local lines = {}
    for line in (case_[1]:gsub("\r", "") .. "\n"):gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
    if problem.text ~= "" then lu.assertEquals(problem.text, lines[problem.line]) end
  end
end

-- Random sections of any kind are the same after they were written and read.
function TestParser.test_round_trip()
  math.randomseed(80)
  local function word()
    local n, list = math.random(1, 12), {}
    for i = 1, n do list[i] = utf8.char(({math.random(32, 126), math.random(0xA0, 0x7FF), math.random(0xE000, 0xFFFD),
      math.random(0x10000, 0x10FFFF)})[math.random(4)]) end
    return (table.concat(list):gsub("\\", "/"))
  end
  local function bytes() local list = {} for i = 1, math.random(0, 90) do list[i] = math.random(0, 255) end return string.char(table.unpack(list)) end
  local makers = {
    function() return "sz", word() end, function() return "expand_sz", word() .. "\\" .. word() end,
    function() return "multi_sz", {word(), word(), word()} end, function() return "dword", math.random(0, 0xFFFFFFFF) end,
    function() return "qword", math.random(0) end, function() return "dword_big_endian", math.random(0, 0xFFFFFFFF) end,
    function() return "binary", bytes() end, function() return "type_77", bytes() end, function() return "none", bytes() end,
  }
  for _ = 1, 200 do
    local sections = {}
    for i = 1, math.random(0, 4) do
      local values = {}
      for j = 1, math.random(0, 5) do
        local kind, value = makers[math.random(#makers)]()
        values[j] = math.random(9) == 1 and {name = word(), delete = true} or {name = word(), type = kind, value = value}
      end
      sections[i] = math.random(5) == 1 and {key = "HKCU\\" .. word(), delete = true} or {key = "HKCU\\" .. word(), values = values}
    end
    local text = regfile.format(sections)
    lu.assertEquals((regfile.parse(text)), sections)
    lu.assertEquals(regfile.format((regfile.parse(text))), text)
  end
end

function TestParser.test_megabytes()
  local data = ("0123456789abcdef"):rep(1 << 16)
  local sections = {{key = "HKCU\\x", values = {{name = ("n"):rep(16383), type = "binary", value = data}, {name = "t", type = "sz", value = data}}}}
  local again = regfile.parse(regfile.format(sections))
  lu.assertTrue(again[1].values[1].value == data and again[1].values[2].value == data)
  lu.assertEquals(#again[1].values[1].name, 16383)
end

function TestParser.test_fuzz()
  local folder, seeds = test.folder .. "\\fuzz\\seeds\\regfile\\", {}
  for _, name in ipairs(case.files(folder)) do seeds[#seeds + 1] = case.read(folder .. name) end
  fuzz.run(dofile(test.folder .. "\\fuzz\\regfile.lua"), seeds, fuzz.CASES, os.time())
end

-- ---- Exports ----

TestExport = {}

local function clean() reg.delete(ROOT, nil, {tree = true}) end

local function fresh()
  clean()
  reg.create(ROOT)
end

-- Values of every kind whose export Wine and Windows agree on (text with line breaks Wine alone escapes).
local function plant()
  local values = {
    {"", "default", "sz"}, {"s", [[a\b"c]], "sz"}, {[[na\me"]], "x", "sz"}, {"e", "%x%\u{E4}\u{65E5}", "expand_sz"},
    {"m", {"one", "zw\u{E4}lf", "\u{1F600}"}, "multi_sz"}, {"m0", {}, "multi_sz"}, {"d", 255, "dword"}, {"q", -2, "qword"},
    {"be", 77, "dword_big_endian"}, {"b0", "", "binary"}, {"n", "", "none"}, {"t", "abc", "type_43981"}, {"u", "\u{E4}\u{65E5}\u{1F600}", "sz"},
    {("long name "):rep(12), ("x"):rep(100), "binary"},
  }
  for n = 20, 30 do values[#values + 1] = {"b" .. n, ("\xA5"):rep(n), "binary"} end
  for _, value in ipairs(values) do reg.set(ROOT, value[1], value[2], {type = value[3]}) end
  reg.set(ROOT, "d2", nil, {type = "dword", raw = "\1\2"})
  reg.set(ROOT, "d0", nil, {type = "dword", raw = ""})
  reg.set(ROOT, "e1", nil, {type = "expand_sz", raw = "a\0b"})
  reg.set(ROOT, "cut", nil, {type = "sz", raw = "a\0\0\0b\0\0\0"})
  reg.set(ROOT, "empty", nil, {type = "sz", raw = ""})
  for _, name in ipairs {"sub", [[sub\a]], "sub-b", "SUB2", "a]b", "\u{E4}", "https://x"} do reg.create(sub(name)) end
  reg.set(sub [[sub\a]], "v", 1, {type = "dword"})
end

TestExport.setUp = function()
  fresh()
  plant()
end
TestExport.tearDown = clean

local function regedit(...) return test.spawn {path = os.getenv "SystemRoot" .. "\\regedit.exe", args = {...}} end

-- Fails with the first line that differs.
local function assert_same_text(ours, theirs)
  local expected = {}
  for line in (theirs .. "\n\0"):gmatch "(.-)\n%z" do expected[#expected + 1] = line:gsub("\0", "") end
  for line in (ours .. "\n\0"):gmatch "(.-)\n%z" do lu.assertEquals((line:gsub("\0", "")), table.remove(expected, 1)) end
  lu.assertTrue(ours == theirs)
end

function TestExport.test_is_what_regedit_writes()
  reg.delete(ROOT, "d2") -- which Wine 8 writes as if it had four bytes, later ones as p80 does
  lu.assertEquals(regedit("/e", "C:\\theirs.reg", LONG).code, 0)
  assert_same_text(reg.export(ROOT), case.read "C:\\theirs.reg")
  case.reg {"export", LONG .. "\\sub", "C:\\theirs2.reg", "/y"}
  assert_same_text(reg.export(sub "sub"), case.read "C:\\theirs2.reg")
end

function TestExport.test_can_be_imported_by_regedit()
  reg.delete(ROOT, "e1") -- an odd number of bytes, which Wine's import does not take
  reg.delete(ROOT, "cut")
  local before = reg.tree(ROOT)
  case.write("C:\\ours.reg", reg.export(ROOT, {exact = true}))
  clean()
  regedit("/s", "C:\\ours.reg")
  lu.assertEquals(reg.tree(ROOT), before)
end

function TestExport.test_version_4()
  for _, name in ipairs {"m", "u", "e", "e1", "cut", "m0", "empty"} do reg.delete(ROOT, name) end
  reg.delete(sub "\u{E4}")
  reg.set(ROOT, "u", "\u{E4}\u{F6}", {type = "sz"})
  reg.set(ROOT, "e", "%x%\u{E4}", {type = "expand_sz"})
  reg.set(ROOT, "m", {"one", "zw\u{F6}lf"}, {type = "multi_sz"})
  local text = reg.export(ROOT, {version = 4})
  lu.assertEquals(text:sub(1, 10), "REGEDIT4\r\n")
  lu.assertStrContains(text, '"u"="\xE4\xF6"\r\n')
  lu.assertStrContains(text, '"e"=hex(2):25,78,25,e4,00\r\n')
  lu.assertStrContains(text, '"m"=hex(7):6f,6e,65,00,7a,77,f6,6c,66,00,00\r\n')
  local before = reg.tree(ROOT)
  case.write("C:\\ours4.reg", text)
  clean()
  regedit("/s", "C:\\ours4.reg")
  lu.assertEquals(reg.tree(ROOT), before)
end

function TestExport.test_version_4_lacks_characters()
  local ok, e = pcall(reg.export, ROOT, {version = 4})
  lu.assertFalse(ok)
  lu.assertEquals({e.op, e.code, e.target}, {"reg.export", 1113, LONG})
  lu.assertStrContains(e.message, "'e'")
end

function TestExport.test_line_breaks_and_what_regedit_cuts()
  fresh()
  reg.set(ROOT, "lines", "one\r\ntwo", {type = "sz"})
  reg.set(ROOT, "cut", nil, {type = "sz", raw = "a\0\0\0b\0\0\0"})
  local function values(options) return regfile.parse(reg.export(ROOT, options))[1].values end
  lu.assertEquals(values(), {{name = "cut", type = "sz", value = "a"}, {name = "lines", type = "sz", value = "one\r\ntwo"}})
  lu.assertEquals(values {exact = true}, reg.values(ROOT))
end

function TestExport.test_links_are_not_followed()
  fresh()
  reg.create(sub "outside")
  reg.set(sub "outside", "v", 1, {type = "dword"})
  reg.create([[HKLM\SOFTWARE\p80-regfile]])
  reg.create([[HKLM\SOFTWARE\p80-regfile\link]], {tree = {link = [[\Registry\Machine\SOFTWARE\Microsoft]], keys = {}, values = {}}})
  local text = reg.export [[HKLM\SOFTWARE\p80-regfile]]
  local ok, e = pcall(reg.export, [[HKLM\SOFTWARE\p80-regfile\link]])
  local found = reg.find([[HKLM\SOFTWARE\p80-regfile]], "e")
  local differences = reg.compare([[HKLM\SOFTWARE\p80-regfile]], [[HKLM\SOFTWARE\p80-regfile]])
  reg.delete([[HKLM\SOFTWARE\p80-regfile]], nil, {tree = true})
  lu.assertEquals(#text // 2, #"xWindows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\p80-regfile]\r\n\r\n"
    + #"; HKEY_LOCAL_MACHINE\\SOFTWARE\\p80-regfile\\link is a registry link to \\Registry\\Machine\\SOFTWARE\\Microsoft\r\n\r\n")
  lu.assertFalse(ok)
  lu.assertEquals({e.op, e.code}, {"reg.export", 50})
  lu.assertStrContains(e.hint, "Microsoft")
  lu.assertEquals(found, {})
  lu.assertEquals(differences, {})
end

-- ---- Searches and comparisons ----

TestQueries = {setUp = TestExport.setUp, tearDown = clean}

local function names(found)
  local list = {}
  for i, row in ipairs(found) do list[i] = row.key:sub(#ROOT + 1) .. "|" .. (row.name or "") end
  table.sort(list)
  return list
end

function TestQueries.test_find()
  lu.assertEquals(names(reg.find(ROOT, "SUB")), {[[\SUB2|]], [[\sub-b|]], [[\sub|]]})
  lu.assertEquals(names(reg.find(ROOT, "sub", {exact = true})), {[[\sub|]]})
  lu.assertEquals(names(reg.find(ROOT, "SUB", {case = true})), {[[\SUB2|]]})
  lu.assertEquals(names(reg.find(ROOT, "v", {where = "names"})), {[[\sub\a|v]]})
  lu.assertEquals(names(reg.find(ROOT, "v", {where = "names", tree = false})), {})
  lu.assertEquals(names(reg.find(ROOT, "0xff", {where = "data", exact = true})), {"|d"})
  lu.assertEquals(names(reg.find(ROOT, "255", {type = "dword"})), {"|d"})
  lu.assertEquals(names(reg.find(ROOT, "zw\u{E4}lf")), {"|m"})
  lu.assertEquals(names(reg.find(ROOT, "616263", {where = "data"})), {"|t"})
  lu.assertEquals(reg.find(ROOT, "default", {where = "data"}), {{key = ROOT, name = "", type = "sz", value = "default"}})
  lu.assertNil(reg.find(sub "none", "x"))
end

function TestQueries.test_compare()
  lu.assertEquals(reg.compare(ROOT, ROOT), {})
  local left, right = sub "l", sub "r"
  for _, key in ipairs {left, right, left .. "\\k", right .. "\\K", left .. "\\only"} do reg.create(key) end
  reg.set(left, "same", {"a"}, {type = "multi_sz"})
  reg.set(right, "SAME", {"a"}, {type = "multi_sz"})
  reg.set(left .. "\\k", "v", 1, {type = "dword"})
  reg.set(right .. "\\k", "v", 1, {type = "qword"})
  reg.set(right .. "\\k", "w", "", {type = "sz"})
  lu.assertEquals(reg.compare(left, right), {
    {key = "k", name = "v", left = {name = "v", type = "dword", value = 1}, right = {name = "v", type = "qword", value = 1}},
    {key = "k", name = "w", right = {name = "w", type = "sz", value = ""}},
    {key = "only", left = {}},
  })
  lu.assertEquals(reg.compare(left, right, {tree = false}), {})
  lu.assertEquals(reg.compare(left, sub "none"), {{key = "", left = {}}})
  lu.assertEquals(reg.compare(sub "none", sub "none"), {})
end

-- ---- Imports ----

TestImport = {setUp = fresh, tearDown = clean}

local function assert_taken_back(f)
  runs.assert_taken_back(function() return reg.tree(ROOT) end, f)
end

local FILE = ([[
Windows Registry Editor Version 5.00

[-%s\old]

[%s\new\deep]
@="default"
"text"="C:\\x"
"list"=hex(7):61,00,00,00,00,00
"odd"=hex(4):01

[%s]
"gone"=-
"kept"=dword:7
"never"=-

[-%s\absent]

[%s\old\again]
"v"=hex(b):01,00,00,00,00,00,00,00
]]):gsub("%%s", (LONG:gsub("%%", "%%%%"))):gsub("\n", "\r\n")

local function plant_for_import()
  reg.create(sub "old")
  reg.create(sub [[old\below]])
  reg.set(sub [[old\below]], "v", "x", {type = "sz"})
  reg.set(ROOT, "gone", "x", {type = "sz"})
  reg.set(ROOT, "kept", 7, {type = "dword"})
end

function TestImport.test_does_what_the_file_says()
  plant_for_import()
  assert_taken_back(function(call)
    lu.assertTrue(call.import(FILE))
    lu.assertEquals(#call.keys(ROOT), 2)
    lu.assertEquals(call.keys(sub "old"), {"again"})
    lu.assertEquals(call.get(sub [[new\deep]]), "default")
    lu.assertEquals(call.get(sub [[new\deep]], "list"), {"a"})
    lu.assertEquals({call.get(sub [[new\deep]], "odd")}, {"\1", "dword", "\1"})
    lu.assertEquals(call.get(sub [[old\again]], "v"), 1)
    lu.assertNil(call.get(ROOT, "gone"))
    lu.assertEquals(call.get(ROOT, "kept"), 7)
    lu.assertEquals(call.find(ROOT, "C:\\x"), {{key = sub [[new\deep]], name = "text", type = "sz", value = "C:\\x"}})
    lu.assertEquals(#call.compare(sub "new", sub "old"), 2)
    lu.assertStrContains(call.export(sub "new"), ("C:\\\\x"):gsub(".", "%0\0"))
  end)
end

function TestImport.test_twice_changes_nothing()
  local text = FILE:gsub("%[%-[^%]]*%]", ""):gsub("%[[^%]]*again%]", "")
  run({}, function(call)
    lu.assertTrue(call.import(text))
    lu.assertFalse(call.import(text))
  end)
end

function TestImport.test_from_a_file()
  plant_for_import()
  reg.set(ROOT, "wide", "\u{65E5}", {type = "sz"})
  local before = reg.tree(ROOT)
  case.write("C:\\import.reg", reg.export(ROOT))
  fresh()
  run({}, function(call)
    lu.assertTrue(call.import "C:\\import.reg")
    local ok, e = pcall(call.import, "C:\\none.reg")
    lu.assertEquals({ok, e.op, e.code, e.target}, {false, "reg.import", 2, "C:\\none.reg"})
  end)
  lu.assertEquals(reg.tree(ROOT), before)
end

function TestImport.test_a_fault_changes_nothing()
  local before = reg.tree(ROOT)
  local cases = {
    {FILE .. "x\r\n", "line 20", 13}, {FILE .. "[-HKEY_CLASSES_ROOT\\.p80]\r\n", "HKCR\\.p80", 50}, {"x\n", "line 1", 13},
    {5, "source", 87}, {nil, "source", 87},
  }
  for _, check in ipairs {true, false} do
    runs.files = {}
    run({check = check}, function(call)
      for _, case_ in ipairs(cases) do
        local ok, e = pcall(call.import, case_[1])
        lu.assertFalse(ok)
        lu.assertEquals({e.op, e.target, e.code}, {"reg.import", case_[2], case_[3]}, tostring(e))
      end
      lu.assertStrContains(tostring(select(2, pcall(call.import, FILE .. "\"x\"=dwrod:1"))), "'\"x\"=dwrod:1'")
      lu.assertEquals(select(2, pcall(call.import, FILE, {view = 16})).target, "view")
      lu.assertEquals(select(2, pcall(call.import, FILE, {veiw = 32})).target, "veiw")
      lu.assertEquals(select(2, pcall(call.import)).target, "arguments")
    end)
    lu.assertEquals({reg.tree(ROOT), runs.files}, {before, {}})
  end
end

function TestImport.test_without_a_grant_nothing_is_done_by_halves()
  plant_for_import()
  local before = reg.tree(ROOT)
  for _, allow in ipairs {{}, {"reg.value"}, {"reg.key"}, {"reg.key", "reg.value:" .. sub "new\\*"},
    {"reg.value", "reg.key:" .. sub "new*", "reg.key:" .. sub "old\\again"}} do
    runs.files = {}
    run({allow = allow}, function(call)
      local ok, e = pcall(call.import, FILE)
      lu.assertEquals({ok, e.op, e.code}, {false, "reg.import", REFUSED})
    end)
    lu.assertEquals({reg.tree(ROOT), runs.files}, {before, {}})
  end
  run({allow = {"reg.value:" .. ROOT .. "*", "reg.key:" .. ROOT .. "\\*"}}, function(call) lu.assertTrue(call.import(FILE)) end)
end

function TestImport.test_views()
  local text = "REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\p80-regfile]\n\"v\"=dword:1\n"
  local key = [[HKLM\SOFTWARE\p80-regfile]]
  runs.files = {}
  run({}, function(call)
    lu.assertTrue(call.import(text, {view = 32}))
    lu.assertEquals({call.exists(key), (call.get(key, "v", {view = 32}))}, {false, 1})
    lu.assertTrue(call.delete(key, {tree = true, view = 32}))
  end)
end

-- ---- Copies ----

TestCopy = {setUp = TestExport.setUp, tearDown = clean}

function TestCopy.test_copies_all()
  reg.create(sub "to")
  reg.set(sub "to", "stays", 1, {type = "dword"})
  assert_taken_back(function(call)
    lu.assertTrue(call.copy(sub "sub", sub [[to\new]]))
    lu.assertFalse(call.copy(sub "sub", sub [[TO\new]]))
    lu.assertEquals(call.get(sub [[to\new\a]], "v"), 1)
    lu.assertEquals(call.get(sub "to", "stays"), 1)
    lu.assertTrue(call.copy(ROOT, sub [[to\values]], {tree = false}))
    lu.assertEquals(call.keys(sub [[to\values]]), {})
    lu.assertEquals(#call.values(sub [[to\values]]), #call.values(ROOT))
  end)
end

function TestCopy.test_links_are_left_out()
  local link = {link = [[\Registry\Machine\SOFTWARE\Microsoft]], keys = {}, values = {}}
  reg.create(sub [[sub\link]], {tree = link})
  run({}, function(call)
    lu.assertTrue(call.copy(sub "sub", sub "to"))
    lu.assertEquals(call.keys(sub "to"), {"a"})
    local ok, e = pcall(call.copy, sub [[sub\link]], sub "to2")
    lu.assertEquals({ok, e.op, e.code}, {false, "reg.copy", 50})
    reg.delete(sub "to", nil, {tree = true})
    reg.create(sub "to")
    reg.create(sub [[to\a]], {tree = link})
    ok, e = pcall(call.copy, sub "sub", sub "to")
    lu.assertEquals({ok, e.op, e.code, e.target}, {false, "reg.copy", 50, sub [[to\a]]})
  end)
end

function TestCopy.test_bad_input()
  runs.files = {}
  local before = reg.tree(ROOT)
  run({}, function(call)
    local cases = {
      {2, sub "none", sub "to"}, {87, "HKXX\\x", sub "to"}, {87, sub "sub", "HKCU"}, {87, sub "sub"}, {87, sub "sub", sub "to", {tree = 1}},
      {87, sub "sub", sub "to", {x = 1}},
    }
    for _, case_ in ipairs(cases) do
      local ok, e = pcall(call.copy, table.unpack(case_, 2))
      lu.assertEquals({ok, type(e) == "table" and e.op, type(e) == "table" and e.code}, {false, "reg.copy", case_[1]}, tostring(e))
    end
  end)
  run({allow = {"reg.key"}}, function(call)
    local ok, e = pcall(call.copy, sub "sub", sub "to")
    lu.assertEquals({ok, e.code}, {false, REFUSED})
  end)
  lu.assertEquals({reg.tree(ROOT), runs.files}, {before, {}})
end

-- ---- The program ----

local Program = case.suite "Program"
local begin = Program.setUp

function Program:setUp()
  begin()
  fresh()
end

function Program:test_plans_imports_watches_and_takes_back()
  local file = case.write("import.reg", FILE)
  local code = ([[print(win.reg.import %q) for _ in win.reg.watch(%q, {timeout = 0}) do end]]):format(file, ROOT)
  local before = reg.tree(ROOT)
  local planned = case.exits(case.p80 {"--check", "--allow", "reg.*", "-e", code}, 3)
  lu.assertStrContains(planned.stdout, sub [[new\deep\text]])
  lu.assertEquals(reg.tree(ROOT), before)
  case.exits(case.p80 {"-e", code}, 4)
  lu.assertEquals(reg.tree(ROOT), before)
  case.exits(case.p80 {"--allow", "reg.*", "-e", code}, 0)
  lu.assertEquals(reg.get(sub [[new\deep]], "text"), "C:\\x")
  case.exits(case.p80 {"undo"}, 0)
  lu.assertEquals(reg.tree(ROOT), before)
  local broken = case.write("broken.reg", FILE .. "oops\r\n")
  local failed = case.exits(case.p80 {"--allow", "reg.*", "-e", ("win.reg.import %q"):format(broken)}, 1)
  lu.assertStrContains(failed.stderr, "line 20")
  lu.assertStrContains(failed.stderr, "'oops'")
end

if not (test and test.finish) then os.exit(lu.LuaUnit.run()) end
