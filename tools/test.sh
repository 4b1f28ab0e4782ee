#!/bin/sh
# Runs the tests and ends with `N passed, N failed` on a line of its own.
set -u
cd "$(dirname "$0")/.."
report=$(mktemp)
trap 'rm -f "$report"' EXIT
status=0
.tools/deno task --quiet test "$@" >"$report" 2>&1 || status=$?
cat "$report"
# Deno's own last line: `ok | 12 passed (30 steps) | 0 failed (2s)`
counts=$(sed -n 's/^\(ok\|FAILED\) | \([0-9]*\) passed.* | \([0-9]*\) failed.*/\2 passed, \3 failed/p' "$report" | tail -n 1)
if [ -z "$counts" ]; then
  counts="0 passed, 1 failed"
  status=1
fi
echo "$counts"
exit "$status"
