-- What may work at the next try; described in scripts/api/retry.lua.
local p80 = require "p80"
local console = require "console"
local log = require "log"
local checks = require "checks"
local retry = {}

local KNOWN = {"deadline", "attempts", "delay", "factor", "most", "on", "what"}
local ABORTED <const> = 995 -- Ctrl-C
local NEVER = {P80_REFUSED = true, P80_BAD_MANIFEST = true, P80_BAD_ARGUMENTS = true, ERROR_INVALID_PARAMETER = true}

-- The function that tells whether an error is worth another try. Text is none by itself: mostly a script's fault.
local function chooser(on)
  if type(on) == "function" then return on end
  local chosen = {}
  for _, word in ipairs(on or {}) do chosen[word] = true end
  return function(problem)
    if type(problem) ~= "table" then return false end
    if on then return chosen[problem.code] or chosen[problem.name] end
    return not NEVER[problem.name]
  end
end

local function is_interrupt(problem) return type(problem) == "table" and problem.code == ABORTED end

local function checked(options)
  local check = checks "retry"
  options = check.options(options, KNOWN)
  if type(options.on) ~= "function" and options.on ~= nil and type(options.on) ~= "table" then
    check.bad("on", options.on, "an array of codes and names of errors, or a function")
  end
  return {
    deadline = p80.clock() + check.opt_seconds("deadline", options.deadline, 30),
    attempts = check.opt_integer("attempts", options.attempts, 1, math.maxinteger) or math.maxinteger,
    delay = check.opt_seconds("delay", options.delay, 0.5),
    factor = check.number("factor", options.factor or 2, 1, 100),
    most = check.opt_seconds("most", options.most, 30),
    on = chooser(options.on), what = options.what and check.text("what", options.what) or "trying again",
  }
end

function retry.retry(act, options)
  local how = checked(options)
  local stop <close> = setmetatable({}, {__close = function() console.progress() end})
  local attempt = 0
  while true do
    attempt = attempt + 1
    local results = table.pack(pcall(act, attempt))
    if results[1] then return table.unpack(results, 2, results.n) end
    local problem, left = results[2], how.deadline - p80.clock()
    local is_last = left <= 0 or attempt == how.attempts or p80.check
    if is_last or is_interrupt(problem) or not how.on(problem) then error(problem, 0) end
    log.debug("%s after try %d: %s", how.what, attempt, problem)
    console.progress(how.what)
    p80.sleep(math.min(how.delay, left))
    how.delay = math.min(how.delay * how.factor, how.most)
  end
end

return setmetatable(retry, {__call = function(_, ...) return retry.retry(...) end})
