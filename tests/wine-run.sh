#!/bin/sh
# wine-run.sh x64|x86 PROGRAM.exe [ARGUMENTS...]
#   runs a Windows program in a Wine prefix and a network of its own, and exits as it does (77: skipped).
# wine-run.sh [--prefix FOLDER] COMMAND [ARGUMENTS...]
#   runs a command of this system there, in which `wine64 PROGRAM` runs Windows programs; with --prefix in that
#   prefix (cmake/setup.sh makes the template so).
#
# The prefix is a clone of build/wine/template: files are hard links, but for the registry. The network has a
# loopback interface only, so that each test may own port 80. A process namespace around all of it ends every
# process that the test leaves behind.
#
# A program that leaves the file C:\p80-reboot asks for a restart of the machine: everything in the prefix is
# ended, then the program runs again with --phase= and that file's text as one more argument.
#
# Drive P: is this tree, so that nothing depends on what lies above it: an elevated p80 refuses scripts below folders that
# others may write (/tmp) and below mount points, which Wine shows as junctions.
#
# Drive F: is a disk of 64 KiB, which a test may fill.
#
# P80_TEST_SECONDS (120) bounds the run; P80_WINEDEBUG shows what Wine says; P80_TEMPLATE is another template.
set -eu

tests=$(cd "$(dirname "$0")" && pwd)
wine=/usr/lib/wine

# ---- Inside the namespaces, as process 1 ----

inside() {
  ip link set lo up
  [ ! -d "$WINEPREFIX/dosdevices" ] || ln -sfn "$(dirname "$tests")" "$WINEPREFIX/dosdevices/p:"
  mkdir -p "$WINEPREFIX/small"
  mount -t tmpfs -o mode=700,size=64k tmpfs "$WINEPREFIX/small"
  [ ! -d "$WINEPREFIX/dosdevices" ] || ln -sfn ../small "$WINEPREFIX/dosdevices/f:"
  sockets=/tmp/.wine-$(id -u)
  mkdir -p "$sockets"
  mount -t tmpfs -o mode=700 tmpfs "$sockets"
  case $1 in
    x64) loader=$wine/wine64 ;;
    x86) loader=$wine/wine ;;
    *)
      "$@"
      return
      ;;
  esac
  shift
  phase=
  for _ in 1 2 3 4 5 6; do
    wineserver -p
    code=0
    # shellcheck disable=SC2086 # no argument when there is no phase
    timeout -k 5 "${P80_TEST_SECONDS:-120}" "$loader" "$@" $phase || code=$?
    [ "$code" != 124 ] || echo "wine-run: stopped after ${P80_TEST_SECONDS:-120} seconds" >&2
    again=$WINEPREFIX/drive_c/p80-reboot
    [ -f "$again" ] || return "$code"
    phase=--phase=$(cat "$again")
    rm "$again"
    wineserver -k && wineserver -w
  done
  echo "wine-run: too many restarts" >&2
  return 1
}

# Linux has one table of connections for all networks, as large as the machine's memory allows (262,144 entries with
# 24 GiB), and Wine walks all of it four times for each TCP table. A network made here has its own, of 512 MiB's size;
# before Linux 6.1 there is no such thing.
if [ "$1" = --before-inside ]; then
  shift
  echo 4096 2>/dev/null >/proc/sys/net/ipv4/tcp_child_ehash_entries || true
  exec unshare --net sh "$0" --inside "$@"
fi

if [ "$1" = --inside ]; then
  shift
  inside "$@"
  exit
fi

# ---- Outside ----

if [ "$1" = --prefix ]; then
  prefix=$2
  clone=
  shift 2
else
  template=${P80_TEMPLATE:-$tests/../build/wine/template}
  clone=$(mktemp -d "$(dirname "$template")/run.XXXXXX")
  prefix=$clone/prefix
fi

runner=
# shellcheck disable=SC2317 # the traps call it
clean() {
  trap '' INT TERM HUP
  [ -z "$runner" ] || kill -KILL "$runner" 2>/dev/null || true
  [ -z "$clone" ] || rm -rf "$clone"
}
trap 'clean; exit 130' INT
trap 'clean; exit 143' TERM HUP
trap clean EXIT

if [ -n "$clone" ]; then
  cp -al "$template" "$prefix"
  for file in "$template"/*.reg; do
    rm "$prefix/${file##*/}"
    cp "$file" "$prefix"
  done
  rm -f "$prefix/wineserver"
fi

if [ "$(id -u)" = 0 ]; then user=; else user=--map-root-user; fi
# One in some thousand programs would not start, because its randomly placed heap lies where Wine needs an address.
if setarch -R true 2>/dev/null; then steady='setarch -R'; else steady=; fi
# shellcheck disable=SC2086 # words, or none
env -i PATH="$wine:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" \
  HOME="$prefix/home" WINEPREFIX="$prefix" WINEDEBUG="${P80_WINEDEBUG:--all}" \
  WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe=' P80_TEST_SECONDS="${P80_TEST_SECONDS:-120}" \
  $steady unshare $user --net --pid --fork --kill-child --mount-proc sh "$0" --before-inside "$@" &
runner=$!
code=0
wait "$runner" || code=$?
runner=
exit "$code"
