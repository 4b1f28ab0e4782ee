#!/bin/sh
# Makes all of a release in dist: the one file, the packages and SHA256SUMS. A processor that npm has no
# Deno for is told and left out.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/.*"version": "\(.*\)".*/\1/p' deno.json)
rm -f dist/*.deb dist/*.rpm dist/portsentry-"$version"-* dist/SHA256SUMS
cp dist/portsentry "dist/portsentry-$version-linux-$(uname -m)"
for architecture in amd64 arm64; do
  tools/deb.sh "$architecture" && tools/rpm.sh "$architecture" ||
    echo "there are no packages for $architecture" >&2
done
cd dist
sha256sum portsentry-* portsentry_* >SHA256SUMS
cat SHA256SUMS
