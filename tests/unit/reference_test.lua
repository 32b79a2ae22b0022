-- What `p80 help NAME` says about functions.
local lu = require "luaunit"
local help = require "reference"

TestReference = {}

-- Every function below `subject`, by its whole name.
local function each_function(name, subject, visit)
  for key, value in pairs(subject) do
    local whole = name .. "." .. key
    if type(value) == "function" then visit(whole) elseif type(value) == "table" then each_function(whole, value, visit) end
  end
end

function TestReference:test_every_function_of_win_has_its_text()
  local count = 0
  for _, subject in ipairs {"host", "tcp", "process", "scm", "reg", "http"} do
    each_function("win." .. subject, win[subject], function(name)
      count = count + 1
      local text = help(name)
      lu.assertNotNil(text, name)
      lu.assertEquals(text:sub(1, #name), name)
      lu.assertStrContains(help("win." .. subject), "  " .. name)
    end)
  end
  lu.assertTrue(count > 30)
end

function TestReference:test_lists_and_short_names()
  lu.assertEquals(help "scm.stop", help "win.scm.stop")
  lu.assertStrContains(help "win", "win.http.iplisten.add(address)\n")
  lu.assertStrContains(help "p80.playbook", "enum")
  for _, word in ipairs {"", "win.", "win.sc", "free80", "%", "win.scm.stopp"} do lu.assertNil(help(word), word) end
end
