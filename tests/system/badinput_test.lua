-- Bad input, line by line of what may go wrong: every public function of `win` with wrong arguments, in p80 itself.
-- Each must raise an error object that names the thing and its value, and change nothing.
local lu = require "luaunit"
local case = require "case"

local T = case.suite "BadInput"

local KEY = [[HKCU\Software\p80-bad]]
local LOCKED = [[HKCU\Software\p80-locked]] -- nothing deletes what is in it

local baseSetUp = T.setUp
function T:setUp()
  baseSetUp()
  case.reg {"delete", KEY, "/f"}
end

local function lines(list) return table.concat(list, "\n") end

-- ---- Every function with every kind of wrong argument ----

-- Runs in p80 and reports what was not as it should be.
local PROBE = [==[
local p80 = require "p80"
local SERVICE, KEY, SOURCE = "BadInput", [[HKCU\Software\p80-bad]], [[HKCU\Control Panel\Desktop]]
local function f() end
local faults, tried, seen = {}, 0, {}

local odd = {f, coroutine.create(f), io.stdout}
local function with(...)
  local list = table.move(odd, 1, #odd, 1, {})
  for _, more in ipairs {...} do table.move(more, 1, #more, #list + 1, list) end
  return list
end

local BROKEN = {"nul\0in it", "\xFF", "cut \xC3", "\xC0\x80", "\xED\xA0\x80\xED\xB0\x80", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80"}
local no_text = with({true, 12, 1.5, {}, {"x"}}, BROKEN)
local NUMBERS = {-1, 0/0, math.huge, -math.huge, math.mininteger, math.maxinteger, "12 ", "0x", "", "twelve", true, {}}

local bad = {
  text = no_text,
  service = with(no_text, {"", ("s"):rep(257), ("s"):rep(16384)}),
  key = with(no_text, {"", "Software\\p80-bad", "\\Software", "HKXX\\Software", "HKLM\\\\Software", "HKLM\\Software\\", "C:\\x", "HKCU\\" .. ("k"):rep(256),
    "HKCU\\" .. ("k"):rep(16384), "HKLM:\\x", "HKCU/Software"}),
  value_name = with(no_text, {("v"):rep(16384)}),
  port = with(NUMBERS, {1.5, 0, 65536, "80", "80 ", 4294967376, 1 << 32, 80 + 1e-9}),
  pid = with(NUMBERS, {1.5, 4294967296, 1 << 40, "4"}),
  url = no_text,
  address = with(no_text, {"", "1", "1.2.3", "1.2.3.256", "1.2.3.4.5", "01.2.3.4 ", "::1::", ":::", "fe80::1%", "localhost", "127.0.0.1:80", "[::1]", "1.2.3.4/8"}),
  table = with {true, 1, "x"},
  boolean = with {1, 0, "true", {}},
  seconds = with(NUMBERS, {1e30, 2592001, "5"}),
  word = with(no_text, {"", "no such word", "RUNNING"}),
  array_of_text = with {true, 1, "x", {1}, {true}, {"a", [3] = "b"}, {x = "y"}, {"nul\0"}, {"\xFF"}, {{}}},
  array_of_pids = with {true, 1, "x", {"1"}, {1.5}, {true}, {{}}},
  stamp = with {true, {}, 0, -1, 1.5, "x", "1"},
  view = with {true, {}, 0, 16, 33, 64.5, "x", "32 "},
}

-- An argument: {kind} , {kind, optional=true}, {options = {name = kind}}; `good` is what stands there otherwise.
local options = function(known, good, optional) return {known = known, good = good, optional = optional} end
local service, key = {"service", good = SERVICE}, {"key", good = KEY}
local SSL = {hash = "hash", appid = "guid", store = "text", usage_check = "boolean", ds_mapper_usage = "boolean", ctl_identifier = "text",
  revocation_freshness_time = "ulong", url_retrieval_timeout = "ulong_seconds"}
local HASH, GUID = ("ab"):rep(20), "{4dc3e181-e14b-4a21-b022-59fc669b0914}"
bad.ssl_binding = with(no_text, {"", "x", "443", ":443", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:", "ipport=x:443", "ipport=::1:443", "ipport=[1.2.3.4]:443",
  "hostnameport=:443", "hostnameport=a b:443", "ccs=", "ccs=x", "ccs=*:443", "ipprot=1.2.3.4:443", "=1.2.3.4:443"})
bad.connection = with(no_text, {"", "x", "127.0.0.1", ":80", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:80 ", "1.2.3.256:80"})
bad.ulong = with(NUMBERS, {1.5, 4294967296, "4"})
bad.ushort = with(NUMBERS, {1.5, 65536, "4"})
bad.ulong_seconds = with(NUMBERS, {4294967.3, "4"})
bad.hash = with(no_text, {"", "a", "abc", "xy", "ab:cd", ("ab"):rep(65)})
bad.guid = with(no_text, {"", "IIS", "4dc3e181", "{4dc3e181-e14b-4a21-b022-59fc669b091}", "{4dc3e181e14b4a21b02259fc669b0914}"})
bad.control = with(no_text, {"", "stop", 0, 127, 256, 200.5})
bad.node = with(NUMBERS, {1.5, 65536, "1"})
bad.list = with {true, 1, "x", {1}, {x = 1}}
local SETTINGS = {type = "word", interactive = "boolean", start = "word", delayed = "boolean", error_control = "word", account = "text",
  password = "text", path = "text", display_name = "text", group = "text", dependencies = "array_of_text", description = "text",
  failure = "table", sid_type = "word", privileges = "array_of_text", preshutdown_timeout = "seconds", preferred_node = "node",
  triggers = "list"}
local DETAILS = {command_line = "boolean", user = "boolean", usage = "boolean", session_name = "boolean", services = "boolean",
  modules = "boolean", window = "boolean"}
bad.words = with(bad.array_of_text, {{'a"b'}})
bad.words_of_a_program = with(bad.array_of_text, {{{secret = 1}}, {{raw = "nul\0"}}, {{secret = "x", raw = "y"}}})
bad.variables = with {true, 1, "x", {"y"}, {["a=b"] = "x"}, {a = true}, {a = "nul\0"}, {[""] = "x"}}
bad.feature = with(no_text, {""})
bad.program = with(no_text, {"", "a\\b", "..\\x", "C:x", "a/b"})
local functions = {
  ["host.version"] = {}, ["host.edition"] = {}, ["host.architecture"] = {}, ["host.name"] = {}, ["host.elevated"] = {},
  ["host.boot_time"] = {}, ["host.info"] = {},
  ["tcp.list"] = {options({family = "port", port = "port", state = "word", module = "boolean"}, {port = 1}, true)},
  ["tcp.listeners"] = {{"port", good = 1, optional = true}, options({family = "port", module = "boolean"}, {}, true)},
  ["tcp.watch"] = {options({port = "port", interval = "seconds", timeout = "seconds"}, {timeout = 0}, true)},
  ["tcp.close"] = {{"connection", good = "127.0.0.1:1"}, {"connection", good = "127.0.0.1:2"}, options({timeout = "seconds"}, {}, true)},
  ["udp.list"] = {options({family = "port", port = "port", module = "boolean"}, {port = 1}, true)},
  ["udp.listeners"] = {{"port", good = 1, optional = true}, options({family = "port", module = "boolean"}, {}, true)},
  ["udp.watch"] = {options({port = "port", interval = "seconds", timeout = "seconds"}, {timeout = 0}, true)},
  ["tcp.probe"] = {{"port", good = 1}, options({exclusive = "boolean"}, {}, true)},
  ["tcp.owners"] = {{"array_of_pids", good = {}}},
  ["process.list"] = {options(DETAILS, {}, true)}, ["process.get"] = {{"pid", good = 0x7FFFFFFC}, options(DETAILS, {}, true)},
  ["process.image"] = {{"pid", good = 0x7FFFFFFC}}, ["process.services"] = {{"pid", good = 0x7FFFFFFC}}, ["process.command_line"] = {{"pid", good = 0x7FFFFFFC}},
  ["process.modules"] = {{"pid", good = 0x7FFFFFFC}}, ["process.environment"] = {},
  ["process.handles"] = {options({name = "text", pid = "pid", type = "text"}, {name = "p80 no such name", type = "mutant"})},
  ["process.split"] = {{"text", good = "x"}}, ["process.join"] = {{"words", good = {"x"}}},
  ["process.find"] = {{"program", good = "x"}, options({search = "boolean"}, {}, true)},
  ["process.run"] = {options({program = "text", args = "words_of_a_program", cwd = "text", env = "variables", stdin = "text_of_any_bytes",
    timeout = "seconds", encoding = "word", search = "boolean"}, {program = "cmd.exe"})},
  ["process.stop"] = {{"pid", good = 0x7FFFFFFC}, options({timeout = "seconds", created = "stamp"}, {}, true)},
  ["driver.list"] = {options({version = "boolean", signature = "boolean", roles = "boolean"}, {}, true)},
  ["driver.third_party"] = {options({loaded = "boolean"}, {}, true)}, ["driver.inspect"] = {{"program", good = "C:\\none.sys"}},
  ["feature.list"] = {}, ["feature.plan_remove"] = {{"feature", good = "p80 none"}},
  ["feature.remove"] = {{"feature", good = "p80 none"}, options({timeout = "seconds"}, {}, true)},
  ["scm.list"] = {options({type = "word", state = "word"}, {}, true)},
  ["scm.get"] = {service},
  ["scm.wait"] = {service, {"word", good = "stopped"}, options({timeout = "seconds", requested = "boolean"}, {}, true)},
  ["scm.start"] = {service, options({timeout = "seconds", args = "array_of_text"}, {}, true)},
  ["scm.stop"] = {service, options({timeout = "seconds", dependents = "boolean"}, {}, true)},
  ["scm.restart"] = {service, options({timeout = "seconds", dependents = "boolean", args = "array_of_text"}, {}, true)},
  ["scm.config"] = {service, options(SETTINGS, {start = "demand"})}, ["scm.create"] = {service, options(SETTINGS, {path = "x"})},
  ["scm.delete"] = {service, options({timeout = "seconds", dependents = "boolean"}, {}, true)},
  ["scm.pause"] = {service, options({timeout = "seconds"}, {}, true)}, ["scm.continue"] = {service, options({timeout = "seconds"}, {}, true)},
  ["scm.control"] = {service, {"control", good = 200}, options({timeout = "seconds"}, {}, true)},
  ["scm.details"] = {service}, ["scm.dependents"] = {service}, ["scm.security"] = {service, options({audit = "boolean"}, {}, true)},
  ["scm.set_security"] = {service, {"sddl", good = "D:"}}, ["scm.sid"] = {service}, ["scm.name_of"] = {{"text", good = "x"}},
  ["scm.trigger_words"] = {},
  ["scm.watch"] = {{"service", good = SERVICE, optional = true}, options({timeout = "seconds", interval = "seconds", type = "word"}, {}, true)},
  ["reg.get"] = {key, {"value_name", good = "v", optional = true}, options({view = "view"}, {}, true)},
  ["reg.values"] = {key, options({view = "view"}, {}, true)}, ["reg.keys"] = {key, options({view = "view"}, {}, true)},
  ["reg.exists"] = {key, options({view = "view"}, {}, true)}, ["reg.info"] = {key, options({view = "view"}, {}, true)},
  ["reg.tree"] = {key, options({view = "view"}, {}, true)}, ["reg.create"] = {key, options({view = "view"}, {}, true)},
  ["reg.set"] = {key, {"value_name", good = "v"}, {"value", good = "x"}, options({type = "word", view = "view"}, {}, true)},
  ["reg.security"] = {key, options({view = "view"}, {}, true)},
  ["reg.set_security"] = {key, {"sddl", good = "D:"}, options({view = "view"}, {}, true)},
  ["reg.watch"] = {key, options({tree = "boolean", timeout = "seconds", view = "view"}, {}, true)},
  ["reg.save"] = {{"key", good = SOURCE}, {"text", good = "C:\\no\\x.hiv"}, options({view = "view"}, {}, true)},
  ["reg.restore"] = {key, {"text", good = "C:\\no\\x.hiv"}, options({view = "view"}, {}, true)},
  ["reg.load"] = {{"mount", good = "HKLM\\p80-bad"}, {"text", good = "C:\\no\\x.hiv"}}, ["reg.unload"] = {{"mount", good = "HKLM\\p80-bad"}},
  ["reg.parse"] = {{"text_of_any_bytes", good = "REGEDIT4"}},
  ["reg.import"] = {{"text_of_any_bytes", good = "REGEDIT4\n"}, options({view = "view"}, {}, true)},
  ["reg.export"] = {key, options({version = "regfile_version", exact = "boolean", view = "view"}, {}, true)},
  ["reg.find"] = {key, {"text", good = "x"}, options({where = "word", exact = "boolean", case = "boolean", type = "text", tree = "boolean",
    view = "view"}, {}, true)},
  ["reg.compare"] = {key, key, options({tree = "boolean", view = "view"}, {}, true)},
  ["reg.copy"] = {{"key", good = SOURCE}, key, options({tree = "boolean", view = "view"}, {}, true)},
  ["reg.delete"] = {key, {"value_name", good = "v", optional = true}, options({tree = "boolean", view = "view"}, {}, true)},
  ["http.holders"] = {}, ["http.is_running"] = {}, ["http.state"] = {options({view = "word"}, {}, true)},
  ["http.product"] = {{"text", good = "W3SVC"}}, ["http.iplisten.is_local"] = {{"address", good = "127.0.0.1"}},
  ["http.urlacl.get"] = {{"text", good = "http://+:80/"}},
  ["http.sslcert.list"] = {}, ["http.sslcert.defaults"] = {}, ["http.sslcert.binding"] = {{"text", good = "ccs=443"}},
  ["http.sslcert.get"] = {{"ssl_binding", good = "ccs=443"}}, ["http.sslcert.delete"] = {{"ssl_binding", good = "ccs=443"}},
  ["http.sslcert.add"] = {{"ssl_binding", good = "0.0.0.0:443"}, options(SSL, {hash = HASH, appid = GUID})},
  ["http.sslcert.update"] = {{"ssl_binding", good = "0.0.0.0:443"}, options(SSL, {hash = HASH})},
  ["http.timeout.list"] = {}, ["http.timeout.get"] = {{"word", good = "header_wait"}}, ["http.timeout.delete"] = {{"word", good = "header_wait"}},
  ["http.timeout.set"] = {{"word", good = "header_wait"}, {"ushort", good = 1}},
  ["http.cache.list"] = {}, ["http.cache.get"] = {{"word", good = "range_chunk_size"}},
  ["http.cache.set"] = {{"word", good = "range_chunk_size"}, {"ulong", good = 1}},
  ["http.setting.list"] = {}, ["http.setting.get"] = {{"word", good = "ssl_throttle"}}, ["http.setting.delete"] = {{"word", good = "ssl_throttle"}},
  ["http.setting.set"] = {{"word", good = "ssl_throttle"}, {"ulong", good = 1}},
  ["http.parameters.list"] = {}, ["http.parameters.get"] = {{"word", good = "MaxFieldLength"}},
  ["http.parameters.set"] = {{"word", good = "MaxFieldLength"}, {"ushort", good = 64}},
  ["http.parameters.delete"] = {{"word", good = "MaxFieldLength"}},
  ["http.server"] = {{"port", good = 1}, options({address = "address", timeout = "seconds"}, {}, true)},
  ["http.url"] = {{"text_of_any_bytes", good = "http://+:80/"}},
  ["http.urls_on"] = {{"state", good = {source = "netsh", queues = {}}}, {"port", good = 80}},
  ["http.read_servicestate"] = {{"text_of_any_bytes", good = ""}, {"array", good = {}, optional = true}},
  ["http.iplisten.list"] = {}, ["http.iplisten.add"] = {{"address", good = "127.0.0.1"}}, ["http.iplisten.delete"] = {{"address", good = "127.0.0.1"}},
  ["http.iplisten.normalize"] = {{"address", good = "127.0.0.1"}},
  ["http.urlacl.list"] = {}, ["http.urlacl.users"] = {{"text_of_any_bytes", good = ""}},
  ["http.urlacl.sddl"] = {options({user = "text", sddl = "text", listen = "boolean", delegate = "boolean"}, {user = "S-1-5-20"})},
  ["http.urlacl.add"] = {{"url", good = "http://+:80/bad/"}, options({user = "text", sddl = "text", listen = "boolean", delegate = "boolean"}, {user = "S-1-5-20"})},
  ["http.urlacl.delete"] = {{"url", good = "http://+:80/bad/"}},
  ["file.read"] = {{"text", good = "C:\\none"}}, ["file.absolute"] = {{"text", good = "none"}}, ["file.final"] = {{"text", good = "C:\\none"}},
  ["file.is_link"] = {{"text", good = "C:\\none"}},
  ["file.write"] = {{"text", good = "C:\\none\\none"}, {"text_of_any_bytes", good = ""}}, ["file.delete"] = {{"text", good = "C:\\none"}},
  ["account.get"] = {{"text", good = "x"}}, ["account.sid"] = {{"text", good = "S-1-1-0"}}, ["account.current"] = {},
  ["account.by_name"] = {{"text", good = "x"}}, ["account.by_sid"] = {{"text", good = "x"}}, ["account.canonical"] = {{"sddl", good = "D:"}},
  ["account.describe"] = {{"sddl", good = "D:"}},
  ["account.sddl"] = {options({owner = "no_account", group = "no_account", dacl = "no_list", sacl = "no_list"}, {owner = "S-1-1-0"})},
  ["event.logs"] = {}, ["event.source"] = {{"text", good = "x"}},
  ["event.read"] = {{"text", good = "System", optional = true}, options({source = "text", id = "pid", level = "word", since = "text", max = "most"}, {}, true)},
  ["event.write"] = {options({source = "text", id = "pid", level = "word", kind = "word", text = "text"}, {text = "x"})},
  ["event.register"] = {{"source", good = "p80-bad"}, options({log = "text", file = "text"}, {}, true)}, ["event.unregister"] = {{"source", good = "p80-bad"}},
  ["scm.status"] = {service},
  ["iis.store"] = {}, ["iis.sites"] = {}, ["iis.bindings"] = {}, ["iis.get"] = {{"site", good = "none"}},
  ["iis.move"] = {{"site", good = "none"}, {"binding", good = "*:80:"}, {"port", good = 81}, options({protocol = "word"}, {}, true)},
  ["iis.start"] = {{"site", good = "none"}, options({timeout = "seconds"}, {}, true)},
  ["iis.stop"] = {{"site", good = "none"}, options({timeout = "seconds"}, {}, true)},
}
bad.sddl = with(no_text, {"x", "D:(A;;GA;;;XX)"})
bad.most = with(NUMBERS, {0, 1.5, 100001})
bad.no_account = with {true, 1, {}, "nul\0", "\xFF", "S-1-"}
bad.no_list = with {true, 1, "x", {1}, {true}, {{rights = "x"}}, {{type = "x"}}}
bad.source = with(no_text, {"", "a\\b", ("s"):rep(256)})
functions["task.version"], functions["task.list"] = {}, {}
functions["task.get"], functions["task.delete"] = {{"text", good = "p80 bad"}}, {{"task", good = "p80 bad"}}
functions["task.run"] = {{"task", good = "p80 bad"}}
functions["task.create"] = {{"task", good = "p80 bad"}, options({program = "text", arguments = "text", directory = "text", at = "word",
  every = "seconds", account = "text", password = "text", highest = "boolean", description = "text", enabled = "boolean"},
  {program = "x", at = "logon"})}
bad.task = with(no_text, {"", "\\", "a\\", "a/b", "a\nb", ".."})
bad.site = with {true, 1.5, {}, "nul\0", "\xFF"}
bad.binding = with(no_text, {"", "80", "*:80", "*:0:", "*:65536:", ":80:"})
bad.text_of_any_bytes = with {true, 1, 1.5, {}}
bad.mount = with(bad.key, {"HKCU\\x", "HKLM", "HKLM\\a\\b"})
bad.regfile_version = with(NUMBERS, {1.5, 3, 6, "4", "5"})
bad.array = with {true, 1, "x"}
bad.state = with {true, 1, "x", {}, {queues = 1}}
bad.value = with {true, 1.5, -1, 1 << 32, 0/0, {1}, {"a", ""}, {x = "y"}, {"nul\0"}, "nul\0", "\xFF"}

local function shown(value) return type(value) == "string" and ("%q"):format(#value > 40 and value:sub(1, 40) .. "..." or value) or tostring(value) end

local function fault(name, what, why) faults[#faults + 1] = ("win.%s with %s: %s"):format(name, what, why) end

-- What is wrong with an error as p80 must raise it; nil when nothing is.
local function wrong_with(e, name)
  if type(e) ~= "table" then return "no error object: " .. tostring(e) end
  if e.op ~= name then return "op is " .. tostring(e.op) end
  if type(e.target) ~= "string" or e.target == "" then return "target is " .. tostring(e.target) end
  if math.type(e.code) ~= "integer" or e.code == 0 then return "code is " .. tostring(e.code) end
  if type(e.name) ~= "string" or e.name == "" then return ("no name for code %d: %s"):format(e.code, tostring(e)) end
  if type(e.message) ~= "string" or e.message == "" then return "message is " .. tostring(e.message) end
  if not tostring(e):find(name, 1, true) then return "its text is " .. tostring(e) end
  if #tostring(e) > 2000 then return ("its text has %d bytes"):format(#tostring(e)) end
  if not utf8.len(tostring(e)) and not e.target:find "lone" then return "its text is no UTF-8" end
end

local function expect_error(name, what, code, ...)
  local call = win
  for step in name:gmatch "[^.]+" do call = call[step] end
  tried = tried + 1
  local ok, e = pcall(call, ...)
  if ok then return fault(name, what, "no error, but " .. shown(e)) end
  local why = wrong_with(e, name) or code and e.code ~= code and ("code %d: %s"):format(e.code, tostring(e))
  if why then return fault(name, what, why) end
  return e
end

local function arguments(signature)
  local list = {n = #signature}
  for i, argument in ipairs(signature) do list[i] = argument.good end
  return list
end

local function copy(t, key, value)
  local c = {}
  for k, v in pairs(t) do c[k] = v end
  c[key] = value
  return c
end

local function with_argument(good, i, value)
  local list = table.move(good, 1, good.n, 1, {})
  list[i] = value
  return table.unpack(list, 1, math.max(good.n, i))
end

local INVALID = 87
for name, signature in pairs(functions) do
  local good, least = arguments(signature), 0
  for i, argument in ipairs(signature) do if not argument.optional then least = i end end
  -- counts
  local e = expect_error(name, "an argument too many", INVALID, with_argument(good, good.n + 1, "more"))
  if e and e.target ~= "arguments" then fault(name, "an argument too many", "it names " .. e.target) end
  for n = 0, least - 1 do expect_error(name, ("%d arguments"):format(n), INVALID, table.unpack(good, 1, n)) end
  -- each argument
  for i, argument in ipairs(signature) do
    for _, value in ipairs(bad[argument[1]] or bad.table) do
      e = expect_error(name, ("%s as argument %d"):format(shown(value), i), argument[1] ~= "address" and argument[1] ~= "url" and INVALID or nil,
        with_argument(good, i, value))
      if e and math.type(value) == "integer" and argument[1] == "port" and not tostring(e):find(tostring(value), 1, true) then
        fault(name, shown(value), "its value is not in " .. tostring(e))
      end
    end
    for option, kind in pairs(argument.known or {}) do
      for _, misspelt in ipairs {option .. "x", option:sub(1, -2), option:upper()} do
        e = expect_error(name, "the option " .. misspelt, INVALID, with_argument(good, i, copy(argument.good, misspelt, 1)))
        if e and e.target ~= misspelt then fault(name, "the option " .. misspelt, "it names " .. e.target) end
        if e and misspelt ~= option:upper() and not (e.hint or ""):find(("'%s'"):format(option), 1, true) then
          fault(name, "the option " .. misspelt, "no suggestion: " .. tostring(e))
        end
      end
      for _, value in ipairs(bad[kind]) do
        local expected = not (name:find "urlacl" and kind == "text") and INVALID or nil
        e = expect_error(name, ("%s = %s"):format(option, shown(value)), expected, with_argument(good, i, copy(argument.good, option, value)))
        if e and e.target ~= option and e.target ~= "arguments" and not e.target:find("^" .. option .. "[%[.]") and expected then
          fault(name, option .. " = " .. shown(value), "it names " .. e.target)
        end
      end
    end
    if argument.known then
      expect_error(name, "an option without a name", INVALID, with_argument(good, i, copy(argument.good, 1, 1)))
      expect_error(name, "an option named true", INVALID, with_argument(good, i, copy(argument.good, true, 1)))
    end
  end
end

-- Values that do not fit their type.
for value_type, values in pairs {
  sz = with {1, true, {}, "nul\0", "\xFF"}, expand_sz = with {1, "nul\0"}, multi_sz = with {"x", 1, {1}, {""}, {"a", ""}, {"nul\0"}, {x = "y"}},
  dword = with {"1", -1, 1 << 32, 1.5, 0/0, {}}, dword_big_endian = {-1, 1 << 32}, qword = with {"1", 1.5, 2.0^63, -2.0^64, 0/0, {}},
  binary = with {1, {}, true}, none = {1, {}}, link = {1},
} do
  for _, value in ipairs(values) do
    expect_error("reg.set", ("%s as %s"):format(shown(value), value_type), 87, KEY, "v", value, {type = value_type})
  end
end
for _, value_type in ipairs {"dwrod", "DWORD", "REG_DWORD", "type_", "type_4294967296", "type_0", "", "type_-1"} do
  expect_error("reg.set", "the type " .. value_type, 87, KEY, "v", "x", value_type)
end
local e = expect_error("reg.set", "the type dwrod", 87, KEY, "v", 1, "dwrod")
if e and not (e.hint or ""):find("'dword'", 1, true) then fault("reg.set", "dwrod", "no suggestion") end

-- What is not there.
expect_error("scm.start", "no such service", 1060, "p80 no such service")
for _, verb in ipairs {"stop", "restart", "wait"} do
  expect_error("scm." .. verb, "no such service", 1060, "p80 no such service", verb == "wait" and "running" or nil)
end
expect_error("scm.config", "no such service", 1060, "p80 no such service", {start = "demand"})
expect_error("scm.start", "a lone surrogate", 1060, "lone \xED\xA0\x80")
expect_error("reg.set", "a hive", 87, "HKLM", nil, true)
expect_error("reg.create", "a hive", 87, "HKLM")
expect_error("reg.delete", "a hive", 87, "HKLM", nil, {tree = true})
expect_error("reg.delete", "a name and tree", 87, KEY, "v", {tree = true})
assert(win.scm.get "p80 no such service" == nil and win.scm.get "lone \xED\xA0\x80" == nil)
assert(win.reg.get(KEY, "v") == nil and win.reg.keys(KEY) == nil and win.process.get(0x7FFFFFFC) == nil)
assert(win.process.stop(0x7FFFFFFC) == false)

-- Nothing public is missing here.
local function walk(t, prefix)
  for name, value in pairs(t) do
    if type(value) == "table" then walk(value, prefix .. name .. ".") else seen[prefix .. name] = true end
  end
end
walk(win, "")
for name in pairs(seen) do if not functions[name] then fault(name, "anything", "this test does not know it") end end
for name in pairs(functions) do if not seen[name] then fault(name, "anything", "it does not exist") end end
for _, subject in ipairs {"tpc", "smc", "regg"} do
  local ok, e = pcall(function() return win[subject] end)
  if ok or type(e) ~= "table" or e.target ~= subject or not (e.hint or ""):find "did you mean" then fault(subject, "a misspelt subject", tostring(e)) end
end

p80.report {faults = faults, tried = tried}
]==]

function T:test_every_function_with_wrong_arguments()
  case.service {name = "BadInput", args = {"--tcp", "8101"}, run = false}
  local before = win.scm.get "BadInput"
  for _, check in ipairs {false, true} do -- in --check reads cross the gate, too
    local result = case.script(PROBE, {"--json", "--allow", "*", check and "--check" or nil})
    case.exits(result, 0)
    lu.assertEquals(lines(result.json.result.faults), "")
    lu.assertEquals(result.json.changed, 0)
    lu.assertTrue(result.json.result.tried > 1000)
  end
  lu.assertEquals(win.scm.get "BadInput", before)
  lu.assertNil(case.files(case.state .. "\\runs"))
  lu.assertFalse(win.reg.exists(KEY))
end

-- ---- What an error looks like when nobody catches it ----

function T:test_an_uncaught_error_prints_its_parts_and_sets_the_exit_code()
  for code, expected in pairs {
    ['win.scm.start "No Such Service"'] = {1, "scm.start 'No Such Service': ", "1060 ERROR_SERVICE_DOES_NOT_EXIST", "lists them"},
    ['win.reg.set("HKXX\\\\a", "b", "c")'] = {1, "reg.set 'key': ", "HKXX\\a", "87 ERROR_INVALID_PARAMETER"},
    ["win.tcp.probe(65536)"] = {1, "tcp.probe 'port': an integer from 1 to 65535 expected, got 65536", "87 ERROR_INVALID_PARAMETER"},
    ['win.tcp.probe "80 "'] = {1, "tcp.probe 'port': ", "'80 '"},
    ["win.tcp.probe(4294967376)"] = {1, "4294967376"},
    ['win.scm.stop("http", {timeuot = 1})'] = {1, "scm.stop 'timeuot': ", "did you mean 'timeout'?"},
    ['win.scm.stpo "http"'] = {1, "stpo"},
  } do
    local result = case.exits(case.p80 {"--allow", "*", "-e", code}, expected[1])
    for i = 2, #expected do lu.assertStrContains(result.stderr, expected[i]) end
    lu.assertEquals(result.stdout, "")
  end
end

-- ---- No rights ----

function T:test_a_key_whose_access_list_denies()
  local locked, closed = LOCKED .. "\\locked", LOCKED .. "\\closed"
  win.reg.create(LOCKED)
  win.reg.create(locked, {tree = {keys = {}, values = {{name = "v", type = "sz", value = "old"}}, security = "D:P(A;;KR;;;WD)"}})
  win.reg.create(closed, {tree = {keys = {}, values = {}, security = "D:P"}})
  for code, target in pairs {
    [("win.reg.set([[%s]], 'v', 'new')"):format(locked)] = locked, [("win.reg.delete([[%s]], 'v')"):format(locked)] = locked,
    [("win.reg.create([[%s\\sub]])"):format(locked)] = locked .. "\\sub", [("win.reg.set([[%s\\a\\b]], 'v', 1)"):format(locked)] = locked .. "\\a",
    [("win.reg.get([[%s]], 'v')"):format(closed)] = closed, [("win.reg.values([[%s]])"):format(closed)] = closed,
    [("win.reg.tree([[%s]])"):format(closed)] = closed, [("win.reg.delete([[%s]], 'v')"):format(closed)] = closed,
    [("win.reg.set([[%s]], 'v', 1)"):format(closed)] = closed,
  } do
    local result = case.p80 {"--json", "--allow", "*", "-e", code}
    lu.assertEquals({code, result.code, result.json.error.name, result.json.changed}, {code, 5, "ERROR_ACCESS_DENIED", 0})
    lu.assertStrContains(result.json.error.target, target)
    lu.assertStrContains(result.json.error.hint, "elevated")
  end
  lu.assertEquals((win.reg.get(locked, "v")), "old")
  lu.assertEquals(win.reg.keys(locked), {})
end

-- What was done before the step that is denied is journaled and can be taken back.
function T:test_a_run_that_is_denied_in_its_middle_can_be_taken_back()
  local locked = LOCKED .. "\\locked2"
  win.reg.create(LOCKED)
  win.reg.create(locked, {tree = {keys = {}, values = {}, security = "D:P(A;;KR;;;WD)"}})
  local code = "win.reg.set([[%s\\made]], 'a', 1) win.reg.set([[%s]], 'v', 1) win.reg.set([[%s\\made]], 'b', 2)"
  local result = case.exits(case.p80 {"--json", "--allow", "*", "-e", code:format(KEY, locked, KEY)}, 5)
  lu.assertEquals(result.json.changed, 3) -- the key above, the key, the value
  lu.assertNil((win.reg.get(KEY .. "\\made", "b")))
  case.exits(case.p80 {"undo"}, 0)
  lu.assertFalse(win.reg.exists(KEY .. "\\made"))
end

-- ---- Sizes ----

function T:test_megabytes_through_gate_journal_and_undo()
  local result = case.exits(case.script([==[
    local KEY = [[HKCU\Software\p80-bad]]
    local bytes = {}
    for i = 0, 255 do bytes[i + 1] = string.char(i) end
    local binary = table.concat(bytes):rep(4096) -- 1 MiB with every byte
    local text = ("\u{E4}\u{1F600}x"):rep(150000) -- 1.05 MB
    local list = {}
    for i = 1, 20000 do list[i] = ("entry %d of many, \u{672C}"):format(i) end
    for pass = 1, 2 do
      for name, value in pairs {b = {binary:reverse(), "binary"}, t = {text, "sz"}, e = {text, "expand_sz"}, l = {list, "multi_sz"}} do
        if pass == 1 then assert(win.reg.set(KEY, name, value[1], value[2])) end
        assert(not win.reg.set(KEY, name, value[1], value[2]))
        local stored = win.reg.get(KEY, name)
        assert(type(stored) == type(value[1]) and #stored == #value[1])
      end
      for i = 1, #list do assert(win.reg.get(KEY, "l")[i] == list[i]) if i > 20 then break end end
    end
    assert(win.reg.get(KEY, "b") == binary:reverse() and win.reg.get(KEY, "t") == text)
    win.reg.set(KEY, "b", binary, "binary")
    win.reg.delete(KEY, "t")
    require "p80".report {win.reg.get(KEY, "b") == binary} ]==], {"--json", "--allow", "reg.*"}), 0)
  lu.assertEquals({result.json.result, result.json.changed}, {{true}, 7})
  lu.assertEquals(#win.reg.get(KEY, "b"), 1 << 20)
  case.exits(case.p80 {"undo"}, 0)
  lu.assertFalse(win.reg.exists(KEY))
  case.exits(case.p80 {"undo", "2"}, 0) -- the undo taken back: megabytes out of the journal
  local every = {}
  for i = 0, 255 do every[i + 1] = string.char(i) end
  lu.assertTrue(win.reg.get(KEY, "b") == table.concat(every):rep(4096))
  lu.assertEquals(#win.reg.get(KEY, "l"), 20000)
  lu.assertNil((win.reg.get(KEY, "t")))
end

function T:test_the_longest_names_go_and_longer_ones_do_not()
  local longest_value, longest_key = ("v"):rep(16382), ("k"):rep(255)
  local code = "require 'p80'.report {win.reg.set([[%s]] .. '\\\\' .. ('k'):rep(%d), ('v'):rep(%d), 'x')}"
  case.exits(case.p80 {"--json", "--allow", "reg.*", "-e", code:format(KEY, 255, 16382)}, 0)
  lu.assertEquals((win.reg.get(KEY .. "\\" .. longest_key, longest_value)), "x")
  case.exits(case.p80 {"undo"}, 0)
  lu.assertFalse(win.reg.exists(KEY))
  for _, sizes in ipairs {{256, 1}, {1, 16384}} do
    local result = case.exits(case.p80 {"--json", "--allow", "reg.*", "-e", code:format(KEY, sizes[1], sizes[2])}, 1)
    lu.assertEquals({result.json.error.code, result.json.changed}, {87, 0})
    lu.assertFalse(win.reg.exists(KEY))
  end
end

function T:test_names_with_lone_surrogates_go_round()
  local lone = "a\xED\xA0\x80b"
  local code = "local lone = 'a\\xED\\xA0\\x80b' assert(win.reg.set([[%s]], lone, lone)) assert(win.reg.get([[%s]], lone) == lone)"
  case.exits(case.p80 {"--allow", "reg.*", "-e", code:format(KEY, KEY)}, 0)
  lu.assertEquals((win.reg.get(KEY, lone)), lone)
  local rows = case.exits(case.p80 {"--json", "runs"}, 0)
  lu.assertNotNil(rows.json)
  case.exits(case.p80 {"undo"}, 0)
  lu.assertFalse(win.reg.exists(KEY))
  case.exits(case.p80 {"undo", "2"}, 0)
  lu.assertEquals((win.reg.get(KEY, lone)), lone)
end

-- More than one call may carry is refused, not cut.
function T:test_more_than_the_gate_carries()
  for value, text in pairs {["('x'):rep(257 * 1024 * 1024)"] = "256 MiB", ["(function() local t = {} for i = 1, 200 do t = {t} end return t end)()"] = "deeply"} do
    local code = ("win.reg.set([[%s]], 'x', %s, 'binary')"):format(KEY, value)
    local result = case.exits(case.p80 {"--json", "--memory-limit", "0", "--allow", "*", "-e", code}, 1)
    lu.assertStrContains(result.json.error.message, text)
    lu.assertEquals(result.json.error.op, "reg.set")
  end
  lu.assertFalse(win.reg.exists(KEY))
end
