-- What a playbook asks of the engine itself: scripts/lib/p80.lua calls these.
local core, host = ...
local data = core.data
local playbook = {}

local declared -- the manifest of the running playbook
local given -- its arguments

--- The arguments of the running script but for secrets.
function playbook.arguments()
  local shown = {}
  for name, value in pairs(given or {}) do
    if declared.args[name].type ~= "secret" then shown[name] = value end
  end
  return shown
end

--- The manifest that the running script declared, or nil.
function playbook.manifest() return declared end

--- The options of p80 itself that may stand anywhere.
playbook.SWITCHES = {"--check", "--json", "--quiet", "--verbose", "--no-color"}

-- Those with a value, which stand before a script.
local BEFORE = {["--allow"] = true, ["--timeout"] = true, ["--state"] = true, ["--report"] = true, ["--model"] = true}

--- Whether an option of p80 itself has a value in the next word.
function playbook.takes_value(option) return BEFORE[option] or false end

-- The option that somebody meant who typed its name behind one dash: the parser takes that for letters.
local function behind_one_dash(letter)
  local options = table.move(playbook.SWITCHES, 1, #playbook.SWITCHES, 1, {})
  for _, name in ipairs(core.arguments.names(declared)) do options[#options + 1] = core.arguments.option(name) end
  for _, word in ipairs(core.script.words) do
    local typed = word:sub(1, 2) == letter and #word > 2 and "-" .. word:match "^[^=]*"
    if typed then return data.contains(options, typed) and typed or core.x.nearest(typed, options) end
  end
end

-- Raises what the parser says about the words behind the script.
local function fail_words(problem)
  local text, meant = core.words.problem(problem)
  local unknown = text:match "^Unknown option '(.*)'%.$"
  local near = unknown and core.x.nearest(unknown, playbook.SWITCHES)
  if unknown and unknown:find "^%-[^-]$" then near = behind_one_dash(unknown) end
  local script = core.quoted(core.script.name)
  local hint = ("`p80 %s --help` shows what there is"):format(script)
  if unknown and BEFORE[unknown] then
    hint = ("%s goes before the script: p80 %s ... %s"):format(unknown, unknown, script)
  elseif unknown == "--version" then
    hint = ("`p80 --version` shows that of p80, `p80 help %s` that of the playbook"):format(script)
  elseif meant then
    hint = ("%s %s"):format(meant, hint)
  elseif near then
    hint = ("did you mean '%s'? %s"):format(near, hint)
  end
  core.fail(declared.name, core.code.P80_BAD_ARGUMENTS, text, hint)
end

local from_file = {file = true, bundled = true, installed = true}

--- p80.playbook(manifest) -> its arguments; or (nil, field, what, hint) when a field is what cannot cross. Grants come
-- from the manifest only when the script is a file: what is typed on the command line has only what --allow gives.
core.write("p80.playbook", function(manifest, field, other, hint)
  if field then
    core.fail(field, core.code.P80_BAD_MANIFEST,
      ("Text, a number, true or false, or a table of them expected, got %s."):format(other), hint)
  end
  if declared then
    core.fail("playbook", core.code.P80_BAD_MANIFEST, "p80.playbook is called once, before anything else.")
  end
  core.manifest.check(manifest)
  declared = manifest
  if core.script.kind == "help" then return end -- the host ends it here
  if from_file[core.script.kind] then
    if not host.model and (core.script.kind == "installed" or rawget(core, "admission")) then
      core.admission.grants(manifest.grants or {})
    end
    for i, grant in ipairs(manifest.grants or {}) do core.grants.add(("grants[%d]"):format(i), grant) end
  end
  core.manifest.check_windows(manifest)
  local args, problem = core.arguments.take(manifest, core.script.words or {})
  if not args then fail_words(problem) end
  given = args
  return args
end)

--- Runs a bundled or other script only as far as its manifest; returns that, or nil, why not, and the code of the
-- error. With `texts` the script and its modules are texts by path ("a/b.lua").
function playbook.manifest_of(script, texts)
  local before, script_before = declared, core.script
  declared, core.script = nil, {name = script, kind = "help"}
  local failed, problem = host.load_manifest(script, texts)
  local found = declared
  declared, core.script = before, script_before
  if found then return found end
  if failed == 0 then return nil, "it declares no manifest" end
  local refused = tostring(problem):match "^([%l._]+) .*%(P80_REFUSED%)"
  if refused then return nil, ("it declares no manifest before %s"):format(refused) end
  return nil, problem, failed
end

--- p80.report(value): what the run found, for --json.
core.write("p80.report", function(value) core.result.report(value) end)

--- p80.restart_needed(): a change takes effect at the next start of Windows.
core.write("p80.restart_needed", function() core.result.restart_needed() end)

--- p80.run() -> the number of this run in `p80 runs`, nil while it has changed nothing; whether some of it can be taken
-- back.
core.write("p80.run", function()
  local undoable = false
  for _, change in ipairs(core.gate.changes()) do undoable = undoable or change.undoable end
  if not core.gate.changes()[1] or not core.journal.current() then return nil, false end
  return core.journal.current(), undoable
end)

--- p80.log(level, text): a line for people. p80.log_file(path): what is said from now on is written there, too.
core.write("p80.log", function(level, text) core.log.say(level, text) end)
core.write("p80.log_file", function(path) core.log.open(path) end)

local function planned_or_go() return (core.checking or host.model) and "plan" or "go" end

--- As p80.ask for the file that `path` means; returns also the path by which it is to be opened.
core.write("p80.ask_file", function(path, op)
  core.about(op)
  core.open "file.write"
  local target = core.ask_file(path)
  core.result.note_ungated("file.write", target)
  return planned_or_go(), target
end)

--- Asks for a grant ("process.run", "file.write") on behalf of `op` of io, os or lfs. Returns "plan" in --check (do
-- nothing), else "go". `shown` is what the report of the run says.
core.write("p80.ask", function(kind, label, op, shown)
  core.about(op)
  core.grants.ask(kind, label)
  core.result.note_ungated(kind, shown)
  if host.model then host.model.refuse_program(kind, shown) end
  return planned_or_go()
end)

return playbook
