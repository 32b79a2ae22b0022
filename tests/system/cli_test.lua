-- The command line: what runs, what is printed where, and the exit codes.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "CommandLine"

local function lines(text) return (text:gsub("\r\n", "\n")) end

function T:test_version_and_help()
  local version = case.exits(case.p80 {"--version", state = false}, 0)
  lu.assertStrMatches(lines(version.stdout), "p80 %d+%.%d+%.%d+ %(Lua 5%.4%.7, lfs 1%.8%.0, x%d%d%)\n")
  local help = case.exits(case.p80 {"--help", state = false}, 0)
  for _, word in ipairs {"--check", "--json", "--allow", "undo", "3010"} do lu.assertStrContains(help.stdout, word) end
  lu.assertEquals(help.stderr, "")
end

function T:test_misspelt_options_and_missing_values_are_usage_errors()
  for words, expected in pairs {
    [{"--chekc", "x.lua"}] = "--check", [{"--allow"}] = "--allow needs a value", [{"--timeout", "soon"}] = "'soon'",
    [{"--timeout=-1", "x"}] = "'-1'", [{"--timeout", "nan", "x"}] = "'nan'", [{"-e"}] = "-e needs Lua code",
    [{"-e", "", "--allow", "*"}] = "'--allow' comes too late", [{"-e", "", "-e", "error()"}] = "'-e' comes too late",
    [{"show"}] = "which playbook",
    [{"runs", "extra"}] = "extra", [{"undo", "1", "2"}] = "'2'", [{"--zzzzzzzz"}] = "--zzzzzzzz",
  } do
    local result = case.exits(case.p80(words), 2)
    lu.assertStrContains(result.stderr, expected)
    lu.assertEquals(result.stdout, "")
  end
end

function T:test_wrong_arguments_of_a_playbook_say_what_was_meant()
  for words, expected in pairs {
    [{"free80", "--prot", "80"}] = "did you mean '--port'?", [{"free80", "--chekc"}] = "did you mean '--check'?",
    [{"free80", "--port", "http"}] = "`p80 free80 --help`", [{"free80", "--allow", "x"}] = "p80 --allow ... free80",
    [{"free80", "--port", "99999"}] = "got 99999. (",
  } do
    local result = case.exits(case.p80(words), 2)
    lu.assertStrContains(result.stderr, expected)
    lu.assertEquals(select(2, result.stderr:gsub("\n", "")), 1)
  end
end

-- What has no name here is called as it was: `p80 quiet` would find nothing.
function T:test_help_of_a_file_names_the_file()
  local path = case.write("a file.lua", "require 'p80'.playbook {name = 'quiet', version = '1.0.0', summary = 'x'}")
  lu.assertStrContains(case.exits(case.p80 {path, "--help"}, 0).stdout, ('Usage: p80 "%s" ['):format(path))
  lu.assertStrContains(case.exits(case.p80 {path, "--nosuch"}, 2).stderr, ('`p80 "%s" --help`'):format(path))
  lu.assertStrContains(case.exits(case.p80 {"help", "free80"}, 0).stdout, "Usage: p80 free80 [")
end

function T:test_what_was_meant_is_suggested()
  case.write("tidy.lua", "print 1")
  for _, one in ipairs {
    {1, "lint", "help", "lnt"}, {1, "win.scm.stop", "help", "win.scm.stpo"}, {1, "report", "show", "repor"}, {2, "lint", "lnt"},
    {1, "init", "policy", "inti"},
    {2, "undo", "undoo"}, {2, "free80", "free8"}, {2, "tidy.lua", "tdy.lua"}, {2, case.folder .. "\\tidy.lua", case.folder .. "\\tidi.lua"},
  } do
    local words = {table.unpack(one, 3)}
    words.cwd = case.folder
    lu.assertStrContains(case.exits(case.p80(words), one[1]).stderr, ("did you mean '%s'?"):format(one[2]))
  end
  for _, name in ipairs {"lint", "win.scm.stop"} do
    lu.assertStrContains(case.exits(case.p80 {"show", name}, 1).stderr, ("`p80 help %s` explains that"):format(name))
  end
end

function T:test_help_about_a_part_of_a_command()
  lu.assertStrContains(case.exits(case.p80 {"help", "service", "install"}, 0).stdout, "Usage: p80 service install")
  lu.assertStrContains(case.exits(case.p80 {"help", "free80", "x"}, 2).stderr, "unexpected 'x'")
end

