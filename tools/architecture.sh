# The processors that packages are made for, by Debian's names.

own_architecture() {
  case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64 | arm64) echo arm64 ;;
    *) echo "there is no Deno for $(uname -m)" >&2; exit 1 ;;
  esac
}

# The Deno for a processor: that of .tools, or the same version for another one, from npm.
deno_for() { # ARCHITECTURE
  if [ -n "${DENO-}" ] || [ "$1" = "$(own_architecture)" ]; then
    echo "${DENO:-.tools/deno}"
    return
  fi
  case $1 in
    amd64) platform=linux-x64-glibc ;;
    arm64) platform=linux-arm64-glibc ;;
    *) echo "packages are made for amd64 and arm64, not for $1" >&2; exit 1 ;;
  esac
  pinned=$(sed -n 's/^deno_version=//p' tools/setup.sh)
  binary=.tools/$1/node_modules/@deno/$platform/deno
  # npm installs what is for another processor only when it is told to.
  [ -x "$binary" ] || npm install --silent --no-save --no-fund --no-audit --ignore-scripts --force \
    --prefix ".tools/$1" "@deno/$platform@$pinned" >&2 || {
    echo "npm has no Deno $pinned for $1: name one in DENO" >&2
    exit 1
  }
  echo "$binary"
}
