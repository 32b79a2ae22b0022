-- Runs one of tests/contract on this machine and on a modelled one: both must hold what it expects.
local lu = require "luaunit"
local case = require "case"
local contract = {}

local function run(name, words, env, grants)
  words.env = env
  table.insert(words, 1, "--json")
  for _, word in ipairs {"--allow", grants or "*", test.folder .. "/contract/" .. name .. ".lua"} do words[#words + 1] = word end
  local result = case.p80(words)
  lu.assertNotNil(result.json and result.json.result, case.describe(result))
  return result.json.result
end

--- Runs the contract in the scene that is here now (`env` for its shims), and on `machine`, Lua text that is the same
-- scene. It has the grants "*" or `grants`.
function contract.check(name, machine, env, grants)
  local real = run(name, {}, env, grants)
  local modelled = run(name, {"--model", case.write("machine.lua", machine)}, nil, grants)
  lu.assertEquals(real.wrong, {}, "on this machine")
  lu.assertEquals(modelled.wrong, {}, "on the modelled machine")
  lu.assertEquals(modelled.checked, real.checked)
  local different = {}
  for i, text in ipairs(real.said) do
    if #different < 30 and text ~= modelled.said[i] then different[#different + 1] = ("this machine: %s\nmodelled: %s"):format(text, modelled.said[i]) end
  end
  lu.assertEquals(table.concat(different, "\n"), "")
  lu.assertEquals(#modelled.said, #real.said)
  lu.assertTrue(real.checked > 5)
end

return contract
