#!/bin/sh
# demo.sh: a Windows service takes port 80 through HTTP.SYS; p80 finds it, frees the port, and takes it all back.
# Sets itself up (see cmake/setup.sh), runs under Wine in a prefix and a network of its own, and leaves nothing.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build/x64

if [ "${1:-}" != --inside ]; then
  cd "$top"
  sh cmake/setup.sh --without-tests
  echo "demo: building p80.exe and the demo's service"
  sh cmake/build.sh x64 p80 holder bind-check
  exec sh tests/wine-run.sh sh "$top/examples/demo.sh" --inside
fi

# ---- In the prefix ----

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# run CODE WORDS...: shows and runs a command line, which must exit with CODE.
run() {
  expected=$1
  shift
  echo "> $*"
  program=$1
  shift
  case $program in
    p80) set -- "$build/p80.exe" "$@" ;;
    bind-check) set -- "$build/bind-check.exe" "$@" ;;
    sc) set -- 'C:\windows\system32\sc.exe' "$@" ;;
  esac
  code=0
  wine64 "$@" || code=$?
  echo "(exit code $code)"
  if [ "$code" != "$expected" ]; then
    echo "demo: exit code $expected was expected" >&2
    exit 1
  fi
}

# What a web client gets on port 80.
reply() {
  python3 -c '
import http.client, sys
try:
    client = http.client.HTTPConnection("127.0.0.1", 80, timeout=5)
    client.request("GET", "/", headers={"Host": "localhost:80"})
    answer = client.getresponse()
    print("HTTP", answer.status, answer.read().decode().strip())
except OSError as problem:
    sys.exit(f"no answer: {problem}")
'
}

wait_for_reply() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    reply 2>/dev/null && return
    sleep 0.5
  done
  reply
}

wineserver -p
step "1. A service that answers on http://+:80/, through HTTP.SYS"
run 0 sc create WebShop binPath= "Z:$build/holder.exe --service --http http://+:80/"
run 0 sc start WebShop
wait_for_reply

step "2. What would p80 do? It changes nothing; exit code 3 says that there is something to do"
run 3 p80 free80.lua --check
reply

step "3. Free the port"
run 0 p80 free80.lua

step "4. A plain Winsock program can bind 0.0.0.0:80 now"
run 0 bind-check 80

step "5. What was done here, and back again"
run 0 p80 runs
run 0 p80 undo
wait_for_reply
printf '\ndemo: done\n'
