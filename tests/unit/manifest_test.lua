-- Manifests and the arguments of playbooks, in the core alone.
-- arch: x64
local lu = require "luaunit"
local json = require "dkjson"
local case = require "case"
local fakecore = require "fakecore"
local failure = fakecore.failure

local TYPES = {"text", "port", "address", "service", "path", "integer", "number", "seconds", "duration", "enum", "list", "flag",
  "secret"}

-- A manifest with the fields of `changes`.
local function manifest(changes)
  local m = {name = "demo", version = "1.0.0", summary = "A demo.", grants = {"scm.state:x"}, args = {
    port = {type = "port", default = 80, help = "the port"}, up_to = {type = "enum", values = {"a", "b"}},
    kill = {type = "flag"}, wait = {type = "seconds"}, count = {type = "integer", least = 1, most = 3}, name = {type = "text"},
  }}
  for key, value in pairs(changes or {}) do m[key] = value end
  return m
end

local function with_arg(arg) return manifest {args = {x = arg}} end

-- ---- The manifest ----

TestManifest = {}

function TestManifest:test_a_complete_one_is_right()
  local m = manifest {
    author = "A", license = "MIT", p80 = "0.0.0", windows = "5.2", reports = "what it found", recover = "undo", watch = {"tcp", "http"},
    version = "1.2.3-rc.1",
  }
  lu.assertIs(fakecore.open().manifest.check(m), m)
end

-- What is shown of it before somebody agrees to it cannot hide a part of that.
function TestManifest:test_control_characters()
  local core = fakecore.open()
  for _, bad in ipairs {"\27[8m", "\r", "\n  changes nothing", "\u{9B}8m", "\u{202E}", "\u{2028}", "\u{2066}", "\u{61C}", "\8", "\127", "\t"} do
    for field, change in pairs {
      summary = {summary = "x" .. bad}, author = {author = "x" .. bad}, license = {license = bad .. "x"}, reports = {reports = bad}, version = {version = "1.0.0" .. bad},
      name = {name = "x" .. bad}, ["grants[2]"] = {grants = {"scm.state", "scm.state:W3" .. bad .. "SVC"}}, ["args.x.help"] = {args = {x = {type = "port", help = bad}}},
    } do
      if not (field == "args.x.help" and bad:find "^[\n\t]") then
        local _, problem = failure(core.manifest.check, manifest(change))
        lu.assertEquals({problem.target, problem.name}, {field, "P80_BAD_MANIFEST"})
      end
    end
  end
  local words = "Ärger – „quoted“ 日本 e\u{301} \u{1F600} \u{A0}"
  core.manifest.check(manifest {summary = words, author = words, args = {x = {type = "port", help = "a\n\tb " .. words}}})
end

-- {field that is named, change, part of the hint or message}
local WRONG = {
  {"name", {name = 1}}, {"name", {name = ""}}, {"name", {name = "a b"}, "not 'a b'"}, {"name", {name = "-a"}}, {"name", {name = "../a"}},
  {"name", {name = "CON"}, "device"}, {"name", {name = "lpt1"}, "device"}, {"name", {name = ("a"):rep(65)}, "64"},
  {"version", {version = "one"}}, {"version", {version = "1.0"}, "got '1.0'"}, {"version", {version = "1.0.0 x"}}, {"summary", {summary = 5}},
  {"playbook.summmary", {summmary = "x"}, "did you mean 'summary'?"}, {"playbook.licence", {licence = "MIT"}, "did you mean 'license'?"},
  {"author", {author = {}}}, {"license", {license = 1}}, {"reports", {reports = {}}},
  {"p80", {p80 = "x"}, "0.1.0"}, {"p80", {p80 = 1}}, {"windows", {windows = "Vista"}, "6.1"}, {"windows", {windows = "10"}}, {"windows", {windows = "10.."}},
  {"recover", {recover = "undoo"}, "did you mean 'undo'?"}, {"recover", {recover = true}}, {"watch", {watch = "tcp"}},
  {"watch[2]", {watch = {"tcp", "htp"}}, "did you mean 'http'?"},
  {"grants", {grants = "scm.state"}}, {"grants[1]", {grants = {"nope"}}}, {"grants[2]", {grants = {"scm.state", "scm.stat"}}, "scm.state"},
  {"args", {args = 1}}, {"args.X", {args = {X = {type = "port"}}}}, {"args.upTo", {args = {upTo = {type = "port"}}}},
  {"args.1", {args = {{type = "port"}}}}, {"args.check", {args = {check = {type = "flag"}}}, "p80 itself"},
  {"args.args_file", {args = {args_file = {type = "path"}}}, "p80 itself"},
}

