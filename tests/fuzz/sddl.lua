-- Access lists of reservations: each account once, with yes or no for each right.
local http = require "pure".http()

return function(input)
  local ok, users = pcall(http.urlacl.users, input)
  if not ok then return assert(users.op == "http.urlacl.users" and users.code == 87) end
  local seen = {}
  for _, user in ipairs(users) do
    assert(type(user.sid) == "string" and not seen[user.sid] and user.denied == nil)
    assert(type(user.listen) == "boolean" and type(user.delegate) == "boolean")
    seen[user.sid] = true
  end
  local _, entries = input:gsub("%(", "")
  assert(#users <= entries)
end
