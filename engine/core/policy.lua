-- The policy of this machine: policy.json in the state folder, which administrators alone may write (engine/store.c).
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
-- Only "policy" must be there. Without the file all is allowed that manifests and --allow ask for. With a wrong one nothing
-- is granted and only bundled playbooks run.
local core, host = ...
local code, check = core.code, core.check
local policy = {}

local FIELDS <const> = {"policy", "signatures", "keys", "unsigned", "grants", "deny", "typed"}
local KEY_FIELDS <const> = {"name", "key", "grants"}
local LEVELS <const> = {"none", "unattended", "elevated", "all"}

-- ---- Reading ----

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

local function read(text)
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
    path = policy.path, signatures = value.signatures or "none", keys = read_keys(value.keys or {}),
    grants = grant_list("grants", value.grants, any), unsigned = grant_list("unsigned", value.unsigned),
    deny = grant_list("deny", value.deny, {}), typed = value.typed == nil or value.typed,
  }
  checked("signatures", check.one_of, "signatures", given.signatures, LEVELS)
  checked("typed", check.boolean, "typed", given.typed)
  return given
end

local STRICTEST <const> = {signatures = "all", keys = {}, grants = {}, deny = {}, typed = false}

local current -- false: there is none

local function load()
  local ok, text, path = pcall(host.store.policy)
  policy.path = ok and path or nil
  if ok and not text then return false end
  local read_ok, given = ok, text
  if ok then read_ok, given = pcall(read, text) end
  if read_ok then return given end
  local strictest = core.data.overlay({}, STRICTEST)
  strictest.problem = given
  return strictest
end

--- The policy of this machine, or nil when there is none: {signatures=, keys={{name=, id=, key=, text=, grants=, at=}},
-- grants=, unsigned=, deny=, typed=, problem=}. `problem` says what is wrong with the file: then it is the strictest one.
function policy.get()
  if current == nil then current = not host.model and load() end
  return current or nil
end

--- The file as JSON has it, to be written again.
function policy.content() return (host.lib "dkjson".decode((host.store.policy():gsub("^\xEF\xBB\xBF", "")))) end

core.resource {
  kind = "policy.file",
  label = function() return "policy.json" end,
  get = function()
    local text = host.store.policy()
    return text and {text = text}
  end,
  set = function(_, want)
    local _, path = host.store.policy()
    if want then core.win.file.write(host.store.make_policy(), want.text) else core.win.file.delete(path) end
    current = nil
  end,
}

--- The keys whose signatures are trusted here.
function policy.keys()
  local given = policy.get()
  return given and given.keys or {}
end

-- Raises what is wrong with the policy file itself, if something is.
local function raise_problem(given)
  if not given.problem then return end
  local problem = given.problem
  if type(problem) ~= "table" then error(problem, 0) end
  core.fail(problem.target, code.P80_BAD_POLICY, problem.message,
    (problem.hint and problem.hint .. "; " or "") .. "until it is mended nothing may be changed, and only bundled playbooks run")
end

--- The policy, or nil when there is none. Raises when the file is wrong.
function policy.checked()
  local given = policy.get()
  if given then raise_problem(given) end
  return given
end

--- The keys whose signatures are trusted here. Raises when the policy is wrong.
function policy.trusted()
  policy.checked()
  return policy.keys()
end

-- ---- What may run ----

local signer -- the signature of the script that runs

--- The signature of the running script, with the trusted key that made it, or nil.
function policy.signer() return signer end

-- Whether signatures are asked of a file here, and why: in words.
local function needs_signature(given, place)
  if place ~= "" then return true, place == "network" and "it lies on another machine" or "it lies on a removable drive" end
  if not given or given.signatures == "none" then return false end
  local level = given.signatures
  local needed = level == "all" or level == "elevated" and core.win.host.elevated() or level == "unattended" and not host.attended()
  return needed, ("the policy asks it of %s"):format(level == "all" and "all scripts" or level .. " runs")
end

--- Judges a file that is about to be run (engine/admit.c): `role` "script" or "module", `place` "network" or "removable"
-- when no access list protects it, else "". `path` is nil for what is typed. Raises when it may not run.
function policy.admit(path, bytes, role, place)
  core.about(nil)
  local given = policy.checked()
  if not path then
    if not given or given.typed then return end
    core.fail(core.script.name, code.P80_REFUSED, "The policy of this machine lets nothing run that is typed.",
      ("policy.json: typed; write it to a file%s"):format(given.signatures ~= "none" and " and have that signed" or ""))
  end
  if policy.lenient and core.script.kind == "help" then return end -- `p80 sign` asks what it is to sign
  local needed, why = needs_signature(given, place)
  if role == "module" and signer then -- it runs with what the key's scripts may be granted
    needed, why = true, "the script that requires it is signed"
  end
  local ok, signature = pcall(core.sign.verify_beside, path, bytes, policy.keys())
  if not ok and needed then
    if type(signature) ~= "table" then error(signature, 0) end
    core.fail(signature.target, signature.code, ("%s It must be signed: %s."):format(signature.message, why), signature.hint)
  end
  if core.script.kind == "help" then return end -- only its manifest is asked for
  if role == "script" then
    signer = ok and signature or nil
  elseif signer then
    core.sign.check_belongs(path, signature, signer)
  end
end

-- Whether a signature says to be by a trusted key.
local function claims_trust(name, text)
  local id = core.sign.parse(name .. ".minisig", text).id
  for _, key in ipairs(policy.keys()) do
    if key.id == id then return true end
  end
  return false
end

