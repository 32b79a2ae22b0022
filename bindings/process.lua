-- win.process, the half in Lua: services, sessions, windows and modules of processes, and command lines.
local process, win, x = ...

-- C's own functions, which are nobody else's business.
local list, get, image, check_pid = process.list, process.get, process.image, process.services
local usage, windows, sessions, handles = process.usage, process.windows, process.sessions, process.handles
local find, file_name = process.find, process.file_name
process.usage, process.windows, process.sessions, process.file_name = nil, nil, nil, nil

-- ---- Rows with more ----

-- {[pid] = {names of services}}, sorted.
local function services_by_pid()
  local by_pid = {}
  for _, service in ipairs(win.scm.list {state = "active"}) do
    local names = by_pid[service.pid] or {}
    names[#names + 1] = service.name
    if service.pid then by_pid[service.pid] = names end
  end
  for _, names in pairs(by_pid) do table.sort(names) end
  return by_pid
end

local add = {} -- by option: add(rows) lays it on all rows

function add.usage(rows)
  local by_pid = usage()
  for _, row in ipairs(rows) do
    for key, value in pairs(by_pid[row.pid] or {}) do row[key] = value end
  end
end

function add.session_name(rows)
  local ids, seen = {}, {}
  for _, row in ipairs(rows) do
    if row.session and not seen[row.session] then
      seen[row.session] = true
      ids[#ids + 1] = row.session
    end
  end
  local names = sessions(ids)
  for _, row in ipairs(rows) do row.session_name = names[row.session] end
end

function add.services(rows)
  local by_pid = services_by_pid()
  for _, row in ipairs(rows) do row.services = by_pid[row.pid] or {} end
end

function add.modules(rows)
  for _, row in ipairs(rows) do
    local readable, modules = pcall(process.modules, row.pid)
    row.modules = readable and modules or nil
  end
end

-- The title is that of the first window that has one; a process with windows that answer is "running".
function add.window(rows)
  local by_pid = {}
  for _, window in ipairs(windows()) do
    local found = by_pid[window.pid] or {status = "running"}
    by_pid[window.pid] = found
    if window.title ~= "" then found.title = found.title or window.title end
    if window.hung then found.status = "not_responding" end
  end
  for _, row in ipairs(rows) do
    local found = by_pid[row.pid] or {}
    row.title, row.status = found.title, found.status or "unknown"
  end
end

local function complete(op, rows, options)
  for option, lay in pairs(add) do
    if options and options[option] then x.about(op, lay, rows) end
  end
  return rows
end

function process.list(...) return complete("process.list", list(...), (...)) end

function process.get(...)
  local row = get(...)
  return row and complete("process.get", {row}, (select(2, ...)))[1]
end

function process.services(...)
  local pid = check_pid(...)
  return services_by_pid()[pid] or {}
end

-- ---- Handles ----

-- What people write, and how the kernel calls it; C knows the drives.
local KERNEL_NAMES <const> = {
  {[[HKLM\]], [[\REGISTRY\MACHINE\]]}, {[[HKU\]], [[\REGISTRY\USER\]]}, {[[\\]], [[\Device\Mup\]]},
}

local function replaced_start(text, start, by)
  if text:sub(1, #start):lower() == start:lower() then return by .. text:sub(#start + 1) end
end

local function kernel_name(name)
  for _, pair in ipairs(KERNEL_NAMES) do
    local found = replaced_start(name, pair[1], pair[2])
    if found then return found end
  end
  return name
end

local function usual_name(object)
  local name = file_name(object)
  for _, pair in ipairs(name == object and KERNEL_NAMES or {}) do
    name = replaced_start(object, pair[2], pair[1]) or name
  end
  return name
end

-- The name of a process; false when it is gone.
local function name_of(pid)
  local path = x.about("process.handles", image, pid)
  if path then return path:match "[^\\]*$" end
  local row = x.about("process.handles", get, pid)
  return row and row.name or false
end

x.handles = handles -- the kernel's names alone, which are had for less

function process.handles(...)
  x.check("process.handles").arguments(select("#", ...), 1, 1)
  local options, wanted = ..., nil
  if type(options) == "table" then
    wanted = {}
    for key, value in pairs(options) do wanted[key] = value end
    if type(wanted.name) == "string" then wanted.name = kernel_name(wanted.name) end
  end
  local rows, silent = handles(wanted or options)
  local names = {}
  for _, row in ipairs(rows) do
    if names[row.pid] == nil then names[row.pid] = name_of(row.pid) end
    row.name, row.type, row.process = usual_name(row.object), row.type:lower(), names[row.pid] or nil
  end
  return rows, silent
end

-- ---- Command lines ----
-- How programs take their command line apart, and how it must be put together for that, is written in
-- https://learn.microsoft.com/windows/win32/api/shellapi/nf-shellapi-commandlinetoargvw and
-- https://learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments

-- The first word: up to the second quote, or the first blank. Returns it and where the others begin.
local function split_program(line)
  local quoted, after = line:match '^"([^"]*)"?()'
  if quoted then return quoted, after end
  return line:match "^([^ \t]*)()"
end

-- One argument from `at`, which is no blank; returns it and what follows. Quotes turn quoting on and off; the third of
-- three stands for itself, and so does one after an odd number of backslashes.
local function split_argument(line, at)
  local plain, behind = line:match('^([^ \t"\\]+)()%f[ \t\0]', at)
  if plain then return plain, behind end
  local parts, quotes = {}, 0
  while true do
    local text, after = line:match(quotes == 0 and '^([^ \t"\\]*)()' or '^([^"\\]*)()', at)
    parts[#parts + 1] = text
    local slashes, run, next_at = line:match('^(\\*)("*)()', after)
    if slashes == "" and run == "" then return table.concat(parts), after end
    at = next_at
    if run == "" then
      parts[#parts + 1] = slashes
    else
      parts[#parts + 1] = ("\\"):rep(#slashes // 2)
      local literal = #slashes % 2
      parts[#parts + 1] = ('"'):rep(literal)
      quotes = quotes + #run - literal
      parts[#parts + 1] = ('"'):rep(quotes // 3)
      quotes = quotes % 3 == 2 and 0 or quotes % 3
    end
  end
end

function process.split(...)
  local check = x.check "process.split"
  check.arguments(select("#", ...), 1, 1)
  local line = check.text("line", (...))
  if line == "" then return {} end
  local words, at = {}, nil
  words[1], at = split_program(line)
  while true do
    at = line:match("^[ \t]*()", at)
    if at > #line then return words end
    words[#words + 1], at = split_argument(line, at)
  end
end

-- One argument as split_argument takes it apart again.
local function quote(word)
  if word ~= "" and not word:find '[ \t\n\v"]' then return word end
  return '"' .. word:gsub('(\\*)"', '%1%1\\"'):gsub("(\\*)$", "%1%1") .. '"'
end

-- The first word is taken apart in another way: it cannot have a quote.
local function quote_program(word)
  return word ~= "" and not word:find "[ \t\n\v]" and word or '"' .. word .. '"'
end

function process.join(...)
  local check = x.check "process.join"
  check.arguments(select("#", ...), 1, 1)
  local words, quoted = check.list_of_text("words", (...)), {}
  if words[1] and words[1]:find '"' then check.bad("words[1]", words[1], "a program's name without quotes") end
  for i, word in ipairs(words) do quoted[i] = (i == 1 and quote_program or quote)(word) end
  return table.concat(quoted, " ")
end

-- ---- Finding programs ----

local MACHINE <const> = [[HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment]]

-- The folders of the machine's own Path: anybody may set that of a process.
local function machine_path()
  local windows = find("kernel32.dll"):match [[^(.*)\[^\]+\[^\]+$]]
  local folders = {}
  for folder in (win.reg.get(MACHINE, "Path") or ""):gmatch "[^;]+" do
    folder = folder:gsub("%%(%a+)%%", function(name)
      name = name:lower()
      return (name == "systemroot" or name == "windir") and windows or nil
    end)
    if folder:find "^%a:[\\/]" then folders[#folders + 1] = folder end
  end
  return folders
end

function process.find(...)
  local check = x.check "process.find"
  check.arguments(select("#", ...), 1, 2)
  local name, options = ...
  check.text("name", name)
  local search = check.opt_boolean("search", check.options(options, {"search"}).search)
  local is_path = name:find "[\\/:]"
  if name == "" or is_path and not name:find [[^%a:[\/][^:]*$]] and not name:find [[^\\[^:]*$]] then
    check.bad("name", name, "the name of a program, or its path from the root,")
  end
  if not name:find [[%.[^\/]*$]] then name = name .. ".exe" end
  local found = find(name)
  if found or is_path or not search then return found end
  for _, folder in ipairs(machine_path()) do
    found = find(name, folder)
    if found then return found end
  end
end
