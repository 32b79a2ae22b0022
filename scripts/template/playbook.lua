-- $NAME: what it does, for whom, and when it is run. This one writes a text into the registry, as an example.
--
--   p80 $NAME.lua --check      says what would change and changes nothing (exit code 3 when something would)
--   p80 $NAME.lua              does it; run again it does nothing; `p80 undo` takes it back
--   p80 lint $NAME.lua         finds mistakes without running it
--   p80 test tests             runs its tests on modelled machines
local p80 = require "p80"
local ensure = require "ensure"
local log = require "log"

-- ---- What it is, takes and may change ----

-- `p80 help p80.manifest` lists all fields, `p80 help p80.argument` and `p80 help p80.type` what an argument may be.
-- The arguments arrive checked and with their defaults; `p80 help $NAME.lua` is made from this.
local args = p80.playbook {
  name = "$NAME",
  version = "0.1.0",
  summary = "Write a text into the registry.",
  author = $AUTHOR,
  windows = "5.2", -- the oldest Windows that it runs on: Windows Server 2003
  args = {
    text = {type = "text", default = "$NAME was here", help = "the text to write"},
  },
  -- Every kind of change that it may make, as narrow as it can be: a kind, a colon and a pattern of what.
  grants = {[[reg.key:HKLM\SOFTWARE\$NAME]], [[reg.value:HKLM\SOFTWARE\$NAME\*]]},
  reports = "the text that is there now",
}

-- ---- What it does ----

local KEY <const> = [[HKLM\SOFTWARE\$NAME]]

local function text_now() return (win.reg.get(KEY, "Text")) end

log.debug("before: %s", text_now())

-- A state that should hold, how to see whether it does, and how to bring it about. `win.reg.set` and all else that
-- changes something does nothing when it is so already, is only planned with --check, and can be taken back. What
-- fails raises an error, which ends the run with a message and an exit code: nothing need be checked by hand.
ensure(("the text is '%s'"):format(args.text), {
  check = function() return text_now() == args.text end,
  change = function() win.reg.set(KEY, "Text", args.text) end,
})

-- The result for other programs: --json has it.
p80.report {text = text_now()}
