-- What is kept of a service's configuration: "Plain" is stopped and has only what it was made with.
local expect = require "expect"
local same, fails, agree, pick = expect.same, expect.fails, expect.agree, expect.pick
local scm = win.scm

local fresh = scm.details "Plain"
same("no failure actions", pick(fresh.failure, "reset_period", "command", "reboot_message", "actions", "on_non_crash"), {
  reset_period = 0, command = "", reboot_message = "", actions = {}, on_non_crash = false,
})
same("nothing else", pick(fresh, "description", "sid_type", "privileges", "triggers"), {description = "", sid_type = "none", privileges = {}, triggers = {}})

agree("all of them", fresh)

local FAILURE <const> = {reset_period = 3600, actions = {{action = "restart", delay = 1.5}, {action = "none"}}}
same("failure actions", scm.config("Plain", {failure = FAILURE}), true)
same("are read", pick(scm.details("Plain").failure, "reset_period", "actions"), {
  reset_period = 3600, actions = {{action = "restart", delay = 1.5}, {action = "none", delay = 0.0}},
})
same("once", scm.config("Plain", {failure = FAILURE}), false)
same("others", scm.config("Plain", {
  description = "Größe", sid_type = "unrestricted", privileges = {"SeChangeNotifyPrivilege"}, preshutdown_timeout = 20,
}), true)
same("are read, too", pick(scm.details "Plain", "description", "sid_type", "privileges", "preshutdown_timeout"), {
  description = "Größe", sid_type = "unrestricted", privileges = {"SeChangeNotifyPrivilege"}, preshutdown_timeout = 20.0,
})
same("a delayed start", {scm.config("Plain", {start = "auto", delayed = true}), scm.get("Plain").delayed}, {true, true})
fails("which only an automatic one has", 87, scm.config, "Plain", {start = "demand", delayed = true})

local TRIGGERS <const> = {
  {type = "ip_address", action = "start", subtype = "first_ip_address_arrival"},
  {type = "custom", action = "stop", subtype = "{d02a9c27-79b8-40d6-9b97-cf3f8b7b5d60}", data = {{type = "text", value = {"a", "b"}}, {type = "binary", value = "00ff"}}},
}
same("triggers", scm.config("Plain", {triggers = TRIGGERS}), true)
local read = scm.details("Plain").triggers
same("are read in words", pick(read[1], "type", "action", "subtype"), TRIGGERS[1])
same("with their data", read[2].data, TRIGGERS[2].data)
same("once", scm.config("Plain", {triggers = TRIGGERS}), false)

same("security", scm.set_security("Plain", "D:(A;;GA;;;BA)(A;;CCLC;;;WD)"), true)
same("is read", (scm.security("Plain"):gsub("^.*D:", "D:")), "D:(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;BA)(A;;CCLC;;;WD)")
same("once", scm.set_security("Plain", "D:(A;;GA;;;BA)(A;;CCLC;;;WD)"), false)
fails("no security", 87, scm.set_security, "Plain", "nonsense")

same("a service with all of it", scm.create("Made", {path = [[C:\made.exe]], description = "made", failure = FAILURE, dependencies = {"Plain"}}), true)
same("it has it", {scm.details("Made").description, scm.get("Made").dependencies}, {"made", {"Plain"}})
same("who needs whom", scm.get("Plain").dependents, {"Made"})
same("gone again", {scm.delete "Made", scm.get("Plain").dependents}, {true, {}})

expect.done()
