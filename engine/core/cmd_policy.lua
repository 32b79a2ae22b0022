-- p80 policy: shows the policy of this machine, says what a script may do under it, and writes it.
local core, host = ...
local words, data, code, policy = core.words, core.data, core.code, core.policy

local ORDER <const> = {"policy", "signatures", "typed", "keys", "name", "key", "grants", "unsigned", "deny"}

local function parser()
  local p = words.parser("policy",
    "Show the policy of this machine; what a script may do under it, and why; or write it.")
  p:argument("what", "a script; or init: write a first policy; or trust, distrust: a key"):args "?"
  p:argument("key",
    "a public key: its file or the line of 56 letters itself; of distrust also its name or number"):args "?"
  p:option("--name", "of trust: whose key it is"):argname "<name>"
  p:option("--grant", "of trust: the most that scripts of the key are granted, such as 'scm.*' (may be repeated)")
    :argname "<grant>":count "*"
  p:epilog("The file is policy.json in the state folder; administrators alone may write it. "
    .. "docs/sharing.md explains its fields.")
  return p
end

-- Leaves a value to the one document of --json, in which the run ends.
local function reported(value)
  core.result.report(value)
  return ""
end

-- ---- Showing ----

local function texts(list)
  if not list then return nil end
  local found = data.array {}
  for i, entry in ipairs(list) do found[i] = entry.text end
  return found
end

local function as_data(given)
  local keys = data.array {}
  for i, key in ipairs(given.keys) do
    keys[i] = {name = key.name, id = core.sign.show_id(key.id), key = key.text, grants = texts(key.grants)}
  end
  return {
    path = given.path, signatures = given.signatures, typed = given.typed, keys = keys,
    grants = texts(given.grants), unsigned = texts(given.unsigned), deny = texts(given.deny),
  }
end

local SIGNATURES <const> = {
  none = "no script needs one", unattended = "every file that runs where nobody is logged on",
  elevated = "every file that runs elevated", all = "every file",
}

local AS_ANY <const> = "as any script"

local function listed(list, otherwise)
  return list and (list[1] and table.concat(list, ", ") or "nothing") or otherwise
end

