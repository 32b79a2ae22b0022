-- Command lines: process.split against the rules of CommandLineToArgvW written another way (one character at a time), and
-- process.join against both.
local LONGEST <const> = 500 -- what the test itself takes grows with it

local process = {}
local anything = setmetatable({}, {__index = function() return function(_, value) return value end end})
assert(loadfile(package.searchpath("process", package.path)))(process, {}, {check = function() return anything end})

local function model(line)
  if line == "" then return {} end
  local words, at, n = {}, 1, #line
  local quoted = line:sub(1, 1) == '"'
  if quoted then at = 2 end
  local first = at
  while at <= n and not line:sub(at, at):find(quoted and '"' or "[ \t]") do at = at + 1 end
  words[1] = line:sub(first, at - 1)
  if quoted then at = at + 1 end
  local word, quotes, slashes = nil, 0, 0
  while at <= n do
    local c = line:sub(at, at)
    if (c == " " or c == "\t") and quotes == 0 then
      words[#words + 1], word, slashes = word, nil, 0
    elseif c == "\\" then
      word, slashes = (word or "") .. c, slashes + 1
    elseif c == '"' then
      word = (word or ""):sub(1, #(word or "") - (slashes + 1) // 2)
      if slashes % 2 == 1 then word = word .. '"' else quotes = quotes + 1 end
      slashes = 0
      while line:sub(at + 1, at + 1) == '"' do
        at, quotes = at + 1, quotes + 1
        if quotes == 3 then word, quotes = word .. '"', 0 end
      end
      if quotes == 2 then quotes = 0 end
    else
      word, slashes = (word or "") .. c, 0
    end
    at = at + 1
  end
  words[#words + 1] = word
  return words
end

local function assert_equal(a, b, what)
  local same = #a == #b
  for i = 1, #a do same = same and a[i] == b[i] end
  if not same then error(("%s: {%s} is not {%s}"):format(what, table.concat(a, "|"), table.concat(b, "|"))) end
end

return function(line)
  line = line:sub(1, LONGEST):gsub("[\0\r\n]", "")
  local words = process.split(line)
  assert_equal(words, model(line), "split")
  if not words[1] then return end
  words[1] = words[1]:gsub('"', "") .. "x"
  local joined = process.join(words)
  assert_equal(process.split(joined), words, "join and split of " .. joined)
  assert_equal(model(joined), words, "join and the model of " .. joined)
end
