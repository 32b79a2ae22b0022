-- win.scm, the half in Lua: what goes wrong while one waits for a service, in words.
local scm, win, x = ...

local ERROR_SERVICE_NOT_ACTIVE = 1062
local ERROR_SERVICE_SPECIFIC_ERROR = 1066
local ERROR_PROCESS_ABORTED = 1067
local ERROR_SERVICE_NEVER_STARTED = 1077
local ERROR_TIMEOUT = 1460

-- "pid 1234 (x.exe)", "pid 1234, which has ended" or "no process".
local function process_text(pid)
  if not pid then return "no process" end
  local ok, row = pcall(win.process.get, pid)
  local about = not ok and "" or row and (" (%s)"):format(row.name) or ", which has ended"
  return ("pid %d%s"):format(pid, about)
end

-- What a service that did not get there in time is doing.
local function stuck_text(status, quiet)
  local text = ("still %s: %s, checkpoint %d"):format(status.state, process_text(status.pid), status.checkpoint)
  return quiet < 1 and text or ("%s, no progress for %.0f s"):format(text, quiet)
end

-- The error and hint for a service that cannot come to that state any more. Where a service's process ended by
-- itself, Windows keeps 1067 as its exit code, Wine "never started" or nothing.
local function stopped_error(status, process_code)
  local code, own = status.exit_code, status.service_exit_code
  if status.state ~= "stopped" or code == ERROR_SERVICE_NEVER_STARTED then
    local ended = process_code and (" with exit code %d (0x%X)"):format(process_code, process_code) or ""
    local when = status.state ~= "stopped" and (" while the service was %s"):format(status.state) or ""
    return ERROR_PROCESS_ABORTED, ("its process ended%s%s"):format(ended, when)
  elseif code == ERROR_SERVICE_SPECIFIC_ERROR then
    return code, ("it stopped with its own error %d (0x%X)"):format(own, own)
  end
  return code ~= 0 and code or ERROR_SERVICE_NOT_ACTIVE, ("it stopped instead, with exit code %d"):format(code)
end

local wait = scm.wait

--- win.scm.wait(name, "running"|"stopped"|"paused" [, {timeout=30, requested=false}]) -> true once the service is in
-- that state. Raises ERROR_TIMEOUT, naming the process, when it is not within `timeout` seconds; and the service's
-- own exit code at once when it stopped instead: after it was seen to start, or at all when `requested` says that the
-- state has just been asked for.
function scm.wait(...)
  local there, outcome, status, quiet, process_code = wait(...)
  if there then return true end
  local name = ...
  if outcome == "timeout" then x.fail("scm.wait", name, ERROR_TIMEOUT, nil, stuck_text(status, quiet)) end
  local code, hint = stopped_error(status, process_code)
  x.fail("scm.wait", name, code, nil, hint)
end
