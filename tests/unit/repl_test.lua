-- scripts/lib/repl.lua in p80 -i, fed through a pipe: no prompts, every result, nothing ends it but the end.
local lu = require "luaunit"

local TestRepl = {}
_G.TestRepl = TestRepl

local function repl(text)
  local result = test.spawn {path = test.p80, args = {"-i"}, stdin = text}
  lu.assertFalse(result.timed_out)
  result.stdout = result.stdout:gsub("\r", "")
  result.stderr = result.stderr:gsub("\r", "")
  return result
end

function TestRepl:test_results()
  local result = repl '1 + 1\n=2, "ä"\nx = 5\nx\nnil\n{a = 1}\nprint "größe"\nlocal y = 1\ny\n'
  lu.assertEquals(result.stdout, '2\n2\n"ä"\n5\nnil\na = 1\ngröße\nnil\n')
  lu.assertEquals(result.stderr, "")
  lu.assertEquals(result.code, 0)
end

function TestRepl:test_statements_of_several_lines()
  local result = repl "for i = 1, 2 do\r\n  print(i)\r\nend\r\nf = function()\n  return 7\nend\nf()"
  lu.assertEquals(result.stdout, "1\n2\n7\n")
end

function TestRepl:test_errors_do_not_end_it()
  local result = repl [[
function f()
  error "boom"
end
local x = f()
error(nil)
)
undefined.field
error(setmetatable({}, {__tostring = function() error "no" end}))
string.find = nil
do setmetatable(_G, {__index = error, __newindex = error}) end
other
"still here"
]]
  lu.assertEquals(result.stdout, '"still here"\n')
  lu.assertStrContains(result.stderr, "(session):2: boom\nstack traceback:")
  lu.assertStrContains(result.stderr, "in function 'f'")
  lu.assertStrContains(result.stderr, "unexpected symbol near ')'")
  lu.assertStrContains(result.stderr, "global 'undefined'")
  lu.assertNotStrContains(result.stderr, "repl.lua")
  lu.assertEquals(result.code, 0)
end

function TestRepl:test_end_of_input_within_a_statement()
  local result = repl "if true then\nprint(1)\n"
  lu.assertEquals(result.stdout, "")
  lu.assertStrContains(result.stderr, "near <eof>")
end

function TestRepl:test_input_is_the_script_s_too()
  lu.assertEquals(repl("io.read()\ndiese Zeile\nio.read 'n'\n12\n").stdout, '"diese Zeile"\n12\n')
end

function TestRepl:test_leaving()
  lu.assertEquals(repl("1\nexit\n2\n").stdout, "1\n")
  lu.assertEquals(repl("1\nos.exit(7)\n2\n").code, 7)
  lu.assertEquals(repl("exit = 3\nexit\nquit\n").stdout, "3\n")
  lu.assertEquals(repl("").code, 0)
end

function TestRepl:test_commands()
  local text = repl("help\nhistory\n!1\nhelp = 4\nprint(help)\n")
  lu.assertStrContains(text.stdout, "Type Lua")
  lu.assertStrContains(text.stdout, "\n4\n")
  lu.assertStrContains(text.stderr, "Nothing in the history")
end

function TestRepl:test_help_about_a_name_however_it_is_asked_for()
  local text = repl('help scm.stop\nhelp "scm.stop"\nhelp(win.scm.stop)\nhelp("win.scm.stop")\n')
  local _, count = text.stdout:gsub("win%.scm%.stop%(name %[, options%]%) %-> changed, stopped\n", "")
  lu.assertEquals({count, text.stderr}, {4, ""}, text.stdout)
  lu.assertStrContains(repl("help win.scm.stpo\n").stderr, "did you mean 'win.scm.stop'?")
  lu.assertEquals(repl("help = tostring\nhelp(1)\n").stdout, '"1"\n')
end

if not (test and test.finish) then os.exit(lu.LuaUnit.run()) end
