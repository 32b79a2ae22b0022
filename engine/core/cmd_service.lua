-- p80 service install|status|remove: a playbook as a Windows service, or as a task that runs when Windows starts.
local core, host = ...
local code, data, raw = core.code, core.data, core.win
local files, ours = host.chunk "service_files"(core, host), host.chunk "service_ours"(core, host)
local privileges_of = host.chunk "service_privileges"(core)

local function fail(target, number, message, hint)
  core.about "service"
  core.fail(target, number, message, hint)
end
local function wrong(target, message, hint) fail(target, code.P80_BAD_ARGUMENTS, message, hint) end

-- ---- Command lines ----

-- One word of a command line in which Windows replaces %NAME%: no such name may stand there, so each % is kept away
-- from the others by quotes, which programs take off.
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
  local limits = {
    timeout = args.timeout or host.options.timeout,
    cpu_limit = host.options.cpu_limit,
    memory_limit = host.options.memory_limit,
  }
  for _, key in ipairs {"timeout", "cpu_limit", "memory_limit"} do
    if limits[key] then
      table.move({core.arguments.option(key), ("%.14g"):format(limits[key])}, 1, 2, #words + 1, words)
    end
  end
  if host.options.verbose then words[#words + 1] = "--verbose" end
  return words
end

-- What Windows is to run for `plan`.
local function service_words(plan, once)
  local words = table.move(plan.options, 1, #plan.options, 1, {})
  if plan.state then table.move({"--state", plan.state}, 1, 2, #words + 1, words) end
  for _, word in ipairs {"service", "--", "run", "--name", plan.name, "--recover", plan.recover} do
    words[#words + 1] = word
  end
  if plan.gap then table.move({"--gap", ("%.14g"):format(plan.gap)}, 1, 2, #words + 1, words) end
  if once then words[#words + 1] = "--once"
  elseif #plan.watch > 0 then table.move({"--watch", table.concat(plan.watch, ",")}, 1, 2, #words + 1, words) end
  words[#words + 1] = plan.script
  return table.move(plan.words, 1, #plan.words, #words + 1, words)
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

local function check_protected(path)
  if core.ask(host.place, path) == "" then return end
  fail(path, code.P80_UNPROTECTED, "It lies on another machine or a removable drive.",
    "copy it to a folder of this machine below Program Files")
end

local function make_plan(args, words)
  if args.state then check_full("--state", args.state) end
  local script, is_file = script_of(args.script)
  check_protected(host.program)
  if is_file then check_protected(script) end
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

-- The privileges that the runs need for what they may change.
local function privileges(plan)
  local granted = table.move(plan.manifest.grants or {}, 1, #(plan.manifest.grants or {}), 1, {})
  for i = 1, #plan.options - 1 do
    if plan.options[i] == "--allow" then granted[#granted + 1] = plan.options[i + 1] end
  end
  return privileges_of(granted)
end

local RESTARTS <const> = {
  {action = "restart", delay = 5}, {action = "restart", delay = 30}, {action = "restart", delay = 300},
}

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
    sid_type = "unrestricted", privileges = privileges(plan),
  }
  if known.failure and known.failure.on_non_crash ~= nil then wanted.failure.on_non_crash = true end
  for _, key in ipairs {"failure", "sid_type", "privileges"} do
    if known[key] ~= nil then settings[key] = wanted[key] else lacks[#lacks + 1] = key end
  end
  return settings, lacks
end

local function grant(name)
  for _, kind in ipairs {"scm.service", "scm.config", "scm.details", "scm.state"} do
    core.grants.add("service", ("%s:%s"):format(kind, name))
  end
  core.grants.add("service", "event.source:" .. name)
  core.grants.add("service", "task:" .. ours.task_path(name))
end

local function remove_service(name)
  return ours.service(name) ~= nil and core.call("scm.delete", name)
end

local function remove_task(name)
  return ours.task(name) ~= nil and core.call("task.delete", ours.task_path(name))
end

-- Makes the service, or brings one that exists to these settings; one that runs is started anew with them.
local function put_service(plan, start)
  local settings, lacks = service_settings(plan)
  local record = ours.service(plan.name)
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
  core.call("task.create", ours.task_path(plan.name), {
    program = host.program, arguments = line:match '^"[^"]*" (.*)$', at = "startup",
    description = ("Runs the p80 playbook %s %s (%s) when Windows starts."):format(
      plan.manifest.name, plan.manifest.version, plan.script),
  })
  return data.array {}
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

-- Makes the service, or the task. A task of that name, or a service, goes only when the other is there and has started.
-- If any of that fails, what was made goes, and the old one works as before.
local function replace(plan, as_task, start)
  local service, task = ours.service(plan.name), ours.task(plan.name)
  local done, result = pcall(function()
    local lacks = (as_task and put_task or put_service)(plan, start)
    if as_task then remove_service(plan.name) else remove_task(plan.name) end
    return lacks
  end)
  if done then return result end
  if as_task and service and not task then
    pcall(remove_task, plan.name)
    if service.state == "running" then pcall(core.call, "scm.start", plan.name) end
  elseif not as_task and task and not service then
    pcall(remove_service, plan.name)
  end
  error(result, 0)
end

local function install(args, words)
  local plan = make_plan(args, words)
  local as_task = args.as == "task"
  grant(plan.name)
  local lacks = replace(plan, as_task, not args.no_start)
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
  if not core.call("scm.get", name) and not ours.task(name) and not name:find "^p80%-" then name = "p80-" .. name end
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
    name = record.name, as = "service", state = record.state, start = record.start, script = parsed.script,
    words = parsed.words, watch = parsed.watch, last_run = run.started, reason = run.reason, outcome = run.outcome,
    failed = run.failed, exit = run.exit, runs = said.runs, next_run = next_run(record, said),
    log = files.log_path(record.name),
  }
end

local function task_row(task, parsed)
  local name = task.path:match "[^\\]*$"
  local run = (files.load(name) or {}).run or {}
  return {
    name = name, as = "task", state = task.state, start = task.enabled and "startup" or "disabled",
    script = parsed.script, words = parsed.words, last_run = run.started or task.last_run, outcome = run.outcome,
    failed = run.failed, exit = run.exit or task.last_result, next_run = "when Windows starts",
    log = files.log_path(name),
  }
end

local ORDER <const> = {"name", "as", "state", "start", "script", "words", "watch", "last_run", "reason", "outcome",
  "failed", "exit", "runs", "next_run", "log"}

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
      local record, parsed = ours.service(name)
      local task, parsed_task = ours.task(name)
      rows[#rows + 1] = record and service_row(record, parsed) or task and task_row(task, parsed_task) or nil
    end
    if #rows == 0 then
      fail(args.name, code.ERROR_NOT_FOUND, "There is no service or task of p80 of this name.",
        "`p80 service status` lists them")
    end
  else
    ours.each(function(...) rows[#rows + 1] = service_row(...) end, function(...) rows[#rows + 1] = task_row(...) end)
  end
  core.result.report(rows)
  if #rows == 0 then return "There is no service or task of p80.\n" end
  if args.name then return describe(rows[1]) end
  return host.lib "show".table(rows,
    {"name", "as", "state", "script", "last_run", "outcome", "next_run"}, {width = host.width}) .. "\n"
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
  local front, rest = ours.split {...}
  local args, help = core.words.parse(ours.parser(), front)
  if not args then return help end
  for name, action in pairs(ACTIONS) do
    if args[name] then
      local text, exit = action(args, rest)
      return core.options.json and "" or text, exit
    end
  end
end
