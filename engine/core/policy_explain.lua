-- What the policy of this machine makes of a grant that is asked for, in words.
local core = ...
local policy, limits = core.policy, core.policy_limits

local function glob_of(text) return text:match ":(.+)$" or "*" end

local function matches_any(names, pattern)
  for _, name in ipairs(names) do
    if name:find(pattern) then return true end
  end
  return false
end

-- Whether an entry covers something of what a grant means, whose pattern has these names.
local function touches(entry, kind, names, grant, of_entry)
  return kind:find(entry.kind) and (matches_any(of_entry, grant.label) or matches_any(names, entry.label))
end

local function folded(text) return {core.x.fold(glob_of(text))} end
local function entry_text(entry) return ('%s "%s"'):format(entry.at, entry.text) end

-- Whether a list of denials refuses one kind of a grant: "refused", "in part" or nil, and why.
local function denied(list, kind, text, grant)
  local names, partly = limits.names(kind, glob_of(text)), nil
  for _, denial in ipairs(list) do
    if limits.covers(denial, kind, names) then return "refused", entry_text(denial) .. " denies it" end
    if touches(denial, kind, names, grant, limits.names(kind, glob_of(denial.text))) then
      partly = entry_text(denial) .. " denies some of it"
    end
  end
  return partly and "in part", partly
end

-- What a policy makes of one kind of a grant: "allowed", "in part" or "refused", and why.
local function verdict(given, kind, text, grant, runs, signature)
  local what, partly = denied(given.deny, kind, text, grant)
  if what == "refused" then return what, partly end
  local names, by = folded(text), nil
  for _, limit in ipairs(limits.lists(given, runs, signature)) do
    local whole, some
    for _, entry in ipairs(limit[1]) do
      whole = whole or limits.covers(entry, kind, names) and entry
      some = some or touches(entry, kind, names, grant, folded(entry.text)) and entry
    end
    if not some then return "refused", ("it is not among what %s may be granted"):format(limit[2]) end
    if whole then by = entry_text(whole) else partly = entry_text(some) .. " allows no more of it" end
  end
  return partly and "in part" or "allowed", partly or by and by .. " allows it" or "nothing limits it"
end

--- What the policy makes of a grant of a manifest: rows {grant=, verdict=, why=}, one for each kind that it means.
return function(name, text, runs, signature)
  local given, grant = policy.get(), core.grants.parse(name, text)
  local glob = glob_of(text)
  if not given then return {{grant = text, verdict = "allowed", why = "there is no policy"}} end
  local rows = {}
  for _, kind in ipairs(core.grants.kinds()) do
    if kind:find(grant.kind) then
      local what, why = verdict(given, kind, text, grant, runs, signature)
      rows[#rows + 1] = {grant = glob == "*" and kind or kind .. ":" .. glob, verdict = what, why = why}
    end
  end
  return rows
end
