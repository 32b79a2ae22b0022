-- Makes ZIP archives, also such as nobody should make.
local zipfile = {}

local function crc32(bytes)
  local crc = 0xFFFFFFFF
  for i = 1, #bytes do
    crc = crc ~ bytes:byte(i)
    for _ = 1, 8 do crc = crc & 1 == 1 and crc >> 1 ~ 0xEDB88320 or crc >> 1 end
  end
  return crc ~ 0xFFFFFFFF
end

-- Deflate without compression: a stream of one block that is stored.
function zipfile.store(bytes) return "\1" .. string.pack("<I2I2", #bytes, ~#bytes & 0xFFFF) .. bytes end

local function pick(entry, field, default) if entry[field] == nil then return default end return entry[field] end

-- The record before the bytes, and the one in the list. What `entry["local"]` has is said in the first alone.
local function records(entry, offset)
  local packed = entry.packed or entry.bytes
  local function head(e)
    return string.pack("<I2I2I2I2I4I4I4", pick(e, "flags", 0x800), pick(e, "method", 0), 0, 0x5A21, pick(e, "crc", crc32(entry.bytes)),
      pick(e, "packed_size", #packed), pick(e, "size", #entry.bytes))
  end
  local other = setmetatable(entry["local"] or {}, {__index = entry})
  local name = pick(other, "name", "")
  local before = "PK\3\4" .. string.pack("<I2", 20) .. head(other) .. string.pack("<I2I2", #name, 0) .. name .. packed
  local listed = "PK\1\2" .. string.pack("<I2I2", pick(entry, "made_by", 20), 20) .. head(entry) .. string.pack("<I2I2I2I2I2I4I4",
    #entry.name, 0, 0, pick(entry, "disk", 0), 0, pick(entry, "attributes", 0), pick(entry, "offset", offset)) .. entry.name
  return before, listed
end

--- zipfile.make{{name=, bytes=, packed=, method=, flags=, crc=, size=, packed_size=, attributes=, made_by=, offset=, ["local"]={...}},
-- ..., comment=, tail={entries=, size=, offset=, ...}} -> the archive
function zipfile.make(list)
  local before, listed, offset = {}, {}, 0
  for i, entry in ipairs(list) do
    before[i], listed[i] = records(entry, offset)
    offset = offset + #before[i]
  end
  local directory, tail = table.concat(listed), list.tail or {}
  local count = pick(tail, "entries", #list)
  return table.concat(before) .. directory .. "PK\5\6" .. string.pack("<I2I2I2I2I4I4", pick(tail, "disk", 0), pick(tail, "first_disk", 0),
    pick(tail, "here", count), count, pick(tail, "size", #directory), pick(tail, "offset", offset)) .. string.pack("<s2", list.comment or "")
end

return zipfile
