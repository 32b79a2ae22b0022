-- The format of policy.json, read into what engine/core/policy.lua gives:
--
--   {
--     "policy": 1,
--     "signatures": "elevated",             which scripts need a trusted signature: none, unattended, elevated, all
--     "keys": [                             whose signatures are trusted, and the most that their scripts are granted
--       {"name": "Web team", "key": "RW...", "grants": ["scm.*", "http.*"]}
--     ],
--     "unsigned": ["tcp.connection"],       the most that scripts without such a signature, -e, -i and - are granted
--     "grants": ["*"],                      the most that any script is granted
--     "deny": ["process.run"],              what nothing is granted, whatever else says so
--     "typed": true                         whether -e, -i and - may run
--   }
--
-- Only "policy" must be there.
local core, host = ...
local code, check = core.code, core.check

local FIELDS <const> = {"policy", "signatures", "keys", "unsigned", "grants", "deny", "typed"}
local KEY_FIELDS <const> = {"name", "key", "grants"}
local LEVELS <const> = {"none", "unattended", "elevated", "all"}

local function bad(field, message, hint) core.fail("policy.json: " .. field, code.P80_BAD_POLICY, message, hint) end

-- Runs a check and turns its complaint into one about a field.
local function checked(field, checker, ...)
  local ok, result = pcall(checker, ...)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  bad(field, result.message, result.hint)
end

local function check_fields(field, value, known)
  if type(value) ~= "table" then bad(field, "This must be an object.") end
  for key in pairs(value) do
    if not core.data.contains(known, key) then
      local meant = type(key) == "string" and core.x.nearest(key, known)
      bad(field, ("There is no field '%s'."):format(key), meant and ("did you mean '%s'?"):format(meant))
    end
  end
end

-- A list of grants as grants.parse gives them, each with its text and where it stands; `missing` when there is none.
local function grant_list(field, list, missing)
  if list == nil then return missing end
  checked(field, check.list_of_text, field, list)
  local parsed = {}
  for i, text in ipairs(list) do
    local at = ("%s[%d]"):format(field, i)
    parsed[i] = checked(at, core.grants.parse, at, text)
    parsed[i].at, parsed[i].text = at, text
  end
  return parsed
end

local function read_keys(list)
  if type(list) ~= "table" or #list == 0 and next(list) then bad("keys", "This must be a list.") end
  local keys = {}
  for i, entry in ipairs(list) do
    local at = ("keys[%d]"):format(i)
    check_fields(at, entry, KEY_FIELDS)
    checked(at .. ".name", check.text, "name", entry.name)
    if core.policy.is_own_name(entry.name) then
      bad(at .. ".name", "What p80 brings along is listed as signed by p80.")
    end
    local key = checked(at .. ".key", core.sign.public_key, "key", entry.key)
    for j, other in ipairs(keys) do
      if other.key == key.key then bad(at .. ".key", ("keys[%d] is the same key."):format(j)) end
    end
    key.name, key.at, key.grants = entry.name, at, grant_list(at .. ".grants", entry.grants)
    keys[i] = key
  end
  return keys
end

-- JSON takes the last one of two fields with one name; a policy must not.
local function check_once(text)
  for _, field in ipairs(FIELDS) do
    local _, times = text:gsub(('"%s"%%s*:'):format(field), "")
    if field ~= "grants" and times > 1 then bad(field, "This field is there twice.") end
  end
end

--- Reads it. Raises what is wrong with it, with the field.
return function(text)
  text = text:gsub("^\xEF\xBB\xBF", "")
  local value, at, reason = host.lib "dkjson".decode(text, 1, nil, nil, nil)
  if reason then bad("the file", ("This is no JSON: %s."):format(reason)) end
  if text:find("%S", at) then bad("the file", "Something follows the object.") end
  check_fields("the file", value, FIELDS)
  check_once(text)
  if value.policy ~= 1 then bad("policy", "This must be 1: the format of the file.") end
  local any = {core.grants.parse("*", "*")}
  any[1].at, any[1].text = "grants", "*"
  local given = {
    signatures = value.signatures or "none", keys = read_keys(value.keys or {}),
    grants = grant_list("grants", value.grants, any), unsigned = grant_list("unsigned", value.unsigned),
    deny = grant_list("deny", value.deny, {}), typed = value.typed == nil or value.typed,
  }
  checked("signatures", check.one_of, "signatures", given.signatures, LEVELS)
  checked("typed", check.boolean, "typed", given.typed)
  return given
end
