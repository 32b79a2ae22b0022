--- What `p80 help win.scm.stop` and the like print, from the stubs: `local reference = require "reference"`.
local read = require "stubs"
local reference = {}

local WIDTH = 79 -- a line of 80 leaves an empty one behind it on some consoles

local function sorted(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- ---- Text in lines ----

-- The words of `text` in lines of at most WIDTH, the first behind `first`, the others behind `rest`.
local function wrap(text, first, rest)
  local lines, line, is_empty = {}, first, true
  for word in text:gmatch "%S+" do
    if not is_empty and utf8.len(line) + 1 + utf8.len(word) > WIDTH then
      lines[#lines + 1] = line
      line, is_empty = rest, true
    end
    line = line .. (is_empty and "" or " ") .. word
    is_empty = false
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

-- Paragraphs, lists ("- item") and code between lines of ``` in lines.
local function layout(text)
  local out, open, rest, is_code = {}, nil, "", false
  local function close()
    if open then out[#out + 1] = wrap(open, rest == "" and "" or "- ", rest) end
    open = nil
  end
  for line in (text .. "\n"):gmatch "(.-)\n" do
    local item = line:match "^[-*] (.*)"
    if line:find "^```" then
      close()
      is_code = not is_code
    elseif is_code then
      out[#out + 1] = "  " .. line
    elseif line == "" then
      close()
      out[#out + 1] = ""
    elseif item then
      close()
      open, rest = item, "  "
    else
      if not open then rest = "" end
      open = open and open .. " " .. line or line
    end
  end
  close()
  return table.concat(out, "\n")
end

--- The first sentence of a description.
function reference.summary(text)
  local line = text:match "^(.-)\n\n" or text
  line = line:gsub("\n", " ")
  return line:match "^(.-%.) +[%u`]" or line
end

--- "win.scm.stop(name [, options]) -> changed".
function reference.signature(f)
  local text, open = f.name .. "(", 0
  for i, name in ipairs(f.params) do
    local is_optional = f.args[name] and f.args[name].optional
    text = text .. (is_optional and (i > 1 and " [, " or "[") or i > 1 and ", " or "") .. name
    if is_optional then open = open + 1 end
  end
  local results = {}
  for i, result in ipairs(f.returns) do results[i] = result.name or result.type end
  return text .. ("]"):rep(open) .. ")" .. (results[1] and " -> " .. table.concat(results, ", ") or "")
end

--- The other forms of a function, as signatures: "win.reg.delete(key: string)".
function reference.overloads(f)
  local texts = {}
  for i, overload in ipairs(f.overloads) do texts[i] = f.name .. overload:gsub("^fun", "") end
  return texts
end

--- The fields of a record, its parent's first.
function reference.fields(book, record)
  local fields = {}
  local parent = record.parent and book.records[record.parent]
  if parent then table.move(reference.fields(book, parent), 1, #reference.fields(book, parent), 1, fields) end
  return table.move(record.fields, 1, #record.fields, #fields + 1, fields)
end

--- The names of the records that the types of `entries` mention, and those that these mention.
function reference.records_of(book, entries, found)
  found = found or {}
  for _, entry in ipairs(entries) do
    for name in (entry.type or ""):gmatch "[%w_.]+" do
      local record = book.records[name]
      if record and not found[name] then
        found[name] = true
        found[#found + 1] = name
        reference.records_of(book, record.fields and reference.fields(book, record) or {record}, found)
      end
    end
  end
  return found
end

--- The arguments of a function in their order.
function reference.arguments(f)
  local entries = {}
  for _, name in ipairs(f.params) do entries[#entries + 1] = f.args[name] end
  return entries
end

-- ---- What is printed ----

-- "name?: type - text"; a long type is divided where it may be.
local function entry_text(entry)
  local head = entry.name and entry.name .. (entry.optional and "?" or "") or ""
  local kind = entry.type and #entry.type > 40 and entry.type:gsub("|", " | ") or entry.type
  if kind then head = (head == "" and "" or head .. ": ") .. kind end
  if entry.text ~= "" then head = head .. " - " .. entry.text end
  return wrap(head, "  ", "      ")
end

local function add_entries(parts, title, entries)
  if not entries[1] then return end
  parts[#parts + 1] = ""
  parts[#parts + 1] = title
  for _, entry in ipairs(entries) do parts[#parts + 1] = entry_text(entry) end
end

-- What an alias stands for: its values one a line when there is something to say about them.
local function alias_entries(alias)
  local names, is_plain = {alias.type}, true
  for _, value in ipairs(alias.values) do
    names[#names + 1] = value.name
    is_plain = is_plain and value.text == ""
  end
  return is_plain and {{name = table.concat(names, ", "), text = ""}} or alias.values
end

local function add_record(parts, book, name)
  local record = book.records[name]
  local title = record.text == "" and name or wrap(record.text, name .. ": ", "    ")
  add_entries(parts, title, record.fields and reference.fields(book, record) or alias_entries(record))
end

local NOTES = {
  {"errors", "Errors"}, {"rights", "Rights"}, {"changes", "Changes"}, {"windows", "Windows"}, {"see", "See"},
}

local function function_text(book, f)
  local parts = {wrap(reference.signature(f), "", "    ")}
  for _, text in ipairs(reference.overloads(f)) do parts[#parts + 1] = wrap(text, "", "    ") end
  parts[#parts + 1] = ""
  parts[#parts + 1] = layout(f.text)
  add_entries(parts, "Parameters", reference.arguments(f))
  add_entries(parts, "Returns", f.returns)
  local entries = table.move(f.returns, 1, #f.returns, #f.params + 1, reference.arguments(f))
  for _, name in ipairs(reference.records_of(book, entries)) do add_record(parts, book, name) end
  parts[#parts + 1] = ""
  for _, note in ipairs(NOTES) do
    local text = f[note[1]]
    text = text and text:gsub("<(https?://[^>]*)>", "%1")
    if text then parts[#parts + 1] = wrap(text, ("%-9s"):format(note[2]), (" "):rep(9)) end
  end
  return (table.concat(parts, "\n"):gsub("\n+$", ""))
end

-- The tables of the book below `name`.
local function children(book, name)
  local found = {}
  for other in pairs(book.tables) do
    if other:sub(1, #name + 1) == name .. "." then found[#found + 1] = other end
  end
  table.sort(found)
  return found
end

local function table_text(book, owner)
  local parts = {layout(owner.text)}
  for _, name in ipairs(owner.functions) do
    local f = book.functions[name]
    local changes = f.changes and " Changes " .. f.changes .. "." or ""
    parts[#parts + 1] = ""
    parts[#parts + 1] = wrap(reference.signature(f), "  ", "      ")
    parts[#parts + 1] = wrap(reference.summary(f.text) .. changes, "      ", "      ")
  end
  local below = children(book, owner.name)
  local fields = {}
  for _, field in ipairs(owner.fields) do
    if not book.tables[field.type] then fields[#fields + 1] = field end
  end
  add_entries(parts, "Fields", fields)
  for _, name in ipairs(below) do
    local functions = {}
    for i, whole in ipairs(book.tables[name].functions) do functions[i] = whole:sub(#name + 2) end
    parts[#parts + 1] = ""
    parts[#parts + 1] = wrap(name .. " - " .. reference.summary(book.tables[name].text), "  ", "      ")
    if functions[1] then parts[#parts + 1] = wrap(table.concat(functions, ", "), "      ", "      ") end
  end
  parts[#parts + 1] = ""
  parts[#parts + 1] = "`help NAME` tells more about each."
  return table.concat(parts, "\n")
end

local function record_text(book, name)
  local parts = {}
  for _, other in ipairs(reference.records_of(book, {{type = name}})) do add_record(parts, book, other) end
  return table.concat(parts, "\n", 2)
end

--- reference.open(sources) -> {book=, names={topics}, help = function(topic) -> text or nil} for `sources` = {name =
-- text of a stub file}. A topic is a whole name, or one without "win.".
function reference.open(sources)
  local book = read(sources)
  local topics = {}
  for name, f in pairs(book.functions) do topics[name] = function() return function_text(book, f) end end
  for name, owner in pairs(book.tables) do topics[name] = function() return table_text(book, owner) end end
  for name in pairs(book.records) do
    if not topics[name] then topics[name] = function() return record_text(book, name) end end
  end
  local function help(topic)
    local text = topics[topic] or topics["win." .. topic]
    return text and text()
  end
  return {book = book, names = sorted(topics), help = help}
end

return reference
