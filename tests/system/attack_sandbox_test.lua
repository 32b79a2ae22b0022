-- Attacks on the gate from within Lua: what is known of Redis, Nmap, Neovim and the Lua manual. A playbook with the least
-- grants tries to change a value of the registry that it was not given, and to reach what is behind the gate.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Sandbox"

local KEY = [[HKCU\Software\p80-attack]]
local START = [==[
  local p80 = require "p80"
  p80.playbook {name = "attack", version = "1.0.0", summary = "x", grants = {"reg.value:HKCU\\Software\\p80-own\\x", "reg.key:HKCU\\Software\\p80-own"}}
  local function change() return win.reg.set([[HKCU\Software\p80-attack]], "x", 1) end
  local function refused(ok, e) assert(not ok and rawget(e, "name") == "P80_REFUSED", "not refused") end
]==]

local setUp = T.setUp
function T:setUp()
  setUp()
  for _, key in ipairs {KEY, [[HKCU\Software\p80-own]]} do case.reg {"delete", key, "/f"} end
end

-- Runs an attack, which asserts what it is told; nothing may have changed. Returns the result.
local function attack(code, exit, ...)
  local result = case.script(START .. code, {...})
  lu.assertFalse(win.reg.exists(KEY), code)
  lu.assertNotStrContains(result.stderr, "p80:core/", false, code)
  return case.exits(result, exit or 0)
end

function T:test_what_reaches_into_other_functions_is_not_there()
  attack [==[
    for _, name in ipairs {"debug", "gethook", "sethook", "getlocal", "setlocal", "getmetatable", "setmetatable", "getregistry", "getupvalue",
      "setupvalue", "upvalueid", "upvaluejoin", "getuservalue", "setuservalue", "setcstacklimit"} do
      assert(debug[name] == nil and package.loaded.debug[name] == nil, name)
    end
    assert(string.dump == nil and ("").dump == nil)
    for _, name in ipairs {"loadlib", "cpath", "path", "searchpath", "config"} do assert(package[name] == nil, name) end
    local function look(f) for _, what in ipairs {"f", "nSltufrL", ">f", "SnluftrL"} do
      local ok, info = pcall(debug.getinfo, f, what)
      assert(not ok or info == nil or info.func == nil)
    end end
    for level = 0, 10 do look(level) end
    for _, f in ipairs {print, io.open, win.reg.set, p80.playbook, require, coroutine.resume} do look(f) end
    local co = coroutine.create(function() coroutine.yield() end)
    coroutine.resume(co)
    for level = 0, 3 do local ok, info = pcall(debug.getinfo, co, level, "f") assert(not ok or not info or not info.func) end
    setmetatable({}, {__gc = function() for level = 0, 5 do look(level) end end}) collectgarbage()
    refused(pcall(change)) ]==]
end

function T:test_load_takes_text_alone()
  attack [==[
    local binary = "\27LuaT\0\x19\x93\r\n\x1a\n\4\8\8"
    assert(not load(binary) and not load(binary, "x", "b") and not load(binary, "x", "bt", {}))
    local parts = {"\27", "LuaT", "\0"}
    assert(not load(function() return table.remove(parts, 1) end, "x", "bt"))
    assert(not load(function() return table.remove({"\27Lua"}, 1) end, "=x", "b", _ENV))
    assert(not pcall(load, setmetatable({}, {__tostring = function() return binary end})))
    local dropped = arg[0] .. ".bin"
    assert(not loadfile(dropped) and not loadfile(dropped, "b") and not pcall(dofile, dropped))
    assert(load("return ...", "x", "b", {})(7) == 7) -- text, whatever the mode says
    local env = {}
    assert(load("x = 1", "x", "t", env)) () assert(env.x == 1)
    assert(load("return _ENV", "x", "t", nil)() == nil)
    refused(pcall(load("return win.reg.set([[HKCU\\Software\\p80-attack]], 'x', 1)")))
    refused(pcall(load("win.reg.set([[HKCU\\Software\\p80-attack]], 'x', 1)", "p80:core/gate.lua")))
    refused(pcall(load("win.reg.set([[HKCU\\Software\\p80-attack]], 'x', 1)", "=[C]", "t", {win = win}))) ]==]
end

function T:test_binary_files_are_no_chunks()
  case.write("script.lua.bin", "\27LuaT\0\x19\x93\r\n\x1a\n")
  case.write("m.lua", "\27LuaT\0\x19\x93\r\n\x1a\n")
  attack [[assert(not loadfile(arg[0] .. ".bin", "bt")) assert(not pcall(dofile, arg[0] .. ".bin")) assert(not pcall(require, "m"))]]
