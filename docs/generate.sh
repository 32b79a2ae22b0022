#!/bin/sh
# generate.sh: writes docs/win.md from the stubs in scripts/api. p80 must have been built once (any version will do).
cd "$(dirname "$0")/.." && exec sh tests/wine-run.sh x64 build/x64/p80-test.exe "Z:$PWD/docs/generate.lua"