local WRONG_ARGUMENTS = {
  {"", 1}, {".type", {}}, {".type", {type = "prt"}, "did you mean 'port'?"}, {".type", {type = 5}}, {".defualt", {type = "port", defualt = 1}},
  {".default", {type = "port", default = 0}}, {".default", {type = "port", default = "80"}}, {".default", {type = "duration", default = "5"}},
  {".default", {type = "duration", default = "2m", least = 300}, "from 5m to 30d expected, got '2m'"}, {".default", {type = "address", default = "10.0.0"}},
  {".default", {type = "secret", default = "x"}}, {".default", {type = "flag", default = true}},
  {".default[2]", {type = "list", of = "port", default = {1, 0}}}, {".default", {type = "list", default = "a,b"}},
  {".help", {type = "text", help = 1}}, {".required", {type = "text", required = 1}}, {".required", {type = "flag", required = true}},
  {".required", {type = "text", required = true, default = "x"}}, {".values", {type = "enum"}}, {".values", {type = "enum", values = {}}},
  {".values", {type = "enum", values = {"a,b"}}, "comma"}, {".values", {type = "text", values = {"a"}}, "an enum"},
  {".values", {type = "list", of = "enum"}}, {".of", {type = "text", of = "port"}, "a list"}, {".of", {type = "list", of = "list"}},
  {".of", {type = "list", of = "prot"}, "did you mean 'port'?"}, {".least", {type = "integer", least = "a"}},
  {".most", {type = "text", most = 5}, "a number"}, {".least", {type = "integer", least = 3, most = 2}},
}

local function assert_wrong(core, m, field, text)
  local message, problem = failure(core.manifest.check, m)
  lu.assertEquals({problem.name, problem.target}, {"P80_BAD_MANIFEST", field})
  lu.assertEquals(core.result.exit_for(problem), 2)
  if text then lu.assertStrContains(message, text) end
end

function TestManifest:test_wrong_fields_are_named_with_what_was_meant()
  local core = fakecore.open()
  for _, wrong in ipairs(WRONG) do assert_wrong(core, manifest(wrong[2]), wrong[1], wrong[3]) end
  for _, wrong in ipairs(WRONG_ARGUMENTS) do assert_wrong(core, with_arg(wrong[2]), "args.x" .. wrong[1], wrong[3]) end
  for _, missing in ipairs {"name", "version", "summary"} do
    local m = manifest()
    m[missing] = nil
    assert_wrong(core, m, missing)
  end
  assert_wrong(core, "demo", "playbook")
end

function TestManifest:test_every_type_is_offered()
  local core = fakecore.open()
  local text = failure(core.manifest.check, with_arg {type = "?"})
  for _, name in ipairs(TYPES) do lu.assertStrContains(text, name) end
  lu.assertNotStrContains(text, "duration_text")
end

function TestManifest:test_what_is_newer_than_this_machine_is_refused_with_both_versions()
  local core = fakecore.open {win = setmetatable({host = {version = function() return {major = 6, minor = 1, build = 7601} end}}, {__index = win})}
  core.host.version = "0.2.5"
  for _, good in ipairs {"0.1.0", "0.2.5", "0.2", "0.2.5.0"} do lu.assertIsTable(core.manifest.check(manifest {p80 = good})) end
  for _, bad in ipairs {"0.2.6", "0.10.0", "1.0"} do
    local text, problem = failure(core.manifest.check, manifest {p80 = bad, field_of_the_future = 1})
    lu.assertEquals({problem.name, core.result.exit_for(problem)}, {"P80_TOO_OLD", 2})
    lu.assertStrContains(text, ("p80 %s or newer; this is 0.2.5"):format(bad))
  end
  for _, good in ipairs {"5.2", "6.1", "6.1.7601"} do core.manifest.check_windows(manifest {windows = good}) end
  for _, bad in ipairs {"6.1.7602", "6.2", "10.0"} do
    local text, problem = failure(core.manifest.check_windows, manifest {windows = bad})
    lu.assertEquals(problem.name, "P80_TOO_OLD")
    lu.assertStrContains(text, ("Windows %s or newer; this is 6.1.7601"):format(bad))
  end
