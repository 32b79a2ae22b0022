-- The core (engine/core) in this Lua state, with journals in memory and a kind of thing that lives in a Lua table.
local fakecore = {}

local compiled = {}
local function chunk(name)
  compiled[name] = compiled[name] or test.bundled("core", name)
  return compiled[name]
end

for _, name in ipairs {"codes", "data", "kinds"} do
  package.preload["core." .. name] = function() return chunk(name)() end
end

-- A store whose files are tables of text; `limit` is the number of appends after which the "machine" dies.
local function new_store(files)
  local store = {files = files, appends = 0}
  function store.prepare() if store.broken then error(store.broken, 0) end end
  function store.lock() return not store.locked_by_other end
  function store.list()
    local names = {}
    for name in pairs(files) do names[#names + 1] = name end
    return names
  end
  function store.create(name)
    assert(not files[name], name .. " exists")
    files[name] = ""
    return name
  end
  function store.append(name, text)
    store.appends = store.appends + 1
    if store.fail_at == store.appends then error("disk full", 0) end
    files[name] = files[name] .. text
    if store.after_append then store.after_append(store.appends) end
  end
  function store.close() end
  function store.policy() return store.policy_text, "policy.json" end
  function store.read(name) return files[name] end
  return store
end

--- Opens a core. `given`: {files=, things=, options={check=, json=, allow=...}, script=, win=}; returns core, store, things.
function fakecore.open(given)
  given = given or {}
  local options = {allow = {"*"}, timeout = 1}
  for key, value in pairs(given.options or {}) do options[key] = value end
  local store = new_store(given.files or {})
  store.policy_text = given.policy
  local host = {
    win = given.win or win, x = test.x, sign = test.sign, inflate = test.inflate, place = given.place or function() return "" end, attended = function() return given.attended end, store = store, options = options, version = "0.0.0", pid = 1, program = test.p80, writes = given.writes or test.writes,
    script = given.script or {name = "unit", kind = "file", words = {}},
    now = function() return "2026-01-01T00:00:00Z" end,
    chunk = chunk,
    progress = function() end, default_state = given.default_state, lib = require, names = function() return {} end, source = function() end, load_manifest = function() return true end,
  }
  local core = chunk "init"(host)
  core.kinds.fake = {"fake.thing", "fake.gone", "fake.lamp"}
  core.accept()
  local things = given.things or {}
  core.resource {
    kind = "fake.thing",
    label = function(id) return id.name end,
    get = function(id)
      local state = things[id.name]
      return state and core.data.overlay({}, state)
    end,
    set = function(id, want, have, how)
      if how and how.set then how.set() end
      if not (how and how.pretend) then things[id.name] = core.data.overlay(have, want) end
    end,
  }
  core.resource {
    kind = "fake.gone", label = function(id) return id.name end, undo = false,
    get = function(id) return things[id.name] end,
    set = function(id) things[id.name] = nil end,
  }
  return core, store, things
end

--- The text of an error that f raises, and the error itself.
function fakecore.failure(f, ...)
  local ok, problem = pcall(f, ...)
  assert(not ok, "an error was expected")
  return tostring(problem), problem
end

--- The error with this code and target that f must raise.
function fakecore.problem(code, target, f, ...)
  local text, problem = fakecore.failure(f, ...)
  assert(type(problem) == "table" and problem.code == code and problem.target == target,
    ("%s expected about '%s', got: %s"):format(code, target, text))
  return problem
end

--- call.stop(...) is what win.scm.stop(...) of a playbook comes down to, for the subject "scm"; call.core is the core.
function fakecore.caller(core, subject)
  return setmetatable({core = core}, {__index = function(_, name)
    return function(...) return core.call(subject .. "." .. name, ...) end
  end})
end

return fakecore
