-- A real service over 10,000 looks at what it watches, while listeners come and go: its memory and handles stay flat.
local lu = require "luaunit"
local case = require "case"
local services = require "services"

local T = case.suite "ServiceSoak"

local LOOKS, PORT = 10000, 8125

local function usage(pid)
  local row = win.process.get(pid, {usage = true})
  return {memory = row.private_memory > 0 and row.private_memory or row.memory, handles = row.handles} -- Wine knows no private
end

-- Lets listeners come and go until the service has looked so often; returns what it uses then, and its runs.
local function after(looks, pid)
  local said
  repeat
    local socket = test.listen {port = PORT}
    test.sleep(0.3)
    socket:close()
    test.sleep(0.3)
    local file = io.open(services.FOLDER .. "p80-soak.json")
    said = file and require "dkjson".decode(file:read "a") or {looks = 0}
    if file then file:close() end
  until said.looks >= looks
  local used = usage(pid)
  print(("%d looks, %d runs: %.1f KiB of memory, %d handles"):format(said.looks, said.runs, used.memory / 1024, used.handles))
  io.flush()
  return used
end

function T:test_10000_looks_leave_memory_and_handles_flat()
  services.install("p80-soak", "--gap", "0.01", services.playbook "", "--port", tostring(PORT))
  services.wait_log("p80-soak", "nothing had to change")
  local _, pid = test.service_state "p80-soak"
  local early = after(LOOKS // 10, pid)
  for looks = LOOKS // 4, LOOKS * 3 // 4, LOOKS // 4 do after(looks, pid) end
  local late = after(LOOKS, pid)
  lu.assertTrue(late.memory - early.memory < 512 * 1024, late.memory - early.memory)
  lu.assertTrue(late.handles - early.handles <= 2, late.handles - early.handles)
  lu.assertEquals(services.count(services.log "p80-soak", "p80 itself failed"), 0)
end
