-- The Task Scheduler, which has no tasks.
local expect = require "expect"
local same, fails, agree, pick = expect.same, expect.fails, expect.agree, expect.pick
local task = win.task
local is_old = task.version() == 1

agree("version", task.version())
same("no tasks", task.list(), {})
same("no such task", {task.get "none"}, {})

-- ---- Making ----

local PATH <const> = is_old and [[\Größe]] or [[\p80\Größe & more]]
local PROGRAM <const> = [[C:\Program Files\p80\p80.exe]]
local STARTUP <const> = {program = PROGRAM, arguments = 'run "free80" & more', at = "startup", description = "d"}

local FACTS <const> = {
  "path", "name", "state", "enabled", "last_result", "description", "account", "logon", "highest", "triggers", "actions",
}
local function facts(path)
  local row = pick(task.get(path), table.unpack(FACTS))
  if is_old then row.account = nil end -- Wine's scheduler has none
  return row
end

same("making one", task.create(PATH, STARTUP), true)
same("once", task.create(PATH:upper(), STARTUP), false)
agree("it is there", facts(PATH))
if not is_old then agree("as it is written", task.get(PATH:upper()).name) end
agree("in the list", pick(task.list()[1], "path", "name", "state", "enabled", "last_result", "triggers", "actions", "xml", "program"))
same("it has not run", {task.get(PATH).last_run, task.get(PATH).last_result}, {})
same("again and again", task.create(PATH, {program = PROGRAM, every = 3600, directory = [[C:\x]]}), true)
agree("so it is", facts(PATH))
same("at logon, not yet", task.create("Other", {program = PROGRAM, at = "logon", every = 86400, enabled = false}), true)
agree("both", {task.list()[1].path, task.list()[2].path, task.list()[2].state, task.list()[2].enabled})
agree("the other", facts "Other")
same("back on", task.create("other", {program = PROGRAM, at = "logon"}), true)
agree("it runs again", facts "Other")
if not is_old then
  same("by a service account", task.create([[\p80\low]], {program = "x", at = "logon", account = "NETWORK SERVICE", highest = false}), true)
  agree("is so", facts [[\p80\low]])
  task.delete [[\p80\low]]
end

fails("no path", 87, task.create, "a/b", STARTUP)
fails("no path", 87, task.get, "")
fails("no settings", 87, task.create, "x", "y")
fails("no program", 87, task.create, "x", {at = "startup"})
fails("no time", 87, task.create, "x", {program = PROGRAM})
fails("half minutes", 87, task.create, "x", {program = PROGRAM, every = 90})
fails("a misspelt key", 87, task.create, "x", {program = PROGRAM, at = "startup", acount = "x"})
fails("nobody", 1332, task.create, "x", {program = PROGRAM, at = "startup", account = "p80-nobody"})
if is_old then
  fails("a folder", 50, task.create, [[\a\b]], STARTUP)
  fails("without its rights", 50, task.create, "x", {program = PROGRAM, at = "startup", highest = false})
end

-- ---- Running and deleting ----

same("running one", task.run "Other", true)
same("again", task.run "other", true)
fails("running none", 2, task.run, "none")
task.create("Other", {program = PROGRAM, at = "logon", enabled = false})
if not is_old then fails("running one that is off", 0x80041326, task.run, "Other") end
same("deleting", task.delete "OTHER", true)
same("once", task.delete "Other", false)
same("it is gone", {task.get "Other", #task.list()}, {nil, 1})
same("deleting all", task.delete(PATH), true)
same("none is left", task.list(), {})

expect.done()
