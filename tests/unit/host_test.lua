-- win.host on the system that runs the test, and on the Windows Server 2003 that Wine can pretend to be.
local lu = require "luaunit"
local failure = require "fakecore".failure
local host = win.host

local TIME = "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$"

TestHost = {}

function TestHost.test_version()
  local version = host.version()
  for _, key in ipairs {"major", "minor", "build", "service_pack"} do
    lu.assertEquals(math.type(version[key]), "integer")
  end
  lu.assertTrue(version.major >= 5)
  lu.assertIsBoolean(version.server)
  lu.assertStrContains(version.text, ("(%d.%d.%d)"):format(version.major, version.minor, version.build))
  lu.assertStrContains(version.text, "Windows")
  lu.assertEquals(version.text:find "Server" ~= nil, version.server)
end

function TestHost.test_edition_is_a_word()
  lu.assertStrMatches(host.edition(), "[a-z0-9_]+")
  lu.assertNil(host.edition():find "^product_0x")
end

function TestHost.test_architecture_is_that_of_windows()
  local native = os.getenv "PROCESSOR_ARCHITEW6432" or os.getenv "PROCESSOR_ARCHITECTURE"
  lu.assertEquals(host.architecture(), ({AMD64 = "x64", x86 = "x86", ARM64 = "arm64"})[native])
  if test.arch == "x64" then lu.assertEquals(host.architecture(), "x64") end
end

function TestHost.test_name_begins_as_the_netbios_name()
  local netbios = os.getenv "COMPUTERNAME"
  lu.assertEquals(host.name():upper():sub(1, #netbios), netbios:upper())
end

function TestHost.test_elevated_as_the_system_lets_us_write()
  local ok = pcall(win.reg.create, [[HKLM\SOFTWARE\p80-host-test]])
  if ok then win.reg.delete([[HKLM\SOFTWARE\p80-host-test]]) end
  lu.assertEquals(host.elevated(), ok)
end

function TestHost.test_boot_time_is_before_now_and_stays()
  local first = host.boot_time()
  lu.assertStrMatches(first, TIME:sub(2, -2))
  lu.assertTrue(first <= os.date "!%Y-%m-%dT%H:%M:%SZ")
  lu.assertTrue(first <= win.process.get(test.pid()).started)
  test.sleep(1.1)
  lu.assertEquals(host.boot_time(), first)
end

function TestHost.test_info_is_all_of_it()
  local info = host.info()
  for _, key in ipairs {"version", "edition", "architecture", "name", "elevated", "boot_time"} do
    lu.assertEquals(info[key], host[key]())
    info[key] = nil
  end
  lu.assertEquals(info, {})
end

function TestHost.test_arguments_are_refused()
  for name, f in pairs(host) do
    local _, problem = failure(f, 1)
    lu.assertEquals({problem.op, problem.target, problem.code}, {"host." .. name, "arguments", 87})
  end
end

-- ---- The words for the numbers of other systems ----

-- The half in Lua over these numbers.
local function host_with(numbers)
  local fake = {
    version = function() return {
      major = numbers[1], minor = numbers[2], build = numbers[3], service_pack = numbers[4], server = numbers.server,
    } end,
    edition = function() return numbers.product, numbers.suites, numbers.server end,
  }
  test.bundled("win", "host")(fake, win, test.x)
  return fake
end

TestWords = {}

function TestWords.test_versions()
  for text, numbers in pairs {
    ["Windows Server 2003 Service Pack 1 (5.2.3790)"] = {5, 2, 3790, 1, server = true},
    ["Windows XP Professional x64 Edition Service Pack 2 (5.2.3790)"] = {5, 2, 3790, 2, server = false},
    ["Windows Server 2008 R2 (6.1.7600)"] = {6, 1, 7600, 0, server = true},
    ["Windows 8.1 (6.3.9600)"] = {6, 3, 9600, 0, server = false},
    ["Windows Server 2016 (10.0.14393)"] = {10, 0, 14393, 0, server = true},
    ["Windows Server 2019 (10.0.17763)"] = {10, 0, 17763, 0, server = true},
    ["Windows Server 2025 (10.0.26100)"] = {10, 0, 26100, 0, server = true},
    ["Windows Server 2025 (10.0.26500)"] = {10, 0, 26500, 0, server = true},
    ["Windows 10 (10.0.19045)"] = {10, 0, 19045, 0, server = false},
    ["Windows 11 (10.0.22631)"] = {10, 0, 22631, 0, server = false},
    ["Windows (11.3.1)"] = {11, 3, 1, 0, server = false},
  } do
    lu.assertEquals(host_with(numbers).version().text, text)
  end
end

function TestWords.test_editions()
  for _, case in ipairs {
    {"standard_server", suites = 0x110, server = true}, {"enterprise_server", suites = 0x112, server = true},
    {"datacenter_server", suites = 0x192, server = true}, {"web_server", suites = 0x400, server = true},
    {"cluster_server", suites = 0x4000, server = true}, {"professional", suites = 0x100, server = false},
    {"smallbusiness_server", suites = 0x21, server = true}, {"datacenter_server_core", product = 0x0C},
    {"datacenter_server_azure_edition", product = 407}, {"product_0x7777", product = 0x7777},
    {"unlicensed", product = 0xABCDABCD},
  } do
    lu.assertEquals(host_with(case).edition(), case[1])
  end
end

-- ---- Windows Server 2003, as far as Wine pretends ----

local APP = [[HKCU\Software\Wine\AppDefaults\p80.exe]]

TestServer2003 = {}

function TestServer2003.setUp()
  if not win.reg.exists [[HKCU\Software\Wine]] then lu.skip "this is no Wine" end
  win.reg.create(APP)
  win.reg.set(APP, "Version", "win2003", {type = "sz"})
end

function TestServer2003.tearDown() pcall(win.reg.delete, APP, nil, {tree = true}) end

function TestServer2003.test_version_and_edition()
  local result = test.spawn {path = test.p80, args = {"-e", "print(win.host.version().text, win.host.edition())"}}
  lu.assertEquals(result.stderr, "")
  lu.assertStrMatches(result.stdout, "Windows Server 2003 Service Pack 2 %(5%.2%.3790%)\tstandard_server%s*")
end
