-- What is kept of the services of a modelled machine: details, security, settings; making and deleting them.
local model, host = ...
local machine, copy = model.machine, model.copy
local scm = model.part "scm"
local open, existing, check_name, hint_for = scm.open, scm.existing, scm.check_name, scm.hint_for
local config = {}

local ACCESS_DENIED <const>, INVALID_PARAMETER <const> = 5, 87
local MARKED_FOR_DELETE <const>, EXISTS <const> = 1072, 1073

-- ---- Details ----

local TRIGGER_WORDS

-- The number of a word of triggers, or the number itself.
local function number_of(kind, word)
  TRIGGER_WORDS = TRIGGER_WORDS or host.win.scm.trigger_words()
  for number, known in pairs(TRIGGER_WORDS[kind]) do
    if known == word then return number end
  end
  return word
end

local function from_hex(hex) return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)) end

local function guid_bytes(text)
  local a, b, c, d, e = text:match "^{(%x+)%-(%x+)%-(%x+)%-(%x+)%-(%x+)}$"
  return ("<I4I2I2"):pack(tonumber(a, 16), tonumber(b, 16), tonumber(c, 16)) .. from_hex(d .. e)
end

local function item_bytes(item)
  if item.type == "text" then return table.concat(item.value, "\0") .. "\0\0" end
  if item.type == "level" then return string.char(item.value) end
  if type(item.value) == "number" then return ("<i8"):pack(item.value) end
  return from_hex(item.value)
end

-- A trigger in words as C gives it, for the Lua half to put into words.
local function raw_trigger(trigger)
  local items = {}
  for i, item in ipairs(trigger.data or {}) do
    items[i] = {type = number_of("data", item.type), value = item_bytes(item)}
  end
  return {
    type = number_of("type", trigger.type), action = number_of("action", trigger.action), data = items,
    subtype = guid_bytes(number_of("subtype", trigger.subtype)),
  }
end

config["scm.details"] = function(name)
  local service = open(check_name(name))
  if not service then return nil, hint_for(name) end
  local failure, is_new = copy(service.failure or {}), not model.is_old()
  local details = {
    description = service.description or "", failure = failure,
    protection = model.is_at_least(6, 3) and (service.protection or "none") or nil,
    sid_type = is_new and (service.sid_type or "none") or nil,
    privileges = is_new and copy(service.privileges or {}) or nil,
    preshutdown_timeout = is_new and (service.preshutdown_timeout or 180.0) or nil,
    triggers = model.is_at_least(6, 1) and {} or nil,
  }
  failure.reset_period, failure.reboot_message = failure.reset_period or 0, failure.reboot_message or ""
  failure.command, failure.actions = failure.command or "", failure.actions or {}
  for _, action in ipairs(failure.actions) do action.delay = (action.delay or 0) + 0.0 end
  if is_new and failure.on_non_crash == nil then failure.on_non_crash = false end
  if model.is_at_least(6, 1) then details.preferred_node = service.preferred_node or false end
  for i, trigger in ipairs(details.triggers and service.triggers or {}) do
    details.triggers[i] = type(trigger.type) == "number" and copy(trigger) or raw_trigger(trigger)
  end
  return details
end

local SECURITY <const> = "O:SYG:SYD:(A;;CCLCSWRPWPDTLOCRRC;;;SY)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;BA)"
  .. "(A;;CCLCSWLOCRRC;;;IU)(A;;CCLCSWLOCRRC;;;SU)"

config["scm.security"] = function(name, options)
  check_name(name)
  options = model.check().options(options, {"audit"})
  model.check().opt_boolean("audit", options.audit)
  local service = open(name)
  if not service then return nil, hint_for(name) end
  return service.security or SECURITY
end

config["scm.set_security"] = function(name, text)
  local service = existing(name)
  service.security = model.merged_security(service.security or SECURITY, text)
end

-- ---- Settings ----

local CONFIG <const> = {"type", "start", "error_control", "path", "group", "dependencies", "account", "display_name"}
local DETAILS <const> = {
  "delayed", "description", "failure", "sid_type", "privileges", "preshutdown_timeout", "preferred_node", "triggers",
}

local function apply(service, settings)
  for _, key in ipairs(CONFIG) do
    if settings[key] ~= nil then service[key] = copy(settings[key]) end
  end
  if settings.type ~= nil then service.interactive = settings.interactive or nil end
  if service.group == "" then service.group = nil end
  for _, key in ipairs(DETAILS) do
    if settings[key] ~= nil then service[key] = copy(settings[key]) end
  end
  if settings.preferred_node == false then service.preferred_node = nil end
  for _, action in ipairs(settings.failure and service.failure.actions or {}) do
    action.delay = (action.delay or 0) + 0.0
  end
end

config["scm.config"] = function(name, settings)
  local service = existing(name)
  if service.deleting then model.fail(name, MARKED_FOR_DELETE) end
  if service.protection and service.protection ~= "none" then model.fail(name, ACCESS_DENIED) end
  apply(service, settings)
end

config["scm.create"] = function(name, settings)
  local taken = open(check_name(name))
  if taken then model.fail(name, taken.deleting and MARKED_FOR_DELETE or EXISTS) end
  if not settings.path then model.fail(name, INVALID_PARAMETER) end
  local service = {
    state = "stopped", type = "own_process", start = "demand", error_control = "normal", display_name = name,
    account = "LocalSystem", dependencies = {}, accepts = {"stop", "shutdown"}, exit_code = 1077,
    service_exit_code = 0,
    checkpoint = 0, wait_hint = 0.0, listens = {}, urls = {}, children = {},
  }
  apply(service, settings)
  machine.services[name] = service
end

config["scm.delete"] = function(name)
  local service, known = existing(name)
  if service.deleting then model.fail(name, MARKED_FOR_DELETE) end
  service.deleting = true
  scm.settle_deleted(known)
end

return config
