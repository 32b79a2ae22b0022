-- p80 service install|status|remove: a playbook as a Windows service, or as a task that runs when Windows starts.
local core, host = ...
local code, data, raw = core.code, core.data, core.win
local files = host.chunk "service_files"(core, host)

local function fail(target, number, message, hint) core.fail(target, number, message, hint) end
local function wrong(target, message, hint) fail(target, code.P80_BAD_ARGUMENTS, message, hint) end

-- ---- The words ----

local VALUES <const> = {
  ["--name"] = true, ["--as"] = true, ["--watch"] = true, ["--gap"] = true, ["--allow"] = true, ["--timeout"] = true,
  ["--state"] = true, ["--recover"] = true,
}

-- The words up to the script's name, and those behind it, which are the script's.
local function split(words)
  local i = 2
  while words[i] and words[i]:sub(1, 1) == "-" do i = i + (VALUES[words[i]] and 2 or 1) end
  return table.move(words, 1, math.min(i, #words), 1, {}), table.move(words, i + 1, #words, 1, {})
end

local function seconds(text)
  local number = tonumber(text)
  return number and number >= 0.01 and number <= 3600 and number or nil, ("seconds from 0.01 to 3600 expected, got '%s'"):format(text)
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
  command:option("--gap", "the least time between two runs, from which all pauses follow (default 1)"):argname "<seconds>"
    :convert(seconds)
  command:option("--watch", "what runs it again: tcp (listeners on the ports that its arguments name), tcp:PORT, services, "
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

local function make_parser()
  local parser = core.words.parser("service", "Runs a playbook at every start of Windows, and whenever what it watches changes.")
  add_install(parser)
  local status = core.words.add_help(parser:command("status", "what the services of p80 do"))
  status:argument("name"):args "?"
  local remove = core.words.add_help(parser:command("remove", "remove a service of p80, or its task"))
  remove:argument "name"
  local run = add_run_options(parser:command("run", "what the service runs")):hidden(true)
  run:flag "--once"
  return parser
end

-- ---- Command lines ----

-- One word of a command line in which Windows replaces %NAME%: no such name may stand there, so each % is kept away from
-- the others by quotes, which programs take off.
local function quote(word)
  if not word:find("%", 1, true) then return raw.process.join {"x", word}:sub(3) end
  return '"' .. word:gsub('(\\*)"', '%1%1\\"'):gsub("(\\*)$", "%1%1"):gsub("(\\*)%%", '%1%1"%%"') .. '"'
end

local function join(words)
  local quoted = {('"%s"'):format(host.program)}
  for _, word in ipairs(words) do quoted[#quoted + 1] = quote(word) end
  return table.concat(quoted, " ")
end

-- p80's options for every run, as words.
local function run_options(args)
  local words = {}
  for _, list in ipairs {host.options.allow, args.allow or {}} do
    for _, grant in ipairs(list) do table.move({"--allow", grant}, 1, 2, #words + 1, words) end
  end
  local limits = {timeout = args.timeout or host.options.timeout, cpu_limit = host.options.cpu_limit, memory_limit = host.options.memory_limit}
  for _, key in ipairs {"timeout", "cpu_limit", "memory_limit"} do
    if limits[key] then table.move({core.arguments.option(key), ("%.14g"):format(limits[key])}, 1, 2, #words + 1, words) end
  end
  if host.options.verbose then words[#words + 1] = "--verbose" end
  return words
end

-- What Windows is to run for `plan`.
local function service_words(plan, once)
  local words = table.move(plan.options, 1, #plan.options, 1, {})
  if plan.state then table.move({"--state", plan.state}, 1, 2, #words + 1, words) end
  for _, word in ipairs {"service", "--", "run", "--name", plan.name, "--recover", plan.recover} do words[#words + 1] = word end
  if plan.gap then table.move({"--gap", ("%.14g"):format(plan.gap)}, 1, 2, #words + 1, words) end
  if once then words[#words + 1] = "--once"
  elseif #plan.watch > 0 then table.move({"--watch", table.concat(plan.watch, ",")}, 1, 2, #words + 1, words) end
  words[#words + 1] = plan.script
  return table.move(plan.words, 1, #plan.words, #words + 1, words)
end

-- The words of `service -- run` in a command line, or nil when it is none of p80's.
local function parse_line(line)
  local words = raw.process.split(line or "")
  local program = (words[1] or ""):lower()
  if program ~= host.program:lower() and program:match "[^\\/]*$" ~= "p80.exe" then return nil end
  for i = 2, #words - 2 do
    if words[i] == "service" and words[i + 1] == "--" and words[i + 2] == "run" then
      local front, rest = split(table.move(words, i + 2, #words, 1, {}))
      local ok, args = pcall(core.words.parse, make_parser(), front)
      return ok and args and {script = args.script, words = rest, watch = args.watch or {}}
    end
  end
end

-- ---- Installing ----

-- The full path of a file, or nil.
local function full_path(word)
  local path = host.full_path(word)
  return host.lib "lfs".attributes(path, "mode") == "file" and path or nil
end

-- The script as every run will name it, a file by its full path, others by their name; and whether it is a file.
local function script_of(word)
  local known = not word:find "[/\\:]" and core.catalog.find(word)
  local path = (not known or word:lower():find "%.lua$") and full_path(word) or nil
  return path or known and known.name or word, path ~= nil
end

-- The manifest's arguments as the words give them; raises when they are wrong. When a service runs nobody can be asked.
local function check_words(manifest, words)
  core.secrets.ask = function() return nil end
  local args, problem = core.arguments.take(manifest, words)
  if args then return args end
  local sentence, meant = core.words.problem(problem)
  wrong(manifest.name, sentence, meant or ("`p80 %s --help` shows what there is"):format(manifest.name))
end

local function check_full(option, path)
  if path:find "^%a:[/\\]" or path:find "^[/\\][/\\]" then return end
  wrong(option, ("The full path expected, got '%s'."):format(path), "a service starts in System32")
end

-- A service starts in System32: paths among its arguments must not depend on where it was installed from.
local function check_paths(manifest, words)
  local is_path = {["--args-file"] = true}
  for name, arg in pairs(manifest.args or {}) do
    if arg.type == "path" or arg.of == "path" then is_path[core.arguments.option(name)] = true end
  end
  for i, word in ipairs(words) do
    local option, value = word:match "^(%-%-[^=]+)=(.*)$"
    option, value = option or word, value or words[i + 1] or ""
    for path in (is_path[option] and value or ""):gmatch "[^,]+" do check_full(option, path) end
  end
end

-- What is watched: listeners on the ports that the arguments name, where they name any.
local function watched(manifest, args)
  local list, ports = {}, {}
  for name, arg in pairs(manifest.args or {}) do
    if arg.type == "port" and args[name] then ports[#ports + 1] = ("tcp:%d"):format(args[name]) end
  end
  table.sort(ports)
  for _, word in ipairs(manifest.watch or {"tcp", "services", "http"}) do
    local words = word == "tcp" and #ports > 0 and ports or {word}
    table.move(words, 1, #words, #list + 1, list)
  end
  return list
end

local function check_name(name)
  if not name:find "^[%w%.%-_]+$" or #name > 80 then
    wrong("--name", ("A name of letters, digits, '.', '-' and '_' expected, got '%s'."):format(name))
  end
  return name
end

local function make_plan(args, words)
  if args.state then check_full("--state", args.state) end
  local script, is_file = script_of(args.script)
  if raw.host.elevated() then
    core.ask(host.check_protected, host.program)
    if is_file then core.ask(host.check_protected, script) end
  end
  local manifest, problem = core.playbook.manifest_of(script)
  if not manifest then fail(script, code.P80_BAD_MANIFEST, ("It cannot be installed: %s."):format(problem)) end
  core.about "service"
  check_paths(manifest, words)
  local parsed = check_words(manifest, words)
  return {
    name = check_name(args.name or "p80-" .. manifest.name), script = script, words = words, manifest = manifest,
    options = run_options(args), state = args.state or host.options.state, gap = args.gap,
    recover = args.recover or manifest.recover or "report", watch = args.watch or watched(manifest, parsed),
  }
end

-- The grants of the manifest that need a privilege which LocalSystem does not have switched on for all.
local PRIVILEGES <const> = {
  {"SeDebugPrivilege"}, -- to see whose handles and modules there are
  {"SeBackupPrivilege", "reg.save", "reg.hive"}, {"SeRestorePrivilege", "reg.hive", "reg.security"},
  {"SeTakeOwnershipPrivilege", "reg.security"}, {"SeSecurityPrivilege", "scm.security", "reg.security"},
  {"SeShutdownPrivilege", "scm.details"},
}

-- The privileges that the runs need for what they may change.
local function privileges_of(plan)
  local kinds = {}
  for _, grant in ipairs(plan.manifest.grants or {}) do kinds[grant:match "^[^:]+"] = true end
  for i = 1, #plan.options - 1 do
    if plan.options[i] == "--allow" then kinds[plan.options[i + 1]:match "^[^:]+"] = true end
  end
  local needed = {"SeChangeNotifyPrivilege", "SeImpersonatePrivilege"}
  for _, row in ipairs(PRIVILEGES) do
    local is_needed = #row == 1
    for i = 2, #row do is_needed = is_needed or kinds[row[i]] or kinds["*"] or kinds[row[i]:match "^%a+" .. ".*"] end
    if is_needed then needed[#needed + 1] = row[1] end
  end
  return needed
end

local RESTARTS <const> = {{action = "restart", delay = 5}, {action = "restart", delay = 30}, {action = "restart", delay = 300}}

-- The settings of the service, as far as this Windows knows them, and what it does not know.
local function service_settings(plan)
  local known, lacks = raw.scm.details "RpcSs" or {}, data.array {}
  local m = plan.manifest
  local settings = {
    path = join(service_words(plan)), start = "auto",
    display_name = plan.name == "p80-" .. m.name and "p80: " .. m.name or ("p80: %s (%s)"):format(m.name, plan.name),
    description = ("Runs the p80 playbook %s %s (%s) when Windows starts%s: %s"):format(m.name, m.version, plan.script,
      #plan.watch > 0 and " and when what it watches changes" or "", m.summary),
  }
  local wanted = {
    failure = {reset_period = 86400, command = "", reboot_message = "", actions = RESTARTS},
    sid_type = "unrestricted", privileges = privileges_of(plan),
  }
  if known.failure and known.failure.on_non_crash ~= nil then wanted.failure.on_non_crash = true end
  for _, key in ipairs {"failure", "sid_type", "privileges"} do
    if known[key] ~= nil then settings[key] = wanted[key] else lacks[#lacks + 1] = key end
  end
  return settings, lacks
end

local function task_path(name) return "\\" .. name end

-- The record of p80's service of that name; nil when there is none. Raises when it is somebody else's.
local function own_service(name)
  local record = core.call("scm.get", name)
  if not record then return nil end
  local parsed = parse_line(record.path)
  if not parsed then fail(name, code.ERROR_SERVICE_EXISTS, "This service is not p80's.", "choose another with --name") end
  return record, parsed
end

local function own_task(name)
  local ok, task = pcall(core.call, "task.get", task_path(name))
  if not ok or not task then return nil end
  local action = task.actions and task.actions[1] or {}
  local parsed = parse_line(('"%s" %s'):format(action.program or "", action.arguments or ""))
  if not parsed then fail(task.path, code.ERROR_ALREADY_EXISTS, "This task is not p80's.", "choose another with --name") end
  return task, parsed
end

local function grant(name)
  for _, kind in ipairs {"scm.service", "scm.config", "scm.details", "scm.state"} do core.grants.add("service", ("%s:%s"):format(kind, name)) end
  core.grants.add("service", "event.source:" .. name)
  core.grants.add("service", "task:" .. task_path(name))
end

local function remove_service(name)
  return own_service(name) ~= nil and core.call("scm.delete", name)
end

local function remove_task(name)
  return own_task(name) ~= nil and core.call("task.delete", task_path(name))
end

-- Makes the service, or brings one that exists to these settings; one that runs is started anew with them.
local function put_service(plan, start)
  local settings, lacks = service_settings(plan)
  local record = own_service(plan.name)
  local changed = core.call(record and "scm.config" or "scm.create", plan.name, settings)
  core.call("event.register", plan.name)
  local runs = record and record.state == "running"
  if runs and changed then core.call("scm.restart", plan.name)
  elseif start and not runs then core.call("scm.start", plan.name) end
  return lacks
end

local function put_task(plan)
  local line = join(service_words(plan, true))
  core.call("event.register", plan.name)
  core.call("task.create", task_path(plan.name), {
    program = host.program, arguments = line:match '^"[^"]*" (.*)$', at = "startup",
    description = ("Runs the p80 playbook %s %s (%s) when Windows starts."):format(plan.manifest.name, plan.manifest.version, plan.script),
  })
end

local LACKS <const> = {
  failure = "is not started again by Windows when it fails", sid_type = "has no identity of its own",
  privileges = "has all privileges of LocalSystem",
}

local function say_lacks(lacks)
  local texts = {}
  for i, key in ipairs(lacks) do texts[i] = LACKS[key] end
  return #texts > 0 and ("On this Windows the service %s.\n"):format(table.concat(texts, ", ")) or ""
end

local function install(args, words)
  local plan = make_plan(args, words)
  local as_task = args.as == "task"
  grant(plan.name)
  if as_task then remove_service(plan.name) else remove_task(plan.name) end
  local lacks = data.array {}
  if as_task then put_task(plan) else lacks = put_service(plan, not args.no_start) end
  local log = files.log_path(plan.name)
  core.result.report {
    name = plan.name, as = args.as, script = plan.script, watch = not as_task and plan.watch or nil, log = log,
    command = join(service_words(plan, as_task)), lacks = lacks,
  }
  return ("%s %s %s at every start%s.\nIts log is %s; `p80 service status %s` shows what it does.\n%s"):format(
    plan.name, core.checking and "would run" or "runs", plan.script,
    not as_task and #plan.watch > 0 and ", and when what it watches changes: " .. table.concat(plan.watch, ", ") or "",
    log, plan.name, say_lacks(lacks))
end

-- ---- Removing ----

local function remove(args)
  local name = args.name
  if not core.call("scm.get", name) and not own_task(name) and not name:find "^p80%-" then name = "p80-" .. name end
  grant(check_name(name))
  local removed = remove_service(name)
  removed = remove_task(name) or removed
  local source = core.call("event.source", name)
  if removed or source and source.file == host.program then removed = core.call("event.unregister", name) or removed end
  if not core.checking then files.forget(name) end
  core.result.report {name = name, removed = removed, log = files.log_path(name)}
  if not removed then return ("There is no service or task %s of p80.\n"):format(name) end
  return ("%s %s removed; its log stays: %s\n"):format(name, core.checking and "would be" or "is", files.log_path(name))
end

-- ---- Status ----

local function next_run(record, said)
  if record.state ~= "running" then return "when it starts" end
  if said.phase == "running" then return "now" end
  return said.next_run or "when something changes"
end

local function service_row(record, parsed)
  local said = files.load(record.name) or {}
  local run = said.run or {}
  return {
    name = record.name, as = "service", state = record.state, start = record.start, script = parsed.script, words = parsed.words,
    watch = parsed.watch, last_run = run.started, reason = run.reason, outcome = run.outcome, failed = run.failed, exit = run.exit,
    runs = said.runs, next_run = next_run(record, said), log = files.log_path(record.name),
  }
end

local function task_row(task, parsed)
  local name = task.path:match "[^\\]*$"
  local run = (files.load(name) or {}).run or {}
  return {
    name = name, as = "task", state = task.state, start = task.enabled and "startup" or "disabled", script = parsed.script,
    words = parsed.words, last_run = run.started or task.last_run, outcome = run.outcome, failed = run.failed,
    exit = run.exit or task.last_result, next_run = "when Windows starts", log = files.log_path(name),
  }
end

local function add_services(rows)
  for _, row in ipairs(raw.scm.list {type = "service"}) do
    local record = raw.scm.get(row.name)
    local parsed = record and record.path and record.path:find("service", 1, true) and parse_line(record.path)
    if parsed then rows[#rows + 1] = service_row(record, parsed) end
  end
end

local function add_tasks(rows)
  local ok, tasks = pcall(raw.task.list)
  for _, row in ipairs(ok and tasks or {}) do
    local name = row.path:match "^\\(p80[^\\]*)$"
    local readable, task, parsed = pcall(own_task, name or "")
    if name and readable and task then rows[#rows + 1] = task_row(task, parsed) end
  end
end

local ORDER <const> = {"name", "as", "state", "start", "script", "words", "watch", "last_run", "reason", "outcome", "failed",
  "exit", "runs", "next_run", "log"}

local function describe(row)
  local lines = {}
  for _, key in ipairs(ORDER) do
    local value = row[key]
    if type(value) == "table" then value = table.concat(value, key == "words" and " " or ", ") end
    if value ~= nil and value ~= "" then lines[#lines + 1] = ("%-9s %s"):format(key:gsub("_", " "), value) end
  end
  return table.concat(lines, "\n") .. "\n"
end

local function status(args)
  local rows = data.array {}
  if args.name then
    for _, name in ipairs {args.name, "p80-" .. args.name} do
      local record, parsed = own_service(name)
      local task, parsed_task = own_task(name)
      rows[#rows + 1] = record and service_row(record, parsed) or task and task_row(task, parsed_task) or nil
    end
    if #rows == 0 then fail(args.name, code.ERROR_NOT_FOUND, "There is no service or task of p80 of this name.", "`p80 service status` lists them") end
  else
    add_services(rows)
    add_tasks(rows)
  end
  core.result.report(rows)
  if #rows == 0 then return "There is no service or task of p80.\n" end
  if args.name then return describe(rows[1]) end
  return host.lib "show".table(rows, {"name", "as", "state", "script", "last_run", "outcome", "next_run"}, {width = host.width}) .. "\n"
end

-- ---- Running ----

local function run(args, words)
  local exit = host.chunk "service_host"(core, host) {
    name = args.name or "p80-console", script = args.script, words = words, options = run_options {},
    state = host.options.state, watch = args.watch or {}, gap = args.gap or 1, recover = args.recover or "report",
    once = args.once,
  }
  return "", exit
end

local ACTIONS <const> = {install = install, status = status, remove = remove, run = run}

return function(...)
  local front, rest = split {...}
  local args, help = core.words.parse(make_parser(), front)
  if not args then return help end
  for name, action in pairs(ACTIONS) do
    if args[name] then
      local text, exit = action(args, rest)
      return core.options.json and "" or text, exit
    end
  end
end
