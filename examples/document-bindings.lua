-- Writes down every binding of the machine as Markdown: who listens on which TCP and UDP port, what HTTP.SYS serves,
-- which URLs are reserved, which certificates are bound, and the sites of IIS. What cannot be asked here says why.
--   p80 examples\document-bindings.lua [--output bindings.md]
local p80 = require "p80"

local args = p80.playbook {
  name = "document-bindings", version = "1.0.0", summary = "Write down every binding of this machine.",
  args = {output = {type = "path", help = "the file to write; standard output when left out"}},
  grants = {"file.write"},
}

local lines = {("# Bindings of %s, %s"):format(win.host.name(), win.host.version().text)}
local function add(text) lines[#lines + 1] = text end

local function cell(value) return (tostring(value == nil and "" or value):gsub("|", "\\|")) end

-- A section with one row for each item of what `read` gives; `row` makes the cells of one.
local function section(title, heads, read, row)
  add(("\n## %s\n"):format(title))
  local ok, items = pcall(read)
  if not ok then return add("Not known: " .. tostring(items)) end
  if #items == 0 then return add "None." end
  add("| " .. table.concat(heads, " | ") .. " |")
  add("|" .. ("---|"):rep(#heads))
  for _, item in ipairs(items) do
    local cells = {row(item)}
    for i = 1, #heads do cells[i] = cell(cells[i]) end
    add("| " .. table.concat(cells, " | ") .. " |")
  end
end

for _, name in ipairs {"tcp", "udp"} do
  section(name:upper() .. " listeners", {"port", "address", "process", "services", "pid"}, function()
    local rows = win[name].listeners()
    table.sort(rows, function(a, b)
      if a.local_port ~= b.local_port then return a.local_port < b.local_port end
      return a.local_address < b.local_address
    end)
    return rows
  end, function(row)
    return row.local_port, row.local_address, row.kernel and "the kernel" or row.path or row.process,
      table.concat(row.services, ", "), row.pid
  end)
end

local function queues() return win.http.state().queues end
section("Request queues of HTTP.SYS", {"URLs", "processes"}, queues, function(queue)
  local who = {}
  for i, process in ipairs(queue.processes) do
    who[i] = ("%s (%s)"):format(process.name or process.pid, table.concat(process.services, ", "))
  end
  return table.concat(queue.urls, " "), table.concat(who, ", ")
end)

section("Reserved URLs", {"URL", "access list"}, win.http.urlacl.list, function(row) return row.url, row.sddl end)

section("Addresses on which HTTP.SYS listens (none: all)", {"address"}, win.http.iplisten.list, function(address)
  return address
end)

section("Certificates", {"binding", "certificate", "application"}, win.http.sslcert.list, function(row)
  local product = row.appid and win.http.product(row.appid)
  return row.binding, row.hash, product and product.name or row.appid
end)

local function bindings() return win.iis.store() and win.iis.bindings() or {} end
section("Sites of IIS", {"site", "protocol", "binding"}, bindings,
  function(row) return row.site, row.protocol, row.binding end)

local text = table.concat(lines, "\n") .. "\n"
if args.output then win.file.write(args.output, text) else print(text) end
