-- Tests of free80.lua on modelled machines: p80 test examples\tests
local lu = require "luaunit"
local test = require "test"

-- ---- Machines ----

local function server_2003_with_iis(more)
  local machine = {
    windows = "2003",
    services = {
      W3SVC = {
        state = "running", start = "auto", type = "share_process",
        path = [[C:\WINDOWS\System32\svchost.exe -k iissvcs]], dependencies = {"RPCSS", "HTTPFilter", "IISADMIN"},
      },
      HTTPFilter = {
        state = "running", type = "share_process", path = [[C:\WINDOWS\System32\lsass.exe]], dependencies = {"HTTP"},
      },
      IISADMIN = {
        state = "running", start = "auto", path = [[C:\WINDOWS\System32\inetsrv\inetinfo.exe]], dependencies = {"RPCSS"},
      },
      RPCSS = {state = "running", start = "auto", path = [[C:\WINDOWS\system32\svchost -k rpcss]], accepts = {}},
    },
    sites = {["Default Web Site"] = {id = 1, bindings = {"*:80:"}}},
  }
  for key, value in pairs(more or {}) do machine[key] = value end
  return test.machine(machine)
end

local function iis_10()
  return {
    W3SVC = {
      state = "running", start = "auto", type = "share_process", dependencies = {"WAS", "HTTP"},
      path = [[C:\Windows\system32\svchost.exe -k iissvcs]],
    },
    WAS = {state = "running", type = "share_process", path = [[C:\Windows\system32\svchost.exe -k iissvcs]]},
  }
end

local function with(services, more)
  for name, service in pairs(more) do services[name] = service end
  return services
end

-- The states of these services.
local function states(m, ...)
  local list = {}
  for i, name in ipairs {...} do list[i] = m.services[name].state end
  return list
end

local function contains(list, text)
  for _, line in ipairs(list) do
    if line:find(text, 1, true) then return true end
  end
  return false
end

-- ---- IIS ----

TestIis = {}

function TestIis:test_the_world_wide_web_service_of_server_2003_goes_and_comes_back()
  local m = server_2003_with_iis()
  lu.assertEquals(m:ask "win.tcp.listeners(80)[1].kernel", true)
  m:run("free80.lua", {}, {check = true}):exits(3)
  lu.assertEquals(m.services.W3SVC.state, "running")
  local r = m:run "free80.lua":exits(0)
  lu.assertEquals(r.result.before.holders[1].kind, "http")
  lu.assertEquals(m.services.W3SVC.state, "stopped")
  lu.assertEquals(m.services.IISADMIN.state, "running")
  lu.assertTrue(m:ask "win.tcp.probe(80).free")
  m:undo():exits(0)
  lu.assertEquals(m.services.W3SVC.state, "running")
  lu.assertFalse(m:ask "win.tcp.probe(80).free")
end

