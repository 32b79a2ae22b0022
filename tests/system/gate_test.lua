-- The change gate from outside: grants, --check, the journal, undo, poison, two runs at once.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Gate"

local KEY = [[HKCU\Software\p80-test]]
local SET = "print(win.reg.set([[HKCU\\Software\\p80-test]], 'x', 1))"

local baseSetUp = T.setUp
function T:setUp()
  baseSetUp()
  case.reg {"delete", KEY, "/f"}
end

local function value() return (win.reg.get(KEY, "x")) end

function T:test_a_script_without_manifest_only_reads_and_is_told_how_to_ask()
  local result = case.exits(case.script(SET), 4)
  lu.assertStrContains(result.stderr, "manifest")
  lu.assertStrContains(result.stderr, "--allow")
  lu.assertFalse(win.reg.exists(KEY))
  lu.assertNil(case.files(case.state .. "\\runs"))
end

local MANIFEST = "require 'p80'.playbook {name = 'demo', version = '1.0.0', summary = 'x', grants = {%s}}\n"

function T:test_a_manifest_grants_what_it_names_and_no_more()
  local granting = MANIFEST:format [['reg.key:HKCU\\Software\\p80-test', 'reg.value:HKCU\\Software\\p80-test\\*']]
  lu.assertStrContains(case.exits(case.script(granting .. SET), 0).stdout, "true")
  lu.assertEquals(value(), 1)
  case.exits(case.script(granting .. "win.reg.set([[HKCU\\Software\\p80-test2]], 'x', 1)"), 4)
  case.exits(case.script(granting .. "win.reg.set([[HKCU\\Software\\p80-test\\sub]], 'x', 1)"), 4)
  lu.assertFalse(win.reg.exists [[HKCU\Software\p80-test2]])
end

