-- build: shim
-- Every call of Windows fails once: n = 1, 2, ... of each function, for every read and every write of `win`, and for the
-- files of a run. No crash; an error object that names its operation, or a result that only lacks what was asked in
-- vain; what was changed is counted and can be taken back; and never success without the effect.
local lu = require "luaunit"
local case = require "case"
local fakecore = require "fakecore"

local KEY = [[HKCU\Software\p80-errors]]
local PARAMETERS = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]]
local MOST = 60 -- calls of one function that are tried

-- The functions that can be made to fail, from the lists in shim.h.
local function interceptable()
  local text, names = case.read(test.folder .. "\\shims\\shim.h"), {}
  for name in text:gmatch "F%((%w+), %d+, [%u_]+%)" do names[#names + 1] = name end
  assert(#names > 60)
  return names
end

-- Not here: what frees (nobody could do anything about it), and what belongs to files, tested with p80 below.
local SKIP = {RegCloseKey = true, CloseServiceHandle = true}
local NAMES = {}
for _, name in ipairs(interceptable()) do
  if not SKIP[name] then NAMES[#NAMES + 1] = name end
end

local turn = 0

-- Calls f() while `wish` says what fails -> whether that struck, ok, result or error.
local function failing(wish, f)
  turn = turn + 1 -- the shim counts anew when the text changes
  test.setenv("P80_SHIM_STRUCK", nil)
  test.setenv("P80_SHIM_FAIL", ("%s,RegCloseKey:%d"):format(wish, 1000000 + turn))
  local results = table.pack(pcall(f))
  test.setenv("P80_SHIM_FAIL", nil)
  return test.getenv "P80_SHIM_STRUCK" ~= nil, table.unpack(results, 1, results.n)
end

-- The functions in as few lists as the variable has room for.
local function batches()
  local lists, list, size = {}, nil, 1000
  for _, name in ipairs(NAMES) do
    size = size + #name + 3
    if size > 450 then
      list, size = {}, #name + 3
      lists[#lists + 1] = list
    end
    list[#list + 1] = name
  end
  return lists
end

-- Whether f calls any of the functions: when all would fail, one does.
local function calls_any(names, f)
  local wishes = {}
  for i, name in ipairs(names) do wishes[i] = name .. ":1" end
  return (failing(table.concat(wishes, ","), f))
end

-- Calls try(wish) -> struck for each function of those that f calls, and n until it does not strike; returns how often
-- it did. Without f all functions are tried.
local function at_every_call(try, f)
  local strikes = 0
  for _, batch in ipairs(batches()) do
    for _, name in ipairs((not f or calls_any(batch, f)) and batch or {}) do
      for n = 1, MOST do
        if not try(("%s:%d:31"):format(name, n)) then break end
        try(("%s:%d:5"):format(name, n)) -- what p80 may not do is not always an error
        strikes = strikes + 1
      end
    end
  end
  return strikes
end

-- The functions of win, whose names are the `op` of errors. Inside of one another may fail.
local OPS = {}
local function collect(t, prefix)
  for name, value in pairs(t) do
    if type(value) == "table" then collect(value, prefix .. name .. ".") else OPS[prefix .. name] = true end
  end
end
collect(win, "")
OPS["scm.restart"] = true -- composed by the core

-- What is wrong with an error as p80 must raise it; nil when nothing is.
local function wrong_with(e)
  if type(e) ~= "table" then return "no error object: " .. tostring(e) end
  if not OPS[e.op] then return ("its op is %s: %s"):format(e.op, e) end
  if math.type(e.code) ~= "integer" or e.code == 0 then return "its code is " .. tostring(e.code) end
  if type(e.message) ~= "string" or e.message == "" then return "its message is " .. tostring(e.message) end
  if type(e.target) ~= "string" or e.target == "" then return "it has no target: " .. tostring(e) end
end

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
  for _, name in ipairs {"P80_SHIM_HTTP_CONFIG", "P80_SHIM_TCP_OWNER"} do test.setenv(name, value) end
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
    {"tcp.owners", function() return win.tcp.owners {pid} end},
    {"process.list", function() return #win.process.list() > 3 end}, {"process.get", function() return win.process.get(pid) end},
    {"process.services", function() return win.process.services(pid) end},
    {"scm.list", function() return win.scm.list {state = "active"} end}, {"scm.get", function() return win.scm.get "Errors" end},
    {"scm.wait", function() return win.scm.wait("Errors", "running", {timeout = 1}) end},
    {"reg.get", function() return win.reg.get(KEY, "multi") end}, {"reg.values", function() return win.reg.values(KEY) end},
    {"reg.keys", function() return win.reg.keys(KEY) end}, {"reg.exists", function() return win.reg.exists(KEY) end},
    {"reg.info", function() return win.reg.info(KEY) end}, {"reg.tree", function() return win.reg.tree(KEY) end},
    {"http.is_running", function() return win.http.is_running() end}, {"http.holders", function() return (win.http.holders()) end},
    {"http.state", function() return win.http.state() end},
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
    strikes = strikes + at_every_call(function(wish)
      local struck, ok, result = failing(wish, f)
      local fault
      if not ok then fault = wrong_with(result)
      elseif struck and not is_blind(op, wish) then fault = lies(base, result, "the result") end
      if fault then faults[#faults + 1] = ("win.%s, %s: %s"):format(op, wish, fault) end
      return struck
    end, f)
    local left = test.handle_count() - handles
    if left > 3 then faults[#faults + 1] = ("win.%s: %d handles left open"):format(op, left) end
  end
  lu.assertEquals(table.concat(faults, "\n"), "")
  lu.assertTrue(strikes > 200, strikes)
end

-- ---- Writes: the core itself, with its journal in memory ----

local Writes = case.suite "Writes"
Writes.setUp, Writes.tearDown = Reads.setUp, Reads.tearDown

-- The state of a service, once it is on no way to another.
local function settled(name)
  local record
  case.wait(name .. " to settle", function()
    record = win.scm.get(name)
    return not record.state:find "pending"
  end)
  return {record.state, record.start, record.display_name}
end

local function all_stored() return {win.reg.tree(PARAMETERS), win.reg.tree(KEY)} end

-- Whether both are deeply equal. (assertEquals would print megabytes.)
local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do if not same(value, b[key]) then return false end end
  for key in pairs(b) do if a[key] == nil then return false end end
  return true
end

-- Makes one write while a call fails; returns whether that struck, and what was wrong.
local function try_write(write, wish, after)
  local before, files = write.snapshot(), {}
  local core = fakecore.open {files = files}
  local struck, ok, result = failing(wish, function() return core.call(write.op, table.unpack(write.arguments)) end)
  core.finish(nil, not ok and result or nil)
  local now, changes = write.snapshot(), #core.gate.changes()
  local is_changed = not same(now, before)
  if not struck and not ok then return false, tostring(result) end
  if ok and not same(now, after) then return struck, "success without the effect" end
  if not ok and wrong_with(result) then return struck, wrong_with(result) end
  if is_changed and changes == 0 then return struck, "changed, but counted as no change: " .. tostring(result) end
  if is_changed and write.undo ~= false then
    local report = fakecore.open({files = files}).undo.run()
    if report.failed > 0 then return struck, "undo failed: " .. tostring(report.steps[1].reason) end
    if not same(write.snapshot(), before) then return struck, "undo did not restore it" end
  end
  return struck
end

-- Tries a write with each call of Windows failing. `prepare` brings what it needs, and brings it back.
local function try_everywhere(write, names)
  write.prepare()
  local core = fakecore.open()
  core.call(write.op, table.unpack(write.arguments))
  core.finish()
  local after, faults = write.snapshot(), {}
  local handles = test.handle_count()
  local function try(wish)
    write.prepare()
    local struck, fault = try_write(write, wish, after)
    if fault then faults[#faults + 1] = ("win.%s, %s: %s"):format(write.op, wish, fault) end
    return struck
  end
  local strikes = 0
  if names then
    for _, name in ipairs(names) do
      for n = 1, MOST do
        if not try(("%s:%d:31"):format(name, n)) then break end
        strikes = strikes + 1
      end
    end
  else
    strikes = at_every_call(try, function()
      write.prepare()
      local probe = fakecore.open()
      probe.call(write.op, table.unpack(write.arguments))
    end)
  end
  if test.handle_count() - handles > 10 then faults[#faults + 1] = ("win.%s: handles left open"):format(write.op) end
  lu.assertEquals(table.concat(faults, "\n"), "")
  lu.assertTrue(strikes >= (write.least or 5), ("win.%s: %d"):format(write.op, strikes))
end

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
    try_everywhere(write)
  end
end

function Writes:test_http_sys()
  case.holder {"--http", "http://+:80/"}
  local function prepare()
    for _, address in ipairs((win.http.iplisten.list())) do win.http.iplisten.delete(address) end
    for _, row in ipairs((win.http.urlacl.list())) do win.http.urlacl.delete(row.url) end
    win.http.iplisten.add "10.0.0.1"
    win.http.urlacl.add("http://+:80/old/", "D:(A;;GX;;;NS)")
  end
  for _, write in ipairs {
    {op = "http.iplisten.add", arguments = {"127.0.0.1"}}, {op = "http.iplisten.delete", arguments = {"10.0.0.1"}},
    {op = "http.urlacl.add", arguments = {"http://+:80/new/", {user = "S-1-5-20"}}},
    {op = "http.urlacl.add", arguments = {"http://+:80/old/", {user = "S-1-1-0"}}}, {op = "http.urlacl.delete", arguments = {"http://+:80/old/"}},
  } do
    write.prepare, write.snapshot = prepare, all_stored
    try_everywhere(write)
  end
end

local function bring(name, state)
  local now = settled(name)[1]
  if now == state then return end
  if state == "running" then win.scm.start(name) else win.scm.stop(name) end
  case.wait(name, function() return settled(name)[1] == state end)
end

function Writes:test_services()
  case.service {name = "Errors", args = {"--tcp", "8107"}}
  local function snapshot() return settled "Errors" end
  for _, write in ipairs {
    {op = "scm.config", arguments = {"Errors", {start = "disabled", display_name = "Other"}}},
    {op = "scm.stop", arguments = {"Errors"}, state = "running"}, {op = "scm.start", arguments = {"Errors"}, state = "stopped"},
  } do
    function write.prepare()
      win.scm.config("Errors", {start = "demand", display_name = "Errors"})
      if write.state then bring("Errors", write.state) end
    end
    write.snapshot = snapshot
    try_everywhere(write)
  end
end

-- Several services, of which one does not do as it is told.
function Writes:test_services_that_need_each_other()
  test.setenv("P80_SHIM_SCM", "1")
  case.later(function() test.setenv("P80_SHIM_SCM", nil) end)
  local names = {"Base", "Middle", "Top"}
  for i, name in ipairs(names) do
    case.service {name = name, args = {"--tcp", tostring(8110 + i)}, dependencies = i > 1 and {names[i - 1]} or nil}
  end
  local function snapshot()
    local states = {}
    for i, name in ipairs(names) do states[i] = settled(name) end
    return states
  end
  for _, write in ipairs {
    {op = "scm.stop", arguments = {"Base", {dependents = true}}, state = "running"}, {op = "scm.start", arguments = {"Top"}, state = "stopped"},
    {op = "scm.restart", arguments = {"Base", {dependents = true}}, state = "running"},
  } do
    function write.prepare()
      for i = 1, #names do bring(write.state == "running" and names[i] or names[#names + 1 - i], write.state) end
    end
    write.snapshot, write.least = snapshot, 3
    try_everywhere(write, {"ControlService", "StartServiceW"})
  end
end

function Writes:test_processes()
  local holder
  local write = {op = "process.stop", arguments = {}, undo = false}
  function write.prepare()
    if holder then holder:close() end
    holder = case.holder {"--tcp", "8108"}
    write.arguments[1] = holder:pid()
  end
  function write.snapshot() return {win.process.get(holder:pid()) ~= nil} end
  try_everywhere(write)
end
