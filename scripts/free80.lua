-- Frees a TCP port: finds who holds it, climbs from the mildest remedy that can work to the harshest that was asked
-- for, and proves by binding the port itself that it is free.
local p80 = require "p80"
local ports = require "ports"

local REMEDIES = {"move", "service", "iplisten", "stop", "disable"}

local args = p80.playbook {
  name = "free80",
  version = "1.0.0",
  summary = "Free a TCP port that HTTP.SYS, a service or a process holds, and prove it.",
  author = "the p80 authors",
  license = "MIT",
  args = {
    port = {type = "port", default = 80, help = "the port to free"},
    up_to = {
      type = "enum", values = REMEDIES, default = "service",
      help = "the harshest remedy allowed: move the bindings of IIS to a free port; stop the one service; restrict "
        .. "HTTP.SYS to the loopback address (every port of it!); stop HTTP with its dependents; disable HTTP",
    },
    move_to = {type = "port", help = "first move the http bindings of IIS on the port to this one"},
    service = {type = "service", help = "the service that holds the port, when p80 cannot tell"},
    persist = {type = "flag", help = "also keep the service from starting when Windows starts"},
    kill = {type = "flag", help = "end a process that is no service"},
    timeout = {type = "seconds", default = 30, help = "how long each wait may take"},
  },
  grants = {"iis.binding", "scm.state", "scm.config", "http.iplisten", "process.state"},
  reports = "who held the port, what was done, and whether it is free now",
}

local steps = {} -- what was done: {what=, took_down={...}, freed=, problem=}
local advice = {} -- what the admin could do next
local restart = false -- whether only a restart of Windows frees the port
local shared = false -- whether HTTP.SYS keeps the loopback address
local rehearsing = false -- whether it is only asked which steps there would be
local several = false -- whether the port has several holders
local others = 0 -- how many more may hold the port and will be tried next
local suspects = {} -- services that were stopped, and the port was still held: {name=, dependents=, certain=}

local function allowed(remedy)
  for _, name in ipairs(REMEDIES) do
    if name == remedy then return true end
    if name == args.up_to then return false end
  end
end

