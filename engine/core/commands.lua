-- The commands about runs and playbooks: p80 runs, undo, list, help, show.
local core, host = ...
local code, data = core.code, core.data
local commands = {}

local function table_text(rows, columns) return host.lib "show".table(rows, columns, {width = host.width}) .. "\n" end

local function status(record)
  if record.unreadable then return "unreadable" end
  if record.taken_back_by and record.lasting == record.changed then return "cannot be taken back" end
  if record.taken_back_by then
    return ("taken back by %d%s"):format(record.taken_back_by,
      record.lasting and (" but for %d"):format(record.lasting) or "")
  end
  if not record.ended then return "unfinished" end
  return record.exit == 0 and "done" or ("exit %s"):format(record.exit)
end

--- p80 runs: what was changed here.
function commands.runs()
  local rows = data.array {}
  for i, record in ipairs(core.undo.history()) do
    local header = record.header or {}
    rows[i] = {
      run = record.run, started = header.started, script = header.script, changes = record.changed,
      status = status(record), undoes = header.undoes,
    }
  end
  if core.options.json then
    return data.document(rows, {"run", "started", "script", "changes", "status", "undoes"}) .. "\n"
  end
  if #rows == 0 then return "No run has changed anything here.\n" end
  return table_text(rows, {"run", "started", "script", "changes", "status"})
end

local OUTCOMES = {restored = "taken back", planned = "would be taken back", unchanged = "as it was already"}

local function undo_text(report)
  local rows = {}
  local has_reason = false
  for i, step in ipairs(report.steps) do
    has_reason = has_reason or (step.reason or "") ~= ""
    rows[i] = {
      kind = step.kind, what = step.label, outcome = OUTCOMES[step.outcome] or step.outcome, why = step.reason or "",
    }
  end
  if #rows == 0 then return ("Run %d changed nothing.\n"):format(report.run) end
  return ("Run %d, last step first:\n"):format(report.run)
    .. table_text(rows, {"kind", "what", "outcome", has_reason and "why" or nil})
end

-- Warns when a service of p80 that runs will do again what was taken back.
local function warn_of_services(run)
  local header = host.model and {} or core.journal.read(run).header
  if not header.script then return end
  host.chunk "service_ours"(core, host).each(function(record, parsed)
    local is_same = core.x.fold(parsed.script) == core.x.fold(header.script)
    if is_same and core.win.scm.get(record.name).state ~= "stopped" then
      core.result.warn(("the service %s runs %s, and may do it again; `p80 service remove %s` ends that"):format(
        record.name, parsed.script, record.name))
    end
  end, function() end)
end

--- p80 undo [RUN] [--force]: takes a run back.
function commands.undo(word)
  local run = word and math.tointeger(tonumber(word))
  if word and not run then core.check.bad("run", word, "the number of a run (`p80 runs` lists them)") end
  local report = core.undo.run(run, core.options.force)
  pcall(warn_of_services, report.run) -- which may be gone meanwhile
  core.result.report(report)
  local problem
  for _, step in ipairs(report.steps) do problem = problem or step.problem end
  local exit = report.failed > 0 and (problem and core.result.exit_for(problem) or 1) or nil
  return core.options.json and "" or undo_text(report), exit
end

local CATALOG = {"name", "origin", "version", "summary", "author", "license", "category", "grants", "signer", "trusted"}

-- Who signed a playbook, for people: his key may be trusted no more.
local function signer_of(found)
  return found.signer and found.trusted == false and found.signer .. " (not trusted)" or found.signer
end

--- p80 list: the bundled and installed playbooks.
function commands.list()
  local rows = core.catalog.list()
  if core.options.json then return data.document(rows, CATALOG) .. "\n" end
  for _, row in ipairs(rows) do row.summary, row.signer = row.problem or row.summary, signer_of(row) end
  return table_text(rows, {"name", "origin", "version", "category", "signer", "summary", "grants"})
end

local function reference()
  local sources = {}
  for _, name in ipairs(host.names "api") do sources[name] = host.source("api", name) end
  return host.lib "reference".open(sources)
end

--- The names about which there is help, but for playbooks and commands.
function commands.topics() return reference().names end

-- What somebody meant who asked for help about `name`, or nil.
local function meant_topic(topics, name)
  local names = core.catalog.names()
  table.move(host.commands, 1, #host.commands, #names + 1, names)
  for _, topic in ipairs(topics) do names[#names + 1] = name:find "^win%." and topic or topic:gsub("^win%.", "") end
  return core.x.nearest(name, names)
end

local PLAYBOOK = {
  "name", "origin", "version", "summary", "author", "license", "category", "grants", "signer",
  "trusted", "args", "option", "type",
}

-- What a playbook says of itself, for other programs.
local function declaration(m, found)
  local all = data.overlay(found or {origin = "file"}, m)
  all.category, all.grants, all.args = core.manifest.category(m), data.array(m.grants or {}), core.arguments.declared(m)
  return data.document(all, PLAYBOOK) .. "\n"
end

local function playbook_help(m, name)
  local found = core.catalog.find(name)
  if core.options.json then return declaration(m, found) end
  local signer = found and found.origin == "installed"
    and ("Installed; signed by %s.\n"):format(signer_of(found) or "nobody") or ""
  return core.arguments.help(m, not found and core.quoted(name) or nil) .. signer
end

local TOPIC = {"name", "signature", "text", "arguments", "returns", "errors", "rights", "changes", "windows", "see"}

-- A function of the reference, or the text about anything else, for other programs.
local function topic_document(topics, name, text)
  local f = topics.book.functions[name] or topics.book.functions["win." .. name]
  if not f then return data.document({name = name, text = text}, TOPIC) .. "\n" end
  local lib = host.lib "reference"
  return data.document({
    name = f.name, signature = lib.signature(f), text = f.text, arguments = data.array(lib.arguments(f)),
    returns = data.array(f.returns), errors = f.errors, rights = f.rights, changes = f.changes, windows = f.windows,
    see = f.see,
  }, TOPIC) .. "\n"
end

--- p80 help NAME: what a playbook does and takes, or a function, or which functions there are.
function commands.help(name)
  local topics = reference()
  local text = topics.help(name)
  if text then return core.options.json and topic_document(topics, name, text) or text .. "\n" end
  local m, why, failed = core.playbook.manifest_of(name)
  if m then return playbook_help(m, name) end
  core.about "help"
  why = tostring(why):gsub("(no playbook of this name);.*$", "%1")
  if why:sub(1, #name + 2) == name .. ": " then why = why:sub(#name + 3) end
  local meant = meant_topic(topics.names, name)
  local known = core.result.exit_for {code = failed} ~= 1 -- it ends as running it would
  core.fail(name, known and failed or code.ERROR_NOT_FOUND, ("There is no help for it: %s."):format(why),
    meant and ("did you mean '%s'?"):format(meant)
      or "`p80 list` lists the playbooks, `p80 help win` the functions; a file is named with its .lua")
end

--- p80 show NAME: the source of a bundled or installed playbook.
function commands.show(name)
  local found = core.catalog.find(name)
  if not found then
    local meant, hint = core.x.nearest(name, core.catalog.names()), "`p80 list` lists them"
    if meant then hint = ("did you mean '%s'?"):format(meant) end
    if data.contains(host.commands, name) or reference().help(name) then
      hint = ("`p80 help %s` explains that"):format(name)
    end
    core.fail(name, code.ERROR_NOT_FOUND, "There is no playbook of this name.", hint)
  end
  found.source = core.catalog.source(found)
  return core.options.json and data.document(found, CATALOG) .. "\n" or found.source
end

return commands
