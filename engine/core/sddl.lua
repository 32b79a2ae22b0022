-- Security descriptors as tables of their parts; `names` tells what {O=, G=, D=, S=} are called there.
local core = ...
local sddl = {}

assert(core.win.account) -- brings x.sddl_parts

--- The parts of a security descriptor's text as Windows writes it.
function sddl.split(text, names)
  local parts = {}
  for mark, part in pairs(core.x.sddl_parts(text)) do parts[names[mark]] = part end
  return parts
end

--- The text of those parts that are there.
function sddl.join(parts, names)
  local text = ""
  for _, mark in ipairs {"O", "G", "D", "S"} do
    local part = parts[names[mark]]
    if part then text = text .. mark .. ":" .. part end
  end
  return text
end

return sddl
