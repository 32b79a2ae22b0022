-- Endpoints and processes: a program listens on 8086 (IPv4), another for itself alone on 8087.
local expect = require "expect"
local same, fails, pick = expect.same, expect.fails, expect.pick
local tcp, process = win.tcp, win.process

local rows = tcp.listeners(8086)
same("one listener", #rows, 1)
same("its row", pick(rows[1], "family", "local_address", "local_port", "state", "process", "kernel", "remote_port"), {
  family = "ipv4", local_address = "0.0.0.0", local_port = 8086, state = "listen", process = "holder.exe", kernel = false,
})
same("no services", rows[1].services, {})
same("the same in the list", #tcp.list {port = 8086, state = "listen", family = 4}, 1)
same("none of the other family", #tcp.list {port = 8086, family = 6}, 0)
same("owners", tcp.owners {rows[1].pid}[rows[1].pid].process, "holder.exe")

local probe = tcp.probe(8086)
same("taken", {probe.free, probe.ipv4.free, probe.ipv4.reason, probe.ipv4.code}, {false, false, "in_use", 10048})
same("the other family", {probe.ipv6.free, probe.ipv6.reason}, {true, "free"})
same("taken by one that is alone", tcp.probe(8087).ipv4.reason, "in_use")
same("free", pick(tcp.probe(8088), "free"), {free = true})
fails("no port", 87, tcp.probe, 0)
fails("a port too high", 87, tcp.listeners, 65536)
fails("no family", 87, tcp.list, {family = 5})
fails("no state", 87, tcp.list, {state = "sleeping"})
fails("a misspelt option", 87, tcp.list, {prot = 80})

local pid = rows[1].pid
local row = process.get(pid)
same("a process", pick(row, "pid", "name"), {pid = pid, name = "holder.exe"})
same("its image", process.image(pid):match "[^\\]*$", "holder.exe")
same("when it started", row.started:match "^%d+%-%d+%-%d+T" ~= nil, true)
same("no services in it", process.services(pid), {})
same("no such process", {process.get(0x7FFFFFFE), process.image(0x7FFFFFFE)}, {})
fails("a pid too high", 87, process.get, 0x100000000)
fails("a misspelt option", 87, process.list, {comand_line = true})
same("Windows itself", select(2, pcall(process.stop, 4)).code, 5) -- Wine has no such process, which the text tells
fails("p80 itself", 5, process.stop, require "p80".pid)

same("ending it", process.stop(pid), true)
same("it is gone", process.get(pid), nil)
same("with its listener", #tcp.listeners(8086), 0)
same("the port is free", tcp.probe(8086).free, true)
same("once", process.stop(pid), false)

expect.done()
