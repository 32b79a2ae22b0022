-- win.scm behind the gate: the configuration of services, and who may do what with them.
local core = ...
local scm = core.scm
local check, code, data, gate = core.check, core.code, core.data, core.gate
local raw, change, existing = core.win.scm, scm.change, scm.existing

local START_WORDS <const> = {"boot", "system", "auto", "demand", "disabled"}
local ERROR_WORDS <const> = {"ignore", "normal", "severe", "critical"}
local TYPE_WORDS <const> = {"own_process", "share_process", "kernel_driver", "file_system_driver", "adapter",
  "recognizer_driver", "user_own_process", "user_share_process"}
local SID_WORDS <const> = {"none", "unrestricted", "restricted"}
local ACTION_WORDS <const> = {"none", "restart", "reboot", "run"}
local MOST_NAMES <const>, MOST_TRIGGERS <const> = 1024, 64

local CONFIG <const> = scm.CONFIG
local DETAILS <const> = {
  "description", "failure", "sid_type", "privileges", "preshutdown_timeout", "preferred_node", "triggers",
}

-- The Windows that brought a detail.
local SINCE <const> = {
  description = "Windows 2000", failure = "Windows 2000", triggers = "Windows 7", preferred_node = "Windows 7",
  sid_type = "Windows Vista", privileges = "Windows Vista", preshutdown_timeout = "Windows Vista",
  on_non_crash = "Windows Vista",
}

-- ---- Accounts ----

-- An account as Windows compares it: no case, and one name for LocalSystem.
local function folded_account(account)
  local folded = account and account:lower()
  return folded and folded:match "^[^\\]*\\(localsystem)$" or folded
end

local WITHOUT_PASSWORD <const> = {
  ["localsystem"] = true, [ [[nt authority\localservice]] ] = true, [ [[nt authority\networkservice]] ] = true,
  [ [[nt authority\local service]] ] = true, [ [[nt authority\network service]] ] = true,
  [ [[nt authority\system]] ] = true,
}

--- Whether an account logs on with a password: not Windows' own, a service's virtual one, or a managed one.
function scm.has_password(account)
  local folded = folded_account(account)
  return folded ~= nil and not WITHOUT_PASSWORD[folded] and not folded:find "^nt service\\" and folded:sub(-1) ~= "$"
end

--- What taking back leaves to do for a service that runs as this account.
function scm.lost_password(account)
  return ("p80 keeps no passwords: win.scm.config(name, {account=%q, password=...}) sets that of %s")
    :format(account, account)
end

local function comparable(config)
  return config and data.overlay(config, {account = folded_account(config.account)})
end

--- Whether every setting of `want` holds in `have`.
function scm.same_config(have, want) return data.includes(comparable(have), comparable(want)) end

-- ---- The configuration ----

--- The settings in a record of win.scm.get.
function scm.config_of(record)
  local config = {}
  for _, key in ipairs(CONFIG) do config[key] = record[key] end
  config.interactive, config.group = record.interactive == true, record.group or ""
  return config
end

--- The settings that differ between two configurations, as raw.config takes them.
function scm.differences(want, have)
  local settings = {}
  for _, key in ipairs(CONFIG) do
    if not data.equal(want[key], have[key]) then settings[key] = want[key] end
  end
  if settings.type ~= nil or settings.interactive ~= nil then -- one number to Windows
    settings.type, settings.interactive = want.type or have.type, want.interactive
    if settings.interactive == nil then settings.interactive = have.interactive end
  end
  return settings
end

core.resource {
  kind = "scm.config",
  part_of = "service",
  label = function(id) return id.name end,
  get = function(id)
    local record = scm.record(id.name)
    if not record then return nil end
    if not record.start then core.fail(id.name, code.ERROR_ACCESS_DENIED) end
    return scm.config_of(record)
  end,
  set = function(id, want, have, options)
    local settings = scm.differences(want, have)
    settings.password = options and options.password
    if settings.password then settings.account = settings.account or have.account end
    if settings.account and scm.has_password(settings.account) then settings.password = settings.password or "" end
    core.ask(raw.config, id.name, settings)
  end,
  same = scm.same_config,
  lost = function(restored, before)
    if scm.has_password(restored.account) and folded_account(restored.account) ~= folded_account(before.account) then
      return scm.lost_password(restored.account)
    end
  end,
}

