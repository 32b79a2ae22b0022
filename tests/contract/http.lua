-- The configuration of HTTP.SYS, which runs and has none.
local expect = require "expect"
local same, fails, agree, pick = expect.same, expect.fails, expect.agree, expect.pick
local http = win.http

same("it runs", http.is_running(), true)
same("no listen address", {http.iplisten.list()}, {{}, "api"})
same("adding one", http.iplisten.add "127.0.0.1", true)
same("once", http.iplisten.add "127.0.0.1", false)
same("another", http.iplisten.add "::0001", true)
local addresses = http.iplisten.list()
table.sort(addresses)
same("both", addresses, {"127.0.0.1", "::1"})
same("taking one", http.iplisten.delete "::1", true)
same("once", http.iplisten.delete "::1", false)
fails("no address", 87, http.iplisten.add, "localhost")
http.iplisten.delete "127.0.0.1"

local URL <const> = "http://+:8090/contract/"
same("no reservation", (http.urlacl.get(URL)), nil)
same("reserving", http.urlacl.add(URL, {sddl = "D:(A;;GX;;;NS)"}), true)
same("once", http.urlacl.add(URL, {sddl = "D:(A;;GX;;;S-1-5-20)"}), false)
local row, source = http.urlacl.get(URL)
same("it is there", {row.url, row.users[1].sid, row.users[1].listen, row.users[1].delegate, source}, {URL, "S-1-5-20", true, false, "api"})
same("for another", http.urlacl.add(URL, {user = "S-1-1-0", delegate = true}), true)
same("who has it alone", {#http.urlacl.get(URL).users, http.urlacl.get(URL).users[1].sid}, {1, "S-1-1-0"})
same("in the list", #http.urlacl.list(), 1)
fails("no URL", 87, http.urlacl.add, "http:/x", {sddl = "D:(A;;GX;;;NS)"})
fails("no access list", 87, http.urlacl.add, URL, {sddl = "nonsense"})
same("taking it back", http.urlacl.delete(URL), true)
same("once", http.urlacl.delete(URL), false)

local HASH <const>, APP <const> = ("ab"):rep(20), "{4dc3e181-e14b-4a21-b022-59fc669b0914}"
same("no certificate", (http.sslcert.get "0.0.0.0:8443"), nil)
same("binding one", http.sslcert.add("0.0.0.0:8443", {hash = HASH, appid = APP}), true)
same("once", http.sslcert.add("0.0.0.0:8443", {hash = HASH, appid = APP}), false)
same("it is there", pick(http.sslcert.get "0.0.0.0:8443", "binding", "hash", "appid", "store", "port"), {
  binding = "ipport=0.0.0.0:8443", hash = HASH, appid = APP, store = "MY", port = 8443,
})
same("changing it", http.sslcert.update("0.0.0.0:8443", {hash = ("cd"):rep(20)}), true)
same("is taken", http.sslcert.get("0.0.0.0:8443").hash, ("cd"):rep(20))
same("in the list", #http.sslcert.list(), 1)
same("taking it away", http.sslcert.delete "0.0.0.0:8443", true)
same("once", http.sslcert.delete "0.0.0.0:8443", false)
fails("nothing to change", 2, http.sslcert.update, "0.0.0.0:8443", {hash = HASH})

agree("what a binding is", http.sslcert.binding "www.contoso.com:443")
same("what is none", (http.sslcert.binding "x"), nil)
agree("the usual fields", http.sslcert.defaults())
agree("an access list", http.urlacl.sddl {user = "S-1-5-20", delegate = true})
agree("whom it lets", http.urlacl.users "D:(A;;GX;;;NS)(A;;GW;;;BA)(D;;GA;;;WD)")
fails("nobody", 1332, http.urlacl.sddl, {user = "p80-nobody"})
agree("a URL", http.url "HTTP://Www.Contoso.com/X")
agree("what is none", {http.url "http:/x"})
agree("a product", http.product "http://+:80/wsman/")
same("none", http.product "http://+:80/nothing/", nil)
same("an address as Windows has it", http.iplisten.normalize "::0001", "::1")
same("of this machine", {http.iplisten.is_local "127.0.0.1", http.iplisten.is_local "::1"}, {true, true})
fails("no address", 87, http.iplisten.is_local, "localhost")
agree("of netsh", #http.read_servicestate "Request queue name: x\n    Registered URLs:\n        HTTP://+:80/X/\n")

agree("numbers", {http.timeout.list(), http.cache.list(), http.setting.list()})
for _, subject in ipairs {"timeout", "setting"} do
  local name = http[subject].list()[1].name
  agree("none yet", {http[subject].get(name)})
  same("setting it", http[subject].set(name, 70), true)
  same("once", http[subject].set(name, 70), false)
  same("deleting it", http[subject].delete(name), true)
  same("once", http[subject].delete(name), false)
  agree("none again", {http[subject].get(name)})
end
-- http.timeout.delete, http.setting.list, http.setting.get, http.setting.set and http.setting.delete are those.
same("of the cache", http.cache.set("max_response_size", 4096), true)
agree("is read", {http.cache.get "max_response_size"})
fails("too much", 87, http.cache.set, "max_response_size", -1)
agree("parameters", http.parameters.list())
same("one", http.parameters.set("MaxFieldLength", 20000), true)
same("once", http.parameters.set("MaxFieldLength", 20000), false)
agree("is read", {http.parameters.get "MaxFieldLength"})
same("back", http.parameters.delete "MaxFieldLength", true)
same("once", http.parameters.delete "MaxFieldLength", false)
fails("no such one", 87, http.parameters.get, "MaxFieldLenght")
agree("the state", pick(http.state(), "source", "queues", "service"))
agree("nobody", {http.holders()})

same("a number", http.timeout.set("idle_connection", 60), true)
same("once", http.timeout.set("idle_connection", 60), false)
same("is read", {http.timeout.get "idle_connection"}, {60, "api"})
fails("no such number", 87, http.timeout.get, "idle")

-- ---- While it does not run ----

http.iplisten.add "127.0.0.1"
http.urlacl.add(URL, {sddl = "D:(A;;GX;;;NS)"})
http.sslcert.add("0.0.0.0:8443", {hash = HASH, appid = APP})
http.sslcert.add("www.contoso.com:8444", {hash = HASH, appid = APP})
same("stopping it", win.scm.stop("HTTP", {dependents = true}), true)
same("the listen list in the registry", {http.iplisten.list()}, {{"127.0.0.1"}, "registry"})
row, source = http.urlacl.get(URL)
same("the reservation", {row.url, row.sddl, source}, {URL, "D:(A;;GX;;;NS)", "registry"})
row, source = http.sslcert.get "0.0.0.0:8443"
same("the certificate", {row.hash, row.appid, row.store, source}, {HASH, APP, "MY", "registry"})
same("both", #http.sslcert.list(), 2)
fails("no change", 1062, http.iplisten.add, "127.0.0.2")
same("what is so already", http.iplisten.add "127.0.0.1", false)

expect.done()
