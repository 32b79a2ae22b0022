-- Signatures in minisign's format: vectors of the RFCs, files that Debian's minisign 0.11 made, and every way to spoil
-- one. tests/system/minisign.py has minisign and p80 take each other's files.
local lu = require "luaunit"
local case = require "case"
local fakecore = require "fakecore"

local T = case.suite "Sign"
local raw = test.sign

local function hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
local function bytes(text) return (text:gsub("%s", ""):gsub("..", function(pair) return string.char(tonumber(pair, 16)) end)) end

-- Made with: minisign -G -W; minisign -S -m hello.lua; minisign -S -l -m hello.lua
local SECRET = [[
untrusted comment: minisign encrypted secret key
RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA3Iazce2ttrIC9vWS4XzZnShxbzpXmm4kQg8+XUs0KRSoKvgZ8EwNkj5Ox7niVeJxOW5y65AgtXpU+LWJMhYFX7LuN/Nrp2D1AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
]]
local PUBLIC = [[
untrusted comment: minisign public key B2B6ADED71B386DC
RWTchrNx7a22sj5Ox7niVeJxOW5y65AgtXpU+LWJMhYFX7LuN/Nrp2D1
]]
local TEXT = 'print "hello"\n'
local HASHED = [[
untrusted comment: signature from minisign secret key
RUTchrNx7a22shtLtTCFxQciaBIkHOGT4FAdyuCcyvwKQ+j4d0w+4MvkF4sZOBUpXJJB4r6x0PmIGjAVald+ks9RyZAtQfvHsgY=
trusted comment: timestamp:1795373786	file:hello.lua	hashed
E8BPaeVitdMbDndll660p2XKgo1TtHJd471b0A55YluGFfvf66q0x6rAI26m5oA7kJaxRDYiQltYATH9qefZBw==
]]
local LEGACY = [[
untrusted comment: signature from minisign secret key
RWTchrNx7a22sqJRVdctrATl6p4bssAzV+he1L2UQRErgYsSwVhD8335L3j+GYykbcCt+mmHY6pQ4R9PmioXHc1boscZ3N5t5AM=
trusted comment: timestamp:1795373786	file:legacy.lua
nzpjI5hS27cDR/p5vYGUcGUlGPKcB8Bqy3vUdQ3OID4QSGBD0aBIavh5+eUerBbJi6JQFWQ1H//cFunhykTaCA==
]]

local core, keys

local function open()
  core = fakecore.open()
  local key = core.sign.public_key("key", PUBLIC)
  key.name = "A"
  keys = {key}
end

local function refused(message, name, text, signature, given)
  local shown, problem = fakecore.failure(core.sign.verify, name, text, signature, given or keys)
  lu.assertStrContains(shown, message)
  lu.assertEquals(problem.code, core.code.P80_BAD_SIGNATURE)
  lu.assertEquals(core.result.exit_for(problem), 4)
end

