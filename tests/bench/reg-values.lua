-- Run by p80.exe: reads all values of HKCU\Software\p80-bench-values so many times. Prints nanoseconds a pass, with the
-- collection of the garbage, and the values of one.
local p80 = require "p80"
local rounds, values = tonumber((...)), #win.reg.values [[HKCU\Software\p80-bench-values]]
collectgarbage()
local began = p80.clock()
for _ = 1, rounds do win.reg.values [[HKCU\Software\p80-bench-values]] end
collectgarbage()
print(("%.0f %d"):format((p80.clock() - began) * 1e9 / rounds, values))
