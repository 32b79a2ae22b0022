-- Watches a port and says who takes it and who lets it go, with the time: for the program that grabs port 80 at
-- night. Ctrl-C ends it; with --json what was seen is the result.
--   p80 examples\monitor-port.lua [--port 80] [--seconds 3600]
local p80 = require "p80"
local ports = require "ports"

local args = p80.playbook {
  name = "monitor-port", version = "1.0.0", summary = "Say who takes a port and who lets it go.",
  args = {
    port = {type = "port", default = 80, help = "the port"},
    seconds = {type = "seconds", help = "end after so long; default: at Ctrl-C"},
  },
}

local seen = {}
for change in win.tcp.watch {port = args.port, timeout = args.seconds} do
  local row = change.listener
  -- Behind the kernel it is HTTP.SYS, mostly, and only `ports` knows for whom.
  local holders = change.event == "appeared" and row.kernel and ports.who(args.port).holders or {}
  local who = #holders > 0 and ports.describe(holders[1])
    or ("%s (pid %d)"):format(row.path or row.process or "the kernel", row.pid)
  seen[#seen + 1] = {time = os.date "%Y-%m-%d %H:%M:%S", event = change.event, who = who}
  print(("%s  %s %s"):format(seen[#seen].time, change.event == "appeared" and "taken by" or "let go by", who))
  io.stdout:flush()
end
p80.report(seen)
