-- ZIP archives (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT), read strictly: what two programs could
-- understand in two ways is refused, and nothing is unpacked beyond what the limits allow.
local zip = {}

local END <const>, CENTRAL <const>, LOCAL <const> = 0x06054B50, 0x02014B50, 0x04034B50
local LONGEST_COMMENT <const> = 65535
local IN_UTF8 <const>, DESCRIPTOR_FOLLOWS <const>, NOT_PLAIN <const> = 0x0800, 0x0008, 0x2061 -- bits of the flags
local METHODS = {
  [1] = "Shrink", [6] = "Implode", [9] = "Deflate64", [12] = "BZIP2", [14] = "LZMA", [93] = "Zstandard", [95] = "XZ",
  [98] = "PPMd", [99] = "AES encryption",
}

local function fail(name, message, hint) error({zip = true, name = name, message = message, hint = hint}, 0) end

local table_of_crc
local function crc_table()
  if table_of_crc then return table_of_crc end
  table_of_crc = {}
  for i = 0, 255 do
    local crc = i
    for _ = 1, 8 do crc = crc >> 1 ~ (crc & 1) * 0xEDB88320 end
    table_of_crc[i] = crc
  end
  return table_of_crc
end

--- The CRC-32 of ISO 3309.
function zip.crc32(bytes)
  local crc, of, byte = 0xFFFFFFFF, crc_table(), string.byte
  for i = 1, #bytes do crc = crc >> 8 ~ of[(crc ~ byte(bytes, i)) & 0xFF] end
  return crc ~ 0xFFFFFFFF
end

-- The record at the archive's end: {entries=, size=, offset=} of the list of entries.
local function read_end(bytes)
  for at = #bytes - 21, math.max(1, #bytes - 21 - LONGEST_COMMENT), -1 do
    if string.unpack("<I4", bytes, at) == END and at + 21 + string.unpack("<I2", bytes, at + 20) == #bytes then
      local disk, first_disk, here, entries, size, offset = string.unpack("<I2I2I2I2I4I4", bytes, at + 4)
      if disk ~= 0 or first_disk ~= 0 or here ~= entries then
        fail(nil, "It is one part of an archive in several parts.")
      end
      local is_zip64 = at > 20 and bytes:sub(at - 20, at - 17) == "PK\6\7"
      if is_zip64 or entries == 0xFFFF or size == 0xFFFFFFFF or offset == 0xFFFFFFFF then
        fail(nil, "It is of the kind Zip64, for huge archives.", "make it of files, not of a pipe")
      end
      if offset + size ~= at - 1 then
        fail(nil, "Its list of entries is not where it should be: it is damaged or has been tampered with.")
      end
      return {entries = entries, size = size, offset = offset}
    end
  end
  fail(nil, "This is no ZIP archive, or its end is missing.")
end

local function check_flags(entry)
  if entry.flags & NOT_PLAIN ~= 0 then
    fail(entry.name, "It is encrypted or patched.", "make the archive without a password")
  end
  if entry.method ~= 0 and entry.method ~= 8 then
    local known = METHODS[entry.method]
    fail(entry.name, ("It is packed by method %d%s."):format(entry.method, known and " (" .. known .. ")" or ""),
      "make the archive with Deflate, as Explorer and `zip` do")
  end
  if entry.method == 0 and entry.packed_size ~= entry.size then
    fail(entry.name, "Its two sizes differ, though it is not packed.")
  end
end

-- What the file system that an entry comes from says of it: only files and folders are let in.
local function check_type(entry, made_by, attributes)
  local unix_type = attributes >> 28
  local is_unix = made_by >> 8 == 3 or made_by >> 8 == 19
  if attributes & 0x400 ~= 0 or is_unix and unix_type == 0xA then fail(entry.name, "It is a link.") end
  if is_unix and unix_type ~= 0 and unix_type ~= 8 and unix_type ~= 4 then fail(entry.name, "It is a device.") end
end