-- https://www.rfc-editor.org/rfc/rfc7693 appendix A; the others are b2sum's
function T:test_blake2b()
  lu.assertEquals(hex(raw.hash "abc"), "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
    .. "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923")
  for text, want in pairs {
    [("x"):rep(0)] = "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"
      .. "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce",
    [("x"):rep(1)] = "0909377ad35110cafb2909e185672b7f2728d1f5094f8ad68d6fac6274bf1f49"
      .. "9485a80ea364c04ed006d29459ea3cb7c600280e2f83e032529906f88ae30d0a",
    [("x"):rep(127)] = "acc1cd9ebcd76c8f0e9afcfe2e2479a1ab53ad0d02c8ebd767fd1e26c5cf9676"
      .. "7c81077e5edd55f3fd8709dea6849b9792c8c19813f5ae6de9ac4d3a5efad515",
    [("x"):rep(128)] = "082b91ea2e15d1556d2ceefdd5af5d64d31b4e01aff1959724578876293825b2"
      .. "36ee8079173a0a38160d7d6685d6bca0bfb62c177b3599b8727d9173e2115b91",
    [("x"):rep(129)] = "362a53bbe2ec08097b2f358a41d0e153aeed4c132af928400872413650e7bf22"
      .. "f9ae428ff73770170bbd95f935e5dd1953c17de8c7264c72d1f99303bf22dfaa",
    [("x"):rep(255)] = "e3e955c92e4a9b125402a5a57840f4ee07381174ca40daf2e8f49a0b5b9903c3"
      .. "64c06b8669e3792608113f70d98891d1cb5a6860e388e9df497343d7ae0556f6",
    [("x"):rep(256)] = "26066ae992ec734e85f05f962b49e72bcb2be54fcb53bce7e7b4d7f4dc88f568"
      .. "62235fd16b988877db71cc5e9bb50e489e884450fdb6f74968e6da7d1e493428",
    [("x"):rep(257)] = "277871d7679a32a3bed9c5683b726e2d1d40df26a6d80b9ee28391f07f7bed61"
      .. "1e82eb6b301c7380f9adb0c1c6689b3bf07ffe3871334b1526cf30e1cc67e03c",
    [("x"):rep(1000)] = "63e36e4569cd772ba719ec50f6627e07ab6764c5ddffc84607abdff7f0083511"
      .. "dd276f3949c66386ca236cd123b5adc4919875d5abb17d17bbabdeabf0db7e9f",
  } do lu.assertEquals(hex(raw.hash(text)), want) end
  lu.assertEquals(hex(raw.hash("abc", 32)), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319")
end

-- https://www.rfc-editor.org/rfc/rfc8032 7.1, tests 2 and 3
function T:test_ed25519()
  local public = bytes "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
  local signature = bytes [[6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
    18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a]]
  lu.assertTrue(raw.is_signed("\xAF\x82", signature, public))
  lu.assertFalse(raw.is_signed("\xAF\x83", signature, public))
  for at = 1, 64 do -- one bit of each byte
    local flipped = signature:sub(1, at - 1) .. string.char(signature:byte(at) ~ 1 << at % 8) .. signature:sub(at + 1)
    lu.assertFalse(raw.is_signed("\xAF\x82", flipped, public))
  end
end

-- Ed25519 is deterministic: what p80 signs is, byte for byte, what minisign signs.
function T:test_signs_as_minisign_does()
  open()
  local key, locked = raw.open(case.write("a.key", SECRET))
  lu.assertFalse(locked)
  lu.assertEquals(core.sign.public_text(key), PUBLIC)
  local text = core.sign.make(key, TEXT, {"timestamp:1795373786", "file:hello.lua", "hashed"})
  lu.assertEquals(text:gsub("^[^\n]*", ""), (HASHED:gsub("^[^\n]*", "")))
end

function T:test_good_ones()
  open()
  local signature = core.sign.verify([[C:\x\hello.lua]], TEXT, HASHED, keys)
  lu.assertEquals({signature.key.name, signature.algorithm, signature.fields}, {"A", "ED", {timestamp = "1795373786", file = "hello.lua"}})
  lu.assertEquals(core.sign.verify("legacy.lua", TEXT, LEGACY, keys).algorithm, "Ed")
  lu.assertEquals(core.sign.verify("HELLO.LUA", TEXT, HASHED:gsub("\n", "\r\n") .. "\r\n\r\n", keys).key.name, "A")
  lu.assertEquals(core.sign.verify("hello.lua", TEXT, HASHED:gsub("untrusted comment: [^\n]*", "untrusted comment: lies"), keys).key.name, "A")
  lu.assertEquals(core.sign.public_key("key", PUBLIC:match "RW[^\n]*").id, keys[1].id) -- the line alone
end

function T:test_tampered()
  open()
  refused("It is not what was signed", "hello.lua", TEXT .. " ", HASHED)
  refused("It is not what was signed", "hello.lua", "", HASHED)
  refused("It is not what was signed", "legacy.lua", TEXT:upper(), LEGACY)
  refused("The trusted comment was changed", "hello.lua", TEXT, (HASHED:gsub("file:hello", "file:hallo")))
  refused("The trusted comment was changed", "hello.lua", TEXT, (HASHED:gsub("hashed", "hashed\tgrants:*")))
  refused("Its line ends were converted", "hello.lua", (TEXT:gsub("\n", "\r\n")), HASHED)
  refused("What was signed is called 'hello.lua'", [[C:\y\wipe.lua]], TEXT, HASHED)
  refused("What was signed is called 'legacy.lua'", "hello.lua", TEXT, LEGACY)
end

-- The second signature belongs to another first one.
function T:test_comment_of_another_signature()
  open()
  local key = raw.open(case.write("a.key", SECRET))
  local other = core.sign.make(key, "other", {"timestamp:1795373786", "file:hello.lua", "hashed"})
  local mixed = HASHED:match "^[^\n]*\n[^\n]*\n" .. other:match "\n[^\n]*\n(.*)$"
  refused("The trusted comment was changed", "hello.lua", TEXT, mixed)
end

function T:test_wrong_keys()
  open()
  refused("signed with the key B2B6ADED71B386DC, which is not trusted here", "hello.lua", TEXT, HASHED, {})
  local other = raw.generate()
  local stranger = core.sign.public_key("key", core.sign.public_text(other))
  refused("not trusted here", "hello.lua", TEXT, HASHED, {stranger})
  stranger.id = keys[1].id -- another key that has the same id
  refused("It is not what was signed", "hello.lua", TEXT, HASHED, {stranger})
  lu.assertEquals(core.sign.verify("hello.lua", TEXT, HASHED, {stranger, keys[1]}).key.name, "A")
  refused("signed with the key", "hello.lua", TEXT, core.sign.make(other, TEXT, {"file:hello.lua"}))
end

function T:test_no_signatures()
  open()
  local lines = {}
  for line in HASHED:gmatch "[^\n]*\n" do lines[#lines + 1] = line end
  for cut = 0, #HASHED - 2 do -- truncated anywhere
    lu.assertFalse((pcall(core.sign.verify, "hello.lua", TEXT, HASHED:sub(1, cut), keys)), cut)
  end
  for _, junk in ipairs {
    "", "\n\n\n\n", "junk", ("\0"):rep(300), ("A"):rep(20000), lines[1] .. lines[3] .. lines[2] .. lines[4],
    HASHED .. "more\n", HASHED .. HASHED, HASHED:gsub("untrusted", "trusted"), HASHED:gsub("\ntrusted comment:", "\n"),
    HASHED:gsub("RUT", "RVT"), HASHED:gsub("\nRUT", "\n RUT"), HASHED:gsub("=\n", "\n"), (HASHED:gsub("==\n", "==AAAA\n")), PUBLIC, SECRET,
  } do
    lu.assertFalse((pcall(core.sign.verify, "hello.lua", TEXT, junk, keys)), junk)
  end
  for _, junk in ipairs {"", "RW", SECRET, HASHED, PUBLIC .. PUBLIC, "x\n" .. PUBLIC:match "RW.*", (PUBLIC:gsub("RW", "RX"))} do
    lu.assertStrContains(fakecore.failure(core.sign.public_key, "keys[1].key", junk), "no public key of minisign")
  end
end

function T:test_modules_belong()
  open()
  local key = raw.open(case.write("a.key", SECRET))
  local function signed(name, fields)
    table.insert(fields, 1, "file:" .. name)
    return core.sign.verify(name, TEXT, core.sign.make(key, TEXT, fields), keys)
  end
  local script = signed("s.lua", {"playbook:s", "version:1.0.0"})
  core.sign.check_belongs("m.lua", signed("m.lua", {"playbook:s", "version:1.0.0"}), script, "m.lua")
  core.sign.check_belongs("m.lua", signed("m.lua", {"playbook:s", "version:1.0.0"}), signed("plain.lua", {}), "m.lua")
  for _, fields in ipairs {{}, {"playbook:s", "version:0.9.0"}, {"playbook:t", "version:1.0.0"}} do
    lu.assertStrContains(fakecore.failure(core.sign.check_belongs, "m.lua", signed("m.lua", fields), script, "m.lua"), "but the script as")
  end
  local other = raw.generate()
  local stranger = core.sign.public_key("key", core.sign.public_text(other))
  local foreign = core.sign.verify("m.lua", TEXT, core.sign.make(other, TEXT, {}), {stranger})
  lu.assertStrContains(fakecore.failure(core.sign.check_belongs, "m.lua", foreign, script, "m.lua"), "sign both with one key")
end

function T:test_secret_keys()
  open()
  local path = case.path "new.key"
  local key = raw.generate()
  raw.save(key, path, "D:P(A;;FA;;;SY)(A;;FA;;;BA)", "untrusted comment: p80 secret key", false)
  local again, locked = raw.open(path)
  lu.assertFalse(locked)
  lu.assertEquals({raw.public(again)}, {raw.public(key)})
  local text = core.sign.make(again, TEXT, {"file:x\ny\tz"})
  local signature = core.sign.verify("x y z", TEXT, text, {core.sign.public_key("key", core.sign.public_text(key))})
  lu.assertEquals(signature.fields.file, "x y z")
  local shown = fakecore.failure(raw.save, raw.generate(), path, "D:P(A;;FA;;;BA)", "untrusted comment: x", false)
  lu.assertStrContains(shown, "ERROR_FILE_EXISTS")
  for _, junk in ipairs {"", "junk", PUBLIC, SECRET:sub(1, -6), SECRET:gsub("RWQ", "RWR"), SECRET:gsub("QAAEIy", "QABEIy"), ("x"):rep(5000)} do
    lu.assertStrContains(fakecore.failure(raw.open, case.write("junk.key", junk)), "no secret key of minisign")
  end
  lu.assertStrContains(fakecore.failure(raw.open, case.path "none.key"), "ERROR_FILE_NOT_FOUND")
end
