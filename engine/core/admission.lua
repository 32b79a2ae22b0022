-- What may run on this machine: whose signatures are asked for, and whether a script,
-- its modules or a package have them.
local core, host = ...
local code, policy = core.code, core.policy
local admission = {}

-- Whether signatures are asked of a file here, and why: in words.
local function needs_signature(given, place)
  if place ~= "" then
    return true, place == "network" and "it lies on another machine" or "it lies on a removable drive"
  end
  if not given or given.signatures == "none" then return false end
  local level = given.signatures
  local needed = level == "all" or level == "elevated" and core.win.host.elevated()
    or level == "unattended" and not host.attended()
  return needed, ("the policy asks it of %s"):format(level == "all" and "all scripts" or level .. " runs")
end

local folder -- of the script

-- Where a module lies: "parts/helper.lua" beside the script, else its path.
local function place_beside(path)
  local is_beside = core.x.fold(path:sub(1, #folder)) == core.x.fold(folder)
  return ((is_beside and path:sub(#folder + 1) or path):gsub("\\", "/"))
end

--- Judges a file that is about to be run (engine/admit.c): `role` "script" or "module", `place` "network" or
-- "removable" when no access list protects it, else "". `path` is nil for what is typed. Raises when it may not run.
function admission.file(path, bytes, role, place)
  core.about(nil)
  local given = policy.checked()
  if not path then
    if not given or given.typed then return end
    core.fail(core.script.name, code.P80_REFUSED, "The policy of this machine lets nothing run that is typed.",
      ("policy.json: typed; write it to a file%s"):format(given.signatures ~= "none" and " and have that signed" or ""))
  end
  if admission.lenient and core.script.kind == "help" then return end -- `p80 sign` asks what it is to sign
  local needed, why = needs_signature(given, place)
  if role == "module" and policy.signature then -- it runs with what the key's scripts may be granted
    needed, why = true, "the script that requires it is signed"
  end
  local ok, signature = pcall(core.sign.verify_beside, path, bytes, policy.keys())
  if not ok and needed then
    if type(signature) ~= "table" then error(signature, 0) end
    core.fail(signature.target, signature.code,
      ("%s It must be signed: %s."):format(signature.message, why), signature.hint)
  end
  if core.script.kind == "help" then return end -- only its manifest is asked for
  if role == "script" then
    policy.signature, folder = ok and signature or nil, path:match "^.*[\\/]"
  elseif policy.signature then
    core.sign.check_belongs(path, signature, policy.signature, place_beside(path))
  end
end

-- Raises for the first of the grants that `is_told` does not know.
local function check_told(grants, is_told, message, hint)
  for _, grant in ipairs(grants) do
    if not is_told(grant) then core.fail(grant, code.P80_REFUSED, message, hint) end
  end
end

--- Judges the grants of the running script, whose manifest may differ from the one that was shown to who
-- signed or installed it.
function admission.grants(list)
  local signed = policy.signature and policy.signature.fields
  if signed and (signed.playbook or signed.grants) then
    local told = (",%s,"):format(signed.grants or "")
    check_told(list, function(grant) return told:find("," .. core.sign.in_list(grant) .. ",", 1, true) end,
      "This grant is not among those that its signature names.", "grants are constants; sign it again")
  end
  if core.script.kind ~= "installed" then return end
  local record = core.installed.find((core.script.name:gsub("%.[lL][uU][aA]$", "")))
  check_told(list, function(grant) return record and core.data.contains(record.grants, grant) end,
    "This grant is not among those that were shown when the playbook was installed.",
    "grants are constants; install it again")
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
  if not text then
    return nil, {target = path, code = code.P80_BAD_SIGNATURE, message = "There is no signature beside it."}
  end
  local ok, found = pcall(core.sign.verify, path, given.files[path], text, policy.keys())
  if ok then return found end
  if type(found) ~= "table" or claims_trust(path, text) then error(found, 0) end
  return nil, found
end

-- The files of a package that are not signed as its script is.
local function unsigned_in(given, signature)
  local list = core.data.array {}
  for path in pairs(given.files) do
    local found = not path:find "%.minisig$" and verify_in(given, path)
    if found == nil or found and not pcall(core.sign.check_belongs, path, found, signature, path) then
      list[#list + 1] = path
    end
  end
  table.sort(list)
  return list
end

--- Judges a package (core.package.read) that is to be installed as its files will be when they run. Returns the
-- signature of its script and modules, or nil, and the other files, which that does not cover. Raises when it may not
-- run here, or is not what a trusted key signed.
function admission.package(given)
  local needed, why = needs_signature(policy.checked(), given.place)
  local signature, is_whole
  for i, path in ipairs(core.package.required(given)) do
    local found, problem = verify_in(given, path)
    if not found and needed then
      core.fail(problem.target, problem.code, ("%s It must be signed: %s."):format(problem.message, why), problem.hint)
    end
    if i == 1 then signature, is_whole = found, found ~= nil end
    if found and signature then core.sign.check_belongs(path, found, signature, path) end
    is_whole = is_whole and found ~= nil
  end
  local unsigned = is_whole and unsigned_in(given, signature)
  if given.problem and (not unsigned or unsigned[1]) then error(given.problem, 0) end
  if is_whole then return signature, unsigned end
end

return admission
