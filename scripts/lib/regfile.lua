-- Registry files (.reg) of version 4 and 5: bytes to sections and back. It knows neither Windows nor p80.
--
-- A file is an array of sections in its order, {key = "HKEY_LOCAL_MACHINE\...", values = {row, ...}} or {key =,
-- delete = true}. A row is {name =, type =, value = [, raw =]} as win.reg.values has it ("" names the default value),
-- or {name =, delete = true}. The format: https://support.microsoft.com/help/310516; what is not written there is as
-- Wine's tests found it on Windows.
local regfile = {}

local HEADERS = {[4] = "REGEDIT4", [5] = "Windows Registry Editor Version 5.00"}
local HIVES = {
  HKLM = "HKEY_LOCAL_MACHINE", HKCU = "HKEY_CURRENT_USER", HKCR = "HKEY_CLASSES_ROOT", HKU = "HKEY_USERS",
  HKCC = "HKEY_CURRENT_CONFIG",
}
local LONGEST_KEY_NAME, LONGEST_VALUE_NAME <const> = 255, 16383 -- of UTF-16 units

--- The words for the types 0 to 11; others are "type_<number>".
regfile.types = {
  [0] = "none", "sz", "expand_sz", "binary", "dword", "dword_big_endian", "link", "multi_sz", "resource_list",
  "full_resource_descriptor", "resource_requirements_list", "qword",
}
local TYPE_NUMBERS = {}
for number, word in pairs(regfile.types) do TYPE_NUMBERS[word] = number end

local function type_word(number) return regfile.types[number] or ("type_%d"):format(number) end
local function type_number(word) return TYPE_NUMBERS[word] or tonumber(word:match "^type_(%d+)$") end

-- ---- UTF-16 ----

-- Maps for gsub that compute what they are asked for; what is common is kept.
local UTF8_OF = setmetatable({}, {__index = function(t, unit)
  local c = string.unpack("<I2", unit)
  local text = utf8.char(c)
  if c < 0x800 then t[unit] = text end
  return text
end})

local UTF16_OF = setmetatable({}, {__index = function(t, text)
  local c = utf8.codepoint(text, 1, 1, true)
  if c >= 0x10000 then
    c = c - 0x10000
    return string.pack("<I2I2", 0xD800 + (c >> 10), 0xDC00 + (c & 0x3FF))
  end
  local unit = string.pack("<I2", c)
  if c < 0x800 then t[text] = unit end
  return unit
end})

local function join_surrogates(pair)
  local high, low = utf8.codepoint(pair, 1, 1, true), utf8.codepoint(pair, 4, 4, true)
  return utf8.char(0x10000 + (high - 0xD800 << 10) + (low - 0xDC00))
end

-- Whole units as UTF-8 in which lone surrogates stay.
local function from_utf16(bytes)
  return (bytes:gsub("..", UTF8_OF):gsub("\xED[\xA0-\xAF][\x80-\xBF]\xED[\xB0-\xBF][\x80-\xBF]", join_surrogates))
end

local function to_utf16(text) return (text:gsub("[\0-\x7F\xC2-\xF4][\x80-\xBF]*", UTF16_OF)) end

local function count_units(text)
  local _, pairs = text:gsub("[\xF0-\xF4]", "")
  return utf8.len(text, 1, -1, true) + pairs
end

-- ---- Values ----

local STRING_TYPES = {sz = true, expand_sz = true, multi_sz = true}
local NUMBER_FORMATS = {dword = "<I4", dword_big_endian = ">I4", qword = "<i8"}