end

-- ---- What is typed ----

TestArguments = {}

function TestArguments:test_are_parsed_checked_and_filled_in()
  local core = fakecore.open()
  lu.assertEquals(core.arguments.take(manifest(), {}), {port = 80, kill = false})
  lu.assertEquals(core.arguments.take(manifest(), {"--port", "8080", "--up-to=b", "--kill", "--wait", "1.5", "--name", "ü"}),
    {port = 8080, up_to = "b", kill = true, wait = 1.5, name = "ü"})
end

function TestArguments:test_wrong_ones_name_the_option_and_the_value()
  local core = fakecore.open()
  for words, expected in pairs {
    [{"--port", "0"}] = "--port", [{"--port", "65536"}] = "65536", [{"--port", "1.5"}] = "'1.5'", [{"--port", "80 "}] = "'80 '",
    [{"--port", "4294967376"}] = "4294967376", [{"--port"}] = "--port", [{"--prot", "80"}] = "--port", [{"--up-to", "c"}] = "one of a, b",
    [{"--count", "4"}] = "from 1 to 3", [{"--wait=-1"}] = "--wait", [{"extra"}] = "too many arguments", [{"--kill=1"}] = "--kill",
    [{"--args-file"}] = "--args-file",
  } do
    local args, problem = core.arguments.take(manifest(), words)
    lu.assertNil(args, words[1])
    lu.assertStrContains(problem, expected)
  end
  lu.assertStrContains(select(2, core.arguments.take(with_arg {type = "port", required = true}, {})), "missing option '--x'")
end

-- type -> {{text, value}, ...}, {texts that are wrong}
local READ = {
  text = {{{"", ""}, {"ü b", "ü b"}}, {"\xFF"}},
  port = {{{"1", 1}, {"65535", 65535}}, {"0", "0x50", "80.0", ""}},
  address = {{{"10.0.0.1", "10.0.0.1"}, {"2001:DB8:0::1", "2001:db8::1"}, {"::", "::"}}, {"10.0.0", "host", "", "10.0.0.256"}},
  service = {{{"W3SVC", "W3SVC"}, {"MSSQL$X Y", "MSSQL$X Y"}}, {"", "a/b", [[a\b]], ("x"):rep(257)}},
  integer = {{{"-5", -5}, {"9223372036854775807", math.maxinteger}}, {"9223372036854775808", "1e3", " 1"}},
  number = {{{"-0.5", -0.5}, {"1e3", 1000.0}}, {"x", "nan", "inf"}},
  seconds = {{{"0", 0}, {"1.5", 1.5}}, {"-1", "2592001", "5m"}},
  duration = {
    {{"90s", 90}, {"5m", 300}, {"1h30m", 5400}, {"1d", 86400}, {"1.5h", 5400}, {"0s", 0}, {"0.5s", 0.5}, {"30d", 2592000}},
    {"", "5", "m", "30m1h", "5m5m", "5 m", "-5m", "5ms", "31d", "1h30", "5M"},
  },
  enum = {{{"a", "a"}}, {"A", "", "c"}},
}

function TestArguments:test_each_type_reads_what_it_should_and_nothing_else()
  local core = fakecore.open()
  for name, lists in pairs(READ) do
    local m = with_arg {type = name, values = name == "enum" and {"a", "b"} or nil}
    for _, pair in ipairs(lists[1]) do lu.assertEquals(core.arguments.take(m, {"--x=" .. pair[1]}), {x = pair[2]}, name) end
    for _, text in ipairs(lists[2]) do
      local args, problem = core.arguments.take(m, {"--x=" .. text})
      lu.assertNil(args, ("%s '%s'"):format(name, text))
      lu.assertStrContains(problem, "option '--x': ")
    end
  end
end

