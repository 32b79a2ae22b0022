-- io, os and lfs of p80: every name is UTF-8, whatever the code page (engine/crt_utf8.c).
local lu = require "luaunit"
local lfs = lfs or require "lfs"

local base -- a folder of this test's own
local windows = package.config:sub(1, 1) == "\\"

local function path(name) return base .. "\\" .. name end

local function write(name, text, mode)
  local file = assert(io.open(name, mode or "wb"))
  assert(file:write(text))
  assert(file:close())
end

local function read(name, mode)
  local file = assert(io.open(name, mode or "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function list(folder)
  local names = {}
  for name in lfs.dir(folder) do
    if name ~= "." and name ~= ".." then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- Deletes a folder and all in it, however long the paths are.
local function clear(folder)
  for _, name in ipairs(list(folder)) do
    local full = folder .. "\\" .. name
    local mode = lfs.symlinkattributes(full, "mode")
    if mode == "directory" then clear(full)
    elseif not os.remove(full) then lfs.rmdir(full) end
  end
  assert(lfs.rmdir(folder))
end

local names = {
  "plain.txt", "größe.txt", "файл.txt", "日本語.txt", "emoji 😀.txt", "combining e\u{301}.txt", "ÿ.txt",
  string.rep("ü", 120) .. ".txt",
}

local lone = {"lone \xED\xA0\xBD high.txt", "lone \xED\xB8\x80 low.txt", "\xED\xB8\x80\xED\xA0\xBD.txt"} -- WTF-8

-- Not UTF-8: a stray byte, a Latin-1 letter, a cut character, an overlong slash, beyond Unicode, a pair as two units.
local broken = {"\xFF", "\xE4.txt", "\xC3", "\xC0\xAF", "\xF4\x90\x80\x80", "\xED\xA0\xBD\xED\xB8\x80"}

local TestCrt = {}
_G.TestCrt = TestCrt

function TestCrt:setUp()
  base = os.getenv "TEMP" .. "\\p80-crt-" .. tostring({}):gsub("%W", "")
  assert(lfs.mkdir(base))
end

function TestCrt:tearDown() clear(base) end

function TestCrt:test_names_round_trip()
  lu.assertTrue(windows)
  for _, name in ipairs(names) do
    write(path(name), name)
    lu.assertEquals(read(path(name)), name)
    lu.assertEquals(lfs.attributes(path(name), "size"), #name)
    lu.assertEquals(lfs.attributes(path(name), "mode"), "file")
  end
  local found = list(base)
  local expected = {table.unpack(names)}
  table.sort(expected)
  lu.assertEquals(found, expected)
end

function TestCrt:test_lone_surrogates_round_trip()
  local file = io.open(path(lone[1]), "wb")
  if not file then lu.skip "this file system (Wine's) holds no lone surrogates" end
  file:close()
  for _, name in ipairs(lone) do
    write(path(name), name)
    lu.assertEquals(read(path(name)), name)
  end
  local expected = {table.unpack(lone)}
  table.sort(expected)
  lu.assertEquals(list(base), expected)
end

function TestCrt:test_rename_and_remove()
  for i, name in ipairs(names) do
    local new = path("neu-" .. i .. "-äöü")
    write(path(name), "x")
    lu.assertTrue(os.rename(path(name), new))
    lu.assertNil(lfs.attributes(path(name)))
    lu.assertEquals(read(new), "x")
    lu.assertTrue(os.remove(new))
    lu.assertNil(lfs.attributes(new))
  end
  lu.assertEquals(list(base), {})
end

function TestCrt:test_errors_name_the_file()
  local file, message, code = io.open(path "fehlt-ä.txt")
  lu.assertNil(file)
  lu.assertEquals(message, path "fehlt-ä.txt" .. ": No such file or directory")
  lu.assertEquals(code, 2)
  local ok
  ok, message, code = os.remove(path "fehlt-ä.txt")
  lu.assertNil(ok)
  lu.assertEquals(code, 2)
  write(path "a", "a")
  write(path "b", "b")
  ok, message, code = os.rename(path "a", path "b") -- Windows does not replace
  lu.assertNil(ok)
  lu.assertStrContains(message, "File exists")
  lu.assertEquals(read(path "b"), "b")
  ok, message, code = lfs.mkdir(path "a")
  lu.assertNil(ok)
  lu.assertEquals(message, "File exists")
  ok, message = lfs.rmdir(path "nichts")
  lu.assertNil(ok)
  lu.assertEquals(message, "No such file or directory")
  lu.assertNil((os.remove(base))) -- a folder
end

function TestCrt:test_text_that_is_no_utf8_is_refused()
  for _, name in ipairs(broken) do
    local calls = {
      open = function() return io.open(path(name), "w") end,
      remove = function() return os.remove(path(name)) end,
      rename_from = function() return os.rename(path(name), path "x") end,
      rename_to = function() write(path "here", "") return os.rename(path "here", path(name)) end,
      mkdir = function() return lfs.mkdir(path(name)) end,
      rmdir = function() return lfs.rmdir(path(name)) end,
      chdir = function() return lfs.chdir(path(name)) end,
      attributes = function() return lfs.attributes(path(name)) end,
      symlinkattributes = function() return lfs.symlinkattributes(path(name)) end,
      touch = function() return lfs.touch(path(name)) end,
      link = function() write(path "here", "") return lfs.link(path "here", path(name)) end,
      lock_dir = function() return lfs.lock_dir(path(name)) end,
      popen = function() return io.popen("echo " .. name) end,
      execute = function() return os.execute("echo " .. name) end,
      loadfile = function() return loadfile(path(name)) end,
    }
    for what, call in pairs(calls) do
      local result, message = call()
      lu.assertNil(result, what)
      lu.assertIsString(message, what)
      if what ~= "link" and what ~= "lock_dir" then
        lu.assertTrue(message:find("Illegal byte sequence", 1, true) ~= nil -- Windows
          or message:find("multibyte", 1, true) ~= nil, what .. ": " .. message) -- Wine
      end
    end
    lu.assertNil(os.getenv(name))
  end
  os.remove(path "here")
  lu.assertEquals(list(base), {})
end

function TestCrt:test_long_paths()
  local part = string.rep("lang-ä-", 20) -- 140 characters, 160 bytes
  local folder = base
  for i = 1, 4 do
    folder = folder .. "\\" .. part .. i
    lu.assertTrue(lfs.mkdir(folder))
  end
  local file = folder .. "/datei.txt" -- a slash, which only the prefix form would not take
  lu.assertTrue(utf8.len(file) > 500)
  write(file, "lang")
  lu.assertEquals(read(file), "lang")
  lu.assertEquals(lfs.attributes(file, "size"), 4)
  lu.assertEquals(lfs.attributes(folder, "mode"), "directory")
  lu.assertTrue(lfs.touch(file, 1000000000, 1000000001))
  lu.assertEquals(lfs.attributes(file, "modification"), 1000000001)
  lu.assertEquals(list(folder), {"datei.txt"})
  lu.assertTrue(os.rename(file, folder .. "\\neu.txt"))
  lu.assertTrue(lfs.link(folder .. "\\neu.txt", folder .. "\\hart.txt"))
  lu.assertEquals(list(folder), {"hart.txt", "neu.txt"})
  lu.assertTrue(os.remove(folder .. "\\neu.txt"))
  write(folder .. "\\..\\oben.txt", "oben") -- dots are resolved although the prefix turns that off
  lu.assertEquals(list(folder:match "(.*)\\"), {folder:match ".*\\(.*)", "oben.txt"})
  lu.assertEquals(read([[\\?\]] .. folder .. "\\hart.txt"), "lang")
  write(folder .. "\\modul.lua", "return 'geladen'")
  lu.assertEquals(dofile(folder .. "\\modul.lua"), "geladen")
end

function TestCrt:test_long_relative_path()
  local part = string.rep("relativ", 20)
  local before = lfs.currentdir()
  lu.assertTrue(lfs.chdir(base))
  lu.assertTrue(lfs.mkdir(part))
  local ok, message = pcall(function()
    lu.assertTrue(lfs.mkdir(part .. "/" .. part))
    write(part .. "/" .. part .. "/x", "relativ")
    lu.assertEquals(read(base .. "\\" .. part .. "\\" .. part .. "\\x"), "relativ")
  end)
  lfs.chdir(before)
  lu.assertTrue(ok, message)
end

function TestCrt:test_chunks_from_files()
  write(path "müdul.lua", "\xEF\xBB\xBFreturn ...")
  lu.assertEquals(assert(loadfile(path "müdul.lua"))(5), 5)
  local chunk, message = loadfile(path "fehlt-ü.lua")
  lu.assertNil(chunk)
  lu.assertStrContains(message, "fehlt-ü.lua")
  local before = package.path
  package.path = base .. "\\?.lua"
  local ok, value = pcall(require, "müdul")
  package.path = before
  package.loaded["müdul"] = nil
  lu.assertTrue(ok, value)
  lu.assertEquals(value, "müdul")
end

function TestCrt:test_current_directory()
  local before = lfs.currentdir()
  local folder = path "Ordner-ж"
  lu.assertTrue(lfs.mkdir(folder))
  lu.assertTrue(lfs.chdir(folder))
  local now = lfs.currentdir()
  write("hier.txt", "hier")
  lfs.chdir(before)
  lu.assertEquals(now, folder)
  lu.assertEquals(list(folder), {"hier.txt"})
  lu.assertNil((lfs.chdir(path "nirgends")))
  lu.assertEquals(lfs.currentdir(), before)
end

function TestCrt:test_attributes()
  write(path "datei.exe", "12345")
  local a = lfs.attributes(path "datei.exe")
  lu.assertEquals(a.mode, "file")
  lu.assertEquals(a.size, 5)
  lu.assertEquals(a.nlink, 1)
  lu.assertEquals(a.permissions, "rwxrwxrwx")
  lu.assertEquals(a.dev, base:lower():byte() - ("a"):byte())
  lu.assertTrue(math.abs(a.modification - os.time()) < 120)
  lu.assertTrue(math.abs(a.change - os.time()) < 120)
  lu.assertEquals(lfs.attributes(base .. "\\", "mode"), "directory")
  lu.assertEquals(lfs.attributes(base:sub(1, 3), "mode"), "directory")
  lu.assertEquals(lfs.attributes(base, "permissions"), "rwxrwxrwx")
  lu.assertEquals(lfs.symlinkattributes(path "datei.exe").size, 5)
  lu.assertEquals(lfs.symlinkattributes(base).mode, "directory")
  lu.assertEquals(lfs.symlinkattributes(path "datei.exe", "size"), 5)
end

function TestCrt:test_attributes_of_what_is_not_there()
  local a, message, code = lfs.attributes(path "nichts-ö")
  lu.assertNil(a)
  lu.assertStrContains(message, path "nichts-ö")
  lu.assertEquals(code, 2)
  a, message, code = lfs.symlinkattributes(path "nichts-ö")
  lu.assertNil(a)
  lu.assertEquals(code, 2)
  a, message, code = lfs.symlinkattributes(path "nichts-ö", "target")
  lu.assertNil(a)
  lu.assertEquals(code, 2)
end

function TestCrt:test_attributes_of_an_open_file()
  local file = assert(io.open(path "offen", "wb"))
  lu.assertEquals(lfs.symlinkattributes(path "offen").mode, "file")
  file:close()
end

function TestCrt:test_times()
  write(path "zeit", "")
  for _, t in ipairs {0, 1, 951782400, 1700000000, 2147483647, 2147483648, 4102444800} do -- beyond 2038 on x86 too
    lu.assertTrue(lfs.touch(path "zeit", t, t))
    lu.assertEquals(lfs.attributes(path "zeit", "modification"), t)
    lu.assertEquals(lfs.attributes(path "zeit", "access"), t)
  end
  lu.assertTrue(lfs.touch(path "zeit"))
  lu.assertTrue(math.abs(lfs.attributes(path "zeit", "modification") - os.time()) < 120)
  lu.assertTrue(lfs.touch(base, 1000000000)) -- a folder
  lu.assertEquals(lfs.attributes(base, "modification"), 1000000000)
  lu.assertNil((lfs.touch(path "nichts")))
end

function TestCrt:test_links()
  write(path "ziel-ä", "Inhalt")
  lu.assertTrue(lfs.link(path "ziel-ä", path "hart-ß"))
  lu.assertEquals(read(path "hart-ß"), "Inhalt")
  local made = lfs.link("ziel-ä", path "weich-ç", true)
  if not made then lu.skip "symbolic links need a right or a newer Windows" end
  local mode = lfs.symlinkattributes(path "weich-ç", "mode")
  if mode == nil then lu.skip "Wine 8 makes no symbolic link and reports success" end
  lu.assertEquals(mode, "link")
  lu.assertEquals(lfs.attributes(path "weich-ç", "mode"), "file")
  lu.assertEquals(lfs.attributes(path "weich-ç", "size"), 6)
  lu.assertEquals(read(path "weich-ç"), "Inhalt")
end

function TestCrt:test_link_target_is_the_final_path()
  write(path "ziel-ä", "")
  local target = lfs.symlinkattributes(path "ziel-ä", "target")
  lu.assertStrContains(target, "ziel-ä")
end

function TestCrt:test_lock_dir()
  local folder = path "gesperrt-ł"
  lu.assertTrue(lfs.mkdir(folder))
  local lock = assert(lfs.lock_dir(folder))
  lu.assertEquals(list(folder), {"lockfile.lfs"})
  lu.assertNil((lfs.lock_dir(folder)))
  lock:free()
  lu.assertEquals(list(folder), {})
end

function TestCrt:test_modes_and_seek()
  write(path "crlf", "a\nb\n", "w")
  lu.assertEquals(read(path "crlf"), "a\r\nb\r\n")
  lu.assertEquals(read(path "crlf", "r"), "a\nb\n")
  local file = assert(io.open(path "crlf", "r+b"))
  lu.assertEquals(file:seek("end"), 6)
  lu.assertEquals(file:seek("set", 3), 3)
  lu.assertEquals(file:read(1), "b")
  lu.assertEquals(file:seek("set", 5000000000), 5000000000)
  file:close()
  write(path "zahlen", "12 0x1F -3.5e2 wort")
  file = assert(io.open(path "zahlen"))
  lu.assertEquals({file:read("n", "n", "n")}, {12, 31, -350.0})
  lu.assertNil(file:read "n")
  file:close()
  local lines = {}
  for line in io.lines(path "crlf") do lines[#lines + 1] = line end
  lu.assertEquals(lines, {"a", "b"})
end

function TestCrt:test_temporary_files()
  local name = os.tmpname()
  lu.assertEquals(lfs.attributes(name, "size"), 0)
  lu.assertStrContains(name, "\\")
  lu.assertTrue(os.remove(name))
  local file = assert(io.tmpfile())
  file:write "flüchtig"
  file:seek "set"
  lu.assertEquals(file:read "a", "flüchtig")
  file:close()
end

function TestCrt:test_environment()
  lu.assertNil(os.getenv "P80_THERE_IS_NO_SUCH_VARIABLE")
  lu.assertStrContains(os.getenv "SystemRoot":lower(), "windows")
  if not (test and test.setenv) then return end
  test.setenv("P80_TEST_Ä", "größe 日本 😀")
  lu.assertEquals(os.getenv "P80_TEST_Ä", "größe 日本 😀")
  test.setenv("P80_TEST_Ä", string.rep("ü", 20000))
  lu.assertEquals(os.getenv "P80_TEST_Ä", string.rep("ü", 20000))
  test.setenv("P80_TEST_Ä", nil)
  lu.assertNil(os.getenv "P80_TEST_Ä")
end

function TestCrt:test_programs()
  lu.assertEquals({os.execute "exit 0"}, {true, "exit", 0})
  lu.assertEquals({os.execute "exit 7"}, {nil, "exit", 7})
  lu.assertTrue(os.execute())
  local pipe = assert(io.popen "echo hallo& echo zwei")
  lu.assertEquals(pipe:read "a", "hallo\nzwei\n")
  lu.assertEquals({pipe:close()}, {true, "exit", 0})
  pipe = assert(io.popen("echo hallo", "rb"))
  lu.assertEquals(pipe:read "a", "hallo\r\n")
  pipe:close()
  pipe = assert(io.popen "exit 5")
  lu.assertEquals(pipe:read "a", "")
  lu.assertEquals({pipe:close()}, {nil, "exit", 5})
end

function TestCrt:test_programs_get_names_as_they_are()
  local name = path "über 日本.txt"
  local pipe = assert(io.popen('type nul > "' .. name .. '"'))
  pipe:close()
  lu.assertEquals(list(base), {"über 日本.txt"})
  lu.assertTrue(os.execute('copy /y nul "' .. path "größe.txt" .. '" > nul'))
  lu.assertEquals(lfs.attributes(path "größe.txt", "size"), 0)
end

function TestCrt:test_writing_to_a_program()
  local pipe = assert(io.popen("cmd /q > nul", "w"))
  pipe:write('echo hallo> "' .. path "geschrieben" .. '"\nexit\n')
  pipe:close()
  lu.assertEquals(read(path "geschrieben"), "hallo\r\n")
end

function TestCrt:test_two_programs_at_once()
  local one = assert(io.popen "echo eins& exit 1")
  local two = assert(io.popen "echo zwei& exit 2")
  lu.assertEquals({one:read "l", two:read "l"}, {"eins", "zwei"})
  lu.assertEquals({two:close()}, {nil, "exit", 2})
  lu.assertEquals({one:close()}, {nil, "exit", 1})
end

function TestCrt:test_dates()
  lu.assertEquals(os.date("!%Y-%m-%dT%H:%M:%S", 4102444800), "2100-01-01T00:00:00")
  lu.assertEquals(os.date("!%Y-%m-%d %j %a %b", 0), "1970-01-01 001 Thu Jan")
  lu.assertEquals(os.date("!%Z %z"), "UTC +0000")
  lu.assertStrMatches(os.date "%z", "[+-]%d%d%d%d")
  lu.assertNotNil(utf8.len(os.date "%Z"))
  local t = os.time {year = 2100, month = 6, day = 1, hour = 12}
  lu.assertEquals(os.date("%Y-%m-%d %H", t), "2100-06-01 12")
  lu.assertEquals(os.difftime(t, t - 10), 10.0)
  lu.assertEquals(os.date("!*t", 86399).hour, 23)
  lu.assertEquals(os.date("größe %%"), "größe %")
end

function TestCrt:test_no_library_can_be_loaded()
  if not package.loadlib then return end
  local loaded, message = package.loadlib("kernel32.dll", "*")
  lu.assertNil(loaded)
  lu.assertIsString(message)
end

if not (test and test.finish) then os.exit(lu.LuaUnit.run()) end
