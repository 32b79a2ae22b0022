#!/bin/sh
# setup.sh: puts in place what building and testing p80 on Debian needs: packages, the sources of the dependencies, the
# Wine prefix that tests clone. What is there is skipped, so it may be run again and again.
# Run it as root, or as a user who may use sudo.
#   setup.sh --without-tests    leaves out what only the tests need
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build
sources=$build/sources
template=$build/wine/template
log=$build/setup.log
[ "${1:-}" = --without-tests ] && tests=no || tests=yes

say() { printf 'set-up: %s\n' "$*"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Runs a command with its output in the log; shows the log's end when it fails.
logged() {
  if "$@" >>"$log" 2>&1; then return 0; fi
  tail -n 20 "$log" >&2
  say "failed: $* (all of it: $log)" >&2
  exit 1
}

# ---- Packages ----

# Prints the packages whose program or file is absent.
missing_packages() {
  while read -r sign package purpose; do
    [ "$purpose" != tests ] || [ "$tests" = yes ] || continue
    case $sign in
      /*) [ -e "$sign" ] ;;
      *) command -v "$sign" >/dev/null 2>&1 ;;
    esac || printf '%s ' "$package"
  done <<LIST
cmake cmake
ninja ninja-build
python3 python3
ip iproute2
cc gcc
/usr/include/stdio.h libc6-dev
x86_64-w64-mingw32-gcc-win32 gcc-mingw-w64-x86-64-win32
i686-w64-mingw32-gcc-win32 gcc-mingw-w64-i686-win32
x86_64-w64-mingw32-objdump binutils-mingw-w64
chromium-headless-shell chromium-headless-shell tests
minisign minisign tests
LIST
}

have_wine() { [ -x /usr/lib/wine/wine64 ] && [ -x /usr/lib/wine/wine ]; }

apt_install() {
  logged as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# An apt-get update may fail for a repository that has nothing to do with p80; what counts is the installation.
apt_update() {
  say "asking Debian for its list of packages"
  as_root apt-get update >>"$log" 2>&1 || true
}

install_packages() {
  packages=$(missing_packages)
  if [ -z "$packages" ] && have_wine; then return; fi
  if ! command -v apt-get >/dev/null 2>&1; then
    say "this is no Debian; please install $packages and Wine for x64 and x86" >&2
    exit 1
  fi
  have_wine || logged as_root dpkg --add-architecture i386
  apt_update
  if [ -n "$packages" ]; then
    say "installing $packages(a minute or two)"
    # shellcheck disable=SC2086 # a list
    apt_install $packages
  fi
  if ! have_wine; then
    say "installing Wine for x64 and x86 (a minute or two)"
    # shellcheck disable=SC1091
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    apt_install -t "$release" wine wine64 wine32:i386
  fi
}

# ---- Sources of the dependencies ----

# The Debian source package of a dependency.
debian_name() {
  case $1 in
    lua) echo lua5.4 ;;
    luafilesystem) echo lua-filesystem ;;
    luaunit) echo lua-unit ;;
    lib* | luacheck) echo "$1" ;;
    *) echo "lua-$1" ;;
  esac
}

# apt with a configuration of its own, in $apt, so that the system's stays as it is.
private_apt() {
  command=$1
  shift
  "$command" -o Dir::Etc::sourcelist="$apt/debian.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$apt/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
}

prepare_apt() {
  [ ! -e "$apt/ready" ] || return 0
  mkdir -p "$apt/lists/partial"
  for release in bookworm trixie; do
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $release main"
  done >"$apt/debian.list"
  private_apt apt-get update >>"$log" 2>&1 && touch "$apt/ready"
}

# Fetches the upstream archive of dependency $1, version $2, as Debian has it. Its checksum is CMake's to judge.
fetch() {
  package=$(debian_name "$1")
  release=$(private_apt apt-cache showsrc --only-source "$package" 2>>"$log" |
    sed -n "s/^Version: \($2-[^ ]*\)\$/\1/p" | head -n 1)
  # The description beside an archive may be gone from the mirrors while the archive is there: not its exit code,
  # but the file decides.
  (cd "$apt" && private_apt apt-get source --download-only --tar-only "$package=$release") >>"$log" 2>&1 || true
  [ -f "$apt/${package}_$2.orig.tar.gz" ] && mv "$apt/${package}_$2.orig.tar.gz" "$sources/$1-$2.tar.gz"
}

fetch_sources() {
  mkdir -p "$sources"
  apt=$build/apt
  sed -n 's/^p80_dependency(\([a-z]*\) \([0-9.]*\) .*/\1 \2/p' "$top/cmake/dependencies.cmake" |
    while read -r name version; do
      [ ! -f "$sources/$name-$version.tar.gz" ] || continue
      say "fetching the source of $name $version from Debian"
      if ! { command -v apt-get >/dev/null 2>&1 && prepare_apt && fetch "$name" "$version"; }; then
        say "Debian does not have it; CMake will fetch it from upstream"
      fi
    done
  rm -rf "$apt"
}

# ---- The Wine prefix that tests clone ----

make_template() {
  version=$(/usr/lib/wine/wine64 --version 2>/dev/null) || version=unknown
  [ "$(cat "$template/p80-made-by" 2>/dev/null)" != "$version" ] || return 0
  say "making a Wine prefix for the tests to clone, with $version (20 seconds)"
  rm -rf "$template" "$template.new"
  mkdir -p "$template.new/home"
  logged sh "$top/tests/wine-run.sh" --prefix "$template.new" sh -c 'wineboot -i && wineserver -w'
  # Links to folders of this user's home would let a test write there.
  find "$template.new/drive_c/users" -type l -exec sh -c 'rm "$1" && mkdir "$1"' - {} \;
  echo "$version" >"$template.new/p80-made-by"
  mv "$template.new" "$template"
}

mkdir -p "$build/wine"
exec 9>"$build/setup.lock"
flock 9
: >"$log"
install_packages
fetch_sources
make_template
say "all is there"
