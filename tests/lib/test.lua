-- The Lua half of the module `test` (the other is tests/runner.c); p80-test.exe runs it before the script.
local test = ...

package.path = test.path:gsub("|", ";")

-- The program under test: p80-shim.exe for test files that begin with "-- build: shim".
test.p80 = test.bin .. (test.build == "shim" and "p80-shim.exe" or "p80.exe")

-- test.spawn{path=, args={}, env={}, cwd=, stdin=text, timeout=60} runs a program to its end
-- -> {code=, stdout=, stderr=, timed_out=boolean, seconds=}. A program that takes longer is ended with its children.
function test.spawn(options)
  local began = test.clock()
  local process = test.start {path = options.path, args = options.args, env = options.env, cwd = options.cwd}
  if options.stdin then process:write(options.stdin) end
  process:write()
  local result = process:wait(options.timeout or 60)
  local timed_out = result == nil
  if timed_out then
    process:kill()
    result = process:wait(10)
  end
  process:close()
  result.timed_out = timed_out
  result.seconds = test.clock() - began
  return result
end

-- Leaves word for tests/wine-run.sh to restart the machine and run this script again, with `phase` in test.phase.
function test.restart_machine(phase)
  local file = assert(io.open("C:\\p80-reboot", "w"))
  file:write(phase)
  file:close()
  os.exit(0, true)
end

local last = arg[#arg] or ""
test.phase = last:match "^%-%-phase=(.*)"
if test.phase then table.remove(arg) end -- luaunit takes the others as names of tests

-- Ends the whole file as skipped.
function test.skip(reason)
  print("skipped: " .. reason)
  os.exit(77, true)
end

-- What the host calls when the script has ended: runs the luaunit suite, if there is one -> exit code.
function test.finish()
  local luaunit = package.loaded.luaunit
  if not luaunit then return 0 end
  local runner = luaunit.LuaUnit.new()
  if runner:runSuite() > 0 then return 1 end
  local result = runner.result
  if result.successCount == 0 and result.skippedCount > 0 then return 77 end
  return 0
end
