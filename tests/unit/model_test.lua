-- What stands for C on a modelled machine is what C has: whoever adds a function there decides whether it is modelled.
-- arch: x64
local lu = require "luaunit"
local manual = require "manual"

TestModel = {}

-- The names of C's functions ("scm.list") from the lists in bindings/*.c, but for those that the core composes.
local function names_of_c()
  local names = {}
  for file in lfs.dir(manual.root .. "/bindings") do
    local text = file:find "%.c$" and manual.read("bindings/" .. file) or ""
    local lists = {}
    for list, body in text:gmatch "static const luaL_Reg ([%w_]+)%[%] = (%b{});" do lists[list] = body end
    for subject, reads, writes in text:gmatch 'const luax_subject [%w_]+ = {"([%w_.]+)", ([%w_]+), ([%w_]+),' do
      for _, list in ipairs {reads, writes} do
        for name in (lists[list] or ""):gmatch '{"([%w_]+)", [%w_]*[a-z]' do names[subject .. "." .. name] = true end
      end
    end
  end
  return names
end

-- The names that the files of the model define.
local function names_of_model()
  local names, parts = {}, {"scm", "scm_config", "net", "process", "reg", "http", "http_state", "host", "iis", "task", "event"}
  local function add(text)
    for name in text:gmatch '%["(%l[%w_]*%.[%w_.]+)"%] ?[,=]' do names[name] = true end
  end
  for _, part in ipairs(parts) do add(manual.read("engine/core/model_" .. part .. ".lua")) end
  for _, subject in ipairs {"timeout", "cache", "setting"} do -- these are named in a loop
    for _, name in ipairs {"query", "set", "delete"} do names[("http.%s.%s"):format(subject, name)] = true end
  end
  names["http.cache.delete"] = nil -- Windows has none
  return names
end

-- ---- Every public function ----

local function public_functions()
  local names = {}
  for file in lfs.dir(manual.root .. "/scripts/api") do
    local text = file:find "%.lua$" and manual.read("scripts/api/" .. file) or ""
    if text:find "%-%-%-@class win%." then
      for name in text:gmatch "\nfunction ([%l_.]+)%(" do names[#names + 1] = name end
    end
  end
  table.sort(names)
  return names
end

function TestModel:test_every_public_function_has_a_contract_or_is_said_not_to_be_modelled()
  local contracts, left, said = {}, {}, {}
  for file in lfs.dir(manual.root .. "/tests/contract") do
    if file:find "%.lua$" and file ~= "misuse.lua" then contracts[#contracts + 1] = manual.read("tests/contract/" .. file) end
  end
  local text = table.concat(contracts)
  for _, name in ipairs(public_functions()) do
    local subject, last = name:match "^(.*)%.(.*)$"
    local is_tested = text:find("%f[%w]" .. name:gsub("%.", "%%.") .. "%f[^%w_]") or text:find(('%s["%s"]'):format(subject, last), 1, true)
    if not is_tested then left[#left + 1] = "win." .. name end
  end
  for name in manual.read "docs/testing.md":match "What is not modelled raises(.-)\n\nEvery":gmatch "`(win%.%l+%.[%l_]+)`" do said[#said + 1] = name end
  table.sort(said)
  lu.assertEquals(left, said)
  lu.assertTrue(#public_functions() > 140)
end

-- ---- C's functions ----

-- How many arguments C's functions take, by their own names ("scm_list"), where that stands in one of them.
local function arguments_of_c()
  local takes = {}
  for file in lfs.dir(manual.root .. "/bindings") do
    local text = file:find "%.c$" and manual.read("bindings/" .. file) or ""
    for name, body in ("\n" .. text):gmatch "\n[%l ]*int ([%w_]+)%(lua_State %*L%) {(.-)\n}" do
      takes[name] = {body:match "luax_arguments%(L, (%d), (%d)%)"}
    end
  end
  return takes
end

function TestModel:test_as_many_arguments_as_c_takes()
  local c, compared = arguments_of_c(), 0
  for least, most, names in manual.read "engine/core/model.lua":match "TAKES <const> = %[%[(.-)%]%]":gmatch "(%d) (%d)([^%d]*)" do
    for name in names:gmatch "%S+" do
      local own = c[name:gsub("%.", "_")] or c[name:gsub("%.", "_"):gsub("^http_", "")]
      if own and own[1] then
        lu.assertEquals({least, most}, own, name)
        compared = compared + 1
      end
    end
  end
  lu.assertTrue(compared > 30, compared)
end

local NOT_MODELLED <const> = {
  "driver.loaded", "driver.signature", "driver.version", "process.modules", "process.usage", "process.windows", "reg.load",
  "reg.save", "reg.unload", "reg.watch",
}

function TestModel:test_every_function_of_c_is_modelled_or_known_not_to_be()
  local c, model, left = names_of_c(), names_of_model(), {}
  lu.assertTrue(c["scm.stop"] and model["scm.stop"])
  for name in pairs(c) do
    if not model[name] then left[#left + 1] = name end
  end
  table.sort(left)
  lu.assertEquals(left, NOT_MODELLED)
  for name in pairs(model) do lu.assertTrue(c[name], "C has no " .. name) end
end
