-- docs/win.md from the stubs.
local lfs = require "lfs"
local reference = require "reference"
local manual = {root = test.folder .. "/.."}

--- The text of a file of the source tree.
function manual.read(name)
  local file = assert(io.open(manual.root .. "/" .. name, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

--- The stubs: {name = text}.
function manual.sources()
  local sources = {}
  for file in lfs.dir(manual.root .. "/scripts/api") do
    local name = file:match "^(.*)%.lua$"
    if name then sources[name] = manual.read("scripts/api/" .. file) end
  end
  return sources
end

--- The stub of `win` with a field for each of its subjects, so that editors complete them.
function manual.with_fields(sources)
  local fields = {}
  for name, owner in pairs(reference.open(sources).book.tables) do
    local key = name:match "^win%.([^.]*)$"
    local is_object = owner.functions[1] and owner.functions[1]:find ":"
    if key and not is_object then fields[#fields + 1] = ("---@field %s %s\n"):format(key, name) end
  end
  table.sort(fields)
  local text = sources.win:gsub("%-%-%-@field [^\n]* win%.[^\n]*\n", ""):gsub("(%-%-%-@class win\n)", "%1" .. table.concat(fields))
  return text
end

-- What GitHub makes of a heading.
local function anchor(name) return "#" .. name:gsub("[^%w_ -]", ""):gsub(" ", "-"):lower() end

local function link(name) return ("[%s](%s)"):format(name, anchor(name)) end

-- A type as code that a table cell can hold, with links to the records in it.
local function type_text(book, text)
  local links = {}
  for name in text:gmatch "[%w_.]+" do
    if book.records[name] and not links[name] then
      links[name] = true
      links[#links + 1] = link(name)
    end
  end
  if links[1] and book.records[text:match "^[%w_.]+"] and text:find "^[%w_.]+[%[%]?]*$" then
    return links[1] .. text:match "^[%w_.]+(.*)$"
  end
  return "`" .. text:gsub("|", "\\|") .. "`" .. (links[1] and " (" .. table.concat(links, ", ") .. ")" or "")
end

local function add_rows(out, book, title, entries)
  if not entries[1] then return end
  out[#out + 1] = ("| %s | type | |\n|---|---|---|"):format(title)
  for _, entry in ipairs(entries) do
    local name = (entry.name or "") .. (entry.optional and "?" or "")
    local kind = entry.type and type_text(book, entry.type) or ""
    out[#out + 1] = ("| %s | %s | %s |"):format(name ~= "" and "`" .. name:gsub("|", "\\|") .. "`" or "", kind,
      (entry.text:gsub("|", "\\|")))
  end
  out[#out + 1] = ""
end

local NOTES = {
  {"errors", "Errors"}, {"rights", "Rights"}, {"changes", "Changes"}, {"windows", "Windows"}, {"see", "See"},
}

local function add_function(out, book, f)
  out[#out + 1] = ("### %s\n\n```lua\n%s"):format(f.name, reference.signature(f))
  for _, text in ipairs(reference.overloads(f)) do out[#out + 1] = text end
  out[#out + 1] = ("```\n\n%s\n"):format(f.text)
  add_rows(out, book, "parameter", reference.arguments(f))
  add_rows(out, book, "returns", f.returns)
  local notes = 0
  for _, note in ipairs(NOTES) do
    if f[note[1]] then
      out[#out + 1] = ("* %s: %s"):format(note[2], f[note[1]])
      notes = notes + 1
    end
  end
  if notes > 0 then out[#out + 1] = "" end
end

local function add_record(out, book, record)
  out[#out + 1] = ("### %s\n"):format(record.name)
  if record.text ~= "" then out[#out + 1] = record.text .. "\n" end
  if record.fields then return add_rows(out, book, "field", reference.fields(book, record)) end
  local values, is_plain = {}, true
  for i, value in ipairs(record.values) do
    values[i] = ("`%s`"):format(value.name)
    is_plain = is_plain and value.text == ""
  end
  if record.type then table.insert(values, 1, type_text(book, record.type)) end
  if is_plain then out[#out + 1] = table.concat(values, ", ") .. "\n"
  else add_rows(out, book, "value", record.values) end
end

local function sorted_names(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- The tables in their order: win and what is in it, then the modules.
local function table_names(book)
  local names = sorted_names(book.tables)
  table.sort(names, function(a, b)
    local is_win_a, is_win_b = a:find "^win%f[.%z]" ~= nil, b:find "^win%f[.%z]" ~= nil
    if is_win_a ~= is_win_b then return is_win_a end
    return a < b
  end)
  return names
end

-- The table that a record belongs to: the one with the longest name that begins the record's.
local function owner_of(book, name)
  local owner = name
  repeat owner = owner:match "^(.*)%.[^.]*$" until owner == nil or book.tables[owner]
  return owner
end

local function records_by_owner(book)
  local found = {}
  for _, name in ipairs(sorted_names(book.records)) do
    local owner = owner_of(book, name) or error("no table has the record " .. name)
    found[owner] = found[owner] or {}
    table.insert(found[owner], book.records[name])
  end
  return found
end

local function plain_fields(book, owner)
  local fields = {}
  for _, field in ipairs(owner.fields) do
    if not book.tables[field.type] then fields[#fields + 1] = field end
  end
  return fields
end

local HEAD = [[
# The functions of p80

Made from the stubs in `scripts/api` by `sh docs/generate.sh`: change those, not this page. The same is at the prompt:
`p80 help win`, `p80 help win.scm.stop`; and in any editor with the Lua language server (`.luarc.json`).
]]

--- The page.
function manual.write(sources)
  local book = reference.open(sources).book
  local names, records, out = table_names(book), records_by_owner(book), {HEAD}
  for _, name in ipairs(names) do
    out[#out + 1] = ("* %s: %s"):format(link(name), reference.summary(book.tables[name].text))
    local links = {}
    for i, f in ipairs(book.tables[name].functions) do links[i] = ("[%s](%s)"):format(f:sub(#name + 2), anchor(f)) end
    if links[1] then out[#out + 1] = "  " .. table.concat(links, ", ") end
  end
  out[#out + 1] = ""
  for _, name in ipairs(names) do
    local owner = book.tables[name]
    out[#out + 1] = ("## %s\n\n%s\n"):format(name, owner.text)
    add_rows(out, book, "field", plain_fields(book, owner))
    for _, f in ipairs(owner.functions) do add_function(out, book, book.functions[f]) end
    for _, record in ipairs(records[name] or {}) do add_record(out, book, record) end
  end
  return (table.concat(out, "\n"):gsub("\n+$", "\n"))
end

return manual
