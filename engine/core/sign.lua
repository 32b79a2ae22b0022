-- Signatures in minisign's format (https://jedisct1.github.io/minisign/#signature-format). FILE.minisig beside a file:
--
--   untrusted comment: anything
--   base64("Ed" or "ED", id of the key (8 bytes), signature (64))      "ED" signs the BLAKE2b hash of the file
--   trusted comment: timestamp:1763800000	file:free80.lua	hashed	playbook:free80	version:1.0.0	grants:scm.state
--   base64(signature of that signature and the trusted comment)
--
-- The fields of the trusted comment have tabs between them.
-- minisign writes the first three, `p80 sign` adds the others.
local core, host = ...
local code, raw = core.code, host.sign
local sign = {}

local LONGEST <const> = 16384 -- of a signature or public key with its comments

local function bad(name, message, hint) core.fail(name, code.P80_BAD_SIGNATURE, message, hint) end

-- The lines of a text, without their ends; the empty ones at its end are left out.
local function lines_of(name, text)
  if #text > LONGEST then bad(name, "This is too long for a signature or a key.") end
  local lines = {}
  for line in (text:gsub("[\r\n]+$", "") .. "\n"):gmatch "([^\n]-)\r?\n" do lines[#lines + 1] = line end
  return lines
end

-- The bytes that a line of base64 stands for, when there are `size` of them that begin with one of `algorithms`.
local function unpacked(line, size, algorithms)
  local bytes = line and raw.decode(line)
  if not bytes or #bytes ~= size then return nil end
  if not algorithms then return bytes end
  local algorithm = bytes:sub(1, 2)
  return algorithms[algorithm] and algorithm, bytes:sub(3, 10), bytes:sub(11)
end

--- The id of a key as minisign shows it: "E7620F1842B4E81F".
function sign.show_id(id) return ("%016X"):format((string.unpack("<I8", id))) end

--- A public key: the line "RW..." or the whole file minisign.pub -> {id=, key=32 bytes, text="RW..."}. Raises.
function sign.public_key(name, text)
  core.check.text(name, text)
  local lines = lines_of(name, text)
  local line = lines[#lines] or ""
  local commented = #lines == 2 and lines[1]:find "^untrusted comment:"
  local algorithm, id, key = unpacked((#lines == 1 or commented) and line, 42, {Ed = true})
  if not algorithm then
    bad(name, "This is no public key of minisign.", "such a key is one line of 56 letters that begins with RW")
  end
  return {id = id, key = key, text = line}
end

-- The fields "name:value" of a trusted comment.
local function fields_of(comment)
  local fields = {}
  for field in comment:gmatch "[^\t]+" do
    local name, value = field:match "^(%l+):(.*)$"
    if name then fields[name] = fields[name] or value end
  end
  return fields
end

--- A signature: {algorithm=, id=, signature=, comment=, second=, fields={timestamp=, file=, playbook=,
-- version=, grants=}}.
function sign.parse(name, text)
  local lines = lines_of(name, text)
  local algorithm, id, signature = unpacked(lines[2], 74, {Ed = true, ED = true})
  local comment, second = (lines[3] or ""):match "^trusted comment: ?(.*)$", unpacked(lines[4], 64)
  if #lines ~= 4 or not lines[1]:find "^untrusted comment:" or not (algorithm and comment and second) then
    bad(name, "This is no signature of minisign.",
      "sign the file again: p80 sign FILE --key SECRET.key, or minisign -S -m FILE")
  end
  return {
    algorithm = algorithm, id = id, signature = signature,
    comment = comment, second = second, fields = fields_of(comment),
  }
end

-- The same text with the line ends of the other systems.
local function with_ends(bytes, ending) return (bytes:gsub("\r?\n", ending)) end

local function signs(signature, bytes, key)
  local message = signature.algorithm == "ED" and raw.hash(bytes) or bytes
  return raw.is_signed(message, signature.signature, key.key)
end

local function fail_altered(name, bytes, signature, key)
  for _, ending in ipairs {"\n", "\r\n"} do
    if signs(signature, with_ends(bytes, ending), key) then
      bad(name, "Its line ends were converted after it was signed.",
        "copy the file as it is (git: *.lua -text in .gitattributes; FTP: binary mode), or sign what is here")
    end
  end
  bad(name, "It is not what was signed: it was changed, or the signature belongs to another file.",
    "get the file and its .minisig anew from whom you have them, or review it and sign it")
end

local function base_name(path) return path:match "[^\\/:]*$" end

-- A signature that names its file is good for a file of that name alone.
local function check_name(name, fields)
  local signed = fields.file and base_name(fields.file)
  if not signed or signed:lower() == base_name(name):lower() then return end
  bad(name, ("What was signed is called '%s'."):format(signed), "give the file that name, or sign it under its new one")
end

--- Checks that `text` is a signature of `bytes` by one of `keys`, a list of {id=, key=, ...}. `name` is the file's
-- path. Returns the signature with its `key`. Raises P80_BAD_SIGNATURE.
function sign.verify(name, bytes, text, keys)
  local signature = sign.parse(name .. ".minisig", text)
  local known
  for _, key in ipairs(keys) do
    if key.id == signature.id then
      known = key
      if signs(signature, bytes, key) then signature.key = key break end
    end
  end
  if not known then
    bad(name, ("It is signed with the key %s, which is not trusted here."):format(sign.show_id(signature.id)),
      "`p80 policy trust KEY.pub` trusts a key; `p80 verify FILE --key KEY.pub` checks with one")
  end
  if not signature.key then fail_altered(name, bytes, signature, known) end
  if not raw.is_signed(signature.signature .. signature.comment, signature.second, known.key) then
    bad(name .. ".minisig", "The trusted comment was changed after it was signed.", "get the .minisig anew")
  end
  check_name(name, signature.fields)
  return signature
end

--- The same with the signature that is beside the file.
function sign.verify_beside(name, bytes, keys)
  local text = core.win.file.read(name .. ".minisig")
  if text then return sign.verify(name, bytes, text, keys) end
  bad(name, "There is no signature beside it.",
    ("p80 sign %s --key SECRET.key, or minisign -S -m %s, makes it"):format(base_name(name), base_name(name)))
end

--- Checks that a module belongs to a script: both signed with one key, and when the script's signature names playbook
-- and version, the module's names the same and its `place` beside the script ("parts/helper.lua"), so that neither
-- parts of two versions can be mixed nor two parts change places.
function sign.check_belongs(name, module, script, place)
  if module.id ~= script.id then
    bad(name, ("It is signed with the key %s, but the script that requires it with %s."):format(
      sign.show_id(module.id), sign.show_id(script.id)), "sign both with one key")
  end
  for _, field in ipairs {"playbook", "version"} do
    local mine, wanted = module.fields[field], script.fields[field]
    if wanted and mine ~= wanted then
      bad(name,
        ("It was signed as part of %s '%s', but the script as %s '%s'."):format(field, mine or "", field, wanted),
        "sign the script again: `p80 sign` signs its modules with it")
    end
  end
  local signed = module.fields.module or module.fields.file or ""
  if script.fields.playbook and core.x.fold(signed) ~= core.x.fold(place) then
    bad(name, ("It was signed as '%s', but it lies beside the script as '%s'."):format(signed, place),
      "put it back, or sign the script again: `p80 sign` signs its modules with it")
  end
end

-- ---- Signing ----

local function clean(text) return (text:gsub("[%c\x7F]", " ")) end

--- A grant as the trusted comment names it, where commas part them.
function sign.in_list(grant) return (clean(grant):gsub(",", "%%2C")) end

--- The text of a signature of `bytes` with the opened secret key. `fields` is a list of "name:value".
function sign.make(key, bytes, fields)
  local id = raw.public(key)
  local comment = {}
  for i, field in ipairs(fields) do comment[i] = clean(field) end
  comment = table.concat(comment, "\t")
  local signature = raw.sign(key, raw.hash(bytes))
  return ("untrusted comment: signature from p80 with the key %s\n%s\ntrusted comment: %s\n%s\n"):format(
    sign.show_id(id), raw.encode("ED" .. id .. signature), comment,
    raw.encode(raw.sign(key, signature .. comment)))
end

--- The text of the file with the public half of a secret key.
function sign.public_text(key)
  local id, public = raw.public(key)
  return ("untrusted comment: minisign public key %s\n%s\n"):format(sign.show_id(id), raw.encode("Ed" .. id .. public))
end

return sign
