#!/bin/sh
# soak.sh [x64|x86]: the tests that take longer than the test run may (tests/soak/*.lua), in build/<arch>. Each says what
# it has measured; docs/verified.md has the last figures.
cd "$(dirname "$0")/.." || exit 1
arch=${1:-x64}
failed=0
for file in tests/soak/*_test.lua; do
  P80_TEST_SECONDS=7200 sh tests/wine-run.sh "$arch" "build/$arch/p80-test.exe" "Z:$PWD/$file" || failed=1
done
exit $failed
