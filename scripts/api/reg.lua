---@meta

---The registry. A key is one string, `[[HKLM\SOFTWARE\Contoso]]`: a hive (short or long name, any case) and names that
---a backslash separates. On 64-bit Windows the 64-bit view is the default, for a 32-bit p80 too, and `view=32` asks for
---the other. `[[\\SERVER\HKLM\SOFTWARE\Contoso]]` is a key of another machine: of its HKLM and HKU, while the service
---RemoteRegistry runs there (`ERROR_BAD_NETPATH` where nothing answers). Registry links are followed on the way to a key, as Windows does, but nothing that goes
---through a tree follows one.
---@class win.reg
local reg = {}

---@alias win.reg.view 32|64

---@alias win.reg.type
---| "sz" # text
---| "expand_sz" # text, as it is stored
---| "multi_sz" # an array of text
---| "dword" # an integer from 0 to 2^32-1
---| "dword_big_endian" # the same
---| "qword" # a 64-bit integer; from 2^63 on negative, as Lua has it
---| "binary" # bytes; so are none, resource_list, full_resource_descriptor, resource_requirements_list, type_<number>
---| "link" # text: the target of a registry link

---@class win.reg.value
---@field name string "" is the unnamed one
---@field type win.reg.type
---@field value string|integer|string[]
---@field raw? string the stored bytes, where they are not what `win.reg.set` would write for the value

---@class win.reg.node
---@field keys table<string, win.reg.node> by name
---@field values win.reg.value[]
---@field security? string the key's access list as SDDL, where it is more than what it inherits
---@field link? string of a registry link: the kernel's name of its target; it has no keys and no values

---@class win.reg.section
---@field key string with the long name of its hive
---@field delete? true the key is deleted, with all in it
---@field values? win.reg.section.row[] in the file's order

---@class win.reg.section.row
---@field name string "" is the default value (`@`)
---@field delete? true the value is deleted
---@field type? win.reg.type
---@field value? string|integer|string[]
---@field raw? string as in `win.reg.values`

---@class win.reg.difference
---@field key string below the two keys; "" is the keys themselves
---@field name? string of a value; nil when the keys differ: one is absent, or they are links to different keys
---@field left? win.reg.value|{link?: string} what the left key has; nil when it is absent there
---@field right? win.reg.value|{link?: string} what the right key has

---The differences between two keys: values that are absent, or have another type or other bytes, and keys that are absent.
---
---Rights: anyone, where the keys allow it
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/reg-compare>
---@param left string a key
---@param right string a key
---@param options? {tree?: boolean, view?: win.reg.view} with `tree=false` only the values of the two keys themselves
---@return win.reg.difference[] differences empty when they are the same
function reg.compare(left, right, options) end

---Copies the values of a key, and all below it, into another key; what is there besides stays. Registry links are left out.
---
---Errors: `ERROR_FILE_NOT_FOUND` when there is nothing to copy; `ERROR_NOT_SUPPORTED` for a registry link; `ERROR_ACCESS_DENIED`
---Rights: what the key allows; below HKLM an administrator
---Changes: `reg.key`, `reg.value`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/reg-copy>
---@param from string a key
---@param to string a key, which is created when it is missing
---@param options? {tree?: boolean, view?: win.reg.view} with `tree=false` only the values of the key itself
---@return boolean changed
function reg.copy(from, to, options) end

---Creates a key and the missing ones above it.
---
---Errors: `ERROR_ACCESS_DENIED`
---Rights: what the key above allows; below HKLM an administrator
---Changes: `reg.key` for each key that is missing
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-regcreatekeyexw>
---@param key string
---@param options? {view?: win.reg.view}
---@return boolean changed
function reg.create(key, options) end

---Deletes a value; without a name a key: an empty one or a registry link, and with `tree` all that is in it. Links in
---it are deleted themselves, never what they lead to.
---
---Errors: `ERROR_DIR_NOT_EMPTY` for a key with subkeys or values without `tree`; `ERROR_NOT_SUPPORTED` for a tree in
---HKCR, which is two trees in one; `ERROR_ACCESS_DENIED`
---Rights: what the key allows; below HKLM an administrator
---Changes: `reg.value`, `reg.key`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-regdeletevaluew>
---@param key string
---@param name? string of a value; "" is the unnamed one
---@param options? {tree?: boolean, view?: win.reg.view} may stand in the place of `name`
---@return boolean changed
---@overload fun(key: string, options: {tree?: boolean, view?: win.reg.view}): boolean
function reg.delete(key, name, options) end

---Whether there is such a key.
---
---Rights: anyone, where the key allows it
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-regopenkeyexw>
---@param key string
---@param options? {view?: win.reg.view}
---@return boolean exists
function reg.exists(key, options) end