local function advise(text) advice[#advice + 1] = text end

-- What does not end the climb: running out of time, and a service or dependent that does not let itself be stopped
-- (or was started again meanwhile), which harsher remedies do not need.
local PASSABLE = {[1051] = true, [1052] = true, [1053] = true, [1061] = true, [1460] = true}

-- Adds a step and carries it out. One that fails in such a way is judged by the port, not by its own word.
-- What it took down `act` may say better than is known before.
local function step(what, took_down, act)
  local row = {what = what, took_down = took_down}
  steps[#steps + 1] = row
  if rehearsing then return row end
  local ok, problem = pcall(act, row)
  if not ok then
    row.problem = tostring(problem)
    if not PASSABLE[problem.code] then error(problem, 0) end
    row.error = problem
  end
  return row
end

-- Whether the port is free after a step; not waited for long while others may hold it, too, but for the end of the
-- process `pid`: what it held goes with it at the latest. In --check a step that could be planned counts as one that
-- works.
local function freed(row, pid)
  if p80.check or rehearsing then return not row.error end
  local deadline = p80.clock() + args.timeout
  local function is_held() return win.process.get(pid) and not win.tcp.probe(args.port).free end
  while pid and others > 0 and p80.clock() < deadline and is_held() do
    p80.sleep(0.1)
  end
  row.freed = ports.wait_until_free(args.port, others > 0 and math.min(args.timeout, 1) or args.timeout).free
  return row.freed
end

-- Those that would go down with the service.
local function active_dependents(name)
  local running = {}
  for _, dependent in ipairs((win.scm.get(name) or {}).dependents or {}) do
    local other = win.scm.get(dependent)
    if other and other.state ~= "stopped" then running[#running + 1] = dependent end
  end
  return running
end

local function names_of(services) return services[1] and table.concat(services, ", ") or "no other service" end

-- Says when a service that no longer starts by itself would be started for others that do.
local function advise_about_starters(name, dependents)
  local starters = {}
  for _, dependent in ipairs(dependents or {}) do
    local other = win.scm.get(dependent)
    if other and other.start == "auto" then starters[#starters + 1] = dependent end
  end
  if #starters == 0 then return end
  advise(("Windows starts %s together with what needs it: %s starts by itself"):format(name,
    table.concat(starters, ", ")))
end

-- Windows starts some services when something happens, whatever their start type is.
local function triggers_of(name)
  local words = {}
  for _, trigger in ipairs((win.scm.details(name) or {}).triggers or {}) do
    if trigger.action == "start" then words[#words + 1] = tostring(trigger.type) end
  end
  return words
end

-- A service that starts with Windows does so no longer.
local function keep_stopped(name)
  local record = win.scm.get(name) or {}
  if record.start == "auto" then
    step(("keep service %s from starting with Windows"):format(name), {}, function()
      win.scm.config(name, {start = "demand"})
    end)
  end
  advise_about_starters(name, record.dependents)
  local triggers = triggers_of(name)
  if #triggers == 0 then return end
  advise(("Windows also starts %s on triggers (%s): only start type disabled keeps it from that"):format(name,
    table.concat(triggers, ", ")))
end

-- ---- move: what IIS is bound to ----

-- The bindings of IIS on a port; none where IIS cannot be asked and nobody wants them moved.
local function iis_bindings(port)
  local ok, found = pcall(ports.iis_bindings, port)
  if not ok and (args.move_to or args.up_to == "move") then error(found, 0) end
  return ok and found or {}
end

-- A port for the bindings that is free: 8080 for 80, 8443 for 443, or one above.
local function free_port()
  local first = args.port < 49152 and args.port + 8000 or 49152
  for port = first, math.min(first + 100, 65535) do
    if port ~= args.port and win.tcp.probe(port).free then return port end
  end
end

-- Raises unless IIS can listen on the port that was asked for, alone or beside others that use HTTP.SYS.
local function check_target(port)
  if port == args.port then error(("--move-to %d: this is the port to free"):format(port), 0) end
  if win.tcp.probe(port).free then return end
  local rows = win.tcp.listeners(port)
  for _, row in ipairs(rows) do
    if not row.kernel then rows = {} end
  end
  if #rows == 0 then error(("--move-to %d: this port is not free"):format(port), 0) end
end

-- Says where a move is asked for that there is nothing to move.
local function advise_about_move()
  if not args.move_to and args.up_to ~= "move" then return end
  advise(("no running site of IIS is bound to port %d: there is nothing to move"):format(args.port))
end

-- Moves the http bindings of IIS on the port, where that is asked for; returns whether the port is free then.
local function move_bindings()
  local bindings, row = iis_bindings(args.port), nil
  if #bindings == 0 then
    advise_about_move()
    return false
  end
  local to = args.move_to or free_port()
  if not to then return false end
  if not args.move_to and args.up_to ~= "move" then
    advise(("--move-to %d moves the bindings of IIS there, and stops nothing"):format(to))
    return false
  end
  if args.move_to then check_target(to) end
  for _, one in ipairs(bindings) do
    if one.protocol == "http" then
      row = step(("move %s of site '%s' to port %d"):format(one.binding, one.site, to), {}, function()
        win.iis.move(one.site, one.binding, to, {protocol = "http"})
      end)
    else
      advise(("%s of site '%s' is %s and was not moved: a certificate belongs to its port"):format(
        one.binding, one.site, one.protocol))
    end
  end
  if not row then return false end
  local free = freed(row)
  if p80.check and allowed "service" then
    advise "if that does not free the port, the service that holds it is stopped"
  end
  if free and not p80.check and #win.tcp.listeners(to) == 0 then
    advise(("nobody listens on port %d yet: look at the sites in IIS"):format(to))
  end
  return free
end

-- Says how the owners of the port, where they are known, can be told to use another.
local function advise_about_products(holder)
  for _, product in ipairs(ports.products(holder)) do advise(("%s: %s"):format(product.name, product.remedy)) end
end

-- ---- The services ----

local function may_stop_services()
  if not allowed "service" then advise "--up-to service (the default) stops the service that holds the port" end
  return allowed "service"
end

-- Stops one service with its dependents; with --persist it does not start again by itself. `pid` is its process, when
-- that is its alone. With a `doubt` it is started again in the end should it not have held the port; one of several
-- holders is when the others keep the port.
local function stop_service(name, pid, doubt)
  local what = ("stop service %s%s"):format(name, doubt and (" (%s)"):format(doubt) or "")
  local row = step(what, p80.check and {} or active_dependents(name), function(row)
    row.changed, row.took_down = win.scm.stop(name, {dependents = true, timeout = args.timeout})
  end)
  if row.changed == false then -- it was stopped already
    table.remove(steps)
    return false
  end
  local free = freed(row, not row.error and pid)
  local in_vain = not free and (doubt or several and not row.error)
  if in_vain and not p80.check then
    suspects[#suspects + 1] = {name = name, dependents = row.took_down, certain = not doubt}
  end
  if args.persist and not in_vain then keep_stopped(name) end
  return free
end

-- Ends the process that was found holding the port, not one that has got its pid since.
local function kill_process(process)
  local name = process.name
  local row = step(("end process %s (pid %d)"):format(name or "?", process.pid), {}, function()
    win.process.stop(process.pid, {timeout = args.timeout, created = process.created})
  end)
  if args.persist then
    advise(("process %s is no service: whatever starts it can start it again"):format(name or process.pid))
  end
  return freed(row)
end

-- The service of a process that --service names.
local function named_service(process)
  for _, name in ipairs(args.service and process.services or {}) do
    if name:lower() == args.service:lower() then return name end
  end
end

-- The service of a process that holds the port: the one that --service names, and then no other; its only one, the
-- one that netsh names, for HTTP.SYS the only one that needs HTTP; or nil with advice. And why that is to be doubted.
local function service_of(process, is_http)
  if named_service(process) then return named_service(process) end
  if not args.service then
    local name, doubt = ports.service_of(process, is_http)
    if name then return name, doubt end
  end
  local services = process.services or {}
  if #services > 0 then
    local wrong = args.service and (" (%s is none of them)"):format(args.service) or ""
    advise(("pid %d hosts %s: say which holds the port with --service NAME%s"):format(process.pid,
      table.concat(services, ", "), wrong))
  end
end

-- How to go on when a service that has its process to itself did not stop.
local function advise_about_stuck(service, process)
  local last = steps[#steps]
  if not (service and last and last.error and #process.services == 1) then return end
  advise(('service %s does not stop: `p80 --allow process.state -e "win.process.stop(%d)"` ends its process'):format(
    service, process.pid))
end

-- Frees the port from one process, which may hold it for all that is known; returns whether the port is free then.
local function release_process(process, doubt, is_http)
  local services = process.services or {}
  local service, service_doubt = service_of(process, is_http)
  if service and stop_service(service, #services == 1 and process.pid, doubt or service_doubt) then return true end
  if #services > 0 and not process.parent then
    advise_about_stuck(service, process)
    return false
  end
  if args.kill and win.process.get(process.pid) then
    local free = kill_process(process)
    if free and service then table.remove(suspects) end -- it would start the process again
    return free
  end
  if not service and #services == 0 or service and process.parent then
    advise(("%s (pid %d) is no service: --kill ends it"):format(process.path or process.name, process.pid))
  end
  return false
end

-- Frees the port from one process after the other until it is free, in --check from all; `more` others come next.
local function release_each(processes, doubt, more)
  local free = false
  for i, process in ipairs(processes) do
    others = more + #processes - i
    free = release_process(process, doubt, true) or free
    if free and not p80.check then break end
  end
  return free
end

-- Frees the port from the processes behind HTTP.SYS. Services come first: a worker process of IIS goes with its
-- service. When nothing tells which of several it is, they are tried in turn; --service tells.
local function release_all(holder)
  local services, programs = {}, {}
  local named = {}
  for _, process in ipairs(holder.processes) do
    if named_service(process) then named[#named + 1] = process end
  end
  for _, process in ipairs(#named > 0 and named or holder.processes) do
    local list = #(process.services or {}) > 0 and services or programs
    list[#list + 1] = process
  end
  local doubt, before = not holder.certain and "it may be the one" or nil, others
  local free = release_each(services, doubt, before + (args.kill and #programs or 0))
    or release_each(programs, doubt, before)
  others = before
  return free
end

local function count_listeners() return #win.tcp.list {port = args.port, state = "listen"} end

-- Whether somebody takes the port within a moment, beside `listeners` that are there: a service may do so only after
-- it has been seen to run. Nothing is bound here, which could keep it from the port.
local function is_taken_again(listeners)
  local deadline = p80.clock() + math.min(args.timeout, 3)
  while p80.clock() < deadline do
    if count_listeners() > listeners then return true end
    p80.sleep(0.2)
  end
  return false
end

-- Starts again what was stopped for nothing, when the port is `free` now or not. What takes it then held it, too.
local function start_suspect(suspect, free)
  if free and suspect.certain then -- it was not the only one
    if args.persist then keep_stopped(suspect.name) end
    return
  end
  local listeners = free and count_listeners()
  local row = step(("start service %s again"):format(suspect.name), {}, function()
    win.scm.start(suspect.name, {timeout = args.timeout})
    for i = #suspect.dependents, 1, -1 do win.scm.start(suspect.dependents[i], {timeout = args.timeout}) end
  end)
  if row.error then error(row.error, 0) end
  if free and is_taken_again(listeners) then
    row.freed = false
    stop_service(suspect.name)
  end
end

-- Those that use HTTP.SYS, by service or process.
local function served_by_http()
  local names = {}
  for _, queue in ipairs(win.http.state().queues) do
    for _, process in ipairs(queue.processes) do
      local services = process.services or {}
      for _, name in ipairs(#services > 0 and services or {process.name}) do names[name] = true end
    end
  end
  local sorted = {}
  for name in pairs(names) do sorted[#sorted + 1] = name end
  table.sort(sorted)
  return sorted
end

local RESTRICT <const> = "restrict HTTP.SYS to 127.0.0.1 (all of its ports)"

-- HTTP.SYS listens on the loopback address alone; this touches every port of it, so it is done only when asked for.
local function restrict_http()
  local row = step(RESTRICT, served_by_http(), function()
    win.http.iplisten.add("127.0.0.1")
    for _, address in ipairs((win.http.iplisten.list())) do
      if address ~= "127.0.0.1" then win.http.iplisten.delete(address) end
    end
  end)
  if p80.check or rehearsing then return true end
  row.freed = ports.wait_until_shared(args.port, args.timeout).free
  shared = row.freed
  if shared then
    advise "HTTP.SYS keeps 127.0.0.1: a server that asks to be alone on the port (SO_EXCLUSIVEADDRUSE) may not get it"
  end
  if not row.freed then
    advise "HTTP.SYS may read its listen list only when HTTP or Windows restarts: --up-to stop, or restart"
  end
  return row.freed
end

local function stop_http()
  local row = step("stop HTTP with its dependents", active_dependents "HTTP", function()
    win.scm.stop("HTTP", {dependents = true, timeout = args.timeout})
  end)
  return freed(row)
end

-- For a driver that cannot stop now: after the next start of Windows it stays away.
local function disable_http(is_free)
  step("disable HTTP (Start=4)", {}, function() win.scm.config("HTTP", {start = "disabled"}) end)
  if is_free then return true end
  restart = true
  p80.restart_needed()
  advise "HTTP is disabled but cannot stop now: restart Windows, then the port is free"
  return false
end

-- In --check nobody knows whether the mild remedy will do, so what the harsher one would take down is named, too.
local function announce_harsher()
  if args.up_to ~= "iplisten" and args.up_to ~= "stop" and args.up_to ~= "disable" then return end
  local text = args.up_to == "iplisten" and RESTRICT .. ", which takes down " .. names_of(served_by_http())
    or ("%s HTTP and %s"):format(args.up_to, names_of(active_dependents "HTTP"))
  advise("if that does not free the port: " .. text)
end

-- Leaves stopped what was stopped on suspicion.
local function drop_suspects()
  for i = #suspects, 1, -1 do
    if not suspects[i].certain then table.remove(suspects, i) end
  end
end

local function release_http(holder)
  if move_bindings() then return true end
  advise_about_products(holder)
  if allowed "service" and release_all(holder) then
    if p80.check and not holder.certain then
      advise "a service that turns out not to hold the port is started again"
    end
    if p80.check then announce_harsher() end
    return true
  end
  if args.up_to == "iplisten" then return restrict_http() end
  if allowed "stop" then
    local is_free = stop_http()
    if is_free or allowed "disable" then drop_suspects() end -- they cannot do without HTTP
    if not allowed "disable" or is_free and not args.persist then return is_free end
    return disable_http(is_free)
  end
  if not may_stop_services() then return false end
  advise(("--up-to stop stops HTTP and %s"):format(names_of(active_dependents "HTTP")))
  return false
end

local RELEASE = {
  http = release_http,
  kernel = function(holder)
    if move_bindings() then return true end
    for _, process in ipairs(holder.processes) do
      if named_service(process) then return allowed "service" and release_all(holder) end
    end
    if #holder.processes > 0 then
      advise "nothing proves that it is HTTP.SYS; --service NAME stops one that uses it all the same"
    end
    if holder.pid == 0 then return false end
    advise([[p80 never touches PID 4: `p80 -e "print(require 'show'(win.driver.third_party()))"` shows the drivers ]]
      .. "that are not Microsoft's; stop the service of the one that holds it")
    return false
  end,
  service = function(holder)
    advise_about_move()
    return may_stop_services() and release_process(holder)
  end,
  process = function(holder) return release_process(holder) end,
  connections = function() return not p80.check and ports.wait_until_free(args.port, args.timeout).free end,
  reserved = function()
    advise "`netsh int ipv4 show excludedportrange tcp` lists what Windows keeps back"
    return false
  end,
  unknown = function() return false end,
}

-- Whether there is a step that may free the port from a holder. When there is none, what is advised stays.
local function can_release(holder)
  local said = #advice
  rehearsing = true
  local ok, can = pcall(RELEASE[holder.kind], holder)
  rehearsing, steps = false, {}
  if not ok then error(can, 0) end
  while can and #advice > said do table.remove(advice) end
  return can
end

-- Whether each of several holders can be made to go: one that stays keeps the port, whatever becomes of the others.
local function can_release_all(holders)
  local left = 0
  for _, holder in ipairs(holders) do
    if not can_release(holder) then left = left + 1 end
  end
  if left == 0 then return true end
  if left < #holders then
    advise "so nothing was done about who else holds the port, for that alone would not free it"
  end
  return false
end

-- Programs come last: what is ended does not come back, should another holder stay.
local function in_order(holders)
  local ordered, programs = {}, {}
  for _, holder in ipairs(holders) do
    local list = holder.kind == "process" and programs or ordered
    list[#list + 1] = holder
  end
  return table.move(programs, 1, #programs, #ordered + 1, ordered)
end

local function listens(pid)
  for _, row in ipairs(win.tcp.listeners(args.port)) do
    if row.pid == pid then return true end
  end
  return false
end

-- Frees the port from one holder after the other; returns whether it is free then.
local function release(found)
  local free, holders = true, in_order(found.holders)
  several = #holders > 1
  if several and not can_release_all(holders) then return false end
  for i, holder in ipairs(holders) do
    others = #holders - i
    local done = RELEASE[holder.kind](holder)
    if done and not p80.check then return true end
    free = free and done
    local last = steps[#steps]
    if several and holder.pid and last and last.error and listens(holder.pid) then break end
  end
  return free
end

local function describe_free(probe)
  local texts = {}
  for _, family in ipairs {"ipv4", "ipv6"} do
    local one = probe[family]
    texts[#texts + 1] = ("%s %s"):format(family:gsub("ipv", "IPv"), one.free and "free" or one.reason:gsub("_", " "))
  end
  return table.concat(texts, ", ")
end

local function step_line(i, row)
  local text = ("  %d. %s"):format(i, row.what)
  if #row.took_down > 0 then text = text .. (", which takes down %s"):format(table.concat(row.took_down, ", ")) end
  if row.freed ~= nil then text = text .. (row.freed and ": the port is free" or ": the port is still held") end
  return row.problem and text .. "\n     " .. row.problem or text
end

local function show(before, after)
  local lines = {("Port %d"):format(args.port), "before"}
  if before.free then lines[#lines + 1] = "  free" end
  for _, holder in ipairs(before.holders) do lines[#lines + 1] = "  held by " .. ports.describe(holder) end
  lines[#lines + 1] = p80.check and "steps (--check: none is carried out)" or "steps"
  if #steps == 0 then lines[#lines + 1] = "  none" end
  for i, row in ipairs(steps) do lines[#lines + 1] = step_line(i, row) end
  if not p80.check then lines[#lines + 1] = "after\n  " .. describe_free(after) end
  for _, text in ipairs(advice) do lines[#lines + 1] = "next\n  " .. text end
  local run, undoable = p80.run()
  if undoable then lines[#lines + 1] = ("take back\n  p80 undo %d"):format(run) end
  print(table.concat(lines, "\n"))
end

local function report(before, after, free)
  local rows = {}
  for i, row in ipairs(steps) do
    rows[i] = {what = row.what, took_down = row.took_down, freed = row.freed, problem = row.problem}
  end
  local run, undoable = p80.run()
  p80.report {
    port = args.port, before = before, steps = rows, after = after, free = free, advice = advice,
    take_back = undoable and ("p80 undo %d"):format(run) or nil,
  }
end

-- Says why a port on which nobody listens any more cannot be had yet.
local function advise_about_connections()
  local connections = ports.connections(args.port)
  if not connections or #win.tcp.listeners(args.port) > 0 then return end
  local text = "nobody listens on the port, but connections are left: %s. They end by themselves, mostly within "
    .. "four minutes"
  advise(text:format(
    ports.describe_connections(connections)))
end

-- Calls f unless an earlier problem was Ctrl-C; returns the first problem.
local function try(problem, f, ...)
  if type(problem) == "table" and problem.code == 995 then return problem end
  local ok, another = pcall(f, ...)
  if not ok then return problem or another end
  return problem, another
end

local before = ports.who(args.port)
local free, problem = before.free, nil
if not free then problem, free = try(nil, release, before) end
for i = #suspects, 1, -1 do problem = try(problem, start_suspect, suspects[i], free or restart) end
local after = p80.check and before.probe or win.tcp.probe(args.port, {exclusive = not shared})
if not p80.check then free = free and after.free end
if not after.free and not p80.check then advise_about_connections() end
if problem and p80.run() then
  advise(("what was done stays: run p80 again to go on%s"):format(select(2, p80.run()) and ", or take it back" or ""))
end
if not p80.json then show(before, after) end
report(before, after, not problem and free or false)
if problem then error(problem, 0) end
if free or restart then return end
for _, row in ipairs(steps) do
  if row.error then error(row.error, 0) end
end
os.exit(1)
