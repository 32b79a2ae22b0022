-- not hardened
-- The stubs of scripts/api against what there really is, and what is made of them: `p80 help NAME` and docs/win.md.
-- arch: x64
local lu = require "luaunit"
local manual = require "manual"
local reference = require "reference"

local sources = manual.sources()
local topics = reference.open(sources)
local book, help = topics.book, topics.help
local MODULES = {
  "p80", "ports", "show", "console", "bindings", "formats", "test", "log", "progress", "retry", "ensure", "finally",
}

local T = {}
TestReference = T

-- ---- Stubs against programs ----

local LIST = [[
local function visit(name, value, seen)
  if type(value) == "function" then print(name) end
  if type(value) ~= "table" or seen[value] then return end
  seen[value] = true
  for key, inner in pairs(value) do visit(name .. "." .. key, inner, seen) end
end
visit("win", win, {})
for _, name in ipairs {...} do visit(name, require(name), {}) end
]]

-- The names of all functions that a playbook finds in `win` and in p80's own modules.
local function real_functions()
  local result = test.spawn {path = test.p80, args = {"-e", LIST, table.unpack(MODULES)}}
  lu.assertEquals(result.code, 0, result.stderr)
  local found = {}
  for name in result.stdout:gmatch "[%w_.]+" do found[name] = true end
  return found
end

