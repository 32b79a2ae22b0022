-- Run by p80-test.exe: measures what happens inside p80. tests/bench/run.sh starts it.
local PAIRS = 7

local function median(list)
  table.sort(list)
  return (list[#list // 2 + 1] + list[(#list + 1) // 2]) / 2
end

local function number_of(options)
  local result = test.spawn(options)
  assert(result.code == 0, result.stderr)
  return assert(tonumber(result.stdout:match "^%-?[%d.]+"), result.stdout), result
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

-- What a row of a table of `rows` costs p80, the same row a C loop, and how many tables were read.
local function row_costs(rows)
  local ours, result = number_of {
    path = test.bin .. "p80-test-shim.exe", args = {folder "tcp-table.lua", tostring(rows)}, timeout = 300,
    env = {P80_SHIM_COUNT = counts},
  }
  local theirs = number_of {path = test.bin .. "tcp-loop.exe", args = {tostring(rows)}, timeout = 120}
  return ours, theirs, tonumber(result.stdout:match "%s(%d+)%s*$")
end

-- The sizes in turn, so that what else this machine does meets them alike.
local function tcp_tables()
  local SIZES <const> = {10, 1000, 100000, 1000000}
  local costs, ratios, medians = {}, {}, {}
  for pair = 1, PAIRS do
    for _, rows in ipairs(SIZES) do
      local ours, theirs, read = row_costs(rows)
      costs[rows], ratios[rows] = costs[rows] or {}, ratios[rows] or {}
      costs[rows][pair], ratios[rows][pair] = ours, ours / theirs
      local extra = calls(counts, "GetExtendedTcpTable") - 2 * read -- one for IPv4 and one for IPv6 a table
      if pair == 1 then print(("of %d tables, most of %d rows, %d took a second OS call"):format(read, rows, extra)) end
    end
  end
  for i, rows in ipairs(SIZES) do
    medians[i] = median(costs[rows])
    print(("tcp table, %9d rows: %4.0f ns a row, %.2f times the C loop"):format(rows, medians[i], median(ratios[rows])))
  end
  table.sort(medians)
  print(("tcp table, dearest row to cheapest: %.2f"):format(medians[#medians] / medians[1]))
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

-- Enumerates 10,000 values of the registry, in pairs with a program in C that makes the same calls.
local function registry_values()
  local key, rows, rounds = [[HKCU\Software\p80-bench-values]], 10000, "3"
  win.reg.create(key)
  for i = 1, rows do win.reg.set(key, ("a value of the bench %d"):format(i), ("%d text"):format(i):rep(2), {type = "sz"}) end
  local ratios, costs = {}, {}
  for pair = 1, 2 * PAIRS + 1 do
    local function c() return number_of {path = test.bin .. "reg-loop.exe", args = {rounds}, timeout = 120} end
    local theirs = pair % 2 == 0 and c()
    local ours, result = number_of {path = test.bin .. "p80.exe", args = {folder "reg-values.lua", rounds}, timeout = 120}
    theirs = theirs or c()
    assert(result.stdout:find("%s" .. rows), result.stdout)
    costs[pair], ratios[pair] = ours / rows, ours / theirs
  end
  print(("registry, %d values: %.0f ns a value, %.2f times the C loop"):format(rows, median(costs), median(ratios)))
end

local function all_services()
  for _, rows in ipairs {100, 1000, 10000} do services(rows) end
end

local benches = {journal = journal, registry = registry_values, services = all_services, tcp = tcp_tables}
if arg[1] then
  benches[arg[1]]()
else
  for _, name in ipairs {"journal", "registry", "services", "tcp"} do benches[name]() end
end