function TestIis:test_moving_the_bindings_stops_nothing()
  local m = server_2003_with_iis()
  m:run("free80.lua", {"--move-to", 8080}):exits(0)
  lu.assertEquals(m.sites["Default Web Site"].bindings, {"http *:8080:"})
  lu.assertEquals(m.services.W3SVC.state, "running")
  lu.assertEquals(#m:ask "win.tcp.listeners(8080)", 2)
  m:undo():exits(0)
  lu.assertEquals(m.sites["Default Web Site"].bindings, {"http *:80:"})
end

function TestIis:test_moving_to_a_port_that_is_taken_is_refused()
  local m = server_2003_with_iis {processes = {{name = "proxy.exe", listens = {8080}}}}
  m:run("free80.lua", {"--move-to", 8080}):exits(1)
  lu.assertEquals(m.sites["Default Web Site"].bindings, {"http *:80:"})
end

function TestIis:test_the_site_of_a_newer_iis_is_named_with_its_url()
  local m = test.machine {services = iis_10(), sites = {Shop = {bindings = {"*:80:www.contoso.com", "https *:443:"}}}}
  local r = m:run("free80.lua", {}, {check = true}):exits(3)
  lu.assertEquals(r.result.before.holders[1].urls, {"http://www.contoso.com:80/"})
  m:run "free80.lua":exits(0)
  lu.assertEquals(m.services.W3SVC.state, "stopped")
end

function TestIis:test_persist_keeps_it_from_starting_with_windows()
  local m = server_2003_with_iis()
  m:run("free80.lua", {"--persist"}):exits(0)
  lu.assertEquals(m.services.W3SVC.start, "demand")
  m:undo():exits(0)
  lu.assertEquals({m.services.W3SVC.start, m.services.W3SVC.state}, {"auto", "running"})
end

-- SharePoint with its central administration, and a BITS server that takes uploads on the same port by its host name.
local function farm()
  return test.machine {
    windows = "2016",
    services = with(iis_10(), {
      SPTimerV4 = {state = "running", path = [["C:\SharePoint\OWSTIMER.EXE"]], account = [[CONTOSO\sp_farm]], urls = {"http://+:32843/"}},
      BITS = {state = "running", start = "auto", delayed = true, type = "share_process"},
    }),
    sites = {
      ["SharePoint - 80"] = {bindings = {"*:80:", "https *:443:portal.contoso.com ssl_flags=1"}},
      ["SharePoint Central Administration v4"] = {bindings = {"*:2016:"}},
      ["BITS Upload"] = {bindings = {"*:80:upload.contoso.com"}, queue = "BitsPool"},
    },
    accounts = {[ [[CONTOSO\sp_farm]] ] = "S-1-5-21-1-2-3-1105"},
  }
end

function TestIis:test_a_farm_and_a_bits_server_move_together()
  local m = farm()
  local r = m:run("free80.lua", {}, {check = true}):exits(3)
  lu.assertItemsEquals(r.result.before.holders[1].urls, {"http://*:80/", "http://upload.contoso.com:80/"})
  m:run("free80.lua", {"--move-to", 8080}):exits(0)
  lu.assertEquals(m.sites["SharePoint - 80"].bindings, {"http *:8080:", "https *:443:portal.contoso.com ssl_flags=1"})
  lu.assertEquals(m.sites["BITS Upload"].bindings, {"http *:8080:upload.contoso.com"})
  lu.assertTrue(m:ask "win.tcp.probe(80).free")
  lu.assertEquals(states(m, "W3SVC", "SPTimerV4", "BITS"), {"running", "running", "running"})
  m:undo():exits(0)
  lu.assertEquals(m.sites["BITS Upload"].bindings, {"http *:80:upload.contoso.com"})
end

-- ---- Others that use HTTP.SYS ----

TestOthers = {}

function TestOthers:test_reporting_services_alone()
  local m = test.machine {services = with(iis_10(), {
    ReportServer = {
      state = "running", start = "auto", path = [["C:\Program Files\SSRS\RSManagement.exe"]], dependencies = {"HTTP"},
      urls = {"http://+:80/Reports/", "http://+:80/ReportServer/"},
    },
  })}
  local r = m:run "free80.lua":exits(0)
  lu.assertEquals(#r.result.steps, 1)
  lu.assertEquals(m.services.ReportServer.state, "stopped")
  lu.assertEquals(m.services.W3SVC.state, "running")
end

function TestOthers:test_sharepoint_beside_iis_both_go()
  local m = test.machine {
    services = with(iis_10(), {
      SPTimerV4 = {state = "running", path = [["C:\SharePoint\OWSTIMER.EXE"]], urls = {"http://+:80/SharePoint/"}},
    }),
    sites = {SharePoint = {bindings = {"*:80:"}}},
  }
  local r = m:run "free80.lua":exits(0)
  lu.assertEquals(states(m, "W3SVC", "SPTimerV4"), {"stopped", "stopped"})
  lu.assertTrue(r.result.free)
  m:undo():exits(0)
  lu.assertEquals(states(m, "W3SVC", "SPTimerV4"), {"running", "running"})
end

function TestOthers:test_up_to_stop_stops_http_with_what_depends_on_it_in_order()
  local m = test.machine {
    services = with(iis_10(), {WinRM = {state = "running", dependencies = {"HTTP"}, urls = {"http://+:5985/wsman/"}}}),
    http = {urls = {"http://+:80/orphan/"}},
  }
  m:run "free80.lua":exits(1)
  local r = m:run("free80.lua", {"--up-to", "stop"}):exits(0)
  lu.assertEquals(states(m, "HTTP", "WinRM", "W3SVC"), {"stopped", "stopped", "stopped"})
  lu.assertEquals(r.changes[#r.changes].label, "HTTP")
  m:undo():exits(0)
  lu.assertEquals(states(m, "HTTP", "WinRM", "W3SVC"), {"running", "running", "running"})
end

function TestOthers:test_the_listen_list_keeps_http_sys_on_the_loopback_address()
  local m = test.machine {services = with(iis_10(), {}), sites = {Shop = {bindings = {"*:80:"}}}}
  m:run("free80.lua", {"--up-to", "iplisten", "--service", "nobody"}):exits(0)
  lu.assertEquals(m.http.iplisten, {"127.0.0.1"})
  m:undo():exits(0)
  lu.assertEquals(m.http.iplisten, {})
end

-- ---- Ordinary services and programs ----

TestPrograms = {}

function TestPrograms:test_a_wrapped_program_goes_with_its_service()
  local m = test.machine {services = {Portal = {
    state = "running", path = [[C:\tools\nssm.exe]], children = {{path = [[C:\app\node.exe]], listens = {80}}},
  }}}
  m:run "free80.lua":exits(0)
  lu.assertEquals(m.services.Portal.state, "stopped")
end

function TestPrograms:test_a_program_is_ended_only_with_kill()
  local m = test.machine {processes = {{path = [[C:\apache\httpd.exe]], listens = {80, "[::]:80"}}}}
  local r = m:run "free80.lua":exits(1)
  lu.assertTrue(contains(r.result.advice, "--kill"))
  m:run("free80.lua", {"--kill"}):exits(0)
  lu.assertEquals(m:ask "#win.tcp.listeners(80)", 0)
end

function TestPrograms:test_a_service_that_starts_again_when_its_process_is_killed()
  local m = test.machine {services = {Phoenix = {
    state = "running", listens = {80}, failure = {reset_period = 86400, actions = {{action = "restart", delay = 60}}},
  }}}
  m:code("win.process.stop(win.scm.get('Phoenix').pid)", {allow = "process.state"}):exits(0)
  lu.assertEquals({m.services.Phoenix.state, m.services.Phoenix.exit_code}, {"stopped", 1067})
  lu.assertTrue(m:ask "win.tcp.probe(80).free")
  m:wait(61)
  lu.assertEquals(m.services.Phoenix.state, "running")
  lu.assertFalse(m:ask "win.tcp.probe(80).free")
end

function TestPrograms:test_a_service_that_does_not_stop_is_named_with_its_process()
  local m = test.machine {services = {Stuck = {state = "running", listens = {80}, hangs = "stop"}}}
  local r = m:run("free80.lua", {"--timeout", 20}):exits(6)
  lu.assertStrContains(r.errors, "still stop_pending")
  lu.assertStrContains(r.errors, tostring(m.services.Stuck.pid))
  lu.assertEquals(m.services.Stuck.state, "stop_pending")
end

function TestPrograms:test_a_slow_service_is_waited_for()
  local m = test.machine {services = {Slow = {state = "running", listens = {80}, stops_in = 20}}}
  local before = m.clock
  m:run "free80.lua":exits(0)
  lu.assertTrue(m.clock - before >= 20)
  lu.assertEquals(m.services.Slow.state, "stopped")
end

-- ---- Nobody ----

TestNobody = {}

function TestNobody:test_an_excluded_range_is_explained()
  local m = test.machine {excluded = {{80, 80}}}
  local r = m:run "free80.lua":exits(1)
  lu.assertEquals(r.result.before.holders[1].kind, "reserved")
  lu.assertTrue(contains(r.result.advice, "excludedportrange"))
end

function TestNobody:test_a_free_port_stays_as_it_is()
  local m = test.machine {}
  local r = m:run "free80.lua":exits(0)
  lu.assertEquals({r.changes, r.difference}, {{}, {}})
end

function TestNobody:test_port_445_belongs_to_a_driver_that_is_left_alone()
  local m = test.machine {processes = {{pid = 4, name = "System", listens = {445}}}}
  local r = m:run("free80.lua", {"--port", 445, "--up-to", "disable"}):exits(1)
  lu.assertEquals(r.result.before.holders[1].kind, "kernel")
  lu.assertEquals(r.changes, {})
end

function TestNobody:test_without_rights_nothing_is_changed()
  local m = test.machine {elevated = false, services = {Web = {state = "running", listens = {80}}}}
  m:run "free80.lua":exits(5)
  lu.assertEquals(m.services.Web.state, "running")
end
