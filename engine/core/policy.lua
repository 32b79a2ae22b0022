-- The policy of this machine: policy.json in the state folder, which administrators alone may write (engine/store.c).
-- What stands in it is in policy_file.lua, what it lets run in admission.lua, what it lets be changed in
-- policy_limits.lua.
--
-- Without the file all is allowed that manifests and --allow ask for. With a wrong one nothing is granted and only
-- bundled playbooks run.
local core, host = ...
local code = core.code
local policy = {} -- with `signature`: that of the running script, with the trusted key that made it (admission.lua)

local STRICTEST <const> = {signatures = "all", keys = {}, grants = {}, deny = {}, typed = false}

local current -- false: there is none

local function load()
  local ok, text, path = pcall(host.store.policy)
  policy.path = ok and path or nil
  if ok and not text then return false end
  local read_ok, given = ok, text
  if ok then read_ok, given = pcall(core.policy_file, text) end
  if read_ok then
    given.path = path
    return given
  end
  local strictest = core.data.overlay({}, STRICTEST)
  strictest.problem = given
  return strictest
end

--- The policy of this machine, or nil when there is none: {signatures=, keys={{name=, id=, key=, text=, grants=, at=}},
-- grants=, unsigned=, deny=, typed=, problem=}. `problem` says what is wrong with the file:
-- then it is the strictest one.
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

--- Whether a name is the one that the lists give p80 itself as signer.
function policy.is_own_name(name) return core.x.fold(name):find "^%s*p80%s*$" ~= nil end

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
    (problem.hint and problem.hint .. "; " or "")
      .. "until it is mended nothing may be changed, and only bundled playbooks run")
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

--- Raises unless the policy lets the running script change this.
function policy.ask(kind, label)
  if kind == "policy.file" then return end -- its command alone reaches it; nobody locks himself out
  local given = policy.checked()
  if given then core.policy_limits.ask(given, kind, label) end
end

return policy
