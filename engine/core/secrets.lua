-- The secrets of a run: asked for without an echo, and masked in whatever p80 itself writes.
local core, host = ...
local secrets = {}

local MASK <const> = "***"
local LONGEST <const> = 80 -- bytes of the help that a prompt shows
local known = {}

--- Remembers a secret.
function secrets.keep(text)
  if not text then return end
  known[#known + 1] = text
  table.sort(known, function(a, b) return #a > #b end) -- one may be a part of another
end

local function mask_text(text)
  for _, secret in ipairs(known) do
    local at = 1
    while true do
      local first, last = text:find(secret, at, true)
      if not first then break end
      text, at = text:sub(1, first - 1) .. MASK .. text:sub(last + 1), first + #MASK
    end
  end
  return text
end

local function mask(value)
  if type(value) == "string" then return mask_text(value) end
  if type(value) ~= "table" then return value end
  local copy = setmetatable({}, getmetatable(value))
  for key, item in pairs(value) do copy[mask(key)] = mask(item) end
  return copy
end

--- Plain data with the secrets in its text masked; the data itself when there are none.
function secrets.masked(value) return known[1] and mask(value) or value end

--- Asks for the secret argument `name`; nil when there is nobody to ask, or nothing is typed.
function secrets.ask(m, name)
  if host.model then return nil end
  local help = m.args[name].help
  local about = help and #help <= LONGEST and " (" .. help .. ")" or ""
  while true do
    local text, interrupted = host.read_secret(("%s: %s%s: "):format(m.name, name, about))
    if interrupted then core.fail(nil, core.code.ERROR_OPERATION_ABORTED, "Interrupted.") end
    if not text then return nil end
    if pcall(core.types.secret.check, name, text) then return text end
  end
end

return secrets
