---@meta

---The machine, its Windows, and the rights that p80 runs with.
---@class win.host
local host = {}

---@class win.host.version
---@field major integer 5, 6 or 10
---@field minor integer
---@field build integer such as 20348
---@field service_pack integer 0 when there is none
---@field server boolean whether it is a server, no workstation
---@field text string such as "Windows Server 2003 Service Pack 2 (5.2.3790)"

---@class win.host.info
---@field version win.host.version
---@field edition string
---@field architecture string
---@field name string
---@field elevated boolean
---@field boot_time string

---The architecture of Windows, also for a 32-bit p80 on a 64-bit one.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/sysinfoapi/nf-sysinfoapi-getnativesysteminfo>
---@return string architecture "x64", "x86", "arm64"
function host.architecture() end

---When Windows started.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winternl/nf-winternl-ntquerysysteminformation>
---@return string boot_time ISO 8601 text in UTC
function host.boot_time() end

---Microsoft's name of the product type in lower case: "standard_server", "datacenter_server_core", "professional";
---"product_0x1234" for one that p80 does not know.
---
---Rights: anyone
---Windows: Vista; before that the suite mask of the system tells it
---See: <https://learn.microsoft.com/en-us/windows/win32/api/sysinfoapi/nf-sysinfoapi-getproductinfo>
---@return string edition
function host.edition() end

---Whether p80 runs with the full rights of an administrator.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/securitybaseapi/nf-securitybaseapi-checktokenmembership>
---@return boolean elevated
function host.elevated() end

---All that the other functions of this subject tell, in one record.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/sysinfo/system-information-functions>
---@return win.host.info info
function host.info() end

---The DNS host name of the machine, as it was typed: not cut to the 15 capitals of NetBIOS.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/sysinfoapi/nf-sysinfoapi-getcomputernameexw>
---@return string name
function host.name() end

---The real version of Windows, whatever compatibility settings say.
---
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/devnotes/rtlgetversion>
---@return win.host.version version
function host.version() end

return host