function T:test_check_has_the_same_functions()
  local list = [[
    local names = {}
    local function collect(t, prefix)
      for name, value in pairs(t) do
        names[#names + 1] = prefix .. name
        if type(value) == "table" then collect(value, prefix .. name .. ".") end
      end
    end
    collect(win, "")
    table.sort(names)
    print(table.concat(names, "\n"))
  ]]
  local names = case.exits(case.p80 {"-e", list}, 0).stdout
  lu.assertStrContains(names, "http.iplisten.list")
  lu.assertStrContains(case.exits(case.p80 {"--check", "-e", list}, 0).stdout, names)
  case.exits(case.p80 {"--check", "-e", "for _ in win.tcp.watch {timeout = 0.1} do end"}, 0)
end

function T:test_allow_adds_to_what_a_manifest_grants()
  local text = MANIFEST:format "'reg.value'" .. SET
  lu.assertStrContains(case.exits(case.script(text), 4).stderr, "reg.key")
  case.exits(case.script(text, {"--allow", "reg.key"}), 0)
  lu.assertEquals(value(), 1)
  lu.assertStrContains(case.p80({"runs"}).stdout, "script.lua")
end

function T:test_typed_code_has_only_what_allow_gives()
  case.exits(case.p80 {"-e", MANIFEST:format "'reg.*'" .. SET}, 4)
  case.exits(case.p80 {"--allow", "reg.*", "-e", SET}, 0)
  lu.assertEquals(value(), 1)
end

function T:test_check_undo_and_idempotence()
  local result = case.exits(case.p80 {"--check", "--allow", "*", "-e", SET .. " print(win.reg.get([[HKCU\\Software\\p80-test]], 'x'))"}, 3)
  lu.assertStrContains(result.stdout, "1\tdword")
  lu.assertStrContains(result.stdout, "reg.value HKCU\\Software\\p80-test\\x")
  lu.assertFalse(win.reg.exists(KEY))
  lu.assertNil(case.files(case.state .. "\\runs"))
  case.exits(case.p80 {"--allow", "*", "-e", SET}, 0)
  result = case.exits(case.p80 {"--allow", "*", "--json", "-e", SET}, 0)
  lu.assertEquals(result.json.changed, 0)
  lu.assertEquals(#case.files(case.state .. "\\runs"), 1)
  lu.assertStrContains(case.exits(case.p80 {"undo", "--check"}, 3).stdout, "reg.value")
  lu.assertEquals(value(), 1)
  case.exits(case.p80 {"undo"}, 0)
  lu.assertFalse(win.reg.exists(KEY))
  lu.assertStrContains(case.exits(case.p80 {"runs"}, 0).stdout, "taken back by 2")
  case.exits(case.p80 {"undo", "2"}, 0)
  lu.assertEquals(value(), 1)
end

function T:test_undo_leaves_what_somebody_else_changed_unless_forced()
  case.exits(case.p80 {"--allow", "*", "-e", SET}, 0)
  win.reg.set(KEY, "x", 7, {type = "dword"})
  lu.assertStrContains(case.exits(case.p80 {"undo"}, 1).stdout, "conflict")
  lu.assertEquals(value(), 7)
  case.exits(case.p80 {"undo", "1", "--force"}, 0)
  lu.assertNil(value())
end

-- Everything that a playbook can reach is poisoned before it asks for a change that it has no grant for.
local POISON = [==[
  local next, yes = next, function() return true end
  for _, name in ipairs {"pcall", "xpcall", "error", "type", "select", "next", "pairs", "ipairs", "rawget", "rawequal", "tostring",
    "setmetatable", "getmetatable", "require", "load"} do
    _ENV[name] = yes
  end
  for name in next, string do string[name] = function() return "*" end end
  for name in next, table do table[name] = yes end
  for name in next, utf8 do utf8[name] = yes end
  package.loaded = nil
  _G.next = yes
]==]

function T:test_poisoned_globals_do_not_open_the_gate()
  local result = case.exits(case.script(POISON .. "win.reg.set('HKCU\\\\Software\\\\p80-test', 'x', 1)"), 4)
  lu.assertStrContains(result.stderr, "P80_REFUSED")
  lu.assertFalse(win.reg.exists(KEY))
end

function T:test_poisoned_globals_do_not_blind_the_gate()
  case.exits(case.script(POISON .. "win.reg.set('HKCU\\\\Software\\\\p80-test', 'x', 1)", {"--allow", "reg.*"}), 0)
  lu.assertEquals(value(), 1)
  case.exits(case.p80 {"undo"}, 0)
  lu.assertFalse(win.reg.exists(KEY))
end

function T:test_a_script_may_use_the_names_of_libraries()
  local result = case.script [[type, pairs, ipairs, pcall, table, utf8, math, x = "a", "b", "c", "d", "e", "f", "g", "h"
    print(#win.reg.parse "REGEDIT4\n[HKEY_CURRENT_USER\\x]\n", win.account.get "S-1-1-0".sid)]]
  lu.assertStrContains(case.exits(result, 0).stdout, "1\tS-1-1-0")
end

function T:test_finalizers_metatables_and_env_cannot_change_anything()
  local result = case.script [==[
    local set = win.reg.set
    local tries = 0
    local function try() tries = tries + 1 set("HKCU\\Software\\p80-test", "x", 1) end
    setmetatable({}, {__gc = try})
    for i = 1, 100 do setmetatable({}, {__gc = function() pcall(try) end}) end
    collectgarbage()
    local poisoned = setmetatable({}, {__index = try, __tostring = try, __close = try, __name = try})
    pcall(set, poisoned, "x", 1)
    local function sandboxed() local _ENV = {win = win} win.reg.set("HKCU\\Software\\p80-test", "x", 1) end
    pcall(sandboxed)
    pcall(coroutine.wrap(try))
    local e = select(2, pcall(try))
    getmetatable(e).__index, getmetatable(e).__gc = try, try
    print(tries > 100, e.name)
    try() ]==]
  case.exits(result, 4)
  lu.assertStrContains(result.stdout, "true\tP80_REFUSED")
  lu.assertFalse(win.reg.exists(KEY))
end

function T:test_only_plain_data_crosses()
  for value, expected in pairs {
    ["print"] = "function", ["setmetatable({}, {})"] = "metatable", ["coroutine.create(print)"] = "coroutine", ["io.stdout"] = "userdata",
    ["(function() local t = {} t.t = t return t end)()"] = "nested", ["{[{}] = 1}"] = "table as key", ["{x = {y = print}}"] = "function",
  } do
    local result = case.exits(case.p80 {"--allow", "*", "-e", ("win.reg.set([[HKCU\\Software\\p80-test]], 'x', %s)"):format(value)}, 1)
    lu.assertStrContains(result.stderr, expected)
    lu.assertStrContains(result.stderr, "reg.set")
  end
  lu.assertFalse(win.reg.exists(KEY))
end

function T:test_ways_around_the_gate_do_not_exist()
  for _, code in ipairs {
    "assert(package.loadlib == nil and package.cpath == nil and package.path == nil)", "assert(string.dump == nil)",
    "assert(debug.getupvalue == nil and debug.setupvalue == nil and debug.getregistry == nil and debug.setmetatable == nil)",
    "assert(debug.sethook == nil and debug.upvaluejoin == nil and debug.getuservalue == nil and debug.debug == nil)",
    "assert(not load('\\27Lua'))", "assert(not load(function() return nil end, 'x', 'b') or true)", "assert(type(debug.traceback()) == 'string')",
    "assert(not pcall(require, 'core.init') and not pcall(require, 'core.gate'))", "assert(os.setlocale('de_DE') == nil)",
  } do
    case.exits(case.p80 {"-e", code}, 0)
  end
end

function T:test_files_and_programs_need_grants()
  local target = case.path "made.txt"
  for _, code in ipairs {
    "io.open([[%s]], 'w')", "io.open([[%s]], 'a+')", "io.open([[%s]], 'r+')", "io.output([[%s]])", "os.remove([[%s]])", "os.rename([[%s]], 'x')",
    "os.execute([[echo x > %s]])", "io.popen([[echo x > %s]])", "lfs.mkdir([[%s]])", "lfs.touch([[%s]])", "lfs.link('x', [[%s]])",
    "lfs.lock_dir([[%s]])", "os.tmpname([[%s]])", "io.tmpfile([[%s]])", "lfs.rmdir([[%s]])",
  } do
    lu.assertStrContains(case.exits(case.p80 {"-e", code:format(target)}, 4).stderr, "P80_REFUSED")
    lu.assertNil(lfs.attributes(target), code)
  end
  local write = ("local f = assert(io.open([[%s]], 'w')) f:write 'x' f:close()"):format(target)
  case.exits(case.p80 {"--check", "--allow", "file.write", "-e", write}, 3)
  lu.assertNil(lfs.attributes(target))
  case.exits(case.p80 {"--allow", "file.write:" .. case.folder .. "\\*", "-e", write}, 0)
  lu.assertEquals(case.read(target), "x")
  case.exits(case.p80 {"--allow", "file.write:" .. case.folder .. "\\sub\\*", "-e", ("io.open([[%s\\sub\\..\\made.txt]], 'w')"):format(case.folder)}, 4)
end

function T:test_a_grant_for_programs_is_none_for_command_lines()
  local calls = {"os.execute 'echo C:/tools/x.exe'", "io.popen('echo C:/tools/x.exe'):close()"}
  for _, pattern in ipairs {"*/x.exe", "echo*"} do
    for _, call in ipairs(calls) do
      lu.assertStrContains(case.exits(case.p80 {"--allow", "process.run:" .. pattern, "-e", call}, 4).stderr, "\\cmd.exe'")
    end
  end
  local result = case.exits(case.p80 {"--allow", [[process.run:*\cmd.exe]], "-e", table.concat(calls, " ")}, 0)
  lu.assertStrContains(result.stderr, "2 changes")
end

function T:test_the_original_functions_cannot_be_found_on_the_stack()
  local target = case.path "escaped.txt"
  local result = case.exits(case.script([==[
    local found
    local function look() found = debug.getinfo(2, "f").func or debug.getinfo(2).func end
    xpcall(io.open, look, "x", "rX") -- fails within the original
    xpcall(io.output, look, {})
    setmetatable({}, {__gc = look})
    for i = 1, 1000 do local f = io.open(arg[0]) f:close() end
    print(found, debug.getinfo(1, "l").currentline, debug.getinfo(look).what) ]==]), 0)
  lu.assertStrContains(result.stdout, "nil\t7\tLua")
  lu.assertNil(lfs.attributes(target))
end

function T:test_a_path_is_what_was_asked_for_whatever_its_type_and_the_current_folder()
  assert(lfs.mkdir(case.path "safe"))
  local allowed = "file.write:" .. case.path "safe" .. "\\*"
  case.exits(case.p80 {cwd = case.folder, "--allow", allowed, "-e", "io.output(12345)"}, 4)
  lu.assertNil(lfs.attributes(case.path "12345"))
  case.exits(case.p80 {cwd = case.path "safe", "--allow", allowed, "-e", [==[
    collectgarbage("incremental", 1, 1000)
    for i = 1, 200 do
      lfs.chdir [[]==] .. case.path "safe" .. [==[]]
      setmetatable({}, {__gc = function() lfs.chdir ".." end})
      local ok, f = pcall(io.open, "sub" .. i, "w")
      if ok and f then f:close() end
    end ]==]}, 0)
  for _, name in ipairs(case.files(case.folder)) do lu.assertNotStrContains(name, "sub") end
  case.exits(case.p80 {cwd = case.path "safe", "--allow", allowed, "-e", "lfs.link('..\\\\x', 'link', true)"}, 4)
end

function T:test_check_leaves_no_temporary_file()
  local result = case.exits(case.p80 {"--check", "--allow", "*", "-e", "print(os.tmpname())"}, 3)
  lu.assertNil(lfs.attributes(result.stdout:match "[^\r\n]+"))
end

function T:test_planned_files_are_read_with_win_file_read_alone()
  local path = case.write("old.txt", "old")
  local result = case.exits(case.p80 {"--check", "--allow", "*", "-e", ([==[
    local path, other = [[%s]], [[%s.new]]
    win.file.write(path, "new")
    io.open(other, "w"):write("x"):close()
    print(win.file.read(path), io.open(path):read "a", io.open(other), win.file.read(other)) ]==]):format(path, path)}, 3)
  lu.assertStrContains(result.stdout, "new\told\tnil")
end

function T:test_nothing_changes_after_the_end_and_one_document_is_printed()
  local late = MANIFEST:format "'reg.*'" .. "setmetatable({}, {__gc = function() " .. SET .. " end})"
  case.exits(case.script(late), 0)
  case.exits(case.script(late, {"--json"}), 0)
  lu.assertFalse(win.reg.exists(KEY))
  local result = case.exits(case.script("setmetatable({}, {__gc = function() os.exit(7) end})", {"--json"}), 0)
  lu.assertEquals(select(2, result.stdout:gsub('"p80":', "")), 1)
  for _, code in ipairs {
    "error(setmetatable({}, {__tostring = function() error 'x' end}))", "require 'p80'.report {[true] = 1}",
    "local _, e = pcall(win.tcp.probe, 0) e.extra = print error(e)",
  } do
    lu.assertTrue(case.exits(case.p80 {"--json", "-e", code}, 1).json.failed, code)
  end
end

function T:test_a_script_that_runs_for_its_manifest_has_no_grants()
  local path = case.write("sly.lua", SET)
  case.p80 {cwd = case.folder, stdin = "help sly.lua\n", "--allow", "*", "-i"}
  lu.assertFalse(win.reg.exists(KEY))
  lu.assertNotNil(lfs.attributes(path))
end

function T:test_the_state_folder_and_modules_stay_where_they_were_at_the_start()
  assert(lfs.mkdir(case.path "there"))
  case.write("m.lua", "return 'beside'")
  case.write("there\\m.lua", "return 'elsewhere'")
  case.write("s.lua", "lfs.chdir 'there' print(require 'm') " .. SET)
  local result = case.exits(case.p80 {cwd = case.folder, state = "here", "--allow", "*", "s.lua"}, 0)
  lu.assertStrContains(result.stdout, "beside")
  lu.assertNil(lfs.attributes(case.path "there\\here"))
  case.exits(case.p80 {cwd = case.folder, state = "here", "undo"}, 0)
end

function T:test_a_script_cannot_write_the_history()
  case.exits(case.p80 {"-e", "local c = require 'console' assert(not c.remember and not c.history)"}, 0)
end

function T:test_two_runs_at_once_the_second_waits_and_then_exits_6()
  local first = case.command {"--allow", "*", "-e", SET .. " require 'p80'.sleep(4)"}
  local running = test.start(first)
  case.later(function() running:close() end)
  case.wait("the first run", function() return value() == 1 end)
  local second = "win.reg.set([[HKCU\\Software\\p80-test]], 'y', 2)"
  local result = case.exits(case.p80 {"--timeout", "0.5", "--allow", "*", "-e", second}, 6)
  lu.assertStrContains(result.stderr, "Another p80")
  lu.assertNil((win.reg.get(KEY, "y")))
  case.exits(case.p80 {"--timeout", "20", "--allow", "*", "-e", second}, 0)
  lu.assertEquals((win.reg.get(KEY, "y")), 2)
end

function T:test_an_unwritable_state_folder_stops_the_first_change()
  local file = case.write("plain-file", "x")
  local result = case.exits(case.p80 {state = file, "--allow", "*", "-e", SET}, 1)
  lu.assertStrContains(result.stderr, "plain-file")
  lu.assertFalse(win.reg.exists(KEY))
end

function T:test_truncated_and_corrupted_journals()
  case.exits(case.p80 {"--allow", "*", "-e", SET}, 0)
  local path = case.state .. "\\runs\\000001.jsonl"
  local text = case.read(path)
  case.write(path, text .. '{"step":3,"ki')
  case.exits(case.p80 {"runs"}, 0)
  case.write(path, text:gsub('"have"', '"ha\0e"', 1):gsub("\n{", "\n}", 1))
  lu.assertStrContains(case.exits(case.p80 {"runs"}, 0).stdout, "unreadable")
  lu.assertStrContains(case.exits(case.p80 {"undo"}, 1).stderr, "000001.jsonl")
  lu.assertEquals(value(), 1)
  case.write(path, text:sub(1, -20))
  case.exits(case.p80 {"undo"}, 0)
  lu.assertNil(value())
end

function T:test_error_objects_have_all_their_fields()
  local result = case.exits(case.script([[
    local ok, e = pcall(win.reg.set, "HKCU\\Software\\p80-test", "x", 1)
    assert(not ok and type(e) == "table")
    require "p80".report {op = e.op, target = e.target, code = e.code, name = e.name, message = e.message, hint = e.hint, text = tostring(e)} ]],
    {"--json"}), 0).json.result
  lu.assertEquals({result.op, result.name, result.code}, {"reg.set", "P80_REFUSED", 0x20000004})
  for _, field in ipairs {"target", "message", "hint"} do lu.assertIsString(result[field]) end
  lu.assertStrContains(result.text, ("reg.set '%s': %s (P80_REFUSED); "):format(result.target, result.message))
end