local function read_central(bytes, at)
  if string.unpack("<I4", bytes, at) ~= CENTRAL then fail(nil, "Its list of entries is damaged.") end
  local made_by, _, flags, method, _, _, crc, packed_size, size, name_length, extra_length, comment_length, disk, _,
    attributes, offset = string.unpack("<I2I2I2I2I2I2I4I4I4I2I2I2I2I2I4I4", bytes, at + 4)
  local past = at + 46 + name_length + extra_length + comment_length
  if past > #bytes then fail(nil, "Its list of entries is damaged.") end
  local name = bytes:sub(at + 46, at + 45 + name_length)
  local entry = {
    name = name, flags = flags, method = method, crc = crc, packed_size = packed_size, size = size, offset = offset,
  }
  if disk ~= 0 then fail(name, "It is in another part of the archive.") end
  if not utf8.len(name) or name:find "[\x80-\xFF]" and flags & IN_UTF8 == 0 then
    fail(name, "Its name is in a code page that the archive does not tell.",
      "use ASCII letters, or a program that writes UTF-8")
  end
  if name:find("\0", 1, true) then fail(name, "Its name has a NUL.") end
  check_flags(entry)
  check_type(entry, made_by, attributes)
  return entry, past
end

-- The list of entries at the archive's end.
local function read_list(bytes, most)
  local tail = read_end(bytes)
  if tail.entries > most then fail(nil, ("It has %d entries; %d are the most."):format(tail.entries, most)) end
  local list, at, past = {}, tail.offset + 1, tail.offset + tail.size + 1
  for i = 1, tail.entries do
    if at + 46 > past then fail(nil, "Its list of entries is damaged.") end
    list[i], at = read_central(bytes, at)
  end
  if at ~= past then fail(nil, "Its list of entries is damaged.") end
  return list, tail.offset
end

-- Where the bytes of an entry are, by the record in front of them, which must say the same as the list.
local function locate(bytes, entry)
  local at = entry.offset + 1
  if at + 30 > #bytes or string.unpack("<I4", bytes, at) ~= LOCAL then
    fail(entry.name, "It is not where the archive's list says.")
  end
  local _, flags, method, _, _, crc, packed_size, size, name_length, extra_length =
    string.unpack("<I2I2I2I2I2I4I4I4I2I2", bytes, at + 4)
  local later, name = flags & DESCRIPTOR_FOLLOWS ~= 0, bytes:sub(at + 30, at + 29 + name_length)
  local function is(value, listed) return value == listed or later and value == 0 end
  local same = flags & ~IN_UTF8 == entry.flags & ~IN_UTF8 and method == entry.method and name == entry.name
    and is(crc, entry.crc) and is(packed_size, entry.packed_size) and is(size, entry.size)
  if not same then fail(entry.name, "The archive's list says something else of it than the record before it.") end
  entry.first = at + 30 + name_length + extra_length
  entry.last = entry.first + entry.packed_size - 1
end

-- No byte belongs to two entries: archives that unpack to a million times their size are made so.
local function check_overlaps(list, past)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted, function(a, b) return a.offset < b.offset end)
  for i, entry in ipairs(sorted) do
    local next_one = sorted[i + 1]
    if entry.last >= (next_one and next_one.offset or past) + 1 then
      fail(entry.name, "It overlaps with another entry.")
    end
  end
end

local function unpack_entry(bytes, entry, inflate)
  local packed = bytes:sub(entry.first, entry.last)
  local text = entry.method == 0 and packed or inflate(packed, entry.size)
  if not text or zip.crc32(text) ~= entry.crc then
    fail(entry.name, "It is damaged: it does not unpack to what was packed.")
  end
  return text
end

local function read(bytes, inflate, limits)
  local list, past = read_list(bytes, limits.files)
  local total = 0
  for _, entry in ipairs(list) do
    total = total + entry.size
    if total > limits.bytes then fail(entry.name, ("Unpacked it is more than %d bytes."):format(limits.bytes)) end
    locate(bytes, entry)
  end
  check_overlaps(list, past)
  for _, entry in ipairs(list) do
    if entry.name:find "/$" and entry.size > 0 then fail(entry.name, "It is a folder with bytes of its own.") end
    entry.bytes = unpack_entry(bytes, entry, inflate)
  end
  return list
end

--- The entries of an archive in its order: {{name=, bytes=}, ...}; the names of folders end with "/".
-- inflate(packed, size) -> the text of exactly that size, or nil. `limits`: {files=, bytes=}. Returns nil, a sentence
-- that says what is wrong, the name of the entry (or nil) and a hint (or nil) for what is no archive that may be read.
function zip.read(bytes, inflate, limits)
  local ok, result = pcall(read, bytes, inflate, limits)
  if ok then return result end
  if type(result) ~= "table" or not result.zip then error(result, 0) end
  return nil, result.message, result.name, result.hint
end

return zip
