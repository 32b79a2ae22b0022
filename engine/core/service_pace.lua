-- When a service runs its playbook: at once when something has changed, but with pauses that grow when that happens
-- again and again, and after failures. All times come from a clock that never runs backwards, in seconds; all pauses
-- follow from one, the gap: the least time between two runs.
local Pace = {}
Pace.__index = Pace

-- All in gaps.
local WINDOW <const> = 60 -- within this time ...
local MANY <const> = 5 -- ... so many runs are flapping; such a silence ends it
local FIRST_RETRY <const> = 5
local LONGEST <const> = 300

local function new(gap)
  return setmetatable({gap = gap, recent = {}, level = 0, failures = 0, began_at = 0, ended_at = 0}, Pace)
end

local function grown(first, times) return math.min(LONGEST, first * 2 ^ math.min(times, 16)) end

-- The pause after the beginning of a run while what is watched is flapping.
function Pace:pause() return (self.level > 0 and grown(2, self.level) or 0) * self.gap end

--- A run begins; `by_change`: because something has changed. Returns whether that is when flapping begins.
function Pace:began(now, by_change)
  self.began_at, self.confirming = now, self.confirm and not by_change
  if not by_change then return false end
  if self.level > 0 then
    self.level = self.level + 1
    return false
  end
  table.insert(self.recent, now)
  while now - self.recent[1] > WINDOW * self.gap do table.remove(self.recent, 1) end
  if #self.recent < MANY then return false end
  self.level = 1
  return true
end

--- A run has ended. One that has changed something is followed by another: what it watched may have changed meanwhile
-- and back again. Returns how many have failed in a row before it.
function Pace:ended(now, failed, changed)
  local before = self.failures
  self.ended_at, self.failures = now, failed and before + 1 or 0
  self.confirm = changed and not failed and not self.confirming
  return before
end

--- When the next run may begin; nil when there is no reason for one. `changed`: something has changed.
function Pace:due(changed)
  local due
  if changed or self.confirm then due = math.max(self.ended_at + self.gap, self.began_at + self:pause()) end
  if self.failures > 0 then
    local again = self.ended_at + grown(FIRST_RETRY, self.failures - 1) * self.gap
    due = math.min(due or again, again)
  end
  return due
end

--- Whether flapping has just ended. `changed` as above.
function Pace:calmed(now, changed)
  if self.level == 0 or changed or now - self.began_at <= math.max(WINDOW * self.gap, self:pause()) then
    return false
  end
  self.level, self.recent = 0, {}
  return true
end

return new
