-- The event logs, which are empty.
local expect = require "expect"
local same, fails, agree, pick = expect.same, expect.fails, expect.agree, expect.pick
local event = win.event

local logs = event.logs()
expect.has("logs", logs, "Application")
expect.has("logs", logs, "System")
same("nothing in them", {event.read(), event.read "Application"}, {{}, {}})
same("no such source", event.source "p80-contract", nil)
fails("no such log", 15007, event.read, "p80-nothing")
fails("no such level", 87, event.read, "System", {level = "loud"})
fails("no time", 87, event.read, "System", {since = "yesterday"})
fails("a misspelt option", 87, event.read, "System", {sauce = "x"})
fails("a source of no log", 15007, event.register, "p80-contract", {log = "p80-nothing"})

local function rows(...)
  local found = event.read(...)
  for i, row in ipairs(found) do
    found[i] = pick(row, "log", "source", "id", "level", "category", "record", "sid", "strings", "message")
  end
  return found
end

same("registering", event.register "p80-contract", true)
same("once", event.register "p80-contract", false)
agree("where it is", event.source("P80-CONTRACT").log)
same("writing", event.write {source = "p80-contract", text = "one", kind = "start"}, true)
same("with texts", event.write {source = "p80-contract", strings = {"zwei", "三"}, id = 7, level = "error"}, true)
same("an audit", event.write {source = "p80-contract", strings = {}, id = 8, level = "audit_failure"}, true)
agree("the newest first", rows "Application")
agree("by their source", #rows("Application", {source = "P80-CONTRACT"}))
agree("by their level", rows("application", {level = "error"}))
agree("by their number", rows("Application", {id = 100}))
agree("at most one", rows("Application", {max = 1}))
same("later ones", rows("Application", {since = "2999-01-01T00:00:00Z"}), {})
same("when it was", event.read("Application")[1].time:match "^%d+%-%d+%-%d+T%d+:%d+:%d+Z$" ~= nil, true)
same("other sources", event.write {source = "nobody's", text = "x"}, true)
agree("write to Application", rows("Application", {max = 1}))

same("moving it", event.register("p80-contract", {log = "System"}), true)
agree("it is there", event.source("p80-contract").log)
same("writing there", event.write {source = "p80-contract", text = "two"}, true)
agree("has its own numbers", rows "System")
fails("no text", 87, event.write, {source = "p80-contract"})
fails("no kind", 87, event.write, {text = "x", kind = "loud"})
fails("no source", 87, event.register, "a\\b")
same("unregistering", event.unregister "p80-contract", true)
same("once", event.unregister "p80-contract", false)
same("its events stay", #rows("System", {source = "p80-contract"}), 1)

expect.done()
