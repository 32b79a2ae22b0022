-- What a run ends with: its exit code, one JSON document, or lines for people.
local core, host = ...
local code, data = core.code, core.data
local result = {}

local reported, restart
local ungated = {} -- {kind=, label=}: granted writes of io, os and lfs
local warnings = {}

function result.report(value)
  if not data.is_document(value) then
    core.check.bad("value", value, "plain data with text or numbers as keys, as JSON has it,")
  end
  reported = value
end

function result.restart_needed() restart = true end
function result.note_ungated(kind, label) ungated[#ungated + 1] = {kind = kind, label = label, undoable = false} end

--- Says something about a change that succeeded, for the end of the run.
function result.warn(text)
  if not data.contains(warnings, text) then warnings[#warnings + 1] = text end
end

local EXIT_FOR = {
  [code.P80_REFUSED] = 4,
  [code.P80_BAD_SIGNATURE] = 4,
  [code.P80_UNPROTECTED] = 4,
  [code.P80_BAD_POLICY] = 4,
  [code.ERROR_ACCESS_DENIED] = 5,
  [code.ERROR_PRIVILEGE_NOT_HELD] = 5,
  [code.WAIT_TIMEOUT] = 6,
  [code.ERROR_TIMEOUT] = 6,
  [code.ERROR_SERVICE_REQUEST_TIMEOUT] = 6,
  [code.P80_OTHER_RUN] = 6,
  [code.P80_BAD_MANIFEST] = 2,
  [code.P80_TOO_OLD] = 2,
  [code.P80_BAD_ARGUMENTS] = 2,
  [code.P80_BAD_PACKAGE] = 2,
}

--- The exit code for an error that nobody caught.
function result.exit_for(problem)
  local number = type(problem) == "table" and math.tointeger(problem.code)
  return number and EXIT_FOR[number] or 1
end

local LONGEST_SHOWN = 200

local function escape(byte) return ("\\x%02X"):format(byte:byte()) end

--- Text for people without what would act upon a terminal.
function result.plain(text)
  return (text:gsub("[\0-\8\11-\31\x7F]", escape):gsub("\xC2[\x80-\x9F]", function(c) return c:gsub(".", escape) end))
end

-- One scalar or small state for people: on one line, without what a terminal could not show, long ones cut.
local function show_value(value)
  if value == "" then return '""' end
  local text = type(value) == "table" and core.data.encode(value) or tostring(value)
  local cut = #text > LONGEST_SHOWN
  if cut then text = text:sub(1, utf8.offset(text, 0, LONGEST_SHOWN + 1) - 1) end
  text = text:gsub("[%c\x7F]", escape)
  if not utf8.len(text) then text = text:gsub("[\x80-\xFF]", escape) end
  return cut and text .. "..." or text
end

local function sorted_keys(...)
  local seen, keys = {}, {}
  for _, state in ipairs {...} do
    for key in pairs(state) do
      if not seen[key] then
        seen[key] = true
        keys[#keys + 1] = tostring(key)
      end
    end
  end
  table.sort(keys)
  return keys
end

--- "state: running -> stopped", the fields in which two states differ.
function result.difference(before, after)
  if before == nil and after == nil then return "" end
  if type(before or {}) ~= "table" or type(after or {}) ~= "table" then
    return ("%s -> %s"):format(show_value(before), show_value(after))
  end
  if after == nil then return "removed" end
  local parts = {}
  for _, key in ipairs(sorted_keys(before or {}, after)) do
    local old = before and before[key]
    if not data.equal(old, after[key]) then
      parts[#parts + 1] = before and old ~= nil
          and ("%s: %s -> %s"):format(key, show_value(old), show_value(after[key]))
        or ("%s: %s"):format(key, show_value(after[key]))
    end
  end
  local text = table.concat(parts, ", ")
  return before and text or "created" .. (text ~= "" and " (" .. text .. ")" or "")
end

local function all_changes()
  local all = {}
  for _, change in ipairs(core.gate.changes()) do all[#all + 1] = change end
  for _, change in ipairs(ungated) do all[#all + 1] = change end
  return all
end

local function plural(n, one, many) return ("%d %s"):format(n, n == 1 and one or many) end

--- One line about a change: "scm.state W3SVC: state: running -> stopped".
function result.describe(change)
  local difference = result.difference(change.before, change.after)
  return ("%s %s%s%s"):format(change.kind, change.label:gsub("[%c\x7F]", escape),
    difference ~= "" and ": " or "", difference)
end

-- What --check prints; of a run that failed, what it had planned by then.
local function plan_text(changes, failed)
  if #changes == 0 then return failed and "" or "--check: nothing would change.\n" end
  local lines = {("--check: %s would be made%s:"):format(plural(#changes, "change", "changes"),
    failed and " before it fails" or "")}
  for _, change in ipairs(changes) do
    lines[#lines + 1] = "  " .. result.describe(change)
  end
  return table.concat(lines, "\n") .. "\n"
end

-- Kinds of changes that are no state which may hold already: no run is expected to make one.
local OCCASIONAL <const> = {["file.write"] = true, ["process.run"] = true, ["event.entry"] = true}

-- Whether changes were to be expected of a run that made none.
local function had_to_look()
  if core.script.kind == "repl" then return false end
  local manifest = core.playbook.manifest()
  for _, grant in ipairs(manifest and manifest.grants or {}) do
    if not OCCASIONAL[grant:match "^[^:]+"] then return true end
  end
  return core.has_held
end

local function summary_text(run, changes, failed)
  if #changes == 0 then return not failed and had_to_look() and "p80: nothing had to change.\n" or "" end
  local lasting = 0
  for _, change in ipairs(changes) do
    if not change.undoable then lasting = lasting + 1 end
  end
  local text = ("p80: %s%s"):format(plural(#changes, "change", "changes"),
    host.model and " on the modelled machine" or "")
  if run then text = text .. (" (run %d)"):format(run) end
  if run and lasting < #changes then
    text = text .. ("; `p80 undo %d` takes back what can be taken back"):format(run)
  end
  if lasting > 0 then text = text .. ("; %d cannot be taken back"):format(lasting) end
  return text .. ".\n"
end

-- Whether an error is one that the script meant to end with: error(text, 0), which says nowhere where it was raised.
local function is_meant(problem) return type(problem) == "string" and not problem:find "^[^\n]-:%d+: " end

-- Where to look for what was meant by a function that there is not.
local function advice_on(problem)
  if type(problem) ~= "string" or not problem:find "attempt to call a nil value %(%a+ '[%a_][%w_]*'%)" then
    return ""
  end
  local path = core.script.path
  return path and ('p80: `p80 lint "%s"` says what may be meant\n'):format(path)
    or "p80: `p80 help win` says what there is\n"
end

local function error_text(problem, traceback)
  local text = ("p80: %s\n"):format(tostring(problem))
  if is_meant(problem) and not core.options.verbose then return text end
  return (traceback and traceback ~= "" and text .. traceback .. "\n" or text) .. advice_on(problem)
end

local DOCUMENT = {"p80", "script", "check", "run", "exit", "failed", "changed", "restart_needed", "changes", "warnings",
  "result", "error", "op", "target", "code", "name", "message", "hint", "traceback", "kind", "label", "before", "after"}

local function error_record(problem, traceback)
  if problem == nil then return nil end
  local record = {message = tostring(problem), traceback = traceback}
  if type(problem) == "table" then
    for _, key in ipairs {"op", "target", "code", "name", "message", "hint"} do record[key] = problem[key] end
  end
  return record
end

-- Whether a script ended by raising what it had caught: then the traceback tells nothing of where that arose.
local function is_handed_on(traceback)
  return (traceback or ""):find "^stack traceback:\n\t%[C%]: in function 'error'\n\t[^\n]*: in main chunk\n" ~= nil
end

local last -- the record of the run that has ended

--- What the run ended with, as --json has it.
function result.last() return last end

local function is_success(exit, changes)
  return exit == 0 or exit == 3010 or exit == 3 and core.checking and #changes > 0
end

local function record_of(run, exit, changes, problem, traceback)
  local rows = data.array {}
  for i, change in ipairs(changes) do
    rows[i] = {kind = change.kind, label = change.label, before = change.before, after = change.after,
      undoable = change.undoable, error = change.error and tostring(change.error)}
  end
  return {
    p80 = host.version, script = core.script.name, check = core.checking or false, run = run, exit = exit,
    failed = problem ~= nil or not is_success(exit, changes), changed = #changes, restart_needed = restart or false,
    changes = rows, warnings = warnings[1] and data.array(warnings), result = reported,
    error = error_record(problem, traceback),
  }
end

--- Ends the run: `exit` when the script asked for a code, `problem` and `traceback` when it failed. Returns what goes
-- to standard output and standard error, and the exit code.
function result.finish(exit, problem, traceback)
  local masked = core.secrets.masked
  local changes = masked(all_changes())
  problem, traceback, reported, warnings = masked(problem), masked(traceback), masked(reported), masked(warnings)
  if not exit then
    exit = problem ~= nil and result.exit_for(problem) or core.checking and #changes > 0 and 3 or restart and 3010 or 0
  end
  local kind = result.exit_for(problem) -- what is refused is no fault of a line
  local is_short = kind == 2 or kind == 4 and not (core.options.verbose or core.options.json)
  if is_short or type(problem) == "table" and is_handed_on(traceback) then traceback = nil end
  local run = core.journal.current()
  local ok, broken = pcall(core.journal.finish, exit, #changes)
  if not ok and problem == nil then problem, exit = broken, exit == 0 and 1 or exit end
  last = record_of(run, exit, changes, problem, traceback)
  local out, err = "", problem ~= nil and error_text(problem, traceback) or ""
  for _, text in ipairs(not core.options.quiet and warnings or {}) do
    err = err .. ("p80: warning: %s\n"):format(text)
  end
  if core.options.report then
    return core.report_shapes(core.options.report, last, problem, err)
  elseif core.options.json then
    out = data.document(last, DOCUMENT) .. "\n"
  elseif core.checking then
    out = plan_text(changes, problem ~= nil)
  elseif not core.options.quiet then
    err = err .. summary_text(run, changes, exit ~= 0)
  end
  return core.options.json and out or result.plain(out), result.plain(err), exit
end

return result
