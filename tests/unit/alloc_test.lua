-- engine/alloc.c: the pool, and the page heap of test builds. What cannot be done from Lua is done by
-- tests/fixtures/alloc-check.c, built with either.
local lu = require "luaunit"

local TestAlloc = {}
_G.TestAlloc = TestAlloc

local CORRUPT = 0xC0000374

local function check(program, what)
  local result = test.spawn {path = test.bin .. program .. ".exe", args = {what}}
  lu.assertFalse(result.timed_out, what)
  return result
end

-- Wine hands 8 bits of an exit code on to the next program, if at all.
local function is_code(code, expected) return code == expected or code & 0xFF == expected & 0xFF end

function TestAlloc:test_what_is_right()
  for _, program in ipairs {"alloc-check", "alloc-check-paged"} do
    for _, what in ipairs {"open-and-close", "two-states", "random-sizes", "big", "many"} do
      local result = check(program, what)
      lu.assertEquals(result.code, 0, program .. " " .. what .. ": " .. result.stderr)
      lu.assertStrContains(result.stdout, "0 blocks, 0 bytes left")
    end
  end
end

function TestAlloc:test_page_heap_faults()
  for _, what in ipairs {"overrun", "read-overrun", "after-free", "after-growth"} do
    local result = check("alloc-check-paged", what)
    lu.assertEquals(result.code, 77, what .. ": " .. result.stderr)
    lu.assertStrContains(result.stderr, "fault c0000005")
  end
end

function TestAlloc:test_page_heap_finds_what_is_wrong()
  for what, message in pairs {
    underrun = "written before or behind its memory", tail = "written before or behind its memory",
    twice = "freed twice", inside = "no such block", ["wrong-size"] = "wrong old size",
    ["wrong-old-size"] = "wrong old size",
  } do
    local result = check("alloc-check-paged", what)
    lu.assertTrue(is_code(result.code, CORRUPT), what .. ": " .. result.code)
    lu.assertStrContains(result.stderr, "page heap: ")
    lu.assertStrContains(result.stderr, message)
  end
end

function TestAlloc:test_no_memory()
  local result = check("alloc-check-paged", "no-memory")
  lu.assertEquals(result.code, 0)
  lu.assertStrMatches(result.stdout, "%d%d%d allocations, %d%d%d failures.*0 blocks, 0 bytes left.*")
end

-- Strings, tables and closures of all sizes around the limits of the size classes keep what they hold.
function TestAlloc:test_sizes_in_lua()
  local kept = {}
  for size = 0, 600 do kept[size] = (string.char(size % 256)):rep(size) end
  for size = 0, 600, 3 do kept[size] = kept[size] .. "x" end
  collectgarbage()
  for size = 0, 600 do
    local more = size % 3 == 0
    lu.assertEquals(#kept[size], more and size + 1 or size)
    lu.assertEquals(kept[size], (string.char(size % 256)):rep(size) .. (more and "x" or ""))
  end
end

function TestAlloc:test_tables_grow_and_shrink()
  local t = {}
  for round = 1, 3 do
    for i = 1, 20000 do t[i] = {i, round, name = "n" .. i} end
    for i = 1, 20000 do
      lu.assertTrue(t[i][1] == i and t[i][2] == round and t[i].name == "n" .. i)
      if i % 7 ~= 0 then t[i] = nil end
    end
    collectgarbage()
    for i = 7, 20000, 7 do lu.assertTrue(t[i][1] == i) end
  end
end

function TestAlloc:test_memory_is_given_back()
  local function fill()
    local t = {}
    for i = 1, 50000 do t[i] = {i} end
    return #t
  end
  fill()
  collectgarbage()
  local before = collectgarbage "count"
  for _ = 1, 5 do fill() end
  collectgarbage()
  lu.assertTrue(collectgarbage "count" < before + 100)
end

function TestAlloc:test_too_large_is_an_error()
  local ok, message = pcall(string.rep, "x", 1 << 40)
  lu.assertFalse(ok)
  lu.assertIsString(message)
  lu.assertEquals(("x"):rep(10), "xxxxxxxxxx")
end

if not (test and test.finish) then os.exit(lu.LuaUnit.run()) end
