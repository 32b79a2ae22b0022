-- win.reg, the half in Lua: what is composed from the reads.
local reg, _, x = ...

local ERROR_ACCESS_DENIED <const>, ERROR_INVALID_DATA <const>, ERROR_NOT_SUPPORTED <const> = 5, 13, 50
local ERROR_NO_UNICODE_TRANSLATION <const> = 1113

local LONGEST_SHOWN <const> = 60
local function shown(line)
  line = line:gsub("\xED[\xA0-\xBF][\x80-\xBF]", "\u{FFFD}"):gsub("%c", " ")
  return utf8.len(line) > LONGEST_SHOWN and line:sub(1, utf8.offset(line, LONGEST_SHOWN + 1) - 1) .. "..." or line
end

function reg.parse(...)
  local check = x.check "reg.parse"
  check.arguments(select("#", ...), 1, 1)
  local bytes = ...
  if type(bytes) ~= "string" then check.bad("bytes", bytes, "the bytes of a .reg file") end
  local sections, version = require "regfile".parse(bytes, function(text) return x.decode(text, "ansi") end)
  if sections then return sections, version end
  x.fail("reg.parse", ("line %d"):format(version.line), ERROR_INVALID_DATA,
    ("'%s': %s."):format(shown(version.text), version.message), "nothing has been changed")
end

-- Reads for the operation `op`: what they raise is raised about that.
local function asking(op, read)
  return setmetatable({}, {__index = function(t, name)
    t[name] = function(...)
      local results = table.pack(pcall(read[name], ...))
      if results[1] then return table.unpack(results, 2, results.n) end
      local e = results[2]
      if type(e) ~= "table" then error(e, 0) end
      x.fail(op, e.target, e.code, e.message, e.hint)
    end
    return t[name]
  end})
end

-- What the reads of one view see, for regfile.sections and the like.
local function viewed(read, view)
  local options = {view = view}
  return {
    info = function(key) return read.info(key, options) end,
    keys = function(key) return read.keys(key, options) or {} end,
    values = function(key) return read.values(key, options) or {} end,
  }
end

-- The texts that stand for a value when one searches for it.
local function texts_of(row)
  local value = row.value
  if type(value) == "table" then return value end
  if math.type(value) then return {tostring(value), ("0x%x"):format(value)} end
  if row.type:find "sz$" or row.type == "link" then return {value} end
  return {(value:gsub(".", function(c) return ("%02x"):format(c:byte()) end))}
end

-- matcher(text) -> whether it is what is searched for.
local function new_matcher(wanted, options)
  local function fold(text) return options.case and text or text:lower() end
  wanted = fold(wanted)
  if options.exact then return function(text) return fold(text) == wanted end end
  return function(text) return fold(text):find(wanted, 1, true) ~= nil end
end

