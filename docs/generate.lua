-- Writes docs/win.md from scripts/api; `sh docs/generate.sh` runs it in p80-test.exe.
local manual = require "manual"
local file = assert(io.open(manual.root .. "/docs/win.md", "wb"))
file:write(manual.write(manual.sources()))
file:close()
