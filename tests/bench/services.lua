-- Run by p80-shim.exe with P80_SHIM_SERVICES=n: lists that many services until about 200,000 rows are done. Prints
-- nanoseconds a list, which include the collection of the garbage, and how many lists were made in all.
local rows = assert(tonumber((...)))
assert(#win.scm.list() == rows)
local rounds = 200000 // rows + 1
collectgarbage()
local began = os.clock()
for _ = 1, rounds do win.scm.list() end
print(("%.0f %d"):format((os.clock() - began) * 1e9 / rounds, rounds + 1))
