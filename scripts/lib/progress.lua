-- Long work and long waits, shown; described in scripts/api/progress.lua.
local p80 = require "p80"
local console = require "console"
local checks = require "checks"
local progress = {}

local bar = {}
bar.__index = bar

function bar:step(done) console.progress(self.what, done) end
function bar:stop() console.progress() end
bar.__close = bar.stop

function progress.start(what)
  checks "progress.start".text("what", what)
  local started = setmetatable({what = what}, bar)
  started:step()
  return started
end

function progress.each(list, what)
  local started = progress.start(what)
  local function step(_, i)
    if i == #list then return nil end
    started:step(i / #list)
    return i + 1, list[i + 1]
  end
  return step, nil, 0, started
end

function progress.wait(what, seconds, test, interval)
  local check = checks "progress.wait"
  check.seconds("seconds", seconds)
  interval = check.opt_seconds("interval", interval, 0.5)
  local started <close> = progress.start(what)
  local began = p80.clock()
  while true do
    local result, passed = test(), p80.clock() - began
    if result then return result end
    if p80.check then return true end
    if passed >= seconds then return nil end
    started:step(passed / seconds)
    p80.sleep(math.min(interval, seconds - passed))
  end
end

return progress
