#!/bin/sh
# Shows the program at work without a second host: two network namespaces with a cable between them,
# the sentry in one, a real nmap in the other. Everything is removed at the end, however that comes.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "make demo makes network namespaces: run it as root" >&2; exit 1; }

watched=portsentry-demo-$$-watched
scanner=portsentry-demo-$$-scanner
folder=$(mktemp -d)
sentry=

cleanup() {
  trap '' INT TERM HUP PIPE
  trap - EXIT
  if [ -n "$sentry" ]; then
    kill "$sentry" 2>/dev/null || true
    wait "$sentry" 2>/dev/null || true
  fi
  ip netns del "$watched" 2>/dev/null || true
  ip netns del "$scanner" 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT
# A reader that has seen enough, as in `make demo | head`, ends it with SIGPIPE.
trap 'exit 130' INT TERM HUP PIPE

host() { # NAMESPACE IPV4 IPV6
  ip -n "$1" link set lo up
  ip -n "$1" addr add "$2/24" dev eth0
  ip -n "$1" addr add "$3/64" dev eth0 nodad
  ip -n "$1" link set eth0 up
}
ip netns add "$watched"
ip netns add "$scanner"
ip link add eth0 netns "$watched" type veth peer name eth0 netns "$scanner"
host "$watched" 192.0.2.1 2001:db8::1
host "$scanner" 192.0.2.9 2001:db8::9

cat >"$folder/portsentry.conf" <<CONFIG
TCP_PORTS="11,23,79"
UDP_PORTS="7,9"
HISTORY_FILE="$folder/history"
CONFIG

# The sentry writes to a file, which is shown after each scan: so scans and events keep their order.
PORTSENTRY_FILES=$folder ip netns exec "$watched" tools/portsentry -c "$folder/portsentry.conf" \
  >"$folder/out" 2>&1 &
sentry=$!
tries=0
until grep -q "now active" "$folder/out"; do
  kill -0 "$sentry" 2>/dev/null && [ $tries -lt 300 ] || { cat "$folder/out" >&2; exit 1; }
  tries=$((tries + 1))
  sleep 0.1
done
shown=0
show() {
  sleep 0.3
  tail -n "+$((shown + 1))" "$folder/out"
  shown=$(wc -l <"$folder/out")
}
scan() { # WHAT NMAP-ARGUMENTS
  printf '\n# %s: nmap %s\n' "$1" "$2"
  # shellcheck disable=SC2086 -- the arguments are words
  ip netns exec "$scanner" nmap -n -Pn --max-retries 0 $2 >/dev/null
  show
}
show
scan "SYN scan" "-sS -p 11,23,79,80 192.0.2.1"
scan "NULL scan" "-sN -p 23 192.0.2.1"
scan "FIN scan" "-sF -p 23 192.0.2.1"
scan "XMAS scan" "-sX -p 23 192.0.2.1"
scan "UDP scan" "-sU -p 7,9 192.0.2.1"
scan "IPv6 scan" "-6 -sS -p 23 2001:db8::1"
echo
kill "$sentry"
wait "$sentry" || true
sentry=
show
printf '\n# The history file holds %s lines; the last one:\n' "$(wc -l <"$folder/history")"
tail -n 1 "$folder/history"
