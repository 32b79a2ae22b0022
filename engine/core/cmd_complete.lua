-- p80 complete N -- WORDS...: what the N-th of the words of a command line may be, one a line; for shells. With
-- --powershell the function that makes PowerShell ask it.
local core, host = ...

local POWERSHELL = [[
Register-ArgumentCompleter -Native -CommandName p80, p80.exe -ScriptBlock {
  param($word, $line, $cursor)
  $words = @($line.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString().Trim('"') })
  $at = $words.Count
  if ($word -ne '') { $at = $at - 1 }
  & p80 complete $at -- @words | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
]]

local HELP = [[
Usage: p80 complete N -- WORDS...
       p80 complete --powershell

Prints what the N-th of the words of a command line may be, counted from 0, one a line. With --powershell it
prints what makes PowerShell ask for that; in your profile ($PROFILE):

  p80 complete --powershell | Out-String | Invoke-Expression
]]

-- The place of the first word that is no option of p80: a command or a script.
local function place_of_script(words)
  local i = 1
  while words[i] and words[i]:find "^%-" do
    i = i + (core.playbook.takes_value(words[i]) and 2 or 1)
  end
  return i
end

local function names()
  local list = core.catalog.names()
  return table.move(host.commands, 1, #host.commands, #list + 1, list)
end

-- The values that an argument may have, or nil where nobody can list them.
local function values_of(arg)
  local kind = arg.type == "list" and arg.of or arg.type
  if kind == "enum" then return arg.values end
  if kind ~= "service" then return {} end
  local list = {}
  for i, service in ipairs(core.win.scm.list()) do list[i] = service.name end
  return list
end

-- What may stand behind the words of a script.
local function for_script(script, before)
  local m = core.playbook.manifest_of(script)
  if not m then return {} end
  local options = {"--args-file", table.unpack(core.playbook.SWITCHES)}
  for name, arg in pairs(m.args or {}) do
    local option = core.arguments.option(name)
    if before == option and arg.type ~= "flag" then return values_of(arg) end
    if arg.type ~= "secret" then options[#options + 1] = option end
  end
  return before == "--args-file" and {} or options
end

-- What may stand behind a command, for those of which that is known: `rest` are the words behind it, up to the one
-- that is asked for.
local BEHIND = {show = core.catalog.names}

function BEHIND.help()
  local list = names()
  for _, topic in ipairs(core.commands.topics()) do list[#list + 1] = topic end
  return list
end

function BEHIND.undo()
  local runs = {}
  for i, record in ipairs(core.undo.history()) do runs[i] = tostring(record.run) end
  return runs
end

function BEHIND.uninstall()
  local installed = {}
  for i, record in ipairs(core.installed.list()) do installed[i] = record.name end
  return installed
end

function BEHIND.service(rest)
  if #rest == 0 then return {"install", "status", "remove"} end
  if rest[1] ~= "install" then return {} end
  return #rest == 1 and core.catalog.names() or for_script(rest[2], rest[#rest])
end

-- The values of p80's own options that can be listed.
local OF_OPTION = {["--allow"] = core.grants.kinds(), ["--report"] = {"ansible", "salt", "bolt", "intune", "dsc"}}

local function candidates(words, at)
  local script, before = place_of_script(words), words[at - 1]
  local is_option = (words[at] or ""):find "^%-"
  if at < script then return OF_OPTION[before] or is_option and host.option_words or {} end
  if at == script then return is_option and host.option_words or names() end
  local behind = BEHIND[words[script]]
  if behind then return behind(table.move(words, script + 1, at - 1, 1, {})) end
  if core.data.contains(host.commands, words[script]) then return {} end
  return for_script(words[script], before)
end

return function(first, ...)
  if first == "--powershell" then return POWERSHELL end
  local at, words = math.tointeger(tonumber(first)), {...}
  if first == "--help" and core.options.json then
    return core.data.document({name = "complete", text = HELP}, {"name"}) .. "\n"
  end
  if not at or at < 0 then return HELP, first ~= "--help" and 2 or nil end
  local begun, found = (words[at + 1] or ""):lower(), {}
  for _, word in ipairs(candidates(words, at + 1)) do
    if word:lower():sub(1, #begun) == begun then found[#found + 1] = word .. "\n" end
  end
  table.sort(found)
  return table.concat(found)
end
