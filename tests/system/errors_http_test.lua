-- build: shim
-- As errors_test.lua: every call of Windows fails once while the configuration of HTTP.SYS is changed.
local case = require "case"
local failing = require "failing"

local PARAMETERS = [[HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters]]

local Writes = case.suite "HttpWrites"

local function all_stored() return {win.reg.tree(PARAMETERS)} end

function Writes:test_http_sys()
  test.setenv("P80_SHIM_HTTP_CONFIG", "1")
  case.later(function() test.setenv("P80_SHIM_HTTP_CONFIG", nil) end)
  case.holder {"--http", "http://+:80/"}
  local function prepare()
    for _, address in ipairs((win.http.iplisten.list())) do win.http.iplisten.delete(address) end
    for _, row in ipairs((win.http.urlacl.list())) do win.http.urlacl.delete(row.url) end
    win.http.iplisten.add "10.0.0.1"
    win.http.urlacl.add("http://+:80/old/", "D:(A;;GX;;;NS)")
  end
  for _, write in ipairs {
    {op = "http.iplisten.add", arguments = {"127.0.0.1"}}, {op = "http.urlacl.add", arguments = {"http://+:80/old/", {user = "S-1-1-0"}}},
    {op = "http.urlacl.delete", arguments = {"http://+:80/old/"}},
  } do
    write.prepare, write.snapshot = prepare, all_stored
    failing.write(write)
  end
end