function TestArguments:test_a_path_is_absolute()
  local core = fakecore.open()
  local here = lfs.currentdir()
  lu.assertEquals(core.arguments.take(with_arg {type = "path"}, {"--x", "a\\..\\b.txt"}).x, (here:gsub("\\$", "")) .. "\\b.txt")
  lu.assertEquals(core.arguments.take(with_arg {type = "path"}, {"--x", "C:/x/y"}).x, "C:\\x\\y")
  lu.assertStrContains(select(2, core.arguments.take(with_arg {type = "path"}, {"--x="})), "a path")
end

function TestArguments:test_lists_are_divided_by_commas_or_repeated()
  local core = fakecore.open()
  local ports, words = with_arg {type = "list", of = "port", default = {80}}, with_arg {type = "list"}
  lu.assertEquals(core.arguments.take(ports, {"--x", "80, 443", "--x=8080"}).x, {80, 443, 8080})
  lu.assertEquals(core.arguments.take(ports, {}).x, {80})
  lu.assertNil(core.arguments.take(words, {}).x)
  lu.assertEquals(core.arguments.take(words, {"--x", " a b ,c"}).x, {"a b", "c"})
  lu.assertEquals(core.arguments.take(with_arg {type = "list", of = "duration"}, {"--x=1m,2s"}).x, {60, 2})
  lu.assertEquals(core.arguments.take(with_arg {type = "list", of = "enum", values = {"a", "b"}}, {"--x=b"}).x, {"b"})
  for text, expected in pairs {["80,"] = "missing", [""] = "missing", ["80,x"] = "'x'", ["80,0"] = "from 1 to 65535"} do
    lu.assertStrContains(select(2, core.arguments.take(ports, {"--x=" .. text})), expected)
  end
  lu.assertStrContains(select(2, core.arguments.take(with_arg {type = "list", required = true}, {})), "missing option '--x'")
end

function TestArguments:test_bounds_hold_for_every_type_that_has_them()
  local core = fakecore.open()
  for kind, bad in pairs {port = "1023", integer = "1023", number = "1023.5", seconds = "1023", duration = "17m"} do
    lu.assertStrContains(select(2, core.arguments.take(with_arg {type = kind, least = 1024}, {"--x", bad})), "--x")
    lu.assertIsTable(core.arguments.take(with_arg {type = kind, least = 1024}, {"--x", kind == "duration" and "1h" or "1024"}))
  end
  lu.assertStrContains(select(2, core.arguments.take(with_arg {type = "integer", least = 5}, {"--x=4"})), "an integer of at least 5")
  lu.assertStrContains(select(2, core.arguments.take(with_arg {type = "number", most = 5}, {"--x=6"})), "a number of at most 5")
  lu.assertStrContains(select(2, core.arguments.take(with_arg {type = "list", of = "port", most = 100}, {"--x=5,101"})), "from 1 to 100")
end

-- ---- An arguments file ----

TestArgumentsFile = case.suite "ArgumentsFile"

local function from_file(core, m, text, words)
  local path = case.write("arguments.json", text)
  words = words or {}
  return core.arguments.take(m, {"--args-file", path, table.unpack(words)})
end

function TestArgumentsFile:test_stands_behind_what_is_typed_and_before_the_defaults()
  local core = fakecore.open()
  local args = from_file(core, manifest(), '\xEF\xBB\xBF{"port": 81, "up_to": "a", "kill": true, "wait": 2, "name": null}', {"--up-to", "b"})
  lu.assertEquals(args, {port = 81, up_to = "b", kill = true, wait = 2})
end

function TestArgumentsFile:test_gives_every_type()
  local core = fakecore.open()
  local m, values, text = manifest {args = {}}, {
    text = "ü", port = 80, address = "::1", service = "W3SVC", path = "C:\\x", integer = 5, number = 1.5, seconds = 3, duration = 90,
    enum = "a", list = {"x", "y"}, flag = true, secret = "geheim",
  }, {}
  for _, kind in ipairs(TYPES) do m.args[kind] = {type = kind, values = kind == "enum" and {"a"} or nil} end
  for key, value in pairs(values) do text[key] = value end
  text.duration = "1m30s"
  lu.assertEquals(from_file(core, m, json.encode(text)), values)
  text.duration = 90
  lu.assertEquals(from_file(core, m, json.encode(text)), values)
end

