#!/bin/sh
# check-globals.sh LUA_SOURCES FOLDER: every global name in p80's own Lua is one that Lua or p80 has; a misspelt local,
# or one that a merge has lost, is not. Makes luac in FOLDER.
set -eu
sources=$(realpath "$1") luac=$(realpath "$2")/luac
cd "$(dirname "$0")/.."
if [ ! -x "$luac" ]; then
  files=
  for file in "$sources"/*.c; do [ "${file##*/}" = lua.c ] || files="$files $file"; done
  # shellcheck disable=SC2086 # words
  cc -O1 -w -o "$luac" $files -lm
fi
known=' _G _VERSION assert collectgarbage coroutine debug error getmetatable io ipairs lfs load math next os package pairs
 pcall print rawequal rawget rawlen rawset require select setmetatable string table tonumber tostring type utf8 warn win
 xpcall '
code=0
for file in bindings/*.lua engine/core/*.lua scripts/*.lua scripts/lib/*.lua examples/*.lua; do
  for name in $("$luac" -l -p "$file" | sed -n 's/.*[GS]ETTABUP.*_ENV "\([^"]*\)".*/\1/p' | sort -u); do
    case $known in *[[:space:]]"$name"[[:space:]]*) ;; *) echo "$file: there is no global '$name'"; code=1 ;; esac
  done
done
exit $code
