-- Every function of `win` with wrong arguments, and with some that are right where nothing is there; without grants, so
-- that nothing changes.
local expect = require "expect"

local SUBJECTS <const> = {
  "account", "event", "feature", "file", "host", "http", "http.iplisten", "http.urlacl", "http.sslcert", "http.timeout", "http.cache",
  "http.setting", "http.parameters", "iis", "process", "reg", "scm", "task", "tcp", "udp",
}
-- What a model does not do (docs/testing.md), what ends only when something happens, and what answers differ by nature.
local LEFT_OUT <const> = {
  ["process.modules"] = true, ["process.handles"] = true, ["reg.watch"] = true, ["reg.load"] = true, ["reg.unload"] = true, ["reg.save"] = true,
  ["reg.restore"] = true,
}
local NAME <const>, KEY <const> = "p80-nothing", [[HKLM\SOFTWARE\p80-nothing]]
local ARGUMENTS <const> = {
  {}, {5}, {"a\0b"}, {"\xFF"}, {{}}, {true}, {-1}, {0}, {1.5}, {65536}, {""}, {("x"):rep(300)}, {{nonsense = 1}}, {"x", {nonsense = 1}}, {NAME},
  {NAME, "x"}, {NAME, {}}, {NAME, 5}, {NAME, "running", {nonsense = 1}}, {NAME, "running", {timeout = -1}}, {KEY}, {KEY, "x"}, {KEY, {}},
  {KEY, {view = 65}}, {KEY, "x", {view = "64"}}, {KEY, "x", 5, {type = "nonsense"}}, {"HKLM\\"}, {"HKXX\\x"}, {80}, {80, {nonsense = 1}},
  {80, 5}, {{port = 0}}, {{family = 5}}, {{state = "x"}}, {{options = 5}}, {"x", {timeout = "5"}}, {1, 2, 3, 4, 5, 6, 7, 8, 9},
}

local function shown(list)
  local words = {}
  for i, value in ipairs(list) do words[i] = type(value) == "string" and ("%q"):format(value) or expect.shown(value) end
  return table.concat(words, ", ")
end

for _, subject in ipairs(SUBJECTS) do
  local at = win
  for step in subject:gmatch "[^.]+" do at = at[step] end
  local names = {}
  for name, value in pairs(at) do
    if type(value) == "function" then names[#names + 1] = name end
  end
  table.sort(names)
  expect.agree("the functions of win." .. subject, names)
  for _, name in ipairs(names) do
    local what = subject .. "." .. name
    for _, arguments in ipairs(LEFT_OUT[what] and {} or ARGUMENTS) do
      local ok, problem = pcall(at[name], table.unpack(arguments))
      if not ok then problem = type(problem) == "table" and expect.pick(problem, "op", "target", "code", "name", "message", "hint") or tostring(problem) end
      expect.agree(("%s(%s)"):format(what, shown(arguments)), ok and "no error" or problem)
    end
  end
end

expect.checked = #expect.said
expect.done()
