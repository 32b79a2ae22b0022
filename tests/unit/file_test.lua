-- build: shim
-- win.file: real files, and each call of Windows failing once.
local lu = require "luaunit"
local case = require "case"
local failing = require "failing"
local fakecore = require "fakecore"
local flat = require "flat"
local file = win.file

local FOLDER = [[C:\p80-file]]
local PATH = FOLDER .. [[\名前 ü.conf]]

local function clean()
  for name in lfs.dir(FOLDER) do os.remove(FOLDER .. "\\" .. name) end
  lfs.rmdir(FOLDER)
end

local function fresh()
  if lfs.attributes(FOLDER) then clean() end
  assert(lfs.mkdir(FOLDER))
end

local function names()
  local list = {}
  for name in lfs.dir(FOLDER) do
    if name ~= "." and name ~= ".." then list[#list + 1] = name end
  end
  return table.concat(list, "|")
end

local function problem(f, ...)
  local text, e = fakecore.failure(f, ...)
  lu.assertIsTable(e, text)
  return e
end

local function run(options, files)
  return fakecore.open {options = options, files = files or {}, script = {name = "test", kind = "code"}}
end

TestRaw = {setUp = fresh, tearDown = clean}

function TestRaw:test_reads_what_is_there()
  lu.assertNil(file.read(PATH))
  lu.assertNil(file.read(FOLDER .. [[\none\none]]))
  for _, bytes in ipairs {"", "a", "\0\r\n\xff", ("x"):rep(3 * 1024 * 1024)} do
    file.write(PATH, bytes)
    lu.assertTrue(file.read(PATH) == bytes)
  end
  lu.assertEquals(names(), [[名前 ü.conf]])
end

function TestRaw:test_errors_name_the_file()
  for _, f in ipairs {file.read, file.delete, function(path) file.write(path, "") end} do
    local e = problem(f, FOLDER)
    lu.assertEquals({e.code, e.hint}, {5, "this is a folder"})
    lu.assertStrContains(e.target, "p80-file")
  end
  lu.assertEquals(problem(file.write, FOLDER .. [[\none\x]], "").code, 3)
  local e = problem(file.read, "NUL")
  lu.assertEquals({e.name, e.message}, {"ERROR_BAD_FILE_TYPE", "This is no file on a disk."})
  for _, bad in ipairs {1, {}, "a\0b", "\xff"} do lu.assertEquals(problem(file.read, bad).code, 87) end
  lu.assertEquals(problem(file.absolute).code, 87)
end

function TestRaw:test_a_file_in_use_stays()
  file.write(PATH, "old")
  local open <close> = assert(io.open(PATH, "r+"))
  local e = problem(file.write, PATH, "new")
  lu.assertEquals(e.name, "ERROR_SHARING_VIOLATION")
  lu.assertEquals(file.read(PATH), "old")
  lu.assertEquals(names(), [[名前 ü.conf]])
end

function TestRaw:test_leaves_nothing_open()
  file.write(PATH, "x")
  flat(function()
    file.read(PATH)
    pcall(file.read, FOLDER)
    pcall(file.write, FOLDER, "")
  end)
end

function TestRaw:test_links()
  lu.assertFalse(file.is_link(PATH))
  lu.assertFalse(file.is_link(FOLDER))
end

TestGate = {setUp = fresh, tearDown = clean}

function TestGate:test_write_check_undo()
  local files = {}
  for _, before in ipairs {false, "old \xff bytes"} do
    if before then file.write(PATH, before) end
    local check = run({check = true}, files)
    lu.assertTrue(check.call("file.write", PATH, "new"))
    lu.assertEquals(check.call("file.read", PATH), "new")
    lu.assertTrue(check.call("file.delete", PATH))
    lu.assertNil(check.call("file.read", PATH))
    lu.assertEquals(file.read(PATH), before or nil)
    local core = run({}, files)
    lu.assertTrue(core.call("file.write", FOLDER .. [[\x\..\名前 ü.conf]], "new"))
    lu.assertFalse(core.call("file.write", PATH, "new"))
    core.finish()
    lu.assertEquals(run({}, files).undo.run().failed, 0)
    lu.assertEquals(file.read(PATH), before or nil)
  end
end

function TestGate:test_delete_and_undo()
  local files = {}
  file.write(PATH, "\0\1")
  local core = run({}, files)
  lu.assertTrue(core.call("file.delete", PATH))
  lu.assertFalse(core.call("file.delete", PATH))
  core.finish()
  lu.assertNil(file.read(PATH))
  local report = run({}, files).undo.run()
  lu.assertEquals(report.failed, 0)
  lu.assertStrContains(report.steps[1].reason, "of a new file")
  lu.assertEquals(file.read(PATH), "\0\1")
end

function TestGate:test_needs_a_grant_for_the_absolute_path()
  local core = run {allow = {[[file.write:C:\p80-file\a\*]]}}
  local e = problem(core.call, "file.write", FOLDER .. [[\a\..\b]], "")
  lu.assertEquals(e.name, "P80_REFUSED")
  lu.assertEquals(e.target, FOLDER .. [[\b]])
  lu.assertEquals(names(), "")
end

-- Where Windows does not tell where a path leads, as before Windows Vista.
function TestGate:test_links_that_cannot_be_followed()
  local told = setmetatable({final = function(path) return path, false end,
    is_link = function(path) return path:lower() == FOLDER:lower() end}, {__index = file})
  local machine = setmetatable({file = told}, {__index = win})
  local function ask(grant, path)
    local core = fakecore.open {win = machine, options = {allow = {grant}}, script = {name = "test", kind = "code"}}
    return core.call("p80.ask_file", path, "io.open")
  end
  lu.assertEquals(select(2, ask("file.write", PATH)), PATH)
  local e = problem(ask, "file.write:" .. FOLDER .. "\\*", PATH)
  lu.assertEquals({e.name, e.target}, {"P80_REFUSED", "(through a link) " .. PATH})
  lu.assertEquals(select(2, ask([[file.write:C:\other\*]], [[C:\other\x]])), [[C:\other\x]])
  told.final = function() return nil end -- nothing is there, or p80 may not look
  lu.assertEquals(select(2, ask("file.write:" .. PATH, PATH)), PATH)
end

function TestGate:test_final_is_the_name_as_it_is_written()
  file.write(PATH, "x")
  lu.assertEquals({file.final(PATH:upper())}, {PATH, true})
  lu.assertNil((file.final(FOLDER .. "\\none")))
  lu.assertEquals(file.final "c:\\", "C:\\")
  for _, wrong in ipairs {{}, {1}, {PATH, 1}, {"a\0"}, {"\xFF"}} do lu.assertEquals(problem(file.final, table.unpack(wrong)).code, 87) end
end

function TestGate:test_final_when_windows_does_not_tell()
  file.write(PATH, "x")
  for n = 1, 2 do -- the size, then the path
    local struck, ok, path, is_sure = failing.call("GetFinalPathNameByHandleW:" .. n, function() return file.final(PATH) end)
    lu.assertEquals({struck, ok, path, is_sure}, {true, true, PATH, false})
  end
end

function TestGate:test_bad_input()
  local core = run {}
  for _, arguments in ipairs {{}, {PATH}, {PATH, 1}, {PATH, {}}, {1, ""}, {"a\0", ""}, {PATH, "", 1}} do
    lu.assertEquals(problem(core.call, "file.write", table.unpack(arguments)).code, 87)
  end
  local e = problem(core.call, "file.write", PATH, ("x"):rep(8 * 1024 * 1024 + 1))
  lu.assertEquals(e.name, "ERROR_FILE_TOO_LARGE")
  e = problem(core.call, "file.write", [[C:\nul]], "x")
  lu.assertEquals({e.op, e.name}, {"file.write", "ERROR_BAD_FILE_TYPE"})
  lu.assertEquals(names(), "")
end

TestErrors = {setUp = fresh, tearDown = clean}

local function snapshot() return {file.read(PATH) or "none"} end

function TestErrors:test_every_call_fails_once()
  for _, before in ipairs {false, "old"} do
    failing.write {
      op = "file.write", arguments = {PATH, "new"}, snapshot = snapshot,
      prepare = function() if before then file.write(PATH, before) else os.remove(PATH) end end,
    }
  end
  lu.assertEquals(names(), [[名前 ü.conf]])
  failing.write {
    op = "file.delete", arguments = {PATH}, snapshot = snapshot, least = 1,
    prepare = function() file.write(PATH, "old") end,
  }
end