local passwords_set = {} -- by name: this run has set it

-- A password alone. It cannot be read, so that nothing can be compared, nor taken back.
core.resource {
  kind = "scm.password",
  label = function(id) return id.name end,
  get = function(id) return {password = passwords_set[id.name] and "set" or "unknown"} end,
  set = function(id, _, _, options)
    core.ask(raw.config, id.name, {account = raw.get(id.name).account, password = options.password})
    passwords_set[id.name] = true
  end,
  same = function(have, want) return have.password == "set" and want.password == "set" end,
  undo = false,
}

local function set_password(name, password)
  passwords_set[name] = nil
  gate.forget("scm.password", {name = name})
  return change("scm.password", name, {password = "set"}, {password = password})
end

-- ---- Checks of settings ----

local function check_filled(name, value)
  if value ~= nil and check.text(name, value) == "" then check.bad(name, value, "text that is not empty") end
  return value
end

local function opt_word(name, value, words)
  if value ~= nil then check.one_of(name, value, words) end
  return value
end

local function opt_names(name, value)
  if value == nil then return nil end
  check.list_of_text(name, value)
  if #value > MOST_NAMES then check.bad(name, value, "an array of at most 1024 texts") end
  for i, item in ipairs(value) do check_filled(("%s[%d]"):format(name, i), item) end
  return value
end

local function check_display_name(value)
  check_filled("display_name", value)
  if value and utf8.len(value, 1, -1, true) > scm.LONGEST_NAME then
    check.bad("display_name", value, "a display name (1 to 256 characters)")
  end
  return value
end

--- The settings that win.scm.get shows.
function scm.check_config(settings)
  return {
    type = opt_word("type", settings.type, TYPE_WORDS), start = opt_word("start", settings.start, START_WORDS),
    interactive = check.opt_boolean("interactive", settings.interactive),
    error_control = opt_word("error_control", settings.error_control, ERROR_WORDS),
    delayed = check.opt_boolean("delayed", settings.delayed), account = check_filled("account", settings.account),
    path = check_filled("path", settings.path), display_name = check_display_name(settings.display_name),
    group = check.opt_text("group", settings.group), dependencies = opt_names("dependencies", settings.dependencies),
  }
end

local function check_actions(actions)
  if type(actions) ~= "table" or #actions > MOST_NAMES then
    check.bad("actions", actions, "an array of at most 1024 actions")
  end
  local checked = {}
  for i, action in ipairs(actions) do
    local name = ("actions[%d]"):format(i)
    if type(action) ~= "table" then check.bad(name, action, "a table such as {action=\"restart\", delay=60}") end
    check.options(action, {"action", "delay"})
    checked[i] = {
      action = check.one_of(name .. ".action", action.action, ACTION_WORDS),
      delay = math.ceil(check.opt_seconds(name .. ".delay", action.delay, 0) * 1000) / 1000,
    }
  end
  for key in pairs(actions) do
    if not checked[key] then check.bad("actions", actions, "an array of actions") end
  end
  return checked
end

local function check_failure(failure)
  if failure == nil then return nil end
  if type(failure) ~= "table" then check.bad("failure", failure, "a table of failure actions") end
  check.options(failure, {"reset_period", "command", "reboot_message", "actions", "on_non_crash"})
  local period = failure.reset_period
  if period ~= nil and period ~= "never" then
    if type(period) ~= "number" then check.bad("reset_period", period, "seconds or \"never\"") end
    period = check.integer("reset_period", period, 0, 0xFFFFFFFE)
  end
  return {
    reset_period = period, command = check.opt_text("command", failure.command),
    reboot_message = check.opt_text("reboot_message", failure.reboot_message),
    actions = failure.actions and check_actions(failure.actions),
    on_non_crash = check.opt_boolean("on_non_crash", failure.on_non_crash),
  }
end

local function check_privileges(privileges)
  for i, name in ipairs(opt_names("privileges", privileges) or {}) do
    if not name:find "^Se%w+Privilege$" then
      check.bad(("privileges[%d]"):format(i), name, "the name of a privilege such as SeChangeNotifyPrivilege")
    end
  end
  return privileges
