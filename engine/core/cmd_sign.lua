-- p80 sign FILE... --key SECRET.key: signs scripts with the modules that they require; p80 sign --generate makes a key.
local core, host = ...
local raw, words, data, code = host.sign, core.words, core.data, core.code
local file = core.win.file

local function parser()
  local p = words.parser("sign",
    "Sign scripts, each with the modules beside it that it requires, in minisign's format; or make a key.")
  p:argument("file", "a script, or any other file, which is signed as a part of the playbook named before it"):args "*"
  p:option("--key", "the secret key: minisign's own, or one that --generate made"):argname "<file>":default "p80.key"
  p:option("--comment", "a further word in the trusted comment"):argname "<text>"
  p:flag("--generate", "make a new pair of keys: --key and --public")
  p:option("--public", "the public key that --generate writes"):argname "<file>":default "p80.pub"
  p:flag("--no-password", "make a key without a password, for programs that sign")
  p:epilog("The signature of FILE is FILE.minisig; `p80 verify` and `minisign -V` check it. "
    .. "Passwords are typed at the console.")
  return p
end

local function read(path)
  local bytes = core.ask(file.read, path)
  if bytes then return bytes end
  core.fail(path, code.ERROR_FILE_NOT_FOUND, "There is no such file.")
end

-- Adds the files that a script requires by name and that lie beside it, and those that they require.
local function add_modules(path, folder, list, seen)
  seen[path:lower()] = true
  list[#list + 1] = path
  for _, name in ipairs(core.package.names(read(path))) do
    local base = folder .. name:gsub("%.", "\\")
    for _, module in ipairs {base .. ".lua", base .. "\\init.lua"} do
      if not seen[module:lower()] and lfs.attributes(module, "mode") == "file" then
        add_modules(module, folder, list, seen)
      end
    end
  end
end

-- What the trusted comment says of a script, from its manifest if it has one; and whether it has.
local function about_script(path)
  core.admission.lenient = true -- an unsigned script is what there is to sign
  local m = path:lower():find "%.lua$" and core.playbook.manifest_of(path)
  core.admission.lenient = nil
  if not m then return {}, {} end
  local shared = {"playbook:" .. m.name, "version:" .. m.version}
  local own = {shared[1], shared[2]}
  local grants = {}
  for i, grant in ipairs(m.grants or {}) do grants[i] = core.sign.in_list(grant) end
  if grants[1] then own[3] = "grants:" .. table.concat(grants, ",") end
  return own, shared
end

-- Warns of each `require` of a script that add_modules cannot follow.
local function warn(linter, path)
  local text = read(path)
  if not path:lower():find "%.lua$" or select(2, text:gsub("require", "")) <= #core.package.names(text) then return end
  for _, one in ipairs(linter:check(path, text)) do
    if one.rule == "require" and one.file == path then
      host.log(("warning: %s:%d: %s %s"):format(path, one.line, one.message, one.hint))
    end
  end
end

local function sign_file(key, path, about, comment)
  local fields = {("timestamp:%d"):format(os.time()), "file:" .. path:match "[^\\/:]*$", "hashed", table.unpack(about)}
  fields[#fields + 1] = comment
  local text = core.sign.make(key, read(path), fields)
  if not core.checking then core.ask(file.write, path .. ".minisig", text) end
  return {file = path, comment = text:match "\ntrusted comment: ([^\n]*)"}
end

-- `shared`, with where a part of a playbook lies beside the script.
local function about_part(shared, folder, path)
  local about = table.move(shared, 1, #shared, 1, {})
  about[#about + 1] = "module:" .. path:sub(#folder + 1):gsub("\\", "/")
  return about
end

local function sign_all(given, key)
  local signed, linter, folder, shared = data.array {}, core.lint.open(file.read), nil, nil
  for _, path in ipairs(given.file) do
    path = core.ask(file.absolute, path)
    local own, of_playbook = about_script(path)
    local is_part = not own[1] and shared and shared[1] and core.x.fold(path):find(core.x.fold(folder), 1, true) == 1
    if not is_part then folder, shared = path:match "^.*[\\/]", of_playbook end
    local files = {}
    add_modules(path, folder, files, {})
    for i, name in ipairs(files) do
      warn(linter, name)
      signed[#signed + 1] = sign_file(key, name,
        i == 1 and not is_part and own or about_part(shared, folder, name), given.comment)
    end
  end
  return signed
end

local function open_key(path)
  if not lfs.attributes(path) then
    core.fail(path, code.ERROR_FILE_NOT_FOUND, "There is no such key.",
      "--key names the secret key; `p80 sign --generate` makes one")
  end
  local key, locked = core.ask(raw.open, path)
  if locked then core.ask(raw.unlock, key, ("Password of %s: "):format(path)) end
  return key
end

local function sign(given)
  if #given.file == 0 then
    core.fail(nil, code.P80_BAD_ARGUMENTS, "Which file?",
      "p80 sign FILE --key SECRET.key; `p80 sign --help` shows what there is")
  end
  local key <close> = open_key(given.key)
  local id = core.sign.show_id((raw.public(key)))
  local signed = sign_all(given, key)
  if core.options.json then
    return data.document({key = id, signed = signed}, {"key", "signed", "file", "comment"}) .. "\n"
  end
  local lines = {}
  for i, one in ipairs(signed) do
    lines[i] = ("%s %s with the key %s: %s\n"):format(
      core.checking and "Would sign" or "Signed", one.file, id, one.comment)
  end
  return table.concat(lines)
end

-- Makes a pair of keys. The secret one is readable for the user, SYSTEM and the administrators alone.
local function generate(given)
  for _, path in ipairs {given.key, given.public} do
    if lfs.attributes(path) then
      core.fail(path, code.ERROR_ALREADY_EXISTS, "It exists, and keys are not written over.",
        "name other files with --key and --public")
    end
  end
  if core.checking then return ("Would make %s and %s.\n"):format(given.key, given.public) end
  local key <close> = core.ask(raw.generate)
  local text = core.sign.public_text(key)
  local sddl = ("D:P(A;;FA;;;%s)(A;;FA;;;SY)(A;;FA;;;BA)"):format(core.win.account.current().sid)
  core.ask(raw.save, key, given.key, sddl, "untrusted comment: p80 secret key", not given.no_password)
  core.ask(file.write, given.public, text)
  if core.options.json then
    return data.document({key = given.key, public = given.public, text = text:match "\n(.-)\n"},
      {"key", "public", "text"}) .. "\n"
  end
  return ("%s is the secret key: keep it to yourself.\n%s is the public key, for those who run what you sign:\n%s")
    :format(given.key, given.public, text:match "\n(.*)$")
end

return function(...)
  local given, help = words.parse(parser(), {...})
  if not given then return help end
  if not given.generate then return sign(given), core.checking and 3 or nil end
  if #given.file > 0 then core.fail(given.file[1], code.P80_BAD_ARGUMENTS, "--generate signs nothing.") end
  return generate(given)
end
