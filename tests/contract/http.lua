-- The configuration of HTTP.SYS, which runs and has none.
local expect = require "expect"
local same, fails, pick = expect.same, expect.fails, expect.pick
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
