-- Playbooks that tests install: a fresh folder of them for each test, and p80 with the machine's own state folder.
local lu = require "luaunit"
local case = require "case"

local installs = {HOME = os.getenv "ProgramData" .. "\\p80"}
installs.PLAYBOOKS = installs.HOME .. "\\playbooks"

function installs.remove_tree(path)
  if lfs.attributes(path, "mode") ~= "directory" then return os.remove(path) end
  for _, name in ipairs(case.files(path)) do installs.remove_tree(path .. "\\" .. name) end
  assert(lfs.rmdir(path))
end

--- case.suite with nothing installed before each test.
function installs.suite(name)
  local class = case.suite(name)
  local begin = class.setUp
  function class.setUp()
    begin()
    if lfs.attributes(installs.PLAYBOOKS) then installs.remove_tree(installs.PLAYBOOKS) end
  end
  return class
end

function installs.p80(options)
  options.state = options.state or false
  return case.p80(options)
end

-- A folder with a playbook of two files that prints its version, twice.
function installs.make(version, grants, name)
  name = name or "acme"
  local folder = case.path(name .. version)
  lfs.mkdir(folder)
  lfs.mkdir(folder .. "\\lib")
  case.write(folder .. "\\" .. name .. ".lua", ([[
require "p80".playbook {name = "%s", version = "%s", summary = "Says which version it is.", grants = {%s}}
print("%s " .. require "lib.version")
]]):format(name, version, grants or "", version))
  case.write(folder .. "\\lib\\version.lua", ("return %q\n"):format(version))
  return folder
end

function installs.install(folder, ...) return installs.p80 {"install", folder, "--yes", ...} end
function installs.says(version) return version .. " " .. version .. "\r\n" end

function installs.assert_runs(version, message)
  local result = installs.p80 {"acme"}
  if version then
    case.exits(result, 0)
    lu.assertEquals(result.stdout, installs.says(version), message)
  else
    lu.assertStrContains(case.exits(result, 2).stderr, "no playbook of this name", message)
  end
end

return installs