local function show()
  local given = policy.checked()
  if core.options.json then return reported(given and as_data(given)) end
  if not given then
    return "This machine has no policy: what manifests and --allow ask for is granted, signed or not.\n"
      .. "`p80 policy init` writes one.\n"
  end
  local shown = as_data(given)
  local lines = {
    given.path, "signatures: " .. SIGNATURES[given.signatures],
    "-e, -i, -:   " .. (given.typed and "may run" or "may not run"),
    "any script: " .. listed(shown.grants), "unsigned:   " .. listed(shown.unsigned, AS_ANY),
    "denied:     " .. listed(shown.deny),
  }
  for _, key in ipairs(shown.keys) do
    lines[#lines + 1] = ("key %s (%s): %s"):format(key.id, key.name, listed(key.grants, AS_ANY))
  end
  return table.concat(lines, "\n") .. "\n"
end

-- ---- Explaining ----

local function signature_of(path)
  local bytes = path and core.win.file.read(path)
  if not bytes then return nil, "it is part of p80" end
  local ok, signature = pcall(core.sign.verify_beside, path, bytes, policy.keys())
  if ok then return signature, ("signed by %s (key %s)"):format(signature.key.name, core.sign.show_id(signature.id)) end
  return nil, "not signed with a trusted key: "
    .. (type(signature) == "table" and signature.message:gsub("%.$", "") or tostring(signature))
end

local function explain(script)
  local given = policy.checked()
  local path = lfs.attributes(script, "mode") == "file" and script
  local found = not path and not script:find "[\\/:]" and core.catalog.find(script)
  if not path and not found then
    core.fail(script, code.ERROR_FILE_NOT_FOUND, "There is no such file, and no playbook of this name.",
      core.catalog.hint(script, {"init", "trust"}))
  end
  path = path and core.win.file.absolute(path) or found.path
  local signature, signed = signature_of(path)
  local m, why = core.playbook.manifest_of(script)
  local report = {
    script = path or script, signed = signed,
    runs = m ~= nil or tostring(why):find "^it declares no manifest" ~= nil, why = why,
  }
  report.grants = data.array {}
  for i, grant in ipairs(m and m.grants or {}) do
    local rows = core.policy_explain(("grants[%d]"):format(i), grant, path and "file" or "bundled", signature)
    for _, row in ipairs(rows) do
      report.grants[#report.grants + 1] = row
    end
  end
  if core.options.json then return reported(report) end
  local text = ("%s: %s.\n%s\n"):format(report.script, signed,
    report.runs and "It may run here." or "It may not run here: " .. tostring(why))
  if not given then text = text .. "This machine has no policy.\n" end
  if report.grants[1] then
    return text .. host.lib "show".table(report.grants, {"grant", "verdict", "why"}, {width = host.width}) .. "\n"
  end
  return text .. (m and "It asks for no grants.\n" or "")
end

-- ---- Writing ----

local function write(content)
  core.grants.add("policy", "policy.file")
  return core.change("policy.file", {}, {text = data.document(content, ORDER) .. "\n"})
end

local function done(changed, text) return core.options.json and "" or changed and not core.checking and text or "" end

local function init()
  if policy.get() then
    core.fail(policy.path, code.ERROR_ALREADY_EXISTS, "This machine has a policy.", "`p80 policy` shows it")
  end
  local content = {
    policy = 1, signatures = "none", typed = true,
    keys = data.array {}, grants = data.array {"*"}, deny = data.array {},
  }
  return done(write(content), "The policy is written. It restricts nothing yet: `p80 policy` shows where it is.\n")
end

local function key_text(word)
  local text = word:find "^RW[%w+/]+=*$" and word or core.ask(core.win.file.read, word)
  if not text then core.fail(word, code.ERROR_FILE_NOT_FOUND, "There is no such file.") end
  return core.sign.public_key(word, text)
end

local function check_given(given, hint)
  if not given.key then core.fail(given.what, code.P80_BAD_ARGUMENTS, "Which key?", hint) end
end

-- The name that a key's file suggests. "p80.pub", as `p80 sign --generate` calls it, suggests none.
local function name_of_file(path)
  local name = path:match "([^\\/:]*)%.%w+$"
  return name and not policy.is_own_name(name) and name
end

local function trust(given)
  check_given(given, "p80 policy trust KEY.pub --name NAME")
  local key = key_text(given.key)
  if given.name and policy.is_own_name(given.name) then
    core.fail("--name", code.P80_BAD_ARGUMENTS, "What p80 brings along is listed as signed by p80.",
      "give the name of whose key it is")
  end
  for i, grant in ipairs(given.grant) do core.grants.parse(("--grant %d"):format(i), grant) end
  if not policy.checked() then
    core.fail(nil, code.ERROR_NOT_FOUND, "This machine has no policy.", "`p80 policy init` writes one")
  end
  local content = policy.content()
  content.keys = data.array(content.keys or {})
  local id, entry = core.sign.show_id(key.id), nil
  for _, other in ipairs(content.keys) do
    if core.sign.public_key("key", other.key).key == key.key then entry = other end
  end
  local was = entry and {name = entry.name, grants = entry.grants}
  if not entry then
    entry = {name = name_of_file(given.key) or id, key = key.text}
    table.insert(content.keys, entry)
  end
  entry.name = given.name or entry.name
  if given.grant[1] then entry.grants = data.array(given.grant) end
  if not was then return done(write(content), ("The key %s (%s) is trusted.\n"):format(id, entry.name)) end
  if data.includes(was, {name = entry.name, grants = entry.grants}) then return "This key is trusted already.\n" end
  return done(write(content), ("The key %s was trusted already, as %s: %s. Now it is, as %s: %s.\n"):format(
    id, was.name, listed(was.grants, AS_ANY), entry.name, listed(entry.grants, AS_ANY)))
end

-- Whether the word means this trusted key: its name, its number, the key itself or its file.
local function means(word, key, public)
  return word:lower() == key.name:lower() or word:upper() == core.sign.show_id(key.id)
    or public and public.key == key.key
end

local function fail_distrust(word, keys)
  local known = {}
  for i, key in ipairs(keys) do known[2 * i - 1], known[2 * i] = key.name, core.sign.show_id(key.id) end
  local near = core.x.nearest(word, known)
  if near then core.fail(word, code.ERROR_NOT_FOUND, "No such key is trusted.", ("did you mean '%s'?"):format(near)) end
end

local function distrust(given)
  check_given(given, "p80 policy distrust NAME")
  local keys, word = policy.trusted(), given.key
  local is_key = word:find "^RW[%w+/]+=*$" or lfs.attributes(word, "mode") == "file"
  local public, found = is_key and key_text(word), {}
  for i, key in ipairs(keys) do
    if means(word, key, public) then found[#found + 1] = i end
  end
  if #found > 1 then
    core.fail(word, code.P80_BAD_ARGUMENTS, ("%d keys have this name."):format(#found),
      "give the number of one, as `p80 policy` shows it")
  elseif #found == 0 then
    if not is_key then fail_distrust(word, keys) end
    return done(true, "No such key is trusted.\n")
  end
  local content = policy.content()
  table.remove(content.keys, found[1])
  local key = keys[found[1]]
  return done(write(content),
    ("The key %s (%s) is trusted no more; `p80 list` shows what it signed.\n")
      :format(core.sign.show_id(key.id), key.name))
end

return function(...)
  local given, help = words.parse(parser(), {...})
  if not given then return help end
  if given.what == "init" then return init() end
  if given.what == "trust" then return trust(given) end
  local is_distrust = given.what == "distrust"
  if given.key and not is_distrust or given.name or given.grant[1] then
    core.fail(given.what or "policy", code.P80_BAD_ARGUMENTS, "A key, --name and --grant go behind trust.",
      "p80 policy trust KEY.pub --name NAME")
  end
  if is_distrust then return distrust(given) end
  return given.what and explain(given.what) or show()
end
