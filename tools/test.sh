#!/bin/sh
# Runs tests and ends with `N passed, N failed` on a line of its own.
#
#   tools/test.sh SUITE…
#
#   source     everything, with the program of the sources
#   dist       all system tests, with dist/portsentry
#   packages   the packages, installed into a Debian of their own
#   dist-some  those of them that a build could break
#
# A folder of tests, or a file of tests/system, is a job: a process of its own, so that descriptors,
# children and the names of network namespaces are not shared. TEST_JOBS of them run at a time: as many
# as there are processors, and four at most. Those of ALONE have the machine to themselves, after the
# others. Types are not checked here: `deno task lint` does that.
set -u
cd "$(dirname "$0")/.."

# What takes all of the machine, or measures what others would disturb: floods, fuzzing, 100,000 blocks.
ALONE="tests/fuzz
tests/packet
tests/system/connect_limits_test.ts
tests/system/fault_flood_test.ts
tests/system/fault_kill_test.ts
tests/system/fault_process_test.ts
tests/system/firewall_test.ts
tests/system/scan_flood_test.ts"

job() { # SUITE TEST…: shows the report in one piece, and keeps its counts
  case $1 in
    dist*) export PORTSENTRY_PROGRAM="$PWD/dist/portsentry" PORTSENTRY_CACHE="$WORK/cache" ;;
    packages) export PORTSENTRY_PACKAGES=yes ;;
  esac
  shift
  report=$(mktemp -p "$WORK")
  NO_COLOR=1 .tools/deno test --quiet --no-check -A --no-prompt "$@" >"$report" 2>&1
  status=$?
  # Deno's own last line: `ok | 12 passed (30 steps) | 0 failed (2s)`
  counts=$(sed -n 's/^\(ok\|FAILED\) | \([0-9]*\) passed.* | \([0-9]*\) failed.*/\2 \3/p' "$report" | tail -n 1)
  # A run without counts, or with another fault than a failed test, has failed.
  case $status:$counts in
    0:?*) ;;
    *:?*" 0" | *:) counts="${counts:-0 0}"; counts="${counts% *} $((${counts#* } + 1))" ;;
  esac
  flock "$WORK" cat "$report"
  echo "$counts" >>"$WORK/counts"
}

jobs_of() { # SUITE: one a line, those that take longest first
  case $1 in
    source)
      for file in tests/system/*_test.ts; do echo "source $file"; done
      for folder in $(dirname tests/*/*_test.ts | uniq); do
        [ "$folder" = tests/system ] || echo "source $folder"
      done
      echo source tests/*_test.ts
      ;;
    packages) echo packages tests/packages ;;
    dist) for file in tests/system/*_test.ts; do echo "dist $file"; done ;;
    dist-some) for name in start stealth daemon; do echo "dist tests/system/${name}_test.ts"; done ;;
    *) echo "there is no suite $1" >&2; return 1 ;;
  esac
}

if [ "${1-}" = --job ]; then
  shift
  job "$@"
  exit
fi

WORK=$(mktemp -d)
export WORK
trap 'rm -rf "$WORK"' EXIT
mkdir "$WORK/cache"
: >"$WORK/counts"
at_once=$(nproc)
for suite in "${@:-source}"; do jobs_of "$suite" || exit; done >"$WORK/jobs"
grep -vwF "$ALONE" "$WORK/jobs" |
  xargs -r -P "${TEST_JOBS:-$((at_once < 4 ? at_once : 4))}" -L 1 tools/test.sh --job
grep -wF "$ALONE" "$WORK/jobs" | xargs -r -L 1 tools/test.sh --job
jobs=$(wc -l <"$WORK/jobs")
set -- $(awk '{ passed += $1; failed += $2 } END { print NR, passed + 0, failed + 0 }' "$WORK/counts")
if [ "$1" != "$jobs" ]; then echo "$((jobs - $1)) of $jobs jobs left no counts" >&2; fi
echo "$2 passed, $(($3 + jobs - $1)) failed"
[ "$1 $3" = "$jobs 0" ]
