-- Who uses HTTP.SYS: the service "Web" has registered http://+:8082/web/; netsh tells nothing.
local expect = require "expect"
local same, fails, agree, pick = expect.same, expect.fails, expect.agree, expect.pick
local http = win.http

local function owner(row) return pick(row, "name", "services", "tagged", "product", "queue", "objects") end

local holders, silent = http.holders()
agree("the holders", {#holders, owner(holders[1]), math.type(silent)})
same("it is the service's", holders[1].pid, win.scm.get("Web").pid)
local handles = win.process.handles {name = [[\Device\Http\ReqQueue]], type = "file"}
agree("its handle", {#handles, pick(handles[1], "type", "process", "object", "name"), math.type(handles[1].handle)})
same("of nobody else", win.process.handles {name = [[\Device\Http\ReqQueue]], pid = 4}, {})

local state = http.state()
agree("the state", pick(state, "source", "reason", "service", "loose", "sessions"))
agree("its queues", {#state.queues, owner(state.queues[1].processes[1]), state.queues[1].urls, state.queues[1].name, state.queues[1].controller})
same("no URLs are known", http.urls_on(state, 8082), nil)
fails("no view", 87, http.state, {view = "x"})
fails("no port", 87, http.urls_on, state, 0)

local rows = win.tcp.listeners(8082)
agree("a listener", pick(rows[1], "family", "local_address", "local_port", "state", "services", "kernel"))
same("taken", win.tcp.probe(8082).free, false)
same("HTTP.SYS says so", type(http.server(8082)), "string")
same("nobody there", http.server(8099), nil)
local owners = win.tcp.owners {holders[1].pid, rows[1].pid}
agree("whose they are", {owners[holders[1].pid].services, owners[rows[1].pid].kernel})

same("stopping it", win.scm.stop "Web", true)
same("no holders", #http.holders(), 0)
same("no queues", http.state().queues, {})
same("no listeners", #win.tcp.listeners(8082), 0)
same("the port is free", win.tcp.probe(8082).free, true)
same("starting it", win.scm.start "Web", true)

expect.done()
