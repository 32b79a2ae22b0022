-- Readable text for any value, for people; described in scripts/api/show.lua. It takes whatever Lua has: cycles,
-- metatables that raise, a million rows (cut, with a count), NaN. Text is counted in code points.
local inspect = require "inspect"

local ROWS = 100 -- of a list or record before it is cut
local ITEMS = 40 -- of a nested table
local TOTAL = 400 -- of all nested tables in one value
local DEPTH = 6
local MOST = 1000000 -- that are counted, of what is not shown
local TEXT = 2000 -- code points of one string
local SHORT = 200 -- of a string in a nested table
local CELL = 60 -- code points of a nested value in a table
local NARROWEST = 6 -- columns that a cut column keeps
local NAME = 16 -- columns that a cut column of names keeps

-- ---- Text ----

local names = {["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\\"] = "\\\\", ['"'] = '\\"'}

local function escape_byte(c) return names[c] or ("\\x%02X"):format(c:byte()) end

-- Every byte that is no part of a UTF-8 character, escaped.
local function escape_broken(text)
  local parts, i = {}, 1
  while i <= #text do
    local valid, bad = utf8.len(text, i)
    if valid then
      parts[#parts + 1] = text:sub(i)
      break
    end
    parts[#parts + 1] = text:sub(i, bad - 1)
    parts[#parts + 1] = escape_byte(text:sub(bad, bad))
    i = bad + 1
  end
  return table.concat(parts)
end

local C1 = "\xC2[\x80-\x9F]" -- more control characters

-- Text on one line, without anything that a console would act upon.
local function clean(text, specials)
  text = text:gsub(specials, escape_byte)
  if not utf8.len(text) then text = escape_broken(text) end
  return (text:gsub(C1, function(c) return ("\\u{%02X}"):format(utf8.codepoint(c)) end))
end

local function length(text) return utf8.len(text) or #text end

-- At most `columns` code points of valid UTF-8.
local function cut(text, columns)
  if #text <= columns or length(text) <= columns then return text end
  local mark = columns > 3 and "..." or ""
  return text:sub(1, utf8.offset(text, columns - #mark + 1) - 1) .. mark
end

local function thousands(n)
  local text = ("%d"):format(n)
  repeat
    local changed
    text, changed = text:gsub("^(-?%d+)(%d%d%d)", "%1,%2")
  until changed == 0
  return text
end

local function pad(text, columns, right)
  local blanks = (" "):rep(columns - length(text))
  return right and blanks .. text or text .. blanks
end

-- ---- Scalars ----

local function number_text(n)
  if n ~= n then return "nan" end
  if n == math.huge then return "inf" end
  if n == -math.huge then return "-inf" end
  return tostring(n)
end

-- A string in quotes, cut after `most` code points with a note of its size.
local function quote(text, most)
  local start = clean(text:sub(1, most * 4), '[%c"\\]')
  if #text <= most * 4 and length(start) <= most then return '"' .. start .. '"' end
  return ('"%s" (%s bytes)'):format(cut(start, most), thousands(#text))
end

-- tostring that cannot fail. The second result tells whether a metamethod made the text.
local function safe_tostring(value)
  local ok, text = pcall(tostring, value)
  if not ok or type(text) ~= "string" then return "<" .. type(value) .. " whose __tostring fails>", false end
  return text, not text:find "^[^:]*: *0?x?%x+$"
end

-- The text of what is no table, or of a table that prints itself; nil for other tables.
local function scalar(value)
  local kind = type(value)
  if kind == "string" then return quote(value, TEXT) end
  if kind == "number" then return number_text(value) end
  if kind == "nil" or kind == "boolean" then return tostring(value) end
  local text, made = safe_tostring(value)
  if kind == "table" then return made and clean(text, "[%c\\]"):gsub("\\\\", "\\") or nil end
  return "<" .. clean(text, "%c") .. ">"
end

-- An error object or the like at the top prints its lines as they are.
local function own_text(value)
  if type(value) ~= "table" then return nil end
  local text, made = safe_tostring(value)
  if not made then return nil end
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do lines[#lines + 1] = clean(line, "[%c]") end
  return table.concat(lines, "\n")
end

-- ---- Nested values ----

-- Stands for `text` in what `inspect` prints; it comes last among the keys.
local function token(state, text)
  state.tokens[#state.tokens + 1] = text
  return "\127" .. #state.tokens .. "\127"
end

-- A copy that `inspect` can print: bounded, without metatables and cycles.
local function plain(value, state, depth)
  local kind = type(value)
  if kind == "boolean" then return value end
  if kind == "string" and #value <= SHORT and utf8.len(value) and not value:find "%c" and not value:find(C1) then
    return value
  end
  local text = kind == "string" and quote(value, SHORT) or scalar(value)
  if text then return token(state, text) end
  if state.open[value] then return token(state, "<cycle>") end
  if depth > DEPTH then return token(state, "{...}") end
  state.open[value] = true
  local copy, count, left = {}, 0, 0
  for key, item in next, value do
    if count < ITEMS and state.total < TOTAL then
      count, state.total = count + 1, state.total + 1
      local name = key
      if type(key) == "table" then name = token(state, scalar(key) or "table")
      elseif type(key) ~= "number" then name = plain(key, state, depth) end
      copy[name] = plain(item, state, depth + 1)
    else
      left = left + 1
      if left == MOST then break end
    end
  end
  state.open[value] = nil
  if left > 0 then
    local more = token(state, thousands(left) .. (left == MOST and " or more" or " more"))
    copy[rawlen(copy) == count and count + 1 or token(state, "...")] = more
  end
  return copy
end

local function inspected(copy, state, options)
  local text = inspect(copy, options)
  local function find(n) return state.tokens[tonumber(n)] end
  return (text:gsub('%["\127(%d+)\127"%]', find):gsub('"\127(%d+)\127"', find))
end

-- A nested table: on one line if that fits `room` columns, otherwise on several, indented by `indent`.
local function nested(value, room, indent)
  local state = {tokens = {}, open = {}, total = 0}
  local copy = plain(value, state, 1)
  local line = inspected(copy, state, {newline = " ", indent = ""})
  if length(line) <= room then return line end
  if not indent then return cut(line, room) end
  return inspected(copy, state, {newline = "\n" .. indent, indent = "  "})
end

-- ---- Tables of rows ----

-- A value in a cell: text without quotes, lists of scalars with commas.
local function cell(value)
  if value == nil then return "" end
  if type(value) == "string" then return cut(clean(#value > TEXT and value:sub(1, TEXT) or value, "%c"), TEXT) end
  local text = scalar(value)
  if text then return text end
  local items, n = {}, 0
  for key, item in next, value do
    n = n + 1
    if type(key) ~= "number" or type(item) == "table" or n > ITEMS then return nested(value, CELL) end
  end
  for i = 1, n do
    if rawget(value, i) == nil then return nested(value, CELL) end
    items[i] = cell(rawget(value, i))
  end
  return table.concat(items, ", ")
end

-- Narrows the widest columns until a line fits `width`; false when the columns would get too narrow.
local function fit(widths, least, width)
  local total = 2 * (#widths - 1)
  for _, w in ipairs(widths) do total = total + w end
  while total > width do
    local widest = 1
    for i, w in ipairs(widths) do
      if w - least[i] > widths[widest] - least[widest] or widths[widest] <= least[widest] then widest = i end
    end
    for i, w in ipairs(widths) do
      if w > widths[widest] and w > least[i] then widest = i end
    end
    if widths[widest] <= least[widest] then return false end
    widths[widest] = widths[widest] - 1
    total = total - 1
  end
  return true
end

-- Writes the texts of a column into `cells`; returns its width, the least that it can do with, and whether
-- it is one of numbers.
local function measure(rows, shown, column, c, cells)
  local numbers, any, width = true, false, length(column.title)
  for r = 1, shown do
    local value = rawget(rawget(rows, r), column.key)
    cells[r] = cells[r] or {}
    cells[r][c] = cell(value)
    if value ~= nil then
      any = true
      numbers = numbers and type(value) == "number"
    end
    width = math.max(width, length(cells[r][c]))
  end
  if any and numbers then return width, width, true end
  return width, math.min(width, math.max(column.key == "name" and NAME or NARROWEST, length(column.title))), false
end

-- columns: array of {key=, title=}; rows: any array of tables; the first `most` are shown.
local function grid(rows, columns, width, most)
  local count = rawlen(rows)
  local shown = math.min(count, most)
  local lines, widths, least, right, cells = {}, {}, {}, {}, {}
  for c, column in ipairs(columns) do
    widths[c], least[c], right[c] = measure(rows, shown, column, c, cells)
  end
  if not fit(widths, least, width) then return nil end
  local function line(texts)
    local parts = {}
    for c, w in ipairs(widths) do parts[c] = pad(cut(texts[c], w), w, right[c]) end
    lines[#lines + 1] = table.concat(parts, "  "):gsub("%s+$", "")
  end
  local titles, rules = {}, {}
  for c, column in ipairs(columns) do titles[c], rules[c] = column.title, ("-"):rep(widths[c]) end
  line(titles)
  line(rules)
  for r = 1, shown do line(cells[r]) end
  if count > shown then lines[#lines + 1] = ("... %s more rows"):format(thousands(count - shown)) end
  return table.concat(lines, "\n")
end

-- Whether `key` is one that a record has.
local function is_name(key) return type(key) == "string" and key ~= "" end

local rank = {name = 1, pid = 2}

local function by_name(a, b)
  local x, y = rank[a] or 9, rank[b] or 9
  if x ~= y then return x < y end
  return a < b
end

-- The columns of an array of records of about the same shape, or nil.
local function columns_of(list, most)
  local seen, keys, filled = {}, {}, 0
  local shown = math.min(rawlen(list), most)
  for r = 1, shown do
    local row = rawget(list, r)
    if type(row) ~= "table" or next(row) == nil or scalar(row) then return nil end
    for key in next, row do
      if not is_name(key) then return nil end
      filled = filled + 1
      if not seen[key] then
        seen[key] = true
        keys[#keys + 1] = key
        if #keys > 40 then return nil end
      end
    end
  end
  if filled * 2 < shown * #keys then return nil end
  table.sort(keys, by_name)
  local columns = {}
  for i, key in ipairs(keys) do columns[i] = {key = key, title = clean(key, "%c")} end
  return columns
end

-- ---- Lists and records ----

local kinds = {number = 1, string = 2}

local function by_key(a, b)
  local x, y = kinds[type(a)] or 3, kinds[type(b)] or 3
  if x ~= y then return x < y end
  if x < 3 then return a < b end
  return safe_tostring(a) < safe_tostring(b)
end

local function key_text(key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then return key end
  return "[" .. cut(scalar(key) or "table", CELL) .. "]"
end

local show

-- The value behind a key: on the same line, or below it.
local function field(value, room, options)
  local text = scalar(value)
  if text then return text end
  pcall(pairs, value) -- `win` and its subjects open what they have
  if next(value) == nil then return "{}" end
  local columns = rawlen(value) > 1 and columns_of(value, options.rows)
  local below = columns and grid(value, columns, options.width - 2, options.rows)
  if below then return "\n  " .. below:gsub("\n", "\n  ") end
  return nested(value, room, "  ")
end

local function record(value, options)
  local keys, left, widest = {}, 0, 0
  for key in next, value do
    if #keys < 10000 then keys[#keys + 1] = key else left = left + 1 end
  end
  table.sort(keys, by_key)
  local shown = math.min(#keys, options.rows)
  left = left + #keys - shown
  local texts, lines = {}, {}
  for i = 1, shown do
    texts[i] = key_text(keys[i])
    widest = math.max(widest, length(texts[i]))
  end
  widest = math.min(widest, options.width // 3)
  for i = 1, shown do
    local name = pad(texts[i], widest) .. " ="
    local text = field(rawget(value, keys[i]), options.width - length(name) - 1, options)
    lines[i] = name .. (text:sub(1, 1) == "\n" and text or " " .. text)
  end
  if left > 0 then lines[#lines + 1] = ("... %s more"):format(thousands(left)) end
  return table.concat(lines, "\n")
end

-- A list: on one line if it fits, otherwise one item a line.
local function list(value, options)
  local count = rawlen(value)
  local shown = math.min(count, options.rows)
  local texts, total = {}, 2
  for i = 1, shown do
    local item = rawget(value, i)
    texts[i] = scalar(item) or nested(item, options.width, "")
    total = total + length(texts[i]) + 2
  end
  if shown == count and total <= options.width then return "{ " .. table.concat(texts, ", ") .. " }" end
  if count > shown then texts[#texts + 1] = ("... %s more"):format(thousands(count - shown)) end
  return table.concat(texts, "\n")
end

-- Whether a table has nothing but 1 to n. A long one is looked at up to the first other key, as `next` gives them.
local function is_list(value)
  local n, count = rawlen(value), 0
  if n == 0 or rawget(value, 1) == nil then return false end
  for key in next, value do
    if type(key) ~= "number" or key < 1 or key > n or key % 1 ~= 0 then return false end
    count = count + 1
  end
  return count == n
end

local DEAR = {name = 1, pid = 2, state = 3, display_name = 4, type = 5} -- the last that go where there is no room
local FEWEST = 3

-- The index of the column that is missed least, and whether it is missed at all.
local function least_dear(columns)
  local least = 1
  for i, column in ipairs(columns) do
    if (DEAR[column.key] or 9) >= (DEAR[columns[least].key] or 9) then least = i end
  end
  return least, DEAR[columns[least].key] ~= nil
end

-- A grid of the columns that there is room for, and the names of the others; nil when too many would go.
local function narrowed(value, columns, options)
  local left = {}
  if columns[1].key ~= "name" then return nil end
  while #columns > FEWEST do
    local least, is_dear = least_dear(columns)
    local text = is_dear and grid(value, columns, options.width, options.rows)
    if text then
      table.sort(left)
      return ("%s\nalso: %s"):format(text, cut(table.concat(left, ", "), options.width - 6))
    end
    left[#left + 1] = table.remove(columns, least).title
  end
end

local function records(value, options)
  local columns = columns_of(value, options.rows)
  if not columns then return nil end
  local text = grid(value, columns, options.width, options.rows) or narrowed(value, columns, options)
  if text then return text end
  -- too wide for a table
  local parts, shown = {}, math.min(rawlen(value), options.rows)
  for i = 1, shown do parts[i] = record(rawget(value, i), options) end
  if rawlen(value) > shown then parts[#parts + 1] = ("... %s more"):format(thousands(rawlen(value) - shown)) end
  return table.concat(parts, "\n\n")
end

show = function(value, options)
  local text = own_text(value) or scalar(value)
  if text then return text end
  pcall(pairs, value) -- `win` and its subjects open what they have
  if next(value) == nil then return "{}" end
  if is_list(value) then return records(value, options) or list(value, options) end
  return record(value, options)
end

local function checked(options)
  options = options or {}
  local width, rows = tonumber(options.width), tonumber(options.rows)
  return {
    width = width and math.max(20, width // 1) or 80,
    rows = rows and math.max(1, math.min(rows, math.maxinteger)) // 1 or ROWS,
  }
end

local module = {}

-- A second result, as win.http.holders has one, is no options.
function module.show(value, options)
  if type(options) ~= "table" then options = nil end
  local ok, text = pcall(show, value, checked(options))
  if ok then return text end
  return "<" .. type(value) .. ">"
end

function module.table(rows, columns, options)
  local wanted = {}
  for i, column in ipairs(columns) do
    local key = type(column) == "table" and column.key or column
    local title = type(column) == "table" and column.title or tostring(key)
    wanted[i] = {key = key, title = clean(tostring(title), "%c")}
  end
  local chosen = checked(options)
  if not (options and options.rows) then chosen.rows = math.maxinteger end
  -- Not cut where it does not fit at all: a long line is better than no line.
  return grid(rows, wanted, chosen.width, chosen.rows) or grid(rows, wanted, math.huge, chosen.rows)
end

function module.print(rows, columns, options)
  local console = require "console"
  local chosen = {width = console.is_terminal() and console.width() or math.huge, rows = options and options.rows}
  if options and options.title then print(options.title) end
  if next(rows) == nil and options and options.empty then return print(options.empty) end
  print(columns and module.table(rows, columns, chosen) or module.show(rows, chosen))
end

return setmetatable(module, {__call = function(_, ...) return module.show(...) end})
