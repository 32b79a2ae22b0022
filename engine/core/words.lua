-- The words of the command line behind a command or playbook, parsed with argparse.
local core, host = ...
local words = {}

local asked -- the help text that somebody asked for: argparse makes text of every error

--- Adds -h and --help to a parser or to one of its commands:
-- words.parse then returns the help text, with --json a document.
function words.add_help(parser)
  parser:usage_max_width(100):help_max_width(100)
  return parser:add_help {action = function()
    asked = parser:get_help()
    if core.options.json then
      asked = core.data.document({name = parser:get_usage():match "^Usage: p80 ([%w-]+)", text = asked}, {"name"})
    end
    asked = asked .. "\n"
    error("", 0)
  end}
end

--- A parser for `p80 NAME ...`.
function words.parser(name, summary) return words.add_help(host.lib "argparse"("p80 " .. name, summary)) end

--- What argparse says of wrong words as a sentence, and what it believes was meant, or nil.
function words.problem(text)
  local sentence, meant = text:match "^(.-)%.?\n(.*)$"
  sentence = (sentence or text):gsub("%.$", "")
  return sentence:sub(1, 1):upper() .. sentence:sub(2) .. ".", meant and "d" .. meant:sub(2)
end

--- Parses the words of a command. Returns its arguments, or nil and the help text when that was asked for. Raises
-- P80_BAD_ARGUMENTS.
function words.parse(parser, list)
  asked = nil
  local ran, parsed, result = pcall(parser.pparse, parser, list)
  if asked then return nil, asked end
  if not ran then error(parsed, 0) end
  if parsed then return result end
  local sentence, meant = words.problem(result)
  local hint = ("`%s --help` shows what there is"):format(parser:get_usage():match "^Usage: (p80 [%w-]+)" or "p80")
  core.fail(nil, core.code.P80_BAD_ARGUMENTS, sentence, meant and ("%s %s"):format(meant, hint) or hint)
end

return words
