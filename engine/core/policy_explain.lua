-- What the policy of this machine makes of a grant that is asked for, in words.
local core = ...
local policy, fold = core.policy, core.x.fold

-- Whether everything that the glob means is among what an entry means; or something of it.
local covers = policy.matches
local function touches(entry, kind, grant, glob)
  local theirs = fold(entry.text:match ":(.+)$" or "*")
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
  for _, limit in ipairs(policy.limits(given, runs, signature)) do
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
return function(name, text, runs, signature)
  local given, grant = policy.get(), core.grants.parse(name, text)
  local glob = fold(text:match ":(.+)$" or "*")
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
