-- Tables of text for other programs; described in scripts/api/formats.lua.
local formats = {}

function formats.clean(value)
  local text = tostring(value == nil and "" or value)
  if not utf8.len(text) then
    text = text:gsub("[\xC0-\xFF][\x80-\xBF]*", function(c) return utf8.len(c) and c or "\u{FFFD}" end)
    if not utf8.len(text) then text = text:gsub("[\x80-\xFF]", "\u{FFFD}") end
  end
  return (text:gsub("[%c\x7F]", " "))
end

function formats.plain(value)
  if type(value) == "string" then return formats.clean(value) end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = formats.plain(item) end
  return copy
end

-- Cells that begin so would be formulas to a spreadsheet: the sign, its full-width form, or a blank before it.
-- https://owasp.org/www-community/attacks/CSV_Injection
local function is_formula(text)
  return text:find "^%s*[=+@-]" or text:find "^%s*\u{FF1D}" or text:find "^%s*\u{FF0B}" or text:find "^%s*\u{FF0D}"
    or text:find "^%s*\u{FF20}"
end

local function csv_cell(value)
  local text = formats.clean(value)
  if type(value) ~= "number" and is_formula(text) then text = "'" .. text end
  if text:find '[",;\']' or text:find "^%s" or text:find "%s$" then text = '"' .. text:gsub('"', '""') .. '"' end
  return text
end

-- The lines of a table whose cells `cell` writes.
local function lines_of(rows, columns, cell)
  local lines = {}
  for r = 0, #rows do
    local cells = {}
    for c, column in ipairs(columns) do
      if r == 0 then cells[c] = cell(column.title) else cells[c] = cell(rows[r][column.key]) end
    end
    lines[#lines + 1] = cells
  end
  return lines
end

function formats.csv(rows, columns, line_end)
  local lines = lines_of(rows, columns, csv_cell)
  for i, cells in ipairs(lines) do lines[i] = table.concat(cells, ",") end
  return table.concat(lines, line_end or "\r\n") .. (line_end or "\r\n")
end

local ENTITIES = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;"}

function formats.html(value) return (formats.clean(value):gsub("[&<>\"']", ENTITIES)) end

function formats.markdown_text(value)
  return (formats.clean(value):gsub("[\\`*_%[%]|~#!$]", "\\%0"):gsub("[&<>]", ENTITIES))
end

function formats.markdown(rows, columns)
  local lines = lines_of(rows, columns, formats.markdown_text)
  for i, cells in ipairs(lines) do lines[i] = "| " .. table.concat(cells, " | ") .. " |" end
  local rule = {}
  for c, column in ipairs(columns) do rule[c] = column.right and "--:|" or "---|" end
  table.insert(lines, 2, "|" .. table.concat(rule))
  return table.concat(lines, "\n") .. "\n"
end

return formats
