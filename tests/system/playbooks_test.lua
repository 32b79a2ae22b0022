-- docs/playbooks.md, word for word: its files are written, its commands run, and what they print is what the page says.
local lu = require "luaunit"
local case = require "case"
local manual = require "manual"

local T = case.suite "PlaybooksPage"

-- The blocks of the page: {language=, text=}.
local function blocks()
  local list = {}
  for language, text in manual.read "docs/playbooks.md":gmatch "\n```(%w*)\n(.-)\n```" do list[#list + 1] = {language = language, text = text} end
  return list
end

-- Commands of a block: {words=, lines={what is printed}, code=}.
local function commands_of(text)
  local list = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do
    local command, code = line:match "^C:\\work> p80 (.*)$", line:match "^%(exit code (%d+)%)$"
    if command then list[#list + 1] = {command = command, words = {}, lines = {}, code = 0}
    elseif code then list[#list].code = tonumber(code)
    else table.insert(list[#list].lines, line) end
  end
  for _, one in ipairs(list) do
    for word in one.command:gmatch "%S+" do table.insert(one.words, word) end
  end
  return list
end

-- A text from which lines are taken in their order; blanks between columns do not count.
local function reader(text)
  text = text:gsub("\r", ""):gsub(" +", " ")
  local at = 1
  return function(line)
    local _, behind = text:find(line, at, true)
    at = behind and behind + 1 or at
    return behind ~= nil
  end
end

-- Whether the lines are all printed, each stream's in their order, "..." aside.
local function assert_lines(one, result)
  local out, err = reader(result.stdout), reader(result.stderr)
  for _, line in ipairs(one.lines) do
    local wanted = line:gsub("%.%.%.$", ""):gsub(" +", " ")
    if wanted ~= "" and not out(wanted) and not err(wanted) then
      lu.fail(("p80 %s: '%s' is not (there) in %s"):format(one.command, line, case.describe(result)))
    end
  end
  if not one.lines[1] then lu.assertEquals(result.stdout .. result.stderr, "") end
end

local function run(one)
  one.words.cwd = "C:\\work"
  assert_lines(one, case.exits(case.p80(one.words), one.code))
end

function T:test_every_file_and_command()
  case.service {name = "Contoso", args = {"--seconds", "600"}, start = "auto"}
  assert(lfs.mkdir "C:\\work")
  local files, ran = 0, 0
  for _, block in ipairs(blocks()) do
    local name = block.language == "lua" and block.text:match "^%-%- ([%w\\_]+%.lua)"
    if name then case.write("C:\\work\\" .. name, block.text .. "\n") end
    if block.language == "json" then case.write("C:\\work\\web.json", block.text) end
    if block.language == "lua" and not name then lu.assertNotNil(load(block.text) or load("t = {" .. block.text .. "}"), block.text) end
    files = files + (name and 1 or 0)
    for _, one in ipairs(block.language == "" and commands_of(block.text) or {}) do
      run(one)
      ran = ran + 1
    end
  end
  lu.assertTrue(files >= 3 and ran >= 10, ("%d files, %d commands"):format(files, ran))
end

-- README.md: its playbook is written and does what the page says behind it; its lines for the prompt run; its first scene is
-- what p80 prints, but for names and numbers.
function T:test_readme()
  local page = manual.read "README.md"
  case.service {name = "Contoso", args = {"--http", "http://+:80/"}, start = "auto"}
  case.wait_http(80)
  local function p80(code, words)
    local call = {cwd = case.folder}
    for word in words:gmatch "%S+" do call[#call + 1] = word end
    return case.exits(case.p80(call), code)
  end
  local scene = p80(3, "free80 --check").stdout .. p80(0, "free80").stdout
  for line in page:match "\n```\n(C:\\> p80 free80 .-)\n```":gmatch "[^\n]+" do
    local start = line:match "^%s*held by HTTP.SYS" or line:match "^%s*p80 undo" or line:gsub("%.%.%.$", "")
    if not line:find "^C:" then lu.assertStrContains(scene, start) end
  end
  p80(0, "undo")
  local name = page:match 'name = "(quiet)"'
  case.write(name .. ".lua", page:match "\n```lua\n(.-)```")
  lu.assertEquals(p80(0, "lint quiet.lua").stdout, "")
  p80(3, "quiet.lua --service Contoso --check")
  lu.assertStrContains(p80(0, "quiet.lua --service Contoso").stdout, "Contoso no longer starts with Windows")
  lu.assertStrContains(p80(0, "quiet.lua --service Contoso").stderr, "nothing had to change")
  for _, words in ipairs {"runs", "undo", "help quiet.lua", "help win.scm.stop", "list", "show report"} do p80(0, words) end
  local count = 0
  for code in page:gmatch '\np80 %-e "([^\n]+)"' do
    lu.assertNotEquals(case.exits(case.p80 {"-e", code}, 0).stdout, "")
    count = count + 1
  end
  lu.assertEquals(count, 3)
  for name in page:gmatch "%]%((docs/[%w_-]+%.md)%)" do lu.assertNotNil(lfs.attributes(manual.root .. "/" .. name), name) end
  for name in page:match "| file | does |(.-)\n\n":gmatch "`([%w-]+%.lua)`" do
    lu.assertNotNil(lfs.attributes(manual.root .. "/examples/" .. name), name)
  end
end

function T:test_every_field_type_and_exit_code_is_on_the_page()
  local page, stub, missing = manual.read "docs/playbooks.md", manual.read "scripts/api/p80.lua", {}
  local function look_for(name)
    if not page:find("`" .. name .. "%f[^%w_]") then missing[#missing + 1] = name end
  end
  for _, class in ipairs {"p80%.manifest", "p80%.argument"} do
    for name in stub:match("%-%-%-@class " .. class .. "\n(.-)\n\n"):gmatch "@field ([%w_]+)" do look_for(name) end
  end
  for kind in stub:match "@alias p80.type(.-)\n\n":gmatch '"(%l+)"' do look_for(kind) end
  lu.assertEquals(missing, {})
end
