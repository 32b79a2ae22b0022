-- Services that need each other: "Base" runs, "Middle" needs it and runs, "Top" needs Middle and runs, "Off" is disabled,
-- "NeedsOff" needs it, "Orphan" needs one that is not there.
local expect = require "expect"
local same, fails, pick = expect.same, expect.fails, expect.pick
local scm = win.scm

same("dependents in the order of stopping", scm.get("Base").dependents, {"Top", "Middle"})
same("dependencies", scm.get("Top").dependencies, {"Middle"})
local tree = scm.dependents "Base"
same("their tree", {tree.name, tree.dependents[1].name, tree.dependents[1].dependents[1].name}, {"Base", "Middle", "Top"})

fails("needed by others", 1051, scm.stop, "Base")
same("nothing was stopped", {scm.status("Base").state, scm.status("Top").state}, {"running", "running"})
same("with them", scm.stop("Base", {dependents = true}), true)
same("all are stopped", {scm.status("Base").state, scm.status("Middle").state, scm.status("Top").state}, {"stopped", "stopped", "stopped"})
same("starting the last", scm.start "Top", true)
same("starts what it needs", {scm.status("Base").state, scm.status("Middle").state, scm.status("Top").state}, {"running", "running", "running"})
same("restarting the first", scm.restart("Base", {dependents = true}), true)
same("starts the others again", {scm.status("Middle").state, scm.status("Top").state}, {"running", "running"})
fails("one that needs a disabled one", 1068, scm.start, "NeedsOff")
fails("one that needs nobody knows whom", 1075, scm.start, "Orphan")
same("other dependencies", scm.config("Top", {dependencies = {"Base"}}), true)
same("are taken", pick(scm.get "Top", "dependencies"), {dependencies = {"Base"}})

expect.done()