function TestArgumentsFile:test_required_ones_may_come_from_it()
  lu.assertEquals(from_file(fakecore.open(), with_arg {type = "port", required = true}, '{"x": 8080.0}'), {x = 8080})
end

function TestArgumentsFile:test_what_is_wrong_in_it_is_named_with_the_file()
  local core = fakecore.open()
  for text, expected in pairs {
    ["{\n\"port\": 80\n"] = "Line 3", ["[1]"] = "object", ["5"] = "object", ['{"prot": 80}'] = "did you mean 'port'", ['{"port": "80"}'] = "'port': an integer",
    ['{"port": 65536}'] = "65536", ['{"kill": "yes"}'] = "true or false", ["\xFF\xFE{\0}\0"] = "UTF-16", ["{} x"] = "Line 1", [""] = "Line 1",
    ['{"port": {"a": 1}}'] = "a table",
  } do
    local message, problem = failure(from_file, core, manifest(), text)
    lu.assertEquals(problem.name, "P80_BAD_ARGUMENTS", text)
    lu.assertStrContains(message, "arguments.json")
    lu.assertStrContains(message, expected)
  end
  local message, problem = failure(core.arguments.take, manifest(), {"--args-file", "C:\\no such.json"})
  lu.assertEquals(problem.name, "P80_BAD_ARGUMENTS")
  lu.assertStrContains(message, "No such file or directory")
end

-- ---- Secrets ----

TestSecrets = case.suite "Secrets"

local function secretive(changes)
  local m = manifest {args = {password = {type = "secret", required = true, help = "of the account"}}}
  for key, value in pairs(changes or {}) do m.args.password[key] = value end
  return m
end