end

function T:test_metatables()
  attack [==[
    local s = getmetatable("")
    local real = s.__index
    s.__index = function(_, key) return function() return "*" end end
    refused(pcall(change))
    s.__index = real
    s.__concat, s.__eq, s.__lt, s.__len = change, change, change, change
    s.__mod = function() return change() end
    refused(pcall(function() return "" % 1 end))
    setmetatable(_G, {__index = change, __newindex = change})
    for _, name in ipairs {"__gc", "__close", "__index", "__newindex", "__call", "__pairs", "__tostring", "__name", "__metatable", "__mode"} do
      local t = setmetatable({}, {[name] = name == "__metatable" and false or name == "__mode" and "k" or change})
      refused(pcall(change))
      local ok, e = pcall(win.reg.set, [[HKCU\Software\p80-attack]], t, t)
      assert(not ok and e.name ~= nil)
    end
    for _, f in pairs(getmetatable(io.stdout)) do pcall(f, {}) pcall(f, io.stdout, win) end
    io.output():setvbuf "no"
    for _, t in ipairs {win, win.http, win.reg} do
      local m = getmetatable(t)
      for _, f in pairs(type(m) == "table" and m or {}) do
        for _, value in ipairs {1, "x", {}, print, coroutine.create(print), io.stdout} do pcall(f, value, "http") pcall(f, value, value) pcall(f) end
      end
    end ]==]
end

