-- Plain data: comparison, copies, and the form in which it is written as JSON.
local data = {}

-- Opened when it is first needed.
local json = setmetatable({}, {__index = function(_, name) return require "dkjson"[name] end})

--- Whether two values are deeply equal.
function data.equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not data.equal(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

--- Whether `value` is one of the array `list`.
function data.contains(list, value)
  for _, item in ipairs(list) do
    if item == value then return true end
  end
  return false
end

--- Whether every field of `want` is in `have`; nil means absent.
function data.includes(have, want)
  if type(have) ~= "table" or type(want) ~= "table" then return have == want end
  for key, value in pairs(want) do
    if not data.equal(have[key], value) then return false end
  end
  return true
end

--- `have` with the fields of `want` laid over it; a new table.
function data.overlay(have, want)
  if want == nil then return nil end
  local both = {}
  for key, value in pairs(have or {}) do both[key] = value end
  for key, value in pairs(want) do both[key] = value end
  return both
end

local function is_text(value) return utf8.len(value) ~= nil end

local HEX, BYTE = {}, {}
for i = 0, 255 do
  local byte, hex = string.char(i), ("%02x"):format(i)
  HEX[byte], BYTE[hex] = hex, byte
end

local function to_hex(bytes) return (bytes:gsub(".", HEX)) end
local function from_hex(hex) return (hex:gsub("%x%x", BYTE)) end

-- JSON holds Unicode text only and objects with text keys only. What does not fit is marked:
-- {"$bytes": hex} for other strings, {"$pairs": [[key, value], ...]} for tables with such keys.
local pack

local ONLY_N <const> = {__tojson = function(value) return ('{"n":%s}'):format(json.encode(value.n)) end}

-- dkjson takes a table of nothing but a number `n` for an array of that length.
local function as_object(value)
  return next(value) == "n" and next(value, "n") == nil and setmetatable(value, ONLY_N) or value
end

local function pack_pairs(value)
  local list = {}
  for key, item in pairs(value) do list[#list + 1] = {pack(key), pack(item)} end
  return {["$pairs"] = list}
end

function pack(value)
  if type(value) == "string" and not is_text(value) then return {["$bytes"] = to_hex(value)} end
  if type(value) ~= "table" then return value end
  local packed, length = {}, #value
  for key, item in pairs(value) do
    local is_index = math.type(key) == "integer" and key >= 1 and key <= length
    local is_name = type(key) == "string" and is_text(key) and key:sub(1, 1) ~= "$" and length == 0
    if not is_index and not is_name then return pack_pairs(value) end
    packed[key] = pack(item)
  end
  return as_object(packed)
end

local function unpack_value(value)
  if type(value) ~= "table" then return value end
  if value["$bytes"] then return from_hex(value["$bytes"]) end
  local unpacked = {}
  if value["$pairs"] then
    for _, pair in ipairs(value["$pairs"]) do unpacked[unpack_value(pair[1])] = unpack_value(pair[2]) end
  else
    for key, item in pairs(value) do unpacked[key] = unpack_value(item) end
  end
  return unpacked
end

--- One line of JSON for any plain data, objects with the keys in `key_order` first; data.decode gives it back.
function data.encode(value, key_order) return json.encode(pack(value), {keyorder = key_order}) end

--- The value of a line that data.encode wrote; nil and a reason when it is none.
function data.decode(text)
  local value, _, reason = json.decode(text, 1, nil, nil, nil)
  if reason then return nil, reason end
  return unpack_value(value)
end

-- Bytes that are no UTF-8 as text that people and other programs can take.
local function readable(text)
  return is_text(text) and text or (text:gsub("[\x80-\xFF]", function(c) return ("\\x%02X"):format(c:byte()) end))
end

local function to_document(value)
  if type(value) == "string" then return readable(value) end
  if type(value) ~= "table" then return value end
  local list = setmetatable({}, getmetatable(value))
  for key, item in pairs(value) do
    list[type(key) == "string" and readable(key) or key] = to_document(item)
  end
  return getmetatable(list) and list or as_object(list)
end

--- A copy without metatables.
function data.plain(value)
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = data.plain(item) end
  return copy
end

--- An array, so that it is written as [] even when it is empty.
function data.array(list) return setmetatable(list, {__jsontype = "array"}) end

-- Adds the text keys of `value` and of all in it.
local function collect_keys(value, keys)
  if type(value) ~= "table" then return keys end
  for key, item in pairs(value) do
    if type(key) == "string" then keys[key] = true end
    collect_keys(item, keys)
  end
  return keys
end

--- Whether data.document can write a value: its keys are texts or numbers, as all plain data's but for true and false.
function data.is_document(value)
  if type(value) ~= "table" then return true end
  for key, item in pairs(value) do
    if type(key) == "boolean" or not data.is_document(item) then return false end
  end
  return true
end

--- JSON for other programs: the keys of `key_order` first, the others sorted, so that two documents can be compared; on
-- one line where `is_line` says so.
function data.document(value, key_order, is_line)
  local keys, others, order = collect_keys(value, {}), {}, {}
  for i, key in ipairs(key_order) do order[i], keys[key] = key, nil end
  for key in pairs(keys) do others[#others + 1] = key end
  table.sort(others)
  table.move(others, 1, #others, #order + 1, order)
  return json.encode(to_document(value), {indent = not is_line, keyorder = order})
end

return data
