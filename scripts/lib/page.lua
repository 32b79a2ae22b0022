-- The report of report.lua as one page of HTML: scripts/report.html, filled in.
local formats = require "formats"
local html = formats.html
local page = {}

-- ---- The picture: a tree from left to right ----

local WIDE <const>, HIGH <const>, ACROSS <const>, DOWN <const> = 190, 40, 240, 50
local MOST <const> = 80 -- leaves in it
local LONGEST <const> = 22 -- characters of a name in it

local function shorten(name)
  name = formats.clean(name)
  return utf8.len(name) > LONGEST and name:sub(1, utf8.offset(name, LONGEST) - 1) .. "…" or name
end

local function state_of(node)
  return (node.state or "unknown"):gsub("_", " ") .. (node.start and ", starts " .. node.start or "")
end

-- Gives every node its place {x, y}, the leaves one below the other; returns how many leaves there are and the depth.
local function place(node, depth, leaves)
  node.x, node.y = depth * ACROSS + 1, leaves * DOWN + 1
  local deepest, first = depth, leaves
  for _, child in ipairs(node.children) do
    if leaves < MOST then
      local below
      leaves, below = place(child, depth + 1, leaves)
      deepest = math.max(deepest, below)
      node.y = (node.children[1].y + child.y) / 2
    end
  end
  return math.max(leaves, first + 1), deepest
end

