#!/bin/sh
# ctrl-c.sh BUILD-FOLDER LOADER, in wine-run.sh: Ctrl-C typed into a terminal while p80 waits for a slow service ends
# the run within seconds, with exit code 1, and undo restores what it had done; and one that watches the registry for ever.
# (Wine has a console only in a terminal, and no GenerateConsoleCtrlEvent there.)
set -eu

bin=$1
loader=$2
keys=$WINEPREFIX/keys
log=$WINEPREFIX/terminal
sc='C:\windows\system32\sc.exe'

fail() {
  echo "ctrl-c: $*" >&2
  cat "$log" >&2 || true
  exit 1
}

# The terminal breaks a line at its width.
says() { tr -d '\r\n' <"$log" | grep -q "$1"; }

wineserver -p
"$loader" "$sc" create Slow binPath= "Z:$bin/holder.exe --service --tcp 80 --slow-stop 5" >/dev/null
"$loader" "$sc" start Slow >/dev/null
sleep 0.5

mkfifo "$keys"
script -qefc "$loader $bin/p80.exe free80.lua --timeout 30" "$log" <"$keys" >/dev/null &
terminal=$!
exec 3>"$keys"
for _ in 1 2 3 4 5 6 7 8 9 10; do
  sleep 0.3
  "$loader" "$sc" query Slow | grep -q STOP_PENDING && break
done
printf '\003' >&3
code=0
wait "$terminal" || code=$?
exec 3>&-

[ "$code" = 1 ] || fail "exit code $code instead of 1"
says nterrupted || fail "it does not say that it was interrupted"
says 'p80 undo 1' || fail "it does not say what takes back what was done"
"$loader" "$sc" query Slow | grep -q STOP_PENDING || fail "it waited for the service to the end"
"$loader" "$bin/p80.exe" undo || fail "undo failed"
"$loader" "$sc" query Slow | grep -q RUNNING || fail "undo did not start the service again"

# interrupts WHAT CODE [PROGRAM]: Ctrl-C ends code that never ends by itself, once it has printed "begun".
interrupts() {
  rm -f "$log"
  script -qefc "$loader $bin/${3:-p80.exe} --allow scm.state -e 'print [[begun]] $2'" "$log" <"$keys" >/dev/null &
  terminal=$!
  exec 3>"$keys"
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.3
    grep -q '^begun' "$log" && break
  done
  printf '\003' >&3
  code=0
  wait "$terminal" || code=$?
  exec 3>&-
  [ "$code" = 1 ] || fail "exit code $code instead of 1: $1"
  says nterrupted || fail "it does not say that it was interrupted: $1"
  ! says 'p80 undo' || fail "what it wants taken back is another run: $1"
}

interrupts "a watch" 'for _ in win.reg.watch [[HKLM\SOFTWARE]] do end'
export P80_SHIM_HANG=ControlService:1
[ ! -f "$bin/p80-shim.exe" ] ||
  interrupts "a stop that never returns" 'win.scm.stop("Slow", {timeout = 60})' p80-shim.exe
"$loader" "$sc" query Slow | grep -q RUNNING || fail "what was not stopped does not run"
interrupts "a busy coroutine" 'coroutine.wrap(function() coroutine.wrap(function() while true do end end)() end)()'
interrupts "a coroutine whose errors are ignored" \
  'local busy = coroutine.create(function() while true do end end) while true do coroutine.resume(busy) end'
