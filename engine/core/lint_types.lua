-- The types of the stubs as tables, so that what is written can be compared with them: types.alternatives(text) is an
-- array of
--   {fields = {name = text of a type}, required = {names}, name = of the record}, {array = text}, {map = text},
--   {literal = value}, {basic = "string"}, or {any = true}
-- `book` is what scripts/lib/stubs.lua makes of the stubs.
local book = ...
local types = {}

-- Divides text at `mark` ("|", ",") outside of brackets and quotes.
local function divide(text, mark)
  local parts, depth, start, quote = {}, 0, 1, nil
  for i = 1, #text do
    local c = text:sub(i, i)
    if quote then
      if c == quote then quote = nil end
    elseif c == '"' or c == "'" then quote = c
    elseif c:find "[%({<%[]" then depth = depth + 1
    elseif c:find "[%)}>%]]" then depth = depth - 1
    elseif c == mark and depth == 0 then
      parts[#parts + 1] = text:sub(start, i - 1)
      start = i + 1
    end
  end
  parts[#parts + 1] = text:sub(start)
  for i, part in ipairs(parts) do parts[i] = part:match "^%s*(.-)%s*$" end
  return parts
end

local function fields_of_text(text)
  local fields, required = {}, {}
  for _, part in ipairs(divide(text, ",")) do
    local name, mark, kind = part:match "^([%w_]+)(%??)%s*:%s*(.+)$"
    if name then fields[name] = kind end
    if mark == "" then required[#required + 1] = name end
  end
  return {fields = fields, required = required}
end

local function fields_of_record(record)
  local parent = record.parent and book.records[record.parent]
  local all = parent and fields_of_record(parent) or {fields = {}, required = {}}
  for _, field in ipairs(record.fields) do
    if field.name:find "^%[" then return {map = field.type} end
    all.fields[field.name] = field.type
    if not field.optional then all.required[#all.required + 1] = field.name end
  end
  all.name = record.name
  return all
end

local BASIC <const> = {string = true, number = true, integer = true, boolean = true, table = true, ["function"] = true}

local add

local function add_name(list, name)
  local record = book.records[name]
  if not record then
    list[#list + 1] = BASIC[name] and {basic = name} or name:find "^fun%f[(]" and {basic = "function"} or {any = true}
  elseif record.fields then
    list[#list + 1] = fields_of_record(record)
  else
    if record.type then add(list, record.type) end
    for _, value in ipairs(record.values) do add(list, value.name) end
  end
end

function add(list, text)
  for _, part in ipairs(divide(text, "|")) do
    part = part:gsub("%?$", "")
    local quoted = part:match [[^["'](.*)["']$]]
    local value = part:match "^table<.-,%s*(.+)>$"
    if quoted then list[#list + 1] = {literal = quoted}
    elseif tonumber(part) then list[#list + 1] = {literal = tonumber(part)}
    elseif part == "true" or part == "false" then list[#list + 1] = {literal = part == "true"}
    elseif part:find "%[%]$" then list[#list + 1] = {array = part:sub(1, -3)}
    elseif value then list[#list + 1] = {map = value}
    elseif part:find "^{.*}$" then list[#list + 1] = fields_of_text(part:sub(2, -2))
    elseif part:find "^%(.*%)$" then add(list, part:sub(2, -2))
    elseif part ~= "nil" and part ~= "" then add_name(list, part)
    end
  end
end

local known = {}

function types.alternatives(text)
  if not known[text] then
    known[text] = {}
    add(known[text], text)
  end
  return known[text]
end

--- The types of the parameters of an overload ("fun(key: string, options: {...}): boolean"), in their order.
function types.of_overload(text)
  local list = {}
  for i, part in ipairs(divide(text:match "^fun(%b())":sub(2, -2), ",")) do list[i] = part:match ":%s*(.+)$" end
  return list
end

return types
