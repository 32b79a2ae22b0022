-- win.iis behind the gate: the bindings of sites, and whether a site runs.
local core = ...
local check, code, gate = core.check, core.code, core.gate
local raw = core.win.iis

local PROTOCOLS = {"http", "https"}
local LONGEST_HOST = 253

-- Where a site in a state that does not last is going.
local DESTINATION = {starting = "started", stopping = "stopped", pausing = "paused", continuing = "started"}
local function settled(state) return DESTINATION[state] or state end

-- ---- Sites ----

local function label(id) return id.name end

-- The site with this name or number as IIS has it; raises when there is none.
local function existing(site)
  if math.type(site) ~= "integer" and (type(site) ~= "string" or site == "") then
    check.bad("site", site, "the name or the number of a site")
  end
  if type(site) == "string" then check.text("site", site) end
  local row = core.ask(raw.get, site)
  if row then return row, {name = row.name, id = row.id} end
  local names = {}
  for i, known in ipairs(raw.sites()) do names[i] = known.name end
  core.fail(tostring(site), code.ERROR_NOT_FOUND, "IIS has no such site.",
    #names > 0 and "the sites are '" .. table.concat(names, "', '") .. "'" or "IIS has no site at all")
end

-- ---- iis.binding: the bindings of a site ----

local function to_text(binding) return ("%s %s"):format(binding.protocol, binding.binding) end

core.resource {
  kind = "iis.binding",
  part_of = "site",
  label = label,
  get = function(id)
    local site = raw.get(id.id)
    if not site or site.name ~= id.name then return nil end
    local bindings = {}
    for i, binding in ipairs(site.bindings) do bindings[i] = to_text(binding) end
    return {bindings = bindings}
  end,
  set = function(id, want, have)
    if #want.bindings ~= #(have and have.bindings or {}) then
      core.fail(id.name, code.P80_CONFLICT, "The site has other bindings by now.")
    end
    for i, to in ipairs(want.bindings) do
      local from = have.bindings[i]
      local protocol, text = from:match "^(%S+) (.*)$"
      if to ~= from then raw.move(id.id, id.name, protocol, text, to:match "^%S+ (.*)$") end
    end
  end,
}

-- Raises when another binding of IIS is the same already.
local function refuse_taken(text, site)
  for _, other in ipairs(raw.sites()) do
    local state = gate.state("iis.binding", {name = other.name, id = other.id})
    for _, known in ipairs(state and state.bindings or {}) do
      if known:lower() == text:lower() then
        core.fail(site, code.ERROR_ALREADY_EXISTS,
          ("The site '%s' has this binding already: %s."):format(other.name, text))
      end
    end
  end
end

-- The place of a binding in a list, or nil.
local function find(bindings, text)
  for i, known in ipairs(bindings) do
    if known:lower() == text:lower() then return i end
  end
end

-- "http", "*", "www.example.com" and the text of a binding that moves; `protocol` may be nil.
local function check_binding(binding, protocol)
  check.text("binding", binding)
  local address, port, host = binding:match "^(.+):(%d+):([^:]*)$"
  if not port or tonumber(port) < 1 or tonumber(port) > 65535 or #host > LONGEST_HOST then
    check.bad("binding", binding, 'a binding like "*:80:" or "*:80:www.example.com"')
  end
  if protocol ~= nil then check.one_of("protocol", protocol, PROTOCOLS) end
  return address, host
end

-- The protocol of the site's binding with this text, or with the text that it would have.
local function protocol_of(bindings, from, to)
  for _, text in ipairs {from, to} do
    for _, protocol in ipairs(PROTOCOLS) do
      if find(bindings, protocol .. " " .. text) then return protocol end
    end
  end
end

core.write("iis.move", function(...)
  check.arguments(select("#", ...), 3, 4)
  local site, binding, port, options = ...
  options = check.options(options, {"protocol"})
  local address, host = check_binding(binding, options.protocol)
  check.port("port", port)
  local row, id = existing(site)
  local have = gate.state("iis.binding", id).bindings
  local to = ("%s:%d:%s"):format(address, port, host)
  local protocol = options.protocol or protocol_of(have, binding, to) or "http"
  local place = find(have, protocol .. " " .. binding)
  to = protocol .. " " .. to
  if not place and find(have, to) then return false end
  if not place then
    core.fail(row.name, code.ERROR_NOT_FOUND, ("The site has no binding '%s %s'."):format(protocol, binding),
      "its bindings are '" .. table.concat(have, "', '") .. "'")
  end
  if have[place]:lower() == to:lower() then return false end
  refuse_taken(to, row.name)
  local want = table.move(have, 1, #have, 1, {})
  want[place] = to
  return core.change("iis.binding", id, {bindings = want})
end)

-- ---- iis.site: whether it runs ----

-- What a site that does not get there says.
local function stuck(site)
  if not site then return "the site is gone" end
  local own = site.error and (", and IIS gives error %d for it"):format(site.error) or ""
  return ("it is %s%s"):format(site.state, own)
end

-- Waits until a site is in that state; IIS has only been told so far.
local function await(id, state, timeout)
  local deadline, pause = core.x.clock() + timeout, 0.05
  while true do
    local site = raw.get(id.id)
    if site and site.state == state then return end
    if not site or core.x.clock() >= deadline then core.fail(id.name, code.ERROR_TIMEOUT, nil, stuck(site)) end
    core.x.sleep(math.min(pause, math.max(0, deadline - core.x.clock())))
    pause = math.min(pause * 2, 1)
  end
end

core.resource {
  kind = "iis.site",
  part_of = "site",
  label = label,
  get = function(id)
    local site = raw.get(id.id)
    if not site or site.name ~= id.name then return nil end
    if site.state == "unknown" then
      core.fail(id.name, code.ERROR_SERVICE_NOT_ACTIVE, "IIS cannot say whether the site runs.", "does W3SVC run?")
    end
    return {state = site.state}
  end,
  set = function(id, want, have, options)
    local state = settled(want.state)
    if state ~= "started" and state ~= "stopped" then core.fail(id.name, code.ERROR_NOT_SUPPORTED) end
    if settled(have.state) ~= state then (state == "started" and raw.start or raw.stop)(id.id, id.name) end
    await(id, state, options and options.timeout or core.timeout)
  end,
  same = function(have, want)
    if have == nil or want == nil then return have == want end
    return settled(have.state) == settled(want.state)
  end,
}

local function control(name, state)
  core.write(name, function(...)
    check.arguments(select("#", ...), 1, 2)
    local site, options = ...
    options = check.options(options, {"timeout"})
    local timeout = check.opt_seconds("timeout", options.timeout, core.timeout)
    local _, id = existing(site)
    return core.change("iis.site", id, {state = state}, {timeout = timeout})
  end)
end

control("iis.start", "started")
control("iis.stop", "stopped")

-- ---- What --check has planned ----

local function parse(binding, text)
  binding.protocol, binding.binding = text:match "^(%S+) (.*)$"
  binding.port = math.tointeger(tonumber(binding.binding:match ":(%d+):[^:]*$"))
end

local function lay_over(planned, site)
  local id = {name = site.name, id = site.id}
  local is_planned, state = planned("iis.site", id)
  if is_planned then site.state = state.state end
  is_planned, state = planned("iis.binding", id)
  for i, text in ipairs(is_planned and state.bindings or {}) do parse(site.bindings[i], text) end
  return site
end

core.view("iis.get", function(planned, site) return site and lay_over(planned, site) end)

core.view("iis.sites", function(planned, sites)
  for _, site in ipairs(sites) do lay_over(planned, site) end
  return sites
end)

core.view("iis.bindings", function(planned)
  local rows = {}
  for _, site in ipairs(raw.sites()) do
    for _, binding in ipairs(lay_over(planned, site).bindings) do
      binding.site, binding.id = site.name, site.id
      rows[#rows + 1] = binding
    end
  end
  return rows
end)
