-- Random mutations of seeds, fed to a parser that must neither crash nor hang nor take memory without bounds.
-- Plain Lua: it runs in p80 and in Lua itself (tests/fuzz/run.sh).
local fuzz = {}

local MOST_INSTRUCTIONS <const> = 20000000 -- of one case
local MOST_SECONDS <const> = 5
local MOST_KILOBYTES <const> = 2048 -- that one case takes in all, besides
local KILOBYTES_A_BYTE <const> = 2 -- of its input
local LONGEST <const> = 8192 -- bytes of an input

--- How many a unit test tries; tests/fuzz/run.sh does more. The page heap makes each some ten times as long.
fuzz.CASES = test and test.allocations and 200 or 2000

local random = math.random

local INTERESTING = {"\0", "\xFF", "\xFE", "\x7F", "\x80", "\xED\xA0\x80", "\xF4\x8F\xBF\xBF", "\r", "\n", "\\", '"', "'", " ", "%", "0", "-1", "4294967296"}

-- Pieces of the seeds that stand by themselves: words, signs.
local function words_of(seeds)
  local words = {table.unpack(INTERESTING)}
  for _, seed in ipairs(seeds) do
    for word in seed:gmatch "%w+" do words[#words + 1] = word end
    for sign in seed:gmatch "%p" do words[#words + 1] = sign end
  end
  return words
end

local function random_bytes(n)
  local bytes = {}
  for i = 1, n do bytes[i] = string.char(random(0, 255)) end
  return table.concat(bytes)
end

local function cut(text) -- text before, piece, text behind
  local from = random(1, #text + 1)
  local to = random(from - 1, math.min(#text, from + 40))
  return text:sub(1, from - 1), text:sub(from, to), text:sub(to + 1)
end

local mutations = {
  function(text) -- one byte
    local before, piece, behind = cut(text)
    return before .. string.char(random(0, 255)) .. piece:sub(2) .. behind
  end,
  function(text) -- one bit
    if text == "" then return text end
    local at = random(1, #text)
    return text:sub(1, at - 1) .. string.char(text:byte(at) ~ 1 << random(0, 7)) .. text:sub(at + 1)
  end,
  function(text) -- less
    local before, _, behind = cut(text)
    return before .. behind
  end,
  function(text) -- twice, or many times
    local before, piece, behind = cut(text)
    return before .. piece:rep(random(1, 5) == 1 and random(2, 100) or 2) .. behind
  end,
  function(text) -- something else
    local before, _, behind = cut(text)
    return before .. random_bytes(random(1, 8)) .. behind
  end,
  function(text, given) -- a word
    local before, piece, behind = cut(text)
    return before .. given.words[random(#given.words)] .. (random(2) == 1 and piece or "") .. behind
  end,
  function(text, given) -- a piece of another seed
    local before, _, behind = cut(text)
    local _, piece = cut(given.seeds[random(#given.seeds)])
    return before .. piece .. behind
  end,
  function(text, given) -- the end of another seed
    local other = given.seeds[random(#given.seeds)]
    return text:sub(1, random(0, #text)) .. other:sub(random(1, #other + 1))
  end,
  function(text) return text:sub(1, random(0, #text)) end,
}

local function mutate(given)
  local text = given.seeds[random(#given.seeds)]
  for _ = 1, random(1, 6) do text = mutations[random(#mutations)](text, given) end
  return text:sub(1, LONGEST)
end

-- Runs check(input) -> what is wrong with it, or nil.
local function try(check, input)
  collectgarbage "stop"
  local before, began = collectgarbage "count", os.clock()
  debug.sethook(function() error "it does not end" end, "", MOST_INSTRUCTIONS)
  local ok, problem = pcall(check, input)
  debug.sethook()
  local kilobytes, seconds = collectgarbage "count" - before, os.clock() - began
  collectgarbage "restart"
  if not ok then return tostring(problem) end
  if seconds > MOST_SECONDS then return ("it took %.1f seconds"):format(seconds) end
  if kilobytes > MOST_KILOBYTES + KILOBYTES_A_BYTE * #input then return ("it took %.0f KiB for %d bytes"):format(kilobytes, #input) end
end

--- Feeds `cases` mutations of the seeds to check(input), which raises what is wrong; the seeds themselves come first.
-- `number` makes the same run again. Raises with the input at fault.
function fuzz.run(check, seeds, cases, number)
  assert(#seeds > 0, "no seeds")
  math.randomseed(number)
  local given = {seeds = seeds, words = words_of(seeds)}
  for i = 1, #seeds + cases do
    local input = seeds[i] or mutate(given)
    local fault = try(check, input)
    if fault then error(("case %d of run %d: %s\ninput: %q"):format(i, number, fault, input), 0) end
  end
end

return fuzz