-- What a script says with error(text, 0) is for people: a traceback comes with --verbose.
function T:test_an_error_that_is_meant()
  local code = "error('there is no shop', 0)"
  lu.assertEquals(lines(case.exits(case.p80 {"-e", code}, 1).stderr), "p80: there is no shop\n")
  lu.assertStrContains(case.exits(case.p80 {"--verbose", "-e", code}, 1).stderr, "stack traceback")
  lu.assertStrContains(case.exits(case.p80 {"-e", code, "--json"}, 1).json.error.traceback, "stack traceback")
  lu.assertStrContains(case.exits(case.p80 {"-e", "error 'x'"}, 1).stderr, "stack traceback")
  local refused = [[win.reg.set("HKCU\\Software\\x", "x", 1)]] -- nor is what is refused a fault of the script
  lu.assertNotStrContains(case.exits(case.p80 {"-e", refused}, 4).stderr, "stack traceback")
  lu.assertStrContains(case.exits(case.p80 {"--verbose", "-e", refused}, 4).stderr, "stack traceback")
  local path = case.write("late.lua", "win.scm.stop 'PlugPlay'")
  lu.assertStrContains(case.exits(case.p80 {"help", path}, 1).stderr, "it declares no manifest before scm.stop. (")
end

function T:test_whatever_is_asked_with_json_is_one_document()
  for words, key in pairs {
    [{"help"}] = "version", [{"--help"}] = "version", [{"list", "--help"}] = "version", [{"--version"}] = "lua",
    [{"help", "lint"}] = "text", [{"lint", "--help"}] = "text", [{"service", "install", "--help"}] = "text", [{"test", "--help"}] = "text",
    [{"help", "win.scm"}] = "text", [{"help", "win.scm.stop"}] = "signature", [{"help", "report"}] = "args", [{"report", "--help"}] = "args",
    [{"show", "report"}] = "source", [{"complete", "--help"}] = "text",
  } do
    table.insert(words, "--json")
    local result = case.exits(case.p80(words), 0)
    lu.assertNotNil(result.json, result.stdout)
    lu.assertNotNil(result.json[key], result.stdout)
  end
end

function T:test_help_knows_functions_and_commands()
  lu.assertStrContains(case.exits(case.p80 {"help", "scm.stop", state = false}, 0).stdout, "win.scm.stop(name [, options]) -> changed")
  lu.assertStrContains(case.exits(case.p80 {"help", "win", state = false}, 0).stdout, "win.http.iplisten")
  lu.assertStrContains(case.exits(case.p80 {"help", "p80.playbook", state = false}, 0).stdout, "grants")
  lu.assertStrContains(case.exits(case.p80 {"help", "win.scm.stpo", state = false}, 1).stderr, "did you mean 'win.scm.stop'?")
  lu.assertStrContains(case.exits(case.p80 {"undo", "--help", state = false}, 0).stdout, "usage: p80")
  lu.assertStrContains(case.exits(case.p80 {"help", "nonsense", state = false}, 1).stderr, "p80 help win")
end

function T:test_check_that_fails_does_not_say_that_nothing_would_change()
  local result = case.exits(case.p80 {"--check", "-e", "win.scm.stop 'p80-none'"}, 1)
  lu.assertEquals(result.stdout, "")
end

function T:test_scripts_of_every_shape()
  local BOM = "\xEF\xBB\xBF"
  for name, text in pairs {
    empty = "", bom = BOM .. "print 'ran'", crlf = "print\r\n'ran'\r\n", shebang = "#!/usr/bin/env p80\r\nprint 'ran'",
    both = BOM .. "#!p80\nprint 'ran'",
  } do
    local result = case.exits(case.script(text), 0)
    lu.assertEquals(lines(result.stdout), name == "empty" and "" or "ran\n", name)
  end
end

function T:test_what_is_no_script_is_named()
  local folder = case.path "folder.lua"
  assert(lfs.mkdir(folder))
  for path, expected in pairs {
    [folder] = "folder", [case.path "none.lua"] = "no such file", [case.write("b.lua", "\27Lua\x54\0")] = "binary chunk",
    [case.write("u16.lua", "\xFF\xFEp\0")] = "UTF-16", [case.write("wrong.lua", "x = = 1")] = "wrong.lua:1:",
    [case.path "lone\xED\xA0\x80.lua"] = "no such file",
  } do
    local result = case.exits(case.p80 {path}, 2)
    lu.assertStrContains(result.stderr, expected)
  end
