-- What can be said of the value of an expression, and words for people.
local core = ...
local values = {}

function values.names_of(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- The one of `words` that is near a word, or the only one that begins as it does; nil.
function values.near(word, words)
  local near, found = core.x.nearest(word, words), nil
  if near or #word < 3 then return near end
  for _, other in ipairs(words) do
    if other:sub(1, #word) == word or word:sub(1, #other) == other and #other > 2 then
      if found then return nil end
      found = other
    end
  end
  return found
end

--- "did you mean 'state'?", or nil.
function values.meant(word, words)
  local near = values.near(word, words)
  return near and ("did you mean '%s'?"):format(near)
end

--- Whether a node is only the value of a local that is followed itself.
function values.is_alias(node) return node.bound and node.bound.sets == 0 end

-- The expression that a name stands for, if it is never assigned anew.
function values.value_of(node)
  while node.tag == "Paren" or node.tag == "Id" do
    if node.tag == "Paren" then
      node = node[1]
    else
      if not (node.var and node.var.init and node.var.sets == 0) then return node end
      node = node.var.init
    end
  end
  return node
end

-- The text or number that an expression always is, or nil.
function values.constant(node)
  node = values.value_of(node)
  if node.tag == "String" then return node[1] end
  if node.tag == "Number" then return tonumber(node[1]) end
  if node.tag == "True" then return true end
  if node.tag == "False" then return false end
  if node.tag == "Op" and node[1] == "concat" then
    local left, right = values.constant(node[2]), values.constant(node[3])
    if type(left) == "string" and type(right) == "string" then return left .. right end
  elseif node.tag == "Op" and node[1] == "unm" then
    local number = values.constant(node[2])
    return type(number) == "number" and -number or nil
  end
end

-- The Lua value of an expression that never changes, and whether it is one.
function values.literal(node)
  node = values.value_of(node)
  if node.tag ~= "Table" then
    local value = values.constant(node)
    return value, value ~= nil or node.tag == "Nil"
  end
  local result = {}
  for _, item in ipairs(node) do
    local key = item.tag == "Pair" and values.constant(item[1]) or #result + 1
    local value, is_known = values.literal(item.tag == "Pair" and item[2] or item)
    if key == nil or not is_known then return nil, false end
    result[key] = value
  end
  return result, true
end

-- The value of a field of a table constructor, and the node of its key.
function values.field(node, name)
  for _, item in ipairs(node) do
    if item.tag == "Pair" and values.constant(item[1]) == name then return values.value_of(item[2]), item[1] end
  end
end

return values
