-- Run by p80-test-shim.exe: what a row of a TCP table of so many rows costs, in nanoseconds of the processor's time;
-- prints that and how many tables were read. The call itself, most of which is the shim's, is measured with tables of
-- one row and taken off. Each figure includes the collection of all the garbage that was made.
local rows = assert(tonumber(arg[1]))
local read = 0

local function cost(size, tables)
  test.setenv("P80_SHIM_TCP_ROWS", tostring(size))
  assert(#win.tcp.list() == size)
  collectgarbage()
  local began = test.processor_time()
  for _ = 1, tables do win.tcp.list() end
  collectgarbage()
  read = read + tables + 1
  return (test.processor_time() - began) * 1e9 / tables
end

local few = rows <= 10 and 300000 or 100000 -- calls
local call = cost(1, few)
print(("%.1f %d"):format((cost(rows, math.min(4000000 // rows, few)) - call) / (rows - 1), read))
os.exit(0)
