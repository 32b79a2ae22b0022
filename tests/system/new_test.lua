-- Writing a playbook from outside: p80 new, list, show, help, complete; arguments files, secrets and versions in real runs.
local lu = require "luaunit"
local json = require "dkjson"
local case = require "case"

local T = case.suite "New"

local function text_of(result) return (result.stdout:gsub("\r", "")) end

-- ---- p80 new ----

function T:test_what_it_writes_runs_passes_check_lint_and_its_own_tests()
  local path = case.path "my-book.lua"
  local result = case.exits(case.p80 {"new", case.path "my-book"}, 0)
  lu.assertStrContains(text_of(result), "wrote " .. path .. "\nwrote " .. case.path "tests\\my-book_test.lua")
  lu.assertEquals(case.files(case.path "tests"), {"my-book_test.lua"})
  lu.assertStrContains(case.exits(case.p80 {"help", path}, 0).stdout, "Usage: p80 " .. path)
  lu.assertEquals(case.exits(case.p80 {"lint", path, case.path "tests"}, 0).stdout, "")
  lu.assertStrContains(case.exits(case.p80 {"test", case.path "tests"}, 0).stdout, "3 tests")
  lu.assertStrContains(case.exits(case.p80 {path, "--check"}, 3).stdout, [[reg.value HKLM\SOFTWARE\my-book\Text]])
  lu.assertNil(win.reg.get([[HKLM\SOFTWARE\my-book]], "Text"))
  lu.assertEquals(case.exits(case.p80 {path, "--json", "--text", "ü"}, 0).json.result, {text = "ü"})
  lu.assertEquals(case.exits(case.p80 {path, "--json", "--text", "ü"}, 0).json.changed, 0)
  case.exits(case.p80 {path, "--check", "--text", "ü"}, 0)
  case.exits(case.p80 {"undo"}, 0)
  lu.assertNil(win.reg.get([[HKLM\SOFTWARE\my-book]], "Text"))
end

function T:test_nothing_is_overwritten()
  local path = case.write("mine.lua", "mine")
  lu.assertStrContains(case.exits(case.p80 {"new", path}, 1).stderr, "ERROR_ALREADY_EXISTS")
  lu.assertEquals(case.read(path), "mine")
  lfs.mkdir(case.path "tests")
  local test_path = case.write("tests\\other_test.lua", "mine")
  lu.assertStrContains(case.exits(case.p80 {"new", case.path "other.lua"}, 1).stderr, "other_test.lua")
  lu.assertNil(lfs.attributes(case.path "other.lua"))
  lu.assertEquals(case.read(test_path), "mine")
  case.exits(case.p80 {"new", case.path "other.lua", "--no-test"}, 0)
end

function T:test_check_writes_nothing_and_json_lists_the_files()
  local result = case.exits(case.p80 {"new", case.path "a", "--check", "--json"}, 3)
  lu.assertEquals(result.json.files, {case.path "a.lua", case.path "tests\\a_test.lua"})
  lu.assertEquals(case.files(case.folder), {})
end

function T:test_silly_names_and_places_are_refused()
  for name, expected in pairs {
    ["a b"] = "letters, digits", ["-x"] = "nknown option", ["con"] = "device", ["COM1.lua"] = "device", ["free80"] = "a playbook of this name",
    ["List"] = "a command of this name", [""] = "letters, digits", [".lua"] = "letters, digits", ["ü"] = "letters, digits",
  } do
    local word = name:find "^%-" and name or case.path(name)
    local result = case.exits(case.p80 {"new", word}, 2)
    lu.assertStrContains(result.stderr, expected)
  end
  lu.assertStrContains(case.exits(case.p80 {"new", case.path "none\\a"}, 1).stderr, "ERROR_PATH_NOT_FOUND")
  case.exits(case.p80 {"new"}, 2)
  lu.assertEquals(case.files(case.folder), {})
  lu.assertStrContains(case.exits(case.p80 {"help", "new"}, 0).stdout, "p80 new")
end

-- ---- list, show, help ----

