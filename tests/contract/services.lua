-- Services: "Plain" runs and listens on port 8085, "Off" is disabled, "Stuck" runs and never stops, "Slow" takes a second
-- to stop, "Fails" stops with its own error when it starts. Only what needs no dependents.
local expect = require "expect"
local same, fails, agree, pick = expect.same, expect.fails, expect.agree, expect.pick
local scm = win.scm

-- ---- Reading ----

local plain = scm.get "Plain"
same("a record", pick(plain, "name", "display_name", "state", "type", "start", "error_control", "account", "exit_code", "service_exit_code"), {
  name = "Plain", display_name = "Plain service", state = "running", type = "own_process", start = "demand", error_control = "normal",
  account = "LocalSystem", exit_code = 0, service_exit_code = 0,
})
same("its dependencies", plain.dependencies, {})
expect.has("what it accepts", plain.accepts, "stop")
same("its process", win.process.get(plain.pid) ~= nil, true)
same("the services of its process", win.process.services(plain.pid), {"Plain"})
same("the case of a name", scm.get("pLAIN").name, "Plain")
same("a status", pick(scm.status "Plain", "state", "pid", "exit_code"), {state = "running", pid = plain.pid, exit_code = 0})
same("by display name", scm.name_of "Plain service", "Plain")
same("no such display name", scm.name_of "Nobody", nil)
local none, hint = scm.get "Plain service"
same("a display name is no name", none, nil)
same("but leads to it", hint, "the service with this display name is 'Plain'")
same("no such service", {scm.get "Nobody", (scm.status "Nobody"), scm.details "Nobody", scm.security "Nobody"}, {})
same("a stopped one", pick(scm.get "Off", "state", "start", "pid"), {state = "stopped", start = "disabled"})
same("it accepts nothing", scm.get("Off").accepts, {})

local function row_of(rows, name)
  for _, row in ipairs(rows) do
    if row.name == name then return row end
  end
end
same("a row", pick(row_of(scm.list(), "Plain"), "name", "display_name", "state", "pid", "type"), {
  name = "Plain", display_name = "Plain service", state = "running", pid = plain.pid, type = "own_process",
})
same("active ones", row_of(scm.list {state = "active"}, "Off"), nil)
same("inactive ones", row_of(scm.list {state = "inactive"}, "Plain"), nil)
same("no driver", row_of(scm.list {type = "driver"}, "Plain"), nil)

-- ---- What is wrong with arguments ----

fails("an empty name", 87, scm.get, "")
fails("a long name", 87, scm.get, ("x"):rep(257))
fails("a number", 87, scm.status, 5)
fails("no state", 87, scm.wait, "Plain", "asleep")
fails("a misspelt option", 87, scm.list, {stat = "active"})
fails("no such word", 87, scm.list, {state = "sleeping"})
fails("stopping nobody", 1060, scm.stop, "Nobody")
fails("starting nobody", 1060, scm.start, "Nobody")
fails("configuring nobody", 1060, scm.config, "Nobody", {start = "auto"})
fails("waiting for nobody", 1060, scm.wait, "Nobody", "running", {timeout = 0})

-- ---- Starting and stopping ----

same("waiting for what is", scm.wait("Plain", "running", {timeout = 0}), true)
fails("waiting in vain", 1460, scm.wait, "Plain", "stopped", {timeout = 0.1})
same("running already", scm.start "Plain", false)
same("pausing", {scm.pause "Plain", scm.get("Plain").state, scm.pause "Plain"}, {true, "paused", false})
same("going on", {scm["continue"] "Plain", scm.get("Plain").state, scm["continue"] "Plain"}, {true, "running", false})
same("stopping", scm.stop "Plain", true)
same("it is stopped", pick(scm.get "Plain", "state", "pid"), {state = "stopped"})
same("its process is gone", win.process.get(plain.pid), nil)
same("so is its listener", #win.tcp.listeners(8085), 0)
same("stopped already", scm.stop "Plain", false)
fails("continuing a stopped one", 1062, scm["continue"], "Plain")
fails("controlling a stopped one", 1062, scm.control, "Plain", 200)
same("starting", scm.start "Plain", true)
same("it runs", scm.get("Plain").state, "running")
same("restarting", scm.restart "Plain", true)
fails("a disabled one", 1058, scm.start, "Off")
same("a slow one is waited for", scm.stop("Slow", {timeout = 10}), true)
same("one that fails", pcall(scm.start, "Fails"), false) -- Wine says 1053, Windows 1066
same("it is stopped again", pick(scm.get "Fails", "state", "exit_code", "service_exit_code"), {state = "stopped", exit_code = 1066, service_exit_code = 7})

local problem = fails("one that never stops", 1460, scm.stop, "Stuck", {timeout = 0.5})
same("which is said", problem and problem.hint:find "still stop_pending" ~= nil, true)
same("and stays so", scm.get("Stuck").state, "stop_pending")

-- ---- Watching ----

local seen = {}
for event in scm.watch("Plain", {timeout = 0.05}) do seen[#seen + 1] = event.state end
same("nothing happens", seen, {})
fails("no time", 87, scm.watch, "Plain", {timeout = -1})
agree("its SID", scm.sid "Plain")
agree("words", scm.trigger_words())
same("a control of its own", scm.control("Plain", 200), true)
fails("no control", 87, scm.control, "Plain", 3)
fails("no word", 87, scm.control, "Plain", "sing")

-- ---- Settings ----

same("a start type", scm.config("Plain", {start = "disabled"}), true)
same("is taken", scm.get("Plain").start, "disabled")
same("once", scm.config("Plain", {start = "disabled"}), false)
same("back", scm.config("Plain", {start = "demand", display_name = "Other name"}), true)
same("both are taken", pick(scm.get "Plain", "start", "display_name"), {start = "demand", display_name = "Other name"})
fails("no such start type", 87, scm.config, "Plain", {start = "soon"})
fails("a driver's start type", 87, scm.config, "Plain", {start = "boot"})
same("a description", scm.config("Plain", {description = "What it does"}), true)
same("is read", scm.details("Plain").description, "What it does")

-- ---- Coming and going ----

same("making one", scm.create("Made", {path = [[C:\x\made.exe]], start = "auto", display_name = "A made one"}), true)
same("it is there", pick(scm.get "Made", "state", "start", "type", "path", "display_name", "error_control", "exit_code"), {
  state = "stopped", start = "auto", type = "own_process", path = [[C:\x\made.exe]], display_name = "A made one", error_control = "normal", exit_code = 1077,
})
same("its values in the registry", win.reg.get([[HKLM\SYSTEM\CurrentControlSet\Services\Made]], "Start"), 2)
same("the same again", scm.create("Made", {path = [[C:\x\made.exe]], start = "auto"}), false)
fails("another of that name", 1073, scm.create, "Made", {path = [[C:\x\other.exe]]})
same("deleting", scm.delete "Made", true)
same("it is gone", scm.get "Made", nil)
same("once", scm.delete "Made", false)

expect.done()
