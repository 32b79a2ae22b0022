---@meta

---The console that p80 runs in: `local console = require "console"`.
---@class console
local console = {}

---@alias console.stream "stdin"|"stdout"|"stderr"

---Gives the text that is written from now on a colour, if the stream is a console and colour is wanted.
---@param word "plain"|"good"|"warning"|"bad"|"faint"|"strong"
---@param stream? console.stream default "stdout"
function console.colour(word, stream) end

---Whether Ctrl-C came, and forgets that it did.
---@return boolean came
function console.interrupted() end

---Whether a stream is a console.
---@param stream? console.stream default "stdout"
---@return boolean terminal
function console.is_terminal(stream) end

---Shows on standard error that something takes its time: begins, or steps while `what` is still the same; without
---arguments it ends.
---@param what? string
---@param done? number the part that is done, 0 to 1
function console.progress(what, done) end

---Reads a line that is typed.
---@param prompt string
---@return string? line nil at the end of the input, or when Ctrl-C ended it
---@return boolean interrupted whether Ctrl-C ended it
function console.read(prompt) end

---The columns of the console behind a stream; 80 when it is none.
---@param stream? console.stream default "stdout"
---@return integer columns
function console.width(stream) end

return console
