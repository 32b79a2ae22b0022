-- arch: x64
-- --report: what each fleet engine reads of a run, by the rules by which it reads it; and the examples in examples/fleet,
-- whose command lines are run as they stand there. The engines themselves are not here.
local lu = require "luaunit"
local case = require "case"
local json = require "dkjson"

local T = case.suite "ReportShapes"

local FLEET = test.folder:match "^(.*)[/\\]" .. "/examples/fleet/"
local KEY = [[HKCU\Software\p80-shapes]]

-- Prints, warns and changes a value; what goes wrong is said by `how`.
local SCRIPT = [[
local p80 = require "p80"
local args = p80.playbook {
  name = "shapes", version = "1.0.0", summary = "s", grants = {"reg.*"},
  args = {value = {type = "text", default = "new"}, how = {type = "text", default = "well"}, key = {type = "secret"}},
}
print "a line of the playbook's own"
io.stderr:write "a complaint\n"
win.reg.create [[HKCU\Software\p80-shapes]=]..[=[]
win.reg.set([[HKCU\Software\p80-shapes]=]..[=[], "v", args.value)
p80.report {seen = "ü\u{1F600}\n"}
if args.how == "restart" then p80.restart_needed() end
if args.how == "raise" then win.scm.start "no-such-service" end
if args.how == "exit" then os.exit(7) end
if args.how == "refused" then io.open("C:/refused", "w") end
]]
SCRIPT = SCRIPT:gsub("%]=%]%.%.%[=%[%]", "]]")

local function run(shape, ...)
  local path = case.write("shapes.lua", SCRIPT)
  return case.p80 {"--report", shape, path, ...}
end

local function one_line(result)
  local text, rest = result.stdout:match "^([^\r\n]+)\r?\n(.*)$"
  lu.assertEquals(rest, "", case.describe(result))
  local document, place = json.decode(text)
  lu.assertEquals(place, #text + 1, text)
  return document
end

function T:tearDown_key() win.reg.delete(KEY, nil, {tree = true}) end

function T:test_wrong_shape()
  local result = case.exits(case.p80 {"--report", "chef", "-e", "x = 1"}, 2)
  lu.assertStrContains(result.stderr, "--report takes ansible, salt, bolt, intune or dsc, not 'chef'")
end

function T:test_ansible()
  case.later(T.tearDown_key)
  local planned = one_line(case.exits(run("ansible", "--check"), 0))
  lu.assertEquals({planned.changed, planned.failed}, {true, false})
  local done = one_line(case.exits(run "ansible", 0))
  lu.assertEquals({done.changed, done.failed, done.reboot_required, done.result}, {true, false, false, {seen = "ü\u{1F600}\n"}})
  lu.assertStrContains(done.msg, "2 changes: reg.key " .. KEY)
  lu.assertEquals(done.diff.after["reg.value " .. KEY .. "\\v"].value, "new")
  local again = one_line(case.exits(run "ansible", 0))
  lu.assertEquals({again.changed, again.failed, again.diff, again.msg}, {false, false, nil, "nothing had to change"})
  local changed = one_line(case.exits(run("ansible", "--value", "newer", "--how", "restart"), 0))
  lu.assertEquals({changed.diff.before["reg.value " .. KEY .. "\\v"].value, changed.reboot_required}, {"new", true})
  local failed = one_line(case.exits(run("ansible", "--how", "raise", "--value", "newest"), 1))
  lu.assertEquals({failed.failed, failed.changed, failed.rc}, {true, true, 1})
  lu.assertStrContains(failed.msg, "no-such-service")
  lu.assertEquals(one_line(case.exits(run("ansible", "--how", "exit"), 1)).rc, 7)
  lu.assertEquals(one_line(case.exits(run("ansible", "--no-such"), 1)).rc, 2)
end

function T:test_large_states_are_cut()
  local path = case.path "large.txt"
  local code = ("win.file.write([[%s]], ('\u{FC}'):rep(2000))"):format(path)
  local done = one_line(case.exits(case.p80 {"--report", "ansible", "--allow", "file.write", "-e", code}, 0))
  lu.assertEquals(done.diff.after["file.write " .. path].bytes, ("ü"):rep(500) .. "... (4000 bytes)")
end

-- salt/states/cmd.py, _reinterpreted_state: standard output is one JSON object; its `changed` counts.
function T:test_salt()
  case.later(T.tearDown_key)
  local planned = one_line(case.exits(run("salt", "--check"), 0))
  lu.assertEquals(planned.changed, true)
  lu.assertStrContains(planned.comment, "2 changes would be made: reg.key ")
  lu.assertEquals(one_line(case.exits(run "salt", 0)).changed, true)
  local again = one_line(case.exits(run "salt", 0))
  lu.assertEquals({again.changed, again.comment}, {false, "nothing had to change"})
  lu.assertStrContains(one_line(case.exits(run("salt", "--how", "restart", "--value", "x"), 0)).comment, "Windows must be restarted")
  lu.assertEquals(one_line(case.exits(run("salt", "--how", "exit"), 7)).comment, case.path "shapes.lua" .. " ended with exit code 7")
end

function T:test_bolt()
  case.later(T.tearDown_key)
  local done = one_line(case.exits(run "bolt", 0))
  lu.assertEquals({done.changed, done._error, done.result.seen}, {true, nil, "ü\u{1F600}\n"})
  local refused = one_line(case.exits(run("bolt", "--how", "refused"), 4))
  lu.assertEquals({refused._error.kind, refused._error.details.exit, refused._error.details.name}, {"p80/refused", 4, "P80_REFUSED"})
  lu.assertStrContains(refused._error.msg, "file.write:C:\\refused")
  lu.assertEquals(one_line(case.exits(run("bolt", "--how", "exit"), 7))._error.kind, "p80/failed")
end

-- Intune shows the last line, and takes any word on standard error for a failure.
function T:test_intune()
  case.later(T.tearDown_key)
  local function says(code, pattern, ...)
    local result = case.exits(run("intune", ...), code)
    lu.assertEquals(result.stderr, "")
    lu.assertStrMatches(result.stdout, pattern .. "\r\n")
    lu.assertNil(result.stdout:find "a line of the playbook's own")
  end
  says(1, "not compliant: 2 changes would be made: reg.key .*", "--check")
  says(0, "done: 2 changes: .*")
  says(0, "compliant: nothing would change", "--check")
  says(0, "done: nothing had to change")
  says(3010, "done: .*", "--how", "restart")
  says(1, "failed: .*no%-such%-service.*", "--how", "raise")
  says(4, "failed: .*", "--how", "refused")
  says(7, "failed: .*", "--how", "exit", "--check")
  says(2, "failed: .*", "--no-such")
  local long = case.exits(case.p80 {"--report", "intune", "-e", "error(('\u{1F600}'):rep(3000))"}, 1)
  local text = long.stdout:match "^(.-)\r\n$"
  lu.assertEquals(utf8.len(text), #"failed: (command line):1: " + (2048 - #"failed: (command line):1: ") // 2)
end

-- ---- The examples ----

local function read(name) return case.read((FLEET .. name):gsub("/", "\\")) end

-- Runs p80 as a verb of the manifest says, with an instance on standard input.
local function dsc(manifest, verb, instance, what_if)
  local words = {}
  for _, word in ipairs(manifest[verb].args) do
    if type(word) == "string" then words[#words + 1] = word
    elseif what_if then words[#words + 1] = word.whatIfArg end
  end
  lu.assertEquals({manifest[verb].executable, manifest[verb].input}, {"p80", "stdin"})
  words.stdin = json.encode(instance)
  return case.p80(words)
end

-- Every property of a state is in the manifest's schema, as DSC checks it.
local function fits(manifest, state)
  for name in pairs(state) do lu.assertNotNil(manifest.schema.embedded.properties[name], name) end
  return state
end

function T:test_dsc()
  local manifest = assert(json.decode(read "dsc/free80.dsc.resource.json"))
  lu.assertStrMatches(manifest.type, "%w+%.%w+/%w+")
  lu.assertStrMatches(manifest.version, "%d+%.%d+%.%d+")
  case.service {name = "Sock", args = {"--tcp", "8101"}}
  case.wait_held(8101)
  local instance = {port = 8101, up_to = "service"}
  for _, verb in ipairs {"get", "test"} do
    local state = fits(manifest, one_line(case.exits(dsc(manifest, verb, instance), 0)))
    lu.assertEquals({state.port, state.up_to, state._inDesiredState, state.p80.changed}, {8101, "service", false, 1})
  end
  local would = fits(manifest, one_line(case.exits(dsc(manifest, "set", instance, true), 0)))
  lu.assertEquals(would._metadata.whatIf, {"scm.state Sock: state: running -> stopped"})
  lu.assertTrue(case.service_running "Sock" ~= false)
  local after = fits(manifest, one_line(case.exits(dsc(manifest, "set", instance), 0)))
  lu.assertEquals({after._inDesiredState, after.p80.changed, after._metadata}, {true, 1})
  lu.assertEquals(one_line(case.exits(dsc(manifest, "test", instance), 0))._inDesiredState, true)
  -- what cannot be done is an error, whose reason DSC reads from standard error as a line of JSON
  case.holder {"--tcp", "8102"}
  local failed = case.exits(dsc(manifest, "test", {port = 8102}), 1)
  lu.assertEquals(failed.stdout, "")
  lu.assertStrContains(failed.stderr, '{"error":"free80 ended with exit code 1"}')
  lu.assertStrContains(case.exits(dsc(manifest, "test", {prot = 8102}), 2).stderr, "There is no argument 'prot'; did you mean 'port'?")
  local restart = one_line(case.exits(case.p80 {"--report", "dsc", "-e", "require 'p80'.restart_needed()"}, 0))
  lu.assertEquals(restart._metadata._restartRequired, {{system = win.host.name()}})
end

-- The words of each command line of p80 in a file, on port 8103.
local function command_lines(name)
  local lines = {}
  for text in read(name):gmatch "p80%.exe\" ([^'\r\n]+)" do
    local words = {}
    for word in text:gsub("%-%-port 80", "--port 8103"):gmatch "%S+" do words[#words + 1] = word end
    lines[#lines + 1] = words
  end
  return lines
end

function T:test_command_lines_of_the_examples()
  for name, count in pairs {["ansible/free80.yml"] = 1, ["salt/free80.sls"] = 2, ["intune/detect.ps1"] = 1, ["intune/remediate.ps1"] = 1} do
    local lines = command_lines(name)
    lu.assertEquals(#lines, count, name)
    for _, words in ipairs(lines) do case.exits(case.p80(words), 0) end
  end
end

-- The modules in PowerShell give their arguments as a JSON object on standard input.
function T:test_arguments_of_the_modules()
  for _, name in ipairs {"ansible/library/p80.ps1", "bolt/tasks/playbook.ps1"} do
    local shape = read(name):match '"%-%-report", "(%l+)"'
    lu.assertStrContains(read(name), '"--args-file", "-"')
    local result = case.p80 {"--report", shape, "--check", "free80", "--args-file", "-", stdin = [[{"port": 8103, "persist": true}]]}
    lu.assertEquals(one_line(case.exits(result, 0)).changed, false)
    case.exits(case.p80 {"--report", shape, "free80", "--args-file", "-", stdin = "{}"}, 0)
  end
  local task = assert(json.decode(read "bolt/tasks/playbook.json"))
  lu.assertEquals({task.supports_noop, task.input_method}, {true, "powershell"})
  for name in pairs(task.parameters) do lu.assertStrContains(read "bolt/tasks/playbook.ps1", "$" .. name) end
end
