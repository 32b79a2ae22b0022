-- docs/coming-from.md: every row with code names functions that there are, runs, and names the test of what it does.
-- arch: x64
local lu = require "luaunit"
local case = require "case"
local manual = require "manual"
local reference = require "reference"

local book = reference.open(manual.sources()).book

-- The rows of the page: {line=, command=, answer=, code=, build="real"|"shim", test=}; `build` is "-" without code.
local function read_rows(text)
  local rows, number = {}, 0
  for line in text:gmatch "([^\n]*)\n" do
    number = number + 1
    local cells = {}
    for cell in line:gsub("\\|", "\1"):gmatch "|([^|]+)%f[|]" do
      cells[#cells + 1] = cell:gsub("\1", "|"):match "^%s*(.-)%s*$"
    end
    if cells[1] and not line:find "^|%-%-%-" and cells[3] ~= "tested" then
      local build, name = (cells[3] or ""):match "^(%S+)%s*(.*)$"
      rows[#rows + 1] = {
        line = number, command = cells[1], answer = cells[2], code = cells[2]:match "^`` (.-) ``" or cells[2]:match "^`(.-)`",
        build = build, test = name,
      }
    end
  end
  return rows
end

local rows = read_rows(manual.read "docs/coming-from.md")

-- What happens to the rows of a build: {[line] = "ok", or the error's name or text}.
local HEAD = [[
local outcomes = {}
local function try(line, code)
  local chunk, problem = load(code, "=row " .. line)
  if not chunk then return print("row", line, problem) end
  local ok
  ok, problem = pcall(chunk)
  print("row", line, ok and "ok" or type(problem) == "table" and problem.op .. " " .. (problem.name or problem.code) or problem)
end
]]

-- What the rows may presume: see the head of the page.
local PREPARE = [[
local file = assert(io.open("C:\\contoso.reg", "w"))
file:write("REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\Software\\Contoso]\n\"Port\"=dword:00000050\n")
file:close()
win.reg.set("HKLM\\SOFTWARE\\Contoso", "Port", 80)
win.reg.set("HKLM\\SOFTWARE\\Contoso\\Old", "Port", 81)
win.scm.start "HTTP"
]]

local function run(program, options, code)
  local path = case.write("rows.lua", code)
  local args = table.move({"--state", case.state, table.unpack(options)}, 1, #options + 2, 1, {})
  args[#args + 1] = path
  return test.spawn {path = test.bin .. program, args = args, timeout = 100, env = {P80_SHIM_SCM = "1"}}
end

local function outcomes(build)
  local program = build == "shim" and "p80-shim.exe" or "p80.exe"
  local prepared = run(program, {"--allow", "*"}, PREPARE)
  lu.assertEquals(prepared.code, 0, prepared.stderr)
  local parts = {HEAD}
  for _, row in ipairs(rows) do
    if row.build == build then parts[#parts + 1] = ("try(%d, %q)"):format(row.line, row.code) end
  end
  local result = run(program, {"--check", "--allow", "*"}, table.concat(parts, "\n"))
  lu.assertTrue(result.code == 3 or result.code == 0, result.stderr)
  local found = {}
  for line, outcome in result.stdout:gmatch "row\t(%d+)\t([^\r\n]*)" do found[tonumber(line)] = outcome end
  return found
end

local T = case.suite "ComingFrom"

function T:test_each_row_has_code_and_its_test_or_a_reason()
  lu.assertTrue(#rows > 100)
  for _, row in ipairs(rows) do
    local where = ("docs/coming-from.md:%d"):format(row.line)
    lu.assertNotNil(row.command:find "^`.+`", where)
    if row.build == "-" then
      lu.assertNil(row.code, where)
      lu.assertNotNil(row.answer:find "^No: .+%.$", where .. ": No: and a reason")
    else
      lu.assertTrue(row.build == "real" or row.build == "shim", where .. ": real, shim or -")
      lu.assertNotNil(row.code, where .. " has no code")
      local found = pcall(manual.read, "tests/" .. row.test .. "_test.lua")
      lu.assertTrue(found, ("%s: there is no tests/%s_test.lua"):format(where, row.test))
    end
  end
end

function T:test_the_functions_are_there()
  for _, row in ipairs(rows) do
    for name in (row.code or ""):gmatch "%f[%w]win%.[%w_.]+" do
      lu.assertNotNil(book.functions[name] or book.tables[name], ("docs/coming-from.md:%d: there is no %s"):format(row.line, name))
    end
  end
end

-- Whether the row and the stubs of its function or subject name the error: what Wine lacks shows as one.
local function may_raise(row, outcome)
  local op, name = outcome:match "^(%S+) (%S+)$"
  local f = op and book.functions["win." .. op]
  if not f or not row.answer:find(name, 1, true) then return false end
  return ((f.errors or "") .. book.tables[f.table].text):find(name, 1, true) ~= nil
end

local function check_build(build)
  local found = outcomes(build)
  local faults = {}
  for _, row in ipairs(rows) do
    local outcome = row.build == build and (found[row.line] or "did not run")
    if outcome and outcome ~= "ok" and not may_raise(row, outcome) then
      faults[#faults + 1] = ("docs/coming-from.md:%d: %s: %s"):format(row.line, row.code, outcome)
    end
  end
  lu.assertEquals(table.concat(faults, "\n"), "")
end

function T:test_the_rows_of_plain_wine_run() check_build "real" end
function T:test_the_rows_of_the_shims_run() check_build "shim" end