-- A core at whose console `answers` are typed, one after another.
local function at_console(answers, given)
  local core, store, things = fakecore.open(given)
  core.prompts = {}
  function core.host.read_secret(prompt)
    core.prompts[#core.prompts + 1] = prompt
    return table.unpack(table.remove(answers, 1) or {})
  end
  return core, store, things
end

function TestSecrets:test_are_asked_for_when_they_are_needed()
  local core = at_console {{""}, {"geheim"}}
  lu.assertEquals(core.arguments.take(secretive(), {}), {password = "geheim"})
  lu.assertEquals(core.prompts, {"demo: password (of the account): ", "demo: password (of the account): "})
  core = at_console {{"geheim"}}
  lu.assertEquals(core.arguments.take(secretive {required = false}, {}), {})
  lu.assertEquals(core.prompts, {})
  lu.assertEquals(from_file(at_console {}, secretive(), '{"password": "geheim"}'), {password = "geheim"})
end

function TestSecrets:test_without_a_console_and_after_ctrl_c_the_run_ends()
  local args, problem = at_console({}).arguments.take(secretive(), {})
  lu.assertNil(args)
  lu.assertStrContains(problem, "'password' is missing")
  lu.assertStrContains(problem, "--args-file")
  lu.assertEquals(select(2, failure(at_console({{nil, true}}).arguments.take, secretive(), {})).name, "ERROR_OPERATION_ABORTED")
end

function TestSecrets:test_are_not_asked_for_when_something_else_is_missing()
  local core, m = at_console {{"geheim"}}, secretive()
  m.args.zone = {type = "text", required = true}
  lu.assertStrContains(select(2, core.arguments.take(m, {})), "--zone")
  lu.assertEquals(core.prompts, {})
end

function TestSecrets:test_are_in_no_error()
  local core = at_console {}
  for _, words in ipairs {{"--password", "geheim"}, {"--password=geheim"}, {"--password"}, {"--pasword=geheim"}, {"--pasword", "geheim"}} do
    local args, problem = core.arguments.take(secretive(), words)
    lu.assertNil(args)
    lu.assertStrContains(problem, "--password" == words[1]:match "^[^=]*" and "not typed" or "unknown option")
    lu.assertNotStrContains(problem, "geheim")
  end
  for _, text in ipairs {'{"password": ["geheim"]}', '{"password": "geheim', '{"password": 12345}', '{"password": "geheim\\u0000"}'} do
    local message = failure(from_file, core, secretive(), text)
    lu.assertNotStrContains(message, "geheim")
    lu.assertNotStrContains(message, "12345")
  end
end

-- A core whose run has the secret "geheim", and longer ones that begin with it.
local function with_secrets(given)
  local core, store, things = at_console({{"geheim"}, {"geheimer"}}, given)
  core.arguments.take({name = "demo", args = {a = {type = "secret", required = true}, b = {type = "secret", required = true}}}, {})
  return core, store, things
end

function TestSecrets:test_are_masked_in_results_errors_and_the_log()
  local log = {}
  local core = with_secrets {things = {}, options = {json = true, verbose = true}}
  core.host.log = function(text) log[#log + 1] = text end
  core.change("fake.thing", {name = "geheim"}, {password = "x geheimer y", list = {"geheim"}})
  core.result.report {found = "geheim", geheim = 1, list = {"a"}}
  core.result.warn "geheim!"
  local problem = select(2, pcall(core.x.fail, "op", "geheim", 5, "It was geheimer.", "try geheim"))
  local out, err = core.finish(nil, problem, "stack traceback: geheim")
  lu.assertStrContains(out, '"found":"***"')
  lu.assertStrContains(out, '"password":"x *** y"')
  lu.assertStrContains(err, "'***': It was ***.")
  lu.assertStrContains(table.concat(log), "password: x *** y")
  lu.assertNil((out .. err .. table.concat(log)):find "geheim")
end

function TestSecrets:test_are_masked_in_the_journal_and_undo_does_not_write_the_mask()
  local files, things = {}, {old = {password = "geheim"}}
  local core = with_secrets {files = files, things = things}
  core.change("fake.thing", {name = "new"}, {password = "geheim"})
  core.change("fake.thing", {name = "old"}, {password = "other"})
  core.change("fake.thing", {name = "plain"}, {on = true})
  core.finish()
  lu.assertNil(files["000001.jsonl"]:find "geheim")
  lu.assertStrContains(files["000001.jsonl"], '"password":"***"')
  core = fakecore.open {files = files, things = things}
  local outcomes = {}
  for _, step in ipairs(core.undo.run(1).steps) do outcomes[step.label] = step.outcome end
  lu.assertEquals(outcomes, {new = "conflict", old = "impossible", plain = "restored"})
  lu.assertEquals(things, {new = {password = "geheim"}, old = {password = "other"}})
  core.finish(1)
  core = fakecore.open {files = files, things = things}
  core.undo.run(1, true)
  lu.assertEquals(things, {old = {password = "other"}})
end

-- ---- Help and declaration ----

TestHelp = {}

function TestHelp:test_tells_arguments_defaults_and_grants()
  local core = fakecore.open()
  local m = manifest {author = "Ann", license = "MIT", p80 = "0.0.0", windows = "6.1", reports = "who it was."}
  m.args.ports = {type = "list", of = "port", default = {80, 443}, help = "some ports"}
  m.args.to = {type = "address", required = true, help = "the address"}
  m.args.password = {type = "secret", required = true, help = "of the account"}
  local help = core.arguments.help(m)
  for _, expected in ipairs {"p80 demo", "A demo.", "--port <port>", "(default 80)", "--up-to {a,b}", "scm.state:x", "--check", "Version 1.0.0 by Ann, licence MIT.",
    "Needs p80 0.0.0", "Needs Windows 6.1", "Reports: who it was.", "--ports <port>,...", "(default 80,443)", "the address (required)",
    "--args-file <file>", "Secrets, from --args-file", "   password              of the account (required)"} do
    lu.assertStrContains(help, expected)
  end
  lu.assertNotStrContains(help, "--password")
  lu.assertStrContains(help, " --to <address>")
  lu.assertNotStrContains(help, "[--to")
  lu.assertStrContains(core.arguments.help(manifest {grants = {}}), "Changes nothing.")
end

function TestHelp:test_the_declaration_has_everything_for_other_programs()
  local core = fakecore.open()
  lu.assertEquals(core.arguments.declared(manifest {args = {
    up_to = {type = "enum", values = {"a", "b"}, default = "a", help = "how far"}, key = {type = "secret", required = true},
  }}), {
    {name = "key", type = "secret", required = true},
    {name = "up_to", option = "--up-to", type = "enum", values = {"a", "b"}, default = "a", help = "how far", required = false},
  })
  lu.assertEquals(core.data.document(core.arguments.declared(manifest {args = {}}), {}), "[]")
end
