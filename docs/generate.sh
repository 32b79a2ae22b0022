#!/bin/sh
# generate.sh: writes docs/win.md from the stubs in scripts/api, and the list of subjects in scripts/api/win.lua. It
# runs in build/x64/p80-test.exe; an older one will do.
cd "$(dirname "$0")/.." && exec sh tests/wine-run.sh x64 build/x64/p80-test.exe "Z:$PWD/docs/generate.lua"
