-- What this run may change. A grant is a kind ("scm.state"), or a kind and a pattern of what it may touch
-- ("scm.state:W3SVC", [[reg.value:HKLM\SOFTWARE\Contoso\*]]); "*" stands for any text, letters match in both cases.
local core = ...
local grants = {}
local fold = core.x.fold

local granted = {} -- {kind=, label=}: patterns

local kinds = {} -- every kind that there is
for _, subject in ipairs(core.kinds.subjects) do
  table.move(core.kinds[subject], 1, #core.kinds[subject], #kinds + 1, kinds)
end

-- Devices are named by grants that begin as their paths do: "file.write" is about files.
local function is_device(text) return text:find [[^\\[.?]\]] ~= nil end

local function to_pattern(glob)
  return "^" .. fold(glob):gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*") .. "$"
end

-- The pattern of all kinds that `glob` ("scm.state", "scm.*", "*") means, or nil when it means none.
local function kind_pattern(glob)
  local pattern = to_pattern(glob)
  if glob == "*" then return pattern end
  for _, known in ipairs(kinds) do
    if known:find(pattern) then return pattern end
  end
end

--- Parses a grant; raises when its kind does not exist. `name` says where it stands.
function grants.parse(name, text)
  core.check.text(name, text)
  local kind, glob = text:match("^([^:]+):(.+)$")
  kind = kind or text
  local pattern = kind_pattern(kind)
  if pattern then return {kind = pattern, label = to_pattern(glob or "*"), has_devices = is_device(glob or "")} end
  local meant = core.x.nearest(kind, kinds)
  core.fail(name, core.code.P80_BAD_MANIFEST, ("There is no grant '%s'."):format(text),
    meant and ("did you mean '%s'?"):format(meant) or "the kinds are " .. table.concat(kinds, ", "))
end

--- Every kind that there is.
function grants.kinds() return kinds end

--- Adds a grant.
function grants.add(name, text) granted[#granted + 1] = grants.parse(name, text) end

--- Whether `kind` may be changed for `label`.
function grants.has(kind, label)
  if core.script.kind == "help" then return false end -- a script that runs for its manifest has none
  for _, grant in ipairs(granted) do
    local is_meant = kind:find(grant.kind) and (grant.has_devices or not is_device(label))
    if is_meant and fold(label):find(grant.label) then return true end
  end
  return false
end

--- Raises P80_REFUSED unless `kind` may be changed for `label`.
function grants.ask(kind, label)
  if grants.has(kind, label) then return core.policy.ask(kind, label) end
  core.fail(label, core.code.P80_REFUSED, ("This run has no grant '%s:%s'."):format(kind, label),
    ("name '%s' in the playbook's manifest, or put --allow %s before the script, -e or -i"):format(kind, kind))
end

return grants
