-- ZIP archives: what is read is within the limits and as it was packed, and every name that is let through stays in its folder.
local function core_chunk(name) return test and test.bundled("core", name) or assert(loadfile(package.searchpath(name, package.path))) end
local zip = core_chunk "zip"()
local packages = core_chunk "package"({code = {}, x = {}}, {})

local LIMITS <const> = {files = 50, bytes = 64 * 1024}

-- Blocks that are stored, as deflate has them; what is packed otherwise is some text of the right size.
local function inflate(packed, size)
  assert(size <= LIMITS.bytes)
  if packed:byte() == 1 and #packed == size + 5 then return packed:sub(6) end
  return ("x"):rep(size)
end

local function check_entry(entry)
  assert(utf8.len(entry.name) and not entry.name:find("\0", 1, true) and #entry.bytes == entry.size)
  assert(zip.crc32(entry.bytes) == entry.crc)
  if packages.path_problem((entry.name:gsub("/$", ""))) then return end
  assert(not ("/" .. entry.name .. "/"):find("/%.*[ /]") and not entry.name:find '[\\:%c*?"<>|]' and not entry.name:find "^/", entry.name)
end

return function(input)
  local entries, problem = zip.read(input, inflate, LIMITS)
  if not entries then return assert(type(problem) == "string" and problem:find "%.$") end
  local total = 0
  for _, entry in ipairs(entries) do
    check_entry(entry)
    total = total + #entry.bytes
  end
  assert(#entries <= LIMITS.files and total <= LIMITS.bytes and total <= #input * 1100)
end
