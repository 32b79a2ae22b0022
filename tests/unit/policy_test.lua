-- The policy of the machine on the core itself: what it lets run and be granted, that denials win, and that a wrong file
-- opens nothing. tests/system/policy_test.lua has p80 itself do it.
-- arch: x64
local lu = require "luaunit"
local case = require "case"
local fakecore = require "fakecore"
local json = require "dkjson"

local T = case.suite "Policy"
local raw = test.sign
local key = raw.generate()
local PUBLIC = fakecore.open().sign.public_text(key):match "\n(.*)\n"

local function open(policy, options)
  options = options or {}
  local core = fakecore.open {
    policy = type(policy) == "table" and json.encode(policy) or policy, attended = options.attended,
    script = {name = "s", kind = options.kind or "file", words = {}}, options = {allow = options.allow or {"*"}},
    things = {lamp = {on = false}},
  }
  for _, kind in ipairs {"fake.thing", "fake.gone", "fake.lamp"} do table.insert(core.grants.kinds(), kind) end
  return core
end

local function change(core) return core.change("fake.thing", {name = "lamp"}, {on = true}) end

local function refused(core, message)
  local shown, problem = fakecore.failure(change, core)
  lu.assertStrContains(shown, message)
  lu.assertEquals(core.result.exit_for(problem), 4)
end

function T:test_without_one()
  local core = open(nil)
  lu.assertNil(core.policy.get())
  lu.assertTrue(change(core))
end

function T:test_denials_win_over_everything()
  for _, deny in ipairs {"fake.thing", "*", "fake.*", "fake.thing:lamp", "fake.thing:LA*"} do
    local core = open {policy = 1, grants = {"*"}, deny = {"process.run", deny}}
    core.grants.add("--allow", "fake.thing")
    refused(core, ('deny[2] "%s" denies it'):format(deny))
  end
  lu.assertTrue(change(open {policy = 1, deny = {"fake.thing:other", "fake.lamp"}}))
end

function T:test_denials_hold_in_every_script_and_through_links()
  local core = open {policy = 1, deny = {"file.write:C:\\Ärger\\*", "scm.*"}}
  local function allowed(label) return (pcall(core.grants.ask, "file.write", label)) end
  for _, label in ipairs {"C:\\Ärger\\x", "C:\\ärger\\x", "c:\\ÄRGER\\X", "(through a link) C:\\elsewhere\\x"} do lu.assertFalse(allowed(label), label) end
  for _, label in ipairs {"C:\\Arger\\x", "C:\\elsewhere\\x", "(temporary file)"} do lu.assertTrue(allowed(label), label) end
  lu.assertEquals(core.policy_explain("grants[1]", "file.write:C:\\ÄRGER\\sub\\*", "file")[1].verdict, "refused")
  core = open {policy = 1, grants = {"file.write:C:\\ÄRGER\\*"}}
  core.grants.ask("file.write", "C:\\ärger\\x")
end

