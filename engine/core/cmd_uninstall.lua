-- p80 uninstall NAME.
local core = ...
local code, installed = core.code, core.installed

local function parser()
  local p = core.words.parser("uninstall",
    "Takes an installed playbook away. The version is kept; `p80 undo` or `p80 install --previous NAME` brings it back.")
  p:argument("name", "the playbook's name, as `p80 list` shows it")
  return p
end

return function(...)
  local args, help = core.words.parse(parser(), {...})
  if not args then return help end
  installed.need_rights()
  local found = installed.find(args.name)
  if not found then
    core.fail(args.name, code.ERROR_NOT_FOUND, "No playbook of this name is installed.", "`p80 list` shows what there is")
  end
  core.grants.add("uninstall", "install.playbook:" .. args.name)
  core.change("install.playbook", {name = args.name}, nil)
  core.result.report {name = args.name, version = found.version}
  return ""
end
