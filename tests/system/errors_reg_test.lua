-- build: shim
-- arch: x64
-- Every call of Windows fails once (see errors_test.lua): what win.reg has besides keys and values.
local lu = require "luaunit"
local case = require "case"
local failing = require "failing"
local reg = win.reg

local KEY, FILE, HIVE, MOUNT = [[HKLM\SOFTWARE\p80-errors]], [[C:\p80-errors.hiv]], [[C:\p80-errors-2.hiv]], [[HKLM\p80-errors]]
local HERE = "\\\\" .. win.host.name() .. "\\"

local T = case.suite "Registry"

local function prepare()
  if reg.exists(MOUNT) then reg.unload(MOUNT) end
  os.remove(FILE)
  reg.delete(KEY, nil, {tree = true})
  reg.create(KEY)
  reg.create(KEY .. "\\sub")
  reg.set(KEY, "text", "some text", {type = "sz"})
  reg.set(KEY .. "\\sub", "number", 7, {type = "dword"})
  reg.set_security(KEY, "O:BAG:BAD:(A;;KA;;;BA)")
end

local function snapshot()
  return {reg.tree(KEY), reg.security(KEY), reg.exists(MOUNT), lfs.attributes(FILE, "size") ~= nil}
end

function T:test_reads()
  prepare()
  local faults, strikes = {}, 0
  for _, read in ipairs {
    {"security", KEY}, {"export", KEY}, {"find", KEY, "sub"}, {"compare", KEY, KEY .. "\\sub"}, {"keys", HERE .. KEY}, {"tree", HERE .. KEY},
    {"export", KEY, {version = 4}},
  } do
    local function f() return reg[read[1]](table.unpack(read, 2)) end
    local base, handles = f(), test.handle_count()
    strikes = strikes + failing.each_of(f, function(wish)
      local struck, ok, result = failing.call(wish, f)
      local fault = not ok and failing.wrong_with(result) or nil
      if ok and not lu.private._is_table_equals(base, result) then fault = "another result" end
      if fault then faults[#faults + 1] = ("win.reg.%s, %s: %s"):format(read[1], wish, fault) end
      return struck
    end)
    if test.handle_count() - handles > 3 then faults[#faults + 1] = read[1] .. ": handles left open" end
  end
  lu.assertEquals(table.concat(faults, "\n"), "")
  lu.assertTrue(strikes > 60, strikes)
end

function T:test_watch()
  prepare()
  local handles, strikes = test.handle_count(), 0
  local function f()
    local next_change, _, _, watch = reg.watch(KEY, {timeout = 0.05})
    local _ <close> = watch
    reg.set(KEY, "text", tostring(math.random(1 << 40)), {type = "sz"})
    return next_change()
  end
  strikes = failing.each_of(f, function(wish)
    local struck, ok, result = failing.call(wish, f)
    if not ok then lu.assertNil(failing.wrong_with(result), wish) end
    return struck
  end)
  collectgarbage()
  lu.assertTrue(strikes >= 6, strikes)
  lu.assertTrue(test.handle_count() - handles <= 3, "handles left open")
end

function T:test_writes()
  if not lfs.attributes(HIVE, "size") then
    prepare()
    reg.set(KEY .. "\\sub", "other", "x", {type = "sz"})
    reg.save(KEY, HIVE)
  end
  for _, write in ipairs {
    {op = "reg.set_security", arguments = {KEY, "O:SYD:P(A;;KA;;;SY)(A;;KA;;;BA)"}}, {op = "reg.save", arguments = {KEY, FILE}},
    {op = "reg.load", arguments = {MOUNT, HIVE}}, {op = "reg.restore", arguments = {KEY, HIVE}},
    {op = "reg.delete", arguments = {HERE .. KEY .. "\\sub", nil, {tree = true}}},
    {op = "reg.import", arguments = {"REGEDIT4\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\p80-errors\\a\\b]\n@=\"x\"\n[-" .. KEY .. "\\sub]\n"}},
  } do
    write.prepare, write.snapshot = prepare, snapshot
    failing.write(write)
  end
end

function T:test_unload()
  prepare()
  reg.save(KEY, FILE .. "3")
  reg.load(MOUNT, FILE .. "3")
  local struck, ok, e = failing.call("RegUnLoadKeyW:1:5", function() reg.unload(MOUNT) end)
  lu.assertEquals({struck, ok, e.op, e.code}, {true, false, "reg.unload", 5})
  lu.assertStrContains(e.hint, "open")
  reg.unload(MOUNT)
end

if not (test and test.finish) then os.exit(lu.LuaUnit.run()) end
