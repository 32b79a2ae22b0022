-- Run by p80-shim.exe with P80_SHIM_TCP_ROWS=n: converts the table of that many rows until about a million rows are done.
-- Prints nanoseconds a table, which include the collection of the garbage, and how many tables were read in all.
local rows = assert(tonumber((...)))
assert(#win.tcp.list() == rows)
local rounds = rows < 10 and 100000 or 1000000 // rows + 1
collectgarbage()
local began = os.clock()
for _ = 1, rounds do win.tcp.list() end
print(("%.0f %d"):format((os.clock() - began) * 1e9 / rounds, rounds + 1))
