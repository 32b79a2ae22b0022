-- Takes an address out of those on which HTTP.SYS listens: `netsh http delete iplisten ipaddress=10.0.0.1`.
-- The list holds for every port. An empty one means all addresses, so that taking out the last makes HTTP.SYS listen
-- on more, not less; and "0.0.0.0" is normally not in it at all.
--   p80 examples\delete-listen-address.lua --address 10.0.0.1 [--check]
local p80 = require "p80"

local args = p80.playbook {
  name = "delete-listen-address", version = "1.0.0", summary = "Take an address out of HTTP.SYS's listen list.",
  args = {address = {type = "address", required = true, help = "the address"}},
  grants = {"http.iplisten"},
}

local changed = win.http.iplisten.delete(args.address)
local left = win.http.iplisten.list()
print(changed and args.address .. " is out" or args.address .. " was not in the list")
print("HTTP.SYS listens on " .. (#left > 0 and table.concat(left, ", ") or "every address"))
if changed then
  print "Some versions of Windows read the list only when HTTP starts: win.scm.restart('HTTP', {dependents = true})"
end
p80.report {changed = changed, left = left}
