-- lua fuzz.lua TARGET CASES [NUMBER]: feeds random mutations of tests/fuzz/seeds/TARGET/* to tests/fuzz/TARGET.lua, which returns
-- a function that raises when its input shows a fault. NUMBER makes the same run again.
local target, cases, number = arg[1], tonumber(arg[2]), tonumber(arg[3] or os.time())
local tests = arg[0]:match "^(.*)/fuzz/[^/]*$"
package.path = ("%s/lib/?.lua;%s/../scripts/lib/?.lua;%s/../bindings/?.lua;%s/../engine/core/?.lua"):format(tests, tests, tests, tests)

local seeds = {}
local files <close> = io.popen(("ls '%s/fuzz/seeds/%s'"):format(tests, target))
for name in files:lines() do
  local file <close> = assert(io.open(("%s/fuzz/seeds/%s/%s"):format(tests, target, name), "rb"))
  seeds[#seeds + 1] = file:read "a"
end

local began = os.clock()
require("fuzz").run(dofile(("%s/fuzz/%s.lua"):format(tests, target)), seeds, cases, number)
print(("%s: %d cases from %d seeds, run %d: %.0f s, no fault"):format(target, cases, #seeds, number, os.clock() - began))
