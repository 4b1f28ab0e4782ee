#!/bin/sh
# Makes dist/portsentry-VERSION-1.PROCESSOR.rpm.
#
#   tools/rpm.sh [amd64|arm64]
#
# PAYLOAD is that of rpm: w6.xzdio by default; w1.gzdio is for tests.
set -eu
cd "$(dirname "$0")/.."
. tools/architecture.sh
architecture=${1:-$(own_architecture)}
DENO=$(deno_for "$architecture")
case $architecture in
  amd64) processor=x86_64 ;;
  arm64) processor=aarch64 ;;
esac
version=$(sed -n 's/.*"version": "\(.*\)".*/\1/p' deno.json)
work=$PWD/dist/work/rpm-$architecture

rm -rf "$work"
mkdir -p "$work/tree/usr/share/licenses/portsentry"
DENO=$DENO DESTDIR=$work/tree PREFIX=/usr tools/stage.sh
cp LICENSE "$work/tree/usr/share/licenses/portsentry/LICENSE"
chmod -R u=rwX,go=rX "$work/tree"
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
rpmbuild -bb --quiet --target "$processor" --define "_topdir $work" --define "_rpmdir $work" \
  --define "_build_name_fmt portsentry.rpm" --define "portsentry_version $version" \
  --define "portsentry_tree $work/tree" --define "portsentry_payload ${PAYLOAD:-w6.xzdio}" \
  --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" \
  --define "_dbpath $work/db" \
  packaging/rpm/portsentry.spec >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
file=dist/portsentry-$version-1.$processor.rpm
mv "$work/portsentry.rpm" "$file"
rm -rf "$work"
echo "$file: $(wc -c <"$file") bytes"
