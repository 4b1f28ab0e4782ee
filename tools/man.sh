#!/bin/sh
# Makes the manual pages from docs/*.8.md, through pandoc.
#
#   tools/man.sh FOLDER
set -eu
cd "$(dirname "$0")/.."
folder=${1:?"name the folder to write to"}
version=$(sed -n 's/.*"version": "\(.*\)".*/\1/p' deno.json)
# A page says when it was last changed, or when the release was made.
released=${SOURCE_DATE_EPOCH:+$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)}

mkdir -p "$folder"
for source in docs/*.8.md; do
  page=$(basename "$source" .md)
  changed=$(git log -1 --format=%cs -- "$source" 2>/dev/null || true)
  pandoc --from=commonmark --to=man --standalone --template=tools/man.template \
    --lua-filter=tools/man.lua \
    --variable=title="$(basename "$page" .8 | tr '[:lower:]' '[:upper:]')" \
    --variable=date="${released:-${changed:-$(date +%F)}}" \
    --variable=version="$version" \
    --output="$folder/$page" "$source"
done
