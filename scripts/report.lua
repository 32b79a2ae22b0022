-- Writes down every port binding of the machine: who listens where, behind HTTP.SYS, too, and what would free it.
local p80 = require "p80"
local formats = require "formats"

local FORMATS = {"table", "csv", "json", "markdown", "html"}
local BY_ENDING = {
  csv = "csv", json = "json", md = "markdown", markdown = "markdown", html = "html", htm = "html", txt = "table",
}

local args = p80.playbook {
  name = "report",
  version = "1.0.0",
  summary = "Write down every port binding of the machine, and what would free each.",
  author = "the p80 authors",
  license = "MIT",
  args = {
    format = {
      type = "enum", values = FORMATS, help = "the form; by default that of the ending of --output, or a table",
    },
    output = {type = "path", help = "the file to write instead of standard output"},
    port = {type = "port", help = "only the bindings of this port"},
  },
  grants = {"file.write"},
  reports = "the machine, its bindings and who depends on HTTP",
}

local ending = args.output and args.output:match "%.(%w+)$"
local format = args.format or BY_ENDING[ending and ending:lower() or "txt"]
if not format then
  error(("--output %s: no form has the ending .%s; --format says which it is"):format(args.output, ending), 0)
end

local function add(report, list, notes)
  for _, row in ipairs(list) do
    if not args.port or row.port == args.port then report.bindings[#report.bindings + 1] = row end
  end
  report.notes = notes
end

local function look_around()
  local bindings, look = require "bindings", require "ports".look()
  local report = {
    machine = win.host.name(), windows = win.host.version().text, p80 = p80.version,
    time = os.date "!%Y-%m-%dT%H:%M:%SZ", elevated = win.host.elevated(), bindings = {}, http = bindings.http(look),
  }
  add(report, bindings.list(look))
  return report
end

local COLUMNS = {
  {key = "port", title = "port", right = true},
  {key = "protocol", title = "protocol"},
  {key = "address", title = "address"},
  {key = "pid", title = "pid", right = true},
  {key = "process", title = "process"},
  {key = "path", title = "path"},
  {key = "services", title = "services"},
  {key = "start", title = "start"},
  {key = "urls", title = "HTTP.SYS URLs"},
  {key = "reservations", title = "reservations"},
  {key = "product", title = "product"},
  {key = "remedy", title = "what would free it"},
  {key = "command", title = "command"},
  {key = "advice", title = "advice"},
}
local IN_TABLE = {
  port = true, protocol = true, address = true, process = true, services = true, urls = true, remedy = true,
}
local IN_JSON = {
  "machine", "windows", "p80", "time", "elevated", "notes", "bindings", "http", "name", "state", "port", "protocol",
  "address", "pid", "process", "path", "kind", "certain", "services", "start", "urls", "reservations", "product",
  "remedy", "command", "advice", "depends", "children",
}

-- The rows with text in every cell, and the columns that are shown.
local function flat(report, is_shown)
  local rows, columns = {}, {}
  for i, row in ipairs(report.bindings) do
    rows[i] = {}
    for key, value in pairs(row) do rows[i][key] = type(value) == "table" and table.concat(value, " ") or value end
  end
  for _, column in ipairs(COLUMNS) do
    if not is_shown or is_shown[column.key] then columns[#columns + 1] = column end
  end
  return rows, columns
end

local WRITE = {}

function WRITE.table(report)
  local rows, columns = flat(report, IN_TABLE)
  local notes = #report.notes > 0 and table.concat(report.notes, "\n") .. "\n\n" or ""
  if not rows[1] then return ("%sNobody has %s.\n"):format(notes, args.port and "port " .. args.port or "a port") end
  local width = not args.output and require "console".is_terminal() and require "console".width() or math.huge
  return notes .. require "show".table(rows, columns, {width = width}) .. "\n"
end

-- Standard output makes CR LF of each line's end by itself.
function WRITE.csv(report)
  local rows, columns = flat(report)
  for _, column in ipairs(columns) do column.title = column.key end
  for _, note in ipairs(report.notes) do p80.log("info", note) end -- for which the form has no place
  return formats.csv(rows, columns, not args.output and "\n" or nil)
end

function WRITE.markdown(report)
  local rows, columns = flat(report)
  local lines = {
    ("# Port bindings of %s\n\n"):format(formats.markdown_text(report.machine)),
    ("%s, %s, p80 %s.\n\n"):format(report.windows, report.time, report.p80),
  }
  for _, note in ipairs(report.notes) do lines[#lines + 1] = formats.markdown_text(note) .. "\n\n" end
  lines[#lines + 1] = formats.markdown(rows, columns)
  return table.concat(lines)
end

function WRITE.json(report)
  return require "dkjson".encode(formats.plain(report), {indent = true, keyorder = IN_JSON}) .. "\n"
end

function WRITE.html(report) return require "page".write(report) end

local report = look_around()
if p80.json then p80.report(formats.plain(report)) end
local text = (args.output or not p80.json) and WRITE[format](report)
if args.output then win.file.write(args.output, text)
elseif text then io.write(text) end
