-- win.account, the half in Lua: accounts by any of their names, and security descriptors as tables.
local account, _, x = ...

local ERROR_INVALID_PARAMETER <const>, ERROR_NONE_MAPPED <const> = 87, 1332

local canonical = account.canonical

-- ---- Accounts ----

-- What English Windows calls accounts whose names are in the language of Windows elsewhere.
-- https://learn.microsoft.com/windows-server/identity/ad-ds/manage/understand-security-identifiers
local WELL_KNOWN <const> = {
  ["everyone"] = "S-1-1-0", ["creator owner"] = "S-1-3-0", ["network"] = "S-1-5-2", ["interactive"] = "S-1-5-4",
  ["service"] = "S-1-5-6", ["anonymous logon"] = "S-1-5-7", ["authenticated users"] = "S-1-5-11",
  ["system"] = "S-1-5-18", ["localsystem"] = "S-1-5-18", ["local system"] = "S-1-5-18",
  ["localservice"] = "S-1-5-19", ["local service"] = "S-1-5-19",
  ["networkservice"] = "S-1-5-20", ["network service"] = "S-1-5-20",
  ["administrators"] = "S-1-5-32-544", ["users"] = "S-1-5-32-545", ["guests"] = "S-1-5-32-546",
  ["power users"] = "S-1-5-32-547", ["backup operators"] = "S-1-5-32-551", ["remote desktop users"] = "S-1-5-32-555",
  ["network configuration operators"] = "S-1-5-32-556", ["iis_iusrs"] = "S-1-5-32-568",
}
local PREFIXES <const> = {["nt authority"] = true, ["builtin"] = true, ["."] = true}

-- The SID of a well-known account by its English name, with or without "BUILTIN\" and the like.
local function well_known(name)
  local prefix, rest = name:lower():match "^(.-)\\(.*)$"
  if PREFIXES[prefix] then return WELL_KNOWN[rest] end
  return WELL_KNOWN[name:lower()]
end

-- The account called `name`, which the argument or field `field` gave; nil when there is none.
local function find(check, field, name)
  check.text(field, name)
  if name:find "^[sS]%-1%-" then
    local record = account.by_sid(name)
    if not record then check.bad(field, name, "the name or SID of an account") end
    return record
  end
  local record = name ~= "" and account.by_name(name)
  if record then return record end
  local sid = well_known(name)
  return sid and account.by_sid(sid)
end

function account.get(...)
  local check = x.check "account.get"
  check.arguments(select("#", ...), 1, 1)
  return find(check, "account", (...))
end

function account.sid(...)
  local check, name = x.check "account.sid", ...
  check.arguments(select("#", ...), 1, 1)
  local record = find(check, "account", name)
  if record then return record.sid end
  x.fail("account.sid", name, ERROR_NONE_MAPPED, nil,
    "a SID such as S-1-1-0 (Everyone) or S-1-5-20 (Network Service) works in every language of Windows")
end

function account.canonical(...)
  local check, sddl = x.check "account.canonical", ...
  check.arguments(select("#", ...), 1, 1)
  check.text("sddl", sddl)
  local text = canonical(sddl)
  if not text then check.bad("sddl", sddl, "a security descriptor as SDDL such as D:(A;;GA;;;BA)") end
  return text
end

-- ---- Security descriptors ----
-- https://learn.microsoft.com/windows/win32/secauthz/security-descriptor-string-format and .../ace-strings

