-- The registry below HKLM\SOFTWARE\Contract, which is not there.
local expect = require "expect"
local same, fails, pick = expect.same, expect.fails, expect.pick
local reg = win.reg

local KEY <const> = [[HKLM\SOFTWARE\Contract]]

same("no such key", {reg.get(KEY, "Port"), reg.values(KEY), reg.keys(KEY), reg.info(KEY), reg.tree(KEY)}, {})
same("it is not there", reg.exists(KEY), false)
same("deleting what is not there", reg.delete(KEY), false)

same("writing makes the key", reg.set(KEY, "Port", 80), true)
same("once", reg.set(KEY, "Port", 80), false)
same("reading", {reg.get(KEY, "Port")}, {80, "dword"})
same("in any case", {reg.get(KEY:lower(), "PORT")}, {80, "dword"})
same("by the long name of the hive", reg.get([[HKEY_LOCAL_MACHINE\SOFTWARE\Contract]], "Port"), 80)
same("no such value", reg.get(KEY, "Nothing"), nil)
same("text", {reg.set(KEY, "Name", "Größe"), reg.get(KEY, "Name")}, {true, "Größe", "sz"})
same("texts", {reg.set(KEY, "List", {"a", "b"}), reg.get(KEY, "List")}, {true, {"a", "b"}, "multi_sz"})
same("text with variables", {reg.set(KEY, "Path", "%SystemRoot%", "expand_sz"), reg.get(KEY, "Path")}, {true, "%SystemRoot%", "expand_sz"})
same("64 bits", {reg.set(KEY, "Big", 1 << 40, "qword"), reg.get(KEY, "Big")}, {true, 1 << 40, "qword"})
same("bytes", {reg.set(KEY, "Bytes", "\0\1\255", "binary"), reg.get(KEY, "Bytes")}, {true, "\0\1\255", "binary"})
same("the default value", {reg.set(KEY, nil, "main"), reg.get(KEY)}, {true, "main", "sz"})
fails("a number too big", 87, reg.set, KEY, "Port", 1 << 40)
fails("no such type", 87, reg.set, KEY, "Port", 1, "dwrd")
fails("text with NUL", 87, reg.set, KEY, "Name", "a\0b")
fails("no key", 87, reg.get, [[SOFTWARE\Contract]], "Port")
fails("no view", 87, reg.get, KEY, "Port", {view = 16})

local names = {}
for i, row in ipairs(reg.values(KEY)) do names[i] = row.name .. ":" .. row.type end
table.sort(names)
same("all values", names, {":sz", "Big:qword", "Bytes:binary", "List:multi_sz", "Name:sz", "Path:expand_sz", "Port:dword"})

same("a key below", reg.create(KEY .. [[\A\B]]), true)
same("once", reg.create(KEY .. [[\A\B]]), false)
reg.create(KEY .. [[\C]])
local keys = reg.keys(KEY)
table.sort(keys)
same("keys", keys, {"A", "C"})
same("how many", pick(reg.info(KEY), "keys", "values"), {keys = 2, values = 7})
same("a tree", {reg.tree(KEY .. [[\A]]).keys.B ~= nil, #reg.tree(KEY).values}, {true, 7})
same("finding", reg.find(KEY, "größe", {where = "data"}), reg.find(KEY, "größe", {where = "data"}))
same("found", reg.find(KEY, "80", {where = "data"})[1].name, "Port")

fails("a key with something in it", 145, reg.delete, KEY .. [[\A]])
same("an empty key", reg.delete(KEY .. [[\C]]), true)
same("a value", {reg.delete(KEY, "Port"), reg.get(KEY, "Port")}, {true})
same("once", reg.delete(KEY, "Port"), false)
same("the other view", {reg.set(KEY, "In32", 1, {view = 32}), reg.get(KEY, "In32", {view = 32}), reg.get(KEY, "In32")}, {true, 1})
reg.delete(KEY, nil, {view = 32, tree = true})
same("all of it", reg.delete(KEY, nil, {tree = true}), true)
same("nothing is left", {reg.exists(KEY), reg.exists(KEY .. [[\A]])}, {false, false})

expect.done()
