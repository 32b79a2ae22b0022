-- Removes IIS, all of it or one part: `dism /online /disable-feature`, pkgmgr on Windows Vista, sysocmgr on Windows
-- Server 2003. Nothing takes it back, so that without --yes it only says which command it would run. Milder are
-- move-iis.lua and stopping the service.
--   p80 examples\uninstall-iis.lua [--part IIS-FTPServer] --yes
local p80 = require "p80"

local args = p80.playbook {
  name = "uninstall-iis", version = "1.0.0", summary = "Remove IIS, or a part of it.",
  args = {
    part = {type = "text", default = "IIS", help = "what to remove; IIS is all of it"},
    yes = {type = "flag", help = "do it"},
  },
  grants = {"process.run", "file.write"}, -- a file of answers, on Windows Server 2003
}

for _, row in ipairs(win.feature.list()) do print("installed: " .. (row.name or row.component)) end
local plan = win.feature.plan_remove(args.part)
if not plan then
  print(args.part .. " is not installed")
elseif args.yes then
  win.feature.remove(args.part)
  print("removed: " .. table.concat(plan.features, ", "))
else
  print("--yes runs: " .. plan.command)
end
p80.report {plan = plan}