local TYPES <const> = {
  A = "allow", D = "deny", OA = "object_allow", OD = "object_deny", AU = "audit", AL = "alarm", OU = "object_audit",
  OL = "object_alarm", ML = "mandatory_label", XA = "callback_allow", XD = "callback_deny",
  ZA = "callback_object_allow", XU = "callback_audit", RA = "resource_attribute", SP = "scoped_policy",
  TL = "trust_label", FL = "access_filter",
}
local FLAGS <const> = {
  CI = "container_inherit", OI = "object_inherit", NP = "no_propagate", IO = "inherit_only", ID = "inherited",
  SA = "audit_success", FA = "audit_failure", TP = "trust_protected", CR = "critical",
}
local LIST_FLAGS <const> = {
  P = "protected", AR = "auto_inherit_requested", AI = "auto_inherited", NO_ACCESS_CONTROL = "none",
}
local RIGHTS <const> = {
  GA = "generic_all", GR = "generic_read", GW = "generic_write", GX = "generic_execute", RC = "read_control",
  SD = "delete", WD = "write_dac", WO = "write_owner", CC = "create_child", DC = "delete_child", LC = "list_children",
  SW = "self_write", RP = "read_property", WP = "write_property", DT = "delete_tree", LO = "list_object",
  CR = "control_access", FA = "file_all", FR = "file_read", FW = "file_write", FX = "file_execute", KA = "key_all",
  KR = "key_read", KW = "key_write", KX = "key_execute", NR = "no_read_up", NW = "no_write_up", NX = "no_execute_up",
}

local function inverse(words)
  local letters = {}
  for key, word in pairs(words) do letters[word] = key end
  return letters
end

