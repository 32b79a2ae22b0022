-- The processes of a modelled machine. What a process holds (endpoints, URLs) is there as long as it is.
local model, host = ...
local machine, copy, fold = model.machine, model.copy, host.x.fold
local process = {}

local ACCESS_DENIED <const>, NOT_FOUND <const> = 5, 1168

local function own()
  return {
    pid = host.pid, name = "p80.exe", path = host.program, parent = 0, session = 0, threads = 1, created = 0.0,
    listens = {}, urls = {},
  }
end

--- All of them, p80 itself too.
function process.all()
  local all = table.move(machine.processes, 1, #machine.processes, 1, {})
  all[#all + 1] = own()
  return all
end

function process.find(pid)
  for i, row in ipairs(machine.processes) do
    if row.pid == pid then return row, i end
  end
  if pid == host.pid then return own() end
end

-- ---- Rows ----

local function line_of(row) return row.command_line or row.path end

local function row_of(row, options)
  local shown = {
    pid = row.pid, parent = row.parent, name = row.name, threads = row.threads, session = row.session,
    path = row.path,
  }
  if row.pid ~= 0 then
    shown.created = model.filetime(row.created)
    shown.started = model.filetime_text(shown.created)
  end
  if options.command_line then shown.command_line = line_of(row) end
  if options.user then shown.user = row.user end
  return shown
end

local KNOWN <const> = {"command_line", "user", "usage", "session_name", "services", "modules", "window"}

local function check_options(options)
  options = model.check().options(options, KNOWN)
  for _, key in ipairs(KNOWN) do model.check().opt_boolean(key, options[key]) end
  if options.modules then model.unmodelled "the modules of processes" end
  return options
end

local function check_pid(pid) return model.check().integer("pid", pid, 0, 0xFFFFFFFF) end

process["process.list"] = function(options)
  options = check_options(options)
  local rows = {}
  for i, row in ipairs(process.all()) do rows[i] = row_of(row, options) end
  return rows
end

process["process.get"] = function(pid, options)
  check_pid(pid)
  options = check_options(options)
  local row = process.find(pid)
  return row and row_of(row, options)
end

process["process.image"] = function(pid)
  local row = process.find(check_pid(pid))
  return row and row.path
end

process["process.command_line"] = function(pid)
  local row = process.find(check_pid(pid))
  return row and (line_of(row) or "")
end

process["process.services"] = check_pid

process["process.environment"] = function()
  return {SystemRoot = [[C:\Windows]], SystemDrive = "C:", ComSpec = [[C:\Windows\System32\cmd.exe]]}
end

process["process.sessions"] = function(ids)
  local names = {}
  for _, id in ipairs(ids) do names[id] = id == 0 and "Services" or "Console" end
  return names
end

process["process.file_name"] = function(object) return object end

-- Only the handles of HTTP.SYS, which tell who uses it.
process["process.handles"] = function(options)
  local check = model.check()
  if type(options) ~= "table" then check.bad("options", options, "a table of options") end
  options = check.options(options, {"name", "pid", "type"})
  check.opt_text("name", options.name)
  check.opt_integer("pid", options.pid, 0, 0xFFFFFFFF)
  check.opt_text("type", options.type)
  if not options.name or not options.name:lower():find [[^\device\http\]] then
    model.unmodelled("the handles of processes, but for those of HTTP.SYS")
  end
  local rows = {}
  for _, queue in ipairs(model.part "net".queues()) do
    for _, pid in ipairs(queue.controller and {queue.controller} or queue.pids) do
      local name <const> = [[\Device\Http\ReqQueue]]
      local is_wanted = not options.pid or options.pid == pid
      if is_wanted then rows[#rows + 1] = {pid = pid, handle = 4, object = name, type = "File"} end
    end
  end
  return rows, 0
end

-- ---- Beginning ----

local function image_of(path) return path:match '^"([^"]*)"' or path:match "^(.-%.[eE][xX][eE])" or path end

local function add(row)
  row.pid, machine.next_pid = machine.next_pid, machine.next_pid + 4
  row.created, row.session, row.threads = machine.clock, row.session or 0, 1
  row.listens, row.urls = row.listens or {}, row.urls or {}
  row.name = row.name or row.path:match "[^\\]*$"
  table.insert(machine.processes, row)
  return row.pid
end

--- The pid in which a service begins to run: its own, or that of those with which it shares a process.
function process.of_service(name, service)
  if service.type == "share_process" then
    for _, other in pairs(machine.services) do
      if other ~= service and other.pid and other.path:lower() == service.path:lower() then return other.pid end
    end
  end
  local pid = add {path = image_of(service.path), parent = machine.manager}
  for _, child in ipairs(service.children) do
    child = copy(child)
    child.parent, child.with = pid, pid
    add(child)
  end
  return pid
end

-- ---- Ending ----

local function remove(pid)
  local _, place = process.find(pid)
  if place then table.remove(machine.processes, place) end
  for i = #machine.connections, 1, -1 do
    if machine.connections[i].pid == pid then table.remove(machine.connections, i) end
  end
  for i = #machine.processes, 1, -1 do
    local child = machine.processes[i]
    if child and child.with == pid then remove(child.pid) end
  end
end

local function serves(pid)
  for _, service in pairs(machine.services) do
    if service.pid == pid then return true end
  end
end

--- What is due: a process ends.
function process.happen(event)
  if event.pid and not serves(event.pid) then remove(event.pid) end
  model.part "scm".release_http()
end

--- A service has stopped: its process ends, if no other service runs in it.
function process.left_by_service(pid, lingers)
  if serves(pid) then return end
  if lingers > 0 then model.later(lingers, {part = "process", pid = pid}) else remove(pid) end
end

process["process.stop"] = function(pid, options)
  check_pid(pid)
  options = model.check().options(options, {"timeout", "created"})
  local row = process.find(pid)
  local label = row and ("%d (%s)"):format(pid, row.name) or tostring(pid)
  if pid == 0 or pid == 4 then model.fail(label, ACCESS_DENIED, nil, "this is Windows itself") end
  if pid == host.pid then model.fail(label, ACCESS_DENIED, nil, "this is p80 itself") end
  if not row then model.fail(label, NOT_FOUND, "There is no such process.") end
  if options.created and options.created ~= model.filetime(row.created) then
    model.fail(label, NOT_FOUND, "The process has ended; another has its id now.")
  end
  if row.critical then model.fail(label, ACCESS_DENIED, nil, "Windows itself would stop when this process ends") end
  remove(pid)
  model.part "scm".crashed(pid)
  model.part "scm".release_http()
end

-- ---- Programs ----

-- A program by its path, or its name in System32.
local function program(path)
  for known, does in pairs(machine.programs) do
    local folded, wanted = fold(known), fold(path)
    if folded == wanted or folded == wanted:match [[^c:\windows\system32\([^\]+)$]] then return does, known end
  end
end

-- What every Windows has in System32, whether it is modelled or not.
local USUAL <const> = {}
for name in ([[ntdll.dll cmd.exe net.exe netsh.exe sc.exe reg.exe tasklist.exe taskkill.exe icacls.exe attrib.exe
  xcopy.exe find.exe findstr.exe ipconfig.exe netstat.exe ping.exe route.exe hostname.exe cscript.exe wscript.exe
  regsvr32.exe rundll32.exe schtasks.exe shutdown.exe gpupdate.exe w32tm.exe]]):gmatch "%S+" do
  USUAL[name] = true
end

process["process.find"] = function(name, folder)
  local path = folder and folder .. "\\" .. name or name
  if not path:find "[\\/:]" then path = [[C:\Windows\System32\]] .. path end
  local usual = USUAL[fold(path):match [[^c:\windows\system32\([^\]+)$]]]
  return (usual or program(path) or model.part "host".file_text(path)) and path or nil
end

process["process.run"] = function(spec)
  local does = program(spec.path)
  if not does then model.unmodelled(("what '%s' does"):format(spec.path), "name it in the machine's programs") end
  spec.started = true
  if does.takes then model.pass(does.takes) end
  return "ended", does.code or 0, does.stdout or "", does.stderr or ""
end

return process
