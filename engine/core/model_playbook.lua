-- The time of a modelled machine in a playbook's state.
local time, clock = ...
local real_time, real_date = os.time, os.date

function os.time(at) return at == nil and time() or real_time(at) end
function os.clock() return clock() end
function os.date(format, at) return real_date(format or "%c", at or time()) end
