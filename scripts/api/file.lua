---@meta
---Whole files: read at once, replaced at once, and taken back by `p80 undo`. For everything else there are Lua's own `io`
---and `lfs`, whose writes need the same grant but cannot be taken back. In `--check` only win.file.read sees what win.file.write
---has planned; `io` and `lfs` see the disk.
---@class win.file
local file = {}

---The bytes of a file.
---
---Errors: `ERROR_ACCESS_DENIED`, also for a folder; `ERROR_FILE_TOO_LARGE` beyond 256 MiB; `ERROR_BAD_FILE_TYPE` for a device.
---Rights: anyone who may read the file
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/fileapi/nf-fileapi-readfile>
---@param path string
---@return string? bytes nil when there is no such file
function file.read(path) end

---Replaces a file by one with these bytes, or makes it. At every moment, even when the power fails, there is the old file or
---the new one, whole. A file that is replaced keeps its security, attributes and streams. The folder must exist.
---
---Errors: `ERROR_PATH_NOT_FOUND` without the folder; `ERROR_SHARING_VIOLATION` while a program has the file open;
---`ERROR_FILE_TOO_LARGE` beyond 8 MiB, before or after; `ERROR_NOT_SUPPORTED` for a link.
---Rights: whoever may write in the folder
---Changes: `file.write`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-replacefilew>
---@param path string
---@param bytes string
---@return boolean changed
function file.write(path, bytes) end

---Deletes a file; false when there is none.
---
---Errors: `ERROR_ACCESS_DENIED`, also for a folder or a read-only file; `ERROR_FILE_TOO_LARGE` beyond 8 MiB; `ERROR_NOT_SUPPORTED`
---for a link.
---Rights: whoever may delete it
---Changes: `file.write`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/fileapi/nf-fileapi-deletefilew>
---@param path string
---@return boolean changed
function file.delete(path) end

---The absolute path of a file or folder, which need not exist: what a grant for it is compared with.
---
---Errors: `ERROR_INVALID_NAME`.
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/fileapi/nf-fileapi-getfullpathnamew>
---@param path string
---@return string absolute
function file.absolute(path) end

---Where a path really leads: the path of what is there with all links followed and 8.3 names written out. What a grant for
---writing there is compared with.
---
---Errors: `ERROR_FILE_NOT_FOUND` and the like for a link that leads nowhere, or where p80 may not look
---Rights: anyone
---Windows: Server 2003; links are followed since Vista
---See: <https://learn.microsoft.com/en-us/windows/win32/api/fileapi/nf-fileapi-getfinalpathnamebyhandlew>
---@param path string
---@return string? final nil when nothing is there, or p80 may not look
---@return boolean? is_sure false when Windows did not tell and only the names are written out
function file.final(path) end

---Whether the last name of a path is a symbolic link, a junction or another reparse point.
---
---Errors: none but for arguments
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/fileio/reparse-points>
---@param path string
---@return boolean is_link
function file.is_link(path) end

return file
