-- scripts/lib/show.lua: readable text for any value.
local lu = require "luaunit"
local show = require "show"

local TestShow = {}
_G.TestShow = TestShow

local function lines(text)
  local result = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do result[#result + 1] = line end
  return result
end

local function widest(text)
  local most = 0
  for _, line in ipairs(lines(text)) do most = math.max(most, utf8.len(line)) end
  return most
end

function TestShow:test_processes_as_table_as_list_and_as_csv()
  local rows, own = win.process.list(), nil
  for _, row in ipairs(rows) do own = row.pid == test.pid() and row or own end
  lu.assertStrMatches(show.table(rows, {"pid", "name", "threads"}), ".*%f[%w]" .. own.name:gsub("%p", "%%%0") .. "%f[^%w].*")
  lu.assertStrContains(show(own), own.name)
  lu.assertStrMatches(("%d,%q"):format(own.pid, own.name), '%d+,".+"')
end

function TestShow:test_scalars()
  local inf = math.huge
  for _, case in ipairs {
    {true, "true"}, {12, "12"}, {1.5, "1.5"}, {3.0, "3.0"}, {0 / 0, "nan"}, {-(0 / 0), "nan"}, {inf, "inf"},
    {-inf, "-inf"}, {math.mininteger, "-9223372036854775808"}, {"größe 日本 😀", '"größe 日本 😀"'},
    {'a "b" \\ \n\t\0\27\127', [["a \"b\" \\ \n\t\x00\x1B\x7F"]]}, {"\xFFa\xC3", [["\xFFa\xC3"]]},
    {"\u{85}", [["\u{85}"]]}, {"", '""'}, {"\xED\xA0\x80", [["\xED\xA0\x80"]]},
  } do lu.assertEquals(show(case[1]), case[2]) end
  lu.assertEquals(show(nil), "nil")
  lu.assertStrMatches(show(print), "<function: .*>")
  lu.assertStrMatches(show(io.stdout), "<file .*>")
  lu.assertStrMatches(show(coroutine.create(print)), "<thread: .*>")
end

function TestShow:test_long_text_is_cut_with_its_size()
  local text = show(("ü"):rep(1000000))
  lu.assertTrue(utf8.len(text) < 2100)
  lu.assertStrContains(text, "(2,000,000 bytes)")
  lu.assertNotStrContains(show(("ü"):rep(2000)), "bytes")
end

function TestShow:test_records()
  lu.assertEquals(show {name = "W3SVC", pid = 4, path = "C:\\x y", ["odd key"] = true, [1] = 2}, [[
[1]         = 2
name        = "W3SVC"
["odd key"] = true
path        = "C:\\x y"
pid         = 4]])
  lu.assertEquals(show {a = {}, b = {1, "x"}, c = {d = {e = 1}}}, [[
a = {}
b = { 1, "x" }
c = { d = { e = 1 } }]])
  lu.assertEquals(show {rows = {{a = 1, b = 2}, {a = 3, b = 40}}, x = 1}, [[
rows =
  a   b
  -  --
  1   2
  3  40
x    = 1]])
end

function TestShow:test_lists()
  lu.assertEquals(show {}, "{}")
  lu.assertEquals(show {1, 2, 3}, "{ 1, 2, 3 }")
  lu.assertEquals(show({"eins eins", "zwei zwei", "drei"}, {width = 20}), '"eins eins"\n"zwei zwei"\n"drei"')
  lu.assertEquals(show {{1, 2}, {3, 4}}, "{ { 1, 2 }, { 3, 4 } }")
  lu.assertEquals(show {1, 2, {a = 1}}, "{ 1, 2, { a = 1 } }")
  lu.assertEquals(show {[1] = 1, [3] = 3}, "[1] = 1\n[3] = 3")
end

local processes = {
  {pid = 4, name = "System"},
  {pid = 1234, name = "größe.exe", services = {"W3SVC", "WAS"}, path = "C:\\Größe\\größe.exe"},
  {pid = 500, name = "x", path = "C:\\a\nb"},
}

function TestShow:test_rows()
  lu.assertEquals(show(processes), [[
name        pid  path                services
---------  ----  ------------------  ----------
System        4
größe.exe  1234  C:\Größe\größe.exe  W3SVC, WAS
x           500  C:\a\nb]])
end

function TestShow:test_rows_fit_the_width()
  local rows = {}
  for i = 1, 5 do rows[i] = {name = ("ä"):rep(30), path = ("ö"):rep(100), note = "kurz", pid = i} end
  for _, width in ipairs {40, 60, 80, 100, 120, 200} do
    local text = show(rows, {width = width})
    lu.assertTrue(widest(text) <= width, width)
    lu.assertEquals(#lines(text), 7)
    lu.assertStrContains(text, "kurz")
  end
  lu.assertStrContains(show(rows, {width = 80}), "...")
  lu.assertNotStrContains(show(rows, {width = 200}), "...")
end

function TestShow:test_too_many_columns_become_records()
  local row = {}
  for i = 1, 20 do row["column" .. i] = i end
  local text = show({row, row}, {width = 60})
  lu.assertStrContains(text, "column7  = 7")
  lu.assertTrue(widest(text) <= 60)
end

function TestShow:test_rows_of_different_shapes_are_no_table()
  lu.assertEquals(show {{a = "x"}, {b = "y"}, {c = "z"}}, '{ { a = "x" }, { b = "y" }, { c = "z" } }')
end

function TestShow:test_huge_tables_are_cut_with_a_count()
  local rows, numbers, keys = {}, {}, {}
  for i = 1, 200000 do
    rows[i] = {a = i, b = "x"}
    numbers[i] = i
    keys["k" .. i] = i
  end
  lu.assertStrContains(show(rows), "... 199,900 more rows")
  lu.assertStrContains(show(numbers), "... 199,900 more")
  lu.assertStrContains(show(keys), "... 199,900 more")
  lu.assertStrContains(show {x = keys}, "199,960 more")
  lu.assertStrContains(show {x = {numbers, numbers}}, "199,960 more")
  for _, value in ipairs {rows, numbers, keys, {x = keys}, {x = rows}} do
    lu.assertTrue(#lines(show(value)) < 130)
  end
  lu.assertStrContains(show(rows, {rows = 3}), "... 199,997 more rows")
end

function TestShow:test_cycles_and_depth()
  local cycle = {}
  cycle.self = cycle
  cycle.list = {cycle, 1}
  lu.assertStrContains(show(cycle), "<cycle>")
  local key = {}
  key[key] = key
  lu.assertIsString(show(key))
  local deep = {}
  local last = deep
  for _ = 1, 100000 do
    last.x = {}
    last = last.x
  end
  lu.assertStrContains(show(deep), "{...}")
  local twice = {1}
  lu.assertEquals(show {a = twice, b = twice}, "a = { 1 }\nb = { 1 }")
end

local function raising() error "no" end

function TestShow:test_metatables_that_raise()
  local hostile = setmetatable({a = 1}, {
    __index = raising, __len = raising, __pairs = raising, __eq = raising, __lt = raising, __metatable = false,
    __name = "x.y", __concat = raising,
  })
  lu.assertEquals(show(hostile), "a = 1")
  lu.assertEquals(show {hostile, hostile}, "a\n-\n1\n1")
  lu.assertIsString(show(setmetatable({}, {__tostring = raising})))
  lu.assertIsString(show(setmetatable({}, {__tostring = function() return 5 end})))
  lu.assertIsString(show {x = setmetatable({}, {__tostring = raising, __name = 5})})
  lu.assertIsString(show(setmetatable({}, {__name = ("x"):rep(5000)})))
end

function TestShow:test_error_objects_print_their_text()
  local object = setmetatable({op = "scm.stop", code = 5}, {
    __tostring = function() return "scm.stop 'W3SVC': Access is denied. (5 ERROR_ACCESS_DENIED)\nhint\27[2J" end,
  })
  lu.assertEquals(show(object), "scm.stop 'W3SVC': Access is denied. (5 ERROR_ACCESS_DENIED)\nhint\\x1B[2J")
  lu.assertStrContains(show {problem = object}, "problem = scm.stop 'W3SVC': Access is denied.")
end

function TestShow:test_nothing_reaches_the_console_unescaped()
  local evil = "\27]0;title\7 \u{9B}31m \r\n\8"
  local texts = {
    show(evil), show {[evil] = evil}, show {{name = evil, [evil] = evil}}, show {x = {y = {evil, [evil] = 1}}},
  }
  for i, text in ipairs(texts) do
    lu.assertNil(text:gsub("\n", ""):find "%c", i)
    lu.assertNil(text:find "\xC2[\x80-\x9F]", i)
    lu.assertNotNil(utf8.len(text), i)
  end
end

function TestShow:test_table_for_reports()
  lu.assertEquals(show.table({{name = "a", port = 80}, {name = "bb", port = 8080, x = 1}},
    {"port", {key = "name", title = "Größe"}}), "port  Größe\n----  -----\n  80  a\n8080  bb")
  local rows = {}
  for i = 1, 500 do rows[i] = {i = i} end
  lu.assertEquals(#lines(show.table(rows, {"i"})), 502)
  lu.assertStrContains(show.table(rows, {"i"}, {rows = 10}), "... 490 more rows")
  lu.assertEquals(show.table({}, {"a", "b"}), "a  b\n-  -")
  lu.assertEquals(widest(show.table({{a = ("x"):rep(300), b = 1}}, {"a", "b"}, {width = 50})), 50)
end

function TestShow:test_what_opens_when_it_is_used()
  local lazy = setmetatable({}, {__pairs = function(t)
    rawset(t, "part", 1)
    return next, t
  end})
  lu.assertEquals(show(lazy), "part = 1")
  lu.assertEquals(show(setmetatable({}, {__pairs = function() error "no" end})), "{}")
end

function TestShow:test_options_of_any_kind()
  for _, options in ipairs {
    {width = 0}, {width = -5}, {width = "x"}, {width = 1e308}, {rows = 0}, {rows = -1}, {rows = 0.5}, 0, "REG_SZ", true,
  } do
    lu.assertIsString(show({{a = 1}, {a = 2}}, options))
  end
end

if not (test and test.finish) then os.exit(lu.LuaUnit.run()) end

function TestShow:test_columns_that_have_no_room_are_named()
  local rows = {}
  for i = 1, 3 do
    rows[i] = {name = "Service" .. i, pid = i, display_name = ("long name "):rep(3), state = "running", type = "own_process",
      accepts = {"stop", "shutdown"}, checkpoint = 0, exit_code = 0, service_exit_code = 0, wait_hint = 0.0}
  end
  local text = show(rows, {width = 80})
  lu.assertEquals(lines(text)[1]:gsub(" +", " "), "name pid display_name state type")
  lu.assertEquals(lines(text)[6], "also: accepts, checkpoint, exit_code, service_exit_code, wait_hint")
  lu.assertTrue(widest(text) <= 80)
end
