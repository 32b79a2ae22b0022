-- Reservations, listen list and registered URLs of HTTP.SYS: `netsh http show urlacl`, `show iplisten` and `show
-- servicestate`, also on Windows Server 2003 and without starting a stopped HTTP service.
--   p80 examples\http-state.lua
local p80 = require "p80"
local show = require "show"

p80.playbook {name = "http-state", version = "1.0.0", summary = "Show what HTTP.SYS is told and what it serves."}

local state, reservations = win.http.state(), win.http.urlacl.list()
local addresses = win.http.iplisten.list()
local urls = {}
for _, queue in ipairs(state.queues) do
  for _, process in ipairs(queue.processes) do
    urls[#urls + 1] = {
      url = table.concat(queue.urls, " "), queue = queue.name or "", pid = process.pid, process = process.name,
      services = table.concat(process.services, " "),
    }
  end
end

print(("The HTTP service is %s."):format(state.service or "not installed"))
print(("It listens on %s."):format(#addresses > 0 and table.concat(addresses, ", ") or "every address"))
print("\nRequest queues, and who serves them" .. (state.source == "holders" and " (URLs are not known here)" or ""))
print(#urls > 0 and show.table(urls, {"url", "queue", "pid", "process", "services"}) or "none")
print "\nReservations: who may register which URL. They hold no port."
print(#reservations > 0 and show.table(reservations, {"url", "sddl"}) or "none")
p80.report {state = state, reservations = reservations, addresses = addresses}
