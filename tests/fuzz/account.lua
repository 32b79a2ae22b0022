-- Security descriptors as text: what win.account.describe makes of one gives the same text again.
local account = {by_sid = function(sid) return {sid = sid} end, by_name = function() end, canonical = function(sddl) return sddl end}
local x = {fail = function(op, target, code, message) error({op = op, target = target, code = code, message = message}, 0) end,
  nearest = function() end}
loadfile(package.searchpath("check", package.path))(x)
loadfile(package.searchpath("account", package.path))(account, nil, x)

return function(input)
  local ok, found = pcall(account.describe, input)
  if not ok then return assert(type(found) == "table" and found.code == 87, found) end
  local back, text = pcall(account.sddl, found)
  if not back then return assert(type(text) == "table" and text.code, text) end
  assert(#text <= #input + 64, "grows")
  local again = account.describe(text)
  assert(#(again.dacl or {}) == #(found.dacl or {}) and #(again.sacl or {}) == #(found.sacl or {}))
  assert(text == account.sddl(again), text)
end
