-- Run by p80-test.exe: measures what happens inside p80. tests/bench/run.sh starts it.
local PAIRS = 7

local function median(list)
  table.sort(list)
  return (list[#list // 2 + 1] + list[(#list + 1) // 2]) / 2
end

local function number_of(options)
  local result = test.spawn(options)
  assert(result.code == 0, result.stderr)
  return assert(tonumber(result.stdout:match "^[%d.]+"), result.stdout), result
end

local function folder(name) return test.folder .. "\\bench\\" .. name end

-- How often p80 called `name`, from the shim's count file.
local function calls(file, name)
  for line in io.lines(file) do
    local n = line:match("^" .. name .. " (%d+)")
    if n then return tonumber(n) end
  end
  return 0
end

local counts = "C:\\counts.txt"

-- Nanoseconds that p80 takes for a table of `rows`, and how many were read.
local function table_cost(rows)
  local cost, result = number_of {
    path = test.bin .. "p80-shim.exe", args = {folder "tcp-table.lua", tostring(rows)}, timeout = 300,
    env = {P80_SHIM_TCP_ROWS = tostring(rows), P80_SHIM_COUNT = counts},
  }
  return cost, tonumber(result.stdout:match "%s(%d+)%s*$")
end

-- What a row costs: the call itself, most of it the shim's, is in the table of one row, too, and is taken off.
local function tcp_table(rows)
  local ratios, costs, read = {}, {}, nil
  for pair = 1, rows > 100000 and 5 or PAIRS do
    local call = table_cost(1)
    local c = number_of {path = test.bin .. "tcp-loop.exe", args = {tostring(rows)}, timeout = 120}
    local whole
    whole, read = table_cost(rows)
    costs[pair] = (whole - call) / (rows - 1)
    ratios[pair] = costs[pair] / c
  end
  local extra = calls(counts, "GetExtendedTcpTable") - 2 * read -- one for IPv4 and one for IPv6 a table
  print(("tcp table, %9d rows: %4.0f ns a row, %.2f times the C loop; of %d tables %d took a second OS call"):format(
    rows, median(costs), median(ratios), read, extra))
  return median(costs)
end

local function journal()
  local state = "C:\\bench-state"
  local code = "for i = 1, 100 do win.reg.set([[HKCU\\Software\\p80-bench]], 'x', i) end"
  local result = test.spawn {
    path = test.bin .. "p80-shim.exe", args = {"--state", state, "--allow", "reg.*", "-e", code}, env = {P80_SHIM_COUNT = counts},
  }
  assert(result.code == 0, result.stderr)
  local lines = 0
  for _ in io.lines(state .. "\\runs\\000001.jsonl") do lines = lines + 1 end
  local flushes = calls(counts, "FlushFileBuffers")
  print(("journal of 101 changes: %d lines, %d flushes: %.2f a line"):format(lines, flushes, flushes / lines))
end

-- Nanoseconds a row of a list of services.
local function services(rows)
  local costs = {}
  for pair = 1, PAIRS do
    costs[pair] = number_of {
      path = test.bin .. "p80-shim.exe", args = {folder "services.lua", tostring(rows)}, timeout = 120,
      env = {P80_SHIM_SERVICES = tostring(rows), P80_SHIM_COUNT = counts},
    } / rows
  end
  print(("services, %6d: %4.0f ns a row; %d connections, %d handles of services"):format(
    rows, median(costs), calls(counts, "OpenSCManagerW"), calls(counts, "OpenServiceW")))
end

journal()
for _, rows in ipairs {100, 1000, 10000} do services(rows) end
local costs = {}
for _, rows in ipairs {10, 1000, 100000, 1000000} do costs[#costs + 1] = tcp_table(rows) end
table.sort(costs)
print(("tcp table, dearest row to cheapest: %.2f"):format(costs[#costs] / costs[1]))
