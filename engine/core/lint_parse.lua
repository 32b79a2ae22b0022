-- Text of a script as a tree, by luacheck's parser. Lua itself is the judge of syntax, which luacheck takes a little
-- wider; its messages are better, and have columns.
local _, host = ...

-- What luacheck's lexer and parser use of luacheck.utils, which is mostly about files and settings.
package.preload["luacheck.utils"] = function()
  local utils = {}

  function utils.class()
    local class = setmetatable({}, {__call = function(class, ...)
      local object = setmetatable({}, class)
      class.__init(object, ...)
      return object
    end})
    class.__index = class
    return class
  end

  function utils.array_to_set(array)
    local set = {}
    for i, value in ipairs(array) do set[value] = i end
    return set
  end

  utils.Stack = utils.class()
  function utils.Stack:__init() self.size = 0 end
  function utils.Stack:push(value)
    self.size = self.size + 1
    self[self.size], self.top = value, value
  end
  function utils.Stack:pop()
    local value = self[self.size]
    self[self.size] = nil
    self.size = self.size - 1
    self.top = self[self.size]
    return value
  end

  return utils
end

-- The text as the parser reads it.
local Source = {}
Source.__index = Source
function Source:get_codepoint(i) return self.text:byte(i) end
function Source:get_substring(first, last) return self.text:sub(first, last) end
function Source:get_printable_substring(first, last)
  return (self.text:sub(first, last):gsub("[%c\x7F-\xFF]", function(byte) return ("\\x%02X"):format(byte:byte()) end))
end
function Source:get_length() return #self.text end
function Source:find(pattern, first) return self.text:find(pattern, first) end

-- The column of a byte of the text, in characters.
local function column_of(text, line_start, offset)
  local before = text:sub(line_start, offset - 1)
  return (utf8.len(before) or #before) + 1
end

local function problem(line, column, message, hint)
  if message:find "escape sequence" then hint = [=[write paths and keys in [[...]], or double each \]=] end
  return nil, {line = line, column = column, message = message, hint = hint}
end

-- What is not even text.
local function wrong_kind(text)
  if text:find "^\27" then return "This is a compiled chunk, which p80 does not run.", "write the source instead" end
  if text:find "^\xFF\xFE" or text:find "^\xFE\xFF" then return "This is UTF-16 text.", "save it as UTF-8" end
end

-- Parses what Lua accepts -> {tree=, comments=, column=function(node)}; or nil and {line=, column=, message=, hint=}.
return function(text)
  local message, hint = wrong_kind(text)
  if message then return problem(1, 1, message, hint) end
  text = text:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", "")
  local parser = host.lib "luacheck.parser"
  local starts = {}
  local parsed, tree, comments = pcall(parser.parse, setmetatable({text = text}, Source), starts)
  local chunk, why = load(text, "=script", "t")
  if not chunk then
    if not parsed and type(tree) == "table" and tree.msg then
      local said = tree.msg:sub(1, 1):upper() .. tree.msg:sub(2) .. "."
      return problem(tree.line, column_of(text, starts[tree.line], tree.offset), said)
    end
    local line, said = why:match "^script:(%d+): (.*)$"
    said = said or why
    return problem(math.tointeger(line) or 1, 1, said:sub(1, 1):upper() .. said:sub(2) .. ".")
  end
  if not parsed then return problem(1, 1, "This is nested too deeply to be checked.", "divide it into functions") end
  local function column(node) return column_of(text, starts[node.line], node.offset) end
  return {tree = tree, comments = comments, column = column}
end
