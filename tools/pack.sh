# What a build is made of: the program in one file, and that with Deno in one executable.

bundle() { # KIND FILE: the kind is what `-V` tells
  # esbuild comes from npm, at the first time.
  .tools/deno bundle --quiet --minify --platform=deno --output="$2.new" tools/entry.ts
  sed "s/@KIND@/$1/" "$2.new" >"$2"
  rm "$2.new"
}

pack() { # DENO PROGRAM FILE
  # The same Deno is packed once: it takes ten seconds.
  packed=${3%/*}/deno-$(hash_of "$1").gz
  [ -f "$packed" ] || { gzip -9nc "$1" >"$packed.new" && mv "$packed.new" "$packed"; }
  gzip -9nc "$2" >"$2.gz"
  {
    echo '#!/bin/sh'
    cat tools/permissions.sh
    sed -e "s/@PACKED_HASH@/$(cat "$packed" "$2.gz" | hash_of -)/" \
      -e "s/@DENO_BYTES@/$(bytes_of "$1")/" -e "s/@DENO_PACKED@/$(bytes_of "$packed")/" \
      -e "s/@PROGRAM_BYTES@/$(bytes_of "$2")/" -e "s/@PROGRAM_PACKED@/$(bytes_of "$2.gz")/" \
      tools/self_extract.sh
    cat "$packed" "$2.gz"
  } >"$3"
  chmod 755 "$3"
}

hash_of() { # FILE
  sha256sum -- "$1" | cut -d ' ' -f 1
}

bytes_of() { # FILE
  wc -c <"$1"
}
