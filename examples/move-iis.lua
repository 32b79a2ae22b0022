-- Moves every site of IIS from one port to another: `appcmd set site ... /bindings`, adsutil.vbs on IIS 6. The
-- mildest way to free port 80: nothing stops, and no other binding changes. Sites that are stopped move, too: one
-- that stayed behind would take the port again as soon as somebody starts it. `p80 undo` moves all of them back.
--   p80 examples\move-iis.lua [--from 80] [--to 8080] [--check]
local p80 = require "p80"

local args = p80.playbook {
  name = "move-iis", version = "1.0.0", summary = "Move the sites of IIS to another port.",
  args = {
    from = {type = "port", default = 80, help = "the port to leave"},
    to = {type = "port", default = 8080, help = "the port to take"},
  },
  grants = {"iis.binding"},
}

if not win.iis.store() then
  print "there is no IIS here"
  return
end
local moved = {}
for _, binding in ipairs(win.iis.bindings()) do
  if binding.protocol == "http" and binding.port == args.from then
    win.iis.move(binding.site, binding.binding, args.to)
    moved[#moved + 1] = ("%s %s"):format(binding.site, binding.binding)
  end
end
for _, text in ipairs(moved) do print(("%s: to port %d"):format(text, args.to)) end
print(("%d bindings moved"):format(#moved))
p80.report {moved = moved}
