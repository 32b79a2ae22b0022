-- An installed playbook behind the gate. The previous version is kept, so that installing can be taken back.
local core = ...
local installed, data = core.installed, core.data

-- What is needed to put `want` in force again: the previous version, if that is the one.
local function kept(name, want)
  local previous = installed.previous(name)
  if previous and data.equal(installed.state_of(previous.files, previous.record), want) then return previous end
  core.fail(name, core.code.P80_NO_UNDO,
    ("Version %s is not kept any more: only the one before the present one is."):format(want.version),
    "install it again from where it came")
end

core.resource {
  kind = "install.playbook",
  whole = true,
  label = function(id) return id.name end,
  get = function(id) return installed.state(id.name) end,
  set = function(id, want, _, version)
    if not want then return installed.remove(id.name) end
    version = version or kept(id.name, want)
    installed.place(id.name, version.files, version.record)
  end,
}
