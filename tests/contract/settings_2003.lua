-- What Windows Server 2003 knows of a service's configuration: "Plain" is stopped and has only what it was made with.
local expect = require "expect"
local same, fails, agree, pick = expect.same, expect.fails, expect.agree, expect.pick
local scm = win.scm

agree("a record", pick(scm.get "Plain", "name", "state", "delayed", "start", "type", "group", "tag", "interactive", "exit_code"))
agree("details", pick(scm.details "Plain", "description", "sid_type", "privileges", "preshutdown_timeout", "preferred_node", "triggers", "protection"))
agree("failure", scm.details "Plain".failure)
for i, settings in ipairs {
  {start = "auto", delayed = true}, {sid_type = "unrestricted"}, {privileges = {"SeChangeNotifyPrivilege"}}, {preshutdown_timeout = 20},
  {preferred_node = 0}, {triggers = {{type = "ip_address", action = "start", subtype = "first_ip_address_arrival"}}},
  {failure = {on_non_crash = true, reset_period = 60, actions = {{action = "restart"}}}},
} do fails(("setting %d, which came later"):format(i), 120, scm.config, "Plain", settings) end
same("a description", scm.config("Plain", {description = "d", start = "auto"}), true)
same("is read", scm.details "Plain".description, "d")
agree("the machine", {win.host.version().major, win.host.version().minor})

expect.done()
