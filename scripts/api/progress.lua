---@meta

---Long work and long waits, shown: a bar on a console, now and then a line where standard error is a file, nothing with
---`--quiet`; and nothing at all in the first two seconds. `local progress = require "progress"`.
---@class progress
local progress = {}

---Shows a bar until it is stopped. There is one at a time.
---@param what string
---@return progress.bar bar `local bar <close> = progress.start "copying"` stops it by itself
function progress.start(what) end

---A bar that is shown.
---@class progress.bar
local bar = {}

---Shows how much is done.
---@param done? number 0 to 1; left out when nobody knows
function bar:step(done) end

---Removes the bar.
function bar:stop() end

---Goes through an array as `ipairs` does, and shows how far it is: `for i, file in progress.each(files, "reading") do`.
---@param list any[]
---@param what string
---@return function iterator for the loop
function progress.each(list, what) end

---Waits until something is so. With --check nothing has changed, so nothing is waited for: what is not so counts as if it
---came true.
---@param what string
---@param seconds number
---@param test function is called again and again; what it returns ends the wait when it is true
---@param interval? number seconds between two calls; default 0.5
---@return any? result what `test` returned; nil when the time is over
function progress.wait(what, seconds, test, interval) end

return progress
