-- What is bundled is what is in the tree: the same code on the same lines, though without comments and indentation.
-- arch: x64
local lu = require "luaunit"

TestBundle = {}

local root = test.folder:gsub("[\\/]tests$", "")

-- The text of a file of one of the folders that bundled Lua comes from, or nil.
local function find(folder, name)
  for _, place in ipairs {folder, (test.path:gsub("%?%.lua", ""):gsub("|", "\n"))} do
    for line in place:gmatch "[^\n]+" do
      local file = io.open(line:gsub("[\\/]$", "") .. "/" .. name .. ".lua", "rb")
      if file then
        local text = file:read "a"
        file:close()
        return text
      end
    end
  end
end

local FOLDERS = {core = "/engine/core", win = "/bindings", lib = "/scripts/lib"}

local function names_of(folder)
  local names = {}
  for name in lfs.dir(root .. FOLDERS[folder]) do names[#names + 1] = name:match "^(.*)%.lua$" end
  if folder == "lib" then table.move({"dkjson", "argparse", "inspect"}, 1, 3, #names + 1, names) end
  return names
end

for folder, place in pairs(FOLDERS) do
  TestBundle["test_" .. folder] = function()
    local names = names_of(folder)
    lu.assertTrue(#names > 3)
    for _, name in ipairs(names) do
      local text = find(root .. place, name)
      local chunk = assert(load(text, ("@p80:%s/%s.lua"):format(folder, name)))
      lu.assertTrue(string.dump(test.bundled(folder, name)) == string.dump(chunk), folder .. "/" .. name)
    end
  end
end
