-- build: shim
-- arch: x64
-- As errors_test.lua: every call of Windows fails once while the configuration of HTTP.SYS is changed.
local case = require "case"
local failing = require "failing"

local PARAMETERS = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]]

local GUID = "{4dc3e181-e14b-4a21-b022-59fc669b0914}"

local Writes = case.suite "HttpWrites"

local function all_stored() return {win.reg.tree(PARAMETERS)} end

-- Taken back, a timeout that was nobody's is 120 seconds as before, but by that number.
local function timeouts() return {(win.http.timeout.list())} end

function Writes:test_http_sys()
  test.setenv("P80_SHIM_HTTP_CONFIG", "1")
  case.later(function() test.setenv("P80_SHIM_HTTP_CONFIG", nil) end)
  case.holder {"--http", "http://+:80/"}
  local function prepare()
    for _, address in ipairs((win.http.iplisten.list())) do win.http.iplisten.delete(address) end
    for _, row in ipairs((win.http.urlacl.list())) do win.http.urlacl.delete(row.url) end
    for _, row in ipairs((win.http.sslcert.list())) do win.http.sslcert.delete(row.kind, row, row.binding) end
    win.http.timeout.delete(3, 0, "idle_connection")
    win.reg.delete(PARAMETERS, "MaxFieldLength")
    win.http.sslcert.add("hostnameport", {host = "a.example", port = 443, hash = ("ab"):rep(20), appid = ("0"):rep(32), store = "MY"}, "a.example:443")
    win.http.iplisten.add "10.0.0.1"
    win.http.urlacl.add("http://+:80/old/", "D:(A;;GX;;;NS)")
  end
  for _, write in ipairs {
    {op = "http.iplisten.add", arguments = {"127.0.0.1"}}, {op = "http.urlacl.add", arguments = {"http://+:80/old/", {user = "S-1-1-0"}}},
    {op = "http.urlacl.delete", arguments = {"http://+:80/old/"}},
    {op = "http.sslcert.add", arguments = {"ccs=443", {appid = GUID}}}, {op = "http.sslcert.update", arguments = {"a.example:443", {reject = true}}},
    {op = "http.timeout.set", arguments = {"idle_connection", 5}, snapshot = timeouts},
    {op = "http.parameters.set", arguments = {"MaxFieldLength", 64}},
  } do
    write.prepare, write.snapshot = prepare, write.snapshot or all_stored
    failing.write(write)
  end
end
