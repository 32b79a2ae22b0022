#!/bin/sh
# run.sh: sets up, builds p80 for x64 and x86 and the hardened build, and runs all tests. May be repeated.
# Its last line is "N passed, N failed, N skipped"; the exit code is 0 when none failed.
#   run.sh PATTERN    runs only the tests whose name matches
set -eu

cd "$(dirname "$0")/.."
sh cmake/setup.sh

say() { printf 'tests: %s\n' "$*"; }

# The value of attribute $1 in the report $2 that ctest writes.
count() { sed -n "s/^[[:space:]]*$1=\"\([0-9]*\)\".*/\1/p" "$2" | head -n 1; }

passed=0 failed=0 skipped=0
for build in x64 x86 debug; do
  say "building $build"
  sh cmake/build.sh "$build"
done
for build in x64 x86 debug; do
  say "running the tests of $build"
  report=$PWD/build/$build/report.xml
  rm -f "$report"
  ctest --test-dir "build/$build" --parallel 4 --output-on-failure --no-label-summary --output-junit "$report" \
    --tests-regex "${1:-.}" && good=yes || good=no
  tests=$(count tests "$report")
  failures=$(count failures "$report")
  if [ "$good$failures" = no0 ]; then failures=1; fi # a test that could not be run
  skips=$(count skipped "$report")
  passed=$((passed + tests - failures - skips))
  failed=$((failed + failures))
  skipped=$((skipped + skips))
done

# A test that writes into a hard-linked file in place would change what later tests begin with.
changed=$(find build/wine/template -newer build/wine/template/p80-made-by -type f)
if [ -n "$changed" ]; then
  say "a test wrote into the template prefix, which is made anew the next time:" "$changed"
  rm build/wine/template/p80-made-by
  failed=$((failed + 1))
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
