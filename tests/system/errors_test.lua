-- build: shim
-- arch: x64
-- Every call of Windows fails once: n = 1, 2, ... of each function, for every read of `win` and the writes of the
-- registry (errors_http_test.lua, errors_services_test.lua and errors_stops_test.lua have the other writes,
-- errors_program_test.lua the files of a run). No crash; an error object that names its operation, or a result that only
-- lacks what was asked in vain; what was changed is counted and can be taken back; and never success without the effect.
local lu = require "luaunit"
local case = require "case"
local failing = require "failing"

local KEY = [[HKCU\Software\p80-errors]]
local PARAMETERS = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]]

-- ---- Reads ----

-- How `got` says something else than `base`, beyond lacking fields; nil when it does not.
local function lies(base, got, path)
  if type(base) ~= "table" or type(got) ~= "table" then
    return not rawequal(base, got) and ("%s is %s instead of %s"):format(path, tostring(got), tostring(base)) or nil
  end
  if #got ~= #base then return ("%s has %d items instead of %d"):format(path, #got, #base) end
  for key, value in pairs(got) do
    local lie = lies(base[key], value, path .. (type(key) == "number" and "[]" or "." .. key))
    if lie then return lie end
  end
end

-- A handle that cannot be looked at is one that p80 does not see: which process holds it is then not known.
local function is_blind(op, wish)
  return (op == "http.holders" or op == "http.state") and
    (wish:find "^NtQueryObject:" or wish:find "^OpenProcess:" or wish:find "^DuplicateHandle:")
end

local Reads = case.suite "Reads"
local begin, finish = Reads.setUp, Reads.tearDown

local function set_shims(value)
  for _, name in ipairs {"P80_SHIM_HTTP_CONFIG", "P80_SHIM_TCP_OWNER", "P80_SHIM_MODULES"} do test.setenv(name, value) end
end

function Reads:setUp()
  begin()
  set_shims "1"
  case.reg {"delete", KEY, "/f"}
  case.reg {"delete", PARAMETERS, "/f"}
end

function Reads:tearDown()
  set_shims(nil)
  finish()
end

local function reads()
  local pid = case.service_running "Errors"
  return {
    {"host.info", function() return win.host.info() end}, {"host.version", function() return win.host.version() end},
    {"host.edition", function() return win.host.edition() end}, {"host.elevated", function() return win.host.elevated() end},
    {"tcp.list", function() return win.tcp.list {state = "listen"} end}, {"tcp.listeners", function() return win.tcp.listeners(80) end},
    {"tcp.probe", function() return win.tcp.probe(8077) end}, {"tcp.probe", function() return win.tcp.probe(80) end},
    {"tcp.list", function() return win.tcp.list {port = 80, module = true} end},
    {"udp.list", function() return win.udp.list {module = true} end}, {"udp.listeners", function() return win.udp.listeners() end},
    {"tcp.watch", function() return win.tcp.watch {timeout = 0.05, interval = 0.01} () end},
    {"process.list", function() return #win.process.list() > 3 end}, {"process.get", function() return win.process.get(pid) end},
    {"process.services", function() return win.process.services(pid) end},
    {"scm.list", function() return win.scm.list {state = "active"} end}, {"scm.get", function() return win.scm.get "Errors" end},
    {"scm.wait", function() return win.scm.wait("Errors", "running", {timeout = 1}) end},
    {"reg.get", function() return win.reg.get(KEY, "multi") end}, {"reg.values", function() return win.reg.values(KEY) end},
    {"reg.keys", function() return win.reg.keys(KEY) end}, {"reg.exists", function() return win.reg.exists(KEY) end},
    {"reg.info", function() return win.reg.info(KEY) end}, {"reg.tree", function() return win.reg.tree(KEY) end},
    {"http.is_running", function() return win.http.is_running() end},
    {"http.state", function() return win.http.state() end},
    {"http.server", function() return {proof = win.http.server(80)} end},
    {"http.iplisten.list", function() return (win.http.iplisten.list()) end}, {"http.urlacl.list", function() return (win.http.urlacl.list()) end},
    {"http.urlacl.sddl", function() return win.http.urlacl.sddl {user = "NT AUTHORITY\\SYSTEM"} end},
    {"http.urlacl.users", function() return win.http.urlacl.users "D:(A;;GX;;;S-1-5-20)" end},
    {"http.iplisten.normalize", function() return win.http.iplisten.normalize "::0001" end},
  }
end

local function fill_registry()
  win.reg.create(KEY)
  win.reg.create(KEY .. "\\sub")
  win.reg.set(KEY, "text", "some text", {type = "sz"})
  win.reg.set(KEY, "multi", {"a", "b"}, {type = "multi_sz"})
  win.reg.set(KEY .. "\\sub", "number", 7, {type = "dword"})
end

function Reads:test_every_read()
  case.service {name = "Errors", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  fill_registry()
  win.http.urlacl.add("http://+:80/x/", "D:(A;;GX;;;NS)")
  win.http.iplisten.add "127.0.0.1"
  local faults, strikes = {}, 0
  for _, read in ipairs(reads()) do
    local op, f = read[1], read[2]
    local base = f()
    local handles = test.handle_count()
    strikes = strikes + failing.each_of(f, function(wish)
      local struck, ok, result = failing.call(wish, f)
      local fault
      if not ok then fault = failing.wrong_with(result)
      elseif struck and not is_blind(op, wish) then fault = lies(base, result, "the result") end
      if fault then faults[#faults + 1] = ("win.%s, %s: %s"):format(op, wish, fault) end
      return struck
    end)
    local left = test.handle_count() - handles
    if left > 3 then faults[#faults + 1] = ("win.%s: %d handles left open"):format(op, left) end
  end
  lu.assertEquals(table.concat(faults, "\n"), "")
  lu.assertTrue(strikes > 200, strikes)
end

-- ---- Writes ----

local Writes = case.suite "Writes"
Writes.setUp, Writes.tearDown = Reads.setUp, Reads.tearDown

local function all_stored() return {win.reg.tree(PARAMETERS), win.reg.tree(KEY)} end

function Writes:test_the_registry()
  local function prepare()
    win.reg.delete(KEY, nil, {tree = true})
    fill_registry()
  end
  for _, write in ipairs {
    {op = "reg.set", arguments = {KEY .. "\\new\\newer", "v", "x"}}, {op = "reg.set", arguments = {KEY, "text", {"other", "kind"}}},
    {op = "reg.delete", arguments = {KEY, "multi"}}, {op = "reg.delete", arguments = {KEY, nil, {tree = true}}},
    {op = "reg.create", arguments = {KEY .. "\\a\\b"}},
  } do
    write.prepare, write.snapshot = prepare, all_stored
    failing.write(write)
  end
end
