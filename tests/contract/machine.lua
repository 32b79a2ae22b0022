-- The machine, accounts, files below C:\contract (a folder, in which "there.txt" says "hello"), programs (cmd.exe), processes
-- and UDP: a program has port 8084 (UDP).
local expect = require "expect"
local same, fails, agree, pick = expect.same, expect.fails, expect.agree, expect.pick

-- The types of a record's fields.
local function shape(record)
  local types = {}
  for key, value in pairs(record) do types[key] = math.type(value) or type(value) end
  return types
end

-- ---- The machine ----

local host = win.host
agree("its version", shape(host.version()))
agree("all of it", shape(host.info()))
same("when it started", host.boot_time():match "^%d+%-%d+%-%d+T%d+:%d+:%d+Z$" ~= nil, true)
same("the same", host.info().name, host.name())
same("its architecture", host.info().architecture, host.architecture())
same("its edition", {host.edition(), host.elevated()}, {host.info().edition, host.info().elevated})

-- ---- Accounts ----

local account = win.account
for _, name in ipairs {
  "SYSTEM", "NETWORK SERVICE", "LocalSystem", [[NT AUTHORITY\LOCAL SERVICE]], "Administrators", [[BUILTIN\Users]], "Everyone", "Guests", "S-1-5-18",
  "S-1-5-32-544", "s-1-1-0", "S-1-5-11", "Authenticated Users", "INTERACTIVE", "ANONYMOUS LOGON", "Power Users", "p80-nobody", "S-1-5-21-1-2-3-1001",
} do
  agree("account " .. name, account.get(name))
end
agree("by SID", {account.by_sid "BA", account.by_sid "NS", account.by_sid "S-1-5-99-7"})
agree("by name", {account.by_name "p80-nobody"})
fails("no SID", 87, account.get, "S-1-nonsense")
fails("nobody's SID", 1332, account.sid, "p80-nobody")
same("a SID", account.sid "Everyone", "S-1-1-0")
agree("oneself", shape(account.current()))
agree("canonical", account.canonical "O:SYD:(A;;GA;;;S-1-5-32-544)")
local described = account.describe "O:SYG:BAD:P(A;CI;GA;;;SY)(D;;GR;;;WD)"
agree("described", described)
agree("and back", account.sddl(described))
fails("no descriptor", 87, account.canonical, "nonsense")
fails("no descriptor", 87, account.describe, "nonsense")

-- ---- Files ----

local file = win.file
local FILE <const>, THERE <const> = [[C:\contract\new.txt]], [[C:\contract\there.txt]]
same("reading", file.read(THERE), "hello")
same("in any case", file.read(THERE:upper()), "hello")
same("nothing there", {file.read(FILE), file.final(FILE)}, {})
same("writing", file.write(FILE, "a\0b"), true)
same("once", file.write(FILE, "a\0b"), false)
same("is read", file.read(FILE), "a\0b")
same("replacing", {file.write(THERE, ""), file.read(THERE)}, {true, ""})
same("its path", file.absolute [[C:\contract\..\contract\new.txt]], FILE)
same("no link", file.is_link(FILE), false)
agree("where it really is", {file.final(FILE)})
same("deleting", file.delete(FILE), true)
same("once", file.delete(FILE), false)
same("it is gone", file.read(FILE), nil)
fails("no text", 87, file.write, FILE, 5)
fails("no path", 123, file.absolute, "")

-- ---- Programs ----

local process = win.process
agree("where a program is", {process.find "cmd":lower(), process.find "CMD.EXE":lower(), process.find "p80-nothing"})
local command <const> = {program = "cmd.exe", args = {"/c", {raw = "echo hello& exit 3"}}}
agree("running it", process.run(command))
fails("no program", 87, process.run, {args = {}})
fails("a misspelt key", 87, process.run, {program = "cmd.exe", argz = {}})
fails("no file", 2, process.run, {program = "p80-nothing"})
same("words", process.split [["C:\a b\c.exe" x "y z"]], {[[C:\a b\c.exe]], "x", "y z"})
same("a line", process.join {[[C:\a b\c.exe]], "x", "y z"}, [["C:\a b\c.exe" x "y z"]])
same("its environment", type(process.environment().SystemRoot or process.environment().SYSTEMROOT), "string")

-- ---- Processes and UDP ----

local udp = win.udp
local rows = udp.listeners(8084)
same("one endpoint", #rows, 1)
local pid = rows[1].pid
agree("its row", pick(rows[1], "family", "local_address", "local_port", "state", "process", "services", "kernel", "remote_port", "created", "module"))
agree("the same in the list", pick(udp.list {port = 8084}[1], "family", "local_address", "local_port", "state", "process", "kernel"))
same("none of the other family", udp.listeners(8084, {family = 6}), {})
same("no TCP", win.tcp.listeners(8084), {})
fails("no state", 87, udp.list, {state = "listen"})

agree("a process", shape(process.get(pid)))
agree("with more", shape(process.get(pid, {command_line = true, services = true})))
same("its command line", process.command_line(pid):find "holder" ~= nil, true)
same("nobody's", process.command_line(0x7FFFFFFE), nil)

-- Nothing changes for a moment.
local seen = {}
for change in udp.watch {port = 8084, timeout = 0.05, interval = 0.02} do seen[#seen + 1] = change.event end
for change in win.tcp.watch {port = 8084, timeout = 0.05, interval = 0.02} do seen[#seen + 1] = change.event end
same("nothing happens", seen, {})
local udp_change, tcp_change = udp.watch {port = 8084, wait = false}, win.tcp.watch {port = 8084, wait = false}
same("not yet", {udp_change(), tcp_change()}, {})
process.stop(pid)
agree("it goes", pick(udp_change(), "event"))
same("no TCP", tcp_change(), nil)

expect.done()
