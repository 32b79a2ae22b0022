-- not hardened
-- docs/coming-from.md: every row with code names functions that there are, runs, and names the test of what it does.
-- arch: x64
local lu = require "luaunit"
local case = require "case"
local manual = require "manual"
local reference = require "reference"

local book = reference.open(manual.sources()).book

-- What the help texts of the tools list.
local HELP = {
  ["netsh http"] = [[add cacheparam, add iplisten, add setting, add sslcert, add timeout, add urlacl, delete cache,
    delete iplisten, delete setting, delete sslcert, delete timeout, delete urlacl, dump, flush logbuffer, help,
    show cacheparam, show cachestate, show iplisten, show servicestate, show setting, show sslcert, show timeout,
    show urlacl, update sslcert, update sslpropertyex, ipport=, hostnameport=, ccs=, scopedccs=, json=, appid=, certhash=,
    certstorename=, verifyclientcertrevocation=, verifyrevocationwithcachedclientcertonly=, usagecheck=,
    revocationfreshnesstime=, urlretrievaltimeout=, sslctlidentifier=, sslctlstorename=, dsmapperusage=,
    clientcertnegotiation=, reject=, disablehttp2=, disablequic=, disablelegacytls=, disabletls12=, disabletls13=,
    disableocspstapling=, enabletokenbinding=, logextendedevents=, enablesessionticket=, disablesessionid=,
    cacherangechunksize, maxcacheresponsesize, idleconnectiontimeout, headerwaittimeout, sslthrottle, user=, listen=,
    delegate=, sddl=, view=session, view=requestq, view=client, verbose=]],
  httpcfg = [[set ssl, set urlacl, set iplisten, query ssl, query urlacl, query iplisten, delete ssl, delete urlacl,
    delete iplisten, /i, /h, /g, /c, /m, /r, /x, /t, /n, /f, /u, /a]],
  sc = [[query, queryex, start, pause, interrogate, continue, stop, config, description, failure, failureflag, sidtype,
    privs, managedaccount, qc, qdescription, qfailure, qfailureflag, qsidtype, qprivs, qtriggerinfo, qpreferrednode,
    qmanagedaccount, qprotection, quserservice, delete, create, control, sdshow, sdset, showsid, triggerinfo,
    preferrednode, GetDisplayName, GetKeyName, EnumDepend, boot, Lock, QueryLock, type=, state=, bufsize=, ri=, group=,
    start=, error=, binpath=, tag=, depend=, obj=, displayname=, password=, reset=, reboot=, command=, actions=]],
  net = "net start, net stop, net pause, net continue, /y, net helpmsg, net config, net statistics",
  reg = [[query, add, delete, copy, save, restore, load, unload, compare, export, import, flags, /v, /ve, /va, /s, /se, /f,
    /k, /d, /c, /e, /t, /z, /reg:32, /reg:64, /y, /oa, /od, /os, /on, \\server\]],
  tasklist = [[/s, /u, /p, /m, /svc, /apps, /v, /fo table, /fo list, /fo csv, /nh, /fi, STATUS, IMAGENAME, PID, SESSION,
    SESSIONNAME, CPUTIME, MEMUSAGE, USERNAME, SERVICES, WINDOWTITLE, MODULES]],
  taskkill = "/s, /u, /p, /fi, /pid, /im, /t, /f",
  netstat = "-a, -b, -c, -d, -e, -f, -i, -n, -o, -p tcp, -p udp, -q, -r, -s, -t, -x, -y, interval",
}

