---@meta

---What may work at the next try: `local retry = require "retry"`. `retry(act, options)` is `retry.retry(act, options)`.
---@class retry
local retry = {}

---@class retry.options
---@field deadline? number seconds after which the last error is raised; default 30
---@field attempts? integer the most tries; without it only the deadline counts
---@field delay? number seconds before the second try; default 0.5
---@field factor? number each wait is so much longer than the one before; default 2
---@field most? number seconds, the longest wait; default 30
---@field on? (integer|string)[]|function codes and names of the errors that are worth a try, or a function that tells
---@field what? string what the progress says

---Calls a function until it raises no error. Without `on` every error object is worth another try but refusals and wrong
---arguments; errors that are text never are. Ctrl-C ends it at once. With --check there is one try.
---
---Errors: the last one of `act`.
---@param act function called with the number of the try
---@param options? retry.options
---@return any ... what `act` returns
function retry.retry(act, options) end

return retry
