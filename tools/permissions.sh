# The Deno permissions of the program, in one place: explicit lists, nothing unscoped, no prompt. The
# launcher of this tree reads this file; tools/build.sh puts it into everything it makes.
# tests/packaging/permissions_test.ts holds it to what the program names itself.
#
# PORTSENTRY_FILES adds files and folders, separated by commas, that the program may read and write.

libraries=/lib/x86_64-linux-gnu/libc.so.6,/lib/aarch64-linux-gnu/libc.so.6,/lib64/libc.so.6
libraries=$libraries,/usr/lib/x86_64-linux-gnu/libpcap.so.0.8,/usr/lib/aarch64-linux-gnu/libpcap.so.0.8
libraries=$libraries,/usr/lib64/libpcap.so.1
libraries=$libraries,/usr/lib/x86_64-linux-gnu/libnftables.so.1
libraries=$libraries,/usr/lib/aarch64-linux-gnu/libnftables.so.1,/usr/lib64/libnftables.so.1
commands=/bin/sh
network=
readable=/etc/portsentry
writable=/var/log/portsentry.log,/var/log/portsentry,/var/lib/portsentry,/run/portsentry
writable=$writable,/run/portsentry.pid,/etc/hosts.deny,/etc/.hosts.deny.portsentry
writable=$writable${PORTSENTRY_FILES:+,$PORTSENTRY_FILES}

# Runs Deno in place of this shell: DENO "SUBCOMMAND OPTION…" PROGRAM ARGUMENT…
with_permissions() {
  deno=$1 words=$2
  shift 2
  # Without an address to serve METRICS at, or a URL to notify, there is no permission for the network
  # at all. Its certificates may be those of an authority that this host alone knows.
  export DENO_TLS_CA_STORE="${DENO_TLS_CA_STORE-system,mozilla}"
  [ -z "$network" ] || set -- "--allow-net=$network" "$@"
  # shellcheck disable=SC2086 -- these are words
  exec "$deno" $words --no-prompt --quiet --allow-ffi="$libraries" --allow-run="$commands" \
    --allow-read="$readable,$writable" --allow-write="$writable" "$@"
}

# Allows the files that the program's command line names, and those that the configuration names:
# whoever writes the two is told by nobody to say it a second time. What a running program is to open
# anew upon SIGHUP has to have been named at its start.
allow_named() { # ARGUMENT…
  config=/etc/portsentry/portsentry.conf
  option=
  operand=
  for word; do
    case $option in
      "") ;;
      c) config=$word ;;
      p) allow_writing "$word" ;;
      html) allow_page "$word" ;;
    esac
    case $option in
      "") ;;
      operands) allow_operand "$word"; continue ;;
      *) option=; continue ;;
    esac
    case $word in
      --) option=operands ;;
      --configfile) option=c ;;
      --configfile=*) config=${word#*=} ;;
      --pidfile) option=p ;;
      --html) option=html ;;
      --html=*) allow_page "${word#*=}" ;;
      --pidfile=*) allow_writing "${word#*=}" ;;
      --method | --interface | --logoutput | --log-format | --to | --since | --interval) option=other ;;
      -[!-]*) joined_options "${word#-}" ;;
      --*) ;;
      *) allow_operand "$word" ;;
    esac
  done
  # That it is not there is told by the program, which may look.
  [ -e "$config" ] || allow_reading "$config"
  # A FIFO would hold up this shell for ever; the program refuses it.
  [ -f "$config" ] || return 0
  allow_reading "$config"
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      *IGNORE_FILE*=*\"*\"* | *HISTORY_FILE*=*\"*\"* | *BLOCKED_FILE*=*\"*\"*) ;;
      *STATE_FILE*=*\"*\"* | *CONTROL_SOCKET*=*\"*\"*) ;;
      *METRICS*=*\"*\"* | *NOTIFY_URL*=*\"*\"*) ;;
      *) continue ;;
    esac
    key=${line%%=*}
    key=${key#"${key%%[! 	]*}"}
    value=${line#*\"}
    value=${value%\"*}
    quoted=$value
    # A relative path starts at the folder of the file.
    case $value in
      "" | /*) ;;
      *) case $config in
        */*) value=${config%/*}/$value ;;
      esac ;;
    esac
    case $key in
      IGNORE_FILE*) allow_reading "$value" ;;
      HISTORY_FILE* | BLOCKED_FILE* | CONTROL_SOCKET*) allow_writing "$value" ;;
      STATE_FILE*) allow_state "$value" ;;
      METRICS*) allow_network "$quoted" ;;
      NOTIFY_URL*) allow_urls "$quoted" ;;
    esac
  done <"$config"
}

# The first word that is no option is a command; what stands behind `replay` is the file to read.
allow_operand() { # WORD
  case $operand:$1 in
    :*) operand=$1 ;;
    replay:-) ;;
    replay:*) allow_reading "$1" ;;
  esac
}

# Options in one word, such as -dvc/my.conf: the first that takes a value ends them.
joined_options() { # LETTERS
  letters=$1
  while :; do
    case $letters in
      c) option=c ;;
      c*) config=${letters#c} ;;
      p) option=p ;;
      p*) allow_writing "${letters#p}" ;;
      m | i | l) option=other ;;
      [!mil]?*) letters=${letters#?}; continue ;;
    esac
    return 0
  done
}

# A comma would end the path in the middle: such a file is not allowed, and the program says so.
allow_reading() { # PATH
  case $1 in
    "" | *,*) ;;
    *) readable=$readable,$1 ;;
  esac
}

# A page is written beside its place, and renamed.
allow_page() { # PATH
  [ "$1" = - ] || { allow_writing "$1"; allow_writing "$1.new"; }
}

# A damaged database is set aside, with what SQLite keeps beside it.
allow_state() { # PATH
  for end in "" -wal -shm .damaged .damaged-wal .damaged-shm; do allow_writing "$1$end"; done
}

# Hosts and ports of the URLs that are notified, as src/config/notify_url.ts reads them.
allow_urls() { # URLS
  set -f
  # shellcheck disable=SC2086 -- these are words
  set -- $1
  set +f
  for url; do
    case $url in
      [Hh][Tt][Tt][Pp]://*) port=80 ;;
      [Hh][Tt][Tt][Pp][Ss]://*) port=443 ;;
      *) continue ;;
    esac
    url=${url#*://}
    url=${url%%[/?#]*}
    host=${url##*@}
    case $host in
      *]) host=$host:$port ;;
      *]:*) ;;
      *:*) ;;
      *) host=$host:$port ;;
    esac
    allow_network "$host"
  done
}

# More than a host and a port would allow what nobody has named.
allow_network() { # HOST:PORT
  case $1 in
    *[!]A-Za-z0-9.:[-]* | "" | :* | *:) ;;
    *:*) network=${network:+$network,}$1 ;;
  esac
}

# Folders that are missing are made by the program, so the first of them is what it needs.
allow_writing() { # PATH
  path=$1
  while :; do
    parent=${path%/*}
    case $path in
      */*) [ -z "$parent" ] || [ -e "$parent" ] || { path=$parent; continue; } ;;
    esac
    break
  done
  case $path in
    "" | *,*) ;;
    *) writable=$writable,$path ;;
  esac
}
