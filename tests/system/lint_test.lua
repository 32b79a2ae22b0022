-- p80 lint: what it finds, what it leaves alone, and that nothing brings it down.
-- arch: x64
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Lint"

local MANIFEST = [[
local p80 = require "p80"
local args = p80.playbook {name = "demo", version = "1.0.0", summary = "x", args = {%s}, grants = {%s}}
]]

-- Lints texts, each as a file of its own -> by name an array of "line:column rule message; hint".
local function lint(texts, code)
  for name, text in pairs(texts) do case.write("lint\\" .. name .. ".lua", text) end
  local result = case.exits(case.p80 {"lint", case.path "lint", "--json"}, code or 1)
  local found = {}
  for name in pairs(texts) do found[name] = {} end
  for _, one in ipairs(result.json.findings) do
    local name = one.file:match "lint\\(.*)%.lua$"
    table.insert(found[name], ("%d:%d %s %s %s"):format(one.line, one.column, one.rule, one.message, one.hint or ""))
  end
  return found
end

local setUp = T.setUp
function T:setUp()
  setUp()
  assert(lfs.mkdir(case.path "lint"))
end

-- Compares what is found in each text with what is expected: parts of each finding, in order.
local function expect(cases)
  local texts = {}
  for name, one in pairs(cases) do texts[name] = one[1] end
  local found = lint(texts)
  for name, one in pairs(cases) do
    local all = table.concat(found[name], "\n")
    lu.assertEquals(#found[name], #one - 1, name .. "\n" .. all)
    for i = 2, #one do lu.assertStrContains(found[name][i - 1], one[i], false, name) end
  end
end

function T:test_syntax()
  expect {
    expression = {"local x = = 3\n", "1:11 syntax Expected expression near '='."},
    unclosed = {"if x then\n  print(1)\n\nfor i = 1, 2 do\nend\n", "to close 'if' on line 1"},
    unicode = {"local x = 'äöü' 3\n", "1:17 syntax"},
    constant = {"local x <const> = 1\nx = 2\n", "2:1 syntax Attempt to assign to const variable 'x'."},
    label = {"goto nowhere\n", "2:1 syntax No visible label 'nowhere'"},
    wider = {"local x = 1\nx += 1\n", "2:1 syntax"},
    binary = {"\27LuaT\0\x19\x93", "1:1 syntax This is a compiled chunk"},
    utf16 = {"\xFF\xFEp\0r\0", "1:1 syntax This is UTF-16 text. save it as UTF-8"},
    zero = {"x = \0", "1:5 syntax"},
    late = {"\xEF\xBB\xBFlocal x = )", "1:11 syntax"},
  }
end

function T:test_globals()
  expect {
    read = {"print(cuont)\n", "1:7 global 'cuont' is an undeclared global. declare it with 'local'"},
    near = {"local count = 1\nprint(cuont, count, prnit)\n", "2:7 global 'cuont' is an undeclared global. did you mean 'count'?",
      "2:21 global 'prnit' is an undeclared global. did you mean 'print'?"},
    written = {"function main() end\nmain()\nmain = nil\n", "1:10 global 'main' is written as a global. put 'local' before it"},
    overwritten = {"print = nil", "1:1 global 'print' is written"},
    late = {"local function f() return g() end\nlocal function g() return f end\nreturn g", "1:27 global 'g' is an undeclared global."},
    utf8 = {"local s = 'ä' print(s, undeclared)", "1:24 global"},
    closed = {"do local x = 1 end return x", "1:27 global 'x'"},
    silent = {"print(cuont) -- lint: ok\nprint(cuont2)", "2:7 global 'cuont2'"},
  }
end

function T:test_requires_that_cannot_be_followed()
  local message = "require Which module this requires cannot be told from the text, so `p80 sign` and `p80 install FILE` leave it out. write require \"NAME\""
  expect {
    computed = {"local name = 'm' .. #arg\nreturn require(name)\n", "2:8 " .. message},
    ["local"] = {"local name <const> = 'win'\nreturn require(name)\n", "2:8 " .. message},
    joined = {"return require('m' .. #arg)", "1:8 " .. message},
    caught = {"return pcall(require, 'w' .. 'in')", "1:14 " .. message},
    renamed = {"local get = require\nreturn get 'win'", "2:8 " .. message},
    handed_on = {"return {require}", "1:9 " .. message},
    followed = {"local require = require\nlocal a, b, c = require 'win', require('win'), require [[win]]\nreturn {a, b, c, pcall(require, 'win'), string.rep('require', 2)} -- require(x)"},
    another = {"local function require(name) return name end\nreturn require(#arg)"},
    silent = {"return require(arg[1]) -- lint: ok"},
  }
end

function T:test_functions()
  expect {
    direct = {"win.scm.stopp 'x'", "1:9 function There is no win.scm.stopp. did you mean 'win.scm.stop'?"},
    subject = {"print(win.smc.list())", "1:11 function There is no win.smc. did you mean 'win.scm'?"},
    deep = {"print(win.http.urlacl.lst())", "1:23 function There is no win.http.urlacl.lst. did you mean 'win.http.urlacl.list'?"},
    alias = {"local scm = win.scm\nlocal get = scm.gett\nlocal p = require 'p80'\nreturn {get, p.sleap(1)}",
      "2:17 function There is no win.scm.gett. did you mean 'win.scm.get'?", "4:16 function There is no p80.sleap. did you mean 'p80.sleep'?"},
    library = {"return string.dump, table.unpakc, debug.sethook, lfs.dri", "There is no string.dump.", "did you mean 'table.unpack'?",
      "There is no debug.sethook.", "did you mean 'lfs.dir'?"},
    indexed = {"return win['scm'].gett", "1:19 function"},
  }
end

function T:test_options()
  expect {
    key = {"win.scm.list {stat = 'active'}", "1:15 option win.scm.list has no option 'stat'. did you mean 'state'?"},
    word = {"win.scm.list {state = 'activ'}", "1:23 option 'activ' is no value for 'state' of win.scm.list. did you mean 'active'?"},
    held = {"local options = {stat = 1}\nwin.scm.list(options)", "1:18 option"},
    protected = {"print(pcall(win.scm.list, {stat = 1}))", "1:28 option win.scm.list has no option 'stat'."},
    nested = {"win.scm.config('x', {failure = {actions = {{typ = 'restart'}}}})" .. " --", "1:1 grant", "1:45 option 'failure.actions' of win.scm.config has no field 'typ'. it may have action, delay"},
    computed = {"win.scm.list {['sta' .. 't'] = 1}", "1:16 option win.scm.list has no option 'stat'."},
  }
end

function T:test_the_manifest()
  local start = "require 'p80'.playbook "
  expect {
    unknown = {start .. "{name = 'a', version = '1.0.0', summary = 'x', sumary = 'y'}",
      "1:71 manifest The manifest has no field 'sumary'. did you mean 'summary'?"},
    nested = {start .. "{name = 'a', version = '1.0.0', summary = 'x', args = {port = {type = 'port', hlep = 'x'}}}",
      "The argument 'port' is never used.", "manifest 'args.port' of the manifest has no field 'hlep'. did you mean 'help'?"},
    version = {start .. "{name = 'a', version = '1', summary = 'x'}", "1:47 manifest version: A version such as 1.0.0 expected, got '1'."},
    default = {start .. "{name = 'a', version = '1.0.0', summary = 'x', args = {port = {type = 'port', default = 0}}}",
      "The argument 'port' is never used.", "1:112 manifest args.port.default: "},
    grant = {start .. "{name = 'a', version = '1.0.0', summary = 'x', grants = {'reg.key', 'scm.stat'}}",
      "1:92 manifest grants[2]: There is no grant 'scm.stat'. did you mean 'scm.state'?"},
    missing = {start .. "{version = '1.0.0', summary = 'x'}", "1:24 manifest name: "},
  }
end

function T:test_grants()
  expect {
    chosen = {MANIFEST:format("", ""):gsub("grants = {}", "grants = arg and {'scm.state'} or {}"), "2:97 grant The grants of the manifest are not constants. write out"},
    computed = {MANIFEST:format("", "'scm.state', name"):gsub("^", "local name = 'reg.' .. os.time() "), "2:111 grant The grants of the manifest are not constants."},
    whole = {"require 'p80'.playbook(os.time() > 0 and {} or {name = 'x'})", "1:24 grant The grants of the manifest are not constants."},
    missing = {MANIFEST:format("", "") .. "win.scm.stop 'Spooler'", "3:1 grant win.scm.stop needs the grant 'scm.state:Spooler'."},
    elsewhere = {MANIFEST:format("", "'scm.state:W3*'") .. "win.scm.stop 'Spooler' win.scm.stop 'W3SVC'", "3:1 grant"},
    unused = {MANIFEST:format("", "'scm.*', 'reg.value', 'file.write:C:\\\\a\\\\*'") .. "win.scm.stop(arg[1])",
      "grant The grant 'reg.value' is never used. take it out of grants", "grant The grant 'file.write:C:\\a\\*' is never used."},
    alias = {MANIFEST:format("", "") .. "local stop = win.scm.stop\nstop 'x'", "4:1 grant win.scm.stop needs the grant 'scm.state:x'."},
    passed = {MANIFEST:format("", "") .. "pcall(win.scm.stop, 'x')", "3:7 grant win.scm.stop needs the grant 'scm.state:x'."},
    files = {MANIFEST:format("", "") .. "io.open 'x' io.open('x', 'rb') io.open('C:/a/b', 'w') lfs.mkdir 'x' os.execute() os.execute 'x'",
      "io.open needs the grant 'file.write:C:\\a\\b'.", "lfs.mkdir needs the grant 'file.write'.",
      "os.execute needs the grant 'process.run'."},
    registry = {MANIFEST:format("", "'reg.value:HKLM\\\\SOFTWARE\\\\A\\\\*', 'reg.key'")
      .. "win.reg.set([[HKEY_LOCAL_MACHINE\\Software\\a]], 'x', 1) win.reg.set([[HKLM\\SOFTWARE\\B]], 'x', 1) win.reg.create [[HKLM\\SOFTWARE\\A]]",
      "3:56 grant win.reg.set needs the grant 'reg.value:HKLM\\SOFTWARE\\B\\x'."},
    none = {"win.scm.stop 'x'", "1:1 grant win.scm.stop needs the grant 'scm.state', and this script has no manifest."},
  }
end

-- Writing a value creates its key and the keys above it, each with a grant of its own.
function T:test_keys_that_may_have_to_be_created()
  local value, key = [['reg.value:HKLM\\SOFTWARE\\Contoso\\*']], [['reg.key:HKLM\\SOFTWARE\\Contoso%s']]
  local set = [[win.reg.set("HKLM\\SOFTWARE\\Contoso\\Web", "Port", 80)]]
  local below, both = key:format [[\\*]], key:format "" .. ", " .. key:format [[\\*]]
  local other = [[win.reg.set("HKLM\\SOFTWARE\\Contoso", "a", 1, {view = 32})]]
  expect {
    none = {MANIFEST:format("", value) .. set .. " " .. set,
      [[3:1 grant win.reg.set needs the grant 'reg.key:HKLM\SOFTWARE\Contoso', too, when that key is missing. add it to the manifest's grants, or ask win.reg.exists first]]},
    above = {MANIFEST:format("", value .. ", " .. below) .. set, [[needs the grant 'reg.key:HKLM\SOFTWARE\Contoso', too]]},
    only_key = {MANIFEST:format("", both) .. set, [[needs the grant 'reg.value:HKLM\SOFTWARE\Contoso\Web\Port'.]]},
    create = {MANIFEST:format("", below) .. [[win.reg.create "HKLM\\SOFTWARE\\Contoso\\Web"]], "3:1 grant win.reg.create needs the grant"},
    unknown = {MANIFEST:format("", value) .. "win.reg.set(arg[1], 'a', 1)", "needs the grant 'reg.key', too, when that key is missing."},
    view = {MANIFEST:format("", value .. ", " .. key:format "") .. other, "The grant 'reg.key:", [['reg.key:HKLM\SOFTWARE\Contoso (32-bit view)']]},
    delete = {MANIFEST:format("", value) .. [[win.reg.delete("HKLM\\SOFTWARE\\Contoso", {tree = true}) win.reg.delete("HKLM\\SOFTWARE\\Contoso", "a")]],
      [[3:1 grant win.reg.delete needs the grant 'reg.key:HKLM\SOFTWARE\Contoso'.]]},
  }
end

function T:test_keys_that_are_there_or_granted_or_asked_for()
  local value, key = [['reg.value:HKLM\\SOFTWARE\\Contoso\\*']], [['reg.key:HKLM\\SOFTWARE\\Contoso%s']]
  local set = [[win.reg.set("HKLM\\SOFTWARE\\Contoso\\Web", "Port", 80)]]
  local both = key:format "" .. ", " .. key:format [[\\*]]
  local found = lint({
    granted = MANIFEST:format("", value .. ", " .. both) .. set,
    asked = MANIFEST:format("", value) .. [[local KEY <const> = "HKLM\\SOFTWARE\\Contoso\\Web" if win.reg.exists(KEY) then ]] .. set .. " end",
    asked_for_local = MANIFEST:format("", "'reg.value'") .. "for _, key in ipairs(arg) do if win.reg.info(key) then win.reg.set(key, 'a', 1) end end",
    letters = MANIFEST:format("", "'scm.state:MÜLLER'") .. "win.scm.stop 'MÜLLER'",
    there = MANIFEST:format("", "'reg.value'") .. [[win.reg.set("HKLM\\SYSTEM\\CurrentControlSet\\Services\\HTTP", "Start", 4)]],
  }, 0)
  for name, list in pairs(found) do lu.assertEquals(list, {}, name) end
end

-- What each setting of a service needs.
function T:test_grants_of_settings()
  local call = "win.scm.config('x', {start = 'demand', description = 'y', password = p80.args.secret})"
  expect {
    config = {MANIFEST:format("secret = {type = 'secret'}", "'scm.config'") .. call,
      "3:1 grant win.scm.config needs the grant 'scm.details:x'.", "3:1 grant win.scm.config needs the grant 'scm.password:x'."},
    detail = {MANIFEST:format("", "'scm.config'") .. "win.scm.config('x', {description = 'y'})",
      "The grant 'scm.config' is never used.", "needs the grant 'scm.details:x'."},
  }
end

function T:test_arguments()
  expect {
    undeclared = {MANIFEST:format("name = {type = 'text'}", "") .. "print(args.nme)", "3:12 argument The manifest declares no argument 'nme'. did you mean 'name'?"},
    unused = {MANIFEST:format("force = {type = 'flag'}", ""), "2:85 argument The argument 'force' is never used. take it out of args"},
    by_p80 = {MANIFEST:format("name = {type = 'text'}", "") .. "print(p80.args.name, require 'p80'.args.port)", "3:41 argument"},
  }
end

function T:test_modules_beside_the_script_count()
  expect {
    playbook = {MANIFEST:format("port = {type = 'port'}, name = {type = 'text'}", "'scm.state', 'reg.key'") .. "return require 'module'.run()",
      "2:157 grant The grant 'reg.key' is never used."},
    module = {"local p80 = require 'p80'\nlocal module = {}\nfunction module.run()\n  win.scm.stop(p80.args.name)\n  win.file.delete(p80.args.port)\n"
      .. "end\nreturn module", "5:3 grant win.file.delete needs the grant 'file.write'."},
  }
end

function T:test_what_functions_are_given()
  expect {
    types = {"win.scm.wait('x', 'stopped', {timeout = '30'}) win.scm.get(80) win.scm.get {} win.tcp.probe(8.5)",
      "1:41 option '30' is no value for 'timeout' of win.scm.wait. a number expected",
      "option 80 is no value for 'name' of win.scm.get. text expected", "option A table is no value for 'name' of win.scm.get.",
      "option 8.5 is no value for 'port' of win.tcp.probe. an integer expected"},
    words = {"win.scm.list {state = 'Active'} return win.scm.wait('x', 'manual')", "did you mean 'active'?", "one of"},
    count = {"print(win.scm.get(), win.scm.get('x', 1), pcall(win.scm.get), win.scm.get(...))", "1:7 function win.scm.get needs 'name'.",
      "1:39 function win.scm.get takes no more than 1 argument.", "function win.scm.get needs 'name'."},
    colon = {"win.scm:get 'x'", "1:9 function win.scm.get is called with a colon. write win.scm.get(...)"},
    by_name = {"require 'ensure' ('x', {'y'})", "option ensure.ensure takes fields by name. it may have change, check, within"},
    required = {"require 'ensure' ('x', {check = print})", "option ensure.ensure needs the field 'change'."},
    callable = {"local retry = require 'retry' retry(print, {deadlin = 1})", "option retry.retry has no option 'deadlin'. did you mean 'deadline'?"},
    keys = {"win.reg.get([[SOFTWARE\\x]]) win.reg.get 'HKLM/SOFTWARE'", [['SOFTWARE\x' is no key of the registry. it begins with HKLM]],
      "its parts are divided by \\"},
    escape = {'win.reg.get "HKLM\\SOFTWARE"', [=[Invalid escape sequence '\S'. write paths and keys in [[...]], or double each \]=]},
  }
end

function T:test_what_functions_return()
  expect {
    field = {"local s = win.scm.get 'x'\nprint(s.status, s.state)", "2:9 field win.scm.service has no field 'status'. did you mean 'state'?"},
    loop = {"for _, l in ipairs(win.tcp.listeners()) do print(l.service, l.pid) end", "1:52 field win.tcp.listener has no field 'service'."},
    deep = {"print(win.host.version().txt)", "field win.host.version has no field 'txt'. did you mean 'text'?"},
    compared = {"if win.scm.get('x').state == 'Running' or 'stoped' ~= win.scm.status('x').state then print(1) end",
      "1:30 field 'state' is never 'Running'. did you mean 'running'?", "1:43 field 'state' is never 'stoped'. did you mean 'stopped'?"},
  }
end

function T:test_tables_are_no_functions_loops_or_words()
  expect {
    loop = {"for s in win.scm.list() do print(s) end local t = {1} for i in t do print(i) end",
      "1:10 function A table is nothing that a loop can call. for _, item in ipairs(...) do", "function A table is nothing"},
    called = {"local log = require 'log' log('x') log.warn('x')", "1:27 function log is no function.", "did you mean 'log.warning'?"},
    compared = {"print(win.scm.status('x') == 'stopped', win.tcp.probe(80).free == 'yes')", "1:30 field It is never 'stopped'. it has the fields",
      "field 'free' is never 'yes'. it is true or false"},
    counted = {"for _, s in require 'progress'.each(win.scm.list()) do print(s) end", "function progress.each needs 'what'."},
  }
end

function T:test_patterns_that_fit_nothing_and_dependents()
  local function manifest(grant) return MANIFEST:format("", "[[" .. grant .. "]]") end
  expect {
    hive = {manifest [[reg.value:HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\HTTP\*]]
      .. "win.reg.delete([[HKLM\\SYSTEM\\CurrentControlSet\\Services\\HTTP]], 'x')", "fits nothing. its pattern begins with HKLM", "needs the grant"},
    program = {manifest "process.run:netsh.exe" .. "win.process.run {program = 'netsh'}", [[its pattern begins with the whole path, as in process.run:*\netsh.exe]]},
    slashes = {manifest "file.write:C:/Temp/*" .. "win.file.write(arg[1], 'x')", "fits nothing. its pattern begins with the whole path"},
    dependents = {manifest "scm.state:W3SVC" .. "win.scm.stop('W3SVC', {dependents = true})",
      "3:1 grant win.scm.stop with dependents stops other services, too, for which there is no grant."},
  }
end

function T:test_patterns_that_fit()
  local function manifest(grant, code) return MANIFEST:format("", "[[" .. grant .. "]]") .. code end
  local stop, run = "win.scm.stop('W3SVC', {dependents = true})", "win.process.run {program = arg[1]}"
  local found = lint({
    all = manifest("scm.state", stop), some = manifest("scm.state:W*", stop), enumerated = manifest("scm.state:W3SVC]], [[scm.state:WAS", stop)
      .. " win.scm.start 'WAS'",
    program = manifest([[process.run:*\netsh.exe]], run), path = manifest([[process.run:C:\Windows\*]], run),
    remote = manifest([[reg.value:\\SERVER\HKLM\SOFTWARE\*]], "win.reg.delete(arg[1], 'x')"),
    users = manifest([[reg.value:HKU\*]], "win.reg.delete(arg[1], 'x')"), any = manifest([[reg.value:*\x]], "win.reg.delete(arg[1], 'x')"),
  }, 0)
  for name, list in pairs(found) do lu.assertEquals(list, {}, name) end
end

function T:test_what_is_forgotten_or_too_early()
  local playbook = "p80.playbook {name = 'x', version = '1.0.0', summary = 'x', grants = {'scm.state'}}"
  expect {
    required = {playbook .. " win.scm.stop 'x'", [[1:1 global 'p80' is an undeclared global. put local p80 = require "p80" before it]]},
    argument = {MANIFEST:format("port = {type = 'port'}", "") .. "print(port)", "an argument is in what p80.playbook returns: args.port"},
    twice = {MANIFEST:format("", "'scm.state'") .. "win.scm.stop 'x' p80.playbook {name = 'y'}", "3:18 manifest p80.playbook is called once."},
    none = {"require 'p80'.playbook()", "1:1 manifest p80.playbook takes a table."},
    early = {"local p80 = require 'p80' win.scm.stop 'x' " .. playbook, "1:27 grant win.scm.stop comes before p80.playbook"},
    module = {"local ensur, own = require 'ensur', require 'sub.own' print(ensur, own)", "1:20 module There is no module 'ensur'. did you mean 'ensure'?",
      [[1:37 module There is no module 'sub.own'. it would be the file sub\own.lua beside the script]]},
    parts = {"win.scm.list {stat = 1} require 'p80'.playbook {name = 'a b', version = VERSION, summary = 'x', grants = {'scm.stat', 'htp.x'},"
      .. " args = {a = {type = 'port', default = 0}, b = {type = 'enum'}}} print(p80.args.a, p80.args.b)", "option win.scm.list has no option 'stat'.",
      "manifest name: ", "global 'VERSION'", "manifest grants[1]: ", "manifest grants[2]: ", "manifest args.a.default: ", "manifest args.b.values: ",
      "global 'p80'"},
  }
  case.write("broken.lua", "return {")
  local path = case.write("main.lua", "print(require 'broken')")
  lu.assertStrContains(case.exits(case.p80 {"lint", path}, 1).stdout, "broken.lua:1:9: Expected")
  case.write("broken.lua", "local m = {} function m.f() win.scm.get(1) end return m")
  local printed = case.exits(case.p80 {"lint", path, path}, 1).stdout
  lu.assertStrMatches(printed, "[^\n]*broken.lua:1:41: 1 is no value for 'name' of win.scm.get[^\n]*\n")
end

-- The linter's own list of what the guard takes away is the guard's.
function T:test_libraries_are_those_that_scripts_have()
  local listed = case.exits(case.p80 {"-e", [[
    for _, name in ipairs {"string", "table", "math", "io", "os", "coroutine", "utf8", "debug", "package", "lfs"} do
      for member in pairs(_G[name]) do print(name .. "." .. member) end
    end]]}, 0).stdout
  local there, here, gone = {}, {}, {}
  for path in listed:gmatch "[^\r\n]+" do
    there[path] = true
    here[#here + 1] = path
  end
  for _, library in ipairs {"string", "debug", "package", "os", "io", "coroutine"} do
    for member in pairs(_G[library]) do
      local path = library .. "." .. member
      if not there[path] then gone[#gone + 1] = path end
    end
  end
  lu.assertTrue(#here > 100 and #gone > 15)
  local found = lint {here = "return {" .. table.concat(here, ", ") .. "} -- lint: ok", gone = "return {" .. table.concat(gone, ",\n") .. "}"}
  lu.assertEquals(#found.gone, #gone, table.concat(found.gone, "\n"))
  lint({here = "return {" .. table.concat(here, ", "):gsub("io%.open, ", "") .. "}", gone = ""}, 0)
end

-- What is right, however it is put.
function T:test_no_false_alarm()
  local found = lint({
    results = "local s = win.scm.get 'x' or {} print(s.state, win.host.version().text, win.tcp.probe(80).free, #win.scm.list().x)",
    own_fields = "for i, row in ipairs(win.tcp.list()) do row.mine = i print(row.mine) end",
    any_table = "local list = win.scm.list() list.n = #list print(list.n, list[1].name, list[1].state == 'stopped')",
    arguments = "win.scm.get(table.unpack(arg)) win.scm.get(...) win.reg.get([[\\\\server\\HKLM\\SOFTWARE]]) win.reg.get([[hkcu\\x]], nil, {view = 32})",
    values = "local t = tonumber(arg[1]) win.scm.wait('x', 'stopped', {timeout = t}) win.scm.wait('x', arg[2], {timeout = 1.5})",
    callable = "local retry, ensure = require 'retry', require 'ensure' retry(print, {on = function() end}) ensure(arg[1], {check = print, change = print})",
    objects = "local f = io.open 'x' f:read 'a' f:close() io.stdout:write 'x' local s = 'x' print(s:rep(2), ('x'):len())",
    optional = "pcall(win.scm.list) print(win.scm.list {state = nil}) local o = {} o.program = 'x' print(win.process.find(o.program))",
    later_module = "local ok, extra = pcall(require, 'extra') return ok and extra",
    dynamic = MANIFEST:format("verb = {type = 'text'}", "'scm.state'") .. "win.scm[args.verb] 'x'",
    handed = MANIFEST:format("verb = {type = 'text'}", "'scm.state', 'reg.value'") .. "local function f(w, a) return w, a end f(win, args)",
    every = MANIFEST:format("a = {type = 'flag'}", "") .. "for name, value in pairs(args) do print(name, value) end",
    set = MANIFEST:format("", "") .. "args.found = 1 print(args.found)",
    shadowed = "local function f(win) return win.anything.at.all end return f, function(string) return string.dump end",
    reassigned = "local t = win.scm\nt = {}\nreturn t.anything",
    loops = "for i = 1, 2 do local x = i repeat local y = x until y > 1 end for k, v in pairs {} do print(k, v) end",
    closures = "local f function f() return f() end local function g(...) local a <const>, b <close> = ..., nil return a, b, g end return f, g",
    environment = "local _ENV = {print = print} print(anything) other = 1",
    vararg = "local a, b = ... return a, b, arg[0], _VERSION, _G.anything",
    methods = "local s = ('x'):rep(3) return s:anything(), io.stdout:write 'x'",
    branch = "local x if arg[1] then x = win.scm else x = win.reg end return x.anything",
    field = "local t = {scm = win.scm} return t.scm.anything",
    either = "local scm = win.scm or {} return scm.anything",
    jump = "for i = 1, 3 do if i == 2 then goto continue end print(i) ::continue:: end",
    shebang = "#!/usr/bin/p80\nreturn 1",
    bom = "\xEF\xBB\xBFreturn 1",
    stub = "---@meta\nwin = {}",
    some_test = "TestThis = {} function TestThis:test_it() end",
    checked = MANIFEST:format("", "'reg.value:HKLM\\\\SOFTWARE\\\\A\\\\x', 'reg.key'") .. "win.reg.set([[HKLM\\SOFTWARE\\A]], 'x', 1)",
    computed = "require 'p80'.playbook {name = 'a', version = '1.0.0', summary = 'x' .. 'y', args = {p = {type = 'port', default = tonumber '1'}}}"
      .. " print(require 'p80'.args.p)",
    bundled = "local ports, show = require 'ports', require 'show' return ports.who(80), show",
  }, 0)
  for name, list in pairs(found) do lu.assertEquals(list, {}, name) end
end

function T:test_what_p80_brings_has_nothing_to_find()
  local scripts, words = test.folder .. "\\..\\scripts", {"lint", test.folder .. "\\..\\examples"}
  for _, folder in ipairs {scripts, scripts .. "\\lib"} do
    for _, name in ipairs(case.files(folder)) do
      if name:find "%.lua$" then words[#words + 1] = folder .. "\\" .. name end
    end
  end
  local result = case.exits(case.p80(words), 0)
  lu.assertEquals(result.stdout, "")
end

function T:test_lines_for_people_and_exit_codes()
  local path = case.write("a.lua", "x = 1\n")
  lu.assertEquals(case.exits(case.p80 {"lint", path}, 1).stdout:gsub("\r", ""), path .. ":1:1: 'x' is written as a global; put 'local' before it\n")
  local result = case.exits(case.p80 {"lint", path, case.path "none.lua"}, 2)
  lu.assertStrContains(result.stdout, "a.lua:1:1")
  lu.assertStrContains(result.stderr, "none.lua: there is no such file")
  lu.assertStrContains(case.exits(case.p80 {"lint", "--help"}, 0).stdout, "Usage: p80 lint")
  lu.assertStrContains(case.exits(case.p80 {"lint"}, 2).stderr, "file")
  case.exits(case.p80 {"lint", "--jsn", path}, 2)
  lu.assertNil(case.files(case.state .. "\\runs"))
end

-- ---- What nobody would write ----

function T:test_nothing_brings_it_down()
  local found = lint {
    parens = ("("):rep(100000), tables = "return " .. ("{"):rep(300) .. ("}"):rep(300), sum = "return 1" .. (" + 1"):rep(50000),
    concat = "return ''" .. (" .. 'x'"):rep(190), calls = "return print" .. ("()"):rep(50000), index = "return win" .. (".scm"):rep(50000),
    functions = ("local f = function() "):rep(150) .. ("end "):rep(150), line = "local x = '" .. ("y"):rep(1 << 20) .. "'",
    invalid = "local x = '\xFF\xFE\xC3' return x, \xFFy", comment = "--" .. ("\xFF"):rep(1000), brackets = "--" .. "[" .. ("="):rep(100000),
    locals = ("local a = 1 "):rep(250), elses = "if x then " .. ("elseif y then "):rep(5000) .. "end", zeros = ("\0"):rep(1000),
    empty = "", number = "return 0x" .. ("f"):rep(10000) .. ", 1e", escape = [[return "\u{110000000}\xZZ"]], self = "local t = {} t.t = t return t.t.t",
    cycle = "local a = b local b = a return a, b", meta = "return __index, __call", names = "local __index = 1 return __index",
  }
  for name, list in pairs(found) do
    for _, one in ipairs(list) do lu.assertStrMatches(one, "%d+:%d+ %l+ .*", nil, nil, name) end
  end
  for _, name in ipairs {"parens", "tables", "invalid", "locals", "zeros", "number", "escape"} do
    lu.assertStrContains(found[name][1] or "", " syntax ", false, name)
  end
end

-- Scripts with bytes changed, taken out, doubled; a fixed seed.
function T:test_changed_scripts()
  math.randomseed(80)
  local sources = {}
  for _, name in ipairs {"free80", "lib\\ports", "lib\\show"} do sources[#sources + 1] = case.read(test.folder .. "\\..\\scripts\\" .. name .. ".lua") end
  local pieces = {"\0", "\xFF", "[[", "]]", "--[==[", "'", '"', "(", ")", "{", "}", "end", "function", "...", "\\", "0x", "::", "goto ", "<const>", "\27Lua"}
  for i = 1, 120 do
    local text = sources[i % #sources + 1]
    for _ = 1, math.random(1, 4) do
      local at, length = math.random(1, #text), math.random(0, 40)
      text = text:sub(1, at) .. (math.random() < 0.7 and pieces[math.random(#pieces)] or text:sub(at, at + 200)) .. text:sub(at + length)
    end
    case.write(("lint\\%d.lua"):format(i), text)
  end
  local result = case.p80 {"lint", case.path "lint", "--json"}
  lu.assertEquals(case.exits(result, 1).json.files, 120)
  lu.assertEquals(result.stderr, "")
  lu.assertTrue(#result.json.findings > 60)
end
