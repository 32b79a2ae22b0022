-- build: shim
-- win.scm's details, triggers, security and dependents, which plain Wine does not keep, and every call of Windows that
-- fails once in what creates, deletes and changes services.
local lu = require "luaunit"
local case = require "case"
local failing = require "failing"
local fakecore = require "fakecore"
local failure = fakecore.failure
local scm = win.scm

local NAME = "p80 \u{DC}nit \u{65E5}\u{672C}"
local INVALID, NOT_IMPLEMENTED, REFUSED, NOT_TAKEN = 87, 120, 0x20000004, 0x20000001

local function open(given)
  given = given or {}
  given.options = given.options or {timeout = 10}
  local core = fakecore.open(given)
  return fakecore.caller(core, "scm"), core
end

local function undo(files) return fakecore.open({files = files, options = {timeout = 10}}).undo.run(1) end

local function assert_problem(code, op, target, f, ...)
  local text, problem = failure(f, ...)
  lu.assertEquals({problem.code, problem.op, problem.target}, {code, op, target}, text)
  return problem
end

-- A suite with Microsoft's SCM, as far as the shim has it, and one service.
local function suite(name)
  local T = case.suite(name)
  local begin = T.setUp
  function T.setUp()
    begin()
    test.setenv("P80_SHIM_SCM", "1")
    case.later(function() test.setenv("P80_SHIM_SCM", nil) end)
    case.service {name = NAME, run = false}
  end
  return T
end

local ALL = {
  description = "Was er tut \u{2603}", sid_type = "restricted", preshutdown_timeout = 33.25, preferred_node = 1,
  privileges = {"SeChangeNotifyPrivilege", "SeImpersonatePrivilege"},
  failure = {
    reset_period = 86400, command = [[C:\x.exe /y]], reboot_message = "Gleich \u{2603}", on_non_crash = true,
    actions = {{action = "restart", delay = 60}, {action = "run", delay = 0.5}, {action = "reboot", delay = 0}, {action = "none", delay = 0}},
  },
  triggers = {
    {type = "firewall_port", action = "start", subtype = "firewall_port_open", data = {{type = "text", value = {"80", "TCP"}}}},
    {type = "ip_address", action = "stop", subtype = "last_ip_address_removal", data = {}},
    {type = "device_arrival", action = "start", subtype = "{00112233-4455-6677-8899-aabbccddeeff}",
      data = {{type = "text", value = {"USB"}}, {type = "binary", value = "00ff10"}, {type = "level", value = 4},
        {type = "keyword_any", value = 0x123456789ABCDEF0}, {type = "keyword_all", value = -1}}},
  },
}

-- ---- Details ----

local Details = suite "Details"

function Details.test_a_service_that_has_none()
  lu.assertEquals(scm.details(NAME), {
    description = "", sid_type = "none", preshutdown_timeout = 180.0, preferred_node = false, privileges = {}, triggers = {},
    failure = {reset_period = 0, command = "", reboot_message = "", actions = {}, on_non_crash = false}, protection = "none",
  })
  lu.assertEquals({scm.details "p80-none"}, {})
end