---The text of a .reg file for a key and all below it, byte for byte as `regedit /e` writes it; `win.file.write` puts it
---into a file.
---
---regedit cuts text (`sz`) at the first NUL and takes missing terminators for granted; with `exact` such text, and text with
---line breaks, goes into hexadecimal data, so that an import brings back every byte. A registry link is a comment only.
---
---Errors: `ERROR_NO_UNICODE_TRANSLATION` when version 4 cannot have a character; `ERROR_NOT_SUPPORTED` when `key` is a link
---Rights: anyone, where the keys allow it
---Windows: Server 2003
---See: <https://support.microsoft.com/help/310516>
---@param key string
---@param options? {version?: 4|5, exact?: boolean, view?: win.reg.view} version 5 (the default) is UTF-16, version 4 (REGEDIT4) the code page of this Windows
---@return string? bytes nil when the key is absent
function reg.export(key, options) end

---Searches a key and all below it for text, as a part of names of keys and values and of data; letters from A to Z match in
---both cases. Numbers are found as 255 and 0xff, bytes by their hexadecimal digits. Registry links are not followed.
---
---Rights: anyone, where the keys allow it
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/reg-query>
---@param key string
---@param text string
---@param options? {where?: "keys"|"names"|"data", exact?: boolean, case?: boolean, type?: win.reg.type, tree?: boolean, view?: win.reg.view} `exact`: the whole of it; `case`: letters as they are; `tree=false`: only the key itself
---@return {key: string, name?: string, type?: win.reg.type, value?: string|integer|string[], raw?: string}[]? found rows without a name are keys; nil when the key is absent
---@return string[]? closed the keys that may not be read
function reg.find(key, text, options) end

---One value of a key.
---
---`raw` is there only when the stored bytes are not what `win.reg.set` would write for the value: text without its
---terminator or with embedded NULs, which stay in the value; an odd number of bytes, whose last the value lacks; empty
---strings in a multi_sz; numbers of a wrong size, whose value is the bytes.
---
---Errors: `ERROR_ACCESS_DENIED`
---Rights: anyone, where the key allows it
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-regqueryvalueexw>
---@param key string
---@param name? string nil and "" are the unnamed one
---@param options? {view?: win.reg.view}
---@return string|integer|string[]|nil value as its type says; nil when the key or the value is absent
---@return win.reg.type? type
---@return string? raw the stored bytes
function reg.get(key, name, options) end

---Does what a .reg file says, as one planned change that `p80 undo` takes back: keys and values that are made, changed and
---deleted. Version 4 and 5; UTF-16 and UTF-8 with their marks, version 5 also UTF-8 without; all else in the code page of this
---Windows. A file with a fault, or with a change that has no grant, changes nothing at all; regedit would pass over faults.
---
---Errors: `ERROR_INVALID_DATA` with line and text; `ERROR_FILE_NOT_FOUND`; `ERROR_NOT_SUPPORTED` for deleting a key of HKCR,
---which is two trees in one; `ERROR_ACCESS_DENIED`
---Rights: what the keys allow; below HKLM an administrator
---Changes: `reg.key`, `reg.value`
---Windows: Server 2003
---See: <https://support.microsoft.com/help/310516>
---@param source string the path of the file, or its text (which has lines)
---@param options? {view?: win.reg.view}
---@return boolean changed
function reg.import(source, options) end

---How much is in a key, and when it was last written. Of a registry link it tells about the link itself.
---
---Rights: anyone, where the key allows it
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-regqueryinfokeyw>
---@param key string
---@param options? {view?: win.reg.view}
---@return {keys: integer, values: integer, written: string, link?: string}? info `written` is ISO 8601 text in UTC, `link` the kernel's name of a link's target; nil when the key is absent
function reg.info(key, options) end

---The names of the subkeys of a key.
---
---Rights: anyone, where the key allows it
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-regenumkeyexw>
---@param key string
---@param options? {view?: win.reg.view}
---@return string[]? names in Windows' order; nil when the key is absent
function reg.keys(key, options) end

---Loads a hive file as a new key right below HKLM or HKU. Windows keeps it loaded until it is unloaded or restarts.
---
---Errors: `ERROR_FILE_NOT_FOUND`; `ERROR_ALREADY_EXISTS` when something else has the name of the key; `ERROR_PRIVILEGE_NOT_HELD`
---Rights: administrator
---Changes: `reg.hive`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-regloadkeyw>
---@param key string `[[HKLM\Name]]` or `[[HKU\Name]]`
---@param file string the path of the hive file
---@return boolean changed
function reg.load(key, file) end

---What a .reg file says, without doing it: an array of sections, one for each key in brackets.
---
---Errors: `ERROR_INVALID_DATA` with line and text
---Rights: anyone
---Windows: Server 2003
---See: <https://support.microsoft.com/help/310516>
---@param bytes string the file's
---@return win.reg.section[] sections
---@return 4|5 version
function reg.parse(bytes) end