local function draw(node, out)
  for _, child in ipairs(node.children) do
    if child.x then
      local x, y, to = node.x + WIDE, node.y + HIGH / 2, child.y + HIGH / 2
      out[#out + 1] = ('<path%s d="M%g %gC%g %g %g %g %g %g"/>'):format(child.depends and "" or ' class="user"',
        x, y, x + 30, y, child.x - 30, to, child.x, to)
      draw(child, out)
    end
  end
  local name, state, left = html(node.name), html(state_of(node)), node.x + 10
  out[#out + 1] = ('<g%s><title>%s: %s</title><rect x="%g" y="%g" width="%d" height="%d" rx="6"/>'):format(
    node.state == "running" and ' class="on"' or "", name, state, node.x, node.y, WIDE, HIGH)
  out[#out + 1] = ('<text x="%g" y="%g">%s</text>'):format(left, node.y + 17, html(shorten(node.name)))
  out[#out + 1] = ('<text class="s" x="%g" y="%g">%s</text></g>'):format(left, node.y + 32, state)
end

local function list(node)
  local items = {}
  for i, child in ipairs(node.children) do items[i] = list(child) end
  local below = #items > 0 and "<ul>" .. table.concat(items) .. "</ul>" or ""
  return ("<li>%s <small>%s</small>%s"):format(html(node.name), html(state_of(node)), below)
end

-- Adds to {depends=, uses=, drawn=} what is below a node.
local function count(node, n)
  for _, child in ipairs(node.children) do
    if child.depends then n.depends = n.depends + 1 else n.uses = n.uses + 1 end
    if child.x then n.drawn = n.drawn + 1 end
    count(child, n)
  end
  return n
end

local function depending(count)
  if count == 0 then return "No service depends on it." end
  return count == 1 and "One service depends on it." or ("%d services depend on it."):format(count)
end

local function summary(http)
  local n = count(http, {depends = 0, uses = 0, drawn = 0})
  local text = ("HTTP is %s. %s"):format(http.state:gsub("_", " "), depending(n.depends))
  if n.uses > 0 then
    local use = n.uses == 1 and "1 other (dashed) uses" or ("%d others (dashed) use"):format(n.uses)
    text = ("%s %s HTTP.SYS without depending on it."):format(text, use)
  end
  if n.drawn < n.depends + n.uses then text = ("%s Drawn are %d; the list has all."):format(text, n.drawn) end
  return html(text)
end

local PICTURE <const> = [[
<figure><div><svg role="img" aria-labelledby="pt" aria-describedby="pd" viewBox="0 0 %d %d" width="%d" height="%d">
<title id="pt">Who depends on HTTP</title><desc id="pd">%s</desc>%s</svg></div>
<figcaption class="faint">%s</figcaption></figure>
<details><summary>As a list</summary><ul>%s</ul></details>]]

local function picture(http)
  if not http then return "<p>This machine has no HTTP service." end
  local leaves, deepest = place(http, 0, 0)
  local out, says = {}, summary(http)
  draw(http, out)
  local width, height = deepest * ACROSS + WIDE + 2, leaves * DOWN - DOWN + HIGH + 2
  return PICTURE:format(width, height, width, height, says, table.concat(out), says, list(http))
end

-- ---- The table ----

local function small(text) return text and text ~= "" and "<small>" .. html(text) .. "</small>" or "" end

local function joined(values) return html(table.concat(values or {}, ", ")) end

local function urls(row)
  local out = {}
  for _, url in ipairs(row.urls or {}) do out[#out + 1] = "<code>" .. html(url) .. "</code>" end
  for _, url in ipairs(row.reservations or {}) do out[#out + 1] = small("reserved: " .. url) end
  return table.concat(out)
end

local function remedy(row)
  local command = row.command and "<code>" .. html(row.command) .. "</code>" or ""
  return html(row.remedy) .. command .. small(table.concat(row.advice or {}, "; "))
end

local function process(row)
  return html(row.process) .. small(("pid %d"):format(row.pid)) .. (small(row.path):gsub("\\", "\\<wbr>"))
end

local COLUMNS <const> = {
  {"Port", function(row) return row.port end},
  {"Protocol", function(row) return row.protocol:upper() end},
  {"Address", function(row) return html(row.address) end},
  {"Process", process},
  {"Service", function(row) return joined(row.services) end},
  {"Start", function(row) return joined(row.start) end},
  {"HTTP.SYS URL", urls},
  {"Product", function(row) return joined(row.product) end},
  {"What would free it", remedy},
}

local function table_row(row)
  local cells = {}
  for i, column in ipairs(COLUMNS) do cells[i] = column[2](row) end
  return ('<tr%s><th scope="row">%s<td>%s'):format(row.kind == "http" and ' class="h"' or "", cells[1],
    table.concat(cells, "<td>", 2))
end

local function each(items, f)
  local out = {}
  for i, item in ipairs(items) do out[i] = f(item) end
  return table.concat(out, "\n")
end

local function figures(rows)
  local n = {tcp = 0, udp = 0, http = 0, all = 0}
  for _, row in ipairs(rows) do
    n[row.protocol] = n[row.protocol] + 1
    if row.kind == "http" then n.http = n.http + 1 end
    if row.address == "0.0.0.0" or row.address == "::" then n.all = n.all + 1 end
  end
  local all = {{"TCP bindings", n.tcp}, {"UDP bindings", n.udp}, {"of HTTP.SYS", n.http}, {"on all addresses", n.all}}
  return each(all, function(one) return ("<div><dt>%s</dt><dd>%d</dd></div>"):format(one[1], one[2]) end)
end

local function notes(list)
  if #list == 0 then return "" end
  return ('<ul class="notes">%s</ul>'):format(each(list, function(note) return "<li>" .. html(note) end))
end

function page.write(report)
  local parts = {
    machine = html(report.machine), windows = html(report.windows), version = html(report.p80),
    time = html(report.time), when = html((report.time:gsub("T", " "):gsub("Z", " UTC"))),
    figures = figures(report.bindings), picture = picture(report.http),
    count = ("%d binding%s"):format(#report.bindings, #report.bindings == 1 and "" or "s"),
    notes = notes(report.notes),
    heads = each(COLUMNS, function(column) return ('<th scope="col">%s</th>'):format(column[1]) end),
    rows = each(report.bindings, table_row),
  }
  return (require "report_page":gsub("{{(%l+)}}", parts))
end

return page
