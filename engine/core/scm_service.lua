-- win.scm behind the gate: services that come and go.
local core = ...
local scm = core.scm
local check, code, data, gate = core.check, core.code, core.data, core.gate
local raw, change = core.win.scm, scm.change

local SERVICES <const> = [[HKLM\SYSTEM\CurrentControlSet\Services\]]

-- ---- What else is in a service's key ----

-- The values that the SCM itself writes there, and its keys.
-- https://learn.microsoft.com/windows-hardware/drivers/install/hklm-system-currentcontrolset-services-registry-tree
local SCM_VALUES <const> = {
  type = true, start = true, errorcontrol = true, tag = true, imagepath = true, displayname = true, group = true,
  dependonservice = true, dependongroup = true, objectname = true, description = true, failureactions = true,
  failurecommand = true, rebootmessage = true, failureactionsonnoncrashfailures = true, delayedautostart = true,
  requiredprivileges = true, servicesidtype = true, preshutdowntimeout = true, preferrednode = true,
  launchprotected = true, deleteflag = true, wow64 = true,
}
local SCM_KEYS <const> = {security = true, enum = true, triggerinfo = true}

-- The service's own values and keys (Parameters and the like), which go with it; nil when there are none.
local function own_registry(name)
  local tree, own = core.ask(core.win.reg.tree, SERVICES .. name), {keys = {}, values = {}}
  if not tree then return nil end
  for key, node in pairs(tree.keys) do
    if not SCM_KEYS[key:lower()] then own.keys[key] = node end
  end
  for _, value in ipairs(tree.values) do
    if not SCM_VALUES[value.name:lower()] then table.insert(own.values, value) end
  end
  return (next(own.keys) or next(own.values)) and own
end

local function restore_registry(name, own)
  local reg = core.win.reg
  for key, node in pairs(own.keys) do
    local path = ("%s%s\\%s"):format(SERVICES, name, key)
    if not reg.exists(path) then core.ask(reg.create, path, {tree = node}) end
  end
  for _, value in ipairs(own.values) do
    core.ask(reg.set, SERVICES .. name, value.name, value.value, {type = value.type, raw = value.raw})
  end
end

-- ---- Deleting ----

-- Programs that hold services open while they show them.
local VIEWERS <const> = {
  ["mmc.exe"] = "the Services console", ["taskmgr.exe"] = "Task Manager", ["procexp.exe"] = "Process Explorer",
  ["procexp64.exe"] = "Process Explorer", ["processhacker.exe"] = "Process Hacker",
  ["systeminformer.exe"] = "System Informer",
}

