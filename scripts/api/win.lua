---@meta

---Windows for administrators: every playbook has it as the global `win`. Reads return plain tables, `nil` or an empty
---array for nothing found; writes return whether they changed something. All other failures raise an error object,
---`{op=, target=, code=, name=, message=, hint=}`. Times are seconds, sizes bytes, addresses text, time stamps ISO 8601
---text in UTC.
---
---A write needs a grant of the kind that its entry names under "Changes": from the playbook's manifest, or `--allow`.
---
---Any function that is called with wrong arguments raises ERROR_INVALID_PARAMETER with the name of the argument as
---`target`; that is not repeated below.
---@class win
---@field account win.account
---@field driver win.driver
---@field event win.event
---@field feature win.feature
---@field file win.file
---@field host win.host
---@field http win.http
---@field iis win.iis
---@field process win.process
---@field reg win.reg
---@field scm win.scm
---@field task win.task
---@field tcp win.tcp
---@field udp win.udp
win = {}

---What every failure raises; `tostring` of it is one line for people.
---@class win.error
---@field op string the function that failed, such as "scm.stop"
---@field target? string what it was about: a service, a key, the name of an argument
---@field code integer the code of Windows, such as 5
---@field name? string its name, such as "ERROR_ACCESS_DENIED"
---@field message string what Windows says about it
---@field hint? string what may help

return win
