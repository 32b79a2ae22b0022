---@meta

---Tables of text for other programs: `local formats = require "formats"`.
---@class formats
local formats = {}

---@class formats.column
---@field key string of the rows' field
---@field title string
---@field right? boolean for `formats.markdown`: numbers

---Text on one line, of whole characters: control characters become blanks, and what is no UTF-8 becomes U+FFFD.
---@param value any
---@return string text
function formats.clean(value) end

---A table as RFC 4180 has it. A cell that a spreadsheet would take for a formula (=, +, -, @) gets an apostrophe before it.
---@param rows table<string, string|number>[]
---@param columns formats.column[]
---@param line_end? string CR LF; "\n" for standard output, which makes CR LF of it
---@return string csv
function formats.csv(rows, columns, line_end) end

---Text for a page.
---@param value any
---@return string html
function formats.html(value) end

---A table of GitHub's Markdown.
---@param rows table<string, string|number>[]
---@param columns formats.column[]
---@return string markdown
function formats.markdown(rows, columns) end

---Text that Markdown shows as it is.
---@param value any
---@return string markdown
function formats.markdown_text(value) end

---A copy of any value with all its text as `formats.clean` makes it: what JSON can hold.
---@param value any
---@return any copy
function formats.plain(value) end

return formats
