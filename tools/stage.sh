#!/bin/sh
# Puts the program and all that belongs to it into a tree, as make install and the packages do.
#
#   DESTDIR=… PREFIX=/usr/local SYSCONFDIR=/etc tools/stage.sh [--remove]
#
# A configuration that is there already stays as it is. DENO names another Deno to install than that
# of .tools, such as one for another processor. --remove takes away what an installation has brought,
# except for the configuration and what the program itself has written.
set -eu
cd "$(dirname "$0")/.."
. tools/pack.sh
destination=${DESTDIR-}
prefix=${PREFIX:-/usr/local}
sysconf=${SYSCONFDIR:-/etc}
deno=${DENO:-.tools/deno}
work=dist/work
share=$prefix/share
folder=$prefix/lib/portsentry
zsh=${ZSH_COMPLETIONS:-$share/zsh/site-functions}
# Where systemd looks for what administrators install is fixed; packages have PREFIX=/usr.
systemd=$prefix/lib

install_all() {
  bundle packaged "$work/packaged.js"
  tools/man.sh "$work/man"
  .tools/deno run --quiet --allow-read --allow-write="$work" tools/completions.ts "$work/completions"
  put 755 "$deno" "$folder/portsentry"
  put 644 "$work/packaged.js" "$folder/portsentry.js"
  put 644 packaging/remove_table.js "$folder/remove_table.js"
  { echo '#!/bin/sh'; cat tools/permissions.sh packaging/launcher.sh; } | filled 755 "$prefix/sbin/portsentry"

  # The history has a folder of its own: the only part of /var/log that the service may write to.
  [ -e "$destination$sysconf/portsentry/portsentry.conf" ] ||
    history <packaging/portsentry.conf | filled 644 "$sysconf/portsentry/portsentry.conf"
  [ -e "$destination$sysconf/portsentry/portsentry.ignore" ] ||
    put 644 packaging/portsentry.ignore "$sysconf/portsentry/portsentry.ignore"
  # logrotate does as root nothing in a folder of another user's.
  history <packaging/logrotate/portsentry | sed 's/^\/var.*{$/&\n    su portsentry adm/' | filled 644 "$sysconf/logrotate.d/portsentry"
  # fail2ban has a filter of that name, for portsentry 1; a .local file takes its place.
  put 644 packaging/fail2ban/filter.d/portsentry.conf "$sysconf/fail2ban/filter.d/portsentry.local"
  history <packaging/fail2ban/jail.d/portsentry.conf | filled 644 "$sysconf/fail2ban/jail.d/portsentry.conf"

  filled 644 "$systemd/systemd/system/portsentry.service" <packaging/systemd/portsentry.service
  put 644 packaging/systemd/portsentry-root.conf "$share/portsentry/portsentry-root.conf"
  put 644 packaging/sysusers.d/portsentry.conf "$systemd/sysusers.d/portsentry.conf"
  put 644 packaging/tmpfiles.d/portsentry.conf "$systemd/tmpfiles.d/portsentry.conf"

  for page in "$work"/man/*.8; do
    gzip -9nf "$page"
    put 644 "$page.gz" "$share/man/man8/${page##*/}.gz"
  done
  put 644 "$work/completions/portsentry.bash" "$share/bash-completion/completions/portsentry"
  put 644 "$work/completions/_portsentry" "$zsh/_portsentry"
  put 644 "$work/completions/portsentry.fish" "$share/fish/vendor_completions.d/portsentry.fish"
}

remove_all() {
  rm -rf "$destination$folder" "$destination$share/portsentry"
  rm -f "$destination$prefix/sbin/portsentry" "$destination$sysconf/logrotate.d/portsentry" \
    "$destination$sysconf/fail2ban/filter.d/portsentry.local" \
    "$destination$sysconf/fail2ban/jail.d/portsentry.conf" \
    "$destination$systemd/systemd/system/portsentry.service" \
    "$destination$systemd/sysusers.d/portsentry.conf" \
    "$destination$systemd/tmpfiles.d/portsentry.conf" \
    "$destination$share"/man/man8/portsentry.8.gz "$destination$share"/man/man8/portsentry.conf.8.gz \
    "$destination$share/bash-completion/completions/portsentry" "$destination$zsh/_portsentry" \
    "$destination$share/fish/vendor_completions.d/portsentry.fish"
}

put() { # MODE FILE PLACE
  mkdir -p "$destination${3%/*}"
  # A program that runs keeps its old file.
  rm -f "$destination$3"
  cp "$2" "$destination$3"
  chmod "$1" "$destination$3"
}

filled() { # MODE PLACE: of the standard input
  mkdir -p "$destination${2%/*}"
  rm -f "$destination$2"
  sed -e "s|@FOLDER@|$folder|" -e "s|/usr/sbin/portsentry|$prefix/sbin/portsentry|" \
    -e "s|/etc/portsentry|$sysconf/portsentry|" >"$destination$2"
  chmod "$1" "$destination$2"
}

history() {
  sed 's|/var/log/portsentry\.log|/var/log/portsentry/portsentry.log|'
}

umask 022
mkdir -p "$work"
case ${1-} in
  "") install_all ;;
  --remove) remove_all ;;
  *) echo "there is no option $1" >&2; exit 1 ;;
esac
