---@meta
---Accounts by name and SID, and security descriptors as SDDL and as tables. SIDs are the same in every language of
---Windows; names are not, so compare SIDs.
---@class win.account
local account = {}

---@class win.account.record
---@field sid string "S-1-5-20"
---@field name? string "NT AUTHORITY\NETWORK SERVICE"; absent for an account that is not known here
---@field domain? string "NT AUTHORITY"
---@field type? "user"|"group"|"domain"|"alias"|"well_known"|"deleted"|"invalid"|"unknown"|"computer"|"label"|"logon_session"

---An account by its name or SID. English names of built-in accounts ("Administrators", "NETWORK SERVICE") work in every
---language of Windows.
---
---Errors: `ERROR_INVALID_PARAMETER` for a malformed SID; what a domain controller answers that cannot be asked.
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-lookupaccountnamew>
---@param name string a name ("DOMAIN\user", "user@domain") or a SID
---@return win.account.record? account nil when there is no such account
function account.get(name) end

---The SID of an account by its name or SID.
---
---Errors: `ERROR_NONE_MAPPED` when there is no such account.
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-lookupaccountnamew>
---@param name string
---@return string sid
function account.sid(name) end

---An account by its SID, or by what SDDL calls it ("BA", "NS").
---
---Errors: what a domain controller answers that cannot be asked.
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-lookupaccountsidw>
---@param sid string
---@return win.account.record? account nil when the text is no SID
function account.by_sid(sid) end

---An account by its name as this Windows has it, in its language.
---
---Errors: what a domain controller answers that cannot be asked.
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-lookupaccountnamew>
---@param name string
---@return win.account.record? account nil when there is no such account
function account.by_name(name) end

---The account that p80 runs as.
---
---Errors: none but for arguments
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/securitybaseapi/nf-securitybaseapi-gettokeninformation>
---@return win.account.record account
function account.current() end

---A security descriptor as Windows itself writes it, so that equal ones are equal text.
---
---Errors: `ERROR_INVALID_PARAMETER` when it is none.
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/secauthz/security-descriptor-string-format>
---@param sddl string
---@return string sddl
function account.canonical(sddl) end

---@class win.account.entry
---@field type string "allow", "deny", "audit", "mandatory_label", ...
---@field flags string[] "container_inherit", "object_inherit", "no_propagate", "inherit_only", "inherited", "audit_success", "audit_failure"
---@field rights string[]|integer words such as "generic_all", "file_read", "key_all", "write_dac", or the access mask
---@field sid string
---@field name? string
---@field object? string the GUID of a property or kind of object
---@field inherited_object? string
---@field condition? string of a conditional entry, with its parentheses

---@class win.account.list
---@field flags string[] "protected", "auto_inherit_requested", "auto_inherited", "none" (no list at all: everyone may do all)
---@field [integer] win.account.entry

---@class win.account.descriptor
---@field owner? win.account.record
---@field group? win.account.record
---@field dacl? win.account.list who may do what
---@field sacl? win.account.list what is recorded, and the integrity level

---A security descriptor as a table that can be read, changed and given to `win.account.sddl`.
---
---Errors: `ERROR_INVALID_PARAMETER` when it is none.
---Rights: anyone
---Windows: Server 2003; conditions and resource attributes since 7
---See: <https://learn.microsoft.com/en-us/windows/win32/secauthz/ace-strings>
---@param sddl string
---@return win.account.descriptor descriptor
function account.describe(sddl) end

---A table as `win.account.describe` gives it as SDDL. `owner`, `group` and the entries' `sid` or `name` may be names or SIDs.
---
---Errors: `ERROR_INVALID_PARAMETER` naming the field; `ERROR_NONE_MAPPED` for an account that does not exist.
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/secauthz/security-descriptor-string-format>
---@param description win.account.descriptor
---@return string sddl
function account.sddl(description) end

return account
