-- What people want to know of a modelled machine before and after a run.
local model = ...
local machine, copy = model.machine, model.copy
local view = {}

local SERVICE <const> = {
  "state", "start", "type", "path", "account", "delayed", "display_name", "description", "dependencies", "failure",
}

local function pick(record, keys)
  local picked = {}
  for _, key in ipairs(keys) do picked[key] = record[key] end
  return picked
end

local function owner_of(row)
  local process = model.part "process".find(row.pid)
  return row.urls and "HTTP.SYS for " .. table.concat(row.urls, " ") or process and process.name or tostring(row.pid)
end

--- Everything by what it is called: {["service W3SVC"] = {state="running", ...}, ...}.
function view.take()
  local all = {}
  for name, service in pairs(machine.services) do all["service " .. name] = copy(pick(service, SERVICE)) end
  for _, process in ipairs(machine.processes) do all[("process %d (%s)"):format(process.pid, process.name)] = {} end
  for _, row in ipairs(model.part "net".listeners()) do
    local address = row.family == "ipv6" and "[" .. row.address .. "]" or row.address
    all[("%s %s:%d"):format(row.protocol, address, row.port)] = {held_by = owner_of(row)}
  end
  for _, address in ipairs(machine.http.iplisten) do all["listen address " .. address] = {} end
  for url, sddl in pairs(machine.http.urlacl) do all["reservation " .. url] = {sddl = sddl} end
  for binding, record in pairs(machine.http.sslcert) do all["certificate " .. binding] = copy(record) end
  for _, subject in ipairs {"timeout", "cache", "setting"} do
    for name, value in pairs(machine.http[subject]) do all[("http.%s %s"):format(subject, name)] = {value = value} end
  end
  for name, site in pairs(machine.sites) do
    all["site " .. name] = {state = site.state, bindings = copy(site.bindings)}
  end
  for path, task in pairs(machine.tasks) do all["task " .. path] = copy(task) end
  for i, event in ipairs(machine.events) do
    all[("event %d of %s"):format(i, event.source)] = {
      id = event.id, level = event.level, strings = copy(event.strings),
    }
  end
  for path, text in pairs(machine.files) do all["file " .. path] = {bytes = #text, text = text} end
  for key, values in pairs(machine.registry) do
    all["key " .. key] = {}
    for name, row in pairs(values) do
      all[("value %s\\%s"):format(key, name == "" and "(Default)" or name)] = {
        type = row.type, value = copy(row.value),
      }
    end
  end
  return all
end

--- What is different now: an array of lines.
function view.compare(before)
  local after, names, lines = view.take(), {}, {}
  for name in pairs(before) do names[name] = true end
  for name in pairs(after) do names[name] = true end
  for name in pairs(names) do
    if not model.core.data.equal(before[name], after[name]) then
      lines[#lines + 1] = ("%s: %s"):format(name, model.core.result.difference(before[name], after[name]))
    end
  end
  table.sort(lines)
  return lines
end

return view
