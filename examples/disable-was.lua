-- Stops and disables WAS, the Windows Process Activation Service: IIS 7 and newer serves nothing without it, and what
-- else it activates (WCF services over net.tcp, net.pipe) goes down, too. Milder is move-iis.lua.
--   p80 examples\disable-was.lua [--check]
local p80 = require "p80"

p80.playbook {
  name = "disable-was", version = "1.0.0", summary = "Stop and disable WAS, and with it IIS.",
  grants = {"scm.state", "scm.config:WAS"},
}

local was = win.scm.get "WAS"
if not was then
  print "there is no WAS here: IIS 7 and newer brings it"
  return
end
print("These need it: " .. (#was.dependents > 0 and table.concat(was.dependents, ", ") or "none"))
win.scm.stop("WAS", {dependents = true})
win.scm.config("WAS", {start = "disabled"})
