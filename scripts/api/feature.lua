---@meta

---Which parts of IIS are installed, and removing them: what `sysocmgr`, `pkgmgr`, `ocsetup` and `dism` do, each on its own
---Windows.
---@class win.feature
local feature = {}

---@class win.feature.row
---@field name? string by which it is removed: "IIS-FTPServer", on Windows Server 2003 "iis_ftp"; absent for a component that p80 does not know
---@field component string the name in the registry

---@class win.feature.plan
---@field program string
---@field args string[]
---@field command string the same as one line
---@field features string[] what it removes
---@field file? string on Windows Server 2003: the answer file, which is there while the program runs
---@field text? string and what is in it

---The parts of IIS that are installed, as Windows' setup keeps them in the registry; on Windows Server 2003 with ASP.NET
---and the FrontPage extensions.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/iis/install/installing-iis-7/discover-installed-components>
---@return win.feature.row[] rows
function feature.list() end

---The command that removes a part of IIS on this Windows. Features that need it go with it.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows-hardware/manufacture/desktop/dism-operating-system-package-servicing-command-line-options>
---@param name string as `feature.list` gives it, or "IIS" for all of it
---@return win.feature.plan? plan nil when it is not installed
function feature.plan_remove(name) end

---Removes a part of IIS with the command that `feature.plan_remove` gives. When Windows must be restarted to finish it, the
---run ends with 3010. Nothing takes it back.
---
---Errors: the exit code of the program; `P80_NOT_TAKEN` when the registry still has it afterwards.
---Rights: administrator
---Changes: `process.run` of that program; on Windows Server 2003 `file.write` of the answer file, too
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows-hardware/manufacture/desktop/dism-operating-system-package-servicing-command-line-options>
---@param name string as `feature.list` gives it, or "IIS" for all of it
---@param options? {timeout?: number} seconds, default 3600
---@return boolean changed false when it is not installed
function feature.remove(name, options) end

return feature
