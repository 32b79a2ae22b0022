-- What the manifest of a playbook says, compared with what the playbook and its modules use: adds to `Unit` (lint.lua).
local core, values, Unit = ...
local value_of, constant, field = values.value_of, values.constant, values.field
local meant, names_of, is_alias = values.meant, values.names_of, values.is_alias
local needs_of = core.host.chunk "lint_grants"(core, values)

-- ---- The manifest ----

-- The node that a field such as "args.port.default" or "grants[2]" of the manifest is about.
local function node_of(manifest, path)
  local node = manifest
  for step in path:gmatch "[%w_]+" do
    local value = node.tag == "Table" and (math.tointeger(tonumber(step)) and node[tonumber(step)] or field(node, step))
    if not value then break end
    node = value
  end
  return node
end

local SOUND <const> = {name = "x", version = "1.0.0", summary = "x"}

-- The constant fields of a manifest, divided so that each part can be wrong by itself: {value=, index= of its grant}.
local function parts_of(manifest)
  local whole, parts = {}, {}
  local function add(node, wrapped, index)
    local value, is_known = values.literal(node)
    if is_known and value ~= nil then
      parts[#parts + 1] = {value = core.data.overlay(SOUND, wrapped(value)), index = index}
    end
  end
  for _, item in ipairs(manifest) do
    local key = item.tag == "Pair" and constant(item[1])
    local node = key and value_of(item[2])
    if node and node.tag == "Table" and (key == "args" or key == "grants") then
      for i, one in ipairs(node) do
        local name = key == "grants" and 1 or one.tag == "Pair" and constant(one[1])
        if name then
          add(one.tag == "Pair" and one[2] or one, function(value) return {[key] = {[name] = value}} end, i)
        end
      end
    elseif key then
      local value, is_known = values.literal(node)
      if is_known then whole[key] = value else whole[key] = SOUND[key] end
    end
  end
  parts[#parts + 1] = {value = whole}
  return parts
end

--- The part of the manifest that a field is in: "args.port" of "args.port.default".
function Unit.place_in_manifest(path)
  path = path:gsub("^playbook%.", "")
  return path:match "^args%.[^.]+" or path:match "^%w*"
end

-- Reports what p80.playbook would refuse and the types have not told already.
function Unit:check_part(manifest, part)
  local ok, fault = pcall(core.manifest.check, part.value)
  if ok or type(fault) ~= "table" then return end
  local target = (fault.target or ""):gsub("^grants%[1%]", ("grants[%d]"):format(part.index or 1))
  if self.faulty[self.place_in_manifest(target)] then return end
  self:report(node_of(manifest, target), "manifest", ("%s: %s"):format(target, fault.message), fault.hint)
end

-- Who installs or signs a playbook agrees to the grants that it had then.
function Unit:report_unknown(node)
  self:report(node, "grant", "The grants of the manifest are not constants.",
    "write out all that it may ever need: others are refused")
end

function Unit:check_manifest_call(call)
  if self.manifest then return self:report(call, "manifest", "p80.playbook is called once.", "take this one out") end
  if not call[2] then
    return self:report(call, "manifest", "p80.playbook takes a table.", "`p80 help p80.manifest` lists its fields")
  end
  self.manifest, self.manifest_call = value_of(call[2]), call
  if self.manifest.tag ~= "Table" then return self:report_unknown(call[2]) end
  for _, part in ipairs(parts_of(self.manifest)) do self:check_part(self.manifest, part) end
end

function Unit:check_manifest()
  for _, call in ipairs(self.names.calls) do
    if call.tag == "Call" and self:meaning(call[1]) == "p80.playbook" then self:check_manifest_call(call) end
  end
end

-- ---- Arguments of the playbook ----

function Unit:find_uses()
  local uses = self.uses
  for _, list in ipairs {self.names.ids, self.names.indexes} do
    for _, node in ipairs(list) do
      local path = self:meaning(node)
      local named = node.is_base and node.base_of and node.base_of[2].tag == "String"
      if path and not named and not is_alias(node) and not node.is_target then uses.whole[path] = true end
    end
  end
  for _, index in ipairs(self.names.indexes) do
    if index[2].tag == "String" and self:meaning(index[1]) == "p80.args" then
      uses.args[#uses.args + 1] = {unit = self, node = index[2], is_target = index.is_target}
    end
  end
end

function Unit:check_args(uses)
  local args = field(self.manifest, "args")
  if args and args.tag ~= "Table" then return end
  local declared, used = {}, {}
  for _, item in ipairs(args or {}) do
    local name = item.tag == "Pair" and constant(item[1])
    if not name then return end
    declared[name] = item[1]
  end
  for _, use in ipairs(uses.args) do
    local name = use.node[1]
    used[name] = true
    if use.is_target then declared[name] = declared[name] or false end
  end
  for _, use in ipairs(uses.args) do
    local name = use.node[1]
    if declared[name] == nil then
      use.unit:report(use.node, "argument", ("The manifest declares no argument '%s'."):format(name),
        meant(name, names_of(declared)) or ("add '%s' to its args"):format(name))
      used[core.x.nearest(name, names_of(declared)) or name] = true
    end
  end
  if uses.whole["p80.args"] or uses.is_dynamic then return end
  for name, node in pairs(declared) do
    if node and not used[name] then
      self:report(node, "argument", ("The argument '%s' is never used."):format(name), "take it out of args")
    end
  end
end

-- ---- Grants ----

-- What a key of the registry is known by: its name, or the local that holds it.
local function identity(node)
  local name = constant(node)
  return type(name) == "string" and core.x.fold(name) or node.var
end

local ASKS_FOR_KEY = {
  ["win.reg.exists"] = true, ["win.reg.info"] = true, ["win.reg.keys"] = true, ["win.reg.values"] = true,
}

function Unit:find_grants()
  local calls = {}
  for _, call in ipairs(self.names.calls) do
    local path, first = self:called(call)
    if call.tag == "Call" and path then calls[first == 2 and call[1] or call[2]] = {call, first} end
    if ASKS_FOR_KEY[path] and call[first] then self.asked[identity(call[first]) or "any"] = true end
  end
  for _, list in ipairs {self.names.ids, self.names.indexes} do
    for _, node in ipairs(list) do
      local path, how = self:meaning(node), calls[node] or {}
      local needs = path and not node.is_target and not is_alias(node)
        and needs_of(path, how[1], how[2], self.book) or {}
      for _, need in ipairs(needs) do
        need.unit, need.node, need.path, need.call = self, node, path, how[1]
        self.uses.grants[#self.uses.grants + 1] = need
      end
    end
  end
end

-- Whether the script looks for itself whether a key is there that a call would create.
function Unit:has_asked_for(key)
  local id = identity(key)
  return self.asked.any or id and self.asked[id] or not id and next(self.asked) ~= nil
end

local function covers(grant, kind, label)
  return kind:find(grant.kind) ~= nil and (label == nil or core.x.fold(label):find(grant.label) ~= nil)
end

-- Whether one of the grants covers one of `kinds` for its label. Marks the grants that do.
local function is_granted(grants, kinds, labels)
  local granted = false
  for _, kind in ipairs(kinds) do
    for _, grant in ipairs(grants) do
      if covers(grant, kind, labels[kind]) then granted, grant.is_used = true, true end
    end
  end
  return granted
end

-- The grants of the manifest: {kind=, label=, text=, node=}; nil when not all of them can be told.
function Unit:declared_grants()
  local list = field(self.manifest, "grants")
  local grants = {}
  if list and list.tag ~= "Table" then return self:report_unknown(list) end
  for _, item in ipairs(list or {}) do
    local text = item.tag == "Pair" and item or constant(item)
    if text == nil then return self:report_unknown(item) end
    local ok, grant = pcall(core.grants.parse, "grants", text)
    if not ok then return nil end
    grants[#grants + 1] = {kind = grant.kind, label = grant.label, text = text, node = item}
  end
  return grants
end

-- Whether there is a grant for other things than the one of this name.
local function covers_others(grants, use)
  local kind = use.kinds[1]
  for _, grant in ipairs(grants) do
    if kind:find(grant.kind) and core.x.fold(grant.text) ~= core.x.fold(("%s:%s"):format(kind, use.beside)) then
      return true
    end
  end
  return false
end

local function grant_text(kind, label) return label and ("%s:%s"):format(kind, label) or kind end

-- Whether functions of a kind may be reached in ways that were not followed, such as win.scm[name].
local function may_be_reached(uses, grant)
  if uses.is_dynamic or uses.whole.win then return true end
  for path in pairs(uses.whole) do
    local subject = path:match "^win%.(%l+)"
    for _, kind in ipairs(subject and core.kinds[subject] or {}) do
      if uses.tables[path] and kind:find(grant.kind) then return true end
    end
  end
  return false
end

-- The first of the keys that a use may create for which there is no grant, or nil. Marks the grants for the others.
local function ungranted_key(grants, use)
  is_granted(grants, use.kinds, use.labels)
  for _, key in ipairs(use.levels) do
    if not is_granted(grants, use.kinds, {["reg.key"] = key}) then return key end
  end
end

-- Reports a key without a grant once for each file.
local function report_key(use, key)
  local unit, what = use.unit, key or "any"
  if unit.told[what] or use.if_missing and unit:has_asked_for(use.if_missing) then return end
  unit.told[what] = true
  unit:report(use.node, "grant",
    ("%s needs the grant '%s', too, when that key is missing."):format(use.path, grant_text("reg.key", key)),
    "add it to the manifest's grants" .. (use.if_missing and ", or ask win.reg.exists first" or ""))
end

-- Whether a call stands before the manifest that would give it its grant.
function Unit:is_early(use)
  local call, first = use.call, self.manifest_call
  if use.unit ~= self or not call or call.depth > 0 or first.depth > 0 then return false end
  return call.line < first.line or call.line == first.line and call.offset < first.offset
end

function Unit:check_use(grants, use)
  if self:is_early(use) and use.is_sure then
    self:report(use.node, "grant", ("%s comes before p80.playbook, which gives it its grant."):format(use.path),
      "call p80.playbook first")
  end
  if use.levels then
    local key = ungranted_key(grants, use)
    if key then report_key(use, key) end
  elseif use.beside then
    if is_granted(grants, use.kinds, {[use.kinds[1]] = use.beside}) and not covers_others(grants, use) then
      use.unit:report(use.node, "grant",
        ("%s with dependents stops other services, too, for which there is no grant."):format(use.path),
        "name them in the manifest's grants, or take dependents out")
    end
  elseif not is_granted(grants, use.kinds, use.labels) and use.is_sure then
    if use.if_missing then return report_key(use) end
    local kind = use.kinds[1]
    use.unit:report(use.node, "grant",
      ("%s needs the grant '%s'."):format(use.path, grant_text(kind, use.labels[kind])),
      "add it to the manifest's grants")
  end
end

-- What the pattern of a grant would have to begin with, when it fits nothing as it stands; else nil.
local function wrong_start(kind, pattern)
  if not pattern or pattern:find "^[*(]" then return nil end -- "(temporary file)"
  if kind:find "^reg%." and not pattern:find [[^\\]] and not pattern:find "^HK%u%u?%f[\\*\0]" then
    return [[HKLM, HKCU, HKCR, HKU or HKCC, as in reg.value:HKLM\SOFTWARE\Contoso\*]]
  end
  local is_path = kind == "process.run" or kind == "file.write"
  if is_path and (not pattern:find [[^%a:\]] and not pattern:find [[^\\]] or pattern:find "/") then
    return kind == "process.run" and [[the whole path, as in process.run:*\netsh.exe]]
      or [[the whole path, as in file.write:C:\Temp\*]]
  end
end

-- Reports grants of which no change has a name that they fit.
function Unit:check_patterns(grants)
  for _, grant in ipairs(grants) do
    local kind, pattern = grant.text:match "^([^:]+):(.+)$"
    local start = kind and wrong_start(kind, pattern)
    if start then
      self:report(grant.node, "grant", ("The grant '%s' fits nothing."):format(grant.text),
        "its pattern begins with " .. start)
      grant.is_used = true
    end
  end
end

function Unit:check_grants(uses)
  local grants = self:declared_grants()
  if not grants then return end
  self:check_patterns(grants)
  for _, use in ipairs(uses.grants) do self:check_use(grants, use) end
  for _, grant in ipairs(grants) do
    if not grant.is_used and not may_be_reached(uses, grant) then
      self:report(grant.node, "grant", ("The grant '%s' is never used."):format(grant.text), "take it out of grants")
    end
  end
end

-- A script without manifest that is no module: it has only what --allow gives.
function Unit:check_ungranted()
  local use
  for _, other in ipairs(self.uses.grants) do
    if other.is_sure then use = use or other end
  end
  if not use then return end
  local kind = use.kinds[1]
  self:report(use.node, "grant", ("%s needs the grant '%s', and this script has no manifest."):format(use.path, kind),
    "call p80.playbook with its grants first, or run it with --allow " .. kind)
end
