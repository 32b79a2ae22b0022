-- A recipe that goes from page to page: "apply this .reg file, and port 80 is free". It does nothing, for two
-- reasons. UrlAclInfo is a key, and its values are the reservations; the file makes an empty value of that name
-- beside the key, which nothing reads. And reservations hold no port: HTTP.SYS listens where a program registers a
-- URL. The playbook applies the file as it is, shows that all is as before, and `p80 undo` takes it back.
--   p80 examples\urlaclinfo-myth.lua [--check]
local p80 = require "p80"

local PARAMETERS = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]]
local FILE = [[
Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]
"UrlaclInfo"=hex(7):00,00
]]

p80.playbook {
  name = "urlaclinfo-myth", version = "1.0.0", summary = "Apply a .reg file that does not free port 80, and see why.",
  grants = {"reg.key:" .. PARAMETERS, "reg.value:" .. PARAMETERS .. "\\*"},
}

local reservations, before = #win.http.urlacl.list(), win.tcp.probe(80).free
win.reg.import(FILE)
print(("the value UrlaclInfo: %d texts, read by nobody"):format(#win.reg.get(PARAMETERS, "UrlaclInfo")))
print(("the key UrlAclInfo: %d reservations, before %d"):format(#win.http.urlacl.list(), reservations))
print(("port 80: %s, before %s"):format(win.tcp.probe(80).free and "free" or "taken", before and "free" or "taken"))
