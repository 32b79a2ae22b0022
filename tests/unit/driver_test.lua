-- build: shim
-- win.driver: on Wine's own drivers and on files made here, for real; signatures on tests/shims/trust.c, for Wine has none.
local lu = require "luaunit"
local case = require "case"
local failing = require "failing"
local flat = require "flat"
local driver = win.driver

local TRUST_E_BAD_DIGEST, CERT_E_UNTRUSTEDROOT = "80096010", "800b0109"
local WINDOWS = os.getenv "SystemRoot"

-- An image for the kernel whose import table has these functions: {["ndis.sys"] = {"NdisX"}}.
local function image(imports, is_wide)
  local BASE <const> = 0x1000
  local entry_format, entry_size = is_wide and "<I8" or "<I4", is_wide and 8 or 4
  local dlls = {}
  for dll in pairs(imports) do dlls[#dlls + 1] = dll end
  table.sort(dlls)
  local body, directory = "", ""
  local room = 20 * (#dlls + 1)
  local function add(text)
    local at = BASE + room + #body
    body = body .. text
    return at
  end
  for _, dll in ipairs(dlls) do
    local entries = ""
    for _, name in ipairs(imports[dll]) do
      entries = entries .. (name == "#" and string.pack(entry_format, (1 << (entry_size * 8 - 1)) | 7)
        or string.pack(entry_format, add("\0\0" .. name .. "\0")))
    end
    local names = add(entries .. ("\0"):rep(entry_size))
    directory = directory .. string.pack("<I4I4I4I4I4", names, 0, 0, add(dll .. "\0"), names)
  end
  local section = directory .. ("\0"):rep(20) .. body
  local optional = string.pack("<I2", is_wide and 0x20B or 0x10B) .. ("\0"):rep((is_wide and 120 or 104) - 2)
    .. string.pack("<I4I4", BASE, room) .. ("\0"):rep(64)
  local header = "MZ" .. ("\0"):rep(58) .. string.pack("<I4", 64) .. "PE\0\0"
    .. string.pack("<I2I2I4I4I4I2I2", 0, 1, 0, 0, 0, #optional, 0) .. optional
  local where = #header + 40
  return header .. ".rdata\0\0" .. string.pack("<I4I4I4I4", #section, BASE, #section, where) .. ("\0"):rep(16) .. section
end

local function install(name, path, kind)
  test.service_create {name = name, path = path, type = kind or 1}
  case.later(function() test.service_delete(name) end)
end

local function row_of(service, rows)
  for _, row in ipairs(rows) do if row.service == service then return row end end
end

local function add_trust(path, result, signer) case.write(path .. ".trust", result .. " " .. (signer or "")) end

local Real = case.suite "Real"

function Real.test_what_wine_has_loaded()
  local rows = driver.list {version = true, roles = true, signature = true}
  local kernel, http = nil, row_of("HTTP", rows)
  for i, row in ipairs(rows) do
    if row.name == "ntoskrnl.exe" then kernel = row end
    lu.assertTrue(i == 1 or rows[i - 1].name <= row.name)
    lu.assertEquals({type(row.loaded), row.signature}, {"boolean", "unsigned"}, row.name)
  end
  lu.assertEquals({http.path:lower(), http.type}, {WINDOWS:lower() .. "\\system32\\drivers\\http.sys", "kernel_driver"})
  lu.assertEquals({kernel.loaded, kernel.path:lower(), kernel.service}, {true, WINDOWS:lower() .. "\\system32\\ntoskrnl.exe"})
  lu.assertTrue(kernel.base > 0 and kernel.size > 0)
  lu.assertNil(driver.list()[1].roles)
end

function Real.test_an_odd_path_is_a_row_too()
  install("p80-odd", [[C:\odd\]])
  lu.assertEquals(row_of("p80-odd", driver.list()).name, "odd")
  win.reg.set([[HKLM\SYSTEM\CurrentControlSet\Services\p80-odd]], "ImagePath", 7, {type = "dword"})
  lu.assertEquals(row_of("p80-odd", driver.list()).name, "p80-odd.sys")
end

function Real.test_a_driver_that_is_loaded_is_one_row()
  local n = 0
  for _, row in ipairs(driver.list()) do
    if row.name == "mountmgr.sys" then
      n = n + 1
      lu.assertEquals({row.service, row.state, row.loaded}, {"MountMgr", "running", true})
      lu.assertTrue(row.size > 0)
    end
  end
  lu.assertEquals(n, 1)
end

function Real.test_paths_as_windows_keeps_them()
  local here = WINDOWS .. "\\system32\\"
  local forms = {
    [ [[\SystemRoot\System32\drivers\a.sys]] ] = here .. "drivers\\a.sys", [ [[System32\drivers\a.sys]] ] = here .. "drivers\\a.sys",
    [ [[\??\C:\x y\a.sys]] ] = [[C:\x y\a.sys]], [ [["C:\x y\a.sys"]] ] = [[C:\x y\a.sys]], [ [[C:\a.sys]] ] = [[C:\a.sys]],
    [ [[%SystemRoot%\system32\a.sys]] ] = here .. "a.sys", [ [[a.sys]] ] = here .. "drivers\\a.sys",
    [ [[\WINDOWS\a.sys]] ] = WINDOWS:sub(1, 2) .. [[\WINDOWS\a.sys]], [ [[\Device\HarddiskVolume9\a.sys]] ] = [[\Device\HarddiskVolume9\a.sys]],
    [""] = here .. "drivers\\p80form.sys",
  }
  install("p80form", "x")
  for form, path in pairs(forms) do
    win.reg.set([[HKLM\SYSTEM\CurrentControlSet\Services\p80form]], "ImagePath", form, {type = "expand_sz"})
    lu.assertEquals(row_of("p80form", driver.list()).path:lower(), path:lower(), form)
  end
end

function Real.test_inspect()
  local row = driver.inspect(WINDOWS .. "\\system32\\kernel32.dll")
  lu.assertEquals({row.company, row.signature, row.roles}, {"Microsoft Corporation", "unsigned", {}})
  lu.assertStrMatches(row.version, "%d+%.%d+%.%d+%.%d+")
  lu.assertEquals(row.trust_code, 0x800B0100)
  lu.assertNil(driver.inspect "C:\\no\\such.sys")
  lu.assertNil(driver.inspect(case.write("plain.sys", "text")).version)
end

function Real.test_roles()
  for _, is_wide in ipairs {true, false} do
    local function roles(imports)
      return driver.inspect(case.write("r.sys", image(imports, is_wide))).roles
    end
    lu.assertEquals(roles {["NDIS.SYS"] = {"#", "NdisFRegisterFilterDriver"}, ["fwpkclnt.sys"] = {"FwpsCalloutRegister1"}}, {"filter", "callout"})
    lu.assertEquals(roles {["ndis.sys"] = {"NdisRegisterProtocolDriver"}}, {"protocol"})
    lu.assertEquals(roles {["ndis.sys"] = {"NdisMRegisterMiniport", "NdisIMRegisterLayeredMiniport"}}, {"adapter", "intermediate"})
    lu.assertEquals(roles {["tdi.sys"] = {"TdiMapUserRequest"}, ["netio.sys"] = {"WskRegister"}}, {"tdi", "sockets"})
    lu.assertEquals(roles {["ntoskrnl.exe"] = {"NdisFRegisterFilterDriver"}}, {})
  end
end

-- Any bytes are an image without roles at worst.
function Real.test_damaged_images()
  math.randomseed(1)
  local whole = image({["ndis.sys"] = {"NdisFRegisterFilterDriver"}}, true)
  for _ = 1, 150 do
    local at = math.random(#whole)
    local bytes = math.random(3) == 1 and whole:sub(1, at) or whole:sub(1, at - 1) .. string.char(math.random(0, 255)) .. whole:sub(at + 1)
    lu.assertIsTable(driver.inspect(case.write("d.sys", bytes)).roles)
  end
end

function Real.test_images_with_too_much()
  local function roles(imports) return driver.inspect(case.write("m.sys", image(imports, true))).roles end
  local long, functions, dlls = "NdisRegisterProtocol" .. ("x"):rep(100000), {"NdisFRegisterFilterDriver"}, {}
  lu.assertEquals(roles {["ndis.sys"] = {long}}, {"protocol"})
  for i = 2, 17000 do functions[i] = "#" end
  lu.assertEquals(roles {["ndis.sys"] = functions}, {})
  for i = 1, 4200 do dlls["d" .. i] = {} end
  lu.assertEquals(roles(dlls), {})
end

function Real.test_installed_components()
  local key = [[HKLM\SYSTEM\CurrentControlSet\Control\Network\{4D36E974-E325-11CE-BFC1-08002BE10318}\{80808080-0000-0000-0000-000000000000}\Ndi]]
  case.reg {"add", key}
  case.later(function() win.reg.delete(key:match "^(.*)\\", nil, {tree = true}) end)
  win.reg.set(key, "Service", "P80Filter", {type = "sz"})
  install("p80filter", case.write("f.sys", image({}, true)))
  lu.assertEquals(row_of("p80filter", driver.list {roles = true}).roles, {"service"})
  win.reg.set(key, "FilterClass", "compression", {type = "sz"})
  lu.assertEquals(row_of("p80filter", driver.list {roles = true}).roles, {"filter"})
end

function Real.test_bad_input()
  local function bad(target, f, ...)
    local ok, problem = pcall(f, ...)
    lu.assertEquals({ok, problem.code, problem.target}, {false, 87, target})
  end
  bad("arguments", driver.list, {}, 1)
  bad("options", driver.list, 5)
  bad("sign", driver.list, {sign = true})
  bad("roles", driver.list, {roles = "x"})
  bad("loaded", driver.third_party, {loaded = 1})
  bad("path", driver.inspect, 5)
  bad("name", driver.inspect, "x\\y.sys")
  bad("arguments", driver.inspect)
end

-- ---- Signatures ----

local Trust = case.suite "Trust"
local begin, finish = Trust.setUp, Trust.tearDown
function Trust.setUp()
  begin()
  test.setenv("P80_SHIM_TRUST", "1")
end
function Trust.tearDown()
  test.setenv("P80_SHIM_TRUST", nil)
  finish()
end

local function inspect_signed(file, result, signer)
  local path = case.write(file, "x")
  if result then add_trust(path, result, signer) end
  local row = driver.inspect(path)
  return {row.signature, row.signer, row.trust_code}
end

function Trust.test_words()
  lu.assertEquals(inspect_signed("good.sys", "0", "Contoso AG"), {"signed", "Contoso AG"})
  lu.assertEquals(inspect_signed "none.sys", {"unsigned", nil, 0x800B0100})
  lu.assertEquals(inspect_signed("bad.sys", TRUST_E_BAD_DIGEST, "Contoso AG"), {"untrusted", "Contoso AG", 0x80096010})
  lu.assertEquals(inspect_signed("root.sys", CERT_E_UNTRUSTEDROOT, "Me"), {"untrusted", "Me", 0x800B0109})
  lu.assertEquals(inspect_signed("busy.sys", "80070020"), {"unknown", nil, 0x80070020})
end

function Trust.test_catalogs()
  local path = case.write("cat.sys", "x")
  add_trust(path .. ".cat", "0", "Microsoft Windows")
  local row = driver.inspect(path)
  lu.assertEquals({row.signature, row.signer}, {"signed", "Microsoft Windows"})
  test.setenv("P80_SHIM_FAIL", "CryptCATAdminAcquireContext2:1+") -- as before Windows 8
  lu.assertEquals(driver.inspect(path).signature, "signed")
  test.setenv("P80_SHIM_FAIL", nil)
  add_trust(path .. ".cat", CERT_E_UNTRUSTEDROOT)
  lu.assertEquals(driver.inspect(path).signature, "untrusted")
end

-- By signature and company, each of which alone is not enough.
function Trust.test_third_party()
  local versioned = case.read(WINDOWS .. "\\system32\\kernel32.dll") -- its company is Microsoft
  local function add(name, bytes, result, signer)
    local path = case.write(name .. ".sys", bytes)
    if result then add_trust(path, result, signer) end
    install(name, path)
  end
  add("p80ms", versioned, "0", "Microsoft Windows")
  add("p80claims", versioned)
  add("p80stolen", versioned, "0", "Contoso AG")
  add("p80nameless", image({["ndis.sys"] = {"NdisFRegisterFilterDriver"}}, true), "0", "Microsoft Windows Hardware Compatibility Publisher")
  add("p80broken", versioned, TRUST_E_BAD_DIGEST, "Microsoft Windows")
  local rows = driver.third_party()
  local function reason(service) return (row_of(service, rows) or {}).reason end
  lu.assertNil(reason "p80ms")
  lu.assertEquals(reason "p80claims", "it is not signed")
  lu.assertEquals(reason "p80stolen", "it is signed by Contoso AG")
  lu.assertEquals(reason "p80nameless", "it names no company")
  lu.assertEquals(row_of("p80nameless", rows).roles, {"filter"})
  lu.assertEquals(reason "p80broken", "its signature is not trusted")
  lu.assertNil(row_of("p80claims", driver.third_party {loaded = true}))
end

function Trust.test_nothing_is_left_open()
  local path = case.write("leak.sys", image({["ndis.sys"] = {"NdisX"}}, true))
  add_trust(path .. ".cat", "0", "x")
  flat(function() driver.inspect(path) end, 50)
  flat(function() driver.list() end, 30)
end

-- A call that fails makes a row lack something or says "unknown"; never does it make "signed" of what is not.
function Trust.test_every_call_fails_once()
  local path = case.write("fails.sys", case.read(WINDOWS .. "\\system32\\kernel32.dll"))
  add_trust(path .. ".cat", TRUST_E_BAD_DIGEST, "x")
  local faults = {}
  local strikes = failing.each_of(function() return driver.inspect(path) end, function(wish)
    local struck, ok, row = failing.call(wish, function() return driver.inspect(path) end)
    local fault = not ok and failing.wrong_with(row) or ok and row and row.signature == "signed" and "signed"
    if fault then faults[#faults + 1] = wish .. ": " .. fault end
    return struck
  end)
  lu.assertEquals(table.concat(faults, "\n"), "")
  lu.assertTrue(strikes > 10, strikes)
  local _, ok, problem = failing.call("NtQuerySystemInformation:1:31", function() return driver.list() end)
  lu.assertEquals({ok, problem.op}, {false, "driver.list"})
end
