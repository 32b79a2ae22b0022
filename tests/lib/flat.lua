-- flat(f [, times]): calls f a thousand times and fails when that leaves handles open or memory behind.
local lu = require "luaunit"

-- The libraries that a first call loads keep some for ever.
local function settle(f)
  for _ = 1, 10 do f() end
  collectgarbage()
  collectgarbage()
  return test.handle_count(), collectgarbage "count"
end

return function(f, times)
  local handles, kilobytes = settle(f)
  for _ = 1, times or 1000 do f() end
  local handles_then, kilobytes_then = settle(f)
  lu.assertEquals(handles_then - handles, 0, "handles left open")
  lu.assertTrue(kilobytes_then - kilobytes < 16, ("%.0f KiB left behind"):format(kilobytes_then - kilobytes))
end
