-- The registry below HKLM\SOFTWARE\Contract, which is not there.
local expect = require "expect"
local same, fails, agree, pick = expect.same, expect.fails, expect.agree, expect.pick
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
same("in any letters", {reg.create(KEY .. [[\Größe\X]]), reg.keys(KEY .. [[\GRÖßE]]), reg.create(KEY .. [[\gRÖße]])}, {true, {"X"}, false})
reg.delete(KEY .. [[\GRÖßE]], nil, {tree = true})
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

-- ---- Comparing, copying, files ----

-- A tree whose keys say whether there is an access list.
local function plain(tree)
  local same_tree = {values = tree.values, has_security = tree.security:sub(1, 2) == "D:", keys = {}}
  for name, child in pairs(tree.keys) do same_tree.keys[name] = plain(child) end
  return same_tree
end

local COPY <const> = KEY .. [[Copy]]
same("copying", reg.copy(KEY, COPY), true)
same("once", reg.copy(KEY, COPY), false)
same("they are the same", reg.compare(KEY, COPY), {})
reg.set(COPY, "Port", 81)
reg.set(COPY, "zebra", "z")
reg.set(COPY, "Alpha", "a")
reg.delete(COPY .. [[\A]], nil, {tree = true})
agree("what is different", reg.compare(KEY, COPY))
local names_in_order = {}
for i, row in ipairs(reg.values(COPY)) do names_in_order[i] = row.name end
agree("the order of values", names_in_order)
for _, name in ipairs {"beta", "Alpha", "10", "9", "Zeta"} do reg.create(COPY .. "\\" .. name) end
agree("the order of keys", reg.keys(COPY))
agree("a tree", plain(reg.tree(COPY)))
agree("found", reg.find(COPY, "a", {where = "names"}))
agree("found in order", reg.find(COPY, "a"))
local bytes = reg.export(COPY)
agree("exported", bytes)
agree("parsed", #reg.parse(bytes)[1].values)
same("deleting the copy", reg.delete(COPY, nil, {tree = true}), true)
local text = 'REGEDIT4\n\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\ContractCopy\\B]\n@="x"\n"n"=dword:0000002a\n"m"=hex(7):61,00,00\n'
same("importing", reg.import(text), true)
same("once", reg.import(text), false)
agree("is so", plain(reg.tree(COPY)))
same("nothing to export", reg.export(KEY .. "Nothing"), nil)
fails("nothing to copy", 2, reg.copy, KEY .. "Nothing", COPY)
fails("no file", 13, reg.parse, "nonsense")
same("who may", reg.set_security(KEY, "D:(A;;KA;;;BA)(A;;KR;;;BU)"), true)
same("once", reg.set_security(KEY, "D:(A;;KA;;;BA)(A;;KR;;;BU)"), false)
same("is so", {reg.security(KEY):match "^O:.*(D:.*)$", reg.tree(KEY).security}, {"D:(A;;KA;;;BA)(A;;KR;;;BU)", "D:(A;;KA;;;BA)(A;;KR;;;BU)"})
fails("no descriptor", 87, reg.set_security, KEY, "nonsense")
fails("nobody's", 2, reg.set_security, KEY .. "Nothing", "D:(A;;KA;;;BA)")
same("nobody", reg.security(KEY .. "Nothing"), nil)
reg.delete(COPY, nil, {tree = true})

-- ---- Deleting ----

fails("a key with something in it", 145, reg.delete, KEY .. [[\A]])
same("an empty key", reg.delete(KEY .. [[\C]]), true)
same("a value", {reg.delete(KEY, "Port"), reg.get(KEY, "Port")}, {true})
same("once", reg.delete(KEY, "Port"), false)
same("the other view", {reg.set(KEY, "In32", 1, {view = 32}), reg.get(KEY, "In32", {view = 32}), reg.get(KEY, "In32")}, {true, 1})
reg.delete(KEY, nil, {view = 32, tree = true})
same("all of it", reg.delete(KEY, nil, {tree = true}), true)
same("nothing is left", {reg.exists(KEY), reg.exists(KEY .. [[\A]])}, {false, false})

expect.done()
