--- Reads LuaCATS stubs (scripts/api), where each public function is described once. The value of this module is
--- read(sources) -> book, for `sources` = {name = text}:
--   book.tables     {name = {name, text, fields, functions = {names}}}: `win.scm`, and objects that have methods
--   book.functions  {name = {name, table, text, params, args = {name = entry}, returns, overloads, errors=, rights=,
--                   changes=, windows=, see=}}
--   book.records    {name = {name, text, fields, parent=}}; of an alias {name, text, type, values}
-- An entry (argument, field, result) is {name, type, optional, text}. Raises for what is not in the form of a stub.

local NOTES = {Errors = "errors", Rights = "rights", Changes = "changes", Windows = "windows", See = "see"}

-- Where the type ends that begins at `i` of `text`: parts joined by "|", each with any number of "[]", "?".
local function type_end(text, i)
  local e = text:match("^fun%b()()", i)
  local after = e and text:match("^%s*:%s*()", e)
  while after do -- the results of a function
    e = type_end(text, after)
    after = e and text:match("^%s*,%s*()", e)
  end
  for _, form in ipairs {"^%b{}()", "^%b()()", '^"[^"]*"()', "^'[^']*'()", "^[%w_.%-]+%b<>()", "^[%w_.%-]+()"} do
    e = e or text:match(form, i)
  end
  if not e then return nil end
  e = text:match("^[%[%]?]*()", e)
  after = text:match("^%s*|%s*()", e)
  return after and type_end(text, after) or e
end

local function split_type(text)
  local e = type_end(text, 1)
  if not e then error("no type in '" .. text .. "'", 0) end
  return text:sub(1, e - 1), text:sub(e):match "^%s*(.-)%s*$"
end

-- "name? type text"
local function read_entry(text)
  local name, mark, rest = text:match "^([%w_.]+)(%??)%s+(.*)$"
  if not name then name, mark, rest = text:match "^(%b[])(%??)%s+(.*)$" end
  if not name then error("a name and a type expected in '" .. text .. "'", 0) end
  local kind, about = split_type(rest)
  return {name = name, type = kind, optional = mark == "?", text = about}
end

-- "type name text" or "type # text"
local function read_return(text)
  local kind, rest = split_type(text)
  local name, about = rest:match "^([%w_.]+)%s*(.*)$"
  if not name then about = rest end
  return {name = name, type = kind, text = (about:gsub("^#%s*", ""))}
end

local function append(entry, text) entry.text = entry.text == "" and text or entry.text .. " " .. text end

-- What each tag adds to the block of comment lines that it stands in.
local TAGS = {
  meta = function() end,
  class = function(block, rest)
    block.class = rest:match "^[%w_.]+"
    block.parent = rest:match "^[%w_.]+%s*:%s*([%w_.]+)"
  end,
  alias = function(block, rest)
    local name, kind = rest:match "^([%w_.]+)%s*(.*)$"
    block.alias = {name = name, type = kind ~= "" and split_type(kind) or nil, values = {}}
  end,
  field = function(block, rest)
    local field = read_entry(rest)
    if block.above then append(field, block.above) end
    block.above = nil
    table.insert(block.fields, field)
  end,
  param = function(block, rest) table.insert(block.args, read_entry(rest)) end,
  ["return"] = function(block, rest) table.insert(block.returns, read_return(rest)) end,
  overload = function(block, rest) table.insert(block.overloads, rest) end,
}

local function new_block() return {lines = {}, fields = {}, args = {}, returns = {}, overloads = {}, count = 0} end

local function add_comment(block, line)
  block.count = block.count + 1
  local tag, rest = line:match "^@(%w+)%s*(.*)$"
  local value, about = line:match "^|%s*(%S+)%s*#?%s*(.*)$"
  if tag then
    if not TAGS[tag] then error("unknown tag @" .. tag, 0) end
    TAGS[tag](block, rest)
    block.tagged = tag ~= "meta"
  elseif value and block.alias then
    table.insert(block.alias.values, {name = value, text = about})
  elseif block.tagged and block.class then
    block.above = (block.above and block.above .. " " or "") .. line:match "^%s*(.-)%s*$"
  elseif block.tagged then
    error("text goes before the tags, or on the line of its tag", 0)
  else
    table.insert(block.lines, (line:gsub("^ ", "")))
  end
