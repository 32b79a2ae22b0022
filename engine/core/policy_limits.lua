-- What the policy of this machine lets be changed. It is opened where there is a policy.
local core, host = ...
local policy, fold = core.policy, core.x.fold
local limits = {}

-- ---- One thing by several names ----

local END <const> = "%f[\\*\0]" -- of a key's name; patterns of grants go through here, too

-- Each adds a name to those that were found before it: {pattern, replacement}, for folded labels.
local function rules_of_registry()
  local sid = fold(core.win.account.current().sid)
  local own = "^hku\\" .. sid:gsub("%-", "%%-") .. END
  local CURRENT <const> = [[hklm\system\currentcontrolset]]
  local profile = CURRENT .. [[\hardware profiles\current]]
  local rules = {{[[^\\[^\]+\(hk.*)]], "%1"}}
  for _, root in ipairs {[[hklm\software]], [[hklm\software\classes]], [[hkcu\software\classes]], "hkcr"} do
    rules[#rules + 1] = {"^(" .. root .. [[)(\.*) %(32%-bit view%)$]], "%1\\wow6432node%2"}
  end
  for _, rule in ipairs {
    {"^(.*) %(32%-bit view%)$", "%1"}, {"\\wow6432node" .. END, ""},
    {"^hkcr" .. END, [[hklm\software\classes]]}, {"^hkcr" .. END, [[hkcu\software\classes]]},
    {[[^(hku\[^\]+)_classes]] .. END, [[%1\software\classes]]}, {[[^hku\%.default]] .. END, [[hku\s-1-5-18]]},
    {[[^hku\s%-1%-5%-18]] .. END, [[hku\.default]]}, {own, "hkcu"}, {"^hkcu" .. END, "hku\\" .. sid},
    {[[^(hku\[^\]+)\software\classes]] .. END, "%1_classes"},
    {"^hkcc" .. END, profile}, {[[^hklm\system\controlset%d%d%d]] .. END, CURRENT}, {"^" .. profile .. END, "hkcc"},
    {"^" .. CURRENT .. END,
      ([[hklm\system\controlset%03d]]):format(core.win.reg.get([[HKLM\SYSTEM\Select]], "Current") or 1)},
    {[[^hklm\software\classes]] .. END, "hkcr"}, {[[^hkcu\software\classes]] .. END, "hkcr"},
    {"^hklm" .. END, "hkey_local_machine"}, {"^hkcu" .. END, "hkey_current_user"},
    {"^hkcr" .. END, "hkey_classes_root"}, {"^hku" .. END, "hkey_users"}, {"^hkcc" .. END, "hkey_current_config"},
  } do rules[#rules + 1] = rule end
  return rules
end

local SHARES <const> = {{[[^\\[^\]+\(%a)%$]] .. END, "%1:"}} -- of the roots of drives

local registry

-- The folded names by which denials know a thing: that of a key or file of another machine without the machine, too.
function limits.names(kind, label)
  local names = {fold(label)}
  if kind:find "^reg%." then registry = registry or rules_of_registry() end
  for _, rule in ipairs(kind:find "^reg%." and registry or SHARES) do
    for i = 1, #names do
      local other, times = names[i]:gsub(rule[1], rule[2])
      if times > 0 then names[#names + 1] = other end
    end
  end
  return names
end

-- ---- What may be granted ----

--- Whether an entry of a list covers a thing by one of its folded names.
function limits.covers(entry, kind, names)
  for _, name in ipairs(kind:find(entry.kind) and names or {}) do
    if name:find(entry.label) then return true end
  end
  return false
end

-- The first entry of a list that allows the thing, or nil.
local function find(list, kind, label)
  for _, entry in ipairs(list) do
    if limits.covers(entry, kind, {fold(label)}) then return entry end
  end
end

-- The first entry of a list that denies the thing, or nil. What is behind a link may be anything.
local function find_denial(list, kind, label)
  local names = list[1] and limits.names(kind, label)
  local is_behind_link = label:find "^%(through a link%) "
  for _, entry in ipairs(list) do
    if is_behind_link and kind:find(entry.kind) or limits.covers(entry, kind, names) then return entry end
  end
end

--- The lists that limit what runs now, each with what it is about. Commands of p80 are limited by denials alone.
function limits.lists(given, runs, signature)
  if runs == "command" then return {} end
  local lists = {{given.grants, "any script"}}
  if runs == "bundled" then return lists end
  if signature then
    lists[2] = signature.key.grants and {signature.key.grants, ("scripts of %s"):format(signature.key.name)}
  elseif given.unsigned then
    lists[2] = {given.unsigned, "unsigned code"}
  end
  return lists
end

-- Why the policy does not let the running script change the thing, or nil.
local function refusal(given, kind, label)
  local denial = find_denial(given.deny, kind, label)
  if denial then return ('%s "%s" denies it'):format(denial.at, denial.text) end
  for _, limit in ipairs(limits.lists(given, core.script.kind, policy.signature)) do
    if not find(limit[1], kind, label) then return ("it is not among what %s may be granted"):format(limit[2]) end
  end
end

-- Whether and why all of a grant is refused.
local function wholly_refused(name, grant)
  local why
  for _, row in ipairs(core.policy_explain(name, grant, core.script.kind, policy.signature)) do
    if row.verdict ~= "refused" then return nil end
    why = row.why
  end
  return why
end

-- The command that shows what the policy lets the running script do.
local function shown_by()
  local is_playbook = core.playbook.manifest() and core.script.kind ~= "code" and core.script.kind ~= "stdin"
  local name = is_playbook and " " .. core.script.name or ""
  return "p80 policy" .. (name:find " .* " and (' "%s"'):format(name:sub(2)) or name)
end

local has_warned = false

-- Says what the policy will refuse of the running playbook, as long as it has changed nothing.
local function warn()
  local manifest = not has_warned and core.playbook.manifest()
  has_warned = true
  for i, grant in ipairs(manifest and not core.options.quiet and manifest.grants or {}) do
    local why = wholly_refused(("grants[%d]"):format(i), grant)
    if why then
      host.log(("warning: the policy of this machine refuses '%s': %s; `%s` shows it"):format(grant, why, shown_by()))
    end
  end
end

--- Raises unless the policy lets the running script change this.
function limits.ask(given, kind, label)
  local why = refusal(given, kind, label)
  if not why then return warn() end
  core.fail(label, core.code.P80_REFUSED,
    ("The policy of this machine does not let '%s' be changed here: %s."):format(kind, why),
    ("`%s` shows what it allows; it wins over manifests and --allow"):format(shown_by()))
end

return limits
