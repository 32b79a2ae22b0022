-- arch: x64
-- What `p80 install` reads: ZIP archives, folders, a playbook with the modules beside it; and every name, link and archive that
-- it refuses.
local lu = require "luaunit"
local case = require "case"
local fakecore = require "fakecore"
local fuzz = require "fuzz"
local zipfile = require "zipfile"

local T = case.suite "Package"
local SEEDS <const> = test.folder .. "\\fuzz\\seeds\\zip\\"
local SCRIPT <const> = 'require "p80".playbook {name = "acme", version = "1.0.0", summary = "x"}\n'

-- `win` on a machine where all files whose names begin with "link" are links. (Wine has none that Windows' calls show.)
local linking = setmetatable({
  file = setmetatable({is_link = function(path) return path:find "\\link[^\\]*$" ~= nil end}, {__index = win.file}),
}, {__index = win})

local core
local function open_core() core = fakecore.open {win = linking} return core end

-- What core.package gives for `source`: the package, or nil and the error.
local function read(source)
  open_core()
  local ok, result = pcall(core.package.read, source)
  if ok then return result end
  lu.assertIsTable(result, tostring(result))
  return nil, result
end

local function paths(files)
  local list = {}
  for path in pairs(files) do list[#list + 1] = path end
  table.sort(list)
  return table.concat(list, " ")
end

local function write(path, bytes)
  local at = case.path(path)
  for stop in at:gmatch "()\\" do lfs.mkdir(at:sub(1, stop - 1)) end
  local file <close> = assert(io.open(at, "wb"))
  file:write(bytes)
  return at
end

local function seed(name)
  local file <close> = assert(io.open(SEEDS .. name, "rb"))
  return file:read "a"
end

local function refused(source, message, code)
  local given, problem = read(source)
  lu.assertNil(given, message)
  lu.assertStrContains(tostring(problem), message)
  lu.assertEquals(problem.code, code or core.code.P80_BAD_PACKAGE)
end

-- ---- Archives ----

local function read_zip(bytes) return read(write("acme.zip", bytes)) end
local function zip_refused(list, message) refused(write("acme.zip", zipfile.make(list)), message) end

function T:test_archives_of_other_programs()
  for name, expected in pairs {["infozip.zip"] = "acme.lua empty lib/team.lua", ["stored.zip"] = "acme.lua", ["python.zip"] = "acme.lua docs/Übersicht.md"} do
    local given = assert(read_zip(seed(name)))
    lu.assertEquals({given.name, given.script, paths(given.files)}, {"acme", "acme.lua", expected}, name)
    lu.assertStrContains(given.files["acme.lua"], 'name = "acme", version = "1.0.0"')
  end
  lu.assertEquals(#read_zip(seed "python.zip").files["docs/Übersicht.md"], 100)
end

function T:test_archives_of_other_programs_that_are_refused()
  for name, message in pairs {["crypted.zip"] = "encrypted", ["link.zip"] = "link.lua': It is a link.", ["lzma.zip"] = "method 14 (LZMA)",
      ["piped.zip"] = "Zip64", ["zip64.zip"] = "something else"} do
    refused(write("acme.zip", seed(name)), message)
  end
end

function T:test_what_an_archive_must_not_be()
  local good = {name = "acme.lua", bytes = SCRIPT}
  local function with(changes) return setmetatable(changes, {__index = good}) end
  lu.assertEquals(paths(read_zip(zipfile.make {good, comment = "PK\5\6 is no end"}).files), "acme.lua")
  lu.assertEquals(paths(read_zip(zipfile.make {with {method = 8, packed = zipfile.store(SCRIPT)}}).files), "acme.lua")
  for _, row in ipairs {
    {with {flags = 1}, "encrypted"}, {with {flags = 0x40}, "encrypted"}, {with {method = 9, packed = SCRIPT}, "method 9 (Deflate64)"},
    {with {method = 77}, "method 77."}, {with {crc = 1}, "damaged"}, {with {size = 5}, "two sizes differ"}, {with {disk = 1}, "another part"},
    {with {method = 8, packed = zipfile.store(SCRIPT) .. "x"}, "damaged"}, {with {method = 8, packed = "\3\0", size = 5}, "damaged"},
    {with {method = 8, packed = "\255\255"}, "damaged"}, {with {attributes = 0xA1FF0000, made_by = 0x031E}, "a link"},
    {with {attributes = 0x400}, "a link"}, {with {attributes = 0x61A40000, made_by = 0x031E}, "a device"}, {with {offset = 1}, "not where"},
    {with {offset = 0x7FFFFFFF}, "not where"}, {with {["local"] = {name = "acme.txt"}}, "something else"},
    {with {["local"] = {method = 8}}, "something else"}, {with {["local"] = {crc = 1}}, "something else"},
    {with {["local"] = {flags = 0x801}}, "something else"}, {with {name = "\xE4.lua", flags = 0}, "code page"}, {with {name = "\xC3\xA4.lua", flags = 0}, "code page"},
    {with {name = "a\0.lua"}, "NUL"}, {with {name = "lib/", bytes = "x"}, "bytes of its own"},
  } do
    zip_refused({row[1]}, row[2])
  end
  for _, row in ipairs {
    {{entries = 2}, "damaged"}, {{entries = 0, here = 0}, "damaged"}, {{here = 0}, "several parts"}, {{disk = 1}, "several parts"}, {{size = 5}, "should be"},
    {{offset = 0xFFFFFFFF}, "Zip64"}, {{entries = 0xFFFF}, "Zip64"}, {{offset = 0}, "should be"},
  } do
    zip_refused({good, tail = row[1]}, row[2])
  end
  refused(write("acme.zip", ""), "no ZIP archive")
  refused(write("acme.zip", "PK\5\6"), "no ZIP archive")
  refused(write("acme.zip", zipfile.make {good}:sub(1, -2)), "no ZIP archive")
  refused(write("acme.zip", zipfile.make {}), "no playbook in it")
end

function T:test_names_that_differ_in_their_letters_alone()
  local function with(...)
    local list = {{name = "acme.lua", bytes = SCRIPT}}
    for _, name in ipairs {...} do list[#list + 1] = {name = name, bytes = "", flags = 0x800} end
    return list
  end
  for _, names in ipairs {{"m.lua", "M.lua"}, {"m_ü.lua", "m_Ü.lua"}, {"lib/ж.lua", "lib/Ж.lua"}} do zip_refused(with(table.unpack(names)), "There are two of this name") end
  for _, names in ipairs {{"lib/a.lua", "LIB/c.lua"}, {"ü/x/a.lua", "Ü/x/c.lua"}, {"a/ü/a.lua", "a/Ü/c.lua"}} do
    zip_refused(with(table.unpack(names)), "elsewhere, in other letters")
  end
  zip_refused(with("ü", "Ü/a.lua"), "There is a file where this needs a folder")
  lu.assertEquals(paths(read_zip(zipfile.make(with("ü/a.lua", "ü/B.lua", "ß.lua", "ss.lua"))).files), "acme.lua ss.lua ß.lua ü/B.lua ü/a.lua")
end

function T:test_archives_that_unpack_to_too_much()
  local many = {{name = "acme.lua", bytes = SCRIPT}}
  for i = 1, 500 do many[#many + 1] = {name = ("f%d"):format(i), bytes = ""} end
  zip_refused(many, "501 entries; 500 are the most")
  zip_refused({{name = "acme.lua", bytes = "", method = 8, packed = "\3\0", size = (8 << 20) + 1}}, "more than 8388608 bytes")
  local half = {bytes = "", method = 8, packed = "\3\0", size = 5 << 20}
  zip_refused({setmetatable({name = "a.lua"}, {__index = half}), setmetatable({name = "b.lua"}, {__index = half})}, "more than 8388608 bytes")
  zip_refused({{name = "acme.lua", bytes = SCRIPT}, {name = "b.lua", bytes = SCRIPT, offset = 0, ["local"] = {name = "acme.lua"}}}, "something else")
  local inner = zipfile.make {{name = "b.lua", bytes = SCRIPT}}
  zip_refused({{name = "acme.lua", bytes = inner}, {name = "b.lua", bytes = SCRIPT, offset = 30 + #"acme.lua"}}, "overlaps")
end

function T:test_names_that_leave_the_folder_or_mean_something_else()
  for name, message in pairs {
    ["../acme.lua"] = "leaves its folder", ["lib/../../acme.lua"] = "leaves its folder", ["./acme.lua"] = "leaves its folder", ["/acme.lua"] = "absolute",
    ["lib//acme.lua"] = "absolute", ["..\\acme.lua"] = "backslash", ["lib\\acme.lua"] = "backslash", ["C:acme.lua"] = "colon", ["C:/acme.lua"] = "colon",
    ["acme.lua:hidden.lua"] = "colon", ["acme.lua::$DATA"] = "colon", ["acme.lua."] = "a dot", ["acme.lua "] = "a blank", [" acme.lua"] = "a blank",
    ["lib./acme.lua"] = "a dot", ["a?.lua"] = "character", ["a*.lua"] = "character", ["a|b.lua"] = "character", ["a\tb.lua"] = "character", ["a\1.lua"] = "character",
    ["CON"] = "device", ["con.lua"] = "device", ["lib/NUL.txt"] = "device", ["nul .txt"] = "device", ["Aux/x.lua"] = "device", ["com1.lua"] = "device",
    ["COM\u{B9}.lua"] = "device", ["lpt9"] = "device", ["CONIN$"] = "device", ["a/b/c/d/e/f/g/h/i.lua"] = "8 folders deep",
    [("x"):rep(161)] = "longer than 160", ["//server/share/x.lua"] = "absolute", ["\\\\?\\C:\\x.lua"] = "backslash",
  } do
    zip_refused({{name = "acme.lua", bytes = SCRIPT}, {name = name, bytes = ""}}, message)
    zip_refused({{name = "acme.lua", bytes = SCRIPT}, {name = name .. "/", bytes = ""}}, message)
  end
  for name in pairs {["console.lua"] = 1, ["lib/com10.lua"] = 1, ["a b.lua"] = 1, ["nullable.txt"] = 1, ["ü/名.lua"] = 1, ["a~1.lua"] = 1} do
    lu.assertNotNil(read_zip(zipfile.make {{name = "acme.lua", bytes = SCRIPT}, {name = name, bytes = ""}}), name)
  end
end

function T:test_names_that_are_one_for_windows()
  zip_refused({{name = "acme.lua", bytes = SCRIPT}, {name = "ACME.lua", bytes = ""}}, "two of this name")
  zip_refused({{name = "acme.lua", bytes = SCRIPT}, {name = "acme.lua", bytes = ""}}, "two of this name")
  zip_refused({{name = "acme.lua", bytes = SCRIPT}, {name = "lib", bytes = ""}, {name = "LIB/x.lua", bytes = ""}}, "needs a folder")
  zip_refused({{name = "acme.lua", bytes = SCRIPT}, {name = "lib/x.lua", bytes = ""}, {name = "Lib", bytes = ""}}, "two of this name")
end

function T:test_hidden_files_and_p80s_own_are_left_out()
  local given = read_zip(zipfile.make {{name = "top/acme.lua", bytes = SCRIPT}, {name = "top/.git/config", bytes = ""}, {name = "__MACOSX/._acme.lua", bytes = ""},
    {name = "top/lib/.x", bytes = ""}})
  lu.assertEquals(paths(given.files), "acme.lua")
  lu.assertEquals(paths(read_zip(zipfile.make {{name = "acme.lua", bytes = SCRIPT}, {name = "Installed.JSON", bytes = "{}"}}).files), "acme.lua")
end

-- ---- Folders and files ----

function T:test_a_folder()
  write([[team\acme.lua]], SCRIPT)
  write([[team\helper.lua]], "return 1")
  write([[team\lib\deep\x.lua]], "return 2")
  write([[team\.git\config]], "no")
  for _, source in ipairs {case.path "team", case.path "team\\", (case.path "team":gsub("\\", "/"))} do
    local given = assert(read(source))
    lu.assertEquals({given.name, paths(given.files)}, {"acme", "acme.lua helper.lua lib/deep/x.lua"})
  end
  write([[team\second.lua]], SCRIPT)
  refused(case.path "team", "Which one is the playbook? These declare a manifest: acme.lua, second.lua.")
  refused(case.folder, "no playbook in it")
  refused(case.path "none", "no such file or folder", core.code.ERROR_FILE_NOT_FOUND)
end

function T:test_links_are_refused()
  for i, path in ipairs {"linked.lua", "linked\\x.lua", "lib\\link"} do
    local folder = "team" .. i
    write(folder .. "\\acme.lua", SCRIPT)
    write(folder .. "\\" .. path, "")
    refused(case.path(folder), "This is a link.")
  end
  refused(write("link.lua", SCRIPT), "This is a link. (P80_BAD_PACKAGE); name the file that it leads to")
  refused(write("link.zip", zipfile.make {{name = "acme.lua", bytes = SCRIPT}}), "This is a link.")
  write("with\\acme.lua", SCRIPT .. 'require "lib.link"')
  write("with\\lib\\link.lua", "")
  refused(case.path "with\\acme.lua", "This is a link.")
end

function T:test_a_file_takes_the_modules_that_it_requires()
  local script = SCRIPT .. 'require "team.one"\nlocal two = require("two")\nrequire \'p80\' require "absent" require "../out" require ".." require "a/b"'
    .. "require [[four]] require([==[five]==]) require\t[[absent]] pcall(require, 'six')"
  write([[x\acme.lua]], script)
  write([[x\acme.lua.minisig]], "signature")
  write([[x\team\one.lua]], 'require "team.three"')
  write([[x\team\one.lua.minisig]], "signature of one")
  write([[x\team\three\init.lua]], 'require "two" require "acme"')
  write([[x\two.lua]], "")
  write([[x\four.lua]], "")
  write([[x\six.lua]], "")
  write([[x\five\init.lua]], "")
  write([[x\other.lua]], "")
  write([[out.lua]], "")
  local given = assert(read(case.path [[x\acme.lua]]))
  lu.assertEquals(paths(given.files), "acme.lua acme.lua.minisig five/init.lua four.lua six.lua team/one.lua team/one.lua.minisig "
    .. "team/three/init.lua two.lua")
  lu.assertEquals(given.files["acme.lua"], script)
end

function T:test_files_that_are_no_playbooks()
  refused(write("acme.txt", SCRIPT), "neither .lua, nor a folder, nor .zip")
  refused(write("con1.con.lua", SCRIPT), "letters, digits")
  refused(case.path "acme.lua:stream.lua", "no such file", 2)
  write("acme.lua", SCRIPT)
  lu.assertNotNil(read(case.path "acme.lua"))
  refused(write("big.lua", ("-"):rep((8 << 20) + 1)), "more than 8388608 bytes")
end

function T:test_random_archives()
  local seeds = {}
  for name in lfs.dir(SEEDS) do
    if name:find "%.zip$" then seeds[#seeds + 1] = seed(name) end
  end
  lu.assertTrue(#seeds >= 8)
  fuzz.run(dofile(test.folder .. "\\fuzz\\zip.lua"), seeds, fuzz.CASES, os.time())
end