end

function T:test_script_arguments_arrive_and_p80s_switches_are_taken_out()
  local text = "print(#arg, arg[0] ~= nil, ...) print(require 'p80'.check)"
  local result = case.script(text, {"--check"}, "a b", "ü", "--json=no", "--", "--json", "")
  lu.assertStrContains(lines(result.stdout), "5\ttrue\ta b\tü\t--json=no\t--json\t\ntrue\n")
end

function T:test_code_and_standard_input()
  lu.assertEquals(lines(case.exits(case.p80 {"-e", "print(...)", "x"}, 0).stdout), "x\n")
  lu.assertEquals(lines(case.exits(case.p80 {"-", stdin = "print 'in'"}, 0).stdout), "in\n")
  case.exits(case.p80 {"-e", "x("}, 2)
end

function T:test_errors_have_their_message_traceback_and_code()
  local result = case.exits(case.script "local function deep() error 'boom' end\ndeep()", 1)
  lu.assertStrContains(result.stderr, "script.lua:1: boom")
  lu.assertStrContains(result.stderr, "stack traceback:")
  lu.assertStrContains(result.stderr, "script.lua:2:")
  lu.assertEquals(result.stdout, "")
  lu.assertStrContains(case.exits(case.p80 {"-e", "error {}"}, 1).stderr, "table value")
  lu.assertStrContains(case.exits(case.p80 {"-e", "error(setmetatable({}, {__tostring = function() return 'mine' end}))"}, 1).stderr, "mine")
end

function T:test_a_function_that_there_is_not()
  local path = case.write("misspelt.lua", 'win.scm.strat "x"')
  lu.assertStrContains(case.exits(case.p80 {path}, 1).stderr, ('`p80 lint "%s"`'):format(path))
  lu.assertStrContains(case.exits(case.p80 {"lint", path}, 1).stdout, "did you mean 'win.scm.start'?")
  lu.assertStrContains(case.exits(case.p80 {"-e", "win.scm.strat()"}, 1).stderr, "`p80 help win`")
  lu.assertNotStrContains(case.exits(case.p80 {"-e", "local t = {}; t[1]()"}, 1).stderr, "p80 help")
end

function T:test_where_no_event_log_can_be_read()
  local result = case.exits(case.p80 {"-e", 'win.event.read "System"'}, 1)
  lu.assertStrContains(result.stderr, "ERROR_CALL_NOT_IMPLEMENTED")
  lu.assertStrContains(result.stderr, "what p80 itself has changed is in `p80 runs`")
end

-- That nothing had to change is said where something could have had to.
function T:test_nothing_had_to_change()
  local manifest = "require 'p80'.playbook {name = 'x', version = '1.0.0', summary = 'x', grants = {%s}} "
  local function says(words) return case.exits(case.p80(words), 0).stderr:gsub("\r", "") end
  lu.assertEquals(says {"report", "--port", "1"}, "")
  lu.assertEquals(says {case.write("none.lua", manifest:format "")}, "")
  lu.assertEquals(says {case.write("reads.lua", manifest:format "'scm.state'")}, "p80: nothing had to change.\n")
  lu.assertEquals(says {"-e", "win.scm.list()"}, "")
  lu.assertEquals(says {"--allow", "reg.key", "-e", "win.reg.create [[HKCU\\Software]]"}, "p80: nothing had to change.\n")
end

function T:test_os_exit_passes_through()
  local codes = {["7"] = 7, ["true"] = 0, ["false"] = 1, [""] = 0, ["3010"] = 3010, ["-1"] = 0xFFFFFFFF,
    ["0x80070005"] = 0x80070005}
  for given, code in pairs(codes) do case.exits(case.p80 {"-e", ("os.exit(%s)"):format(given)}, code) end
  local result = case.exits(case.p80 {"--json", "-e", "os.exit(-1)"}, 0xFFFFFFFF)
  lu.assertEquals({result.json.exit, result.json.failed}, {-1, true})
  result = case.exits(case.p80 {"-e", "os.exit(1 << 40)"}, 1)
  lu.assertStrContains(result.stderr, "an exit code of Windows has 32 bits")
end