function Details.test_all_are_set_idempotent_and_taken_back()
  local files, before = {}, scm.details(NAME)
  local call, core = open {files = files}
  lu.assertEquals({call.config(NAME, ALL), call.config(NAME, ALL)}, {true, false})
  local now = scm.details(NAME)
  lu.assertEquals(now.protection, "none")
  now.protection = nil
  lu.assertEquals(now, ALL)
  lu.assertEquals(#core.gate.changes(), 1)
  lu.assertTrue(call.config(NAME, {triggers = {}, privileges = {}, preferred_node = false, description = ""}))
  lu.assertEquals(scm.details(NAME).triggers, {})
  core.finish()
  lu.assertEquals({undo(files).failed, scm.details(NAME)}, {0, before})
end

function Details.test_some_failure_actions_leave_the_others()
  local call = open()
  call.config(NAME, {failure = ALL.failure})
  lu.assertTrue(call.config(NAME, {failure = {command = ""}}))
  lu.assertFalse(call.config(NAME, {failure = {command = "", on_non_crash = true}}))
  local failure_now = scm.details(NAME).failure
  lu.assertEquals({failure_now.command, failure_now.reset_period, #failure_now.actions}, {"", 86400, 4})
  lu.assertTrue(call.config(NAME, {failure = {reset_period = "never"}}))
  lu.assertEquals(scm.details(NAME).failure.reset_period, "never")
end

function Details.test_where_windows_keeps_them()
  open().config(NAME, ALL)
  local key = [[HKLM\SYSTEM\CurrentControlSet\Services\]] .. NAME
  lu.assertEquals(win.reg.get(key, "FailureActions"),
    ("<I4I4I4I4I4I4I4I4I4I4I4I4I4"):pack(86400, 0, 0, 4, 20, 1, 60000, 3, 500, 2, 0, 0, 0))
  lu.assertEquals(win.reg.get(key, "RequiredPrivileges"), ALL.privileges)
  lu.assertEquals({win.reg.get(key, "ServiceSidType")}, {3, "dword"})
  local trigger = key .. [[\TriggerInfo\0]]
  lu.assertEquals({(win.reg.get(trigger, "Type")), (win.reg.get(trigger, "Action"))}, {4, 1})
  lu.assertEquals(win.reg.get(trigger, "GUID"), "\x07\x9E\x56\xB7\x21\x84\xE0\x4E\xAD\x10\x86\x91\x5A\xFD\xAD\x09")
  lu.assertEquals(win.reg.get(trigger, "Data0"), "8\0" .. "0\0\0\0T\0C\0P\0\0\0\0\0")
end

function Details.test_check_and_grants()
  local before = scm.details(NAME)
  local call = open {options = {check = true}}
  lu.assertEquals({call.config(NAME, ALL), call.config(NAME, ALL), call.details(NAME).sid_type}, {true, false, "restricted"})
  lu.assertEquals(scm.details(NAME), before)
  call = open {options = {allow = {"scm.config"}}}
  assert_problem(REFUSED, "scm.config", NAME, call.config, NAME, {description = "x"})
  call = open {options = {allow = {"scm.details"}}}
  assert_problem(REFUSED, "scm.config", NAME, call.config, NAME, {start = "disabled"})
  lu.assertTrue(call.config(NAME, {description = "x"}))
end

function Details.test_what_does_not_take_is_an_error()
  test.setenv("P80_SHIM_SCM", nil) -- Wine says yes to failure actions and keeps nothing
  local call = open()
  local problem = assert_problem(NOT_IMPLEMENTED, "scm.config", NAME, call.config, NAME, {sid_type = "restricted"})
  lu.assertStrContains(problem.hint, "Windows Vista")
  for key, since in pairs {triggers = "Windows 7", preferred_node = "Windows 7", privileges = "Vista"} do
    problem = assert_problem(NOT_IMPLEMENTED, "scm.config", NAME, call.config, NAME, {[key] = ALL[key]})
    lu.assertStrContains(problem.hint, since)
    local raw = key == "triggers" and {} or ALL[key]
    lu.assertStrContains(assert_problem(NOT_IMPLEMENTED, "scm.config", NAME, scm.config, NAME, {[key] = raw}).hint, since)
  end
  test.setenv("P80_SHIM_SCM", "1")
  local config = scm.config
  case.later(function() scm.config = config end)
  scm.config = function() end
  assert_problem(NOT_TAKEN, "scm.config", NAME, open().config, NAME, {description = "other"})
end

function Details.test_bad_input()
  local call = open()
  local function bad(target, settings) return assert_problem(INVALID, "scm.config", target, call.config, NAME, settings) end
  bad("failure", {failure = "restart"})
  lu.assertStrContains(bad("comand", {failure = {comand = "x"}}).hint, "command")
  bad("reset_period", {failure = {reset_period = -1}})
  bad("reset_period", {failure = {reset_period = "always"}})
  bad("actions", {failure = {actions = {a = 1}}})
  bad("actions[1].action", {failure = {actions = {{action = "explode"}}}})
  bad("actions[1].delay", {failure = {actions = {{action = "run", delay = -1}}}})
  bad("actions[2]", {failure = {actions = {{action = "run"}, "run"}}})
  bad("on_non_crash", {failure = {on_non_crash = 1}})
  bad("sid_type", {sid_type = "some"})
  bad("privileges[1]", {privileges = {"SeNothing"}})
  bad("privileges", {privileges = "SeDebugPrivilege"})
  bad("preshutdown_timeout", {preshutdown_timeout = -1})
  bad("preferred_node", {preferred_node = 70000})
  bad("preferred_node", {preferred_node = true})
  bad("triggers", {triggers = "x"})
  bad("triggers[1].type", {triggers = {{type = "moon", action = "start", subtype = "domain_join"}}})
  bad("triggers[1].action", {triggers = {{type = 2, action = "go", subtype = "domain_join"}}})
  bad("triggers[1].subtype", {triggers = {{type = 2, action = "start", subtype = "{1234}"}}})
  bad("dta", {triggers = {{type = 2, action = "start", subtype = "domain_join", dta = {}}}})
end

-- ---- Security ----

local Security = suite "Security"

local DACL = "D:(A;;CCLCSWRPWPDTLOCRRC;;;SY)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;BA)"

function Security.test_it_is_set_idempotent_and_taken_back()
  local files, before = {}, scm.security(NAME)
  lu.assertStrContains(before, "O:SYG:SYD:")
  local call, core = open {files = files}
  lu.assertEquals({call.set_security(NAME, DACL), call.set_security(NAME, DACL)}, {true, false})
  lu.assertEquals(scm.security(NAME), "O:SYG:SY" .. DACL)
  lu.assertTrue(call.set_security(NAME, "O:BA"))
  lu.assertEquals(scm.security(NAME), "O:BAG:SY" .. DACL)
  lu.assertEquals(win.reg.get([[HKLM\SYSTEM\CurrentControlSet\Services\]] .. NAME .. [[\Security]], "Security"):byte(), 1)
  core.finish()
  lu.assertEquals({undo(files).failed, scm.security(NAME)}, {0, before})
end

function Security.test_generic_rights_become_those_of_services()
  local call = open()
  lu.assertTrue(call.set_security(NAME, "D:(A;;GA;;;BA)(A;;GRGX;;;IU)"))
  lu.assertStrContains(scm.security(NAME), "(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;BA)")
  lu.assertFalse(call.set_security(NAME, "D:(A;;GA;;;BA)(A;;GRGX;;;IU)"))
end

function Security.test_audit_lists()
  local call = open()
  lu.assertTrue(call.set_security(NAME, DACL .. "S:(AU;SAFA;WPDT;;;WD)"))
  lu.assertStrContains(scm.security(NAME, {audit = true}), "S:(AU;SAFA;")
  lu.assertNotStrContains(scm.security(NAME), "S:(AU")
end

function Security.test_check_grants_and_bad_input()
  local before = scm.security(NAME)
  local call = open {options = {check = true}}
  lu.assertEquals({call.set_security(NAME, DACL), call.set_security(NAME, DACL)}, {true, false})
  lu.assertStrContains(call.security(NAME), DACL)
  lu.assertEquals(scm.security(NAME), before)
  call = open {options = {allow = {"scm.config"}}}
  assert_problem(REFUSED, "scm.set_security", NAME, call.set_security, NAME, DACL)
  for _, sddl in ipairs {"", "x", "D:(A;;GA)", 5, "D:\0"} do
    local _, problem = failure(open().set_security, NAME, sddl)
    lu.assertEquals({problem.code, problem.target}, {INVALID, "sddl"})
  end
  lu.assertEquals({scm.security "p80-none"}, {})
end

function Security.test_what_does_not_take_is_an_error()
  test.setenv("P80_SHIM_SCM", nil) -- Wine says yes and does nothing
  assert_problem(NOT_TAKEN, "scm.set_security", NAME, open().set_security, NAME, DACL)
end

-- ---- Dependents ----

local Tree = suite "Tree"

function Tree.test_a_tree()
  case.service {name = "p80a", dependencies = {NAME}, run = false}
  case.service {name = "p80b", dependencies = {"P80A", NAME}, run = false}
  case.service {name = "p80c", dependencies = {"p80a"}, run = false}
  local tree = scm.dependents(NAME)
  lu.assertEquals({tree.name, tree.state, #tree.dependents}, {NAME, "stopped", 2})
  local names = {}
  for _, row in ipairs(tree.dependents) do
    names[row.name] = {}
    for i, child in ipairs(row.dependents) do names[row.name][i] = child.name end
    table.sort(names[row.name])
  end
  lu.assertEquals(names, {p80a = {"p80b", "p80c"}, p80b = {}})
  lu.assertEquals(scm.dependents "p80c", {name = "p80c", state = "stopped", dependents = {}})
  lu.assertEquals({scm.dependents "p80-none"}, {})
  local call = open {options = {check = true}}
  call.start "p80c"
  lu.assertEquals(call.dependents(NAME).state, "running")
end

function Tree.test_dependencies_are_changed_and_taken_back()
  local files = {}
  case.service {name = "p80a", run = false}
  local call, core = open {files = files}
  lu.assertEquals({call.config("p80a", {dependencies = {NAME, "+TDI"}}), call.config("p80a", {dependencies = {NAME, "+TDI"}})},
    {true, false})
  lu.assertEquals(scm.get("p80a").dependencies, {NAME, "+TDI"})
  core.finish()
  lu.assertEquals({undo(files).failed, scm.get("p80a").dependencies}, {0, {}})
end

-- ---- Deleting and what comes back ----

local Whole = suite "Whole"

local OTHER <const> = "p80 other"
local EVERY <const> = {
  path = [[C:\x.exe]], type = "share_process", start = "auto", error_control = "severe", group = "p80 group",
  dependencies = {NAME, "+TDI"}, account = [[NT AUTHORITY\LocalService]], display_name = "Ganz anders",
}

local function assert_every(record)
  for key, value in pairs(EVERY) do lu.assertEquals(record[key], value, key) end
end

function Whole.test_every_setting_is_made_changed_and_taken_back()
  local files = {}
  case.later(function() case.remove_service(OTHER) end)
  local call, core = open {files = files}
  lu.assertTrue(call.create(OTHER, EVERY))
  assert_every(scm.get(OTHER))
  lu.assertTrue(call.config(OTHER, {type = "own_process", error_control = "ignore", group = "", dependencies = {},
    account = "LocalSystem", password = ""}))
  local before = scm.get(OTHER)
  lu.assertEquals({before.type, before.error_control, before.group, before.dependencies}, {"own_process", "ignore", nil, {}})
  core.finish()
  files = {}
  call, core = open {files = files}
  lu.assertTrue(call.config(OTHER, {
    type = EVERY.type, error_control = EVERY.error_control, group = EVERY.group, dependencies = EVERY.dependencies,
    account = EVERY.account, password = "",
  }))
  assert_every(scm.get(OTHER))
  core.finish()
  lu.assertEquals({undo(files).failed, scm.get(OTHER)}, {0, before})
end

function Whole.test_all_of_a_service_comes_back()
  local files = {}
  local call, core = open()
  call.config(NAME, ALL)
  call.config(NAME, {start = "auto", delayed = true, dependencies = {"http"}, error_control = "ignore", group = "g"})
  call.set_security(NAME, DACL)
  core.finish()
  local before = {scm.get(NAME), scm.details(NAME), scm.security(NAME)}
  call, core = open {files = files}
  lu.assertTrue(call.delete(NAME))
  lu.assertEquals({scm.get(NAME)}, {})
  core.finish()
  local report = undo(files)
  lu.assertEquals({report.failed, report.steps[1].reason}, {0})
  lu.assertEquals({scm.get(NAME), scm.details(NAME), scm.security(NAME)}, before)
end

-- ---- Every call fails once ----

local Failing = suite "Failing"

local function snapshot()
  local record = scm.get(NAME)
  return record and {record, scm.details(NAME), scm.security(NAME)} or {}
end

local function exist()
  if not scm.get(NAME) then scm.create(NAME, {path = "C:\\x.exe"}) end
end

function Failing.test_create_and_delete()
  local settings = {path = "C:\\x.exe", description = "d", failure = {command = "c"}}
  failing.write({
    op = "scm.create", arguments = {NAME, settings}, snapshot = snapshot,
    prepare = function() if scm.get(NAME) then scm.delete(NAME) end end,
  }, {"OpenSCManagerW", "CreateServiceW", "OpenServiceW", "ChangeServiceConfig2W", "QueryServiceObjectSecurity"})
  failing.write({op = "scm.delete", arguments = {NAME, {timeout = 1}}, snapshot = snapshot, prepare = exist, least = 4},
    {"OpenServiceW", "DeleteService", "QueryServiceStatusEx"})
end

function Failing.test_settings()
  local function reset()
    exist()
    scm.config(NAME, {description = "", failure = {reset_period = 0}, group = ""})
    if #scm.details(NAME).triggers > 0 then scm.config(NAME, {triggers = {}}) end
  end
  failing.write({
    op = "scm.config", arguments = {NAME, {group = "g", description = "d", failure = ALL.failure, triggers = ALL.triggers}},
    snapshot = snapshot, prepare = reset,
  }, {"ChangeServiceConfigW", "ChangeServiceConfig2W", "LookupPrivilegeValueW"})
  failing.write({
    op = "scm.set_security", arguments = {NAME, "D:(A;;GA;;;BA)"}, snapshot = snapshot, least = 4,
    prepare = function()
      exist()
      scm.set_security(NAME, DACL)
    end,
  }, {"SetServiceObjectSecurity", "QueryServiceObjectSecurity", "ConvertStringSecurityDescriptorToSecurityDescriptorW"})
end

function Failing.test_reads()
  for _, name in ipairs {"details", "security", "dependents", "name_of", "sid", "status"} do
    local struck_once = false
    failing.each_of(function() scm[name](NAME) end, function(wish)
      local struck, ok, problem = failing.call(wish, function() return scm[name](NAME) end)
      if struck and not ok then
        struck_once = true
        lu.assertNil(failing.wrong_with(problem), wish)
      end
      return struck
    end)
    lu.assertEquals(struck_once, name ~= "sid" and name ~= "name_of", name)
  end
end

function Failing.test_a_control_that_hangs()
  local name = "p80 hangs" -- p80 ends with it open, and Wine takes its time to notice
  case.service {name = name}
  local handles = test.handle_count()
  local struck, ok, problem = failing.call("CreateThread:1:8", function() scm.stop(name) end)
  lu.assertEquals({struck, ok, problem.code, problem.target}, {true, false, 8, name})
  struck, ok, problem = failing.call("ControlService:1:5", function() scm.stop(name) end)
  lu.assertEquals({struck, ok, problem.code, problem.target}, {true, false, 5, name})
  lu.assertEquals(test.handle_count(), handles)
  local began = test.clock()
  local result = case.p80 {
    "--allow", "scm.control", "-e", "win.scm.control('p80 hangs', 200, {timeout = 0.5})",
    env = {P80_SHIM_HANG = "ControlService:1"},
  }
  case.exits(result, 6)
  lu.assertStrContains(result.stderr, "does not answer")
  lu.assertTrue(test.clock() - began < 8)
  lu.assertEquals(scm.get(name).state, "running")
end

function Failing.test_watching_without_notifications()
  local struck, ok = failing.call("NotifyServiceStatusChangeW:1+:120", function()
    for _ in scm.watch(NAME, {timeout = 0.4}) do lu.fail "an event" end
  end)
  lu.assertEquals({struck, ok}, {true, true})
end
