-- p80 new FILE: writes a playbook to begin with, and a test beside it. Text files of the user's own are no change of
-- the machine: they are not journaled and need no elevation.
local core, host = ...
local words, code = core.words, core.code

local function parser()
  local p = words.parser("new", "Write a playbook to begin with, and a test of it in the folder tests beside it.")
  p:argument("file", "the file to write; .lua is added")
  p:flag("--no-test", "write no test")
  p:epilog "What is there already is never overwritten. docs/playbooks.md goes on from here."
  return p
end

local function check_name(file, name)
  local problem = core.manifest.name_problem(name)
  if not problem and core.data.contains(host.commands, name:lower()) then
    problem = "p80 has a command of this name."
  end
  if not problem and host.source("script", name) then problem = "p80 has a playbook of this name." end
  if problem then core.fail(file, code.P80_BAD_ARGUMENTS, problem) end
end

local function check_free(path)
  if lfs.attributes(path, "mode") then
    core.fail(path, code.ERROR_ALREADY_EXISTS, "It exists, and is never overwritten.",
      "take another name, or move it away")
  end
end

-- The account's name alone, as a Lua string.
local function author()
  local ok, account = pcall(core.win.account.current)
  return ("%q"):format(ok and account.name and account.name:match "[^\\]*$" or "")
end

local function filled(template, name)
  local text = host.source("template", template):gsub("%$(%u+)", {NAME = name, AUTHOR = author()})
  return (text:gsub("\n", "\r\n")) -- old editors of Windows need it
end

local function write(path, text)
  local file, problem = io.open(path, "wb")
  local ok = file and file:write(text) and file:close()
  if not ok then
    core.fail(path, code.ERROR_ACCESS_DENIED, ("It cannot be written: %s."):format(problem or "the disk is full"))
  end
end

local function without_ending(file) return (file:gsub("%.[lL][uU][aA]$", "")) end

-- {path, template} of what to write.
local function plan(args)
  local file = without_ending(args.file)
  local name = file:match "[^\\/:]*$"
  check_name(args.file, name)
  local path = core.win.file.absolute(file .. ".lua")
  local folder = path:match "^(.*)\\"
  if lfs.attributes(folder .. "\\", "mode") ~= "directory" then
    core.fail(folder, code.ERROR_PATH_NOT_FOUND, "There is no such folder.")
  end
  local files = {{path, "playbook"}}
  if not args.no_test then files[2] = {("%s\\tests\\%s_test.lua"):format(folder, name), "test"} end
  for _, file in ipairs(files) do check_free(file[1]) end
  return files, name, folder
end

-- What to do next, a command and what it is for on each line.
local function next_steps(file, has_test)
  local tests = (file:match "^.*[\\/:]" or "") .. "tests"
  local steps = {
    {file .. " --check", "says what would change"},
    {"lint " .. file, "finds mistakes"},
    {"help " .. file, "what it says of itself"},
    has_test and {"test " .. tests, "tries it on modelled machines"} or nil,
  }
  local lines, width = {"Next:"}, 0
  for _, step in ipairs(steps) do width = math.max(width, #step[1]) end
  for i, step in ipairs(steps) do
    lines[i + 1] = ("  p80 %s%s  %s"):format(step[1], (" "):rep(width - #step[1]), step[2])
  end
  return table.concat(lines, "\n") .. "\n"
end

local function text_of(paths, args)
  local verb = core.checking and "would write" or "wrote"
  local lines = {}
  for i, path in ipairs(paths) do lines[i] = ("%s %s\n"):format(verb, path) end
  if not core.checking then lines[#lines + 1] = next_steps(without_ending(args.file) .. ".lua", not args.no_test) end
  return table.concat(lines)
end

return function(...)
  local args, help = words.parse(parser(), {...})
  if not args then return help end
  local files, name, folder = plan(args)
  local paths = core.data.array {}
  for i, file in ipairs(files) do paths[i] = file[1] end
  if not core.checking then
    if files[2] then lfs.mkdir(folder .. "\\tests") end
    for _, file in ipairs(files) do write(file[1], filled(file[2], name)) end
  end
  local text = core.options.json and core.data.document({files = paths}, {}) .. "\n" or text_of(paths, args)
  return text, core.checking and 3 or nil
end
