-- .reg files: whatever can be read is the same when it is written and read again.
local regfile = require "regfile"

-- A code page in which every byte is a character.
local function decode(bytes) return (bytes:gsub("[\x80-\xFF]", function(c) return utf8.char(c:byte()) end)) end
local function encode(text)
  if text:find "[\xC4-\xFF]" then return nil end
  return (text:gsub("([\xC2\xC3])([\x80-\xBF])", function(a, b) return string.char((a:byte() & 3) << 6 | b:byte() & 63) end))
end

local function assert_same(a, b, where)
  assert(type(a) == type(b), where)
  if type(a) ~= "table" then return assert(a == b, where) end
  for key, value in pairs(a) do assert_same(value, b[key], where .. "." .. key) end
  for key in pairs(b) do assert(a[key] ~= nil, where .. "." .. key) end
end

local function check(input)
  local sections, version = regfile.parse(input, decode)
  if not sections then
    assert(math.type(version.line) == "integer" and version.line >= 1 and version.text and version.message)
    return
  end
  local again, problem = regfile.parse(assert(regfile.format(sections, {exact = true})))
  assert(again, not again and problem.message)
  assert_same(again, sections, "sections")
  assert(regfile.parse(regfile.format(sections)))
  local old = regfile.format(sections, {version = 4, encode = encode})
  assert(not old or regfile.parse(old, decode))
end

return function(input)
  check(input)
  check("REGEDIT4\n" .. input) -- what a broken header would hide
end
