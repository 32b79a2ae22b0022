-- The configuration of HTTP.SYS on plain Wine, which reports success and keeps nothing: p80 reads back and says so.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "HttpPretends"

function T:test_a_write_that_did_not_take_is_an_error()
  case.holder {"--http", "http://+:80/"}
  for _, write in ipairs {"iplisten.add '127.0.0.1'", "urlacl.add('http://+:80/x/', {user = 'S-1-5-20'})"} do
    local result = case.exits(case.p80 {"--json", "--allow", "http.*", "-e", "win.http." .. write}, 1)
    lu.assertEquals({result.json.error.name, result.json.error.code}, {"P80_NOT_TAKEN", 0x20000001})
    lu.assertEquals(result.json.changed, 0)
    lu.assertStrContains(result.json.error.message, "reading it back")
  end
  lu.assertStrContains(case.exits(case.p80 {"undo"}, 1).stderr, "nothing to take back")
end

function T:test_what_is_not_there_needs_no_change()
  case.holder {"--http", "http://+:80/"}
  for _, write in ipairs {"iplisten.delete '127.0.0.1'", "urlacl.delete 'http://+:80/x/'"} do
    local result = case.exits(case.p80 {"--json", "-e", "require 'p80'.report(win.http." .. write .. ")"}, 0)
    lu.assertEquals({result.json.result, result.json.changed}, {false, 0})
  end
end

function T:test_free80_does_not_claim_that_the_list_was_restricted()
  case.holder {"--http", "http://+:80/"}
  local result = case.exits(case.p80 {"free80.lua", "--up-to", "iplisten", "--timeout", "0.3"}, 1)
  lu.assertStrContains(result.stderr, "P80_NOT_TAKEN")
  lu.assertNotEquals(case.bind(80), "ok")
end
