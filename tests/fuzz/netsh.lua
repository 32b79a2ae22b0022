-- What netsh shows: whatever was read is of the right kind, and there is no more of it than there are lines.
local http = require "pure".http()

local function check_urls(urls)
  for _, url in ipairs(urls) do assert(type(url) == "string" and url:lower():find "^https?://") end
  return #urls
end

local function check_pid(pid) assert(math.type(pid) == "integer" and pid >= 0 and pid < 10 ^ 10) end

return function(input)
  local queues, sessions, loose = http.read_servicestate(input, {1612, 3408})
  local _, lines = input:gsub("[\r\n]+", "")
  local told, given = 0, check_urls(loose)
  for _, queue in ipairs(queues) do
    assert(queue.name == nil or queue.name ~= "")
    given = given + check_urls(queue.urls)
    for _, process in ipairs(queue.processes) do check_pid(process.pid) end
    if queue.controller then check_pid(queue.controller) end
    assert(queue.indent == nil)
  end
  for _, session in ipairs(sessions) do
    assert(session.id:find "^%x+$" and #session.id == 16)
    for _, group in ipairs(session.groups) do
      assert(group.indent == nil and group.values == nil and group.id:find "^%x+$" and #group.id == 16)
      told = told + check_urls(group.urls)
    end
  end
  assert(given <= lines + 1 and told <= lines + 1)
end
