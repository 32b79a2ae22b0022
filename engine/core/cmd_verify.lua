-- p80 verify FILE...: checks the signatures beside files.
local core = ...
local words, data, code = core.words, core.data, core.code
local file = core.win.file

local function parser()
  local p = words.parser("verify",
    "Check the signatures of files: FILE.minisig, with the keys that this machine trusts or with --key.")
  p:argument("file", "what was signed; the name of an installed playbook stands for its script"):args "+"
  p:option("--key", "a public key: its file, or the line of 56 letters itself"):argname "<key>"
  p:epilog "Exit codes: 0 signed as it must be, 4 not, 2 wrong words."
  return p
end

-- The trusted keys: the one that was given, or the policy's.
local function keys_of(given)
  if not given.key then return core.policy.trusted() end
  local text = given.key:find "^RW[%w+/]+=*$" and given.key or core.ask(file.read, given.key)
  if not text then core.fail(given.key, code.ERROR_FILE_NOT_FOUND, "There is no such file.") end
  local key = core.sign.public_key(given.key, text)
  key.name = given.key
  return {key}
end

local function verify(path, keys)
  local mode = lfs.attributes(path, "mode")
  local installed = not mode and core.installed.find(path)
  path = installed and installed.path or core.ask(file.absolute, path)
  if mode == "directory" then
    core.fail(path, code.P80_BAD_ARGUMENTS, "This is a folder.",
      "name its files; `p80 install --check` judges a folder as a whole")
  end
  local bytes = core.ask(file.read, path)
  if not bytes then core.fail(path, code.ERROR_FILE_NOT_FOUND, "There is no such file.") end
  local signature = core.sign.verify_beside(path, bytes, keys)
  return {file = path, key = core.sign.show_id(signature.id), name = signature.key.name, comment = signature.comment}
end

return function(...)
  local given, help = words.parse(parser(), {...})
  if not given then return help end
  local keys, rows, lines = keys_of(given), data.array {}, {}
  for i, path in ipairs(given.file) do
    local row = verify(path, keys)
    rows[i] = row
    lines[i] = ("%s: signed by %s (key %s)\n  %s\n"):format(row.file, row.name, row.key, row.comment)
  end
  if core.options.json then return data.document(rows, {"file", "key", "name", "comment"}) .. "\n" end
  return table.concat(lines)
end