function T:test_every_function_has_its_stub_and_every_stub_its_function()
  local real, without, beyond = real_functions(), {}, {}
  for name in pairs(real) do
    if not book.functions[name] then without[#without + 1] = name end
  end
  for name in pairs(book.functions) do
    if not real[name] and not name:find ":" then beyond[#beyond + 1] = name end
  end
  table.sort(without)
  table.sort(beyond)
  lu.assertEquals(without, {}, "functions without a stub in scripts/api")
  lu.assertEquals(beyond, {}, "stubs of functions that there are not")
end

function T:test_changes_are_the_registered_writes()
  local is_write = {}
  for _, name in ipairs(test.writes) do is_write["win." .. name] = true end
  for name, f in pairs(book.functions) do
    if name:find "^win%." then lu.assertEquals(f.changes ~= nil, is_write[name] == true, name .. ": Changes") end
  end
end

function T:test_changes_name_kinds_that_can_be_granted()
  local args, seen = {}, {}
  for name, f in pairs(book.functions) do
    for kind in (f.changes or ""):gmatch "`(.-)`" do
      if not seen[kind] then table.move({"--allow", kind}, 1, 2, #args + 1, args) end
      seen[kind] = true
    end
    lu.assertTrue(f.changes == nil or f.changes:find "^`[%w_.]+`" ~= nil, name .. ": Changes: `kind`, `kind`")
  end
  table.move({"-e", "local plain = 1"}, 1, 2, #args + 1, args)
  local result = test.spawn {path = test.p80, args = args}
  lu.assertEquals(result.code, 0, result.stderr)
end

-- ---- Form ----

function T:test_every_stub_says_what_it_must()
  for name, f in pairs(book.functions) do
    lu.assertNotEquals(f.text, "", name .. " has no description")
    if name:find "^win%." and not name:find ":" then
      for _, note in ipairs {"rights", "windows", "see"} do
        lu.assertIsString(f[note], ("%s lacks its line '%s'"):format(name, note))
      end
      lu.assertNotNil(f.see:find "<https://[^>]+>", name .. ": See: <https://...>")
      if f.changes then lu.assertIsString(f.errors, name .. " changes something and lacks its line 'Errors'") end
    end
  end
  for name, owner in pairs(book.tables) do lu.assertNotEquals(owner.text, "", name .. " has no description") end
end

function T:test_parameters_are_those_of_the_function_line()
  for name, f in pairs(book.functions) do
    local listed, optional = {}, nil
    for _, param in ipairs(f.params) do
      local arg = f.args[param]
      lu.assertIsTable(arg, ("%s lacks its ---@param %s"):format(name, param))
      listed[param] = true
      if arg.optional then optional = param end
      lu.assertTrue(arg.optional or not optional, ("%s: %s stands behind the optional %s"):format(name, param, optional))
    end
    for param in pairs(f.args) do lu.assertTrue(listed[param], ("%s has no %s"):format(name, param)) end
  end
end

-- Every type in a list of entries that looks like one of p80's is described.
local function check_types(name, entries)
  for _, entry in ipairs(entries) do
    local plain = (entry.type or ""):gsub('"[^"]*"', "")
    for word in plain:gmatch "[%a_][%w_]*%.[%w_.]+" do
      lu.assertNotNil(book.records[word] or book.tables[word], ("%s: there is no type %s"):format(name, word))
    end
  end
end

function T:test_types_are_described()
  for name, f in pairs(book.functions) do
    check_types(name, reference.arguments(f))
    check_types(name, f.returns)
  end
  for name, record in pairs(book.records) do check_types(name, record.fields or {record}) end
  for name, owner in pairs(book.tables) do check_types(name, owner.fields) end
end

-- So that editors complete `win.http` and `win.http.urlacl`.
function T:test_each_subject_is_a_field_of_the_one_above()
  lu.assertTrue(sources.win == manual.with_fields(sources), "scripts/api/win.lua lacks a subject; `sh docs/generate.sh` adds it")
  for name in pairs(book.tables) do
    local above, key = name:match "^(win%.[^.]*)%.([^.]*)$"
    local first = book.tables[name].functions[1]
    if above and not (first and first:find ":") then
      local found = false
      for _, field in ipairs(book.tables[above].fields) do found = found or field.name == key and field.type == name end
      lu.assertTrue(found, ("%s lacks ---@field %s %s"):format(above, key, name))
    end
  end
end

function T:test_what_is_no_stub_raises_with_its_line()
  local reading = {
    ["function f() end"] = "'f", ["---@class x\nlocal x = {}\n\n---@return\nfunction x.f() end"] = "4: no type",
    ["---@class x\nlocal x = {}\n\n---A.\n---@param a string\n---more\nfunction x.f(a) end"] = "6: text goes before",
    ["---@class x\nlocal x = {}\n\n---@parm a string\nfunction x.f(a) end"] = "4: unknown tag @parm",
    ["---@class x\nlocal x = {}\n\nfunction y.f(a) end"] = "4: 'y' is no table", ["local x = {}"] = "needs a ---@class",
    ["---@class x\nlocal x = {}\nfunction x.f() end\nfunction x.f() end"] = "4: x.f is described twice",
    ["print(1)"] = "1: 'print(1)' is not in the form",
  }
  for text, problem in pairs(reading) do
    local ok, message = pcall(reference.open, {bad = text})
    lu.assertFalse(ok, text)
    lu.assertStrContains(message, "scripts/api/bad.lua:")
    lu.assertStrContains(message, problem)
  end
end

-- ---- Help ----

function T:test_help_about_everything_fits_the_console()
  for _, name in ipairs(topics.names) do
    for line in help(name):gmatch "[^\n]+" do
      lu.assertTrue(utf8.len(line) <= 79 or line:find "https://" ~= nil, name .. ": " .. line)
    end
  end
end

function T:test_help_about_a_function_a_subject_and_win()
  lu.assertEquals(help "scm.stop", help "win.scm.stop")
  for _, word in ipairs {"win.scm.stop(name [, options]) -> changed, stopped\n", "ERROR_DEPENDENT_SERVICES_RUNNING", "Rights   administrator",
    "Changes  `scm.state`", "https://learn.microsoft.com/", "dependents?: boolean"} do
    lu.assertStrContains(help "win.scm.stop", word)
  end
  lu.assertStrContains(help "win.scm.get", "win.scm.service: Fields")
  lu.assertStrContains(help "win.scm.get", "  display_name: string")
  lu.assertStrContains(help "scm", "  win.scm.stop(name [, options]) -> changed, stopped\n      Stops a service")
  lu.assertStrContains(help "win", "win.http.urlacl - ")
  lu.assertStrContains(help "win", "add, delete, get, list, sddl, users")
  lu.assertStrContains(help "p80.playbook", '"enum" - one of the array')
  for _, word in ipairs {"", "win.", "win.sc", "free80", "%", "win.scm.stopp"} do lu.assertNil(help(word), word) end
end

-- ---- docs/win.md ----

function T:test_the_manual_is_what_the_stubs_give()
  local is_same = manual.read "docs/win.md" == manual.write(sources)
  lu.assertTrue(is_same, "docs/win.md is not what scripts/api gives; `sh docs/generate.sh` makes it anew")
end

function T:test_the_manual_s_links_lead_somewhere()
  local text, anchors = manual.write(sources), {}
  for heading in text:gmatch "\n##+ ([%w_.:]+)" do anchors["#" .. heading:gsub("[.:]", ""):lower()] = true end
  for target in text:gmatch "%]%((#[^)]*)%)" do lu.assertTrue(anchors[target], target) end
  for name in pairs(book.functions) do lu.assertStrContains(text, "\n### " .. name .. "\n") end
end