-- Letters of all alphabets match in both cases, and a key that has several names is denied by each of them.
function T:test_denials_by_other_names()
  local function denies(entry, kind, label)
    local core = open {policy = 1, deny = {entry}}
    local ok, problem = pcall(core.grants.ask, kind, label)
    lu.assertTrue(ok or problem.name == "P80_REFUSED", tostring(problem))
    local rows = core.policy_explain("grants[1]", kind .. ":" .. label, "file")
    lu.assertEquals(rows[1].verdict, ok and "allowed" or "refused", entry .. "   " .. label)
    return not ok
  end
  local sid = win.account.current().sid
  local DENIED <const> = {
    {"scm.*:MÜLLER", "scm.state", "Müller"}, {"scm.*:müller", "scm.state", "MÜLLER"}, {"file.write:C:\\ЛОГ*", "file.write", "c:\\лог\\x"},
    {"file.write:C:\\Secret*", "file.write", "\\\\vm\\C$\\secret\\x"},
    {[[reg.*:HKLM\SOFTWARE\Secret*]], [[\\vm\HKLM\SOFTWARE\Secret\B]]}, {[[reg.*:HKEY_LOCAL_MACHINE\SOFTWARE\Secret*]], [[HKLM\SOFTWARE\Secret\B]]},
    {[[reg.*:HKLM\SOFTWARE\A]], [[HKLM\SOFTWARE\A (32-bit view)]]}, {[[reg.*:HKLM\SOFTWARE\A\*]], [[HKLM\SOFTWARE\Wow6432Node\A\b]]},
    {[[reg.*:HKLM\SOFTWARE\Wow6432Node\A*]], [[\\vm\HKLM\SOFTWARE\A\b (32-bit view)]]},
    {[[reg.*:HKCR\Wow6432Node\*]], [[HKLM\SOFTWARE\Classes\CLSID (32-bit view)]]},
    {[[reg.*:HKLM\SOFTWARE\Classes*]], [[HKCR\.evil]]}, {[[reg.*:HKLM\SOFTWARE\*]], [[HKCR\.evil]]}, {[[reg.*:HKCU\Software\Classes*]], "HKCR"},
    {[[reg.*:HKCR*]], [[HKLM\SOFTWARE\Classes\.evil]]}, {[[reg.*:HKCR\.evil]], [[HKU\]] .. sid .. [[_Classes\.evil]]},
    {[[reg.*:HKU\]] .. sid .. [[_classes*]], [[HKCR\.evil]]}, {[[reg.*:HKCU\*]], [[HKU\]] .. sid .. [[\Software\x]]},
    {[[reg.*:HKU\]] .. sid .. [[\Software*]], [[HKCU\Software\x]]}, {[[reg.*:HKU\S-1-5-18\*]], [[HKU\.DEFAULT\x]]},
    {[[reg.*:HKU\S-1-5-21-1\Software\Classes*]], [[HKU\S-1-5-21-1_Classes\x]]},
    {[[reg.*:HKLM\SYSTEM\CurrentControlSet\Services\x*]], [[HKLM\SYSTEM\ControlSet003\Services\x\Start]]},
    {[[reg.*:HKLM\SYSTEM\ControlSet001\Services*]], [[HKLM\SYSTEM\CurrentControlSet\Services\x]]},
    {[[reg.*:HKLM\SYSTEM\CurrentControlSet\Hardware*]], [[HKCC\Software]]}, {[[reg.*:HKCC*]], [[HKLM\SYSTEM\ControlSet001\Hardware Profiles\Current\x]]},
  }
  for _, row in ipairs(DENIED) do lu.assertTrue(denies(row[1], row[3] and row[2] or "reg.value", row[3] or row[2]), row[1] .. "   " .. row[#row]) end
  for _, row in ipairs {
    {[[reg.*:HKLM\SOFTWARE\Secret]], [[HKLM\SOFTWARE\Secret2]]}, {[[reg.*:HKCU*]], [[HKLM\SOFTWARE\Classes\x]]},
    {[[reg.*:HKLM*]], [[HKCU\Software\Classes\x]]}, {[[reg.*:HKCU*]], [[HKU\S-1-5-21-0-0-0-1\x]]}, {[[reg.*:HKCR*]], [[HKLM\SOFTWARE\Classes2]]},
    {[[reg.*:HKLM\SYSTEM\ControlSet002*]], [[HKLM\SYSTEM\CurrentControlSet\x]]},
  } do
    lu.assertFalse(denies(row[1], "reg.value", row[2]), row[1])
  end
  refused(open {policy = 1, unsigned = {"scm.*", [[reg.*:HKLM\SOFTWARE\*]]}}, "unsigned code")
  -- limits are no wider for that
  local core = open {policy = 1, grants = {[[reg.*:HKLM\SOFTWARE\*]]}}
  lu.assertFalse((pcall(core.grants.ask, "reg.value", [[\\vm\HKLM\SOFTWARE\x]])))
  lu.assertFalse((pcall(core.grants.ask, "reg.value", [[HKCR\x]])))
  core = open {policy = 1, grants = {"scm.state:MÜLLER"}}
  core.grants.ask("scm.state", "müller")
  core = open {policy = 1, deny = {[[reg.*:HKLM\SOFTWARE\Classes\.evil*]]}}
  lu.assertEquals(core.policy_explain("grants[1]", "reg.value:HKCR\\*", "file")[1].verdict, "in part")
end

function T:test_the_most_that_any_script_is_granted()
  refused(open {policy = 1, grants = {}}, "it is not among what any script may be granted")
  refused(open {policy = 1, grants = {"fake.thing:other", "scm.*"}}, "any script")
  refused(open({policy = 1, grants = {"scm.*"}}, {kind = "bundled"}), "any script")
  lu.assertTrue(change(open {policy = 1, grants = {"scm.*", "fake.thing:l*"}}))
  refused(open({policy = 1}, {allow = {"scm.*"}}), "has no grant") -- the policy grants nothing by itself
end

-- What will be refused is said before the first change, so that nothing is left half done unawares.
function T:test_warns_before_the_first_change()
  local function run(policy, grants, options)
    local core = open(policy, options)
    local said = {}
    core.host.log = function(text) said[#said + 1] = text end
    core.script.name = options and options.name or "s"
    core.call("p80.playbook", {name = "s", version = "1.0.0", summary = "x", grants = grants})
    local before = #said
    lu.assertEquals(before, 0)
    for _ = 1, 2 do pcall(change, core) end
    return table.concat(said, "\n")
  end
  local policy = {policy = 1, grants = {"fake.thing", "scm.state:W3SVC"}, deny = {"process.run"}}
  lu.assertEquals(run(policy, {"fake.thing", "scm.state", "process.run", "scm.config"}),
    [[warning: the policy of this machine refuses 'process.run': deny[1] "process.run" denies it; `p80 policy s` shows it]] .. "\n"
    .. [[warning: the policy of this machine refuses 'scm.config': it is not among what any script may be granted; `p80 policy s` shows it]])
  lu.assertStrContains(run(policy, {"process.run"}, {kind = "bundled", name = "C:\\a b.lua"}), [[`p80 policy "C:\a b.lua"` shows it]])
  lu.assertEquals(run(policy, {"fake.*", "scm.*"}), "")
  lu.assertEquals(run(nil, {"process.run"}), "")
  local core = open(policy)
  core.call("p80.playbook", {name = "s", version = "1.0.0", summary = "x", grants = {"scm.config"}})
  lu.assertStrContains(fakecore.failure(core.grants.ask, "scm.config", "x"), "`p80 policy s` shows what it allows")
end

function T:test_unsigned_and_typed_code()
  refused(open {policy = 1, unsigned = {}}, "unsigned code")
  refused(open({policy = 1, unsigned = {}}, {kind = "code"}), "unsigned code")
  lu.assertTrue(change(open({policy = 1, unsigned = {}}, {kind = "bundled"})))
  lu.assertTrue(change(open {policy = 1, unsigned = {"fake.thing"}}))
  lu.assertTrue(change(open({policy = 1, unsigned = {}, grants = {}}, {kind = "command"}))) -- but for denials
  refused(open({policy = 1, deny = {"*"}}, {kind = "command"}), "denies it")
end

-- A script signed with the key, as it is admitted.
local TEXT = "x = 1\n"
local function signed(name, fields, bytes)
  local path = case.write(name, bytes or TEXT)
  local core = fakecore.open()
  local list = {"file:" .. name}
  for _, field in ipairs(fields or {}) do list[#list + 1] = field end
  case.write(name .. ".minisig", core.sign.make(key, bytes or TEXT, list))
  return path
end

function T:test_scripts_of_a_key()
  local path = signed "a.lua"
  local keys = {{name = "Team", key = PUBLIC, grants = {"scm.*"}}}
  local core = open {policy = 1, keys = keys, unsigned = {}}
  core.admit(path, TEXT, "script", "")
  refused(core, "scripts of Team")
  keys[1].grants = {"fake.*"}
  core = open {policy = 1, keys = keys, unsigned = {}}
  core.admit(path, TEXT, "script", "")
  lu.assertEquals(core.policy.signature.key.name, "Team")
  lu.assertTrue(change(core))
  core = open {policy = 1, keys = keys, unsigned = {}} -- changed after signing: it counts as unsigned
  core.admit(path, TEXT .. "y = 2", "script", "")
  lu.assertNil(core.policy.signature)
  refused(core, "unsigned code")
end

local function admitted(policy, path, options)
  local core = open(policy, options)
  local ok, problem = pcall(core.admit, path, TEXT, "script", options and options.place or "")
  if ok then return "runs" end
  lu.assertEquals(core.result.exit_for(problem), 4)
  return problem.name
end

function T:test_which_scripts_need_a_signature()
  local good, plain = signed "good.lua", case.write("plain.lua", TEXT)
  local function level(signatures, options)
    local policy = {policy = 1, signatures = signatures, keys = {{name = "T", key = PUBLIC}}}
    lu.assertEquals(admitted(policy, good, options), "runs")
    return admitted(policy, plain, options)
  end
  lu.assertEquals(level "none", "runs")
  lu.assertEquals(level "all", "P80_BAD_SIGNATURE")
  lu.assertEquals(level "elevated", "P80_BAD_SIGNATURE") -- everything under Wine is; policy_shim_test has the other
  lu.assertEquals(level("unattended", {attended = true}), "runs")
  lu.assertEquals(level("unattended", {attended = false}), "P80_BAD_SIGNATURE")
  lu.assertEquals(level("none", {place = "network"}), "P80_BAD_SIGNATURE")
  lu.assertEquals(admitted(nil, plain, {place = "network"}), "P80_BAD_SIGNATURE")
  lu.assertEquals(admitted({policy = 1, signatures = "all"}, good), "P80_BAD_SIGNATURE") -- nobody trusts the key
end

function T:test_typed_code()
  local function typed(policy)
    local core = open(policy, {kind = "code"})
    return (pcall(core.admit, nil, nil, "code"))
  end
  lu.assertTrue(typed(nil))
  lu.assertTrue(typed {policy = 1, typed = true})
  lu.assertTrue(typed {policy = 1})
  lu.assertFalse(typed {policy = 1, typed = false})
end

function T:test_modules_need_what_scripts_need()
  local policy = {policy = 1, signatures = "all", keys = {{name = "T", key = PUBLIC}}}
  local function module(fields, bytes)
    local core = open(policy)
    core.admit(signed("s.lua", {"playbook:s", "version:2.0.0"}), TEXT, "script", "")
    local ok, problem = pcall(core.admit, signed("m.lua", fields), bytes or TEXT, "module", "")
    return ok or problem.message
  end
  lu.assertTrue(module {"playbook:s", "version:2.0.0"})
  lu.assertStrContains(module {"playbook:s", "version:1.9.0"}, "signed as part of version '1.9.0'")
  lu.assertStrContains(module {}, "but the script as playbook 's'")
  lu.assertStrContains(module({"playbook:s", "version:2.0.0"}, "other"), "It is not what was signed")
end

-- Two parts of one version cannot change places, although both are signed.
function T:test_a_module_lies_where_it_was_signed()
  local policy = {policy = 1, keys = {{name = "T", key = PUBLIC}}}
  for _, name in ipairs {"on", "off"} do lfs.mkdir(case.path(name)) end
  local function module(name, fields, script_fields)
    local core = open(policy)
    core.admit(signed("s.lua", script_fields or {"playbook:s", "version:2.0.0"}), TEXT, "script", "")
    local path = case.write(name, TEXT)
    case.write(name .. ".minisig", core.sign.make(key, TEXT, {"file:" .. name:match "[^\\]*$", "playbook:s", "version:2.0.0", table.unpack(fields)}))
    local ok, problem = pcall(core.admit, path, TEXT, "module", "")
    return ok or problem.message
  end
  lu.assertTrue(module("on\\run.lua", {"module:on/run.lua"}))
  lu.assertTrue(module("on\\run.lua", {"module:ON/Run.lua"}))
  lu.assertTrue(module("run.lua", {}))
  lu.assertStrContains(module("on\\run.lua", {"module:off/run.lua"}), "It was signed as 'off/run.lua', but it lies beside the script as 'on/run.lua'.")
  lu.assertStrContains(module("on\\run.lua", {}), "It was signed as 'run.lua'")
  lu.assertTrue(module("on\\run.lua", {"module:off/run.lua"}, {})) -- a script that minisign alone signed names no playbook
  local outside = case.write("C:\\run.lua", TEXT)
  case.later(function() os.remove(outside) os.remove(outside .. ".minisig") end)
  lu.assertStrContains(module("C:\\run.lua", {"module:run.lua"}), "lies beside the script as 'C:/run.lua'")
end

-- Whatever the policy asks of scripts: a module has what the key's scripts may be granted.
function T:test_a_signed_script_runs_no_unsigned_module()
  local core = open {policy = 1, keys = {{name = "T", key = PUBLIC, grants = {"fake.*"}}}, unsigned = {}}
  local function module(path) return core.admit(path, TEXT, "module", "") end
  local plain = case.write("plain.lua", TEXT)
  core.admit(plain, TEXT, "script", "")
  module(plain)
  core.admit(signed "s.lua", TEXT, "script", "")
  local shown, problem = fakecore.failure(module, plain)
  lu.assertStrContains(shown, "There is no signature beside it. It must be signed: the script that requires it is signed.")
  lu.assertEquals(problem.name, "P80_BAD_SIGNATURE")
  local other = raw.generate()
  case.write("other.lua", TEXT)
  case.write("other.lua.minisig", core.sign.make(other, TEXT, {"file:other.lua"}))
  lu.assertStrContains(fakecore.failure(module, case.path "other.lua"), "not trusted here. It must be signed")
  module(signed "m.lua")
end

-- ---- Packages ----

local MANIFEST = 'require "p80".playbook {name = "acme", version = "1.0.0", summary = "x"}\n'

-- A folder with these files, all but `plain` signed, read from where everybody may write.
local function admit_folder(files, plain, policy)
  local unprotected = {code = 1, name = "P80_UNPROTECTED", target = "acme", message = "Everyone may change it"}
  local core = fakecore.open {policy = json.encode(policy or {policy = 1, keys = {{name = "T", key = PUBLIC}}}),
    place = function() error(unprotected, 0) end}
  local folder = case.path "package"
  if lfs.attributes(folder) then
    for _, name in ipairs(case.files(folder)) do os.remove(folder .. "\\" .. name) end
  end
  lfs.mkdir(folder)
  for name, bytes in pairs(files) do
    case.write("package\\" .. name, bytes)
    if name ~= plain then
      case.write("package\\" .. name .. ".minisig", core.sign.make(key, bytes, {"file:" .. name, "playbook:acme", "version:1.0.0"}))
    end
  end
  local ok, found = pcall(core.admission.package, core.package.read(folder))
  return ok and found, not ok and found, unprotected
end

function T:test_a_package_from_an_unprotected_place_is_signed_in_all_its_files()
  local files = {["acme.lua"] = MANIFEST .. 'require "m" require(name)', ["m.lua"] = "", ["late.lua"] = "", ["data.txt"] = "x"}
  lu.assertEquals(admit_folder(files).key.name, "T")
  for plain in pairs(files) do
    local signature, problem, unprotected = admit_folder(files, plain)
    lu.assertFalse(signature, plain)
    lu.assertIs(problem, unprotected, plain)
  end
  local _, problem, unprotected = admit_folder(files, nil, {policy = 1})
  lu.assertIs(problem, unprotected)
end

-- Every wrong file is an error that names the field, and nothing is granted.
function T:test_wrong_files_open_nothing()
  local entry = {name = "T", key = PUBLIC}
  for text, message in pairs {
    [""] = "no JSON", ["{"] = "no JSON", ["[]"] = "policy", ["null"] = "must be an object", ["1"] = "must be an object",
    ["{}"] = "'policy.json: policy': This must be 1", ['{"policy":2}'] = "must be 1", ['{"policy":"1"}'] = "must be 1",
    ['{"policy":1} x'] = "Something follows", ['{"policy":1,"Deny":["*"]}'] = "There is no field 'Deny'",
    ['{"policy":1,"denied":["*"]}'] = "did you mean 'deny'", ['{"policy":1,"deny":"*"}'] = "policy.json: deny",
    ['{"policy":1,"deny":["no.such"]}'] = "'policy.json: deny[1]': There is no grant 'no.such'",
    ['{"policy":1,"deny":[1]}'] = "policy.json: deny", ['{"policy":1,"deny":["*"],"deny":[]}'] = "'policy.json: deny': This field is there twice",
    ['{"policy":1,"grants":{"a":"*"}}'] = "policy.json: grants", ['{"policy":1,"grants":null,"unsigned":["x"]}'] = "unsigned[1]",
    ['{"policy":1,"signatures":"some"}'] = "policy.json: signatures", ['{"policy":1,"signatures":true}'] = "policy.json: signatures",
    ['{"policy":1,"typed":"no"}'] = "policy.json: typed", ['{"policy":1,"keys":{"name":"x"}}'] = "policy.json: keys",
    ['{"policy":1,"keys":["RW"]}'] = "keys[1]", ['{"policy":1,"keys":[{"name":"x"}]}'] = "keys[1].key",
    ['{"policy":1,"keys":[{"name":"x","key":"RWjunk"}]}'] = "'policy.json: keys[1].key': This is no public key",
    [json.encode {policy = 1, keys = {{key = PUBLIC}}}] = "keys[1].name",
    [json.encode {policy = 1, keys = {{name = "P80 ", key = PUBLIC}}}] = "keys[1].name': What p80 brings along",
    [json.encode {policy = 1, keys = {entry, entry}}] = "keys[2].key': keys[1] is the same key",
    [json.encode {policy = 1, keys = {{name = "T", key = PUBLIC, grant = {"*"}}}}] = "did you mean 'grants'",
    [json.encode {policy = 1, keys = {{name = "T", key = PUBLIC, grants = {"x.y"}}}}] = "keys[1].grants[1]",
    ["\xFF\xFE{\0}\0"] = "policy.json",
  } do
    local core = open(text, {kind = "bundled"})
    local shown, problem = fakecore.failure(change, core)
    lu.assertStrContains(shown, message, nil, nil, text)
    lu.assertEquals(problem.name, "P80_BAD_POLICY")
    lu.assertStrContains(shown, "until it is mended nothing may be changed")
    lu.assertEquals(admitted(text, signed "good.lua"), "P80_BAD_POLICY")
    lu.assertEquals(#core.policy.keys(), 0)
  end
  lu.assertTrue(change(open('\xEF\xBB\xBF{"policy":1}'))) -- Notepad's mark
end

-- Random wrong bytes: never more than before, never anything but an error object.
function T:test_spoilt_files()
  local text = json.encode {policy = 1, signatures = "all", keys = {{name = "T", key = PUBLIC, grants = {"scm.*"}}},
    grants = {"scm.*"}, unsigned = {}, deny = {"fake.*", "process.*"}, typed = false}
  for at = 1, #text, 3 do
    for _, spoilt in ipairs {text:sub(1, at), text:sub(1, at) .. text:sub(at + 2), text:sub(1, at) .. "\0" .. text:sub(at + 1)} do
      local core = open(spoilt)
      local ok, problem = pcall(change, core)
      lu.assertFalse(ok, spoilt)
      lu.assertEquals(type(problem), "table", spoilt)
    end
  end
end

function T:test_explains()
  local core = open {policy = 1, grants = {"scm.*", "reg.value:HKLM\\SOFTWARE\\*", "fake.thing"}, unsigned = {"scm.state", "fake.*"},
    deny = {"scm.state:Spooler", "process.run"}}
  local function verdict(text, kind, signature)
    local rows = core.policy_explain("grants[1]", text, kind or "file", signature)
    return rows[1].verdict, rows[1].why
  end
  lu.assertEquals({verdict "scm.state:W3SVC"}, {"allowed", 'unsigned[1] "scm.state" allows it'})
  lu.assertEquals({verdict "scm.state:spooler"}, {"refused", 'deny[1] "scm.state:Spooler" denies it'})
  lu.assertEquals({verdict "scm.state"}, {"in part", 'deny[1] "scm.state:Spooler" denies some of it'})
  lu.assertEquals({verdict "scm.config"}, {"refused", "it is not among what unsigned code may be granted"})
  lu.assertEquals({verdict("scm.config", "bundled")}, {"allowed", 'grants[1] "scm.*" allows it'})
  lu.assertEquals({verdict("reg.value", "bundled")}, {"in part", 'grants[2] "reg.value:HKLM\\SOFTWARE\\*" allows no more of it'})
  lu.assertEquals({verdict("reg.value:HKLM\\SOFTWARE\\Contoso\\*", "bundled")}, {"allowed", 'grants[2] "reg.value:HKLM\\SOFTWARE\\*" allows it'})
  lu.assertEquals({verdict("process.run", "bundled")}, {"refused", 'deny[2] "process.run" denies it'})
  local rows = core.policy_explain("grants[1]", "fake.*", "bundled")
  lu.assertEquals(#rows, 3)
end
