# How an installed program starts, behind tools/permissions.sh; tools/stage.sh fills in the folder.
set -eu
allow_named "$@"
# Deno is to keep no files of its own, to fetch nothing and to ask for no update.
export DENO_DIR=/dev/null DENO_NO_UPDATE_CHECK=1
# On a terminal it would tell each time that it keeps none.
export DENO_LOG="${DENO_LOG-error,deno::cache=off}"
with_permissions @FOLDER@/portsentry "run --no-config --no-lock --no-remote --no-npm --no-code-cache" \
  @FOLDER@/portsentry.js "$@"
