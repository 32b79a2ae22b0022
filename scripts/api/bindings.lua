---@meta

---Every port binding of the machine, and who depends on HTTP: `local bindings = require "bindings"`.
---@class bindings
local bindings = {}

---@class bindings.row
---@field port integer
---@field protocol "tcp"|"udp"
---@field address string
---@field pid integer of the socket's owner; 4 for HTTP.SYS
---@field kind ports.kind
---@field process? string the image's name; "HTTP.SYS for svchost.exe (2688)"
---@field path? string
---@field certain? boolean kind "http": whether it is these processes, all of them
---@field services string[]
---@field start string[] how Windows starts them: "auto (delayed)"
---@field urls? string[] what is registered with HTTP.SYS on the port
---@field reservations? string[] what is reserved with HTTP.SYS on the port
---@field product string[] the known products that these are
---@field remedy? string the mildest step that would free the port
---@field command? string the command that takes it; TCP alone
---@field advice string[] how the products are told to use another port

---@class bindings.node
---@field name string
---@field state? string
---@field start? string
---@field depends? true whether it is a service that depends on its parent; otherwise it uses HTTP.SYS without that
---@field children bindings.node[]

---What there is to know of listeners.
---@param listeners (win.tcp.listener|win.udp.listener)[]
---@param protocol "tcp"|"udp"
---@param look? ports.look
---@return bindings.row[] rows
function bindings.describe(listeners, protocol, look) end

---Who depends on HTTP, and who else uses HTTP.SYS.
---@param look? ports.look
---@return bindings.node? http nil without an HTTP service
function bindings.http(look) end

---Every listener of TCP and every UDP port, by port.
---@param look? ports.look
---@return bindings.row[] rows
---@return string[] notes what could not be known
function bindings.list(look) end

return bindings
