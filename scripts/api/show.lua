---@meta

---Readable text for any value, for people: `local show = require "show"`. `show(value)` is `show.show(value)`.
---@class show
local show = {}

---@class show.options
---@field width? integer columns, default 80
---@field rows? integer of a list or record before it is cut, default 100

---The text of any value. Records print as `key = value` lines, arrays of records as a table.
---@param value any
---@param options? show.options
---@return string text without a line break at its end
function show.show(value, options) end

---A table of rows as aligned text, for reports.
---@param rows table[]
---@param columns (string|{key: any, title: string})[] names of the columns in their order, with titles of their own where given
---@param options? show.options every row is shown unless `rows` says otherwise
---@return string text
function show.table(rows, columns, options) end

---Prints a table of rows, or any value when `columns` is left out, as wide as the console; what is piped is not cut.
---@param rows table[]|any
---@param columns? (string|{key: any, title: string})[]
---@param options? show.print_options
function show.print(rows, columns, options) end

---@class show.print_options
---@field title? string a line above it
---@field empty? string what is printed when there is nothing
---@field rows? integer before it is cut

return show
