-- A connection from this machine to its port 8083, where a program listens.
local expect = require "expect"
local same, fails, agree, pick = expect.same, expect.fails, expect.agree, expect.pick
local tcp = win.tcp

local function connection()
  for _, row in ipairs(tcp.list {state = "established", family = 4}) do
    if row.remote_port == 8083 then return row end
  end
end

local row = connection()
agree("its row", pick(row, "family", "local_address", "remote_address", "remote_port", "state", "created", "module"))
same("both ends", {#tcp.list {port = 8083, state = "established"}, #tcp.list {port = 8083}}, {1, 2})
same("ending it", tcp.close(row), true)
same("it is gone", connection(), nil)
same("once", tcp.close(row), false)
same("nobody's", tcp.close("127.0.0.1:1", "127.0.0.1:2"), false)
fails("no ends", 87, tcp.close, "127.0.0.1", "127.0.0.1:2")
fails("only one", 87, tcp.close, "127.0.0.1:1")
fails("IPv6", 50, tcp.close, "[::1]:1", "[::1]:2")
fails("no connection", 87, tcp.close, {local_address = "127.0.0.1", local_port = 1})

expect.done()
