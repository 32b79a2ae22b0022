---@meta

---What runs in the kernel: drivers, whose they are, and what they do on the network. `driverquery`, `sc query type= driver`
---and `fltmc` answer parts of it.
---@class win.driver
local driver = {}

---@class win.driver.row
---@field name string the image's file name in lower case
---@field path string the image's path
---@field loaded boolean whether the kernel has it loaded
---@field service? string the service of the driver; absent for parts of the kernel and libraries of drivers
---@field display_name? string of the service
---@field type? "kernel_driver"|"file_system_driver" of the service
---@field state? win.scm.state of the service
---@field group? string the load order group of the service, such as "NDIS" or "PNP_TDI"
---@field base? integer its address; 0 where p80 may not see it
---@field size? integer bytes in memory
---@field company? string with the option `version`, like the next three: what the file says of itself
---@field product? string
---@field description? string
---@field version? string its numbers, "10.0.20348.1"
---@field signature? "signed"|"unsigned"|"untrusted"|"unknown" with the option `signature`: of the file or by a catalog; unknown where the file cannot be read
---@field signer? string the name in the certificate that signed
---@field trust_code? integer what Windows says of a file that is not "signed", such as 0x800B0100
---@field roles? string[] with the option `roles`: what it is on the network, from the functions it calls and the network components that are installed: "filter", "protocol", "adapter", "intermediate" (NDIS), "callout" (Windows Filtering Platform), "tdi", "sockets" (Winsock Kernel), "client", "service"
---@field reason? string of `driver.third_party`: why it is not Microsoft's

---All drivers that have a service, loaded or not, and whatever else the kernel has loaded, by name.
---
---Rights: anyone; addresses need an administrator
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winternl/nf-winternl-ntquerysysteminformation>
---@param options? {version?: boolean, signature?: boolean, roles?: boolean} what else to tell; each reads every file, `signature` takes longest
---@return win.driver.row[] rows
function driver.list(options) end

---The drivers that are not Microsoft's, each with the `reason`: not signed, not trusted, another company, another signer.
---Microsoft signs the drivers of others, too, and anybody can write a company's name into a file: both must hold.
---
---Rights: anyone; addresses need an administrator
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/wintrust/nf-wintrust-winverifytrust>
---@param options? {loaded?: boolean} only those that are loaded
---@return win.driver.row[] rows with version, signature and roles
function driver.third_party(options) end

---Version, signature and roles of one file, a driver or any other image. Nothing is fetched from the network: a certificate
---that has been revoked since is not noticed.
---
---Rights: anyone who may read the file
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/wintrust/nf-wintrust-winverifytrust>
---@param path string from the root
---@return {path: string, version?: string, company?: string, product?: string, description?: string, signature: string, signer?: string, trust_code?: integer, roles: string[]}? image nil when there is no such file
function driver.inspect(path) end

return driver
