#!/bin/sh
# Makes dist/portsentry_VERSION_ARCHITECTURE.deb.
#
#   tools/deb.sh [amd64|arm64]
#
# COMPRESSION is that of dpkg-deb: xz makes 31 MB of the 96 MB of Deno, zstd 38 MB; "gzip -z1" is quick.
# Every dpkg that can be met knows xz; zstd came with Debian 12.
set -eu
cd "$(dirname "$0")/.."
. tools/architecture.sh
architecture=${1:-$(own_architecture)}
DENO=$(deno_for "$architecture")
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' packaging/deb/changelog)
tree=dist/work/deb-$architecture
file=dist/portsentry_${version#*:}_$architecture.deb

rm -rf "$tree"
mkdir -p "$tree/DEBIAN"
DENO=$DENO DESTDIR=$tree PREFIX=/usr ZSH_COMPLETIONS=/usr/share/zsh/vendor-completions tools/stage.sh
umask 022
doc=$tree/usr/share/doc/portsentry
mkdir -p "$doc" "$tree/usr/share/lintian/overrides"
cp packaging/deb/copyright "$doc/copyright"
gzip -9nc packaging/deb/changelog >"$doc/changelog.Debian.gz"
cp packaging/deb/lintian-overrides "$tree/usr/share/lintian/overrides/portsentry"
chmod -R u=rwX,go=rX "$tree"

cp packaging/deb/conffiles "$tree/DEBIAN/conffiles"
for script in preinst postinst prerm postrm; do
  cp "packaging/deb/$script" "$tree/DEBIAN/$script"
  chmod 755 "$tree/DEBIAN/$script"
done
kibibytes=$(du -k -s --apparent-size "$tree" | cut -f 1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@KIBIBYTES@/$kibibytes/" \
  packaging/deb/control >"$tree/DEBIAN/control"
(cd "$tree" && find usr etc -type f -exec md5sum {} + | sort -k 2) >"$tree/DEBIAN/md5sums"
chmod 644 "$tree/DEBIAN/control" "$tree/DEBIAN/conffiles" "$tree/DEBIAN/md5sums"

# The same sources and the same date make the same package.
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
# shellcheck disable=SC2086 -- these are words
dpkg-deb --root-owner-group -Z${COMPRESSION:-xz} --build "$tree" "$file" >/dev/null
rm -rf "$tree"
echo "$file: $(wc -c <"$file") bytes"