end

local function check_node(node)
  if node == nil or node == false then return node end
  return check.integer("preferred_node", node, 0, 65535)
end

-- ---- Triggers ----

local WORDS -- win.scm.trigger_words(), once it is needed

-- The number of a word; a number that has no word stands for itself.
local function number_of(name, value, words)
  local known = {}
  for number, word in pairs(words) do
    if word == value then return number end
    known[#known + 1] = word
  end
  if math.type(value) == "integer" and value > 0 and value < 256 then return value end
  table.sort(known)
  check.bad(name, value, "one of " .. table.concat(known, ", "))
end

local function check_subtype(name, value)
  for guid, word in pairs(WORDS.subtype) do
    if value == word or type(value) == "string" and value:lower() == guid then return word, guid end
  end
  local guid = type(value) == "string" and value:lower()
  local pattern = "^{" .. ("%x"):rep(8) .. ("%-" .. ("%x"):rep(4)):rep(3) .. "%-" .. ("%x"):rep(12) .. "}$"
  if not guid or not guid:find(pattern) then
    check.bad(name, value,
      "a GUID such as {b7569e07-8421-4ee0-ad10-86915afdad09} or its name such as firewall_port_open")
  end
  return guid, guid
end

local function guid_bytes(guid)
  local a, b, c, d, e = guid:match "^{(%x+)-(%x+)-(%x+)-(%x+)-(%x+)}$"
  local rest = (d .. e):gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end)
  return ("<I4I2I2"):pack(tonumber(a, 16), tonumber(b, 16), tonumber(c, 16)) .. rest
end

local function check_hex(name, value)
  if type(value) ~= "string" or #value % 2 ~= 0 or value:find "%X" then
    check.bad(name, value, "bytes in hexadecimal such as 0aff")
  end
  return value:lower()
end

