-- Run by p80-shim.exe with P80_SHIM_TCP_ROWS set: converts the table of that many rows until about a million rows are
-- done. Prints nanoseconds a row, which include the collection of the garbage.
local rows = assert(tonumber((...)))
assert(#win.tcp.list() == rows)
local rounds = 1000000 // rows + 1
collectgarbage()
local began = os.clock()
for _ = 1, rounds do win.tcp.list() end
print(("%.1f"):format((os.clock() - began) * 1e9 / (rows * rounds)), rounds + 1)