local function text_of(bytes, terminated)
  local body = bytes:sub(1, #bytes - #bytes % 2)
  local ended = terminated and body:sub(-2) == "\0\0"
  local value = from_utf16(ended and body:sub(1, -3) or body)
  return value, #bytes % 2 == 0 and ended == terminated and not value:find("\0", 1, true)
end

local function strings_of(bytes)
  local text = from_utf16(bytes:sub(1, #bytes - #bytes % 2))
  local body = text:gsub("%z+$", "")
  local list, formed = {}, #bytes % 2 == 0 and #text - #body == (body == "" and 1 or 2)
  for piece in (body == "" and "" or body .. "\0"):gmatch "([^\0]*)\0" do
    list[#list + 1] = piece
    if piece == "" then formed = false end
  end
  return list, formed
end

-- The value that bytes of a type stand for, and whether it stands for them alone.
local function value_of(kind, bytes)
  if kind == "sz" or kind == "expand_sz" then return text_of(bytes, true) end
  if kind == "link" then return text_of(bytes, false) end
  if kind == "multi_sz" then return strings_of(bytes) end
  local format = NUMBER_FORMATS[kind]
  if not format then return bytes, true end
  if #bytes ~= string.packsize(format) then return bytes, false end
  return string.unpack(format, bytes), true
end

local function new_row(name, kind, bytes)
  local value, formed = value_of(kind, bytes)
  return {name = name, type = kind, value = value, raw = not formed and bytes or nil}
end

local function bytes_of(row)
  local kind, value = row.type, row.value
  if row.raw then return row.raw end
  if kind == "sz" or kind == "expand_sz" then return to_utf16(value .. "\0") end
  if kind == "link" then return to_utf16(value) end
  if kind == "multi_sz" then return to_utf16(#value == 0 and "\0" or table.concat(value, "\0") .. "\0\0") end
  return NUMBER_FORMATS[kind] and string.pack(NUMBER_FORMATS[kind], value) or value
end

-- ---- Reading ----

-- Where the parser is: {text=, at=, line=, version=, decode=}.
local scanner = {}
scanner.__index = scanner

-- Ends the parser: message about the line that begins at or before `at`.
function scanner:fail(message, line, at)
  at = at or self.at
  local before = self.text:sub(1, at - 1)
  local start = #before - #before:match "[^\r\n]*$" + 1
  error({line = line or self.line, text = self.text:match("^[^\r\n]*", start), message = message}, 0)
end

-- What the pattern (which begins with "^") captures here; moves behind it.
function scanner:take(pattern)
  local from, to, capture = self.text:find(pattern, self.at)
  if not from then return nil end
  self.at = to + 1
  return capture or self.text:sub(from, to)
end

-- Moves to the next line, if all that is left of this one is a comment; returns whether it is.
function scanner:end_line()
  local stop = self.text:match("^[ \t]*()", self.at)
  if self.text:sub(stop, stop) == ";" then stop = self.text:find("[\r\n]", stop) or #self.text + 1 end
  local ending = self.text:match("^\r?\n", stop) or self.text:match("^\r", stop) or ""
  if ending == "" and stop <= #self.text then return false end
  self.at, self.line = stop + #ending, self.line + 1
  return true
end

-- Text in quotes, behind the first one. A line may end in it when `lines` is set.
function scanner:quoted(lines)
  local line, start, parts = self.line, self.at, {}
  while true do
    local stop = self.text:find('["\\\r\n]', self.at)
    local c = stop and self.text:sub(stop, stop)
    if not stop or c:find "[\r\n]" and not lines then self:fail("the text has no closing quote", line, start) end
    parts[#parts + 1] = self.text:sub(self.at, stop - 1)
    self.at = stop + 1
    if c == '"' then return table.concat(parts), line, start end
    if c == "\\" then
      c = self:take '^["\\]'
      if not c then self:fail 'a backslash in text is written as \\\\, a quote as \\"' end
    elseif c == "\r" and self:take "^\n" then
      c = "\r\n"
    end
    if c:find "[\r\n]" then self.line = self.line + 1 end
    parts[#parts + 1] = c
  end
end

local BYTE_OF = setmetatable({}, {__index = function(t, digits)
  t[digits] = string.char(tonumber(digits, 16))
  return t[digits]
end})

-- The bytes of one line of hexadecimal data, and whether the next line goes on with it.
function scanner:hex_line()
  local digits = self:take "^[%x, \t]*"
  local compact = digits:gsub("[ \t]", "")
  local is_spaced = digits:find "%x[ \t]+%x"
  if is_spaced or compact:find "%x%x%x" or compact:find ",," or compact:sub(1, 1) == "," then
    self:fail "hexadecimal bytes with commas between them expected"
  end
  local bytes = compact:gsub("(%x+),?", BYTE_OF)
  if not self:take "^\\" then return bytes, false end
  if compact ~= "" and compact:sub(-1) ~= "," then self:fail "a comma is missing before the backslash" end
  return bytes, true
end

function scanner:hex()
  local parts = {}
  repeat
    local bytes, goes_on = self:hex_line()
    parts[#parts + 1] = bytes
    if not self:end_line() then self:fail "the end of the line expected behind hexadecimal data" end
    while goes_on and self.at <= #self.text and self:end_line() do end -- empty lines and comments in between
    if goes_on and self.at <= #self.text and not self.text:find("^[ \t]*%x", self.at) then
      self:fail "more hexadecimal bytes expected, because the line before ends with a backslash"
    end
  until not goes_on or self.at > #self.text
  return table.concat(parts)
end

-- Bytes from a file as the registry has them: text of version 4 is in the code page, and regedit adds a terminator.
function scanner:stored(kind, bytes)
  if not STRING_TYPES[kind] or bytes == "" then return bytes end
  if self.version == 4 then return to_utf16(self.decode(bytes:sub(-1) == "\0" and bytes or bytes .. "\0")) end
  return #bytes % 2 == 0 and bytes:sub(-2) ~= "\0\0" and bytes .. "\0\0" or bytes
end

function scanner:row(name)
  if self:take "^%-" then return {name = name, delete = true} end
  if self:take '^"' then
    local value, line, start = self:quoted(true)
    if not self.text:find("^[ \t]*[;\r\n]", self.at) and not self.text:find("^[ \t]*$", self.at) then
      self:fail("the end of the line expected behind the closing quote", line, start)
    end
    return {name = name, type = "sz", value = value}
  end
  if self:take "^[dD][wW][oO][rR][dD]:[ \t]*" then
    local digits = self:take "^%x+"
    if not digits or #digits > 8 then self:fail "1 to 8 hexadecimal digits expected behind dword:" end
    return {name = name, type = "dword", value = tonumber(digits, 16)}
  end
  local number = self:take "^[hH][eE][xX]%((%x+)%):"
  if number and #number > 8 then self:fail "a type of at most 8 hexadecimal digits expected" end
  if not number and not self:take "^[hH][eE][xX]:" then
    self:fail('text in quotes, dword:, hex:, hex(type): or - expected behind the equal sign')
  end
  local kind = number and type_word(tonumber(number, 16)) or "binary"
  return new_row(name, kind, self:stored(kind, self:hex())), true
end

function scanner:value(section)
  if not section then self:fail "a value before the first key" end
  if section.delete then self:fail "a value in a key that is deleted" end
  local name = self:take "^@" and "" or self:take '^"' and self:quoted(false)
  if count_units(name) > LONGEST_VALUE_NAME then self:fail "the name of a value has at most 16383 characters" end
  if not self:take "^[ \t]*=[ \t]*" then self:fail "an equal sign expected behind the name" end
  local row, is_at_end = self:row(name)
  if not is_at_end and not self:end_line() then self:fail "the end of the line expected behind the value" end
  section.values[#section.values + 1] = row
end

function scanner:check_key(key)
  local hive = key:match "^[^\\]*"
  local is_known = false
  for short, long in pairs(HIVES) do is_known = is_known or hive:upper() == short or hive:upper() == long end
  if not is_known then self:fail "a key that begins with a hive such as HKEY_LOCAL_MACHINE expected" end
  for name in (key:sub(#hive + 1)):gmatch "\\([^\\]*)" do
    if name == "" then self:fail "a key without a doubled backslash expected" end
    if count_units(name) > LONGEST_KEY_NAME then self:fail "the name of a key has at most 255 characters" end
  end
end

function scanner:section()
  local start, line = self.at, self.line
  local minus, key, stop = self.text:match("^%[(%-?)([^\r\n]*)%]()", start)
  if not key then self:fail "the closing bracket of the key is missing" end
  key = key:gsub("([^\\])\\$", "%1")
  self:check_key(key)
  if minus == "-" and not key:find("\\", 1, true) then self:fail "a hive cannot be deleted" end
  self.at = stop
  if not self:end_line() then self:fail("the end of the line expected behind the closing bracket", line, start) end
  if minus == "-" then return {key = key, delete = true} end
  return {key = key, values = {}}
end

function scanner:sections()
  local sections = {}
  while self.at <= #self.text do
    self:take "^[ \t]+"
    local c = self.text:sub(self.at, self.at)
    if c == "[" then
      sections[#sections + 1] = self:section()
    elseif c == "@" or c == '"' then
      self:value(sections[#sections])
    elseif c == "#" then -- regedit passes over these, too
      self:take "^[^\r\n]*"
    elseif not self:end_line() then
      self:fail "a key in brackets, a value or a comment (;) expected"
    end
  end
  return sections
end

-- UTF-8 that may have lone surrogates, but no surrogate pairs.
local function is_text(text)
  if utf8.len(text) then return true end
  return utf8.len(text, 1, -1, true) and not text:find "[\xF5-\xFD]" and not text:find "\xF4[\x90-\xBF]"
    and not text:find "\xED[\xA0-\xAF][\x80-\xBF]\xED[\xB0-\xBF]"
end

local function version_of(text)
  local line = text:match "^[ \t]*([^\r\n]*)":gsub("[ \t]+$", "")
  for version, header in pairs(HEADERS) do
    if line == header then return version end
  end
end

-- The text of a file, and its version: UTF-16 and UTF-8 by their marks, version 5 without one as UTF-8 when it can
-- be, all else in the code page.
local function read_text(bytes, decode)
  if bytes:sub(1, 2) == "\xFF\xFE" then
    if #bytes % 2 == 1 then return nil, "the file is UTF-16, but its last character is cut off" end
    local text = from_utf16(bytes:sub(3))
    return text, version_of(text)
  end
  if bytes:sub(1, 3) == "\xEF\xBB\xBF" then
    local text = bytes:sub(4)
    if not is_text(text) then return nil, "the file begins as UTF-8, but goes on as something else" end
    return text, version_of(text)
  end
  if bytes:sub(1, 2) == "\xFE\xFF" or bytes:find("^.?\0") then
    return nil, "UTF-16 is read in little endian order with its mark FF FE"
  end
  local version = version_of(bytes)
  if not bytes:find "[\x80-\xFF]" or version == 5 and is_text(bytes) then return bytes, version end
  return decode(bytes), version
end

local function fault(text, message) error({line = 1, text = text, message = message}, 0) end

local function cannot_decode() fault("", "text of a code page, which cannot be read here") end

local function parse(bytes, decode)
  local text, version = read_text(bytes, decode)
  local first = (text or ""):match "^[^\r\n]*"
  if not text then fault("", version) end
  if not version then fault(first, ("'%s' or '%s' expected"):format(HEADERS[5], HEADERS[4])) end
  local at = setmetatable({text = text, at = 1, line = 1, version = version, decode = decode}, scanner)
  at:take "^[^\r\n]*"
  local nul = text:find("\0", 1, true)
  if nul then
    local _, lines = text:sub(1, nul):gsub("\r?\n", "")
    at:fail("text without NUL expected", lines + 1, nul)
  end
  return at:sections(), version
end

--- The sections and the version of the file with these bytes; nil and {line=, text=, message=} when it has a fault.
-- decode(bytes) -> UTF-8 reads text in the code page of this Windows.
function regfile.parse(bytes, decode)
  local ok, sections, version = pcall(parse, bytes, decode or cannot_decode)
  if ok then return sections, version end
  if type(sections) ~= "table" then error(sections, 0) end
  return nil, sections
end

-- ---- Writing ----

local LINE_UNITS <const> = 77 -- a line of hexadecimal data is continued from here on
local LINE_BYTES <const> = 25 -- bytes of each further line

local HEX_OF = {}
for i = 0, 255 do HEX_OF[string.char(i)] = ("%02x,"):format(i) end

local ESCAPES = {["\\"] = "\\\\", ['"'] = '\\"'}
local function quote(text) return '"' .. text:gsub('[\\"]', ESCAPES) .. '"' end

-- Bytes as hexadecimal data that begins `used` units into a line.
local function hex_lines(bytes, used)
  local digits = bytes:gsub(".", HEX_OF):sub(1, -2)
  local first = 3 * math.max(1, (LINE_UNITS - used + 2) // 3)
  if #digits <= first then return digits end
  local rest = digits:sub(first + 1):gsub(("."):rep(3 * LINE_BYTES), "%0\\\r\n  ")
  return digits:sub(1, first) .. "\\\r\n  " .. rest
end

-- The value of a row as regedit shows it; with `exact` in hexadecimal where its text would not bring back every byte.
local function data_of(row, used, options)
  local bytes = bytes_of(row)
  if row.type == "sz" and not (options.exact and (row.raw or row.value:find "[\r\n]")) then
    return quote(row.value:match "^[^\0]*")
  end
  if row.type == "dword" and #bytes == 4 then return ("dword:%08x"):format(row.value) end
  local number = type_number(row.type)
  local prefix = row.type == "binary" and "hex:" or ("hex(%x):"):format(number)
  if options.version == 4 and STRING_TYPES[row.type] then
    bytes = options.encode(from_utf16(bytes:sub(1, #bytes - #bytes % 2)))
    if not bytes then return nil end
  end
  return prefix .. hex_lines(bytes, used + #prefix)
end

local function add_section(lines, section, options)
  local line = ("\r\n[%s%s]"):format(section.delete and "-" or "", section.key)
  if section.link then line = ("\r\n; %s is a registry link to %s"):format(section.key, section.link) end
  lines[#lines + 1] = line
  for _, row in ipairs(section.values or {}) do
    local name = (row.name == "" and "@" or quote(row.name)) .. "="
    local data = row.delete and "-" or data_of(row, count_units(name), options)
    local line = data and name .. data
    if options.version == 4 then line = line and options.encode(line) end
    if not line then return row.name end
    lines[#lines + 1] = line
  end
end

--- The bytes of a file with these sections, byte for byte what `regedit /e` writes. `options`: version (5, or 4),
-- exact (text that regedit would cut goes into hexadecimal data), encode(text) -> bytes in the code page of this
-- Windows, nil when it lacks a character, for version 4. Returns nil and the name of the value when that happens.
function regfile.format(sections, options)
  options = options or {}
  options = {version = options.version or 5, exact = options.exact, encode = options.encode}
  local lines = {HEADERS[options.version]}
  for _, section in ipairs(sections) do
    local first = #lines + 1
    local lacking = add_section(lines, section, options)
    if options.version == 4 and not lacking then
      local key = options.encode(lines[first])
      lacking, lines[first] = not key and "" or nil, key
    end
    if lacking then return nil, section.key, lacking end
  end
  local text = table.concat(lines, "\r\n") .. "\r\n\r\n"
  return options.version == 4 and text or "\xFF\xFE" .. to_utf16(text)
end

--- The key with the long name of its hive and without the machine it is on, as such files have it.
function regfile.long_key(key)
  local hive, rest = key:gsub("^\\\\[^\\]*\\", ""):match "^([^\\]*)(.*)$"
  return (HIVES[hive:upper()] or hive:upper()) .. rest
end

--- The sections for a key and all below it. `read` has info(key), values(key) and keys(key) as win.reg has them. Of a
-- link there is a comment, never what it leads to.
function regfile.sections(key, read)
  local sections = {}
  local function add(path)
    local info = read.info(path)
    if not info then return end -- somebody has just deleted it
    local section = {key = regfile.long_key(path)}
    sections[#sections + 1] = section
    if info.link then
      section.link, section.values = info.link, {}
      return
    end
    section.values = info.values > 0 and read.values(path) or {}
    for _, name in ipairs(info.keys > 0 and read.keys(path) or {}) do add(path .. "\\" .. name) end
  end
  add(key)
  return sections
end

return regfile
