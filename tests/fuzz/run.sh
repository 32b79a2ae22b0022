#!/bin/sh
# run.sh [CASES [TARGET...]]: a million cases for each parser. Those in Lua (tests/fuzz/TARGET.lua) get random mutations, in Lua
# itself, which is built here from the source that p80 is built from; those in C (tests/fuzz/native/TARGET.c, which names
# its sources) run under libFuzzer and this machine's sanitizers. Takes minutes; the test suite runs some thousand cases of
# the first kind. Without clang those in C are left out, and it ends with 1.
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

native() {
  command -v clang >/dev/null || { echo "$1: skipped, there is no clang (apt-get install clang)" >&2; skipped=1; return; }
  program=tests/fuzz/native/$1.c
  sources=$(sed -n 's/.*sources: \(.*[a-z]\).*/\1/p' "$program")
  work=$(mktemp -d build/fuzz/"$1".XXXXXX)
  # shellcheck disable=SC2086 # a list
  clang -std=c11 -fshort-wchar -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Iengine -Ibindings \
    "$program" $sources -o "$work/fuzz"
  mkdir "$work/found"
  "$work/fuzz" -runs="$cases" -max_len=4096 -artifact_prefix="$work/" "$work/found" "tests/fuzz/native/seeds/$1" 2>"$work/log" ||
    { tail -n 30 "$work/log"; exit 1; }
  echo "$1: $(tail -n 1 "$work/log"), no fault"
  rm -r "$work"
}

[ $# -gt 0 ] || set -- $(ls tests/fuzz/seeds tests/fuzz/native/seeds | grep '^[a-z]' | grep -v :)
skipped=0
for target; do
  if [ -f "tests/fuzz/native/$target.c" ]; then native "$target"; else "$lua" tests/fuzz/fuzz.lua "$target" "$cases"; fi
done
exit $skipped # not all was done
