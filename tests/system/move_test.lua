-- free80.lua moves what IIS is bound to. The configuration is the fake IIS (tests/fixtures/fake-iis.c); behind it
-- holder.exe listens with HTTP.SYS where that says, so that ports are really taken and let go.
local lu = require "luaunit"
local case = require "case"
local fakecom = require "fakecom"

local T = case.suite "Move"
local begin, finish = T.setUp, T.tearDown
local SITE = "Default Web Site"

local function bindings(site) return fakecom.read("sites\\" .. (site or 1), "Bindings") end

local function write_site(n, name, list)
  fakecom.write("sites\\" .. n, {
    Name = {"sz", name}, Id = {"dword", n}, AutoStart = {"dword", 1}, State = {"dword", 1}, Bindings = {"multi_sz", list},
  })
end

function T.setUp()
  begin()
  fakecom.clear()
  fakecom.register("apphost", "fake-iis")
  write_site(1, SITE, {"http|*:80:|0"})
end

function T.tearDown()
  finish()
  fakecom.register "apphost"
  fakecom.clear()
end

local function start_iis()
  case.service {name = "W3SVC", args = {"--iis"}}
  case.wait_http(80)
end

local function free80(...) return case.p80 {"free80.lua", ...} end

function T:test_check_move_again_and_back()
  start_iis()
  local planned = case.exits(free80("--move-to", "8080", "--check"), 3)
  lu.assertStrContains(planned.stdout, "move *:80: of site '" .. SITE .. "' to port 8080")
  lu.assertNotStrContains(planned.stdout, "stop service")
  lu.assertEquals(bindings(), {"http|*:80:|0"})
  local done = case.exits(free80("--move-to", "8080"), 0)
  lu.assertStrContains(done.stdout, "to port 8080: the port is free")
  lu.assertNotStrContains(done.stdout, "nobody listens")
  lu.assertEquals({bindings(), case.bind(80)}, {{"http|*:8080:|0"}, "ok"})
  lu.assertIsNumber(case.service_running "W3SVC")
  lu.assertIsString(case.wait_http(8080))
  local again = case.exits(case.p80 {"--json", "free80.lua", "--move-to", "8080"}, 0).json
  lu.assertEquals({again.changed, again.result.free}, {0, true})
  case.exits(case.p80 {"undo"}, 0)
  lu.assertEquals(bindings(), {"http|*:80:|0"})
  case.wait_http(80)
end

function T:test_up_to_move_takes_the_next_free_port_and_stops_nothing()
  start_iis()
  write_site(2, "Other", {"http|*:80:www.example.com|0", "http|*:81:|0"})
  local process = case.holder {"--tcp", "8080"}
  local done = case.exits(free80("--up-to", "move"), 0)
  lu.assertStrContains(done.stdout, "to port 8081")
  lu.assertEquals({bindings(1), bindings(2)}, {{"http|*:8081:|0"}, {"http|*:8081:www.example.com|0", "http|*:81:|0"}})
  lu.assertEquals(case.bind(80), "ok")
  lu.assertIsNumber(case.service_running "W3SVC")
  process:close()
end

function T:test_without_being_asked_it_is_advice()
  start_iis()
  local planned = case.exits(free80 "--check", 3)
  lu.assertStrContains(planned.stdout, "--move-to 8080 moves the bindings of IIS there")
  lu.assertStrContains(planned.stdout, "stop service W3SVC")
  case.exits(free80(), 0)
  lu.assertEquals(bindings(), {"http|*:80:|0"})
end

function T:test_targets_that_do_not_do()
  start_iis()
  case.holder {"--tcp", "8080"}
  local result = case.exits(free80("--move-to", "8080"), 1)
  lu.assertStrContains(result.stderr, "--move-to 8080: this port is not free")
  lu.assertStrContains(case.exits(free80("--move-to", "80"), 1).stderr, "this is the port to free")
  lu.assertEquals(bindings(), {"http|*:80:|0"})
  lu.assertIsNumber(case.service_running "W3SVC")
end

function T:test_what_does_not_free_the_port_is_followed_by_the_next_remedy()
  write_site(1, SITE, {"http|*:80:|0", "https|*:80:|0"})
  case.service {name = "W3SVC", args = {"--http", "http://+:80/"}} -- does not heed its configuration
  case.wait_http(80)
  local stuck = case.exits(free80("--up-to", "move", "--timeout", "1"), 1)
  lu.assertStrContains(stuck.stdout, "the port is still held")
  lu.assertStrContains(stuck.stdout, "https and was not moved")
  case.exits(case.p80 {"undo"}, 0)
  local done = case.exits(free80("--move-to", "8080", "--timeout", "1"), 0)
  lu.assertStrContains(done.stdout, "2. stop service W3SVC")
  lu.assertEquals(bindings(), {"http|*:8080:|0", "https|*:80:|0"})
  case.exits(case.p80 {"undo"}, 0)
  lu.assertEquals(bindings(), {"http|*:80:|0", "https|*:80:|0"})
end

function T:test_stopped_sites_and_other_owners_are_left_alone()
  write_site(1, SITE, {"http|*:8000:|0"})
  fakecom.write([[sites\2]], {
    Name = {"sz", "Old"}, Id = {"dword", 2}, AutoStart = {"dword", 0}, State = {"dword", 3}, Bindings = {"multi_sz", {"http|*:80:|0"}},
  })
  case.service {name = "WebShop", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  local done = case.exits(free80("--move-to", "8080"), 0)
  lu.assertStrContains(done.stdout, "1. stop service WebShop")
  lu.assertEquals({bindings(1), bindings(2)}, {{"http|*:8000:|0"}, {"http|*:80:|0"}})
end