-- The words of letters that stand two by two ("CIOI"), or nil when one is unknown.
local function words_of(letters, words)
  local list = {}
  for pair in letters:gmatch "..?" do
    if not words[pair] then return nil end
    list[#list + 1] = words[pair]
  end
  return list
end

-- The flags of a list: P, AR, AI in any order, or NO_ACCESS_CONTROL.
local function list_flags(letters)
  local list, at = {}, 1
  while at <= #letters do
    local word
    for _, key in ipairs {"NO_ACCESS_CONTROL", "AR", "AI", "P"} do
      if letters:sub(at, at + #key - 1) == key then
        word, at = LIST_FLAGS[key], at + #key
        break
      end
    end
    if not word then return nil end
    list[#list + 1] = word
  end
  return list
end

local function trustee(text)
  local record = text ~= "" and account.by_sid(text)
  return record or {sid = text}
end

-- One entry: type;flags;rights;object;inherited object;account and perhaps ;(condition).
local function entry_of(text)
  local kind, flags, rights, object, inherited, who, rest =
    text:match "^(%u*);(%u*);([^;()]*);([^;()]*);([^;()]*);([^;()]*)(.*)$"
  if not kind then return nil end
  local record = trustee(who)
  return {
    type = TYPES[kind] or kind, flags = words_of(flags, FLAGS), rights = words_of(rights, RIGHTS) or tonumber(rights),
    object = object ~= "" and object or nil, inherited_object = inherited ~= "" and inherited or nil,
    sid = record.sid, name = record.name, condition = rest:match "^;(.*)$",
  }
end

-- "flags(entry)(entry)" as {flags=, entries...}, or nil. Conditions have parentheses of their own, balanced.
local function list_of(text)
  local letters, at = text:match "^([%u_]*)()"
  local list = {flags = list_flags(letters)}
  if not list.flags then return nil end
  while at <= #text do
    local inner, next_at = text:match("^(%b())()", at)
    local entry = inner and entry_of(inner:sub(2, -2))
    if not entry then return nil end
    list[#list + 1], at = entry, next_at
  end
  return list
end

--- The parts of a security descriptor by their letters: what follows "<letter>:" up to the next one, outside of
-- parentheses (the condition of an entry may have any letter before a colon); nil when it does not begin with one,
-- or has one twice.
function x.sddl_parts(sddl)
  local parts, at = {}, 1
  while at <= #sddl do
    local letter, start = sddl:match("^([OGDS]):()", at)
    if not letter or parts[letter] then return nil end
    at = start
    while at <= #sddl and not sddl:find("^[OGDS]:", at) do
      at = sddl:match("^%b()()", at) or at + 1
    end
    parts[letter] = sddl:sub(start, at - 1)
  end
  return parts
end

function account.describe(...)
  local check, sddl = x.check "account.describe", ...
  check.arguments(select("#", ...), 1, 1)
  check.text("sddl", sddl)
  local parts = canonical(sddl) and x.sddl_parts(canonical(sddl))
  local dacl, sacl = parts and parts.D and list_of(parts.D), parts and parts.S and list_of(parts.S)
  if not parts or parts.D and not dacl or parts.S and not sacl then
    check.bad("sddl", sddl, "a security descriptor as SDDL such as D:(A;;GA;;;BA)")
  end
  return {owner = parts.O and trustee(parts.O), group = parts.G and trustee(parts.G), dacl = dacl, sacl = sacl}
end

-- ---- And back ----

local TYPE_LETTERS <const>, FLAG_LETTERS <const> = inverse(TYPES), inverse(FLAGS)
local RIGHT_LETTERS <const>, LIST_LETTERS <const> = inverse(RIGHTS), inverse(LIST_FLAGS)

local function letters_of(check, name, words, letters)
  local list = {}
  for i, word in ipairs(check.list_of_text(name, words or {})) do
    if not letters[word] then
      local known = {}
      for key in pairs(letters) do known[#known + 1] = key end
      local meant = x.nearest(word, known)
      x.fail("account.sddl", name, ERROR_INVALID_PARAMETER, ("There is no '%s'."):format(word),
        meant and ("did you mean '%s'?"):format(meant))
    end
    list[i] = letters[word]
  end
  return table.concat(list)
end

local function sid_of(check, field, who)
  if type(who) == "table" then who = who.sid or who.name end
  local record = find(check, field, who)
  if not record then x.fail("account.sddl", who, ERROR_NONE_MAPPED) end
  return record.sid
end

local ENTRY_KEYS <const> = {"type", "flags", "rights", "object", "inherited_object", "sid", "name", "condition"}

local function entry_text(check, name, entry)
  if type(entry) ~= "table" then check.bad(name, entry, "a table as account.describe gives") end
  check.options(entry, ENTRY_KEYS)
  local kind = letters_of(check, name .. ".type", {entry.type or "allow"}, TYPE_LETTERS)
  local flags = letters_of(check, name .. ".flags", entry.flags, FLAG_LETTERS)
  local rights = math.type(entry.rights) == "integer" and ("0x%x"):format(entry.rights)
    or letters_of(check, name .. ".rights", entry.rights, RIGHT_LETTERS)
  local condition = check.opt_text(name .. ".condition", entry.condition)
  return ("(%s;%s;%s;%s;%s;%s%s)"):format(kind, flags, rights, check.opt_text(name .. ".object", entry.object) or "",
    check.opt_text(name .. ".inherited_object", entry.inherited_object) or "", sid_of(check, name .. ".sid", entry),
    condition and ";" .. condition or "")
end

local function list_text(check, name, list)
  if type(list) ~= "table" then check.bad(name, list, "an array of entries") end
  local parts = {letters_of(check, name .. ".flags", list.flags, LIST_LETTERS)}
  for i, entry in ipairs(list) do parts[#parts + 1] = entry_text(check, ("%s[%d]"):format(name, i), entry) end
  return table.concat(parts)
end

function account.sddl(...)
  local check, description = x.check "account.sddl", ...
  check.arguments(select("#", ...), 1, 1)
  if type(description) ~= "table" then check.bad("description", description, "a table as account.describe gives") end
  check.options(description, {"owner", "group", "dacl", "sacl"})
  local parts = {}
  for _, part in ipairs {
    {"O", "owner", sid_of}, {"G", "group", sid_of}, {"D", "dacl", list_text}, {"S", "sacl", list_text},
  } do
    local value = description[part[2]]
    if value ~= nil then parts[#parts + 1] = part[1] .. ":" .. part[3](check, part[2], value) end
  end
  local text = canonical(table.concat(parts))
  if not text then check.bad("description", table.concat(parts), "what makes a security descriptor") end
  return text
end