-- The signature of one file of a package, or nil and why there is none.
local function verify_in(given, path)
  local text = given.files[path .. ".minisig"]
  if not text then return nil, {target = path, code = code.P80_BAD_SIGNATURE, message = "There is no signature beside it."} end
  local ok, found = pcall(core.sign.verify, path, given.files[path], text, policy.keys())
  if ok then return found end
  if type(found) ~= "table" or claims_trust(path, text) then error(found, 0) end
  return nil, found
end

-- Whether every file of a package is signed as its script is.
local function is_all_signed(given, signature)
  for path in pairs(given.files) do
    if not path:find "%.minisig$" then
      local found = verify_in(given, path)
      if not found then return false end
      core.sign.check_belongs(path, found, signature)
    end
  end
  return true
end

--- Judges a package (core.package.read) that is to be installed as its files will be when they run. Returns the signature of
-- all of it, or nil. Raises when it may not run here, or is not what a trusted key signed.
function policy.admit_package(given)
  local needed, why = needs_signature(policy.checked(), given.place)
  local signature, is_whole
  for i, path in ipairs(core.package.required(given)) do
    local found, problem = verify_in(given, path)
    if not found and needed then
      core.fail(problem.target, problem.code, ("%s It must be signed: %s."):format(problem.message, why), problem.hint)
    end
    if i == 1 then signature, is_whole = found, found ~= nil end
    if found and signature then core.sign.check_belongs(path, found, signature) end
    is_whole = is_whole and found ~= nil
  end
  if given.problem and not (is_whole and is_all_signed(given, signature)) then error(given.problem, 0) end
  return is_whole and signature or nil
end

-- ---- What may be granted ----

local function matches(entry, kind, label) return kind:find(entry.kind) and label:find(entry.label) end

-- The first entry of a list that covers the thing, or nil.
local function find(list, kind, label)
  for _, entry in ipairs(list) do
    if matches(entry, kind, label:lower()) then return entry end
  end
end

-- The lists that limit what runs now, each with what it is about. Commands of p80 are limited by denials alone.
local function limits(given, runs, signature)
  if runs == "command" then return {} end
  local lists = {{given.grants, "any script"}}
  if runs == "bundled" then return lists end
  if signature then lists[2] = signature.key.grants and {signature.key.grants, ("scripts of %s"):format(signature.key.name)}
  elseif given.unsigned then lists[2] = {given.unsigned, "unsigned code"}
  end
  return lists
end

--- Whether the policy lets `kind` be granted for `label` to what runs ("file", "bundled", "command", ...) with this
-- signature; and by which entry, or why not in words.
function policy.allows(kind, label, runs, signature)
  local given = policy.get()
  if not given then return true, "there is no policy" end
  local denial = find(given.deny, kind, label)
  if denial then return false, ('%s "%s" denies it'):format(denial.at, denial.text) end
  local by = "it denies nothing of this"
  for _, limit in ipairs(limits(given, runs, signature)) do
    local entry = find(limit[1], kind, label)
    if not entry then return false, ("it is not among what %s may be granted"):format(limit[2]) end
    by = ('%s "%s"'):format(entry.at, entry.text)
  end
  return true, by
end

-- Whether everything that the glob means is among what an entry means; or something of it.
local covers = matches
local function touches(entry, kind, grant, glob)
  local theirs = (entry.text:match ":(.+)$" or "*"):lower()
  return kind:find(entry.kind) and (theirs:find(grant.label) or glob:find(entry.label))
end

local function entry_text(entry) return ('%s "%s"'):format(entry.at, entry.text) end

-- What a policy makes of one kind of a grant: "allowed", "in part" or "refused", and why.
local function verdict(given, kind, grant, glob, runs, signature)
  local partly, by
  for _, denial in ipairs(given.deny) do
    if covers(denial, kind, glob) then return "refused", entry_text(denial) .. " denies it" end
    if touches(denial, kind, grant, glob) then partly = entry_text(denial) .. " denies some of it" end
  end
  for _, limit in ipairs(limits(given, runs, signature)) do
    local whole, some
    for _, entry in ipairs(limit[1]) do
      whole = whole or covers(entry, kind, glob) and entry
      some = some or touches(entry, kind, grant, glob) and entry
    end
    if not some then return "refused", ("it is not among what %s may be granted"):format(limit[2]) end
    if whole then by = entry_text(whole) else partly = entry_text(some) .. " allows no more of it" end
  end
  return partly and "in part" or "allowed", partly or by and by .. " allows it" or "nothing limits it"
end

--- What the policy makes of a grant of a manifest: rows {grant=, verdict=, why=}, one for each kind that it means.
function policy.explain(name, text, runs, signature)
  local given, grant = policy.get(), core.grants.parse(name, text)
  local glob = (text:match ":(.+)$" or "*"):lower()
  if not given then return {{grant = text, verdict = "allowed", why = "there is no policy"}} end
  local rows = {}
  for _, kind in ipairs(core.grants.kinds()) do
    if kind:find(grant.kind) then
      local what, why = verdict(given, kind, grant, glob, runs, signature)
      rows[#rows + 1] = {grant = glob == "*" and kind or kind .. ":" .. text:match ":(.+)$", verdict = what, why = why}
    end
  end
  return rows
end

--- Raises unless the policy lets the running script change this.
function policy.ask(kind, label)
  if kind == "policy.file" then return end -- its command alone reaches it; nobody locks himself out
  local given = policy.checked()
  if not given then return end
  local allowed, why = policy.allows(kind, label, core.script.kind, signer)
  if allowed then return end
  core.fail(label, code.P80_REFUSED, ("The policy of this machine does not let '%s' be changed here: %s."):format(kind, why),
    "`p80 policy` shows it; it wins over manifests and --allow")
end

return policy
