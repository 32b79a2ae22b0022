-- The drivers that are not Microsoft's, with what they do on the network: antivirus, VPN, packet filters, old Skype
-- helpers. When PID 4 has a port and it is not HTTP.SYS's, one of them has it.
--   p80 examples\third-party-drivers.lua [--all]
local p80 = require "p80"
local show = require "show"

local args = p80.playbook {
  name = "third-party-drivers", version = "1.0.0", summary = "Find the drivers that are not Microsoft's.",
  args = {all = {type = "flag", help = "also those that are not loaded"}},
}

local rows = win.driver.third_party {loaded = not args.all}
for _, row in ipairs(rows) do
  row.network = table.concat(row.roles or {}, " ")
  row.who = row.company or row.signer
end
local columns = {"name", "service", "who", "version", "network", "reason"}
print(#rows > 0 and show.table(rows, columns, {width = 160}) or "none")
p80.report(rows)
