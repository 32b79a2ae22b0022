-- p80 lint FILE...: finds mistakes in scripts without running them.
local core, host = ...
local words, data = core.words, core.data

local LARGEST <const> = 4 << 20

local function parser()
  local p = words.parser("lint",
    "Find mistakes in scripts without running them: syntax, undeclared globals, unknown functions and "
    .. "options, wrong manifests, grants and arguments that are missing or never used.")
  p:argument("file", "a script, or a folder: all scripts in it"):args "+"
  p:epilog("A comment `lint: ok` keeps its line from being reported. "
    .. "Exit codes: 0 nothing found, 1 something, 2 a file cannot be read.")
  return p
end

-- All scripts in a folder and below, in order.
local function add_folder(list, folder)
  local names = {}
  for name in lfs.dir(folder) do
    if not name:find "^%." then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local path = folder:gsub("[\\/]$", "") .. "\\" .. name
    if lfs.attributes(path, "mode") == "directory" then
      add_folder(list, path)
    elseif name:lower():find "%.lua$" then
      list[#list + 1] = path
    end
  end
end

local function files_of(paths)
  local list = {}
  for _, path in ipairs(paths) do
    if lfs.attributes(path, "mode") == "directory" then add_folder(list, path) else list[#list + 1] = path end
  end
  return list
end

-- The text of a file, or nil and why not.
local function read(path)
  local ok, text = pcall(core.win.file.read, path)
  if not ok then return nil, text.message end
  if not text then return nil, "there is no such file" end
  if #text > LARGEST then return nil, "it is larger than 4 MiB" end
  return text
end

local function text_of(finding)
  return ("%s:%d:%d: %s%s\n"):format(finding.file, finding.line, finding.column, finding.message:gsub("%.$", ""),
    finding.hint and "; " .. finding.hint or "")
end

local function before(a, b)
  if a.file ~= b.file then return a.file < b.file end
  if a.line ~= b.line then return a.line < b.line end
  return a.column < b.column
end

-- Checks all files -> findings in order, and what cannot be read.
local function check(files)
  local linter = core.lint.open(read)
  local findings, unreadable, seen = data.array {}, data.array {}, {}
  for _, path in ipairs(files) do
    local text, why = read(path)
    if not text then unreadable[#unreadable + 1] = {file = path, message = why} end
    for _, finding in ipairs(text and linter:check(path, text) or {}) do
      local id = text_of(finding)
      if not seen[id] then findings[#findings + 1] = finding end
      seen[id] = true
    end
  end
  table.sort(findings, before)
  return findings, unreadable
end

return function(...)
  local args, help = words.parse(parser(), {...})
  if not args then return help end
  local files = files_of(args.file)
  local findings, unreadable = check(files)
  local code = #unreadable > 0 and 2 or #findings > 0 and 1 or 0
  if core.options.json then
    return data.document({files = #files, findings = findings, unreadable = unreadable},
      {"files", "findings", "unreadable", "file", "line", "column", "rule", "message", "hint"}) .. "\n", code
  end
  local lines = {}
  for _, finding in ipairs(findings) do lines[#lines + 1] = text_of(finding) end
  for _, problem in ipairs(unreadable) do host.log(("%s: %s"):format(problem.file, problem.message)) end
  return table.concat(lines), code
end
