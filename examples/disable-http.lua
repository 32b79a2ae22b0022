-- Disables HTTP.SYS for good: `sc config http start= disabled`, or Start=4 in the registry.
-- By SCM it holds at once: nothing can start HTTP any more. By registry the SCM does not look before Windows starts
-- again. Neither stops what runs now (free80 --up-to stop does), and all that needs HTTP (IIS, WinRM, printing, ...)
-- will fail with error 1068. Mostly one service is to blame, and free80 finds it.
--   p80 examples\disable-http.lua [--by scm|registry] [--check]
local p80 = require "p80"

local args = p80.playbook {
  name = "disable-http", version = "1.0.0", summary = "Keep HTTP.SYS from starting.",
  args = {by = {type = "enum", values = {"scm", "registry"}, default = "scm", help = "the way"}},
  grants = {"scm.config:HTTP", [[reg.value:HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Start]]},
}

local http = win.scm.get "HTTP"
print("These need HTTP: " .. (#http.dependents > 0 and table.concat(http.dependents, ", ") or "none that says so"))
if args.by == "scm" then
  win.scm.config("HTTP", {start = "disabled"})
elseif win.reg.set([[HKLM\SYSTEM\CurrentControlSet\Services\HTTP]], "Start", 4, {type = "dword"}) then
  p80.restart_needed() -- until then the SCM goes by what it read when Windows started
end
if http.state == "running" then print "HTTP runs until Windows restarts or free80 --up-to stop stops it" end
