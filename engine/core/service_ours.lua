-- The words of `p80 service`, and which services and tasks are p80's: those that run `p80.exe ... service -- run ...`.
local core, host = ...
local code, raw = core.code, core.win
local ours = {}

local VALUES <const> = {
  ["--name"] = true, ["--as"] = true, ["--watch"] = true, ["--gap"] = true, ["--allow"] = true, ["--timeout"] = true,
  ["--state"] = true, ["--recover"] = true,
}

-- The words up to the script's name, and those behind it, which are the script's.
function ours.split(words)
  local i = 2
  while words[i] and words[i]:sub(1, 1) == "-" do i = i + (VALUES[words[i]] and 2 or 1) end
  return table.move(words, 1, math.min(i, #words), 1, {}), table.move(words, i + 1, #words, 1, {})
end

local function seconds(text)
  local number = tonumber(text)
  return number and number >= 0.01 and number <= 3600 and number or nil,
    ("seconds from 0.01 to 3600 expected, got '%s'"):format(text)
end

local WATCHED <const> = {tcp = true, services = true, http = true}

-- "tcp:80,services" as an array.
local function watch_list(text)
  local list = {}
  for word in text:gmatch "[^,]+" do
    local name, port = word:match "^(%a+):?(%d*)$"
    if not WATCHED[name] or port ~= "" and (name ~= "tcp" or tonumber(port) < 1 or tonumber(port) > 65535) then
      return nil, ("tcp, tcp:PORT, services or http expected, got '%s'"):format(word)
    end
    list[#list + 1] = word
  end
  return list
end

local function add_run_options(command)
  command:argument("script", "the playbook; what follows is for it")
  command:option("--name", "of the service (default p80- and the playbook's name)")
  command:option("--gap", "the least time between two runs, from which all pauses follow (default 1)")
    :argname "<seconds>":convert(seconds)
  command:option("--watch",
    "what runs it again: tcp (listeners on the ports that its arguments name), tcp:PORT, services, "
    .. "http (default what its manifest says, or all three)"):argname "<list>":convert(watch_list)
  command:option("--recover", "what is done about a run of it that was cut off (default what its manifest says)")
    :choices {"report", "undo", "complete"}
  return command
end

local function add_install(parser)
  local install = core.words.add_help(parser:command("install", "run a playbook at every start of Windows"))
  install:usage "Usage: p80 service install [options] SCRIPT [script options]"
  add_run_options(install)
  install:option("--as", "task: one that runs it once when Windows starts, and watches nothing")
    :choices {"service", "task"}:default "service":show_default(false)
  install:flag("--no-start", "install it only: it starts with Windows")
  install:option("--allow", "a grant for every run"):count "*":argname "<grant>"
  install:option("--timeout", "how long waits of every run may take"):argname "<seconds>":convert(tonumber)
  install:option("--state", "where its runs are recorded"):argname "<folder>"
end

function ours.parser()
  local parser = core.words.parser("service",
    "Runs a playbook at every start of Windows, and whenever what it watches changes.")
  add_install(parser)
  local status = core.words.add_help(parser:command("status", "what the services of p80 do"))
  status:argument("name"):args "?"
  local remove = core.words.add_help(parser:command("remove", "remove a service of p80, or its task"))
  remove:argument "name"
  local run = add_run_options(parser:command("run", "what the service runs")):hidden(true)
  run:flag "--once"
  return parser
end

-- ---- Whose they are ----

-- The words of `service -- run` in a command line, or nil when it is none of p80's.
local function parse_line(line)
  local words = raw.process.split(line or "")
  local program = (words[1] or ""):lower()
  if program ~= host.program:lower() and program:match "[^\\/]*$" ~= "p80.exe" then return nil end
  for i = 2, #words - 2 do
    if words[i] == "service" and words[i + 1] == "--" and words[i + 2] == "run" then
      local front, rest = ours.split(table.move(words, i + 2, #words, 1, {}))
      local ok, args = pcall(core.words.parse, ours.parser(), front)
      return ok and args and {script = args.script, words = rest, watch = args.watch or {}}
    end
  end
end

--- The path of the task of that name.
function ours.task_path(name) return "\\" .. name end

--- The record of p80's service of that name; nil when there is none. Raises when it is somebody else's.
function ours.service(name)
  local record = core.call("scm.get", name)
  if not record then return nil end
  local parsed = parse_line(record.path)
  if not parsed then
    core.fail(name, code.ERROR_SERVICE_EXISTS, "This service is not p80's.", "choose another with --name")
  end
  return record, parsed
end

--- The same for a task.
function ours.task(name)
  local ok, task = pcall(core.call, "task.get", ours.task_path(name))
  if not ok or not task then return nil end
  local action = task.actions and task.actions[1] or {}
  local parsed = parse_line(('"%s" %s'):format(action.program or "", action.arguments or ""))
  if not parsed then
    core.fail(task.path, code.ERROR_ALREADY_EXISTS, "This task is not p80's.", "choose another with --name")
  end
  return task, parsed
end

--- All of them: f(record, parsed) for each service, g(task, parsed) for each task.
function ours.each(f, g)
  for _, row in ipairs(raw.scm.list {type = "service"}) do
    local record = raw.scm.get(row.name)
    local parsed = record and record.path and record.path:find("service", 1, true) and parse_line(record.path)
    if parsed then f(record, parsed) end
  end
  local ok, tasks = pcall(raw.task.list)
  for _, row in ipairs(ok and tasks or {}) do
    local name = row.path:match "^\\([^\\]+)$"
    local readable, task, parsed = pcall(ours.task, name or "") -- which is somebody else's, or not for us to read
    if name and readable and task then g(task, parsed) end
  end
end

return ours
