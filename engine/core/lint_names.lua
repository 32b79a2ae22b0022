-- Which variable each name of a tree means, and lists of what is in it. Nodes are those of luacheck's parser; an Id
-- gets `var` ({name=, init=, position=, sets=}: what it was declared with, and how often it is assigned) unless it is
-- a global. The variables of a loop have `loop`, the expressions that it goes through; calls have `depth`, 0 outside of
-- functions.

return function(tree)
  local found = {ids = {}, indexes = {}, calls = {}, vars = {}, comparisons = {}, loops = {}}
  local depth = 0 -- of functions in each other
  local expression, block

  local function declare(scope, id, init, position)
    local var = {name = id[1], init = init, position = position, sets = 0}
    found.vars[#found.vars + 1] = var
    scope[id[1]] = var
    id.var = var
    return var
  end

  local function open(scope) return setmetatable({}, {__index = scope}) end

  local function expressions(list, scope, first)
    for i = first or 1, list and #list or 0 do expression(list[i], scope) end
  end

  local function in_function(node, scope)
    local inner = open(scope)
    for _, parameter in ipairs(node[1]) do
      if parameter.tag == "Id" then declare(inner, parameter) end
    end
    depth = depth + 1
    block(node[2], inner)
    depth = depth - 1
  end

  local function name(node, scope)
    node.var = scope[node[1]]
    node.is_field = not node.var and scope._ENV ~= nil -- of a table of the script's own
    found.ids[#found.ids + 1] = node
  end

  local function index(node, scope)
    expression(node[1], scope)
    expression(node[2], scope)
    node[1].is_base = true
    found.indexes[#found.indexes + 1] = node
  end

  -- A whole function and its arguments; of a method the object, its name and the arguments.
  local function call(node, scope)
    expressions(node, scope)
    node.depth = depth
    found.calls[#found.calls + 1] = node
  end

  local handlers = {
    Id = name, Index = index, Call = call, Invoke = call, Function = in_function,
    Paren = function(node, scope) expression(node[1], scope) end,
    Op = function(node, scope)
      expressions(node, scope, 2)
      if node[1] == "eq" or node[1] == "ne" then found.comparisons[#found.comparisons + 1] = node end
    end,
    Pair = function(node, scope) expressions(node, scope) end,
    Table = function(node, scope) expressions(node, scope) end,
  }

  function expression(node, scope)
    local handler = handlers[node.tag]
    if handler then handler(node, scope) end
  end

  -- The values of a declaration that its variables stand for, so that they can be followed.
  local function bind(targets, values, scope)
    expressions(values, scope)
    for i, id in ipairs(targets) do declare(scope, id, values and values[i], i) end
    for i, value in ipairs(values or {}) do value.bound = targets[i] and targets[i].var end
  end

  local function assign(targets, values, scope)
    expressions(values, scope)
    expressions(targets, scope)
    for _, target in ipairs(targets) do
      target.is_target = true
      if target.var then target.var.sets = target.var.sets + 1 end
    end
  end

  local function loop(names, body, scope, list)
    local inner = open(scope)
    for i, id in ipairs(names) do declare(inner, id, nil, i).loop = list end
    block(body, inner)
  end

  local statements = {
    Do = function(node, scope) block(node, open(scope)) end,
    Set = function(node, scope) assign(node[1], node[2], scope) end,
    Local = function(node, scope) bind(node[1], node[2], scope) end,
    Localrec = function(node, scope)
      declare(scope, node[1][1], node[2][1], 1)
      expression(node[2][1], scope)
    end,
    While = function(node, scope)
      expression(node[1], scope)
      block(node[2], open(scope))
    end,
    Repeat = function(node, scope)
      local inner = open(scope)
      block(node[1], inner)
      expression(node[2], inner)
    end,
    If = function(node, scope)
      for i = 1, #node - 1, 2 do
        expression(node[i], scope)
        block(node[i + 1], open(scope))
      end
      if #node % 2 == 1 then block(node[#node], open(scope)) end
    end,
    Fornum = function(node, scope)
      for i = 2, #node - 1 do expression(node[i], scope) end
      loop({node[1]}, node[#node], scope)
    end,
    Forin = function(node, scope)
      expressions(node[2], scope)
      found.loops[#found.loops + 1] = node[2]
      loop(node[1], node[3], scope, node[2])
    end,
    Return = function(node, scope) expressions(node, scope) end,
  }

  function block(list, scope)
    for _, statement in ipairs(list) do
      (statements[statement.tag] or expression)(statement, scope)
    end
  end

  block(tree, {})
  return found
end
