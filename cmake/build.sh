#!/bin/sh
# build.sh PRESET [TARGET...]: configures and builds; prints the last line of that, or what went wrong.
set -eu

cd "$(dirname "$0")/.."
preset=$1
shift
log=build/$preset.log
mkdir -p build
if cmake --preset "$preset" >"$log" 2>&1 && cmake --build --preset "$preset" ${1:+--target "$@"} >>"$log" 2>&1; then
  exec tail -n 1 "$log"
fi
tail -n 40 "$log" >&2
echo "build: $preset failed (all of it: $log)" >&2
exit 1