-- Calls visit(path, info) for a key and what is below it, never through a link;
-- keys that may not be read go to `closed`.
local function walk(at, key, tree, visit, closed)
  local names = {}
  local ok, problem = pcall(function()
    local info = at.info(key)
    if not info then return end
    visit(key, info)
    if not info.link and info.keys > 0 and tree ~= false then names = at.keys(key) end
  end)
  if not ok and (type(problem) ~= "table" or problem.code ~= ERROR_ACCESS_DENIED) then error(problem, 0) end
  if not ok then closed[#closed + 1] = key end
  for _, name in ipairs(names) do walk(at, key .. "\\" .. name, tree, visit, closed) end
end

-- {[folded name] = {left =, right =}} and the names in their order, for two arrays of rows or names.
local function pair_up(left, right, name_of)
  local pairs_by_name, order = {}, {}
  for side, list in pairs {left = left, right = right} do
    for _, item in ipairs(list) do
      local folded = name_of(item):lower()
      if not pairs_by_name[folded] then
        pairs_by_name[folded] = {}
        order[#order + 1] = folded
      end
      pairs_by_name[folded][side] = item
    end
  end
  table.sort(order)
  return pairs_by_name, order
end

local function same_row(a, b)
  if not a or not b or a.type ~= b.type or a.raw ~= b.raw then return false end
  if type(a.value) ~= "table" then return a.value == b.value end
  return table.concat(a.value, "\0") == table.concat(b.value, "\0") and #a.value == #b.value
end

--- x.reg(read) -> the functions that are composed from the reads `read` (win.reg itself, or what --check sees).
function x.reg(read)
  local composed = {}

  --- win.reg.export(key [, {version=, exact=, view=}]) -> bytes or nil
  function composed.export(...)
    local check = x.check "reg.export"
    check.arguments(select("#", ...), 1, 2)
    local key, options = ...
    options = check.options(options, {"version", "exact", "view"})
    if options.version ~= nil then check.integer("version", options.version, 4, 5) end
    check.opt_boolean("exact", options.exact)
    local at = viewed(asking("reg.export", read), options.view)
    local info = at.info(key)
    if not info then return nil end
    if info.link then
      x.fail("reg.export", key, ERROR_NOT_SUPPORTED, "This key is a registry link.", "it leads to " .. info.link)
    end
    local regfile = require "regfile"
    local bytes, lacking_key, lacking = regfile.format(regfile.sections(key, at),
      {version = options.version, exact = options.exact, encode = function(text) return x.encode(text, "ansi") end})
    if bytes then return bytes end
    x.fail("reg.export", lacking_key, ERROR_NO_UNICODE_TRANSLATION,
      ("The code page of this Windows lacks a character in '%s'."):format(lacking == "" and "(Default)" or lacking),
      "version 5 has them all")
  end

  --- win.reg.find(key, text [, {where=, exact=, case=, type=, tree=, view=}]) -> {row, ...}, {key, ...} or nil
  function composed.find(...)
    local check = x.check "reg.find"
    check.arguments(select("#", ...), 2, 3)
    local key, text, options = ...
    check.text("text", text)
    options = check.options(options, {"where", "exact", "case", "type", "tree", "view"})
    if options.where ~= nil then check.one_of("where", options.where, {"keys", "names", "data"}) end
    for _, name in ipairs {"exact", "case", "tree"} do check.opt_boolean(name, options[name]) end
    check.opt_text("type", options.type)
    local at = viewed(asking("reg.find", read), options.view)
    local matches, where, found, closed = new_matcher(text, options), options.where, {}, {}
    local function is_hit(row)
      if options.type and row.type ~= options.type then return false end
      if where ~= "data" and matches(row.name) then return true end
      for _, data in ipairs(where ~= "names" and texts_of(row) or {}) do
        if matches(data) then return true end
      end
      return false
    end
    local function visit(path, info)
      local name = path ~= key and path:match "[^\\]*$"
      if name and (not where or where == "keys") and not options.type and matches(name) then
        found[#found + 1] = {key = path}
      end
      for _, row in ipairs(where ~= "keys" and not info.link and info.values > 0 and at.values(path) or {}) do
        if is_hit(row) then
          found[#found + 1] = {key = path, name = row.name, type = row.type, value = row.value, raw = row.raw}
        end
      end
    end
    if not at.info(key) then return nil end
    walk(at, key, options.tree, visit, closed)
    return found, closed
  end

  --- win.reg.compare(left, right [, {tree=, view=}]) -> {{key=, name=, left=, right=}, ...}
  function composed.compare(...)
    local check = x.check "reg.compare"
    check.arguments(select("#", ...), 2, 3)
    local left, right, options = ...
    check.text("left", left)
    check.text("right", right)
    options = check.options(options, {"tree", "view"})
    check.opt_boolean("tree", options.tree)
    local at = viewed(asking("reg.compare", read), options.view)
    local differences = {}
    local function differ(key, name, a, b)
      differences[#differences + 1] = {key = key, name = name, left = a, right = b}
    end
    local function compare(key, a, b)
      local left_info, right_info = at.info(left .. a), at.info(right .. b)
      if not left_info and not right_info then return end
      local left_link, right_link = left_info and left_info.link, right_info and right_info.link
      if not left_info or not right_info or left_link ~= right_link then
        return differ(key, nil, left_info and {link = left_link}, right_info and {link = right_link})
      end
      if left_link then return end
      local rows, names = pair_up(at.values(left .. a), at.values(right .. b), function(row) return row.name end)
      for _, name in ipairs(names) do
        local row = rows[name]
        if not same_row(row.left, row.right) then differ(key, (row.left or row.right).name, row.left, row.right) end
      end
      if options.tree == false then return end
      local keys, order = pair_up(at.keys(left .. a), at.keys(right .. b), function(name) return name end)
      for _, folded in ipairs(order) do
        local name = keys[folded].left or keys[folded].right
        compare(key == "" and name or key .. "\\" .. name, a .. "\\" .. name, b .. "\\" .. name)
      end
    end
    compare("", "", "")
    return differences
  end

  return composed
end

for name, f in pairs(x.reg(reg)) do reg[name] = f end
