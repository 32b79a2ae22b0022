#!/bin/sh
# run.sh [CASES [TARGET...]]: a million random cases for each parser written in Lua (tests/fuzz/TARGET.lua), in Lua itself, which is
# built here from the source that p80 is built from. Takes minutes; the test suite runs some thousand cases of each.
set -eu

cd "$(dirname "$0")/../.."
cases=${1:-1000000}
[ $# -eq 0 ] || shift

lua=$PWD/build/fuzz/lua
if [ ! -x "$lua" ]; then
  mkdir -p build/fuzz/source
  tar xzf build/sources/lua-*.tar.gz -C build/fuzz/source --strip-components=1
  (cd build/fuzz/source/src && rm luac.c && cc -O2 -DLUA_USE_POSIX -o "$lua" ./*.c -lm)
fi

[ $# -gt 0 ] || set -- $(cd tests/fuzz/seeds && ls)
for target; do "$lua" tests/fuzz/fuzz.lua "$target" "$cases"; done
