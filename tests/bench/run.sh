#!/bin/sh
# run.sh: sets up, builds, and measures p80; prints ratios (docs/benchmarks.md keeps the last ones). Takes minutes.
set -eu

cd "$(dirname "$0")/../.."
sh cmake/setup.sh
sh cmake/build.sh x64

work=$(mktemp -d "$PWD/build/wine/bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp -a build/wine/template "$work/prefix"
cc -O2 -o "$work/peak" tests/bench/peak.c
# On one processor: where two of a virtual machine wait for each other, the same program takes 13 or 43 ms to start.
taskset -c 0 sh tests/wine-run.sh --prefix "$work/prefix" sh -c \
  'wineserver -p; /usr/bin/python3 "$1/tests/bench/processes.py" "$1/build/x64" "$2/peak"; wineserver -k' - "$PWD" "$work"
P80_TEST_SECONDS=1800 sh tests/wine-run.sh x64 build/x64/p80-test.exe "Z:$PWD/tests/bench/bench.lua"
