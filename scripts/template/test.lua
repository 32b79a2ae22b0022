-- Tests of $NAME.lua on modelled machines, for `p80 test`: nothing on this machine is read or changed. `p80 help
-- test.machine` lists what a machine may have, `p80 help test.outcome` what a run gives back.
local lu = require "luaunit"
local test = require "test"

local SCRIPT <const> = [[..\$NAME.lua]]
local KEY <const> = [[HKLM\SOFTWARE\$NAME]]

local function machine(text)
  return test.machine {registry = text and {[KEY] = {Text = text}} or {}}
end

local function text_on(m) return m:ask(("win.reg.get([[%s]], 'Text')"):format(KEY)) end

function test_check_changes_nothing()
  local m = machine "old"
  m:run(SCRIPT, {"--text", "new"}, {check = true}):exits(3)
  lu.assertEquals(text_on(m), "old")
end

function test_changes_once_and_can_be_taken_back()
  local m = machine()
  lu.assertEquals(m:run(SCRIPT, {"--text", "new"}):exits(0).result, {text = "new"})
  lu.assertEquals(text_on(m), "new")
  lu.assertEquals(m:run(SCRIPT, {"--text", "new"}):exits(0).changes, {})
  m:undo():exits(0)
  lu.assertNil(text_on(m))
end

function test_wrong_arguments_are_refused()
  machine():run(SCRIPT, {"--txet", "new"}):exits(2)
end
