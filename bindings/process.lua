-- win.process, the half in Lua.
local process, win = ...

local check_pid = process.services

--- win.process.services(pid) -> the names of the services that run in the process, sorted; empty when there are none.
function process.services(...)
  local pid, names = check_pid(...), {}
  for _, service in ipairs(win.scm.list {state = "active"}) do
    if service.pid == pid then names[#names + 1] = service.name end
  end
  table.sort(names)
  return names
end
