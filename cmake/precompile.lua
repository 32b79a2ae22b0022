-- precompile.lua NAME TEXT CODE: compiles the Lua file TEXT, which tracebacks are to call NAME, into the file CODE.
local name, text, code = ...
local file <close> = assert(io.open(text, "rb"))
local result <close> = assert(io.open(code, "wb"))
assert(result:write(string.dump(assert(load(file:read "a", "@" .. name, "t")))))
