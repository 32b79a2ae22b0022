-- What must be done at the end of a block, whatever ends it; described in scripts/api/finally.lua.
local p80 = require "p80"
local console = require "console"
local checks = require "checks"
local finally = {}

local ABORTED <const> = 995 -- Ctrl-C
local pending = {} -- the blocks that are open, innermost last

-- Ends a block. What is done for Ctrl-C is not ended by the same Ctrl-C. An error of its own is raised when there was
-- none before; otherwise it is only said, so that it does not hide the first.
local function close(block, problem)
  if block.closed then return end
  block.closed = true
  for i = #pending, 1, -1 do
    if pending[i] == block then table.remove(pending, i) end
  end
  if type(problem) == "table" and problem.code == ABORTED then console.interrupted() end
  local ok, own = pcall(block.act, problem)
  if ok then return end
  if problem == nil then error(own, 0) end
  p80.log("error", "at the end of a block that had failed: " .. tostring(own))
end

local meta = {__close = close}

function finally.finally(act)
  if type(act) ~= "function" then checks "finally".bad("act", act, "a function") end
  pending[#pending + 1] = setmetatable({act = act}, meta)
  return pending[#pending]
end

-- os.exit ends a run without leaving its blocks. The playbook's own `os` is meant, of which a module has a copy.
local exit = _G.os.exit
function _G.os.exit(...)
  while #pending > 0 do close(pending[#pending]) end
  return exit(...)
end

return setmetatable(finally, {__call = function(_, act) return finally.finally(act) end})