end

-- Parts the notes ("Errors: ...") from the text above them.
local function split_notes(lines)
  local text, notes, current = {}, {}, nil
  for _, line in ipairs(lines) do
    local key, rest = line:match "^(%u%l+):%s+(.*)$"
    if NOTES[key] then
      current = NOTES[key]
      notes[current] = rest:match "^(.-)%s*$"
    elseif current and line ~= "" then
      notes[current] = notes[current] .. " " .. line:match "^%s*(.-)%s*$"
    else
      current = nil
      text[#text + 1] = line
    end
  end
  return table.concat(text, "\n"):match "^%s*(.-)%s*$", notes
end

-- The table of the book that the path of an assignment or function ("http.iplisten") names.
local function find_table(reader, path)
  local bound = reader.bound[path]
  if bound then return reader.book.tables[bound] end
  error("'" .. path .. "' is no table with a ---@class", 0)
end

local function add_table(reader, block, path)
  if not block.class then error("'" .. path .. "' needs a ---@class", 0) end
  local text = block.lines[1] and split_notes(block.lines) or reader.opening or ""
  reader.opening = nil
  reader.bound[path] = block.class
  reader.book.records[block.class] = nil
  reader.book.tables[block.class] = {name = block.class, text = text, fields = block.fields, functions = {}}
end

local function add_function(reader, block, path, name, list)
  local owner = find_table(reader, path:sub(1, -2))
  local text, found = split_notes(block.lines)
  found.name, found.table, found.text = owner.name .. path:sub(-1) .. name, owner.name, text
  found.params, found.args, found.returns, found.overloads = {}, {}, block.returns, block.overloads
  for param in list:gmatch "[%w_.]+" do table.insert(found.params, param) end
  for _, arg in ipairs(block.args) do
    if found.args[arg.name] then error("two ---@param " .. arg.name, 0) end
    found.args[arg.name] = arg
  end
  if reader.book.functions[found.name] then error(found.name .. " is described twice", 0) end
  reader.book.functions[found.name] = found
  table.insert(owner.functions, found.name)
end

local function add_record(reader, block)
  if block.alias then
    block.alias.text = split_notes(block.lines)
    reader.book.records[block.alias.name] = block.alias
  elseif block.class then
    reader.book.records[block.class] =
      {name = block.class, text = split_notes(block.lines), fields = block.fields, parent = block.parent}
  elseif block.lines[1] then
    reader.opening = reader.opening or split_notes(block.lines)
  end
end

-- Ends a block with the line of code below it ("" when there is none).
local function end_block(reader, block, line)
  local path, name, list = line:match "^function ([%w_.]+[.:])([%a_][%w_]*)%((.-)%) end$"
  local assigned = line:match "^local ([%a_][%w_]*) = {}$" or line:match "^([%a_][%w_.]*) = {}$"
  if name then
    add_function(reader, block, path, name, list)
  elseif assigned then
    add_table(reader, block, assigned)
  elseif line == "" then
    add_record(reader, block)
  elseif block.count > 0 or not line:find "^return [%a_][%w_.]*$" then
    error("'" .. line .. "' is not in the form of a stub", 0)
  end
end

local function read_file(book, text)
  local reader = {book = book, bound = {}}
  local block, number = new_block(), 0
  for line in (text .. "\n\n"):gmatch "([^\r\n]*)\r?\n" do
    number = number + 1
    local ok, problem = pcall(function()
      local comment = line:match "^%-%-%-(.*)$"
      if comment then return add_comment(block, comment) end
      if line:find "^%-%-" then return nil end
      end_block(reader, block, line)
      block = new_block()
    end)
    if not ok then error(("%d: %s"):format(number, problem), 0) end
  end
end

return function(sources)
  local book, names = {tables = {}, functions = {}, records = {}}, {}
  for name in pairs(sources) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local ok, problem = pcall(read_file, book, sources[name])
    if not ok then error(("scripts/api/%s.lua:%s"):format(name, problem), 0) end
  end
  for _, owner in pairs(book.tables) do table.sort(owner.functions) end
  return book
end
