-- p80 install FILE|FOLDER|ZIP and p80 install --previous NAME.
local core, host = ...
local code, data, installed, package = core.code, core.data, core.installed, core.package

local function parser()
  local p = core.words.parser("install",
    "Copies a playbook and its modules into the folder of this machine's playbooks, so that `p80 NAME` runs it. What "
    .. "the version before could not change is shown and asked about. The replaced version is kept; `p80 undo` or "
    .. "--previous brings it back.")
  p:argument("source", "a .lua file (its modules are taken from beside it), a folder, or a .zip"):args "?"
  p:option("--previous", "brings back the version before the installed one"):argname "NAME"
  p:flag("-y --yes", "agrees to what it may change; needed where nobody can be asked")
  return p
end

-- ---- What is to be installed ----

-- The texts of Lua among the files, by their paths in small letters.
local function lua_texts(files)
  local texts = {}
  for path, bytes in pairs(files) do
    if path:lower():find "%.lua$" then texts[path:lower()] = bytes end
  end
  return texts
end

local function manifest_of(given)
  local m, why = core.playbook.manifest_of(given.script:lower(), lua_texts(given.files))
  core.about "install"
  if not m then
    why = tostring(why):gsub("%.$", "")
    core.fail(given.script, code.P80_BAD_PACKAGE, ("Its manifest cannot be read: %s."):format(why))
  end
  if m.name:lower() ~= given.name:lower() then
    core.fail(given.script, code.P80_BAD_PACKAGE, ("Its manifest calls it '%s'."):format(m.name),
      ("name the file %s.lua; a signature that names the file must be made anew then"):format(m.name))
  end
  core.manifest.check_windows(m)
  return m
end

local function check_name(name)
  for _, bundled in ipairs(host.names "script") do
    if bundled == name:lower() then
      core.fail(name, code.P80_BAD_PACKAGE, "A bundled playbook has this name, and `p80 NAME` always runs that one.",
        "give it another name")
    end
  end
  if core.commands[name:lower()] or data.contains(host.names "core", "cmd_" .. name:lower()) then
    core.fail(name, code.P80_BAD_PACKAGE, "A command of p80 has this name.", "give it another name")
  end
end

-- A version to be put in force: {name=, files=, signature=, record={version=, grants=, signer=, ...}}.
local function read_source(source)
  local given = package.read(source)
  check_name(given.name)
  local signature, unsigned = core.admission.package(given)
  local m = manifest_of(given)
  return {name = m.name, files = given.files, signature = signature, unsigned = unsigned, record = {
    version = m.version, summary = m.summary, author = m.author, license = m.license, grants = m.grants or {},
    source = source, signer = signature and signature.key.name, key = signature and core.sign.show_id(signature.id),
  }}
end

local function read_previous(name)
  local previous = not core.manifest.name_problem(name) and installed.previous(name)
  if previous then
    local given = {
      name = previous.record.name, script = previous.record.name .. ".lua", files = previous.files, place = "",
    }
    local signature, unsigned = core.admission.package(given)
    return {
      name = given.name, files = given.files, signature = signature, unsigned = unsigned, record = previous.record,
    }
  end
  core.fail(name, code.ERROR_NOT_FOUND, "There is no previous version of a playbook of this name.")
end

-- ---- What it may change, against the version before ----

local function without(list, other)
  local rest = data.array {}
  for _, item in ipairs(list) do
    if not data.contains(other, item) then rest[#rest + 1] = item end
  end
  return rest
end

-- What the policy does not let it change, though it asks for it.
local function limited(version)
  local rows = {}
  for i, grant in ipairs(version.record.grants) do
    for _, row in ipairs(core.policy_explain(("grants[%d]"):format(i), grant, "installed", version.signature)) do
      if row.verdict ~= "allowed" then rows[#rows + 1] = row end
    end
  end
  return rows[1] and data.array(rows)
end

-- What is less to be trusted than in the version that is installed: lines for people.
local function lessened(record, have)
  local lines = {}
  if have and have.signer and have.signer ~= record.signer then
    lines[1] = ("%s signed the version that is installed"):format(have.signer)
  end
  if have and have.version and core.manifest.is_older(record.version, have.version) then
    lines[#lines + 1] = ("version %s is installed, which is newer"):format(have.version)
  end
  return lines
end

local function summarize(version, have, is_previous)
  local record = version.record
  local before = have and have.grants or {}
  return {
    name = version.name, version = record.version, summary = record.summary, signer = record.signer,
    replaces = have and have.version, grants = data.array(record.grants), added = without(record.grants, before),
    removed = without(before, record.grants), limited = limited(version), unsigned = version.unsigned,
    lessened = data.array(is_previous and {} or lessened(record, have)),
  }
end

local function text_of(about)
  local lines = {("%s %s: %s"):format(about.name, about.version, about.summary)}
  local function add(...) lines[#lines + 1] = ("  " .. (...)):format(select(2, ...)) end
  add("signed by: %s", about.signer or "nobody")
  if about.differs then add("! its files differ from those of this version that are installed") end
  if about.replaces then add("replaces: %s", about.replaces) end
  if #about.grants == 0 then add "changes nothing" end
  for _, grant in ipairs(about.grants) do
    local is_new = data.contains(about.added, grant)
    add("%s may change %s%s", is_new and "+" or " ", grant, is_new and about.replaces and "   NEW" or "")
  end
  if (about.unsigned or {})[1] then add("! not signed as a part of it: %s", table.concat(about.unsigned, ", ")) end
  for _, line in ipairs(about.lessened) do add("! %s", line) end
  for _, row in ipairs(about.limited or {}) do add("! %s: %s here: %s", row.grant, row.verdict, row.why) end
  for _, grant in ipairs(about.removed) do add("- no longer changes %s", grant) end
  return table.concat(lines, "\n") .. "\n"
end

-- Asks whether it may change what the version before could not.
local function ask(about, yes)
  if yes or core.checking or #about.added + #about.lessened == 0 then return end
  local answer
  if not core.options.json then answer = host.ask(text_of(about) .. ("Install it? [y/N] ")) end
  if answer and answer:lower():find "^%s*y" then return true end
  local nobody = #about.added > 0 and ("Nobody agreed that it may change %s."):format(table.concat(about.added, ", "))
    or ("Nobody agreed to it: %s."):format(table.concat(about.lessened, "; "))
  core.fail(about.name, code.P80_REFUSED, answer and "It was not agreed to." or nobody,
    "look at it (--check installs nothing), then say --yes")
end

-- ---- The command ----

local function install(args)
  installed.need_rights()
  local version = args.previous and read_previous(args.previous) or read_source(args.source)
  local have, state = installed.find(version.name), installed.state_of(version.files, version.record)
  local about = summarize(version, have, args.previous)
  if have and have.version == state.version and installed.state(version.name).digest ~= state.digest then
    about.differs = true
  end
  local was_shown = ask(about, args.yes)
  core.grants.add("install", "install.playbook:" .. version.name)
  about.changed = core.change("install.playbook", {name = version.name}, state, version)
  core.result.report(about)
  local text = (was_shown or core.options.json) and "" or text_of(about)
  return text .. (not about.changed and not core.options.json and "It is installed already.\n" or "")
end

return function(...)
  local args, help = core.words.parse(parser(), {...})
  if not args then return help end
  if (args.source == nil) == (args.previous == nil) then
    core.fail(nil, code.P80_BAD_ARGUMENTS, "What is to be installed?",
      "p80 install FILE|FOLDER|ZIP, or p80 install --previous NAME")
  end
  return install(args)
end
