-- build: shim
-- win.scm where Wine's SCM does not go: a connection that breaks, rights that are missing, ten thousand services.
local lu = require "luaunit"
local case = require "case"
local failing = require "failing"
local scm = win.scm

local function shim(name, value)
  test.setenv("P80_SHIM_" .. name, value)
  case.later(function() test.setenv("P80_SHIM_" .. name, nil) end)
end

-- Calls of Windows that a program of its own makes, by name.
local function counted(code, env)
  local file, counts = case.path "count.txt", {}
  env.P80_SHIM_COUNT = file
  case.exits(test.spawn {path = test.p80, args = {"--state", case.state, "-e", code}, env = env, timeout = 60}, 0)
  for name, n in case.read(file):gmatch "(%w+) (%d+)" do counts[name] = tonumber(n) end
  return counts
end

-- ---- One connection ----

local Connection = case.suite "Connection"

function Connection.test_there_is_one_and_no_handle_stays()
  local counts = counted([[
    for _ = 1, 10 do
      win.scm.list()
      win.scm.get "PlugPlay"
      win.scm.status "PlugPlay"
      win.scm.wait("PlugPlay", "running")
      win.scm.get "p80-none"
    end]], {})
  lu.assertEquals({counts.OpenSCManagerW, counts.OpenServiceW, counts.EnumServicesStatusExW}, {1, 40, 10})
  lu.assertEquals(counts.CloseServiceHandle, 1 + 30) -- ten times there was nothing to open
end

function Connection.test_one_that_broke_is_made_anew()
  for _, code in ipairs {6, 1722, 1726, 1727, 1775} do
    for _, name in ipairs {"EnumServicesStatusExW", "OpenServiceW"} do
      local read = name == "OpenServiceW" and function() return scm.status "PlugPlay" end or scm.list
      local struck, works = failing.call(("%s:1:%d"):format(name, code), function() assert(read()) end)
      lu.assertEquals({struck, works}, {true, true})
      local _, ok, problem = failing.call(("%s:1+:%d"):format(name, code), read)
      lu.assertEquals({ok, problem.code}, {false, code})
      _, ok, problem = failing.call(("%s:1:%d,OpenSCManagerW:1:1115"):format(name, code), read)
      lu.assertEquals({ok, problem.code, problem.target}, {false, 1115, "service manager"})
    end
  end
  lu.assertIsTable(scm.list())
end

function Connection.test_without_the_right_to_list_the_rest_works()
  local function denied(f) return failing.call("EnumServicesStatusExW:1+:5,OpenServiceW:1:6,OpenSCManagerW:1:5", f) end
  local struck, ok, record = denied(function() return scm.get "plugPLAY" end)
  lu.assertEquals({struck, ok, record and record.state}, {true, true, "running"})
  local _, listed, problem = denied(scm.list)
  lu.assertEquals({listed, problem.code}, {false, 5})
  lu.assertTrue((failing.call("OpenServiceW:1:6", function() return scm.status "PlugPlay" end)))
end

-- ---- Many services ----

local Many = case.suite "Many"

function Many.test_ten_thousand()
  shim("SERVICES", "10000")
  local rows = scm.list()
  lu.assertEquals(#rows, 10000)
  for i = 1, 10000, 999 do
    lu.assertEquals({rows[i].name, rows[i].display_name, rows[i].pid},
      {("Service%d"):format(i - 1), ("Made-up service %d"):format(i - 1), 996 + 4 * i})
  end
end

function Many.test_calls_grow_with_the_pages_alone()
  local function calls(n)
    local counts = counted(("assert(#win.scm.list() == %d)"):format(n), {P80_SHIM_SERVICES = tostring(n)})
    lu.assertEquals({counts.OpenSCManagerW, counts.OpenServiceW, counts.CloseServiceHandle}, {1, nil, 1})
    return counts.EnumServicesStatusExW
  end
  local thousand, ten_thousand = calls(1000), calls(10000)
  lu.assertTrue(ten_thousand <= 10 * thousand, ("%d calls for 1,000, %d for 10,000"):format(thousand, ten_thousand))
end
