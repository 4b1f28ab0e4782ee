#!/bin/sh
# Makes dist/portsentry: the program, Deno included, in one file.
#
#   BUILD=compile  by `deno compile`. Its runtime (denort) is downloaded, or named in DENORT_BIN.
#   BUILD=bundle   a self-extracting file: tools/self_extract.sh, with Deno and the program in it.
#
# Without BUILD the first, and the second where that runtime cannot be had.
set -eu
cd "$(dirname "$0")/.."
deno=.tools/deno
work=dist/work
export NO_COLOR=1
mkdir -p "$work"
. tools/permissions.sh
. tools/pack.sh

compile() {
  bundle compiled "$work/compiled.js"
  # Nothing of a configuration is known yet: PORTSENTRY_FILES is all that can be added.
  (with_permissions "$deno" "compile --no-config --output=$work/compiled" "$work/compiled.js") \
    >"$work/compile.log" 2>&1 || return 1
  # A runtime of another kind makes a file, too, but not one that runs the program.
  case $("$work/compiled" -V 2>&1) in
    *"(compiled, Deno "*) ;;
    *) echo "what it made does not run" >>"$work/compile.log"; return 1 ;;
  esac
  mv "$work/compiled" dist/portsentry
}

self_extracting() {
  bundle self-extracting "$work/portsentry.js"
  pack "$deno" "$work/portsentry.js" "$work/self-extracting"
  mv "$work/self-extracting" dist/portsentry
}

# The first and the last of the causes that Deno gives, on one line.
reason_of() { # FILE
  causes=$(sed -n 's/^ *[0-9]*: //p; s/^what it made/&/p; /^Stack/q' "$1")
  first=$(echo "$causes" | head -n 1)
  last=$(echo "$causes" | tail -n 1)
  [ "$first" = "$last" ] && echo "${first:-see $1}" || echo "$first $last"
}

case ${BUILD-} in
  compile)
    compile || { sed '/^Stack/,$d' "$work/compile.log" >&2; exit 1; }
    ;;
  bundle) self_extracting ;;
  "")
    compile || {
      echo "deno compile has no runtime ($(reason_of "$work/compile.log")): making a self-extracting file instead" >&2
      self_extracting
    }
    ;;
  *) echo "BUILD is compile or bundle, not $BUILD" >&2; exit 1 ;;
esac
PORTSENTRY_CACHE=$(mktemp -d)
export PORTSENTRY_CACHE
trap 'rm -rf "$PORTSENTRY_CACHE"' EXIT
echo "dist/portsentry: $(dist/portsentry -V), $(bytes_of dist/portsentry) bytes"