---Makes a key and all below it what a hive file has that `win.reg.save` wrote; what is there besides goes. Access lists and
---registry links in the file are left out. The file is loaded for a moment, right below HKLM, to be read; so also in `--check`.
---When p80 is killed meanwhile, `p80 undo` or the next restore unloads it.
---
---Errors: `ERROR_FILE_NOT_FOUND`; `ERROR_FILE_TOO_LARGE` beyond 64 MiB; `ERROR_PRIVILEGE_NOT_HELD`
---Rights: administrator
---Changes: `reg.key`, `reg.value`; `reg.hive` for the loading
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/reg-restore>
---@param key string which must exist
---@param file string the path of the hive file
---@param options? {view?: win.reg.view}
---@return boolean changed
function reg.restore(key, file, options) end

---Writes a key and all below it into a new hive file.
---
---Errors: `ERROR_FILE_NOT_FOUND`; `ERROR_ALREADY_EXISTS` when the file is there; `ERROR_PRIVILEGE_NOT_HELD`
---Rights: administrator
---Changes: `reg.save`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-regsavekeyexw>
---@param key string
---@param file string the path of the file
---@param options? {view?: win.reg.view}
---@return boolean changed
function reg.save(key, file, options) end

---Who owns a key and who may do what with it.
---
---Errors: `ERROR_ACCESS_DENIED`
---Rights: anyone, where the key allows it
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-reggetkeysecurity>
---@param key string
---@param options? {view?: win.reg.view}
---@return string? sddl owner, group and access list; nil when the key is absent
function reg.security(key, options) end

---Writes a value. Creates the key when it is missing. Without a type, text becomes sz, an integer dword, an array of
---text multi_sz, whatever the value was before.
---
---Errors: `ERROR_ACCESS_DENIED`; `ERROR_INVALID_PARAMETER` when the value does not fit its type
---Rights: what the key allows; below HKLM an administrator
---Changes: `reg.value`; `reg.key` for each key that is missing
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-regsetvalueexw>
---@param key string
---@param name string? nil and "" are the unnamed one
---@param value string|integer|string[]
---@param options? win.reg.type|{type?: win.reg.type, view?: win.reg.view}
---@return boolean changed
function reg.set(key, name, value, options) end

---Sets owner, group and access list of a key, those of them that the SDDL names. Keys below do not inherit from it what they
---have already.
---
---Errors: `ERROR_FILE_NOT_FOUND` when the key is absent; `ERROR_ACCESS_DENIED`; `ERROR_INVALID_OWNER`
---Rights: administrator, or what the key allows
---Changes: `reg.security`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-regsetkeysecurity>
---@param key string
---@param sddl string such as `D:P(A;;KA;;;SY)(A;;KA;;;BA)(A;;KR;;;BU)`
---@param options? {view?: win.reg.view}
---@return boolean changed
function reg.set_security(key, sddl, options) end

---Everything below a key. A registry link, also `key` itself, is not followed.
---
---Errors: `ERROR_FILE_TOO_LARGE` when the tree takes more than 64 MiB; `ERROR_INVALID_NAME` when a key or value in it has
---a NUL in its name
---Rights: anyone, where the keys allow it
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-regenumkeyexw>
---@param key string
---@param options? {view?: win.reg.view}
---@return win.reg.node? tree nil when the key is absent
function reg.tree(key, options) end

---Unloads a hive that was loaded as a key. No program may have a key in it open.
---
---Errors: `ERROR_NOT_SUPPORTED` for a key that is no loaded hive; `ERROR_ACCESS_DENIED` while a key in it is open;
---`ERROR_PRIVILEGE_NOT_HELD`
---Rights: administrator
---Changes: `reg.hive`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-regunloadkeyw>
---@param key string `[[HKLM\Name]]` or `[[HKU\Name]]`
---@return boolean changed
function reg.unload(key) end

---All values of a key, as `win.reg.get` gives them.
---
---Rights: anyone, where the key allows it
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-regenumvaluew>
---@param key string
---@param options? {view?: win.reg.view}
---@return win.reg.value[]? rows in Windows' order; nil when the key is absent
function reg.values(key, options) end

---Waits for changes of a key: `for info in win.reg.watch(key, {timeout = 60}) do ... end`. Changes since the last turn of the
---loop count, so that none is missed, and many at once may be one. Ctrl-C ends the wait; so do `timeout` seconds without a
---change, and the end of the key.
---
---Errors: `ERROR_FILE_NOT_FOUND` when the key is absent; `ERROR_ACCESS_DENIED`
---Rights: anyone, where the key allows it
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winreg/nf-winreg-regnotifychangekeyvalue>
---@param key string
---@param options? {tree?: boolean, timeout?: number, view?: win.reg.view} `tree`: also what is below; without `timeout` it waits for ever
---@return fun(): {keys: integer, values: integer, written: string}? changes for each change what the key has by then, as in `win.reg.info`
function reg.watch(key, options) end

return reg
