---@meta

---What must be done at the end of a block, whatever ends it: `local finally = require "finally"`. `finally(act)` is
---`finally.finally(act)`.
---@class finally
local finally = {}

---Calls a function at the end of the block in which its result is kept: `local _ <close> = finally(function() ... end)`.
---It is called once, also when the block ends by an error, `return`, `break`, `os.exit` or Ctrl-C (a second Ctrl-C ends it, too);
---the innermost block comes first. When it fails itself and the block had not, its error is raised; otherwise it is said and the
---first error stays.
---@param act function called with the error that ended the block, or nil
---@return finally.block block
function finally.finally(act) end

---The end of a block, for a variable with `<close>`.
---@class finally.block
---@field closed? boolean

return finally