function T:test_values_that_cross()
  attack [==[
    local bad = {print, coroutine.create(print), io.stdout, setmetatable({}, {__index = function() return "x" end}), {[{}] = 1}, {{{print}}}}
    local cycle = {} cycle[1] = cycle
    bad[#bad + 1] = cycle
    local deep = {} for _ = 1, 5000 do deep = {deep} end
    bad[#bad + 1] = deep
    for _, value in ipairs(bad) do
      for _, f in ipairs {win.reg.set, win.scm.stop, win.file.write, win.process.run, p80.report} do
        local ok, e = pcall(f, value, value, value)
        assert(not ok and (type(e) == "table" or type(e) == "string"))
      end
    end
    local _, e = pcall(change)
    local m = getmetatable(e)
    m.__index = function() return "*" end
    m.__tostring = change
    m.__gc = change
    local forged = setmetatable({op = "x", code = 0, name = {}, target = e, message = {}}, m)
    refused(pcall(change))
    assert(not pcall(win.reg.set, [[HKCU\Software\p80-attack]], "x", forged))
    assert(not pcall(p80.report, {[true] = 1}) or true)
    p80.report(forged) ]==]
end

function T:test_coroutines_closing_and_collecting()
  attack [==[
    refused(pcall(coroutine.wrap(change)))
    refused(coroutine.resume(coroutine.create(change)))
    local co = coroutine.wrap(function() while true do coroutine.yield(pcall(change)) end end)
    refused(co()) refused(co())
    -- a yield across the gate
    local yielding = coroutine.create(function() return win.reg.set([[HKCU\Software\p80-attack]], "x", setmetatable({}, {__index = coroutine.yield})) end)
    assert(not coroutine.resume(yielding))
    local told = {}
    local function closing() return setmetatable({}, {__close = function() told[#told + 1] = {pcall(change)} end}) end
    do local _ <close> = closing() end
    pcall(function() local _ <close> = closing() error "x" end)
    local stopped = coroutine.create(function() local _ <close> = closing() coroutine.yield() end)
    coroutine.resume(stopped) coroutine.close(stopped)
    for _ in next, {1}, nil, closing() do break end
    assert(#told == 4)
    for _, one in ipairs(told) do refused(table.unpack(one)) end
    -- a finalizer in the middle of everything
    collectgarbage("generational") collectgarbage("incremental", 1, 1000)
    local count = 0
    local function again() setmetatable({}, {__gc = function() count = count + 1 pcall(change) if count < 2000 then again() end end}) end
    again()
    for _ = 1, 300 do pcall(change) win.reg.set([[HKCU\Software\p80-own]], "x", 1) end
    assert(count > 10) ]==]
  lu.assertEquals((win.reg.get([[HKCU\Software\p80-own]], "x")), 1)
end

function T:test_errors_and_handlers()
  attack [==[
    refused(xpcall(change, function(e) pcall(change) return e end))
    xpcall(change, change) xpcall(change, error) xpcall(error, change)
    local function deep() return pcall(deep) or change() end
    pcall(deep)
    pcall(error, setmetatable({}, {__tostring = change}))
    warn("@on") warn(tostring(select(2, pcall(change))))
    assert(not pcall(error)) ]==]
  attack("error(setmetatable({}, {__tostring = change, __name = 1, __index = change, __close = change, __gc = change}))", 1)
  attack("local _, e = pcall(change) e.code = 0 e.name = 'x' e.message = setmetatable({}, {__tostring = change}) error(e)", 1)
  attack("local _, e = pcall(change) getmetatable(e).__tostring = nil getmetatable(e).__name = change error(e)", 4)
end

function T:test_modules()
  case.write("own.lua", "return {name = ..., where = select(2, ...)}")
  attack [==[
    for _, name in ipairs {"core", "core.gate", "core.init", "core.grants", "core.journal", "..own", "../own", "..\\own", "C:\\x", "\\\\server\\x",
      "", ".", "own.", ".own", "own..x", "a/b", "a:b", "own.lua:stream", "%", "*", "NUL ", "own ", "own:x", ("x"):rep(1000)} do
      assert(not pcall(require, name), name)
    end
    assert(not pcall(require, setmetatable({}, {__tostring = function() return "core.gate" end})))
    package.loaded.win, package.loaded.p80 = {}, {}
    refused(pcall(change))
    package.loaded.p80 = nil
    assert(require "p80" ~= p80 and not pcall(require "p80".playbook, {name = "again", version = "1.0.0", summary = "x", grants = {"*"}}))
    refused(pcall(change))
    package.preload.own = function() return "mine" end
    table.insert(package.searchers, 1, function(name) return function() return change() end end)
    refused(pcall(require, "anything"))
    table.remove(package.searchers, 1)
    for _, searcher in ipairs(package.searchers) do
      for _, name in ipairs {"core.gate", "gate", "core/gate", "..\\core\\gate"} do
        local ok, loader = pcall(searcher, name)
        assert(not ok or type(loader) ~= "function", name)
      end
    end
    package.searchers = nil assert(not pcall(require, "nothing")) ]==]
end

-- os.exit ends the run as its last line does, wherever it stands: no change behind it, one document, the journal closed.
function T:test_exit_in_odd_places()
  for _, code in ipairs {
    "coroutine.wrap(function() os.exit(7) end)()", "setmetatable({}, {__gc = function() os.exit(7) end}) collectgarbage()",
    "local x <close> = setmetatable({}, {__close = function() os.exit(7) end}) error 'x'", "pcall(os.exit, 7)",
    "xpcall(error, function() os.exit(7) end)", "table.sort({3, 2, 1}, function() os.exit(7) end)", "os.exit(7, true)",
    "for _ in setmetatable({}, {__call = function() os.exit(7) end}) do end", "local co = coroutine.create(function() local x <close> = "
      .. "setmetatable({}, {__close = function() os.exit(7) end}) coroutine.yield() end) coroutine.resume(co) coroutine.close(co)",
    "win.reg.set([[HKCU\\Software\\p80-own]], 'x', 1) string.gsub('x', '.', function() os.exit(7) end)",
  } do
    local result = attack(code .. " change() print 'unreachable'", 7, "--json")
    lu.assertEquals(result.json and result.json.exit, 7, code)
    lu.assertNotStrContains(result.stdout .. result.stderr, "unreachable")
  end
  attack("os.exit(false)", 1)
  attack("os.exit(true)", 0)
  local late = attack("kept = setmetatable({}, {__gc = function() print(pcall(os.exit, 9)) pcall(change) end}) pcall(change) win.reg.set([[HKCU\\Software\\p80-own]], 'x', 2)")
  lu.assertStrContains(late.stdout, "the run has ended")
  lu.assertStrContains(case.exits(case.p80 {"runs"}, 0).stdout, "done")
end

-- The manifest is taken once, from a file, before anything else.
function T:test_the_manifest_cannot_be_stretched()
  attack [==[
    assert(not pcall(p80.playbook, {name = "b", version = "1.0.0", summary = "x", grants = {"*"}}))
    p80.args, p80.check, p80.json = {}, false, false
    refused(pcall(change)) ]==]
  for _, grants in ipairs {"setmetatable({}, {__index = function() return '*' end})", "{[1] = setmetatable({}, {__tostring = function() return '*' end})}", "'*'"} do
    local result = case.script("require 'p80'.playbook {name = 'a', version = '1.0.0', summary = 'x', grants = " .. grants .. "} "
      .. "win.reg.set([[HKCU\\Software\\p80-attack]], 'x', 1)")
    lu.assertNotEquals(result.code, 0, grants)
    lu.assertFalse(win.reg.exists(KEY))
  end
end

-- What is shown before somebody agrees to a playbook, or of what one has done, cannot hide a part of itself.
function T:test_nothing_acts_upon_the_terminal()
  case.write("evil.lua", [[require 'p80'.playbook {name = 'evil', version = '1.0.0', summary = 'x\27[2K\27[1A', grants = {"scm.state"}}]])
  lu.assertStrContains(case.exits(case.p80 {"install", case.path "evil.lua", "--check"}, 2).stderr, "'summary': It has a control character.")
  local code = [==[
    win.reg.set("HKCU\\Software\\p80-own", "x\27[8my\r\nz", "v\27[8m")
    error "bad \27[8m \u{9B}8m" ]==]
  local result = case.exits(case.p80 {"--verbose", "--allow", "reg.*:HKCU\\Software\\p80-own*", "-e", code}, 1)
  lu.assertStrContains(result.stderr, [[reg.value HKCU\Software\p80-own\x\x1B[8my\x0D\x0Az: created]])
  lu.assertStrContains(result.stderr, [[bad \x1B[8m \xC2\x9B8m]])
  for _, words in ipairs {{"runs"}, {"undo", "--check"}, {"undo"}} do
    local shown = case.p80(words)
    lu.assertNil((shown.stdout .. shown.stderr):find "[\27\x9B]")
  end
end

-- Names that look like patterns or like other names.
function T:test_names_in_the_registry()
  local grant = [[reg.*:HKCU\Software\p80-attack\in\*]]
  local result = case.p80 {"--allow", grant, "-e", [==[
    local function refused(...)
      local ok, e = pcall(...)
      if ok or e.name ~= "P80_REFUSED" and e.name ~= "ERROR_INVALID_PARAMETER" then print(tostring(e), ...) end
    end
    local base = "HKCU\\Software\\p80-attack"
    for _, key in ipairs {"", "\\in", "\\", "\\\\in\\x", "\\in\\..", "\\in\\..\\out", "\\in/..", "\\inx", "/in/x", "\\*", "\\%", "\\i*", "\\[i]n\\x", "\\in*",
      "\\IN", "\\in ", "\\out\\in\\x"} do
      refused(win.reg.set, base .. key, "x", 1)
      refused(win.reg.set, base .. key, nil, 1)
      refused(win.reg.create, base .. key)
    end
    -- a name of a value is no part of a path
    for _, name in ipairs {"in\\x", "in\\sub\\x", "\\in\\x"} do refused(win.reg.set, base, name, 1) end
    for _, key in ipairs {"HKEY_CURRENT_USER\\Software\\p80-attack", "hkcu\\software\\P80-ATTACK", "HKCU\\\\Software\\p80-attack", "HKCU/Software/p80-attack",
      "HKU\\S-1-5-21-0-0-0-1000\\Software\\p80-attack\\in\\x", "\\\\localhost\\HKCU\\Software\\p80-attack\\in\\x", "HKLM\\SOFTWARE\\p80-attack\\in\\x"} do
      refused(win.reg.set, key, "x", 1)
    end ]==]}
  lu.assertEquals(case.exits(result, 0).stdout, "")
  lu.assertFalse(win.reg.exists(KEY))
end

function T:test_names_of_services_and_patterns_in_grants()
  for grant, names in pairs {
    ["scm.state:Spooler"] = {"W3SVC", "*", "Spooler*", "Spool%r", "Spoole.", "^Spooler$", "Spooler\0", "Spooler ", " Spooler", "Spooler\\x", "Print Spooler"},
    ["scm.state:Spool[er]*"] = {"Spooler", "Spoole"}, ["scm.state:Spool.*"] = {"Spooler"}, ["scm.state:Spool?r"] = {"Spooler"},
    ["scm.config"] = {"Spooler"},
  } do
    local code = "for _, name in ipairs {"
    for _, name in ipairs(names) do code = code .. ("%q, "):format(name):gsub("\0", "\\0") end
    local result = case.p80 {"--allow", grant, "-e", code .. [[} do
      for _, f in ipairs {win.scm.start, win.scm.stop, win.scm.restart, win.scm.delete} do
        local ok, e = pcall(f, name)
        if ok and e or not ok and e.name ~= "P80_REFUSED" and e.name ~= "ERROR_SERVICE_DOES_NOT_EXIST" and e.name ~= "ERROR_INVALID_NAME"
          and e.name ~= "ERROR_INVALID_PARAMETER" then print(name, ok, e) end
      end end]]}
    lu.assertEquals(case.exits(result, 0).stdout, "", grant)
  end
end