-- The rows of the page: {tool=, line=, command=, answer=, code=, build="real"|"fake"|"shim", file=, test=}; `build` is "-" without code.
local function read_rows(text)
  local rows, number, tool = {}, 0, nil
  for line in text:gmatch "([^\n]*)\n" do
    number = number + 1
    local cells = {}
    for cell in line:gsub("\\|", "\1"):gmatch "|([^|]+)%f[|]" do
      cells[#cells + 1] = cell:gsub("\1", "|"):match "^%s*(.-)%s*$"
    end
    if cells[3] == "tested" then tool = cells[1] end
    if cells[1] and not line:find "^|%-%-%-" and cells[3] ~= "tested" then
      local build, file, name = (cells[3] or ""):match "^(%S+)%s*(%S*)%s*(.*)$"
      rows[#rows + 1] = {
        tool = tool, line = number, command = cells[1], answer = cells[2], code = cells[2]:match "^`` (.-) ``" or cells[2]:match "^`(.-)`",
        build = build, file = file, test = name,
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

local SHIMS = {P80_SHIM_EVENTS = "1", P80_SHIM_HTTP_CONFIG = "1", P80_SHIM_SCM = "1"} -- p80.exe has none

local function run(program, options, code)
  local path = case.write("rows.lua", code)
  local args = table.move({"--state", case.state, table.unpack(options)}, 1, #options + 2, 1, {})
  args[#args + 1] = path
  return test.spawn {path = test.bin .. program, args = args, timeout = 100, env = SHIMS}
end

local PROGRAM = {real = "p80.exe", fake = "p80.exe", shim = "p80-shim.exe"}

local function outcomes(program)
  local prepared = run(program, {"--allow", "*"}, PREPARE)
  lu.assertEquals(prepared.code, 0, prepared.stderr)
  local parts = {HEAD}
  for _, row in ipairs(rows) do
    if PROGRAM[row.build] == program then parts[#parts + 1] = ("try(%d, %q)"):format(row.line, row.code) end
  end
  local result = run(program, {"--check", "--allow", "*"}, table.concat(parts, "\n"))
  lu.assertTrue(result.code == 3 or result.code == 0, result.stderr)
  local found = {}
  for line, outcome in result.stdout:gmatch "row\t(%d+)\t([^\r\n]*)" do found[tonumber(line)] = outcome end
  return found
end

local T = case.suite "ComingFrom"

-- The line that begins a definition: its indentation and its name.
local function definition_in(line)
  local indent, name = line:match "^(%s*)local%s+function ([%w_]+)"
  if not name then indent, name = line:match "^(%s*)function [%w_]+[.:]([%w_]+)" end
  if not name then indent, name = line:match "^()local ([%w_]+)[^=]*=" end
  return name and (type(indent) == "string" and indent or ""), name
end

-- The definitions in a test file, up to the line that closes at the same indentation: {name = text}.
local function definitions_of(text)
  local found = {}
  for at, line in text:gmatch "()([^\n]*)\n" do
    local indent, name = definition_in(line)
    if name then
      local is_open = not line:find "%f[%w]end$" and (line:find "%f[%w]function%f[^%w]" or line:find "[{(%[]$")
      local last = is_open and text:find("\n" .. indent .. "[%]})e]", at) or at + #line
      found[name] = (found[name] or "") .. text:sub(at, last) .. "\n"
    end
  end
  return found
end

local tests = {} -- by the file's text: {[name] = its text, with that of what it uses of the same file}

local function tests_of(text)
  if tests[text] then return tests[text] end
  local definitions = definitions_of(text)
  tests[text] = setmetatable({}, {__index = function(all, name)
    if not definitions[name] then return nil end
    local seen, parts = {[name] = true}, {definitions[name]}
    for _, part in ipairs(parts) do -- which grow meanwhile
      for word in part:gmatch "[%w_]+" do
        if definitions[word] and not seen[word] and not word:find "^test_" then
          seen[word] = true
          parts[#parts + 1] = definitions[word]
        end
      end
    end
    all[name] = table.concat(parts)
    return all[name]
  end})
  return tests[text]
end

-- The functions that the code of a row calls, and the settings that it gives them.
local function words_of(code)
  local words = {}
  for name in code:gmatch "%f[%w]win%.[%w_.]*%f[%w_]([%w_]+)%f[^%w_]" do words[#words + 1] = name end
  for settings in code:gmatch "%b{}" do
    for key in settings:gmatch "([%l_]+) = " do words[#words + 1] = key end
  end
  return words
end

function T:test_each_row_has_code_and_its_test_or_a_reason()
  local missing = {}
  for _, row in ipairs(rows) do
    local where = ("docs/coming-from.md:%d"):format(row.line)
    lu.assertNotNil(row.command:find "^`.+`", where)
    if row.build == "-" then
      lu.assertNil(row.code, where)
      lu.assertNotNil(row.answer:find "^No: .+%.$", where .. ": No: and a reason")
    else
      lu.assertTrue(PROGRAM[row.build] ~= nil, where .. ": real, fake, shim or -")
      lu.assertNotNil(row.code, where .. " has no code")
      local found, text = pcall(manual.read, "tests/" .. row.file .. "_test.lua")
      lu.assertTrue(found, ("%s: there is no tests/%s_test.lua"):format(where, row.file))
      local test = tests_of(text)[row.test]
      if not test then missing[#missing + 1] = ("%s: tests/%s_test.lua has no %s"):format(where, row.file, row.test) end
      for _, word in ipairs(test and words_of(row.code) or {}) do
        if not test:find("%f[%w_]" .. word .. "%f[^%w_]") then missing[#missing + 1] = ("%s: %s has no '%s'"):format(where, row.test, word) end
      end
    end
  end
  lu.assertEquals(table.concat(missing, "\n"), "")
end

-- The words of the commands in a tool's rows: what stands in code there, parted at blanks.
local function commands_of(tool)
  local text = ""
  for _, row in ipairs(rows) do
    if row.tool == tool then
      for code in row.command:gmatch "`(.-)`" do text = text .. " " .. code .. " " end
    end
  end
  return text
end

function T:test_every_row_of_the_help_texts_is_there()
  local missing = {}
  for tool, list in pairs(HELP) do
    local commands = commands_of(tool)
    for word in list:gmatch "[^,]+" do
      word = word:match "^%s*(.-)%s*$"
      local pattern = word:gsub("%p", "%%%0")
      if not commands:find("[ =]" .. pattern .. (word:find "[=\\]$" and "" or "%f[^%w]")) and
        not commands:find('"' .. pattern .. " ") then
        missing[#missing + 1] = tool .. " " .. word
      end
    end
  end
  table.sort(missing)
  lu.assertEquals(missing, {})
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

local function check_rows(program)
  local found = outcomes(program)
  local faults = {}
  for _, row in ipairs(rows) do
    local outcome = PROGRAM[row.build] == program and (found[row.line] or "did not run")
    if outcome and outcome ~= "ok" and not may_raise(row, outcome) then
      faults[#faults + 1] = ("docs/coming-from.md:%d: %s: %s"):format(row.line, row.code, outcome)
    end
  end
  lu.assertEquals(table.concat(faults, "\n"), "")
end

function T:test_the_rows_of_plain_wine_run() check_rows "p80.exe" end
function T:test_the_rows_of_the_shims_run() check_rows "p80-shim.exe" end
