-- What may be in a modelled machine: the fields of each kind of thing and what they take. Returns the kinds of the
-- whole and of an endpoint: kind(name, value) raises for what is wrong, and names the field. model_machine.lua fills in
-- what is left out.
local x, win, check = ...

local INVALID_PARAMETER <const> = 87

-- ---- Kinds of values ----

local text, boolean, seconds, port = check.text, check.boolean, check.seconds, check.port

local function anything() end

local function integer(least, most)
  return function(name, value) check.integer(name, value, least, most) end
end

local function number(name, value) check.number(name, value, -math.huge, math.huge) end

local function suggestion(wanted, known)
  if type(wanted) ~= "string" then return nil end
  local meant = x.nearest(wanted, known)
  for _, one in ipairs(known) do
    if #wanted > 2 and one:sub(1, #wanted) == wanted then meant = one end
  end
  return meant and ("did you mean '%s'?"):format(meant) or nil
end

-- One of the words in a text.
local function word(list)
  local known = {}
  for one in list:gmatch "%S+" do known[#known + 1] = one end
  return function(name, value)
    for _, one in ipairs(known) do
      if one == value then return end
    end
    local expected = ("one of %s expected, got %s."):format(table.concat(known, ", "), check.shown(value))
    check.fail(name, INVALID_PARAMETER, expected, suggestion(value, known))
  end
end

local function some_table(name, value)
  if type(value) ~= "table" then check.bad(name, value, "a table") end
  return value
end

local function array(kind)
  return function(name, value)
    if type(value) ~= "table" then check.bad(name, value, "an array") end
    for key in pairs(value) do
      if math.type(key) ~= "integer" or key < 1 or key > #value then check.bad(name, key, "an array without names") end
    end
    for i, one in ipairs(value) do kind(("%s[%d]"):format(name, i), one) end
  end
end

-- Values by names, which are of a kind of their own.
local function map(kind, key_kind)
  return function(name, value)
    for key, one in pairs(some_table(name, value)) do
      (key_kind or text)("a name in " .. name, key)
      local place = key:find "^[%w_]+$" and "%s.%s" or "%s[%s]"
      kind(place:format(name, key), one)
    end
  end
end

local function record(fields, needed)
  local known = {}
  for key in pairs(fields) do known[#known + 1] = key end
  table.sort(known)
  return function(name, value)
    for key, one in pairs(some_table(name, value)) do
      if not fields[key] then
        local hint = suggestion(key, known) or "the fields are " .. table.concat(known, ", ")
        check.fail(("%s.%s"):format(name, key), INVALID_PARAMETER, "There is no such field.", hint)
      end
      fields[key](name .. "." .. key, one)
    end
    if needed and value[needed] == nil then fields[needed](name .. "." .. needed, nil) end
  end
end

-- Whatever a function accepts that raises for other things.
local function accepted(f, expected)
  return function(name, value)
    if not pcall(f, value) then check.bad(name, value, expected) end
  end
end

local address = accepted(function(value) win.http.iplisten.normalize(value) end, "an IP address")
local sddl = accepted(function(value) win.account.canonical(value) end, "a security descriptor (SDDL)")

local function time(name, value)
  if not text(name, value):find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$" then
    check.bad(name, value, "a time such as 2026-01-05T08:00:00Z")
  end
end

local function sid(name, value)
  if type(value) ~= "string" or not value:find "^S%-1%-%d" then
    check.bad(name, value, 'a SID such as "S-1-5-21-1-2-3-1001"')
  end
end

local function url(name, value)
  local parsed, fault = win.http.url(text(name, value))
  if not parsed then check.bad(name, value, ("a URL such as http://+:80/ (%s)"):format(fault)) end
end

local function path(name, value)
  if not text(name, value):find "^%a:[\\/]" then check.bad(name, value, [[a path from the root, such as C:\x.txt]]) end
end

-- ---- Services and processes ----

local texts, uint = array(text), integer(0, 0xFFFFFFFF)
local code = integer(1, 0xFFFFFFFF)

local process = record({
  pid = uint, name = text, path = text, parent = uint, session = uint, user = text, command_line = text,
  created = number, threads = uint, critical = boolean, listens = anything, urls = anything, queue = text, with = uint,
})

local function service_name(name, value)
  if text(name, value) == "" or value:find "[\\/]" or utf8.len(value, 1, -1, true) > 256 then
    check.bad(name, value, "the name of a service (1 to 256 characters, no / and \\)")
  end
end

local service_error = record({service = code}, "service")

local function start_fails(name, value) (type(value) == "table" and service_error or code)(name, value) end

local function node(name, value)
  if value ~= false then uint(name, value) end
end

local service = record({
  state = word "stopped start_pending stop_pending running continue_pending pause_pending paused",
  type = word [[kernel_driver file_system_driver adapter recognizer_driver own_process share_process user_own_process
    user_share_process]],
  start = word "boot system auto demand disabled", error_control = word "ignore normal severe critical", path = text,
  display_name = text, account = text, dependencies = texts, group = text, tag = uint, delayed = boolean,
  interactive = boolean, pid = uint, exit_code = uint, service_exit_code = uint,
  accepts = array(word [[stop pause shutdown param_change net_bind_change hardware_profile_change power_event
    session_change preshutdown time_change trigger_event]]),
  description = text,
  failure = record({
    reset_period = anything, command = text, reboot_message = text, on_non_crash = boolean,
    actions = array(record({action = word "none restart reboot run", delay = seconds}, "action")),
  }),
  sid_type = word "none unrestricted restricted", privileges = texts, preshutdown_timeout = number,
  preferred_node = node, triggers = array(some_table), security = sddl,
  protection = word "none windows windows_light antimalware_light", checkpoint = uint, wait_hint = number,
  listens = anything, urls = anything, queue = text, children = array(process), deleting = boolean, starts_in = seconds,
  stops_in = seconds, hangs = word "start stop", start_error = code, start_fails = start_fails, stop_error = code,
  lingers = seconds, failures = uint,
})

-- ---- HTTP.SYS and IIS ----

local function certificate_binding(name, value)
  local key, fault = win.http.sslcert.binding(text(name, value))
  if not key then check.bad(name, value, ("a binding like 0.0.0.0:443 (%s)"):format(fault)) end
end

local certificate = {
  hash = text, appid = text, store = text, ctl_identifier = text, ctl_store = text, revocation_freshness_time = uint,
  url_retrieval_timeout = number, other_checks = uint, other_flags = uint, host = text, port = port,
}
for key, usual in pairs(win.http.sslcert.defaults()) do
  if type(usual) == "boolean" then certificate[key] = boolean end
end

local http = record {
  urls = anything, iplisten = array(address), addresses = array(address), urlacl = map(sddl, url),
  sslcert = map(record(certificate), certificate_binding),
  timeout = record({idle_connection = integer(0, 65535), header_wait = integer(0, 65535)}),
  cache = record({max_response_size = uint, range_chunk_size = uint}), setting = record({ssl_throttle = uint}),
  netsh = word "missing timeout",
}

-- "*:80:www.example.com", "https *:443:", "net.tcp 808:*", "https *:443:www.example.com ssl_flags=1".
local function binding(name, value)
  local whole = text(name, value):gsub(" ssl_flags=%d+$", ""):find " " and value or "http " .. value
  local at = whole:match "^https? %S+:(%d+):[^:%s]*$" or whole:match "^https %S+:(%d+):[^:%s]* ssl_flags=%d+$"
  local is_other = whole:find "^[%w.]+ %S+$" and not whole:find "^https? "
  if not is_other and not (at and tonumber(at) >= 1 and tonumber(at) <= 65535) then
    check.bad(name, value, 'a binding such as "*:80:www.example.com" or "https *:443:"')
  end
end

local site = record({
  id = code, state = word "started stopped", auto_start = boolean, error = uint,
  bindings = array(binding), queue = text,
})

-- ---- The rest ----

local account_record = record({sid = sid, type = text}, "sid")

local function account(name, value) (type(value) == "table" and account_record or sid)(name, value) end

local range = array(port)

local function excluded(name, value)
  range(name, value)
  if #value ~= 2 or value[1] > value[2] then
    check.bad(name, value, "the first port and the last, such as {50000, 50059}")
  end
end

local HIVES <const> = {
  HKLM = true, HKCU = true, HKCR = true, HKU = true, HKCC = true, HKEY_LOCAL_MACHINE = true, HKEY_CURRENT_USER = true,
  HKEY_CLASSES_ROOT = true, HKEY_USERS = true, HKEY_CURRENT_CONFIG = true,
}
local hive_names = {}
for name in pairs(HIVES) do hive_names[#hive_names + 1] = name end
table.sort(hive_names)

local function key(name, value)
  local hive = text(name, value):match "^[^\\]*":upper()
  if not HIVES[hive] then
    local expected = ([[a key such as HKLM\SOFTWARE\Contoso expected, got %s.]]):format(check.shown(value))
    check.fail(name, INVALID_PARAMETER, expected, suggestion(hive, hive_names))
  end
  if value:find "\\\\" or value:find "\\$" then
    check.bad(name, value, "a key without a doubled or trailing backslash")
  end
end

local TYPED <const> = {
  sz = text, expand_sz = text, link = text, multi_sz = texts, dword = uint, dword_big_endian = uint,
  qword = integer(math.mininteger, math.maxinteger),
}
local type_of_value = word [[sz expand_sz multi_sz dword dword_big_endian qword binary none link resource_list
  full_resource_descriptor resource_requirements_list]]

local function bytes(name, value)
  if type(value) ~= "string" then check.bad(name, value, "bytes (a string)") end
end

local value_record = record({type = anything, value = anything, raw = bytes}, "type")

-- Text, an integer, an array of texts, or {type=, value=}.
local function registry_value(name, value)
  if type(value) ~= "table" then
    if math.type(value) == "integer" then return uint(name, value) end
    return text(name, value)
  elseif value[1] ~= nil or next(value) == nil then
    return texts(name, value)
  end
  value_record(name, value)
  if not tostring(value.type):find "^type_%d+$" then type_of_value(name .. ".type", value.type) end
  (TYPED[value.type] or bytes)(name .. ".value", value.value)
end

local event = record({
  log = text, source = text, id = integer(0, 0xFFFF), strings = texts, time = time,
  level = word "critical error warning information verbose audit_success audit_failure",
}, "source")

local trigger = record({
  type = word "startup logon time calendar event idle registration session weekly monthly unknown", every = uint,
  begins = text, user = text, enabled = boolean, xml = text,
}, "type")

local task = record {
  xml = text, program = text, arguments = text, directory = text, description = text, account = text, enabled = boolean,
  triggers = array(trigger), last_run = time, next_run = time, last_result = uint,
}

local connection = record({
  local_address = address, local_port = port, remote_address = address, remote_port = port, pid = uint,
  state = word [[closed syn_sent syn_received established fin_wait1 fin_wait2 close_wait closing last_ack time_wait
    delete_tcb]],
}, "local_address")

local function both_ends(name, value)
  connection(name, value)
  for _, field in ipairs {"local_port", "remote_address", "remote_port"} do
    if value[field] == nil then check.bad(name .. "." .. field, nil, "both ends of the connection") end
  end
end

local program = record {code = integer(-0x80000000, 0xFFFFFFFF), stdout = bytes, stderr = bytes, takes = seconds}

local endpoint = record({
  port = port, address = address, protocol = word "tcp udp", exclusive = boolean, pid = uint,
}, "port")

return record {
  name = text, windows = text, service_pack = uint, server = boolean, edition = uint,
  architecture = word "x64 x86 arm64", elevated = boolean, ipv6 = boolean, time = time, boot_time = time,
  services = map(service, service_name), processes = array(process), connections = array(both_ends),
  excluded = array(excluded), registry = map(map(registry_value), key), key_security = map(sddl, key), http = http,
  sites = map(site), accounts = map(account), files = map(bytes, path), programs = map(program), tasks = map(task),
  events = array(event), clock = number, due = array(some_table), runs = map(text), next_pid = uint, manager = uint,
}, endpoint
