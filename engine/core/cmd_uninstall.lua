-- p80 uninstall NAME.
local core, host = ...
local code, installed = core.code, core.installed

local function parser()
  local p = core.words.parser("uninstall",
    "Takes an installed playbook away. The version is kept; "
    .. "`p80 undo` or `p80 install --previous NAME` brings it back.")
  p:argument("name", "the playbook's name, as `p80 list` shows it")
  p:flag("-y --yes", "also when a service or a task of p80 runs it")
  return p
end

-- The services and tasks of p80 that run the playbook, in words: "service p80-web".
local function runners(name)
  local ours, found = host.chunk "service_ours"(core, host), {}
  local file = ("%s\\%s\\%s.lua"):format(installed.folder(), name, name):lower()
  local function add(kind, runner, script)
    script = script:lower()
    if script == name:lower() or script == file then found[#found + 1] = ("%s %s"):format(kind, runner) end
  end
  ours.each(function(record, parsed) add("service", record.name, parsed.script) end,
    function(task, parsed) add("task", task.path:match "[^\\]*$", parsed.script) end)
  table.sort(found)
  return found
end

-- Refuses what would leave services without their playbook.
local function check_runners(name)
  local found = runners(name)
  if not found[1] then return end
  core.fail(name, code.P80_REFUSED,
    ("It is run by the %s, and could not be then."):format(table.concat(found, " and the ")),
    ("`p80 service remove %s` first, or say --yes"):format(found[1]:match "%S+$"))
end

return function(...)
  local args, help = core.words.parse(parser(), {...})
  if not args then return help end
  installed.need_rights()
  local found = installed.find(args.name)
  if not found then
    core.fail(args.name, code.ERROR_NOT_FOUND, "No playbook of this name is installed.",
      "`p80 list` shows what there is")
  end
  if not args.yes then check_runners(found.name or args.name) end
  core.grants.add("uninstall", "install.playbook:" .. args.name)
  core.change("install.playbook", {name = args.name}, nil)
  core.result.report {name = args.name, version = found.version}
  return ""
end