-- Who may still hold a service that is marked for deletion. Windows tells nobody who does.
local function holders_text(name)
  local who = {}
  local ok, status = pcall(raw.status, name)
  if ok and status and status.pid then who[1] = ("its process, pid %d, still runs"):format(status.pid) end
  local listed, processes = pcall(core.win.process.list)
  for _, process in ipairs(listed and processes or {}) do
    local viewer = VIEWERS[(process.name or ""):lower()]
    if viewer then
      who[#who + 1] = ("%s (%s, pid %d) may show it: close it"):format(viewer, process.name, process.pid)
    end
  end
  if #who == 0 then who[1] = "none of the programs that usually do runs: a monitoring agent or another script may" end
  return "it is marked for deletion and goes when the last program that has it open closes it; "
    .. table.concat(who, "; ")
end

local deleting = {} -- by name: marked for deletion by this run

local function delete(name, timeout)
  local deadline = core.x.clock() + timeout
  local status = raw.status(name)
  if status and status.state ~= "stopped" then scm.bring_to(name, "stopped", timeout) end
  local ok, problem = pcall(raw.delete, name)
  if not ok and problem.code ~= code.ERROR_SERVICE_MARKED_FOR_DELETE then core.ask(error, problem, 0) end
  deleting[name] = true
  while raw.status(name) do
    if core.x.clock() >= deadline then
      core.fail(name, code.ERROR_SERVICE_MARKED_FOR_DELETE, nil, holders_text(name))
    end
    core.x.sleep(0.1)
  end
  deleting[name] = nil
end

-- ---- Making ----

-- Sets what raw.create does not.
local function complete(name, want)
  local settings = scm.different_details(want.details or {}, scm.details_of(name))
  settings.delayed = want.config.delayed or nil
  if next(settings) then core.ask(raw.config, name, settings) end
  if want.security and raw.security(name) ~= want.security then core.ask(raw.set_security, name, want.security) end
  if want.registry then restore_registry(name, want.registry) end
end

local NO_FAILURE <const> = {reset_period = "never", command = "", reboot_message = "", actions = {}}

local function create(name, want, password)
  local settings = data.overlay(want.config, {password = password})
  settings.delayed = nil
  if settings.group == "" then settings.group = nil end
  if settings.account and scm.has_password(settings.account) then settings.password = password or "" end
  core.ask(raw.create, name, settings)
  local ok, problem = pcall(complete, name, want)
  if ok then return end
  pcall(raw.delete, name) -- all or nothing
  core.ask(error, problem, 0)
end

-- ---- The service as a thing ----

local function without_mark(state) return not (state and state.deleting) and state or nil end

core.resource {
  kind = "scm.service",
  label = function(id) return id.name end,
  get = function(id)
    local record = core.ask(raw.get, id.name)
    if not record then return nil end
    return {
      config = scm.config_of(record), details = scm.details_of(id.name), security = core.ask(raw.security, id.name),
      registry = own_registry(id.name), deleting = deleting[id.name],
    }
  end,
  set = function(id, want, have, options)
    if want == nil then
      delete(id.name, options and options.timeout or core.timeout)
    elseif have == nil then
      create(id.name, want, options and options.password)
    else
      local settings = scm.differences(want.config, have.config)
      if next(settings) then core.ask(raw.config, id.name, settings) end
      complete(id.name, want)
    end
  end,
  -- One that is marked for deletion counts as gone. A registry of its own may have grown since.
  same = function(have, want)
    have, want = without_mark(have), without_mark(want)
    if have == nil or want == nil then return have == want end
    return scm.same_config(have.config, want.config) and scm.same_details(have.details, want.details or {})
      and (want.security == nil or have.security == want.security)
  end,
  lost = function(restored)
    local account = restored and restored.config.account
    return account and scm.has_password(account) and scm.lost_password(account) or nil
  end,
}

-- ---- Writes ----

-- Raises unless a service that exists has these settings, too.
local function refuse_other(name, have, want)
  for part, same in pairs {config = scm.same_config, details = scm.same_details} do
    for key, value in pairs(want[part]) do
      if not same({[key] = have[part][key]}, {[key] = value}) then
        core.fail(name, code.ERROR_SERVICE_EXISTS, nil,
          ("it exists with another %s; win.scm.config(%q, {%s=...}) changes that"):format(key, name, key))
      end
    end
  end
end

core.write("scm.create", function(...)
  check.arguments(select("#", ...), 2, 2)
  local name, settings = ...
  scm.check_name(name)
  if name:find "[/\\]" then check.bad("name", name, "a name without / and \\") end
  local password, config, details = scm.check_settings(settings)
  if not config.path then check.bad("path", nil, "the command line of the service") end
  scm.check_start(config.type or "own_process", {start = "demand", account = "LocalSystem"}, config)
  local want = {config = config, details = details}
  local have = gate.state("scm.service", {name = name})
  if have and not have.deleting then
    refuse_other(name, have, want)
    return false
  end
  details.failure = scm.whole_failure(NO_FAILURE, details.failure)
  local changed = change("scm.service", name, want, {password = password})
  if not core.checking then scm.warn_unquoted(name) end
  return changed
end)

core.write("scm.delete", function(...)
  check.arguments(select("#", ...), 1, 2)
  local name, options = ...
  options = scm.check_options(options, {"dependents", "timeout"})
  local record = scm.record(scm.check_name(name))
  if not record then return false end
  if record.state and record.state ~= "stopped" then scm.stop(record, options) end
  local changed = change("scm.service", record.name, nil, options)
  for _, kind in ipairs {"scm.state", "scm.config", "scm.details", "scm.security", "scm.password"} do
    gate.forget(kind, {name = record.name})
  end
  return changed
end)

-- ---- What --check has planned ----

-- The names of the services that would be new, gone, or linked to others in another way by now.
local function relinked()
  local names = {}
  for _, change in ipairs(gate.changes()) do
    local before, after = change.before or {}, change.after or {}
    local is_linked = not data.equal(before.dependencies, after.dependencies) or before.group ~= after.group
    if change.kind == "scm.service" or change.kind == "scm.config" and is_linked then
      names[#names + 1] = change.label
    end
  end
  return names
end

-- What links a service to others, {name=, group=, dependencies=}; nil when it would be gone.
local function links_of(name)
  local readable, record = pcall(scm.read, name, raw.get, scm.planned_record)
  if readable and not record then return nil end
  local is_planned, config = gate.planned("scm.config", {name = name})
  if not is_planned then config = readable and record or {} end
  return {name = name, group = config.group, dependencies = config.dependencies}
end

-- The links of `names`, each once.
local function all_links(names)
  local links, seen = {}, {}
  for _, name in ipairs(names) do
    links[#links + 1] = not seen[name:lower()] and links_of(name) or nil
    seen[name:lower()] = true
  end
  return links
end

--- The services that would need the one of `record` by now, in an order in which they could be stopped.
function scm.planned_dependents(record)
  local names, new = {table.unpack(record.dependents or {})}, relinked()
  if #new == 0 then return names end
  for _, name in ipairs(new) do
    names[#names + 1] = name
    local readable, known = pcall(raw.get, name)
    table.move(readable and known and known.dependents or {}, 1, 1024, #names + 1, names)
  end
  local links, order, placed = all_links(names), {}, {[record.name:lower()] = true}
  local function place_dependents(of)
    for _, one in ipairs(links) do
      if not placed[one.name:lower()] and core.x.scm.needs(one.dependencies, of) then
        placed[one.name:lower()] = true
        place_dependents(one)
        order[#order + 1] = one.name
      end
    end
  end
  place_dependents(record)
  return order
end

core.view("scm.name_of", function(_, name, display_name)
  local function has_it(service)
    local readable, record = pcall(scm.record, service)
    return readable and record and (record.display_name or ""):lower() == display_name:lower()
  end
  for _, change in ipairs(gate.changes()) do
    if (change.kind == "scm.service" or change.kind == "scm.config") and has_it(change.label) then
      return change.label
    end
  end
  return name and has_it(name) and name or nil
end)
