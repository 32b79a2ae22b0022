-- What every playbook starts with; described in scripts/api/p80.lua. sleep, clock and the fields come from C.
local call, p80 = ... -- call(name, ...) crosses to the core

-- The field of a manifest that is no plain data, and what it is.
local function find_other(value, field, depth)
  local kind = type(value)
  if kind == "function" or kind == "thread" or kind == "userdata" then return field, kind end
  for key, item in next, kind == "table" and depth < 9 and value or {} do
    local found, other = find_other(item, field and ("%s.%s"):format(field, key) or tostring(key), depth + 1)
    if other then return found, other end
  end
end

function p80.playbook(manifest)
  if manifest == p80 then
    call("p80.playbook", nil, "playbook", "p80 itself", "write p80.playbook {...}, with a dot")
  end
  local field, other = find_other(manifest, nil, 0)
  if other then call("p80.playbook", nil, field or "playbook", "a " .. other) end
  p80.args = call("p80.playbook", manifest)
  return p80.args
end

function p80.report(value) call("p80.report", value) end
function p80.restart_needed() call("p80.restart_needed") end
function p80.log(level, text) call("p80.log", level, text) end
function p80.log_file(path) call("p80.log_file", path) end
function p80.run() return call("p80.run") end

return p80