-- By kind of data: checks a value -> in its normal form, and what Windows has for it.
local DATA <const> = {
  text = function(name, value)
    if type(value) == "string" then value = {value} end
    check.list_of_text(name, value)
    return value, table.concat(value, "\0") .. (#value == 1 and "\0" or "\0\0")
  end,
  level = function(name, value) return check.integer(name, value, 0, 255), string.char(value) end,
  keyword_any = function(name, value)
    return check.integer(name, value, math.mininteger, math.maxinteger), ("<i8"):pack(value)
  end,
  binary = function(name, value)
    local text = check_hex(name, value)
    return text, (text:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
  end,
}
DATA.keyword_all = DATA.keyword_any

local function check_item(name, item)
  if type(item) ~= "table" then check.bad(name, item, "a table such as {type=\"text\", value=\"80\"}") end
  check.options(item, {"type", "value"})
  local number = number_of(name .. ".type", item.type, WORDS.data)
  local kind = WORDS.data[number]
  -- what is not of its type's size comes as bytes
  local encode = DATA[kind]
  if not encode or kind ~= "text" and type(item.value) == "string" then encode = DATA.binary end
  local value, bytes = encode(name .. ".value", item.value)
  return {type = kind or number, value = value}, {type = number, value = bytes}
end

local function check_trigger(name, trigger)
  if type(trigger) ~= "table" then check.bad(name, trigger, "a table such as {type=\"ip_address\", ...}") end
  check.options(trigger, {"type", "action", "subtype", "data"})
  local kind = number_of(name .. ".type", trigger.type, WORDS.type)
  local action = number_of(name .. ".action", trigger.action, WORDS.action)
  local subtype, guid = check_subtype(name .. ".subtype", trigger.subtype)
  local plain, encoded = {}, {}
  if type(trigger.data or {}) ~= "table" then check.bad(name .. ".data", trigger.data, "an array") end
  for i, item in ipairs(trigger.data or {}) do
    plain[i], encoded[i] = check_item(("%s.data[%d]"):format(name, i), item)
  end
  return {type = WORDS.type[kind] or kind, action = WORDS.action[action] or action, subtype = subtype, data = plain},
    {type = kind, action = action, subtype = guid_bytes(guid), data = encoded}
end

-- Triggers in their normal form, and as raw.config takes them; nil without any.
local function check_triggers(triggers)
  if triggers == nil then return nil end
  WORDS = WORDS or raw.trigger_words()
  if type(triggers) ~= "table" or #triggers > MOST_TRIGGERS then
    check.bad("triggers", triggers, "an array of at most 64 triggers")
  end
  local plain, encoded = {}, {}
  for i, trigger in ipairs(triggers) do plain[i], encoded[i] = check_trigger(("triggers[%d]"):format(i), trigger) end
  for key in pairs(triggers) do
    if not plain[key] then check.bad("triggers", triggers, "an array of triggers") end
  end
  return plain, encoded
end

-- ---- The details ----

--- The settings that win.scm.details shows.
function scm.check_details(settings)
  return {
    description = check.opt_text("description", settings.description), failure = check_failure(settings.failure),
    sid_type = opt_word("sid_type", settings.sid_type, SID_WORDS), privileges = check_privileges(settings.privileges),
    preshutdown_timeout = settings.preshutdown_timeout
      and math.ceil(check.seconds("preshutdown_timeout", settings.preshutdown_timeout) * 1000) / 1000,
    preferred_node = check_node(settings.preferred_node), triggers = (check_triggers(settings.triggers)),
  }
end

local function planned_details(_, plan) return plan.details or {} end

--- The details of a service that can be set.
function scm.details_of(name)
  local record = scm.read(name, raw.details, planned_details)
  if not record then return nil end
  local details = {}
  for _, key in ipairs(DETAILS) do details[key] = record[key] end
  return details
end

--- Failure actions with what is given laid over the others: Windows takes them as a whole, and keeps a reset period
-- with actions only.
function scm.whole_failure(have, given)
  if not given then return nil end
  local whole = data.overlay(have, given)
  if #whole.actions > 0 then return whole end
  if given.reset_period and given.reset_period ~= 0 then
    check.bad("reset_period", given.reset_period, "0 where there are no actions")
  end
  whole.reset_period = 0
  return whole
end

--- The details that differ, as raw.config takes them.
function scm.different_details(want, have)
  local settings = {}
  for _, key in ipairs(DETAILS) do
    if want[key] ~= nil and not data.equal(want[key], have[key]) then settings[key] = want[key] end
  end
  if settings.triggers then settings.triggers = select(2, check_triggers(settings.triggers)) end
  return settings
end

--- Whether every detail of `want` holds in `have`.
function scm.same_details(have, want)
  if have == nil or want == nil then return have == want end
  for key, value in pairs(want) do
    local same = key == "failure" and data.includes or data.equal
    if not same(have[key], value) then return false end
  end
  return true
end

core.resource {
  kind = "scm.details",
  part_of = "service",
  label = function(id) return id.name end,
  get = function(id) return scm.details_of(id.name) end,
  same = scm.same_details,
  set = function(id, want, have) core.ask(raw.config, id.name, scm.different_details(want, have)) end,
}

local function unknown_here(name, what, since)
  core.fail(name, code.ERROR_CALL_NOT_IMPLEMENTED, nil,
    ("this Windows knows no %s for it; %s brought it"):format(what, since))
end

-- Raises for a detail that this Windows does not know.
local function check_known(name, have, want)
  for _, key in ipairs(DETAILS) do
    if want[key] ~= nil and have[key] == nil then unknown_here(name, key, SINCE[key]) end
  end
  if want.failure and want.failure.on_non_crash ~= nil and have.failure.on_non_crash == nil then
    unknown_here(name, "on_non_crash", SINCE.on_non_crash)
  end
end

local function change_details(name, want)
  if next(want) == nil then return false end
  local have = gate.state("scm.details", {name = name})
  if not gate.planned("scm.service", {name = name}) then check_known(name, have, want) end
  want.failure = scm.whole_failure(have.failure, want.failure)
  return change("scm.details", name, want)
end

-- ---- win.scm.config ----

--- Raises for what Windows would refuse half-way, or not take.
function scm.check_start(kind, have, want)
  local is_driver = kind:find "driver$" or kind == "adapter"
  if (want.start == "boot" or want.start == "system") and not is_driver then
    check.bad("start", want.start, "'auto', 'demand' or 'disabled' for a service that is no driver")
  end
  if want.delayed and (want.start or have.start) ~= "auto" then
    check.bad("delayed", true, 'delayed=true with start="auto" only')
  end
  if want.interactive and folded_account(want.account or have.account) ~= "localsystem" then
    check.bad("interactive", true, "interactive=true for the account LocalSystem only")
  end
end

--- Says when Windows could run another program than the one that is meant.
function scm.warn_unquoted(name)
  local record = raw.get(name)
  if not record or not record.unquoted or not core.host.log then return end
  core.host.log(("warning: the path of '%s' has blanks and no quotes, so Windows tries shorter ones first: %s"):format(
    name, record.path))
end

scm.SETTINGS = {"password"}
table.move(CONFIG, 1, #CONFIG, #scm.SETTINGS + 1, scm.SETTINGS)
table.move(DETAILS, 1, #DETAILS, #scm.SETTINGS + 1, scm.SETTINGS)

function scm.check_settings(settings)
  if type(settings) ~= "table" then check.bad("settings", settings, "a table of settings") end
  check.options(settings, scm.SETTINGS)
  return check.opt_secret("password", settings.password), scm.check_config(settings), scm.check_details(settings)
end

core.write("scm.config", function(...)
  check.arguments(select("#", ...), 2, 2)
  local name, settings = ...
  local password, want, details = scm.check_settings(settings)
  if next(settings) == nil then
    core.fail("settings", code.ERROR_INVALID_PARAMETER, "At least one setting expected.",
      "the settings are " .. table.concat(scm.SETTINGS, ", "))
  end
  local record = existing(name)
  local have = gate.state("scm.config", {name = record.name})
  scm.check_start(want.type or have.type, have, want)
  if want.delayed and have.delayed == nil then unknown_here(record.name, "delayed start", "Windows Vista") end
  if have.delayed == nil then want.delayed = nil end -- false, where there is no such thing
  local changed = next(want) ~= nil and change("scm.config", record.name, want, {password = password})
  if changed and want.path and not core.checking then scm.warn_unquoted(record.name) end
  if not changed and password ~= nil then changed = set_password(record.name, password) end
  return change_details(record.name, details) or changed
end)

-- ---- Security ----

-- The rights of access lists of services that the generic ones stand for.
-- https://learn.microsoft.com/windows/win32/services/service-security-and-access-rights
local GENERIC <const> = {GA = "CCDCLCSWRPWPDTLOCRSDRCWDWO", GR = "CCLCSWLORC", GW = "DCRC", GX = "RPWPDTCRRC"}
local PARTS <const> = {O = "owner", G = "group", D = "access", S = "audit"}

-- Windows keeps no generic rights.
local function without_generic(rights)
  if rights:find "^0[xX]" or #rights % 2 ~= 0 then return rights end
  return (rights:gsub("%u%u", GENERIC))
end

function scm.join_sddl(parts) return core.sddl.join(parts, PARTS) end

core.resource {
  kind = "scm.security",
  part_of = "service",
  label = function(id) return id.name end,
  get = function(id)
    local sddl = core.ask(raw.security, id.name, {audit = id.audit})
    return sddl and core.sddl.split(sddl, PARTS)
  end,
  set = function(id, want, have)
    local parts = {}
    for key, value in pairs(want) do
      if value ~= have[key] then parts[key] = value end
    end
    core.ask(raw.set_security, id.name, scm.join_sddl(parts))
  end,
}

core.write("scm.set_security", function(...)
  check.arguments(select("#", ...), 2, 2)
  local name, sddl = ...
  local record = existing(name)
  check.text("sddl", sddl)
  local canonical = core.ask(core.win.account.canonical, sddl)
  local mapped = canonical:gsub("(%(%u*;[^;]*;)([^;]*)", function(before, rights)
    return before .. without_generic(rights)
  end)
  local want = core.sddl.split(core.ask(core.win.account.canonical, mapped), PARTS)
  if next(want) == nil then
    check.bad("sddl", sddl, "SDDL with an owner (O:), group (G:), access list (D:) or audit list (S:)")
  end
  return core.change("scm.security", {name = record.name, audit = want.audit ~= nil or nil}, want)
end)
