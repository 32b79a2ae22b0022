-- win.http.server: what proves that HTTP.SYS has a port. Wine's own http.sys answers for real; replies of others, and of
-- HTTP.SYS on Windows, come from fixtures/holder.c.
local lu = require "luaunit"
local case = require "case"
local flat = require "flat"
local server = win.http.server

local T = case.suite "HttpServer"
local PORT = 18081

local function hold(...) return case.holder {"--tcp", tostring(PORT), ...} end

function T:test_the_http_sys_of_this_system()
  case.holder {"--http", "http://+:18080/somewhere/"}
  case.wait("its listener", function() return server(18080) end)
  lu.assertEquals(server(18080), "http.sys of Wine")
  lu.assertEquals(server(18080, {address = "127.0.0.1", timeout = 5}), "http.sys of Wine")
end

function T:test_replies()
  local expected = {
    httpapi = "Microsoft-HTTPAPI/2.0", headless = "Bad Request - Invalid Verb", iis6 = "Bad Request (Invalid Verb)",
    apache = false, iis = false,
  }
  for word, sign in pairs(expected) do
    local process = hold("--reply", word)
    lu.assertEquals(server(PORT) or false, sign, word)
    process:close()
  end
end

function T:test_ipv6_and_single_addresses()
  hold("--reply", "httpapi", "--family", "6")
  lu.assertNil(server(PORT))
  lu.assertEquals(server(PORT, {address = "::1"}), "Microsoft-HTTPAPI/2.0")
  case.holder {"--tcp", "18082", "--reply", "httpapi", "--address", "127.0.0.9"}
  lu.assertNil(server(18082))
  lu.assertEquals(server(18082, {address = "127.0.0.9"}), "Microsoft-HTTPAPI/2.0")
end

function T:test_nobody_listens()
  lu.assertNil(server(PORT))
  lu.assertNil(server(PORT, {address = "::1"}))
end

function T:test_a_silent_server_and_one_that_never_ends_do_not_hold_it_up()
  hold()
  local began = test.clock()
  lu.assertNil(server(PORT, {timeout = 0.3}))
  lu.assertNil(server(PORT, {timeout = 0}))
  case.holder {"--tcp", "18082", "--reply", "flood"}
  lu.assertNil(server(18082))
  lu.assertTrue(test.clock() - began < 5)
end

-- A connection that p80 left behind would keep others from the port after its server has gone.
function T:test_it_leaves_no_connection_behind()
  local process = hold("--reply", "httpapi")
  for _ = 1, 3 do lu.assertEquals(server(PORT), "Microsoft-HTTPAPI/2.0") end
  process:kill()
  process:wait(5)
  lu.assertEquals(win.tcp.list {port = PORT}, {})
  lu.assertEquals(case.bind(PORT, 4, "--exclusive"), "ok")
end

function T:test_wrong_arguments()
  for _, call in ipairs {
    {"port", 0}, {"port", "80"}, {"port", {}}, {"options", 80, 1}, {"adress", 80, {adress = "::1"}}, {"address", 80, {address = "localhost"}},
    {"address", 80, {address = 1}}, {"timeout", 80, {timeout = -1}}, {"arguments", 80, {}, 1},
  } do
    local ok, problem = pcall(server, table.unpack(call, 2))
    lu.assertFalse(ok)
    lu.assertEquals({problem.op, problem.target, problem.code}, {"http.server", call[1], 87}, tostring(problem))
  end
end

function T:test_handles()
  hold("--reply", "httpapi")
  flat(function() server(PORT) end, 50)
  flat(function() server(PORT + 1) end, 50)
end
