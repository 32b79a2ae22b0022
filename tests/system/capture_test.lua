-- p80 capture: the table answers as this machine does, behaves, and has no secrets in it.
-- arch: x64
local lu = require "luaunit"
local case = require "case"

local T = case.suite "Capture"

-- What is asked of both machines: each service, and who holds each port.
local QUESTIONS <const> = [[
  local p80, ports = require "p80", require "ports"
  local answers = {}
  for _, name in ipairs {"Shop", "Sock", "Off", "HTTP"} do
    local record, details = win.scm.get(name), win.scm.details(name)
    answers[name] = {record.name, record.state, record.start, record.type, record.path, record.display_name, record.account or "",
      record.dependencies, record.accepts, details.description, record.pid and record.pid ~= 0 and record.type ~= "kernel_driver" and record.pid or 0}
  end
  for _, port in ipairs {8091, 8092, 8093, 8094} do
    local found = ports.who(port)
    local answer = {free = found.free, holders = {}}
    for i, holder in ipairs(found.holders) do
      local names = {}
      for _, process in ipairs(holder.processes or {holder}) do
        names[#names + 1] = ("%s %s %s"):format(process.pid, process.name, table.concat(process.services or {}, " "))
      end
      answer.holders[i] = {kind = holder.kind, names = names, families = holder.families, proof = holder.proof ~= nil}
    end
    answers["port" .. port] = answer
  end
  answers.here = {win.host.name(), win.host.architecture(), win.host.version().text, win.host.elevated()}
  p80.report(answers)
]]

local function answers(...)
  local words = {"--json", ...}
  words[#words + 1], words[#words + 2] = "-e", QUESTIONS
  local result = case.exits(case.p80(words), 0)
  return result.json.result
end

local function scene()
  case.service {name = "Shop", display_name = "The shop", args = {"--http", "http://+:8091/shop/"}}
  case.service {name = "Sock", start = "auto", args = {"--tcp", "8092"}}
  case.service {name = "Off", start = "disabled", run = false, dependencies = {"Sock"}}
  case.holder {"--tcp", "8093"}
  case.wait_held(8091)
  case.wait_held(8092)
end

function T:test_the_table_answers_as_the_machine_does_and_behaves()
  scene()
  local file = case.path "machine.lua"
  local captured = case.exits(case.p80 {"capture", file}, 0)
  lu.assertEquals(captured.stdout, "")
  lu.assertStrContains(captured.stderr, "left out: the registry")
  lu.assertEquals(answers("--model", file), answers())
  local freed = case.exits(case.p80 {"--model", file, "free80.lua", "--port", "8092"}, 0)
  lu.assertStrContains(freed.stdout, "service Sock: state: running -> stopped")
  lu.assertStrContains(freed.stdout, "tcp 0.0.0.0:8092: removed")
  lu.assertTrue(case.service_running "Sock" and true)
  local http = case.p80 {"--model", file, "free80.lua", "--port", "8091"}
  lu.assertStrContains(case.exits(http, 0).stdout, "service Shop: state: running -> stopped")
end

function T:test_a_file_that_exists_is_kept()
  local file = case.write("machine.lua", "mine")
  lu.assertStrContains(case.exits(case.p80 {"capture", file}, 1).stderr, "--force")
  lu.assertEquals(case.read(file), "mine")
  case.exits(case.p80 {"capture", "--force", file}, 0)
  lu.assertStrContains(case.read(file), "return {")
  lu.assertStrContains(case.exits(case.p80 {"help", "capture"}, 0).stdout, "--command-lines")
end

function T:test_secrets_are_left_out_and_that_is_said()
  local SECRET <const> = "hunter2"
  local wrapped = test.bin .. "holder.exe"
  win.scm.create("Leaky", {path = ('"%s" --service --password %s /ApiToken:%s --db "Pwd=%s;Server=x" https://u:%s@host/'):format(wrapped, SECRET, SECRET, SECRET, SECRET)})
  case.later(function() win.scm.delete "Leaky" end)
  win.reg.create [[HKLM\SOFTWARE\Leaky]]
  win.reg.set([[HKLM\SOFTWARE\Leaky]], "AdminPassword", SECRET, {type = "sz"})
  win.reg.set([[HKLM\SOFTWARE\Leaky]], "Connection", "Server=x;Password=" .. SECRET, {type = "sz"})
  win.reg.set([[HKLM\SOFTWARE\Leaky]], "Keyboard", "German", {type = "sz"})
  win.reg.set([[HKLM\SOFTWARE\Leaky]], "Blob", "x" .. SECRET, {type = "binary"})
  local forms = {
    "AccountKey=%s;x=1", "--db-pass %s --port 80", "/pw:%s", "-p '%s' -v", 'Secret = "%s"', "access_token=%s&next=1", "Authorization: %s",
    "ftp://me:%s@host/x", "ApiKey:'%s'",
  }
  for i, form in ipairs(forms) do forms[i] = form:format(SECRET) end
  win.reg.set([[HKLM\SOFTWARE\Leaky]], "Environment", forms, {type = "multi_sz"})
  case.holder {"--tcp", "8093", "--reply", "apache", "--seconds", "100"}
  local result = case.exits(case.p80 {"--json", "capture", "--command-lines", "--registry", [[HKLM\SOFTWARE\Leaky]]}, 0)
  lu.assertNil(result.stdout:find(SECRET, 1, true))
  local machine = result.json.machine
  lu.assertStrContains(machine.services.Leaky.path, "--password ***")
  local values = machine.registry[ [[HKLM\SOFTWARE\Leaky]] ]
  lu.assertNil(values.AdminPassword)
  lu.assertEquals(values.Connection.value, "Server=x;Password=***")
  lu.assertEquals(values.Keyboard.value, "German")
  lu.assertNil(values.Blob)
  lu.assertEquals({#values.Environment.value, values.Environment.value[1], values.Environment.value[2]},
    {#forms, "AccountKey=***;x=1", "--db-pass *** --port 80"})
  local said = table.concat(result.json.left_out, "\n")
  lu.assertStrContains(said, "service Leaky")
  lu.assertStrContains(said, [[HKLM\SOFTWARE\Leaky\AdminPassword]])
  local commands = {}
  for _, process in ipairs(machine.processes) do commands[#commands + 1] = process.command_line end
  lu.assertStrContains(table.concat(commands, "\n"), "--seconds 100")
end
