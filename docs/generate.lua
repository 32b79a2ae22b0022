-- Writes docs/win.md from scripts/api, and the fields of `win` in scripts/api/win.lua from the subjects that there are;
-- `sh docs/generate.sh` runs it in p80-test.exe.
local manual = require "manual"

local function write(name, text)
  local file = assert(io.open(manual.root .. "/" .. name, "wb"))
  file:write(text)
  file:close()
end

local sources = manual.sources()
sources.win = manual.with_fields(sources)
write("scripts/api/win.lua", sources.win)
write("docs/win.md", manual.write(sources))
