-- IIS, whose service W3SVC runs: site 1 "Default Web Site" is started and has http *:8091:, https *:8443: and
-- http [::1]:8091:www.example.com and http *:8083:, site 2 "Größe" is stopped and has https 127.0.0.1:8443:a.example, by its host name alone.
local expect = require "expect"
local same, fails, agree = expect.same, expect.fails, expect.agree
local iis = win.iis
local is_metabase = iis.store() == "metabase"

agree("store", iis.store())
agree("sites", iis.sites())
agree("bindings", iis.bindings())
same("by name in any case", iis.get("DEFAULT WEB SITE").id, 1)
same("by number", iis.get(2).name, "Größe")
same("no such site", {iis.get "none", iis.get(9)}, {})
fails("no name", 87, iis.get, {})
fails("too many arguments", 87, iis.sites, 1)

same("moving a binding", iis.move("Default Web Site", "*:8091:", 8081), true)
same("once", iis.move("default web site", "*:8091:", 8081), false)
same("one with an address", iis.move(1, "[::1]:8091:www.example.com", 8081), true)
same("one of https", iis.move("Größe", "127.0.0.1:8443:a.example", 8444, {protocol = "https"}), true)
agree("the rest stays", iis.bindings())
fails("no such site", 1168, iis.move, "none", "*:8091:", 8082)
fails("no such number", 1168, iis.move, 9, "*:8091:", 8082)
fails("no such binding", 1168, iis.move, 1, "*:99:", 8082)
fails("none of that protocol", 1168, iis.move, 1, "*:8081:", 8082, {protocol = "https"})
fails("no binding", 87, iis.move, 1, "80", 8082)
fails("no port", 87, iis.move, 1, "*:8081:", 0)
fails("a misspelt option", 87, iis.move, 1, "*:8081:", 8082, {protokol = "http"})
fails("it has that already", 183, iis.move, 1, "*:8081:", 8083)

same("stopping a site", iis.stop "Default Web Site", true)
same("once", iis.stop(1), false)
agree("which does not start with the service", expect.pick(iis.get(1), "state", "auto_start", "error"))
same("starting it", iis.start(1), true)
same("once", iis.start(1), false)
same("starting another", iis.start "Größe", true)
agree("both run", iis.sites())
fails("stopping none", 1168, iis.stop, "none")
fails("starting none", 1168, iis.start, 9)
fails("no site", 87, iis.stop, "")
fails("no time", 87, iis.start, 1, {timeout = -1})

if is_metabase then
  same("its other service", win.scm.stop "IISADMIN", true)
  fails("asking would start it", 1062, iis.sites)
  fails("so would a change", 1062, iis.stop, 1)
end
expect.done()
