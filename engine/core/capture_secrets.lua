-- p80 capture: what may be secret in a text, by the names in it. Everything that is withheld is said.
local leave_out = ...

local WITHHELD <const> = "***"

-- In a name, at its end, and alone.
local WITHIN <const> = {
  "passw", "passphrase", "pwd", "secret", "token", "credential", "connectionstring",
  "authorization", "cookie", "privatekey",
}
local AT_END <const> = {"key", "pass"}
local ALONE <const> = {p = true, pw = true, rp = true, jp = true, pin = true, sas = true, auth = true, sig = true}

local function has_secret_word(name)
  local folded = name:lower():gsub("[^%a]", "")
  for _, word in ipairs(WITHIN) do
    if folded:find(word, 1, true) then return true end
  end
  return false, folded
end

local function names_a_secret(name)
  local has_word, folded = has_secret_word(name)
  if has_word or ALONE[folded] then return true end
  for _, word in ipairs(AT_END) do
    if folded:sub(-#word) == word then return true end
  end
  return false
end

-- A command line, or other text with settings in it, with *** for what may be secret; and whether anything was.
local function masked(text)
  local hidden = false
  local function hide(name, between, value)
    local is_drive = #name == 1 and between == ":" and value:find '^"?[\\/]'
    if is_drive or not names_a_secret(name) or value == "" or value == WITHHELD then return nil end
    hidden = true
    return name .. between .. WITHHELD
  end
  for _, scheme in ipairs {"[Bb]asic", "[Bb]earer", "[Dd]igest", "[Nn]egotiate"} do -- of an Authorization
    text = text:gsub("([%w%-]+)(:%s*" .. scheme .. "%s+)([^%s\"']+)", hide)
  end
  local NAME <const>, SET <const> = "([%w_%-]+)", "(%s*[=:]%s*)"
  for _, value in ipairs {'("[^"]*")', "('[^']*')", "([^%s;,\"'&][^%s;,\"&]*)"} do
    text = text:gsub(NAME .. SET .. value, hide)
  end
  for _, value in ipairs {'("[^"]*")', "('[^']*')", "([^%s\"'/%-][^%s\"]*)"} do
    text = text:gsub("([/%-][%w_%-]+)(%s+)" .. value, hide)
  end
  local function keep_start(before, _, after)
    hidden = true
    return before .. WITHHELD .. (after or "")
  end
  text = text:gsub("(%a[%w+.%-]*://[^%s/:@]+:)([^%s/@]+)(@)", keep_start)
  text = text:gsub("(%-%-%-%-%-BEGIN [%u ]*PRIVATE KEY%-%-%-%-%-)(.+)$", keep_start)
  return text, hidden
end

local function withhold(what)
  leave_out(("what may be secret in %s"):format(what))
  return WITHHELD
end

--- The text, with *** for what may be secret in `what`.
local function safe(what, text)
  if text == nil then return nil end
  local shown, hidden = masked(text)
  if hidden then withhold(what) end
  return shown
end

local ENTITIES <const> = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;"}
local CHARACTERS <const> = {amp = "&", lt = "<", gt = ">", quot = '"', apos = "'"}

--- The same for the text between the tags of XML.
local function safe_xml(what, xml)
  return (xml:gsub("(<([%w:]+)[^<>]*>)([^<]+)", function(tag, name, text)
    local plain = text:gsub("&(%a+);", CHARACTERS)
    local shown = names_a_secret(name) and plain:find "%S" and withhold(what) or safe(what, plain)
    return shown ~= plain and tag .. shown:gsub('[&<>"]', ENTITIES) or nil
  end))
end

return {safe = safe, safe_xml = safe_xml, names_a_secret = names_a_secret, has_secret_word = has_secret_word}
