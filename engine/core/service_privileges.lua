-- The privileges that a service's runs need for what they may change.
local core = ...

-- Each privilege, and the kinds of changes that need it. What a program needs that a playbook runs nobody knows: it
-- gets all but the one that opens every process.
local NEEDED <const> = {
  {"SeDebugPrivilege", "process.state"}, -- to end what belongs to another user
  {"SeImpersonatePrivilege", "process.run"},
  {"SeBackupPrivilege", "reg.save", "reg.hive", "process.run"},
  {"SeRestorePrivilege", "reg.hive", "reg.security", "process.run"},
  {"SeTakeOwnershipPrivilege", "reg.security", "process.run"},
  {"SeSecurityPrivilege", "scm.security", "process.run"}, -- for audit lists
  {"SeShutdownPrivilege", "scm.details", "process.run"}, -- for services that restart the machine when they fail
}

-- Whether one of these grants lets something be changed of one of the kinds in row[2], row[3], ...
local function is_needed(row, patterns)
  for i = 2, #row do
    for _, pattern in ipairs(patterns) do
      if row[i]:find(pattern) then return true end
    end
  end
  return false
end

--- The privileges for these grants ("reg.save", "scm.*:W3SVC").
return function(granted)
  local patterns, privileges = {}, {"SeChangeNotifyPrivilege"} -- without which no path below a closed folder opens
  for i, text in ipairs(granted) do patterns[i] = core.grants.parse("grants", text).kind end
  for _, row in ipairs(NEEDED) do
    if is_needed(row, patterns) then privileges[#privileges + 1] = row[1] end
  end
  return privileges
end
