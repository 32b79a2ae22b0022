-- What tests of the whole program share: scenes on a machine, p80 run in them, and the way back.
--
--   local case = require "case"
--   local T = case.suite "Story"         -- a luaunit class; every test has a fresh state folder
--   function T:test_it()
--     case.service {name = "Web", args = {"--http", "http://+:80/"}}
--     local result = case.p80 {"free80.lua", "--check"}
--     case.exits(result, 3)
--   end
-- Services, processes, sockets and files made through `case` go at the end of each test.
local lu = require "luaunit"
local json = require "dkjson"

local ERROR_SERVICE_MARKED_FOR_DELETE <const> = 1072

local case = {}

-- What the running test has made, as functions that take it back.
local undo = {}
function case.later(f) undo[#undo + 1] = f end

--- Asks something of the shims until the end of the test.
function case.shim(name, value)
  test.setenv("P80_SHIM_" .. name, value)
  case.later(function() test.setenv("P80_SHIM_" .. name, nil) end)
end

local scenes = 0

local function begin()
  scenes = scenes + 1
  case.folder = ("C:\\case-%d"):format(scenes) -- for the test's own files
  case.state = case.folder .. "\\state"
  assert(lfs.mkdir(case.folder))
end

local function finish()
  while #undo > 0 do table.remove(undo)() end
end

-- A new luaunit class, Test<name>.
function case.suite(name)
  local class = {setUp = begin, tearDown = finish}
  _G["Test" .. name] = class
  return class
end

-- ---- Running p80 ----

-- case.p80{"free80.lua", "--check", env={}, stdin=, timeout=, cwd=, state=} -> what test.spawn gives, with `json`
-- decoded from standard output when it is a document. `state = false` leaves --state out.
function case.p80(options)
  local result = test.spawn(case.command(options))
  result.json = json.decode(result.stdout, 1, json.null)
  if type(result.json) ~= "table" then result.json = nil end
  return result
end

-- The options for test.spawn and test.start that run p80 so.
function case.command(options)
  local args = table.move(options, 1, #options, 1, {})
  if options.state ~= false then
    table.insert(args, 1, options.state or case.state)
    table.insert(args, 1, "--state")
  end
  return {
    path = options.path or test.p80, args = args, env = options.env, stdin = options.stdin, cwd = options.cwd,
    timeout = options.timeout,
  }
end

-- Everything about a result, for messages.
function case.describe(result)
  return ("exit code %s%s\n-- standard output:\n%s\n-- standard error:\n%s"):format(result.code,
    result.timed_out and " (timed out)" or "", result.stdout, result.stderr)
end

-- Fails unless the result has the exit code; returns the result.
function case.exits(result, code)
  if result.code ~= code or result.timed_out then
    lu.fail(("exit code %d expected, got %s"):format(code, case.describe(result)))
  end
  return result
end

-- Runs Lua text as a script file with p80: case.script(text, {options as case.p80}, arguments...)
function case.script(text, options, ...)
  local path = case.write("script.lua", text)
  options = options or {}
  local call = {}
  for key, value in pairs(options) do call[key] = value end
  call[#call + 1] = path
  for _, word in ipairs {...} do call[#call + 1] = word end
  return case.p80(call)
end

-- ---- The registry, without p80 ----

-- Runs reg.exe with these arguments.
function case.reg(args)
  return test.spawn {path = os.getenv "SystemRoot" .. "\\System32\\reg.exe", args = args}
end

-- ---- Waiting ----

-- Calls f until it returns something true, and returns that; fails after `seconds` (15).
function case.wait(what, f, seconds)
  local deadline = test.clock() + (seconds or 15)
  while true do
    local result = f()
    if result then return result end
    if test.clock() > deadline then lu.fail("waited in vain for " .. what) end
    test.sleep(0.05)
  end
end

-- ---- Files ----

function case.path(name) return case.folder .. "\\" .. name end

function case.write(name, text)
  local path = name:find "^%a:" and name or case.path(name)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

function case.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

-- Files of a folder, sorted; nil when there is no such folder.
function case.files(folder)
  if lfs.attributes(folder, "mode") ~= "directory" then return nil end
  local names = {}
  for name in lfs.dir(folder) do
    if name ~= "." and name ~= ".." then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- ---- Holders of ports ----

local function quoted(word) return word:find "[ \t]" and '"' .. word .. '"' or word end

-- case.service{name=, args={words for holder.exe}, program=, display_name=, start="demand"|"auto"|"disabled",
--   dependencies={}, run=true} installs holder.exe as a service and starts it; it is gone after the test.
local starts = {auto = 2, demand = 3, disabled = 4}

-- A service of that name which was deleted stays until the SCM has noticed that the last program with a handle is gone.
local function create_service(options)
  case.wait(options.name .. " to be deleted", function()
    local ok, problem = pcall(test.service_create, options)
    if not ok and problem.code ~= ERROR_SERVICE_MARKED_FOR_DELETE then error(problem, 0) end
    return ok
  end)
end

function case.service(options)
  local words = {quoted(options.program or test.bin .. "holder.exe"), "--service"}
  for _, word in ipairs(options.args or {}) do words[#words + 1] = quoted(word) end
  create_service {
    name = options.name, path = table.concat(words, " "), display_name = options.display_name,
    start = starts[options.start or "demand"], dependencies = options.dependencies,
  }
  case.later(function() case.remove_service(options.name) end)
  if options.run ~= false then case.start_service(options.name) end
end

function case.service_running(name)
  local state, pid = test.service_state(name)
  return state == 4 and pid
end

function case.start_service(name)
  local ok, code = test.service_start(name)
  if not ok then lu.fail(("starting %s: error %d"):format(name, code)) end
  return case.wait(name .. " to run", function() return case.service_running(name) end)
end

function case.remove_service(name)
  test.service_stop(name)
  local deadline = test.clock() + 3
  case.wait(name .. " to stop", function()
    local state, pid = test.service_state(name)
    local will_not_stop = state == 3 or test.clock() > deadline
    return state == nil or state == 1 or will_not_stop and test.kill(pid)
  end)
  test.service_delete(name)
end

-- case.holder{"--tcp", "80", ...} starts holder.exe as a program -> process, once it holds what it should.
function case.holder(words)
  local process = test.start {path = words.program or test.bin .. "holder.exe", args = words}
  case.later(function() process:close() end)
  case.wait("the holder", function()
    local output = process:output()
    if output:find "error" then lu.fail("holder: " .. output) end
    return output:find "ready"
  end)
  return process
end

-- The folder where p80 looks for netsh: a 32-bit program sees the System32 of a 64-bit Windows as Sysnative.
local function system_folder()
  local native = [[C:\windows\sysnative]]
  return lfs.attributes(native, "mode") == "directory" and native or [[C:\windows\system32]]
end

local function copy(from, to)
  os.remove(to) -- it may be a hard link to the template's
  case.write(to, case.read(from))
end

-- Puts a netsh in place that prints a text; Wine prefers its own until told otherwise.
function case.fake_netsh(text)
  local folder, overrides = system_folder(), [[HKCU\Software\Wine\DllOverrides]]
  win.reg.create(overrides)
  win.reg.set(overrides, "netsh.exe", "native", {type = "sz"})
  local real = case.read(folder .. "\\netsh.exe")
  case.write("C:\\netsh.txt", text)
  copy(test.bin .. "fake-netsh.exe", folder .. "\\netsh.exe")
  case.write(folder .. "\\nshhttp.dll", "")
  case.later(function()
    os.remove(folder .. "\\nshhttp.dll")
    os.remove(folder .. "\\netsh.exe")
    case.write(folder .. "\\netsh.exe", real)
  end)
end

-- The body of the HTTP answer on a port, or nil.
function case.http(port, family)
  local answer = test.http_get(port, "/", family)
  return answer and answer:match "^HTTP/1%.%d 200.-\r\n\r\n(.*)"
end

-- Waits for an HTTP answer, and returns its body.
function case.wait_http(port)
  return case.wait("an answer on port " .. port, function() return case.http(port) end)
end

-- Waits until somebody listens on the port, without binding it: that could keep him from it.
function case.wait_held(port, family)
  case.wait("port " .. port, function() return #win.tcp.list {port = port, family = family or 4, state = "listen"} > 0 end)
end

-- Whether a plain program can take the port now: "ok" or "error N".
function case.bind(port, family, ...)
  local result = test.spawn {path = test.bin .. "bind-check.exe", args = {tostring(port), tostring(family or 4), ...}}
  return (result.stdout:gsub("%s+$", ""))
end

return case
