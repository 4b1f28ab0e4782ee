#!/bin/sh
# Runs tests and ends with `N passed, N failed` on a line of its own.
#
#   tools/test.sh SUITE…
#
#   source     everything, with the program of the sources
#   dist       all system tests, with dist/portsentry
#   packages   the packages, installed into a Debian of their own
#   dist-some  those of them that a build could break
set -u
cd "$(dirname "$0")/.."
report=$(mktemp)
cache=$(mktemp -d)
trap 'rm -rf "$report" "$cache"' EXIT
passed=0
failed=0

suite() { # COMMAND…: adds to the counts
  "$@" >"$report" 2>&1
  status=$?
  cat "$report"
  # Deno's own last line: `ok | 12 passed (30 steps) | 0 failed (2s)`
  counts=$(sed -n 's/^\(ok\|FAILED\) | \([0-9]*\) passed.* | \([0-9]*\) failed.*/\2 \3/p' "$report" | tail -n 1)
  # A run without counts, or with another fault than a failed test, has failed.
  case $status:$counts in
    0:?*) ;;
    *:?*" 0" | *:) counts="${counts:-0 0}"; failed=$((failed + 1)) ;;
  esac
  passed=$((passed + ${counts% *}))
  failed=$((failed + ${counts#* }))
}

dist() { # TEST…
  NO_COLOR=1 PORTSENTRY_PROGRAM=$PWD/dist/portsentry PORTSENTRY_CACHE=$cache \
    suite .tools/deno test --quiet -A --no-prompt "$@"
}

for name in "${@:-source}"; do
  case $name in
    source) suite .tools/deno task --quiet test ;;
    packages)
      NO_COLOR=1 PORTSENTRY_PACKAGES=yes suite .tools/deno test --quiet -A --no-prompt tests/packages
      ;;
    dist) dist tests/system ;;
    dist-some) dist tests/system/start_test.ts tests/system/stealth_test.ts tests/system/daemon_test.ts ;;
    *) echo "there is no suite $name" >&2; exit 1 ;;
  esac
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
