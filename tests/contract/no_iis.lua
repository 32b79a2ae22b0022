-- A machine without IIS.
local expect = require "expect"
local same, fails = expect.same, expect.fails
local iis = win.iis

same("no store", iis.store(), nil)
fails("no sites", 50, iis.sites)
fails("no site", 50, iis.get, "x")
fails("no bindings", 50, iis.bindings)
fails("nothing to move", 50, iis.move, "x", "*:80:", 81)
fails("nothing to start", 50, iis.start, "x")
fails("nothing to stop", 50, iis.stop, 1)
same("no part of it", win.feature.list(), {})
same("none to remove", win.feature.plan_remove "IIS", nil)
same("removing none", win.feature.remove "IIS", false)
fails("no such part", 87, win.feature.remove, "")

expect.done()
