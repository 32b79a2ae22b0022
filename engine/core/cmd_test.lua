-- p80 test: runs a team's own tests of its playbooks against modelled machines.
local kit, words = ..., {select(2, ...)}
local machines = kit.chunk "kit"(kit)
local lu = require "luaunit"

local parser = require "argparse"("p80 test",
  "Runs tests of playbooks (*_test.lua) against modelled machines; changes nothing here.")
parser:add_help(false):usage_max_width(100):help_max_width(100)
parser:flag("-h --help"):description "say this"
parser:argument("path"):args "*"
  :description "a test file, or a folder with such (with those in it); without one the current folder"
parser:option("-p --pattern"):argname "<pattern>":count "*"
  :description "only tests whose name has this Lua pattern; with ! before it only the others"
parser:option("--junit"):argname "<file>":description "write a JUnit report (XML)"
parser:flag("--tap"):description "print the Test Anything Protocol"
parser:epilog [[
A test file is Lua with functions test_... or tables Test... of them:

  local lu, test = require "luaunit", require "test"
  function test_the_web_server_goes()
    local m = test.machine {services = {Web = {state = "running", listens = {80}}}}
    m:run("free80.lua", {"--port", 80}):exits(0)
    lu.assertEquals(m.services.Web.state, "stopped")
    m:undo():exits(0)
    lu.assertEquals(m.services.Web.state, "running")
  end

`p80 help test.machine` says what a machine has, `p80 help test.model` what can be done with it.

test.load "machine.lua" reads a machine that `p80 capture` has written. With --json the result is
one document.

Exit codes: 0 all tests passed, 1 some failed, 2 there are none or a file cannot be read.]]

local P80_BAD_ARGUMENTS <const> = 0x2000000B

local function fail(text, hint) kit.x.fail("test", nil, P80_BAD_ARGUMENTS, text, hint) end

-- ---- Finding tests ----

local DEEPEST <const> = 16 -- folders may lead back to themselves

local function add_files(files, path, depth)
  local mode = lfs.attributes(path, "mode")
  if mode == "file" then
    files[#files + 1] = path
    return
  elseif mode ~= "directory" then
    error(path .. ": there is no such file or folder", 0)
  end
  local names = {}
  for name in lfs.dir(path) do
    if name ~= "." and name ~= ".." then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local inner = path .. "\\" .. name
    local is_folder = lfs.attributes(inner, "mode") == "directory"
    if is_folder and depth < DEEPEST and lfs.symlinkattributes(inner, "mode") ~= "link" then
      add_files(files, inner, depth + 1)
    elseif name:find "_test%.lua$" then files[#files + 1] = inner end
  end
end

-- What `require "test"` gives in a file of this folder.
local function library(folder)
  local test = {}
  local function new(given)
    local ok, made = pcall(machines.new, given, folder)
    if not ok then error(tostring(made), 3) end -- says where in the test
    return made
  end
  function test.machine(given) return (new(given)) end
  function test.load(path)
    if not path:find "^%a:" and not path:find "^[\\/]" then path = folder .. "\\" .. path end
    return (new(machines.load(path)))
  end
  return test
end

local function folder_of(path) return path:match "^(.*)[\\/][^\\/]*$" or "." end

local function no_exit() error("os.exit in a test file; the playbook under test may call it", 2) end

-- Runs a test file; returns its globals.
local function load_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a":gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", "")
  file:close()
  local folder, own = folder_of(path), {}
  kit.folder(folder)
  local test = library(folder)
  function own.require(name)
    if name == "test" then return test end
    return require(name)
  end
  own.os = setmetatable({exit = no_exit}, {__index = os})
  own._G = own
  local chunk, problem = load(text, "@" .. path, "t", setmetatable(own, {__index = _G}))
  if not chunk then error(problem, 0) end
  chunk()
  return own
end

-- Adds the tests of a file to `list`: {name, function or table}. `prefix` tells the file where there are several.
local function add_tests(list, globals, prefix)
  local names = {}
  for name, value in pairs(globals) do
    local is_test = type(name) == "string" and name:find "^[Tt]est"
    if is_test and (type(value) == "table" or type(value) == "function") then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do list[#list + 1] = {prefix .. name, globals[name]} end
end

local function collect(paths)
  local files, list = {}, {}
  for _, path in ipairs(paths) do add_files(files, path, 0) end
  for _, path in ipairs(files) do
    local prefix = #files > 1 and path:match "([^\\/]*)%.lua$":gsub("%.", "_") .. ": " or ""
    add_tests(list, load_file(path), prefix)
  end
  return list
end

-- ---- Running them ----

local function document(result)
  local rows = setmetatable({}, {__jsontype = "array"})
  for i, node in ipairs(result.allTests) do
    rows[i] = {
      name = node.testName, status = node:isSuccess() and "passed" or node:isSkipped() and "skipped" or "failed",
      message = node.msg, where = node.stackTrace, seconds = node.duration,
    }
  end
  local order = {"passed", "failed", "skipped", "tests", "name", "status", "message", "where", "seconds"}
  return require "dkjson".encode({
    passed = result.successCount, failed = result.notSuccessCount, skipped = result.skippedCount, tests = rows,
  }, {indent = true, keyorder = order}) .. "\n"
end

local function run(list, args)
  local runner = lu.LuaUnit.new()
  runner.patternIncludeFilter = args.pattern[1] and args.pattern or nil
  if kit.verbose then runner.verbosity = lu.VERBOSITY_VERBOSE end
  if args.junit then
    kit.grant("file.write:" .. kit.absolute(args.junit))
    runner:setOutputType("junit", args.junit)
  elseif args.tap then
    runner:setOutputType "tap"
  elseif kit.json then
    runner:setOutputType "nil"
  end
  runner:registerSuite()
  runner:internalRunSuiteByInstances(list)
  runner:unregisterSuite()
  return runner.result
end

local ok, args = parser:pparse(words)
if not ok then fail((args:gsub("%.?\n.*", "")), "`p80 test --help` shows what there is") end
if args.help then
  local text = parser:get_help()
  return (kit.json and require "dkjson".encode {name = "test", text = text} or text) .. "\n", 0
end
local found, list = pcall(collect, args.path[1] and args.path or {"."})
if not found then fail(tostring(list)) end
if not list[1] then fail("There are no tests.", "they are functions test_... or tables Test... in files *_test.lua") end
local all = lu.LuaUnit.expandClasses(list)
if args.pattern[1] and not lu.LuaUnit.applyPatternFilter(args.pattern, all)[1] then
  fail(("None of the %d tests is '%s'."):format(#all, table.concat(args.pattern, "', '")),
    ("their names are like '%s'"):format(all[1][1]))
end
local result = run(list, args)
return kit.json and document(result) or "", result.notSuccessCount == 0 and 0 or 1
