-- What contract tests share. They are scripts that run on this machine and on a modelled one alike; each reports how
-- many of its expectations held, which did not, and what both machines must say alike, whatever it is.
local p80 = require "p80"
local expect = {checked = 0, wrong = {}, said = {}}

local function shown(value)
  if type(value) ~= "table" then return tostring(value) end
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = tostring(key) end
  table.sort(keys)
  for i, key in ipairs(keys) do parts[i] = ("%s=%s"):format(key, shown(value[key] ~= nil and value[key] or value[math.tointeger(key)])) end
  return "{" .. table.concat(parts, ", ") .. "}"
end

expect.shown = shown

local function note(what, text)
  expect.wrong[#expect.wrong + 1] = ("%s: %s"):format(what, text)
end

--- Expects the value to look the same on the other machine, but for pids.
function expect.agree(what, value)
  local text = shown(value):gsub("pid %d+ %(.-%)", "a process"):gsub("%d+ %(p80", "(p80"):gsub("0 %(%[System Process%]%)", "0")
  expect.said[#expect.said + 1] = ("%s: %s"):format(what, text)
end

--- Expects two values to look the same.
function expect.same(what, got, wanted)
  expect.checked = expect.checked + 1
  if shown(got) ~= shown(wanted) then note(what, ("expected %s, got %s"):format(shown(wanted), shown(got))) end
end

--- Expects f(...) to raise an error object with this code, alike on both machines; returns it.
function expect.fails(what, code, f, ...)
  expect.checked = expect.checked + 1
  local ok, problem = pcall(f, ...)
  if ok then return note(what, ("expected error %d"):format(code)) end
  if type(problem) ~= "table" or problem.code ~= code then return note(what, ("expected error %d, got %s"):format(code, tostring(problem))) end
  expect.agree(what, expect.pick(problem, "op", "target", "code", "name", "message", "hint"))
  return problem
end

--- The fields of a record that count here.
function expect.pick(record, ...)
  local picked = {}
  for _, key in ipairs {...} do picked[key] = record and record[key] end
  return picked
end

function expect.has(what, list, value)
  expect.checked = expect.checked + 1
  for _, item in ipairs(list or {}) do
    if item == value then return end
  end
  note(what, ("expected %s among %s"):format(shown(value), shown(list)))
end

function expect.done() p80.report {checked = expect.checked, wrong = expect.wrong, said = expect.said} end

return expect
