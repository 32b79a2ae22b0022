---@meta

---What a playbook says while it runs: `local log = require "log"`. Lines go to standard error: without options all but
---"debug", with --quiet errors alone, with --verbose everything. Secrets of the run are masked in them.
---@class log
local log = {}

---Says an error, in every run.
---@param text string a format as string.format has it when more follows: `log.error("%s is gone", name)`
---@param ... any tables print on one line
function log.error(text, ...) end

---Says a warning.
---@param text string
---@param ... any
function log.warning(text, ...) end

---Says what goes on.
---@param text string
---@param ... any
function log.info(text, ...) end

---Says what only helps to find faults.
---@param text string
---@param ... any
function log.debug(text, ...) end

---Has every line from now on written to the end of a file, too, with its time (UTC) and level; --quiet does not shorten that.
---It is no change that counts, cannot be taken back, and is left alone with --check.
---
---Errors: `P80_REFUSED` without the grant `file.write`; `ERROR_PATH_NOT_FOUND`; `ERROR_ACCESS_DENIED`; `ERROR_NOT_SUPPORTED` for a link.
---Changes: `file.write`
---@param path string in a folder that exists
function log.file(path) end

return log
