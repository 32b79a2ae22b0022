-- win.process.split and join against CommandLineToArgvW itself; find; run, raw and behind the gate.
local lu = require "luaunit"
local case = require "case"
local fakecore = require "fakecore"
local failure, process = fakecore.failure, win.process

local ECHO = test.bin .. "echo.exe"
local NOT_FOUND, INVALID, TOO_LARGE, TIMEOUT, REFUSED = 2, 87, 223, 1460, 0x20000004

local function assert_problem(code, op, target, f, ...)
  local text, problem = failure(f, ...)
  lu.assertEquals({problem.code, problem.op, problem.target}, {code, op, target}, text)
  return problem
end

-- ---- Command lines ----

local Line = case.suite "Line"

-- What CommandLineToArgvW makes of each line.
local function windows_splits(lines)
  local result = test.spawn {path = ECHO, args = {"--split"}, stdin = table.concat(lines, "\n") .. "\n", timeout = 100}
  lu.assertEquals({result.code, result.timed_out}, {0, false})
  local all = {}
  for text in result.stdout:gmatch "([^\n]*)\n" do
    local words = {}
    for word in text:gmatch "([^\x1F]*)\x1F" do words[#words + 1] = word end
    all[#all + 1] = words
  end
  lu.assertEquals(#all, #lines)
  return all
end

local PIECES = {"a", "b", " ", " ", "\t", '"', '"', '""', '"""', "\\", "\\", "\\\\", '\\"', "\u{FC}", "C:\\x y", "%", "^", ""}

local function random_text(most)
  local pieces = {}
  for i = 1, math.random(0, most) do pieces[i] = PIECES[math.random(#PIECES)] end
  return table.concat(pieces)
end

local KNOWN = { -- the table of Microsoft's page, and what once went wrong elsewhere
  {[["a b c" d e]], {"a b c", "d", "e"}},
  {[[x "ab\"c" "\\" d]], {"x", [[ab"c]], [[\]], "d"}},
  {[[x a\\\b d"e f"g h]], {"x", [[a\\\b]], "de fg", "h"}},
  {[[x a\\\"b c d]], {"x", [[a\"b]], "c", "d"}},
  {[[x a\\\\"b c" d e]], {"x", [[a\\b c]], "d", "e"}},
  {[["C:\p\" "" x]], {[[C:\p\]], "", "x"}},
  {[["a]], {"a"}}, {[["]], {""}}, {" x", {"", "x"}}, {[[x "]], {"x", ""}}, {"", {}}, {"x \t ", {"x"}},
  {[["a"b c]], {"a", "b", "c"}}, {[[x """" y]], {"x", '" y'}}, {[[x """a b""" y]], {"x", [["a]], [[b"]], "y"}},
}

function Line:test_known_lines()
  for _, known in ipairs(KNOWN) do lu.assertEquals(process.split(known[1]), known[2], known[1]) end
end

-- P80_FUZZ_CASES and P80_FUZZ_SEED make this the long run that docs/verified.md speaks of.
function Line:test_random_lines_are_taken_apart_as_windows_does()
  local cases, seed = tonumber(os.getenv "P80_FUZZ_CASES" or 4000), tonumber(os.getenv "P80_FUZZ_SEED" or 1)
  math.randomseed(seed)
  for done = 0, cases - 1, 20000 do
    local lines = {}
    for i = 1, math.min(20000, cases - done) do lines[i] = random_text(14) end
    for _, known in ipairs(KNOWN) do lines[#lines + 1] = known[1] end
    for i, words in ipairs(windows_splits(lines)) do
      local mine = process.split(lines[i])
      if table.concat(mine, "\x1F") ~= table.concat(words, "\x1F") or #mine ~= #words then
        lu.assertEquals(mine, words, ("seed %d, line %q"):format(seed, lines[i]))
      end
    end
  end
end

function Line:test_what_was_joined_comes_apart_again()
  local cases = tonumber(os.getenv "P80_FUZZ_CASES" or 4000)
  for done = 0, cases - 1, 20000 do
    local all, lines = {}, {}
    for i = 1, math.min(20000, cases - done) do
      local words = {(random_text(4):gsub('"', "") .. "x")}
      for k = 2, math.random(1, 6) do words[k] = random_text(6) end
      all[i], lines[i] = words, process.join(words)
    end
    for i, words in ipairs(windows_splits(lines)) do
      local mine, wanted = process.split(lines[i]), table.concat(all[i], "\x1F")
      if table.concat(words, "\x1F") ~= wanted or table.concat(mine, "\x1F") ~= wanted then
        lu.assertEquals({mine, words}, {all[i], all[i]}, lines[i])
      end
    end
  end
end

function Line:test_bad_input()
  for _, line in ipairs {5, true, {}, "a\0b", "\xFF"} do
    assert_problem(INVALID, "process.split", "line", process.split, line)
  end
  assert_problem(INVALID, "process.split", "arguments", process.split)
  assert_problem(INVALID, "process.join", "words", process.join, "x")
  assert_problem(INVALID, "process.join", "words[2]", process.join, {"x", 5})
  assert_problem(INVALID, "process.join", "words[2]", process.join, {"x", "a\0"})
  assert_problem(INVALID, "process.join", "words[1]", process.join, {'a"b'})
  assert_problem(INVALID, "process.join", "arguments", process.join, {}, {})
end

-- ---- Finding programs ----

local Find = case.suite "Find"

local SYSTEM32 = os.getenv "SystemRoot" .. "\\system32\\"

function Find:test_bare_names_are_system32s_alone()
  lu.assertEquals(process.find("CMD.exe"):lower(), SYSTEM32:lower() .. "cmd.exe")
  lu.assertEquals(process.find("reg"):lower(), SYSTEM32:lower() .. "reg.exe")
  case.write("planted.exe", case.read(ECHO))
  local folder = lfs.currentdir()
  lfs.chdir(case.folder)
  lu.assertNil(process.find "planted")
  lu.assertNil(process.find("planted", {search = true}))
  lfs.chdir(folder)
end

function Find:test_search_takes_the_machines_path()
  local key = [[HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment]]
  local path, kind = win.reg.get(key, "Path")
  case.later(function() win.reg.set(key, "Path", path, {type = kind}) end)
  case.write("planted.exe", "x")
  win.reg.set(key, "Path", ("relative;%%SystemRoot%%;%s;%%NONE%%\\x"):format(case.folder), {type = "expand_sz"})
  lu.assertEquals(process.find("planted", {search = true}), case.folder .. "\\planted.exe")
  lu.assertNil(process.find "planted")
  local windows = case.write(os.getenv "SystemRoot" .. "\\planted2.exe", "x")
  lu.assertEquals(process.find("planted2", {search = true}):lower(), windows:lower())
end

function Find:test_paths()
  lu.assertEquals(process.find(case.write("a b.exe", "x")), case.folder .. "\\a b.exe")
  lu.assertEquals(process.find(case.folder .. "/./x/../a b"), case.folder .. "\\a b.exe")
  lu.assertNil(process.find(case.folder))
  lu.assertNil(process.find(case.folder .. "\\no.exe"))
  for _, name in ipairs {"", "..\\x", "x\\y", "C:x", "C:\\x:stream", "\\x", "/x"} do
    assert_problem(INVALID, "process.find", "name", process.find, name)
  end
  assert_problem(INVALID, "process.find", "serch", process.find, "x", {serch = true})
  assert_problem(INVALID, "process.find", "name", process.find, 5)
end

function Find:test_environment()
  test.setenv("P80_\u{FC}", "x=y")
  lu.assertEquals(process.environment()["P80_\u{FC}"], "x=y")
  test.setenv("P80_\u{FC}", nil)
  lu.assertNil(process.environment()["P80_\u{FC}"])
end

-- ---- Running ----

local Run = case.suite "Run"

local function open(options) return fakecore.open {files = {}, options = options} end

-- Runs echo.exe with these words; `more` are other options.
local function echo(words, more, core)
  local options = {program = ECHO, args = words, timeout = 20}
  for key, value in pairs(more or {}) do options[key] = value end
  return (core or open()).call("process.run", options)
end

function Run:test_arguments_arrive_as_they_are()
  local words = {"", "a b", 'q"uote', "back\\slash", "end\\", "end b\\", '\\"', "\\\\", "%PATH%", "^&|<>", "\u{DC} \u{1F600}", "\t", "*"}
  local expected = table.concat(words, "\n") .. "\n"
  lu.assertEquals(echo({"--args", table.unpack(words)}).stdout, expected)
  lu.assertEquals(echo({"--c-args", table.unpack(words)}).stdout, expected)
  lu.assertEquals(echo({"--args", {raw = '/x="a b" c'}, {secret = "s t"}}).stdout, "/x=a b\nc\ns t\n")
end

function Run:test_what_comes_back()
  local result = echo {"--code", "70000"}
  lu.assertEquals({result.code & 0xFF, result.stdout, result.stderr}, {70000 & 0xFF, "", ""}) -- Wine keeps 8 bits
  local input = ("\0line\r\n"):rep(30000)
  result = echo({"--input"}, {stdin = input, encoding = "binary"})
  lu.assertEquals({result.stdout == input, result.stderr, result.stdout_encoding}, {true, tostring(#input), "binary"})
  lu.assertEquals(echo({"--input"}).stderr, "0")
  lu.assertEquals(echo({"--sleep", "0"}, {stdin = input}).code, 0) -- it does not read it
end

function Run:test_folder_and_environment()
  lu.assertEquals(echo({"--folder"}, {cwd = case.folder}).stdout, case.folder .. "\n")
  lu.assertEquals(echo({"--folder"}).stdout, lfs.currentdir():gsub("/", "\\") .. "\n")
  test.setenv("P80_GONE", "here")
  local env = {["p80_new"] = "a=\u{FC}", P80_GONE = false}
  lu.assertEquals(echo({"--env", "P80_NEW"}, {env = env}).stdout, "a=\u{FC}\n")
  lu.assertEquals(echo({"--env", "P80_GONE"}, {env = env}).stdout, "(none)\n")
  lu.assertEquals(echo({"--env", "P80_GONE"}, {env = {}}).stdout, "here\n")
  lu.assertEquals(echo({"--env", "SystemRoot"}, {env = env}).stdout:lower(), os.getenv "SystemRoot":lower() .. "\n")
  test.setenv("P80_GONE", nil)
end

function Run:test_encodings()
  local function decoded(hex, encoding)
    local result = echo({"--bytes", hex}, {encoding = encoding})
    return {result.stdout, result.stdout_encoding}
  end
  lu.assertEquals(decoded "610D0A62", {"a\nb", "utf-8"})
  lu.assertEquals(decoded "EFBBBFC3BC", {"\u{FC}", "utf-8"})
  lu.assertEquals(decoded "FFFEFC003DD800DE", {"\u{FC}\u{1F600}", "utf-16"})
  lu.assertEquals(decoded "6100620063000D000A00", {"abc\n", "utf-16"})
  lu.assertEquals(decoded "6181", {"a\u{FC}", "oem"}) -- Wine's OEMCP is 437
  lu.assertEquals(decoded("C3BC", "oem"), {"\u{251C}\u{255D}", "oem"})
  lu.assertEquals(decoded("FC0D0A", "ansi"), {"\u{FC}\n", "ansi"})
  lu.assertEquals(decoded("FC0D0A", "binary"), {"\xFC\r\n", "binary"})
  lu.assertEquals(decoded("", "utf-16"), {"", "utf-16"})
end

local function is_alive(pid) return process.get(math.tointeger(tonumber(pid))) ~= nil end

local function sleepers()
  local n = 0
  for _, row in ipairs(process.list()) do if row.name == "echo.exe" then n = n + 1 end end
  return n
end

function Run:test_timeout_ends_the_whole_tree()
  local core = open()
  local problem = assert_problem(TIMEOUT, "process.run", ECHO, echo, {"--tree", "60"}, {timeout = 1}, core)
  lu.assertStrContains(problem.message, "ended with all that it had started")
  case.wait("the tree to end", function() return sleepers() == 0 end, 5)
  lu.assertEquals(#core.gate.changes(), 1) -- it ran: what it did by then is done
  lu.assertFalse(core.gate.changes()[1].taken)
end

function Run:test_what_outlives_the_program_is_left()
  local began = test.clock()
  local result = echo {"--leave", "30"}
  lu.assertTrue(test.clock() - began < 15)
  lu.assertTrue(is_alive(result.stdout))
  process.stop(math.tointeger(tonumber(result.stdout)))
end

function Run:test_output_without_end()
  assert_problem(TOO_LARGE, "process.run", ECHO, echo, {"--flood"}, {timeout = 60})
  case.wait("it to end", function() return sleepers() == 0 end, 5)
end

function Run:test_batch_files()
  local path = case.write("b a t.cmd", "@echo [%1] [%~2] %3\r\n@exit /b 3\r\n")
  local core = open()
  local result = core.call("process.run", {program = path, args = {"a b", "c\\", "(x)"}, timeout = 20})
  lu.assertEquals({result.stdout, result.code}, {'["a b"] [c\\\\] "(x)"\n', 3})
  lu.assertEquals(core.gate.changes()[1].label, path)
  for _, text in ipairs {'"', "%PATH%", "a&b", "a|b", "a<b", "a>b", "^", "!x!", "a\nb", "a\rb"} do
    local problem = assert_problem(INVALID, "process.run", "args[1]", core.call, "process.run", {program = path, args = {text}})
    lu.assertStrContains(problem.message, "batch file")
    problem = assert_problem(INVALID, "process.run", "args[1]", core.call, "process.run",
      {program = path, args = {{secret = text .. "geheim"}}})
    lu.assertNil(tostring(problem):find "geheim")
  end
  lu.assertEquals(#core.gate.changes(), 1)
  local odd = case.write("100%.bat", "@echo ran")
  assert_problem(INVALID, "process.run", "program", core.call, "process.run", {program = odd})
end

-- ---- The gate ----

local Gate = case.suite "Gate"

function Gate:test_journal_has_the_command_without_its_secrets()
  local files = {}
  local core = fakecore.open {files = files}
  for _ = 1, 2 do echo({"--args", {secret = "geheim"}, "of\u{DC}en"}, {stdin = "geheim", env = {X = "geheim"}}, core) end
  assert_problem(267, "process.run", ECHO, echo, {{secret = "geheim"}}, {cwd = "C:\\no\\such"}, core)
  local out, err = core.finish()
  local all = out .. err
  for _, text in pairs(files) do all = all .. text end
  lu.assertNil(all:find "geheim")
  lu.assertStrContains(all, "--args *** of\u{DC}en")
  lu.assertStrContains(all, '"code":0')
  local changes = core.gate.changes()
  lu.assertEquals({#changes, changes[2].kind, changes[2].label, changes[2].undoable, changes[2].after.ran},
    {2, "process.run", ECHO, false, 2})
  local report = fakecore.open({files = files}).undo.run(1)
  for _, step in ipairs(report.steps) do
    if step.outcome ~= "unchanged" then lu.assertEquals(step.outcome, "impossible") end
  end
  lu.assertEquals(report.failed, 2)
end

function Gate:test_needs_a_grant_for_that_very_file()
  local other = case.write("echo.exe", case.read(ECHO))
  for allow, allowed in pairs {["process.run:" .. ECHO:upper()] = true, ["process.run:" .. other] = false,
    ["process.run:echo.exe"] = false, ["process.state"] = false, ["process.run"] = true} do
    local core = open {allow = {allow}}
    if allowed then lu.assertEquals(echo({"--code", "3"}, nil, core).code, 3)
    else assert_problem(REFUSED, "process.run", ECHO, echo, {"--code", "3"}, nil, core) end
  end
end

function Gate:test_check_runs_nothing()
  local core = open {check = true}
  local path = case.path "touched"
  for _ = 1, 2 do
    local result = core.call("process.run", {program = "cmd", args = {"/c", "echo x> " .. path}})
    lu.assertEquals({result.code, result.stdout, result.stderr, result.planned}, {0, "", "", true})
  end
  lu.assertNil(lfs.attributes(path))
  lu.assertEquals(#core.gate.changes(), 2)
  local out, _, exit = core.finish()
  lu.assertStrContains(out, "2 changes would be made")
  lu.assertStrContains(out, "cmd.exe")
  lu.assertEquals(exit, 3)
end

function Gate:test_programs_that_are_not_there_or_are_none()
  local core = open()
  assert_problem(NOT_FOUND, "process.run", "no-such-program", core.call, "process.run", {program = "no-such-program"})
  local text = case.write("text.exe", "no program")
  local _, problem = failure(core.call, "process.run", {program = text})
  lu.assertEquals({problem.op, problem.target}, {"process.run", text})
  lu.assertEquals(#core.gate.changes(), 0)
end

function Gate:test_bad_input()
  for _, check in ipairs {true, false} do
    local core = open {check = check}
    local function bad(target, options)
      return assert_problem(INVALID, "process.run", target, core.call, "process.run", options)
    end
    bad("options", "cmd.exe")
    lu.assertStrContains(bad("arg", {program = ECHO, arg = {}}).hint, "args")
    bad("program", {})
    bad("program", {program = 5})
    bad("name", {program = "..\\x.exe"})
    bad("args", {program = ECHO, args = "x"})
    bad("args", {program = ECHO, args = {x = "y"}})
    bad("args[2]", {program = ECHO, args = {"x", 5}})
    bad("args[1]", {program = ECHO, args = {"a\0b"}})
    for _, value in ipairs {{}, {secret = 5}, {secret = "geheim\0"}, {secret = "geheim", raw = "y"}, {sekret = "geheim"}} do
      lu.assertNil(tostring(bad("args[1]", {program = ECHO, args = {value}})):find "geheim")
    end
    bad("cwd", {program = ECHO, cwd = 5})
    bad("env", {program = ECHO, env = "x"})
    bad("env", {program = ECHO, env = {["a=b"] = "x"}})
    bad("env", {program = ECHO, env = {"x"}})
    lu.assertNil(tostring(bad("env.X", {program = ECHO, env = {X = "geheim\0"}})):find "geheim")
    bad("stdin", {program = ECHO, stdin = 5})
    bad("timeout", {program = ECHO, timeout = -1})
    bad("encoding", {program = ECHO, encoding = "utf8"})
    bad("search", {program = ECHO, search = "yes"})
    assert_problem(INVALID, "process.run", "arguments", core.call, "process.run")
    lu.assertEquals(#core.gate.changes(), 0)
  end
end

function Gate:test_no_handle_is_left_open()
  local core = open()
  local function all()
    echo({"--args", "x"}, nil, core)
    pcall(echo, {"x"}, {cwd = "C:\\no\\such"}, core)
  end
  all()
  local before = test.handle_count()
  for _ = 1, 10 do all() end
  lu.assertEquals(test.handle_count(), before)
end