function T:test_list_tells_origin_category_grants_and_signer()
  lu.assertStrContains(case.exits(case.p80 {"list"}, 0).stdout, "free80  bundled")
  for _, row in ipairs(case.exits(case.p80 {"list", "--json"}, 0).json) do
    lu.assertEquals({row.origin, row.signer, row.problem}, {"bundled", "p80", nil})
    lu.assertEquals(row.category, #row.grants > 0 and "intrusive" or "safe")
    lu.assertStrContains(case.exits(case.p80 {"show", row.name}, 0).stdout, 'name = "' .. row.name)
  end
  local shown = case.exits(case.p80 {"show", "free80.lua", "--json"}, 0).json
  lu.assertEquals({shown.name, shown.category}, {"free80", "intrusive"})
  lu.assertStrContains(shown.source, "p80.playbook {")
  lu.assertStrContains(case.exits(case.p80 {"show", "fre80"}, 1).stderr, "did you mean 'free80'?")
end

function T:test_help_as_json_declares_arguments_and_functions()
  local help = case.exits(case.p80 {"help", "free80", "--json"}, 0).json
  lu.assertEquals({help.category, help.origin, help.signer, help.grants[1]}, {"intrusive", "bundled", "p80", "iis.binding"})
  local by_name = {}
  for _, arg in ipairs(help.args) do by_name[arg.name] = arg end
  lu.assertEquals(by_name.port, {name = "port", option = "--port", type = "port", default = 80, required = false, help = "the port to free"})
  lu.assertEquals(by_name.service.type, "service")
  local f = case.exits(case.p80 {"help", "scm.stop", "--json"}, 0).json
  lu.assertEquals({f.name, f.rights, f.arguments[1].name}, {"win.scm.stop", "administrator", "name"})
  lu.assertStrContains(case.exits(case.p80 {"help", "scm", "--json"}, 0).json.text, "win.scm.stop")
  local path = case.write("x.lua", [[require "p80".playbook {name = "x", version = "1.0.0", summary = "x"}]])
  local own = case.exits(case.p80 {"help", path, "--json"}, 0).json
  lu.assertEquals({own.origin, own.category, own.args, own.grants}, {"file", "safe", {}, {}})
end

-- ---- complete ----

local function completed(at, ...)
  local words = {}
  for word in text_of(case.exits(case.p80 {"complete", tostring(at), "--", ...}, 0)):gmatch "[^\n]+" do words[#words + 1] = word end
  return words
end

function T:test_complete()
  lu.assertEquals(completed(0, "fr"), {"free80"})
  lu.assertItemsEquals(completed(0, "un"), {"undo", "uninstall"})
  lu.assertEquals(completed(1, "help", "free"), {"free80"})
  lu.assertEquals(completed(0, "--ch"), {"--check"})
  lu.assertEquals(completed(3, "--allow", "x", "free80", "--ver"), {"--verbose"})
  lu.assertEquals(completed(1, "free80", "--up"), {"--up-to"})
  lu.assertEquals(completed(2, "free80", "--up-to", "i"), {"iplisten"})
  lu.assertEquals(completed(2, "free80", "--up-to"), {"disable", "iplisten", "move", "service", "stop"})
  lu.assertItemsEquals(completed(2, "free80", "--service", "plugp"), {"PlugPlay"})
  lu.assertEquals(completed(2, "free80", "--port"), {})
  lu.assertEquals(completed(1, "no such script", ""), {})
  lu.assertEquals(completed(1, "help", "win.scm.sto"), {"win.scm.stop"})
  lu.assertEquals(completed(1, "help", "unin"), {"uninstall"})
  lu.assertEquals(completed(1, "--allow", "scm.st"), {"scm.state"})
  lu.assertEquals(completed(1, "--report", "in"), {"intune"})
  lu.assertEquals(completed(1, "service", ""), {"install", "remove", "status"})
  lu.assertEquals(completed(2, "service", "install", "fr"), {"free80"})
  lu.assertEquals(completed(4, "service", "install", "free80", "--up-to", "i"), {"iplisten"})
  lu.assertEquals(completed(1, "show", "re"), {"report"})
  local path = case.write("x.lua", [[require "p80".playbook {name = "x", version = "1.0.0", summary = "x", args = {
    key = {type = "secret"}, kinds = {type = "list", of = "enum", values = {"a", "b"}}}}]])
  lu.assertEquals(completed(1, path, "--k"), {"--kinds"})
  lu.assertEquals(completed(2, path, "--kinds", ""), {"a", "b"})
  lu.assertStrContains(case.exits(case.p80 {"complete", "--powershell"}, 0).stdout, "Register-ArgumentCompleter")
  case.exits(case.p80 {"complete", "x"}, 2)
  lu.assertStrContains(case.exits(case.p80 {"complete", "--help"}, 0).stdout, "$PROFILE")
end

-- ---- Arguments ----

local SECRETIVE = [[
local args = require "p80".playbook {name = "x", version = "1.0.0", summary = "x", args = {
  password = {type = "secret", required = true}, port = {type = "port", default = 80}}}
for i = 0, #arg do print(arg[i]) end
require "p80".report {length = #args.password, port = args.port, password = args.password}
]]

-- Each command that `new` names as the next is right as it stands.
function T:test_next_steps()
  assert(lfs.mkdir(case.path "some"))
  local made, count = case.exits(case.p80 {"new", "some\\tidy", cwd = case.folder}, 0).stdout, 0
  for line in made:match "Next:\r?\n(.*)$":gmatch "p80 (%S+ %S+)" do
    local words = {cwd = case.folder}
    for word in line:gmatch "%S+" do words[#words + 1] = word end
    case.exits(case.p80(words), words[2] == "--check" and 3 or 0)
    count = count + 1
  end
  lu.assertEquals(count, 4)
end

function T:test_an_arguments_file_may_be_standard_input()
  local result = case.exits(case.script(SECRETIVE, {stdin = '{"password": "geheim", "port": 81}'}, "--args-file", "-", "--json"), 0)
  lu.assertEquals(result.json.result, {length = 6, port = 81, password = "***"})
  lu.assertNil((result.stdout .. result.stderr):find "geheim")
end

function T:test_a_secret_without_a_console_is_an_error_and_none_that_is_typed_is_shown()
  local result = case.exits(case.script(SECRETIVE, {stdin = "geheim\n"}), 2)
  lu.assertStrContains(result.stderr, "'password' is missing")
  result = case.exits(case.script(SECRETIVE, nil, "--password", "geheim", "--json"), 2)
  lu.assertStrContains(result.stderr .. result.stdout, "not typed")
  lu.assertNil((result.stdout .. result.stderr):find "geheim")
end

function T:test_what_a_newer_p80_or_windows_needs_is_said_with_both_versions()
  for field, least in pairs {p80 = "99.0.0", windows = "99.0"} do
    local text = ([[require "p80".playbook {name = "x", version = "1.0.0", summary = "x", %s = "%s"} print "ran"]]):format(field, least)
    local result = case.exits(case.script(text), 2)
    lu.assertStrContains(result.stderr, least .. " or newer; this is ")
    lu.assertStrMatches(result.stderr, "p80: p80%.playbook 'x': [^\n]* %(P80_TOO_OLD%); [^\n]*\n")
    lu.assertEquals(result.stdout, "")
  end
  local version = case.exits(case.p80 {"-e", "print(require 'p80'.version)"}, 0).stdout:match "%S+"
  case.exits(case.script(([[require "p80".playbook {name = "x", version = "1.0.0", summary = "x", p80 = "%s", windows = "5.2"}]]):format(version)), 0)
end

-- What the author has to mend is said in one line that names the field, without a traceback.
function T:test_wrong_manifests_are_one_line()
  for manifest, said in pairs {
    [ [[{version = "1.0.0", summary = "x"}]] ] = "'name': It is missing",
    [ [[{name = "x", version = "1.0.0", summary = "x", args = {port = {type = "port", default = print}}}]] ] =
      "'args.port.default': Text, a number, true or false, or a table of them expected, got a function.",
    [ [[print]] ] = "'playbook': Text, a number",
    [ [[]] ] = "'playbook': A table expected: p80.playbook {",
  } do
    local result = case.exits(case.script(("require 'p80'.playbook(%s)"):format(manifest)), 2)
    lu.assertStrMatches(result.stderr, "p80: p80%.playbook [^\n]* %(P80_BAD_MANIFEST%)[^\n]*\n", nil, nil, manifest)
    lu.assertStrContains(result.stderr, said)
  end
  local result = case.exits(case.script "require 'p80':playbook {name = 'x', version = '1.0.0', summary = 'x'}", 2)
  lu.assertStrContains(result.stderr, "write p80.playbook {...}, with a dot")
end

function T:test_on_a_modelled_machine_arguments_are_read_here_and_no_log_is_written()
  case.write("a.lua", [[
local p80, log = require "p80", require "log"
p80.playbook {name = "a", version = "1.0.0", summary = "x", grants = {"file.write"}, args = {
  ip = {type = "address"}, key = {type = "secret", required = true}, services = {type = "list", of = "service"}}}
log.file "a.log"
log.info("hello %s", p80.args)
p80.report(p80.args)
]])
  case.write("arguments.json", '{"key": "geheim", "ip": "::0001"}')
  case.write("a_test.lua", [[
local lu, test = require "luaunit", require "test"
function test_a()
  local m = test.machine {}
  local run = m:run("a.lua", {"--args-file", "arguments.json", "--services=x,y"}):exits(0)
  lu.assertEquals(run.result, {key = "***", ip = "::1", services = {"x", "y"}})
  lu.assertStrContains(run.errors, 'key = "***"')
  m:run("a.lua", {"--ip", "1.2.3"}):exits(2)
  lu.assertStrContains(m:run("a.lua"):exits(2).errors, "'key' is missing")
end
]])
  case.exits(case.p80 {"test", "a_test.lua", cwd = case.folder}, 0)
  lu.assertNil(lfs.attributes(case.path "a.log"))
end

function T:test_an_installed_playbook_is_listed_helped_shown_and_completed()
  local path = case.path "acme.lua"
  case.exits(case.p80 {"new", path, "--no-test"}, 0)
  case.exits(case.p80 {"install", path, "--yes", state = false}, 0)
  local found
  for _, row in ipairs(case.exits(case.p80 {"list", "--json", state = false}, 0).json) do found = row.name == "acme" and row or found end
  lu.assertEquals({found.origin, found.version, found.category, #found.grants, found.signer}, {"installed", "0.1.0", "intrusive", 2, nil})
  lu.assertStrContains(case.exits(case.p80 {"help", "acme", state = false}, 0).stdout, "Installed; signed by nobody.")
  lu.assertEquals(case.exits(case.p80 {"help", "acme", "--json", state = false}, 0).json.origin, "installed")
  lu.assertEquals((case.exits(case.p80 {"show", "acme", state = false}, 0).stdout:gsub("\r", "")), (case.read(path):gsub("\r", "")))
  lu.assertEquals(completed(0, "acm"), {"acme"})
  lu.assertEquals(completed(1, "acme", "--te"), {"--text"})
  case.exits(case.p80 {"uninstall", "acme", state = false}, 0)
end
