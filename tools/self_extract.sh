# How a self-extracting program starts, behind tools/permissions.sh; tools/build.sh fills in what
# stands between @s, and appends two gzip streams: Deno, and the program.
#
# They are unpacked once, into a folder named by their hash. That name does not say who made the
# folder, so every start looks at it, at its files and at all folders above it: each must belong to
# root or to whoever starts this, and nobody else may write there. So nobody else has put anything
# there, and nobody can exchange it between the look and the start.
#
# PORTSENTRY_CACHE names another place for that folder.
set -eu
packed_hash=@PACKED_HASH@
deno_bytes=@DENO_BYTES@ deno_packed=@DENO_PACKED@
program_bytes=@PROGRAM_BYTES@ program_packed=@PROGRAM_PACKED@
packed_bytes=$((deno_packed + program_packed))
new= unpacker=

fail() { # WHAT
  echo "portsentry: $1" >&2
  exit 1
}

# The folder to unpack into, with no symbolic link in its path.
choose_cache() {
  cache=${PORTSENTRY_CACHE-}
  if [ -z "$cache" ]; then
    if [ "$user" = 0 ]; then
      cache=/var/cache/portsentry
    elif [ -n "${XDG_CACHE_HOME-}${HOME-}" ]; then
      cache=${XDG_CACHE_HOME:-$HOME/.cache}/portsentry
    else
      fail "there is no HOME to unpack into: name a folder in PORTSENTRY_CACHE"
    fi
  fi
  [ -d "$cache" ] || (umask 022 && mkdir -p -- "$cache") ||
    fail "cannot make $cache: name another folder in PORTSENTRY_CACHE"
  cache=$(CDPATH='' cd -P -- "$cache" && pwd -P) || fail "cannot enter $cache"
  folder=$cache/$packed_hash
}

# Fails if anybody else could have made the folder or what is in it, or could change it. Says in $whole
# whether all is there and has its full size: after a crash of the host it may not.
trust() {
  set -- "$folder" "$folder/deno" "$folder/portsentry" "$folder/portsentry.js"
  above=$cache
  while [ -n "$above" ]; do
    set -- "$above" "$@"
    above=${above%/*}
  done
  whole=yes
  # Without -L, a link is told as such.
  listing=$(stat -c '%u %f %s %n' -- / "$@" 2>/dev/null) || whole=
  IFS='
'
  set -f
  for entry in $listing; do
    owner=${entry%% *} entry=${entry#* }
    mode=$((0x${entry%% *})) entry=${entry#* }
    size=${entry%% *} path=${entry#* }
    [ "$owner" = 0 ] || [ "$owner" = "$user" ] ||
      fail "$path belongs to user $owner, who could change what runs: name another folder in PORTSENTRY_CACHE"
    case $((mode & 0170000)) in
      16384) sticky=$((mode & 01000)) ;; # a folder; in a sticky one, like /tmp, names are their owners'
      32768) sticky=0 ;;
      *) fail "$path is neither a file nor a folder: remove it" ;;
    esac
    case $path in
      "$cache" | "$cache"/*) sticky=0 ;;
    esac
    [ $((mode & 022)) = 0 ] || [ "$sticky" != 0 ] ||
      fail "others may write to $path: chmod go-w, or name another folder in PORTSENTRY_CACHE"
    case $path in
      "$folder/portsentry") [ "$size" = $deno_bytes ] || whole= ;;
      "$folder/portsentry.js") [ "$size" = $program_bytes ] || whole= ;;
    esac
  done
  set +f
  unset IFS
}

unpack() { # BYTES-FROM-THE-END LENGTH FILE
  tail -c "$1" -- "$0" | head -c "$2" | gzip -dc >"$new/$3"
}

# Into a folder of this start alone, which is renamed when it is complete. If two starts do so at
# once, the second rename fails, and both use what the first has made.
unpack_all() {
  mask=$(umask)
  umask 022
  for left in "$cache"/.new.*; do # by a start that was killed
    pid=${left#"$cache/.new."}
    kill -0 "${pid%%.*}" 2>/dev/null || rm -rf -- "$left"
  done
  trap 'kill $unpacker 2>/dev/null || true; [ -z "$new" ] || rm -rf -- "$new"' EXIT
  trap 'exit 1' HUP INT TERM
  new=$(mktemp -d "$cache/.new.$$.XXXXXX") || fail "cannot write to $cache"
  # The hash is taken of what is packed, beside the unpacking: gzip checks what it makes of that.
  {
    unpack $packed_bytes $deno_packed portsentry &&
      unpack $program_packed $program_packed portsentry.js &&
      mkdir "$new/deno" && chmod 755 "$new" "$new/portsentry"
  } &
  unpacker=$!
  told=$(tail -c $packed_bytes -- "$0" | sha256sum)
  wait $unpacker && unpacked=yes || unpacked=
  unpacker=
  [ "${told%% *}" = $packed_hash ] || fail "$0 is damaged: it does not have its hash any more"
  [ -n "$unpacked" ] || fail "cannot unpack into $cache, where 100 MB are needed"
  # What older versions have unpacked is of no more use.
  for left in "$cache"/*; do
    case ${left##*/} in
      *[!0-9a-f]* | "$packed_hash") ;;
      *) [ ${#left} != ${#folder} ] || [ ! -f "$left/portsentry.js" ] || rm -rf -- "$left" ;;
    esac
  done
  if ! mv -T -- "$new" "$folder" 2>/dev/null; then
    trust
    [ -n "$whole" ] || { mv -T -- "$folder" "$new/torn" && mv -T -- "$new" "$folder"; } ||
      fail "cannot make $folder"
  fi
  rm -rf -- "$new" "$folder/torn"
  trap - EXIT HUP INT TERM
  umask "$mask"
}

user=$(id -u)
choose_cache
trust
[ -n "$whole" ] || { unpack_all && trust; }
[ -n "$whole" ] || fail "$folder is not what was unpacked there: remove it"
[ -x "$folder/portsentry" ] ||
  fail "$cache is on a file system from which nothing runs (noexec): name another folder in PORTSENTRY_CACHE"

allow_named "$@"
# What Deno keeps there makes the next start faster. It fetches nothing, and asks for no update.
export DENO_DIR="$folder/deno" DENO_NO_UPDATE_CHECK=1
with_permissions "$folder/portsentry" "run --no-config --no-lock --no-remote --no-npm" \
  "$folder/portsentry.js" "$@"