function T:test_json_is_exactly_one_document_whatever_the_script_prints()
  local result = case.exits(case.script([[
    print "noise" io.write "more" io.stdout:write "and more"
    require "p80".report {found = {1, 2}, text = "é"} ]], {"--json"}), 0)
  lu.assertEquals({result.json.exit, result.json.failed, result.json.result.found, result.json.result.text}, {0, false, {1, 2}, "é"})
  lu.assertStrContains(result.stderr, "noise")
  result = case.exits(case.script("error 'boom'", {"--json"}), 1)
  lu.assertEquals({result.json.exit, result.json.failed}, {1, true})
  lu.assertStrContains(result.json.error.message, "boom")
  result = case.exits(case.p80 {"--json", "nosuch"}, 2)
  lu.assertEquals(result.json.exit, 2)
  result = case.exits(case.p80 {"--json", "-e", "os.exit(9)"}, 9)
  lu.assertEquals(result.json.exit, 9)
end

function T:test_planted_environment_is_not_read()
  local marker = case.path "planted"
  local evil = ("local f = io.open([[%s]], 'w') if f then f:close() end print 'PLANTED'"):format(marker)
  local module = case.write("evil.lua", evil)
  local env = {LUA_INIT = evil, LUA_INIT_5_4 = "@" .. module, LUA_PATH = case.path "?.lua", LUA_PATH_5_4 = case.path "?.lua",
    LUA_CPATH = case.path "?.dll", P80_PATH = case.path "?.lua"}
  local result = case.p80 {"-e", "print(pcall(require, 'evil'))", env = env, cwd = case.folder}
  lu.assertStrContains(result.stdout, "false")
  lu.assertNil((result.stdout .. result.stderr):find "PLANTED")
  lu.assertNil(lfs.attributes(marker))
end

function T:test_require_finds_bundled_modules_and_those_beside_the_script()
  assert(lfs.mkdir(case.path "lib"))
  case.write("lib\\mine.lua", "return {name = ...}")
  case.write("own.lua", "return 'own'")
  local result = case.exits(case.script "print(require 'own', require 'lib.mine'.name, type(require 'inspect'), type(require 'lfs'))", 0)
  lu.assertEquals(lines(result.stdout), "own\tlib.mine\ttable\ttable\n")
  for _, name in ipairs {"..\\own", "C:own", "lib/mine", "lib..mine", ".own", "own.", "own\\0"} do
    result = case.script(("require '%s'"):format(name:gsub("\\", "\\\\")))
    case.exits(result, 1)
  end
end

function T:test_bundled_playbooks_are_listed_helped_and_shown()
  lu.assertStrContains(case.exits(case.p80 {"list"}, 0).stdout, "free80")
  local help = case.exits(case.p80 {"help", "free80"}, 0)
  for _, word in ipairs {"--port", "--up-to", "--persist", "--kill", "--timeout", "scm.state"} do lu.assertStrContains(help.stdout, word) end
  lu.assertEquals(case.exits(case.p80 {"free80.lua", "--help"}, 0).stdout, help.stdout)
  lu.assertStrContains(case.exits(case.p80 {"show", "free80"}, 0).stdout, "p80.playbook")
  lu.assertStrContains(case.exits(case.p80 {"help", "nosuch"}, 1).stderr, "nosuch")
  case.exits(case.p80 {"free80", "--prot", "80"}, 2)
end

function T:test_a_script_beside_the_user_wins_over_a_bundled_one_only_with_its_extension()
  case.write("free80.lua", "print 'mine'")
  lu.assertStrContains(case.exits(case.p80 {"free80.lua", cwd = case.folder}, 0).stdout, "mine")
  lu.assertNil(case.p80({"free80", "--check", "--port", "8099", cwd = case.folder}).stdout:find "mine")
end

function T:test_the_repl_prints_values_and_goes_on_after_errors()
  local result = case.exits(case.p80 {"-i", stdin = "1 + 1\nerror 'oops'\nx = 40\nx + 2\n{a = 1}\n"}, 0)
  lu.assertStrContains(result.stdout .. result.stderr, "oops")
  lu.assertStrContains(result.stdout, "42")
end

function T:test_runs_and_undo_on_a_fresh_machine_make_nothing()
  lu.assertStrContains(case.exits(case.p80 {"runs"}, 0).stdout, "No run")
  lu.assertStrContains(case.exits(case.p80 {"undo", "7"}, 1).stderr, "'7'")
  lu.assertStrContains(case.exits(case.p80 {"undo", "x"}, 2).stderr, "'x'")
  case.exits(case.p80 {"-e", "win.host.version()"}, 0)
  lu.assertNil(lfs.attributes(case.state .. "\\runs\\000001.jsonl"))
end
