#!/bin/sh
# Installs what is missing: Debian packages by command or library name, and the pinned Deno.
#
#   tools/setup.sh [libpcap] [libnftables] [nmap] [ip] …
#
# Packages that would start a service, or are only wanted for a file in them, are unpacked into
# .tools/debian and not installed: fail2ban (it would begin to write firewall rules), rsyslog (it would
# become this host's logger), prometheus (it would begin to collect) and portsentry 1.
#
# Leaves `.tools/deno`, a link to the Deno that everything here runs with.
set -eu
cd "$(dirname "$0")/.."

deno_version=2.9.6

# The Debian package behind a name, when what it brings is not there yet.
missing() {
  case $1 in
    libpcap) [ -n "$(ls /usr/lib/*-linux-gnu/libpcap.so.0.8 /usr/lib64/libpcap.so.1 2>/dev/null)" ] || echo libpcap0.8 ;;
    libnftables) [ -n "$(ls /usr/lib/*-linux-gnu/libnftables.so.1 /usr/lib64/libnftables.so.1 2>/dev/null)" ] || echo libnftables1 ;;
    nft) command -v nft >/dev/null || echo nftables ;;
    ip) command -v ip >/dev/null || echo iproute2 ;;
    man) command -v man >/dev/null || echo man-db ;;
    rpmbuild) command -v rpmbuild >/dev/null || echo rpm ;;
    dpkg-deb) command -v dpkg-deb >/dev/null || echo dpkg ;;
    nc) command -v nc >/dev/null || echo netcat-openbsd ;;
    editcap) command -v editcap >/dev/null || echo wireshark-common ;;
    npm) command -v npm >/dev/null || echo npm ;;
    script) command -v script >/dev/null || echo bsdutils ;;
    fail2ban-regex) command -v python3 >/dev/null || echo python3 ;;
    portsentry-1 | rsyslogd | libfaketime | systemd-analyze | promtool) ;;
    *) command -v "$1" >/dev/null || echo "$1" ;;
  esac
}

# The packages to unpack for a name, when they are not there yet.
unpackable() {
  case $1 in
    fail2ban-regex) packages=fail2ban ;;
    portsentry-1) packages=portsentry ;;
    rsyslogd) packages="rsyslog libestr0 libfastjson4 liblognorm5" ;;
    libfaketime) packages=libfaketime ;;
    systemd-analyze)
      command -v systemd-analyze >/dev/null && return
      packages="systemd libsystemd-shared"
      ;;
    promtool) packages=prometheus ;;
    *) return ;;
  esac
  for package in $packages; do
    [ -d ".tools/debian/$package" ] || echo "$package"
  done
}

# Unpacks a Debian package into .tools/debian, without running anything of it.
unpack() {
  rm -rf .tools/debian/new
  mkdir -p .tools/debian/new
  (cd .tools/debian/new && apt-get -qq -o APT::Sandbox::User=root download "$1" >&2)
  dpkg-deb -x .tools/debian/new/*.deb .tools/debian/new/tree
  mv .tools/debian/new/tree ".tools/debian/$1"
  rm -rf .tools/debian/new
}

# A Deno on the PATH will do when it is of the pinned minor version or a later one of the same major.
usable() {
  command -v deno >/dev/null || return 1
  have=$(deno --version | sed -n 's/^deno \([0-9.]*\).*/\1/p')
  [ "${have%%.*}" = "${deno_version%%.*}" ] || return 1
  [ "$(printf '%s\n' "$deno_version" "$have" | sort -V | head -n 1)" = "$deno_version" ]
}

needed=
unpacked=
for name in "$@"; do
  needed="$needed $(missing "$name")"
  unpacked="$unpacked $(unpackable "$name")"
done
if [ ! -x .tools/deno ] && ! usable; then needed="$needed $(missing npm)"; fi
needed=$(echo $needed)
unpacked=$(echo $unpacked)
if [ -n "$needed$unpacked" ]; then
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "Please install: $needed $unpacked (or run this as root on Debian or Ubuntu)" >&2
    exit 1
  fi
  apt-get update -qq >&2
fi
for package in $unpacked; do
  echo "Unpacking $package into .tools/debian" >&2
  unpack "$package"
done
if [ -n "$needed" ]; then
  echo "Installing $needed" >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $needed >&2
fi

if [ ! -x .tools/deno ]; then
  mkdir -p .tools
  if usable; then
    ln -sf "$(command -v deno)" .tools/deno
  else
    echo "Installing Deno $deno_version from npm into .tools" >&2
    case $(uname -m) in
      x86_64) platform=linux-x64-glibc ;;
      aarch64 | arm64) platform=linux-arm64-glibc ;;
      *) echo "There is no Deno for $(uname -m)" >&2; exit 1 ;;
    esac
    # The platform's own package holds the binary; nothing of it has to run to install it.
    npm install --silent --no-save --no-fund --no-audit --ignore-scripts --prefix .tools \
      "@deno/$platform@$deno_version" >&2
    ln -sf "node_modules/@deno/$platform/deno" .tools/deno
  fi
fi
.tools/deno install --quiet --frozen >&2
