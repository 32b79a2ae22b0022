---@meta
---The event logs. Reading uses the API of Windows Vista and later where it exists, and the old one before; the rows are
---the same.
---@class win.event
local event = {}

---@class win.event.row
---@field log string "System"
---@field source string the provider's name
---@field id integer
---@field level "critical"|"error"|"warning"|"information"|"verbose"|"audit_success"|"audit_failure"
---@field category integer
---@field time string when it happened, "2026-11-22T12:00:00Z"
---@field record integer its number in the log
---@field computer string
---@field sid? string the account
---@field strings string[] what the event says
---@field message? string the whole text; absent when its source has none on this machine

---Events of a log, the newest first.
---
---Errors: `ERROR_EVT_CHANNEL_NOT_FOUND` when there is no such log; `ERROR_ACCESS_DENIED`.
---Rights: anyone; administrator for Security
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winevt/nf-winevt-evtquery>
---@param log? string a log ("System", which is the default, "Application") or, since Vista, a channel
---@param options? {source?: string, id?: integer, level?: string, since?: string, max?: integer} only those; `since` is a time such as "2026-11-22T12:00:00Z"; at most `max` (100)
---@return win.event.row[] rows
function event.read(log, options) end

---The names of the logs and, since Vista, channels.
---
---Errors: none but for arguments
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/eventlog/eventlog-key>
---@return string[] names
function event.logs() end

---Where a source is registered.
---
---Errors: none but for arguments
---Rights: anyone
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/eventlog/event-sources>
---@param source string
---@return {log: string, file?: string}? registration nil when it is not registered; `file` has its messages
function event.source(source) end

---Writes an event. Without `id` and `level` it is one of p80's own, by `kind`: "note" (1), "start" (100), "done" (101), "change"
---(102), "undo" (103), "failure" (110, an error), "refusal" (111, a warning), "restart" (112, a warning), "flapping" (113, a
---warning), "calm" (114), "cut_off" (115, a warning). These numbers do not change. A source that is not registered writes to
---Application, and viewers lack its text. An event is a record itself: it is in no run of `p80 runs`, and no other run
---waits for the one that writes it.
---
---Errors: `P80_NOT_TAKEN` when the log does not show the event afterwards.
---Rights: anyone; what only administrators may write to is up to the log
---Changes: `event.entry`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-reporteventw>
---@param options {text?: string, strings?: string[], kind?: string, source?: string, id?: integer, level?: string} either `text` or `strings`; `source` is "p80" by default; `level` is "information", "warning", "error", "audit_success" or "audit_failure"
---@return boolean changed
function event.write(options) end

---Registers a source of events, with the file that has its messages.
---
---Errors: `ERROR_EVT_CHANNEL_NOT_FOUND` when there is no such log.
---Rights: administrator
---Changes: `event.source`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/eventlog/event-sources>
---@param source string
---@param options? {log?: string, file?: string} "Application" and p80.exe by default
---@return boolean changed
function event.register(source, options) end

---Takes the registration of a source away; its events stay.
---
---Errors: `ERROR_ACCESS_DENIED`.
---Rights: administrator
---Changes: `event.source`
---Windows: Server 2003
---See: <https://learn.microsoft.com/en-us/windows/win32/eventlog/event-sources>
---@param source string
---@return boolean changed
function event.unregister(source) end

return event
