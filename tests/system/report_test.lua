-- build: shim
-- arch: x64
-- report.lua: every binding of a machine with services, HTTP.SYS, reservations and dependents, in every form. netsh is the
-- fake of tests/fixtures; owners, dependents and reservations are the shims'.
local lu = require "luaunit"
local case = require "case"
local formats = require "formats"
local json = require "dkjson"

local T = case.suite "Report"

local ENV = {P80_SHIM_SCM = "1", P80_SHIM_TCP_OWNER = "1", P80_SHIM_HTTP_CONFIG = "1"}
local EVIL = [[W<img src=x onerror=alert(1)>"&|]]

local function report(words)
  words.env = ENV
  table.insert(words, 1, "report")
  return case.p80(words)
end

local function scene()
  case.service {name = EVIL, args = {"--http", "http://+:80/"}}
  case.service {name = "WebShop", args = {"--tcp", "8102", "--family", "both"}, dependencies = {"HTTP"}, start = "auto"}
  case.service {name = "ShopQueue", args = {"--tcp", "8103"}, dependencies = {"WebShop"}, run = false}
  case.holder {"--udp", "5353"}
  case.holder {"--tcp", "8090"}
  case.wait_http(80)
  case.exits(case.p80 {"--allow", "http.*", "-e", [[win.http.urlacl.add("http://+:80/shop/", {sddl = "D:(A;;GX;;;WD)"})]], env = ENV}, 0)
  case.later(function() case.p80 {"--allow", "http.*", "-e", [[win.http.urlacl.delete "http://+:80/shop/"]], env = ENV} end)
end

local function find(rows, protocol, port, address)
  for _, row in ipairs(rows) do
    if row.protocol == protocol and row.port == port and row.address == (address or "0.0.0.0") then return row end
  end
  lu.fail(("no %s %d"):format(protocol, port))
end

function T:test_every_binding()
  scene()
  local result = case.exits(report {"--json"}, 0).json.result
  local web = find(result.bindings, "tcp", 80)
  lu.assertEquals(web.kind, "http")
  lu.assertEquals(web.pid, 4)
  lu.assertEquals(web.services, {EVIL})
  lu.assertEquals(web.start, {"demand"})
  lu.assertEquals(web.reservations, {"http://+:80/shop/"})
  lu.assertStrMatches(web.process, "HTTP.SYS for holder.exe %(%d+%)")
  lu.assertEquals({web.remedy, web.command}, {"stop service " .. EVIL, "p80 free80 --port 80"})
  for _, address in ipairs {"0.0.0.0", "::"} do
    local shop = find(result.bindings, "tcp", 8102, address)
    lu.assertEquals({shop.services, shop.start, shop.remedy}, {{"WebShop"}, {"auto"}, "stop service WebShop"})
  end
  local program, udp = find(result.bindings, "tcp", 8090), find(result.bindings, "udp", 5353)
  lu.assertEquals(program.remedy, ("end process holder.exe (pid %d)"):format(program.pid))
  lu.assertEquals(program.command, "p80 free80 --port 8090 --kill")
  lu.assertEquals({udp.process, udp.command}, {"holder.exe"})
  lu.assertStrContains(udp.path, "holder.exe")
  lu.assertStrContains(table.concat(result.notes), "Which URLs are registered is not known")

  -- who depends on HTTP
  local shop, web_node = result.http.children[1], result.http.children[2]
  lu.assertEquals({result.http.name, result.http.state, shop.name, shop.depends}, {"HTTP", "running", "WebShop", true})
  lu.assertEquals({shop.children[1].name, shop.children[1].state}, {"ShopQueue", "stopped"})
  lu.assertEquals({web_node.name, web_node.depends}, {EVIL})

  -- what it says of port 8090 frees port 8090
  case.exits(case.p80 {"free80", "--port", "8090", "--kill", env = ENV}, 0)
  result = case.exits(report {"--json", "--port", "8090"}, 0).json.result
  lu.assertEquals(result.bindings, {})
end

function T:test_what_is_not_known_is_said()
  case.service {name = "Web", args = {"--http", "http://+:80/"}}
  case.wait_http(80)
  local function on(env)
    env.P80_SHIM_TCP_OWNER = "1"
    local found = case.exits(case.p80 {"--json", "report", env = env}, 0).json.result
    return found, find(found.bindings, "tcp", 80)
  end
  local old, web = on {P80_SHIM_NT52 = "1"}
  lu.assertStrContains(old.windows, "2003")
  lu.assertEquals({web.services, web.certain}, {{"Web"}, true})
  local found, perhaps = on {P80_SHIM_UNELEVATED = "1"}
  lu.assertEquals({found.elevated, perhaps.certain}, {false, false})
  lu.assertStrContains(perhaps.process, "HTTP.SYS, perhaps for holder.exe")
  lu.assertStrContains(found.notes[1], "not elevated")
  local text = case.exits(case.p80 {"report", env = {P80_SHIM_UNELEVATED = "1"}}, 0).stdout:gsub("\r", "")
  lu.assertStrMatches(text, "p80 was not elevated.-\n\nport  protocol.*")
  text = case.exits(case.p80 {"report", "--format", "csv", env = {P80_SHIM_UNELEVATED = "1"}}, 0)
  lu.assertStrContains(text.stderr, "p80 was not elevated")
  lu.assertStrMatches(text.stdout, "port,protocol,.*")
  lu.assertStrMatches(case.exits(case.p80 {"report", "--port", "1"}, 0).stdout, ".-Nobody has port 1%.\r?\n")
end

-- A machine (scripts/api/test.lua) on which IIS and WinRM share port 80.
local MODEL = [[return {
  services = {
    W3SVC = {state = "running", start = "auto", dependencies = {"HTTP"}, path = "C:\\Windows\\System32\\svchost.exe -k iissvcs"},
    WinRM = {state = "running", start = "auto", delayed = true, dependencies = {"HTTP"},
      path = "C:\\Windows\\System32\\svchost.exe", urls = {"http://+:80/wsman/", "http://+:5985/wsman/"}},
  },
  sites = {Main = {bindings = {"*:80:", "*:80:shop.example"}}, Safe = {bindings = {"https *:443:"}}},
}]]

function T:test_shared_port_on_a_model()
  local model = case.write("model.lua", MODEL)
  local result = case.p80 {"--model", model, "--json", "report"}
  local rows = case.exits(result, 0).json.result.bindings
  local shared, wsman, safe = find(rows, "tcp", 80), find(rows, "tcp", 5985), find(rows, "tcp", 443)
  lu.assertEquals(shared.remedy, "move *:80: of site 'Main', *:80:shop.example of site 'Main' to another port and stop service WinRM")
  lu.assertEquals(shared.command, "p80 free80 --port 80 --move-to PORT")
  lu.assertEquals(wsman.start, {"auto (delayed)"})
  lu.assertEquals(wsman.product, {"Windows Remote Management (WinRM)"})
  lu.assertEquals(safe.remedy, "stop service W3SVC") -- its certificate belongs to the port
  -- free80 does what the report says, and the port is free
  case.exits(case.p80 {"--model", model, "free80", "--port", "80", "--move-to", "8088"}, 0)
end

-- The records of CSV text, by RFC 4180.
local function parse_csv(text)
  local records, record, at = {}, {}, 1
  while at <= #text do
    local cell, stop
    if text:sub(at, at) == '"' then
      stop = at
      repeat stop = text:find('"', stop + 1, true) + 1 until text:sub(stop, stop) ~= '"'
      cell = text:sub(at + 1, stop - 2):gsub('""', '"')
    else
      stop = text:find("[,\r]", at)
      cell = text:sub(at, stop - 1)
    end
    record[#record + 1] = cell
    at = stop + 1
    if text:sub(stop, stop + 1) == "\r\n" then
      records[#records + 1], record, at = record, {}, stop + 2
    else
      lu.assertEquals(text:sub(stop, stop), ",")
    end
  end
  return records
end

function T:test_forms()
  case.service {name = "=cmd|' !A0'", args = {"--tcp", "8102"}}
  case.wait_held(8102)
  local text = case.exits(report {"--port", "8102"}, 0).stdout
  lu.assertStrMatches(text, ".-port  protocol  address.-\n%-%-.-\n8102  tcp .-stop service =cmd|' !A0'\r?\n")
  local records = parse_csv(case.exits(report {"--port", "8102", "--format", "csv"}, 0).stdout)
  lu.assertEquals({records[1][1], records[1][7], #records, #records[2]}, {"port", "services", 2, #records[1]})
  lu.assertEquals({records[2][1], records[2][7]}, {"8102", "'=cmd|' !A0'"})
  local document = json.decode(case.exits(report {"--port", "8102", "--format", "json"}, 0).stdout)
  lu.assertEquals(document.bindings[1].services, {"=cmd|' !A0'"})
  text = case.exits(report {"--port", "8102", "--format", "markdown"}, 0).stdout
  lu.assertStrContains(text, [[| =cmd\|' \!A0' |]])

  -- the ending of the file tells the form; the file is a change as any other
  for _, name in ipairs {"a.csv", "a.json", "a.md", "a.HTML", "a.txt"} do
    case.exits(report {"--check", "--output", case.path(name)}, 3)
    lu.assertNil(lfs.attributes(case.path(name)))
    case.exits(report {"--output", case.path(name)}, 0)
  end
  lu.assertStrContains(case.read(case.path "a.csv"), "\r\n")
  lu.assertEquals(case.read(case.path "a.json"):sub(1, 1), "{")
  lu.assertStrContains(case.read(case.path "a.md"), "# Port bindings of ")
  lu.assertStrContains(case.read(case.path "a.HTML"), "<!DOCTYPE html>")
  lu.assertStrContains(case.read(case.path "a.txt"), "8102  tcp")
  case.exits(case.p80 {"undo", env = ENV}, 0)
  lu.assertNil(lfs.attributes(case.path "a.txt"))
  lu.assertStrContains(case.exits(report {"--output", case.path "a.pdf"}, 1).stderr, "no form has the ending .pdf; --format")
  lu.assertNil(lfs.attributes(case.path "a.pdf"))
  case.exits(report {"--output", case.path "a.pdf", "--format", "csv"}, 0)
  case.exits(report {"--output", case.path "none\\a.csv"}, 1)
  lu.assertStrContains(case.exits(report {"--format", "xml"}, 2).stderr, "html")
end

-- Every command of docs/seeing.md works as it stands there.
function T:test_manual()
  local text, count = case.read(test.folder:match "^(.*)[/\\]" .. "/docs/seeing.md"), 0
  for block in text:gmatch "```\n(.-)```" do
    for line in block:gmatch "p80 ([^\n]+)" do
      local call = {env = {P80_SHIM_EVENTS = "1"}, cwd = case.folder}
      for word in line:gmatch "%S+" do call[#call + 1] = word end
      if call[1] == "watch" then table.move({"--for", "1s"}, 1, 2, #call + 1, call) end
      for i = #call - 3, 1, -1 do
        if call[i] == "--for" then table.remove(call, i) table.remove(call, i) end -- not for 8 hours
      end
      case.exits(case.p80(call), 0)
      count = count + 1
    end
  end
  lu.assertTrue(count >= 12, count)
end

-- ---- The forms by themselves ----

local COLUMNS = {{key = "a", title = "a", right = true}, {key = "b", title = "b"}}

local function cell(value) return (formats.csv({{a = 1, b = value}}, COLUMNS):match "\r\n1,(.*)\r\n$") end

function T:test_csv_cells()
  lu.assertEquals(formats.csv({}, COLUMNS), "a,b\r\n")
  for given, written in pairs {["plain"] = "plain", ["a,b"] = '"a,b"', ['a"b'] = '"a""b"', ["a\nb"] = "a b", [" a"] = '" a"', [-5] = "-5",
    ["=1+1"] = "\"'=1+1\"", ["+1"] = "\"'+1\"", ["-1"] = "\"'-1\"", ["@x"] = "\"'@x\"", ["\t=1"] = "\"' =1\"", ["\u{FF1D}1"] = "\"'\u{FF1D}1\"",
    ["\xED\xA0\x80x\xFF"] = "\u{FFFD}x\u{FFFD}", ["ü"] = "ü"} do
    lu.assertEquals(cell(given), written, tostring(given))
  end
end

function T:test_markup()
  lu.assertEquals(formats.html("<a href=\"x\">'&\0"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp; ")
  lu.assertEquals(formats.markdown({{a = 1, b = "<b>|*_`["}}, COLUMNS), "| a | b |\n|--:|---|\n| 1 | &lt;b&gt;\\|\\*\\_\\`\\[ |\n")
end
